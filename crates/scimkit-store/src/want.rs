//! What reads and answers to writes carry.

use std::sync::Arc;

use scimkit_registry::{AttrId, ResourceId, ResourceType};

/// What a read or the answer to a write needs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Want {
    /// Whether the answer to a write needs the document; a read always has it.
    pub document: bool,
    /// The membership, inverse and reference attributes whose edges are wanted.
    pub edges: Vec<AttrId>,
    /// How many edges under each at most; all when there is none.
    pub limit: Option<u32>,
}

impl Default for Want {
    /// The document alone.
    fn default() -> Self {
        Want {
            document: true,
            edges: Vec::new(),
            limit: None,
        }
    }
}

impl Want {
    /// The document alone.
    #[must_use]
    pub fn document() -> Self {
        Want::default()
    }

    /// Nothing but what a write always answers.
    #[must_use]
    pub fn version() -> Self {
        Want {
            document: false,
            ..Want::default()
        }
    }

    /// The edges under these attributes, too.
    #[must_use]
    pub fn edges(attrs: impl Into<Vec<AttrId>>) -> Self {
        Want {
            edges: attrs.into(),
            ..Want::default()
        }
    }

    /// At most `limit` edges under each: enough to tell a small group from a big one.
    #[must_use]
    pub fn at_most(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }
}

/// Asks for the edges of some resources of one type.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EdgeQuery {
    /// Only edges to targets with greater ids, compared byte by byte: what follows on a page that
    /// ended there.
    pub after: Option<ResourceId>,
    /// A membership attribute, or the inverse of one.
    pub attr: AttrId,
    /// The type of the owners.
    pub kind: Arc<ResourceType>,
    /// How many edges of each owner at most; all when there is none.
    pub limit: Option<u32>,
    /// Whose edges.
    pub owners: Vec<ResourceId>,
}

impl EdgeQuery {
    /// The edges of one attribute for several owners.
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

    /// At most `limit` edges of each owner: enough to tell a small group from a big one.
    #[must_use]
    pub fn at_most(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Only those behind that target.
    #[must_use]
    pub fn after(mut self, target: Option<ResourceId>) -> Self {
        self.after = target;
        self
    }
}
