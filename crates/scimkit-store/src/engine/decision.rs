//! Decisions about batches, from the first need of facts to the outcome.

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
#[expect(clippy::exhaustive_enums, reason = "a decision needs facts or is made")]
pub enum Step {
    /// It is made.
    Done(Outcome),
    /// These facts are needed first.
    Load(Needs),
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
/// let Step::Load(needs) = decision.step() else { panic!() };
/// assert_eq!((needs.heads.len(), needs.holders.len()), (1, 1));
/// decision.supply(needs, Facts { version: Some(0), ..Facts::default() });
/// let Step::Done(outcome) = decision.step() else { panic!() };
/// assert_eq!(outcome.operations.inserted_rows[0].version.as_str(), "1");
/// # Ok::<(), scimkit_registry::RequestError>(())
/// ```
#[derive(Debug)]
pub struct Decision {
    known: Known,
    /// The rows that the database has rejected.
    rejections: Vec<Rejection>,
    requests: Vec<Request>,
    writes: usize,
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
            wants_document: batch.read_options.document,
            writes,
        });
    }

    /// Returns the facts that are still needed, or the outcome once all are supplied.
    ///
    /// Facts may be supplied in any number of pieces: what is still needed is named again. Without
    /// splitting them there are at most three rounds.
    pub fn step(&mut self) -> Step {
        let needs = needs::missing(&self.requests, &self.known);
        if needs.is_empty() {
            Step::Done(self.decide())
        } else {
            Step::Load(needs)
        }
    }

    /// Adds the facts that were loaded for some needs; rows that were not found count as absent.
    pub fn supply(&mut self, needs: Needs, facts: Facts) {
        self.known.add(needs, facts);
    }

    /// Fails the write of a row that the database has rejected, whatever the facts are, with
    /// [`StoreError::Duplicate`] or [`StoreError::Invalid`].
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
        let mut decider = Decider {
            counters: Counters::new(&self.requests, &self.known),
            has_existing_matches,
            journal: Recorder::new(self.known.journal().is_some()),
            known: &self.known,
            last: self.known.version().unwrap_or(0),
            overlay: Overlay::new(self.writes, has_existing_matches),
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

/// Runs a decision on the rows of its tenant, and returns the answers for each of its batches.
///
/// The caller opens the transaction before and commits it afterwards; only then are the answers valid. If
/// the transaction is lost, a [restarted](Decision::restart) decision can be run in another one.
///
/// # Errors
/// Those of [`Rows`]; nothing may be committed then.
pub async fn write(
    rows: &mut impl Rows,
    decision: &mut Decision,
) -> Result<Vec<BatchAnswer>, RowsError> {
    loop {
        match decision.step() {
            Step::Load(needs) => {
                let facts = rows.load(&needs).await?;
                decision.supply(needs, facts);
            }
            Step::Done(Outcome {
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

/// Runs a decision as [`write`](fn@write) does, on rows whose futures are ready when they are polled for the first
/// time.
///
/// # Errors
/// - Those of [`write`](fn@write).
/// - [`StoreError::Backend`] if a future was not ready.
pub fn write_blocking(
    rows: &mut impl Rows,
    decision: &mut Decision,
) -> Result<Vec<BatchAnswer>, RowsError> {
    let writing = pin!(write(rows, decision));
    match writing.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answers) => answers,
        Poll::Pending => Err(StoreError::backend("rows that never wait had to wait").into()),
    }
}
