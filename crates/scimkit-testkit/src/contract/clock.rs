//! Timestamps of a resource when the clock is set back.

use chrono::{DateTime, Utc};
use scimkit_registry::ResourceId;
use scimkit_store::{ExistingMatch, MatchScope, StoredResource, WriteOp, WriteOutcome};
use serde_json::json;

use super::{
    StoreCheck,
    fixture::{Fixture, ensure, ensure_eq, said, second},
};

pub(super) const CHECKS: &[StoreCheck] = &[
    StoreCheck {
        name: "update_under_an_earlier_clock_keeps_last_modified",
        run: update,
    },
    StoreCheck {
        name: "membership_change_under_an_earlier_clock_keeps_last_modified",
        run: membership,
    },
    StoreCheck {
        name: "delete_under_an_earlier_clock_keeps_last_modified_of_its_groups",
        run: cascade,
    },
    StoreCheck {
        name: "adoption_under_an_earlier_clock_keeps_last_modified",
        run: adoption,
    },
    StoreCheck {
        name: "restore_under_an_earlier_clock_keeps_last_modified",
        run: restore,
    },
    StoreCheck {
        name: "instants_before_1970_are_stored",
        run: before_1970,
    },
];

/// Fails unless the resource has these timestamps.
fn timed(
    stored: &StoredResource,
    created: DateTime<Utc>,
    modified: DateTime<Utc>,
) -> Result<(), String> {
    ensure_eq!(stored.created, created, "created of `{}`", stored.id);
    ensure_eq!(
        stored.last_modified,
        modified,
        "lastModified of `{}`",
        stored.id
    );
    Ok(())
}

fn update(fixture: &Fixture<'_>) -> Result<(), String> {
    let user = &fixture.user;
    let created = fixture.create(second(10), user, "u1", json!({"userName": "a"}))?;
    let title = fixture.setting(user, [("title", json!("b"))])?;
    let updated = fixture.update(second(5), "u1", title, WriteOutcome::Updated)?;
    ensure!(
        updated.version != created.version,
        "an update has no new version"
    );
    timed(&updated, second(10), second(10))?;
    timed(&fixture.read(user, "u1")?, second(10), second(10))?;
    let title = fixture.setting(user, [("title", json!("c"))])?;
    let updated = fixture.update(second(20), "u1", title, WriteOutcome::Updated)?;
    timed(&updated, second(10), second(20))?;
    let title = fixture.setting(user, [("title", json!("d"))])?;
    let updated = fixture.update(second(15), "u1", title, WriteOutcome::Updated)?;
    timed(&updated, second(10), second(20))
}

fn membership(fixture: &Fixture<'_>) -> Result<(), String> {
    let (group, user) = (&fixture.group, &fixture.user);
    fixture.create(second(10), user, "u1", json!({"userName": "a"}))?;
    fixture.create(second(10), group, "g1", json!({"displayName": "g"}))?;
    for change in [
        fixture.members(&["u1"], &[])?,
        fixture.members(&[], &["u1"])?,
        fixture.only_members(&["u1"])?,
    ] {
        let updated = fixture.update(second(5), "g1", change, WriteOutcome::Updated)?;
        timed(&updated, second(10), second(10))?;
        timed(&fixture.read(group, "g1")?, second(10), second(10))?;
    }
    Ok(())
}

fn cascade(fixture: &Fixture<'_>) -> Result<(), String> {
    let (group, user) = (&fixture.group, &fixture.user);
    for id in ["u1", "u2"] {
        fixture.create(second(1), user, id, json!({"userName": id}))?;
    }
    let body = json!({"displayName": "g", "members": [{"value": "u1"}, {"value": "u2"}]});
    let created = fixture.create(second(10), group, "g1", body)?;
    fixture.delete(second(5), user, "u1")?;
    let left = fixture.read(group, "g1")?;
    ensure!(
        left.version != created.version,
        "the group has no new version"
    );
    timed(&left, second(10), second(10))?;
    fixture.retiring().delete(second(6), user, "u2")?;
    timed(&fixture.read(group, "g1")?, second(10), second(10))
}

/// Creates a user that takes over the user with that name.
fn take(
    fixture: &Fixture<'_>,
    at: i64,
    scope: MatchScope,
) -> Result<(WriteOutcome, StoredResource), String> {
    let by = fixture.filter(&fixture.user, r#"userName eq "a""#)?;
    let write = WriteOp::Create {
        change: fixture.body(&fixture.user, json!({"userName": "a"}))?,
        existing_match: Some(Box::new(ExistingMatch::new(scope, by))),
        id: ResourceId::from("n1"),
    };
    let written = fixture.attempt(second(at), &write)?;
    let written = written.map_err(|e| format!("a create: {}", said(&e)))?;
    let stored = written
        .stored
        .ok_or("a create answers without the resource")?;
    Ok((written.outcome, stored))
}

fn adoption(fixture: &Fixture<'_>) -> Result<(), String> {
    fixture.create(second(10), &fixture.user, "u1", json!({"userName": "a"}))?;
    let (how, adopted) = take(&fixture.through("entra"), 5, MatchScope::Adoptable)?;
    ensure_eq!(how, WriteOutcome::Adopted, "the outcome of a create");
    timed(&adopted, second(10), second(10))?;
    timed(&fixture.read(&fixture.user, "u1")?, second(10), second(10))
}

fn restore(fixture: &Fixture<'_>) -> Result<(), String> {
    let user = &fixture.user;
    fixture.create(second(10), user, "u1", json!({"userName": "a"}))?;
    let title = fixture.setting(user, [("title", json!("b"))])?;
    fixture.update(second(20), "u1", title, WriteOutcome::Updated)?;
    fixture.retiring().delete(second(5), user, "u1")?;
    let (how, restored) = take(&fixture.through("entra"), 7, MatchScope::Restorable)?;
    ensure_eq!(how, WriteOutcome::Restored, "the outcome of a create");
    timed(&restored, second(10), second(20))?;
    timed(&fixture.read(user, "u1")?, second(10), second(20))
}

fn before_1970(fixture: &Fixture<'_>) -> Result<(), String> {
    let at = second(-2_000_000_000);
    ensure!(at < DateTime::UNIX_EPOCH, "{at} is not before 1970");
    let user = &fixture.user;
    let created = fixture.create(at, user, "u1", json!({"userName": "a"}))?;
    timed(&created, at, at)?;
    timed(&fixture.read(user, "u1")?, at, at)?;
    let title = fixture.setting(user, [("title", json!("b"))])?;
    let later = second(-1_900_000_000);
    timed(
        &fixture.update(later, "u1", title, WriteOutcome::Updated)?,
        at,
        later,
    )
}
