//! The rows of one tenant, as the engine sees them.

use std::collections::BTreeMap;

use scimkit_registry::Predicate;
use scimkit_sql::tables::{self, RowOwner, SqlStatement};
use scimkit_store::{
    StoreError, WriteOp,
    engine::{Applied, CountQuery, CountRow, Facts, Needs, Operations, Rows, RowsError},
    rows::{RowTransaction, SimpleRows},
};

use crate::{
    SqlRow, Transaction,
    documents::{damaged, integer},
    side_tables::{journal_end, new_entries},
    transaction::TableTransaction,
    writes::commit_error,
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

    pub(crate) fn transaction(&mut self) -> &mut TableTransaction<'a, T> {
        self.simple.transaction_mut()
    }

    /// Returns the transaction, which stays open.
    pub(crate) fn into_transaction(self) -> T {
        self.simple.into_transaction().transaction
    }

    /// The lock of the tenant, which comes before everything else.
    fn lock(&mut self) -> Option<SqlStatement> {
        if std::mem::replace(&mut self.has_lock, true) {
            return None;
        }
        let transaction = self.transaction();
        tables::lock(transaction.dialect, transaction.tenant())
    }

    /// The statement of a count; none if SQL can't decide it.
    fn count(&mut self, query: &CountQuery) -> Result<Count, StoreError> {
        let all = Predicate::All(Vec::new());
        let predicate = query.predicate.as_ref().unwrap_or(&all);
        let Some((table, tenant)) = self.transaction().table(&query.kind)? else {
            return Ok(Count::Zero);
        };
        let plan = table.sql.plan(&tenant, &query.kind, predicate);
        if plan.residual.is_some() {
            return Ok(Count::Evaluated(predicate.clone()));
        }
        let restriction = (plan.condition.as_ref(), RowOwner::Any);
        Ok(Count::Sql(table.sql.count(&tenant, restriction)))
    }
}

/// The way in which rows are counted.
enum Count {
    Evaluated(Predicate),
    Sql(SqlStatement),
    Zero,
}

impl<T: Transaction> Rows for TableRows<'_, T> {
    async fn load(&mut self, needs: &Needs) -> Result<Facts, RowsError> {
        let lock = self.lock();
        let has_lock = lock.is_some();
        let counts = needs.counts.iter().map(|(counter, query)| {
            let count = self.count(query)?;
            Ok((counter.clone(), query, count))
        });
        let counts: Vec<_> = counts.collect::<Result<_, StoreError>>()?;
        let transaction = self.transaction();
        transaction.queue(lock);
        if needs.version {
            let (dialect, tenant) = (transaction.dialect, transaction.tenant());
            transaction.queue([tables::journal_end(dialect, tenant)]);
        }
        let statements = counts.iter().filter_map(|(_, _, count)| match count {
            Count::Sql(statement) => Some(statement.clone()),
            Count::Evaluated(_) | Count::Zero => None,
        });
        transaction.queue(statements);
        let mut others = needs.clone();
        others.counts.clear();
        let mut facts = self.simple.facts(&others).await?;
        let results = self.transaction().queue_results().await?.into_iter();
        let mut results = results.skip(usize::from(has_lock));
        if needs.version {
            let row = results.next().and_then(|mut rows| rows.pop());
            let end = journal_end(row)?;
            facts.version = Some(end.version);
            facts.journal = Some(end.seed);
        }
        for (counter, query, count) in counts {
            let count = match count {
                Count::Evaluated(predicate) => {
                    let rows = self.transaction().satisfying(&query.kind, &predicate);
                    rows.await?.len() as u64
                }
                Count::Sql(_) => count_of(results.next())?,
                Count::Zero => 0,
            };
            facts.counts.push(CountRow { count, counter });
        }
        Ok(facts)
    }

    async fn apply(&mut self, operations: Operations) -> Result<Applied, RowsError> {
        let transaction = self.transaction();
        let applied = transaction.apply(&operations).await?;
        if let Some(version) = operations.version {
            let (dialect, tenant) = (transaction.dialect, transaction.tenant());
            transaction.queue(new_entries(dialect, tenant, version, &operations.journal)?);
        }
        transaction.queue_results().await?;
        Ok(applied)
    }
}

impl<T: Transaction> RowTransaction for TableRows<'_, T> {
    async fn assign_ids(&mut self, writes: &mut [WriteOp]) -> Result<(), RowsError> {
        let mut creates: BTreeMap<_, (_, Vec<_>)> = BTreeMap::new();
        for write in writes {
            if let WriteOp::Create { change, id, .. } = write {
                let table = self.transaction().table(change.kind())?;
                let table = table.filter(|(table, _)| table.makes_ids());
                if let Some((table, _)) = table {
                    let name = change.kind().name().to_owned();
                    let (_, ids) = creates.entry(name).or_insert((table, Vec::new()));
                    ids.push(id);
                }
            }
        }
        for (table, ids) in creates.into_values() {
            let lock = self.lock();
            let transaction = self.transaction();
            transaction.queue(lock);
            let reserved = transaction.reserve(table, ids.len()).await?;
            for (id, reserved) in ids.into_iter().zip(reserved) {
                *id = reserved;
            }
        }
        // There is nothing in them.
        self.transaction().queue_results().await?;
        Ok(())
    }

    async fn commit(self) -> Result<(), RowsError> {
        let transaction = self.simple.into_transaction();
        let committed = transaction.transaction.commit().await;
        committed.map_err(|error| commit_error(&transaction.written, error))
    }
}

/// The number that a statement counted.
pub(crate) fn count_of(rows: Option<Vec<SqlRow>>) -> Result<u64, StoreError> {
    let row = rows.into_iter().flatten().next();
    let count = row.and_then(|row| row.first().and_then(integer));
    let count = count.and_then(|count| u64::try_from(count).ok());
    count.ok_or_else(|| damaged("count"))
}
