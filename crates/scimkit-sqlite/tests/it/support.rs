//! Short names for the tests.

use std::{path::PathBuf, sync::Arc};

use chrono::{DateTime, Utc};
use scimkit_filter::Filter;
use scimkit_registry::{Change, Edge, EdgeEdit, Registry, ResourceId, ResourceType, Tolerance};
use scimkit_sqlite::SqliteStore;
use scimkit_store::{
    Batch, BoxFuture, ExpectedVersion, Query, RequestContext, Settings, Store, StoreError,
    StoreExt, TenantId, WriteOp, Written,
};
use scimkit_testkit::contract;
use serde_json::Value;
use tempfile::TempDir;

/// Drives a future on this thread.
pub(crate) fn wait<'f, T: Send + 'f>(future: impl Future<Output = T> + Send + 'f) -> T {
    let mut answer = None;
    let slot = &mut answer;
    let future: BoxFuture<'_, ()> = Box::pin(async move { *slot = Some(future.await) });
    contract::block_on(future);
    answer.unwrap()
}

/// Returns a file that is deleted after the test.
pub(crate) fn file() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("scim.db");
    (directory, path)
}

pub(crate) fn second(n: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + n, 0).unwrap()
}

pub(crate) fn standard() -> RequestContext {
    context(Registry::standard())
}

pub(crate) fn context(registry: Registry) -> RequestContext {
    let mut settings = Settings::new("https://sqlite.test/v2");
    settings.registry = Arc::new(registry);
    RequestContext::new(TenantId::default(), Arc::new(settings))
}

pub(crate) fn kind(context: &RequestContext, name: &str) -> Arc<ResourceType> {
    Arc::clone(context.settings.registry.resource_type(name).unwrap())
}

pub(crate) fn create(
    store: &SqliteStore,
    context: &RequestContext,
    (name, id): (&str, &str),
    body: Value,
) -> Result<Written, StoreError> {
    let kind = kind(context, name);
    let body = kind.admit(body, &Tolerance::DEFAULT).unwrap();
    let change = Change::create(kind, body);
    wait(store.create(context, second(0), ResourceId::from(id), change))
}

/// Returns the creation of a user with its id as its name.
pub(crate) fn creation(context: &RequestContext, id: &str) -> Batch {
    let kind = kind(context, "User");
    let body = serde_json::json!({"userName": id});
    let body = kind.admit(body, &Tolerance::DEFAULT).unwrap();
    let create = WriteOp::Create {
        change: Change::create(kind, body),
        existing_match: None,
        id: ResourceId::from(id),
    };
    Batch::new(second(0), vec![create])
}

/// Sets one attribute.
pub(crate) fn set(
    store: &SqliteStore,
    context: &RequestContext,
    (name, id): (&str, &str),
    (path, value): (&str, Value),
) -> Result<Written, StoreError> {
    let kind = kind(context, name);
    let attr = kind.attribute_id(path).unwrap();
    let mut change = Change::empty(kind);
    change.difference(attr, Some(&Value::Null), Some(value));
    wait(store.update(
        context,
        second(1),
        ResourceId::from(id),
        change,
        ExpectedVersion::Any,
    ))
}

pub(crate) fn add_member(
    store: &SqliteStore,
    context: &RequestContext,
    group: &str,
    member: &str,
) -> Result<Written, StoreError> {
    let kind = kind(context, "Group");
    let attr = kind.attribute_id("members").unwrap();
    let mut change = Change::empty(kind);
    let add = vec![Edge::to(member)];
    change.edit_edges(
        attr,
        EdgeEdit::Delta {
            add,
            remove: Vec::new(),
        },
    );
    wait(store.update(
        context,
        second(1),
        ResourceId::from(group),
        change,
        ExpectedVersion::Any,
    ))
}

pub(crate) fn delete(
    store: &SqliteStore,
    context: &RequestContext,
    (name, id): (&str, &str),
) -> Result<Written, StoreError> {
    let which = (kind(context, name), ResourceId::from(id));
    wait(store.delete(context, second(2), which, ExpectedVersion::Any))
}

/// Returns the ids of the resources that a filter selects.
pub(crate) fn select(
    store: &SqliteStore,
    context: &RequestContext,
    name: &str,
    filter: &str,
) -> Result<Vec<String>, StoreError> {
    let kind = kind(context, name);
    let filter = Filter::parse(filter).unwrap();
    let predicate = kind.bind_filter(&filter, &Tolerance::DEFAULT).unwrap();
    let query = Query::new(kind)
        .with_predicate(predicate)
        .with_page(0, u32::MAX);
    let page = wait(store.query(context, &query))?;
    assert_eq!(page.total, Some(page.items.len() as u64));
    Ok(page
        .items
        .into_iter()
        .map(|stored| stored.id.to_string())
        .collect())
}
