//! Construction of responses.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{
        ALLOW, CACHE_CONTROL, CONTENT_LOCATION, CONTENT_TYPE, ETAG, LOCATION, RETRY_AFTER,
        WWW_AUTHENTICATE,
    },
};
use scimkit_core::{AuthenticationScheme, Version};
use serde::Serialize;

use crate::{body::Body, error::HandlerError};

/// A response whose media type and request id are not known yet.
#[derive(Debug)]
pub(crate) struct ResponseParts {
    body: Option<Body>,
    headers: HeaderMap,
    status: StatusCode,
}

impl ResponseParts {
    /// Creates a response with a JSON body.
    pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        ResponseParts::of(status, Body::from(body.into()))
    }

    /// Creates a response with a JSON body, which may still be in production.
    pub(crate) fn of(status: StatusCode, body: Body) -> Self {
        ResponseParts {
            body: Some(body),
            // Room for the headers of a resource, the date and the request id.
            headers: HeaderMap::with_capacity(8),
            status,
        }
    }

    /// Creates a response without a body.
    pub(crate) fn empty(status: StatusCode) -> Self {
        ResponseParts {
            body: None,
            headers: HeaderMap::new(),
            status,
        }
    }

    /// Creates a response from a message.
    pub(crate) fn message(status: StatusCode, message: &impl Serialize) -> Self {
        // Messages consist of strings, numbers and lists, so serialisation can't fail.
        ResponseParts::json(status, serde_json::to_vec(message).unwrap_or_default())
    }

    /// Creates the response for an error.
    pub(crate) fn problem(problem: &HandlerError, request_id: &str) -> Self {
        let error = problem.message(request_id);
        let status = StatusCode::from_u16(error.status);
        let answer =
            ResponseParts::message(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), &error);
        match (problem, error.status) {
            (HandlerError::Method(allowed), _) => answer.allowing(allowed),
            (_, 503 | 507) => answer.with(RETRY_AFTER, HeaderValue::from_static("1")),
            _ => answer,
        }
    }

    /// Adds the authentication schemes to a 401.
    pub(crate) fn challenged(self, schemes: impl FnOnce() -> Vec<AuthenticationScheme>) -> Self {
        if self.status != StatusCode::UNAUTHORIZED {
            return self;
        }
        let names = schemes()
            .into_iter()
            .map(|scheme| match scheme.kind.as_str() {
                "httpbasic" => "Basic realm=\"scim\"",
                "httpdigest" => "Digest realm=\"scim\"",
                _ => "Bearer realm=\"scim\"",
            });
        names.fold(self, |answer, name| {
            answer.with(WWW_AUTHENTICATE, HeaderValue::from_static(name))
        })
    }

    /// Adds the allowed methods.
    pub(crate) fn allowing(self, methods: &'static str) -> Self {
        self.with(ALLOW, HeaderValue::from_static(methods))
    }

    /// Adds the entity tag of a resource.
    pub(crate) fn tagged(self, version: &Version) -> Self {
        match HeaderValue::try_from(version.etag()) {
            Ok(value) => self.with(ETAG, value),
            Err(_) => self,
        }
    }

    /// Sets the URL of the resource that was created or read. The id in it is percent-encoded.
    pub(crate) fn located(self, location: &str) -> Self {
        self.with_url(LOCATION, location)
    }

    /// Sets the URL of the resource in the body, which equals its `meta.location` (RFC 7643 section 3.1).
    pub(crate) fn showing(self, location: &str) -> Self {
        self.with_url(CONTENT_LOCATION, location)
    }

    /// Sets the URL of the resource in the body as the URL of the resource that was created or read, too.
    pub(crate) fn located_as_shown(mut self) -> Self {
        if let Some(url) = self.headers.get(CONTENT_LOCATION).cloned() {
            self.headers.insert(LOCATION, url);
        }
        self
    }

    /// Sets this header to one URL, and replaces an earlier one.
    fn with_url(mut self, name: HeaderName, url: &str) -> Self {
        match HeaderValue::from_str(url) {
            Ok(value) => self.headers.insert(name, value),
            Err(_) => self.headers.remove(name),
        };
        self
    }

    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Builds the response with this media type.
    pub(crate) fn into_response(self, media_type: HeaderValue) -> Response<Body> {
        let has_body = self.body.is_some();
        let mut response = Response::new(self.body.unwrap_or_default());
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        let headers = response.headers_mut();
        if has_body {
            headers.insert(CONTENT_TYPE, media_type);
        }
        // Directory data must not be cached.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
