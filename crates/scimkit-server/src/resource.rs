//! Requests that create, read, replace, patch or delete one resource.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    StatusCode,
    header::{IF_MATCH, IF_NONE_MATCH},
    request::Parts,
};
use scimkit_core::{ETagList, message::SearchRequest};
use scimkit_registry::{AttrEdges, Projection, ResourceId, ResourceType};
use scimkit_store::{
    EdgeQuery, ExpectedVersion, PatchResponse, ReadOptions, StoredResource, WriteOutcome, location,
};
use serde_json::Value;

use crate::{
    attrs::{PAGE, edge_attrs, inverse_attrs, memberships, shown_edges},
    body::Body,
    decode,
    edit::{UpdateKind, written_by},
    error::HandlerError,
    members::{List, Members, MembersPage},
    query,
    render::{self, Item},
    response::ResponseParts,
    stream::take_long,
    write::Conditions,
    writer::Writer,
};

/// A request for one resource.
pub(crate) struct ResourceRequest<'a> {
    pub(crate) head: &'a Parts,
    pub(crate) writer: Writer<'a>,
}

/// The maximum number of members of a group that is returned after a change of its memberships.
const BIG_GROUP: u32 = 100;

impl ResourceRequest<'_> {
    pub(crate) async fn create(
        &self,
        kind: &Arc<ResourceType>,
        body: Value,
    ) -> Result<ResponseParts, HandlerError> {
        let projection = self.projection(kind)?;
        let change = self.writer.decode_create(kind, body).await?;
        let projection = projection.with_written(kind, &written_by(&change));
        let id = self.writer.clock.new_id();
        let want = self.want(kind, &projection);
        let stored = self.writer.create(id, change, &want).await?;
        let answer = self
            .show(StatusCode::CREATED, (kind, stored), projection)
            .await?;
        Ok(answer.located_as_shown())
    }

    pub(crate) async fn read(
        &self,
        kind: &Arc<ResourceType>,
        id: &ResourceId,
    ) -> Result<ResponseParts, HandlerError> {
        let projection = self.projection(kind)?;
        let known = decode::etags(&self.head.headers, &IF_NONE_MATCH)?;
        let want = self.want(kind, &projection);
        let Writer { context, store, .. } = self.writer;
        let stored = store.read(context, kind, id, &want).await?;
        if known.is_some_and(|tags| tags.matches(&stored.version)) {
            let answer = ResponseParts::empty(StatusCode::NOT_MODIFIED).tagged(&stored.version);
            return Ok(answer.showing(&self.location(kind, &stored)));
        }
        let answer = self
            .show(StatusCode::OK, (kind, stored), projection)
            .await?;
        Ok(answer.located_as_shown())
    }

    pub(crate) async fn replace(
        &self,
        kind: &Arc<ResourceType>,
        id: &ResourceId,
        body: Value,
    ) -> Result<ResponseParts, HandlerError> {
        let projection = self.projection(kind)?;
        let edit = self.writer.decode_put(kind, body).await?;
        let conditions = self.conditions(self.want(kind, &projection))?;
        let shown = inverse_attrs(kind, &projection);
        let edit = (&edit, shown.as_slice());
        let updated = self.writer.update(kind, id, edit, &conditions).await?;
        let projection = projection.with_written(kind, &updated.written);
        self.show(StatusCode::OK, (kind, updated.stored), projection)
            .await
    }

    pub(crate) async fn patch(
        &self,
        kind: &Arc<ResourceType>,
        id: &ResourceId,
        body: Value,
    ) -> Result<ResponseParts, HandlerError> {
        let settings = &self.writer.context.settings;
        let query = self.query()?;
        let asks = !query.attributes.is_empty();
        let projection = self.projected(kind, &query);
        let edit = self.writer.decode_patch(kind, body).await?;
        let may_be_quiet = !asks && settings.patch_response == PatchResponse::Auto;
        let mut want = self.want(kind, &projection);
        if may_be_quiet {
            let shown = want.edges.clone();
            want.edges
                .extend(memberships(kind).filter(|attr| !shown.contains(attr)));
        }
        // Enough to tell a small group from a large one, whose members are not shown.
        let in_brief = may_be_quiet && edit.what() == UpdateKind::Edges;
        if in_brief {
            want = want.with_edge_limit(BIG_GROUP + 1);
        }
        let shown = match settings.patch_response {
            PatchResponse::Never if !asks => {
                want = ReadOptions::document();
                Vec::new()
            }
            _ => inverse_attrs(kind, &projection),
        };
        let conditions = self.conditions(want)?;
        let edit = (&edit, shown.as_slice());
        let mut updated = self.writer.update(kind, id, edit, &conditions).await?;
        let quiet = !asks
            && match settings.patch_response {
                PatchResponse::Never => updated.how != WriteOutcome::Unchanged,
                PatchResponse::Auto if updated.what == UpdateKind::Edges => {
                    let edges = self.few_members(kind, &updated.stored).await?;
                    let is_big = edges.is_none();
                    updated.stored.edges.extend(edges.into_iter().flatten());
                    is_big
                }
                _ => false,
            };
        if in_brief {
            // These lists may have been cut short.
            let lists = &mut updated.stored.edges;
            lists.retain(|list| list.edges.len() <= BIG_GROUP as usize);
        }
        if quiet {
            let version = &updated.stored.version;
            return Ok(ResponseParts::empty(StatusCode::NO_CONTENT).tagged(version));
        }
        let projection = projection.with_written(kind, &updated.written);
        self.show(StatusCode::OK, (kind, updated.stored), projection)
            .await
    }

    pub(crate) async fn delete(
        &self,
        kind: Arc<ResourceType>,
        id: ResourceId,
    ) -> Result<ResponseParts, HandlerError> {
        let conditions = self.conditions(ReadOptions::version())?;
        self.writer.delete(&kind, &id, &conditions).await?;
        Ok(ResponseParts::empty(StatusCode::NO_CONTENT))
    }

    /// Returns the members of a resource, or `None` if there are too many to return them without being requested.
    async fn few_members(
        &self,
        kind: &Arc<ResourceType>,
        stored: &StoredResource,
    ) -> Result<Option<Vec<AttrEdges>>, HandlerError> {
        let mut all = Vec::new();
        for attr in memberships(kind) {
            if let Some(AttrEdges { edges, .. }) =
                stored.edges.iter().find(|list| list.attr == attr)
            {
                if edges.len() > BIG_GROUP as usize {
                    return Ok(None);
                }
                continue;
            }
            let query = EdgeQuery::new(Arc::clone(kind), attr, vec![stored.id.clone()]);
            let Writer { context, store, .. } = self.writer;
            let found = store
                .edges(context, &query.with_edge_limit(BIG_GROUP + 1))
                .await?;
            let edges = found.into_iter().next().unwrap_or_default();
            if edges.len() > BIG_GROUP as usize {
                return Ok(None);
            }
            all.push(AttrEdges { attr, edges });
        }
        Ok(Some(all))
    }

    /// Returns the parts that the response shows in addition to the document.
    fn want(&self, kind: &ResourceType, projection: &Projection) -> ReadOptions {
        ReadOptions::edges(shown_edges(kind, projection)).with_edge_limit(PAGE + 1)
    }

    fn conditions(&self, want: ReadOptions) -> Result<Conditions, HandlerError> {
        let headers = &self.head.headers;
        let wanted = match decode::etags(headers, &IF_MATCH)? {
            Some(ETagList::List(versions)) => ExpectedVersion::OneOf(versions),
            None => self.writer.unconditional()?,
            _ => ExpectedVersion::Any,
        };
        let barred = decode::etags(headers, &IF_NONE_MATCH)?;
        Ok(Conditions {
            barred,
            want,
            wanted,
        })
    }

    fn location(&self, kind: &ResourceType, stored: &StoredResource) -> String {
        location(&self.writer.context.settings, kind, &stored.id)
    }

    fn query(&self) -> Result<SearchRequest, HandlerError> {
        query::search(self.head.uri.query(), self.writer)
    }

    fn projection(&self, kind: &ResourceType) -> Result<Projection, HandlerError> {
        Ok(self.projected(kind, &self.query()?))
    }

    fn projected(&self, kind: &ResourceType, query: &SearchRequest) -> Projection {
        let (attributes, excluded) = (&query.attributes, &query.excluded_attributes);
        self.writer.projection(kind, attributes, excluded)
    }

    /// Builds the response with a resource; a membership that is too long for one page follows the rest.
    async fn show(
        &self,
        status: StatusCode,
        (kind, mut stored): (&Arc<ResourceType>, StoredResource),
        projection: Projection,
    ) -> Result<ResponseParts, HandlerError> {
        let long = self
            .long_memberships(kind, &mut stored, &projection)
            .await?;
        let id = stored.id.clone();
        let version = stored.version.clone();
        let location = self.location(kind, &stored);
        let Writer { context, store, .. } = self.writer;
        let rendering = self.writer.work.rendering();
        let shape = (Arc::clone(kind), projection);
        let mut text = Vec::new();
        let items = vec![Item { query: 0, stored }];
        let service = (context, &**store, &rendering);
        render::page(service, std::slice::from_ref(&shape), items, &mut text).await?;
        let body = if long.is_empty() {
            Body::from(Bytes::from(text))
        } else {
            Body::of_pieces(Members::new(
                List {
                    id,
                    kind: shape.0,
                    projection: shape.1,
                    context: self.writer.context.clone(),
                    store: Arc::clone(self.writer.store),
                },
                text,
                long,
            ))
        };
        let answer = ResponseParts::of(status, body).tagged(&version);
        Ok(answer.showing(&location))
    }

    /// Attaches the first page of each shown membership to the resource, or the page that the request selects;
    /// takes out memberships that exceed a page.
    async fn long_memberships(
        &self,
        kind: &Arc<ResourceType>,
        stored: &mut StoredResource,
        projection: &Projection,
    ) -> Result<Vec<AttrEdges>, HandlerError> {
        let most = self.writer.context.settings.limits.page_max;
        let asked = MembersPage::of(kind, self.head.uri.query(), most, self.writer.witness)?;
        for attr in edge_attrs(kind, projection) {
            let is_known = stored.edges.iter().any(|list| list.attr == attr);
            let page = asked.iter().find(|page| page.attr == attr);
            if is_known && page.is_none() {
                continue;
            }
            let query = EdgeQuery::new(Arc::clone(kind), attr, vec![stored.id.clone()]);
            let query = match page {
                Some(page) => query
                    .with_start_after(page.after.clone())
                    .with_edge_limit(page.count),
                None => query.with_edge_limit(PAGE + 1),
            };
            let found = self.writer.store.edges(self.writer.context, &query).await?;
            let edges = found.into_iter().next().unwrap_or_default();
            stored.edges.retain(|list| list.attr != attr);
            stored.edges.push(AttrEdges { attr, edges });
        }
        // A selected page is sent in one piece, whatever its size.
        Ok(take_long(stored, |attr| {
            !asked.iter().any(|page| page.attr == attr)
        }))
    }
}
