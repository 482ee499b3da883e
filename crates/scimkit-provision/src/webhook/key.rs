//! The keys of webhooks.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::WebhookError;

/// A secret key that a webhook and its receivers share. It is not printed by `Debug`.
///
/// Its text is `whsec_`, followed by 24 to 64 bytes in base64.
///
/// # Example
/// ```
/// use scimkit_provision::webhook::WebhookKey;
///
/// let key = WebhookKey::generate()?;
/// let text = key.reveal();
/// assert!(text.starts_with("whsec_"));
/// assert!(text.parse::<WebhookKey>().is_ok() && "whsec_c2hvcnQ=".parse::<WebhookKey>().is_err());
/// # Ok::<(), scimkit_provision::webhook::WebhookError>(())
/// ```
#[derive(Clone)]
pub struct WebhookKey {
    mac: Hmac<Sha256>,
    secret: Vec<u8>,
}

const PREFIX: &str = "whsec_";

impl WebhookKey {
    fn new(secret: Vec<u8>) -> Result<Self, WebhookError> {
        if !(24..=64).contains(&secret.len()) {
            return Err(WebhookError::Key);
        }
        let mac = Hmac::new_from_slice(&secret).map_err(|_| WebhookError::Key)?;
        Ok(WebhookKey { mac, secret })
    }

    /// Creates a random key.
    ///
    /// # Errors
    /// [`WebhookError::NoRandomness`].
    pub fn generate() -> Result<Self, WebhookError> {
        let mut secret = vec![0; 32];
        getrandom::fill(&mut secret).map_err(|_| WebhookError::NoRandomness)?;
        WebhookKey::new(secret)
    }

    /// Returns the text of the key, for the receivers.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.secret))
    }

    /// Returns the signature of a text, with its version.
    pub(super) fn sign(&self, text: &str) -> String {
        let mut mac = self.mac.clone();
        mac.update(text.as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl FromStr for WebhookKey {
    type Err = WebhookError;

    fn from_str(text: &str) -> Result<Self, WebhookError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(WebhookError::Key)?;
        WebhookKey::new(STANDARD.decode(encoded).map_err(|_| WebhookError::Key)?)
    }
}

impl fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookKey(…)")
    }
}
