//! Tenants, connections and tokens, in side tables.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use scimkit_registry::ResourceId;
use scimkit_sql::{reference, tables::SqlValue};
use scimkit_store::{
    BoxFuture, Connection, ConnectionId, FoundToken, ResourceRef, Stamp, StoreError, Tenant,
    TenantEntry, TenantId, TenantSource, TenantStore, TokenRecord, TokenScopes,
    engine::{self, EntryFacts},
    journal::{DirectoryChange, seal_directory_changes},
    rows::TransactionMode,
};

use crate::{
    Driver, SqlRow, TableStore, Transaction,
    documents::integer,
    side_tables::{Columns, SideTables},
};

impl<T: Transaction> SideTables<T> {
    pub(crate) async fn tenant(&mut self, id: &str) -> Result<Option<Tenant>, StoreError> {
        let row = self.first(reference::tenant(self.dialect, id)).await?;
        row.map(|row| tenant_at(&mut Columns::new(row))).transpose()
    }

    async fn connection(
        &mut self,
        tenant: &str,
        id: &str,
    ) -> Result<Option<Connection>, StoreError> {
        let row = self
            .first(reference::connection(self.dialect, tenant, id))
            .await?;
        row.map(|row| connection_at(&mut Columns::new(row)))
            .transpose()
    }

    async fn token(&mut self, tenant: &str, id: &str) -> Result<Option<TokenRecord>, StoreError> {
        let row = self
            .first(reference::token(self.dialect, tenant, id))
            .await?;
        row.map(|row| token_at(&mut Columns::new(row))).transpose()
    }

    pub(crate) async fn connections(
        &mut self,
        tenant: &str,
    ) -> Result<Vec<Connection>, StoreError> {
        let all = reference::connections(self.dialect, tenant);
        let rows = self.rows(all).await?;
        rows.into_iter()
            .map(|row| connection_at(&mut Columns::new(row)))
            .collect()
    }

    pub(crate) async fn tokens(&mut self, tenant: &str) -> Result<Vec<TokenRecord>, StoreError> {
        let rows = self.rows(reference::tokens(self.dialect, tenant)).await?;
        rows.into_iter()
            .map(|row| token_at(&mut Columns::new(row)))
            .collect()
    }

    /// Stores entries, or rejects one of them; then the transaction has to be rolled back.
    async fn put(&mut self, entries: Vec<TenantEntry>, stamp: &Stamp) -> Result<(), StoreError> {
        let mut changes: BTreeMap<TenantId, Vec<DirectoryChange>> = BTreeMap::new();
        let is_tenant = |entry: &TenantEntry| matches!(entry, TenantEntry::Tenant(_));
        if entries.iter().any(is_tenant) {
            self.lock_tenants().await?;
        }
        for entry in entries {
            let tenant = entry.tenant().clone();
            if !changes.contains_key(&tenant) {
                self.lock(tenant.as_str()).await?;
                self.check_complete(tenant.as_str()).await?;
            }
            let facts = self.facts(&entry, stamp).await?;
            let engine::EntryDecision { entry, change } =
                engine::decide_entry(entry, facts, stamp)?;
            self.store(&entry).await?;
            changes.entry(tenant).or_default().push(change);
        }
        for (tenant, changes) in changes {
            self.record(&tenant, stamp, changes).await?;
        }
        Ok(())
    }

    async fn facts(
        &mut self,
        entry: &TenantEntry,
        stamp: &Stamp,
    ) -> Result<EntryFacts, StoreError> {
        let (dialect, of) = (self.dialect, entry.tenant().as_str());
        Ok(match entry {
            TenantEntry::Connection(new) => {
                let stored = self.connection(of, new.id.as_str()).await?;
                EntryFacts {
                    count: self.count(reference::connection_count(dialect, of)).await?,
                    digest_exists: false,
                    parent_exists: self.tenant(of).await?.is_some(),
                    stored: stored.map(TenantEntry::Connection),
                }
            }
            TenantEntry::Tenant(_) => {
                let stored = self.tenant(of).await?;
                EntryFacts {
                    // All of them are counted, so only if that is needed.
                    count: if stored.is_some() {
                        0
                    } else {
                        self.count(reference::tenant_count(dialect)).await?
                    },
                    stored: stored.map(TenantEntry::Tenant),
                    ..EntryFacts::default()
                }
            }
            TenantEntry::Token(new) => {
                let connection = new.connection.as_str();
                let stored = self.token(of, &new.id).await?;
                let at = reference::micros(stamp.at);
                let count = reference::token_count(dialect, (of, connection), at);
                let known = self
                    .first(reference::token_exists(dialect, &new.digest))
                    .await?;
                EntryFacts {
                    count: self.count(count).await?,
                    digest_exists: known.is_some(),
                    parent_exists: self.connection(of, connection).await?.is_some(),
                    stored: stored.map(TenantEntry::Token),
                }
            }
        })
    }

    /// Adds or replaces an entry.
    pub(crate) async fn store(&mut self, entry: &TenantEntry) -> Result<(), StoreError> {
        let dialect = self.dialect;
        let statement = match entry {
            TenantEntry::Connection(connection) => {
                reference::put_connection(dialect, &connection.into())
            }
            TenantEntry::Tenant(tenant) => reference::put_tenant(dialect, &tenant.into()),
            TenantEntry::Token(token) => reference::put_token(dialect, &token.into()),
        };
        self.rows(statement).await?;
        Ok(())
    }

    /// Numbers the changes of a tenant's entries and records them in its journal.
    async fn record(
        &mut self,
        tenant: &TenantId,
        stamp: &Stamp,
        changes: Vec<DirectoryChange>,
    ) -> Result<(), StoreError> {
        let end = self.end(tenant.as_str()).await?;
        let version = end.version.saturating_add(changes.len() as u64);
        let rows = seal_directory_changes(end.seed, end.version, stamp, changes);
        self.add(tenant.as_str(), version, &rows).await
    }

    /// Removes a connection and its tokens; its resources have no owner then.
    async fn remove_connection(
        &mut self,
        tenant: &TenantId,
        id: &ConnectionId,
        stamp: &Stamp,
    ) -> Result<(), StoreError> {
        let (dialect, of, name) = (self.dialect, tenant.as_str(), id.as_str());
        if self.connection(of, name).await?.is_none() {
            return Err(StoreError::NotFound);
        }
        let mut tokens = self.tokens(of).await?;
        tokens.retain(|token| token.connection == *id);
        let mut tokens: Vec<_> = tokens.into_iter().map(|token| token.id).collect();
        tokens.sort_unstable();
        let owned = self.rows(reference::owned_by(dialect, of, name)).await?;
        let released = owned.into_iter().map(|row| {
            let mut columns = Columns::new(row);
            Ok(ResourceRef {
                kind: columns.text()?,
                id: ResourceId::from(columns.text()?),
            })
        });
        let released = released.collect::<Result<_, StoreError>>()?;
        self.rows(reference::remove_connection(dialect, of, name))
            .await?;
        for statement in reference::release_connection(dialect, of, name) {
            self.rows(statement).await?;
        }
        let change = engine::connection_removed(id).with_tokens(tokens);
        self.record(tenant, stamp, vec![change.with_released(released)])
            .await
    }
}

impl<D: Driver> TenantStore for TableStore<D> {
    fn connection<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a ConnectionId,
    ) -> BoxFuture<'a, Result<Option<(Tenant, Connection)>, StoreError>> {
        Box::pin(async move {
            let mut side = self.side(TransactionMode::Read).await?;
            let (of, id) = (tenant.as_str(), id.as_str());
            let found = reference::connection_with_tenant(side.dialect, of, id);
            let row = complete(side.first(found).await?)?;
            let row = row.filter(|row| row.first().is_some_and(|first| *first != SqlValue::Null));
            let read = |row| {
                let mut columns = Columns::new(row);
                Ok((tenant_at(&mut columns)?, connection_at(&mut columns)?))
            };
            row.map(read).transpose()
        })
    }

    fn connections<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> BoxFuture<'a, Result<Vec<Connection>, StoreError>> {
        Box::pin(async move {
            let mut side = self.side_of(tenant.as_str()).await?;
            side.connections(tenant.as_str()).await
        })
    }

    fn find_token<'a>(
        &'a self,
        digest: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<Option<FoundToken>, StoreError>> {
        Box::pin(async move {
            let mut side = self.side(TransactionMode::Read).await?;
            let found = reference::token_by_digest(side.dialect, digest);
            let read = |row| {
                let mut columns = Columns::new(row);
                let tenant = tenant_at(&mut columns)?;
                let connection = connection_at(&mut columns)?;
                Ok(FoundToken::new(tenant, connection, token_at(&mut columns)?))
            };
            complete(side.first(found).await?)?.map(read).transpose()
        })
    }

    fn put(
        &self,
        entries: Vec<TenantEntry>,
        stamp: Stamp,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let mut side = self.side(TransactionMode::Write).await?;
            side.put(entries, &stamp).await?;
            Ok(side.transaction.commit().await?)
        })
    }

    fn remove_connection<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a ConnectionId,
        stamp: Stamp,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut side = self.side_locked(tenant.as_str()).await?;
            side.remove_connection(tenant, id, &stamp).await?;
            Ok(side.transaction.commit().await?)
        })
    }

    fn tenant<'a>(&'a self, id: &'a TenantId) -> BoxFuture<'a, Result<Option<Tenant>, StoreError>> {
        Box::pin(async move {
            let mut side = self.side_of(id.as_str()).await?;
            side.tenant(id.as_str()).await
        })
    }

    fn tenants(&self) -> BoxFuture<'_, Result<Vec<Tenant>, StoreError>> {
        Box::pin(async move {
            let mut side = self.side(TransactionMode::Read).await?;
            let rows = side.rows(reference::tenants(side.dialect)).await?;
            rows.into_iter()
                .map(|row| tenant_at(&mut Columns::new(row)))
                .collect()
        })
    }

    fn tokens<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> BoxFuture<'a, Result<Vec<TokenRecord>, StoreError>> {
        Box::pin(async move {
            let mut side = self.side_of(tenant.as_str()).await?;
            side.tokens(tenant.as_str()).await
        })
    }

    fn record_token_use<'a>(
        &'a self,
        digest: &'a [u8; 32],
        at: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let at = reference::micros(at);
            // What is no news does not wait for writes.
            let mut side = self.side(TransactionMode::Read).await?;
            let is_news = reference::token_unused_since(side.dialect, digest, at);
            if side.first(is_news).await?.is_none() {
                return Ok(());
            }
            drop(side);
            let mut side = self.side(TransactionMode::Write).await?;
            side.rows(reference::record_token_use(side.dialect, digest, at))
                .await?;
            Ok(side.transaction.commit().await?)
        })
    }
}

/// A row whose last column says whether an import of its tenant is incomplete.
fn complete(row: Option<SqlRow>) -> Result<Option<SqlRow>, StoreError> {
    let flag = row.as_ref().and_then(|row| row.last()).and_then(integer);
    match flag {
        None | Some(0) => Ok(row),
        Some(_) => Err(StoreError::Importing),
    }
}

fn tenant_at(columns: &mut Columns) -> Result<Tenant, StoreError> {
    let id = TenantId::from(columns.text()?.as_str());
    let name = columns.text()?;
    let mut tenant = Tenant::new(id, name, columns.instant()?);
    tenant.revision = columns.number()?;
    tenant.source = TenantSource::from_word(&columns.text()?);
    Ok(tenant)
}

fn connection_at(columns: &mut Columns) -> Result<Connection, StoreError> {
    let tenant = TenantId::from(columns.text()?.as_str());
    let id = ConnectionId::from(columns.text()?.as_str());
    let name = columns.text()?;
    let settings = columns.text()?;
    let mut connection = Connection::new(tenant, id, name, columns.instant()?);
    connection.settings = settings;
    connection.revision = columns.number()?;
    Ok(connection)
}

fn token_at(columns: &mut Columns) -> Result<TokenRecord, StoreError> {
    let tenant = TenantId::from(columns.text()?.as_str());
    let id = columns.text()?;
    let connection = ConnectionId::from(columns.text()?.as_str());
    let digest = columns.bytes()?;
    let name = columns.text()?;
    let mut scopes = TokenScopes::NONE;
    scopes.groups = columns.integer()? != 0;
    scopes.read = columns.integer()? != 0;
    scopes.users = columns.integer()? != 0;
    let created = columns.instant()?;
    // Of the connection only the two ids are known.
    let of = Connection::new(tenant, connection, "", created);
    let mut token = TokenRecord::new(&of, id, digest, created);
    token.name = name;
    token.scopes = scopes;
    token.revision = columns.number()?;
    token.expires_at = columns.moment()?;
    token.replaced_at = columns.moment()?;
    token.revoked_at = columns.moment()?;
    token.last_used = columns.moment()?;
    Ok(token)
}
