//! The rules for writes, as tables of writes and their results.

mod base;
mod existing_matches;
mod limits;

use scimkit_registry::{AttrEdges, Edge};
use scimkit_store::{
    Batch, CyclePolicy, DeletePolicy, ExpectedVersion, OnFailure, StoreError, UnknownMemberPolicy,
    WriteOp, Written,
    engine::{BatchAnswer, Decision, Policy},
};
use serde_json::json;

use super::{World, database::Database, second};

/// Returns the results of a batch in short: outcomes and versions.
pub(super) fn said(answer: &BatchAnswer) -> String {
    match answer {
        Ok(answers) => answers.iter().map(said_of).collect::<Vec<_>>().join("; "),
        Err(problem) => format!("failed: {problem}"),
    }
}

fn said_of(answer: &Result<Written, StoreError>) -> String {
    match answer {
        Ok(written) => {
            let version = written.version.as_ref().map(|v| v.as_str().to_owned());
            let id = written.stored.as_ref().map(|stored| stored.id.to_string());
            let parts = [
                Some(format!("{:?}", written.outcome).to_lowercase()),
                id,
                version,
                shown_edges(written),
            ];
            parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
        }
        Err(StoreError::Ambiguous) => "ambiguous".to_owned(),
        Err(StoreError::Backend(problem)) => format!("failure: {problem}"),
        Err(StoreError::Cycle { id, owner, .. }) => format!("cycle {owner} {id}"),
        Err(StoreError::UnknownMembers { ids, .. }) => {
            let ids: Vec<_> = ids.iter().map(|id| id.as_str()).collect();
            format!("missing {}", ids.join(" "))
        }
        Err(StoreError::NotFound) => "not found".to_owned(),
        Err(StoreError::Skipped) => "not run".to_owned(),
        Err(StoreError::VersionMismatch { actual }) => format!("stale {}", actual.as_str()),
        Err(StoreError::Duplicate { attr }) => format!("taken {attr}"),
        Err(other) => other.to_string(),
    }
}

/// Returns the edges in a result, if it has any.
pub(super) fn shown_edges(written: &Written) -> Option<String> {
    let lists = &written.stored.as_ref()?.edges;
    let shown = |edge: &Edge| {
        let kind = edge.kind.as_deref().unwrap_or("-");
        let display = edge.display.as_deref().unwrap_or("-");
        format!("{}/{kind}/{display}", edge.id)
    };
    let list = |list: &AttrEdges| {
        let edges: Vec<_> = list.edges.iter().map(shown).collect();
        format!("[{}]", edges.join(" "))
    };
    let lists: Vec<_> = lists.iter().map(list).collect();
    (!lists.is_empty()).then(|| lists.join(""))
}

/// A batch with its policy and its expected results.
struct Case<'c> {
    answers: &'c [&'c str],
    name: &'c str,
    policy: fn(&mut Policy),
    rule: OnFailure,
    writes: Vec<WriteOp>,
}

impl Case<'_> {
    const CONTINUE: OnFailure = OnFailure::Continue;
}

/// Runs each case on an empty database, first in one batch, then write by write.
fn check(world: &World, before: &[WriteOp], cases: Vec<Case<'_>>) {
    for Case {
        answers,
        name,
        policy: edit,
        rule,
        writes,
    } in cases
    {
        let mut policy = Policy::default();
        edit(&mut policy);
        let mut database = Database::default();
        let first = Batch::new(second(0), before.to_vec());
        let made = database.run(Decision::new(world.request(policy.clone(), first)));
        assert!(
            made[0].as_ref().unwrap().iter().all(Result::is_ok),
            "{made:?}"
        );
        let mut alone = database.clone();
        let batch = Batch::new(second(1), writes.clone()).with_on_failure(rule);
        let request = world.request(policy.clone(), batch);
        let said_of_all = said(&database.run(Decision::new(request))[0]);
        assert_eq!(said_of_all, answers.join("; "), "{name}");
        database.check();
        if rule == OnFailure::Continue {
            let one = |write| {
                let batch = Batch::new(second(1), vec![write]);
                let request = world.request(policy.clone(), batch);
                said(&alone.run(Decision::new(request))[0])
            };
            let each: Vec<_> = writes.into_iter().map(one).collect();
            assert_eq!(each, answers, "{name}, write by write");
            assert!(alone == database, "{name}, write by write");
        }
    }
}

fn plain(_: &mut Policy) {}

fn soft(policy: &mut Policy) {
    policy.delete_policy = DeletePolicy::Soft;
}

#[test]
fn later_writes_see_earlier_ones() {
    let world = World::new();
    let before = [
        world.user("u1", "a"),
        world.user("u2", "b"),
        world.group("g1", &["u1"]),
        world.group("g2", &["g1"]),
    ];
    let case = |name, writes, answers| Case {
        answers,
        name,
        policy: plain,
        rule: Case::CONTINUE,
        writes,
    };
    let rename = |id, to: &str| world.set(id, "userName", Some(json!(to)));
    check(
        &world,
        &before,
        vec![
            case(
                "a key that is given up is free",
                vec![rename("u1", "c"), rename("u2", "A"), rename("u1", "b")],
                &["updated u1 5", "updated u2 6", "updated u1 7"],
            ),
            case(
                "a key that is taken is taken",
                vec![rename("u1", "c"), rename("u2", "C"), world.user("u3", "c")],
                &["updated u1 5", "taken userName", "taken userName"],
            ),
            case(
                "a key of a deleted resource is free",
                vec![world.delete("u1"), world.user("u3", "a")],
                &["deleted", "created u3 6"],
            ),
            case(
                "an id is in use until it is deleted",
                vec![
                    world.user("u1", "c"),
                    world.delete("u1"),
                    world.user("u1", "c"),
                    world.user("u1", "d"),
                ],
                &[
                    "failure: the id `u1` is in use",
                    "deleted",
                    "created u1 6",
                    "failure: the id `u1` is in use",
                ],
            ),
            case(
                "a member is known once it is created, and unknown once it is deleted",
                vec![
                    world.add("g1", &["u3", "u2"]),
                    world.user("u3", "c"),
                    world.add("g1", &["u3", "u2"]),
                    world.delete("u3"),
                    world.add("g1", &["u3"]),
                ],
                &[
                    "missing u3",
                    "created u3 5",
                    "updated g1 6",
                    "deleted",
                    "missing u3",
                ],
            ),
            case(
                "an edge that was removed closes no cycle",
                vec![
                    world.add("g1", &["g2"]),
                    world.remove("g2", &["g1"]),
                    world.add("g1", &["g2"]),
                    world.add("g2", &["g1"]),
                ],
                &["cycle g1 g2", "updated g2 5", "updated g1 6", "cycle g2 g1"],
            ),
            case(
                "a deleted group is on no way up",
                vec![
                    world.group("g3", &["g2"]),
                    world.add("g1", &["g3"]),
                    world.delete("g2"),
                    world.add("g1", &["g3"]),
                ],
                &["created g3 5", "cycle g1 g3", "deleted", "updated g1 7"],
            ),
            case(
                "members that are so already take no number",
                vec![
                    world.add("g1", &["u1"]),
                    world.remove("g1", &["u2"]),
                    world.replace("g1", &["u1", "u2"]),
                    world.replace("g1", &["u2", "u1"]),
                ],
                &[
                    "unchanged g1 3",
                    "unchanged g1 3",
                    "updated g1 5",
                    "unchanged g1 5",
                ],
            ),
            case(
                "a member that was removed is added again",
                vec![world.remove("g1", &["u1"]), world.replace("g1", &["u1"])],
                &["updated g1 5", "updated g1 6"],
            ),
            case(
                "the owners of a deleted member share its number",
                vec![
                    world.add("g2", &["u1"]),
                    world.delete("u1"),
                    world.replace("g1", &[]),
                    world.replace("g2", &["g1"]),
                ],
                &[
                    "updated g2 5",
                    "deleted",
                    "unchanged g1 6",
                    "unchanged g2 6",
                ],
            ),
        ],
    );
}

#[test]
fn on_failure_decides_the_effect_of_a_failed_write() {
    let world = World::new();
    let before = [world.user("u1", "a")];
    let writes = || {
        vec![
            world.set("u1", "title", Some(json!("x"))),
            world.user("u2", "A"),
            world.user("u3", "c"),
            world.user("u4", "c"),
            world.user("u5", "e"),
        ]
    };
    let case = |rule, answers| Case {
        answers,
        name: "rule",
        policy: plain,
        rule,
        writes: writes(),
    };
    check(
        &world,
        &before,
        vec![
            case(
                OnFailure::Continue,
                &[
                    "updated u1 2",
                    "taken userName",
                    "created u3 3",
                    "taken userName",
                    "created u5 4",
                ],
            ),
            case(
                OnFailure::StopAfter(2),
                &[
                    "updated u1 2",
                    "taken userName",
                    "created u3 3",
                    "taken userName",
                    "not run",
                ],
            ),
            case(
                OnFailure::RollBack,
                &["not run", "taken userName", "not run", "not run", "not run"],
            ),
        ],
    );
}

#[test]
fn policy_decides_which_members_are_rejected() {
    let world = World::new();
    let before = [
        world.user("u1", "a"),
        world.group("g1", &["u1"]),
        world.group("g2", &["g1"]),
    ];
    let writes = || {
        vec![
            world.add("g1", &["u9", "u1"]),
            world.add("g1", &["g2"]),
            world.delete("u1"),
            world.user("u1", "a"),
        ]
    };
    let case = |name, policy, answers| Case {
        answers,
        name,
        policy,
        rule: Case::CONTINUE,
        writes: writes(),
    };
    check(
        &world,
        &before,
        vec![
            case(
                "default",
                plain,
                &["missing u9", "cycle g1 g2", "deleted", "created u1 5"],
            ),
            case(
                "unknown members",
                |policy| policy.unknown_members = UnknownMemberPolicy::Accept,
                &["updated g1 4", "cycle g1 g2", "deleted", "created u1 6"],
            ),
            case(
                "cycles",
                |policy| policy.cycles = CyclePolicy::Accept,
                &["missing u9", "updated g1 4", "deleted", "created u1 6"],
            ),
            case(
                "soft deletes",
                soft,
                &[
                    "missing u9",
                    "cycle g1 g2",
                    "deleted",
                    "failure: the id `u1` is in use",
                ],
            ),
        ],
    );
}

#[test]
fn last_modification_never_goes_back() {
    let world = World::new();
    let mut database = Database::default();
    let mut run = |at, write| {
        let policy = Policy::default();
        let request = world.request(policy, Batch::new(second(at), vec![write]));
        let answers = database.run(Decision::new(request)).pop().unwrap().unwrap();
        let stored = answers.into_iter().next().unwrap().unwrap().stored;
        (stored.map(|stored| stored.last_modified), database.clone())
    };
    run(5, world.user("u1", "a"));
    let (modified, _) = run(3, world.set("u1", "title", Some(json!("x"))));
    assert_eq!(modified, Some(second(5)));
    run(9, world.group("g1", &["u1"]));
    let (_, database) = run(4, world.delete("u1"));
    assert_eq!(database.rows["g1"].last_modified, second(9));
}

#[test]
fn write_with_stale_version_is_rejected() {
    let world = World::new();
    let old = || {
        let mut write = world.set("u1", "title", Some(json!("y")));
        if let WriteOp::Update { expect, .. } = &mut write {
            *expect = ExpectedVersion::OneOf(vec![scimkit_core::Version::new("1").unwrap()]);
        }
        write
    };
    check(
        &world,
        &[world.user("u1", "a")],
        vec![Case {
            answers: &["updated u1 2", "stale 2", "not found"],
            name: "expected version",
            policy: plain,
            rule: Case::CONTINUE,
            writes: vec![old(), old(), world.delete("u2")],
        }],
    );
}
