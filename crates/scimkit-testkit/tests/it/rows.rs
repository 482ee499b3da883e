//! The store with a database that assigns ids and versions itself.

mod database;
mod schedule;
mod shelf;

use std::{
    sync::Arc,
    task::{Context, Waker},
};

use chrono::DateTime;
use scimkit_core::Version;
use scimkit_registry::{Change, ResourceId, ResourceType, Tolerance};
use scimkit_store::{
    Batch, DeletePolicy, Document, ExpectedVersion, OnFailure, ReadOptions, RequestContext,
    Settings, Store, StoreError, TenantId, WriteOp, Written,
    engine::{BatchAnswer, FoundRow, RowHead, RowState},
    rows::{RowStore, Simple},
};
use scimkit_testkit::contract;
use serde_json::{Value, json};

use self::{
    database::{Database, Fault},
    shelf::Shelf,
};

/// An empty store over the database in memory that assigns versions itself.
pub(crate) fn shelf_store() -> Arc<dyn Store> {
    Arc::new(RowStore::new(Simple::new(Shelf::default())))
}

struct World {
    context: RequestContext,
    store: RowStore<Database>,
    user: Arc<ResourceType>,
}

type Answers = Vec<Result<Written, StoreError>>;

impl World {
    fn new(faults: impl IntoIterator<Item = Fault>) -> Self {
        let settings = Arc::new(Settings::new("https://example.com/scim/v2"));
        let user = Arc::clone(settings.registry.resource_type("User").unwrap());
        let database = Database::default();
        database.faults.lock().unwrap().extend(faults);
        World {
            context: RequestContext::new(TenantId::default(), settings),
            store: RowStore::new(database),
            user,
        }
    }

    fn user(&self, id: &str, name: &str) -> WriteOp {
        let body = self
            .user
            .admit(json!({"userName": name}), &Tolerance::DEFAULT);
        WriteOp::Create {
            change: Change::create(Arc::clone(&self.user), body.unwrap()),
            existing_match: None,
            id: ResourceId::from(id),
        }
    }

    fn title(&self, id: &ResourceId, title: &str, expect: ExpectedVersion) -> WriteOp {
        let mut change = Change::empty(Arc::clone(&self.user));
        let attr = self.user.attribute_id("title").unwrap();
        change.difference(attr, Some(&Value::Null), Some(json!(title)));
        let id = id.clone();
        WriteOp::Update { change, expect, id }
    }

    fn batch(writes: impl IntoIterator<Item = WriteOp>) -> Batch {
        Batch::new(DateTime::UNIX_EPOCH, writes.into_iter().collect())
    }

    fn write(&self, batch: Batch) -> Answers {
        self.attempt(batch).unwrap()
    }

    fn attempt(&self, batch: Batch) -> BatchAnswer {
        let mut answers = None;
        contract::block_on(Box::pin(async {
            answers = Some(self.store.write(&self.context, batch).await);
        }));
        answers.unwrap()
    }

    fn version(&self, id: &ResourceId) -> Version {
        let mut version = None;
        contract::block_on(Box::pin(async {
            let want = ReadOptions::document();
            let read = self.store.read(&self.context, &self.user, id, &want).await;
            version = Some(read.unwrap().version);
        }));
        version.unwrap()
    }

    /// Returns the numbers of transactions and rows.
    fn counts(&self) -> (usize, usize) {
        let database = self.store.database();
        let tenants = database.tenants.lock().unwrap();
        let rows = tenants.values().map(|tables| tables.rows.len()).sum();
        (*database.transactions.lock().unwrap(), rows)
    }
}

fn said(answers: &[Result<Written, StoreError>]) -> Vec<String> {
    let say = |answer: &Result<Written, StoreError>| match answer {
        Ok(written) => format!("{:?}", written.outcome),
        Err(error) => error.to_string(),
    };
    answers.iter().map(say).collect()
}

const TAKEN: &str = "another resource has that value of `userName`";
const NOT_RUN: &str = "another write failed, so this one was not carried out";

#[test]
fn row_store_keeps_the_contract_over_a_database_that_decides_ids_and_versions() {
    let make = || {
        let database = Database {
            patience: 2,
            ..Database::default()
        };
        Arc::new(RowStore::new(database)) as Arc<dyn Store>
    };
    let subject = contract::Subject::default();
    let report = contract::check_subject(&subject, make, &contract::block_on);
    assert!(report.is_success(), "{report}");
    let of_ids = report.skipped().map(|(_, reason)| reason);
    let of_ids = of_ids.filter(|reason| reason.starts_with("the store assigns its own ids"));
    assert_eq!(of_ids.count(), report.skipped().count(), "{report}");
}

#[test]
fn simple_database_keeps_the_whole_contract() {
    let make = || Arc::new(RowStore::new(Simple::new(Shelf::default()))) as Arc<dyn Store>;
    let subject = contract::Subject::default();
    let report = contract::check_subject(&subject, make, &contract::block_on);
    assert!(report.is_success(), "{report}");
    assert_eq!(report.skipped().count(), 0, "{report}");
}

#[test]
fn answers_have_the_ids_and_versions_of_the_database() {
    let world = World::new([]);
    let answers = world.write(World::batch([world.user("a", "a"), world.user("b", "b")]));
    let made: Vec<_> = answers
        .into_iter()
        .map(|a| a.unwrap().stored.unwrap())
        .collect();
    let ids: Vec<_> = made.iter().map(|stored| stored.id.as_str()).collect();
    assert_eq!(ids, ["row-1", "row-2"]);
    let id = &made[0].id;
    assert_eq!(world.version(id), made[0].version);

    let known = ExpectedVersion::OneOf(vec![made[0].version.clone()]);
    let writes = ["x", "y"].map(|title| world.title(id, title, known.clone()));
    let answers = world.write(World::batch(writes));
    let written = answers[0].as_ref().unwrap();
    assert_eq!(written.version, Some(world.version(id)));
    assert_eq!(written.stored.as_ref().unwrap().version, world.version(id));
    let Err(StoreError::VersionMismatch { actual }) = &answers[1] else {
        panic!("{:?}", said(&answers));
    };
    assert_eq!(*actual, world.version(id));
}

#[test]
fn provisional_version_is_never_what_a_client_expects() {
    let world = World::new([]);
    let made = world.write(World::batch([world.user("a", "a")]));
    let id = &made[0].as_ref().unwrap().stored.as_ref().unwrap().id;
    for text in ["1", "2"] {
        let guess = ExpectedVersion::OneOf(vec![Version::new(text).unwrap()]);
        let writes = [
            world.title(id, text, ExpectedVersion::Any),
            world.title(id, "no", guess),
        ];
        let answers = world.write(World::batch(writes));
        assert!(
            matches!(&answers[1], Err(StoreError::VersionMismatch { .. })),
            "{answers:?}"
        );
    }
}

#[test]
fn race_during_apply_is_decided_by_new_facts() {
    let document =
        json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "A"});
    let row = FoundRow {
        connection: None,
        document: Document::from_text(document.to_string()),
        head: RowHead {
            created: DateTime::UNIX_EPOCH,
            id: ResourceId::from("theirs"),
            kind: "User".into(),
            last_modified: DateTime::UNIX_EPOCH,
            state: RowState::Live,
            version: Version::new("theirs").unwrap(),
        },
    };
    let world = World::new([Fault::Raced(row)]);
    let answers = world.write(World::batch([world.user("1", "a"), world.user("2", "b")]));
    assert_eq!(said(&answers), [TAKEN, "Created"]);
    assert_eq!(world.counts(), (2, 2));
}

#[test]
fn constraint_without_a_fact_is_a_duplicate_of_its_row_only() {
    let twice = || [Fault::Duplicate("USERNAME"), Fault::Duplicate("USERNAME")];
    let world = World::new(twice());
    let writes = || [world.user("1", "a"), world.user("2", "b")];
    let answers = world.write(World::batch(writes()));
    assert_eq!(said(&answers), [TAKEN, "Created"]);
    assert_eq!(world.counts(), (3, 1));

    let world = World::new(twice());
    let undone = World::batch(writes()).with_on_failure(OnFailure::RollBack);
    assert_eq!(said(&world.write(undone)), [TAKEN, NOT_RUN]);
    assert_eq!(world.counts(), (3, 0));

    let world = World::new([Fault::Duplicate("userName")]);
    assert_eq!(
        said(&world.write(World::batch(writes()))),
        ["Created", "Created"]
    );

    // A column without an attribute.
    let world = World::new([Fault::Duplicate("badge"), Fault::Duplicate("badge")]);
    let answers = world.write(World::batch(writes()));
    let badge = "another resource has that value of `badge`";
    assert_eq!(said(&answers), [badge, "Created"]);
}

#[test]
fn lost_transaction_is_tried_three_times() {
    let lost = [Fault::LostInApply, Fault::LostAtCommit, Fault::LostAtCommit];
    let world = World::new(lost[..2].to_vec());
    let answers = world.write(World::batch([world.user("1", "a")]));
    assert_eq!(said(&answers), ["Created"]);
    assert_eq!(world.counts(), (3, 1));

    let world = World::new(lost);
    let failed = world.attempt(World::batch([world.user("1", "a"), world.user("2", "b")]));
    assert!(matches!(failed, Err(StoreError::Backend(_))));
    assert_eq!(world.counts(), (3, 0));
}

#[test]
fn full_disk_fails_the_batch_and_leaves_nothing() {
    let world = World::new([Fault::Full]);
    let failed = world.attempt(World::batch([world.user("1", "a")]));
    assert!(matches!(failed, Err(StoreError::StorageFull(_))));
    assert_eq!(world.counts(), (1, 0));
    assert_eq!(
        said(&world.write(World::batch([world.user("1", "a")]))),
        ["Created"]
    );
}

#[test]
fn dry_run_meets_the_constraints_of_the_database_and_leaves_nothing() {
    let world = World::new([Fault::Duplicate("userName"), Fault::Duplicate("userName")]);
    let batch = World::batch([world.user("1", "a"), world.user("2", "b")]);
    let answers = world.write(batch.check_only());
    assert_eq!(said(&answers), [TAKEN, "Created"]);
    assert_eq!(world.counts(), (3, 0));
}

#[test]
fn soft_delete_is_rejected_by_a_database_without_it() {
    let mut world = World::new([]);
    world.store = RowStore::new(Database {
        lacks_soft_delete: true,
        ..Database::default()
    });
    let made = world.write(World::batch([world.user("1", "a")]));
    let id = made[0]
        .as_ref()
        .unwrap()
        .stored
        .as_ref()
        .unwrap()
        .id
        .clone();
    let mut settings = Settings::clone(&world.context.settings);
    settings.policy.delete_policy = DeletePolicy::Soft;
    world.context.settings = Arc::new(settings);
    let expect = ExpectedVersion::Any;
    let kind = Arc::clone(&world.user);
    let failed = world.attempt(World::batch([WriteOp::Delete { expect, id, kind }]));
    assert_eq!(
        failed.unwrap_err().to_string(),
        "the store does not support soft delete"
    );
    assert_eq!(world.counts(), (1, 1));
}

#[test]
fn dropped_write_is_done_or_not_done() {
    let (mut undone, mut done) = (0, 0);
    for polls in 0..40 {
        let mut world = World::new([]);
        let database = Database {
            patience: 3,
            ..Database::default()
        };
        world.store = RowStore::new(database);
        let batch = World::batch([world.user("1", "a"), world.user("2", "b")]);
        let mut writing = world.store.write(&world.context, batch);
        let mut context = Context::from_waker(Waker::noop());
        let ready = (0..polls).any(|_| writing.as_mut().poll(&mut context).is_ready());
        drop(writing);
        match world.counts().1 {
            0 => undone += 1,
            rows => {
                assert_eq!(rows, 2);
                assert!(ready);
                done += 1;
            }
        }
        // Nothing is locked.
        let batch = World::batch([world.user("3", "c")]);
        assert_eq!(said(&world.write(batch)), ["Created"]);
    }
    assert!(undone > 5 && done > 5, "{undone} {done}");
}
