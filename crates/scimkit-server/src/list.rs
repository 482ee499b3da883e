//! Queries of one type, or of all types at the root.

use std::{fmt::Write as _, sync::Arc};

use http::StatusCode;
use scimkit_core::{
    ErrorResponse, ScimType,
    message::{self, SearchRequest},
};
use scimkit_registry::{QuirkRecorder, ResourceType, parse_filter};
use scimkit_store::Store;

use crate::{
    bind::queries,
    body::Body,
    error::HandlerError,
    gather::{self, Gathered},
    render::Shape,
    response::ResponseParts,
    stream::{ListBody, Resources, Shown},
    writer::Writer,
};

/// Responds to a query of these types.
///
/// # Errors
/// `invalidFilter` for a filter that can't be parsed or bound, and for a filter or sort by an attribute that is
/// never returned or that the caller may not read; `invalidPath` for a sort by an unknown attribute; with a cursor,
/// the errors of `paging::page`.
pub(crate) async fn answer(
    writer: Writer<'_>,
    types: Vec<Arc<ResourceType>>,
    search: SearchRequest,
) -> Result<ResponseParts, HandlerError> {
    let Writer { context, .. } = writer;
    let witness: &QuirkRecorder = writer.witness;
    let store = &**writer.store;
    let limits = &context.settings.limits;
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
    let service = (context, store, &rendering);
    let kinds = queries.iter().map(|query| &*query.kind);
    if search.cursor.is_some() && !supports_cursors(store, kinds) {
        return Err(no_cursors().into());
    }
    let (gathered, head) = match &search.cursor {
        #[cfg(feature = "cursors")]
        Some(cursor) => {
            use crate::paging;

            let service = paging::Service {
                clock: writer.clock,
                cursors: writer.cursors,
                service,
            };
            let (items, total, next) =
                paging::page(service, &queries, &search, (cursor, count)).await?;
            let head = Head {
                next,
                start: None,
                total,
            };
            (Gathered::of(items), head)
        }
        _ => {
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
        context: context.clone(),
        shapes,
        store: Arc::clone(writer.store),
    };
    body(&head, gathered, shown).await
}

/// Returns whether the types can be paged by cursor: if the store and the features of the
/// server support it.
///
/// Otherwise a request with `cursor` is rejected. If the parameter were ignored, the client would get a page without
/// `nextCursor` and take it for the last one (RFC 9865 section 2).
pub(crate) fn supports_cursors<'a>(
    store: &dyn Store,
    mut kinds: impl Iterator<Item = &'a ResourceType>,
) -> bool {
    cfg!(feature = "cursors") && kinds.all(|kind| store.support(kind).cursor)
}

fn no_cursors() -> ErrorResponse {
    let detail = "pages can't be asked for by `cursor` here: use `startIndex`";
    ErrorResponse::new(400, detail).with_type(ScimType::InvalidCursor)
}

/// Builds the response: complete if all of it is in memory, otherwise in pieces.
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

/// The values before the resources of a list.
struct Head {
    next: Option<String>,
    start: Option<u64>,
    total: Option<u64>,
}

/// Returns the text up to the first resource. If the number of resources is unknown, it follows at the end.
fn head_text(head: &Head, count: Option<usize>) -> Vec<u8> {
    let mut text = format!(r#"{{"schemas":["{}"]"#, message::LIST_RESPONSE);
    let numbers = [
        ("totalResults", head.total),
        ("startIndex", head.start),
        ("itemsPerPage", count.map(|count| count as u64)),
    ];
    // Writing to a `String` can't fail.
    for (name, number) in numbers {
        let _ = number.map(|number| write!(text, r#","{name}":{number}"#));
    }
    if let Some(next) = &head.next {
        // A cursor contains no characters that JSON must escape.
        let _ = write!(text, r#","nextCursor":"{next}""#);
    }
    text.push_str(r#","Resources":["#);
    text.into_bytes()
}
