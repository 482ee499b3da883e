//! The messages between the schedule of a bulk request and its driver.

use std::collections::HashSet;

use scimkit_store::OnFailure;

/// The rules that apply to all operations of a request.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// Whether each operation is prepared only after the preceding ones are carried out, since the application has
    /// hooks.
    pub(super) in_turn: bool,
    /// The operations whose resources have no known id before they are created.
    pub(super) named_late: HashSet<usize>,
    /// The number of failures that ends the request; without it, failures never end the request.
    pub(super) limit: Option<u32>,
}

/// The next step of the driver.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Prepare this operation, and report through `prepared`.
    Prepare(usize),
    /// Write these operations in one batch, and report each in order.
    Write {
        /// Whether [`Outcome::NotRun`] may put an operation into another batch.
        may_repeat: bool,
        on_failure: OnFailure,
        operations: Vec<usize>,
    },
    /// Create the resources of these operations, which refer to each other, in one batch or not at all, and report
    /// each.
    WriteCircle(Vec<usize>),
    /// Read the resource, change it, and report.
    Edit(usize),
    /// Record a failure for this operation; there is nothing to report.
    Fail(usize, Reason),
    /// All operations are done, or the limit of failures is reached: the remaining operations get no result.
    Done,
}

/// The reason why an operation failed before it was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// The operation was [`Prepared::Invalid`].
    Invalid,
    /// Another operation in its cycle failed.
    Circle,
    /// The operation whose resource this one refers to failed.
    NotCreated(usize),
}

/// The kind of an operation, known after it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prepared {
    /// The operation can be written without reading.
    Write,
    /// The operation must read the resource first.
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
