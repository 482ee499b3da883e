//! Signed webhooks: sends events to another service over HTTP.
//!
//! The scheme is that of [Standard Webhooks](https://www.standardwebhooks.com): each request has the headers
//! `webhook-id`, `webhook-timestamp` and `webhook-signature`. The signature is an HMAC-SHA256 of
//! `{id}.{timestamp}.{body}`, in base64 after `v1,`; with several keys there are several, separated by spaces.
//!
//! | type | sent if |
//! |---|---|
//! | `user.created` | a user was created |
//! | `user.updated` | attributes of a user changed, others than `active` |
//! | `user.deactivated` | a user was active and is not any more |
//! | `user.reactivated` | a user was deactivated or soft-deleted and is active again |
//! | `user.deleted` | a user was deleted, permanently or softly |
//! | `group.created` | a group was created, or was soft-deleted and is back |
//! | `group.updated` | attributes of a group changed |
//! | `group.deleted` | a group was deleted; its members are not listed |
//! | `group.member_added`, `group.member_removed` | up to 1,000 members were added or removed |
//! | `journal.gap` | changes are missing from the journal: compare all users and groups, or the named resource |
//!
//! A change may be several messages, such as `user.updated` and `user.deactivated`. The body of each is:
//!
//! ```json
//! {
//!   "type": "user.deactivated",
//!   "timestamp": "2026-12-01T08:00:00.000Z",
//!   "data": {
//!     "tenant": "acme",
//!     "connection": "entra",
//!     "number": 17,
//!     "resource": {"type": "User", "id": "2819c223-7f76-453a-919d-413861904646"},
//!     "changes": [{"path": "active", "before": true, "after": false}]
//!   }
//! }
//! ```
//!
//! - `timestamp` is the time of the change, the header `webhook-timestamp` that of the attempt.
//! - `number` is the number of the change among all changes of the tenant; messages come in its order.
//! - `changes` has the changed attributes. `before` and `after` are omitted without a value, and for values that are
//!   write-only, masked in the [journal](scimkit_store::JournalPolicy::masked), or too large for it.
//! - A message about members has their ids in `members` and no `changes`; one about a gap has `after` and `number`, and no
//!   `timestamp`.
//! - A message that is sent again has the same `webhook-id`. Receivers should ignore a repeated one.
//!
//! # Example
//! ```
//! use std::sync::Arc;
//! use scimkit_provision::{events::Events, webhook::{Webhook, WebhookKey}};
//! use scimkit_store::MemoryStore;
//!
//! let key: WebhookKey = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse()?;
//! let webhook = Webhook::new("https://app.example/hooks/scim", [key])?;
//! let store = Arc::new(MemoryStore::new());
//! // After 12 attempts in about 6 minutes, a message becomes a dead letter.
//! let consumer = webhook.consumer("webhook").with_dead_letters(12, store.clone());
//! let events = Events::new(store).with_consumer(consumer);
//!
//! let error = Webhook::new("http://app.example/hooks", []).unwrap_err();
//! assert_eq!(error.to_string(), "invalid webhook URL `http://app.example/hooks`: use `https`");
//! # let _ = events;
//! # Ok::<(), scimkit_provision::webhook::WebhookError>(())
//! ```

mod client;
mod key;
mod message;

use std::{net::IpAddr, sync::Arc, time::Duration};

use http::{Request, StatusCode, Uri, header::CONTENT_TYPE};
use scimkit_core::excerpt;
use scimkit_server::Clock;
use scimkit_store::{BoxFuture, TenantId};

pub use self::key::WebhookKey;
use self::{client::UreqClient, message::Message};
use crate::events::{Event, EventConsumer, EventError};

/// An HTTP client that sends the messages of a webhook.
///
/// The application may use its own, for a proxy or other certificates.
pub trait WebhookClient: std::fmt::Debug + Send + Sync + 'static {
    /// Sends a request and returns the status of its response.
    ///
    /// - It must not follow redirects, and should read only a bounded part of the response.
    /// - It should give up after some seconds. The future is dropped after 20 seconds.
    ///
    /// # Errors
    /// The request was not sent, or there was no response.
    fn send<'a>(
        &'a self,
        tenant: &'a TenantId,
        request: Request<String>,
    ) -> BoxFuture<'a, Result<StatusCode, EventError>>;
}

/// The reason why a webhook can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// A key is invalid.
    #[error("invalid webhook key: expected `whsec_` and 24 to 64 bytes in base64")]
    Key,
    /// The system provides no random numbers for a key.
    #[error("creating a webhook key failed: the system has no randomness")]
    NoRandomness,
    /// There is no key.
    #[error("a webhook needs a key")]
    NoKey,
    /// The URL is invalid.
    #[error("invalid webhook URL `{}`: {problem}", excerpt(url))]
    Url {
        /// The problem, and what to do.
        problem: &'static str,
        /// The URL, without a user name and password.
        url: String,
    },
}

/// Sends events to a URL: see the [module](self).
#[derive(Debug, Clone)]
pub struct Webhook {
    client: Arc<dyn WebhookClient>,
    clock: Clock,
    keys: Arc<[WebhookKey]>,
    url: Uri,
}

impl Webhook {
    /// The time after which a request fails.
    pub const TIMEOUT: Duration = Duration::from_secs(15);

    /// Creates a webhook for that URL, whose messages are signed with each of the keys.
    ///
    /// To replace a key, sign with both until every receiver knows the new one.
    ///
    /// # Errors
    /// - [`WebhookError::Url`]: the URL is neither `https` nor `http` to a loopback address, or has a user name
    /// - [`WebhookError::NoKey`]
    pub fn new(
        url: &str,
        keys: impl IntoIterator<Item = WebhookKey>,
    ) -> Result<Self, WebhookError> {
        let invalid = |problem| WebhookError::Url {
            problem,
            url: url.rsplit('@').next().unwrap_or_default().to_owned(),
        };
        let parsed: Uri = url
            .parse()
            .map_err(|_| invalid("expected an absolute URL"))?;
        let authority = parsed
            .authority()
            .ok_or(invalid("expected an absolute URL"))?;
        if authority.as_str().contains('@') {
            return Err(invalid("remove the user name"));
        }
        if parsed.scheme_str() != Some("https")
            && !(parsed.scheme_str() == Some("http") && is_loopback(authority.host()))
        {
            return Err(invalid("use `https`"));
        }
        let keys: Arc<[WebhookKey]> = keys.into_iter().collect();
        if keys.is_empty() {
            return Err(WebhookError::NoKey);
        }
        Ok(Webhook {
            client: Arc::new(UreqClient::new(Webhook::TIMEOUT)),
            clock: Clock::default(),
            keys,
            url: parsed,
        })
    }

    /// Sets the HTTP client.
    #[must_use]
    pub fn with_client(mut self, client: impl WebhookClient) -> Self {
        self.client = Arc::new(client);
        self
    }

    /// Sets the clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Returns a consumer that sends each event.
    ///
    /// Give each URL a name of its own. Without [`with_dead_letters`](EventConsumer::with_dead_letters), a message is
    /// sent until the receiver accepts it.
    #[must_use]
    pub fn consumer(self, name: &str) -> EventConsumer {
        let consumer = EventConsumer::new(name, move |event| {
            let webhook = self.clone();
            async move { webhook.send(&event).await }
        });
        consumer.with_timeout(Webhook::TIMEOUT + Duration::from_secs(5))
    }

    /// Sends the messages of an event. An event without messages, such as that of a token, is a success.
    async fn send(&self, event: &Event) -> Result<(), EventError> {
        for message in Message::all(event) {
            let request = self.request(&message)?;
            let status = self.client.send(event.tenant(), request).await?;
            if !status.is_success() {
                return Err(format!("status {}", status.as_u16()).into());
            }
        }
        Ok(())
    }

    fn request(&self, message: &Message) -> Result<Request<String>, EventError> {
        let timestamp = self.clock.now().timestamp().to_string();
        let signed = format!("{}.{timestamp}.{}", message.id, message.body);
        let signatures: Vec<_> = self.keys.iter().map(|key| key.sign(&signed)).collect();
        let request = Request::post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signatures.join(" "));
        Ok(request.body(message.body.clone())?)
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let address = address.parse().map(|address: IpAddr| address.is_loopback());
    host == "localhost" || address.unwrap_or(false)
}
