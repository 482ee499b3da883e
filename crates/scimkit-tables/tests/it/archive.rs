//! Export, import and erasure, as the application sees them.

use std::{io::Cursor, sync::Arc};

use chrono::DateTime;
use rusqlite::Connection;
use scimkit_registry::{Change, ResourceId, Tolerance};
use scimkit_store::{
    Archive, RequestContext, Settings, StoreError, StoreExt as _, TenantId,
    archive::{
        ArchiveError, ArchiveOptions, Erased, NumberedRecord, RecordSource, export_to, import_from,
    },
    next_item, stream_from,
};
use scimkit_tables::{RusqliteDriver, TableStore};
use serde_json::{Value, json};

use crate::{
    layouts::{INTEGER, Layout, TEXT},
    support::wait,
};

#[test]
fn a_purge_needs_one_connection() {
    let store = crate::layouts::COMPOSITE.in_memory();
    let settings = Arc::new(Settings::new("https://app.example/scim/v2"));
    let tenant = TenantId::default();
    let context = RequestContext::new(tenant.clone(), settings);
    let kind = Arc::clone(context.settings.registry.resource_type("User").unwrap());
    let document = kind
        .admit(json!({"userName": "ada"}), &Tolerance::DEFAULT)
        .unwrap();
    let at = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
    let change = Change::create(kind, document);
    wait(store.create(&context, at, ResourceId::from("u1"), change)).unwrap();
    assert_eq!(wait(store.purge_deleted(&tenant, at)).unwrap(), 0);
}

struct Product {
    context: RequestContext,
    folder: tempfile::TempDir,
    own: Connection,
    store: TableStore<RusqliteDriver>,
}

impl Product {
    fn new(layout: &Layout) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, own) = layout.in_file(&folder.path().join("app.sqlite"));
        let settings = Arc::new(Settings::new("https://app.example/scim/v2"));
        Product {
            context: RequestContext::new(TenantId::default(), settings),
            folder,
            own,
            store,
        }
    }

    fn create(&self, kind: &str, id: &str, body: Value) {
        let kind = self.context.settings.registry.resource_type(kind).unwrap();
        let document = kind.admit(body, &Tolerance::DEFAULT).unwrap();
        let change = Change::create(Arc::clone(kind), document);
        let at = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        let id = ResourceId::from(id);
        wait(self.store.create(&self.context, at, id, change)).unwrap();
    }

    fn fill(&self) {
        let ada = json!({"userName": "Ada", "title": "Dr", "nickName": "Countess"});
        self.create("User", "u1", ada);
        self.create("User", "u2", json!({"userName": "bo"}));
        self.create("Group", "g0", json!({"displayName": "Analysts"}));
        let members = json!([{"value": "u1"}, {"value": "g0"}]);
        self.create(
            "Group",
            "g1",
            json!({"displayName": "Mathematicians", "members": members}),
        );
    }

    fn lines(&self) -> Result<String, ArchiveError> {
        let options = ArchiveOptions::default();
        let tenant = &self.context.tenant;
        let exported = wait(export_to(&self.store, tenant, &options, Vec::new()));
        exported.map(|(lines, _)| String::from_utf8(lines).unwrap())
    }

    fn import(&self, lines: &str) -> Result<(), ArchiveError> {
        let input = Cursor::new(lines.as_bytes().to_vec());
        let options = ArchiveOptions::default();
        wait(import_from(&self.store, &self.context, &options, input)).map(drop)
    }

    fn erase(&self) -> Result<Erased, StoreError> {
        wait(self.store.erase_tenant(&self.context.tenant))
    }

    fn count(&self, table: &str) -> i64 {
        let text = format!("SELECT count(*) FROM {table}");
        self.own.query_row(&text, [], |row| row.get(0)).unwrap()
    }
}

#[test]
fn tables_of_another_product_have_the_same_rows_after_import() {
    let (from, to) = (Product::new(&TEXT), Product::new(&TEXT));
    from.fill();
    let lines = from.lines().unwrap();
    to.import(&lines).unwrap();
    assert_eq!(to.lines().unwrap(), lines);
    assert_eq!([to.count("users"), to.count("memberships")], [2, 1]);
    let title = "SELECT login_key, job_title FROM users WHERE id = 'u1'";
    let row = to
        .own
        .query_row(title, [], |row| Ok((row.get(0)?, row.get(1)?)));
    assert_eq!(row.unwrap(), ("ada".to_owned(), "Dr".to_owned()));
}

#[test]
fn rows_that_the_application_changed_have_the_next_version() {
    let product = Product::new(&TEXT);
    product.fill();
    let change = "UPDATE users SET job_title = 'Prof' WHERE id = 'u1';
        INSERT INTO users (id, login, login_key) VALUES ('u3', 'cy', 'cy');";
    product.own.execute_batch(change).unwrap();
    let lines = product.lines().unwrap();
    let version = |id: &str| {
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut resources = lines.map(|mut line| line["resource"].take());
        let resource = resources.find(|resource| resource["id"] == id).unwrap();
        resource["version"].as_str().unwrap().to_owned()
    };
    assert_eq!(["u1", "u2", "u3"].map(version), ["5", "2", "5"]);
    let other = Product::new(&TEXT);
    other.import(&lines).unwrap();
    other.create("User", "u4", json!({"userName": "di"}));
    let lines = other.lines().unwrap();
    assert!(lines.contains(r#""versions":6}"#), "{lines}");
}

#[test]
fn application_never_sees_a_part_of_an_import() {
    let (from, to) = (Product::new(&TEXT), Product::new(&TEXT));
    from.fill();
    let records = wait(async {
        let mut records = Vec::new();
        let mut export = from.store.export_records(&from.context.tenant);
        while let Some(record) = next_item(&mut export).await {
            records.push(record.unwrap());
        }
        records
    });
    let path = to.folder.path().join("app.sqlite");
    let is_empty = move || {
        let own = Connection::open(&path).unwrap();
        let count = own.query_row("SELECT count(*) FROM users", [], |row| row.get::<_, i64>(0));
        assert_eq!(count.unwrap(), 0);
    };
    // Checked whenever the import takes a record.
    let numbered = (1..).zip(records).map(move |(line, record)| {
        is_empty();
        Ok(NumberedRecord { line, record })
    });
    let source: RecordSource<'_> = stream_from(numbered);
    wait(to.store.import_records(&to.context, source)).unwrap();
    assert_eq!(to.count("users"), 2);
}

#[test]
fn row_that_the_database_rejects_is_named_and_nothing_is_imported() {
    let (from, to) = (Product::new(&TEXT), Product::new(&TEXT));
    from.fill();
    let check = "CREATE TRIGGER no_doctors BEFORE INSERT ON users WHEN new.job_title = 'Dr'
        BEGIN SELECT raise(ABORT, 'no doctors'); END;";
    to.own.execute_batch(check).unwrap();
    let lines = from.lines().unwrap();
    let line = 1 + lines
        .lines()
        .position(|line| line.contains("Countess"))
        .unwrap() as u64;
    let failed = to.import(&lines).unwrap_err();
    assert!(
        matches!(failed, ArchiveError::Line { line: found, .. } if found == line),
        "{failed}"
    );
    assert_eq!([to.count("users"), to.count("teams")], [0, 0]);
    to.own.execute_batch("DROP TRIGGER no_doctors").unwrap();
    to.import(&lines).unwrap();
    assert_eq!(to.lines().unwrap(), lines);
}

#[test]
fn ids_that_the_database_makes_are_not_imported() {
    let (from, to) = (Product::new(&TEXT), Product::new(&INTEGER));
    from.fill();
    let failed = to.import(&from.lines().unwrap()).unwrap_err();
    let expected =
        "line 2: the database makes the ids in `teams`, so that no others can be imported";
    assert_eq!(failed.to_string(), expected);
    assert_eq!([to.count("users"), to.count("scim_import")], [1, 0]);
}

#[test]
fn erasing_removes_the_rows_of_the_application() {
    let product = Product::new(&TEXT);
    product.fill();
    let bo = "INSERT INTO users (id, login, login_key) VALUES ('u3', 'cy', 'cy')";
    product.own.execute(bo, []).unwrap();
    assert_eq!(product.erase().unwrap(), Erased::All);
    for table in [
        "users",
        "teams",
        "memberships",
        "scim_resource",
        "scim_journal",
        "scim_counter",
    ] {
        assert_eq!(product.count(table), 0, "{table}");
    }
    assert_eq!(product.erase().unwrap(), Erased::Nothing);
    assert!(matches!(
        product.lines(),
        Err(ArchiveError::Store(StoreError::NotFound))
    ));
}

#[test]
fn erasing_fails_while_other_tables_refer_to_the_rows() {
    let product = Product::new(&TEXT);
    product.fill();
    let orders = "CREATE TABLE orders (buyer TEXT REFERENCES users);
        INSERT INTO orders VALUES ('u2');";
    product.own.execute_batch(orders).unwrap();
    let failed = product.erase().unwrap_err();
    let reason = std::error::Error::source(&failed)
        .map(ToString::to_string)
        .unwrap_or_default();
    assert!(
        reason.contains("`u2` can't be removed"),
        "{failed}: {reason}"
    );
    assert_eq!([product.count("users"), product.count("teams")], [2, 2]);
}
