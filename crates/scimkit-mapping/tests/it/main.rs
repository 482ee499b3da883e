//! The attribute mapping through its public interface.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the lints exempt tests, but not the functions next to them"
)]

mod built;
mod edited;
mod filter_change;
mod guides;
mod hostile;
mod printing;
mod problems;
mod round_trip;
mod supported_registry;

use scimkit_mapping::{Mapping, TypeMapping};
use scimkit_registry::Registry;

/// Returns a mapping of the standard types from TOML.
fn mapping(toml: &str) -> Mapping {
    match Mapping::builder().text(toml).build(&Registry::standard()) {
        Ok(mapping) => mapping,
        Err(error) => panic!("{error}"),
    }
}

/// Returns the mapping of User from TOML.
fn user(toml: &str) -> TypeMapping {
    mapping(toml).for_type("User").unwrap().clone()
}

/// Returns the first code block of a language in the documentation.
fn documented(language: &str) -> &'static str {
    let text = include_str!("../../../../docs/mapping.md");
    let (_, rest) = text.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

#[test]
fn examples_of_the_documentation_are_valid() {
    mapping(documented("toml"));
    let json = Mapping::builder().text(documented("json"));
    assert!(json.build(&Registry::standard()).is_ok());
}
