//! Lists of resources that are too large for memory, over every store.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use allocation_counter::measure;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use scimkit_registry::{ResourceId, ResourceType, Tolerance};
use scimkit_server::{Body, Server};
use scimkit_store::{
    Batch, BoxFuture, Page, Query, ReadOptions, RequestContext, Store, StoreError, StoredResource,
    TenantId, WriteOp,
};
use scimkit_testkit::contract;
use serde_json::{Value, json};

use crate::servers::{STORES, TOKEN, server, settings};

/// The bytes of resources that a list holds in memory.
const HELD: u64 = 4 << 20;
/// Nearly as large as a document may be.
const LARGE: usize = 900 << 10;
/// More than fit into memory.
const USERS: usize = 12;

/// A store that records the largest amount it returned at once, and fails after some reads.
#[derive(Debug)]
struct Watched {
    fails_after: AtomicU64,
    largest: AtomicU64,
    store: Arc<dyn Store>,
}

impl Watched {
    fn new(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Watched {
            fails_after: AtomicU64::new(u64::MAX),
            largest: AtomicU64::new(0),
            store,
        })
    }
}

impl Store for Watched {
    pass_on!(store: support edges write);

    fn query<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            let page = self.store.query(context, query).await?;
            let bytes = page.items.iter().map(StoredResource::size).sum();
            self.largest.fetch_max(bytes, Ordering::Relaxed);
            Ok(page)
        })
    }

    fn read<'a>(
        &'a self,
        context: &'a RequestContext,
        kind: &'a Arc<ResourceType>,
        id: &'a ResourceId,
        want: &'a ReadOptions,
    ) -> BoxFuture<'a, Result<StoredResource, StoreError>> {
        match self.fails_after.load(Ordering::Relaxed) {
            0 => return Box::pin(async { Err(StoreError::backend("the disk is gone")) }),
            left => self.fails_after.store(left - 1, Ordering::Relaxed),
        }
        self.store.read(context, kind, id, want)
    }
}

fn create(context: &RequestContext, kind: &str, id: &str, body: Value) -> WriteOp {
    let kind = context.settings.registry.resource_type(kind).unwrap();
    let change = scimkit_patch::create(kind, body, &Tolerance::DEFAULT).unwrap();
    let id = ResourceId::from(id);
    WriteOp::Create {
        change,
        existing_match: None,
        id,
    }
}

fn fill(store: &dyn Store, context: &RequestContext, writes: &[WriteOp]) {
    for writes in writes.chunks(250) {
        let batch = Batch::new(chrono::DateTime::UNIX_EPOCH, writes.to_vec());
        contract::block_on(Box::pin(async move {
            let answers = store.write(context, batch).await.unwrap();
            assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        }));
    }
}

/// Returns photos of about that many bytes.
fn photos(bytes: usize) -> Value {
    let photo =
        |n: usize| json!({"value": format!("https://p.example/{n}/{}", "x".repeat(60_000))});
    (0..bytes / 60_000).map(photo).collect()
}

/// Creates this many users of this many bytes each, and four small groups.
fn large(store: &dyn Store, users: usize, bytes: usize) {
    let context = RequestContext::new(TenantId::default(), Arc::new(settings(Tolerance::DEFAULT)));
    let user = |n: usize| {
        let body = json!({
            "userName": format!("user{:02}", (n * 7) % users),
            "title": format!("title{:02}", (n * 5) % users),
            "displayName": format!("d{:02}", n % 4),
            "photos": photos(bytes),
        });
        create(&context, "User", &format!("u{n:03}"), body)
    };
    fill(store, &context, &(0..users).map(user).collect::<Vec<_>>());
    let group = |n: usize| {
        let body = json!({"displayName": format!("d{:02}", n % 4)});
        create(&context, "Group", &format!("g{n:03}"), body)
    };
    fill(store, &context, &(0..4).map(group).collect::<Vec<_>>());
}

fn request(path: &str) -> Request<Full<Bytes>> {
    let request = Request::builder().method("GET").uri(path);
    let request = request.header("authorization", format!("Bearer {TOKEN}"));
    request.body(Full::default()).unwrap()
}

async fn open(server: &Server, path: &str) -> Response<Body> {
    server.handle(request(path)).await
}

async fn get(server: &Server, path: &str) -> Value {
    let answer = open(server, path).await;
    assert_eq!(answer.status(), 200, "{path}");
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

fn shown(list: &Value, attr: &str) -> Vec<String> {
    let resources = list["Resources"].as_array().unwrap().iter();
    resources
        .map(|resource| resource[attr].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[tokio::test]
async fn list_by_index_is_complete() {
    for (name, make) in STORES {
        let watched = Watched::new(make());
        large(&*watched, USERS, LARGE);
        let server = server(Arc::clone(&watched) as _, Tolerance::DEFAULT);
        let names = |order: &dyn Fn(usize) -> usize| -> Vec<String> {
            (0..USERS).map(|n| format!("user{:02}", order(n))).collect()
        };
        let by_id = names(&|n| (n * 7) % USERS);
        let sorted = names(&|n| n);
        let mut by_title: Vec<_> = (0..USERS).collect();
        by_title.sort_by_key(|n| (n * 5) % USERS);
        let by_title: Vec<_> = by_title
            .iter()
            .map(|n| format!("user{:02}", (n * 7) % USERS))
            .collect();
        for (query, wanted) in [
            ("", &by_id),
            ("&filter=photos+pr+and+title+co+%22t%22", &by_id),
            ("&sortBy=userName", &sorted),
            ("&sortBy=title", &by_title),
        ] {
            let list = get(&server, &format!("/Users?count=100{query}")).await;
            assert_eq!(&shown(&list, "userName"), wanted, "{name}: {query}");
            assert_eq!(list["totalResults"], USERS, "{name}: {query}");
            assert_eq!(list["itemsPerPage"], USERS, "{name}: {query}");
            assert_eq!(list["startIndex"], 1);
            let list = get(&server, &format!("/Users?startIndex=4&count=7{query}")).await;
            assert_eq!(shown(&list, "userName"), wanted[3..10], "{name}: {query}");
            assert_eq!(
                (&list["itemsPerPage"], &list["startIndex"]),
                (&json!(7), &json!(4))
            );
        }
        let largest = watched.largest.load(Ordering::Relaxed);
        assert!(largest <= HELD, "{name}: {largest} bytes at once");
    }
}

#[tokio::test]
async fn list_of_several_types_is_complete() {
    for (name, make) in STORES {
        let watched = Watched::new(make());
        large(&*watched, USERS, LARGE);
        let server = server(Arc::clone(&watched) as _, Tolerance::DEFAULT);
        let list = get(&server, "/?count=100").await;
        let mut ids = shown(&list, "id");
        assert_eq!(list["totalResults"], USERS + 4, "{name}");
        assert_eq!(list["itemsPerPage"], USERS + 4, "{name}");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), USERS + 4, "{name}");

        let list = get(&server, "/?count=100&sortBy=displayName").await;
        let names = shown(&list, "displayName");
        assert!(names.is_sorted(), "{name}: {names:?}");
        assert_eq!(names.len(), USERS + 4, "{name}");
        let whole = shown(&list, "id");
        let list = get(&server, "/?startIndex=3&count=9&sortBy=displayName").await;
        assert_eq!(shown(&list, "id"), whole[2..11], "{name}");
        assert_eq!(list["totalResults"], USERS + 4, "{name}");
        let largest = watched.largest.load(Ordering::Relaxed);
        assert!(largest <= HELD, "{name}: {largest} bytes at once");
    }
}

#[tokio::test]
async fn page_by_cursor_may_end_early_and_loses_nothing() {
    for (name, make) in STORES {
        let store = make();
        large(&*store, USERS, LARGE);
        let server = server(store, Tolerance::DEFAULT);
        for (path, all) in [
            ("/Users?count=10", USERS),
            ("/Users?count=10&sortBy=title&sortOrder=descending", USERS),
            ("/?count=10", USERS + 4),
            ("/?count=10&sortBy=displayName", USERS + 4),
        ] {
            let (mut found, mut pages, mut cursor) = (Vec::new(), 0, String::new());
            loop {
                let list = get(&server, &format!("{path}&cursor={cursor}")).await;
                let ids = shown(&list, "id");
                assert!(!ids.is_empty(), "{name}: {path}");
                assert_eq!(list["itemsPerPage"], ids.len(), "{name}: {path}");
                found.extend(ids);
                pages += 1;
                let Some(next) = list["nextCursor"].as_str() else {
                    break;
                };
                cursor = next.to_owned();
            }
            let distinct: BTreeSet<_> = found.iter().collect();
            assert_eq!((found.len(), distinct.len()), (all, all), "{name}: {path}");
            assert!(pages >= 3, "{name}: {path}: {pages} pages");
        }
    }
}

/// A slow reader blocks no writes, and gets data that is valid when it is sent.
#[tokio::test]
async fn slow_reader_holds_no_lock_and_sees_each_resource_once() {
    for (name, make) in STORES {
        let store = make();
        large(&*store, USERS, LARGE);
        let server = server(store, Tolerance::DEFAULT);
        let mut answer = open(&server, "/Users?count=100&attributes=userName,nickName").await;
        assert_eq!(answer.body().size_hint().exact(), None, "{name}");
        let mut text = answer
            .body_mut()
            .frame()
            .await
            .unwrap()
            .unwrap()
            .into_data()
            .unwrap()
            .to_vec();
        for (method, path, body, status) in [
            ("DELETE", "/Users/u009", Value::Null, 204),
            ("DELETE", "/Users/u000", Value::Null, 204),
            (
                "PATCH",
                "/Users/u010",
                json!({"Operations": [{"op": "add", "path": "nickName", "value": "new"}]}),
                200,
            ),
            ("POST", "/Users", json!({"userName": "late"}), 201),
        ] {
            let request = Request::builder().method(method).uri(path);
            let request = request.header("authorization", format!("Bearer {TOKEN}"));
            let request = request
                .body(Full::new(Bytes::from(body.to_string())))
                .unwrap();
            assert_eq!(server.handle(request).await.status(), status, "{name}");
        }
        while let Some(frame) = answer.body_mut().frame().await {
            text.extend(frame.unwrap().into_data().unwrap());
        }
        let list: Value = serde_json::from_slice(&text).unwrap();
        let ids = shown(&list, "id");
        let wanted: Vec<_> = (0..USERS)
            .filter(|n| *n != 9)
            .map(|n| format!("u{n:03}"))
            .collect();
        assert_eq!(ids, wanted, "{name}");
        assert_eq!(list["totalResults"], USERS, "{name}");
        assert_eq!(list["itemsPerPage"], USERS - 1, "{name}");
        assert_eq!(list["Resources"][9]["nickName"], "new", "{name}");
    }
}

#[tokio::test]
async fn list_that_fails_midway_is_aborted() {
    for (name, make) in STORES {
        let watched = Watched::new(make());
        large(&*watched, USERS, LARGE);
        watched.fails_after.store(2, Ordering::Relaxed);
        let server = server(Arc::clone(&watched) as _, Tolerance::DEFAULT);
        let answer = open(&server, "/Users?count=100").await;
        assert_eq!(answer.status(), 200);
        let mut body = answer.into_body();
        let mut last = None;
        while let Some(frame) = body.frame().await {
            last = Some(frame.map(drop));
        }
        let error = last.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "the response was cut off", "{name}");
        // Without a body there is nothing to abort.
        watched.fails_after.store(0, Ordering::Relaxed);
        let mut head = request("/Users?count=100");
        *head.method_mut() = http::Method::HEAD;
        assert_eq!(server.handle(head).await.status(), 200, "{name}");
    }
}

#[tokio::test]
async fn small_list_has_a_length() {
    for (name, make) in STORES {
        let store = make();
        large(&*store, USERS, 60_000);
        let server = server(store, Tolerance::DEFAULT);
        let answer = open(&server, "/Users?count=100").await;
        assert!(answer.body().size_hint().exact().is_some(), "{name}");
    }
}

/// A list of 36 MiB, and a single page by cursor.
#[test]
fn memory_of_a_list_is_bounded() {
    const MANY: usize = 40;
    const MOST: u64 = 24 << 20;
    for (name, make) in STORES {
        let store = make();
        large(&*store, MANY, LARGE);
        let server = server(store, Tolerance::DEFAULT);
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.unwrap();
        for (path, whole) in [
            ("/Users?count=100", true),
            ("/Users?count=100&attributes=photos", true),
            ("/Users?count=100&sortBy=title", true),
            ("/?count=100&sortBy=displayName", true),
            ("/Users?count=100&cursor", false),
        ] {
            let mut sent = 0;
            let used = measure(|| {
                runtime.block_on(async {
                    let mut body = open(&server, path).await.into_body();
                    while let Some(frame) = body.frame().await {
                        sent += frame.unwrap().into_data().unwrap().len();
                    }
                });
            });
            assert_eq!(sent > MANY * LARGE / 2, whole, "{name}: {path}: {sent}");
            assert!(used.bytes_max < MOST, "{name}: {path}: {used:?}");
        }
    }
}

/// More than two pages.
const GROUPS: usize = 2_100;

#[tokio::test]
async fn memberships_of_any_length_are_complete_in_lists() {
    for (name, make) in STORES {
        let store = make();
        let context =
            RequestContext::new(TenantId::default(), Arc::new(settings(Tolerance::DEFAULT)));
        let users = (0..GROUPS).map(|n| format!("u{n:04}"));
        let user = |id: String| create(&context, "User", &id, json!({"userName": id}));
        let mut writes: Vec<_> = users.map(user).collect();
        let all: Value = (0..GROUPS)
            .map(|n| json!({"value": format!("u{n:04}")}))
            .collect();
        for n in 0..GROUPS {
            let members = match n {
                7 => all.clone(),
                _ => json!([{"value": "u0003"}]),
            };
            let body = json!({"displayName": format!("crew {n}"), "members": members});
            writes.push(create(&context, "Group", &format!("g{n:04}"), body));
        }
        fill(&*store, &context, &writes);
        let server = server(store, Tolerance::DEFAULT);
        let user = get(&server, "/Users/u0003").await;
        let groups = user["groups"].as_array().unwrap();
        assert_eq!(groups.len(), GROUPS, "{name}");
        assert_eq!(groups[2_000]["value"], "g2000", "{name}");
        assert_eq!(groups[2_000]["display"], "crew 2000", "{name}");
        let list = get(&server, "/Users?count=10").await;
        assert_eq!(list["itemsPerPage"], 10, "{name}");
        assert_eq!(list["Resources"][3]["groups"], user["groups"], "{name}");
        assert_eq!(list["Resources"][4]["groups"].as_array().unwrap().len(), 1);
        let only = get(&server, "/Users?count=10&attributes=groups.value").await;
        assert_eq!(
            only["Resources"][3]["groups"].as_array().unwrap().len(),
            GROUPS
        );

        let group = get(&server, "/Groups/g0007").await;
        assert_eq!(group["members"].as_array().unwrap().len(), GROUPS, "{name}");
        for path in ["/Groups?count=20", "/Groups?count=20&cursor"] {
            let list = get(&server, path).await;
            assert_eq!(list["Resources"][7]["members"], group["members"], "{name}");
            assert_eq!(shown(&list, "id").len(), 20, "{name}");
        }
        let patch = json!({"Operations": [{"op": "add", "path": "title", "value": "Dr"}]});
        let request =
            Request::patch("/Users/u0003").header("authorization", format!("Bearer {TOKEN}"));
        let answer = server
            .handle(
                request
                    .body(Full::new(Bytes::from(patch.to_string())))
                    .unwrap(),
            )
            .await;
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let patched: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            patched["groups"].as_array().unwrap().len(),
            GROUPS,
            "{name}"
        );
    }
}
