//! The write engine: the rules for writes, which are the same for all stores.
//!
//! A [`Decision`] does no I/O. It names the facts that it needs, and a store loads them inside its transaction and
//! under the tenant's lock. After at most three rounds (six if roles follow from groups), the decision returns the row [`Operations`] and one result per
//! write. A failed write, a rolled-back batch and a checked batch change no row, except for counters that are stored
//! for the first time, so a store has nothing to undo.
//!
//! - Later writes of a batch see the effects of earlier ones.
//! - Each write that changes something takes the next number of the tenant's changes, without gaps. The number is the
//!   version of everything that the write changes, unless the database decides versions. Writes that fail or change
//!   nothing take no number.
//! - The time of a resource's last change never decreases, even if the clock is set back.
//! - A change of single members loads neither the document nor the other members if the result needs no document.
//!
//! A store implements only [`Rows`]. [`write`](fn@write) runs a decision on it, and [`write_blocking`] does the same
//! for rows that never wait. [`RowStore`](crate::rows::RowStore) is a complete [`Store`](crate::Store) over a database
//! with such rows.

mod answer_edges;
mod answer_needs;
mod answers;
mod counters;
mod decide;
mod decider;
mod decision;
mod edited;
mod existing_matches;
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
mod queries;
mod request;
mod role_needs;
mod role_policy;
mod roles;
mod rows;
mod tenant_changes;

pub use self::{
    decision::{Decision, DecisionStep, write, write_blocking},
    facts::{
        AncestorEdge, AncestorQuery, CandidateQuery, Candidates, CountQuery, CountRow, CounterRef,
        CounterRow, Facts, FoundRow, KeyHolder, KeyRef, Label, MemberList, Members, Needs,
        OwnerEdge, OwnerList, RowHead, RowState, ShownMembers, ShownOwners,
    },
    operations::{
        KeyRow, NewMember, NewMembers, Operations, ResourceRow, RowBump, RowEdit, RowRef,
    },
    policy::{Capacity, CyclePolicy, DeletePolicy, Policy, UnknownMemberPolicy},
    request::{BatchAnswer, Outcome, WriteRequest},
    role_policy::RolePolicy,
    rows::{Applied, Rejection, Rows, RowsError},
    tenant_changes::{EntryDecision, EntryFacts, connection_removed, decide_entry},
};
pub(crate) use self::{keys::has_keys, request::weight};
