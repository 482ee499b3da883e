//! Rules as they are written, before they are checked against the schemas.

use serde_json::Value;

use super::{FieldRows, Transform};

/// The policy for attributes that no rule maps.
///
/// `externalId`, `active` and memberships are always stored unless a rule maps them: without them an
/// identity provider can't find, deactivate or group users. Attributes that the schema requires, such
/// as `userName`, are always stored, too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnmappedPolicy {
    /// The attribute is stored as it was sent.
    #[default]
    Keep,
    /// The attribute is removed and counted.
    Drop,
    /// The request is rejected with `invalidValue`.
    Reject,
}

/// One field or column of the application.
///
/// # Example
/// ```
/// use scimkit_mapping::{Field, FieldType};
///
/// let email = Field::new("email", FieldType::Text).unique().filterable();
/// assert!(email.unique && email.filterable);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Field {
    /// The name of the field.
    pub name: String,
    /// The type of its values.
    pub data_type: FieldType,
    /// Whether the application can find records by its values.
    pub filterable: bool,
    /// Whether the text of every row is folded, so that SQL can compare it as it is: see
    /// [`check_folded`](super::check_folded).
    pub folded: bool,
    /// The table whose rows are the values; none if the field is a column.
    pub rows: Option<FieldRows>,
    /// Whether no two records have the same value.
    pub unique: bool,
}

impl Field {
    /// Returns a field that is neither filterable nor unique.
    #[must_use]
    pub fn new(name: impl Into<String>, data_type: FieldType) -> Self {
        Field {
            name: name.into(),
            data_type,
            filterable: false,
            folded: false,
            rows: None,
            unique: false,
        }
    }

    /// Returns a field whose values are rows of another table.
    #[must_use]
    pub fn in_rows(name: impl Into<String>, rows: FieldRows) -> Self {
        let mut field = Field::new(name, FieldType::Json);
        field.rows = Some(rows);
        field
    }

    /// Declares that the text of the field is folded in every row, including rows from before the mapping.
    #[must_use]
    pub fn folded(mut self) -> Self {
        self.folded = true;
        self
    }

    /// Declares that the application can find records by the values of the field.
    #[must_use]
    pub fn filterable(mut self) -> Self {
        self.filterable = true;
        self
    }

    /// Declares that no two records have the same value.
    #[must_use]
    pub fn unique(mut self) -> Self {
        self.unique = true;
        self
    }
}

/// The JSON type of a field's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldType {
    /// `true` or `false`.
    Boolean,
    /// A calendar date: `"2022-04-04"`.
    Date,
    /// A number.
    Decimal,
    /// An instant: `"2022-04-04T04:23:30Z"`.
    Instant,
    /// An integer.
    Integer,
    /// Any JSON: the type of multi-valued and complex attributes.
    Json,
    /// Text.
    Text,
}

impl FieldType {
    /// Every type of a field, with its name in a mapping file.
    pub const NAMES: [(&'static str, FieldType); 7] = [
        ("boolean", FieldType::Boolean),
        ("date", FieldType::Date),
        ("decimal", FieldType::Decimal),
        ("instant", FieldType::Instant),
        ("integer", FieldType::Integer),
        ("json", FieldType::Json),
        ("text", FieldType::Text),
    ];

    /// Returns the name of the type in a mapping file.
    #[must_use]
    pub fn name(self) -> &'static str {
        let known = Self::NAMES.iter().find(|(_, known)| *known == self);
        known.map_or("", |(name, _)| *name)
    }

    /// Whether a field of this type can hold values of `other`.
    pub(super) fn holds(self, other: FieldType) -> bool {
        use FieldType::{Date, Decimal, Instant, Integer, Json, Text};
        self == other
            || matches!(
                (self, other),
                (Json, _) | (Text, Date | Instant) | (Decimal, Integer)
            )
    }
}

/// One rule of a mapping: connects SCIM paths to a field of the application.
///
/// [`MappingBuilder::build`](super::MappingBuilder::build) checks the rules.
///
/// # Example
/// ```
/// use scimkit_mapping::{Mapping, MappingRule, Transform};
/// use scimkit_registry::Registry;
/// use serde_json::json;
///
/// let mapping = Mapping::builder()
///     .rule("User", MappingRule::new("userName").with_field("email").with_transform(Transform::Trim).required())
///     .rule("User", MappingRule::joined(["name.givenName", "name.familyName"], " ").with_field("full_name"))
///     .rule("User", MappingRule::for_field("source").with_constant("scim"))
///     .build(&Registry::standard())
///     .unwrap();
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let body = json!({"userName": " b@x.org ", "name": {"givenName": "Babs", "familyName": "Jensen"}});
/// let babs = user.admit(body, &scimkit_registry::Tolerance::DEFAULT)?;
/// let record = mapping.for_type("User").unwrap().to_record(&babs)?;
/// assert_eq!(json!(record), json!({"email": "b@x.org", "full_name": "Babs Jensen", "source": "scim"}));
///
/// let twice = Mapping::builder()
///     .rule("User", MappingRule::new("title").with_field("job"))
///     .rule("User", MappingRule::new("userType").with_field("job"));
/// assert!(twice.build(&registry).is_err());
/// # Ok::<(), scimkit_registry::RequestError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MappingRule {
    pub(super) constant: Option<Value>,
    pub(super) default: Option<Value>,
    pub(super) empty_is_unset: bool,
    pub(super) field: Option<String>,
    pub(super) join: Option<String>,
    pub(super) key: Option<String>,
    pub(super) matching: bool,
    pub(super) read_only: bool,
    pub(super) required: bool,
    pub(super) scim: Vec<String>,
    pub(super) single: Option<String>,
    pub(super) template: Option<String>,
    pub(super) transforms: Vec<Transform>,
    pub(super) write_only: bool,
}

impl MappingRule {
    /// Returns a rule for one SCIM path: an attribute, or `emails[type eq "work"].value`.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        MappingRule {
            scim: vec![path.into()],
            ..MappingRule::default()
        }
    }

    /// Returns a rule that joins the values of several SCIM paths to one text, with a separator
    /// between them.
    #[must_use]
    pub fn joined<P: Into<String>>(
        paths: impl IntoIterator<Item = P>,
        separator: impl Into<String>,
    ) -> Self {
        MappingRule {
            join: Some(separator.into()),
            scim: paths.into_iter().map(Into::into).collect(),
            ..MappingRule::default()
        }
    }

    /// Returns a rule for a field without a SCIM path: a constant or a template gives it a value.
    #[must_use]
    pub fn for_field(field: impl Into<String>) -> Self {
        MappingRule::default().with_field(field)
    }

    /// Sets the field or column of the application.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Appends a transform. Transforms run in this order from SCIM to the field, and in reverse order back.
    #[must_use]
    pub fn with_transform(mut self, transform: Transform) -> Self {
        self.transforms.push(transform);
        self
    }

    /// Sets a constant value: of the field, or of the SCIM path if the rule has no field.
    #[must_use]
    pub fn with_constant(mut self, value: impl Into<Value>) -> Self {
        self.constant = Some(value.into());
        self
    }

    /// Sets the SCIM value that a new resource gets if it has none.
    #[must_use]
    pub fn with_default(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        self
    }

    /// Sets the column that holds the folded value for SQL to compare.
    #[must_use]
    pub fn with_key(mut self, column: impl Into<String>) -> Self {
        self.key = Some(column.into());
        self
    }

    /// Treats empty text in the field as no value: it is read as unset, and an update that unsets the
    /// value writes empty text instead of `null`.
    #[must_use]
    pub fn empty_is_unset(mut self) -> Self {
        self.empty_is_unset = true;
        self
    }

    /// Sets the joined path that a text without the separator belongs to; by default the first.
    ///
    /// # Example
    /// ```
    /// use scimkit_mapping::{Mapping, MappingRule};
    /// use scimkit_registry::{Registry, Resource};
    /// use serde_json::json;
    ///
    /// let names = ["name.givenName", "name.familyName"];
    /// let rule = MappingRule::joined(names, " ").with_field("full_name").with_single("name.familyName");
    /// let mapping = Mapping::builder().rule("User", rule).build(&Registry::standard()).unwrap();
    /// let record = json!({"full_name": "Jensen"});
    /// let user = mapping.for_type("User").unwrap();
    /// let jensen = user.to_resource(record.as_object().unwrap(), Resource::default())?;
    /// assert_eq!(jensen.as_map()["name"], json!({"familyName": "Jensen"}));
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    #[must_use]
    pub fn with_single(mut self, path: impl Into<String>) -> Self {
        self.single = Some(path.into());
        self
    }

    /// Makes the path a matching attribute: it finds the existing resource when an identity provider
    /// creates one.
    #[must_use]
    pub fn matching(mut self) -> Self {
        self.matching = true;
        self
    }

    /// Ignores what identity providers write: the value comes from the application.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Rejects a new resource without a value, and an update that unsets the value.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Sets a text with slots: of fields for a SCIM path, `{first} {last}`; of SCIM paths for a field,
    /// `{name.givenName} {name.familyName}`.
    #[must_use]
    pub fn with_template(mut self, text: impl Into<String>) -> Self {
        self.template = Some(text.into());
        self
    }

    /// Writes the field, but never reads it.
    #[must_use]
    pub fn write_only(mut self) -> Self {
        self.write_only = true;
        self
    }
}
