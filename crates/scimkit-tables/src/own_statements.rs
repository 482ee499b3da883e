//! Statements of the application in the transactions of writes.

use std::fmt;

use scimkit_sql::tables::SqlStatement;
use scimkit_store::{
    RequestContext, StoreError, WriteOp,
    engine::{Applied, Facts, Needs, Operations, RowEdit, RowState, Rows, RowsError},
    rows::RowTransaction,
};

use crate::{DriverError, DriverErrorKind, Transaction, rows::TableRows};

type ForEdit = dyn Fn(&RequestContext, RowEdit<'_>) -> Vec<SqlStatement> + Send + Sync;

/// Returns the statements of the application for the change of a row.
pub(crate) struct OwnStatements(Box<ForEdit>);

impl OwnStatements {
    pub(crate) fn new(
        statements: impl Fn(&RequestContext, RowEdit<'_>) -> Vec<SqlStatement> + Send + Sync + 'static,
    ) -> Self {
        OwnStatements(Box::new(statements))
    }
}

impl fmt::Debug for OwnStatements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnStatements").finish_non_exhaustive()
    }
}

/// A failed statement of the application.
#[derive(Debug, thiserror::Error)]
#[error("a statement of the application failed")]
struct OwnStatementError(#[source] DriverError);

/// The rows of one tenant inside a transaction that writes, with the statements of the application.
pub(crate) struct WriteRows<'a, T> {
    context: &'a RequestContext,
    own: Option<&'a OwnStatements>,
    rows: TableRows<'a, T>,
}

impl<'a, T: Transaction> WriteRows<'a, T> {
    pub(crate) fn new(
        context: &'a RequestContext,
        rows: TableRows<'a, T>,
        own: Option<&'a OwnStatements>,
    ) -> Self {
        WriteRows { context, own, rows }
    }

    /// Returns the transaction, which stays open.
    pub(crate) fn into_transaction(self) -> T {
        self.rows.into_transaction()
    }

    async fn run(&mut self, statements: Vec<SqlStatement>) -> Result<(), RowsError> {
        if statements.is_empty() {
            return Ok(());
        }
        let ran = self.rows.transaction().transaction.run(statements).await;
        ran.map(drop).map_err(|error| match error.kind() {
            DriverErrorKind::Other | DriverErrorKind::Rejected | DriverErrorKind::Unique { .. } => {
                StoreError::backend(OwnStatementError(error)).into()
            }
            _ => error.into(),
        })
    }
}

/// Returns whether an edit removes the live row, to which rows of the application may refer.
fn removes_row(edit: RowEdit<'_>) -> bool {
    match edit {
        RowEdit::Bump(_) => false,
        RowEdit::Put(row) => row.state == RowState::Deleted,
        RowEdit::Remove(row) => row.state == RowState::Live,
    }
}

impl<T: Transaction> Rows for WriteRows<'_, T> {
    async fn load(&mut self, needs: &Needs) -> Result<Facts, RowsError> {
        self.rows.load(needs).await
    }

    async fn apply(&mut self, operations: Operations) -> Result<Applied, RowsError> {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        if let Some(OwnStatements(own)) = self.own {
            for edit in operations.row_edits() {
                let statements = own(self.context, edit);
                if removes_row(edit) {
                    before.extend(statements);
                } else {
                    after.extend(statements);
                }
            }
        }
        self.run(before).await?;
        let applied = self.rows.apply(operations).await?;
        self.run(after).await?;
        Ok(applied)
    }
}

impl<T: Transaction> RowTransaction for WriteRows<'_, T> {
    async fn assign_ids(&mut self, writes: &mut [WriteOp]) -> Result<(), RowsError> {
        self.rows.assign_ids(writes).await
    }

    async fn commit(self) -> Result<(), RowsError> {
        self.rows.commit().await
    }
}
