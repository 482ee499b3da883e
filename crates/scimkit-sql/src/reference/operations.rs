//! The statements that apply row operations.

use super::{
    facts::{State, of_members},
    statement::{Builder, Parameter, PieceTexts, Statement, insert, pieces},
};
use crate::Dialect;

/// An update of the end of a tenant's journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a journal's end")]
pub struct JournalEnd<'a> {
    /// The last number whose change is missing from the journal; `None` leaves it unchanged.
    pub after: Option<i64>,
    /// The digest of the last entry; `None` leaves it unchanged.
    pub digest: Option<&'a [u8]>,
}

/// The effect of a change on the validity of the tenant's counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "they hold, or as before")]
pub enum Counters {
    /// The change has adjusted the counters, so they are valid.
    Adjusted,
    /// The change concerns no resource, so the counters are valid if they were valid before.
    Unchanged,
}

/// Stores the number of the tenant's last change, the validity of its counters, and the end of its journal.
#[must_use]
pub fn set_version<'a>(
    dialect: Dialect,
    tenant: &'a str,
    (version, counters): (i64, Counters),
    end: JournalEnd<'a>,
) -> Statement<'a> {
    let mut builder = Builder::new(dialect, tenant);
    builder.sql("INSERT INTO counter (tenant, version, counted, journal_digest, journal_after)");
    builder.rows([[
        Parameter::from(version),
        Parameter::from(version),
        end.digest.map_or(Parameter::Null, Parameter::Blob),
        Parameter::from(end.after.unwrap_or(0)),
    ]]);
    builder.sql(" ON CONFLICT (tenant) DO UPDATE SET version = excluded.version, counted = ");
    builder.sql(match counters {
        Counters::Adjusted => "excluded.counted",
        Counters::Unchanged => {
            "CASE WHEN counter.counted = counter.version
                 THEN excluded.counted ELSE counter.counted END"
        }
    });
    if end.digest.is_some() {
        builder.sql(", journal_digest = excluded.journal_digest");
    }
    if end.after.is_some() {
        builder.sql(", journal_after = excluded.journal_after");
    }
    builder.build()
}

/// Removes all edges that have resources of a type as owner or member.
#[must_use]
pub fn remove_ends<'a>(
    dialect: Dialect,
    (tenant, kind): (&'a str, &'a str),
    ids: &[&'a str],
) -> Vec<Statement<'a>> {
    let owned = |piece: &[&'a str]| {
        let mut builder = Builder::new(dialect, tenant);
        builder.sql("DELETE FROM edge WHERE tenant = ").tenant();
        builder.sql(" AND kind = ").bind(kind);
        builder.sql(" AND owner IN").list(piece.iter().copied());
        builder.build()
    };
    let leading_to = |piece: &[&'a str]| {
        let mut builder = Builder::new(dialect, tenant);
        builder.sql("DELETE FROM edge").indexed_by("edge_by_target");
        builder
            .sql(" WHERE tenant = ")
            .tenant()
            .sql(" AND target IN");
        builder.list(piece.iter().copied());
        builder.build()
    };
    pieces(ids)
        .flat_map(|piece| [owned(piece), leading_to(piece)])
        .collect()
}

/// Removes members of an owner.
#[must_use]
pub fn remove_members<'a>(
    dialect: Dialect,
    tenant: &'a str,
    list: (&'a str, &'a str, &'a str),
    targets: &[&'a str],
) -> Vec<Statement<'a>> {
    let one = |piece: &[&'a str]| {
        let mut builder = of_members(dialect, "DELETE", tenant, list);
        builder.sql(" AND target IN").list(piece.iter().copied());
        builder.build()
    };
    pieces(targets).map(one).collect()
}

/// A key of a resource.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a key")]
pub struct KeyRow<'a> {
    /// The path of the attribute.
    pub attr: &'a str,
    /// The resource.
    pub id: &'a str,
    /// The name of the type.
    pub kind: &'a str,
    /// The value.
    pub value: Parameter<'a>,
}

/// Removes one key.
#[must_use]
pub fn remove_key<'a>(
    dialect: Dialect,
    tenant: &'a str,
    state: State,
    key: KeyRow<'a>,
) -> Statement<'a> {
    let mut builder = Builder::new(dialect, tenant);
    builder.sql("DELETE FROM ").sql(state.keys());
    builder.sql(" WHERE tenant = ").tenant();
    builder.sql(" AND kind = ").bind(key.kind);
    builder.sql(" AND attr = ").bind(key.attr);
    builder.sql(" AND value = ").bind(key.value);
    builder.sql(" AND id = ").bind(key.id);
    builder.build()
}

/// Sets the value of one key.
#[must_use]
pub fn replace_key<'a>(
    dialect: Dialect,
    tenant: &'a str,
    state: State,
    key: KeyRow<'a>,
    value: Parameter<'a>,
) -> Statement<'a> {
    // SQLite would choose the other index instead of the primary key, and would first copy the keys that it finds.
    let text = match state {
        State::Live => {
            "UPDATE OR FAIL lookup_key INDEXED BY sqlite_autoindex_lookup_key_1 SET value = ?6
             WHERE tenant = ?1 AND kind = ?2 AND attr = ?3 AND value = ?4 AND id = ?5"
        }
        State::Deleted => {
            "UPDATE OR FAIL retired_key INDEXED BY sqlite_autoindex_retired_key_1 SET value = ?6
             WHERE tenant = ?1 AND kind = ?2 AND attr = ?3 AND value = ?4 AND id = ?5"
        }
    };
    let [tenant, kind, attr, id] = [tenant, key.kind, key.attr, key.id].map(Parameter::from);
    Statement::fixed(dialect, text, [tenant, kind, attr, key.value, id, value])
}

/// Removes all keys of resources of a type, whatever their definition.
#[must_use]
pub fn remove_all_keys<'a>(
    dialect: Dialect,
    (tenant, kind): (&'a str, &'a str),
    state: State,
    ids: &[&'a str],
) -> Vec<Statement<'a>> {
    let one = |piece: &[&'a str]| {
        let mut builder = Builder::new(dialect, tenant);
        builder.sql("DELETE FROM ").sql(state.keys());
        builder.indexed_by(state.keys_by_id());
        builder.sql(" WHERE tenant = ").tenant();
        builder.sql(" AND kind = ").bind(kind);
        builder.sql(" AND id IN").list(piece.iter().copied());
        builder.build()
    };
    pieces(ids).map(one).collect()
}

/// Adds keys.
#[must_use]
pub fn insert_keys<'a>(
    dialect: Dialect,
    tenant: &'a str,
    state: State,
    keys: &[KeyRow<'a>],
) -> Vec<Statement<'a>> {
    static LIVE: PieceTexts = PieceTexts::new();
    static DELETED: PieceTexts = PieceTexts::new();
    let into = match state {
        State::Live => (&LIVE, "lookup_key (tenant, kind, attr, value, id)"),
        State::Deleted => (&DELETED, "retired_key (tenant, kind, attr, value, id)"),
    };
    insert(dialect, tenant, into, keys, |key| {
        let [kind, attr, id] = [key.kind, key.attr, key.id].map(Parameter::from);
        [kind, attr, key.value.clone(), id]
    })
}

/// Removes rows.
#[must_use]
pub fn remove_rows<'a>(
    dialect: Dialect,
    tenant: &'a str,
    state: State,
    ids: &[&'a str],
) -> Vec<Statement<'a>> {
    let one = |piece: &[&'a str]| {
        let mut builder = Builder::new(dialect, tenant);
        builder.sql("DELETE FROM ").sql(state.rows());
        builder.sql(" WHERE tenant = ").tenant();
        builder.sql(" AND id IN").list(piece.iter().copied());
        builder.build()
    };
    pieces(ids).map(one).collect()
}

/// A live resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a row")]
pub struct LiveRow<'a> {
    /// The owning connection.
    pub connection: Option<&'a str>,
    /// The time of creation, in microseconds since 1970.
    pub created_us: i64,
    /// The display name that members and references show.
    pub display: Option<&'a str>,
    /// The document.
    pub document: &'a str,
    /// The identifier.
    pub id: &'a str,
    /// The key definition.
    pub keys: &'a str,
    /// The name of its type.
    pub kind: &'a str,
    /// The time of the last modification, in microseconds since 1970.
    pub modified_us: i64,
    /// The text definition of the document.
    pub shape: &'a str,
    /// The number of the change that wrote the row.
    pub version: i64,
}

/// Adds live rows.
#[must_use]
pub fn insert_rows<'a>(
    dialect: Dialect,
    tenant: &'a str,
    rows: &[LiveRow<'a>],
) -> Vec<Statement<'a>> {
    static TEXTS: PieceTexts = PieceTexts::new();
    let into = "resource (tenant, kind, id, version, created_us, modified_us, display,
             document, shape, connection, keys)";
    insert(dialect, tenant, (&TEXTS, into), rows, |row| {
        [
            row.kind.into(),
            row.id.into(),
            row.version.into(),
            row.created_us.into(),
            row.modified_us.into(),
            row.display.into(),
            row.document.into(),
            row.shape.into(),
            row.connection.into(),
            row.keys.into(),
        ]
    })
}

/// Replaces the document, owner, version and modification time of a live row, but not the definition of its keys.
#[must_use]
pub fn update_row<'a>(dialect: Dialect, tenant: &'a str, row: &LiveRow<'a>) -> Statement<'a> {
    let mut builder = Builder::new(dialect, tenant);
    builder
        .sql("UPDATE resource SET version = ")
        .bind(row.version);
    builder.sql(", modified_us = ").bind(row.modified_us);
    builder.sql(", display = ").bind(row.display);
    builder.sql(", document = ").bind(row.document);
    builder.sql(", shape = ").bind(row.shape);
    builder.sql(", connection = ").bind(row.connection);
    builder.sql(" WHERE tenant = ").tenant();
    builder.sql(" AND id = ").bind(row.id);
    builder.build()
}

/// Sets the version and modification time of live rows.
#[must_use]
pub fn bump_rows<'a>(
    dialect: Dialect,
    tenant: &'a str,
    (version, modified_us): (i64, i64),
    ids: &[&'a str],
) -> Vec<Statement<'a>> {
    let one = |piece: &[&'a str]| {
        let mut builder = Builder::new(dialect, tenant);
        builder.sql("UPDATE resource SET version = ").bind(version);
        builder.sql(", modified_us = ").bind(modified_us);
        builder.sql(" WHERE tenant = ").tenant();
        builder.sql(" AND id IN").list(piece.iter().copied());
        builder.build()
    };
    pieces(ids).map(one).collect()
}

/// A soft-deleted resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a row")]
pub struct DeletedRow<'a> {
    /// The connection that owned the resource.
    pub connection: Option<&'a str>,
    /// The time of creation, in microseconds since 1970.
    pub created_us: i64,
    /// The time of the delete, in microseconds since 1970.
    pub deleted_us: i64,
    /// The document.
    pub document: &'a str,
    /// The identifier.
    pub id: &'a str,
    /// The key definition.
    pub keys: &'a str,
    /// The name of its type.
    pub kind: &'a str,
    /// The number of the change that deleted the resource.
    pub version: i64,
}

/// Adds soft-deleted rows.
#[must_use]
pub fn insert_deleted_rows<'a>(
    dialect: Dialect,
    tenant: &'a str,
    rows: &[DeletedRow<'a>],
) -> Vec<Statement<'a>> {
    static TEXTS: PieceTexts = PieceTexts::new();
    let into = "retired (tenant, kind, id, created_us, retired_us, connection, document,
             keys, version)";
    insert(dialect, tenant, (&TEXTS, into), rows, |row| {
        [
            row.kind.into(),
            row.id.into(),
            row.created_us.into(),
            row.deleted_us.into(),
            row.connection.into(),
            row.document.into(),
            row.keys.into(),
            row.version.into(),
        ]
    })
}

/// The member's end of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the columns of an edge")]
pub struct EdgeRow<'a> {
    /// The member.
    pub target: &'a str,
    /// The name of its type, as the client gave it.
    pub target_kind: Option<&'a str>,
}

/// Adds members to an owner.
#[must_use]
pub fn insert_edges<'a>(
    dialect: Dialect,
    tenant: &'a str,
    list: (&'a str, &'a str, &'a str),
    edges: &[EdgeRow<'a>],
) -> Vec<Statement<'a>> {
    let one = |piece| insert_some_edges(dialect, tenant, list, piece).build();
    pieces(edges).map(one).collect()
}

/// Adds those members that an owner does not have yet, and returns each statement with the number of its members.
#[must_use]
pub fn insert_new_edges<'a>(
    dialect: Dialect,
    tenant: &'a str,
    list: (&'a str, &'a str, &'a str),
    edges: &[EdgeRow<'a>],
) -> Vec<(Statement<'a>, usize)> {
    let one = |piece: &[EdgeRow<'a>]| {
        let mut builder = insert_some_edges(dialect, tenant, list, piece);
        builder.sql(" ON CONFLICT DO NOTHING");
        (builder.build(), piece.len())
    };
    pieces(edges).map(one).collect()
}

fn insert_some_edges<'a>(
    dialect: Dialect,
    tenant: &'a str,
    (kind, owner, attr): (&'a str, &'a str, &'a str),
    edges: &[EdgeRow<'a>],
) -> Builder<'a> {
    let mut builder = Builder::new(dialect, tenant);
    builder.bind_silently([kind, attr, owner].map(Parameter::from).into_iter());
    builder.insert_into("edge (tenant, kind, attr, owner, target, target_kind) VALUES");
    for (at, edge) in edges.iter().enumerate() {
        builder.sql(if at == 0 { " (" } else { ", (" });
        for number in 1..=4 {
            builder.placeholder(number).sql(", ");
        }
        builder.bind(edge.target).sql(", ").bind(edge.target_kind);
        builder.sql(")");
    }
    builder
}
