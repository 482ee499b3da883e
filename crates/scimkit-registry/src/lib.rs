//! SCIM 2.0 schemas in use: this crate binds text to schemas once, so that the crates above never handle case or
//! unknown names.
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
//! - [`ResourceType::bind_filter`], [`ResourceType::parse_path`]: from names to attributes
//! - [`ResourceType::admit`]: from untrusted JSON to a [`Resource`]
//! - [`ResourceType::projection`]: the attributes that a response shows
//! - [`Budget`]: the work that one request may cause, charged by every evaluation
//! - [`Change`]: the changes by a write, and the resulting lookup keys
//! - [`Tolerance`]: the accepted deviations from the RFC, as data; [`QuirkRecorder`]: those that a request needed
//!
//! Guide: [Tolerances](https://docs.rs/scimkit/latest/scimkit/guide/tolerances/index.html), [limits](https://docs.rs/scimkit/latest/scimkit/guide/limits/index.html).

mod admit;
mod attr;
mod attribute_table;
mod bind;
mod budget;
mod build;
mod change;
mod document;
mod document_writer;
mod edges;
mod elements;
mod error;
mod error_collector;
mod eval;
mod fingerprint;
mod fold;
mod json_len;
mod json_string;
mod literal;
mod node;
mod path_values;
mod predicate;
mod profile;
mod project;
mod quirk_recorder;
mod read;
mod reader;
mod reference;
mod registry;
mod required;
mod resource;
mod scan;
mod shown;
mod stored;
mod tolerance;
mod value;

pub use admit::BoundMember;
pub use attr::{Attr, AttrId, AttributeRole};
pub use attribute_table::{Extension, ResourceType};
pub use budget::{Budget, Exhausted, Forecast, Meter, weight};
/// Bytes that are cheap to clone.
#[doc(no_inline)]
pub use bytes;
pub use change::{Change, ChangedValue, TextEdit, ValueEdit};
pub use document::{Document, InvalidDocument};
pub use document_writer::{DocumentWriter, split_members};
pub use edges::{AttrEdges, Edge, EdgeChange, EdgeEdit, ResourceId, parse_edges};
pub use elements::{ElementKey, ElementKeys};
pub use error::{RegistrationError, RequestError, RequestErrorKind};
pub use error_collector::ErrorCollector;
pub use eval::ResourceView;
pub use fingerprint::Fingerprint;
pub use fold::{AttrKeys, Key, Scalar, fold_case};
pub use json_string::{but_for_text, parse_json_string};
pub use predicate::{PathTarget, Predicate};
pub use project::Projection;
pub use quirk_recorder::{QuirkRecorder, QuirkSet};
pub use read::parse_filter;
pub use reader::{AttrReader, AttrValues};
pub use reference::ResourceRef;
pub use registry::{Registry, RegistryBuilder};
pub use required::ReplacedValue;
pub use resource::{Resource, to_json_text};
pub use scimkit_filter::Operator;
/// JSON values.
#[doc(no_inline)]
pub use serde_json;
pub use shown::DocumentPrinter;
pub use tolerance::{Quirk, QuirkPolicy, Tolerance};
pub use value::{MAX_ELEMENTS, MAX_TEXT};
