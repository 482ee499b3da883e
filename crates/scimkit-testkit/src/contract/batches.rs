//! The effect of a failing write on the others of its batch.

use std::sync::Arc;

use scimkit_registry::{ResourceId, ResourceType};
use scimkit_store::{Batch, ExpectedVersion, OnFailure, StoreError, StoredResource, WriteOp};
use serde_json::json;

use super::{
    StoreCheck,
    fixture::{Fixture, document, ensure_eq, ids_of, said, second},
    random::Random,
    resources::same,
};

pub(super) const CHECKS: &[StoreCheck] = &[
    StoreCheck {
        name: "batch_stops_after_the_given_number_of_failures",
        run: stops,
    },
    StoreCheck {
        name: "failed_batch_is_rolled_back_as_a_whole",
        run: undone,
    },
    StoreCheck {
        name: "random_batches_equal_their_single_writes",
        run: random_batches,
    },
];

fn stops(fixture: &Fixture<'_>) -> Result<(), String> {
    let writes = |run: &str| {
        let user = |n: usize, name: &str| create_user(fixture, &format!("{run}{n}"), name);
        Ok::<_, String>(vec![
            user(1, &format!("{run}ada"))?,
            user(2, &format!("{run}ADA"))?,
            user(3, &format!("{run}bo"))?,
            delete(&fixture.user, "nobody"),
            user(4, &format!("{run}cy"))?,
        ])
    };
    for (run, limit, expected) in [
        // At least one, because zero would be a batch that does nothing.
        ("n", 0, ["Created", "Taken", "NotRun", "NotRun", "NotRun"]),
        ("o", 1, ["Created", "Taken", "NotRun", "NotRun", "NotRun"]),
        (
            "t",
            2,
            ["Created", "Taken", "Created", "NotFound", "NotRun"],
        ),
        (
            "e",
            3,
            ["Created", "Taken", "Created", "NotFound", "Created"],
        ),
    ] {
        let rule = OnFailure::StopAfter(limit);
        let outcomes = carry_out(fixture, rule, writes(run)?)?;
        ensure_eq!(outcomes, expected, "the answers of a batch under {rule:?}");
        for (n, outcome) in [(3, expected[2]), (4, expected[4])] {
            match outcome {
                "Created" => drop(fixture.read(&fixture.user, &format!("{run}{n}"))?),
                _ => fixture.absent(&fixture.user, &format!("{run}{n}"))?,
            }
        }
    }
    Ok(())
}

fn undone(fixture: &Fixture<'_>) -> Result<(), String> {
    let (user, group) = (&fixture.user, &fixture.group);
    let ada = fixture.create(second(1), user, "u1", json!({"userName": "ada"}))?;
    let members = json!([{"value": "u1"}]);
    let crew = json!({"displayName": "crew", "members": members});
    let crew = fixture.create(second(1), group, "g1", crew)?;
    let writes = |last| {
        Ok::<_, String>(vec![
            create_user(fixture, "u2", "bo")?,
            rename(fixture, "u1", "eve")?,
            create_user(fixture, "u3", "ada")?,
            join(fixture, "g1", "u3")?,
            delete(user, "u1"),
            last,
            create_user(fixture, "u4", "cy")?,
        ])
    };
    let outcomes = carry_out(
        fixture,
        OnFailure::RollBack,
        writes(create_user(fixture, "u5", "BO")?)?,
    )?;
    let mut expected = ["NotRun"; 7];
    expected[5] = "Taken";
    ensure_eq!(outcomes, expected, "the answers of a batch that fails");
    same(&fixture.read(user, "u1")?, &ada)?;
    same(&fixture.read(group, "g1")?, &crew)?;
    ensure_eq!(ids_of(&fixture.members_of("g1")?), ["u1"], "the members");
    ensure_eq!(ids_of(&fixture.groups_of("u1")?), ["g1"], "the groups");
    for id in ["u2", "u3", "u4", "u5"] {
        fixture.absent(user, id)?;
    }
    let named = fixture.filter(user, r#"userName eq "ada""#)?;
    let found = fixture.ids(&scimkit_store::Query::new(user.clone()).with_predicate(named))?;
    ensure_eq!(found, ["u1"], "the user with the freed name");

    let outcomes = carry_out(
        fixture,
        OnFailure::RollBack,
        writes(create_user(fixture, "u5", "di")?)?,
    )?;
    let expected = [
        "Created", "Updated", "Created", "Updated", "Deleted", "Created", "Created",
    ];
    ensure_eq!(outcomes, expected, "the answers of a batch that succeeds");
    ensure_eq!(ids_of(&fixture.members_of("g1")?), ["u3"], "the members");
    Ok(())
}

fn random_batches(fixture: &Fixture<'_>) -> Result<(), String> {
    batches_under(fixture, &fixture.tenant("alone"), 21)?;
    let accepting = fixture.tenant("accepting").accepting().accepting_cycles();
    batches_under(&accepting, &accepting.tenant("accepting alone"), 22)
}

/// Compares each batch with its writes one by one in another tenant, under the rule of the batch.
fn batches_under(fixture: &Fixture<'_>, alone: &Fixture<'_>, seed: u64) -> Result<(), String> {
    const BATCHES: i64 = 60;
    let mut random = Random::new(seed);
    let mut ids = Vec::new();
    for n in 0..BATCHES {
        let count = 1 + random.below(6);
        let writes: Result<Vec<_>, _> = (0..count)
            .map(|_| any_write(fixture, &mut ids, &mut random))
            .collect();
        let writes = writes?;
        let rule = match random.below(3) {
            0 => OnFailure::Continue,
            1 => OnFailure::RollBack,
            _ => OnFailure::StopAfter(1 + u32::from(random.once_in(2))),
        };
        let before = state(fixture, &ids)?;
        let answers = carry_out(fixture, rule, writes.clone())?;
        let failed = |answers: &[String]| answers.iter().any(|answer| is_failure(answer));
        if rule == OnFailure::RollBack && failed(&answers) {
            let done = answers.iter().filter(|answer| !is_failure(answer));
            ensure_eq!(done.count(), 0, "the writes of a batch that is rolled back");
            let after = state(fixture, &ids)?;
            ensure_eq!(after.len(), before.len(), "the resources after batch {n}");
            for ((now, ends), (then, ends_then)) in after.iter().zip(&before) {
                same(now, then)?;
                ensure_eq!(ends, ends_then, "the edges of `{}` after batch {n}", now.id);
            }
            continue;
        }
        let mut failures = 0;
        for (write, answer) in writes.into_iter().zip(&answers) {
            let expected = if rule.stops(failures) {
                vec!["NotRun".to_owned()]
            } else {
                carry_out(alone, OnFailure::Continue, vec![write])?
            };
            ensure_eq!(
                [answer],
                expected.iter().collect::<Vec<_>>()[..],
                "batch {n}"
            );
            failures += u32::from(is_failure(answer));
        }
        let together = state(fixture, &ids)?;
        let one_by_one = state(alone, &ids)?;
        ensure_eq!(together.len(), one_by_one.len(), "the resources");
        for ((a, members), (b, others)) in together.iter().zip(&one_by_one) {
            ensure_eq!(a.id, b.id, "the resources after batch {n}");
            ensure_eq!(document(a)?, document(b)?, "`{}` after batch {n}", a.id);
            ensure_eq!(members, others, "the edges of `{}` after batch {n}", a.id);
        }
    }
    Ok(())
}

pub(super) fn any_write(
    fixture: &Fixture<'_>,
    ids: &mut Vec<String>,
    random: &mut Random,
) -> Result<WriteOp, String> {
    let users: Vec<_> = ids.iter().filter(|id| id.starts_with('u')).collect();
    let groups: Vec<_> = ids.iter().filter(|id| id.starts_with('g')).collect();
    let user = random.pick(&users).map_or("nobody", |id| id.as_str());
    let group = random.pick(&groups).map_or("nowhere", |id| id.as_str());
    let member = match random.below(4) {
        0 => group.to_owned(),
        // An id that may be created later.
        1 => format!("u{}", ids.len() + 1),
        _ => user.to_owned(),
    };
    match random.below(8) {
        0 => rename(fixture, user, random.word()),
        1 => Ok(delete(&fixture.user, user)),
        2 => Ok(delete(&fixture.group, group)),
        3 => Ok(WriteOp::Update {
            change: fixture.members(&[], &[&member])?,
            expect: ExpectedVersion::Any,
            id: ResourceId::from(group),
        }),
        4 => join(fixture, group, &member),
        5 => {
            let id = format!("g{}", ids.len());
            let body = json!({"displayName": random.word(), "members": [{"value": member}]});
            let change = fixture.body(&fixture.group, body)?;
            ids.push(id.clone());
            Ok(WriteOp::Create {
                existing_match: None,
                change,
                id: ResourceId::from(id),
            })
        }
        _ => {
            let id = format!("u{}", ids.len());
            let write = create_user(fixture, &id, random.word())?;
            ids.push(id);
            Ok(write)
        }
    }
}

/// Returns those of the resources that exist, with their members or groups.
fn state(
    fixture: &Fixture<'_>,
    ids: &[String],
) -> Result<Vec<(StoredResource, Vec<String>)>, String> {
    let mut found = Vec::new();
    for id in ids {
        let kind = if id.starts_with('g') {
            &fixture.group
        } else {
            &fixture.user
        };
        if fixture.absent(kind, id).is_ok() {
            continue;
        }
        let ends = if id.starts_with('g') {
            fixture.members_of(id)?
        } else {
            fixture.groups_of(id)?
        };
        let ends = ids_of(&ends).into_iter().map(str::to_owned).collect();
        found.push((fixture.read(kind, id)?, ends));
    }
    Ok(found)
}

/// Writes a batch, and returns each answer as a word.
fn carry_out(
    fixture: &Fixture<'_>,
    rule: OnFailure,
    writes: Vec<WriteOp>,
) -> Result<Vec<String>, String> {
    let batch = Batch::new(second(2), writes).with_on_failure(rule);
    let count = batch.writes.len();
    let answers = fixture.carry_out(batch)?;
    ensure_eq!(answers.len(), count, "answers to a batch");
    let word = |answer| match answer {
        Ok(scimkit_store::Written { outcome: how, .. }) => format!("{how:?}"),
        Err(StoreError::Cycle { .. }) => "Cycle".to_owned(),
        Err(StoreError::UnknownMembers { .. }) => "Missing".to_owned(),
        Err(StoreError::NotFound) => "NotFound".to_owned(),
        Err(StoreError::Skipped) => "NotRun".to_owned(),
        Err(StoreError::Duplicate { .. }) => "Taken".to_owned(),
        Err(e) => said(&e),
    };
    Ok(answers.into_iter().map(word).collect())
}

fn is_failure(answer: &str) -> bool {
    !["Created", "Deleted", "Unchanged", "Updated"].contains(&answer)
}

fn create_user(fixture: &Fixture<'_>, id: &str, name: &str) -> Result<WriteOp, String> {
    let change = fixture.body(&fixture.user, json!({"userName": name}))?;
    Ok(WriteOp::Create {
        existing_match: None,
        change,
        id: ResourceId::from(id),
    })
}

fn rename(fixture: &Fixture<'_>, id: &str, name: &str) -> Result<WriteOp, String> {
    let change = fixture.setting(&fixture.user, [("userName", json!(name))])?;
    Ok(WriteOp::Update {
        change,
        expect: ExpectedVersion::Any,
        id: ResourceId::from(id),
    })
}

fn join(fixture: &Fixture<'_>, group: &str, user: &str) -> Result<WriteOp, String> {
    Ok(WriteOp::Update {
        change: fixture.members(&[user], &[])?,
        expect: ExpectedVersion::Any,
        id: ResourceId::from(group),
    })
}

fn delete(kind: &Arc<ResourceType>, id: &str) -> WriteOp {
    WriteOp::Delete {
        expect: ExpectedVersion::Any,
        id: ResourceId::from(id),
        kind: Arc::clone(kind),
    }
}
