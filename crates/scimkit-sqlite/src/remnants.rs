//! Overwrites copies of removed rows in the unused parts of pages.
//!
//! `secure_delete` overwrites each removed row in its place. But when SQLite reorganises the rows of a page, it leaves
//! the former bytes in the gap between the rows and the list of rows: copies of rows that existed at that time. If such
//! a row is removed later, its copy remains until new rows need the space. So the rows next to a removed one are
//! rewritten, which frees and overwrites their pages.

#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashMap;

use rusqlite::{Connection, Transaction, TransactionBehavior, params_from_iter, types::Value};
use scimkit_sql::reference::{self, Side, StorageOrder};
use scimkit_store::StoreError;

use crate::error::Outcome;

/// The maximum number of remembered rows. Erasing a tenant frees its pages as a whole.
const MOST: usize = 20_000;
/// The number of removed rows whose neighbours are rewritten in one transaction.
const TOGETHER: i64 = 16;
/// The bytes of neighbours that are rewritten on each side, as many as in a page.
const BYTES: usize = 4_096;

/// A row, or the columns that identify it.
type Row = Vec<Value>;

/// Overwrites the copies of removed rows, a few rows at a time.
#[derive(Debug, Default)]
pub(crate) struct Remnants {
    /// The two rows between which neighbours were last rewritten, by table and index. All rows that were removed
    /// between them have the same neighbours. Every other write clears it.
    last: HashMap<String, [Option<Row>; 2]>,
}

/// Makes the connection remember in memory the rows that it removes from now on, until it is closed.
pub(crate) fn remember(connection: &Connection) -> Outcome<()> {
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection.execute_batch(&reference::remember_removed(MOST))?)
}

/// A removed row.
struct Removed {
    key: Row,
    place: i64,
    position: Option<i64>,
    source: String,
}

impl Remnants {
    /// Returns whether any removed rows are remembered.
    pub(crate) fn are_left(connection: &Connection) -> bool {
        let statement = connection.prepare_cached(reference::HAS_REMOVED);
        let found = statement.and_then(|mut statement| statement.query_row([], |row| row.get(0)));
        found.unwrap_or(false)
    }

    /// Records that another write happened.
    pub(crate) fn written(&mut self) {
        self.last.clear();
    }

    /// Rewrites the neighbours of some removed rows in its own transaction, and returns whether it did. Rows that can't
    /// be rewritten because another process writes are tried again later. After any other failure the copies remain.
    pub(crate) fn overwrite_some(&mut self, connection: &Connection) -> bool {
        if !Remnants::are_left(connection) {
            return false;
        }
        let Err(error) = self.overwrite(connection) else {
            return true;
        };
        // Nothing was rewritten.
        self.last.clear();
        let error = StoreError::from(error);
        if !matches!(error, StoreError::Busy) {
            tracing::warn!(%error, "overwriting removed rows failed");
            drop(connection.execute_batch(reference::FORGET_ALL_REMOVED));
        }
        false
    }

    fn overwrite(&mut self, connection: &Connection) -> Outcome<()> {
        // Dropping the transaction rolls it back.
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        let removed = first_removed(connection)?;
        let last: i64 = connection.query_row(reference::LAST_REMOVED, [], |row| row.get(0))?;
        for row in &removed {
            self.overwrite_around(connection, row)?;
        }
        // The rewritten rows were remembered as removed, too.
        let done = removed.last().map_or(0, |row| row.place);
        let sql = reference::FORGET_REMOVED;
        connection.prepare_cached(sql)?.execute([done, last])?;
        Ok(transaction.commit()?)
    }

    fn overwrite_around(&mut self, connection: &Connection, removed: &Removed) -> Outcome<()> {
        let table = removed.source.as_str();
        if let Some(position) = removed.position {
            let order = StorageOrder::documents(table);
            return self.rewrite(connection, order, &[Value::Integer(position)]);
        }
        let orders = StorageOrder::keys(table);
        let [own, _] = &orders;
        for order in orders {
            let key = |column: &&str| {
                let place = own.columns().iter().position(|known| known == column);
                place.and_then(|place| removed.key.get(place)).cloned()
            };
            let key: Option<Row> = order.columns().iter().map(key).collect();
            self.rewrite(connection, order, &key.unwrap_or_default())?;
        }
        Ok(())
    }

    /// Removes all neighbours of a place before it inserts them again, so that their pages are freed.
    fn rewrite(
        &mut self,
        connection: &Connection,
        order: StorageOrder<'_>,
        key: &[Value],
    ) -> Outcome<()> {
        let columns = all_columns(connection, order)?;
        let read = |side| neighbours(connection, &order.neighbours(side, &columns), key);
        let before = read(Side::Before)?;
        let behind = read(Side::After)?;
        let nearest = [before.first().cloned(), behind.first().cloned()];
        let name = order.name();
        if self.last.get(&name) == Some(&nearest) {
            return Ok(());
        }
        let rows: Vec<Row> = before.into_iter().chain(behind).collect();
        let mut statement = connection.prepare_cached(&order.remove())?;
        for row in &rows {
            statement.execute(params_from_iter(row.iter().take(order.columns().len())))?;
        }
        let mut statement = connection.prepare_cached(&order.insert(&columns))?;
        for row in &rows {
            statement.execute(params_from_iter(row))?;
        }
        self.last.insert(name, nearest);
        Ok(())
    }
}

fn first_removed(connection: &Connection) -> Outcome<Vec<Removed>> {
    let mut statement = connection.prepare_cached(reference::FIRST_REMOVED)?;
    let rows = statement.query_map([TOGETHER], |row| {
        Ok(Removed {
            key: (3..8)
                .map(|column| row.get(column))
                .collect::<Result<_, _>>()?,
            place: row.get(1)?,
            position: row.get(2)?,
            source: row.get(0)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Returns every column of the table, starting with those of the order.
fn all_columns(connection: &Connection, order: StorageOrder<'_>) -> Outcome<Vec<String>> {
    let mut statement = connection.prepare_cached(reference::COLUMN_NAMES)?;
    let names = statement.query_map([order.table()], |row| row.get(0))?;
    let names: Vec<String> = names.collect::<Result<_, _>>()?;
    let own = order.columns().iter().map(|name| (*name).to_owned());
    let rest = names
        .into_iter()
        .filter(|name| !order.columns().contains(&name.as_str()));
    Ok(own.chain(rest).collect())
}

/// Returns the next rows on one side of a place, nearest first, with the total size of about one page.
fn neighbours(connection: &Connection, sql: &str, key: &[Value]) -> Outcome<Vec<Row>> {
    let mut statement = connection.prepare_cached(sql)?;
    let width = statement.column_count();
    let mut rows = statement.query(params_from_iter(key))?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    while bytes < BYTES {
        let Some(row) = rows.next()? else { break };
        let row = (0..width).map(|column| row.get(column));
        let row: Row = row.collect::<Result<_, _>>()?;
        bytes += row.iter().map(size).sum::<usize>();
        found.push(row);
    }
    Ok(found)
}

fn size(value: &Value) -> usize {
    match value {
        Value::Blob(bytes) => bytes.len(),
        Value::Text(text) => text.len(),
        _ => 8,
    }
}
