//! Evaluation on a document's text agrees with evaluation on its tree.

use std::{fmt::Write as _, sync::Arc};

use proptest::prelude::*;
use scimkit_core::DataType;
use scimkit_registry::{
    Attr, AttrId, Document, Meter, Operator, Predicate, Registry, Resource, ResourceType,
    ResourceView, Scalar, Tolerance,
};
use serde_json::{Map, Value, json};

const SCHEMA: &str = "urn:example:2.0:Thing";
const EXTENSION: &str = "urn:example:2.0:More";

/// Words for which scanning, unescaping and folding are most likely to fail.
const WORDS: [&str; 18] = [
    "",
    "a",
    "A",
    "ab",
    "ÄB",
    "äb",
    "ß",
    "SS",
    "\u{ff21}",
    "a\"b",
    "a\\",
    "\\\"",
    "\",\"a0\":\"x",
    "]},{[",
    "\u{0}\n\t",
    "\u{10ffff}",
    " ",
    "e\u{301}",
];

const TYPES: [&str; 7] = [
    "string",
    "boolean",
    "integer",
    "decimal",
    "dateTime",
    "reference",
    "binary",
];

/// Decisions from random numbers: one after the other, and zeros at the end.
struct Choices(std::vec::IntoIter<u16>);

impl Choices {
    fn below(&mut self, count: usize) -> usize {
        usize::from(self.0.next().unwrap_or(0)) % count
    }

    fn of<'c, T>(&mut self, all: &'c [T]) -> &'c T {
        &all[self.below(all.len())]
    }

    fn is(&mut self) -> bool {
        self.below(2) == 1
    }

    fn text(&mut self) -> String {
        let count = 1 + self.below(3);
        (0..count).map(|_| *self.of(&WORDS)).collect()
    }

    fn attribute(&mut self, name: &str, may_be_complex: bool) -> Value {
        let is_complex = self.below(3) == 0;
        let is_many = self.is();
        let is_exact = self.is();
        if is_complex && may_be_complex {
            let subs: Vec<_> = (0..=self.below(3))
                .map(|n| self.attribute(&format!("s{n}"), false))
                .collect();
            return json!({"name": name, "type": "complex", "multiValued": is_many, "subAttributes": subs});
        }
        let kind = *self.of(&TYPES);
        let mut attr =
            json!({"name": name, "type": kind, "multiValued": is_many && may_be_complex});
        if kind == "string" {
            attr["caseExact"] = is_exact.into();
        }
        if kind == "reference" {
            attr["referenceTypes"] = json!(["external"]);
        }
        attr
    }

    fn kind(&mut self) -> Arc<ResourceType> {
        let mut schema = |urn: &str, name: &str, prefix: &str| {
            let attrs: Vec<_> = (0..=self.below(5))
                .map(|n| self.attribute(&format!("{prefix}{n}"), true))
                .collect();
            json!({"id": urn, "name": name, "attributes": attrs})
        };
        let schemas = json!([schema(SCHEMA, "Thing", "a"), schema(EXTENSION, "More", "b")]);
        let kind = json!({"name": "Thing", "endpoint": "/Things", "schema": SCHEMA,
            "schemaExtensions": [{"schema": EXTENSION, "required": false}]});
        let builder = Registry::builder().schemas_json(&schemas.to_string());
        let builder = builder.and_then(|builder| builder.resource_types_json(&kind.to_string()));
        let registry = builder.unwrap().build().unwrap();
        Arc::clone(registry.resource_type("Thing").unwrap())
    }

    /// Returns some attributes of a kind, by name.
    fn values<'k>(
        &mut self,
        kind: &ResourceType,
        attrs: impl Iterator<Item = &'k Attr>,
    ) -> Map<String, Value> {
        let mut values = Map::new();
        for attr in attrs {
            let count = if attr.definition().multi_valued {
                self.below(4)
            } else {
                1
            };
            let elements: Vec<_> = (0..count).map(|_| self.value(kind, attr)).collect();
            let value = if attr.definition().multi_valued {
                Value::from(elements)
            } else {
                elements.into_iter().next().unwrap()
            };
            if self.below(4) > 0 {
                values.insert(attr.name().to_owned(), value);
            }
        }
        values
    }

    fn value(&mut self, kind: &ResourceType, attr: &Attr) -> Value {
        match attr.definition().data_type {
            DataType::Complex => self.values(kind, kind.children(attr.id())).into(),
            DataType::Boolean => self.is().into(),
            DataType::Integer => (*self.of(&[0_i64, -1, 7, i64::MAX, i64::MIN])).into(),
            DataType::Decimal => self
                .of(&[json!(0), json!(-0.0), json!(1e300), json!(-1.25)])
                .clone(),
            DataType::DateTime => Value::from(*self.of(&[
                "2024-01-01T00:00:00Z",
                "2024-01-01T01:00:00+01:00",
                "1969-12-31T23:59:59.5Z",
            ])),
            DataType::Binary => Value::from(*self.of(&["", "QQ==", "qq=="])),
            DataType::String | DataType::Reference => self.text().into(),
        }
    }

    fn resource(&mut self, kind: &ResourceType) -> Resource {
        let of = |extension| {
            let attrs = kind.attributes().iter();
            attrs.filter(move |a| a.extension() == extension && a.parent().is_none())
        };
        let is_own = |attr: &&Attr| attr.name().starts_with(['a', 'b']);
        let mut body = self.values(kind, of(None).filter(is_own));
        let more = self.values(kind, of(Some(0)).filter(is_own));
        body.insert(EXTENSION.to_owned(), more.into());
        kind.admit(body.into(), &Tolerance::DEFAULT).unwrap()
    }

    /// Returns a predicate over a resource, or over an element of a complex attribute.
    fn predicate(
        &mut self,
        kind: &ResourceType,
        inside: Option<AttrId>,
        depth: usize,
    ) -> Predicate {
        let is_here = |attr: &&Attr| inside.is_none() || attr.parent() == inside;
        let attrs: Vec<_> = kind.attributes().iter().filter(is_here).collect();
        let shape = self.below(if depth == 0 { 4 } else { 8 });
        let inner = |choices: &mut Self| choices.predicate(kind, inside, depth - 1);
        match shape {
            4 => Predicate::All(vec![inner(self), inner(self)]),
            5 => Predicate::Any(vec![inner(self), inner(self)]),
            6 => Predicate::Not(Box::new(inner(self))),
            _ => self.term(kind, &attrs, inside, depth),
        }
    }

    fn term(
        &mut self,
        kind: &ResourceType,
        attrs: &[&Attr],
        inside: Option<AttrId>,
        depth: usize,
    ) -> Predicate {
        let attr = *self.of(attrs);
        if kind.children(attr.id()).next().is_some() {
            return if inside.is_none() && depth > 0 && self.below(4) > 0 {
                Predicate::ElementMatches {
                    attr: attr.id(),
                    inner: Box::new(self.predicate(kind, Some(attr.id()), depth - 1)),
                }
            } else {
                Predicate::Present(attr.id())
            };
        }
        if self.below(6) == 0 {
            return Predicate::Present(attr.id());
        }
        let value = self.value(kind, attr);
        let Some(value) = Scalar::of(attr, &value) else {
            return Predicate::Present(attr.id());
        };
        let all = [
            Operator::Equal,
            Operator::NotEqual,
            Operator::GreaterThan,
            Operator::LessOrEqual,
            Operator::Contains,
            Operator::StartsWith,
            Operator::EndsWith,
        ];
        Predicate::Compare {
            attr: attr.id(),
            op: *self.of(&all),
            value,
        }
    }
}

/// Appends the same JSON with blanks between tokens and every character of strings escaped.
fn escaped(value: &Value, out: &mut String) {
    match value {
        Value::Array(elements) => {
            out.push_str("[ ");
            for (at, element) in elements.iter().enumerate() {
                out.push_str(if at > 0 { " ,\n" } else { "" });
                escaped(element, out);
            }
            out.push_str("\t]");
        }
        Value::Object(members) => {
            out.push_str("{ ");
            for (at, (name, value)) in members.iter().enumerate() {
                out.push_str(if at > 0 { " ,\r\n" } else { "" });
                write!(out, "\"{name}\" : ").unwrap();
                escaped(value, out);
            }
            out.push_str("\n}");
        }
        Value::String(text) => {
            out.push('"');
            for unit in text.encode_utf16() {
                write!(out, "\\u{unit:04x}").unwrap();
            }
            out.push('"');
        }
        other => write!(out, "{other}").unwrap(),
    }
}

/// Returns the results of a predicate for the tree and for texts of a resource.
fn check(kind: &ResourceType, resource: &Resource, predicate: &Predicate) {
    let meter = Meter::unlimited();
    let expected = kind.matches(predicate, ResourceView::new(resource), &meter);
    let tree = Value::Object(resource.as_map().clone());
    let mut spelled = String::new();
    escaped(&tree, &mut spelled);
    let canonical = Document::from(resource.clone()).into_text();
    let texts = [
        &canonical[..],
        &serde_json::to_vec_pretty(&tree).unwrap(),
        spelled.as_bytes(),
    ];
    let reader = kind.reader(predicate.attributes());
    let all = kind.reader(kind.attributes().iter().map(Attr::id));
    for text in texts {
        for reader in [&reader, &all] {
            let values = reader.read(text);
            let found = kind.matches(predicate, ResourceView::of_values(&values), &meter);
            assert_eq!(found, expected, "{predicate:?} of {tree}");
        }
        let values = all.read(text);
        for attr in kind.attributes() {
            let key = |view| kind.sort_key(attr.id(), view, &meter);
            let of_text = key(ResourceView::of_values(&values));
            let of_tree = key(ResourceView::new(resource));
            assert_eq!(of_text, of_tree, "{} of {tree}", attr.path());
        }
    }
}

fn choices() -> impl Strategy<Value = Choices> {
    prop::collection::vec(any::<u16>(), 0..400).prop_map(|all| Choices(all.into_iter()))
}

impl std::fmt::Debug for Choices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.as_slice().fmt(f)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn text_evaluates_as_its_tree(mut choices in choices()) {
        let kind = choices.kind();
        for _ in 0..3 {
            let resource = choices.resource(&kind);
            let predicate = choices.predicate(&kind, None, 3);
            check(&kind, &resource, &predicate);
        }
    }

    #[test]
    fn evaluating_malformed_text_does_not_panic(
        mut choices in choices(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let kind = choices.kind();
        let resource = choices.resource(&kind);
        let predicate = choices.predicate(&kind, None, 3);
        let mut text = Document::from(resource).into_text().to_vec();
        for (at, byte) in edits {
            let at = at.index(text.len());
            text[at] = byte;
        }
        let cut = cut.index(text.len());
        let reader = kind.reader(kind.attributes().iter().map(Attr::id));
        for text in [&text[..], &text[..cut], &text[cut..]] {
            let values = reader.read(text);
            let view = ResourceView::of_values(&values);
            prop_assert!(kind.matches(&predicate, view, &Meter::unlimited()).is_ok());
        }
    }
}
