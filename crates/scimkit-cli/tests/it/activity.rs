//! The activity log.

use std::sync::Arc;

use axum::{body::Body, http::Request};
use scimkit::{
    BearerTokens, Server, Settings, SqliteStore, Token,
    store::{JournalLevel, JournalPolicy},
};
use serde_json::{Value, json};

use crate::store::File;

/// Creates a tenant and a connection by commands, and users by SCIM: Jane, who is deactivated, and John.
async fn history(file: &File) -> String {
    for command in ["tenant create default", "connection create entra"] {
        let (status, _, error) = file.run(command);
        assert_eq!(status, 0, "{error}");
    }
    let store = Arc::new(SqliteStore::open(file.path()).unwrap());
    let token = Token::generate().unwrap();
    let mut settings = Settings::new("https://app.example/scim/v2");
    settings.policy.journal = JournalPolicy::new(JournalLevel::Full);
    let server = Server::new(store, settings);
    let server = server.with_authentication(BearerTokens::new([token.digest()]));
    let send = async |method: &str, path: &str, body: Value| {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("authorization", format!("Bearer {}", token.reveal()));
        let request = request.body(Body::from(body.to_string())).unwrap();
        let response = server.handle(request).await;
        assert!(response.status().is_success());
        let location = response.headers().get("location");
        let location = location.map_or("", |location| location.to_str().unwrap());
        location.rsplit('/').next().unwrap().to_owned()
    };
    let jane = send("POST", "/Users", json!({"userName": "jane"})).await;
    let off = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
    send("PATCH", &format!("/Users/{jane}"), off).await;
    send("POST", "/Users", json!({"userName": "john"})).await;
    jane
}

fn json_of(file: &File, command: &str) -> Value {
    let (status, output, error) = file.run(&format!("{command} --json"));
    assert_eq!(status, 0, "{error}");
    serde_json::from_str(&output).unwrap()
}

fn outcomes(file: &File, options: &str) -> Vec<String> {
    let listed = json_of(file, format!("activity list {options}").trim_end());
    let changes = listed["changes"].as_array().unwrap();
    let outcome = |change: &Value| change["outcomes"][0].as_str().unwrap().to_owned();
    changes.iter().map(outcome).collect()
}

#[tokio::test]
async fn changes_are_listed_and_exported() {
    let file = File::new();
    let jane = history(&file).await;
    let all = [
        "user.created",
        "user.deactivated",
        "user.created",
        "connection.created",
        "tenant.created",
    ];
    assert_eq!(outcomes(&file, ""), all);
    assert_eq!(outcomes(&file, "--limit 2"), all[..2]);
    assert_eq!(outcomes(&file, "--person jane"), all[1..3]);
    assert_eq!(outcomes(&file, &format!("--person {jane}")), all[1..3]);
    assert_eq!(
        outcomes(&file, "--person jane --outcome deactivated"),
        all[1..2]
    );
    assert_eq!(outcomes(&file, "--connection entra"), all[3..4]);
    assert_eq!(outcomes(&file, "--since 1h").len(), 5);
    assert_eq!(outcomes(&file, "--since 2999-01-01T00:00:00Z").len(), 0);
    let (status, text, _) = file.run("activity list");
    assert_eq!(status, 0);
    let line = text.lines().find(|line| line.contains("user.deactivated"));
    let line = line.unwrap();
    assert!(line.contains("jane") && line.ends_with("active"), "{text}");

    let (status, csv, _) = file.run("activity export");
    assert_eq!((status, csv.lines().count()), (0, 6), "{csv}");
    assert!(csv.starts_with("time,number,part,tenant,"), "{csv}");
    let (status, lines, _) = file.run("activity export --json --outcome user.created");
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((status, lines.len()), (0, 2));
    assert_eq!(
        lines[0]["changes"][0],
        json!({"path": "userName", "after": "john"})
    );
    let path = file.beside("log.csv");
    let (status, text, _) = file.run(&format!("activity export --output {path}"));
    assert_eq!((status, &*text), (0, "exported 5 changes\n"));
    assert_eq!(std::fs::read_to_string(path).unwrap(), csv);

    let shown = json_of(&file, "person show jane");
    assert_eq!(shown["id"], jane);
    assert_eq!(shown["stored"]["active"], false);
    assert_eq!(shown["changes"].as_array().unwrap().len(), 2);
    let (status, text, _) = file.run("person show jane");
    assert!(status == 0 && text.contains("user.deactivated"), "{text}");
    assert_eq!(file.run("person show nobody").0, 1);
    assert_eq!(file.run("activity list --tenant nobody").0, 1);
    assert_eq!(file.run("activity list --since yesterday").0, 2);
}

#[tokio::test]
async fn altered_journals_are_found() {
    for (statement, is_intact) in [
        ("SELECT 1", true),
        (
            "UPDATE journal SET body = replace(body, 'jane', 'jack')",
            false,
        ),
        (
            "DELETE FROM journal WHERE number = (SELECT max(number) FROM journal)",
            false,
        ),
        (
            "DELETE FROM journal WHERE number = (SELECT min(number) FROM journal)",
            false,
        ),
        ("DELETE FROM journal WHERE number = 3", false),
        (
            "UPDATE journal SET actor = 'nobody' WHERE number = 4",
            false,
        ),
    ] {
        let file = File::new();
        history(&file).await;
        let verified = json_of(&file, "activity verify");
        assert_eq!(
            (&verified["entries"], &verified["last"]),
            (&json!(5), &json!(5))
        );
        let connection = rusqlite::Connection::open(file.path()).unwrap();
        connection.execute_batch(statement).unwrap();
        drop(connection);
        let known = verified["digest"].as_str().unwrap();
        let (status, output, error) = file.run(&format!("activity verify --known {known}"));
        assert_eq!(status == 0, is_intact, "{statement}: {output}{error}");
        assert!(is_intact || error.contains("is not intact"), "{error}");
        let other = known.replace(['a', '1'], "0");
        assert_eq!(file.run(&format!("activity verify --known {other}")).0, 1);
    }
}

#[test]
fn url_names_the_tenant() {
    let file = File::new();
    for command in [
        "tenant create acme",
        "connection create entra --tenant acme",
    ] {
        assert_eq!(file.run(command).0, 0);
    }
    let base = "https://app.example/tenants/{tenant}/scim/v2";
    let command = |id: &str| format!("connection url {id} --tenant acme --base-url {base}");
    let (status, url, _) = file.run(&command("entra"));
    assert_eq!(
        (status, &*url),
        (0, "https://app.example/tenants/acme/scim/v2\n")
    );
    let shown = json_of(&file, &command("entra"));
    assert_eq!(shown["url"], "https://app.example/tenants/acme/scim/v2");
    assert_eq!(file.run(&command("okta")).0, 1);
    let (status, _, error) = file.run("connection url entra --tenant acme --base-url app.example");
    assert!(status == 1 && error.contains("invalid base URL"), "{error}");
}
