//! A tenant taken in: some records at a time, so that others write in between.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, Builder},
    time::{Duration, Instant},
};

use rusqlite::{Connection as Db, TransactionBehavior};
use scimkit_store::{
    Scope, StoreError, TenantId,
    archive::{ArchiveError, Checked, Restoring, Source},
};
use tokio::sync::{mpsc, oneshot};

use super::{Outcome, erase, restore::Copy};
use crate::{
    Sqlite,
    imports::{self, Attempt},
    workers::stopped,
};

/// How long one transaction keeps records.
const SLICE: Duration = Duration::from_millis(20);
/// Records that are read before they are handed to the writing thread.
const RECORDS: usize = 512;
/// Bytes of documents after which records are handed on.
const BYTES: usize = 1 << 20;
/// How long to wait before a busy store is asked again, and how often.
const PAUSE: Duration = Duration::from_millis(50);
const TRIES: u32 = 100;

type Records = VecDeque<(u64, Checked)>;

/// What the thread that reads the source hands over.
enum Piece {
    /// All were read; the last version that was given.
    End(u64),
    Failed(ArchiveError),
    Records(Records),
}

/// Imports the records of a source; removes what it has written when it fails.
pub(super) async fn import(
    store: &Sqlite,
    scope: &Scope,
    source: Source,
) -> Result<(), ArchiveError> {
    let tenant = &scope.tenant;
    let attempt = begin(store, tenant).await?;
    let done = fill(store, scope, attempt, source).await;
    if let Err(problem) = done {
        // What can't be removed is left for the next import, or for an erase.
        drop(clear(store, tenant, attempt).await);
        return Err(problem);
    }
    Ok(())
}

/// Takes the tenant, once what an import has left is gone.
async fn begin(store: &Sqlite, tenant: &TenantId) -> Result<Attempt, ArchiveError> {
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

async fn fill(
    store: &Sqlite,
    scope: &Scope,
    attempt: Attempt,
    source: Source,
) -> Result<(), ArchiveError> {
    let mut pieces = read(scope, source).map_err(StoreError::backend)?;
    loop {
        match pieces.recv().await {
            None => return Err(StoreError::backend("the source of an import panicked").into()),
            Some(Piece::Failed(problem)) => return Err(problem),
            Some(Piece::Records(records)) => {
                let mut left = records;
                while !left.is_empty() {
                    left = keep_some(store, &scope.tenant, attempt, left).await?;
                }
            }
            Some(Piece::End(versions)) => {
                let tenant = scope.tenant.clone();
                return step(store, move |db| {
                    check_turn(db, &tenant, attempt)?;
                    Copy::new(db, &tenant).end(versions)?;
                    Ok(imports::end(db, tenant.as_str())?)
                })
                .await;
            }
        }
    }
}

/// Reads the source on a thread of its own: it may take its time, and checking its records takes longer
/// than keeping them. The thread ends when nobody listens any more.
fn read(scope: &Scope, source: Source) -> std::io::Result<mpsc::Receiver<Piece>> {
    let registry = Arc::clone(&scope.settings.registry);
    let mut restoring = Restoring::new(registry, scope.tenant.clone());
    let (hand, pieces) = mpsc::channel(1);
    let body = move || {
        let (mut records, mut bytes) = (Records::new(), 0);
        for record in source {
            let checked = record.and_then(|(line, record)| {
                let checked = restoring.check(record);
                let checked = checked.map_err(|problem| ArchiveError::at(line, problem))?;
                Ok(checked.map(|checked| (line, checked)))
            });
            match checked {
                Ok(checked) => records.extend(checked),
                Err(problem) => {
                    // Those before may be wrong in the store's eyes, and are the first to be named.
                    drop(hand.blocking_send(Piece::Records(records)));
                    drop(hand.blocking_send(Piece::Failed(problem)));
                    return;
                }
            }
            bytes += records.back().map_or(0, |(_, checked)| weight(checked));
            if (records.len() >= RECORDS || bytes >= BYTES) && !hand.is_closed() {
                bytes = 0;
                drop(hand.blocking_send(Piece::Records(std::mem::take(&mut records))));
            }
            if hand.is_closed() {
                return;
            }
        }
        drop(hand.blocking_send(Piece::Records(records)));
        drop(hand.blocking_send(Piece::End(restoring.versions())));
    };
    Builder::new().name("scim-import".to_owned()).spawn(body)?;
    Ok(pieces)
}

/// The bytes that a record holds, roughly.
fn weight(checked: &Checked) -> usize {
    const SMALL: usize = 256;
    match checked {
        Checked::Connection(connection) => SMALL + connection.rules.len(),
        Checked::Edges(edges, _) => edges.targets.len() * SMALL,
        Checked::Resource(_, fit) | Checked::Retired(_, fit) => SMALL + fit.kept.text().len(),
        Checked::Tenant(_) | Checked::Token(_) => SMALL,
    }
}

/// Keeps records for as long as a slice may take, and returns the others.
async fn keep_some(
    store: &Sqlite,
    tenant: &TenantId,
    attempt: Attempt,
    records: Records,
) -> Result<Records, ArchiveError> {
    let (tenant, mut records) = (tenant.clone(), records);
    step(store, move |db| {
        check_turn(db, &tenant, attempt)?;
        let since = Instant::now();
        let mut copy = Copy::new(db, &tenant);
        while let Some((line, checked)) = records.pop_front() {
            Restoring::keep(&mut copy, checked)
                .map_err(|failure| ArchiveError::at(line, failure.into()))?;
            if since.elapsed() >= SLICE {
                break;
            }
        }
        Ok(records)
    })
    .await
}

/// What becomes of the state of an import whose rows are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Another import goes on from there.
    Keep,
    Leave,
}

/// Removes what an import has written, and its state.
async fn clear(store: &Sqlite, tenant: &TenantId, attempt: Attempt) -> Result<(), ArchiveError> {
    remove(store, tenant, attempt, End::Leave).await
}

async fn remove(
    store: &Sqlite,
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

/// Fails when another import or an erase has taken the tenant over.
fn check_turn(db: &Db, tenant: &TenantId, attempt: Attempt) -> Outcome<()> {
    match imports::is_current(db, tenant.as_str(), attempt)? {
        true => Ok(()),
        false => Err(ArchiveError::Superseded.into()),
    }
}

/// Does something in a transaction of its own, once the store has time for it.
async fn step<T: Send + 'static>(
    store: &Sqlite,
    act: impl FnOnce(&Db) -> Outcome<T> + Send + 'static,
) -> Result<T, ArchiveError> {
    // It is taken when the transaction has begun: before, the store may be too busy.
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

/// Waits a little, on whatever runtime.
async fn pause() -> Result<(), StoreError> {
    let (wake, woken) = oneshot::channel();
    let body = move || {
        thread::sleep(PAUSE);
        // Nobody may listen any more.
        let _ = wake.send(());
    };
    Builder::new().spawn(body).map_err(StoreError::backend)?;
    woken.await.map_err(|_| stopped())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
