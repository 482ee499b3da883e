//! The seam between a decision and the rows of a store.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use scimkit_core::Version;
use scimkit_registry::ResourceId;

use super::{BatchAnswer, Decision, Facts, FoundRow, Needs, Operations, Outcome, RowHead, Step};
use crate::{Document, How, StoreError, Stored, Written};

/// The rows of one tenant, inside a transaction that holds the tenant's lock.
///
/// An implementation knows tables, keys and edges, but no rule of a write. Both methods can be written
/// as `async fn`; rows that never wait return [`ready`](std::future::ready).
///
/// # Example
/// See [`RowDatabase`](crate::rows::RowDatabase).
pub trait Rows {
    /// Loads facts, as the rows are now.
    ///
    /// # Errors
    /// Why the transaction is given up.
    fn load(&mut self, needs: &Needs) -> impl Future<Output = Result<Facts, RowsError>> + Send;

    /// Applies operations, all of them or none, and returns what the database has made of the rows
    /// that were inserted, updated or bumped. Rows that are exactly as the operations say may be left
    /// out.
    ///
    /// # Errors
    /// Why the transaction is given up; [`RowsError::Rejected`] for a row that a constraint rejects.
    fn apply(
        &mut self,
        operations: Operations,
    ) -> impl Future<Output = Result<Applied, RowsError>> + Send;
}

/// Why a transaction on rows is given up: nothing of it was, or may be, committed.
#[derive(Debug, thiserror::Error)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever runs a transaction must know each way in which it ends"
)]
pub enum RowsError {
    /// Any other failure. The transaction is not tried again.
    #[error(transparent)]
    Failed(#[from] StoreError),
    /// The database gave the transaction up and certainly committed nothing of it: a deadlock, a failed
    /// serialisation, a lost connection before `COMMIT` was sent. Another try may succeed.
    #[error("the transaction was lost")]
    Lost(#[source] StoreError),
    /// The database rejects a row.
    #[error(transparent)]
    Rejected(#[from] Rejection),
}

/// Why a database rejects one row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever runs a transaction must know each of them"
)]
pub enum Rejection {
    /// A unique constraint: either a resource that the facts did not have appeared in the meantime, or
    /// the constraint compares in another way than the schema does.
    #[error("the database has another row with that value of `{attr}`")]
    Duplicate {
        /// The path of the attribute, in any case; or else another name of what is not unique.
        attr: String,
        /// The id that the operations give to the row.
        id: ResourceId,
    },
    /// Another constraint, or a value that has no place in its column.
    #[error("{detail}")]
    Invalid {
        /// What is wrong, for the administrator of the identity provider.
        detail: String,
        /// The id that the operations give to the row.
        id: ResourceId,
    },
}

impl Rejection {
    /// The id that the operations give to the row.
    #[must_use]
    pub fn id(&self) -> &ResourceId {
        let (Rejection::Duplicate { id, .. } | Rejection::Invalid { id, .. }) = self;
        id
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
            Rejection::Duplicate { attr, .. } => StoreError::Taken { attr },
            Rejection::Invalid { detail, .. } => StoreError::Invalid { detail },
        }
    }
}

/// What a database has made of rows: ids, versions, times and defaults that it decided.
///
/// # Example
/// ```
/// use chrono::DateTime;
/// use scimkit_core::Version;
/// use scimkit_registry::ResourceId;
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

/// A row as the database has it now.
#[derive(Debug, Clone)]
struct AppliedRow {
    document: Option<Document>,
    head: RowHead,
}

impl Applied {
    /// Notes what became of the row to which the operations give that id, and that its document may be
    /// another one than the operations have, for example because of a default.
    pub fn push(&mut self, given: ResourceId, row: FoundRow) {
        let FoundRow { document, head, .. } = row;
        let document = Some(document);
        self.rows.insert(given, AppliedRow { document, head });
    }

    /// Notes what became of the row to which the operations give that id; its document is the one that
    /// the operations have.
    pub fn push_head(&mut self, given: ResourceId, head: RowHead) {
        let document = None;
        self.rows.insert(given, AppliedRow { document, head });
    }

    /// Returns the id that the database has for a row: the one that the operations give, unless another
    /// was noted.
    #[must_use]
    pub fn id<'a>(&'a self, given: &'a ResourceId) -> &'a ResourceId {
        self.rows.get(given).map_or(given, |row| &row.head.id)
    }

    /// Puts what the database decided into the answers; `subjects` are the resources that they are about.
    ///
    /// # Errors
    /// [`StoreError::Backend`] for a version that the database had to decide and did not return.
    fn complete(
        &self,
        answers: &mut [BatchAnswer],
        subjects: &[Vec<ResourceId>],
    ) -> Result<(), StoreError> {
        let answers = answers.iter_mut().zip(subjects).rev();
        let answers = answers.filter_map(|(answers, ids)| Some((answers.as_mut().ok()?, ids)));
        let mut later = BTreeSet::new();
        for (answer, id) in answers.flat_map(|(answers, ids)| answers.iter_mut().zip(ids).rev()) {
            let row = self.rows.get(id);
            match answer {
                Ok(written) if written.how == How::Deleted => drop(later.insert(id)),
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
                Err(StoreError::Stale { actual }) => {
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
            stored.bytes = Stored::bytes_of(document);
            stored.document = document.clone();
        }
    }
}

/// How versions begin that stand in for those which the database will decide.
const PROVISIONAL: &str = "provisional:";

/// The version of a change that has this number, until the database decides another; no client ever
/// sees it, so none can expect it.
pub(super) fn provisional(number: u64) -> String {
    format!("{PROVISIONAL}{number}")
}

fn is_provisional(version: &Version) -> bool {
    version.as_str().starts_with(PROVISIONAL)
}

/// Runs a decision on the rows of its tenant, and returns the answers for each of its batches.
///
/// The caller opens the transaction before and commits it afterwards; the answers hold only then. If
/// the transaction is lost, a [restarted](Decision::restart) decision can be run in another one.
///
/// # Errors
/// What [`Rows`] says: nothing may be committed.
pub async fn write(
    rows: &mut impl Rows,
    decision: &mut Decision,
) -> Result<Vec<BatchAnswer>, RowsError> {
    loop {
        match decision.step() {
            Step::Load(needs) => {
                let facts = rows.load(&needs).await?;
                decision.supply(needs, facts);
            }
            Step::Done(Outcome {
                mut answers,
                operations,
                subjects,
            }) => {
                if !operations.is_empty() {
                    let applied = rows.apply(operations).await?;
                    applied.complete(&mut answers, &subjects)?;
                }
                return Ok(answers);
            }
        }
    }
}

/// Does what [`write`](fn@write) does, on rows that never wait: whose futures are ready when they are polled
/// for the first time.
///
/// # Errors
/// - What [`write`](fn@write) says.
/// - [`StoreError::Backend`] if a future was not ready.
pub fn write_blocking(
    rows: &mut impl Rows,
    decision: &mut Decision,
) -> Result<Vec<BatchAnswer>, RowsError> {
    let writing = pin!(write(rows, decision));
    match writing.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answers) => answers,
        Poll::Pending => Err(StoreError::backend("rows that never wait had to wait").into()),
    }
}
