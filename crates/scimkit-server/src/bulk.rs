//! Bulk requests (RFC 7644 section 3.7).
//!
//! # Order
//! Operations are carried out in the order in which they were sent, with one exception: the `POST`
//! of a resource that an earlier operation refers to comes before that. So references lead backwards
//! and forwards, and a failure is known before anything is written that would refer to nothing.
//!
//! # Atomicity
//! Each operation is carried out as a whole or not at all. Those that need nothing read (`POST`,
//! `DELETE`, and `PATCH` of nothing but memberships) go to the store in batches, which make a few
//! durable commits of many writes; the others read and write as single requests do, after what
//! comes before them.
//!
//! `POST` operations that refer to each other in a circle stand or fall together: in one batch that
//! the store undoes as a whole, each resource is made with those members that are there by then,
//! and then gets the others. A circle of groups that are members of each other is refused with 409
//! under [`CyclePolicy::Reject`](scimkit_store::CyclePolicy).
//!
//! # Failures
//! One that refers to a resource that could not be made is not carried out: 409. After
//! `failOnErrors` failures, in the order of execution, no further operation is carried out and none
//! is answered; what was done stays done. The operations of a circle are carried out at once, so
//! that they may go beyond that number.

mod circle;
mod order;
mod plan;
mod ready;
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
use crate::{answer::ResponseParts, error::HandlerError, work::BODY_BYTE, writer::Writer};

/// Carries the operations out and answers with what came of them.
///
/// # Errors
/// What [`BulkRequest::parse`] refuses, and missing `schemas` unless tolerated; whatever is wrong
/// with one operation is in the answer.
pub(crate) async fn answer(
    writer: Writer<'_>,
    body: Bytes,
    request_id: &str,
) -> Result<ResponseParts, HandlerError> {
    let settings = &writer.scope.settings;
    let units = BODY_BYTE.saturating_mul(body.len() as u64);
    let (bounds, registry) = (bounds(settings), Arc::clone(&settings.registry));
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
    let planned = writer.work.run(writer.scope, units, plan).await?;
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
