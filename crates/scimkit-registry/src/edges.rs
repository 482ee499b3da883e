//! Memberships as edges, and the combination of edits to them.

use std::{collections::HashMap, fmt, sync::Arc};

use serde_json::Value;

use crate::AttrId;

/// A resource's identifier, assigned by the service provider and case exact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId(Arc<str>);

impl ResourceId {
    /// The text of the identifier.
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

/// One end of a membership: the resource it points to. Its texts are shared, since many edges show the same.
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
    /// The target's display name; filled in by a store, never taken from a client.
    pub display: Option<Arc<str>>,
    /// The target.
    pub id: ResourceId,
    /// The target's resource type, by name; a client's word until a store knows better.
    pub kind: Option<Arc<str>>,
    /// Whether the target must be of that type: a `$ref` named it as one. A store rejects the edge
    /// if it knows the target as another type.
    pub kind_required: bool,
}

impl Edge {
    /// An edge to `id`.
    #[must_use]
    pub fn to(id: impl Into<ResourceId>) -> Self {
        Edge {
            display: None,
            id: id.into(),
            kind: None,
            kind_required: false,
        }
    }

    /// With the target's display name.
    #[must_use]
    pub fn with_display(mut self, display: Option<impl Into<Arc<str>>>) -> Self {
        self.display = display.map(Into::into);
        self
    }

    /// The name of the resource type that the target must be of.
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

    /// With the name of the target's resource type.
    #[must_use]
    pub fn with_kind(mut self, kind: Option<impl Into<Arc<str>>>) -> Self {
        self.kind = kind.map(Into::into);
        self
    }
}

/// What a write does to the edges of one membership attribute.
///
/// # Example
/// See [`Change::edit_edges`](crate::Change::edit_edges).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeChange {
    /// The membership attribute.
    pub attr: AttrId,
    /// How its edges change.
    pub edit: EdgeEdit,
}

/// A difference or a whole new set; no edge occurs twice.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must carry out every edit"
)]
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

/// The edges that an admitted value of a membership attribute stands for.
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
        // Admission leaves a `$ref` only where it named the member.
        edge.kind_required = e.get("$ref").is_some();
        Some(edge)
    };
    elements.iter().filter_map(edge).collect()
}

/// Combines edits of memberships, each attribute's in their order.
///
/// In one pass over all of them: a request can hold thousands, and combining each with what came
/// before would take the square of that.
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

/// Edits of one membership so far.
#[derive(Default)]
struct Combination<'e> {
    /// What happens to each resource that was named, in the order of first mention.
    fates: Vec<(&'e ResourceId, Option<&'e Edge>)>,
    // INVARIANT: `places[id]` is the index of `id` in `fates`.
    places: HashMap<&'e ResourceId, usize>,
    replaced: bool,
}

impl<'e> Combination<'e> {
    /// This and then `edit`; within one edit what is added wins over what is removed.
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
            // What is there already stays as it is.
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
