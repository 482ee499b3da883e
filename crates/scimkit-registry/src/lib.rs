//! SCIM 2.0 schemas at work: text is bound to schema here, once, and nothing above asks about case
//! or unknown names again.
//!
//! ```
//! use scimkit_filter::Filter;
//! use scimkit_registry::{Meter, Registry, Tolerance, ResourceView};
//! use serde_json::json;
//!
//! let registry = Registry::standard();
//! let user = registry.resource_type("User").unwrap();
//! let resource = user.admit(json!({"USERNAME": "bjensen"}), &Tolerance::DEFAULT)?;
//! let filter = Filter::parse(r#"username eq "BJensen""#).unwrap();
//! let predicate = user.bind_filter(&filter, &Tolerance::DEFAULT)?;
//! assert_eq!(user.matches(&predicate, ResourceView::new(&resource), &Meter::unlimited()), Ok(true));
//! # Ok::<(), scimkit_registry::RequestError>(())
//! ```
//!
//! - [`Registry`]: schemas and resource types, from code and from JSON
//! - [`ResourceType::bind_filter`], [`ResourceType::parse_path`]: names to attributes
//! - [`ResourceType::admit`]: JSON from outside to a [`Resource`]
//! - [`ResourceType::projection`]: which attributes an answer shows
//! - [`Budget`]: the work that one request may cause, charged by whatever evaluates
//! - [`Change`]: what a write changes, and the lookup keys that follow from it
//! - [`Tolerance`]: what is accepted beyond the RFC, as data; [`QuirkRecorder`]: what of it was needed

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

pub use admit::BoundMember;
pub use attr::{Attr, AttrId, AttributeRole};
pub use budget::{Budget, Exhausted, Forecast, Meter, weight};
pub use change::{Change, ChangedValue, TextEdit, ValueEdit};
pub use document::{Document, InvalidDocument};
pub use edges::{Edge, EdgeChange, EdgeEdit, ResourceId, parse_edges};
pub use elements::{ElementKey, ElementKeys};
pub use error::{RegistrationError, RequestError, RequestErrorKind};
pub use eval::ResourceView;
pub use findings::ErrorCollector;
pub use fingerprint::Fingerprint;
pub use fold::{Key, Scalar, fold_case};
pub use predicate::{PathTarget, Predicate};
pub use project::Projection;
pub use read::parse_filter;
pub use reader::{AttrReader, AttrValues};
pub use reference::ResourceRef;
pub use registry::{Registry, RegistryBuilder};
pub use required::ReplacedValue;
pub use resource::{Resource, to_json_text};
pub use scimkit_filter::Operator;
pub use shown::DocumentPrinter;
pub use table::{Extension, ResourceType};
pub use text::{but_for_text, parse_json_string};
pub use tolerance::{Quirk, QuirkPolicy, Tolerance};
pub use value::{MAX_ELEMENTS, MAX_TEXT};
pub use witness::{QuirkRecorder, QuirkSet};
