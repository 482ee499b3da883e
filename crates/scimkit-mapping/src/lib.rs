//! The one attribute mapping: what SCIM calls so, a host keeps there.
//!
//! ```
//! use scimkit_mapping::Mapping;
//! use scimkit_registry::{Registry, Resource, Tolerance};
//! use serde_json::json;
//!
//! let registry = Registry::standard();
//! let mapping = Mapping::builder().with_file(r#"
//!     [[User.map]]
//!     scim = "userName"
//!     host = "email"
//!     transform = ["trim", "fold"]
//!
//!     [[User.map]]
//!     scim = "active"
//!     host = "state"
//!     transform = [{ values = { true = "enabled", false = "disabled" } }]
//! "#).build(&registry)?;
//! let (user, rules) = (registry.by_name("User").unwrap(), mapping.of("User").unwrap());
//! let babs = user.admit(json!({"userName": "Babs@X.org", "active": false}), &Tolerance::DEFAULT)?;
//! let record = rules.to_host(&babs)?;
//! assert_eq!(json!(record), json!({"email": "babs@x.org", "state": "disabled"}));
//! assert_eq!(rules.to_scim(&record, babs.clone())?, babs);
//!
//! let wrong = Mapping::builder().with_file("[[User.map]]\nscim = 'userNam'\nhost = 'email'").build(&registry);
//! assert_eq!(wrong.unwrap_err().to_string(), "2:8: rule 1 of User: `userNam` is not an attribute of User");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`Mapping::builder`]: rules from TOML, JSON and code, checked together by
//!   [`MappingBuilder::build`]
//! - [`TypeMapping::to_host`], [`TypeMapping::changes`], [`TypeMapping::to_scim`]: both ways
//! - [`TypeMapping::shape`]: what of a change is let through; [`Matching`]: by what a record is recognised
//! - [`Mapping::described`]: the schemas as far as a mapping supports them
//!
//! The format is described in `docs/mapping.md`.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod bound;
mod builder;
mod check;
mod circles;
mod country;
mod date;
mod described;
mod exclusive;
mod folded;
mod from_json;
#[cfg(feature = "toml")]
mod from_toml;
mod host;
mod matching;
mod node;
mod options;
mod phone;
mod problem;
mod read;
mod reader;
mod rule;
mod scim;
mod shape;
mod side;
mod steps;
mod template;
mod transform;

use std::sync::Arc;

pub use bound::Record;
pub use builder::MappingBuilder;
pub use country::CountryForm;
pub use date::DateForm;
pub use folded::{FoldReport, check_folded};
pub use host::FieldEdit;
pub use matching::Matching;
pub use phone::PhoneForm;
pub use problem::{MappingError, Position, Problem};
pub use rule::{Field, FieldType, Rule, Unmapped};
pub use shape::{Occasion, Shaped};
pub use transform::{Closures, Transform};

use serde_json::Value;

use bound::Bound;
use scimkit_registry::{AttrId, Change, Error, ErrorKind, Resource, ResourceType};

/// A mapping of resource types to what a host keeps.
///
/// Made by [`Mapping::builder`], for the resource types of one [`Registry`](scimkit_registry::Registry): a change
/// or resource of another one's must not be given to it.
///
/// # Example
/// See the [module](crate).
#[derive(Debug, Clone)]
pub struct Mapping {
    types: Vec<TypeMapping>,
    warnings: Vec<Problem>,
}

impl Mapping {
    /// Collects rules, from files and from code.
    #[must_use]
    pub fn builder() -> MappingBuilder {
        MappingBuilder::default()
    }

    /// The rules of a resource type, by its name in any case; `None` for one without.
    #[must_use]
    pub fn of(&self, resource_type: &str) -> Option<&TypeMapping> {
        self.types
            .iter()
            .find(|t| t.kind.name().eq_ignore_ascii_case(resource_type))
    }

    /// Returns the warnings: rules that are allowed but probably unintended, in the order of the file.
    ///
    /// # Example
    /// ```
    /// use scimkit_mapping::Rule;
    /// use scimkit_mapping::Mapping;
    /// use scimkit_registry::Registry;
    ///
    /// let names = ["name.givenName", "name.familyName"];
    /// let rule = Rule::joined(names, " ").to("full_name");
    /// let build = |rule| Mapping::builder().rule("User", rule).build(&Registry::standard()).unwrap();
    /// assert_eq!(build(rule.clone()).warnings().len(), 1);
    /// assert!(build(rule.with_single("name.familyName")).warnings().is_empty());
    /// ```
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The resource types that have rules, in the order of the file.
    #[must_use]
    pub fn types(&self) -> &[TypeMapping] {
        &self.types
    }
}

/// The rules of one resource type.
///
/// # Example
/// See the [module](crate).
#[derive(Debug, Clone)]
pub struct TypeMapping {
    fields: Vec<(String, Field)>,
    kind: Arc<ResourceType>,
    matching: Matching,
    // INVARIANT: no two rules write one field, or what can be one value in SCIM.
    rules: Vec<Bound>,
    unmapped: Unmapped,
}

impl TypeMapping {
    /// The host's fields: as declared, or what the rules name.
    pub fn fields(&self) -> impl Iterator<Item = (&str, Field)> {
        self.fields
            .iter()
            .map(|(name, field)| (name.as_str(), *field))
    }

    /// The resource type.
    #[must_use]
    pub fn kind(&self) -> &Arc<ResourceType> {
        &self.kind
    }

    /// The matching attributes; without any in the mapping, [`Matching::usual`].
    #[must_use]
    pub fn matching(&self) -> &Matching {
        &self.matching
    }

    /// What becomes of what no rule reaches.
    #[must_use]
    pub fn unmapped(&self) -> Unmapped {
        self.unmapped
    }

    /// The rules, in the order of the file.
    pub fn rules(&self) -> impl Iterator<Item = MappedRule<'_>> {
        let kind = &*self.kind;
        self.rules
            .iter()
            .map(move |bound| MappedRule { bound, kind })
    }

    fn check_kind(&self, change: &Change) -> Result<(), Error> {
        let kind = change.kind();
        if Arc::ptr_eq(kind, &self.kind)
            || (kind.name() == self.kind.name() && kind.fingerprint() == self.kind.fingerprint())
        {
            return Ok(());
        }
        let (kind, own) = (kind.name(), self.kind.name());
        let detail =
            format!("a change of {kind} does not go with the mapping of {own}, or with its schema");
        Err(Error::new(ErrorKind::Syntax, detail))
    }
}

/// One rule of a mapping that was checked: what explains it.
#[derive(Debug, Clone, Copy)]
pub struct MappedRule<'a> {
    bound: &'a Bound,
    kind: &'a ResourceType,
}

impl<'a> MappedRule<'a> {
    /// The attribute and the column that holds its values as [`Scalar::of`](scimkit_registry::Scalar::of)
    /// makes them, where there is one: see `scimkit_sql::HostTable`.
    ///
    /// - One path, of one value; transforms that leave a value as it is on its way back.
    /// - Booleans and integers, without transforms.
    /// - Text of a case-exact attribute, or text that is folded in every row: a field that is declared
    ///   [`folded`](Field::folded), or a `key` column.
    #[must_use]
    pub fn comparable(self) -> Option<(AttrId, &'a str)> {
        self.bound.comparable(self.kind)
    }

    /// Whether empty text in its field stands for no value.
    #[must_use]
    pub fn is_empty_unset(self) -> bool {
        self.bound.rule.empty_is_unset
    }

    /// What it gives to its field; `None` when it writes none, or when the resource has nothing
    /// for it.
    ///
    /// # Errors
    /// `invalidValue` for a value that it can't transform.
    pub fn field_value(self, resource: &Resource) -> Result<Option<Value>, Error> {
        match self.bound.writes_host() {
            true => self.bound.host_value(self.kind, resource),
            false => Ok(None),
        }
    }

    /// The default of what is created.
    #[must_use]
    pub fn default(self) -> Option<&'a Value> {
        self.bound.rule.default.as_ref()
    }

    /// How it is called in messages: `rule 3 of User (userName)`.
    #[must_use]
    pub fn label(self) -> &'a str {
        &self.bound.label
    }

    /// The value of each of its paths.
    #[must_use]
    pub fn values(self, resource: &Resource) -> Vec<Option<Value>> {
        let sides = self.bound.sides.iter();
        sides.map(|side| side.value(self.kind, resource)).collect()
    }

    /// The field on the host's side, when it has one.
    #[must_use]
    pub fn host(self) -> Option<&'a str> {
        self.bound.host()
    }

    /// The canonical SCIM paths.
    pub fn paths(self) -> impl Iterator<Item = &'a str> {
        self.bound.sides.iter().map(|side| side.path.as_str())
    }

    /// Whether clients can't write its SCIM side.
    #[must_use]
    pub fn is_read_only(self) -> bool {
        !self.bound.is_writable()
    }

    /// Whether the host does not give it back.
    #[must_use]
    pub fn is_write_only(self) -> bool {
        !self.bound.writes_scim()
    }

    /// Whether a created resource must have it.
    #[must_use]
    pub fn is_required(self) -> bool {
        self.bound.rule.required
    }

    /// Whether a host's records are matched by it.
    #[must_use]
    pub fn is_matching(self) -> bool {
        self.bound.rule.matching
    }
}
