//! The keys of the application's tables.

use scimkit_mapping::KeyType;

use super::SqlValue;

impl SqlValue {
    /// Returns the value of a column of identifiers; none if no row can have it.
    ///
    /// # Example
    /// ```
    /// use scimkit_mapping::KeyType;
    /// use scimkit_sql::tables::SqlValue;
    ///
    /// assert_eq!(SqlValue::from_key(KeyType::Integer, "17"), Some(SqlValue::Integer(17)));
    /// assert_eq!(SqlValue::from_key(KeyType::Integer, "017"), None);
    /// assert_eq!(SqlValue::from_key(KeyType::Uuid, "17"), None);
    /// ```
    #[must_use]
    pub fn from_key(key_type: KeyType, id: &str) -> Option<SqlValue> {
        match key_type {
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
