//! `scimkit init` and `scimkit doctor`: tables that exist, mapped and verified.

use std::{env, fs, path::PathBuf};

use rusqlite::Connection;
use scimkit_testkit::postgres;
use serde_json::{Value, json};

use crate::scimkit;

/// A folder of its own for one test.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join("tables")
        .join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A new database in a folder, and its URL.
fn database(folder: &std::path::Path, sql: &str) -> (Connection, String) {
    let path = folder.join("app.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(sql).unwrap();
    (connection, format!("sqlite:{}", path.display()))
}

/// The mapping that `init` prints, in a file.
fn init(folder: &std::path::Path, url: &str, more: &[&str]) -> (String, String, String) {
    let arguments: Vec<_> = ["init", "--database", url]
        .iter()
        .chain(more)
        .copied()
        .collect();
    let (status, out, err) = scimkit(&arguments);
    assert_eq!(status, 0, "{err}");
    let file = folder.join(format!("{}.toml", more[1]));
    fs::write(&file, &out).unwrap();
    (file.to_str().unwrap().to_owned(), out, err)
}

/// Creates the side tables with the statements that `init` prints.
fn create_side_tables(connection: &Connection, url: &str) {
    let (status, sql, _) = scimkit(&["init", "--database", url, "--table", "users", "--sql"]);
    assert_eq!(status, 0);
    connection.execute_batch(&sql).unwrap();
}

/// Tables of users of good applications.
const GOOD: [&str; 5] = [
    "id TEXT PRIMARY KEY, login TEXT NOT NULL UNIQUE, email TEXT, first_name TEXT, last_name TEXT, is_active BOOLEAN NOT NULL DEFAULT 1",
    "id INTEGER PRIMARY KEY, user_name VARCHAR(200) UNIQUE NOT NULL, disabled_at TEXT, created_at INTEGER DEFAULT 0",
    "uid INTEGER PRIMARY KEY AUTOINCREMENT, Email TEXT NOT NULL UNIQUE, FullName TEXT, suspended INTEGER NOT NULL DEFAULT 0, directory_id TEXT UNIQUE",
    "id TEXT PRIMARY KEY, mail TEXT UNIQUE NOT NULL, blocked_at INTEGER, \"job title\" TEXT, department TEXT, phone TEXT, mobile TEXT, zip TEXT, city TEXT",
    "id TEXT PRIMARY KEY, username TEXT UNIQUE NOT NULL, status TEXT DEFAULT 'on', password_hash TEXT, \"odd \"\"column\" TEXT",
];

#[test]
fn mapping_of_a_good_table_is_verified_without_findings() {
    for (number, columns) in GOOD.iter().enumerate() {
        let folder = folder(&format!("good-{number}"));
        let (connection, url) = database(&folder, &format!("CREATE TABLE users ({columns})"));
        let (file, out, err) = init(&folder, &url, &["--table", "users"]);
        assert!(
            !err.contains("error: ") && !err.contains("warning: "),
            "{columns}: {err}"
        );
        create_side_tables(&connection, &url);
        let doctor = ["doctor", "--database", &url, "--mapping", &file];
        let (status, said, err) = scimkit(&doctor);
        assert_eq!(
            (status, said.as_str()),
            (0, "ok: nothing would go wrong\n"),
            "{columns}: {out}{said}{err}"
        );
    }
}

#[test]
fn init_guesses_by_name_and_lists_the_rest() {
    let folder = folder("guess");
    let columns = "id INTEGER PRIMARY KEY, login TEXT NOT NULL UNIQUE, e_mail TEXT, first_name TEXT, company_id INTEGER,
        is_locked BOOLEAN, plan TEXT, status TEXT, title INTEGER";
    let (_connection, url) = database(&folder, &format!("CREATE TABLE users ({columns})"));
    let (_, out, err) = init(&folder, &url, &["--table", "users"]);
    let expected = r#"# Guessed from the columns of the table `users`: check each rule.
[User.table]
name = "users"
id = { column = "id", type = "integer" }

[User.fields]
login = { type = "text", filterable = true, folded = true }
is_locked = "boolean"
first_name = "text"
e_mail = "text"

[[User.map]]
scim = 'userName'
field = "login"
transform = ["fold"]

[[User.map]]
scim = 'active'
field = "is_locked"
transform = [{ values = { true = false, false = true } }]

[[User.map]]
scim = 'name.givenName'
field = "first_name"

[[User.map]]
scim = 'emails[type eq "work"].value'
field = "e_mail"

# Columns without a rule:
# company_id (INTEGER)
# plan (TEXT)
# status (TEXT): if it marks active users, map `active` with `values = { true = "…", false = "…" }`
# title (INTEGER)
"#;
    assert_eq!(out, expected);
    assert!(err.contains("add `--tenant company_id`"), "{err}");
    let arguments = [
        "init",
        "--json",
        "--database",
        &url,
        "--table",
        "users",
        "--tenant",
        "company_id",
    ];
    let (status, out, _) = scimkit(&arguments);
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (status, &document["unmapped"]),
        (0, &json!(["plan", "status", "title"]))
    );
    let mapping = document["mapping"].as_str().unwrap();
    let tenant = r#"tenant = { column = "company_id", type = "integer" }"#;
    assert!(mapping.contains(tenant), "{mapping}");
    assert!(
        document["migration"]
            .as_str()
            .unwrap()
            .contains("CREATE TABLE scim_journal")
    );
    let warnings = document["warnings"].to_string();
    assert!(
        warnings.contains("no index begins with the tenant"),
        "{warnings}"
    );
}

#[test]
fn logins_that_are_not_folded_are_mapped_as_they_are() {
    let folder = folder("unfolded");
    let table = "CREATE TABLE users (id TEXT PRIMARY KEY, login TEXT NOT NULL UNIQUE);
        INSERT INTO users VALUES ('1', 'Ada@Example.com'), ('2', 'bob@example.com')";
    let (connection, url) = database(&folder, table);
    let (file, out, err) = init(&folder, &url, &["--table", "users"]);
    assert!(
        !out.contains("fold") && err.contains("is not folded"),
        "{out}{err}"
    );
    create_side_tables(&connection, &url);
    let doctor = ["doctor", "--database", &url, "--mapping", &file];
    let (status, out, _) = scimkit(&doctor);
    assert_eq!(status, 0);
    assert!(
        out.starts_with("hint: users.login: SQL can't compare"),
        "{out}"
    );

    let folded = fs::read_to_string(&file).unwrap();
    let folded = folded.replace(
        "login = \"text\"",
        "login = { type = \"text\", folded = true }",
    );
    fs::write(
        &file,
        folded.replace(
            "field = \"login\"",
            "field = \"login\"\ntransform = [\"fold\"]",
        ),
    )
    .unwrap();
    let (status, out, _) = scimkit(&doctor);
    let fix = r#"UPDATE "users" SET "login" = 'ada@example.com' WHERE "id" = '1';"#;
    assert_eq!(status, 1);
    let expected = format!(
        "error: users.login, row `1`: the text is not folded: filters do not find the row\n    {fix}\n"
    );
    assert_eq!(out, expected);
    connection.execute_batch(fix).unwrap();
    assert_eq!(scimkit(&doctor).0, 0);
}

#[test]
fn doctor_examines_groups_and_members() {
    let folder = folder("groups");
    let tables = "CREATE TABLE users (id INTEGER PRIMARY KEY, login TEXT NOT NULL UNIQUE, created_at TEXT, updated_at TEXT);
        CREATE TABLE teams (id INTEGER PRIMARY KEY, name TEXT NOT NULL, notes TEXT, created INTEGER, changed_at INTEGER);
        CREATE TABLE team_members (team_id INTEGER NOT NULL, user_id INTEGER NOT NULL);
        INSERT INTO team_members VALUES (1, 1), (1, 1)";
    let (connection, url) = database(&folder, tables);
    let (file, out, _) = init(&folder, &url, &["--table", "users", "--groups", "teams"]);
    for line in [
        r#"times = { created = "created_at", modified = "updated_at", form = "timestamp" }"#,
        r#"times = { created = "created", modified = "changed_at", form = "seconds" }"#,
        r#"members = { table = "team_members", group = "team_id", user = "user_id" }"#,
    ] {
        assert!(out.contains(line), "{out}");
    }
    create_side_tables(&connection, &url);
    let doctor = ["doctor", "--json", "--database", &url, "--mapping", &file];
    let (status, out, err) = scimkit(&doctor);
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(status, 1, "{err}");
    let counts = json!({"duplicate": 1, "missing_index": 1, "missing_unique_index": 1});
    assert_eq!(document["counts"], counts);
    for finding in document["findings"].as_array().unwrap() {
        connection
            .execute_batch(finding["fix"].as_str().unwrap())
            .unwrap();
    }
    let (status, out, _) = scimkit(&doctor);
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((status, &document["findings"]), (0, &json!([])));
}

#[test]
fn what_can_not_be_used_is_said() {
    let folder = folder("unusable");
    let (_connection, url) = database(
        &folder,
        "CREATE TABLE users (id TEXT PRIMARY KEY, login TEXT); CREATE TABLE odd (a, b)",
    );
    let missing = format!("sqlite:{}", folder.join("no.db").display());
    let mapping = folder.join("bad.toml");
    fs::write(&mapping, "[[User.map]]\nscim = 'userNam'\nfield = 'login'").unwrap();
    let mapping = mapping.to_str().unwrap();
    let table = folder.join("table.toml");
    fs::write(&table, "[User]\ntable = 'users'\n\n\n").unwrap();
    let table = table.to_str().unwrap();
    let rules = folder.join("rules.toml");
    fs::write(&rules, "[[User.map]]\nscim = 'userName'\nfield = 'login'").unwrap();
    let rules = rules.to_str().unwrap();
    let cases: [(&[&str], i32, &str); 9] = [
        (
            &["init", "--database", &missing, "--table", "users"],
            2,
            "there is no file",
        ),
        (
            &["init", "--database", "mysql:x", "--table", "users"],
            2,
            "expected `sqlite:PATH` or `postgres://…`",
        ),
        (
            &[
                "init",
                "--database",
                "postgres://x:port/",
                "--table",
                "users",
            ],
            2,
            "invalid value",
        ),
        (
            &["init", "--database", &url, "--table", "user"],
            2,
            "there is no table `user`",
        ),
        (
            &["init", "--database", &url, "--table", "odd"],
            2,
            "no primary key",
        ),
        (
            &[
                "init",
                "--database",
                &url,
                "--table",
                "users",
                "--tenant",
                "t",
            ],
            2,
            "no column `t`",
        ),
        (
            &["doctor", "--database", &url, "--mapping", mapping],
            1,
            "bad.toml:2:8: rule 1 of User: unknown attribute `userNam`, did you mean `userName`?",
        ),
        (
            &[
                "doctor",
                "--database",
                &url,
                "--mapping",
                table,
                "--mapping",
                mapping,
            ],
            1,
            "bad.toml:2:8: rule 1 of User: unknown attribute",
        ),
        (
            &["doctor", "--database", &url, "--mapping", rules],
            2,
            "the mapping names no table for User: add `[User.table]`",
        ),
    ];
    for (arguments, expected, text) in cases {
        let (status, out, err) = scimkit(arguments);
        assert_eq!(status, expected, "{arguments:?}: {out}{err}");
        assert!(err.contains(text), "{arguments:?}: {err}");
    }
}

#[test]
fn tables_in_postgresql_are_mapped_and_examined() {
    let Some(database) = postgres::database() else {
        return;
    };
    let url = database.schema().unwrap();
    let run = |sql: &str| postgres::execute(&url, sql).unwrap();
    run(r#"CREATE TABLE users (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(), login text COLLATE "C" NOT NULL UNIQUE, display_name text,
        disabled_at timestamptz, department varchar(80), settings jsonb, created_at timestamptz NOT NULL DEFAULT now());
        INSERT INTO users (login) VALUES ('ada@example.com')"#);
    let folder = folder("postgresql");
    let (file, out, err) = init(&folder, &url, &["--table", "users"]);
    assert!(
        !err.contains("error: ") && !err.contains("warning: "),
        "{err}"
    );
    let code = r#"id = { column = "id", type = "uuid", generated = true }"#;
    assert!(out.contains(code) && out.contains("since = false"), "{out}");
    let (status, sql, _) = scimkit(&["init", "--database", &url, "--table", "users", "--sql"]);
    assert_eq!(status, 0);
    run(&sql);
    let doctor = ["doctor", "--database", &url, "--mapping", &file];
    let (status, said, err) = scimkit(&doctor);
    assert_eq!(
        (status, said.as_str()),
        (0, "ok: nothing would go wrong\n"),
        "{out}{err}"
    );
    run("INSERT INTO users (login) VALUES ('BOB')");
    let (status, said, _) = scimkit(&doctor);
    assert!(
        status == 1 && said.contains("the text is not folded"),
        "{said}"
    );
}
