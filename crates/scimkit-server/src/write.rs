//! Writes, from the decoded request to the store's result, for single requests and for the operations of a bulk
//! request.

use std::sync::Arc;

use scimkit_core::{ETagList, ErrorResponse, message::PatchRequest};
use scimkit_patch::Patch;
use scimkit_registry::{
    AttrId, Budget, Change, QuirkRecorder, RequestError, RequestErrorKind, Resource, ResourceId,
    ResourceType, weight,
};
use scimkit_store::{
    Base, Batch, ExpectedVersion, ReadOptions, StoreError, StoredResource, WriteOp, WriteOutcome,
    Written, engine::BatchAnswer,
};
use serde_json::Value;

use crate::{
    attempts::lost_race,
    attrs::PAGE,
    edit::{Edit, Known, UpdateKind, check_edges, written_by},
    error::{HandlerError, lost},
    policy::HandledSecrets,
    work::TEXT_BYTE,
    writer::Writer,
};

/// The client's conditions on a resource that it changes, and the parts of the resource for the response.
pub(crate) struct Conditions {
    /// The versions that the resource must not have.
    pub(crate) barred: Option<ETagList>,
    /// The parts of the resource that the response shows.
    pub(crate) want: ReadOptions,
    /// The version that the resource must have.
    pub(crate) wanted: ExpectedVersion,
}

impl Writer<'_> {
    pub(crate) async fn decode_create(
        &self,
        kind: &Arc<ResourceType>,
        body: Value,
    ) -> Result<Change, HandlerError> {
        let create = |kind: &Arc<ResourceType>, body, witness: &QuirkRecorder| {
            Ok(scimkit_patch::create(kind, body, witness)?)
        };
        self.decode(kind, body, create).await
    }

    pub(crate) async fn decode_patch(
        &self,
        kind: &Arc<ResourceType>,
        body: Value,
    ) -> Result<Arc<Edit>, HandlerError> {
        let limits = self.context.settings.limits;
        let decode = move |kind: &Arc<ResourceType>, body, witness: &QuirkRecorder| {
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
    ) -> Result<Arc<Edit>, HandlerError> {
        let decode = |kind: &Arc<ResourceType>, body, witness: &QuirkRecorder| {
            let replacement = scimkit_patch::replace(kind, body, witness)?;
            Ok(Arc::new(Edit::Replace(replacement)))
        };
        self.decode(kind, body, decode).await
    }

    async fn decode<T: Send + 'static>(
        &self,
        kind: &Arc<ResourceType>,
        body: Value,
        decode: impl FnOnce(&Arc<ResourceType>, Value, &QuirkRecorder) -> Result<T, HandlerError>
        + Send
        + 'static,
    ) -> Result<T, HandlerError> {
        let kind = Arc::clone(kind);
        let witness = Arc::clone(self.witness);
        // The body is checked, and partly copied.
        let units = weight(&body).saturating_mul(2);
        let decode = move || decode(&kind, body, &witness);
        self.work.run(self.context, units, decode).await?
    }

    /// Computes the change that an edit makes to a resource.
    async fn change(
        &self,
        edit: &Arc<Edit>,
        id: &ResourceId,
        known: Known,
    ) -> Result<Change, HandlerError> {
        let edit = Arc::clone(edit);
        let id = id.clone();
        let witness = Arc::clone(self.witness);
        let apply = move |budget: &Budget| {
            let change = edit.change(&id, &known, &*witness, budget)?;
            // Membership edits are combined on first access.
            let _ = change.edge_changes();
            Ok(change)
        };
        let reason = |error: &RequestError| match error.kind() {
            RequestErrorKind::Exhausted(reason) => Some(reason),
            _ => None,
        };
        Ok(self.work.try_run(self.context, reason, apply).await??)
    }

    /// Computes the change of an edit that does not depend on the resource. Returns `None` if the resource must be
    /// read, even if only for the response.
    pub(crate) async fn blind(
        &self,
        edit: &Arc<Edit>,
        id: &ResourceId,
    ) -> Result<Option<Change>, HandlerError> {
        if edit.reads() {
            return Ok(None);
        }
        let change = self.change(edit, id, Known::default()).await?;
        Ok((!change.is_empty()).then_some(change))
    }

    /// Parses a document into a tree, or only the members that contain some attributes.
    pub(crate) async fn tree(
        &self,
        kind: &Arc<ResourceType>,
        stored: &StoredResource,
        attrs: Option<Vec<AttrId>>,
    ) -> Result<Arc<Resource>, HandlerError> {
        let document = stored.document.clone();
        let kind = Arc::clone(kind);
        let units = TEXT_BYTE.saturating_mul(document.size());
        let read = move || match attrs {
            Some(attrs) => document.part(&kind, attrs).map(Arc::new),
            None => document.shared_tree(),
        };
        let tree = self.work.run(self.context, units, read).await?;
        Ok(tree.map_err(StoreError::from)?)
    }

    /// Reads what the edit needs, computes the change and writes it. After a lost race it tries again, unless the
    /// client named a version.
    ///
    /// The edges for the response come with the store's result. If the store does not return edges, those that the
    /// edit does not change (`shown`) are read together with the resource, so that the response needs no further
    /// store call.
    pub(crate) async fn update(
        &self,
        kind: &Arc<ResourceType>,
        id: &ResourceId,
        (edit, shown): (&Arc<Edit>, &[AttrId]),
        conditions: &Conditions,
    ) -> Result<Updated, HandlerError> {
        let mut attempts = self.attempts();
        let mut taken = HandledSecrets::default();
        loop {
            let what = (edit, shown, conditions);
            match self.try_update((kind, id), what, &mut taken).await {
                Err(problem) if conditions.may_retry(&problem) => attempts.next()?,
                done => return done,
            }
        }
    }

    /// Updates the resource once; a lost race is [`StoreError::VersionMismatch`].
    async fn try_update(
        &self,
        (kind, id): (&Arc<ResourceType>, &ResourceId),
        (edit, shown, conditions): (&Arc<Edit>, &[AttrId], &Conditions),
        taken: &mut HandledSecrets,
    ) -> Result<Updated, HandlerError> {
        let Conditions {
            barred,
            want,
            wanted,
        } = conditions;
        let edges = edit.edges();
        let answers_edges = self.store.support(kind).written_edges;
        let needed = match edges.is_empty() {
            true if answers_edges => ReadOptions::document(),
            true => ReadOptions::edges(shown).with_edge_limit(PAGE + 1),
            false => ReadOptions::edges(edges.as_slice()),
        };
        let is_guarded = !self.hooks.guards.is_empty();
        let mut before = if edit.reads() || barred.is_some() || is_guarded {
            Some(self.before(kind, id, &needed, wanted).await?)
        } else {
            None
        };
        if let (Some(barred), Some(before)) = (barred, &before) {
            check_barred(barred, before)?;
        }
        // A mapping may read the whole document, and so may a guard.
        let attrs = match self.context.settings.mapping() {
            None if !is_guarded => edit.attributes(),
            _ => None,
        };
        let is_part = attrs.is_some();
        let (mut known, mut shown_edges) = (Known::default(), Vec::new());
        if let Some(before) = &mut before {
            known.document = Some(self.tree(kind, before, attrs).await?);
            let read = std::mem::take(&mut before.edges);
            if edges.is_empty() {
                shown_edges = read
            } else {
                known.edges = read.into()
            }
        }
        let document = known.document.clone();
        let change = self.change(edit, id, known).await?;
        let change = self.revised(change, document.clone()).await?;
        if let (true, Some(before), Some(document)) = (is_guarded, &before, &document) {
            self.guard_update(before, document, &change).await?;
        }
        let change = self.without_secrets(change, id, taken).await?;
        let limits = &self.context.settings.limits;
        match &before {
            Some(before) if is_part => {
                let most = before.document.size().saturating_add(change.max_growth());
                if most > limits.document {
                    let whole = self.tree(kind, before, None).await?;
                    limits.check_document(Some(&whole), &change)?;
                }
            }
            _ => limits.check_document(document.as_deref(), &change)?,
        }
        if change.is_empty() {
            let mut stored = match before {
                Some(stored) if !answers_edges || want.edges.is_empty() => stored,
                // All parts of the response must show the same moment.
                _ if answers_edges => self.before(kind, id, want, wanted).await?,
                _ => {
                    self.before(kind, id, &ReadOptions::document(), wanted)
                        .await?
                }
            };
            stored.edges.append(&mut shown_edges);
            return Ok(Updated::unchanged(stored, edit.what()));
        }
        shown_edges.retain(|list| {
            change
                .edge_changes()
                .iter()
                .all(|edit| edit.attr != list.attr)
        });
        let what = UpdateKind::of(&change);
        let written = written_by(&change);
        let expect = match (before, document) {
            (Some(before), _) if is_part => ExpectedVersion::OneOf(vec![before.version]),
            (Some(before), Some(document)) => {
                ExpectedVersion::Base(Base::new(before.version, document))
            }
            _ => wanted.clone(),
        };
        let id = id.clone();
        let update = WriteOp::Update { change, expect, id };
        let done = self.write(update, want).await?;
        let mut stored = done.stored.ok_or_else(lost)?;
        stored.edges.append(&mut shown_edges);
        Ok(match done.outcome {
            WriteOutcome::Unchanged => Updated::unchanged(stored, what),
            how => Updated {
                how,
                stored,
                what,
                written,
            },
        })
    }

    /// Reads the resource, and checks that it has the version that the client expects.
    pub(crate) async fn before(
        &self,
        kind: &Arc<ResourceType>,
        id: &ResourceId,
        want: &ReadOptions,
        wanted: &ExpectedVersion,
    ) -> Result<StoredResource, HandlerError> {
        let stored = self.store.read(self.context, kind, id, want).await?;
        wanted.check(&stored.version)?;
        Ok(stored)
    }

    /// Sends a batch to the store with the cause of the request, if the store supports the batch.
    pub(crate) async fn submit(&self, batch: Batch) -> BatchAnswer {
        let batch = batch.with_cause(self.context.cause.clone());
        batch.check_support(&self.context.settings, |kind| self.store.support(kind))?;
        self.store.write(self.context, batch).await
    }

    /// Carries out one write. The result contains the requested edges only if the store returns edges after a
    /// write.
    pub(crate) async fn write(
        &self,
        write: WriteOp,
        want: &ReadOptions,
    ) -> Result<Written, HandlerError> {
        if let WriteOp::Create { change, .. } | WriteOp::Update { change, .. } = &write {
            check_edges(change, &self.context.settings.limits)?;
        }
        let want = if self.store.support(write.kind()).written_edges {
            want.clone()
        } else {
            ReadOptions::document()
        };
        let batch = Batch::new(self.clock.now(), vec![write]).with_read_options(want);
        self.submit_one(batch).await
    }

    /// Carries out one write as a dry run.
    pub(crate) async fn check(
        &self,
        write: WriteOp,
        want: &ReadOptions,
    ) -> Result<Written, HandlerError> {
        let batch = Batch::new(self.clock.now(), vec![write]).with_read_options(want.clone());
        self.submit_one(batch.check_only()).await
    }

    async fn submit_one(&self, batch: Batch) -> Result<Written, HandlerError> {
        let mut outcomes = self.submit(batch).await?;
        outcomes
            .pop()
            .ok_or_else(lost)?
            .map_err(HandlerError::Store)
    }
}

impl Conditions {
    /// Returns whether a failed write may be tried again: it lost a race, and the client named no version.
    pub(crate) fn may_retry(&self, problem: &HandlerError) -> bool {
        self.wanted == ExpectedVersion::Any && lost_race(problem)
    }
}

/// Checks `If-None-Match`, which forbids a write if it names the current version (RFC 9110 section 13.1.2).
pub(crate) fn check_barred(barred: &ETagList, before: &StoredResource) -> Result<(), HandlerError> {
    if barred.matches(&before.version) {
        Err(ErrorResponse::precondition_failed("`If-None-Match` names the version there is").into())
    } else {
        Ok(())
    }
}

/// A resource after an update.
pub(crate) struct Updated {
    pub(crate) how: WriteOutcome,
    pub(crate) stored: StoredResource,
    pub(crate) what: UpdateKind,
    /// The attributes that the update set.
    pub(crate) written: Vec<AttrId>,
}

impl Updated {
    fn unchanged(stored: StoredResource, what: UpdateKind) -> Self {
        Updated {
            how: WriteOutcome::Unchanged,
            stored,
            what,
            written: Vec::new(),
        }
    }
}
