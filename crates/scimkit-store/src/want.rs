//! The parts of a resource that reads and answers to writes carry.

use std::sync::Arc;

use scimkit_registry::{AttrId, ResourceId, ResourceType};

/// The parts of a resource that a read or the answer to a write needs.
///
/// # Example
/// ```
/// use scimkit_registry::Registry;
/// use scimkit_store::Want;
///
/// let registry = Registry::standard();
/// let members = registry.resource_type("Group").unwrap().attribute_id("members").unwrap();
/// let want = Want::edges([members]).at_most(11);
/// assert!(want.document && want.limit == Some(11));
/// assert!(!Want::version().document);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Want {
    /// Whether the answer to a write needs the document; a read always has it.
    pub document: bool,
    /// The membership, inverse and reference attributes whose edges are wanted.
    pub edges: Vec<AttrId>,
    /// The maximum number of edges under each attribute; without it, all edges are wanted.
    pub limit: Option<u32>,
}

impl Default for Want {
    /// Returns the document alone.
    fn default() -> Self {
        Want {
            document: true,
            edges: Vec::new(),
            limit: None,
        }
    }
}

impl Want {
    /// Creates a want for the document alone.
    #[must_use]
    pub fn document() -> Self {
        Want::default()
    }

    /// Creates a want for the version alone, which the answer to a write always has.
    #[must_use]
    pub fn version() -> Self {
        Want {
            document: false,
            ..Want::default()
        }
    }

    /// Creates a want for the document and the edges under these attributes.
    #[must_use]
    pub fn edges(attrs: impl Into<Vec<AttrId>>) -> Self {
        Want {
            edges: attrs.into(),
            ..Want::default()
        }
    }

    /// Limits the number of edges under each attribute, for example to tell a small group from a large one.
    #[must_use]
    pub fn at_most(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }
}

/// A query for the edges of some resources of one type.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EdgeQuery {
    /// The id after which the edges start, compared byte by byte: the last target of the page before.
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
    pub fn at_most(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Sets the target after whose id the edges start.
    #[must_use]
    pub fn after(mut self, target: Option<ResourceId>) -> Self {
        self.after = target;
        self
    }
}

/// The number of edges that a limit allows: any number without one.
pub(crate) fn most(limit: Option<u32>) -> usize {
    limit.map_or(usize::MAX, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX)
    })
}
