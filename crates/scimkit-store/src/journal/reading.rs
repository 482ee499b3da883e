//! The contract of a journal: reading, leases and trimming.

use std::{fmt, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use scimkit_registry::ResourceId;

use super::{ChainHead, JournalEntry};
use crate::{BoxFuture, ConnectionId, StoreError, TenantId};

/// Reads the journals of tenants, leases them to consumers, and trims them.
///
/// - Each entry is written in the transaction of the change that it records: whoever sees the change
///   finds the entry, and a change that failed has none.
/// - The entries of a tenant come in the order in which the changes were committed. Their numbers have
///   no gaps, unless the tenant's [level](super::JournalLevel) was off in between.
/// - What was trimmed, overwritten or never recorded is reported, as [`JournalRead::Resync`] and
///   [`LeaseAnswer::Resync`]: no reader passes over a gap unnoticed.
/// - A tenant without entries, or one that does not exist, has an empty journal.
/// - Erasing a tenant removes its journal and its consumers. A tenant that was imported starts with an
///   empty journal, and its first consumers have to resynchronise.
///
/// [`Support::journal`](crate::Support::journal) tells whether a store has a journal.
pub trait Journal: fmt::Debug + Send + Sync + 'static {
    /// Confirms that a consumer has processed all entries up to the number `to`: the next lease
    /// begins after it. A number before the cursor changes nothing.
    ///
    /// # Errors
    /// - [`StoreError::LeaseLost`]: another holder has leased the journal since, so that it will
    ///   process these entries again
    /// - [`StoreError::Invalid`]: the tenant has not come to that number yet
    /// - [`StoreError::Busy`] and [`StoreError::Backend`]
    fn advance<'a>(
        &'a self,
        tenant: &'a TenantId,
        lease: &'a Lease,
        to: u64,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Leases a tenant's journal to one holder of a consumer, who alone may [advance](Self::advance)
    /// its cursor until the lease lapses and another holder takes it.
    ///
    /// Entries are delivered at least once: what was processed and not confirmed comes again after a
    /// crash. The holder that has the lease extends it by asking again, with the same fence; with a
    /// duration of zero it gives the lease up. A new consumer begins before the first entry.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and [`StoreError::Backend`].
    fn lease<'a>(
        &'a self,
        tenant: &'a TenantId,
        request: &'a LeaseRequest,
    ) -> BoxFuture<'a, Result<LeaseAnswer, StoreError>>;

    /// Returns the tenants with changes that a consumer has not confirmed, in the order of their ids,
    /// whether their journals are leased or not.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and [`StoreError::Backend`].
    fn pending<'a>(&'a self, consumer: &'a str)
    -> BoxFuture<'a, Result<Vec<TenantId>, StoreError>>;

    /// Reads a page of entries.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and [`StoreError::Backend`].
    fn entries<'a>(
        &'a self,
        tenant: &'a TenantId,
        query: &'a JournalQuery,
    ) -> BoxFuture<'a, Result<JournalRead, StoreError>>;

    /// Removes the entries from before a moment, whether they were processed or not, and returns how
    /// many parts that were. The first entry that is not older stays with all that follow it.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and [`StoreError::Backend`]; some entries may be gone then.
    fn trim<'a>(
        &'a self,
        tenant: &'a TenantId,
        before: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<u64, StoreError>>;
}

/// A place in a journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "the key of an entry")]
pub struct JournalPosition {
    /// The number of the change.
    pub number: u64,
    /// The part.
    pub part: u32,
}

impl JournalPosition {
    /// The end of a change, with all its parts.
    #[must_use]
    pub fn end_of(number: u64) -> Self {
        JournalPosition {
            number,
            part: u32::MAX,
        }
    }
}

/// Where to begin to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every journal must know every start"
)]
pub enum JournalStart {
    /// After a position; if anything after it is gone, the answer is [`JournalRead::Resync`].
    After(JournalPosition),
    /// With the first entry that is still there.
    Oldest,
    /// With the last entries before a position, the latest first: for people who read a log from its
    /// end.
    Before(JournalPosition),
}

/// Which entries to read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every journal must know every filter"
)]
pub enum JournalFilter {
    /// All.
    All,
    /// Those that a connection caused, and those about it.
    Connection(ConnectionId),
    /// Those about a resource.
    Resource {
        /// Its identifier.
        id: ResourceId,
        /// The name of its type.
        kind: Arc<str>,
    },
}

impl JournalFilter {
    /// Whether it lets an entry through.
    #[must_use]
    pub fn matches(&self, entry: &JournalEntry) -> bool {
        use super::JournalSubject as Subject;
        match (self, &entry.subject) {
            (JournalFilter::All, _) => true,
            (JournalFilter::Connection(wanted), subject) => {
                entry.cause.connection.as_ref() == Some(wanted)
                    || matches!(subject, Subject::Connection(id) if id == wanted)
            }
            (
                JournalFilter::Resource { id, kind },
                Subject::Resource {
                    id: of,
                    kind: named,
                },
            ) => id == of && kind == named,
            (JournalFilter::Resource { .. }, _) => false,
        }
    }
}

/// Asks for a page of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalQuery {
    /// Which entries.
    pub filter: JournalFilter,
    /// How many parts at most, up to [`JournalQuery::MAX_LIMIT`]: 100.
    pub limit: u32,
    /// Where to begin.
    pub start: JournalStart,
}

impl JournalQuery {
    /// Bytes of the details of a page, except when a single part is larger.
    pub const MAX_BYTES: usize = 4 << 20;
    /// The largest limit.
    pub const MAX_LIMIT: u32 = 1_000;

    /// The entries after a position, for readers that must not miss any.
    #[must_use]
    pub fn after(position: JournalPosition) -> Self {
        JournalQuery::from(JournalStart::After(position))
    }

    /// The entries that are still there, from the first one.
    #[must_use]
    pub fn oldest() -> Self {
        JournalQuery::from(JournalStart::Oldest)
    }

    /// The latest entries, the last one first.
    #[must_use]
    pub fn latest() -> Self {
        JournalQuery::from(JournalStart::Before(JournalPosition::end_of(u64::MAX)))
    }

    /// Only those that a connection caused, and those about it.
    #[must_use]
    pub fn with_connection(mut self, connection: ConnectionId) -> Self {
        self.filter = JournalFilter::Connection(connection);
        self
    }

    /// With another limit.
    #[must_use]
    pub fn with_limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// Only those about a resource.
    #[must_use]
    pub fn with_resource(mut self, kind: &str, id: ResourceId) -> Self {
        let kind = kind.into();
        self.filter = JournalFilter::Resource { id, kind };
        self
    }

    /// Returns the number of parts that a page has at most, at least one.
    #[must_use]
    pub fn page_size(&self) -> usize {
        let limit = self.limit.clamp(1, JournalQuery::MAX_LIMIT);
        usize::try_from(limit).unwrap_or(usize::MAX)
    }
}

impl From<JournalStart> for JournalQuery {
    fn from(start: JournalStart) -> Self {
        JournalQuery {
            filter: JournalFilter::All,
            limit: 100,
            start,
        }
    }
}

/// The answer to a [`JournalQuery`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every reader must see that entries are gone"
)]
pub enum JournalRead {
    /// Entries.
    Page(JournalPage),
    /// Entries after the position are gone: read the whole state instead, and go on after this number.
    Resync {
        /// The number of the tenant's last change.
        to: u64,
    },
}

impl JournalRead {
    /// Returns the page; none if entries are gone.
    #[must_use]
    pub fn page(self) -> Option<JournalPage> {
        match self {
            JournalRead::Page(page) => Some(page),
            JournalRead::Resync { .. } => None,
        }
    }
}

/// Some entries of a journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalPage {
    /// Changes up to this number are not, or not completely, in the journal.
    pub complete_after: u64,
    /// The entries.
    pub entries: Vec<JournalEntry>,
    /// The end of the journal.
    pub head: ChainHead,
    /// Whether more entries follow.
    pub has_more: bool,
}

impl JournalPage {
    /// A page of a journal.
    #[must_use]
    pub fn new(head: ChainHead, complete_after: u64) -> Self {
        JournalPage {
            complete_after,
            entries: Vec::new(),
            head,
            has_more: false,
        }
    }

    /// Returns the position of the last entry, from which the next page is read.
    #[must_use]
    pub fn end(&self) -> Option<JournalPosition> {
        self.entries.last().map(JournalEntry::position)
    }
}

/// Asks for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseRequest {
    /// The time now.
    pub at: DateTime<Utc>,
    /// The name of the consumer.
    pub consumer: String,
    /// How long the lease lasts if it is not extended.
    pub duration: Duration,
    /// Who asks: a name that no two processes share, also not one after the other.
    pub holder: String,
}

impl LeaseRequest {
    /// A request at that time for that long.
    #[must_use]
    pub fn new(
        consumer: impl Into<String>,
        holder: impl Into<String>,
        (at, duration): (DateTime<Utc>, Duration),
    ) -> Self {
        LeaseRequest {
            at,
            consumer: consumer.into(),
            duration,
            holder: holder.into(),
        }
    }

    /// Returns when a lease that is granted now lapses.
    #[must_use]
    pub fn until(&self) -> DateTime<Utc> {
        let duration = chrono::TimeDelta::from_std(self.duration).ok();
        let until = duration.and_then(|duration| self.at.checked_add_signed(duration));
        until.unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

/// A lease on a tenant's journal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a lease")]
pub struct Lease {
    /// The name of the consumer.
    pub consumer: String,
    /// All entries up to this number were confirmed.
    pub cursor: u64,
    /// Grows with each holder, so that what a former one does can be rejected.
    pub fence: u64,
    /// When it lapses.
    pub until: DateTime<Utc>,
}

/// The answer to a [`LeaseRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every consumer must see that entries are gone"
)]
pub enum LeaseAnswer {
    /// The lease; entries after its cursor are complete.
    Granted(Lease),
    /// Another holder has it.
    Held {
        /// When that lease lapses.
        until: DateTime<Utc>,
    },
    /// The lease, but entries after its cursor are gone: process the whole state as it is now, then
    /// advance to `to`.
    Resync {
        /// The lease.
        lease: Lease,
        /// The number of the tenant's last change.
        to: u64,
    },
}

impl LeaseAnswer {
    /// Returns the lease, if it was granted.
    #[must_use]
    pub fn lease(&self) -> Option<&Lease> {
        match self {
            LeaseAnswer::Granted(lease) | LeaseAnswer::Resync { lease, .. } => Some(lease),
            LeaseAnswer::Held { .. } => None,
        }
    }
}

/// A consumer of a tenant's journal, as a store keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a consumer")]
pub struct ConsumerRow {
    /// All entries up to this number were confirmed.
    pub cursor: u64,
    /// How many times the holder has changed.
    pub fence: u64,
    /// Who has the lease.
    pub holder: String,
    /// When the lease lapses; none before the first.
    pub until: Option<DateTime<Utc>>,
}

impl ConsumerRow {
    /// Decides a request for a lease: the answer, and the row as it becomes; none if it stays.
    ///
    /// `complete_after` and `last` are the numbers of [`JournalPage`].
    #[must_use]
    pub fn decide_lease(
        &self,
        request: &LeaseRequest,
        (complete_after, last): (u64, u64),
    ) -> (LeaseAnswer, Option<ConsumerRow>) {
        let is_same = self.holder == request.holder;
        match self.until {
            Some(until) if until > request.at && !is_same => {
                return (LeaseAnswer::Held { until }, None);
            }
            _ => {}
        }
        let is_extended = is_same && self.until.is_some_and(|until| until > request.at);
        let row = ConsumerRow {
            cursor: self.cursor,
            fence: self.fence.saturating_add(u64::from(!is_extended)),
            holder: request.holder.clone(),
            until: Some(request.until()),
        };
        let lease = Lease {
            consumer: request.consumer.clone(),
            cursor: row.cursor,
            fence: row.fence,
            until: request.until(),
        };
        let answer = match row.cursor < complete_after {
            true => LeaseAnswer::Resync { lease, to: last },
            false => LeaseAnswer::Granted(lease),
        };
        (answer, Some(row))
    }

    /// Decides a confirmation: the cursor as it becomes.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] and [`StoreError::Invalid`], as [`Journal::advance`] says.
    pub fn decide_advance(&self, fence: u64, to: u64, last: u64) -> Result<u64, StoreError> {
        if fence != self.fence || self.until.is_none() {
            return Err(StoreError::LeaseLost);
        }
        if to > last {
            let detail = format!("invalid journal number `{to}`: the last one is {last}");
            return Err(StoreError::Invalid { detail });
        }
        Ok(to.max(self.cursor))
    }
}
