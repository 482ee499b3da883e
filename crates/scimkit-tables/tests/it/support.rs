//! What the tests share.

use scimkit_testkit::contract::block_on;

/// Waits for a future.
pub(crate) fn wait<T: Send>(future: impl Future<Output = T> + Send) -> T {
    let mut answer = None;
    let slot = &mut answer;
    block_on(Box::pin(async move { *slot = Some(future.await) }));
    answer.unwrap()
}
