//! What the tests share.

use std::sync::LazyLock;

use scimkit_store::BoxFuture;
use tokio::runtime::{Builder, Runtime};

/// Drives a future on this thread, and the tasks that it spawns on others.
pub(crate) fn drive(future: BoxFuture<'_, ()>) {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
    });
    RUNTIME.block_on(future);
}

/// Waits for a future.
pub(crate) fn wait<T: Send>(future: impl Future<Output = T> + Send) -> T {
    let mut answer = None;
    let slot = &mut answer;
    drive(Box::pin(async move { *slot = Some(future.await) }));
    answer.unwrap()
}
