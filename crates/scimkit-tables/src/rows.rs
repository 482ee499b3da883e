//! The rows of one tenant, as the engine sees them.

use scimkit_registry::Predicate;
use scimkit_sql::tables::{self, RowOwner};
use scimkit_store::{
    StoreError, WriteOp,
    engine::{Applied, CountQuery, CountRow, Facts, Needs, Operations, Rows, RowsError},
    rows::{RowTransaction, SimpleRows, SimpleTransaction as _},
};

use crate::{
    SqlRow, Transaction,
    documents::{damaged, integer},
    side_tables::{End, journal_end, new_entries},
    transaction::TableTransaction,
};

/// The rows of one tenant, inside an open transaction.
pub(crate) struct TableRows<'a, T> {
    has_lock: bool,
    simple: SimpleRows<'a, TableTransaction<'a, T>>,
}

impl<'a, T: Transaction> TableRows<'a, T> {
    pub(crate) fn new(transaction: TableTransaction<'a, T>) -> Self {
        TableRows {
            has_lock: false,
            simple: SimpleRows::new(transaction.context, transaction),
        }
    }

    fn transaction(&mut self) -> &mut TableTransaction<'a, T> {
        self.simple.transaction_mut()
    }

    /// Takes the lock of the tenant before anything is read.
    async fn lock(&mut self) -> Result<(), RowsError> {
        if std::mem::replace(&mut self.has_lock, true) {
            return Ok(());
        }
        let transaction = self.transaction();
        let lock = tables::lock(transaction.dialect, transaction.tenant());
        transaction.run(lock.into_iter().collect()).await?;
        Ok(())
    }

    /// The number of the tenant's last change, and the seed of its journal.
    async fn version(&mut self) -> Result<End, RowsError> {
        let transaction = self.transaction();
        let end = tables::journal_end(transaction.dialect, transaction.tenant());
        let row = transaction
            .run(vec![end])
            .await?
            .pop()
            .and_then(|mut rows| rows.pop());
        Ok(journal_end(row)?)
    }

    async fn count(&mut self, query: &CountQuery) -> Result<u64, RowsError> {
        let all = Predicate::All(Vec::new());
        let predicate = query.predicate.as_ref().unwrap_or(&all);
        let transaction = self.transaction();
        let Some((table, tenant)) = transaction.table(&query.kind)? else {
            return Ok(0);
        };
        let plan = table.sql.plan(&tenant, &query.kind, predicate);
        if plan.residual.is_some() {
            let rows = transaction
                .satisfying(&query.kind, predicate, RowOwner::Any)
                .await?;
            return Ok(rows.len() as u64);
        }
        let count = table
            .sql
            .count(&tenant, (plan.condition.as_ref(), RowOwner::Any));
        let rows = transaction.run(vec![count]).await?;
        Ok(count_of(rows)?)
    }
}

impl<T: Transaction> Rows for TableRows<'_, T> {
    async fn load(&mut self, needs: &Needs) -> Result<Facts, RowsError> {
        self.lock().await?;
        let mut others = needs.clone();
        let counts = std::mem::take(&mut others.counts);
        let mut facts = self.simple.load(&others).await?;
        if needs.version {
            let end = self.version().await?;
            facts.version = Some(end.version);
            facts.journal = Some(end.seed);
        }
        for (counter, query) in counts {
            let count = self.count(&query).await?;
            facts.counts.push(CountRow { count, counter });
        }
        Ok(facts)
    }

    async fn apply(&mut self, mut operations: Operations) -> Result<Applied, RowsError> {
        let journal = std::mem::take(&mut operations.journal);
        let version = operations.version;
        let applied = self.simple.apply(operations).await?;
        if let Some(version) = version {
            let transaction = self.transaction();
            let (dialect, tenant) = (transaction.dialect, transaction.tenant());
            let statements = new_entries(dialect, tenant, version, &journal)?;
            transaction.run(statements).await?;
        }
        Ok(applied)
    }
}

impl<T: Transaction> RowTransaction for TableRows<'_, T> {
    async fn assign_ids(&mut self, writes: &mut [WriteOp]) -> Result<(), RowsError> {
        self.lock().await?;
        for write in writes {
            if let WriteOp::Create { change, id, .. } = write {
                let reserved = self.transaction().reserve(change.kind(), 1).await?;
                if let Some(reserved) = reserved.and_then(|ids| ids.into_iter().next()) {
                    *id = reserved;
                }
            }
        }
        Ok(())
    }

    async fn commit(self) -> Result<(), RowsError> {
        self.simple.into_transaction().commit().await
    }
}

/// The number that a statement counted.
pub(crate) fn count_of(results: Vec<Vec<SqlRow>>) -> Result<u64, StoreError> {
    let row = results.into_iter().flatten().next();
    let count = row.and_then(|row| row.first().and_then(integer));
    let count = count.and_then(|count| u64::try_from(count).ok());
    count.ok_or_else(|| damaged("count"))
}
