//! From SCIM to the fields of the application: whole resources and changes.

use std::collections::BTreeMap;

use scimkit_registry::{
    AttributeRole, Change, EdgeEdit, RequestError, Resource, ResourceId, fold_case,
};
use serde_json::Value;

use super::{
    Record, TypeMapping,
    bound_path::{Members, applied},
    bound_rule::{BoundRule, Form},
};

/// The change of one field.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every application must apply every edit"
)]
pub enum FieldEdit {
    /// The field holds the ids of members, and gains and loses some of them.
    Members {
        /// The ids to add.
        add: Vec<ResourceId>,
        /// The ids to remove.
        remove: Vec<ResourceId>,
    },
    /// The field has this value.
    Set(Value),
    /// The field has no value.
    Unset,
}

impl TypeMapping {
    /// Returns the record of a resource: a value for each field that a rule writes, and folded text for
    /// each `key` column. Fields without a value are left out.
    ///
    /// # Errors
    /// `invalidValue` for a value that a transform rejects.
    ///
    /// # Example
    /// See [`MappingRule`](super::MappingRule).
    pub fn to_record(&self, resource: &Resource) -> Result<Record, RequestError> {
        let mut record = Record::new();
        for rule in self.rules.iter().filter(|rule| rule.writes_field()) {
            if let (Some(field), Some(value)) =
                (rule.field(), rule.field_value(&self.kind, resource)?)
            {
                if let (Some(key), Some(text)) = (&rule.rule.key, value.as_str()) {
                    record.insert(key.clone(), Value::from(fold_case(text).into_owned()));
                }
                record.insert(field.to_owned(), value);
            }
        }
        Ok(record)
    }

    /// Returns the edits of fields for a change: only of fields whose SCIM value changes.
    ///
    /// - `before` is the document before the change, `None` for a new resource.
    /// - Constants are set for a new resource only.
    /// - An attribute that is never returned is set whenever the change sets it, since no document holds
    ///   its former value.
    ///
    /// # Errors
    /// - `invalidValue` for a value that a transform rejects
    /// - `invalidSyntax` for a change of another resource type
    ///
    /// # Example
    /// ```
    /// use std::sync::Arc;
    /// use scimkit_mapping::{FieldEdit, Mapping, MappingRule};
    /// use scimkit_registry::{Change, Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let mapping = Mapping::builder()
    ///     .rule("User", MappingRule::new(r#"emails[type eq "work"].value"#).with_field("work_email"))
    ///     .rule("User", MappingRule::new("title").with_field("job_title"))
    ///     .build(&registry)
    ///     .unwrap();
    /// let before = json!({"title": "Dr", "emails": [{"type": "work", "value": "a@x.org"}]});
    /// let before = user.admit(before, &Tolerance::DEFAULT)?;
    /// let emails = user.attribute_id("emails").unwrap();
    /// let mut change = Change::empty(Arc::clone(user));
    /// let after = json!([{"type": "home", "value": "h@x.org"}]);
    /// change.difference(emails, before.get(user, emails), Some(after));
    ///
    /// let edits = mapping.for_type("User").unwrap().field_edits(&change, Some(&before))?;
    /// assert_eq!(edits.into_iter().collect::<Vec<_>>(), [("work_email".into(), FieldEdit::Unset)]);
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    pub fn field_edits(
        &self,
        change: &Change,
        before: Option<&Resource>,
    ) -> Result<BTreeMap<String, FieldEdit>, RequestError> {
        self.check_kind(change)?;
        let after = applied(before, change, self.sees_members());
        let mut edits = BTreeMap::new();
        for rule in self.rules.iter().filter(|rule| rule.writes_field()) {
            let Some(field) = rule.field() else { continue };
            let edit = match self.members_edit(rule, change) {
                Some(edit) => edit,
                None if !self.touches(rule, change, before, &after) => continue,
                None => match rule.field_value(&self.kind, &after)? {
                    Some(value) => FieldEdit::Set(value),
                    None if rule.rule.empty_is_unset => FieldEdit::Set(Value::from("")),
                    None => FieldEdit::Unset,
                },
            };
            if let Some(key) = &rule.rule.key {
                let folded = match &edit {
                    FieldEdit::Set(Value::String(text)) => {
                        FieldEdit::Set(Value::from(fold_case(text).into_owned()))
                    }
                    _ => FieldEdit::Unset,
                };
                edits.insert(key.clone(), folded);
            }
            edits.insert(field.to_owned(), edit);
        }
        Ok(edits)
    }

    /// Whether a rule reads memberships.
    pub(super) fn sees_members(&self) -> Members {
        let sees = |rule: &BoundRule| {
            let mut paths = rule.paths.iter();
            paths.any(|path| self.kind.attr(path.attr).role() == AttributeRole::Membership)
        };
        if self.rules.iter().any(sees) {
            Members::Shown
        } else {
            Members::Left
        }
    }

    /// Whether a change affects the value of the rule.
    fn touches(
        &self,
        rule: &BoundRule,
        change: &Change,
        before: Option<&Resource>,
        after: &Resource,
    ) -> bool {
        if matches!(rule.form, Form::Constant(_)) {
            return before.is_none();
        }
        let differs = rule.paths.iter().any(|path| {
            let was = before.and_then(|before| path.value(&self.kind, before));
            was != path.value(&self.kind, after)
        });
        let secret = rule.paths.iter().any(|path| {
            let mut written = change
                .assignments()
                .iter()
                .map(|(id, _)| id)
                .chain(change.removals());
            path.valued(&self.kind).is_never_returned() && written.any(|id| *id == path.attr)
        });
        // Different values can convert to the same field, such as a name that moved between joined paths.
        let same = |before: &Resource| {
            let was = rule.field_value(&self.kind, before);
            let is = rule.field_value(&self.kind, after);
            matches!((was, is), (Ok(was), Ok(is)) if was == is)
        };
        secret || (differs && !before.is_some_and(same))
    }

    fn members_edit(&self, rule: &BoundRule, change: &Change) -> Option<FieldEdit> {
        let path = rule.paths.first()?;
        let edges = change
            .edge_changes()
            .iter()
            .find(|edges| edges.attr == path.attr)?;
        Some(match &edges.edit {
            EdgeEdit::Delta { add, remove } => FieldEdit::Members {
                add: add.iter().map(|edge| edge.id.clone()).collect(),
                remove: remove.clone(),
            },
            EdgeEdit::Replace(edges) if edges.is_empty() => FieldEdit::Unset,
            EdgeEdit::Replace(edges) => {
                FieldEdit::Set(edges.iter().map(|edge| edge.id.as_str()).collect())
            }
        })
    }
}
