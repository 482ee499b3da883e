//! From stored resources to the JSON that goes out.

use std::{collections::BTreeSet, sync::Arc};

use scimkit_registry::{
    AttrId, Budget, Edge, Operator, Predicate, Projection, ResourceId, ResourceType, Role, Scalar,
};
use scimkit_store::{
    EdgeQuery, Facts, Overflow, Query, Scope, Settings, Store, StoreError, Stored, Want, computed,
    targets, yield_now,
};

use crate::{
    attrs::{edge_attrs, reference_attrs},
    error::Problem,
    work::{self, Service},
};

/// The bytes of resources that are taken apart at once, besides one resource: as trees they take many
/// times their text.
pub(crate) const TOGETHER: u64 = 256 << 10;

/// Splits resources into parts that can be taken apart at once.
pub(crate) fn parts(mut items: &[Stored]) -> impl Iterator<Item = &[Stored]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let full = items.iter().position(|stored| {
            bytes += stored.size();
            bytes >= TOGETHER
        });
        let count = full.map_or(items.len(), |last| last + 1);
        let (part, rest) = items.split_at_checked(count)?;
        items = rest;
        (!part.is_empty()).then_some(part)
    })
}

/// Units that it takes to render an edge.
const EDGE: u64 = 16 * Budget::COMPARISON;

/// Bytes of a document that are copied for one unit.
const COPIED: u64 = 16;

/// Bytes of a document that are searched for what a projection shows, and copied, for one unit.
pub(crate) const PROJECTED: u64 = 4;

/// The JSON texts of a page of resources of one type.
///
/// What is shown of a document is copied from its text, and the computed attributes are spliced in. Long
/// work is done on the lane, and others have a turn in between.
///
/// # Errors
/// The store fails to read edges or the targets of references; the lane is full.
pub(crate) async fn page(
    (scope, store, rendering): Service<'_>,
    (kind, items): (&Arc<ResourceType>, &[Stored]),
    projection: &Projection,
) -> Result<Vec<Vec<u8>>, Problem> {
    let mut turn = Turn::default();
    let edges = edges((scope, store), (kind, items), projection).await?;
    let computed = kind.attributes().iter();
    let computed = computed
        .filter(|a| a.parent().is_none() && projection.shows(a.id()))
        .filter(|a| !matches!(a.role(), Role::Plain | Role::Schemas));
    let computed: Vec<AttrId> = computed.map(|a| a.id()).collect();
    let mut texts = Vec::with_capacity(items.len());
    for (item, edges) in items.iter().zip(edges) {
        let one = One {
            edges,
            kind: Arc::clone(kind),
        };
        let units = one.units(item, projection);
        if units < work::AT_ONCE {
            turn.take(units).await;
            texts.push(one.text(&scope.settings, item, &computed, projection));
            continue;
        }
        let (settings, projection) = (Arc::clone(&scope.settings), projection.clone());
        let (mut item, computed) = (item.clone(), computed.clone());
        item.edges = Vec::new();
        let render = move || one.text(&settings, &item, &computed, &projection);
        texts.push(rendering.apart(scope, render).await?);
    }
    Ok(texts)
}

/// The work since the last time that other tasks could run.
#[derive(Debug, Default)]
struct Turn(u64);

impl Turn {
    /// Counts the work that comes next, and lets other tasks run first if it would be too much.
    async fn take(&mut self, units: u64) {
        self.0 = self.0.saturating_add(units);
        if self.0 >= work::AT_ONCE {
            self.0 = units;
            yield_now().await;
        }
    }
}

/// A resource that is rendered, besides its document.
struct One {
    edges: Vec<(AttrId, Vec<Edge>)>,
    kind: Arc<ResourceType>,
}

impl One {
    /// The approximate units that rendering takes.
    fn units(&self, item: &Stored, projection: &Projection) -> u64 {
        let edges: usize = self.edges.iter().map(|(_, edges)| edges.len()).sum();
        let bytes = match item.document.is_exact() && projection.is_whole() {
            true => COPIED,
            false => PROJECTED,
        };
        (item.document.size() / bytes).saturating_add(EDGE * edges as u64)
    }

    fn text(
        self,
        settings: &Settings,
        item: &Stored,
        wanted: &[AttrId],
        projection: &Projection,
    ) -> Vec<u8> {
        let facts = Facts::of(&self.kind, item, &self.edges);
        let made = computed(settings, &facts, wanted);
        self.kind.shown_text(&item.document, made, projection)
    }
}

/// For each resource of one type the edges under every membership, inverse and reference attribute
/// that is shown.
///
/// # Errors
/// What the store fails with.
pub(crate) async fn edges(
    (scope, store): (&Scope, &dyn Store),
    (kind, items): (&Arc<ResourceType>, &[Stored]),
    projection: &Projection,
) -> Result<Vec<Vec<(AttrId, Vec<Edge>)>>, StoreError> {
    let mut all = own_edges(scope, store, (kind, items), projection).await?;
    let is_known = |attr: AttrId| {
        let mut items = items.iter();
        items.all(|item| item.edges.iter().any(|(known, _)| *known == attr))
    };
    for attr in reference_attrs(kind) {
        if !projection.shows(attr) || is_known(attr) {
            continue;
        }
        let referred = references_of(kind, attr, items);
        let ids = referred.iter().map(|(_, id)| id.as_str()).collect();
        let found = targets_of((scope, store), (kind, attr), &ids).await?;
        for (at, id) in &referred {
            let edge = found.iter().find(|edge| edge.id == *id);
            if let Some((own, edge)) = all.get_mut(*at).zip(edge) {
                own.push((attr, vec![edge.clone()]));
            }
        }
    }
    Ok(all)
}

/// The resources that documents refer to, with the place of each document.
fn references_of(kind: &ResourceType, attr: AttrId, items: &[Stored]) -> Vec<(usize, ResourceId)> {
    let items = items.iter().enumerate();
    items
        .filter_map(|(at, item)| Some((at, item.document.reference(kind, attr)?)))
        .collect()
}

/// For each resource its edges under every membership and inverse attribute that is shown.
async fn own_edges(
    scope: &Scope,
    store: &dyn Store,
    (kind, items): (&Arc<ResourceType>, &[Stored]),
    projection: &Projection,
) -> Result<Vec<Vec<(AttrId, Vec<Edge>)>>, StoreError> {
    let mut all: Vec<_> = items.iter().map(|item| item.edges.clone()).collect();
    let Some(first) = items.first() else {
        return Ok(all);
    };
    for attr in edge_attrs(kind, projection) {
        // What was just read has its edges; what was just written has not.
        if first.edges.iter().any(|(known, _)| *known == attr) {
            continue;
        }
        let owners = items.iter().map(|item| item.id.clone()).collect();
        let query = EdgeQuery::new(Arc::clone(kind), attr, owners);
        let found = store.edges(scope, &query).await?;
        for (own, edges) in all.iter_mut().zip(found) {
            own.push((attr, edges));
        }
    }
    Ok(all)
}

/// How many targets are asked for in one predicate: few enough for every store to answer it by an
/// index.
const AT_ONCE: usize = 50;

/// Edges to the resources with these ids that a reference attribute can lead to, with their types and names.
async fn targets_of(
    (scope, store): (&Scope, &dyn Store),
    (kind, attr): (&ResourceType, AttrId),
    ids: &BTreeSet<&str>,
) -> Result<Vec<Edge>, StoreError> {
    let mut found = Vec::new();
    let ids: Vec<&str> = ids.iter().copied().collect();
    for target in targets(&scope.settings.registry, kind, attr) {
        for ids in ids.chunks(AT_ONCE) {
            let same = |id: &&str| Predicate::Compare {
                attr: AttrId::ID,
                op: Operator::Equal,
                value: Scalar::Text((*id).to_owned()),
            };
            let any = Predicate::Any(ids.iter().map(same).collect());
            let query = Query::of(Arc::clone(target))
                .matching(any)
                .page(0, 100)
                .uncounted()
                .with_max_bytes(TOGETHER)
                .with_overflow(Overflow::Name);
            let page = store.query(scope, &query).await?;
            found.extend(page.items.iter().map(|stored| edge_to(target, stored)));
            drop(page.items);
            for id in &page.rest {
                match store.read(scope, target, id, &Want::document()).await {
                    Ok(stored) => found.push(edge_to(target, &stored)),
                    Err(StoreError::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(found)
}

fn edge_to(kind: &ResourceType, stored: &Stored) -> Edge {
    Edge::to(stored.id.clone())
        .with_display(stored.document.display_name(kind))
        .with_kind(Some(kind.name().to_owned()))
}
