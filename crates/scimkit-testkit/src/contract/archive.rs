//! The contract of [`Archive`] as a test suite: after an export from one store and an import into another, the tenant
//! is the same.
//!
//! ```
//! use std::sync::Arc;
//! use scimkit_store::MemoryStore;
//! use scimkit_testkit::contract::{archive, block_on};
//!
//! archive::check(&|| Arc::new(MemoryStore::new()), &|| Arc::new(MemoryStore::new()), &block_on)?;
//! # Ok::<(), String>(())
//! ```

mod lines;
mod moments;
mod progress;
mod purge;
mod removal;
mod store_pair;
mod whole_tenant;

use std::{fmt, sync::Arc};

use scimkit_store::{Archive, Store, TenantStore};

use self::store_pair::Pair;
use super::FutureDriver;

/// A store of whole tenants that can be archived.
pub trait FullStore: Archive + Store + TenantStore {}

impl<T: Archive + Store + TenantStore> FullStore for T {}

/// Creates an empty store.
pub type Make<'a> = dyn Fn() -> Arc<dyn FullStore> + 'a;

/// One rule of the contract.
#[derive(Clone, Copy)]
pub struct ArchiveCheck {
    name: &'static str,
    run: fn(&Pair<'_>) -> Result<(), String>,
}

impl ArchiveCheck {
    /// Returns the name of the rule: words joined by underscores.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Checks the rule with two empty stores: the export of the first is imported into the second.
    ///
    /// # Errors
    /// A text with the fault of one of the stores.
    pub fn run(
        &self,
        from: Arc<dyn FullStore>,
        to: Arc<dyn FullStore>,
        drive: &FutureDriver<'_>,
    ) -> Result<(), String> {
        (self.run)(&Pair::new(from, to, drive)?)
    }
}

impl fmt::Debug for ArchiveCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ArchiveCheck").field(&self.name).finish()
    }
}

/// Runs every check, each with new stores; the two may be of different types.
///
/// # Errors
/// One line per rule that does not hold.
pub fn check(from: &Make<'_>, to: &Make<'_>, drive: &FutureDriver<'_>) -> Result<(), String> {
    let failure = |check: ArchiveCheck| {
        let failed = check.run(from(), to(), drive).err();
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
pub fn checks() -> Vec<ArchiveCheck> {
    let all = [
        whole_tenant::CHECKS,
        lines::CHECKS,
        moments::CHECKS,
        progress::CHECKS,
        purge::CHECKS,
        removal::CHECKS,
    ];
    all.concat()
}
