//! The routes of the operations of a bulk request, and the references between them.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use http::Method;
use scimkit_core::{
    ETagList, ErrorResponse, excerpt,
    message::{BulkCall, BulkMethod, BulkOperation},
};
use scimkit_registry::{Registry, ResourceId, ResourceType};
use scimkit_store::ExpectedVersion;
use serde_json::Value;

use super::references::{Body, named, resolve};
use crate::{error::HandlerError, route::Route};

/// The operations of a request and their references.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The task of each operation, or the reason why it is invalid.
    pub(super) tasks: Vec<Result<Task, InvalidOperation>>,
    /// The operations whose resources each operation refers to.
    // INVARIANT: each is the index of a `POST`.
    pub(super) waits_for: Vec<Vec<usize>>,
}

/// The work of an operation.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) act: Act,
    pub(super) data: Value,
    /// The version that the resource must have.
    pub(super) expect: Option<ExpectedVersion>,
    pub(super) kind: Arc<ResourceType>,
}

/// An operation that can't be carried out, and the reason.
#[derive(Debug)]
pub(super) struct InvalidOperation {
    /// The resource that the operation targets, as far as it is known.
    pub(super) resource: Option<ResourceRef>,
    pub(super) problem: HandlerError,
}

#[derive(Debug)]
pub(super) enum Act {
    Create,
    Delete(Target),
    Patch(Target),
    Replace(Target),
}

/// A resource by its type and id.
#[derive(Debug, Clone)]
pub(super) struct ResourceRef {
    pub(super) kind: Arc<ResourceType>,
    pub(super) id: ResourceId,
}

/// The resource that an operation concerns.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// The resource that this operation creates.
    MadeBy(usize),
    /// The existing resource with this id.
    There(ResourceId),
}

/// The client's names for the resources that a request creates.
pub(super) type Names = HashMap<String, usize>;

pub(super) fn names(operations: &[BulkOperation]) -> Names {
    let creating = operations.iter().enumerate().filter(|(_, o)| o.creates());
    creating
        .filter_map(|(index, operation)| Some((operation.bulk_id.clone()?, index)))
        .collect()
}

impl Plan {
    pub(super) fn of(operations: Vec<BulkOperation>, names: &Names, registry: &Registry) -> Self {
        let mut plan = Plan::default();
        for (index, operation) in operations.into_iter().enumerate() {
            let mut waits_for = BTreeSet::new();
            let path = operation.path.unwrap_or_default();
            let task = match operation.call {
                Ok(call) => task(call, &path, names, registry, &mut waits_for),
                Err(error) => Err(error.into()),
            };
            let task = task.map_err(|problem| {
                let resource = resource_of(operation.method.as_deref(), &path, registry);
                InvalidOperation { problem, resource }
            });
            // No operation waits for itself.
            waits_for.remove(&index);
            plan.tasks.push(task);
            plan.waits_for.push(waits_for.into_iter().collect());
        }
        plan
    }
}

/// Returns the resource that an operation concerns, if its method and path identify one.
fn resource_of(method: Option<&str>, path: &str, registry: &Registry) -> Option<ResourceRef> {
    let method = BulkMethod::from_keyword(method?)?;
    match Route::find(registry, &of_http(method), check_path(path).ok()?).ok()? {
        Route::Delete(kind, id) | Route::Patch(kind, id) | Route::Replace(kind, id) => {
            named(id.as_str())
                .is_none()
                .then_some(ResourceRef { kind, id })
        }
        _ => None,
    }
}

fn check_path(path: &str) -> Result<&str, ErrorResponse> {
    if path.contains(['?', '#']) {
        Err(ErrorResponse::invalid_value(
            "`path`: the path of an operation has no query and no fragment",
        ))
    } else {
        Ok(path)
    }
}

fn of_http(method: BulkMethod) -> Method {
    match method {
        BulkMethod::Delete => Method::DELETE,
        BulkMethod::Patch => Method::PATCH,
        BulkMethod::Post => Method::POST,
        BulkMethod::Put => Method::PUT,
    }
}

fn task(
    call: BulkCall,
    path: &str,
    names: &Names,
    registry: &Registry,
    waits_for: &mut BTreeSet<usize>,
) -> Result<Task, HandlerError> {
    let BulkCall {
        mut data,
        method,
        version,
        ..
    } = call;
    let method = of_http(method);
    let mut unknown = None;
    let mut known = |name: &str| {
        let index = names.get(name).copied();
        match index {
            Some(index) => drop(waits_for.insert(index)),
            None => drop(unknown.get_or_insert_with(|| excerpt(name))),
        }
        index
    };
    let mut target = |id: ResourceId| match named(id.as_str()) {
        Some(name) => known(name).map_or(Target::There(id), Target::MadeBy),
        None => Target::There(id),
    };
    let (kind, act) = match Route::find(registry, &method, check_path(path)?)? {
        Route::Create(kind) => (kind, Act::Create),
        Route::Delete(kind, id) => (kind, Act::Delete(target(id))),
        Route::Patch(kind, id) => (kind, Act::Patch(target(id))),
        Route::Replace(kind, id) => (kind, Act::Replace(target(id))),
        _ => {
            let path = excerpt(path);
            let detail = format!("`path`: `{path}` is neither a resource nor where one is made");
            return Err(ErrorResponse::invalid_value(detail).into());
        }
    };
    let body = match act {
        Act::Patch(_) => Body::Patch,
        _ => Body::Resource,
    };
    resolve(&mut data, body, &mut |name| {
        known(name);
        None
    });
    if let Some(name) = unknown {
        let detail = format!("`bulkId:{name}` is of no `POST` operation of this request");
        return Err(ErrorResponse::invalid_value(detail).into());
    }
    Ok(Task {
        act,
        data,
        expect: expect(version.as_deref())?,
        kind,
    })
}

fn expect(version: Option<&str>) -> Result<Option<ExpectedVersion>, ErrorResponse> {
    let Some(version) = version else {
        return Ok(None);
    };
    match ETagList::parse(version) {
        Ok(ETagList::Any) => Ok(Some(ExpectedVersion::Any)),
        Ok(ETagList::List(versions)) => Ok(Some(ExpectedVersion::OneOf(versions))),
        Err(_) => Err(ErrorResponse::new(400, "`version` is not an entity tag")),
    }
}
