//! What the RFCs ask of a service provider, checked over HTTP against any server.
//!
//! ```
//! use scimkit_testkit::{conformance::ConformanceCheck, replay::HttpTarget};
//!
//! # async fn example(server: &dyn HttpTarget) -> Result<(), scimkit_testkit::conformance::ConformanceError> {
//! let report = ConformanceCheck::new(server).with_token("the secret").run().await?;
//! assert_eq!(report.failures().count(), 0, "{report}");
//! # Ok(())
//! # }
//! ```
//!
//! A [`Requirement`] is a sentence of the SCIM RFCs in words of our own: [`requirements`]. The
//! [`cases`] are scenarios that say which of them they prove ([`Scenario::proves`]). They ask for
//! nothing but what the RFCs decide, create what they need under names of their own and delete it
//! afterwards. What a server says that it does not support is skipped, not blamed, and that it accepts
//! more than it must is not looked at unless asked for: [`ConformanceCheck::with_modes`].
//!
//! Both lie in the folder `conformance` of this crate. What our own server does where the RFCs leave
//! it open is in the folder `protocol` beside it.

mod causes;
mod report;
mod run;

pub use causes::{Cause, SectionCounts};
pub use report::{
    CaseCounts, ConformanceReport, Counts, Finding, RequirementResult, SkippedCase, Verdict,
};
pub use run::{ConformanceCheck, ConformanceError};
use serde::Deserialize;

use crate::replay::{self, Scenario};

/// The files of the folder `conformance`.
const CASES: &[&str] = &[
    include_str!("../conformance/bulk.json"),
    include_str!("../conformance/create.json"),
    include_str!("../conformance/cursor.json"),
    include_str!("../conformance/delete.json"),
    include_str!("../conformance/discovery.json"),
    include_str!("../conformance/errors.json"),
    include_str!("../conformance/filter.json"),
    include_str!("../conformance/flow.json"),
    include_str!("../conformance/list.json"),
    include_str!("../conformance/media.json"),
    include_str!("../conformance/patch.json"),
    include_str!("../conformance/read.json"),
    include_str!("../conformance/replace.json"),
    include_str!("../conformance/search.json"),
    include_str!("../conformance/sort.json"),
    include_str!("../conformance/strict.json"),
    include_str!("../conformance/versions.json"),
];

/// One thing that the RFCs ask of a service provider.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Requirement {
    /// Its name: RFC, section and number, such as `7644-3.6-01`.
    pub id: String,
    /// How much the RFC wants it.
    pub level: RequirementLevel,
    /// Why it is neither tested nor kept by this workspace.
    #[serde(default)]
    pub reason: Option<String>,
    /// What is asked, in our words.
    pub requirement: String,
    /// RFC and section, such as `7644-3.6`.
    pub section: String,
    /// The tests of this workspace that prove it beside the scenarios: a file below `crates`, and
    /// the name of a test or check in it.
    #[serde(default)]
    pub tests: Vec<String>,
}

impl Requirement {
    /// Where it stands, in words: `RFC 7644 section 3.6`.
    #[must_use]
    pub fn place(&self) -> String {
        match self.section.split_once('-') {
            Some((rfc, section)) => format!("RFC {rfc} section {section}"),
            None => self.section.clone(),
        }
    }
}

/// How much an RFC wants something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum RequirementLevel {
    /// It is recommended.
    Should,
    /// It is required, or breaking it breaks interoperation.
    Must,
}

impl RequirementLevel {
    /// The level as the RFCs write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RequirementLevel::Must => "MUST",
            RequirementLevel::Should => "SHOULD",
        }
    }
}

/// The cases that hold for every server. Those of mode [`Rfc`](replay::Mode::Rfc) want a refusal that a
/// lenient server may do without.
///
/// # Errors
/// [`replay::Error::Scenario`] for a file that holds something else; a test keeps that from happening.
///
/// # Example
/// ```
/// let cases = scimkit_testkit::conformance::cases()?;
/// assert!(cases.iter().all(|case| !case.proves.is_empty()));
/// # Ok::<(), scimkit_testkit::replay::Error>(())
/// ```
pub fn cases() -> Result<Vec<Scenario>, replay::Error> {
    let mut cases = Vec::new();
    for text in CASES {
        cases.extend(Scenario::list_from_json(text)?);
    }
    Ok(cases)
}

/// What the RFCs ask of a service provider, in the order of their sections.
///
/// # Errors
/// [`replay::Error::Scenario`] for a line that is none; a test keeps that from happening.
pub fn requirements() -> Result<Vec<Requirement>, replay::Error> {
    let lines = include_str!("../conformance/requirements.jsonl").lines();
    let read = |line| {
        serde_json::from_str(line).map_err(|source| replay::Error::Scenario { file: None, source })
    };
    lines.map(read).collect()
}
