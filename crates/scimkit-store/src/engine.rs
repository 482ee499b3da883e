//! The write engine: every rule of a write, decided once for all stores.
//!
//! A [`Decision`] does no I/O. It names the facts that it needs, a store loads them inside its
//! transaction and under the tenant's lock, and after at most three rounds it tells the row
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
//! [`Rows`] is all that a store has to implement, [`write`](fn@write) runs a decision on it.

mod capacities;
mod claims;
mod decide;
mod facts;
mod finish;
mod keys;
mod known;
mod members;
mod needs;
mod operations;
mod overlay;
mod policy;

use chrono::{DateTime, SubsecRound as _, Utc};
use scimkit_registry::Budget;

pub(crate) use self::keys::has_keys;
use self::{decide::Decider, keys::AttrKeys, known::Known, overlay::Overlay};
pub use self::{
    facts::{
        AncestorEdge, AncestorQuery, CandidateQuery, Candidates, CountQuery, CounterRef,
        CounterRow, Facts, FoundRow, KeyHolder, KeyRef, MemberList, Members, Needs, OwnerEdge,
        OwnerFilter, RowHead, RowState,
    },
    operations::{KeyRow, NewMember, NewMembers, Operations, ResourceRow, RowBump, RowRef},
    policy::{Capacity, Policy},
};
use crate::{Batch, ConnectionId, Intent, OnFailure, Scope, StoreError, Write, Written};

/// A batch with everything that its decision depends on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WriteRequest {
    /// The writes.
    pub batch: Batch,
    /// The work that the request may cause.
    pub budget: Budget,
    /// The connection that writes; it owns what it creates or adopts.
    pub connection: Option<ConnectionId>,
    /// What the writes are decided by.
    pub policy: Policy,
}

impl WriteRequest {
    /// A batch of the application itself, with an unlimited budget.
    #[must_use]
    pub fn new(policy: Policy, batch: Batch) -> Self {
        WriteRequest {
            batch,
            budget: Budget::unlimited(),
            connection: None,
            policy,
        }
    }

    /// A batch on behalf of that scope.
    #[must_use]
    pub fn in_scope(scope: &Scope, batch: Batch) -> Self {
        WriteRequest {
            batch,
            budget: scope.budget.clone(),
            connection: scope.connection.clone(),
            policy: Policy::from(&*scope.settings),
        }
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

/// A decision that is made.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The answer to each batch, in order. They hold once the operations are applied and committed.
    pub answers: Vec<BatchAnswer>,
    /// What to apply.
    pub operations: Operations,
}

/// One or more batches of a tenant on their way to be decided.
///
/// # Example
/// A store without any rows answers every need with nothing:
/// ```
/// use std::sync::Arc;
/// use chrono::DateTime;
/// use scimkit_registry::{Change, Registry, ResourceId, Tolerance};
/// use scimkit_store::engine::{Decision, Facts, Policy, Step, WriteRequest};
/// use scimkit_store::{Batch, Write};
/// use serde_json::json;
///
/// let registry = Arc::new(Registry::standard());
/// let user = registry.by_name("User").unwrap();
/// let body = user.admit(json!({"userName": "bjensen"}), &Tolerance::DEFAULT)?;
/// let change = Change::create(Arc::clone(user), body);
/// let write = Write::Create { change, claim: None, id: ResourceId::from("1") };
/// let batch = Batch::new(DateTime::UNIX_EPOCH, vec![write]);
/// let mut decision = Decision::new(WriteRequest::new(Policy::new(registry.clone()), batch));
///
/// let Step::Load(needs) = decision.step() else { panic!() };
/// assert_eq!((needs.heads.len(), needs.holders.len()), (1, 1));
/// decision.supply(needs, Facts::default());
/// let Step::Done(outcome) = decision.step() else { panic!() };
/// assert_eq!(outcome.operations.inserted_rows[0].version.as_str(), "1");
/// # Ok::<(), scimkit_registry::Error>(())
/// ```
#[derive(Debug)]
pub struct Decision {
    known: Known,
    requests: Vec<Request>,
    writes: usize,
}

/// A batch, made ready.
#[derive(Debug)]
struct Request {
    at: DateTime<Utc>,
    budget: Budget,
    connection: Option<ConnectionId>,
    intent: Intent,
    on_failure: OnFailure,
    policy: Policy,
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
            connection,
            policy,
        } = request;
        let first = self.writes;
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
            connection,
            intent: batch.intent,
            on_failure: batch.on_failure,
            policy,
            wants_document: batch.wants_documents,
            writes,
        });
    }

    /// Returns the facts that are still needed, or the outcome once all are there.
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

    /// Adds the facts that were loaded for some needs; what was not found counts as absent.
    pub fn supply(&mut self, needs: Needs, facts: Facts) {
        self.known.add(needs, facts);
    }

    /// Forgets all facts, to be decided anew in another transaction.
    pub fn restart(&mut self) {
        self.known = Known::default();
    }

    fn decide(&self) -> Outcome {
        let claims =
            |prepared: &Prepared| matches!(&prepared.write, Write::Create { claim: Some(_), .. });
        let mut writes = self.requests.iter().flat_map(|request| &request.writes);
        let has_claims = self.writes > 1 && writes.any(claims);
        let mut decider = Decider {
            capacities: capacities::of_requests(&self.requests),
            counts: self.known.counts().clone(),
            has_claims,
            known: &self.known,
            last: self.known.version().unwrap_or(0),
            overlay: Overlay::new(self.writes, has_claims),
        };
        let answers = self.requests.iter().map(|request| decider.batch(request));
        let answers = answers.collect();
        match decider.operations() {
            Ok(operations) => Outcome {
                answers,
                operations,
            },
            // A stored document that can't be read: nothing can be done.
            Err(problem) => {
                let failed = |_| Err(StoreError::backend(problem.to_string()));
                Outcome {
                    answers: self.requests.iter().map(failed).collect(),
                    operations: Operations::default(),
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

/// The rows of one tenant, inside a transaction that holds the tenant's lock.
///
/// An implementation knows tables, keys and edges, but no rule of a write.
pub trait Rows {
    /// Loads facts, as the rows are now.
    ///
    /// # Errors
    /// What the store says; the transaction is given up.
    fn load(&mut self, needs: &Needs) -> Result<Facts, StoreError>;

    /// Applies operations, all of them or none.
    ///
    /// # Errors
    /// What the store says; the transaction is given up.
    fn apply(&mut self, operations: Operations) -> Result<(), StoreError>;
}

/// Runs a decision on the rows of its tenant, and tells the answers for each of its batches.
///
/// The caller opens the transaction before and commits it afterwards; the answers hold only then. If
/// the transaction is lost, a [restarted](Decision::restart) decision can be run in another one.
///
/// # Errors
/// What [`Rows`] says: nothing may be committed.
pub fn write(
    rows: &mut impl Rows,
    decision: &mut Decision,
) -> Result<Vec<BatchAnswer>, StoreError> {
    loop {
        match decision.step() {
            Step::Load(needs) => {
                let facts = rows.load(&needs)?;
                decision.supply(needs, facts);
            }
            Step::Done(Outcome {
                answers,
                operations,
            }) => {
                if !operations.is_empty() {
                    rows.apply(operations)?;
                }
                return Ok(answers);
            }
        }
    }
}
