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
mod rows;
mod tenant_changes;

pub use self::{
    decision::{Decision, Step, write, write_blocking},
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
    rows::{Applied, Rejection, Rows, RowsError},
    tenant_changes::{EntryFacts, connection_removed, decide_entry},
};
pub(crate) use self::{keys::has_keys, request::weight};
