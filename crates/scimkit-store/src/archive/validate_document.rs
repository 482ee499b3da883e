//! Checks documents that an import stores unchanged.

use std::sync::Arc;

use scimkit_registry::{
    AttrKeys, AttributeRole, Change, Edge, EdgeEdit, MAX_TEXT, Registry, Resource, ResourceId,
    ResourceType,
};

use super::{MemberRecord, MembershipRecord, ResourceRecord, TenantHeader};
use crate::{Document, StoreError};

/// The maximum length of an id in bytes.
const ID_BYTES: usize = 1_024;
/// The prefix of references in a bulk request (RFC 7644 section 3.7.2). An id with this prefix would be ambiguous.
const BULK_ID: &str = "bulkId:";
/// The greatest imported version.
const LAST_VERSION: u64 = 1 << 62;

/// A document that is valid for its type.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ValidatedDocument {
    /// The document, without attributes that are never returned.
    pub document: Resource,
    /// Whether the type defines all attributes of the document, so that responses can contain its text unchanged.
    pub is_shown: bool,
    /// The text of [`ValidatedDocument::document`]: the original text, unless attributes were dropped.
    pub stored: Document,
    /// Its lookup keys.
    pub keys: Vec<AttrKeys>,
    /// The type.
    pub kind: Arc<ResourceType>,
}

/// Checks the id, type and document of a resource to import, and returns the document with its lookup keys.
///
/// Attributes that are never returned, such as `password`, are [removed](ResourceType::remove_never_returned): a store
/// never stores them, and the next export would disclose them.
///
/// # Errors
/// - [`StoreError::Rejected`]: the registry does not have the type, the document is
///   [invalid](ResourceType::validate_stored) for it or [lacks](ResourceType::validate_stored_required) a required
///   attribute, or the id is empty, is longer than 1,024 bytes, contains control characters or starts with `bulkId:`
/// - [`StoreError::Backend`]: the text is not a JSON document
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use scimkit_registry::{Registry, Resource, ResourceId};
/// use scimkit_store::{Document, archive::validate_document};
///
/// let registry = Registry::standard();
/// let id = ResourceId::from("1");
/// let check = |text: &'static str| {
///     let document = Document::from_text(text);
///     validate_document(&registry, "User", &id, &document)
/// };
/// let shown = check(r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a"}"#)?;
/// assert!(shown.is_shown && shown.keys.len() == 1);
/// assert!(!check(r#"{"userName":"a","shoeSize":43}"#)?.is_shown);
/// assert!(check(r#"{"title":"Dr"}"#).is_err());
/// let without = check(r#"{"userName":"a","password":"t0p"}"#)?;
/// assert_eq!(without.stored.text(), r#"{"userName":"a"}"#);
/// assert!(check(r#"{"userName":43}"#).is_err());
/// # Ok::<(), scimkit_store::StoreError>(())
/// ```
pub fn validate_document(
    registry: &Registry,
    kind: &str,
    id: &ResourceId,
    document: &Document,
) -> Result<ValidatedDocument, StoreError> {
    check_id(id.as_str())?;
    let known = registry.resource_type(kind);
    let kind = known.ok_or_else(|| refused(format!("there is no resource type `{kind}`")))?;
    let mut stored = document.clone();
    let mut document = document.tree()?.into_owned();
    if kind.remove_never_returned(&mut document) {
        stored = Document::from(document.clone());
    }
    let checked = kind.validate_stored(&document);
    checked.map_err(|problem| refused(problem.to_string()))?;
    let required = kind.validate_stored_required(&document);
    required.map_err(|problem| refused(problem.to_string()))?;
    let whole = Change::create(Arc::clone(kind), document.clone());
    let mut shown = Resource::default();
    whole.apply(&mut shown);
    Ok(ValidatedDocument {
        is_shown: shown == document && whole.edge_changes().is_empty(),
        document,
        stored,
        keys: whole.keys(),
        kind: Arc::clone(kind),
    })
}

pub(super) fn check_id(id: &str) -> Result<(), StoreError> {
    if id.is_empty() || id.len() > ID_BYTES {
        return Err(refused(format!("an id must have 1 to {ID_BYTES} bytes")));
    }
    if id.contains(char::is_control) {
        return Err(refused("an id must not contain control characters"));
    }
    if id.starts_with(BULK_ID) {
        Err(refused(format!("an id must not start with `{BULK_ID}`")))
    } else {
        Ok(())
    }
}

impl MembershipRecord {
    /// Returns the change that adds the members to their owner, which has that type.
    ///
    /// # Errors
    /// [`StoreError::Rejected`]: the type has no such membership attribute, the members are not sorted by id or one is
    /// duplicate, or the id or type of a member is invalid.
    pub fn change(&self, kind: &Arc<ResourceType>) -> Result<Change, StoreError> {
        let attr = kind.attribute_id(&self.attr).map(|attr| kind.attr(attr));
        let attr = attr.filter(|a| a.role() == AttributeRole::Membership && a.path() == self.attr);
        let Some(attr) = attr else {
            let attr = &self.attr;
            let kind = kind.name();
            let detail = format!("`{attr}` is not a membership attribute of `{kind}`");
            return Err(refused(detail));
        };
        if !self.targets.is_sorted_by(|a, b| a.id < b.id) {
            return Err(refused(
                "`targets` must be sorted by id, without duplicates",
            ));
        }
        for MemberRecord { id, kind } in &self.targets {
            check_id(id.as_str()).map_err(|problem| refused(format!("`targets`: {problem}")))?;
            if kind.as_ref().is_some_and(|kind| kind.len() > MAX_TEXT) {
                let detail = format!("`targets`: a type has more than {MAX_TEXT} bytes");
                return Err(refused(detail));
            }
        }
        let edge =
            |member: &MemberRecord| Edge::to(member.id.as_str()).with_kind(member.kind.as_deref());
        let add: Vec<_> = self.targets.iter().map(edge).collect();
        let mut change = Change::empty(Arc::clone(kind));
        let remove = Vec::new();
        change.edit_edges(attr.id(), EdgeEdit::Delta { add, remove });
        Ok(change)
    }
}

impl ResourceRecord {
    /// Returns its version as a number, for a store that counts versions.
    ///
    /// # Errors
    /// [`StoreError::Rejected`]: the version is not a number from 1 to 2⁶²; greater ones would leave too few numbers
    /// for later changes.
    pub fn number(&self) -> Result<u64, StoreError> {
        let text = self.version.as_str();
        let number = text.parse::<u64>().ok().filter(|n| n.to_string() == text);
        let number = number.filter(|n| (1..=LAST_VERSION).contains(n));
        number.ok_or_else(|| {
            refused(format!(
                "invalid version `{text}`: expected a number from 1 to 2⁶²"
            ))
        })
    }
}

impl TenantHeader {
    /// Returns the last version, for a store that counts versions.
    ///
    /// # Errors
    /// [`StoreError::Rejected`]: the number is greater than 2⁶².
    pub fn last_version(&self) -> Result<u64, StoreError> {
        match self.versions {
            last if last <= LAST_VERSION => Ok(last),
            _ => Err(refused(
                "invalid `versions`: expected a number from 0 to 2⁶²",
            )),
        }
    }
}

pub(crate) fn refused(detail: impl Into<String>) -> StoreError {
    let detail = detail.into();
    StoreError::Rejected { detail }
}
