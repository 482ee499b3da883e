//! Queries: of one type, and of all of them at the root.

use std::{fmt::Write as _, sync::Arc};

use http::StatusCode;
use scimkit_core::{
    Error, excerpt,
    message::{self, SearchRequest, SortOrder},
};
use scimkit_filter::{AttributePath, Filter};
use scimkit_registry::{
    Attr, AttrId, Leeway, Quirk, ResourceType, Role, Scalar, View, Witness, read_filter,
};
use scimkit_store::{
    Document, Facts, Query, Scope, Sort, Store, StoreError, Stored, computed, yield_now,
};

use crate::{
    Body,
    answer::Answer,
    cursor::Cursors,
    error::Problem,
    gather::{self, Gathered},
    members::PAGE,
    render,
    stream::{ListBody, Resources, Shown},
    walk, work,
    write::Writer,
};

/// Answers a query of these types.
///
/// # Errors
/// `invalidFilter` for a filter that can't be read or bound, and for one or a sort that asks about
/// what is never returned; `invalidPath` for a sort by an unknown attribute; with a cursor those of
/// [`walk::page`].
pub(crate) async fn answer(
    writer: Writer<'_>,
    types: Vec<Arc<ResourceType>>,
    search: SearchRequest,
    cursors: &Cursors,
) -> Result<Answer, Problem> {
    let Writer { scope, .. } = writer;
    let witness: &Witness = writer.witness;
    let store = &**writer.store;
    let limits = &scope.settings.limits;
    let start = u64::try_from(search.start_index.unwrap_or(1).max(1) - 1).unwrap_or(0);
    let count = search.count.map_or(limits.page_default, |count| {
        u32::try_from(count.max(0))
            .unwrap_or(u32::MAX)
            .min(limits.page_max)
    });
    let filter = match &search.filter {
        Some(text) => Some(read_filter(text, limits.filter, witness)?),
        None => None,
    };
    let queries = queries(&types, filter.as_ref(), &search, writer)?;
    let service = (scope, store, cursors);
    let (gathered, head) = match &search.cursor {
        Some(cursor) => {
            let (items, total, next) =
                walk::page(service, &queries, &search, (cursor, count)).await?;
            let head = Head {
                next,
                start: None,
                total,
            };
            (Gathered::of(items), head)
        }
        None => {
            let gathered = gather::page(scope, store, &queries, (start, count)).await?;
            let head = Head {
                next: None,
                start: Some(start.saturating_add(1)),
                total: Some(gathered.total),
            };
            (gathered, head)
        }
    };
    let projection = |kind: &Arc<ResourceType>| {
        let (attributes, excluded) = (&search.attributes, &search.excluded_attributes);
        writer.projection(kind, attributes, excluded)
    };
    let shown = Shown {
        projections: types
            .iter()
            .map(|kind| (Arc::clone(kind), projection(kind)))
            .collect(),
        scope: scope.clone(),
        store: Arc::clone(writer.store),
    };
    body(&head, gathered, shown).await
}

/// The answer: whole when it is held as a whole, else in pieces.
async fn body(head: &Head, gathered: Gathered, shown: Shown) -> Result<Answer, Problem> {
    let is_known = gathered.rest.is_empty();
    let resources = Resources::new(gathered, shown);
    let text = head_text(head, is_known.then_some(resources.len()));
    if !resources.is_whole() {
        let body = ListBody::new(text, resources, !is_known);
        return Ok(Answer::of(StatusCode::OK, Body::from(body)));
    }
    let mut text = resources.whole(text).await?;
    text.extend_from_slice(b"]}");
    Ok(Answer::json(StatusCode::OK, text))
}

/// What a list says of its page.
struct Head {
    next: Option<String>,
    start: Option<u64>,
    total: Option<u64>,
}

/// Binds filter and sort to each type.
///
/// In a query of several types a name need only be known to one of them (RFC 7644 section 3.4.2.1).
fn queries(
    types: &[Arc<ResourceType>],
    filter: Option<&Filter<'_>>,
    search: &SearchRequest,
    writer: Writer<'_>,
) -> Result<Vec<Query>, Problem> {
    let Writer { scope, .. } = writer;
    let witness: &Witness = writer.witness;
    let mut of_several = *witness.tolerance();
    of_several.unknown_in_filter = true;
    let mut leeway: &dyn Leeway = witness;
    if types.len() > 1 {
        if let Some(filter) = filter {
            known_somewhere(types, filter, witness)?;
        }
        leeway = &of_several;
    }
    let order = search.sort_order.unwrap_or(SortOrder::Ascending);
    let mut queries = Vec::with_capacity(types.len());
    let mut sort_is_known = search.sort_by.is_none();
    for kind in types {
        let (attributes, excluded) = (&search.attributes, &search.excluded_attributes);
        let projection = writer.projection(kind, attributes, excluded);
        let hidden = writer.access.hidden(&scope.settings.registry, kind);
        let edges = render::edge_attrs(kind, &projection);
        let mut query = Query::of(Arc::clone(kind)).with_edges(edges);
        query = query.with_edge_limit(PAGE + 1);
        if let Some(filter) = filter {
            let predicate = kind.bind_filter(filter, leeway)?;
            check_hidden(kind, &hidden, &predicate.attributes())?;
            query = query.matching(predicate);
        }
        if let Some(name) = &search.sort_by
            && let Some(attr) = sort_attr(kind, name, witness)?
        {
            check_hidden(kind, &hidden, &[attr])?;
            sort_is_known = true;
            query = query.sorted(Some(Sort::by(attr, order)));
            if types.len() > 1 {
                query = with_sorting_edges(query, attr);
            }
        }
        queries.push(query);
    }
    if !sort_is_known {
        let name = search.sort_by.as_deref().unwrap_or_default();
        return Err(Error::invalid_path(format!("`{name}` is not an attribute to sort by")).into());
    }
    Ok(queries)
}

/// Refuses to look for what may not be seen.
fn check_hidden(kind: &ResourceType, hidden: &[AttrId], asked: &[AttrId]) -> Result<(), Error> {
    let top = |id: &AttrId| kind.attr(*id).parent().unwrap_or(*id);
    match asked.iter().map(top).find(|id| hidden.contains(id)) {
        None => Ok(()),
        Some(id) => Err(Error::invalid_filter(format!(
            "`{}` leads to resources that these credentials may not read",
            kind.attr(id).path()
        ))),
    }
}

/// With the edges that the sort looks at, so that pages can be merged by what they were sorted by.
fn with_sorting_edges(mut query: Query, sorted_by: AttrId) -> Query {
    let top = query.kind.attr(sorted_by).parent().unwrap_or(sorted_by);
    let role = query.kind.attr(top).role();
    if matches!(role, Role::Inverse | Role::Membership) && !query.edges.contains(&top) {
        query.edges.push(top);
    }
    query
}

/// Refuses a filter with a term that none of the types can answer.
fn known_somewhere(
    types: &[Arc<ResourceType>],
    filter: &Filter<'_>,
    witness: &Witness,
) -> Result<(), Problem> {
    let mut tolerance = *witness.tolerance();
    tolerance.unknown_in_filter = false;
    let of_one = Witness::of(tolerance);
    for term in terms(filter) {
        let bound = types.iter().map(|kind| kind.bind_filter(term, &of_one));
        let mut problems = Vec::new();
        let unknown = bound
            .map(|b| b.map_err(|e| problems.push(e)))
            .all(|b| b.is_err());
        if unknown && !witness.lets_through(Quirk::UnknownInFilter) {
            let detail = problems.first().map_or("", |problem| problem.detail());
            let detail = format!(
                "no resource type can answer `{}`: {detail}",
                excerpt(&term.to_string())
            );
            return Err(Error::invalid_filter(detail).into());
        }
    }
    of_one
        .quirks()
        .iter()
        .for_each(|quirk| witness.needed(quirk));
    Ok(())
}

/// The terms of a filter that are not made of others.
fn terms<'f, 't>(filter: &'f Filter<'t>) -> Vec<&'f Filter<'t>> {
    let (mut found, mut open) = (Vec::new(), vec![filter]);
    while let Some(next) = open.pop() {
        match next {
            Filter::And(terms) | Filter::Or(terms) => open.extend(terms),
            Filter::Not(inner) => open.push(inner),
            Filter::Compare(_) | Filter::Present(_) | Filter::ValuePath(_) => found.push(next),
        }
    }
    found
}

/// The attribute that a `sortBy` means; of a complex one its `value`.
fn sort_attr(
    kind: &ResourceType,
    name: &str,
    leeway: &dyn Leeway,
) -> Result<Option<AttrId>, Problem> {
    let bad = |detail: String| Err(Error::invalid_path(detail).into());
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
        return Err(Error::invalid_filter(format!("`{name}` can't be sorted by")).into());
    }
    Ok(Some(attr.id()))
}

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

/// What each resource of a page is sorted by, as its store saw it.
pub(crate) async fn sort_keys(
    scope: &Scope,
    store: &dyn Store,
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
            trees.push(Some(stored.document.tree()?));
        }
        let edges = render::edges(scope, store, part, &trees, &shown).await?;
        let meter = scope.budget.meter();
        for ((stored, tree), own) in part.iter().zip(trees.iter().flatten()).zip(&edges) {
            let made = computed(&scope.settings, &Facts::of(stored, tree, own), &[attr]);
            let key = stored.kind.sort_key(attr, View::with(tree, &made), &meter);
            keys.push(key.map_err(StoreError::from)?);
        }
    }
    Ok(keys)
}

/// The text up to the first resource; how many there are is left for the end where it is not known.
fn head_text(head: &Head, count: Option<usize>) -> Vec<u8> {
    let mut text = format!(r#"{{"schemas":["{}"]"#, message::LIST_RESPONSE);
    let numbers = [
        ("totalResults", head.total),
        ("startIndex", head.start),
        ("itemsPerPage", count.map(|count| count as u64)),
    ];
    // Writing into a `String` does not fail.
    for (name, number) in numbers {
        let _ = number.map(|number| write!(text, r#","{name}":{number}"#));
    }
    if let Some(next) = &head.next {
        // Of characters that JSON needs no escapes for.
        let _ = write!(text, r#","nextCursor":"{next}""#);
    }
    text.push_str(r#","Resources":["#);
    text.into_bytes()
}
