//! Import of a tenant in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use scimkit_core::{Uniqueness, Version};
use scimkit_registry::{AttrKeys, Key, ResourceId};
use scimkit_sql::{
    Dialect, reference,
    tables::{self, SqlStatement},
};
use scimkit_store::{
    ConnectionId, RequestContext, StoreError, TenantEntry, TenantId,
    archive::{
        ArchiveError, CheckedRecord, DeletedRecord, ImportQuery, ImportTarget, Importer,
        MembershipRecord, NumberedRecord, RecordSource, ResourceRecord, ValidatedDocument,
    },
    engine::{MemberList, NewMember, NewMembers, Operations, ResourceRow, RowState, RowsError},
    next_item,
    rows::TransactionMode,
    yield_now,
};

use crate::{
    Driver, TableStore, Transaction, database::Tables, side_tables::SideTables,
    transaction::TableTransaction,
};

/// The number of records to check before other tasks run.
const TURN: usize = 32;
/// The number of rows that are written together.
const TOGETHER: usize = 250;

/// Imports the records of a source.
pub(super) async fn import<D: Driver>(
    store: &TableStore<D>,
    context: &RequestContext,
    source: RecordSource<'_>,
) -> Result<(), ArchiveError> {
    let (attempt, mut records) = begin(store, context).await?;
    let done = match read(&mut records, context, source).await {
        Ok(versions) => write(store, context, attempt, (records, versions)).await,
        Err(problem) => Err(problem),
    };
    if done.is_err() {
        // Otherwise, a later import or an erasure ends it.
        drop(end(store, &context.tenant, attempt).await);
    }
    done
}

/// Reserves the tenant, unless it has resources.
async fn begin<'a, D: Driver>(
    store: &'a TableStore<D>,
    context: &RequestContext,
) -> Result<(i64, Records<'a, D>), ArchiveError> {
    let tenant = context.tenant.as_str();
    let mut side = store.side(TransactionMode::Write).await?;
    side.lock(tenant).await?;
    let begun = reference::begin_import(side.dialect, tenant);
    let attempt = side.integer(begun).await?;
    let attempt = attempt.ok_or_else(|| StoreError::backend("an import has no attempt"))?;
    let has_tenant = side.tenant(tenant).await?.is_some();
    let connections = side.connections(tenant).await?;
    let tokens = side.tokens(tenant).await?;
    let mut rows = store.tables().rows_of(context, side.transaction);
    rows.is_complete = true;
    check_vacant(&mut rows).await?;
    rows.transaction.commit().await.map_err(StoreError::from)?;
    let records = Records {
        connections: connections.into_iter().map(|one| one.id).collect(),
        digests: tokens.iter().map(|token| token.digest).collect(),
        edges: BTreeMap::new(),
        entries: Vec::new(),
        has_tenant,
        ids: BTreeMap::new(),
        line: 0,
        lines: BTreeMap::new(),
        rows: Vec::new(),
        tables: store.tables(),
        tenant: context.tenant.clone(),
        tokens: tokens.into_iter().map(|token| token.id).collect(),
        unique: BTreeSet::new(),
    };
    Ok((attempt, records))
}

async fn check_vacant<T: Transaction>(
    rows: &mut TableTransaction<'_, T>,
) -> Result<(), ArchiveError> {
    if rows.has_resources().await.map_err(StoreError::from)? {
        return Err(ArchiveError::Occupied);
    }
    Ok(())
}

/// Reads and checks all records. Returns the number of the last version.
async fn read<D: Driver>(
    records: &mut Records<'_, D>,
    context: &RequestContext,
    mut source: RecordSource<'_>,
) -> Result<u64, ArchiveError> {
    let mut importer = Importer::new(context);
    let mut turn = 0;
    while let Some(next) = next_item(&mut source).await {
        let NumberedRecord { line, record } = next?;
        records.line = line;
        let taken = importer.take(records, record);
        taken.map_err(|problem| ArchiveError::at(line, problem))?;
        turn += 1;
        if turn % TURN == 0 {
            yield_now().await;
        }
    }
    Ok(importer.versions())
}

/// Writes all records, which makes the tenant visible.
async fn write<D: Driver>(
    store: &TableStore<D>,
    context: &RequestContext,
    attempt: i64,
    (records, versions): (Records<'_, D>, u64),
) -> Result<(), ArchiveError> {
    let tenant = context.tenant.as_str();
    let mut side = store.side(TransactionMode::Write).await?;
    let dialect = side.dialect;
    side.lock(tenant).await?;
    let current = reference::import_attempt(dialect, tenant, attempt);
    if !side.exists(current).await? {
        return Err(ArchiveError::Superseded);
    }
    side.write_entries(records.entries).await?;
    let mut rows = store.tables().rows_of(context, side.transaction);
    rows.is_complete = true;
    // The application may have added some since.
    check_vacant(&mut rows).await?;
    rows.clear_stale().await.map_err(StoreError::from)?;
    let rejected = |error: RowsError| match error {
        RowsError::Rejected(rejection) => {
            let line = records.lines.get(rejection.id()).copied().unwrap_or(0);
            ArchiveError::at(line, rejection.into())
        }
        other => ArchiveError::Store(other.into()),
    };
    let mut left = records.rows.into_iter().peekable();
    while left.peek().is_some() {
        let operations = Operations {
            inserted_rows: left.by_ref().take(TOGETHER).collect(),
            ..Operations::default()
        };
        rows.apply_now(&operations).await.map_err(rejected)?;
    }
    let edges = records.edges.into_iter().map(|(list, members)| {
        let members = members.into_iter().map(|(id, kind)| NewMember { id, kind });
        let members = members.collect();
        NewMembers { list, members }
    });
    let mut left = edges.peekable();
    while left.peek().is_some() {
        let operations = Operations {
            inserted_edges: left.by_ref().take(TOGETHER).collect(),
            ..Operations::default()
        };
        rows.apply_now(&operations).await.map_err(rejected)?;
    }
    let mut transaction = rows.transaction;
    let ending = ending(dialect, tenant, versions)?;
    transaction.run(ending).await.map_err(StoreError::from)?;
    Ok(transaction.commit().await.map_err(StoreError::from)?)
}

/// Continues the numbers after the last imported version, without entries of the journal, and ends the import.
fn ending(dialect: Dialect, tenant: &str, versions: u64) -> Result<Vec<SqlStatement>, StoreError> {
    let mut statements = Vec::new();
    if versions > 0 {
        let versions = i64::try_from(versions).map_err(StoreError::backend)?;
        statements.push(reference::raise_version(dialect, tenant, versions));
    }
    statements.push(reference::skip_journal(dialect, tenant));
    statements.push(reference::end_import(dialect, tenant));
    Ok(statements.into_iter().map(tables::shared).collect())
}

/// Ends an import that has failed, unless another one has taken over.
async fn end<D: Driver>(
    store: &TableStore<D>,
    tenant: &TenantId,
    attempt: i64,
) -> Result<(), StoreError> {
    let mut side = store.side(TransactionMode::Write).await?;
    side.lock(tenant.as_str()).await?;
    let current = reference::import_attempt(side.dialect, tenant.as_str(), attempt);
    if side.exists(current).await? {
        side.rows(reference::end_import(side.dialect, tenant.as_str()))
            .await?;
        side.transaction.commit().await?;
    }
    Ok(())
}

impl<T: Transaction> SideTables<T> {
    async fn write_entries(
        &mut self,
        entries: Vec<(u64, TenantEntry)>,
    ) -> Result<(), ArchiveError> {
        for (line, entry) in entries {
            if let TenantEntry::Token(token) = &entry {
                // Of another tenant.
                let known = reference::token_exists(self.dialect, &token.digest);
                if self.exists(known).await? {
                    let problem = format!("the token `{}` already exists", token.id);
                    return Err(ArchiveError::line(line, problem));
                }
            }
            self.store(&entry).await?;
        }
        Ok(())
    }
}

/// The checked records of an import.
struct Records<'a, D> {
    connections: BTreeSet<ConnectionId>,
    digests: BTreeSet<[u8; 32]>,
    edges: BTreeMap<MemberList, BTreeMap<ResourceId, Option<String>>>,
    /// Tenant, connections and tokens, each with the number of its record.
    entries: Vec<(u64, TenantEntry)>,
    has_tenant: bool,
    /// The types of live resources; none for soft-deleted ones.
    ids: BTreeMap<ResourceId, Option<String>>,
    /// The number of the record that is checked.
    line: u64,
    /// The numbers of the records of resources.
    lines: BTreeMap<ResourceId, u64>,
    rows: Vec<ResourceRow>,
    tables: &'a Tables<D>,
    tenant: TenantId,
    tokens: BTreeSet<String>,
    /// The values of unique attributes, each with the names of type and attribute.
    unique: BTreeSet<(String, String, Key)>,
}

impl<D: Driver> ImportTarget for Records<'_, D> {
    type Error = StoreError;

    fn has(&self, what: ImportQuery<'_>) -> Result<bool, StoreError> {
        Ok(match what {
            ImportQuery::Connection(id) => self.connections.contains(id),
            ImportQuery::Id(id) => self.ids.contains_key(id),
            ImportQuery::Resource(kind, id) => {
                let known = self.ids.get(id).and_then(Option::as_deref);
                known == Some(kind)
            }
            ImportQuery::Tenant => self.has_tenant,
            ImportQuery::Token(token) => {
                self.tokens.contains(&token.id) || self.digests.contains(&token.digest)
            }
        })
    }

    fn keep(&mut self, what: CheckedRecord) -> Result<(), StoreError> {
        match what {
            CheckedRecord::Connection(connection) => {
                self.connections.insert(connection.id.clone());
                self.entries
                    .push((self.line, TenantEntry::Connection(connection)));
            }
            CheckedRecord::Edges(edges, _) => return self.keep_edges(edges),
            CheckedRecord::Resource(resource, fit) => return self.keep_resource(resource, fit),
            CheckedRecord::Deleted(deleted, fit) => return self.keep_deleted(deleted, fit),
            CheckedRecord::Tenant(tenant) => {
                self.has_tenant = true;
                self.entries.push((self.line, TenantEntry::Tenant(tenant)));
            }
            CheckedRecord::Token(token) => {
                self.tokens.insert(token.id.clone());
                self.digests.insert(token.digest);
                self.entries.push((self.line, TenantEntry::Token(token)));
            }
        }
        Ok(())
    }
}

impl<D: Driver> Records<'_, D> {
    /// Rejects a resource that the table of its type can't have.
    fn check_table(&self, kind: &str) -> Result<(), StoreError> {
        let problem = match self.tables.table_of(kind, &self.tenant) {
            Some(table) if !table.makes_ids() => return Ok(()),
            Some(table) => {
                let table = &table.sql.table().name;
                format!(
                    "the database makes the ids in `{table}`, so that no others can be imported"
                )
            }
            None => format!("no table can have a {kind} of this tenant"),
        };
        Err(StoreError::Invalid { detail: problem })
    }

    fn keep_resource(
        &mut self,
        resource: ResourceRecord,
        fit: ValidatedDocument,
    ) -> Result<(), StoreError> {
        self.check_table(&resource.kind)?;
        for AttrKeys { attr, keys } in &fit.keys {
            let attr = fit.kind.attr(*attr);
            if attr.definition().uniqueness == Uniqueness::None {
                continue;
            }
            for key in keys {
                let key = (resource.kind.clone(), attr.path().to_owned(), key.clone());
                if !self.unique.insert(key) {
                    let attr = attr.path().to_owned();
                    return Err(StoreError::Duplicate { attr });
                }
            }
        }
        self.lines.insert(resource.id.clone(), self.line);
        self.ids.insert(resource.id.clone(), Some(resource.kind));
        self.rows.push(ResourceRow {
            connection: resource.connection,
            created: resource.created,
            // What the current schema hides is stored, too.
            document: fit.stored.with_exactness(fit.is_shown),
            id: resource.id,
            kind: fit.kind,
            last_modified: resource.last_modified,
            state: RowState::Live,
            version: resource.version,
        });
        Ok(())
    }

    fn keep_deleted(
        &mut self,
        deleted: DeletedRecord,
        fit: ValidatedDocument,
    ) -> Result<(), StoreError> {
        self.check_table(&deleted.kind)?;
        self.lines.insert(deleted.id.clone(), self.line);
        self.ids.insert(deleted.id.clone(), None);
        self.rows.push(ResourceRow {
            connection: deleted.connection,
            created: deleted.created,
            document: fit.stored,
            id: deleted.id,
            kind: fit.kind,
            last_modified: deleted.deleted,
            state: RowState::Deleted,
            // An archive does not contain the version.
            version: Version::from(0),
        });
        Ok(())
    }

    fn keep_edges(&mut self, edges: MembershipRecord) -> Result<(), StoreError> {
        let list = MemberList {
            attr: edges.attr.into(),
            kind: edges.kind.into(),
            owner: edges.owner,
        };
        let members = self.edges.entry(list).or_default();
        for member in edges.targets {
            if members.insert(member.id, member.kind).is_some() {
                return Err(MembershipRecord::twice());
            }
        }
        Ok(())
    }
}
