//! Writes inside a transaction that the application has begun.

use scimkit_store::{
    Batch, Intent, RequestContext, Store as _, StoreError, Written,
    engine::{Decision, WriteRequest, write},
    rows::RowTransaction as _,
};

use crate::{Driver, TableStore};

/// The results of a [write](TableStore::write_in) inside an open transaction. They are valid once the transaction is
/// committed.
#[derive(Debug)]
#[must_use = "the transaction is rolled back unless it is committed"]
#[expect(clippy::exhaustive_structs, reason = "a pair with names")]
pub struct OpenWrite<T> {
    /// The result of each write.
    pub answers: Vec<Result<Written, StoreError>>,
    /// The transaction.
    pub transaction: T,
}

impl<D: Driver> TableStore<D> {
    /// Writes a batch inside a transaction, so that it is committed together with statements of the application.
    ///
    /// - The transaction is one that the [driver](Self::driver) has begun for a write. The application can run its own
    ///   statements in it before and after the batch, and commits it.
    /// - A write that fails changes nothing, and the transaction goes on.
    /// - If the batch as a whole fails, the transaction is rolled back, with everything that the application has written
    ///   in it. It is not retried.
    /// - Other writes of the tenant wait until the transaction ends; in SQLite, all writes do.
    ///
    /// # Errors
    /// - [`StoreError::Duplicate`] and [`StoreError::Invalid`]: a constraint of the database rejects a row
    /// - [`StoreError::Unsupported`]: the batch is only to be [checked](Intent::Check), or needs a capability that the store
    ///   lacks
    /// - a [failure](StoreError::is_failure) of the store
    ///
    /// # Example
    /// ```
    /// # scimkit_testkit::contract::block_on(Box::pin(async {
    /// # use std::sync::Arc;
    /// # use chrono::DateTime;
    /// # use scimkit_mapping::Mapping;
    /// # use scimkit_registry::{Change, ResourceId, Tolerance};
    /// # use scimkit_store::{Batch, RequestContext, Settings, TenantId, WriteOp};
    /// # use scimkit_tables::RusqliteDriver;
    /// use scimkit_store::rows::TransactionMode;
    /// use scimkit_tables::{Driver, OpenWrite, SqlStatement, TableStore, Transaction};
    ///
    /// # let connection = rusqlite::Connection::open_in_memory().unwrap();
    /// # connection.execute_batch(
    /// #     "CREATE TABLE users (id TEXT PRIMARY KEY, login TEXT UNIQUE); CREATE TABLE invoices (buyer TEXT)",
    /// # ).unwrap();
    /// # let mapping = "[User]\ntable = 'users'\n[User.fields]\nlogin = 'text'\n[[User.map]]\nscim = 'userName'\nfield = 'login'";
    /// # let settings = Settings::new("https://app.example/scim/v2");
    /// # let driver = RusqliteDriver::with_connection(connection).unwrap();
    /// # let store = TableStore::builder(driver, Mapping::builder().text(mapping))
    /// #     .build(&settings.registry)
    /// #     .unwrap();
    /// # store.migrate().await.unwrap();
    /// # let user = Arc::clone(settings.registry.resource_type("User").unwrap());
    /// # let context = RequestContext::new(TenantId::default(), Arc::new(settings));
    /// # let document = user.admit(serde_json::json!({"userName": "ada"}), &Tolerance::DEFAULT).unwrap();
    /// # let change = Change::create(user, document);
    /// let create = WriteOp::Create { change, existing_match: None, id: ResourceId::from("7") };
    /// let batch = Batch::new(DateTime::UNIX_EPOCH, vec![create]);
    /// let transaction = store.driver().begin(TransactionMode::Write).await.unwrap();
    /// let OpenWrite { answers, mut transaction } = store.write_in(transaction, &context, batch).await.unwrap();
    /// assert!(answers[0].is_ok());
    /// let invoice = SqlStatement::new("INSERT INTO invoices (buyer) VALUES (?1)").with_parameter("7");
    /// transaction.run(vec![invoice]).await.unwrap();
    /// transaction.commit().await.unwrap();
    /// # }));
    /// ```
    pub async fn write_in(
        &self,
        transaction: D::Transaction,
        context: &RequestContext,
        batch: Batch,
    ) -> Result<OpenWrite<D::Transaction>, StoreError> {
        batch.check_support(&context.settings, |kind| self.support(kind))?;
        if batch.intent == Intent::Check {
            let feature = "a check inside an open transaction";
            return Err(StoreError::Unsupported { feature });
        }
        let mut rows = self.tables().write_rows(context, transaction);
        let mut request = WriteRequest::in_context(context, batch);
        rows.assign_ids(&mut request.batch.writes).await?;
        let mut answers = write(&mut rows, &mut Decision::new(request)).await?;
        Ok(OpenWrite {
            answers: answers.pop().unwrap_or_else(|| Ok(Vec::new()))?,
            transaction: rows.into_transaction(),
        })
    }
}
