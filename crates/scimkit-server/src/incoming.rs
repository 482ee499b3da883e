//! The body of a request: read up to its limit, or drained if the response is ready first.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_timer::Delay;
use http::{Version, header::EXPECT, request::Parts};
use scimkit_core::ErrorResponse;

use crate::decode::too_large;

/// The maximum number of bytes drained from an unread body.
const DRAINED: u64 = 64 << 10;
/// The time within which a body has to arrive.
pub(crate) const ARRIVAL: Duration = Duration::from_secs(60);
/// The time that draining waits for a client that does not send the rest.
const PATIENCE: Duration = Duration::from_millis(500);
/// The minimum count for a frame, so that empty frames also reach the limit.
const FRAME: u64 = 64;

/// The body of one request.
pub(crate) struct Incoming<'a, B> {
    body: Pin<&'a mut B>,
    progress: Progress,
}

#[derive(Clone, Copy, PartialEq)]
enum Progress {
    Broken,
    Ended,
    Started,
    Unread,
}

impl<'a, B: http_body::Body> Incoming<'a, B> {
    pub(crate) fn new(body: Pin<&'a mut B>) -> Self {
        Incoming {
            body,
            progress: Progress::Unread,
        }
    }

    /// Reads the body, up to the limit.
    ///
    /// # Errors
    /// 413 as soon as the body exceeds the limit; 408 if it does not arrive in time; 400 if the connection breaks.
    pub(crate) async fn read(
        &mut self,
        limit: usize,
        time: Duration,
    ) -> Result<Bytes, ErrorResponse> {
        let mut bytes = BytesMut::new();
        // Most bodies are there already, and need no timer.
        let mut timeout = None;
        loop {
            let next = poll_fn(|context| match self.poll_data(context) {
                Poll::Ready(next) => Poll::Ready(Ok(next)),
                Poll::Pending => {
                    let timeout = timeout.get_or_insert_with(|| Delay::new(time));
                    Pin::new(timeout).poll(context).map(Err)
                }
            });
            let Ok(next) = next.await else {
                let detail = "the request body took too long to arrive";
                return Err(ErrorResponse::new(408, detail));
            };
            let Some(data) = next else { break };
            let Ok(data) = data else {
                return Err(ErrorResponse::new(400, "the request body ended early"));
            };
            if bytes.len() + data.remaining() > limit {
                return Err(too_large(limit));
            }
            bytes.put(data);
        }
        Ok(bytes.freeze())
    }

    /// Drains the unread rest of the body, and returns whether the connection can carry another request.
    ///
    /// Drains up to 64 KiB within half a second. A client that expects `100 Continue` does not get it. In HTTP/2
    /// and later, each request has its own stream, and nothing is drained.
    pub(crate) async fn finish(&mut self, head: &Parts) -> bool {
        match self.progress {
            Progress::Ended => return true,
            Progress::Broken => return false,
            _ if head.version >= Version::HTTP_2 || self.body.is_end_stream() => return true,
            Progress::Unread if head.headers.contains_key(EXPECT) => return false,
            _ if self.body.size_hint().lower() > DRAINED => return false,
            _ => {}
        }
        let mut timeout = pin!(Delay::new(PATIENCE));
        let mut drained = 0_u64;
        let all = poll_fn(|context| {
            while drained <= DRAINED {
                match self.poll_data(context) {
                    Poll::Ready(Some(Ok(data))) => drained += FRAME.max(data.remaining() as u64),
                    Poll::Ready(Some(Err(_))) => return Poll::Ready(false),
                    Poll::Ready(None) => return Poll::Ready(true),
                    Poll::Pending => return timeout.as_mut().poll(context).map(|()| false),
                }
            }
            Poll::Ready(false)
        });
        all.await
    }

    /// Polls the next chunk of data and skips trailers.
    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<B::Data, B::Error>>> {
        self.progress = Progress::Started;
        loop {
            let frame = ready!(self.body.as_mut().poll_frame(context));
            self.progress = match frame {
                Some(Ok(_)) => Progress::Started,
                Some(Err(_)) => Progress::Broken,
                None => Progress::Ended,
            };
            match frame.map(|frame| frame.map(http_body::Frame::into_data)) {
                Some(Ok(Ok(data))) => return Poll::Ready(Some(Ok(data))),
                Some(Ok(Err(_))) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        pin::{Pin, pin},
        task::{Context, Poll},
        time::Duration,
    };

    use bytes::Bytes;
    use http_body::{Body, Frame};

    use super::Incoming;

    /// A body that never ends, and is silent or sends a byte with every other poll.
    struct Slow {
        is_silent: bool,
        waits: bool,
    }

    impl Body for Slow {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if self.is_silent {
                return Poll::Pending;
            }
            self.waits = !self.waits;
            if self.waits {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b" ")))))
        }
    }

    #[tokio::test]
    async fn body_that_does_not_arrive_in_time_is_rejected() {
        for is_silent in [true, false] {
            let slow = pin!(Slow {
                is_silent,
                waits: false
            });
            let mut incoming = Incoming::new(slow);
            let read = incoming.read(usize::MAX, Duration::from_millis(50));
            assert_eq!(read.await.unwrap_err().status, 408, "{is_silent}");
        }
    }
}
