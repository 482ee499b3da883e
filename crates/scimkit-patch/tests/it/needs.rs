//! What a patch asks to be read.

use scimkit_core::message::PatchRequest;
use scimkit_patch::{Needs, Patch};
use scimkit_registry::{EdgeEdit, RequestErrorKind, Tolerance};
use serde_json::{Value, json};

use crate::harness::{World, kind, patch};

fn needs(operations: &Value) -> Needs {
    let body = json!({"Operations": operations});
    let request = PatchRequest::from_value(body, 100).unwrap();
    let kind = kind("Group");
    Patch::decode(kind, request, Default::default(), &Tolerance::DEFAULT)
        .unwrap()
        .needs()
}

#[test]
fn members_by_id_need_nothing() {
    let a = json!([{"value": "a"}]);
    let blind = needs(&json!([
        {"op": "add", "path": "members", "value": a},
        {"op": "remove", "path": "members[value eq \"a\" or value eq \"b\"]"},
        {"op": "remove", "path": "members", "value": a},
        {"op": "replace", "path": "members", "value": a},
        {"op": "remove", "path": "members"},
        {"op": "replace", "value": {"id": "g1", "schemas": [], "members": a}},
    ]));
    assert_eq!(blind, Needs::default());
}

#[test]
fn members_by_anything_else_need_the_members() {
    let members = kind("Group").attribute_id("members").unwrap();
    for filter in [
        "type eq \"User\"",
        "value eq \"a\" and type pr",
        "value sw \"a\"",
    ] {
        let path = format!("members[{filter}]");
        let seen = needs(&json!([{"op": "remove", "path": path}, {"op": "remove", "path": path}]));
        assert_eq!((seen.document, seen.edges), (false, vec![members]));
    }
}

#[test]
fn attributes_need_the_document() {
    let seen = needs(&json!([{"op": "replace", "path": "displayName", "value": "x"}]));
    assert_eq!((seen.document, seen.edges), (true, vec![]));
}

#[test]
fn members_that_were_read_change_by_what_differs() {
    let group = kind("Group");
    let members = json!([{"value": "a", "type": "User"}, {"value": "b", "type": "Group"}]);
    let before = World::of(group, json!({"displayName": "g", "members": members}));
    let body = json!({"Operations": [
        {"op": "replace", "path": "members", "value": [{"value": "a"}, {"value": "c", "type": "Group"}]},
        {"op": "remove", "path": "members[type eq \"Group\"]"},
    ]});
    let change = patch(group, "g", &before, body, &Tolerance::DEFAULT).unwrap();
    let [edit] = change.edge_changes() else {
        panic!("{change:?}")
    };
    assert_eq!(
        edit.edit,
        EdgeEdit::Delta {
            add: vec![],
            remove: vec!["b".into()]
        }
    );
}

#[test]
fn a_request_without_anything_in_it() {
    let decode = |body, t| {
        let request = PatchRequest::from_value(body, 100).unwrap();
        Patch::decode(kind("Group"), request, Default::default(), &t)
    };
    let urn = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
    let empty = json!({"schemas": [urn], "Operations": []});
    assert!(decode(empty.clone(), Tolerance::DEFAULT).is_ok());
    assert_eq!(
        decode(empty, Tolerance::STRICT).unwrap_err().kind(),
        RequestErrorKind::Syntax
    );
    let plain = json!({"Operations": [{"op": "remove", "path": "externalId"}]});
    assert!(decode(plain.clone(), Tolerance::DEFAULT).is_ok());
    assert_eq!(
        decode(plain, Tolerance::STRICT).unwrap_err().kind(),
        RequestErrorKind::Syntax
    );
}
