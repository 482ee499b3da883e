//! Staged provisioning: compares what identity providers have sent with a directory, and plans the steps that make the
//! directory agree.
//!
//! Requests of identity providers act on the *provisioned state*, a store of its own. A [`plan`] is a pure function of
//! this state, the directory, the [links](Link) between them, the [settings](PlanSettings) and the [`Exemptions`]. So
//! an administrator can read what a run would do before it does anything, and [guards](GuardLimits) can block it.
//!
//! - [`plan`]: the steps, their counts and their hash
//! - [`DeliveredFields`]: the attribute mapping of a connection as the fields that it delivers
//! - [`Exemptions`]: users that no run changes, as CSV
//! - [`GuardLimits`]: limits beyond which a run is blocked
//! - [`ReportWriter`]: a plan as table, JSON, CSV or page; [`PlanComparison`]: the difference of two plans

mod applying;
mod backup;
mod compare;
mod counts;
mod delivery_rules;
mod directory;
mod entry;
mod exemptions;
mod fields;
mod formula;
mod guards;
mod link;
mod plan;
mod reading;
mod report;
mod restricting;
mod rules;
mod run;
mod run_store;
mod runner;
mod schedule;
mod state;
mod step;
mod store_directory;
mod words;

pub use scimkit_store::OnDelete;

pub use self::{
    compare::{PlanComparison, SettleTimes},
    counts::{CategoryCounts, ConnectionCounts, GroupLoss, MembershipCounts, SeatForecast},
    directory::{Directory, DirectoryChange, DirectoryError, StepId},
    entry::{DirectoryGroup, DirectoryUser},
    exemptions::{
        ExemptionChanges, ExemptionFile, ExemptionFileError, ExemptionRow, Exemptions, LineProblem,
    },
    fields::{DeliveredFields, Difference},
    guards::{GuardBase, GuardLimits, TrippedGuard},
    link::{Link, LinkEdit, LinkSource},
    plan::{ExemptionBinding, Plan, PlanInput, plan},
    report::{ReportFormat, ReportSummary, ReportWriter, UnknownFormat},
    rules::{Absence, ConnectionRules, GroupSource, PlanScope, PlanSettings, WithheldReason},
    run::{Run, RunId, RunState},
    run_store::RunStore,
    runner::{SyncRunner, SyncStore},
    state::{StateGroup, StateUser},
    step::{
        Action, Category, MemberChange, Named, PlanHash, PlanHasher, Reason, Step, StepKey,
        StepSource, StepSubject,
    },
    store_directory::StoreDirectory,
};
