//! SCIM 2.0 filters and PATCH paths: from text to a syntax tree, and back.
//!
//! ```
//! use scimkit_filter::{Filter, Operator, Path};
//!
//! let filter = Filter::parse(r#"userName eq "bjensen""#)?;
//! let Filter::Compare(comparison) = &filter else { unreachable!() };
//! assert_eq!((&*comparison.attribute.name, comparison.operator), ("userName", Operator::Equal));
//!
//! let path = Path::parse(r#"emails[type EQ "work"].value"#)?;
//! assert_eq!(path.sub_attribute.as_deref(), Some("value"));
//! assert_eq!(path.to_string(), r#"emails[type eq "work"].value"#);
//! assert!(Filter::parse("userName regex \"j.*\"").is_err());
//! # Ok::<(), scimkit_filter::ParseError>(())
//! ```
//!
//! The tree borrows from its text; [`Filter::into_owned`] makes it independent. This crate checks only the syntax:
//! whether an attribute exists, is multi-valued, or can be compared with a string depends on a schema.
//!
//! * [`Filter`]: the `filter` parameter ([RFC 7644, 3.4.2.2]).
//! * [`Path`]: the `path` of a PATCH operation ([RFC 7644, 3.5.2]).
//! * [`AttributePath`]: one entry of `attributes`, `excludedAttributes` or `sortBy`.
//! * [`ParseOptions`]: [`ParseLimits`] for untrusted text, and [`Leniency`] for clients that deviate from the
//!   grammar.
//! * [`ParseError`]: the position of an error, the text there, and the expected text.
//!
//! # Filters made by code
//!
//! ```
//! use scimkit_filter::{Filter, ParseError};
//!
//! let filter = Filter::eq("userName", "bjensen")?.and(Filter::present("title")?.negate());
//! assert_eq!(filter, "username eq \"bjensen\" and not (TITLE pr)".parse()?);
//!
//! let error: ParseError = Filter::eq("user name", "bjensen").unwrap_err();
//! assert_eq!(error.found(), " ");
//! # Ok::<(), ParseError>(())
//! ```
//!
//! # Walking
//!
//! The tree has few, closed types: to evaluate it, `match` on it.
//!
//! ```
//! use scimkit_filter::{Filter, Literal, Operator};
//! use std::collections::BTreeMap;
//!
//! fn matches(filter: &Filter<'_>, row: &BTreeMap<&str, &str>) -> bool {
//!     match filter {
//!         Filter::And(members) => members.iter().all(|member| matches(member, row)),
//!         Filter::Or(members) => members.iter().any(|member| matches(member, row)),
//!         Filter::Not(inner) => !matches(inner, row),
//!         Filter::Present(attribute) => row.contains_key(&*attribute.name),
//!         Filter::Compare(comparison) => match (comparison.operator, &comparison.value) {
//!             (Operator::Equal, Literal::String(text)) => {
//!                 row.get(&*comparison.attribute.name).is_some_and(|value| value == text)
//!             }
//!             _ => false,
//!         },
//!         Filter::ValuePath(_) => false,
//!     }
//! }
//!
//! let row = BTreeMap::from([("userName", "bjensen")]);
//! assert!(matches(&Filter::parse(r#"userName eq "bjensen" and not (title pr)"#)?, &row));
//! # Ok::<(), scimkit_filter::ParseError>(())
//! ```
//!
//! [`Filter::walk`] visits it piece by piece, for example to print it in another language; [`Filter::attributes`]
//! lists the names, and [`Filter::rename`] changes them.
//!
//! # Features
//!
//! * `nom`: filters, paths and their parts as nom parsers, in the module `nom`, for grammars of your own.
//! * `serde`: filters, paths and attributes as strings, parsed strictly under the default limits.
//!
//! # Cost
//!
//! Parsing takes time linear in the length of the text. A single comparison allocates nothing unless its string has
//! an escape. Each `and`, `or`, `not` and pair of brackets allocates once, a list again when it exceeds four members,
//! and nesting once when it exceeds four levels.
//!
//! The parser stores nesting in its own stack, not in the thread's: no text overflows it, however deep, and a tree
//! within [`ParseLimits::depth`] can be printed, cloned, walked, compared and dropped on a stack of 128 KiB.
//!
//! [RFC 7644, 3.4.2.2]: https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.2
//! [RFC 7644, 3.5.2]: https://www.rfc-editor.org/rfc/rfc7644#section-3.5.2

#![cfg_attr(docsrs, feature(doc_cfg))]

mod attribute;
mod builder;
mod bytes;
mod error;
mod fault;
mod level;
mod literal;
mod machine;
#[cfg(feature = "nom")]
pub mod nom;
mod options;
mod parse;
mod path;
mod print;
mod rebuild;
mod same;
mod term;
mod text;
mod token;
mod tree;
mod walk;

pub use attribute::AttributePath;
pub use error::{ParseError, ParseErrorKind};
pub use options::{Leniency, MAX_DEPTH, ParseLimits, ParseOptions};
pub use path::Path;
pub use tree::{Comparison, Filter, Literal, Operator, ValuePath};
pub use walk::{Event, FilterAttribute, Group, Walk};
