//! Statements of the application and of the store in one transaction of PostgreSQL.

use std::sync::Arc;

use chrono::DateTime;
use deadpool_postgres::RecyclingMethod;
use scimkit_registry::{Change, ResourceId, Tolerance};
use scimkit_store::{
    Batch, RequestContext, Settings, Store as _, StoreError, TenantId, WriteOp, Written,
    engine::RowEdit, rows::TransactionMode,
};
use scimkit_tables::{
    Driver as _, SqlStatement, SqlValue, TableStore, TokioPostgresDriver, Transaction as _,
};
use scimkit_testkit::postgres;
use serde_json::json;

use crate::{
    layouts::TEXT, postgres_layouts::TEXT_TABLES, support::wait, tokio_postgres_driver::pool,
};

const OWN: &str = "CREATE TABLE invoices (buyer text NOT NULL REFERENCES users);
    CREATE TABLE audit (event text NOT NULL CHECK (event <> 'put u-bad'));
    CREATE UNIQUE INDEX one_free_plan ON users (plan) WHERE login_key LIKE 'free-%';";

struct Product {
    context: RequestContext,
    store: TableStore<TokioPostgresDriver>,
}

impl Product {
    fn batch(&self, id: &str, name: &str) -> Batch {
        let user = self.context.settings.registry.resource_type("User");
        let user = user.unwrap();
        let document = user.admit(json!({"userName": name}), &Tolerance::DEFAULT);
        let create = WriteOp::Create {
            change: Change::create(Arc::clone(user), document.unwrap()),
            existing_match: None,
            id: ResourceId::from(id),
        };
        Batch::new(DateTime::UNIX_EPOCH, vec![create])
    }

    fn create(&self, id: &str, name: &str) -> Result<Written, StoreError> {
        let batch = self.batch(id, name);
        wait(self.store.write(&self.context, batch))?.pop().unwrap()
    }

    fn count(&self, table: &str) -> SqlValue {
        wait(async {
            let driver = self.store.driver();
            let mut read = driver.begin(TransactionMode::Read).await.unwrap();
            let count = SqlStatement::new(format!("SELECT count(*) FROM {table}"));
            let rows = read.run(vec![count]).await.unwrap();
            rows.into_iter().flatten().flatten().next().unwrap()
        })
    }

    fn counts(&self) -> [SqlValue; 4] {
        ["users", "invoices", "audit", "scim_journal"].map(|table| self.count(table))
    }
}

fn insert(table: &str, value: &str) -> Vec<SqlStatement> {
    let text = format!("INSERT INTO {table} VALUES ($1)");
    vec![SqlStatement::new(text).with_parameter(value)]
}

fn audit(_: &RequestContext, edit: RowEdit<'_>) -> Vec<SqlStatement> {
    match edit {
        RowEdit::Put(row) => insert("audit", &format!("put {}", row.id)),
        _ => Vec::new(),
    }
}

#[test]
fn statements_are_committed_and_rolled_back_together() {
    let Some(database) = postgres::database() else {
        return;
    };
    database.execute(TEXT_TABLES).unwrap();
    database.execute(OWN).unwrap();
    let settings = Settings::new("https://app.example/scim/v2");
    let driver = TokioPostgresDriver::new(pool(database.url(), 3, RecyclingMethod::Fast));
    let store = TableStore::builder(driver, TEXT.mapping())
        .with_statements(audit)
        .build(&settings.registry)
        .unwrap();
    wait(store.migrate()).unwrap();
    let context = RequestContext::new(TenantId::default(), Arc::new(settings));
    let product = Product { context, store };
    let begin = || wait(product.store.driver().begin(TransactionMode::Write)).unwrap();
    let write_in = |transaction, id, name| {
        let batch = product.batch(id, name);
        wait(product.store.write_in(transaction, &product.context, batch))
    };
    let numbers = |counts: [i64; 4]| counts.map(SqlValue::Integer);

    product.create("u1", "free-1").unwrap();
    assert_eq!(product.counts(), numbers([1, 0, 1, 1]));
    let failed = product.create("u-bad", "ada").unwrap_err();
    assert!(matches!(failed, StoreError::Backend(_)), "{failed}");
    assert_eq!(product.counts(), numbers([1, 0, 1, 1]));

    // The invoice refers to the row that the store has added in the same transaction.
    let mut open = write_in(begin(), "u2", "ada").unwrap();
    assert!(open.answers[0].is_ok());
    wait(open.transaction.run(insert("invoices", "u2"))).unwrap();
    assert_eq!(product.counts(), numbers([1, 0, 1, 1]));
    wait(open.transaction.commit()).unwrap();
    assert_eq!(product.counts(), numbers([2, 1, 2, 2]));

    // A statement of the application fails after the write.
    let mut open = write_in(begin(), "u3", "bo").unwrap();
    let failed = wait(open.transaction.run(insert("invoices", "nobody")));
    assert!(failed.is_err());
    drop(open);
    assert_eq!(product.counts(), numbers([2, 1, 2, 2]));

    // The write fails after a statement of the application.
    let mut transaction = begin();
    wait(transaction.run(insert("invoices", "u1"))).unwrap();
    let failed = write_in(transaction, "u4", "free-2");
    assert!(
        matches!(failed, Err(StoreError::Duplicate { .. })),
        "{failed:?}"
    );
    assert_eq!(product.counts(), numbers([2, 1, 2, 2]));
}
