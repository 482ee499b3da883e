//! One rule of the contract, and how it is checked.

use std::{fmt, sync::Arc};

use scimkit_store::Store;

use super::{
    driver::Driver,
    ground::Ground,
    subject::{Outcome, Subject},
};

/// One rule of the contract.
#[derive(Clone, Copy)]
pub struct Check {
    pub(super) name: &'static str,
    pub(super) run: fn(&Ground<'_>) -> Result<(), String>,
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
