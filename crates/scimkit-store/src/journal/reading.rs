//! The contract of a journal: reading, leases and trimming.

use std::{fmt, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use scimkit_registry::ResourceId;

use super::{ChainHead, JournalEntry};
use crate::{BoxFuture, ConnectionId, StoreError, TenantId};

/// A store that reads the journals of tenants, leases them to consumers, and trims them.
///
/// - Each entry is written in the transaction of its change: a committed change has an entry, unless the
///   [level](super::JournalLevel) was off, and a failed change has none.
/// - The entries of a tenant come in the order in which the changes were committed. Their numbers have no gaps, unless
///   the level was off in between.
/// - A gap (entries that were trimmed, overwritten or never recorded) is reported as [`JournalRead::Resync`] and
///   [`LeaseAnswer::Resync`], so no reader misses it.
/// - A tenant without entries, or one that does not exist, has an empty journal.
/// - Erasing a tenant removes its journal and its consumers. An import adds no entries, so consumers have to
///   resynchronise after it.
/// - While an [import](crate::Archive::import_records) of the tenant is not complete, its journal fails with
///   [`StoreError::Importing`].
///
/// [`Capabilities::journal`](crate::Capabilities::journal) reports whether a store has a journal.
///
/// # Example
/// ```
/// use std::time::Duration;
/// use chrono::DateTime;
/// use scimkit_store::{Journal, JournalQuery, LeaseAnswer, LeaseRequest, MemoryStore, TenantId};
/// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
/// # fn now<T>(future: impl Future<Output = T>) -> T {
/// #     match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
/// #         Poll::Ready(value) => value,
/// #         Poll::Pending => panic!("it waits for nothing"),
/// #     }
/// # }
///
/// let (store, tenant) = (MemoryStore::new(), TenantId::default());
/// let minute = Duration::from_secs(60);
/// let request = LeaseRequest::new("events", "node-1/4711", DateTime::UNIX_EPOCH, minute);
/// // With an async runtime, write `.await` instead of `now(..)`.
/// let LeaseAnswer::Granted(lease) = now(store.lease(&tenant, &request))? else { panic!() };
/// let page = now(store.entries(&tenant, &JournalQuery::oldest()))?.page().unwrap();
/// assert!(page.entries.is_empty()); // there is no change yet
/// now(store.advance(&tenant, &lease, page.complete_after))?;
/// # Ok::<(), scimkit_store::StoreError>(())
/// ```
pub trait Journal: fmt::Debug + Send + Sync + 'static {
    /// Confirms that a consumer has processed all entries up to the number `to`, after which the next lease begins. A
    /// number before the cursor has no effect.
    ///
    /// # Errors
    /// - [`StoreError::LeaseLost`]: the journal was leased again since, so that its new holder will process these
    ///   entries again
    /// - [`StoreError::Invalid`]: the number is greater than that of the tenant's last change
    /// - a [failure](StoreError::is_failure) of the store
    fn advance<'a>(
        &'a self,
        tenant: &'a TenantId,
        lease: &'a Lease,
        to: u64,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Leases a tenant's journal to one holder of a consumer. Only this holder may [advance](Self::advance) the cursor
    /// of the consumer, until the lease lapses and another holder gets it.
    ///
    /// Entries are delivered at least once: entries that were processed but not confirmed are delivered again after a
    /// crash. The holder extends its lease with another request, after which the fence is the same. A request with a
    /// duration of zero ends the lease. A new consumer begins before the first change.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store.
    fn lease<'a>(
        &'a self,
        tenant: &'a TenantId,
        request: &'a LeaseRequest,
    ) -> BoxFuture<'a, Result<LeaseAnswer, StoreError>>;

    /// Returns the tenants with changes that a consumer has not confirmed, in the order of their ids, including those
    /// with leased journals. Tenants with an incomplete import are omitted.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store.
    fn pending<'a>(&'a self, consumer: &'a str)
    -> BoxFuture<'a, Result<Vec<TenantId>, StoreError>>;

    /// Returns a page of entries.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store.
    fn entries<'a>(
        &'a self,
        tenant: &'a TenantId,
        query: &'a JournalQuery,
    ) -> BoxFuture<'a, Result<JournalRead, StoreError>>;

    /// Removes the entries before the time `before`, processed or not, and returns the number of removed parts. The
    /// first entry that is not older stays, with all entries after it.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store; some entries may have been removed then.
    fn trim<'a>(
        &'a self,
        tenant: &'a TenantId,
        before: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<u64, StoreError>>;
}

/// A position in a journal: the number of a change and that of a part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "the key of an entry")]
pub struct JournalPosition {
    /// The number of the change.
    pub number: u64,
    /// The number of the part, from 0.
    pub part: u32,
}

impl JournalPosition {
    /// Returns the position after all parts of a change.
    #[must_use]
    pub fn end_of(number: u64) -> Self {
        JournalPosition {
            number,
            part: u32::MAX,
        }
    }
}

/// The position at which a page starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every journal must support every start"
)]
pub enum JournalStart {
    /// After a position. If entries after it are missing, the result is [`JournalRead::Resync`].
    After(JournalPosition),
    /// At the first entry that is still in the journal.
    Oldest,
    /// At the last entry before a position, in descending order, for people who read a log from its end.
    Before(JournalPosition),
}

/// The entries that a query selects.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every journal must support every filter"
)]
pub enum JournalFilter {
    /// All entries.
    All,
    /// The entries that a connection caused, and those about the connection itself.
    Connection(ConnectionId),
    /// The entries about a resource.
    Resource {
        /// Its identifier.
        id: ResourceId,
        /// The name of its type.
        kind: Arc<str>,
    },
}

impl JournalFilter {
    /// Returns whether the filter selects an entry.
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

/// A query for a page of entries.
///
/// # Example
/// ```
/// use scimkit_registry::ResourceId;
/// use scimkit_store::{JournalFilter, JournalQuery};
///
/// let query = JournalQuery::latest().with_resource("User", ResourceId::from("42")).with_limit(5_000);
/// assert!(matches!(query.filter, JournalFilter::Resource { .. }));
/// assert_eq!(query.page_size(), 1_000);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalQuery {
    /// The selected entries.
    pub filter: JournalFilter,
    /// The maximum number of parts, at most [`JournalQuery::MAX_LIMIT`]; by default 100.
    pub limit: u32,
    /// The start of the page.
    pub start: JournalStart,
}

impl JournalQuery {
    /// The maximum length of the details on a page in bytes: 4 MiB. A single larger part is a page by itself.
    pub const MAX_BYTES: usize = 4 << 20;
    /// The maximum number of parts on a page.
    pub const MAX_LIMIT: u32 = 1_000;

    /// Creates a query for the entries after a position, for readers that must not miss an entry.
    #[must_use]
    pub fn after(position: JournalPosition) -> Self {
        JournalQuery::from(JournalStart::After(position))
    }

    /// Creates a query for all entries in the journal, from the first one.
    #[must_use]
    pub fn oldest() -> Self {
        JournalQuery::from(JournalStart::Oldest)
    }

    /// Creates a query for the latest entries, the last one first.
    #[must_use]
    pub fn latest() -> Self {
        JournalQuery::from(JournalStart::Before(JournalPosition::end_of(u64::MAX)))
    }

    /// Selects the entries that a connection caused, and those about the connection. Replaces any other filter.
    #[must_use]
    pub fn with_connection(mut self, connection: ConnectionId) -> Self {
        self.filter = JournalFilter::Connection(connection);
        self
    }

    /// Sets the maximum number of parts.
    #[must_use]
    pub fn with_limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// Selects the entries about a resource. Replaces any other filter.
    #[must_use]
    pub fn with_resource(mut self, kind: &str, id: ResourceId) -> Self {
        let kind = kind.into();
        self.filter = JournalFilter::Resource { id, kind };
        self
    }

    /// Returns the maximum number of parts on the page: `limit`, at least 1 and at most
    /// [`JournalQuery::MAX_LIMIT`].
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

/// The result of a [`JournalQuery`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every reader must handle missing entries"
)]
pub enum JournalRead {
    /// A page of entries.
    Page(JournalPage),
    /// Entries after the position are missing: read all resources instead, and continue after the number `to`.
    Resync {
        /// The number of the tenant's last change.
        to: u64,
    },
}

impl JournalRead {
    /// Returns the page; none if entries are missing.
    #[must_use]
    pub fn page(self) -> Option<JournalPage> {
        match self {
            JournalRead::Page(page) => Some(page),
            JournalRead::Resync { .. } => None,
        }
    }
}

/// A page of entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalPage {
    /// The number of the last change that was removed or not recorded. The journal is complete after it.
    pub complete_after: u64,
    /// The entries.
    pub entries: Vec<JournalEntry>,
    /// The end of the journal.
    pub head: ChainHead,
    /// Whether more entries follow.
    pub has_more: bool,
}

impl JournalPage {
    /// Creates a page without entries.
    #[must_use]
    pub fn new(head: ChainHead, complete_after: u64) -> Self {
        JournalPage {
            complete_after,
            entries: Vec::new(),
            head,
            has_more: false,
        }
    }

    /// Returns the position of the last entry, which is the start of the next page; none for an empty page.
    #[must_use]
    pub fn end(&self) -> Option<JournalPosition> {
        self.entries.last().map(JournalEntry::position)
    }
}

/// A request for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseRequest {
    /// The current time.
    pub at: DateTime<Utc>,
    /// The name of the consumer.
    pub consumer: String,
    /// The time until the lease lapses, unless it is extended.
    pub duration: Duration,
    /// The name of the holder, unique for each process, including earlier ones.
    pub holder: String,
}

impl LeaseRequest {
    /// Creates a request at the time `at` for a lease of that duration.
    #[must_use]
    pub fn new(
        consumer: impl Into<String>,
        holder: impl Into<String>,
        at: DateTime<Utc>,
        duration: Duration,
    ) -> Self {
        LeaseRequest {
            at,
            consumer: consumer.into(),
            duration,
            holder: holder.into(),
        }
    }

    /// Returns the time at which the requested lease lapses.
    #[must_use]
    pub fn until(&self) -> DateTime<Utc> {
        let duration = chrono::TimeDelta::from_std(self.duration).ok();
        let until = duration.and_then(|duration| self.at.checked_add_signed(duration));
        until.unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

/// A lease on a tenant's journal, as [`Journal::lease`] grants it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a lease")]
pub struct Lease {
    /// The name of the consumer.
    pub consumer: String,
    /// The number of the last change that the consumer has confirmed.
    pub cursor: u64,
    /// A number that increases with each new lease, so that confirmations under an older lease are rejected.
    pub fence: u64,
    /// The time at which it lapses.
    pub until: DateTime<Utc>,
}

/// The result of a [`LeaseRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every consumer must handle missing entries"
)]
pub enum LeaseAnswer {
    /// The lease was granted, and all entries after its cursor are in the journal.
    Granted(Lease),
    /// Another holder has the lease.
    Held {
        /// The time at which that lease lapses.
        until: DateTime<Utc>,
    },
    /// The lease was granted, but entries after its cursor are missing: process the current state of all resources,
    /// then advance to `to`.
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

/// The stored row of a consumer of a tenant's journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a consumer")]
pub struct ConsumerRow {
    /// The number of the last change that the consumer has confirmed.
    pub cursor: u64,
    /// The number of leases so far, not counting extensions.
    pub fence: u64,
    /// The holder of the lease.
    pub holder: String,
    /// The time at which the lease lapses; none before the first lease.
    pub until: Option<DateTime<Utc>>,
}

/// The answer to a request for a lease, and the row that is stored for it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a pair with names")]
pub struct LeaseDecision {
    /// The answer.
    pub answer: LeaseAnswer,
    /// The new row; none if the stored one does not change.
    pub row: Option<ConsumerRow>,
}

impl ConsumerRow {
    /// Decides a request for a lease, and returns the result and the new row.
    ///
    /// `complete_after` is that of [`JournalPage`], and `last` the number of the tenant's last change.
    #[must_use]
    pub fn decide_lease(
        &self,
        request: &LeaseRequest,
        complete_after: u64,
        last: u64,
    ) -> LeaseDecision {
        let is_same = self.holder == request.holder;
        match self.until {
            Some(until) if until > request.at && !is_same => {
                return LeaseDecision {
                    answer: LeaseAnswer::Held { until },
                    row: None,
                };
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
        let answer = if row.cursor < complete_after {
            LeaseAnswer::Resync { lease, to: last }
        } else {
            LeaseAnswer::Granted(lease)
        };
        LeaseDecision {
            answer,
            row: Some(row),
        }
    }

    /// Decides a confirmation up to the number `to`, and returns the new cursor.
    ///
    /// # Errors
    /// - [`StoreError::LeaseLost`]: another lease was granted since
    /// - [`StoreError::Invalid`]: `to` is greater than `last`
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
