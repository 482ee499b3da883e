//! What would go wrong with the application's tables.

mod catalog;
mod columns;
mod report;
mod rows;
mod value_rows;

use scimkit_sql::{
    Dialect,
    tables::{self, JoinTable, SqlStatement, SqlValue, ValueTable},
};
use scimkit_store::rows::TransactionMode;

use self::catalog::Columns;
pub use self::catalog::TableColumn;
pub use self::report::{FindingKind, FindingSeverity, TableFinding, TableReport};
use crate::{
    Driver, DriverErrorKind, SqlRow, TableError, TableStore, Transaction,
    documents::{integer, text},
    store::{first_integer, now_us},
    table::BoundTable,
};

/// The number of transactions after which a lost one is an error.
const ATTEMPTS: usize = 4;

impl<D: Driver> TableStore<D> {
    /// Looks for everything that would go wrong with the tables: their columns, indexes and collations, each row, and the side
    /// tables.
    ///
    /// - It changes nothing. A finding has the SQL statement that fixes it, if there is one that loses no data.
    /// - All rows of all tenants are read, in pages and in one transaction. Duplicates are found by hashes, which take 16 bytes
    ///   of memory per row and unique attribute.
    /// - A report has at most [`TableReport::LIMIT`] findings of a kind per column, and the number of all.
    ///
    /// # Errors
    /// [`TableError::Database`]. What is wrong with the tables is no error, but a finding.
    ///
    /// # Example
    /// ```
    /// # scimkit_testkit::contract::block_on(Box::pin(async {
    /// use scimkit_mapping::Mapping;
    /// use scimkit_registry::Registry;
    /// use scimkit_tables::{FindingKind, RusqliteDriver, TableStore};
    ///
    /// let connection = rusqlite::Connection::open_in_memory().unwrap();
    /// connection.execute_batch(
    ///     "CREATE TABLE users (id TEXT PRIMARY KEY, login TEXT NOT NULL UNIQUE);
    ///      INSERT INTO users VALUES ('7', 'Ada@example.com')",
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
    /// let store = TableStore::builder(driver, mapping).build(&Registry::standard()).unwrap();
    /// store.migrate().await.unwrap();
    ///
    /// let report = store.verify().await.unwrap();
    /// let finding = &report.findings()[0];
    /// assert_eq!((finding.kind, finding.row.as_deref()), (FindingKind::NotFolded, Some("7")));
    /// let fix = r#"UPDATE "users" SET "login" = 'ada@example.com' WHERE "id" = '7'"#;
    /// assert_eq!(finding.fix.as_deref(), Some(fix));
    /// # }));
    /// ```
    pub async fn verify(&self) -> Result<TableReport, TableError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.report().await {
                // As after a change of the tables, which is when they are verified again.
                Err(TableError::Database(error))
                    if *error.kind() == DriverErrorKind::Lost && attempts < ATTEMPTS => {}
                result => return result,
            }
        }
    }

    async fn report(&self) -> Result<TableReport, TableError> {
        let mut verifier = Verifier {
            dialect: self.driver().dialect(),
            report: TableReport::default(),
            transaction: self.driver().begin(TransactionMode::Read).await?,
        };
        verifier.check_side_tables().await?;
        for table in &self.tables().tables {
            verifier.check_table(table).await?;
            for values in table.sql.value_tables() {
                verifier.check_values(table, values).await?;
            }
        }
        for table in &self.tables().tables {
            if let Some(members) = &table.members {
                verifier.check_members(members).await?;
            }
        }
        Ok(verifier.report)
    }
}

/// Reads the columns of a table, in their order; none if there is no such table.
///
/// # Errors
/// [`TableError::Database`].
///
/// # Example
/// ```
/// # scimkit_testkit::contract::block_on(Box::pin(async {
/// use scimkit_mapping::FieldType;
/// use scimkit_tables::{RusqliteDriver, table_columns};
///
/// let connection = rusqlite::Connection::open_in_memory().unwrap();
/// let table = "CREATE TABLE users (id INTEGER PRIMARY KEY, login TEXT NOT NULL UNIQUE)";
/// connection.execute_batch(table).unwrap();
/// let driver = RusqliteDriver::with_connection(connection).unwrap();
/// let columns = table_columns(&driver, "users").await.unwrap();
/// assert_eq!(columns[1].name, "login");
/// assert!(columns[0].is_key && columns[1].is_unique && columns[1].holds(FieldType::Text));
/// assert!(table_columns(&driver, "user").await.unwrap().is_empty());
/// # }));
/// ```
pub async fn table_columns<D: Driver>(
    driver: &D,
    table: &str,
) -> Result<Vec<TableColumn>, TableError> {
    let mut verifier = Verifier {
        dialect: driver.dialect(),
        report: TableReport::default(),
        transaction: driver.begin(TransactionMode::Read).await?,
    };
    let columns = verifier.columns(table).await?;
    Ok(columns.map(Columns::into_described).unwrap_or_default())
}

/// A check that is under way.
struct Verifier<T> {
    dialect: Dialect,
    report: TableReport,
    transaction: T,
}

impl<T: Transaction> Verifier<T> {
    async fn rows(&mut self, statement: SqlStatement) -> Result<Vec<SqlRow>, TableError> {
        let results = self.transaction.run(vec![statement]).await?;
        Ok(results.into_iter().next().unwrap_or_default())
    }

    async fn number(&mut self, statement: SqlStatement) -> Result<i64, TableError> {
        Ok(first_integer(&[self.rows(statement).await?]))
    }

    async fn check_side_tables(&mut self) -> Result<(), TableError> {
        let mut found = 0;
        if self.number(tables::migration_table(self.dialect)).await? > 0 {
            found = self.number(tables::last_migration()).await?;
        }
        let known = tables::migration_count();
        if found == known {
            return Ok(());
        }
        let problem = if found > known {
            format!(
                "a later release has migrated the side tables to format {found}: this one knows {known}"
            )
        } else if found == 0 {
            "the side tables are missing: call `migrate`, or run these statements".to_owned()
        } else {
            format!(
                "the side tables have format {found} instead of {known}: call `migrate`, or run these statements"
            )
        };
        let statements = tables::migrations(self.dialect, found, now_us());
        let texts = statements.into_iter().map(|statement| statement.text);
        let texts = texts.collect::<Vec<_>>().join(";\n");
        let finding = TableFinding::new(FindingKind::SideTables, "scim_migration", problem);
        self.report
            .push(finding.with_fix(Some(texts).filter(|texts| !texts.is_empty())));
        Ok(())
    }

    /// The columns and indexes of a table; none if there is no such table.
    async fn columns(&mut self, table: &str) -> Result<Option<Columns>, TableError> {
        let columns = self.rows(tables::columns_of(self.dialect, table)).await?;
        let indexes = self.rows(tables::indexes_of(self.dialect, table)).await?;
        let columns = Columns::new(self.dialect, table, columns, indexes);
        Ok(Some(columns).filter(|columns| !columns.is_empty()))
    }

    async fn check_table(&mut self, table: &BoundTable) -> Result<(), TableError> {
        let name = &table.sql.table().name;
        let Some(mut columns) = self.columns(name).await? else {
            let problem = "there is no such table: check its name, and the database or schema";
            self.report
                .push(TableFinding::new(FindingKind::MissingTable, name, problem));
            return Ok(());
        };
        if columns.check_presence(table, &mut self.report) {
            self.read_collations(table, &mut columns).await?;
            columns.check_types(table, &mut self.report);
            columns.check_filled(table, &mut self.report);
            self.check_rows(table).await?;
            columns.check_collations(table, &mut self.report);
            columns.check_indexes(table, &mut self.report);
        }
        Ok(())
    }

    /// Reads how SQLite compares the columns, which is in no catalog.
    async fn read_collations(
        &mut self,
        table: &BoundTable,
        columns: &mut Columns,
    ) -> Result<(), TableError> {
        if self.dialect != Dialect::Sqlite {
            return Ok(());
        }
        let columns_only = |name: &&String| table.sql.values(name).is_none();
        for column in table.sql.columns().iter().filter(columns_only) {
            let statement = tables::collation_of(&table.sql.table().name, column);
            let rows = self.rows(statement).await?;
            let found: Vec<_> = rows.iter().flatten().map(integer).collect();
            match found.as_slice() {
                [Some(1), _] => columns.set_collation(column, "NOCASE"),
                [_, Some(1)] => columns.set_collation(column, "RTRIM"),
                _ => {}
            }
        }
        Ok(())
    }

    async fn check_values(
        &mut self,
        table: &BoundTable,
        values: &ValueTable,
    ) -> Result<(), TableError> {
        let name = &values.rows().table;
        if let Some(columns) = self.columns(name).await? {
            if columns.check_values(values, &mut self.report) {
                self.check_value_rows(table, values).await?;
            }
        } else {
            let problem = "there is no such table: check its name, and the database or schema";
            self.report
                .push(TableFinding::new(FindingKind::MissingTable, name, problem));
        }
        Ok(())
    }

    async fn check_members(&mut self, members: &JoinTable) -> Result<(), TableError> {
        let names = members.names();
        let Some(columns) = self.columns(&names.table).await? else {
            let sql = members.create_sql();
            let problem = "there is no such table: check its name, or create it";
            let finding = TableFinding::new(FindingKind::MissingTable, &names.table, problem);
            self.report.push(finding.with_fix(Some(sql)));
            return Ok(());
        };
        if !columns.check_join_presence(members, &mut self.report) {
            return Ok(());
        }
        let pair = (names.owner.as_str(), names.member.as_str());
        let repeated = tables::repeated_pairs(&names.table, pair);
        let repeated = self.number(repeated).await?;
        if repeated > 0 {
            let problem = format!("{repeated} memberships are there more than once");
            let sql = tables::remove_repeated_pairs_sql(self.dialect, &names.table, pair);
            let finding = TableFinding::new(FindingKind::Duplicate, &names.table, problem);
            self.report.push(finding.with_fix(Some(sql)));
        }
        columns.check_join_indexes(members, &mut self.report);
        Ok(())
    }
}

/// The text of a value of a catalog.
fn name(value: Option<SqlValue>) -> Option<String> {
    text(value?)
}
