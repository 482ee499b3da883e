//! The optional capabilities of a store: checks, capacities and pinned matches.

use scimkit_registry::ResourceId;
use scimkit_store::{
    Batch, DeletePolicy, ExistingMatch, ExpectedVersion, Intent, MatchPin, MatchScope, OnFailure,
    Query, StoreError, WriteOp, WriteOutcome,
    engine::{BatchAnswer, Capacity},
};
use serde_json::json;

use super::{
    StoreCheck,
    fixture::{Ground, ensure_eq, said, second},
};

pub(super) const CHECKS: &[StoreCheck] = &[
    StoreCheck {
        name: "checked_batch_answers_as_if_written_and_changes_nothing",
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
        name: "pinned_claim_takes_what_was_checked_or_is_rejected",
        run: pinned,
    },
    StoreCheck {
        name: "total_follows_every_kind_of_write",
        run: totals,
    },
];

fn checked(ground: &Ground<'_>) -> Result<(), String> {
    ground.needs_ids("a batch can't refer to what it creates")?;
    ground.create(second(1), &ground.user, "u1", json!({"userName": "ada"}))?;
    let before = ground.read(&ground.user, "u1")?.version;
    let writes = || {
        Ok::<_, String>(vec![
            user(ground, "u2", "ADA", true)?,
            WriteOp::Delete {
                expect: ExpectedVersion::Any,
                id: ResourceId::from("u1"),
                kind: ground.user.clone(),
            },
            user(ground, "u2", "ADA", true)?,
        ])
    };
    let is_supported = ground.store.support(&ground.user).check;
    let answers = |intent| {
        let mut batch = Batch::new(second(2), writes()?);
        batch.intent = intent;
        Ok::<_, String>(words(&ground.submit(batch)?))
    };
    let expected: &[&str] = if is_supported {
        &["Taken", "Deleted", "Created"]
    } else {
        &["Unsupported"]
    };
    ensure_eq!(answers(Intent::Check)?, expected, "the answers to a check");
    let now = ground.read(&ground.user, "u1")?.version;
    ensure_eq!(now, before, "the version after a check");
    ground.absent(&ground.user, "u2")?;
    let expected = ["Taken", "Deleted", "Created"];
    let written = answers(Intent::Commit)?;
    ensure_eq!(written, expected, "the answers to the batch itself");
    ground.absent(&ground.user, "u1")
}

fn capacity(ground: &Ground<'_>) -> Result<(), String> {
    ground.needs_filter()?;
    let active = ground.filter(&ground.user, "active eq true")?;
    let seats = Capacity::new("seats", ground.user.clone(), active, 2);
    let limited = ground.under(|settings| settings.policy.capacities = vec![seats]);
    let writes = vec![
        user(ground, "u1", "ada", true)?,
        user(ground, "u2", "bo", false)?,
        user(ground, "u3", "cy", true)?,
        user(ground, "u4", "di", true)?,
    ];
    let expected: &[&str] = if ground.store.support(&ground.user).capacities {
        &["Created", "Created", "Created", "CapacityExceeded"]
    } else {
        &["Unsupported"]
    };
    let answers = words(&limited.submit(Batch::new(second(1), writes))?);
    ensure_eq!(answers, expected, "the answers under a capacity of two");
    let active = ground.filter(&ground.user, "active eq true")?;
    let query = Query::new(ground.user.clone()).with_predicate(active);
    let count = expected.iter().filter(|word| **word == "Created").count();
    let inactive = usize::from(count > 0);
    let found = ground.ids(&query)?.len();
    ensure_eq!(found, count - inactive, "the active users");
    Ok(())
}

fn policies(ground: &Ground<'_>) -> Result<(), String> {
    ground.needs_filter()?;
    let limits = ground.store.support(&ground.user).capacities;
    ground.needs(limits, "the store limits nothing")?;
    let active = || ground.filter(&ground.user, "active eq true");
    let limited = |filter, limit| {
        let seats = Capacity::new("seats", ground.user.clone(), filter, limit);
        ground.under(|settings| settings.policy.capacities = vec![seats])
    };
    let limited = [limited(active()?, 2), limited(active()?, 3)];
    let create = |ground: &Ground<'_>, id: &str, is_active| {
        let write = user(ground, id, id, is_active)?;
        Ok::<_, String>(word(&ground.attempt(second(1), &write)?))
    };
    let expected = "CapacityExceeded";
    ensure_eq!(create(&limited[0], "u1", true)?, "Created", "the first");
    ensure_eq!(create(ground, "u2", true)?, "Created", "without a limit");
    ensure_eq!(create(&limited[0], "u3", true)?, expected, "a third of two");
    ensure_eq!(
        create(&limited[1], "u3", true)?,
        "Created",
        "a third of three"
    );
    ground.create(second(1), &ground.group, "g1", json!({"displayName": "g"}))?;
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
    let id = ground.ids(&Query::new(ground.user.clone()).with_predicate(active()?))?;
    let id = id.first().ok_or("there are no active users")?;
    ground.delete(second(2), &ground.user, id)?;
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

fn pinned(ground: &Ground<'_>) -> Result<(), String> {
    ground.needs_filter()?;
    let support = ground.store.support(&ground.user);
    ground.needs(
        support.existing_matches,
        "the store takes no resource for a create",
    )?;
    let existing_match = |pin: Option<MatchPin>| {
        let by = ground.filter(&ground.user, r#"userName eq "ada""#)?;
        let mut existing_match = ExistingMatch::new(MatchScope::Adoptable, by);
        existing_match.pin = pin;
        let mut write = user(ground, "n1", "ada", true)?;
        if let WriteOp::Create {
            existing_match: place,
            ..
        } = &mut write
        {
            *place = Some(Box::new(existing_match));
        }
        Ok::<_, String>(write)
    };
    let entra = ground.through("entra");
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
        ensure_eq!(
            word(&answer),
            "Unsupported",
            "a pin that the store does not know"
        );
        return Ok(());
    }
    let check = || Ok::<_, String>(send(Intent::Check, None)?.map_err(|e| said(&e))?.pin());
    ensure_eq!(check()?, MatchPin::NoCandidate, "what is found of nobody");
    ground.create(second(1), &ground.user, "h1", json!({"userName": "ada"}))?;
    let none = send(Intent::Commit, Some(MatchPin::NoCandidate))?;
    ensure_eq!(
        word(&none),
        "OtherCandidate",
        "a create that expects nobody"
    );
    let seen = check()?;
    let title = ground.setting(&ground.user, [("title", json!("Dr"))])?;
    ground.update(second(1), "h1", title, WriteOutcome::Updated)?;
    let stale = send(Intent::Commit, Some(seen))?;
    ensure_eq!(
        word(&stale),
        "Stale",
        "a create that expects an older version"
    );
    let seen = check()?;
    let taken = send(Intent::Commit, Some(seen.clone()))?;
    ensure_eq!(
        word(&taken),
        "Adopted",
        "a create that expects this version"
    );
    ground.delete(second(3), &ground.user, "h1")?;
    let gone = send(Intent::Commit, Some(seen))?;
    ensure_eq!(
        word(&gone),
        "OtherCandidate",
        "a create that expects somebody who is gone"
    );
    Ok(())
}

fn totals(ground: &Ground<'_>) -> Result<(), String> {
    ground.needs_ids("what is created can't be deleted in the same batch")?;
    let expect = |expected: u64, after: &str| {
        ensure_eq!(
            ground.total(&ground.user)?,
            expected,
            "the total after {after}"
        );
        let all = ground.ids(&Query::new(ground.user.clone()))?.len();
        ensure_eq!(all as u64, expected, "the users after {after}");
        Ok::<_, String>(())
    };
    let remove = |id: &str| WriteOp::Delete {
        expect: ExpectedVersion::Any,
        id: ResourceId::from(id),
        kind: ground.user.clone(),
    };
    let create = |id: &str| user(ground, id, id, true);
    expect(0, "nothing")?;
    let writes = vec![
        create("u1")?,
        create("u2")?,
        create("u3")?,
        user(ground, "u4", "U1", true)?,
    ];
    ground.write(second(1), writes)?;
    expect(3, "three creates and one that fails")?;
    let undone = vec![create("u5")?, remove("u1"), remove("u6")];
    let undone = Batch::new(second(1), undone).with_on_failure(OnFailure::RollBack);
    ground.carry_out(undone)?;
    expect(3, "a batch that is undone")?;
    ground.write(second(1), vec![create("u5")?, remove("u5"), remove("u1")])?;
    expect(2, "one that comes and goes, and a delete")?;
    ground
        .tenant("other")
        .create(second(1), &ground.user, "u1", json!({"userName": "x"}))?;
    expect(2, "a create in another tenant")?;
    ground.needs_soft_delete()?;
    let soft = ground.under(|settings| settings.policy.delete_policy = DeletePolicy::Soft);
    soft.write(second(2), vec![remove("u2")])?;
    expect(1, "a soft delete")?;
    ground.needs_filter()?;
    let by = ground.filter(&ground.user, r#"userName eq "u2""#)?;
    let mut write = create("u9")?;
    if let WriteOp::Create { existing_match, .. } = &mut write {
        *existing_match = Some(Box::new(ExistingMatch::new(MatchScope::Restorable, by)));
    }
    ground.write(second(3), vec![write])?;
    expect(2, "a restore")
}

fn user(ground: &Ground<'_>, id: &str, name: &str, active: bool) -> Result<WriteOp, String> {
    let body = json!({"userName": name, "active": active});
    Ok(WriteOp::Create {
        change: ground.body(&ground.user, body)?,
        existing_match: None,
        id: ResourceId::from(id),
    })
}

/// The answers to a batch, or why it failed as a whole.
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
        Err(StoreError::Unsupported { .. }) => "Unsupported".to_owned(),
        Err(other) => said(other),
    }
}
