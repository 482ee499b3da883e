//! SCIM 2.0 schemas at work: text is bound to schema here, once, and nothing above asks about case
//! or unknown names again.
//!
//! ```
//! use scimkit_filter::Filter;
//! use scimkit_registry::{Meter, Registry, Tolerance, View};
//! use serde_json::json;
//!
//! let registry = Registry::standard();
//! let user = registry.by_name("User").unwrap();
//! let resource = user.admit(json!({"USERNAME": "bjensen"}), &Tolerance::DEFAULT)?;
//! let filter = Filter::parse(r#"username eq "BJensen""#).unwrap();
//! let predicate = user.bind_filter(&filter, &Tolerance::DEFAULT)?;
//! assert_eq!(user.matches(&predicate, View::of(&resource), &Meter::unlimited()), Ok(true));
//! # Ok::<(), scimkit_registry::Error>(())
//! ```
//!
//! - [`Registry`]: schemas and resource types, from code and from JSON
//! - [`ResourceType::bind_filter`], [`ResourceType::parse_path`]: names to attributes
//! - [`ResourceType::admit`]: JSON from outside to a [`Resource`]
//! - [`ResourceType::projection`]: which attributes an answer shows
//! - [`Budget`]: the work that one request may cause, charged by whatever evaluates
//! - [`Change`]: what a write changes, and the lookup keys that follow from it
//! - [`Tolerance`]: what is accepted beyond the RFC, as data; [`Witness`]: what of it was needed

mod admit;
mod attr;
mod bind;
mod budget;
mod build;
mod change;
mod document;
mod edges;
mod elements;
mod error;
mod eval;
mod findings;
mod fingerprint;
mod fold;
mod json_len;
mod kept;
mod literal;
mod node;
mod predicate;
mod profile;
mod project;
mod read;
mod reader;
mod reference;
mod registry;
mod required;
mod resource;
mod scan;
mod shown;
mod table;
mod text;
mod tolerance;
mod value;
mod witness;

pub use admit::Entry;
pub use attr::{Attr, AttrId, Role};
pub use budget::{Budget, Exhausted, Forecast, Meter, weight};
pub use change::{Change, ChangedValue, Revision, TextEdit};
pub use document::{Document, InvalidDocument};
pub use edges::{Edge, EdgeChange, EdgeEdit, ResourceId, edges_of};
pub use elements::{ElementKey, ElementKeys};
pub use error::{Error, ErrorKind, RegistrationError};
pub use eval::View;
pub use findings::Findings;
pub use fingerprint::Fingerprint;
pub use fold::{Key, Scalar, fold};
pub use predicate::{Predicate, Target};
pub use project::Projection;
pub use read::read_filter;
pub use reader::{AttrReader, AttrValues};
pub use reference::ResourceRef;
pub use registry::{Registry, RegistryBuilder};
pub use required::Rewritten;
pub use resource::{Resource, object_text};
pub use scimkit_filter::Operator;
pub use shown::DocumentPrinter;
pub use table::{Extension, ResourceType};
pub use text::{but_for_text, from_text};
pub use tolerance::{Leeway, Quirk, Tolerance};
pub use value::{MAX_ELEMENTS, MAX_TEXT};
pub use witness::{Quirks, Witness};
