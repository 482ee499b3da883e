//! The optional features of a store, and the outcome of its checks.

use std::{fmt, sync::Arc};

use scimkit_mapping::Record;
use scimkit_registry::{Change, Resource, ResourceType, Tolerance};
use scimkit_store::Settings;
use serde_json::Value;

/// The optional features of a store under test.
///
/// Checks that need a missing feature are skipped, each with the reason. The capabilities of the store itself
/// ([`Capabilities`](scimkit_store::Capabilities)) need not be repeated here.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use scimkit_store::MemoryStore;
/// use scimkit_testkit::contract::{self, Subject};
///
/// let subject = Subject::default().without_tenants();
/// let report = contract::check_subject(&subject, || Arc::new(MemoryStore::new()), &contract::block_on);
/// assert!(report.is_success(), "{report}");
/// let skipped = report.skipped().find(|(check, _)| *check == "tenants_are_isolated");
/// assert_eq!(skipped.unwrap().1, "the store has one tenant");
/// ```
#[derive(Debug, Clone)]
pub struct Subject {
    filled_in: Vec<String>,
    settings: Arc<Settings>,
    soft_delete: bool,
    tenants: bool,
    unordered: Vec<String>,
}

impl Default for Subject {
    /// Describes a store of users and groups with all their attributes.
    fn default() -> Self {
        Subject::new(Settings::new("https://contract.test/v2"))
    }
}

impl Subject {
    /// Describes a store with these settings: with their resource types, and the attributes of their mapping.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Subject {
            filled_in: Vec::new(),
            settings: Arc::new(settings),
            soft_delete: true,
            tenants: true,
            unordered: Vec::new(),
        }
    }

    /// Declares that the store itself sets that attribute, such as `active`, if a request does not.
    #[must_use]
    pub fn with_filled_in(mut self, path: impl Into<String>) -> Self {
        self.filled_in.push(path.into());
        self
    }

    /// Declares that the store has no soft delete.
    #[must_use]
    pub fn without_soft_delete(mut self) -> Self {
        self.soft_delete = false;
        self
    }

    /// Declares that the store has a single tenant.
    #[must_use]
    pub fn without_tenants(mut self) -> Self {
        self.tenants = false;
        self
    }

    /// Declares that the store returns the values of that attribute, such as `emails`, in an order of its own.
    #[must_use]
    pub fn with_unordered(mut self, path: impl Into<String>) -> Self {
        self.unordered.push(path.into());
        self
    }

    pub(super) fn has_soft_delete(&self) -> bool {
        self.soft_delete
    }

    pub(super) fn has_tenants(&self) -> bool {
        self.tenants
    }

    pub(super) fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// Returns whether every attribute of every resource type is stored unchanged.
    pub(super) fn is_whole(&self) -> bool {
        self.settings.mapping().is_none() && self.filled_in.is_empty()
    }

    /// Returns the reason why the store does not support the change; `None` if it does.
    pub(super) fn lacks(&self, change: &Change) -> Option<String> {
        let kind = change.kind();
        if self.settings.registry.resource_type(kind.name()).is_none() {
            return Some(format!("the store has no {}s", kind.name()));
        }
        let described = self.settings.described().resource_type(kind.name())?;
        let written = change.assignments().iter().map(|(attr, _)| attr);
        let edges = change.edge_changes().iter().map(|edges| &edges.attr);
        for attr in written.chain(change.removals()).chain(edges) {
            let path = kind.attr(*attr).path();
            if described.attribute_id(path).is_none()
                || self.filled_in.iter().any(|own| own == path)
            {
                return Some(format!("the store has no attribute `{path}`"));
            }
        }
        let mut document = Resource::default();
        change.apply(&mut document);
        let kept = self.as_kept(kind, &document);
        let lost = change.assignments().iter().find(|(attr, _)| {
            document.get(kind, *attr).is_some() && kept.get(kind, *attr).is_none()
        });
        lost.map(|(attr, _)| {
            format!(
                "the store does not support this value of `{}`",
                kind.attr(*attr).path()
            )
        })
    }

    /// Returns the document as the store returns it: after its mapping, without the attributes that it fills in, and with
    /// values without an order sorted.
    pub(super) fn as_kept(&self, kind: &Arc<ResourceType>, document: &Resource) -> Resource {
        let rules = self
            .settings
            .mapping()
            .and_then(|m| m.for_type(kind.name()));
        let mapped = rules.and_then(|rules| {
            let record: Record = rules.to_record(document).ok()?;
            rules.to_resource(&record, Resource::default()).ok()
        });
        let mut kept = mapped.unwrap_or_else(|| document.clone());
        for path in &self.filled_in {
            if let Some(attr) = kind.attribute_id(path) {
                let mut without = Change::empty(Arc::clone(kind));
                without.difference(attr, Some(&Value::Null), None);
                without.apply(&mut kept);
            }
        }
        for path in &self.unordered {
            let attr = kind.attribute_id(path);
            let list =
                attr.and_then(|attr| Some((attr, kept.get(kind, attr)?.as_array()?.clone())));
            if let Some((attr, mut list)) = list {
                list.sort_by_cached_key(Value::to_string);
                // Like every value that is read from elsewhere.
                let list = kind.admit_value(attr, Value::Array(list), &Tolerance::STRICT);
                if let Ok(Some(list)) = list {
                    kept.set(kind, attr, list);
                }
            }
        }
        kept
    }
}

/// The outcome of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckOutcome {
    /// The store breaks the rule. The text describes the fault.
    Failed(String),
    /// The rule holds.
    Passed,
    /// The rule was not checked. The text names what the store lacks.
    Skipped(String),
}

/// The outcomes of all checks, in order.
#[derive(Debug, Clone)]
pub struct ContractReport {
    pub(super) outcomes: Vec<(&'static str, CheckOutcome)>,
}

impl ContractReport {
    /// Returns the rules that the store breaks, each with the fault.
    pub fn failed(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.outcomes
            .iter()
            .filter_map(|(name, outcome)| match outcome {
                CheckOutcome::Failed(problem) => Some((*name, problem.as_str())),
                _ => None,
            })
    }

    /// Returns the number of rules that hold.
    #[must_use]
    pub fn passed(&self) -> usize {
        let passed = |(_, outcome): &&(_, CheckOutcome)| *outcome == CheckOutcome::Passed;
        self.outcomes.iter().filter(passed).count()
    }

    /// Returns the rules that were not checked, each with the reason.
    pub fn skipped(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.outcomes
            .iter()
            .filter_map(|(name, outcome)| match outcome {
                CheckOutcome::Skipped(reason) => Some((*name, reason.as_str())),
                _ => None,
            })
    }

    /// Returns whether no check failed and at least one passed.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.failed().next().is_none() && self.passed() > 0
    }
}

/// One line per check that failed or was skipped, and a line with the counts.
impl fmt::Display for ContractReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, problem) in self.failed() {
            writeln!(f, "failed  {name}: {problem}")?;
        }
        for (name, reason) in self.skipped() {
            writeln!(f, "skipped {name}: {reason}")?;
        }
        let failed = self.failed().count();
        let skipped = self.skipped().count();
        write!(
            f,
            "{} passed, {failed} failed, {skipped} skipped",
            self.passed()
        )
    }
}
