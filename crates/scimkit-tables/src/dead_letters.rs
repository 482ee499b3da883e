//! The entries of journals that consumers have given up, in a side table.

use scimkit_sql::reference::{self, DeadLetterRow};
use scimkit_store::{BoxFuture, DeadLetter, DeadLetters, JournalPosition, StoreError, TenantId};

use crate::{
    Driver, SqlRow, TableStore, Transaction,
    side_tables::{Columns, whole},
};

fn place(position: JournalPosition) -> (i64, i64) {
    (whole(position.number), i64::from(position.part))
}

/// Reads a dead letter from the columns of [`reference::dead_letters`].
fn letter(consumer: &str, row: SqlRow) -> Result<DeadLetter, StoreError> {
    let mut columns = Columns::new(row);
    let position = JournalPosition {
        number: columns.number()?,
        part: columns.small()?,
    };
    let at = columns.instant()?;
    let attempts = columns.small()?;
    let problem = columns.text()?;
    Ok(DeadLetter::new(consumer, position, at, attempts, problem))
}

impl<D: Driver> DeadLetters for TableStore<D> {
    fn dead_letters<'a>(
        &'a self,
        tenant: &'a TenantId,
        consumer: &'a str,
        after: JournalPosition,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DeadLetter>, StoreError>> {
        Box::pin(async move {
            let mut side = self.side_of(tenant.as_str()).await?;
            let key = (tenant.as_str(), consumer);
            let limit = i64::from(limit);
            let statement = reference::dead_letters(side.dialect, key, place(after), limit);
            let rows = side.rows(statement).await?.into_iter();
            rows.map(|row| letter(consumer, row)).collect()
        })
    }

    fn put_dead_letter<'a>(
        &'a self,
        tenant: &'a TenantId,
        letter: &'a DeadLetter,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut side = self.side_locked(tenant.as_str()).await?;
            let (number, part) = place(letter.position);
            // PostgreSQL rejects the character NUL, and a letter that can't be stored holds up its consumer.
            let problem = letter.problem.replace('\0', "\u{fffd}");
            let row = DeadLetterRow {
                at_us: reference::micros(letter.at),
                attempts: i64::from(letter.attempts),
                consumer: &letter.consumer,
                number,
                part,
                problem: &problem,
            };
            let put = reference::put_dead_letter(side.dialect, tenant.as_str(), &row);
            side.rows(put).await?;
            Ok(side.transaction.commit().await?)
        })
    }

    fn remove_dead_letter<'a>(
        &'a self,
        tenant: &'a TenantId,
        consumer: &'a str,
        position: JournalPosition,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut side = self.side_locked(tenant.as_str()).await?;
            let key = (tenant.as_str(), consumer);
            let remove = reference::remove_dead_letter(side.dialect, key, place(position));
            side.rows(remove).await?;
            Ok(side.transaction.commit().await?)
        })
    }
}
