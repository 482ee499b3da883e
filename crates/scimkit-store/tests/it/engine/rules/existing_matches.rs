//! Creates that adopt or restore an existing resource.

use scimkit_core::Version;
use scimkit_registry::ResourceId;
use scimkit_store::{
    Batch, Candidate, ConnectionId, ExistingMatch, Intent, MatchPin, MatchScope, OnFailure,
    WriteOp,
    engine::{Decision, Policy},
};
use serde_json::json;

use super::{Case, check, plain, said, soft};
use crate::engine::{World, database::Database, second};

#[test]
fn match_sees_the_results_of_earlier_writes() {
    let world = World::new();
    let before = [
        world.create("u1", json!({"userName": "a", "externalId": "x"})),
        world.create("u2", json!({"userName": "b", "externalId": "x"})),
        world.create("u3", json!({"userName": "c", "active": true})),
    ];
    let existing_match = |id, name: &str, scope, by: &str, deactivated: bool| {
        let deactivated = deactivated.then(|| world.predicate("u1", "active eq false"));
        let existing_match =
            ExistingMatch::new(scope, world.predicate("u1", by)).with_deactivated(deactivated);
        WriteOp::Create {
            change: world.body(id, json!({"userName": name})),
            existing_match: Some(Box::new(existing_match)),
            id: id.into(),
        }
    };
    let case = |name, writes, answers| Case {
        answers,
        name,
        policy: soft,
        rule: Case::CONTINUE,
        writes,
    };
    let x = r#"externalId eq "x""#;
    check(
        &world,
        &before,
        vec![
            case(
                "two match, then one, then none",
                vec![
                    existing_match("u9", "a", MatchScope::Adoptable, x, false),
                    world.set("u1", "externalId", None),
                    existing_match("u9", "d", MatchScope::Adoptable, x, false),
                    world.delete("u2"),
                    existing_match("u9", "e", MatchScope::Adoptable, x, false),
                ],
                &[
                    "ambiguous",
                    "updated u1 4",
                    "adopted u2 5",
                    "deleted",
                    "created u9 7",
                ],
            ),
            case(
                "the one deleted last is restored",
                vec![
                    world.delete("u2"),
                    world.delete("u1"),
                    existing_match("u9", "d", MatchScope::Restorable, x, false),
                    existing_match("u9", "e", MatchScope::Restorable, x, false),
                ],
                &["deleted", "deleted", "restored u2 6", "restored u1 7"],
            ),
            case(
                "a user that was just deactivated is deactivated",
                vec![
                    existing_match(
                        "u9",
                        "c",
                        MatchScope::Restorable,
                        r#"userName eq "c""#,
                        true,
                    ),
                    world.set("u3", "active", Some(json!(false))),
                    existing_match(
                        "u9",
                        "C",
                        MatchScope::Restorable,
                        r#"userName eq "c""#,
                        true,
                    ),
                ],
                &["taken userName", "updated u3 4", "restored u3 5"],
            ),
        ],
    );
}

#[test]
fn candidates_after_those_that_the_batch_deletes_match() {
    let world = World::new();
    let with_x = |id| world.create(id, json!({"userName": id, "externalId": "x"}));
    let existing_match = ExistingMatch::new(
        MatchScope::Adoptable,
        world.predicate("u1", r#"externalId eq "x""#),
    );
    let existing_match = |id: &str| WriteOp::Create {
        change: world.body(id, json!({"userName": id})),
        existing_match: Some(Box::new(existing_match.clone())),
        id: id.into(),
    };
    check(
        &world,
        &["u1", "u2", "u3", "u4"].map(with_x),
        vec![Case {
            answers: &["deleted", "deleted", "ambiguous", "deleted", "adopted u4 8"],
            name: "candidates",
            policy: plain,
            rule: Case::CONTINUE,
            writes: vec![
                world.delete("u1"),
                world.delete("u2"),
                existing_match("u9"),
                world.delete("u3"),
                existing_match("u9"),
            ],
        }],
    );
}

#[test]
fn owned_resource_is_not_adopted() {
    let world = World::new();
    let mut database = Database::default();
    let mut answers = Vec::new();
    for connection in ["a", "b"] {
        let existing_match = ExistingMatch::new(
            MatchScope::Adoptable,
            world.predicate("u1", r#"userName eq "a""#),
        );
        let create = |id: &str, name: &str, existing_match| WriteOp::Create {
            change: world.body(id, json!({"userName": name})),
            existing_match,
            id: id.into(),
        };
        let writes = match connection {
            "a" => vec![create("u1", "a", None)],
            _ => vec![create("u2", "a", Some(Box::new(existing_match)))],
        };
        let policy = Policy::default();
        let mut request = world.request(policy, Batch::new(second(0), writes));
        request.batch.cause.connection = Some(ConnectionId::from(connection));
        answers.push(said(&database.run(Decision::new(request))[0]));
    }
    assert_eq!(answers, ["created u1 1", "taken userName"]);
}

/// Returns a create with a match by name and a pin.
fn pinned(world: &World, scope: MatchScope, pin: Option<MatchPin>) -> WriteOp {
    let mut existing_match = ExistingMatch::new(scope, world.predicate("u1", r#"userName eq "a""#));
    existing_match.pin = pin;
    let mut write = world.user("u9", "a");
    if let WriteOp::Create {
        existing_match: place,
        ..
    } = &mut write
    {
        *place = Some(Box::new(existing_match));
    }
    write
}

fn candidate(id: &str, version: &str) -> Option<MatchPin> {
    let version = Version::new(version).unwrap();
    Some(MatchPin::Candidate(Candidate::new(id.into(), version)))
}

#[test]
fn pinned_match_adopts_the_checked_candidate_or_fails() {
    let world = World::new();
    let none = || Some(MatchPin::NoCandidate);
    let title = world.set("u1", "title", Some(json!("x")));
    let other = "the create would now take `u1`: check it again";
    let gone = "the create would no longer take a resource that exists: check it again";
    // (the case, the writes before, soft delete, the pin, the result)
    let cases = [
        (
            "the same",
            vec![],
            false,
            candidate("u1", "1"),
            "adopted u1 3",
        ),
        (
            "another version",
            vec![title],
            false,
            candidate("u1", "1"),
            "stale 3",
        ),
        (
            "another resource",
            vec![],
            false,
            candidate("u2", "1"),
            other,
        ),
        ("one instead of none", vec![], false, none(), other),
        (
            "none any more",
            vec![world.delete("u1")],
            false,
            candidate("u1", "1"),
            gone,
        ),
        (
            "none still",
            vec![world.delete("u1")],
            false,
            none(),
            "created u9 4",
        ),
        (
            "the one that was deleted",
            vec![world.delete("u1")],
            true,
            candidate("u1", "3"),
            "restored u1 4",
        ),
        (
            "one that was deleted since",
            vec![world.delete("u1")],
            true,
            candidate("u1", "1"),
            "stale 3",
        ),
    ];
    for (name, mut writes, is_soft, pin, answer) in cases {
        let mut answers: Vec<_> = writes
            .iter()
            .map(|write| match write {
                WriteOp::Delete { .. } => "deleted",
                _ => "updated u1 3",
            })
            .collect();
        answers.push(answer);
        writes.push(pinned(&world, MatchScope::Both, pin));
        check(
            &world,
            &[world.user("u1", "a"), world.user("u2", "b")],
            vec![Case {
                answers: &answers,
                name,
                policy: if is_soft { soft } else { plain },
                rule: OnFailure::Continue,
                writes,
            }],
        );
    }
}

#[test]
fn several_candidates_are_ambiguous_for_a_pinned_match() {
    let world = World::new();
    let user = |id: &str, name| world.create(id, json!({"userName": name, "title": "a"}));
    let by = world.predicate("u1", r#"title eq "a""#);
    let mut write = user("u9", "c");
    if let (WriteOp::Create { existing_match, .. }, Some(pin)) = (&mut write, candidate("u1", "1"))
    {
        *existing_match = Some(Box::new(
            ExistingMatch::new(MatchScope::Adoptable, by).with_pin(pin),
        ));
    }
    check(
        &world,
        &[user("u1", "a"), user("u2", "b")],
        vec![Case {
            answers: &["ambiguous"],
            name: "two have the title",
            policy: plain,
            rule: OnFailure::Continue,
            writes: vec![write],
        }],
    );
}

#[test]
fn check_returns_the_candidate_for_a_pin() {
    let world = World::new();
    let mut policy = Policy::default();
    let mut database = Database::default();
    let mut run = |policy: &Policy, intent, write| {
        let mut batch = Batch::new(second(0), vec![write]);
        batch.intent = intent;
        let answers = database.run(Decision::new(world.request(policy.clone(), batch)));
        answers.into_iter().next().unwrap().unwrap().remove(0)
    };
    let existing_match = |scope, pin| pinned(&world, scope, pin);
    for is_soft in [false, true] {
        let nothing = run(
            &policy,
            Intent::Check,
            existing_match(MatchScope::Both, None),
        )
        .unwrap();
        assert_eq!(nothing.pin(), MatchPin::NoCandidate);
        run(&policy, Intent::Commit, world.user("u1", "a")).unwrap();
        if is_soft {
            soft(&mut policy);
            run(&policy, Intent::Commit, world.delete("u1")).unwrap();
        }
        let seen = run(
            &policy,
            Intent::Check,
            existing_match(MatchScope::Both, None),
        )
        .unwrap();
        let MatchPin::Candidate(found) = seen.pin() else {
            panic!("{seen:?}")
        };
        assert_eq!(found.id, ResourceId::from("u1"));
        let stale = run(
            &policy,
            Intent::Commit,
            existing_match(MatchScope::Both, Some(nothing.pin())),
        );
        assert!(stale.is_err());
        let applied = run(
            &policy,
            Intent::Commit,
            existing_match(MatchScope::Both, Some(seen.pin())),
        )
        .unwrap();
        assert_eq!(
            (applied.outcome, applied.candidate),
            (seen.outcome, Some(found))
        );
        let again = run(
            &policy,
            Intent::Commit,
            existing_match(MatchScope::Both, Some(seen.pin())),
        );
        assert!(again.is_err());
        policy.delete_policy = scimkit_store::DeletePolicy::Permanent;
        run(&policy, Intent::Commit, world.delete("u1")).unwrap();
    }
}
