//! Single resources: writes, versions, uniqueness, tenants and batches.

use std::{collections::BTreeSet, sync::Arc};

use scimkit_core::Version;
use scimkit_registry::{Change, ResourceId};
use scimkit_store::{ExpectedVersion, StoreError, StoredResource, WriteOp, WriteOutcome};
use serde_json::json;

use super::{
    StoreCheck,
    fixture::{Fixture, document, ensure, ensure_eq, said, second},
};

pub(super) const CHECKS: &[StoreCheck] = &[
    StoreCheck {
        name: "created_resource_can_be_read",
        run: reads_back,
    },
    StoreCheck {
        name: "missing_resource_is_not_found",
        run: not_found,
    },
    StoreCheck {
        name: "update_changes_only_named_attributes",
        run: narrow_update,
    },
    StoreCheck {
        name: "update_without_effect_changes_nothing",
        run: unchanged,
    },
    StoreCheck {
        name: "unexpected_version_is_rejected",
        run: stale,
    },
    StoreCheck {
        name: "deleted_resource_is_not_found",
        run: deleted,
    },
    StoreCheck {
        name: "unique_values_are_folded",
        run: unique,
    },
    StoreCheck {
        name: "tenants_are_isolated",
        run: tenants,
    },
    StoreCheck {
        name: "batch_writes_run_in_order_and_independently",
        run: batch,
    },
];

fn reads_back(fixture: &Fixture<'_>) -> Result<(), String> {
    let body = json!({
        "userName": "Bjensen",
        "password": "t1meMa$heen",
        "name": {"givenName": "Barbara", "familyName": "Jensen"},
        "active": true,
        "emails": [{"value": "b@x.test", "type": "work", "primary": true}, {"value": "b@y.test"}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "R&D"},
    });
    let body = fixture.trimmed(&fixture.user, &body)?;
    let expected = fixture.document_of(&fixture.body(&fixture.user, body.clone())?);
    let created = fixture.create(second(1), &fixture.user, "u1", body)?;
    let read = fixture.read(&fixture.user, "u1")?;
    for stored in [&created, &read] {
        let document = fixture.document(&fixture.user, stored)?;
        ensure_eq!(document, expected, "the document");
        ensure!(
            !document.as_map().contains_key("password"),
            "the document contains the password"
        );
        ensure_eq!(stored.created, second(1), "created");
        ensure_eq!(stored.last_modified, second(1), "last modification");
    }
    ensure_eq!(read.version, created.version, "the version read back");
    Ok(())
}

fn not_found(fixture: &Fixture<'_>) -> Result<(), String> {
    fixture.create(second(1), &fixture.user, "u1", json!({"userName": "a"}))?;
    fixture.absent(&fixture.user, "u2")?;
    fixture.absent(&fixture.user, "U1")?;
    let mut writes = vec![delete(
        &fixture.user,
        "u2",
        ExpectedVersion::OneOf(vec![version("1")?]),
    )];
    if fixture.has_groups() {
        fixture.absent(&fixture.group, "u1")?;
        let change = fixture.setting(&fixture.group, [("displayName", json!("x"))])?;
        writes.push(WriteOp::Update {
            change,
            expect: ExpectedVersion::Any,
            id: ResourceId::from("u1"),
        });
        writes.push(delete(&fixture.group, "u1", ExpectedVersion::Any));
    }
    for write in writes {
        match fixture.attempt(second(2), &write)? {
            Err(StoreError::NotFound) => {}
            Err(e) => return Err(said(&e)),
            Ok(written) => return Err(format!("{:?} of a missing resource", written.outcome)),
        }
    }
    fixture.read(&fixture.user, "u1").map(drop)
}

fn narrow_update(fixture: &Fixture<'_>) -> Result<(), String> {
    let user = &fixture.user;
    let name = json!({"givenName": "Ada", "familyName": "King"});
    let body = json!({"userName": "ada", "title": "x", "name": name});
    let mut versions = BTreeSet::from([fixture.create(second(1), user, "u1", body)?.version]);
    fixture.create(second(1), user, "u2", json!({"userName": "other"}))?;
    let change = fixture.setting(
        user,
        [("name.givenName", json!("Augusta")), ("title", json!(null))],
    )?;
    let updated = fixture.update(second(2), "u1", change, WriteOutcome::Updated)?;
    let expected =
        json!({"userName": "ada", "name": {"givenName": "Augusta", "familyName": "King"}});
    let expected = fixture.document_of(&fixture.body(user, expected)?);
    let read = fixture.read(user, "u1")?;
    for stored in [&updated, &read] {
        ensure_eq!(
            fixture.document(&fixture.user, stored)?,
            expected,
            "the document"
        );
        ensure_eq!(stored.created, second(1), "created");
        ensure_eq!(stored.last_modified, second(2), "last modification");
    }
    ensure_eq!(read.version, updated.version, "the version read back");
    ensure!(
        versions.insert(updated.version),
        "an update keeps the version"
    );
    for (at, title) in [(3, json!("a")), (4, json!(null)), (5, json!("a"))] {
        let change = fixture.setting(user, [("title", title)])?;
        let version = fixture
            .update(second(at), "u1", change, WriteOutcome::Updated)?
            .version;
        ensure!(
            versions.insert(version.clone()),
            "version {version} comes twice"
        );
    }
    ensure_eq!(
        fixture.read(user, "u2")?.last_modified,
        second(1),
        "the other's modification"
    );
    Ok(())
}

fn unchanged(fixture: &Fixture<'_>) -> Result<(), String> {
    let user = &fixture.user;
    let body =
        json!({"userName": "ada", "emails": [{"value": "a@x.test"}], "name": {"givenName": "Ada"}});
    let body = fixture.trimmed(user, &body)?;
    let before = fixture.create(second(1), user, "u1", body.clone())?;
    let mut changes = vec![
        Change::empty(Arc::clone(user)),
        fixture.setting(user, [("userName", json!("ada"))])?,
        fixture.setting(
            user,
            [("name.givenName", json!("Ada")), ("title", json!(null))],
        )?,
        fixture.setting(user, [("name.familyName", json!(null))])?,
    ];
    if let Some(emails) = body.get("emails") {
        changes.push(fixture.setting(user, [("emails", emails.clone())])?);
    }
    for change in changes {
        let answer = fixture.update(second(2), "u1", change, WriteOutcome::Unchanged)?;
        for stored in [answer, fixture.read(user, "u1")?] {
            same(&stored, &before)?;
        }
    }
    Ok(())
}

fn stale(fixture: &Fixture<'_>) -> Result<(), String> {
    let user = &fixture.user;
    let first = fixture
        .create(second(1), user, "u1", json!({"userName": "ada"}))?
        .version;
    let change = fixture.setting(user, [("title", json!("a"))])?;
    let now = fixture.update(second(2), "u1", change, WriteOutcome::Updated)?;
    let id = ResourceId::from("u1");
    let change = fixture.setting(user, [("title", json!("b"))])?;
    for expect in [
        ExpectedVersion::OneOf(vec![first.clone()]),
        ExpectedVersion::OneOf(Vec::new()),
    ] {
        let update = WriteOp::Update {
            change: change.clone(),
            expect: expect.clone(),
            id: id.clone(),
        };
        for write in [update, delete(user, "u1", expect)] {
            match fixture.attempt(second(3), &write)? {
                Err(StoreError::VersionMismatch { actual }) => {
                    ensure_eq!(actual, now.version, "the actual version in the error");
                }
                Err(e) => return Err(said(&e)),
                Ok(written) => return Err(format!("{:?} despite the version", written.outcome)),
            }
            same(&fixture.read(user, "u1")?, &now)?;
        }
    }
    let expect = ExpectedVersion::OneOf(vec![first, now.version]);
    let update = WriteOp::Update { change, expect, id };
    fixture.attempt(second(4), &update)?.map_err(|e| said(&e))?;
    let current = fixture.read(user, "u1")?.version;
    let answer = fixture.attempt(
        second(5),
        &delete(user, "u1", ExpectedVersion::OneOf(vec![current])),
    )?;
    answer.map_err(|e| said(&e))?;
    fixture.absent(user, "u1")
}

fn deleted(fixture: &Fixture<'_>) -> Result<(), String> {
    let user = &fixture.user;
    let ada = json!({"userName": "ada", "emails": [{"value": "a@x.test"}]});
    fixture.create(second(1), user, "u1", fixture.trimmed(user, &ada)?)?;
    fixture.create(second(1), user, "u2", json!({"userName": "bo"}))?;
    fixture.delete(second(2), user, "u1")?;
    fixture.absent(user, "u1")?;
    ensure_eq!(fixture.total(user)?, 1, "users left");
    fixture.read(user, "u2")?;
    // Its unique name is free again.
    fixture.create(second(3), user, "u3", json!({"userName": "ADA"}))?;
    Ok(())
}

fn unique(fixture: &Fixture<'_>) -> Result<(), String> {
    let user = &fixture.user;
    fixture.create(second(1), user, "u1", json!({"userName": "Straße"}))?;
    let other = fixture.create(second(1), user, "u2", json!({"userName": "ΌΣΟΣ"}))?;
    for name in ["straße", "STRASSE", "strasse", "όσος", "όσοσ"] {
        let change = fixture.body(user, json!({"userName": name}))?;
        taken(
            fixture,
            &WriteOp::Create {
                existing_match: None,
                change,
                id: ResourceId::from("u3"),
            },
        )?;
        fixture.absent(user, "u3")?;
    }
    let change = fixture.setting(
        user,
        [("title", json!("x")), ("userName", json!("STRASSE"))],
    )?;
    taken(
        fixture,
        &WriteOp::Update {
            change,
            expect: ExpectedVersion::Any,
            id: ResourceId::from("u2"),
        },
    )?;
    same(&fixture.read(user, "u2")?, &other)?;
    let change = fixture.setting(user, [("userName", json!("STRASSE"))])?;
    fixture.update(second(3), "u1", change, WriteOutcome::Updated)?;
    let change = fixture.setting(user, [("userName", json!("elsewhere"))])?;
    fixture.update(second(4), "u1", change, WriteOutcome::Updated)?;
    fixture.create(second(5), user, "u3", json!({"userName": "strasse"}))?;
    // Equal values of an attribute that is not unique are allowed.
    for id in ["g1", "g2"].into_iter().filter(|_| fixture.has_groups()) {
        let group = json!({"displayName": "strasse"});
        fixture.create(second(5), &fixture.group, id, group)?;
    }
    Ok(())
}

fn taken(fixture: &Fixture<'_>, write: &WriteOp) -> Result<(), String> {
    match fixture.attempt(second(2), write)? {
        Err(StoreError::Duplicate { attr }) => {
            ensure_eq!(attr, "userName", "the attribute in the error");
            Ok(())
        }
        Err(e) => Err(said(&e)),
        Ok(_) => Err("a unique value was used twice".to_owned()),
    }
}

fn tenants(fixture: &Fixture<'_>) -> Result<(), String> {
    let one = fixture.tenant("one");
    let two = fixture.tenant("two");
    for tenant in [&one, &two] {
        tenant.create(second(1), &tenant.user, "u1", json!({"userName": "ada"}))?;
    }
    one.create(second(1), &one.user, "u2", json!({"userName": "bo"}))?;
    two.absent(&two.user, "u2")?;
    let before = two.read(&two.user, "u1")?;
    let change = one.setting(&one.user, [("title", json!("x"))])?;
    one.update(second(2), "u1", change, WriteOutcome::Updated)?;
    same(&two.read(&two.user, "u1")?, &before)?;
    ensure_eq!(
        (one.total(&one.user)?, two.total(&two.user)?),
        (2, 1),
        "users of each tenant"
    );
    let group = json!({"displayName": "g", "members": [{"value": "u1"}, {"value": "u2"}]});
    let change = two.body(&two.group, group.clone())?;
    let create = WriteOp::Create {
        existing_match: None,
        change,
        id: ResourceId::from("g1"),
    };
    let answer = two.attempt(second(3), &create)?;
    ensure!(
        matches!(&answer, Err(StoreError::UnknownMembers { ids, .. }) if *ids == [ResourceId::from("u2")]),
        "a member from another tenant: {answer:?}"
    );
    one.create(second(3), &one.group, "g1", group)?;
    ensure!(
        two.groups_of("u1")?.is_empty(),
        "a group shows in another tenant"
    );
    one.delete(second(4), &one.user, "u1")?;
    same(&two.read(&two.user, "u1")?, &before)?;
    ensure_eq!(fixture.total(&fixture.user)?, 0, "users of a third tenant");
    Ok(())
}

fn batch(fixture: &Fixture<'_>) -> Result<(), String> {
    let user = &fixture.user;
    let create = |kind, id: &str, body| {
        let change = fixture.body(kind, body)?;
        Ok::<_, String>(WriteOp::Create {
            existing_match: None,
            change,
            id: ResourceId::from(id),
        })
    };
    let members = json!([{"value": "u1"}]);
    let writes = vec![
        create(user, "u1", json!({"userName": "ada"}))?,
        create(user, "u2", json!({"userName": "ADA"}))?,
        create(
            &fixture.group,
            "g1",
            json!({"displayName": "g", "members": members}),
        )?,
        create(
            &fixture.group,
            "g2",
            json!({"displayName": "h", "members": [{"value": "u2"}]}),
        )?,
        delete(user, "u1", ExpectedVersion::Any),
        create(user, "u2", json!({"userName": "Ada"}))?,
        WriteOp::Update {
            change: fixture.setting(user, [("title", json!("x"))])?,
            expect: ExpectedVersion::Any,
            id: ResourceId::from("u1"),
        },
    ];
    let answers = fixture.write(second(1), writes)?;
    let outcomes: Vec<_> = answers.iter().map(outcome).collect();
    let expected = [
        "Created", "Taken", "Created", "Missing", "Deleted", "Created", "NotFound",
    ];
    ensure_eq!(
        outcomes,
        expected,
        "the answers, in the order of the writes"
    );
    fixture.absent(user, "u1")?;
    fixture.read(user, "u2")?;
    fixture.absent(&fixture.group, "g2")?;
    ensure!(
        fixture.members_of("g1")?.is_empty(),
        "a deleted user is still a member"
    );
    Ok(())
}

fn outcome(answer: &Result<scimkit_store::Written, StoreError>) -> String {
    match answer {
        Ok(written) => format!("{:?}", written.outcome),
        Err(StoreError::UnknownMembers { .. }) => "Missing".to_owned(),
        Err(StoreError::NotFound) => "NotFound".to_owned(),
        Err(StoreError::Duplicate { .. }) => "Taken".to_owned(),
        Err(e) => said(e),
    }
}

/// Fails if the resource has changed.
pub(super) fn same(now: &StoredResource, before: &StoredResource) -> Result<(), String> {
    ensure_eq!(now.version, before.version, "the version of `{}`", now.id);
    ensure_eq!(now.created, before.created, "the creation of `{}`", now.id);
    ensure_eq!(
        now.last_modified,
        before.last_modified,
        "the last modification of `{}`",
        now.id
    );
    ensure_eq!(
        document(now)?,
        document(before)?,
        "the document of `{}`",
        now.id
    );
    Ok(())
}

fn delete(
    kind: &Arc<scimkit_registry::ResourceType>,
    id: &str,
    expect: ExpectedVersion,
) -> WriteOp {
    WriteOp::Delete {
        expect,
        id: ResourceId::from(id),
        kind: Arc::clone(kind),
    }
}

fn version(text: &str) -> Result<Version, String> {
    Version::new(text).map_err(|e| e.to_string())
}
