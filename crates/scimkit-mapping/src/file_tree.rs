//! The tree of a mapping file, with the position of each of its nodes.

use serde_json::Number;

/// A value in a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// The byte offset of its beginning.
    pub(super) at: usize,
    pub(super) item: Item,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    Bool(bool),
    List(Vec<Node>),
    Null,
    Number(Number),
    // INVARIANT: no two members have the same name.
    Table(Vec<Member>),
    Text(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) node: Node,
}

impl Node {
    /// Returns the type of the node for messages.
    pub(super) fn type_name(&self) -> &'static str {
        match self.item {
            Item::Bool(_) => "a boolean",
            Item::List(_) => "an array",
            Item::Null => "null",
            Item::Number(_) => "a number",
            Item::Table(_) => "a table",
            Item::Text(_) => "text",
        }
    }

    /// Returns the node as a JSON value.
    pub(super) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.item {
            Item::Bool(truth) => Value::Bool(*truth),
            Item::List(elements) => elements.iter().map(Node::to_json).collect(),
            Item::Null => Value::Null,
            Item::Number(number) => Value::Number(number.clone()),
            Item::Table(members) => members
                .iter()
                .map(|m| (m.name.clone(), m.node.to_json()))
                .collect(),
            Item::Text(text) => Value::from(text.as_str()),
        }
    }
}

/// The maximal nesting of arrays and tables.
pub(super) const NESTING: usize = 12;
/// A syntax error in a mapping file.
#[derive(Debug)]
pub(super) struct SyntaxError {
    /// The byte offset of the error.
    pub(super) at: usize,
    pub(super) detail: String,
}

impl SyntaxError {
    pub(super) fn new(at: usize, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        SyntaxError { at, detail }
    }
}

pub(super) const TOO_DEEP: &str =
    "arrays and tables are nested too deeply: at most 12 levels are allowed";
