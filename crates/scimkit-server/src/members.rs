//! The members of a large group, sent page by page.

use std::{
    collections::VecDeque,
    fmt,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use scimkit_registry::{
    AttrEdges, AttrId, Budget, Edge, Projection, QuirkRecorder, ResourceId, ResourceType,
};
use scimkit_store::{
    BoxFuture, EdgeQuery, RequestContext, ResourcePrinter, Store, StoreError, yield_now,
};

use crate::{
    attrs::{PAGE, memberships},
    body::{BodyError, Pieces},
    error::HandlerError,
    query::parameters,
};

/// A resource that is being sent: its text, followed by the memberships that are too long for it.
///
/// The pages are read one after the other, each starting after the last id of the previous one. So a member that
/// stays throughout is sent once, even if other members are added or removed in the meantime.
pub(crate) struct Members {
    /// The membership that is being sent, and its last member that was sent.
    current: Option<(AttrId, ResourceId)>,
    /// Whether an element of the current membership was already sent.
    has_elements: bool,
    list: List,
    reading: Option<BoxFuture<'static, Result<Vec<Edge>, StoreError>>>,
    /// The memberships that are still to be sent, with their first page.
    rest: VecDeque<AttrEdges>,
    /// The text of the resource, until it is sent.
    text: Option<Vec<u8>>,
}

/// The resource that owns the memberships, and how they are shown.
pub(crate) struct List {
    pub(crate) id: ResourceId,
    pub(crate) kind: Arc<ResourceType>,
    pub(crate) projection: Projection,
    pub(crate) context: RequestContext,
    pub(crate) store: Arc<dyn Store>,
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").finish_non_exhaustive()
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        self.list.context.budget.cancel();
    }
}

impl Members {
    /// Creates the body from the text of a resource and the first page of each membership that the text lacks.
    ///
    /// The remaining reads are limited by the size of the resource, and as slow as the client. They have their own
    /// budget, which is cancelled when the body is dropped.
    pub(crate) fn new(mut list: List, mut text: Vec<u8>, first: Vec<AttrEdges>) -> Self {
        list.context.budget = Budget::unlimited();
        // The closing brace follows the memberships.
        text.pop();
        Members {
            current: None,
            has_elements: false,
            list,
            reading: None,
            rest: first.into(),
            text: Some(text),
        }
    }

    /// Appends a page to the text, and records where the next one starts.
    fn add(&mut self, text: &mut Vec<u8>, attr: AttrId, edges: &[Edge], place: Place) {
        let more = edges.len() > PAGE as usize;
        let page = edges.get(..PAGE as usize).unwrap_or(edges);
        let name = self.list.kind.attr(attr).name();
        if place == Place::First {
            if !text.ends_with(b"{") {
                text.push(b',');
            }
            text.extend_from_slice(format!("\"{name}\":[").as_bytes());
            self.has_elements = false;
        }
        let start = text.len();
        if self.has_elements {
            text.push(b',');
        }
        if self.list.print(attr, page, text) {
            self.has_elements = true
        } else {
            text.truncate(start)
        }
        match page.last().filter(|_| more) {
            Some(last) => self.current = Some((attr, last.id.clone())),
            None => text.push(b']'),
        }
    }
}

impl Pieces for Members {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if let Some(reading) = &mut self.reading {
            let read = ready!(reading.as_mut().poll(context));
            self.reading = None;
            let edges = match read {
                Ok(edges) => edges,
                Err(error) => {
                    tracing::error!(%error, "sending a group failed");
                    return Poll::Ready(Some(Err(BodyError(error))));
                }
            };
            let mut text = Vec::new();
            if let Some((attr, _)) = self.current.take() {
                self.add(&mut text, attr, &edges, Place::Behind);
            }
            return Poll::Ready(Some(Ok(text.into())));
        }
        if let Some((attr, after)) = &self.current {
            self.reading = Some(self.list.read(*attr, after.clone()));
            return self.poll_next(context);
        }
        let Some(mut text) = self.text.take() else {
            return Poll::Ready(None);
        };
        match self.rest.pop_front() {
            None => text.push(b'}'),
            Some(AttrEdges { attr, edges }) => {
                self.add(&mut text, attr, &edges, Place::First);
                // The text that follows is produced after this part is sent.
                self.text = Some(Vec::new());
            }
        }
        Poll::Ready(Some(Ok(text.into())))
    }
}

/// The position of a page in its membership.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Behind,
    First,
}

impl List {
    /// Reads the page after a member, plus one more member to detect a further page.
    fn read(
        &self,
        attr: AttrId,
        after: ResourceId,
    ) -> BoxFuture<'static, Result<Vec<Edge>, StoreError>> {
        let query = EdgeQuery::new(Arc::clone(&self.kind), attr, vec![self.id.clone()]);
        let query = query
            .with_start_after(Some(after))
            .with_edge_limit(PAGE + 1);
        let context = self.context.clone();
        let store = Arc::clone(&self.store);
        Box::pin(async move {
            // Other tasks get a turn between pages, however fast the client reads.
            yield_now().await;
            let found = store.edges(&context, &query).await?;
            Ok(found.into_iter().next().unwrap_or_default())
        })
    }

    /// Appends the elements of edges to a text; returns whether any of them is shown.
    fn print(&self, attr: AttrId, edges: &[Edge], text: &mut Vec<u8>) -> bool {
        let printer = ResourcePrinter::new(&self.context.settings, &self.kind, &self.projection);
        let start = text.len();
        printer.print_elements(attr, edges, text);
        text.len() > start
    }
}

/// A page of members that a request selects: `membersCount=100&membersAfter=2819c223`.
///
/// The parameters are named after the membership attribute, followed by `Count` and `After`. Clients that don't use
/// them get all members.
#[derive(Debug)]
pub(crate) struct MembersPage {
    pub(crate) after: Option<ResourceId>,
    pub(crate) attr: AttrId,
    pub(crate) count: u32,
}

impl MembersPage {
    /// Parses the parameters of a query string.
    ///
    /// # Errors
    /// `invalidValue` for a count that is not a whole number.
    pub(crate) fn of(
        kind: &ResourceType,
        query: Option<&str>,
        most: u32,
        witness: &QuirkRecorder,
    ) -> Result<Vec<MembersPage>, HandlerError> {
        if query.is_none() || memberships(kind).next().is_none() {
            return Ok(Vec::new());
        }
        let attrs = memberships(kind).map(|attr| kind.attr(attr).name());
        let own: Vec<_> = attrs
            .flat_map(|name| [format!("{name}Count"), format!("{name}After")])
            .collect();
        let parameters = parameters(query, &own, witness)?;
        let named = |wanted: String| {
            let mut parameters = parameters.iter();
            let found = parameters.find(|parameter| parameter.name == wanted);
            found.map(|parameter| parameter.value.clone().into_owned())
        };
        let mut asked = Vec::new();
        for attr in memberships(kind) {
            let name = kind.attr(attr).name();
            let count = named(format!("{name}Count"));
            let after = named(format!("{name}After"));
            if count.is_none() && after.is_none() {
                continue;
            }
            let count = match count {
                Some(text) => text.parse::<u32>().map_err(|_| {
                    let detail = format!("`{name}Count` is not a whole number");
                    scimkit_core::ErrorResponse::invalid_value(detail)
                })?,
                None => most,
            };
            asked.push(MembersPage {
                after: after.filter(|id| !id.is_empty()).map(ResourceId::from),
                attr,
                count: count.min(most),
            });
        }
        Ok(asked)
    }
}
