//! The fixture of the checks: a store, and short names for the entries of its journal.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use scimkit_registry::ResourceId;
use scimkit_store::{
    BoxFuture, ConnectionId, JournalEntry, JournalLevel, JournalPage, JournalPosition,
    JournalQuery, JournalRead, Lease, LeaseAnswer, LeaseRequest, Store, StoreError, TenantId,
    VerifiedChain, verify,
};
use serde_json::json;

use super::RecordedStore;
use crate::contract::{
    FutureDriver, Subject,
    fixture::{Fixture, ensure, ensure_eq, said, second},
};

/// A store and a tenant.
pub(super) struct Log<'a> {
    drive: &'a FutureDriver<'a>,
    pub(super) fixture: Fixture<'a>,
    pub(super) store: Arc<dyn RecordedStore>,
}

impl<'a> Log<'a> {
    pub(super) fn new(
        store: Arc<dyn RecordedStore>,
        drive: &'a FutureDriver<'a>,
    ) -> Result<Self, String> {
        let asked: Arc<dyn Store> = Arc::clone(&store) as Arc<dyn Store>;
        let fixture = Fixture::new(&Subject::default(), asked, drive)?.tenant("acme");
        ensure!(
            fixture.store.support(&fixture.user).journal,
            "the store does not declare its journal"
        );
        Ok(Log {
            drive,
            fixture,
            store,
        })
    }

    fn with(&self, fixture: Fixture<'a>) -> Log<'a> {
        Log {
            drive: self.drive,
            fixture,
            store: Arc::clone(&self.store),
        }
    }

    /// Returns the same store for another tenant.
    pub(super) fn tenant(&self, name: &str) -> Log<'a> {
        self.with(self.fixture.tenant(name))
    }

    /// Returns the same store with another level.
    pub(super) fn level(&self, level: JournalLevel) -> Log<'a> {
        self.with(
            self.fixture
                .under(|settings| settings.policy.journal.level = level),
        )
    }

    /// Returns the same store on behalf of a connection.
    pub(super) fn through(&self, connection: &str) -> Log<'a> {
        let mut fixture = self.fixture.again();
        fixture.context = fixture
            .context
            .with_connection(ConnectionId::from(connection));
        self.with(fixture)
    }

    pub(super) fn run<'f, T: Send + 'f>(&self, future: BoxFuture<'f, T>) -> Result<T, String> {
        let mut answer = None;
        let slot = &mut answer;
        (self.drive)(Box::pin(async move { *slot = Some(future.await) }));
        answer.ok_or_else(|| "the driver left a future unfinished".to_owned())
    }

    pub(super) fn id(&self) -> &TenantId {
        &self.fixture.context.tenant
    }

    pub(super) fn read(&self, query: &JournalQuery) -> Result<JournalRead, String> {
        let read = self.run(self.store.entries(self.id(), query))?;
        read.map_err(|e| format!("{query:?}: {}", said(&e)))
    }

    pub(super) fn page(&self, query: &JournalQuery) -> Result<JournalPage, String> {
        let read = self.read(query)?;
        let gone = || format!("{query:?}: entries are missing");
        read.page().ok_or_else(gone)
    }

    /// Reads all entries after a number, page by page.
    pub(super) fn after(&self, number: u64) -> Result<Vec<JournalEntry>, String> {
        self.pages(JournalQuery::after(JournalPosition::end_of(number)))
    }

    /// Reads all entries in the journal.
    pub(super) fn all(&self) -> Result<Vec<JournalEntry>, String> {
        self.pages(JournalQuery::oldest())
    }

    fn pages(&self, first: JournalQuery) -> Result<Vec<JournalEntry>, String> {
        let mut entries = Vec::new();
        let mut query = first.with_limit(7);
        loop {
            let page = self.page(&query)?;
            ensure!(page.entries.len() <= 7, "a page has more than its limit");
            let end = page.end();
            let has_more = page.has_more;
            entries.extend(page.entries);
            match end.filter(|_| has_more) {
                Some(end) => query = JournalQuery::after(end).with_limit(7),
                None => return Ok(entries),
            }
        }
    }

    /// Reads all entries, and checks that their chain is valid up to its end.
    pub(super) fn verified(&self) -> Result<(Vec<JournalEntry>, VerifiedChain), String> {
        let entries = self.all()?;
        let chain = verify(&entries).map_err(|broken| broken.to_string())?;
        let head = self.page(&JournalQuery::latest())?.head;
        ensure_eq!(chain.last_digest, head.digest, "the end of the chain");
        Ok((entries, chain))
    }

    pub(super) fn request(&self, holder: &str, at: i64) -> LeaseRequest {
        LeaseRequest::new("events", holder, second(at), Duration::from_secs(60))
    }

    pub(super) fn lease(&self, holder: &str, at: i64) -> Result<LeaseAnswer, String> {
        let request = self.request(holder, at);
        let answer = self.run(self.store.lease(self.id(), &request))?;
        answer.map_err(|e| format!("lease: {}", said(&e)))
    }

    pub(super) fn granted(&self, holder: &str, at: i64) -> Result<Lease, String> {
        match self.lease(holder, at)? {
            LeaseAnswer::Granted(lease) => Ok(lease),
            other => Err(format!("a lease for `{holder}`: {other:?}")),
        }
    }

    pub(super) fn advance(&self, lease: &Lease, to: u64) -> Result<Result<(), StoreError>, String> {
        self.run(self.store.advance(self.id(), lease, to))
    }

    pub(super) fn advanced(&self, lease: &Lease, to: u64) -> Result<(), String> {
        let done = self.advance(lease, to)?;
        done.map_err(|e| format!("advance to {to}: {}", said(&e)))
    }

    pub(super) fn trim(&self, before: DateTime<Utc>) -> Result<u64, String> {
        let trimmed = self.run(self.store.trim(self.id(), before))?;
        trimmed.map_err(|e| format!("trim: {}", said(&e)))
    }

    pub(super) fn pending(&self) -> Result<Vec<TenantId>, String> {
        let pending = self.run(self.store.pending("events"))?;
        pending.map_err(|e| format!("pending: {}", said(&e)))
    }

    /// Creates a user with its id as its name.
    pub(super) fn user(&self, at: i64, id: &str) -> Result<u64, String> {
        let fixture = &self.fixture;
        let stored = fixture.create(second(at), &fixture.user, id, json!({"userName": id}))?;
        number(stored.version.as_str())
    }

    /// Creates a group with members.
    pub(super) fn group(&self, at: i64, id: &str, members: &[&str]) -> Result<u64, String> {
        let fixture = &self.fixture;
        let members: Vec<_> = members.iter().map(|id| json!({"value": id})).collect();
        let body = json!({"displayName": id, "members": members});
        let stored = fixture.create(second(at), &fixture.group, id, body)?;
        number(stored.version.as_str())
    }
}

/// Returns the number in a version of a store with a journal.
pub(super) fn number(version: &str) -> Result<u64, String> {
    let parsed = version.parse();
    parsed.map_err(|_| format!("the version `{version}` is not a number"))
}

/// Returns number, part, action and identifier of entries.
pub(super) fn told(entries: &[JournalEntry]) -> Vec<String> {
    let one = |entry: &JournalEntry| {
        let subject = entry.subject.columns();
        let id = if subject.id.is_empty() {
            subject.word
        } else {
            subject.id
        };
        format!("{}.{} {} {id}", entry.number, entry.part, entry.action)
    };
    entries.iter().map(one).collect()
}

pub(super) fn resource(id: &str) -> ResourceId {
    ResourceId::from(id)
}
