//! The attributes that a response shows.

use scimkit_registry::{Change, Document, DocumentPrinter, Resource};
use serde_json::{Map, Value, json};

use crate::world::{EXTRA, MORE, gadget, id, kind};

fn complete() -> Map<String, Value> {
    let gadget = json!({
        "schemas": ["urn:example:2.0:Gadget"],
        "id": "7",
        "meta": {"created": "2011-05-13T04:42:34Z", "version": "W/\"1\""},
        "label": "l",
        "labels": ["a", "b"],
        "place": {"street": "s", "zip": "1", "whisper": "w"},
        "parts": [{"value": "x", "type": "t", "pin": "0"}, {"value": "y"}],
        "token": "t",
        "vault": {"value": "v"},
        "badge": "b",
        "hint": "h",
        "frame": {"rim": "r", "hub": "h", "spoke": "s"},
        "unknown": 1,
        EXTRA: {"note": "n", "box": {"a": "1", "b": "2"}, "unknown": 1},
        MORE: {"solo": "s"},
        "urn:x:y": {"a": 1},
    });
    gadget.as_object().cloned().unwrap()
}

/// Names separated by blanks, and the remaining paths, with `[]` after those with elements.
const CASES: [(&str, &str, &str); 26] = [
    ("", "", "DEFAULT"),
    ("label", "", "ALWAYS label"),
    ("LABEL hint", "", "ALWAYS label hint"),
    ("place.zip", "", "ALWAYS place.zip"),
    ("place", "", "ALWAYS place.street place.zip"),
    (
        "place.zip PLACE.street",
        "",
        "ALWAYS place.street place.zip",
    ),
    ("parts.type", "", "ALWAYS parts[].type"),
    ("parts", "", "ALWAYS parts[].type parts[].value"),
    (
        "urn:example:2.0:gadget:parts.value",
        "",
        "ALWAYS parts[].value",
    ),
    ("meta", "", "ALWAYS meta.created meta.version"),
    ("meta.version", "", "ALWAYS meta.version"),
    ("frame", "", "ALWAYS frame.rim frame.hub frame.spoke"),
    ("frame.spoke", "", "ALWAYS frame.rim frame.spoke"),
    ("frame.hub", "", "ALWAYS frame.rim frame.hub"),
    (
        "token vault vault.value place.whisper parts.pin",
        "",
        "ALWAYS",
    ),
    ("nothing", "", "ALWAYS"),
    (
        "urn:example:2.0:Extra",
        "",
        "ALWAYS Extra:note Extra:box.a Extra:box.b",
    ),
    ("urn:example:2.0:Extra:note", "", "ALWAYS Extra:note"),
    ("box.a solo", "", "ALWAYS Extra:box.a More:solo"),
    ("note", "", "ALWAYS"), // in two extensions
    (
        "urn:example:2.0:Gadget",
        "",
        "DEFAULT hint frame.hub -Extra:note -Extra:box.a -Extra:box.b -More:solo",
    ),
    (
        "",
        "label parts.value frame.spoke",
        "DEFAULT -label -parts[].value -frame.spoke",
    ),
    ("", "id badge schemas frame.rim", "DEFAULT"),
    (
        "",
        "place.zip place.street parts frame",
        "DEFAULT -place.street -place.zip -parts[].type -parts[].value -frame.rim -frame.spoke",
    ),
    (
        "",
        "urn:example:2.0:Extra",
        "DEFAULT -Extra:note -Extra:box.a -Extra:box.b",
    ),
    ("place", "place.zip", "ALWAYS place.street"),
];

const ALWAYS: &str = "schemas id badge";
const DEFAULT: &str = "schemas id badge meta.created meta.version label labels place.street \
     place.zip parts[].type parts[].value frame.rim frame.spoke Extra:note Extra:box.a Extra:box.b \
     More:solo";

fn expected(text: &str) -> Vec<String> {
    let text = text.replace("ALWAYS", ALWAYS).replace("DEFAULT", DEFAULT);
    let without: Vec<_> = text
        .split(' ')
        .filter_map(|w| w.strip_prefix('-'))
        .collect();
    let with = text
        .split_whitespace()
        .filter(|w| !w.starts_with('-') && !without.contains(w));
    let mut paths: Vec<_> = with.map(String::from).collect();
    paths.sort();
    paths
}

fn paths(members: &Map<String, Value>) -> Vec<String> {
    fn walk(prefix: &str, members: &Map<String, Value>, paths: &mut Vec<String>) {
        for (name, value) in members {
            let path = format!("{prefix}{name}");
            match value {
                Value::Object(inner) if name.starts_with("urn:") => {
                    let name = name.rsplit(':').next().unwrap();
                    walk(&format!("{name}:"), inner, paths);
                }
                Value::Object(inner) => walk(&format!("{path}."), inner, paths),
                Value::Array(elements) if elements.iter().all(Value::is_object) => {
                    for element in elements {
                        walk(&format!("{path}[]."), element.as_object().unwrap(), paths);
                    }
                }
                _ => paths.push(path),
            }
        }
    }
    let mut paths = Vec::new();
    walk("", members, &mut paths);
    paths.sort();
    paths.dedup();
    paths
}

#[test]
fn cases() {
    let gadget = gadget();
    for (attributes, excluded, shown) in CASES {
        let names = |text: &'static str| text.split_whitespace().collect::<Vec<_>>();
        let projection = gadget.projection(&names(attributes), &names(excluded));
        let mut members = complete();
        gadget.project(&mut members, &projection);
        assert_eq!(
            paths(&members),
            expected(shown),
            "{attributes} / {excluded}"
        );
        for attr in gadget.attributes() {
            let parent = attr.parent().is_none_or(|parent| projection.shows(parent));
            assert!(parent || !projection.shows(attr.id()), "{}", attr.path());
        }
        // No empty value remains.
        let empty = |v: &Value| v == &json!({}) || v == &json!([]);
        assert!(!members.values().any(empty), "{attributes} / {excluded}");
    }
}

#[test]
fn blank_names_are_ignored() {
    let gadget = gadget();
    let none = gadget.projection::<&str>(&[], &[]);
    let blank = gadget.projection(&["", " "], &[""]);
    for attr in gadget.attributes() {
        assert_eq!(
            none.shows(attr.id()),
            blank.shows(attr.id()),
            "{}",
            attr.path()
        );
    }
    assert!(
        gadget
            .projection(&[" label "], &[])
            .shows(id(&gadget, "label"))
    );
}

#[test]
fn whole_projections_show_the_stored_document() {
    let user = kind("User");
    assert!(user.projection::<&str>(&[], &[]).is_whole());
    assert!(!user.projection(&["userName"], &[]).is_whole());
    assert!(!user.projection(&[], &["userName"]).is_whole());
    assert!(
        user.projection(&[], &["id", "password", "nothing"])
            .is_whole()
    );
    // Some attribute is returned only on request.
    assert!(!gadget().projection::<&str>(&[], &[]).is_whole());
    assert!(
        gadget()
            .projection(&["urn:example:2.0:Gadget", EXTRA, MORE], &[])
            .is_whole()
    );
}

#[test]
fn never_returned_attributes_are_not_shown_even_if_stored() {
    let user = kind("User");
    let mut members = json!({"userName": "bjensen", "password": "secret"});
    let projection = user.projection::<&str>(&[], &[]);
    user.project(members.as_object_mut().unwrap(), &projection);
    assert_eq!(members, json!({"userName": "bjensen"}));
}

#[test]
fn documents_contain_no_never_returned_attributes() {
    let gadget = gadget();
    let body = json!({
        "code": "c",
        "token": "t",
        "vault": {"value": "v"},
        "lock": {"value": "v"},
        "place": {"zip": "1", "whisper": "w"},
        "parts": [{"value": "x", "pin": "0"}, {"pin": "1"}],
    });
    let mut document = Resource::default();
    Change::create(gadget.clone(), crate::world::admit(&gadget, body)).apply(&mut document);
    let expected = json!({
        "schemas": ["urn:example:2.0:Gadget"],
        "code": "c",
        "place": {"zip": "1"},
        "parts": [{"value": "x"}],
    });
    assert_eq!(Value::Object(document.into_map()), expected);
}

#[test]
fn printed_document_is_the_projected_tree() {
    let gadget = gadget();
    let mut documents = vec![complete()];
    for name in [EXTRA, MORE, "schemas", "parts", "owner"] {
        let mut document = complete();
        document.remove(name);
        documents.push(document);
    }
    let mut empty = complete();
    empty.insert("parts".into(), json!([{}, {"pin": "0"}]));
    empty.insert("place".into(), json!({"unknown": 1}));
    empty.insert("owner".into(), json!({"unknown": 1}));
    empty.insert(EXTRA.into(), json!({}));
    documents.push(empty);
    for (asked, excluded, _) in CASES {
        let names = |list: &'static str| list.split(' ').collect::<Vec<_>>();
        let projection = gadget.projection(&names(asked), &names(excluded));
        let printer = DocumentPrinter::new(&gadget, &projection);
        for document in &documents {
            let mut tree = document.clone();
            tree.insert("id".into(), json!("8"));
            if let Some(Value::Object(owner)) = tree.get_mut("owner") {
                owner.insert("displayName".into(), json!("made"));
            }
            gadget.project(&mut tree, &projection);
            let text = serde_json::to_vec(&document).unwrap();
            // The document contains attributes that its type hides or does not have.
            let document = Document::from_text(text).with_exactness(false);
            let mut shown = Vec::new();
            printer.print(&document, &mut shown, |attr, out| {
                let text = match gadget.attr(attr).path() {
                    "id" => "\"8\"",
                    "owner.displayName" => "\"made\"",
                    _ => return false,
                };
                out.extend_from_slice(text.as_bytes());
                true
            });
            let shown: Value = serde_json::from_slice(&shown).unwrap();
            assert_eq!(shown, Value::Object(tree), "{asked} {excluded}");
        }
    }
}
