//! What a store is asked for, and the page that it answers with.

use std::{cmp::Ordering, sync::Arc};

use scimkit_core::message::SortOrder;
use scimkit_registry::{AttrId, Predicate, ResourceId, ResourceType, Scalar};

use crate::Stored;

/// Asks for a page of the resources of one type.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Query {
    /// How many resources at most; 0 asks for the total alone.
    pub count: u32,
    /// Under which membership and inverse attributes the page needs the resources' edges.
    pub edges: Vec<AttrId>,
    /// The type.
    pub kind: Arc<ResourceType>,
    /// Which ones; all when there is none.
    pub predicate: Option<Predicate>,
    /// In which order.
    pub sort: Option<Sort>,
    /// Where the page starts.
    pub start: Start,
    /// Whether the page needs the total.
    pub total: Count,
}

/// Whether a page tells how many resources there are in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Count {
    /// The exact number.
    Exact,
    /// It is not needed.
    Skip,
}

impl Query {
    /// All resources of the type, in one page of up to 100, with their total.
    #[must_use]
    pub fn of(kind: Arc<ResourceType>) -> Self {
        Query {
            count: 100,
            edges: Vec::new(),
            kind,
            predicate: None,
            sort: None,
            start: Start::Index(0),
            total: Count::Exact,
        }
    }

    /// Only those that satisfy the predicate.
    #[must_use]
    pub fn matching(mut self, predicate: Predicate) -> Self {
        self.predicate = Some(predicate);
        self
    }

    /// With their edges under these membership and inverse attributes.
    #[must_use]
    pub fn with_edges(mut self, edges: Vec<AttrId>) -> Self {
        self.edges = edges;
        self
    }

    /// `count` of them after that position.
    #[must_use]
    pub fn after(mut self, position: Position, count: u32) -> Self {
        self.start = Start::After(position);
        self.count = count;
        self
    }

    /// `count` of them after the first `start`.
    #[must_use]
    pub fn page(mut self, start: u64, count: u32) -> Self {
        self.start = Start::Index(start);
        self.count = count;
        self
    }

    /// In that order.
    #[must_use]
    pub fn sorted(mut self, sort: Option<Sort>) -> Self {
        self.sort = sort;
        self
    }

    /// Without the total.
    #[must_use]
    pub fn uncounted(mut self) -> Self {
        self.total = Count::Skip;
        self
    }
}

/// A page of resources.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Page {
    /// The resources of the page.
    pub items: Vec<Stored>,
    /// The position of the last of them, when others follow it; of no resources there is none.
    pub next: Option<Position>,
    /// How many there are in all, when it was asked for.
    pub total: Option<u64>,
}

impl Page {
    /// A page and the total; nothing follows it.
    #[must_use]
    pub fn new(items: Vec<Stored>, total: Option<u64>) -> Self {
        Page {
            items,
            next: None,
            total,
        }
    }

    /// With where it ended, as others follow.
    #[must_use]
    pub fn ended_at(mut self, next: Option<Position>) -> Self {
        self.next = next;
        self
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
    pub fn by(attr: AttrId, order: SortOrder) -> Self {
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
/// use scimkit_store::{Position, Sort};
///
/// let registry = Registry::standard();
/// let title = registry.by_name("User").unwrap().named("title").unwrap();
/// let sort = Some(Sort::by(title, SortOrder::Ascending));
/// let key = |text: &str| Some(Scalar::Text(text.to_owned()));
/// let place = Position::new(key("b"), ResourceId::from("7"));
/// let precedes = |k: &str, id: &str| place.precedes(sort, key(k).as_ref(), &ResourceId::from(id));
/// assert!(precedes("c", "1") && precedes("b", "8"));
/// assert!(!precedes("b", "7") && !precedes("a", "9"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position {
    /// Its place among equal ones; not always an id of a resource, and the empty one is before all.
    pub id: ResourceId,
    /// What the resource was sorted by; none where it had no value, or where nothing sorts.
    pub key: Option<Scalar>,
}

impl Position {
    /// The place of the resource with that sort key and id.
    #[must_use]
    pub fn new(key: Option<Scalar>, id: ResourceId) -> Self {
        Position { id, key }
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
pub enum Start {
    /// After what stands, or stood, at that position.
    After(Position),
    /// After so many.
    Index(u64),
}
