//! Memberships: edges, their inverse, and their effect on versions.

use std::sync::Arc;

use scimkit_registry::{Change, Edge, EdgeEdit, ResourceId};
use scimkit_store::{EdgeQuery, ExpectedVersion, StoreError, WriteOp, WriteOutcome};
use serde_json::{Value, json};

use super::{
    StoreCheck,
    fixture::{Fixture, ensure, ensure_eq, ids_of, said, second},
    resources::same,
};

pub(super) const CHECKS: &[StoreCheck] = &[
    StoreCheck {
        name: "unknown_members_are_rejected",
        run: refused,
    },
    StoreCheck {
        name: "unknown_members_are_accepted_if_allowed",
        run: accepted,
    },
    StoreCheck {
        name: "members_must_have_the_type_of_their_reference",
        run: of_a_required_kind,
    },
    StoreCheck {
        name: "members_are_added_removed_and_replaced",
        run: edited,
    },
    StoreCheck {
        name: "membership_edit_without_effect_changes_nothing",
        run: unchanged,
    },
    StoreCheck {
        name: "attributes_and_members_change_together",
        run: together,
    },
    StoreCheck {
        name: "edges_show_the_current_target",
        run: shown,
    },
    StoreCheck {
        name: "edges_are_paged",
        run: paged,
    },
    StoreCheck {
        name: "edges_are_visible_from_both_ends",
        run: inverse,
    },
    StoreCheck {
        name: "deleting_a_member_removes_it_from_its_groups",
        run: deleted_member,
    },
    StoreCheck {
        name: "deleting_a_group_removes_its_memberships",
        run: deleted_group,
    },
    StoreCheck {
        name: "large_group_changes_member_by_member",
        run: big,
    },
];

/// Creates users `u1` to `u5`, with the display names `User 1` to `User 5`.
pub(super) fn users(fixture: &Fixture<'_>) -> Result<(), String> {
    for n in 1..=5 {
        let body = json!({"userName": format!("user{n}"), "displayName": format!("User {n}")});
        fixture.create(second(0), &fixture.user, &format!("u{n}"), body)?;
    }
    Ok(())
}

pub(super) fn group(fixture: &Fixture<'_>, id: &str, members: &[&str]) -> Result<(), String> {
    let members: Vec<_> = members.iter().map(|id| json!({"value": id})).collect();
    let body = json!({"displayName": format!("Group {id}"), "members": members});
    fixture
        .create(second(1), &fixture.group, id, body)
        .map(drop)
}

pub(super) fn members(fixture: &Fixture<'_>, id: &str, expected: &[&str]) -> Result<(), String> {
    ensure_eq!(
        ids_of(&fixture.members_of(id)?),
        expected,
        "the members of `{id}`"
    );
    Ok(())
}

pub(super) fn groups(fixture: &Fixture<'_>, id: &str, expected: &[&str]) -> Result<(), String> {
    ensure_eq!(
        ids_of(&fixture.groups_of(id)?),
        expected,
        "the groups of `{id}`"
    );
    Ok(())
}

fn refused(fixture: &Fixture<'_>) -> Result<(), String> {
    users(fixture)?;
    group(fixture, "g1", &["u1"])?;
    let before = fixture.read(&fixture.group, "g1")?;
    let list = json!([{"value": "u2"}, {"value": "nobody"}, {"value": "u1"}, {"value": "no one"}]);
    let change = fixture.body(
        &fixture.group,
        json!({"displayName": "g2", "members": list}),
    )?;
    missing(
        fixture,
        &WriteOp::Create {
            existing_match: None,
            change,
            id: ResourceId::from("g2"),
        },
        &["no one", "nobody"],
    )?;
    fixture.absent(&fixture.group, "g2")?;
    let ids = ["u2", "nobody"];
    for change in [fixture.members(&ids, &["u1"])?, fixture.only_members(&ids)?] {
        missing(fixture, &update("g1", change), &["nobody"])?;
        same(&fixture.read(&fixture.group, "g1")?, &before)?;
        members(fixture, "g1", &["u1"])?;
    }
    groups(fixture, "u2", &[])
}

fn missing(fixture: &Fixture<'_>, write: &WriteOp, expected: &[&str]) -> Result<(), String> {
    match fixture.attempt(second(2), write)? {
        Err(StoreError::UnknownMembers { attr, ids }) => {
            ensure_eq!(attr, "members", "the attribute in the error");
            let mut ids: Vec<_> = ids.iter().map(ResourceId::as_str).collect();
            ids.sort_unstable();
            ensure_eq!(ids, expected, "the unknown members");
            Ok(())
        }
        Err(e) => Err(said(&e)),
        Ok(_) => Err("an unknown member was accepted".to_owned()),
    }
}

fn accepted(fixture: &Fixture<'_>) -> Result<(), String> {
    fixture.needs_ids("a member can't be added before it is created")?;
    let fixture = fixture.accepting();
    let list = json!([{"value": "u1", "type": "User"}, {"value": "u2"}]);
    let body = json!({"displayName": "g", "members": list});
    fixture.create(second(1), &fixture.group, "g1", body)?;
    let unknown = [
        Edge::to("u1").with_kind(Some("User".to_owned())),
        Edge::to("u2"),
    ];
    ensure_eq!(
        fixture.members_of("g1")?,
        unknown,
        "members that don't exist"
    );
    groups(&fixture, "u1", &[])?;
    let version = fixture.read(&fixture.group, "g1")?.version;
    let body = json!({"userName": "two", "displayName": "Two"});
    fixture.create(second(2), &fixture.user, "u2", body)?;
    let known = Edge::to("u2")
        .with_kind(Some("User".to_owned()))
        .with_display(Some("Two".to_owned()));
    ensure_eq!(
        fixture.members_of("g1")?.last(),
        Some(&known),
        "a member that was created later"
    );
    groups(&fixture, "u2", &["g1"])?;
    ensure_eq!(
        fixture.read(&fixture.group, "g1")?.version,
        version,
        "the version of its group"
    );
    fixture.update(
        second(3),
        "g1",
        fixture.members(&[], &["u1"])?,
        WriteOutcome::Updated,
    )?;
    members(&fixture, "g1", &["u2"])
}

fn of_a_required_kind(fixture: &Fixture<'_>) -> Result<(), String> {
    users(fixture)?;
    group(fixture, "g1", &["u1"])?;
    for fixture in [fixture, &fixture.accepting()] {
        for id in ["u1", "u2"] {
            let edge = Edge::to(id).with_required_kind("Group");
            let add = EdgeEdit::Delta {
                add: vec![edge.clone()],
                remove: Vec::new(),
            };
            for edit in [add, EdgeEdit::Replace(vec![edge])] {
                missing(fixture, &update("g1", fixture.edit(edit)?), &[id])?;
                members(fixture, "g1", &["u1"])?;
            }
        }
    }
    let edges = vec![
        Edge::to("u1").with_required_kind("user"),
        Edge::to("u3").with_required_kind("User"),
    ];
    let change = fixture.edit(EdgeEdit::Replace(edges))?;
    fixture.update(second(3), "g1", change, WriteOutcome::Updated)?;
    members(fixture, "g1", &["u1", "u3"])?;
    let fixture = fixture.accepting();
    let edge = Edge::to("u9").with_required_kind("User");
    let change = fixture.edit(EdgeEdit::Replace(vec![edge]))?;
    fixture.update(second(4), "g1", change, WriteOutcome::Updated)?;
    members(&fixture, "g1", &["u9"])
}

fn edited(fixture: &Fixture<'_>) -> Result<(), String> {
    users(fixture)?;
    group(fixture, "g1", &["u3", "u1"])?;
    members(fixture, "g1", &["u1", "u3"])?;
    let mut version = fixture.read(&fixture.group, "g1")?.version;
    let steps: [(Change, &[&str]); 5] = [
        (
            fixture.members(&["u5", "u2"], &[])?,
            &["u1", "u2", "u3", "u5"],
        ),
        (
            fixture.members(&["u4", "u1"], &["u3", "u9"])?,
            &["u1", "u2", "u4", "u5"],
        ),
        (fixture.members(&[], &["u1", "u5"])?, &["u2", "u4"]),
        (fixture.only_members(&["u4", "u1"])?, &["u1", "u4"]),
        (fixture.only_members(&[])?, &[]),
    ];
    for (at, (change, expected)) in (2..).zip(steps) {
        let updated = fixture.update(second(at), "g1", change, WriteOutcome::Updated)?;
        members(fixture, "g1", expected)?;
        ensure!(
            updated.version != version,
            "a membership change keeps the version"
        );
        ensure_eq!(updated.last_modified, second(at), "the last modification");
        let read = fixture.read(&fixture.group, "g1")?;
        ensure_eq!(read.version, updated.version, "the version read back");
        version = updated.version;
    }
    for id in ["u1", "u2", "u3", "u4", "u5"] {
        groups(fixture, id, &[])?;
        ensure_eq!(
            fixture.read(&fixture.user, id)?.last_modified,
            second(0),
            "a member's change"
        );
    }
    Ok(())
}

fn unchanged(fixture: &Fixture<'_>) -> Result<(), String> {
    users(fixture)?;
    group(fixture, "g1", &["u1", "u2"])?;
    let before = fixture.read(&fixture.group, "g1")?;
    let typed = vec![Edge::to("u1").with_kind(Some("User".to_owned()))];
    let changes = [
        fixture.members(&["u1"], &[])?,
        fixture.members(&["u2", "u1"], &["u3", "nobody"])?,
        fixture.only_members(&["u2", "u1"])?,
        fixture.edit(EdgeEdit::Delta {
            add: typed,
            remove: Vec::new(),
        })?,
    ];
    for change in changes {
        let answer = fixture.update(second(2), "g1", change, WriteOutcome::Unchanged)?;
        same(&answer, &before)?;
        same(&fixture.read(&fixture.group, "g1")?, &before)?;
        members(fixture, "g1", &["u1", "u2"])?;
    }
    Ok(())
}

fn together(fixture: &Fixture<'_>) -> Result<(), String> {
    users(fixture)?;
    group(fixture, "g1", &["u1"])?;
    let before = fixture.read(&fixture.group, "g1")?;
    let attr = fixture.attr(&fixture.group, "displayName")?;
    let rename = |mut change: Change| {
        change.difference(attr, Some(&Value::Null), Some(json!("Renamed")));
        change
    };
    let change = rename(fixture.members(&["u2", "nobody"], &["u1"])?);
    missing(fixture, &update("g1", change), &["nobody"])?;
    same(&fixture.read(&fixture.group, "g1")?, &before)?;
    members(fixture, "g1", &["u1"])?;
    let change = rename(fixture.members(&["u2"], &["u1"])?);
    let updated = fixture.update(second(2), "g1", change, WriteOutcome::Updated)?;
    let document = super::fixture::document(&updated)?;
    ensure_eq!(
        document.as_map().get("displayName"),
        Some(&json!("Renamed")),
        "the new name"
    );
    ensure!(
        !document.as_map().contains_key("members"),
        "the document contains memberships"
    );
    members(fixture, "g1", &["u2"])
}

fn shown(fixture: &Fixture<'_>) -> Result<(), String> {
    users(fixture)?;
    fixture.create(
        second(0),
        &fixture.user,
        "u6",
        json!({"userName": "nameless"}),
    )?;
    group(fixture, "g0", &[])?;
    group(fixture, "g1", &["u1", "u6", "g0"])?;
    let edge = |id: &str, kind: &str, name: Option<&str>| {
        let edge = Edge::to(id).with_kind(Some(kind.to_owned()));
        edge.with_display(name.map(str::to_owned))
    };
    let expected = [
        edge("g0", "Group", Some("Group g0")),
        edge("u1", "User", Some("User 1")),
        edge("u6", "User", None),
    ];
    ensure_eq!(fixture.members_of("g1")?, expected, "the members");
    let version = fixture.read(&fixture.group, "g1")?.version;
    let rename = fixture.setting(&fixture.user, [("displayName", json!("Someone Else"))])?;
    fixture.update(second(2), "u1", rename, WriteOutcome::Updated)?;
    let renamed = edge("u1", "User", Some("Someone Else"));
    ensure_eq!(
        fixture.members_of("g1")?.get(1),
        Some(&renamed),
        "a renamed member"
    );
    ensure_eq!(
        fixture.read(&fixture.group, "g1")?.version,
        version,
        "the version of its group"
    );
    let seen = [edge("g1", "Group", Some("Group g1"))];
    ensure_eq!(fixture.groups_of("u1")?, seen, "the groups");
    Ok(())
}

/// With any page size and any start position, including one without a member.
fn paged(fixture: &Fixture<'_>) -> Result<(), String> {
    users(fixture)?;
    group(fixture, "g1", &["u1", "u2", "u4", "u5"])?;
    group(fixture, "g2", &["u1"])?;
    group(fixture, "g3", &["u1"])?;
    let membership = fixture.attr(&fixture.group, "members")?;
    let inverse = fixture.attr(&fixture.user, "groups")?;
    let cases = [
        (
            &fixture.group,
            membership,
            "g1",
            vec!["u1", "u2", "u4", "u5"],
        ),
        (&fixture.user, inverse, "u1", vec!["g1", "g2", "g3"]),
        (&fixture.user, inverse, "u3", vec![]),
    ];
    for (kind, attr, owner, all) in cases {
        for after in [
            None,
            Some("a"),
            Some("g1"),
            Some("u2"),
            Some("u3"),
            Some("u5"),
            Some("z"),
        ] {
            for limit in 0..=5_u32 {
                let query = EdgeQuery::new(Arc::clone(kind), attr, vec![ResourceId::from(owner)]);
                let query = query
                    .with_start_after(after.map(ResourceId::from))
                    .with_edge_limit(limit);
                let found = fixture.edge_pages(&query)?;
                let behind = all
                    .iter()
                    .filter(|id| after.is_none_or(|after| **id > after));
                let expected: Vec<&str> = behind.take(limit as usize).copied().collect();
                let found = found.first().map_or_else(Vec::new, |edges| ids_of(edges));
                let what = format!("{limit} edges of `{owner}` behind {after:?}");
                ensure_eq!(found, expected, "{what}");
            }
        }
    }
    Ok(())
}

fn inverse(fixture: &Fixture<'_>) -> Result<(), String> {
    users(fixture)?;
    group(fixture, "g3", &["u1", "u2"])?;
    group(fixture, "g1", &["u1", "g3"])?;
    group(fixture, "g2", &["u4"])?;
    let attr = fixture.attr(&fixture.user, "groups")?;
    let owners = ["u2", "nobody", "u1", "u5"];
    let edges = fixture.edges(&fixture.user, attr, &owners)?;
    let found: Vec<_> = edges.iter().map(|edges| ids_of(edges)).collect();
    // Only direct memberships: `u2` is in `g1` only through `g3`.
    ensure_eq!(
        found,
        [vec!["g3"], vec![], vec!["g1", "g3"], vec![]],
        "the groups of each user"
    );
    let attr = fixture.attr(&fixture.group, "members")?;
    let edges = fixture.edges(&fixture.group, attr, &["g2", "u1", "g3", "nothing"])?;
    let found: Vec<_> = edges.iter().map(|edges| ids_of(edges)).collect();
    ensure_eq!(
        found,
        [vec!["u4"], vec![], vec!["u1", "u2"], vec![]],
        "the members of each group"
    );
    Ok(())
}

fn deleted_member(fixture: &Fixture<'_>) -> Result<(), String> {
    users(fixture)?;
    group(fixture, "g1", &["u1", "u2"])?;
    group(fixture, "g2", &["u1"])?;
    group(fixture, "g3", &["u2"])?;
    let read = |id: &str| fixture.read(&fixture.group, id);
    let before = [read("g1")?, read("g2")?];
    let untouched = read("g3")?;
    let other = fixture.read(&fixture.user, "u2")?;
    fixture.delete(second(5), &fixture.user, "u1")?;
    for group in before {
        let now = read(group.id.as_str())?;
        ensure!(
            now.version != group.version,
            "a group keeps its version when a member is deleted"
        );
        ensure_eq!(
            now.last_modified,
            second(5),
            "the last modification of `{}`",
            now.id
        );
        ensure_eq!(now.created, group.created, "the creation of `{}`", now.id);
    }
    members(fixture, "g1", &["u2"])?;
    members(fixture, "g2", &[])?;
    same(&read("g3")?, &untouched)?;
    same(&fixture.read(&fixture.user, "u2")?, &other)
}

fn deleted_group(fixture: &Fixture<'_>) -> Result<(), String> {
    users(fixture)?;
    group(fixture, "g1", &["u1"])?;
    group(fixture, "g2", &["u1", "g1"])?;
    let user = fixture.read(&fixture.user, "u1")?;
    let outer = fixture.read(&fixture.group, "g2")?;
    fixture.delete(second(5), &fixture.group, "g1")?;
    groups(fixture, "u1", &["g2"])?;
    members(fixture, "g1", &[])?;
    members(fixture, "g2", &["u1"])?;
    same(&fixture.read(&fixture.user, "u1")?, &user)?;
    ensure!(
        fixture.read(&fixture.group, "g2")?.version != outer.version,
        "the outer group's version"
    );
    Ok(())
}

fn big(fixture: &Fixture<'_>) -> Result<(), String> {
    const MANY: usize = 5_000;
    fixture.needs_groups()?;
    let ids: Vec<String> = (0..=MANY).map(|n| format!("u{n:05}")).collect();
    let mut writes = Vec::with_capacity(ids.len());
    for id in &ids {
        let change = fixture.body(&fixture.user, json!({"userName": id}))?;
        writes.push(WriteOp::Create {
            existing_match: None,
            change,
            id: ResourceId::from(id.as_str()),
        });
    }
    for answer in fixture.write(second(0), writes)? {
        answer.map_err(|e| said(&e))?;
    }
    let all: Vec<&str> = ids.iter().map(String::as_str).collect();
    let (last, most) = all.split_last().ok_or("no ids")?;
    group(fixture, "g1", most)?;
    members(fixture, "g1", most)?;
    fixture.update(
        second(2),
        "g1",
        fixture.members(&[last], &[])?,
        WriteOutcome::Updated,
    )?;
    members(fixture, "g1", &all)?;
    let (first, rest) = all.split_first().ok_or("no ids")?;
    fixture.update(
        second(3),
        "g1",
        fixture.members(&[], &[first])?,
        WriteOutcome::Updated,
    )?;
    members(fixture, "g1", rest)?;
    fixture.delete(second(4), &fixture.user, last)?;
    ensure_eq!(
        fixture.members_of("g1")?.len(),
        MANY - 1,
        "the members at the end"
    );
    groups(fixture, first, &[])
}

pub(super) fn update(id: &str, change: Change) -> WriteOp {
    WriteOp::Update {
        change,
        expect: ExpectedVersion::Any,
        id: ResourceId::from(id),
    }
}
