//! The statements of the counters of resources, in total and per predicate.
//!
//! Counters are valid only while `counter.counted` equals the number of the tenant's last change. A process that does
//! not know counters does not raise it; then all counters of the tenant are removed and counted again.

use super::{
    facts::{Selection, selected},
    journal::random_bytes,
    statement::{Builder, PieceTexts, Statement, blank_rows, pieces, row_parameters},
};
use crate::Dialect;

/// A counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a counter")]
pub struct Counter<'a> {
    /// The number of resources.
    pub count: i64,
    /// The name of their type.
    pub kind: &'a str,
    /// The predicate that the counted resources satisfy; empty to count all resources of the type.
    pub predicate: &'a str,
    /// The number of a recent change whose policy used the counter.
    pub used: i64,
}

/// Selects the number of the tenant's last change, with the counters of some types: no row before the first change,
/// otherwise one row per counter, or one row without a counter if there is none. The columns are the number, whether
/// the counters are valid, the digest of the last journal entry or NULL, 32 random bytes, and then type, predicate,
/// count and `used`.
#[must_use]
pub fn version_and_counters<'a>(
    dialect: Dialect,
    tenant: &'a str,
    kinds: &[&'a str],
) -> Statement<'a> {
    let mut builder = Builder::new(dialect, tenant);
    builder.sql("SELECT c.version, c.counted = c.version, c.journal_digest, ");
    builder.sql(random_bytes(dialect)).sql(", ");
    if kinds.is_empty() {
        builder.sql("NULL, NULL, NULL, NULL FROM counter c");
    } else {
        builder.sql(
            "k.kind, k.predicate, k.count, k.used FROM counter c
             LEFT JOIN resource_count k ON k.tenant = c.tenant AND k.kind IN",
        );
        builder.list(kinds.iter().copied());
    }
    builder.sql(" WHERE c.tenant = ").tenant();
    builder.build()
}

/// Selects the number of live resources of a type from a valid counter: one row, or none without such a counter.
#[must_use]
pub fn total<'a>(dialect: Dialect, tenant: &'a str, kind: &'a str) -> Statement<'a> {
    let mut builder = Builder::new(dialect, tenant);
    builder.sql(
        "SELECT k.count FROM counter c JOIN resource_count k ON k.tenant = c.tenant
         WHERE c.counted = c.version AND k.predicate = '' AND k.kind = ",
    );
    builder.bind(kind).sql(" AND c.tenant = ").tenant();
    builder.build()
}

/// Counts the rows of a selection, in one row.
#[must_use]
pub fn count<'a>(dialect: Dialect, tenant: &'a str, selection: Selection<'a>) -> Statement<'a> {
    selected(dialect, tenant, &["count(*)"], selection).build()
}

/// Selects the documents of the rows of a selection.
#[must_use]
pub fn selected_documents<'a>(
    dialect: Dialect,
    tenant: &'a str,
    selection: Selection<'a>,
) -> Statement<'a> {
    selected(dialect, tenant, &["r.document"], selection).build()
}

/// Stores counters and replaces those of the same type and predicate.
#[must_use]
pub fn put_counters<'a>(
    dialect: Dialect,
    tenant: &'a str,
    counters: &[Counter<'a>],
) -> Vec<Statement<'a>> {
    static TEXTS: PieceTexts = PieceTexts::new();
    let columns = |counter: &Counter<'a>| {
        let kind = counter.kind.into();
        let predicate = counter.predicate.into();
        [kind, predicate, counter.count.into(), counter.used.into()]
    };
    let text = |length| {
        let mut builder = Builder::new(dialect, "");
        builder.sql("INSERT INTO resource_count (tenant, kind, predicate, count, used)");
        builder.rows(blank_rows::<4>(length));
        builder.sql(
            " ON CONFLICT (tenant, kind, predicate)
             DO UPDATE SET count = excluded.count, used = excluded.used",
        );
        builder.build()
    };
    let one = |piece: &[Counter<'a>]| {
        let parameters = row_parameters(tenant, piece.iter().map(columns));
        TEXTS.statement(dialect, piece.len(), parameters, || text(piece.len()))
    };
    pieces(counters).map(one).collect()
}

/// Removes one counter.
#[must_use]
pub fn remove_counter<'a>(
    dialect: Dialect,
    tenant: &'a str,
    (kind, predicate): (&'a str, &'a str),
) -> Statement<'a> {
    let mut builder = Builder::new(dialect, tenant);
    builder
        .sql("DELETE FROM resource_count WHERE tenant = ")
        .tenant();
    builder.sql(" AND kind = ").bind(kind);
    builder.sql(" AND predicate = ").bind(predicate);
    builder.build()
}

/// Removes all counters of a tenant.
#[must_use]
pub fn remove_counters(dialect: Dialect, tenant: &str) -> Statement<'_> {
    let mut builder = Builder::new(dialect, tenant);
    builder
        .sql("DELETE FROM resource_count WHERE tenant = ")
        .tenant();
    builder.build()
}

/// Counts the live resources of each type of a tenant again, after rows were written outside the engine. The number of
/// the tenant's last change must be stored first.
#[must_use]
pub fn count_anew(dialect: Dialect, tenant: &str) -> [Statement<'_>; 3] {
    let mut totals = Builder::new(dialect, tenant);
    totals.sql(
        "INSERT INTO resource_count (tenant, kind, predicate, count, used)
         SELECT tenant, kind, '', count(*), 0 FROM resource WHERE tenant = ",
    );
    totals.tenant().sql(" GROUP BY tenant, kind");
    let mut valid = Builder::new(dialect, tenant);
    valid.sql("UPDATE counter SET counted = version WHERE tenant = ");
    valid.tenant();
    let removed = remove_counters(dialect, tenant);
    [removed, totals.build(), valid.build()]
}
