//! The contract of [`Store`] as a test suite, for the stores of this workspace and for a host's own.
//!
//! ```
//! use std::sync::Arc;
//! use scimkit_store::Memory;
//! use scimkit_testkit::contract;
//!
//! contract::check(|| Arc::new(Memory::new()), &contract::block_on)?;
//! # Ok::<(), String>(())
//! ```
//!
//! The checks are plain functions that block. How a store's futures are driven is the caller's
//! choice: [`block_on`] parks the thread, and a store that needs a runtime brings that runtime's
//! own, for instance `&|future| runtime.block_on(future)`. Checks of concurrency drive futures from
//! several threads at once.
//!
//! [`tenancy`] does the same for stores of tenants, connections and tokens, [`archive`] for stores that export and
//! import whole tenants, and [`journal`] for stores that write a journal.

mod answers;
pub mod archive;
mod batches;
mod bytes;
mod calls;
mod claims;
mod clock;
mod cursors;
mod cycles;
mod demands;
mod ground;
pub mod journal;
mod members;
mod model;
mod names;
mod oracle;
mod owners;
mod parallel;
mod queries;
mod random;
mod resources;
mod subject;
pub mod tenancy;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use scimkit_store::{BoxFuture, Store};

pub use self::subject::{Outcome, Report, Subject};

use self::ground::Ground;

/// Drives a future of the store to its end; called from several threads at once.
pub type Driver<'a> = dyn Fn(BoxFuture<'_, ()>) + Sync + 'a;

/// One rule of the contract.
#[derive(Clone, Copy)]
pub struct Check {
    name: &'static str,
    run: fn(&Ground<'_>) -> Result<(), String>,
}

impl Check {
    /// The rule, in words joined by underscores.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Checks the rule against a store that holds nothing yet and keeps everything.
    ///
    /// # Errors
    /// What the store did wrong, or what it lacks.
    pub fn run(&self, store: Arc<dyn Store>, drive: &Driver<'_>) -> Result<(), String> {
        match self.run_on(&Subject::default(), store, drive) {
            Outcome::Passed => Ok(()),
            Outcome::Failed(problem) => Err(problem),
            Outcome::Skipped(reason) => Err(format!("skipped: {reason}")),
        }
    }

    /// Checks the rule against a store that holds nothing yet, as far as the subject goes.
    pub fn run_on(&self, subject: &Subject, store: Arc<dyn Store>, drive: &Driver<'_>) -> Outcome {
        let ground = match Ground::new(subject, store, drive) {
            Ok(ground) => ground,
            Err(problem) => return Outcome::Failed(problem),
        };
        let outcome = (self.run)(&ground);
        match (ground.skipped(), outcome) {
            (Some(reason), _) => Outcome::Skipped(reason.to_owned()),
            (None, Ok(())) => Outcome::Passed,
            (None, Err(problem)) => Outcome::Failed(problem),
        }
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Check").field(&self.name).finish()
    }
}

/// Runs every check that the subject does not exclude, each against a store of its own.
///
/// A check that was skipped is never counted as passed.
pub fn check_subject(
    subject: &Subject,
    make: impl Fn() -> Arc<dyn Store>,
    drive: &Driver<'_>,
) -> Report {
    let outcome = |check: &Check| (check.name, check.run_on(subject, make(), drive));
    Report {
        outcomes: checks().iter().map(outcome).collect(),
    }
}

/// Runs every check, each against a store of its own that keeps everything.
///
/// # Errors
/// One line per rule that does not hold or could not be checked.
pub fn check(make: impl Fn() -> Arc<dyn Store>, drive: &Driver<'_>) -> Result<(), String> {
    let failure = |check: &Check| {
        check
            .run(make(), drive)
            .err()
            .map(|problem| format!("{}: {problem}", check.name))
    };
    let failures: Vec<_> = checks().iter().filter_map(failure).collect();
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("\n"))
    }
}

/// Every rule of the contract.
#[must_use]
pub fn checks() -> Vec<Check> {
    let groups = [
        resources::CHECKS,
        answers::CHECKS,
        batches::CHECKS,
        demands::CHECKS,
        owners::CHECKS,
        claims::CHECKS,
        clock::CHECKS,
        members::CHECKS,
        cycles::CHECKS,
        queries::CHECKS,
        cursors::CHECKS,
        bytes::CHECKS,
        parallel::CHECKS,
        &[oracle::CHECK],
        &[model::CHECK],
    ];
    groups.concat()
}

/// Drives a future on this thread, which sleeps until it is woken.
pub fn block_on(mut future: BoxFuture<'_, ()>) {
    let unpark = Arc::new(Unpark {
        is_woken: AtomicBool::new(false),
        thread: thread::current(),
    });
    let waker = Waker::from(Arc::clone(&unpark));
    let mut context = Context::from_waker(&waker);
    while future.as_mut().poll(&mut context) == Poll::Pending {
        // A future that blocks its thread may use up the token of `unpark`, so it does not say everything.
        while !unpark.is_woken.swap(false, Ordering::AcqRel) {
            thread::park();
        }
    }
}

struct Unpark {
    is_woken: AtomicBool,
    thread: Thread,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}
