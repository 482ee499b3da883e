//! The one attribute mapping, from outside.

mod described;
mod guides;
mod hostile;
mod problems;
mod round_trip;
mod shape;

use scimkit_registry::{Mapping, Registry, TypeMapping};

/// A mapping of the standard types, from TOML.
fn mapping(toml: &str) -> Mapping {
    match Mapping::builder().toml(toml).build(&Registry::standard()) {
        Ok(mapping) => mapping,
        Err(error) => panic!("{error}"),
    }
}

/// The rules of User, from TOML.
fn user(toml: &str) -> TypeMapping {
    mapping(toml).of("User").unwrap().clone()
}
