//! The error of a store.

use std::sync::Arc;

use scimkit_core::Version;
use scimkit_registry::{Exhausted, InvalidDocument, ResourceId};

use crate::{EntryKind, tenant_limits::Reached};

/// The reason why a store rejected a call or failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Several live resources match an [`ExistingMatch`](crate::ExistingMatch).
    #[error("several resources could be the one that is created; none was changed")]
    Ambiguous,
    /// The store itself failed. The source is for the log, not for the client.
    #[error("the store failed")]
    Backend(#[source] Source),
    /// The store is overloaded; a later retry may succeed.
    #[error("the store is busy")]
    Busy,
    /// One more resource would exceed a limit on their number.
    #[error("`{name}`: there are {limit} already, which is the limit")]
    CapacityExceeded {
        /// The maximum number of resources.
        limit: u64,
        /// The name of the [limit](crate::engine::Capacity).
        name: String,
    },
    /// A member would make its owner a member of itself.
    #[error("{}", circle(attr, id, owner))]
    Cycle {
        /// The path of the membership attribute.
        attr: String,
        /// The member, or one of several.
        id: ResourceId,
        /// The owner of the membership.
        owner: ResourceId,
    },
    /// The request's [`Budget`](scimkit_registry::Budget) ran out; nothing was written.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
    /// An import of the tenant is in progress or was cut off. Until one is complete, or the tenant is
    /// [erased](crate::Archive::erase_tenant), nothing of the tenant is read or written.
    #[error("an import of this tenant is not complete: try again later")]
    Importing,
    /// A value that the store or the application can't accept.
    #[error("{detail}")]
    Invalid {
        /// The fault of the value, for the administrator of the identity provider.
        detail: String,
    },
    /// Another holder has leased the journal since, so this holder may not advance the cursor.
    #[error("the lease on the journal was lost")]
    LeaseLost,
    /// The write would leave fewer resources than a minimum demands.
    #[error("`{name}`: at least {least} must remain: add another one first")]
    TooFewLeft {
        /// The minimum number of resources.
        least: u64,
        /// The name of the [minimum](crate::engine::Capacity).
        name: String,
    },
    /// Some members do not exist.
    #[error("`{attr}` names resources that don't exist: {}", shown(.ids))]
    UnknownMembers {
        /// The path of the membership attribute.
        attr: String,
        /// The unknown ids.
        ids: Vec<ResourceId>,
    },
    /// No resource of that type has the id.
    #[error("there is no such resource")]
    NotFound,
    /// The write was not carried out, because another write of the batch failed: see [`OnFailure`](crate::OnFailure).
    #[error("another write failed, so this one was not carried out")]
    Skipped,
    /// A create would take another resource than the [check](crate::ExistingMatch::with_pin) on which it relies, or
    /// only one of the two would take one.
    #[error("{}", other_candidate(found.as_ref()))]
    OtherCandidate {
        /// The resource that it would take now.
        found: Option<ResourceId>,
    },
    /// The application rejects the write, for a reason that is sent to the client.
    #[error("{detail}")]
    Rejected {
        /// The reason, for the administrator of the identity provider.
        detail: String,
    },
    /// The resource has another version than expected.
    #[error("the resource is now version {actual}")]
    VersionMismatch {
        /// The version that it has.
        actual: Version,
    },
    /// The storage has no space left; nothing was written. Reads still work.
    #[error("the storage is full")]
    StorageFull(#[source] Source),
    /// The document of the resource would be too large.
    #[error(
        "the resource would take {bytes} bytes without its members, more than {limit}: shorten its \
         values or remove some of them"
    )]
    TooLarge {
        /// The size of its JSON text, in bytes.
        bytes: u64,
        /// The [limit](crate::RequestLimits::document).
        limit: u64,
    },
    /// One more tenant, connection or token would exceed a limit on their number.
    #[error("{}", Reached(*kind, *limit))]
    TooManyEntries {
        /// The kind of the limited entries.
        kind: EntryKind,
        /// The [limit](crate::TenantLimits).
        limit: u64,
    },
    /// Another resource has that value of a unique attribute.
    #[error("another resource has that value of `{attr}`")]
    Duplicate {
        /// The path of the attribute.
        attr: String,
    },
    /// The store lacks a capability: see [`Capabilities`](crate::Capabilities).
    #[error("the store does not support {feature}")]
    Unsupported {
        /// The capability.
        feature: &'static str,
    },
    /// The store can't reach its data now, for example because a disk fails; nothing was written.
    #[error("the store is unavailable")]
    Unavailable(#[source] Source),
}

/// The source of a failure, for the log.
type Source = Arc<dyn std::error::Error + Send + Sync>;

impl StoreError {
    /// Creates the error of a store that failed.
    pub fn backend(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        StoreError::Backend(source.into().into())
    }

    /// Creates the error of a store without space for a write.
    pub fn storage_full(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        StoreError::StorageFull(source.into().into())
    }

    /// Creates the error of a store that can't reach its data.
    pub fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        StoreError::Unavailable(source.into().into())
    }

    /// Returns whether the store itself failed, whatever the call was: [`StoreError::Backend`], [`StoreError::Busy`],
    /// [`StoreError::Importing`], [`StoreError::StorageFull`] and [`StoreError::Unavailable`].
    ///
    /// # Example
    /// ```
    /// use scimkit_store::StoreError;
    ///
    /// assert!(StoreError::Busy.is_failure());
    /// assert!(!StoreError::NotFound.is_failure());
    /// ```
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(
            self,
            StoreError::Backend(_)
                | StoreError::Busy
                | StoreError::Importing
                | StoreError::StorageFull(_)
                | StoreError::Unavailable(_)
        )
    }
}

impl From<InvalidDocument> for StoreError {
    fn from(problem: InvalidDocument) -> Self {
        StoreError::backend(problem)
    }
}

/// Returns the text about the resource that a create would take now.
fn other_candidate(found: Option<&ResourceId>) -> String {
    match found {
        Some(id) => format!("the create would now take `{id}`: check it again"),
        None => "the create would no longer take a resource that exists: check it again".to_owned(),
    }
}

/// Returns the text about the cycle that an edge would close.
fn circle(attr: &str, id: &ResourceId, owner: &ResourceId) -> String {
    if id == owner {
        format!("`{attr}`: `{owner}` can't be a member of itself")
    } else {
        format!(
            "`{attr}`: making `{id}` a member of `{owner}` would make `{owner}` a member of itself"
        )
    }
}

/// Returns the first ids of a list, so that a message stays readable.
fn shown(ids: &[ResourceId]) -> String {
    const FEW: usize = 10;
    let mut text = ids
        .iter()
        .take(FEW)
        .map(|id| format!("`{id}`"))
        .collect::<Vec<_>>()
        .join(", ");
    if ids.len() > FEW {
        text.push_str(&format!(" and {} more", ids.len() - FEW));
    }
    text
}
