//! Towards the host: a whole resource, and what a change changes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Record, TypeMapping,
    bound::{Bound, Form},
    side::{Members, applied},
};
use scimkit_registry::{Change, EdgeEdit, Error, Resource, ResourceId, Role, fold};

/// What becomes of one of the host's fields.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every host must carry out every edit"
)]
pub enum FieldEdit {
    /// A membership, of which the field holds the ids, gains and loses some of them.
    Members {
        /// To be added.
        add: Vec<ResourceId>,
        /// To be removed.
        remove: Vec<ResourceId>,
    },
    /// The field gets this value.
    Set(Value),
    /// The field has no value any more.
    Unset,
}

impl TypeMapping {
    /// What the host keeps of a resource: a value for each field that a rule writes and the
    /// resource has a value for, and folded text for each `key`.
    ///
    /// # Errors
    /// `invalidValue` for a value that a rule can't transform, by its path.
    ///
    /// # Example
    /// See [`Rule`](super::Rule).
    pub fn to_host(&self, resource: &Resource) -> Result<Record, Error> {
        let mut record = Record::new();
        for rule in self.rules.iter().filter(|rule| rule.writes_host()) {
            if let (Some(field), Some(value)) =
                (rule.host(), rule.host_value(&self.kind, resource)?)
            {
                if let (Some(key), Some(text)) = (&rule.rule.key, value.as_str()) {
                    record.insert(key.clone(), Value::from(fold(text).into_owned()));
                }
                record.insert(field.to_owned(), value);
            }
        }
        Ok(record)
    }

    /// What a change changes in the host's fields: only those that a rule writes, and whose SCIM
    /// side changes.
    ///
    /// - `before` is the document before, `None` for a resource that is being created.
    /// - A constant is set when the resource is created.
    /// - Of what is never returned no document tells what was there before: it is set whenever the
    ///   change sets it.
    ///
    /// # Errors
    /// - a value that a rule can't transform: `invalidValue`
    /// - a change of another resource type: `invalidSyntax`
    ///
    /// # Example
    /// ```
    /// use std::sync::Arc;
    /// use scimkit_mapping::{FieldEdit, Rule};
    /// use scimkit_mapping::Mapping;
    /// use scimkit_registry::{Change, Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.by_name("User").unwrap();
    /// let mapping = Mapping::builder()
    ///     .rule("User", Rule::of(r#"emails[type eq "work"].value"#).to("work_email"))
    ///     .rule("User", Rule::of("title").to("job_title"))
    ///     .build(&registry)
    ///     .unwrap();
    /// let before = json!({"title": "Dr", "emails": [{"type": "work", "value": "a@x.org"}]});
    /// let before = user.admit(before, &Tolerance::DEFAULT)?;
    /// let emails = user.named("emails").unwrap();
    /// let mut change = Change::none(Arc::clone(user));
    /// let after = json!([{"type": "home", "value": "h@x.org"}]);
    /// change.difference(emails, before.get(user, emails), Some(after));
    ///
    /// let edits = mapping.of("User").unwrap().changes(&change, Some(&before))?;
    /// assert_eq!(edits.into_iter().collect::<Vec<_>>(), [("work_email".into(), FieldEdit::Unset)]);
    /// # Ok::<(), scimkit_registry::Error>(())
    /// ```
    pub fn changes(
        &self,
        change: &Change,
        before: Option<&Resource>,
    ) -> Result<BTreeMap<String, FieldEdit>, Error> {
        self.check_kind(change)?;
        let after = applied(before, change, self.sees_members());
        let mut edits = BTreeMap::new();
        for rule in self.rules.iter().filter(|rule| rule.writes_host()) {
            let Some(field) = rule.host() else { continue };
            let edit = match self.members_edit(rule, change) {
                Some(edit) => edit,
                None if !self.touches(rule, change, before, &after) => continue,
                None => match rule.host_value(&self.kind, &after)? {
                    Some(value) => FieldEdit::Set(value),
                    None if rule.rule.empty_is_unset => FieldEdit::Set(Value::from("")),
                    None => FieldEdit::Unset,
                },
            };
            if let Some(key) = &rule.rule.key {
                let folded = match &edit {
                    FieldEdit::Set(Value::String(text)) => {
                        FieldEdit::Set(Value::from(fold(text).into_owned()))
                    }
                    _ => FieldEdit::Unset,
                };
                edits.insert(key.clone(), folded);
            }
            edits.insert(field.to_owned(), edit);
        }
        Ok(edits)
    }

    /// Whether somebody looks at memberships.
    pub(super) fn sees_members(&self) -> Members {
        let sees = |rule: &Bound| {
            let mut sides = rule.sides.iter();
            sides.any(|side| self.kind.attr(side.attr).role() == Role::Membership)
        };
        match self.rules.iter().any(sees) {
            true => Members::Shown,
            false => Members::Passed,
        }
    }

    /// Whether a change reaches what the rule reads.
    fn touches(
        &self,
        rule: &Bound,
        change: &Change,
        before: Option<&Resource>,
        after: &Resource,
    ) -> bool {
        if matches!(rule.form, Form::Constant(_)) {
            return before.is_none();
        }
        let differs = rule.sides.iter().any(|side| {
            let was = before.and_then(|before| side.value(&self.kind, before));
            was != side.value(&self.kind, after)
        });
        let secret = rule.sides.iter().any(|side| {
            let mut written = change.set().iter().map(|(id, _)| id).chain(change.unset());
            side.valued(&self.kind).is_never_returned() && written.any(|id| *id == side.attr)
        });
        // What differs may still come out as the same, as a name that moved among joined paths.
        let same = |before: &Resource| {
            let (was, is) = (
                rule.host_value(&self.kind, before),
                rule.host_value(&self.kind, after),
            );
            matches!((was, is), (Ok(was), Ok(is)) if was == is)
        };
        secret || (differs && !before.is_some_and(same))
    }

    fn members_edit(&self, rule: &Bound, change: &Change) -> Option<FieldEdit> {
        let side = rule.sides.first()?;
        let edges = change
            .edges()
            .iter()
            .find(|edges| edges.attr == side.attr)?;
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
