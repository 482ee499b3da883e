//! Finds the users that operators name, and the names of those that a journal has.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use scimkit_registry::{Operator, Predicate, ResourceId, Scalar};
use scimkit_store::{
    JournalSubject, Query, ReadOptions, RequestContext, Store, StoreError, StoredResource,
};
use serde_json::Value;

use crate::events::Event;

/// Returns the user with that id, user name, external id or email address, in this order; none if there is none.
///
/// Attributes that the schema of the settings does not have are skipped.
///
/// # Errors
/// - [`StoreError::Invalid`]: several users have that external id or email address
/// - a [failure](StoreError::is_failure) of the store
pub async fn find_person(
    store: &dyn Store,
    context: &RequestContext,
    text: &str,
) -> Result<Option<StoredResource>, StoreError> {
    let registry = &context.settings.registry;
    let Some(user) = registry.resource_type("User") else {
        return Ok(None);
    };
    let id = ResourceId::from(text);
    match store
        .read(context, user, &id, &ReadOptions::default())
        .await
    {
        Err(StoreError::NotFound) => {}
        found => return found.map(Some),
    }
    for path in ["userName", "externalId", "emails.value"] {
        let Some(attr) = user.attribute_id(path) else {
            continue;
        };
        let predicate = Predicate::Compare {
            attr,
            op: Operator::Equal,
            value: Scalar::text(user.attr(attr), text),
        };
        let mut query = Query::new(Arc::clone(user)).with_predicate(predicate);
        query.count = 2;
        let mut found = store.query(context, &query).await?.items;
        if found.len() > 1 {
            let detail = format!("several users have the `{path}` `{text}`: use the id of one");
            return Err(StoreError::Invalid { detail });
        }
        if let Some(found) = found.pop() {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Returns the user names of the users and the display names of the groups that events are about, as far as they still
/// exist.
///
/// # Errors
/// A [failure](StoreError::is_failure) of the store.
pub async fn subject_names(
    store: &dyn Store,
    context: &RequestContext,
    events: &[Event],
) -> Result<BTreeMap<ResourceId, String>, StoreError> {
    let mut names = BTreeMap::new();
    let mut missing = BTreeSet::new();
    for entry in events.iter().filter_map(Event::entry) {
        let JournalSubject::Resource { id, kind } = &entry.subject else {
            continue;
        };
        let Some(kind) = context.settings.registry.resource_type(kind) else {
            continue;
        };
        if names.contains_key(id) || missing.contains(id) {
            continue;
        }
        let stored = match store.read(context, kind, id, &ReadOptions::default()).await {
            Ok(stored) => name(&stored),
            Err(StoreError::NotFound) => None,
            Err(error) => return Err(error),
        };
        match stored {
            Some(name) => drop(names.insert(id.clone(), name)),
            None => drop(missing.insert(id.clone())),
        }
    }
    Ok(names)
}

fn name(stored: &StoredResource) -> Option<String> {
    let document: Value = serde_json::from_slice(stored.document.text()).ok()?;
    let name = document.get("userName").or(document.get("displayName"))?;
    name.as_str().map(str::to_owned)
}
