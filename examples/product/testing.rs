//! A product in a test: requests of an identity provider, runs, and what the product sees.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use clap::Parser;
use scimkit::{
    SqliteStore, TenantId,
    provision::{
        ConnectionSettings, TenantAdmin,
        sync::{Run, RunState, RunStore, SyncRunner},
    },
    store::ConnectionId,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tower::ServiceExt;

use super::{Options, Parts, Product, parts};

const TOKEN: &str = "a-token-for-tests-that-is-long-enough";

/// A product whose state and tables are in one file.
pub(crate) struct World {
    _folder: TempDir,
    admin: TenantAdmin,
    app: Router,
    pub(crate) runner: SyncRunner,
    pub(crate) runs: RunStore,
}

impl World {
    pub(crate) async fn new(product: &Product, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("product.sqlite");
        let store = Arc::new(SqliteStore::open(&path).unwrap());
        let arguments = [&["product", "--token", TOKEN], options].concat();
        let options = Options::parse_from(arguments);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let parts = parts(product, &options, &listener, store.clone(), Some(&path)).await;
        let Parts { app, runner } = parts.unwrap();
        World {
            _folder: folder,
            admin: TenantAdmin::new(store.clone()),
            app,
            runner,
            runs: RunStore::new(store, TenantId::default()),
        }
    }

    pub(crate) async fn call(&self, request: Request<Body>) -> (StatusCode, Value) {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// A request of the identity provider, such as `POST /Users`, which succeeds.
    pub(crate) async fn scim(&self, call: &str, body: Value) -> Value {
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
        let (status, answer) = self.call(request.body(body).unwrap()).await;
        assert!(status.is_success(), "{call}: {status} {answer}");
        answer
    }

    /// Creates a user, and returns its id.
    pub(crate) async fn create(&self, user: Value) -> String {
        self.scim("POST /Users", user).await["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub(crate) async fn replace(&self, id: &str, path: &str, value: Value) {
        let operations = json!([{"op": "replace", "path": path, "value": value}]);
        let patch = json!({"Operations": operations});
        self.scim(&format!("PATCH /Users/{id}"), patch).await;
    }

    /// Changes the settings of the connection.
    pub(crate) async fn set(&self, change: impl Fn(&mut ConnectionSettings)) {
        let (tenant, id) = (TenantId::default(), ConnectionId::default());
        let seen = self.admin.connection(&tenant, &id).await.unwrap();
        let mut settings = ConnectionSettings::from_json(&seen.settings).unwrap();
        change(&mut settings);
        self.admin
            .change_connection(&seen, &seen.name, &settings)
            .await
            .unwrap();
    }

    /// Asks for a run, and returns how it ended.
    pub(crate) async fn sync(&self) -> Run {
        self.runs
            .ask("the test", std::time::SystemTime::now().into())
            .await
            .unwrap();
        self.runner.look().await;
        let run = self.runs.runs(1).await.unwrap().pop().unwrap();
        assert!(!run.state.is_active(), "{run:?}");
        run
    }

    /// Asks for a run that completes, and returns its counts of users: created, changed, archived, restored, rejected.
    pub(crate) async fn completed(&self) -> [u64; 5] {
        let run = self.sync().await;
        assert_eq!(run.state, RunState::Completed, "{run:?}");
        counts(&run)
    }

    async fn page(&self, path: &str) -> Vec<Value> {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let (_, page) = self.call(request).await;
        page.as_array().unwrap().clone()
    }

    /// The people of the product.
    pub(crate) async fn people(&self) -> Vec<Value> {
        self.page("/product/users.json").await
    }

    /// The person with an email address.
    pub(crate) async fn person(&self, email: &str) -> Value {
        let people = self.people().await;
        let found = people.into_iter().find(|person| person["email"] == email);
        found.unwrap_or_else(|| panic!("no {email}"))
    }

    pub(crate) async fn archived(&self) -> usize {
        let people = self.people().await;
        people
            .iter()
            .filter(|person| person["archived"] == true)
            .count()
    }

    /// The groups of the product, with the email addresses of their members.
    pub(crate) async fn teams(&self) -> Vec<(String, Value)> {
        let groups = self.page("/product/groups.json").await;
        let team = |group: &Value| {
            (
                group["name"].as_str().unwrap().to_owned(),
                group["members"].clone(),
            )
        };
        groups.iter().map(team).collect()
    }
}

/// The counts of the users of a run: created, changed, archived, restored, rejected.
pub(crate) fn counts(run: &Run) -> [u64; 5] {
    let summary = run.summary.as_ref().unwrap();
    let users = summary.connections["default"].users;
    [
        users.created,
        users.changed,
        users.archived,
        users.restored,
        users.rejected,
    ]
}
