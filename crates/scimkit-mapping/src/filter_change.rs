//! The part of a change that a mapping accepts.

use std::collections::HashSet;

use scimkit_registry::{
    AttrId, AttributeRole, Change, ErrorCollector, RequestError, RequestErrorKind, Resource,
    ValueEdit,
};
use serde_json::Value;

use super::{
    TypeMapping, UnmappedPolicy,
    bound_path::{BoundPath, ElementSelector, Members, applied, demote},
    bound_rule::BoundRule,
    coverage::Coverage,
};

/// The purpose of a change.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a write that has a change creates or updates"
)]
pub enum ChangeKind<'a> {
    /// It adopts an existing resource: attributes that it does not set stay.
    Adopt(&'a Resource),
    /// It creates a resource.
    Create,
    /// It updates a resource, given the document before. `None` is for changes that read no document,
    /// such as changes of memberships.
    Update(Option<&'a Resource>),
}

impl<'a> ChangeKind<'a> {
    fn before(self) -> Option<&'a Resource> {
        match self {
            ChangeKind::Adopt(before) => Some(before),
            ChangeKind::Create => None,
            ChangeKind::Update(before) => before,
        }
    }
}

/// The accepted part of a change: see [`TypeMapping::filter_change`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FilteredChange {
    /// The accepted change, with defaults.
    pub change: Change,
    /// The paths of unmapped attributes that were dropped, once per value. They are paths of the
    /// schema, therefore their number is bounded.
    pub dropped: Vec<String>,
}

impl TypeMapping {
    /// Returns the part of a change that the mapping accepts.
    ///
    /// - Attributes that a rule makes read-only are ignored.
    /// - Attributes that no rule maps are stored, dropped or rejected: see [`UnmappedPolicy`]. If rules
    ///   select some values of an attribute, the policy applies to its other values; under
    ///   [`Drop`](UnmappedPolicy::Drop) and [`Reject`](UnmappedPolicy::Reject), stored ones stay.
    /// - Attributes that the schema requires are always accepted.
    /// - Attributes that are write-only in their schema, such as passwords, are always accepted: the
    ///   server decides about them.
    /// - A new resource gets the defaults of attributes that it lacks. An update that unsets an attribute
    ///   with a default leaves it unchanged.
    ///
    /// # Errors
    /// - `invalidValue` if a new resource lacks a required attribute, or an update unsets it
    /// - `invalidValue` for an unmapped attribute under [`Reject`](UnmappedPolicy::Reject)
    /// - `invalidSyntax` for a change of another resource type or schema version
    ///
    /// # Example
    /// ```
    /// use std::sync::Arc;
    /// use scimkit_mapping::{ChangeKind, Mapping, MappingRule, UnmappedPolicy};
    /// use scimkit_registry::{Change, Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let mapping = Mapping::builder()
    ///     .unmapped("User", UnmappedPolicy::Drop)
    ///     .rule("User", MappingRule::new("userName").with_field("email"))
    ///     .rule("User", MappingRule::new("name.familyName").with_field("surname").required())
    ///     .rule("User", MappingRule::new("locale").with_field("language").with_default("en"))
    ///     .build(&registry)
    ///     .unwrap();
    /// let create = |body| -> Result<_, scimkit_registry::RequestError> {
    ///     let change = Change::create(Arc::clone(user), user.admit(body, &Tolerance::DEFAULT)?);
    ///     mapping.for_type("User").unwrap().filter_change(change, ChangeKind::Create)
    /// };
    /// let filtered = create(json!({"userName": "b", "title": "Dr", "name": {"familyName": "Jensen"}}))?;
    /// assert_eq!(filtered.dropped, ["title"]);
    /// let locale = user.attribute_id("locale").unwrap();
    /// assert!(filtered.change.assignments().contains(&(locale, json!("en"))));
    ///
    /// let error = create(json!({"userName": "b"})).unwrap_err();
    /// assert_eq!(error.detail(), "`name.familyName` is missing, but the attribute mapping requires it: send a value");
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    pub fn filter_change(
        &self,
        change: Change,
        purpose: ChangeKind<'_>,
    ) -> Result<FilteredChange, RequestError> {
        self.check_kind(&change)?;
        let (mut dropped, mut findings) = (Vec::new(), ErrorCollector::default());
        let mut enough = Ok(());
        let mut change = change.map_values(|id, value| {
            let revision = self.revision(id, value, purpose, &mut dropped);
            let noted = findings.push(revision).unwrap_or_else(|all| {
                enough = Err(all);
                None
            });
            noted.unwrap_or(ValueEdit::Leave)
        });
        enough?;
        change.retain_edges(|id| !matches!(self.coverage(id), Coverage::ReadOnly));
        if matches!(purpose, ChangeKind::Create) {
            self.add_defaults(&mut change);
        }
        for problem in self.missing_required(&change, purpose) {
            findings.push::<()>(Err(problem))?;
        }
        findings.finish()?;
        Ok(FilteredChange { change, dropped })
    }

    /// Returns the paths of attributes that a change sets and no rule maps, once per value: those that
    /// [`UnmappedPolicy`] applies to.
    #[must_use]
    pub fn unmapped_paths(&self, change: &Change) -> Vec<String> {
        let mut unreached = Vec::new();
        for (id, value) in change.assignments() {
            let values = match (self.coverage(*id), value) {
                (Coverage::None, _) => 1,
                (Coverage::Parts, Value::Array(elements)) => {
                    let reached = |e: &&Value| self.selected(*id, e).is_none();
                    elements.iter().filter(reached).count()
                }
                _ => 0,
            };
            let path = self.kind.attr(*id).path();
            unreached.extend(std::iter::repeat_n(path.to_owned(), values));
        }
        unreached
    }

    /// Returns the accepted edit of one attribute.
    fn revision(
        &self,
        id: AttrId,
        value: Option<Value>,
        purpose: ChangeKind<'_>,
        dropped: &mut Vec<String>,
    ) -> Result<ValueEdit, RequestError> {
        match (self.coverage(id), value) {
            (Coverage::ReadOnly, _) => Ok(ValueEdit::Leave),
            (Coverage::Parts, value) => self.parts(id, value, purpose, dropped),
            (Coverage::Whole, Some(value)) => Ok(ValueEdit::Set(value)),
            (Coverage::Whole, None) if self.has_default(id) => Ok(ValueEdit::Leave),
            (Coverage::Whole, None) => Ok(ValueEdit::Unset),
            (Coverage::None, value) => match (self.unmapped, value) {
                (UnmappedPolicy::Keep, Some(value)) => Ok(ValueEdit::Set(value)),
                (UnmappedPolicy::Keep, None) => Ok(ValueEdit::Unset),
                (_, None) => Ok(ValueEdit::Leave),
                (UnmappedPolicy::Drop, Some(_)) => {
                    dropped.push(self.kind.attr(id).path().to_owned());
                    Ok(ValueEdit::Leave)
                }
                (UnmappedPolicy::Reject, Some(_)) => Err(self.unmapped_error(id)),
            },
        }
    }

    /// Returns the accepted edit of an attribute of which rules select some values.
    fn parts(
        &self,
        id: AttrId,
        value: Option<Value>,
        purpose: ChangeKind<'_>,
        dropped: &mut Vec<String>,
    ) -> Result<ValueEdit, RequestError> {
        let old = purpose
            .before()
            .and_then(|before| before.get(&self.kind, id))
            .and_then(Value::as_array);
        let old = old.map_or(&[][..], Vec::as_slice);
        let new = match value {
            Some(Value::Array(elements)) => elements,
            _ => Vec::new(),
        };
        // A hash set, since comparing all pairs is quadratic in the size of a change.
        let was_there: HashSet<&Value> = old.iter().collect();
        let mut kept = Vec::with_capacity(new.len());
        for element in new {
            match self.selected(id, &element) {
                Some(true) => kept.push((element, true)),
                Some(false) => {}
                None if self.unmapped == UnmappedPolicy::Keep => kept.push((element, true)),
                None if was_there.contains(&element) => kept.push((element, false)),
                None if self.unmapped == UnmappedPolicy::Reject => {
                    return Err(self.unmapped_error(id));
                }
                None => dropped.push(self.kind.attr(id).path().to_owned()),
            }
        }
        let retained = self.retained_selectors(id, purpose, &kept);
        let mut is_kept: HashSet<&Value> = kept.iter().map(|(element, _)| element).collect();
        let mut staying = Vec::new();
        for element in old {
            let stays = match self.selected(id, element) {
                Some(false) => true,
                Some(true) => retained
                    .iter()
                    .any(|selector| selector.holds(&self.kind, element)),
                None => self.unmapped != UnmappedPolicy::Keep,
            };
            if stays && is_kept.insert(element) {
                staying.push((element.clone(), false));
            }
        }
        kept.append(&mut staying);
        let is_primary = |element: &Value| element.get("primary") == Some(&Value::Bool(true));
        if kept
            .iter()
            .any(|(element, own)| *own && is_primary(element))
        {
            let others = kept
                .iter_mut()
                .filter(|(element, own)| !own && is_primary(element));
            others.for_each(|(element, _)| demote(element));
        }
        let elements: Vec<_> = kept.into_iter().map(|(element, _)| element).collect();
        Ok(if elements.is_empty() {
            ValueEdit::Unset
        } else {
            ValueEdit::Set(Value::Array(elements))
        })
    }

    /// Returns the selectors of writable values that stay if a change does not set them: the values of
    /// an adopted resource, and those with a default.
    fn retained_selectors(
        &self,
        id: AttrId,
        purpose: ChangeKind<'_>,
        kept: &[(Value, bool)],
    ) -> Vec<&ElementSelector> {
        let adopts = matches!(purpose, ChangeKind::Adopt(_));
        let own = self.paths().filter(|(_, path)| path.attr == id);
        let outlives = own.filter(|(rule, _)| adopts || rule.rule.default.is_some());
        let selecting = outlives.filter_map(|(_, path)| path.selector.as_ref());
        let spoken_of = |selector: &&ElementSelector| {
            let mut new = kept.iter().filter(|(_, own)| *own);
            new.any(|(new, _)| selector.holds(&self.kind, new))
        };
        selecting.filter(|selector| !spoken_of(selector)).collect()
    }

    /// Returns whether identity providers can write an element; `None` if no rule selects it.
    fn selected(&self, id: AttrId, element: &Value) -> Option<bool> {
        let selects = |selector: &Option<ElementSelector>| {
            selector
                .as_ref()
                .is_some_and(|selector| selector.holds(&self.kind, element))
        };
        let paths = self
            .paths()
            .filter(|(_, path)| path.attr == id && selects(&path.selector));
        paths
            .map(|(rule, _)| rule.is_writable())
            .reduce(|one, other| one || other)
    }

    /// Whether a rule has a default for an attribute.
    fn has_default(&self, id: AttrId) -> bool {
        let parent = self.kind.attr(id).parent();
        let mut paths = self.paths();
        paths.any(|(rule, path)| {
            let own = path.attr == id || Some(path.attr) == parent;
            path.selector.is_none() && own && rule.rule.default.is_some()
        })
    }

    fn unmapped_error(&self, id: AttrId) -> RequestError {
        let path = self.kind.attr(id).path();
        RequestError::new(
            RequestErrorKind::Value,
            format!(
                "`{path}` is not in the attribute mapping of this connection: remove it from the request, or map it"
            ),
        )
    }

    /// Returns a document with defaults for the attributes that it lacks.
    #[must_use]
    pub fn fill_defaults(&self, document: &Resource) -> Resource {
        let mut document = document.clone();
        for rule in &self.rules {
            if let (Some(default), Some(path)) = (&rule.rule.default, rule.paths.first())
                && path.value(&self.kind, &document).is_none()
            {
                path.write(&self.kind, &mut document, Some(default.clone()));
            }
        }
        document
    }

    /// Adds the defaults of attributes that a new resource lacks.
    fn add_defaults(&self, change: &mut Change) {
        if self.rules.iter().all(|rule| rule.rule.default.is_none()) {
            return;
        }
        let before = applied(None, change, Members::Left);
        let after = self.fill_defaults(&before);
        let attrs = self.rules.iter().filter(|rule| rule.rule.default.is_some());
        for path in attrs.filter_map(|rule| rule.paths.first()) {
            let before = before.get(&self.kind, path.attr);
            let after = after.get(&self.kind, path.attr).cloned();
            change.difference(path.attr, before, after);
        }
    }

    /// Returns an error for each required attribute that would have no value.
    fn missing_required(&self, change: &Change, purpose: ChangeKind<'_>) -> Vec<RequestError> {
        if !self.rules.iter().any(|rule| rule.rule.required) {
            return Vec::new();
        }
        let before = purpose.before();
        let after = applied(before, change, self.sees_members());
        let required = self.rules.iter().filter(|rule| rule.rule.required);
        let missing = required.filter_map(|rule| {
            let wrong = self.missing_reason(rule, change, purpose, &after)?;
            let path = rule.paths.first().map_or("", |path| path.text.as_str());
            let detail =
                format!("`{path}` {wrong}, but the attribute mapping requires it: send a value");
            Some(RequestError::new(RequestErrorKind::Value, detail))
        });
        missing.collect()
    }

    fn missing_reason(
        &self,
        rule: &BoundRule,
        change: &Change,
        purpose: ChangeKind<'_>,
        after: &Resource,
    ) -> Option<&'static str> {
        let values = |document: &Resource| -> Vec<Value> {
            let paths = rule.paths.iter();
            paths
                .filter_map(|path| path.value(&self.kind, document))
                .collect()
        };
        let is_blank = |value: &Value| value.as_str().is_some_and(|text| text.trim().is_empty());
        let now = values(after);
        if now.iter().any(|value| !is_blank(value)) {
            return None;
        }
        let own = |id: AttrId| rule.paths.iter().any(|path| path.attr == id);
        let creates = matches!(purpose, ChangeKind::Create);
        if !now.is_empty() && (creates || change.assignments().iter().any(|(id, _)| own(*id))) {
            return Some("is blank");
        }
        if creates {
            return Some("is missing");
        }
        let unset = |path: &BoundPath| match self.kind.attr(path.attr).role() {
            AttributeRole::Membership => change
                .edge_changes()
                .iter()
                .any(|edges| edges.attr == path.attr),
            _ => change.removals().contains(&path.attr),
        };
        let had = purpose
            .before()
            .is_some_and(|before| !values(before).is_empty());
        let taken = (had && now.is_empty()) || rule.paths.iter().any(unset);
        (taken && !self.only_adds_members(rule, change)).then_some("is unset")
    }

    /// Whether the rule maps a membership that is edited, not replaced: the remaining members are unknown.
    fn only_adds_members(&self, rule: &BoundRule, change: &Change) -> bool {
        use scimkit_registry::EdgeEdit;
        let own = |id: AttrId| rule.paths.iter().any(|path| path.attr == id);
        let mut edges = change.edge_changes().iter().filter(|edges| own(edges.attr));
        edges.any(|edges| matches!(edges.edit, EdgeEdit::Delta { .. }))
    }
}
