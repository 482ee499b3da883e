//! The errors of the registry and the PATCH engine.

use crate::{Exhausted, Quirk, QuirkPolicy};

/// An error in a request, with a sentence for the administrator.
///
/// The kind decides the `scimType` of the response ([RFC 7644 section 3.12]).
///
/// # Example
/// ```
/// use scimkit_registry::{RequestErrorKind, Registry, Tolerance};
/// use serde_json::json;
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let error = user.admit(json!({"active": "maybe"}), &Tolerance::DEFAULT).unwrap_err();
/// assert_eq!(error.kind(), RequestErrorKind::Value);
/// assert_eq!(error.detail(), "`active` must be true or false but is the string `maybe`");
/// ```
///
/// [RFC 7644 section 3.12]: https://www.rfc-editor.org/rfc/rfc7644#section-3.12
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct RequestError {
    detail: String,
    kind: RequestErrorKind,
    quirk: Option<Quirk>,
}

/// The part of a request that a [`RequestError`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestErrorKind {
    /// The request's [`Budget`](crate::Budget) ran out: too much work, too much time, or cancelled.
    Exhausted(Exhausted),
    /// A filter that can't be parsed or bound: `invalidFilter`.
    Filter,
    /// A write to an attribute that can't be written: `mutability`.
    Mutability,
    /// A path that selects nothing: `noTarget`.
    NoTarget,
    /// A path that can't be parsed or bound: `invalidPath`.
    Path,
    /// A body of the wrong shape: `invalidSyntax`.
    Syntax,
    /// A value of the wrong type, missing or out of range: `invalidValue`.
    Value,
}

impl RequestError {
    /// Creates an error of that kind; `detail` is in lower case, without a full stop.
    #[must_use]
    pub fn new(kind: RequestErrorKind, detail: impl Into<String>) -> Self {
        RequestError {
            detail: detail.into(),
            kind,
            quirk: None,
        }
    }

    /// Returns the sentence for the administrator.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Returns the part of the request that the error is about.
    #[must_use]
    pub fn kind(&self) -> RequestErrorKind {
        self.kind
    }

    /// Returns the quirk that would accept the request, the first if it takes several; the sentence names it too.
    #[must_use]
    pub fn quirk(&self) -> Option<Quirk> {
        self.quirk
    }

    /// Adds the quirk that must be accepted to avoid the error.
    #[must_use]
    pub fn with_quirk(mut self, quirk: Quirk) -> Self {
        let name = quirk.name();
        self.detail
            .push_str(&format!(" (the tolerance `{name}` would accept it)"));
        self.quirk = Some(quirk);
        self
    }

    /// Checks that the `schemas` of a message name it, unless other schemas are tolerated.
    ///
    /// `mismatch` is true if they name something else, such as a resource schema, or nothing. `message` is the name
    /// of the message in the error text, with its article: `a patch`.
    ///
    /// # Errors
    /// `invalidSyntax`, unless the tolerance `any_schemas` accepts it.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::{RequestError, Quirk, Tolerance};
    ///
    /// assert!(RequestError::check_message(true, "a patch", &Tolerance::DEFAULT).is_ok());
    /// let error = RequestError::check_message(true, "a patch", &Tolerance::STRICT).unwrap_err();
    /// assert_eq!(error.quirk(), Some(Quirk::AnySchemas));
    /// ```
    pub fn check_message(
        mismatch: bool,
        message: &str,
        t: &dyn QuirkPolicy,
    ) -> Result<(), RequestError> {
        if !mismatch || t.allow(Quirk::AnySchemas) {
            return Ok(());
        }
        let problem = RequestError::syntax(format!("`schemas` does not name {message}"));
        Err(problem.with_quirk(Quirk::AnySchemas))
    }

    /// Returns both errors in one sentence, of the kind of the first.
    pub(crate) fn and(mut self, next: &RequestError) -> Self {
        self.detail.push_str("; ");
        self.detail.push_str(&next.detail);
        self.quirk = self.quirk.or(next.quirk);
        self
    }

    /// Adds the context of the error: `operation 2: …`.
    #[must_use]
    pub fn with_context(mut self, place: &str) -> Self {
        self.detail = format!("{place}: {}", self.detail);
        self
    }

    /// Sets the kind of the error.
    pub(crate) fn of_kind(mut self, kind: RequestErrorKind) -> Self {
        self.kind = kind;
        self
    }

    pub(crate) fn filter(detail: impl Into<String>) -> Self {
        RequestError::new(RequestErrorKind::Filter, detail)
    }

    pub(crate) fn path(detail: impl Into<String>) -> Self {
        RequestError::new(RequestErrorKind::Path, detail)
    }

    pub(crate) fn syntax(detail: impl Into<String>) -> Self {
        RequestError::new(RequestErrorKind::Syntax, detail)
    }

    pub(crate) fn value(detail: impl Into<String>) -> Self {
        RequestError::new(RequestErrorKind::Value, detail)
    }
}

impl From<Exhausted> for RequestError {
    fn from(reason: Exhausted) -> Self {
        RequestError::new(RequestErrorKind::Exhausted(reason), reason.to_string())
    }
}

/// The reason why a schema or resource type can't be registered.
///
/// # Example
/// ```
/// use scimkit_registry::{RegistrationError, Registry};
///
/// let error = Registry::builder().index("User", "shoeSize").build().unwrap_err();
/// assert!(matches!(error, RegistrationError::UnknownIndex { .. }));
/// assert_eq!(error.to_string(), "resource type `User` has no attribute `shoeSize` to index");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// An attribute definition contradicts itself or another.
    #[error("attribute `{path}`: {problem}")]
    Attribute {
        /// The canonical path.
        path: String,
        /// The contradiction.
        problem: &'static str,
    },
    /// Two resource types share an endpoint or a name.
    #[error("two resource types have the {what} `{text}`")]
    Duplicate {
        /// `name` or `endpoint`.
        what: &'static str,
        /// The shared text.
        text: String,
    },
    /// An endpoint that the protocol itself uses, or that is not a single path segment.
    #[error("resource type `{name}` can't have the endpoint `{endpoint}`")]
    Endpoint {
        /// The resource type.
        name: String,
        /// The endpoint.
        endpoint: String,
    },
    /// A text that is not the expected JSON.
    #[error("not a {what} document or a JSON array of them: {problem}")]
    Json {
        /// `schema` or `resource type`.
        what: &'static str,
        /// The error of the JSON parser.
        problem: String,
    },
    /// A resource type that names one schema twice, as its own or as an extension.
    #[error("resource type `{name}` names schema `{urn}` twice")]
    RepeatedSchema {
        /// The resource type.
        name: String,
        /// The schema's URI.
        urn: String,
    },
    /// More attributes than a table can have.
    #[error("resource type `{name}` has more than 65,535 attributes")]
    TooMany {
        /// The resource type.
        name: String,
    },
    /// An attribute that can't have lookup keys but should be indexed.
    #[error("attribute `{path}` of resource type `{name}` can't be indexed: {problem}")]
    Unindexable {
        /// The resource type.
        name: String,
        /// The path of the attribute.
        path: String,
        /// The reason.
        problem: &'static str,
    },
    /// An attribute whose characteristics should change, but that no schema has.
    #[error("no registered schema has the attribute `{path}`; name it with the schema's URI")]
    UnknownAttribute {
        /// The path of the attribute.
        path: String,
    },
    /// An attribute that should be indexed, but that the type does not have, or an unknown type.
    #[error("resource type `{name}` has no attribute `{path}` to index")]
    UnknownIndex {
        /// The resource type.
        name: String,
        /// The path of the attribute.
        path: String,
    },
    /// A resource type that names an unknown schema.
    #[error("resource type `{name}` needs schema `{urn}`, which is not registered")]
    UnknownSchema {
        /// The resource type.
        name: String,
        /// The schema's URI.
        urn: String,
    },
}
