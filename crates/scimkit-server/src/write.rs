//! The way of a write, from a request that is decoded to what the store made of it: one way for
//! single requests and for the operations of a bulk request.

use std::{sync::Arc, time::Instant};

use scimkit_core::{ETagList, Error, excerpt, message::PatchRequest};
use scimkit_patch::{Before, Patch, Replacement};
use scimkit_registry::{
    AttrId, Budget, Change, Edge, EdgeChange, EdgeEdit, Error as RequestError, ErrorKind, Leeway,
    Projection, Resource, ResourceId, ResourceType, Witness, weight,
};
use scimkit_store::{
    Batch, Document, Expect, How, Scope, Store, StoreError, Stored, Want, Write, Written,
};
use serde_json::Value;

use crate::{
    Access,
    bulk::PREFIX,
    clock::now,
    error::Problem,
    hooks::Hooks,
    policy::{Dropped, Taken},
    work::{TEXT_BYTE, Work},
};

/// Decodes and writes on behalf of one request.
#[derive(Clone, Copy)]
pub(crate) struct Writer<'a> {
    pub(crate) access: &'a Access,
    pub(crate) dropped: &'a Dropped,
    pub(crate) hooks: &'a Hooks,
    pub(crate) scope: &'a Scope,
    pub(crate) store: &'a Arc<dyn Store>,
    pub(crate) witness: &'a Arc<Witness>,
    pub(crate) work: &'a Work<'a>,
}

/// What a client demands of the version of a resource that it changes.
pub(crate) struct Conditions {
    /// None of these.
    pub(crate) barred: Option<ETagList>,
    /// One of these.
    pub(crate) wanted: Expect,
}

/// How often, at least, a write that lost a race is tried again.
const TRIES: u32 = 16;

impl Writer<'_> {
    /// What an answer shows of a type.
    pub(crate) fn projection(
        &self,
        kind: &ResourceType,
        attributes: &[String],
        excluded: &[String],
    ) -> Projection {
        let projection = kind.projection(attributes, excluded);
        let hidden = self.access.hidden(&self.scope.settings.registry, kind);
        hidden
            .into_iter()
            .fold(projection, |shown, id| shown.without(kind, id))
    }

    pub(crate) async fn decode_create(
        &self,
        kind: &Arc<ResourceType>,
        body: Value,
    ) -> Result<Change, Problem> {
        let create = |kind: &Arc<ResourceType>, body, witness: &Witness| {
            Ok(scimkit_patch::create(kind, body, witness)?)
        };
        self.decode(kind, body, create).await
    }

    pub(crate) async fn decode_patch(
        &self,
        kind: &Arc<ResourceType>,
        body: Value,
    ) -> Result<Arc<Edit>, Problem> {
        let limits = self.scope.settings.limits;
        let decode = move |kind: &Arc<ResourceType>, body, witness: &Witness| {
            let request = PatchRequest::from_value(body, limits.operations)?;
            let patch = Patch::decode(kind, request, limits.filter, witness)?;
            Ok(Arc::new(Edit::Patch(patch)))
        };
        self.decode(kind, body, decode).await
    }

    pub(crate) async fn decode_put(
        &self,
        kind: &Arc<ResourceType>,
        body: Value,
    ) -> Result<Arc<Edit>, Problem> {
        let decode = |kind: &Arc<ResourceType>, body, witness: &Witness| {
            let replacement = scimkit_patch::replace(kind, body, witness)?;
            Ok(Arc::new(Edit::Replace(replacement)))
        };
        self.decode(kind, body, decode).await
    }

    async fn decode<T: Send + 'static>(
        &self,
        kind: &Arc<ResourceType>,
        body: Value,
        decode: impl FnOnce(&Arc<ResourceType>, Value, &Witness) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let (kind, witness) = (Arc::clone(kind), Arc::clone(self.witness));
        // It is checked, and copied in parts.
        let units = weight(&body).saturating_mul(2);
        let decode = move || decode(&kind, body, &witness);
        self.work.run(self.scope, units, decode).await?
    }

    /// The change that an edit is to a resource.
    async fn change(
        &self,
        edit: &Arc<Edit>,
        id: &ResourceId,
        known: Known,
    ) -> Result<Change, Problem> {
        let (edit, id, witness) = (Arc::clone(edit), id.clone(), Arc::clone(self.witness));
        let apply = move |budget: &Budget| {
            let change = edit.change(&id, &known, &*witness, budget)?;
            // Edits of memberships are combined when they are first asked for.
            let _ = change.edges();
            Ok(change)
        };
        let reason = |error: &RequestError| match error.kind() {
            ErrorKind::Exhausted(reason) => Some(reason),
            _ => None,
        };
        Ok(self.work.try_run(self.scope, reason, apply).await??)
    }

    /// The change that an edit is to whatever there is; none where that must be read, if only to be
    /// told.
    pub(crate) async fn blind(
        &self,
        edit: &Arc<Edit>,
        id: &ResourceId,
    ) -> Result<Option<Change>, Problem> {
        if edit.reads() {
            return Ok(None);
        }
        let change = self.change(edit, id, Known::default()).await?;
        Ok((!change.is_empty()).then_some(change))
    }

    async fn tree(&self, stored: &Stored) -> Result<Arc<Resource>, Problem> {
        let text = match &stored.document {
            Document::Tree(tree) => return Ok(Arc::clone(tree)),
            Document::Text(text) => text.clone(),
        };
        let units = TEXT_BYTE.saturating_mul(text.len() as u64);
        let read = move || Resource::restore(&text);
        let tree = self.work.run(self.scope, units, read).await?;
        Ok(Arc::new(tree.map_err(StoreError::backend)?))
    }

    /// Reads what the edit needs, computes the change and writes it; again after a lost race,
    /// unless the client said which version it means.
    pub(crate) async fn update(
        &self,
        kind: &Arc<ResourceType>,
        id: &ResourceId,
        edit: &Arc<Edit>,
        Conditions { barred, wanted }: &Conditions,
    ) -> Result<Updated, Problem> {
        let started = Instant::now();
        let (mut tries, mut taken) = (0, Taken::default());
        loop {
            let mut before = match edit.reads() || barred.is_some() {
                true => Some(self.before(kind, id, &edit.edges(), wanted).await?),
                false => None,
            };
            if let (Some(barred), Some(before)) = (barred, &before) {
                check_barred(barred, before)?;
            }
            let mut known = Known::default();
            if let Some(before) = &mut before {
                known.document = Some(self.tree(before).await?);
                known.edges = std::mem::take(&mut before.edges).into();
            }
            let document = known.document.clone();
            let change = self.change(edit, id, known).await?;
            let change = self
                .revised(id, change, document.clone(), &mut taken)
                .await?;
            let limits = &self.scope.settings.limits;
            limits.check_document(document.as_deref(), &change)?;
            if change.is_empty() {
                let stored = match before {
                    Some(stored) => stored,
                    None => self.before(kind, id, &[], wanted).await?,
                };
                return Ok(Updated::unchanged(stored, edit.what()));
            }
            let written = written_by(&change);
            let what = What::of(&change);
            let expect = match before {
                Some(before) => Expect::OneOf(vec![before.version]),
                None => wanted.clone(),
            };
            let id = id.clone();
            match self.write(Write::Update { change, expect, id }).await {
                Err(Problem::Store(StoreError::Stale { .. })) if *wanted == Expect::Any => {
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

    /// What is demanded of the version by a request that says nothing of it.
    ///
    /// # Errors
    /// 428 where the settings ask for a condition.
    pub(crate) fn unconditional(&self) -> Result<Expect, Error> {
        if !self.scope.settings.require_if_match {
            return Ok(Expect::Any);
        }
        let detail = "this service changes a resource only under a condition: send the \
                      `meta.version` that you know as `If-Match`, or as `version` in a bulk request";
        Err(Error::new(428, detail))
    }

    /// Bounds a change, and refuses members that a bulk request could take for references.
    ///
    /// # Errors
    /// 413 for more members than the limit; what [`check_reserved`] refuses.
    pub(crate) fn check(&self, change: &Change) -> Result<(), Error> {
        let limit = self.scope.settings.limits.members;
        let named = change.edges().iter().map(|edges| match &edges.edit {
            EdgeEdit::Delta { add, remove } => add.len() + remove.len(),
            EdgeEdit::Replace(edges) => edges.len(),
        });
        match named.sum::<usize>() {
            count if count > limit => {
                let detail = format!("{count} members in one request are more than {limit}");
                Err(Error::too_large(detail))
            }
            _ => check_reserved(change),
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

    /// Sends a batch to the store, if that can do what it asks.
    pub(crate) async fn submit(&self, batch: Batch) -> Vec<Result<Written, StoreError>> {
        let settings = &self.scope.settings;
        for write in &batch.writes {
            let support = self.store.support(write.kind());
            if let Err(problem) = support.check_batch(settings, &batch) {
                return problem.repeated(batch.writes.len());
            }
        }
        self.store.write(self.scope, batch).await
    }

    pub(crate) async fn write(&self, write: Write) -> Result<Written, Problem> {
        if let Write::Create { change, .. } | Write::Update { change, .. } = &write {
            self.check(change)?;
        }
        let batch = Batch::new(now(), vec![write]);
        let mut outcomes = self.submit(batch).await;
        outcomes.pop().ok_or_else(lost)?.map_err(Problem::Store)
    }
}

/// No resource has an id that a bulk request could take for a reference (RFC 7643 section 3.1), so
/// none can be a member.
///
/// # Errors
/// `invalidValue`.
fn check_reserved(change: &Change) -> Result<(), Error> {
    for EdgeChange { attr, edit } in change.edges() {
        let (EdgeEdit::Delta { add, .. } | EdgeEdit::Replace(add)) = edit;
        if let Some(edge) = add.iter().find(|edge| edge.id.as_str().starts_with(PREFIX)) {
            let (attr, id) = (change.kind().attr(*attr).path(), excerpt(edge.id.as_str()));
            return Err(Error::invalid_value(format!(
                "`{attr}`: `{id}` refers to nothing outside of a bulk request, and in one only as a string of its own"
            )));
        }
    }
    Ok(())
}

/// `If-None-Match` forbids a write where it names the version there is (RFC 9110 section 13.1.2).
pub(crate) fn check_barred(barred: &ETagList, before: &Stored) -> Result<(), Problem> {
    match barred.matches(&before.version) {
        true => {
            Err(Error::precondition_failed("`If-None-Match` names the version there is").into())
        }
        false => Ok(()),
    }
}

/// What is known of a resource before it is changed; nothing, where nothing need be.
#[derive(Clone, Default)]
struct Known {
    document: Option<Arc<Resource>>,
    edges: Arc<[(AttrId, Vec<Edge>)]>,
}

/// A decoded request to change a resource.
pub(crate) enum Edit {
    Patch(Patch),
    Replace(Replacement),
}

impl Edit {
    /// The change that it is to a resource; to one that it need not know, where it reads nothing.
    fn change(
        &self,
        id: &ResourceId,
        Known { document, edges }: &Known,
        leeway: &dyn Leeway,
        budget: &Budget,
    ) -> Result<Change, RequestError> {
        let nothing = Resource::default();
        let document = document.as_deref().unwrap_or(&nothing);
        match self {
            Edit::Patch(patch) => patch.apply(id, &Before { document, edges }, leeway, budget),
            Edit::Replace(replacement) => replacement.apply(document, budget),
        }
    }

    /// The memberships that must be known before the change is.
    fn edges(&self) -> Vec<AttrId> {
        match self {
            Edit::Patch(patch) => patch.needs().edges,
            Edit::Replace(_) => Vec::new(),
        }
    }

    /// What an edit that changes nothing is about.
    fn what(&self) -> What {
        match self {
            Edit::Patch(patch) if !patch.needs().document => What::Edges,
            Edit::Patch(_) | Edit::Replace(_) => What::Attributes,
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
pub(crate) struct Updated {
    pub(crate) how: How,
    pub(crate) stored: Stored,
    pub(crate) what: What,
    /// The attributes that it set.
    pub(crate) written: Vec<AttrId>,
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
pub(crate) enum What {
    Attributes,
    Edges,
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
pub(crate) fn written_by(change: &Change) -> Vec<AttrId> {
    let set = change.set().iter().map(|(id, _)| *id);
    set.chain(change.edges().iter().map(|e| e.attr)).collect()
}

/// A store that breaks its contract.
pub(crate) fn lost() -> Problem {
    Problem::Store(StoreError::backend("the store gave no resource back"))
}
