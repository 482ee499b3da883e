//! Pages of rows: their order, and where they start.

use scimkit_core::DataType;
use scimkit_mapping::KeyType;
use scimkit_registry::{AttrId, ResourceType, Scalar};

use super::{
    SqlStatement, SqlValue,
    names::TableTenant,
    row_table::{ROWS, RowOwner, RowTable},
};
use crate::{ColumnSource, Condition, Dialect, Layout as _, mapped_rows::quoted};

/// The start of the rows that a statement selects.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the parameter of one query")]
pub enum RowStart {
    /// After the row with this sort key and identifier.
    After(Option<Scalar>, String),
    /// After this number of rows.
    Index(u64),
}

/// The order of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the parameters of one query")]
pub struct RowOrder {
    /// The attribute.
    pub attr: AttrId,
    /// Whether the order is descending.
    pub descending: bool,
}

/// The column by which rows are sorted.
struct SortColumn {
    column: String,
    descending: bool,
    is_id: bool,
}

impl RowTable {
    /// Returns whether SQL can sort by an attribute.
    #[must_use]
    pub fn can_sort(&self, kind: &ResourceType, attr: AttrId) -> bool {
        self.sort_column(kind, attr).is_some()
    }

    fn sort_column(&self, kind: &ResourceType, attr: AttrId) -> Option<String> {
        let attr = kind.attr(attr);
        let is_text = matches!(
            attr.definition().data_type,
            DataType::Binary | DataType::Reference | DataType::String
        );
        match self.source(kind, attr)? {
            ColumnSource::Nullable(column) if is_text => Some(self.by_bytes(&column)),
            ColumnSource::Nullable(column) => Some(column),
            _ => None,
        }
    }

    /// Text that is compared byte by byte, whatever the collation of the column is.
    fn by_bytes(&self, column: &str) -> String {
        match self.dialect {
            Dialect::Postgres => format!("{column} COLLATE \"C\""),
            Dialect::Sqlite => format!("{column} COLLATE BINARY"),
        }
    }

    /// The identifier of a row, in the order of its text. That of UUIDs is their own order in PostgreSQL, so that a page
    /// needs no sort.
    fn ordered_id(&self) -> String {
        let id = &self.table().id;
        match (self.dialect, id.key_type) {
            (Dialect::Postgres, KeyType::Uuid) => format!("{ROWS}.{}", quoted(&id.name)),
            _ => self.by_bytes(&self.id_text),
        }
    }

    /// The same, and the value of an identifier to compare it with.
    fn ordered_id_and(&self, after: &str) -> (String, SqlValue) {
        match (self.dialect, self.table().id.key_type, self.key(after)) {
            (Dialect::Postgres, KeyType::Uuid, Some(key)) => (self.ordered_id(), key),
            _ => (self.by_bytes(&self.id_text), SqlValue::from(after)),
        }
    }

    /// Selects a page of rows with the columns of [`RowTable::select`]. The order must be one that SQL
    /// [can give](RowTable::can_sort), for the type `kind`; without one, rows are in the order of their identifiers.
    #[must_use]
    pub fn page(
        &self,
        tenant: &TableTenant,
        (condition, owner): (Option<&Condition>, RowOwner<'_>),
        (kind, order): (&ResourceType, Option<RowOrder>),
        (start, limit): (&RowStart, u64),
    ) -> SqlStatement {
        let mut statement = self.restricted(&self.selection, tenant, (condition, owner));
        let mut text = std::mem::take(&mut statement.text).into_owned();
        let sort = order.and_then(|order| {
            Some(SortColumn {
                column: self.sort_column(kind, order.attr)?,
                descending: order.descending,
                is_id: order.attr == AttrId::ID,
            })
        });
        if let RowStart::After(key, after) = start {
            let values = &mut statement.parameters;
            let condition = self.follows(sort.as_ref(), (key.as_ref(), after), values);
            text.push_str(&format!(" AND {condition}"));
        }
        let id = self.ordered_id();
        let order = match sort {
            None => id,
            Some(sort) => {
                let direction = if sort.descending { " DESC" } else { "" };
                let column = sort.column;
                if sort.is_id {
                    format!("{column}{direction}")
                } else {
                    // Rows without a value come last, or first in descending order.
                    format!("({column} IS NULL){direction}, {column}{direction}, {id}")
                }
            }
        };
        text.push_str(&format!(" ORDER BY {order} LIMIT {limit}"));
        if let RowStart::Index(start) = start {
            text.push_str(&format!(" OFFSET {start}"));
        }
        statement.text = text.into();
        statement
    }

    /// The condition for the rows after a sort key and an identifier.
    fn follows(
        &self,
        sort: Option<&SortColumn>,
        (key, after): (Option<&Scalar>, &str),
        values: &mut Vec<SqlValue>,
    ) -> String {
        let mut bind = |value: SqlValue| {
            values.push(value);
            self.dialect.placeholder(values.len())
        };
        let (id, last) = self.ordered_id_and(after);
        let Some(sort) = sort else {
            return format!("{id} > {}", bind(last));
        };
        let column = &sort.column;
        let sign = if sort.descending { '<' } else { '>' };
        if sort.is_id {
            return format!("{column} {sign} {}", bind(SqlValue::from(after)));
        }
        match (key, sort.descending) {
            (Some(key), descending) => {
                let key = bind(SqlValue::from(key.clone()));
                let after = bind(last);
                let others = if descending {
                    String::new()
                } else {
                    format!(" OR {column} IS NULL")
                };
                format!("({column} {sign} {key} OR ({column} = {key} AND {id} > {after}){others})")
            }
            (None, descending) => {
                let after = bind(last);
                let others = if descending {
                    format!(" OR {column} IS NOT NULL")
                } else {
                    String::new()
                };
                format!("(({column} IS NULL AND {id} > {after}){others})")
            }
        }
    }
}
