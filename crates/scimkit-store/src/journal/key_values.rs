//! Values that a component above the store keeps in the store's database.

use super::Journal;
use crate::{BoxFuture, StoreError, TenantId};

/// A store that also keeps the values of a component above it, such as the runs of staged delivery: one database, one
/// backup, one erasure.
///
/// - Each tenant has collections of values, in the order of their keys: by their bytes.
/// - A key has at most 1,000 bytes and a value is text of at most 4 MiB. Neither contains the character NUL, and keys
///   don't contain U+10FFFF. The store does not look inside, so that values must not be secrets.
/// - Erasing a tenant removes its values. An archive does not contain them.
/// - While an [import](crate::Archive::import_records) of the tenant is not complete, all calls fail with
///   [`StoreError::Importing`].
///
/// # Example
/// ```
/// use scimkit_store::{KeyValueEdit, KeyValues, MemoryStore, TenantId};
/// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
/// # fn now<T>(future: impl Future<Output = T>) -> T {
/// #     match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
/// #         Poll::Ready(value) => value,
/// #         Poll::Pending => panic!("it waits for nothing"),
/// #     }
/// # }
///
/// let (store, tenant) = (MemoryStore::new(), TenantId::default());
/// let first = KeyValueEdit::put("runs", "0001", "planning").if_missing();
/// // With an async runtime, write `.await` instead of `now(..)`.
/// assert!(now(store.edit_key_values(&tenant, std::slice::from_ref(&first)))?);
/// assert!(!now(store.edit_key_values(&tenant, &[first]))?);
///
/// let next = KeyValueEdit::put("runs", "0001", "completed").if_value("planning");
/// assert!(now(store.edit_key_values(&tenant, &[next]))?);
/// let runs = now(store.key_values(&tenant, "runs", "", "", 10))?;
/// assert_eq!(runs[0].value, "completed");
/// # Ok::<(), scimkit_store::StoreError>(())
/// ```
pub trait KeyValues: Journal {
    /// Changes values in one transaction, and returns true; or changes nothing and returns false if a condition does not
    /// hold. Conditions are about the values before the call. The last of several edits of a key wins.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store.
    fn edit_key_values<'a>(
        &'a self,
        tenant: &'a TenantId,
        edits: &'a [KeyValueEdit],
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Returns the values of a collection whose keys start with `prefix` and come after `after`, in the order of their
    /// keys, at most `limit`.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store.
    fn key_values<'a>(
        &'a self,
        tenant: &'a TenantId,
        collection: &'a str,
        prefix: &'a str,
        after: &'a str,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<KeyValue>, StoreError>>;

    /// Returns the values of keys, in the order of the keys; none for a key without a value.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store.
    fn key_values_of<'a>(
        &'a self,
        tenant: &'a TenantId,
        collection: &'a str,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<String>>, StoreError>>;

    /// Removes the values of a collection whose keys start with a prefix, at most 500 in one transaction.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store. Some values may be gone then.
    fn remove_key_values<'a>(
        &'a self,
        tenant: &'a TenantId,
        collection: &'a str,
        prefix: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            loop {
                let next = self.key_values(tenant, collection, prefix, "", 500).await?;
                if next.is_empty() {
                    return Ok(());
                }
                let remove = |found: KeyValue| KeyValueEdit::remove(collection, found.key);
                let edits: Vec<_> = next.into_iter().map(remove).collect();
                self.edit_key_values(tenant, &edits).await?;
            }
        })
    }
}

/// A value with its key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a value")]
pub struct KeyValue {
    /// The key, unique in the collection.
    pub key: String,
    /// The value.
    pub value: String,
}

/// The change of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyValueEdit {
    /// The collection.
    pub collection: String,
    /// What must be true before the change.
    pub condition: KeyValueCondition,
    /// The key.
    pub key: String,
    /// The new value; none to remove it.
    pub value: Option<String>,
}

/// What must be true of a value before its change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum KeyValueCondition {
    /// Anything.
    #[default]
    Any,
    /// It is this text.
    Is(String),
    /// There is none.
    Missing,
}

impl KeyValueCondition {
    /// Returns whether the condition holds for a value.
    #[must_use]
    pub fn holds(&self, value: Option<&str>) -> bool {
        match self {
            KeyValueCondition::Any => true,
            KeyValueCondition::Is(expected) => value == Some(expected),
            KeyValueCondition::Missing => value.is_none(),
        }
    }
}

impl KeyValueEdit {
    /// Creates or replaces a value.
    #[must_use]
    pub fn put(
        collection: impl Into<String>,
        key: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        KeyValueEdit {
            collection: collection.into(),
            condition: KeyValueCondition::Any,
            key: key.into(),
            value: Some(value.into()),
        }
    }

    /// Removes a value, if there is one.
    #[must_use]
    pub fn remove(collection: impl Into<String>, key: impl Into<String>) -> Self {
        KeyValueEdit {
            collection: collection.into(),
            condition: KeyValueCondition::Any,
            key: key.into(),
            value: None,
        }
    }

    /// Returns whether the edit depends on the value before.
    #[must_use]
    pub fn is_conditional(&self) -> bool {
        self.condition != KeyValueCondition::Any
    }

    /// Requires that there is no value.
    #[must_use]
    pub fn if_missing(mut self) -> Self {
        self.condition = KeyValueCondition::Missing;
        self
    }

    /// Requires that the value is this text.
    #[must_use]
    pub fn if_value(mut self, expected: impl Into<String>) -> Self {
        self.condition = KeyValueCondition::Is(expected.into());
        self
    }
}
