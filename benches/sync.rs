//! Runs of staged delivery at scale: CPU time and memory of a first run, a full run with 1 % changed and an incremental
//! run, beside the CPU time of creating the same users and groups directly.
//!
//! ```text
//! cargo bench -p scimkit-benches --bench sync              # 10,000 users, 100,000 memberships
//! cargo bench -p scimkit-benches --bench sync -- 100000    # more users
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops at the first surprise"
)]

use std::{fs, sync::Arc, time::Duration};

use chrono::DateTime;
use rustix::time::{ClockId, clock_gettime};
use scimkit::{
    Mapping, MemoryStore, RequestContext, Settings, Store, TenantId, Tolerance,
    provision::{
        ConnectionSettings, TenantAdmin,
        sync::{Directory, Run, RunStore, StoreDirectory, SyncRunner},
    },
    registry::{Change, ResourceId},
    store::{Batch, ConnectionId, ExpectedVersion, WriteOp},
};
use serde_json::{Value, json};

const MAPPING: &str = "
[[User.map]]
scim = 'userName'
field = 'email'
matching = true

[[User.map]]
scim = 'title'
field = 'job'

[[Group.map]]
scim = 'displayName'
field = 'name'
";
/// The number of users in a group.
const MEMBERS: usize = 1_000;
/// The number of groups of each user.
const GROUPS: usize = 10;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let number = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next();
    let users: usize = number.unwrap_or(10_000);
    let settings = Settings::new("https://app.example/scim/v2");
    let mapping = Mapping::builder().text(MAPPING).build(&settings.registry);
    let mapping = Arc::new(mapping.unwrap());
    let tenant = TenantId::default();
    let context = RequestContext::new(tenant.clone(), Arc::new(settings.clone()));
    let provider = context.clone().with_connection(ConnectionId::default());

    let direct = MemoryStore::new();
    let baseline = cpu();
    fill(&direct, &provider, users).await;
    let baseline = cpu() - baseline;
    println!("{users} users, {} memberships", users * GROUPS);
    println!("{:<28} {:>9} {:>7} {:>10}", "", "CPU", "ratio", "memory");
    row("created directly", baseline, baseline);
    drop(direct);

    let state = Arc::new(MemoryStore::new());
    let admin = TenantAdmin::new(state.clone());
    admin
        .ensure_connection(&tenant, &ConnectionId::default())
        .await
        .unwrap();
    let seen = admin
        .connection(&tenant, &ConnectionId::default())
        .await
        .unwrap();
    let staged = r#"{"delivery": "staged", "interval": "0s"}"#;
    let staged = ConnectionSettings::from_json(staged).unwrap();
    admin.change_connection(&seen, "", &staged).await.unwrap();
    fill(&*state, &provider, users).await;
    let product = Arc::new(MemoryStore::new());
    let directory: Arc<dyn Directory> =
        Arc::new(StoreDirectory::new(product, context, mapping.clone()));
    let runner = SyncRunner::new(state.clone(), settings, move |_| {
        Some(Arc::clone(&directory))
    })
    .with_mapping(mapping);
    let runs = RunStore::new(state.clone(), tenant);

    let first = timed(&runner, &runs, "first run", baseline).await;
    let counts = first.summary.unwrap();
    let counts = counts.connections.values().next().unwrap().clone();
    assert_eq!(counts.users.created, users as u64);
    assert_eq!(counts.memberships.added, (users * GROUPS) as u64);
    change(&*state, &provider, users).await;
    runs.ask("the benchmark", DateTime::UNIX_EPOCH)
        .await
        .unwrap();
    let full = timed(&runner, &runs, "full run, 1 % changed", baseline).await;
    let changed = full
        .summary
        .unwrap()
        .connections
        .values()
        .next()
        .unwrap()
        .users
        .changed;
    assert_eq!(changed, (users / 100) as u64);
    change_one(&*state, &provider).await;
    timed(&runner, &runs, "incremental run, one changed", baseline).await;
}

async fn timed(runner: &SyncRunner, runs: &RunStore, name: &str, baseline: Duration) -> Run {
    let before = cpu();
    runner.look().await;
    row(name, cpu() - before, baseline);
    runs.runs(1).await.unwrap().pop().unwrap()
}

fn row(name: &str, time: Duration, baseline: Duration) {
    let ratio = time.as_secs_f64() / baseline.as_secs_f64();
    let time = time.as_secs_f64() * 1e3;
    println!(
        "{name:<28} {time:>6.0} ms {ratio:>6.2}x {:>7} MB",
        memory() >> 20
    );
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap(),
    )
}

/// The largest memory of the process so far, in bytes; 0 where it is not known.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) << 10
}

fn user(number: usize, job: &str) -> Value {
    json!({"userName": format!("user{number:07}@example.com"), "title": job})
}

async fn write(store: &dyn Store, context: &RequestContext, writes: Vec<WriteOp>) {
    let batch = Batch::new(DateTime::UNIX_EPOCH, writes).with_cause(context.cause.clone());
    for written in store.write(context, batch).await.unwrap() {
        written.unwrap();
    }
}

fn created(context: &RequestContext, kind: &str, id: &str, body: Value) -> WriteOp {
    let kind = context.settings.registry.resource_type(kind).unwrap();
    WriteOp::Create {
        change: Change::admit(kind, body, &Tolerance::DEFAULT).unwrap(),
        existing_match: None,
        id: ResourceId::from(id),
    }
}

async fn fill(store: &dyn Store, context: &RequestContext, users: usize) {
    let all: Vec<_> = (0..users).collect();
    for numbers in all.chunks(250) {
        let writes = numbers
            .iter()
            .map(|n| created(context, "User", &format!("u{n:07}"), user(*n, "Engineer")));
        write(store, context, writes.collect()).await;
    }
    for group in 0..(users * GROUPS).div_ceil(MEMBERS) {
        let first = group * MEMBERS;
        let members =
            (first..first + MEMBERS).map(|n| json!({"value": format!("u{:07}", n % users)}));
        let members: Vec<_> = members.take(users).collect();
        let body = json!({"displayName": format!("Group {group}"), "members": members});
        write(
            store,
            context,
            vec![created(context, "Group", &format!("g{group:05}"), body)],
        )
        .await;
    }
}

/// Changes one user in a hundred.
async fn change(store: &dyn Store, context: &RequestContext, users: usize) {
    for number in (0..users).step_by(100) {
        change_user(store, context, number, "Manager").await;
    }
}

async fn change_one(store: &dyn Store, context: &RequestContext) {
    change_user(store, context, 1, "Director").await;
}

async fn change_user(store: &dyn Store, context: &RequestContext, number: usize, job: &str) {
    let kind = context.settings.registry.resource_type("User").unwrap();
    let before = kind
        .admit(user(number, "Engineer"), &Tolerance::DEFAULT)
        .unwrap();
    let after = kind.admit(user(number, job), &Tolerance::DEFAULT).unwrap();
    let update = WriteOp::Update {
        change: Change::between(Arc::clone(kind), Some(&before), &after),
        expect: ExpectedVersion::Any,
        id: ResourceId::from(format!("u{number:07}").as_str()),
    };
    write(store, context, vec![update]).await;
}
