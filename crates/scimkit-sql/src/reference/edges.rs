//! The statements that read edges.

use super::statement::{Parameter, Statement};
use crate::Dialect;

/// A range of the edges of each resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the bounds of a range")]
pub struct EdgeRange<'a> {
    /// The id after which the other ends start; empty for a range from the start.
    pub after: &'a str,
    /// The maximum number of edges per resource, in the order of the ids of their other ends.
    pub limit: Option<u32>,
}

impl EdgeRange<'_> {
    /// All edges.
    pub const ALL: EdgeRange<'static> = EdgeRange {
        after: "",
        limit: None,
    };

    /// Returns the limit, or the greatest number if there is none.
    fn most(self) -> i64 {
        self.limit.map_or(i64::MAX, i64::from)
    }
}

/// Selects the members of owners of one type in one attribute.
///
/// The columns are the index of the owner in the list, the id of the member, the type that the client gave, and the
/// type and display name of the resource with that id, both NULL if there is none. The rows are in the order of the
/// owners, and per owner in the order of the members' ids. The rows of an owner that is listed twice are returned
/// twice.
#[must_use]
pub fn members_of<'a>(
    dialect: Dialect,
    (tenant, kind, attr): (&'a str, &'a str, &'a str),
    owners: &[&'a str],
    range: EdgeRange<'a>,
) -> Statement<'a> {
    let [kind, attr, after] = [kind, attr, range.after].map(Parameter::from);
    let tenant = Parameter::from(tenant);
    let limit = Parameter::Integer(range.most());
    if let [owner] = owners {
        let owner = Parameter::from(*owner);
        let text = "SELECT 0, e.target, e.target_kind, t.kind, t.display
             FROM edge e LEFT JOIN resource t ON t.tenant = e.tenant AND t.id = e.target
             WHERE e.tenant = ?1 AND e.kind = ?2 AND e.attr = ?3 AND e.owner = ?5 AND e.target > ?4
             ORDER BY e.target LIMIT ?6";
        return Statement::fixed(dialect, text, [tenant, kind, attr, after, owner, limit]);
    }
    let text = match dialect {
        Dialect::Postgres => {
            "SELECT w.number - 1, e.target, e.target_kind, t.kind, t.display
             FROM unnest(?5::text[]) WITH ORDINALITY w (id, number)
             JOIN LATERAL (SELECT tenant, target, target_kind FROM edge
                 WHERE tenant = ?1 AND kind = ?2 AND owner = w.id AND attr = ?3 AND target > ?4
                 ORDER BY target LIMIT ?6) e ON true
             LEFT JOIN resource t ON t.tenant = e.tenant AND t.id = e.target
             ORDER BY w.number, e.target"
        }
        // With the last edge of each owner known, its edges are a range of the primary key.
        Dialect::Sqlite => {
            "WITH w (number, id, last) AS MATERIALIZED (
                 SELECT j.key, j.value, CASE ?6 WHEN 9223372036854775807 THEN x'' ELSE coalesce(
                     (SELECT l.target FROM edge l
                      WHERE l.tenant = ?1 AND l.kind = ?2 AND l.owner = j.value AND l.attr = ?3
                          AND l.target > ?4
                      ORDER BY l.target LIMIT 1 OFFSET ?6 - 1), x'') END
                 FROM json_each(?5) j WHERE ?6 > 0)
             SELECT w.number, e.target, e.target_kind, t.kind, t.display
             FROM w CROSS JOIN edge e ON e.tenant = ?1 AND e.kind = ?2 AND e.owner = w.id
                 AND e.attr = ?3 AND e.target > ?4 AND e.target <= w.last
             LEFT JOIN resource t ON t.tenant = e.tenant AND t.id = e.target"
        }
    };
    let owners = Parameter::Texts(owners.to_vec());
    Statement::fixed(dialect, text, [tenant, kind, attr, after, owners, limit])
}

/// Selects the resources of one type that have members of one type in one attribute.
///
/// The columns are the index of the member in the list, the id of the owner and the owner's display name. The rows are
/// in the order of the members, and per member in the order of the owners' ids. The rows of a member that is listed
/// twice are returned twice. An id that is not a resource of the members' type has no rows.
#[must_use]
pub fn owners_of<'a>(
    dialect: Dialect,
    (tenant, kind, attr): (&'a str, &'a str, &'a str),
    (member_kind, members): (&'a str, &[&'a str]),
    range: EdgeRange<'a>,
) -> Statement<'a> {
    let [kind, attr, after] = [kind, attr, range.after].map(Parameter::from);
    let tenant = Parameter::from(tenant);
    let member_kind = Parameter::from(member_kind);
    let limit = Parameter::Integer(range.most());
    let of = |members| [tenant, kind, attr, after, members, limit, member_kind];
    if let [member] = members {
        let text = "SELECT 0, e.owner, o.display
             FROM edge e INDEXED BY edge_by_target
             CROSS JOIN resource o ON o.tenant = e.tenant AND o.id = e.owner
             WHERE e.tenant = ?1 AND e.target = ?5 AND e.kind = ?2 AND e.attr = ?3 AND e.owner > ?4
                 AND EXISTS (SELECT 1 FROM resource m
                     WHERE m.tenant = ?1 AND m.id = ?5 AND m.kind = ?7)
             ORDER BY e.owner LIMIT ?6";
        return Statement::fixed(dialect, text, of(Parameter::from(*member)));
    }
    let text = match dialect {
        Dialect::Postgres => {
            "SELECT w.number - 1, e.owner, o.display
             FROM unnest(?5::text[]) WITH ORDINALITY w (id, number)
             JOIN resource m ON m.tenant = ?1 AND m.id = w.id AND m.kind = ?7
             JOIN LATERAL (SELECT tenant, owner FROM edge
                 WHERE tenant = ?1 AND target = w.id AND kind = ?2 AND attr = ?3 AND owner > ?4
                 ORDER BY owner LIMIT ?6) e ON true
             JOIN resource o ON o.tenant = e.tenant AND o.id = e.owner
             ORDER BY w.number, e.owner"
        }
        Dialect::Sqlite => {
            "WITH w (number, id, last) AS MATERIALIZED (
                 SELECT j.key, j.value, CASE ?6 WHEN 9223372036854775807 THEN x'' ELSE coalesce(
                     (SELECT l.owner FROM edge l INDEXED BY edge_by_target
                      WHERE l.tenant = ?1 AND l.target = j.value AND l.kind = ?2 AND l.attr = ?3
                          AND l.owner > ?4
                      ORDER BY l.owner LIMIT 1 OFFSET ?6 - 1), x'') END
                 FROM json_each(?5) j
                 CROSS JOIN resource m ON m.tenant = ?1 AND m.id = j.value AND m.kind = ?7
                 WHERE ?6 > 0)
             SELECT w.number, e.owner, o.display
             FROM w CROSS JOIN edge e INDEXED BY edge_by_target ON e.tenant = ?1
                 AND e.target = w.id AND e.kind = ?2 AND e.attr = ?3 AND e.owner > ?4
                 AND e.owner <= w.last
             CROSS JOIN resource o ON o.tenant = e.tenant AND o.id = e.owner"
        }
    };
    Statement::fixed(dialect, text, of(Parameter::Texts(members.to_vec())))
}

/// Selects the owners like [`owners_of`] for members that are known to be live resources of the right type, such as
/// those of a page that was just read. It has no limit and selects no display names.
///
/// It takes one search per member and one step per edge, all in one index. Load the display names of the owners with
/// [`labels_of`]; there are few if many members are in the same groups.
#[must_use]
pub fn owners_of_page<'a>(
    dialect: Dialect,
    (tenant, kind, attr): (&'a str, &'a str, &'a str),
    members: &[&'a str],
) -> Statement<'a> {
    let text = match dialect {
        Dialect::Postgres => {
            "SELECT w.number - 1, e.owner
             FROM unnest(?4::text[]) WITH ORDINALITY w (id, number)
             JOIN edge e ON e.tenant = ?1 AND e.target = w.id AND e.kind = ?2 AND e.attr = ?3
             ORDER BY w.number, e.owner"
        }
        Dialect::Sqlite => {
            "SELECT w.key, e.owner FROM json_each(?4) w
             CROSS JOIN edge e INDEXED BY edge_by_target ON e.tenant = ?1
                 AND e.target = w.value AND e.kind = ?2 AND e.attr = ?3"
        }
    };
    let [tenant, kind, attr] = [tenant, kind, attr].map(Parameter::from);
    let members = Parameter::Texts(members.to_vec());
    Statement::fixed(dialect, text, [tenant, kind, attr, members])
}

/// Selects the edges of one type and attribute to all resources whose ids are in a range: the target and the owner. The
/// rows are in the order of the targets, and per target in the order of the owners.
///
/// It walks along one index, which costs less than a search per member if nearly all targets in the range are needed,
/// as on a page of all resources in the order of their ids.
#[must_use]
pub fn owners_in_range<'a>(
    dialect: Dialect,
    (tenant, kind, attr): (&'a str, &'a str, &'a str),
    (first, last): (&'a str, &'a str),
) -> Statement<'a> {
    // In SQLite, `+` hides that type and attribute are constant; otherwise the rows would be sorted.
    let text = match dialect {
        Dialect::Postgres => {
            "SELECT e.target, e.owner
             FROM edge e
             WHERE e.tenant = ?1 AND e.target >= ?4 AND e.target <= ?5 AND e.kind = ?2 AND e.attr = ?3
             ORDER BY e.target, e.owner"
        }
        Dialect::Sqlite => {
            "SELECT e.target, e.owner
             FROM edge e INDEXED BY edge_by_target
             WHERE e.tenant = ?1 AND e.target >= ?4 AND e.target <= ?5 AND +e.kind = ?2 AND +e.attr = ?3
             ORDER BY e.target, e.kind, e.attr, e.owner"
        }
    };
    let parameters = [tenant, kind, attr, first, last].map(Parameter::from);
    Statement::fixed(dialect, text, parameters)
}

/// Selects the owners of one type that have some ids as members in one attribute, whether or not resources with these
/// ids exist.
///
/// The columns are the index of the id in the list, the id of the owner and the owner's display name. There are at most
/// `limit` rows per id, the first ones in the order of the owners' ids.
#[must_use]
pub fn owners_of_ids<'a>(
    dialect: Dialect,
    (tenant, kind, attr): (&'a str, &'a str, &'a str),
    ids: &[&'a str],
    limit: Option<i64>,
) -> Statement<'a> {
    let [tenant, kind, attr] = [tenant, kind, attr].map(Parameter::from);
    let limit = Parameter::Integer(limit.unwrap_or(i64::MAX));
    if let [id] = ids {
        let text = "SELECT 0, e.owner, o.display
             FROM edge e INDEXED BY edge_by_target
             CROSS JOIN resource o ON o.tenant = e.tenant AND o.id = e.owner
             WHERE e.tenant = ?1 AND e.target = ?4 AND e.kind = ?2 AND e.attr = ?3
             ORDER BY e.owner LIMIT ?5";
        return Statement::fixed(
            dialect,
            text,
            [tenant, kind, attr, Parameter::from(*id), limit],
        );
    }
    let text = match dialect {
        Dialect::Postgres => {
            "SELECT w.number - 1, e.owner, o.display
             FROM unnest(?4::text[]) WITH ORDINALITY w (id, number)
             JOIN LATERAL (SELECT tenant, owner FROM edge
                 WHERE tenant = ?1 AND target = w.id AND kind = ?2 AND attr = ?3
                 ORDER BY owner LIMIT ?5) e ON true
             JOIN resource o ON o.tenant = e.tenant AND o.id = e.owner
             ORDER BY w.number, e.owner"
        }
        Dialect::Sqlite => {
            "WITH w (number, id, last) AS MATERIALIZED (
                 SELECT j.key, j.value, CASE ?5 WHEN 9223372036854775807 THEN x'' ELSE coalesce(
                     (SELECT l.owner FROM edge l INDEXED BY edge_by_target
                      WHERE l.tenant = ?1 AND l.target = j.value AND l.kind = ?2 AND l.attr = ?3
                      ORDER BY l.owner LIMIT 1 OFFSET ?5 - 1), x'') END
                 FROM json_each(?4) j WHERE ?5 > 0)
             SELECT w.number, e.owner, o.display
             FROM w CROSS JOIN edge e INDEXED BY edge_by_target ON e.tenant = ?1
                 AND e.target = w.id AND e.kind = ?2 AND e.attr = ?3 AND e.owner <= w.last
             CROSS JOIN resource o ON o.tenant = e.tenant AND o.id = e.owner"
        }
    };
    let ids = Parameter::Texts(ids.to_vec());
    Statement::fixed(dialect, text, [tenant, kind, attr, ids, limit])
}

/// Selects the documents of live resources of one type: the index of the resource in the list, and its document.
#[must_use]
pub fn documents_of<'a>(
    dialect: Dialect,
    (tenant, kind): (&'a str, &'a str),
    ids: &[&'a str],
) -> Statement<'a> {
    let text = match dialect {
        Dialect::Postgres => {
            "SELECT w.number - 1, r.document
             FROM unnest(?3::text[]) WITH ORDINALITY w (id, number)
             JOIN resource r ON r.tenant = ?1 AND r.id = w.id WHERE r.kind = ?2"
        }
        Dialect::Sqlite => {
            "SELECT w.key, r.document FROM json_each(?3) w
             CROSS JOIN resource r ON r.tenant = ?1 AND r.id = w.value WHERE r.kind = ?2"
        }
    };
    let [tenant, kind] = [tenant, kind].map(Parameter::from);
    let ids = Parameter::Texts(ids.to_vec());
    Statement::fixed(dialect, text, [tenant, kind, ids])
}

/// Selects the parts of live resources that edges show: the index of the resource in the list, its type and its display
/// name.
#[must_use]
pub fn labels_of<'a>(dialect: Dialect, tenant: &'a str, ids: &[&'a str]) -> Statement<'a> {
    let text = match dialect {
        Dialect::Postgres => {
            "SELECT w.number - 1, r.kind, r.display
             FROM unnest(?2::text[]) WITH ORDINALITY w (id, number)
             JOIN resource r ON r.tenant = ?1 AND r.id = w.id"
        }
        Dialect::Sqlite => {
            "SELECT w.key, r.kind, r.display FROM json_each(?2) w
             CROSS JOIN resource r ON r.tenant = ?1 AND r.id = w.value"
        }
    };
    let ids = Parameter::Texts(ids.to_vec());
    Statement::fixed(dialect, text, [Parameter::from(tenant), ids])
}
