//! Tenants, connections and tokens, while a server runs.

use std::sync::Arc;

use axum::{body::Body, http::Request};
use scimkit::{
    Server, Settings, SqliteStore,
    provision::{ConnectionAuthenticator, ConnectionSettings},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{command, scimkit};

/// The names in the message about an unknown setting include those of former versions.
#[test]
fn documented_settings_are_complete() {
    let error = ConnectionSettings::from_json(r#"{"nosuch": 1}"#).unwrap_err();
    let error = error.to_string();
    let (_, names) = error.split_once("expected one of ").unwrap();
    let names = names.split('`').skip(1).step_by(2);
    let current = names.filter(|name| !["create", "deletes", "patch_answer"].contains(name));
    let guide = include_str!("../../../../docs/provisioning.md");
    let (_, help, _) = scimkit(&["connection", "update", "--help"]);
    let mut count = 0;
    for name in current {
        assert!(guide.contains(&format!("`{name}`")), "guide: {name}");
        assert!(help.contains(&format!("{name}=")), "help: {name}");
        count += 1;
    }
    assert!(count > 10, "{error}");
}

/// The file of a store.
pub(crate) struct File {
    folder: TempDir,
}

impl File {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        File { folder }
    }

    pub(crate) fn path(&self) -> String {
        let path = self.folder.path().join("scim.sqlite");
        path.to_str().unwrap().to_owned()
    }

    /// The path of another file in its folder.
    pub(crate) fn beside(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn run(&self, command: &str) -> (i32, String, String) {
        self.run_words(&command.split(' ').collect::<Vec<_>>())
    }

    /// Runs a command whose arguments may contain spaces.
    pub(crate) fn run_words(&self, words: &[&str]) -> (i32, String, String) {
        let store = format!("sqlite:{}", self.path());
        scimkit(&[words, &["--store", &store]].concat())
    }

    /// The output of a command that succeeds.
    pub(crate) fn done(&self, command: &str) -> String {
        let (status, out, err) = self.run(command);
        assert_eq!(status, 0, "{command}: {out}{err}");
        out
    }

    pub(crate) fn json(&self, command: &str) -> Value {
        let out = self.done(&format!("{command} --json"));
        serde_json::from_str(&out).unwrap()
    }
}

#[test]
fn ids_default_to_default() {
    let file = File::new();
    file.done("tenant create");
    file.done("connection create tolerance=entra create=adopt groups=false");
    let shown = file.json("connection show");
    let rules = r#"{"active":true,"create_policy":"adopt","groups":"off","tolerance":{"profile":"entra"},"users":true}"#;
    assert_eq!(
        shown["settings"],
        serde_json::from_str::<Value>(rules).unwrap()
    );
    assert_eq!(
        (&shown["id"], &shown["tenant"]),
        (&"default".into(), &"default".into())
    );

    file.done("connection update --name Entra create= deletes=soft");
    let changed = file.json("connection show");
    assert_eq!(changed["settings"]["create_policy"], Value::Null);
    assert_eq!(changed["settings"]["delete_policy"], "soft");
    assert_eq!(
        (&changed["name"], &changed["revision"]),
        (&"Entra".into(), &2.into())
    );

    let token = file.done("token create --name ci");
    assert!(scimkit::Token::is_generated(token.trim_end()), "{token}");
    let listed = file.json("token list");
    let listed = &listed["tokens"][0];
    assert_eq!(
        (&listed["name"], &listed["state"]),
        (&"ci".into(), &"valid".into())
    );
    assert_eq!(
        listed["scopes"],
        serde_json::json!(["groups", "read", "users"])
    );
    assert_eq!(file.json("tenant list")["tenants"][0]["id"], "default");
    assert_eq!(file.json("tenant show")["tokens"][0]["id"], listed["id"]);
}

#[test]
fn token_is_alone_on_standard_output() {
    let file = File::new();
    file.done("tenant create acme --name Acme");
    file.done("connection create okta --tenant acme");
    let create = "token create --tenant acme --connection okta --scopes read";
    let (status, out, err) = file.run(&format!("{create} --expires 90d"));
    assert_eq!((status, out.lines().count()), (0, 1));
    assert!(
        err.contains("read") && !err.contains(out.trim_end()),
        "{err}"
    );
    let (_, quiet, err) = file.run(&format!("{create} --quiet"));
    assert_eq!((quiet.lines().count(), err.as_str()), (1, ""));
    // No other output has the token or its digest.
    for command in [
        "tenant show acme",
        "tenant show acme --json",
        "token list --tenant acme",
    ] {
        let shown = file.done(command);
        assert!(
            !shown.contains("scim_") && !shown.contains("digest"),
            "{shown}"
        );
    }
    let made = file.json(create);
    assert!(scimkit::Token::is_generated(
        made["secret"].as_str().unwrap()
    ));
    assert_eq!(made["token"]["connection"], "okta");
}

#[cfg(target_os = "linux")]
#[test]
fn token_is_revoked_if_it_can_not_be_printed() {
    let file = File::new();
    file.done("tenant create");
    file.done("connection create");
    let store = format!("sqlite:{}", file.path());
    for arguments in [
        &["token", "create"][..],
        &["token", "create", "--json"],
        &["tenant", "list"],
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
        let output = command(arguments)
            .args(["--store", &store])
            .stdout(full.unwrap())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
    let listed = file.json("token list");
    let tokens = listed["tokens"].as_array().unwrap();
    assert_eq!(tokens.len(), 2);
    assert!(
        tokens.iter().all(|token| token["state"] == "revoked"),
        "{listed}"
    );
}

#[test]
fn store_commands_exit_status_tells_outcomes_apart() {
    let file = File::new();
    let (status, out, err) = file.run("token list");
    assert_eq!((status, out.as_str()), (2, ""));
    assert!(err.contains("there is no file `"), "{err}");
    file.done("tenant create");
    file.done("connection create");
    for (command, expected) in [
        ("tenant create", 1),
        ("tenant create Acme", 1),
        ("tenant show acme", 1),
        ("connection create --tenant acme", 1),
        ("connection create okta user=true", 1),
        ("connection create okta users=perhaps", 1),
        ("connection create okta users", 1),
        ("connection create okta mapping=@nowhere", 1),
        ("connection show okta", 1),
        ("connection disable okta", 1),
        ("token create --connection okta", 1),
        ("token create --expires 2020-01-01", 1),
        ("token create --expires 2020-01-01T00:00:00Z", 1),
        ("token create --expires 9999999999999d", 1),
        ("token create --expires soon", 2),
        ("token create --scopes all", 2),
        ("token rotate nope", 1),
        ("token rotate nope --overlap 1", 2),
        ("token revoke nope", 1),
        ("token revoke", 2),
    ] {
        let (status, out, err) = file.run(command);
        assert_eq!(status, expected, "{command}: {out}{err}");
        assert!(!err.is_empty() && out.is_empty(), "{command}");
    }
    let (status, out, _) = file.run("token revoke nope --json");
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (status, &told["error"]),
        (1, &"there is no token `nope`".into())
    );

    let (status, _, err) = scimkit(&["tenant", "list", "--store", "postgres://db"]);
    assert!(status == 2 && err.contains("PostgreSQL"), "{err}");
    let (status, _, err) = scimkit(&["tenant", "create", "--store", "sqlite://x.db"]);
    assert!(status == 2 && err.contains("without `//` before"), "{err}");
    std::fs::write(
        file.path(),
        "this is no database, however long its text may be",
    )
    .unwrap();
    assert_eq!(file.run("tenant list").0, 2);
}

#[test]
fn reached_limit_is_reported_with_what_to_do() {
    let file = File::new();
    file.done("tenant create");
    file.done("connection create");
    let first = file.json("token create");
    for (command, message) in [
        (
            "tenant create acme --limit 1",
            "the store has as many tenants as the limit of 1 allows: erase one that is not needed, or raise the limit",
        ),
        (
            "connection create okta --limit 1",
            "the tenant has as many connections as the limit of 1 allows: remove one that is not needed, or raise the \
             limit",
        ),
        (
            "token create --limit 1",
            "the connection has as many valid tokens as the limit of 1 allows: revoke one that is not needed, or raise \
             the limit",
        ),
    ] {
        let (status, out, err) = file.run(command);
        let expected = format!("error: {message}\n");
        assert_eq!((status, out.as_str(), err), (1, "", expected), "{command}");
        file.done(&command.replace("--limit 1", "--limit 2"));
    }
    let id = first["token"]["id"].as_str().unwrap();
    file.done(&format!("token revoke {id}"));
    file.done("token create --limit 2");
}

#[test]
fn connection_rejects_an_invalid_mapping() {
    let file = File::new();
    file.done("tenant create");
    file.done("connection create");
    let mapping = file.beside("mapping.toml");
    let text = "[User]\nunmapped = 'drop'\n[[User.map]]\nscim = 'userName'\nfield = 'email'\n";
    let wrong = text.replace("userName", "shoeSize");
    std::fs::write(&mapping, wrong).unwrap();
    let set = format!("connection update mapping=@{mapping}");
    let (status, _, err) = file.run(&set);
    assert_eq!(status, 1);
    assert!(err.contains("4:8: ") && err.contains("shoeSize"), "{err}");
    assert_eq!(
        file.json("connection show")["settings"]["mapping"],
        Value::Null
    );
    std::fs::write(&mapping, text).unwrap();
    file.done(&set);
    assert_eq!(file.json("connection show")["settings"]["mapping"], text);
    std::fs::write(
        &mapping,
        text.to_owned() + "transform = [{ custom = 'slug' }]\n",
    )
    .unwrap();
    assert_eq!(file.run(&set).0, 1);
    file.done(&format!("{set} --custom-transform slug"));
}

#[tokio::test]
async fn running_server_follows_with_the_next_request() {
    let file = File::new();
    let store = Arc::new(SqliteStore::open(file.path()).unwrap());
    let settings = Settings::new("https://app.example/scim/v2");
    let gate = ConnectionAuthenticator::new(store.clone(), settings.clone());
    let server = Server::new(store, settings).with_authentication(gate);
    let status = async |token: &str| {
        let request = Request::get("/Users").header("authorization", format!("Bearer {token}"));
        let request = request.body(Body::empty()).unwrap();
        server.handle(request).await.status().as_u16()
    };
    file.done("tenant create");
    file.done("connection create");
    let first = file.json("token create");
    let token = first["secret"].as_str().unwrap();
    assert_eq!(status(token).await, 200);
    assert_ne!(
        file.json("token list")["tokens"][0]["lastUsed"],
        Value::Null
    );

    file.done("connection disable");
    assert_eq!(status(token).await, 403);
    file.done("connection enable");
    assert_eq!(status(token).await, 200);

    let id = first["token"]["id"].as_str().unwrap();
    let second = file.done(&format!("token rotate {id} --overlap 1h"));
    assert_eq!(status(token).await, 200);
    assert_eq!(status(second.trim_end()).await, 200);
    let revoked = file.json(&format!("token revoke {id}"));
    assert_eq!(revoked["state"], "revoked");
    assert_eq!(status(token).await, 401);
    assert_eq!(status(second.trim_end()).await, 200);

    file.done("connection remove");
    assert_eq!(status(second.trim_end()).await, 401);
}

#[test]
fn compact_rewrites_a_file_that_is_not_in_use() {
    let file = File::new();
    assert_eq!(file.run("compact").0, 2);
    file.done("tenant create acme");
    let before = file.json("compact");
    assert!(before["bytesAfter"].as_u64() > Some(0), "{before}");
    let told = file.done("compact");
    assert!(told.starts_with("compacted `"), "{told}");
    let store = SqliteStore::open(file.path()).unwrap();
    let (status, _, problem) = file.run("compact");
    assert_eq!(status, 2);
    let expected = "the file is in use: stop every process that uses it";
    assert!(problem.trim_end().ends_with(expected), "{problem}");
    drop(store);
    assert!(file.done("tenant list").contains("acme"));
}

#[test]
fn old_verbs_still_work_but_are_not_listed() {
    let file = File::new();
    file.done("tenant create");
    file.done("connection create");
    file.done("connection off");
    assert_eq!(file.json("connection show")["settings"]["active"], false);
    file.done("connection on");
    file.done("connection set users=false");
    let settings = &file.json("connection show")["settings"];
    assert_eq!(
        (&settings["active"], &settings["users"]),
        (&true.into(), &false.into())
    );
    file.done("tenant forget default --older-than 1d");
    for command in ["connection", "tenant"] {
        let (_, help, _) = scimkit(&[command, "--help"]);
        for verb in ["off", "on", "set", "forget"] {
            let listed = help
                .lines()
                .any(|line| line.trim_start().starts_with(&format!("{verb} ")));
            assert!(!listed, "{help}");
        }
    }
}

#[tokio::test]
async fn reindex_rebuilds_the_keys_of_another_schema() {
    let file = File::new();
    file.done("tenant create");
    file.done("connection create");
    let token = file.done("token create");
    let store = Arc::new(SqliteStore::open(file.path()).unwrap());
    let settings = Settings::new("https://app.example/scim/v2");
    let gate = ConnectionAuthenticator::new(store.clone(), settings.clone());
    let server = Server::new(store, settings).with_authentication(gate);
    let bearer = format!("Bearer {}", token.trim());
    let request = Request::post("/Users").header("authorization", bearer);
    let request = request.body(Body::from(r#"{"userName": "bj"}"#)).unwrap();
    assert_eq!(server.handle(request).await.status(), 201);
    drop(server);
    assert_eq!(file.json("tenant reindex")["resources"], 0);

    let schemas = file.beside("schemas.json");
    let types = file.beside("types.json");
    std::fs::write(&schemas, r#"[{"id": "urn:example:Person", "name": "Person", "attributes": [
        {"name": "userName", "type": "string", "required": true, "caseExact": true, "uniqueness": "server"}]}]"#).unwrap();
    std::fs::write(
        &types,
        r#"[{"name": "User", "endpoint": "/Users", "schema": "urn:example:Person"}]"#,
    )
    .unwrap();
    let reindex = format!("tenant reindex --schemas {schemas} --resource-types {types}");
    assert_eq!(file.json(&reindex)["resources"], 1);
    assert!(
        file.done(&reindex)
            .starts_with("reindexed 0 resources of `default`")
    );
}
