//! Capacities, checks, budgets and loaded facts.

use scimkit_registry::Budget;
use scimkit_store::{
    Batch, DeletePolicy, Intent, OnFailure,
    engine::{Capacity, Decision, Policy},
};
use serde_json::json;

use super::said;
use crate::engine::{World, database::Database, second};

#[test]
fn capacity_is_exact_within_a_batch_and_across_batches() {
    let world = World::new();
    let user = |id: &str, active| world.create(id, json!({"userName": id, "active": active}));
    let active = |id, active: bool| world.set(id, "active", Some(json!(active)));
    let seats = Capacity::new(
        "seats",
        world.user.clone(),
        world.predicate("u1", "active eq true"),
        2,
    );
    let mut policy = Policy::default();
    policy.delete_policy = DeletePolicy::Soft;
    let without = policy.clone();
    policy.capacities.push(seats);
    let full = "`seats`: there are 2 already, which is the limit";
    let mut database = Database::default();
    // (whether the policy has the limit, `OnFailure`, the writes, the results)
    let batches = [
        (
            true,
            OnFailure::Continue,
            vec![user("u1", true), user("u2", false)],
            vec!["created u1 1", "created u2 2"],
        ),
        (
            true,
            OnFailure::Continue,
            vec![
                user("u3", true),
                active("u2", true),
                active("u1", false),
                active("u2", true),
            ],
            vec!["created u3 3", full, "updated u1 4", "updated u2 5"],
        ),
        (
            true,
            OnFailure::RollBack,
            vec![world.delete("u2"), user("u4", true), user("u5", true)],
            vec!["not run", "not run", full],
        ),
        (
            true,
            OnFailure::Continue,
            vec![world.set("u3", "title", Some(json!("x"))), user("u4", true)],
            vec!["updated u3 6", full],
        ),
        // A policy without the limit adjusts the counter, but is not limited.
        (
            false,
            OnFailure::Continue,
            vec![user("u5", true)],
            vec!["created u5 7"],
        ),
        (
            true,
            OnFailure::Continue,
            vec![
                world.delete("u5"),
                user("u6", true),
                world.delete("u2"),
                user("u6", true),
            ],
            vec!["deleted", full, "deleted", "created u6 10"],
        ),
    ];
    for (knows, rule, writes, expected) in batches {
        let policy = if knows { &policy } else { &without };
        let batch = Batch::new(second(0), writes).with_on_failure(rule);
        let answers = database.run(Decision::new(world.request(policy.clone(), batch)));
        assert_eq!(said(&answers[0]), expected.join("; "));
        database.check();
        assert!(database.counted.len() <= 2, "{:?}", database.counted);
    }
}

#[test]
fn check_does_not_affect_joined_batches() {
    let world = World::new();
    let mut database = Database::default();
    let request = |writes| {
        let policy = Policy::default();
        world.request(policy, Batch::new(second(0), writes))
    };
    database.run(Decision::new(request(vec![world.user("u1", "a")])));
    let before = database.clone();
    let writes = vec![
        world.delete("u1"),
        world.user("u2", "a"),
        world.user("u3", "a"),
    ];
    let mut check = request(writes.clone());
    check.batch.intent = Intent::Check;
    let expected = "deleted; created u2 3; taken userName";
    assert_eq!(
        said(&database.run(Decision::new(check.clone()))[0]),
        expected
    );
    assert!(database == before);
    let mut decision = Decision::new(check);
    decision.join(request(writes));
    let answers = database.run(decision);
    assert_eq!(answers.iter().map(said).collect::<Vec<_>>(), [expected; 2]);
    database.check();
}

#[test]
fn exhausted_budget_fails_only_its_own_batch() {
    let world = World::new();
    let mut database = Database::default();
    let policy = Policy::default();
    let users = ["u1", "u2"].map(|id| world.user(id, id)).to_vec();
    database.run(Decision::new(
        world.request(policy.clone(), Batch::new(second(0), users)),
    ));
    let request = |writes, budget| {
        let mut request = world.request(policy.clone(), Batch::new(second(1), writes));
        request.budget = budget;
        request
    };
    let title = |id| world.set(id, "title", Some(json!("x")));
    let budget = Budget::new(0);
    let mut decision = Decision::new(request(vec![title("u1")], Budget::unlimited()));
    decision.join(request(vec![title("u2"), world.delete("u1")], budget));
    decision.join(request(vec![title("u2")], Budget::unlimited()));
    let answers: Vec<_> = database.run(decision).iter().map(said).collect();
    assert_eq!(
        (&*answers[0], &*answers[2]),
        ("updated u1 3", "updated u2 4")
    );
    assert!(answers[1].starts_with("failed: "), "{answers:?}");
}
#[test]
fn needs_contain_only_facts_on_which_a_write_depends() {
    let world = World::new();
    let mut database = Database::default();
    let mut run = |write| {
        let policy = Policy::default();
        let request = world.request(policy, Batch::new(second(0), vec![write]));
        let answers = database.run(Decision::new(request));
        assert!(answers[0].as_ref().unwrap()[0].is_ok(), "{answers:?}");
        database.loads.clone()
    };
    for (id, name) in [("u1", "a"), ("u2", "b"), ("u3", "c")] {
        run(world.user(id, name));
    }
    run(world.group("g1", &["u1", "u2"]));
    let loads = run(world.add("g1", &["u3"]));
    assert_eq!(loads.len(), 1);
    assert!(loads[0].members.is_empty());
    let policy = Policy::default();
    let batch = Batch::new(second(0), vec![world.remove("g1", &["u1"])]).without_documents();
    let mut lean = database.clone();
    let answers = lean.run(Decision::new(world.request(policy, batch)));
    assert_eq!(said(&answers[0]), "updated 6");
    assert!(lean.loads[0].rows.is_empty() && lean.loads[0].members.is_empty());
    let mut run = |write| {
        let policy = Policy::default();
        let request = world.request(policy, Batch::new(second(0), vec![write]));
        database.run(Decision::new(request));
        database.loads.clone()
    };
    let loads = run(world.replace("g1", &["u1", "u2"]));
    // All members are stored already, so that none has to exist.
    assert_eq!((loads.len(), loads[0].members.len()), (1, 1));
    let loads = run(world.replace("g1", &["u1", "u3"]));
    assert_eq!(loads.len(), 2);
    let heads: Vec<_> = loads[1].heads.iter().map(|id| id.as_str()).collect();
    assert_eq!(heads, ["u3"]);
}
