//! The parts of a resource that reads and the results of writes contain.

use std::sync::Arc;

use scimkit_registry::{AttrId, ResourceId, ResourceType};

/// The parts of a resource that a read or the result of a write needs.
///
/// # Example
/// ```
/// use scimkit_registry::Registry;
/// use scimkit_store::ReadOptions;
///
/// let registry = Registry::standard();
/// let members = registry.resource_type("Group").unwrap().attribute_id("members").unwrap();
/// let options = ReadOptions::edges([members]).with_edge_limit(11);
/// assert!(options.document && options.limit == Some(11));
/// assert!(!ReadOptions::version().document);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadOptions {
    /// Whether the result of a write needs the document; a read always returns it.
    pub document: bool,
    /// The membership, inverse and reference attributes whose edges are needed.
    pub edges: Vec<AttrId>,
    /// The maximum number of edges under each attribute; without it, all edges are needed.
    pub limit: Option<u32>,
}

impl Default for ReadOptions {
    /// Returns the document alone.
    fn default() -> Self {
        ReadOptions {
            document: true,
            edges: Vec::new(),
            limit: None,
        }
    }
}

impl ReadOptions {
    /// Creates options for the document alone.
    #[must_use]
    pub fn document() -> Self {
        ReadOptions::default()
    }

    /// Creates options for the version alone, which the result of a write always has.
    #[must_use]
    pub fn version() -> Self {
        ReadOptions {
            document: false,
            ..ReadOptions::default()
        }
    }

    /// Creates options for the document and the edges under these attributes.
    #[must_use]
    pub fn edges(attrs: impl Into<Vec<AttrId>>) -> Self {
        ReadOptions {
            edges: attrs.into(),
            ..ReadOptions::default()
        }
    }

    /// Limits the number of edges under each attribute, for example to tell a small group from a large one.
    #[must_use]
    pub fn with_edge_limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }
}

/// A query for the edges of some resources of one type.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EdgeQuery {
    /// The id after which the edges start, compared byte by byte: the last target of the previous page.
    pub after: Option<ResourceId>,
    /// A membership attribute, or the inverse of one.
    pub attr: AttrId,
    /// The type of the owners.
    pub kind: Arc<ResourceType>,
    /// The maximum number of edges of each owner; without it, all edges are returned.
    pub limit: Option<u32>,
    /// The resources whose edges are returned.
    pub owners: Vec<ResourceId>,
}

impl EdgeQuery {
    /// Creates a query for all edges of these owners under one attribute.
    #[must_use]
    pub fn new(kind: Arc<ResourceType>, attr: AttrId, owners: Vec<ResourceId>) -> Self {
        EdgeQuery {
            after: None,
            attr,
            kind,
            limit: None,
            owners,
        }
    }

    /// Limits the number of edges of each owner, for example to tell a small group from a large one.
    #[must_use]
    pub fn with_edge_limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Sets the target after whose id the edges start.
    #[must_use]
    pub fn with_start_after(mut self, target: Option<ResourceId>) -> Self {
        self.after = target;
        self
    }
}

/// Returns the number of edges that a limit allows: any number without one.
pub(crate) fn most(limit: Option<u32>) -> usize {
    limit.map_or(usize::MAX, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX)
    })
}
