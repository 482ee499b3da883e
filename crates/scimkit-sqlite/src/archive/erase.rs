//! A tenant taken away, some rows at a time.

use rusqlite::{
    Connection as Db, OptionalExtension, TransactionBehavior, params, params_from_iter,
    types::Value,
};

use scimkit_sql::reference;

use crate::{
    error::Outcome,
    statement::{DIALECT, execute},
};

/// Rows that one step deletes at most.
pub(super) const ROWS: usize = 5_000;

/// A table, and the columns that follow the tenant in its key.
pub(super) type Step = (&'static str, &'static [&'static str]);

/// What is deleted piece by piece, in that order.
///
/// Connections and tokens come first, so that nobody comes in; what resources stand on goes before
/// them.
pub(super) const STEPS: [Step; 8] = [
    ("token", &["id"]),
    ("connection", &["connection"]),
    ("edge", &["kind", "owner", "attr", "target"]),
    ("resource", &["id"]),
    ("lookup_key", &["kind", "attr", "value", "id"]),
    ("retired", &["id"]),
    ("retired_key", &["kind", "attr", "value", "id"]),
    FINGERPRINTS,
];

/// A note of the store's own: a tenant of which nothing else is there is none.
const FINGERPRINTS: Step = ("keys_before", &[]);

/// What the tenant is known by: it goes when nothing else is left, so that whoever asks for what is
/// left finds it.
const ENDS: [Step; 3] = [("counter", &[]), ("tenant", &[]), ("import", &[])];

/// How often all the steps are taken at most, while others write faster than they delete.
pub(super) const ROUNDS: usize = 16;

/// What a step came to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Taken {
    pub(super) has_deleted: bool,
    pub(super) is_left: bool,
}

/// Overwrites the documents of the next rows of a table behind an id, and tells how far it came.
///
/// SQLite moves rows between pages while it deletes others, and may leave a copy behind that nothing
/// overwrites. So no row is deleted while another one still holds its names.
pub(super) fn blank(
    db: &mut Db,
    table: &str,
    tenant: &str,
    after: &str,
) -> Outcome<Option<String>> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let sql = format!(
        "SELECT id FROM {table} WHERE tenant = ?1 AND id > ?2 ORDER BY id LIMIT 1 OFFSET {}",
        ROWS - 1
    );
    let up_to: Option<String> = transaction
        .prepare_cached(&sql)?
        .query_row([tenant, after], |row| row.get(0))
        .optional()?;
    let sql = format!(
        "UPDATE {table} SET {} WHERE tenant = ?1 AND id > ?2 AND (?3 IS NULL OR id <= ?3)",
        blanks(table)
    );
    let range = params![tenant, after, up_to];
    transaction.prepare_cached(&sql)?.execute(range)?;
    transaction.commit()?;
    Ok(up_to)
}

/// Empty values as long as those of a row, so that they are written in their place.
pub(super) fn blanks(table: &str) -> &'static str {
    match table {
        "resource" => {
            "document = '{' || printf('%.*c', length(CAST(document AS BLOB)) - 2, ' ') || '}',
             display = printf('%.*c', length(CAST(display AS BLOB)), ' ')"
        }
        _ => "document = '{' || printf('%.*c', length(CAST(document AS BLOB)) - 2, ' ') || '}'",
    }
}

/// Deletes the first rows of a tenant in one table.
pub(super) fn some(db: &mut Db, step: Step, tenant: &str) -> Outcome<Taken> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let taken = delete(&transaction, step, tenant)?;
    transaction.commit()?;
    Ok(taken)
}

/// Deletes the first rows that an import has written, and tells whether any are left. Connections and
/// tokens are its own where it has brought the tenant's entry.
pub(super) fn imported(db: &Db, tenant: &str, has_entry: bool) -> Outcome<bool> {
    let is_entry = |(table, _): &Step| matches!(*table, "token" | "connection" | "tenant");
    let steps = STEPS.into_iter().chain([("tenant", &[][..])]);
    for step in steps.filter(|step| has_entry || !is_entry(step)) {
        if delete(db, step, tenant)?.is_left {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Deletes what was written behind the other steps, and then what the tenant is known by; unless that
/// is more than one transaction should have.
pub(super) fn rest(db: &mut Db, tenant: &str) -> Outcome<Taken> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut all = Taken::default();
    for step in STEPS.into_iter().chain(ENDS) {
        let taken = delete(&transaction, step, tenant)?;
        all.has_deleted |= taken.has_deleted;
        all.is_left = taken.is_left;
        if all.is_left {
            break;
        }
    }
    transaction.commit()?;
    Ok(all)
}

fn delete(db: &Db, step: Step, tenant: &str) -> Outcome<Taken> {
    let (table, key) = step;
    if table == "resource" {
        // Writes that come in between count what is left.
        execute(db, &reference::remove_counters(DIALECT, tenant))?;
    }
    let last = last_of_step(db, step, tenant)?;
    let mut sql = format!("DELETE FROM {table} WHERE tenant = ?");
    let mut values = vec![Value::Text(tenant.to_owned())];
    let is_left = last.is_some();
    if let Some(last) = last {
        let places = vec!["?"; key.len()].join(", ");
        sql.push_str(&format!(" AND ({}) <= ({places})", key.join(", ")));
        values.extend(last);
    }
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.execute(params_from_iter(values))?;
    Ok(Taken {
        has_deleted: rows > 0 && step != FINGERPRINTS,
        is_left,
    })
}

/// The key of the last row that a step deletes; none when that is all of them.
fn last_of_step(db: &Db, (table, key): Step, tenant: &str) -> Outcome<Option<Vec<Value>>> {
    if key.is_empty() {
        return Ok(None);
    }
    let columns = key.join(", ");
    let sql = format!(
        "SELECT {columns} FROM {table} WHERE tenant = ?1 ORDER BY {columns} LIMIT 1 OFFSET {}",
        ROWS - 1
    );
    let mut statement = db.prepare_cached(&sql)?;
    let values = statement.query_row([tenant], |row| {
        (0..key.len()).map(|column| row.get(column)).collect()
    });
    Ok(values.optional()?)
}
