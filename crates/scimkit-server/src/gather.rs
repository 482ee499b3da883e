//! Pages by index, gathered up to a limit of bytes: resources beyond it are read while they are sent.

use std::collections::{BTreeSet, VecDeque};

use scimkit_core::ErrorResponse;
use scimkit_registry::{ResourceId, Scalar};
use scimkit_store::{Overflow, Page, PagePosition, Query, Sort, StoredResource};

use crate::{error::HandlerError, render::Item, sort::sort_keys, work::Service};

/// The maximum number of bytes of resources that one list holds in memory, in addition to one resource.
pub(crate) const HELD: u64 = 4 << 20;

/// The resources of one page, in order: first those in memory, then the ids of the others.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    bytes: u64,
    pub(crate) items: Vec<Item>,
    /// The index of the query that found each resource, and its id.
    pub(crate) rest: VecDeque<(usize, ResourceId)>,
    /// The total number of resources on all pages.
    pub(crate) total: u64,
}

impl Gathered {
    /// Creates a page whose resources are all in memory.
    #[cfg(feature = "cursors")]
    pub(crate) fn of(items: Vec<Item>) -> Self {
        Gathered {
            items,
            ..Gathered::default()
        }
    }

    fn len(&self) -> u64 {
        (self.items.len() + self.rest.len()) as u64
    }

    /// Returns the number of bytes that may still be held in memory.
    fn room(&self) -> u64 {
        if self.rest.is_empty() {
            HELD.saturating_sub(self.bytes)
        } else {
            0
        }
    }

    fn push(&mut self, item: Item) {
        let bytes = item.stored.size();
        if self.items.is_empty() || bytes <= self.room() {
            self.bytes += bytes;
            self.items.push(item);
        } else {
            self.rest.push_back((item.query, item.stored.id));
        }
    }

    fn extend(&mut self, query: usize, page: Page) {
        self.total += page.total.unwrap_or(page.items.len() as u64);
        let items = page.items.into_iter().map(|stored| Item { query, stored });
        items.for_each(|item| self.push(item));
        self.rest
            .extend(page.rest.into_iter().map(|id| (query, id)));
    }
}

/// Gathers `count` resources after the first `start`: type by type, or in one order for all types if there is a
/// sort.
///
/// # Errors
/// The errors of the store; `tooMany` for a page too deep in a sorted list of several types.
pub(crate) async fn page(
    service: Service<'_>,
    queries: &[Query],
    (start, count): (u64, u32),
) -> Result<Gathered, HandlerError> {
    if queries.len() > 1 && queries.iter().any(|query| query.sort.is_some()) {
        return merged(service, queries, (start, count)).await;
    }
    let (context, store, _) = service;
    let mut gathered = Gathered::default();
    for (at, query) in queries.iter().enumerate() {
        let skip = start.saturating_sub(gathered.total);
        let room = u64::from(count).saturating_sub(gathered.len());
        let room = u32::try_from(room).unwrap_or(u32::MAX);
        let mut query = query.clone().with_page(skip, room);
        if store.support(&query.kind).cursor {
            query = query.with_max_bytes(gathered.room());
            query = query.with_overflow(Overflow::Name);
        }
        let page = store.query(context, &query).await?;
        gathered.extend(at, page);
    }
    Ok(gathered)
}

/// The maximum depth of a page in a sorted list of several types.
const DEEPEST: u64 = 10_000;

/// The sorted resources of one type, to be merged into a page.
struct Source<'a> {
    /// The index of its query.
    at: usize,
    /// Whether more resources may follow that are not read yet.
    more: bool,
    query: &'a Query,
    read: VecDeque<(Option<Scalar>, StoredResource)>,
    /// The position where the last part ended.
    position: Option<PagePosition>,
}

impl Source<'_> {
    /// Reads the next part if the previous one is used up; returns the total with the first part.
    async fn fill(
        &mut self,
        service: Service<'_>,
        (count, bytes): (u32, u64),
    ) -> Result<u64, HandlerError> {
        if !self.more || !self.read.is_empty() {
            return Ok(0);
        }
        let (context, store, _) = service;
        let query = match self.position.take() {
            None => self.query.clone().with_page(0, count),
            Some(position) => self
                .query
                .clone()
                .with_page_after(position, count)
                .without_total(),
        };
        let query = if store.support(&query.kind).cursor {
            query.with_max_bytes(bytes)
        } else {
            query
        };
        let page = store.query(context, &query).await?;
        let keys = sort_keys(service, &query, &page.items).await?;
        self.read.extend(keys.into_iter().zip(page.items));
        self.position = page.next;
        self.more = self.position.is_some() && store.support(&query.kind).cursor;
        Ok(page.total.unwrap_or(0))
    }
}

/// Merges all types into one page, and holds only a part of each type at a time.
async fn merged(
    service: Service<'_>,
    queries: &[Query],
    (start, count): (u64, u32),
) -> Result<Gathered, HandlerError> {
    let deep = start.saturating_add(u64::from(count));
    if deep > DEEPEST {
        let detail =
            format!("a sorted query of all types shows the first {DEEPEST} resources only");
        return Err(ErrorResponse::too_many(detail).into());
    }
    // A type without the attribute has no keys, and takes part in the same order.
    let sort = queries.iter().find_map(|query| query.sort);
    let most = u32::try_from(deep).unwrap_or(u32::MAX);
    let bytes = HELD / queries.len().max(1) as u64;
    let source = |(at, query)| Source {
        at,
        more: true,
        query,
        read: VecDeque::new(),
        position: None,
    };
    let mut sources: Vec<_> = queries.iter().enumerate().map(source).collect();
    let (mut gathered, mut passed, mut seen) = (Gathered::default(), 0, BTreeSet::new());
    loop {
        for source in &mut sources {
            gathered.total += source.fill(service, (most, bytes)).await?;
        }
        // The totals are needed even if the page is empty.
        if passed >= deep {
            return Ok(gathered);
        }
        let Some(item) = first(&mut sources, sort) else {
            return Ok(gathered);
        };
        // A resource that moved between two parts appears only once.
        if seen.insert(item.stored.id.clone()) {
            if passed >= start {
                gathered.push(item);
            }
            passed += 1;
        }
    }
}

/// Takes the first of the resources read so far; of equal ones, the one of the first type.
fn first(sources: &mut [Source<'_>], sort: Option<Sort>) -> Option<Item> {
    let mut best: Option<&mut Source<'_>> = None;
    for source in sources {
        let Some((key, _)) = source.read.front() else {
            continue;
        };
        let before = best.as_ref().and_then(|best| best.read.front());
        let is_before = match (sort, before) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(sort), Some((best, _))) => sort.compare(key.as_ref(), best.as_ref()).is_lt(),
        };
        if is_before {
            best = Some(source);
        }
    }
    let best = best?;
    let (_, stored) = best.read.pop_front()?;
    let query = best.at;
    Some(Item { query, stored })
}
