//! Memberships as edges, and the combination of their edits.

use std::{collections::HashMap, fmt, sync::Arc};

use serde_json::Value;

use crate::AttrId;

/// The identifier of a resource, assigned by the service provider and case exact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId(Arc<str>);

impl ResourceId {
    /// Returns the text of the identifier.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ResourceId {
    fn from(text: &str) -> Self {
        ResourceId(text.into())
    }
}

impl From<String> for ResourceId {
    fn from(text: String) -> Self {
        ResourceId(text.into())
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

/// One end of a membership: the resource that it leads to. Its texts are shared, since many edges have the same ones.
///
/// # Example
/// ```
/// use scimkit_registry::Edge;
///
/// let edge = Edge::to("42").with_kind(Some("User"));
/// assert_eq!((edge.id.as_str(), edge.kind.as_deref()), ("42", Some("User")));
/// assert_eq!(edge.display, None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Edge {
    /// The target's display name, which the store sets; never taken from a client.
    pub display: Option<Arc<str>>,
    /// The target.
    pub id: ResourceId,
    /// The target's resource type, by name; as sent by the client until the store sets it.
    pub kind: Option<Arc<str>>,
    /// Whether the target must be of that type, because a `$ref` named it. A store rejects the edge if the target is
    /// of another type.
    pub kind_required: bool,
}

/// The edges of a resource under one attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a pair with names")]
pub struct AttrEdges {
    /// The attribute.
    pub attr: AttrId,
    /// The edges.
    pub edges: Vec<Edge>,
}

impl Edge {
    /// Creates an edge to `id`.
    #[must_use]
    pub fn to(id: impl Into<ResourceId>) -> Self {
        Edge {
            display: None,
            id: id.into(),
            kind: None,
            kind_required: false,
        }
    }

    /// Sets the target's display name.
    #[must_use]
    pub fn with_display(mut self, display: Option<impl Into<Arc<str>>>) -> Self {
        self.display = display.map(Into::into);
        self
    }

    /// Returns the name of the resource type that the target must be of.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::Edge;
    ///
    /// assert_eq!(Edge::to("42").required_kind(), None);
    /// assert_eq!(Edge::to("42").with_required_kind("User").required_kind(), Some("User"));
    /// ```
    #[must_use]
    pub fn required_kind(&self) -> Option<&str> {
        self.kind.as_deref().filter(|_| self.kind_required)
    }

    /// Returns whether the target may be a resource of that type.
    #[must_use]
    pub fn may_lead_to(&self, kind: &str) -> bool {
        self.required_kind()
            .is_none_or(|required| required.eq_ignore_ascii_case(kind))
    }

    /// Sets the name of the resource type that the target must be of.
    #[must_use]
    pub fn with_required_kind(mut self, kind: impl Into<Arc<str>>) -> Self {
        self.kind = Some(kind.into());
        self.kind_required = true;
        self
    }

    /// Sets the name of the target's resource type.
    #[must_use]
    pub fn with_kind(mut self, kind: Option<impl Into<Arc<str>>>) -> Self {
        self.kind = kind.map(Into::into);
        self
    }
}

/// The change of the edges of one membership attribute by a write.
///
/// # Example
/// See [`Change::edit_edges`](crate::Change::edit_edges).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeChange {
    /// The membership attribute.
    pub attr: AttrId,
    /// The edit of its edges.
    pub edit: EdgeEdit,
}

/// A difference or a whole new set; no edge occurs twice.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must carry out every edit"
)]
pub enum EdgeEdit {
    /// Adds the missing ones of some edges and removes others; the two sets are disjoint.
    Delta {
        /// The edges to add.
        add: Vec<Edge>,
        /// The edges to remove.
        remove: Vec<ResourceId>,
    },
    /// Replaces all edges by these.
    Replace(Vec<Edge>),
}

/// Returns the edges for an admitted value of a membership attribute.
///
/// # Example
/// ```
/// use scimkit_registry::{Edge, parse_edges};
/// use serde_json::json;
///
/// assert_eq!(parse_edges(&json!([{"value": "42"}])), [Edge::to("42")]);
/// assert_eq!(parse_edges(&json!([{"display": "without a value"}])), []);
/// ```
#[must_use]
pub fn parse_edges(value: &Value) -> Vec<Edge> {
    let elements = value
        .as_array()
        .map_or(std::slice::from_ref(value), Vec::as_slice);
    let edge = |e: &Value| {
        let id = e.get("value").and_then(Value::as_str)?;
        let kind = e.get("type").and_then(Value::as_str);
        let mut edge = Edge::to(id).with_kind(kind);
        // Admission leaves only a `$ref` that identified the member.
        edge.kind_required = e.get("$ref").is_some();
        Some(edge)
    };
    elements.iter().filter_map(edge).collect()
}

/// Combines edits of memberships, those of each attribute in their order.
///
/// One pass over all of them: a request can contain thousands, and combining each with the previous ones would take
/// quadratic time.
pub(crate) fn combined(edits: &[EdgeChange]) -> Vec<EdgeChange> {
    let mut combinations: Vec<(AttrId, Combination<'_>)> = Vec::new();
    for EdgeChange { attr, edit } in edits {
        match combinations.iter_mut().find(|(known, _)| known == attr) {
            Some((_, combination)) => combination.then(edit),
            None => {
                let mut combination = Combination::default();
                combination.then(edit);
                combinations.push((*attr, combination));
            }
        }
    }
    let change = |(attr, combination): (AttrId, Combination<'_>)| EdgeChange {
        attr,
        edit: combination.into_edit(),
    };
    combinations.into_iter().map(change).collect()
}

/// The combined edits of one membership.
#[derive(Default)]
struct Combination<'e> {
    /// The edit of each resource that was named, in the order of first mention.
    fates: Vec<(&'e ResourceId, Option<&'e Edge>)>,
    // INVARIANT: `places[id]` is the index of `id` in `fates`.
    places: HashMap<&'e ResourceId, usize>,
    replaced: bool,
}

impl<'e> Combination<'e> {
    /// Adds `edit` to the combination; within one edit, additions take precedence over removals.
    fn then(&mut self, edit: &'e EdgeEdit) {
        let added = match edit {
            EdgeEdit::Delta { add, remove } => {
                self.reserve(add.len() + remove.len());
                remove.iter().for_each(|id| self.put(id, None));
                add
            }
            EdgeEdit::Replace(edges) => {
                *self = Combination {
                    replaced: true,
                    ..Combination::default()
                };
                self.reserve(edges.len());
                edges
            }
        };
        added.iter().for_each(|edge| self.put(&edge.id, Some(edge)));
    }

    fn reserve(&mut self, more: usize) {
        self.fates.reserve(more);
        self.places.reserve(more);
    }

    fn put(&mut self, id: &'e ResourceId, fate: Option<&'e Edge>) {
        let place = *self.places.entry(id).or_insert(self.fates.len());
        match self.fates.get_mut(place) {
            // An existing edge stays as it is.
            Some((_, Some(_))) if fate.is_some() => {}
            Some((_, known)) => *known = fate,
            None => self.fates.push((id, fate)),
        }
    }

    fn into_edit(self) -> EdgeEdit {
        let added = self
            .fates
            .iter()
            .filter_map(|(_, edge)| edge.cloned())
            .collect();
        if self.replaced {
            return EdgeEdit::Replace(added);
        }
        let removed = self.fates.into_iter().filter(|(_, edge)| edge.is_none());
        EdgeEdit::Delta {
            add: added,
            remove: removed.map(|(id, _)| id.clone()).collect(),
        }
    }
}
