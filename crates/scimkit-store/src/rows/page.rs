//! Filters, sorts and pages resources in memory.

use std::{cmp::Ordering, collections::BTreeSet, sync::Arc};

use scimkit_registry::{
    AttrId, AttrReader, AttributeRole, Budget, Meter, Predicate, ResourceId, ResourceType,
    ResourceView, Scalar,
};
use serde_json::{Map, Value};

use crate::{
    CountMode, Page, PageBuilder, PagePosition, PageStart, Query, RequestContext, StoreError,
    StoredResource,
    computed::{ResourceFacts, computed_attributes},
    engine::FoundRow,
    read_options::most,
};

/// Returns the rows that satisfy a predicate on attributes that documents contain. The budget is charged for all rows.
///
/// # Errors
/// [`StoreError::Exhausted`]: the budget ran out.
pub fn satisfying(
    context: &RequestContext,
    kind: &Arc<ResourceType>,
    predicate: &Predicate,
    rows: Vec<FoundRow>,
) -> Result<Vec<FoundRow>, StoreError> {
    let meter = context.budget.meter();
    let reader = kind.reader(predicate.attributes());
    let mut left = Vec::new();
    for row in rows {
        let holds = {
            let values = reader.read(row.document.text());
            kind.matches(predicate, ResourceView::of_values(&values), &meter)?
        };
        if holds {
            left.push(row);
        }
    }
    Ok(left)
}

/// Returns the page of a query from resources of its type, in any order: filters, sorts and counts them.
///
/// - Each resource must have the edges that the query needs: [`Query::needed_edges`]. The page has the edges of
///   [`Query::edges`], up to [`Query::edge_limit`].
/// - If the database has evaluated a part of the predicate already, pass the query with the rest of it.
/// - The budget is charged for all resources, regardless of the size of the page.
///
/// # Errors
/// [`StoreError::Exhausted`]: the budget ran out.
pub fn page(
    context: &RequestContext,
    query: &Query,
    resources: Vec<StoredResource>,
) -> Result<Page, StoreError> {
    let evaluator = Evaluator::new(context, query);
    let mut found = Vec::new();
    for stored in resources {
        if query.owner.selects(stored.owner.as_ref()) && evaluator.matches(&stored)? {
            found.push((evaluator.sort_key(&stored)?, stored));
        }
    }
    evaluator.sort(&mut found, |stored| &stored.id)?;
    Ok(cut(query, found))
}

/// Evaluates predicate and order of a query over single resources, which carry the edges that these need. The budget is
/// charged for each of them.
#[derive(Debug)]
pub struct Evaluator<'q> {
    meter: Meter<'q>,
    query: &'q Query,
    reader: AttrReader,
    context: &'q RequestContext,
    wanted: Vec<AttrId>,
}

impl<'q> Evaluator<'q> {
    /// Creates an evaluator of a query.
    #[must_use]
    pub fn new(context: &'q RequestContext, query: &'q Query) -> Self {
        Evaluator {
            meter: context.budget.meter(),
            query,
            reader: query.kind.reader(asked(query)),
            context,
            wanted: wanted(query),
        }
    }

    /// Returns whether a resource satisfies the predicate.
    ///
    /// # Errors
    /// [`StoreError::Exhausted`].
    pub fn matches(&self, stored: &StoredResource) -> Result<bool, StoreError> {
        self.meter.compare(0)?;
        let Some(predicate) = &self.query.predicate else {
            return Ok(true);
        };
        let values = self.reader.read(stored.document.text());
        let made = made(self.context, self.query, stored, &self.wanted);
        let view = ResourceView::of_values(&values).with_computed(Some(&made));
        Ok(self.query.kind.matches(predicate, view, &self.meter)?)
    }

    /// Returns the sort key of a resource; none if it has no value, or if the query does not sort.
    ///
    /// # Errors
    /// [`StoreError::Exhausted`].
    pub fn sort_key(&self, stored: &StoredResource) -> Result<Option<Scalar>, StoreError> {
        let Some(sort) = self.query.sort else {
            return Ok(None);
        };
        let values = self.reader.read(stored.document.text());
        let made = made(self.context, self.query, stored, &self.wanted);
        let view = ResourceView::of_values(&values).with_computed(Some(&made));
        Ok(self.query.kind.sort_key(sort.attr, view, &self.meter)?)
    }

    /// Sorts resources by their keys, and equal ones by their ids.
    ///
    /// # Errors
    /// [`StoreError::Exhausted`].
    pub fn sort<T>(
        &self,
        found: &mut [(Option<Scalar>, T)],
        id: impl Fn(&T) -> &ResourceId,
    ) -> Result<(), StoreError> {
        let comparisons =
            (found.len() as u64).saturating_mul(u64::from(found.len().max(1).ilog2()));
        self.meter
            .charge(comparisons.saturating_mul(Budget::COMPARISON))?;
        found.sort_by(|(a, x), (b, y)| {
            let sort = self.query.sort;
            let by_key = sort.map_or(Ordering::Equal, |sort| sort.compare(a.as_ref(), b.as_ref()));
            by_key.then_with(|| id(x).cmp(id(y)))
        });
        Ok(())
    }
}

/// Returns the page from all resources that satisfy the query, in its order.
fn cut(query: &Query, found: Vec<(Option<Scalar>, StoredResource)>) -> Page {
    let total = (query.total == CountMode::Exact).then_some(found.len() as u64);
    let mut page = PageBuilder::new(query);
    let mut last = None;
    for (index, (key, mut stored)) in found.into_iter().enumerate() {
        let has_begun = match &query.start {
            PageStart::After(place) => place.precedes(query.sort, key.as_ref(), &stored.id),
            PageStart::Index(start) => index as u64 >= *start,
        };
        if !has_begun {
            continue;
        }
        stored.edges.retain(|list| query.edges.contains(&list.attr));
        let lists = stored.edges.iter_mut();
        lists.for_each(|list| list.edges.truncate(most(query.edge_limit)));
        let id = stored.id.clone();
        page.push(stored);
        if page.is_over() {
            break;
        }
        last = Some(PagePosition::new(key, id));
    }
    let next = last.filter(|_| page.ended_at().is_some());
    page.finish(total, next)
}

/// Returns the attributes on which the predicate and the sort depend.
fn asked(query: &Query) -> impl Iterator<Item = AttrId> {
    let of_predicate = query.predicate.iter().flat_map(Predicate::attributes);
    of_predicate.chain(query.sort.map(|sort| sort.attr))
}

/// Returns the computed attributes on which the predicate and the sort depend.
fn wanted(query: &Query) -> Vec<AttrId> {
    asked(query)
        .filter(|attr| query.kind.is_computed(*attr))
        .collect()
}

fn made(
    context: &RequestContext,
    query: &Query,
    stored: &StoredResource,
    wanted: &[AttrId],
) -> Map<String, Value> {
    if wanted.is_empty() {
        Map::new()
    } else {
        let facts = ResourceFacts::new(&query.kind, stored, &stored.edges);
        computed_attributes(&context.settings, &facts, wanted)
    }
}

impl Query {
    /// Returns the membership, inverse and reference attributes whose edges the page, the predicate or the sort needs,
    /// without duplicates.
    #[must_use]
    pub fn needed_edges(&self) -> Vec<AttrId> {
        let computed = wanted(self).into_iter();
        let top = computed.map(|attr| self.kind.attr(attr).parent().unwrap_or(attr));
        let has_edges = |attr: &AttrId| {
            let role = self.kind.attr(*attr).role();
            matches!(
                role,
                AttributeRole::Inverse | AttributeRole::Membership | AttributeRole::Reference
            )
        };
        let needed = top.filter(has_edges).chain(self.edges.iter().copied());
        needed.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl FoundRow {
    /// Returns the resource of the row, without edges.
    #[must_use]
    pub fn into_stored(self) -> StoredResource {
        let FoundRow {
            connection,
            document,
            head,
        } = self;
        let at = head.timestamps();
        StoredResource::new(head.id, head.version, at, document).with_owner(connection)
    }
}
