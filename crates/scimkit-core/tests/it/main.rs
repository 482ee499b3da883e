//! The tests of the crate, by subject.

mod builtin;
mod bulk;
mod definition;
mod error;
mod instant;
mod message;
mod property;
mod resource;
mod urn;
mod version;
