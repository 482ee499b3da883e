//! Lists by cursor (RFC 9865): each page starts where the last one ended, whatever was written in between.

use std::fmt::Write as _;

use scimkit_core::{ErrorResponse, ScimType, message::SearchRequest};
use scimkit_registry::{AttrId, AttributeRole, Predicate, ResourceId, ResourceType};
use scimkit_store::{CountMode, PagePosition, Query, RequestContext, Sort};

use crate::{
    clock::Clock,
    cursor::{self, Cursors, ListProgress, TypeProgress},
    error::HandlerError,
    gather::HELD,
    render::Item,
    sort::sort_keys,
    work,
};

/// A page, its total if it was counted, and the cursor of the next page if there is one.
pub(crate) type Page = (Vec<Item>, Option<u64>, Option<String>);

/// The store for the pages, and the key for their cursors.
#[derive(Clone, Copy)]
pub(crate) struct Service<'a> {
    pub(crate) clock: &'a Clock,
    pub(crate) cursors: &'a Cursors,
    pub(crate) service: work::Service<'a>,
}

/// Reads the page at a cursor; an empty cursor selects the first page.
///
/// The total is counted only for the first page: counting again for each page would be as expensive each time.
///
/// # Errors
/// - a cursor that does not belong to this list: `invalidCursor`
/// - an expired cursor: `expiredCursor`
/// - a `count` that differs from that of the first page: `invalidCount`
/// - `startIndex` next to the cursor: `invalidValue`
/// - a sort of several types by a computed value of a reference: `invalidPath`
pub(crate) async fn page(
    service: Service<'_>,
    queries: &[Query],
    search: &SearchRequest,
    (text, count): (&str, u32),
) -> Result<Page, HandlerError> {
    let Service {
        clock,
        cursors,
        service,
    } = service;
    let (context, _, _) = service;
    check(queries, search)?;
    let about = about(context, queries, search);
    let mut counting = CountMode::Skip;
    let mut place = if text.is_empty() {
        counting = CountMode::Exact;
        let marks = vec![TypeProgress::Start; queries.len()];
        ListProgress { count, marks }
    } else {
        let timeout = context.settings.limits.cursor_timeout;
        cursors.open(text, &about, (clock.now(), timeout))?
    };
    if place.marks.len() != queries.len() {
        return Err(cursor::invalid().into());
    }
    if place.count != count {
        let first = place.count;
        let detail = format!("`count` must be the same for every page: the first had {first}");
        return Err(ErrorResponse::new(400, detail)
            .with_type(ScimType::InvalidCount)
            .into());
    }
    let walk = Walk {
        count,
        counting,
        queries,
        service,
    };
    let several_sorted = queries.len() > 1 && queries.iter().any(|query| query.sort.is_some());
    let found = if several_sorted {
        walk.merged(&mut place.marks).await?
    } else {
        walk.in_turn(&mut place.marks).await?
    };
    let next = if found.more && count > 0 {
        Some(cursors.seal(&place, &about, clock.now())?)
    } else {
        None
    };
    Ok((found.items, found.total, next))
}

fn check(queries: &[Query], search: &SearchRequest) -> Result<(), ErrorResponse> {
    if search.start_index.is_some() {
        let detail = "`cursor` and `startIndex` are two ways to ask for a page: send one of them";
        return Err(ErrorResponse::invalid_value(detail));
    }
    // The values that a reference shows are read separately from the page, so they can't mark where the page ended.
    let referred = queries.iter().any(|query| {
        let attr = query.sort.map(|sort| query.kind.attr(sort.attr));
        let top = attr.map(|attr| attr.parent().map_or(attr, |top| query.kind.attr(top)));
        let computed = attr.is_some_and(|attr| query.kind.is_computed(attr.id()));
        computed && top.is_some_and(|top| top.role() == AttributeRole::Reference)
    });
    if queries.len() > 1 && referred {
        let name = search.sort_by.as_deref().unwrap_or_default();
        let detail =
            format!("resources of several types can't be sorted by `{name}` with `cursor`");
        return Err(ErrorResponse::invalid_path(detail));
    }
    Ok(())
}

/// Returns the text that a cursor is bound to: the tenant and the meaning of the query. Different spellings of one
/// query result in the same text.
fn about(context: &RequestContext, queries: &[Query], search: &SearchRequest) -> String {
    // Every part is printed with its end, so that no two lists have the same text. Writing to a `String` can't
    // fail.
    let mut about = format!("{:?}", context.tenant.as_str());
    for query in queries {
        let kind: &ResourceType = &query.kind;
        let shown = kind.projection(&search.attributes, &search.excluded_attributes);
        let shape = kind.fingerprint().to_string();
        let _ = write!(
            about,
            " {:?} {shape:?} {:?} {shown:?}",
            kind.name(),
            query.sort
        );
        if let Some(predicate) = &query.predicate {
            describe(predicate, &mut about);
        }
    }
    about
}

/// Prints a predicate from the top down, each part with the number of its direct parts. Nesting is handled on the
/// heap, as in the parser.
fn describe(predicate: &Predicate, out: &mut String) {
    let mut open = vec![predicate];
    while let Some(next) = open.pop() {
        let _ = match next {
            Predicate::All(terms) => write!(out, " all{}", terms.len()),
            Predicate::Any(terms) => write!(out, " any{}", terms.len()),
            Predicate::ElementMatches { attr, .. } => write!(out, " element {attr:?}"),
            Predicate::Not(_) => write!(out, " not"),
            simple => write!(out, " {simple:?}"),
        };
        match next {
            Predicate::All(terms) | Predicate::Any(terms) => open.extend(terms),
            Predicate::ElementMatches { inner, .. } | Predicate::Not(inner) => open.push(inner),
            _ => {}
        }
    }
}

struct Walk<'a> {
    count: u32,
    counting: CountMode,
    queries: &'a [Query],
    service: work::Service<'a>,
}

/// A page before its cursor is encrypted.
struct Found {
    items: Vec<Item>,
    more: bool,
    total: Option<u64>,
}

impl Walk<'_> {
    /// Reads one type after the other.
    async fn in_turn(&self, marks: &mut [TypeProgress]) -> Result<Found, HandlerError> {
        let (context, store, _) = self.service;
        let (mut items, mut more, mut total) = (Vec::new(), false, 0);
        for (at, (query, mark)) in self.queries.iter().zip(marks).enumerate() {
            let taken = u32::try_from(items.len()).unwrap_or(u32::MAX);
            let room = if more {
                0
            } else {
                self.count.saturating_sub(taken)
            };
            if *mark == TypeProgress::Done || (more && self.counting == CountMode::Skip) {
                continue;
            }
            // A full page also checks whether anything follows it.
            let look = if more { 0 } else { room.max(1) };
            let page = store.query(context, &self.from(query, mark, look)).await?;
            total += page.total.unwrap_or(0);
            if more {
                continue;
            }
            if room == 0 {
                more = !page.items.is_empty();
                continue;
            }
            let found = page.items.into_iter();
            items.extend(found.map(|stored| Item { query: at, stored }));
            more = page.next.is_some();
            *mark = page.next.map_or(TypeProgress::Done, TypeProgress::After);
        }
        Ok(self.found(items, more, total))
    }

    /// Reads all types in one order; equal resources follow the order of the types.
    async fn merged(&self, marks: &mut [TypeProgress]) -> Result<Found, HandlerError> {
        let (context, store, _) = self.service;
        let (mut keyed, mut total, mut endless) = (Vec::new(), 0, Vec::new());
        for (at, (query, mark)) in self.queries.iter().zip(&*marks).enumerate() {
            if *mark == TypeProgress::Done {
                continue;
            }
            let query = self.from(query, mark, self.count);
            let page = store.query(context, &query).await?;
            total += page.total.unwrap_or(0);
            if page.next.is_some() {
                endless.push(at);
            }
            let keys = sort_keys(self.service, &query, &page.items).await?;
            let places = keys.into_iter().zip(page.items);
            keyed.extend(places.map(|(key, stored)| (key, at, stored)));
        }
        if let Some(sort) = self.queries.iter().find_map(|query| query.sort) {
            // The sort is stable: equal resources stay in the order of their stores.
            keyed.sort_by(|(a, _, _), (b, _, _)| sort.compare(a.as_ref(), b.as_ref()));
        }
        // Unread resources of a type may come before resources of other types, so the page ends with the last
        // resource read of that type.
        let ends = endless.iter().map(|at| {
            let last = keyed.iter().rposition(|(_, of, _)| of == at);
            last.map_or(0, |last| last + 1)
        });
        let end = ends.min().unwrap_or(keyed.len());
        let waiting = keyed.split_off(end.min(self.count as usize));
        let mut items = Vec::with_capacity(keyed.len());
        let mut last = None;
        for (key, at, stored) in keyed {
            let place = PagePosition::new(key, stored.id.clone());
            if let Some(mark) = marks.get_mut(at) {
                *mark = TypeProgress::After(place.clone());
            }
            last = Some(place);
            items.push(Item { query: at, stored });
        }
        let mut more = false;
        for (at, (query, mark)) in self.queries.iter().zip(marks).enumerate() {
            if endless.contains(&at) || waiting.iter().any(|(_, of, _)| *of == at) {
                more = true;
            } else {
                *mark = TypeProgress::Done;
            }
            if let (Some(sort), Some(last)) = (query.sort, &last) {
                raise(mark, sort, last);
            }
        }
        Ok(self.found(items, more, total))
    }

    fn from(&self, query: &Query, mark: &TypeProgress, count: u32) -> Query {
        let mut query = match mark {
            TypeProgress::After(place) => query.clone().with_page_after(place.clone(), count),
            TypeProgress::Done | TypeProgress::Start => query.clone().with_page(0, count),
        };
        query.total = self.counting;
        query.with_max_bytes(HELD / self.queries.len().max(1) as u64)
    }

    fn found(&self, items: Vec<Item>, more: bool, total: u64) -> Found {
        Found {
            items,
            more,
            total: (self.counting == CountMode::Exact).then_some(total),
        }
    }
}

/// Advances a type that lags behind to the end of the page. A resource that appears before that position from now
/// on would be out of order, and all earlier ones are on a page.
fn raise(mark: &mut TypeProgress, sort: Sort, last: &PagePosition) {
    let back = match mark {
        TypeProgress::After(place) => sort.compare(place.key.as_ref(), last.key.as_ref()).is_lt(),
        TypeProgress::Done => false,
        TypeProgress::Start => true,
    };
    if back {
        // Start before all equal resources, which may be on the next page; ids are never equal.
        let id = match sort.attr {
            AttrId::ID => last.id.clone(),
            _ => ResourceId::from(""),
        };
        *mark = TypeProgress::After(PagePosition::new(last.key.clone(), id));
    }
}
