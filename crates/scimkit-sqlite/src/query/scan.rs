//! A walk over all resources of a type.

use scimkit_registry::{Budget, Exhausted, Forecast};

/// Rejects a walk over all resources of a type early if it will not fit into the budget.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    budget: &'a Budget,
    done: u64,
    /// None if the number of resources is not known.
    forecast: Option<Forecast>,
}

impl<'a> Scan<'a> {
    /// Begins a walk over that number of resources, if it is known.
    pub(super) fn new(budget: &'a Budget, rows: Option<u64>) -> Self {
        Scan {
            budget,
            done: 0,
            forecast: rows.map(|rows| Forecast::new(budget, rows)),
        }
    }

    /// Judges the walk before its next resource.
    ///
    /// # Errors
    /// [`Exhausted::Work`] if the walk will not fit.
    pub(super) fn advance(&mut self) -> Result<(), Exhausted> {
        if let Some(forecast) = &self.forecast {
            forecast.check(self.budget, self.done)?;
        }
        self.done += 1;
        Ok(())
    }
}
