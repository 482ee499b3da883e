//! One rule of the contract and its check.

use std::{fmt, sync::Arc};

use scimkit_store::Store;

use super::{
    driver::FutureDriver,
    fixture::Fixture,
    subject::{CheckOutcome, Subject},
};

/// One rule of the contract.
#[derive(Clone, Copy)]
pub struct StoreCheck {
    pub(super) name: &'static str,
    pub(super) run: fn(&Fixture<'_>) -> Result<(), String>,
}

impl StoreCheck {
    /// Returns the name of the rule: words joined by underscores.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Checks the rule against an empty store that supports everything.
    ///
    /// # Errors
    /// A text with the fault of the store, or with the capability that it lacks.
    pub fn run(&self, store: Arc<dyn Store>, drive: &FutureDriver<'_>) -> Result<(), String> {
        match self.run_on(&Subject::default(), store, drive) {
            CheckOutcome::Passed => Ok(()),
            CheckOutcome::Failed(problem) => Err(problem),
            CheckOutcome::Skipped(reason) => Err(format!("skipped: {reason}")),
        }
    }

    /// Checks the rule against an empty store, within the limits of the subject.
    pub fn run_on(
        &self,
        subject: &Subject,
        store: Arc<dyn Store>,
        drive: &FutureDriver<'_>,
    ) -> CheckOutcome {
        let fixture = match Fixture::new(subject, store, drive) {
            Ok(fixture) => fixture,
            Err(problem) => return CheckOutcome::Failed(problem),
        };
        let outcome = (self.run)(&fixture);
        match (fixture.skipped(), outcome) {
            (Some(reason), _) => CheckOutcome::Skipped(reason.to_owned()),
            (None, Ok(())) => CheckOutcome::Passed,
            (None, Err(problem)) => CheckOutcome::Failed(problem),
        }
    }
}

impl fmt::Debug for StoreCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StoreCheck").field(&self.name).finish()
    }
}
