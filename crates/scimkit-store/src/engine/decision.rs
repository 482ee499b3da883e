//! Decisions about batches, from the first facts to the outcome.

use std::{
    future::Future as _,
    pin::pin,
    task::{Context, Poll, Waker},
};

use chrono::SubsecRound as _;

use super::{
    answer_edges::AnswerEdges,
    counters::Counters,
    decider::Decider,
    facts::{Facts, Needs},
    journal::Recorder,
    keys,
    known::Known,
    needs,
    operations::Operations,
    overlay::Overlay,
    request::{BatchAnswer, Outcome, Prepared, Request, WriteRequest},
    rows::{Rejection, Rows, RowsError},
};
use crate::{StoreError, WriteOp};

/// The next step of a [`Decision`].
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a decision needs facts or is complete"
)]
pub enum DecisionStep {
    /// The decision is complete.
    Done(Outcome),
    /// The decision needs these facts first.
    Load(Needs),
}

/// The decision about one or more batches of a tenant.
///
/// # Example
/// A store without rows supplies only the number of its last change:
/// ```
/// use std::sync::Arc;
/// use chrono::DateTime;
/// use scimkit_registry::{Change, Registry, ResourceId, Tolerance};
/// use scimkit_store::engine::{Decision, Facts, DecisionStep, WriteRequest};
/// use scimkit_store::{Batch, WriteOp};
/// use serde_json::json;
///
/// let registry = Arc::new(Registry::standard());
/// let user = registry.resource_type("User").unwrap();
/// let body = user.admit(json!({"userName": "bjensen"}), &Tolerance::DEFAULT)?;
/// let change = Change::create(Arc::clone(user), body);
/// let write = WriteOp::Create { change, existing_match: None, id: ResourceId::from("1") };
/// let batch = Batch::new(DateTime::UNIX_EPOCH, vec![write]);
/// let mut decision = Decision::new(WriteRequest::new(registry.clone(), batch));
///
/// let DecisionStep::Load(needs) = decision.step() else { panic!() };
/// assert_eq!((needs.heads.len(), needs.holders.len()), (1, 1));
/// decision.supply(needs, Facts { version: Some(0), ..Facts::default() });
/// let DecisionStep::Done(outcome) = decision.step() else { panic!() };
/// assert_eq!(outcome.operations.inserted_rows[0].version.as_str(), "1");
/// # Ok::<(), scimkit_registry::RequestError>(())
/// ```
#[derive(Debug)]
pub struct Decision {
    known: Known,
    /// The rows that the database rejected.
    rejections: Vec<Rejection>,
    requests: Vec<Request>,
    writes: usize,
}

impl Decision {
    /// Creates the decision about a batch.
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

    /// Adds another batch of the same tenant, which is decided after the others, in the same transaction. Each batch
    /// has its own policy, and the failure of one does not roll back the others.
    ///
    /// All changes of a resource type must be under the same schema.
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
        let prepare = |(index, write): (usize, WriteOp)| {
            let keys = match &write {
                WriteOp::Create { change, .. } | WriteOp::Update { change, .. } => {
                    keys::of_change(change)
                }
                WriteOp::Delete { .. } => Vec::new(),
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
            // Responses and stores have milliseconds.
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
            wants_document: batch.read_options.document,
            writes,
        });
    }

    /// Returns the facts that are still needed, or the outcome when all are supplied.
    ///
    /// Facts may be supplied in several parts: each step names the ones that are missing. If each part is complete,
    /// there are at most three rounds, or six if roles follow from groups.
    pub fn step(&mut self) -> DecisionStep {
        let needs = needs::missing(&self.requests, &self.known);
        if needs.is_empty() {
            DecisionStep::Done(self.decide())
        } else {
            DecisionStep::Load(needs)
        }
    }

    /// Adds the facts that were loaded for some needs. Rows that the facts lack count as absent.
    pub fn supply(&mut self, needs: Needs, facts: Facts) {
        self.known.add(needs, facts);
    }

    /// Makes the writes of a row that the database rejected fail with [`StoreError::Duplicate`] or
    /// [`StoreError::Invalid`].
    ///
    /// For a duplicate, these are the writes that set the attribute of that resource. For an invalid row, and for a
    /// duplicate of an attribute that the resource type does not have, these are all writes of its document.
    pub fn reject(&mut self, rejection: Rejection) {
        self.rejections.push(rejection);
    }

    /// Discards all facts, so that the batches can be decided again in another transaction.
    pub fn restart(&mut self) {
        self.known = Known::default();
    }

    fn decide(&self) -> Outcome {
        let existing_matches = |prepared: &Prepared| {
            matches!(
                &prepared.write,
                WriteOp::Create {
                    existing_match: Some(_),
                    ..
                }
            )
        };
        let mut writes = self.requests.iter().flat_map(|request| &request.writes);
        let has_existing_matches = self.writes > 1 && writes.any(existing_matches);
        let has_roles = self.requests.iter().any(|one| one.policy.roles.is_some());
        // The roles of members are further writes, so to speak.
        let is_single = self.writes <= 1 && !has_roles;
        let mut decider = Decider {
            counters: Counters::new(&self.requests, &self.known),
            has_existing_matches,
            journal: Recorder::new(self.known.journal().is_some()),
            known: &self.known,
            last: self.known.version().unwrap_or(0),
            overlay: Overlay::new(is_single, has_existing_matches),
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
            // A stored document is invalid, so no write is possible.
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

/// Runs a decision on the rows of its tenant, and returns the results of each of its batches.
///
/// The caller opens the transaction before and commits it afterwards. The results are valid only after the commit. If
/// the transaction is lost, a [restarted](Decision::restart) decision can run in another one.
///
/// # Errors
/// The errors of [`Rows`], and [`StoreError::Backend`] if the database decides versions and did not return one. The
/// caller must not commit then.
pub async fn write(
    rows: &mut impl Rows,
    decision: &mut Decision,
) -> Result<Vec<BatchAnswer>, RowsError> {
    loop {
        match decision.step() {
            DecisionStep::Load(needs) => {
                let facts = rows.load(&needs).await?;
                decision.supply(needs, facts);
            }
            DecisionStep::Done(Outcome {
                mut answers,
                operations,
                subjects,
            }) => {
                if !operations.is_empty() {
                    let applied = rows.apply(operations).await?;
                    applied.complete(&mut answers, &subjects, &decision.requests)?;
                }
                return Ok(answers);
            }
        }
    }
}

/// Runs a decision as [`write`](fn@write) does, on rows whose futures are ready at the first poll.
///
/// # Errors
/// - the errors of [`write`](fn@write)
/// - [`StoreError::Backend`]: a future was not ready
pub fn write_blocking(
    rows: &mut impl Rows,
    decision: &mut Decision,
) -> Result<Vec<BatchAnswer>, RowsError> {
    let writing = pin!(write(rows, decision));
    match writing.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answers) => answers,
        Poll::Pending => Err(StoreError::backend("a future of the rows was not ready").into()),
    }
}
