//! The tenants of a consumer that have changed.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use chrono::{DateTime, Utc};
use scimkit_store::{JournalPosition, TenantId};

use super::{
    EventConsumer,
    delivery::{Delivered, Resume},
};

/// The maximum number of tenants to whose events a consumer attends at once.
const TENANTS_AT_ONCE: usize = 8;

/// The moment at which something happens: on the clock of delays, and the time of day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) at: DateTime<Utc>,
    pub(super) elapsed: Duration,
}

/// The tenants of a consumer that have changed.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// The tenants with events that were not delivered, and the time of the oldest one. It is the time at which the
    /// tenant was added, until the event is read.
    behind: BTreeMap<TenantId, DateTime<Utc>>,
    // INVARIANT: the tenants of `failures` with a time of the next attempt, in the order of these times.
    delayed: BTreeSet<(Duration, TenantId)>,
    failures: BTreeMap<TenantId, Failure>,
    pub(super) is_polling: bool,
    /// The tenants whose lease goes on between two deliveries.
    pub(super) leased: BTreeSet<TenantId>,
    // INVARIANT: `waiting` has the tenants of `order`; a tenant is in at most one of `waiting` and `running`.
    order: VecDeque<TenantId>,
    /// The positions from which to continue.
    resumes: BTreeMap<TenantId, Resume>,
    /// The tenants at work, and whether they have changed since.
    running: BTreeMap<TenantId, bool>,
    waiting: BTreeSet<TenantId>,
}

/// The failures of a tenant in a row.
#[derive(Debug, Default)]
struct Failure {
    attempts: u32,
    /// The event that was not delivered, with the number of attempts.
    event: Option<(JournalPosition, u32)>,
    /// Whether the next attempt has to wait.
    is_delayed: bool,
}

/// A tenant whose events are delivered next.
#[derive(Debug)]
pub(super) struct Started {
    /// The event that was not delivered before, with the number of attempts.
    pub(super) failed: Option<(JournalPosition, u32)>,
    pub(super) resume: Option<Resume>,
    pub(super) tenant: TenantId,
}

impl Queue {
    /// Adds a tenant that has changed.
    pub(super) fn add(&mut self, tenant: TenantId, at: DateTime<Utc>) {
        if let Some(has_changed) = self.running.get_mut(&tenant) {
            *has_changed = true;
            return;
        }
        let failure = self.failures.get(&tenant);
        if failure.is_some_and(|failure| failure.is_delayed) {
            return;
        }
        if self.waiting.insert(tenant.clone()) {
            self.behind.entry(tenant.clone()).or_insert(at);
            self.order.push_back(tenant);
        }
    }

    /// Adds the tenants whose delay is over, and returns the time at which the next one is.
    pub(super) fn add_delayed(&mut self, now: Moment) -> Option<Duration> {
        while let Some((until, _)) = self.delayed.first() {
            if *until > now.elapsed {
                return Some(*until);
            }
            let (_, tenant) = self.delayed.pop_first()?;
            if let Some(failure) = self.failures.get_mut(&tenant) {
                failure.is_delayed = false;
            }
            self.add(tenant, now.at);
        }
        None
    }

    /// Takes the next tenant.
    pub(super) fn start(&mut self) -> Option<Started> {
        if self.running.len() >= TENANTS_AT_ONCE {
            return None;
        }
        let tenant = self.order.pop_front()?;
        self.waiting.remove(&tenant);
        self.running.insert(tenant.clone(), false);
        let failure = self.failures.get(&tenant);
        Some(Started {
            failed: failure.and_then(|failure| failure.event),
            resume: self.resumes.remove(&tenant),
            tenant,
        })
    }

    /// Notes the result of a delivery.
    pub(super) fn end(
        &mut self,
        (tenant, delivered): (TenantId, Delivered),
        consumer: &EventConsumer,
        now: Moment,
    ) {
        let has_changed = self.running.remove(&tenant).unwrap_or(false);
        match delivered {
            Delivered::All => {
                self.behind.remove(&tenant);
                self.failures.remove(&tenant);
                self.leased.remove(&tenant);
                if has_changed {
                    self.add(tenant, now.at);
                }
            }
            Delivered::Some { oldest, resume } => {
                self.keep(&tenant, oldest, resume);
                self.failures.remove(&tenant);
                self.add(tenant, now.at);
            }
            // The next poll finds it again.
            Delivered::Held => {
                self.behind.remove(&tenant);
                self.leased.remove(&tenant);
            }
            Delivered::Failed {
                error,
                oldest,
                position,
                resume,
            } => {
                self.keep(&tenant, oldest, resume);
                let failure = self.failures.entry(tenant.clone()).or_default();
                failure.fail_at(position);
                let attempts = failure.attempts;
                let jitter = RandomState::new().hash_one(&tenant);
                let delay = consumer.retries.after(attempts, jitter);
                let (consumer, number) =
                    (consumer.name(), position.map(|position| position.number));
                tracing::warn!(consumer, %tenant, number, attempts, %error, "delivering an event failed");
                self.delayed
                    .insert((now.elapsed.saturating_add(delay), tenant));
            }
        }
    }

    /// Notes a tenant with further events, under a lease that goes on.
    fn keep(&mut self, tenant: &TenantId, oldest: Option<DateTime<Utc>>, resume: Option<Resume>) {
        self.leased.insert(tenant.clone());
        let oldest = oldest.map(|at| (tenant.clone(), at));
        self.behind.extend(oldest);
        let resume = resume.map(|resume| (tenant.clone(), resume));
        self.resumes.extend(resume);
    }

    /// Returns the age of the oldest event that was not delivered, as far as it is known.
    pub(super) fn lag(&self, now: DateTime<Utc>) -> Duration {
        let oldest = self.behind.values().min();
        let age = oldest.and_then(|at| (now - at).to_std().ok());
        age.unwrap_or_default()
    }
}

impl Failure {
    /// Counts another failure. The attempts are those of the event, if an event has failed.
    fn fail_at(&mut self, position: Option<JournalPosition>) {
        self.is_delayed = true;
        self.attempts = self.attempts.saturating_add(1);
        if let Some(position) = position {
            let same = self.event.filter(|(failed, _)| *failed == position);
            self.attempts = same.map_or(1, |(_, attempts)| attempts.saturating_add(1));
            self.event = Some((position, self.attempts));
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, TimeZone as _};

    use super::*;

    fn moment(seconds: u64) -> Moment {
        let elapsed = Duration::from_secs(seconds);
        let at = Utc.timestamp_opt(1_000, 0).unwrap() + elapsed;
        Moment { at, elapsed }
    }

    fn tenant(number: u64) -> TenantId {
        TenantId::from(format!("t{number:05}").as_str())
    }

    fn consumer() -> EventConsumer {
        EventConsumer::new("events", |_| async { Ok(()) })
            .with_retry_delays(Duration::from_secs(8), Duration::from_secs(8))
    }

    fn failed(oldest: Option<DateTime<Utc>>) -> Delivered {
        Delivered::Failed {
            error: "not now".into(),
            oldest,
            position: None,
            resume: None,
        }
    }

    #[test]
    fn failing_tenants_are_added_when_their_delay_is_over() {
        let (mut queue, consumer) = (Queue::default(), consumer());
        let count = 20_000;
        for number in 0..count {
            queue.add(tenant(number), moment(0).at);
        }
        for number in 0..count {
            let started = queue.start().unwrap();
            assert_eq!(started.tenant, tenant(number));
            queue.end((started.tenant, failed(None)), &consumer, moment(number));
            // A change in the meantime does not shorten the delay.
            queue.add(tenant(number), moment(number).at);
            let next = queue.add_delayed(moment(number)).unwrap();
            assert!(next > moment(number).elapsed, "{next:?}");
            // The delay is at most eight seconds.
            if number >= 8 {
                assert!(!queue.failures[&tenant(number - 8)].is_delayed);
            }
            assert!(queue.failures[&tenant(number)].is_delayed);
        }
        assert!(queue.delayed.len() <= 8, "{}", queue.delayed.len());
        assert_eq!(queue.add_delayed(moment(count + 8)), None);
        assert_eq!(queue.order.len(), usize::try_from(count).unwrap());
    }

    #[test]
    fn lag_is_the_age_of_the_oldest_event() {
        let (mut queue, consumer) = (Queue::default(), consumer());
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        let now = moment(3_600);
        assert_eq!(queue.lag(now.at), Duration::ZERO);
        queue.add(tenant(1), now.at - TimeDelta::minutes(1));
        queue.add(tenant(2), now.at - TimeDelta::minutes(2));
        queue.add(tenant(3), now.at - TimeDelta::minutes(3));
        assert_eq!(queue.lag(now.at), minutes(3));
        let mut end = |delivered| {
            let started = queue.start().unwrap();
            queue.end((started.tenant, delivered), &consumer, now);
            queue.lag(now.at)
        };
        let ago = |minutes| Some(now.at - TimeDelta::minutes(minutes));
        assert_eq!(end(failed(ago(9))), minutes(9));
        let oldest = ago(10);
        let more = Delivered::Some {
            oldest,
            resume: None,
        };
        assert_eq!(end(more), minutes(10));
        assert_eq!(end(Delivered::Held), minutes(10));
        // The second tenant is next again.
        assert_eq!(end(Delivered::All), minutes(9));
        assert_eq!(queue.lag(now.at - TimeDelta::hours(1)), Duration::ZERO);
    }
}
