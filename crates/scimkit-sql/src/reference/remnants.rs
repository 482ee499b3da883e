//! Statements that find and rewrite the neighbours of removed rows, for SQLite alone.

/// The tables of keys.
const KEYS: [&str; 2] = ["lookup_key", "retired_key"];
/// The tables of documents.
const DOCUMENTS: [&str; 2] = ["resource", "retired"];
/// The maximum number of neighbours on each side.
const ROWS: usize = 100;

/// Whether any removed rows are remembered.
pub const HAS_REMOVED: &str = "SELECT EXISTS (SELECT 1 FROM removed)";
/// The place of the row that was removed last.
pub const LAST_REMOVED: &str = "SELECT max(place) FROM removed";
/// The first removed rows: source, place, position, and the columns of a key.
pub const FIRST_REMOVED: &str =
    "SELECT source, place, position, tenant, kind, attr, value, id FROM removed
     ORDER BY place LIMIT ?1";
/// Forgets removed rows up to a place, and those after another one.
pub const FORGET_REMOVED: &str = "DELETE FROM removed WHERE place <= ?1 OR place > ?2";
/// Forgets all removed rows.
pub const FORGET_ALL_REMOVED: &str = "DELETE FROM removed";
/// The names of a table's columns.
pub const COLUMN_NAMES: &str = "SELECT name FROM pragma_table_info(?1)";

/// Creates a temporary table and triggers that remember the places of up to `most` removed rows.
#[must_use]
pub fn remember_removed(most: usize) -> String {
    let mut sql = String::from(
        "CREATE TEMP TABLE removed (
             place INTEGER PRIMARY KEY, source TEXT NOT NULL,
             tenant, kind, attr, value, id, position INTEGER
         );",
    );
    for table in KEYS.into_iter().chain(DOCUMENTS) {
        // A boolean or a number, such as the value of `active`, identifies no person.
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

/// A side of a row in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a row has two sides")]
pub enum Side {
    /// The rows after it, the nearest first.
    After,
    /// The rows before it, the nearest first.
    Before,
}

/// An order in which the rows of a table are stored in the file.
#[derive(Debug, Clone, Copy)]
pub struct RowOrder<'a> {
    columns: &'static [&'static str],
    index: &'static str,
    table: &'a str,
}

impl<'a> RowOrder<'a> {
    /// Returns the order of a table of documents: by `rowid`.
    #[must_use]
    pub fn documents(table: &'a str) -> Self {
        RowOrder {
            columns: &["rowid"],
            index: "",
            table,
        }
    }

    /// Returns the orders of a table of keys: its own, and that of its index.
    #[must_use]
    pub fn keys(table: &'a str) -> [Self; 2] {
        let order = |index, columns| RowOrder {
            columns,
            index,
            table,
        };
        [
            order("", &["tenant", "kind", "attr", "value", "id"]),
            order("_by_id", &["tenant", "kind", "id", "attr", "value"]),
        ]
    }

    /// Returns the columns that order the rows and identify each.
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

    /// Removes a row by the values of [`columns`](RowOrder::columns).
    #[must_use]
    pub fn remove(&self) -> String {
        let own = self.columns.iter().map(|column| format!("{column} = ?"));
        let own: Vec<String> = own.collect();
        format!("DELETE FROM {} WHERE {}", self.table, own.join(" AND "))
    }

    /// Inserts a row with these columns.
    #[must_use]
    pub fn insert(&self, columns: &[String]) -> String {
        let places = vec!["?"; columns.len()].join(", ");
        let columns = columns.join(", ");
        format!("INSERT INTO {} ({columns}) VALUES ({places})", self.table)
    }

    /// Reads these columns of the rows next to one, whose values of [`columns`](RowOrder::columns) are
    /// the parameters.
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
