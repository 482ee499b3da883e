//! Roles of users that follow from their groups.

use scimkit_registry::{Edge, EdgeEdit, ResourceId};
use scimkit_store::{
    Batch, ExpectedVersion, OnFailure, StoreError, WriteOp, WriteOutcome, assign_roles,
    engine::{Capacity, RolePolicy},
};
use serde_json::{Value, json};

use super::{
    StoreCheck,
    fixture::{Fixture, document, ensure, ensure_eq, said, second},
};

pub(super) const CHECKS: &[StoreCheck] = &[
    StoreCheck {
        name: "roles_follow_from_groups",
        run: followed,
    },
    StoreCheck {
        name: "roles_follow_within_a_batch",
        run: batched,
    },
    StoreCheck {
        name: "roles_from_clients_are_ignored",
        run: ignored,
    },
    StoreCheck {
        name: "last_administrator_stays_in_its_group",
        run: last_administrator,
    },
    StoreCheck {
        name: "roles_are_assigned_after_a_change_of_their_rules",
        run: assigned,
    },
];

const RULES: &[(&str, &str)] = &[
    (r#"displayName eq "Admins""#, "admin"),
    (r#"displayName sw "app-""#, "staff"),
];

fn with_rules<'a>(
    fixture: &Fixture<'a>,
    rules: &[(&str, &str)],
    several: bool,
) -> Result<Fixture<'a>, String> {
    fixture.needs_groups()?;
    let anything = json!([{"value": "admin", "primary": true}]);
    fixture.setting(&fixture.user, [("roles", anything)])?;
    let roles = RolePolicy::new(&fixture.context.settings.registry);
    let mut roles = roles
        .ok_or("the schemas have no roles")?
        .with_default("guest");
    for (filter, role) in rules {
        roles = roles.with_rule(fixture.filter(&fixture.group, filter)?, *role);
    }
    if several {
        roles = roles.with_several_roles();
    }
    let settings = fixture.context.settings.as_ref().clone();
    let settings = settings.with_roles(roles).map_err(|e| e.to_string())?;
    Ok(fixture.under(|all| *all = settings))
}

fn roles(fixture: &Fixture<'_>, id: &str, expected: &[&str], when: &str) -> Result<(), String> {
    let stored = fixture.read(&fixture.user, id)?;
    let roles = fixture.attr(&fixture.user, "roles")?;
    let tree = document(&stored)?;
    let value = tree.get(&fixture.user, roles).and_then(Value::as_array);
    let values = value.into_iter().flatten();
    let mut values: Vec<_> = values.filter_map(|role| role["value"].as_str()).collect();
    values.sort_unstable();
    ensure_eq!(values, expected, "the roles of `{id}` {when}");
    Ok(())
}

fn users(fixture: &Fixture<'_>, ids: &[&str]) -> Result<(), String> {
    for id in ids {
        fixture.create(second(0), &fixture.user, id, json!({"userName": id}))?;
    }
    Ok(())
}

fn group(fixture: &Fixture<'_>, id: &str, name: &str, members: &[&str]) -> Result<(), String> {
    let members: Vec<_> = members.iter().map(|id| json!({"value": id})).collect();
    let body = json!({"displayName": name, "members": members});
    fixture.create(second(1), &fixture.group, id, body)?;
    Ok(())
}

fn rename(fixture: &Fixture<'_>, id: &str, name: &str) -> Result<(), String> {
    let name = fixture.setting(&fixture.group, [("displayName", json!(name))])?;
    fixture.update(second(2), id, name, WriteOutcome::Updated)?;
    Ok(())
}

fn followed(fixture: &Fixture<'_>) -> Result<(), String> {
    let one = with_rules(fixture, RULES, false)?;
    let several = with_rules(fixture, RULES, true)?;
    users(&one, &["u1", "u2", "u3"])?;
    roles(&one, "u1", &["guest"], "without a group")?;
    let before = one.read(&one.user, "u1")?;
    group(&one, "g1", "Admins", &["u1"])?;
    group(&one, "g2", "app-mail", &["u1", "u2"])?;
    group(&one, "g3", "Others", &["g1", "g2", "u3"])?;
    roles(&one, "u1", &["admin"], "in two groups")?;
    roles(&one, "u2", &["staff"], "in a group")?;
    roles(&one, "u3", &["guest"], "in a group without a role")?;
    let after = one.read(&one.user, "u1")?;
    ensure!(before.version != after.version, "a role is another version");

    let edit = one.members(&["u2"], &["u1"])?;
    one.update(second(3), "g1", edit, WriteOutcome::Updated)?;
    roles(&one, "u1", &["staff"], "after it left a group")?;
    roles(&one, "u2", &["admin"], "after it joined a group")?;
    let edit = one.only_members(&["u3"])?;
    one.update(second(3), "g2", edit, WriteOutcome::Updated)?;
    roles(&one, "u1", &["guest"], "after its group was replaced")?;
    roles(&one, "u3", &["staff"], "after it replaced others")?;
    let edit = one.members(&["u2"], &[])?;
    several.update(second(3), "g2", edit, WriteOutcome::Updated)?;
    roles(&one, "u2", &["admin", "staff"], "with several")?;

    rename(&one, "g1", "Others too")?;
    roles(&one, "u2", &["staff"], "after a rename")?;
    rename(&one, "g3", "app-all")?;
    roles(&one, "u3", &["staff"], "in two groups with one role")?;
    one.delete(second(4), &one.group, "g2")?;
    roles(&one, "u2", &["guest"], "after its group was deleted")?;
    roles(&one, "u3", &["staff"], "after one of two was deleted")?;
    one.delete(second(4), &one.group, "g3")?;
    roles(&one, "u3", &["guest"], "after the other was deleted")?;
    one.delete(second(4), &one.user, "u2")
}

fn batched(fixture: &Fixture<'_>) -> Result<(), String> {
    let one = with_rules(fixture, RULES, false)?;
    one.needs_ids("a batch can't refer to what it creates")?;
    let create = |kind, id: &str, body| {
        Ok::<_, String>(WriteOp::Create {
            change: one.body(kind, body)?,
            existing_match: None,
            id: ResourceId::from(id),
        })
    };
    let update = |id: &str, change| WriteOp::Update {
        change,
        expect: ExpectedVersion::Any,
        id: ResourceId::from(id),
    };
    let name = |name: &str| one.setting(&one.group, [("displayName", json!(name))]);
    let members = json!([{"value": "u1"}, {"value": "u2"}]);
    let writes = vec![
        create(&one.user, "u1", json!({"userName": "one"}))?,
        create(&one.user, "u2", json!({"userName": "two"}))?,
        create(
            &one.group,
            "g1",
            json!({"displayName": "Others", "members": members}),
        )?,
        update("g1", name("Admins")?),
        update("g1", one.members(&[], &["u2"])?),
    ];
    for answer in one.write(second(1), writes)? {
        answer.map_err(|e| said(&e))?;
    }
    roles(&one, "u1", &["admin"], "after a batch")?;
    roles(&one, "u2", &["guest"], "after a batch that removed it")?;

    let writes = vec![
        update("g1", one.members(&["u2"], &["u1"])?),
        update("g1", name("app-1")?),
        update("nobody", name("app-2")?),
    ];
    let batch = Batch::new(second(2), writes).with_on_failure(OnFailure::RollBack);
    ensure_eq!(one.carry_out(batch)?.len(), 3, "answers");
    roles(&one, "u1", &["admin"], "after a batch that failed")?;
    let writes = vec![
        update("g1", name("app-1")?),
        WriteOp::Delete {
            expect: ExpectedVersion::Any,
            id: ResourceId::from("u1"),
            kind: one.user.clone(),
        },
        update("g1", one.members(&["u2"], &[])?),
    ];
    for answer in one.write(second(3), writes)? {
        answer.map_err(|e| said(&e))?;
    }
    roles(&one, "u2", &["staff"], "after another batch")
}

fn ignored(fixture: &Fixture<'_>) -> Result<(), String> {
    let one = with_rules(fixture, RULES, false)?;
    let sent = || json!([{"value": "admin", "primary": true}]);
    let body = json!({"userName": "u1", "roles": sent()});
    one.create(second(0), &one.user, "u1", body)?;
    roles(&one, "u1", &["guest"], "after its create")?;
    for value in [sent(), Value::Null] {
        let change = one.setting(&one.user, [("roles", value)])?;
        one.update(second(1), "u1", change, WriteOutcome::Unchanged)?;
        roles(&one, "u1", &["guest"], "after an update")?;
    }
    let change = fixture.setting(&one.user, [("roles", sent())])?;
    fixture.update(second(1), "u1", change, WriteOutcome::Updated)?;
    roles(&one, "u1", &["admin"], "without rules")
}

fn last_administrator(fixture: &Fixture<'_>) -> Result<(), String> {
    let limits = fixture.store.support(&fixture.user).capacities;
    fixture.needs(limits, "the store has no capacities")?;
    let admins = r#"roles.value eq "admin" and active eq true"#;
    let admins = fixture.filter(&fixture.user, admins)?;
    let least = Capacity::at_least("administrators", fixture.user.clone(), admins, 1);
    let one = with_rules(fixture, RULES, false)?;
    let limited = one.under(|settings| settings.policy.capacities = vec![least]);
    for id in ["u1", "u2"] {
        let body = json!({"userName": id, "active": true});
        one.create(second(0), &one.user, id, body)?;
    }
    group(&limited, "g1", "Admins", &["u1"])?;
    let update = |id: &str, change| WriteOp::Update {
        change,
        expect: ExpectedVersion::Any,
        id: ResourceId::from(id),
    };
    let delete = |kind, id: &str| WriteOp::Delete {
        expect: ExpectedVersion::Any,
        id: ResourceId::from(id),
        kind,
    };
    let name = limited.setting(&one.group, [("displayName", json!("Others"))])?;
    let inactive = limited.setting(&one.user, [("active", json!(false))])?;
    let rejected = [
        ("leaves", update("g1", limited.members(&[], &["u1"])?)),
        ("is replaced", update("g1", limited.only_members(&[])?)),
        ("has a renamed group", update("g1", name)),
        ("has a deleted group", delete(one.group.clone(), "g1")),
        ("is inactive", update("u1", inactive)),
        ("is deleted", delete(one.user.clone(), "u1")),
    ];
    for (what, write) in rejected {
        let before = limited.read(&one.group, "g1")?.version;
        let answer = limited.attempt(second(2), &write)?;
        let is_rejected = matches!(answer, Err(StoreError::TooFewLeft { .. }));
        ensure!(is_rejected, "the last one {what}: {answer:?}");
        roles(&one, "u1", &["admin"], "as the last one")?;
        ensure_eq!(limited.read(&one.group, "g1")?.version, before, "{what}");
    }
    let successor = EdgeEdit::Replace(vec![Edge::to("u2")]);
    let successor = limited.edit(successor)?;
    limited.update(second(3), "g1", successor, WriteOutcome::Updated)?;
    roles(&one, "u1", &["guest"], "after it was replaced")?;
    roles(&one, "u2", &["admin"], "as the successor")
}

fn assigned(fixture: &Fixture<'_>) -> Result<(), String> {
    let before = with_rules(fixture, &[], false)?;
    users(&before, &["u1", "u2", "u3"])?;
    group(&before, "g1", "Admins", &["u1"])?;
    roles(&before, "u1", &["guest"], "without rules")?;
    let after = with_rules(fixture, RULES, false)?;
    let assign = |fixture: &Fixture<'_>| {
        let store = &*fixture.store;
        let assigned = assign_roles(store, &fixture.context, second(2));
        let assigned = fixture.run(Box::pin(assigned))?;
        let assigned = assigned.map_err(|e| said(&e))?;
        Ok::<_, String>((assigned.changed, assigned.rejected))
    };
    ensure_eq!(assign(fixture)?, (0, 0), "without roles");
    ensure_eq!(assign(&after)?, (1, 0), "with rules");
    roles(&after, "u1", &["admin"], "after the rules")?;
    roles(&after, "u2", &["guest"], "after the rules")?;
    ensure_eq!(assign(&after)?, (0, 0), "again");

    let admins = after.filter(&after.user, r#"roles.value eq "admin""#)?;
    let least = Capacity::at_least("administrators", after.user.clone(), admins, 1);
    let limited = before.under(|settings| settings.policy.capacities = vec![least]);
    let limits = fixture.store.support(&fixture.user).capacities;
    fixture.needs(limits, "the store has no capacities")?;
    ensure_eq!(assign(&limited)?, (0, 1), "the last administrator");
    roles(&after, "u1", &["admin"], "as the last one")
}
