//! The requirements of the RFCs for a service provider, checked over HTTP against any server.
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
//! A [`Requirement`] is a sentence of the SCIM RFCs in our own words: see [`requirements`]. The [`cases`] are
//! scenarios, each with the requirements that it proves ([`Scenario::proves`]). They test only what the RFCs specify,
//! create what they need under names of their own, and delete it afterwards. If a server declares that it does not
//! support a feature, the cases of the feature are skipped. By default, a server may accept more than the RFCs require:
//! see [`ConformanceCheck::with_modes`].
//!
//! Both are in the folder `conformance` of this crate. The folder `protocol` has the tests of this workspace's server
//! for what the RFCs leave open.

mod causes;
mod report;
mod run;

pub use causes::{FailureCause, SectionCounts};
pub use report::{
    CaseCounts, ConformanceReport, Finding, RequirementCounts, RequirementResult,
    RequirementVerdict, SkippedCase,
};
pub use run::{ConformanceCheck, ConformanceError};
use serde::Deserialize;

use crate::replay::{self, Scenario};

/// The files in the folder `conformance`.
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

/// One requirement of the RFCs for a service provider.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Requirement {
    /// The name, from RFC, section and number: `7644-3.6-01`.
    pub id: String,
    /// The requirement level.
    pub level: RequirementLevel,
    /// The reason why this workspace neither tests nor meets the requirement.
    #[serde(default)]
    pub reason: Option<String>,
    /// The requirement in our own words.
    pub requirement: String,
    /// The RFC and section: `7644-3.6`.
    pub section: String,
    /// The tests of this workspace that prove the requirement in addition to the scenarios: a file below `crates`, and
    /// the name of a test or check in it.
    #[serde(default)]
    pub tests: Vec<String>,
}

impl Requirement {
    /// Returns the RFC and section in words: `RFC 7644 section 3.6`.
    #[must_use]
    pub fn place(&self) -> String {
        match self.section.split_once('-') {
            Some((rfc, section)) => format!("RFC {rfc} section {section}"),
            None => self.section.clone(),
        }
    }
}

/// The level of a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum RequirementLevel {
    /// Recommended.
    Should,
    /// Required, or necessary for interoperation.
    Must,
}

impl RequirementLevel {
    /// Returns the level in the spelling of the RFCs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RequirementLevel::Must => "MUST",
            RequirementLevel::Should => "SHOULD",
        }
    }
}

/// Returns the cases for every server. Those of mode [`Rfc`](replay::Mode::Rfc) expect an error where a lenient server
/// may accept the request.
///
/// # Errors
/// [`replay::Error::Scenario`] if a file has other contents, which a test prevents.
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

/// Returns the requirements of the RFCs for a service provider, in the order of their sections.
///
/// # Errors
/// [`replay::Error::Scenario`] if a line is not a requirement, which a test prevents.
pub fn requirements() -> Result<Vec<Requirement>, replay::Error> {
    let lines = include_str!("../conformance/requirements.jsonl").lines();
    let read = |line| {
        serde_json::from_str(line).map_err(|source| replay::Error::Scenario { file: None, source })
    };
    lines.map(read).collect()
}
