//! Rendering of stored resources as JSON.

use std::{collections::BTreeSet, sync::Arc};

use scimkit_registry::{
    AttrEdges, AttrId, AttributeRole, Budget, Edge, Operator, Predicate, Projection, ResourceId,
    ResourceType, Scalar,
};
use scimkit_store::{
    EdgeQuery, Overflow, Query, ReadOptions, RequestContext, ResourcePrinter, Store, StoreError,
    StoredResource, target_types, yield_now,
};
use tracing::Instrument;

use crate::{
    attrs::shown_edges,
    error::{HandlerError, lost},
    work::{self, Service},
};

/// The bytes of resources that are rendered or sorted at once, in addition to one resource.
pub(crate) const TOGETHER: u64 = 256 << 10;

/// Splits resources into parts that are small enough to be sorted at once.
pub(crate) fn parts(mut items: &[StoredResource]) -> impl Iterator<Item = &[StoredResource]> {
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

/// The units that rendering an edge costs.
const EDGE: u64 = 16 * Budget::COMPARISON;

/// The bytes of a document that are copied for one unit.
const COPIED: u64 = 16;

/// The bytes of a document that are searched for projected attributes, and copied, for one unit.
pub(crate) const PROJECTED: u64 = 4;

/// A resource of a list, and the index of the query that found it.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) query: usize,
    pub(crate) stored: StoredResource,
}

/// The type and projection of a query, which determine how its resources are rendered.
pub(crate) type Shape = (Arc<ResourceType>, Projection);

/// Appends the JSON texts of the resources of a page, separated by commas.
///
/// The shown parts of a document are copied from its text, and the computed attributes are inserted. Long work runs
/// on the lane, and other tasks get a turn in between.
///
/// # Errors
/// The store fails to read edges or the targets of references; the lane is full.
pub(crate) async fn page(
    service: Service<'_>,
    shapes: &[Shape],
    items: Vec<Item>,
    out: &mut Vec<u8>,
) -> Result<(), HandlerError> {
    let span = tracing::debug_span!("encode", resources = items.len());
    encode(service, shapes, items, out).instrument(span).await
}

async fn encode(
    service: Service<'_>,
    shapes: &[Shape],
    mut items: Vec<Item>,
    out: &mut Vec<u8>,
) -> Result<(), HandlerError> {
    let (context, _, rendering) = service;
    for (query, shape) in shapes.iter().enumerate() {
        complete(service, (query, shape), &mut items).await?;
    }
    let settings = &context.settings;
    let printers = shapes
        .iter()
        .map(|(kind, projection)| ResourcePrinter::new(settings, kind, projection));
    let printers: Vec<_> = printers.collect();
    let mut turn = Turn::default();
    let sizes = items
        .iter()
        .map(|item| item.stored.size().min(TOGETHER) + PRINTED);
    out.reserve(usize::try_from(sizes.sum::<u64>()).unwrap_or(0));
    for (at, Item { query, stored }) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let shape = shapes.get(query).ok_or_else(lost)?;
        let units = units(&stored, &shape.1);
        if units < work::AT_ONCE {
            turn.take(units).await;
            let printer = printers.get(query).ok_or_else(lost)?;
            printer.print(&stored, out);
            continue;
        }
        let (settings, (kind, projection)) = (Arc::clone(settings), shape.clone());
        let render = move || {
            let mut text = Vec::new();
            ResourcePrinter::new(&settings, &kind, &projection).print(&stored, &mut text);
            text
        };
        let text = rendering.apart(context, render).await?;
        if out.is_empty() {
            *out = text
        } else {
            out.extend_from_slice(&text)
        }
    }
    Ok(())
}

/// The approximate bytes of a resource in addition to its document, to reserve capacity.
const PRINTED: u64 = 512;

/// Adds the shown edges to the resources that one query found, if the store did not return them.
async fn complete(
    (context, store, _): Service<'_>,
    (query, (kind, projection)): (usize, &Shape),
    items: &mut [Item],
) -> Result<(), HandlerError> {
    let own: Vec<&StoredResource> = items
        .iter()
        .filter(|item| item.query == query)
        .map(|item| &item.stored)
        .collect();
    let missing = missing_edges((context, store), (kind, &own), projection).await?;
    if missing.is_empty() {
        return Ok(());
    }
    let mut own: Vec<&mut StoredResource> = items
        .iter_mut()
        .filter(|item| item.query == query)
        .map(|item| &mut item.stored)
        .collect();
    for (at, attr, edges) in missing {
        if let Some(stored) = own.get_mut(at) {
            stored.edges.push(AttrEdges { attr, edges });
        }
    }
    Ok(())
}

/// The work since other tasks last had a turn.
#[derive(Debug, Default)]
struct Turn(u64);

impl Turn {
    /// Counts the next work, and first yields to other tasks if it would be too much.
    async fn take(&mut self, units: u64) {
        self.0 = self.0.saturating_add(units);
        if self.0 >= work::AT_ONCE {
            self.0 = units;
            yield_now().await;
        }
    }
}

/// Returns the approximate units that rendering a resource costs.
fn units(item: &StoredResource, projection: &Projection) -> u64 {
    let edges: usize = item.edges.iter().map(|list| list.edges.len()).sum();
    let bytes = if item.document.is_exact() && projection.is_whole() {
        COPIED
    } else {
        PROJECTED
    };
    (item.document.size() / bytes).saturating_add(EDGE * edges as u64)
}

/// Reads the shown edges of membership, inverse and reference attributes that the resources of one type lack, each
/// with the index of its resource.
///
/// # Errors
/// The errors of the store.
pub(crate) async fn missing_edges(
    (context, store): (&RequestContext, &dyn Store),
    (kind, items): (&Arc<ResourceType>, &[&StoredResource]),
    projection: &Projection,
) -> Result<Vec<(usize, AttrId, Vec<Edge>)>, StoreError> {
    let mut missing = Vec::new();
    for attr in shown_edges(kind, projection) {
        // A resource that was just read has its edges; one that was just written may have none.
        let is_known = |item: &&StoredResource| item.edges.iter().any(|list| list.attr == attr);
        if items.iter().all(is_known) {
            continue;
        }
        if kind.attr(attr).role() == AttributeRole::Reference {
            let referred = references_of(kind, attr, items);
            let ids = referred.iter().map(|(_, id)| id.as_str()).collect();
            let found = targets_of((context, store), (kind, attr), &ids).await?;
            for (at, id) in &referred {
                let edge = found.iter().find(|edge| edge.id == *id);
                missing.extend(edge.map(|edge| (*at, attr, vec![edge.clone()])));
            }
            continue;
        }
        let owners = items.iter().map(|item| item.id.clone()).collect();
        let query = EdgeQuery::new(Arc::clone(kind), attr, owners);
        let found = store.edges(context, &query).await?;
        let found = found.into_iter().enumerate();
        missing.extend(found.map(|(at, edges)| (at, attr, edges)));
    }
    Ok(missing)
}

/// Returns the resources that documents refer to, each with the index of its document.
fn references_of(
    kind: &ResourceType,
    attr: AttrId,
    items: &[&StoredResource],
) -> Vec<(usize, ResourceId)> {
    let items = items.iter().enumerate();
    items
        .filter_map(|(at, item)| Some((at, item.document.reference(kind, attr)?)))
        .collect()
}

/// The number of targets in one predicate: few enough for every store to use an index.
const AT_ONCE: usize = 50;

/// Reads edges to the resources with these ids that a reference attribute can refer to, with their types and names.
async fn targets_of(
    (context, store): (&RequestContext, &dyn Store),
    (kind, attr): (&ResourceType, AttrId),
    ids: &BTreeSet<&str>,
) -> Result<Vec<Edge>, StoreError> {
    let mut found = Vec::new();
    let ids: Vec<&str> = ids.iter().copied().collect();
    for target in target_types(&context.settings.registry, kind, attr) {
        for ids in ids.chunks(AT_ONCE) {
            let same = |id: &&str| Predicate::Compare {
                attr: AttrId::ID,
                op: Operator::Equal,
                value: Scalar::Text((*id).to_owned()),
            };
            let any = Predicate::Any(ids.iter().map(same).collect());
            let query = Query::new(Arc::clone(target))
                .with_predicate(any)
                .with_page(0, 100)
                .without_total()
                .with_max_bytes(TOGETHER)
                .with_overflow(Overflow::Name);
            let page = store.query(context, &query).await?;
            found.extend(page.items.iter().map(|stored| edge_to(target, stored)));
            drop(page.items);
            for id in &page.rest {
                match store
                    .read(context, target, id, &ReadOptions::document())
                    .await
                {
                    Ok(stored) => found.push(edge_to(target, &stored)),
                    Err(StoreError::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(found)
}

fn edge_to(kind: &ResourceType, stored: &StoredResource) -> Edge {
    Edge::to(stored.id.clone())
        .with_display(stored.document.display_name(kind))
        .with_kind(Some(Arc::clone(kind.shared_name())))
}
