//! What a store is asked for, and the page that it answers with.

use std::{cmp::Ordering, sync::Arc};

use scimkit_core::message::SortOrder;
use scimkit_registry::{AttrId, Predicate, ResourceId, ResourceType, Scalar};

use crate::{ConnectionId, ReadOptions, StoredResource};

/// Asks for a page of the resources of one type.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Query {
    /// How many resources at most; 0 asks for the total alone.
    pub count: u32,
    /// How many edges of each resource under each attribute at most; all when there is none.
    pub edge_limit: Option<u32>,
    /// Under which membership and inverse attributes the page needs the resources' edges.
    pub edges: Vec<AttrId>,
    /// The type.
    pub kind: Arc<ResourceType>,
    /// How many bytes the resources may take, as [`PageBuilder`] counts them; any number when there
    /// is none. The first resource is always on the page.
    pub max_bytes: Option<u64>,
    /// What becomes of resources that do not fit into those bytes.
    pub overflow: Overflow,
    /// The owners of the resources.
    pub owner: OwnerFilter,
    /// Which ones; all when there is none.
    pub predicate: Option<Predicate>,
    /// In which order.
    pub sort: Option<Sort>,
    /// Where the page starts.
    pub start: PageStart,
    /// Whether the page needs the total.
    pub total: CountMode,
}

/// Whether a page tells how many resources there are in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CountMode {
    /// The exact number.
    Exact,
    /// It is not needed.
    Skip,
}

/// The owners whose resources a query selects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must carry out every filter"
)]
pub enum OwnerFilter {
    /// Any owner, and resources without one.
    #[default]
    Any,
    /// The resources of one connection.
    Connection(ConnectionId),
    /// The resources without an owner.
    Unowned,
}

impl OwnerFilter {
    /// Returns whether a resource with that owner is selected.
    ///
    /// # Example
    /// ```
    /// use scimkit_store::{ConnectionId, OwnerFilter};
    ///
    /// let entra = ConnectionId::from("entra");
    /// assert!(OwnerFilter::Any.selects(Some(&entra)));
    /// assert!(OwnerFilter::Connection(entra.clone()).selects(Some(&entra)));
    /// assert!(!OwnerFilter::Unowned.selects(Some(&entra)));
    /// assert!(OwnerFilter::Unowned.selects(None));
    /// ```
    #[must_use]
    pub fn selects(&self, owner: Option<&ConnectionId>) -> bool {
        match self {
            OwnerFilter::Any => true,
            OwnerFilter::Connection(connection) => owner == Some(connection),
            OwnerFilter::Unowned => owner.is_none(),
        }
    }
}

impl Query {
    /// All resources of the type, in one page of up to 100, with their total.
    #[must_use]
    pub fn new(kind: Arc<ResourceType>) -> Self {
        Query {
            count: 100,
            edge_limit: None,
            edges: Vec::new(),
            kind,
            max_bytes: None,
            overflow: Overflow::End,
            owner: OwnerFilter::Any,
            predicate: None,
            sort: None,
            start: PageStart::Index(0),
            total: CountMode::Exact,
        }
    }

    /// Returns whether the query selects all resources of the type, whose number a store with counters knows.
    #[must_use]
    pub fn is_unfiltered(&self) -> bool {
        if self.owner != OwnerFilter::Any {
            return false;
        }
        let mut open: Vec<_> = self.predicate.iter().collect();
        while let Some(next) = open.pop() {
            match next {
                Predicate::All(terms) => open.extend(terms),
                _ => return false,
            }
        }
        true
    }

    /// Only those that satisfy the predicate.
    #[must_use]
    pub fn with_predicate(mut self, predicate: Predicate) -> Self {
        self.predicate = Some(predicate);
        self
    }

    /// Selects the resources of some owners. Needs [`Capabilities::owners`](crate::Capabilities::owners).
    #[must_use]
    pub fn with_owner(mut self, owner: OwnerFilter) -> Self {
        self.owner = owner;
        self
    }

    /// With their edges under these membership and inverse attributes.
    #[must_use]
    pub fn with_edges(mut self, edges: Vec<AttrId>) -> Self {
        self.edges = edges;
        self
    }

    /// With at most `limit` edges of each resource under each attribute, the first ones in the order
    /// of [`Store::edges`](crate::Store::edges).
    #[must_use]
    pub fn with_edge_limit(mut self, limit: u32) -> Self {
        self.edge_limit = Some(limit);
        self
    }

    /// With resources of at most `bytes`, as [`PageBuilder`] counts them, but always with the first
    /// one. [`Query::overflow`] says what becomes of the others.
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// With another rule for resources that do not fit into [`Query::max_bytes`].
    #[must_use]
    pub fn with_overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Returns what a read of one resource of the page needs.
    #[must_use]
    pub fn read_options(&self) -> ReadOptions {
        let want = ReadOptions::edges(self.edges.clone());
        match self.edge_limit {
            Some(limit) => want.with_edge_limit(limit),
            None => want,
        }
    }

    /// `count` of them after that position.
    #[must_use]
    pub fn with_page_after(mut self, position: PagePosition, count: u32) -> Self {
        self.start = PageStart::After(position);
        self.count = count;
        self
    }

    /// `count` of them after the first `start`.
    #[must_use]
    pub fn with_page(mut self, start: u64, count: u32) -> Self {
        self.start = PageStart::Index(start);
        self.count = count;
        self
    }

    /// In that order.
    #[must_use]
    pub fn with_sort(mut self, sort: Option<Sort>) -> Self {
        self.sort = sort;
        self
    }

    /// Without the total.
    #[must_use]
    pub fn without_total(mut self) -> Self {
        self.total = CountMode::Skip;
        self
    }
}

/// A page of resources.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Page {
    /// The resources of the page, all of the [type of the query](Query::kind).
    pub items: Vec<StoredResource>,
    /// The position of the last of them, when others follow it; of no resources there is none.
    pub next: Option<PagePosition>,
    /// The ids of the resources of the page that did not fit into its bytes, in order, after those of
    /// `items`: see [`Overflow::Name`].
    pub rest: Vec<ResourceId>,
    /// How many there are in all, when it was asked for.
    pub total: Option<u64>,
}

impl Page {
    /// A page and the total; nothing follows it.
    #[must_use]
    pub fn new(items: Vec<StoredResource>, total: Option<u64>) -> Self {
        Page {
            items,
            next: None,
            rest: Vec::new(),
            total,
        }
    }

    /// With where it ended, as others follow.
    #[must_use]
    pub fn with_next(mut self, next: Option<PagePosition>) -> Self {
        self.next = next;
        self
    }
}

/// What becomes of the resources of a page that do not fit into [`Query::max_bytes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must carry out every rule"
)]
pub enum Overflow {
    /// The page ends before them, and [`Page::next`] says where.
    End,
    /// The page has only their ids, in [`Page::rest`].
    Name,
}

/// Fills a page until its count or its bytes are reached.
///
/// A resource counts with its [size](StoredResource::size). The first one is on the page however large it is.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use chrono::DateTime;
/// use scimkit_core::Version;
/// use scimkit_registry::{Registry, ResourceId};
/// use scimkit_store::{Document, Overflow, PageBuilder, Query, StoredResource, Timestamps};
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let stored = |id: &str, bytes| {
///     let version = Version::new("1").unwrap();
///     let (created, last_modified) = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH);
///     let document = Document::from_text(vec![b' '; bytes]);
///     let at = Timestamps { created, last_modified };
///     StoredResource::new(ResourceId::from(id), version, at, document)
/// };
/// let query = Query::new(Arc::clone(user)).with_max_bytes(100);
/// let mut page = PageBuilder::new(&query);
/// page.push(stored("1", 700));
/// page.push(stored("2", 20));
/// assert!(page.is_over());
/// assert_eq!(page.finish(None, None).items.len(), 1);
///
/// let mut page = PageBuilder::new(&query.with_overflow(Overflow::Name));
/// page.push(stored("1", 700));
/// page.push(stored("2", 20));
/// assert!(!page.is_over());
/// assert_eq!(page.finish(None, None).rest, [ResourceId::from("2")]);
/// ```
#[derive(Debug)]
pub struct PageBuilder {
    bytes: u64,
    count: usize,
    items: Vec<StoredResource>,
    max_bytes: u64,
    over: bool,
    overflow: Overflow,
    rest: Vec<ResourceId>,
}

/// The room for the next resource in a [`PageBuilder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a resource is on the page, named, or not on it"
)]
pub enum Room {
    /// For the resource with its edges.
    Document,
    /// None: the page has as many resources as it may.
    Full,
    /// For its id.
    Id,
}

impl PageBuilder {
    /// An empty page for a query.
    #[must_use]
    pub fn new(query: &Query) -> Self {
        PageBuilder {
            bytes: 0,
            count: usize::try_from(query.count).unwrap_or(usize::MAX),
            items: Vec::new(),
            max_bytes: query.max_bytes.unwrap_or(u64::MAX),
            over: false,
            overflow: query.overflow,
            rest: Vec::new(),
        }
    }

    /// The room for the next resource.
    #[must_use]
    pub fn room(&self) -> Room {
        if self.over || self.items.len() + self.rest.len() >= self.count {
            return Room::Full;
        }
        match self.rest.is_empty() {
            true => Room::Document,
            false => Room::Id,
        }
    }

    /// Adds the next resource, as far as it fits.
    pub fn push(&mut self, stored: StoredResource) {
        match self.room() {
            Room::Document => {}
            Room::Id => return self.rest.push(stored.id),
            Room::Full => return self.end(),
        }
        let bytes = self.bytes.saturating_add(stored.size());
        if self.items.is_empty() || bytes <= self.max_bytes {
            self.bytes = bytes;
            self.items.push(stored);
        } else {
            match self.overflow {
                Overflow::End => self.end(),
                Overflow::Name => self.rest.push(stored.id),
            }
        }
    }

    /// Adds the id of the next resource, where there is [room](Self::room) for that alone.
    pub fn name(&mut self, id: ResourceId) {
        match self.room() {
            Room::Full => self.end(),
            _ => self.rest.push(id),
        }
    }

    /// Ends the page: another resource follows it.
    pub fn end(&mut self) {
        self.over = true;
    }

    /// Whether the page has ended because another resource follows it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The resource at which the page ended; none where nothing follows, or where the last one is
    /// only named.
    #[must_use]
    pub fn ended_at(&self) -> Option<&StoredResource> {
        let ended = self.over && self.rest.is_empty();
        self.items.last().filter(|_| ended)
    }

    /// Returns the page, with the position of [`PageBuilder::ended_at`].
    #[must_use]
    pub fn finish(self, total: Option<u64>, next: Option<PagePosition>) -> Page {
        let mut page = Page::new(self.items, total).with_next(next);
        page.rest = self.rest;
        page
    }
}

/// By what a page is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sort {
    /// A simple attribute or sub-attribute.
    pub attr: AttrId,
    /// In which direction.
    pub order: SortOrder,
}

impl Sort {
    /// By that attribute, in that direction.
    #[must_use]
    pub fn new(attr: AttrId, order: SortOrder) -> Self {
        Sort { attr, order }
    }

    /// Which of two sort keys comes first: a missing one comes last, or first when descending.
    #[must_use]
    pub fn compare(self, a: Option<&Scalar>, b: Option<&Scalar>) -> Ordering {
        let ascending = match (a, b) {
            (Some(a), Some(b)) => a.cmp(b),
            _ => a.is_none().cmp(&b.is_none()),
        };
        match self.order {
            SortOrder::Ascending => ascending,
            SortOrder::Descending => ascending.reverse(),
        }
    }
}

/// A place in the order of a query: that of a resource, as it was when a page ended there.
///
/// # Example
/// ```
/// use scimkit_core::message::SortOrder;
/// use scimkit_registry::{Registry, ResourceId, Scalar};
/// use scimkit_store::{PagePosition, Sort};
///
/// let registry = Registry::standard();
/// let title = registry.resource_type("User").unwrap().attribute_id("title").unwrap();
/// let sort = Some(Sort::new(title, SortOrder::Ascending));
/// let key = |text: &str| Some(Scalar::Text(text.to_owned()));
/// let place = PagePosition::new(key("b"), ResourceId::from("7"));
/// let precedes = |k: &str, id: &str| place.precedes(sort, key(k).as_ref(), &ResourceId::from(id));
/// assert!(precedes("c", "1") && precedes("b", "8"));
/// assert!(!precedes("b", "7") && !precedes("a", "9"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PagePosition {
    /// Its place among equal ones; not always an id of a resource, and the empty one is before all.
    pub id: ResourceId,
    /// What the resource was sorted by; none where it had no value, or where nothing sorts.
    pub key: Option<Scalar>,
}

impl PagePosition {
    /// The place of the resource with that sort key and id.
    #[must_use]
    pub fn new(key: Option<Scalar>, id: ResourceId) -> Self {
        PagePosition { id, key }
    }

    /// Whether a resource with that sort key and id comes after it.
    #[must_use]
    pub fn precedes(&self, sort: Option<Sort>, key: Option<&Scalar>, id: &ResourceId) -> bool {
        let by_key = sort.map_or(Ordering::Equal, |s| s.compare(self.key.as_ref(), key));
        match sort {
            // Nothing is equal, and the direction is that of the ids.
            Some(sort) if sort.attr == AttrId::ID => by_key.is_lt(),
            _ => by_key.then_with(|| self.id.cmp(id)).is_lt(),
        }
    }
}

/// Where a page starts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must answer a page from where it starts"
)]
pub enum PageStart {
    /// After what stands, or stood, at that position.
    After(PagePosition),
    /// After so many.
    Index(u64),
}
