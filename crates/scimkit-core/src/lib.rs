//! SCIM 2.0 schema and resource-type definitions, messages, versions and errors.
//!
//! ```
//! use scimkit_core::{Attribute, DataType, Schema, Uniqueness, Urn, builtin};
//!
//! let user = builtin::user();
//! let user_name = user.attribute("username").unwrap(); // attribute names ignore case
//! assert!(user_name.required && user_name.uniqueness == Uniqueness::Server);
//!
//! let badge = Schema::new(Urn::new("urn:example:2.0:Badge")?, "Badge")
//!     .with_attributes([Attribute::new("number", DataType::Integer).required()]);
//! let json = serde_json::to_string(&badge)?;
//! assert_eq!(Schema::from_json(&json)?, badge);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! This crate reads no clock, does no I/O and depends on no other crate of the workspace.
//!
//! | you need | look at |
//! |---|---|
//! | to define or load a schema | [`Schema`], [`Attribute`], [`ResourceTypeDefinition`] |
//! | the schemas of the RFC | [`builtin`] |
//! | to read or write a protocol message | [`parse_json`], [`message`], [`ErrorResponse`], [`excerpt`], [`ServiceProviderConfig`] |
//! | users and groups as Rust types | [`User`], [`EnterpriseUser`], [`Group`] |
//! | `meta`, timestamps and entity tags | [`Meta`], [`format_instant`], [`parse_instant`], [`Version`], [`ETagList`] |
//!
//! It implements [RFC 7643](https://www.rfc-editor.org/rfc/rfc7643) and
//! [RFC 7644](https://www.rfc-editor.org/rfc/rfc7644).
//!
//! Guide: [SCIM in two pages](https://docs.rs/scimkit/latest/scimkit/guide/scim/index.html).

mod attribute;
pub mod builtin;
mod config;
mod error;
mod instant;
mod json;
mod keyword;
pub mod message;
mod meta;
mod name;
mod resource;
mod resource_type;
mod schema;
mod suggestion;
mod urn;
mod version;

pub use attribute::{Attribute, DataType, Mutability, Returned, Uniqueness};
/// Dates and times.
#[doc(no_inline)]
pub use chrono;
pub use config::{
    AuthenticationScheme, BulkSupport, FilterSupport, PaginationSupport, ServiceProviderConfig,
    Supported,
};
pub use error::{ErrorResponse, ScimType, excerpt};
pub use instant::{format_instant, parse_instant, push_instant};
pub use json::{parse_json, push_json_string};
pub use meta::Meta;
pub use name::is_attribute_name;
pub use resource::{Address, EnterpriseUser, Group, Manager, MultiValue, PersonName, User};
pub use resource_type::{InvalidEndpoint, ResourceTypeDefinition, SchemaExtension};
pub use schema::{InvalidSchema, Schema};
/// JSON values.
#[doc(no_inline)]
pub use serde_json;
pub use suggestion::did_you_mean;
pub use urn::{InvalidUrn, Urn};
pub use version::{ETagList, InvalidVersion, Version};
