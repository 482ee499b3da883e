//! Changes by a write, as narrow as possible.

mod document;
mod text;

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, OnceLock},
};

use serde_json::{Map, Value};

use self::document::shown;
pub use self::{document::ChangedValue, text::TextEdit};
use crate::{
    Attr, AttrId, AttrKeys, AttributeRole, Budget, EdgeChange, EdgeEdit, Key, QuirkPolicy,
    RequestError, Resource, ResourceId, ResourceType, Scalar,
    budget::weight,
    edges::{combined, parse_edges},
    json_len::max_len,
    value::is_unassigned,
};

/// The changes by one write: attributes to set and to unset, and edges.
///
/// - It names the narrowest single-valued attribute (`name.givenName`, not `name`), so that it does not overwrite an
///   edit of another one by the application; a multi-valued attribute is set as a whole.
/// - It contains its [`ResourceType`], so that an [`AttrId`] is never used with another table.
/// - It can't change computed attributes.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use scimkit_registry::{Change, Registry, Tolerance};
/// use serde_json::json;
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let body = json!({"name": {"givenName": "Babs", "familyName": "Jensen"}});
/// let mut document = user.admit(body, &Tolerance::DEFAULT)?;
///
/// let name = user.attribute_id("name").unwrap();
/// let after = json!({"givenName": "Barbara", "familyName": "Jensen"});
/// let mut change = Change::empty(Arc::clone(user));
/// change.difference(name, document.get(user, name), Some(after.clone()));
/// let entries: Vec<_> = change.entries().collect();
/// assert_eq!(entries, [("name.givenName", Some(&json!("Barbara")))]);
/// change.apply(&mut document);
/// assert_eq!(document.get(user, name), Some(&after));
/// # Ok::<(), scimkit_registry::RequestError>(())
/// ```
#[derive(Clone)]
pub struct Change {
    /// Combined at the first use.
    edges: OnceLock<Vec<EdgeChange>>,
    edits: Vec<EdgeChange>,
    kind: Arc<ResourceType>,
    // INVARIANT: no id is both set and unset or occurs twice; none is complex and single-valued, a part of a
    // multi-valued attribute, or computed; no value is null, `[]` or `{}`.
    set: Vec<(AttrId, Value)>,
    unset: Vec<AttrId>,
}

impl Change {
    /// Creates an empty change.
    #[must_use]
    pub fn empty(kind: Arc<ResourceType>) -> Self {
        Change {
            edges: OnceLock::new(),
            edits: Vec::new(),
            kind,
            set: Vec::new(),
            unset: Vec::new(),
        }
    }

    /// Returns the change that creates `resource`.
    #[must_use]
    pub fn create(kind: Arc<ResourceType>, mut resource: Resource) -> Self {
        let top = kind.attributes().iter().filter(|a| a.parent().is_none());
        let values = top.filter_map(|attr| Some((attr.id(), resource.take(&kind, attr)?)));
        let values = values.collect();
        Change::from_values(kind, values)
    }

    /// Admits the body of a POST, including its required attributes, as the change that creates its resource.
    ///
    /// # Errors
    /// See [`ResourceType::admit_complete`].
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::{Change, Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let change = Change::admit(user, json!({"USERNAME": "bjensen"}), &Tolerance::DEFAULT)?;
    /// assert_eq!(change.entries().next(), Some(("userName", Some(&json!("bjensen")))));
    /// assert!(Change::admit(user, json!({"title": "Dr"}), &Tolerance::DEFAULT).is_err());
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    ///
    /// [RFC 7644 section 3.3](https://www.rfc-editor.org/rfc/rfc7644#section-3.3)
    pub fn admit(
        kind: &Arc<ResourceType>,
        body: Value,
        t: &dyn QuirkPolicy,
    ) -> Result<Self, RequestError> {
        let admitted = kind.admit_required(body, t)?;
        Ok(Change::from_values(Arc::clone(kind), admitted.values))
    }

    /// Returns the change that sets these top-level attributes, which are ordered by id.
    fn from_values(kind: Arc<ResourceType>, values: Vec<(AttrId, Value)>) -> Self {
        let mut change = Change::empty(kind);
        change.set.reserve(values.len());
        for (id, value) in values {
            let kind = &change.kind;
            let attr = kind.attr(id);
            if attr.role() == AttributeRole::Membership {
                change.edit_edges(id, EdgeEdit::Replace(parse_edges(&value)));
            } else if !is_kept(kind, attr) {
                continue;
            } else if !attr.is_complex() || attr.definition().multi_valued {
                change.set.push((id, value));
            } else if let Value::Object(mut members) = value {
                let parts = kind.children(id).filter(|sub| !kind.is_computed(sub.id()));
                let parts = parts.filter_map(|sub| Some((sub.id(), members.remove(sub.name())?)));
                change.set.extend(parts);
            }
        }
        change.set.retain(|(_, value)| !is_unassigned(value));
        change
    }

    /// Returns the change from one document to another, or the change that creates the second one if `before` is
    /// `None`.
    ///
    /// # Example
    /// ```
    /// use std::sync::Arc;
    /// use scimkit_registry::{Change, Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let document = |body| user.admit(body, &Tolerance::DEFAULT);
    /// let before = document(json!({"userName": "babs", "title": "Guide"}))?;
    /// let after = document(json!({"userName": "babs", "nickName": "Babs"}))?;
    /// let change = Change::between(Arc::clone(user), Some(&before), &after);
    /// assert_eq!(
    ///     change.entries().collect::<Vec<_>>(),
    ///     [("nickName", Some(&json!("Babs"))), ("title", None)]
    /// );
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    #[must_use]
    pub fn between(kind: Arc<ResourceType>, before: Option<&Resource>, after: &Resource) -> Self {
        let mut change = Change::empty(kind);
        let kind = Arc::clone(&change.kind);
        for attr in kind.attributes().iter().filter(|a| a.parent().is_none()) {
            let before = before.and_then(|before| before.get(&kind, attr.id()));
            change.difference(attr.id(), before, after.get(&kind, attr.id()).cloned());
        }
        change
    }

    /// Returns the resource type of the change.
    #[must_use]
    pub fn kind(&self) -> &Arc<ResourceType> {
        &self.kind
    }

    /// Returns the attributes to set, ordered by id.
    #[must_use]
    pub fn assignments(&self) -> &[(AttrId, Value)] {
        &self.set
    }

    /// Returns the attributes to unset, ordered by id.
    #[must_use]
    pub fn removals(&self) -> &[AttrId] {
        &self.unset
    }

    /// Returns the changes of memberships, one per attribute.
    #[must_use]
    pub fn edge_changes(&self) -> &[EdgeChange] {
        self.edges.get_or_init(|| combined(&self.edits))
    }

    /// Returns every changed attribute by its canonical path, with its new value or `None`.
    pub fn entries(&self) -> impl Iterator<Item = (&str, Option<&Value>)> {
        let set = self
            .set
            .iter()
            .map(|(id, value)| (self.kind.attr(*id).path(), Some(value)));
        set.chain(
            self.unset
                .iter()
                .map(|id| (self.kind.attr(*id).path(), None)),
        )
    }

    /// Returns the units for applying the change, besides those for the stored document: its values, and the lookup,
    /// check and storage of each edge.
    ///
    /// # Example
    /// ```
    /// use std::sync::Arc;
    /// use scimkit_registry::{Change, Edge, EdgeEdit, Registry};
    ///
    /// let registry = Registry::standard();
    /// let group = registry.resource_type("Group").unwrap();
    /// let mut change = Change::empty(Arc::clone(group));
    /// assert_eq!(change.weight(), 0);
    /// let members = group.attribute_id("members").unwrap();
    /// change.edit_edges(members, EdgeEdit::Replace(vec![Edge::to("1")]));
    /// assert!(change.weight() > 0);
    /// ```
    #[must_use]
    pub fn weight(&self) -> u64 {
        const EDGE: u64 = 16 * Budget::COMPARISON;
        let values: u64 = self.set.iter().map(|(_, value)| weight(value)).sum();
        let edges = self.edits.iter().map(|edges| match &edges.edit {
            EdgeEdit::Delta { add, remove } => add.len() + remove.len(),
            EdgeEdit::Replace(edges) => edges.len(),
        });
        let edges = edges.sum::<usize>() as u64;
        values.saturating_add(edges.saturating_mul(EDGE))
    }

    /// Returns an upper bound of the number of bytes by which the change extends the text of a document. Like
    /// [`Resource::max_text_len`], it is cheap to compute, and in most cases several times the real growth.
    ///
    /// # Example
    /// ```
    /// use std::sync::Arc;
    /// use scimkit_registry::{Change, Registry, Resource, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let body = user.admit(json!({"name": {"givenName": "Babs"}}), &Tolerance::DEFAULT)?;
    /// let change = Change::create(Arc::clone(user), body);
    /// let mut document = Resource::default();
    /// let before = document.text_len();
    /// change.apply(&mut document);
    /// assert!(document.text_len() <= before + change.max_growth());
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    #[must_use]
    pub fn max_growth(&self) -> u64 {
        /// The bytes around a name and its value: two quotation marks, a colon, a comma and two braces.
        const MARKS: usize = 6;
        let kind = &self.kind;
        let urns = kind.extensions().iter().map(|e| e.urn().as_str());
        let urns = urns.chain([kind.schema().as_str()]);
        let schemas: usize = urns.map(|urn| urn.len() + MARKS).sum();
        let set = self.set.iter().map(|(id, value)| {
            let attr = kind.attr(*id);
            let parent = attr
                .parent()
                .map_or(0, |id| kind.attr(id).name().len() + MARKS);
            let extension = attr.extension().and_then(|at| kind.extension_at(at));
            let extension = extension.map_or(0, |e| e.urn().as_str().len() + MARKS);
            max_len(weight(value)) + (attr.name().len() + MARKS + parent + extension) as u64
        });
        set.sum::<u64>() + (schemas + "schemas".len() + MARKS) as u64
    }

    /// Returns whether the change replaces all edges of a membership, so that its cost grows with their number.
    ///
    /// # Example
    /// ```
    /// use std::sync::Arc;
    /// use scimkit_registry::{Change, Edge, EdgeEdit, Registry};
    ///
    /// let registry = Registry::standard();
    /// let group = registry.resource_type("Group").unwrap();
    /// let mut change = Change::empty(Arc::clone(group));
    /// assert!(!change.replaces_edges());
    /// let members = group.attribute_id("members").unwrap();
    /// change.edit_edges(members, EdgeEdit::Replace(vec![Edge::to("1")]));
    /// assert!(change.replaces_edges());
    /// ```
    #[must_use]
    pub fn replaces_edges(&self) -> bool {
        let mut edits = self.edits.iter();
        edits.any(|edges| matches!(edges.edit, EdgeEdit::Replace(_)))
    }

    /// Returns whether the change is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.unset.is_empty() && self.edits.is_empty()
    }

    /// Returns whether the change sets or unsets an attribute that is never returned. Documents do not contain such
    /// attributes, so their comparison can't show whether the value changes.
    ///
    /// # Example
    /// ```
    /// use std::sync::Arc;
    /// use scimkit_registry::{Change, Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let create = |body| {
    ///     let admitted = user.admit(body, &Tolerance::DEFAULT)?;
    ///     Ok::<_, scimkit_registry::RequestError>(Change::create(Arc::clone(user), admitted))
    /// };
    /// assert!(create(json!({"userName": "a", "password": "secret"}))?.touches_never_returned());
    /// assert!(!create(json!({"userName": "a"}))?.touches_never_returned());
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    #[must_use]
    pub fn touches_never_returned(&self) -> bool {
        let mut written = self.set.iter().map(|(id, _)| id).chain(&self.unset);
        written.any(|id| self.kind.attr(*id).is_never_returned())
    }

    /// Returns the new lookup keys of every indexed attribute that changes; none for an unassigned one.
    ///
    /// # Example
    /// ```
    /// use std::sync::Arc;
    /// use scimkit_registry::{Change, Registry, Scalar, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let body = json!({"userName": "BJensen", "nickName": "Babs"});
    /// let bjensen = user.admit(body, &Tolerance::DEFAULT)?;
    /// let keys = Change::create(Arc::clone(user), bjensen).keys();
    /// let user_name = user.attribute_id("userName").unwrap();
    /// assert_eq!((keys.len(), keys[0].attr), (1, user_name));
    /// assert_eq!(keys[0].keys, [Scalar::Text("bjensen".into())]);
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    #[must_use]
    pub fn keys(&self) -> Vec<AttrKeys> {
        let mut keys = Vec::new();
        for (id, value) in &self.set {
            self.collect_keys(*id, Some(value), &mut keys);
        }
        for id in &self.unset {
            self.collect_keys(*id, None, &mut keys);
        }
        keys
    }

    fn collect_keys(&self, id: AttrId, value: Option<&Value>, keys: &mut Vec<AttrKeys>) {
        let attr = self.kind.attr(id);
        if attr.is_indexed() {
            let found: BTreeSet<_> = scalars(attr, value).collect();
            keys.push(AttrKeys {
                attr: id,
                keys: found.into_iter().collect(),
            });
        }
        for sub in self.kind.children(id).filter(|sub| sub.is_indexed()) {
            let parts = elements(value)
                .iter()
                .map(|element| element.get(sub.name()));
            let found: BTreeSet<_> = parts.flat_map(|part| scalars(sub, part)).collect();
            keys.push(AttrKeys {
                attr: sub.id(),
                keys: found.into_iter().collect(),
            });
        }
    }

    /// Adds the difference between two values of one attribute; for a single-valued complex attribute, sub-attribute
    /// by sub-attribute.
    ///
    /// - `before` is the value after the existing changes; if the two values are equal, nothing is added.
    /// - `null`, `[]` and `{}` in `after` mean unassigned.
    /// - Computed attributes are ignored, and so are parts of a multi-valued attribute, which is set only as a whole.
    ///   Memberships change by [`edit_edges`](Self::edit_edges).
    ///
    /// # Example
    /// ```
    /// use std::sync::Arc;
    /// use scimkit_registry::{AttrId, Change, Registry};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let mut change = Change::empty(Arc::clone(user));
    /// let name = user.attribute_id("name").unwrap();
    /// let before = json!({"givenName": "Babs", "honorificPrefix": "Ms."});
    /// change.difference(name, Some(&before), Some(json!({"givenName": "Babs"})));
    /// assert_eq!(change.entries().collect::<Vec<_>>(), [("name.honorificPrefix", None)]);
    ///
    /// change.difference(AttrId::ID, None, Some(json!("42")));
    /// assert_eq!(change.assignments().len(), 0);
    /// ```
    pub fn difference(&mut self, id: AttrId, before: Option<&Value>, after: Option<Value>) {
        let kind = Arc::clone(&self.kind);
        let attr = kind.attr(id);
        let many = |id| kind.attr(id).definition().multi_valued;
        if !is_kept(&kind, attr) || attr.parent().is_some_and(many) {
            return;
        }
        if !attr.is_complex() || many(id) {
            self.put(id, before, after);
            return;
        }
        let mut after = match after {
            Some(Value::Object(members)) => members,
            _ => Map::new(),
        };
        let before = before.and_then(Value::as_object);
        for sub in kind.children(id) {
            let before = before.and_then(|members| members.get(sub.name()));
            if before != after.get(sub.name()) && !kind.is_computed(sub.id()) {
                self.put(sub.id(), before, after.remove(sub.name()));
            }
        }
    }

    fn put(&mut self, id: AttrId, before: Option<&Value>, after: Option<Value>) {
        let after = after.filter(|value| !is_unassigned(value));
        if before == after.as_ref() {
            return;
        }
        self.set.retain(|(known, _)| *known != id);
        self.unset.retain(|known| *known != id);
        match after {
            Some(value) => self.set.push((id, value)),
            None => self.unset.push(id),
        }
    }

    /// Returns the same change with other values: `revise` is called for each attribute, with its new value or `None`
    /// if it is unset.
    ///
    /// # Example
    /// ```
    /// use std::sync::Arc;
    /// use scimkit_registry::{Change, Registry, ValueEdit, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let body = json!({"userName": "bjensen", "title": "Dr", "nickName": "Babs"});
    /// let change = Change::create(Arc::clone(user), user.admit(body, &Tolerance::DEFAULT)?);
    /// let revised = change.map_values(|id, value| match (user.attr(id).path(), value) {
    ///     ("title", _) => ValueEdit::Leave,
    ///     ("nickName", _) => ValueEdit::Set(json!([])), // the same as `ValueEdit::Unset`
    ///     (_, Some(value)) => ValueEdit::Set(value),
    ///     (_, None) => ValueEdit::Unset,
    /// });
    /// let entries: Vec<_> = revised.entries().collect();
    /// assert_eq!(entries, [("userName", Some(&json!("bjensen"))), ("nickName", None)]);
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    #[must_use]
    pub fn map_values(
        mut self,
        mut revise: impl FnMut(AttrId, Option<Value>) -> ValueEdit,
    ) -> Change {
        let set = std::mem::take(&mut self.set).into_iter();
        let unset = std::mem::take(&mut self.unset).into_iter();
        let set = set.map(|(id, value)| (id, Some(value)));
        for (id, value) in set.chain(unset.map(|id| (id, None))) {
            match revise(id, value) {
                ValueEdit::Leave => {}
                ValueEdit::Set(value) if !is_unassigned(&value) => self.set.push((id, value)),
                ValueEdit::Set(_) | ValueEdit::Unset => self.unset.push(id),
            }
        }
        self
    }

    /// Removes the edits of memberships for which `keep` returns `false`.
    pub fn retain_edges(&mut self, keep: impl Fn(AttrId) -> bool) {
        if self.edits.iter().any(|edges| !keep(edges.attr)) {
            self.edges = OnceLock::new();
            self.edits.retain(|edges| keep(edges.attr));
        }
    }

    /// Adds an edit of a membership, combined with earlier ones of the same attribute.
    ///
    /// The last edit of a resource counts; if one edit both adds and removes it, it is added.
    ///
    /// # Example
    /// ```
    /// use std::sync::Arc;
    /// use scimkit_registry::{Change, Edge, EdgeEdit, Registry};
    ///
    /// let registry = Registry::standard();
    /// let group = registry.resource_type("Group").unwrap();
    /// let members = group.attribute_id("members").unwrap();
    /// let mut change = Change::empty(Arc::clone(group));
    /// let add = vec![Edge::to("1"), Edge::to("2")];
    /// change.edit_edges(members, EdgeEdit::Delta { add, remove: vec![] });
    /// change.edit_edges(members, EdgeEdit::Delta { add: vec![], remove: vec!["1".into()] });
    /// let combined = EdgeEdit::Delta { add: vec![Edge::to("2")], remove: vec!["1".into()] };
    /// assert_eq!(change.edge_changes()[0].edit, combined);
    /// ```
    pub fn edit_edges(&mut self, attr: AttrId, edit: EdgeEdit) {
        if matches!(&edit, EdgeEdit::Delta { add, remove } if add.is_empty() && remove.is_empty()) {
            return;
        }
        self.edges = OnceLock::new();
        self.edits.push(EdgeChange { attr, edit });
    }

    /// Removes the added edges to some resources, and returns them as a change to apply once those resources exist.
    ///
    /// # Example
    /// ```
    /// use std::sync::Arc;
    /// use scimkit_registry::{Change, Edge, EdgeEdit, Registry};
    ///
    /// let registry = Registry::standard();
    /// let group = registry.resource_type("Group").unwrap();
    /// let members = group.attribute_id("members").unwrap();
    /// let mut change = Change::empty(Arc::clone(group));
    /// change.edit_edges(members, EdgeEdit::Replace(vec![Edge::to("1"), Edge::to("2")]));
    /// let later = change.split_edges(|id| id.as_str() == "2");
    /// assert_eq!(change.edge_changes()[0].edit, EdgeEdit::Replace(vec![Edge::to("1")]));
    /// let add = vec![Edge::to("2")];
    /// assert_eq!(later.edge_changes()[0].edit, EdgeEdit::Delta { add, remove: vec![] });
    /// assert!(change.split_edges(|id| id.as_str() == "3").is_empty());
    /// ```
    pub fn split_edges(&mut self, leads_there: impl Fn(&ResourceId) -> bool) -> Change {
        let mut later = Change::empty(Arc::clone(&self.kind));
        let edges = self.edge_changes().to_vec();
        self.edges = OnceLock::new();
        self.edits = edges;
        for EdgeChange { attr, edit } in &mut self.edits {
            let (EdgeEdit::Delta { add, .. } | EdgeEdit::Replace(add)) = edit;
            let add = add.extract_if(.., |edge| leads_there(&edge.id)).collect();
            let remove = Vec::new();
            later.edit_edges(*attr, EdgeEdit::Delta { add, remove });
        }
        later
    }
}

/// Values that are never returned are omitted.
impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(id, value): &(AttrId, Value)| {
            let attr = self.kind.attr(*id);
            let text = match shown(&self.kind, attr, value) {
                Some(shown) if *shown == *value => value.to_string(),
                _ => "…".to_owned(),
            };
            (attr.path().to_owned(), text)
        };
        let path = |id: &AttrId| self.kind.attr(*id).path();
        f.debug_struct("Change")
            .field("kind", &self.kind.name())
            .field("set", &self.set.iter().map(shown).collect::<Vec<_>>())
            .field("unset", &self.unset.iter().map(path).collect::<Vec<_>>())
            .field("edges", &self.edits)
            .finish_non_exhaustive()
    }
}

/// The edit of one attribute of a change: see [`Change::map_values`].
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a change sets, unsets, or says nothing"
)]
pub enum ValueEdit {
    /// Removes the attribute from the change.
    Leave,
    /// Sets this value.
    Set(Value),
    /// Unsets the attribute.
    Unset,
}

/// Returns whether documents contain an attribute.
fn is_kept(kind: &ResourceType, attr: &Attr) -> bool {
    matches!(attr.role(), AttributeRole::Plain | AttributeRole::Reference)
        && !kind.is_computed(attr.id())
}

fn scalars<'v>(attr: &'v Attr, value: Option<&'v Value>) -> impl Iterator<Item = Key> + 'v {
    elements(value)
        .iter()
        .filter_map(|value| Scalar::of(attr, value))
}

/// Returns the elements of an array, or the single value.
fn elements(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::Array(elements)) => elements,
        Some(one) => std::slice::from_ref(one),
        None => &[],
    }
}
