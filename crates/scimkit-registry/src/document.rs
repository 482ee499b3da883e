//! A resource's attributes as JSON text.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use thiserror::Error;

use crate::Resource;

/// The attributes of one resource as canonical JSON text: compact, `schemas` first, names with the schema's spelling,
/// without `id`, `meta` and memberships.
///
/// A document is stored, sent and searched as text. A change is computed on its [tree](Document::tree).
///
/// # Example
/// ```
/// use scimkit_registry::{Document, Registry, Resource, Tolerance};
/// use serde_json::json;
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let tree = user.admit(json!({"USERNAME": "bjensen"}), &Tolerance::DEFAULT)?;
/// let document = Document::from(tree.clone());
/// assert!(document.text().ends_with(br#""userName":"bjensen"}"#));
/// assert_eq!(*Document::from_text(document.text().clone()).tree()?, tree);
/// assert!(Document::from_text("[]").tree().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Document {
    is_exact: bool,
    text: Bytes,
    /// The tree of the text, if it is already known.
    tree: Option<Arc<Resource>>,
}

/// The error for a text that is not the JSON object of a document.
#[derive(Debug, Error)]
#[error("a stored document can't be read: {0}")]
pub struct InvalidDocument(#[source] crate::RequestError);

impl Document {
    /// Creates a document from its text, as returned by [`Document::text`].
    ///
    /// The text is not checked: readers find no values in text that is not JSON.
    #[must_use]
    pub fn from_text(text: impl Into<Bytes>) -> Self {
        Document {
            is_exact: true,
            text: text.into(),
            tree: None,
        }
    }

    /// Sets whether the document [is exact](Document::is_exact).
    #[must_use]
    pub fn with_exactness(mut self, is_exact: bool) -> Self {
        self.is_exact = is_exact;
        self
    }

    /// Adds the tree that was parsed from this text.
    #[must_use]
    pub fn with_tree(mut self, tree: Arc<Resource>) -> Self {
        self.tree = Some(tree);
        self
    }

    /// Returns whether the document contains only attributes that its current resource type has and may return, so
    /// that its text can be sent unchanged.
    ///
    /// A store that has documents from before a change of the schema returns `false` for them; every response with
    /// them is then projected.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.is_exact
    }

    /// Returns the text.
    #[must_use]
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// Returns the text, without the tree.
    #[must_use]
    pub fn into_text(self) -> Bytes {
        self.text
    }

    /// Returns the length of the text in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.text.len() as u64
    }

    /// Returns the tree, parsed from the text if it is not known yet.
    ///
    /// # Errors
    /// The text is not a JSON object.
    pub fn tree(&self) -> Result<Cow<'_, Resource>, InvalidDocument> {
        match &self.tree {
            Some(tree) => Ok(Cow::Borrowed(tree)),
            None => self.parse().map(Cow::Owned),
        }
    }

    /// Returns the tree, parsed from the text if it is not known yet.
    ///
    /// # Errors
    /// The text is not a JSON object.
    pub fn shared_tree(&self) -> Result<Arc<Resource>, InvalidDocument> {
        match &self.tree {
            Some(tree) => Ok(Arc::clone(tree)),
            None => self.parse().map(Arc::new),
        }
    }

    fn parse(&self) -> Result<Resource, InvalidDocument> {
        Resource::restore(&self.text).map_err(InvalidDocument)
    }
}

impl InvalidDocument {
    pub(crate) fn new(problem: &serde_json::Error) -> Self {
        InvalidDocument(crate::RequestError::unreadable(problem))
    }

    pub(crate) fn not_json() -> Self {
        InvalidDocument(crate::RequestError::syntax("expected a JSON object"))
    }
}

impl From<Arc<Resource>> for Document {
    fn from(tree: Arc<Resource>) -> Self {
        Document::from_text(tree.to_text()).with_tree(tree)
    }
}

impl From<Resource> for Document {
    fn from(tree: Resource) -> Self {
        Document::from(Arc::new(tree))
    }
}
