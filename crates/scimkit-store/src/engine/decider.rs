//! The state of a running decision.

use scimkit_registry::ResourceId;

use super::{
    counters::Counters, journal::Recorder, known::Known, overlay::Overlay, rows::Rejection,
};

/// Decides the writes of a decision, one after another.
pub(super) struct Decider<'d> {
    pub(super) counters: Counters<'d>,
    /// Whether the match of a create may search for values that other writes change.
    pub(super) has_existing_matches: bool,
    pub(super) journal: Recorder,
    pub(super) known: &'d Known,
    /// The number of the last change.
    pub(super) last: u64,
    pub(super) overlay: Overlay,
    pub(super) rejections: &'d [Rejection],
    /// The resources that the writes of each batch so far change.
    pub(super) subjects: Vec<Vec<ResourceId>>,
}
