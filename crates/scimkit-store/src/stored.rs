//! Stored resources.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use scimkit_core::Version;
use scimkit_registry::{AttrId, Edge, Resource, ResourceId};

use crate::{ConnectionId, StoreError};

/// A stored resource, as a read of its type returns it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Stored {
    /// The bytes of its document's JSON text, where the store knows them; 0 where not. See
    /// [`Stored::size`].
    pub bytes: u64,
    /// When it was created.
    pub created: DateTime<Utc>,
    /// Its attributes, without `id`, `meta` and memberships.
    pub document: Document,
    /// Its edges, under the attributes that were asked for, as they were with this version.
    pub edges: Vec<(AttrId, Vec<Edge>)>,
    /// Its identifier.
    pub id: ResourceId,
    /// When it last changed.
    pub last_modified: DateTime<Utc>,
    /// The connection that owns it; none for a resource of the application, and where the store does not
    /// keep owners ([`Support::owners`](crate::Support::owners)).
    pub owner: Option<ConnectionId>,
    /// The version that this is.
    pub version: Version,
}

/// When a resource was created and last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "both times of `meta`, by name")]
pub struct Timestamps {
    /// When it was created.
    pub created: DateTime<Utc>,
    /// When it last changed.
    pub last_modified: DateTime<Utc>,
}

impl Stored {
    /// A resource without an owner and edges.
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
    /// What an edge takes besides its texts.
    const EDGE: u64 = 64;

    /// The bytes of a document's text, where it is at hand.
    pub(crate) fn bytes_of(document: &Document) -> u64 {
        match document {
            Document::Text(text) => text.len() as u64,
            Document::Tree(_) => 0,
        }
    }

    /// The bytes of its document's JSON text and, for each of its edges, those of id, type and name
    /// and 64 more.
    #[must_use]
    pub fn size(&self) -> u64 {
        let edges = self.edges.iter().flat_map(|(_, edges)| edges);
        let document = match (&self.document, self.bytes) {
            (Document::Tree(tree), 0) => tree.text_len(),
            (_, bytes) => bytes,
        };
        document + edges.map(Self::edge_size).sum::<u64>()
    }

    /// The bytes of one edge in [`Stored::size`].
    #[must_use]
    pub fn edge_size(edge: &Edge) -> u64 {
        let texts = [edge.kind.as_deref(), edge.display.as_deref()];
        let texts = texts.into_iter().flatten().map(str::len).sum::<usize>();
        Self::EDGE + (edge.id.as_str().len() + texts) as u64
    }
}

/// A stored document: the JSON text that goes out, or the tree.
///
/// Text may go out as it is, so a store gives it only for a document in which the resource type, as
/// it is now, hides and ignores nothing. A tree is always projected.
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
    /// The JSON text.
    #[must_use]
    pub fn text(&self) -> Bytes {
        match self {
            Document::Text(text) => text.clone(),
            Document::Tree(tree) => Bytes::from(tree.to_text()),
        }
    }

    /// The tree, read from the text where needed.
    ///
    /// # Errors
    /// [`StoreError::Backend`] when the text is not a document.
    pub fn tree(&self) -> Result<Cow<'_, Resource>, StoreError> {
        match self {
            Document::Text(text) => Resource::restore(text)
                .map(Cow::Owned)
                .map_err(StoreError::backend),
            Document::Tree(tree) => Ok(Cow::Borrowed(tree)),
        }
    }
}
