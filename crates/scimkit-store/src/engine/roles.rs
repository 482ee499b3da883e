//! Sets the roles of users that follow from their groups.

use std::{collections::BTreeSet, sync::Arc};

use scimkit_registry::{AttrKeys, Budget, Change, ResourceId, ResourceType, ValueEdit};

use super::{
    decide::later,
    decider::Decider,
    edited::Edit,
    facts::{RowHead, RowState},
    keys,
    members::MemberEdits,
    queries::list,
    request::Request,
    role_policy::{MatchedRules, RolePolicy},
};
use crate::{Document, JournalAction, StoreError};

/// The units of work for the roles of one user.
const USER: u64 = 64 * Budget::COMPARISON;

impl Decider<'_> {
    /// Returns the change of a user with the roles that follow from its groups, in place of those from the client;
    /// none if roles do not follow from groups.
    pub(super) fn with_roles(
        &self,
        request: &Request,
        (id, before): (&ResourceId, Option<&Document>),
        change: &Change,
    ) -> Result<Option<(Change, Vec<AttrKeys>)>, StoreError> {
        let kind = change.kind();
        let policy = request.policy.roles.as_deref();
        let Some(policy) = policy.filter(|policy| kind.name() == policy.user().name()) else {
            return Ok(None);
        };
        let attr = policy.attr();
        let keep = |id, value| match value {
            _ if id == attr => ValueEdit::Leave,
            Some(value) => ValueEdit::Set(value),
            None => ValueEdit::Unset,
        };
        let mut change = change.clone().map_values(keep);
        let before = before.and_then(|document| document.value(kind, attr));
        let after = policy.value(&self.matched_rules(request, policy, id)?, before.clone());
        change.difference(attr, before.as_ref(), after);
        let keys = keys::of_change(&change);
        Ok(Some((change, keys)))
    }

    /// Returns the members of a group whose roles may change with it, before its change is applied: the members that
    /// it gains and loses, and all members if it satisfies other rules than before. A group that is created has no
    /// document before, and one that is deleted none after.
    pub(super) fn members_with_roles(
        &self,
        request: &Request,
        (kind, id): (&ResourceType, &ResourceId),
        (before, after): (Option<&Document>, Option<&Document>),
        edits: &[MemberEdits<'_>],
    ) -> Result<BTreeSet<ResourceId>, StoreError> {
        let mut members = BTreeSet::new();
        let policy = request.policy.roles.as_deref();
        let Some(policy) = policy.filter(|policy| kind.name() == policy.group().name()) else {
            return Ok(members);
        };
        let meter = request.budget.meter();
        let matched = |document: Option<&Document>| {
            document.map_or(Ok(MatchedRules::new()), |document| {
                policy.matched(document, &meter)
            })
        };
        let (before, after) = (matched(before)?, matched(after)?);
        if before.is_empty() && after.is_empty() {
            return Ok(members);
        }
        for edits in edits
            .iter()
            .filter(|edits| edits.attr() == policy.members())
        {
            members.extend(edits.targets().cloned());
        }
        if before != after {
            let all = self.members_now(&list((kind, id), policy.members()))?;
            members.extend(all.into_iter().cloned());
        }
        Ok(members)
    }

    /// Sets the roles of these members, as parts of the last change.
    ///
    /// # Errors
    /// [`StoreError::CapacityExceeded`] and [`StoreError::TooFewLeft`] if the roles together exceed a limit. The caller
    /// rolls back.
    pub(super) fn assign_roles(
        &mut self,
        request: &Request,
        members: &BTreeSet<ResourceId>,
    ) -> Result<(), StoreError> {
        let Some(policy) = request.policy.roles.as_deref() else {
            return Ok(());
        };
        let counts = self.counters.mark();
        for id in members {
            request.budget.charge(USER)?;
            let head = self.head(id)?.filter(|head| head.state == RowState::Live);
            let head = head.filter(|head| *head.kind == *policy.user().name());
            let Some(head) = head.cloned() else { continue };
            let document = self.body(policy.user(), id)?.document;
            let change = Change::empty(Arc::clone(policy.user()));
            let change = self.with_roles(request, (id, Some(&document)), &change)?;
            let Some((change, keys)) = change else {
                continue;
            };
            let edit = Edit {
                base: None,
                change: &change,
                id,
                keys: &keys,
            };
            let Some(edited) = self.unlimited_body(request, edit)? else {
                continue;
            };
            let kind = Arc::clone(&head.kind);
            let head = RowHead {
                last_modified: later(request, Some(&head)),
                version: self.version()?,
                ..head
            };
            self.put(id, head, Some(edited.body));
            self.counters.apply(edited.moves);
            self.record(request, JournalAction::Updated, (kind, id), edited.details);
        }
        self.check_counts(request, &counts)
    }

    /// Returns the rules that the groups of a user satisfy, after the writes so far.
    fn matched_rules(
        &self,
        request: &Request,
        policy: &RolePolicy,
        user: &ResourceId,
    ) -> Result<MatchedRules, StoreError> {
        let meter = request.budget.meter();
        let mut matched = MatchedRules::new();
        for owner in self.owners(user)? {
            let is_group = *owner.head.kind == *policy.group().name();
            if is_group && owner.attrs.contains(policy.members()) {
                let group = self.body(policy.group(), &owner.head.id)?.document;
                matched.append(&mut policy.matched(&group, &meter)?);
            }
        }
        Ok(matched)
    }
}
