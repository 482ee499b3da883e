//! The tenants, connections and tokens in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use super::{MemoryStore, exclusive, shared};
use crate::{
    BoxFuture, Connection, ConnectionId, FoundToken, Stamp, StoreError, Tenant, TenantEntry,
    TenantId, TenantStore, TokenRecord,
    engine::{self, EntryDecision, EntryFacts},
    journal::DirectoryChange,
};

/// The changes of each tenant, in their order.
type Changes = BTreeMap<TenantId, Vec<DirectoryChange>>;
type Digest = [u8; 32];

/// The tenants, connections and tokens.
#[derive(Debug, Clone, Default)]
pub(super) struct Directory {
    // INVARIANT: the tenant of every connection is in `tenants`, and the connection of every token
    // in `connections`; `tokens` has exactly the tokens that `digests` leads to.
    connections: BTreeMap<(TenantId, ConnectionId), Connection>,
    digests: HashMap<Digest, (TenantId, String)>,
    /// The tenants with an incomplete import.
    imports: HashMap<TenantId, Import>,
    tenants: BTreeMap<TenantId, Tenant>,
    tokens: BTreeMap<(TenantId, String), TokenRecord>,
}

/// The entries that are removed when an import ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removal {
    Nothing,
    /// The entries of the import.
    OfImport,
}

/// An import that is not complete.
#[derive(Debug, Clone, Copy)]
struct Import {
    /// The number of the import, which distinguishes it from earlier ones.
    attempt: u64,
    /// Whether the tenant's entry, and with it all its connections and tokens, are those of the import.
    has_entry: bool,
}

/// The entry before a write, for a rollback.
enum Before {
    Connection(Connection),
    NoConnection((TenantId, ConnectionId)),
    NoTenant(TenantId),
    NoToken((TenantId, String)),
    Tenant(Tenant),
    Token(TokenRecord),
}

impl Directory {
    /// Starts an import. The entries of an earlier incomplete import are removed.
    pub(super) fn begin_import(&mut self, tenant: &TenantId, attempt: u64) {
        self.end_import(tenant, Removal::OfImport);
        let has_entry = false;
        let import = Import { attempt, has_entry };
        self.imports.insert(tenant.clone(), import);
    }

    /// Returns whether that import is the current one of the tenant.
    pub(super) fn is_import(&self, tenant: &TenantId, attempt: u64) -> bool {
        let import = self.imports.get(tenant);
        import.is_some_and(|import| import.attempt == attempt)
    }

    /// Ends the import of a tenant, if there is one.
    pub(super) fn end_import(&mut self, tenant: &TenantId, removal: Removal) {
        let import = self.imports.remove(tenant);
        let has_entry = import.is_some_and(|import| import.has_entry);
        if has_entry && removal == Removal::OfImport {
            self.erase(tenant);
        }
    }

    /// Records that the entries of a tenant are those of its import.
    pub(super) fn import_has_entry(&mut self, tenant: &TenantId) {
        if let Some(import) = self.imports.get_mut(tenant) {
            import.has_entry = true;
        }
    }

    /// Fails while an import of the tenant is not complete.
    pub(super) fn check_complete(&self, tenant: &TenantId) -> Result<(), StoreError> {
        if self.imports.contains_key(tenant) {
            Err(StoreError::Importing)
        } else {
            Ok(())
        }
    }

    pub(super) fn tenant(&self, id: &TenantId) -> Option<&Tenant> {
        self.tenants.get(id)
    }

    pub(super) fn connections(&self, tenant: &TenantId) -> impl Iterator<Item = &Connection> {
        let from = (tenant.clone(), ConnectionId::from(""));
        let rest = self.connections.range(from..).map(|(_, found)| found);
        rest.take_while(move |found| found.tenant == *tenant)
    }

    /// Returns the tokens of a tenant, by id.
    pub(super) fn tokens(&self, tenant: &TenantId) -> impl Iterator<Item = &TokenRecord> {
        let from = (tenant.clone(), String::new());
        let rest = self.tokens.range(from..).map(|(_, found)| found);
        rest.take_while(move |found| found.tenant == *tenant)
    }

    pub(super) fn connection(&self, tenant: &TenantId, id: &ConnectionId) -> Option<&Connection> {
        self.connections.get(&(tenant.clone(), id.clone()))
    }

    fn open(&self, digest: &Digest) -> Result<Option<FoundToken>, StoreError> {
        let key = self.digests.get(digest);
        let Some(token) = key.and_then(|key| self.tokens.get(key)) else {
            return Ok(None);
        };
        self.check_complete(&token.tenant)?;
        let connection = self.connection(&token.tenant, &token.connection);
        let found = self.tenants.get(&token.tenant).zip(connection);
        Ok(found.map(|(tenant, connection)| {
            FoundToken::new(tenant.clone(), connection.clone(), token.clone())
        }))
    }

    /// Stores all entries, or none, and returns the changes of each tenant.
    fn put_all(&mut self, entries: Vec<TenantEntry>, stamp: &Stamp) -> Result<Changes, StoreError> {
        let mut undo = Vec::with_capacity(entries.len());
        let mut changes = Changes::new();
        for entry in entries {
            let before = self.before(&entry);
            let tenant = entry.tenant().clone();
            match self.put(entry, stamp) {
                Ok(change) => changes.entry(tenant).or_default().push(change),
                Err(problem) => {
                    for before in undo.into_iter().rev() {
                        self.take_back(before);
                    }
                    return Err(problem);
                }
            }
            undo.push(before);
        }
        Ok(changes)
    }

    /// Returns the current state of an entry, for a rollback.
    fn before(&self, entry: &TenantEntry) -> Before {
        match entry {
            TenantEntry::Connection(new) => {
                let key = (new.tenant.clone(), new.id.clone());
                let known = self.connections.get(&key).cloned();
                known.map_or(Before::NoConnection(key), Before::Connection)
            }
            TenantEntry::Tenant(new) => {
                let known = self.tenants.get(&new.id).cloned();
                known.map_or_else(|| Before::NoTenant(new.id.clone()), Before::Tenant)
            }
            TenantEntry::Token(new) => {
                let key = (new.tenant.clone(), new.id.clone());
                let known = self.tokens.get(&key).cloned();
                known.map_or(Before::NoToken(key), Before::Token)
            }
        }
    }

    fn take_back(&mut self, before: Before) {
        match before {
            Before::Connection(connection) => self.keep_connection(connection),
            Before::NoConnection(key) => drop(self.connections.remove(&key)),
            Before::NoTenant(id) => drop(self.tenants.remove(&id)),
            Before::NoToken(key) => {
                if let Some(token) = self.tokens.remove(&key) {
                    self.digests.remove(&token.digest);
                }
            }
            Before::Tenant(tenant) => self.keep_tenant(tenant),
            Before::Token(token) => self.keep_token(token),
        }
    }

    /// Stores an entry, or rejects it without an effect.
    fn put(&mut self, entry: TenantEntry, stamp: &Stamp) -> Result<DirectoryChange, StoreError> {
        self.check_complete(entry.tenant())?;
        let facts = self.facts(&entry, stamp);
        let EntryDecision { change, entry } = engine::decide_entry(entry, facts, stamp)?;
        match entry {
            TenantEntry::Connection(connection) => self.keep_connection(connection),
            TenantEntry::Tenant(tenant) => self.keep_tenant(tenant),
            TenantEntry::Token(token) => self.keep_token(token),
        }
        Ok(change)
    }

    fn facts(&self, entry: &TenantEntry, stamp: &Stamp) -> EntryFacts {
        match entry {
            TenantEntry::Connection(new) => EntryFacts {
                count: self.connections(&new.tenant).count() as u64,
                digest_exists: false,
                parent_exists: self.tenants.contains_key(&new.tenant),
                stored: self
                    .connection(&new.tenant, &new.id)
                    .cloned()
                    .map(TenantEntry::Connection),
            },
            TenantEntry::Tenant(new) => EntryFacts {
                count: self.tenants.len() as u64,
                stored: self.tenants.get(&new.id).cloned().map(TenantEntry::Tenant),
                ..EntryFacts::default()
            },
            TenantEntry::Token(new) => {
                let key = (new.tenant.clone(), new.id.clone());
                let in_use = |token: &&TokenRecord| {
                    token.connection == new.connection && token.is_in_use(stamp.at)
                };
                EntryFacts {
                    count: self.tokens(&new.tenant).filter(in_use).count() as u64,
                    digest_exists: self.digests.contains_key(&new.digest),
                    parent_exists: self.connection(&new.tenant, &new.connection).is_some(),
                    stored: self.tokens.get(&key).cloned().map(TenantEntry::Token),
                }
            }
        }
    }

    /// Removes a tenant with its connections and tokens.
    pub(super) fn erase(&mut self, tenant: &TenantId) {
        self.imports.remove(tenant);
        self.tenants.remove(tenant);
        self.connections.retain(|(of, _), _| of != tenant);
        self.remove_tokens(|token| token.tenant == *tenant);
    }

    /// Returns whether the tenant has a token with the same id, or any tenant one with the same digest.
    pub(super) fn has_token(&self, token: &TokenRecord) -> bool {
        let key = (token.tenant.clone(), token.id.clone());
        self.tokens.contains_key(&key) || self.digests.contains_key(&token.digest)
    }

    pub(super) fn keep_connection(&mut self, connection: Connection) {
        let key = (connection.tenant.clone(), connection.id.clone());
        self.connections.insert(key, connection);
    }

    pub(super) fn keep_tenant(&mut self, tenant: Tenant) {
        self.tenants.insert(tenant.id.clone(), tenant);
    }

    pub(super) fn keep_token(&mut self, token: TokenRecord) {
        let key = (token.tenant.clone(), token.id.clone());
        self.digests.insert(token.digest, key.clone());
        self.tokens.insert(key, token);
    }

    fn remove_connection(
        &mut self,
        tenant: &TenantId,
        id: &ConnectionId,
    ) -> Result<DirectoryChange, StoreError> {
        self.check_complete(tenant)?;
        let key = (tenant.clone(), id.clone());
        self.connections.remove(&key).ok_or(StoreError::NotFound)?;
        let tokens = self.tokens(tenant).filter(|token| token.connection == *id);
        let tokens = tokens.map(|token| token.id.clone()).collect();
        self.remove_tokens(|token| token.tenant == *tenant && token.connection == *id);
        Ok(engine::connection_removed(id).with_tokens(tokens))
    }

    fn remove_tokens(&mut self, goes: impl Fn(&TokenRecord) -> bool) {
        self.tokens.retain(|_, token| !goes(token));
        self.digests.retain(|_, key| self.tokens.contains_key(key));
    }

    fn used(&mut self, digest: &Digest, at: DateTime<Utc>) {
        let token = self
            .digests
            .get(digest)
            .and_then(|k| self.tokens.get_mut(k));
        if let Some(token) = token {
            token.last_used = token.last_used.max(Some(at));
        }
    }
}

impl TenantStore for MemoryStore {
    fn connection<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a ConnectionId,
    ) -> BoxFuture<'a, Result<Option<(Tenant, Connection)>, StoreError>> {
        Box::pin(async move {
            let directory = shared(&self.directory);
            directory.check_complete(tenant)?;
            let connection = directory.connection(tenant, id);
            let found = directory.tenant(tenant).zip(connection);
            Ok(found.map(|(tenant, connection)| (tenant.clone(), connection.clone())))
        })
    }

    fn connections<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> BoxFuture<'a, Result<Vec<Connection>, StoreError>> {
        Box::pin(async move {
            let directory = shared(&self.directory);
            directory.check_complete(tenant)?;
            Ok(directory.connections(tenant).cloned().collect())
        })
    }

    fn find_token<'a>(
        &'a self,
        digest: &'a Digest,
    ) -> BoxFuture<'a, Result<Option<FoundToken>, StoreError>> {
        Box::pin(async move { shared(&self.directory).open(digest) })
    }

    fn put(
        &self,
        entries: Vec<TenantEntry>,
        stamp: Stamp,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let tenants = entries.iter().map(|entry| entry.tenant().clone());
            let mut directory = self.directory_in_turn(&tenants.collect()).await;
            for (id, changes) in directory.put_all(entries, &stamp)? {
                let tenant = self.tenant_to_write(&id);
                exclusive(&tenant).record_changes(&stamp, changes);
            }
            Ok(())
        })
    }

    fn remove_connection<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a ConnectionId,
        stamp: Stamp,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let tenants = BTreeSet::from([tenant.clone()]);
            let mut directory = self.directory_in_turn(&tenants).await;
            let change = directory.remove_connection(tenant, id)?;
            let resources = self.tenant_to_write(tenant);
            let mut resources = exclusive(&resources);
            let released = resources.release(id);
            resources.record_changes(&stamp, vec![change.with_released(released)]);
            Ok(())
        })
    }

    fn tenant<'a>(&'a self, id: &'a TenantId) -> BoxFuture<'a, Result<Option<Tenant>, StoreError>> {
        Box::pin(async move {
            let directory = shared(&self.directory);
            directory.check_complete(id)?;
            Ok(directory.tenant(id).cloned())
        })
    }

    fn tenants(&self) -> BoxFuture<'_, Result<Vec<Tenant>, StoreError>> {
        Box::pin(async move {
            let directory = shared(&self.directory);
            let is_complete = |tenant: &&Tenant| !directory.imports.contains_key(&tenant.id);
            Ok(directory
                .tenants
                .values()
                .filter(is_complete)
                .cloned()
                .collect())
        })
    }

    fn tokens<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> BoxFuture<'a, Result<Vec<TokenRecord>, StoreError>> {
        Box::pin(async move {
            let directory = shared(&self.directory);
            directory.check_complete(tenant)?;
            let mut tokens: Vec<_> = directory.tokens(tenant).cloned().collect();
            tokens.sort_by_key(|token| token.created);
            Ok(tokens)
        })
    }

    fn record_token_use<'a>(
        &'a self,
        digest: &'a Digest,
        at: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            exclusive(&self.directory).used(digest, at);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use chrono::DateTime;

    use super::{MemoryStore, Tenant, TenantEntry, TenantId, TenantStore, exclusive};
    use crate::{BoxFuture, Journal, JournalQuery};

    /// Polls a future up to 200 times, which is enough for several turns.
    fn poll<T>(future: &mut BoxFuture<'_, T>) -> Poll<T> {
        let mut context = Context::from_waker(Waker::noop());
        let mut polls = (0..200).map(|_| future.as_mut().poll(&mut context));
        polls.find(Poll::is_ready).unwrap_or(Poll::Pending)
    }

    #[test]
    fn callers_that_wait_for_a_write_do_not_block_the_directory() {
        let store = MemoryStore::new();
        let acme = TenantId::from("acme");
        let resources = store.tenant_to_write(&acme);
        let tenant = Tenant::new(acme.clone(), "Acme", DateTime::UNIX_EPOCH);
        let query = JournalQuery::oldest();
        let mut put = store.put(
            vec![TenantEntry::Tenant(tenant)],
            DateTime::UNIX_EPOCH.into(),
        );
        let mut reading = store.entries(&acme, &query);
        {
            let _write = exclusive(&resources);
            assert!(poll(&mut put).is_pending());
            assert!(poll(&mut reading).is_pending());
            let found = poll(&mut TenantStore::tenant(&store, &acme));
            assert!(matches!(found, Poll::Ready(Ok(None))));
        }
        assert!(matches!(poll(&mut put), Poll::Ready(Ok(()))));
        let Poll::Ready(Ok(read)) = poll(&mut reading) else {
            panic!("the write has ended");
        };
        assert_eq!(read.page().unwrap().entries.len(), 1);
    }
}
