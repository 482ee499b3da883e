//! Giving others a turn.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// Lets other tasks of the runtime run before it goes on: it wakes its task and is ready with the
/// second poll, on whatever runtime.
///
/// Work that takes longer than a few milliseconds is cut into slices with this between them.
///
/// # Example
/// ```
/// use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
/// use scimkit_store::yield_now;
///
/// let mut turn = pin!(yield_now());
/// let mut context = Context::from_waker(Waker::noop());
/// assert_eq!(turn.as_mut().poll(&mut context), Poll::Pending);
/// assert_eq!(turn.poll(&mut context), Poll::Ready(()));
/// ```
pub fn yield_now() -> impl Future<Output = ()> + Send {
    Turn(false)
}

struct Turn(bool);

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
