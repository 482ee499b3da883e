//! The edges of resources, as reads show them.
//!
//! Under the lock of a tenant only ids and texts are taken, which copies no text. The edges are built from them
//! without the lock: the display name of a target is read from its document.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
};

use bytes::Bytes;
use scimkit_registry::{
    Attr, AttrId, Budget, Document, Edge, ResourceId, ResourceType, Role, Scalar,
};

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

    fn up_to(limit: Option<u32>) -> Self {
        Among::First {
            after: None,
            limit: most(limit),
        }
    }
}

/// Reads the edges of resources of one type under some attributes.
pub(super) struct EdgeReader<'s> {
    attrs: Vec<EdgeAttr<'s>>,
    kind: &'s ResourceType,
}

struct EdgeAttr<'s> {
    attr: &'s Attr,
    /// The types of its targets.
    target_kinds: Vec<&'s Arc<ResourceType>>,
}

/// The edges of one owner, with what is needed to build them.
#[derive(Debug, Default)]
pub(super) struct FoundEdges(Vec<FoundEdge>);

#[derive(Debug)]
struct FoundEdge {
    /// The index of its attribute among those of the reader.
    attr: usize,
    id: ResourceId,
    target: FoundTarget,
}

#[derive(Debug)]
enum FoundTarget {
    /// A resource of one of the attribute's target types, by its index, and the text of its document.
    Known(usize, Bytes),
    /// No resource of those types, and the type that the client named.
    Unknown(Option<Arc<str>>),
}

impl<'s> EdgeReader<'s> {
    pub(super) fn new(
        settings: &'s Settings,
        kind: &'s ResourceType,
        attrs: impl IntoIterator<Item = AttrId>,
    ) -> Self {
        let attr = |id| EdgeAttr {
            attr: kind.attr(id),
            target_kinds: targets(&settings.registry, kind, id),
        };
        EdgeReader {
            attrs: attrs.into_iter().map(attr).collect(),
            kind,
        }
    }

    /// Finds the edges of a record as it was. What leads to it, and what it leads to, are as they are now.
    pub(super) fn find(
        &self,
        tenant: &Tenant,
        (owner, record): (&ResourceId, &Record),
        among: Among<'_>,
    ) -> FoundEdges {
        let mut found = Vec::new();
        for (index, EdgeAttr { attr, target_kinds }) in self.attrs.iter().enumerate() {
            let edge = |(id, given): (&ResourceId, Option<&Arc<str>>)| FoundEdge {
                attr: index,
                id: id.clone(),
                target: tenant.found_target(target_kinds, id, given),
            };
            match attr.role() {
                Role::Inverse => {
                    let owners = tenant.owners_of(target_kinds, owner, among);
                    found.extend(owners.into_iter().map(|id| edge((id, None))));
                }
                Role::Membership => {
                    found.reserve(record.most_members(attr.path(), among));
                    let members = record.members(attr.path(), among);
                    found.extend(members.map(edge));
                }
                Role::Reference => {
                    let id = record.document(self.kind).reference(self.kind, attr.id());
                    found.extend(id.as_ref().map(|id| edge((id, None))));
                }
                _ => {}
            }
        }
        FoundEdges(found)
    }

    /// Finds the first edges that an answer wants.
    pub(super) fn find_first(
        &self,
        tenant: &Tenant,
        owner: (&ResourceId, &Record),
        limit: Option<u32>,
    ) -> FoundEdges {
        self.find(tenant, owner, Among::up_to(limit))
    }

    /// Builds the edges of each attribute.
    pub(super) fn build(&self, found: FoundEdges) -> Vec<(AttrId, Vec<Edge>)> {
        let count = |attr| found.0.iter().filter(|edge| edge.attr == attr).count();
        let attrs = self.attrs.iter().enumerate();
        let attrs = attrs.map(|(at, one)| (one.attr.id(), Vec::with_capacity(count(at))));
        let mut built: Vec<(AttrId, Vec<Edge>)> = attrs.collect();
        for FoundEdge { attr, id, target } in found.0 {
            let (Some((_, edges)), Some(of)) = (built.get_mut(attr), self.attrs.get(attr)) else {
                continue;
            };
            let edge = Edge::to(id);
            edges.push(match target {
                FoundTarget::Unknown(given) => edge.with_kind(given.as_deref().map(str::to_owned)),
                FoundTarget::Known(kind, text) => match of.target_kinds.get(kind) {
                    Some(kind) => edge
                        .with_kind(Some(kind.name().to_owned()))
                        .with_display(Document::from_text(text).display_name(kind)),
                    None => edge,
                },
            });
        }
        built
    }
}

impl FoundEdges {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the least that the edges add to [`Stored::size`].
    pub(super) fn min_size(&self) -> u64 {
        let sizes = self.0.iter().map(|edge| Stored::min_edge_size(&edge.id));
        sizes.sum()
    }
}

impl Record {
    /// The maximum number of members that [`Record::members`] finds, up to a small one.
    fn most_members(&self, path: &str, among: Among<'_>) -> usize {
        const SMALL: usize = 256;
        let all = self.edges.get(path).map_or(0, BTreeMap::len);
        match among {
            Among::First { limit, .. } => all.min(limit).min(SMALL),
            Among::Targets(ids) => all.min(ids.len()).min(SMALL),
        }
    }

    /// The members under an attribute, with the types that clients named, in the order of their ids.
    fn members<'r>(
        &'r self,
        path: &str,
        among: Among<'r>,
    ) -> impl Iterator<Item = (&'r ResourceId, Option<&'r Arc<str>>)> {
        let all = self.edges.get(path);
        let (first, named) = match among {
            Among::First { after, limit } => {
                let start = after.map_or(Bound::Unbounded, Bound::Excluded);
                let rest = all
                    .map(|targets| targets.range::<ResourceId, _>((start, Bound::Unbounded)))
                    .into_iter()
                    .flatten();
                (Some(rest.take(limit)), None)
            }
            Among::Targets(ids) => {
                let known = move |id| all?.get_key_value(id);
                (None, Some(ids.iter().filter_map(known)))
            }
        };
        let members = first
            .into_iter()
            .flatten()
            .chain(named.into_iter().flatten());
        members.map(|(id, given)| (id, given.as_ref()))
    }
}

impl Tenant {
    /// The resources of some types that have one as a member, in the order of their ids.
    fn owners_of<'t>(
        &'t self,
        kinds: &[&Arc<ResourceType>],
        target: &ResourceId,
        among: Among<'_>,
    ) -> Vec<&'t ResourceId> {
        let (after, limit) = match among {
            Among::First { after, limit } => (after, limit),
            Among::Targets(_) => (None, usize::MAX),
        };
        let lists = self.places.owner_lists(target.as_str()).into_iter();
        let lists = lists.filter(|(_, owner)| kinds.iter().any(|kind| kind.name() == &**owner));
        let mut ids = Vec::new();
        for list in lists {
            let owners = self.places.owners_in(target.as_str(), list, after);
            ids.extend(owners.take(limit).map(|owner| &owner.id));
        }
        // An owner may have the target in more than one of its attributes.
        ids.sort_unstable();
        ids.dedup();
        ids.truncate(limit);
        ids
    }

    /// The resource of one of these types that has the id, as it now is.
    fn found_target(
        &self,
        among: &[&Arc<ResourceType>],
        id: &ResourceId,
        given: Option<&Arc<str>>,
    ) -> FoundTarget {
        let known = || {
            let name = self.places.kind(id.as_str())?;
            let index = among.iter().position(|kind| kind.name() == name)?;
            let record = self.tables.get(name)?.records.get(id)?;
            Some(FoundTarget::Known(index, record.text.clone()))
        };
        known().unwrap_or_else(|| FoundTarget::Unknown(given.cloned()))
    }
}

/// The edges that a read or the answer to a write needs.
pub(super) fn wanted<'s>(
    settings: &'s Settings,
    kind: &'s ResourceType,
    want: &Want,
) -> EdgeReader<'s> {
    EdgeReader::new(settings, kind, want.edges.iter().copied())
}

/// The id that a value names where ids are compared as they are: the `value` of an edge.
pub(super) fn id_in<'v>(kind: &ResourceType, attr: AttrId, value: &'v Scalar) -> Option<&'v str> {
    let sub = kind.attr(attr);
    let exact = sub.name() == "value" && sub.definition().is_case_exact();
    match value {
        Scalar::Text(id) if exact && sub.parent().is_some() => Some(id),
        _ => None,
    }
}
