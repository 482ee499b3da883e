//! Fields whose values are rows of another table.

use serde_json::Value;

/// A table with one row per value of a multi-valued attribute, such as email addresses.
///
/// `scimkit_tables::TableStore` reads and writes it. In a record, the field is an array of objects with the names of
/// the sub-attributes.
///
/// # Example
/// ```
/// use scimkit_mapping::{Field, FieldRows, Mapping, MappingRule, RowColumn};
/// use scimkit_registry::Registry;
///
/// let mapping = Mapping::builder().text(r#"
///     [User.fields]
///     emails = { table = "user_emails", key = "user_id", columns = { value = "address", type = "kind" } }
///
///     [[User.map]]
///     scim = "emails"
///     field = "emails"
/// "#).build(&Registry::standard())?;
/// let rows = mapping.for_type("User").unwrap().fields()[0].rows.as_ref().unwrap();
/// assert_eq!((rows.table.as_str(), rows.columns[0].name.as_str()), ("user_emails", "address"));
///
/// let rows = FieldRows::new("user_emails", "user_id").with_column(RowColumn::new("mailbox", "address"));
/// let emails = MappingRule::new("emails").with_field("emails");
/// let mapping = Mapping::builder().field("User", Field::in_rows("emails", rows)).rule("User", emails);
/// let error = mapping.build(&Registry::standard()).unwrap_err();
/// assert!(error.to_string().contains("`emails` has no sub-attribute `mailbox`"));
/// # Ok::<(), scimkit_mapping::MappingError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldRows {
    /// The columns of sub-attributes.
    pub columns: Vec<RowColumn>,
    /// The column with the identifier of the record.
    pub key: String,
    /// The table.
    pub table: String,
}

/// The column of one sub-attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RowColumn {
    /// The value of rows whose element has none; NULL without it, and in new rows the default of the database.
    pub default: Option<Value>,
    /// Whether the text of every row is folded. What is written is folded, too.
    pub folded: bool,
    /// The column with the folded text.
    pub key: Option<String>,
    /// The name of the column.
    pub name: String,
    /// The name of the sub-attribute.
    pub sub_attribute: String,
}

impl FieldRows {
    /// Creates a table without columns from its name and the column with the identifier of the record.
    #[must_use]
    pub fn new(table: impl Into<String>, key: impl Into<String>) -> Self {
        FieldRows {
            columns: Vec::new(),
            key: key.into(),
            table: table.into(),
        }
    }

    /// Adds the column of a sub-attribute.
    #[must_use]
    pub fn with_column(mut self, column: RowColumn) -> Self {
        self.columns.push(column);
        self
    }
}

impl RowColumn {
    /// Creates the column of a sub-attribute.
    #[must_use]
    pub fn new(sub_attribute: impl Into<String>, name: impl Into<String>) -> Self {
        RowColumn {
            default: None,
            folded: false,
            key: None,
            name: name.into(),
            sub_attribute: sub_attribute.into(),
        }
    }

    /// Sets the value of rows whose element has none, such as `false` for a column that is `NOT NULL`.
    #[must_use]
    pub fn with_default(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        self
    }

    /// Declares that the text of every row is folded. What is written is folded, too.
    #[must_use]
    pub fn folded(mut self) -> Self {
        self.folded = true;
        self
    }

    /// Sets the column that has the folded text, for SQL to compare.
    #[must_use]
    pub fn with_key(mut self, name: impl Into<String>) -> Self {
        self.key = Some(name.into());
        self
    }
}
