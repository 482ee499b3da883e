//! The effect of a change on a document.

use std::borrow::Cow;

use serde_json::Value;

use super::Change;
use crate::{Attr, Resource, ResourceType, value::is_unassigned};

impl Change {
    /// Applies the attribute changes to a document. Edges are not part of it.
    ///
    /// Attributes that are never returned are omitted, also inside elements: a document contains only what may be
    /// shown.
    pub fn apply(&self, document: &mut Resource) {
        for (id, value) in &self.set {
            match shown(&self.kind, self.kind.attr(*id), value) {
                Some(value) => document.set(&self.kind, *id, value.into_owned()),
                None => document.unset(&self.kind, *id),
            }
        }
        for id in &self.unset {
            document.unset(&self.kind, *id);
        }
        document.refresh_schemas(&self.kind);
    }

    /// Returns whether [applying](Self::apply) the change modifies a document.
    ///
    /// It compares only the attributes that the change sets and unsets, however large the document is.
    ///
    /// # Example
    /// ```
    /// use std::sync::Arc;
    /// use scimkit_registry::{Change, Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let mut document = user.admit(json!({"userName": "bjensen"}), &Tolerance::DEFAULT)?;
    /// let change = Change::create(Arc::clone(user), document.clone());
    /// change.apply(&mut document);
    /// assert!(!change.alters(&document));
    ///
    /// let title = user.attribute_id("title").unwrap();
    /// let mut change = Change::empty(Arc::clone(user));
    /// change.difference(title, None, Some(json!("Dr.")));
    /// assert!(change.alters(&document));
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    #[must_use]
    pub fn alters(&self, document: &Resource) -> bool {
        let mut values = self.values(Some(document));
        values.any(|value| value.before != value.after.as_deref())
            || !document.has_fresh_schemas(&self.kind)
    }

    /// Returns the value of each attribute that the change sets or unsets, in a document before and after the change.
    ///
    /// Attributes that are never returned have no value, since documents do not contain them.
    ///
    /// # Example
    /// ```
    /// use std::sync::Arc;
    /// use scimkit_registry::{Change, Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let document = user.admit(json!({"userName": "babs", "title": "Guide"}), &Tolerance::DEFAULT)?;
    /// let title = user.attribute_id("title").unwrap();
    /// let mut change = Change::empty(Arc::clone(user));
    /// change.difference(title, None, Some(json!("Dr.")));
    /// let values: Vec<_> = change.values(Some(&document)).collect();
    /// assert_eq!(values[0].before, Some(&json!("Guide")));
    /// assert_eq!(values[0].after.as_deref(), Some(&json!("Dr.")));
    /// assert!(change.values(None).all(|value| value.before.is_none()));
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    pub fn values<'c>(
        &'c self,
        document: Option<&'c Resource>,
    ) -> impl Iterator<Item = ChangedValue<'c>> {
        let kind = &*self.kind;
        let set = self.set.iter().map(move |(id, value)| {
            let attr = kind.attr(*id);
            (attr, shown(kind, attr, value))
        });
        let unset = self.unset.iter().map(move |id| (kind.attr(*id), None));
        set.chain(unset).map(move |(attr, after)| ChangedValue {
            after,
            attr,
            before: document.and_then(|document| document.get(kind, attr.id())),
        })
    }
}

/// The value of an attribute before and after a change: see [`Change::values`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ChangedValue<'c> {
    /// The value after the change; `None` if it is unset or never returned.
    pub after: Option<Cow<'c, Value>>,
    /// The attribute.
    pub attr: &'c Attr,
    /// The value in the document before the change.
    pub before: Option<&'c Value>,
}

/// Returns the part of a value that documents contain: without attributes that are never returned.
pub(super) fn shown<'v>(
    kind: &ResourceType,
    attr: &Attr,
    value: &'v Value,
) -> Option<Cow<'v, Value>> {
    if attr.is_never_returned() {
        return None;
    }
    let Value::Array(elements) = value else {
        return (!is_unassigned(value)).then_some(Cow::Borrowed(value));
    };
    let hides = |sub: &Attr| sub.is_never_returned();
    if !kind.children(attr.id()).any(hides) && !elements.iter().any(is_unassigned) {
        return (!elements.is_empty()).then_some(Cow::Borrowed(value));
    }
    let mut elements = elements.clone();
    for sub in kind.children(attr.id()).filter(|sub| hides(sub)) {
        for members in elements.iter_mut().filter_map(Value::as_object_mut) {
            members.remove(sub.name());
        }
    }
    elements.retain(|element| !is_unassigned(element));
    (!elements.is_empty()).then_some(Cow::Owned(Value::Array(elements)))
}
