//! Consumers of events.

use std::{
    error::Error, fmt, future::Future, panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Duration,
};

use chrono::{DateTime, SubsecRound as _, Utc};
use futures_timer::Delay;
use futures_util::{
    FutureExt as _,
    future::{Either, select},
};
use scimkit_store::{
    BoxFuture, DeadLetter, DeadLetters, DetailsError, JournalEntry, JournalLevel, JournalPosition,
    JournalQuery, TenantId,
};

use super::Event;

/// The reason why an event was not handled. It is logged, and the event is delivered again.
pub type EventError = Box<dyn Error + Send + Sync>;

type Handler = dyn Fn(Arc<Event>) -> BoxFuture<'static, Result<(), EventError>> + Send + Sync;

/// A function of the application that handles events, under a name.
///
/// # Example
/// ```
/// use std::time::Duration;
/// use scimkit_provision::events::EventConsumer;
///
/// let consumer = EventConsumer::new("sessions", |event| async move {
///     if let Some(user) = event.user_lost_access() {
///         println!("{user} is signed out");
///     }
///     Ok(())
/// });
/// let consumer = consumer.with_timeout(Duration::from_secs(5));
/// assert_eq!(consumer.name(), "sessions");
/// ```
#[derive(Clone)]
pub struct EventConsumer {
    /// The number of attempts after which an event is given up, and the store that remembers it.
    pub(super) give_up: Option<(u32, Arc<dyn DeadLetters>)>,
    pub(super) handler: Arc<Handler>,
    pub(super) level: JournalLevel,
    pub(super) name: Arc<str>,
    pub(super) retries: RetryDelays,
    pub(super) start: Option<DateTime<Utc>>,
    pub(super) timeout: Duration,
}

/// The result of [`EventConsumer::resend`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resent {
    /// The event was handled.
    Handled,
    /// The entry is no longer in the journal.
    Trimmed,
}

/// The delays between attempts to deliver an event.
#[derive(Debug, Clone, Copy)]
pub(super) struct RetryDelays {
    first: Duration,
    longest: Duration,
}

impl RetryDelays {
    /// Returns the delay after a number of failed attempts. `jitter` is random.
    pub(super) fn after(self, attempts: u32, jitter: u64) -> Duration {
        let doublings = attempts.saturating_sub(1).min(16);
        let delay = self.first.saturating_mul(1 << doublings).min(self.longest);
        // Between three quarters and the whole, so that nodes and tenants don't retry at the same moment.
        let parts = u32::try_from(jitter % 257).unwrap_or(0);
        (delay / 1_024).saturating_mul(768 + parts)
    }
}

impl EventConsumer {
    /// Creates a consumer.
    ///
    /// - The store remembers by the name how far the consumer has come. A new name begins with the oldest change: see
    ///   [`with_start`](Self::with_start).
    /// - The handler must tolerate repetition, and must not block the thread. It runs as part of
    ///   [`Events::run`](super::Events::run).
    /// - If it fails, panics or takes too long, the event is delivered again after a second, then two, and so on up to a
    ///   minute, each delay shortened by up to a quarter at random. Later events of the tenant wait for it.
    #[must_use]
    pub fn new<H, F>(name: &str, handler: H) -> Self
    where
        H: Fn(Arc<Event>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), EventError>> + Send + 'static,
    {
        EventConsumer {
            give_up: None,
            handler: Arc::new(move |event| Box::pin(handler(event))),
            level: JournalLevel::Full,
            name: name.into(),
            retries: RetryDelays {
                first: Duration::from_secs(1),
                longest: Duration::from_secs(60),
            },
            start: None,
            timeout: Duration::from_secs(15),
        }
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives up an event after a number of failed attempts, and stores it as a [dead letter](DeadLetters).
    ///
    /// The next event of the tenant follows. Without dead letters, an event is tried until it succeeds; a gap of
    /// [missing](super::GapReason::Missing) changes always is. Each process counts its own attempts.
    #[must_use]
    pub fn with_dead_letters(mut self, attempts: u32, store: Arc<dyn DeadLetters>) -> Self {
        self.give_up = Some((attempts, store));
        self
    }

    /// Sets the delays between attempts: that after the first failure, which doubles each time, and the longest one.
    #[must_use]
    pub fn with_retry_delays(mut self, first: Duration, longest: Duration) -> Self {
        self.retries = RetryDelays { first, longest };
        self
    }

    /// Skips changes before a time, such as those before a new consumer was installed. Keep the time constant: it is
    /// not stored.
    #[must_use]
    pub fn with_start(mut self, start: DateTime<Utc>) -> Self {
        self.start = Some(start.trunc_subsecs(3));
        self
    }

    /// Sets the time after which a handler is stopped: its future is dropped, and the event counts as not handled. By
    /// default it is 15 seconds.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Accepts changes without values, as the journal level [`Notice`](JournalLevel::Notice) records them.
    ///
    /// Without it, such changes are delivered as [gaps](super::EventGap): otherwise
    /// [`user_deactivated`](Event::user_deactivated) and [`user_reactivated`](Event::user_reactivated) would return
    /// `None` although the user has changed. All other questions need no values.
    #[must_use]
    pub fn without_values(mut self) -> Self {
        self.level = JournalLevel::Notice;
        self
    }

    /// Creates the event of an entry: a gap, if the entry lacks values that the consumer needs.
    pub(super) fn event(
        &self,
        tenant: &TenantId,
        entry: JournalEntry,
    ) -> Result<Event, DetailsError> {
        let event = Event::change(tenant.clone(), entry)?;
        Ok(if self.level == JournalLevel::Full {
            event.require_values()
        } else {
            event
        })
    }

    /// Calls the handler, for at most its timeout.
    pub(super) async fn handle(&self, event: Event) -> Result<(), EventError> {
        let handler = &self.handler;
        let handled = AssertUnwindSafe(async move { handler(Arc::new(event)).await });
        let handled = pin!(handled.catch_unwind());
        match select(handled, Delay::new(self.timeout)).await {
            Either::Left((Ok(result), _)) => result,
            Either::Left((Err(_), _)) => Err("the handler panicked".into()),
            Either::Right(_) => Err("the handler took too long".into()),
        }
    }

    /// Delivers a dead letter once more, out of order, and removes it.
    ///
    /// It is also removed if its entry is no longer in the journal.
    ///
    /// # Errors
    /// The handler failed again, or the store failed. The dead letter stays.
    pub async fn resend(
        &self,
        store: &dyn DeadLetters,
        tenant: &TenantId,
        letter: &DeadLetter,
    ) -> Result<Resent, EventError> {
        let JournalPosition { number, part } = letter.position;
        let before = match part.checked_sub(1) {
            Some(part) => JournalPosition { number, part },
            None => JournalPosition::end_of(number.saturating_sub(1)),
        };
        let query = JournalQuery::after(before).with_limit(1);
        let page = store.entries(tenant, &query).await?.page();
        let entries = page.into_iter().flat_map(|page| page.entries);
        let mut entries = entries.filter(|entry| entry.position() == letter.position);
        let resent = match entries.next() {
            Some(entry) => {
                self.handle(self.event(tenant, entry)?).await?;
                Resent::Handled
            }
            None => Resent::Trimmed,
        };
        let removed = store.remove_dead_letter(tenant, &letter.consumer, letter.position);
        removed.await?;
        Ok(resent)
    }
}

impl fmt::Debug for EventConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventConsumer")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_and_are_never_longer_than_the_longest() {
        let seconds = Duration::from_secs;
        let retries = RetryDelays {
            first: seconds(1),
            longest: seconds(60),
        };
        for jitter in 0..600 {
            for (attempts, longest) in [(1, 1), (2, 2), (6, 32), (7, 60), (1_000, 60)] {
                let delay = retries.after(attempts, jitter);
                let longest = seconds(longest);
                assert!(delay <= longest && delay >= longest * 7 / 10, "{delay:?}");
            }
        }
    }
}
