//! The directory of staged delivery over each store.

use std::sync::Arc;

use scimkit_mapping::{Mapping, MappingBuilder, Record};
use scimkit_provision::sync::{
    Difference, Directory as _, DirectoryChange, DirectoryError, DirectoryUser, StepId,
    StoreDirectory,
};
use scimkit_registry::{Change, Registry, ResourceId, Tolerance};
use scimkit_sqlite::SqliteStore;
use scimkit_store::{
    MemoryStore, RequestContext, Settings, Store, StoreExt as _, TenantId, chrono::DateTime,
};
use scimkit_tables::{RusqliteDriver, TableStore};
use serde_json::{Value, json};

/// The people and teams of a product, in tables or not.
const MAPPING: &str = r#"
[[User.map]]
scim = "userName"
field = "email"
matching = true

[[User.map]]
scim = "title"
field = "job"
default = "Guide"

[[User.map]]
scim = "active"
field = "left_at"
transform = [{ since = { value = false } }]

[[Group.map]]
scim = "displayName"
field = "name"
"#;

const INTEGER_TABLES: &str = r#"
[User.table]
name = "person"
id = { column = "id", type = "integer" }

[Group.table]
name = "team"
id = { column = "id", type = "integer" }
members = { table = "team_member", group = "team", user = "person" }
"#;

const TEXT_TABLES: &str = r#"
[User.table]
name = "person"

[Group.table]
name = "team"
members = { table = "team_member", group = "team", user = "person" }
"#;

fn settings() -> Settings {
    Settings::new("https://product.example")
}

fn context(settings: Settings) -> RequestContext {
    RequestContext::new(TenantId::default(), Arc::new(settings))
}

fn plain() -> MappingBuilder {
    Mapping::builder().text(MAPPING)
}

fn directory(store: Arc<dyn Store>) -> StoreDirectory {
    let settings = settings();
    let mapping = plain().build(&settings.registry).unwrap();
    StoreDirectory::new(store, context(settings), Arc::new(mapping))
}

/// A product whose tables have ids of a type.
async fn product(tables: &str, id: &str) -> StoreDirectory {
    let own = rusqlite::Connection::open_in_memory().unwrap();
    let sql = format!(
        "CREATE TABLE person (id {id} PRIMARY KEY, email TEXT NOT NULL UNIQUE, job TEXT, left_at TEXT);
         CREATE TABLE team (id {id} PRIMARY KEY, name TEXT NOT NULL);
         CREATE TABLE team_member (team {id} NOT NULL, person {id} NOT NULL, PRIMARY KEY (team, person));"
    );
    own.execute_batch(&sql).unwrap();
    let driver = RusqliteDriver::with_connection(own).unwrap();
    let builder = TableStore::builder(driver, plain().text(tables));
    let (store, settings) = builder.open(settings()).await.unwrap();
    let mapping = store.mapping();
    StoreDirectory::new(store, context(settings), mapping)
}

async fn directories() -> [(&'static str, StoreDirectory); 4] {
    let sqlite = SqliteStore::in_memory().unwrap();
    [
        ("memory", directory(Arc::new(MemoryStore::new()))),
        ("sqlite", directory(Arc::new(sqlite))),
        ("table with text ids", product(TEXT_TABLES, "TEXT").await),
        (
            "table with integer ids",
            product(INTEGER_TABLES, "INTEGER").await,
        ),
    ]
}

fn record(fields: Value) -> Record {
    match fields {
        Value::Object(fields) => fields,
        other => panic!("{other}"),
    }
}

fn difference(field: &str, after: Value) -> Difference {
    let mut text = record(json!({"field": field, "before": null}));
    text.insert("after".to_owned(), after);
    serde_json::from_value(Value::Object(text)).unwrap()
}

async fn create(directory: &StoreDirectory, step: &str, fields: Value) -> ResourceId {
    let change = DirectoryChange::CreateUser(record(fields));
    let created = directory.apply(&StepId::new(step), &change).await;
    created.unwrap().unwrap()
}

async fn apply(directory: &StoreDirectory, change: DirectoryChange) {
    let applied = directory.apply(&StepId::new("5"), &change).await;
    assert_eq!(applied.unwrap(), None, "{change:?}");
}

async fn only_user(directory: &StoreDirectory) -> DirectoryUser {
    let mut users = directory.users(None, 10).await.unwrap();
    assert_eq!(users.len(), 1);
    users.pop().unwrap()
}

fn rejection(result: Result<Option<ResourceId>, DirectoryError>) -> String {
    match result {
        Err(DirectoryError::Rejected(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn user_is_created_changed_archived_restored_and_removed() {
    for (name, directory) in directories().await {
        let id = create(&directory, "1", json!({"email": "babs@example.com"})).await;
        let user = only_user(&directory).await;
        assert_eq!(user.id, id, "{name}");
        assert!(!user.is_archived, "{name}");
        // The application's mapping has a default.
        let fields = json!({"email": "babs@example.com", "job": "Guide"});
        assert_eq!(user.fields, record(fields), "{name}");

        let differences = vec![difference("job", json!("Chef"))];
        let update = DirectoryChange::UpdateUser {
            id: id.clone(),
            differences,
        };
        apply(&directory, update.clone()).await;
        apply(&directory, update).await;
        apply(&directory, DirectoryChange::ArchiveUser(id.clone())).await;
        apply(&directory, DirectoryChange::ArchiveUser(id.clone())).await;
        let user = only_user(&directory).await;
        assert!(user.is_archived, "{name}");
        assert_eq!(user.fields["job"], "Chef", "{name}");

        let restore = DirectoryChange::RestoreUser {
            id: id.clone(),
            differences: vec![difference("email", json!("b@example.com"))],
        };
        apply(&directory, restore).await;
        let user = only_user(&directory).await;
        let fields = json!({"email": "b@example.com", "job": "Chef"});
        assert_eq!(
            (user.is_archived, user.fields),
            (false, record(fields)),
            "{name}"
        );
        assert_eq!(user.id, id, "{name}");

        apply(&directory, DirectoryChange::RemoveUser(id.clone())).await;
        apply(&directory, DirectoryChange::RemoveUser(id.clone())).await;
        assert_eq!(directory.users(None, 10).await.unwrap(), [], "{name}");
        let gone = DirectoryChange::ArchiveUser(id);
        let gone = directory.apply(&StepId::new("9"), &gone).await;
        assert_eq!(rejection(gone), "there is no such resource", "{name}");
    }
}

#[tokio::test]
async fn repeated_create_finds_what_the_first_attempt_created() {
    for (name, directory) in directories().await {
        let fields = json!({"email": "babs@example.com", "job": "Chef"});
        let id = create(&directory, "a1", fields.clone()).await;
        let again = DirectoryChange::CreateUser(record(fields));
        let step = StepId::new("a1").repeated();
        let found = directory.apply(&step, &again).await.unwrap();
        assert_eq!(found, Some(id), "{name}");

        let team = DirectoryChange::CreateGroup(record(json!({"name": "Sales"})));
        let id = directory.apply(&StepId::new("a2"), &team).await.unwrap();
        let step = StepId::new("a2").repeated();
        assert_eq!(directory.apply(&step, &team).await.unwrap(), id, "{name}");
        let teams = directory.groups(None, 10).await.unwrap();
        assert_eq!(teams.len(), 1, "{name}");
    }
}

#[tokio::test]
async fn repeated_create_takes_nobody_elses_user() {
    for (name, directory) in directories().await {
        create(
            &directory,
            "b1",
            json!({"email": "babs@example.com", "job": "Owner"}),
        )
        .await;
        let other = json!({"email": "babs@example.com", "job": "Chef"});
        let other = DirectoryChange::CreateUser(record(other));
        let step = StepId::new("b2").repeated();
        let reason = rejection(directory.apply(&step, &other).await);
        assert_eq!(
            reason, "another resource has that value of `userName`",
            "{name}"
        );
    }
}

#[tokio::test]
async fn incomplete_user_is_rejected() {
    for (name, directory) in directories().await {
        let nameless = DirectoryChange::CreateUser(record(json!({"job": "Chef"})));
        let reason = rejection(directory.apply(&StepId::new("1"), &nameless).await);
        assert_eq!(reason, "`userName` is required but missing", "{name}");

        let id = create(&directory, "2", json!({"email": "babs@example.com"})).await;
        let cleared = DirectoryChange::UpdateUser {
            id,
            differences: vec![difference("email", Value::Null)],
        };
        let reason = rejection(directory.apply(&StepId::new("3"), &cleared).await);
        assert_eq!(reason, "`userName` is required but missing", "{name}");
    }
}

#[tokio::test]
async fn members_come_and_go_without_those_that_are_gone() {
    for (name, directory) in directories().await {
        let team = DirectoryChange::CreateGroup(record(json!({"name": "Sales"})));
        let team = directory.apply(&StepId::new("a0"), &team).await;
        let group = team.unwrap().unwrap();
        let mut people = Vec::new();
        for number in 1..=3 {
            let email = format!("user-{number}@example.com");
            let step = format!("a{number}");
            people.push(create(&directory, &step, json!({ "email": email })).await);
        }
        let gone = people.pop().unwrap();
        apply(&directory, DirectoryChange::RemoveUser(gone.clone())).await;
        let mut added = people.clone();
        added.push(gone);
        let change = DirectoryChange::ChangeMembers {
            group: group.clone(),
            added,
            removed: Vec::new(),
        };
        apply(&directory, change).await;
        let found = directory.groups(None, 10).await.unwrap();
        people.sort();
        assert_eq!(found[0].members, people, "{name}");

        let change = DirectoryChange::ChangeMembers {
            group: group.clone(),
            added: vec![people[0].clone()],
            removed: vec![people[1].clone()],
        };
        apply(&directory, change).await;
        let renamed = DirectoryChange::UpdateGroup {
            id: group.clone(),
            differences: vec![difference("name", json!("Sellers"))],
        };
        apply(&directory, renamed).await;
        let found = directory.groups(None, 10).await.unwrap();
        assert_eq!(found[0].members, [people[0].clone()], "{name}");
        assert_eq!(
            found[0].fields,
            record(json!({"name": "Sellers"})),
            "{name}"
        );
        apply(&directory, DirectoryChange::RemoveGroup(group.clone())).await;
        apply(&directory, DirectoryChange::RemoveGroup(group)).await;
        assert_eq!(directory.groups(None, 10).await.unwrap(), [], "{name}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_in_the_order_of_ids() {
    for (name, directory) in directories().await {
        for number in 0..12 {
            let email = format!("user-{number}@example.com");
            create(
                &directory,
                &format!("{number:02}"),
                json!({ "email": email }),
            )
            .await;
        }
        let all = directory.users(None, 100).await.unwrap();
        assert_eq!(all.len(), 12, "{name}");
        let mut pages: Vec<DirectoryUser> = Vec::new();
        loop {
            let after = pages.last().map(|last| last.id.clone());
            let page = directory.users(after.as_ref(), 5).await.unwrap();
            if page.is_empty() {
                break;
            }
            pages.extend(page);
        }
        assert_eq!(pages, all, "{name}");
    }
}

#[tokio::test]
async fn protected_users_are_those_of_the_rule() {
    let directory = directory(Arc::new(MemoryStore::new()))
        .with_protected(|user| user.fields.get("job") == Some(&json!("Owner")))
        .with_capacity(7);
    create(
        &directory,
        "1",
        json!({"email": "a@example.com", "job": "Owner"}),
    )
    .await;
    create(&directory, "2", json!({"email": "b@example.com"})).await;
    let mut users = directory.users(None, 10).await.unwrap();
    users.sort_by_key(|user| user.fields["email"].to_string());
    let protected: Vec<_> = users.iter().map(|user| user.is_protected).collect();
    assert_eq!(protected, [true, false]);
    assert_eq!(directory.capacity().await, Ok(Some(7)));
}

#[tokio::test]
async fn value_that_can_not_be_converted_is_none() {
    let registry = Registry::standard();
    let text = "[[User.map]]\nscim = 'userName'\nfield = 'email'\n[[User.map]]\nscim = 'title'\nfield = 'rank'\ntransform = [{ values = { Chef = '1' } }]";
    let mapping = Mapping::builder().text(text).build(&registry).unwrap();
    let store = Arc::new(MemoryStore::new());
    let context = context(settings());
    let kind = context.settings.registry.resource_type("User").unwrap();
    for (number, title) in [("1", "Chef"), ("2", "Owner")] {
        let user = json!({"userName": format!("{number}@example.com"), "title": title});
        let user = kind.admit(user, &Tolerance::DEFAULT).unwrap();
        let change = Change::create(Arc::clone(kind), user);
        let created = store.create(&context, DateTime::UNIX_EPOCH, number.into(), change);
        created.await.unwrap();
    }
    let directory = StoreDirectory::new(store, context.clone(), Arc::new(mapping));
    let users = directory.users(None, 10).await.unwrap();
    let fields: Vec<_> = users.into_iter().map(|user| user.fields).collect();
    let expected = [
        record(json!({"email": "1@example.com", "rank": "1"})),
        record(json!({"email": "2@example.com"})),
    ];
    assert_eq!(fields, expected);
}
