//! Events, and the questions that an application asks about them.

use scimkit_registry::ResourceId;
use scimkit_store::{
    AttributeChange, DetailsError, JournalAction, JournalDetails, JournalEntry, JournalPosition,
    JournalSubject, RecordedValue, ResourceRef, TenantId,
};
use serde_json::Value;

/// A committed change of a tenant, or a gap in its journal.
///
/// - The questions about users and groups concern the resource types `User` and `Group`. They compare the meaning of
///   the change, not the request: a user may be deactivated by `PUT`, `PATCH`, in a bulk request, or by a create that
///   takes it over.
/// - [`before`](Event::before) and [`after`](Event::after) return the values of changed attributes alone. Read the
///   resource from the store for its other attributes; it may have changed again since.
/// - A gap has no change: each question returns `None` for it. A consumer that must not miss a change processes the
///   current state of the tenant then.
///
/// # Example
/// ```
/// use scimkit_provision::events::Event;
///
/// fn describe(event: &Event) -> String {
///     if event.gap().is_some() {
///         return format!("compare all users of {}", event.tenant());
///     }
///     if let Some(user) = event.user_lost_access() {
///         return format!("end the sessions of {user}");
///     }
///     for member in event.member_added() {
///         return format!("{member} has a new role");
///     }
///     String::new()
/// }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    content: Content,
    tenant: TenantId,
}

#[derive(Debug, Clone, PartialEq)]
enum Content {
    Change {
        details: JournalDetails,
        entry: Box<JournalEntry>,
    },
    Gap(EventGap),
}

/// Changes that a consumer can't get from the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventGap {
    /// The number of the last change before the gap.
    pub after: u64,
    /// The reason.
    pub reason: GapReason,
    /// The changed resource; `None` if all resources of the tenant may have changed.
    pub resource: Option<ResourceRef>,
    /// The number of the last change in the gap.
    pub up_to: u64,
}

/// The reason for a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GapReason {
    /// The changes were trimmed, or not recorded: the journal was off, or the tenant was imported.
    Missing,
    /// The change is recorded, but its values are not: the journal had the level
    /// [`Notice`](scimkit_store::JournalLevel::Notice), masked whether the user is active, or the details were
    /// blanked.
    WithoutValues,
}

/// Whether an attribute changed, and to which value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activity {
    /// The user is active, and was not, or the reverse.
    Changed { is_active: bool },
    /// It did not change.
    Same,
    /// The values are not recorded.
    Unknown,
}

impl Event {
    pub(crate) fn change(tenant: TenantId, entry: JournalEntry) -> Result<Self, DetailsError> {
        let details = entry.details()?.unwrap_or_default();
        let content = Content::Change {
            details,
            entry: Box::new(entry),
        };
        Ok(Event { content, tenant })
    }

    pub(super) fn missing(tenant: TenantId, after: u64, up_to: u64) -> Self {
        let gap = EventGap {
            after,
            reason: GapReason::Missing,
            resource: None,
            up_to,
        };
        let content = Content::Gap(gap);
        Event { content, tenant }
    }

    /// Replaces a change of a resource by a gap if its values are not recorded.
    pub(super) fn require_values(self) -> Self {
        let Some(entry) = self.entry() else {
            return self;
        };
        let JournalSubject::Resource { id, kind } = &entry.subject else {
            return self;
        };
        let is_unrecorded = |change: &AttributeChange| change.after == RecordedValue::NotRecorded;
        let is_complete = match entry.action {
            JournalAction::Deleted | JournalAction::SoftDeleted => true,
            _ if entry.body.is_none() => false,
            _ if self.activity() == Activity::Unknown => false,
            _ => !self.attributes().iter().any(is_unrecorded),
        };
        if is_complete {
            return self;
        }
        let gap = EventGap {
            after: entry.number.saturating_sub(1),
            reason: GapReason::WithoutValues,
            resource: Some(ResourceRef {
                kind: kind.to_string(),
                id: id.clone(),
            }),
            up_to: entry.number,
        };
        Event {
            content: Content::Gap(gap),
            tenant: self.tenant,
        }
    }

    /// Returns the tenant.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Returns the gap; `None` for a change.
    #[must_use]
    pub fn gap(&self) -> Option<&EventGap> {
        match &self.content {
            Content::Change { .. } => None,
            Content::Gap(gap) => Some(gap),
        }
    }

    /// Returns the entry of the journal: time, cause, action and subject of the change; `None` for a gap.
    ///
    /// The subject may also be a connection, a token or the tenant.
    #[must_use]
    pub fn entry(&self) -> Option<&JournalEntry> {
        match &self.content {
            Content::Change { entry, .. } => Some(entry),
            Content::Gap(_) => None,
        }
    }

    /// Returns the changed attributes and members; `None` for a gap.
    #[must_use]
    pub fn details(&self) -> Option<&JournalDetails> {
        match &self.content {
            Content::Change { details, .. } => Some(details),
            Content::Gap(_) => None,
        }
    }

    /// Returns the position in the tenant's journal, which is the same if the event is delivered again.
    #[must_use]
    pub fn position(&self) -> JournalPosition {
        match &self.content {
            Content::Change { entry, .. } => entry.position(),
            Content::Gap(gap) => JournalPosition::end_of(gap.up_to),
        }
    }

    /// Returns the id of the changed user, if the change is one of a user.
    #[must_use]
    pub fn user(&self) -> Option<&ResourceId> {
        self.resource_of("User")
    }

    /// Returns the id of the changed group, if the change is one of a group.
    #[must_use]
    pub fn group(&self) -> Option<&ResourceId> {
        self.resource_of("Group")
    }

    fn resource_of(&self, wanted: &str) -> Option<&ResourceId> {
        match &self.entry()?.subject {
            JournalSubject::Resource { id, kind } if **kind == *wanted => Some(id),
            _ => None,
        }
    }

    /// Returns the action of a change, in its first part alone.
    ///
    /// The other parts about users and groups have further members of the same change, or groups that lose a deleted
    /// member.
    fn action(&self) -> Option<JournalAction> {
        let first = self.entry().filter(|entry| entry.part == 0);
        first.map(|entry| entry.action)
    }

    fn attributes(&self) -> &[AttributeChange] {
        self.details().map_or(&[], |details| &details.attributes)
    }

    /// Returns the id of a new user, active or not.
    ///
    /// A user that a create adopted or restored is not new.
    #[must_use]
    pub fn user_created(&self) -> Option<&ResourceId> {
        let is_created = self.action() == Some(JournalAction::Created);
        self.user().filter(|_| is_created)
    }

    /// Returns the id of an existing user whose attributes changed, or that has another owner, or that was soft-deleted
    /// and is back as an inactive user.
    #[must_use]
    pub fn user_updated(&self) -> Option<&ResourceId> {
        self.user().filter(|_| self.is_update())
    }

    /// Returns the id of a user that was active and is not any more.
    ///
    /// A user without a value of `active` is active.
    #[must_use]
    pub fn user_deactivated(&self) -> Option<&ResourceId> {
        let wanted = Activity::Changed { is_active: false };
        self.user().filter(|_| self.activity() == wanted)
    }

    /// Returns the id of a user that was deactivated or soft-deleted and is active again.
    #[must_use]
    pub fn user_reactivated(&self) -> Option<&ResourceId> {
        let wanted = Activity::Changed { is_active: true };
        self.user().filter(|_| self.activity() == wanted)
    }

    /// Returns the id of a user that was deleted, permanently or softly.
    #[must_use]
    pub fn user_deleted(&self) -> Option<&ResourceId> {
        self.user().filter(|_| self.is_deletion())
    }

    /// Returns the id of a user that was deactivated or deleted: its sessions and tokens should end.
    #[must_use]
    pub fn user_lost_access(&self) -> Option<&ResourceId> {
        self.user_deactivated().or_else(|| self.user_deleted())
    }

    /// Returns the id of an existing user whose `emails` changed.
    #[must_use]
    pub fn email_changed(&self) -> Option<&ResourceId> {
        let has_changed = !self.is_new() && !self.is_deletion() && self.changed("emails");
        self.user().filter(|_| has_changed)
    }

    /// Returns the id of a new group, or one that was soft-deleted and is back.
    ///
    /// A change of more than 1,000 members comes as several events; the first of them answers this question.
    #[must_use]
    pub fn group_created(&self) -> Option<&ResourceId> {
        self.group().filter(|_| self.is_new())
    }

    /// Returns the id of an existing group whose attributes changed, or that has another owner. A change of members
    /// alone is not an update.
    ///
    /// A change of more than 1,000 members comes as several events; the first of them answers this question.
    #[must_use]
    pub fn group_updated(&self) -> Option<&ResourceId> {
        self.group().filter(|_| self.is_update())
    }

    /// Returns the id of a group that was deleted, permanently or softly. Its members are not listed.
    #[must_use]
    pub fn group_deleted(&self) -> Option<&ResourceId> {
        self.group().filter(|_| self.is_deletion())
    }

    /// Returns the ids of the members that were added to the [group](Self::group), also to a new one.
    ///
    /// There are up to 1,000: larger changes come as several events.
    pub fn member_added(&self) -> impl Iterator<Item = &ResourceId> {
        let members = self.members().flat_map(|change| &change.added);
        members.map(|member| &member.id)
    }

    /// Returns the ids of the members that were removed from the [group](Self::group), also because they were deleted.
    ///
    /// There are up to 1,000: larger changes come as several events. The members of a deleted group are not listed.
    pub fn member_removed(&self) -> impl Iterator<Item = &ResourceId> {
        self.members().flat_map(|change| &change.removed)
    }

    fn members(&self) -> impl Iterator<Item = &scimkit_store::MemberChange> {
        let details = self.details().filter(|_| self.group().is_some());
        let all = details.into_iter().flat_map(|details| &details.members);
        all.filter(|change| change.attr == "members")
    }

    /// Returns whether an attribute or one of its sub-attributes changed, by its canonical path. Case is not
    /// significant.
    #[must_use]
    pub fn changed(&self, path: &str) -> bool {
        let is_inside = |changed: &AttributeChange| {
            let start = changed.path.get(..path.len());
            let rest = changed.path.get(path.len()..);
            start.is_some_and(|start| start.eq_ignore_ascii_case(path))
                && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ':']))
        };
        self.attributes().iter().any(is_inside)
    }

    /// Returns the value of a changed attribute before the change, by its canonical path, such as `userName`, `emails`
    /// or `name.familyName`. For a deleted resource, all attributes have changed.
    ///
    /// It is `None` without a value, and for one that is masked or was too large for the journal: see
    /// [`details`](Self::details).
    #[must_use]
    pub fn before(&self, path: &str) -> Option<&Value> {
        value(&self.attribute(path)?.before)
    }

    /// Returns the value of a changed attribute after the change: see [`before`](Self::before).
    #[must_use]
    pub fn after(&self, path: &str) -> Option<&Value> {
        value(&self.attribute(path)?.after)
    }

    fn attribute(&self, path: &str) -> Option<&AttributeChange> {
        let mut attributes = self.attributes().iter();
        attributes.find(|change| change.path.eq_ignore_ascii_case(path))
    }

    fn is_deletion(&self) -> bool {
        let deletions = [JournalAction::Deleted, JournalAction::SoftDeleted];
        self.action()
            .is_some_and(|action| deletions.contains(&action))
    }

    /// Returns whether the resource did not exist before, or was soft-deleted.
    fn is_new(&self) -> bool {
        match self.action() {
            Some(JournalAction::Created) => true,
            // The entry of a resource that was soft-deleted has all attributes, without values before. That of one
            // that was taken over has those that changed.
            Some(JournalAction::Restored) => {
                let required = if self.user().is_some() {
                    "userName"
                } else {
                    "displayName"
                };
                let has_before = |change: &AttributeChange| value(&change.before).is_some();
                self.attribute(required).is_some() && !self.attributes().iter().any(has_before)
            }
            _ => false,
        }
    }

    fn is_update(&self) -> bool {
        match self.action() {
            Some(JournalAction::Adopted) => true,
            Some(JournalAction::Restored) => !self.is_new() || self.activity() == Activity::Same,
            Some(JournalAction::Updated) => true,
            _ => false,
        }
    }

    /// Returns whether the user became active or inactive.
    fn activity(&self) -> Activity {
        let is_restored = self.action() == Some(JournalAction::Restored);
        match self.action() {
            None | Some(JournalAction::Created) => return Activity::Same,
            Some(_) if self.user().is_none() || self.is_deletion() => return Activity::Same,
            Some(_) => {}
        }
        let is_back = is_restored && self.is_new();
        let Some(change) = self.attribute("active") else {
            return if is_back {
                Activity::Changed { is_active: true }
            } else {
                Activity::Same
            };
        };
        let was_active = is_active(&change.before);
        match (was_active, is_active(&change.after)) {
            (_, Some(true)) if is_back => Activity::Changed { is_active: true },
            (_, Some(false)) if is_back => Activity::Same,
            (Some(was_active), Some(is_active)) if was_active != is_active => {
                Activity::Changed { is_active }
            }
            (Some(_), Some(_)) => Activity::Same,
            _ => Activity::Unknown,
        }
    }
}

/// Returns whether a user with that value of `active` is active, if the value is known.
fn is_active(value: &RecordedValue) -> Option<bool> {
    match value {
        RecordedValue::Absent => Some(true),
        RecordedValue::Value(value) => Some(*value != Value::Bool(false)),
        _ => None,
    }
}

fn value(recorded: &RecordedValue) -> Option<&Value> {
    match recorded {
        RecordedValue::Value(value) => Some(value),
        _ => None,
    }
}
