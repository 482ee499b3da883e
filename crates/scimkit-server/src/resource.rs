//! Creating, reading, replacing, patching and deleting one resource.

use std::sync::Arc;

use http::{
    StatusCode,
    header::{IF_MATCH, IF_NONE_MATCH},
    request::Parts,
};
use scimkit_core::ETagList;
use scimkit_registry::{Projection, ResourceId, ResourceType, Role};
use scimkit_store::{EdgeQuery, Expect, How, PatchAnswer, Stored, Write, location};
use serde_json::Value;

use crate::{
    answer::Answer,
    decode,
    error::Problem,
    render,
    write::{Conditions, What, Writer, check_barred, lost, new_id, written_by},
};

/// One request about a resource.
pub(crate) struct Ask<'a> {
    pub(crate) head: &'a Parts,
    pub(crate) writer: Writer<'a>,
}

/// A group of more members than this is not sent back after a change of its membership.
const BIG_GROUP: u32 = 100;

impl Ask<'_> {
    pub(crate) async fn create(
        &self,
        kind: &Arc<ResourceType>,
        body: Value,
    ) -> Result<Answer, Problem> {
        let projection = self.projection(kind)?;
        let change = scimkit_patch::create(kind, body, self.writer.witness)?;
        let projection = projection.after_writing(kind, &written_by(&change));
        let id = new_id();
        let written = self.writer.write(Write::Create { change, id }).await?;
        let stored = written.stored.ok_or_else(lost)?;
        let location = location(&self.writer.scope.settings, kind, &stored.id);
        let answer = self.show(StatusCode::CREATED, &stored, &projection).await?;
        Ok(answer.located(&location))
    }

    pub(crate) async fn read(
        &self,
        kind: &Arc<ResourceType>,
        id: &ResourceId,
    ) -> Result<Answer, Problem> {
        let projection = self.projection(kind)?;
        let known = decode::etags(&self.head.headers, &IF_NONE_MATCH)?;
        let edges = render::edge_attrs(kind, &projection);
        let stored = self
            .writer
            .store
            .read(self.writer.scope, kind, id, &edges)
            .await?;
        if known.is_some_and(|tags| tags.matches(&stored.version)) {
            return Ok(Answer::empty(StatusCode::NOT_MODIFIED).tagged(&stored.version));
        }
        self.show(StatusCode::OK, &stored, &projection).await
    }

    pub(crate) async fn replace(
        &self,
        kind: &Arc<ResourceType>,
        id: &ResourceId,
        body: Value,
    ) -> Result<Answer, Problem> {
        let projection = self.projection(kind)?;
        let edit = self.writer.decode_put(kind, body)?;
        let conditions = self.conditions()?;
        let updated = self.writer.update(kind, id, &edit, &conditions).await?;
        let projection = projection.after_writing(kind, &updated.written);
        self.show(StatusCode::OK, &updated.stored, &projection)
            .await
    }

    pub(crate) async fn patch(
        &self,
        kind: &Arc<ResourceType>,
        id: &ResourceId,
        body: Value,
    ) -> Result<Answer, Problem> {
        let settings = &self.writer.scope.settings;
        let projection = self.projection(kind)?;
        let edit = self.writer.decode_patch(kind, body)?;
        let conditions = self.conditions()?;
        let updated = self.writer.update(kind, id, &edit, &conditions).await?;
        let quiet = !self.asks_for_attributes()?
            && match settings.patch_answer {
                PatchAnswer::Never => updated.how != How::Unchanged,
                PatchAnswer::Auto => updated.what == What::Edges && self.is_big(kind, id).await?,
                _ => false,
            };
        if quiet {
            let version = &updated.stored.version;
            return Ok(Answer::empty(StatusCode::NO_CONTENT).tagged(version));
        }
        let projection = projection.after_writing(kind, &updated.written);
        self.show(StatusCode::OK, &updated.stored, &projection)
            .await
    }

    pub(crate) async fn delete(
        &self,
        kind: Arc<ResourceType>,
        id: ResourceId,
    ) -> Result<Answer, Problem> {
        let Conditions { barred, wanted } = self.conditions()?;
        if let Some(barred) = barred {
            let Writer { scope, store, .. } = self.writer;
            let before = store.read(scope, &kind, &id, &[]).await?;
            check_barred(&barred, &before)?;
        }
        let expect = wanted;
        self.writer
            .write(Write::Delete { expect, id, kind })
            .await?;
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }

    /// Whether a membership of the resource is too long to be sent back unasked.
    async fn is_big(&self, kind: &Arc<ResourceType>, id: &ResourceId) -> Result<bool, Problem> {
        let memberships = kind.attributes().iter();
        let memberships =
            memberships.filter(|a| a.role() == Role::Membership && a.parent().is_none());
        for attr in memberships {
            let query = EdgeQuery::new(Arc::clone(kind), attr.id(), vec![id.clone()]);
            let found = self
                .writer
                .store
                .edges(self.writer.scope, &query.at_most(BIG_GROUP + 1))
                .await?;
            if found.iter().any(|edges| edges.len() > BIG_GROUP as usize) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn conditions(&self) -> Result<Conditions, Problem> {
        let headers = &self.head.headers;
        let wanted = match decode::etags(headers, &IF_MATCH)? {
            Some(ETagList::List(versions)) => Expect::OneOf(versions),
            _ => Expect::Any,
        };
        let barred = decode::etags(headers, &IF_NONE_MATCH)?;
        Ok(Conditions { barred, wanted })
    }

    fn asks_for_attributes(&self) -> Result<bool, Problem> {
        let query = decode::query(self.head.uri.query())?;
        Ok(!query.attributes.is_empty())
    }

    fn projection(&self, kind: &ResourceType) -> Result<Projection, Problem> {
        let query = decode::query(self.head.uri.query())?;
        Ok(kind.projection(&query.attributes, &query.excluded_attributes))
    }

    async fn show(
        &self,
        status: StatusCode,
        stored: &Stored,
        projection: &Projection,
    ) -> Result<Answer, Problem> {
        let items = std::slice::from_ref(stored);
        let rendered =
            render::page(self.writer.scope, self.writer.store, items, projection).await?;
        let body = rendered.into_iter().next().ok_or_else(lost)?;
        Ok(Answer::json(status, body).tagged(&stored.version))
    }
}
