//! The sort keys of the resources of a list.

use scimkit_registry::{AttrEdges, AttrId, ResourceView, Scalar};
use scimkit_store::{
    Query, RequestContext, ResourceFacts, Sort, Store, StoreError, StoredResource,
    computed_attributes, yield_now,
};
use serde_json::{Map, Value};

use crate::{error::HandlerError, render, work::Service};

/// Returns the sort key of each resource of a page, as its store determined it.
pub(crate) async fn sort_keys(
    (context, store, _): Service<'_>,
    query: &Query,
    items: &[StoredResource],
) -> Result<Vec<Option<Scalar>>, HandlerError> {
    let Some(Sort { attr, .. }) = query.sort else {
        return Ok(vec![None; items.len()]);
    };
    let reader = query.kind.reader([attr]);
    let meter = context.budget.meter();
    let mut keys = Vec::with_capacity(items.len());
    for part in render::parts(items) {
        if !keys.is_empty() {
            yield_now().await;
        }
        let computed = computed_keys((context, store), (query, attr), part).await?;
        let mut computed = computed.iter();
        for stored in part {
            let searched = meter.charge(stored.document.size() / render::PROJECTED);
            searched.map_err(StoreError::from)?;
            let values = reader.read(stored.document.text());
            let view = ResourceView::of_values(&values).with_computed(computed.next());
            let key = query.kind.sort_key(attr, view, &meter);
            keys.push(key.map_err(StoreError::from)?);
        }
    }
    Ok(keys)
}

/// Computes the attribute by which the resources are sorted; returns nothing if that attribute is not computed.
async fn computed_keys(
    service: (&RequestContext, &dyn Store),
    (query, attr): (&Query, AttrId),
    part: &[StoredResource],
) -> Result<Vec<Map<String, Value>>, HandlerError> {
    let kind = &query.kind;
    if !kind.is_computed(attr) {
        return Ok(Vec::new());
    }
    let shown = kind.projection(&[kind.attr(attr).path()], &[]);
    let items: Vec<&StoredResource> = part.iter().collect();
    let missing = render::missing_edges(service, (kind, &items), &shown).await?;
    let mut edges: Vec<_> = part.iter().map(|stored| stored.edges.clone()).collect();
    for (at, attr, found) in missing {
        if let Some(own) = edges.get_mut(at) {
            own.push(AttrEdges { attr, edges: found });
        }
    }
    let settings = &service.0.settings;
    let made = part.iter().zip(&edges).map(|(stored, own)| {
        computed_attributes(settings, &ResourceFacts::new(kind, stored, own), &[attr])
    });
    Ok(made.collect())
}
