//! The messages between the schedule of a bulk request and its driver.

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
    /// The number of failures that ends the request; without it, none does.
    pub(super) limit: Option<u32>,
}

/// The next step of the driver.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Prepare this operation, and report by `prepared`.
    Prepare(usize),
    /// Write these in one batch, and report each in order.
    Write {
        /// Whether [`Outcome::Skipped`] may bring one of them into another batch.
        may_repeat: bool,
        on_failure: OnFailure,
        operations: Vec<usize>,
    },
    /// Create these, which refer to each other, in one batch or not at all, and report each.
    WriteCircle(Vec<usize>),
    /// Read the resource, change it, and report.
    Edit(usize),
    /// Answer this operation with a failure; there is nothing to report.
    Fail(usize, Reason),
    /// All is done, or the limit of failures is reached: operations without an answer get none.
    Done,
}

/// The reason why an operation failed before it was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// The operation was [`Prepared::Invalid`].
    Invalid,
    /// Another operation of its circle failed.
    Circle,
    /// The other operation, to whose resource it refers, failed.
    NotCreated(usize),
}

/// The kind of an operation, known once it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prepared {
    /// The operation can be written without reading.
    Write,
    /// The operation has to read the resource first.
    Edit,
    /// The operation can't be carried out.
    Invalid,
}

/// The outcome of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Failed,
    /// The store stopped before the operation.
    NotRun,
}
