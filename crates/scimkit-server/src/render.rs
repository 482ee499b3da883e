//! From stored resources to the JSON that goes out.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use memchr::memmem;
use scimkit_registry::{
    AttrId, Edge, Operator, Predicate, Projection, Resource, ResourceId, ResourceType, Role, Scalar,
};
use scimkit_store::{
    Document, EdgeQuery, Facts, Overflow, Query, Scope, Store, StoreError, Stored, Want, computed,
    targets,
};
use serde_json::{Map, Value};

use crate::{
    attrs::{edge_attrs, reference_attrs},
    error::Problem,
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

/// The JSON texts of a page of resources of one type.
///
/// A document that is shown whole goes out as the text it is kept as, with the computed attributes
/// spliced in; another is taken apart, completed, projected and printed.
///
/// # Errors
/// What the store fails with when asked for edges and for the targets of references.
pub(crate) async fn page(
    scope: &Scope,
    store: &dyn Store,
    (kind, items): (&Arc<ResourceType>, &[Stored]),
    projection: &Projection,
) -> Result<Vec<Vec<u8>>, Problem> {
    let mut trees = Vec::with_capacity(items.len());
    for item in items {
        trees.push(match has_reference(kind, &item.document) {
            true => Some(item.document.tree()?),
            false => None,
        });
    }
    let edges = edges(scope, store, (kind, items), &trees, projection).await?;
    let computed_ids: Vec<AttrId> = kind
        .attributes()
        .iter()
        .filter(|a| a.parent().is_none() && projection.shows(a.id()))
        .filter(|a| !matches!(a.role(), Role::Plain | Role::Schemas))
        .map(|a| a.id())
        .collect();
    let mut texts = Vec::with_capacity(items.len());
    for ((item, tree), own) in items.iter().zip(trees).zip(edges) {
        let tree = match tree {
            None if !goes_out_as_kept(item, projection) => Some(item.document.tree()?),
            other => other,
        };
        let nothing = Resource::default();
        let facts = Facts::of(kind, item, tree.as_deref().unwrap_or(&nothing), &own);
        let made = computed(&scope.settings, &facts, &computed_ids);
        texts.push(match tree {
            None => splice(&item.document.text(), &made),
            Some(tree) => kind.shown_text(&tree, made, projection).into_bytes(),
        });
    }
    Ok(texts)
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
    scope: &Scope,
    store: &dyn Store,
    (kind, items): (&Arc<ResourceType>, &[Stored]),
    trees: &[Option<Cow<'_, Resource>>],
    projection: &Projection,
) -> Result<Vec<Vec<(AttrId, Vec<Edge>)>>, StoreError> {
    let mut all = own_edges(scope, store, (kind, items), projection).await?;
    let found = references(scope, store, kind, trees, projection).await?;
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
    scope: &Scope,
    store: &dyn Store,
    kind: &ResourceType,
    trees: &[Option<Cow<'_, Resource>>],
    projection: &Projection,
) -> Result<Vec<(AttrId, Edge)>, StoreError> {
    let mut found = Vec::new();
    for attr in reference_attrs(kind).filter(|id| projection.shows(*id)) {
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
                    found.push((attr, edge_to(target, stored)?));
                }
                drop(page.items);
                for id in &page.rest {
                    match store.read(scope, target, id, &Want::document()).await {
                        Ok(stored) => found.push((attr, edge_to(target, &stored)?)),
                        Err(StoreError::NotFound) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
        }
    }
    Ok(found)
}

fn edge_to(kind: &ResourceType, stored: &Stored) -> Result<Edge, StoreError> {
    Ok(Edge::to(stored.id.clone())
        .with_display(display_name(kind, stored)?)
        .with_kind(Some(kind.name().to_owned())))
}

fn display_name(kind: &ResourceType, stored: &Stored) -> Result<Option<String>, StoreError> {
    let Some(attr) = kind.named("displayName") else {
        return Ok(None);
    };
    let tree = stored.document.tree()?;
    Ok(tree
        .get(kind, attr)
        .and_then(Value::as_str)
        .map(str::to_owned))
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
