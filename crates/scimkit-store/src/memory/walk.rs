//! Evaluates and sorts resources one by one, without a lock and in slices.

use std::{cmp::Ordering, collections::BTreeSet, sync::Arc, vec};

use scimkit_registry::{
    AttrId, AttrReader, AttributeRole, Budget, Exhausted, Forecast, Meter, Operator, Predicate,
    ResourceId, ResourceType, ResourceView, Scalar,
};
use serde_json::{Map, Value};

use super::{
    edges::{EDGE, EdgeFilter, EdgeReader, EdgeTargets, id_in},
    table::Record,
    tenant::Tenant,
};
use crate::{
    CountMode, PageStart, Query, ResourceFacts, Settings, Sort, computed::computed_attributes,
};

/// A resource as of the start of the query.
pub(super) type Row = (ResourceId, Arc<Record>);

/// The progress of a slice.
pub(super) enum Progress {
    /// All rows that the page needs were evaluated.
    Done,
    /// The next row, with its computed attributes, takes too long for a slice.
    Long((Row, Option<Map<String, Value>>)),
    /// The slice has ended, and other tasks should run.
    Pause,
}

/// A row with its sort key.
pub(super) type SortedRow = (Option<Scalar>, Row);

/// The maximum units of work for the evaluation of one row within a slice.
const LONG: u64 = 4 << 20;

/// The number of scanned bytes that count as one unit.
const SCANNED: u64 = 8;

/// The units of work of a slice, after which other tasks run: about a millisecond.
pub(super) const SLICE: u64 = 1 << 18;

/// The rows of a query, and the results of those that were evaluated.
pub(super) struct Walk<'q> {
    /// The number of matching rows from the start of the page on.
    begun: u64,
    /// The forecast for all rows and their number, if the query needs all of them.
    forecast: Option<(Forecast, u64)>,
    found: Found,
    /// The predicate to evaluate; none if all rows satisfy it.
    predicate: Option<&'q Predicate>,
    query: &'q Query,
    /// The reader of the attributes in the predicate and sort.
    reader: Arc<AttrReader>,
    rest: vec::IntoIter<Row>,
    settings: &'q Settings,
    /// The number of comparisons in the predicate.
    terms: u64,
    total: u64,
    wanted: Vec<Wanted<'q>>,
    wanted_by_sort: Vec<Wanted<'q>>,
}

/// The rows that may be on the page.
enum Found {
    /// Rows that come in order.
    InOrder(Vec<SortedRow>),
    /// The first rows in the order of the sort, including those before the page.
    Sorted(BTreeSet<Placed>, Sort),
}

impl<'q> Walk<'q> {
    /// Creates a walk over rows that satisfy the predicate and come in the order of the query.
    pub(super) fn found(settings: &'q Settings, query: &'q Query, rows: Vec<Row>) -> Self {
        Walk::new(settings, (query, None), rows, Found::InOrder(Vec::new()))
    }

    /// Creates a walk over rows that come in the order of the query.
    pub(super) fn in_order(settings: &'q Settings, query: &'q Query, rows: Vec<Row>) -> Self {
        let predicate = query.predicate.as_ref();
        Walk::new(
            settings,
            (query, predicate),
            rows,
            Found::InOrder(Vec::new()),
        )
    }

    /// Creates a walk over rows that come in the order of their ids.
    pub(super) fn sorting(settings: &'q Settings, query: &'q Query, rows: Vec<Row>) -> Self {
        let found = match query.sort {
            Some(sort) => Found::Sorted(BTreeSet::new(), sort),
            None => Found::InOrder(Vec::new()),
        };
        Walk::new(settings, (query, query.predicate.as_ref()), rows, found)
    }

    fn new(
        settings: &'q Settings,
        (query, predicate): (&'q Query, Option<&'q Predicate>),
        rows: Vec<Row>,
        found: Found,
    ) -> Self {
        let wanted = predicate.map(|predicate| wanted_by(settings, &query.kind, predicate));
        let attrs = predicate.into_iter().flat_map(Predicate::attributes);
        let attrs = attrs.chain(query.sort.map(|sort| sort.attr));
        let reader = Arc::new(query.kind.reader(attrs));
        let sort = query
            .sort
            .map(|sort| wanted_of(settings, &query.kind, &[sort.attr]));
        Walk {
            begun: 0,
            forecast: None,
            found,
            predicate,
            query,
            reader,
            rest: rows.into_iter(),
            settings,
            terms: predicate.map_or(0, terms),
            total: 0,
            wanted: wanted.unwrap_or_default(),
            wanted_by_sort: sort.unwrap_or_default(),
        }
    }

    /// Returns whether the predicate or the sort depends on edges, so that each slice needs the tenant.
    pub(super) fn needs_edges(&self) -> bool {
        let mut wanted = self.wanted.iter().chain(&self.wanted_by_sort);
        wanted.any(|one| {
            let role = self.query.kind.attr(one.attr).role();
            matches!(
                role,
                AttributeRole::Inverse | AttributeRole::Membership | AttributeRole::Reference
            )
        })
    }

    /// Evaluates the rows of one slice.
    ///
    /// # Errors
    /// The budget ran out.
    pub(super) fn slice(
        &mut self,
        tenant: Option<&Tenant>,
        budget: &Budget,
    ) -> Result<Progress, Exhausted> {
        budget.check()?;
        self.check_forecast(budget)?;
        let begun = budget.spent();
        let meter = budget.meter();
        while let Some((id, record)) = self.rest.next() {
            meter.compare(0)?;
            let holds = match self.predicate {
                _ if !self.query.owner.selects(record.connection.as_ref()) => false,
                None => true,
                Some(predicate) => {
                    let made = self.computed(&self.wanted, (&id, &record), tenant, &meter)?;
                    if self.terms.saturating_mul(size(&record, made.as_ref())) > LONG {
                        return Ok(Progress::Long(((id, record), made)));
                    }
                    meter.charge(record.text.len() as u64 / SCANNED)?;
                    let values = self.reader.read(&record.text);
                    let view = ResourceView::of_values(&values).with_computed(made.as_ref());
                    self.query.kind.matches(predicate, view, &meter)?
                }
            };
            if holds && self.add((id, record), tenant, &meter)? {
                return Ok(Progress::Done);
            }
            if budget.spent().saturating_sub(begun) >= SLICE {
                return Ok(Progress::Pause);
            }
        }
        Ok(Progress::Done)
    }

    /// Fails if the budget will not be enough for the remaining rows.
    fn check_forecast(&mut self, budget: &Budget) -> Result<(), Exhausted> {
        let needs_all = self.query.total == CountMode::Exact || self.is_sorting();
        if !needs_all {
            return Ok(());
        }
        let left = self.rest.len() as u64;
        let (forecast, rows) = self
            .forecast
            .get_or_insert_with(|| (Forecast::new(budget, left), left));
        forecast.check(budget, rows.saturating_sub(left))
    }

    /// Returns the evaluation of one row as a job for another thread.
    pub(super) fn long(
        &self,
        (row, made): (Row, Option<Map<String, Value>>),
        budget: &Budget,
    ) -> (Row, impl FnOnce() -> Result<bool, Exhausted> + Send + use<>) {
        let kind = Arc::clone(&self.query.kind);
        let predicate = self.query.predicate.clone();
        let record = Arc::clone(&row.1);
        let budget = budget.clone();
        let reader = Arc::clone(&self.reader);
        let evaluate = move || match &predicate {
            None => Ok(true),
            Some(predicate) => {
                let values = reader.read(&record.text);
                let view = ResourceView::of_values(&values).with_computed(made.as_ref());
                kind.matches(predicate, view, &budget.meter())
            }
        };
        (row, evaluate)
    }

    /// Adds a row that satisfies the predicate, and returns whether no other row is needed.
    pub(super) fn add(
        &mut self,
        (id, record): Row,
        tenant: Option<&Tenant>,
        meter: &Meter<'_>,
    ) -> Result<bool, Exhausted> {
        let (query, before) = (self.query, self.total);
        self.total += 1;
        let has_begun = match (&query.start, query.sort) {
            (PageStart::Index(start), None) => before >= *start,
            // If the walk sorts, it needs the rows before the page, too.
            (PageStart::Index(start), Some(_)) => self.is_sorting() || before >= *start,
            (PageStart::After(place), None) => place.precedes(None, None, &id),
            (PageStart::After(place), Some(_)) => {
                let key = self.key(&id, &record, tenant, meter)?;
                place.precedes(query.sort, key.as_ref(), &id)
            }
        };
        if !has_begun {
            return Ok(false);
        }
        self.begun += 1;
        if self.is_sorting() {
            let key = self.key(&id, &record, tenant, meter)?;
            self.place(key, id, record, meter)?;
            return Ok(false);
        }
        let has_room = matches!(&self.found, Found::InOrder(rows) if rows.len() < count(query));
        if !has_room {
            return Ok(query.total == CountMode::Skip);
        }
        let key = self.key(&id, &record, tenant, meter)?;
        if let Found::InOrder(rows) = &mut self.found {
            rows.push((key, (id, record)));
        }
        Ok(false)
    }

    fn is_sorting(&self) -> bool {
        matches!(self.found, Found::Sorted(..))
    }

    /// Inserts a row into the first ones in the order of the sort.
    fn place(
        &mut self,
        key: Option<Scalar>,
        id: ResourceId,
        record: Arc<Record>,
        meter: &Meter<'_>,
    ) -> Result<(), Exhausted> {
        let Found::Sorted(placed, sort) = &mut self.found else {
            return Ok(());
        };
        let skipped = match self.query.start {
            PageStart::After(_) => 0,
            PageStart::Index(start) => usize::try_from(start).unwrap_or(usize::MAX),
        };
        let most = skipped.saturating_add(count(self.query));
        let bytes = match &key {
            Some(Scalar::Text(text)) => text.len() as u64,
            _ => 0,
        };
        let comparisons = u64::from(placed.len().saturating_add(1).ilog2()) + 1;
        meter.charge(comparisons.saturating_mul(Budget::COMPARISON.saturating_add(bytes)))?;
        placed.insert(Placed {
            id,
            key,
            record,
            sort: *sort,
        });
        if placed.len() > most {
            placed.pop_last();
        }
        Ok(())
    }

    /// Returns the sort key of a row.
    fn key(
        &self,
        id: &ResourceId,
        record: &Record,
        tenant: Option<&Tenant>,
        meter: &Meter<'_>,
    ) -> Result<Option<Scalar>, Exhausted> {
        let Some(sort) = self.query.sort else {
            return Ok(None);
        };
        let made = self.computed(&self.wanted_by_sort, (id, record), tenant, meter)?;
        let values = self.reader.read(&record.text);
        let view = ResourceView::of_values(&values).with_computed(made.as_ref());
        self.query.kind.sort_key(sort.attr, view, meter)
    }

    fn computed(
        &self,
        wanted: &[Wanted<'_>],
        (id, record): (&ResourceId, &Record),
        tenant: Option<&Tenant>,
        meter: &Meter<'_>,
    ) -> Result<Option<Map<String, Value>>, Exhausted> {
        if wanted.is_empty() {
            return Ok(None);
        }
        let (kind, settings) = (&self.query.kind, self.settings);
        let mut edges = Vec::with_capacity(wanted.len());
        for Wanted {
            edges: reader,
            only,
            ..
        } in wanted
        {
            let filter = only.as_ref().map_or(EdgeFilter::ALL, EdgeFilter::Targets);
            let mut targets = EdgeTargets::default();
            let found =
                tenant.map(|tenant| reader.find(tenant, (id, record), filter, &mut targets));
            let found = found.unwrap_or_default();
            meter.charge(EDGE.saturating_mul(found.len() as u64 + 1))?;
            edges.append(&mut reader.build(found, &targets));
        }
        let document = record.document(kind);
        let facts = ResourceFacts {
            created: record.created,
            document: &document,
            edges: &edges,
            id,
            kind,
            last_modified: record.last_modified,
            version: &record.version,
        };
        let attrs: Vec<_> = wanted.iter().map(|one| one.attr).collect();
        Ok(Some(computed_attributes(settings, &facts, &attrs)))
    }

    /// Returns the rows of the page and the total, after all rows were evaluated.
    pub(super) fn finish(self) -> PageOfRows {
        let (rows, end) = match self.found {
            Found::InOrder(rows) => {
                let end = rows.len() as u64;
                (rows, end)
            }
            Found::Sorted(placed, _) => {
                let skipped = match self.query.start {
                    PageStart::After(_) => 0,
                    PageStart::Index(start) => start,
                };
                let start = usize::try_from(skipped).unwrap_or(usize::MAX);
                let rows = placed.into_iter().skip(start);
                let rows: Vec<_> = rows.map(|p| (p.key, (p.id, p.record))).collect();
                let end = skipped.saturating_add(rows.len() as u64);
                (rows, end)
            }
        };
        PageOfRows {
            has_more: self.begun > end,
            rows,
            total: self.total,
        }
    }
}

/// The rows of a page.
pub(super) struct PageOfRows {
    /// Whether other rows follow.
    pub(super) has_more: bool,
    pub(super) rows: Vec<SortedRow>,
    /// The number of all matching rows.
    pub(super) total: u64,
}

fn count(query: &Query) -> usize {
    usize::try_from(query.count).unwrap_or(usize::MAX)
}

/// A row with its sort key.
struct Placed {
    id: ResourceId,
    key: Option<Scalar>,
    record: Arc<Record>,
    sort: Sort,
}

impl Ord for Placed {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_key = self.sort.compare(self.key.as_ref(), other.key.as_ref());
        by_key.then_with(|| self.id.cmp(&other.id))
    }
}

impl PartialOrd for Placed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Placed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Placed {}

/// A computed top-level attribute on which the predicate or the sort depends.
struct Wanted<'q> {
    attr: AttrId,
    edges: EdgeReader<'q>,
    /// The only relevant targets of a membership; none if all are.
    only: Option<BTreeSet<ResourceId>>,
}

fn wanted_of<'q>(
    settings: &'q Settings,
    kind: &'q ResourceType,
    attrs: &[AttrId],
) -> Vec<Wanted<'q>> {
    let top = |attr: &AttrId| kind.attr(*attr).parent().unwrap_or(*attr);
    let computed = attrs.iter().filter(|attr| kind.is_computed(**attr));
    let tops: BTreeSet<AttrId> = computed.map(top).collect();
    tops.into_iter()
        .map(|attr| Wanted {
            attr,
            edges: EdgeReader::new(settings, kind, [attr]),
            only: None,
        })
        .collect()
}

fn wanted_by<'q>(
    settings: &'q Settings,
    kind: &'q ResourceType,
    predicate: &Predicate,
) -> Vec<Wanted<'q>> {
    let mut wanted = wanted_of(settings, kind, &predicate.attributes());
    for one in &mut wanted {
        one.only = focus(kind, one.attr, predicate);
    }
    wanted
}

/// Returns the targets of a membership on which the predicate depends; none if it may depend on all.
///
/// This makes `members[value eq "…"]` fast for a group of any size.
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
            // Within brackets, targets that no `eq` names must not satisfy the predicate.
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

/// Returns the approximate maximum number of bytes that a comparison reads of a row.
fn size(record: &Record, made: Option<&Map<String, Value>>) -> u64 {
    const ELEMENT: u64 = 64;
    let elements = made
        .into_iter()
        .flat_map(Map::values)
        .filter_map(Value::as_array);
    let elements: usize = elements.map(Vec::len).sum();
    let bytes = record.text.len() as u64;
    bytes.saturating_add(ELEMENT.saturating_mul(elements as u64))
}

/// Returns the number of comparisons in a predicate.
fn terms(predicate: &Predicate) -> u64 {
    let mut count = 0;
    let mut open = vec![predicate];
    while let Some(next) = open.pop() {
        match next {
            Predicate::All(inner) | Predicate::Any(inner) => open.extend(inner),
            Predicate::ElementMatches { inner, .. } | Predicate::Not(inner) => open.push(inner),
            Predicate::Compare { .. } | Predicate::Never | Predicate::Present(_) => count += 1,
        }
    }
    count
}
