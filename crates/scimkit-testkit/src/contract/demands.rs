//! The optional capabilities of a store: checks, capacities and pinned matches.

use scimkit_registry::ResourceId;
use scimkit_store::{
    Batch, Candidate, DeletePolicy, ExistingMatch, ExpectedVersion, Intent, MatchPin, MatchScope,
    OnFailure, Query, StoreError, WriteOp, WriteOutcome,
    engine::{BatchAnswer, Capacity},
};
use serde_json::json;

use super::{
    StoreCheck,
    fixture::{Fixture, ensure, ensure_eq, said, second},
};

pub(super) const CHECKS: &[StoreCheck] = &[
    StoreCheck {
        name: "checked_batch_returns_its_answers_and_changes_nothing",
        run: checked,
    },
    StoreCheck {
        name: "capacity_is_exact_or_rejected_as_unsupported",
        run: capacity,
    },
    StoreCheck {
        name: "capacity_counts_the_writes_of_every_policy",
        run: policies,
    },
    StoreCheck {
        name: "minimum_holds_for_deletes_and_updates",
        run: minimum,
    },
    StoreCheck {
        name: "pinned_match_is_the_checked_one_or_is_rejected",
        run: pinned,
    },
    StoreCheck {
        name: "total_follows_every_kind_of_write",
        run: totals,
    },
];

fn checked(fixture: &Fixture<'_>) -> Result<(), String> {
    fixture.needs_ids("a batch can't refer to what it creates")?;
    fixture.create(second(1), &fixture.user, "u1", json!({"userName": "ada"}))?;
    let before = fixture.read(&fixture.user, "u1")?.version;
    let writes = || {
        Ok::<_, String>(vec![
            user(fixture, "u2", "ADA", true)?,
            WriteOp::Delete {
                expect: ExpectedVersion::Any,
                id: ResourceId::from("u1"),
                kind: fixture.user.clone(),
            },
            user(fixture, "u2", "ADA", true)?,
        ])
    };
    let is_supported = fixture.store.support(&fixture.user).check;
    let answers = |intent| {
        let mut batch = Batch::new(second(2), writes()?);
        batch.intent = intent;
        Ok::<_, String>(words(&fixture.submit(batch)?))
    };
    let expected: &[&str] = if is_supported {
        &["Taken", "Deleted", "Created"]
    } else {
        &["Unsupported"]
    };
    ensure_eq!(answers(Intent::Check)?, expected, "the answers to a check");
    let now = fixture.read(&fixture.user, "u1")?.version;
    ensure_eq!(now, before, "the version after a check");
    fixture.absent(&fixture.user, "u2")?;
    let expected = ["Taken", "Deleted", "Created"];
    let written = answers(Intent::Commit)?;
    ensure_eq!(written, expected, "the answers to the batch itself");
    fixture.absent(&fixture.user, "u1")
}

fn capacity(fixture: &Fixture<'_>) -> Result<(), String> {
    fixture.needs_filter()?;
    let active = fixture.filter(&fixture.user, "active eq true")?;
    let seats = Capacity::new("seats", fixture.user.clone(), active, 2);
    let limited = fixture.under(|settings| settings.policy.capacities = vec![seats]);
    let writes = vec![
        user(fixture, "u1", "ada", true)?,
        user(fixture, "u2", "bo", false)?,
        user(fixture, "u3", "cy", true)?,
        user(fixture, "u4", "di", true)?,
    ];
    let expected: &[&str] = if fixture.store.support(&fixture.user).capacities {
        &["Created", "Created", "Created", "CapacityExceeded"]
    } else {
        &["Unsupported"]
    };
    let answers = words(&limited.submit(Batch::new(second(1), writes))?);
    ensure_eq!(answers, expected, "the answers under a capacity of two");
    let active = fixture.filter(&fixture.user, "active eq true")?;
    let query = Query::new(fixture.user.clone()).with_predicate(active);
    let count = expected.iter().filter(|word| **word == "Created").count();
    let inactive = usize::from(count > 0);
    let found = fixture.ids(&query)?.len();
    ensure_eq!(found, count - inactive, "the active users");
    Ok(())
}

fn policies(fixture: &Fixture<'_>) -> Result<(), String> {
    fixture.needs_filter()?;
    let limits = fixture.store.support(&fixture.user).capacities;
    fixture.needs(limits, "the store has no capacities")?;
    let active = || fixture.filter(&fixture.user, "active eq true");
    let limited = |filter, limit| {
        let seats = Capacity::new("seats", fixture.user.clone(), filter, limit);
        fixture.under(|settings| settings.policy.capacities = vec![seats])
    };
    let limited = [limited(active()?, 2), limited(active()?, 3)];
    let create = |fixture: &Fixture<'_>, id: &str, is_active| {
        let write = user(fixture, id, id, is_active)?;
        Ok::<_, String>(word(&fixture.attempt(second(1), &write)?))
    };
    let expected = "CapacityExceeded";
    ensure_eq!(create(&limited[0], "u1", true)?, "Created", "the first");
    ensure_eq!(create(fixture, "u2", true)?, "Created", "without a limit");
    ensure_eq!(create(&limited[0], "u3", true)?, expected, "a third of two");
    ensure_eq!(
        create(&limited[1], "u3", true)?,
        "Created",
        "a third of three"
    );
    fixture.create(second(1), &fixture.group, "g1", json!({"displayName": "g"}))?;
    ensure_eq!(
        create(&limited[1], "u4", true)?,
        expected,
        "a fourth of three"
    );
    ensure_eq!(
        create(&limited[0], "u4", false)?,
        "Created",
        "one that does not count"
    );
    let id = fixture.ids(&Query::new(fixture.user.clone()).with_predicate(active()?))?;
    let id = id.first().ok_or("there are no active users")?;
    fixture.delete(second(2), &fixture.user, id)?;
    ensure_eq!(
        create(&limited[0], "u5", true)?,
        expected,
        "a third after a delete"
    );
    ensure_eq!(
        create(&limited[1], "u5", true)?,
        "Created",
        "one in the place of another"
    );
    Ok(())
}

fn minimum(fixture: &Fixture<'_>) -> Result<(), String> {
    fixture.needs_filter()?;
    let limits = fixture.store.support(&fixture.user).capacities;
    fixture.needs(limits, "the store has no capacities")?;
    fixture.needs_ids("what is created can't be changed in the same batch")?;
    let active = fixture.filter(&fixture.user, "active eq true")?;
    let one = Capacity::at_least("administrators", fixture.user.clone(), active, 1);
    let limited = fixture.under(|settings| settings.policy.capacities = vec![one]);
    let create = |id: &str| user(fixture, id, id, true);
    let set = |id: &str, active: bool| {
        let body = fixture.body(&fixture.user, json!({"userName": id, "active": active}))?;
        Ok::<_, String>(WriteOp::Update {
            change: body,
            expect: ExpectedVersion::Any,
            id: ResourceId::from(id),
        })
    };
    let delete = |id: &str| WriteOp::Delete {
        expect: ExpectedVersion::Any,
        id: ResourceId::from(id),
        kind: fixture.user.clone(),
    };
    for (what, writes, expected) in [
        (
            "two creates",
            vec![create("u1")?, create("u2")?],
            vec!["Created", "Created"],
        ),
        ("the first of two", vec![set("u1", false)?], vec!["Updated"]),
        (
            "the last",
            vec![set("u2", false)?, delete("u2"), delete("u1")],
            vec!["TooFewLeft", "TooFewLeft", "Deleted"],
        ),
        (
            "the last and its successor",
            vec![create("u3")?, delete("u2"), delete("u3")],
            vec!["Created", "Deleted", "TooFewLeft"],
        ),
    ] {
        let answers = words(&limited.submit(Batch::new(second(1), writes))?);
        ensure_eq!(answers, expected, "{what}");
    }
    fixture.delete(second(2), &fixture.user, "u3")
}

fn pinned(fixture: &Fixture<'_>) -> Result<(), String> {
    fixture.needs_filter()?;
    let support = fixture.store.support(&fixture.user);
    fixture.needs(
        support.existing_matches,
        "the store matches no existing resources",
    )?;
    let existing_match = |pin: Option<MatchPin>| {
        let by = fixture.filter(&fixture.user, r#"userName eq "ada""#)?;
        let mut existing_match = ExistingMatch::new(MatchScope::Adoptable, by);
        existing_match.pin = pin;
        let mut write = user(fixture, "n1", "ada", true)?;
        if let WriteOp::Create {
            existing_match: place,
            ..
        } = &mut write
        {
            *place = Some(Box::new(existing_match));
        }
        Ok::<_, String>(write)
    };
    let entra = fixture.through("entra");
    let send = |intent, pin| {
        let mut batch = Batch::new(second(2), vec![existing_match(pin)?]);
        batch.intent = intent;
        Ok::<_, String>(match entra.submit(batch)? {
            Ok(answers) => answers
                .into_iter()
                .next()
                .unwrap_or(Err(StoreError::Skipped)),
            Err(error) => Err(error),
        })
    };
    if !support.match_pins {
        let answer = send(Intent::Commit, Some(MatchPin::NoCandidate))?;
        ensure_eq!(word(&answer), "Unsupported", "an unsupported pin");
        return Ok(());
    }
    let check = || Ok::<_, String>(send(Intent::Check, None)?.map_err(|e| said(&e))?.pin());
    ensure_eq!(check()?, MatchPin::NoCandidate, "the pin without a match");
    fixture.create(second(1), &fixture.user, "h1", json!({"userName": "ada"}))?;
    let none = send(Intent::Commit, Some(MatchPin::NoCandidate))?;
    ensure_eq!(
        word(&none),
        "OtherCandidate",
        "a create that expects no match"
    );
    let seen = check()?;
    let title = fixture.setting(&fixture.user, [("title", json!("Dr"))])?;
    fixture.update(second(1), "h1", title, WriteOutcome::Updated)?;
    let stale = send(Intent::Commit, Some(seen))?;
    ensure_eq!(
        word(&stale),
        "Stale",
        "a create that expects an older version"
    );
    let checked = send(Intent::Check, None)?.map_err(|e| said(&e))?;
    let before = checked.before.as_deref();
    let found = before.map(|before| {
        let text = before.document.text();
        let has_title = text.windows(4).any(|part| part == br#""Dr""#);
        let candidate = Candidate::new(before.id.clone(), before.version.clone());
        (candidate, before.owner.as_ref(), has_title)
    });
    ensure_eq!(
        found,
        checked.candidate.clone().map(|found| (found, None, true)),
        "the resource that a check finds, as it is before"
    );
    ensure!(checked.candidate.is_some(), "the check found no resource");
    let seen = checked.pin();
    let taken = send(Intent::Commit, Some(seen.clone()))?;
    ensure_eq!(
        word(&taken),
        "Adopted",
        "a create that expects this version"
    );
    fixture.delete(second(3), &fixture.user, "h1")?;
    let gone = send(Intent::Commit, Some(seen))?;
    ensure_eq!(
        word(&gone),
        "OtherCandidate",
        "a create that expects a deleted user"
    );
    Ok(())
}

fn totals(fixture: &Fixture<'_>) -> Result<(), String> {
    fixture.needs_ids("what is created can't be deleted in the same batch")?;
    let expect = |expected: u64, after: &str| {
        ensure_eq!(
            fixture.total(&fixture.user)?,
            expected,
            "the total after {after}"
        );
        let all = fixture.ids(&Query::new(fixture.user.clone()))?.len();
        ensure_eq!(all as u64, expected, "the users after {after}");
        Ok::<_, String>(())
    };
    let remove = |id: &str| WriteOp::Delete {
        expect: ExpectedVersion::Any,
        id: ResourceId::from(id),
        kind: fixture.user.clone(),
    };
    let create = |id: &str| user(fixture, id, id, true);
    expect(0, "nothing")?;
    let writes = vec![
        create("u1")?,
        create("u2")?,
        create("u3")?,
        user(fixture, "u4", "U1", true)?,
    ];
    fixture.write(second(1), writes)?;
    expect(3, "three creates and one that fails")?;
    let undone = vec![create("u5")?, remove("u1"), remove("u6")];
    let undone = Batch::new(second(1), undone).with_on_failure(OnFailure::RollBack);
    fixture.carry_out(undone)?;
    expect(3, "a batch that is rolled back")?;
    fixture.write(second(1), vec![create("u5")?, remove("u5"), remove("u1")])?;
    expect(2, "a create with its delete, and a delete")?;
    fixture
        .tenant("other")
        .create(second(1), &fixture.user, "u1", json!({"userName": "x"}))?;
    expect(2, "a create in another tenant")?;
    fixture.needs_soft_delete()?;
    let soft = fixture.under(|settings| settings.policy.delete_policy = DeletePolicy::Soft);
    soft.write(second(2), vec![remove("u2")])?;
    expect(1, "a soft delete")?;
    fixture.needs_filter()?;
    let by = fixture.filter(&fixture.user, r#"userName eq "u2""#)?;
    let mut write = create("u9")?;
    if let WriteOp::Create { existing_match, .. } = &mut write {
        *existing_match = Some(Box::new(ExistingMatch::new(MatchScope::Restorable, by)));
    }
    fixture.write(second(3), vec![write])?;
    expect(2, "a restore")
}

fn user(fixture: &Fixture<'_>, id: &str, name: &str, active: bool) -> Result<WriteOp, String> {
    let body = json!({"userName": name, "active": active});
    Ok(WriteOp::Create {
        change: fixture.body(&fixture.user, body)?,
        existing_match: None,
        id: ResourceId::from(id),
    })
}

/// Returns the answers to a batch, or the error of the whole batch, as words.
fn words(answer: &BatchAnswer) -> Vec<String> {
    match answer {
        Ok(answers) => answers.iter().map(word).collect(),
        Err(error) => vec![word(&Err(error.clone()))],
    }
}

fn word(answer: &Result<scimkit_store::Written, StoreError>) -> String {
    match answer {
        Ok(written) => format!("{:?}", written.outcome),
        Err(StoreError::CapacityExceeded { .. }) => "CapacityExceeded".to_owned(),
        Err(StoreError::OtherCandidate { .. }) => "OtherCandidate".to_owned(),
        Err(StoreError::VersionMismatch { .. }) => "Stale".to_owned(),
        Err(StoreError::Duplicate { .. }) => "Taken".to_owned(),
        Err(StoreError::TooFewLeft { .. }) => "TooFewLeft".to_owned(),
        Err(StoreError::Unsupported { .. }) => "Unsupported".to_owned(),
        Err(other) => said(other),
    }
}
