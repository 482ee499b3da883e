//! The chain of digests through a journal.

use blake2::{Blake2b256, Digest as _};

use super::{JournalBody, JournalDigest, JournalEntry, JournalPosition};

/// The prefix of every hashed entry, which separates its digests from those of other data.
const DOMAIN: &[u8] = b"journal3";

impl JournalBody {
    /// Returns the digest of the salt and text.
    #[must_use]
    pub fn digest(&self) -> JournalDigest {
        let mut hasher = Blake2b256::new();
        hasher.update(self.salt);
        hasher.update(self.text.as_bytes());
        hasher.finalize().into()
    }
}

impl JournalEntry {
    /// Returns the digest of the entry, which is `previous` in the next one.
    ///
    /// It covers all fields, but the digest of the body instead of the body itself, so that it stays when the body is
    /// blanked.
    #[must_use]
    pub fn digest(&self) -> JournalDigest {
        // Hashing one buffer is faster than hashing field by field.
        let mut head = Vec::with_capacity(256);
        head.extend_from_slice(DOMAIN);
        head.extend_from_slice(&self.number.to_be_bytes());
        head.extend_from_slice(&self.part.to_be_bytes());
        head.extend_from_slice(&self.at.timestamp_millis().to_be_bytes());
        let subject = self.subject.columns();
        for text in [self.action.as_str(), subject.word, subject.kind, subject.id] {
            add(&mut head, Some(text));
        }
        let cause = &self.cause;
        let connection = cause.connection.as_ref().map(|id| id.as_str());
        for text in [connection, cause.actor.as_deref(), cause.request.as_deref()] {
            add(&mut head, text);
        }
        head.extend_from_slice(&self.body_digest);
        head.extend_from_slice(&self.previous);
        Blake2b256::digest(&head).into()
    }
}

/// Adds a text with its length, so that different lists of texts are different bytes. A short length is one byte, which
/// saves a block of the digest for most entries.
fn add(head: &mut Vec<u8>, text: Option<&str>) {
    let Some(text) = text else {
        head.push(u8::MAX);
        return;
    };
    match u8::try_from(text.len()) {
        Ok(length) if length < u8::MAX - 1 => head.push(length),
        _ => {
            head.push(u8::MAX - 1);
            let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
            head.extend_from_slice(&length.to_be_bytes());
        }
    }
    head.extend_from_slice(text.as_bytes());
}

/// The result of verifying a chain without a fault.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedChain {
    /// The number of parts that were blanked.
    pub blanked: u64,
    /// The number of parts of entries.
    pub entries: u64,
    /// The digest of the last part; zeros without entries. If it equals the digest of
    /// [`JournalPage::head`](super::JournalPage::head), no entry is missing at the end.
    pub last_digest: JournalDigest,
}

/// The first fault of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("journal entry {number}, part {part}: {fault}")]
#[non_exhaustive]
pub struct BrokenChain {
    /// The kind of fault.
    pub fault: ChainFault,
    /// The number of the entry.
    pub number: u64,
    /// The number of the part, from 0.
    pub part: u32,
}

/// The kind of fault in a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainFault {
    /// The details differ from the recorded ones.
    #[error("its details were altered")]
    Body,
    /// The entry does not follow the one before it.
    #[error("it is out of order")]
    Order,
    /// The digest of the entry before it differs: one of the two was altered, or an entry is missing.
    #[error("the entry before it was altered or is missing")]
    Previous,
}

/// A verifier of a chain, entry by entry, for journals that are read page by page.
#[derive(Debug, Clone, Default)]
pub struct ChainVerifier {
    chain: VerifiedChain,
    last: Option<JournalPosition>,
}

impl ChainVerifier {
    /// Creates a verifier that accepts any entry as the first one.
    #[must_use]
    pub fn new() -> Self {
        ChainVerifier::default()
    }

    /// Verifies the next entry.
    ///
    /// # Errors
    /// [`BrokenChain`]: the entry does not follow the one before it, or its body was altered.
    pub fn check(&mut self, entry: &JournalEntry) -> Result<(), BrokenChain> {
        let broken = |fault| BrokenChain {
            fault,
            number: entry.number,
            part: entry.part,
        };
        if let Some(last) = self.last {
            let next_part = last.part.checked_add(1);
            let is_next = if entry.number == last.number {
                Some(entry.part) == next_part
            } else {
                entry.number > last.number && entry.part == 0
            };
            if !is_next {
                return Err(broken(ChainFault::Order));
            }
            if entry.previous != self.chain.last_digest {
                return Err(broken(ChainFault::Previous));
            }
        }
        match &entry.body {
            None => self.chain.blanked = self.chain.blanked.saturating_add(1),
            Some(body) if body.digest() != entry.body_digest => {
                return Err(broken(ChainFault::Body));
            }
            Some(_) => {}
        }
        self.chain.entries = self.chain.entries.saturating_add(1);
        self.chain.last_digest = entry.digest();
        self.last = Some(entry.position());
        Ok(())
    }

    /// Returns the result so far.
    #[must_use]
    pub fn finish(self) -> VerifiedChain {
        self.chain
    }
}

/// Verifies consecutive entries of one tenant's journal, blanked ones included.
///
/// # Errors
/// [`BrokenChain`]: the first fault in the entries.
///
/// # Example
/// ```
/// use scimkit_store::{JournalEntry, verify};
///
/// let none: [JournalEntry; 0] = [];
/// assert_eq!(verify(&none).unwrap().entries, 0);
/// ```
pub fn verify<'e>(
    entries: impl IntoIterator<Item = &'e JournalEntry>,
) -> Result<VerifiedChain, BrokenChain> {
    let mut verifier = ChainVerifier::new();
    for entry in entries {
        verifier.check(entry)?;
    }
    Ok(verifier.finish())
}

#[cfg(test)]
mod tests {
    use super::{JournalBody, add};

    #[test]
    fn body_digest_equals_that_of_b2sum() {
        let body = JournalBody {
            salt: std::array::from_fn(|at| at as u8),
            text: r#"{"attributes":["active"]}"#.to_owned(),
        };
        let digest: String = body.digest().map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(
            digest,
            "0a02d37e236ee4337f4f8685e5db36520c784799472816d959c4a2ce66bcf76a"
        );
    }

    #[test]
    fn different_lists_of_texts_are_hashed_as_different_bytes() {
        let long = "a".repeat(300);
        let cut = |at| {
            let (first, second) = long.split_at(at);
            [Some(first), Some(second)]
        };
        let lists: [&[Option<&str>]; 8] = [
            &[None, Some("ab")],
            &[Some("ab"), None],
            &[Some(""), Some("ab")],
            &[Some("a"), Some("b")],
            &[Some(&long), Some("")],
            &cut(254),
            &cut(253),
            &cut(255),
        ];
        let heads: std::collections::BTreeSet<_> = lists
            .iter()
            .map(|texts| {
                let mut head = Vec::new();
                texts.iter().for_each(|text| add(&mut head, *text));
                head
            })
            .collect();
        assert_eq!(heads.len(), lists.len());
    }
}
