//! A schema that changes under stored resources.

use scimkit_registry::{Registry, ResourceId};
use scimkit_sqlite::{Reindexed, SchemaError, SqliteStore};
use scimkit_store::{ReadOptions, RequestContext, Store, StoreError};
use serde_json::json;

use crate::{
    consistent::check_file,
    support::{context, create, file, kind, select, set, wait},
};

/// Returns a resource type whose attribute `code` has these characteristics.
pub(crate) fn badges(code: &str, indexed: bool) -> RequestContext {
    let schema = format!(
        r#"{{"id": "urn:example:2.0:Badge", "name": "Badge", "attributes": [
            {{"name": "displayName", "type": "string"}},
            {{"name": "code", {code}}}]}}"#
    );
    let builder = Registry::builder().schemas_json(&schema).unwrap();
    let kind = r#"{"name": "Badge", "endpoint": "/Badges", "schema": "urn:example:2.0:Badge"}"#;
    let mut builder = builder.resource_types_json(kind).unwrap();
    if indexed {
        builder = builder.index("Badge", "code");
    }
    context(builder.build().unwrap())
}

pub(crate) const FOLDED: &str = r#""type": "string""#;
pub(crate) const EXACT: &str = r#""type": "string", "caseExact": true"#;
pub(crate) const UNIQUE: &str = r#""type": "string", "uniqueness": "server""#;
pub(crate) const NUMBER: &str = r#""type": "integer""#;

fn reindex(store: &SqliteStore, context: &RequestContext) -> Reindexed {
    wait(store.reindex(&context.tenant, &kind(context, "Badge"))).unwrap()
}

#[test]
fn filters_are_right_under_every_schema() {
    let (_directory, path) = file();
    let first = badges(FOLDED, false);
    let store = SqliteStore::open(&path).unwrap();
    for (id, code) in [("1", "Aa"), ("2", "aA"), ("3", "b")] {
        create(&store, &first, ("Badge", id), json!({"code": code})).unwrap();
    }
    let ask =
        |context: &RequestContext| select(&store, context, "Badge", r#"code eq "aA""#).unwrap();
    let schemas = [
        (badges(FOLDED, true), vec!["1", "2"]),
        (badges(EXACT, true), vec!["2"]),
        (first, vec!["1", "2"]),
        (badges(EXACT, true), vec!["2"]),
    ];
    for (context, expected) in &schemas {
        assert_eq!(ask(context), *expected);
        check_file(&path, context);
    }
    for (context, expected) in &schemas {
        assert_eq!(reindex(&store, context).resources, 3);
        assert_eq!(reindex(&store, context).resources, 0);
        assert_eq!(ask(context), *expected);
        check_file(&path, context);
    }
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    let exact = badges(EXACT, true);
    assert_eq!(
        select(&store, &exact, "Badge", r#"code eq "aA""#).unwrap(),
        ["2"]
    );
}

#[test]
fn shared_values_of_a_newly_unique_attribute_are_reported() {
    let (_directory, path) = file();
    let before = badges(FOLDED, false);
    let after = badges(UNIQUE, true);
    let store = SqliteStore::open(&path).unwrap();
    for (id, code) in [("1", "a"), ("2", "A"), ("3", "c")] {
        create(&store, &before, ("Badge", id), json!({"code": code})).unwrap();
    }
    for round in 0..2 {
        let both = select(&store, &after, "Badge", r#"code eq "a""#).unwrap();
        assert_eq!(both, ["1", "2"], "{round}");
        for taken in ["a", "C"] {
            let refused = create(&store, &after, ("Badge", "4"), json!({"code": taken}));
            assert!(
                matches!(refused, Err(StoreError::Duplicate { .. })),
                "{round}"
            );
        }
        // A resource that shares a value can still be changed.
        let display = ("displayName", json!(format!("round {round}")));
        set(&store, &after, ("Badge", "2"), display).unwrap();
        let problems = reindex(&store, &after).problems;
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        let expected = "the schema changed, and `code` of the stored Badge `1` is not unique";
        assert_eq!(problems.iter().any(|p| p == expected), round == 0);
    }
    check_file(&path, &after);
}

#[test]
fn values_of_another_type_are_evaluated_and_reported() {
    let (_directory, path) = file();
    let before = badges(FOLDED, true);
    let after = badges(NUMBER, true);
    let store = SqliteStore::open(&path).unwrap();
    create(&store, &before, ("Badge", "1"), json!({"code": "a"})).unwrap();
    create(&store, &after, ("Badge", "2"), json!({"code": 5})).unwrap();
    for _ in 0..2 {
        assert_eq!(select(&store, &after, "Badge", "code eq 5").unwrap(), ["2"]);
        assert_eq!(
            select(&store, &after, "Badge", "code pr").unwrap(),
            ["1", "2"]
        );
        let problems = reindex(&store, &after).problems;
        assert!(matches!(&*problems, [SchemaError::Misfit { id, .. }] if id.as_str() == "1"));
    }
    // Changing another attribute does not fix it; changing the value does.
    set(&store, &after, ("Badge", "1"), ("displayName", json!("x"))).unwrap();
    assert_eq!(
        select(&store, &after, "Badge", "code pr").unwrap(),
        ["1", "2"]
    );
    assert_eq!(
        select(&store, &before, "Badge", r#"code eq "a""#).unwrap(),
        ["1"]
    );
    set(&store, &after, ("Badge", "1"), ("code", json!(7))).unwrap();
    assert!(reindex(&store, &after).problems.is_empty());
    assert_eq!(select(&store, &after, "Badge", "code gt 5").unwrap(), ["1"]);
    check_file(&path, &after);
}

/// A document that was written when the attribute was shown is sent as text only where it still is.
#[test]
fn hidden_values_are_not_sent_as_stored_text() {
    let (_directory, path) = file();
    let shown = badges(FOLDED, false);
    let store = SqliteStore::open(&path).unwrap();
    create(&store, &shown, ("Badge", "1"), json!({"code": "a"})).unwrap();
    create(&store, &shown, ("Badge", "2"), json!({"displayName": "b"})).unwrap();
    let is_text = |context: &RequestContext, id: &str| {
        let kind = kind(context, "Badge");
        let id = ResourceId::from(id);
        let read = wait(store.read(context, &kind, &id, &ReadOptions::document())).unwrap();
        read.document.is_exact()
    };
    assert!(is_text(&shown, "1") && is_text(&shown, "2"));
    let hidden = badges(r#""type": "string", "returned": "never""#, false);
    assert!(!is_text(&hidden, "1") && !is_text(&hidden, "2"));
    // After another write, a document without hidden attributes is text again, and one with them is not.
    for id in ["1", "2"] {
        set(&store, &hidden, ("Badge", id), ("displayName", json!("c"))).unwrap();
    }
    assert!(!is_text(&hidden, "1") && is_text(&hidden, "2"));
    // Where everything is shown, both are text.
    assert!(is_text(&shown, "1") && is_text(&shown, "2"));
}
