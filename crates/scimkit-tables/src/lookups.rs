//! Finds rows and edges.

use std::{collections::BTreeSet, sync::Arc};

use scimkit_registry::{Predicate, ResourceId, ResourceType};
use scimkit_sql::{
    Dialect, Plan,
    tables::{self, RowOwner, RowStart, SqlStatement},
};
use scimkit_store::{
    RequestContext, StoreError,
    engine::{FoundRow, RowState, RowsError},
    rows::{LookupBy, LookupResults, Lookups, RowLookups, satisfying},
};

use crate::{
    SqlRow, Transaction,
    documents::retired,
    edges::edge_row,
    table::BoundTable,
    transaction::{LIST, OwnTable, PIECE, TableTransaction, TenantTable},
};

/// A look-up of rows whose first statements were added to others.
enum Started<'s> {
    /// One result per statement: the rows of a table, or soft-deleted ones.
    Ids(Vec<Option<&'s BoundTable>>),
    /// One result: the first rows.
    Search(Option<Box<Search<'s>>>),
}

/// Rows that satisfy a predicate, which are read in pieces in the order of their ids.
pub(crate) struct Search<'s> {
    context: &'s RequestContext,
    dialect: Dialect,
    /// None if soft-deleted rows are searched.
    from: Option<(OwnTable<'s>, Plan, RowOwner<'s>)>,
    found: Vec<FoundRow>,
    is_complete: bool,
    kind: &'s Arc<ResourceType>,
    last: Option<ResourceId>,
    predicate: &'s Predicate,
}

impl Search<'_> {
    /// Selects the next rows.
    fn statement(&self) -> SqlStatement {
        let Some(((table, tenant), plan, owner)) = &self.from else {
            let after = self.last.as_ref().map_or("", ResourceId::as_str);
            let limit = usize::try_from(PIECE).unwrap_or(usize::MAX);
            let (tenant, kind) = (self.context.tenant.as_str(), self.kind.name());
            return tables::retired_after(self.dialect, tenant, kind, (after, limit));
        };
        let start = match &self.last {
            Some(last) => RowStart::After(None, last.to_string()),
            None => RowStart::Index(0),
        };
        let restriction = (plan.condition.as_ref(), *owner);
        let ordered = (&**self.kind, None);
        table
            .sql
            .page(tenant, restriction, ordered, (&start, PIECE))
    }

    /// Adds the rows that the statement has selected.
    fn add(&mut self, rows: Vec<SqlRow>) -> Result<(), StoreError> {
        self.is_complete = (rows.len() as u64) < PIECE;
        let rows = rows.into_iter().map(|row| match &self.from {
            Some(((table, _), ..)) => table.found(row, self.context),
            None => retired(row),
        });
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        self.last = rows.last().map(|row| row.head.id.clone());
        let predicate = match &self.from {
            Some((_, plan, _)) => plan.residual.as_ref(),
            None => Some(self.predicate),
        };
        if let Some(predicate) = predicate {
            let rows = satisfying(self.context, self.kind, predicate, rows)?;
            self.found.extend(rows);
        } else {
            let texts = rows.iter().map(|row| row.document.size());
            self.context.budget.charge(texts.sum())?;
            self.found.extend(rows);
        }
        Ok(())
    }
}

impl<'a, T: Transaction> TableTransaction<'a, T> {
    /// A search for live rows; none if the tenant has no rows of that type.
    fn live<'s>(
        &self,
        (kind, predicate, owner): (&'s Arc<ResourceType>, &'s Predicate, RowOwner<'s>),
    ) -> Result<Option<Search<'s>>, StoreError>
    where
        'a: 's,
    {
        let Some((table, tenant)) = self.table(kind)? else {
            return Ok(None);
        };
        let plan = table.sql.plan(&tenant, kind, predicate);
        Ok(Some(self.search(
            (kind, predicate),
            Some(((table, tenant), plan, owner)),
        )))
    }

    fn search<'s>(
        &self,
        (kind, predicate): (&'s Arc<ResourceType>, &'s Predicate),
        from: Option<(OwnTable<'s>, Plan, RowOwner<'s>)>,
    ) -> Search<'s>
    where
        'a: 's,
    {
        Search {
            context: self.context,
            dialect: self.dialect,
            from,
            found: Vec::new(),
            is_complete: false,
            kind,
            last: None,
            predicate,
        }
    }

    /// The rest of a search.
    async fn finish(&mut self, mut search: Search<'_>) -> Result<Vec<FoundRow>, RowsError> {
        while !search.is_complete {
            let rows = self.run(vec![search.statement()]).await?;
            search.add(rows.into_iter().flatten().collect())?;
        }
        Ok(search.found)
    }

    /// The live rows of a type that satisfy a predicate, in the order of their ids.
    pub(crate) async fn satisfying(
        &mut self,
        kind: &Arc<ResourceType>,
        predicate: &Predicate,
    ) -> Result<Vec<FoundRow>, RowsError> {
        match self.live((kind, predicate, RowOwner::Any))? {
            Some(search) => self.finish(search).await,
            None => Ok(Vec::new()),
        }
    }

    /// The rows with one of these ids, of any type, live or soft-deleted.
    pub(crate) async fn by_ids(
        &mut self,
        ids: BTreeSet<ResourceId>,
    ) -> Result<Vec<FoundRow>, RowsError> {
        let lookups = Lookups {
            edges: Vec::new(),
            rows: vec![LookupBy::Ids(ids)],
        };
        let results = self.look_up(&lookups).await?;
        Ok(results.rows.into_iter().flatten().collect())
    }

    /// Adds the first statements of a look-up, by ids only for live rows of the type `only`, if there is one.
    fn start<'s>(
        &self,
        by: &'s LookupBy,
        only: Option<&ResourceType>,
        statements: &mut Vec<SqlStatement>,
    ) -> Result<Started<'s>, StoreError>
    where
        'a: 's,
    {
        let ids = match by {
            LookupBy::Ids(ids) => ids,
            LookupBy::Predicate {
                kind,
                predicate,
                state,
            } => {
                let search = match state {
                    RowState::Deleted => Some(self.search((kind, predicate), None)),
                    RowState::Live => self.live((kind, predicate, RowOwner::Any))?,
                };
                statements.extend(search.iter().map(Search::statement));
                return Ok(Started::Search(search.map(Box::new)));
            }
        };
        let ids: Vec<&str> = ids.iter().map(ResourceId::as_str).collect();
        let mut sources = Vec::new();
        for TenantTable { table, tenant } in &self.tables {
            let kind = table.sql.kind().name();
            let is_meant = only.is_none_or(|only| only.name() == kind);
            let Some(tenant) = tenant.as_ref().filter(|_| is_meant) else {
                continue;
            };
            let keys: Vec<_> = ids.iter().filter_map(|id| table.sql.key(id)).collect();
            for keys in keys.chunks(LIST) {
                statements.push(table.sql.select(tenant, keys.to_vec()));
                sources.push(Some(*table));
            }
            for ids in ids.chunks(LIST).filter(|_| only.is_none()) {
                statements.push(tables::retired_by_ids(self.dialect, tenant.id(), kind, ids));
                sources.push(None);
            }
        }
        Ok(Started::Ids(sources))
    }

    /// The rows of a look-up by ids.
    fn rows_of(
        &mut self,
        by: &LookupBy,
        sources: Vec<Option<&BoundTable>>,
        results: &mut impl Iterator<Item = Vec<SqlRow>>,
    ) -> Result<Vec<FoundRow>, StoreError> {
        let (mut found, mut deleted) = (Vec::new(), Vec::new());
        for source in sources {
            for row in results.next().unwrap_or_default() {
                match source {
                    Some(table) => found.push(table.found(row, self.context)?),
                    None => deleted.push(retired(row)?),
                }
            }
        }
        if let LookupBy::Ids(ids) = by {
            self.seen.extend(ids.iter().map(|id| (id.clone(), None)));
        }
        for row in &found {
            self.seen.insert(row.head.id.clone(), Some(row.clone()));
        }
        // The application may have given the id to another row since.
        deleted.retain(|row| !matches!(self.seen.get(&row.head.id), Some(Some(_))));
        found.append(&mut deleted);
        Ok(found)
    }
}

impl<T: Transaction> RowLookups for TableTransaction<'_, T> {
    async fn look_up(&mut self, lookups: &Lookups) -> Result<LookupResults, RowsError> {
        let mut statements = Vec::new();
        let mut started = Vec::new();
        let only = self.only.take();
        for by in &lookups.rows {
            started.push((by, self.start(by, only.as_deref(), &mut statements)?));
        }
        let mut counts = Vec::new();
        for by in &lookups.edges {
            let edges = self.edge_statements(by);
            counts.push(edges.len());
            statements.extend(edges);
        }
        let mut results = self.run(statements).await?.into_iter();
        let mut found = LookupResults::default();
        let mut searches = Vec::new();
        for (at, (by, started)) in started.into_iter().enumerate() {
            found.rows.push(match started {
                Started::Ids(sources) => self.rows_of(by, sources, &mut results)?,
                Started::Search(None) => Vec::new(),
                Started::Search(Some(mut search)) => {
                    search.add(results.next().unwrap_or_default())?;
                    searches.push((at, *search));
                    Vec::new()
                }
            });
        }
        for count in counts {
            let rows = results.by_ref().take(count).flatten().map(edge_row);
            found.edges.push(rows.collect::<Result<_, _>>()?);
        }
        for (at, search) in searches {
            let rows = self.finish(search).await?;
            let live = rows.iter().filter(|row| row.head.state == RowState::Live);
            let live = live.map(|row| (row.head.id.clone(), Some(row.clone())));
            self.seen.extend(live);
            if let Some(place) = found.rows.get_mut(at) {
                *place = rows;
            }
        }
        Ok(found)
    }
}
