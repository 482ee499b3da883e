//! Edges, for decisions and as reads show them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use scimkit_registry::{AttrId, Edge, ResourceId, ResourceType, Role};

use super::{EdgeRow, EdgesBy, SimpleRows, SimpleTransaction};
use crate::{
    EdgeQuery, Stored,
    computed::targets,
    engine::{AncestorEdge, Facts, FoundRow, MemberList, Members, Needs, OwnerEdge, RowsError},
    want::most,
};

impl<T: SimpleTransaction> SimpleRows<'_, T> {
    /// Adds the facts about edges.
    pub(super) async fn add_edges(
        &mut self,
        needs: &Needs,
        facts: &mut Facts,
    ) -> Result<(), RowsError> {
        for (list, among) in &needs.edges {
            let by = EdgesBy::Members(list.clone(), among.clone());
            let edges = self.transaction.edges(&by).await?.into_iter();
            let found = edges.filter(|e| e.list == *list && among.contains(&e.member.id));
            let (list, targets) = (list.clone(), found.map(|edge| edge.member.id).collect());
            facts.edges.push(Members { list, targets });
        }
        if !needs.members.is_empty() {
            let by = EdgesBy::Lists(needs.members.clone());
            let mut lists: BTreeMap<MemberList, Vec<ResourceId>> = BTreeMap::new();
            for edge in self.transaction.edges(&by).await? {
                if needs.members.contains(&edge.list) {
                    lists.entry(edge.list).or_default().push(edge.member.id);
                }
            }
            let lists = lists.into_iter();
            let lists = lists.map(|(list, targets)| Members { list, targets });
            facts.members.extend(lists);
        }
        let edges = self.edges_to(needs.owners.clone()).await?;
        let ids = edges.iter().map(|edge| edge.list.owner.clone()).collect();
        let owners = self.live(ids).await?;
        for EdgeRow { list, member } in edges {
            if let Some(row) = owners.get(&list.owner) {
                facts.owners.push(OwnerEdge {
                    attr: list.attr,
                    owner: row.head.clone(),
                    target: member.id,
                });
            }
        }
        self.add_ancestors(needs, facts).await
    }

    /// Follows memberships upwards, level by level.
    async fn add_ancestors(&mut self, needs: &Needs, facts: &mut Facts) -> Result<(), RowsError> {
        let attrs: BTreeSet<_> = needs.ancestors.iter().map(|query| &query.attr).collect();
        for attr in attrs {
            let of_attr = needs.ancestors.iter().filter(|query| query.attr == *attr);
            let mut open: BTreeSet<_> = of_attr.map(|query| query.start.clone()).collect();
            let mut seen = open.clone();
            while !open.is_empty() {
                let edges = self.edges_to(std::mem::take(&mut open)).await?;
                for EdgeRow { list, member } in edges.into_iter().filter(|e| e.list.attr == *attr) {
                    if seen.insert(list.owner.clone()) {
                        open.insert(list.owner.clone());
                    }
                    facts.ancestors.push(AncestorEdge {
                        attr: list.attr,
                        owner: list.owner,
                        target: member.id,
                    });
                }
            }
        }
        Ok(())
    }

    /// The edges that lead to some resources.
    async fn edges_to(&mut self, targets: BTreeSet<ResourceId>) -> Result<Vec<EdgeRow>, RowsError> {
        if targets.is_empty() {
            return Ok(Vec::new());
        }
        let by = EdgesBy::Targets(targets);
        let mut edges = self.transaction.edges(&by).await?;
        if let EdgesBy::Targets(targets) = &by {
            edges.retain(|edge| targets.contains(&edge.member.id));
        }
        Ok(edges)
    }

    /// Adds the edges under these attributes to resources of one type.
    pub(super) async fn add_edges_to(
        &mut self,
        kind: &Arc<ResourceType>,
        resources: &mut [Stored],
        (attrs, limit): (&[AttrId], Option<u32>),
    ) -> Result<(), RowsError> {
        for attr in attrs {
            let mut edges = self.raw_edges(kind, *attr, resources).await?;
            let lists = edges.values_mut();
            lists.for_each(|edges| edges.truncate(most(limit)));
            self.fill_in(kind, *attr, edges.values_mut().flatten())
                .await?;
            for stored in &mut *resources {
                let own = edges.remove(&stored.id).unwrap_or_default();
                stored.edges.push((*attr, own));
            }
        }
        Ok(())
    }

    /// The edges of resources under one attribute, by owner, in the order of their targets.
    async fn raw_edges(
        &mut self,
        kind: &Arc<ResourceType>,
        attr: AttrId,
        resources: &[Stored],
    ) -> Result<BTreeMap<ResourceId, Vec<Edge>>, RowsError> {
        let leads_to = targets(&self.scope.settings.registry, kind, attr);
        let is_target = |name: &str| leads_to.iter().any(|kind| kind.name() == name);
        let attr = kind.attr(attr);
        let ids = || resources.iter().map(|stored| stored.id.clone());
        let mut found: BTreeMap<ResourceId, BTreeMap<ResourceId, Option<String>>> = BTreeMap::new();
        let mut add = |owner: ResourceId, target, kind| {
            found.entry(owner).or_default().insert(target, kind);
        };
        match attr.role() {
            Role::Inverse => {
                for EdgeRow { list, member } in self.edges_to(ids().collect()).await? {
                    if is_target(&list.kind) {
                        add(member.id, list.owner, None);
                    }
                }
            }
            Role::Membership => {
                let list = |owner| MemberList {
                    attr: attr.path().into(),
                    kind: kind.name().into(),
                    owner,
                };
                let lists: BTreeSet<_> = ids().map(list).collect();
                let by = EdgesBy::Lists(lists.clone());
                for EdgeRow { list, member } in self.transaction.edges(&by).await? {
                    if lists.contains(&list) {
                        add(list.owner, member.id, member.kind);
                    }
                }
            }
            _ => {
                for stored in resources {
                    if let Some(id) = stored.document.reference(kind, attr.id()) {
                        add(stored.id.clone(), id, None);
                    }
                }
            }
        }
        let edge = |(id, kind)| Edge::to(id).with_kind(kind);
        let edges = |targets: BTreeMap<_, _>| targets.into_iter().map(edge).collect();
        let found = found.into_iter();
        Ok(found
            .map(|(owner, targets)| (owner, edges(targets)))
            .collect())
    }

    /// Sets the types and names of edges to the current ones of their targets.
    async fn fill_in<'e>(
        &mut self,
        kind: &ResourceType,
        attr: AttrId,
        edges: impl Iterator<Item = &'e mut Edge>,
    ) -> Result<(), RowsError> {
        let edges: Vec<_> = edges.collect();
        let ids = edges.iter().map(|edge| edge.id.clone()).collect();
        let rows = self.live(ids).await?;
        let leads_to = targets(&self.scope.settings.registry, kind, attr);
        for edge in edges {
            let Some(FoundRow { document, head, .. }) = rows.get(&edge.id) else {
                continue;
            };
            let Some(kind) = leads_to.iter().find(|kind| *kind.name() == *head.kind) else {
                continue;
            };
            edge.kind = Some(kind.name().to_owned());
            edge.display = document.display_name(kind);
        }
        Ok(())
    }

    /// The edges of a page of owners.
    pub(super) async fn edges_of_owners(
        &mut self,
        query: &EdgeQuery,
    ) -> Result<Vec<Vec<Edge>>, RowsError> {
        let rows = self.live(query.owners.iter().cloned().collect()).await?;
        let of_kind = rows
            .into_values()
            .filter(|row| *row.head.kind == *query.kind.name());
        let owners: Vec<_> = of_kind.map(FoundRow::into_stored).collect();
        let mut edges = self.raw_edges(&query.kind, query.attr, &owners).await?;
        for edges in edges.values_mut() {
            edges.retain(|edge| query.after.as_ref().is_none_or(|after| edge.id > *after));
            edges.truncate(most(query.limit));
        }
        self.fill_in(&query.kind, query.attr, edges.values_mut().flatten())
            .await?;
        let own = |id| edges.get(id).cloned().unwrap_or_default();
        Ok(query.owners.iter().map(own).collect())
    }

    /// Removes all edges in which a resource is the owner or the member.
    pub(super) async fn unlink_all(
        &mut self,
        id: &ResourceId,
        kind: &Arc<str>,
    ) -> Result<(), RowsError> {
        let mut edges = self.edges_to(BTreeSet::from([id.clone()])).await?;
        let registry = Arc::clone(&self.scope.settings.registry);
        let kind = registry.by_name(kind);
        let attrs = kind.into_iter().flat_map(|kind| kind.attributes());
        let attrs = attrs.filter(|attr| attr.role() == Role::Membership && attr.parent().is_none());
        let list = |attr: &scimkit_registry::Attr| MemberList {
            attr: attr.path().into(),
            kind: kind.map_or("", |kind| kind.name()).into(),
            owner: id.clone(),
        };
        let lists: BTreeSet<_> = attrs.map(list).collect();
        if !lists.is_empty() {
            let owned = self
                .transaction
                .edges(&EdgesBy::Lists(lists.clone()))
                .await?;
            edges.extend(owned.into_iter().filter(|edge| lists.contains(&edge.list)));
        }
        let mut ends: BTreeMap<MemberList, BTreeSet<ResourceId>> = BTreeMap::new();
        for EdgeRow { list, member } in edges {
            ends.entry(list).or_default().insert(member.id);
        }
        for (list, targets) in ends {
            let targets = targets.into_iter().collect();
            self.transaction.unlink(&Members { list, targets }).await?;
        }
        Ok(())
    }
}
