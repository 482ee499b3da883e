//! A file's tree, read piece by piece, with every problem noted.

use scimkit_core::excerpt;
use serde_json::Value;

use super::{
    MappingError, Position, Problem,
    node::{Item, Member, Node},
    problem::Lines,
};

pub(super) struct Reader<'a> {
    /// The rule that is being read.
    pub(super) label: Option<String>,
    pub(super) lines: &'a Lines<'a>,
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    /// The members, unless there are too many of them.
    pub(super) fn at_most<'n>(
        &mut self,
        most: usize,
        what: &str,
        members: &'n [Member],
    ) -> &'n [Member] {
        match members.get(most) {
            None => members,
            Some(member) => {
                self.problem(member.at, format!("there are more than {most} {what}"));
                &[]
            }
        }
    }

    pub(super) fn table<'n>(&mut self, what: &str, node: &'n Node) -> &'n [Member] {
        match &node.item {
            Item::Table(members) => members,
            _ => {
                self.misfit(what, node, "a table");
                &[]
            }
        }
    }

    pub(super) fn list<'n>(&mut self, what: &str, node: &'n Node) -> &'n [Node] {
        match &node.item {
            Item::List(elements) => elements,
            _ => {
                self.misfit(what, node, "an array of tables");
                &[]
            }
        }
    }

    pub(super) fn text(&mut self, what: &str, node: &Node) -> Option<String> {
        match &node.item {
            Item::Text(text) => Some(text.clone()),
            _ => {
                self.misfit(what, node, "text");
                None
            }
        }
    }

    pub(super) fn flag(&mut self, what: &str, node: &Node) -> bool {
        match &node.item {
            Item::Bool(truth) => *truth,
            _ => {
                self.misfit(what, node, "true or false");
                false
            }
        }
    }

    pub(super) fn some(&mut self, what: &str, node: &Node) -> Option<Value> {
        match node.json() {
            Value::Null => {
                self.misfit(what, node, "a value");
                None
            }
            value => Some(value),
        }
    }

    pub(super) fn one_of<T: Copy>(
        &mut self,
        what: &str,
        node: &Node,
        known: &[(&str, T)],
    ) -> Option<T> {
        let text = self.text(what, node)?;
        let found = known.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
            let detail = format!(
                "`{what}` is one of `{}`, not `{}`",
                names.join("`, `"),
                excerpt(&text)
            );
            self.problem(node.at, detail);
        }
        found.map(|(_, value)| *value)
    }

    pub(super) fn misfit(&mut self, what: &str, node: &Node, wanted: &str) {
        let subject = match what.contains(' ') {
            true => what.to_owned(),
            false => format!("`{}`", excerpt(what)),
        };
        self.problem(
            node.at,
            format!("{subject} must be {wanted} but is {}", node.called()),
        );
    }

    pub(super) fn unknown(&mut self, at: usize, name: &str, of: &str, known: &[&str]) {
        let (name, known) = (excerpt(name), known.join("`, `"));
        self.problem(
            at,
            format!("`{name}` is not an option of {of}, which has `{known}`"),
        );
    }

    pub(super) fn place(&self, at: usize) -> Position {
        self.lines.position(at)
    }

    pub(super) fn problem(&mut self, at: usize, detail: impl Into<String>) {
        // Hostile files could make more of them than anybody wants to read.
        if self.problems.len() < 10 * MappingError::MOST {
            let problem = Problem::new(Some(self.lines.position(at)), detail);
            self.problems.push(match &self.label {
                Some(label) => problem.of_rule(label),
                None => problem,
            });
        }
    }
}
