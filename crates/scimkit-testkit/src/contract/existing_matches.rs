//! Creates that match existing resources, and restored resources.

use scimkit_registry::ResourceId;
use scimkit_store::{
    Batch, ConnectionId, DeletePolicy, ExistingMatch, ExpectedVersion, MatchScope, OnFailure,
    Query, StoreError, StoredResource, WriteOp, WriteOutcome,
};
use serde_json::{Value, json};

use super::{
    StoreCheck,
    fixture::{Fixture, document, ensure, ensure_eq, ids_of, said, second},
    members::{groups, members},
    parallel::{at_once, one_wins},
    resources::same,
};

pub(super) const CHECKS: &[StoreCheck] = &[
    StoreCheck {
        name: "create_adopts_a_resource_without_an_owner",
        run: adopts,
    },
    StoreCheck {
        name: "create_does_not_adopt_a_resource_with_an_owner",
        run: leaves,
    },
    StoreCheck {
        name: "adoption_without_other_changes_is_a_new_version",
        run: adopts_as_it_is,
    },
    StoreCheck {
        name: "create_is_rejected_if_several_resources_match",
        run: several,
    },
    StoreCheck {
        name: "soft_deleted_resource_is_not_found",
        run: gone,
    },
    StoreCheck {
        name: "create_restores_a_soft_deleted_resource",
        run: restores_deleted,
    },
    StoreCheck {
        name: "last_soft_deleted_match_is_restored",
        run: the_last_one,
    },
    StoreCheck {
        name: "first_matching_attribute_decides_the_restored_resource",
        run: in_order,
    },
    StoreCheck {
        name: "live_match_is_preferred_to_a_soft_deleted_one",
        run: prefers,
    },
    StoreCheck {
        name: "rejected_create_adopts_and_restores_nothing",
        run: refused,
    },
    StoreCheck {
        name: "match_is_limited_to_its_tenant",
        run: apart,
    },
    StoreCheck {
        name: "match_by_unindexed_attributes_is_exact",
        run: unindexed,
    },
    StoreCheck {
        name: "rolled_back_batch_undoes_adoptions_and_restores",
        run: undone,
    },
    StoreCheck {
        name: "create_takes_over_a_deactivated_user",
        run: deactivated,
    },
    StoreCheck {
        name: "adoption_sets_only_the_sent_attributes",
        run: as_sent,
    },
    StoreCheck {
        name: "one_of_parallel_creates_adopts",
        run: parallel,
    },
];

/// Returns a match for a create, by a filter.
fn existing_match(
    fixture: &Fixture<'_>,
    scope: MatchScope,
    filter: &str,
) -> Result<Option<ExistingMatch>, String> {
    let by = fixture.filter(&fixture.user, filter)?;
    Ok(Some(ExistingMatch::new(scope, by)))
}

fn create(
    fixture: &Fixture<'_>,
    id: &str,
    body: Value,
    existing_match: Option<ExistingMatch>,
) -> Result<WriteOp, String> {
    Ok(WriteOp::Create {
        change: fixture.body(&fixture.user, body)?,
        existing_match: existing_match.map(Box::new),
        id: ResourceId::from(id),
    })
}

/// Creates a resource with a match, which must have that outcome.
fn take(
    fixture: &Fixture<'_>,
    (second_of, id): (i64, &str),
    body: Value,
    existing_match: Option<ExistingMatch>,
    how: WriteOutcome,
) -> Result<StoredResource, String> {
    let write = create(fixture, id, body, existing_match)?;
    let written = fixture.attempt(second(second_of), &write)?;
    let written = written.map_err(|e| format!("a create with a match: {}", said(&e)))?;
    ensure_eq!(
        written.outcome,
        how,
        "the outcome of a create with a match match"
    );
    written
        .stored
        .ok_or_else(|| "the answer lacks the resource".to_owned())
}

fn adopts(fixture: &Fixture<'_>) -> Result<(), String> {
    let name = json!({"familyName": "J"});
    let user = json!({"userName": "Bj", "title": "host", "name": name});
    let before = fixture.create(second(1), &fixture.user, "h1", user)?;
    let own: &[&str] = if fixture.has_groups() { &["g1"] } else { &[] };
    for id in own {
        let group = json!({"displayName": "g", "members": [{"value": "h1"}]});
        fixture.create(second(1), &fixture.group, id, group)?;
    }
    let entra = fixture.through("entra");
    let existing_match = existing_match(&entra, MatchScope::Both, r#"userName eq "bJ""#)?;
    let body = json!({"userName": "bj", "title": "provider"});
    let taken = take(
        &entra,
        (2, "n1"),
        body,
        existing_match,
        WriteOutcome::Adopted,
    )?;
    ensure_eq!(taken.id.as_str(), "h1", "the id of the adopted user");
    ensure_eq!(taken.created, before.created, "created");
    ensure_eq!(taken.last_modified, second(2), "lastModified");
    ensure!(
        taken.version != before.version,
        "the version did not change"
    );
    let wanted = json!({"userName": "bj", "title": "provider", "name": name});
    let wanted = fixture.document_of(&fixture.body(&fixture.user, wanted)?);
    let there = fixture.read(&fixture.user, "h1")?;
    ensure_eq!(
        fixture.document(&fixture.user, &there)?,
        wanted,
        "the document"
    );
    same(&taken, &there)?;
    fixture.absent(&fixture.user, "n1")?;
    ensure_eq!(fixture.total(&fixture.user)?, 1, "users");
    if fixture.has_groups() {
        groups(fixture, "h1", own)
    } else {
        Ok(())
    }
}

fn leaves(fixture: &Fixture<'_>) -> Result<(), String> {
    let entra = fixture.through("entra");
    let okta = fixture.through("okta");
    entra.create(second(1), &fixture.user, "e1", json!({"userName": "bj"}))?;
    for by in [&entra, &okta] {
        let write = create(
            by,
            "n1",
            json!({"userName": "BJ"}),
            existing_match(by, MatchScope::Both, r#"userName eq "bj""#)?,
        )?;
        taken(by.attempt(second(2), &write)?)?;
    }
    // An adopted resource belongs to its connection.
    fixture.create(second(3), &fixture.user, "h1", json!({"userName": "am"}))?;
    let by_name = |by| existing_match(by, MatchScope::Adoptable, r#"userName eq "am""#);
    let body = json!({"userName": "am"});
    take(
        &okta,
        (4, "n2"),
        body.clone(),
        by_name(&okta)?,
        WriteOutcome::Adopted,
    )?;
    let write = create(&entra, "n3", body, by_name(&entra)?)?;
    taken(entra.attempt(second(5), &write)?)
}

fn adopts_as_it_is(fixture: &Fixture<'_>) -> Result<(), String> {
    let body = json!({"userName": "bj"});
    let before = fixture.create(second(1), &fixture.user, "h1", body.clone())?;
    let entra = fixture.through("entra");
    let existing_match = existing_match(&entra, MatchScope::Adoptable, r#"userName eq "bj""#)?;
    let taken = take(
        &entra,
        (2, "n1"),
        body,
        existing_match,
        WriteOutcome::Adopted,
    )?;
    ensure!(
        taken.version != before.version,
        "the version did not change"
    );
    ensure_eq!(taken.last_modified, second(2), "lastModified");
    same(&taken, &fixture.read(&fixture.user, "h1")?)
}

fn several(fixture: &Fixture<'_>) -> Result<(), String> {
    for (id, name) in [("h1", "a"), ("h2", "b")] {
        let body = json!({"userName": name, "externalId": "7"});
        fixture.create(second(1), &fixture.user, id, body)?;
    }
    let entra = fixture.through("entra");
    let by = existing_match(&entra, MatchScope::Both, r#"externalId eq "7""#)?;
    let write = create(
        &entra,
        "n1",
        json!({"userName": "c", "externalId": "7"}),
        by,
    )?;
    match entra.attempt(second(2), &write)? {
        Err(StoreError::Ambiguous) => {}
        other => return Err(format!("several match: {other:?}")),
    }
    ensure_eq!(fixture.total(&fixture.user)?, 2, "users");
    // The connection owns one of them, so only one match is left.
    let by = existing_match(&entra, MatchScope::Both, r#"userName eq "a""#)?;
    let one = json!({"userName": "a", "externalId": "7"});
    take(&entra, (3, "n2"), one, by, WriteOutcome::Adopted)?;
    let by = existing_match(&entra, MatchScope::Both, r#"externalId eq "7""#)?;
    let two = json!({"userName": "b", "externalId": "7"});
    let taken = take(&entra, (4, "n3"), two, by, WriteOutcome::Adopted)?;
    ensure_eq!(taken.id.as_str(), "h2", "the id of the adopted user");
    Ok(())
}

/// Soft-deletes a user in a group.
fn retired(fixture: &Fixture<'_>) -> Result<(), String> {
    let body = json!({"userName": "bj", "title": "Dr", "externalId": "7"});
    fixture.create(second(1), &fixture.user, "u1", body)?;
    let group = json!({"displayName": "g", "members": [{"value": "u1"}]});
    let before = fixture.create(second(1), &fixture.group, "g1", group)?;
    fixture.retiring().delete(second(2), &fixture.user, "u1")?;
    let after = fixture.read(&fixture.group, "g1")?;
    ensure!(
        after.version != before.version,
        "the version of the group did not change"
    );
    Ok(())
}

fn gone(fixture: &Fixture<'_>) -> Result<(), String> {
    fixture.needs_ids("an id can't be asked for again")?;
    retired(fixture)?;
    fixture.absent(&fixture.user, "u1")?;
    ensure_eq!(fixture.total(&fixture.user)?, 0, "users");
    let filter = fixture.filter(&fixture.user, r#"userName eq "bj" or title pr"#)?;
    let query = Query::new(fixture.user.clone()).with_predicate(filter);
    ensure_eq!(fixture.ids(&query)?, Vec::<String>::new(), "users found");
    members(fixture, "g1", &[])?;
    let update = WriteOp::Update {
        change: fixture.setting(&fixture.user, [("title", json!("x"))])?,
        expect: ExpectedVersion::Any,
        id: ResourceId::from("u1"),
    };
    let delete = WriteOp::Delete {
        expect: ExpectedVersion::Any,
        id: ResourceId::from("u1"),
        kind: fixture.user.clone(),
    };
    for write in [update, delete] {
        match fixture.attempt(second(3), &write)? {
            Err(StoreError::NotFound) => {}
            other => return Err(format!("an update of a soft-deleted user: {other:?}")),
        }
    }
    let member = WriteOp::Update {
        change: fixture.members(&["u1"], &[])?,
        expect: ExpectedVersion::Any,
        id: ResourceId::from("g1"),
    };
    match fixture.attempt(second(3), &member)? {
        Err(StoreError::UnknownMembers { .. }) => {}
        other => return Err(format!("a soft-deleted member: {other:?}")),
    }
    // The name is free for a create without a match, but the id is not.
    let same_id = create(fixture, "u1", json!({"userName": "other"}), None)?;
    ensure!(
        fixture.attempt(second(4), &same_id)?.is_err(),
        "the id of a soft-deleted user was used again"
    );
    fixture.create(second(4), &fixture.user, "u2", json!({"userName": "BJ"}))?;
    Ok(())
}

fn restores_deleted(fixture: &Fixture<'_>) -> Result<(), String> {
    retired(fixture)?;
    let entra = fixture.through("entra");
    let by = existing_match(&entra, MatchScope::Both, r#"userName eq "bj""#)?;
    let body = json!({"userName": "BJ", "nickName": "b"});
    let back = take(&entra, (5, "n1"), body, by, WriteOutcome::Restored)?;
    ensure_eq!(back.id.as_str(), "u1", "the id of the restored user");
    ensure_eq!(back.created, second(1), "created");
    ensure_eq!(back.last_modified, second(5), "lastModified");
    let wanted = json!({"userName": "BJ", "nickName": "b"});
    let wanted = fixture.document_of(&fixture.body(&fixture.user, wanted)?);
    let there = fixture.read(&fixture.user, "u1")?;
    let found = fixture.document(&fixture.user, &there)?;
    ensure_eq!(found, wanted, "the document");
    same(&back, &there)?;
    groups(fixture, "u1", &[])?;
    ensure_eq!(fixture.total(&fixture.user)?, 1, "users");
    let filter = fixture.filter(&fixture.user, r#"userName eq "bj""#)?;
    let query = Query::new(fixture.user.clone()).with_predicate(filter);
    ensure_eq!(fixture.ids(&query)?, ["u1"], "users found");
    // The connection owns the user, which can be a member, and can be deleted and restored again.
    fixture.update(
        second(6),
        "g1",
        fixture.members(&["u1"], &[])?,
        WriteOutcome::Updated,
    )?;
    ensure_eq!(ids_of(&fixture.members_of("g1")?), ["u1"], "members");
    fixture.retiring().delete(second(7), &fixture.user, "u1")?;
    let by = existing_match(&entra, MatchScope::Restorable, r#"userName eq "bj""#)?;
    let body = json!({"userName": "bj"});
    let again = take(&entra, (8, "n2"), body.clone(), by, WriteOutcome::Restored)?;
    ensure!(again.version != back.version, "a version was used again");
    let by = existing_match(&entra, MatchScope::Both, r#"userName eq "bj""#)?;
    let write = create(&entra, "n3", body, by)?;
    taken(entra.attempt(second(9), &write)?)
}

fn the_last_one(fixture: &Fixture<'_>) -> Result<(), String> {
    let retiring = fixture.retiring();
    for (n, id) in (1..).zip(["u2", "u3", "u1"]) {
        fixture.create(second(n), &fixture.user, id, json!({"userName": "bj"}))?;
        retiring.delete(second(n), &fixture.user, id)?;
    }
    for id in ["u1", "u3", "u2"] {
        let by = existing_match(fixture, MatchScope::Restorable, r#"userName eq "bj""#)?;
        let back = take(
            fixture,
            (9, "n1"),
            json!({"userName": "bj"}),
            by,
            WriteOutcome::Restored,
        )?;
        ensure_eq!(back.id.as_str(), id, "the restored user");
        // Make room for the next one.
        fixture.delete(second(9), &fixture.user, id)?;
    }
    Ok(())
}

fn in_order(fixture: &Fixture<'_>) -> Result<(), String> {
    let retiring = fixture.retiring();
    for (n, (id, name, external)) in (1..).zip([("u1", "ann", "1"), ("u2", "bea", "7")]) {
        let body = json!({"userName": name, "externalId": external});
        fixture.create(second(n), &fixture.user, id, body)?;
        retiring.delete(second(n), &fixture.user, id)?;
    }
    let filter = r#"userName eq "ann" or externalId eq "7""#;
    let existing_match = existing_match(&fixture.through("entra"), MatchScope::Restorable, filter)?;
    for id in ["u1", "u2"] {
        let body = json!({"userName": id});
        let back = take(
            fixture,
            (9, "n1"),
            body,
            existing_match.clone(),
            WriteOutcome::Restored,
        )?;
        ensure_eq!(back.id.as_str(), id, "the restored user");
    }
    Ok(())
}

fn prefers(fixture: &Fixture<'_>) -> Result<(), String> {
    retired(fixture)?;
    let body = json!({"userName": "other", "externalId": "7"});
    fixture.create(second(3), &fixture.user, "h1", body.clone())?;
    let entra = fixture.through("entra");
    let by = |scope| existing_match(&entra, scope, r#"externalId eq "7""#);
    let taken = take(
        &entra,
        (4, "n1"),
        body,
        by(MatchScope::Both)?,
        WriteOutcome::Adopted,
    )?;
    ensure_eq!(taken.id.as_str(), "h1", "the adopted user");
    // A match among live resources ignores the soft-deleted one, and vice versa.
    let body = json!({"userName": "third", "externalId": "7"});
    let made = take(
        &entra,
        (5, "n2"),
        body,
        by(MatchScope::Adoptable)?,
        WriteOutcome::Created,
    )?;
    ensure_eq!(made.id.as_str(), "n2", "the created user");
    let body = json!({"userName": "bj", "externalId": "7"});
    let back = take(
        &entra,
        (6, "n3"),
        body,
        by(MatchScope::Restorable)?,
        WriteOutcome::Restored,
    )?;
    ensure_eq!(back.id.as_str(), "u1", "the restored user");
    Ok(())
}

fn refused(fixture: &Fixture<'_>) -> Result<(), String> {
    retired(fixture)?;
    let other = fixture.create(
        second(3),
        &fixture.user,
        "h1",
        json!({"userName": "x", "title": "t"}),
    )?;
    fixture.create(second(3), &fixture.user, "h2", json!({"userName": "taken"}))?;
    let entra = fixture.through("entra");
    for filter in [r#"externalId eq "7""#, r#"title eq "t""#] {
        let by = existing_match(&entra, MatchScope::Both, filter)?;
        let write = create(&entra, "n1", json!({"userName": "taken"}), by)?;
        taken(entra.attempt(second(4), &write)?)?;
    }
    fixture.absent(&fixture.user, "u1")?;
    same(&other, &fixture.read(&fixture.user, "h1")?)?;
    for (filter, id, how) in [
        (r#"title eq "t""#, "h1", WriteOutcome::Adopted),
        (r#"externalId eq "7""#, "u1", WriteOutcome::Restored),
    ] {
        let by = existing_match(&entra, MatchScope::Both, filter)?;
        let body = json!({"userName": id});
        let stored = take(&entra, (5, "n2"), body, by, how)?;
        ensure_eq!(stored.id.as_str(), id, "the matched user");
    }
    Ok(())
}

fn apart(fixture: &Fixture<'_>) -> Result<(), String> {
    retired(fixture)?;
    fixture.create(second(3), &fixture.user, "h1", json!({"userName": "am"}))?;
    let other = fixture.tenant("other").through("entra");
    for name in ["bj", "am"] {
        let by = existing_match(
            &other,
            MatchScope::Both,
            &format!(r#"userName eq "{name}""#),
        )?;
        take(
            &other,
            (4, &format!("o-{name}")),
            json!({"userName": name}),
            by,
            WriteOutcome::Created,
        )?;
    }
    // The id of a soft-deleted resource of another tenant is free.
    other.create(second(4), &fixture.user, "u1", json!({"userName": "u1"}))?;
    Ok(())
}

fn unindexed(fixture: &Fixture<'_>) -> Result<(), String> {
    let email = |work: &str, home: &str| json!([{"type": "work", "value": work}, {"type": "home", "value": home}]);
    let body = |name: &str, work, home| json!({"userName": name, "emails": email(work, home)});
    fixture.create(second(1), &fixture.user, "h1", body("a", "1@x", "2@x"))?;
    fixture.create(second(1), &fixture.user, "h2", body("b", "2@x", "1@x"))?;
    fixture.create(second(1), &fixture.user, "u3", body("c", "3@x", "4@x"))?;
    fixture.retiring().delete(second(2), &fixture.user, "u3")?;
    let by = |email: &str| {
        let filter = format!(r#"emails[type eq "work" and value eq "{email}"]"#);
        existing_match(fixture, MatchScope::Both, &filter)
    };
    for (email, id, how) in [
        ("2@X", "h2", WriteOutcome::Adopted),
        ("3@x", "u3", WriteOutcome::Restored),
        ("4@x", "n1", WriteOutcome::Created),
    ] {
        let stored = take(fixture, (3, "n1"), json!({"userName": id}), by(email)?, how)?;
        ensure_eq!(stored.id.as_str(), id, "the matched user");
    }
    Ok(())
}

fn undone(fixture: &Fixture<'_>) -> Result<(), String> {
    retired(fixture)?;
    let host = fixture.create(second(3), &fixture.user, "h1", json!({"userName": "am"}))?;
    let entra = fixture.through("entra");
    let by = |name: &str| {
        existing_match(
            &entra,
            MatchScope::Both,
            &format!(r#"userName eq "{name}""#),
        )
    };
    let writes = vec![
        create(
            &entra,
            "n1",
            json!({"userName": "am", "title": "x"}),
            by("am")?,
        )?,
        create(&entra, "n2", json!({"userName": "bj"}), by("bj")?)?,
        create(&entra, "n3", json!({"userName": "am"}), None)?,
    ];
    let batch = Batch::new(second(4), writes).with_on_failure(OnFailure::RollBack);
    let answers = entra.carry_out(batch)?;
    ensure!(
        answers.iter().all(Result::is_err),
        "a batch was not rolled back"
    );
    same(&host, &fixture.read(&fixture.user, "h1")?)?;
    fixture.absent(&fixture.user, "u1")?;
    // Each can be adopted or restored as if nothing had happened.
    take(
        &entra,
        (5, "n4"),
        json!({"userName": "am"}),
        by("am")?,
        WriteOutcome::Adopted,
    )?;
    let back = take(
        &entra,
        (5, "n5"),
        json!({"userName": "bj"}),
        by("bj")?,
        WriteOutcome::Restored,
    )?;
    ensure_eq!(back.created, second(1), "created");
    // Rolling back a soft delete leaves the resource unchanged.
    let retiring = fixture.retiring();
    let delete = WriteOp::Delete {
        expect: ExpectedVersion::Any,
        id: ResourceId::from("u1"),
        kind: fixture.user.clone(),
    };
    let clash = create(&retiring, "n6", json!({"userName": "am"}), None)?;
    let batch = Batch::new(second(6), vec![delete, clash]).with_on_failure(OnFailure::RollBack);
    let answers = retiring.carry_out(batch)?;
    ensure!(
        answers.iter().all(Result::is_err),
        "a batch was not rolled back"
    );
    same(&back, &fixture.read(&fixture.user, "u1")?)?;
    let none = existing_match(fixture, MatchScope::Restorable, r#"userName eq "bj""#)?;
    let write = create(fixture, "n7", json!({"userName": "bj"}), none)?;
    taken(fixture.attempt(second(7), &write)?)
}

fn deactivated(fixture: &Fixture<'_>) -> Result<(), String> {
    let entra = fixture.through("entra");
    let okta = fixture.through("okta");
    let user = |name: &str, active: bool| json!({"userName": name, "title": "t", "active": active});
    okta.create(second(1), &fixture.user, "o1", user("on", true))?;
    okta.create(second(1), &fixture.user, "o2", user("off", false))?;
    let asleep = fixture.filter(&fixture.user, "active eq false")?;
    let by = |name: &str, scope| -> Result<Option<ExistingMatch>, String> {
        let existing_match = existing_match(&entra, scope, &format!(r#"userName eq "{name}""#))?;
        Ok(existing_match
            .map(|existing_match| existing_match.with_deactivated(Some(asleep.clone()))))
    };
    for (name, scope) in [
        ("on", MatchScope::Both),
        ("on", MatchScope::Restorable),
        ("off", MatchScope::Adoptable),
    ] {
        let write = create(&entra, "n1", json!({"userName": name}), by(name, scope)?)?;
        taken(entra.attempt(second(2), &write)?)?;
    }
    let body = json!({"userName": "off", "active": true});
    let existing_match = by("off", MatchScope::Restorable)?;
    let back = take(
        &entra,
        (3, "n2"),
        body.clone(),
        existing_match,
        WriteOutcome::Restored,
    )?;
    ensure_eq!(back.id.as_str(), "o2", "the id of the restored user");
    ensure_eq!(
        json!(document(&back)?.as_map()["title"]),
        json!("t"),
        "what stays"
    );
    let write = create(&okta, "n3", body, by("off", MatchScope::Both)?)?;
    taken(okta.attempt(second(4), &write)?)
}

fn as_sent(fixture: &Fixture<'_>) -> Result<(), String> {
    let body = json!({"userName": "bj", "title": "host"});
    fixture.create(second(1), &fixture.user, "h1", body)?;
    let entra = fixture.through("entra");
    let sent = fixture.body(&fixture.user, json!({"userName": "bj", "nickName": "b"}))?;
    let existing_match = existing_match(&entra, MatchScope::Both, r#"userName eq "bj""#)?;
    let existing_match = existing_match.map(|existing_match| existing_match.with_change(sent));
    let filled_in = json!({"userName": "bj", "nickName": "b", "title": "default"});
    let taken = take(
        &entra,
        (2, "n1"),
        filled_in.clone(),
        existing_match.clone(),
        WriteOutcome::Adopted,
    )?;
    let wanted = json!({"userName": "bj", "title": "host", "nickName": "b"});
    let wanted = fixture.document_of(&fixture.body(&fixture.user, wanted)?);
    let found = fixture.document(&fixture.user, &taken)?;
    ensure_eq!(found, wanted, "the document");
    // A created or restored resource gets all values.
    fixture.retiring().delete(second(3), &fixture.user, "h1")?;
    let back = take(
        &entra,
        (4, "n2"),
        filled_in,
        existing_match,
        WriteOutcome::Restored,
    )?;
    ensure_eq!(
        json!(document(&back)?.as_map()["title"]),
        json!("default"),
        "the default"
    );
    Ok(())
}

fn parallel(fixture: &Fixture<'_>) -> Result<(), String> {
    fixture.create(second(1), &fixture.user, "h1", json!({"userName": "bj"}))?;
    let entra = fixture.through("entra");
    let answers = at_once(&entra, |n| {
        let by = existing_match(&entra, MatchScope::Both, r#"userName eq "bj""#)?;
        create(&entra, &format!("n{n}"), json!({"userName": "bj"}), by)
    })?;
    one_wins(&answers, |e| matches!(e, StoreError::Duplicate { .. }))?;
    ensure_eq!(fixture.total(&fixture.user)?, 1, "users afterwards");
    fixture.read(&fixture.user, "h1").map(drop)
}

/// Fails unless the name is in use.
fn taken(answer: Result<scimkit_store::Written, StoreError>) -> Result<(), String> {
    match answer {
        Err(StoreError::Duplicate { .. }) => Ok(()),
        other => Err(format!("a name in use: {other:?}")),
    }
}

impl<'a> Fixture<'a> {
    /// Returns the same store on behalf of a connection.
    pub(super) fn through(&self, connection: &str) -> Fixture<'a> {
        let mut other = self.again();
        other.context.cause.connection = Some(ConnectionId::from(connection));
        other
    }

    /// Returns the same store with soft delete.
    pub(super) fn retiring(&self) -> Fixture<'a> {
        // Without it, the check is skipped, whatever it finds.
        drop(self.needs_soft_delete());
        self.under(|settings| settings.policy.delete_policy = DeletePolicy::Soft)
    }
}
