//! Export, import, erasure and purging of tenants.

use std::{fs, io::Write as _, path::Path, process::Stdio, sync::Arc};

use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use scimkit::{
    BearerTokens, Server, Settings, SqliteStore, Token, provision::ConnectionAuthenticator,
};
use serde_json::{Value, json};

use crate::{command, store::File};

/// The response of a server with this store.
async fn ask(file: &File, token: &str, call: &str, body: Value) -> Value {
    let store = Arc::new(SqliteStore::open(file.path()).unwrap());
    let settings = Settings::new("https://app.example/scim/v2");
    let gate = ConnectionAuthenticator::new(store.clone(), settings.clone());
    let server = Server::new(store, settings).with_authentication(gate);
    let (method, path) = call.split_once(' ').unwrap();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"));
    let request = request.body(Body::from(body.to_string())).unwrap();
    let answer = server.handle(request).await.map(Body::new);
    let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// A tenant with a user in a group, and a token.
pub(crate) async fn directory() -> (File, String) {
    let file = File::new();
    file.done("tenant create acme");
    file.done("connection create --tenant acme");
    let token = file.done("token create --tenant acme").trim().to_owned();
    let user = ask(&file, &token, "POST /Users", json!({"userName": "Bj"})).await;
    let members = json!([{"value": user["id"]}]);
    let group = json!({"displayName": "g", "members": members});
    ask(&file, &token, "POST /Groups", group).await;
    (file, token)
}

#[tokio::test]
async fn import_restores_ids_versions_and_tokens_of_an_export() {
    let (from, token) = directory().await;
    let lines = from.beside("acme.ndjson");
    let told = from.json(&format!("tenant export acme --output {lines}"));
    assert_eq!(
        (&told["resources"], &told["members"]),
        (&2.into(), &1.into())
    );
    assert_eq!(
        from.run(&format!("tenant export acme --output {lines}")).0,
        2
    );

    let to = File::new();
    assert_eq!(to.json(&format!("tenant import {lines}")), told);
    for path in ["GET /Users", "GET /Groups"] {
        let there = ask(&to, &token, path, Value::Null).await;
        assert_eq!(there["totalResults"], 1);
        assert_eq!(there, ask(&from, &token, path, Value::Null).await);
    }
    let again = to.run(&format!("tenant import {lines}"));
    assert_eq!(again.0, 1, "{}", again.2);
    // An export to standard output is the same as one to a file.
    assert_eq!(
        from.done("tenant export acme"),
        fs::read_to_string(&lines).unwrap()
    );

    to.done("tenant erase acme --yes");
    assert_eq!(to.json("tenant list")["tenants"], json!([]));
    assert_eq!(
        ask(&to, &token, "GET /Users", Value::Null).await["status"],
        "401"
    );
    to.done(&format!(
        "tenant import {lines} --tenant other --without-tokens"
    ));
    assert_eq!(to.json("tenant show other")["tokens"], json!([]));
}

/// A server without connections stores resources of a tenant that was never created.
#[tokio::test]
async fn erase_removes_resources_of_a_tenant_that_was_never_created() {
    let file = File::new();
    let store = Arc::new(SqliteStore::open(file.path()).unwrap());
    let settings = Settings::new("https://app.example/scim/v2");
    let token = Token::generate().unwrap();
    let tokens = BearerTokens::new([token.digest()]);
    let server = Server::new(store, settings).with_authentication(tokens);
    let user = Body::from(json!({"userName": "Bj"}).to_string());
    let bearer = format!("Bearer {}", token.reveal());
    let request = Request::post("/Users").header("authorization", bearer);
    let request = request.body(user).unwrap();
    assert_eq!(server.handle(request).await.status(), 201);
    assert_eq!(file.json("tenant list")["tenants"], json!([]));
    file.done("tenant erase default --yes");
    for command in ["tenant erase default --yes", "tenant export default"] {
        assert_eq!(file.run(command).0, 1, "{command}");
    }
}

#[tokio::test]
async fn purge_removes_resources_that_were_soft_deleted_long_ago() {
    let (file, token) = directory().await;
    file.done("connection update default --tenant acme delete_policy=soft");
    let users = ask(&file, &token, "GET /Users", Value::Null).await;
    let user = users["Resources"][0]["id"].as_str().unwrap();
    ask(&file, &token, &format!("DELETE /Users/{user}"), Value::Null).await;
    let retired = || {
        file.done("tenant export acme")
            .matches(r#"{"retired":{"#)
            .count()
    };
    let purged =
        |time: &str| file.json(&format!("tenant purge acme --older-than {time}"))["purged"].clone();
    assert_eq!((retired(), purged("1d"), retired()), (1, json!(0), 1));
    assert_eq!((purged("0s"), retired()), (json!(1), 0));
    for (command, status) in [
        ("tenant purge nobody --older-than 1d", 1),
        ("tenant purge acme --older-than 999999999d", 1),
        ("tenant purge acme --older-than soon", 2),
        ("tenant purge acme", 2),
    ] {
        assert_eq!(file.run(command).0, status, "{command}");
    }
}

#[tokio::test]
async fn import_rejects_an_incomplete_export_with_its_line() {
    let (from, _) = directory().await;
    let text = from.done("tenant export acme");
    let lines: Vec<&str> = text.lines().collect();
    let path = from.beside("broken.ndjson");
    let to = File::new();
    // An invalid input creates no database.
    for (text, status) in [("", 1), ("{}\n", 1), ("no JSON", 1)] {
        fs::write(&path, text).unwrap();
        let (found, _, err) = to.run(&format!("tenant import {path}"));
        assert_eq!(found, status, "{err}");
        assert!(err.contains("is no export: its first line"), "{err}");
    }
    for command in [
        "tenant import no-such-file",
        "tenant import /",
        &format!("tenant import {path} --schemas no-such-file"),
    ] {
        assert_eq!(to.run(command).0, 2, "{command}");
    }
    assert!(!Path::new(&to.path()).exists());
    let broken = [
        (
            lines[..lines.len() - 1].join("\n") + "\n",
            "the `end` line is missing",
        ),
        (text.replace(r#"{"resource""#, r#"{"nonsense""#), "line "),
        (text.replace("\"Bj\"", "7"), "line "),
        (
            text.replace(r#""id":"default""#, r#""id":"De fault""#),
            "line 2: invalid connection id",
        ),
        (
            text.replace(r#""rules":"{"#, r#""rules":"{\"x\":1,"#),
            "line 2: invalid connection settings",
        ),
        (
            text.replace(r#"["groups","read","users"]"#, "[]"),
            "line 3: invalid token",
        ),
        (
            text.replace("userName", "nickName"),
            "`userName` is required but missing",
        ),
        (
            text.replacen(r#""revision":1"#, r#""revision":0"#, 1),
            "line 1: invalid revision",
        ),
    ];
    for (text, problem) in broken {
        fs::write(&path, text).unwrap();
        let (status, out, err) = to.run(&format!("tenant import {path}"));
        assert_eq!((status, out.as_str()), (1, ""), "{err}");
        assert!(err.contains(problem), "{err}");
        assert_eq!(to.json("tenant list")["tenants"], json!([]), "{err}");
    }
    for (command, status) in [
        ("tenant export nobody", 1),
        ("tenant erase nobody --yes", 1),
        ("tenant erase acme", 2),
    ] {
        assert_eq!(from.run(command).0, status, "{command}");
    }
    fs::write(&path, text).unwrap();
    assert_eq!(to.run(&format!("tenant import {path} --tenant A/b")).0, 1);
}

/// A pipe is read before the database is touched.
#[tokio::test]
async fn import_from_a_slow_pipe_blocks_no_writer() {
    let (from, _) = directory().await;
    let lines = from.done("tenant export acme");
    let (first, rest) = lines.split_at(lines.find('\n').unwrap() + 1);
    let to = File::new();
    to.done("tenant create other");
    let mut import = command(&["tenant", "import", "-", "--store"])
        .arg(format!("sqlite:{}", to.path()))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut pipe = import.stdin.take().unwrap();
    pipe.write_all(first.as_bytes()).unwrap();
    // Another writer goes on meanwhile.
    for n in 0..5 {
        to.done(&format!("tenant create while{n}"));
    }
    pipe.write_all(rest.as_bytes()).unwrap();
    drop(pipe);
    assert!(import.wait().unwrap().success());
    assert_eq!(to.done("tenant export acme"), lines);
}
