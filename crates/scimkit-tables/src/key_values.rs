//! The values of components above the store, in a side table.

use scimkit_sql::{
    Dialect,
    reference::{self, Statement},
    tables,
};
use scimkit_store::{BoxFuture, KeyValue, KeyValueEdit, KeyValues, StoreError, TenantId};

use crate::{
    Driver, TableStore, Transaction,
    side_tables::{Columns, SideTables},
};

impl<T: Transaction> SideTables<T> {
    /// Reads the values of keys with one call of the driver.
    async fn values(
        &mut self,
        statements: impl Iterator<Item = Statement<'_>>,
    ) -> Result<Vec<Option<String>>, StoreError> {
        let statements: Vec<_> = statements.map(tables::shared).collect();
        if statements.is_empty() {
            return Ok(Vec::new());
        }
        let results = self.transaction.run(statements).await?;
        let value = |rows: Vec<_>| {
            let row = rows.into_iter().next();
            row.map(|row| Columns::new(row).text()).transpose()
        };
        results.into_iter().map(value).collect()
    }
}

fn statement<'a>(dialect: Dialect, tenant: &'a str, edit: &'a KeyValueEdit) -> Statement<'a> {
    let place = (tenant, edit.collection.as_str(), edit.key.as_str());
    match &edit.value {
        Some(value) => reference::put_key_value(dialect, place, value),
        None => reference::remove_key_value(dialect, place),
    }
}

impl<D: Driver> KeyValues for TableStore<D> {
    fn edit_key_values<'a>(
        &'a self,
        tenant: &'a TenantId,
        edits: &'a [KeyValueEdit],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let tenant = tenant.as_str();
            let mut side = self.side_locked(tenant).await?;
            let dialect = side.dialect;
            let conditional: Vec<_> = edits.iter().filter(|edit| edit.is_conditional()).collect();
            let reads = conditional
                .iter()
                .map(|edit| reference::key_value(dialect, (tenant, &edit.collection, &edit.key)));
            let found = side.values(reads).await?;
            let mut checks = conditional.iter().zip(&found);
            if !checks.all(|(edit, value)| edit.condition.holds(value.as_deref())) {
                return Ok(false);
            }
            let writes = edits
                .iter()
                .map(|edit| tables::shared(statement(dialect, tenant, edit)));
            let writes: Vec<_> = writes.collect();
            if !writes.is_empty() {
                side.transaction.run(writes).await?;
            }
            side.transaction.commit().await?;
            Ok(true)
        })
    }

    fn key_values<'a>(
        &'a self,
        tenant: &'a TenantId,
        collection: &'a str,
        prefix: &'a str,
        after: &'a str,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<KeyValue>, StoreError>> {
        Box::pin(async move {
            let mut side = self.side_of(tenant.as_str()).await?;
            let place = (tenant.as_str(), collection);
            let limit = i64::from(limit);
            let statement = reference::key_values(side.dialect, place, (prefix, after), limit);
            let rows = side.rows(statement).await?.into_iter();
            let value = |row| {
                let mut columns = Columns::new(row);
                Ok(KeyValue {
                    key: columns.text()?,
                    value: columns.text()?,
                })
            };
            rows.map(value).collect()
        })
    }

    fn key_values_of<'a>(
        &'a self,
        tenant: &'a TenantId,
        collection: &'a str,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<String>>, StoreError>> {
        Box::pin(async move {
            let mut side = self.side_of(tenant.as_str()).await?;
            let dialect = side.dialect;
            let place = |key| (tenant.as_str(), collection, key);
            let reads = keys
                .iter()
                .map(|key| reference::key_value(dialect, place(key.as_str())));
            side.values(reads).await
        })
    }
}
