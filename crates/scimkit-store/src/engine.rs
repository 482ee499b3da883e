//! The write engine: every rule of a write, decided once for all stores.
//!
//! A [`Decision`] does no I/O. It names the facts that it needs, a store loads them inside its
//! transaction and under the tenant's lock, and after at most three rounds it returns the row
//! [`Operations`] and one answer per write. A write that fails yields no operations, and neither does
//! a batch that is rolled back or only checked, so a store has nothing to undo.
//!
//! - Later writes see earlier ones: what the writes have changed so far lies over the facts.
//! - One number is given to each write that changes something, in order and without gaps; it is the
//!   version of everything that the write changes. Writes that fail or change nothing take none.
//! - The last modification of a resource never goes back, whatever the clock says.
//! - A change of single members loads neither the document nor the other members, if the answer needs
//!   no document.
//!
//! [`Rows`] is all that a store has to implement; [`write`](fn@write) runs a decision on it, and
//! [`write_blocking`] does so where nothing has to be awaited. [`RowStore`](crate::rows::RowStore) makes
//! a complete [`Store`](crate::Store) of a database whose rows are these.

mod answer_needs;
mod answers;
mod claims;
mod counters;
mod decide;
mod directory;
mod facts;
mod finish;
mod journal;
mod keys;
mod known;
mod members;
mod needs;
mod operations;
mod overlay;
mod policy;
mod predicate_text;
mod rows;

use std::sync::Arc;

use chrono::{DateTime, SubsecRound as _, Utc};
use scimkit_registry::{Budget, Mapping, Registry, ResourceId};

pub(crate) use self::keys::has_keys;
use self::{
    answers::AnswerEdges, counters::Counters, decide::Decider, journal::Recorder, keys::AttrKeys,
    known::Known, overlay::Overlay,
};
pub use self::{
    directory::{EntryFacts, connection_removed, decide_entry},
    facts::{
        AncestorEdge, AncestorQuery, CandidateQuery, Candidates, CountQuery, CountRow, CounterRef,
        CounterRow, Facts, FoundRow, KeyHolder, KeyRef, Label, MemberList, Members, Needs,
        OwnerEdge, OwnerList, RowHead, RowState, ShownMembers, ShownOwners,
    },
    operations::{
        KeyRow, NewMember, NewMembers, Operations, ResourceRow, RowBump, RowEdit, RowRef,
    },
    policy::{Capacity, Cycles, Deletes, Policy, UnknownMembers},
    rows::{Applied, Rejection, Rows, RowsError, write, write_blocking},
};
use crate::{Batch, Cause, Intent, Limits, OnFailure, Scope, Settings, StoreError, Write, Written};

/// A batch with everything that its decision depends on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WriteRequest {
    /// The writes.
    pub batch: Batch,
    /// The work that the request may cause.
    pub budget: Budget,
    /// The limits of a request; the engine checks only the largest document.
    pub limits: Limits,
    /// The mapping that the attributes of an adopted resource pass.
    pub mapping: Option<Arc<Mapping>>,
    /// The rules that the writes are decided by.
    pub policy: Policy,
    /// The resource types that memberships may lead to.
    pub registry: Arc<Registry>,
}

impl WriteRequest {
    /// Creates a request under the default policy and limits, with an unlimited budget.
    #[must_use]
    pub fn new(registry: Arc<Registry>, batch: Batch) -> Self {
        WriteRequest {
            batch,
            budget: Budget::unlimited(),
            limits: Limits::default(),
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
    pub fn in_scope(scope: &Scope, batch: Batch) -> Self {
        WriteRequest::with_settings(&scope.settings, batch).with_budget(scope.budget.clone())
    }

    /// Sets the rules that the writes are decided by.
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets the work that the request may cause.
    #[must_use]
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }
}

/// The next step of a [`Decision`].
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a decision needs facts or is made")]
pub enum Step {
    /// It is made.
    Done(Outcome),
    /// These facts are needed first.
    Load(Needs),
}

/// Why a batch failed as a whole, or one answer per write.
pub type BatchAnswer = Result<Vec<Result<Written, StoreError>>, StoreError>;

/// The outcome of a decision.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The answer to each batch, in order. They hold once the operations are applied and committed.
    pub answers: Vec<BatchAnswer>,
    /// The operations to apply.
    pub operations: Operations,
    /// The resource that each write of each batch changes; for a create that adopts or restores a resource, that
    /// resource.
    pub subjects: Vec<Vec<ResourceId>>,
}

/// One or more batches of a tenant on their way to be decided.
///
/// # Example
/// A store without any rows answers every need with nothing but the number of its last change:
/// ```
/// use std::sync::Arc;
/// use chrono::DateTime;
/// use scimkit_registry::{Change, Registry, ResourceId, Tolerance};
/// use scimkit_store::engine::{Decision, Facts, Step, WriteRequest};
/// use scimkit_store::{Batch, Write};
/// use serde_json::json;
///
/// let registry = Arc::new(Registry::standard());
/// let user = registry.by_name("User").unwrap();
/// let body = user.admit(json!({"userName": "bjensen"}), &Tolerance::DEFAULT)?;
/// let change = Change::create(Arc::clone(user), body);
/// let write = Write::Create { change, claim: None, id: ResourceId::from("1") };
/// let batch = Batch::new(DateTime::UNIX_EPOCH, vec![write]);
/// let mut decision = Decision::new(WriteRequest::new(registry.clone(), batch));
///
/// let Step::Load(needs) = decision.step() else { panic!() };
/// assert_eq!((needs.heads.len(), needs.holders.len()), (1, 1));
/// decision.supply(needs, Facts { version: Some(0), ..Facts::default() });
/// let Step::Done(outcome) = decision.step() else { panic!() };
/// assert_eq!(outcome.operations.inserted_rows[0].version.as_str(), "1");
/// # Ok::<(), scimkit_registry::Error>(())
/// ```
#[derive(Debug)]
pub struct Decision {
    known: Known,
    /// The rows that the database has rejected.
    rejections: Vec<Rejection>,
    requests: Vec<Request>,
    writes: usize,
}

/// A batch, prepared for the decision.
#[derive(Debug)]
struct Request {
    at: DateTime<Utc>,
    budget: Budget,
    cause: Cause,
    /// The edges that answers carry; none if they carry no edges.
    edges: Option<AnswerEdges>,
    intent: Intent,
    limits: Limits,
    mapping: Option<Arc<Mapping>>,
    on_failure: OnFailure,
    policy: Policy,
    registry: Arc<Registry>,
    wants_document: bool,
    writes: Vec<Prepared>,
}

/// A write, made ready.
#[derive(Debug)]
struct Prepared {
    keys: AttrKeys,
    number: usize,
    write: Write,
}

impl Decision {
    /// Starts to decide a batch.
    #[must_use]
    pub fn new(request: WriteRequest) -> Self {
        let mut decision = Decision {
            known: Known::default(),
            rejections: Vec::new(),
            requests: Vec::new(),
            writes: 0,
        };
        decision.join(request);
        decision
    }

    /// Decides another batch of the same tenant after the others, in the same transaction. Each has
    /// its own policy, and none is undone because another one fails.
    ///
    /// All changes of a resource type must be of the same schema.
    pub fn join(&mut self, request: WriteRequest) {
        let WriteRequest {
            batch,
            budget,
            limits,
            mapping,
            policy,
            registry,
        } = request;
        let first = self.writes;
        let edges = AnswerEdges::new(&registry, &batch);
        let prepare = |(index, write): (usize, Write)| {
            let keys = match &write {
                Write::Create { change, .. } | Write::Update { change, .. } => {
                    keys::of_change(change)
                }
                Write::Delete { .. } => AttrKeys::new(),
            };
            let number = first.saturating_add(index);
            Prepared {
                keys,
                number,
                write,
            }
        };
        let writes: Vec<_> = batch.writes.into_iter().enumerate().map(prepare).collect();
        self.writes = self.writes.saturating_add(writes.len());
        self.requests.push(Request {
            // As precise as answers and stores are.
            at: batch.at.trunc_subsecs(3),
            budget,
            cause: batch.cause,
            edges,
            intent: batch.intent,
            limits,
            mapping,
            on_failure: batch.on_failure,
            policy,
            registry,
            wants_document: batch.want.document,
            writes,
        });
    }

    /// Returns the facts that are still needed, or the outcome once all are supplied.
    ///
    /// Facts may be supplied in any number of pieces: what is still needed is named again. Without
    /// splitting them there are at most three rounds.
    pub fn step(&mut self) -> Step {
        let needs = needs::missing(&self.requests, &self.known);
        match needs.is_empty() {
            true => Step::Done(self.decide()),
            false => Step::Load(needs),
        }
    }

    /// Adds the facts that were loaded for some needs; rows that were not found count as absent.
    pub fn supply(&mut self, needs: Needs, facts: Facts) {
        self.known.add(needs, facts);
    }

    /// Fails the write of a row that the database has rejected, whatever the facts are, with
    /// [`StoreError::Taken`] or [`StoreError::Invalid`].
    ///
    /// For a duplicate this is every write that sets the attribute of that resource; if the resource type
    /// has no such attribute, and for an invalid row, every write of its document.
    pub fn reject(&mut self, rejection: Rejection) {
        self.rejections.push(rejection);
    }

    /// Forgets all facts, so that the batches can be decided anew in another transaction.
    pub fn restart(&mut self) {
        self.known = Known::default();
    }

    fn decide(&self) -> Outcome {
        let claims =
            |prepared: &Prepared| matches!(&prepared.write, Write::Create { claim: Some(_), .. });
        let mut writes = self.requests.iter().flat_map(|request| &request.writes);
        let has_claims = self.writes > 1 && writes.any(claims);
        let mut decider = Decider {
            counters: Counters::new(&self.requests, &self.known),
            has_claims,
            journal: Recorder::new(self.known.journal().is_some()),
            known: &self.known,
            last: self.known.version().unwrap_or(0),
            overlay: Overlay::new(self.writes, has_claims),
            rejections: &self.rejections,
            subjects: Vec::with_capacity(self.requests.len()),
        };
        let answers = self.requests.iter().map(|request| decider.batch(request));
        let answers = answers.collect();
        match decider.operations() {
            Ok(operations) => Outcome {
                answers,
                operations,
                subjects: decider.subjects,
            },
            // A stored document that can't be read: nothing can be done.
            Err(problem) => {
                let failed = |_| Err(StoreError::backend(problem.to_string()));
                Outcome {
                    answers: self.requests.iter().map(failed).collect(),
                    operations: Operations::default(),
                    subjects: Vec::new(),
                }
            }
        }
    }
}

/// Units of work that a write causes, besides those for the document that it changes.
pub(crate) fn weight(write: &Write) -> u64 {
    const LOOK_UP: u64 = 64 * Budget::COMPARISON;
    let edited = match write {
        Write::Create { change, .. } | Write::Update { change, .. } => change.weight(),
        Write::Delete { .. } => 0,
    };
    LOOK_UP.saturating_add(edited)
}
