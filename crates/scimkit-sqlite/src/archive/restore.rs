//! A tenant's records put into their tables.

use rusqlite::{Connection as Db, params};
use scimkit_registry::{Budget, Change, EdgeEdit};
use scimkit_sql::reference;
use scimkit_store::{
    Document, StoreError, TenantId,
    archive::{ArchiveError, Asked, Checked, Edges, Fit, Keeper, Kept, Retired},
};

use crate::{
    definitions, directory,
    error::{Failure, Outcome},
    imports, keys,
    row::micros,
    statement::{DIALECT, execute_all},
};

/// What a tenant becomes, inside a transaction that keeps some of its records.
pub(super) struct Copy<'a> {
    db: &'a Db,
    tenant: &'a TenantId,
}

impl<'a> Copy<'a> {
    /// Fails when the tenant has resources.
    pub(super) fn check_vacant(db: &Db, tenant: &TenantId) -> super::Outcome<()> {
        let sql = "SELECT 1 FROM resource WHERE tenant = ?1
                   UNION ALL SELECT 1 FROM retired WHERE tenant = ?1";
        if db.prepare_cached(sql)?.exists([tenant.as_str()])? {
            return Err(ArchiveError::Occupied.into());
        }
        Ok(())
    }

    pub(super) fn new(db: &'a Db, tenant: &'a TenantId) -> Self {
        Copy { db, tenant }
    }

    /// Counts the next version from the last one that was given, and the resources of each type.
    pub(super) fn end(self, versions: u64) -> Outcome<()> {
        if versions == 0 {
            return Ok(());
        }
        let versions = i64::try_from(versions).map_err(StoreError::backend)?;
        let sql = "INSERT INTO counter (tenant, version) VALUES (?1, ?2)
                   ON CONFLICT (tenant) DO UPDATE SET version = max(version, excluded.version)";
        let key = params![self.tenant.as_str(), versions];
        self.db.prepare_cached(sql)?.execute(key)?;
        let counters = reference::count_anew(DIALECT, self.tenant.as_str());
        execute_all(self.db, counters)
    }

    fn keep_resource(&self, resource: &Kept, fit: &Fit) -> Outcome<()> {
        let (tenant, kind, id) = (self.tenant.as_str(), &fit.kind, &resource.id);
        definitions::register(self.db, kind)?;
        keys::check_unique(self.db, (tenant, &Budget::unlimited()), kind, id, &fit.keys)?;
        // Under no schema: what the type of today does not show must not go out as it is.
        let shape = fit.is_shown.then(|| kind.fingerprint().to_string());
        let sql = "INSERT INTO resource
                   (tenant, kind, id, version, created_us, modified_us, display, document, shape,
                    connection, keys)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        self.db.prepare_cached(sql)?.execute(params![
            tenant,
            kind.name(),
            id.as_str(),
            i64::try_from(resource.number()?).map_err(StoreError::backend)?,
            micros(resource.created),
            micros(resource.last_modified),
            keys::display(kind, &fit.document),
            text(&fit.kept)?,
            shape.unwrap_or_default(),
            resource.connection.as_ref().map(|by| by.as_str()),
            definitions::current(kind)
        ])?;
        keys::put(self.db, tenant, kind, id, &fit.keys)
    }

    fn keep_retired(&self, retired: &Retired, fit: &Fit) -> Outcome<()> {
        let (tenant, kind, id) = (self.tenant.as_str(), &fit.kind, &retired.id);
        definitions::register(self.db, kind)?;
        let sql = "INSERT INTO retired
                   (tenant, kind, id, created_us, retired_us, connection, document, keys)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        self.db.prepare_cached(sql)?.execute(params![
            tenant,
            kind.name(),
            id.as_str(),
            micros(retired.created),
            micros(retired.retired),
            retired.connection.as_ref().map(|by| by.as_str()),
            text(&fit.kept)?,
            definitions::current(kind)
        ])?;
        keys::put_retired(self.db, tenant, kind, id.as_str(), &fit.keys)
    }

    fn keep_edges(&self, edges: &Edges, change: &Change) -> Outcome<()> {
        let (tenant, kind) = (self.tenant.as_str(), change.kind().name());
        let sql = "INSERT INTO edge (tenant, kind, attr, owner, target, target_kind)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
        let mut statement = self.db.prepare_cached(sql)?;
        let added = change.edges().iter().flat_map(|change| match &change.edit {
            EdgeEdit::Delta { add, .. } | EdgeEdit::Replace(add) => add,
        });
        for edge in added {
            let (owner, target) = (edges.owner.as_str(), edge.id.as_str());
            let row = params![tenant, kind, edges.attr, owner, target, edge.kind];
            if statement.execute(row)? == 0 {
                return Err(Edges::twice().into());
            }
        }
        Ok(())
    }
}

impl Keeper for Copy<'_> {
    type Error = Failure;

    fn has(&self, what: Asked<'_>) -> Outcome<bool> {
        let tenant = self.tenant.as_str();
        match what {
            Asked::Connection(id) => Ok(directory::connection(self.db, self.tenant, id)?.is_some()),
            Asked::Id(id) => {
                let sql = "SELECT 1 FROM resource WHERE tenant = ?1 AND id = ?2
                           UNION ALL SELECT 1 FROM retired WHERE tenant = ?1 AND id = ?2";
                let key = params![tenant, id.as_str()];
                Ok(self.db.prepare_cached(sql)?.exists(key)?)
            }
            Asked::Resource(kind, id) => {
                let sql = "SELECT 1 FROM resource WHERE tenant = ?1 AND id = ?2 AND kind = ?3";
                let key = params![tenant, id.as_str(), kind];
                Ok(self.db.prepare_cached(sql)?.exists(key)?)
            }
            Asked::Tenant => Ok(directory::tenant(self.db, self.tenant)?.is_some()),
            Asked::Token(token) => {
                let there = directory::token(self.db, self.tenant, &token.id)?.is_some();
                Ok(there || directory::is_known(self.db, &token.digest)?)
            }
        }
    }

    fn keep(&mut self, what: Checked) -> Outcome<()> {
        match what {
            Checked::Connection(connection) => directory::keep_connection(self.db, &connection),
            Checked::Edges(edges, change) => self.keep_edges(&edges, &change),
            Checked::Resource(resource, fit) => self.keep_resource(&resource, &fit),
            Checked::Retired(retired, fit) => self.keep_retired(&retired, &fit),
            Checked::Tenant(entry) => {
                imports::note_entry(self.db, self.tenant.as_str())?;
                directory::keep_tenant(self.db, &entry)
            }
            Checked::Token(token) => directory::keep_token(self.db, &token),
        }
    }
}

fn text(document: &Document) -> Outcome<String> {
    let text = document.text().to_vec();
    Ok(String::from_utf8(text).map_err(StoreError::backend)?)
}
