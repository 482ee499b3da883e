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

use crate::{answer::Answer, cursor::Cursors, error::Problem, render, walk, work, write::Writer};

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
    let (items, head) = match (&search.cursor, queries.as_slice()) {
        (Some(cursor), all) => {
            let service = (scope, store, cursors);
            let (items, total, next) = walk::page(service, all, &search, (cursor, count)).await?;
            (
                items,
                Head {
                    next,
                    start: None,
                    total,
                },
            )
        }
        (None, [one]) => {
            let page = store.query(scope, &one.clone().page(start, count)).await?;
            let total = page.total.unwrap_or(page.items.len() as u64);
            (page.items, Head::of_index(start, total))
        }
        (None, all) => {
            let (items, total) = across(scope, store, all, start, count).await?;
            (items, Head::of_index(start, total))
        }
    };
    let texts = texts(writer, &types, items, &search).await?;
    Ok(Answer::json(StatusCode::OK, list_text(&head, &texts)))
}

/// What a list says of its page.
struct Head {
    next: Option<String>,
    start: Option<u64>,
    total: Option<u64>,
}

impl Head {
    /// Of a page after the first `start`.
    fn of_index(start: u64, total: u64) -> Self {
        Head {
            next: None,
            start: Some(start.saturating_add(1)),
            total: Some(total),
        }
    }
}

/// The resources' JSON in their order, rendered type by type.
async fn texts(
    writer: Writer<'_>,
    types: &[Arc<ResourceType>],
    items: Vec<Stored>,
    search: &SearchRequest,
) -> Result<Vec<Vec<u8>>, Problem> {
    let mut placed = Vec::with_capacity(items.len());
    let mut rest: Vec<(usize, Stored)> = items.into_iter().enumerate().collect();
    for kind in types {
        let own = |(_, stored): &mut (usize, Stored)| Arc::ptr_eq(&stored.kind, kind);
        let (places, own): (Vec<_>, Vec<_>) = rest.extract_if(.., own).unzip();
        let (attributes, excluded) = (&search.attributes, &search.excluded_attributes);
        let projection = writer.projection(kind, attributes, excluded);
        let Writer { scope, store, .. } = writer;
        placed.extend(
            places
                .into_iter()
                .zip(render::page(scope, &**store, &own, &projection).await?),
        );
    }
    placed.sort_unstable_by_key(|(place, _)| *place);
    Ok(placed.into_iter().map(|(_, text)| text).collect())
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

/// One page over several types: one after the other, or merged when there is an order.
async fn across(
    scope: &Scope,
    store: &dyn Store,
    queries: &[Query],
    start: u64,
    count: u32,
) -> Result<(Vec<Stored>, u64), Problem> {
    if queries.iter().any(|query| query.sort.is_some()) {
        return merged(scope, store, queries, (start, count)).await;
    }
    let (mut items, mut total) = (Vec::new(), 0_u64);
    for query in queries {
        let skip = start.saturating_sub(total);
        let room = count.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
        let page = store.query(scope, &query.clone().page(skip, room)).await?;
        items.extend(page.items);
        total += page.total.unwrap_or(0);
    }
    Ok((items, total))
}

/// How deep into a sorted list of several types a page may lie.
const DEEPEST: u64 = 10_000;

async fn merged(
    scope: &Scope,
    store: &dyn Store,
    queries: &[Query],
    (start, count): (u64, u32),
) -> Result<(Vec<Stored>, u64), Problem> {
    let deep = start.saturating_add(u64::from(count));
    if deep > DEEPEST {
        let detail = format!("a sorted query of all types ends at its resource {DEEPEST}");
        return Err(Error::too_many(detail).into());
    }
    let (mut keyed, mut total) = (Vec::new(), 0);
    for query in queries {
        let first = u32::try_from(deep).unwrap_or(u32::MAX);
        let page = store.query(scope, &query.clone().page(0, first)).await?;
        total += page.total.unwrap_or(0);
        let keys = sort_keys(scope, store, query, &page.items).await?;
        keyed.extend(keys.into_iter().zip(page.items));
    }
    sort_merged(&mut keyed, queries, |(key, _)| key.as_ref());
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    let page = keyed
        .into_iter()
        .skip(start)
        .take(count as usize)
        .map(|(_, stored)| stored);
    Ok((page.collect(), total))
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
    let mut trees = Vec::with_capacity(items.len());
    let mut turn = scope.budget.spent();
    for stored in items {
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
    let shown = query.kind.projection(&[query.kind.attr(attr).path()], &[]);
    let edges = render::edges(scope, store, items, &trees, &shown).await?;
    let meter = scope.budget.meter();
    let mut keys = Vec::with_capacity(items.len());
    for ((stored, tree), own) in items.iter().zip(trees.iter().flatten()).zip(&edges) {
        let made = computed(&scope.settings, &Facts::of(stored, tree, own), &[attr]);
        let view = View::with(tree, &made);
        keys.push(
            stored
                .kind
                .sort_key(attr, view, &meter)
                .map_err(StoreError::from)?,
        );
    }
    Ok(keys)
}

fn list_text(head: &Head, texts: &[Vec<u8>]) -> Vec<u8> {
    let length: usize = texts.iter().map(|text| text.len() + 1).sum();
    let mut text = format!(r#"{{"schemas":["{}"]"#, message::LIST_RESPONSE);
    let numbers = [
        ("totalResults", head.total),
        ("startIndex", head.start),
        ("itemsPerPage", Some(texts.len() as u64)),
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
    let mut out = Vec::with_capacity(text.len() + length + 2);
    out.extend_from_slice(text.as_bytes());
    for (at, text) in texts.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(text);
    }
    out.extend_from_slice(b"]}");
    out
}
