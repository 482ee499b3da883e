//! Loads edges for decisions and reads.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use scimkit_registry::{AttrEdges, AttrId, AttributeRole, Edge, ResourceId, ResourceType};

use super::{EdgeRow, EdgesBy, Lookups, RowLookups, SimpleRows, SimpleTransaction, live_rows};
use crate::{
    EdgeQuery, StoredResource,
    computed::target_types,
    engine::{
        AncestorEdge, AncestorQuery, Facts, FoundRow, Label, MemberList, Members, Needs, NewMember,
        OwnerEdge, OwnerList, RowsError, ShownMembers, ShownOwners,
    },
    read_options::most,
};

/// The members of some owners, with the types from clients' requests.
type MemberLists = BTreeMap<MemberList, BTreeMap<ResourceId, Option<String>>>;

/// The part of the edges that a caller wants: attributes, the target after which they start, and their number.
type EdgePart<'e> = (&'e [AttrId], Option<&'e ResourceId>, Option<u32>);

impl<T: RowLookups> SimpleRows<'_, T> {
    /// Returns the facts for all needs but the version and stored counters: rows and edges with one call, then the
    /// rows at the ends of edges, and nested groups level by level.
    ///
    /// # Errors
    /// The database failed. The caller rolls the transaction back.
    pub async fn facts(&mut self, needs: &Needs) -> Result<Facts, RowsError> {
        let mut facts = Facts::default();
        let rows = needs.lookups();
        let mut lookups = Lookups {
            edges: Vec::new(),
            rows: rows.iter().map(|lookup| lookup.by.clone()).collect(),
        };
        let among = needs.edges.iter().chain(&needs.member_kinds);
        let among = among.map(|(list, ids)| EdgesBy::Members(list.clone(), ids.clone()));
        lookups.edges.extend(among);
        let lists: BTreeSet<_> = needs
            .members
            .iter()
            .chain(needs.shown_members.keys())
            .collect();
        if !lists.is_empty() {
            let lists = lists.into_iter().cloned().collect();
            lookups.edges.push(EdgesBy::Lists(lists));
        }
        let mut climb = Climb::new(needs);
        let targets = needs.owners.iter().cloned().chain(climb.targets());
        let shown = needs.shown_owners.keys().map(|list| list.target.clone());
        lookups.add_targets(targets.chain(shown).collect());
        let mut results = self.look_up(&lookups).await?;
        for (lookup, rows) in rows.iter().zip(results.rows) {
            facts.add_rows(lookup, rows);
        }
        let others = results.edges.split_off(needs.edges.len());
        for (list, edges) in needs.edges.keys().cloned().zip(results.edges) {
            let targets = edges.into_iter().map(|edge| edge.member.id).collect();
            facts.edges.push(Members { list, targets });
        }
        let mut others = others.into_iter();
        for list in needs.member_kinds.keys().cloned() {
            let edges = others.next().unwrap_or_default().into_iter();
            let members = edges.map(|edge| edge.member).collect();
            facts.member_kinds.push(ShownMembers { list, members });
        }
        // A list and a target may lead to the same edge.
        let mut edges: Vec<EdgeRow> = others.flatten().collect();
        edges.sort_by(|a, b| (&a.list, &a.member.id).cmp(&(&b.list, &b.member.id)));
        edges.dedup_by(|a, b| a.list == b.list && a.member.id == b.member.id);
        let ends = add_lists(needs, &edges, &mut facts);
        climb.step(&edges, &mut facts);
        let mut above = Lookups::default();
        above.add_ids(ends);
        loop {
            above.add_targets(climb.targets().collect());
            let results = self.look_up(&above).await?;
            let is_last = above.edges.is_empty();
            self.add_ends(needs, (&edges, live_rows(results.rows)), &mut facts);
            if is_last {
                return Ok(facts);
            }
            let edges: Vec<_> = results.edges.into_iter().flatten().collect();
            climb.step(&edges, &mut facts);
            above = Lookups::default();
        }
    }

    /// Adds the facts about the rows at the ends of edges.
    fn add_ends(
        &self,
        needs: &Needs,
        (edges, rows): (&[EdgeRow], BTreeMap<ResourceId, FoundRow>),
        facts: &mut Facts,
    ) {
        for EdgeRow { list, member } in edges {
            if let Some(row) = rows
                .get(&list.owner)
                .filter(|_| needs.owners.contains(&member.id))
            {
                facts.owners.push(OwnerEdge {
                    attr: Arc::clone(&list.attr),
                    owner: row.head.clone(),
                    target: member.id.clone(),
                });
            }
        }
        let registry = &self.context.settings.registry;
        for row in rows.values() {
            if let Some(kind) = registry.resource_type(&row.head.kind) {
                facts.labels.extend(Label::new(kind, row));
            }
        }
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
        let ids = resources.iter().map(|stored| stored.id.clone()).collect();
        let lookups = Lookups {
            edges: lookups(kind, attrs, &ids),
            rows: Vec::new(),
        };
        let edges = self.look_up(&lookups).await?.edges;
        let edges = edges.into_iter().flatten().collect();
        self.fill_in_edges(kind, resources, (attrs, None, limit), edges)
            .await
    }

    /// Adds edges that [`lookups`] has found to resources, with the current types and names of their targets.
    pub(super) async fn fill_in_edges(
        &mut self,
        kind: &Arc<ResourceType>,
        resources: &mut [StoredResource],
        (attrs, after, limit): EdgePart<'_>,
        found: Vec<EdgeRow>,
    ) -> Result<(), RowsError> {
        let mut ids = BTreeSet::new();
        for attr in attrs {
            let mut edges = self.own_edges(kind, *attr, (resources, &found));
            for stored in &mut *resources {
                let mut edges = edges.remove(&stored.id).unwrap_or_default();
                edges.retain(|edge| after.is_none_or(|after| edge.id > *after));
                edges.truncate(most(limit));
                ids.extend(edges.iter().map(|edge| edge.id.clone()));
                let attr = *attr;
                stored.edges.push(AttrEdges { attr, edges });
            }
        }
        let rows = self.live(ids).await?;
        let registry = &self.context.settings.registry;
        for attr in attrs {
            let leads_to = target_types(registry, kind, *attr);
            let lists = resources.iter_mut().flat_map(|stored| &mut stored.edges);
            let lists = lists.filter(|list| list.attr == *attr);
            // The resources of a page are often in the same groups.
            let mut displays = BTreeMap::new();
            for edge in lists.flat_map(|list| &mut list.edges) {
                let Some((id, row)) = rows.get_key_value(&edge.id) else {
                    continue;
                };
                let FoundRow { document, head, .. } = row;
                let Some(kind) = leads_to.iter().find(|kind| *kind.name() == *head.kind) else {
                    continue;
                };
                edge.kind = Some(Arc::clone(kind.shared_name()));
                let display = displays.entry(id);
                let display =
                    display.or_insert_with(|| document.display_name(kind).map(Arc::<str>::from));
                edge.display.clone_from(display);
            }
        }
        Ok(())
    }

    /// Returns the edges of resources under one attribute, by owner, in the order of their targets.
    fn own_edges(
        &self,
        kind: &Arc<ResourceType>,
        attr: AttrId,
        (resources, edges): (&[StoredResource], &[EdgeRow]),
    ) -> BTreeMap<ResourceId, Vec<Edge>> {
        let leads_to = target_types(&self.context.settings.registry, kind, attr);
        let is_target = |name: &str| leads_to.iter().any(|kind| kind.name() == name);
        let attr = kind.attr(attr);
        let mut found: BTreeMap<ResourceId, BTreeMap<ResourceId, Option<String>>> = BTreeMap::new();
        let mut add = |owner: &ResourceId, target: &ResourceId, kind: Option<String>| {
            let targets = found.entry(owner.clone()).or_default();
            targets.insert(target.clone(), kind);
        };
        match attr.role() {
            AttributeRole::Inverse => {
                for EdgeRow { list, member } in edges {
                    if is_target(&list.kind) {
                        add(&member.id, &list.owner, None);
                    }
                }
            }
            AttributeRole::Membership => {
                for EdgeRow { list, member } in edges {
                    if *list.attr == *attr.path() && *list.kind == *kind.name() {
                        add(&list.owner, &member.id, member.kind.clone());
                    }
                }
            }
            _ => {
                for stored in resources {
                    if let Some(id) = stored.document.reference(kind, attr.id()) {
                        add(&stored.id, &id, None);
                    }
                }
            }
        }
        let edge = |(id, kind)| Edge::to(id).with_kind(kind);
        let edges = |targets: BTreeMap<_, _>| targets.into_iter().map(edge).collect();
        let found = found.into_iter();
        found
            .map(|(owner, targets)| (owner, edges(targets)))
            .collect()
    }

    /// Returns the edges of some owners: see [`Store::edges`](crate::Store::edges).
    ///
    /// # Errors
    /// The transaction has to be rolled back.
    pub async fn edges_of_owners(
        &mut self,
        query: &EdgeQuery,
    ) -> Result<Vec<Vec<Edge>>, RowsError> {
        let ids: BTreeSet<_> = query.owners.iter().cloned().collect();
        let mut lookups = Lookups {
            edges: lookups(&query.kind, &[query.attr], &ids),
            rows: Vec::new(),
        };
        lookups.add_ids(ids);
        let results = self.look_up(&lookups).await?;
        let rows = live_rows(results.rows).into_values();
        let of_kind = rows.filter(|row| *row.head.kind == *query.kind.name());
        let mut owners: Vec<_> = of_kind.map(FoundRow::into_stored).collect();
        let edges = results.edges.into_iter().flatten().collect();
        let part = (&[query.attr][..], query.after.as_ref(), query.limit);
        self.fill_in_edges(&query.kind, &mut owners, part, edges)
            .await?;
        let lists = owners.into_iter().map(|stored| {
            let edges = stored.edges.into_iter().flat_map(|list| list.edges);
            (stored.id, edges.collect::<Vec<_>>())
        });
        let lists: BTreeMap<_, _> = lists.collect();
        let own = |id| lists.get(id).cloned().unwrap_or_default();
        Ok(query.owners.iter().map(own).collect())
    }
}

/// Returns the look-ups of the edges that resources of one type have under some attributes.
pub(super) fn lookups(
    kind: &ResourceType,
    attrs: &[AttrId],
    ids: &BTreeSet<ResourceId>,
) -> Vec<EdgesBy> {
    let mut lookups = Lookups::default();
    let mut lists = BTreeSet::new();
    let attrs = || attrs.iter().map(|attr| kind.attr(*attr));
    for attr in attrs().filter(|attr| attr.role() == AttributeRole::Membership) {
        lists.extend(ids.iter().map(|owner| MemberList {
            attr: attr.path().into(),
            kind: kind.name().into(),
            owner: owner.clone(),
        }));
    }
    if !lists.is_empty() {
        lookups.edges.push(EdgesBy::Lists(lists));
    }
    if attrs().any(|attr| attr.role() == AttributeRole::Inverse) {
        lookups.add_targets(ids.clone());
    }
    lookups.edges
}

impl Lookups {
    /// Adds a look-up of edges by their targets, if there are any.
    fn add_targets(&mut self, targets: BTreeSet<ResourceId>) {
        if !targets.is_empty() {
            self.edges.push(EdgesBy::Targets(targets));
        }
    }
}

/// Adds the facts that are lists of ids, and returns the ids of the rows at the ends of their edges.
fn add_lists(needs: &Needs, edges: &[EdgeRow], facts: &mut Facts) -> BTreeSet<ResourceId> {
    let mut ends = BTreeSet::new();
    let mut members = MemberLists::new();
    let mut owners: BTreeMap<OwnerList, BTreeSet<ResourceId>> = BTreeMap::new();
    for EdgeRow { list, member } in edges {
        if needs.members.contains(list) || needs.shown_members.contains_key(list) {
            let members = members.entry(list.clone()).or_default();
            members.insert(member.id.clone(), member.kind.clone());
        }
        let owner_list = OwnerList {
            attr: Arc::clone(&list.attr),
            kind: Arc::clone(&list.kind),
            target: member.id.clone(),
        };
        if needs.shown_owners.contains_key(&owner_list) {
            let owners = owners.entry(owner_list).or_default();
            owners.insert(list.owner.clone());
        }
        if needs.owners.contains(&member.id) {
            ends.insert(list.owner.clone());
        }
    }
    for (list, members) in members {
        if needs.members.contains(&list) {
            let (list, targets) = (list.clone(), members.keys().cloned().collect());
            facts.members.push(Members { list, targets });
        }
        if let Some(limit) = needs.shown_members.get(&list) {
            let members = members.into_iter().take(limit.unwrap_or(usize::MAX));
            let members: Vec<_> = members.map(|(id, kind)| NewMember { id, kind }).collect();
            ends.extend(members.iter().map(|member| member.id.clone()));
            facts.shown_members.push(ShownMembers { list, members });
        }
    }
    for (list, owners) in owners {
        let limit = needs.shown_owners.get(&list).copied().flatten();
        let owners: Vec<_> = owners
            .into_iter()
            .take(limit.unwrap_or(usize::MAX))
            .collect();
        ends.extend(owners.iter().cloned());
        facts.shown_owners.push(ShownOwners { list, owners });
    }
    ends
}

/// The way up from resources to the groups around them, level by level.
struct Climb {
    open: BTreeSet<AncestorQuery>,
    seen: BTreeSet<AncestorQuery>,
}

impl Climb {
    fn new(needs: &Needs) -> Self {
        Climb {
            open: needs.ancestors.clone(),
            seen: needs.ancestors.clone(),
        }
    }

    /// The resources of the current level.
    fn targets(&self) -> impl Iterator<Item = ResourceId> {
        self.open.iter().map(|query| query.start.clone())
    }

    /// Adds the edges from the current level, and goes on to the next one.
    fn step(&mut self, edges: &[EdgeRow], facts: &mut Facts) {
        let level = std::mem::take(&mut self.open);
        for EdgeRow { list, member } in edges {
            let attr = &list.attr;
            let query = |id: &ResourceId| AncestorQuery {
                attr: Arc::clone(attr),
                start: id.clone(),
            };
            if !level.contains(&query(&member.id)) {
                continue;
            }
            if self.seen.insert(query(&list.owner)) {
                self.open.insert(query(&list.owner));
            }
            facts.ancestors.push(AncestorEdge {
                attr: Arc::clone(attr),
                owner: list.owner.clone(),
                target: member.id.clone(),
            });
        }
    }
}

impl<T: SimpleTransaction> SimpleRows<'_, T> {
    /// Removes all edges in which a resource is the owner or the member.
    pub(super) async fn unlink_all(
        &mut self,
        id: &ResourceId,
        kind: &Arc<str>,
    ) -> Result<(), RowsError> {
        let mut lookups = Lookups::default();
        lookups.add_targets(BTreeSet::from([id.clone()]));
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
            lookups.edges.push(EdgesBy::Lists(lists));
        }
        let edges = self.look_up(&lookups).await?.edges;
        let mut ends: BTreeMap<MemberList, BTreeSet<ResourceId>> = BTreeMap::new();
        for EdgeRow { list, member } in edges.into_iter().flatten() {
            ends.entry(list).or_default().insert(member.id);
        }
        for (list, targets) in ends {
            let targets = targets.into_iter().collect();
            self.transaction.unlink(&Members { list, targets }).await?;
        }
        Ok(())
    }
}
