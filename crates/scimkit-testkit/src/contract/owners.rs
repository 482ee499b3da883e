//! The owner of a resource.

use scimkit_core::message::SortOrder;
use scimkit_registry::ResourceId;
use scimkit_store::{
    ConnectionId, ExistingMatch, MatchScope, OwnerFilter, Query, Sort, StoreError, WriteOp,
};
use serde_json::json;

use super::{
    StoreCheck,
    fixture::{Fixture, ensure, ensure_eq, said, second},
};

pub(super) const CHECKS: &[StoreCheck] = &[StoreCheck {
    name: "owner_is_returned_and_selectable_or_unsupported",
    run: owners,
}];

fn owners(fixture: &Fixture<'_>) -> Result<(), String> {
    let entra = fixture.through("entra");
    let okta = fixture.through("okta");
    for (by, id) in [
        (fixture, "u1"),
        (&entra, "u2"),
        (&okta, "u3"),
        (&entra, "u4"),
    ] {
        by.create(second(1), &fixture.user, id, json!({"userName": id}))?;
    }
    let owner = |name: &str| OwnerFilter::Connection(ConnectionId::from(name));
    let query = |owner| Query::new(fixture.user.clone()).with_owner(owner);
    if !fixture.store.support(&fixture.user).owners {
        for owner in [OwnerFilter::Unowned, owner("entra")] {
            let answer = fixture.query_as_it_is(&query(owner))?;
            let is_rejected = matches!(answer, Err(StoreError::Unsupported { .. }));
            ensure!(is_rejected, "a query by owner succeeded: {answer:?}");
        }
        return Ok(());
    }
    for (id, owner) in [("u1", None), ("u2", Some("entra")), ("u3", Some("okta"))] {
        let stored = fixture.read(&fixture.user, id)?;
        ensure_eq!(
            stored.owner,
            owner.map(ConnectionId::from),
            "the owner of {id}"
        );
    }
    for (owner, expected) in [
        (OwnerFilter::Any, &["u1", "u2", "u3", "u4"][..]),
        (OwnerFilter::Unowned, &["u1"]),
        (owner("entra"), &["u2", "u4"]),
        (owner("nobody"), &[]),
    ] {
        let query = query(owner.clone());
        let page = fixture.query(&query)?;
        let mut found: Vec<_> = page.items.iter().map(|one| one.id.to_string()).collect();
        found.sort();
        ensure_eq!(found, expected, "the resources selected by {owner:?}");
        ensure_eq!(
            page.total,
            Some(expected.len() as u64),
            "the total of {owner:?}"
        );
        let last = page.items.iter().map(|one| one.owner.as_ref());
        for told in last {
            ensure!(owner.selects(told), "{owner:?} selected what {told:?} owns");
        }
        let first = fixture.query(&query.clone().with_page(0, 1))?;
        ensure_eq!(first.items.len(), expected.len().min(1), "the first page");
        ensure_eq!(
            first.total,
            Some(expected.len() as u64),
            "the total of a page"
        );
        let support = fixture.store.support(&fixture.user);
        if support.filter {
            let named = fixture.filter(&fixture.user, r#"userName eq "u4""#)?;
            let named = fixture.ids(&query.clone().with_predicate(named))?;
            ensure_eq!(
                named.len(),
                usize::from(expected.contains(&"u4")),
                "the resources named u4"
            );
        }
        if support.sort {
            let name = fixture.attr(&fixture.user, "userName")?;
            let sort = Some(Sort::new(name, SortOrder::Descending));
            let sorted = fixture.ids(&query.with_sort(sort))?;
            let backwards: Vec<_> = expected.iter().rev().copied().collect();
            ensure_eq!(
                sorted,
                backwards,
                "the resources selected by {owner:?}, sorted"
            );
        }
    }
    let existing_match = ExistingMatch::new(
        MatchScope::Adoptable,
        fixture.filter(&fixture.user, r#"userName eq "u1""#)?,
    );
    let write = WriteOp::Create {
        change: fixture.body(&fixture.user, json!({"userName": "u1"}))?,
        existing_match: Some(Box::new(existing_match)),
        id: ResourceId::from("u5"),
    };
    let adopted = okta
        .attempt(second(2), &write)?
        .map_err(|error| said(&error))?;
    let told = adopted.stored.and_then(|stored| stored.owner);
    ensure_eq!(
        told,
        Some(ConnectionId::from("okta")),
        "the owner in the answer"
    );
    ensure_eq!(
        fixture.ids(&query(OwnerFilter::Unowned))?.len(),
        0,
        "the resources without an owner"
    );
    ensure_eq!(
        fixture.ids(&query(owner("okta")))?.len(),
        2,
        "the resources of the new owner"
    );
    Ok(())
}
