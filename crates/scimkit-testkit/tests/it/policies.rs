//! The effects of a connection's settings and of the application, over every store.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use chrono::DateTime;
use http::{Request, request::Parts};
use scimkit_core::{AuthenticationScheme, ErrorResponse};
use scimkit_mapping::{Mapping, MappingRule, UnmappedPolicy};
use scimkit_registry::{ResourceId, Tolerance};
use scimkit_server::{AuthError, Authenticate, Identity, Secret, SecretHandler, Server};
use scimkit_store::{
    AliasPolicy, BoxFuture, ConnectionId, CreatePolicy, DeletePolicy, RequestContext, Settings,
    Store, StoreExt, TenantId,
};
use scimkit_testkit::replay::HttpTarget;
use serde_json::{Value, json};

use crate::servers::STORES;

/// Authenticates every request as the connection in a header.
#[derive(Debug)]
struct ByHeader;

impl Authenticate for ByHeader {
    fn authenticate<'a>(&'a self, head: &'a Parts) -> BoxFuture<'a, Result<Identity, AuthError>> {
        let mut identity = Identity::new(TenantId::default());
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

/// Returns a status and a body.
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

/// Creates a user like the application itself.
async fn make(store: &Arc<dyn Store>, id: &str, body: Value) {
    let context = RequestContext::new(TenantId::default(), Arc::new(settings(|_| ())));
    let kind = context.settings.registry.resource_type("User").unwrap();
    let change = scimkit_patch::create(kind, body, &Tolerance::DEFAULT).unwrap();
    let made = store.create(&context, DateTime::UNIX_EPOCH, ResourceId::from(id), change);
    made.await.unwrap();
}

#[tokio::test]
async fn create_conflicts_by_default() {
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
async fn create_adopts_a_user_of_the_application() {
    for (name, new) in STORES {
        let store = new();
        make(&store, "h1", json!({"userName": "bj", "title": "host"})).await;
        let server = server(&store, settings(|s| s.create_policy = CreatePolicy::Adopt));
        let body = json!({"userName": "BJ", "displayName": "Babs"});
        let (status, user) = ask(&server, "POST /Users", body.clone()).await;
        assert_eq!(status, 201, "{name} {user}");
        assert_eq!(user["id"], "h1", "{name}");
        assert_eq!(user["title"], "host", "{name}");
        assert_eq!(user["displayName"], "Babs", "{name}");
        // Now the connection owns it: the same create again is a conflict for every connection.
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
                s.create_policy = CreatePolicy::Restore;
                s.policy.delete_policy = DeletePolicy::Soft;
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
async fn create_in_a_bulk_request_adopts_too() {
    for (name, new) in STORES {
        let store = new();
        make(&store, "h1", json!({"userName": "bj"})).await;
        let server = server(&store, settings(|s| s.create_policy = CreatePolicy::Adopt));
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

#[tokio::test]
async fn secret_handler_is_not_called_for_skipped_operations() {
    for (name, new) in STORES {
        let hook = Passwords::default();
        let kept = Arc::clone(&hook.0);
        let server = server(&new(), settings(|_| ())).with_secret_handler(hook);
        let post = |name: &str| {
            json!({"method": "POST", "path": "/Users", "bulkId": name,
            "data": {"userName": name, "password": "secret-1"}})
        };
        let bulk = json!({"failOnErrors": 1, "Operations": [post("a"), post("A"), post("b")]});
        let (_, answer) = ask(&server, "POST /Bulk", bulk).await;
        assert_eq!(
            answer["Operations"].as_array().unwrap().len(),
            2,
            "{name} {answer}"
        );
        assert_eq!(kept.lock().unwrap().len(), 2, "{name}");
    }
}

/// An application's own storage of passwords.
#[derive(Debug, Default)]
struct Passwords(Arc<Mutex<BTreeMap<String, String>>>);

impl SecretHandler for Passwords {
    fn take<'a>(
        &'a self,
        _: &'a RequestContext,
        secret: Secret<'a>,
    ) -> BoxFuture<'a, Result<Option<Value>, ErrorResponse>> {
        let text = secret.value.as_str().unwrap().to_owned();
        assert!(!format!("{secret:?}").contains(&text));
        Box::pin(async move {
            if text.len() < 8 {
                return Err(ErrorResponse::invalid_value(
                    "a password has 8 characters or more",
                ));
            }
            self.0.lock().unwrap().insert(secret.id.to_string(), text);
            Ok(None)
        })
    }
}

#[tokio::test]
async fn passwords_are_dropped_or_handled_by_the_application() {
    for (name, new) in STORES {
        let store = new();
        let dropping = server(&store, settings(|_| ()));
        let body = json!({"userName": "a", "password": "secret-1"});
        let (status, made) = ask(&dropping, "POST /Users", body).await;
        assert_eq!((status, made.get("password")), (201, None), "{name}");
        let path = format!("PATCH /Users/{}", made["id"].as_str().unwrap());
        let set = |text: &str| json!({"Operations": [{"op": "replace", "path": "password", "value": text}]});
        // A dropped password changes nothing.
        let (status, same) = ask(&dropping, &path, set("secret-2")).await;
        assert_eq!((status, &same), (200, &made), "{name}");

        let hook = Passwords::default();
        let kept = Arc::clone(&hook.0);
        let taking = server(&store, settings(|_| ())).with_secret_handler(hook);
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
async fn aliases_are_dropped_if_they_are_not_allowed() {
    let address = |value: &str, kind: &str, primary: bool| {
        if primary {
            json!({"value": value, "type": kind, "primary": true})
        } else {
            json!({"value": value, "type": kind})
        }
    };
    for (name, new) in STORES {
        let server = server(&new(), settings(|s| s.aliases = AliasPolicy::Drop));
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
            // Another one changes nothing.
            let path = format!("PATCH /Users/{}", made["id"].as_str().unwrap());
            let value = json!([address("c@x", "other", false)]);
            let add = json!({"Operations": [{"op": "add", "path": "emails", "value": value}]});
            let (status, same) = ask(&server, &path, add).await;
            assert_eq!((status, &same), (200, &made), "{name}");
        }
    }
}

#[tokio::test]
async fn mapping_decides_what_is_stored_and_discovered() {
    for (name, new) in STORES {
        for unmapped in [
            UnmappedPolicy::Keep,
            UnmappedPolicy::Drop,
            UnmappedPolicy::Reject,
        ] {
            let settings = settings(|_| ());
            let mapping = Mapping::builder()
                .unmapped("User", unmapped)
                .rule("User", MappingRule::new("userName").with_field("login"))
                .rule(
                    "User",
                    MappingRule::new("name.familyName")
                        .with_field("surname")
                        .required(),
                )
                .rule(
                    "User",
                    MappingRule::new(r#"emails[type eq "work"].value"#).with_field("email"),
                )
                .build(&settings.registry)
                .unwrap();
            let settings = settings.with_mapping(Arc::new(mapping)).unwrap();
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
                UnmappedPolicy::Keep => (201, true, Some(2)),
                UnmappedPolicy::Drop => (201, false, Some(1)),
                _ => (400, false, None),
            };
            assert_eq!(found, expected, "{name} {user}");

            let path = "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User";
            let (_, schema) = ask(&server, &format!("GET {path}"), Value::Null).await;
            let mut attributes = schema["attributes"].as_array().unwrap().iter();
            let shows_title = attributes.any(|attribute| attribute["name"] == "title");
            assert_eq!(shows_title, unmapped == UnmappedPolicy::Keep, "{name}");
        }
    }
}

/// Returns the settings with a mapping of users.
fn mapped(text: &str, set: impl FnOnce(&mut Settings)) -> Settings {
    let settings = settings(set);
    let mapping = Mapping::builder().text(text).build(&settings.registry);
    settings.with_mapping(Arc::new(mapping.unwrap())).unwrap()
}

const PARTS: &str = r#"
[User]
unmapped = "drop"
[[User.map]]
scim = "userName"
field = "login"
[[User.map]]
scim = 'emails[type eq "work"].value'
field = "mail"
[[User.map]]
scim = "active"
field = "enabled"
default = true
[[User.map]]
scim = "locale"
field = "language"
default = "en"
"#;

#[tokio::test]
async fn adoption_does_not_clear_unmapped_attributes() {
    for (name, new) in STORES {
        let store = new();
        let home = json!({"type": "home", "value": "h@x"});
        let old = json!({"type": "work", "value": "old@x"});
        let there = json!({"userName": "bj", "title": "Dr", "active": false, "locale": "da",
            "emails": [home, old]});
        make(&store, "h1", there).await;
        let server = server(
            &store,
            mapped(PARTS, |s| s.create_policy = CreatePolicy::Adopt),
        );
        let work = json!({"type": "work", "value": "new@x"});
        let sent = json!({"userName": "bj", "nickName": "b", "emails": [work]});
        let (status, user) = ask(&server, "POST /Users", sent).await;
        assert_eq!((status, &user["id"]), (201, &json!("h1")), "{name} {user}");
        assert_eq!(user["title"], "Dr", "{name}");
        // Defaults are only for new users.
        assert_eq!(
            (&user["active"], &user["locale"]),
            (&json!(false), &json!("da")),
            "{name}"
        );
        assert_eq!(user.get("nickName"), None, "{name}");
        let mut emails: Vec<_> = user["emails"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["value"].as_str().unwrap())
            .collect();
        emails.sort_unstable();
        assert_eq!(emails, ["h@x", "new@x"], "{name}");
        let (_, made) = ask(&server, "POST /Users", json!({"userName": "am"})).await;
        assert_eq!(
            (&made["active"], &made["locale"]),
            (&json!(true), &json!("en")),
            "{name}"
        );
    }
}

#[tokio::test]
async fn mapping_passes_passwords_to_the_secret_handler() {
    for (name, new) in STORES {
        for unmapped in ["drop", "reject"] {
            let text = PARTS.replace("drop", unmapped);
            let hook = Passwords::default();
            let kept = Arc::clone(&hook.0);
            let taking = server(&new(), mapped(&text, |_| ())).with_secret_handler(hook);
            let body = |secret: &str| json!({"userName": "a", "password": secret});
            let (status, made) = ask(&taking, "POST /Users", body("secret-1")).await;
            assert_eq!(
                (status, made.get("password")),
                (201, None),
                "{name} {unmapped} {made}"
            );
            let id = made["id"].as_str().unwrap();
            let (status, _) = ask(&taking, &format!("PUT /Users/{id}"), body("secret-2")).await;
            assert_eq!(status, 200, "{name} {unmapped}");
            assert_eq!(kept.lock().unwrap()[id], "secret-2", "{name} {unmapped}");
            // Without a handler they are dropped, without an error.
            let dropping = server(&new(), mapped(&text, |_| ()));
            let (status, _) = ask(&dropping, "POST /Users", body("secret-3")).await;
            assert_eq!(status, 201, "{name} {unmapped}");
        }
    }
}

#[tokio::test]
async fn adoption_keeps_attributes_that_were_not_sent() {
    for (name, new) in STORES {
        let store = new();
        let there = json!({"userName": "bj", "emails": [{"type": "work", "value": "w@x"}]});
        make(&store, "h1", there).await;
        let server = server(
            &store,
            mapped(PARTS, |s| s.create_policy = CreatePolicy::Adopt),
        );
        let home = json!({"userName": "bj", "emails": [{"type": "home", "value": "h@x"}]});
        let (status, user) = ask(&server, "POST /Users", home).await;
        assert_eq!((status, &user["id"]), (201, &json!("h1")), "{name}");
        let emails = json!([{"type": "work", "value": "w@x"}]);
        assert_eq!(user["emails"], emails, "{name}");
    }
}

#[tokio::test]
async fn defaults_do_not_match_existing_users() {
    let text = r#"
[User]
[User.fields]
login = "text"
lang = { type = "text", unique = true, filterable = true }
[[User.map]]
scim = "userName"
field = "login"
[[User.map]]
scim = "locale"
field = "lang"
default = "en"
matching = true
"#;
    for (name, new) in STORES {
        let store = new();
        make(&store, "h1", json!({"userName": "bj", "locale": "en"})).await;
        let server = server(
            &store,
            mapped(text, |s| s.create_policy = CreatePolicy::Adopt),
        );
        let (status, user) = ask(&server, "POST /Users", json!({"userName": "am"})).await;
        assert_eq!((status, &user["locale"]), (201, &json!("en")), "{name}");
        assert_ne!(user["id"], "h1", "{name}");
        let body = json!({"userName": "bj", "locale": "en"});
        let (_, user) = ask(&server, "POST /Users", body).await;
        assert_eq!(user["id"], "h1", "{name}");
    }
}

#[tokio::test]
async fn deactivated_user_is_provisioned_again() {
    for (name, new) in STORES {
        let server = server(
            &new(),
            settings(|s| s.create_policy = CreatePolicy::Restore),
        );
        let user = json!({"userName": "bj", "title": "t", "active": true});
        let (_, made) = through("okta", &server, "POST /Users", user.clone()).await;
        let (status, _) = ask(&server, "POST /Users", user.clone()).await;
        assert_eq!(status, 409, "{name}");
        let path = format!("PATCH /Users/{}", made["id"].as_str().unwrap());
        let off = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
        through("okta", &server, &path, off).await;
        let again = json!({"userName": "BJ", "active": true});
        let (status, back) = ask(&server, "POST /Users", again).await;
        assert_eq!((status, &back["id"]), (201, &made["id"]), "{name} {back}");
        assert_eq!(
            (&back["active"], &back["title"]),
            (&json!(true), &json!("t")),
            "{name}"
        );
        let (status, _) = ask(&server, "POST /Users", user).await;
        assert_eq!(status, 409, "{name}");
    }
}
