//! Filters and predicates as trees, in text and JSON.

use scimkit::{
    filter::Filter,
    registry::{Predicate, ResourceType, Scalar},
};
use serde_json::{Value, json};

/// A term and its inner terms.
#[derive(Debug)]
pub(crate) struct Node {
    label: String,
    terms: Vec<Node>,
}

impl Node {
    /// The tree of a filter as it was written.
    pub(crate) fn of_filter(filter: &Filter<'_>) -> Self {
        match filter {
            Filter::And(terms) => Node::new("and", terms.iter().map(Node::of_filter)),
            Filter::Not(inner) => Node::new("not", [Node::of_filter(inner)]),
            Filter::Or(terms) => Node::new("or", terms.iter().map(Node::of_filter)),
            Filter::ValuePath(path) => {
                let label = format!("one of {}", path.attribute);
                Node::new(label, [Node::of_filter(&path.filter)])
            }
            leaf @ (Filter::Compare(_) | Filter::Present(_)) => Node::new(leaf.to_string(), []),
        }
    }

    /// The tree of a bound filter: canonical names, types, folded values.
    pub(crate) fn of_predicate(kind: &ResourceType, predicate: &Predicate) -> Self {
        let all = |terms: &[Predicate]| -> Vec<Node> {
            terms
                .iter()
                .map(|term| Node::of_predicate(kind, term))
                .collect()
        };
        match predicate {
            Predicate::All(terms) if terms.is_empty() => Node::new("always", []),
            Predicate::All(terms) => Node::new("and", all(terms)),
            Predicate::Any(terms) => Node::new("or", all(terms)),
            Predicate::Compare { attr, op, value } => {
                let definition = kind.attr(*attr).definition();
                let case = if definition.is_case_exact() {
                    ", case exact"
                } else {
                    ""
                };
                let path = kind.attr(*attr).path();
                let op = op.as_str();
                let label = format!(
                    "{path} {op} {} ({}{case})",
                    shown(value),
                    definition.data_type
                );
                Node::new(label, [])
            }
            Predicate::ElementMatches { attr, inner } => {
                let label = format!("one of {}", kind.attr(*attr).path());
                Node::new(label, [Node::of_predicate(kind, inner)])
            }
            Predicate::Never => Node::new("never", []),
            Predicate::Not(inner) => Node::new("not", [Node::of_predicate(kind, inner)]),
            Predicate::Present(attr) => Node::new(format!("{} pr", kind.attr(*attr).path()), []),
        }
    }

    /// A string for a term without inner terms, otherwise an object with one member.
    pub(crate) fn json(&self) -> Value {
        if self.terms.is_empty() {
            return Value::from(self.label.as_str());
        }
        json!({ self.label.as_str(): self.terms.iter().map(Node::json).collect::<Vec<_>>() })
    }

    /// One line per term; inner terms are indented.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut open = vec![(0, self)];
        while let Some((depth, node)) = open.pop() {
            lines.push(format!("  {}{}", "  ".repeat(depth), node.label));
            open.extend(node.terms.iter().rev().map(|term| (depth + 1, term)));
        }
        lines
    }

    fn new(label: impl Into<String>, terms: impl IntoIterator<Item = Node>) -> Self {
        Node {
            label: label.into(),
            terms: terms.into_iter().collect(),
        }
    }
}

fn shown(value: &Scalar) -> String {
    match value {
        Scalar::Bool(value) => value.to_string(),
        Scalar::Decimal(value) => value.to_string(),
        Scalar::Instant(value) => format!("{value} µs since 1970"),
        Scalar::Integer(value) => value.to_string(),
        Scalar::Text(value) => Value::from(value.as_str()).to_string(),
    }
}
