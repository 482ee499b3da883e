//! A tenant taken away, some rows at a time.

use rusqlite::{Connection as Db, TransactionBehavior, types::Value};
use scimkit_sql::reference::{self, IdRange, Parameter, State, TenantTable};

use crate::{
    error::Outcome,
    statement::{DIALECT, execute, execute_counted, first},
};

/// Rows that one step deletes at most.
pub(super) const ROWS: u32 = 5_000;

/// What is deleted piece by piece, in that order.
///
/// Connections and tokens come first, so that nobody comes in; what resources stand on goes before
/// them.
pub(super) const STEPS: [TenantTable; 10] = [
    TenantTable::TOKENS,
    TenantTable::CONNECTIONS,
    TenantTable::EDGES,
    TenantTable::RESOURCES,
    TenantTable::KEYS,
    TenantTable::DELETED,
    TenantTable::DELETED_KEYS,
    TenantTable::JOURNAL,
    TenantTable::CONSUMERS,
    TenantTable::OLDER_KEY_DEFINITIONS,
];

/// The tables that an import does not write.
const RECORDED: [TenantTable; 2] = [TenantTable::JOURNAL, TenantTable::CONSUMERS];

/// The tables whose rows don't make up a tenant: the store's own records, and consumers of a tenant that does not exist.
const NOTES: [TenantTable; 2] = [TenantTable::CONSUMERS, TenantTable::OLDER_KEY_DEFINITIONS];

/// What the tenant is known by: it goes when nothing else is left, so that whoever asks for what is
/// left finds it.
const ENDS: [TenantTable; 3] = [
    TenantTable::COUNTERS,
    TenantTable::TENANTS,
    TenantTable::IMPORTS,
];

/// How often all the steps are taken at most, while others write faster than they delete.
pub(super) const ROUNDS: usize = 16;

/// What a step came to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Taken {
    pub(super) has_deleted: bool,
    pub(super) is_left: bool,
}

/// Overwrites the documents of the next resources after an id, and returns how far it came.
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

/// The last id of a step; none for the step up to the end.
pub(super) fn last_id(db: &Db, state: State, tenant: &str, after: &str) -> Outcome<Option<String>> {
    let statement = reference::last_id(DIALECT, tenant, state, after, ROWS);
    first(db, &statement, |row| Ok(row.get(0)?))
}

/// DeletePolicy the first rows of a tenant in one table.
pub(super) fn some(db: &mut Db, step: TenantTable, tenant: &str) -> Outcome<Taken> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let taken = delete(&transaction, step, tenant)?;
    transaction.commit()?;
    Ok(taken)
}

/// DeletePolicy the first rows that an import has written, and tells whether any are left. Connections and
/// tokens are its own where it has brought the tenant's entry.
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

/// DeletePolicy what was written behind the other steps, and then what the tenant is known by; unless that
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

fn delete(db: &Db, table: TenantTable, tenant: &str) -> Outcome<Taken> {
    if table == TenantTable::RESOURCES {
        // Writes that come in between count what is left.
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

/// The key of the last row that a step deletes; none when that is all of them.
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
