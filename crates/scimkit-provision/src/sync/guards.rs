//! Guards: limits beyond which a run is blocked before it changes anything.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::counts::{ConnectionCounts, GroupLoss};

/// The limits of the guards for one connection.
///
/// # Example
/// ```
/// use scimkit_provision::sync::GuardLimits;
///
/// let limits = GuardLimits::default();
/// assert_eq!((limits.archived_percent, limits.archived_base, limits.archived_most), (20, 100, 500));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GuardLimits {
    /// The number of active users that the run may archive, from which on `archived_percent` applies: 100.
    pub archived_base: u64,
    /// The maximum number of archived and removed users: 500.
    pub archived_most: u64,
    /// The maximum share of archived and removed users among the active users that the run may archive: 20 %.
    pub archived_percent: u8,
    /// The maximum number of derived groups: 1,000.
    pub derived_groups_most: u64,
    /// The number of members of a group from which on `members_lost_percent` applies: 20.
    pub members_base: u64,
    /// The maximum share of members that a group may lose: 50 %.
    pub members_lost_percent: u8,
    /// The number of users in the provisioned state of the last run from which on `shrunk_percent` applies: 10.
    pub shrunk_base: u64,
    /// The maximum share of users that the provisioned state may have lost since the last run: 50 %.
    pub shrunk_percent: u8,
}

impl Default for GuardLimits {
    fn default() -> Self {
        GuardLimits {
            archived_base: 100,
            archived_most: 500,
            archived_percent: 20,
            derived_groups_most: 1_000,
            members_base: 20,
            members_lost_percent: 50,
            shrunk_base: 10,
            shrunk_percent: 50,
        }
    }
}

/// What the guards compare a plan with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the figures of a run, by name")]
pub struct GuardBase {
    /// The number of active users that a full run may archive; for an incremental run, that of the last full one.
    pub archivable: u64,
    /// The number of users in the provisioned state now.
    pub state_users: u64,
    /// The number of users in the provisioned state at the last run; none before the first one.
    pub last_state_users: Option<u64>,
}

/// A guard that blocks a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TrippedGuard {
    /// More users would be archived or removed than [`GuardLimits::archived_most`].
    ArchivedMost {
        /// The number of archived users.
        archived: u64,
    },
    /// A larger share of users would be archived or removed than [`GuardLimits::archived_percent`].
    ArchivedPercent {
        /// The number of archived users.
        archived: u64,
        /// The number of active users that the run may archive.
        base: u64,
    },
    /// There would be more derived groups than [`GuardLimits::derived_groups_most`].
    DerivedGroups {
        /// The number of derived groups.
        groups: u64,
    },
    /// The provisioned state has no users, and the run would archive or remove users.
    EmptyState,
    /// A group would lose a larger share of its members than [`GuardLimits::members_lost_percent`].
    MembersLost(GroupLoss),
    /// The provisioned state has lost a larger share of its users than [`GuardLimits::shrunk_percent`].
    Shrunk {
        /// The number at the last run.
        before: u64,
        /// The number now.
        now: u64,
    },
}

impl fmt::Display for TrippedGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrippedGuard::ArchivedMost { archived } => {
                write!(f, "{archived} users would be archived")
            }
            TrippedGuard::ArchivedPercent { archived, base } => {
                write!(f, "{archived} of {base} users would be archived")
            }
            TrippedGuard::DerivedGroups { groups } => {
                write!(f, "there would be {groups} derived groups")
            }
            TrippedGuard::EmptyState => f.write_str("the provisioned state has no users"),
            TrippedGuard::MembersLost(loss) => write!(
                f,
                "group `{}` would lose {} of {} members",
                loss.name, loss.lost, loss.members
            ),
            TrippedGuard::Shrunk { before, now } => {
                write!(f, "the provisioned state has {now} users after {before}")
            }
        }
    }
}

impl GuardLimits {
    /// Returns the guards that block a run with these counts.
    ///
    /// # Example
    /// ```
    /// use scimkit_provision::sync::{ConnectionCounts, GuardBase, GuardLimits};
    ///
    /// let mut counts = ConnectionCounts::default();
    /// counts.users.archived = 21;
    /// let base = GuardBase { archivable: 100, state_users: 79, last_state_users: Some(100) };
    /// let tripped = GuardLimits::default().check(&counts, base);
    /// assert_eq!(tripped[0].to_string(), "21 of 100 users would be archived");
    /// counts.users.archived = 20;
    /// assert!(GuardLimits::default().check(&counts, base).is_empty());
    /// ```
    #[must_use]
    pub fn check(&self, counts: &ConnectionCounts, base: GuardBase) -> Vec<TrippedGuard> {
        let mut tripped = Vec::new();
        let archived = counts.users.archived;
        let archivable = base.archivable;
        if archivable >= self.archived_base && exceeds(archived, archivable, self.archived_percent)
        {
            tripped.push(TrippedGuard::ArchivedPercent {
                archived,
                base: archivable,
            });
        }
        if archived > self.archived_most {
            tripped.push(TrippedGuard::ArchivedMost { archived });
        }
        if archived > 0 && base.state_users == 0 {
            tripped.push(TrippedGuard::EmptyState);
        }
        if let Some(before) = base.last_state_users {
            let now = base.state_users;
            let lost = before.saturating_sub(now);
            if before >= self.shrunk_base && exceeds(lost, before, self.shrunk_percent) {
                tripped.push(TrippedGuard::Shrunk { before, now });
            }
        }
        if counts.derived_groups > self.derived_groups_most {
            let groups = counts.derived_groups;
            tripped.push(TrippedGuard::DerivedGroups { groups });
        }
        let losses = counts.losses.iter().cloned();
        tripped.extend(losses.map(TrippedGuard::MembersLost));
        tripped
    }

    /// Whether a group loses too many of its members.
    pub(super) fn is_loss(&self, lost: u64, members: u64) -> bool {
        members >= self.members_base && exceeds(lost, members, self.members_lost_percent)
    }
}

fn exceeds(part: u64, whole: u64, percent: u8) -> bool {
    u128::from(part) * 100 > u128::from(whole) * u128::from(percent)
}
