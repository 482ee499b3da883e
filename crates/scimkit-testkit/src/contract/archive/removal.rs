//! Resources after their connection is removed.

use scimkit_store::{ConnectionId, ExistingMatch, MatchScope, WriteOp, WriteOutcome};
use serde_json::json;

use super::{
    ArchiveCheck,
    store_pair::{Pair, Side, id},
};
use crate::contract::fixture::{ensure, ensure_eq, said, second};

pub(super) const CHECKS: &[ArchiveCheck] = &[ArchiveCheck {
    name: "removing_a_connection_releases_its_resources",
    run: released,
}];

/// Returns the lines of resources, including soft-deleted ones.
fn resources(side: &Side<'_>) -> Result<Vec<String>, String> {
    let lines = side.lines()?;
    let is_of_one = |line: &&str| line.starts_with(r#"{"re"#);
    Ok(lines.lines().filter(is_of_one).map(str::to_owned).collect())
}

fn released(pair: &Pair<'_>) -> Result<(), String> {
    let side = &pair.from;
    let other = pair.from.tenant("other");
    side.fill(4)?;
    other.fill(5)?;
    let (fixture, user) = (&side.fixture, &side.fixture.user);
    let okta = fixture.through("okta");
    okta.create(second(70), user, "x5", json!({"userName": "from okta"}))?;
    let before = resources(side)?;
    let apart = other.lines()?;

    let entra = ConnectionId::from("entra");
    let removed =
        side.store
            .remove_connection(side.id(), &entra, chrono::DateTime::UNIX_EPOCH.into());
    side.run(removed)?
        .map_err(|e| format!("a removal: {}", said(&e)))?;
    let of_entra = r#""connection":"entra","#;
    let released = before.iter().filter(|line| line.contains(of_entra));
    ensure_eq!(released.count(), 3, "what the connection had");
    let expected: Vec<_> = before
        .iter()
        .map(|line| line.replace(of_entra, ""))
        .collect();
    ensure_eq!(resources(side)?, expected, "resources after a removal");
    ensure_eq!(other.lines()?, apart, "another tenant after a removal");

    let by = fixture.filter(user, r#"userName eq "from entra""#)?;
    let write = WriteOp::Create {
        change: fixture.body(user, json!({"userName": "from entra"}))?,
        existing_match: Some(Box::new(ExistingMatch::new(MatchScope::Adoptable, by))),
        id: id("n1"),
    };
    let adopted = okta.attempt(second(71), &write)?;
    let adopted = adopted.map_err(|e| format!("an adoption: {}", said(&e)))?;
    ensure_eq!(
        adopted.outcome,
        WriteOutcome::Adopted,
        "a create through another connection"
    );
    let stored = adopted
        .stored
        .ok_or("a create answers without the resource")?;
    ensure!(stored.id == id("x1"), "another one was adopted");
    Ok(())
}
