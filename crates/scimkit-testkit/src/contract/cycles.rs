//! Groups in groups: in rings only where that is allowed, and then nothing loops.

use scimkit_registry::{Change, ResourceId};
use scimkit_store::{Query, StoreError, WriteOp, WriteOutcome};
use serde_json::json;

use super::{
    StoreCheck,
    fixture::{Ground, ensure, ensure_eq, said, second},
    members::{group, groups, members, update, users},
    resources::same,
};

pub(super) const CHECKS: &[StoreCheck] = &[
    StoreCheck {
        name: "a_group_in_itself_is_refused",
        run: itself,
    },
    StoreCheck {
        name: "groups_in_a_ring_are_refused",
        run: rings,
    },
    StoreCheck {
        name: "groups_may_meet_again_below",
        run: diamonds,
    },
    StoreCheck {
        name: "a_ring_through_a_group_to_come_is_refused",
        run: later,
    },
    StoreCheck {
        name: "cycles_are_accepted_where_told_and_end",
        run: accepted,
    },
    StoreCheck {
        name: "an_accepted_cycle_is_in_no_other_writes_way",
        run: in_nobodys_way,
    },
    StoreCheck {
        name: "a_deleted_group_opens_its_ring",
        run: opened,
    },
];

fn itself(ground: &Ground<'_>) -> Result<(), String> {
    users(ground)?;
    let body = json!({"displayName": "g", "members": [{"value": "u1"}, {"value": "g1"}]});
    let change = ground.body(&ground.group, body)?;
    let id = ResourceId::from("g1");
    closes(
        ground,
        &WriteOp::Create {
            change,
            existing_match: None,
            id,
        },
        ("g1", "g1"),
    )?;
    ground.absent(&ground.group, "g1")?;
    groups(ground, "u1", &[])?;
    group(ground, "g1", &["u1"])?;
    let ids = ["u2", "g1"];
    let changes = [ground.members(&ids, &["u1"])?, ground.only_members(&ids)?];
    refused(ground, "g1", changes, &["g1"])?;
    members(ground, "g1", &["u1"])
}

fn rings(ground: &Ground<'_>) -> Result<(), String> {
    users(ground)?;
    group(ground, "g4", &["u1"])?;
    group(ground, "g3", &["u1", "g4"])?;
    group(ground, "g2", &["g3"])?;
    group(ground, "g1", &["u2", "g2"])?;
    for above in ["g1", "g2", "g3"] {
        let ids = ["u3", above, "u4"];
        let changes = [ground.members(&ids, &["u1"])?, ground.only_members(&ids)?];
        refused(ground, "g4", changes, &[above])?;
    }
    // One of several is named.
    let change = ground.members(&["g3", "g1"], &[])?;
    refused(ground, "g4", [change], &["g1", "g3"])?;
    members(ground, "g4", &["u1"])?;
    // FoundToken elsewhere, the ring may be closed here.
    let change = ground.members(&["g1"], &[])?;
    ground.update(
        second(3),
        "g2",
        ground.members(&[], &["g3"])?,
        WriteOutcome::Updated,
    )?;
    ground.update(second(4), "g3", change, WriteOutcome::Updated)?;
    members(ground, "g3", &["g1", "g4", "u1"])
}

fn diamonds(ground: &Ground<'_>) -> Result<(), String> {
    users(ground)?;
    group(ground, "g4", &["u1"])?;
    group(ground, "g2", &["g4"])?;
    group(ground, "g3", &["g4", "u1"])?;
    group(ground, "g1", &["g2", "g3", "g4"])?;
    ground.update(
        second(2),
        "g2",
        ground.members(&["g3"], &[])?,
        WriteOutcome::Updated,
    )?;
    let again = ground.members(&["g3", "g4"], &[])?;
    ground.update(second(3), "g2", again, WriteOutcome::Unchanged)?;
    ground.update(
        second(4),
        "g4",
        ground.members(&["u2"], &[])?,
        WriteOutcome::Updated,
    )?;
    members(ground, "g1", &["g2", "g3", "g4"])?;
    members(ground, "g2", &["g3", "g4"])?;
    groups(ground, "u1", &["g3", "g4"])
}

fn later(ground: &Ground<'_>) -> Result<(), String> {
    ground.needs_ids("nobody can be a member before it is created")?;
    let ground = ground.accepting();
    group(&ground, "g1", &["g2", "g3"])?;
    for body in [
        json!([{"value": "g1"}]),
        json!([{"value": "g4"}, {"value": "g1"}]),
    ] {
        let body = json!({"displayName": "g2", "members": body});
        let change = ground.body(&ground.group, body)?;
        let id = ResourceId::from("g2");
        closes(
            &ground,
            &WriteOp::Create {
                change,
                existing_match: None,
                id,
            },
            ("g1", "g2"),
        )?;
        ground.absent(&ground.group, "g2")?;
    }
    group(&ground, "g2", &["g4"])?;
    let change = ground.members(&["g1"], &[])?;
    refused(&ground, "g2", [change], &["g1"])?;
    let body = json!({"displayName": "g4", "members": [{"value": "g1"}]});
    let change = ground.body(&ground.group, body)?;
    let id = ResourceId::from("g4");
    closes(
        &ground,
        &WriteOp::Create {
            change,
            existing_match: None,
            id,
        },
        ("g1", "g4"),
    )?;
    group(&ground, "g4", &["g3"])
}

/// A ring of three groups, and one that is its own member.
fn ring(ground: &Ground<'_>) -> Result<(), String> {
    users(ground)?;
    group(ground, "g1", &["u1"])?;
    group(ground, "g2", &["g1", "u1"])?;
    group(ground, "g3", &["g2"])?;
    group(ground, "g4", &["g4", "g1"])?;
    ground.update(
        second(2),
        "g1",
        ground.members(&["g3"], &[])?,
        WriteOutcome::Updated,
    )?;
    Ok(())
}

fn accepted(ground: &Ground<'_>) -> Result<(), String> {
    let ground = ground.accepting_cycles();
    ring(&ground)?;
    members(&ground, "g1", &["g3", "u1"])?;
    members(&ground, "g4", &["g1", "g4"])?;
    groups(&ground, "u1", &["g1", "g2"])?;
    if ground.store.support(&ground.group).filter {
        let filter = ground.filter(&ground.group, r#"members[value eq "g3" or value eq "g4"]"#)?;
        let query = Query::new(ground.group.clone()).with_predicate(filter);
        ensure_eq!(ground.ids(&query)?, ["g1", "g4"], "groups of a group");
    }
    ground.delete(second(3), &ground.group, "g4")?;
    ground.update(
        second(4),
        "g2",
        ground.members(&[], &["g1"])?,
        WriteOutcome::Updated,
    )?;
    ground.update(
        second(5),
        "g1",
        ground.members(&["g2"], &[])?,
        WriteOutcome::Updated,
    )?;
    members(&ground, "g1", &["g2", "g3", "u1"])
}

fn in_nobodys_way(ground: &Ground<'_>) -> Result<(), String> {
    ring(&ground.accepting_cycles())?;
    let steps: [(&str, Change, &[&str]); 6] = [
        ("g1", ground.members(&["u2"], &[])?, &["g3", "u1", "u2"]),
        (
            "g1",
            ground.members(&["u3", "g3"], &["u2"])?,
            &["g3", "u1", "u3"],
        ),
        ("g1", ground.only_members(&["g3", "u4"])?, &["g3", "u4"]),
        ("g4", ground.only_members(&["g4", "u4"])?, &["g4", "u4"]),
        ("g4", ground.members(&["g2"], &[])?, &["g2", "g4", "u4"]),
        ("g2", ground.members(&["u5"], &["g1"])?, &["u1", "u5"]),
    ];
    for (id, change, expected) in steps {
        ground.update(second(3), id, change, WriteOutcome::Updated)?;
        members(ground, id, expected)?;
    }
    let kept = ground.members(&["g3"], &[])?;
    ground.update(second(4), "g1", kept, WriteOutcome::Unchanged)?;
    let change = ground.members(&["g1"], &[])?;
    refused(ground, "g2", [change], &["g1"])
}

fn opened(ground: &Ground<'_>) -> Result<(), String> {
    users(ground)?;
    group(ground, "g3", &["u1"])?;
    group(ground, "g2", &["g3"])?;
    group(ground, "g1", &["g2"])?;
    let change = ground.members(&["g1"], &[])?;
    refused(ground, "g3", [change.clone()], &["g1"])?;
    ground.delete(second(3), &ground.group, "g2")?;
    members(ground, "g1", &[])?;
    ground.update(second(4), "g3", change, WriteOutcome::Updated)?;
    members(ground, "g3", &["g1", "u1"])?;
    // An id that comes back has none of its former members.
    group(ground, "g2", &[])?;
    ground.update(
        second(5),
        "g1",
        ground.members(&["g2"], &[])?,
        WriteOutcome::Updated,
    )?;
    let change = ground.members(&["g3"], &[])?;
    refused(ground, "g2", [change], &["g3"])
}

/// Each change of that group closes a cycle by one of these members, and leaves everything as it
/// was.
fn refused<const N: usize>(
    ground: &Ground<'_>,
    owner: &str,
    changes: [Change; N],
    members: &[&str],
) -> Result<(), String> {
    let before = ground.read(&ground.group, owner)?;
    let edges = ground.members_of(owner)?;
    for change in changes {
        let named = cycle(ground, &update(owner, change), owner)?;
        ensure!(
            members.contains(&named.as_str()),
            "`{named}` closes no cycle"
        );
        same(&ground.read(&ground.group, owner)?, &before)?;
        ensure_eq!(ground.members_of(owner)?, edges, "the members of `{owner}`");
    }
    Ok(())
}

fn closes(ground: &Ground<'_>, write: &WriteOp, (id, owner): (&str, &str)) -> Result<(), String> {
    ensure_eq!(
        cycle(ground, write, owner)?.as_str(),
        id,
        "what closes the cycle"
    );
    Ok(())
}

/// The member by which a write would make its owner a member of itself.
fn cycle(ground: &Ground<'_>, write: &WriteOp, expected: &str) -> Result<ResourceId, String> {
    match ground.attempt(second(2), write)? {
        Err(StoreError::Cycle { attr, id, owner }) => {
            ensure_eq!(attr, "members", "the attribute in the error");
            ensure_eq!(owner.as_str(), expected, "whose cycle it is");
            Ok(id)
        }
        Err(e) => Err(said(&e)),
        Ok(_) => Err(format!("`{expected}` became a member of itself")),
    }
}
