//! Reads the edges of resources.
//!
//! Under the lock of a tenant, only ids and shared texts are collected. The edges are built from them without the lock:
//! the display name of a target is read from its document, once for all edges to it.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
    sync::Arc,
};

use bytes::Bytes;
use scimkit_registry::{
    Attr, AttrEdges, AttrId, AttributeRole, Budget, Document, Edge, Registry, ResourceId,
    ResourceType, Scalar,
};

use super::{table::Record, tenant::Tenant};
use crate::{ReadOptions, Settings, StoredResource, computed::target_types, read_options::most};

/// The units of work for looking up and copying an edge.
pub(super) const EDGE: u64 = 16 * Budget::COMPARISON;

/// A selection of an owner's edges.
#[derive(Debug, Clone, Copy)]
pub(super) enum EdgeFilter<'a> {
    /// The first `limit` edges, or the first ones after a target.
    First {
        after: Option<&'a ResourceId>,
        limit: usize,
    },
    /// The edges of a membership attribute to these targets.
    Targets(&'a BTreeSet<ResourceId>),
}

impl EdgeFilter<'_> {
    /// All edges.
    pub(super) const ALL: EdgeFilter<'static> = EdgeFilter::First {
        after: None,
        limit: usize::MAX,
    };

    fn up_to(limit: Option<u32>) -> Self {
        EdgeFilter::First {
            after: None,
            limit: most(limit),
        }
    }
}

/// Reads the edges of resources of one type under some attributes.
pub(super) struct EdgeReader<'s> {
    attrs: Vec<EdgeAttr<'s>>,
    kind: &'s ResourceType,
    registry: &'s Registry,
}

struct EdgeAttr<'s> {
    attr: &'s Attr,
    /// The types of its targets.
    target_kinds: Vec<&'s Arc<ResourceType>>,
}

/// The edges of one owner that were found, to be built later.
#[derive(Debug, Default)]
pub(super) struct FoundEdges {
    /// The edges, each with the index of its attribute in the reader.
    all: Vec<(usize, FoundEdge)>,
    /// The minimum number of bytes that the edges add to [`StoredResource::size`].
    min_size: u64,
}

#[derive(Debug)]
enum FoundEdge {
    /// The target is a resource of one of the attribute's target types, with that index in the targets.
    Known(usize),
    /// The target is not a resource of one of those types. The edge has the type from the client's request.
    Unknown(Edge),
}

/// The targets of edges that were found under one lock.
#[derive(Debug, Default)]
pub(super) struct EdgeTargets<'s> {
    /// The indexes of targets with many edges; none if no live resource has the id.
    by_id: HashMap<ResourceId, Option<usize>>,
    /// The index of the last found target.
    last: usize,
    live: Vec<LiveTarget<'s>>,
}

/// A live resource that is the target of edges.
#[derive(Debug)]
struct LiveTarget<'s> {
    /// An edge to it, after its display name was read.
    edge: OnceCell<Edge>,
    id: ResourceId,
    kind: &'s ResourceType,
    /// The text of its document.
    text: Bytes,
}

impl<'s> EdgeTargets<'s> {
    /// Returns the index of the live resource with an id.
    fn find(&mut self, tenant: &Tenant, registry: &'s Registry, id: &ResourceId) -> Option<usize> {
        let target = tenant.live_target(registry, id)?;
        self.live.push(target);
        Some(self.live.len() - 1)
    }

    /// Returns the index of the live resource with an id, and looks up each id only once.
    fn find_once(
        &mut self,
        tenant: &Tenant,
        registry: &'s Registry,
        id: &ResourceId,
    ) -> Option<usize> {
        // Users in the same groups have the groups in the same order.
        let next = (self.last + 1) % self.live.len().max(1);
        if self.live.get(next).is_some_and(|target| target.id == *id) {
            self.last = next;
            return Some(next);
        }
        let found = match self.by_id.get(id) {
            Some(known) => *known,
            None => {
                let found = self.find(tenant, registry, id);
                self.by_id.insert(id.clone(), found);
                found
            }
        };
        self.last = found.unwrap_or(self.last);
        found
    }
}

impl LiveTarget<'_> {
    fn edge(&self) -> &Edge {
        self.edge.get_or_init(|| {
            let document = Document::from_text(self.text.clone());
            Edge::to(self.id.clone())
                .with_kind(Some(Arc::clone(self.kind.shared_name())))
                .with_display(document.display_name(self.kind))
        })
    }
}

impl<'s> EdgeReader<'s> {
    pub(super) fn new(
        settings: &'s Settings,
        kind: &'s ResourceType,
        attrs: impl IntoIterator<Item = AttrId>,
    ) -> Self {
        let attr = |id| EdgeAttr {
            attr: kind.attr(id),
            target_kinds: target_types(&settings.registry, kind, id),
        };
        EdgeReader {
            attrs: attrs.into_iter().map(attr).collect(),
            kind,
            registry: &settings.registry,
        }
    }

    /// Finds the edges of a record, which may be from an earlier time. Its owners and the targets of its edges are the
    /// current ones. The targets are added to others that were found under the same lock.
    pub(super) fn find(
        &self,
        tenant: &Tenant,
        (owner, record): (&ResourceId, &Record),
        filter: EdgeFilter<'_>,
        targets: &mut EdgeTargets<'s>,
    ) -> FoundEdges {
        let mut found = FoundEdges::default();
        let all = &mut found.all;
        for (index, EdgeAttr { attr, target_kinds }) in self.attrs.iter().enumerate() {
            let mut edge = |(id, given): (&ResourceId, Option<&Arc<str>>)| {
                // Two groups rarely have the same members, but many users are in the same groups.
                let at = match attr.role() {
                    AttributeRole::Membership => targets.find(tenant, self.registry, id),
                    _ => targets.find_once(tenant, self.registry, id),
                };
                let leads_to = |at: &usize| {
                    let target = targets.live.get(*at);
                    target.is_some_and(|target| {
                        let mut kinds = target_kinds.iter();
                        kinds.any(|kind| std::ptr::eq(&***kind, target.kind))
                    })
                };
                found.min_size += StoredResource::min_edge_size(id);
                let unknown = || Edge::to(id.clone()).with_kind(given.cloned());
                let edge = at.filter(leads_to).map(FoundEdge::Known);
                (index, edge.unwrap_or_else(|| FoundEdge::Unknown(unknown())))
            };
            match attr.role() {
                AttributeRole::Inverse => {
                    let owners = tenant.owners_of(target_kinds, owner, filter);
                    all.extend(owners.into_iter().map(|id| edge((id, None))));
                }
                AttributeRole::Membership => {
                    all.reserve(record.most_members(attr.path(), filter));
                    let members = record.members(attr.path(), filter);
                    all.extend(members.map(edge));
                }
                AttributeRole::Reference => {
                    let id = record.document(self.kind).reference(self.kind, attr.id());
                    all.extend(id.as_ref().map(|id| edge((id, None))));
                }
                _ => {}
            }
        }
        found
    }

    /// Finds the first edges of an owner.
    pub(super) fn find_first(
        &self,
        tenant: &Tenant,
        owner: (&ResourceId, &Record),
        limit: Option<u32>,
        targets: &mut EdgeTargets<'s>,
    ) -> FoundEdges {
        self.find(tenant, owner, EdgeFilter::up_to(limit), targets)
    }

    /// Builds the edges of each attribute.
    pub(super) fn build(&self, found: FoundEdges, targets: &EdgeTargets<'s>) -> Vec<AttrEdges> {
        let count = |attr| found.all.iter().filter(|(of, _)| *of == attr).count();
        let attrs = self.attrs.iter().enumerate();
        let attrs = attrs.map(|(at, one)| AttrEdges {
            attr: one.attr.id(),
            edges: Vec::with_capacity(count(at)),
        });
        let mut built: Vec<AttrEdges> = attrs.collect();
        for (attr, edge) in found.all {
            let edge = match edge {
                FoundEdge::Known(at) => targets.live.get(at).map(|target| target.edge().clone()),
                FoundEdge::Unknown(edge) => Some(edge),
            };
            if let Some(AttrEdges { edges, .. }) = built.get_mut(attr) {
                edges.extend(edge);
            }
        }
        built
    }
}

impl FoundEdges {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns the minimum number of bytes that the edges add to [`StoredResource::size`].
    pub(super) fn min_size(&self) -> u64 {
        self.min_size
    }
}

impl Record {
    /// Returns the maximum number of members that [`Record::members`] returns, but at most a small number.
    fn most_members(&self, path: &str, filter: EdgeFilter<'_>) -> usize {
        const SMALL: usize = 256;
        let all = self.edges.get(path).map_or(0, BTreeMap::len);
        match filter {
            EdgeFilter::First { limit, .. } => all.min(limit).min(SMALL),
            EdgeFilter::Targets(ids) => all.min(ids.len()).min(SMALL),
        }
    }

    /// Returns the members under an attribute, with the types from clients' requests, in the order of their ids.
    fn members<'r>(
        &'r self,
        path: &str,
        filter: EdgeFilter<'r>,
    ) -> impl Iterator<Item = (&'r ResourceId, Option<&'r Arc<str>>)> {
        let all = self.edges.get(path);
        let (first, named) = match filter {
            EdgeFilter::First { after, limit } => {
                let start = after.map_or(Bound::Unbounded, Bound::Excluded);
                let rest = all
                    .map(|targets| targets.range::<ResourceId, _>((start, Bound::Unbounded)))
                    .into_iter()
                    .flatten();
                (Some(rest.take(limit)), None)
            }
            EdgeFilter::Targets(ids) => {
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
    /// Returns the resources of these types that have the target as a member, in the order of their ids.
    fn owners_of<'t>(
        &'t self,
        kinds: &[&Arc<ResourceType>],
        target: &ResourceId,
        filter: EdgeFilter<'_>,
    ) -> Vec<&'t ResourceId> {
        let (after, limit) = match filter {
            EdgeFilter::First { after, limit } => (after, limit),
            EdgeFilter::Targets(_) => (None, usize::MAX),
        };
        let is_of = |owner: &Arc<str>| kinds.iter().any(|kind| kind.name() == &**owner);
        let mut ids = Vec::new();
        let few = self.places.few_owners(target.as_str(), limit);
        if let Some(owners) = few.filter(|_| after.is_none()) {
            let owners = owners.filter(|owner| is_of(&owner.kind));
            ids.extend(owners.map(|owner| &owner.id));
        } else {
            let lists = self.places.owner_lists(target.as_str()).into_iter();
            for list in lists.filter(|(_, owner)| is_of(owner)) {
                let owners = self.places.owners_in(target.as_str(), list, after);
                ids.extend(owners.take(limit).map(|owner| &owner.id));
            }
        }
        // An owner may have the target in more than one of its attributes.
        ids.sort_unstable();
        ids.dedup();
        ids.truncate(limit);
        ids
    }

    /// Returns the live resource with an id.
    fn live_target<'s>(&self, registry: &'s Registry, id: &ResourceId) -> Option<LiveTarget<'s>> {
        let name = self.places.kind(id.as_str())?;
        let record = self.tables.get(name)?.records.get(id)?;
        let kind = registry
            .resource_type(name)
            .filter(|kind| kind.name() == name)?;
        Some(LiveTarget {
            edge: OnceCell::new(),
            id: id.clone(),
            kind,
            text: record.text.clone(),
        })
    }
}

/// Returns a reader of the edges that a read needs.
pub(super) fn wanted<'s>(
    settings: &'s Settings,
    kind: &'s ResourceType,
    want: &ReadOptions,
) -> EdgeReader<'s> {
    EdgeReader::new(settings, kind, want.edges.iter().copied())
}

/// Returns the id in a value of the sub-attribute `value` of an edge, if that is compared case-exactly.
pub(super) fn id_in<'v>(kind: &ResourceType, attr: AttrId, value: &'v Scalar) -> Option<&'v str> {
    let sub = kind.attr(attr);
    let exact = sub.name() == "value" && sub.definition().is_case_exact();
    match value {
        Scalar::Text(id) if exact && sub.parent().is_some() => Some(id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Arc,
        task::{Context, Poll, Waker},
    };

    use chrono::DateTime;
    use scimkit_registry::{Change, ResourceType, Tolerance};
    use serde_json::json;

    use super::{EdgeReader, EdgeTargets};
    use crate::{
        Batch, MemoryStore, RequestContext, Settings, Store as _, TenantId, WriteOp, memory::shared,
    };

    #[test]
    fn target_of_many_edges_is_looked_up_once() {
        let store = MemoryStore::new();
        let settings = Settings::new("https://example.com");
        let context = RequestContext::new(TenantId::default(), settings.into());
        let kinds =
            ["Group", "User"].map(|name| context.settings.registry.resource_type(name).unwrap());
        let [group, user] = kinds;
        let create = |kind: &Arc<ResourceType>, id: &str, body| {
            let body = kind.admit(body, &Tolerance::DEFAULT).unwrap();
            WriteOp::Create {
                change: Change::create(Arc::clone(kind), body),
                existing_match: None,
                id: id.into(),
            }
        };
        let members = json!([{"value": "1"}, {"value": "2"}]);
        let writes = vec![
            create(user, "1", json!({"userName": "1"})),
            create(user, "2", json!({"userName": "2"})),
            create(group, "g", json!({"displayName": "G", "members": members})),
            create(group, "h", json!({"displayName": "H", "members": members})),
        ];
        let mut write = store.write(&context, Batch::new(DateTime::UNIX_EPOCH, writes));
        let answers = write.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(answers, Poll::Ready(Ok(all)) if all.iter().all(Result::is_ok)));

        let tenant = store.tenant(&context.tenant).unwrap();
        let tenant = shared(&tenant);
        let groups = user.attribute_id("groups").unwrap();
        let reader = EdgeReader::new(&context.settings, user, [groups]);
        let mut targets = EdgeTargets::default();
        let find = |id: &str| {
            let (id, record) = tenant.tables["User"].records.get_key_value(id).unwrap();
            reader.find_first(&tenant, (id, record), None, &mut targets)
        };
        let found = ["1", "2"].map(find);
        assert_eq!(targets.live.len(), 2);
        for found in found {
            let edges = reader.build(found, &targets).remove(0).edges;
            let names: Vec<_> = edges.iter().map(|edge| edge.display.as_deref()).collect();
            assert_eq!(names, [Some("G"), Some("H")]);
            assert!(
                edges
                    .iter()
                    .all(|edge| edge.kind.as_deref() == Some("Group"))
            );
        }
    }
}
