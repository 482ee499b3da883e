//! Bulk requests (RFC 7644 section 3.7).
//!
//! # Order
//! Operations are carried out in the order in which they were sent, with one exception: if an earlier operation
//! refers to the resource of a `POST`, the `POST` runs first. So references may point backwards and forwards, and a
//! failed `POST` is known before any operation is written that refers to its resource.
//!
//! # Atomicity
//! Each operation is carried out completely or not at all. Operations that read nothing (`POST`, `DELETE`, and a
//! `PATCH` that changes only memberships) go to the store in batches, so that many writes share a few durable
//! commits. The other operations read and write like single requests, after the preceding operations.
//!
//! `POST` operations that refer to each other in a cycle succeed or fail together. They form one batch that the
//! store rolls back as a whole: each resource is first created with those members that exist by then, and then
//! receives the others. Under [`CyclePolicy::Reject`](scimkit_store::CyclePolicy), a cycle of groups that are
//! members of each other is rejected with 409.
//!
//! # Failures
//! An operation that refers to a resource that was not created fails with 409. After `failOnErrors` failures,
//! counted in the order of execution, no further operation is carried out or included in the response; completed
//! operations are not undone. The operations of a cycle are carried out at once, so their failures may exceed that
//! number.

mod order;
mod plan;
mod prepared_operation;
mod reference_cycle;
mod references;
mod run;
mod schedule;
mod step;

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use scimkit_core::{
    ErrorResponse,
    message::{BulkBounds, BulkOperation, BulkRequest, BulkResponse},
};
use scimkit_registry::RequestError;
use scimkit_store::Settings;

use self::{
    plan::{Plan, names},
    run::Run,
};
use crate::{error::HandlerError, response::ResponseParts, work::BODY_BYTE, writer::Writer};

/// Carries out the operations and returns their results.
///
/// # Errors
/// [`BulkRequest::parse`] rejects the body, or `schemas` is missing and the tolerance does not accept that. Errors
/// of single operations are part of the response.
pub(crate) async fn answer(
    writer: Writer<'_>,
    body: Bytes,
    request_id: &str,
) -> Result<ResponseParts, HandlerError> {
    let settings = &writer.context.settings;
    let units = BODY_BYTE.saturating_mul(body.len() as u64);
    let bounds = bounds(settings);
    let registry = Arc::clone(&settings.registry);
    let plan = move || {
        let mut request = BulkRequest::parse(&body, bounds)?;
        drop(body);
        let names = names(&request.operations);
        let operations = std::mem::take(&mut request.operations);
        let echo =
            |operation: &BulkOperation| (operation.bulk_id.clone(), operation.method.clone());
        let echoes: Vec<_> = operations.iter().map(echo).collect();
        let plan = Plan::of(operations, &names, &registry);
        Ok::<_, ErrorResponse>((request, names, echoes, plan))
    };
    let planned = writer.work.run(writer.context, units, plan).await?;
    let (request, names, echoes, plan) = planned?;
    RequestError::check_message(
        request.schemas_mismatch,
        "a bulk request",
        &**writer.witness,
    )?;
    let run = Run::new(plan, names, request.fail_on_errors, writer, request_id);
    let results = run.all().await.into_iter().zip(echoes);
    let operations = results.filter_map(|(result, (bulk_id, method))| {
        let mut result = result?;
        result.bulk_id = bulk_id;
        result.method = method;
        Some(result)
    });
    let operations = operations.collect();
    Ok(ResponseParts::message(
        StatusCode::OK,
        &BulkResponse { operations },
    ))
}

fn bounds(settings: &Settings) -> BulkBounds {
    let limits = &settings.limits;
    BulkBounds {
        depth: limits.nesting,
        operations: limits.bulk_operations,
        values: limits.values,
    }
}
