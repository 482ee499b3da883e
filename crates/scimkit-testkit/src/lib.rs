//! Contract suite, conformance checks and provider-traffic replay for SCIM 2.0 stores and servers.
//!
//! - [`conformance`]: what the RFCs ask of a service provider, checked against any server
//! - [`contract`]: the contract of a store, as checks that any store can run
//! - [`fuzz`]: the bodies of the fuzz targets
//! - [`record`]: what a provider sends, recorded without what it tells of anybody
//! - [`replay`]: what providers send and need back, replayed against any server

pub mod conformance;
pub mod contract;
pub mod fuzz;
pub mod record;
pub mod replay;
mod visible;

pub use visible::{escape_invisible, is_invisible};

/// A small directory that the cases of this workspace speak of: users `u1` to `u6` and groups `g1`
/// to `g3`, as a JSON object from ids to resources as an answer shows them.
pub const DIRECTORY: &str = include_str!("data/resources.json");
