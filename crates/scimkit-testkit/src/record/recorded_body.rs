//! A body that is passed on and copied.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

/// The body of a request or response that a [`Recorder`](super::Recorder) records.
///
/// It passes on each frame of the inner body at once.
pub struct RecordedBody<B> {
    body: Pin<Box<B>>,
    listener: Option<Listener>,
}

impl<B> fmt::Debug for RecordedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedBody").finish_non_exhaustive()
    }
}

/// The outcome of copying a body.
#[derive(Debug)]
pub(super) enum Copied {
    /// The body ended in an error, or was not read to its end.
    Broken,
    TooLong,
    /// The body was never polled.
    Unread,
    Whole(Vec<u8>),
}

impl Copied {
    pub(super) fn len(&self) -> usize {
        match self {
            Copied::Whole(bytes) => bytes.len(),
            Copied::Broken | Copied::TooLong | Copied::Unread => 0,
        }
    }

    /// Returns why there is no copy, for the count of exchanges that are left out.
    pub(super) fn why_not(&self) -> &'static str {
        match self {
            Copied::TooLong => "with a longer body than is recorded",
            Copied::Broken | Copied::Unread | Copied::Whole(_) => "with an incomplete body",
        }
    }
}

struct Listener {
    copied: Copied,
    done: Box<dyn FnOnce(Copied) + Send>,
    most: usize,
}

impl Listener {
    fn hear(&mut self, bytes: &[u8]) {
        if let Copied::Whole(copy) = &mut self.copied {
            if copy.len() + bytes.len() > self.most {
                self.copied = Copied::TooLong
            } else {
                copy.extend_from_slice(bytes)
            }
        }
    }
}

impl<B: Body> RecordedBody<B> {
    /// Passes on a body without copying it.
    pub(super) fn deaf(body: B) -> Self {
        RecordedBody {
            body: Box::pin(body),
            listener: None,
        }
    }

    /// Passes on the copy as soon as the body has ended or is dropped.
    pub(super) fn new(body: B, most: usize, done: impl FnOnce(Copied) + Send + 'static) -> Self {
        let mut tee = RecordedBody::deaf(body);
        tee.listener = Some(Listener {
            copied: Copied::Unread,
            done: Box::new(done),
            most,
        });
        if tee.body.is_end_stream() {
            tee.listen();
            tee.finish();
        }
        tee
    }
}

impl<B> RecordedBody<B> {
    fn listen(&mut self) {
        if let Some(listener) = &mut self.listener
            && let Copied::Unread = listener.copied
        {
            listener.copied = Copied::Whole(Vec::new());
        }
    }

    fn finish(&mut self) {
        if let Some(listener) = self.listener.take() {
            (listener.done)(listener.copied);
        }
    }
}

impl<B> Drop for RecordedBody<B> {
    fn drop(&mut self) {
        if let Some(listener) = &mut self.listener
            && let Copied::Whole(_) = listener.copied
        {
            listener.copied = Copied::Broken;
        }
        self.finish();
    }
}

impl<B: Body> Body for RecordedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.listen();
        let polled = std::task::ready!(self.body.as_mut().poll_frame(context));
        let frame = match polled {
            None => {
                self.finish();
                return Poll::Ready(None);
            }
            Some(Err(error)) => {
                if let Some(listener) = &mut self.listener {
                    listener.copied = Copied::Broken;
                }
                self.finish();
                return Poll::Ready(Some(Err(error)));
            }
            Some(Ok(frame)) => frame.map_data(|mut data| data.copy_to_bytes(data.remaining())),
        };
        if let (Some(listener), Some(bytes)) = (&mut self.listener, frame.data_ref()) {
            listener.hear(bytes);
        }
        if self.body.is_end_stream() {
            self.finish();
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
