//! Servers in this process, each over a store of its own.

use std::sync::Arc;

use scimkit_registry::{Registry, Tolerance};
use scimkit_server::{BearerTokens, Server, Token};
use scimkit_sqlite::SqliteStore;
use scimkit_store::{MemoryStore, Settings, Store};

/// The token that every server here lets in.
pub(crate) const TOKEN: &str = "a-token-for-tests";

/// A store to test with, and how to make an empty one.
pub(crate) type Make = (&'static str, fn() -> Arc<dyn Store>);

/// Every store of this workspace.
pub(crate) const STORES: [Make; 2] = [
    ("memory", || Arc::new(MemoryStore::new())),
    ("sqlite", || Arc::new(SqliteStore::in_memory().unwrap())),
];

/// A server over that store, with the schemas that the scenarios speak of.
pub(crate) fn server(store: Arc<dyn Store>, tolerance: Tolerance) -> Server {
    let token = Token::from_secret(TOKEN).unwrap();
    Server::new(store, settings(tolerance)).with_authentication(BearerTokens::new([token.digest()]))
}

/// The settings of such a server.
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
