//! The values of components above the store.

use std::ops::Bound;

use super::{MemoryStore, exclusive_in_turn, shared_in_turn};
use crate::{BoxFuture, KeyValue, KeyValueEdit, KeyValues, StoreError, TenantId};

impl KeyValues for MemoryStore {
    fn edit_key_values<'a>(
        &'a self,
        tenant: &'a TenantId,
        edits: &'a [KeyValueEdit],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let tenant = self.tenant_to_write(tenant);
            let mut tenant = exclusive_in_turn(&tenant).await;
            tenant.check_complete()?;
            let place = |edit: &KeyValueEdit| (edit.collection.clone(), edit.key.clone());
            let values = &mut tenant.key_values;
            let holds = |edit: &KeyValueEdit| {
                edit.condition
                    .holds(values.get(&place(edit)).map(String::as_str))
            };
            if !edits.iter().all(holds) {
                return Ok(false);
            }
            for edit in edits {
                match &edit.value {
                    Some(value) => values.insert(place(edit), value.clone()),
                    None => values.remove(&place(edit)),
                };
            }
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
            let Some(tenant) = self.tenant(tenant) else {
                return Ok(Vec::new());
            };
            let tenant = shared_in_turn(&tenant).await;
            tenant.check_complete()?;
            let start = if after < prefix {
                Bound::Included((collection.to_owned(), prefix.to_owned()))
            } else {
                Bound::Excluded((collection.to_owned(), after.to_owned()))
            };
            let found = tenant.key_values.range((start, Bound::Unbounded));
            let found =
                found.take_while(|((of, key), _)| of == collection && key.starts_with(prefix));
            let shown = |((_, key), value): (&(String, String), &String)| KeyValue {
                key: key.clone(),
                value: value.clone(),
            };
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            Ok(found.take(limit).map(shown).collect())
        })
    }

    fn key_values_of<'a>(
        &'a self,
        tenant: &'a TenantId,
        collection: &'a str,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<String>>, StoreError>> {
        Box::pin(async move {
            let Some(tenant) = self.tenant(tenant) else {
                return Ok(vec![None; keys.len()]);
            };
            let tenant = shared_in_turn(&tenant).await;
            tenant.check_complete()?;
            let value = |key: &String| {
                let place = (collection.to_owned(), key.clone());
                tenant.key_values.get(&place).cloned()
            };
            Ok(keys.iter().map(value).collect())
        })
    }
}
