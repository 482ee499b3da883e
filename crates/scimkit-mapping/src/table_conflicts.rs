//! The checks of the application's tables against each other.

use super::{KeyType, MappingProblem, table::TableDraft};

/// Returns the problems between tables, each with the name of its resource type.
pub(super) fn problems_between(tables: &[(&str, &TableDraft)]) -> Vec<MappingProblem> {
    let mut problems = Vec::new();
    let has_users = tables.iter().any(|(kind, _)| *kind == "User");
    for (at, (kind, draft)) in tables.iter().enumerate() {
        let table = &draft.table;
        if table.members.is_some() && !has_users {
            let detail = "the members have no table: add `[User.table]`";
            problems.push(draft.problem(kind, detail));
        }
        let is_same = |(name, other): &&(&str, &TableDraft)| {
            let other = &other.table;
            let is_integer = table.id.key_type == KeyType::Integer;
            is_integer
                && other.id.key_type == table.id.key_type
                && other.prefix(name) == table.prefix(kind)
        };
        if let Some((other, _)) = tables.iter().take(at).find(is_same) {
            let detail = format!(
                "its identifiers can be those of {other}: set another `prefix` of the `id`"
            );
            problems.push(draft.problem(kind, detail));
        }
    }
    problems
}
