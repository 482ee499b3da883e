//! The body of an answer.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use scimkit_store::StoreError;

use crate::{members::Members, stream::ListBody};

/// The body of an answer, for any framework that takes an [`http_body::Body`].
///
/// It is whole at once, but for long memberships, which follow page by page as they are sent, and for
/// the resources of a list that take more than 4 MiB: of those no more is in memory.
#[derive(Debug, Default)]
pub struct Body(Kind);

#[derive(Debug, Default)]
enum Kind {
    #[default]
    Empty,
    List(ListBody),
    Members(Box<Members>),
    Whole(Bytes),
}

/// The error of an answer that broke off: the store failed between two of its parts.
///
/// Whoever sends it cuts the connection, so that a part is never taken for the whole.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke off")]
pub struct BrokenOff(#[source] pub(crate) StoreError);

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        match bytes.is_empty() {
            true => Body::default(),
            false => Body(Kind::Whole(bytes)),
        }
    }
}

impl From<ListBody> for Body {
    fn from(list: ListBody) -> Self {
        Body(Kind::List(list))
    }
}

impl From<Members> for Body {
    fn from(members: Members) -> Self {
        Body(Kind::Members(Box::new(members)))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let next = match &mut self.0 {
            Kind::Empty => return Poll::Ready(None),
            Kind::List(list) => std::task::ready!(list.poll_next(context)),
            Kind::Members(members) => std::task::ready!(members.poll_next(context)),
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
            Kind::List(_) | Kind::Members(_) => SizeHint::default(),
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}
