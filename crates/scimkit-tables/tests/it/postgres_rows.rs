//! Rows that an application changes in PostgreSQL, and columns in the forms that it has.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use deadpool_postgres::RecyclingMethod;
use scimkit_filter::Filter;
use scimkit_mapping::Mapping;
use scimkit_registry::{Change, Edge, EdgeEdit, ResourceId, ResourceType, Tolerance};
use scimkit_store::{
    ExpectedVersion, Query, ReadOptions, RequestContext, Settings, Store as _, StoreError,
    StoreExt as _, StoredResource, TenantId, engine::Capacity,
};
use scimkit_tables::{TableStore, TokioPostgresDriver};
use scimkit_testkit::postgres::{self, TestDatabase};
use serde_json::{Value, json};

use crate::{
    layouts::Layout,
    postgres_layouts::{UUID, UUID_TABLES},
    support::wait,
    tokio_postgres_driver::pool,
};

struct World {
    context: RequestContext,
    database: TestDatabase,
    group: Arc<ResourceType>,
    store: TableStore<TokioPostgresDriver>,
    user: Arc<ResourceType>,
}

impl World {
    fn new(layout: &Layout, tables: &str) -> Option<Self> {
        let database = postgres::database()?;
        database.execute(tables).unwrap();
        let settings = Settings::new("https://app.example/scim/v2");
        let kind = |name| Arc::clone(settings.registry.resource_type(name).unwrap());
        let driver = TokioPostgresDriver::new(pool(database.url(), 3, RecyclingMethod::Fast));
        let store = layout.store(driver);
        Some(World {
            database,
            group: kind("Group"),
            user: kind("User"),
            store,
            context: RequestContext::new(TenantId::default(), Arc::new(settings)),
        })
    }

    fn create(&self, kind: &Arc<ResourceType>, body: Value) -> Result<StoredResource, StoreError> {
        let body = kind.admit(body, &Tolerance::DEFAULT).unwrap();
        let change = Change::create(Arc::clone(kind), body);
        let id = ResourceId::from("given-by-the-database");
        let made = wait(self.store.create(&self.context, at(), id, change));
        made.map(|made| made.stored.unwrap())
    }

    fn read(
        &self,
        kind: &Arc<ResourceType>,
        id: &ResourceId,
    ) -> Result<StoredResource, StoreError> {
        let members = kind.attribute_id("members").into_iter().collect::<Vec<_>>();
        wait(
            self.store
                .read(&self.context, kind, id, &ReadOptions::edges(members)),
        )
    }

    fn version(&self, id: &ResourceId) -> String {
        self.read(&self.user, id)
            .unwrap()
            .version
            .as_str()
            .to_owned()
    }

    fn set(&self, id: &ResourceId, attr: &str, value: Value) {
        let mut change = Change::empty(Arc::clone(&self.user));
        let attr = self.user.attribute_id(attr).unwrap();
        change.difference(attr, Some(&Value::Null), Some(value));
        let any = ExpectedVersion::Any;
        wait(
            self.store
                .update(&self.context, at(), id.clone(), change, any),
        )
        .unwrap();
    }

    fn change_members(&self, id: &ResourceId, add: &[&ResourceId], remove: &[&ResourceId]) {
        let mut change = Change::empty(Arc::clone(&self.group));
        let add = add.iter().map(|id| Edge::to((*id).clone())).collect();
        let remove = remove.iter().map(|id| (*id).clone()).collect();
        let members = self.group.attribute_id("members").unwrap();
        change.edit_edges(members, EdgeEdit::Delta { add, remove });
        let any = ExpectedVersion::Any;
        wait(
            self.store
                .update(&self.context, at(), id.clone(), change, any),
        )
        .unwrap();
    }

    fn members(&self, id: &ResourceId) -> Vec<ResourceId> {
        let edges = self.read(&self.group, id).unwrap().edges.into_iter();
        let mut ids: Vec<_> = edges
            .flat_map(|list| list.edges)
            .map(|edge| edge.id)
            .collect();
        ids.sort_unstable();
        ids
    }

    fn find(&self, filter: &str) -> Vec<String> {
        let filter = Filter::parse(filter).unwrap();
        let predicate = self.user.bind_filter(&filter, &Tolerance::DEFAULT).unwrap();
        let query = Query::new(Arc::clone(&self.user)).with_predicate(predicate);
        let page = wait(self.store.query(&self.context, &query)).unwrap();
        assert_eq!(page.total, Some(page.items.len() as u64));
        let name = |stored: &StoredResource| {
            let name = tree(stored).get("userName").cloned().unwrap();
            name.as_str().unwrap().to_owned()
        };
        let mut names: Vec<_> = page.items.iter().map(name).collect();
        names.sort_unstable();
        names
    }

    /// The first column of the first row.
    fn value(&self, sql: &str) -> Option<String> {
        self.database
            .execute(sql)
            .unwrap()
            .into_iter()
            .flatten()
            .next()
            .unwrap()
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
    let Some(world) = World::new(&UUID, UUID_TABLES) else {
        return;
    };
    let phones = json!([{"value": "+1 555", "type": "work"}]);
    let body =
        json!({"userName": "Ada", "title": "Dr", "nickName": "Countess", "phoneNumbers": phones});
    let id = world.create(&world.user, body).unwrap().id;
    assert_eq!(world.version(&id), "1");
    assert_eq!(
        world
            .value("SELECT data->0->>'value' FROM users")
            .as_deref(),
        Some("+1 555")
    );
    world
        .database
        .execute("UPDATE users SET title = 'Prof', data = data - 0")
        .unwrap();
    let changed = world.read(&world.user, &id).unwrap();
    let document = tree(&changed);
    assert!(
        changed.version.as_str().starts_with("1."),
        "{}",
        changed.version
    );
    assert_eq!(
        (
            &document["title"],
            &document["nickName"],
            document.get("phoneNumbers")
        ),
        (&json!("Prof"), &json!("Countess"), None)
    );
    assert_eq!(
        world.find(r#"userName eq "ADA" and title eq "prof""#),
        ["Ada"]
    );
    assert_eq!(world.find(r#"title eq "Dr""#), [""; 0]);
    // A column that is not mapped is no part of the resource.
    let seen = world.version(&id);
    world
        .database
        .execute("UPDATE users SET seen = now()")
        .unwrap();
    assert_eq!(world.version(&id), seen);
    world.set(&id, "title", json!("Dr"));
    assert_eq!(world.version(&id), "2");
}

#[test]
fn row_of_the_application_is_listed_changed_and_deleted() {
    let Some(world) = World::new(&UUID, UUID_TABLES) else {
        return;
    };
    world
        .database
        .execute("INSERT INTO users (login) VALUES ('Babs'), ('other')")
        .unwrap();
    assert_eq!(world.find(r#"userName eq "bABS""#), ["Babs"]);
    let id = world
        .value("SELECT id FROM users WHERE login = 'babs'")
        .unwrap();
    let id = ResourceId::from(id);
    assert!(
        world.version(&id).starts_with("0."),
        "{}",
        world.version(&id)
    );
    let taken = world.create(&world.user, json!({"userName": "BABS"}));
    assert!(matches!(taken, Err(StoreError::Duplicate { attr }) if attr == "userName"));
    world.set(&id, "title", json!("Dr"));
    let row = "SELECT login || ' ' || title FROM users WHERE login = 'babs'";
    assert_eq!(world.value(row).as_deref(), Some("Babs Dr"));
    let reference = (Arc::clone(&world.user), id);
    wait(
        world
            .store
            .delete(&world.context, at(), reference, ExpectedVersion::Any),
    )
    .unwrap();
    assert_eq!(
        world
            .value("SELECT string_agg(login, ' ') FROM users")
            .as_deref(),
        Some("other")
    );
    world.database.execute("DELETE FROM users").unwrap();
    assert_eq!(world.find("userName pr"), [""; 0]);
}

#[test]
fn constraint_of_the_application_rejects_one_write() {
    let Some(world) = World::new(&UUID, UUID_TABLES) else {
        return;
    };
    let constraints = "CREATE FUNCTION no_root() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN IF NEW.login = 'root' THEN RAISE EXCEPTION 'no root'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER no_root BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION no_root();
        CREATE UNIQUE INDEX one_title ON users (title)";
    world.database.execute(constraints).unwrap();
    let create = |name: &str, title: &str| {
        world.create(&world.user, json!({"userName": name, "title": title}))
    };
    let long = "x".repeat(201);
    for (name, title) in [("root", "Dr"), ("ada", long.as_str()), ("a\0b", "Dr")] {
        let rejected = create(name, title);
        assert!(
            matches!(rejected, Err(StoreError::Invalid { .. })),
            "{name}: {rejected:?}"
        );
    }
    create("ada", "CEO").unwrap();
    let second = create("bo", "CEO");
    assert!(
        matches!(&second, Err(StoreError::Duplicate { attr }) if attr == "title"),
        "{second:?}"
    );
    create("bo", "CTO").unwrap();
}

#[test]
fn constraint_that_is_checked_at_the_commit_rejects_the_write() {
    let Some(world) = World::new(&UUID, UUID_TABLES) else {
        return;
    };
    let constraints = "CREATE TABLE titles (title text PRIMARY KEY);
        INSERT INTO titles VALUES ('CEO'), ('CTO');
        ALTER TABLE users
            ADD CONSTRAINT one_title UNIQUE (title) DEFERRABLE INITIALLY DEFERRED,
            ADD CONSTRAINT known_title FOREIGN KEY (title) REFERENCES titles
                DEFERRABLE INITIALLY DEFERRED";
    world.database.execute(constraints).unwrap();
    let create = |name: &str, title: &str| {
        world.create(&world.user, json!({"userName": name, "title": title}))
    };
    let unknown = create("ada", "King");
    assert!(
        matches!(&unknown, Err(StoreError::Invalid { .. })),
        "{unknown:?}"
    );
    create("ada", "CEO").unwrap();
    let second = create("bo", "CEO");
    assert!(
        matches!(&second, Err(StoreError::Duplicate { attr }) if attr == "title"),
        "{second:?}"
    );
    assert_eq!(world.value("SELECT count(*) FROM users").unwrap(), "1");
    create("bo", "CTO").unwrap();
}

#[test]
fn memberships_are_rows_of_the_application() {
    let Some(world) = World::new(&UUID, UUID_TABLES) else {
        return;
    };
    let user = |name: &str| {
        world
            .create(&world.user, json!({"userName": name}))
            .unwrap()
            .id
    };
    let group = |name: &str| {
        world
            .create(&world.group, json!({"displayName": name}))
            .unwrap()
            .id
    };
    let (ada, bo, staff, crew) = (user("ada"), user("bo"), group("Staff"), group("Crew"));
    world.change_members(&staff, &[&ada, &crew], &[]);
    let count = || world.value("SELECT count(*) FROM team_members").unwrap();
    // A group in a group has no row in that table.
    assert_eq!(count(), "1");
    let insert = format!("INSERT INTO team_members VALUES ('{staff}', '{bo}')");
    world.database.execute(&insert).unwrap();
    let sorted = |ids: [&ResourceId; 3]| {
        let mut ids = ids.map(Clone::clone);
        ids.sort_unstable();
        ids
    };
    assert_eq!(world.members(&staff), sorted([&ada, &bo, &crew]));
    assert_eq!(
        world.find(&format!(r#"groups.value eq "{staff}""#)),
        ["ada", "bo"]
    );
    world.change_members(&staff, &[], &[&bo, &crew]);
    assert_eq!(world.members(&staff), std::slice::from_ref(&ada));
    world
        .database
        .execute(&format!("DELETE FROM users WHERE id = '{ada}'"))
        .unwrap();
    assert_eq!((world.members(&staff), count().as_str()), (vec![], "0"));
}

/// A column for `active`: its definition, its mapping, and its values for active and inactive users.
struct Active {
    definition: &'static str,
    mapping: &'static str,
    states: [&'static str; 2],
}

const FORMS: [Active; 5] = [
    Active {
        definition: "is_active boolean NOT NULL DEFAULT true",
        mapping: "is_active = 'boolean'\n[[User.map]]\nscim = 'active'\nfield = 'is_active'",
        states: ["t", "f"],
    },
    Active {
        definition: "is_locked boolean NOT NULL DEFAULT false",
        mapping: "is_locked = 'boolean'\n[[User.map]]\nscim = 'active'\nfield = 'is_locked'\n
            transform = [{ values = { true = false, false = true } }]",
        states: ["f", "t"],
    },
    Active {
        definition: "state user_state NOT NULL DEFAULT 'active'",
        mapping: "state = { type = 'text', folded = true }\n[[User.map]]\nscim = 'active'\n
            field = 'state'\ntransform = [{ values = { true = 'active', false = 'disabled' } }]",
        states: ["active", "disabled"],
    },
    Active {
        definition: "disabled_at timestamptz",
        mapping: "disabled_at = 'instant'\n[[User.map]]\nscim = 'active'\nfield = 'disabled_at'\n
            transform = [{ since = false }]",
        states: ["", "2026-01-01 00:00:00+00"],
    },
    Active {
        definition: "active_since bigint DEFAULT 0",
        mapping: "active_since = 'integer'\n[[User.map]]\nscim = 'active'\n
            field = 'active_since'\n
            transform = [{ since = { value = true, form = 'seconds' } }]",
        states: ["1767225600", ""],
    },
];

#[test]
fn active_has_the_form_of_the_column() {
    for form in FORMS {
        let context = form.definition;
        let tables = format!(
            "CREATE TYPE user_state AS ENUM ('active', 'disabled');
            CREATE TABLE teams (id uuid PRIMARY KEY, name text);
            CREATE TABLE team_members (team_id uuid, user_id uuid);
            CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), login text, {context});
            INSERT INTO users (login) VALUES ('old')"
        );
        let Some(mut world) = World::new(&UUID, &tables) else {
            return;
        };
        let mapping = format!(
            "[User.table]\nname = 'users'\nid = {{ type = 'uuid', generated = true }}\n
            [User.fields]\nlogin = {{ type = 'text', folded = true }}\n{}\n
            [[User.map]]\nscim = 'userName'\nfield = 'login'\ntransform = ['fold']",
            form.mapping
        );
        let driver = world.store.driver().clone();
        let store = TableStore::builder(driver, Mapping::builder().text(&mapping));
        world.store = store.build(&world.context.settings.registry).unwrap();
        let create = |world: &World, name: &str, is_active: bool| {
            let made = world.create(&world.user, json!({"userName": name, "active": is_active}));
            made.map(|made| made.id).map_err(|error| error.to_string())
        };
        let a = create(&world, "a", true).unwrap();
        create(&world, "b", false).unwrap();
        assert_eq!(world.find("active eq true"), ["a", "old"], "{context}");
        assert_eq!(world.find("active eq false"), ["b"], "{context}");
        let (column, _) = form.definition.split_once(' ').unwrap();
        let state = |world: &World| {
            let state =
                format!("SET timezone = 'UTC'; SELECT {column} FROM users WHERE login = 'a'");
            world.value(&state).unwrap_or_default()
        };
        world.set(&a, "active", json!(false));
        assert_eq!(state(&world), form.states[1], "{context}");
        assert_eq!(world.find("active eq false"), ["a", "b"], "{context}");
        world.set(&a, "active", json!(true));
        assert_eq!(state(&world), form.states[0], "{context}");
        assert_eq!(
            world.find(r#"active ne false and userName sw "o""#),
            ["old"],
            "{context}"
        );
        // Seats are counted in SQL.
        let filter = Filter::parse("active eq true").unwrap();
        let active = world
            .user
            .bind_filter(&filter, &Tolerance::DEFAULT)
            .unwrap();
        let mut settings = Settings::clone(&world.context.settings);
        settings.policy.capacities =
            vec![Capacity::new("seats", Arc::clone(&world.user), active, 2)];
        world.context.settings = Arc::new(settings);
        let rejected = create(&world, "c", true).unwrap_err();
        assert!(rejected.contains("seats"), "{context}: {rejected}");
        world
            .database
            .execute("DELETE FROM users WHERE login = 'old'")
            .unwrap();
        create(&world, "c", true).unwrap();
    }
}
