//! Parallel writes on one database: delays, losses, full disks and disconnected clients, according to a seed.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use chrono::{DateTime, TimeDelta};
use scimkit_filter::Filter;
use scimkit_registry::{Change, Edge, EdgeEdit, ResourceId, ResourceType, Tolerance};
use scimkit_store::{
    Batch, BoxFuture, Cause, ExpectedVersion, OnFailure, RequestContext, Settings, Store, TenantId,
    WriteOp,
    engine::{BatchAnswer, Capacity, RowState},
    rows::RowStore,
};
use serde_json::{Value, json};

use super::{
    database::{Database, Fault, Tables},
    said,
};

/// The maximum number of active users.
const SEATS: u64 = 3;
const REQUESTS: usize = 12;

/// xorshift64*: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(drawn).unwrap() % limit
    }

    fn of<'i>(&mut self, items: &[&'i str]) -> &'i str {
        items[self.below(items.len())]
    }
}

struct World {
    group: Arc<ResourceType>,
    settings: Arc<Settings>,
    user: Arc<ResourceType>,
}

impl World {
    fn new() -> Self {
        let mut settings = Settings::new("https://example.com/scim/v2");
        let kind = |name| Arc::clone(settings.registry.resource_type(name).unwrap());
        let group = kind("Group");
        let user = kind("User");
        let active = Filter::parse("active eq true").unwrap();
        let active = user.bind_filter(&active, &Tolerance::DEFAULT).unwrap();
        let seats = Capacity::new("seats", Arc::clone(&user), active, SEATS);
        settings.policy.capacities.push(seats);
        World {
            group,
            settings: Arc::new(settings),
            user,
        }
    }

    fn context(&self, number: usize) -> RequestContext {
        let mut context = RequestContext::new(TenantId::default(), Arc::clone(&self.settings));
        context.cause = Cause::application().with_request(number.to_string());
        context
    }

    fn batch(&self, number: usize, random: &mut Random) -> Batch {
        let writes = (0..=random.below(3)).map(|_| self.write(random));
        let writes = writes.collect();
        // The clocks of nodes differ, and jump.
        let second = i64::try_from(number + random.below(20)).unwrap();
        let batch = Batch::new(DateTime::UNIX_EPOCH + TimeDelta::seconds(second), writes);
        match random.below(3) {
            0 => batch.with_on_failure(OnFailure::RollBack),
            _ => batch,
        }
    }

    fn write(&self, random: &mut Random) -> WriteOp {
        const USERS: [&str; 4] = ["u1", "u2", "u3", "u4"];
        const GROUPS: [&str; 3] = ["g1", "g2", "g3"];
        let user = random.of(&USERS);
        let group = random.of(&GROUPS);
        let name = random.of(&["a", "b", "c"]);
        let body = |kind: &Arc<ResourceType>, id: &str, body: Value| WriteOp::Create {
            change: Change::create(
                Arc::clone(kind),
                kind.admit(body, &Tolerance::DEFAULT).unwrap(),
            ),
            existing_match: None,
            id: ResourceId::from(id),
        };
        let update = |id: &str, change| WriteOp::Update {
            change,
            expect: ExpectedVersion::Any,
            id: ResourceId::from(id),
        };
        let set = |attr: &str, value: Value| {
            let mut change = Change::empty(Arc::clone(&self.user));
            let attr = self.user.attribute_id(attr).unwrap();
            change.difference(attr, Some(&Value::Null), Some(value));
            update(user, change)
        };
        match random.below(9) {
            0..=2 => body(&self.user, user, json!({"userName": name, "active": true})),
            3 => body(&self.group, group, json!({"displayName": group})),
            4 | 5 => {
                let member = match random.below(2) {
                    0 => user,
                    _ => random.of(&GROUPS),
                };
                let mut change = Change::empty(Arc::clone(&self.group));
                let add = vec![Edge::to(member)];
                let remove = Vec::new();
                let edit = EdgeEdit::Delta { add, remove };
                change.edit_edges(self.group.attribute_id("members").unwrap(), edit);
                update(group, change)
            }
            6 => set("userName", json!(name)),
            7 => set("active", json!(random.below(2) == 0)),
            _ => {
                let (id, kind) = match random.below(2) {
                    0 => (user, &self.user),
                    _ => (group, &self.group),
                };
                WriteOp::Delete {
                    expect: ExpectedVersion::Any,
                    id: ResourceId::from(id),
                    kind: Arc::clone(kind),
                }
            }
        }
    }
}

/// Runs the writes of a seed, and checks the laws afterwards.
fn run(world: &World, seed: u64, is_locking: bool) {
    let mut random = Random::new(seed);
    let database = Database {
        is_unlocked: !is_locking,
        keeps_ids: true,
        patience: 1 + random.below(3),
        ..Database::default()
    };
    let store = RowStore::new(database);
    let scopes: Vec<_> = (0..REQUESTS).map(|number| world.context(number)).collect();
    let batches: Vec<_> = (0..REQUESTS).map(|n| world.batch(n, &mut random)).collect();
    let mut running: Vec<(usize, BoxFuture<'_, BatchAnswer>)> = Vec::new();
    let mut waiting = (0..REQUESTS).zip(&batches);
    let mut told: BTreeMap<usize, String> = BTreeMap::new();
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if random.below(8) == 0 || running.is_empty() {
            match waiting.next() {
                Some((n, batch)) => running.push((n, store.write(&scopes[n], batch.clone()))),
                None if running.is_empty() => break,
                None => {}
            }
        }
        if running.is_empty() {
            continue;
        }
        let at = random.below(running.len());
        match random.below(200) {
            // The client disconnects.
            0 => drop(running.swap_remove(at)),
            1 => store.database().fail(Fault::LostInApply),
            2 => store.database().fail(Fault::LostAtCommit),
            3 => store.database().fail(Fault::Full),
            _ => {
                let (number, future) = &mut running[at];
                if let Poll::Ready(answer) = future.as_mut().poll(&mut context) {
                    told.insert(*number, text(&answer));
                    drop(running.swap_remove(at));
                }
            }
        }
        check(&store.database().committed());
    }
    replay(world, (&store, &batches), &told);
}

fn text(answer: &BatchAnswer) -> String {
    match answer {
        Ok(answers) => format!("{:?}", said(answers)),
        Err(error) => format!("failed: {error}"),
    }
}

/// Checks the laws that hold after each commit.
fn check(tables: &Tables) {
    let live = || {
        tables
            .rows
            .values()
            .filter(|row| row.head.state == RowState::Live)
    };
    let documents: Vec<Value> = live()
        .map(|row| serde_json::from_slice(row.document.text()).unwrap())
        .collect();
    let names: Vec<_> = documents.iter().filter_map(|d| d.get("userName")).collect();
    let different: BTreeSet<_> = names.iter().map(ToString::to_string).collect();
    assert_eq!(names.len(), different.len(), "{names:?}");
    let active = documents.iter().filter(|d| d["active"] == true).count() as u64;
    assert!(active <= SEATS, "{active} active users");
    let ids: BTreeSet<_> = live().map(|row| &row.head.id).collect();
    for (owner, target) in tables.pairs() {
        assert!(ids.contains(owner) && ids.contains(target), "a loose end");
        let mut open = vec![owner];
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            for (_, member) in tables.pairs().filter(|(from, _)| *from == id) {
                assert!(member != owner, "{owner} is in itself");
                open.extend(Some(member).filter(|id| seen.insert(*id)));
            }
        }
    }
}

/// Replays the committed batches one after another and undisturbed; they give the same answers and rows.
fn replay(
    world: &World,
    (store, batches): (&RowStore<Database>, &[Batch]),
    told: &BTreeMap<usize, String>,
) {
    let log = store.database().log.lock().unwrap().clone();
    let log: Vec<usize> = log.iter().map(|number| number.parse().unwrap()).collect();
    let alone = RowStore::new(Database {
        keeps_ids: true,
        ..Database::default()
    });
    for number in &log {
        let context = world.context(*number);
        let mut writing = alone.write(&context, batches[*number].clone());
        let mut context = Context::from_waker(Waker::noop());
        let answer = loop {
            if let Poll::Ready(answer) = writing.as_mut().poll(&mut context) {
                break text(&answer);
            }
        };
        if let Some(told) = told.get(number) {
            assert_eq!(answer, *told, "request {number}");
        }
    }
    let rows = |store: &RowStore<Database>| {
        let tables = store.database().committed();
        let row =
            |row: &scimkit_store::engine::FoundRow| (row.head.clone(), row.document.text().clone());
        let rows: Vec<_> = tables.rows.values().map(row).collect();
        let pairs: Vec<_> = tables
            .pairs()
            .map(|(a, b)| (a.clone(), b.clone()))
            .collect();
        (rows, pairs)
    };
    assert_eq!(rows(&alone), rows(store));
    for (number, told) in told {
        assert!(log.contains(number) || told.starts_with("failed"), "{told}");
    }
}

fn fails(world: &World, seed: u64, is_locking: bool) -> bool {
    catch_unwind(AssertUnwindSafe(|| run(world, seed, is_locking))).is_err()
}

#[test]
fn row_store_keeps_its_laws_despite_failing_writes() {
    let world = World::new();
    for seed in 1..=500 {
        assert!(!fails(&world, seed, true), "seed {seed}");
    }
}

#[test]
fn missing_lock_of_a_row_database_is_found() {
    let world = World::new();
    let found = (1..=500).find(|seed| fails(&world, *seed, false));
    assert!(found.is_some(), "no seed finds it");
}
