//! Queries: candidates from the indexes, then the one evaluation walk, then order and page.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use scimkit_registry::{
    AttrId, Meter, Operator, Predicate, ResourceId, ResourceType, Role, Scalar, View,
};
use serde_json::{Map, Value};

use super::{
    edges::Among,
    order::{Keyed, Row, beginning},
    table::{Record, Table},
    tenant::Tenant,
};
use crate::{
    Count, Facts, Page, Position, Query, Settings, Sort, Start,
    computed::{computed, targets},
};

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
            return page_of_all(query, table)
                .unwrap_or_else(|sort| asking.sorted(query, sort, table.records.iter()));
        };
        let wanted = asking.wanted_by(predicate);
        let holds = |(id, record): &Row<'_>| {
            let made = asking.computed(&wanted, id, record);
            kind.matches(predicate, view(record, made.as_ref()), &Meter::unlimited()) == Ok(true)
        };
        if let Some(ids) = asking.candidates(table, predicate) {
            let rows = ids
                .into_iter()
                .filter_map(|id| table.records.get_key_value(id));
            return asking.answer(query, rows.filter(holds));
        }
        match in_index_order(query, table) {
            Ok(rows) => page(query, rows.filter(|(_, row)| holds(row))),
            Err(sort) => asking.sorted(query, sort, table.records.iter().filter(holds)),
        }
    }
}

/// A page of all resources, straight off the table; or the sort that no index has.
fn page_of_all(query: &Query, table: &Table) -> Result<Page, Sort> {
    let uncounted = query.clone().uncounted();
    let rows = in_index_order(&uncounted, table)?;
    let mut page = match query.start {
        Start::After(_) => page(&uncounted, rows),
        Start::Index(start) => {
            let start = usize::try_from(start).unwrap_or(usize::MAX);
            page(&uncounted.clone().page(0, query.count), rows.skip(start))
        }
    };
    page.total = (query.total == Count::Exact).then_some(table.records.len() as u64);
    Ok(page)
}

/// The rows in the order that was asked for; or the sort that no index has.
fn in_index_order<'a>(
    query: &'a Query,
    table: &'a Table,
) -> Result<Box<dyn Iterator<Item = Keyed<'a>> + 'a>, Sort> {
    match query.sort {
        None => {
            let after = beginning(query).map(|place| &place.id);
            Ok(Box::new(table.after(after).map(unsorted)))
        }
        Some(sort) => table.in_order(query, sort).ok_or(sort),
    }
}

/// A computed top-level attribute that the answer depends on.
struct Wanted {
    attr: AttrId,
    /// Of a membership, the only targets that matter.
    only: Option<BTreeSet<ResourceId>>,
}

struct Asking<'a> {
    kind: &'a Arc<ResourceType>,
    settings: &'a Settings,
    tenant: &'a Tenant,
}

impl Tenant {
    /// The resources in a table that satisfy a predicate over attributes that documents hold.
    pub(super) fn matching<'a>(
        &'a self,
        settings: &'a Settings,
        kind: &'a Arc<ResourceType>,
        table: &'a Table,
        predicate: &'a Predicate,
    ) -> impl Iterator<Item = Row<'a>> {
        let asking = Asking {
            kind,
            settings,
            tenant: self,
        };
        let found = asking.candidates(table, predicate);
        let narrowed = found.map(|ids| {
            let row = |id: &ResourceId| table.records.get_key_value(id);
            ids.into_iter().filter_map(row)
        });
        let all = narrowed.is_none().then(|| table.records.iter());
        let rows = narrowed
            .into_iter()
            .flatten()
            .chain(all.into_iter().flatten());
        rows.filter(|(_, record)| {
            let view = View::of(&record.document);
            kind.matches(predicate, view, &Meter::unlimited()) == Ok(true)
        })
    }
}

impl<'a> Asking<'a> {
    fn answer(&self, query: &Query, rows: impl Iterator<Item = Row<'a>>) -> Page {
        match query.sort {
            None => page(query, rows.map(unsorted)),
            Some(sort) => self.sorted(query, sort, rows),
        }
    }

    fn sorted(&self, query: &Query, sort: Sort, rows: impl Iterator<Item = Row<'a>>) -> Page {
        let wanted = self.wanted(&[sort.attr]);
        let key = |(id, record): Row<'a>| {
            let made = self.computed(&wanted, id, record);
            let view = view(record, made.as_ref());
            self.kind
                .sort_key(sort.attr, view, &Meter::unlimited())
                .ok()
                .flatten()
        };
        let mut keyed: Vec<_> = rows.map(|row| (key(row), row)).collect();
        // Stable: equal ones stay in the order of their ids.
        keyed.sort_by(|(a, _), (b, _)| sort.compare(a.as_ref(), b.as_ref()));
        page(query, keyed.into_iter())
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

fn unsorted(row: Row<'_>) -> Keyed<'_> {
    (None, row)
}

/// The page out of rows that come in their final order, with what they are sorted by.
fn page<'a>(query: &Query, rows: impl Iterator<Item = Keyed<'a>>) -> Page {
    let exact = query.total == Count::Exact;
    let count = usize::try_from(query.count).unwrap_or(usize::MAX);
    let (mut items, mut last, mut more) = (Vec::new(), None, false);
    let mut total = 0_u64;
    for (key, (id, record)) in rows {
        let begun = match &query.start {
            Start::After(place) => place.precedes(query.sort, key.as_ref(), id),
            Start::Index(start) => total >= *start,
        };
        total += 1;
        if begun && items.len() < count {
            items.push(record.stored(&query.kind, id));
            last = Some((key, id));
        } else if begun {
            more = true;
            if !exact {
                break;
            }
        }
    }
    let last = last.filter(|_| more);
    Page::new(items, exact.then_some(total))
        .ended_at(last.map(|(key, id)| Position::new(key, id.clone())))
}

fn view<'a>(record: &'a Record, made: Option<&'a Map<String, Value>>) -> View<'a> {
    match made {
        Some(made) => View::with(&record.document, made),
        None => View::of(&record.document),
    }
}
