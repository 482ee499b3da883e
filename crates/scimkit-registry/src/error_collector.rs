//! Several errors in one request, reported together.

use crate::RequestError;

/// Collects the errors in a request, so that the sender can fix all of them at once.
///
/// It stops at the tenth error, so that the response to a hostile body stays small.
///
/// # Example
/// ```
/// use scimkit_registry::{RequestErrorKind, Registry, Tolerance};
/// use serde_json::json;
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let body = json!({"active": "maybe", "title": 5});
/// let error = user.admit_complete(body, &Tolerance::DEFAULT).unwrap_err();
/// assert_eq!(error.kind(), RequestErrorKind::Value);
/// assert_eq!(error.detail(), "`title` must be a string but is `5`; \
///     `active` must be true or false but is the string `maybe`; `userName` is required but missing");
/// ```
#[derive(Debug, Default)]
pub struct ErrorCollector(Vec<RequestError>);

impl ErrorCollector {
    /// The maximum number of errors.
    const MOST: usize = 10;

    /// Adds an error, and returns all of them if there are enough.
    ///
    /// # Errors
    /// All errors so far, of the kind of the first one.
    pub fn push<T>(&mut self, outcome: Result<T, RequestError>) -> Result<Option<T>, RequestError> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                self.0.push(error);
                if self.0.len() < Self::MOST {
                    return Ok(None);
                }
                std::mem::take(self).finish().map(|()| None)
            }
        }
    }

    /// Returns the collected errors, if there are any.
    ///
    /// # Errors
    /// All errors, of the kind of the first one.
    pub fn finish(self) -> Result<(), RequestError> {
        let mut errors = self.0.into_iter();
        match errors.next() {
            None => Ok(()),
            Some(first) => Err(errors.fold(first, |all, next| all.and(&next))),
        }
    }
}
