//! A schema that changes under stored resources.

use std::error::Error;

use scimkit_registry::{Registry, ResourceId};
use scimkit_sqlite::{SchemaError, Sqlite};
use scimkit_store::{Document, Scope, Store, StoreError, Want};
use serde_json::json;

use crate::{
    consistent::check_file,
    support::{create, file, kind, scope, select, wait},
};

/// A type of resource whose attribute `code` has these characteristics.
fn badges(code: &str, indexed: bool) -> Scope {
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
    scope(builder.build().unwrap())
}

const FOLDED: &str = r#""type": "string""#;
const EXACT: &str = r#""type": "string", "caseExact": true"#;
const UNIQUE: &str = r#""type": "string", "uniqueness": "server""#;
const NUMBER: &str = r#""type": "integer""#;

fn reason(error: &StoreError) -> &SchemaError {
    error.source().unwrap().downcast_ref().unwrap()
}

#[test]
fn keys_are_made_anew() {
    let (_directory, path) = file();
    let first = badges(FOLDED, false);
    let store = Sqlite::open(&path).unwrap();
    for (id, code) in [("1", "Aa"), ("2", "aA"), ("3", "b")] {
        create(&store, &first, ("Badge", id), json!({"code": code})).unwrap();
    }
    let ask = |scope: &Scope| select(&store, scope, "Badge", r#"code eq "aA""#).unwrap();
    let schemas = [
        (badges(FOLDED, true), vec!["1", "2"]),
        (badges(EXACT, true), vec!["2"]),
        (first, vec!["1", "2"]),
        (badges(EXACT, true), vec!["2"]),
    ];
    for (scope, expected) in &schemas {
        assert_eq!(ask(scope), *expected);
        check_file(&path, scope);
    }
    // A write that comes first does it as well, and so does one that is refused.
    let folded = badges(FOLDED, true);
    create(&store, &folded, ("Badge", "3"), json!({"code": "x"})).unwrap_err();
    check_file(&path, &folded);
    drop(store);
    let store = Sqlite::open(&path).unwrap();
    let exact = badges(EXACT, true);
    assert_eq!(
        select(&store, &exact, "Badge", r#"code eq "aA""#).unwrap(),
        ["2"]
    );
}

#[test]
fn values_that_are_not_unique_are_refused() {
    let (_directory, path) = file();
    let (before, after) = (badges(FOLDED, true), badges(UNIQUE, true));
    let store = Sqlite::open(&path).unwrap();
    for (id, code) in [("1", "a"), ("2", "A")] {
        create(&store, &before, ("Badge", id), json!({"code": code})).unwrap();
    }
    let refused = select(&store, &after, "Badge", r#"code eq "a""#).unwrap_err();
    let expected = "the schema changed, and `code` of the stored Badge `2` is not unique";
    assert_eq!(reason(&refused).to_string(), expected);
    let refused = create(&store, &after, ("Badge", "3"), json!({"code": "c"})).unwrap_err();
    assert!(matches!(reason(&refused), SchemaError::NotUnique { .. }));
    // Nothing was touched: the old schema is still served.
    assert_eq!(
        select(&store, &before, "Badge", r#"code eq "a""#).unwrap(),
        ["1", "2"]
    );
    check_file(&path, &before);
}

#[test]
fn values_of_another_type_are_refused() {
    let (_directory, path) = file();
    let (before, after) = (badges(FOLDED, true), badges(NUMBER, true));
    let store = Sqlite::open(&path).unwrap();
    create(&store, &before, ("Badge", "1"), json!({"code": "a"})).unwrap();
    let refused = select(&store, &after, "Badge", "code eq 5").unwrap_err();
    assert!(matches!(reason(&refused), SchemaError::Misfit { .. }));
}

/// A document written when the attribute was shown goes out as text only where it still is.
#[test]
fn what_is_hidden_now_does_not_go_out_as_text() {
    let (_directory, path) = file();
    let shown = badges(FOLDED, false);
    let store = Sqlite::open(&path).unwrap();
    create(&store, &shown, ("Badge", "1"), json!({"code": "a"})).unwrap();
    create(&store, &shown, ("Badge", "2"), json!({"displayName": "b"})).unwrap();
    let is_text = |scope: &Scope, id: &str| {
        let (kind, id) = (kind(scope, "Badge"), ResourceId::from(id));
        let read = wait(store.read(scope, &kind, &id, &Want::document())).unwrap();
        matches!(read.document, Document::Text(_))
    };
    assert!(is_text(&shown, "1") && is_text(&shown, "2"));
    let hidden = badges(r#""type": "string", "returned": "never""#, false);
    assert!(!is_text(&hidden, "1") && !is_text(&hidden, "2"));
    // Once the keys were made anew, what hides nothing is text again.
    select(&store, &hidden, "Badge", r#"displayName eq "b""#).unwrap();
    assert!(!is_text(&hidden, "1") && is_text(&hidden, "2"));
}
