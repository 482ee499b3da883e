//! The split of a predicate between the database and the evaluator.

use scimkit_registry::{Predicate, ResourceType, Scalar};

use crate::{Layout, compile::Compiler};

/// A predicate, divided.
///
/// A resource satisfies the predicate exactly when it satisfies both parts; a part that is missing
/// holds for every resource.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// What the database decides.
    pub condition: Option<Condition>,
    /// What is left to [`ResourceType::matches`].
    pub residual: Option<Predicate>,
}

/// A condition for a `WHERE` clause.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Condition {
    /// The same condition as rows to join, if it is a comparison with one value for which each resource has at
    /// most one row.
    pub lookup: Option<Lookup>,
    /// The values of its placeholders, in the order of their numbers.
    pub parameters: Vec<Scalar>,
    /// The SQL text; joined with others by `AND` it needs no parentheses.
    pub text: String,
}

/// Rows with which a statement can start, each of another resource.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Lookup {
    /// The condition that selects the rows; its placeholders are those of the [`Condition`].
    pub condition: String,
    /// The column of the resource's identifier: `k.id`.
    pub id: &'static str,
    /// The table and its alias: `lookup_key k`.
    pub table: &'static str,
}

/// Divides a predicate between the database and the evaluator; the first placeholder is number
/// `first`.
///
/// - A conjunction is divided term by term, everything else goes to one side as a whole.
/// - A term that SQL can't decide may still narrow the rows: `emails[type eq "work" and value eq
///   "b@example.com"]` is looked up by the address and then evaluated.
/// - Of several terms the one that likely leaves the fewest rows is written as `IN`, so that the
///   database starts there; the others are tests of the rows that it finds.
#[must_use]
pub fn plan(kind: &ResourceType, predicate: &Predicate, layout: &dyn Layout, first: usize) -> Plan {
    let mut compiler = Compiler::new(kind, layout, first);
    let mut parts = Vec::new();
    let mut residual = Vec::new();
    for term in terms(predicate) {
        match compiler.term(term) {
            None => residual.push(term.clone()),
            Some(part) => {
                if !part.exact {
                    residual.push(term.clone());
                }
                parts.push(part);
            }
        }
    }
    let condition = (!parts.is_empty()).then(|| compiler.finish(parts));
    let one = if residual.len() == 1 {
        residual.pop()
    } else {
        None
    };
    let several = (!residual.is_empty()).then_some(Predicate::All(residual));
    Plan {
        condition,
        residual: one.or(several),
    }
}

/// The terms of the outermost conjunction, from left to right.
fn terms(predicate: &Predicate) -> Vec<&Predicate> {
    let mut found = Vec::new();
    let mut open = vec![predicate];
    while let Some(next) = open.pop() {
        match next {
            Predicate::All(terms) => open.extend(terms.iter().rev()),
            term => found.push(term),
        }
    }
    found
}
