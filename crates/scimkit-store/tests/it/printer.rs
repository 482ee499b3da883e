//! The printed text of a resource equals the text of its projected tree.

use std::sync::Arc;

use chrono::DateTime;
use proptest::prelude::*;
use scimkit_core::{DataType, Version, parse_json};
use scimkit_registry::{
    Attr, AttrEdges, AttrId, AttributeRole, Edge, Projection, Registry, ResourceId, ResourceType,
    to_json_text,
};
use scimkit_store::{
    Document, ResourceFacts, ResourcePrinter, Settings, StoredResource, Timestamps,
    computed_attributes,
};
use serde_json::{Map, Value, json};

const CORE: &str = "urn:example:2.0:Thing";
const EXTRA: &str = "urn:example:2.0:Extra";
const MORE: &str = "urn:example:2.0:More";

/// A generator of reproducible random choices.
struct Choices(u64);

impl Choices {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    fn word(&mut self) -> &'static str {
        self.pick(&[
            "a",
            "",
            "say \"x\"",
            "back\\slash",
            "\"manager\":{\"value\":1}",
            "}],{[",
            "é日本\u{1}\n",
            "a rather long text, longer than a word of the processor",
        ])
    }

    fn returned(&mut self) -> &'static str {
        self.pick(&[
            "default", "default", "default", "always", "request", "never",
        ])
    }
}

/// Returns a registry of one type with simple, complex, reference and membership attributes in the core schema and two
/// extensions, returned in random ways. In half of the cases, two references have the same name.
fn registry(choices: &mut Choices) -> Registry {
    let reference = json!({"name": "$ref", "type": "reference", "referenceTypes": ["Thing"]});
    let simple =
        |choices: &mut Choices, name: &str| json!({"name": name, "returned": choices.returned()});
    let mut parts =
        |names: &[&str]| -> Vec<Value> { names.iter().map(|name| simple(choices, name)).collect() };
    let place = parts(&["street", "zip"]);
    let many = parts(&["note", "type", "value"]);
    let pair = parts(&["left", "right"]);
    let tags = parts(&["name", "size"]);
    let referring = |choices: &mut Choices, name: &str| {
        let mut reference = reference.clone();
        reference["returned"] = choices.returned().into();
        json!({"name": name, "type": "complex", "returned": choices.returned(), "subAttributes": [
            {"name": "value", "caseExact": true}, reference,
            {"name": "displayName", "mutability": "readOnly", "returned": choices.returned()},
            {"name": "why"},
        ]})
    };
    let edges = |choices: &mut Choices, name: &str, mutability: &str| {
        json!({"name": name, "type": "complex", "multiValued": true, "mutability": mutability,
            "returned": choices.returned(), "subAttributes": [
            {"name": "value", "caseExact": true, "mutability": "immutable"}, reference,
            {"name": "type", "mutability": "immutable", "returned": choices.returned()},
            {"name": "display", "mutability": "readOnly", "returned": choices.returned()}]})
    };
    let core = json!({"id": CORE, "name": "Thing", "attributes": [
        {"name": "title", "returned": choices.returned()},
        {"name": "count", "type": "integer", "returned": choices.returned()},
        {"name": "labels", "multiValued": true, "returned": choices.returned()},
        {"name": "place", "type": "complex", "returned": choices.returned(), "subAttributes": place},
        {"name": "parts", "type": "complex", "multiValued": true, "returned": choices.returned(), "subAttributes": many},
        referring(choices, "owner"),
        edges(choices, "crew", "readWrite"),
        edges(choices, "seenBy", "readOnly"),
    ]});
    let manager = choices.pick(&["manager", "owner"]);
    let extra = json!({"id": EXTRA, "name": "Extra", "attributes": [
        {"name": "code", "returned": choices.returned()},
        {"name": "box", "type": "complex", "returned": choices.returned(), "subAttributes": pair},
        referring(choices, manager),
    ]});
    let more = json!({"id": MORE, "name": "More", "attributes": [
        {"name": "tags", "type": "complex", "multiValued": true, "returned": choices.returned(), "subAttributes": tags},
        {"name": "title", "returned": choices.returned()},
    ]});
    let thing = json!({"name": "Thing", "endpoint": "/Things", "schema": CORE,
        "schemaExtensions": [{"schema": EXTRA, "required": false}, {"schema": MORE, "required": false}]});
    let builder = Registry::builder().schemas_json(&json!([core, extra, more]).to_string());
    let builder = builder.unwrap().resource_types_json(&thing.to_string());
    builder.unwrap().build().unwrap()
}

/// Returns a document with about half of the attributes; one that is not exact has unknown and invalid ones, too.
fn document(choices: &mut Choices, kind: &ResourceType, is_exact: bool) -> Map<String, Value> {
    let mut document = Map::from_iter([("schemas".to_owned(), json!([CORE]))]);
    for attr in kind
        .attributes()
        .iter()
        .filter(|attr| attr.parent().is_none())
    {
        let is_stored = matches!(attr.role(), AttributeRole::Plain | AttributeRole::Reference)
            && !attr.is_never_returned();
        if !(is_stored || !is_exact && attr.role() != AttributeRole::Schemas) || choices.once_in(2)
        {
            continue;
        }
        let Some(value) = value(choices, kind, attr, is_exact) else {
            continue;
        };
        let extension = attr
            .extension()
            .map(|at| kind.extensions()[at].urn().as_str());
        let holder = match extension {
            None => &mut document,
            Some(urn) => {
                let holder = document.entry(urn).or_insert_with(|| json!({}));
                holder.as_object_mut().unwrap()
            }
        };
        holder.insert(attr.name().to_owned(), value);
    }
    if !is_exact {
        document.insert("unknown".to_owned(), json!({"a": [1, {"b": "}"}]}));
        // Schema URIs are compared without regard to case.
        if choices.once_in(3)
            && let Some(more) = document.remove(MORE)
        {
            document.insert(MORE.to_uppercase(), more);
        }
        if choices.once_in(6) {
            document.insert(
                EXTRA.to_owned(),
                choices.pick(&[json!({}), json!([]), json!(1), json!({"unknown": 1})]),
            );
        }
    }
    document
}

fn value(choices: &mut Choices, kind: &ResourceType, attr: &Attr, is_exact: bool) -> Option<Value> {
    if !is_exact && choices.once_in(8) {
        return Some(choices.pick(&[
            json!("text"),
            json!([]),
            json!({}),
            json!([{}, 1, {"value": 2}]),
            Value::Null,
        ]));
    }
    let definition = attr.definition();
    let one = |choices: &mut Choices| match definition.data_type {
        DataType::Complex => object(choices, kind, attr, is_exact),
        DataType::Integer => Some(json!(choices.below(1000))),
        _ => Some(json!(choices.word())),
    };
    if !definition.multi_valued {
        one(choices)
    } else {
        let elements: Vec<_> = (0..1 + choices.below(3))
            .filter_map(|_| one(choices))
            .collect();
        (!elements.is_empty()).then(|| elements.into())
    }
}

fn object(
    choices: &mut Choices,
    kind: &ResourceType,
    attr: &Attr,
    is_exact: bool,
) -> Option<Value> {
    let mut members = Map::new();
    for sub in kind.children(attr.id()) {
        let is_stored = !kind.is_computed(sub.id()) && !sub.is_never_returned();
        if (is_stored || !is_exact) && !choices.once_in(3) {
            members.insert(sub.name().to_owned(), json!(choices.word()));
        }
    }
    if !is_exact && choices.once_in(3) {
        members.insert("unknown".to_owned(), json!({"manager": {"value": "1"}}));
    }
    (!members.is_empty()).then(|| members.into())
}

/// Returns edges under all attributes with edges, more than one only if an attribute has several values.
fn edges(choices: &mut Choices, kind: &ResourceType) -> Vec<AttrEdges> {
    let attrs = kind
        .attributes()
        .iter()
        .filter(|attr| attr.parent().is_none());
    let has_edges = |attr: &&Attr| {
        matches!(
            attr.role(),
            AttributeRole::Inverse | AttributeRole::Membership | AttributeRole::Reference
        )
    };
    let mut all = Vec::new();
    for attr in attrs.filter(has_edges) {
        let most = if attr.role() == AttributeRole::Reference {
            2
        } else {
            4
        };
        let found = (0..choices.below(most)).map(|_| {
            let kind = choices.pick(&[
                Some("Thing".to_owned()),
                Some("thing".to_owned()),
                Some("Nothing".to_owned()),
                None,
            ]);
            let display = choices
                .pick(&[None, Some(0)])
                .map(|_| choices.word().to_owned());
            Edge::to(choices.pick(&["7", "a b/é", "\"q\""]))
                .with_kind(kind)
                .with_display(display)
        });
        all.push(AttrEdges {
            attr: attr.id(),
            edges: found.collect(),
        });
    }
    all
}

fn projection(choices: &mut Choices, kind: &ResourceType) -> Projection {
    let mut names: Vec<String> = kind
        .attributes()
        .iter()
        .map(|attr| attr.path().to_owned())
        .collect();
    names.extend([CORE, EXTRA, MORE, "unknown", ""].map(str::to_owned));
    let some = |choices: &mut Choices| -> Vec<String> {
        (0..choices.below(4))
            .map(|_| choices.pick(&names))
            .collect()
    };
    match choices.below(5) {
        0 => kind.projection::<&str>(&[], &[]),
        1 => kind.projection(&some(choices), &[]),
        2 => kind.projection(&[], &some(choices)),
        3 => kind.projection(&some(choices), &some(choices)),
        _ => {
            let all: Vec<_> = [CORE, EXTRA, MORE].map(str::to_owned).into();
            let projection = kind.projection(&all, &[]);
            let hidden = kind.attribute_id("seenBy").unwrap();
            if choices.once_in(2) {
                projection.without_computed(kind, hidden)
            } else {
                projection
            }
        }
    }
}

/// Returns the projected tree of a resource: its document with the computed attributes.
fn projected(
    settings: &Settings,
    kind: &ResourceType,
    stored: &StoredResource,
    projection: &Projection,
) -> Value {
    let mut members = stored.document.tree().unwrap().into_owned().into_map();
    let wanted = kind
        .attributes()
        .iter()
        .filter(|attr| attr.parent().is_none() && projection.shows(attr.id()));
    let wanted: Vec<AttrId> = wanted.map(Attr::id).collect();
    for (key, value) in computed_attributes(
        settings,
        &ResourceFacts::new(kind, stored, &stored.edges),
        &wanted,
    ) {
        let attr = kind.attr(kind.attribute_id(&key).unwrap());
        let holder = match attr.extension() {
            None => Some(&mut members),
            Some(at) => members
                .get_mut(kind.extensions()[at].urn().as_str())
                .and_then(Value::as_object_mut),
        };
        holder.map(|holder| holder.insert(attr.name().to_owned(), value));
    }
    kind.project(&mut members, projection);
    members.into()
}

fn check(seed: u64, is_exact: bool) {
    let choices = &mut Choices(seed);
    let mut settings = Settings::new("https://example.com/scim \"v2\"/");
    settings.registry = Arc::new(registry(choices));
    let kind = settings.registry.resource_type("Thing").unwrap();
    // A printer caches the texts of edges, so each prints several resources.
    let projections = [(); 4].map(|()| projection(choices, kind));
    let printers = projections
        .each_ref()
        .map(|projection| ResourcePrinter::new(&settings, kind, projection));
    for turn in 0..16 {
        let projection = &projections[turn % 4];
        let printer = &printers[turn % 4];
        let text = to_json_text(&document(choices, kind, is_exact));
        let at = |seconds| DateTime::from_timestamp(seconds, 987_654_321).unwrap();
        let mut stored = StoredResource::new(
            ResourceId::from(choices.pick(&["42", "a b", "\\"])),
            Version::new(choices.pick(&["7", "back\\slash"])).unwrap(),
            Timestamps {
                created: at(1_305_261_754),
                last_modified: at(0),
            },
            Document::from_text(text.clone()).with_exactness(is_exact),
        );
        stored.edges = edges(choices, kind);
        let mut printed = b"[".to_vec();
        printer.print(&stored, &mut printed);
        let printed = String::from_utf8(printed).unwrap();
        // `parse_json` rejects duplicate names.
        let read = parse_json(&printed.as_bytes()[1..], 20, 10_000);
        assert!(read.is_ok(), "{read:?}: {printed} of {text}");
        let read = read.unwrap();
        assert_eq!(
            read,
            projected(&settings, kind, &stored, projection),
            "{printed} of {text}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn exact_document_is_printed_as_its_tree(seed in any::<u64>()) {
        check(seed, true);
    }

    #[test]
    fn document_of_another_schema_is_printed_as_its_tree(seed in any::<u64>()) {
        check(seed, false);
    }
}

/// Returns the printed text of a user whose document has this text, with all attributes.
fn printed(text: &'static str) -> String {
    let settings = Settings::new("https://example.com/");
    let user = settings.registry.resource_type("User").unwrap();
    let at = DateTime::UNIX_EPOCH;
    let mut stored = StoredResource::new(
        ResourceId::from("42"),
        Version::new("7").unwrap(),
        Timestamps {
            created: at,
            last_modified: at,
        },
        Document::from_text(text),
    );
    let manager = format!("{}:manager", scimkit_core::builtin::ENTERPRISE_USER);
    stored.edges.push(AttrEdges {
        attr: user.attribute_id(&manager).unwrap(),
        edges: vec![Edge::to("1").with_display(Some("M"))],
    });
    let projection = user.projection(&[], &["meta"]);
    let mut out = Vec::new();
    ResourcePrinter::new(&settings, user, &projection).print(&stored, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn manager_name_is_printed_within_the_document() {
    let text = r#"{"userName":"u","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"1"},"x":1}}"#;
    let shown = r#"{"userName":"u","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"1","displayName":"M"},"x":1},"id":"42"}"#;
    assert_eq!(printed(text), shown);
    // The same with spaces between the tokens of the document.
    let spaced = r#"{"userName": "u", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User" : {"manager": {"value": "1"}}}"#;
    let shown = r#"{"userName":"u","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"1","displayName":"M"}},"id":"42"}"#;
    assert_eq!(printed(spaced), shown);
}

#[test]
fn invalid_document_is_printed_with_computed_attributes_only() {
    for text in ["", "}", "7", "[]", "{", r#"{"a"#] {
        assert_eq!(printed(text), r#"{"id":"42"}"#, "{text}");
    }
}
