//! Maps SCIM attributes to the fields of an application, and back.
//!
//! ```
//! use scimkit_mapping::Mapping;
//! use scimkit_registry::{Registry, Tolerance};
//! use serde_json::json;
//!
//! let registry = Registry::standard();
//! let mapping = Mapping::builder().text(r#"
//!     [[User.map]]
//!     scim = "userName"
//!     field = "email"
//!     transform = ["trim", "fold"]
//!
//!     [[User.map]]
//!     scim = "active"
//!     field = "state"
//!     transform = [{ values = { true = "enabled", false = "disabled" } }]
//! "#).build(&registry)?;
//! let user = registry.resource_type("User").unwrap();
//! let babs = user.admit(json!({"userName": "Babs@X.org", "active": false}), &Tolerance::DEFAULT)?;
//! let user_mapping = mapping.for_type("User").unwrap();
//! let record = user_mapping.to_record(&babs)?;
//! assert_eq!(json!(record), json!({"email": "babs@x.org", "state": "disabled"}));
//! assert_eq!(user_mapping.to_resource(&record, babs.clone())?, babs);
//!
//! let text = "[[User.map]]\nscim = 'userNam'\nfield = 'email'";
//! let error = Mapping::builder().text(text).build(&registry).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "2:8: rule 1 of User: unknown attribute `userNam`, did you mean `userName`?"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`Mapping::builder`]: rules from TOML (feature `toml`), JSON and code; [`MappingBuilder::build`]
//!   checks them together
//! - [`TypeMapping::to_record`], [`TypeMapping::field_edits`]: from SCIM to the fields of the application
//! - [`TypeMapping::to_resource`]: from the fields to SCIM
//! - [`TypeMapping::filter_change`]: which part of a change is accepted
//! - [`MatchingAttributes`]: which attributes find an existing resource
//! - [`Table`]: the application's table with the resources of a type, for `scimkit_tables::TableStore`
//! - `MappingFile` (feature `edit`): a mapping file whose lines are set one by one
//! - [`Mapping::supported_registry`]: the schemas reduced to what a mapping supports
//!
//! Guide: [Attribute mapping](https://docs.rs/scimkit/latest/scimkit/guide/mapping/index.html) describes the file format.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod bound_path;
mod bound_rule;
mod country;
mod coverage;
mod date;
mod field_rows;
mod file_reader;
mod file_rows;
mod file_rules;
mod file_table;
mod file_tree;
mod filter_change;
mod fold_check;
mod json_file;
mod mappable_paths;
mod mapping_builder;
mod mapping_error;
#[cfg(feature = "edit")]
mod mapping_file;
mod mapping_rule;
mod matching_attributes;
mod path_overlap;
mod phone;
mod record_printer;
mod rule_checker;
mod rule_checks;
mod rule_options;
mod supported_registry;
mod table;
mod table_checks;
mod table_conflicts;
mod template;
mod template_cycles;
mod to_record;
mod to_resource;
#[cfg(feature = "toml")]
mod toml_file;
mod transform;
mod transform_steps;

use std::sync::Arc;

use bound_rule::BoundRule;
pub use bound_rule::Record;
pub use country::CountryForm;
pub use date::DateForm;
pub use field_rows::{FieldRows, RowColumn};
pub use filter_change::{ChangeKind, FilteredChange};
pub use fold_check::{FoldReport, RowText, check_folded};
pub use mappable_paths::{MappablePath, mappable_paths};
pub use mapping_builder::MappingBuilder;
pub use mapping_error::{MappingError, MappingProblem, SourcePosition};
#[cfg(feature = "edit")]
pub use mapping_file::MappingFile;
pub use mapping_rule::{Field, FieldType, MappingRule, UnmappedPolicy};
pub use matching_attributes::MatchingAttributes;
pub use phone::PhoneForm;
pub use record_printer::RecordPrinter;
use scimkit_registry::{AttrId, Change, RequestError, RequestErrorKind, Resource, ResourceType};
/// JSON values.
#[doc(no_inline)]
pub use serde_json;
use serde_json::Value;
pub use table::{KeyColumn, KeyType, MemberTable, Table, TimeColumns, TimeForm};
pub use to_record::FieldEdit;
pub use transform::{CustomTransform, Transform, ValuePair};

/// The mappings of the resource types of one [`Registry`](scimkit_registry::Registry).
///
/// A mapping is built for the resource types of one registry: a change of another registry's type is
/// an error.
///
/// # Example
/// See the [crate documentation](crate).
#[derive(Debug, Clone)]
pub struct Mapping {
    types: Vec<TypeMapping>,
    warnings: Vec<MappingProblem>,
}

impl Mapping {
    /// Returns a builder that collects rules from files and from code.
    #[must_use]
    pub fn builder() -> MappingBuilder {
        MappingBuilder::default()
    }

    /// Returns the mapping of the resource type with this name, ignoring case; `None` if it has no rules.
    #[must_use]
    pub fn for_type(&self, resource_type: &str) -> Option<&TypeMapping> {
        self.types
            .iter()
            .find(|t| t.kind.name().eq_ignore_ascii_case(resource_type))
    }

    /// Returns the warnings: rules that are allowed but probably unintended, in the order of the file.
    ///
    /// # Example
    /// ```
    /// use scimkit_mapping::{Mapping, MappingRule};
    /// use scimkit_registry::Registry;
    ///
    /// let names = ["name.givenName", "name.familyName"];
    /// let rule = MappingRule::joined(names, " ").with_field("full_name");
    /// let build = |rule| Mapping::builder().rule("User", rule).build(&Registry::standard()).unwrap();
    /// assert_eq!(build(rule.clone()).warnings().len(), 1);
    /// assert!(build(rule.with_single("name.familyName")).warnings().is_empty());
    /// ```
    #[must_use]
    pub fn warnings(&self) -> &[MappingProblem] {
        &self.warnings
    }

    /// Returns the mapping of each resource type that has rules, in the order of the file.
    #[must_use]
    pub fn types(&self) -> &[TypeMapping] {
        &self.types
    }
}

/// The mapping of one resource type.
///
/// # Example
/// See the [crate documentation](crate).
#[derive(Debug, Clone)]
pub struct TypeMapping {
    fields: Vec<Field>,
    kind: Arc<ResourceType>,
    matching: MatchingAttributes,
    // INVARIANT: no two rules write one field, or two SCIM paths that can be one value.
    rules: Vec<BoundRule>,
    table: Option<Box<Table>>,
    unmapped: UnmappedPolicy,
}

impl TypeMapping {
    /// Returns the fields of the application: the declared ones, or those that the rules name.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Returns the resource type.
    #[must_use]
    pub fn kind(&self) -> &Arc<ResourceType> {
        &self.kind
    }

    /// The matching attributes; without any in the mapping, [`MatchingAttributes::default_for`].
    #[must_use]
    pub fn matching(&self) -> &MatchingAttributes {
        &self.matching
    }

    /// Returns the application's table, if the mapping names one.
    #[must_use]
    pub fn table(&self) -> Option<&Table> {
        self.table.as_deref()
    }

    /// Returns the policy for attributes that no rule maps.
    #[must_use]
    pub fn unmapped(&self) -> UnmappedPolicy {
        self.unmapped
    }

    /// Returns the rules, in the order of the file.
    pub fn rules(&self) -> impl Iterator<Item = CheckedRule<'_>> {
        let kind = &*self.kind;
        self.rules
            .iter()
            .map(move |bound| CheckedRule { bound, kind })
    }

    fn check_kind(&self, change: &Change) -> Result<(), RequestError> {
        let kind = change.kind();
        if Arc::ptr_eq(kind, &self.kind)
            || (kind.name() == self.kind.name() && kind.fingerprint() == self.kind.fingerprint())
        {
            return Ok(());
        }
        let detail = format!(
            "the change of a {} does not fit the mapping of {}: use the registry that the mapping was built for",
            kind.name(),
            self.kind.name()
        );
        Err(RequestError::new(RequestErrorKind::Syntax, detail))
    }
}

/// A column that SQL can compare: see [`CheckedRule::comparable_column`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct ComparableColumn<'a> {
    /// The attribute whose values the column holds.
    pub attr: AttrId,
    /// The name of the column.
    pub column: &'a str,
    /// The form of the values in the column.
    pub form: ColumnForm<'a>,
}

/// The form of the values in a column that SQL can compare.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "code that compares a column must handle every form"
)]
pub enum ColumnForm<'a> {
    /// The values themselves.
    Plain,
    /// The time since which a boolean has this value, and no value while it has the other one.
    Since(bool),
    /// Other values for the values of a boolean. Any other value is none.
    Values(&'a [ValuePair]),
}

/// The value of a field that stands for the time of the write: see [`Transform::Since`].
pub const NOW: &str = "now";

/// One rule of a built mapping.
#[derive(Debug, Clone, Copy)]
pub struct CheckedRule<'a> {
    bound: &'a BoundRule,
    kind: &'a ResourceType,
}

impl<'a> CheckedRule<'a> {
    /// Returns the column that SQL can compare with filter values as they are, and its attribute.
    ///
    /// - The rule has one path with one value, and transforms that leave a value unchanged on its way
    ///   back to SCIM.
    /// - Booleans and integers have no transforms.
    /// - Text belongs to a case-exact attribute, or is folded in every row: in a field that is
    ///   declared [`folded`](Field::folded), or in a `key` column.
    ///
    /// The column holds values as [`Scalar::of`](scimkit_registry::Scalar::of) makes them: see
    /// `scimkit_sql::MappedTable`.
    #[must_use]
    pub fn comparable_column(self) -> Option<ComparableColumn<'a>> {
        self.bound.comparable_column(self.kind)
    }

    /// Whether empty text in the field stands for no value.
    #[must_use]
    pub fn is_empty_unset(self) -> bool {
        self.bound.rule.empty_is_unset
    }

    /// Returns the value that the rule writes to its field; `None` if it writes no field, or if the
    /// resource has no value for it.
    ///
    /// # Errors
    /// `invalidValue` for a value that the transforms reject.
    pub fn field_value(self, resource: &Resource) -> Result<Option<Value>, RequestError> {
        if self.bound.writes_field() {
            self.bound.field_value(self.kind, resource)
        } else {
            Ok(None)
        }
    }

    /// Returns the value of the field for an instant of RFC 3339, if the rule maps a boolean to
    /// [the time since which it has a value](Transform::Since).
    ///
    /// # Example
    /// ```
    /// use scimkit_mapping::{Mapping, NOW};
    /// use scimkit_registry::{Registry, Resource, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let mapping = Mapping::builder().text(r#"
    ///     [[User.map]]
    ///     scim = "active"
    ///     field = "disabled_at"
    ///     transform = [{ since = { value = false, form = "seconds" } }]
    /// "#).build(&registry)?;
    /// let users = mapping.for_type("User").unwrap();
    /// let user = registry.resource_type("User").unwrap();
    /// let inactive = user.admit(json!({"active": false}), &Tolerance::DEFAULT)?;
    /// assert_eq!(users.to_record(&inactive)?["disabled_at"], NOW);
    /// let rule = users.rules().next().unwrap();
    /// assert_eq!(rule.time_value("2026-01-01T00:00:00Z"), Some(json!(1_767_225_600)));
    /// let record = json!({"disabled_at": null});
    /// let active = users.to_resource(record.as_object().unwrap(), Resource::default())?;
    /// assert_eq!(active.as_map()["active"], true);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn time_value(self, instant: &str) -> Option<Value> {
        let (form, _) = self.bound.since()?;
        date::to_field(&Value::from(instant), form).ok()
    }

    /// Returns the SCIM value that a new resource gets if it has none.
    #[must_use]
    pub fn default(self) -> Option<&'a Value> {
        self.bound.rule.default.as_ref()
    }

    /// Returns the name of the rule in messages: `rule 3 of User (userName)`.
    #[must_use]
    pub fn label(self) -> &'a str {
        &self.bound.label
    }

    /// Returns the value of each path in a resource.
    #[must_use]
    pub fn values(self, resource: &Resource) -> Vec<Option<Value>> {
        let paths = self.bound.paths.iter();
        paths.map(|path| path.value(self.kind, resource)).collect()
    }

    /// Returns the field of the application, if the rule has one.
    #[must_use]
    pub fn field(self) -> Option<&'a str> {
        self.bound.field()
    }

    /// Returns the SCIM paths in canonical spelling.
    pub fn paths(self) -> impl Iterator<Item = &'a str> {
        self.bound.paths.iter().map(|path| path.text.as_str())
    }

    /// Whether the rule ignores what identity providers write.
    #[must_use]
    pub fn is_read_only(self) -> bool {
        !self.bound.is_writable()
    }

    /// Whether the field is never read.
    #[must_use]
    pub fn is_write_only(self) -> bool {
        !self.bound.writes_attribute()
    }

    /// Whether a new resource must have a value.
    #[must_use]
    pub fn is_required(self) -> bool {
        self.bound.rule.required
    }

    /// Whether the rule maps a matching attribute.
    #[must_use]
    pub fn is_matching(self) -> bool {
        self.bound.rule.matching
    }
}
