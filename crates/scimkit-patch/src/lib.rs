//! SCIM 2.0 PATCH and PUT as pure functions: from a request and the current resource to a [`Change`].
//!
//! ```
//! use scimkit_core::message::PatchRequest;
//! use scimkit_patch::{CurrentState, Patch, create};
//! use scimkit_registry::{Budget, Registry, Resource, Tolerance};
//! use serde_json::json;
//!
//! let (registry, t) = (Registry::standard(), Tolerance::DEFAULT);
//! let user = registry.resource_type("User").unwrap();
//! let mut bjensen = Resource::default();
//! create(user, json!({"userName": "bjensen"}), &t)?.apply(&mut bjensen);
//!
//! let request = PatchRequest::from_value(json!({
//!     "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
//!     "Operations": [{"op": "add", "path": "name.givenName", "value": "Barbara"}],
//! }), 100).unwrap();
//! let patch = Patch::decode(user, request, Default::default(), &t)?;
//! let before = CurrentState { document: &bjensen, edges: &[] };
//! let change = patch.apply(&"2819".into(), &before, &t, &Budget::unlimited())?;
//! assert_eq!(change.entries().next(), Some(("name.givenName", Some(&json!("Barbara")))));
//! # Ok::<(), scimkit_patch::RequestError>(())
//! ```
//!
//! - [`Patch`]: a PATCH request, decoded once and applied again after each lost race
//! - [`create`] and [`replace`]: POST and PUT
//! - [`diff`]: the change from one resource to another
//!
//! This crate does no I/O, and its functions return the whole change or an error.
//!
//! [`Change`]: scimkit_registry::Change
//!
//! [RFC 7644, 3.5.1 and 3.5.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.5.1)

mod decode;
mod draft;
mod elements;
mod members;
mod operation_value;
mod patch;
mod put;
mod refusal;
mod step;
mod value;

pub use patch::{CurrentState, Patch, ReadRequirements};
pub use put::{Replacement, create, diff, replace};
pub use scimkit_registry::RequestError;
/// JSON values.
#[doc(no_inline)]
pub use serde_json;
