//! Identifiers and tenants, in the forms that applications have.

use std::sync::Arc;

use chrono::DateTime;
use rusqlite::Connection;
use scimkit_mapping::Mapping;
use scimkit_registry::{Change, ResourceId, ResourceType, Tolerance};
use scimkit_store::{
    Query, ReadOptions, RequestContext, Settings, Store as _, StoreError, StoreExt as _, TenantId,
};
use scimkit_tables::{RusqliteDriver, TableStore};
use serde_json::json;

use crate::{
    layouts::{INTEGER, TEXT},
    support::wait,
};

fn scope(tenant: TenantId) -> RequestContext {
    RequestContext::new(
        tenant,
        Arc::new(Settings::new("https://app.example/scim/v2")),
    )
}

fn create(
    store: &TableStore<RusqliteDriver>,
    scope: &RequestContext,
    (kind, id): (&str, &str),
) -> Result<ResourceId, StoreError> {
    let kind = scope.settings.registry.resource_type(kind).unwrap();
    let body = json!({"userName": "ada", "displayName": "Ada"});
    let body = kind.admit(body, &Tolerance::DEFAULT).unwrap();
    let change = Change::create(Arc::clone(kind), body);
    let at = DateTime::UNIX_EPOCH;
    let made = wait(store.create(scope, at, ResourceId::from(id), change));
    made.map(|written| written.stored.unwrap().id)
}

fn exists(
    store: &TableStore<RusqliteDriver>,
    scope: &RequestContext,
    kind: &Arc<ResourceType>,
    id: &str,
) -> bool {
    let (id, want) = (ResourceId::from(id), ReadOptions::document());
    match wait(store.read(scope, kind, &id, &want)) {
        Ok(stored) => stored.id == id,
        Err(StoreError::NotFound) => false,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn integers_have_a_prefix_and_one_spelling() {
    let store = INTEGER.in_memory();
    let scope = scope(TenantId::from("acme"));
    let kind = |name| Arc::clone(scope.settings.registry.resource_type(name).unwrap());
    let (user, group) = (kind("User"), kind("Group"));
    // The first user is another tenant's.
    assert_eq!(create(&store, &scope, ("User", "x")).unwrap().as_str(), "2");
    assert_eq!(
        create(&store, &scope, ("Group", "x")).unwrap().as_str(),
        "group-1"
    );
    assert!(exists(&store, &scope, &user, "2"));
    assert!(exists(&store, &scope, &group, "group-1"));
    for id in [
        "1",
        "02",
        "+2",
        "2 ",
        "group-1",
        "x",
        "99999999999999999999",
        "",
    ] {
        assert!(!exists(&store, &scope, &user, id), "{id}");
    }
    for id in ["1", "2", "group-", "group-01"] {
        assert!(!exists(&store, &scope, &group, id), "{id}");
    }
}

#[test]
fn uuids_are_those_of_the_server() {
    let connection = Connection::open_in_memory().unwrap();
    let table = "CREATE TABLE users (id TEXT PRIMARY KEY, login TEXT)";
    connection.execute_batch(table).unwrap();
    let mapping = "[User.table]\nname = 'users'\nid = { type = 'uuid' }\n
        [[User.map]]\nscim = 'userName'\nfield = 'login'";
    let scope = scope(TenantId::default());
    let driver = RusqliteDriver::with_connection(connection).unwrap();
    let store = TableStore::builder(driver, Mapping::builder().text(mapping));
    let store = store.build(&scope.settings.registry).unwrap();
    wait(store.migrate()).unwrap();
    let id = "0191f0a0-7c1e-7d3a-9c55-0242ac120002";
    assert!(matches!(
        create(&store, &scope, ("User", "u1")),
        Err(StoreError::Invalid { .. })
    ));
    assert_eq!(create(&store, &scope, ("User", id)).unwrap().as_str(), id);
    let user = Arc::clone(scope.settings.registry.resource_type("User").unwrap());
    assert!(exists(&store, &scope, &user, id));
    let upper = id.to_uppercase();
    for id in [upper.as_str(), "u1", "0191f0a07c1e7d3a9c550242ac120002"] {
        assert!(!exists(&store, &scope, &user, id), "{id}");
    }
}

#[test]
fn table_without_tenants_has_one() {
    let store = TEXT.in_memory();
    let own = scope(TenantId::default());
    create(&store, &own, ("User", "u1")).unwrap();
    let other = scope(TenantId::from("other"));
    let user = Arc::clone(other.settings.registry.resource_type("User").unwrap());
    assert!(exists(&store, &own, &user, "u1"));
    assert!(!exists(&store, &other, &user, "u1"));
    let page = wait(store.query(&other, &Query::new(user))).unwrap();
    assert_eq!((page.items.len(), page.total), (0, Some(0)));
    let refused = create(&store, &other, ("User", "u2"));
    assert!(
        matches!(refused, Err(StoreError::Unsupported { .. })),
        "{refused:?}"
    );
}
