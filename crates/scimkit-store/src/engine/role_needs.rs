//! The facts from which the roles of users follow.

use std::{collections::BTreeSet, sync::Arc};

use scimkit_registry::{
    Change, Document, EdgeChange, EdgeEdit, Meter, Resource, ResourceId, ResourceType,
};

use super::{
    facts::Needs,
    keys,
    known::Known,
    queries::{list, queries},
    request::{Prepared, Request},
    role_policy::{MatchedRules, RolePolicy},
};
use crate::WriteOp;

/// Adds the facts for the roles of users: the members of groups whose rules change, then the rows and groups of the users
/// concerned, then the documents of these groups. Returns the types of the users.
///
/// If there are several writes, an earlier one may change what a later one finds, so that every change of a group counts.
pub(super) fn add<'r>(
    requests: &'r [Request],
    known: &Known,
    needs: &mut Needs,
) -> Vec<&'r Arc<ResourceType>> {
    let count = requests.iter().map(|request| request.writes.len());
    let is_single = count.sum::<usize>() == 1;
    let mut kinds = Vec::new();
    for request in requests {
        let Some(policy) = request.policy.roles.as_deref() else {
            continue;
        };
        let mut collector = Collector {
            is_single,
            known,
            members: BTreeSet::new(),
            needs,
            policy,
            users: BTreeSet::new(),
        };
        let all = || requests.iter().flat_map(|request| &request.writes);
        let adopts_groups = all().any(|prepared| collector.adopts_group(prepared));
        all().for_each(|prepared| collector.touched(prepared, adopts_groups));
        for prepared in &request.writes {
            collector.write(prepared);
        }
        if collector.finish() {
            kinds.push(policy.user());
        }
    }
    kinds
}

struct Collector<'c> {
    is_single: bool,
    known: &'c Known,
    /// The members of groups whose roles may change.
    members: BTreeSet<ResourceId>,
    needs: &'c mut Needs,
    policy: &'c RolePolicy,
    /// The users that the writes create or change.
    users: BTreeSet<ResourceId>,
}

impl Collector<'_> {
    /// Adds the facts about a resource that any write may change. If there are several writes, a later one may change the
    /// rules that a group satisfies, and a create may adopt or restore what an earlier write has changed.
    fn touched(&mut self, prepared: &Prepared, adopts_groups: bool) {
        let kind = prepared.write.kind().name();
        let is_group = kind == self.policy.group().name();
        if let (WriteOp::Update { id, .. }, true) = (&prepared.write, is_group) {
            self.row(id);
        }
        if self.is_single {
            return;
        }
        let mut ids = self.found(prepared);
        ids.push(prepared.write.id().clone());
        if kind == self.policy.user().name() {
            self.users.extend(ids);
            return;
        }
        if !is_group {
            return;
        }
        if adopts_groups {
            ids.iter().for_each(|id| self.members_of(id));
        }
        match &prepared.write {
            WriteOp::Create {
                change,
                existing_match,
                ..
            } => {
                let sent = existing_match.iter().filter_map(|one| one.sent.as_ref());
                sent.chain([change]).for_each(|change| self.added(change));
            }
            WriteOp::Delete { .. } => {}
            WriteOp::Update { change, .. } => self.added(change),
        }
    }

    /// Returns the stored resources that a create may adopt or restore.
    fn found(&self, prepared: &Prepared) -> Vec<ResourceId> {
        let WriteOp::Create {
            existing_match: Some(existing_match),
            ..
        } = &prepared.write
        else {
            return Vec::new();
        };
        let queries = queries(prepared.number, prepared.write.kind(), existing_match);
        let rows = queries.iter();
        let rows = rows.filter_map(|query| self.known.candidates(query.number).ok());
        rows.flatten().map(|row| row.head.id.clone()).collect()
    }

    /// Returns whether a create may adopt or restore a group.
    fn adopts_group(&self, prepared: &Prepared) -> bool {
        let is_match = matches!(
            &prepared.write,
            WriteOp::Create {
                existing_match: Some(_),
                ..
            }
        );
        is_match && prepared.write.kind().name() == self.policy.group().name()
    }

    fn write(&mut self, prepared: &Prepared) {
        let kind = prepared.write.kind();
        let is_user = kind.name() == self.policy.user().name();
        if !is_user && kind.name() != self.policy.group().name() {
            return;
        }
        match &prepared.write {
            WriteOp::Create {
                change,
                existing_match,
                id,
            } => {
                let found = self.found(prepared);
                if is_user {
                    self.users.insert(id.clone());
                    self.users.extend(found);
                } else {
                    self.created(change, found.is_empty());
                    let sent = existing_match.iter().filter_map(|one| one.sent.as_ref());
                    sent.for_each(|sent| self.added(sent));
                    found.iter().for_each(|id| self.members_of(id));
                }
            }
            WriteOp::Delete { id, .. } if !is_user => {
                if self.matched(id).is_none_or(|matched| !matched.is_empty()) {
                    self.members_of(id);
                }
            }
            WriteOp::Delete { .. } => {}
            WriteOp::Update { id, .. } if is_user => {
                self.row(id);
                self.users.insert(id.clone());
            }
            WriteOp::Update { change, id, .. } => self.updated(id, change),
        }
    }

    fn created(&mut self, change: &Change, is_new: bool) {
        let document = Document::from_text(change.text_after(&Resource::default()));
        let matched = self.policy.matched(&document, &Meter::unlimited());
        if !self.is_single || !is_new || matched.is_ok_and(|matched| !matched.is_empty()) {
            self.added(change);
        }
    }

    fn updated(&mut self, id: &ResourceId, change: &Change) {
        let is_touched = keys::touched(change).next().is_some();
        if !self.is_single {
            if is_touched || change.replaces_edges() {
                self.members_of(id);
            }
            return;
        }
        let Some(before) = self.matched(id) else {
            return;
        };
        let after = if is_touched {
            self.matched_after(id, change)
        } else {
            before.clone()
        };
        if before.is_empty() && after.is_empty() {
            return;
        }
        self.added(change);
        if before != after || change.replaces_edges() {
            self.members_of(id);
        }
    }

    /// Returns the rules that a stored group satisfies; none if its row is not known yet, and no rule if it does not
    /// exist.
    fn matched(&self, id: &ResourceId) -> Option<MatchedRules> {
        let row = self.known.row(id).ok()?;
        let matched = row.map(|row| self.policy.matched(&row.document, &Meter::unlimited()));
        Some(matched.and_then(Result::ok).unwrap_or_default())
    }

    fn matched_after(&self, id: &ResourceId, change: &Change) -> MatchedRules {
        let row = self.known.row(id).ok().flatten();
        let text = row.and_then(|row| Some(change.edit_text(&row.document).ok()?.text()));
        let document = text.map(Document::from_text);
        let matched = document.map(|group| self.policy.matched(&group, &Meter::unlimited()));
        matched.and_then(Result::ok).unwrap_or_default()
    }

    /// Adds the members that a change of a group names.
    fn added(&mut self, change: &Change) {
        for EdgeChange { edit, .. } in change.edge_changes() {
            let (EdgeEdit::Delta { add, .. } | EdgeEdit::Replace(add)) = edit;
            self.members.extend(add.iter().map(|edge| edge.id.clone()));
            if let EdgeEdit::Delta { remove, .. } = edit {
                self.members.extend(remove.iter().cloned());
            }
        }
    }

    /// Adds the stored members of a group.
    fn members_of(&mut self, id: &ResourceId) {
        let list = list((self.policy.group(), id), self.policy.members());
        match self.known.members(&list) {
            Some(members) => self.members.extend(members.iter().cloned()),
            None => drop(self.needs.members.insert(list)),
        }
    }

    fn row(&mut self, id: &ResourceId) {
        if !self.known.has_row(id) {
            self.needs.heads.remove(id);
            self.needs.rows.insert(id.clone());
        }
    }

    /// Adds the facts about the users, and returns whether there are any.
    fn finish(mut self) -> bool {
        let members = std::mem::take(&mut self.members);
        for id in &members {
            self.row(id);
        }
        let users = std::mem::take(&mut self.users);
        let has_users = !members.is_empty() || !users.is_empty();
        for id in members.into_iter().chain(users) {
            if !self.known.has_owners(&id) {
                self.needs.owners.insert(id);
                continue;
            }
            for edge in self.known.owners(&id).unwrap_or_default() {
                let is_group = *edge.owner.kind == *self.policy.group().name();
                if is_group && edge.attr == *self.policy.members() {
                    self.row(&edge.owner.id);
                }
            }
        }
        has_users
    }
}
