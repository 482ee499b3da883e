//! Changes that the application makes next to SCIM.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use rusqlite::Connection;
use scimkit_filter::Filter;
use scimkit_mapping::Mapping;
use scimkit_registry::{Change, Edge, EdgeEdit, ResourceId, ResourceType, Tolerance};
use scimkit_sql::{
    Dialect,
    tables::{RowOwner, RowTable},
};
use scimkit_store::{
    ExpectedVersion, Query, ReadOptions, RequestContext, Settings, Store, StoreError,
    StoreExt as _, StoredResource, TenantId,
};
use scimkit_tables::{FindingKind, RusqliteDriver, TableStore};
use serde_json::{Value, json};

use crate::{layouts::TEXT, support::wait};

/// A store, the application's connection, and a scope in which to ask the store.
struct World {
    _folder: tempfile::TempDir,
    group: Arc<ResourceType>,
    own: Connection,
    scope: RequestContext,
    store: TableStore<RusqliteDriver>,
    user: Arc<ResourceType>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, own) = TEXT.in_file(&folder.path().join("app.sqlite"));
        let settings = Arc::new(Settings::new("https://app.example/scim/v2"));
        let kind = |name| Arc::clone(settings.registry.resource_type(name).unwrap());
        World {
            _folder: folder,
            group: kind("Group"),
            own,
            scope: RequestContext::new(TenantId::default(), Arc::clone(&settings)),
            store,
            user: kind("User"),
        }
    }

    fn change(&self, kind: &Arc<ResourceType>, body: Value) -> Change {
        Change::create(
            Arc::clone(kind),
            kind.admit(body, &Tolerance::DEFAULT).unwrap(),
        )
    }

    fn create(&self, kind: &Arc<ResourceType>, id: &str, body: Value) -> StoredResource {
        let change = self.change(kind, body);
        let made = wait(
            self.store
                .create(&self.scope, at(), ResourceId::from(id), change),
        );
        made.unwrap().stored.unwrap()
    }

    fn read(&self, kind: &Arc<ResourceType>, id: &str) -> Result<StoredResource, StoreError> {
        let members = kind.attribute_id("members").into_iter().collect::<Vec<_>>();
        let want = ReadOptions::edges(members);
        wait(
            self.store
                .read(&self.scope, kind, &ResourceId::from(id), &want),
        )
    }

    fn members(&self, id: &str) -> Vec<(String, Option<String>)> {
        let stored = self.read(&self.group, id).unwrap();
        let edges = stored.edges.into_iter().flat_map(|list| list.edges);
        let name = |kind: Option<Arc<str>>| kind.map(|kind| kind.to_string());
        edges
            .map(|edge| (edge.id.to_string(), name(edge.kind)))
            .collect()
    }

    fn change_members(&self, id: &str, add: &[&str], remove: &[&str]) {
        let mut change = Change::empty(Arc::clone(&self.group));
        let members = self.group.attribute_id("members").unwrap();
        let add = add.iter().map(|id| Edge::to(*id)).collect();
        let remove = remove.iter().map(|id| ResourceId::from(*id)).collect();
        change.edit_edges(members, EdgeEdit::Delta { add, remove });
        let (id, any) = (ResourceId::from(id), ExpectedVersion::Any);
        wait(self.store.update(&self.scope, at(), id, change, any)).unwrap();
    }

    fn find(&self, filter: &str) -> Vec<String> {
        let filter = Filter::parse(filter).unwrap();
        let predicate = self.user.bind_filter(&filter, &Tolerance::DEFAULT).unwrap();
        let query = Query::new(Arc::clone(&self.user)).with_predicate(predicate);
        let page = wait(self.store.query(&self.scope, &query)).unwrap();
        assert_eq!(page.total, Some(page.items.len() as u64));
        page.items
            .iter()
            .map(|stored| stored.id.to_string())
            .collect()
    }
}

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap()
}

fn tree(stored: &StoredResource) -> Value {
    Value::Object(stored.document.tree().unwrap().as_map().clone())
}

#[test]
fn foreign_update_is_seen_with_another_version() {
    let world = World::new();
    let body = json!({"userName": "Ada", "title": "Dr", "nickName": "Countess", "externalId": "7"});
    let made = world.create(&world.user, "u1", body);
    let first = world.read(&world.user, "u1").unwrap();
    assert_eq!(
        (first.version.as_str(), &first.version),
        ("1", &made.version)
    );
    let update = "UPDATE users SET job_title = ?1 WHERE id = 'u1'";
    world.own.execute(update, ["Prof"]).unwrap();
    let second = world.read(&world.user, "u1").unwrap();
    assert!(
        second.version.as_str().starts_with("1."),
        "{}",
        second.version
    );
    let document = tree(&second);
    assert_eq!(
        (&document["title"], &document["nickName"]),
        (&json!("Prof"), &json!("Countess"))
    );
    assert_eq!(world.find(r#"title eq "prof""#), ["u1"]);
    assert_eq!(world.find(r#"title eq "Dr" or externalId eq "8""#), [""; 0]);
    assert_eq!(
        world.find(r#"externalId eq "7" and title eq "Prof""#),
        ["u1"]
    );
    // A write that expects the version from before is refused, and one that expects the new one is not.
    let change = || {
        let mut change = Change::empty(Arc::clone(&world.user));
        let title = world.user.attribute_id("displayName").unwrap();
        change.difference(title, None, Some(json!("Ada L.")));
        change
    };
    let id = ResourceId::from("u1");
    let write = |expect| {
        wait(
            world
                .store
                .update(&world.scope, at(), id.clone(), change(), expect),
        )
    };
    let refused = write(ExpectedVersion::OneOf(vec![first.version]));
    assert!(
        matches!(refused, Err(StoreError::VersionMismatch { actual }) if actual == second.version)
    );
    let written = write(ExpectedVersion::OneOf(vec![second.version])).unwrap();
    assert_eq!(written.version.unwrap().as_str(), "2");
    let third = world.read(&world.user, "u1").unwrap();
    assert_eq!(
        (third.version.as_str(), &tree(&third)["title"]),
        ("2", &json!("Prof"))
    );
    // Undone, it is the version from before again.
    world.own.execute(update, ["Dr"]).unwrap();
    assert_ne!(world.read(&world.user, "u1").unwrap().version.as_str(), "2");
    world.own.execute(update, ["Prof"]).unwrap();
    assert_eq!(world.read(&world.user, "u1").unwrap().version.as_str(), "2");
}

#[test]
fn row_of_the_application_is_listed_changed_and_deleted() {
    let world = World::new();
    let insert =
        "INSERT INTO users (id, login, login_key, plan) VALUES ('p-1', 'Babs', 'babs', 'gold')";
    world.own.execute(insert, []).unwrap();
    assert_eq!(world.find(r#"userName eq "BABS""#), ["p-1"]);
    let found = world.read(&world.user, "p-1").unwrap();
    assert!(
        found.version.as_str().starts_with("0."),
        "{}",
        found.version
    );
    assert_eq!(tree(&found)["userName"], "Babs");
    // As responses show it: a client that asks for later changes does not get the row again.
    let shown = found
        .last_modified
        .to_rfc3339_opts(SecondsFormat::Millis, true);
    let later = format!(r#"meta.lastModified gt "{shown}""#);
    assert_eq!(world.find(&later), [""; 0]);
    let taken = world.change(&world.user, json!({"userName": "bABS"}));
    let taken = wait(world.store.create(&world.scope, at(), "u2".into(), taken));
    assert!(matches!(taken, Err(StoreError::Duplicate { attr }) if attr == "userName"));
    let mut change = Change::empty(Arc::clone(&world.user));
    let title = world.user.attribute_id("title").unwrap();
    change.difference(title, None, Some(json!("Dr")));
    let id = ResourceId::from("p-1");
    wait(
        world
            .store
            .update(&world.scope, at(), id.clone(), change, ExpectedVersion::Any),
    )
    .unwrap();
    let row = "SELECT login || ' ' || job_title || ' ' || plan FROM users";
    let row = || world.own.query_row(row, [], |row| row.get::<_, String>(0));
    assert_eq!(row().unwrap(), "Babs Dr gold");
    let user = Arc::clone(&world.user);
    wait(
        world
            .store
            .delete(&world.scope, at(), (user, id), ExpectedVersion::Any),
    )
    .unwrap();
    assert!(row().is_err());
}

#[test]
fn row_that_vanished_is_not_found() {
    let world = World::new();
    world.create(&world.user, "u1", json!({"userName": "ada"}));
    world.own.execute("DELETE FROM users", []).unwrap();
    assert!(matches!(
        world.read(&world.user, "u1"),
        Err(StoreError::NotFound)
    ));
    assert_eq!(world.find("userName pr"), [""; 0]);
    // The same id and login are free again.
    let again = world.create(&world.user, "u1", json!({"userName": "ada"}));
    assert_eq!(again.version.as_str(), "2");
}

#[test]
fn constraint_of_the_application_rejects_one_write() {
    let world = World::new();
    let trigger = "CREATE TRIGGER no_root BEFORE INSERT ON users WHEN NEW.login = 'root'
        BEGIN SELECT RAISE(ABORT, 'no root'); END";
    world.own.execute_batch(trigger).unwrap();
    let root = world.change(&world.user, json!({"userName": "root"}));
    let refused = wait(world.store.create(&world.scope, at(), "u1".into(), root));
    assert!(
        matches!(refused, Err(StoreError::Invalid { .. })),
        "{refused:?}"
    );
    world.create(&world.user, "u1", json!({"userName": "ada"}));
    // The index of the application sees what the schema does not compare.
    world
        .own
        .execute_batch("CREATE UNIQUE INDEX one_title ON users (job_title)")
        .unwrap();
    world.create(&world.user, "u2", json!({"userName": "bo", "title": "CEO"}));
    let second = world.change(&world.user, json!({"userName": "cy", "title": "CEO"}));
    let refused = wait(world.store.create(&world.scope, at(), "u3".into(), second));
    assert!(matches!(refused, Err(StoreError::Duplicate { attr }) if attr == "title"));
}

#[test]
fn memberships_are_rows_of_the_application() {
    let world = World::new();
    for name in ["u1", "u2", "u3"] {
        world.create(&world.user, name, json!({"userName": name}));
    }
    world.create(&world.group, "g1", json!({"displayName": "Staff"}));
    world.create(&world.group, "g2", json!({"displayName": "Crew"}));
    world.change_members("g1", &["u1", "u2", "g2"], &[]);
    let rows = || {
        let rows = "SELECT coalesce(group_concat(team || member, ' '), '') FROM
            (SELECT * FROM memberships ORDER BY team, member)";
        world
            .own
            .query_row(rows, [], |row| row.get::<_, String>(0))
            .unwrap()
    };
    // A group in a group has no row in that table.
    assert_eq!(rows(), "g1u1 g1u2");
    let member = |id: &str, kind: &str| (id.to_owned(), Some(kind.to_owned()));
    let all = [
        member("g2", "Group"),
        member("u1", "User"),
        member("u2", "User"),
    ];
    assert_eq!(world.members("g1"), all);
    // The application adds one and removes one.
    world
        .own
        .execute("INSERT INTO memberships VALUES ('g1', 'u3')", [])
        .unwrap();
    world
        .own
        .execute("DELETE FROM memberships WHERE member = 'u1'", [])
        .unwrap();
    let now = [
        member("g2", "Group"),
        member("u2", "User"),
        member("u3", "User"),
    ];
    assert_eq!(world.members("g1"), now);
    assert_eq!(world.find(r#"groups.value eq "g1""#), ["u2", "u3"]);
    // To remove a member that the application added is a change like any other.
    world.change_members("g1", &["u1"], &["u3", "g2"]);
    assert_eq!(rows(), "g1u1 g1u2");
    assert_eq!(
        world.members("g1"),
        [member("u1", "User"), member("u2", "User")]
    );
    // A user that vanished is in no group, whatever the table of memberships says.
    world
        .own
        .pragma_update(None, "foreign_keys", false)
        .unwrap();
    world
        .own
        .execute("DELETE FROM users WHERE id = 'u2'", [])
        .unwrap();
    assert_eq!(world.members("g1"), [member("u1", "User")]);
    // A user that is deleted leaves its groups, which get another version.
    let before = world.read(&world.group, "g1").unwrap().version;
    let user = (Arc::clone(&world.user), ResourceId::from("u1"));
    wait(
        world
            .store
            .delete(&world.scope, at(), user, ExpectedVersion::Any),
    )
    .unwrap();
    assert_eq!(world.members("g1"), []);
    assert_ne!(world.read(&world.group, "g1").unwrap().version, before);
    assert_eq!(rows(), "g1u2");
}

#[test]
fn values_are_rows_of_the_application() {
    let world = World::new();
    let body = json!({"userName": "ada", "emails": [
        {"value": "Ada@X.org", "type": "work", "primary": true},
        {"value": "ada@home.org", "type": "home"},
    ]});
    world.create(&world.user, "u1", body);
    let rows = || {
        let rows = "SELECT group_concat(id || ' ' || kind || ' ' || address || ' ' || address_key
            || ' ' || coalesce(is_primary, '-') || ' ' || coalesce(verified_at, '-'), '; ')
            FROM (SELECT * FROM user_emails ORDER BY id)";
        world
            .own
            .query_row(rows, [], |row| row.get::<_, Option<String>>(0))
            .unwrap()
            .unwrap_or_default()
    };
    assert_eq!(
        rows(),
        "1 work Ada@X.org ada@x.org 1 -; 2 home ada@home.org ada@home.org - -"
    );
    let verify = "UPDATE user_emails SET verified_at = 'today'";
    world.own.execute(verify, []).unwrap();
    // A column without a sub-attribute is no part of the resource.
    let first = world.read(&world.user, "u1").unwrap();
    assert_eq!(first.version.as_str(), "1");
    let emails = |stored: &StoredResource| tree(stored)["emails"].clone();
    // Only what changes is written: the address that stays is still verified, and the new one is not.
    let attr = world.user.attribute_id("emails").unwrap();
    let set = |list: Value| {
        let before = world.read(&world.user, "u1").unwrap();
        let mut change = Change::empty(Arc::clone(&world.user));
        change.difference(attr, Some(&emails(&before)), Some(list));
        let (id, any) = (ResourceId::from("u1"), ExpectedVersion::Any);
        wait(world.store.update(&world.scope, at(), id, change, any)).unwrap();
    };
    set(json!([
        {"value": "ada@new.org", "type": "work", "primary": true},
        {"value": "ada@home.org", "type": "private"},
    ]));
    assert_eq!(
        rows(),
        "2 private ada@home.org ada@home.org - today; 3 work ada@new.org ada@new.org 1 -"
    );
    // The application changes one, adds one, and another user has one.
    world.create(
        &world.user,
        "u2",
        json!({"userName": "bo", "emails": [{"value": "bo@x.org"}]}),
    );
    let second = world.read(&world.user, "u1").unwrap();
    world
        .own
        .execute_batch(
            "UPDATE user_emails SET address = 'ADA@old.org', address_key = 'ada@old.org' WHERE id = 3;
             INSERT INTO user_emails (user_id, kind, address, address_key)
             VALUES ('u1', 'work', 'ada@third.org', 'ada@third.org')",
        )
        .unwrap();
    let third = world.read(&world.user, "u1").unwrap();
    assert_ne!(third.version, second.version);
    assert_eq!(
        emails(&third),
        json!([
            {"primary": true, "type": "work", "value": "ADA@old.org"},
            {"type": "private", "value": "ada@home.org"},
            {"type": "work", "value": "ada@third.org"},
        ])
    );
    for (filter, found) in [
        (r#"emails.value eq "Ada@OLD.org""#, &["u1"][..]),
        (r#"emails.value sw "ada@t""#, &["u1"]),
        (
            r#"emails[type eq "work" and value eq "ada@third.org"]"#,
            &["u1"],
        ),
        (
            r#"emails[type eq "home" and value eq "ada@third.org"]"#,
            &[],
        ),
        (r#"emails.value ne "bo@x.org""#, &["u1"]),
        (r#"emails.primary eq true"#, &["u1"]),
        (r#"emails pr"#, &["u1", "u2"]),
        (r#"not (emails.value co "x.org")"#, &["u1"]),
    ] {
        assert_eq!(world.find(filter), found, "{filter}");
    }
    let user = (Arc::clone(&world.user), ResourceId::from("u1"));
    let deleted = world
        .store
        .delete(&world.scope, at(), user, ExpectedVersion::Any);
    wait(deleted).unwrap();
    assert_eq!(rows(), "");
    assert_eq!(world.find(r#"emails.value eq "bo@x.org""#), ["u2"]);
    let found = || {
        let report = wait(world.store.verify()).unwrap();
        let findings = report.findings().iter();
        let findings = findings.filter(|finding| finding.table == "user_emails");
        findings.map(|finding| finding.kind).collect::<Vec<_>>()
    };
    assert_eq!(found(), []);
    let drop = "DROP INDEX user_emails_by_user; ALTER TABLE user_emails DROP COLUMN label";
    world.own.execute_batch(drop).unwrap();
    assert_eq!(
        found(),
        [FindingKind::MissingColumn, FindingKind::MissingIndex]
    );
}

#[test]
fn lookups_of_values_use_their_index() {
    let world = World::new();
    let filter = Filter::parse(r#"emails.value eq "ada@x.org""#).unwrap();
    let predicate = world
        .user
        .bind_filter(&filter, &Tolerance::DEFAULT)
        .unwrap();
    let mapping = world.store.mapping();
    let table = RowTable::new(mapping.for_type("User").unwrap(), Dialect::Sqlite).unwrap();
    let tenant = table.tenant("default", "default").unwrap();
    let plan = table.plan(&tenant, &world.user, &predicate);
    assert_eq!(plan.residual, None);
    let restriction = (plan.condition.as_ref(), RowOwner::Any);
    let statement = table.count(&tenant, restriction);
    let mut explained = world
        .own
        .prepare(&format!("EXPLAIN QUERY PLAN {}", statement.text))
        .unwrap();
    let details = explained.query_map(["default", "ada@x.org"], |row| row.get::<_, String>(3));
    let details: Vec<_> = details.unwrap().map(Result::unwrap).collect();
    let uses = |index: &str| details.iter().any(|detail| detail.contains(index));
    assert!(uses("USING INDEX user_emails_by_address"), "{details:?}");
    assert!(uses("SEARCH t USING"), "{details:?}");
}

#[test]
fn times_are_those_of_the_application_until_scim_changes_the_row() {
    let world = World::new();
    let insert = "INSERT INTO users (id, login, login_key, created_at, updated_at) VALUES
        ('p-1', 'ada', 'ada', '2025-01-02 03:04:05', '2025-02-03T04:05:06.789Z'),
        ('p-2', 'bo', 'bo', '2025-01-02 03:04:05', NULL),
        ('p-3', 'cy', 'cy', 'long ago', 'today')";
    world.own.execute(insert, []).unwrap();
    let shown = |kind, id: &str| {
        let stored = world.read(kind, id).unwrap();
        let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        (
            [text(stored.created), text(stored.last_modified)],
            stored.version,
        )
    };
    let times = |id: &str| shown(&world.user, id).0;
    assert_eq!(
        times("p-1"),
        ["2025-01-02T03:04:05Z", "2025-02-03T04:05:06Z"]
    );
    assert_eq!(times("p-2"), [times("p-1")[0].as_str(); 2]);
    let [first, last] = times("p-3");
    assert!(first == last && first.as_str() > "2026", "{first} {last}");
    assert_eq!(
        world.find(r#"meta.lastModified gt "2025-01-03T00:00:00Z""#),
        ["p-1", "p-3"]
    );
    assert_eq!(
        world.find(r#"meta.created eq "2025-01-02T03:04:05Z""#),
        ["p-1", "p-2"]
    );
    // A change by SCIM sets the time of the change.
    let rename = |id: &str, name: &str| {
        let mut change = Change::empty(Arc::clone(&world.user));
        let name_attr = world.user.attribute_id("nickName").unwrap();
        change.difference(name_attr, None, Some(json!(name)));
        let (id, any) = (ResourceId::from(id), ExpectedVersion::Any);
        wait(world.store.update(&world.scope, at(), id, change, any)).unwrap();
    };
    rename("p-1", "A");
    let columns = |id: &str| {
        let select = "SELECT created_at || ' ' || updated_at FROM users WHERE id = ?1";
        world
            .own
            .query_row(select, [id], |row| row.get::<_, String>(0))
            .unwrap()
    };
    assert_eq!(columns("p-1"), "2025-01-02 03:04:05 2026-01-01 00:00:00");
    assert_eq!(
        times("p-1"),
        ["2025-01-02T03:04:05Z", "2026-01-01T00:00:00Z"]
    );
    // One by the application is seen if it is later, and is no other version.
    let set = |at: &str| {
        let update = "UPDATE users SET updated_at = ?1 WHERE id = 'p-1'";
        world.own.execute(update, [at]).unwrap();
        shown(&world.user, "p-1")
    };
    let before = set("2025-06-01 00:00:00");
    assert_eq!(before.0[1], "2026-01-01T00:00:00Z");
    let after = set("2026-06-01 00:00:00");
    assert_eq!(after.0[1], "2026-06-01T00:00:00Z");
    assert_eq!(after.1, before.1);
    // A clock that is behind that of the application does not set the time back.
    rename("p-1", "B");
    assert!(times("p-1")[1].as_str() >= "2026-06-01T00:00:00Z");
    assert!(
        columns("p-1").as_str() >= "2025-01-02 03:04:05 2026-06-01 00:00:00",
        "{}",
        columns("p-1")
    );
}

#[test]
fn times_are_set_by_creates_and_changes_of_members() {
    let world = World::new();
    world.create(&world.user, "p-2", json!({"userName": "bo"}));
    world.create(&world.group, "g1", json!({"displayName": "Staff"}));
    let seconds = || {
        let select = "SELECT made_at, changed_at FROM teams";
        world
            .own
            .query_row(select, [], |row| {
                Ok([row.get::<_, i64>(0)?, row.get::<_, i64>(1)?])
            })
            .unwrap()
    };
    assert_eq!(seconds(), [at().timestamp(); 2]);
    let back = "UPDATE teams SET changed_at = 0";
    world.own.execute(back, []).unwrap();
    world.change_members("g1", &["p-2"], &[]);
    assert!(seconds()[1] >= at().timestamp());
    let missing = || {
        let report = wait(world.store.verify()).unwrap();
        let missing = report.findings().iter();
        let missing = missing.filter(|finding| finding.kind == FindingKind::MissingColumn);
        missing
            .map(|finding| finding.column.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(missing(), []);
    let drop = "ALTER TABLE teams DROP COLUMN changed_at";
    world.own.execute(drop, []).unwrap();
    assert_eq!(missing(), [Some("changed_at".to_owned())]);
}

#[test]
fn row_without_a_value_is_one_with_the_default() {
    const MAPPING: &str = r#"
        [User]
        table = "users"

        [User.fields]
        login = "text"

        [User.fields.emails]
        table = "user_emails"
        key = "user_id"
        columns = { value = "address", primary = { column = "is_primary", default = false } }

        [[User.map]]
        scim = "userName"
        field = "login"

        [[User.map]]
        scim = "emails"
        field = "emails"
    "#;
    let connection = Connection::open_in_memory().unwrap();
    let tables = "CREATE TABLE users (id TEXT PRIMARY KEY, login TEXT);
        CREATE TABLE user_emails (user_id TEXT, address TEXT, is_primary INTEGER);
        INSERT INTO users VALUES ('u1', 'ada');
        INSERT INTO user_emails VALUES ('u1', 'ada@x.org', NULL), ('u1', 'ada@y.org', 1)";
    connection.execute_batch(tables).unwrap();
    let driver = RusqliteDriver::with_connection(connection).unwrap();
    let store = TableStore::builder(driver, Mapping::builder().text(MAPPING));
    let settings = Settings::new("https://app.example/scim/v2");
    let (store, settings) = wait(store.open(settings)).unwrap();
    let user = Arc::clone(settings.registry.resource_type("User").unwrap());
    let scope = RequestContext::new(TenantId::default(), Arc::new(settings));
    let emails = || {
        let id = ResourceId::from("u1");
        let options = ReadOptions::default();
        let read = store.read(&scope, &user, &id, &options);
        tree(&wait(read).unwrap())["emails"].clone()
    };
    let before = emails();
    assert_eq!(before.as_array().unwrap().len(), 2, "{before}");
    let attr = user.attribute_id("emails").unwrap();
    let mut change = Change::empty(Arc::clone(&user));
    let after = json!([{"value": "ada@y.org", "primary": true}]);
    change.difference(attr, Some(&before), Some(after.clone()));
    let (id, any) = (ResourceId::from("u1"), ExpectedVersion::Any);
    wait(store.update(&scope, at(), id, change, any)).unwrap();
    assert_eq!(emails(), after);
}
