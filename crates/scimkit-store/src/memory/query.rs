//! Selects the rows of queries from the indexes, before their evaluation.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use scimkit_registry::{
    AttrId, AttributeRole, Exhausted, Meter, Operator, Predicate, ResourceId, ResourceType,
    ResourceView, Scalar,
};

use super::{
    edges::id_in,
    order::{Keyed, Row, beginning},
    page::PageRows,
    table::{Record, Table},
    tenant::Tenant,
    walk,
};
use crate::{CountMode, OwnerFilter, PageStart, Query, Settings, computed::target_types};

/// The result of a query's search of the indexes.
pub(super) enum Asked<'q> {
    /// The rows that satisfy the predicate, in the order of the query.
    Found(Vec<walk::Row>),
    /// The rows to evaluate, in the order of the query.
    InOrder(Vec<walk::Row>),
    /// The page, with the total: the indexes are enough.
    Page(PageRows<'q>, u64),
    /// The rows to evaluate and sort, in the order of their ids.
    Unsorted(Vec<walk::Row>),
}

/// The number of resources below which the evaluation takes well under a millisecond.
const FEW: usize = 1_000;

/// The number of resources from which on copying pointers to all of them takes too long.
const MANY: usize = 10_000;

impl Tenant {
    /// Returns whether the search of the indexes alone may take long for a [long](Self::is_long) query.
    pub(super) fn has_many(&self, kind: &ResourceType) -> bool {
        let table = self.tables.get(kind.name());
        table.is_some_and(|table| table.records.len() >= MANY)
    }

    /// Returns whether a query may have to evaluate or sort more than a few resources.
    pub(super) fn is_long(&self, settings: &Settings, query: &Query) -> bool {
        let Some(table) = self.tables.get(query.kind.name()) else {
            return false;
        };
        if table.records.len() < FEW {
            return false;
        }
        let Some(predicate) = query.predicate.as_ref().filter(|_| !query.is_unfiltered()) else {
            return query.owner != OwnerFilter::Any
                || in_index_order(&query.clone().without_total(), table).is_none();
        };
        let asking = Asking {
            kind: &query.kind,
            settings,
            tenant: self,
        };
        asking.most(table, predicate).is_none_or(|most| most >= FEW)
    }

    /// Returns the maximum number of resources to evaluate for a predicate, including soft-deleted ones.
    pub(super) fn count_candidates(
        &self,
        settings: &Settings,
        kind: &Arc<ResourceType>,
        predicate: &Predicate,
    ) -> usize {
        let asking = Asking {
            kind,
            settings,
            tenant: self,
        };
        let tables = [&self.tables, &self.deleted];
        let tables = tables.into_iter().filter_map(|all| all.get(kind.name()));
        let most = tables.map(|table| {
            let all = table.records.len();
            asking
                .most(table, predicate)
                .map_or(all, |most| most.min(all))
        });
        most.sum()
    }

    /// Returns the page if the indexes are enough, otherwise pointers to the rows to evaluate, since the lock should be
    /// held only briefly.
    pub(super) fn asked<'q>(&self, settings: &'q Settings, query: &'q Query) -> Asked<'q> {
        match self.page_of_all(settings, query) {
            Some((page, total)) => Asked::Page(page, total),
            None => self.rows(settings, query),
        }
    }

    /// Returns pointers to the rows to evaluate.
    pub(super) fn rows(&self, settings: &Settings, query: &Query) -> Asked<'static> {
        let none = Table::default();
        let table = self.tables.get(query.kind.name()).unwrap_or(&none);
        let Some(predicate) = query.predicate.as_ref().filter(|_| !query.is_unfiltered()) else {
            return Asked::Unsorted(rows(table.records.iter()));
        };
        let asking = Asking {
            kind: &query.kind,
            settings,
            tenant: self,
        };
        let found = asking.candidates(table, predicate).map(|ids| {
            let row = |id: &ResourceId| table.records.get_key_value(id);
            rows(ids.into_iter().filter_map(row))
        });
        // Without a total, the evaluation can end with the page, which is soon full if the rows come in order.
        let in_order = || {
            let is_worth_it = query.total == CountMode::Skip || query.sort.is_none();
            let keyed = in_index_order(query, table).filter(|_| is_worth_it)?;
            Some(rows(keyed.map(|(_, row)| row)))
        };
        match (found, query.sort) {
            (Some(found), None) if asking.is_decided(table, predicate) => Asked::Found(found),
            (Some(found), None) => Asked::InOrder(found),
            (Some(found), Some(_)) => Asked::Unsorted(found),
            (None, _) => match in_order() {
                Some(rows) => Asked::InOrder(rows),
                None => Asked::Unsorted(rows(table.records.iter())),
            },
        }
    }

    /// Returns a page of all resources, with their number; none if the query filters, or if no index has its order.
    fn page_of_all<'q>(
        &self,
        settings: &'q Settings,
        query: &'q Query,
    ) -> Option<(PageRows<'q>, u64)> {
        if !query.is_unfiltered() {
            return None;
        }
        let mut page = PageRows::new(settings, query);
        let Some(table) = self.tables.get(query.kind.name()) else {
            return Some((page, 0));
        };
        let uncounted = query.clone().without_total();
        let rows = in_index_order(&uncounted, table)?;
        let skipped = match query.start {
            PageStart::After(_) => 0,
            PageStart::Index(start) => usize::try_from(start).unwrap_or(usize::MAX),
        };
        let is_before = |(key, (id, _)): &Keyed<'_>| match &query.start {
            PageStart::After(place) => !place.precedes(query.sort, key.as_ref(), id),
            PageStart::Index(_) => false,
        };
        for (key, row) in rows.skip(skipped).skip_while(is_before) {
            if !page.take(self, key, row) {
                break;
            }
        }
        Some((page, table.records.len() as u64))
    }

    /// Returns the resources in a table that satisfy a predicate on attributes that documents contain.
    ///
    /// # Errors
    /// The budget ran out.
    pub(super) fn matching<'a>(
        &'a self,
        settings: &Settings,
        (kind, table): (&Arc<ResourceType>, &'a Table),
        predicate: &Predicate,
        meter: &Meter<'_>,
    ) -> Result<Vec<Row<'a>>, Exhausted> {
        let asking = Asking {
            kind,
            settings,
            tenant: self,
        };
        let rows: Box<dyn Iterator<Item = Row<'a>>> = match asking.candidates(table, predicate) {
            Some(ids) => {
                let row = |id: &ResourceId| table.records.get_key_value(id);
                Box::new(ids.into_iter().filter_map(row))
            }
            None => Box::new(table.records.iter()),
        };
        let reader = kind.reader(predicate.attributes());
        let mut matching = Vec::new();
        for row in rows {
            let values = reader.read(&row.1.text);
            if kind.matches(predicate, ResourceView::of_values(&values), meter)? {
                matching.push(row);
            }
        }
        Ok(matching)
    }
}

/// Copies pointers to rows, for use without the lock.
fn rows<'a>(rows: impl Iterator<Item = Row<'a>>) -> Vec<walk::Row> {
    rows.map(|(id, record)| (id.clone(), Arc::clone(record)))
        .collect()
}

/// Returns the rows in the order of the query; none if no index has that order.
fn in_index_order<'a>(
    query: &'a Query,
    table: &'a Table,
) -> Option<Box<dyn Iterator<Item = Keyed<'a>> + 'a>> {
    match query.sort {
        None => {
            let after = beginning(query).map(|place| &place.id);
            Some(Box::new(table.after(after).map(unsorted)))
        }
        Some(sort) => table.in_order(query, sort),
    }
}

struct Asking<'a> {
    kind: &'a Arc<ResourceType>,
    settings: &'a Settings,
    tenant: &'a Tenant,
}

impl<'a> Asking<'a> {
    /// Returns a superset of the resources that satisfy the predicate, in the order of ids; none if no index helps.
    fn candidates(
        &self,
        table: &'a Table,
        predicate: &Predicate,
    ) -> Option<BTreeSet<&'a ResourceId>> {
        // More candidates than resources don't help, and may take long to collect.
        self.most(table, predicate)
            .filter(|most| *most <= table.records.len())?;
        match predicate {
            Predicate::All(terms) => {
                let bounded = terms.iter().filter_map(|term| {
                    let most = self.most(table, term)?;
                    Some((most, term))
                });
                let (_, least) = bounded.min_by_key(|(most, _)| *most)?;
                self.candidates(table, least)
            }
            Predicate::Any(terms) => {
                let mut all = BTreeSet::new();
                for term in terms {
                    all.append(&mut self.candidates(table, term)?);
                }
                Some(all)
            }
            Predicate::Compare {
                attr,
                op: Operator::Equal,
                value,
            } => {
                let found = self.linked(*attr, value);
                found
                    .or_else(|| table.having(self.kind, *attr, value))
                    .map(BTreeSet::from_iter)
            }
            Predicate::ElementMatches { inner, .. } => self.candidates(table, inner),
            Predicate::Never => Some(BTreeSet::new()),
            Predicate::Compare { .. } | Predicate::Not(_) | Predicate::Present(_) => None,
        }
    }

    /// Returns whether all [candidates](Self::candidates) satisfy the predicate: it compares an indexed attribute with
    /// a folded text.
    fn is_decided(&self, table: &Table, predicate: &Predicate) -> bool {
        matches!(predicate, Predicate::Compare { attr, op: Operator::Equal, value: Scalar::Text(_) }
            if table.has_keys_of(self.kind, *attr))
    }

    /// Returns the maximum number of candidates, without collecting them.
    fn most(&self, table: &Table, predicate: &Predicate) -> Option<usize> {
        match predicate {
            Predicate::All(terms) => {
                let most = terms.iter().filter_map(|term| self.most(table, term));
                most.min()
            }
            Predicate::Any(terms) => {
                let each = terms.iter().map(|term| self.most(table, term));
                each.sum()
            }
            Predicate::Compare {
                attr,
                op: Operator::Equal,
                value,
            } => {
                let most = self.most_linked(*attr, value);
                most.or_else(|| table.count_having(self.kind, *attr, value))
            }
            Predicate::ElementMatches { inner, .. } => self.most(table, inner),
            Predicate::Never => Some(0),
            Predicate::Compare { .. } | Predicate::Not(_) | Predicate::Present(_) => None,
        }
    }

    fn most_linked(&self, attr: AttrId, value: &Scalar) -> Option<usize> {
        let id = id_in(self.kind, attr, value)?;
        let top = self.kind.attr(self.kind.attr(attr).parent()?);
        match top.role() {
            AttributeRole::Membership => Some(self.tenant.places.count_owners(id)),
            AttributeRole::Inverse => {
                let owners = self.owning(id, top.id());
                let targets = owners.flat_map(|record| record.edges.values());
                Some(targets.map(BTreeMap::len).sum())
            }
            _ => None,
        }
    }

    /// Returns the resources with that id that may have a resource of this type as a member.
    fn owning<'v>(
        &self,
        id: &'v str,
        attr: AttrId,
    ) -> impl Iterator<Item = &'a Arc<Record>> + use<'a, 'v> {
        let tenant = self.tenant;
        let kinds = target_types(&self.settings.registry, self.kind, attr);
        let tables = kinds
            .into_iter()
            .filter_map(|k| tenant.tables.get(k.name()));
        tables.filter_map(move |table| table.records.get(id))
    }

    /// Returns the resources with an edge to or from the resource whose id is `value`, for the sub-attribute `value` of
    /// a membership attribute or its inverse.
    fn linked(&self, attr: AttrId, value: &Scalar) -> Option<Vec<&'a ResourceId>> {
        let id = id_in(self.kind, attr, value)?;
        let top = self.kind.attr(self.kind.attr(attr).parent()?);
        match top.role() {
            AttributeRole::Membership => {
                let owners = self.tenant.places.owners(id);
                let own = owners.filter(|o| *o.kind == *self.kind.name() && *o.attr == *top.path());
                Some(own.map(|owner| &owner.id).collect())
            }
            AttributeRole::Inverse => {
                let owners = self.owning(id, top.id());
                let targets = owners.flat_map(|record| record.edges.values());
                Some(targets.flat_map(BTreeMap::keys).collect())
            }
            _ => None,
        }
    }
}

fn unsorted(row: Row<'_>) -> Keyed<'_> {
    (None, row)
}
