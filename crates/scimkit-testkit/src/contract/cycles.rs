//! Groups in groups: cycles exist only if they are allowed, and then nothing loops.

use scimkit_registry::{Change, ResourceId};
use scimkit_store::{Query, StoreError, WriteOp, WriteOutcome};
use serde_json::json;

use super::{
    StoreCheck,
    fixture::{Fixture, ensure, ensure_eq, said, second},
    members::{group, groups, members, update, users},
    resources::same,
};

pub(super) const CHECKS: &[StoreCheck] = &[
    StoreCheck {
        name: "group_as_its_own_member_is_rejected",
        run: itself,
    },
    StoreCheck {
        name: "membership_cycles_are_rejected",
        run: rings,
    },
    StoreCheck {
        name: "groups_may_share_nested_groups",
        run: diamonds,
    },
    StoreCheck {
        name: "cycle_through_a_later_group_is_rejected",
        run: later,
    },
    StoreCheck {
        name: "cycles_are_accepted_if_allowed_and_queries_end",
        run: accepted,
    },
    StoreCheck {
        name: "accepted_cycle_does_not_block_other_writes",
        run: in_nobodys_way,
    },
    StoreCheck {
        name: "deleting_a_group_breaks_its_cycle",
        run: opened,
    },
];

fn itself(fixture: &Fixture<'_>) -> Result<(), String> {
    users(fixture)?;
    let body = json!({"displayName": "g", "members": [{"value": "u1"}, {"value": "g1"}]});
    let change = fixture.body(&fixture.group, body)?;
    let id = ResourceId::from("g1");
    closes(
        fixture,
        &WriteOp::Create {
            change,
            existing_match: None,
            id,
        },
        ("g1", "g1"),
    )?;
    fixture.absent(&fixture.group, "g1")?;
    groups(fixture, "u1", &[])?;
    group(fixture, "g1", &["u1"])?;
    let ids = ["u2", "g1"];
    let changes = [fixture.members(&ids, &["u1"])?, fixture.only_members(&ids)?];
    refused(fixture, "g1", changes, &["g1"])?;
    members(fixture, "g1", &["u1"])
}

fn rings(fixture: &Fixture<'_>) -> Result<(), String> {
    users(fixture)?;
    group(fixture, "g4", &["u1"])?;
    group(fixture, "g3", &["u1", "g4"])?;
    group(fixture, "g2", &["g3"])?;
    group(fixture, "g1", &["u2", "g2"])?;
    for above in ["g1", "g2", "g3"] {
        let ids = ["u3", above, "u4"];
        let changes = [fixture.members(&ids, &["u1"])?, fixture.only_members(&ids)?];
        refused(fixture, "g4", changes, &[above])?;
    }
    // One of several cycles is reported.
    let change = fixture.members(&["g3", "g1"], &[])?;
    refused(fixture, "g4", [change], &["g1", "g3"])?;
    members(fixture, "g4", &["u1"])?;
    // Once it is opened elsewhere, the cycle may be closed here.
    let change = fixture.members(&["g1"], &[])?;
    fixture.update(
        second(3),
        "g2",
        fixture.members(&[], &["g3"])?,
        WriteOutcome::Updated,
    )?;
    fixture.update(second(4), "g3", change, WriteOutcome::Updated)?;
    members(fixture, "g3", &["g1", "g4", "u1"])
}

fn diamonds(fixture: &Fixture<'_>) -> Result<(), String> {
    users(fixture)?;
    group(fixture, "g4", &["u1"])?;
    group(fixture, "g2", &["g4"])?;
    group(fixture, "g3", &["g4", "u1"])?;
    group(fixture, "g1", &["g2", "g3", "g4"])?;
    fixture.update(
        second(2),
        "g2",
        fixture.members(&["g3"], &[])?,
        WriteOutcome::Updated,
    )?;
    let again = fixture.members(&["g3", "g4"], &[])?;
    fixture.update(second(3), "g2", again, WriteOutcome::Unchanged)?;
    fixture.update(
        second(4),
        "g4",
        fixture.members(&["u2"], &[])?,
        WriteOutcome::Updated,
    )?;
    members(fixture, "g1", &["g2", "g3", "g4"])?;
    members(fixture, "g2", &["g3", "g4"])?;
    groups(fixture, "u1", &["g3", "g4"])
}

fn later(fixture: &Fixture<'_>) -> Result<(), String> {
    fixture.needs_ids("a member can't be added before it is created")?;
    let fixture = fixture.accepting();
    group(&fixture, "g1", &["g2", "g3"])?;
    for body in [
        json!([{"value": "g1"}]),
        json!([{"value": "g4"}, {"value": "g1"}]),
    ] {
        let body = json!({"displayName": "g2", "members": body});
        let change = fixture.body(&fixture.group, body)?;
        let id = ResourceId::from("g2");
        closes(
            &fixture,
            &WriteOp::Create {
                change,
                existing_match: None,
                id,
            },
            ("g1", "g2"),
        )?;
        fixture.absent(&fixture.group, "g2")?;
    }
    group(&fixture, "g2", &["g4"])?;
    let change = fixture.members(&["g1"], &[])?;
    refused(&fixture, "g2", [change], &["g1"])?;
    let body = json!({"displayName": "g4", "members": [{"value": "g1"}]});
    let change = fixture.body(&fixture.group, body)?;
    let id = ResourceId::from("g4");
    closes(
        &fixture,
        &WriteOp::Create {
            change,
            existing_match: None,
            id,
        },
        ("g1", "g4"),
    )?;
    group(&fixture, "g4", &["g3"])
}

/// Creates a cycle of three groups, and a group that is its own member.
fn ring(fixture: &Fixture<'_>) -> Result<(), String> {
    users(fixture)?;
    group(fixture, "g1", &["u1"])?;
    group(fixture, "g2", &["g1", "u1"])?;
    group(fixture, "g3", &["g2"])?;
    group(fixture, "g4", &["g4", "g1"])?;
    fixture.update(
        second(2),
        "g1",
        fixture.members(&["g3"], &[])?,
        WriteOutcome::Updated,
    )?;
    Ok(())
}

fn accepted(fixture: &Fixture<'_>) -> Result<(), String> {
    let fixture = fixture.accepting_cycles();
    ring(&fixture)?;
    members(&fixture, "g1", &["g3", "u1"])?;
    members(&fixture, "g4", &["g1", "g4"])?;
    groups(&fixture, "u1", &["g1", "g2"])?;
    if fixture.store.support(&fixture.group).filter {
        let filter =
            fixture.filter(&fixture.group, r#"members[value eq "g3" or value eq "g4"]"#)?;
        let query = Query::new(fixture.group.clone()).with_predicate(filter);
        ensure_eq!(fixture.ids(&query)?, ["g1", "g4"], "groups of a group");
    }
    fixture.delete(second(3), &fixture.group, "g4")?;
    fixture.update(
        second(4),
        "g2",
        fixture.members(&[], &["g1"])?,
        WriteOutcome::Updated,
    )?;
    fixture.update(
        second(5),
        "g1",
        fixture.members(&["g2"], &[])?,
        WriteOutcome::Updated,
    )?;
    members(&fixture, "g1", &["g2", "g3", "u1"])
}

fn in_nobodys_way(fixture: &Fixture<'_>) -> Result<(), String> {
    ring(&fixture.accepting_cycles())?;
    let steps: [(&str, Change, &[&str]); 6] = [
        ("g1", fixture.members(&["u2"], &[])?, &["g3", "u1", "u2"]),
        (
            "g1",
            fixture.members(&["u3", "g3"], &["u2"])?,
            &["g3", "u1", "u3"],
        ),
        ("g1", fixture.only_members(&["g3", "u4"])?, &["g3", "u4"]),
        ("g4", fixture.only_members(&["g4", "u4"])?, &["g4", "u4"]),
        ("g4", fixture.members(&["g2"], &[])?, &["g2", "g4", "u4"]),
        ("g2", fixture.members(&["u5"], &["g1"])?, &["u1", "u5"]),
    ];
    for (id, change, expected) in steps {
        fixture.update(second(3), id, change, WriteOutcome::Updated)?;
        members(fixture, id, expected)?;
    }
    let kept = fixture.members(&["g3"], &[])?;
    fixture.update(second(4), "g1", kept, WriteOutcome::Unchanged)?;
    let change = fixture.members(&["g1"], &[])?;
    refused(fixture, "g2", [change], &["g1"])
}

fn opened(fixture: &Fixture<'_>) -> Result<(), String> {
    users(fixture)?;
    group(fixture, "g3", &["u1"])?;
    group(fixture, "g2", &["g3"])?;
    group(fixture, "g1", &["g2"])?;
    let change = fixture.members(&["g1"], &[])?;
    refused(fixture, "g3", [change.clone()], &["g1"])?;
    fixture.delete(second(3), &fixture.group, "g2")?;
    members(fixture, "g1", &[])?;
    fixture.update(second(4), "g3", change, WriteOutcome::Updated)?;
    members(fixture, "g3", &["g1", "u1"])?;
    // A recreated id has none of its former members.
    group(fixture, "g2", &[])?;
    fixture.update(
        second(5),
        "g1",
        fixture.members(&["g2"], &[])?,
        WriteOutcome::Updated,
    )?;
    let change = fixture.members(&["g3"], &[])?;
    refused(fixture, "g2", [change], &["g3"])
}

/// Checks that each change of the group closes a cycle with one of these members, and changes nothing.
fn refused<const N: usize>(
    fixture: &Fixture<'_>,
    owner: &str,
    changes: [Change; N],
    members: &[&str],
) -> Result<(), String> {
    let before = fixture.read(&fixture.group, owner)?;
    let edges = fixture.members_of(owner)?;
    for change in changes {
        let named = cycle(fixture, &update(owner, change), owner)?;
        ensure!(
            members.contains(&named.as_str()),
            "`{named}` closes no cycle"
        );
        same(&fixture.read(&fixture.group, owner)?, &before)?;
        ensure_eq!(
            fixture.members_of(owner)?,
            edges,
            "the members of `{owner}`"
        );
    }
    Ok(())
}

fn closes(fixture: &Fixture<'_>, write: &WriteOp, (id, owner): (&str, &str)) -> Result<(), String> {
    ensure_eq!(
        cycle(fixture, write, owner)?.as_str(),
        id,
        "the member that closes the cycle"
    );
    Ok(())
}

/// Returns the member with which a write would make its owner a member of itself.
fn cycle(fixture: &Fixture<'_>, write: &WriteOp, expected: &str) -> Result<ResourceId, String> {
    match fixture.attempt(second(2), write)? {
        Err(StoreError::Cycle { attr, id, owner }) => {
            ensure_eq!(attr, "members", "the attribute in the error");
            ensure_eq!(owner.as_str(), expected, "the owner in the error");
            Ok(id)
        }
        Err(e) => Err(said(&e)),
        Ok(_) => Err(format!("`{expected}` became a member of itself")),
    }
}
