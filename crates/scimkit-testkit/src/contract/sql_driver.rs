//! The contract of [`Driver`](scimkit_tables::Driver) as a test suite, for the drivers of this workspace and for others.
//!
//! Each check gets a driver for a database of its own, which is empty.

mod errors;
mod fixture;
#[cfg(feature = "postgres")]
mod postgres;
mod transactions;
mod values;

use scimkit_tables::Driver as SqlDriver;

use self::fixture::Fixture;
#[cfg(feature = "postgres")]
pub use self::postgres::{PostgresPools, check_postgres};
use super::{CheckOutcome, ContractReport, FutureDriver};

/// The number of transactions that a driver can have open at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "checks of two transactions need two of them"
)]
pub enum Connections {
    /// One: a second transaction waits until the first one ends.
    One,
    /// Two or more, at least one of them to write.
    Several,
}

/// Runs every check, each with a driver of its own.
///
/// # Example
/// ```
/// # use scimkit_testkit::contract::{self, sql_driver::{self, Connections}};
/// use scimkit_tables::RusqliteDriver;
///
/// let make = || {
///     let connection = rusqlite::Connection::open_in_memory().unwrap();
///     RusqliteDriver::with_connection(connection).unwrap()
/// };
/// let report = sql_driver::check(Connections::One, make, &contract::block_on);
/// assert!(report.is_success(), "{report}");
/// ```
pub fn check<D: SqlDriver>(
    connections: Connections,
    make: impl Fn() -> D,
    drive: &FutureDriver<'_>,
) -> ContractReport {
    let outcome = |(name, run): &Check<D>| {
        let fixture = Fixture::new(make(), connections, drive);
        let outcome = run(&fixture);
        let outcome = match (fixture.skipped(), outcome) {
            (Some(reason), _) => CheckOutcome::Skipped(reason.to_owned()),
            (None, Ok(())) => CheckOutcome::Passed,
            (None, Err(problem)) => CheckOutcome::Failed(problem),
        };
        (*name, outcome)
    };
    ContractReport {
        outcomes: checks().iter().map(outcome).collect(),
    }
}

/// The name of a rule, and the check of it.
type Check<D> = (&'static str, fn(&Fixture<'_, D>) -> Result<(), String>);

fn checks<D: SqlDriver>() -> Vec<Check<D>> {
    vec![
        ("values_are_read_as_they_were_bound", values::round_trip),
        ("parameters_are_never_text_of_the_statement", values::quotes),
        (
            "parameters_are_converted_to_their_types",
            values::conversions,
        ),
        ("results_are_in_the_order_of_the_statements", values::order),
        (
            "statements_return_the_rows_that_they_write",
            values::returning,
        ),
        ("committed_rows_are_visible", transactions::commit),
        ("dropped_transaction_is_rolled_back", transactions::dropped),
        (
            "dropped_future_leaves_nothing_behind",
            transactions::dropped_future,
        ),
        (
            "failed_transaction_runs_and_commits_nothing",
            transactions::failed,
        ),
        ("read_sees_one_moment", transactions::moment),
        (
            "writes_wait_for_a_lock_and_lose_nothing",
            transactions::lock,
        ),
        (
            "unique_violation_names_columns_or_constraint",
            errors::unique,
        ),
        (
            "rejected_value_is_told_from_a_unique_violation",
            errors::rejected,
        ),
        (
            "unknown_table_is_no_fault_of_a_value",
            errors::unknown_table,
        ),
    ]
}
