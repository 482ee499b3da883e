//! Servers in this process, each with a new store.

use std::sync::Arc;

use scimkit_registry::{Registry, Tolerance};
use scimkit_server::{BearerTokens, Server, Token};
use scimkit_sqlite::SqliteStore;
use scimkit_store::{MemoryStore, Settings, Store};

/// The token that every server here accepts.
pub(crate) const TOKEN: &str = "a-token-for-tests";

/// A store to test with, and a function that creates an empty one.
pub(crate) type Make = (&'static str, fn() -> Arc<dyn Store>);

/// Every store of this workspace.
pub(crate) const STORES: [Make; 2] = [
    ("memory", || Arc::new(MemoryStore::new())),
    ("sqlite", || Arc::new(SqliteStore::in_memory().unwrap())),
];

/// Creates a server with that store and the schemas of the scenarios.
pub(crate) fn server(store: Arc<dyn Store>, tolerance: Tolerance) -> Server {
    let token = Token::from_secret(TOKEN).unwrap();
    Server::new(store, settings(tolerance)).with_authentication(BearerTokens::new([token.digest()]))
}

/// Returns the settings of such a server.
pub(crate) fn settings(tolerance: Tolerance) -> Settings {
    let registry = Registry::builder()
        .schemas_json(include_str!("../../corpus/schemas/extensions.json"))
        .unwrap()
        .schemas_json(include_str!("../../corpus/field/schemas/desk-plan.json"))
        .unwrap()
        .resource_types_json(include_str!(
            "../../corpus/field/schemas/resource-types-with-desk-plan.json"
        ))
        .unwrap();
    let mut settings = Settings::new("https://scim.test/v2");
    settings.registry = Arc::new(registry.build().unwrap());
    settings.tolerance = tolerance;
    settings
}
