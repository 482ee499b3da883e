//! Tenants, connections and tokens, in side tables.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use scimkit_sql::{
    Dialect,
    reference::{self, JournalEnd, Statement},
    tables::{self, SqlValue},
};
use scimkit_store::{
    BoxFuture, Connection, ConnectionId, FoundToken, Stamp, StoreError, Tenant, TenantEntry,
    TenantId, TenantStore, TokenRecord, TokenScopes,
    engine::{self, EntryFacts},
    journal::DirectoryChange,
    rows::TransactionMode,
};

use crate::{
    Driver, SqlRow, TableStore, Transaction,
    documents::{damaged, instant, integer, text},
    rows::{count_of, journal_end},
};

/// An open transaction on the side tables.
struct Directory<T> {
    dialect: Dialect,
    transaction: T,
}

impl<T: Transaction> Directory<T> {
    async fn rows(&mut self, statement: Statement<'_>) -> Result<Vec<SqlRow>, StoreError> {
        let results = self
            .transaction
            .run(vec![tables::shared(statement)])
            .await?;
        Ok(results.into_iter().next().unwrap_or_default())
    }

    async fn first(&mut self, statement: Statement<'_>) -> Result<Option<SqlRow>, StoreError> {
        Ok(self.rows(statement).await?.into_iter().next())
    }

    async fn count(&mut self, statement: Statement<'_>) -> Result<u64, StoreError> {
        let rows = self.rows(statement).await?;
        count_of(vec![rows])
    }

    async fn tenant(&mut self, id: &str) -> Result<Option<Tenant>, StoreError> {
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

    async fn tokens(&mut self, tenant: &str) -> Result<Vec<TokenRecord>, StoreError> {
        let rows = self.rows(reference::tokens(self.dialect, tenant)).await?;
        rows.into_iter()
            .map(|row| token_at(&mut Columns::new(row)))
            .collect()
    }

    /// Stores entries, or rejects one of them; then the transaction has to be rolled back.
    async fn put(&mut self, entries: Vec<TenantEntry>, stamp: &Stamp) -> Result<(), StoreError> {
        let mut changes: BTreeMap<TenantId, Vec<DirectoryChange>> = BTreeMap::new();
        for entry in entries {
            let tenant = entry.tenant().clone();
            if !changes.contains_key(&tenant) {
                self.lock(tenant.as_str()).await?;
            }
            let facts = self.facts(&entry, stamp).await?;
            let engine::EntryDecision { entry, change } =
                engine::decide_entry(entry, facts, stamp)?;
            self.store(&entry).await?;
            changes.entry(tenant).or_default().push(change);
        }
        for (tenant, changes) in changes {
            self.number(&tenant, changes.len() as u64).await?;
        }
        Ok(())
    }

    async fn lock(&mut self, tenant: &str) -> Result<(), StoreError> {
        if let Some(lock) = tables::lock(self.dialect, tenant) {
            self.transaction.run(vec![lock]).await?;
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

    async fn store(&mut self, entry: &TenantEntry) -> Result<(), StoreError> {
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

    /// Gives the next numbers of a tenant to some changes, which no journal records.
    async fn number(&mut self, tenant: &TenantId, changes: u64) -> Result<(), StoreError> {
        let end = tables::journal_end(self.dialect, tenant.as_str());
        let row = self.transaction.run(vec![end]).await?.pop();
        let (version, _) = journal_end(row.and_then(|mut rows| rows.pop()))?;
        let version = number(version.saturating_add(changes))?;
        let end = JournalEnd {
            after: Some(version),
            digest: None,
        };
        let statement = tables::set_version(self.dialect, tenant.as_str(), version, end);
        self.transaction.run(vec![statement]).await?;
        Ok(())
    }

    /// Removes a connection and its tokens; its resources have no owner then.
    async fn remove_connection(
        &mut self,
        tenant: &TenantId,
        id: &ConnectionId,
    ) -> Result<(), StoreError> {
        let (of, name) = (tenant.as_str(), id.as_str());
        self.lock(of).await?;
        if self.connection(of, name).await?.is_none() {
            return Err(StoreError::NotFound);
        }
        let dialect = self.dialect;
        self.rows(reference::remove_connection(dialect, of, name))
            .await?;
        for statement in reference::release_connection(dialect, of, name) {
            self.rows(statement).await?;
        }
        self.number(tenant, 1).await
    }
}

impl<D: Driver> TableStore<D> {
    async fn directory(
        &self,
        access: TransactionMode,
    ) -> Result<Directory<D::Transaction>, StoreError> {
        Ok(Directory {
            dialect: self.driver().dialect(),
            transaction: self.driver().begin(access).await?,
        })
    }
}

impl<D: Driver> TenantStore for TableStore<D> {
    fn connection<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a ConnectionId,
    ) -> BoxFuture<'a, Result<Option<(Tenant, Connection)>, StoreError>> {
        Box::pin(async move {
            let mut directory = self.directory(TransactionMode::Read).await?;
            let (of, id) = (tenant.as_str(), id.as_str());
            let found = reference::connection_with_tenant(directory.dialect, of, id);
            let row = directory.first(found).await?;
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
            let mut directory = self.directory(TransactionMode::Read).await?;
            let all = reference::connections(directory.dialect, tenant.as_str());
            let rows = directory.rows(all).await?.into_iter();
            rows.map(|row| connection_at(&mut Columns::new(row)))
                .collect()
        })
    }

    fn find_token<'a>(
        &'a self,
        digest: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<Option<FoundToken>, StoreError>> {
        Box::pin(async move {
            let mut directory = self.directory(TransactionMode::Read).await?;
            let found = reference::token_by_digest(directory.dialect, digest);
            let read = |row| {
                let mut columns = Columns::new(row);
                let tenant = tenant_at(&mut columns)?;
                let connection = connection_at(&mut columns)?;
                Ok(FoundToken::new(tenant, connection, token_at(&mut columns)?))
            };
            directory.first(found).await?.map(read).transpose()
        })
    }

    fn put(
        &self,
        entries: Vec<TenantEntry>,
        stamp: Stamp,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let mut directory = self.directory(TransactionMode::Write).await?;
            directory.put(entries, &stamp).await?;
            Ok(directory.transaction.commit().await?)
        })
    }

    fn remove_connection<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a ConnectionId,
        _: Stamp,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut directory = self.directory(TransactionMode::Write).await?;
            directory.remove_connection(tenant, id).await?;
            Ok(directory.transaction.commit().await?)
        })
    }

    fn tenant<'a>(&'a self, id: &'a TenantId) -> BoxFuture<'a, Result<Option<Tenant>, StoreError>> {
        Box::pin(async move {
            self.directory(TransactionMode::Read)
                .await?
                .tenant(id.as_str())
                .await
        })
    }

    fn tenants(&self) -> BoxFuture<'_, Result<Vec<Tenant>, StoreError>> {
        Box::pin(async move {
            let mut directory = self.directory(TransactionMode::Read).await?;
            let rows = directory
                .rows(reference::tenants(directory.dialect))
                .await?;
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
            self.directory(TransactionMode::Read)
                .await?
                .tokens(tenant.as_str())
                .await
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
            let mut directory = self.directory(TransactionMode::Read).await?;
            let is_news = reference::token_unused_since(directory.dialect, digest, at);
            if directory.first(is_news).await?.is_none() {
                return Ok(());
            }
            drop(directory);
            let mut directory = self.directory(TransactionMode::Write).await?;
            directory
                .rows(reference::record_token_use(directory.dialect, digest, at))
                .await?;
            Ok(directory.transaction.commit().await?)
        })
    }
}

/// The columns of a row, from left to right.
struct Columns(std::vec::IntoIter<SqlValue>);

impl Columns {
    fn new(row: SqlRow) -> Self {
        Columns(row.into_iter())
    }

    fn next(&mut self) -> SqlValue {
        self.0.next().unwrap_or(SqlValue::Null)
    }

    fn text(&mut self) -> Result<String, StoreError> {
        text(self.next()).ok_or_else(|| damaged("text"))
    }

    fn number(&mut self) -> Result<i64, StoreError> {
        integer(&self.next()).ok_or_else(|| damaged("number"))
    }

    fn instant(&mut self) -> Result<DateTime<Utc>, StoreError> {
        instant(&self.next())
    }

    fn moment(&mut self) -> Result<Option<DateTime<Utc>>, StoreError> {
        match self.next() {
            SqlValue::Null => Ok(None),
            value => instant(&value).map(Some),
        }
    }
}

fn tenant_at(columns: &mut Columns) -> Result<Tenant, StoreError> {
    let id = TenantId::from(columns.text()?.as_str());
    let name = columns.text()?;
    let mut tenant = Tenant::new(id, name, columns.instant()?);
    tenant.revision = columns.number()?.cast_unsigned();
    Ok(tenant)
}

fn connection_at(columns: &mut Columns) -> Result<Connection, StoreError> {
    let tenant = TenantId::from(columns.text()?.as_str());
    let id = ConnectionId::from(columns.text()?.as_str());
    let name = columns.text()?;
    let settings = columns.text()?;
    let mut connection = Connection::new(tenant, id, name, columns.instant()?);
    connection.settings = settings;
    connection.revision = columns.number()?.cast_unsigned();
    Ok(connection)
}

fn token_at(columns: &mut Columns) -> Result<TokenRecord, StoreError> {
    let tenant = TenantId::from(columns.text()?.as_str());
    let id = columns.text()?;
    let connection = ConnectionId::from(columns.text()?.as_str());
    let SqlValue::Blob(digest) = columns.next() else {
        return Err(damaged("digest"));
    };
    let digest = digest.try_into().map_err(|_| damaged("digest"))?;
    let name = columns.text()?;
    let mut scopes = TokenScopes::NONE;
    scopes.groups = columns.number()? != 0;
    scopes.read = columns.number()? != 0;
    scopes.users = columns.number()? != 0;
    let created = columns.instant()?;
    // Of the connection only the two ids are known.
    let of = Connection::new(tenant, connection, "", created);
    let mut token = TokenRecord::new(&of, id, digest, created);
    token.name = name;
    token.scopes = scopes;
    token.revision = columns.number()?.cast_unsigned();
    token.expires_at = columns.moment()?;
    token.replaced_at = columns.moment()?;
    token.revoked_at = columns.moment()?;
    token.last_used = columns.moment()?;
    Ok(token)
}

fn number(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(StoreError::backend)
}
