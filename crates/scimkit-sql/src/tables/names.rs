//! The names and keys of the application's tables.

use super::{SqlValue, TimeColumns};

/// The type of a column of identifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyType {
    /// An integer.
    Integer,
    /// Text, compared byte by byte.
    Text,
    /// A UUID. In SQLite it is text in lower case with hyphens.
    Uuid,
}

impl KeyType {
    /// Returns the value of the column for an identifier; none if no row can have it.
    ///
    /// # Example
    /// ```
    /// use scimkit_sql::tables::{KeyType, SqlValue};
    ///
    /// assert_eq!(KeyType::Integer.value("17"), Some(SqlValue::Integer(17)));
    /// assert_eq!(KeyType::Integer.value("017"), None);
    /// assert_eq!(KeyType::Uuid.value("17"), None);
    /// ```
    #[must_use]
    pub fn value(self, id: &str) -> Option<SqlValue> {
        match self {
            KeyType::Integer => {
                let number: i64 = id.parse().ok()?;
                (number.to_string() == id).then_some(SqlValue::Integer(number))
            }
            // PostgreSQL has no text with U+0000.
            KeyType::Text => (!id.contains('\0')).then(|| SqlValue::from(id)),
            KeyType::Uuid => is_uuid(id).then(|| SqlValue::from(id)),
        }
    }
}

/// Whether a text is a UUID in its canonical form.
fn is_uuid(text: &str) -> bool {
    let is_hyphen = |at| matches!(at, 8 | 13 | 18 | 23);
    let fits = |(at, byte): (usize, u8)| match byte {
        b'-' => is_hyphen(at),
        b'0'..=b'9' | b'a'..=b'f' => !is_hyphen(at),
        _ => false,
    };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}

/// A column of identifiers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a column has a name and a type")]
pub struct KeyColumn {
    /// The type of its values.
    pub key_type: KeyType,
    /// The name.
    pub name: String,
}

/// The names of a table of resources.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a table has all of these names")]
pub struct TableNames {
    /// The column of the identifier.
    pub id: KeyColumn,
    /// The text before the identifiers of the column, which tells them from those of other types.
    pub id_prefix: String,
    /// The table.
    pub table: String,
    /// The column of the tenant; none if all rows belong to one tenant.
    pub tenant: Option<KeyColumn>,
    /// The columns of the times; none if they are in side rows only.
    pub times: Option<TimeColumns>,
}

/// The tenant whose rows a statement is about.
#[derive(Debug, Clone, PartialEq)]
pub struct TableTenant {
    pub(super) id: String,
    pub(super) key: Option<SqlValue>,
}

impl TableTenant {
    /// Returns its identifier.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns its value in the column of the tenant, if there is one.
    #[must_use]
    pub fn key(&self) -> Option<&SqlValue> {
        self.key.as_ref()
    }

    /// The tenant in side tables and, if there is a column for it, in the table.
    pub(super) fn parameters(&self) -> Vec<SqlValue> {
        let id = SqlValue::from(self.id.as_str());
        [id].into_iter().chain(self.key.clone()).collect()
    }
}
