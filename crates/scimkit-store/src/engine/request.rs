//! The batches of a decision, and its outcome.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use scimkit_mapping::Mapping;
use scimkit_registry::{AttrKeys, Budget, Registry, ResourceId};

use super::{answer_edges::AnswerEdges, operations::Operations, policy::Policy};
use crate::{
    Batch, Cause, Intent, OnFailure, RequestContext, RequestLimits, Settings, StoreError, WriteOp,
    Written,
};

/// A batch with everything on which its decision depends.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WriteRequest {
    /// The writes.
    pub batch: Batch,
    /// The budget of the request.
    pub budget: Budget,
    /// The limits of the request, of which the engine checks the size of an adopted document.
    pub limits: RequestLimits,
    /// The mapping that filters the values for an adopted resource.
    pub mapping: Option<Arc<Mapping>>,
    /// The rules for the writes.
    pub policy: Policy,
    /// The registry with the types of members.
    pub registry: Arc<Registry>,
}

impl WriteRequest {
    /// Creates a request under the default policy and limits, with an unlimited budget.
    #[must_use]
    pub fn new(registry: Arc<Registry>, batch: Batch) -> Self {
        WriteRequest {
            batch,
            budget: Budget::unlimited(),
            limits: RequestLimits::default(),
            mapping: None,
            policy: Policy::default(),
            registry,
        }
    }

    /// Creates a request under the policy, schemas, mapping and limits of a connection.
    #[must_use]
    pub fn with_settings(settings: &Settings, batch: Batch) -> Self {
        WriteRequest {
            limits: settings.limits,
            mapping: settings.mapping().cloned(),
            ..WriteRequest::new(Arc::clone(&settings.registry), batch)
                .with_policy(settings.policy.clone())
        }
    }

    /// Creates a request with the settings and the budget of a scope.
    #[must_use]
    pub fn in_context(context: &RequestContext, batch: Batch) -> Self {
        WriteRequest::with_settings(&context.settings, batch).with_budget(context.budget.clone())
    }

    /// Sets the rules for the writes.
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets the budget of the request.
    #[must_use]
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }
}

/// A batch, prepared for the decision.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) at: DateTime<Utc>,
    pub(super) budget: Budget,
    pub(super) cause: Cause,
    /// The edges in results; none if the results need no edges.
    pub(super) edges: Option<AnswerEdges>,
    pub(super) intent: Intent,
    pub(super) limits: RequestLimits,
    pub(super) mapping: Option<Arc<Mapping>>,
    pub(super) on_failure: OnFailure,
    pub(super) policy: Policy,
    pub(super) registry: Arc<Registry>,
    pub(super) wants_document: bool,
    pub(super) writes: Vec<Prepared>,
}

/// A write with its number and its new keys.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) keys: Vec<AttrKeys>,
    pub(super) number: usize,
    pub(super) write: WriteOp,
}

/// One result per write of a batch, or the error of the whole batch.
pub type BatchAnswer = Result<Vec<Result<Written, StoreError>>, StoreError>;

/// The outcome of a decision.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The results of each batch, in order. They are valid after the operations are applied and committed.
    pub answers: Vec<BatchAnswer>,
    /// The operations to apply.
    pub operations: Operations,
    /// The resource that each write of each batch changes; for a create that adopts or restores a resource, that
    /// resource.
    pub subjects: Vec<Vec<ResourceId>>,
}

/// Returns the units of work of a write, in addition to those for the document that it changes.
pub(crate) fn weight(write: &WriteOp) -> u64 {
    const LOOK_UP: u64 = 64 * Budget::COMPARISON;
    let edited = match write {
        WriteOp::Create { change, .. } | WriteOp::Update { change, .. } => change.weight(),
        WriteOp::Delete { .. } => 0,
    };
    LOOK_UP.saturating_add(edited)
}
