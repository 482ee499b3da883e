//! The filter and sort of a list, bound to its resource types.

use std::sync::Arc;

use scimkit_core::{
    ErrorResponse, excerpt,
    message::{SearchRequest, SortOrder},
};
use scimkit_filter::{AttributePath, Filter};
use scimkit_registry::{
    Attr, AttrId, AttributeRole, Quirk, QuirkPolicy, QuirkRecorder, ResourceType,
};
use scimkit_store::{Query, Sort};

use crate::{
    attrs::{PAGE, shown_edges},
    error::HandlerError,
    render::Shape,
    writer::Writer,
};

/// Binds the filter and sort to each type.
///
/// In a query of several types, at least one of them must have each attribute (RFC 7644 section 3.4.2.1).
pub(crate) fn queries(
    shapes: &[Shape],
    filter: Option<&Filter<'_>>,
    search: &SearchRequest,
    writer: Writer<'_>,
) -> Result<Vec<Query>, HandlerError> {
    let Writer { context, .. } = writer;
    let witness: &QuirkRecorder = writer.witness;
    let mut of_several = *witness.tolerance();
    of_several.unknown_filter_attributes = true;
    let mut leeway: &dyn QuirkPolicy = witness;
    if shapes.len() > 1 {
        if let Some(filter) = filter {
            known_somewhere(shapes, filter, witness)?;
        }
        leeway = &of_several;
    }
    let order = search.sort_order.unwrap_or(SortOrder::Ascending);
    let mut queries = Vec::with_capacity(shapes.len());
    let mut sort_is_known = search.sort_by.is_none();
    for (kind, projection) in shapes {
        let hidden = writer.access.hidden(&context.settings.registry, kind);
        let edges = shown_edges(kind, projection);
        let mut query = Query::new(Arc::clone(kind)).with_edges(edges);
        query = query.with_edge_limit(PAGE + 1);
        if let Some(filter) = filter {
            let predicate = kind.bind_filter(filter, leeway)?;
            check_hidden(kind, &hidden, &predicate.attributes())?;
            query = query.with_predicate(predicate);
        }
        if let Some(name) = &search.sort_by
            && let Some(attr) = sort_attr(kind, name, witness)?
        {
            check_hidden(kind, &hidden, &[attr])?;
            sort_is_known = true;
            query = query.with_sort(Some(Sort::new(attr, order)));
            if shapes.len() > 1 {
                query = with_sorting_edges(query, attr);
            }
        }
        queries.push(query);
    }
    if !sort_is_known {
        let name = search.sort_by.as_deref().unwrap_or_default();
        return Err(ErrorResponse::invalid_path(format!(
            "`{name}` is not an attribute to sort by"
        ))
        .into());
    }
    Ok(queries)
}

/// Rejects a filter or sort that depends on resources that the caller may not read.
fn check_hidden(
    kind: &ResourceType,
    hidden: &[AttrId],
    asked: &[AttrId],
) -> Result<(), ErrorResponse> {
    let top = |id: &AttrId| kind.attr(*id).parent().unwrap_or(*id);
    match asked.iter().map(top).find(|id| hidden.contains(id)) {
        None => Ok(()),
        Some(id) => Err(ErrorResponse::invalid_filter(format!(
            "`{}` leads to resources that these credentials may not read",
            kind.attr(id).path()
        ))),
    }
}

/// Adds the edges that the sort reads, so that pages can be merged by the values by which they were sorted.
fn with_sorting_edges(mut query: Query, sorted_by: AttrId) -> Query {
    let top = query.kind.attr(sorted_by).parent().unwrap_or(sorted_by);
    let role = query.kind.attr(top).role();
    if matches!(role, AttributeRole::Inverse | AttributeRole::Membership)
        && !query.edges.contains(&top)
    {
        query.edges.push(top);
    }
    query
}

/// Rejects a filter that contains a term that no type can evaluate.
fn known_somewhere(
    shapes: &[Shape],
    filter: &Filter<'_>,
    witness: &QuirkRecorder,
) -> Result<(), HandlerError> {
    let mut tolerance = *witness.tolerance();
    tolerance.unknown_filter_attributes = false;
    let of_one = QuirkRecorder::new(tolerance);
    for term in terms(filter) {
        let bound = shapes
            .iter()
            .map(|(kind, _)| kind.bind_filter(term, &of_one));
        let mut problems = Vec::new();
        let unknown = bound
            .map(|b| b.map_err(|e| problems.push(e)))
            .all(|b| b.is_err());
        if unknown && !witness.allow(Quirk::UnknownFilterAttributes) {
            let detail = problems.first().map_or("", |problem| problem.detail());
            let detail = format!(
                "no resource type can answer `{}`: {detail}",
                excerpt(&term.to_string())
            );
            return Err(ErrorResponse::invalid_filter(detail).into());
        }
    }
    of_one
        .quirks()
        .iter()
        .for_each(|quirk| witness.record(quirk));
    Ok(())
}

/// Returns the innermost terms of a filter.
fn terms<'f, 't>(filter: &'f Filter<'t>) -> Vec<&'f Filter<'t>> {
    let mut found = Vec::new();
    let mut open = vec![filter];
    while let Some(next) = open.pop() {
        match next {
            Filter::And(terms) | Filter::Or(terms) => open.extend(terms),
            Filter::Not(inner) => open.push(inner),
            Filter::Compare(_) | Filter::Present(_) | Filter::ValuePath(_) => found.push(next),
        }
    }
    found
}

/// Returns the attribute that `sortBy` names; for a complex attribute, its `value`.
fn sort_attr(
    kind: &ResourceType,
    name: &str,
    leeway: &dyn QuirkPolicy,
) -> Result<Option<AttrId>, HandlerError> {
    let bad = |detail: String| Err(ErrorResponse::invalid_path(detail).into());
    let Ok(path) = AttributePath::parse(name) else {
        return bad(format!(
            "`{name}` is not the name of an attribute to sort by"
        ));
    };
    let Some(id) = kind.find(&path, leeway) else {
        return Ok(None);
    };
    let mut attr: &Attr = kind.attr(id);
    if attr.is_complex() {
        match kind.children(id).find(|sub| sub.name() == "value") {
            Some(value) => attr = value,
            None => {
                return bad(format!(
                    "`{name}` is complex: sort by one of its sub-attributes"
                ));
            }
        }
    }
    if attr.is_never_returned() {
        return Err(ErrorResponse::invalid_filter(format!("`{name}` can't be sorted by")).into());
    }
    Ok(Some(attr.id()))
}
