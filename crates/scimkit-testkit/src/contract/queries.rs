//! Pages, orders and filters, with known answers.

use std::sync::Arc;

use scimkit_core::{builtin::ENTERPRISE_USER, message::SortOrder};
use scimkit_registry::ResourceType;
use scimkit_store::{Query, Sort, WriteOutcome};
use serde_json::{Value, json};

use super::{
    StoreCheck,
    fixture::{Fixture, ensure, ensure_eq, second},
};

pub(super) const CHECKS: &[StoreCheck] = &[
    StoreCheck {
        name: "pages_are_ordered_by_id",
        run: pages,
    },
    StoreCheck {
        name: "empty_store_returns_an_empty_page",
        run: empty,
    },
    StoreCheck {
        name: "resources_are_sorted",
        run: sorted,
    },
    StoreCheck {
        name: "filters_match_attributes_as_returned",
        run: shown_of_users,
    },
    StoreCheck {
        name: "filters_match_members_as_returned",
        run: shown_of_groups,
    },
    StoreCheck {
        name: "filters_match_the_last_write",
        run: current,
    },
];

fn pages(fixture: &Fixture<'_>) -> Result<(), String> {
    let mut ids: Vec<String> = (0..25).map(|n| format!("u{n}")).collect();
    for id in ids.iter().rev() {
        fixture.create(second(0), &fixture.user, id, json!({"userName": id}))?;
    }
    ids.sort_unstable();
    let all = Query::new(Arc::clone(&fixture.user));
    ensure_eq!(fixture.ids(&all)?, ids, "all users");
    let any = fixture.filter(&fixture.user, "userName pr")?;
    for query in [all.clone(), all.with_predicate(any)] {
        for (start, count) in [(0, 10), (10, 10), (20, 10), (24, 1), (25, 10), (1_000, 10)] {
            let page = fixture.query(&query.clone().with_page(start, count))?;
            let found: Vec<_> = page.items.iter().map(|stored| stored.id.as_str()).collect();
            let skipped = usize::try_from(start).unwrap_or(usize::MAX);
            let wanted: Vec<_> = ids.iter().skip(skipped).take(count as usize).collect();
            ensure_eq!(found, wanted, "{count} after {start}");
            ensure_eq!(
                page.total,
                Some(25),
                "the total, with {count} after {start}"
            );
        }
        let page = fixture.query(&query.clone().with_page(0, 0))?;
        ensure!(
            page.items.is_empty(),
            "an empty page has {}",
            page.items.len()
        );
        ensure_eq!(page.total, Some(25), "the total alone");
        let page = fixture.query(&query.with_page(20, 10).without_total())?;
        ensure_eq!(page.items.len(), 5, "the last page without a total");
    }
    Ok(())
}

fn empty(fixture: &Fixture<'_>) -> Result<(), String> {
    for kind in [&fixture.user, &fixture.group] {
        let all = Query::new(Arc::clone(kind));
        let any = fixture.filter(kind, "displayName pr or not (displayName pr)")?;
        for query in [
            all.clone(),
            all.clone().with_predicate(any),
            all.with_page(5, 0),
        ] {
            let page = fixture.query(&query)?;
            ensure!(page.items.is_empty(), "an empty store has {}", kind.name());
            ensure_eq!(page.total, Some(0), "the total of nothing");
        }
    }
    Ok(())
}

fn sorted(fixture: &Fixture<'_>) -> Result<(), String> {
    fixture.needs_sort()?;
    unsorted(fixture)?;
    let orders: [(&str, [&str; 5], [&str; 5]); 5] = [
        (
            "userName",
            ["u4", "u3", "u2", "u1", "u5"],
            ["u5", "u1", "u2", "u3", "u4"],
        ),
        (
            "title",
            ["u3", "u4", "u1", "u5", "u2"],
            ["u2", "u1", "u5", "u3", "u4"],
        ),
        (
            "emails.value",
            ["u3", "u4", "u1", "u2", "u5"],
            ["u2", "u5", "u1", "u4", "u3"],
        ),
        (
            "meta.created",
            ["u5", "u4", "u3", "u2", "u1"],
            ["u1", "u2", "u3", "u4", "u5"],
        ),
        (
            "id",
            ["u1", "u2", "u3", "u4", "u5"],
            ["u5", "u4", "u3", "u2", "u1"],
        ),
    ];
    for (path, up, down) in orders {
        let attr = fixture.attr(&fixture.user, path)?;
        for (order, wanted) in [(SortOrder::Ascending, up), (SortOrder::Descending, down)] {
            let all = Query::new(Arc::clone(&fixture.user)).with_sort(Some(Sort::new(attr, order)));
            ensure_eq!(fixture.ids(&all)?, wanted, "by {path}, {order:?}");
            let page = fixture.query(&all.with_page(1, 2))?;
            let found: Vec<_> = page.items.iter().map(|stored| stored.id.as_str()).collect();
            ensure_eq!(
                Some(&found[..]),
                wanted.get(1..3),
                "two after the first by {path}"
            );
            ensure_eq!(page.total, Some(5), "the total of a sorted page");
        }
    }
    Ok(())
}

/// Creates users whose ids, names, titles, addresses and instants are in different orders.
fn unsorted(fixture: &Fixture<'_>) -> Result<(), String> {
    let work = |value: &str| json!([{"value": "zz@x.test"}, {"value": value, "primary": true}]);
    let rows = [
        (
            "u1",
            json!({"userName": "e", "title": "b", "emails": work("c@x.test")}),
        ),
        ("u2", json!({"userName": "D"})),
        (
            "u3",
            json!({"userName": "c", "title": "A", "emails": work("A@x.test")}),
        ),
        (
            "u4",
            json!({"userName": "B", "title": "a", "emails": [{"value": "b@x.test"}]}),
        ),
        ("u5", json!({"userName": "é", "title": "B"})),
    ];
    for (n, (id, body)) in (1..).zip(rows) {
        fixture.create(second(10 - n), &fixture.user, id, body)?;
    }
    Ok(())
}

/// Fails unless the filter selects these resources, also when counted and paged.
fn selects(
    fixture: &Fixture<'_>,
    kind: &Arc<ResourceType>,
    filter: &str,
    expected: &[&str],
) -> Result<(), String> {
    let query = Query::new(Arc::clone(kind)).with_predicate(fixture.filter(kind, filter)?);
    let page = fixture.query(&query)?;
    let found: Vec<_> = page.items.iter().map(|stored| stored.id.as_str()).collect();
    ensure_eq!(found, expected, "{filter}");
    ensure_eq!(
        page.total,
        Some(expected.len() as u64),
        "the total of {filter}"
    );
    Ok(())
}

fn shown_of_users(fixture: &Fixture<'_>) -> Result<(), String> {
    fixture.needs_filter()?;
    acquainted(fixture)?;
    let version = fixture
        .read(&fixture.user, "u1")?
        .version
        .as_str()
        .to_owned();
    let etag = format!(r#"id eq "u1" and meta.version eq "W/\"{version}\"""#);
    let manager = format!("{ENTERPRISE_USER}:manager");
    let users: [(&str, &[&str]); 15] = [
        (r#"id eq "u2""#, &["u2"]),
        (r#"id eq "U2""#, &[]),
        (
            r#"id eq "u2" or id eq "u1" or id eq "nobody""#,
            &["u1", "u2"],
        ),
        (r#"not (id eq "u2")"#, &["u1", "u3"]),
        (r#"groups.value eq "g1""#, &["u1"]),
        (r#"groups[value eq "g2"] and userName sw "NAME""#, &["u2"]),
        (r#"groups.display co "GROUP""#, &["u1", "u2"]),
        (
            r#"groups.type eq "direct" and groups.value ne "g1""#,
            &["u2"],
        ),
        ("not (groups pr)", &["u3"]),
        (
            r#"meta.resourceType eq "User" and not (groups pr)"#,
            &["u3"],
        ),
        (r#"meta.location ew "/Users/u3""#, &["u3"]),
        (
            r#"meta.created gt "2020-01-01T00:00:00Z" and id ne "u1""#,
            &["u2", "u3"],
        ),
        (&etag, &["u1"]),
        (&format!(r#"{manager}.displayName eq "ADA""#), &["u2"]),
        (
            &format!("{manager} pr and not ({manager}.displayName pr)"),
            &["u3"],
        ),
    ];
    for (filter, expected) in users {
        selects(fixture, &fixture.user, filter, expected)?;
    }
    Ok(())
}

fn shown_of_groups(fixture: &Fixture<'_>) -> Result<(), String> {
    fixture.needs_filter()?;
    acquainted(fixture)?;
    let groups: [(&str, &[&str]); 9] = [
        (r#"not (members[value eq "u1"])"#, &["g2"]),
        (r#"members[not (value eq "u1")]"#, &["g2"]),
        (
            r#"members.value ne "u1" and members.value eq "u2""#,
            &["g2"],
        ),
        (r#"members.value eq "u1""#, &["g1"]),
        (
            r#"members[value eq "u1"] or members[value eq "g1"]"#,
            &["g1", "g2"],
        ),
        (r#"id eq "g2" and members[value eq "u1"]"#, &[]),
        (
            r#"members[type eq "group" and display sw "group"]"#,
            &["g2"],
        ),
        (r#"members[type eq "Group" and display eq "Ada"]"#, &[]),
        (r#"members.display eq "ada""#, &["g1"]),
    ];
    for (filter, expected) in groups {
        selects(fixture, &fixture.group, filter, expected)?;
    }
    Ok(())
}

/// Creates users and groups that refer to each other.
fn acquainted(fixture: &Fixture<'_>) -> Result<(), String> {
    let user = |id: &str, display: Value, manager: Value| {
        let name = format!("name of {id}");
        let body = json!({"userName": name, "displayName": display, ENTERPRISE_USER: manager});
        fixture.create(second(1), &fixture.user, id, body)
    };
    user("u1", json!("Ada"), json!(null))?;
    user("u2", json!(null), json!({"manager": {"value": "u1"}}))?;
    user("u3", json!(null), json!({"manager": {"value": "nobody"}}))?;
    for (id, members) in [
        ("g1", json!([{"value": "u1"}])),
        ("g2", json!([{"value": "g1"}, {"value": "u2"}])),
    ] {
        let body = json!({"displayName": format!("Group {id}"), "members": members});
        fixture.create(second(2), &fixture.group, id, body)?;
    }
    Ok(())
}

fn current(fixture: &Fixture<'_>) -> Result<(), String> {
    let user = &fixture.user;
    fixture.needs_filter()?;
    let body = json!({"userName": "a", "externalId": "X", "emails": [{"value": "One@x.test"}]});
    fixture.create(second(1), user, "u1", body)?;
    fixture.create(second(1), user, "u2", json!({"userName": "b"}))?;
    selects(fixture, user, r#"externalId eq "X""#, &["u1"])?;
    selects(fixture, user, r#"externalId eq "x""#, &[])?;
    selects(fixture, user, r#"emails.value eq "one@X.test""#, &["u1"])?;
    let mails = json!([{"value": "two@x.test"}, {"value": "three@x.test", "type": "work"}]);
    let change = fixture.setting(user, [("emails", mails), ("externalId", json!(null))])?;
    fixture.update(second(2), "u1", change, WriteOutcome::Updated)?;
    selects(fixture, user, r#"externalId eq "X""#, &[])?;
    selects(fixture, user, "not (externalId pr)", &["u1", "u2"])?;
    selects(fixture, user, r#"emails.value eq "one@x.test""#, &[])?;
    selects(
        fixture,
        user,
        r#"emails[type eq "work" and value eq "THREE@x.test"]"#,
        &["u1"],
    )?;
    selects(
        fixture,
        user,
        r#"emails[type eq "work" and value eq "two@x.test"]"#,
        &[],
    )?;
    fixture.delete(second(3), user, "u1")?;
    selects(fixture, user, r#"emails.value eq "two@x.test""#, &[])?;
    selects(fixture, user, "userName pr", &["u2"])
}
