//! The entries of journals that consumers have given up.

use rusqlite::Connection as Db;
use scimkit_sql::reference::{self, DeadLetterRow};
use scimkit_store::{BoxFuture, DeadLetter, DeadLetters, JournalPosition, StoreError, TenantId};

use crate::{
    SqliteStore,
    error::Outcome,
    imports,
    journal::{integer, number},
    lanes::Lane,
    row::{instant, micros},
    statement::{DIALECT, all, execute, execute_counted},
};

fn place(position: JournalPosition) -> (i64, i64) {
    (integer(position.number), i64::from(position.part))
}

fn put(db: &Db, tenant: &str, letter: &DeadLetter) -> Outcome<()> {
    imports::check_complete(db, tenant)?;
    let (number, part) = place(letter.position);
    let row = DeadLetterRow {
        at_us: micros(letter.at),
        attempts: i64::from(letter.attempts),
        consumer: &letter.consumer,
        number,
        part,
        problem: &letter.problem,
    };
    execute(db, &reference::put_dead_letter(DIALECT, tenant, &row))
}

fn list(
    db: &Db,
    (tenant, consumer): (&str, &str),
    after: JournalPosition,
    limit: u32,
) -> Outcome<Vec<DeadLetter>> {
    imports::check_complete(db, tenant)?;
    let limit = i64::from(limit);
    let statement = reference::dead_letters(DIALECT, (tenant, consumer), place(after), limit);
    all(db, &statement, |row| {
        let part: i64 = row.get(1)?;
        let attempts: i64 = row.get(3)?;
        Ok(DeadLetter {
            at: instant(row.get(2)?)?,
            attempts: u32::try_from(attempts).map_err(StoreError::backend)?,
            consumer: consumer.to_owned(),
            position: JournalPosition {
                number: number(row.get(0)?),
                part: u32::try_from(part).map_err(StoreError::backend)?,
            },
            problem: row.get(4)?,
        })
    })
}

impl DeadLetters for SqliteStore {
    fn dead_letters<'a>(
        &'a self,
        tenant: &'a TenantId,
        consumer: &'a str,
        after: JournalPosition,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DeadLetter>, StoreError>> {
        let consumer = consumer.to_owned();
        let read =
            move |db: &Db, tenant: &TenantId| list(db, (tenant.as_str(), &consumer), after, limit);
        Box::pin(self.look_at(Lane::Query, tenant, read))
    }

    fn put_dead_letter<'a>(
        &'a self,
        tenant: &'a TenantId,
        letter: &'a DeadLetter,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let tenant = tenant.clone();
        let letter = letter.clone();
        Box::pin(self.alter(move |db| put(db, tenant.as_str(), &letter)))
    }

    fn remove_dead_letter<'a>(
        &'a self,
        tenant: &'a TenantId,
        consumer: &'a str,
        position: JournalPosition,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let tenant = tenant.clone();
        let consumer = consumer.to_owned();
        Box::pin(self.alter(move |db| {
            imports::check_complete(db, tenant.as_str())?;
            let key = (tenant.as_str(), consumer.as_str());
            let remove = reference::remove_dead_letter(DIALECT, key, place(position));
            execute_counted(db, &remove).map(|_| ())
        }))
    }
}
