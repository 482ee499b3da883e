//! Queries for resources, and the pages that they return.

use std::{cmp::Ordering, sync::Arc};

use scimkit_core::message::SortOrder;
use scimkit_registry::{AttrId, Predicate, ResourceId, ResourceType, Scalar};

use crate::{ConnectionId, ReadOptions, StoredResource};

/// A query for a page of the resources of one type.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Query {
    /// The maximum number of resources; 0 requests the total alone.
    pub count: u32,
    /// The maximum number of edges of each resource under each attribute; without it, all edges are returned.
    pub edge_limit: Option<u32>,
    /// The membership and inverse attributes whose edges the page needs.
    pub edges: Vec<AttrId>,
    /// The type of the resources.
    pub kind: Arc<ResourceType>,
    /// The maximum size of the resources in bytes, as [`PageBuilder`] counts them; without it, any size. The first
    /// resource is always on the page.
    pub max_bytes: Option<u64>,
    /// The handling of resources that do not fit into `max_bytes`.
    pub overflow: Overflow,
    /// The owners of the resources.
    pub owner: OwnerFilter,
    /// The condition for the resources; without it, all resources are selected.
    pub predicate: Option<Predicate>,
    /// The order of the resources; without it, they are in the order of their ids.
    pub sort: Option<Sort>,
    /// The start of the page.
    pub start: PageStart,
    /// Whether the page needs the total.
    pub total: CountMode,
}

/// Whether a page has the total number of resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CountMode {
    /// The page has the exact number.
    Exact,
    /// The number is not needed.
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
    /// Creates a query for all resources of the type: one page of up to 100, with their total.
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

    /// Selects the resources that satisfy the predicate.
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

    /// Sets the membership and inverse attributes whose edges the page needs.
    #[must_use]
    pub fn with_edges(mut self, edges: Vec<AttrId>) -> Self {
        self.edges = edges;
        self
    }

    /// Limits the number of edges of each resource under each attribute to the first ones in the order
    /// of [`Store::edges`](crate::Store::edges).
    #[must_use]
    pub fn with_edge_limit(mut self, limit: u32) -> Self {
        self.edge_limit = Some(limit);
        self
    }

    /// Limits the size of the resources, as [`PageBuilder`] counts them. The first one is always on the page, and
    /// [`Query::overflow`] decides about the others.
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Sets the handling of resources that do not fit into [`Query::max_bytes`].
    #[must_use]
    pub fn with_overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Returns the options for a read of one resource of the page.
    #[must_use]
    pub fn read_options(&self) -> ReadOptions {
        let want = ReadOptions::edges(self.edges.clone());
        match self.edge_limit {
            Some(limit) => want.with_edge_limit(limit),
            None => want,
        }
    }

    /// Starts the page after a position, with up to `count` resources.
    #[must_use]
    pub fn with_page_after(mut self, position: PagePosition, count: u32) -> Self {
        self.start = PageStart::After(position);
        self.count = count;
        self
    }

    /// Starts the page after the first `start` resources, with up to `count` resources.
    #[must_use]
    pub fn with_page(mut self, start: u64, count: u32) -> Self {
        self.start = PageStart::Index(start);
        self.count = count;
        self
    }

    /// Sets the order; with `None`, the resources are in the order of their ids.
    #[must_use]
    pub fn with_sort(mut self, sort: Option<Sort>) -> Self {
        self.sort = sort;
        self
    }

    /// Requests no total.
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
    /// The position of the last resource, if more follow; none if `items` is empty or `rest` is not.
    pub next: Option<PagePosition>,
    /// The ids of further resources of the page, in order, whose documents did not fit into its bytes: see
    /// [`Overflow::Name`].
    pub rest: Vec<ResourceId>,
    /// The number of resources on all pages, if it was requested.
    pub total: Option<u64>,
}

impl Page {
    /// Creates a page with its total, after which nothing follows.
    #[must_use]
    pub fn new(items: Vec<StoredResource>, total: Option<u64>) -> Self {
        Page {
            items,
            next: None,
            rest: Vec::new(),
            total,
        }
    }

    /// Sets the position at which the page ended, if more resources follow.
    #[must_use]
    pub fn with_next(mut self, next: Option<PagePosition>) -> Self {
        self.next = next;
        self
    }
}

/// The handling of the resources of a page that do not fit into [`Query::max_bytes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must carry out every rule"
)]
pub enum Overflow {
    /// The page ends before them, at [`Page::next`].
    End,
    /// The page has their ids only, in [`Page::rest`].
    Name,
}

/// Fills a page up to its count or its bytes.
///
/// A resource counts with its [size](StoredResource::size). The first one is on the page, whatever its size.
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
    /// Room for the resource with its edges.
    Document,
    /// No room: the page has reached its count, or has ended.
    Full,
    /// Room for its id.
    Id,
}

impl PageBuilder {
    /// Creates an empty page for a query.
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

    /// Returns the room for the next resource.
    #[must_use]
    pub fn room(&self) -> Room {
        if self.over || self.items.len() + self.rest.len() >= self.count {
            return Room::Full;
        }
        if self.rest.is_empty() {
            Room::Document
        } else {
            Room::Id
        }
    }

    /// Adds the next resource, its id alone, or nothing, depending on the room for it.
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

    /// Adds the id of the next resource, if there is [room](Self::room) for it.
    pub fn name(&mut self, id: ResourceId) {
        match self.room() {
            Room::Full => self.end(),
            _ => self.rest.push(id),
        }
    }

    /// Ends the page, because another resource follows.
    pub fn end(&mut self) {
        self.over = true;
    }

    /// Returns whether the page has ended because another resource follows.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Returns the resource at which the page ended; none if nothing follows, or if only the id of the last one is on
    /// the page.
    #[must_use]
    pub fn ended_at(&self) -> Option<&StoredResource> {
        let ended = self.over && self.rest.is_empty();
        self.items.last().filter(|_| ended)
    }

    /// Returns the page. `next` is the position of [`PageBuilder::ended_at`].
    #[must_use]
    pub fn finish(self, total: Option<u64>, next: Option<PagePosition>) -> Page {
        let mut page = Page::new(self.items, total).with_next(next);
        page.rest = self.rest;
        page
    }
}

/// The sort order of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sort {
    /// A simple attribute or sub-attribute.
    pub attr: AttrId,
    /// The direction.
    pub order: SortOrder,
}

impl Sort {
    /// Creates an order by this attribute in this direction.
    #[must_use]
    pub fn new(attr: AttrId, order: SortOrder) -> Self {
        Sort { attr, order }
    }

    /// Compares two sort keys: a missing one comes last, or first in descending order.
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

/// A position in the order of a query: that of a resource when a page ended at it.
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
/// let position = PagePosition::new(key("b"), ResourceId::from("7"));
/// let precedes = |k: &str, id: &str| position.precedes(sort, key(k).as_ref(), &ResourceId::from(id));
/// assert!(precedes("c", "1") && precedes("b", "8"));
/// assert!(!precedes("b", "7") && !precedes("a", "9"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PagePosition {
    /// The id, which orders resources with equal keys. It need not be that of a resource; an empty id comes before all
    /// others.
    pub id: ResourceId,
    /// The sort key of the resource; none if it had no value, or if the query does not sort.
    pub key: Option<Scalar>,
}

impl PagePosition {
    /// Creates the position of a resource with this sort key and id.
    #[must_use]
    pub fn new(key: Option<Scalar>, id: ResourceId) -> Self {
        PagePosition { id, key }
    }

    /// Returns whether a resource with this sort key and id comes after the position.
    #[must_use]
    pub fn precedes(&self, sort: Option<Sort>, key: Option<&Scalar>, id: &ResourceId) -> bool {
        let by_key = sort.map_or(Ordering::Equal, |s| s.compare(self.key.as_ref(), key));
        match sort {
            // Ids are unique, so there are no ties, and they follow the direction of the sort.
            Some(sort) if sort.attr == AttrId::ID => by_key.is_lt(),
            _ => by_key.then_with(|| self.id.cmp(id)).is_lt(),
        }
    }
}

/// The start of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must support every start"
)]
pub enum PageStart {
    /// After this position, whether or not its resource still exists.
    After(PagePosition),
    /// After this number of resources.
    Index(u64),
}
