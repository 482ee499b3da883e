//! Queries: of one type, and of all of them at the root.

use std::{fmt::Write as _, sync::Arc};

use http::StatusCode;
use scimkit_core::message::{self, SearchRequest};
use scimkit_registry::{QuirkRecorder, ResourceType, parse_filter};

use crate::{
    answer::ResponseParts,
    bind::queries,
    body::Body,
    cursor::Cursors,
    error::HandlerError,
    gather::{self, Gathered},
    render::Shape,
    stream::{ListBody, Resources, Shown},
    walk,
    writer::Writer,
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
) -> Result<ResponseParts, HandlerError> {
    let Writer { scope, .. } = writer;
    let witness: &QuirkRecorder = writer.witness;
    let store = &**writer.store;
    let limits = &scope.settings.limits;
    let start = u64::try_from(search.start_index.unwrap_or(1).max(1) - 1).unwrap_or(0);
    let count = search.count.map(|count| u32::try_from(count.max(0)));
    let count = count.map_or(limits.page_default, |count| {
        count.unwrap_or(u32::MAX).min(limits.page_max)
    });
    let filter = match &search.filter {
        Some(text) => Some(parse_filter(text, limits.filter, witness)?),
        None => None,
    };
    let (attributes, excluded) = (&search.attributes, &search.excluded_attributes);
    let shape = |kind: Arc<ResourceType>| {
        let projection = writer.projection(&kind, attributes, excluded);
        (kind, projection)
    };
    let shapes: Vec<Shape> = types.into_iter().map(shape).collect();
    let queries = queries(&shapes, filter.as_ref(), &search, writer)?;
    let rendering = writer.work.rendering();
    let service = (scope, store, &rendering);
    let (gathered, head) = match &search.cursor {
        Some(cursor) => {
            let walk = walk::Service {
                clock: writer.clock,
                cursors,
                service,
            };
            let (items, total, next) = walk::page(walk, &queries, &search, (cursor, count)).await?;
            let head = Head {
                next,
                start: None,
                total,
            };
            (Gathered::of(items), head)
        }
        None => {
            let gathered = gather::page(service, &queries, (start, count)).await?;
            let head = Head {
                next: None,
                start: Some(start.saturating_add(1)),
                total: Some(gathered.total),
            };
            (gathered, head)
        }
    };
    let shown = Shown {
        rendering: rendering.clone(),
        scope: scope.clone(),
        shapes,
        store: Arc::clone(writer.store),
    };
    body(&head, gathered, shown).await
}

/// The answer: whole when it is held as a whole, else in pieces.
async fn body(
    head: &Head,
    gathered: Gathered,
    shown: Shown,
) -> Result<ResponseParts, HandlerError> {
    let is_known = gathered.rest.is_empty();
    let resources = Resources::new(gathered, shown);
    let text = head_text(head, is_known.then_some(resources.len()));
    if !resources.is_whole() {
        let body = ListBody::new(text, resources, !is_known);
        return Ok(ResponseParts::of(StatusCode::OK, Body::of_pieces(body)));
    }
    let mut text = resources.whole(text).await?;
    text.extend_from_slice(b"]}");
    Ok(ResponseParts::json(StatusCode::OK, text))
}

/// What a list says of its page.
struct Head {
    next: Option<String>,
    start: Option<u64>,
    total: Option<u64>,
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
