//! The counts of a plan.

use serde::{Deserialize, Serialize};

use super::step::{Category, MemberChange, Named, Step, StepSubject};

/// The counts of a plan for one connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConnectionCounts {
    /// The number of active users of the directory that the run may archive: those of this connection, and for an
    /// authoritative one those of no connection, without exempt and protected ones. Incremental plans don't know it.
    pub archivable: u64,
    /// The number of groups that are derived from users.
    pub derived_groups: u64,
    /// The groups.
    pub groups: CategoryCounts,
    /// The groups that lose more members than the [limit](super::GuardLimits::members_lost_percent).
    pub losses: Vec<GroupLoss>,
    /// The memberships.
    pub memberships: MembershipCounts,
    /// The number of users in the provisioned state, inactive ones included.
    pub state_users: u64,
    /// The users.
    pub users: CategoryCounts,
    /// The number of users that were never sent and are not archived in this run:
    /// [`Absence::Withhold`](super::Absence::Withhold).
    pub withheld: u64,
}

/// A number for each category.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "one field for each category")]
pub struct CategoryCounts {
    /// [`Category::Created`].
    pub created: u64,
    /// [`Category::Changed`].
    pub changed: u64,
    /// [`Category::Archived`].
    pub archived: u64,
    /// [`Category::Restored`].
    pub restored: u64,
    /// [`Category::Rejected`].
    pub rejected: u64,
    /// [`Category::Exempt`].
    pub exempt: u64,
    /// [`Category::Unchanged`].
    pub unchanged: u64,
}

/// The numbers of memberships.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "the three numbers, by name")]
pub struct MembershipCounts {
    /// Members that are added.
    pub added: u64,
    /// Members that are removed.
    pub removed: u64,
    /// Members that stay.
    pub unchanged: u64,
}

/// A group that loses many of its members.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "the figures of a loss, by name")]
pub struct GroupLoss {
    /// The name of the group.
    pub name: String,
    /// The number of lost members.
    pub lost: u64,
    /// The number of members before.
    pub members: u64,
}

impl CategoryCounts {
    /// Returns the number of a category.
    #[must_use]
    pub fn of(&self, category: Category) -> u64 {
        match category {
            Category::Created => self.created,
            Category::Changed => self.changed,
            Category::Archived => self.archived,
            Category::Restored => self.restored,
            Category::Rejected => self.rejected,
            Category::Exempt => self.exempt,
            Category::Unchanged => self.unchanged,
        }
    }

    fn number(&mut self, category: Category) -> &mut u64 {
        match category {
            Category::Created => &mut self.created,
            Category::Changed => &mut self.changed,
            Category::Archived => &mut self.archived,
            Category::Restored => &mut self.restored,
            Category::Rejected => &mut self.rejected,
            Category::Exempt => &mut self.exempt,
            Category::Unchanged => &mut self.unchanged,
        }
    }
}

impl ConnectionCounts {
    /// Forgets the steps that were counted, and keeps what is unchanged.
    pub(super) fn forget_steps(&mut self) {
        let kept = |counts: CategoryCounts| CategoryCounts {
            unchanged: counts.unchanged,
            ..CategoryCounts::default()
        };
        self.users = kept(self.users);
        self.groups = kept(self.groups);
        self.memberships = MembershipCounts {
            unchanged: self.memberships.unchanged,
            ..MembershipCounts::default()
        };
    }

    /// Counts a step.
    pub(super) fn add_step(&mut self, step: &Step) {
        match step.key.subject {
            StepSubject::User => *self.users.number(step.category) += 1,
            StepSubject::Group => *self.groups.number(step.category) += 1,
            StepSubject::Membership => {
                for change in &step.members {
                    match change {
                        MemberChange::Add { .. } => self.memberships.added += 1,
                        MemberChange::Remove(_) => self.memberships.removed += 1,
                    }
                }
            }
        }
    }
}

/// The seats of a directory before and after a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SeatForecast {
    /// The number of active users before.
    pub active: u64,
    /// The number of active users that the directory can have.
    pub capacity: u64,
    /// The number of active users after.
    pub forecast: u64,
    /// The users that get no seat.
    pub rejected: Vec<Named>,
}
