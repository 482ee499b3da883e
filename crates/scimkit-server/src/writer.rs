//! The context of one request: its caller, scope, store and limits.

use std::sync::Arc;

use scimkit_core::ErrorResponse;
use scimkit_registry::{Projection, QuirkRecorder, ResourceType};
use scimkit_store::{ExpectedVersion, RequestContext, Store};

use crate::{access::Access, clock::Clock, dropped::Dropped, hooks::Hooks, work::Work};

/// The parts of a request that decoding and writing need.
#[derive(Clone, Copy)]
pub(crate) struct Writer<'a> {
    pub(crate) access: &'a Access,
    pub(crate) clock: &'a Clock,
    #[cfg(feature = "cursors")]
    pub(crate) cursors: &'a crate::cursor::Cursors,
    pub(crate) dropped: &'a Dropped,
    pub(crate) hooks: &'a Hooks,
    pub(crate) context: &'a RequestContext,
    pub(crate) store: &'a Arc<dyn Store>,
    pub(crate) witness: &'a Arc<QuirkRecorder>,
    pub(crate) work: &'a Work<'a>,
}

impl Writer<'_> {
    /// Returns the projection of a type for the response, without attributes that the caller may not read.
    pub(crate) fn projection(
        &self,
        kind: &ResourceType,
        attributes: &[String],
        excluded: &[String],
    ) -> Projection {
        let projection = kind.projection(attributes, excluded);
        let hidden = self.access.hidden(&self.context.settings.registry, kind);
        hidden
            .into_iter()
            .fold(projection, |shown, id| shown.without_computed(kind, id))
    }

    /// Returns the expected version for a request without a condition.
    ///
    /// # Errors
    /// 428 if the settings require a condition.
    pub(crate) fn unconditional(&self) -> Result<ExpectedVersion, ErrorResponse> {
        if !self.context.settings.require_if_match {
            return Ok(ExpectedVersion::Any);
        }
        let detail = "this service changes a resource only under a condition: send the \
                      `meta.version` that you know as `If-Match`, or as `version` in a bulk request";
        Err(ErrorResponse::new(428, detail))
    }
}
