//! The one attribute mapping, from outside.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the lints know tests, but not the functions beside them"
)]

mod described;
mod guides;
mod hostile;
mod problems;
mod round_trip;
mod shape;

use scimkit_mapping::{Mapping, TypeMapping};
use scimkit_registry::Registry;

/// A mapping of the standard types, from TOML.
fn mapping(toml: &str) -> Mapping {
    match Mapping::builder()
        .with_file(toml)
        .build(&Registry::standard())
    {
        Ok(mapping) => mapping,
        Err(error) => panic!("{error}"),
    }
}

/// The rules of User, from TOML.
fn user(toml: &str) -> TypeMapping {
    mapping(toml).of("User").unwrap().clone()
}

/// The first block of a language in the documentation.
fn documented(language: &str) -> &'static str {
    let text = include_str!("../../../../docs/mapping.md");
    let (_, rest) = text.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

#[test]
fn the_documentation_s_examples_are_mappings() {
    mapping(documented("toml"));
    let json = Mapping::builder().with_file(documented("json"));
    assert!(json.build(&Registry::standard()).is_ok());
}
