//! The first resources in an order that SQL can't provide.

use std::{cmp::Ordering, collections::BTreeSet};

use scimkit_registry::{Budget, Exhausted, Meter, ResourceId, Scalar};
use scimkit_store::{PageStart, Query, Sort};

/// The first resources of a query in order, up to one after the end of its page.
#[derive(Debug)]
pub(super) struct Sorted<'q> {
    count: usize,
    placed: BTreeSet<Placed>,
    /// The number of resources before the page.
    skipped: usize,
    sort: Option<Sort>,
    start: &'q PageStart,
    total: u64,
}

#[derive(Debug)]
struct Placed {
    id: ResourceId,
    key: Option<Scalar>,
    sort: Option<Sort>,
}

impl<'q> Sorted<'q> {
    pub(super) fn new(query: &'q Query) -> Self {
        let skipped = match query.start {
            PageStart::After(_) => 0,
            PageStart::Index(start) => usize::try_from(start).unwrap_or(usize::MAX),
        };
        Sorted {
            count: usize::try_from(query.count).unwrap_or(usize::MAX),
            placed: BTreeSet::new(),
            skipped,
            sort: query.sort,
            start: &query.start,
            total: 0,
        }
    }

    /// Counts a resource, and inserts it in order if it is among the first.
    pub(super) fn add(
        &mut self,
        key: Option<Scalar>,
        id: &str,
        meter: &Meter<'_>,
    ) -> Result<(), Exhausted> {
        self.total += 1;
        if let PageStart::After(place) = self.start
            && !place.precedes(self.sort, key.as_ref(), &ResourceId::from(id))
        {
            return Ok(());
        }
        let bytes = match &key {
            Some(Scalar::Text(text)) => text.len() as u64,
            _ => 0,
        };
        let comparisons = u64::from(self.placed.len().saturating_add(1).ilog2()) + 1;
        meter.charge(comparisons.saturating_mul(Budget::COMPARISON.saturating_add(bytes)))?;
        // One resource more than the page contains shows that others follow.
        let is_full = self.placed.len() > self.end();
        if is_full
            && self
                .placed
                .last()
                .is_some_and(|last| last.precedes(key.as_ref(), id))
        {
            return Ok(());
        }
        let sort = self.sort;
        let id = ResourceId::from(id);
        self.placed.insert(Placed { id, key, sort });
        if is_full {
            self.placed.pop_last();
        }
        Ok(())
    }

    /// Returns the number of resources that were added.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Returns the ids of the page.
    pub(super) fn page(&self) -> impl Iterator<Item = &ResourceId> {
        let page = self.placed.iter().skip(self.skipped).take(self.count);
        page.map(|placed| &placed.id)
    }

    /// Returns whether more resources follow the page.
    pub(super) fn goes_on(&self) -> bool {
        self.count > 0 && self.placed.len() > self.end()
    }

    fn end(&self) -> usize {
        self.skipped.saturating_add(self.count)
    }
}

impl Placed {
    /// Returns whether this resource precedes another one.
    fn precedes(&self, key: Option<&Scalar>, id: &str) -> bool {
        self.compare(key, id).is_lt()
    }

    fn compare(&self, key: Option<&Scalar>, id: &str) -> Ordering {
        let compared = |sort: Sort| sort.compare(self.key.as_ref(), key);
        let by_key = self.sort.map_or(Ordering::Equal, compared);
        by_key.then_with(|| self.id.as_str().cmp(id))
    }
}

impl Ord for Placed {
    fn cmp(&self, other: &Self) -> Ordering {
        self.compare(other.key.as_ref(), other.id.as_str())
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
