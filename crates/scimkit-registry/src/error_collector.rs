//! Several things wrong with one request, told together.

use crate::RequestError;

/// What was found wrong so far, so that whoever sent it can mend all of it at once.
///
/// It ends with the tenth finding: a hostile body must not be answered with a book.
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
    /// How many are gathered at most.
    const MOST: usize = 10;

    /// Goes on after an error, unless there are enough of them.
    ///
    /// # Errors
    /// All that was found, of the kind of the first.
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

    /// Whether nothing was found wrong.
    ///
    /// # Errors
    /// All that was found, of the kind of the first.
    pub fn finish(self) -> Result<(), RequestError> {
        let mut errors = self.0.into_iter();
        match errors.next() {
            None => Ok(()),
            Some(first) => Err(errors.fold(first, |all, next| all.and(&next))),
        }
    }
}
