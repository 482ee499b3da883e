//! The application's table with the resources of one type.

use super::{MappingProblem, SourcePosition};

/// A table of the application with one row per resource of a type: see [`MappingBuilder::table`](crate::MappingBuilder::table).
///
/// `scimkit_tables::TableStore` reads and writes it. In a mapping file it is the table `[User.table]`; a file that names only
/// the table says `table = "users"`.
///
/// # Example
/// ```
/// use scimkit_mapping::{KeyType, Mapping};
/// use scimkit_registry::Registry;
///
/// let rules = "[[User.map]]\nscim = 'userName'\nfield = 'login'\n";
/// let table = r#"
///     [User.table]
///     name = "users"
///     id = { column = "user_id", type = "integer" }
///     tenant = "company"
/// "#;
/// let mapping = Mapping::builder().text(rules).text(table).build(&Registry::standard())?;
/// let table = mapping.for_type("User").unwrap().table().unwrap();
/// assert_eq!((table.name.as_str(), table.id.name.as_str()), ("users", "user_id"));
/// assert_eq!((table.id.key_type, table.generated_ids), (KeyType::Integer, true));
///
/// let table = "[User.table]\nname = 'users'\nmembers = { table = 'members', group = 'group_id', user = 'user_id' }";
/// let error = Mapping::builder().text(rules).text(table).build(&Registry::standard());
/// let error = error.unwrap_err().to_string();
/// assert_eq!(error, "1:7: table of User: resources of this type have no members: remove `members`");
/// # Ok::<(), scimkit_mapping::MappingError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Table {
    /// Whether the database makes the identifiers of new rows: by the sequence or the default of the column, or in SQLite as
    /// the next integer. Otherwise the server does. Integers are always made by the database, and text never.
    pub generated_ids: bool,
    /// The column of the identifiers.
    pub id: KeyColumn,
    /// The text before the identifiers of this table in SCIM, if the database makes them. The identifiers of all resources differ
    /// in SCIM, so two tables that count their rows need different prefixes. Without one, integers of types other than `User`
    /// have the name of their type in lower case and a hyphen. In a built mapping, the prefix is always present.
    pub id_prefix: Option<String>,
    /// The table with the memberships of groups. Members that have no row in the table of the users, such as nested groups, are
    /// stored by the store.
    pub members: Option<MemberTable>,
    /// The name.
    pub name: String,
    /// The column with the tenant of each row. Without one, all rows belong to one tenant.
    pub tenant: Option<KeyColumn>,
    /// The columns of `meta.created` and `meta.lastModified`.
    ///
    /// - A create by SCIM sets both, and every other change by SCIM the second one, changes of members included.
    /// - A row that SCIM has never changed has the times of the columns. Of a column that is NULL or holds no time, SCIM sees
    ///   the time of the creation, or else that of the first migration of the side tables.
    /// - `lastModified` is the later of the last change by SCIM and the column, and so does not go back.
    /// - A change of these columns alone does not change the ETag.
    /// - No rule may write these columns.
    pub times: Option<TimeColumns>,
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

/// The type of a column of identifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every database must handle every type"
)]
pub enum KeyType {
    /// An integer.
    Integer,
    /// Text, compared byte by byte.
    Text,
    /// A UUID. In SQLite it is text in lower case with hyphens.
    Uuid,
}

/// A table with one row per membership.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a membership has two ends")]
pub struct MemberTable {
    /// The column with the identifier of the group.
    pub group: String,
    /// The name.
    pub table: String,
    /// The column with the identifier of the user.
    pub user: String,
}

/// The application's columns with the times of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a row has these two times")]
pub struct TimeColumns {
    /// The column of the creation.
    pub created: String,
    /// How both columns hold their times.
    pub form: TimeForm,
    /// The column of the last change.
    pub modified: String,
}

/// How a column holds a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every database must handle every form"
)]
pub enum TimeForm {
    /// Text such as `2026-01-02T03:04:05Z` in SQLite, a timestamp in PostgreSQL.
    Instant,
    /// Whole seconds since 1970, as an integer.
    Seconds,
    /// Text such as `2026-01-02 03:04:05` in SQLite, as its `CURRENT_TIMESTAMP` writes it in UTC, a timestamp in PostgreSQL.
    #[default]
    Timestamp,
}

impl KeyType {
    /// The types and their names in files.
    pub const NAMES: [(&str, KeyType); 3] = [
        ("integer", KeyType::Integer),
        ("text", KeyType::Text),
        ("uuid", KeyType::Uuid),
    ];

    /// Returns the name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        let known = Self::NAMES.iter().find(|(_, known)| *known == self);
        known.map_or("", |(name, _)| *name)
    }
}

impl TimeForm {
    /// The forms and their names in files.
    pub const NAMES: [(&str, TimeForm); 3] = [
        ("instant", TimeForm::Instant),
        ("seconds", TimeForm::Seconds),
        ("timestamp", TimeForm::Timestamp),
    ];

    /// Returns the name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        let known = Self::NAMES.iter().find(|(_, known)| *known == self);
        known.map_or("", |(name, _)| *name)
    }
}

impl Table {
    /// Creates a table from its name. Its identifiers are text in the column `id`, which new resources get from the server.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Table {
            generated_ids: false,
            id: KeyColumn {
                key_type: KeyType::Text,
                name: "id".to_owned(),
            },
            id_prefix: None,
            members: None,
            name: name.into(),
            tenant: None,
            times: None,
        }
    }

    /// The prefix of the identifiers of a resource type.
    pub(super) fn prefix(&self, kind: &str) -> String {
        match &self.id_prefix {
            Some(prefix) => prefix.clone(),
            None if self.id.key_type == KeyType::Integer && kind != "User" => {
                format!("{}-", kind.to_lowercase())
            }
            None => String::new(),
        }
    }
}

/// A table before it is checked, and its position.
#[derive(Debug, Clone)]
pub(super) struct TableDraft {
    pub(super) position: Option<SourcePosition>,
    pub(super) table: Table,
}

impl TableDraft {
    pub(super) fn problem(&self, kind: &str, detail: impl Into<String>) -> MappingProblem {
        let problem = MappingProblem::new(self.position, detail);
        problem.with_rule(&format!("table of {kind}"))
    }
}
