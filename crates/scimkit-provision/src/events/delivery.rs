//! Delivers the events of one tenant to one consumer, under a lease.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use scimkit_server::Clock;
use scimkit_store::{
    DeadLetter, Journal, JournalEntry, JournalPosition, JournalQuery, JournalRead, Lease,
    LeaseAnswer, LeaseRequest, StoreError, TenantId, yield_now,
};

use super::{
    Event, EventConsumer, EventError, GapReason,
    telemetry::{Outcome, count_event, count_gap},
};

/// The number of parts that are read at once.
const PARTS: u32 = 100;
/// The time between the end of the handler's timeout and the end of the lease.
const MARGIN: Duration = Duration::from_secs(5);
/// The maximum number of characters of the reason in a dead letter.
const PROBLEM: usize = 500;
/// The time for which handled events may stay unconfirmed.
const UNCONFIRMED: Duration = Duration::from_secs(1);

/// The data that all deliveries of a runner share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: Clock,
    /// The name of the runner in leases.
    pub(super) holder: String,
    pub(super) is_stopping: AtomicBool,
    pub(super) store: Arc<dyn Journal>,
}

/// The position from which to continue after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Resume {
    /// The cursor at that time: if it has moved since, another node has continued.
    cursor: u64,
    handled: JournalPosition,
}

/// The result of a delivery.
#[derive(Debug)]
pub(super) enum Delivered {
    /// All events were handled.
    All,
    /// An event was not handled, or the store failed.
    Failed {
        error: EventError,
        /// The time of the oldest event that was not handled, if it is known.
        oldest: Option<DateTime<Utc>>,
        /// The position of the event that was not handled.
        position: Option<JournalPosition>,
        resume: Option<Resume>,
    },
    /// Another runner has the lease.
    Held,
    /// A page was handled, and more events follow.
    Some {
        /// The time of the last event that was handled, which is about that of the next one.
        oldest: Option<DateTime<Utc>>,
        resume: Option<Resume>,
    },
}

impl From<StoreError> for Delivered {
    fn from(error: StoreError) -> Self {
        Delivered::Failed {
            error: error.into(),
            oldest: None,
            position: None,
            resume: None,
        }
    }
}

impl Delivered {
    fn some() -> Self {
        Delivered::Some {
            oldest: None,
            resume: None,
        }
    }
}

/// A delivery in progress.
pub(super) struct Delivery<'a> {
    pub(super) consumer: &'a EventConsumer,
    /// The event that was not delivered before, with the number of attempts.
    pub(super) failed: Option<(JournalPosition, u32)>,
    /// The number of the consumer, so that those with the same name have leases of their own.
    pub(super) index: usize,
    pub(super) shared: &'a Shared,
    pub(super) tenant: &'a TenantId,
}

impl Delivery<'_> {
    /// Delivers a page of events.
    pub(super) async fn run(&self, resume: Option<Resume>) -> Delivered {
        // A store in memory never waits, and other tasks must run between two pages.
        yield_now().await;
        match self
            .lease(self.consumer.timeout.saturating_add(MARGIN * 2))
            .await
        {
            Err(error) => error.into(),
            Ok(LeaseAnswer::Held { .. }) => Delivered::Held,
            Ok(LeaseAnswer::Resync { lease, to }) => self.gap(lease, to).await,
            Ok(LeaseAnswer::Granted(lease)) => {
                let delivered = self.page(lease, resume).await;
                let delivered = delivered.unwrap_or_else(Delivered::from);
                if matches!(delivered, Delivered::All) {
                    self.end_lease().await;
                }
                delivered
            }
        }
    }

    /// Ends the lease, so that other nodes need not wait until it lapses.
    pub(super) async fn end_lease(&self) {
        if let Err(error) = self.lease(Duration::ZERO).await {
            tracing::debug!(consumer = %self.consumer.name, %error, "ending a lease failed");
        }
    }

    async fn lease(&self, duration: Duration) -> Result<LeaseAnswer, StoreError> {
        let Shared { clock, holder, .. } = self.shared;
        let name = &*self.consumer.name;
        let holder = format!("{holder}/{}", self.index);
        let request = LeaseRequest::new(name, holder.as_str(), clock.now(), duration);
        self.shared.store.lease(self.tenant, &request).await
    }

    /// Extends the lease if it would lapse before the end of a handler.
    async fn extend(&self, lease: &mut Lease) -> Result<(), StoreError> {
        let needed = self.consumer.timeout.saturating_add(MARGIN);
        let left = lease.until.signed_duration_since(self.shared.clock.now());
        if TimeDelta::from_std(needed).is_ok_and(|needed| left >= needed) {
            return Ok(());
        }
        let extended = self.lease(needed.saturating_add(MARGIN)).await?;
        match extended.lease() {
            Some(extended) if extended.fence == lease.fence => {
                lease.until = extended.until;
                Ok(())
            }
            _ => Err(StoreError::LeaseLost),
        }
    }

    /// Delivers a gap, and confirms it.
    async fn gap(&self, lease: Lease, to: u64) -> Delivered {
        let query = JournalQuery::oldest().with_limit(1);
        let page = match self.shared.store.entries(self.tenant, &query).await {
            Err(error) => return error.into(),
            Ok(read) => read.page(),
        };
        // Entries after the gap are still delivered.
        let up_to = page.map_or(to, |page| page.complete_after.min(to));
        let consumer = &self.consumer.name;
        let (tenant, after) = (self.tenant, lease.cursor);
        tracing::warn!(%consumer, %tenant, after, up_to, "events are missing from the journal");
        let event = Event::missing(self.tenant.clone(), lease.cursor, up_to);
        let position = event.position();
        if let Err(error) = self.consumer.handle(event).await {
            count_event(consumer, Outcome::Failed);
            return Delivered::Failed {
                error,
                oldest: None,
                position: Some(position),
                resume: None,
            };
        }
        count_event(consumer, Outcome::Handled);
        count_gap(consumer, GapReason::Missing);
        let confirmed = self.shared.store.advance(self.tenant, &lease, up_to).await;
        confirmed.map_or_else(Delivered::from, |()| Delivered::some())
    }

    /// Delivers a page of entries.
    async fn page(
        &self,
        mut lease: Lease,
        resume: Option<Resume>,
    ) -> Result<Delivered, StoreError> {
        let store = &self.shared.store;
        let resume = resume.filter(|resume| resume.cursor == lease.cursor);
        let mut handled = match resume {
            Some(resume) => resume.handled,
            None => JournalPosition::end_of(lease.cursor),
        };
        let query = JournalQuery::after(handled).with_limit(PARTS);
        let JournalRead::Page(page) = store.entries(self.tenant, &query).await? else {
            // Entries were trimmed since: the next lease says so.
            return Ok(Delivered::some());
        };
        let mut confirmed_at = self.shared.clock.elapsed();
        let mut stopped = None;
        let mut oldest = None;
        for entry in page.entries {
            let position = entry.position();
            // All parts of the changes before this one were handled.
            let complete = position.number.saturating_sub(1);
            let now = self.shared.clock.elapsed();
            if complete > lease.cursor && now.saturating_sub(confirmed_at) >= UNCONFIRMED {
                store.advance(self.tenant, &lease, complete).await?;
                lease.cursor = complete;
                confirmed_at = now;
            }
            oldest = Some(entry.at);
            if self.shared.is_stopping.load(Ordering::Relaxed) {
                stopped = Some((complete, None));
                break;
            }
            self.extend(&mut lease).await?;
            if let Err(error) = self.entry(entry).await
                && let Err(error) = self.give_up(position, error).await
            {
                stopped = Some((complete, Some((error, position))));
                break;
            }
            handled = position;
        }
        let complete = match &stopped {
            Some((complete, _)) => *complete,
            None if page.has_more => handled.number.saturating_sub(1),
            None => handled.number,
        };
        if complete > lease.cursor {
            store.advance(self.tenant, &lease, complete).await?;
            lease.cursor = complete;
        }
        let resume = Resume {
            cursor: lease.cursor,
            handled,
        };
        let resume = Some(resume).filter(|_| handled.number > lease.cursor);
        Ok(match stopped {
            Some((_, Some((error, position)))) => Delivered::Failed {
                error,
                oldest,
                position: Some(position),
                resume,
            },
            None if !page.has_more => Delivered::All,
            _ => Delivered::Some { oldest, resume },
        })
    }

    async fn entry(&self, entry: JournalEntry) -> Result<(), EventError> {
        if self.consumer.start.is_some_and(|start| entry.at < start) {
            return Ok(());
        }
        let event = self.consumer.event(self.tenant, entry)?;
        let gap = event.gap().cloned();
        if let Some(gap) = &gap {
            let consumer = &self.consumer.name;
            let (tenant, number) = (self.tenant, gap.up_to);
            tracing::warn!(%consumer, %tenant, number, "the journal has no values: set its level to `full`");
        }
        self.consumer.handle(event).await?;
        count_event(&self.consumer.name, Outcome::Handled);
        if let Some(gap) = gap {
            count_gap(&self.consumer.name, gap.reason);
        }
        Ok(())
    }

    /// Stores a dead letter after the last attempt, or returns the error of an earlier one.
    async fn give_up(
        &self,
        position: JournalPosition,
        error: EventError,
    ) -> Result<(), EventError> {
        let failed = self.failed.filter(|(failed, _)| *failed == position);
        let attempts = failed.map_or(0, |(_, attempts)| attempts).saturating_add(1);
        let name = &*self.consumer.name;
        let store = match &self.consumer.give_up {
            Some((most, store)) if attempts >= *most => store,
            _ => {
                count_event(name, Outcome::Failed);
                return Err(error);
            }
        };
        let now = self.shared.clock.now();
        let problem: String = error.to_string().chars().take(PROBLEM).collect();
        let letter = DeadLetter::new(name, position, now, attempts, problem);
        store.put_dead_letter(self.tenant, &letter).await?;
        count_event(name, Outcome::GivenUp);
        let (tenant, number, part) = (self.tenant, position.number, position.part);
        tracing::error!(consumer = name, %tenant, number, part, attempts, %error, "an event was given up");
        Ok(())
    }
}
