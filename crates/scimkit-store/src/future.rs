//! The futures and streams of stores, and cooperation with the other tasks of a runtime.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;

/// A future that a store returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A stream that a store returns or reads.
pub type BoxStream<'a, T> = Pin<Box<dyn Stream<Item = T> + Send + 'a>>;

/// Returns a future that lets other tasks run, and lets the runtime poll its timers and connections.
///
/// The future wakes its task at once and is ready at its 65th poll, with any runtime. A runtime that always
/// finds a task to run checks its timers and I/O only once in a number of polls: tokio's current-thread
/// runtime once in 61. With fewer polls, work in slices would delay them by up to 61 slices.
///
/// Cut work that takes longer than a few milliseconds into slices, and await this future between them.
///
/// # Example
/// ```
/// use std::{future::Future, pin::pin, task::{Context, Waker}};
/// use scimkit_store::yield_now;
///
/// let mut turn = pin!(yield_now());
/// let mut context = Context::from_waker(Waker::noop());
/// let pending = (0..).take_while(|_| turn.as_mut().poll(&mut context).is_pending());
/// assert_eq!(pending.count(), 64);
/// ```
pub fn yield_now() -> impl Future<Output = ()> + Send {
    Turn { polls_left: 64 }
}

struct Turn {
    polls_left: u32,
}

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match self.polls_left.checked_sub(1) {
            None => Poll::Ready(()),
            Some(left) => {
                self.polls_left = left;
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

/// Returns the next item of a stream, or none at its end.
///
/// # Example
/// ```
/// use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
/// use scimkit_store::{next_item, stream_from};
///
/// let mut stream = stream_from([1, 2]);
/// let mut context = Context::from_waker(Waker::noop());
/// for expected in [Some(1), Some(2), None] {
///     let next = pin!(next_item(&mut stream)).poll(&mut context);
///     assert_eq!(next, Poll::Ready(expected));
/// }
/// ```
pub async fn next_item<S: Stream + Unpin + ?Sized>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

/// Returns a stream of the items of an iterator, each of which is ready when it is polled.
///
/// # Example
/// See [`next_item`].
pub fn stream_from<'a, T>(
    items: impl IntoIterator<Item = T, IntoIter: Send + 'a>,
) -> BoxStream<'a, T> {
    Box::pin(Items(items.into_iter()))
}

struct Items<I>(I);

// The iterator is never pinned.
impl<I> Unpin for Items<I> {}

impl<I: Iterator> Stream for Items<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }
}
