//! The tests of the crate, by subject.

mod builtin;
mod bulk;
mod definition;
mod error;
mod instant;
mod message;
mod property;
mod urn;
mod version;
