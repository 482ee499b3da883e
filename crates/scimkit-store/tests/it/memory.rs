use std::sync::Arc;

use chrono::DateTime;
use scimkit_filter::Filter;
use scimkit_registry::{Change, Edge, EdgeEdit, Registry, ResourceId, Tolerance};
use scimkit_store::{
    Batch, CyclePolicy, EdgeQuery, ExpectedVersion, Journal, JournalPosition, JournalQuery,
    JournalRead, MemoryStore, Query, ReadOptions, RequestContext, Store, StoreError, StoreExt,
    WriteOp, WriteOutcome,
};
use serde_json::json;

use crate::{body, context, kind, now};

const AT: DateTime<chrono::Utc> = DateTime::UNIX_EPOCH;

fn create(
    store: &MemoryStore,
    context: &RequestContext,
    name: &str,
    id: &str,
    json: serde_json::Value,
) {
    let change = body(&kind(context, name), json);
    now(store.create(context, AT, ResourceId::from(id), change)).unwrap();
}

fn found(store: &MemoryStore, context: &RequestContext, name: &str, filter: &str) -> Vec<String> {
    let kind = kind(context, name);
    let filter = Filter::parse(filter).unwrap();
    let predicate = kind.bind_filter(&filter, &Tolerance::DEFAULT).unwrap();
    let page = now(store.query(context, &Query::new(kind).with_predicate(predicate))).unwrap();
    page.items
        .iter()
        .map(|stored| stored.id.to_string())
        .collect()
}

#[test]
fn changed_schema_rebuilds_lookup_keys() {
    let store = MemoryStore::new();
    let before = context(Registry::standard());
    create(
        &store,
        &before,
        "User",
        "u1",
        json!({"userName": "a", "nickName": "Nick"}),
    );
    let indexed = Registry::builder()
        .index("User", "nickName")
        .build()
        .unwrap();
    let after = context(indexed);
    // The keys are still those of the old schema, so the query scans all rows.
    assert_eq!(
        found(&store, &after, "User", r#"nickName eq "NICK""#),
        ["u1"]
    );
    create(
        &store,
        &after,
        "User",
        "u2",
        json!({"userName": "b", "nickName": "nick"}),
    );
    assert_eq!(
        found(&store, &after, "User", r#"nickName eq "NICK""#),
        ["u1", "u2"]
    );
    let change = body(&kind(&after, "User"), json!({"userName": "A"}));
    let taken = now(store.create(&after, AT, ResourceId::from("u3"), change));
    assert!(matches!(taken, Err(StoreError::Duplicate { attr }) if attr == "userName"));
    // Back to the first schema.
    create(&store, &before, "User", "u3", json!({"userName": "c"}));
    assert_eq!(found(&store, &before, "User", r#"userName eq "B""#), ["u2"]);
}

#[test]
fn used_id_is_rejected() {
    let store = MemoryStore::new();
    let context = context(Registry::standard());
    create(&store, &context, "User", "1", json!({"userName": "a"}));
    for (name, json) in [
        ("User", json!({"userName": "b"})),
        ("Group", json!({"displayName": "b"})),
    ] {
        let change = body(&kind(&context, name), json);
        let answer = now(store.create(&context, AT, ResourceId::from("1"), change));
        assert!(matches!(answer, Err(StoreError::Backend(_))), "{name}");
    }
}

#[test]
fn versions_of_an_id_never_repeat() {
    let store = MemoryStore::new();
    let context = context(Registry::standard());
    let user = kind(&context, "User");
    let mut versions = Vec::new();
    for _ in 0..3 {
        create(&store, &context, "User", "1", json!({"userName": "a"}));
        versions.push(
            now(store.read(
                &context,
                &user,
                &ResourceId::from("1"),
                &ReadOptions::document(),
            ))
            .unwrap()
            .version,
        );
        let key = (Arc::clone(&user), ResourceId::from("1"));
        now(store.delete(&context, AT, key, ExpectedVersion::Any)).unwrap();
    }
    versions.dedup();
    assert_eq!(versions.len(), 3);
}

#[test]
fn unpolled_write_has_no_effect() {
    let store = MemoryStore::new();
    let context = context(Registry::standard());
    let user = kind(&context, "User");
    let change = body(&user, json!({"userName": "a"}));
    let id = ResourceId::from("1");
    drop(store.create(&context, AT, id.clone(), change));
    assert!(matches!(
        now(store.read(&context, &user, &id, &ReadOptions::document())),
        Err(StoreError::NotFound)
    ));
}

#[test]
fn password_is_a_change_and_is_not_stored() {
    let store = MemoryStore::new();
    let context = context(Registry::standard());
    let user = kind(&context, "User");
    create(&store, &context, "User", "1", json!({"userName": "a"}));
    let mut change = Change::empty(Arc::clone(&user));
    change.difference(
        user.attribute_id("password").unwrap(),
        None,
        Some(json!("secret")),
    );
    let id = ResourceId::from("1");
    let written = now(store.update(&context, AT, id, change, ExpectedVersion::Any)).unwrap();
    assert_eq!(written.outcome, WriteOutcome::Updated);
    assert!(!format!("{store:?}").contains("secret"));
}

#[test]
fn group_may_be_its_own_member_if_cycles_are_accepted() {
    let store = MemoryStore::new();
    let mut context = context(Registry::standard());
    Arc::make_mut(&mut context.settings).policy.cycles = CyclePolicy::Accept;
    let members = json!([{"value": "g1"}]);
    create(
        &store,
        &context,
        "Group",
        "g1",
        json!({"displayName": "g", "members": members}),
    );
    assert_eq!(
        found(&store, &context, "Group", r#"members[value eq "g1"]"#),
        ["g1"]
    );
    let key = (kind(&context, "Group"), ResourceId::from("g1"));
    now(store.delete(&context, AT, key, ExpectedVersion::Any)).unwrap();
    create(&store, &context, "Group", "g1", json!({"displayName": "g"}));
    assert!(found(&store, &context, "Group", "members pr").is_empty());
}

#[test]
fn references_are_edges() {
    const ENTERPRISE: &str = scimkit_core::builtin::ENTERPRISE_USER;
    let store = MemoryStore::new();
    let context = context(Registry::standard());
    create(
        &store,
        &context,
        "User",
        "m",
        json!({"userName": "m", "displayName": "Boss"}),
    );
    let manager = json!({"manager": {"value": "m"}});
    create(
        &store,
        &context,
        "User",
        "u",
        json!({"userName": "u", ENTERPRISE: manager}),
    );
    let user = kind(&context, "User");
    let attr = user.attribute_id(&format!("{ENTERPRISE}:manager")).unwrap();
    let owners = ["u", "m"].map(ResourceId::from).to_vec();
    let edges = now(store.edges(&context, &EdgeQuery::new(user, attr, owners))).unwrap();
    let boss = Edge::to("m")
        .with_kind(Some("User"))
        .with_display(Some("Boss"));
    assert_eq!(edges, [vec![boss], vec![]]);
}

#[test]
fn group_with_a_hundred_thousand_members_is_changed_member_by_member() {
    const MANY: usize = 100_000;
    let store = MemoryStore::new();
    let context = context(Registry::standard());
    let user = kind(&context, "User");
    let group = kind(&context, "Group");
    let id = |n: usize| ResourceId::from(format!("u{n:06}"));
    let named = |n: usize| body(&user, json!({"userName": id(n).as_str()}));
    let writes = (0..MANY)
        .map(|n| WriteOp::Create {
            existing_match: None,
            change: named(n),
            id: id(n),
        })
        .collect();
    assert!(
        now(store.write(&context, Batch::new(AT, writes)))
            .unwrap()
            .iter()
            .all(Result::is_ok)
    );
    create(&store, &context, "Group", "g", json!({"displayName": "g"}));
    let members = group.attribute_id("members").unwrap();
    let edit = |edit| {
        let mut change = Change::empty(Arc::clone(&group));
        change.edit_edges(members, edit);
        now(store.update(
            &context,
            AT,
            ResourceId::from("g"),
            change,
            ExpectedVersion::Any,
        ))
        .unwrap()
        .outcome
    };
    let all = (0..MANY).map(|n| Edge::to(id(n))).collect();
    assert_eq!(edit(EdgeEdit::Replace(all)), WriteOutcome::Updated);
    // One by one, each in a time that does not depend on the size of the group.
    for n in 0..1_000 {
        let remove = EdgeEdit::Delta {
            add: Vec::new(),
            remove: vec![id(n)],
        };
        assert_eq!(edit(remove), WriteOutcome::Updated);
        let add = EdgeEdit::Delta {
            add: vec![Edge::to(id(n))],
            remove: Vec::new(),
        };
        assert_eq!(edit(add), WriteOutcome::Updated);
        let filter = format!(r#"id eq "g" and members[value eq "{}"]"#, id(n));
        assert_eq!(found(&store, &context, "Group", &filter), ["g"]);
        now(store.delete(
            &context,
            AT,
            (Arc::clone(&user), id(n)),
            ExpectedVersion::Any,
        ))
        .unwrap();
    }
    assert!(found(&store, &context, "Group", r#"members[value eq "u000000"]"#).is_empty());
}

#[test]
fn journal_ring_overwrites_oldest_parts_and_reports_the_gap() {
    let store = MemoryStore::new();
    let context = context(Registry::standard());
    let kind = kind(&context, "User");
    let write = |n: usize| WriteOp::Create {
        change: body(&kind, json!({"userName": format!("u{n}")})),
        existing_match: None,
        id: ResourceId::from(format!("u{n}")),
    };
    let writes = (0..4_100).map(write).collect();
    now(store.write(&context, Batch::new(AT, writes))).unwrap();
    let after = |number| JournalQuery::after(JournalPosition::end_of(number)).with_limit(1);
    let read = |number| now(store.entries(&context.tenant, &after(number))).unwrap();
    assert_eq!(read(99), JournalRead::Resync { to: 4_100 });
    let page = read(100).page().unwrap();
    assert_eq!((page.complete_after, page.entries[0].number), (100, 101));
    assert!(page.has_more);
}

#[test]
fn changed_keys_of_a_resource_replace_the_former_ones() {
    const COUNT: usize = 100;
    let store = MemoryStore::new();
    let context = context(Registry::standard());
    let emails = |from: usize| {
        let email = |n| json!({"value": format!("{n}@example.com")});
        let emails: Vec<_> = (from..from + COUNT).map(email).collect();
        json!({"userName": "a", "emails": emails})
    };
    create(&store, &context, "User", "1", emails(0));
    let change = body(&kind(&context, "User"), emails(COUNT - 1));
    let id = ResourceId::from("1");
    now(store.update(&context, AT, id, change, ExpectedVersion::Any)).unwrap();
    let having = |n: usize| {
        let filter = format!("emails.value eq \"{n}@example.com\"");
        found(&store, &context, "User", &filter).len()
    };
    assert_eq!([0, COUNT - 2].map(having), [0, 0]);
    assert_eq!([COUNT - 1, COUNT, 2 * COUNT - 2].map(having), [1, 1, 1]);
}
