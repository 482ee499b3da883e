//! What a connection's rules and the host let through, over every store.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use chrono::Utc;
use http::{Request, request::Parts};
use scimkit_core::{AuthenticationScheme, Error};
use scimkit_registry::{
    Change, Mapping, ResourceId, Tolerance,
    mapping::{Rule, Unmapped},
};
use scimkit_server::{Authenticate, CreateGuard, Denied, Identity, Secret, Server, TakeSecrets};
use scimkit_store::{
    Aliases, BoxFuture, ConnectionId, CreatePolicy, Deletes, Scope, Settings, Store, StoreExt,
    TenantId,
};
use scimkit_testkit::replay::Target;
use serde_json::{Value, json};

use crate::servers::STORES;

/// Takes everybody for the connection that a header names.
#[derive(Debug)]
struct ByHeader;

impl Authenticate for ByHeader {
    fn authenticate<'a>(&'a self, head: &'a Parts) -> BoxFuture<'a, Result<Identity, Denied>> {
        let mut identity = Identity::of(TenantId::default());
        if let Some(name) = head.headers.get("x-connection") {
            identity.connection = ConnectionId::from(name.to_str().unwrap());
        }
        Box::pin(async move { Ok(identity) })
    }

    fn schemes(&self) -> Vec<AuthenticationScheme> {
        Vec::new()
    }
}

fn settings(set: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings::new("https://scim.test/v2");
    set(&mut settings);
    settings
}

fn server(store: &Arc<dyn Store>, settings: Settings) -> Server {
    Server::new(Arc::clone(store), settings).with_authentication(ByHeader)
}

/// A status and a body.
async fn ask(server: &Server, call: &str, body: Value) -> (u16, Value) {
    through("entra", server, call, body).await
}

async fn through(connection: &str, server: &Server, call: &str, body: Value) -> (u16, Value) {
    let (method, path) = call.split_once(' ').unwrap();
    let request = Request::builder().method(method).uri(path);
    let request = request.header("x-connection", connection);
    let text = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let answer = server.send(request.body(Bytes::from(text)).unwrap()).await;
    let answer = answer.unwrap();
    let body = serde_json::from_slice(answer.body()).unwrap_or_default();
    (answer.status().as_u16(), body)
}

/// Makes a user as the host itself does.
async fn make(store: &Arc<dyn Store>, id: &str, body: Value) {
    let scope = Scope::new(TenantId::default(), Arc::new(settings(|_| ())));
    let kind = scope.settings.registry.by_name("User").unwrap();
    let change = scimkit_patch::create(kind, body, &Tolerance::DEFAULT).unwrap();
    let made = store.create(&scope, Utc::now(), ResourceId::from(id), change);
    made.await.unwrap();
}

#[tokio::test]
async fn a_create_conflicts_unless_told_otherwise() {
    for (name, new) in STORES {
        let store = new();
        make(&store, "h1", json!({"userName": "bj"})).await;
        let server = server(&store, settings(|_| ()));
        let (status, body) = ask(&server, "POST /Users", json!({"userName": "BJ"})).await;
        assert_eq!(
            (status, &body["scimType"]),
            (409, &json!("uniqueness")),
            "{name}"
        );
        let (status, _) = ask(&server, "DELETE /Users/h1", Value::Null).await;
        assert_eq!(status, 204, "{name}");
        let (status, body) = ask(&server, "POST /Users", json!({"userName": "BJ"})).await;
        assert_eq!(status, 201, "{name}");
        assert_ne!(body["id"], "h1", "{name}");
    }
}

#[tokio::test]
async fn a_create_adopts_a_user_of_the_host() {
    for (name, new) in STORES {
        let store = new();
        make(&store, "h1", json!({"userName": "bj", "title": "host"})).await;
        let server = server(&store, settings(|s| s.create = CreatePolicy::Adopt));
        let body = json!({"userName": "BJ", "displayName": "Babs"});
        let (status, user) = ask(&server, "POST /Users", body.clone()).await;
        assert_eq!(status, 201, "{name} {user}");
        assert_eq!(user["id"], "h1", "{name}");
        assert_eq!(user["title"], "host", "{name}");
        assert_eq!(user["displayName"], "Babs", "{name}");
        // Now it is the connection's: the same create again is a conflict, whoever asks.
        for connection in ["entra", "okta"] {
            let (status, _) = through(connection, &server, "POST /Users", body.clone()).await;
            assert_eq!(status, 409, "{name} {connection}");
        }
    }
}

#[tokio::test]
async fn soft_delete_and_provisioning_again_keep_the_id() {
    for (name, new) in STORES {
        let store = new();
        let server = server(
            &store,
            settings(|s| {
                s.create = CreatePolicy::Relink;
                s.deletes = Deletes::Retire;
            }),
        );
        let user = json!({"userName": "bj", "title": "t", "active": true});
        let (_, made) = ask(&server, "POST /Users", user).await;
        let path = format!("/Users/{}", made["id"].as_str().unwrap());
        let off = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
        ask(&server, &format!("PATCH {path}"), off).await;
        let (status, _) = ask(&server, &format!("DELETE {path}"), Value::Null).await;
        assert_eq!(status, 204, "{name}");
        for call in ["GET", "DELETE", "PUT"] {
            let (status, _) = ask(
                &server,
                &format!("{call} {path}"),
                json!({"userName": "bj"}),
            )
            .await;
            assert_eq!(status, 404, "{name} {call}");
        }
        let (_, list) = ask(&server, "GET /Users", Value::Null).await;
        assert_eq!(list["totalResults"], 0, "{name}");
        let (status, back) = ask(&server, "POST /Users", json!({"userName": "BJ"})).await;
        assert_eq!(status, 201, "{name}");
        assert_eq!(back["id"], made["id"], "{name}");
        assert_eq!(back["meta"]["created"], made["meta"]["created"], "{name}");
        assert_ne!(back["meta"]["version"], made["meta"]["version"], "{name}");
        assert_eq!(back.get("title"), None, "{name}");
        let (_, read) = ask(&server, &format!("GET {path}"), Value::Null).await;
        assert_eq!(read, back, "{name}");
    }
}

#[tokio::test]
async fn a_create_in_a_bulk_request_takes_its_resource_too() {
    for (name, new) in STORES {
        let store = new();
        make(&store, "h1", json!({"userName": "bj"})).await;
        let server = server(&store, settings(|s| s.create = CreatePolicy::Adopt));
        let members = json!([{"value": "bulkId:u"}]);
        let bulk = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": [
                {"method": "POST", "path": "/Users", "bulkId": "u", "data": {"userName": "bj"}},
                {"method": "POST", "path": "/Groups", "bulkId": "g",
                    "data": {"displayName": "g", "members": members}},
            ],
        });
        let (status, answer) = ask(&server, "POST /Bulk", bulk).await;
        assert_eq!(status, 200, "{name}");
        let operations = answer["Operations"].as_array().unwrap();
        assert_eq!(
            operations[0]["location"], "https://scim.test/v2/Users/h1",
            "{name} {answer}"
        );
        let group = operations[1]["location"].as_str().unwrap_or_default();
        let path = group
            .strip_prefix("https://scim.test/v2")
            .unwrap_or_else(|| panic!("{answer}"));
        let (_, group) = ask(&server, &format!("GET {path}"), Value::Null).await;
        assert_eq!(group["members"][0]["value"], "h1", "{name}");
    }
}

/// Ten seats, two of them free.
#[derive(Debug)]
struct Seats(AtomicUsize);

impl CreateGuard for Seats {
    fn check<'a>(&'a self, _: &'a Scope, change: &'a Change) -> BoxFuture<'a, Result<(), Error>> {
        let is_user = change.kind().name() == "User";
        let free = is_user.then(|| {
            self.0
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
        });
        Box::pin(async move {
            match free {
                Some(Err(_)) => Err(Error::forbidden("all 10 seats are taken")),
                _ => Ok(()),
            }
        })
    }
}

#[tokio::test]
async fn a_host_that_is_full_says_so() {
    for (name, new) in STORES {
        let server = server(&new(), settings(|_| ())).with_create_guard(Seats(AtomicUsize::new(2)));
        for user in ["a", "b"] {
            let (status, _) = ask(&server, "POST /Users", json!({"userName": user})).await;
            assert_eq!(status, 201, "{name}");
        }
        let (status, body) = ask(&server, "POST /Users", json!({"userName": "c"})).await;
        assert_eq!(
            (status, &body["detail"]),
            (403, &json!("all 10 seats are taken")),
            "{name}"
        );
        let bulk = json!({"Operations": [
            {"method": "POST", "path": "/Users", "bulkId": "u", "data": {"userName": "c"}},
            {"method": "POST", "path": "/Groups", "bulkId": "g", "data": {"displayName": "g"}},
        ]});
        let (_, answer) = ask(&server, "POST /Bulk", bulk).await;
        let operations = &answer["Operations"];
        assert_eq!(
            operations[0]["response"]["detail"], "all 10 seats are taken",
            "{name}"
        );
        assert_eq!(operations[1]["status"], "201", "{name}");
        let (_, list) = ask(&server, "GET /Users", Value::Null).await;
        assert_eq!(list["totalResults"], 2, "{name}");
    }
}

/// A host's own place for passwords.
#[derive(Debug, Default)]
struct Passwords(Arc<Mutex<BTreeMap<String, String>>>);

impl TakeSecrets for Passwords {
    fn take<'a>(
        &'a self,
        _: &'a Scope,
        secret: Secret<'a>,
    ) -> BoxFuture<'a, Result<Option<Value>, Error>> {
        let text = secret.value.as_str().unwrap().to_owned();
        assert!(!format!("{secret:?}").contains(&text));
        Box::pin(async move {
            if text.len() < 8 {
                return Err(Error::invalid_value("a password has 8 characters or more"));
            }
            self.0.lock().unwrap().insert(secret.id.to_string(), text);
            Ok(None)
        })
    }
}

#[tokio::test]
async fn passwords_are_dropped_or_the_hosts() {
    for (name, new) in STORES {
        let store = new();
        let dropping = server(&store, settings(|_| ()));
        let body = json!({"userName": "a", "password": "secret-1"});
        let (status, made) = ask(&dropping, "POST /Users", body).await;
        assert_eq!((status, made.get("password")), (201, None), "{name}");
        let path = format!("PATCH /Users/{}", made["id"].as_str().unwrap());
        let set = |text: &str| json!({"Operations": [{"op": "replace", "path": "password", "value": text}]});
        // A password that is dropped changes nothing.
        let (status, same) = ask(&dropping, &path, set("secret-2")).await;
        assert_eq!((status, &same), (200, &made), "{name}");

        let hook = Passwords::default();
        let kept = Arc::clone(&hook.0);
        let taking = server(&store, settings(|_| ())).with_secrets(hook);
        let (status, body) = ask(&taking, &path, set("short")).await;
        assert_eq!(
            (status, &body["scimType"]),
            (400, &json!("invalidValue")),
            "{name}"
        );
        let (status, _) = ask(&taking, &path, set("secret-3")).await;
        assert_eq!(status, 200, "{name}");
        let id = made["id"].as_str().unwrap();
        assert_eq!(kept.lock().unwrap()[id], "secret-3", "{name}");
        let body = json!({"userName": "b", "password": "short"});
        let (status, _) = ask(&taking, "POST /Users", body).await;
        assert_eq!(status, 400, "{name}");
        let body = json!({"userName": "b", "password": "secret-4"});
        let (_, made) = ask(&taking, "POST /Users", body).await;
        assert_eq!(
            kept.lock().unwrap()[made["id"].as_str().unwrap()],
            "secret-4",
            "{name}"
        );
        let (_, list) = ask(&taking, "GET /Users", Value::Null).await;
        assert!(!list.to_string().contains("secret"), "{name}");
    }
}

#[tokio::test]
async fn aliases_are_left_out_where_they_are_not_wanted() {
    let address = |value: &str, kind: &str, primary: bool| match primary {
        true => json!({"value": value, "type": kind, "primary": true}),
        false => json!({"value": value, "type": kind}),
    };
    for (name, new) in STORES {
        let server = server(&new(), settings(|s| s.aliases = Aliases::Drop));
        for (n, (emails, kept)) in [
            (
                json!([address("a@x", "home", false), address("b@x", "work", false)]),
                "b@x",
            ),
            (
                json!([address("a@x", "home", true), address("b@x", "work", false)]),
                "a@x",
            ),
            (
                json!([
                    address("a@x", "home", false),
                    address("b@x", "other", false)
                ]),
                "a@x",
            ),
            (json!([address("a@x", "other", false)]), "a@x"),
        ]
        .into_iter()
        .enumerate()
        {
            let body = json!({"userName": format!("u{n}"), "emails": emails});
            let (_, made) = ask(&server, "POST /Users", body).await;
            let all = made["emails"].as_array().unwrap();
            assert_eq!((all.len(), &all[0]["value"]), (1, &json!(kept)), "{name}");
            // One more changes nothing.
            let path = format!("PATCH /Users/{}", made["id"].as_str().unwrap());
            let value = json!([address("c@x", "other", false)]);
            let add = json!({"Operations": [{"op": "add", "path": "emails", "value": value}]});
            let (status, same) = ask(&server, &path, add).await;
            assert_eq!((status, &same), (200, &made), "{name}");
        }
    }
}

#[tokio::test]
async fn a_mapping_decides_what_is_kept_and_what_discovery_shows() {
    for (name, new) in STORES {
        for unmapped in [Unmapped::Keep, Unmapped::Drop, Unmapped::Refuse] {
            let settings = settings(|_| ());
            let mapping = Mapping::builder()
                .unmapped("User", unmapped)
                .rule("User", Rule::of("userName").to("login"))
                .rule("User", Rule::of("name.familyName").to("surname").required())
                .rule(
                    "User",
                    Rule::of(r#"emails[type eq "work"].value"#).to("email"),
                )
                .build(&settings.registry)
                .unwrap();
            let settings = settings.mapped(Arc::new(mapping)).unwrap();
            let server = server(&new(), settings);
            let (status, body) = ask(&server, "POST /Users", json!({"userName": "a"})).await;
            assert_eq!(
                (status, &body["scimType"]),
                (400, &json!("invalidValue")),
                "{name}"
            );
            let detail = body["detail"].as_str().unwrap();
            assert!(detail.contains("`name.familyName`"), "{detail}");

            let home = json!({"type": "home", "value": "h@x"});
            let work = json!({"type": "work", "value": "w@x"});
            let user = json!({"userName": "a", "name": {"familyName": "J"}, "title": "Dr",
                "emails": [home, work]});
            let (status, user) = ask(&server, "POST /Users", user).await;
            let emails = user["emails"].as_array().map(Vec::len);
            let found = (status, user.get("title").is_some(), emails);
            let expected = match unmapped {
                Unmapped::Keep => (201, true, Some(2)),
                Unmapped::Drop => (201, false, Some(1)),
                _ => (400, false, None),
            };
            assert_eq!(found, expected, "{name} {user}");

            let path = "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User";
            let (_, schema) = ask(&server, &format!("GET {path}"), Value::Null).await;
            let mut attributes = schema["attributes"].as_array().unwrap().iter();
            let shows_title = attributes.any(|attribute| attribute["name"] == "title");
            assert_eq!(shows_title, unmapped == Unmapped::Keep, "{name}");
        }
    }
}
