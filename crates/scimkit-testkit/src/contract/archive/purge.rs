//! Purging soft-deleted resources.

use scimkit_store::{ExistingMatch, MatchScope, StoreError, WriteOp, WriteOutcome};
use serde_json::json;

use super::{
    ArchiveCheck,
    store_pair::{Pair, id},
};
use crate::contract::fixture::{ensure_eq, said, second};

pub(super) const CHECKS: &[ArchiveCheck] = &[
    ArchiveCheck {
        name: "purge_removes_old_soft_deleted_resources",
        run: long_ago,
    },
    ArchiveCheck {
        name: "purged_resource_is_not_restored",
        run: gone,
    },
];

/// Purges resources that `fill` has soft-deleted: `u03`, `u04`, `g02` and `x3`, in that order.
fn long_ago(pair: &Pair<'_>) -> Result<(), String> {
    let acme = &pair.from;
    let other = pair.from.tenant("other");
    let missing = acme.run(
        acme.store
            .purge_deleted(&acme.fixture.context.tenant, second(0)),
    )?;
    if !matches!(missing, Err(StoreError::NotFound)) {
        return Err(format!("{missing:?} for a missing tenant"));
    }
    acme.fill(11)?;
    other.fill(12)?;
    let lines = acme.lines()?;
    let others = other.lines()?;
    ensure_eq!(acme.forget(second(30))?, 0, "deleted before the first");
    ensure_eq!(acme.lines()?, lines, "the lines if all were deleted later");
    ensure_eq!(acme.forget(second(32))?, 2, "deleted before the third");
    let is_old = |line: &&str| {
        line.starts_with(r#"{"retired""#)
            && ["u03", "u04"]
                .iter()
                .any(|id| line.contains(&format!(r#""id":"{id}""#)))
    };
    let rest = |lines: &str, retired: u64| {
        let lines = lines.replace(r#""retired":4}"#, &format!(r#""retired":{retired}}}"#));
        let lines = lines.lines().filter(|line| !is_old(line));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    ensure_eq!(acme.lines()?, rest(&lines, 2), "the lines of the others");
    ensure_eq!(acme.forget(second(32))?, 0, "the second time");
    ensure_eq!(other.lines()?, others, "the lines of another tenant");
    // The remaining resources are unchanged.
    pair.to.restored(&acme.lines()?)?;
    ensure_eq!(pair.to.lines()?, acme.lines()?, "the lines of the copy");
    ensure_eq!(acme.forget(second(1_000))?, 2, "the remaining resources");
    Ok(())
}

/// A purged name matches no resource, and a purged id can be used again.
fn gone(pair: &Pair<'_>) -> Result<(), String> {
    pair.from.fill(13)?;
    ensure_eq!(
        pair.from.forget(second(1_000))?,
        4,
        "all soft-deleted resources"
    );
    let fixture = &pair.from.fixture;
    let user = &fixture.user;
    let who = fixture.filter(user, r#"userName eq "gone again""#)?;
    let write = WriteOp::Create {
        change: fixture.body(user, json!({"userName": "gone again"}))?,
        existing_match: Some(Box::new(ExistingMatch::new(MatchScope::Both, who))),
        id: id("n1"),
    };
    let made = fixture.attempt(second(50), &write)?.map_err(|e| said(&e))?;
    ensure_eq!(
        made.outcome,
        WriteOutcome::Created,
        "a create of what is forgotten"
    );
    fixture.create(second(51), user, "x3", json!({"userName": "another"}))?;
    let stored = fixture.read(user, "x3")?;
    ensure_eq!(
        stored.created,
        second(51),
        "when another of that id was made"
    );
    Ok(())
}
