//! The entries that a consumer has given up.

use chrono::{DateTime, Utc};

use super::{Journal, JournalPosition};
use crate::{BoxFuture, StoreError, TenantId};

/// A journal that remembers which entries a consumer has given up, so that an operator can have them processed again.
///
/// - A dead letter refers to an entry and has no copy of it, so it contains no personal data. If the entry is trimmed,
///   it can't be processed again.
/// - Erasing a tenant removes its dead letters. An archive does not contain them.
/// - While an [import](crate::Archive::import_records) of the tenant is not complete, all calls fail with
///   [`StoreError::Importing`].
///
/// # Example
/// ```
/// use chrono::DateTime;
/// use scimkit_store::{DeadLetter, DeadLetters, JournalPosition, MemoryStore, TenantId};
/// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
/// # fn now<T>(future: impl Future<Output = T>) -> T {
/// #     match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
/// #         Poll::Ready(value) => value,
/// #         Poll::Pending => panic!("it waits for nothing"),
/// #     }
/// # }
///
/// let (store, tenant) = (MemoryStore::new(), TenantId::default());
/// let position = JournalPosition { number: 7, part: 0 };
/// let letter = DeadLetter::new("webhook", position, DateTime::UNIX_EPOCH, 10, "status 500");
/// // With an async runtime, write `.await` instead of `now(..)`.
/// now(store.put_dead_letter(&tenant, &letter))?;
/// let start = JournalPosition::default();
/// assert_eq!(now(store.dead_letters(&tenant, "webhook", start, 100))?, [letter]);
/// now(store.remove_dead_letter(&tenant, "webhook", position))?;
/// assert_eq!(now(store.dead_letters(&tenant, "webhook", start, 100))?, []);
/// # Ok::<(), scimkit_store::StoreError>(())
/// ```
pub trait DeadLetters: Journal {
    /// Returns the first dead letters of a consumer after a position, in the order of their positions, at most `limit`.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store.
    fn dead_letters<'a>(
        &'a self,
        tenant: &'a TenantId,
        consumer: &'a str,
        after: JournalPosition,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DeadLetter>, StoreError>>;

    /// Stores a dead letter, in place of another one for the same consumer and entry.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store.
    fn put_dead_letter<'a>(
        &'a self,
        tenant: &'a TenantId,
        letter: &'a DeadLetter,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Removes the dead letter of a consumer for an entry, if there is one.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store.
    fn remove_dead_letter<'a>(
        &'a self,
        tenant: &'a TenantId,
        consumer: &'a str,
        position: JournalPosition,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// An entry that a consumer has given up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a dead letter")]
pub struct DeadLetter {
    /// The time of the last attempt.
    pub at: DateTime<Utc>,
    /// The number of attempts.
    pub attempts: u32,
    /// The name of the consumer.
    pub consumer: String,
    /// The position of the entry.
    pub position: JournalPosition,
    /// The reason why the last attempt failed.
    pub problem: String,
}

impl DeadLetter {
    /// Creates a dead letter.
    #[must_use]
    pub fn new(
        consumer: impl Into<String>,
        position: JournalPosition,
        at: DateTime<Utc>,
        attempts: u32,
        problem: impl Into<String>,
    ) -> Self {
        DeadLetter {
            at,
            attempts,
            consumer: consumer.into(),
            position,
            problem: problem.into(),
        }
    }
}
