//! The fixture of the checks: a store, and short names for its calls.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures_core::Stream;
use scimkit_store::{
    BoxFuture, DeadLetter, JournalPosition, RequestContext, Settings, StoreError, TenantId,
    archive::{ArchiveError, ArchiveRecord, NumberedRecord, TenantHeader},
};

use super::LetterStore;
use crate::contract::{
    FutureDriver,
    fixture::{said, second},
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

    pub(super) fn run<'f, T: Send + 'f>(&self, future: BoxFuture<'f, T>) -> Result<T, String> {
        let mut answer = None;
        let slot = &mut answer;
        (self.drive)(Box::pin(async move { *slot = Some(future.await) }));
        answer.ok_or_else(|| "the driver left a future unfinished".to_owned())
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
        let settings = Arc::new(Settings::new("https://app.example/scim/v2"));
        let context = RequestContext::new(self.tenant.clone(), settings);
        let is_waited_for = Arc::new(AtomicBool::new(false));
        let header = TenantHeader::new(self.tenant.clone(), None, 0);
        let source = Stalled {
            first: Some(NumberedRecord {
                line: 1,
                record: ArchiveRecord::Start(header),
            }),
            is_waited_for: Arc::clone(&is_waited_for),
        };
        let mut import = self.store.import_records(&context, Box::pin(source));
        self.run(Box::pin(poll_fn(|cx| match import.as_mut().poll(cx) {
            Poll::Ready(ended) => Poll::Ready(Err(format!("the import ends early: {ended:?}"))),
            Poll::Pending if is_waited_for.load(Ordering::Acquire) => Poll::Ready(Ok(())),
            Poll::Pending => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        })))??;
        act()
    }
}

/// A source that waits for ever after its first record.
struct Stalled {
    first: Option<NumberedRecord>,
    is_waited_for: Arc<AtomicBool>,
}

impl Stream for Stalled {
    type Item = Result<NumberedRecord, ArchiveError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(first))),
            None => {
                self.is_waited_for.store(true, Ordering::Release);
                Poll::Pending
            }
        }
    }
}
