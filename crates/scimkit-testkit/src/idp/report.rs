//! What a simulation found.

use std::fmt;

use serde_json::{Value, json};

use crate::escape_invisible;

/// The result of a [`Simulation`](super::Simulation).
///
/// As text, it has one line per round, followed by a line per divergence. Characters that could control a terminal are
/// [escaped](crate::escape_invisible).
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SimulationReport {
    /// The rounds in order.
    pub rounds: Vec<Round>,
    /// Whether the simulation was stopped before its end.
    pub stopped: bool,
}

/// One cycle of the identity provider, and the comparison after it.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Round {
    /// The kind of the cycle: `initial`, `incremental` or `restart`.
    pub cycle: &'static str,
    /// The first divergences, at most [`Round::MOST_DIVERGENCES`].
    pub divergences: Vec<Divergence>,
    /// The groups that the identity provider has provisioned.
    pub groups: usize,
    /// The requests or answers that were lost on purpose.
    pub lost: u64,
    /// The number of divergences that are not in the list.
    pub more: usize,
    /// The number of the round, from 1.
    pub number: u32,
    /// Whether the identity provider gave up because most tasks failed.
    pub quarantined: bool,
    /// Repetitions after a lost answer, a status of 429 or a status of 500 and above.
    pub repeated: u64,
    /// The requests that were sent.
    pub requests: u64,
    /// Answers with a status of 429 or 503.
    pub throttled: u64,
    /// The users that the identity provider has provisioned.
    pub users: usize,
}

/// A difference between the server and what the identity provider has sent.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Divergence {
    /// The attribute, if it is about one.
    pub attribute: Option<String>,
    /// What the identity provider has sent; null for no value.
    pub expected: Value,
    /// What the server has; null for no value.
    pub found: Value,
    /// The id that the server assigned, if known.
    pub id: Option<String>,
    /// The kind of the difference.
    pub kind: DivergenceKind,
    /// The resource, such as `user "kim@s7.idp.example"`.
    pub resource: String,
}

/// The kind of a [`Divergence`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DivergenceKind {
    /// An attribute has another value.
    Attribute,
    /// Two users have the same user name, if case is ignored.
    Duplicate,
    /// A resource that the identity provider has deleted, or has not created.
    Extra,
    /// A list has a resource twice.
    ListedTwice,
    /// A group has other members.
    Membership,
    /// A resource does not exist.
    Missing,
    /// The server rejected a request, or did not answer it.
    Rejected,
    /// A resource exists, but the list lacks it.
    Unlisted,
}

impl SimulationReport {
    /// Returns the listed divergences of all rounds.
    pub fn divergences(&self) -> impl Iterator<Item = &Divergence> {
        self.rounds.iter().flat_map(|round| &round.divergences)
    }

    /// Returns whether all rounds were run without a divergence.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.stopped && !self.rounds.is_empty() && self.rounds.iter().all(Round::holds)
    }

    /// Returns the numbers of rounds, requests and divergences in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let found = |round: &Round| round.divergences.len() + round.more;
        let divergences: usize = self.rounds.iter().map(found).sum();
        let requests: u64 = self.rounds.iter().map(|round| round.requests).sum();
        let rounds = self.rounds.len();
        let end = if self.stopped {
            ", stopped before the end"
        } else {
            ""
        };
        format!("{rounds} rounds, {requests} requests, {divergences} divergences{end}")
    }

    /// Returns the report as JSON, with names in camel case.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "holds": self.holds(),
            "rounds": self.rounds.iter().map(Round::to_json).collect::<Vec<_>>(),
            "stopped": self.stopped,
        })
    }
}

impl Round {
    /// The maximum number of divergences that a round lists.
    pub const MOST_DIVERGENCES: usize = 1_000;

    fn holds(&self) -> bool {
        self.divergences.is_empty() && !self.quarantined
    }

    pub(super) fn push(&mut self, divergence: Divergence) {
        if self.divergences.len() < Round::MOST_DIVERGENCES {
            self.divergences.push(divergence);
        } else {
            self.more += 1;
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "cycle": self.cycle,
            "divergences": self.divergences.iter().map(Divergence::to_json).collect::<Vec<_>>(),
            "groups": self.groups,
            "lost": self.lost,
            "moreDivergences": self.more,
            "quarantined": self.quarantined,
            "repeated": self.repeated,
            "requests": self.requests,
            "round": self.number,
            "throttled": self.throttled,
            "users": self.users,
        })
    }
}

impl Divergence {
    fn to_json(&self) -> Value {
        json!({
            "attribute": self.attribute,
            "expected": self.expected,
            "found": self.found,
            "id": self.id,
            "kind": self.kind.as_str(),
            "resource": self.resource,
        })
    }
}

impl DivergenceKind {
    /// Returns the name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DivergenceKind::Attribute => "attribute",
            DivergenceKind::Duplicate => "duplicate",
            DivergenceKind::Extra => "extra",
            DivergenceKind::ListedTwice => "listed twice",
            DivergenceKind::Membership => "membership",
            DivergenceKind::Missing => "missing",
            DivergenceKind::Rejected => "rejected",
            DivergenceKind::Unlisted => "unlisted",
        }
    }
}

impl fmt::Display for SimulationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for round in &self.rounds {
            writeln!(f, "{round}")?;
        }
        f.write_str(&self.summary())
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.holds() { "ok  " } else { "FAIL" };
        write!(
            f,
            "{verdict} round {}, {}: {} users, {} groups, {} requests, {} lost, {} repeated, {} throttled",
            self.number,
            self.cycle,
            self.users,
            self.groups,
            self.requests,
            self.lost,
            self.repeated,
            self.throttled,
        )?;
        if self.quarantined {
            write!(f, ", quarantined")?;
        }
        for divergence in &self.divergences {
            write!(f, "\n  {divergence}")?;
        }
        if self.more > 0 {
            write!(f, "\n  and {} more", self.more)?;
        }
        Ok(())
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Divergence {
            expected, found, ..
        } = self;
        let mut text = format!("{}: {}", self.kind.as_str(), self.resource);
        if let Some(id) = &self.id {
            text.push_str(&format!(" ({id})"));
        }
        if let Some(attribute) = &self.attribute {
            text.push_str(&format!(", {attribute}"));
        }
        text.push_str(&format!(": expected {expected}, found {found}"));
        f.write_str(&escape_invisible(&text))
    }
}
