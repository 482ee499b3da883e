//! Identity provider traffic in files, replayed against anything that answers HTTP requests.
//!
//! ```
//! use scimkit_testkit::replay::{Replay, Scenario, HttpTarget};
//!
//! # async fn example(server: &dyn HttpTarget) -> Result<(), scimkit_testkit::replay::Error> {
//! let scenarios = Scenario::corpus()?;
//! let report = Replay::new(server).with_token("the secret").run(&scenarios).await;
//! assert!(report.holds(), "{report}");
//! # Ok(())
//! # }
//! ```
//!
//! A [`Scenario`] is a JSON document with a list of steps, each with a request and the expected response. The folder
//! `corpus` of this crate contains the scenarios that ship with it: [`Scenario::corpus`].
//!
//! | text in a step | replacement |
//! |---|---|
//! | `{{name}}` | the value that an earlier step captured under this name |
//! | `{{run}}` | eight characters that differ in every run |
//! | `{{guid:x}}` | a UUID, the same throughout the scenario |
//! | `{{i}}` | the number of this repetition, from 1 |
//!
//! Placeholders nest, as in `{{u{{i}}.id}}`. In the path of a request, the value is percent-encoded. See [`matches()`]
//! for the comparison of bodies.

mod attributes;
mod check;
mod excerpt;
mod json;
mod matcher;
mod report;
mod run;
mod scenario;
mod target;
mod vars;

pub use matcher::matches;
pub use report::{
    Exchange, Failure, ReplayReport, ScenarioCounts, ScenarioResult, ScenarioVerdict,
};
pub use run::Replay;
pub(crate) use run::SCIM;
pub use scenario::{
    Authorization, Charset, Error, Expectation, Feature, Mode, Request, Scenario, Step,
};
pub use target::{HttpTarget, NoSlash, TransportError};
pub(crate) use vars::encoded;
