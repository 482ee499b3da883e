//! The parts of a resource that a patch reads.

use scimkit_core::message::PatchRequest;
use scimkit_patch::{Patch, ReadRequirements};
use scimkit_registry::{EdgeEdit, RequestErrorKind, Tolerance};
use serde_json::{Value, json};

use crate::harness::{World, kind, patch};

fn needs(operations: &Value) -> ReadRequirements {
    let body = json!({"Operations": operations});
    let request = PatchRequest::from_value(body, 100).unwrap();
    let kind = kind("Group");
    Patch::decode(kind, request, Default::default(), &Tolerance::DEFAULT)
        .unwrap()
        .needs()
}

#[test]
fn member_edits_by_id_read_nothing() {
    let a = json!([{"value": "a"}]);
    let blind = needs(&json!([
        {"op": "add", "path": "members", "value": a},
        {"op": "remove", "path": "members[value eq \"a\" or value eq \"b\"]"},
        {"op": "remove", "path": "members", "value": a},
        {"op": "replace", "path": "members", "value": a},
        {"op": "remove", "path": "members"},
        {"op": "replace", "value": {"id": "g1", "schemas": [], "members": a}},
    ]));
    assert_eq!(blind, ReadRequirements::default());
}

#[test]
fn other_member_edits_read_the_members() {
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
fn attribute_edits_read_the_document() {
    let seen = needs(&json!([{"op": "replace", "path": "displayName", "value": "x"}]));
    assert_eq!((seen.document, seen.edges), (true, vec![]));
}

#[test]
fn member_edits_after_reading_contain_only_differences() {
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
fn empty_patch_requests_change_nothing_if_tolerated() {
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
