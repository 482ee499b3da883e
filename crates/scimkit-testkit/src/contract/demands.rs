//! What a store has to claim before it is asked for it: checks and capacities.

use scimkit_registry::ResourceId;
use scimkit_store::{
    Batch, Expect, Intent, StoreError, Write,
    engine::{BatchAnswer, Capacity},
};
use serde_json::json;

use super::{
    Check,
    ground::{Ground, ensure_eq, said, second},
};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "checked_batch_answers_as_if_written_and_changes_nothing",
        run: checked,
    },
    Check {
        name: "capacity_is_exact_or_rejected_as_unsupported",
        run: capacity,
    },
];

fn checked(ground: &Ground<'_>) -> Result<(), String> {
    ground.needs_ids("a batch can't refer to what it creates")?;
    ground.create(second(1), &ground.user, "u1", json!({"userName": "ada"}))?;
    let before = ground.read(&ground.user, "u1")?.version;
    let writes = || {
        Ok::<_, String>(vec![
            user(ground, "u2", "ADA", true)?,
            Write::Delete {
                expect: Expect::Any,
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
    let expected: &[&str] = match is_supported {
        true => &["Taken", "Deleted", "Created"],
        false => &["Unsupported"],
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
    let limited = ground.under(|settings| settings.capacities = vec![seats]);
    let writes = vec![
        user(ground, "u1", "ada", true)?,
        user(ground, "u2", "bo", false)?,
        user(ground, "u3", "cy", true)?,
        user(ground, "u4", "di", true)?,
    ];
    let expected: &[&str] = match ground.store.support(&ground.user).capacities {
        true => &["Created", "Created", "Created", "CapacityExceeded"],
        false => &["Unsupported"],
    };
    let answers = words(&limited.submit(Batch::new(second(1), writes))?);
    ensure_eq!(answers, expected, "the answers under a capacity of two");
    let active = ground.filter(&ground.user, "active eq true")?;
    let query = scimkit_store::Query::of(ground.user.clone()).matching(active);
    let count = expected.iter().filter(|word| **word == "Created").count();
    let inactive = usize::from(count > 0);
    let found = ground.ids(&query)?.len();
    ensure_eq!(found, count - inactive, "the active users");
    Ok(())
}

fn user(ground: &Ground<'_>, id: &str, name: &str, active: bool) -> Result<Write, String> {
    let body = json!({"userName": name, "active": active});
    Ok(Write::Create {
        change: ground.body(&ground.user, body)?,
        claim: None,
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
        Ok(written) => format!("{:?}", written.how),
        Err(StoreError::CapacityExceeded { .. }) => "CapacityExceeded".to_owned(),
        Err(StoreError::Taken { .. }) => "Taken".to_owned(),
        Err(StoreError::Unsupported { .. }) => "Unsupported".to_owned(),
        Err(other) => said(other),
    }
}
