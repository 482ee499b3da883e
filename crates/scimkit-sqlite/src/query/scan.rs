//! A scan of all resources of a type.

use scimkit_registry::{Budget, Exhausted, Forecast};

/// Rejects a scan of all resources of a type early if it will exceed the budget.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    budget: &'a Budget,
    done: u64,
    /// The forecast, or `None` if the number of resources is not known.
    forecast: Option<Forecast>,
}

impl<'a> Scan<'a> {
    /// Starts a scan of that number of resources, if it is known.
    pub(super) fn new(budget: &'a Budget, rows: Option<u64>) -> Self {
        Scan {
            budget,
            done: 0,
            forecast: rows.map(|rows| Forecast::new(budget, rows)),
        }
    }

    /// Checks the forecast before the next resource.
    ///
    /// # Errors
    /// [`Exhausted::Work`] if the scan will exceed the budget.
    pub(super) fn advance(&mut self) -> Result<(), Exhausted> {
        if let Some(forecast) = &self.forecast {
            forecast.check(self.budget, self.done)?;
        }
        self.done += 1;
        Ok(())
    }
}
