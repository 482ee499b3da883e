//! Staged delivery by commands, beside a server that carries it out.

use std::sync::Arc;

use axum::{body::Body, http::Request};
use scimkit::{
    Mapping, MemoryStore, RequestContext, Server, Settings, SqliteStore,
    provision::{
        ConnectionAuthenticator,
        sync::{Directory as _, DirectoryChange, StepId, StoreDirectory, SyncRunner},
    },
    store::TenantId,
};
use serde_json::{Value, json};

use crate::store::File;

const MAPPING: &str = "[[User.map]]\nscim = 'userName'\nfield = 'email'\nmatching = true\n";

/// A file with a connection with staged delivery, its server, and the product.
struct World {
    directory: StoreDirectory,
    file: File,
    runner: SyncRunner,
    server: Server,
    token: String,
}

impl World {
    fn new(settings: &str) -> Self {
        World::with_seats(settings, 100)
    }

    fn with_seats(settings: &str, seats: u64) -> Self {
        let file = File::new();
        file.done("tenant create");
        let create = format!("connection create entra delivery=staged {settings}");
        file.done(create.trim_end());
        let token = file
            .done("token create --connection entra")
            .trim()
            .to_owned();
        let store = Arc::new(SqliteStore::open(file.path()).unwrap());
        let settings = Settings::new("https://app.example/scim/v2");
        let mapping = Mapping::builder().text(MAPPING).build(&settings.registry);
        let mapping = Arc::new(mapping.unwrap());
        let context = RequestContext::new(TenantId::default(), Arc::new(settings.clone()));
        let product = Arc::new(MemoryStore::new());
        let directory = StoreDirectory::new(product, context, mapping.clone()).with_capacity(seats);
        let runner = {
            let directory = Arc::new(directory.clone());
            SyncRunner::new(store.clone(), settings.clone(), move |_| {
                Some(directory.clone())
            })
            .with_mapping(mapping)
        };
        let gate = ConnectionAuthenticator::new(store.clone(), settings.clone());
        World {
            directory,
            file,
            runner,
            server: Server::new(store, settings).with_authentication(gate),
            token,
        }
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> Value {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("authorization", format!("Bearer {}", self.token));
        let request = request.body(Body::from(body.to_string())).unwrap();
        let response = self.server.handle(request).await;
        assert!(response.status().is_success(), "{}", response.status());
        let body = axum::body::to_bytes(Body::new(response.into_body()), 1 << 20).await;
        serde_json::from_slice(&body.unwrap()).unwrap_or_default()
    }

    async fn create(&self, name: &str) -> String {
        let user = self.send("POST", "/Users", json!({"userName": name})).await;
        user["id"].as_str().unwrap().to_owned()
    }

    async fn people(&self) -> Vec<(String, bool)> {
        let users = self.directory.users(None, 100).await.unwrap();
        let shown = users.iter().map(|user| {
            let email = user.fields["email"].as_str().unwrap().to_owned();
            (email, !user.is_archived)
        });
        shown.collect()
    }
}

#[tokio::test]
async fn test_mode_is_read_as_a_report_and_left() {
    let world = World::new("test_mode=true");
    world.create("babs@example.com").await;
    let now = world.file.json("sync now --by ines");
    assert_eq!((&now["id"], &now["state"]), (&json!(1), &json!("pending")));
    assert_eq!(world.file.done("sync now").trim(), "1", "joins the run");
    world.runner.look().await;
    let run = &world.file.json("sync runs")["runs"][0];
    assert_eq!(
        (&run["state"], &run["isTest"]),
        (&json!("test"), &json!(true))
    );
    assert_eq!(run["askedBy"], json!(["command line", "ines"]));
    assert_eq!(world.people().await, []);

    let report = world.file.json("sync report 1");
    assert_eq!(
        report["summary"]["connections"]["entra"]["users"]["created"], 1,
        "{report}"
    );
    assert!(
        world
            .file
            .done("sync report 1")
            .contains("babs@example.com")
    );
    assert!(
        world
            .file
            .done("sync report 1 --format csv")
            .contains("babs@example.com")
    );
    assert!(
        world
            .file
            .done("sync report 1 --format html")
            .to_lowercase()
            .starts_with("<!doctype html>")
    );
    let page = world.file.beside("report.html");
    let write = format!("sync report 1 --format html --output {page}");
    assert_eq!(world.file.done(&write), "wrote 1 steps of run 1\n");
    let page = std::fs::read_to_string(&page).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>"), "{page}");
    assert_eq!(world.file.run(&write).0, 2, "the file exists");
    let status = world.file.json("sync status");
    assert_eq!(status["connections"][0]["mode"], "test");
    assert_eq!(status["lastRun"]["id"], 1);

    let (status, _, error) = world.file.run("connection update entra test_mode=false");
    assert_eq!(status, 1);
    assert!(
        error.contains("the plans of `entra` are not settled"),
        "{error}"
    );
    world
        .file
        .done("connection update entra test_mode=false --unsettled");
    world.file.done("sync now");
    world.runner.look().await;
    assert_eq!(
        world.people().await,
        [("babs@example.com".to_owned(), true)]
    );
    let compared = world.file.json("sync compare 1 2");
    assert_eq!(compared["same"], 1, "{compared}");
    assert_eq!(world.file.done("sync backup"), "Directory Id,Is Archived\n");
    assert_eq!(compared["isSettled"], false);
}

#[tokio::test]
async fn blocked_run_is_approved_or_rejected() {
    let world = World::new(r#"guards={"archived_base":1}"#);
    let mut ids = Vec::new();
    for name in ["ada", "babs", "carl"] {
        ids.push(world.create(&format!("{name}@example.com")).await);
    }
    world.file.done("sync now");
    world.runner.look().await;
    assert_eq!(world.people().await.len(), 3);
    world
        .send("DELETE", &format!("/Users/{}", ids[0]), Value::Null)
        .await;
    world.file.done("sync now");
    world.runner.look().await;
    let run = &world.file.json("sync runs")["runs"][0];
    assert_eq!(run["state"], "blocked");
    assert_eq!(run["reason"], "entra: 1 of 3 users would be archived");
    let approved = world.file.json("sync approve 2 --by ines");
    assert_eq!(approved["id"], 3);
    world.runner.look().await;
    assert_eq!(
        world.file.json("sync runs")["runs"][0]["state"],
        "completed"
    );
    assert_eq!(
        world
            .people()
            .await
            .iter()
            .filter(|(_, active)| *active)
            .count(),
        2
    );
    let (status, _, error) = world.file.run("sync reject 2");
    assert_eq!(status, 0, "{error}");
    let (status, _, error) = world.file.run("sync approve 2");
    assert_eq!(status, 1);
    assert!(error.contains("was rejected by command line"), "{error}");
    for command in ["sync report 99", "sync approve 1"] {
        assert_eq!(world.file.run(command).0, 1, "{command}");
    }
}

#[tokio::test]
async fn exempt_people_are_accepted_and_not_delivered() {
    let world = World::new("");
    let csv = world.file.beside("exempt.csv");
    let text =
        "Name,Email,Provisioning Managed\nBabs,Babs@example.com,false\nJim,jim@example.com,maybe\n";
    std::fs::write(&csv, text).unwrap();
    let (status, _, error) = world.file.run(&format!("exemption import {csv} --strict"));
    assert_eq!(status, 1);
    assert!(error.contains("line 3"), "{error}");
    let tried = world
        .file
        .json(&format!("exemption import {csv} --dry-run"));
    assert_eq!(tried["started"], json!(["babs@example.com"]));
    assert_eq!(world.file.json("exemption list")["exemptions"], json!([]));
    let (status, _, error) = world.file.run(&format!("exemption import {csv}"));
    assert_eq!(status, 0);
    assert!(error.contains("line 3"), "{error}");
    world.create("babs@example.com").await;
    world.create("ada@example.com").await;
    world.file.done("sync now");
    world.runner.look().await;
    assert_eq!(world.people().await, [("ada@example.com".to_owned(), true)]);
    let run = &world.file.json("sync runs")["runs"][0];
    assert_eq!(run["summary"]["connections"]["entra"]["users"]["exempt"], 1);
    let exported = world.file.done("exemption export");
    assert_eq!(
        exported,
        "Email,Provisioning Managed\nbabs@example.com,false\n"
    );
    std::fs::write(&csv, exported.replace("false", "true")).unwrap();
    world.file.done(&format!("exemption import {csv}"));
    world.file.done("sync now");
    world.runner.look().await;
    assert_eq!(world.people().await.len(), 2);
}

#[tokio::test]
async fn troubles_are_counted_by_their_reason() {
    let world = World::with_seats("", 1);
    for name in ["ada", "babs", "carl"] {
        world.create(&format!("{name}@example.com")).await;
    }
    world.file.done("sync now");
    world.runner.look().await;
    let troubles = world.file.json("sync troubles");
    let expected = json!([{
        "connection": "entra",
        "count": 2,
        "reason": "no seat is left",
        "sample": "b…@example.com",
    }]);
    assert_eq!(troubles["troubles"], expected);
    assert!(!world.file.done("sync troubles").contains("babs"));
}

#[test]
fn settings_of_staged_delivery_are_checked() {
    let file = File::new();
    file.done("tenant create");
    for (settings, expected) in [
        (
            "delivery=staged journal=off",
            "staged delivery needs the journal",
        ),
        ("test_mode=true", "`test_mode` is for staged delivery"),
        (
            "delivery=staged interval=soon",
            "a duration of at most ten years, such as 15m",
        ),
        ("delivery=later", "expected one of direct, staged"),
        ("delivery=staged groups=maybe", "one of accept, off, on"),
        (
            r#"delivery=staged group_source={"fallback":"x"}"#,
            "needs either `attribute` or `name`",
        ),
    ] {
        let (status, _, error) = file.run(&format!("connection create {settings}"));
        assert_eq!(status, 1, "{settings}: {error}");
        assert!(error.contains(expected), "{settings}: {error}");
    }
    let all = r#"delivery=staged test_mode=true authoritative=true on_delete=remove group_source={"attribute":"department"} interval=20m quiet=1h silence=3days guards={"archived_most":9} cleared_fields=["alias_emails"] groups=accept"#;
    file.done(&format!("connection create {all}"));
    let shown = &file.json("connection show")["settings"];
    assert_eq!(
        (&shown["interval"], &shown["groups"]),
        (&json!("20m"), &json!("accept"))
    );
}

#[tokio::test]
async fn equal_plans_an_interval_apart_are_settled() {
    let world = World::new("test_mode=true interval=0s quiet=0s");
    world.create("babs@example.com").await;
    for _ in 0..2 {
        world.file.done("sync now");
        world.runner.look().await;
    }
    let compared = world.file.json("sync compare 1 2");
    assert_eq!(
        (&compared["differences"], &compared["isSettled"]),
        (&json!(0), &json!(true))
    );
    let text = world.file.done("sync compare 2 1");
    assert!(text.ends_with("settled: test mode can end\n"), "{text}");
    world.file.done("connection update entra test_mode=false");
}

#[tokio::test]
async fn values_in_reports_can_not_steer_the_terminal() {
    let world = World::new("test_mode=true journal=full");
    world.create("a\u{202e}\u{9b}2J@example.com").await;
    world.file.done("sync now");
    world.runner.look().await;
    for format in ["table", "csv", "html", "json"] {
        let text = world.file.done(&format!("sync report 1 --format {format}"));
        assert!(text.contains("2J@example.com"), "{text}");
        assert!(!text.contains(['\u{202e}', '\u{9b}']), "{format}: {text}");
    }
    let report = world.file.json("sync report 1");
    assert_eq!(report["steps"][0]["name"], "a\u{202e}\u{9b}2J@example.com");
    let lines = world.file.done("activity export --json");
    let rows: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let shown = serde_json::to_string(&rows).unwrap();
    assert!(shown.contains('\u{202e}'), "{shown}");
}

#[tokio::test]
async fn second_import_of_a_file_changes_nothing() {
    let world = World::new("");
    let csv = world.file.beside("exempt.csv");
    std::fs::write(&csv, "Email,Provisioning Managed\nbabs@example.com,false\n").unwrap();
    let change = DirectoryChange::CreateUser(
        json!({"email": "babs@example.com"})
            .as_object()
            .unwrap()
            .clone(),
    );
    let created = world.directory.apply(&StepId::new("1"), &change).await;
    created.unwrap();
    world.file.done(&format!("exemption import {csv}"));
    world.create("babs@example.com").await;
    world.file.done("sync now");
    world.runner.look().await;
    let bound = world.file.json("exemption list");
    assert_eq!(bound["exemptions"][0]["isPending"], false, "{bound}");
    let again = world.file.json(&format!("exemption import {csv}"));
    assert_eq!(
        (&again["started"], &again["unchanged"]),
        (&json!([]), &json!(1))
    );
    assert_eq!(world.file.json("exemption list"), bound);
}

#[test]
fn run_needs_staged_delivery() {
    let file = File::new();
    file.done("tenant create");
    file.done("connection create");
    let (status, _, error) = file.run("sync now");
    let expected =
        "error: no connection of the tenant has staged delivery: set `delivery=staged`\n";
    assert_eq!((status, error.as_str()), (1, expected));
}

#[test]
fn source_of_a_tenant_is_changed_by_its_revision() {
    let file = File::new();
    file.done("tenant create acme");
    file.done("connection create entra --tenant acme delivery=staged");
    assert_eq!(file.json("tenant show acme")["source"], "scim");
    let changed = file.json("tenant source acme agent --revision 1");
    assert_eq!(
        (&changed["source"], &changed["revision"]),
        (&json!("agent"), &json!(2))
    );
    let settings = &file.json("connection show entra --tenant acme")["settings"];
    assert_eq!(settings["test_mode"], true);
    let (status, _, error) = file.run("tenant source acme scim --revision 1");
    assert_eq!(status, 1);
    assert!(error.contains("its revision is 2, not 1"), "{error}");
    assert_eq!(file.run("tenant source acme ldap").0, 2);
    // An export keeps it.
    let export = file.beside("acme.ndjson");
    file.done(&format!("tenant export acme --output {export}"));
    let copy = File::new();
    copy.done(&format!("tenant import {export}"));
    assert_eq!(copy.json("tenant show acme")["source"], "agent");
}
