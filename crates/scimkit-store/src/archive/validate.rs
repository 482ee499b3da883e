//! The rules of administration for imported tenants, connections, tokens and owners.

use super::validate_document::{check_id, refused};
use crate::{
    Connection, ConnectionId, StoreError, Tenant, TokenRecord,
    validate::{self, InvalidEntry},
};

pub(super) fn tenant(entry: &Tenant) -> Result<(), StoreError> {
    validate::tenant(entry).map_err(|problem| rejected(&problem))
}

pub(super) fn connection(entry: &Connection) -> Result<(), StoreError> {
    validate::connection(entry).map_err(|problem| rejected(&problem))
}

pub(super) fn token(entry: &TokenRecord) -> Result<(), StoreError> {
    validate::token(entry).map_err(|problem| rejected(&problem))
}

/// Validates the id of a resource's owner. The application may have other rules for it than administration.
pub(super) fn owner(connection: Option<&ConnectionId>) -> Result<(), StoreError> {
    match connection {
        Some(id) => check_id(id.as_str()).map_err(|problem| {
            let detail = format!("`connection`: {problem}");
            refused(detail)
        }),
        None => Ok(()),
    }
}

fn rejected(problem: &InvalidEntry) -> StoreError {
    refused(problem.to_string())
}
