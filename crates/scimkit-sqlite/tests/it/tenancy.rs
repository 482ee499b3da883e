//! Tenants, connections and tokens in files and in memory, also with two processes.

use std::sync::Arc;

use scimkit_sqlite::SqliteStore;
use scimkit_store::{
    Connection, ConnectionId, Tenant, TenantEntry, TenantId, TenantStore, TokenRecord,
};
use scimkit_testkit::contract::{block_on, tenancy};

use crate::support::{file, second, wait};

#[test]
fn memory_keeps_the_contract() {
    let make = || -> Arc<dyn TenantStore> { Arc::new(SqliteStore::in_memory().unwrap()) };
    tenancy::check(make, &block_on).unwrap();
}

#[test]
fn two_stores_of_a_file_keep_the_contract() {
    for check in tenancy::checks() {
        let (_directory, path) = file();
        let open = || Arc::new(SqliteStore::open(&path).unwrap());
        let kept = check.run_beside(open(), open(), &block_on);
        assert_eq!(kept, Ok(()), "{}", check.name());
    }
}

#[test]
fn tenants_and_tokens_are_unchanged_after_reopening() {
    let (_directory, path) = file();
    let tenant = Tenant::new(TenantId::from("acme"), "Acme", second(1));
    let id = ConnectionId::from("entra");
    let connection = Connection::new(tenant.id.clone(), id, "Entra ID", second(2));
    let mut token = TokenRecord::new(&connection, "1", [7; 32], second(3));
    token.expires_at = Some(second(9));
    let store = SqliteStore::open(&path).unwrap();
    let entries = vec![
        TenantEntry::Tenant(tenant.clone()),
        TenantEntry::Connection(connection.clone()),
        TenantEntry::Token(token.clone()),
    ];
    wait(store.put(entries, chrono::DateTime::UNIX_EPOCH.into())).unwrap();
    wait(store.record_token_use(&[7; 32], second(4))).unwrap();
    drop(store);
    let opened = wait(SqliteStore::open(&path).unwrap().find_token(&[7; 32])).unwrap();
    let opened = opened.unwrap();
    (token.last_used, token.revision) = (Some(second(4)), 1);
    assert_eq!(opened.token, token);
    assert_eq!((opened.tenant.revision, opened.connection.revision), (1, 1));
    assert_eq!(opened.tenant.name, tenant.name);
    assert_eq!(opened.connection.name, connection.name);
}
