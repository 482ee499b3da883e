//! The single place where errors become SCIM errors.

use scimkit_core::ErrorResponse;
use scimkit_registry::{Exhausted, RequestErrorKind};
use scimkit_store::StoreError;

use crate::auth::AuthError;

/// The reason why a request fails.
#[derive(Debug)]
pub(crate) enum HandlerError {
    /// The caller is not authenticated. The client does not learn the exact reason.
    Auth(AuthError),
    /// The error for the client, passed on unchanged.
    Client(ErrorResponse),
    /// 405, with the allowed methods.
    Method(&'static str),
    /// An error of the store. Its kind determines the response.
    Store(StoreError),
}

impl HandlerError {
    /// Adapts the error to a query: if the query needs too much work, the response suggests alternatives.
    pub(crate) fn of_query(self) -> Self {
        match self {
            HandlerError::Store(StoreError::Exhausted(reason @ Exhausted::Work)) => {
                HandlerError::Client(ErrorResponse::too_many(format!(
                    "{reason}: filter by `eq` on an indexed attribute such as `userName`, use fewer \
                     terms, or leave `sortBy` out"
                )))
            }
            other => other,
        }
    }

    /// Returns the reason for the log: a fixed text, so that no value from a request reaches the log.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            HandlerError::Auth(error) => error.reason(),
            HandlerError::Client(error) => match error.scim_type {
                Some(scim_type) => scim_type.as_str(),
                None => standard_reason(error.status),
            },
            HandlerError::Method(_) => "method not allowed",
            HandlerError::Store(error) => store_reason(error),
        }
    }

    /// Returns the error for the client, without internal details.
    pub(crate) fn message(&self, request_id: &str) -> ErrorResponse {
        match self {
            HandlerError::Auth(error) => ErrorResponse::new(error.status(), error.to_string()),
            HandlerError::Client(error) => error.clone(),
            HandlerError::Method(allowed) => ErrorResponse::new(
                405,
                format!("the method is not allowed here; use {allowed}"),
            ),
            HandlerError::Store(error) => match error {
                StoreError::Busy => {
                    ErrorResponse::new(503, "the service is busy: try again in a moment")
                }
                StoreError::Cycle { .. }
                | StoreError::Invalid { .. }
                | StoreError::UnknownMembers { .. } => {
                    ErrorResponse::invalid_value(error.to_string())
                }
                StoreError::Exhausted(reason) => exhausted(*reason, &error.to_string()),
                StoreError::Importing => ErrorResponse::new(503, error.to_string()),
                StoreError::NotFound => ErrorResponse::not_found(error.to_string()),
                StoreError::VersionMismatch { .. } => {
                    ErrorResponse::precondition_failed(error.to_string())
                }
                StoreError::CapacityExceeded { .. }
                | StoreError::TooFewLeft { .. }
                | StoreError::TooManyEntries { .. } => ErrorResponse::forbidden(error.to_string()),
                StoreError::TooLarge { .. } => ErrorResponse::too_large(error.to_string()),
                StoreError::Rejected { detail } => ErrorResponse::forbidden(detail.clone()),
                StoreError::StorageFull(_) => {
                    ErrorResponse::new(507, "the service has no storage left: try again later")
                }
                StoreError::Unsupported { .. } => ErrorResponse::new(501, error.to_string()),
                StoreError::Unavailable(_) => ErrorResponse::new(
                    503,
                    "the service is temporarily unavailable: try again later",
                ),
                StoreError::OtherCandidate { .. } => ErrorResponse::new(409, error.to_string()),
                StoreError::Ambiguous | StoreError::Duplicate { .. } => {
                    ErrorResponse::uniqueness(error.to_string())
                }
                _ => ErrorResponse::internal(format!(
                    "something went wrong inside the service; its log tells more under request {request_id}"
                )),
            },
        }
    }
}

/// Returns the default reason for a status.
fn standard_reason(status: u16) -> &'static str {
    match status {
        403 => "access denied",
        404 => "not found",
        406 | 415 => "media type",
        412 => "version mismatch",
        413 => "too large",
        501 => "not implemented",
        503 => "unavailable",
        _ => "invalid request",
    }
}

/// Returns the reason why the store rejected a request.
fn store_reason(error: &StoreError) -> &'static str {
    match error {
        StoreError::Ambiguous | StoreError::Duplicate { .. } => "uniqueness",
        StoreError::Busy => "store busy",
        StoreError::CapacityExceeded { .. } | StoreError::TooManyEntries { .. } => {
            "capacity exceeded"
        }
        StoreError::Cycle { .. } | StoreError::Invalid { .. } => "invalidValue",
        StoreError::Exhausted(_) => "budget exhausted",
        StoreError::Importing => "tenant import incomplete",
        StoreError::NotFound => "not found",
        StoreError::OtherCandidate { .. } | StoreError::VersionMismatch { .. } => {
            "version mismatch"
        }
        StoreError::Rejected { .. } => "policy",
        StoreError::StorageFull(_) => "storage full",
        StoreError::TooFewLeft { .. } => "too few left",
        StoreError::TooLarge { .. } => "too large",
        StoreError::Unavailable(_) => "store unavailable",
        StoreError::UnknownMembers { .. } => "unknown members",
        StoreError::Unsupported { .. } => "unsupported",
        _ => "store failed",
    }
}

/// Returns the response to a write whose budget is exhausted.
fn exhausted(reason: Exhausted, detail: &str) -> ErrorResponse {
    match reason {
        Exhausted::Work => ErrorResponse::too_large(format!(
            "{detail}: send fewer operations, shorter filters or smaller values in one request"
        )),
        _ => ErrorResponse::new(
            503,
            format!("{detail}: send less in one request, or try again later"),
        ),
    }
}

impl From<ErrorResponse> for HandlerError {
    fn from(error: ErrorResponse) -> Self {
        HandlerError::Client(error)
    }
}

impl From<StoreError> for HandlerError {
    fn from(error: StoreError) -> Self {
        HandlerError::Store(error)
    }
}

impl From<AuthError> for HandlerError {
    fn from(error: AuthError) -> Self {
        HandlerError::Auth(error)
    }
}

impl From<scimkit_registry::RequestError> for HandlerError {
    fn from(error: scimkit_registry::RequestError) -> Self {
        let detail = error.detail();
        HandlerError::Client(match error.kind() {
            RequestErrorKind::Exhausted(reason) => exhausted(reason, detail),
            RequestErrorKind::Filter => ErrorResponse::invalid_filter(detail),
            RequestErrorKind::Mutability => ErrorResponse::mutability(detail),
            RequestErrorKind::NoTarget => ErrorResponse::no_target(detail),
            RequestErrorKind::Path => ErrorResponse::invalid_path(detail),
            RequestErrorKind::Syntax => ErrorResponse::invalid_syntax(detail),
            RequestErrorKind::Value => ErrorResponse::invalid_value(detail),
            _ => ErrorResponse::new(400, detail),
        })
    }
}

/// Returns the error for a store that violates its contract.
pub(crate) fn lost() -> HandlerError {
    HandlerError::Store(StoreError::backend("the store returned no resource"))
}

/// Logs a failure of the store itself with all its causes, and returns whether the error is such a failure.
pub(crate) fn log_store_error(error: &StoreError, request_id: &str) -> bool {
    let mut source = std::error::Error::source(error);
    if source.is_none() {
        return false;
    }
    let mut causes = error.to_string();
    while let Some(cause) = source {
        causes.push_str(": ");
        causes.push_str(&cause.to_string());
        source = cause.source();
    }
    tracing::error!(%request_id, %causes, "store failed");
    true
}
