//! Writes the records of a tenant to its tables.

use rusqlite::Connection as Db;
use scimkit_registry::{Budget, Change, EdgeEdit};
use scimkit_sql::reference::{self, DeletedRow, EdgeRow, LiveRow, State};
use scimkit_store::{
    ConnectionId, Document, StoreError, TenantId,
    archive::{
        ArchiveError, CheckedRecord, DeletedRecord, ImportQuery, ImportTarget, MembershipRecord,
        ResourceRecord, ValidatedDocument,
    },
};

use crate::{
    definitions,
    error::{Failure, Outcome},
    imports, journal, keys,
    row::micros,
    statement::{DIALECT, execute, execute_all, execute_counted, exists},
    tenant_rows,
};

/// The import of some records inside a transaction.
pub(super) struct Copy<'a> {
    db: &'a Db,
    tenant: &'a TenantId,
}

impl<'a> Copy<'a> {
    /// Fails if the tenant has resources.
    pub(super) fn check_vacant(db: &Db, tenant: &TenantId) -> super::stop::Outcome<()> {
        if exists(db, &reference::any_row(DIALECT, tenant.as_str()))? {
            return Err(ArchiveError::Occupied.into());
        }
        Ok(())
    }

    pub(super) fn new(db: &'a Db, tenant: &'a TenantId) -> Self {
        Copy { db, tenant }
    }

    /// Continues the version numbers after the last imported one, and counts the resources of each type.
    pub(super) fn end(self, versions: u64) -> Outcome<()> {
        if versions == 0 {
            return journal::skip(self.db, self.tenant.as_str());
        }
        let versions = i64::try_from(versions).map_err(StoreError::backend)?;
        let statement = reference::raise_version(DIALECT, self.tenant.as_str(), versions);
        execute(self.db, &statement)?;
        let counters = reference::count_anew(DIALECT, self.tenant.as_str());
        execute_all(self.db, counters)?;
        journal::skip(self.db, self.tenant.as_str())
    }

    fn keep_resource(&self, resource: &ResourceRecord, fit: &ValidatedDocument) -> Outcome<()> {
        let tenant = self.tenant.as_str();
        let kind = &fit.kind;
        let id = &resource.id;
        definitions::register(self.db, kind)?;
        keys::check_unique(self.db, (tenant, &Budget::unlimited()), kind, id, &fit.keys)?;
        let display = keys::display(kind, &fit.document);
        let row = LiveRow {
            connection: resource.connection.as_ref().map(ConnectionId::as_str),
            created_us: micros(resource.created),
            display: display.as_deref(),
            document: &text(&fit.stored)?,
            id: id.as_str(),
            keys: &definitions::current(kind),
            kind: kind.name(),
            modified_us: micros(resource.last_modified),
            // Without a definition, because attributes that the current type hides must not be sent as stored.
            shape: &if fit.is_shown {
                kind.fingerprint().to_string()
            } else {
                String::new()
            },
            version: i64::try_from(resource.number()?).map_err(StoreError::backend)?,
        };
        execute_all(self.db, reference::insert_rows(DIALECT, tenant, &[row]))?;
        keys::insert(self.db, (tenant, State::Live), kind, id, &fit.keys)
    }

    fn insert_deleted(&self, deleted: &DeletedRecord, fit: &ValidatedDocument) -> Outcome<()> {
        let tenant = self.tenant.as_str();
        let kind = &fit.kind;
        let id = &deleted.id;
        definitions::register(self.db, kind)?;
        let row = DeletedRow {
            connection: deleted.connection.as_ref().map(ConnectionId::as_str),
            created_us: micros(deleted.created),
            deleted_us: micros(deleted.deleted),
            document: &text(&fit.stored)?,
            id: id.as_str(),
            keys: &definitions::current(kind),
            kind: kind.name(),
            // An archive does not contain the version.
            version: 0,
        };
        let statements = reference::insert_deleted_rows(DIALECT, tenant, &[row]);
        execute_all(self.db, statements)?;
        keys::insert(self.db, (tenant, State::Deleted), kind, id, &fit.keys)
    }

    fn keep_edges(&self, edges: &MembershipRecord, change: &Change) -> Outcome<()> {
        let list = (change.kind().name(), edges.owner.as_str(), &*edges.attr);
        let added = change
            .edge_changes()
            .iter()
            .flat_map(|change| match &change.edit {
                EdgeEdit::Delta { add, .. } | EdgeEdit::Replace(add) => add,
            });
        let rows: Vec<_> = added
            .map(|edge| EdgeRow {
                target: edge.id.as_str(),
                target_kind: edge.kind.as_deref(),
            })
            .collect();
        let tenant = self.tenant.as_str();
        for (statement, count) in reference::insert_new_edges(DIALECT, tenant, list, &rows) {
            if execute_counted(self.db, &statement)? < count {
                return Err(MembershipRecord::twice().into());
            }
        }
        Ok(())
    }
}

impl ImportTarget for Copy<'_> {
    type Error = Failure;

    fn has(&self, what: ImportQuery<'_>) -> Outcome<bool> {
        let tenant = self.tenant.as_str();
        match what {
            ImportQuery::Connection(id) => {
                Ok(tenant_rows::connection(self.db, self.tenant, id)?.is_some())
            }
            ImportQuery::Id(id) => {
                let statement = reference::row_exists(DIALECT, tenant, id.as_str());
                exists(self.db, &statement)
            }
            ImportQuery::Resource(kind, id) => {
                let kind = (tenant, kind);
                let statement = reference::resource_exists(DIALECT, kind, id.as_str());
                exists(self.db, &statement)
            }
            ImportQuery::Tenant => Ok(tenant_rows::tenant(self.db, self.tenant)?.is_some()),
            ImportQuery::Token(token) => {
                let there = tenant_rows::token(self.db, self.tenant, &token.id)?.is_some();
                Ok(there || tenant_rows::is_known(self.db, &token.digest)?)
            }
        }
    }

    fn keep(&mut self, what: CheckedRecord) -> Outcome<()> {
        match what {
            CheckedRecord::Connection(connection) => {
                tenant_rows::put_connection(self.db, &connection)
            }
            CheckedRecord::Edges(edges, change) => self.keep_edges(&edges, &change),
            CheckedRecord::Resource(resource, fit) => self.keep_resource(&resource, &fit),
            CheckedRecord::Deleted(deleted, fit) => self.insert_deleted(&deleted, &fit),
            CheckedRecord::Tenant(entry) => {
                imports::note_entry(self.db, self.tenant.as_str())?;
                tenant_rows::put_tenant(self.db, &entry)
            }
            CheckedRecord::Token(token) => tenant_rows::put_token(self.db, &token),
        }
    }
}

fn text(document: &Document) -> Outcome<String> {
    let text = document.text().to_vec();
    Ok(String::from_utf8(text).map_err(StoreError::backend)?)
}
