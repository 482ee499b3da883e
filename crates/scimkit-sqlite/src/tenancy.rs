//! The tenants, connections and tokens, in the same file as the resources.

use chrono::{DateTime, Utc};
use rusqlite::{Connection as Db, TransactionBehavior};
use scimkit_registry::Budget;
use scimkit_store::{
    BoxFuture, Connection, ConnectionId, FoundToken, Stamp, StoreError, Tenant, TenantEntry,
    TenantId, TenantStore, TokenRecord,
};

use crate::{
    SqliteStore,
    error::Outcome,
    imports,
    lanes::{Caller, Lane},
    row::micros,
    statement::Moment,
    tenant_rows,
};

impl SqliteStore {
    /// Reads some rows in the lookup lane, so that it never waits for a query.
    async fn look<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Db) -> Outcome<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.look_in((Lane::Lookup, None), read).await
    }

    pub(crate) async fn look_in<T: Send + 'static>(
        &self,
        place: (Lane, Caller),
        read: impl FnOnce(&Db) -> Outcome<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let budget = Budget::unlimited();
        Ok(self
            .workers
            .read(place, &budget, |db, _| read(db))
            .await??)
    }

    /// Reads data of one tenant, unless an import of the tenant is incomplete.
    pub(crate) async fn look_at<T: Send + 'static>(
        &self,
        lane: Lane,
        tenant: &TenantId,
        read: impl FnOnce(&Db, &TenantId) -> Outcome<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let tenant = tenant.clone();
        // Lookups never wait for a query, so they need no turns between tenants.
        let caller = (lane == Lane::Query).then(|| tenant.clone());
        self.look_in((lane, caller), move |db| {
            let moment = Moment::begin(db)?;
            imports::check_complete(moment.connection(), tenant.as_str())?;
            read(moment.connection(), &tenant)
        })
        .await
    }

    /// Writes in its own transaction, which is committed or rolled back as a whole.
    pub(crate) async fn alter<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Db) -> Outcome<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let job = |db: &mut Db| -> Outcome<T> {
            let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let written = write(&transaction)?;
            transaction.commit()?;
            Ok(written)
        };
        Ok(self.workers.alone(job).await??)
    }
}

impl TenantStore for SqliteStore {
    fn connection<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a ConnectionId,
    ) -> BoxFuture<'a, Result<Option<(Tenant, Connection)>, StoreError>> {
        let tenant = tenant.clone();
        let id = id.clone();
        Box::pin(self.look(move |db| tenant_rows::connection_of(db, &tenant, &id)))
    }

    fn connections<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> BoxFuture<'a, Result<Vec<Connection>, StoreError>> {
        Box::pin(self.look_at(Lane::Query, tenant, tenant_rows::connections))
    }

    fn find_token<'a>(
        &'a self,
        digest: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<Option<FoundToken>, StoreError>> {
        let digest = *digest;
        Box::pin(self.look(move |db| tenant_rows::open(db, &digest)))
    }

    fn put(
        &self,
        entries: Vec<TenantEntry>,
        stamp: Stamp,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.alter(move |db| tenant_rows::put(db, entries, &stamp)))
    }

    fn remove_connection<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a ConnectionId,
        stamp: Stamp,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let tenant = tenant.clone();
        let id = id.clone();
        let remove = move |db: &Db| tenant_rows::remove_connection(db, &tenant, &id, &stamp);
        Box::pin(self.alter(remove))
    }

    fn tenant<'a>(&'a self, id: &'a TenantId) -> BoxFuture<'a, Result<Option<Tenant>, StoreError>> {
        Box::pin(self.look_at(Lane::Lookup, id, tenant_rows::tenant))
    }

    fn tenants(&self) -> BoxFuture<'_, Result<Vec<Tenant>, StoreError>> {
        Box::pin(self.look_in((Lane::Query, None), tenant_rows::tenants))
    }

    fn tokens<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> BoxFuture<'a, Result<Vec<TokenRecord>, StoreError>> {
        Box::pin(self.look_at(Lane::Query, tenant, tenant_rows::tokens))
    }

    fn record_token_use<'a>(
        &'a self,
        digest: &'a [u8; 32],
        at: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let digest = *digest;
        let at = micros(at);
        Box::pin(async move {
            // If there is nothing to write, it does not wait for other writes.
            if self
                .look(move |db| tenant_rows::is_news(db, &digest, at))
                .await?
            {
                self.alter(move |db| tenant_rows::used(db, &digest, at))
                    .await
            } else {
                Ok(())
            }
        })
    }
}
