//! A tenant taken away, some rows at a time.

use rusqlite::{
    Connection as Db, OptionalExtension, TransactionBehavior, params_from_iter, types::Value,
};

use crate::error::Outcome;

/// Rows that one step deletes at most.
const ROWS: usize = 5_000;

/// What is deleted, in that order: a table and the columns that follow the tenant in its key.
///
/// Connections and tokens come first, so that nobody comes in; what resources stand on goes before
/// them, and what the tenant is known by comes last.
pub(super) const STEPS: [(&str, &[&str]); 10] = [
    ("token", &["id"]),
    ("connection", &["connection"]),
    ("edge", &["kind", "owner", "attr", "target"]),
    ("resource", &["id"]),
    ("lookup_key", &["kind", "attr", "value", "id"]),
    ("retired", &["id"]),
    ("retired_key", &["kind", "attr", "value", "id"]),
    ("kind", &[]),
    ("counter", &[]),
    ("tenant", &[]),
];

/// Deletes the first rows of a tenant in one table, and tells whether others are left.
pub(super) fn some(db: &mut Db, (table, key): (&str, &[&str]), tenant: &str) -> Outcome<bool> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let last = last_of_step(&transaction, (table, key), tenant)?;
    let mut sql = format!("DELETE FROM {table} WHERE tenant = ?");
    let mut values = vec![Value::Text(tenant.to_owned())];
    let is_left = last.is_some();
    if let Some(last) = last {
        let places = vec!["?"; key.len()].join(", ");
        sql.push_str(&format!(" AND ({}) <= ({places})", key.join(", ")));
        values.extend(last);
    }
    transaction
        .prepare_cached(&sql)?
        .execute(params_from_iter(values))?;
    transaction.commit()?;
    Ok(is_left)
}

/// The key of the last row that a step deletes; none when that is all of them.
fn last_of_step(
    db: &Db,
    (table, key): (&str, &[&str]),
    tenant: &str,
) -> Outcome<Option<Vec<Value>>> {
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
