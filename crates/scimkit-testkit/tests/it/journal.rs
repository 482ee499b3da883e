//! The contract of a journal.

use std::sync::Arc;

use scimkit_store::Memory;
use scimkit_testkit::contract::{block_on, journal};

#[test]
fn memory_keeps_the_contract_of_a_journal() {
    journal::check(|| Arc::new(Memory::new()), &block_on).unwrap();
}

#[test]
fn names_of_journal_checks_are_distinct() {
    let checks = journal::checks();
    let mut names: Vec<_> = checks.iter().map(journal::JournalCheck::name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}
