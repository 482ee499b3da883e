//! Memberships that the application's tables can't hold.

use super::{
    SqlStatement, SqlValue,
    names::TableTenant,
    row_table::RowTable,
    side::{fixed, placeholders},
};
use crate::{Dialect, mapped_rows::quoted};

/// The list of members that statements are about: type and attribute of its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a list")]
pub struct SideList<'a> {
    /// The canonical path of the attribute.
    pub attr: &'a str,
    /// The name of the owner's type.
    pub kind: &'a str,
}

const COLUMNS: &str = "SELECT kind, attr, owner, target, target_kind FROM scim_edge WHERE ";

/// Selects the memberships of some owners: kind, attribute, owner, target and type of the target.
#[must_use]
pub fn side_edges_of(
    dialect: Dialect,
    tenant: &str,
    list: SideList<'_>,
    owners: &[&str],
) -> SqlStatement {
    let condition = "tenant = ?1 AND kind = ?2 AND attr = ?3 AND owner";
    among(
        dialect,
        (COLUMNS, condition),
        &[tenant, list.kind, list.attr],
        owners,
    )
}

/// Selects the memberships of one owner that lead to some targets, with the columns of [`side_edges_of`].
#[must_use]
pub fn side_edges_among(
    dialect: Dialect,
    tenant: &str,
    (list, owner): (SideList<'_>, &str),
    targets: &[&str],
) -> SqlStatement {
    let condition = "tenant = ?1 AND kind = ?2 AND attr = ?3 AND owner = ?4 AND target";
    let values = [tenant, list.kind, list.attr, owner];
    among(dialect, (COLUMNS, condition), &values, targets)
}

/// Selects the memberships that lead to some targets, with the columns of [`side_edges_of`].
#[must_use]
pub fn side_edges_to(dialect: Dialect, tenant: &str, targets: &[&str]) -> SqlStatement {
    among(
        dialect,
        (COLUMNS, "tenant = ?1 AND target"),
        &[tenant],
        targets,
    )
}

/// Removes the memberships of one owner that lead to some targets.
#[must_use]
pub fn remove_side_edges(
    dialect: Dialect,
    tenant: &str,
    (list, owner): (SideList<'_>, &str),
    targets: &[&str],
) -> SqlStatement {
    let condition = "tenant = ?1 AND kind = ?2 AND attr = ?3 AND owner = ?4 AND target";
    let values = [tenant, list.kind, list.attr, owner];
    among(
        dialect,
        ("DELETE FROM scim_edge WHERE ", condition),
        &values,
        targets,
    )
}

/// Removes the memberships in which a resource is the owner or the member.
#[must_use]
pub fn remove_side_ends(
    dialect: Dialect,
    tenant: &str,
    (kind, id): (&str, &str),
) -> [SqlStatement; 2] {
    let owned = "DELETE FROM scim_edge WHERE tenant = ?1 AND kind = ?2 AND owner = ?3";
    let owned = fixed(dialect, owned).with_parameter(tenant);
    let others = "DELETE FROM scim_edge WHERE tenant = ?1 AND target = ?2";
    let others = fixed(dialect, others).with_parameter(tenant);
    [
        owned.with_parameter(kind).with_parameter(id),
        others.with_parameter(id),
    ]
}

/// Adds a membership, unless it is there, or the target has a row in a table, whose memberships are elsewhere.
#[must_use]
pub fn insert_side_edge(
    dialect: Dialect,
    tenant: &str,
    (list, owner): (SideList<'_>, &str),
    (target, target_kind): (&str, Option<&str>),
    unless: Option<(&RowTable, &TableTenant, SqlValue)>,
) -> SqlStatement {
    let text = "INSERT INTO scim_edge (tenant, kind, attr, owner, target, target_kind)
         SELECT CAST(?1 AS TEXT), CAST(?2 AS TEXT), CAST(?3 AS TEXT), CAST(?4 AS TEXT),
             CAST(?5 AS TEXT), CAST(?6 AS TEXT) WHERE ";
    let mut statement = fixed(dialect, text)
        .with_parameter(tenant)
        .with_parameter(list.kind)
        .with_parameter(list.attr)
        .with_parameter(owner)
        .with_parameter(target)
        .with_parameter(target_kind);
    let condition = match unless {
        None => "1 = 1".to_owned(),
        Some((table, tenant, key)) => {
            let name = quoted(&table.table().name);
            let is_it = table.is_one_of(tenant, vec![key], &mut statement.parameters);
            format!("NOT EXISTS (SELECT 1 FROM {name} t WHERE {is_it})")
        }
    };
    let text = statement.text;
    statement.text = format!("{text}{condition} ON CONFLICT DO NOTHING").into();
    statement
}

/// A statement whose condition ends with a column that has one of some values.
fn among(
    dialect: Dialect,
    (start, condition): (&'static str, &'static str),
    values: &[&str],
    ids: &[&str],
) -> SqlStatement {
    let list = placeholders(dialect, values.len().saturating_add(1), ids.len());
    let condition = fixed(dialect, condition).text;
    let values = values.iter().chain(ids).map(|value| SqlValue::from(*value));
    SqlStatement {
        parameters: values.collect(),
        text: format!("{start}{condition} IN ({list})").into(),
    }
}
