//! The fixture of the checks: a store that writes, a store that reads, and short names for both.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use scimkit_store::{
    BoxFuture, Connection, ConnectionId, FoundToken, StoreError, Tenant, TenantEntry, TenantId,
    TenantStore, TokenRecord,
};

use crate::contract::{
    FutureDriver,
    fixture::{ensure_eq, said, second},
};

pub(super) struct TenancyFixture<'a> {
    pub(super) drive: &'a FutureDriver<'a>,
    pub(super) reads: Arc<dyn TenantStore>,
    pub(super) writes: Arc<dyn TenantStore>,
}

type Answer<T> = Result<T, StoreError>;

/// Everything that is stored for all tenants, for comparisons.
#[derive(Debug, PartialEq)]
pub(super) struct Kept(Vec<(Tenant, Vec<Connection>, Vec<TokenRecord>)>);

impl TenancyFixture<'_> {
    pub(super) fn run<'f, T: Send + 'f>(&self, future: BoxFuture<'f, T>) -> Result<T, String> {
        let mut answer = None;
        let slot = &mut answer;
        (self.drive)(Box::pin(async move { *slot = Some(future.await) }));
        answer.ok_or_else(|| "the driver left a future unfinished".to_owned())
    }

    fn found<'f, T: Send + 'f>(&self, future: BoxFuture<'f, Answer<T>>) -> Result<T, String> {
        self.run(future)?.map_err(|e| said(&e))
    }

    /// Stores entries, and returns the answer unchanged.
    pub(super) fn attempt(&self, entries: Vec<TenantEntry>) -> Result<Answer<()>, String> {
        self.run(
            self.writes
                .put(entries, chrono::DateTime::UNIX_EPOCH.into()),
        )
    }

    /// Stores entries, which must succeed.
    pub(super) fn put(&self, entries: Vec<TenantEntry>) -> Result<(), String> {
        let what = format!("put {entries:?}");
        self.attempt(entries)?
            .map_err(|e| format!("{what}: {}", said(&e)))
    }

    /// Fails unless the entries are rejected as expected and change nothing.
    pub(super) fn refused(&self, entries: Vec<TenantEntry>, expected: &str) -> Result<(), String> {
        let before = self.kept()?;
        let what = format!("the answer to {entries:?}");
        ensure_eq!(outcome(&self.attempt(entries)?), expected, "{what}");
        ensure_eq!(self.kept()?, before, "the stored entries after a rejection");
        Ok(())
    }

    pub(super) fn kept(&self) -> Result<Kept, String> {
        let tenants = self.tenants()?.into_iter().map(|tenant| {
            let connections = self.connections(&tenant.id)?;
            let tokens = self.tokens(&tenant.id)?;
            Ok::<_, String>((tenant, connections, tokens))
        });
        Ok(Kept(tenants.collect::<Result<_, _>>()?))
    }

    pub(super) fn connection(
        &self,
        tenant: &str,
        id: &str,
    ) -> Result<Option<(Tenant, Connection)>, String> {
        let tenant = TenantId::from(tenant);
        let id = ConnectionId::from(id);
        self.found(self.reads.connection(&tenant, &id))
    }

    pub(super) fn connections(&self, tenant: &TenantId) -> Result<Vec<Connection>, String> {
        self.found(self.reads.connections(tenant))
    }

    pub(super) fn open(&self, digest: [u8; 32]) -> Result<Option<FoundToken>, String> {
        self.found(self.reads.find_token(&digest))
    }

    /// Finds the token of a digest, which must exist.
    pub(super) fn opened(&self, digest: [u8; 32]) -> Result<FoundToken, String> {
        let opened = self.open(digest)?;
        opened.ok_or_else(|| format!("no token has the digest {digest:?}"))
    }

    pub(super) fn remove_connection(&self, tenant: &str, id: &str) -> Result<Answer<()>, String> {
        let tenant = TenantId::from(tenant);
        let id = ConnectionId::from(id);
        self.run(
            self.writes
                .remove_connection(&tenant, &id, chrono::DateTime::UNIX_EPOCH.into()),
        )
    }

    pub(super) fn tenant(&self, id: &str) -> Result<Option<Tenant>, String> {
        self.found(self.reads.tenant(&TenantId::from(id)))
    }

    pub(super) fn tenants(&self) -> Result<Vec<Tenant>, String> {
        self.found(self.reads.tenants())
    }

    pub(super) fn tokens(&self, tenant: &TenantId) -> Result<Vec<TokenRecord>, String> {
        self.found(self.reads.tokens(tenant))
    }

    pub(super) fn used(&self, digest: [u8; 32], at: DateTime<Utc>) -> Result<(), String> {
        self.found(self.writes.record_token_use(&digest, at))
    }
}

/// Returns an answer in a word or two.
pub(super) fn outcome<T>(answer: &Answer<T>) -> String {
    match answer {
        Ok(_) => "done".to_owned(),
        Err(StoreError::NotFound) => "not found".to_owned(),
        Err(StoreError::VersionMismatch { actual }) => format!("stale: {actual}"),
        Err(StoreError::Duplicate { attr }) => format!("taken: {attr}"),
        Err(StoreError::TooManyEntries { .. }) => "too many".to_owned(),
        Err(other) => said(other),
    }
}

/// Returns a tenant with that revision.
pub(super) fn tenant(id: &str, revision: u64) -> Tenant {
    let name = format!("The \"{id}\" company; 株式会社");
    let mut tenant = Tenant::new(TenantId::from(id), name, second(1));
    tenant.revision = revision;
    tenant
}

/// Returns a connection with that revision.
pub(super) fn connection(tenant: &str, id: &str, revision: u64) -> Connection {
    let tenant = TenantId::from(tenant);
    let name = format!("To {id}");
    let mut connection = Connection::new(tenant, ConnectionId::from(id), name, second(2));
    connection.settings = r#"{"profile":"entra","note":"it's %_\\ \u0000"}"#.to_owned();
    connection.revision = revision;
    connection
}

/// Returns a token as it is stored after its creation.
pub(super) fn made(mut token: TokenRecord) -> TokenRecord {
    token.revision = 1;
    token
}

/// Returns a new token of a connection, created at that second.
pub(super) fn token(of: (&str, &str), id: &str, digest: u8, made: i64) -> TokenRecord {
    let connection = connection(of.0, of.1, 0);
    TokenRecord::new(&connection, id, [digest; 32], second(made))
}

/// Returns a new tenant with these connections.
pub(super) fn with_connections(id: &str, connections: &[&str]) -> Vec<TenantEntry> {
    let connections = connections.iter().map(|c| connection(id, c, 0));
    let tenant = TenantEntry::Tenant(tenant(id, 0));
    let connections = connections.map(TenantEntry::Connection);
    [tenant].into_iter().chain(connections).collect()
}
