//! A table as its database describes it.

use scimkit_mapping::FieldType;
use scimkit_sql::{Dialect, tables::SqlValue};

use super::name;
use crate::{SqlRow, documents::integer};

/// The columns and indexes of a table, as the database describes them.
pub(super) struct Columns {
    pub(super) columns: Vec<Column>,
    pub(super) dialect: Dialect,
    indexes: Vec<Index>,
    pub(super) table: String,
}

pub(super) struct Column {
    /// The category of the type in PostgreSQL.
    category: Option<String>,
    collation: Option<String>,
    pub(super) declared: String,
    pub(super) has_default: bool,
    is_deterministic: bool,
    pub(super) is_not_null: bool,
    pub(super) name: String,
    /// The place in the primary key, from 1; 0 if it is not part of it.
    place: i64,
}

/// A column of an application's table: see [`table_columns`](crate::table_columns).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TableColumn {
    /// The type, as it was declared.
    pub declared: String,
    /// Whether it has a default or is generated.
    pub has_default: bool,
    /// Whether an index without a condition begins with it.
    pub is_indexed: bool,
    /// Whether it is part of the primary key.
    pub is_key: bool,
    /// Whether it is `NOT NULL`.
    pub is_not_null: bool,
    /// Whether an index keeps it unique by itself.
    pub is_unique: bool,
    /// The name.
    pub name: String,
    category: Option<String>,
    dialect: Dialect,
}

impl TableColumn {
    /// Returns whether the column holds values of a type, and gives them back as they are.
    #[must_use]
    pub fn holds(&self, data_type: FieldType) -> bool {
        let category = self.category.as_deref().unwrap_or_default();
        holds(self.dialect, (&self.declared, category), data_type)
    }
}

struct Index {
    /// None for an expression.
    columns: Vec<Option<String>>,
    is_unique: bool,
    name: String,
}

impl Columns {
    pub(super) fn new(
        dialect: Dialect,
        table: &str,
        columns: Vec<SqlRow>,
        indexes: Vec<SqlRow>,
    ) -> Self {
        let mut found = Columns {
            columns: columns.into_iter().filter_map(column).collect(),
            dialect,
            indexes: Vec::new(),
            table: table.to_owned(),
        };
        let mut key: Vec<_> = found.columns.iter().filter(|c| c.place > 0).collect();
        key.sort_by_key(|column| column.place);
        let key: Vec<_> = key
            .into_iter()
            .map(|column| Some(column.name.clone()))
            .collect();
        if !key.is_empty() {
            // An integer key of SQLite has no index of its own.
            found.indexes.push(Index {
                columns: key,
                is_unique: true,
                name: String::new(),
            });
        }
        for row in indexes {
            found.add_index_column(row);
        }
        found
    }

    /// Adds the next column of an index. An index with a condition is none.
    fn add_index_column(&mut self, row: SqlRow) {
        let mut values = row.into_iter();
        let index = name(values.next()).unwrap_or_default();
        let is_unique = is_true(values.next().as_ref());
        let is_partial = is_true(values.next().as_ref());
        let column = name(values.next());
        if is_partial {
            return;
        }
        match self.indexes.last_mut() {
            Some(last) if last.name == index => last.columns.push(column),
            _ => self.indexes.push(Index {
                columns: vec![column],
                is_unique,
                name: index,
            }),
        }
    }

    pub(super) fn into_described(self) -> Vec<TableColumn> {
        let described = |column: &Column| TableColumn {
            category: column.category.clone(),
            declared: column.declared.clone(),
            dialect: self.dialect,
            has_default: column.has_default,
            is_indexed: self.has_index(&[&column.name]),
            is_key: column.place > 0,
            is_not_null: column.is_not_null,
            is_unique: self.is_unique(&[&column.name]),
            name: column.name.clone(),
        };
        self.columns.iter().map(described).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    pub(super) fn set_collation(&mut self, name: &str, collation: &str) {
        let dialect = self.dialect;
        let mut columns = self.columns.iter_mut();
        if let Some(column) = columns.find(|column| is_same(dialect, &column.name, name)) {
            column.collation = Some(collation.to_owned());
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<&Column> {
        let mut columns = self.columns.iter();
        columns.find(|column| is_same(self.dialect, &column.name, name))
    }

    /// Whether an index begins with these columns.
    pub(super) fn has_index(&self, columns: &[&str]) -> bool {
        let begins = |index: &Index| {
            let mut pairs = index.columns.iter().zip(columns);
            index.columns.len() >= columns.len()
                && pairs.all(|(known, name)| self.is_named(known.as_ref(), name))
        };
        self.indexes.iter().any(begins)
    }

    /// Whether an index keeps these columns unique.
    pub(super) fn is_unique(&self, columns: &[&str]) -> bool {
        let is_index = |index: &Index| {
            let has = |name: &&str| {
                index
                    .columns
                    .iter()
                    .any(|known| self.is_named(known.as_ref(), name))
            };
            index.is_unique && index.columns.len() == columns.len() && columns.iter().all(has)
        };
        self.indexes.iter().any(is_index)
    }

    fn is_named(&self, known: Option<&String>, name: &str) -> bool {
        known.is_some_and(|known| is_same(self.dialect, known, name))
    }
}

impl Column {
    pub(super) fn holds(&self, dialect: Dialect, data_type: FieldType) -> bool {
        let category = self.category.as_deref().unwrap_or_default();
        holds(dialect, (&self.declared, category), data_type)
    }

    /// How the column compares text otherwise than SCIM, whose text is folded unless the attribute is case exact.
    pub(super) fn misorder(&self, dialect: Dialect, is_exact: bool) -> Option<String> {
        if !self.is_deterministic || self.declared == "citext" {
            return Some(
                "the database takes different texts for equal, so that filters find other rows"
                    .to_owned(),
            );
        }
        let collation = self.collation.as_deref()?;
        let is_same = match dialect {
            Dialect::Sqlite => collation == "NOCASE" && !is_exact,
            // These compare by code point.
            _ => ["C", "C.UTF-8", "C.utf8", "POSIX", "ucs_basic", "pg_c_utf8"].contains(&collation),
        };
        let problem = match dialect {
            Dialect::Sqlite => format!(
                "the collation {collation} takes different texts for equal, so that filters find other rows: rebuild the table with a column of the collation BINARY"
            ),
            _ => format!(
                "the collation `{collation}` orders text otherwise than SCIM, so that filters with `sw`, `gt` or `lt` find other rows"
            ),
        };
        (!is_same).then_some(problem)
    }
}

/// A row of `columns_of`.
fn column(row: SqlRow) -> Option<Column> {
    let [
        column,
        declared,
        is_not_null,
        has_default,
        place,
        category,
        collation,
        is_deterministic,
    ]: [SqlValue; 8] = row.try_into().ok()?;
    Some(Column {
        category: name(Some(category)),
        collation: name(Some(collation)),
        declared: name(Some(declared)).unwrap_or_default(),
        has_default: is_true(Some(&has_default)),
        is_deterministic: is_true(Some(&is_deterministic)),
        is_not_null: is_true(Some(&is_not_null)),
        name: name(Some(column))?,
        place: integer(&place).unwrap_or(0),
    })
}

fn is_true(value: Option<&SqlValue>) -> bool {
    value.and_then(integer).is_some_and(|number| number != 0)
}

/// Whether a column of a declared type, and in PostgreSQL of a category, gives values of a type back as they are.
fn holds(dialect: Dialect, (declared, category): (&str, &str), data_type: FieldType) -> bool {
    if dialect == Dialect::Sqlite {
        return holds_in_sqlite(declared, data_type);
    }
    match data_type {
        FieldType::Boolean => category == "B",
        FieldType::Integer => category == "N" && declared.contains("int"),
        FieldType::Decimal => category == "N",
        FieldType::Date | FieldType::Instant => matches!(category, "D" | "S"),
        FieldType::Json => category == "S" || declared.starts_with("json"),
        _ => matches!(category, "D" | "E" | "S") || (category == "U" && declared != "bytea"),
    }
}

/// Whether two names are those of one column. SQLite ignores case.
pub(super) fn is_same(dialect: Dialect, one: &str, other: &str) -> bool {
    match dialect {
        Dialect::Sqlite => one.eq_ignore_ascii_case(other),
        _ => one == other,
    }
}

/// Whether a column of SQLite gives values of a type back as they are. It converts values by the words in its declaration.
///
/// <https://www.sqlite.org/datatype3.html#determination_of_column_affinity>
fn holds_in_sqlite(declared: &str, data_type: FieldType) -> bool {
    let declared = declared.to_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| declared.contains(word));
    let is_any = declared.is_empty()
        || declared == "ANY"
        || (has(&["BLOB"]) && !has(&["INT", "CHAR", "TEXT", "CLOB"]));
    let is_text = !has(&["INT"]) && has(&["CHAR", "CLOB", "TEXT"]);
    match data_type {
        _ if is_any => true,
        FieldType::Boolean | FieldType::Integer | FieldType::Decimal => !is_text,
        // Such a column converts text to numbers, but these are none.
        FieldType::Text => is_text || has(&["DATE", "TIME", "UUID", "JSON"]),
        _ => is_text || !has(&["INT", "REAL", "FLOA", "DOUB"]),
    }
}
