//! What drivers for PostgreSQL share: the start of a transaction, errors, and the binary form of values.
//!
//! A driver whose library sends parameters as text needs no [`to_binary`].

mod decode;
mod encode;

use scimkit_store::rows::TransactionMode;

pub use self::{decode::from_binary, encode::to_binary};
use crate::DriverErrorKind;

/// The seconds between 1970 and 2000, from which PostgreSQL counts.
const EPOCH_SECONDS: i64 = 946_684_800;

/// Returns the statement that begins a transaction.
#[must_use]
pub fn begin(access: TransactionMode) -> &'static str {
    match access {
        TransactionMode::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        TransactionMode::Write => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
    }
}

/// An error as the server reports it.
///
/// # Example
/// ```
/// use scimkit_tables::{DriverErrorKind, postgres::ServerError};
///
/// let stopped = ServerError { code: "57P01", constraint: None, detail: None, routine: None };
/// assert_eq!(stopped.kind(), DriverErrorKind::Lost);
/// assert!(stopped.ends_connection());
///
/// let deadlock = ServerError { code: "40P01", ..stopped };
/// assert_eq!(deadlock.kind(), DriverErrorKind::Lost);
/// assert!(!deadlock.ends_connection());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the fields of a message of the server"
)]
pub struct ServerError<'e> {
    /// The `SQLSTATE`.
    pub code: &'e str,
    /// The name of the constraint.
    pub constraint: Option<&'e str>,
    /// The detail.
    pub detail: Option<&'e str>,
    /// The name of the routine of the server that reports the error.
    pub routine: Option<&'e str>,
}

impl ServerError<'_> {
    /// Returns whether a statement was prepared before the application changed the types of columns, or by another
    /// session. It is prepared again on another connection.
    fn is_of_stale_statement(&self) -> bool {
        self.code == "26000" || self.routine == Some("RevalidateCachedQuery")
    }

    /// Returns the kind of the error.
    #[must_use]
    pub fn kind(&self) -> DriverErrorKind {
        if self.is_of_stale_statement() {
            return DriverErrorKind::Lost;
        }
        DriverErrorKind::from_sqlstate(self.code, self.constraint, self.detail)
    }

    /// Returns whether the connection can't be used any more, and has to leave its pool.
    #[must_use]
    pub fn ends_connection(&self) -> bool {
        let is_rolled_back = self.code.starts_with("40");
        self.kind() == DriverErrorKind::Lost && !is_rolled_back
    }
}

/// The types with a binary form of their own, by their numbers in `pg_type`.
mod oid {
    pub(super) const BOOL: u32 = 16;
    pub(super) const BYTEA: u32 = 17;
    pub(super) const CHAR: u32 = 18;
    pub(super) const NAME: u32 = 19;
    pub(super) const INT8: u32 = 20;
    pub(super) const INT2: u32 = 21;
    pub(super) const INT4: u32 = 23;
    pub(super) const TEXT: u32 = 25;
    pub(super) const OID: u32 = 26;
    pub(super) const JSON: u32 = 114;
    pub(super) const XML: u32 = 142;
    pub(super) const FLOAT4: u32 = 700;
    pub(super) const FLOAT8: u32 = 701;
    pub(super) const UNKNOWN: u32 = 705;
    pub(super) const BPCHAR: u32 = 1042;
    pub(super) const VARCHAR: u32 = 1043;
    pub(super) const DATE: u32 = 1082;
    pub(super) const TIME: u32 = 1083;
    pub(super) const TIMESTAMP: u32 = 1114;
    pub(super) const TIMESTAMPTZ: u32 = 1184;
    pub(super) const NUMERIC: u32 = 1700;
    pub(super) const UUID: u32 = 2950;
    pub(super) const JSONB: u32 = 3802;
}
