//! What a write changes, in the narrowest terms.

use std::{collections::BTreeSet, fmt, sync::Arc};

use serde_json::{Map, Value};

use crate::{AttrId, Key, Resource, ResourceType, Role, Scalar};

/// A resource's identifier, assigned by the service provider and case exact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId(String);

impl ResourceId {
    /// The text of the identifier.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ResourceId {
    fn from(text: &str) -> Self {
        ResourceId(text.to_owned())
    }
}

impl From<String> for ResourceId {
    fn from(text: String) -> Self {
        ResourceId(text)
    }
}

impl std::borrow::Borrow<str> for ResourceId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One end of a membership: the resource it points to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Edge {
    /// The target's display name; filled in by a store, never taken from a client.
    pub display: Option<String>,
    /// The target.
    pub id: ResourceId,
    /// The target's resource type, by name; a client's word until a store knows better.
    pub kind: Option<String>,
}

impl Edge {
    /// An edge to `id`.
    #[must_use]
    pub fn to(id: impl Into<ResourceId>) -> Self {
        Edge { display: None, id: id.into(), kind: None }
    }

    /// With the target's display name.
    #[must_use]
    pub fn with_display(mut self, display: Option<String>) -> Self {
        self.display = display;
        self
    }

    /// With the name of the target's resource type.
    #[must_use]
    pub fn with_kind(mut self, kind: Option<String>) -> Self {
        self.kind = kind;
        self
    }
}

/// What a write does to the edges of one membership attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeChange {
    /// The membership attribute.
    pub attr: AttrId,
    /// How its edges change.
    pub edit: EdgeEdit,
}

/// A difference or a whole new set; no edge occurs twice.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "every store must carry out every edit")]
pub enum EdgeEdit {
    /// Add these that are not there, remove those that are; the two sets are disjoint.
    Delta {
        /// To be added.
        add: Vec<Edge>,
        /// To be removed.
        remove: Vec<ResourceId>,
    },
    /// These and no others.
    Replace(Vec<Edge>),
}

/// What one write changes: attributes set and unset, and edges.
///
/// It names the narrowest single-valued attribute (`name.givenName`, not `name`), so that a host's
/// own edit of another is not overwritten; a multi-valued attribute is set whole.
///
/// It holds its own [`ResourceType`], so that an [`AttrId`] never meets another table.
#[derive(Debug, Clone)]
pub struct Change {
    edges: Vec<EdgeChange>,
    kind: Arc<ResourceType>,
    // INVARIANT: no id is both set and unset, none is complex and single-valued, none is computed.
    set: Vec<(AttrId, Value)>,
    unset: Vec<AttrId>,
}

impl Change {
    /// A change that does nothing yet.
    #[must_use]
    pub fn none(kind: Arc<ResourceType>) -> Self {
        Change { edges: Vec::new(), kind, set: Vec::new(), unset: Vec::new() }
    }

    /// The change that makes `resource` out of nothing.
    #[must_use]
    pub fn create(kind: Arc<ResourceType>, resource: Resource) -> Self {
        let mut change = Change::none(kind);
        change.replace_all(&Resource::default(), resource);
        change
    }

    /// The change from `before` to `after`, edges included: a membership that `after` does not
    /// mention is emptied.
    ///
    /// An attribute that is never returned and not in `after` is left as it is, since `before`
    /// can't say whether there is a value.
    #[must_use]
    pub fn between(kind: Arc<ResourceType>, before: &Resource, after: Resource) -> Self {
        let mut change = Change::none(kind);
        change.replace_all(before, after);
        for attr in change.kind.clone().attributes() {
            let mentioned = change.edges.iter().any(|e| e.attr == attr.id());
            if attr.role() == Role::Membership && attr.parent().is_none() && !mentioned {
                change.edit_edges(attr.id(), EdgeEdit::Replace(Vec::new()));
            }
        }
        change
    }

    /// The resource type it is about.
    #[must_use]
    pub fn kind(&self) -> &Arc<ResourceType> {
        &self.kind
    }

    /// The attributes to set, by id.
    #[must_use]
    pub fn set(&self) -> &[(AttrId, Value)] {
        &self.set
    }

    /// The attributes to unset, by id.
    #[must_use]
    pub fn unset(&self) -> &[AttrId] {
        &self.unset
    }

    /// The changes of membership.
    #[must_use]
    pub fn edges(&self) -> &[EdgeChange] {
        &self.edges
    }

    /// Every attribute that changes, by its canonical path, with its new value or `None`.
    pub fn entries(&self) -> impl Iterator<Item = (&str, Option<&Value>)> {
        let set = self.set.iter().map(|(id, value)| (self.kind.attr(*id).path(), Some(value)));
        set.chain(self.unset.iter().map(|id| (self.kind.attr(*id).path(), None)))
    }

    /// Whether it changes nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.unset.is_empty() && self.edges.is_empty()
    }

    /// Carries the attribute changes out on a document; edges are the store's.
    ///
    /// Attributes that are never returned are passed over: a document is what may be shown.
    pub fn apply(&self, document: &mut Resource) {
        for (id, value) in &self.set {
            let attr = self.kind.attr(*id);
            let hidden = attr.parent().is_some_and(|p| self.kind.attr(p).is_never_returned());
            if !attr.is_never_returned() && !hidden {
                document.put(&self.kind, *id, Some(value.clone()));
            }
        }
        for id in &self.unset {
            document.put(&self.kind, *id, None);
        }
        document.refresh_schemas(&self.kind);
    }

    /// For every indexed attribute that changes: its new lookup keys, none when it is unassigned.
    #[must_use]
    pub fn keys(&self) -> Vec<(AttrId, Vec<Key>)> {
        let mut keys = Vec::new();
        for (id, value) in &self.set {
            self.collect_keys(*id, Some(value), &mut keys);
        }
        for id in &self.unset {
            self.collect_keys(*id, None, &mut keys);
        }
        keys
    }

    fn collect_keys(
        &self,
        id: AttrId,
        value: Option<&Value>,
        keys: &mut Vec<(AttrId, Vec<Key>)>,
    ) {
        let attr = self.kind.attr(id);
        let elements = match value {
            Some(Value::Array(elements)) => elements.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        if attr.is_indexed() {
            let found = elements.iter().filter_map(|v| Scalar::of(attr, v));
            keys.push((id, found.collect::<BTreeSet<_>>().into_iter().collect()));
        }
        for sub in self.kind.children(id).filter(|sub| sub.is_indexed()) {
            let found = elements.iter().filter_map(|e| Scalar::of(sub, e.get(sub.name())?));
            keys.push((sub.id(), found.collect::<BTreeSet<_>>().into_iter().collect()));
        }
    }

    /// Adds the difference of one attribute between two values, of a single-valued complex
    /// attribute sub-attribute by sub-attribute.
    pub fn difference(&mut self, id: AttrId, before: Option<&Value>, after: Option<Value>) {
        let kind = Arc::clone(&self.kind);
        let attr = kind.attr(id);
        if !attr.is_complex() || attr.definition().multi_valued {
            match after {
                Some(after) if before != Some(&after) => self.set.push((id, after)),
                None if before.is_some() => self.unset.push(id),
                _ => {}
            }
            return;
        }
        let mut after = match after {
            Some(Value::Object(members)) => members,
            _ => Map::new(),
        };
        for sub in kind.children(id) {
            let was = before.and_then(|v| v.get(sub.name()));
            match after.remove(sub.name()) {
                Some(value) if was != Some(&value) => self.set.push((sub.id(), value)),
                None if was.is_some() => self.unset.push(sub.id()),
                _ => {}
            }
        }
    }

    /// Adds an edit of a membership, combined with an earlier one of the same attribute.
    pub fn edit_edges(&mut self, attr: AttrId, edit: EdgeEdit) {
        let edit = match edit {
            EdgeEdit::Delta { add, remove } if add.is_empty() && remove.is_empty() => return,
            EdgeEdit::Delta { add, remove } => {
                EdgeEdit::Delta { add: distinct(add), remove: distinct_ids(remove) }
            }
            EdgeEdit::Replace(edges) => EdgeEdit::Replace(distinct(edges)),
        };
        match self.edges.iter_mut().find(|e| e.attr == attr) {
            Some(earlier) => earlier.edit.then(edit),
            None => self.edges.push(EdgeChange { attr, edit }),
        }
    }

    fn replace_all(&mut self, before: &Resource, after: Resource) {
        let kind = Arc::clone(&self.kind);
        let mut after = after.into_map();
        let groups = (0..kind.extensions().len()).map(Some);
        for extension in std::iter::once(None).chain(groups) {
            let mut inner = match extension.and_then(|i| kind.extension_at(i)) {
                None => std::mem::take(&mut after),
                Some(urn) => match after.remove(urn.urn().as_str()) {
                    Some(Value::Object(members)) => members,
                    _ => Map::new(),
                },
            };
            for attr in kind.top_level(extension) {
                let new = inner.remove(attr.name());
                match attr.role() {
                    Role::Membership => {
                        if let Some(new) = new {
                            self.edit_edges(attr.id(), EdgeEdit::Replace(edges_of(&new)));
                        }
                    }
                    Role::Plain | Role::Reference => {
                        self.difference(attr.id(), before.get(&kind, attr.id()), new);
                    }
                    _ => {}
                }
            }
            if extension.is_none() {
                after = inner;
            }
        }
    }
}

impl EdgeEdit {
    /// This edit and then `next`, as one.
    fn then(&mut self, next: EdgeEdit) {
        let (more, less) = match next {
            EdgeEdit::Replace(_) => {
                *self = next;
                return;
            }
            EdgeEdit::Delta { add, remove } => (add, remove),
        };
        let gone: BTreeSet<&str> = less.iter().map(ResourceId::as_str).collect();
        let new: BTreeSet<String> = more.iter().map(|e| e.id.as_str().to_owned()).collect();
        match self {
            EdgeEdit::Replace(edges) => {
                edges.retain(|e| !gone.contains(e.id.as_str()));
                edges.extend(more);
                *edges = distinct(std::mem::take(edges));
            }
            EdgeEdit::Delta { add, remove } => {
                add.retain(|e| !gone.contains(e.id.as_str()));
                add.extend(more);
                *add = distinct(std::mem::take(add));
                remove.extend(less);
                remove.retain(|id| !new.contains(id.as_str()));
                *remove = distinct_ids(std::mem::take(remove));
            }
        }
    }
}

/// The edges that an admitted value of a membership attribute stands for.
#[must_use]
pub fn edges_of(value: &Value) -> Vec<Edge> {
    let elements = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let edge = |e: &Value| {
        let id = e.get("value").and_then(Value::as_str)?;
        let kind = e.get("type").and_then(Value::as_str).map(str::to_owned);
        Some(Edge::to(id).with_kind(kind))
    };
    elements.iter().filter_map(edge).collect()
}

fn distinct(edges: Vec<Edge>) -> Vec<Edge> {
    let mut seen = BTreeSet::new();
    edges.into_iter().filter(|e| seen.insert(e.id.clone())).collect()
}

fn distinct_ids(ids: Vec<ResourceId>) -> Vec<ResourceId> {
    let mut seen = BTreeSet::new();
    ids.into_iter().filter(|id| seen.insert(id.clone())).collect()
}
