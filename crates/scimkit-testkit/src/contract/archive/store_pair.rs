//! The fixture of the checks: two stores, a tenant with a bit of everything, and its lines.

use std::{io::Cursor, sync::Arc};

use chrono::{DateTime, Utc};
use scimkit_registry::{Edge, EdgeEdit, ResourceId};
use scimkit_store::{
    BoxFuture, Connection, ConnectionId, Store, StoreError, Tenant, TenantEntry, TenantId,
    TokenRecord, TokenScopes,
    archive::{ArchiveError, ArchiveOptions, Erased, RecordCounts, export_to, import_from},
};
use serde_json::{Value, json};

use super::FullStore;
use crate::contract::{
    FutureDriver, Subject,
    fixture::{Fixture, said, second},
    oracle::populate,
    random::Random,
};

/// Two stores.
pub(super) struct Pair<'a> {
    pub(super) from: Side<'a>,
    pub(super) to: Side<'a>,
}

impl<'a> Pair<'a> {
    pub(super) fn new(
        from: Arc<dyn FullStore>,
        to: Arc<dyn FullStore>,
        drive: &'a FutureDriver<'a>,
    ) -> Result<Self, String> {
        let from = Side::new(from, drive)?;
        let to = Side::new(to, drive)?;
        Ok(Pair { from, to })
    }
}

/// One store, and the tenant that the checks use.
pub(super) struct Side<'a> {
    drive: &'a FutureDriver<'a>,
    pub(super) fixture: Fixture<'a>,
    pub(super) store: Arc<dyn FullStore>,
}

impl<'a> Side<'a> {
    fn new(store: Arc<dyn FullStore>, drive: &'a FutureDriver<'a>) -> Result<Self, String> {
        let asked: Arc<dyn Store> = Arc::clone(&store) as Arc<dyn Store>;
        let fixture = Fixture::new(&Subject::default(), asked, drive)?.tenant("acme");
        Ok(Side {
            drive,
            fixture,
            store,
        })
    }

    /// Returns the same store for another tenant.
    pub(super) fn tenant(&self, name: &str) -> Side<'a> {
        Side {
            drive: self.drive,
            fixture: self.fixture.tenant(name),
            store: Arc::clone(&self.store),
        }
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

    /// Exports the lines of the tenant, or returns the error.
    pub(super) fn export(&self, options: &ArchiveOptions) -> Result<Exported, String> {
        let future = export_to(&*self.store, self.id(), options, Vec::new());
        let exported = self.run(Box::pin(future))?;
        Ok(exported.map(|(bytes, counts)| (String::from_utf8_lossy(&bytes).into_owned(), counts)))
    }

    /// Exports the lines of the tenant, which must exist.
    pub(super) fn lines(&self) -> Result<String, String> {
        let exported = self.export(&ArchiveOptions::default())?;
        exported.map(|(lines, _)| lines).map_err(|e| told(&e))
    }

    /// Fails if the store has any data of the tenant.
    pub(super) fn has_nothing(&self) -> Result<(), String> {
        match self.export(&ArchiveOptions::default())? {
            Err(ArchiveError::Store(StoreError::NotFound)) => Ok(()),
            Err(other) => Err(told(&other)),
            Ok((lines, _)) => Err(format!("something is left: {lines}")),
        }
    }

    pub(super) fn import(
        &self,
        lines: &str,
        options: &ArchiveOptions,
    ) -> Result<Result<RecordCounts, ArchiveError>, String> {
        let input = Cursor::new(lines.as_bytes().to_vec());
        let future = import_from(&*self.store, &self.fixture.context, options, input);
        self.run(Box::pin(future))
    }

    /// Imports the lines, which must succeed.
    pub(super) fn restored(&self, lines: &str) -> Result<RecordCounts, String> {
        let imported = self.import(lines, &ArchiveOptions::default())?;
        imported.map_err(|e| told(&e))
    }

    pub(super) fn erase(&self) -> Result<Erased, String> {
        let erased = self.run(self.store.erase_tenant(self.id()))?;
        erased.map_err(|e| format!("erase: {}", said(&e)))
    }

    pub(super) fn forget(&self, before: DateTime<Utc>) -> Result<u64, String> {
        let forgotten = self.run(self.store.purge_deleted(self.id(), before))?;
        forgotten.map_err(|e| format!("forget: {}", said(&e)))
    }

    /// Stores a bit of everything. With another `salt`, the tokens differ.
    pub(super) fn fill(&self, salt: u8) -> Result<(), String> {
        self.enter(salt)?;
        let mut random = Random::new(u64::from(salt));
        populate(&self.fixture, &mut random)?;
        let entra = self.fixture.through("entra");
        let (user, group) = (&entra.user, &entra.group);
        entra.create(second(20), user, "x1", json!({"userName": "from entra"}))?;
        let body = json!({"displayName": "Line\nbreak \u{2028} \\u0000 \" 名"});
        entra.create(second(21), group, "x2", body)?;
        let targets = [
            ("x1", Some("User")),
            ("nobody at all", Some("User")),
            ("x2", None),
            ("u00", Some("Odd")),
        ];
        let edge =
            |(id, kind): (&str, Option<&str>)| Edge::to(id).with_kind(kind.map(str::to_owned));
        let add = targets.into_iter().map(edge).collect();
        let remove = Vec::new();
        let change = entra.edit(EdgeEdit::Delta { add, remove })?;
        let lenient = entra.accepting().accepting_cycles();
        lenient.update(
            second(22),
            "x2",
            change,
            scimkit_store::WriteOutcome::Updated,
        )?;
        for (n, id) in [(30, "u03"), (31, "u04"), (32, "g02")] {
            let kind = if id.starts_with('u') { user } else { group };
            self.fixture.retiring().delete(second(n), kind, id)?;
        }
        entra.create(second(33), user, "x3", json!({"userName": "gone again"}))?;
        entra.retiring().delete(second(34), user, "x3")?;
        // The last version belongs to a resource that is deleted.
        self.fixture
            .create(second(35), user, "x4", json!({"userName": "last"}))?;
        self.fixture.delete(second(36), user, "x4")
    }

    /// Stores the tenant with connections and tokens.
    pub(super) fn enter(&self, salt: u8) -> Result<(), String> {
        let id = self.id().clone();
        let mut tenant = Tenant::new(id.clone(), "The \"A\" company; 株式会社", second(1));
        let mut entries = vec![TenantEntry::Tenant(tenant.clone())];
        tenant.revision = 1;
        entries.push(TenantEntry::Tenant(tenant));
        for (n, name) in [(2, "okta"), (3, "entra")] {
            let of = ConnectionId::from(name);
            let mut connection = Connection::new(id.clone(), of, "", second(n));
            connection.settings = r##"{"tolerance": "entra",  "mapping": "# \\ \n"}"##.to_owned();
            let mut digest = [salt; 32];
            if let (Some(first), Some(last)) = (name.bytes().next(), digest.last_mut()) {
                *last = first;
            }
            let mut token =
                TokenRecord::new(&connection, format!("of-{name}"), digest, second(n + 5));
            token.name = "nightly".to_owned();
            token.scopes = TokenScopes::NONE;
            (token.scopes.read, token.scopes.users) = (n == 2, true);
            token.expires_at = (n == 2).then(|| second(500));
            token.replaced_at = (n == 2).then(|| second(450));
            token.revoked_at = (n == 3).then(|| second(400));
            token.last_used = (n == 3).then(|| second(300));
            entries.extend([
                TenantEntry::Connection(connection),
                TenantEntry::Token(token.clone()),
            ]);
            token.revision = 1;
            entries.push(TenantEntry::Token(token));
        }
        let put = self.run(self.store.put(entries, chrono::DateTime::UNIX_EPOCH.into()))?;
        put.map_err(|e| format!("put: {}", said(&e)))
    }
}

type Exported = Result<(String, RecordCounts), ArchiveError>;

pub(super) fn told(error: &ArchiveError) -> String {
    match error {
        ArchiveError::Store(error) => said(error),
        ArchiveError::Io(source) => format!("{error}: {source}"),
        _ => error.to_string(),
    }
}

/// Returns the lines with one line replaced, or removed if `new` is `None`.
pub(super) fn with_line(lines: &str, number: usize, new: Option<&str>) -> String {
    let mut changed = String::new();
    for (n, line) in (1..).zip(lines.lines()) {
        match (n == number, new) {
            (true, None) => {}
            (true, Some(new)) => changed = changed + new + "\n",
            (false, _) => changed = changed + line + "\n",
        }
    }
    changed
}

/// Returns the line of a resource.
pub(super) fn resource(id: &str, version: &str, document: &Value) -> String {
    let at = "2026-01-01T00:00:00.000Z";
    let resource = json!({
        "type": "User", "id": id, "version": version,
        "created": at, "lastModified": at, "document": document,
    });
    json!({ "resource": resource }).to_string()
}

/// Returns the id of a resource, for comparisons.
pub(super) fn id(text: &str) -> ResourceId {
    ResourceId::from(text)
}
