//! What is promised about schemas at work, from outside.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the lints know tests, but not the functions beside them"
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
mod projection;
mod quirks;
mod registration;
mod required;
mod resource;
mod table;
mod text;
mod world;
