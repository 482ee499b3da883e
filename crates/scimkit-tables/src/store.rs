//! The store.

use std::{sync::Arc, time::SystemTime};

use scimkit_mapping::{Mapping, MappingBuilder};
use scimkit_registry::{Edge, Registry, ResourceId, ResourceType};
use scimkit_sql::{
    reference,
    tables::{self, SqlStatement, SqlValue},
};
use scimkit_store::{
    Batch, BoxFuture, Capabilities, EdgeQuery, Page, Query, ReadOptions, RequestContext, Settings,
    Store, StoreError, StoredResource, TenantId,
    engine::{BatchAnswer, RowEdit},
    rows::{RowStore, TransactionMode},
};

use crate::{
    Driver, TableError, Transaction as _, database::Tables, own_statements::OwnStatements,
    side_tables::SideTables, table::BoundTable,
};

/// A store over the tables that an application has already.
///
/// - The rows stay the application's, and the application may change them at any time: the next request sees it. Nothing that
///   a column holds is stored anywhere else.
/// - What SCIM needs besides is in side tables of the same database, whose names begin with `scim_`:
///   [`migrate`](Self::migrate) creates them.
/// - The version of a resource is the number of its last change through SCIM. If the application has changed the row since, the
///   hash of the document is added to it, so that each state has a version of its own.
/// - The times of a resource are those of its changes through SCIM. A row that SCIM has never changed is as old as the side
///   tables.
/// - The [journal](scimkit_store::Journal) has an entry for each change through SCIM, but none for a change that the application
///   makes to its rows itself.
/// - A limit on resources ([`Capacity`](scimkit_store::engine::Capacity)) is exact among writers that go through the store.
///
/// # Example
/// ```
/// # scimkit_testkit::contract::block_on(Box::pin(async {
/// use std::sync::Arc;
/// use scimkit_mapping::Mapping;
/// use scimkit_store::{RequestContext, Settings, Store, Query, TenantId};
/// use scimkit_tables::{RusqliteDriver, TableStore};
///
/// let connection = rusqlite::Connection::open_in_memory().unwrap();
/// connection.execute_batch(
///     "CREATE TABLE users (id TEXT PRIMARY KEY, login TEXT NOT NULL UNIQUE, plan TEXT DEFAULT 'free');
///      INSERT INTO users (id, login) VALUES ('7', 'ada@example.com')",
/// ).unwrap();
/// let mapping = Mapping::builder().text(r#"
///     [User]
///     table = "users"
///
///     [User.fields]
///     login = { type = "text", folded = true }
///
///     [[User.map]]
///     scim = "userName"
///     field = "login"
///     transform = ["fold"]
/// "#);
/// let driver = RusqliteDriver::with_connection(connection).unwrap();
/// let (store, settings) = TableStore::builder(driver, mapping)
///     .open(Settings::new("https://app.example/scim/v2"))
///     .await
///     .unwrap();
///
/// let user = Arc::clone(settings.registry.resource_type("User").unwrap());
/// let context = RequestContext::new(TenantId::default(), Arc::new(settings));
/// let page = store.query(&context, &Query::new(user)).await.unwrap();
/// assert_eq!(page.items[0].id.as_str(), "7");
/// # }));
/// ```
#[derive(Debug)]
pub struct TableStore<D> {
    mapping: Arc<Mapping>,
    rows: RowStore<Tables<D>>,
    /// The settings of reads and writes that no request causes.
    settings: Arc<Settings>,
}

/// A builder of a [`TableStore`].
#[derive(Debug)]
pub struct TableStoreBuilder<D> {
    driver: D,
    mapping: MappingBuilder,
    own: Option<OwnStatements>,
    single: TenantId,
}

impl<D: Driver> TableStoreBuilder<D> {
    /// Sets the tenant of tables that have no column for it; without this, it is the default tenant.
    #[must_use]
    pub fn with_single_tenant(mut self, tenant: TenantId) -> Self {
        self.single = tenant;
        self
    }

    /// Builds the store, creates or migrates its side tables, and returns it with the settings for its tables: those given, with
    /// the mapping.
    ///
    /// An application that migrates its database itself calls [`build`](Self::build) instead, and runs
    /// [`migration_sql`](TableStore::migration_sql).
    ///
    /// # Errors
    /// - Those of [`build`](Self::build) and [`migrate`](TableStore::migrate).
    /// - [`TableError::Schemas`]: the attributes of the mapping make no valid schemas.
    pub async fn open(
        self,
        settings: Settings,
    ) -> Result<(Arc<TableStore<D>>, Settings), TableError> {
        let store = self.build(&settings.registry)?;
        let settings = settings.with_mapping(store.mapping())?;
        store.migrate().await?;
        Ok((Arc::new(store), settings))
    }

    /// Adds statements of the application to the transaction of each write. The function gets the context of the request
    /// and each row that the write adds, changes or removes.
    ///
    /// - The statements for a row that is removed or soft-deleted run before that, and all others after the rows are written.
    /// - If one of them fails, the whole batch fails with [`StoreError::Backend`], and nothing is written. To reject a change
    ///   with a reason for the client, use a guard.
    /// - The function decides quickly and has no effect of its own: it is called again if a transaction is retried, and also
    ///   for writes that are only checked, which are rolled back.
    /// - It is not called for imports and erasures of a whole tenant, and not for what the application changes itself.
    ///
    /// # Example
    /// ```
    /// use scimkit_mapping::Mapping;
    /// use scimkit_store::engine::RowEdit;
    /// use scimkit_tables::{RusqliteDriver, SqlStatement, TableStore};
    ///
    /// let driver = RusqliteDriver::with_connection(rusqlite::Connection::open_in_memory().unwrap()).unwrap();
    /// let mapping = Mapping::builder().text("[User]\ntable = 'users'\n[[User.map]]\nscim = 'userName'\nfield = 'login'");
    /// let builder = TableStore::builder(driver, mapping).with_statements(|_context, edit| match edit {
    ///     RowEdit::Remove(row) if *row.kind == *"User" => {
    ///         let delete = SqlStatement::new("DELETE FROM sessions WHERE user_id = ?1");
    ///         vec![delete.with_parameter(row.id.as_str())]
    ///     }
    ///     _ => Vec::new(),
    /// });
    /// # let _ = builder;
    /// ```
    #[must_use]
    pub fn with_statements(
        mut self,
        statements: impl Fn(&RequestContext, RowEdit<'_>) -> Vec<SqlStatement> + Send + Sync + 'static,
    ) -> Self {
        self.own = Some(OwnStatements::new(statements));
        self
    }

    /// Checks the mapping and its tables against the schemas.
    ///
    /// # Errors
    /// [`TableError::Mapping`] with every problem of the mapping; [`TableError::NoTable`] for a type with rules and without a
    /// table.
    pub fn build(self, registry: &Registry) -> Result<TableStore<D>, TableError> {
        let dialect = self.driver.dialect();
        let mapping = self.mapping.build(registry)?;
        let tables = mapping.types().iter();
        let tables = tables.map(|rules| BoundTable::new(rules, dialect));
        let mut tables = Tables {
            driver: self.driver,
            own: self.own,
            single: self.single,
            tables: tables.collect::<Result<_, _>>()?,
        };
        tables.join();
        let mut settings = Settings::new("");
        settings.registry = Arc::new(registry.clone());
        Ok(TableStore {
            mapping: Arc::new(mapping),
            rows: RowStore::new(tables),
            settings: Arc::new(settings),
        })
    }
}

impl<D: Driver> TableStore<D> {
    /// Starts a store over the tables that a mapping names, in the database of a driver.
    #[must_use]
    pub fn builder(driver: D, mapping: MappingBuilder) -> TableStoreBuilder<D> {
        TableStoreBuilder {
            driver,
            mapping,
            own: None,
            single: TenantId::default(),
        }
    }

    /// Returns the driver.
    #[must_use]
    pub fn driver(&self) -> &D {
        &self.rows.database().driver
    }

    pub(crate) fn tables(&self) -> &Tables<D> {
        self.rows.database()
    }

    /// The context of reads and writes that no request causes.
    pub(crate) fn own_context(&self, tenant: &TenantId) -> RequestContext {
        RequestContext::new(tenant.clone(), Arc::clone(&self.settings))
    }

    /// Returns the mapping of all tables, for [`Settings::with_mapping`](scimkit_store::Settings::with_mapping).
    #[must_use]
    pub fn mapping(&self) -> Arc<Mapping> {
        Arc::clone(&self.mapping)
    }

    /// Returns the SQL text that creates the side tables in an empty database.
    #[must_use]
    pub fn migration_sql(&self) -> String {
        let statements = tables::migrations(self.driver().dialect(), 0, now_us());
        let texts = statements
            .iter()
            .map(|statement| format!("{};\n", statement.text));
        texts.collect()
    }

    /// Creates the side tables, or brings them to the format of this release. Does nothing if they have it.
    ///
    /// # Errors
    /// - [`TableError::Newer`]: a later release has migrated them.
    /// - [`TableError::Database`].
    pub async fn migrate(&self) -> Result<(), TableError> {
        let dialect = self.driver().dialect();
        let mut transaction = self.driver().begin(TransactionMode::Write).await?;
        let rows = transaction
            .run(vec![tables::migration_table(dialect)])
            .await?;
        let mut found = 0;
        if first_integer(&rows) > 0 {
            found = first_integer(&transaction.run(vec![tables::last_migration()]).await?);
        }
        let known = tables::migration_count();
        if found > known {
            return Err(TableError::Newer { found, known });
        }
        let statements = tables::migrations(dialect, found, now_us());
        if statements.is_empty() {
            return Ok(());
        }
        transaction.run(statements).await?;
        Ok(transaction.commit().await?)
    }
}

impl<D: Driver> TableStore<D> {
    /// Begins a transaction on the side tables.
    pub(crate) async fn side(
        &self,
        access: TransactionMode,
    ) -> Result<SideTables<D::Transaction>, StoreError> {
        Ok(SideTables {
            dialect: self.driver().dialect(),
            transaction: self.driver().begin(access).await?,
        })
    }

    /// Begins a transaction that reads the data of one tenant, unless an import of the tenant is incomplete.
    pub(crate) async fn side_of(
        &self,
        tenant: &str,
    ) -> Result<SideTables<D::Transaction>, StoreError> {
        let mut side = self.side(TransactionMode::Read).await?;
        side.check_complete(tenant).await?;
        Ok(side)
    }

    /// Begins a transaction that writes data of one tenant, unless an import of the tenant is incomplete.
    pub(crate) async fn side_locked(
        &self,
        tenant: &str,
    ) -> Result<SideTables<D::Transaction>, StoreError> {
        let mut side = self.side(TransactionMode::Write).await?;
        side.lock(tenant).await?;
        side.check_complete(tenant).await?;
        Ok(side)
    }
}

/// The time in microseconds since 1970, without parts of milliseconds, as clients see it.
pub(crate) fn now_us() -> i64 {
    reference::micros(SystemTime::now().into())
}

/// The first column of the first row, if it is an integer.
pub(crate) fn first_integer(results: &[Vec<Vec<SqlValue>>]) -> i64 {
    match results.iter().flatten().flatten().next() {
        Some(SqlValue::Integer(number)) => *number,
        _ => 0,
    }
}

impl<D: Driver> Store for TableStore<D> {
    fn support(&self, kind: &ResourceType) -> Capabilities {
        self.rows.support(kind)
    }

    fn edges<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a EdgeQuery,
    ) -> BoxFuture<'a, Result<Vec<Vec<Edge>>, StoreError>> {
        self.rows.edges(context, query)
    }

    fn query<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        self.rows.query(context, query)
    }

    fn read<'a>(
        &'a self,
        context: &'a RequestContext,
        kind: &'a Arc<ResourceType>,
        id: &'a ResourceId,
        want: &'a ReadOptions,
    ) -> BoxFuture<'a, Result<StoredResource, StoreError>> {
        self.rows.read(context, kind, id, want)
    }

    fn write<'a>(
        &'a self,
        context: &'a RequestContext,
        batch: Batch,
    ) -> BoxFuture<'a, BatchAnswer> {
        self.rows.write(context, batch)
    }
}
