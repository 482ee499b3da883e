//! Tests of groups of batches, including failures of the disk.

mod keys;
mod members;

use std::sync::Arc;

use chrono::DateTime;
use rusqlite::Connection;
use scimkit_registry::{Budget, Change, ResourceId, Tolerance};
use scimkit_store::{
    Batch, OnFailure, Settings, StoreError, TenantId, WriteOp, engine::BatchAnswer,
};
use serde_json::json;
use tokio::sync::oneshot;

use super::{Work, write_together};
use crate::{
    SqliteOptions,
    file::{DatabaseLocation, open_writer},
};

type Answered = oneshot::Receiver<BatchAnswer>;

fn database() -> Connection {
    open_writer(&DatabaseLocation::Memory, &SqliteOptions::default()).unwrap()
}

/// Returns a batch of `count` users, and the receiver of its answer.
fn users(name: &str, count: usize) -> (Work, Answered) {
    let settings = Arc::new(Settings::new("https://sqlite.test/v2"));
    let kind = settings.registry.resource_type("User").unwrap();
    let create = |n| {
        let body = json!({"userName": format!("{name}{n}"), "title": "x".repeat(500)});
        let body = kind.admit(body, &Tolerance::DEFAULT).unwrap();
        let change = Change::create(Arc::clone(kind), body);
        WriteOp::Create {
            existing_match: None,
            change,
            id: ResourceId::from(format!("{name}{n}")),
        }
    };
    let batch = Batch::new(DateTime::UNIX_EPOCH, (0..count).map(create).collect());
    let (answer, answered) = oneshot::channel();
    (
        Work {
            answer,
            batch,
            budget: Budget::unlimited(),
            settings,
            tenant: TenantId::default(),
        },
        answered,
    )
}

/// Returns whether every write of a batch succeeded.
fn all_done(answered: Answered) -> bool {
    let answers = answered.blocking_recv().unwrap().unwrap();
    answers.iter().all(Result::is_ok)
}

fn count(connection: &Connection, table: &str) -> usize {
    let sql = format!("SELECT count(*) FROM {table}");
    let count: u32 = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
    usize::try_from(count).unwrap()
}

#[test]
fn a_full_disk_rejects_whole_writes() {
    let connection = database();
    let pages: i64 = connection
        .query_row("PRAGMA page_count", [], |row| row.get(0))
        .unwrap();
    connection
        .pragma_update(None, "max_page_count", pages + 20)
        .unwrap();
    let (groups, answers): (Vec<_>, Vec<_>) = ["a", "b", "c"]
        .map(|name| users(name, 50))
        .into_iter()
        .unzip();
    write_together(&connection, groups);
    let answers: Vec<_> = answers
        .into_iter()
        .map(|a| a.blocking_recv().unwrap())
        .collect();
    let written: Vec<_> = answers.iter().flatten().collect();
    assert!(written.iter().all(|batch| batch.len() == 50));
    let done = written
        .iter()
        .flat_map(|batch| batch.iter())
        .filter(|answer| answer.is_ok())
        .count();
    assert!(done < 150);
    let failures = answers.iter().filter_map(|a| a.as_ref().err());
    for error in failures {
        assert!(matches!(error, StoreError::StorageFull(_)), "{error:?}");
    }
    assert!(connection.is_autocommit());
    assert_eq!(count(&connection, "resource"), done);
    assert_eq!(count(&connection, "lookup_key"), done);
    connection
        .pragma_update(None, "max_page_count", pages + 2_000)
        .unwrap();
    let (work, answered) = users("d", 50);
    write_together(&connection, vec![work]);
    assert!(all_done(answered));
    assert_eq!(count(&connection, "resource"), done + 50);
}

#[test]
fn a_failed_transaction_fails_only_the_batch_that_caused_it() {
    let connection = database();
    // SQLite rolls back the whole transaction, as if the disk failed.
    connection
        .execute_batch(
            "CREATE TEMP TRIGGER gone BEFORE INSERT ON resource WHEN new.id = 'b7'
             BEGIN SELECT RAISE(ROLLBACK, 'the disk is gone'); END",
        )
        .unwrap();
    let ((one, first), (two, second)) = (users("a", 5), users("b", 20));
    write_together(&connection, vec![one, two]);
    assert!(all_done(first));
    let failed = second.blocking_recv().unwrap();
    assert!(matches!(failed, Err(StoreError::Backend(_))), "{failed:?}");
    assert_eq!(count(&connection, "resource"), 5);
    assert_eq!(count(&connection, "lookup_key"), 5);
    let sql = "SELECT version FROM counter";
    let version: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(version, 5);
}

#[test]
fn a_batch_that_fills_the_disk_does_not_fail_the_others() {
    let connection = database();
    let pages: i64 = connection
        .query_row("PRAGMA page_count", [], |row| row.get(0))
        .unwrap();
    connection
        .pragma_update(None, "max_page_count", pages + 20)
        .unwrap();
    let ((small, first), (large, second)) = (users("a", 2), users("b", 200));
    write_together(&connection, vec![small, large]);
    assert!(all_done(first));
    let full = second.blocking_recv().unwrap();
    assert!(matches!(full, Err(StoreError::StorageFull(_))), "{full:?}");
    assert_eq!(count(&connection, "resource"), 2);
    assert!(connection.is_autocommit());
}

#[test]
fn an_exhausted_budget_fails_only_its_own_batch() {
    let connection = database();
    let ((mut one, first), (two, second)) = (users("a", 3), users("b", 3));
    one.budget = Budget::new(1);
    write_together(&connection, vec![one, two]);
    let spent = first.blocking_recv().unwrap();
    assert!(matches!(spent, Err(StoreError::Exhausted(_))), "{spent:?}");
    assert!(all_done(second));
    assert_eq!(count(&connection, "resource"), 3);
}

#[test]
fn batches_are_not_written_if_their_future_is_dropped() {
    let connection = database();
    let ((one, first), (two, second)) = (users("a", 1), users("b", 1));
    drop(first);
    write_together(&connection, vec![one, two]);
    assert!(all_done(second));
    assert_eq!(count(&connection, "resource"), 1);
}

#[test]
fn a_batch_that_is_rolled_back_affects_no_other() {
    let connection = database();
    let (mut one, first) = users("a", 3);
    one.batch.on_failure = OnFailure::RollBack;
    // The id exists by then.
    let again = one.batch.writes[0].clone();
    one.batch.writes.push(again);
    let ((two, second), (mut three, third)) = (users("b", 3), users("c", 3));
    three.batch.on_failure = OnFailure::RollBack;
    write_together(&connection, vec![two, one, three]);
    let answers = first.blocking_recv().unwrap().unwrap();
    let undone = |answer: &Result<_, _>| matches!(answer, Err(StoreError::Skipped));
    assert!(answers[..3].iter().all(undone) && answers[3].is_err());
    for answers in [second, third] {
        assert!(all_done(answers));
    }
    assert_eq!(count(&connection, "resource"), 6);
    assert_eq!(count(&connection, "lookup_key"), 6);
}
