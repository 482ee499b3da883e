//! Changes of membership: refused or carried out, edge by edge.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, params, params_from_iter};
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

/// The largest number of rows of one statement.
const ROWS: usize = 256;

/// What a replacement does, in the order of the ids.
struct Difference<'e> {
    gone: Vec<String>,
    new: Vec<&'e Edge>,
}

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
                let remove: Vec<_> = remove.iter().map(ResourceId::as_str).collect();
                let removed = self.remove(path, &remove)?;
                let add = sorted(add);
                let new = self.absent(path, add)?;
                Ok(removed + self.add(change.attr, &new)?)
            }
            EdgeEdit::Replace(edges) => {
                let Difference { gone, new } = self.difference(path, &sorted(edges))?;
                let gone: Vec<_> = gone.iter().map(String::as_str).collect();
                let removed = self.remove(path, &gone)?;
                Ok(removed + self.add(change.attr, &new)?)
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

    /// What a replacement adds and removes, both in the order of their ids.
    fn difference<'e>(&self, path: &str, wanted: &[&'e Edge]) -> Outcome<Difference<'e>> {
        let sql = "SELECT target FROM edge
                   WHERE tenant = ?1 AND kind = ?2 AND owner = ?3 AND attr = ?4 ORDER BY target";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(self.own(path))?;
        let (mut gone, mut new) = (Vec::new(), Vec::new());
        let mut wanted = wanted.iter().peekable();
        while let Some(row) = rows.next()? {
            let target = row.get_ref(0)?.as_str().map_err(StoreError::backend)?;
            while let Some(edge) = wanted.next_if(|edge| edge.id.as_str() < target) {
                new.push(*edge);
            }
            if wanted.next_if(|edge| edge.id.as_str() == target).is_none() {
                gone.push(target.to_owned());
            }
        }
        new.extend(wanted);
        Ok(Difference { gone, new })
    }

    /// Those that are no members yet.
    fn absent<'e>(&self, path: &str, mut edges: Vec<&'e Edge>) -> Outcome<Vec<&'e Edge>> {
        let ids: Vec<_> = edges.iter().map(|edge| edge.id.as_str()).collect();
        let start = "SELECT target FROM edge
                     WHERE tenant = ? AND kind = ? AND owner = ? AND attr = ? AND target IN";
        let there = self.found(start, &self.own(path), &ids)?;
        edges.retain(|edge| !there.contains(edge.id.as_str()));
        Ok(edges)
    }

    fn remove(&self, path: &str, ids: &[&str]) -> Outcome<usize> {
        let own = self.own(path);
        let mut removed = 0;
        for piece in pieces(ids) {
            let sql = format!(
                "DELETE FROM edge WHERE tenant = ? AND kind = ? AND owner = ? AND attr = ?
                 AND target IN ({})",
                places("?", piece.len())
            );
            let mut statement = self.connection.prepare_cached(&sql)?;
            removed += statement.execute(params_from_iter(own.iter().chain(piece)))?;
        }
        Ok(removed)
    }

    /// Adds members who are none yet, in the order of their ids; checks them as the settings want.
    fn add(&self, attr: AttrId, new: &[&Edge]) -> Outcome<usize> {
        let path = self.kind.attr(attr).path();
        let own = [self.tenant, self.kind.name(), path, self.owner.as_str()];
        for piece in pieces(new) {
            let sql = format!(
                "INSERT INTO edge (tenant, kind, attr, owner, target, target_kind) VALUES {}",
                places("(?1, ?2, ?3, ?4, ?, ?)", piece.len())
            );
            let mut statement = self.connection.prepare_cached(&sql)?;
            let row = |edge: &&'_ Edge| [Some(edge.id.to_string()), edge.kind.clone()];
            let rows = piece.iter().flat_map(row);
            let own = own.iter().map(|text| Some((*text).to_owned()));
            statement.execute(params_from_iter(own.chain(rows)))?;
        }
        let new: Vec<_> = new.iter().map(|edge| &edge.id).collect();
        if self.settings.unknown_members == UnknownMembers::Refuse {
            self.check_known(attr, &new)?;
        }
        if self.settings.cycles == Cycles::Refuse {
            self.check_cycles(path, &new)?;
        }
        Ok(new.len())
    }

    fn own<'p>(&'p self, path: &'p str) -> [&'p str; 4] {
        [self.tenant, self.kind.name(), self.owner.as_str(), path]
    }

    /// Which of the ids a statement finds that starts so.
    fn found(&self, start: &str, keys: &[&str], ids: &[&str]) -> Outcome<HashSet<String>> {
        let mut found = HashSet::new();
        for piece in pieces(ids) {
            let sql = format!("{start} ({})", places("?", piece.len()));
            let mut statement = self.connection.prepare_cached(&sql)?;
            let mut rows = statement.query(params_from_iter(keys.iter().chain(piece)))?;
            while let Some(row) = rows.next()? {
                found.insert(row.get(0)?);
            }
        }
        Ok(found)
    }

    fn check_known(&self, attr: AttrId, new: &[&ResourceId]) -> Outcome<()> {
        let mut ids: Vec<_> = new.iter().map(|id| id.as_str()).collect();
        for kind in targets(&self.settings.registry, self.kind, attr) {
            let start = "SELECT id FROM resource INDEXED BY resource_by_kind
                         WHERE tenant = ? AND kind = ? AND id IN";
            let known = self.found(start, &[self.tenant, kind.name()], &ids)?;
            ids.retain(|id| !known.contains(*id));
        }
        let ids = ids.into_iter().map(ResourceId::from).collect();
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

/// The edges in the order of their ids, each once: rows that come in the order of the keys are written
/// faster.
fn sorted(edges: &[Edge]) -> Vec<&Edge> {
    let mut sorted: Vec<_> = edges.iter().collect();
    // Of two the first counts: the sort is stable.
    sorted.sort_by(|a, b| a.id.cmp(&b.id));
    sorted.dedup_by(|later, first| later.id == first.id);
    sorted
}

/// Pieces of so many elements that there are few different statements, which are prepared once.
fn pieces<T>(mut rest: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let length = rest.len().checked_ilog2().map(|log| 1 << log)?;
        let (piece, behind) = rest.split_at_checked(ROWS.min(length))?;
        rest = behind;
        Some(piece)
    })
}

fn places(one: &str, count: usize) -> String {
    vec![one; count].join(", ")
}
