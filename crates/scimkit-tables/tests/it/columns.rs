//! Columns in the forms that applications have.

use std::sync::Arc;

use chrono::DateTime;
use rusqlite::Connection;
use scimkit_filter::Filter;
use scimkit_mapping::Mapping;
use scimkit_registry::{Change, ResourceId, ResourceType, Tolerance};
use scimkit_store::{
    ExpectedVersion, Query, RequestContext, Settings, Store as _, StoreExt as _, TenantId,
    engine::Capacity,
};
use scimkit_tables::{RusqliteDriver, TableStore};
use serde_json::{Value, json};

use crate::support::wait;

/// A column for `active`: its definition, its value in existing rows, its mapping, its values for active and inactive
/// users, and whether SQL can compare it.
struct Active {
    definition: &'static str,
    mapping: &'static str,
    states: [&'static str; 2],
}

const FORMS: [Active; 5] = [
    Active {
        definition: "is_active INTEGER NOT NULL DEFAULT 1",
        mapping: "is_active = 'boolean'\n[[User.map]]\nscim = 'active'\nfield = 'is_active'",
        states: ["1", "0"],
    },
    Active {
        definition: "is_locked INTEGER NOT NULL DEFAULT 0",
        mapping: "is_locked = 'boolean'\n[[User.map]]\nscim = 'active'\nfield = 'is_locked'\n
            transform = [{ values = { true = false, false = true } }]",
        states: ["0", "1"],
    },
    Active {
        definition: "status TEXT NOT NULL DEFAULT 'active'",
        mapping: "status = { type = 'text', folded = true }\n[[User.map]]\nscim = 'active'\n
            field = 'status'\ntransform = [{ values = { true = 'active', false = 'disabled' } }]",
        states: ["'active'", "'disabled'"],
    },
    Active {
        definition: "disabled_at TEXT",
        mapping: "disabled_at = 'instant'\n[[User.map]]\nscim = 'active'\nfield = 'disabled_at'\n
            transform = [{ since = false }]",
        states: ["NULL", "'2026-01-01T00:00:09Z'"],
    },
    Active {
        definition: "active_since INTEGER DEFAULT 0",
        mapping: "active_since = 'integer'\n[[User.map]]\nscim = 'active'\n
            field = 'active_since'\n
            transform = [{ since = { value = true, form = 'seconds' } }]",
        states: ["1767225609", "NULL"],
    },
];

struct World {
    scope: RequestContext,
    store: TableStore<RusqliteDriver>,
    user: Arc<ResourceType>,
}

impl World {
    fn new(form: &Active) -> Self {
        let connection = Connection::open_in_memory().unwrap();
        let definition = form.definition;
        let table = format!("CREATE TABLE users (id TEXT PRIMARY KEY, login TEXT, {definition})");
        connection.execute_batch(&table).unwrap();
        connection
            .execute("INSERT INTO users (id, login) VALUES ('old', 'old')", [])
            .unwrap();
        let mapping = format!(
            "[User]\ntable = 'users'\n[User.fields]\nlogin = {{ type = 'text', folded = true }}\n{}\n
            [[User.map]]\nscim = 'userName'\nfield = 'login'\ntransform = ['fold']",
            form.mapping
        );
        let settings = Settings::new("https://app.example/scim/v2");
        let driver = RusqliteDriver::with_connection(connection).unwrap();
        let store = TableStore::builder(driver, Mapping::builder().text(&mapping));
        let store = store.build(&settings.registry).unwrap();
        wait(store.migrate()).unwrap();
        let user = Arc::clone(settings.registry.resource_type("User").unwrap());
        let scope = RequestContext::new(TenantId::default(), Arc::new(settings));
        World { scope, store, user }
    }

    fn create(&self, id: &str, is_active: bool) -> Result<(), String> {
        let body = json!({"userName": id, "active": is_active});
        let body = self.user.admit(body, &Tolerance::DEFAULT).unwrap();
        let change = Change::create(Arc::clone(&self.user), body);
        let at = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        let made = wait(
            self.store
                .create(&self.scope, at, ResourceId::from(id), change),
        );
        made.map(drop).map_err(|error| error.to_string())
    }

    fn set_active(&self, id: &str, value: bool) {
        let mut change = Change::empty(Arc::clone(&self.user));
        let active = self.user.attribute_id("active").unwrap();
        change.difference(active, Some(&Value::Null), Some(json!(value)));
        let at = DateTime::from_timestamp(1_767_225_609, 0).unwrap();
        let id = ResourceId::from(id);
        wait(
            self.store
                .update(&self.scope, at, id, change, ExpectedVersion::Any),
        )
        .unwrap();
    }

    fn column(&self, form: &Active, id: &str) -> String {
        let (column, _) = form.definition.split_once(' ').unwrap();
        let query = format!("SELECT quote({column}) FROM users WHERE id = '{id}'");
        let read = move |connection: &mut Connection| {
            connection
                .query_row(&query, [], |row| row.get::<_, String>(0))
                .unwrap()
        };
        wait(self.store.driver().call(read)).unwrap()
    }

    fn find(&self, filter: &str) -> Vec<String> {
        let filter = Filter::parse(filter).unwrap();
        let predicate = self.user.bind_filter(&filter, &Tolerance::DEFAULT).unwrap();
        let query = Query::new(Arc::clone(&self.user)).with_predicate(predicate);
        let page = wait(self.store.query(&self.scope, &query)).unwrap();
        page.items
            .iter()
            .map(|stored| stored.id.to_string())
            .collect()
    }
}

#[test]
fn active_has_the_form_of_the_column() {
    for form in FORMS {
        let world = World::new(&form);
        world.create("a", true).unwrap();
        world.create("b", false).unwrap();
        let context = form.definition;
        assert_eq!(world.find("active eq true"), ["a", "old"], "{context}");
        assert_eq!(world.find("active eq false"), ["b"], "{context}");
        world.set_active("a", false);
        assert_eq!(world.column(&form, "a"), form.states[1], "{context}");
        assert_eq!(world.find("active eq false"), ["a", "b"], "{context}");
        assert_eq!(
            world.find(r#"active ne false and userName sw "o""#),
            ["old"],
            "{context}"
        );
        world.set_active("a", true);
        assert_eq!(world.column(&form, "a"), form.states[0], "{context}");
        assert_eq!(world.find("active eq true"), ["a", "old"], "{context}");
    }
}

#[test]
fn capacity_counts_rows_of_the_application() {
    for form in FORMS {
        let mut world = World::new(&form);
        let filter = Filter::parse("active eq true").unwrap();
        let active = world
            .user
            .bind_filter(&filter, &Tolerance::DEFAULT)
            .unwrap();
        let mut settings = Settings::clone(&world.scope.settings);
        let seats = Capacity::new("seats", Arc::clone(&world.user), active, 2);
        settings.policy.capacities = vec![seats];
        world.scope.settings = Arc::new(settings);
        world.create("a", true).unwrap();
        world.create("b", false).unwrap();
        let refused = world.create("c", true).unwrap_err();
        assert!(refused.contains("seats"), "{refused}");
        let (column, _) = form.definition.split_once(' ').unwrap();
        let update = format!(
            "UPDATE users SET {column} = {} WHERE id = 'old'",
            form.states[1]
        );
        let disable = move |connection: &mut Connection| connection.execute_batch(&update).unwrap();
        wait(world.store.driver().call(disable)).unwrap();
        world.create("c", true).unwrap();
    }
}

#[test]
fn value_that_scim_can_not_show_hides_its_attribute_alone() {
    let world = World::new(&Active {
        definition: "addresses TEXT",
        mapping: "addresses = 'json'\n[[User.map]]\nscim = 'emails'\nfield = 'addresses'",
        states: ["NULL", "NULL"],
    });
    let set = |text: &str| {
        let update = format!("UPDATE users SET addresses = '{text}'");
        let update = move |connection: &mut Connection| connection.execute_batch(&update).unwrap();
        wait(world.store.driver().call(update)).unwrap();
        let query = Query::new(Arc::clone(&world.user));
        let page = wait(world.store.query(&world.scope, &query)).unwrap();
        let document = page.items[0].document.tree().unwrap().into_owned();
        Value::Object(document.into_map())
    };
    let shown = set(r#"[{"type": "work", "value": "old@example.com"}]"#);
    assert_eq!(shown["emails"][0]["value"], "old@example.com");
    let shown = set(r#"[{"type": 7}]"#);
    assert_eq!(
        (&shown["userName"], shown.get("emails")),
        (&json!("old"), None)
    );
}
