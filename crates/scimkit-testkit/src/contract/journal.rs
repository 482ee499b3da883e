//! The contract of [`Journal`] as a test suite.
//!
//! ```
//! use std::sync::Arc;
//! use scimkit_store::MemoryStore;
//! use scimkit_testkit::contract::{block_on, journal};
//!
//! journal::check(|| Arc::new(MemoryStore::new()), &block_on)?;
//! # Ok::<(), String>(())
//! ```

mod directory;
mod entries;
mod leases;
mod log;
mod parallel;
mod removal;

use std::{fmt, sync::Arc};

use scimkit_store::{Archive, Journal, Store, TenantStore};

use self::log::Log;
use super::FutureDriver;

/// A store of whole tenants that writes a journal.
pub trait RecordedStore: Archive + Journal + Store + TenantStore {}

impl<T: Archive + Journal + Store + TenantStore> RecordedStore for T {}

/// One rule of the contract.
#[derive(Clone, Copy)]
pub struct JournalCheck {
    name: &'static str,
    run: fn(&Log<'_>) -> Result<(), String>,
}

impl JournalCheck {
    /// Returns the name of the rule: words joined by underscores.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Checks the rule against an empty store.
    ///
    /// # Errors
    /// A text with the fault of the store.
    pub fn run(
        &self,
        store: Arc<dyn RecordedStore>,
        drive: &FutureDriver<'_>,
    ) -> Result<(), String> {
        (self.run)(&Log::new(store, drive)?)
    }
}

impl fmt::Debug for JournalCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JournalCheck").field(&self.name).finish()
    }
}

/// Runs every check, each against a new store.
///
/// # Errors
/// One line per rule that does not hold.
pub fn check(
    make: impl Fn() -> Arc<dyn RecordedStore>,
    drive: &FutureDriver<'_>,
) -> Result<(), String> {
    let failure = |check: JournalCheck| {
        let failed = check.run(make(), drive).err();
        failed.map(|problem| format!("{}: {problem}", check.name))
    };
    let failures: Vec<_> = checks().into_iter().filter_map(failure).collect();
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("\n"))
    }
}

/// Returns every rule of the contract.
#[must_use]
pub fn checks() -> Vec<JournalCheck> {
    let all = [
        entries::CHECKS,
        parallel::CHECKS,
        leases::CHECKS,
        directory::CHECKS,
        removal::CHECKS,
    ];
    all.concat()
}
