//! From stored resources to the JSON that goes out.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use memchr::memmem;
use scimkit_registry::{
    AttrId, Budget, Edge, Operator, Predicate, Projection, Resource, ResourceId, ResourceType,
    Role, Scalar,
};
use scimkit_store::{
    Document, EdgeQuery, Facts, Overflow, Query, Scope, Settings, Store, StoreError, Stored, Want,
    computed, targets, yield_now,
};
use serde_json::{Map, Value};

use crate::{
    attrs::{edge_attrs, reference_attrs},
    error::Problem,
    work::{self, Rendering, Service},
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

/// Units that each byte of a document takes to be projected and printed.
const TREE_BYTE: u64 = 2;

/// The tree of a document; a long text is parsed on the lane.
///
/// # Errors
/// The text is not a document; the budget ran out, or the lane is full.
pub(crate) async fn tree(
    (scope, rendering): (&Scope, &Rendering),
    document: &Document,
) -> Result<Arc<Resource>, StoreError> {
    let read = |text: &Bytes| Resource::restore(text).map_err(StoreError::backend);
    match document {
        Document::Tree(tree) => Ok(Arc::clone(tree)),
        Document::Text(text) if work::TEXT_BYTE * text.len() as u64 >= work::AT_ONCE => {
            let text = text.clone();
            Ok(Arc::new(
                rendering.apart(scope, move || read(&text)).await??,
            ))
        }
        Document::Text(text) => Ok(Arc::new(read(text)?)),
    }
}

/// The JSON texts of a page of resources of one type.
///
/// A document that is shown whole goes out as the text it is kept as, with the computed attributes
/// spliced in; another is taken apart, completed, projected and printed. Long work is done on the
/// lane, and others have a turn in between.
///
/// # Errors
/// The store fails to read edges or the targets of references; the lane is full.
pub(crate) async fn page(
    (scope, store, rendering): Service<'_>,
    (kind, items): (&Arc<ResourceType>, &[Stored]),
    projection: &Projection,
) -> Result<Vec<Vec<u8>>, Problem> {
    let mut turn = Turn::default();
    let mut trees = Vec::with_capacity(items.len());
    for item in items {
        trees.push(match has_reference(kind, &item.document) {
            true => {
                turn.take(work::TEXT_BYTE * item.bytes).await;
                Some(tree((scope, rendering), &item.document).await?)
            }
            false => None,
        });
    }
    let service = (scope, store, rendering);
    let edges = edges(service, (kind, items), &trees, projection).await?;
    let computed = kind.attributes().iter();
    let computed = computed
        .filter(|a| a.parent().is_none() && projection.shows(a.id()))
        .filter(|a| !matches!(a.role(), Role::Plain | Role::Schemas));
    let computed: Vec<AttrId> = computed.map(|a| a.id()).collect();
    let mut texts = Vec::with_capacity(items.len());
    for ((item, tree), edges) in items.iter().zip(trees).zip(edges) {
        let one = One {
            edges,
            kind: Arc::clone(kind),
            tree,
        };
        let units = one.units(item, projection);
        if units < work::AT_ONCE {
            turn.take(units).await;
            texts.push(one.text(&scope.settings, item, &computed, projection)?);
            continue;
        }
        let (settings, projection) = (Arc::clone(&scope.settings), projection.clone());
        let (mut item, computed) = (item.clone(), computed.clone());
        item.edges = Vec::new();
        let render = move || one.text(&settings, &item, &computed, &projection);
        texts.push(rendering.apart(scope, render).await??);
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

/// Further known parts of a resource that is rendered.
struct One {
    edges: Vec<(AttrId, Vec<Edge>)>,
    kind: Arc<ResourceType>,
    /// The document, if it was parsed already.
    tree: Option<Arc<Resource>>,
}

impl One {
    /// The approximate units that rendering takes.
    fn units(&self, item: &Stored, projection: &Projection) -> u64 {
        /// The number of bytes that are copied for one unit.
        const COPIED: u64 = 16;
        let edges: usize = self.edges.iter().map(|(_, edges)| edges.len()).sum();
        let document = match (&self.tree, &item.document) {
            (None, _) if goes_out_as_kept(item, projection) => item.bytes / COPIED,
            (None, Document::Text(_)) => (work::TEXT_BYTE + TREE_BYTE) * item.bytes,
            (Some(tree), _) | (None, Document::Tree(tree)) => tree.weight(),
        };
        document.saturating_add(EDGE * edges as u64)
    }

    fn text(
        self,
        settings: &Settings,
        item: &Stored,
        wanted: &[AttrId],
        projection: &Projection,
    ) -> Result<Vec<u8>, StoreError> {
        let tree = match (self.tree, &item.document) {
            (Some(tree), _) => Some(tree),
            (None, _) if goes_out_as_kept(item, projection) => None,
            (None, Document::Tree(tree)) => Some(Arc::clone(tree)),
            (None, document @ Document::Text(_)) => Some(Arc::new(document.tree()?.into_owned())),
        };
        let nothing = Resource::default();
        let facts = Facts::of(
            &self.kind,
            item,
            tree.as_deref().unwrap_or(&nothing),
            &self.edges,
        );
        let made = computed(settings, &facts, wanted);
        Ok(match tree {
            None => splice(&item.document.text(), &made),
            Some(tree) => {
                let text = self.kind.shown_text(&tree, made, projection);
                text.into_bytes()
            }
        })
    }
}

fn goes_out_as_kept(item: &Stored, projection: &Projection) -> bool {
    projection.is_whole() && matches!(item.document, Document::Text(_))
}

/// For each resource of one type the edges under every membership, inverse and reference attribute
/// that is shown. `trees` are the documents; one without references may be left out.
///
/// # Errors
/// What the store fails with.
pub(crate) async fn edges(
    (scope, store, rendering): Service<'_>,
    (kind, items): (&Arc<ResourceType>, &[Stored]),
    trees: &[Option<Arc<Resource>>],
    projection: &Projection,
) -> Result<Vec<Vec<(AttrId, Vec<Edge>)>>, StoreError> {
    let mut all = own_edges(scope, store, (kind, items), projection).await?;
    let is_known = |attr: AttrId| {
        let mut items = items.iter();
        items.all(|item| item.edges.iter().any(|(known, _)| *known == attr))
    };
    let unknown: Vec<_> = reference_attrs(kind)
        .filter(|attr| projection.shows(*attr) && !is_known(*attr))
        .collect();
    let service = (scope, store, rendering);
    let found = references(service, kind, trees, &unknown).await?;
    for (own, tree) in all.iter_mut().zip(trees) {
        own.extend(
            tree.iter()
                .flat_map(|tree| own_references(kind, tree, &found)),
        );
    }
    Ok(all)
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

/// Whether a document may hold a reference whose parts are filled in from the target.
fn has_reference(kind: &ResourceType, document: &Document) -> bool {
    let mut names = reference_attrs(kind).map(|id| (id, kind.attr(id).name()));
    match document {
        Document::Text(text) => names.any(|(_, name)| {
            // Names are printed as in the schema and need no escapes.
            memmem::find(text, format!("\"{name}\":").as_bytes()).is_some()
        }),
        Document::Tree(tree) => names.any(|(id, _)| tree.get(kind, id).is_some()),
    }
}

/// How many targets are asked for in one predicate: few enough for every store to answer it by an
/// index.
const AT_ONCE: usize = 50;

/// The resources that the documents refer to, as edges that know type and display name.
async fn references(
    (scope, store, rendering): Service<'_>,
    kind: &ResourceType,
    trees: &[Option<Arc<Resource>>],
    attrs: &[AttrId],
) -> Result<Vec<(AttrId, Edge)>, StoreError> {
    let mut found = Vec::new();
    for attr in attrs.iter().copied() {
        let ids: BTreeSet<&str> = trees
            .iter()
            .flatten()
            .filter_map(|tree| referred(kind, tree, attr))
            .collect();
        let ids: Vec<&str> = ids.into_iter().collect();
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
                for stored in &page.items {
                    found.push((attr, edge_to((scope, rendering), target, stored).await?));
                }
                drop(page.items);
                for id in &page.rest {
                    match store.read(scope, target, id, &Want::document()).await {
                        Ok(stored) => {
                            let edge = edge_to((scope, rendering), target, &stored).await?;
                            found.push((attr, edge));
                        }
                        Err(StoreError::NotFound) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
        }
    }
    Ok(found)
}

async fn edge_to(
    service: (&Scope, &Rendering),
    kind: &ResourceType,
    stored: &Stored,
) -> Result<Edge, StoreError> {
    let display = match kind.named("displayName") {
        None => None,
        Some(attr) => {
            let tree = tree(service, &stored.document).await?;
            let name = tree.get(kind, attr).and_then(Value::as_str);
            name.map(str::to_owned)
        }
    };
    Ok(Edge::to(stored.id.clone())
        .with_display(display)
        .with_kind(Some(kind.name().to_owned())))
}

fn referred<'t>(kind: &ResourceType, tree: &'t Resource, attr: AttrId) -> Option<&'t str> {
    tree.get(kind, attr)?.get("value")?.as_str()
}

fn own_references(
    kind: &ResourceType,
    tree: &Resource,
    found: &[(AttrId, Edge)],
) -> Vec<(AttrId, Vec<Edge>)> {
    let own = reference_attrs(kind).filter_map(|attr| {
        let id = ResourceId::from(referred(kind, tree, attr)?);
        let (_, edge) = found
            .iter()
            .find(|(at, edge)| *at == attr && edge.id == id)?;
        Some((attr, vec![edge.clone()]))
    });
    own.collect()
}

/// Puts members at the end of a JSON object's text.
fn splice(text: &[u8], made: &Map<String, Value>) -> Vec<u8> {
    let body = text.strip_suffix(b"}").unwrap_or(text);
    let mut out = Vec::with_capacity(text.len() + 512);
    out.extend_from_slice(body);
    for (name, value) in made {
        if !out.ends_with(b"{") {
            out.push(b',');
        }
        // Names need no escapes, and writing into a vector does not fail.
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        let _ = serde_json::to_writer(&mut out, value);
    }
    out.push(b'}');
    out
}
