//! Stored resources.

use chrono::{DateTime, Utc};
use scimkit_core::Version;
use scimkit_registry::{AttrEdges, Document, Edge, ResourceId};

use crate::ConnectionId;

/// A stored resource, as reads return it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StoredResource {
    /// The time of its creation.
    pub created: DateTime<Utc>,
    /// Its attributes, without `id`, `meta` and memberships.
    pub document: Document,
    /// Its edges in this version, under the requested attributes.
    pub edges: Vec<AttrEdges>,
    /// Its identifier.
    pub id: ResourceId,
    /// The time of its last change.
    pub last_modified: DateTime<Utc>,
    /// The connection that owns it; none for a resource without an owner, and if the store does not store
    /// owners ([`Capabilities::owners`](crate::Capabilities::owners)).
    pub owner: Option<ConnectionId>,
    /// Its version.
    pub version: Version,
}

/// The times of a resource's creation and last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "both times of `meta`, by name")]
pub struct Timestamps {
    /// The time of its creation.
    pub created: DateTime<Utc>,
    /// The time of its last change.
    pub last_modified: DateTime<Utc>,
}

impl StoredResource {
    /// Creates a resource without an owner and without edges.
    #[must_use]
    pub fn new(id: ResourceId, version: Version, at: Timestamps, document: Document) -> Self {
        StoredResource {
            created: at.created,
            document,
            edges: Vec::new(),
            id,
            last_modified: at.last_modified,
            owner: None,
            version,
        }
    }

    /// Sets the connection that owns it.
    #[must_use]
    pub fn with_owner(mut self, owner: Option<ConnectionId>) -> Self {
        self.owner = owner;
        self
    }
}

impl StoredResource {
    /// The bytes that an edge adds to [`StoredResource::size`] in addition to those of its texts.
    pub const EDGE_SIZE: u64 = 64;

    /// Returns the size that counts for a page, in bytes: that of the JSON text of its document and, for each of its
    /// edges, that of id, type and name plus [`StoredResource::EDGE_SIZE`].
    #[must_use]
    pub fn size(&self) -> u64 {
        let edges = self.edges.iter().flat_map(|list| &list.edges);
        self.document.size() + edges.map(Self::edge_size).sum::<u64>()
    }

    /// Returns the bytes that an edge adds to [`StoredResource::size`].
    #[must_use]
    pub fn edge_size(edge: &Edge) -> u64 {
        let texts = [edge.kind.as_deref(), edge.display.as_deref()];
        let texts = texts.into_iter().flatten().map(str::len).sum::<usize>();
        Self::min_edge_size(&edge.id) + texts as u64
    }

    /// Returns the minimum number of bytes that an edge to a resource adds.
    pub(crate) fn min_edge_size(id: &ResourceId) -> u64 {
        Self::EDGE_SIZE + id.as_str().len() as u64
    }
}
