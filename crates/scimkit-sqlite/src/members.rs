//! Changes of membership: refused or carried out, edge by edge.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, params};
use scimkit_registry::{AttrId, Budget, Edge, EdgeChange, EdgeEdit, ResourceId, ResourceType};
use scimkit_store::{Cycles, Settings, StoreError, UnknownMembers, targets};

use crate::{edges::kind_and_display, error::Outcome};

/// Units that a step of a walk along memberships is charged: a statement with a few rows.
const STEP: u64 = 4_000;
/// The owners of a resource, by one attribute.
const ABOVE: &str = "SELECT owner FROM edge INDEXED BY edge_by_target
     WHERE tenant = ?1 AND target = ?2 AND attr = ?3";
/// Whether a resource has members, by one attribute.
const HAS_MEMBERS: &str = "SELECT 1
     FROM resource t JOIN edge e ON e.tenant = t.tenant AND e.kind = t.kind AND e.owner = t.id
     WHERE t.tenant = ?1 AND t.id = ?2 AND e.attr = ?3";

/// Changes the edges of one resource, inside a transaction that has the resource already.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EdgeWriter<'a> {
    pub(crate) budget: &'a Budget,
    pub(crate) connection: &'a Connection,
    pub(crate) kind: &'a ResourceType,
    pub(crate) owner: &'a ResourceId,
    pub(crate) settings: &'a Settings,
    pub(crate) tenant: &'a str,
}

impl EdgeWriter<'_> {
    /// Edits the edges of one attribute, and tells how many changed.
    pub(crate) fn edit(&self, change: &EdgeChange) -> Outcome<usize> {
        let path = self.kind.attr(change.attr).path();
        let (EdgeEdit::Delta { add, .. } | EdgeEdit::Replace(add)) = &change.edit;
        self.check_kinds(change.attr, add)?;
        match &change.edit {
            EdgeEdit::Delta { add, remove } => {
                let removed = self.remove(path, remove.iter().map(ResourceId::as_str))?;
                Ok(removed + self.add(change.attr, add)?)
            }
            EdgeEdit::Replace(edges) => {
                let mut new = edges.iter().map(|edge| edge.id.as_str()).collect();
                let gone = self.difference(path, &mut new)?;
                let removed = self.remove(path, gone.iter().map(String::as_str))?;
                let added = edges.iter().filter(|edge| new.contains(edge.id.as_str()));
                Ok(removed + self.add(change.attr, added)?)
            }
        }
    }

    /// Takes a resource out of every membership, and its own members with it; tells whose member it
    /// was.
    pub(crate) fn take_out(&self) -> Outcome<Vec<String>> {
        let own = params![self.tenant, self.kind.name(), self.owner.as_str()];
        self.connection
            .prepare_cached("DELETE FROM edge WHERE tenant = ?1 AND kind = ?2 AND owner = ?3")?
            .execute(own)?;
        let mut owners = Vec::new();
        let sql = "SELECT DISTINCT owner FROM edge WHERE tenant = ?1 AND target = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![self.tenant, self.owner.as_str()])?;
        while let Some(row) = rows.next()? {
            owners.push(row.get(0)?);
        }
        self.connection
            .prepare_cached(
                "DELETE FROM edge INDEXED BY edge_by_target WHERE tenant = ?1 AND target = ?2",
            )?
            .execute(params![self.tenant, self.owner.as_str()])?;
        Ok(owners)
    }

    /// Takes what is there out of `wanted`, and tells what is there but not wanted.
    fn difference(&self, path: &str, wanted: &mut HashSet<&str>) -> Outcome<Vec<String>> {
        let sql = "SELECT target FROM edge
                   WHERE tenant = ?1 AND kind = ?2 AND attr = ?3 AND owner = ?4";
        let mut statement = self.connection.prepare_cached(sql)?;
        let own = params![self.tenant, self.kind.name(), path, self.owner.as_str()];
        let mut rows = statement.query(own)?;
        let mut gone = Vec::new();
        while let Some(row) = rows.next()? {
            let target = row.get_ref(0)?.as_str().map_err(StoreError::backend)?;
            if !wanted.remove(target) {
                gone.push(target.to_owned());
            }
        }
        Ok(gone)
    }

    fn remove<'i>(&self, path: &str, ids: impl Iterator<Item = &'i str>) -> Outcome<usize> {
        let mut statement = self.connection.prepare_cached(
            "DELETE FROM edge
             WHERE tenant = ?1 AND kind = ?2 AND attr = ?3 AND owner = ?4 AND target = ?5",
        )?;
        let mut removed = 0;
        for id in ids {
            let (kind, owner) = (self.kind.name(), self.owner.as_str());
            removed += statement.execute(params![self.tenant, kind, path, owner, id])?;
        }
        Ok(removed)
    }

    fn add<'e>(&self, attr: AttrId, edges: impl IntoIterator<Item = &'e Edge>) -> Outcome<usize> {
        let path = self.kind.attr(attr).path();
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO edge (tenant, kind, attr, owner, target, target_kind)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        )?;
        let mut new = Vec::new();
        for edge in edges {
            let (kind, owner, id) = (self.kind.name(), self.owner.as_str(), edge.id.as_str());
            if statement.execute(params![self.tenant, kind, path, owner, id, edge.kind])? > 0 {
                new.push(&edge.id);
            }
        }
        if self.settings.unknown_members == UnknownMembers::Refuse {
            self.check_known(attr, &new)?;
        }
        if self.settings.cycles == Cycles::Refuse {
            self.check_cycles(path, &new)?;
        }
        Ok(new.len())
    }

    fn check_known(&self, attr: AttrId, new: &[&ResourceId]) -> Outcome<()> {
        let leads_to = targets(&self.settings.registry, self.kind, attr);
        let mut ids = Vec::new();
        for id in new {
            let there = kind_and_display(self.connection, self.tenant, id.as_str())?;
            if !there.is_some_and(|(kind, _)| leads_to.iter().any(|to| to.name() == kind)) {
                ids.push(ResourceId::clone(id));
            }
        }
        self.missing(attr, ids)
    }

    /// Rejects targets of another type than the one that a reference named.
    fn check_kinds(&self, attr: AttrId, edges: &[Edge]) -> Outcome<()> {
        let mut ids = Vec::new();
        for edge in edges.iter().filter(|edge| edge.required_kind().is_some()) {
            let there = kind_and_display(self.connection, self.tenant, edge.id.as_str())?;
            if there.is_some_and(|(kind, _)| !edge.may_lead_to(&kind)) {
                ids.push(edge.id.clone());
            }
        }
        self.missing(attr, ids)
    }

    fn missing(&self, attr: AttrId, ids: Vec<ResourceId>) -> Outcome<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let attr = self.kind.attr(attr).path().to_owned();
        Err(StoreError::Missing { attr, ids }.into())
    }

    fn check_cycles(&self, path: &str, new: &[&ResourceId]) -> Outcome<()> {
        match self.closing(path, new)? {
            None => Ok(()),
            Some(id) => Err(StoreError::Cycle {
                attr: path.to_owned(),
                id: id.clone(),
                owner: self.owner.clone(),
            }
            .into()),
        }
    }

    /// A new member that is the owner, or has it as a member at once or by way of others.
    fn closing<'n>(&self, path: &str, new: &[&'n ResourceId]) -> Outcome<Option<&'n ResourceId>> {
        if let Some(itself) = new.iter().find(|id| **id == self.owner) {
            return Ok(Some(itself));
        }
        let mut open = self.above(path, self.owner.as_str())?;
        if open.is_empty() {
            return Ok(None);
        }
        // Only what has members can be above the owner, so that users cost no walk.
        let mut sought = HashMap::new();
        for id in new {
            if self.has_members(path, id.as_str())? {
                sought.insert(id.as_str(), *id);
            }
        }
        if sought.is_empty() {
            return Ok(None);
        }
        // Each is visited once, whatever cycles were accepted before.
        let mut seen: HashSet<String> = open.iter().cloned().collect();
        while let Some(id) = open.pop() {
            self.budget.charge(STEP)?;
            if let Some(found) = sought.get(id.as_str()) {
                return Ok(Some(found));
            }
            let above = self.above(path, &id)?.into_iter();
            open.extend(above.filter(|id| seen.insert(id.clone())));
        }
        Ok(None)
    }

    /// What has the resource as a member.
    fn above(&self, path: &str, target: &str) -> Outcome<Vec<String>> {
        let mut statement = self.connection.prepare_cached(ABOVE)?;
        let owners = statement.query_map(params![self.tenant, target, path], |row| row.get(0))?;
        Ok(owners.collect::<Result<_, _>>()?)
    }

    fn has_members(&self, path: &str, id: &str) -> Outcome<bool> {
        let mut statement = self.connection.prepare_cached(HAS_MEMBERS)?;
        Ok(statement.exists(params![self.tenant, id, path])?)
    }
}
