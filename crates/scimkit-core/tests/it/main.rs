//! The crate's tests, by subject.

mod builtin;
mod bulk;
mod definition;
mod error;
mod instant;
mod message;
mod property;
mod urn;
mod version;
