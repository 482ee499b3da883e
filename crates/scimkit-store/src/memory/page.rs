//! Collects the resources of a page under the lock of a tenant, and builds the page without the lock.

use scimkit_registry::Scalar;

use super::{
    edges::{EdgeReader, EdgeTargets, FoundEdges, wanted},
    order::Row,
    tenant::Tenant,
    walk::SortedRow,
};
use crate::{
    CountMode, Overflow, Page, PageBuilder, PagePosition, Query, ReadOptions, Room, Settings,
    StoredResource,
};

/// The resources of a page, in their order.
pub(super) struct PageRows<'q> {
    /// The minimum size of the resources on the page, in bytes.
    bytes: u64,
    edges: EdgeReader<'q>,
    /// Whether other resources follow.
    has_more: bool,
    items: Vec<Item>,
    query: &'q Query,
    /// The targets of all edges on the page.
    targets: EdgeTargets<'q>,
    want: ReadOptions,
}

struct Item {
    edges: FoundEdges,
    /// The sort key.
    key: Option<Scalar>,
    stored: StoredResource,
}

impl<'q> PageRows<'q> {
    pub(super) fn new(settings: &'q Settings, query: &'q Query) -> Self {
        let want = query.read_options();
        PageRows {
            bytes: 0,
            edges: wanted(settings, &query.kind, &want),
            has_more: false,
            items: Vec::new(),
            query,
            targets: EdgeTargets::default(),
            want,
        }
    }

    /// Adds the next resource, if the page has room for it; returns whether it had.
    pub(super) fn take(
        &mut self,
        tenant: &Tenant,
        key: Option<Scalar>,
        (id, record): Row<'_>,
    ) -> bool {
        let count = usize::try_from(self.query.count).unwrap_or(usize::MAX);
        let max_bytes = self.query.max_bytes.unwrap_or(u64::MAX);
        let is_full = self.bytes > max_bytes;
        if self.items.len() >= count || (is_full && self.query.overflow == Overflow::End) {
            self.has_more = true;
            return false;
        }
        let stored = record.stored(&self.query.kind, id);
        // A resource without its document needs no edges.
        let edges = if is_full {
            FoundEdges::default()
        } else {
            let targets = &mut self.targets;
            self.edges
                .find_first(tenant, (id, record), self.want.limit, targets)
        };
        let bytes = stored.size().saturating_add(edges.min_size());
        self.bytes = self.bytes.saturating_add(bytes);
        self.items.push(Item { edges, key, stored });
        true
    }

    /// Adds rows of a query while the page has room.
    pub(super) fn take_all(&mut self, tenant: &Tenant, rows: Vec<SortedRow>) {
        for (key, (id, record)) in rows {
            if !self.take(tenant, key, (&id, &record)) {
                break;
            }
        }
    }

    /// Records that other resources follow.
    pub(super) fn end(&mut self) {
        self.has_more = true;
    }

    /// Builds the page.
    pub(super) fn build(self, total: u64) -> Page {
        let mut page = PageBuilder::new(self.query);
        let mut last = None;
        for Item {
            edges,
            key,
            mut stored,
        } in self.items
        {
            if page.room() == Room::Document {
                stored.edges = self.edges.build(edges, &self.targets);
            }
            let id = stored.id.clone();
            page.push(stored);
            if page.is_over() {
                break;
            }
            last = Some((key, id));
        }
        if self.has_more {
            page.end();
        }
        let last = last.filter(|_| page.ended_at().is_some());
        let next = last.map(|(key, id)| PagePosition::new(key, id));
        page.finish(
            (self.query.total == CountMode::Exact).then_some(total),
            next,
        )
    }
}
