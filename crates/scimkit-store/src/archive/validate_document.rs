//! What a store needs to know of a document that it takes as it is.

use std::sync::Arc;

use scimkit_registry::{
    AttrKeys, AttributeRole, Change, Edge, EdgeEdit, MAX_TEXT, Registry, Resource, ResourceId,
    ResourceType,
};

use super::{MemberRecord, MembershipRecord, ResourceRecord, TenantHeader};
use crate::{Document, StoreError};

/// The longest id, in bytes.
const ID_BYTES: usize = 1_024;
/// What a bulk request refers to its own resources by (RFC 7644 section 3.7.2); an id that looks so
/// could never be told from a reference.
const BULK_ID: &str = "bulkId:";
/// The greatest version that is taken over.
const LAST_VERSION: u64 = 1 << 62;

/// A document that may be kept as it is, under its type.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ValidatedDocument {
    /// The document, without what is never returned.
    pub document: Resource,
    /// Whether the type, as it is now, shows all of the document: then its text may go out as it is.
    pub is_shown: bool,
    /// The same for a store that keeps text: the very text that was given, unless something was
    /// left out.
    pub stored: Document,
    /// Its lookup keys.
    pub keys: Vec<AttrKeys>,
    /// The type.
    pub kind: Arc<ResourceType>,
}

/// Checks that a resource may be kept as it is, and makes its lookup keys.
///
/// What is never returned, such as `password`, is [left out](ResourceType::remove_never_returned): no store
/// keeps it, and the next archive would give it away.
///
/// # Errors
/// [`StoreError::Rejected`]: the registry has no such type, the document does not
/// [fit](ResourceType::validate_stored) it or [lacks](ResourceType::validate_stored_required) something, or the id is none (empty, beyond 1,024 bytes, with control
/// characters, or a `bulkId:` reference); [`StoreError::Backend`] for text that is no document.
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
        return Err(refused(format!("an id has 1 to {ID_BYTES} bytes")));
    }
    if id.contains(char::is_control) {
        return Err(refused("an id has no control characters"));
    }
    if id.starts_with(BULK_ID) {
        Err(refused(format!("an id does not start with `{BULK_ID}`")))
    } else {
        Ok(())
    }
}

impl MembershipRecord {
    /// The change that adds them to their owner, which must be of that type.
    ///
    /// # Errors
    /// [`StoreError::Rejected`]: the attribute is no membership of the type, or the members are not in
    /// the order of their ids, each once, or one has an id that no resource can have.
    pub fn change(&self, kind: &Arc<ResourceType>) -> Result<Change, StoreError> {
        let attr = kind.attribute_id(&self.attr).map(|attr| kind.attr(attr));
        let attr = attr.filter(|a| a.role() == AttributeRole::Membership && a.path() == self.attr);
        let Some(attr) = attr else {
            let attr = &self.attr;
            let kind = kind.name();
            return Err(refused(format!("`{attr}` is no membership of {kind}")));
        };
        if !self.targets.is_sorted_by(|a, b| a.id < b.id) {
            return Err(refused(
                "`targets` are not in the order of their ids, each once",
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
    /// The number that its version is, for a store that counts them.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] for another version than a number from 1 to 2⁶², so that there are
    /// others to come.
    pub fn number(&self) -> Result<u64, StoreError> {
        let text = self.version.as_str();
        let number = text.parse::<u64>().ok().filter(|n| n.to_string() == text);
        let number = number.filter(|n| (1..=LAST_VERSION).contains(n));
        number.ok_or_else(|| refused(format!("the version `{text}` is no number from 1 to 2⁶²")))
    }
}

impl TenantHeader {
    /// The last version that was given, for a store that counts them.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] for a number beyond 2⁶².
    pub fn last_version(&self) -> Result<u64, StoreError> {
        match self.versions {
            last if last <= LAST_VERSION => Ok(last),
            _ => Err(refused("`versions` is no number from 0 to 2⁶²")),
        }
    }
}

pub(crate) fn refused(detail: impl Into<String>) -> StoreError {
    let detail = detail.into();
    StoreError::Rejected { detail }
}
