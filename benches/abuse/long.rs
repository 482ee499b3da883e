//! Long writes: the time that other writes wait, and the size of the write-ahead log afterwards.

use std::{
    io::Cursor,
    sync::{
        LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use scimkit::{
    RequestContext, TenantId,
    registry::{Change, Edge, EdgeEdit, ResourceId, Tolerance},
    store::{
        Batch, ExpectedVersion, WriteOp,
        archive::{self, import_from},
    },
};
use serde_json::json;

use super::{BOTH, Row, world::World};

const USERS: usize = 100_000;

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row {
            act: |world| Box::pin(imported(world)),
            name: "long: import of 100,000 users",
            prepare: |_| Box::pin(async { assert!(!LINES.is_empty()) }),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(replaced(world)),
            name: "long: 100,000 members replaced, half equal",
            prepare: |world| Box::pin(group(world)),
            stores: BOTH,
        },
    ]
}

/// Runs a function while another tenant creates users, and returns the longest time that one of them waited.
async fn beside_writes<T>(world: &World, act: impl Future<Output = T>) -> (T, String) {
    let is_done = AtomicBool::new(false);
    let mut other = world.context.clone();
    other.tenant = TenantId::from("other");
    let writes = async {
        let mut longest = Duration::ZERO;
        let mut failed = 0;
        let mut n = 0_u32;
        while !is_done.load(Ordering::Relaxed) {
            n += 1;
            let kind = other.settings.registry.resource_type("User").unwrap();
            let body = json!({"userName": format!("other{n}")});
            let body = kind.admit(body, &Tolerance::DEFAULT).unwrap();
            let write = WriteOp::Create {
                change: Change::create(kind.clone(), body),
                existing_match: None,
                id: ResourceId::from(format!("other{n}")),
            };
            let since = Instant::now();
            let batch = Batch::new(Default::default(), vec![write]);
            let answers = world.store.write(&other, batch).await;
            failed += answers.map_or(1, |a| a.iter().filter(|answer| answer.is_err()).count());
            longest = longest.max(since.elapsed());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (longest, failed)
    };
    let act = async {
        let done = act.await;
        is_done.store(true, Ordering::Relaxed);
        done
    };
    let (done, (longest, failed)) = tokio::join!(act, writes);
    let log = world.log_bytes() >> 20;
    let status = format!("wait {} ms", longest.as_millis());
    let status = match failed {
        0 => status,
        some => format!("{status}, {some} failed"),
    };
    (done, format!("{status}, log {log} MB"))
}

async fn imported(world: &World) -> String {
    let mut context: RequestContext = world.context.clone();
    context.tenant = TenantId::from("acme");
    let options = archive::ArchiveOptions::default();
    let act = import_from(
        &*world.archive,
        &context,
        &options,
        Cursor::new(LINES.as_slice()),
    );
    let (imported, status) = beside_writes(world, act).await;
    imported.unwrap();
    status
}

static LINES: LazyLock<Vec<u8>> = LazyLock::new(lines);

/// Returns an archive of users.
fn lines() -> Vec<u8> {
    let at = "2026-01-01T00:00:00.000Z";
    let mut lines = format!(
        r#"{{"tenant":{{"format":1,"id":"acme","versions":{USERS}}}}}
"#
    );
    for n in 0..USERS {
        let document = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": format!("user{n}@example.com"),
            "name": {"givenName": format!("Given{n}"), "familyName": format!("Family{n}")},
            "displayName": format!("Given{n} Family{n}"),
            "active": true,
            "emails": [{"value": format!("user{n}@example.com"), "type": "work", "primary": true}],
        });
        let resource = json!({"resource": {
            "type": "User", "id": format!("{n:08}"), "version": (n + 1).to_string(),
            "created": at, "lastModified": at, "document": document,
        }});
        lines.push_str(&resource.to_string());
        lines.push('\n');
    }
    let end = json!({"end": {
        "connections": 0, "tokens": 0, "resources": USERS, "members": 0, "retired": 0,
    }});
    lines.push_str(&end.to_string());
    lines.into_bytes()
}

fn replacement(world: &World, from: usize) -> WriteOp {
    let group = world
        .context
        .settings
        .registry
        .resource_type("Group")
        .unwrap();
    let mut change = Change::empty(group.clone());
    let edges = (from..from + USERS).map(|n| Edge::to(n.to_string().as_str()));
    let edit = EdgeEdit::Replace(edges.collect());
    change.edit_edges(group.attribute_id("members").unwrap(), edit);
    WriteOp::Update {
        change,
        expect: ExpectedVersion::Any,
        id: ResourceId::from("group"),
    }
}

/// Creates a group of users with numbers as their ids.
async fn group(world: &World) {
    let user = |n| json!({"userName": format!("user{n}")});
    world.seed("User", USERS * 3 / 2, user).await;
    let group = world
        .context
        .settings
        .registry
        .resource_type("Group")
        .unwrap();
    let body = group.admit(json!({"displayName": "all"}), &Tolerance::DEFAULT);
    let create = WriteOp::Create {
        change: Change::create(group.clone(), body.unwrap()),
        existing_match: None,
        id: ResourceId::from("group"),
    };
    let writes = vec![create, replacement(world, 0)];
    let batch = Batch::new(Default::default(), writes);
    for answer in world.store.write(&world.context, batch).await.unwrap() {
        answer.unwrap();
    }
}

async fn replaced(world: &World) -> String {
    let batch = Batch::new(Default::default(), vec![replacement(world, USERS / 2)]);
    let act = world.store.write(&world.context, batch);
    let (answers, status) = beside_writes(world, act).await;
    for answer in answers.unwrap() {
        answer.unwrap();
    }
    status
}
