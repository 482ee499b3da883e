//! An import that does not end, and what calls do meanwhile.

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
    Archive, BoxFuture, RequestContext, Settings, TenantId,
    archive::{ArchiveError, ArchiveRecord, NumberedRecord, TenantHeader},
};

use super::FutureDriver;

/// Runs a future to its end.
pub(super) fn run<T: Send>(
    drive: &FutureDriver<'_>,
    future: BoxFuture<'_, T>,
) -> Result<T, String> {
    let mut answer = None;
    let slot = &mut answer;
    drive(Box::pin(async move { *slot = Some(future.await) }));
    answer.ok_or_else(|| "the driver left a future unfinished".to_owned())
}

/// Acts while an import of the tenant waits for its source.
pub(super) fn during_import(
    store: &dyn Archive,
    tenant: &TenantId,
    drive: &FutureDriver<'_>,
    act: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    let settings = Arc::new(Settings::new("https://app.example/scim/v2"));
    let context = RequestContext::new(tenant.clone(), settings);
    let is_waited_for = Arc::new(AtomicBool::new(false));
    let header = TenantHeader::new(tenant.clone(), None, 0);
    let source = Stalled {
        first: Some(NumberedRecord {
            line: 1,
            record: ArchiveRecord::Start(header),
        }),
        is_waited_for: Arc::clone(&is_waited_for),
    };
    let mut import = store.import_records(&context, Box::pin(source));
    let begun = Box::pin(poll_fn(|cx| match import.as_mut().poll(cx) {
        Poll::Ready(ended) => Poll::Ready(Err(format!("the import ends early: {ended:?}"))),
        Poll::Pending if is_waited_for.load(Ordering::Acquire) => Poll::Ready(Ok(())),
        Poll::Pending => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }));
    run(drive, begun)??;
    act()
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
