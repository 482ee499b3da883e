//! Creates, from the decoded change to the store's result.

use std::sync::Arc;

use scimkit_registry::{Change, Resource, ResourceId};
use scimkit_store::{
    ExistingMatch, MatchPin, ReadOptions, StoreError, StoredResource, WriteOp, WriteOutcome,
};

use crate::{
    attempts::lost_race,
    edit::check_edges,
    error::{HandlerError, lost},
    guard::{ChangeVerb, ProposedChange},
    policy::{HandledSecrets, On, open_part},
    writer::Writer,
};

impl Writer<'_> {
    /// Creates a resource, or adopts or restores an existing one if the settings allow it. If the guards saw another
    /// resource than the one that the write would take, it tries again.
    pub(crate) async fn create(
        &self,
        id: ResourceId,
        change: Change,
        want: &ReadOptions,
    ) -> Result<StoredResource, HandlerError> {
        let mut taken = HandledSecrets::default();
        if self.hooks.guards.is_empty() {
            return self.try_create(id, change, want, &mut taken).await;
        }
        let mut attempts = self.attempts();
        loop {
            let tried = self.try_create(id.clone(), change.clone(), want, &mut taken);
            match tried.await {
                Err(problem) if lost_race(&problem) => attempts.next()?,
                done => return done,
            }
        }
    }

    async fn try_create(
        &self,
        id: ResourceId,
        change: Change,
        want: &ReadOptions,
        taken: &mut HandledSecrets,
    ) -> Result<StoredResource, HandlerError> {
        let creation = self.creation(id, change, taken).await?;
        let written = self.write(creation, want).await?;
        written.stored.ok_or_else(lost)
    }

    /// Builds the write that creates a resource, or adopts or restores an existing one. If there are guards, it takes
    /// only the resource that they saw.
    ///
    /// # Errors
    /// The connection's mapping, a guard of the application or its secret handler rejects the change; 413 for a
    /// document that is too large.
    pub(crate) async fn creation(
        &self,
        id: ResourceId,
        change: Change,
        taken: &mut HandledSecrets,
    ) -> Result<WriteOp, HandlerError> {
        let change = self.plain(change, None);
        let sent = self.takes_existing(change.kind()).then(|| change.clone());
        let change = self.mapped(change, On::Create).await?;
        // Match by the values as sent: the values that the mapping adds are the same for all resources.
        let existing_match = sent.and_then(|sent| Some((self.existing_match(&sent)?, sent)));
        let pin = self
            .guard_create(&id, &change, existing_match.as_ref())
            .await?;
        let change = self.without_secrets(change, &id, taken).await?;
        self.context.settings.limits.check_document(None, &change)?;
        let existing_match = match existing_match {
            None => None,
            Some((mut existing_match, sent)) => {
                existing_match.pin = pin;
                let sent = self.without_secrets(sent, &id, taken).await?;
                Some(Box::new(existing_match.with_change(sent)))
            }
        };
        Ok(WriteOp::Create {
            change,
            existing_match,
            id,
        })
    }

    /// Calls the guards for a create, and returns the resource that it would take, or that it would take none.
    async fn guard_create(
        &self,
        id: &ResourceId,
        change: &Change,
        existing_match: Option<&(ExistingMatch, Change)>,
    ) -> Result<Option<MatchPin>, HandlerError> {
        if self.hooks.guards.is_empty() {
            return Ok(None);
        }
        check_edges(change, &self.context.settings.limits)?;
        let open = open_part(change).into_owned();
        let Some((existing_match, sent)) = existing_match else {
            self.guard_new(id, open, change).await?;
            return Ok(None);
        };
        let existing_match = existing_match
            .clone()
            .with_change(open_part(sent).into_owned());
        let create = WriteOp::Create {
            change: open.clone(),
            existing_match: Some(Box::new(existing_match)),
            id: id.clone(),
        };
        let checked = self.check(create, &ReadOptions::document()).await?;
        let pin = checked.pin();
        let verb = match (checked.outcome, &pin) {
            (WriteOutcome::Adopted, MatchPin::Candidate(_)) => ChangeVerb::Adopt,
            (WriteOutcome::Restored, MatchPin::Candidate(_)) => ChangeVerb::Restore,
            (_, MatchPin::Candidate(_)) => return Err(lost()),
            (_, MatchPin::NoCandidate) => {
                self.guard_new(id, open, change).await?;
                return Ok(Some(pin));
            }
        };
        let before = checked.before.ok_or(StoreError::Unsupported {
            feature: "a check that returns the resource which a create would take",
        })?;
        let kind = change.kind();
        let after = checked.stored.ok_or_else(lost)?;
        let after = self.tree(kind, &after, None).await?;
        let document = self.tree(kind, &before, None).await?;
        let mut altered = Change::between(Arc::clone(kind), Some(&document), &after);
        for edges in open.edge_changes() {
            altered.edit_edges(edges.attr, edges.edit.clone());
        }
        let proposed = ProposedChange {
            after: Some(after),
            before: Some(document),
            change: altered,
            id: before.id,
            kind: Arc::clone(kind),
            owner: before.owner,
            secrets: self.secrets(change),
            verb,
            version: Some(before.version),
        };
        self.ask_guards(&proposed).await?;
        Ok(Some(pin))
    }

    async fn guard_new(
        &self,
        id: &ResourceId,
        open: Change,
        change: &Change,
    ) -> Result<(), HandlerError> {
        let mut after = Resource::default();
        open.apply(&mut after);
        let proposed = ProposedChange {
            after: Some(Arc::new(after)),
            before: None,
            id: id.clone(),
            kind: Arc::clone(open.kind()),
            change: open,
            owner: None,
            secrets: self.secrets(change),
            verb: ChangeVerb::Create,
            version: None,
        };
        self.ask_guards(&proposed).await
    }
}
