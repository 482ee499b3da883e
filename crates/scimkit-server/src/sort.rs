//! The sort keys of the resources of a list.

use scimkit_registry::{Scalar, View};
use scimkit_store::{Document, Facts, Query, Sort, StoreError, Stored, computed, yield_now};

use crate::{
    error::Problem,
    render,
    work::{self, Service},
};

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
    (scope, store, rendering): Service<'_>,
    query: &Query,
    items: &[Stored],
) -> Result<Vec<Option<Scalar>>, Problem> {
    let Some(Sort { attr, .. }) = query.sort else {
        return Ok(vec![None; items.len()]);
    };
    let mut turn = scope.budget.spent();
    let shown = query.kind.projection(&[query.kind.attr(attr).path()], &[]);
    let mut keys = Vec::with_capacity(items.len());
    for part in render::parts(items) {
        let mut trees = Vec::with_capacity(part.len());
        for stored in part {
            if let Document::Text(text) = &stored.document {
                let units = work::TEXT_BYTE.saturating_mul(text.len() as u64);
                scope.budget.charge(units).map_err(StoreError::from)?;
            }
            if scope.budget.spent().saturating_sub(turn) >= work::AT_ONCE {
                turn = scope.budget.spent();
                yield_now().await;
            }
            trees.push(Some(
                render::tree((scope, rendering), &stored.document).await?,
            ));
        }
        let service = (scope, store, rendering);
        let edges = render::edges(service, (&query.kind, part), &trees, &shown).await?;
        let meter = scope.budget.meter();
        for ((stored, tree), own) in part.iter().zip(trees.iter().flatten()).zip(&edges) {
            let facts = Facts::of(&query.kind, stored, tree, own);
            let made = computed(&scope.settings, &facts, &[attr]);
            let key = query.kind.sort_key(attr, View::with(tree, &made), &meter);
            keys.push(key.map_err(StoreError::from)?);
        }
    }
    Ok(keys)
}
