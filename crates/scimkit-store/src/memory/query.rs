//! Queries: candidates from the indexes, then the one evaluation walk, then order and page.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use scimkit_core::message::SortOrder;
use scimkit_registry::{AttrId, Operator, Predicate, ResourceId, ResourceType, Role, Scalar, View};
use serde_json::{Map, Value};

use super::{
    edges::Among,
    table::{Record, Table},
    tenant::Tenant,
};
use crate::{
    Count, Facts, Page, Query, Settings, Sort, Stored,
    computed::{computed, targets},
};

type Row<'a> = (&'a ResourceId, &'a Record);

impl Tenant {
    pub(super) fn query(&self, settings: &Settings, query: &Query) -> Page {
        let none = Table::default();
        let kind = &query.kind;
        let table = self.tables.get(kind.name()).unwrap_or(&none);
        let asking = Asking {
            kind,
            settings,
            tenant: self,
        };
        let Some(predicate) = &query.predicate else {
            return match query.sort {
                None => first_page(query, table),
                Some(sort) => asking.sorted(query, sort, table.records.iter()),
            };
        };
        let wanted = asking.wanted_by(predicate);
        let holds = |(id, record): &Row<'_>| {
            let made = asking.computed(&wanted, id, record);
            kind.matches(predicate, view(record, made.as_ref()))
        };
        match asking.candidates(table, predicate) {
            Some(ids) => {
                let rows = ids
                    .into_iter()
                    .filter_map(|id| table.records.get_key_value(id));
                asking.answer(query, rows.filter(holds))
            }
            None => asking.answer(query, table.records.iter().filter(holds)),
        }
    }
}

/// A page of all resources, straight off the table.
fn first_page(query: &Query, table: &Table) -> Page {
    let start = usize::try_from(query.start).unwrap_or(usize::MAX);
    let rows = table.records.iter().skip(start).take(wanted_count(query));
    let total = (query.total == Count::Exact).then_some(table.records.len() as u64);
    Page::new(rows.map(|row| stored(&query.kind, row)).collect(), total)
}

/// A computed top-level attribute that the answer depends on.
struct Wanted {
    attr: AttrId,
    /// Of a membership, the only targets that matter.
    only: Option<BTreeSet<ResourceId>>,
}

struct Asking<'a> {
    kind: &'a ResourceType,
    settings: &'a Settings,
    tenant: &'a Tenant,
}

impl<'a> Asking<'a> {
    fn answer(&self, query: &Query, rows: impl Iterator<Item = Row<'a>>) -> Page {
        match query.sort {
            None => in_order(query, rows),
            Some(sort) => self.sorted(query, sort, rows),
        }
    }

    fn sorted(&self, query: &Query, sort: Sort, rows: impl Iterator<Item = Row<'a>>) -> Page {
        let wanted = self.wanted(&[sort.attr]);
        let key = |(id, record): Row<'a>| {
            let made = self.computed(&wanted, id, record);
            self.kind.sort_key(sort.attr, view(record, made.as_ref()))
        };
        let mut keyed: Vec<_> = rows.map(|row| (key(row), row)).collect();
        // Stable: equal ones stay in the order of their ids.
        keyed.sort_by(|(a, _), (b, _)| match sort.order {
            SortOrder::Descending => missing_last(b.as_ref(), a.as_ref()),
            SortOrder::Ascending => missing_last(a.as_ref(), b.as_ref()),
        });
        in_order(query, keyed.into_iter().map(|(_, row)| row))
    }

    fn wanted(&self, attrs: &[AttrId]) -> Vec<Wanted> {
        let top = |attr: &AttrId| self.kind.attr(*attr).parent().unwrap_or(*attr);
        let computed = attrs.iter().filter(|attr| self.kind.is_computed(**attr));
        let tops: BTreeSet<AttrId> = computed.map(top).collect();
        tops.into_iter()
            .map(|attr| Wanted { attr, only: None })
            .collect()
    }

    fn wanted_by(&self, predicate: &Predicate) -> Vec<Wanted> {
        let mut wanted = self.wanted(&predicate.attributes());
        for one in &mut wanted {
            one.only = focus(self.kind, one.attr, predicate);
        }
        wanted
    }

    fn computed(
        &self,
        wanted: &[Wanted],
        id: &ResourceId,
        record: &Record,
    ) -> Option<Map<String, Value>> {
        if wanted.is_empty() {
            return None;
        }
        let mut edges = Vec::with_capacity(wanted.len());
        for Wanted { attr, only } in wanted {
            let among = only.as_ref().map_or(Among::ALL, Among::Targets);
            let found = self
                .tenant
                .edges(self.settings, self.kind, *attr, id, among);
            edges.push((*attr, found));
        }
        let facts = Facts {
            created: record.created,
            document: &record.document,
            edges: &edges,
            id,
            kind: self.kind,
            last_modified: record.last_modified,
            version: &record.version,
        };
        let attrs: Vec<_> = wanted.iter().map(|one| one.attr).collect();
        Some(computed(self.settings, &facts, &attrs))
    }

    /// A set of ids, in order, outside of which no resource satisfies the predicate; `None` when
    /// no index narrows it.
    fn candidates(
        &self,
        table: &'a Table,
        predicate: &Predicate,
    ) -> Option<BTreeSet<&'a ResourceId>> {
        match predicate {
            Predicate::All(terms) => terms
                .iter()
                .filter_map(|term| self.candidates(table, term))
                .min_by_key(BTreeSet::len),
            Predicate::Any(terms) => {
                let all: Option<Vec<_>> = terms
                    .iter()
                    .map(|term| self.candidates(table, term))
                    .collect();
                Some(all?.into_iter().flatten().collect())
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

    /// The resources that an edge connects with the one that `value` names, for the `value` of a
    /// membership or of its inverse.
    fn linked(&self, attr: AttrId, value: &Scalar) -> Option<Vec<&'a ResourceId>> {
        let id = id_in(self.kind, attr, value)?;
        let top = self.kind.attr(self.kind.attr(attr).parent()?);
        match top.role() {
            Role::Membership => {
                let owners = self.tenant.places.owners(id);
                let own = owners.filter(|o| *o.kind == *self.kind.name() && *o.attr == *top.path());
                Some(own.map(|owner| &owner.id).collect())
            }
            Role::Inverse => {
                let kinds = targets(&self.settings.registry, self.kind, top.id());
                let tables = kinds
                    .iter()
                    .filter_map(|k| self.tenant.tables.get(k.name()));
                let owners = tables.filter_map(|table| table.records.get(id));
                let targets = owners.flat_map(|record| record.edges.values());
                Some(targets.flat_map(BTreeMap::keys).collect())
            }
            _ => None,
        }
    }
}

/// The targets of a membership on which the predicate depends; `None` when it may depend on all.
///
/// This is what lets `members[value eq "…"]` be asked of a group of any size.
fn focus(kind: &ResourceType, top: AttrId, predicate: &Predicate) -> Option<BTreeSet<ResourceId>> {
    let mut only = BTreeSet::new();
    let mut open = vec![(predicate, false)];
    while let Some((next, inside)) = open.pop() {
        match next {
            Predicate::Compare { attr, .. } | Predicate::Present(attr)
                if kind.attr(*attr).parent().unwrap_or(*attr) != top => {}
            Predicate::Compare {
                attr,
                op: Operator::Equal,
                value,
            } => {
                only.insert(ResourceId::from(id_in(kind, *attr, value)?));
            }
            // Within brackets, what no `eq` names must satisfy nothing.
            Predicate::Not(_) if inside => return None,
            Predicate::All(terms) if inside && terms.is_empty() => return None,
            Predicate::All(terms) | Predicate::Any(terms) => {
                open.extend(terms.iter().map(|term| (term, inside)));
            }
            Predicate::ElementMatches { attr, inner } if *attr == top => open.push((inner, true)),
            Predicate::ElementMatches { .. } | Predicate::Never => {}
            Predicate::Not(inner) => open.push((inner, inside)),
            Predicate::Compare { .. } | Predicate::Present(_) => return None,
        }
    }
    Some(only)
}

/// The id that a value names where ids are compared as they are: the `value` of an edge.
fn id_in<'v>(kind: &ResourceType, attr: AttrId, value: &'v Scalar) -> Option<&'v str> {
    let sub = kind.attr(attr);
    let exact = sub.name() == "value" && sub.definition().is_case_exact();
    match value {
        Scalar::Text(id) if exact && sub.parent().is_some() => Some(id),
        _ => None,
    }
}

/// The page out of rows that come in their final order.
fn in_order<'a>(query: &Query, rows: impl Iterator<Item = Row<'a>>) -> Page {
    let exact = query.total == Count::Exact;
    let count = wanted_count(query);
    let mut items = Vec::new();
    let mut total = 0_u64;
    let mut rows = rows;
    while exact || items.len() < count {
        let Some(row) = rows.next() else { break };
        if total >= query.start && items.len() < count {
            items.push(stored(&query.kind, row));
        }
        total += 1;
    }
    Page::new(items, exact.then_some(total))
}

fn wanted_count(query: &Query) -> usize {
    usize::try_from(query.count).unwrap_or(usize::MAX)
}

fn stored(kind: &Arc<ResourceType>, (id, record): Row<'_>) -> Stored {
    record.stored(kind, id)
}

fn view<'a>(record: &'a Record, made: Option<&'a Map<String, Value>>) -> View<'a> {
    match made {
        Some(made) => View::with(&record.document, made),
        None => View::of(&record.document),
    }
}

fn missing_last(a: Option<&Scalar>, b: Option<&Scalar>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.cmp(b),
        _ => a.is_none().cmp(&b.is_none()),
    }
}
