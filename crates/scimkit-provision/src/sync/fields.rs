//! The fields that a connection delivers.

use std::collections::{BTreeMap, BTreeSet};

use scimkit_mapping::{NOW, Record, TypeMapping};
use scimkit_registry::{RequestError, Resource, fold_case};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The fields of a directory that a connection delivers, from its attribute mapping.
///
/// - A field that no rule writes is never touched.
/// - A constant is set by a create only.
/// - A field that holds the [time](scimkit_mapping::Transform::Since) since which a boolean has a value is equal to any
///   other time.
/// - The matching fields are those of the matching attributes. Without any, they are those of `userName` for users and
///   of `displayName` for groups.
#[derive(Debug, Clone)]
pub struct DeliveredFields {
    fields: BTreeMap<String, FieldRule>,
    mapping: TypeMapping,
    matching: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
struct FieldRule {
    form: Form,
    is_empty_unset: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Constant,
    Time,
    Value,
}

/// The difference of one field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Difference {
    /// The value after the step; none if the step clears the field.
    pub after: Option<Value>,
    /// The value before; none without a value.
    pub before: Option<Value>,
    /// The name of the field.
    pub field: String,
}

impl DeliveredFields {
    /// Reads the fields of a mapping.
    #[must_use]
    pub fn new(mapping: &TypeMapping) -> Self {
        let mut fields = BTreeMap::new();
        let mut matching = Vec::new();
        let paths = match mapping.matching().paths() {
            [] if mapping.kind().name() == "Group" => vec!["displayName"],
            paths => paths.iter().map(String::as_str).collect(),
        };
        for rule in mapping.rules() {
            // A constant is read-only for identity providers, but has no path.
            let is_written = !rule.is_read_only() || rule.paths().next().is_none();
            let Some(field) = rule.field().filter(|_| is_written) else {
                continue;
            };
            let form = if rule.time_value("1970-01-01T00:00:00Z").is_some() {
                Form::Time
            } else if rule.paths().next().is_none() {
                Form::Constant
            } else {
                Form::Value
            };
            let is_empty_unset = rule.is_empty_unset();
            let known = FieldRule {
                form,
                is_empty_unset,
            };
            fields.insert(field.to_owned(), known);
            let mut matched = paths.iter();
            if rule
                .paths()
                .any(|path| matched.any(|wanted| wanted.eq_ignore_ascii_case(path)))
            {
                matching.push(field.to_owned());
            }
        }
        DeliveredFields {
            fields,
            mapping: mapping.clone(),
            matching,
        }
    }

    /// Returns the names of the matching fields.
    #[must_use]
    pub fn matching(&self) -> &[String] {
        &self.matching
    }

    /// Returns the names of all delivered fields.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(String::as_str)
    }

    /// Returns the record of a resource: the delivered fields that have a value.
    ///
    /// # Errors
    /// `invalidValue` for a value that a transform rejects.
    pub fn record(&self, resource: &Resource) -> Result<Record, RequestError> {
        let record = self.mapping.to_record(resource)?;
        let delivered = record
            .into_iter()
            .filter(|(name, value)| self.value(name, Some(value)).is_some());
        Ok(delivered.collect())
    }

    /// Returns the path of a required attribute that a resource has no value of.
    pub(super) fn missing(&self, resource: &Resource) -> Option<&str> {
        let mut required = self.mapping.rules().filter(|rule| rule.is_required());
        let missing = required.find(|rule| {
            let values = rule.values(resource);
            rule.default().is_none() && values.iter().all(Option::is_none)
        })?;
        missing.paths().next()
    }

    /// Returns the delivered value of a field; none for a field that is not delivered, and without a value.
    fn value<'v>(&self, name: &str, value: Option<&'v Value>) -> Option<&'v Value> {
        let rule = self.fields.get(name)?;
        value.filter(|value| match value {
            Value::Null => false,
            Value::String(text) => !(rule.is_empty_unset && text.is_empty()),
            _ => true,
        })
    }

    /// Returns the differences of a create.
    pub(super) fn create(desired: &Record) -> Vec<Difference> {
        let set = |(field, value): (&String, &Value)| Difference {
            after: Some(value.clone()),
            before: None,
            field: field.clone(),
        };
        let mut differences: Vec<_> = desired.iter().map(set).collect();
        differences.sort_by(|a, b| a.field.cmp(&b.field));
        differences
    }

    /// Returns the differences between the record that the identity provider wants and the directory's current one.
    ///
    /// A field that has been `delivered` before and has no value now is cleared; one that was never delivered is kept.
    pub(super) fn differences(
        &self,
        desired: &Record,
        delivered: &BTreeSet<String>,
        current: &Record,
    ) -> Vec<Difference> {
        let mut differences = Vec::new();
        for (field, rule) in &self.fields {
            let before = self.value(field, current.get(field));
            let after = desired.get(field);
            let is_different = match (rule.form, before, after) {
                (Form::Constant, _, _) | (_, None, None) => false,
                (_, Some(_), None) => delivered.contains(field),
                (_, None, Some(_)) => true,
                (Form::Time, Some(_), Some(after)) if after == NOW => false,
                (_, Some(before), Some(after)) => before != after,
            };
            if is_different {
                differences.push(Difference {
                    after: after.cloned(),
                    before: before.cloned(),
                    field: field.clone(),
                });
            }
        }
        differences
    }

    /// Returns the values by which a record matches.
    pub(super) fn match_keys(&self, record: &Record) -> Vec<MatchKey> {
        let key = |field: &String| MatchKey::folded(field, record.get(field)?.as_str()?);
        self.matching.iter().filter_map(key).collect()
    }
}

/// A value of a field by which records match.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MatchKey {
    field: String,
    is_folded: bool,
    value: String,
}

impl MatchKey {
    /// Matches text without regard to case, as SCIM compares it; none for blank text.
    pub(super) fn folded(field: &str, text: &str) -> Option<Self> {
        let value = fold_case(text.trim()).into_owned();
        let is_folded = true;
        let field = field.to_owned();
        let is_blank = value.is_empty();
        Some(MatchKey {
            field,
            is_folded,
            value,
        })
        .filter(|_| !is_blank)
    }

    /// Matches exactly this text.
    pub(super) fn exact(field: &str, text: &str) -> Self {
        MatchKey {
            field: field.to_owned(),
            is_folded: false,
            value: text.to_owned(),
        }
    }

    /// Returns the fields of the keys.
    pub(super) fn fields<'k>(keys: impl Iterator<Item = &'k MatchKey>) -> BTreeSet<MatchField> {
        keys.map(|key| MatchField {
            field: key.field.clone(),
            is_folded: key.is_folded,
        })
        .collect()
    }
}

/// A field that is compared, and how.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MatchField {
    field: String,
    is_folded: bool,
}

impl MatchField {
    /// Returns the key of a record.
    pub(super) fn key(&self, record: &Record) -> Option<MatchKey> {
        let text = record.get(&self.field)?.as_str()?;
        if self.is_folded {
            MatchKey::folded(&self.field, text)
        } else {
            Some(MatchKey::exact(&self.field, text))
        }
    }
}
