//! The contract of [`TenantStore`] as a test suite.
//!
//! ```
//! use std::sync::Arc;
//! use scimkit_store::MemoryStore;
//! use scimkit_testkit::contract::{block_on, tenancy};
//!
//! tenancy::check(|| Arc::new(MemoryStore::new()), &block_on)?;
//! # Ok::<(), String>(())
//! ```

mod entries;
mod limits;
mod removal;
mod tenancy_fixture;
mod tokens;

use std::{fmt, sync::Arc};

use scimkit_store::TenantStore;

use self::tenancy_fixture::TenancyFixture;
use super::FutureDriver;

/// One rule of the contract.
#[derive(Clone, Copy)]
pub struct TenantStoreCheck {
    name: &'static str,
    run: fn(&TenancyFixture<'_>) -> Result<(), String>,
}

impl TenantStoreCheck {
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
        tenancy: Arc<dyn TenantStore>,
        drive: &FutureDriver<'_>,
    ) -> Result<(), String> {
        self.run_beside(Arc::clone(&tenancy), tenancy, drive)
    }

    /// Checks the rule against two stores with the same data, such as two processes that use one database: entries are
    /// written through one and read through the other.
    ///
    /// # Errors
    /// A text with the fault of the stores.
    pub fn run_beside(
        &self,
        writes: Arc<dyn TenantStore>,
        reads: Arc<dyn TenantStore>,
        drive: &FutureDriver<'_>,
    ) -> Result<(), String> {
        (self.run)(&TenancyFixture {
            drive,
            reads,
            writes,
        })
    }
}

impl fmt::Debug for TenantStoreCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TenantStoreCheck").field(&self.name).finish()
    }
}

/// Runs every check, each against a new store.
///
/// # Errors
/// One line per rule that does not hold.
pub fn check(
    make: impl Fn() -> Arc<dyn TenantStore>,
    drive: &FutureDriver<'_>,
) -> Result<(), String> {
    let failure = |check: TenantStoreCheck| {
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
pub fn checks() -> Vec<TenantStoreCheck> {
    [
        entries::CHECKS,
        tokens::CHECKS,
        removal::CHECKS,
        limits::CHECKS,
    ]
    .concat()
}
