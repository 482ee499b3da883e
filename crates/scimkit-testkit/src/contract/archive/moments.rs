//! The state after an export or import that ends early, and the snapshot of an export.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use bytes::Bytes;
use scimkit_registry::{Change, ResourceId};
use scimkit_store::{
    Batch, ExpectedVersion, OnFailure, WriteOp,
    archive::{
        self as lines, ArchiveError, ArchiveOptions, ArchiveRecord, Erased, NumberedRecord,
        RecordSource, TenantHeader, numbered,
    },
    next_item, stream_from,
};
use serde_json::json;

use super::{
    ArchiveCheck,
    store_pair::{Pair, Side, told},
};
use crate::contract::fixture::{ensure, ensure_eq, second};

pub(super) const CHECKS: &[ArchiveCheck] = &[
    ArchiveCheck {
        name: "export_is_a_snapshot_of_its_first_poll_and_blocks_no_writes",
        run: taken_slowly,
    },
    ArchiveCheck {
        name: "lines_may_arrive_in_chunks_of_any_size",
        run: chunks,
    },
    ArchiveCheck {
        name: "failing_source_imports_nothing",
        run: source_fails,
    },
    ArchiveCheck {
        name: "tenant_record_is_first_and_unique",
        run: misplaced,
    },
    ArchiveCheck {
        name: "unpolled_futures_do_nothing",
        run: unpolled,
    },
    ArchiveCheck {
        name: "export_during_writes_is_a_snapshot",
        run: one_moment,
    },
];

/// Returns the records of a tenant.
pub(super) fn records(side: &Side<'_>) -> Result<Vec<ArchiveRecord>, String> {
    side.run(Box::pin(async {
        let mut records = Vec::new();
        let mut stream = side.store.export_records(side.id());
        while let Some(record) = next_item(&mut stream).await {
            records.push(record.map_err(|e| told(&e))?);
        }
        Ok(records)
    }))?
}

pub(super) fn import(
    side: &Side<'_>,
    source: RecordSource<'_>,
) -> Result<Result<(), ArchiveError>, String> {
    side.run(side.store.import_records(&side.fixture.context, source))
}

fn broken() -> ArchiveError {
    ArchiveError::Io(io::ErrorKind::StorageFull.into())
}

fn is_broken(answer: &Result<(), ArchiveError>) -> bool {
    matches!(answer, Err(ArchiveError::Io(problem)) if problem.kind() == io::ErrorKind::StorageFull)
}

/// A stream that is dropped early leaves nothing behind, and others are served while the caller does not take the next
/// record.
fn taken_slowly(pair: &Pair<'_>) -> Result<(), String> {
    pair.from.fill(1)?;
    let side = &pair.from;
    let other = pair.from.tenant("other");
    let lines = side.lines()?;
    let all = records(side)?;
    for count in [0, 1, 5, 40] {
        let mut stream = side.store.export_records(side.id());
        for expected in all.iter().take(count) {
            let next = side.run(Box::pin(next_item(&mut stream)))?;
            let next = next.ok_or("the records end early")?.map_err(|e| told(&e))?;
            if !matches!(next, ArchiveRecord::Start(_)) {
                ensure_eq!(format!("{next:?}"), format!("{expected:?}"), "a record");
            }
        }
        let id = format!("between{count}");
        let user = &side.fixture.user;
        let body = json!({"userName": id});
        side.fixture.create(second(90), user, &id, body)?;
        side.fixture.delete(second(91), user, &id)?;
        other.fill(2)?;
        ensure_eq!(other.erase()?, Erased::All, "what goes of another tenant");
        drop(stream);
    }
    ensure_eq!(resources(&side.lines()?), resources(&lines), "the lines");
    // The snapshot is taken at the first poll.
    let mut stream = side.store.export_records(side.id());
    let user = &side.fixture.user;
    let body = json!({"userName": "late"});
    side.fixture.create(second(92), user, "zz-early", body)?;
    let start = side.run(Box::pin(next_item(&mut stream)))?;
    ensure!(
        matches!(start, Some(Ok(ArchiveRecord::Start(_)))),
        "{start:?}"
    );
    side.fixture
        .create(second(93), user, "zz-late", json!({"userName": "later"}))?;
    let mut ids = Vec::new();
    while let Some(record) = side.run(Box::pin(next_item(&mut stream)))? {
        if let ArchiveRecord::Resource(resource) = record.map_err(|e| told(&e))? {
            ids.push(resource.id.as_str().to_owned());
        }
    }
    let has = |id: &str| ids.iter().any(|known| known == id);
    ensure!(has("zz-early") && !has("zz-late"), "the ids {ids:?}");
    Ok(())
}

/// Returns the lines of resources.
fn resources(lines: &str) -> Vec<&str> {
    let is_of_one = |line: &&str| line.starts_with(r#"{"re"#);
    lines.lines().filter(is_of_one).collect()
}

/// Chunks may end anywhere.
fn chunks(pair: &Pair<'_>) -> Result<(), String> {
    pair.from.fill(6)?;
    let lines = pair.from.lines()?;
    for size in [1, 7, 1_000, lines.len()] {
        let chunks = lines.as_bytes().chunks(size);
        let chunks = chunks.map(|chunk| Ok(Bytes::copy_from_slice(chunk)));
        let context = &pair.to.fixture.context;
        let options = ArchiveOptions::default();
        let import = lines::import(&*pair.to.store, context, &options, stream_from(chunks));
        let counts = pair.to.run(Box::pin(import))?.map_err(|e| told(&e))?;
        ensure!(counts.resources > 60, "{counts:?}");
        ensure_eq!(pair.to.lines()?, lines, "lines from chunks of {size}");
        pair.to.erase()?;
    }
    Ok(())
}

fn source_fails(pair: &Pair<'_>) -> Result<(), String> {
    pair.from.fill(2)?;
    let records = records(&pair.from)?;
    for after in [0, 1, 3, 6, records.len()] {
        let good = (1..).zip(records.iter().take(after).cloned());
        let good = good.map(|(line, record)| Ok(NumberedRecord { line, record }));
        let source = stream_from(good.chain([Err(broken())]));
        let answer = import(&pair.to, source)?;
        ensure!(is_broken(&answer), "{answer:?} of a source that breaks");
        pair.to.has_nothing()?;
    }
    import(&pair.to, numbered(records))?.map_err(|e| told(&e))?;
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
    let start = TenantHeader::new(pair.to.fixture.context.tenant.clone(), None, 1);
    let twice: Vec<_> = [ArchiveRecord::Start(start)]
        .into_iter()
        .chain(records)
        .collect();
    for (line, records) in [(1, late), (2, twice)] {
        match import(&pair.to, numbered(records))? {
            Err(ArchiveError::Line { line: told, .. }) if told == line => {}
            other => return Err(format!("{other:?} for a misplaced record {line}")),
        }
        pair.to.has_nothing()?;
    }
    Ok(())
}

fn unpolled(pair: &Pair<'_>) -> Result<(), String> {
    pair.from.fill(4)?;
    let side = &pair.from;
    let lines = pair.from.lines()?;
    drop(side.store.export_records(side.id()));
    drop(side.store.erase_tenant(&side.fixture.context.tenant));
    ensure_eq!(
        side.lines()?,
        lines,
        "the lines after an erase that nobody waits for"
    );
    let forget = side
        .store
        .purge_deleted(&side.fixture.context.tenant, second(1_000));
    drop(forget);
    ensure_eq!(
        side.lines()?,
        lines,
        "the lines after a forget that nobody waits for"
    );
    let source = numbered(records(side)?);
    drop(
        pair.to
            .store
            .import_records(&pair.to.fixture.context, source),
    );
    pair.to.has_nothing()
}

/// Two users that are always written together are equal in every export.
fn one_moment(pair: &Pair<'_>) -> Result<(), String> {
    const DUMPS: usize = 12;
    let fixture = &pair.from.fixture;
    for id in ["u1", "u2"] {
        let body = json!({"userName": id, "title": "0"});
        fixture.create(second(1), &fixture.user, id, body)?;
    }
    let writing = AtomicBool::new(true);
    let write = |n: i64| -> Result<(), String> {
        let title = fixture.setting(&fixture.user, [("title", json!(n.to_string()))])?;
        let update = |id: &str, change: Change| WriteOp::Update {
            change,
            expect: ExpectedVersion::Any,
            id: ResourceId::from(id),
        };
        let writes = vec![update("u1", title.clone()), update("u2", title)];
        let batch = Batch::new(second(n), writes).with_on_failure(OnFailure::RollBack);
        fixture.carry_out(batch).map(drop)
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
        if let ArchiveRecord::Resource(resource) = record {
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
