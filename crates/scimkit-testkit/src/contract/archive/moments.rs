//! What a dump and a restore leave when they end early, and that both are of one moment.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use scimkit_registry::{Change, ResourceId};
use scimkit_store::{
    Batch, Expect, OnFailure, Write,
    archive::{ArchiveError, Record, Sink, Source, Start},
};
use serde_json::json;

use super::{
    Check,
    ground::{Pair, Side, told},
};
use crate::contract::ground::{ensure, ensure_eq, second};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "a_sink_that_fails_ends_a_dump",
        run: sink_fails,
    },
    Check {
        name: "a_source_that_fails_restores_nothing",
        run: source_fails,
    },
    Check {
        name: "a_tenant_comes_first_and_once",
        run: misplaced,
    },
    Check {
        name: "futures_that_are_never_polled_do_nothing",
        run: unpolled,
    },
    Check {
        name: "a_dump_beside_a_writer_is_of_one_moment",
        run: one_moment,
    },
];

fn dump(side: &Side<'_>, sink: Sink) -> Result<Result<(), ArchiveError>, String> {
    side.run(side.store.dump(&side.ground.scope.tenant, sink))
}

/// The records of a tenant.
pub(super) fn records(side: &Side<'_>) -> Result<Vec<Record>, String> {
    let records = Arc::new(Mutex::new(Vec::new()));
    let taking = Arc::clone(&records);
    let sink: Sink = Box::new(move |record| {
        let mut records = taking.lock().unwrap_or_else(PoisonError::into_inner);
        records.push(record);
        Ok(())
    });
    dump(side, sink)?.map_err(|e| told(&e))?;
    let mut records = records.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut records))
}

pub(super) fn restore(side: &Side<'_>, source: Source) -> Result<Result<(), ArchiveError>, String> {
    side.run(side.store.restore(&side.ground.scope, source))
}

fn broken() -> ArchiveError {
    ArchiveError::Io(io::ErrorKind::StorageFull.into())
}

fn is_broken(answer: &Result<(), ArchiveError>) -> bool {
    matches!(answer, Err(ArchiveError::Io(problem)) if problem.kind() == io::ErrorKind::StorageFull)
}

fn sink_fails(pair: &Pair<'_>) -> Result<(), String> {
    pair.from.fill(1)?;
    for after in [0, 1, 5, 40] {
        let taken = Arc::new(Mutex::new(0));
        let taking = Arc::clone(&taken);
        let sink: Sink = Box::new(move |_| {
            let mut taken = taking.lock().unwrap_or_else(PoisonError::into_inner);
            *taken += 1;
            if *taken > after {
                Err(broken())
            } else {
                Ok(())
            }
        });
        let answer = dump(&pair.from, sink)?;
        ensure!(is_broken(&answer), "{answer:?} of a sink that is full");
        let taken = *taken.lock().unwrap_or_else(PoisonError::into_inner);
        ensure_eq!(taken, after + 1, "records that a full sink is given");
    }
    Ok(())
}

fn source_fails(pair: &Pair<'_>) -> Result<(), String> {
    pair.from.fill(2)?;
    let records = records(&pair.from)?;
    for after in [0, 1, 3, 6, records.len()] {
        let good = (1..).zip(records.clone()).take(after).map(Ok);
        let source: Source = Box::new(good.chain([Err(broken())]));
        let answer = restore(&pair.to, source)?;
        ensure!(is_broken(&answer), "{answer:?} of a source that breaks");
        pair.to.has_nothing()?;
    }
    let good: Source = Box::new((1..).zip(records).map(Ok));
    restore(&pair.to, good)?.map_err(|e| told(&e))?;
    ensure_eq!(
        pair.to.lines()?,
        pair.from.lines()?,
        "the lines of the copy"
    );
    Ok(())
}

fn misplaced(pair: &Pair<'_>) -> Result<(), String> {
    pair.from.fill(3)?;
    let records = records(&pair.from)?;
    let late = records.iter().skip(1).cloned().collect();
    let start = Start::new(pair.to.ground.scope.tenant.clone(), None, 1);
    let twice: Vec<_> = [Record::Start(start)].into_iter().chain(records).collect();
    for (line, records) in [(1, late), (2, twice)] {
        let source: Source = Box::new((1..).zip(records).map(Ok));
        match restore(&pair.to, source)? {
            Err(ArchiveError::Line { line: told, .. }) if told == line => {}
            other => return Err(format!("{other:?} for a misplaced record {line}")),
        }
        pair.to.has_nothing()?;
    }
    Ok(())
}

fn unpolled(pair: &Pair<'_>) -> Result<(), String> {
    pair.from.fill(4)?;
    let (side, lines) = (&pair.from, pair.from.lines()?);
    let taken = Arc::new(AtomicBool::new(false));
    let taking = Arc::clone(&taken);
    let sink: Sink = Box::new(move |_| {
        taking.store(true, Ordering::Relaxed);
        Ok(())
    });
    drop(side.store.dump(&side.ground.scope.tenant, sink));
    ensure!(
        !taken.load(Ordering::Relaxed),
        "a dump that nobody waits for"
    );
    drop(side.store.erase(&side.ground.scope.tenant));
    ensure_eq!(
        side.lines()?,
        lines,
        "the lines after an erase that nobody waits for"
    );
    let forget = side.store.forget(&side.ground.scope.tenant, second(1_000));
    drop(forget);
    ensure_eq!(
        side.lines()?,
        lines,
        "the lines after a forget that nobody waits for"
    );
    let source: Source = Box::new((1..).zip(records(side)?).map(Ok));
    drop(pair.to.store.restore(&pair.to.ground.scope, source));
    pair.to.has_nothing()
}

/// Two users that are always written together are always the same in a dump.
fn one_moment(pair: &Pair<'_>) -> Result<(), String> {
    const DUMPS: usize = 12;
    let ground = &pair.from.ground;
    for id in ["u1", "u2"] {
        let body = json!({"userName": id, "title": "0"});
        ground.create(second(1), &ground.user, id, body)?;
    }
    let writing = AtomicBool::new(true);
    let write = |n: i64| -> Result<(), String> {
        let title = ground.setting(&ground.user, [("title", json!(n.to_string()))])?;
        let update = |id: &str, change: Change| Write::Update {
            change,
            expect: Expect::Any,
            id: ResourceId::from(id),
        };
        let writes = vec![update("u1", title.clone()), update("u2", title)];
        let batch = Batch::new(second(n), writes).on_failure(OnFailure::Undo);
        ground.carry_out(batch).map(drop)
    };
    thread::scope(|threads| {
        let writer = threads.spawn(|| {
            let mut n = 1;
            while writing.load(Ordering::Relaxed) {
                write(n)?;
                n += 1;
            }
            Ok::<_, String>(())
        });
        let dumps = (0..DUMPS).try_for_each(|_| titles(&pair.from));
        writing.store(false, Ordering::Relaxed);
        let written = writer.join().map_err(|_| "the writer panicked")?;
        dumps.and(written)
    })
}

fn titles(side: &Side<'_>) -> Result<(), String> {
    let mut titles = Vec::new();
    for record in records(side)? {
        if let Record::Resource(resource) = record {
            let document = resource.document.tree().map_err(|e| e.to_string())?;
            titles.push(document.as_map().get("title").cloned());
        }
    }
    ensure_eq!(titles.len(), 2, "users of a dump");
    ensure_eq!(
        titles.first(),
        titles.last(),
        "users that are written together"
    );
    Ok(())
}
