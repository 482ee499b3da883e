//! The selected changes of a tenant, page by page.

use chrono::{DateTime, TimeDelta, Utc};
use scimkit_registry::ResourceId;
use scimkit_store::{
    ConnectionId, Journal, JournalEntry, JournalPosition, JournalQuery, JournalStart,
    JournalSubject, StoreError, TenantId,
};

use crate::events::Event;

/// The difference between the clocks of nodes that a search by time tolerates.
const SKEW: TimeDelta = TimeDelta::hours(1);

/// The number of parts of entries that are read at once.
const PARTS: u32 = 500;

/// The changes that a reader wants; by default all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActivityQuery {
    /// The connection that caused the changes, or that was changed.
    pub connection: Option<ConnectionId>,
    /// One of the [outcomes](Event::outcomes) of the changes, or its last word: `user.deactivated` or `deactivated`.
    pub outcome: Option<String>,
    /// The user that was changed, or that joined or left a group.
    pub person: Option<ResourceId>,
    /// The time of the first change.
    pub since: Option<DateTime<Utc>>,
}

impl ActivityQuery {
    /// Selects the changes that a connection caused, and those of the connection.
    #[must_use]
    pub fn with_connection(mut self, connection: ConnectionId) -> Self {
        self.connection = Some(connection);
        self
    }

    /// Selects an outcome.
    #[must_use]
    pub fn with_outcome(mut self, outcome: impl Into<String>) -> Self {
        self.outcome = Some(outcome.into());
        self
    }

    /// Selects the changes of a user and of its memberships.
    #[must_use]
    pub fn with_person(mut self, person: ResourceId) -> Self {
        self.person = Some(person);
        self
    }

    /// Selects the changes from a time on.
    #[must_use]
    pub fn with_since(mut self, since: DateTime<Utc>) -> Self {
        self.since = Some(since);
        self
    }

    fn selects(&self, event: &Event, entry: &JournalEntry) -> bool {
        let is_recent = self.since.is_none_or(|since| entry.at >= since);
        is_recent
            && self
                .person
                .as_ref()
                .is_none_or(|id| concerns(event, entry, id))
            && self.outcome.as_ref().is_none_or(|wanted| {
                let matches = |outcome: &String| {
                    let last = outcome.rsplit('.').next();
                    outcome == wanted || last == Some(wanted.as_str())
                };
                event.outcomes().iter().any(matches)
            })
    }
}

/// Returns whether a resource was changed, or became a member or ceased to be one.
fn concerns(event: &Event, entry: &JournalEntry, id: &ResourceId) -> bool {
    let is_subject =
        matches!(&entry.subject, JournalSubject::Resource { id: changed, .. } if changed == id);
    let mut members = event
        .details()
        .into_iter()
        .flat_map(|details| &details.members);
    is_subject
        || members.any(|change| {
            let added = change.added.iter().map(|member| &member.id);
            added.chain(&change.removed).any(|member| member == id)
        })
}

/// The selected changes of a tenant, which are read page by page, the last one first.
///
/// A long change has several parts, and each is an event. Changes that are no longer in the journal are omitted.
#[derive(Debug)]
pub struct ActivityPages<'s> {
    is_over: bool,
    query: ActivityQuery,
    start: JournalPosition,
    store: &'s dyn Journal,
    tenant: TenantId,
}

impl<'s> ActivityPages<'s> {
    /// Starts with the last change of a tenant.
    #[must_use]
    pub fn new(store: &'s dyn Journal, tenant: &TenantId, query: ActivityQuery) -> Self {
        ActivityPages {
            is_over: false,
            query,
            start: JournalPosition::end_of(u64::MAX),
            store,
            tenant: tenant.clone(),
        }
    }

    /// Returns the next changes, at least one; none after the last page.
    ///
    /// # Errors
    /// The store failed, or a later version of scimkit has written an entry.
    pub async fn next(&mut self) -> Result<Option<Vec<Event>>, StoreError> {
        while !self.is_over {
            let mut events = Vec::new();
            for entry in self.entries().await? {
                let event = Event::change(self.tenant.clone(), entry.clone());
                let event = event.map_err(StoreError::backend)?;
                if self.query.selects(&event, &entry) {
                    events.push(event);
                }
            }
            if !events.is_empty() {
                return Ok(Some(events));
            }
        }
        Ok(None)
    }

    /// Reads the next entries of the journal.
    async fn entries(&mut self) -> Result<Vec<JournalEntry>, StoreError> {
        let mut query = JournalQuery::from(JournalStart::Before(self.start)).with_limit(PARTS);
        if let Some(connection) = &self.query.connection {
            query = query.with_connection(connection.clone());
        }
        let page = self.store.entries(&self.tenant, &query).await?.page();
        let page = page.unwrap_or_default();
        self.start = page.end().unwrap_or(self.start);
        let since = self
            .query
            .since
            .and_then(|since| since.checked_sub_signed(SKEW));
        let last = page.entries.last();
        let is_past = last.is_some_and(|last| since.is_some_and(|since| last.at < since));
        self.is_over = is_past || !page.has_more;
        Ok(page.entries)
    }
}
