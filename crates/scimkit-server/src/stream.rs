//! A list that is too large for memory: its resources are read and sent one after the other.

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use scimkit_registry::{AttrEdges, AttrId, Budget, ResourceId};
use scimkit_store::{
    BoxFuture, ReadOptions, RequestContext, Store, StoreError, StoredResource, yield_now,
};

use crate::{
    attrs::{PAGE, shown_edges},
    body::{BodyError, Pieces},
    error::HandlerError,
    gather::Gathered,
    members::{List, Members},
    render::{self, Item, Shape},
    work::{Rendering, WhenFull},
};

/// The maximum number of resources that are rendered at once.
const BATCH: usize = 100;

/// The presentation of the resources of a list.
pub(crate) struct Shown {
    /// The type and the projection of each query.
    pub(crate) shapes: Vec<Shape>,
    pub(crate) rendering: Rendering,
    pub(crate) context: RequestContext,
    pub(crate) store: Arc<dyn Store>,
}

/// The resources of a list that is being sent.
pub(crate) struct Resources {
    items: VecDeque<Item>,
    rest: VecDeque<(usize, ResourceId)>,
    /// The number of resources that were rendered.
    pub(crate) sent: u64,
    shown: Shown,
}

/// The next piece of a list.
enum Piece {
    End,
    /// One resource, followed by its long memberships.
    Long(Box<Members>),
    /// Several resources.
    Text(Vec<u8>),
}

impl Resources {
    pub(crate) fn new(gathered: Gathered, shown: Shown) -> Self {
        Resources {
            items: gathered.items.into(),
            rest: gathered.rest,
            sent: 0,
            shown,
        }
    }

    /// Returns whether everything is in memory: no resource is still to be read, and no membership exceeds a page.
    pub(crate) fn is_whole(&self) -> bool {
        self.rest.is_empty() && !self.items.iter().any(|item| is_long(&item.stored))
    }

    /// Returns the number of resources. Those that are deleted before they are read are not sent.
    pub(crate) fn len(&self) -> usize {
        self.items.len() + self.rest.len()
    }

    /// Renders the rest of a list that [is whole](Self::is_whole), without the closing bracket.
    pub(crate) async fn whole(mut self, mut text: Vec<u8>) -> Result<Vec<u8>, HandlerError> {
        loop {
            let batch = self.batch().await?;
            if batch.is_empty() {
                return Ok(text);
            }
            self.render(batch, &mut text).await?;
            if !self.items.is_empty() {
                // Rendering takes a while, so other tasks get a turn in between.
                yield_now().await;
            }
        }
    }

    async fn next(&mut self) -> Result<Piece, HandlerError> {
        if let Some(mut item) = self.pop(true) {
            let (kind, projection) = self.shown.of(item.query)?.clone();
            let long = take_long(&mut item.stored, |_| true);
            let id = item.stored.id.clone();
            let mut text = Vec::new();
            self.render(vec![item], &mut text).await?;
            let list = List {
                id,
                projection,
                kind,
                context: self.shown.context.clone(),
                store: Arc::clone(&self.shown.store),
            };
            return Ok(Piece::Long(Box::new(Members::new(list, text, long))));
        }
        let batch = self.batch().await?;
        if batch.is_empty() {
            // A batch also ends before a resource with a long membership.
            return if self.items.is_empty() && self.rest.is_empty() {
                Ok(Piece::End)
            } else {
                Ok(Piece::Text(Vec::new()))
            };
        }
        let mut text = Vec::new();
        self.render(batch, &mut text).await?;
        Ok(Piece::Text(text))
    }

    /// Returns the next resource in memory if it has a long membership, or if it has none, depending on `long`.
    fn pop(&mut self, long: bool) -> Option<Item> {
        let first = self.items.front();
        if first.map(|item| is_long(&item.stored)) == Some(long) {
            self.items.pop_front()
        } else {
            None
        }
    }

    /// Returns the next resources, up to the first one that is sent in parts.
    async fn batch(&mut self) -> Result<Vec<Item>, HandlerError> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH && bytes < render::TOGETHER {
            if self.items.is_empty() {
                let Some(item) = self.read().await? else {
                    break;
                };
                self.items.extend(item);
                continue;
            }
            let Some(item) = self.pop(false) else {
                break;
            };
            bytes += item.stored.size();
            batch.push(item);
        }
        Ok(batch)
    }

    /// Reads the next resource. The inner option is `None` if the resource was deleted meanwhile, the outer one if
    /// no resource is left.
    async fn read(&mut self) -> Result<Option<Option<Item>>, StoreError> {
        let Some((query, id)) = self.rest.pop_front() else {
            return Ok(None);
        };
        let (kind, projection) = self.shown.of(query)?;
        let want = ReadOptions::edges(shown_edges(kind, projection)).with_edge_limit(PAGE + 1);
        let Shown { context, store, .. } = &self.shown;
        match store.read(context, kind, &id, &want).await {
            Ok(stored) => Ok(Some(Some(Item { query, stored }))),
            Err(StoreError::NotFound) => Ok(Some(None)),
            Err(error) => Err(error),
        }
    }

    /// Appends the JSON of resources to a text, with a comma before each except the first of the list.
    async fn render(&mut self, batch: Vec<Item>, out: &mut Vec<u8>) -> Result<(), HandlerError> {
        if batch.is_empty() {
            return Ok(());
        }
        if self.sent > 0 {
            out.push(b',');
        }
        self.sent += batch.len() as u64;
        let Shown {
            rendering,
            context,
            shapes,
            store,
        } = &self.shown;
        render::page((context, &**store, rendering), shapes, batch, out).await
    }
}

impl Shown {
    /// Returns the type and the projection of a query.
    fn of(&self, query: usize) -> Result<&Shape, StoreError> {
        let known = self.shapes.get(query);
        known.ok_or_else(|| StoreError::backend("a resource of a list belongs to no query"))
    }
}

fn is_long(stored: &StoredResource) -> bool {
    let mut edges = stored.edges.iter();
    edges.any(|list| list.edges.len() > PAGE as usize)
}

/// Takes out the memberships that exceed a page and are sent page by page.
pub(crate) fn take_long(
    stored: &mut StoredResource,
    in_pages: impl Fn(AttrId) -> bool,
) -> Vec<AttrEdges> {
    let long = |list: &&mut AttrEdges| list.edges.len() > PAGE as usize && in_pages(list.attr);
    let taken = stored.edges.iter_mut().filter(long);
    taken
        .map(|list| AttrEdges {
            attr: list.attr,
            edges: std::mem::take(&mut list.edges),
        })
        .collect()
}

/// The body of a list that is sent in pieces.
pub(crate) struct ListBody {
    making: BoxFuture<'static, Made>,
}

type Made = Result<Option<(Vec<u8>, State)>, HandlerError>;

/// The part of a list that is still to be sent.
struct State {
    /// Whether the end of the list is still to be sent.
    open: bool,
    /// Whether the end of the list contains the number of resources.
    counts: bool,
    members: Option<Box<Members>>,
    resources: Resources,
    /// The text before the next piece.
    text: Vec<u8>,
}

impl fmt::Debug for ListBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListBody").finish_non_exhaustive()
    }
}

impl ListBody {
    /// Creates the body of a list from `head`, which ends with the opening bracket. If `counts` is set,
    /// `itemsPerPage` follows at the end.
    ///
    /// The remaining reads are limited by the size of the page, and as slow as the client. They have their own
    /// budget.
    pub(crate) fn new(head: Vec<u8>, mut resources: Resources, counts: bool) -> Self {
        resources.shown.context.budget = Budget::unlimited();
        resources.shown.rendering.when_full = WhenFull::Wait;
        let state = State {
            open: true,
            counts,
            members: None,
            resources,
            text: head,
        };
        ListBody {
            making: Box::pin(state.next()),
        }
    }
}

impl Pieces for ListBody {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        Poll::Ready(match ready!(self.making.as_mut().poll(context)) {
            Ok(None) => None,
            Ok(Some((text, state))) => {
                // Other tasks get a turn between pieces, however fast the client reads.
                self.making = Box::pin(async {
                    yield_now().await;
                    state.next().await
                });
                Some(Ok(text.into()))
            }
            Err(problem) => {
                let error = match problem {
                    HandlerError::Store(error) => error,
                    other => StoreError::backend(format!("{other:?}")),
                };
                tracing::error!(%error, "sending a list failed");
                Some(Err(BodyError(error)))
            }
        })
    }
}

impl State {
    /// Produces the next non-empty piece, and the state after it.
    async fn next(mut self) -> Made {
        while self.open {
            let mut text = std::mem::take(&mut self.text);
            if let Some(members) = &mut self.members {
                match poll_fn(|context| members.poll_next(context)).await {
                    Some(part) => text.extend_from_slice(&part.map_err(|broken| broken.0)?),
                    None => self.members = None,
                }
            } else {
                match self.resources.next().await? {
                    Piece::Long(members) => self.members = Some(members),
                    Piece::Text(more) => text.extend_from_slice(&more),
                    Piece::End => {
                        self.open = false;
                        text.push(b']');
                        if self.counts {
                            let count = format!(r#","itemsPerPage":{}"#, self.resources.sent);
                            text.extend_from_slice(count.as_bytes());
                        }
                        text.push(b'}');
                    }
                }
            }
            if !text.is_empty() {
                return Ok(Some((text, self)));
            }
        }
        Ok(None)
    }
}
