//! Removal of a tenant, some rows at a time.

use rusqlite::{Connection as Db, TransactionBehavior, types::Value};
use scimkit_sql::reference::{self, IdRange, Parameter, State, TenantTable};

use crate::{
    error::Outcome,
    statement::{DIALECT, execute, execute_counted, first},
};

/// The maximum number of rows that one step removes.
pub(super) const ROWS: u32 = 5_000;

/// The tables whose rows are removed in steps, in this order.
///
/// Tokens and connections come first, so that no further request is authenticated. Edges come before resources, and
/// keys after them.
pub(super) const STEPS: [TenantTable; 12] = [
    TenantTable::TOKENS,
    TenantTable::CONNECTIONS,
    TenantTable::EDGES,
    TenantTable::RESOURCES,
    TenantTable::KEYS,
    TenantTable::DELETED,
    TenantTable::DELETED_KEYS,
    TenantTable::JOURNAL,
    TenantTable::CONSUMERS,
    TenantTable::DEAD_LETTERS,
    TenantTable::KEY_VALUES,
    TenantTable::OLDER_KEY_DEFINITIONS,
];

/// The tables that an import does not write.
const RECORDED: [TenantTable; 4] = [
    TenantTable::JOURNAL,
    TenantTable::CONSUMERS,
    TenantTable::DEAD_LETTERS,
    TenantTable::KEY_VALUES,
];

/// The tables whose rows alone do not count as data of a tenant: consumers may be registered for a tenant that does not
/// exist, and the store writes key definitions itself.
const NOTES: [TenantTable; 2] = [TenantTable::CONSUMERS, TenantTable::OLDER_KEY_DEFINITIONS];

/// The tables whose rows make a tenant known. They are removed last, so that an interrupted removal can be found and
/// continued.
const ENDS: [TenantTable; 3] = [
    TenantTable::COUNTERS,
    TenantTable::TENANTS,
    TenantTable::IMPORTS,
];

/// The maximum number of rounds through all steps, in case others write faster than the rows are removed.
pub(super) const ROUNDS: usize = 16;

/// The outcome of a step.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Taken {
    pub(super) has_deleted: bool,
    pub(super) is_left: bool,
}

/// Overwrites the documents of the next resources after an id, and returns the last id, or `None` at the end.
pub(super) fn blank(
    db: &mut Db,
    state: State,
    tenant: &str,
    after: &str,
) -> Outcome<Option<String>> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let up_to = last_id(&transaction, state, tenant, after)?;
    let range = IdRange {
        after,
        up_to: up_to.as_deref(),
    };
    let statement = reference::blank_rows(DIALECT, tenant, state, range, None);
    execute(&transaction, &statement)?;
    transaction.commit()?;
    Ok(up_to)
}

/// Returns the last id of a step, or `None` for the step that reaches the end.
pub(super) fn last_id(db: &Db, state: State, tenant: &str, after: &str) -> Outcome<Option<String>> {
    let statement = reference::last_id(DIALECT, tenant, state, after, ROWS);
    first(db, &statement, |row| Ok(row.get(0)?))
}

/// Removes the first rows of a tenant in one table.
pub(super) fn some(db: &mut Db, step: TenantTable, tenant: &str) -> Outcome<Taken> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let taken = delete(&transaction, step, tenant)?;
    transaction.commit()?;
    Ok(taken)
}

/// Removes the first rows that an import has written, and returns whether any are left. Connections and tokens belong
/// to the import only if it stored the tenant's entry.
pub(super) fn imported(db: &Db, tenant: &str, has_entry: bool) -> Outcome<bool> {
    let of_entry = [
        TenantTable::TOKENS,
        TenantTable::CONNECTIONS,
        TenantTable::TENANTS,
    ];
    let steps = STEPS.into_iter().chain([TenantTable::TENANTS]);
    let steps = steps.filter(|step| !RECORDED.contains(step));
    for step in steps.filter(|step| has_entry || !of_entry.contains(step)) {
        if delete(db, step, tenant)?.is_left {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes the rows that were written after their step, and then those that make the tenant known, unless that is too
/// much for one transaction.
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

fn delete(db: &Db, table: TenantTable, tenant: &str) -> Outcome<Taken> {
    if table == TenantTable::RESOURCES {
        // Later writes count the remaining resources again.
        execute(db, &reference::remove_counters(DIALECT, tenant))?;
    }
    let last = last_key(db, table, tenant)?;
    let is_left = last.is_some();
    let last = last
        .as_ref()
        .map(|last| last.iter().map(parameter).collect());
    let rows = execute_counted(db, &reference::remove_up_to(DIALECT, tenant, table, last))?;
    Ok(Taken {
        has_deleted: rows > 0 && !NOTES.contains(&table),
        is_left,
    })
}

/// Returns the key of the last row that a step removes, or `None` if it removes all rows.
fn last_key(db: &Db, table: TenantTable, tenant: &str) -> Outcome<Option<Vec<Value>>> {
    match reference::last_key(DIALECT, tenant, table, ROWS) {
        None => Ok(None),
        Some(statement) => first(db, &statement, |row| {
            let columns = 0..table.key_len();
            Ok(columns
                .map(|column| row.get(column))
                .collect::<Result<_, _>>()?)
        }),
    }
}

fn parameter(value: &Value) -> Parameter<'_> {
    match value {
        Value::Blob(bytes) => Parameter::Blob(bytes),
        Value::Integer(number) => Parameter::Integer(*number),
        Value::Null => Parameter::Null,
        Value::Real(number) => Parameter::Real(*number),
        Value::Text(text) => Parameter::from(text.as_str()),
    }
}
