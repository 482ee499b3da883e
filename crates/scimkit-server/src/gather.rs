//! Pages by index, gathered under a bound of bytes: what does not fit is read as it is sent.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use scimkit_core::Error;
use scimkit_registry::{ResourceId, ResourceType, Scalar};
use scimkit_store::{Overflow, Page, Position, Query, Scope, Sort, Store, Stored};

use crate::{error::Problem, sort::sort_keys};

/// The bytes of resources that one list holds at most, besides one resource.
pub(crate) const HELD: u64 = 4 << 20;

/// The resources of one page, in order: those that are held, and then the ids of the others.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    bytes: u64,
    pub(crate) items: Vec<Stored>,
    pub(crate) rest: VecDeque<(Arc<ResourceType>, ResourceId)>,
    /// How many resources there are in all.
    pub(crate) total: u64,
}

impl Gathered {
    /// Resources that are all held.
    pub(crate) fn of(items: Vec<Stored>) -> Self {
        Gathered {
            items,
            ..Gathered::default()
        }
    }

    fn len(&self) -> u64 {
        (self.items.len() + self.rest.len()) as u64
    }

    /// The bytes that may still be held.
    fn room(&self) -> u64 {
        match self.rest.is_empty() {
            true => HELD.saturating_sub(self.bytes),
            false => 0,
        }
    }

    fn push(&mut self, stored: Stored) {
        let bytes = stored.size();
        if self.items.is_empty() || bytes <= self.room() {
            self.bytes += bytes;
            self.items.push(stored);
        } else {
            self.rest.push_back((stored.kind, stored.id));
        }
    }

    fn extend(&mut self, kind: &Arc<ResourceType>, page: Page) {
        self.total += page.total.unwrap_or(page.items.len() as u64);
        page.items.into_iter().for_each(|stored| self.push(stored));
        let rest = page.rest.into_iter();
        self.rest.extend(rest.map(|id| (Arc::clone(kind), id)));
    }
}

/// Gathers `count` resources after the first `start`: of one type after the other, or of all types in
/// one order when there is a sort.
///
/// # Errors
/// What the store fails with; `tooMany` for a page too deep in a sorted list of several types.
pub(crate) async fn page(
    scope: &Scope,
    store: &dyn Store,
    queries: &[Query],
    (start, count): (u64, u32),
) -> Result<Gathered, Problem> {
    if queries.len() > 1 && queries.iter().any(|query| query.sort.is_some()) {
        return merged(scope, store, queries, (start, count)).await;
    }
    let mut gathered = Gathered::default();
    for query in queries {
        let skip = start.saturating_sub(gathered.total);
        let room = u64::from(count).saturating_sub(gathered.len());
        let room = u32::try_from(room).unwrap_or(u32::MAX);
        let mut query = query.clone().page(skip, room);
        if store.support(&query.kind).cursor {
            query = query.with_max_bytes(gathered.room());
            query = query.with_overflow(Overflow::Name);
        }
        let page = store.query(scope, &query).await?;
        gathered.extend(&query.kind, page);
    }
    Ok(gathered)
}

/// How deep into a sorted list of several types a page may lie.
const DEEPEST: u64 = 10_000;

/// The resources of one type, in order, on their way into a merged page.
struct Source<'a> {
    /// What follows was not read yet.
    more: bool,
    query: &'a Query,
    read: VecDeque<(Option<Scalar>, Stored)>,
    /// Where the part ended that was read last.
    position: Option<Position>,
}

impl Source<'_> {
    /// Reads on when nothing is left of what was read; returns the total of the first part.
    async fn fill(
        &mut self,
        scope: &Scope,
        store: &dyn Store,
        (count, bytes): (u32, u64),
    ) -> Result<u64, Problem> {
        if !self.more || !self.read.is_empty() {
            return Ok(0);
        }
        let query = match self.position.take() {
            None => self.query.clone().page(0, count),
            Some(position) => self.query.clone().after(position, count).uncounted(),
        };
        let query = match store.support(&query.kind).cursor {
            true => query.with_max_bytes(bytes),
            false => query,
        };
        let page = store.query(scope, &query).await?;
        let keys = sort_keys(scope, store, &query, &page.items).await?;
        self.read.extend(keys.into_iter().zip(page.items));
        self.position = page.next;
        self.more = self.position.is_some() && store.support(&query.kind).cursor;
        Ok(page.total.unwrap_or(0))
    }
}

/// A walk along all types at once, which holds a part of each.
async fn merged(
    scope: &Scope,
    store: &dyn Store,
    queries: &[Query],
    (start, count): (u64, u32),
) -> Result<Gathered, Problem> {
    let deep = start.saturating_add(u64::from(count));
    if deep > DEEPEST {
        let detail =
            format!("a sorted query of all types shows the first {DEEPEST} resources only");
        return Err(Error::too_many(detail).into());
    }
    // A type that does not know the attribute has no keys, and takes part in the same order.
    let sort = queries.iter().find_map(|query| query.sort);
    let most = u32::try_from(deep).unwrap_or(u32::MAX);
    let bytes = HELD / queries.len().max(1) as u64;
    let source = |query| Source {
        more: true,
        query,
        read: VecDeque::new(),
        position: None,
    };
    let mut sources: Vec<_> = queries.iter().map(source).collect();
    let (mut gathered, mut passed, mut seen) = (Gathered::default(), 0, BTreeSet::new());
    loop {
        for source in &mut sources {
            gathered.total += source.fill(scope, store, (most, bytes)).await?;
        }
        // The totals are needed even of a page of none.
        if passed >= deep {
            return Ok(gathered);
        }
        let Some(stored) = first(&mut sources, sort) else {
            return Ok(gathered);
        };
        // One that moved between two parts is there only once.
        if seen.insert(stored.id.clone()) {
            if passed >= start {
                gathered.push(stored);
            }
            passed += 1;
        }
    }
}

/// Takes the first of what was read; of equal ones that of the first type.
fn first(sources: &mut [Source<'_>], sort: Option<Sort>) -> Option<Stored> {
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
    best?.read.pop_front().map(|(_, stored)| stored)
}
