//! Transactions: committed, dropped, failed, and next to each other.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    thread,
};

use scimkit_sql::tables::{SqlStatement, SqlValue};
use scimkit_store::rows::TransactionMode;
use scimkit_tables::{Driver as SqlDriver, DriverErrorKind, Transaction as _};

use super::{
    super::fixture::{ensure, ensure_eq},
    fixture::{Fixture, integer, said},
};

pub(super) fn commit<D: SqlDriver>(fixture: &Fixture<'_, D>) -> Result<(), String> {
    fixture.create_names()?;
    let mut transaction = fixture.begin(TransactionMode::Write)?;
    for (id, name) in [(1, "a"), (2, "b")] {
        let run = fixture.run(&mut transaction, vec![fixture.insert(id, name)])?;
        run.map_err(|error| said(&error))?;
    }
    let committed = fixture.wait(transaction.commit())?;
    committed.map_err(|error| said(&error))?;
    ensure_eq!(fixture.count()?, 2, "the rows after two calls and a commit");
    let nothing = fixture.begin(TransactionMode::Write)?;
    let committed = fixture.wait(nothing.commit())?;
    committed.map_err(|error| said(&error))
}

pub(super) fn dropped<D: SqlDriver>(fixture: &Fixture<'_, D>) -> Result<(), String> {
    fixture.create_names()?;
    for access in [TransactionMode::Write, TransactionMode::Read] {
        drop(fixture.begin(access)?);
    }
    for id in 0..20 {
        let mut transaction = fixture.begin(TransactionMode::Write)?;
        let run = fixture.run(&mut transaction, vec![fixture.insert(id, "dropped")])?;
        run.map_err(|error| said(&error))?;
        drop(transaction);
        ensure_eq!(fixture.count()?, 0, "the rows of a dropped transaction");
    }
    fixture.must_write(vec![fixture.insert(1, "a")])?;
    ensure_eq!(fixture.count()?, 1, "the rows after a commit");
    Ok(())
}

pub(super) fn dropped_future<D: SqlDriver>(fixture: &Fixture<'_, D>) -> Result<(), String> {
    fixture.create_names()?;
    for id in 0..20 {
        let mut transaction = fixture.begin(TransactionMode::Write)?;
        let many = (0..50).map(|n| fixture.insert(id * 50 + n, format!("{id}-{n}")));
        fixture.wait(async {
            let run = pin!(transaction.run(many.collect()));
            // Sent, and not waited for.
            let _: Poll<_> = run.poll(&mut Context::from_waker(Waker::noop()));
        })?;
        drop(transaction);
        ensure_eq!(fixture.count()?, 0, "the rows of a dropped future");
    }
    fixture.must_write(vec![fixture.insert(1, "a")])?;
    ensure_eq!(fixture.count()?, 1, "the rows after a commit");
    Ok(())
}

pub(super) fn failed<D: SqlDriver>(fixture: &Fixture<'_, D>) -> Result<(), String> {
    fixture.create_names()?;
    let mut transaction = fixture.begin(TransactionMode::Write)?;
    let statements = vec![
        fixture.insert(1, "a"),
        fixture.insert(2, SqlValue::Null),
        fixture.insert(3, "c"),
    ];
    let run = fixture.run(&mut transaction, statements)?;
    let error = run.err().ok_or("a row without a name was accepted")?;
    ensure_eq!(
        error.statement(),
        Some(1),
        "the number of the statement that failed"
    );
    let after = fixture.run(&mut transaction, vec![fixture.insert(4, "d")])?;
    ensure!(after.is_err(), "a failed transaction ran another statement");
    let committed = fixture.wait(transaction.commit())?;
    ensure!(committed.is_err(), "a failed transaction was committed");
    ensure_eq!(fixture.count()?, 0, "the rows of a failed transaction");
    fixture.must_write(vec![fixture.insert(1, "a")])?;
    ensure_eq!(fixture.count()?, 1, "the rows after a commit");
    Ok(())
}

pub(super) fn moment<D: SqlDriver>(fixture: &Fixture<'_, D>) -> Result<(), String> {
    fixture.needs_connections()?;
    fixture.create_names()?;
    let count = || vec![fixture.sql("SELECT count(*) FROM names", &[])];
    let mut reading = fixture.begin(TransactionMode::Read)?;
    let mut counted = || {
        let rows = fixture.run(&mut reading, count())?;
        let rows = rows.map_err(|error| said(&error))?;
        let row = rows
            .iter()
            .flatten()
            .next()
            .ok_or("count(*) returned no row")?;
        Ok::<_, String>(integer(row))
    };
    ensure_eq!(counted()?, 0, "the rows at first");
    fixture.must_write(vec![fixture.insert(1, "a")])?;
    ensure_eq!(counted()?, 0, "the rows of the same moment");
    drop(reading);
    ensure_eq!(fixture.count()?, 1, "the rows of a later moment");
    Ok(())
}

/// Several threads read a number under a lock, and write the next one in another call.
pub(super) fn lock<D: SqlDriver>(fixture: &Fixture<'_, D>) -> Result<(), String> {
    const THREADS: i64 = 4;
    const ROUNDS: i64 = 25;
    fixture.must_write(vec![
        SqlStatement::new("CREATE TABLE counted (id integer PRIMARY KEY, number bigint NOT NULL)"),
        SqlStatement::new("INSERT INTO counted VALUES (1, 0)"),
    ])?;
    let step = || {
        let lock = "INSERT INTO counted AS c (id, number) VALUES (1, 0)
            ON CONFLICT (id) DO UPDATE SET number = c.number RETURNING number";
        let mut transaction = fixture.begin(TransactionMode::Write)?;
        let rows = match fixture.run(&mut transaction, vec![SqlStatement::new(lock)])? {
            Ok(rows) => rows,
            Err(error) => return Ok(Err(error)),
        };
        let row = rows
            .iter()
            .flatten()
            .next()
            .ok_or("the lock returned no row")?;
        let next = [SqlValue::Integer(integer(row) + 1)];
        let update = fixture.sql("UPDATE counted SET number = ?1 WHERE id = 1", &next);
        match fixture.run(&mut transaction, vec![update])? {
            Ok(_) => fixture.wait(transaction.commit()),
            Err(error) => Ok(Err(error)),
        }
    };
    let worker = || {
        let mut done = 0;
        while done < ROUNDS {
            match step()? {
                Ok(()) => done += 1,
                Err(error)
                    if matches!(error.kind(), DriverErrorKind::Busy | DriverErrorKind::Lost) => {}
                Err(error) => return Err(said(&error)),
            }
        }
        Ok::<_, String>(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(worker)).collect();
        let ended = threads.into_iter().map(|thread| thread.join());
        let ended: Result<Vec<_>, _> = ended.collect();
        let ended = ended.map_err(|_| "a thread panicked".to_owned())?;
        ended.into_iter().collect::<Result<Vec<()>, _>>()
    })?;
    let rows = fixture.read(fixture.sql("SELECT number FROM counted", &[]))?;
    let number = rows.first().map(integer);
    ensure_eq!(
        number,
        Some(THREADS * ROUNDS),
        "the number after all increments"
    );
    Ok(())
}
