//! Time, and identifiers in the order of time.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use chrono::{DateTime, Utc};
use scimkit_registry::ResourceId;
use uuid::{ContextV7, Timestamp, Uuid};

/// A source of time: the system clocks, or functions for tests.
///
/// # Example
/// ```
/// use std::time::Duration;
/// use chrono::DateTime;
/// use scimkit_server::Clock;
///
/// let stopped = Clock::of(|| DateTime::UNIX_EPOCH).with_elapsed(|| Duration::ZERO);
/// assert_eq!(stopped.now().timestamp(), 0);
/// assert_eq!(stopped.elapsed(), stopped.elapsed());
/// assert_ne!(Clock::default().now().timestamp(), 0);
/// ```
#[derive(Clone)]
pub struct Clock {
    elapsed: Arc<dyn Fn() -> Duration + Send + Sync>,
    now: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>,
}

impl Clock {
    /// Creates a clock that takes the time from a function. Durations still come from the system.
    #[must_use]
    pub fn of(now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Clock {
            now: Arc::new(now),
            ..Clock::default()
        }
    }

    /// Sets the function that measures durations. It returns the time since any fixed moment, and must never go
    /// back.
    #[must_use]
    pub fn with_elapsed(mut self, elapsed: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        self.elapsed = Arc::new(elapsed);
        self
    }

    /// Returns the current time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        (self.now)()
    }

    /// Returns the time since a fixed moment, which measures durations and deadlines. It never goes back, even if
    /// [`Clock::now`] does.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        (self.elapsed)()
    }

    /// Returns an identifier for a new resource: a version 7 UUID, so that ids sort by creation time.
    pub(crate) fn new_id(&self) -> ResourceId {
        id_at(self.now().into())
    }
}

impl Default for Clock {
    /// Creates a clock that uses the system clocks. The time may be before 1970.
    fn default() -> Self {
        let start = Instant::now();
        Clock {
            elapsed: Arc::new(move || start.elapsed()),
            // `Utc::now` panics before 1970.
            now: Arc::new(|| SystemTime::now().into()),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock(…)")
    }
}

/// The earliest time in a version 7 UUID. The UUID can't hold an earlier time, and its counter starts at a random
/// number only after 1970.
const FIRST: Duration = Duration::from_millis(1);

fn id_at(now: SystemTime) -> ResourceId {
    static CONTEXT: Mutex<ContextV7> = Mutex::new(ContextV7::new());
    // `Uuid::now_v7` panics before 1970.
    let since = now.duration_since(UNIX_EPOCH).unwrap_or(FIRST).max(FIRST);
    let context = CONTEXT.lock().unwrap_or_else(PoisonError::into_inner);
    let timestamp = Timestamp::from_unix(&*context, since.as_secs(), since.subsec_nanos());
    ResourceId::from(Uuid::new_v7(timestamp).to_string())
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        time::{Duration, UNIX_EPOCH},
    };

    use chrono::{DateTime, Utc};

    use super::{Clock, id_at};

    #[test]
    fn ids_are_distinct_and_in_order_while_the_clock_jumps() {
        let now = UNIX_EPOCH + Duration::from_secs(1_900_000_000);
        let before_1970 = UNIX_EPOCH - Duration::from_secs(300_000_000);
        let clock = [now, before_1970, UNIX_EPOCH, now, before_1970];
        let ids: Vec<_> = clock.map(id_at).map(|id| id.to_string()).into();
        assert!(ids.is_sorted(), "{ids:?}");
        let ids: BTreeSet<_> = ids
            .into_iter()
            .chain([Clock::default().new_id().to_string()])
            .collect();
        assert_eq!(ids.len(), clock.len() + 1);
    }

    #[test]
    fn a_clock_before_1970_is_read() {
        let at = UNIX_EPOCH - Duration::from_millis(1_500);
        let at: DateTime<Utc> = at.into();
        assert_eq!(at.timestamp_millis(), -1_500);
    }
}
