//! The entries of a journal that a consumer has given up.

use crate::{
    Dialect,
    reference::{Parameter, Statement},
};

/// An entry that a consumer has given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a dead letter")]
pub struct DeadLetterRow<'a> {
    /// The time of the last attempt, in microseconds since 1970.
    pub at_us: i64,
    /// The number of attempts.
    pub attempts: i64,
    /// The name of the consumer.
    pub consumer: &'a str,
    /// The number of the change.
    pub number: i64,
    /// The number of the part.
    pub part: i64,
    /// The reason why the last attempt failed.
    pub problem: &'a str,
}

/// Adds a dead letter, or replaces that of the same entry.
#[must_use]
pub fn put_dead_letter<'a>(
    dialect: Dialect,
    tenant: &'a str,
    row: &DeadLetterRow<'a>,
) -> Statement<'a> {
    let text = "INSERT INTO dead_letter (tenant, consumer, number, part, at_us, attempts, problem)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (tenant, consumer, number, part) DO UPDATE SET at_us = excluded.at_us,
             attempts = excluded.attempts, problem = excluded.problem";
    let parameters = [
        tenant.into(),
        row.consumer.into(),
        row.number.into(),
        row.part.into(),
        row.at_us.into(),
        row.attempts.into(),
        row.problem.into(),
    ];
    Statement::fixed(dialect, text, parameters)
}

/// Selects the dead letters of a consumer after a position: number, part, time, attempts and reason.
#[must_use]
pub fn dead_letters<'a>(
    dialect: Dialect,
    (tenant, consumer): (&'a str, &'a str),
    (number, part): (i64, i64),
    limit: i64,
) -> Statement<'a> {
    let text = "SELECT number, part, at_us, attempts, problem FROM dead_letter
         WHERE tenant = ?1 AND consumer = ?2 AND (number, part) > (?3, ?4)
         ORDER BY number, part LIMIT ?5";
    let parameters = [
        tenant.into(),
        consumer.into(),
        number.into(),
        part.into(),
        limit.into(),
    ];
    Statement::fixed(dialect, text, parameters)
}

/// Removes a dead letter.
#[must_use]
pub fn remove_dead_letter<'a>(
    dialect: Dialect,
    (tenant, consumer): (&'a str, &'a str),
    (number, part): (i64, i64),
) -> Statement<'a> {
    let text = "DELETE FROM dead_letter
         WHERE tenant = ?1 AND consumer = ?2 AND number = ?3 AND part = ?4";
    let parameters = [
        Parameter::from(tenant),
        consumer.into(),
        number.into(),
        part.into(),
    ];
    Statement::fixed(dialect, text, parameters)
}
