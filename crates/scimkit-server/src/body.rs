//! The body of a response.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use scimkit_store::StoreError;

/// The body of a response, for any framework that accepts an [`http_body::Body`].
///
/// Most bodies are complete from the start. Long memberships are read page by page while the body is sent. If the
/// resources of a list exceed 4 MiB, those beyond this limit are also read while the body is sent.
#[derive(Debug, Default)]
pub struct Body(Kind);

#[derive(Debug, Default)]
enum Kind {
    #[default]
    Empty,
    Pieces(Box<dyn Pieces>),
    Whole(Bytes),
}

/// A body that is produced piece by piece while it is sent.
pub(crate) trait Pieces: fmt::Debug + Send {
    /// Produces the next piece; none after the last one or after an error.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>>;
}

/// The error of a response that was cut off: the store failed between two of its pieces.
///
/// The sender must close the connection, so that a partial response does not look complete.
#[derive(Debug, thiserror::Error)]
#[error("the response was cut off")]
pub struct BodyError(#[source] pub(crate) StoreError);

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() {
            Body::default()
        } else {
            Body(Kind::Whole(bytes))
        }
    }
}

impl Body {
    /// Creates a body that is produced while it is sent.
    pub(crate) fn of_pieces(pieces: impl Pieces + 'static) -> Self {
        Body(Kind::Pieces(Box::new(pieces)))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = match &mut self.0 {
            Kind::Empty => return Poll::Ready(None),
            Kind::Pieces(pieces) => std::task::ready!(pieces.poll_next(context)),
            Kind::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Kind::Empty;
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        };
        if !matches!(next, Some(Ok(_))) {
            self.0 = Kind::Empty;
        }
        Poll::Ready(next.map(|part| part.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Kind::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Pieces(_) => SizeHint::default(),
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}
