//! Incomplete imports: what others see, and what ends them.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{SyncSender, sync_channel},
    },
    task::{Context, Poll, Waker},
    thread,
};

use futures_core::Stream;
use scimkit_registry::ResourceId;
use scimkit_store::{
    BoxFuture, Connection, ConnectionId, EdgeQuery, Query, ReadOptions, StoreError, Tenant,
    TenantEntry, WriteOp,
    archive::{ArchiveError, ArchiveOptions, ArchiveRecord, Erased, NumberedRecord, numbered},
    stream_from,
};
use serde_json::json;

use super::{
    ArchiveCheck,
    moments::{import, records},
    store_pair::{Pair, Side, told},
};
use crate::contract::fixture::{ensure, ensure_eq, said, second};

pub(super) const CHECKS: &[ArchiveCheck] = &[
    ArchiveCheck {
        name: "import_is_invisible_until_complete",
        run: invisible,
    },
    ArchiveCheck {
        name: "other_tenants_are_served_while_an_import_waits_for_its_source",
        run: others_served,
    },
    ArchiveCheck {
        name: "other_tenants_are_served_while_the_source_of_an_import_is_pending",
        run: pending,
    },
    ArchiveCheck {
        name: "dropped_import_leaves_nothing_visible",
        run: dropped,
    },
    ArchiveCheck {
        name: "erasure_ends_an_import_in_progress",
        run: erase_supersedes,
    },
    ArchiveCheck {
        name: "later_import_takes_over",
        run: import_supersedes,
    },
    ArchiveCheck {
        name: "failed_import_keeps_existing_data",
        run: leaves_entries,
    },
];

type Handed = Result<NumberedRecord, ArchiveError>;

/// Imports records, and acts after half of them have been passed on.
fn half_way(
    side: &Side<'_>,
    records: Vec<ArchiveRecord>,
    act: impl FnOnce() -> Result<(), String>,
) -> Result<Result<(), ArchiveError>, String> {
    let (hand, source) = sync_channel::<Handed>(0);
    thread::scope(|threads| {
        let import = threads.spawn(|| import(side, stream_from(source)));
        let acted = hand_over(&hand, records, act);
        drop(hand);
        let imported = import.join().map_err(|_| "the import panicked")?;
        acted.and(imported)
    })
}

fn hand_over(
    hand: &SyncSender<Handed>,
    mut records: Vec<ArchiveRecord>,
    act: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    let count = records.len();
    let rest = records.split_off(count / 2);
    let mut line = 0;
    let mut hand_one = |record| {
        line += 1;
        let ended = |_| "the import ended before it had all records";
        hand.send(Ok(NumberedRecord { line, record }))
            .map_err(ended)
    };
    for record in records {
        hand_one(record)?;
    }
    act()?;
    // A superseded import takes no more records.
    let _ = rest.into_iter().try_for_each(hand_one);
    Ok(())
}

/// Fails unless the error says that an import is in progress.
fn importing<T>(what: &str, answer: Result<T, StoreError>) -> Result<(), String> {
    match answer {
        Err(StoreError::Importing) => Ok(()),
        Err(other) => Err(format!("{what} during an import: {}", said(&other))),
        Ok(_) => Err(format!("{what} during an import succeeds")),
    }
}

fn invisible(pair: &Pair<'_>) -> Result<(), String> {
    pair.from.fill(1)?;
    let all = records(&pair.from)?;
    let side = &pair.to;
    let lines = pair.from.lines()?;
    let imported = half_way(side, all.clone(), || {
        nothing_of_resources(side)?;
        nothing_of_entries(side, &all)
    })?;
    imported.map_err(|e| told(&e))?;
    ensure_eq!(side.lines()?, lines, "the lines after the import");
    let tenants = side.run(side.store.tenants())?.map_err(|e| said(&e))?;
    ensure_eq!(tenants.len(), 1, "tenants after the import");
    Ok(())
}

fn nothing_of_resources(side: &Side<'_>) -> Result<(), String> {
    let fixture = &side.fixture;
    let (context, user) = (&fixture.context, &fixture.user);
    let id = ResourceId::from("u01");
    let want = ReadOptions::document();
    let read = side.store.read(context, user, &id, &want);
    importing("a read", side.run(read)?)?;
    let query = Query::new(user.clone());
    importing("a query", side.run(side.store.query(context, &query))?)?;
    let owners = vec![ResourceId::from("g01")];
    let attr = fixture.attr(&fixture.group, "members")?;
    let edges = EdgeQuery::new(fixture.group.clone(), attr, owners);
    importing("edges", side.run(side.store.edges(context, &edges))?)?;
    let write = WriteOp::Create {
        change: fixture.body(user, json!({"userName": "in between"}))?,
        existing_match: None,
        id: ResourceId::from("between"),
    };
    importing("a create", fixture.attempt(second(70), &write)?)?;
    let forget = side.store.purge_deleted(side.id(), second(1_000));
    importing("a forget", side.run(forget)?)?;
    match side.export(&ArchiveOptions::default())? {
        Err(ArchiveError::Store(StoreError::Importing)) => Ok(()),
        other => Err(format!("an export during an import: {other:?}")),
    }
}

fn nothing_of_entries(side: &Side<'_>, all: &[ArchiveRecord]) -> Result<(), String> {
    let store = &side.store;
    let id = side.id();
    let tenants = side.run(store.tenants())?.map_err(|e| said(&e))?;
    ensure!(tenants.is_empty(), "{tenants:?} during an import");
    importing("a tenant", side.run(store.tenant(id))?)?;
    importing("connections", side.run(store.connections(id))?)?;
    importing("tokens", side.run(store.tokens(id))?)?;
    let okta = ConnectionId::from("okta");
    importing("a connection", side.run(store.connection(id, &okta))?)?;
    let removal = store.remove_connection(id, &okta, chrono::DateTime::UNIX_EPOCH.into());
    importing("a removal", side.run(removal)?)?;
    let entry = Tenant::new(id.clone(), "again", second(1));
    let put = store.put(
        vec![TenantEntry::Tenant(entry)],
        chrono::DateTime::UNIX_EPOCH.into(),
    );
    importing("a new tenant", side.run(put)?)?;
    let connection = Connection::new(id.clone(), "crm".into(), "", second(1));
    let put = store.put(
        vec![TenantEntry::Connection(connection)],
        chrono::DateTime::UNIX_EPOCH.into(),
    );
    importing("a new connection", side.run(put)?)?;
    for record in all {
        // A token that is not stored yet is unknown.
        if let ArchiveRecord::Token(token) = record {
            let opened = side.run(store.find_token(&token.digest))?;
            ensure!(
                matches!(opened, Ok(None) | Err(StoreError::Importing)),
                "{opened:?} for a token during an import"
            );
        }
    }
    Ok(())
}

fn others_served(pair: &Pair<'_>) -> Result<(), String> {
    pair.from.fill(2)?;
    let side = &pair.to;
    let other = pair.to.tenant("other");
    let imported = half_way(side, records(&pair.from)?, || {
        other.fill(3)?;
        let lines = other.lines()?;
        other.erase()?;
        other.has_nothing()?;
        other.restored(&lines)?;
        ensure_eq!(other.lines()?, lines, "the lines of another tenant");
        Ok(())
    })?;
    imported.map_err(|e| told(&e))?;
    ensure_eq!(side.lines()?, pair.from.lines()?, "the lines of the copy");
    Ok(())
}

/// A source that waits after its last record until more records arrive.
#[derive(Clone, Default)]
struct Waiting(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    is_complete: bool,
    records: VecDeque<NumberedRecord>,
    waker: Option<Waker>,
}

impl Waiting {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, from: u64, records: Vec<ArchiveRecord>) {
        let mut state = self.state();
        let records = (from..).zip(records);
        let numbered = records.map(|(line, record)| NumberedRecord { line, record });
        state.records.extend(numbered);
    }

    /// Ends the source and wakes the task that waits for it.
    fn complete(&self) {
        let mut state = self.state();
        state.is_complete = true;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    fn is_waited_for(&self) -> bool {
        self.state().waker.is_some()
    }
}

impl Stream for Waiting {
    type Item = Handed;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Handed>> {
        let mut state = self.state();
        match state.records.pop_front() {
            Some(record) => Poll::Ready(Some(Ok(record))),
            None if state.is_complete => Poll::Ready(None),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// Polls an import until it waits for its source.
fn until_it_waits(
    side: &Side<'_>,
    import: &mut BoxFuture<'_, Result<(), ArchiveError>>,
    source: &Waiting,
) -> Result<(), String> {
    side.run(Box::pin(poll_fn(|cx| match import.as_mut().poll(cx) {
        Poll::Ready(ended) => Poll::Ready(Err(format!("the import ends early: {ended:?}"))),
        Poll::Pending if source.is_waited_for() => Poll::Ready(Ok(())),
        Poll::Pending => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })))?
}

fn pending(pair: &Pair<'_>) -> Result<(), String> {
    pair.from.fill(8)?;
    let side = &pair.to;
    let other = pair.to.tenant("other");
    let mut all = records(&pair.from)?;
    let rest = all.split_off(all.len() / 2);
    let source = Waiting::default();
    let next = all.len() as u64 + 1;
    source.push(1, all);
    let context = &side.fixture.context;
    let mut import = side.store.import_records(context, Box::pin(source.clone()));
    until_it_waits(side, &mut import, &source)?;
    other.fill(9)?;
    other.lines()?;
    nothing_of_resources(side)?;
    source.push(next, rest);
    source.complete();
    side.run(import)?.map_err(|e| told(&e))?;
    ensure_eq!(side.lines()?, pair.from.lines()?, "the lines of the copy");
    Ok(())
}

fn dropped(pair: &Pair<'_>) -> Result<(), String> {
    pair.from.fill(10)?;
    let side = &pair.to;
    let all = records(&pair.from)?;
    for count in [0, 1, 4, all.len() / 2, all.len()] {
        let source = Waiting::default();
        source.push(1, all.iter().take(count).cloned().collect());
        let context = &side.fixture.context;
        let mut import = side.store.import_records(context, Box::pin(source.clone()));
        until_it_waits(side, &mut import, &source)?;
        drop(import);
        match side.export(&ArchiveOptions::default())? {
            Err(ArchiveError::Store(StoreError::Importing | StoreError::NotFound)) => {}
            other => return Err(format!("an export after {count} records: {other:?}")),
        }
        let tenants = side.run(side.store.tenants())?.map_err(|e| said(&e))?;
        ensure!(tenants.is_empty(), "{tenants:?} after {count} records");
    }
    side.restored(&pair.from.lines()?)?;
    ensure_eq!(side.lines()?, pair.from.lines()?, "the lines of the copy");
    Ok(())
}

fn erase_supersedes(pair: &Pair<'_>) -> Result<(), String> {
    pair.from.fill(4)?;
    let side = &pair.to;
    let lines = pair.from.lines()?;
    let imported = half_way(side, records(&pair.from)?, || {
        ensure_eq!(side.erase()?, Erased::All, "what goes of an import");
        side.has_nothing()
    })?;
    ensure!(
        matches!(imported, Err(ArchiveError::Superseded)),
        "{imported:?} after an erase"
    );
    side.has_nothing()?;
    side.restored(&lines)?;
    ensure_eq!(side.lines()?, lines, "the lines after all");
    Ok(())
}

fn import_supersedes(pair: &Pair<'_>) -> Result<(), String> {
    pair.from.fill(5)?;
    let side = &pair.to;
    let lines = pair.from.lines()?;
    let imported = half_way(side, records(&pair.from)?, || {
        side.restored(&lines).map(drop)
    })?;
    ensure!(
        matches!(imported, Err(ArchiveError::Superseded)),
        "{imported:?} after another import"
    );
    ensure_eq!(side.lines()?, lines, "the lines of the later import");
    Ok(())
}

fn leaves_entries(pair: &Pair<'_>) -> Result<(), String> {
    pair.from.fill(6)?;
    let side = &pair.to;
    let all = records(&pair.from)?;
    side.enter(7)?;
    let before = side.lines()?;
    // The tenant exists already.
    match side.import(&pair.from.lines()?, &ArchiveOptions::default())? {
        Err(ArchiveError::Line { line: 1, .. }) => {}
        other => return Err(format!("{other:?} for a tenant that exists")),
    }
    ensure_eq!(side.lines()?, before, "the lines after an import");
    // Only resources, with a repeated one at the end.
    let mut resources: Vec<_> = all
        .into_iter()
        .filter(|record| {
            !matches!(
                record,
                ArchiveRecord::Connection(_) | ArchiveRecord::Token(_)
            )
        })
        .collect();
    if let Some(ArchiveRecord::Start(start)) = resources.first_mut() {
        start.entry = None;
    }
    let twice = resources
        .iter()
        .rfind(|r| matches!(r, ArchiveRecord::Resource(_)));
    let mut broken = resources.clone();
    broken.extend(twice.cloned());
    let line = broken.len() as u64;
    match import(side, numbered(broken))? {
        Err(ArchiveError::Line { line: found, .. }) if found == line => {}
        other => return Err(format!("{other:?} for a resource that comes twice")),
    }
    ensure_eq!(side.lines()?, before, "the lines after a failed import");
    import(side, numbered(resources))?.map_err(|e| told(&e))?;
    let entries = |lines: &str| -> Vec<String> {
        let is_entry = |line: &&str| {
            let starts = [r#"{"connection""#, r#"{"token""#];
            starts.iter().any(|start| line.starts_with(start))
        };
        lines.lines().filter(is_entry).map(str::to_owned).collect()
    };
    ensure_eq!(entries(&side.lines()?), entries(&before), "entries");
    Ok(())
}
