//! Pages of resources: in SQL where it can decide filter and order, and evaluated where it can't.

use std::collections::BTreeMap;

use scimkit_core::message::SortOrder;
use scimkit_registry::{Budget, Predicate, ResourceId, Scalar};
use scimkit_sql::{
    Plan,
    tables::{RowOrder, RowOwner, RowStart},
};
use scimkit_store::{
    CountMode, OwnerFilter, Page, PageBuilder, PagePosition, PageStart, Query, RequestContext,
    StoreError, StoredResource,
    engine::{FoundRow, RowsError},
    rows::{Evaluator, SimpleRows},
};

use crate::{
    Transaction,
    rows::count_of,
    transaction::{LIST, OwnTable, PIECE, TableTransaction},
};

/// The rows of a transaction that reads.
type Reading<'a, T> = SimpleRows<'a, TableTransaction<'a, T>>;

/// Reads a page.
pub(crate) async fn page<T: Transaction>(
    rows: &mut Reading<'_, T>,
    context: &RequestContext,
    query: &Query,
) -> Result<Page, RowsError> {
    let Some(table) = rows.transaction_mut().table(&query.kind)? else {
        let total = (query.total == CountMode::Exact).then_some(0);
        return Ok(Page::new(Vec::new(), total));
    };
    let all = Predicate::All(Vec::new());
    let predicate = query.predicate.as_ref().unwrap_or(&all);
    let plan = table.0.sql.plan(&table.1, &query.kind, predicate);
    let sorts = query
        .sort
        .is_none_or(|sort| table.0.sql.can_sort(&query.kind, sort.attr));
    let list = List {
        owner: owner(&query.owner),
        plan,
        query,
        context,
        table,
    };
    if sorts && list.plan.residual.is_none() {
        list.in_sql(rows).await
    } else {
        list.evaluated(rows).await
    }
}

struct List<'q> {
    owner: RowOwner<'q>,
    plan: Plan,
    query: &'q Query,
    context: &'q RequestContext,
    table: OwnTable<'q>,
}

impl List<'_> {
    /// A page that SQL selects, sorts, counts and cuts out.
    async fn in_sql<T: Transaction>(&self, rows: &mut Reading<'_, T>) -> Result<Page, RowsError> {
        let (table, tenant) = &self.table;
        let restriction = (self.plan.condition.as_ref(), self.owner);
        let counts = self.query.total == CountMode::Exact;
        if counts {
            let count = table.sql.count(tenant, restriction);
            rows.transaction_mut().queue([count]);
        }
        let order = self.query.sort.map(|sort| RowOrder {
            attr: sort.attr,
            descending: sort.order == SortOrder::Descending,
        });
        let evaluator = Evaluator::new(self.context, self.query);
        let mut page = Filling::new(self.query);
        let mut start = match &self.query.start {
            PageStart::After(place) => RowStart::After(place.key.clone(), place.id.to_string()),
            PageStart::Index(start) => RowStart::Index(*start),
        };
        // One more than the page has room for tells whether others follow.
        let mut left = u64::from(self.query.count).saturating_add(1);
        while left > 0 && !page.builder.is_over() {
            let limit = left.min(PIECE);
            let ordered = (&*self.query.kind, order);
            let statement = table
                .sql
                .page(tenant, restriction, ordered, (&start, limit));
            let found = rows.transaction_mut().run(vec![statement]).await?;
            let mut resources = Vec::new();
            for row in found.into_iter().flatten() {
                self.context
                    .budget
                    .charge(Budget::COMPARISON)
                    .map_err(StoreError::from)?;
                resources.push(table.found(row, self.context)?.into_stored());
            }
            let count = resources.len() as u64;
            // The key may depend on edges, but SQL sorts by none of those.
            let keys = resources.iter().map(|stored| evaluator.sort_key(stored));
            let keys = keys.collect::<Result<Vec<_>, _>>()?;
            let edges = (&*self.query.edges, self.query.edge_limit);
            rows.add_edges_to(&self.query.kind, &mut resources, edges)
                .await?;
            for (key, stored) in keys.into_iter().zip(resources) {
                start = RowStart::After(key.clone(), stored.id.to_string());
                page.push(key, stored);
            }
            if count < limit {
                break;
            }
            left = left.saturating_sub(count);
        }
        let total = if counts {
            let results = rows.transaction_mut().queue_results().await?;
            Some(count_of(results.into_iter().next())?)
        } else {
            None
        };
        Ok(page.finish(total))
    }

    /// A page of resources that are evaluated one by one, of which only keys and ids are remembered.
    async fn evaluated<T: Transaction>(
        &self,
        rows: &mut Reading<'_, T>,
    ) -> Result<Page, RowsError> {
        let (table, tenant) = &self.table;
        let mut residual = self.query.clone();
        residual.predicate.clone_from(&self.plan.residual);
        residual.edges.clear();
        let evaluator = Evaluator::new(self.context, &residual);
        let computed = residual.needed_edges();
        let restriction = (self.plan.condition.as_ref(), self.owner);
        let mut start = RowStart::Index(0);
        let mut found: Vec<(Option<Scalar>, ResourceId)> = Vec::new();
        loop {
            let ordered = (&*self.query.kind, None);
            let statement = table
                .sql
                .page(tenant, restriction, ordered, (&start, PIECE));
            let piece = rows.transaction_mut().run(vec![statement]).await?;
            let piece = piece
                .into_iter()
                .flatten()
                .map(|row| table.found(row, self.context));
            let piece = piece.map(|row| row.map(FoundRow::into_stored));
            let mut piece = piece.collect::<Result<Vec<_>, _>>()?;
            rows.add_edges_to(&self.query.kind, &mut piece, (&computed, None))
                .await?;
            for stored in &piece {
                if evaluator.matches(stored)? {
                    found.push((evaluator.sort_key(stored)?, stored.id.clone()));
                }
            }
            match piece.last() {
                Some(last) if piece.len() as u64 == PIECE => {
                    start = RowStart::After(None, last.id.to_string());
                }
                _ => break,
            }
        }
        evaluator.sort(&mut found, |id| id)?;
        let total = (self.query.total == CountMode::Exact).then_some(found.len() as u64);
        let begins = |(at, (key, id)): &(u64, (Option<Scalar>, ResourceId))| match &self.query.start
        {
            PageStart::After(place) => place.precedes(self.query.sort, key.as_ref(), id),
            PageStart::Index(start) => at >= start,
        };
        let found: Vec<_> = (0_u64..)
            .zip(found)
            .filter(begins)
            .map(|(_, one)| one)
            .collect();
        self.filled(rows, total, found).await
    }

    /// The page of the first of these resources.
    async fn filled<T: Transaction>(
        &self,
        rows: &mut Reading<'_, T>,
        total: Option<u64>,
        found: Vec<(Option<Scalar>, ResourceId)>,
    ) -> Result<Page, RowsError> {
        let mut page = Filling::new(self.query);
        let count = usize::try_from(self.query.count).unwrap_or(usize::MAX);
        let found = found.into_iter().take(count.saturating_add(1));
        let found: Vec<_> = found.collect();
        for piece in found.chunks(LIST) {
            if page.builder.is_over() {
                break;
            }
            let ids = piece.iter().map(|(_, id)| id.clone()).collect();
            let resources = rows.transaction_mut().by_ids(ids).await?;
            let resources = resources.into_iter();
            let live = resources.filter(|row| *row.head.kind == *self.query.kind.name());
            let mut resources: Vec<_> = live.map(FoundRow::into_stored).collect();
            let edges = (&*self.query.edges, self.query.edge_limit);
            rows.add_edges_to(&self.query.kind, &mut resources, edges)
                .await?;
            let resources = resources
                .into_iter()
                .map(|stored| (stored.id.clone(), stored));
            let mut resources: BTreeMap<_, _> = resources.collect();
            for (key, id) in piece {
                if let Some(stored) = resources.remove(id) {
                    page.push(key.clone(), stored);
                }
            }
        }
        Ok(page.finish(total))
    }
}

/// A page that is filled in order.
struct Filling {
    builder: PageBuilder,
    /// The position of the last resource on the page.
    last: Option<PagePosition>,
}

impl Filling {
    fn new(query: &Query) -> Self {
        let builder = PageBuilder::new(query);
        Filling {
            builder,
            last: None,
        }
    }

    fn push(&mut self, key: Option<Scalar>, stored: StoredResource) {
        let place = PagePosition::new(key, stored.id.clone());
        self.builder.push(stored);
        if !self.builder.is_over() {
            self.last = Some(place);
        }
    }

    fn finish(self, total: Option<u64>) -> Page {
        let ended = self.builder.ended_at().is_some();
        let next = self.last.filter(|_| ended);
        self.builder.finish(total, next)
    }
}

fn owner(filter: &OwnerFilter) -> RowOwner<'_> {
    match filter {
        OwnerFilter::Any => RowOwner::Any,
        OwnerFilter::Connection(connection) => RowOwner::Connection(connection.as_str()),
        OwnerFilter::Unowned => RowOwner::Unowned,
    }
}
