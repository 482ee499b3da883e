//! Stored resources.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use scimkit_core::Version;
use scimkit_registry::{AttrId, Edge, Resource, ResourceId};

use crate::{ConnectionId, StoreError};

/// A stored resource, as reads return it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Stored {
    /// The length of its document's JSON text in bytes, or 0 if the store does not know it. See
    /// [`Stored::size`].
    pub bytes: u64,
    /// The time of its creation.
    pub created: DateTime<Utc>,
    /// Its attributes, without `id`, `meta` and memberships.
    pub document: Document,
    /// Its edges in this version, under the requested attributes.
    pub edges: Vec<(AttrId, Vec<Edge>)>,
    /// Its identifier.
    pub id: ResourceId,
    /// The time of its last change.
    pub last_modified: DateTime<Utc>,
    /// The connection that owns it; none for a resource without an owner, and if the store does not store
    /// owners ([`Support::owners`](crate::Support::owners)).
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

impl Stored {
    /// Creates a resource without an owner and edges.
    #[must_use]
    pub fn new(id: ResourceId, version: Version, at: Timestamps, document: Document) -> Self {
        Stored {
            bytes: Self::bytes_of(&document),
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

impl Stored {
    /// The bytes that an edge counts besides its texts.
    const EDGE: u64 = 64;

    /// The bytes of a document's text, if the text is known.
    pub(crate) fn bytes_of(document: &Document) -> u64 {
        match document {
            Document::Text(text) => text.len() as u64,
            Document::Tree(_) => 0,
        }
    }

    /// Counts the bytes of its document once, however often its size is asked for.
    pub(crate) fn measured(mut self) -> Self {
        if let (Document::Tree(tree), 0) = (&self.document, self.bytes) {
            self.bytes = tree.text_len();
        }
        self
    }

    /// Returns the size that counts for a page: the bytes of its document's JSON text and, for each of its edges, those
    /// of id, type and name and 64 more.
    #[must_use]
    pub fn size(&self) -> u64 {
        let edges = self.edges.iter().flat_map(|(_, edges)| edges);
        let document = match (&self.document, self.bytes) {
            (Document::Tree(tree), 0) => tree.text_len(),
            (_, bytes) => bytes,
        };
        document + edges.map(Self::edge_size).sum::<u64>()
    }

    /// Returns the bytes that an edge adds to [`Stored::size`].
    #[must_use]
    pub fn edge_size(edge: &Edge) -> u64 {
        let texts = [edge.kind.as_deref(), edge.display.as_deref()];
        let texts = texts.into_iter().flatten().map(str::len).sum::<usize>();
        Self::EDGE + (edge.id.as_str().len() + texts) as u64
    }
}

/// A stored document: JSON text that is sent as it is, or a tree.
///
/// Text may be sent unchanged, so a store returns it only for a document in which the current resource type hides and
/// ignores nothing. A tree is always projected.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "a document is text or a tree")]
pub enum Document {
    /// JSON text, as [`Resource::to_text`] writes it.
    Text(Bytes),
    /// The tree.
    Tree(Arc<Resource>),
}

impl From<Resource> for Document {
    fn from(tree: Resource) -> Self {
        Document::Tree(Arc::new(tree))
    }
}

impl Document {
    /// Returns the JSON text.
    #[must_use]
    pub fn text(&self) -> Bytes {
        match self {
            Document::Text(text) => text.clone(),
            Document::Tree(tree) => Bytes::from(tree.to_text()),
        }
    }

    /// Returns the tree, parsed from the text if needed.
    ///
    /// # Errors
    /// [`StoreError::Backend`] if the text is not a document.
    pub fn tree(&self) -> Result<Cow<'_, Resource>, StoreError> {
        match self {
            Document::Text(text) => Resource::restore(text)
                .map(Cow::Owned)
                .map_err(StoreError::backend),
            Document::Tree(tree) => Ok(Cow::Borrowed(tree)),
        }
    }
}
