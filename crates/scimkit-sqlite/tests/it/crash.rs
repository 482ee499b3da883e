//! A process that is killed: acknowledged writes exist, and none is partial.
//!
//! The test starts itself again as a child that writes endlessly and prints what was acknowledged. The parent kills it
//! at some moment and checks the file.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use scimkit_registry::ResourceId;
use scimkit_sqlite::SqliteStore;
use scimkit_store::{
    ChainHead, EdgeQuery, Journal, JournalAction, JournalEntry, JournalPosition, JournalQuery,
    ReadOptions, RequestContext, Store, StoreError, verify,
};
use serde_json::{Value, json};

use crate::{
    consistent::check_file,
    support::{add_member, create, delete, file, kind, set, standard, wait},
};

const FILE: &str = "SCIMKIT_CRASH_FILE";
const ROUND: &str = "SCIMKIT_CRASH_ROUND";
const ROUNDS: u64 = 6;
const THREADS: u32 = 4;

#[test]
fn acknowledged_writes_survive_the_process() {
    let (_directory, path) = file();
    let context = standard();
    let mut known = Known::default();
    for round in 0..ROUNDS {
        // Moments that are spread, and the same in every run.
        run_and_kill(
            &path,
            round,
            Duration::from_millis(60 + round * 97 % 230),
            &mut known,
        );
        let store = SqliteStore::open(&path).unwrap();
        known.check(&store, &context);
        known.check_journal(&store, &context);
        drop(store);
        check_file(&path, &context);
    }
    assert!(
        known.users.len() > 50,
        "only {} users in all",
        known.users.len()
    );
}

/// The last acknowledged state of each resource.
#[derive(Default)]
struct Known {
    members: BTreeMap<String, BTreeSet<String>>,
    /// The title, or `None` after a delete.
    users: BTreeMap<String, Option<u64>>,
}

impl Known {
    fn note(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["ack", "delete", id] => drop(self.users.insert((*id).to_owned(), None)),
            ["ack", "group", id] => drop(self.members.entry((*id).to_owned()).or_default()),
            ["ack", "member", group, id] => {
                self.members
                    .get_mut(*group)
                    .unwrap()
                    .insert((*id).to_owned());
            }
            ["ack", "title", id, title] => {
                self.users
                    .insert((*id).to_owned(), Some(title.parse().unwrap()));
            }
            // Output of the test harness, or an incomplete line.
            _ => {}
        }
    }

    fn check(&self, store: &SqliteStore, context: &RequestContext) {
        let user = kind(context, "User");
        for (id, title) in &self.users {
            let read = wait(store.read(
                context,
                &user,
                &ResourceId::from(id.as_str()),
                &ReadOptions::document(),
            ));
            match (read, title) {
                // One more step may be done than was acknowledged.
                (Ok(stored), Some(title)) => {
                    let document: Value = serde_json::from_slice(stored.document.text()).unwrap();
                    let now: u64 = document["title"].as_str().unwrap().parse().unwrap();
                    assert!(now == *title || now == title + 1, "{id}: {now} for {title}");
                }
                (Err(StoreError::NotFound), None) => {}
                (Err(StoreError::NotFound), Some(LAST)) => {}
                (other, expected) => panic!("{id}: {other:?} for {expected:?}"),
            }
        }
        let group = kind(context, "Group");
        let members = group.attribute_id("members").unwrap();
        for (id, expected) in &self.members {
            let owners = vec![ResourceId::from(id.as_str())];
            let query = EdgeQuery::new(group.clone(), members, owners);
            let edges = wait(store.edges(context, &query)).unwrap().pop().unwrap();
            let found: BTreeSet<String> = edges.iter().map(|edge| edge.id.to_string()).collect();
            let gone: Vec<_> = expected.difference(&found).collect();
            let deleted = |id: &&&String| {
                self.users
                    .get(**id)
                    .is_some_and(|title| matches!(title, None | Some(LAST)))
            };
            assert_eq!(
                gone.iter().filter(|id| !deleted(id)).count(),
                0,
                "{id} lost {gone:?}"
            );
        }
    }
}

impl Known {
    /// Checks that every acknowledged write has its entry, and that no number is missing.
    fn check_journal(&self, store: &SqliteStore, context: &RequestContext) {
        let (entries, head) = journal(store, context);
        assert_eq!(verify(&entries).unwrap().last_digest, head.digest);
        let mut numbers: Vec<_> = entries.iter().map(|entry| entry.number).collect();
        numbers.dedup();
        assert_eq!(numbers, (1..=head.number).collect::<Vec<_>>());
        let (mut actions, mut added) = (BTreeMap::new(), BTreeMap::new());
        for entry in &entries {
            let id = entry.subject.columns().id;
            let of: &mut Vec<_> = actions.entry(id).or_default();
            of.push(entry.action);
            for change in entry.details().unwrap().unwrap().members {
                let members: &mut BTreeSet<_> = added.entry(id).or_default();
                members.extend(change.added.into_iter().map(|member| member.id.to_string()));
            }
        }
        for (id, title) in &self.users {
            let of = &actions[id.as_str()];
            let count = |action| of.iter().filter(|known| **known == action).count() as u64;
            assert_eq!(count(JournalAction::Created), 1, "{id}: {of:?}");
            match title {
                None => assert_eq!(count(JournalAction::Deleted), 1, "{id}: {of:?}"),
                Some(title) => assert!(count(JournalAction::Updated) >= *title, "{id}: {of:?}"),
            }
        }
        for (id, members) in &self.members {
            let added = added.get(id.as_str()).cloned().unwrap_or_default();
            assert!(members.is_subset(&added), "{id}: {members:?}, {added:?}");
        }
    }
}

/// Returns all entries of the journal, and its end.
fn journal(store: &SqliteStore, context: &RequestContext) -> (Vec<JournalEntry>, ChainHead) {
    let mut entries = Vec::new();
    let mut position = JournalPosition::default();
    loop {
        let query = JournalQuery::after(position).with_limit(JournalQuery::MAX_LIMIT);
        let page = wait(store.entries(&context.tenant, &query)).unwrap().page();
        let page = page.unwrap();
        position = page.end().unwrap_or(position);
        entries.extend(page.entries);
        if !page.has_more {
            return (entries, page.head);
        }
    }
}

/// The title after which some users are deleted.
const LAST: u64 = 3;

fn run_and_kill(path: &Path, round: u64, after: Duration, known: &mut Known) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "crash::child",
            "--nocapture",
            "--test-threads",
            "1",
        ])
        .env(FILE, path)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The clock starts with the first acknowledgement, for slow machines.
    for line in lines.by_ref().map(Result::unwrap) {
        known.note(&line);
        if line.starts_with("ack ") {
            break;
        }
    }
    let killer = thread::spawn(move || {
        thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
    });
    for line in lines {
        known.note(&line.unwrap());
    }
    killer.join().unwrap();
}

#[test]
fn child() {
    let (Ok(path), Ok(round)) = (std::env::var(FILE), std::env::var(ROUND)) else {
        return;
    };
    // The harness has begun a line.
    println!();
    let store = SqliteStore::open(path).unwrap();
    let context = standard();
    thread::scope(|threads| {
        for thread in 0..THREADS {
            let (store, context, round) = (&store, &context, &round);
            threads.spawn(move || write_without_end(store, context, &format!("{round}-{thread}")));
        }
    });
}

fn write_without_end(store: &SqliteStore, context: &RequestContext, name: &str) {
    let group = format!("g{name}");
    create(
        store,
        context,
        ("Group", &group),
        json!({"displayName": group}),
    )
    .unwrap();
    acknowledge(&format!("group {group}"));
    for n in 0_u64.. {
        let id = format!("u{name}-{n}");
        let emails = json!([{"value": format!("{id}@x.test")}, {"value": "all@x.test"}]);
        let body = json!({"userName": id, "displayName": id, "title": "0", "emails": emails});
        create(store, context, ("User", &id), body).unwrap();
        acknowledge(&format!("title {id} 0"));
        add_member(store, context, &group, &id).unwrap();
        acknowledge(&format!("member {group} {id}"));
        for title in 1..=LAST {
            let value = json!(title.to_string());
            set(store, context, ("User", &id), ("title", value)).unwrap();
            acknowledge(&format!("title {id} {title}"));
        }
        if n % 3 == 0 {
            delete(store, context, ("User", &id)).unwrap();
            acknowledge(&format!("delete {id}"));
        }
    }
}

/// Prints one line at once.
fn acknowledge(what: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("ack {what}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}
