//! Queries and batches of the memory store under a budget: they end with it, and yield to other tasks.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use chrono::DateTime;
use scimkit_core::message::SortOrder;
use scimkit_filter::{Filter, ParseLimits};
use scimkit_registry::{
    Budget, Change, Edge, EdgeEdit, Exhausted, Registry, ResourceId, Tolerance,
};
use scimkit_store::{
    Batch, ExpectedVersion, MemoryStore, Page, Query, RequestContext, Sort, Store, StoreError,
    StoreExt, WriteOp,
};
use serde_json::json;

use crate::{context, kind, now};

const USERS: usize = 3_000;

struct World {
    context: RequestContext,
    store: MemoryStore,
}

impl World {
    fn new() -> Self {
        let world = World {
            context: context(Registry::standard()),
            store: MemoryStore::new(),
        };
        let answers = now(world.store.write(&world.context, world.creates())).unwrap();
        assert!(answers.iter().all(Result::is_ok));
        world
    }

    fn creates(&self) -> Batch {
        let user = kind(&self.context, "User");
        let create = |n: usize| {
            let body =
                json!({"userName": format!("u{n}"), "title": format!("t{}", (n * 7) % USERS)});
            let body = user.admit(body, &Tolerance::DEFAULT).unwrap();
            WriteOp::Create {
                change: Change::create(Arc::clone(&user), body),
                existing_match: None,
                id: ResourceId::from(format!("{n:05}")),
            }
        };
        Batch::new(DateTime::UNIX_EPOCH, (0..USERS).map(create).collect())
    }

    fn query(&self, terms: usize) -> Query {
        let user = kind(&self.context, "User");
        let text = vec![r#"title co "zz""#; terms].join(" or ") + r#" or title sw "t""#;
        let options = scimkit_filter::ParseOptions::default().with_limits(ParseLimits::default());
        let filter = Filter::parse_with(&text, &options).unwrap();
        let predicate = user.bind_filter(&filter, &Tolerance::DEFAULT).unwrap();
        Query::new(user).with_predicate(predicate)
    }

    fn limited(&self, budget: &Budget) -> RequestContext {
        self.context.clone().with_budget(budget.clone())
    }
}

fn polled(
    future: std::pin::Pin<&mut (impl Future<Output = Result<Page, StoreError>> + ?Sized)>,
) -> Poll<Result<Page, StoreError>> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn query_beyond_the_budget_is_exhausted() {
    let world = World::new();
    let title = kind(&world.context, "User").attribute_id("title").unwrap();
    let sort = Some(Sort::new(title, SortOrder::Ascending));
    let sorted = Query::new(kind(&world.context, "User")).with_sort(sort);
    for query in [world.query(20), sorted] {
        let context = world.limited(&Budget::new(50_000));
        let answer = now(world.store.query(&context, &query));
        let ran_out = matches!(answer, Err(StoreError::Exhausted(Exhausted::Work)));
        assert!(ran_out, "{answer:?}");
        assert!(now(world.store.query(&world.context, &query)).is_ok());
    }
}

#[test]
fn long_query_yields_and_stops_when_dropped() {
    let world = World::new();
    let budget = Budget::unlimited();
    let query = world.query(100);
    let context = world.limited(&budget);
    let mut running = pin!(world.store.query(&context, &query));
    assert!(polled(running.as_mut()).is_pending());
    let after_one = budget.spent();
    while budget.spent() == after_one {
        assert!(polled(running.as_mut()).is_pending());
    }
    let slice = budget.spent() - after_one;
    assert!(slice < 2 * after_one, "{after_one} units, then {slice}");
    budget.cancel();
    let answer = Poll::Ready(now(running));
    let cancelled = matches!(
        answer,
        Poll::Ready(Err(StoreError::Exhausted(Exhausted::Cancelled)))
    );
    assert!(cancelled, "{answer:?}");
}

#[test]
fn query_sees_the_resources_as_of_its_start() {
    let world = World::new();
    let query = world.query(100);
    let mut running = pin!(world.store.query(&world.context, &query));
    assert!(polled(running.as_mut()).is_pending());
    let last = ResourceId::from(format!("{:05}", USERS - 1));
    let user = kind(&world.context, "User");
    let delete = world.store.delete(
        &world.context,
        DateTime::UNIX_EPOCH,
        (user, last),
        ExpectedVersion::Any,
    );
    assert!(now(delete).is_ok());
    let page = now(running).unwrap();
    assert_eq!(page.total, Some(USERS as u64));
    let later = now(world.store.query(&world.context, &query)).unwrap();
    assert_eq!(later.total, Some(USERS as u64 - 1));
}

#[test]
fn batch_yields_between_its_writes() {
    let world = World {
        context: context(Registry::standard()),
        store: MemoryStore::new(),
    };
    let mut running = pin!(world.store.write(&world.context, world.creates()));
    let context = &mut Context::from_waker(Waker::noop());
    assert!(running.as_mut().poll(context).is_pending());
    let all = Query::new(kind(&world.context, "User"));
    let some = now(world.store.query(&world.context, &all)).unwrap().total;
    assert!((1..USERS as u64).contains(&some.unwrap()), "{some:?}");
    assert!(now(running).unwrap().iter().all(Result::is_ok));
    let total = now(world.store.query(&world.context, &all)).unwrap().total;
    assert_eq!(total, Some(USERS as u64));
}

#[test]
fn write_beyond_the_budget_has_no_effect() {
    let world = World::new();
    let user = kind(&world.context, "User");
    let body = json!({"userName": "new", "title": "x".repeat(10_000)});
    let body = user.admit(body, &Tolerance::DEFAULT).unwrap();
    let change = Change::create(user, body);
    let context = world.limited(&Budget::new(5_000));
    let id = ResourceId::from("new");
    let answer = now(world
        .store
        .create(&context, DateTime::UNIX_EPOCH, id, change));
    let ran_out = matches!(answer, Err(StoreError::Exhausted(Exhausted::Work)));
    assert!(ran_out, "{answer:?}");
    let all = Query::new(kind(&world.context, "User"));
    let total = now(world.store.query(&world.context, &all)).unwrap().total;
    assert_eq!(total, Some(USERS as u64));
}

#[test]
fn waiting_queries_charge_no_budget_and_delay_no_lookup() {
    let world = World::new();
    let query = world.query(100);
    let mut running: Vec<_> = (0..16)
        .map(|_| world.store.query(&world.context, &query))
        .collect();
    for query in &mut running {
        assert!(polled(query.as_mut()).is_pending());
    }
    let budget = Budget::unlimited();
    let context = world.limited(&budget);
    let mut waiting = pin!(world.store.query(&context, &query));
    for _ in 0..3 {
        assert!(polled(waiting.as_mut()).is_pending());
    }
    assert_eq!(budget.spent(), 0);

    let user = kind(&world.context, "User");
    let filter = Filter::parse(r#"userName eq "u7""#).unwrap();
    let predicate = user.bind_filter(&filter, &Tolerance::DEFAULT).unwrap();
    let found = now(world
        .store
        .query(&world.context, &Query::new(user).with_predicate(predicate)));
    assert_eq!(found.unwrap().total, Some(1));

    drop(running.pop());
    assert!(now(waiting).is_ok());
    let given_up = Budget::unlimited();
    given_up.cancel();
    let context = world.limited(&given_up);
    running.push(world.store.query(&world.context, &query));
    assert!(
        running
            .iter_mut()
            .all(|query| polled(query.as_mut()).is_pending())
    );
    assert!(now(world.store.query(&context, &query)).is_err());
}

#[test]
fn writes_of_a_member_of_many_groups_beyond_the_budget_are_exhausted() {
    let store = MemoryStore::new();
    let context = context(Registry::standard());
    let group = kind(&context, "Group");
    let members = group.attribute_id("members").unwrap();
    let body = group.admit(json!({"displayName": "group"}), &Tolerance::DEFAULT);
    let with_member = |mut change: Change, member: &str| {
        change.edit_edges(members, EdgeEdit::Replace(vec![Edge::to(member)]));
        change
    };
    let new = Change::create(Arc::clone(&group), body.unwrap());
    let create = |id: String, change| WriteOp::Create {
        change,
        existing_match: None,
        id: id.into(),
    };
    let outer = (0..1_000).map(|n| create(n.to_string(), with_member(new.clone(), "inner")));
    let ends = ["inner", "leaf"].map(|id| create(id.to_owned(), new.clone()));
    let writes = ends.into_iter().chain(outer).collect();
    let answers = now(store.write(&context, Batch::new(DateTime::UNIX_EPOCH, writes)));
    assert!(answers.unwrap().iter().all(Result::is_ok));
    let update = WriteOp::Update {
        change: with_member(Change::empty(Arc::clone(&group)), "leaf"),
        expect: ExpectedVersion::Any,
        id: "inner".into(),
    };
    let delete = WriteOp::Delete {
        expect: ExpectedVersion::Any,
        id: "inner".into(),
        kind: group,
    };
    for (write, units) in [(update, 100_000), (delete, 10_000)] {
        let batch = Batch::new(DateTime::UNIX_EPOCH, vec![write]);
        let limited = context.clone().with_budget(Budget::new(units));
        let answer = now(store.write(&limited, batch.clone()));
        let ran_out = matches!(answer, Err(StoreError::Exhausted(Exhausted::Work)));
        assert!(ran_out, "{answer:?}");
        let answers = now(store.write(&context, batch)).unwrap();
        assert!(answers.iter().all(Result::is_ok));
    }
}
