//! The edges of a resource, as reads show them.

use std::{collections::BTreeSet, ops::Bound, sync::Arc};

use scimkit_registry::{AttrId, Budget, Edge, ResourceId, ResourceType, Role};

use super::{table::Record, tenant::Tenant};
use crate::{Settings, Stored, Want, computed::targets, want::most};

/// Units that it takes to look up an edge and to copy it.
pub(super) const EDGE: u64 = 16 * Budget::COMPARISON;

/// Which edges of an owner.
#[derive(Debug, Clone, Copy)]
pub(super) enum Among<'a> {
    /// So many, from the first on, or from the first behind a target.
    First {
        after: Option<&'a ResourceId>,
        limit: usize,
    },
    /// Those of a membership that lead to these.
    Targets(&'a BTreeSet<ResourceId>),
}

impl Among<'_> {
    /// All of them.
    pub(super) const ALL: Among<'static> = Among::First {
        after: None,
        limit: usize::MAX,
    };
}

impl Tenant {
    /// Puts a resource's edges under these attributes beside it.
    pub(super) fn add_edges(
        &self,
        settings: &Settings,
        kind: &ResourceType,
        stored: &mut Stored,
        want: &Want,
    ) {
        let among = Among::First {
            after: None,
            limit: most(want.limit),
        };
        for attr in &want.edges {
            let edges = self.edges(settings, kind, *attr, &stored.id, among);
            stored.edges.push((*attr, edges));
        }
    }

    /// The same with the edges of a record as it was.
    pub(super) fn add_edges_of(
        &self,
        (settings, kind): (&Settings, &ResourceType),
        stored: &mut Stored,
        record: &Record,
        want: &Want,
    ) {
        let among = Among::First {
            after: None,
            limit: most(want.limit),
        };
        for attr in &want.edges {
            let owner = (&stored.id, record);
            let edges = self.edges_of(settings, kind, *attr, owner, among);
            stored.edges.push((*attr, edges));
        }
    }

    /// The edges of a membership or inverse attribute, or the one of a reference.
    pub(super) fn edges(
        &self,
        settings: &Settings,
        kind: &ResourceType,
        attr: AttrId,
        owner: &ResourceId,
        among: Among<'_>,
    ) -> Vec<Edge> {
        match self.record(kind, owner) {
            Some(record) => self.edges_of(settings, kind, attr, (owner, record), among),
            None => Vec::new(),
        }
    }

    /// The same of a record as it was: what leads to it, and what it leads to, are as they are now.
    pub(super) fn edges_of(
        &self,
        settings: &Settings,
        kind: &ResourceType,
        attr: AttrId,
        (owner, record): (&ResourceId, &Record),
        among: Among<'_>,
    ) -> Vec<Edge> {
        let attr = kind.attr(attr);
        let leads_to = targets(&settings.registry, kind, attr.id());
        match attr.role() {
            Role::Inverse => self.owner_edges(&leads_to, owner, among),
            Role::Membership => {
                let Some(targets) = record.edges.get(attr.path()) else {
                    return Vec::new();
                };
                let edge = |(id, given): (&ResourceId, &Option<String>)| {
                    self.filled(&leads_to, id, given.as_deref())
                };
                match among {
                    Among::First { after, limit } => {
                        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
                        let rest = targets.range::<ResourceId, _>((start, Bound::Unbounded));
                        rest.take(limit).map(edge).collect()
                    }
                    Among::Targets(ids) => ids
                        .iter()
                        .filter_map(|id| targets.get_key_value(id))
                        .map(edge)
                        .collect(),
                }
            }
            Role::Reference => {
                let id = record.document(kind).reference(kind, attr.id());
                id.iter()
                    .map(|id| self.filled(&leads_to, id, None))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn owner_edges(
        &self,
        leads_to: &[&Arc<ResourceType>],
        target: &ResourceId,
        among: Among<'_>,
    ) -> Vec<Edge> {
        let (after, limit) = match among {
            Among::First { after, limit } => (after, limit),
            Among::Targets(_) => (None, usize::MAX),
        };
        let lists = self.places.owner_lists(target.as_str()).into_iter();
        let lists = lists.filter(|(_, owner)| leads_to.iter().any(|kind| kind.name() == &**owner));
        // An owner may have the target in more than one of its attributes.
        let mut ids = BTreeSet::new();
        for list in lists {
            let owners = self.places.owners_in(target.as_str(), list, after);
            ids.extend(owners.take(limit).map(|owner| &owner.id));
        }
        ids.into_iter()
            .take(limit)
            .map(|id| self.filled(leads_to, id, None))
            .collect()
    }

    /// The edge to a resource of one of these types, as that now is.
    fn filled(&self, among: &[&Arc<ResourceType>], id: &ResourceId, given: Option<&str>) -> Edge {
        let edge = Edge::to(id.clone());
        match self.find(among, id) {
            None => edge.with_kind(given.map(str::to_owned)),
            Some((kind, record)) => {
                let display = record.document(kind).display_name(kind);
                edge.with_kind(Some(kind.name().to_owned()))
                    .with_display(display)
            }
        }
    }

    /// The resource of one of these types that has the id.
    fn find<'a>(
        &'a self,
        among: &[&'a Arc<ResourceType>],
        id: &ResourceId,
    ) -> Option<(&'a ResourceType, &'a Record)> {
        let name = self.places.kind(id.as_str())?;
        let kind = among.iter().find(|kind| kind.name() == name)?;
        Some((kind, self.record(kind, id)?))
    }
}
