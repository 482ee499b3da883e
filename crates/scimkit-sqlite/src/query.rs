//! Pages: SQL decides what it can, and the registry evaluates the rest.

mod gathered;
mod scan;
mod sorted;
#[cfg(test)]
mod tests;

use scimkit_registry::{
    AttrEdges, AttrId, AttrReader, Budget, Meter, Predicate, ResourceView, Scalar,
};
use scimkit_sql::{
    Condition, plan,
    reference::{
        self, EdgeRange, KeyDefinitions, OwnerCondition, PageOrder, PageSelection, ReferenceLayout,
        RowPosition, Section, State,
    },
};
use scimkit_store::{
    CountMode, OwnerFilter, Page, PageBuilder, PagePosition, PageStart, Query, ResourceFacts, Room,
    Sort, StoreError, StoredResource, computed_attributes,
};

use self::{gathered::Gathered, scan::Scan, sorted::Sorted};
use crate::{
    definitions::{self, Texts},
    edges::EdgeReader,
    error::Outcome,
    row::{PageTexts, Row},
    statement::{DIALECT, each, first},
};

/// Returns a page at a single moment without an incomplete import of the tenant, and whether every row could be
/// found by its keys.
///
/// No transaction is needed: the first statement retains its snapshot until it ends, and the others are executed
/// before that.
///
/// # Errors
/// [`StoreError::Importing`].
pub(crate) fn page(
    reader: EdgeReader<'_>,
    query: &Query,
    budget: &Budget,
) -> Outcome<(Page, bool)> {
    let rows = (reader.tenant, query.kind.name());
    let keys = definitions::current(&query.kind);
    let statement = reference::import_and_other_key_definitions(DIALECT, rows, &keys);
    let answer = first(reader.connection, &statement, |row| {
        if row.get(0)? {
            return Err(StoreError::Importing.into());
        }
        let stale = if row.get(1)? {
            stale(reader, query)?
        } else {
            Vec::new()
        };
        page_with((reader, budget), query, &stale)
    })?;
    Ok(answer.ok_or_else(|| StoreError::backend("a statement returned no row"))?)
}

/// Returns the key definitions of rows that can't be found by the attributes in the query.
fn stale(reader: EdgeReader<'_>, query: &Query) -> Outcome<Vec<String>> {
    let attrs = query.predicate.iter().flat_map(Predicate::attributes);
    let attrs = attrs.chain(query.sort.map(|sort| sort.attr));
    let rows = (reader.tenant, State::Live);
    definitions::stale(reader.connection, rows, &query.kind, attrs)
}

fn page_with(
    (reader, budget): (EdgeReader<'_>, &Budget),
    query: &Query,
    stale: &[String],
) -> Outcome<(Page, bool)> {
    let current = KeyDefinitions::Except(stale);
    let asking = PageQuery::new((reader, budget), query, current);
    if !stale.is_empty() {
        let others = KeyDefinitions::Only(stale);
        let others = PageQuery::new((reader, budget), query, others);
        return Ok((asking.sorted_here(Some(&others))?, false));
    }
    let Some(sections) = asking.sections() else {
        return Ok((asking.sorted_here(None)?, true));
    };
    let (page, total) = match asking.residual {
        None => asking.decided(&sections)?,
        Some(_) => asking.evaluated(&sections)?,
    };
    let next = page.ended_at().map(|last| asking.position(last));
    let next = next.transpose()?;
    Ok((page.finish(total, next), true))
}

#[derive(Debug)]
struct PageQuery<'a> {
    budget: &'a Budget,
    condition: Option<Condition>,
    definitions: KeyDefinitions<'a>,
    /// Whether the residual predicate or the order depends on a computed attribute.
    is_computed: bool,
    meter: Meter<'a>,
    page_texts: PageTexts,
    query: &'a Query,
    reader: EdgeReader<'a>,
    /// The reader of the attributes in the residual predicate and the sort.
    reader_of_values: AttrReader,
    residual: Option<Predicate>,
    texts: Texts<'a>,
}

impl<'a> PageQuery<'a> {
    fn new(
        (reader, budget): (EdgeReader<'a>, &'a Budget),
        query: &'a Query,
        definitions: KeyDefinitions<'a>,
    ) -> Self {
        let layout = ReferenceLayout {
            dialect: DIALECT,
            has_keys: matches!(definitions, KeyDefinitions::Except(_)),
            registry: &reader.settings.registry,
            state: State::Live,
            tenant: reader.tenant,
        };
        let predicate = query.predicate.as_ref();
        let plan = predicate.map(|predicate| plan(&query.kind, predicate, &layout, 3));
        let plan = plan.unwrap_or_default();
        let attrs = plan.residual.iter().flat_map(Predicate::attributes);
        let attrs = attrs.chain(query.sort.map(|sort| sort.attr));
        let attrs: Vec<_> = attrs.collect();
        let is_computed = attrs.iter().any(|attr| query.kind.is_computed(*attr));
        let reader_of_values = query.kind.reader(attrs);
        PageQuery {
            budget,
            condition: plan.condition,
            definitions,
            is_computed,
            meter: budget.meter(),
            page_texts: PageTexts::default(),
            query,
            reader,
            reader_of_values,
            residual: plan.residual,
            texts: Texts::new(reader.connection, &query.kind),
        }
    }

    fn selection(&self) -> PageSelection<'_> {
        PageSelection {
            condition: self.condition.as_ref(),
            definitions: self.definitions,
            kind: &self.query.kind,
            owner: match &self.query.owner {
                OwnerFilter::Any => OwnerCondition::Any,
                OwnerFilter::Connection(owner) => OwnerCondition::Connection(owner.as_str()),
                OwnerFilter::Unowned => OwnerCondition::Unowned,
            },
            tenant: self.reader.tenant,
        }
    }

    /// Returns all rows, in the order of ids.
    fn all(&self) -> Section<'_> {
        reference::page_rows(DIALECT, self.selection())
    }

    /// Returns the rows in the requested order, from the start position on if there is one; `None` if SQL can't
    /// sort them.
    fn sections(&self) -> Option<Vec<Section<'_>>> {
        let order = self.query.sort.map(|sort| PageOrder {
            attr: sort.attr,
            direction: sort.order,
        });
        let start = match &self.query.start {
            PageStart::After(place) => Some(RowPosition {
                id: place.id.as_str(),
                key: place.key.as_ref(),
            }),
            PageStart::Index(_) => None,
        };
        reference::page_sections(DIALECT, self.selection(), order, start)
    }

    fn position(&self, stored: &StoredResource) -> Outcome<PagePosition> {
        let key = match self.query.sort {
            None => None,
            Some(sort) => self.key(sort, stored)?,
        };
        Ok(PagePosition::new(key, stored.id.clone()))
    }

    /// Returns the page and the total, if SQL decides the whole predicate.
    fn decided(&self, sections: &[Section<'_>]) -> Outcome<(PageBuilder, Option<u64>)> {
        let mut gathered = Gathered::new(self.query);
        let mut skip = match self.query.start {
            PageStart::After(_) => 0,
            PageStart::Index(start) => start,
        };
        // One more than the page holds, to detect further resources.
        let mut wanted = u64::from(self.query.count) + 1;
        let mut visited = 0_u64;
        for (at, section) in sections.iter().enumerate() {
            if gathered.is_full() {
                break;
            }
            let before = wanted;
            let statement = section.select(Some(wanted), skip);
            each(self.reader.connection, &statement, |row| {
                wanted = wanted.saturating_sub(1);
                visited += 1;
                match gathered.room() {
                    Room::Document => gathered.push(self.stored(Row::read(row)?)?),
                    Room::Id => gathered.name(Row::id(row)?),
                    Room::Full => {}
                }
                Ok(!gathered.is_full())
            })?;
            if wanted < before {
                skip = 0;
            } else if skip > 0 && at + 1 < sections.len() {
                skip = skip.saturating_sub(self.count(section)?);
            }
        }
        // If no page follows, the resources were counted while they were read.
        let is_counted = !gathered.is_full() && !self.query.is_unfiltered();
        let total = match (self.query.total, &self.query.start) {
            (CountMode::Skip, _) => None,
            (_, PageStart::Index(0)) if is_counted => Some(visited),
            (_, PageStart::Index(start)) if is_counted && visited > 0 => Some(start + visited),
            _ => Some(self.total()?),
        };
        Ok((gathered.finish(&self.reader)?, total))
    }

    /// Returns the number of resources on all pages, if SQL decides the whole predicate.
    fn total(&self) -> Outcome<u64> {
        let counted = if self.query.is_unfiltered() {
            self.counted()?
        } else {
            None
        };
        counted.map_or_else(|| self.count(&self.all()), Ok)
    }

    /// Returns the number of all resources of the type, if a counter has it.
    fn counted(&self) -> Outcome<Option<u64>> {
        let EdgeReader {
            connection, tenant, ..
        } = self.reader;
        let statement = reference::total(DIALECT, tenant, self.query.kind.name());
        let total = first(connection, &statement, |row| Ok(row.get::<_, i64>(0)?))?;
        Ok(total.map(i64::unsigned_abs))
    }

    /// Creates a scan of all rows. Their number is known if SQL does not filter them.
    fn scan(&self) -> Outcome<Scan<'a>> {
        let is_narrowed = self.condition.is_some() || self.query.owner != OwnerFilter::Any;
        let rows = if is_narrowed { None } else { self.counted()? };
        Ok(Scan::new(self.budget, rows))
    }

    /// Returns the page and the total, if the rows arrive in order and each must still be evaluated.
    fn evaluated(&self, sections: &[Section<'_>]) -> Outcome<(PageBuilder, Option<u64>)> {
        let exact = self.query.total != CountMode::Skip;
        // After a position, the sections contain only later resources; the total is counted separately.
        let (start, counting) = match self.query.start {
            PageStart::After(_) => (0, false),
            PageStart::Index(start) => (start, exact),
        };
        let mut gathered = Gathered::new(self.query);
        let mut passed = 0_u64;
        // Without the total, the scan ends with the page.
        let mut scan = counting.then(|| self.scan()).transpose()?;
        for section in sections {
            self.each(section, |row| {
                if !counting && gathered.is_full() {
                    return Ok(false);
                }
                scan.as_mut().map_or(Ok(()), Scan::advance)?;
                if self.matching(row, None)?.is_some() {
                    if passed >= start {
                        match gathered.room() {
                            Room::Document => gathered.push(self.stored(row)?),
                            Room::Id => gathered.name(row.id.into()),
                            Room::Full => {}
                        }
                    }
                    passed += 1;
                }
                Ok(true)
            })?;
        }
        if exact && !counting {
            passed = 0;
            let mut scan = self.scan()?;
            self.each(&self.all(), |row| {
                scan.advance()?;
                passed += u64::from(self.matching(row, None)?.is_some());
                Ok(true)
            })?;
        }
        Ok((gathered.finish(&self.reader)?, exact.then_some(passed)))
    }

    /// Returns the page if SQL can't sort, or if some rows can't be found by their keys: the keys of all rows are
    /// sorted here, and only the documents of the page are read again.
    fn sorted_here(&self, others: Option<&PageQuery<'_>>) -> Outcome<Page> {
        let mut sorted = Sorted::new(self.query);
        let mut scan = self.scan()?;
        for asking in [self].into_iter().chain(others) {
            asking.each(&asking.all(), |row| {
                scan.advance()?;
                if let Some(key) = asking.matching(row, self.query.sort)? {
                    sorted.add(key, row.id, &self.meter)?;
                }
                Ok(true)
            })?;
        }
        let mut gathered = Gathered::new(self.query);
        for id in sorted.page() {
            let EdgeReader {
                connection, tenant, ..
            } = self.reader;
            match gathered.room() {
                Room::Document => {
                    let stored = Row::find(connection, tenant, &self.texts, id.as_str())?;
                    stored.into_iter().for_each(|stored| gathered.push(stored));
                }
                Room::Id => gathered.name(id.clone()),
                Room::Full => break,
            }
        }
        let mut page = gathered.finish(&self.reader)?;
        if sorted.goes_on() {
            page.end();
        }
        let exact = self.query.total != CountMode::Skip;
        let next = page.ended_at().map(|last| self.position(last));
        Ok(page.finish(exact.then_some(sorted.total()), next.transpose()?))
    }

    /// Returns the sort key of a row that satisfies the residual predicate, or `None` for a row that does not.
    fn matching(&self, row: Row<'_>, sort: Option<Sort>) -> Outcome<Option<Option<Scalar>>> {
        let kind = &self.query.kind;
        self.meter.charge(row.document.len() as u64)?;
        if self.residual.is_none() && sort.is_none() {
            return Ok(Some(None));
        }
        let made = if self.is_computed {
            let stored = row.stored(&self.texts)?;
            let attrs = self.residual.iter().flat_map(Predicate::attributes);
            let attrs: Vec<_> = attrs.chain(sort.map(|sort| sort.attr)).collect();
            Some(self.computed(&attrs, &stored)?)
        } else {
            None
        };
        let values = self.reader_of_values.read(row.document);
        let view = ResourceView::of_values(&values).with_computed(made.as_ref());
        if let Some(predicate) = &self.residual
            && !kind.matches(predicate, view, &self.meter)?
        {
            return Ok(None);
        }
        let key = sort.map(|sort| kind.sort_key(sort.attr, view, &self.meter));
        Ok(Some(key.transpose()?.flatten()))
    }

    /// Returns the value by which a resource is sorted.
    fn key(&self, sort: Sort, stored: &StoredResource) -> Outcome<Option<Scalar>> {
        let made = self.computed(&[sort.attr], stored)?;
        let values = self.reader_of_values.read(stored.document.text());
        let view = ResourceView::of_values(&values).with_computed(Some(&made));
        Ok(self.query.kind.sort_key(sort.attr, view, &self.meter)?)
    }

    /// Computes the computed attributes among these.
    fn computed(
        &self,
        attrs: &[AttrId],
        stored: &StoredResource,
    ) -> Outcome<serde_json::Map<String, serde_json::Value>> {
        let kind = &self.query.kind;
        let wanted: Vec<_> = attrs
            .iter()
            .copied()
            .filter(|id| kind.is_computed(*id))
            .collect();
        let mut edges: Vec<AttrEdges> = Vec::new();
        for id in &wanted {
            let top = kind.attr(*id).parent().unwrap_or(*id);
            if !edges.iter().any(|list| list.attr == top) {
                let all = self.reader.edges((kind, stored), top, EdgeRange::ALL)?;
                edges.push(AttrEdges {
                    attr: top,
                    edges: all,
                });
            }
        }
        let facts = ResourceFacts::new(kind, stored, &edges);
        Ok(computed_attributes(self.reader.settings, &facts, &wanted))
    }

    /// Builds a resource of the page.
    fn stored(&self, row: Row<'_>) -> Outcome<StoredResource> {
        self.page_texts.stored(row, &self.texts)
    }

    /// Visits the rows of a section until the visitor returns `false`.
    fn each(
        &self,
        section: &Section<'_>,
        mut visit: impl FnMut(Row<'_>) -> Outcome<bool>,
    ) -> Outcome<()> {
        let statement = section.select(None, 0);
        each(self.reader.connection, &statement, |row| {
            visit(Row::read(row)?)
        })
    }

    fn count(&self, section: &Section<'_>) -> Outcome<u64> {
        let count = first(self.reader.connection, &section.count(), |row| {
            Ok(row.get::<_, i64>(0)?)
        })?;
        Ok(count.unwrap_or_default().unsigned_abs())
    }
}
