//! The work that one request may cause.

use std::{
    cell::Cell,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use serde_json::{Map, Value};

/// The work that one request may cause, however its sizes multiply.
///
/// Evaluation, PATCH, projection, sorting and stores charge it in *units*: one unit per byte that they read or write,
/// and [`COMPARISON`](Budget::COMPARISON) units per comparison. A budget runs out when its units are spent, when its
/// deadline has passed, or when it is cancelled because the client has disconnected; from then on every charge fails.
/// All clones share one balance, and so do the operations of a bulk request.
///
/// It does not read a clock itself: [`Budget::with_deadline`] takes a function for that.
///
/// # Example
/// ```
/// use scimkit_registry::{Budget, Exhausted};
///
/// let budget = Budget::new(100);
/// assert_eq!(budget.charge(60), Ok(()));
/// assert_eq!(budget.clone().charge(60), Err(Exhausted::Work));
///
/// let budget = Budget::unlimited();
/// budget.cancel();
/// assert_eq!(budget.charge(1), Err(Exhausted::Cancelled));
/// ```
#[derive(Clone)]
pub struct Budget {
    /// Set for a [part](Budget::part).
    part: Option<Arc<Part>>,
    shared: Arc<Shared>,
}

/// A part of a request's work, which can be cancelled separately.
struct Part {
    cancelled: AtomicBool,
    whole: Option<Arc<Part>>,
}

struct Shared {
    cancelled: AtomicBool,
    expired: Option<Box<dyn Fn() -> bool + Send + Sync>>,
    limit: u64,
    spent: AtomicU64,
}

/// The reason why a [`Budget`] ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Exhausted {
    /// The request was cancelled: its client no longer waits for the result.
    #[error("the request was cancelled")]
    Cancelled,
    /// The deadline of the request has passed.
    #[error("the request took longer than this service allows")]
    Deadline,
    /// The request would exceed the limit of work.
    #[error("the request would cause more work than this service allows")]
    Work,
}

impl Budget {
    /// The units of one comparison, besides those for the bytes that it reads.
    pub const COMPARISON: u64 = 16;

    /// The units between two checks of the clock: well under a millisecond of work.
    const CLOCK: u64 = 1 << 16;

    /// Creates a budget of `units` units, without a deadline.
    #[must_use]
    pub fn new(units: u64) -> Self {
        Budget {
            part: None,
            shared: Arc::new(Shared {
                cancelled: AtomicBool::new(false),
                expired: None,
                limit: units,
                spent: AtomicU64::new(0),
            }),
        }
    }

    /// Creates a budget that only [`Budget::cancel`] ends, for work that no client requested.
    #[must_use]
    pub fn unlimited() -> Self {
        Budget::new(u64::MAX)
    }

    /// Creates a budget of `units` units with a deadline, which has passed once `expired` returns true.
    /// It is called every 65,536 units and by [`Budget::check`].
    ///
    /// # Example
    /// ```
    /// use std::time::{Duration, Instant};
    /// use scimkit_registry::{Budget, Exhausted};
    ///
    /// let deadline = Instant::now() + Duration::ZERO;
    /// let budget = Budget::with_deadline(1_000, move || Instant::now() >= deadline);
    /// assert_eq!(budget.check(), Err(Exhausted::Deadline));
    /// ```
    #[must_use]
    pub fn with_deadline(units: u64, expired: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Budget {
            part: None,
            shared: Arc::new(Shared {
                cancelled: AtomicBool::new(false),
                expired: Some(Box::new(expired)),
                limit: units,
                spent: AtomicU64::new(0),
            }),
        }
    }

    /// Spends units.
    ///
    /// # Errors
    /// [`Exhausted`] with the reason why the budget ran out; the caller must not do the work then.
    pub fn charge(&self, units: u64) -> Result<(), Exhausted> {
        let before = self.shared.spent.fetch_add(units, Ordering::Relaxed);
        let after = before.saturating_add(units);
        if after > self.shared.limit {
            // Units stay spent after a failure: the counter can't wrap around, however often it is charged.
            self.shared
                .spent
                .store(self.shared.limit, Ordering::Relaxed);
            return Err(self.ended().unwrap_or(Exhausted::Work));
        }
        if self.is_cancelled() {
            return Err(Exhausted::Cancelled);
        }
        if before / Self::CLOCK == after / Self::CLOCK {
            Ok(())
        } else {
            self.check()
        }
    }

    /// Checks balance, deadline and cancellation, without spending anything.
    ///
    /// # Errors
    /// [`Exhausted`] with the reason why the budget ran out.
    pub fn check(&self) -> Result<(), Exhausted> {
        match self.ended() {
            Some(reason) => Err(reason),
            None if self.shared.spent.load(Ordering::Relaxed) >= self.shared.limit => {
                Err(Exhausted::Work)
            }
            None => Ok(()),
        }
    }

    /// Ends the budget, because its client no longer waits for the result. Cancelling a [part](Budget::part) ends
    /// only that part.
    pub fn cancel(&self) {
        let cancelled = match &self.part {
            Some(part) => &part.cancelled,
            None => &self.shared.cancelled,
        };
        cancelled.store(true, Ordering::Relaxed);
    }

    /// Returns the budget for a part of the work, such as one call of a store: it has the same balance and deadline
    /// and ends with the whole, but cancelling it does not end the whole.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::{Budget, Exhausted};
    ///
    /// let budget = Budget::new(100);
    /// let part = budget.part();
    /// part.charge(60)?;
    /// part.cancel();
    /// assert_eq!(part.charge(1), Err(Exhausted::Cancelled));
    /// assert_eq!((budget.check(), budget.spent()), (Ok(()), 61));
    /// # Ok::<(), Exhausted>(())
    /// ```
    #[must_use]
    pub fn part(&self) -> Budget {
        let part = Part {
            cancelled: AtomicBool::new(false),
            whole: self.part.clone(),
        };
        Budget {
            part: Some(Arc::new(part)),
            shared: Arc::clone(&self.shared),
        }
    }

    /// Returns the units spent so far, at most the limit.
    #[must_use]
    pub fn spent(&self) -> u64 {
        self.shared
            .spent
            .load(Ordering::Relaxed)
            .min(self.shared.limit)
    }

    /// Returns a meter for an inner loop: it collects small charges and passes them on in larger ones.
    #[must_use]
    pub fn meter(&self) -> Meter<'_> {
        Meter {
            budget: Some(self),
            pending: Cell::new(0),
        }
    }

    fn is_cancelled(&self) -> bool {
        let mut part = self.part.as_ref();
        while let Some(this) = part {
            if this.cancelled.load(Ordering::Relaxed) {
                return true;
            }
            part = this.whole.as_ref();
        }
        self.shared.cancelled.load(Ordering::Relaxed)
    }

    fn ended(&self) -> Option<Exhausted> {
        if self.is_cancelled() {
            return Some(Exhausted::Cancelled);
        }
        let expired = self
            .shared
            .expired
            .as_ref()
            .is_some_and(|expired| expired());
        expired.then_some(Exhausted::Deadline)
    }
}

/// Returns the units for copying, comparing or printing a JSON value: its bytes, and a comparison per value and
/// member in it.
///
/// # Example
/// ```
/// use scimkit_registry::{Budget, weight};
/// use serde_json::json;
///
/// assert_eq!(weight(&json!("work")), Budget::COMPARISON + 4);
/// assert_eq!(weight(&json!({"type": "work"})), 2 * Budget::COMPARISON + 8);
/// ```
#[must_use]
pub fn weight(value: &Value) -> u64 {
    let inside = match value {
        Value::String(text) => text.len() as u64,
        Value::Array(elements) => elements.iter().map(weight).sum(),
        Value::Object(members) => members_weight(members),
        Value::Bool(_) | Value::Null | Value::Number(_) => 0,
    };
    Budget::COMPARISON.saturating_add(inside)
}

pub(crate) fn members_weight(members: &Map<String, Value>) -> u64 {
    let members = members.iter();
    members
        .map(|(name, value)| weight(value).saturating_add(name.len() as u64))
        .sum()
}

/// Ends a scan of many rows early if it is not going to fit into its budget, judging by the rows so far.
///
/// It starts to judge after a thirty-second of the rows. It ends a scan that would take more than twice the budget
/// that was left at the beginning, if the other rows take as much as the rows so far.
///
/// # Example
/// ```
/// use scimkit_registry::{Budget, Exhausted, Forecast};
///
/// let budget = Budget::new(10_000);
/// let forecast = Forecast::new(&budget, 3_200);
/// budget.charge(700)?;
/// assert_eq!(forecast.check(&budget, 99), Ok(()));
/// assert_eq!(forecast.check(&budget, 100), Err(Exhausted::Work));
/// assert_eq!(forecast.check(&budget, 1_600), Ok(()));
/// # Ok::<(), Exhausted>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Forecast {
    rows: u64,
    spent_before: u64,
}

impl Forecast {
    /// The part of the rows that must be done first, as a divisor.
    const SAMPLE: u64 = 32;
    /// The factor by which a scan may exceed its budget.
    const EXCESS: u64 = 2;

    /// Begins a scan that needs this number of rows.
    #[must_use]
    pub fn new(budget: &Budget, rows: u64) -> Self {
        Forecast {
            rows,
            spent_before: budget.spent(),
        }
    }

    /// Judges the scan after `done` rows.
    ///
    /// # Errors
    /// [`Exhausted::Work`] if the scan is not going to fit.
    pub fn check(&self, budget: &Budget, done: u64) -> Result<(), Exhausted> {
        if done.saturating_mul(Self::SAMPLE) < self.rows {
            return Ok(());
        }
        let spent = u128::from(budget.spent().saturating_sub(self.spent_before));
        let left = u128::from(budget.shared.limit.saturating_sub(self.spent_before));
        // The units per row, times all rows.
        let needed = spent * u128::from(self.rows);
        let allowed = left * u128::from(done);
        let allowed = allowed.saturating_mul(u128::from(Self::EXCESS));
        if needed > allowed {
            Err(Exhausted::Work)
        } else {
            Ok(())
        }
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("limit", &self.shared.limit)
            .field("spent", &self.spent())
            .finish_non_exhaustive()
    }
}

/// Collects the small charges of one thread and passes them on to a [`Budget`] in larger ones; dropping the meter
/// passes on the rest.
///
/// # Example
/// ```
/// use scimkit_registry::{Budget, Exhausted, Meter};
///
/// let budget = Budget::new(10_000);
/// let meter = budget.meter();
/// assert_eq!(meter.charge(8_000), Ok(()));
/// assert_eq!(meter.charge(8_000), Err(Exhausted::Work));
/// assert_eq!(Meter::unlimited().charge(u64::MAX), Ok(()));
/// ```
#[derive(Debug)]
pub struct Meter<'a> {
    /// `None` for unlimited work.
    budget: Option<&'a Budget>,
    pending: Cell<u64>,
}

impl Meter<'_> {
    /// Units that are counted before they are passed on.
    const CHUNK: u64 = 4_096;

    /// Creates a meter that never fails, for work that no client requested.
    #[must_use]
    pub fn unlimited() -> Self {
        Meter {
            budget: None,
            pending: Cell::new(0),
        }
    }

    /// Spends units.
    ///
    /// # Errors
    /// [`Exhausted`] with the reason why the budget ran out, at most 4,096 units late.
    #[inline]
    pub fn charge(&self, units: u64) -> Result<(), Exhausted> {
        let pending = self.pending.get().saturating_add(units);
        if pending < Self::CHUNK {
            self.pending.set(pending);
            return Ok(());
        }
        self.pass_on(pending)
    }

    /// Spends the units of one comparison that reads `bytes` bytes.
    ///
    /// # Errors
    /// See [`Meter::charge`].
    #[inline]
    pub fn compare(&self, bytes: usize) -> Result<(), Exhausted> {
        self.charge(Budget::COMPARISON.saturating_add(bytes as u64))
    }

    fn pass_on(&self, units: u64) -> Result<(), Exhausted> {
        self.pending.set(0);
        self.budget.map_or(Ok(()), |budget| budget.charge(units))
    }
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        // This work is already done; the next charge reports whether it was allowed.
        if self.pending.get() > 0 {
            let _ = self.pass_on(self.pending.get());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exhausted_budget_stays_exhausted_and_never_wraps() {
        let budget = Budget::new(10);
        for _ in 0..4 {
            assert_eq!(budget.charge(u64::MAX / 2), Err(Exhausted::Work));
        }
        assert_eq!(budget.spent(), 10);
        assert_eq!(budget.check(), Err(Exhausted::Work));
    }

    #[test]
    fn dropped_meters_charge_the_rest() {
        let budget = Budget::unlimited();
        let meter = budget.meter();
        for _ in 0..5_000 {
            assert_eq!(meter.charge(1), Ok(()));
        }
        drop(meter);
        assert_eq!(budget.spent(), 5_000);
    }

    #[test]
    fn a_comparison_costs_what_it_reads() {
        let budget = Budget::unlimited();
        let meter = budget.meter();
        assert_eq!(meter.compare(0), Ok(()));
        assert_eq!(meter.compare(100), Ok(()));
        drop(meter);
        assert_eq!(budget.spent(), 2 * Budget::COMPARISON + 100);
    }

    #[test]
    fn cancelling_the_whole_ends_its_parts_but_not_vice_versa() {
        let budget = Budget::unlimited();
        let part = budget.part();
        let first = part.part();
        let second = part.part();
        first.cancel();
        assert_eq!(first.charge(1), Err(Exhausted::Cancelled));
        assert_eq!((second.charge(1), part.charge(1)), (Ok(()), Ok(())));
        part.cancel();
        assert_eq!(second.check(), Err(Exhausted::Cancelled));
        assert_eq!(budget.charge(1), Ok(()));
        assert_eq!(budget.spent(), 4);
        budget.cancel();
        assert_eq!(budget.part().check(), Err(Exhausted::Cancelled));
    }

    #[test]
    fn the_clock_is_checked_while_work_goes_on() {
        let budget = Budget::with_deadline(u64::MAX, || true);
        assert_eq!(budget.charge(1), Ok(()));
        assert_eq!(budget.charge(Budget::CLOCK), Err(Exhausted::Deadline));
    }
}
