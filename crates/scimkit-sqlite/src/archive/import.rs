//! Import of a tenant in slices, so that other writes run in between.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    thread::{self, Builder},
    time::{Duration, Instant},
};

use rusqlite::{Connection as Db, TransactionBehavior};
use scimkit_store::{
    RequestContext, StoreError, TenantId,
    archive::{ArchiveError, CheckedRecord, Importer, NumberedRecord, RecordSource},
    next_item, yield_now,
};
use tokio::sync::oneshot;

use super::{erase, import_records::Copy, stop::Outcome};
use crate::{
    SqliteStore,
    imports::{self, Attempt},
    workers::stopped,
};

/// The duration after which a transaction takes no further record.
const SLICE: Duration = Duration::from_millis(20);
/// The number of records after which those that were read are stored.
const RECORDS: usize = 512;
/// The number of document bytes after which the records are stored.
const BYTES: usize = 1 << 20;
/// The pause before a busy store is tried again.
const PAUSE: Duration = Duration::from_millis(50);
const TRIES: u32 = 100;

type Records = VecDeque<(u64, CheckedRecord)>;

/// The number of records to check before other tasks run.
const TURN: usize = 32;

/// Records that are stored together.
struct Piece {
    /// The end of the source, with the number of the last version, or the error that ended it; `None` if more records
    /// follow.
    end: Option<Result<u64, ArchiveError>>,
    records: Records,
}

/// Imports the records of a source. If the import fails, it removes what it has written.
pub(super) async fn import(
    store: &SqliteStore,
    context: &RequestContext,
    source: RecordSource<'_>,
) -> Result<(), ArchiveError> {
    let tenant = &context.tenant;
    let attempt = begin(store, tenant).await?;
    let done = fill(store, context, attempt, source).await;
    if let Err(problem) = done {
        // What can't be removed remains for the next import or an erasure.
        drop(clear(store, tenant, attempt).await);
        return Err(problem);
    }
    Ok(())
}

/// Reserves the tenant and removes what an earlier import has left.
async fn begin(store: &SqliteStore, tenant: &TenantId) -> Result<Attempt, ArchiveError> {
    let of = tenant.clone();
    let (attempt, is_left) = step(store, move |db| {
        let is_left = imports::is_there(db, of.as_str())?;
        if !is_left {
            Copy::check_vacant(db, &of)?;
        }
        Ok((imports::begin(db, of.as_str())?, is_left))
    })
    .await?;
    if is_left {
        remove(store, tenant, attempt, End::Keep).await?;
    }
    Ok(attempt)
}

/// Stores each piece while the next one is read, so that at most two are in memory.
async fn fill(
    store: &SqliteStore,
    context: &RequestContext,
    attempt: Attempt,
    mut source: RecordSource<'_>,
) -> Result<(), ArchiveError> {
    let mut restoring = Importer::new(context);
    let mut piece = read(&mut restoring, &mut source).await;
    loop {
        let keep = keep(store, &context.tenant, attempt, piece.records);
        let Some(end) = piece.end else {
            piece = both(keep, read(&mut restoring, &mut source)).await?;
            continue;
        };
        // A stored record may be rejected too, and earlier errors are reported first.
        keep.await?;
        let tenant = context.tenant.clone();
        let versions = end?;
        return step(store, move |db| {
            check_turn(db, &tenant, attempt)?;
            Copy::new(db, &tenant).end(versions)?;
            Ok(imports::end(db, tenant.as_str())?)
        })
        .await;
    }
}

/// Reads and checks the next records of the source.
async fn read(restoring: &mut Importer, source: &mut RecordSource<'_>) -> Piece {
    let (mut records, mut bytes, mut turn) = (Records::new(), 0, 0);
    while records.len() < RECORDS && bytes < BYTES {
        let Some(next) = next_item(source).await else {
            let end = Some(Ok(restoring.versions()));
            return Piece { end, records };
        };
        let checked = next.and_then(|NumberedRecord { line, record }| {
            let checked = restoring.check(record);
            let checked = checked.map_err(|problem| ArchiveError::at(line, problem))?;
            Ok(checked.map(|checked| (line, checked)))
        });
        match checked {
            Ok(checked) => records.extend(checked),
            Err(problem) => {
                let end = Some(Err(problem));
                return Piece { end, records };
            }
        }
        bytes += records.back().map_or(0, |(_, checked)| weight(checked));
        turn += 1;
        if turn % TURN == 0 {
            yield_now().await;
        }
    }
    Piece { end: None, records }
}

/// Waits for both futures, but returns early if the first one fails.
async fn both<T>(
    first: impl Future<Output = Result<(), ArchiveError>>,
    second: impl Future<Output = T>,
) -> Result<T, ArchiveError> {
    let mut first = pin!(first);
    let mut second = pin!(second);
    let (mut is_done, mut found) = (false, None);
    poll_fn(|cx| {
        if !is_done && let Poll::Ready(done) = first.as_mut().poll(cx) {
            done?;
            is_done = true;
        }
        if found.is_none()
            && let Poll::Ready(value) = second.as_mut().poll(cx)
        {
            found = Some(value);
        }
        match found.take_if(|_| is_done) {
            Some(value) => Poll::Ready(Ok(value)),
            None => Poll::Pending,
        }
    })
    .await
}

/// Estimates the bytes of a record in memory.
fn weight(checked: &CheckedRecord) -> usize {
    const SMALL: usize = 256;
    match checked {
        CheckedRecord::Connection(connection) => SMALL + connection.settings.len(),
        CheckedRecord::Edges(edges, _) => edges.targets.len() * SMALL,
        CheckedRecord::Resource(_, fit) | CheckedRecord::Deleted(_, fit) => {
            SMALL + fit.stored.text().len()
        }
        CheckedRecord::Tenant(_) | CheckedRecord::Token(_) => SMALL,
    }
}

/// Stores records in slices.
async fn keep(
    store: &SqliteStore,
    tenant: &TenantId,
    attempt: Attempt,
    mut records: Records,
) -> Result<(), ArchiveError> {
    while !records.is_empty() {
        records = keep_some(store, tenant, attempt, records).await?;
    }
    Ok(())
}

/// Stores records until the slice ends, and returns the rest.
async fn keep_some(
    store: &SqliteStore,
    tenant: &TenantId,
    attempt: Attempt,
    records: Records,
) -> Result<Records, ArchiveError> {
    let tenant = tenant.clone();
    let mut records = records;
    step(store, move |db| {
        check_turn(db, &tenant, attempt)?;
        let since = Instant::now();
        let mut copy = Copy::new(db, &tenant);
        while let Some((line, checked)) = records.pop_front() {
            Importer::keep(&mut copy, checked)
                .map_err(|failure| ArchiveError::at(line, failure.into()))?;
            if since.elapsed() >= SLICE {
                break;
            }
        }
        Ok(records)
    })
    .await
}

/// The treatment of an import's state after its rows are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Another import continues with the state.
    Keep,
    Leave,
}

/// Removes the rows and the state of an import.
async fn clear(
    store: &SqliteStore,
    tenant: &TenantId,
    attempt: Attempt,
) -> Result<(), ArchiveError> {
    remove(store, tenant, attempt, End::Leave).await
}

async fn remove(
    store: &SqliteStore,
    tenant: &TenantId,
    attempt: Attempt,
    end: End,
) -> Result<(), ArchiveError> {
    loop {
        let tenant = tenant.clone();
        let is_left = step(store, move |db| {
            check_turn(db, &tenant, attempt)?;
            let id = tenant.as_str();
            if erase::imported(db, id, imports::has_entry(db, id)?)? {
                return Ok(true);
            }
            match end {
                End::Keep => imports::start_again(db, id)?,
                End::Leave => imports::end(db, id)?,
            }
            Ok(false)
        })
        .await?;
        if !is_left {
            return Ok(());
        }
    }
}

/// Fails if another import or an erasure has taken over the tenant.
fn check_turn(db: &Db, tenant: &TenantId, attempt: Attempt) -> Outcome<()> {
    if imports::is_current(db, tenant.as_str(), attempt)? {
        Ok(())
    } else {
        Err(ArchiveError::Superseded.into())
    }
}

/// Runs a function in its own transaction, and retries while the store is busy.
async fn step<T: Send + 'static>(
    store: &SqliteStore,
    act: impl FnOnce(&Db) -> Outcome<T> + Send + 'static,
) -> Result<T, ArchiveError> {
    // The function is taken once the transaction has begun, because the store may be busy before.
    let act = Arc::new(Mutex::new(Some(act)));
    let mut tries = TRIES;
    loop {
        let taken = Arc::clone(&act);
        let job = move |db: &mut Db| -> Outcome<T> {
            let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let act = lock(&taken).take().ok_or_else(stopped)?;
            let done = act(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        let done = store.workers.alone(job).await.map_err(ArchiveError::Store);
        match done.and_then(|done| Ok(done?)) {
            Err(ArchiveError::Store(StoreError::Busy)) if tries > 0 && lock(&act).is_some() => {
                tries -= 1;
                pause().await?;
            }
            done => return done,
        }
    }
}

/// Waits without depending on a runtime.
async fn pause() -> Result<(), StoreError> {
    let (wake, woken) = oneshot::channel();
    let body = move || {
        thread::sleep(PAUSE);
        // The receiver may be gone.
        let _ = wake.send(());
    };
    Builder::new().spawn(body).map_err(StoreError::backend)?;
    woken.await.map_err(|_| stopped())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
