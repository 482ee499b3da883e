//! Loads edges for decisions and reads.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use scimkit_registry::{AttrEdges, AttrId, AttributeRole, Edge, ResourceId, ResourceType};

use super::{EdgeRow, EdgesBy, SimpleRows, SimpleTransaction};
use crate::{
    EdgeQuery, StoredResource,
    computed::target_types,
    engine::{
        AncestorEdge, Facts, FoundRow, Label, MemberList, Members, Needs, NewMember, OwnerEdge,
        OwnerList, RowsError, ShownMembers, ShownOwners,
    },
    read_options::most,
};

impl<T: SimpleTransaction> SimpleRows<'_, T> {
    /// Adds the facts about edges.
    pub(super) async fn add_edges(
        &mut self,
        needs: &Needs,
        facts: &mut Facts,
    ) -> Result<(), RowsError> {
        for (list, wanted) in &needs.edges {
            let by = EdgesBy::Members(list.clone(), wanted.clone());
            let edges = self.transaction.edges(&by).await?.into_iter();
            let found = edges.filter(|e| e.list == *list && wanted.contains(&e.member.id));
            let list = list.clone();
            let targets = found.map(|edge| edge.member.id).collect();
            facts.edges.push(Members { list, targets });
        }
        for (list, members) in self.members_of(needs.members.clone()).await? {
            let targets = members.into_keys().collect();
            facts.members.push(Members { list, targets });
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
        self.add_shown(needs, facts).await?;
        self.add_ancestors(needs, facts).await
    }

    /// Adds the facts about the edges in results.
    async fn add_shown(&mut self, needs: &Needs, facts: &mut Facts) -> Result<(), RowsError> {
        let mut shown = BTreeSet::new();
        let lists: BTreeSet<_> = needs.shown_members.keys().cloned().collect();
        for (list, members) in self.members_of(lists).await? {
            let limit = needs.shown_members.get(&list).copied().flatten();
            let members = members.into_iter().take(limit.unwrap_or(usize::MAX));
            let members: Vec<_> = members.map(|(id, kind)| NewMember { id, kind }).collect();
            shown.extend(members.iter().map(|member| member.id.clone()));
            facts.shown_members.push(ShownMembers { list, members });
        }
        for (list, targets) in &needs.member_kinds {
            let by = EdgesBy::Members(list.clone(), targets.clone());
            let edges = self.transaction.edges(&by).await?.into_iter();
            let found = edges.filter(|e| e.list == *list && targets.contains(&e.member.id));
            let list = list.clone();
            let members = found.map(|edge| edge.member).collect();
            facts.member_kinds.push(ShownMembers { list, members });
        }
        let targets = needs.shown_owners.keys().map(|list| list.target.clone());
        let mut owners: BTreeMap<OwnerList, BTreeSet<ResourceId>> = BTreeMap::new();
        for EdgeRow { list, member } in self.edges_to(targets.collect()).await? {
            let (attr, kind, target) = (list.attr, list.kind, member.id);
            let owner_list = OwnerList { attr, kind, target };
            if needs.shown_owners.contains_key(&owner_list) {
                owners.entry(owner_list).or_default().insert(list.owner);
            }
        }
        for (list, owners) in owners {
            let limit = needs.shown_owners.get(&list).copied().flatten();
            let owners = owners.into_iter().take(limit.unwrap_or(usize::MAX));
            let owners: Vec<_> = owners.collect();
            shown.extend(owners.iter().cloned());
            facts.shown_owners.push(ShownOwners { list, owners });
        }
        let registry = Arc::clone(&self.context.settings.registry);
        for row in self.live(shown).await?.values() {
            if let Some(kind) = registry.resource_type(&row.head.kind) {
                facts.labels.extend(Label::new(kind, row));
            }
        }
        Ok(())
    }

    /// Returns the members of some owners, with the types from clients' requests.
    async fn members_of(
        &mut self,
        lists: BTreeSet<MemberList>,
    ) -> Result<BTreeMap<MemberList, BTreeMap<ResourceId, Option<String>>>, RowsError> {
        let mut members: BTreeMap<MemberList, BTreeMap<_, _>> = BTreeMap::new();
        if lists.is_empty() {
            return Ok(members);
        }
        let by = EdgesBy::Lists(lists.clone());
        for EdgeRow { list, member } in self.transaction.edges(&by).await? {
            if lists.contains(&list) {
                members
                    .entry(list)
                    .or_default()
                    .insert(member.id, member.kind);
            }
        }
        Ok(members)
    }

    /// Adds the direct and indirect memberships, level by level.
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

    /// Returns the edges to some resources.
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

    /// Adds the edges under these attributes to resources of one type, up to a number of edges for each.
    ///
    /// # Errors
    /// The transaction has to be rolled back.
    pub async fn add_edges_to(
        &mut self,
        kind: &Arc<ResourceType>,
        resources: &mut [StoredResource],
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
                stored.edges.push(AttrEdges {
                    attr: *attr,
                    edges: own,
                });
            }
        }
        Ok(())
    }

    /// Returns the edges of resources under one attribute, by owner, in the order of their targets.
    async fn raw_edges(
        &mut self,
        kind: &Arc<ResourceType>,
        attr: AttrId,
        resources: &[StoredResource],
    ) -> Result<BTreeMap<ResourceId, Vec<Edge>>, RowsError> {
        let leads_to = target_types(&self.context.settings.registry, kind, attr);
        let is_target = |name: &str| leads_to.iter().any(|kind| kind.name() == name);
        let attr = kind.attr(attr);
        let ids = || resources.iter().map(|stored| stored.id.clone());
        let mut found: BTreeMap<ResourceId, BTreeMap<ResourceId, Option<String>>> = BTreeMap::new();
        let mut add = |owner: ResourceId, target, kind| {
            found.entry(owner).or_default().insert(target, kind);
        };
        match attr.role() {
            AttributeRole::Inverse => {
                for EdgeRow { list, member } in self.edges_to(ids().collect()).await? {
                    if is_target(&list.kind) {
                        add(member.id, list.owner, None);
                    }
                }
            }
            AttributeRole::Membership => {
                let list = |owner| MemberList {
                    attr: attr.path().into(),
                    kind: kind.name().into(),
                    owner,
                };
                for (list, members) in self.members_of(ids().map(list).collect()).await? {
                    for (target, kind) in members {
                        add(list.owner.clone(), target, kind);
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
        let leads_to = target_types(&self.context.settings.registry, kind, attr);
        for edge in edges {
            let Some(FoundRow { document, head, .. }) = rows.get(&edge.id) else {
                continue;
            };
            let Some(kind) = leads_to.iter().find(|kind| *kind.name() == *head.kind) else {
                continue;
            };
            edge.kind = Some(Arc::clone(kind.shared_name()));
            edge.display = document.display_name(kind).map(Arc::from);
        }
        Ok(())
    }

    /// Returns the edges of some owners: see [`Store::edges`](crate::Store::edges).
    ///
    /// # Errors
    /// The transaction has to be rolled back.
    pub async fn edges_of_owners(
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
        let registry = Arc::clone(&self.context.settings.registry);
        let kind = registry.resource_type(kind);
        let attrs = kind.into_iter().flat_map(|kind| kind.attributes());
        let attrs = attrs
            .filter(|attr| attr.role() == AttributeRole::Membership && attr.parent().is_none());
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
