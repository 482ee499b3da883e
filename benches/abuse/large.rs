//! Memory: resources and memberships that are far larger than the memory they may use.

use std::sync::LazyLock;

use http::Method;
use serde_json::{Value, json};

use super::{
    BOTH, Row,
    world::{World, call},
};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row {
            act: |world| Box::pin(listed(world, 1, "/Users?count=25")),
            name: "list: 25 users of 7 MiB",
            prepare: |world| Box::pin(users(world, 25, 7 * MIB)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(listed(world, 4, "/Users?count=25")),
            name: "list: four of them at once",
            prepare: |world| Box::pin(users(world, 25, 7 * MIB)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(listed(world, 1, "/Users?count=120")),
            name: "list: 120 users of 0.9 MiB",
            prepare: |world| Box::pin(users(world, 120, 900 * KIB)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(listed(world, 1, "/Users?count=120&attributes=photos")),
            name: "list: the same, one attribute",
            prepare: |world| Box::pin(users(world, 120, 900 * KIB)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(listed(world, 1, "/Users?count=120&sortBy=title")),
            name: "list: the same, by title",
            prepare: |world| Box::pin(users(world, 120, 900 * KIB)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(listed(world, 1, "/?count=120&sortBy=displayName")),
            name: "list: the same, of all types",
            prepare: |world| Box::pin(users(world, 120, 900 * KIB)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(listed(world, 1, "/Users?count=120&cursor")),
            name: "list: the same, by cursor",
            prepare: |world| Box::pin(users(world, 120, 900 * KIB)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(listed(world, 1, "/Users/0")),
            name: "memberships: a user in 100,000 groups",
            prepare: |world| Box::pin(joined(world)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(listed(world, 1, "/Users?count=5")),
            name: "memberships: the same, in a list",
            prepare: |world| Box::pin(joined(world)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(listed(world, 1, OF_MEMBER)),
            name: "memberships: the groups of a member",
            prepare: |world| Box::pin(joined(world)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(deleted(world, "/Users/0")),
            name: "memberships: the same, deleted",
            prepare: |world| Box::pin(joined(world)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(listed(world, 1, "/Users/0")),
            name: "render: a user of 1 MiB in small values",
            prepare: |world| Box::pin(detailed(world)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(listed(world, 1, &NAMED)),
            name: "render: the same, 300 attributes named",
            prepare: |world| Box::pin(detailed(world)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(listed(world, 1, "/Users?count=10&excludedAttributes=title")),
            name: "render: a list of them, one attribute left out",
            prepare: |world| Box::pin(detailed(world)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(listed(world, 1, "/Users?count=10&sortBy=title&cursor")),
            name: "render: a list of them, by title and cursor",
            prepare: |world| Box::pin(detailed(world)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(listed(world, 1, "/?count=10&sortBy=displayName")),
            name: "render: a list of them, of all types",
            prepare: |world| Box::pin(detailed(world)),
            stores: BOTH,
        },
        Row {
            act: |world| Box::pin(listed(world, 1, "/Groups?count=20")),
            name: "memberships: 20 groups of 5,000 members",
            prepare: |world| Box::pin(crews(world)),
            stores: BOTH,
        },
    ]
}

/// Returns photos of about that many bytes, in texts of limited length.
fn photos(bytes: usize) -> Value {
    let photo = |n| json!({"value": format!("https://p.example/{n}/{}", "x".repeat(60_000))});
    (0..bytes / 60_000).map(photo).collect()
}

async fn users(world: &World, count: usize, bytes: usize) {
    // A few at a time, so that preparation does not affect the row.
    for first in 0..count {
        let body = |_| {
            json!({
                "userName": format!("user{first}"),
                "displayName": format!("user{}", first % 7),
                "title": format!("title{}", first % 10),
                "photos": photos(bytes),
            })
        };
        world.seed_from(first, "User", 1, body).await;
    }
}

async fn joined(world: &World) {
    world
        .seed("User", 1, |_| json!({"userName": "somebody"}))
        .await;
    let body = |n: usize| json!({"displayName": format!("crew {n}"), "members": [{"value": "0"}]});
    world.seed_from(1, "Group", 100_000, body).await;
}

const OF_MEMBER: &str = "/Groups?count=10&filter=members%5Bvalue%20eq%20%220%22%5D";

/// The attributes and sub-attributes of a user, each several times.
static NAMED: LazyLock<String> = LazyLock::new(|| {
    let names = [
        "userName",
        "emails.value",
        "emails.type",
        "emails.display",
        "photos.value",
        "groups.display",
        "name.familyName",
        "addresses.locality",
        "phoneNumbers.type",
        "meta.created",
    ];
    format!(
        "/Users/0?attributes={}",
        vec![names.join(","); 30].join(",")
    )
});

/// Creates ten users of about 1 MiB, in many small values.
async fn detailed(world: &World) {
    let elements = |attr: &str| -> Value {
        let element = |n: usize| {
            let text = format!("{attr} {n} {}", "x".repeat(40));
            json!({"value": format!("https://e.example/{n}"), "type": text, "display": text})
        };
        (0..1_000).map(element).collect()
    };
    let addresses: Value = (0..1_000)
        .map(|n: usize| json!({"streetAddress": format!("{n} {}", "x".repeat(60)), "locality": "here"}))
        .collect();
    let body = |n: usize| {
        json!({
            "userName": format!("user{n}"),
            "displayName": format!("user {n}"),
            "title": format!("title {n}"),
            "addresses": addresses,
            "emails": elements("emails"),
            "entitlements": elements("entitlements"),
            "photos": elements("photos"),
            "roles": elements("roles"),
        })
    };
    for n in 0..10 {
        world.seed_from(n, "User", 1, body).await;
    }
}

async fn deleted(world: &World, path: &str) -> String {
    let (status, _) = world.call(Method::DELETE, path, String::new()).await;
    status.as_u16().to_string()
}

async fn crews(world: &World) {
    let body = |n: usize| json!({"userName": format!("user{n}")});
    world.seed("User", 5_000, body).await;
    let members: Value = (0..5_000)
        .map(|n: usize| json!({"value": n.to_string()}))
        .collect();
    let body = |n: usize| json!({"displayName": format!("crew {n}"), "members": members});
    world.seed_from(5_000, "Group", 20, body).await;
}

/// Requests the same list for several clients at once. Returns the statuses, and the bytes of all responses in MiB.
async fn listed(world: &World, clients: usize, path: &str) -> String {
    let clients = (0..clients).map(|_| {
        let answer = call(
            world.server.clone(),
            Method::GET,
            path.to_owned(),
            String::new(),
        );
        tokio::spawn(answer)
    });
    let clients: Vec<_> = clients.collect();
    let (mut statuses, mut bytes) = (Vec::new(), 0);
    for client in clients {
        let (status, length) = client.await.unwrap();
        statuses.push(status.as_u16().to_string());
        bytes += length;
    }
    statuses.dedup();
    format!(
        "{}, {:.1} MiB",
        statuses.join(" "),
        bytes as f64 / MIB as f64
    )
}
