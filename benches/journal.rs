//! The CPU time of the journal: three kinds of write through the store and over HTTP, for each store and at each level,
//! compared with the same write without a journal in the same run.
//!
//! ```text
//! cargo bench -p scimkit-benches --bench journal
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops at the first surprise"
)]

use std::sync::Arc;

use chrono::DateTime;
use http::Request;
use rustix::time::{ClockId, clock_gettime};
use scimkit::{
    BearerTokens, MemoryStore, RequestContext, Server, Settings, SqliteStore, Store, TenantId,
    Token, Tolerance,
    registry::{Change, Edge, EdgeEdit, ResourceId, ResourceType},
    store::{Batch, ExpectedVersion, JournalLevel, WriteOp},
};
use serde_json::{Value, json};

const TOKEN: &str = "benchmark-token";
const LEVELS: [(JournalLevel, &str); 3] = [
    (JournalLevel::Off, "off"),
    (JournalLevel::Notice, "notice"),
    (JournalLevel::Full, "full"),
];
/// The number of members in the big group.
const MEMBERS: usize = 100_000;
/// The number of writes of one kind per measurement.
const TOGETHER: usize = 40;
const ROUNDS: usize = 61;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!(
        "{:<8} {:<24} {:<8} {:>12} {:>7}",
        "store", "write", "level", "CPU", "ratio"
    );
    let memory = || Arc::new(MemoryStore::new()) as Arc<dyn Store>;
    measure("memory", [memory(), memory(), memory()]).await;
    let folder = tempfile::tempdir().unwrap();
    let sqlite = |name: &str| {
        let store = SqliteStore::open(folder.path().join(name)).unwrap();
        Arc::new(store) as Arc<dyn Store>
    };
    measure("sqlite", [sqlite("off"), sqlite("notice"), sqlite("full")]).await;
}

/// A kind of write, with the interface that it uses.
const KINDS: [&str; 6] = [
    "Store: create",
    "Store: set active",
    "Store: one member",
    "HTTP: POST",
    "HTTP: PATCH active",
    "HTTP: PATCH a member",
];

async fn measure(name: &str, stores: [Arc<dyn Store>; 3]) {
    let mut sides = Vec::new();
    for (store, (level, _)) in stores.into_iter().zip(LEVELS) {
        sides.push(Side::new(store, level).await);
    }
    for (kind, what) in KINDS.into_iter().enumerate() {
        let mut times: [Vec<f64>; 3] = Default::default();
        for round in 0..ROUNDS {
            // In turns, so that other load on the machine affects all of them equally.
            for turn in 0..sides.len() {
                let side = (round + turn) % sides.len();
                let sent = sides[side].prepared(kind, round);
                let before = cpu();
                sides[side].carry_out(sent).await;
                times[side].push((cpu() - before) / TOGETHER as f64);
            }
        }
        // The mean, because some writes also copy the write-ahead log into the file.
        let times = times.map(|times| times.iter().sum::<f64>() / times.len() as f64);
        for ((_, level), time) in LEVELS.into_iter().zip(times) {
            let ratio = time / times[0];
            println!("{name:<8} {what:<24} {level:<8} {time:>9.1} µs {ratio:>6.2}x");
        }
    }
}

/// Prepared writes.
enum Sent {
    Requests(Vec<(http::Method, String, String)>),
    Writes(Vec<WriteOp>),
}

/// A store at one level.
struct Side {
    context: RequestContext,
    server: Server,
    store: Arc<dyn Store>,
}

impl Side {
    async fn new(store: Arc<dyn Store>, level: JournalLevel) -> Self {
        let mut settings = Settings::new("http://bench.example");
        settings.policy.journal.level = level;
        let context = RequestContext::new(TenantId::default(), Arc::new(settings.clone()));
        let token = Token::from_secret(TOKEN).unwrap();
        let server = Server::new(Arc::clone(&store), settings)
            .with_authentication(BearerTokens::new([token.digest()]));
        let side = Side {
            context,
            server,
            store,
        };
        let users = (0..MEMBERS + TOGETHER).map(|n| side.user(&id(n)));
        let users: Vec<_> = users.collect();
        let members: Vec<_> = (0..MEMBERS).map(|n| json!({ "value": id(n) })).collect();
        let group = json!({ "displayName": "crew", "members": members });
        side.write(users).await;
        side.write(vec![side.create("Group", "crew", group)]).await;
        side
    }

    fn kind(&self, name: &str) -> &Arc<ResourceType> {
        self.context.settings.registry.resource_type(name).unwrap()
    }

    fn create(&self, kind: &str, id: &str, body: Value) -> WriteOp {
        let change = scimkit::patch::create(self.kind(kind), body, &Tolerance::DEFAULT).unwrap();
        let id = ResourceId::from(id);
        let existing_match = None;
        WriteOp::Create {
            change,
            existing_match,
            id,
        }
    }

    fn user(&self, id: &str) -> WriteOp {
        self.create("User", id, user(id))
    }

    fn update(&self, id: &str, change: Change) -> WriteOp {
        let expect = ExpectedVersion::Any;
        let id = ResourceId::from(id);
        WriteOp::Update { change, expect, id }
    }

    /// Prepares the writes of one round, each of which changes something.
    fn prepared(&self, kind: usize, round: usize) -> Sent {
        let new = |n: usize| format!("{kind}-{round}-{n}");
        let is_even = round.is_multiple_of(2);
        let coming = |n: usize| id(MEMBERS + n);
        let all = 0..TOGETHER;
        let patch = |path: String, operation: Value| {
            let body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [operation] });
            (http::Method::PATCH, path, body.to_string())
        };
        match kind {
            0 => Sent::Writes(all.map(|n| self.user(&new(n))).collect()),
            1 => {
                let kind = self.kind("User");
                let active = kind.attribute_id("active").unwrap();
                let set = |n| {
                    let mut change = Change::empty(Arc::clone(kind));
                    change.difference(active, None, Some(json!(is_even)));
                    self.update(&id(n), change)
                };
                Sent::Writes(all.map(set).collect())
            }
            2 => {
                let kind = self.kind("Group");
                let members = kind.attribute_id("members").unwrap();
                let edit = |n| {
                    let mut change = Change::empty(Arc::clone(kind));
                    let (mut add, mut remove) = (Vec::new(), Vec::new());
                    if is_even {
                        add.push(Edge::to(coming(n)))
                    } else {
                        remove.push(ResourceId::from(coming(n)))
                    }
                    change.edit_edges(members, EdgeEdit::Delta { add, remove });
                    self.update("crew", change)
                };
                Sent::Writes(all.map(edit).collect())
            }
            3 => {
                let post = |n| {
                    (
                        http::Method::POST,
                        "/Users".into(),
                        user(&new(n)).to_string(),
                    )
                };
                Sent::Requests(all.map(post).collect())
            }
            4 => {
                let set = json!({ "op": "replace", "path": "active", "value": is_even });
                let one = |n| patch(format!("/Users/{}", id(n)), set.clone());
                Sent::Requests(all.map(one).collect())
            }
            _ => {
                let op = if is_even { "add" } else { "remove" };
                let one = |n| {
                    let value = json!([{ "value": coming(n) }]);
                    let operation = json!({ "op": op, "path": "members", "value": value });
                    patch("/Groups/crew".to_owned(), operation)
                };
                Sent::Requests(all.map(one).collect())
            }
        }
    }

    async fn carry_out(&self, sent: Sent) {
        match sent {
            Sent::Requests(requests) => {
                for (method, path, body) in requests {
                    let request = Request::builder().method(method).uri(path);
                    let request = request.header("authorization", format!("Bearer {TOKEN}"));
                    let answer = self.server.handle(request.body(body).unwrap()).await;
                    assert!(answer.status().is_success(), "{}", answer.status());
                }
            }
            Sent::Writes(writes) => {
                for write in writes {
                    self.write(vec![write]).await;
                }
            }
        }
    }

    async fn write(&self, writes: Vec<WriteOp>) {
        let batch = Batch::new(DateTime::UNIX_EPOCH, writes);
        let answers = self.store.write(&self.context, batch).await.unwrap();
        assert!(answers.iter().all(Result::is_ok));
    }
}

fn id(number: usize) -> String {
    let mixed = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{:08x}-0000-4000-8000-{:012x}", mixed >> 32, number)
}

/// Returns a typical user of an identity provider.
fn user(id: &str) -> Value {
    json!({
        "userName": format!("{id}@bench.example"),
        "externalId": id,
        "displayName": "Barbara Jensen",
        "name": { "givenName": "Barbara", "familyName": "Jensen" },
        "title": "Tour Guide",
        "emails": [{ "value": format!("{id}@bench.example"), "type": "work", "primary": true }],
        "phoneNumbers": [{ "value": "+1 555 0100", "type": "work" }],
        "addresses": [{ "type": "work", "locality": "Hollywood", "country": "US" }],
    })
}

/// Returns the CPU time of all threads of this process, in microseconds.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
