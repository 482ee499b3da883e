//! Roles from groups in the columns and tables of an application.

use std::sync::Arc;

use chrono::DateTime;
use rusqlite::Connection;
use scimkit_mapping::Mapping;
use scimkit_registry::{Change, Edge, EdgeEdit, ResourceId, Tolerance};
use scimkit_store::{
    ConnectionSettings, ExpectedVersion, RequestContext, Settings, Store as _, StoreExt as _,
    TenantId, assign_roles,
};
use scimkit_tables::{RusqliteDriver, TableStore};
use serde_json::json;

use crate::support::wait;

const LOGIN: &str = r#"
[User]
unmapped = "drop"
table = "users"

[User.fields]
login = { type = "text", folded = true }
role = "text"

[[User.map]]
scim = "userName"
field = "login"
transform = ["fold"]
"#;

/// A column for one role, with the name that the product has for it.
const COLUMN: &str = r#"
[[User.map]]
scim = "roles[primary eq true].value"
field = "role"
transform = [{ values = { admin = "superuser", staff = "employee", guest = "visitor" } }]
"#;

/// A table for several roles.
const TABLE: &str = r#"
[User.fields.roles]
table = "user_roles"
key = "user_id"
columns = { value = "name" }

[[User.map]]
scim = "roles"
field = "roles"
"#;

const TEAMS: &str = r#"
[Group.table]
name = "teams"
members = { table = "team_members", group = "team", user = "member" }

[Group.fields]
name = { type = "text", folded = false }

[[Group.map]]
scim = "displayName"
field = "name"
"#;

struct World {
    file: tempfile::TempDir,
    scope: RequestContext,
    store: Arc<TableStore<RusqliteDriver>>,
}

impl World {
    fn new(mapping: &str, several: bool) -> Self {
        let file = tempfile::tempdir().unwrap();
        let path = file.path().join("app.sqlite");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "CREATE TABLE users (id TEXT PRIMARY KEY, login TEXT, role TEXT);
                CREATE TABLE user_roles (user_id TEXT, name TEXT);
                CREATE TABLE teams (id TEXT PRIMARY KEY, name TEXT);
                CREATE TABLE team_members (team TEXT, member TEXT);
                INSERT INTO users VALUES ('u1', 'ada', NULL), ('u2', 'bob', 'superuser');
                INSERT INTO teams VALUES ('t1', 'Admins'), ('t2', 'app-mail');
                INSERT INTO team_members VALUES ('t1', 'u2');",
            )
            .unwrap();
        let mapping = Mapping::builder()
            .text(&format!("{LOGIN}{mapping}"))
            .text(TEAMS);
        let store = TableStore::builder(RusqliteDriver::open(&path).unwrap(), mapping);
        let settings = Settings::new("https://app.example/scim/v2");
        let (store, settings) = wait(store.open(settings)).unwrap();
        let rules = json!({"roles": {"default": "guest", "several": several, "groups": [
            {"filter": r#"displayName eq "Admins""#, "role": "admin"},
            {"filter": r#"displayName sw "app-""#, "role": "staff"}]}});
        let rules = ConnectionSettings::from_json(&rules.to_string()).unwrap();
        let settings = rules.apply_to(&settings, &Mapping::builder()).unwrap();
        let scope = RequestContext::new(TenantId::default(), Arc::new(settings));
        World { file, scope, store }
    }

    fn sql(&self, query: &str) -> Vec<String> {
        let connection = Connection::open(self.file.path().join("app.sqlite")).unwrap();
        let mut query = connection.prepare(query).unwrap();
        let rows = query.query_map([], |row| row.get::<_, Option<String>>(0));
        let rows = rows.unwrap().map(|row| row.unwrap().unwrap_or_default());
        rows.collect()
    }

    fn edit(&self, group: &str, add: &[&str], remove: &[&str]) {
        let kind = self.scope.settings.registry.resource_type("Group").unwrap();
        let mut change = Change::empty(Arc::clone(kind));
        let add = add.iter().map(|id| Edge::to(*id)).collect();
        let remove = remove.iter().map(|id| ResourceId::from(*id)).collect();
        let members = kind.attribute_id("members").unwrap();
        change.edit_edges(members, EdgeEdit::Delta { add, remove });
        let id = ResourceId::from(group);
        let updated = self.store.update(
            &self.scope,
            DateTime::UNIX_EPOCH,
            id,
            change,
            ExpectedVersion::Any,
        );
        wait(updated).unwrap();
    }

    fn create(&self, id: &str) {
        let kind = self.scope.settings.registry.resource_type("User").unwrap();
        let body = json!({"userName": id, "roles": [{"value": "admin"}]});
        let body = kind.admit(body, &Tolerance::DEFAULT).unwrap();
        let change = Change::create(Arc::clone(kind), body);
        let id = ResourceId::from(id);
        let created = self
            .store
            .create(&self.scope, DateTime::UNIX_EPOCH, id, change);
        wait(created).unwrap();
    }

    fn delete(&self, group: &str) {
        let kind = self.scope.settings.registry.resource_type("Group").unwrap();
        let group = (Arc::clone(kind), ResourceId::from(group));
        let any = ExpectedVersion::Any;
        let deleted = self
            .store
            .delete(&self.scope, DateTime::UNIX_EPOCH, group, any);
        wait(deleted).unwrap();
    }

    fn assign(&self) -> u64 {
        let assigned = assign_roles(&*self.store, &self.scope, DateTime::UNIX_EPOCH);
        wait(assigned).unwrap().changed
    }
}

#[test]
fn role_is_in_a_column() {
    let world = World::new(COLUMN, false);
    let roles = || world.sql("SELECT role FROM users ORDER BY id");
    assert_eq!(world.assign(), 1);
    assert_eq!(roles(), ["visitor", "superuser"]);
    assert_eq!(world.assign(), 0);
    world.create("u3");
    world.edit("t2", &["u2", "u3"], &[]);
    assert_eq!(roles(), ["visitor", "superuser", "employee"]);
    world.edit("t1", &["u1"], &["u2"]);
    assert_eq!(roles(), ["superuser", "employee", "employee"]);
    let user = world.scope.settings.registry.resource_type("User").unwrap();
    world.delete("t2");
    assert_eq!(roles(), ["superuser", "visitor", "visitor"]);
    let page = scimkit_store::Query::new(Arc::clone(user));
    let page = wait(world.store.query(&world.scope, &page)).unwrap();
    let text = String::from_utf8(page.items[0].document.text().to_vec()).unwrap();
    assert!(text.contains(r#""value":"admin""#), "{text}");
    // What the application does by itself is not overwritten before the next change of the user.
    world.sql("UPDATE users SET role = 'employee' WHERE id = 'u1' RETURNING role");
    assert_eq!(roles(), ["employee", "visitor", "visitor"]);
    assert_eq!(world.assign(), 1);
    assert_eq!(roles(), ["superuser", "visitor", "visitor"]);
}

#[test]
fn several_roles_are_rows_of_a_table() {
    let world = World::new(TABLE, true);
    let roles =
        || world.sql("SELECT user_id || ' ' || name FROM user_roles ORDER BY user_id, name");
    assert_eq!(world.assign(), 2);
    assert_eq!(roles(), ["u1 guest", "u2 admin"]);
    world.edit("t2", &["u1", "u2"], &[]);
    assert_eq!(roles(), ["u1 staff", "u2 admin", "u2 staff"]);
    assert_eq!(world.assign(), 0);
    world.edit("t1", &[], &["u2"]);
    assert_eq!(roles(), ["u1 staff", "u2 staff"]);
}

#[test]
fn mapping_without_roles_is_an_error() {
    let connection = Connection::open_in_memory().unwrap();
    let driver = RusqliteDriver::with_connection(connection).unwrap();
    let store = TableStore::builder(driver, Mapping::builder().text(LOGIN));
    let settings = Settings::new("https://app.example/scim/v2");
    let (_, settings) = wait(store.open(settings)).unwrap();
    let rules = ConnectionSettings::from_json(r#"{"roles": {"default": "guest"}}"#).unwrap();
    let error = rules.apply_to(&settings, &Mapping::builder()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid connection settings: roles: the mapping has no rule for `roles`"
    );
}
