//! Driving the futures of a store.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use scimkit_store::BoxFuture;

/// Drives a future of the store to its end; called from several threads at the same time.
pub type FutureDriver<'a> = dyn Fn(BoxFuture<'_, ()>) + Sync + 'a;

/// Drives a future on this thread, which sleeps until it is woken.
pub fn block_on(mut future: BoxFuture<'_, ()>) {
    let unpark = Arc::new(Unpark {
        is_woken: AtomicBool::new(false),
        thread: thread::current(),
    });
    let waker = Waker::from(Arc::clone(&unpark));
    let mut context = Context::from_waker(&waker);
    while future.as_mut().poll(&mut context) == Poll::Pending {
        // A future that blocks its thread may consume the token of `unpark`, so a flag is needed, too.
        while !unpark.is_woken.swap(false, Ordering::AcqRel) {
            thread::park();
        }
    }
}

struct Unpark {
    is_woken: AtomicBool,
    thread: Thread,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}
