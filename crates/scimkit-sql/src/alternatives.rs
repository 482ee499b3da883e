//! The terms of a disjunction, grouped so that one SQL comparison decides each group.

use std::collections::HashMap;

use scimkit_registry::{AttrId, Operator, Predicate, Scalar};

/// A part of a disjunction that is compiled on its own.
pub(crate) enum Alternative<'p> {
    /// One attribute compared by `eq` with each of the values.
    List(AttrId, Vec<&'p Scalar>),
    Term(&'p Predicate),
}

/// Returns the terms of a disjunction. The `eq` terms of one attribute are combined into one list.
pub(crate) fn alternatives(terms: &[Predicate]) -> Vec<Alternative<'_>> {
    let mut found = Vec::new();
    let mut lists = HashMap::new();
    for term in terms {
        let Predicate::Compare {
            attr,
            op: Operator::Equal,
            value,
        } = term
        else {
            found.push(Alternative::Term(term));
            continue;
        };
        let at = *lists.entry(*attr).or_insert(found.len());
        match found.get_mut(at) {
            Some(Alternative::List(_, values)) => values.push(value),
            _ => found.push(Alternative::List(*attr, vec![value])),
        }
    }
    found
}
