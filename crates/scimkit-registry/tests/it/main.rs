//! The tests of the crate's public interface.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the lints exempt tests, but not the functions next to them"
)]

mod admission;
mod binding;
mod change;
mod data_types;
mod depth;
mod evaluation;
mod fingerprint;
mod folding;
mod oracle;
mod path_values;
mod projection;
mod quirks;
mod registration;
mod required;
mod resource;
mod table;
mod text;
mod world;
