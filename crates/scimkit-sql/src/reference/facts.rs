//! The statements that load the facts of a batch.

use super::statement::{
    Builder, Parameter, PieceTexts, Statement, blank_rows, pieces, row_parameters,
};
use crate::{Condition, Dialect};

/// One of the two tables of resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "a row is in one of two tables")]
pub enum State {
    /// The live resources.
    Live,
    /// The soft-deleted resources.
    Deleted,
}

impl State {
    pub(super) fn keys(self) -> &'static str {
        match self {
            State::Live => "lookup_key",
            State::Deleted => "retired_key",
        }
    }

    pub(super) fn keys_by_id(self) -> &'static str {
        match self {
            State::Live => "lookup_key_by_id",
            State::Deleted => "retired_key_by_id",
        }
    }

    pub(super) fn rows(self) -> &'static str {
        match self {
            State::Live => "resource",
            State::Deleted => "retired",
        }
    }

    /// Returns columns 0 to 5 of [`heads`].
    fn head_columns(self) -> &'static str {
        match self {
            State::Live => "r.id, r.kind, r.version, r.created_us, r.modified_us, 0",
            State::Deleted => "r.id, r.kind, r.version, r.created_us, r.retired_us, 1",
        }
    }

    /// Returns columns 6 to 9 of [`rows`].
    fn other_columns(self) -> &'static str {
        match self {
            State::Live => ", r.connection, r.keys, r.shape, r.document",
            State::Deleted => ", r.connection, r.keys, '', r.document",
        }
    }
}

/// The rows of a statement, by the definition of their keys.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_enums, reason = "a set and its complement")]
pub enum KeyDefinitions<'a> {
    /// All rows except those with these definitions.
    Except(&'a [String]),
    /// Only the rows with these definitions.
    Only(&'a [String]),
}

/// Selects the number of the tenant's last change: one row, or none before the first change.
#[must_use]
pub fn version(dialect: Dialect, tenant: &str) -> Statement<'_> {
    let mut builder = Builder::new(dialect, tenant);
    builder.sql("SELECT version FROM counter WHERE tenant = ");
    builder.tenant();
    builder.build()
}

/// Selects rows without their documents, live or soft-deleted: id, type, version, `created_us`, the time of the last
/// modification or of the delete in microseconds, 1 for a soft-deleted row, and the display name of a live one.
#[must_use]
pub fn heads<'a>(dialect: Dialect, tenant: &'a str, ids: &[&'a str]) -> Vec<Statement<'a>> {
    static TEXTS: PieceTexts = PieceTexts::new();
    by_id((dialect, &TEXTS), tenant, ids, |state| match state {
        State::Live => ", r.display",
        State::Deleted => ", NULL",
    })
}

/// Selects whole rows, live or soft-deleted: columns 0 to 5 of [`heads`], then the owning connection, the key
/// definition, the text definition, and the document.
#[must_use]
pub fn rows<'a>(dialect: Dialect, tenant: &'a str, ids: &[&'a str]) -> Vec<Statement<'a>> {
    static TEXTS: PieceTexts = PieceTexts::new();
    by_id((dialect, &TEXTS), tenant, ids, State::other_columns)
}

fn by_id<'a>(
    (dialect, texts): (Dialect, &'static PieceTexts),
    tenant: &'a str,
    ids: &[&'a str],
    columns: impl Fn(State) -> &'static str,
) -> Vec<Statement<'a>> {
    let text = |length: usize| {
        let mut builder = Builder::new(dialect, "");
        for state in [State::Live, State::Deleted] {
            if state == State::Deleted {
                builder.sql(" UNION ALL ");
            }
            builder.sql("SELECT ").sql(state.head_columns());
            builder.sql(columns(state)).sql(" FROM ").sql(state.rows());
            builder.sql(" r WHERE r.tenant = ").tenant();
            builder.sql(" AND r.id IN");
            for at in 0..length {
                builder.sql(if at == 0 { " (" } else { ", " });
                builder.placeholder(at.saturating_add(2));
            }
            builder.sql(")");
        }
        builder.build()
    };
    let one = |piece: &[&'a str]| {
        let ids = piece.iter().copied();
        let parameters = [tenant].into_iter().chain(ids).map(Parameter::from);
        texts.statement(dialect, piece.len(), parameters.collect(), || {
            text(piece.len())
        })
    };
    pieces(ids).map(one).collect()
}

/// A folded value of an attribute, for which to find the resources that have it.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a key")]
pub struct Holder<'a> {
    /// The path of the attribute.
    pub attr: &'a str,
    /// The name of the type.
    pub kind: &'a str,
    /// The number by which the result refers to the key.
    pub number: i64,
    /// The value.
    pub value: Parameter<'a>,
}

/// Selects the live resources that have one of the keys and a matching key definition: the number of the key, and the
/// id of the resource.
#[must_use]
pub fn holders<'a>(
    dialect: Dialect,
    tenant: &'a str,
    keys: &[Holder<'a>],
    definitions: KeyDefinitions<'a>,
) -> Vec<Statement<'a>> {
    static TEXTS: PieceTexts = PieceTexts::new();
    let columns = |key: &Holder<'a>| {
        let kind = Parameter::from(key.kind);
        let attr = Parameter::from(key.attr);
        [Parameter::from(key.number), kind, attr, key.value.clone()]
    };
    let of_all = |piece: &[Holder<'a>]| {
        let parameters = row_parameters(tenant, piece.iter().map(columns));
        TEXTS.statement(dialect, piece.len(), parameters, || {
            let mut builder = Builder::new(dialect, "");
            join_holders(&mut builder, blank_rows(piece.len()));
            builder.build()
        })
    };
    let of_some = |piece: &[Holder<'a>]| {
        let mut builder = Builder::new(dialect, tenant);
        join_holders(&mut builder, piece.iter().map(columns));
        builder.join_in_order("resource r");
        builder.sql(" ON r.tenant = k.tenant AND r.id = k.id");
        restrict(&mut builder, definitions);
        builder.build()
    };
    match definitions {
        KeyDefinitions::Except([]) => pieces(keys).map(of_all).collect(),
        _ => pieces(keys).map(of_some).collect(),
    }
}

fn join_holders<'a>(builder: &mut Builder<'a>, keys: impl Iterator<Item = [Parameter<'a>; 4]>) {
    builder.sql("WITH w (tenant, number, kind, attr, value) AS (");
    builder.rows(keys).sql(") SELECT w.number, k.id FROM w");
    builder.join_in_order("lookup_key k").sql(
        " ON k.tenant = w.tenant AND k.kind = w.kind AND k.attr = w.attr AND k.value = w.value",
    );
}

/// Selects the ids and documents of the live resources of a type that have a matching key definition.
#[must_use]
pub fn documents<'a>(
    dialect: Dialect,
    (tenant, kind): (&'a str, &'a str),
    definitions: KeyDefinitions<'a>,
) -> Statement<'a> {
    let mut builder = Builder::new(dialect, tenant);
    builder.sql("SELECT r.id, r.document FROM resource r WHERE r.tenant = ");
    builder.tenant().sql(" AND r.kind = ").bind(kind);
    restrict(&mut builder, definitions);
    builder.build()
}

pub(super) fn restrict<'a>(builder: &mut Builder<'a>, definitions: KeyDefinitions<'a>) {
    let (names, operator) = match definitions {
        KeyDefinitions::Except([]) => return,
        KeyDefinitions::Except(names) => (names, " AND r.keys NOT IN"),
        KeyDefinitions::Only(names) => (names, " AND r.keys IN"),
    };
    builder.sql(operator);
    builder.list(names.iter().map(String::as_str));
}

/// The rows that may satisfy a predicate.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the parameters of one query")]
pub struct Selection<'a> {
    /// The condition that the database evaluates; its first placeholder is number 3.
    pub condition: Option<&'a Condition>,
    /// The definitions of the rows' keys.
    pub definitions: KeyDefinitions<'a>,
    /// The name of the type.
    pub kind: &'a str,
    /// The table of the rows: live or soft-deleted.
    pub state: State,
    /// Whether to select only resources without an owning connection.
    pub is_unowned: bool,
}

impl<'a> Selection<'a> {
    /// Creates a selection of all live rows of a type.
    #[must_use]
    pub fn of_kind(kind: &'a str) -> Self {
        Selection {
            condition: None,
            definitions: KeyDefinitions::Except(&[]),
            is_unowned: false,
            kind,
            state: State::Live,
        }
    }
}

/// Selects columns of the rows of a selection.
pub(super) fn selected<'a>(
    dialect: Dialect,
    tenant: &'a str,
    columns: &[&str],
    selection: Selection<'a>,
) -> Builder<'a> {
    let mut builder = Builder::new(dialect, tenant);
    builder.sql("SELECT ").sql(&columns.concat()).sql(" FROM ");
    builder.sql(selection.state.rows());
    builder.sql(" r WHERE r.tenant = ").tenant();
    builder.sql(" AND r.kind = ").bind(selection.kind);
    if let Some(condition) = selection.condition {
        builder.sql(" AND ").sql(&condition.text);
        builder.bind_silently(condition.parameters.iter().map(Parameter::from));
    }
    restrict(&mut builder, selection.definitions);
    if selection.is_unowned {
        builder.sql(" AND r.connection IS NULL");
    }
    builder
}

/// Selects the rows of a selection, with the columns of [`rows`]. Live rows are in the order of their ids. Soft-deleted
/// rows start with the last deleted one, and with the greatest id among those of one moment.
#[must_use]
pub fn candidates<'a>(
    dialect: Dialect,
    tenant: &'a str,
    selection: Selection<'a>,
) -> Statement<'a> {
    let state = selection.state;
    let columns = [state.head_columns(), state.other_columns()];
    let mut builder = selected(dialect, tenant, &columns, selection);
    builder.sql(match state {
        State::Live => " ORDER BY r.id",
        State::Deleted => " ORDER BY r.retired_us DESC, r.id DESC",
    });
    builder.build()
}

/// Selects which of the targets are members of an owner: the id, and the type that the client gave.
#[must_use]
pub fn members_among<'a>(
    dialect: Dialect,
    tenant: &'a str,
    list: (&'a str, &'a str, &'a str),
    targets: &[&'a str],
) -> Vec<Statement<'a>> {
    let one = |piece: &[&'a str]| {
        let mut builder = of_members(dialect, "SELECT target, target_kind", tenant, list);
        builder.sql(" AND target IN").list(piece.iter().copied());
        builder.build()
    };
    pieces(targets).map(one).collect()
}

/// Selects the ids of all members of an owner.
#[must_use]
pub fn members<'a>(
    dialect: Dialect,
    tenant: &'a str,
    list: (&'a str, &'a str, &'a str),
) -> Statement<'a> {
    of_members(dialect, "SELECT target", tenant, list).build()
}

/// Starts a statement on the edges of an owner in one attribute with `action`.
pub(super) fn of_members<'a>(
    dialect: Dialect,
    action: &str,
    tenant: &'a str,
    (kind, owner, attr): (&'a str, &'a str, &'a str),
) -> Builder<'a> {
    let mut builder = Builder::new(dialect, tenant);
    builder.sql(action).sql(" FROM edge WHERE tenant = ");
    builder.tenant().sql(" AND kind = ").bind(kind);
    builder.sql(" AND owner = ").bind(owner);
    builder.sql(" AND attr = ").bind(attr);
    builder
}

/// Selects the distinct edges on all paths up from some resources in one attribute: target and owner.
#[must_use]
pub fn ancestors<'a>(
    dialect: Dialect,
    (tenant, attr): (&'a str, &'a str),
    starts: &[&'a str],
) -> Vec<Statement<'a>> {
    let one = |piece: &[&'a str]| {
        let mut builder = Builder::new(dialect, tenant);
        builder.sql("WITH RECURSIVE up (target, owner) AS (SELECT e.target, e.owner FROM edge e");
        builder.indexed_by("edge_by_target");
        builder
            .sql(" WHERE e.tenant = ")
            .tenant()
            .sql(" AND e.attr = ")
            .bind(attr);
        builder.sql(" AND e.target IN").list(piece.iter().copied());
        builder.sql(" UNION SELECT e.target, e.owner FROM up");
        builder.join_in_order("edge e");
        builder.indexed_by("edge_by_target");
        builder.sql(" ON e.target = up.owner AND e.tenant = ");
        builder.tenant().sql(" AND e.attr = ").placeholder(2);
        builder.sql(") SELECT target, owner FROM up");
        builder.build()
    };
    pieces(starts).map(one).collect()
}

/// Selects the edges to some resources, with the rows of their owners: columns 0 to 5 of [`heads`], then the attribute
/// and the target.
#[must_use]
pub fn owners<'a>(dialect: Dialect, tenant: &'a str, targets: &[&'a str]) -> Vec<Statement<'a>> {
    let one = |piece: &[&'a str]| {
        let mut builder = Builder::new(dialect, tenant);
        builder.sql("SELECT ").sql(State::Live.head_columns());
        builder.sql(", e.attr, e.target FROM edge e");
        builder.indexed_by("edge_by_target");
        builder.join_in_order("resource r");
        builder.sql(" ON r.tenant = e.tenant AND r.id = e.owner WHERE e.tenant = ");
        builder.tenant().sql(" AND e.target IN");
        builder.list(piece.iter().copied());
        builder.build()
    };
    pieces(targets).map(one).collect()
}
