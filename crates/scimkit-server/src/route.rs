//! The resource and method of a request, determined before its body is read.

use std::{borrow::Cow, sync::Arc};

use http::Method;
use percent_encoding::percent_decode_str;
use scimkit_core::ErrorResponse;
use scimkit_registry::{Registry, ResourceId, ResourceType};
use scimkit_store::RequestLimits;

use crate::{
    access::{Access, AccessLevel},
    error::HandlerError,
};

/// The target of a request.
#[derive(Debug)]
pub(crate) enum Route {
    Bulk,
    Create(Arc<ResourceType>),
    Delete(Arc<ResourceType>, ResourceId),
    Discover(Discovery),
    /// A GET with the query in the URL; `None` means all types.
    List(Option<Arc<ResourceType>>),
    Patch(Arc<ResourceType>, ResourceId),
    Read(Arc<ResourceType>, ResourceId),
    Replace(Arc<ResourceType>, ResourceId),
    /// A POST to `.search`, with the query in the body; `None` means all types.
    Search(Option<Arc<ResourceType>>),
}

/// The discovery endpoints of RFC 7644 section 4.
#[derive(Debug)]
pub(crate) enum Discovery {
    ResourceType(String),
    ResourceTypes,
    Schema(String),
    Schemas,
    ServiceProviderConfig,
}

impl Route {
    /// Returns the maximum number of body bytes to read; `None` if the request has no body.
    pub(crate) fn body_limit(&self, limits: &RequestLimits) -> Option<usize> {
        const SEARCH: usize = 64 << 10;
        match self {
            Route::Bulk => Some(limits.bulk_body),
            Route::Create(_) | Route::Patch(..) | Route::Replace(..) => Some(limits.body),
            Route::Search(_) => Some(SEARCH.min(limits.body)),
            Route::Delete(..) | Route::Discover(_) | Route::List(_) | Route::Read(..) => None,
        }
    }

    /// Returns the name of the operation in metrics and spans. The names are stable.
    pub(crate) fn operation(&self) -> &'static str {
        match self {
            Route::Bulk => "bulk",
            Route::Create(_) => "create",
            Route::Delete(..) => "delete",
            Route::Discover(_) => "discover",
            Route::List(_) => "list",
            Route::Patch(..) => "patch",
            Route::Read(..) => "read",
            Route::Replace(..) => "replace",
            Route::Search(_) => "search",
        }
    }

    /// Checks that a caller may use this route. Routes that concern several types are checked later, type by type.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn check(&self, access: &Access) -> Result<(), ErrorResponse> {
        match self {
            Route::Create(kind)
            | Route::Delete(kind, _)
            | Route::Patch(kind, _)
            | Route::Replace(kind, _) => access.check(kind, AccessLevel::Write),
            Route::List(Some(kind)) | Route::Read(kind, _) | Route::Search(Some(kind)) => {
                access.check(kind, AccessLevel::Read)
            }
            Route::Bulk | Route::Discover(_) | Route::List(None) | Route::Search(None) => Ok(()),
        }
    }

    /// Finds the route for a method and path.
    ///
    /// # Errors
    /// 404 for an unknown path, 405 for a method that the path does not support, 501 for `/Me` without a resource.
    pub(crate) fn find(
        registry: &Registry,
        method: &Method,
        path: &str,
    ) -> Result<Self, HandlerError> {
        let mut segments = Vec::with_capacity(3);
        for segment in path.split('/').filter(|s| !s.is_empty()) {
            let text = if !segment.contains('%') {
                Cow::Borrowed(segment)
            } else {
                percent_decode_str(segment)
                    .decode_utf8()
                    .map_err(|_| nowhere())?
            };
            if segments.len() == 3 || text.chars().any(char::is_control) {
                return Err(nowhere());
            }
            segments.push(text);
        }
        let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
        match segments.as_slice() {
            [] => only(&Method::GET, method, "GET, HEAD, OPTIONS", || {
                Route::List(None)
            }),
            [".search"] => only(&Method::POST, method, "OPTIONS, POST", || {
                Route::Search(None)
            }),
            ["Bulk"] => only(&Method::POST, method, "OPTIONS, POST", || Route::Bulk),
            ["Me", ..] => Err(not_implemented()),
            ["ServiceProviderConfig"] => discover(method, || Discovery::ServiceProviderConfig),
            ["ResourceTypes"] => discover(method, || Discovery::ResourceTypes),
            ["ResourceTypes", name] => {
                discover(method, || Discovery::ResourceType((*name).to_owned()))
            }
            ["Schemas"] => discover(method, || Discovery::Schemas),
            ["Schemas", urn] => discover(method, || Discovery::Schema((*urn).to_owned())),
            [endpoint, rest @ ..] => Self::of_type(registry, method, endpoint, rest),
        }
    }

    fn of_type(
        registry: &Registry,
        method: &Method,
        endpoint: &str,
        rest: &[&str],
    ) -> Result<Self, HandlerError> {
        let mut types = registry.resource_types().iter();
        let kind = types.find(|kind| kind.endpoint().strip_prefix('/') == Some(endpoint));
        let kind = kind.ok_or_else(nowhere)?;
        let kind = || Arc::clone(kind);
        match rest {
            [] => match *method {
                Method::GET => Ok(Route::List(Some(kind()))),
                Method::POST => Ok(Route::Create(kind())),
                _ => Err(HandlerError::Method("GET, HEAD, OPTIONS, POST")),
            },
            [".search"] => only(&Method::POST, method, "OPTIONS, POST", || {
                Route::Search(Some(kind()))
            }),
            [id] => {
                let id = ResourceId::from(*id);
                match *method {
                    Method::DELETE => Ok(Route::Delete(kind(), id)),
                    Method::GET => Ok(Route::Read(kind(), id)),
                    Method::PATCH => Ok(Route::Patch(kind(), id)),
                    Method::PUT => Ok(Route::Replace(kind(), id)),
                    _ => Err(HandlerError::Method(
                        "DELETE, GET, HEAD, OPTIONS, PATCH, PUT",
                    )),
                }
            }
            _ => Err(nowhere()),
        }
    }
}

fn discover(method: &Method, what: impl FnOnce() -> Discovery) -> Result<Route, HandlerError> {
    only(&Method::GET, method, "GET, HEAD, OPTIONS", || {
        Route::Discover(what())
    })
}

fn only(
    known: &Method,
    method: &Method,
    allowed: &'static str,
    route: impl FnOnce() -> Route,
) -> Result<Route, HandlerError> {
    if method != known {
        return Err(HandlerError::Method(allowed));
    }
    Ok(route())
}

/// Returns the 501 for an endpoint that is not implemented.
pub(crate) fn not_implemented() -> HandlerError {
    let detail = "this endpoint is not implemented; see /ServiceProviderConfig";
    HandlerError::Client(ErrorResponse::not_implemented(detail))
}

fn nowhere() -> HandlerError {
    HandlerError::Client(ErrorResponse::not_found("there is no such endpoint"))
}
