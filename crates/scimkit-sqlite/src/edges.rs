//! Memberships, stored as separate rows, so that one more member affects one row.

mod of_page;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use rusqlite::{Connection, Row};
use scimkit_registry::{AttrEdges, AttrId, AttributeRole, Edge, ResourceType};
use scimkit_sql::reference::{self, EdgeRange};
use scimkit_store::{Document, ReadOptions, Settings, StoreError, StoredResource, target_types};

use crate::{
    error::Outcome,
    statement::{DIALECT, each},
};

/// A reader of the edges of one tenant, inside a transaction or while an outer statement retains its snapshot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EdgeReader<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) settings: &'a Settings,
    pub(crate) tenant: &'a str,
}

/// The attribute whose edges are read, its type, and the resources that own the edges.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EdgeSource<'a> {
    pub(crate) attr: AttrId,
    /// The documents of the resources, if they were just read.
    pub(crate) documents: Option<&'a [&'a Document]>,
    pub(crate) kind: &'a ResourceType,
    /// The bytes of edges, as [`StoredResource::edge_size`] counts them, after which only those of the first
    /// resource are needed; the visitor may receive more.
    pub(crate) max_bytes: u64,
    pub(crate) owners: &'a [&'a str],
}

/// A visitor that receives the index of an owner and an edge, and returns whether to continue.
type Visit<'v> = dyn FnMut(usize, Edge) -> Outcome<bool> + 'v;

impl EdgeReader<'_> {
    /// Attaches a resource's edges under these attributes to it; only a member has edges under inverse attributes.
    pub(crate) fn add_edges(
        &self,
        (kind, is_member): (&ResourceType, bool),
        stored: &mut StoredResource,
        want: &ReadOptions,
    ) -> Outcome<()> {
        let range = EdgeRange {
            after: "",
            limit: want.limit,
        };
        for attr in &want.edges {
            let edges = match kind.attr(*attr).role() {
                AttributeRole::Inverse if !is_member => Vec::new(),
                _ => self.edges((kind, stored), *attr, range)?,
            };
            stored.edges.push(AttrEdges { attr: *attr, edges });
        }
        Ok(())
    }

    /// Returns the edges of one resource under a membership or inverse attribute, or the edge of a reference.
    pub(crate) fn edges(
        &self,
        (kind, stored): (&ResourceType, &StoredResource),
        attr: AttrId,
        range: EdgeRange<'_>,
    ) -> Outcome<Vec<Edge>> {
        let mut edges = Vec::new();
        let source = EdgeSource {
            attr,
            documents: Some(&[&stored.document]),
            kind,
            max_bytes: u64::MAX,
            owners: &[stored.id.as_str()],
        };
        self.each(source, range, &mut |_, edge| {
            edges.push(edge);
            Ok(true)
        })?;
        Ok(edges)
    }

    /// Returns the edges of each resource.
    pub(crate) fn edges_of_each(
        &self,
        source: EdgeSource<'_>,
        range: EdgeRange<'_>,
    ) -> Outcome<Vec<Vec<Edge>>> {
        let mut all = vec![Vec::new(); source.owners.len()];
        self.each(source, range, &mut |owner, edge| {
            if let Some(edges) = all.get_mut(owner) {
                edges.push(edge);
            }
            Ok(true)
        })?;
        Ok(all)
    }

    /// Visits the edges of several resources, resource by resource, each in the order of ids. The number of
    /// statements does not depend on the number of resources.
    pub(crate) fn each(
        &self,
        source: EdgeSource<'_>,
        range: EdgeRange<'_>,
        visit: &mut Visit<'_>,
    ) -> Outcome<()> {
        let EdgeSource { attr, kind, .. } = source;
        let others = target_types(&self.settings.registry, kind, attr);
        match kind.attr(attr).role() {
            AttributeRole::Inverse => self.owners(source, &others, range, visit),
            AttributeRole::Membership => self.members(source, &leads_to(&others), range, visit),
            AttributeRole::Reference => self.referred(source, &leads_to(&others), visit),
            _ => Ok(()),
        }
    }

    fn members(
        &self,
        source: EdgeSource<'_>,
        leads_to: &[Target<'_>],
        range: EdgeRange<'_>,
        visit: &mut Visit<'_>,
    ) -> Outcome<()> {
        let EdgeSource {
            attr, kind, owners, ..
        } = source;
        let list = (self.tenant, kind.name(), kind.attr(attr).path());
        let statement = reference::members_of(DIALECT, list, owners, range);
        each(self.connection, &statement, |row| {
            let edge = Edge::to(row.get::<_, String>(1)?);
            let found = row.get_ref(3)?.as_str_or_null().ok().flatten();
            let edge = match found.and_then(|kind| known(leads_to, kind)) {
                Some(to) => to.show(edge, row.get(4)?),
                None => edge.with_kind(row.get::<_, Option<Arc<str>>>(2)?),
            };
            visit(place(row)?, edge)
        })
    }

    /// Visits the resources that have these resources as members.
    ///
    /// Each membership attribute that can contain them, nearly always a single one, needs its own statement. The
    /// statement follows an index in the order of ids and stops at the limit, so that every page costs the same.
    fn owners(
        &self,
        source: EdgeSource<'_>,
        others: &[&Arc<ResourceType>],
        range: EdgeRange<'_>,
        visit: &mut Visit<'_>,
    ) -> Outcome<()> {
        let mut lists = Vec::new();
        for other in others {
            let attrs = other.completed_attributes();
            let attrs = attrs.filter(|attr| attr.role() == AttributeRole::Membership);
            lists.extend(attrs.map(|attr| (Target::new(other), attr.path())));
        }
        if let [(to, path)] = lists.as_slice() {
            let is_page = source.documents.is_some() && source.owners.len() > 1;
            return if is_page && range.after.is_empty() {
                self.owners_of_page((to, path), source, range.limit, visit)
            } else {
                self.owners_by((to, path), source, range, visit)
            };
        }
        // An owner may contain the member in several of its attributes.
        let limit = range.limit.map_or(usize::MAX, |limit| limit as usize);
        let mut found = vec![BTreeMap::new(); source.owners.len()];
        for (to, path) in &lists {
            self.owners_by((to, path), source, range, &mut |member, edge| {
                if let Some(found) = found.get_mut(member) {
                    found.insert(edge.id.clone(), edge);
                    if found.len() > limit {
                        found.pop_last();
                    }
                }
                Ok(true)
            })?;
        }
        for (member, edges) in found.into_iter().enumerate() {
            for edge in edges.into_values() {
                if !visit(member, edge)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn owners_by(
        &self,
        (to, path): (&Target<'_>, &str),
        source: EdgeSource<'_>,
        range: EdgeRange<'_>,
        visit: &mut Visit<'_>,
    ) -> Outcome<()> {
        let members = (source.kind.name(), source.owners);
        let list = (self.tenant, &**to.name, path);
        let statement = reference::owners_of(DIALECT, list, members, range);
        each(self.connection, &statement, |row| {
            let edge = Edge::to(row.get::<_, String>(1)?);
            visit(place(row)?, to.show(edge, row.get(2)?))
        })
    }

    /// Visits the resources that references in the documents name.
    fn referred(
        &self,
        source: EdgeSource<'_>,
        leads_to: &[Target<'_>],
        visit: &mut Visit<'_>,
    ) -> Outcome<()> {
        let EdgeSource { attr, kind, .. } = source;
        let mut ids = BTreeMap::new();
        let mut add = |at, document: &Document| {
            let id = document.reference(kind, attr);
            ids.extend(id.map(|id| (at, id.as_str().to_owned())));
        };
        match source.documents {
            Some(documents) => {
                let documents = documents.iter().enumerate();
                documents.for_each(|(at, document)| add(at, document));
            }
            None => {
                let kind = (self.tenant, kind.name());
                let statement = reference::documents_of(DIALECT, kind, source.owners);
                each(self.connection, &statement, |row| {
                    let text: String = row.get(1)?;
                    add(place(row)?, &Document::from_text(text));
                    Ok(true)
                })?;
            }
        }
        self.labelled(&ids, leads_to, visit)
    }

    /// Visits an edge to each of these resources, with type and display name as far as they exist.
    fn labelled(
        &self,
        ids: &BTreeMap<usize, String>,
        leads_to: &[Target<'_>],
        visit: &mut Visit<'_>,
    ) -> Outcome<()> {
        if ids.is_empty() {
            return Ok(());
        }
        // Many users have the same manager.
        let mut named: Vec<_> = ids.values().map(String::as_str).collect();
        named.sort_unstable();
        named.dedup();
        let mut labels = HashMap::with_capacity(named.len());
        let statement = reference::labels_of(DIALECT, self.tenant, &named);
        each(self.connection, &statement, |row| {
            let kind = row.get_ref(1)?.as_str().map_err(StoreError::backend)?;
            let id = named.get(place(row)?);
            if let Some((id, to)) = id.zip(known(leads_to, kind)) {
                labels.insert(*id, to.show(Edge::to(*id), row.get(2)?));
            }
            Ok(true)
        })?;
        for (owner, id) in ids {
            let edge = labels.get(id.as_str()).cloned();
            let edge = edge.unwrap_or_else(|| Edge::to(id.as_str()));
            if !visit(*owner, edge)? {
                break;
            }
        }
        Ok(())
    }
}

/// Returns the index of a row's resource among those of the statement.
pub(crate) fn place(row: &Row<'_>) -> Outcome<usize> {
    Ok(usize::try_from(row.get::<_, i64>(0)?).map_err(StoreError::backend)?)
}

/// A type that edges may lead to.
struct Target<'a> {
    name: &'a Arc<str>,
    shows_display: bool,
}

impl<'a> Target<'a> {
    fn new(kind: &'a ResourceType) -> Self {
        Target {
            name: kind.shared_name(),
            shows_display: kind.shows_display_name(),
        }
    }

    /// Completes an edge to a resource of the type, with the display name if the schema shows it.
    fn show(&self, edge: Edge, display: Option<Arc<str>>) -> Edge {
        let edge = edge.with_kind(Some(Arc::clone(self.name)));
        edge.with_display(display.filter(|_| self.shows_display))
    }
}

fn leads_to<'a>(kinds: &[&'a Arc<ResourceType>]) -> Vec<Target<'a>> {
    kinds.iter().map(|kind| Target::new(kind)).collect()
}

fn known<'t, 'k>(leads_to: &'t [Target<'k>], kind: &str) -> Option<&'t Target<'k>> {
    leads_to.iter().find(|to| **to.name == *kind)
}
