//! The statements that find and rewrite the neighbours of removed rows, only for SQLite.

/// The tables of keys.
const KEYS: [&str; 2] = ["lookup_key", "retired_key"];
/// The tables of documents.
const DOCUMENTS: [&str; 2] = ["resource", "retired"];
/// The maximum number of neighbours on each side.
const ROWS: usize = 100;

/// Selects whether any removed rows are remembered.
pub const HAS_REMOVED: &str = "SELECT EXISTS (SELECT 1 FROM removed)";
/// Selects the place of the last removed row.
pub const LAST_REMOVED: &str = "SELECT max(place) FROM removed";
/// Selects the first removed rows: source, place, position, and the columns of a key.
pub const FIRST_REMOVED: &str =
    "SELECT source, place, position, tenant, kind, attr, value, id FROM removed
     ORDER BY place LIMIT ?1";
/// Forgets the removed rows up to one place and after another.
pub const FORGET_REMOVED: &str = "DELETE FROM removed WHERE place <= ?1 OR place > ?2";
/// Forgets all removed rows.
pub const FORGET_ALL_REMOVED: &str = "DELETE FROM removed";
/// Selects the names of a table's columns.
pub const COLUMN_NAMES: &str = "SELECT name FROM pragma_table_info(?1)";

/// Returns statements that create a temporary table and triggers, which remember up to `most` removed rows.
#[must_use]
pub fn remember_removed(most: usize) -> String {
    let mut sql = String::from(
        "CREATE TEMP TABLE removed (
             place INTEGER PRIMARY KEY, source TEXT NOT NULL,
             tenant, kind, attr, value, id, position INTEGER
         );",
    );
    for table in KEYS.into_iter().chain(DOCUMENTS) {
        // A boolean or a number, such as the value of `active`, does not identify a person.
        let (columns, condition) = if KEYS.contains(&table) {
            (
                "old.tenant, old.kind, old.attr, old.value, old.id, NULL",
                "typeof(old.value) = 'text' AND ",
            )
        } else {
            ("NULL, NULL, NULL, NULL, NULL, old.rowid", "")
        };
        sql.push_str(&format!(
            "CREATE TEMP TRIGGER removed_{table} AFTER DELETE ON main.{table}
             WHEN {condition}(SELECT coalesce(max(place), 0) FROM removed) < {most}
             BEGIN
                 INSERT INTO removed (source, tenant, kind, attr, value, id, position)
                 VALUES ('{table}', {columns});
             END;"
        ));
    }
    sql
}

/// A direction from a row in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a row has two sides")]
pub enum Side {
    /// The rows after it, nearest first.
    After,
    /// The rows before it, nearest first.
    Before,
}

/// An order in which the rows of a table are stored in the file.
#[derive(Debug, Clone, Copy)]
pub struct StorageOrder<'a> {
    columns: &'static [&'static str],
    index: &'static str,
    table: &'a str,
}

impl<'a> StorageOrder<'a> {
    /// Returns the order of a table of documents: by `rowid`.
    #[must_use]
    pub fn documents(table: &'a str) -> Self {
        StorageOrder {
            columns: &["rowid"],
            index: "",
            table,
        }
    }

    /// Returns the orders of a table of keys: that of its primary key and that of its index.
    #[must_use]
    pub fn keys(table: &'a str) -> [Self; 2] {
        let order = |index, columns| StorageOrder {
            columns,
            index,
            table,
        };
        [
            order("", &["tenant", "kind", "attr", "value", "id"]),
            order("_by_id", &["tenant", "kind", "id", "attr", "value"]),
        ]
    }

    /// Returns the columns that order the rows and identify each of them.
    #[must_use]
    pub fn columns(&self) -> &'static [&'static str] {
        self.columns
    }

    /// Returns the unique name of the order.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}{}", self.table, self.index)
    }

    /// Returns the name of the table.
    #[must_use]
    pub fn table(&self) -> &'a str {
        self.table
    }

    /// Returns a `DELETE` of a row by its values of [`columns`](StorageOrder::columns).
    #[must_use]
    pub fn remove(&self) -> String {
        let own = self.columns.iter().map(|column| format!("{column} = ?"));
        let own: Vec<String> = own.collect();
        format!("DELETE FROM {} WHERE {}", self.table, own.join(" AND "))
    }

    /// Returns an `INSERT` of a row with these columns.
    #[must_use]
    pub fn insert(&self, columns: &[String]) -> String {
        let places = vec!["?"; columns.len()].join(", ");
        let columns = columns.join(", ");
        format!("INSERT INTO {} ({columns}) VALUES ({places})", self.table)
    }

    /// Returns a `SELECT` of these columns of the rows next to one row. The parameters are that row's values of
    /// [`columns`](StorageOrder::columns).
    #[must_use]
    pub fn neighbours(&self, side: Side, columns: &[String]) -> String {
        let index = match self.index {
            "" => String::new(),
            index => format!("INDEXED BY {}{index}", self.table),
        };
        let (operator, direction) = match side {
            Side::After => (">", ""),
            Side::Before => ("<", " DESC"),
        };
        let order = self.columns.iter().map(|name| format!("{name}{direction}"));
        let order: Vec<String> = order.collect();
        let places = vec!["?"; self.columns.len()].join(", ");
        format!(
            "SELECT {} FROM {} {index} WHERE ({}) {operator} ({places}) ORDER BY {} LIMIT {ROWS}",
            columns.join(", "),
            self.table,
            self.columns.join(", "),
            order.join(", "),
        )
    }
}
