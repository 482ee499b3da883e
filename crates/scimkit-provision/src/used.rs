//! When a token was last used: noted now and then, and never in a request's way.

use std::{
    collections::HashMap,
    future::poll_fn,
    pin::pin,
    sync::{Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_timer::Delay;
use scimkit_store::{TenantStore, TokenRecord};

/// How long a use says nothing new after one that was noted.
const NEWS: TimeDelta = TimeDelta::minutes(1);
/// How long a request waits for the note; then it goes on without.
const PATIENCE: Duration = Duration::from_millis(200);
/// Tokens that are remembered at most.
const MOST: usize = 4_096;

/// Notes the uses of tokens, each token's at most once a minute.
#[derive(Debug, Default)]
pub(crate) struct TokenUseRecorder {
    /// When this process last tried to note a use, so that requests at the same time, or a store that
    /// fails, don't make it try all the time.
    // INVARIANT: at most `MOST`.
    tried: Mutex<HashMap<[u8; 32], DateTime<Utc>>>,
}

impl TokenUseRecorder {
    pub(crate) async fn note(
        &self,
        tenancy: &dyn TenantStore,
        token: &TokenRecord,
        at: DateTime<Utc>,
    ) {
        let is_news = |last: DateTime<Utc>| at - last >= NEWS;
        if token.last_used.is_some_and(|last| !is_news(last)) || !self.claim(token, at) {
            return;
        }
        let mut used = pin!(tenancy.record_token_use(&token.digest, at));
        let mut patience = pin!(Delay::new(PATIENCE));
        let noted = poll_fn(|context| match used.as_mut().poll(context) {
            Poll::Ready(noted) => Poll::Ready(Some(noted)),
            Poll::Pending => patience.as_mut().poll(context).map(|()| None),
        });
        let problem = match noted.await {
            Some(Ok(())) => return,
            Some(Err(error)) => error.to_string(),
            None => "the store takes too long".to_owned(),
        };
        let (tenant, token) = (&token.tenant, &token.id);
        tracing::debug!(%tenant, %token, problem, "recording token use failed");
    }

    /// Whether it is this request that notes the use.
    fn claim(&self, token: &TokenRecord, at: DateTime<Utc>) -> bool {
        let is_news = |last: &DateTime<Utc>| at - *last >= NEWS;
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        if tried.get(&token.digest).is_some_and(|last| !is_news(last)) {
            return false;
        }
        if tried.len() >= MOST {
            tried.retain(|_, last| !is_news(last));
        }
        if tried.len() >= MOST {
            tried.clear();
        }
        tried.insert(token.digest, at);
        true
    }
}
