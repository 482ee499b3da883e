//! What the schedule of a bulk request and its driver tell each other.

use std::collections::HashSet;

use scimkit_store::OnFailure;

/// The rules that hold for all operations of a request.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// Whether each operation is prepared after those before it are carried out, since the application is
    /// asked about it.
    pub(super) in_turn: bool,
    /// The operations whose resources have no id before they are created.
    pub(super) named_late: HashSet<usize>,
    /// How many failures end the request; without it, none does.
    pub(super) limit: Option<u32>,
}

/// What to do next.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Prepare this operation, and report by `prepared`.
    Prepare(usize),
    /// Write these in one batch, and report each in order.
    Write {
        /// Whether [`Outcome::NotRun`] may bring one of them into another batch.
        may_repeat: bool,
        on_failure: OnFailure,
        operations: Vec<usize>,
    },
    /// Create these, which refer to each other, in one batch or not at all, and report each.
    WriteCircle(Vec<usize>),
    /// Read the resource, change it, and report.
    Edit(usize),
    /// Answer this one with a failure; there is nothing to report.
    Fail(usize, Reason),
    /// All is done, or the limit of failures is reached: what has no answer by now gets none.
    Done,
}

/// Why an operation failed before it was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// It was [`Prepared::Invalid`].
    Invalid,
    /// Another one of its circle failed.
    Circle,
    /// This other operation failed, whose resource it refers to.
    NotCreated(usize),
}

/// What an operation is found to be once it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prepared {
    /// It needs nothing read.
    Write,
    /// It must read the resource first.
    Edit,
    /// It can't be carried out.
    Invalid,
}

/// What came of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Failed,
    /// The store stopped before it.
    NotRun,
}
