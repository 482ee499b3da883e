//! SQL text and parameters for bound SCIM 2.0 filters, without a database driver.
//!
//! ```
//! use scimkit_filter::Filter;
//! use scimkit_registry::{Attr, Registry, ResourceType, AttributeRole, Scalar, Tolerance};
//! use scimkit_sql::{Dialect, Layout, KeyTable, ColumnSource, plan};
//!
//! #[derive(Debug)]
//! struct Keys;
//!
//! impl Layout for Keys {
//!     fn dialect(&self) -> Dialect {
//!         Dialect::Sqlite
//!     }
//!     fn id(&self) -> &str {
//!         "r.id"
//!     }
//!     fn source(&self, _: &ResourceType, attr: &Attr) -> Option<ColumnSource> {
//!         let path = Scalar::Text(attr.path().to_owned());
//!         let rows = KeyTable::new("lookup_key k", "k.id", "k.value").only("k.attr", vec![path]);
//!         attr.is_indexed().then_some(ColumnSource::Rows(rows))
//!     }
//! }
//!
//! let registry = Registry::standard();
//! let user = registry.resource_type("User").unwrap();
//! let filter = Filter::parse(r#"userName eq "BJensen" and title eq "Dr""#).unwrap();
//! let predicate = user.bind_filter(&filter, &Tolerance::DEFAULT)?;
//! let plan = plan(user, &predicate, &Keys, 1);
//! let condition = plan.condition.unwrap();
//! assert_eq!(
//!     condition.text,
//!     "r.id IN (SELECT k.id FROM lookup_key k WHERE k.attr = ?1 AND k.value = ?2)"
//! );
//! assert_eq!(condition.parameters[1], Scalar::Text("bjensen".into()));
//! assert!(plan.residual.is_some()); // `title` is not indexed, so the evaluator compares it
//! # Ok::<(), scimkit_registry::RequestError>(())
//! ```
//!
//! - [`plan`]: divides a predicate between the database and the evaluator
//! - [`Layout`]: the columns and tables that SQL can compare
//! - [`MappedTable`]: the layout of an application's own table, from a mapping
//! - [`Dialect`]: the SQL dialect of a database
//! - [`reference`](mod@reference): the statements of the reference layout
//! - [`tables`]: the statements of application tables and their side tables
//!
//! Compilation is exact: the condition and the residual both hold for a resource if and only if the predicate does.
//! Binding a filter folds case, so the SQL needs no `lower()` and can use indexes. Text from a request only ever
//! becomes a parameter.
//!
//! Guide: [Your own stores](https://docs.rs/scimkit/latest/scimkit/guide/stores/index.html).

mod alternatives;
mod compile;
mod dialect;
mod layout;
mod mapped_rows;
mod mapped_table;
mod plan;
pub mod reference;
pub mod tables;

pub use dialect::Dialect;
pub use layout::{ColumnSource, KeyTable, Layout};
pub use mapped_table::MappedTable;
pub use plan::{Condition, Lookup, Plan, plan};
