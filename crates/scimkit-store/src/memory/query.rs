//! Queries: candidates from the indexes, then the one evaluation walk, then order and page.

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

/// A query after a look at the indexes.
pub(super) enum Asked<'q> {
    /// These rows satisfy the predicate; they come in the order of the query.
    Found(Vec<walk::Row>),
    /// These rows are still to be evaluated; they come in the order of the query.
    InOrder(Vec<walk::Row>),
    /// The indexes decide it; with the number of all resources.
    Page(PageRows<'q>, u64),
    /// These rows are still to be evaluated and sorted; they come in the order of their ids.
    Unsorted(Vec<walk::Row>),
}

/// Fewer resources than this are evaluated in well under a millisecond.
const FEW: usize = 1_000;

/// As many as this are not gone through at once, not even to copy pointers to them.
const MANY: usize = 10_000;

impl Tenant {
    /// Whether looking at the indexes alone may take long for a [long](Self::is_long) query.
    pub(super) fn has_many(&self, kind: &ResourceType) -> bool {
        let table = self.tables.get(kind.name());
        table.is_some_and(|table| table.records.len() >= MANY)
    }

    /// Whether a query may have more to evaluate or sort than a few resources.
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

    /// The maximum number of resources that have to be evaluated to find those that satisfy a predicate, soft-deleted
    /// ones included.
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

    /// The page if the indexes decide it, or the rows that are to be looked at, with the least
    /// that must be done under the lock: rows are pointers.
    pub(super) fn asked<'q>(&self, settings: &'q Settings, query: &'q Query) -> Asked<'q> {
        match self.page_of_all(settings, query) {
            Some((page, total)) => Asked::Page(page, total),
            None => self.rows(settings, query),
        }
    }

    /// The rows that are to be looked at.
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
        // What is not counted ends with the page, which comes soon where the rows come in order.
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

    /// A page of all resources and their number; none if the query filters, or if no index has its order.
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

    /// The resources in a table that satisfy a predicate over attributes that documents hold.
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

/// Pointers to rows, for when the lock is gone.
fn rows<'a>(rows: impl Iterator<Item = Row<'a>>) -> Vec<walk::Row> {
    rows.map(|(id, record)| (id.clone(), Arc::clone(record)))
        .collect()
}

/// The rows in the order that was asked for; none where no index has it.
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
    /// A set of ids, in order, outside of which no resource satisfies the predicate; `None` when
    /// no index narrows it.
    fn candidates(
        &self,
        table: &'a Table,
        predicate: &Predicate,
    ) -> Option<BTreeSet<&'a ResourceId>> {
        // More than there are resources narrow nothing, and may take long to gather.
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

    /// Whether all [candidates](Self::candidates) satisfy the predicate: it compares an attribute with a folded text
    /// under which the index has the resources.
    fn is_decided(&self, table: &Table, predicate: &Predicate) -> bool {
        matches!(predicate, Predicate::Compare { attr, op: Operator::Equal, value: Scalar::Text(_) }
            if table.has_keys_of(self.kind, *attr))
    }

    /// How many candidates there are at most, without gathering them.
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

    /// The resources of an id that may have one of this type as a member.
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

    /// The resources that an edge connects with the one that `value` names, for the `value` of a
    /// membership or of its inverse.
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
