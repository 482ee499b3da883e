//! The values of components above the store.

use rusqlite::Connection as Db;
use scimkit_sql::reference;
use scimkit_store::{BoxFuture, KeyValue, KeyValueEdit, KeyValues, StoreError, TenantId};

use crate::{
    SqliteStore,
    error::Outcome,
    imports,
    lanes::Lane,
    statement::{DIALECT, all, execute, first},
};

fn value(db: &Db, place: (&str, &str, &str)) -> Outcome<Option<String>> {
    first(db, &reference::key_value(DIALECT, place), |row| {
        Ok(row.get(0)?)
    })
}

fn edit(db: &Db, tenant: &str, edits: &[KeyValueEdit]) -> Outcome<bool> {
    imports::check_complete(db, tenant)?;
    for edit in edits.iter().filter(|edit| edit.is_conditional()) {
        let found = value(db, (tenant, &edit.collection, &edit.key))?;
        if !edit.condition.holds(found.as_deref()) {
            return Ok(false);
        }
    }
    for edit in edits {
        let place = (tenant, edit.collection.as_str(), edit.key.as_str());
        let statement = match &edit.value {
            Some(value) => reference::put_key_value(DIALECT, place, value),
            None => reference::remove_key_value(DIALECT, place),
        };
        execute(db, &statement)?;
    }
    Ok(true)
}

impl KeyValues for SqliteStore {
    fn edit_key_values<'a>(
        &'a self,
        tenant: &'a TenantId,
        edits: &'a [KeyValueEdit],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let tenant = tenant.clone();
        let edits = edits.to_vec();
        Box::pin(self.alter(move |db| edit(db, tenant.as_str(), &edits)))
    }

    fn key_values<'a>(
        &'a self,
        tenant: &'a TenantId,
        collection: &'a str,
        prefix: &'a str,
        after: &'a str,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<KeyValue>, StoreError>> {
        let collection = collection.to_owned();
        let (prefix, after) = (prefix.to_owned(), after.to_owned());
        let read = move |db: &Db, tenant: &TenantId| {
            let place = (tenant.as_str(), collection.as_str());
            let range = (prefix.as_str(), after.as_str());
            let statement = reference::key_values(DIALECT, place, range, i64::from(limit));
            all(db, &statement, |row| {
                Ok(KeyValue {
                    key: row.get(0)?,
                    value: row.get(1)?,
                })
            })
        };
        Box::pin(self.look_at(Lane::Query, tenant, read))
    }

    fn key_values_of<'a>(
        &'a self,
        tenant: &'a TenantId,
        collection: &'a str,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<String>>, StoreError>> {
        let collection = collection.to_owned();
        let keys = keys.to_vec();
        let read = move |db: &Db, tenant: &TenantId| {
            let found = keys
                .iter()
                .map(|key| value(db, (tenant.as_str(), &collection, key)));
            found.collect()
        };
        Box::pin(self.look_at(Lane::Query, tenant, read))
    }
}
