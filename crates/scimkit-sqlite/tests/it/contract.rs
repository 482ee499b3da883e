//! The contract of a store, on files and in memory.

use std::sync::Arc;

use scimkit_sqlite::{SqliteOptions, SqliteStore};
use scimkit_testkit::contract;

use crate::support::file;

#[test]
fn a_file_keeps_the_contract() {
    let mut failures = Vec::new();
    for check in contract::checks() {
        let (_directory, path) = file();
        let store = Arc::new(SqliteStore::open(path).unwrap());
        if let Err(problem) = check.run(store, &contract::block_on) {
            failures.push(format!("{}: {problem}", check.name()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn memory_keeps_the_contract() {
    let make = || -> Arc<dyn scimkit_store::Store> { Arc::new(SqliteStore::in_memory().unwrap()) };
    contract::check(make, &contract::block_on).unwrap();
}

/// With a single place in each queue, the only difference is busy errors.
#[test]
fn short_queue_leads_only_to_busy_errors() {
    let (_directory, path) = file();
    let mut options = SqliteOptions::default();
    options.queue = 1;
    options.readers = 1;
    for check in contract::checks()
        .iter()
        .filter(|check| check.name().contains("parallel"))
    {
        let path = path.with_extension(check.name());
        let store = Arc::new(SqliteStore::open_with(path, &options).unwrap());
        check.run(store, &contract::block_on).unwrap();
    }
}

#[test]
fn file_keeps_the_contract_of_a_journal() {
    let mut failures = Vec::new();
    for check in contract::journal::checks() {
        let (_directory, path) = file();
        let store = Arc::new(SqliteStore::open(path).unwrap());
        if let Err(problem) = check.run(store, &contract::block_on) {
            failures.push(format!("{}: {problem}", check.name()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn file_keeps_the_contract_of_key_values() {
    let folder = tempfile::tempdir().unwrap();
    let number = std::cell::Cell::new(0);
    let make = || {
        number.set(number.get() + 1);
        let path = folder.path().join(format!("{}.sqlite", number.get()));
        Arc::new(SqliteStore::open(path).unwrap())
    };
    contract::key_values::check(|| make(), &contract::block_on).unwrap();
}

#[test]
fn file_keeps_the_contract_of_dead_letters() {
    let mut failures = Vec::new();
    for check in contract::dead_letters::checks() {
        let (_directory, path) = file();
        let store = Arc::new(SqliteStore::open(path).unwrap());
        if let Err(problem) = check.run(store, &contract::block_on) {
            failures.push(format!("{}: {problem}", check.name()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
