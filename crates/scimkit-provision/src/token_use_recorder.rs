//! Records when a token was last used: at intervals, and without holding up requests.

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

/// The interval after a recorded use during which further uses are not recorded.
const NEWS: TimeDelta = TimeDelta::minutes(1);
/// The maximum time for which a request waits for its use to be recorded.
const PATIENCE: Duration = Duration::from_millis(200);
/// The maximum number of remembered tokens.
const MOST: usize = 4_096;

/// Records the uses of tokens, at most once a minute per token.
#[derive(Debug, Default)]
pub(crate) struct TokenUseRecorder {
    /// The time of this process's last attempt to record a use, per token. It limits the attempts of
    /// concurrent requests, and those on a store that fails.
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

    /// Returns whether this request has to record the use, and remembers the attempt.
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
