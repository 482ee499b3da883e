//! The division of a predicate between the database and the evaluator.

use std::borrow::Cow;

use scimkit_registry::{Predicate, ResourceType, Scalar};

use crate::{Layout, compile::Compiler};

/// A predicate, divided between the database and the evaluator.
///
/// A resource satisfies the predicate if and only if it satisfies both parts. A missing part holds for every resource.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// The part for the database.
    pub condition: Option<Condition>,
    /// The part for the evaluator: see [`ResourceType::matches`].
    pub residual: Option<Predicate>,
}

/// A condition for a `WHERE` clause.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Condition {
    /// The same condition as rows to join, if it compares with one value for which each resource has at most one row.
    pub lookup: Option<Lookup>,
    /// The values of the placeholders, in the order of their numbers.
    pub parameters: Vec<Scalar>,
    /// The SQL text, which can be joined to other conditions by `AND` without parentheses.
    pub text: String,
}

/// Rows from which a statement can start, each of a different resource.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Lookup {
    /// The condition that selects the rows, with the placeholders of the [`Condition`].
    pub condition: String,
    /// The column of the resource's identifier: `k.id`.
    pub id: Cow<'static, str>,
    /// The table and its alias: `lookup_key k`.
    pub table: Cow<'static, str>,
}

/// Divides a predicate between the database and the evaluator. The first placeholder has the number `first`.
///
/// - A conjunction is divided term by term. Any other predicate is one term.
/// - A term that SQL can't decide may still narrow the rows: `emails[type eq "work" and value eq "b@example.com"]` is
///   looked up by the address and then evaluated.
/// - The term that likely selects the fewest rows becomes an `IN` condition, so that the database starts from it. The
///   other terms test the rows that it finds.
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

/// Returns the terms of the outermost conjunction, from left to right.
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
