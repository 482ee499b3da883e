//! The futures of stores, and cooperation with the other tasks of a runtime.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// A future that a store returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

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
