//! Lines of a tenant.

use std::{
    future::Future,
    io::{self, Cursor},
    sync::Arc,
};

use scimkit_server::{BearerTokens, Server, Token};
use scimkit_store::{
    Memory, Scope, Settings, Store, StoreError, TenantId,
    archive::{ArchiveError, Options, export, import},
};

use super::{TOKEN, request, sent};
use crate::contract::block_on;

/// Lines of a tenant are kept as a whole or not at all; what is kept goes out and in again as it is,
/// and a server answers for it.
///
/// # Panics
/// When one of them does not hold.
pub fn archive(data: &[u8]) {
    let store = Arc::new(Memory::new());
    if let Err(problem) = take(&store, data) {
        let is_about_lines = matches!(problem, ArchiveError::Line { .. });
        assert!(is_about_lines, "{problem:?}");
        let left = lines(&store);
        let nothing = matches!(left, Err(ArchiveError::Store(StoreError::NotFound)));
        assert!(nothing, "something is left: {left:?}");
        return;
    }
    let kept = match lines(&store) {
        // There was nothing in the lines.
        Err(ArchiveError::Store(StoreError::NotFound)) => return,
        kept => kept.unwrap_or_default(),
    };
    let copy = Memory::new();
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

fn settings() -> Settings {
    Settings::new("https://app.example/scim/v2")
}

fn take(store: &Memory, lines: &[u8]) -> Result<(), ArchiveError> {
    let scope = Scope::new(TenantId::default(), Arc::new(settings()));
    let (input, options) = (Cursor::new(lines.to_vec()), Options::default());
    driven(import(store, &scope, &options, input))
        .unwrap_or_else(unfinished)
        .map(drop)
}

fn lines(store: &Memory) -> Result<Vec<u8>, ArchiveError> {
    let (tenant, options) = (TenantId::default(), Options::default());
    driven(export(store, &tenant, &options, Vec::new()))
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
