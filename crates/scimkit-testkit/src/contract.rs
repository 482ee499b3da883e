//! The contract of [`Store`] as a test suite, for the stores of this workspace and for those of applications.
//!
//! ```
//! use std::sync::Arc;
//! use scimkit_store::MemoryStore;
//! use scimkit_testkit::contract;
//!
//! contract::check(|| Arc::new(MemoryStore::new()), &contract::block_on)?;
//! # Ok::<(), String>(())
//! ```
//!
//! The checks are plain functions that block. The caller decides how the futures of a store are driven: [`block_on`]
//! parks the thread, and a store that needs a runtime passes that runtime's own function, such as `&|future|
//! runtime.block_on(future)`. Checks of concurrency drive futures from several threads at the same time.
//!
//! [`tenancy`] is the suite for stores of tenants, connections and tokens, [`archive`] for stores that export and
//! import whole tenants, [`journal`] for stores that write a journal, and [`dead_letters`] for those that remember what
//! consumers have given up. [`sql_driver`] has the checks of a driver for application tables.

mod answers;
pub mod archive;
mod batches;
mod bytes;
mod calls;
mod clock;
mod cursors;
mod cycles;
pub mod dead_letters;
mod demands;
mod driver;
mod existing_matches;
mod fixture;
mod importing;
pub mod journal;
pub mod key_values;
mod members;
mod model;
mod names;
mod oracle;
mod owners;
mod parallel;
mod queries;
mod random;
mod resources;
mod roles;
pub mod sql_driver;
mod store_check;
mod subject;
pub mod tenancy;

use std::sync::Arc;

use scimkit_store::Store;

pub use self::{
    driver::{FutureDriver, block_on},
    store_check::StoreCheck,
    subject::{CheckOutcome, ContractReport, Subject},
};

/// Runs every check that the subject does not exclude, each against a new store.
///
/// A skipped check never counts as passed.
pub fn check_subject(
    subject: &Subject,
    make: impl Fn() -> Arc<dyn Store>,
    drive: &FutureDriver<'_>,
) -> ContractReport {
    let outcome = |check: &StoreCheck| (check.name(), check.run_on(subject, make(), drive));
    ContractReport {
        outcomes: checks().iter().map(outcome).collect(),
    }
}

/// Runs every check, each against a new store that supports everything.
///
/// # Errors
/// One line per rule that does not hold or could not be checked.
pub fn check(make: impl Fn() -> Arc<dyn Store>, drive: &FutureDriver<'_>) -> Result<(), String> {
    let failure = |check: &StoreCheck| {
        check
            .run(make(), drive)
            .err()
            .map(|problem| format!("{}: {problem}", check.name()))
    };
    let failures: Vec<_> = checks().iter().filter_map(failure).collect();
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("\n"))
    }
}

/// Returns every rule of the contract.
#[must_use]
pub fn checks() -> Vec<StoreCheck> {
    let groups = [
        resources::CHECKS,
        answers::CHECKS,
        batches::CHECKS,
        demands::CHECKS,
        owners::CHECKS,
        existing_matches::CHECKS,
        clock::CHECKS,
        members::CHECKS,
        cycles::CHECKS,
        roles::CHECKS,
        queries::CHECKS,
        cursors::CHECKS,
        bytes::CHECKS,
        parallel::CHECKS,
        &[oracle::CHECK],
        &[model::CHECK],
    ];
    groups.concat()
}
