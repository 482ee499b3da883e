//! Cursors as encrypted texts, so that clients can neither read nor forge them.

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use chrono::{DateTime, TimeDelta, Utc};
use scimkit_core::{ErrorResponse, ScimType};
use scimkit_registry::{ResourceId, Scalar};
use scimkit_store::{PagePosition, StoreError};
use serde::{Deserialize, Serialize};

use crate::error::HandlerError;

/// The maximum length of a cursor, when it is created and when it is read.
const LONGEST: usize = 8 << 10;
/// The format number at the start of every cursor.
const FORMAT: u8 = 1;
const NONCE: usize = 24;

/// A set of functions that create and read cursors under one key.
///
/// A cursor is `FORMAT`, a random nonce and the encrypted [`Content`] in base64url. The description of the list is
/// authenticated with it, so that a cursor of another tenant or query can't be told from noise.
pub(crate) struct Cursors {
    cipher: Option<XChaCha20Poly1305>,
}

/// The position where a list continues.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ListProgress {
    /// The maximum number of resources on a page.
    pub(crate) count: u32,
    /// The progress within each type.
    pub(crate) marks: Vec<TypeProgress>,
}

/// The progress of a list within one resource type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TypeProgress {
    /// The list has reached this position.
    After(PagePosition),
    /// All resources were on a page.
    Done,
    /// No resource was on a page.
    Start,
}

/// The encrypted content.
#[derive(Serialize, Deserialize)]
struct Content {
    count: u32,
    /// The creation time in milliseconds since 1970.
    made: i64,
    marks: Vec<Sealed>,
}

#[derive(Serialize, Deserialize)]
enum Sealed {
    After { id: String, key: Option<Key> },
    Done,
    Start,
}

#[derive(Serialize, Deserialize)]
enum Key {
    Bool(bool),
    /// The bits of the number: a printed number may be parsed as a neighbouring one.
    Decimal(u64),
    Instant(i64),
    Integer(i64),
    Text(String),
}

impl Cursors {
    /// Creates the cursors of all servers that share the key.
    pub(crate) fn under(key: &[u8; 32]) -> Self {
        Cursors {
            cipher: Some(XChaCha20Poly1305::new(key.into())),
        }
    }

    /// Creates cursors that only this process can read.
    pub(crate) fn random() -> Self {
        let mut key = [0; 32];
        match getrandom::fill(&mut key) {
            Ok(()) => Cursors::under(&key),
            // Without randomness, no cursor can be created either.
            Err(_) => Cursors { cipher: None },
        }
    }

    /// Encrypts a position in a list with this description.
    ///
    /// # Errors
    /// `invalidValue` if the sort key is too long for a cursor; a failure if the system provides no random bytes.
    pub(crate) fn seal(
        &self,
        place: &ListProgress,
        about: &str,
        now: DateTime<Utc>,
    ) -> Result<String, HandlerError> {
        let content = Content {
            count: place.count,
            made: now.timestamp_millis(),
            marks: place.marks.iter().map(Sealed::from).collect(),
        };
        let failed = || HandlerError::Store(StoreError::backend("a cursor can't be sealed"));
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(StoreError::backend)?;
        let content = serde_json::to_vec(&content).map_err(StoreError::backend)?;
        let payload = Payload {
            aad: about.as_bytes(),
            msg: &content,
        };
        let cipher = self.cipher.as_ref().ok_or_else(failed)?;
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload);
        let bytes = [&[FORMAT][..], &nonce, &sealed.map_err(|_| failed())?].concat();
        let text = BASE64_URL_SAFE_NO_PAD.encode(bytes);
        if text.len() > LONGEST {
            let detail = "the value that the last resource of the page is sorted by is too long \
                          for a cursor: sort by another attribute";
            return Err(ErrorResponse::invalid_value(detail).into());
        }
        Ok(text)
    }

    /// Decrypts the position in a list with this description.
    ///
    /// # Errors
    /// - not a cursor of this server for that list, for whatever reason: `invalidCursor`, always with the same text
    /// - created at least `timeout` ago: `expiredCursor`
    pub(crate) fn open(
        &self,
        cursor: &str,
        about: &str,
        (now, timeout): (DateTime<Utc>, std::time::Duration),
    ) -> Result<ListProgress, ErrorResponse> {
        let content = self.content(cursor, about).ok_or_else(invalid)?;
        let made = DateTime::from_timestamp_millis(content.made).ok_or_else(invalid)?;
        let age = now.signed_duration_since(made);
        if TimeDelta::from_std(timeout).is_ok_and(|timeout| age >= timeout) {
            let seconds = timeout.as_secs();
            let detail = format!(
                "the cursor has expired, {seconds} seconds after it was made: start again with an \
                 empty `cursor`"
            );
            return Err(ErrorResponse::new(400, detail).with_type(ScimType::ExpiredCursor));
        }
        Ok(ListProgress {
            count: content.count,
            marks: content.marks.into_iter().map(TypeProgress::from).collect(),
        })
    }

    fn content(&self, cursor: &str, about: &str) -> Option<Content> {
        if cursor.len() > LONGEST {
            return None;
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (nonce, sealed) = bytes
            .strip_prefix(&[FORMAT])?
            .split_first_chunk::<NONCE>()?;
        let payload = Payload {
            aad: about.as_bytes(),
            msg: sealed,
        };
        let cipher = self.cipher.as_ref()?;
        let content = cipher.decrypt(&XNonce::from(*nonce), payload).ok()?;
        serde_json::from_slice(&content).ok()
    }
}

/// Returns the single error for every invalid cursor, which does not reveal the reason.
pub(crate) fn invalid() -> ErrorResponse {
    let detail = "`cursor` is not one of this list: start with an empty one, then send each \
                  `nextCursor` as it came and every other parameter unchanged";
    ErrorResponse::new(400, detail).with_type(ScimType::InvalidCursor)
}

impl fmt::Debug for Cursors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cursors(…)")
    }
}

impl From<&TypeProgress> for Sealed {
    fn from(mark: &TypeProgress) -> Self {
        match mark {
            TypeProgress::After(place) => Sealed::After {
                id: place.id.as_str().to_owned(),
                key: place.key.as_ref().map(Key::from),
            },
            TypeProgress::Done => Sealed::Done,
            TypeProgress::Start => Sealed::Start,
        }
    }
}

impl From<Sealed> for TypeProgress {
    fn from(sealed: Sealed) -> Self {
        match sealed {
            Sealed::After { id, key } => TypeProgress::After(PagePosition::new(
                key.map(Scalar::from),
                ResourceId::from(id),
            )),
            Sealed::Done => TypeProgress::Done,
            Sealed::Start => TypeProgress::Start,
        }
    }
}

impl From<&Scalar> for Key {
    fn from(scalar: &Scalar) -> Self {
        match scalar {
            Scalar::Bool(value) => Key::Bool(*value),
            Scalar::Decimal(value) => Key::Decimal(value.to_bits()),
            Scalar::Instant(value) => Key::Instant(*value),
            Scalar::Integer(value) => Key::Integer(*value),
            Scalar::Text(value) => Key::Text(value.clone()),
        }
    }
}

impl From<Key> for Scalar {
    fn from(key: Key) -> Self {
        match key {
            Key::Bool(value) => Scalar::Bool(value),
            Key::Decimal(bits) => Scalar::Decimal(f64::from_bits(bits)),
            Key::Instant(value) => Scalar::Instant(value),
            Key::Integer(value) => Scalar::Integer(value),
            Key::Text(value) => Scalar::Text(value),
        }
    }
}

#[cfg(test)]
mod tests;
