//! `verify` finds what would go wrong, and its statements fix it.

use deadpool_postgres::RecyclingMethod;
use rusqlite::Connection;
use scimkit_mapping::Mapping;
use scimkit_registry::Registry;
use scimkit_tables::{
    FindingKind, FindingSeverity, RusqliteDriver, TableReport, TableStore, TokioPostgresDriver,
};
use scimkit_testkit::postgres;

use crate::{layouts::TEXT, support::wait, tokio_postgres_driver::pool};

const USERS: &str = r#"
[User.fields]
login = { type = "text", unique = true, filterable = true, folded = true }
directory_id = { type = "text", filterable = true }
is_active = "boolean"
status = "text"
nick = "text"
nick_key = { type = "text", folded = true }

[[User.map]]
scim = "userName"
field = "login"
transform = ["fold"]

[[User.map]]
scim = "externalId"
field = "directory_id"

[[User.map]]
scim = "active"
field = "is_active"

[[User.map]]
scim = "userType"
field = "status"
transform = [{ values = { Employee = "emp", Contractor = "con" } }]

[[User.map]]
scim = "nickName"
field = "nick"
key = "nick_key"
"#;

const GROUPS: &str = r#"
[Group.table]
name = "teams"
members = { table = "team_members", group = "team", user = "member" }

[Group.fields]
name = "text"

[[Group.map]]
scim = "displayName"
field = "name"
"#;

/// The columns of the users of a good schema; `id` comes before, and constraints after.
const COLUMNS: &str =
    "login TEXT NOT NULL UNIQUE, directory_id TEXT, is_active BOOLEAN NOT NULL DEFAULT TRUE,
    status VARCHAR(10), nick TEXT, nick_key TEXT, tenant TEXT NOT NULL DEFAULT 'acme'";

const GOOD: &str = "CREATE TABLE teams (id TEXT PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE team_members (team TEXT NOT NULL, member TEXT NOT NULL, PRIMARY KEY (team, member));
    CREATE INDEX by_member ON team_members (member);
    CREATE INDEX by_directory ON users (directory_id);
    INSERT INTO users (id, login, directory_id, is_active, status, nick, nick_key, tenant) VALUES
        ('u1', 'ada@example.com', 'D1', TRUE, 'emp', 'Straße', 'strasse', 'acme'),
        ('u2', 'bob@example.com', NULL, TRUE, NULL, NULL, NULL, 'acme');
    INSERT INTO teams VALUES ('t1', 'Staff');
    INSERT INTO team_members VALUES ('t1', 'u1'), ('t1', 'u2');";

/// Something that is wrong, and what is found.
struct Case {
    /// The SQL that breaks a good database.
    broken: &'static str,
    /// The kind, and its table and column if it has one, and its row if it has one: `users.login u1`.
    found: &'static [(FindingKind, &'static str)],
    /// The SQL that fixes it by hand where the findings have none.
    by_hand: &'static str,
}

fn users() -> String {
    users_with("")
}

/// The mapping of the users, with options of their table.
fn users_with(options: &str) -> String {
    format!("[User.table]\nname = \"users\"\n{options}\n{USERS}")
}

fn good(path: &std::path::Path, columns: &str) -> Connection {
    let own = Connection::open(path).unwrap();
    own.pragma_update(None, "journal_mode", "WAL").unwrap();
    let users = format!("CREATE TABLE users (id TEXT PRIMARY KEY NOT NULL, {columns});");
    own.execute_batch(&(users + GOOD)).unwrap();
    own
}

fn store(path: &std::path::Path, users: &str) -> TableStore<RusqliteDriver> {
    let mapping = Mapping::builder().text(users).text(GROUPS);
    let store = TableStore::builder(RusqliteDriver::open(path).unwrap(), mapping);
    store.build(&Registry::standard()).unwrap()
}

fn found(report: &TableReport) -> Vec<(FindingKind, String)> {
    let findings = report.findings().iter();
    let place = |finding: &scimkit_tables::TableFinding| {
        let column = finding.column.as_ref().map(|column| format!(".{column}"));
        let row = finding.row.as_ref().map(|row| format!(" {row}"));
        format!(
            "{}{}{}",
            finding.table,
            column.unwrap_or_default(),
            row.unwrap_or_default()
        )
    };
    findings
        .map(|finding| (finding.kind, place(finding)))
        .collect()
}

/// Runs the statements of a report, and returns how many findings had none.
fn fix(own: &Connection, report: &TableReport) -> usize {
    let mut without = 0;
    for finding in report.findings() {
        match &finding.fix {
            Some(sql) => own
                .execute_batch(sql)
                .unwrap_or_else(|error| panic!("{sql}: {error}")),
            None => without += 1,
        }
    }
    without
}

fn check(case: &Case, users: &str, columns: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    let own = good(&path, columns);
    let store = store(&path, users);
    wait(store.migrate()).unwrap();
    own.execute_batch(case.broken).unwrap();
    let report = wait(store.verify()).unwrap();
    let expected: Vec<_> = case
        .found
        .iter()
        .map(|(kind, place)| (*kind, (*place).to_owned()))
        .collect();
    assert_eq!(
        found(&report),
        expected,
        "{}: {:#?}",
        case.broken,
        report.findings()
    );
    let without = fix(&own, &report);
    assert_eq!(without > 0, !case.by_hand.is_empty(), "{}", case.broken);
    own.execute_batch(case.by_hand).unwrap();
    let report = wait(store.verify()).unwrap();
    assert!(
        report.is_clean(),
        "{}: {:#?}",
        case.broken,
        report.findings()
    );
}

const CASES: &[Case] = &[
    Case {
        broken: "",
        found: &[],
        by_hand: "",
    },
    Case {
        broken: "ALTER TABLE teams RENAME TO squads",
        found: &[(FindingKind::MissingTable, "teams")],
        by_hand: "ALTER TABLE squads RENAME TO teams",
    },
    Case {
        broken: "DROP TABLE team_members",
        found: &[(FindingKind::MissingTable, "team_members")],
        by_hand: "",
    },
    Case {
        broken: "ALTER TABLE users DROP COLUMN nick",
        found: &[(FindingKind::MissingColumn, "users.nick")],
        by_hand: "",
    },
    Case {
        broken: "ALTER TABLE users RENAME COLUMN status TO state",
        found: &[(FindingKind::MissingColumn, "users.status")],
        by_hand: "ALTER TABLE users RENAME COLUMN state TO status",
    },
    Case {
        broken: "UPDATE users SET login = 'Ada@Example.com' WHERE id = 'u1'",
        found: &[(FindingKind::NotFolded, "users.login u1")],
        by_hand: "",
    },
    Case {
        broken: "UPDATE users SET login = 'it''s STRAßE' WHERE id = 'u1'",
        found: &[(FindingKind::NotFolded, "users.login u1")],
        by_hand: "",
    },
    Case {
        broken: "UPDATE users SET nick_key = 'straße' WHERE id = 'u1'",
        found: &[(FindingKind::NotFolded, "users.nick_key u1")],
        by_hand: "",
    },
    Case {
        broken: "UPDATE users SET nick_key = NULL WHERE id = 'u1'",
        found: &[(FindingKind::NotFolded, "users.nick_key u1")],
        by_hand: "",
    },
    Case {
        broken: "INSERT INTO users (id, login) VALUES ('u3', 'BOB@example.com')",
        found: &[
            (FindingKind::Duplicate, "users.login u3"),
            (FindingKind::NotFolded, "users.login u3"),
        ],
        by_hand: "DELETE FROM users WHERE id = 'u3'",
    },
    Case {
        broken: "DROP INDEX by_directory",
        found: &[(FindingKind::MissingIndex, "users.directory_id")],
        by_hand: "",
    },
    Case {
        broken: "DROP INDEX by_directory; CREATE INDEX some_directories ON users (directory_id) WHERE is_active",
        found: &[(FindingKind::MissingIndex, "users.directory_id")],
        by_hand: "",
    },
    Case {
        broken: "DROP TABLE team_members; CREATE TABLE team_members (team TEXT, member TEXT);
            INSERT INTO team_members VALUES ('t1', 'u1'), ('t1', 'u1'), ('t1', 'u1'), ('t1', 'u2')",
        found: &[
            (FindingKind::Duplicate, "team_members"),
            (FindingKind::MissingUniqueIndex, "team_members"),
            (FindingKind::MissingIndex, "team_members.member"),
        ],
        by_hand: "",
    },
    Case {
        broken: "ALTER TABLE team_members RENAME COLUMN member TO person",
        found: &[
            (FindingKind::MissingColumn, "team_members.member"),
            (FindingKind::UnfilledColumn, "team_members.person"),
        ],
        by_hand: "ALTER TABLE team_members RENAME COLUMN person TO member",
    },
    Case {
        broken: "UPDATE users SET is_active = 'maybe', status = 'boss' WHERE id = 'u2'",
        found: &[
            (FindingKind::InvalidValue, "users.is_active u2"),
            (FindingKind::InvalidValue, "users.status u2"),
        ],
        by_hand: "UPDATE users SET is_active = 0, status = 'con' WHERE id = 'u2'",
    },
    Case {
        broken: "UPDATE users SET login = ' ' WHERE id = 'u2'",
        found: &[(FindingKind::InvalidValue, "users.login u2")],
        by_hand: "UPDATE users SET login = 'bob' WHERE id = 'u2'",
    },
    Case {
        broken: "UPDATE teams SET name = ''",
        found: &[(FindingKind::InvalidValue, "teams.name t1")],
        by_hand: "UPDATE teams SET name = 'Staff'",
    },
    Case {
        broken: "DROP TABLE teams; CREATE TABLE teams (id TEXT PRIMARY KEY, name TEXT);
            INSERT INTO teams VALUES ('t1', NULL), (NULL, 'lost')",
        found: &[
            (FindingKind::InvalidKey, "teams"),
            (FindingKind::InvalidValue, "teams.name t1"),
        ],
        by_hand: "DELETE FROM teams WHERE id IS NULL; UPDATE teams SET name = 'Staff'",
    },
    Case {
        broken: "UPDATE scim_migration SET number = 1000 + number",
        found: &[(FindingKind::SideTables, "scim_migration")],
        by_hand: "UPDATE scim_migration SET number = number - 1000",
    },
];

#[test]
fn every_finding_is_detected_and_mended() {
    for case in CASES {
        check(case, &users(), COLUMNS);
    }
}

#[test]
fn missing_side_tables_are_created_by_their_statements() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    let own = good(&path, COLUMNS);
    let store = store(&path, &users());
    let report = wait(store.verify()).unwrap();
    assert_eq!(
        found(&report),
        [(FindingKind::SideTables, "scim_migration".to_owned())]
    );
    assert!(report.has_errors());
    assert_eq!(fix(&own, &report), 0);
    assert!(wait(store.verify()).unwrap().is_clean());
    // They are those of `migrate`, which has nothing left to do.
    wait(store.migrate()).unwrap();
}

/// Checks users of other columns, which must be as in the good schema otherwise.
fn check_columns(from: &str, to: &str, found: &'static [(FindingKind, &'static str)]) {
    let columns = COLUMNS.replace(from, to);
    assert_ne!(columns, COLUMNS);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    drop(good(&path, &columns));
    let store = store(&path, &users());
    wait(store.migrate()).unwrap();
    let report = wait(store.verify()).unwrap();
    let expected: Vec<_> = found
        .iter()
        .map(|(kind, place)| (*kind, (*place).to_owned()))
        .collect();
    assert_eq!(
        self::found(&report),
        expected,
        "{to}: {:#?}",
        report.findings()
    );
}

#[test]
fn types_constraints_and_collations_of_columns() {
    use FindingKind::{Collation, MissingUniqueIndex, OptionalValue, UnfilledColumn, UnfitType};
    check_columns(
        "is_active BOOLEAN",
        "is_active TEXT",
        &[
            (UnfitType, "users.is_active"),
            (FindingKind::InvalidValue, "users.is_active u1"),
            (FindingKind::InvalidValue, "users.is_active u2"),
        ],
    );
    check_columns(
        "status VARCHAR(10)",
        "status STRING",
        &[(UnfitType, "users.status")],
    );
    check_columns(
        "directory_id TEXT",
        "directory_id INTEGER",
        &[(UnfitType, "users.directory_id")],
    );
    check_columns(
        "status VARCHAR(10)",
        "status TEXT, plan TEXT NOT NULL DEFAULT 'free'",
        &[],
    );
    check_columns("DEFAULT 'acme'", "", &[(UnfilledColumn, "users.tenant")]);
    check_columns("TRUE", "TRUE, full TEXT NOT NULL AS (login || '!')", &[]);
    check_columns(
        "NOT NULL DEFAULT TRUE",
        "NOT NULL",
        &[(OptionalValue, "users.is_active")],
    );
    // Folded text is compared alike, but not text that is case exact.
    check_columns("login TEXT", "login TEXT COLLATE NOCASE", &[]);
    check_columns(
        "directory_id TEXT",
        "directory_id TEXT COLLATE NOCASE",
        &[(Collation, "users.directory_id")],
    );
    check_columns(
        "nick_key TEXT",
        "nick_key TEXT COLLATE RTRIM",
        &[(Collation, "users.nick_key")],
    );
    check_columns(
        "login TEXT NOT NULL UNIQUE",
        "login TEXT NOT NULL",
        &[(MissingUniqueIndex, "users.login")],
    );
    check_columns(
        "login TEXT NOT NULL UNIQUE",
        "LOGIN TEXT NOT NULL UNIQUE",
        &[],
    );
}

#[test]
fn tenants_have_an_index_and_unique_values_of_their_own() {
    let case = Case {
        broken: "UPDATE users SET tenant = 'other' WHERE id = 'u2'; UPDATE users SET login = 'ada@example.com'",
        found: &[
            (FindingKind::MissingIndex, "users.tenant"),
            (FindingKind::MissingUniqueIndex, "users.login"),
        ],
        by_hand: "",
    };
    let columns = COLUMNS.replace("UNIQUE", "") + ", UNIQUE (login, status)";
    check(&case, &users_with("tenant = 'tenant'"), &columns);
}

#[test]
fn keys_that_are_no_keys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    let own = good(&path, COLUMNS);
    own.execute_batch(
        "UPDATE users SET id = 'F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6' WHERE id = 'u1';
         UPDATE users SET id = '00000000-0000-0000-0000-000000000000' WHERE id = 'u2'",
    )
    .unwrap();
    let store = store(&path, &users_with("id = { type = 'uuid' }"));
    wait(store.migrate()).unwrap();
    let report = wait(store.verify()).unwrap();
    let place = "users.id F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6".to_owned();
    assert_eq!(found(&report), [(FindingKind::InvalidKey, place)]);
    assert_eq!(fix(&own, &report), 0);
    assert!(wait(store.verify()).unwrap().is_clean());
    own.execute_batch("UPDATE users SET id = 'x' WHERE login LIKE 'ada%'")
        .unwrap();
    let report = wait(store.verify()).unwrap();
    assert_eq!(
        found(&report),
        [(FindingKind::InvalidKey, "users.id x".to_owned())]
    );
    assert_eq!(report.findings()[0].fix, None);

    let users = users_with("id = { type = 'integer' }");
    let store = self::store(&path, &users);
    let report = wait(store.verify()).unwrap();
    let expected = [
        (FindingKind::UnfitType, "users.id".to_owned()),
        (
            FindingKind::InvalidKey,
            "users.id 00000000-0000-0000-0000-000000000000".to_owned(),
        ),
        (FindingKind::InvalidKey, "users.id x".to_owned()),
        (FindingKind::UnfitType, "team_members.member".to_owned()),
    ];
    assert_eq!(found(&report), expected);
}

#[test]
fn unique_columns_that_are_not_folded_are_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    let own = good(&path, COLUMNS);
    own.execute_batch("UPDATE users SET login = 'Ada@Example.com' WHERE id = 'u1'")
        .unwrap();
    let mapping = users().replace("filterable = true, folded = true", "filterable = true");
    let store = store(&path, &mapping);
    wait(store.migrate()).unwrap();
    let report = wait(store.verify()).unwrap();
    assert_eq!(
        found(&report),
        [(FindingKind::NotComparable, "users.login".to_owned())]
    );
    assert_eq!(report.findings()[0].severity(), FindingSeverity::Hint);
    assert!(!report.has_errors());
}

#[test]
fn many_rows_are_read_in_pages_and_reported_up_to_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    let own = good(&path, COLUMNS);
    own.execute_batch(
        "INSERT INTO users (id, login) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1203)
         SELECT 'n' || i, 'USER' || i FROM n",
    )
    .unwrap();
    let store = store(&path, &users());
    wait(store.migrate()).unwrap();
    let report = wait(store.verify()).unwrap();
    assert_eq!(
        report.counts().collect::<Vec<_>>(),
        [(FindingKind::NotFolded, 1203)]
    );
    assert_eq!(report.findings().len() as u64, TableReport::LIMIT);
    assert_eq!(report.omitted(), 1203 - TableReport::LIMIT);
    own.execute_batch("UPDATE users SET login = lower(login)")
        .unwrap();
    assert!(wait(store.verify()).unwrap().is_clean());
}

/// The columns of the users of a good schema in PostgreSQL.
const POSTGRES_COLUMNS: &str =
    "login text COLLATE \"C\" NOT NULL UNIQUE, directory_id varchar(40) COLLATE \"C\",
    is_active boolean NOT NULL DEFAULT true, status text, nick text, nick_key text COLLATE \"C\",
    tenant text NOT NULL DEFAULT 'acme'";

#[test]
fn findings_in_postgresql_are_detected_and_mended() {
    use FindingKind::{
        Collation, Duplicate, InvalidValue, MissingColumn, MissingIndex, MissingTable,
        MissingUniqueIndex, NotFolded, OptionalValue, UnfilledColumn, UnfitType,
    };
    let Some(database) = postgres::database() else {
        return;
    };
    let cases: &[(&str, &[(FindingKind, &str)])] = &[
        ("", &[]),
        ("DROP TABLE team_members", &[(MissingTable, "team_members")]),
        ("ALTER TABLE users DROP COLUMN nick", &[(MissingColumn, "users.nick")]),
        ("ALTER TABLE users ALTER COLUMN is_active DROP DEFAULT, ALTER COLUMN is_active TYPE text USING 'true'", &[
            (UnfitType, "users.is_active"),
            (OptionalValue, "users.is_active"),
            (InvalidValue, "users.is_active u1"),
            (InvalidValue, "users.is_active u2"),
        ]),
        ("ALTER TABLE users ADD COLUMN plan text NOT NULL DEFAULT 'x'; ALTER TABLE users ALTER COLUMN plan DROP DEFAULT", &[
            (UnfilledColumn, "users.plan"),
        ]),
        ("ALTER TABLE users ADD COLUMN n int GENERATED ALWAYS AS IDENTITY", &[]),
        ("UPDATE users SET login = 'Ada@Example.com' WHERE id = 'u1'", &[(NotFolded, "users.login u1")]),
        ("CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
          ALTER TABLE users ALTER COLUMN directory_id TYPE varchar(40) COLLATE ci", &[(Collation, "users.directory_id")]),
        ("CREATE COLLATION de (provider = icu, locale = 'de');
          ALTER TABLE users ALTER COLUMN login TYPE text COLLATE de", &[(Collation, "users.login")]),
        ("ALTER TABLE users DROP CONSTRAINT users_login_key; CREATE INDEX ON users (login)", &[
            (MissingUniqueIndex, "users.login"),
        ]),
        ("DROP INDEX by_directory; CREATE INDEX ON users (lower(directory_id))", &[(MissingIndex, "users.directory_id")]),
        ("ALTER TABLE team_members DROP CONSTRAINT team_members_pkey; INSERT INTO team_members VALUES ('t1', 'u1'), ('t1', 'u1')", &[
            (Duplicate, "team_members"),
            (MissingUniqueIndex, "team_members"),
        ]),
    ];
    for (broken, expected) in cases {
        let url = database.schema().unwrap();
        let client = pool(&url, 2, RecyclingMethod::Fast);
        let run = |sql: String| {
            let client = client.clone();
            wait(async move { client.get().await.unwrap().batch_execute(&sql).await })
        };
        run(format!(
            "CREATE TABLE users (id text PRIMARY KEY, {POSTGRES_COLUMNS}); {GOOD}"
        ))
        .unwrap();
        let mapping = Mapping::builder().text(&users()).text(GROUPS);
        let store = TableStore::builder(TokioPostgresDriver::new(client.clone()), mapping);
        let store = store.build(&Registry::standard()).unwrap();
        wait(store.migrate()).unwrap();
        run((*broken).to_owned()).unwrap();
        let report = wait(store.verify()).unwrap();
        let places: Vec<_> = expected
            .iter()
            .map(|(kind, place)| (*kind, (*place).to_owned()))
            .collect();
        assert_eq!(found(&report), places, "{broken}: {:#?}", report.findings());
        // A type that fits fixes the values, too.
        let fixes = report
            .findings()
            .iter()
            .filter_map(|finding| finding.fix.clone());
        for sql in fixes {
            run(sql.clone()).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        }
        let report = wait(store.verify()).unwrap();
        assert!(report.is_clean(), "{broken}: {:#?}", report.findings());
    }
}

#[test]
fn values_in_another_table_that_are_not_folded_are_found_and_mended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    let own = Connection::open(&path).unwrap();
    own.execute_batch(TEXT.sql).unwrap();
    let store = TEXT.store(RusqliteDriver::open(&path).unwrap());
    let rows = "INSERT INTO users (id, login, login_key) VALUES ('u1', 'ada', 'ada');
        INSERT INTO user_emails (user_id, kind, address, address_key) VALUES
            ('u1', 'work', 'Ada@x.example', 'ada@x.example'),
            ('u1', 'home', 'It''s@x.example', 'It''s@x.example'),
            ('u1', 'other', 'b@x.example', 'c@x.example')";
    own.execute_batch(rows).unwrap();
    let report = wait(store.verify()).unwrap();
    let place = "user_emails.address_key u1".to_owned();
    let expected = [place.clone(), place].map(|place| (FindingKind::NotFolded, place));
    let not_folded = |report: &TableReport| {
        let mut found = found(report);
        found.retain(|(kind, _)| *kind == FindingKind::NotFolded);
        found
    };
    assert_eq!(not_folded(&report), expected, "{:#?}", report.findings());
    fix(&own, &report);
    let report = wait(store.verify()).unwrap();
    assert_eq!(not_folded(&report), [], "{:#?}", report.findings());
    let mut keys = own
        .prepare("SELECT address_key FROM user_emails ORDER BY 1")
        .unwrap();
    let keys = keys.query_map([], |row| row.get(0)).unwrap();
    let keys: Vec<String> = keys.map(Result::unwrap).collect();
    assert_eq!(keys, ["ada@x.example", "b@x.example", "it's@x.example"]);
}
