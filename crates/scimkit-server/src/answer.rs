//! Building responses.

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

/// An answer before its media type and request id are known.
#[derive(Debug)]
pub(crate) struct ResponseParts {
    body: Option<Body>,
    headers: HeaderMap,
    status: StatusCode,
}

impl ResponseParts {
    /// An answer with a JSON body.
    pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        ResponseParts::of(status, Body::from(body.into()))
    }

    /// An answer with a JSON body, perhaps one that is still being made.
    pub(crate) fn of(status: StatusCode, body: Body) -> Self {
        ResponseParts {
            body: Some(body),
            // Room for those of a resource, the date and the id of the request.
            headers: HeaderMap::with_capacity(8),
            status,
        }
    }

    /// An answer without a body.
    pub(crate) fn empty(status: StatusCode) -> Self {
        ResponseParts {
            body: None,
            headers: HeaderMap::new(),
            status,
        }
    }

    /// A message as an answer.
    pub(crate) fn message(status: StatusCode, message: &impl Serialize) -> Self {
        // Messages are made of strings, numbers and lists: they always serialize.
        ResponseParts::json(status, serde_json::to_vec(message).unwrap_or_default())
    }

    /// The answer to a request that went wrong.
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

    /// With how to authenticate, where that is what was missing.
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

    /// With the methods that there are.
    pub(crate) fn allowing(self, methods: &'static str) -> Self {
        self.with(ALLOW, HeaderValue::from_static(methods))
    }

    /// With the entity tag of a resource.
    pub(crate) fn tagged(self, version: &Version) -> Self {
        match HeaderValue::try_from(version.etag()) {
            Ok(value) => self.with(ETAG, value),
            Err(_) => self,
        }
    }

    /// With the URL of the resource that was created or read, whose id is percent-encoded in it.
    pub(crate) fn located(self, location: &str) -> Self {
        self.with_url(LOCATION, location)
    }

    /// With the URL of the resource that is the body, which is also its `meta.location` (RFC 7643
    /// section 3.1).
    pub(crate) fn showing(self, location: &str) -> Self {
        self.with_url(CONTENT_LOCATION, location)
    }

    /// With the URL of the resource that is the body as that of the resource that was created or read, too.
    pub(crate) fn located_as_shown(mut self) -> Self {
        if let Some(url) = self.headers.get(CONTENT_LOCATION).cloned() {
            self.headers.insert(LOCATION, url);
        }
        self
    }

    /// With one URL in this header, in place of an earlier one.
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

    /// The response, in that media type.
    pub(crate) fn into_response(self, media_type: HeaderValue) -> Response<Body> {
        let has_body = self.body.is_some();
        let mut response = Response::new(self.body.unwrap_or_default());
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        let headers = response.headers_mut();
        if has_body {
            headers.insert(CONTENT_TYPE, media_type);
        }
        // What a directory holds is nobody else's business.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
