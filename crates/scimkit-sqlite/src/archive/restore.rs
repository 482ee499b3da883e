//! A tenant's records put into their tables.

use rusqlite::{Connection as Db, params};
use scimkit_registry::{EdgeEdit, ResourceId};
use scimkit_store::{
    Connection, Document, Settings, StoreError, Tenant, TenantId, TokenRecord,
    archive::{ArchiveError, Edges, Fit, Kept, Record, Retired, Start, fit},
};

use crate::{
    directory,
    error::{Failure, Outcome},
    keys,
    row::micros,
};

/// What a tenant becomes, inside a transaction that does all of it or nothing.
pub(super) struct Copy<'a> {
    db: &'a Db,
    is_started: bool,
    settings: &'a Settings,
    tenant: &'a TenantId,
    versions: u64,
}

impl<'a> Copy<'a> {
    /// Begins, unless the tenant has resources.
    pub(super) fn begin(
        db: &'a Db,
        settings: &'a Settings,
        tenant: &'a TenantId,
    ) -> super::Outcome<Self> {
        let sql = "SELECT 1 FROM resource WHERE tenant = ?1
                   UNION ALL SELECT 1 FROM retired WHERE tenant = ?1";
        if db.prepare_cached(sql)?.exists([tenant.as_str()])? {
            return Err(ArchiveError::Occupied.into());
        }
        Ok(Copy {
            db,
            is_started: false,
            settings,
            tenant,
            versions: 0,
        })
    }

    pub(super) fn keep(&mut self, record: Record) -> Outcome<()> {
        if matches!(record, Record::Start(_)) == self.is_started {
            return Err(refused("a tenant comes first, and only once"));
        }
        self.is_started = true;
        match record {
            Record::Connection(connection) => self.keep_connection(connection),
            Record::Edges(edges) => self.keep_edges(&edges),
            Record::Resource(resource) => self.keep_resource(&resource),
            Record::Retired(retired) => self.keep_retired(&retired),
            Record::Start(start) => self.keep_start(start),
            Record::Token(token) => self.keep_token(token),
        }
    }

    /// Counts the next version from the last one that was given.
    pub(super) fn end(self) -> Outcome<()> {
        if self.versions == 0 {
            return Ok(());
        }
        let versions = i64::try_from(self.versions).map_err(StoreError::backend)?;
        let sql = "INSERT INTO counter (tenant, version) VALUES (?1, ?2)
                   ON CONFLICT (tenant) DO UPDATE SET version = max(version, excluded.version)";
        let key = params![self.tenant.as_str(), versions];
        self.db.prepare_cached(sql)?.execute(key)?;
        Ok(())
    }

    fn keep_start(&mut self, start: Start) -> Outcome<()> {
        self.versions = start.last_version()?;
        let Some(entry) = start.entry else {
            return Ok(());
        };
        if directory::tenant(self.db, self.tenant)?.is_some() {
            return Err(refused(format!(
                "there is the tenant `{}` already",
                self.tenant
            )));
        }
        let mut own = Tenant::new(self.tenant.clone(), entry.name, entry.created);
        own.revision = entry.revision;
        directory::keep_tenant(self.db, &own)
    }

    fn keep_connection(&self, mut connection: Connection) -> Outcome<()> {
        connection.tenant = self.tenant.clone();
        if directory::tenant(self.db, self.tenant)?.is_none() {
            return Err(refused(format!("there is no tenant `{}`", self.tenant)));
        }
        let there = directory::connection(self.db, self.tenant, &connection.id)?;
        if there.is_some() {
            return Err(refused(format!(
                "there is the connection `{}` already",
                connection.id
            )));
        }
        directory::keep_connection(self.db, &connection)
    }

    fn keep_token(&self, mut token: TokenRecord) -> Outcome<()> {
        token.tenant = self.tenant.clone();
        let of = directory::connection(self.db, self.tenant, &token.connection)?;
        if of.is_none() {
            return Err(refused(format!(
                "there is no connection `{}`",
                token.connection
            )));
        }
        let there = directory::token(self.db, self.tenant, &token.id)?;
        if there.is_some() || directory::is_known(self.db, &token.digest)? {
            return Err(refused(format!(
                "there is the token `{}` already",
                token.id
            )));
        }
        directory::keep_token(self.db, &token)
    }

    fn keep_resource(&mut self, resource: &Kept) -> Outcome<()> {
        let Kept { id, .. } = resource;
        let fit = self.fit(&resource.kind, id, &resource.document)?;
        let number = resource.number()?;
        let (tenant, kind) = (self.tenant.as_str(), &fit.kind);
        keys::check_unique(self.db, tenant, kind, id, &fit.keys)?;
        // Under no schema: what the type of today does not show must not go out as it is.
        let shape = fit.is_shown.then(|| kind.fingerprint().to_string());
        let sql = "INSERT INTO resource
                   (tenant, kind, id, version, created_us, modified_us, display, document, shape,
                    connection)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        self.db.prepare_cached(sql)?.execute(params![
            tenant,
            kind.name(),
            id.as_str(),
            i64::try_from(number).map_err(StoreError::backend)?,
            micros(resource.created),
            micros(resource.last_modified),
            keys::display(kind, &fit.document),
            text(&fit.kept)?,
            shape.unwrap_or_default(),
            resource.connection.as_ref().map(|by| by.as_str())
        ])?;
        keys::put(self.db, tenant, kind, id, &fit.keys)?;
        self.versions = self.versions.max(number);
        Ok(())
    }

    fn keep_retired(&self, retired: &Retired) -> Outcome<()> {
        let Retired { id, .. } = retired;
        let fit = self.fit(&retired.kind, id, &retired.document)?;
        let (tenant, kind) = (self.tenant.as_str(), &fit.kind);
        let sql = "INSERT INTO retired
                   (tenant, kind, id, created_us, retired_us, connection, document)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        self.db.prepare_cached(sql)?.execute(params![
            tenant,
            kind.name(),
            id.as_str(),
            micros(retired.created),
            micros(retired.retired),
            retired.connection.as_ref().map(|by| by.as_str()),
            text(&fit.kept)?
        ])?;
        keys::put_retired(self.db, tenant, kind, id.as_str(), &fit.keys)
    }

    /// Checks a document under its type, whose lookup keys are those of its schema from here on.
    fn fit(&self, kind: &str, id: &ResourceId, document: &Document) -> Outcome<Fit> {
        let sql = "SELECT 1 FROM resource WHERE tenant = ?1 AND id = ?2
                   UNION ALL SELECT 1 FROM retired WHERE tenant = ?1 AND id = ?2";
        let key = params![self.tenant.as_str(), id.as_str()];
        if self.db.prepare_cached(sql)?.exists(key)? {
            return Err(refused(format!("the id `{id}` comes twice")));
        }
        let fit = fit(&self.settings.registry, (kind, id), document)?;
        keys::keep_up(self.db, self.tenant.as_str(), &fit.kind)?;
        Ok(fit)
    }

    fn keep_edges(&self, edges: &Edges) -> Outcome<()> {
        let (tenant, owner) = (self.tenant.as_str(), edges.owner.as_str());
        let sql = "SELECT 1 FROM resource WHERE tenant = ?1 AND id = ?2 AND kind = ?3";
        let key = params![tenant, owner, edges.kind];
        let is_there = self.db.prepare_cached(sql)?.exists(key)?;
        let kind = self.settings.registry.by_name(&edges.kind);
        let Some(kind) = kind.filter(|_| is_there) else {
            return Err(refused("the owner of the members did not come before"));
        };
        let sql = "INSERT INTO edge (tenant, kind, attr, owner, target, target_kind)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
        let mut statement = self.db.prepare_cached(sql)?;
        let change = edges.change(kind)?;
        let added = change.edges().iter().flat_map(|change| match &change.edit {
            EdgeEdit::Delta { add, .. } | EdgeEdit::Replace(add) => add,
        });
        for edge in added {
            let (kind, target) = (kind.name(), edge.id.as_str());
            let row = params![tenant, kind, edges.attr, owner, target, edge.kind];
            if statement.execute(row)? == 0 {
                return Err(refused("a member comes twice"));
            }
        }
        Ok(())
    }
}

fn text(document: &Document) -> Outcome<String> {
    let text = document.text().to_vec();
    Ok(String::from_utf8(text).map_err(StoreError::backend)?)
}

fn refused(detail: impl Into<String>) -> Failure {
    let detail = detail.into();
    StoreError::Refused { detail }.into()
}
