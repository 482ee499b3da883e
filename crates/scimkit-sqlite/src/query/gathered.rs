//! The resources of a page before their edges are read in one statement per attribute.

use scimkit_registry::{AttrEdges, ResourceId};
use scimkit_sql::reference::EdgeRange;
use scimkit_store::{Overflow, PageBuilder, Query, Room, StoredResource};

use crate::{
    edges::{EdgeReader, EdgeSource},
    error::Outcome,
};

/// The resources of a page in order, without their edges.
#[derive(Debug)]
pub(super) struct Gathered<'q> {
    /// The bytes of the documents.
    bytes: u64,
    documents: Vec<StoredResource>,
    /// The ids of the resources after those with documents.
    ids: Vec<ResourceId>,
    query: &'q Query,
}

impl<'q> Gathered<'q> {
    /// The maximum number of resources for which memory is reserved.
    const EXPECTED: u32 = 128;

    /// Creates an empty page.
    pub(super) fn new(query: &'q Query) -> Self {
        Gathered {
            bytes: 0,
            documents: Vec::with_capacity(query.count.min(Self::EXPECTED) as usize),
            ids: Vec::new(),
            query,
        }
    }

    fn max_bytes(&self) -> u64 {
        self.query.max_bytes.unwrap_or(u64::MAX)
    }

    fn count(&self) -> usize {
        usize::try_from(self.query.count).unwrap_or(usize::MAX)
    }

    /// Returns the room for the next resource, considering only documents. One resource more than the page contains is
    /// needed, to detect that others follow.
    pub(super) fn room(&self) -> Room {
        let len = self.documents.len() + self.ids.len();
        let has_ended = self.bytes > self.max_bytes() && len > 1;
        if self.query.count == 0
            || len > self.count()
            || (has_ended && self.query.overflow == Overflow::End)
        {
            return Room::Full;
        }
        if self.bytes > self.max_bytes() {
            Room::Id
        } else {
            Room::Document
        }
    }

    /// Returns whether no more resources are needed.
    pub(super) fn is_full(&self) -> bool {
        self.room() == Room::Full
    }

    /// Adds the next resource.
    pub(super) fn push(&mut self, stored: StoredResource) {
        match self.room() {
            Room::Document => {
                self.bytes = self.bytes.saturating_add(stored.size());
                self.documents.push(stored);
            }
            Room::Id => self.ids.push(stored.id),
            Room::Full => {}
        }
    }

    /// Adds the id of the next resource, whose document does not fit.
    pub(super) fn name(&mut self, id: ResourceId) {
        if !self.is_full() {
            self.ids.push(id);
        }
    }

    /// Reads the edges of the resources that fit with them, and builds the page.
    pub(super) fn finish(mut self, reader: &EdgeReader<'_>) -> Outcome<PageBuilder> {
        let complete = self.add_edges(reader)?;
        let mut page = PageBuilder::new(self.query);
        let mut documents = self.documents.into_iter();
        documents
            .by_ref()
            .take(complete)
            .for_each(|stored| page.push(stored));
        let others = documents.map(|stored| stored.id).chain(self.ids);
        for id in others {
            match self.query.overflow {
                Overflow::End => page.end(),
                Overflow::Name => page.name(id),
            }
        }
        Ok(page)
    }

    /// Adds the edges to the resources on the page, with one statement per attribute. Returns the number of resources
    /// that fit; the first one always does.
    fn add_edges(&mut self, reader: &EdgeReader<'_>) -> Outcome<usize> {
        let count = self.count();
        let max_bytes = self.max_bytes();
        // The extra resource after the page needs no edges.
        let mut complete = self.documents.len().min(count);
        let want = self.query.read_options();
        let ids: Vec<_> = self.documents.iter().map(|one| one.id.as_str()).collect();
        let documents: Vec<_> = self.documents.iter().map(|one| &one.document).collect();
        let mut sizes: Vec<_> = self.documents.iter().map(StoredResource::size).collect();
        let range = EdgeRange {
            after: "",
            limit: want.limit,
        };
        let mut found = Vec::with_capacity(want.edges.len());
        for attr in want.edges {
            let mut lists = vec![Vec::new(); complete];
            let source = EdgeSource {
                attr,
                documents: documents.get(..complete),
                kind: &self.query.kind,
                max_bytes,
                owners: ids.get(..complete).unwrap_or_default(),
            };
            let mut sum = Sum::default();
            reader.each(source, range, &mut |owner, edge| {
                let bytes = StoredResource::edge_size(&edge);
                let spent = sum.add(&mut sizes, owner, bytes);
                if let Some(list) = lists.get_mut(owner) {
                    list.push(edge);
                }
                // Once one resource does not fit, neither do those after it.
                Ok(owner == 0 || spent <= max_bytes)
            })?;
            found.push((attr, lists));
            complete = complete.min(fitting(&sizes, max_bytes));
        }
        for stored in &mut self.documents {
            stored.edges.reserve_exact(found.len());
        }
        for (attr, lists) in found {
            for (stored, edges) in self.documents.iter_mut().zip(lists) {
                stored.edges.push(AttrEdges { attr, edges });
            }
        }
        // The extra resource, which shows that others follow.
        Ok(if complete == count {
            complete.saturating_add(1)
        } else {
            complete
        })
    }
}

/// The size in bytes of the resources up to the last one whose edges are read.
#[derive(Debug, Default)]
struct Sum {
    bytes: u64,
    /// The number of resources that are included.
    len: usize,
}

impl Sum {
    /// Adds bytes to a resource's size, and returns the total size up to that resource.
    fn add(&mut self, sizes: &mut [u64], resource: usize, bytes: u64) -> u64 {
        for size in sizes.iter().take(resource + 1).skip(self.len) {
            self.bytes = self.bytes.saturating_add(*size);
        }
        self.len = self.len.max(resource + 1);
        if let Some(size) = sizes.get_mut(resource) {
            *size = size.saturating_add(bytes);
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.bytes
    }
}

/// Returns how many of the first resources fit together, at least one.
fn fitting(sizes: &[u64], max_bytes: u64) -> usize {
    let mut sum = 0_u64;
    let fit = sizes.iter().enumerate().take_while(|(at, size)| {
        sum = sum.saturating_add(**size);
        *at == 0 || sum <= max_bytes
    });
    fit.count()
}
