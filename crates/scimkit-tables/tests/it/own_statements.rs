//! Statements of the application and of the store in one transaction.

use std::{error::Error as _, sync::Arc};

use chrono::{DateTime, Utc};
use rusqlite::Connection;
use scimkit_registry::{Change, ResourceId, ResourceType, Tolerance};
use scimkit_store::{
    Batch, ExpectedVersion, RequestContext, Settings, Store as _, StoreError, TenantId, WriteOp,
    Written,
    engine::{RowEdit, RowState},
    rows::TransactionMode,
};
use scimkit_tables::{
    Driver as _, OpenWrite, RusqliteDriver, SqlStatement, TableStore, Transaction as _,
};
use serde_json::{Value, json};

use crate::{layouts::TEXT, support::wait};

const OWN: &str = "CREATE TABLE audit (event TEXT NOT NULL CHECK (event <> 'put u-bad'));
    CREATE TABLE sessions (user TEXT NOT NULL REFERENCES users);";

struct Product {
    context: RequestContext,
    _folder: tempfile::TempDir,
    own: Connection,
    store: TableStore<RusqliteDriver>,
    user: Arc<ResourceType>,
}

impl Product {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.sqlite");
        let (_, own) = TEXT.in_file(&path);
        own.execute_batch(OWN).unwrap();
        let settings = Settings::new("https://app.example/scim/v2");
        let connect = move || {
            let connection = Connection::open(&path)?;
            connection.pragma_update(None, "foreign_keys", true)?;
            Ok(connection)
        };
        let driver = RusqliteDriver::with_connections(1, connect).unwrap();
        let store = TableStore::builder(driver, TEXT.mapping())
            .with_statements(statements)
            .build(&settings.registry);
        let user = Arc::clone(settings.registry.resource_type("User").unwrap());
        Product {
            context: RequestContext::new(TenantId::default(), Arc::new(settings)),
            _folder: folder,
            own,
            store: store.unwrap(),
            user,
        }
    }

    fn create(&self, id: &str, name: &str) -> WriteOp {
        let document = self
            .user
            .admit(json!({"userName": name}), &Tolerance::DEFAULT);
        WriteOp::Create {
            change: Change::create(Arc::clone(&self.user), document.unwrap()),
            existing_match: None,
            id: ResourceId::from(id),
        }
    }

    fn delete(&self, id: &str) -> WriteOp {
        WriteOp::Delete {
            expect: ExpectedVersion::Any,
            id: ResourceId::from(id),
            kind: Arc::clone(&self.user),
        }
    }

    fn write(&self, write: WriteOp) -> Result<Written, StoreError> {
        let batch = Batch::new(at(), vec![write]);
        wait(self.store.write(&self.context, batch))?.pop().unwrap()
    }

    fn texts(&self, sql: &str) -> Vec<String> {
        let mut statement = self.own.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    fn audit(&self) -> Vec<String> {
        self.texts("SELECT event FROM audit ORDER BY rowid")
    }

    fn users(&self) -> Vec<String> {
        self.texts("SELECT id FROM users ORDER BY id")
    }
}

/// Ends the sessions of users who are removed, and records each change.
fn statements(context: &RequestContext, edit: RowEdit<'_>) -> Vec<SqlStatement> {
    let end = |id: &ResourceId| {
        SqlStatement::new("DELETE FROM sessions WHERE user = ?1").with_parameter(id.as_str())
    };
    let note = |verb: &str, id: &ResourceId| {
        let event = format!("{verb} {id}");
        SqlStatement::new("INSERT INTO audit (event) VALUES (?1)").with_parameter(event)
    };
    assert_eq!(context.tenant, TenantId::default());
    match edit {
        RowEdit::Bump(row) => vec![note("bump", &row.id)],
        RowEdit::Put(row) if row.state == RowState::Live => vec![note("put", &row.id)],
        RowEdit::Put(row) => vec![end(&row.id), note("soft-delete", &row.id)],
        RowEdit::Remove(row) => vec![end(&row.id), note("remove", &row.id)],
    }
}

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap()
}

fn document(written: &Written) -> Value {
    let stored = written.stored.as_ref().unwrap();
    Value::Object(stored.document.tree().unwrap().as_map().clone())
}

#[test]
fn statements_of_the_application_are_committed_with_the_rows() {
    let product = Product::new();
    product.write(product.create("u1", "ada")).unwrap();
    let session = "INSERT INTO sessions VALUES ('u1')";
    product.own.execute(session, []).unwrap();
    // The session refers to the row, so it has to go first.
    product.write(product.delete("u1")).unwrap();
    assert_eq!(product.audit(), ["put u1", "remove u1"]);
    assert_eq!(product.texts("SELECT user FROM sessions"), [""; 0]);
    assert_eq!(product.users(), [""; 0]);
}

#[test]
fn failed_statement_of_the_application_leaves_nothing() {
    let product = Product::new();
    let failed = product.write(product.create("u-bad", "ada")).unwrap_err();
    assert!(matches!(failed, StoreError::Backend(_)), "{failed}");
    let reason = failed.source().unwrap();
    assert_eq!(reason.to_string(), "a statement of the application failed");
    assert_eq!(
        reason.source().unwrap().to_string(),
        "the database rejects a value"
    );
    assert_eq!((product.users(), product.audit()), (vec![], vec![]));
    assert_eq!(product.texts("SELECT id FROM scim_journal"), [""; 0]);
    let made = product.write(product.create("u1", "ada")).unwrap();
    assert_eq!(made.version.unwrap().as_str(), "1");
}

#[test]
fn write_that_is_only_checked_runs_no_statement_for_good() {
    let product = Product::new();
    let batch = Batch::new(at(), vec![product.create("u1", "ada")]).check_only();
    let answers = wait(product.store.write(&product.context, batch)).unwrap();
    assert_eq!(document(answers[0].as_ref().unwrap())["userName"], "ada");
    assert_eq!((product.users(), product.audit()), (vec![], vec![]));
}

#[test]
fn write_inside_a_transaction_is_committed_with_it() {
    let product = Product::new();
    let begin = || wait(product.store.driver().begin(TransactionMode::Write)).unwrap();
    let note = |event: &str| {
        vec![SqlStatement::new("INSERT INTO audit VALUES (?1)").with_parameter(event)]
    };
    let mut transaction = begin();
    wait(transaction.run(note("before"))).unwrap();
    let taken = product.create("u2", "ADA");
    let batch = Batch::new(at(), vec![product.create("u1", "ada"), taken]);
    let open = wait(product.store.write_in(transaction, &product.context, batch)).unwrap();
    let OpenWrite {
        answers,
        mut transaction,
    } = open;
    assert!(matches!(&answers[1], Err(StoreError::Duplicate { attr }) if attr == "userName"));
    wait(transaction.run(note("after"))).unwrap();
    assert_eq!((product.users(), product.audit()), (vec![], vec![]));
    wait(transaction.commit()).unwrap();
    assert_eq!(product.audit(), ["before", "put u1", "after"]);
    assert_eq!(product.users(), ["u1"]);

    // A transaction that is dropped leaves nothing, neither of the application nor of the store.
    let batch = Batch::new(at(), vec![product.create("u3", "bo")]);
    let open = wait(product.store.write_in(begin(), &product.context, batch)).unwrap();
    assert!(open.answers[0].is_ok());
    drop(open);
    assert_eq!((product.users().len(), product.audit().len()), (1, 3));
    assert_eq!(product.texts("SELECT id FROM scim_journal"), ["u1"]);
}

#[test]
fn transaction_is_rolled_back_if_the_database_rejects_a_row() {
    let product = Product::new();
    let index = "CREATE UNIQUE INDEX one_plan ON users (plan)";
    product.own.execute(index, []).unwrap();
    product.write(product.create("u1", "ada")).unwrap();
    let mut transaction = wait(product.store.driver().begin(TransactionMode::Write)).unwrap();
    let note = SqlStatement::new("INSERT INTO audit VALUES ('before')");
    wait(transaction.run(vec![note])).unwrap();
    let batch = Batch::new(at(), vec![product.create("u2", "bo")]);
    let failed = wait(product.store.write_in(transaction, &product.context, batch));
    assert!(
        matches!(failed, Err(StoreError::Duplicate { .. })),
        "{failed:?}"
    );
    assert_eq!(product.audit(), ["put u1"]);

    let transaction = wait(product.store.driver().begin(TransactionMode::Write)).unwrap();
    let batch = Batch::new(at(), vec![product.create("u3", "cy")]).check_only();
    let failed = wait(product.store.write_in(transaction, &product.context, batch));
    assert!(
        matches!(failed, Err(StoreError::Unsupported { .. })),
        "{failed:?}"
    );
}
