//! The contract of stores, over the tables of different applications.

use std::sync::Arc;

use scimkit_store::Settings;
use scimkit_testkit::contract::{
    self, Subject, archive, dead_letters, journal, key_values, tenancy,
};

use crate::layouts::{COMPOSITE, INTEGER, TEXT};

#[test]
fn table_with_text_ids_keeps_the_contract() {
    let subject = Subject::new(Settings::new("https://app.example/scim/v2"));
    let subject = subject.without_tenants().with_unordered("emails");
    let report = contract::check_subject(&subject, || TEXT.shared(), &contract::block_on);
    println!("{report}");
    assert!(report.is_success(), "{report}");
}

#[test]
fn table_with_integer_ids_and_tenants_keeps_the_contract() {
    let subject = Subject::new(Settings::new("https://app.example/scim/v2"));
    let report = contract::check_subject(&subject, || INTEGER.shared(), &contract::block_on);
    println!("{report}");
    assert!(report.is_success(), "{report}");
}

#[test]
fn tenants_connections_and_tokens_keep_the_contract() {
    tenancy::check(|| Arc::new(INTEGER.in_memory()), &contract::block_on).unwrap();
}

#[test]
fn journal_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let make = || Arc::new(COMPOSITE.in_folder(folder.path()));
    journal::check(|| make(), &contract::block_on).unwrap();
}

#[test]
fn dead_letters_keep_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let make = || Arc::new(COMPOSITE.in_folder(folder.path()));
    dead_letters::check(|| make(), &contract::block_on).unwrap();
}

#[test]
fn key_values_keep_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let make = || Arc::new(COMPOSITE.in_folder(folder.path()));
    key_values::check(|| make(), &contract::block_on).unwrap();
}

#[test]
fn exports_and_imports_keep_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let make = || Arc::new(COMPOSITE.in_folder(folder.path()));
    archive::check(&|| make(), &|| make(), &contract::block_on).unwrap();
}
