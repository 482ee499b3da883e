//! An open transaction on the side tables alone.

use chrono::{DateTime, Utc};
use scimkit_sql::{
    Dialect,
    reference::{self, EntryRow, JournalEnd, Statement},
    tables::{self, SqlStatement, SqlValue},
};
use scimkit_store::{
    StoreError,
    journal::{JournalRows, JournalSeed},
};

use crate::{
    SqlRow, Transaction,
    documents::{damaged, instant, integer, text},
};

/// An open transaction on the side tables.
pub(crate) struct SideTables<T> {
    pub(crate) dialect: Dialect,
    pub(crate) transaction: T,
}

/// The end of a tenant's journal.
pub(crate) struct End {
    /// The last number whose change is missing from the journal.
    pub(crate) after: u64,
    pub(crate) seed: JournalSeed,
    /// The number of the tenant's last change.
    pub(crate) version: u64,
}

impl<T: Transaction> SideTables<T> {
    pub(crate) async fn rows(
        &mut self,
        statement: Statement<'_>,
    ) -> Result<Vec<SqlRow>, StoreError> {
        let statements = vec![tables::shared(statement)];
        let results = self.transaction.run(statements).await?;
        Ok(results.into_iter().next().unwrap_or_default())
    }

    pub(crate) async fn first(
        &mut self,
        statement: Statement<'_>,
    ) -> Result<Option<SqlRow>, StoreError> {
        Ok(self.rows(statement).await?.into_iter().next())
    }

    /// The integer that a statement selects, if it selects a row.
    pub(crate) async fn integer(
        &mut self,
        statement: Statement<'_>,
    ) -> Result<Option<i64>, StoreError> {
        let row = self.first(statement).await?;
        row.map(|row| Columns::new(row).integer()).transpose()
    }

    pub(crate) async fn count(&mut self, statement: Statement<'_>) -> Result<u64, StoreError> {
        let count = self.integer(statement).await?;
        let count = count.and_then(|count| u64::try_from(count).ok());
        count.ok_or_else(|| damaged("count"))
    }

    pub(crate) async fn exists(&mut self, statement: Statement<'_>) -> Result<bool, StoreError> {
        Ok(self.first(statement).await?.is_some())
    }

    /// Takes the lock of a tenant.
    pub(crate) async fn lock(&mut self, tenant: &str) -> Result<(), StoreError> {
        if let Some(lock) = tables::lock(self.dialect, tenant) {
            self.transaction.run(vec![lock]).await?;
        }
        Ok(())
    }

    /// Takes the lock of the number of tenants, before that of a tenant.
    pub(crate) async fn lock_tenants(&mut self) -> Result<(), StoreError> {
        if let Some(lock) = tables::lock_tenants(self.dialect) {
            self.transaction.run(vec![lock]).await?;
        }
        Ok(())
    }

    /// Fails while an import of the tenant is incomplete.
    pub(crate) async fn check_complete(&mut self, tenant: &str) -> Result<(), StoreError> {
        if self.exists(reference::import(self.dialect, tenant)).await? {
            Err(StoreError::Importing)
        } else {
            Ok(())
        }
    }

    /// The end of a tenant's journal.
    pub(crate) async fn end(&mut self, tenant: &str) -> Result<End, StoreError> {
        let end = reference::journal_end(self.dialect, tenant);
        journal_end(self.first(end).await?)
    }

    /// Stores the number of a tenant's last change, and the new entries of its journal.
    pub(crate) async fn add(
        &mut self,
        tenant: &str,
        version: u64,
        rows: &JournalRows,
    ) -> Result<(), StoreError> {
        let statements = new_entries(self.dialect, tenant, version, rows)?;
        self.transaction.run(statements).await?;
        Ok(())
    }
}

/// The statements that store the number of a tenant's last change, and the new entries of its journal.
pub(crate) fn new_entries(
    dialect: Dialect,
    tenant: &str,
    version: u64,
    rows: &JournalRows,
) -> Result<Vec<SqlStatement>, StoreError> {
    let end = JournalEnd {
        after: rows.complete_after.map(whole),
        digest: rows.last_digest.as_ref().map(<[u8; 32]>::as_slice),
    };
    let version = i64::try_from(version).map_err(StoreError::backend)?;
    let entries: Vec<_> = rows.entries.iter().map(EntryRow::from).collect();
    let mut statements = vec![tables::set_version(dialect, tenant, version, end)];
    statements.extend(tables::insert_entries(dialect, tenant, &entries));
    Ok(statements)
}

/// Reads the row of `journal_end`.
pub(crate) fn journal_end(row: Option<SqlRow>) -> Result<End, StoreError> {
    let mut columns = Columns::new(row.ok_or_else(|| damaged("end of the journal"))?);
    Ok(End {
        version: columns.number()?,
        after: columns.number()?,
        seed: JournalSeed {
            previous: columns.optional_bytes()?.unwrap_or_default(),
            random: columns.bytes()?,
        },
    })
}

/// Converts a number of changes to its stored form. There are fewer than 2^63.
pub(crate) fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The columns of a row, from left to right.
pub(crate) struct Columns(std::vec::IntoIter<SqlValue>);

impl Columns {
    pub(crate) fn new(row: SqlRow) -> Self {
        Columns(row.into_iter())
    }

    fn next(&mut self) -> SqlValue {
        self.0.next().unwrap_or(SqlValue::Null)
    }

    pub(crate) fn text(&mut self) -> Result<String, StoreError> {
        self.optional_text().ok_or_else(|| damaged("text"))
    }

    pub(crate) fn optional_text(&mut self) -> Option<String> {
        text(self.next())
    }

    pub(crate) fn integer(&mut self) -> Result<i64, StoreError> {
        integer(&self.next()).ok_or_else(|| damaged("number"))
    }

    /// A number that is never negative.
    pub(crate) fn number(&mut self) -> Result<u64, StoreError> {
        u64::try_from(self.integer()?).map_err(|_| damaged("number"))
    }

    /// A number of parts or attempts.
    pub(crate) fn small(&mut self) -> Result<u32, StoreError> {
        u32::try_from(self.integer()?).map_err(|_| damaged("number"))
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        self.optional_bytes()?.ok_or_else(|| damaged("bytes"))
    }

    fn optional_bytes<const N: usize>(&mut self) -> Result<Option<[u8; N]>, StoreError> {
        match self.next() {
            SqlValue::Blob(bytes) => {
                let bytes = bytes.try_into().map_err(|_| damaged("number of bytes"))?;
                Ok(Some(bytes))
            }
            SqlValue::Null => Ok(None),
            _ => Err(damaged("bytes")),
        }
    }

    pub(crate) fn instant(&mut self) -> Result<DateTime<Utc>, StoreError> {
        instant(&self.next())
    }

    pub(crate) fn moment(&mut self) -> Result<Option<DateTime<Utc>>, StoreError> {
        match self.next() {
            SqlValue::Null => Ok(None),
            value => instant(&value).map(Some),
        }
    }
}
