//! The journal next to changes of the application.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use rusqlite::Connection;
use scimkit_registry::{Change, ResourceId, ResourceType, Tolerance};
use scimkit_store::{
    ExpectedVersion, Journal, JournalEntry, JournalLevel, JournalQuery, LeaseAnswer, LeaseRequest,
    RecordedValue, RequestContext, Settings, StoreError, StoreExt as _, TenantId, verify,
};
use scimkit_tables::{RusqliteDriver, TableStore};
use serde_json::{Value, json};

use crate::{layouts::TEXT, support::wait};

struct Recorded {
    _folder: tempfile::TempDir,
    context: RequestContext,
    own: Connection,
    store: TableStore<RusqliteDriver>,
    user: Arc<ResourceType>,
}

impl Recorded {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, own) = TEXT.in_file(&folder.path().join("app.sqlite"));
        let mut settings = Settings::new("https://app.example/scim/v2");
        settings.policy.journal.level = JournalLevel::Full;
        let user = Arc::clone(settings.registry.resource_type("User").unwrap());
        Recorded {
            _folder: folder,
            context: RequestContext::new(TenantId::default(), Arc::new(settings)),
            own,
            store,
            user,
        }
    }

    fn create(&self, id: &str, body: Value) -> Result<(), StoreError> {
        let document = self.user.admit(body, &Tolerance::DEFAULT).unwrap();
        let change = Change::create(Arc::clone(&self.user), document);
        let id = ResourceId::from(id);
        wait(self.store.create(&self.context, at(), id, change)).map(drop)
    }

    fn set_title(&self, id: &str, title: &str) {
        let mut change = Change::empty(Arc::clone(&self.user));
        let attr = self.user.attribute_id("title").unwrap();
        change.difference(attr, None, Some(json!(title)));
        let (id, any) = (ResourceId::from(id), ExpectedVersion::Any);
        wait(self.store.update(&self.context, at(), id, change, any)).unwrap();
    }

    fn entries(&self) -> Vec<JournalEntry> {
        let read = wait(
            self.store
                .entries(&self.context.tenant, &JournalQuery::oldest()),
        );
        let entries = read.unwrap().page().unwrap().entries;
        verify(&entries).unwrap();
        entries
    }

    fn names(&self) -> Vec<String> {
        let name = |entry: &JournalEntry| {
            let id = entry.subject.columns().id;
            format!("{} {} {id}", entry.number, entry.action)
        };
        self.entries().iter().map(name).collect()
    }
}

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap()
}

#[test]
fn changes_of_the_application_have_no_entry() {
    let world = Recorded::new();
    world
        .create("u1", json!({"userName": "ada", "title": "Dr"}))
        .unwrap();
    let by_product = "UPDATE users SET job_title = 'Prof';
        INSERT INTO users (id, login, login_key) VALUES ('u2', 'bo', 'bo');";
    world.own.execute_batch(by_product).unwrap();
    world.set_title("u1", "Rector");
    world.set_title("u2", "Dean");
    world
        .own
        .execute("DELETE FROM users WHERE id = 'u1'", [])
        .unwrap();
    assert_eq!(
        world.names(),
        ["1 created u1", "2 updated u1", "3 updated u2"]
    );
    // An entry has the value that the row had before.
    let details = world.entries()[1].details().unwrap().unwrap();
    let [title] = details.attributes.as_slice() else {
        panic!("{details:?}")
    };
    let values = (&title.before, &title.after);
    let expected = [json!("Prof"), json!("Rector")].map(RecordedValue::Value);
    assert_eq!(values, (&expected[0], &expected[1]));
}

#[test]
fn write_that_the_database_rejects_has_no_entry() {
    let world = Recorded::new();
    let index = "CREATE UNIQUE INDEX one_title ON users (job_title)";
    world.own.execute(index, []).unwrap();
    world
        .create("u1", json!({"userName": "ada", "title": "Dr"}))
        .unwrap();
    let rejected = world.create("u2", json!({"userName": "bo", "title": "Dr"}));
    assert!(matches!(rejected, Err(StoreError::Duplicate { attr }) if attr == "title"));
    world.create("u3", json!({"userName": "cy"})).unwrap();
    assert_eq!(world.names(), ["1 created u1", "2 created u3"]);
}

#[test]
fn consumers_are_stored_next_to_the_tables() {
    let world = Recorded::new();
    world.create("u1", json!({"userName": "ada"})).unwrap();
    let tenant = &world.context.tenant;
    let minute = Duration::from_secs(60);
    let pending = wait(world.store.pending("events")).unwrap();
    assert_eq!(pending, std::slice::from_ref(tenant));
    let request = LeaseRequest::new("events", "node-1", at(), minute);
    let leased = wait(world.store.lease(tenant, &request)).unwrap();
    let LeaseAnswer::Granted(lease) = leased else {
        panic!("{leased:?}")
    };
    wait(world.store.advance(tenant, &lease, 1)).unwrap();
    assert_eq!(wait(world.store.pending("events")).unwrap(), []);
    let other = LeaseRequest::new("events", "node-2", at(), minute);
    let held = wait(world.store.lease(tenant, &other)).unwrap();
    assert!(matches!(held, LeaseAnswer::Held { .. }), "{held:?}");
    let later = at() + Duration::from_secs(1);
    assert_eq!(wait(world.store.trim(tenant, later)).unwrap(), 1);
    let read = wait(
        world
            .store
            .entries(tenant, &JournalQuery::after(Default::default())),
    );
    assert!(read.unwrap().page().is_none());
}
