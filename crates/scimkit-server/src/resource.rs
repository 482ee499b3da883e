//! Creating, reading, replacing, patching and deleting one resource.

use std::{borrow::Cow, sync::Arc, time::Instant};

use bytes::Bytes;
use chrono::Utc;
use http::{
    StatusCode,
    header::{IF_MATCH, IF_NONE_MATCH},
    request::Parts,
};
use scimkit_core::{ETagList, Error, message::PatchRequest};
use scimkit_patch::{Before, Patch, Replacement};
use scimkit_registry::{
    AttrId, Change, Edge, EdgeEdit, Leeway, Projection, Resource, ResourceId, ResourceType, Role,
    Witness,
};
use scimkit_store::{
    Batch, EdgeQuery, Expect, How, PatchAnswer, Scope, Store, StoreError, Stored, Want, Write,
    Written, location,
};
use serde_json::Value;

use crate::{
    Body,
    answer::Answer,
    decode,
    error::Problem,
    members::{Asked, List, Members, PAGE},
    render,
};

/// One request about a resource.
pub(crate) struct Ask<'a> {
    pub(crate) head: &'a Parts,
    pub(crate) scope: &'a Scope,
    pub(crate) store: &'a Arc<dyn Store>,
    pub(crate) witness: &'a Witness,
}

/// How often, at least, a write that lost a race is tried again.
const TRIES: u32 = 16;

/// A group of more members than this is not sent back after a change of its membership.
const BIG_GROUP: u32 = 100;

impl Ask<'_> {
    pub(crate) async fn create(
        &self,
        kind: &Arc<ResourceType>,
        body: Value,
    ) -> Result<Answer, Problem> {
        let projection = self.projection(kind)?;
        let change = scimkit_patch::create(kind, body, self.witness)?;
        let projection = projection.after_writing(kind, &written_by(&change));
        let id = ResourceId::from(uuid::Uuid::now_v7().to_string());
        let stored = self
            .write(Write::Create { change, id })
            .await?
            .stored
            .ok_or_else(lost)?;
        let location = location(&self.scope.settings, kind, &stored.id);
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
        let want = Want::edges(render::edge_attrs(kind, &projection)).at_most(PAGE + 1);
        let stored = self.store.read(self.scope, kind, id, &want).await?;
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
        let replacement = scimkit_patch::replace(kind, body, self.witness)?;
        let updated = self.update(kind, id, &Edit::Replace(replacement)).await?;
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
        let settings = &self.scope.settings;
        let projection = self.projection(kind)?;
        let request = PatchRequest::from_value(body, settings.limits.operations)?;
        let patch = Patch::decode(kind, request, settings.limits.filter, self.witness)?;
        let updated = self.update(kind, id, &Edit::Patch(patch)).await?;
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
        let expect = self.if_match()?;
        if let Some(barred) = decode::etags(&self.head.headers, &IF_NONE_MATCH)? {
            let want = Want::document();
            let before = self.store.read(self.scope, &kind, &id, &want).await?;
            check_barred(&barred, &before)?;
        }
        self.write(Write::Delete { expect, id, kind }).await?;
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }

    /// Reads what the edit needs, computes the change and writes it; again after a lost race,
    /// unless the client said which version it means.
    async fn update(
        &self,
        kind: &Arc<ResourceType>,
        id: &ResourceId,
        edit: &Edit,
    ) -> Result<Updated, Problem> {
        let wanted = self.if_match()?;
        let barred = decode::etags(&self.head.headers, &IF_NONE_MATCH)?;
        let started = Instant::now();
        let mut tries = 0;
        loop {
            let before = match edit.reads() || barred.is_some() {
                true => Some(self.before(kind, id, &edit.edges(), &wanted).await?),
                false => None,
            };
            if let (Some(barred), Some(before)) = (&barred, &before) {
                check_barred(barred, before)?;
            }
            let change = edit.change(id, before.as_ref(), self.witness)?;
            if change.is_empty() {
                let stored = match before {
                    Some(stored) => stored,
                    None => self.before(kind, id, &[], &wanted).await?,
                };
                return Ok(Updated::unchanged(stored, What::Nothing));
            }
            let written = written_by(&change);
            let what = What::of(&change);
            let expect = match before {
                Some(before) => Expect::OneOf(vec![before.version]),
                None => wanted.clone(),
            };
            let id = id.clone();
            match self.write(Write::Update { change, expect, id }).await {
                Err(Problem::Store(StoreError::Stale { .. })) if wanted == Expect::Any => {
                    tries += 1;
                    if tries >= TRIES && started.elapsed() > self.scope.settings.limits.deadline {
                        return Err(Problem::Store(StoreError::Busy));
                    }
                }
                Err(problem) => return Err(problem),
                Ok(done) => {
                    let stored = done.stored.ok_or_else(lost)?;
                    return Ok(match done.how {
                        How::Unchanged => Updated::unchanged(stored, what),
                        how => Updated {
                            how,
                            stored,
                            what,
                            written,
                        },
                    });
                }
            }
        }
    }

    /// The resource as it is, if it has the version that the client means.
    async fn before(
        &self,
        kind: &Arc<ResourceType>,
        id: &ResourceId,
        edges: &[AttrId],
        wanted: &Expect,
    ) -> Result<Stored, Problem> {
        let want = Want::edges(edges);
        let stored = self.store.read(self.scope, kind, id, &want).await?;
        wanted.check(&stored.version)?;
        Ok(stored)
    }

    async fn write(&self, write: Write) -> Result<Written, Problem> {
        check_members(&write, self.scope.settings.limits.members)?;
        let batch = Batch::new(Utc::now(), vec![write]);
        let mut outcomes = self.store.write(self.scope, batch).await;
        outcomes.pop().ok_or_else(lost)?.map_err(Problem::Store)
    }

    /// Whether a membership of the resource is too long to be sent back unasked.
    async fn is_big(&self, kind: &Arc<ResourceType>, id: &ResourceId) -> Result<bool, Problem> {
        let memberships = kind.attributes().iter();
        let memberships =
            memberships.filter(|a| a.role() == Role::Membership && a.parent().is_none());
        for attr in memberships {
            let query = EdgeQuery::new(Arc::clone(kind), attr.id(), vec![id.clone()]);
            let found = self
                .store
                .edges(self.scope, &query.at_most(BIG_GROUP + 1))
                .await?;
            if found.iter().any(|edges| edges.len() > BIG_GROUP as usize) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn if_match(&self) -> Result<Expect, Problem> {
        let tags: Option<ETagList> = decode::etags(&self.head.headers, &IF_MATCH)?;
        Ok(match tags {
            Some(ETagList::List(versions)) => Expect::OneOf(versions),
            None if self.scope.settings.require_if_match => {
                let detail = "this service changes a resource only under `If-Match`: send the \
                              `meta.version` that you know";
                return Err(Error::new(428, detail).into());
            }
            _ => Expect::Any,
        })
    }

    fn asks_for_attributes(&self) -> Result<bool, Problem> {
        let query = decode::query(self.head.uri.query())?;
        Ok(!query.attributes.is_empty())
    }

    fn projection(&self, kind: &ResourceType) -> Result<Projection, Problem> {
        let query = decode::query(self.head.uri.query())?;
        Ok(kind.projection(&query.attributes, &query.excluded_attributes))
    }

    /// Shows a resource; a membership that is too long for one page follows behind it.
    async fn show(
        &self,
        status: StatusCode,
        stored: &Stored,
        projection: &Projection,
    ) -> Result<Answer, Problem> {
        let mut stored = Cow::Borrowed(stored);
        let long = self.long_memberships(&mut stored, projection).await?;
        let items = std::slice::from_ref(&*stored);
        let rendered = render::page(self.scope, &**self.store, items, projection).await?;
        let text = rendered.into_iter().next().ok_or_else(lost)?;
        let body = match long.is_empty() {
            true => Body::from(Bytes::from(text)),
            false => Body::from(Members::new(
                List {
                    id: stored.id.clone(),
                    kind: Arc::clone(&stored.kind),
                    projection: projection.clone(),
                    scope: self.scope.clone(),
                    store: Arc::clone(self.store),
                },
                text,
                long,
            )),
        };
        Ok(Answer::of(status, body).tagged(&stored.version))
    }

    /// Puts the first page of each membership that is shown beside the resource, or the one that is
    /// asked for; takes out those that are longer than a page.
    async fn long_memberships(
        &self,
        stored: &mut Cow<'_, Stored>,
        projection: &Projection,
    ) -> Result<Vec<(AttrId, Vec<Edge>)>, Problem> {
        let kind = Arc::clone(&stored.kind);
        let most = self.scope.settings.limits.page_max;
        let asked = Asked::of(&kind, self.head.uri.query(), most)?;
        let mut long = Vec::new();
        for attr in render::memberships(&kind).filter(|attr| projection.shows(*attr)) {
            let known = stored.edges.iter().find(|(known, _)| *known == attr);
            let page = asked.iter().find(|page| page.attr == attr);
            let edges = match (page, known) {
                (None, Some((_, edges))) => edges.clone(),
                _ => {
                    let query = EdgeQuery::new(Arc::clone(&kind), attr, vec![stored.id.clone()]);
                    let query = match page {
                        Some(page) => query.after(page.after.clone()).at_most(page.count),
                        None => query.at_most(PAGE + 1),
                    };
                    let found = self.store.edges(self.scope, &query).await?;
                    found.into_iter().next().unwrap_or_default()
                }
            };
            let here = &mut stored.to_mut().edges;
            here.retain(|(known, _)| *known != attr);
            if page.is_none() && edges.len() > PAGE as usize {
                here.push((attr, Vec::new()));
                long.push((attr, edges));
            } else {
                here.push((attr, edges));
            }
        }
        Ok(long)
    }
}

/// Bounds how many members one request names.
fn check_members(write: &Write, limit: usize) -> Result<(), Error> {
    let (Write::Create { change, .. } | Write::Update { change, .. }) = write else {
        return Ok(());
    };
    let named = change.edges().iter().map(|edges| match &edges.edit {
        EdgeEdit::Delta { add, remove } => add.len() + remove.len(),
        EdgeEdit::Replace(edges) => edges.len(),
    });
    match named.sum::<usize>() {
        count if count > limit => {
            let detail = format!("{count} members in one request are more than {limit}");
            Err(Error::too_large(detail))
        }
        _ => Ok(()),
    }
}

/// `If-None-Match` forbids a write where it names the version there is (RFC 9110 section 13.1.2).
fn check_barred(barred: &ETagList, before: &Stored) -> Result<(), Problem> {
    match barred.matches(&before.version) {
        true => {
            Err(Error::precondition_failed("`If-None-Match` names the version there is").into())
        }
        false => Ok(()),
    }
}

/// A decoded request to change a resource.
enum Edit {
    Patch(Patch),
    Replace(Replacement),
}

impl Edit {
    /// The change that it is to a resource; to one that it need not know, where it reads nothing.
    fn change(
        &self,
        id: &ResourceId,
        before: Option<&Stored>,
        leeway: &dyn Leeway,
    ) -> Result<Change, Problem> {
        let tree = match before {
            Some(stored) => stored.document.tree()?,
            None => Cow::Owned(Resource::default()),
        };
        match self {
            Edit::Patch(patch) => {
                let edges = before.map_or(&[][..], |stored| &stored.edges);
                let before = Before {
                    document: &tree,
                    edges,
                };
                Ok(patch.apply(id, &before, leeway)?)
            }
            Edit::Replace(replacement) => Ok(replacement.apply(&tree)?),
        }
    }

    /// The memberships that must be known before the change is.
    fn edges(&self) -> Vec<AttrId> {
        match self {
            Edit::Patch(patch) => patch.needs().edges,
            Edit::Replace(_) => Vec::new(),
        }
    }

    /// Whether the resource must be read before the change is known.
    fn reads(&self) -> bool {
        match self {
            Edit::Patch(patch) => {
                let needs = patch.needs();
                needs.document || !needs.edges.is_empty()
            }
            Edit::Replace(_) => true,
        }
    }
}

/// A resource after an update.
struct Updated {
    how: How,
    stored: Stored,
    what: What,
    /// The attributes that it set.
    written: Vec<AttrId>,
}

impl Updated {
    fn unchanged(stored: Stored, what: What) -> Self {
        Updated {
            how: How::Unchanged,
            stored,
            what,
            written: Vec::new(),
        }
    }
}

/// What an update is about, also where it finds everything so already.
#[derive(PartialEq)]
enum What {
    Attributes,
    Edges,
    Nothing,
}

impl What {
    fn of(change: &Change) -> Self {
        match change.set().is_empty() && change.unset().is_empty() {
            true => What::Edges,
            false => What::Attributes,
        }
    }
}

/// The attributes that a change gives values to.
fn written_by(change: &Change) -> Vec<AttrId> {
    let set = change.set().iter().map(|(id, _)| *id);
    set.chain(change.edges().iter().map(|e| e.attr)).collect()
}

/// A store that breaks its contract.
fn lost() -> Problem {
    Problem::Store(StoreError::backend("the store gave no resource back"))
}
