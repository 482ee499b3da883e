//! Memberships: rows of their own, so that one more member touches one row.

use std::{collections::BTreeMap, sync::Arc};

use rusqlite::{Connection, OptionalExtension, params};
use scimkit_registry::{AttrId, Edge, ResourceType, Role};
use scimkit_store::{Settings, Stored, Want, targets};
use serde_json::Value;

use crate::{error::Outcome, keys::shows_display, row::Row};

/// Reads edges of one tenant, inside a transaction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EdgeReader<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) settings: &'a Settings,
    pub(crate) tenant: &'a str,
}

/// Which edges of an owner: so many, behind a target or from the first on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct First<'a> {
    /// No id is empty, so the empty one comes before all of them.
    pub(crate) after: &'a str,
    pub(crate) limit: Option<u32>,
}

impl First<'_> {
    /// All of them.
    pub(crate) const ALL: First<'static> = First {
        after: "",
        limit: None,
    };

    /// For SQLite, to which a negative limit is none.
    fn limit(self) -> i64 {
        self.limit.map_or(-1, i64::from)
    }
}

impl EdgeReader<'_> {
    /// Puts a resource's edges under these attributes beside it.
    pub(crate) fn add_edges(&self, stored: &mut Stored, want: &Want) -> Outcome<()> {
        let first = First {
            after: "",
            limit: want.limit,
        };
        for attr in &want.edges {
            let edges = self.edges(&stored.kind, *attr, stored.id.as_str(), first)?;
            stored.edges.push((*attr, edges));
        }
        Ok(())
    }

    /// The edges of a membership or inverse attribute, or the one of a reference.
    pub(crate) fn edges(
        &self,
        kind: &ResourceType,
        attr: AttrId,
        owner: &str,
        first: First<'_>,
    ) -> Outcome<Vec<Edge>> {
        let attr = kind.attr(attr);
        let owners = targets(&self.settings.registry, kind, attr.id());
        let leads_to: Vec<_> = owners.iter().map(|kind| Target::new(kind)).collect();
        match attr.role() {
            Role::Inverse => self.owners(kind, owner, &owners, first),
            Role::Membership => self.members((kind, attr.path()), owner, &leads_to, first),
            Role::Reference => self.referred(kind, attr.id(), owner, &leads_to),
            _ => Ok(Vec::new()),
        }
    }

    fn members(
        &self,
        (kind, path): (&ResourceType, &str),
        owner: &str,
        leads_to: &[Target<'_>],
        first: First<'_>,
    ) -> Outcome<Vec<Edge>> {
        let sql = "SELECT e.target, e.target_kind, t.kind, t.display
                   FROM edge e LEFT JOIN resource t ON t.tenant = e.tenant AND t.id = e.target
                   WHERE e.tenant = ?1 AND e.kind = ?2 AND e.attr = ?3 AND e.owner = ?4
                       AND e.target > ?5
                   ORDER BY e.target LIMIT ?6";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![
            self.tenant,
            kind.name(),
            path,
            owner,
            first.after,
            first.limit()
        ])?;
        let mut edges = Vec::new();
        while let Some(row) = rows.next()? {
            let edge = Edge::to(row.get::<_, String>(0)?);
            let there = row.get_ref(2)?.as_str_or_null().ok().flatten();
            edges.push(match there.and_then(|kind| known(leads_to, kind)) {
                Some(to) => edge
                    .with_kind(Some(to.name.to_owned()))
                    .with_display(to.display(row.get(3)?)),
                None => edge.with_kind(row.get(1)?),
            });
        }
        Ok(edges)
    }

    /// The resources that have this one as a member.
    ///
    /// One walk for each attribute that it may be a member by, each along an index in the order of
    /// ids and no longer than the limit, so that a page costs the same wherever it is.
    fn owners(
        &self,
        kind: &ResourceType,
        target: &str,
        leads_to: &[&Arc<ResourceType>],
        first: First<'_>,
    ) -> Outcome<Vec<Edge>> {
        let there = kind_and_display(self.connection, self.tenant, target)?;
        if there.is_none_or(|(name, _)| name != kind.name()) {
            return Ok(Vec::new());
        }
        let sql = "SELECT e.owner, o.display
                   FROM edge e INDEXED BY edge_by_target
                   JOIN resource o ON o.tenant = e.tenant AND o.id = e.owner
                   WHERE e.tenant = ?1 AND e.target = ?2 AND e.kind = ?3 AND e.attr = ?4
                       AND e.owner > ?5
                   ORDER BY e.owner LIMIT ?6";
        let mut statement = self.connection.prepare_cached(sql)?;
        let limit = first.limit.map_or(usize::MAX, |limit| limit as usize);
        // An owner may have the target in more than one of its attributes.
        let mut found = BTreeMap::new();
        for owner in leads_to {
            let attrs = owner.attributes().iter();
            for attr in attrs.filter(|attr| attr.role() == Role::Membership) {
                let (to, path) = (Target::new(owner), attr.path());
                let name = owner.name();
                let own = params![self.tenant, target, name, path, first.after, first.limit()];
                let mut rows = statement.query(own)?;
                while let Some(row) = rows.next()? {
                    let display = to.display(row.get(1)?);
                    found.insert(row.get::<_, String>(0)?, (name, display));
                    if found.len() > limit {
                        found.pop_last();
                    }
                }
            }
        }
        let edge = |(id, (kind, display)): (String, (&str, Option<String>))| {
            let edge = Edge::to(id).with_kind(Some(kind.to_owned()));
            edge.with_display(display)
        };
        Ok(found.into_iter().map(edge).collect())
    }

    /// The resource that a reference in the document names.
    fn referred(
        &self,
        kind: &ResourceType,
        attr: AttrId,
        owner: &str,
        leads_to: &[Target<'_>],
    ) -> Outcome<Vec<Edge>> {
        let Some(row) = Row::find(self.connection, self.tenant, kind, owner)? else {
            return Ok(Vec::new());
        };
        let document = row.tree()?;
        let value = document
            .get(kind, attr)
            .and_then(|value| value.get("value"));
        let Some(id) = value.and_then(Value::as_str) else {
            return Ok(Vec::new());
        };
        let edge = Edge::to(id);
        let there = kind_and_display(self.connection, self.tenant, id)?;
        let there = there.and_then(|(kind, display)| Some((known(leads_to, &kind)?, display)));
        Ok(vec![match there {
            Some((to, display)) => edge
                .with_kind(Some(to.name.to_owned()))
                .with_display(to.display(display)),
            None => edge,
        }])
    }
}

/// A type that edges may lead to.
struct Target<'a> {
    name: &'a str,
    shows_display: bool,
}

impl<'a> Target<'a> {
    fn new(kind: &'a ResourceType) -> Self {
        Target {
            name: kind.name(),
            shows_display: shows_display(kind),
        }
    }

    /// The display name as far as the schema shows it.
    fn display(&self, display: Option<String>) -> Option<String> {
        display.filter(|_| self.shows_display)
    }
}

fn known<'t, 'k>(leads_to: &'t [Target<'k>], kind: &str) -> Option<&'t Target<'k>> {
    leads_to.iter().find(|to| to.name == kind)
}

/// The type of a resource, and what members and references show of it.
pub(crate) fn kind_and_display(
    connection: &Connection,
    tenant: &str,
    id: &str,
) -> Outcome<Option<(String, Option<String>)>> {
    let sql = "SELECT kind, display FROM resource WHERE tenant = ?1 AND id = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row(params![tenant, id], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(found.optional()?)
}
