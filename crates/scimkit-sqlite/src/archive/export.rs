//! The records of a tenant as a stream, which a separate thread reads.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use rusqlite::Connection as Db;
use scimkit_store::{
    StoreError, TenantId,
    archive::{ArchiveError, ArchiveRecord},
};
use tokio::sync::{Semaphore, mpsc};

use super::{export_records, stop::Outcome};
use crate::{SqliteStore, workers::stopped};

/// The maximum number of records that are read before the caller takes them.
const AHEAD: usize = 32;

/// A record, or `None` after the last one.
type Item = Result<Option<ArchiveRecord>, ArchiveError>;

/// The records of a tenant. The reading thread starts with the first poll and ends when the stream is dropped.
pub(super) enum Export<'a> {
    Idle(&'a SqliteStore, &'a TenantId),
    Over,
    Running(mpsc::Receiver<Item>),
}

impl Stream for Export<'_> {
    type Item = Result<ArchiveRecord, ArchiveError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Export::Idle(store, tenant) = *this {
            match start(store, tenant) {
                Ok(records) => *this = Export::Running(records),
                Err(problem) => {
                    *this = Export::Over;
                    return Poll::Ready(Some(Err(problem.into())));
                }
            }
        }
        let Export::Running(records) = this else {
            return Poll::Ready(None);
        };
        let item = match ready!(records.poll_recv(cx)) {
            Some(Ok(Some(record))) => return Poll::Ready(Some(Ok(record))),
            Some(Ok(None)) => None,
            Some(Err(problem)) => Some(Err(problem)),
            // The thread has panicked, or the store is closed.
            None => Some(Err(stopped().into())),
        };
        *this = Export::Over;
        Poll::Ready(item)
    }
}

fn start(store: &SqliteStore, tenant: &TenantId) -> Result<mpsc::Receiver<Item>, StoreError> {
    // A database in memory has a single connection, which must not wait for the reader of the export.
    let ahead = if store.workers.has_file() {
        AHEAD
    } else {
        Semaphore::MAX_PERMITS
    };
    let (hand, records) = mpsc::channel(ahead);
    let tenant = tenant.clone();
    store.workers.apart(move |db| {
        let read = db.map_err(ArchiveError::Store);
        let read = read.and_then(|db| Ok(read_all(db, &tenant, &hand)?));
        // The stream may have been dropped.
        drop(hand.blocking_send(read.map(|()| None)));
    })?;
    Ok(records)
}

fn read_all(db: &mut Db, tenant: &TenantId, hand: &mpsc::Sender<Item>) -> Outcome<()> {
    // Dropping the transaction rolls it back; nothing was written.
    let moment = db.transaction()?;
    export_records::dump(&moment, tenant, &mut |record| {
        hand.blocking_send(Ok(Some(record)))
            .map_err(|_| stopped().into())
    })
}
