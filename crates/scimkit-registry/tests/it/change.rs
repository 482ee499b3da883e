//! Changes by writes: compared with naive models, and as narrow as possible.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::prelude::*;
use scimkit_registry::{
    AttrKeys, Change, Document, Edge, EdgeEdit, Resource, ResourceId, ResourceType, Scalar,
    parse_edges,
};
use serde_json::{Map, Value, json};

use crate::world::{EXTRA, MORE, admit, gadget, id, kind};

/// Returns the bodies of resources without memberships and never returned attributes.
fn body() -> impl Strategy<Value = Value> {
    let text = || prop::option::of(prop::sample::select(vec!["a", "b", ""]));
    let number = || prop::option::of(0..3_i64);
    let place = (text(), text(), number())
        .prop_map(|(street, zip, floor)| json!({"street": street, "zip": zip, "floor": floor}));
    let part = (text(), text()).prop_map(|(value, kind)| json!({"value": value, "type": kind}));
    let core = (
        text(),
        number(),
        prop::option::of(place),
        prop::collection::vec(part, 0..3),
    );
    let extra = (text(), number(), text(), text()).prop_map(
        |(note, rank, a, b)| json!({"note": note, "rank": rank, "box": {"a": a, "b": b}}),
    );
    (core, text(), prop::option::of(extra), text())
        .prop_map(|(core, owner, extra, solo)| {
            let (label, count, place, parts) = core;
            let owner = owner.map(|value| json!({"value": value}));
            let labels = label.map(|label| [label, "z"]);
            json!({
                "label": label, "count": count, "place": place, "parts": parts, "owner": owner,
                "labels": labels, EXTRA: extra, MORE: {"solo": solo},
            })
        })
        .prop_map(without_empty_place)
}

/// A required part must not be blank.
fn without_empty_place(mut body: Value) -> Value {
    if let Some(place) = body["place"].as_object_mut() {
        place.retain(|_, value| value != "");
    }
    body
}

fn difference_of(kind: &Arc<ResourceType>, before: &Resource, after: &Resource) -> Change {
    let mut change = Change::empty(Arc::clone(kind));
    for attr in kind.attributes().iter().filter(|a| a.parent().is_none()) {
        let old = before.get(kind, attr.id());
        let new = after.get(kind, attr.id());
        change.difference(attr.id(), old, new.cloned());
    }
    change
}

#[test]
fn editing_text_that_is_no_object_is_an_error() {
    let gadget = gadget();
    let change = Change::empty(gadget);
    let broken: [&[u8]; 8] = [
        b"",
        b"[]",
        b"7",
        b"{",
        br#"{"a":1"#,
        br#"{"a":1}}"#,
        br#"{"\x":1}"#,
        b"{\"a\":\"\xff\"}",
    ];
    for text in broken {
        assert!(
            change.edit_text(&Document::from_text(text)).is_err(),
            "{text:?}"
        );
    }
}

proptest! {
    #[test]
    fn applying_a_difference_gives_the_other_document(before in body(), after in body()) {
        let gadget = gadget();
        let before = admit(&gadget, before);
        let after = admit(&gadget, after);
        let change = difference_of(&gadget, &before, &after);
        let mut document = before.clone();
        change.apply(&mut document);
        prop_assert_eq!(&document, &after);
        prop_assert!(document.text_len() <= before.text_len() + change.max_growth());
        prop_assert!(document.text_len() <= document.max_text_len());

        let mut paths = BTreeSet::new();
        for (path, value) in change.entries() {
            let attr = gadget.attr(id(&gadget, path));
            prop_assert!(!attr.is_complex() || attr.definition().multi_valued, "{}", path);
            prop_assert!(paths.insert(path.to_owned()), "{} twice", path);
            prop_assert_eq!(value, after.get(&gadget, attr.id()));
            prop_assert_ne!(value, before.get(&gadget, attr.id()));
        }
        let unchanged = difference_of(&gadget, &after, &after);
        prop_assert_eq!(unchanged.entries().count(), 0);
    }

    #[test]
    fn alters_agrees_with_apply(
        before in body(),
        after in body(),
        other in body(),
    ) {
        let gadget = gadget();
        let [before, after, other] = [before, after, other].map(|body| admit(&gadget, body));
        let change = difference_of(&gadget, &before, &after);
        for document in [before, after, other] {
            let mut applied = document.clone();
            change.apply(&mut applied);
            prop_assert_eq!(change.alters(&document), applied != document);
            prop_assert!(!change.alters(&applied));
        }
    }

    #[test]
    fn text_after_a_change_is_that_of_the_changed_document(
        before in body(),
        after in body(),
        other in body(),
    ) {
        let gadget = gadget();
        let [before, after, other] = [before, after, other].map(|body| admit(&gadget, body));
        let change = difference_of(&gadget, &before, &after);
        for document in [before, after, other, Resource::default()] {
            let mut applied = document.clone();
            change.apply(&mut applied);
            prop_assert_eq!(change.text_after(&document), applied.to_text());
            let text = Document::from_text(document.to_text());
            let edit = change.edit_text(&text).unwrap();
            prop_assert_eq!(edit.text(), applied.to_text());
            prop_assert_eq!(edit.alters(), change.alters(&document));
            let values = |document| change.values(Some(document)).map(|v| v.before.cloned()).collect::<Vec<_>>();
            prop_assert_eq!(values(edit.before()), values(&document));
        }
    }

    #[test]
    fn text_edits_do_not_depend_on_the_form_of_the_text(
        before in body(),
        after in body(),
        order in any::<prop::sample::Index>(),
    ) {
        let gadget = gadget();
        let [before, after] = [before, after].map(|body| admit(&gadget, body));
        let change = difference_of(&gadget, &before, &after);
        let mut members: Vec<_> = before.as_map().iter().collect();
        let at = order.index(members.len());
        members.rotate_left(at);
        let members = members.into_iter().map(|(name, value)| {
            let name = name.replacen('l', "\\u006c", 1);
            format!("\"{name}\" :\n {value}")
        });
        let members: Vec<_> = members.collect();
        let text = Document::from_text(format!(" {{\"label\":\"old\",{} , \"label\":null}}\n", members.join(" ,\t")));
        let tree = text.tree().unwrap();
        let edit = change.edit_text(&text).unwrap();
        prop_assert_eq!(edit.text(), change.text_after(&tree));
        prop_assert_eq!(edit.alters(), change.alters(&tree));
    }

    #[test]
    fn applying_a_creation_to_nothing_gives_the_document(after in body()) {
        let gadget = gadget();
        let after = admit(&gadget, after);
        let change = Change::create(gadget.clone(), after.clone());
        let mut document = Resource::default();
        let difference = difference_of(&gadget, &document, &after);
        prop_assert_eq!(change.assignments(), difference.assignments());
        prop_assert_eq!(change.text_after(&document), after.to_text());
        change.apply(&mut document);
        prop_assert_eq!(&document, &after);
        prop_assert!(document.text_len() <= change.max_growth());
        prop_assert!(change.removals().is_empty() && change.edge_changes().is_empty());
    }

    #[test]
    fn differences_can_be_combined(bodies in prop::collection::vec(body(), 1..5)) {
        let gadget = gadget();
        let start = admit(&gadget, json!({"label": "start", "place": {"zip": "9"}}));
        let mut change = Change::empty(gadget.clone());
        let mut now = start.clone();
        for body in bodies {
            let next = admit(&gadget, body);
            for attr in gadget.attributes().iter().filter(|attr| attr.parent().is_none()) {
                let after = next.get(&gadget, attr.id()).cloned();
                change.difference(attr.id(), now.get(&gadget, attr.id()), after);
            }
            now = next;
        }
        let mut document = start;
        change.apply(&mut document);
        prop_assert_eq!(document, now);
        let ids: Vec<_> = change.assignments().iter().map(|s| s.0).chain(change.removals().to_vec()).collect();
        prop_assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    }

    #[test]
    fn keys_are_those_of_the_document(before in body(), after in body()) {
        let kind = crate::world::builder()
            .index("Gadget", "label")
            .index("Gadget", "parts.value")
            .index("Gadget", format!("{EXTRA}:box.a"))
            .build()
            .unwrap()
            .resource_type("Gadget")
            .unwrap()
            .clone();
        let before = admit(&kind, before);
        let after = admit(&kind, after);
        let change = difference_of(&kind, &before, &after);
        let texts = |value: Option<&Value>| -> Vec<Scalar> {
            let text = value.and_then(Value::as_str);
            text.map(|text| Scalar::Text(text.to_lowercase())).into_iter().collect()
        };
        let parts = |resource: &Resource| {
            let parts = resource.as_map().get("parts").and_then(Value::as_array);
            let parts = parts.into_iter().flatten().filter_map(|part| part.get("value"));
            parts.flat_map(|part| texts(Some(part))).collect::<BTreeSet<_>>()
        };
        let keys: BTreeMap<_, _> = change.keys().into_iter().map(|list| (list.attr, list.keys)).collect();
        let label = id(&kind, "label");
        let changed = before.get(&kind, label) != after.get(&kind, label);
        let expected = changed.then(|| texts(after.get(&kind, label)));
        prop_assert_eq!(keys.get(&label).cloned(), expected);
        let expected = (before.as_map().get("parts") != after.as_map().get("parts"))
            .then(|| parts(&after).into_iter().collect::<Vec<_>>());
        prop_assert_eq!(keys.get(&id(&kind, "parts.value")).cloned(), expected);
    }
}

fn ids() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[a-e]", 0..4)
}

fn edge_edit() -> impl Strategy<Value = EdgeEdit> {
    let edges = || ids().prop_map(|ids| ids.into_iter().map(Edge::to).collect::<Vec<_>>());
    let removed = ids().prop_map(|ids| ids.into_iter().map(ResourceId::from).collect());
    prop_oneof![
        4 => (edges(), removed).prop_map(|(add, remove)| EdgeEdit::Delta { add, remove }),
        1 => edges().prop_map(EdgeEdit::Replace),
    ]
}

fn carry_out(edit: &EdgeEdit, members: &mut BTreeSet<ResourceId>) {
    match edit {
        EdgeEdit::Delta { add, remove } => {
            members.retain(|id| !remove.contains(id));
            members.extend(add.iter().map(|edge| edge.id.clone()));
        }
        EdgeEdit::Replace(edges) => *members = edges.iter().map(|edge| edge.id.clone()).collect(),
    }
}

proptest! {
    #[test]
    fn edge_edits_are_combined(
        start in ids(),
        edits in prop::collection::vec((any::<bool>(), edge_edit()), 0..8),
    ) {
        let gadget = gadget();
        // `seenBy` replaces a second membership: only the store knows them.
        let attrs = [id(&gadget, "crew"), id(&gadget, "seenBy")];
        let start: BTreeSet<_> = start.into_iter().map(ResourceId::from).collect();
        let mut change = Change::empty(gadget);
        let mut stepwise = [start.clone(), start.clone()];
        for (second, edit) in edits {
            carry_out(&edit, &mut stepwise[usize::from(second)]);
            change.edit_edges(attrs[usize::from(second)], edit);
            let _ = change.edge_changes();
        }
        let mut at_once = [start.clone(), start];
        for edges in change.edge_changes() {
            let place = attrs.iter().position(|attr| *attr == edges.attr).unwrap();
            carry_out(&edges.edit, &mut at_once[place]);
            let (added, removed) = match &edges.edit {
                EdgeEdit::Delta { add, remove } => (add, remove.as_slice()),
                EdgeEdit::Replace(edges) => (edges, [].as_slice()),
            };
            let named: Vec<_> = added.iter().map(|edge| &edge.id).chain(removed).collect();
            prop_assert_eq!(named.iter().collect::<BTreeSet<_>>().len(), named.len());
        }
        prop_assert_eq!(at_once, stepwise);
        prop_assert!(change.edge_changes().len() <= 2);
    }
}

#[test]
fn combining_edge_edits_takes_linear_time() {
    let gadget = gadget();
    let crew = id(&gadget, "crew");
    let mut change = Change::empty(gadget);
    for n in 0..100_000 {
        let add = vec![Edge::to(format!("{}", n % 50_000))];
        let remove = vec![ResourceId::from(format!("{}", n / 2))];
        change.edit_edges(crew, EdgeEdit::Delta { add, remove });
    }
    let [one] = change.edge_changes() else {
        panic!("one membership")
    };
    assert_eq!(one.attr, crew);
}

#[test]
fn empty_edge_edits_are_no_change() {
    let gadget = gadget();
    let crew = id(&gadget, "crew");
    let mut change = Change::empty(gadget);
    change.edit_edges(
        crew,
        EdgeEdit::Delta {
            add: vec![],
            remove: vec![],
        },
    );
    assert!(change.is_empty() && change.edge_changes().is_empty());
    change.edit_edges(crew, EdgeEdit::Replace(vec![]));
    assert!(!change.is_empty());
}

#[test]
fn adding_a_present_edge_leaves_it_as_it_is() {
    let gadget = gadget();
    let crew = id(&gadget, "crew");
    let edge = |kind: &str| Edge::to("1").with_kind(Some(kind));
    let add = |edge| EdgeEdit::Delta {
        add: vec![edge],
        remove: vec![],
    };
    let mut change = Change::empty(gadget);
    change.edit_edges(crew, add(edge("User")));
    change.edit_edges(crew, add(edge("Gadget")));
    assert_eq!(change.edge_changes()[0].edit, add(edge("User")));
    // After a removal in between, it is another edge.
    let remove = EdgeEdit::Delta {
        add: vec![],
        remove: vec!["1".into()],
    };
    change.edit_edges(crew, remove);
    change.edit_edges(crew, add(edge("Gadget")));
    assert_eq!(change.edge_changes()[0].edit, add(edge("Gadget")));
}

#[test]
fn memberships_become_edges() {
    let group = kind("Group");
    let body = json!({"displayName": "Staff", "members": [
        {"value": "1", "type": "User", "display": "forged"}, {"value": "2"}, {"value": "1"}]});
    let change = Change::create(group.clone(), admit(&group, body));
    let user = Edge::to("1").with_kind(Some("User"));
    assert_eq!(
        change.edge_changes()[0].edit,
        EdgeEdit::Replace(vec![user, Edge::to("2")])
    );
    assert_eq!(
        change.entries().collect::<Vec<_>>(),
        [("displayName", Some(&json!("Staff")))]
    );

    let staff = admit(&group, json!({"displayName": "Staff"}));
    assert!(Change::create(group, staff).edge_changes().is_empty());
    assert_eq!(parse_edges(&json!({"value": "1"})), [Edge::to("1")]);
    assert_eq!(parse_edges(&json!("1")), []);
}

#[test]
fn never_returned_attributes_are_changed_but_not_in_the_document() {
    let gadget = gadget();
    let body = json!({"code": "c", "token": "t", "vault": {"value": "v"}});
    let after = admit(&gadget, body);
    let change = Change::create(gadget.clone(), after);
    let entries: Vec<_> = change.entries().map(|(path, _)| path).collect();
    assert_eq!(entries, ["code", "token", "vault.value"]);
    assert_eq!(change.keys().len(), 1);

    let before = admit(&gadget, json!({"code": "c"}));
    let kept = difference_of(&gadget, &before, &before);
    assert_eq!(kept.entries().count(), 0);

    let mut change = Change::empty(gadget.clone());
    change.difference(id(&gadget, "token"), Some(&Value::Null), None);
    assert_eq!(change.entries().collect::<Vec<_>>(), [("token", None)]);
    let mut document = before.clone();
    change.apply(&mut document);
    assert_eq!(document, before);
}

#[test]
fn changes_ignore_computed_attributes_and_parts_of_elements() {
    let gadget = gadget();
    let mut change = Change::empty(gadget.clone());
    let computed = [
        "id",
        "schemas",
        "meta",
        "meta.created",
        "crew",
        "crew.value",
        "seenBy",
    ];
    for path in computed
        .into_iter()
        .chain(["owner.$ref", "owner.displayName", "parts.value"])
    {
        change.difference(id(&gadget, path), None, Some(json!("x")));
    }
    let owner = json!({"value": "7", "$ref": "x", "displayName": "x"});
    change.difference(id(&gadget, "owner"), None, Some(owner));
    for nothing in [json!(null), json!([]), json!({})] {
        change.difference(id(&gadget, "labels"), None, Some(nothing));
    }
    assert_eq!(
        change.entries().collect::<Vec<_>>(),
        [("owner.value", Some(&json!("7")))]
    );
}

#[test]
fn empty_objects_are_removed() {
    let gadget = gadget();
    let body = json!({"place": {"zip": "1"}, EXTRA: {"box": {"a": "1"}}});
    let mut document = admit(&gadget, body);
    let mut change = Change::empty(gadget.clone());
    change.difference(id(&gadget, "place"), Some(&json!({"zip": "1"})), None);
    let box_a = id(&gadget, &format!("{EXTRA}:box.a"));
    change.difference(box_a, Some(&json!("1")), None);
    change.apply(&mut document);
    let expected = Map::from_iter([("schemas".into(), json!(["urn:example:2.0:Gadget"]))]);
    assert_eq!(document.into_map(), expected);
}

#[test]
fn keys_of_several_values_are_distinct_and_folded() {
    let registry = crate::world::builder()
        .index("Gadget", "parts.tags")
        .build()
        .unwrap();
    let gadget = registry.resource_type("Gadget").unwrap();
    let parts = json!([{"tags": ["A", "b"]}, {"tags": ["a"]}, {"value": "x"}]);
    let change = Change::create(gadget.clone(), admit(gadget, json!({"parts": parts})));
    let keys = ["a", "b"].map(|text| Scalar::Text(text.into())).to_vec();
    let attr = id(gadget, "parts.tags");
    assert_eq!(change.keys(), [AttrKeys { attr, keys }]);
}
