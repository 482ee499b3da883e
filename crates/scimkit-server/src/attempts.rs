//! The attempts of a write that may lose races.

use std::time::Duration;

use scimkit_store::{RequestLimits, StoreError};

use crate::{clock::Clock, error::HandlerError, writer::Writer};

impl Writer<'_> {
    /// Starts to count the attempts of a write that may lose races.
    pub(crate) fn attempts(&self) -> Attempts<'_> {
        Attempts {
            clock: self.clock,
            limits: &self.context.settings.limits,
            lost: 0,
            started: self.clock.elapsed(),
        }
    }
}

/// The attempts of a write that may lose races.
pub(crate) struct Attempts<'a> {
    clock: &'a Clock,
    limits: &'a RequestLimits,
    lost: u32,
    started: Duration,
}

impl Attempts<'_> {
    /// The minimum number of attempts.
    const MIN: u32 = 16;

    /// Counts a lost race.
    ///
    /// # Errors
    /// [`StoreError::Busy`] after enough attempts and time.
    pub(crate) fn next(&mut self) -> Result<(), HandlerError> {
        self.lost += 1;
        let tried_for = self.clock.elapsed().saturating_sub(self.started);
        if self.lost >= Self::MIN && tried_for > self.limits.deadline {
            return Err(HandlerError::Store(StoreError::Busy));
        }
        Ok(())
    }
}

/// Returns whether a write failed since the resource has changed meanwhile.
pub(crate) fn lost_race(error: &HandlerError) -> bool {
    matches!(
        error,
        HandlerError::Store(StoreError::OtherCandidate { .. } | StoreError::VersionMismatch { .. })
    )
}
