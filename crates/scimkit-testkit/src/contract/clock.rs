//! Instants of a resource when the clock is set back.

use chrono::{DateTime, Utc};
use scimkit_registry::ResourceId;
use scimkit_store::{ExistingMatch, MatchScope, StoredResource, WriteOp, WriteOutcome};
use serde_json::json;

use super::{
    StoreCheck,
    fixture::{Ground, ensure, ensure_eq, said, second},
};

pub(super) const CHECKS: &[StoreCheck] = &[
    StoreCheck {
        name: "an_update_under_an_earlier_clock_keeps_last_modified",
        run: update,
    },
    StoreCheck {
        name: "a_membership_change_under_an_earlier_clock_keeps_last_modified",
        run: membership,
    },
    StoreCheck {
        name: "a_delete_under_an_earlier_clock_keeps_last_modified_of_its_groups",
        run: cascade,
    },
    StoreCheck {
        name: "an_adoption_under_an_earlier_clock_keeps_last_modified",
        run: adoption,
    },
    StoreCheck {
        name: "a_restore_under_an_earlier_clock_keeps_last_modified",
        run: restore,
    },
    StoreCheck {
        name: "instants_before_1970_are_stored",
        run: before_1970,
    },
];

/// Fails unless a resource was created and last changed at these moments.
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

fn update(ground: &Ground<'_>) -> Result<(), String> {
    let user = &ground.user;
    let created = ground.create(second(10), user, "u1", json!({"userName": "a"}))?;
    let title = ground.setting(user, [("title", json!("b"))])?;
    let updated = ground.update(second(5), "u1", title, WriteOutcome::Updated)?;
    ensure!(
        updated.version != created.version,
        "an update has no version"
    );
    timed(&updated, second(10), second(10))?;
    timed(&ground.read(user, "u1")?, second(10), second(10))?;
    let title = ground.setting(user, [("title", json!("c"))])?;
    let updated = ground.update(second(20), "u1", title, WriteOutcome::Updated)?;
    timed(&updated, second(10), second(20))?;
    let title = ground.setting(user, [("title", json!("d"))])?;
    let updated = ground.update(second(15), "u1", title, WriteOutcome::Updated)?;
    timed(&updated, second(10), second(20))
}

fn membership(ground: &Ground<'_>) -> Result<(), String> {
    let (group, user) = (&ground.group, &ground.user);
    ground.create(second(10), user, "u1", json!({"userName": "a"}))?;
    ground.create(second(10), group, "g1", json!({"displayName": "g"}))?;
    for change in [
        ground.members(&["u1"], &[])?,
        ground.members(&[], &["u1"])?,
        ground.only_members(&["u1"])?,
    ] {
        let updated = ground.update(second(5), "g1", change, WriteOutcome::Updated)?;
        timed(&updated, second(10), second(10))?;
        timed(&ground.read(group, "g1")?, second(10), second(10))?;
    }
    Ok(())
}

fn cascade(ground: &Ground<'_>) -> Result<(), String> {
    let (group, user) = (&ground.group, &ground.user);
    for id in ["u1", "u2"] {
        ground.create(second(1), user, id, json!({"userName": id}))?;
    }
    let body = json!({"displayName": "g", "members": [{"value": "u1"}, {"value": "u2"}]});
    let created = ground.create(second(10), group, "g1", body)?;
    ground.delete(second(5), user, "u1")?;
    let left = ground.read(group, "g1")?;
    ensure!(left.version != created.version, "the group has no version");
    timed(&left, second(10), second(10))?;
    ground.retiring().delete(second(6), user, "u2")?;
    timed(&ground.read(group, "g1")?, second(10), second(10))
}

/// A create that takes over the user with that name.
fn take(
    ground: &Ground<'_>,
    at: i64,
    among: MatchScope,
) -> Result<(WriteOutcome, StoredResource), String> {
    let by = ground.filter(&ground.user, r#"userName eq "a""#)?;
    let write = WriteOp::Create {
        change: ground.body(&ground.user, json!({"userName": "a"}))?,
        existing_match: Some(Box::new(ExistingMatch::new(among, by))),
        id: ResourceId::from("n1"),
    };
    let written = ground.attempt(second(at), &write)?;
    let written = written.map_err(|e| format!("a create: {}", said(&e)))?;
    let stored = written
        .stored
        .ok_or("a create answers without the resource")?;
    Ok((written.outcome, stored))
}

fn adoption(ground: &Ground<'_>) -> Result<(), String> {
    ground.create(second(10), &ground.user, "u1", json!({"userName": "a"}))?;
    let (how, adopted) = take(&ground.through("entra"), 5, MatchScope::Adoptable)?;
    ensure_eq!(how, WriteOutcome::Adopted, "what a create did");
    timed(&adopted, second(10), second(10))?;
    timed(&ground.read(&ground.user, "u1")?, second(10), second(10))
}

fn restore(ground: &Ground<'_>) -> Result<(), String> {
    let user = &ground.user;
    ground.create(second(10), user, "u1", json!({"userName": "a"}))?;
    let title = ground.setting(user, [("title", json!("b"))])?;
    ground.update(second(20), "u1", title, WriteOutcome::Updated)?;
    ground.retiring().delete(second(5), user, "u1")?;
    let (how, restored) = take(&ground.through("entra"), 7, MatchScope::Restorable)?;
    ensure_eq!(how, WriteOutcome::Restored, "what a create did");
    timed(&restored, second(10), second(20))?;
    timed(&ground.read(user, "u1")?, second(10), second(20))
}

fn before_1970(ground: &Ground<'_>) -> Result<(), String> {
    let at = second(-2_000_000_000);
    ensure!(at < DateTime::UNIX_EPOCH, "{at} is not before 1970");
    let user = &ground.user;
    let created = ground.create(at, user, "u1", json!({"userName": "a"}))?;
    timed(&created, at, at)?;
    timed(&ground.read(user, "u1")?, at, at)?;
    let title = ground.setting(user, [("title", json!("b"))])?;
    let later = second(-1_900_000_000);
    timed(
        &ground.update(later, "u1", title, WriteOutcome::Updated)?,
        at,
        later,
    )
}
