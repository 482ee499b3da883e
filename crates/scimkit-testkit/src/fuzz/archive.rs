//! The lines of an archived tenant.

use std::{
    future::Future,
    io::{self, Cursor},
    sync::Arc,
};

use scimkit_core::parse_instant;
use scimkit_server::{BearerTokens, Server, Token};
use scimkit_store::{
    MemoryStore, RequestContext, Settings, Store, StoreError, TenantId, TenantStore,
    archive::{ArchiveError, ArchiveOptions, export_to, import_from},
    validate,
};
use serde_json::Value;

use super::{TOKEN, request, sent};
use crate::contract::block_on;

/// Checks the lines of a tenant: they are imported as a whole or not at all, an export and a second import do not
/// change them, and a server can serve the tenant.
///
/// # Panics
/// If a property does not hold.
pub fn archive(data: &[u8]) {
    let store = Arc::new(MemoryStore::new());
    if let Err(problem) = take(&store, data) {
        let is_about_lines = matches!(problem, ArchiveError::Line { .. });
        assert!(is_about_lines, "{problem:?}");
        let left = lines(&store);
        let nothing = matches!(left, Err(ArchiveError::Store(StoreError::NotFound)));
        assert!(nothing, "something is left: {left:?}");
        return;
    }
    let kept = match lines(&store) {
        // The lines were empty.
        Err(ArchiveError::Store(StoreError::NotFound)) => return,
        kept => kept.unwrap_or_default(),
    };
    is_valid(&store, &kept);
    let copy = MemoryStore::new();
    let taken = take(&copy, &kept);
    assert!(taken.is_ok(), "{taken:?}");
    assert_eq!(lines(&copy).ok(), Some(kept), "the lines of the copy");
    let Ok(token) = Token::from_secret(TOKEN) else {
        return;
    };
    let tokens = BearerTokens::new([token.digest()]);
    let server = Server::new(store as Arc<dyn Store>, settings()).with_authentication(tokens);
    for path in [
        "/Users",
        "/Groups?count=3",
        "/?filter=id%20pr&sortBy=userName",
    ] {
        let Some(request) = request(format!("GET {path}\n\n").as_bytes()) else {
            return;
        };
        let (status, answer) = driven(sent(&server, request)).unwrap_or_default();
        assert_eq!(status, 200, "{path}: {answer}");
    }
}

/// Fails if the store has entries that administration would have rejected, or a resource that changed before it was
/// created.
fn is_valid(store: &MemoryStore, lines: &[u8]) {
    let tenant = TenantId::default();
    let entry = driven(store.tenant(&tenant)).and_then(Result::ok).flatten();
    let connections = driven(store.connections(&tenant)).and_then(Result::ok);
    let tokens = driven(store.tokens(&tenant)).and_then(Result::ok);
    let entries = entry.iter().map(validate::tenant);
    let connections = connections.iter().flatten().map(validate::connection);
    let tokens = tokens.iter().flatten().map(validate::token);
    for valid in entries.chain(connections).chain(tokens) {
        assert!(valid.is_ok(), "{valid:?}");
    }
    for line in lines.split(|byte| *byte == b'\n') {
        let line: Value = serde_json::from_slice(line).unwrap_or_default();
        let Some(resource) = line.get("resource") else {
            continue;
        };
        let instant = |name: &str| {
            let text = resource.get(name).and_then(Value::as_str);
            text.and_then(parse_instant)
        };
        let instants = (instant("created"), instant("lastModified"));
        assert!(instants.0 <= instants.1, "{instants:?}");
    }
}

fn settings() -> Settings {
    Settings::new("https://app.example/scim/v2")
}

fn take(store: &MemoryStore, lines: &[u8]) -> Result<(), ArchiveError> {
    let context = RequestContext::new(TenantId::default(), Arc::new(settings()));
    let input = Cursor::new(lines.to_vec());
    let options = ArchiveOptions::default();
    driven(import_from(store, &context, &options, input))
        .unwrap_or_else(unfinished)
        .map(drop)
}

fn lines(store: &MemoryStore) -> Result<Vec<u8>, ArchiveError> {
    let (tenant, options) = (TenantId::default(), ArchiveOptions::default());
    driven(export_to(store, &tenant, &options, Vec::new()))
        .unwrap_or_else(unfinished)
        .map(|(lines, _)| lines)
}

fn driven<T: Send>(future: impl Future<Output = T> + Send) -> Option<T> {
    let mut answer = None;
    let slot = &mut answer;
    block_on(Box::pin(async move { *slot = Some(future.await) }));
    answer
}

fn unfinished<T>() -> Result<T, ArchiveError> {
    Err(io::Error::from(io::ErrorKind::Other).into())
}
