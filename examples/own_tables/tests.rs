//! The effects of an identity provider on the product, over SQLite and PostgreSQL.

use std::{cell::Cell, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use clap::Parser;
use scimkit::{
    Mapping, Settings, Store, TableStore, sqlx::SqlxDriver, store::BoxFuture, tables::Driver,
};
use scimkit_testkit::{
    contract::{self, Subject},
    postgres::{self, TestDatabase},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Runtime};
use tower::ServiceExt;

use crate::{Options, database::Database};

const TOKEN: &str = "a-token-for-tests-that-is-long-enough";

/// The product with SCIM, over a new database.
struct World {
    app: Router,
    _file: Option<tempfile::TempDir>,
    _postgres: Option<TestDatabase>,
}

impl World {
    async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("app.sqlite").display());
        World {
            app: app(&url).await,
            _file: Some(folder),
            _postgres: None,
        }
    }

    /// The product over each database that there is.
    async fn all() -> Vec<Self> {
        let mut worlds = vec![World::sqlite().await];
        let postgres = tokio::task::spawn_blocking(postgres::database).await;
        if let Some(database) = postgres.unwrap() {
            worlds.push(World {
                app: app(database.url()).await,
                _file: None,
                _postgres: Some(database),
            });
        }
        worlds
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, String) {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// A request of the identity provider, such as `GET /Users`.
    async fn scim(&self, call: &str, body: Value) -> (u16, Value) {
        let (method, path) = call.split_once(' ').unwrap();
        let request = Request::builder()
            .method(method)
            .uri(format!("/scim/v2{path}"));
        let request = request.header("authorization", format!("Bearer {TOKEN}"));
        let body = if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string())
        };
        let (status, body) = self.send(request.body(body).unwrap()).await;
        let body = serde_json::from_str(&body).unwrap_or_default();
        (status.as_u16(), body)
    }

    /// A page of the product.
    async fn page(&self, path: &str) -> String {
        let request = Request::get(path).body(Body::empty()).unwrap();
        self.send(request).await.1
    }

    /// Sends a form to the product.
    async fn post(&self, path: &str, form: &str, session: &str) -> (StatusCode, String) {
        let request = Request::post(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-session", session);
        self.send(request.body(Body::from(form.to_owned())).unwrap())
            .await
    }

    async fn has_session(&self, session: &str) -> bool {
        let request = Request::get("/me").header("x-session", session);
        self.send(request.body(Body::empty()).unwrap()).await.0 == StatusCode::OK
    }
}

async fn app(url: &str) -> Router {
    let options = ["own_tables", "--token", TOKEN, "--store", url];
    let options = Options::parse_from(options);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    super::app(&options, &listener).await.unwrap()
}

fn replace(path: &str, value: &Value) -> Value {
    json!({"Operations": [{"op": "replace", "path": path, "value": value}]})
}

#[tokio::test]
async fn people_of_the_product_are_users() {
    for world in World::all().await {
        let (_, list) = world.scim("GET /Users", Value::Null).await;
        assert_eq!(list["totalResults"], 20, "{list}");
        let filter = "GET /Users?filter=userName%20eq%20%22BABS@example.com%22";
        let (_, found) = world.scim(filter, Value::Null).await;
        assert_eq!(found["Resources"][0]["id"], "u03", "{found}");
        assert_eq!(found["Resources"][0]["userName"], "Babs@Example.com");
        let user = json!({"userName": "BABS@EXAMPLE.COM"});
        let (status, body) = world.scim("POST /Users", user).await;
        assert_eq!((status, &body["scimType"]), (409, &json!("uniqueness")));
        // An attribute without a column is kept, too.
        let user = json!({"userName": "Vint@Example.com", "nickName": "Vint", "active": true});
        let (status, created) = world.scim("POST /Users", user).await;
        assert_eq!(
            (status, &created["nickName"]),
            (201, &json!("Vint")),
            "{created}"
        );
        assert!(world.page("/").await.contains("Vint@Example.com"));
        let (_, group) = world.scim("GET /Groups/t1", Value::Null).await;
        assert_eq!(group["members"].as_array().unwrap().len(), 10, "{group}");
        let member = json!([{"value": created["id"]}]);
        let add = json!({"Operations": [{"op": "add", "path": "members", "value": member}]});
        let (status, _) = world.scim("PATCH /Groups/t2", add).await;
        assert!([200, 204].contains(&status), "{status}");
        let page = world.page("/").await;
        assert!(page.contains("Vint@Example.com  Networks\n"), "{page}");
    }
}

#[tokio::test]
async fn deactivated_person_is_signed_out() {
    for world in World::all().await {
        let (_, session) = world
            .post("/sessions", "login=ada.lovelace@example.com", "")
            .await;
        assert!(world.has_session(&session).await);
        let rename = replace("title", &json!("Countess"));
        assert_eq!(world.scim("PATCH /Users/u01", rename).await.0, 200);
        assert!(world.has_session(&session).await);
        let off = replace("active", &json!(false));
        let (status, user) = world.scim("PATCH /Users/u01", off).await;
        assert_eq!((status, &user["active"]), (200, &json!(false)), "{user}");
        assert!(!world.has_session(&session).await);
        let (status, _) = world
            .post("/sessions", "login=ada.lovelace@example.com", "")
            .await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        let audit = world.page("/audit").await;
        assert_eq!(audit.matches("u01 was signed out").count(), 1, "{audit}");
    }
}

#[tokio::test]
async fn seats_hold_among_writers_at_once() {
    for world in World::all().await {
        let creates = (0..10).map(|number| {
            let user = json!({"userName": format!("new-{number}@example.com"), "active": true});
            world.scim("POST /Users", user)
        });
        let statuses = futures_util::future::join_all(creates).await;
        let created = statuses.iter().filter(|(status, _)| *status == 201).count();
        let rejected = statuses.iter().filter(|(status, _)| *status == 403).count();
        assert_eq!((created, rejected), (5, 5), "{statuses:?}");
        let form = "login=late@example.com&given_name=L&family_name=L";
        let (status, _) = world.post("/people", form, "").await;
        assert_eq!(status, StatusCode::CONFLICT);
    }
}

#[tokio::test]
async fn page_creates_a_token_for_people_of_the_product_alone() {
    for world in World::all().await {
        let (status, _) = world.post("/tokens", "", "").await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        let (_, session) = world.post("/sessions", "login=tony@example.com", "").await;
        let (status, token) = world.post("/tokens", "", &session).await;
        assert_eq!(status, StatusCode::OK);
        assert!(token.starts_with("scim_"), "{token}");
    }
}

fn contract_of<D: Driver>(runtime: &Runtime, make: impl Fn() -> D) {
    let settings = Settings::new("https://app.example/scim/v2");
    let store = |driver: D| {
        let mapping = Mapping::builder().text(include_str!("scim.toml"));
        let store = TableStore::builder(driver, mapping);
        runtime.block_on(store.open(settings.clone())).unwrap().0
    };
    let subject = Subject::new(settings.clone())
        .without_tenants()
        .with_filled_in("active");
    let drive = |future: BoxFuture<'_, ()>| runtime.block_on(future);
    let make = || store(make()) as Arc<dyn Store>;
    let report = contract::check_subject(&subject, make, &drive);
    assert!(report.is_success(), "{report}");
}

/// The database of the product, without the people and teams that exist at first.
async fn emptied(url: &str) -> Database {
    let database = Database::open(url).await.unwrap();
    let delete = "DELETE FROM team_members; DELETE FROM teams; DELETE FROM users";
    on!(&database, pool => sqlx::raw_sql(delete).execute(pool).await.map(drop)).unwrap();
    database
}

#[test]
fn store_over_sqlite_keeps_the_contract() {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let number = Cell::new(0);
    contract_of(&runtime, || {
        number.set(number.get() + 1);
        let path = folder.path().join(number.get().to_string());
        let url = format!("sqlite:{}", path.display());
        let Database::Sqlite(pool) = runtime.block_on(emptied(&url)) else {
            unreachable!("the URL is that of a file");
        };
        SqlxDriver::new(pool)
    });
}

#[test]
fn store_over_postgresql_keeps_the_contract() {
    let runtime = Runtime::new().unwrap();
    let Some(database) = postgres::database() else {
        return;
    };
    contract_of(&runtime, || {
        let url = database.schema().unwrap();
        let Database::Postgres(pool) = runtime.block_on(emptied(&url)) else {
            unreachable!("the URL is that of a server");
        };
        SqlxDriver::new(pool)
    });
}

/// The lines of code of a file, without the module of tests.
fn code(text: &str) -> Vec<String> {
    let text = text.replace("#[cfg(test)]\nmod tests;\n", "");
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines.map(str::to_owned).collect()
}

#[test]
fn scim_takes_few_lines() {
    let mut before = code(include_str!("before.rs"));
    let mut added = code(include_str!("main.rs"));
    added.retain(|line| {
        let known = before.iter().position(|known| known == line);
        known.map(|at| before.swap_remove(at)).is_none()
    });
    let most = 40;
    assert!(added.len() <= most, "{} lines: {added:#?}", added.len());
}
