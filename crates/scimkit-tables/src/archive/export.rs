//! The records of a tenant, read piece by piece in one transaction.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use scimkit_core::Version;
use scimkit_registry::{AttributeRole, ResourceId, ResourceType};
use scimkit_sql::{
    Dialect, reference,
    tables::{self, RowStart},
};
use scimkit_store::{
    RequestContext, ResourceRef, StoreError, TenantId,
    archive::{
        ArchiveError, ArchiveRecord, DeletedRecord, MemberRecord, MembershipRecord, ResourceRecord,
        TARGETS, TenantHeader,
    },
    engine::{FoundRow, MemberList, RowState, RowsError},
    rows::{EdgeRow, EdgesBy, Lookups, RowLookups as _, TransactionMode},
};

use crate::{
    Driver, TableStore, Transaction,
    database::Tables,
    documents::retired,
    side_tables::SideTables,
    transaction::{OwnTable, PIECE, TableTransaction},
};

/// An export, which begins with the first record.
pub(super) struct Export<'a, D: Driver> {
    context: Arc<RequestContext>,
    /// The version of rows that the application has changed.
    next_version: u64,
    records: VecDeque<ArchiveRecord>,
    sources: Vec<Source>,
    store: &'a TableStore<D>,
    /// The state of the resources that are read; none at the end.
    state: Option<RowState>,
    /// None before the first record.
    transaction: Option<D::Transaction>,
}

/// A resource with its members.
type Resource = (FoundRow, Vec<MembershipRecord>);

/// The rows of one table.
struct Source {
    is_over: bool,
    last: Option<ResourceId>,
    /// The resources that were read and not yet exported, each with its members.
    rows: VecDeque<Resource>,
    /// The number of the table among those of the tenant.
    table: usize,
}

impl<'a, D: Driver> Export<'a, D> {
    pub(super) fn new(store: &'a TableStore<D>, tenant: &TenantId) -> Self {
        Export {
            context: Arc::new(store.own_context(tenant)),
            next_version: 1,
            records: VecDeque::new(),
            sources: Vec::new(),
            store,
            state: Some(RowState::Live),
            transaction: None,
        }
    }

    pub(super) async fn next(&mut self) -> Result<Option<ArchiveRecord>, ArchiveError> {
        if self.transaction.is_none() && self.state.is_some() {
            let begun = self
                .store
                .tables()
                .driver
                .begin(TransactionMode::Read)
                .await;
            self.transaction = Some(begun.map_err(StoreError::from)?);
            self.begin().await?;
        }
        while let (None, Some(state)) = (self.records.front(), self.state) {
            self.fill(state).await.map_err(StoreError::from)?;
            match self.take_first() {
                Some(resource) => self.push(state, resource),
                None => self.advance(state),
            }
        }
        Ok(self.records.pop_front())
    }

    fn tables(&self) -> &'a Tables<D> {
        self.store.tables()
    }

    /// Reads the entries of the tenant.
    async fn begin(&mut self) -> Result<(), StoreError> {
        let dialect: Dialect = self.store.driver().dialect();
        let Some(transaction) = self.transaction.take() else {
            return Ok(());
        };
        let context = Arc::clone(&self.context);
        let tenant = &context.tenant;
        let mut side = SideTables {
            dialect,
            transaction,
        };
        side.check_complete(tenant.as_str()).await?;
        let is_known = side.is_known(tenant.as_str()).await?;
        let version = side
            .integer(reference::version(dialect, tenant.as_str()))
            .await?;
        let versions = version.unwrap_or_default().cast_unsigned();
        self.next_version = versions.saturating_add(1);
        let entry = side.tenant(tenant.as_str()).await?;
        let header = TenantHeader::new(tenant.clone(), entry, versions);
        self.records.push_back(ArchiveRecord::Start(header));
        let connections = side.connections(tenant.as_str()).await?;
        let connections = connections.into_iter().map(ArchiveRecord::Connection);
        self.records.extend(connections);
        let mut tokens = side.tokens(tenant.as_str()).await?;
        tokens.sort_by(|a, b| a.id.cmp(&b.id));
        self.records
            .extend(tokens.into_iter().map(ArchiveRecord::Token));
        let mut rows = self.tables().rows_of(&context, side.transaction);
        if !is_known && !rows.has_resources().await? {
            return Err(StoreError::NotFound);
        }
        self.sources = sources(rows.own_tables().len());
        self.transaction = Some(rows.transaction);
        Ok(())
    }

    /// Reads on where nothing is left.
    async fn fill(&mut self, state: RowState) -> Result<(), RowsError> {
        let is_empty = |source: &Source| source.rows.is_empty() && !source.is_over;
        if !self.sources.iter().any(is_empty) {
            return Ok(());
        }
        let Some(transaction) = self.transaction.take() else {
            return Ok(());
        };
        let context = Arc::clone(&self.context);
        let mut rows = self.tables().rows_of(&context, transaction);
        let own = rows.own_tables();
        for source in &mut self.sources {
            if let Some(table) = own.get(source.table) {
                source.fill(&mut rows, table, state).await?;
            }
        }
        self.transaction = Some(rows.transaction);
        Ok(())
    }

    /// Takes the resource with the first id.
    fn take_first(&mut self) -> Option<Resource> {
        let sources = self.sources.iter_mut();
        let sources = sources.filter(|source| !source.rows.is_empty());
        let id = |source: &Source| source.rows.front().map(|(row, _)| row.head.id.clone());
        let first = sources.min_by_key(|source| id(source))?;
        first.rows.pop_front()
    }

    fn push(&mut self, state: RowState, (row, members): Resource) {
        self.records.push_back(match state {
            RowState::Deleted => ArchiveRecord::Deleted(deleted(row)),
            RowState::Live => ArchiveRecord::Resource(resource(row, self.next_version)),
        });
        self.records
            .extend(members.into_iter().map(ArchiveRecord::Edges));
    }

    /// Goes on with soft-deleted resources after live ones.
    fn advance(&mut self, state: RowState) {
        match state {
            RowState::Deleted => {
                self.state = None;
                self.transaction = None;
            }
            RowState::Live => {
                self.state = Some(RowState::Deleted);
                self.sources = sources(self.sources.len());
            }
        }
    }
}

fn sources(tables: usize) -> Vec<Source> {
    let source = |table| Source {
        is_over: false,
        last: None,
        rows: VecDeque::new(),
        table,
    };
    (0..tables).map(source).collect()
}

impl Source {
    /// Reads on, until there is a resource or no row is left.
    async fn fill<'a, T: Transaction>(
        &mut self,
        rows: &mut TableTransaction<'a, T>,
        table: &OwnTable<'a>,
        state: RowState,
    ) -> Result<(), RowsError> {
        while self.rows.is_empty() && !self.is_over {
            let found = match state {
                RowState::Deleted => self.deleted(rows, table).await?,
                RowState::Live => self.live(rows, table).await?,
            };
            let mut members = match state {
                RowState::Deleted => BTreeMap::new(),
                RowState::Live => members(rows, table.0.sql.kind(), &found).await?,
            };
            let with_members = found.into_iter().map(|row| {
                let members = members.remove(&row.head.id).unwrap_or_default();
                (row, members)
            });
            self.rows.extend(with_members);
        }
        Ok(())
    }

    async fn live<'a, T: Transaction>(
        &mut self,
        rows: &mut TableTransaction<'a, T>,
        table: &OwnTable<'a>,
    ) -> Result<Vec<FoundRow>, RowsError> {
        let start = match self.last.take() {
            Some(last) => RowStart::After(None, last.to_string()),
            None => RowStart::Index(0),
        };
        let found = rows.piece(table, &start).await?;
        self.note(&found);
        Ok(found)
    }

    async fn deleted<'a, T: Transaction>(
        &mut self,
        rows: &mut TableTransaction<'a, T>,
        (table, tenant): &OwnTable<'a>,
    ) -> Result<Vec<FoundRow>, RowsError> {
        let kind = table.sql.kind().name();
        let last = self.last.take();
        let after = last.as_ref().map_or("", ResourceId::as_str);
        let limit = usize::try_from(PIECE).unwrap_or(usize::MAX);
        let statement = tables::retired_after(rows.dialect, tenant.id(), kind, (after, limit));
        let found = rows.run(vec![statement]).await?.into_iter().flatten();
        let found = found.map(retired).collect::<Result<Vec<_>, _>>()?;
        self.note(&found);
        // The application may have given the id to another row since.
        let ids = found.into_iter().map(|row| row.head.id).collect();
        let mut found = rows.by_ids(ids).await?;
        found.retain(|row| row.head.state == RowState::Deleted && *row.head.kind == *kind);
        found.sort_by(|a, b| a.head.id.cmp(&b.head.id));
        Ok(found)
    }

    fn note(&mut self, found: &[FoundRow]) {
        self.is_over = (found.len() as u64) < PIECE;
        self.last = found.last().map(|row| row.head.id.clone());
    }
}

/// The members of resources of one type, in records of limited size.
async fn members<T: Transaction>(
    rows: &mut TableTransaction<'_, T>,
    kind: &ResourceType,
    owners: &[FoundRow],
) -> Result<BTreeMap<ResourceId, Vec<MembershipRecord>>, RowsError> {
    let attrs = kind
        .attributes()
        .iter()
        .filter(|attr| attr.parent().is_none());
    let attrs = attrs.filter(|attr| attr.role() == AttributeRole::Membership);
    let lists = attrs.flat_map(|attr| {
        owners.iter().map(|row| MemberList {
            attr: attr.path().into(),
            kind: kind.name().into(),
            owner: row.head.id.clone(),
        })
    });
    let lists: BTreeSet<_> = lists.collect();
    if lists.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut sorted: BTreeMap<MemberList, BTreeMap<ResourceId, Option<String>>> = BTreeMap::new();
    let lookups = Lookups {
        edges: vec![EdgesBy::Lists(lists)],
        rows: Vec::new(),
    };
    let found = rows.look_up(&lookups).await?.edges;
    for EdgeRow { list, member } in found.into_iter().flatten() {
        sorted
            .entry(list)
            .or_default()
            .insert(member.id, member.kind);
    }
    let mut records: BTreeMap<ResourceId, Vec<MembershipRecord>> = BTreeMap::new();
    for (list, members) in sorted {
        let members = members
            .into_iter()
            .map(|(id, kind)| MemberRecord { id, kind });
        let members: Vec<_> = members.collect();
        for piece in members.chunks(TARGETS) {
            let owner = ResourceRef {
                kind: list.kind.to_string(),
                id: list.owner.clone(),
            };
            let record = MembershipRecord::new(owner, &*list.attr, piece.to_vec());
            records.entry(list.owner.clone()).or_default().push(record);
        }
    }
    Ok(records)
}

/// A row that the application has added or changed has no number of its own.
fn resource(row: FoundRow, next_version: u64) -> ResourceRecord {
    let at = row.head.timestamps();
    let version = match row.head.version.as_str().parse::<u64>() {
        Ok(number) if number > 0 => row.head.version,
        _ => Version::from(next_version),
    };
    let record = ResourceRecord::new(&*row.head.kind, row.head.id, version, at, row.document);
    record.with_connection(row.connection)
}

fn deleted(row: FoundRow) -> DeletedRecord {
    let kind = &*row.head.kind;
    let (created, deleted) = (row.head.created, row.head.last_modified);
    let record = DeletedRecord::new(kind, row.head.id, created, deleted, row.document);
    record.with_connection(row.connection)
}
