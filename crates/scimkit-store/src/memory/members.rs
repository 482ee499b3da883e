//! Changes of membership: refused or carried out.

use std::{
    collections::{BTreeSet, HashSet, btree_map::Entry},
    sync::Arc,
};

use scimkit_registry::{Change, Edge, EdgeChange, EdgeEdit, ResourceId, ResourceType};

use super::{
    places::{Owner, Places},
    table::{Record, Targets},
    tenant::Tenant,
};
use crate::{Cycles, Settings, StoreError, UnknownMembers, computed::targets};

/// The edges of one attribute that a write names, before a look at those that are there.
struct Adding<'a> {
    edges: &'a [Edge],
    leads_to: Vec<&'a Arc<ResourceType>>,
    owner: &'a ResourceId,
    path: &'a str,
    there: Option<&'a Targets>,
}

impl Adding<'_> {
    fn is_new(&self, id: &ResourceId) -> bool {
        self.there.is_none_or(|there| !there.contains_key(id))
    }
}

impl Tenant {
    /// Refuses what a change adds where the settings do not allow it.
    pub(super) fn check_edges(
        &self,
        settings: &Settings,
        owner: &ResourceId,
        change: &Change,
    ) -> Result<(), StoreError> {
        let kind = change.kind();
        let record = self.record(kind, owner);
        for EdgeChange { attr, edit } in change.edges() {
            let path = kind.attr(*attr).path();
            let (EdgeEdit::Delta { add: edges, .. } | EdgeEdit::Replace(edges)) = edit;
            let adding = Adding {
                edges,
                leads_to: targets(&settings.registry, kind, *attr),
                owner,
                path,
                there: record.and_then(|record| record.edges.get(path)),
            };
            self.check_known(settings.unknown_members, kind, &adding)?;
            if settings.cycles == Cycles::Refuse {
                self.check_cycles(&adding)?;
            }
        }
        Ok(())
    }

    fn check_known(
        &self,
        unknown_members: UnknownMembers,
        kind: &ResourceType,
        adding: &Adding<'_>,
    ) -> Result<(), StoreError> {
        let fits = |edge: &Edge| {
            let accepted = unknown_members == UnknownMembers::Accept || !adding.is_new(&edge.id);
            if accepted && edge.required_kind().is_none() {
                return true;
            }
            // A resource that is being made is not there yet.
            let itself = (edge.id == *adding.owner).then(|| kind.name());
            let there = self.places.kind(edge.id.as_str()).or(itself);
            let known =
                there.is_some_and(|kind| adding.leads_to.iter().any(|to| to.name() == kind));
            (known || accepted) && there.is_none_or(|kind| edge.may_lead_to(kind))
        };
        let unfit = adding.edges.iter().filter(|edge| !fits(edge));
        let ids: Vec<_> = unfit.map(|edge| edge.id.clone()).collect();
        match ids.is_empty() {
            true => Ok(()),
            false => Err(StoreError::Missing {
                attr: adding.path.to_owned(),
                ids,
            }),
        }
    }

    fn check_cycles(&self, adding: &Adding<'_>) -> Result<(), StoreError> {
        match self.closing(adding) {
            None => Ok(()),
            Some(id) => Err(StoreError::Cycle {
                attr: adding.path.to_owned(),
                id: id.clone(),
                owner: adding.owner.clone(),
            }),
        }
    }

    /// A new member that is the owner, or has it as a member at once or by way of others.
    fn closing<'a>(&'a self, adding: &Adding<'a>) -> Option<&'a ResourceId> {
        let mut named = adding.edges.iter().map(|edge| &edge.id);
        let path = adding.path;
        let above = |id: &ResourceId| {
            let owners = self.places.owners(id.as_str());
            owners.filter(|owner| *owner.attr == *path)
        };
        if above(adding.owner).next().is_none() {
            return named.find(|id| *id == adding.owner && adding.is_new(id));
        }
        // Only what has members can be above the owner, so that users cost no walk.
        let closes = |id: &&ResourceId| {
            (*id == adding.owner || self.has_members(adding.path, id)) && adding.is_new(id)
        };
        let sought: BTreeSet<_> = named.filter(closes).collect();
        if sought.is_empty() {
            return None;
        }
        // Each is visited once, whatever cycles were accepted before.
        let mut seen = HashSet::from([adding.owner]);
        let mut open = vec![adding.owner];
        while let Some(id) = open.pop() {
            if sought.contains(id) {
                return Some(id);
            }
            let owners = above(id).map(|owner| &owner.id);
            open.extend(owners.filter(|owner| seen.insert(*owner)));
        }
        None
    }

    fn has_members(&self, path: &str, id: &ResourceId) -> bool {
        let kind = self.places.kind(id.as_str());
        let table = kind.and_then(|kind| self.tables.get(kind));
        let record = table.and_then(|table| table.records.get(id));
        record.is_some_and(|record| record.edges.contains_key(path))
    }

    /// Edits the edges of a resource, and tells whether any changed.
    pub(super) fn edit_edges(&mut self, id: &ResourceId, change: &Change) -> bool {
        let kind = change.kind();
        let name = self.name(kind);
        let table = self.tables.get_mut(&name);
        let Some(record) = table.and_then(|table| table.record_mut(id)) else {
            return false;
        };
        let mut changed = false;
        for EdgeChange { attr, edit } in change.edges() {
            let owner = Owner {
                attr: kind.attr(*attr).path().into(),
                id: id.clone(),
                kind: Arc::clone(&name),
            };
            changed |= edit_targets(record, &mut self.places, &Arc::new(owner), edit);
        }
        changed
    }
}

fn edit_targets(
    record: &mut Record,
    places: &mut Places,
    owner: &Arc<Owner>,
    edit: &EdgeEdit,
) -> bool {
    let mut targets = record.edges.remove(&owner.attr).unwrap_or_default();
    let (add, removed) = match edit {
        EdgeEdit::Delta { add, remove } => (add, remove.clone()),
        EdgeEdit::Replace(edges) => {
            let kept: HashSet<_> = edges.iter().map(|edge| &edge.id).collect();
            let gone = targets.keys().filter(|id| !kept.contains(id));
            (edges, gone.cloned().collect())
        }
    };
    let mut changed = false;
    for id in &removed {
        if targets.remove(id).is_some() {
            places.unlink(id, owner);
            changed = true;
        }
    }
    for edge in add {
        if let Entry::Vacant(new) = targets.entry(edge.id.clone()) {
            new.insert(edge.kind.clone());
            places.link(&edge.id, owner);
            changed = true;
        }
    }
    if !targets.is_empty() {
        record.edges.insert(Arc::clone(&owner.attr), targets);
    }
    changed
}
