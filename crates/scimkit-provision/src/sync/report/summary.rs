//! The head of a report.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use scimkit_store::ConnectionId;
use serde::{Deserialize, Serialize};

use crate::sync::{
    counts::{ConnectionCounts, SeatForecast},
    guards::TrippedGuard,
    plan::Plan,
    rules::{Absence, PlanScope, PlanSettings, WithheldReason},
    step::{Category, Step},
    words::as_time,
};

/// What a report says about a plan as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReportSummary {
    /// The guards that block the run, by connection.
    pub blocked: BTreeMap<String, Vec<TrippedGuard>>,
    /// The counts by connection.
    pub connections: BTreeMap<String, ConnectionCounts>,
    /// The hash of the plan, in hexadecimal.
    pub hash: String,
    /// The time of the plan.
    #[serde(with = "as_time")]
    pub planned: DateTime<Utc>,
    /// What the plan compares. An incremental one sees no local edits.
    pub scope: PlanScope,
    /// The seats, if the directory limits them.
    pub seats: Option<SeatForecast>,
    /// The title.
    pub title: String,
    /// The reason why a connection archives no users that were never sent.
    pub withheld: BTreeMap<String, WithheldReason>,
}

impl ReportSummary {
    /// Summarises a plan.
    #[must_use]
    pub fn new(title: &str, plan: &Plan, settings: &PlanSettings, planned: DateTime<Utc>) -> Self {
        let counts = plan.counts.iter();
        let rules = settings.connections.iter();
        let withheld = rules.filter_map(|(connection, rules)| match rules.absence {
            Absence::Withhold(reason) => Some((connection.to_string(), reason)),
            Absence::Archive | Absence::NotAuthoritative => None,
        });
        ReportSummary {
            blocked: BTreeMap::new(),
            connections: counts
                .map(|(connection, counts)| (connection.to_string(), counts.clone()))
                .collect(),
            hash: plan.hash.to_string(),
            planned,
            scope: settings.scope,
            seats: plan.seats.clone(),
            title: title.to_owned(),
            withheld: withheld.collect(),
        }
    }

    /// Adds the guards that block the run because of a connection.
    #[must_use]
    pub fn with_blocked(mut self, connection: &ConnectionId, guards: Vec<TrippedGuard>) -> Self {
        if !guards.is_empty() {
            self.blocked.insert(connection.to_string(), guards);
        }
        self
    }

    /// Counts the steps again, some of which the directory has rejected.
    pub(crate) fn recount(&mut self, steps: &[Step]) {
        for counts in self.connections.values_mut() {
            counts.forget_steps();
        }
        for step in steps {
            if step.category != Category::Unchanged
                && let Some(counts) = self.connections.get_mut(step.connection.as_str())
            {
                counts.add_step(step);
            }
        }
    }

    /// Returns the sentences above the steps, as plain text.
    pub(super) fn sentences(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        for (connection, guards) in &self.blocked {
            let guards = guards.iter();
            sentences.extend(guards.map(|guard| format!("Blocked by {connection}: {guard}.")));
        }
        if self.scope == PlanScope::Incremental {
            let text = "Incremental: only what the identity provider has changed. Local edits are not seen.";
            sentences.push(text.to_owned());
        }
        if let Some(seats) = &self.seats {
            sentences.push(format!(
                "Seats: {} of {} now, {} after, {} users rejected.",
                seats.active,
                seats.capacity,
                seats.forecast,
                seats.rejected.len()
            ));
        }
        for (connection, reason) in &self.withheld {
            let number = self
                .connections
                .get(connection)
                .map_or(0, |counts| counts.withheld);
            if number > 0 {
                sentences.push(format!(
                    "{connection}: {number} users were never sent, and are not archived in this run, since {reason}."
                ));
            }
        }
        sentences
    }
}
