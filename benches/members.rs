//! The CPU time of membership changes: adding one member to groups of three sizes, for each store, and adding a
//! thousand at once, compared with a hash set of the present members that is built for the request.
//!
//! ```text
//! cargo bench -p scimkit-benches --bench members
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops at the first surprise"
)]

use std::{collections::HashSet, hint::black_box, sync::Arc};

use chrono::DateTime;
use http::{Request, StatusCode};
use rustix::time::{ClockId, clock_gettime};
use scimkit::{
    BearerTokens, MemoryStore, RequestContext, Server, Settings, SqliteStore, Store, TenantId,
    Token, Tolerance,
    core::message::PatchRequest,
    patch::{CurrentState, Patch},
    registry::{Budget, Change, Resource, ResourceId, ResourceType},
    store::{Batch, ExpectedVersion, WriteOp, WriteOutcome},
};
use serde_json::{Value, json};

const TOKEN: &str = "benchmark-token";
const SIZES: [usize; 3] = [1_000, 10_000, 100_000];
/// The number of users without a group at the start.
const COMING: usize = 1_000;
const ROUNDS: usize = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!("one member more, CPU time of `Server::handle`");
    println!(
        "{:<10} {:>9} {:>12} {:>8}",
        "store", "members", "time", "ratio"
    );
    one_more("memory", Directory::new(Arc::new(MemoryStore::new())).await).await;
    let folder = tempfile::tempdir().unwrap();
    let sqlite = SqliteStore::open(folder.path().join("bench.sqlite")).unwrap();
    one_more("sqlite", Directory::new(Arc::new(sqlite)).await).await;
    println!("\n{COMING} members more in memory, compared with a hash set built for the request");
    println!("{:<34} {:>9} {:>12} {:>8}", "", "members", "time", "ratio");
    let directory = Directory::new(Arc::new(MemoryStore::new())).await;
    for size in &SIZES[1..] {
        many_more(&directory, *size).await;
    }
}

async fn one_more(store: &str, directory: Directory) {
    let mut times: [Vec<f64>; SIZES.len()] = Default::default();
    for id in &directory.coming {
        for (size, times) in SIZES.into_iter().zip(&mut times) {
            let (add, remove) = directory.requests(size, std::slice::from_ref(id));
            times.push(time(directory.handled(add)).await);
            directory.handled(remove).await;
        }
    }
    let times = times.map(median);
    for (size, time) in SIZES.into_iter().zip(times) {
        let ratio = time / times[0];
        println!("{store:<10} {size:>9} {time:>9.1} µs {ratio:>7.2}x");
    }
}

async fn many_more(directory: &Directory, size: usize) {
    let Directory { coming, .. } = directory;
    let (add, remove) = directory.requests(size, coming);
    let mut times: [Vec<f64>; 4] = Default::default();
    for _ in 0..ROUNDS {
        // The removal restores the initial state, even if there is nothing to remove.
        times[0].push(time(async { hash_set(&directory.members[..size], coming) }).await);
        directory.handled(remove.clone()).await;
        let change = directory.decoded(serde_json::from_str(&add.1).unwrap());
        times[1].push(time(directory.written(size, change)).await);
        directory.handled(remove.clone()).await;
        let body: Value = serde_json::from_str(&add.1).unwrap();
        let decoded = async {
            directory.written(size, directory.decoded(body)).await;
        };
        times[2].push(time(decoded).await);
        directory.handled(remove.clone()).await;
        times[3].push(time(directory.handled(add.clone())).await);
        directory.handled(remove.clone()).await;
    }
    let names = [
        "hash set",
        "Store::write",
        "Patch::decode to Store::write",
        "Server::handle",
    ];
    let times = times.map(median);
    for (name, time) in names.iter().zip(times) {
        let ratio = time / times[0];
        println!("{name:<34} {size:>9} {time:>9.1} µs {ratio:>7.2}x");
    }
}

/// The lower bound for a library that stores the members in the group and checks which of them are present, even if
/// they are already available as strings.
fn hash_set(members: &[String], coming: &[String]) {
    let mut present: HashSet<&str> = members.iter().map(String::as_str).collect();
    let mut added: Vec<String> = Vec::new();
    for id in coming {
        if present.insert(id) {
            added.push(id.clone());
        }
    }
    assert_eq!(black_box(added).len(), COMING);
}

/// Users, and a group of each size.
struct Directory {
    coming: Vec<String>,
    members: Vec<String>,
    context: RequestContext,
    server: Server,
    store: Arc<dyn Store>,
}

/// The path and the body of a PATCH.
type Sent = (String, String);

impl Directory {
    async fn new(store: Arc<dyn Store>) -> Self {
        let settings = Settings::new("http://bench.example");
        let context = RequestContext::new(TenantId::default(), Arc::new(settings.clone()));
        let token = Token::from_secret(TOKEN).unwrap();
        let server = Server::new(Arc::clone(&store), settings)
            .with_authentication(BearerTokens::new([token.digest()]));
        let mut members: Vec<_> = (0..SIZES[2] + COMING).map(uuid).collect();
        let directory = Directory {
            coming: members.split_off(SIZES[2]),
            members,
            context,
            server,
            store,
        };
        let ids = directory.members.iter().chain(&directory.coming);
        let user = |id: &String| directory.create("User", id, json!({ "userName": id }));
        let mut writes: Vec<_> = ids.map(user).collect();
        for size in SIZES {
            let members = listed(&directory.members[..size]);
            let body = json!({ "displayName": "crew", "members": members });
            writes.push(directory.create("Group", &size.to_string(), body));
        }
        for answer in directory.write(writes).await {
            assert_eq!(answer, WriteOutcome::Created);
        }
        directory
    }

    fn kind(&self, name: &str) -> &Arc<ResourceType> {
        self.context.settings.registry.resource_type(name).unwrap()
    }

    fn create(&self, kind: &str, id: &str, body: Value) -> WriteOp {
        let change = scimkit::patch::create(self.kind(kind), body, &Tolerance::DEFAULT).unwrap();
        let id = ResourceId::from(id);
        WriteOp::Create {
            change,
            existing_match: None,
            id,
        }
    }

    async fn write(&self, writes: Vec<WriteOp>) -> Vec<WriteOutcome> {
        let batch = Batch::new(DateTime::UNIX_EPOCH, writes);
        let answers = self.store.write(&self.context, batch).await.unwrap();
        answers.into_iter().map(|a| a.unwrap().outcome).collect()
    }

    /// Returns the PATCH requests that add these members and remove them again.
    fn requests(&self, size: usize, ids: &[String]) -> (Sent, Sent) {
        let patch = |op| {
            let operation = json!({ "op": op, "path": "members", "value": listed(ids) });
            let body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [operation] });
            (format!("/Groups/{size}"), body.to_string())
        };
        (patch("add"), patch("remove"))
    }

    fn decoded(&self, body: Value) -> Change {
        let request = PatchRequest::from_value(body, 100).unwrap();
        let limits = self.context.settings.limits.filter;
        let patch = Patch::decode(self.kind("Group"), request, limits, &Tolerance::DEFAULT);
        let before = CurrentState {
            document: &Resource::default(),
            edges: &[],
        };
        patch
            .unwrap()
            .apply(
                &ResourceId::from(""),
                &before,
                &Tolerance::DEFAULT,
                &Budget::unlimited(),
            )
            .unwrap()
    }

    async fn written(&self, size: usize, change: Change) {
        let update = WriteOp::Update {
            change,
            expect: ExpectedVersion::Any,
            id: ResourceId::from(size.to_string()),
        };
        assert_eq!(self.write(vec![update]).await, [WriteOutcome::Updated]);
    }

    async fn handled(&self, (path, body): Sent) {
        let request = Request::patch(path).header("authorization", format!("Bearer {TOKEN}"));
        let answer = self.server.handle(request.body(body).unwrap()).await;
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    }
}

/// Returns an id like those of common services, but in no order.
fn uuid(number: usize) -> String {
    let mixed = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{:08x}-0000-4000-8000-{:012x}", mixed >> 32, number)
}

fn listed(ids: &[String]) -> Value {
    ids.iter().map(|id| json!({ "value": id })).collect()
}

/// Returns the CPU time of all threads for a future, in microseconds.
async fn time(act: impl Future<Output = ()>) -> f64 {
    let before = cpu();
    act.await;
    cpu() - before
}

/// Returns the CPU time of all threads of this process, in microseconds.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
