//! The fixture of the checks: a store, and short names for its calls.

use std::sync::Arc;

use scimkit_store::{BoxFuture, DeadLetter, JournalPosition, StoreError, TenantId};

use super::LetterStore;
use crate::contract::{
    FutureDriver,
    fixture::{said, second},
    importing::{during_import, run},
};

/// A store and a tenant.
pub(super) struct Letterbox<'a> {
    drive: &'a FutureDriver<'a>,
    pub(super) store: Arc<dyn LetterStore>,
    tenant: TenantId,
}

impl<'a> Letterbox<'a> {
    pub(super) fn new(store: Arc<dyn LetterStore>, drive: &'a FutureDriver<'a>) -> Self {
        Letterbox {
            drive,
            store,
            tenant: TenantId::from("acme"),
        }
    }

    /// Returns the same store for another tenant.
    pub(super) fn tenant(&self, name: &str) -> Letterbox<'a> {
        Letterbox {
            drive: self.drive,
            store: Arc::clone(&self.store),
            tenant: TenantId::from(name),
        }
    }

    pub(super) fn id(&self) -> &TenantId {
        &self.tenant
    }

    pub(super) fn run<T: Send>(&self, future: BoxFuture<'_, T>) -> Result<T, String> {
        run(self.drive, future)
    }

    fn done<T: Send>(
        &self,
        what: &str,
        future: BoxFuture<'_, Result<T, StoreError>>,
    ) -> Result<T, String> {
        self.run(future)?
            .map_err(|e| format!("{what}: {}", said(&e)))
    }

    /// A letter for an entry, which is not in the journal: it may have been trimmed.
    pub(super) fn letter(&self, consumer: &str, position: JournalPosition) -> DeadLetter {
        DeadLetter::new(consumer, position, second(1), 12, "status 500")
    }

    pub(super) fn put(&self, letter: &DeadLetter) -> Result<(), String> {
        let put = self.store.put_dead_letter(&self.tenant, letter);
        self.done("a letter", put)
    }

    pub(super) fn remove(&self, consumer: &str, position: JournalPosition) -> Result<(), String> {
        let removal = self
            .store
            .remove_dead_letter(&self.tenant, consumer, position);
        self.done("a removal", removal)
    }

    pub(super) fn list(
        &self,
        consumer: &str,
        after: JournalPosition,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, String> {
        let read = self
            .store
            .dead_letters(&self.tenant, consumer, after, limit);
        self.done("a list", read)
    }

    pub(super) fn all(&self, consumer: &str) -> Result<Vec<DeadLetter>, String> {
        self.list(consumer, JournalPosition::default(), 100)
    }

    pub(super) fn places(
        &self,
        consumer: &str,
        after: JournalPosition,
        limit: u32,
    ) -> Result<Vec<JournalPosition>, String> {
        let letters = self.list(consumer, after, limit)?.into_iter();
        Ok(letters.map(|letter| letter.position).collect())
    }

    /// Acts while an import of the tenant waits for its source.
    pub(super) fn while_importing(
        &self,
        act: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), String> {
        during_import(&*self.store, &self.tenant, self.drive, act)
    }
}
