//! Checks changes of membership, and narrows them to the edges that are new or no longer exist.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use scimkit_registry::{Budget, Change, Edge, EdgeChange, EdgeEdit, ResourceId, ResourceType};

use super::{
    decider::Decider,
    facts::{MemberList, RowHead, RowState},
    known::missing,
    queries::list,
    request::Request,
};
use crate::{
    CyclePolicy, StoreError, UnknownMemberPolicy, computed::target_types, journal::PartPrinter,
};

/// The edges of one owner and attribute that a write adds and removes.
pub(super) struct MemberEdits<'c> {
    added: Vec<&'c Edge>,
    list: MemberList,
    removed: Vec<ResourceId>,
}

impl MemberEdits<'_> {
    /// Returns the path of the membership attribute.
    pub(super) fn attr(&self) -> &Arc<str> {
        &self.list.attr
    }

    /// Returns the added and removed members.
    pub(super) fn targets(&self) -> impl Iterator<Item = &ResourceId> {
        let added = self.added.iter().map(|edge| &edge.id);
        added.chain(&self.removed)
    }

    /// Adds the members to the details of an entry.
    pub(super) fn print(&self, printer: &mut PartPrinter) {
        let added = self.added.iter();
        let added = added.map(|edge| (&edge.id, edge.kind.as_deref()));
        printer.members(&self.list.attr, added, self.removed.iter());
    }
}

/// A resource that has another one as a member.
pub(super) struct OwnerRow {
    /// The membership attributes.
    pub(super) attrs: Vec<Arc<str>>,
    pub(super) head: RowHead,
}

impl Decider<'_> {
    /// Returns the edges that a change adds and removes, without those that already are as requested.
    ///
    /// # Errors
    /// [`StoreError::UnknownMembers`] and [`StoreError::Cycle`] for added edges, depending on the policy.
    pub(super) fn member_edits<'c>(
        &self,
        request: &Request,
        owner: &ResourceId,
        change: &'c Change,
    ) -> Result<Vec<MemberEdits<'c>>, StoreError> {
        let kind = change.kind();
        let mut edits = Vec::new();
        for EdgeChange { attr, edit } in change.edge_changes() {
            let list = list((kind, owner), kind.attr(*attr).path());
            let (EdgeEdit::Delta { add, .. } | EdgeEdit::Replace(add)) = edit;
            let edit = self.narrowed(request, list, edit)?;
            let leads_to = target_types(&request.registry, kind, *attr);
            self.check_targets(request, (add, &edit), &leads_to)?;
            if !edit.added.is_empty() && request.policy.cycles == CyclePolicy::Reject {
                self.check_cycles(request, &edit)?;
            }
            if !edit.added.is_empty() || !edit.removed.is_empty() {
                edits.push(edit);
            }
        }
        Ok(edits)
    }

    /// Applies the edges that [`member_edits`](Self::member_edits) returned.
    pub(super) fn edit_members(&mut self, edits: Vec<MemberEdits<'_>>) {
        for MemberEdits {
            added,
            list,
            removed,
        } in edits
        {
            for target in removed {
                let was_there = self.was_there(&list, &target);
                self.overlay.set_edge(&list, &target, (None, was_there));
            }
            for edge in added {
                let was_there = self.was_there(&list, &edge.id);
                let added = Some(edge.kind.as_deref().map(str::to_owned));
                self.overlay.set_edge(&list, &edge.id, (added, was_there));
            }
        }
    }

    /// Returns the edges of an edit that are not as requested yet.
    fn narrowed<'c>(
        &self,
        request: &Request,
        list: MemberList,
        edit: &'c EdgeEdit,
    ) -> Result<MemberEdits<'c>, StoreError> {
        let meter = request.budget.meter();
        let (EdgeEdit::Delta { add, .. } | EdgeEdit::Replace(add)) = edit;
        let mut added = Vec::new();
        for edge in add {
            meter.charge(Budget::COMPARISON)?;
            if !self.is_member(&list, &edge.id)? {
                added.push(edge);
            }
        }
        let mut removed = Vec::new();
        match edit {
            EdgeEdit::Delta { remove, .. } => {
                for target in remove {
                    meter.charge(Budget::COMPARISON)?;
                    if self.is_member(&list, target)? {
                        removed.push(target.clone());
                    }
                }
            }
            EdgeEdit::Replace(edges) => {
                let wanted: HashSet<_> = edges.iter().map(|edge| &edge.id).collect();
                let now = self.members_now(&list)?;
                meter.charge(Budget::COMPARISON.saturating_mul(now.len() as u64))?;
                let gone = now.into_iter().filter(|id| !wanted.contains(id));
                removed.extend(gone.cloned());
            }
        }
        removed.sort_unstable();
        Ok(MemberEdits {
            added,
            list,
            removed,
        })
    }

    /// Returns whether a resource is a member, after the writes so far.
    fn is_member(&self, list: &MemberList, target: &ResourceId) -> Result<bool, StoreError> {
        if let Some(edit) = self.overlay.edge(&list.owner, &list.attr, target) {
            return Ok(edit.added.is_some());
        }
        if !self.had_members(&list.owner)? || self.overlay.is_void(target) {
            return Ok(false);
        }
        let known = self.known.edge(list, target);
        known.ok_or_else(|| missing("an edge"))
    }

    /// Returns whether the edges of an owner in the facts still count.
    pub(super) fn had_members(&self, owner: &ResourceId) -> Result<bool, StoreError> {
        let head = self.known.head(owner)?;
        let was_live = head.is_some_and(|head| head.state == RowState::Live);
        Ok(was_live && !self.overlay.is_void(owner))
    }

    /// Returns whether the facts have an edge that still counts; false for an edge that was not loaded.
    fn was_there(&self, list: &MemberList, target: &ResourceId) -> bool {
        self.had_members(&list.owner).unwrap_or(false)
            && !self.overlay.is_void(target)
            && self.known.edge(list, target).unwrap_or(false)
    }

    /// Returns all members of an owner, after the writes so far.
    pub(super) fn members_now(&self, list: &MemberList) -> Result<Vec<&ResourceId>, StoreError> {
        let edits = self.overlay.list(&list.owner, &list.attr);
        let mut now: Vec<_> = edits.into_iter().flat_map(|edits| edits.added()).collect();
        if self.had_members(&list.owner)? {
            let members = self.known.members(list);
            let members = members.ok_or_else(|| missing("the members"))?;
            let is_edited = |id: &ResourceId| {
                let target = edits.and_then(|edits| edits.targets.get(id));
                target.is_some() || self.overlay.is_void(id)
            };
            now.extend(members.iter().filter(|id| !is_edited(id)));
        }
        Ok(now)
    }

    /// Rejects new members that don't exist, if the policy requires it, and members that don't have a required type.
    fn check_targets(
        &self,
        request: &Request,
        (named, edit): (&[Edge], &MemberEdits<'_>),
        leads_to: &[&Arc<ResourceType>],
    ) -> Result<(), StoreError> {
        let must_exist = request.policy.unknown_members == UnknownMemberPolicy::Reject;
        let mut ids = Vec::new();
        let mut check = |edge: &Edge, must_exist: bool| {
            let fits = match self.target_kind(&edit.list, &edge.id)? {
                Some(kind) => {
                    let leads = leads_to.iter().any(|to| to.name() == kind);
                    (leads || !must_exist) && edge.may_lead_to(kind)
                }
                None => !must_exist,
            };
            if !fits {
                ids.push(edge.id.clone());
            }
            Ok::<_, StoreError>(())
        };
        if must_exist {
            for edge in edit.added.iter().copied() {
                check(edge, true)?;
            }
        }
        for edge in named.iter().filter(|edge| edge.required_kind().is_some()) {
            if !must_exist || self.is_member(&edit.list, &edge.id)? {
                check(edge, false)?;
            }
        }
        let attr = edit.list.attr.to_string();
        if ids.is_empty() {
            Ok(())
        } else {
            Err(StoreError::UnknownMembers { attr, ids })
        }
    }

    /// Returns the name of a member's type, if the member exists or is the owner itself.
    fn target_kind<'s>(
        &'s self,
        list: &'s MemberList,
        target: &ResourceId,
    ) -> Result<Option<&'s str>, StoreError> {
        let head = self.head(target)?;
        let head = head.filter(|head| head.state == RowState::Live);
        // A resource that is being created does not exist yet.
        let itself = (*target == list.owner).then_some(&*list.kind);
        Ok(head.map(|head| &*head.kind).or(itself))
    }

    fn check_cycles(&self, request: &Request, edit: &MemberEdits<'_>) -> Result<(), StoreError> {
        match self.closing(request, edit)? {
            None => Ok(()),
            Some(id) => Err(StoreError::Cycle {
                attr: edit.list.attr.to_string(),
                id: id.clone(),
                owner: edit.list.owner.clone(),
            }),
        }
    }

    /// Returns a new member that is the owner, or has the owner as a direct or indirect member.
    fn closing<'e>(
        &self,
        request: &Request,
        edit: &'e MemberEdits<'_>,
    ) -> Result<Option<&'e ResourceId>, StoreError> {
        let MemberList { attr, owner, .. } = &edit.list;
        let mut ids = edit.added.iter().map(|edge| &edge.id);
        if let Some(itself) = ids.clone().find(|id| *id == owner) {
            return Ok(Some(itself));
        }
        let mut open = self.owners_by(attr, owner);
        if open.is_empty() {
            return Ok(None);
        }
        let meter = request.budget.meter();
        // Each is visited once, since another policy may have accepted cycles.
        let mut above: HashSet<ResourceId> = open.iter().cloned().collect();
        while let Some(id) = open.pop() {
            for owner in self.owners_by(attr, &id) {
                meter.charge(Budget::COMPARISON)?;
                if above.insert(owner.clone()) {
                    open.push(owner);
                }
            }
        }
        Ok(ids.find(|id| above.contains(*id)))
    }

    /// Returns the owners that have a resource as a member under that attribute, after the writes so far.
    fn owners_by(&self, attr: &Arc<str>, target: &ResourceId) -> Vec<ResourceId> {
        let added = self.overlay.added_above(target);
        let added = added.filter(|list| list.attr == *attr);
        let mut owners: Vec<_> = added.map(|list| list.owner).collect();
        if !self.overlay.is_void(target) {
            let stored = self.known.above(attr, target);
            let stays = |owner: &&ResourceId| {
                let edit = self.overlay.edge(owner, attr, target);
                edit.is_none() && !self.overlay.is_void(owner)
            };
            owners.extend(stored.filter(stays).cloned());
        }
        owners
    }

    /// Returns the rows of all owners of a resource, without duplicates and without the resource itself.
    pub(super) fn owners(&self, target: &ResourceId) -> Result<Vec<OwnerRow>, StoreError> {
        let mut owners: BTreeMap<ResourceId, (Vec<Arc<str>>, Option<RowHead>)> = BTreeMap::new();
        for list in self.overlay.added_above(target) {
            let head = self.head(&list.owner)?.cloned();
            let (attrs, _) = owners.entry(list.owner).or_insert((Vec::new(), head));
            attrs.push(list.attr);
        }
        if !self.overlay.is_void(target) {
            for edge in self.known.owners(target)? {
                let id = &edge.owner.id;
                let is_edited = self.overlay.edge(id, &edge.attr, target).is_some();
                if !is_edited && !self.overlay.is_void(id) {
                    let head = self.overlay.row(id).map(|entry| entry.head.as_ref());
                    let head = head.unwrap_or(Some(&edge.owner));
                    let owner = owners.entry(id.clone());
                    let (attrs, _) = owner.or_insert_with(|| (Vec::new(), head.cloned()));
                    attrs.push(Arc::clone(&edge.attr));
                }
            }
        }
        owners.remove(target);
        let row = |(attrs, head): (_, Option<RowHead>)| Some(OwnerRow { attrs, head: head? });
        Ok(owners.into_values().filter_map(row).collect())
    }
}

/// Adds the added and removed members to the details of an entry, if it has any.
pub(super) fn add_members(printer: &mut Option<PartPrinter>, edits: &[MemberEdits<'_>]) {
    if let Some(printer) = printer {
        edits.iter().for_each(|edits| edits.print(printer));
    }
}
