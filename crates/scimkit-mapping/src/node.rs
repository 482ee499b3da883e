//! The tree of a mapping file, with the position of each of its nodes.

use serde_json::Number;

/// A value in a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Where it begins, in bytes.
    pub(super) at: usize,
    pub(super) item: Item,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    Bool(bool),
    List(Vec<Node>),
    Null,
    Number(Number),
    /// INVARIANT: no name is there twice.
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
    /// What it is, for a message.
    pub(super) fn called(&self) -> &'static str {
        match self.item {
            Item::Bool(_) => "a boolean",
            Item::List(_) => "an array",
            Item::Null => "null",
            Item::Number(_) => "a number",
            Item::Table(_) => "a table",
            Item::Text(_) => "text",
        }
    }

    /// As a JSON value.
    pub(super) fn json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.item {
            Item::Bool(truth) => Value::Bool(*truth),
            Item::List(elements) => elements.iter().map(Node::json).collect(),
            Item::Null => Value::Null,
            Item::Number(number) => Value::Number(number.clone()),
            Item::Table(members) => members
                .iter()
                .map(|m| (m.name.clone(), m.node.json()))
                .collect(),
            Item::Text(text) => Value::from(text.as_str()),
        }
    }
}

/// How deep arrays and tables may be nested.
pub(super) const NESTING: usize = 12;
/// What is wrong with a text, and where.
pub(super) type Fault = (usize, String);
pub(super) const TOO_DEEP: &str = "arrays and tables are nested too deeply";
