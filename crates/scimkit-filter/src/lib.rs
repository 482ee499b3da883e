//! SCIM 2.0 filters and PATCH paths: text to syntax tree, and back.
//!
//! ```
//! use scimkit_filter::{Filter, Operator, Path};
//!
//! let filter = Filter::parse(r#"userName eq "bjensen""#)?;
//! let Filter::Compare(comparison) = &filter else { unreachable!() };
//! assert_eq!((&*comparison.attribute.name, comparison.operator), ("userName", Operator::Equal));
//!
//! let path = Path::parse(r#"emails[type EQ "work"].value"#)?;
//! assert_eq!(path.sub.as_deref(), Some("value"));
//! assert_eq!(path.to_string(), r#"emails[type eq "work"].value"#);
//! assert!(Filter::parse("userName regex \"j.*\"").is_err());
//! # Ok::<(), scimkit_filter::ParseError>(())
//! ```
//!
//! The tree borrows from the text it was read from; [`Filter::into_owned`] cuts it loose. Only syntax is judged here:
//! whether an attribute exists, is multi-valued, or can be compared with a string is a question for a schema.
//!
//! * [`Filter`]: the `filter` parameter ([RFC 7644, 3.4.2.2]).
//! * [`Path`]: the `path` of a PATCH operation ([RFC 7644, 3.5.2]).
//! * [`AttributePath`]: one entry of `attributes`, `excludedAttributes` or `sortBy`.
//! * [`Options`]: [`Limits`] on what a stranger may send, and [`Leniency`] for clients that stray from the grammar.
//! * [`ParseError`]: where it went wrong, what stood there, and what should have.
//!
//! Parsing keeps nesting in a stack of its own, not in the thread's: no text, however deep, overflows it, and a tree
//! within [`Limits::depth`] can be printed, cloned and dropped on a stack of 128 KiB.
//!
//! [RFC 7644, 3.4.2.2]: https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.2
//! [RFC 7644, 3.5.2]: https://www.rfc-editor.org/rfc/rfc7644#section-3.5.2

mod attribute;
mod bytes;
mod error;
mod fault;
mod literal;
mod machine;
mod options;
mod parse;
mod path;
mod print;
mod rebuild;
mod token;
mod tree;

pub use attribute::AttributePath;
pub use error::{ErrorKind, ParseError};
pub use options::{Leniency, Limits, MAX_DEPTH, Options};
pub use path::Path;
pub use tree::{Comparison, Filter, Literal, Operator, ValuePath};
