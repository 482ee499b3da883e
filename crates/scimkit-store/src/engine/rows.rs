//! The interface between a decision and the rows of a store.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::Arc,
};

use scimkit_core::Version;
use scimkit_registry::{AttrEdges, InvalidDocument, Registry, ResourceId};

use super::{
    facts::{Facts, FoundRow, Needs, RowHead, RowState},
    operations::Operations,
    request::{BatchAnswer, Request},
};
use crate::{Document, StoreError, StoredResource, WriteOutcome, Written};

/// The rows of one tenant, inside a transaction that holds the tenant's lock.
///
/// An implementation reads and writes tables, keys and edges, and needs no rules for writes. Both methods can be
/// written as `async fn`. An implementation that never waits returns [`ready`](std::future::ready).
///
/// # Example
/// See [`RowDatabase`](crate::rows::RowDatabase).
pub trait Rows {
    /// Loads facts from the current rows.
    ///
    /// # Errors
    /// The database failed. The caller rolls the transaction back.
    fn load(&mut self, needs: &Needs) -> impl Future<Output = Result<Facts, RowsError>> + Send;

    /// Applies all operations, or none, and returns the rows that were inserted, updated or bumped as the database now
    /// has them. Rows that are exactly as in the operations may be omitted.
    ///
    /// # Errors
    /// [`RowsError::Rejected`] if a constraint rejects a row, otherwise the database failed. The caller rolls the
    /// transaction back.
    fn apply(
        &mut self,
        operations: Operations,
    ) -> impl Future<Output = Result<Applied, RowsError>> + Send;
}

/// The error of a transaction on rows, which was not committed and must not be.
#[derive(Debug, thiserror::Error)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a caller must handle each way in which a transaction ends"
)]
pub enum RowsError {
    /// Any other failure. The transaction is not retried.
    #[error(transparent)]
    Failed(#[from] StoreError),
    /// The database has rolled the transaction back for certain: after a deadlock, a serialisation failure, or a lost
    /// connection before `COMMIT` was sent. A retry may succeed.
    #[error("the transaction was lost")]
    Lost(#[source] StoreError),
    /// The database rejected a row.
    #[error(transparent)]
    Rejected(#[from] Rejection),
}

/// The reason why a database rejected one row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a caller must handle each kind of rejection"
)]
pub enum Rejection {
    /// A unique constraint: another transaction has added a resource since the facts were loaded, or the constraint
    /// compares values in another way than the schema.
    #[error("the database has another row with that value of `{attr}`")]
    Duplicate {
        /// The path of the attribute, in any letter case, or the name of the constraint if it belongs to no attribute.
        attr: String,
        /// The id of the row in the operations.
        id: ResourceId,
    },
    /// Another constraint, or a value that is invalid for its column.
    #[error("{detail}")]
    Invalid {
        /// The reason, for the administrator of the identity provider.
        detail: String,
        /// The id of the row in the operations.
        id: ResourceId,
    },
}

impl Rejection {
    /// Returns the id of the row in the operations.
    #[must_use]
    pub fn id(&self) -> &ResourceId {
        let (Rejection::Duplicate { id, .. } | Rejection::Invalid { id, .. }) = self;
        id
    }
}

impl From<InvalidDocument> for RowsError {
    fn from(problem: InvalidDocument) -> Self {
        RowsError::Failed(problem.into())
    }
}

impl From<RowsError> for StoreError {
    fn from(error: RowsError) -> Self {
        match error {
            RowsError::Failed(error) | RowsError::Lost(error) => error,
            RowsError::Rejected(rejection) => rejection.into(),
        }
    }
}

impl From<Rejection> for StoreError {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Duplicate { attr, .. } => StoreError::Duplicate { attr },
            Rejection::Invalid { detail, .. } => StoreError::Invalid { detail },
        }
    }
}

/// Rows as a database has written them, with the ids, versions, times and defaults that it decided.
///
/// # Example
/// ```
/// use chrono::DateTime;
/// use scimkit_core::Version;
/// use scimkit_registry::{Registry, ResourceId};
/// use scimkit_store::engine::{Applied, RowHead, RowState};
///
/// let given = ResourceId::from("f3a0");
/// let head = RowHead {
///     created: DateTime::UNIX_EPOCH,
///     id: ResourceId::from("17"),
///     kind: "User".into(),
///     last_modified: DateTime::UNIX_EPOCH,
///     state: RowState::Live,
///     version: Version::new("9e107d")?,
/// };
/// let mut applied = Applied::default();
/// applied.push_head(given.clone(), head);
/// assert_eq!(applied.id(&given).as_str(), "17");
/// # Ok::<(), scimkit_core::InvalidVersion>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Applied {
    rows: BTreeMap<ResourceId, AppliedRow>,
}

/// A row as the database now has it.
#[derive(Debug, Clone)]
struct AppliedRow {
    document: Option<Document>,
    head: RowHead,
}

impl Applied {
    /// Adds a row as the database now has it; `given` is its id in the operations. Its document may differ from that in
    /// the operations, for example because of a default.
    pub fn push(&mut self, given: ResourceId, row: FoundRow) {
        let FoundRow { document, head, .. } = row;
        let document = Some(document);
        self.rows.insert(given, AppliedRow { document, head });
    }

    /// Adds the head of a row as the database now has it; `given` is its id in the operations. Its document is that in
    /// the operations.
    pub fn push_head(&mut self, given: ResourceId, head: RowHead) {
        let document = None;
        self.rows.insert(given, AppliedRow { document, head });
    }

    /// Returns the id of a row in the database: the one in the operations, unless the added row has another.
    #[must_use]
    pub fn id<'a>(&'a self, given: &'a ResourceId) -> &'a ResourceId {
        self.rows.get(given).map_or(given, |row| &row.head.id)
    }

    /// Sets the ids, versions, times and documents of the database in the results; `subjects` are their resources.
    ///
    /// # Errors
    /// [`StoreError::Backend`]: the database decides versions and did not return one.
    pub(super) fn complete(
        &self,
        answers: &mut [BatchAnswer],
        subjects: &[Vec<ResourceId>],
        requests: &[Request],
    ) -> Result<(), StoreError> {
        if !self.rows.is_empty() {
            for (answers, request) in answers.iter_mut().zip(requests) {
                let answers = answers.iter_mut().flatten().flatten();
                for stored in answers.filter_map(|written| written.stored.as_mut()) {
                    self.complete_edges(&request.registry, stored);
                }
            }
        }
        let answers = answers.iter_mut().zip(subjects).rev();
        let answers = answers.filter_map(|(answers, ids)| Some((answers.as_mut().ok()?, ids)));
        let mut later = BTreeSet::new();
        for (answer, id) in answers.flat_map(|(answers, ids)| answers.iter_mut().zip(ids).rev()) {
            let row = self.rows.get(id);
            match answer {
                Ok(written) if written.outcome == WriteOutcome::Deleted => drop(later.insert(id)),
                Ok(written) => {
                    let is_last = later.insert(id);
                    if let Some(row) = row {
                        row.complete(written, is_last);
                    }
                    if is_last && written.version.as_ref().is_some_and(is_provisional) {
                        let text = format!("the database returned no version of `{id}`");
                        return Err(StoreError::backend(text));
                    }
                }
                Err(StoreError::VersionMismatch { actual }) => {
                    if let Some(row) = row.filter(|_| is_provisional(actual)) {
                        actual.clone_from(&row.head.version);
                    }
                }
                Err(_) => {}
            }
        }
        Ok(())
    }
}

impl Applied {
    /// Sets the ids and display names of the database in edges to rows that were written.
    fn complete_edges(&self, registry: &Registry, stored: &mut StoredResource) {
        for AttrEdges { edges, .. } in &mut stored.edges {
            let mut has_new_ids = false;
            for edge in &mut *edges {
                let Some(row) = self.rows.get(&edge.id) else {
                    continue;
                };
                has_new_ids |= edge.id != row.head.id;
                edge.id.clone_from(&row.head.id);
                let is_shown = edge.kind.as_deref() == Some(&*row.head.kind);
                let kind = registry.resource_type(&row.head.kind);
                let kind = kind.filter(|_| is_shown && row.head.state == RowState::Live);
                if let (Some(kind), Some(document)) = (kind, &row.document) {
                    edge.display = document.display_name(kind).map(Arc::from);
                }
            }
            if has_new_ids {
                edges.sort_by(|a, b| a.id.cmp(&b.id));
            }
        }
    }
}

impl AppliedRow {
    fn complete(&self, written: &mut Written, is_last: bool) {
        let version = |version: &mut Version| {
            if is_provisional(version) {
                version.clone_from(&self.head.version);
            }
        };
        written.version.as_mut().map(version);
        let Some(stored) = &mut written.stored else {
            return;
        };
        version(&mut stored.version);
        stored.id.clone_from(&self.head.id);
        stored.created = self.head.created;
        if !is_last {
            return;
        }
        stored.last_modified = self.head.last_modified;
        if let Some(document) = &self.document {
            stored.document = document.clone();
        }
    }
}

/// The prefix of placeholders for versions that the database decides.
const PROVISIONAL: &str = "provisional:";

/// Returns the placeholder for the version of a change with this number, until the database decides it. Responses never
/// contain it, so no request can expect it.
pub(super) fn provisional(number: u64) -> String {
    format!("{PROVISIONAL}{number}")
}

fn is_provisional(version: &Version) -> bool {
    version.as_str().starts_with(PROVISIONAL)
}
