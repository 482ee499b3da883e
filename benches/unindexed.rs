//! CPU seconds of queries without an index on 100,000 users of 1.46 kB, for each store.
//!
//! ```text
//! cargo bench -p scimkit-benches --bench unindexed
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops at the first surprise"
)]

#[path = "shared/user.rs"]
mod user;

use std::{hint::black_box, sync::Arc};

use chrono::DateTime;
use rustix::time::{ClockId, clock_gettime};
use scimkit::{
    MemoryStore, RequestContext, Settings, SqliteStore, Store, TenantId, Tolerance,
    core::message::SortOrder,
    filter::Filter,
    registry::{Budget, Change, ResourceId, ResourceType},
    store::{Batch, Query, Sort, StoreError, WriteOp},
};

const USERS: usize = 100_000;
const PAGE: u32 = 100;
const ROUNDS: usize = 5;
/// The default budget of a request.
const WORK: u64 = 500_000_000;

/// Filters and sorts.
const QUERIES: [(&str, &str); 7] = [
    (r#"title co "manager""#, ""),
    (r#"title co "engineer""#, ""),
    (r#"name.familyName ew " 99" and not (active eq false)"#, ""),
    (r#"emails[type eq "work" and value co "9999@"]"#, ""),
    ("", "title"),
    ("", "emails.value"),
    (r#"emails.value sw "user9""#, "name.familyName"),
];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let memory = MemoryStore::new();
    let folder = tempfile::tempdir().unwrap();
    let sqlite = SqliteStore::open(folder.path().join("bench.sqlite")).unwrap();
    let settings = Arc::new(Settings::new("https://app.example/scim/v2"));
    let kind = Arc::clone(settings.registry.resource_type("User").unwrap());
    let context = RequestContext::new(TenantId::default(), settings);
    let stores: [&dyn Store; 2] = [&memory, &sqlite];
    for store in stores {
        populate(store, &context, &kind).await;
    }
    println!("| filter | sort | memory | SQLite |");
    println!("|---|---|---|---|");
    let many: Vec<_> = (0..512).map(|n| format!(r#"title co "x{n}""#)).collect();
    let joined = many.join(" or ");
    let name = "512 terms `title co`, by `or`";
    let queries = QUERIES.map(|(filter, sort)| (filter, sort, quoted(filter)));
    let last = (joined.as_str(), "", name.to_owned());
    for (filter, sort, name) in queries.into_iter().chain([last]) {
        let mut query = Query::new(Arc::clone(&kind)).with_page(0, PAGE);
        if !filter.is_empty() {
            let filter = Filter::parse(filter).unwrap();
            query = query.with_predicate(kind.bind_filter(&filter, &Tolerance::DEFAULT).unwrap());
        }
        if !sort.is_empty() {
            let by = kind.attribute_id(sort).unwrap();
            query = query.with_sort(Some(Sort::new(by, SortOrder::Ascending)));
        }
        let mut cells = Vec::new();
        for store in stores {
            cells.push(seconds(store, &context, &query).await);
        }
        println!("| {name} | {} | {} |", quoted(sort), cells.join(" | "));
    }
}

fn quoted(text: &str) -> String {
    match text {
        "" => String::new(),
        _ => format!("`{text}`"),
    }
}

async fn populate(store: &dyn Store, context: &RequestContext, kind: &Arc<ResourceType>) {
    let numbers: Vec<_> = (0..USERS).collect();
    for some in numbers.chunks(1_000) {
        let create = |n: &usize| {
            let body = kind.admit(user::user(*n), &Tolerance::DEFAULT).unwrap();
            WriteOp::Create {
                existing_match: None,
                change: Change::create(Arc::clone(kind), body),
                id: ResourceId::from(format!("0190a0b0-0000-7000-8000-{n:012}")),
            }
        };
        let batch = Batch::new(DateTime::UNIX_EPOCH, some.iter().map(create).collect());
        for written in store.write(context, batch).await.unwrap() {
            written.unwrap();
        }
    }
}

/// Returns the median of some rounds, and whether the budget of a request was exhausted.
async fn seconds(store: &dyn Store, context: &RequestContext, query: &Query) -> String {
    let (mut times, mut is_rejected) = (Vec::new(), false);
    for _ in 0..ROUNDS {
        let mut context = context.clone();
        context.budget = Budget::new(WORK);
        let before = now();
        let page = black_box(store.query(&context, query).await);
        times.push(now() - before);
        is_rejected = matches!(page, Err(StoreError::Exhausted(_)));
        assert!(page.is_ok() || is_rejected, "{page:?}");
    }
    times.sort_by(f64::total_cmp);
    let median = times.get(ROUNDS / 2).unwrap();
    if is_rejected {
        format!("rejected after {median:.2}")
    } else {
        format!("{median:.3}")
    }
}

/// Returns the CPU time of all threads in seconds, because a store may have its own.
fn now() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
