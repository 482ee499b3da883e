//! Random resources and predicates, reproducible by their seed.

use scimkit_core::{DataType, Mutability, Returned};
use scimkit_registry::{Attr, AttrId, AttributeRole, Operator, Predicate, ResourceType, Scalar};
use serde_json::{Map, Value, json};

/// The operators for text; `eq` more often, because it rarely holds.
const TEXT: [Operator; 12] = [
    Operator::Equal,
    Operator::Equal,
    Operator::Equal,
    Operator::NotEqual,
    Operator::Contains,
    Operator::Contains,
    Operator::StartsWith,
    Operator::EndsWith,
    Operator::GreaterThan,
    Operator::GreaterOrEqual,
    Operator::LessThan,
    Operator::LessOrEqual,
];
const ORDER: [Operator; 6] = [
    Operator::Equal,
    Operator::NotEqual,
    Operator::GreaterThan,
    Operator::GreaterOrEqual,
    Operator::LessThan,
    Operator::LessOrEqual,
];
const BINARY: [Operator; 3] = [Operator::Equal, Operator::NotEqual, Operator::Contains];
const BOOLEAN: [Operator; 2] = [Operator::Equal, Operator::NotEqual];
/// The value of an attribute of type binary.
const CERTIFICATE: &str = "QUJD";

/// A small generator of numbers (splitmix64): the checks need variety, not secrecy.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// Returns a number below `bound`, or 0 if `bound` is 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let number = (mixed ^ (mixed >> 31)) >> 33;
        usize::try_from(number)
            .unwrap_or(0)
            .checked_rem(bound)
            .unwrap_or(0)
    }

    /// Returns true once in `n` calls on average.
    pub(super) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(super) fn pick<'t, T>(&mut self, items: &'t [T]) -> Option<&'t T> {
        items.get(self.below(items.len()))
    }

    /// Returns one of a few texts that differ only in case, accents or wildcards.
    pub(super) fn word(&mut self) -> &'static str {
        const WORDS: [&str; 18] = [
            "a",
            "A",
            "ab",
            "AB%",
            "a_b",
            "b",
            "work",
            "WORK",
            "home",
            "straße",
            "STRASSE",
            "Éva",
            "éVA",
            "日本",
            "O'Lind",
            "say \"x\"",
            "back\\slash",
            "100% *done*",
        ];
        self.pick(&WORDS).copied().unwrap_or_default()
    }

    /// Returns the body of a resource with about half of its attributes; references contain one of `ids`.
    pub(super) fn body(&mut self, kind: &ResourceType, ids: &[String]) -> Map<String, Value> {
        let mut body = Map::new();
        for attr in kind.attributes().iter().filter(|attr| written(attr)) {
            if self.once_in(2) {
                continue;
            }
            let value = match attr.definition() {
                d if d.multi_valued => self.elements(kind, attr, ids),
                d if d.data_type == DataType::Complex => self.element(kind, attr, ids, false),
                _ => self.simple(attr),
            };
            match attr
                .extension()
                .and_then(|index| kind.extensions().get(index))
            {
                None => drop(body.insert(attr.name().to_owned(), value)),
                Some(extension) => {
                    let urn = extension.urn().as_str().to_owned();
                    let members = body.entry(urn).or_insert_with(|| json!({})).as_object_mut();
                    members.and_then(|members| members.insert(attr.name().to_owned(), value));
                }
            }
        }
        body
    }

    /// Returns up to three elements of a multi-valued attribute, at most one of them primary.
    pub(super) fn elements(&mut self, kind: &ResourceType, attr: &Attr, ids: &[String]) -> Value {
        let primary = self.below(6);
        (0..self.below(4))
            .map(|n| self.element(kind, attr, ids, n == primary))
            .collect()
    }

    /// Returns an object with about half of its sub-attributes, and always with its `value`.
    fn element(
        &mut self,
        kind: &ResourceType,
        attr: &Attr,
        ids: &[String],
        primary: bool,
    ) -> Value {
        let mut members = Map::new();
        for sub in kind.children(attr.id()) {
            let value = match sub.name() {
                "primary" => json!(primary),
                "value" if attr.role() == AttributeRole::Reference => json!(self.pick(ids)),
                _ => self.simple(sub),
            };
            if sub.name() == "value" || (sub.name() == "primary" && primary) || self.once_in(2) {
                members.insert(sub.name().to_owned(), value);
            }
        }
        Value::Object(members)
    }

    fn simple(&mut self, attr: &Attr) -> Value {
        match attr.definition().data_type {
            DataType::Binary => json!(CERTIFICATE),
            DataType::Boolean => json!(self.once_in(2)),
            DataType::DateTime => json!(scimkit_core::format_instant(self.instant())),
            DataType::Decimal | DataType::Integer => json!(self.below(5)),
            DataType::Complex | DataType::Reference | DataType::String => json!(self.word()),
        }
    }

    /// Returns a predicate that [`ResourceType::bind_filter`] could produce, with these ids and the words above as
    /// values.
    pub(super) fn predicate(
        &mut self,
        kind: &ResourceType,
        ids: &[String],
        depth: usize,
    ) -> Predicate {
        let shape = if depth == 0 {
            self.below(4)
        } else {
            self.below(10)
        };
        match shape {
            7 => Predicate::Not(Box::new(self.predicate(kind, ids, depth - 1))),
            8 => Predicate::All(self.several(kind, ids, depth - 1)),
            9 => Predicate::Any(self.several(kind, ids, depth - 1)),
            5 | 6 => match self.pick(&complex(kind)).copied() {
                Some(attr) => {
                    let inner = Box::new(self.inner(kind, attr, ids, 2));
                    Predicate::ElementMatches { attr, inner }
                }
                None => Predicate::Never,
            },
            _ => {
                let attrs: Vec<_> = kind
                    .attributes()
                    .iter()
                    .filter(|a| allowed(kind, a))
                    .collect();
                match self.pick(&attrs) {
                    Some(attr) => self.test(attr, ids),
                    None => Predicate::Never,
                }
            }
        }
    }

    fn several(&mut self, kind: &ResourceType, ids: &[String], depth: usize) -> Vec<Predicate> {
        (0..=self.below(3))
            .map(|_| self.predicate(kind, ids, depth))
            .collect()
    }

    fn inner(
        &mut self,
        kind: &ResourceType,
        attr: AttrId,
        ids: &[String],
        depth: usize,
    ) -> Predicate {
        let subs: Vec<_> = kind
            .children(attr)
            .filter(|sub| allowed(kind, sub))
            .collect();
        match self.below(if depth == 0 { 3 } else { 6 }) {
            3 => Predicate::Not(Box::new(self.inner(kind, attr, ids, depth - 1))),
            4 => Predicate::All(vec![
                self.inner(kind, attr, ids, depth - 1),
                self.inner(kind, attr, ids, depth - 1),
            ]),
            5 => Predicate::Any(vec![
                self.inner(kind, attr, ids, depth - 1),
                self.inner(kind, attr, ids, depth - 1),
            ]),
            _ => self
                .pick(&subs)
                .map_or(Predicate::Never, |sub| self.test(sub, ids)),
        }
    }

    /// Returns a comparison or a presence test of one attribute.
    fn test(&mut self, attr: &Attr, ids: &[String]) -> Predicate {
        if self.once_in(5) {
            return Predicate::Present(attr.id());
        }
        let (operators, value) = match attr.definition().data_type {
            DataType::Binary => (&BINARY[..], self.simple(attr)),
            DataType::Boolean => (&BOOLEAN[..], self.simple(attr)),
            DataType::Complex => return Predicate::Present(attr.id()),
            DataType::DateTime | DataType::Decimal | DataType::Integer => {
                (&ORDER[..], self.simple(attr))
            }
            DataType::Reference | DataType::String => (&TEXT[..], self.text(attr, ids)),
        };
        match (Scalar::of(attr, &value), self.pick(operators)) {
            (Some(value), Some(op)) => Predicate::Compare {
                attr: attr.id(),
                op: *op,
                value,
            },
            _ => Predicate::Never,
        }
    }

    /// Returns one of the instants at which random resources are written.
    pub(super) fn instant(&mut self) -> chrono::DateTime<chrono::Utc> {
        super::fixture::second(i64::try_from(self.below(8)).unwrap_or(0))
    }

    fn text(&mut self, attr: &Attr, ids: &[String]) -> Value {
        let names_ids = attr.role() != AttributeRole::Plain
            && matches!(attr.name(), "id" | "value" | "location");
        match self.pick(ids) {
            Some(id) if names_ids => json!(id),
            _ if attr.role() == AttributeRole::Plain || self.once_in(3) => json!(self.word()),
            _ => {
                let words = [
                    "User",
                    "direct",
                    "Group",
                    "https://contract.test/v2/Users/",
                    "W/\"1",
                    "g",
                ];
                json!(self.pick(&words))
            }
        }
    }
}

/// Returns the complex attributes whose elements a filter may test.
fn complex(kind: &ResourceType) -> Vec<AttrId> {
    let complex = |attr: &&Attr| attr.definition().data_type == DataType::Complex;
    kind.attributes()
        .iter()
        .filter(complex)
        .map(Attr::id)
        .collect()
}

/// Returns whether a client may write the attribute and read it again.
fn written(attr: &Attr) -> bool {
    let definition = attr.definition();
    attr.parent().is_none()
        && matches!(attr.role(), AttributeRole::Plain | AttributeRole::Reference)
        && definition.mutability != Mutability::ReadOnly
        && definition.returned != Returned::Never
}

/// Returns whether a filter may contain the attribute.
fn allowed(kind: &ResourceType, attr: &Attr) -> bool {
    let never = |attr: &Attr| attr.definition().returned == Returned::Never;
    let hidden = never(attr) || attr.parent().is_some_and(|parent| never(kind.attr(parent)));
    let made = matches!(
        attr.role(),
        AttributeRole::Inverse | AttributeRole::Membership | AttributeRole::Reference
    );
    let from_value = made && attr.name() == "$ref";
    !hidden && !from_value
}
