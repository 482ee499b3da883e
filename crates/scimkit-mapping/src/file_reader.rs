//! Reads parts of a file's tree and collects the problems.

use scimkit_core::{did_you_mean, excerpt};
use serde_json::Value;

use super::{
    MappingError, MappingProblem, SourcePosition,
    file_tree::{Item, Member, Node},
    mapping_error::Lines,
};

pub(super) struct FileReader<'a> {
    /// The name of the current rule in messages.
    pub(super) label: Option<String>,
    pub(super) lines: &'a Lines<'a>,
    pub(super) problems: &'a mut Vec<MappingProblem>,
}

impl FileReader<'_> {
    /// Returns the members, or none if there are too many.
    pub(super) fn at_most<'n>(
        &mut self,
        most: usize,
        what: &str,
        members: &'n [Member],
    ) -> &'n [Member] {
        match members.get(most) {
            None => members,
            Some(member) => {
                self.problem(
                    member.at,
                    format!("too many {what}: at most {most} are allowed"),
                );
                &[]
            }
        }
    }

    pub(super) fn table<'n>(&mut self, what: &str, node: &'n Node) -> &'n [Member] {
        match &node.item {
            Item::Table(members) => members,
            _ => {
                self.mismatch(what, node, "a table");
                &[]
            }
        }
    }

    pub(super) fn list<'n>(&mut self, what: &str, node: &'n Node) -> &'n [Node] {
        match &node.item {
            Item::List(elements) => elements,
            _ => {
                self.mismatch(what, node, "an array of tables");
                &[]
            }
        }
    }

    pub(super) fn text(&mut self, what: &str, node: &Node) -> Option<String> {
        match &node.item {
            Item::Text(text) => Some(text.clone()),
            _ => {
                self.mismatch(what, node, "text");
                None
            }
        }
    }

    pub(super) fn flag(&mut self, what: &str, node: &Node) -> bool {
        match &node.item {
            Item::Bool(truth) => *truth,
            _ => {
                self.mismatch(what, node, "true or false");
                false
            }
        }
    }

    pub(super) fn some(&mut self, what: &str, node: &Node) -> Option<Value> {
        match node.to_json() {
            Value::Null => {
                self.mismatch(what, node, "a value");
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
                "invalid value `{}` for `{what}`, expected one of `{}`",
                excerpt(&text),
                names.join("`, `")
            );
            self.problem(node.at, detail);
        }
        found.map(|(_, value)| *value)
    }

    pub(super) fn mismatch(&mut self, what: &str, node: &Node, wanted: &str) {
        let subject = if what.contains(' ') {
            what.to_owned()
        } else {
            format!("`{}`", excerpt(what))
        };
        self.problem(
            node.at,
            format!(
                "expected {wanted} for {subject}, but found {}",
                node.type_name()
            ),
        );
    }

    pub(super) fn unknown(&mut self, at: usize, what: &str, name: &str, known: &[&str]) {
        let expected = expected(name, known);
        self.problem(at, format!("unknown {what} `{}`{expected}", excerpt(name)));
    }

    pub(super) fn unknown_option(&mut self, at: usize, name: &str, of: &str, known: &[&str]) {
        let (name, expected) = (excerpt(name), expected(name, known));
        self.problem(at, format!("unknown option `{name}` of {of}{expected}"));
    }

    pub(super) fn position(&self, at: usize) -> SourcePosition {
        self.lines.position(at)
    }

    pub(super) fn problem(&mut self, at: usize, detail: impl Into<String>) {
        // Bounds the problems of hostile files.
        if self.problems.len() < 10 * MappingError::MOST {
            let problem = MappingProblem::new(Some(self.lines.position(at)), detail);
            self.problems.push(match &self.label {
                Some(label) => problem.with_rule(label),
                None => problem,
            });
        }
    }
}

/// Returns the end of an error text: the nearest of the known names, or all of them.
fn expected(name: &str, known: &[&str]) -> String {
    let suggestion = did_you_mean(name, known.iter().copied());
    if suggestion.is_empty() {
        format!(", expected one of `{}`", known.join("`, `"))
    } else {
        suggestion
    }
}
