//! The record of a run.

use std::{collections::BTreeSet, fmt, str::FromStr};

use chrono::{DateTime, Utc};
use scimkit_store::ConnectionId;
use serde::{Deserialize, Serialize};

use super::{
    report::ReportSummary,
    rules::PlanScope,
    words::{as_optional_time, as_time},
};

/// The number of a run, unique in its tenant and increasing.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct RunId(pub(super) u64);

impl RunId {
    /// Returns the id with a number.
    #[must_use]
    pub fn new(number: u64) -> Self {
        RunId(number)
    }

    /// Returns the number.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(RunId)
    }
}

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "every state of a run is visible")]
pub enum RunState {
    /// Its steps are carried out.
    Applying,
    /// A guard blocks it: nothing was changed, and a person can approve its plan or reject it.
    Blocked,
    /// Its steps were carried out, or reported as rejected.
    Completed,
    /// It ended early, since the store or the directory could not be used.
    Failed,
    /// A person has asked for it.
    Pending,
    /// Its plan is being made.
    Planning,
    /// It was not due: a later run covers what it would have delivered.
    Skipped,
    /// It ended with its report, in test mode.
    Test,
}

impl RunState {
    /// Returns the word for the state.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RunState::Applying => "applying",
            RunState::Blocked => "blocked",
            RunState::Completed => "completed",
            RunState::Failed => "failed",
            RunState::Pending => "pending",
            RunState::Planning => "planning",
            RunState::Skipped => "skipped",
            RunState::Test => "test",
        }
    }

    /// Whether the run has not ended.
    #[must_use]
    pub fn is_active(self) -> bool {
        matches!(
            self,
            RunState::Applying | RunState::Pending | RunState::Planning
        )
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A run: one comparison of the provisioned state with the directory, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Run {
    /// The hash of the plan that a person has approved, in hexadecimal: the run applies that plan or none.
    pub approved_hash: Option<String>,
    /// The people and programs that have asked for the run.
    pub asked_by: BTreeSet<String>,
    /// The connections that the run covers.
    pub connections: BTreeSet<String>,
    /// The time of its end.
    #[serde(with = "as_optional_time")]
    pub ended: Option<DateTime<Utc>>,
    /// The id.
    pub id: RunId,
    /// Whether it ends with its report.
    pub is_test: bool,
    /// The number of the last change that it covers.
    pub journal_to: u64,
    /// Why it was skipped, was blocked or failed.
    pub reason: Option<String>,
    /// The person that has rejected its plan.
    pub rejected_by: Option<String>,
    /// What it compares.
    pub scope: PlanScope,
    /// The time of its start, or of the request for it.
    #[serde(with = "as_time")]
    pub started: DateTime<Utc>,
    /// The state.
    pub state: RunState,
    /// The number of its steps.
    pub steps: u64,
    /// The counts of its plan, once it is made.
    pub summary: Option<ReportSummary>,
}

impl Run {
    pub(super) fn new(id: RunId, state: RunState, scope: PlanScope, at: DateTime<Utc>) -> Self {
        Run {
            approved_hash: None,
            asked_by: BTreeSet::new(),
            connections: BTreeSet::new(),
            ended: None,
            id,
            is_test: false,
            journal_to: 0,
            reason: None,
            rejected_by: None,
            scope,
            started: at,
            state,
            steps: 0,
            summary: None,
        }
    }

    /// Returns the number of users of a connection in the provisioned state, if the plan was made.
    pub(super) fn state_users(&self, connection: &ConnectionId) -> Option<u64> {
        let summary = self.summary.as_ref()?;
        let counts = summary.connections.get(connection.as_str())?;
        Some(counts.state_users)
    }
}
