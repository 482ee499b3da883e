//! Rules as they are written, before anything is known of schemas.

use serde_json::Value;

use super::Transform;

/// What becomes of an attribute that no rule reaches.
///
/// `externalId`, `active` and memberships are kept in any case, unless a rule maps them: without them an
/// identity provider can neither recognise, disable nor group people. So is what the schema requires,
/// such as `userName`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unmapped {
    /// It is kept as it was sent.
    #[default]
    Keep,
    /// It is left out, and told for counting.
    Drop,
    /// The request is refused: `invalidValue`.
    Refuse,
}

/// What a host keeps under one name: a field or a column.
///
/// # Example
/// ```
/// use scimkit_mapping::{Field, FieldType};
///
/// let email = Field::new(FieldType::Text).unique().filterable();
/// assert!(email.unique && email.filterable);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Field {
    /// What its values are.
    pub data_type: FieldType,
    /// Whether the host finds what has a value in it.
    pub filterable: bool,
    /// Whether every row has its text folded, so that SQL may compare it as it is: see
    /// [`check_folded`](super::check_folded).
    pub folded: bool,
    /// Whether no two have the same value in it.
    pub unique: bool,
}

impl Field {
    /// A field that can neither be filtered on nor is unique.
    #[must_use]
    pub fn new(data_type: FieldType) -> Self {
        Field {
            data_type,
            filterable: false,
            folded: false,
            unique: false,
        }
    }

    /// Declares that the text of the field is folded in every row, including rows from before the mapping.
    #[must_use]
    pub fn folded(mut self) -> Self {
        self.folded = true;
        self
    }

    /// One that can be filtered on.
    #[must_use]
    pub fn filterable(mut self) -> Self {
        self.filterable = true;
        self
    }

    /// One in which no two have the same value.
    #[must_use]
    pub fn unique(mut self) -> Self {
        self.unique = true;
        self
    }
}

/// What the values of a host's field are, as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldType {
    /// `true` or `false`.
    Boolean,
    /// A calendar date: `"2022-04-04"`.
    Date,
    /// A number.
    Decimal,
    /// A moment: `"2022-04-04T04:23:30Z"`.
    Instant,
    /// A whole number.
    Integer,
    /// Any JSON: what multi-valued and complex attributes are mapped to.
    Json,
    /// Text.
    Text,
}

impl FieldType {
    pub(super) const NAMES: [(&'static str, FieldType); 7] = [
        ("boolean", FieldType::Boolean),
        ("date", FieldType::Date),
        ("decimal", FieldType::Decimal),
        ("instant", FieldType::Instant),
        ("integer", FieldType::Integer),
        ("json", FieldType::Json),
        ("text", FieldType::Text),
    ];

    /// The name that it has in a file.
    #[must_use]
    pub fn name(self) -> &'static str {
        let known = Self::NAMES.iter().find(|(_, known)| *known == self);
        known.map_or("", |(name, _)| *name)
    }

    /// Whether values of `other` may be kept in a field of this type.
    pub(super) fn holds(self, other: FieldType) -> bool {
        use FieldType::{Date, Decimal, Instant, Integer, Json, Text};
        self == other
            || matches!(
                (self, other),
                (Json, _) | (Text, Date | Instant) | (Decimal, Integer)
            )
    }
}

/// One rule of a mapping: what SCIM calls so, the host keeps there.
///
/// It is checked when the [`Mapping`](super::Mapping) is built.
///
/// # Example
/// ```
/// use scimkit_mapping::{Rule, Transform};
/// use scimkit_mapping::Mapping;
/// use scimkit_registry::Registry;
/// use serde_json::json;
///
/// let mapping = Mapping::builder()
///     .rule("User", Rule::of("userName").to("email").through(Transform::Trim).required())
///     .rule("User", Rule::joined(["name.givenName", "name.familyName"], " ").to("full_name"))
///     .rule("User", Rule::for_host("source").constant("scim"))
///     .build(&Registry::standard())
///     .unwrap();
/// let registry = Registry::standard();
/// let user = registry.by_name("User").unwrap();
/// let body = json!({"userName": " b@x.org ", "name": {"givenName": "Babs", "familyName": "Jensen"}});
/// let babs = user.admit(body, &scimkit_registry::Tolerance::DEFAULT)?;
/// let record = mapping.of("User").unwrap().to_host(&babs)?;
/// assert_eq!(json!(record), json!({"email": "b@x.org", "full_name": "Babs Jensen", "source": "scim"}));
///
/// let twice = Mapping::builder()
///     .rule("User", Rule::of("title").to("job"))
///     .rule("User", Rule::of("userType").to("job"));
/// assert!(twice.build(&registry).is_err());
/// # Ok::<(), scimkit_registry::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rule {
    pub(super) constant: Option<Value>,
    pub(super) default: Option<Value>,
    pub(super) empty_is_unset: bool,
    pub(super) host: Option<String>,
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

impl Rule {
    /// A rule about what a SCIM path names: an attribute, or `emails[type eq "work"].value`.
    #[must_use]
    pub fn of(path: impl Into<String>) -> Self {
        Rule {
            scim: vec![path.into()],
            ..Rule::default()
        }
    }

    /// A rule about several SCIM paths whose values are one text of the host's, with a separator
    /// between them.
    #[must_use]
    pub fn joined<P: Into<String>>(
        paths: impl IntoIterator<Item = P>,
        separator: impl Into<String>,
    ) -> Self {
        Rule {
            join: Some(separator.into()),
            scim: paths.into_iter().map(Into::into).collect(),
            ..Rule::default()
        }
    }

    /// A rule about a field that no SCIM path leads to: it gets a constant, or what a template
    /// makes of several paths.
    #[must_use]
    pub fn for_host(field: impl Into<String>) -> Self {
        Rule::default().to(field)
    }

    /// The field or column on the host's side.
    #[must_use]
    pub fn to(mut self, field: impl Into<String>) -> Self {
        self.host = Some(field.into());
        self
    }

    /// One more transform: applied in this order towards the host, undone in the reverse order.
    #[must_use]
    pub fn through(mut self, transform: Transform) -> Self {
        self.transforms.push(transform);
        self
    }

    /// Always this value: on the host's side where there is one, else on SCIM's.
    #[must_use]
    pub fn constant(mut self, value: impl Into<Value>) -> Self {
        self.constant = Some(value.into());
        self
    }

    /// The SCIM value that a created resource gets when it comes without.
    #[must_use]
    pub fn or_else(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        self
    }

    /// The column that holds the folded value, for SQL to compare.
    #[must_use]
    pub fn key(mut self, column: impl Into<String>) -> Self {
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

    /// Sets which of several joined paths a text without the separator belongs to; by default the first.
    ///
    /// # Example
    /// ```
    /// use scimkit_mapping::Rule;
    /// use scimkit_mapping::Mapping;
    /// use scimkit_registry::{Registry, Resource};
    /// use serde_json::json;
    ///
    /// let names = ["name.givenName", "name.familyName"];
    /// let rule = Rule::joined(names, " ").to("full_name").with_single("name.familyName");
    /// let mapping = Mapping::builder().rule("User", rule).build(&Registry::standard()).unwrap();
    /// let record = json!({"full_name": "Jensen"});
    /// let user = mapping.of("User").unwrap();
    /// let jensen = user.to_scim(record.as_object().unwrap(), Resource::default())?;
    /// assert_eq!(jensen.as_map()["name"], json!({"familyName": "Jensen"}));
    /// # Ok::<(), scimkit_registry::Error>(())
    /// ```
    #[must_use]
    pub fn with_single(mut self, path: impl Into<String>) -> Self {
        self.single = Some(path.into());
        self
    }

    /// By this the host's records are matched with what an identity provider creates.
    #[must_use]
    pub fn matching(mut self) -> Self {
        self.matching = true;
        self
    }

    /// Clients can't write it: the value comes from the host.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// A created resource must have it, and it can't be unset.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Text with slots: of fields, `{first} {last}`, for a SCIM path; of SCIM paths,
    /// `{name.givenName} {name.familyName}`, for a field.
    #[must_use]
    pub fn template(mut self, text: impl Into<String>) -> Self {
        self.template = Some(text.into());
        self
    }

    /// The host takes it, but does not give it back.
    #[must_use]
    pub fn write_only(mut self) -> Self {
        self.write_only = true;
        self
    }
}
