//! The calls of the guards for updates and deletes, before the write.

use std::sync::Arc;

use scimkit_registry::{AttrId, Change, Resource, ResourceType};
use scimkit_store::{ExpectedVersion, ReadOptions, StoredResource, WriteOp, WriteOutcome};

use crate::{
    edit::check_edges,
    error::HandlerError,
    guard::{ChangeVerb, ProposedChange},
    policy::{is_secret, open_part},
    writer::Writer,
};

impl Writer<'_> {
    /// Calls the guards, in the order in which they were set.
    ///
    /// # Errors
    /// The error of the first guard that rejects the change.
    pub(crate) async fn ask_guards(&self, proposed: &ProposedChange) -> Result<(), HandlerError> {
        for guard in &self.hooks.guards {
            guard.check(self.context, proposed).await?;
        }
        Ok(())
    }

    /// Calls the guards for an update, unless it changes nothing.
    pub(crate) async fn guard_update(
        &self,
        stored: &StoredResource,
        before: &Arc<Resource>,
        change: &Change,
    ) -> Result<(), HandlerError> {
        check_edges(change, &self.context.settings.limits)?;
        let secrets = self.secrets(change);
        let change = open_part(change).into_owned();
        let has_values = !change.assignments().is_empty() || !change.removals().is_empty();
        let alters = has_values && change.alters(before);
        if !alters && secrets.is_empty() && !self.alters_edges(stored, &change).await? {
            return Ok(());
        }
        let units = before.weight().saturating_add(change.weight());
        let document = Arc::clone(before);
        let apply = move || {
            let mut after = Resource::clone(&document);
            change.apply(&mut after);
            (change, after)
        };
        let (change, after) = self.work.run(self.context, units, apply).await?;
        let proposed = ProposedChange {
            after: Some(Arc::new(after)),
            before: Some(Arc::clone(before)),
            id: stored.id.clone(),
            kind: Arc::clone(change.kind()),
            change,
            owner: stored.owner.clone(),
            secrets,
            verb: ChangeVerb::Update,
            version: Some(stored.version.clone()),
        };
        self.ask_guards(&proposed).await
    }

    /// Calls the guards for a delete.
    pub(crate) async fn guard_delete(
        &self,
        kind: &Arc<ResourceType>,
        stored: &StoredResource,
    ) -> Result<(), HandlerError> {
        let proposed = ProposedChange {
            after: None,
            before: Some(self.tree(kind, stored, None).await?),
            change: Change::empty(Arc::clone(kind)),
            id: stored.id.clone(),
            kind: Arc::clone(kind),
            owner: stored.owner.clone(),
            secrets: Vec::new(),
            verb: ChangeVerb::Delete,
            version: Some(stored.version.clone()),
        };
        self.ask_guards(&proposed).await
    }

    /// Returns whether a change alters memberships, as far as the store can tell without writing.
    async fn alters_edges(
        &self,
        stored: &StoredResource,
        change: &Change,
    ) -> Result<bool, HandlerError> {
        if change.edge_changes().is_empty() {
            return Ok(false);
        }
        if !self.store.support(change.kind()).check {
            return Ok(true);
        }
        let update = WriteOp::Update {
            change: change.clone(),
            expect: ExpectedVersion::OneOf(vec![stored.version.clone()]),
            id: stored.id.clone(),
        };
        let checked = self.check(update, &ReadOptions::version()).await?;
        Ok(checked.outcome != WriteOutcome::Unchanged)
    }

    /// Returns the write-only attributes that a change sets or removes, if a handler receives their values.
    pub(crate) fn secrets(&self, change: &Change) -> Vec<AttrId> {
        if self.hooks.secrets.is_none() {
            return Vec::new();
        }
        let set = change.assignments().iter().map(|(id, _)| *id);
        let written = set.chain(change.removals().iter().copied());
        let kind = change.kind();
        written.filter(|id| is_secret(kind, *id)).collect()
    }
}
