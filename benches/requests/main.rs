//! The user-space instructions of each kind of request, compared with a bare axum server that stores the final bytes.
//!
//! ```text
//! benches/request-instructions [QUICKSTART [ROW]]
//! ```
//!
//! The servers are child processes under callgrind. The cost of a request is the difference between two runs with
//! different numbers of it, so that starting a server, creating its users and one-time work do not count.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops at the first surprise"
)]

mod bare;
#[path = "../shared/client.rs"]
mod client;
mod server;
mod tables;

use std::{env, path::Path, thread};

use serde_json::json;

use self::{
    client::{patch, request, user},
    server::{Kind, Server, USERS},
};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|a| a != "--bench").collect();
    match arguments.first().map(String::as_str) {
        None => println!("Run benches/request-instructions, which builds the servers first."),
        Some("bare") => bare::serve(),
        Some("tables") => tables::serve(Path::new(arguments.get(1).expect("a file"))),
        Some(quickstart) => compare(Path::new(quickstart), arguments.get(1).map(String::as_str)),
    }
}

/// One kind of request.
struct Row {
    is_full: bool,
    make: fn(usize, &[String]) -> Vec<u8>,
    name: &'static str,
    /// The number of requests in the shorter run; the longer one sends three times as many.
    rounds: usize,
}

const ROWS: [Row; 6] = [
    Row {
        is_full: false,
        make: |round, ids| {
            let id = &ids[round * 7 % USERS];
            request("get", "GET", &format!("/Users/{id}"), None)
        },
        name: "GET by id",
        rounds: 50,
    },
    Row {
        is_full: false,
        make: |round, _| {
            let number = round * 7 % USERS;
            let path = format!("/Users?filter=userName%20eq%20%22user{number}@example.com%22");
            request("filter", "GET", &path, None)
        },
        name: "filter `userName eq`",
        rounds: 50,
    },
    Row {
        is_full: false,
        make: |_, _| request("list", "GET", "/Users?count=100", None),
        name: "list of 100",
        rounds: 10,
    },
    Row {
        is_full: true,
        make: |_, _| request("list", "GET", "/Users?count=100", None),
        name: "list of 100, full",
        rounds: 10,
    },
    Row {
        is_full: false,
        make: |round, _| request("post", "POST", "/Users", Some(&user(1_000_000 + round))),
        name: "POST",
        rounds: 50,
    },
    Row {
        is_full: false,
        make: |round, ids| {
            let value = round / USERS % 2 == 1;
            let operations = json!([{ "op": "replace", "path": "active", "value": value }]);
            let path = format!("/Users/{}", ids[round % USERS]);
            request("patch", "PATCH", &path, Some(&patch(&operations)))
        },
        name: "PATCH active",
        rounds: 40,
    },
];

/// The row with the memory per user.
const MEMORY: &str = "memory per user";

const KINDS: [Kind; 4] = [Kind::Bare, Kind::Memory, Kind::Sqlite, Kind::Tables];

fn compare(quickstart: &Path, only: Option<&str>) {
    println!("| request | bare server | memory | SQLite | own tables |");
    println!("|---|---|---|---|---|");
    for row in ROWS
        .iter()
        .filter(|row| only.is_none_or(|name| row.name == name))
    {
        let counts = KINDS.map(|kind| row.instructions(kind, quickstart) / 1_000.0);
        let [bare, memory, sqlite, tables] = counts;
        println!(
            "| {} | {bare:.1} k | {memory:.1} k ({:.2}x) | {sqlite:.1} k ({:.2}x) | {tables:.1} k ({:.2}x SQLite) |",
            row.name,
            memory / bare,
            sqlite / bare,
            tables / sqlite
        );
    }
    if only.is_none_or(|name| name == MEMORY) {
        let [bare, memory, sqlite, tables] = KINDS.map(|kind| memory_per_user(kind, quickstart));
        println!(
            "| {MEMORY} (10,000 users) | {bare:.1} kB | {memory:.1} kB | {sqlite:.1} kB | {tables:.1} kB |"
        );
    }
}

impl Row {
    /// Returns the instructions of one request.
    fn instructions(&self, kind: Kind, quickstart: &Path) -> f64 {
        let few = self.rounds;
        let many = 3 * self.rounds;
        let run = |rounds| self.run(rounds, kind, quickstart);
        let (short, long) = thread::scope(|scope| {
            let short = scope.spawn(|| run(few));
            let long = run(many);
            (short.join().unwrap(), long)
        });
        (long - short) / (many - few) as f64
    }

    /// Returns the instructions of a server for that many requests.
    fn run(&self, rounds: usize, kind: Kind, quickstart: &Path) -> f64 {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Server::start(kind, quickstart, folder.path(), true);
        let ids = server.fill(kind, self.is_full);
        for round in 0..rounds {
            let (status, body) = server.client.send(&(self.make)(round, &ids));
            assert!(status < 300, "{}: {status} {body}", self.name);
        }
        server.instructions()
    }
}

/// Returns the resident memory per user of 10,000 further users, in kilobytes.
fn memory_per_user(kind: Kind, quickstart: &Path) -> f64 {
    const MORE: usize = 10_000;
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(kind, quickstart, folder.path(), false);
    server.fill(kind, false);
    let before = server.resident();
    for number in 0..MORE {
        let created = request("fill", "POST", "/Users", Some(&user(1_000_000 + number)));
        client::id(&server.client.send(&created));
    }
    (server.resident() - before) / MORE as f64
}
