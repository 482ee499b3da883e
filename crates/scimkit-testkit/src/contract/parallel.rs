//! Writes from several threads at the same time.

use std::{collections::BTreeSet, thread};

use scimkit_registry::{AttrEdges, Change, Edge, EdgeEdit, ResourceId};
use scimkit_store::{
    Batch, ExpectedVersion, ReadOptions, StoreError, WriteOp, WriteOutcome, Written,
};
use serde_json::json;

use super::{
    StoreCheck,
    fixture::{Fixture, ensure, ensure_eq, ids_of, said, second},
    members::{group, update},
};

pub(super) const CHECKS: &[StoreCheck] = &[
    StoreCheck {
        name: "one_of_parallel_creates_with_a_name_wins",
        run: creates,
    },
    StoreCheck {
        name: "one_of_parallel_updates_of_a_version_wins",
        run: updates,
    },
    StoreCheck {
        name: "parallel_membership_updates_lose_nothing",
        run: memberships,
    },
    StoreCheck {
        name: "answers_contain_the_edges_of_their_version",
        run: untorn,
    },
    StoreCheck {
        name: "one_of_parallel_edges_of_a_cycle_is_rejected",
        run: ring,
    },
    StoreCheck {
        name: "one_of_parallel_opposite_edges_wins",
        run: both_ends,
    },
];

const THREADS: usize = 10;

fn creates(fixture: &Fixture<'_>) -> Result<(), String> {
    const SPELLINGS: [&str; 4] = ["straße", "STRASSE", "Strasse", "sTRAßE"];
    let answers = at_once(fixture, |n| {
        let name = SPELLINGS
            .get(n % SPELLINGS.len())
            .copied()
            .unwrap_or_default();
        let change = fixture.body(&fixture.user, json!({"userName": name}))?;
        Ok(WriteOp::Create {
            existing_match: None,
            change,
            id: ResourceId::from(format!("u{n}")),
        })
    })?;
    one_wins(&answers, |e| matches!(e, StoreError::Duplicate { .. }))?;
    ensure_eq!(fixture.total(&fixture.user)?, 1, "users afterwards");
    Ok(())
}

fn updates(fixture: &Fixture<'_>) -> Result<(), String> {
    let version = fixture
        .create(second(1), &fixture.user, "u1", json!({"userName": "a"}))?
        .version;
    let answers = at_once(fixture, |n| {
        let change = fixture.setting(&fixture.user, [("title", json!(format!("t{n}")))])?;
        let expect = ExpectedVersion::OneOf(vec![version.clone()]);
        Ok(WriteOp::Update {
            change,
            expect,
            id: ResourceId::from("u1"),
        })
    })?;
    one_wins(&answers, |e| {
        matches!(e, StoreError::VersionMismatch { .. })
    })
}

fn memberships(fixture: &Fixture<'_>) -> Result<(), String> {
    fixture.needs_groups()?;
    for n in 0..2 * THREADS {
        let id = format!("u{n:02}");
        let name = format!("user {n}");
        fixture.create(second(1), &fixture.user, &id, json!({"userName": name}))?;
    }
    let ids: Vec<String> = (0..2 * THREADS).map(|n| format!("u{n:02}")).collect();
    let (leaving, coming) = ids.split_at(THREADS);
    let members: Vec<_> = leaving.iter().map(|id| json!({"value": id})).collect();
    let body = json!({"displayName": "g", "members": members});
    fixture.create(second(1), &fixture.group, "g1", body)?;
    let answers = at_once(fixture, |n| {
        let add: Vec<_> = coming.get(n).map(String::as_str).into_iter().collect();
        let remove: Vec<_> = leaving.get(n).map(String::as_str).into_iter().collect();
        let change = fixture.members(&add, &remove)?;
        Ok(WriteOp::Update {
            change,
            expect: ExpectedVersion::Any,
            id: ResourceId::from("g1"),
        })
    })?;
    let mut versions = BTreeSet::new();
    for answer in &answers {
        let written = answer.as_ref().map_err(said)?;
        ensure_eq!(
            written.outcome,
            WriteOutcome::Updated,
            "the outcome of a membership update"
        );
        versions.extend(written.stored.as_ref().map(|stored| stored.version.clone()));
    }
    ensure_eq!(versions.len(), THREADS, "different versions");
    ensure_eq!(
        ids_of(&fixture.members_of("g1")?),
        coming,
        "the members afterwards"
    );
    Ok(())
}

fn ring(fixture: &Fixture<'_>) -> Result<(), String> {
    empty_groups(fixture)?;
    let answers = at_once(fixture, |n| {
        let next = format!("g{}", (n + 1) % THREADS);
        Ok(update(&format!("g{n}"), fixture.members(&[&next], &[])?))
    })?;
    ensure_eq!(refused(&answers)?, 1, "rejected edges");
    Ok(())
}

fn both_ends(fixture: &Fixture<'_>) -> Result<(), String> {
    empty_groups(fixture)?;
    let answers = at_once(fixture, |n| {
        let (owner, member) = if n % 2 == 0 {
            ("g0", "g1")
        } else {
            ("g1", "g0")
        };
        Ok(update(owner, fixture.members(&[member], &[])?))
    })?;
    ensure_eq!(refused(&answers)?, THREADS / 2, "edges refused");
    let edges = fixture.members_of("g0")?.len() + fixture.members_of("g1")?.len();
    ensure_eq!(edges, 1, "edges afterwards");
    Ok(())
}

/// Creates one group per thread, from `g0` on.
fn empty_groups(fixture: &Fixture<'_>) -> Result<(), String> {
    (0..THREADS).try_for_each(|n| group(fixture, &format!("g{n}"), &[]))
}

/// Returns the number of writes that were rejected, all of them because of a cycle.
fn refused(answers: &[Result<Written, StoreError>]) -> Result<usize, String> {
    let errors: Vec<_> = answers.iter().filter_map(|a| a.as_ref().err()).collect();
    let other = errors
        .iter()
        .find(|error| !matches!(error, StoreError::Cycle { .. }));
    other.map_or(Ok(errors.len()), |error| Err(said(error)))
}

pub(super) fn one_wins(
    answers: &[Result<Written, StoreError>],
    expected: impl Fn(&StoreError) -> bool,
) -> Result<(), String> {
    let other = answers
        .iter()
        .filter_map(|a| a.as_ref().err())
        .find(|e| !expected(e));
    if let Some(error) = other {
        return Err(said(error));
    }
    ensure_eq!(
        answers.iter().filter(|a| a.is_ok()).count(),
        1,
        "writes that succeeded"
    );
    Ok(())
}

/// The outcome of one write of a race: the number of its version, the members that it added and removed, and the
/// members in its answer.
pub(super) struct Seen {
    added: String,
    pub(super) members: BTreeSet<String>,
    pub(super) number: u64,
    removed: Option<String>,
}

fn untorn(fixture: &Fixture<'_>) -> Result<(), String> {
    const WRITERS: usize = 16;
    const EACH: usize = 6;
    fixture.needs_groups()?;
    if !fixture.store.support(&fixture.group).written_edges {
        let batch = Batch::new(second(2), vec![delta(fixture, "u", None)?]);
        let members = fixture.attr(&fixture.group, "members")?;
        let answer = fixture.submit(batch.with_read_options(ReadOptions::edges([members])))?;
        let is_rejected = matches!(answer, Err(StoreError::Unsupported { .. }));
        ensure!(
            is_rejected,
            "the store accepted a request for edges that it does not return"
        );
        return Ok(());
    }
    fixture.needs_ids("the ids of the members are not known")?;
    let seen = race(fixture, WRITERS, EACH)?;
    let mut members = BTreeSet::new();
    for one in seen {
        members.insert(one.added);
        if let Some(removed) = &one.removed {
            members.remove(removed);
        }
        ensure_eq!(
            one.members,
            members,
            "the members of version {}",
            one.number
        );
    }
    let now = fixture.edges(
        &fixture.group,
        fixture.attr(&fixture.group, "members")?,
        &["g1"],
    )?;
    let now: BTreeSet<_> = now
        .iter()
        .flatten()
        .map(|edge| edge.id.to_string())
        .collect();
    ensure_eq!(now, members, "the members at the end");
    Ok(())
}

/// Adds and removes members of the group `g1` from several threads, and returns what they saw, by version.
pub(super) fn race(
    fixture: &Fixture<'_>,
    writers: usize,
    each: usize,
) -> Result<Vec<Seen>, String> {
    for n in 0..writers * each {
        let id = format!("u{n}");
        let body = json!({"userName": format!("u{n}")});
        fixture.create(second(1), &fixture.user, &id, body)?;
    }
    fixture.create(second(1), &fixture.group, "g1", json!({"displayName": "g"}))?;
    let mut seen: Vec<Seen> = thread::scope(|scope| {
        let writer = |n: usize| {
            scope.spawn(move || {
                (0..each)
                    .map(|at| exchange(fixture, n * each + at, at > 0))
                    .collect::<Result<Vec<_>, String>>()
            })
        };
        let threads: Vec<_> = (0..writers).map(writer).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread
                .join()
                .unwrap_or_else(|_| Err("a thread panicked".to_owned()))
        };
        let all: Result<Vec<Vec<Seen>>, String> = threads.into_iter().map(join).collect();
        all.map(|all| all.into_iter().flatten().collect())
    })?;
    seen.sort_by_key(|one| one.number);
    Ok(seen)
}

/// Adds a member to the group of the race, and removes the one that this writer added before.
fn exchange(fixture: &Fixture<'_>, n: usize, removes: bool) -> Result<Seen, String> {
    let added = format!("u{n}");
    let removed = removes.then(|| format!("u{}", n.saturating_sub(1)));
    let members = fixture.attr(&fixture.group, "members")?;
    let write = delta(fixture, &added, removed.as_deref())?;
    let batch = Batch::new(second(2), vec![write]).with_read_options(ReadOptions::edges([members]));
    let mut answers = loop {
        match fixture.submit(batch.clone())? {
            Err(StoreError::Busy) => thread::sleep(std::time::Duration::from_millis(10)),
            answer => break answer.map_err(|error| said(&error))?,
        }
    };
    let answer = answers.pop().ok_or("no answer")?;
    let stored = answer.map_err(|error| said(&error))?.stored;
    let stored = stored.ok_or("an answer without the resource")?;
    let list = stored.edges.iter().find(|list| list.attr == members);
    let AttrEdges { edges, .. } = list.ok_or("an answer without the members")?;
    let number = stored.version.as_str().parse();
    Ok(Seen {
        added,
        members: edges.iter().map(|edge| edge.id.to_string()).collect(),
        number: number.map_err(|_| "the versions of the store are not numbers".to_owned())?,
        removed,
    })
}

/// Returns the write that changes single members of the group of the race.
fn delta(fixture: &Fixture<'_>, add: &str, remove: Option<&str>) -> Result<WriteOp, String> {
    let mut change = Change::empty(fixture.group.clone());
    let edit = EdgeEdit::Delta {
        add: vec![Edge::to(add)],
        remove: remove.into_iter().map(ResourceId::from).collect(),
    };
    change.edit_edges(fixture.attr(&fixture.group, "members")?, edit);
    Ok(WriteOp::Update {
        change,
        expect: ExpectedVersion::Any,
        id: ResourceId::from("g1"),
    })
}

/// Performs one write on each of several threads.
pub(super) fn at_once(
    fixture: &Fixture<'_>,
    write: impl Fn(usize) -> Result<WriteOp, String>,
) -> Result<Vec<Result<Written, StoreError>>, String> {
    let writes: Vec<_> = (0..THREADS).map(write).collect::<Result<_, String>>()?;
    thread::scope(|scope| {
        let spawn = |write| scope.spawn(move || fixture.attempt(second(2), &write));
        let threads: Vec<_> = writes.into_iter().map(spawn).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread
                .join()
                .unwrap_or_else(|_| Err("a thread panicked".to_owned()))
        };
        threads.into_iter().map(join).collect()
    })
}
