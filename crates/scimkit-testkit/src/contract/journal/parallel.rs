//! Concurrent writes and readers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use scimkit_store::{ExpectedVersion, JournalPosition, JournalQuery, JournalRead, WriteOp};
use serde_json::json;

use super::{
    JournalCheck,
    log::{Log, number, resource},
};
use crate::contract::{
    fixture::{ensure, ensure_eq, said, second},
    parallel::race,
};

pub(super) const CHECKS: &[JournalCheck] = &[
    JournalCheck {
        name: "answers_of_parallel_writers_name_their_entries",
        run: writers,
    },
    JournalCheck {
        name: "members_in_parallel_answers_match_their_entries",
        run: members,
    },
];

const THREADS: usize = 16;
const WRITES: usize = 8;

/// The identifiers in answers, by the numbers of their versions.
type Told = BTreeMap<u64, String>;

fn writers(log: &Log<'_>) -> Result<(), String> {
    let members: Vec<_> = (0..THREADS).map(|n| format!("m{n:02}")).collect();
    for id in &members {
        log.user(1, id)?;
    }
    let first = log.group(1, "g1", &[])?;
    let is_done = AtomicBool::new(false);
    let (told, seen) = thread::scope(|scope| {
        let reader = scope.spawn(|| read_along(log, first, &is_done));
        let spawn = |(n, id): (usize, &String)| {
            let id = id.clone();
            scope.spawn(move || write_some(log, n, &id))
        };
        let threads: Vec<_> = members.iter().enumerate().map(spawn).collect();
        let mut told = Told::new();
        let mut failed = None;
        for thread in threads {
            match thread.join() {
                Ok(Ok(some)) => told.extend(some),
                Ok(Err(problem)) => failed = Some(problem),
                Err(_) => failed = Some("a thread panicked".to_owned()),
            }
        }
        is_done.store(true, Ordering::SeqCst);
        let seen = reader.join();
        let seen = seen.unwrap_or_else(|_| Err("a thread panicked".to_owned()))?;
        match failed {
            Some(problem) => Err(problem),
            None => Ok((told, seen)),
        }
    })?;
    ensure_eq!(told.len(), THREADS * WRITES, "different versions");
    let (entries, _) = log.verified()?;
    let entries: Vec<_> = entries.iter().filter(|e| e.number > first).collect();
    let numbers: Vec<_> = entries.iter().map(|entry| entry.number).collect();
    let last = first + told.len() as u64;
    ensure_eq!(numbers, (first + 1..=last).collect::<Vec<_>>(), "numbers");
    ensure_eq!(seen, numbers, "the numbers that a reader saw");
    for entry in entries {
        let id = entry.subject.columns().id;
        let answered = told.get(&entry.number).map(String::as_str);
        ensure_eq!(answered, Some(id), "the answer of entry {}", entry.number);
    }
    Ok(())
}

/// Compares the members in each answer with those that the journal contains up to the entry of the version in the
/// answer.
fn members(log: &Log<'_>) -> Result<(), String> {
    const EACH: usize = 6;
    ensure!(
        log.fixture.store.support(&log.fixture.group).written_edges,
        "a store with a journal answers writes without edges"
    );
    let mut seen: BTreeMap<_, _> = race(&log.fixture, THREADS, EACH)?
        .into_iter()
        .map(|one| (one.number, one.members))
        .collect();
    ensure_eq!(seen.len(), THREADS * EACH, "different versions");
    let mut members = BTreeSet::new();
    for entry in log.all()? {
        let id = entry.subject.columns().id;
        let details = entry.details().map_err(|error| error.to_string())?;
        for change in details.filter(|_| id == "g1").unwrap_or_default().members {
            members.extend(change.added.iter().map(|member| member.id.to_string()));
            for id in change.removed {
                members.remove(id.as_str());
            }
        }
        if let Some(answered) = seen.remove(&entry.number) {
            ensure_eq!(answered, members, "the members of version {}", entry.number);
        }
    }
    ensure!(
        seen.is_empty(),
        "versions without an entry: {:?}",
        seen.keys()
    );
    Ok(())
}

/// Adds a member to the group, removes it again, and renames it in between.
fn write_some(log: &Log<'_>, thread: usize, id: &str) -> Result<Told, String> {
    let fixture = &log.fixture;
    let mut told = Told::new();
    for n in 0..WRITES {
        let (change, of) = match n % 4 {
            0 => (fixture.members(&[id], &[])?, "g1"),
            2 => (fixture.members(&[], &[id])?, "g1"),
            _ => {
                let title = json!(format!("{thread}-{n}"));
                (fixture.setting(&fixture.user, [("title", title)])?, id)
            }
        };
        let write = WriteOp::Update {
            change,
            expect: ExpectedVersion::Any,
            id: resource(of),
        };
        let written = fixture.attempt(second(2), &write)?;
        let written = written.map_err(|e| said(&e))?;
        let version = written.version.ok_or("an update without a version")?;
        told.insert(number(version.as_str())?, of.to_owned());
    }
    Ok(told)
}

/// Returns the numbers that a reader sees one after another while others write.
fn read_along(log: &Log<'_>, first: u64, is_done: &AtomicBool) -> Result<Vec<u64>, String> {
    let mut seen = Vec::new();
    let mut end = JournalPosition::end_of(first);
    loop {
        let is_last = is_done.load(Ordering::SeqCst);
        let page = match log.read(&JournalQuery::after(end).with_limit(5))? {
            JournalRead::Page(page) => page,
            JournalRead::Resync { .. } => return Err("entries are missing".to_owned()),
        };
        end = page.end().unwrap_or(end);
        seen.extend(page.entries.iter().map(|entry| entry.number));
        ensure!(seen.is_sorted(), "out of order: {seen:?}");
        if is_last && !page.has_more {
            return Ok(seen);
        }
        thread::yield_now();
    }
}
