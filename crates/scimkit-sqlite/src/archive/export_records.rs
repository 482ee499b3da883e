//! Reads all data of a tenant as archive records.

use rusqlite::{Connection as Db, Row};
use scimkit_core::Version;
use scimkit_registry::ResourceId;
use scimkit_sql::reference;
use scimkit_store::{
    ConnectionId, Document, ResourceRef, StoreError, TenantId, Timestamps,
    archive::{
        ArchiveError, ArchiveRecord, DeletedRecord, MemberRecord, MembershipRecord, ResourceRecord,
        TARGETS, TenantHeader,
    },
};

use super::stop::Outcome;
use crate::{
    imports,
    row::{id_at, instant, version},
    statement::{DIALECT, first, try_each},
    tenant_rows,
};

type Take<'s> = dyn FnMut(ArchiveRecord) -> Result<(), ArchiveError> + 's;

/// Passes all records to `take`, inside a read transaction.
pub(super) fn dump(db: &Db, tenant: &TenantId, take: &mut Take<'_>) -> Outcome<()> {
    if !is_kept(db, tenant)? {
        return Err(StoreError::NotFound.into());
    }
    let entry = tenant_rows::tenant(db, tenant)?;
    let versions = last_version(db, tenant)?
        .unwrap_or_default()
        .cast_unsigned();
    take(ArchiveRecord::Start(TenantHeader::new(
        tenant.clone(),
        entry,
        versions,
    )))?;
    for connection in tenant_rows::connections(db, tenant)? {
        take(ArchiveRecord::Connection(connection))?;
    }
    let mut tokens = tenant_rows::tokens(db, tenant)?;
    tokens.sort_by(|a, b| a.id.cmp(&b.id));
    for token in tokens {
        take(ArchiveRecord::Token(token))?;
    }
    resources(db, tenant.as_str(), take)?;
    deleted(db, tenant.as_str(), take)
}

/// Returns whether the store has any data of a tenant.
///
/// # Errors
/// [`StoreError::Importing`] while an import of the tenant is incomplete.
pub(super) fn is_kept(db: &Db, tenant: &TenantId) -> crate::error::Outcome<bool> {
    imports::check_complete(db, tenant.as_str())?;
    let is_entered = tenant_rows::tenant(db, tenant)?.is_some();
    Ok(is_entered || last_version(db, tenant)?.is_some())
}

fn last_version(db: &Db, tenant: &TenantId) -> crate::error::Outcome<Option<i64>> {
    let statement = reference::version(DIALECT, tenant.as_str());
    first(db, &statement, |row| Ok(row.get(0)?))
}

fn resources(db: &Db, tenant: &str, take: &mut Take<'_>) -> Outcome<()> {
    try_each(db, &reference::exported_rows(DIALECT, tenant), |row| {
        let resource = resource(row)?;
        let kind = resource.kind.clone();
        let id = resource.id.clone();
        take(ArchiveRecord::Resource(resource))?;
        edges(db, tenant, (&kind, &id), take)?;
        Ok(true)
    })
}

fn resource(row: &Row<'_>) -> Outcome<ResourceRecord> {
    let (kind, id): (String, String) = (row.get(0)?, row.get(1)?);
    let at = Timestamps {
        created: instant(row.get(2)?)?,
        last_modified: instant(row.get(3)?)?,
    };
    let version: Version = version(row.get(6)?)?;
    let resource = ResourceRecord::new(kind, ResourceId::from(id), version, at, document(row)?);
    Ok(resource.with_connection(made_by(row)?))
}

fn deleted(db: &Db, tenant: &str, take: &mut Take<'_>) -> Outcome<()> {
    let statement = reference::exported_deleted_rows(DIALECT, tenant);
    try_each(db, &statement, |row| {
        let (kind, id): (String, String) = (row.get(0)?, row.get(1)?);
        let id = ResourceId::from(id);
        let created = instant(row.get(2)?)?;
        let deleted = instant(row.get(3)?)?;
        let deleted = DeletedRecord::new(kind, id, created, deleted, document(row)?);
        take(ArchiveRecord::Deleted(
            deleted.with_connection(made_by(row)?),
        ))?;
        Ok(true)
    })
}

fn document(row: &Row<'_>) -> Outcome<Document> {
    let text: String = row.get(5)?;
    Ok(Document::from_text(text))
}

fn made_by(row: &Row<'_>) -> Outcome<Option<ConnectionId>> {
    let connection: Option<String> = row.get(4)?;
    Ok(connection.as_deref().map(ConnectionId::from))
}

/// Reads the members of a resource in records of limited size.
fn edges(
    db: &Db,
    tenant: &str,
    (kind, owner): (&str, &ResourceId),
    take: &mut Take<'_>,
) -> Outcome<()> {
    let (mut attr, mut targets) = (String::new(), Vec::new());
    let piece = |attr: &str, targets| {
        let owner = ResourceRef {
            kind: kind.to_owned(),
            id: owner.clone(),
        };
        ArchiveRecord::Edges(MembershipRecord::new(owner, attr, targets))
    };
    let statement = reference::exported_edges(DIALECT, (tenant, kind), owner.as_str());
    try_each(db, &statement, |row| -> Outcome<bool> {
        let next: String = row.get(0)?;
        if !targets.is_empty() && (next != attr || targets.len() == TARGETS) {
            take(piece(&attr, std::mem::take(&mut targets)))?;
        }
        attr = next;
        targets.push(MemberRecord {
            id: id_at(row, 1)?,
            kind: row.get(2)?,
        });
        Ok(true)
    })?;
    if !targets.is_empty() {
        take(piece(&attr, targets))?;
    }
    Ok(())
}
