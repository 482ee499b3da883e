//! The CPU time of a page of 100 users, for each store: the first page, one after 100,000 others by index, and the same
//! one by position, as requested by a cursor.
//!
//! ```text
//! cargo bench -p scimkit-benches --bench paging
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops at the first surprise"
)]

use std::{hint::black_box, sync::Arc};

use chrono::DateTime;
use rustix::time::{ClockId, clock_gettime};
use scimkit::{
    MemoryStore, RequestContext, Settings, SqliteStore, Store, TenantId, Tolerance,
    core::message::SortOrder,
    filter::Filter,
    registry::{Change, ResourceId, ResourceType, Scalar},
    store::{Batch, PagePosition, Query, Sort, WriteOp},
};
use serde_json::json;

const DEEP: usize = 100_000;
const PAGE: u32 = 100;
const ROUNDS: usize = 30;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!(
        "a page of {PAGE} users out of {} and more, CPU time of `Store::query`",
        DEEP
    );
    println!(
        "{:<8} {:<28} {:<12} {:>12} {:>8}",
        "store", "list", "page", "time", "ratio"
    );
    all("memory", &MemoryStore::new()).await;
    let folder = tempfile::tempdir().unwrap();
    all(
        "sqlite",
        &SqliteStore::open(folder.path().join("bench.sqlite")).unwrap(),
    )
    .await;
}

async fn all(name: &str, store: &dyn Store) {
    let settings = Arc::new(Settings::new("https://app.example/scim/v2"));
    let user = Arc::clone(settings.registry.resource_type("User").unwrap());
    let context = RequestContext::new(TenantId::default(), settings);
    populate(store, &context, &user).await;
    let by = |path: &str| {
        Some(Sort::new(
            user.attribute_id(path).unwrap(),
            SortOrder::Ascending,
        ))
    };
    let filter = |text: &str| {
        user.bind_filter(&Filter::parse(text).unwrap(), &Tolerance::DEFAULT)
            .unwrap()
    };
    let everybody = Query::new(Arc::clone(&user));
    let lists = [
        ("all", everybody.clone()),
        (
            "sorted by userName",
            everybody.clone().with_sort(by("userName")),
        ),
        (
            "active eq true",
            everybody.clone().with_predicate(filter("active eq true")),
        ),
        (
            "title co \"x\" (no index)",
            everybody.with_predicate(filter("title co \"x\"")),
        ),
    ];
    for (what, list) in lists {
        let key = list.sort.map(|_| Scalar::Text(name_of(DEEP - 1)));
        let deep = PagePosition::new(key, ResourceId::from(id_of(DEEP - 1)));
        let pages = [
            ("first", list.clone().with_page(0, PAGE)),
            ("by index", list.clone().with_page(DEEP as u64, PAGE)),
            (
                "by cursor",
                list.with_page_after(deep, PAGE).without_total(),
            ),
        ];
        let mut times: [Vec<f64>; 3] = Default::default();
        for _ in 0..ROUNDS {
            for ((_, query), times) in pages.iter().zip(&mut times) {
                times.push(time(store, &context, query).await);
            }
        }
        let times = times.map(median);
        for ((page, _), time) in pages.iter().zip(times) {
            let ratio = time / times.first().unwrap();
            println!("{name:<8} {what:<28} {page:<12} {time:>9.0} µs {ratio:>7.2}x");
        }
    }
}

async fn populate(store: &dyn Store, context: &RequestContext, user: &Arc<ResourceType>) {
    let numbers: Vec<_> = (0..DEEP + 1_000).collect();
    for some in numbers.chunks(1_000) {
        let create = |n: &usize| {
            let body = json!({
                "userName": name_of(*n), "active": true, "title": "x",
                "emails": [{"value": format!("{}@example.com", name_of(*n)), "type": "work"}],
            });
            let body = user.admit(body, &Tolerance::DEFAULT).unwrap();
            let change = Change::create(Arc::clone(user), body);
            WriteOp::Create {
                existing_match: None,
                change,
                id: ResourceId::from(id_of(*n)),
            }
        };
        let batch = Batch::new(DateTime::UNIX_EPOCH, some.iter().map(create).collect());
        for written in store.write(context, batch).await.unwrap() {
            written.unwrap();
        }
    }
}

fn id_of(n: usize) -> String {
    format!("0190a0b0-0000-7000-8000-{n:012}")
}

fn name_of(n: usize) -> String {
    format!("user{n:06}")
}

async fn time(store: &dyn Store, context: &RequestContext, query: &Query) -> f64 {
    let before = now();
    let page = black_box(store.query(context, query).await.unwrap());
    let after = now();
    assert_eq!(page.items.len(), PAGE as usize);
    (after - before) * 1e6
}

/// Returns the CPU time of all threads in seconds, because a store may have its own.
fn now() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    *times.get(times.len() / 2).unwrap()
}
