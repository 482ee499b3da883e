//! `scimkit map`: the lines of a connection's mapping.

use std::sync::Arc;

use axum::{body::Body, http::Request};
use scimkit::{BearerTokens, Server, Settings, SqliteStore, Token};
use serde_json::{Value, json};

use crate::store::File;

const MAPPING: &str = "# Our people.
[[User.map]]
scim = 'userName' # the login
field = 'email'
transform = ['fold']

[[User.map]]
scim = 'title'
field = 'job'
";

/// A store with a connection that has a mapping, and a user that was received.
async fn file() -> File {
    let file = File::new();
    let mapping = file.beside("mapping.toml");
    std::fs::write(&mapping, MAPPING).unwrap();
    let setting = format!("mapping=@{mapping}");
    for command in [
        &["tenant", "create", "default"][..],
        &["connection", "create", "entra", &setting],
    ] {
        let (status, _, error) = file.run_words(command);
        assert_eq!(status, 0, "{error}");
    }
    let store = Arc::new(SqliteStore::open(file.path()).unwrap());
    let token = Token::generate().unwrap();
    let server = Server::new(store, Settings::new("https://app.example/scim/v2"))
        .with_authentication(BearerTokens::new([token.digest()]));
    let user = json!({
        "userName": "Babs@Example.com",
        "title": "Director",
        "addresses": [{"type": "work", "country": "UK"}],
    });
    let request = Request::post("/Users")
        .header("authorization", format!("Bearer {}", token.reveal()))
        .body(Body::from(user.to_string()));
    assert_eq!(server.handle(request.unwrap()).await.status(), 201);
    file
}

fn run(file: &File, arguments: &[&str]) -> (i32, Value, String) {
    let arguments: Vec<&str> = [&["map"], arguments, &["--connection", "entra", "--json"]].concat();
    let (status, output, error) = file.run_words(&arguments);
    (
        status,
        serde_json::from_str(&output).unwrap_or_default(),
        error,
    )
}

fn stored_mapping(file: &File) -> String {
    let (_, shown, _) = file.run("connection show entra --json");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    shown["settings"]["mapping"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn one_line_is_set_and_the_rest_stays_as_written() {
    let file = file().await;
    let (status, listed, error) = run(&file, &["set", "job", "nickName"]);
    assert_eq!(status, 0, "{error}");
    assert_eq!(
        listed["lines"][1],
        json!({"field": "job", "notes": [], "scim": ["nickName"]})
    );
    assert_eq!(
        stored_mapping(&file),
        MAPPING.replace("'title'", "\"nickName\"")
    );
    let (status, _, _) = run(&file, &["set", "job", ""]);
    assert_eq!(status, 0);
    assert!(!stored_mapping(&file).contains("job"));
    assert_eq!(
        run(&file, &["list"]).1["lines"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn line_that_does_not_fit_is_rejected_and_changes_nothing() {
    let file = file().await;
    for (arguments, expected) in [
        (
            ["set", "job", "titl"],
            "unknown attribute `titl`, did you mean `title`?",
        ),
        (["set", "job", "userName"], "userName"),
    ] {
        let (status, answer, _) = run(&file, &arguments);
        assert_eq!(status, 1, "{answer}");
        assert!(
            answer["error"].as_str().unwrap().contains(expected),
            "{answer}"
        );
    }
    assert_eq!(stored_mapping(&file), MAPPING);
}

#[tokio::test]
async fn field_that_a_tenant_defined_gets_a_line() {
    let file = file().await;
    let (status, listed, error) = run(&file, &["field", "add", "country"]);
    assert_eq!(status, 0, "{error}");
    assert_eq!(listed["fieldsWithoutLine"], json!(["country"]));
    let path = r#"addresses[type eq "work"].country"#;
    let (status, listed, error) = run(&file, &["set", "country", path]);
    assert_eq!(status, 0, "{error}");
    assert_eq!(listed["fieldsWithoutLine"], json!([]));
    let (status, answer, _) = run(&file, &["field", "add", "country", "--values", "json"]);
    assert_eq!(
        (status, &answer["error"]),
        (1, &json!("the field `country` is declared as text"))
    );
    let (_, shown, _) = run(&file, &["preview", "babs@example.com"]);
    assert_eq!(
        shown["now"],
        json!({"email": "babs@example.com", "job": "Director", "country": "UK"})
    );
}

#[tokio::test]
async fn preview_shows_a_change_without_making_it() {
    let file = file().await;
    let arguments = ["preview", "babs@example.com", "job", "userName"];
    assert_eq!(run(&file, &arguments).0, 1);
    let arguments = [
        "preview",
        "babs@example.com",
        "job",
        r#"addresses[type eq "work"].country"#,
    ];
    let (status, shown, error) = run(&file, &arguments);
    assert_eq!(status, 0, "{error}");
    assert_eq!(
        shown["now"],
        json!({"email": "babs@example.com", "job": "Director"})
    );
    assert_eq!(
        shown["then"],
        json!({"email": "babs@example.com", "job": "UK"})
    );
    assert_eq!(stored_mapping(&file), MAPPING);
    assert_eq!(run(&file, &["preview", "nobody"]).0, 1);
}

#[tokio::test]
async fn paths_and_connections_without_a_mapping_are_listed() {
    let file = file().await;
    let (_, listed, _) = run(&file, &["list", "--paths"]);
    let paths = listed["paths"].as_array().unwrap();
    let country = json!({"path": r#"addresses[type eq "work"].country"#, "type": "text"});
    assert!(paths.contains(&country), "{listed}");
    assert_eq!(run(&file, &["list", "--paths", "--type", "Device"]).0, 1);
    assert_eq!(file.run("connection create okta").0, 0);
    let (status, _, error) = file.run("map list --connection okta");
    assert_eq!(status, 0);
    assert!(error.contains("no mapping of its own"), "{error}");
}
