//! The sort keys of the resources of a list.

use scimkit_registry::{Scalar, View};
use scimkit_store::{Facts, Query, Sort, StoreError, Stored, computed, yield_now};

use crate::{error::Problem, render, work::Service};

/// Puts the resources of several types, type after type and each in order, into one order.
pub(crate) fn sort_merged<T>(
    items: &mut [T],
    queries: &[Query],
    key: impl Fn(&T) -> Option<&Scalar>,
) {
    if let Some(sort) = queries.iter().find_map(|query| query.sort) {
        // Stable: ties stay as their stores had them.
        items.sort_by(|a, b| sort.compare(key(a), key(b)));
    }
}

/// The sort key of each resource of a page, as its store saw it.
pub(crate) async fn sort_keys(
    (scope, store, _): Service<'_>,
    query: &Query,
    items: &[Stored],
) -> Result<Vec<Option<Scalar>>, Problem> {
    let Some(Sort { attr, .. }) = query.sort else {
        return Ok(vec![None; items.len()]);
    };
    let shown = query.kind.projection(&[query.kind.attr(attr).path()], &[]);
    let reader = query.kind.reader([attr]);
    let meter = scope.budget.meter();
    let mut keys = Vec::with_capacity(items.len());
    for part in render::parts(items) {
        if !keys.is_empty() {
            yield_now().await;
        }
        let edges = render::edges((scope, store), (&query.kind, part), &shown).await?;
        for (stored, own) in part.iter().zip(&edges) {
            let made = computed(
                &scope.settings,
                &Facts::of(&query.kind, stored, own),
                &[attr],
            );
            let searched = meter.charge(stored.document.size() / render::PROJECTED);
            searched.map_err(StoreError::from)?;
            let values = reader.read(stored.document.text());
            let view = View::of_values(&values).with_computed(Some(&made));
            let key = query.kind.sort_key(attr, view, &meter);
            keys.push(key.map_err(StoreError::from)?);
        }
    }
    Ok(keys)
}
