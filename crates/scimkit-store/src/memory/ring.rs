//! The journal of a tenant, as a bounded ring.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    hash::{BuildHasher as _, RandomState},
    ops::Bound,
    sync::Arc,
};

use chrono::{DateTime, Utc};
use scimkit_registry::ResourceId;

use crate::{
    ChainHead, ConsumerRow, DeadLetter, JournalAction, JournalBody, JournalDigest, JournalEntry,
    JournalPage, JournalPosition, JournalQuery, JournalRead, JournalStart, JournalSubject, Lease,
    LeaseAnswer, LeaseDecision, LeaseRequest, StoreError,
    journal::{JournalRows, JournalSeed},
};

/// The maximum number of parts in a tenant's ring.
const PARTS: usize = 4_000;
/// The maximum length of their details in bytes.
const BYTES: usize = 8 << 20;

/// A part of an entry. It shares equal values with the part before it.
#[derive(Debug)]
struct Kept {
    body: Option<KeptBody>,
    /// The part without its body.
    entry: JournalEntry,
}

#[derive(Debug)]
struct KeptBody {
    salt: [u8; 16],
    text: Arc<str>,
}

impl Kept {
    fn new(mut entry: JournalEntry, last: Option<&Kept>) -> Self {
        let body = entry.body.take();
        if let Some(last) = last {
            let (cause, known) = (&mut entry.cause, &last.entry.cause);
            if cause.connection == known.connection {
                cause.connection.clone_from(&known.connection);
            }
            if cause.actor == known.actor {
                cause.actor.clone_from(&known.actor);
            }
            if let JournalSubject::Resource { kind, .. } = &mut entry.subject
                && let JournalSubject::Resource { kind: known, .. } = &last.entry.subject
                && kind == known
            {
                kind.clone_from(known);
            }
        }
        let known = last.and_then(|last| last.body.as_ref());
        let body = body.map(|body| KeptBody {
            salt: body.salt,
            text: match known {
                Some(known) if *known.text == *body.text => Arc::clone(&known.text),
                _ => body.text.into(),
            },
        });
        Kept { body, entry }
    }

    fn entry(&self) -> JournalEntry {
        let body = self.body.as_ref().map(|body| JournalBody {
            salt: body.salt,
            text: body.text.to_string(),
        });
        JournalEntry {
            body,
            ..self.entry.clone()
        }
    }

    fn text_len(&self) -> usize {
        self.body.as_ref().map_or(0, |body| body.text.len())
    }
}

/// The last entries of a tenant's journal, and its consumers.
#[derive(Debug, Default)]
pub(super) struct Ring {
    // INVARIANT: `bytes` is the length of all texts; the ring has all parts of an entry, or none.
    bytes: usize,
    /// The number of the last change that is not in the ring. The ring is complete after it.
    complete_after: u64,
    consumers: BTreeMap<String, ConsumerRow>,
    // INVARIANT: at most `PARTS`.
    dead_letters: BTreeMap<(String, JournalPosition), DeadLetter>,
    entries: VecDeque<Kept>,
    last_digest: JournalDigest,
}

impl Ring {
    /// Marks the changes up to that number, such as those of an import, as not recorded.
    pub(super) fn skip(&mut self, number: u64) {
        self.complete_after = number;
    }

    pub(super) fn seed(&self) -> JournalSeed {
        JournalSeed {
            previous: self.last_digest,
            random: random(),
        }
    }

    /// Adds entries and removes the oldest ones beyond the limits.
    pub(super) fn add(&mut self, rows: JournalRows) {
        let JournalRows {
            complete_after,
            entries,
            last_digest,
        } = rows;
        self.complete_after = self.complete_after.max(complete_after.unwrap_or(0));
        self.last_digest = last_digest.unwrap_or(self.last_digest);
        for entry in entries {
            let kept = Kept::new(entry, self.entries.back());
            self.bytes = self.bytes.saturating_add(kept.text_len());
            self.entries.push_back(kept);
        }
        while self.entries.len() > PARTS || self.bytes > BYTES {
            self.remove_first();
        }
    }

    /// Removes the oldest entry, and returns the number of its parts.
    fn remove_first(&mut self) -> u64 {
        let Some(number) = self.entries.front().map(|kept| kept.entry.number) else {
            return 0;
        };
        let mut parts = 0;
        while self
            .entries
            .front()
            .is_some_and(|kept| kept.entry.number == number)
        {
            let bytes = self.entries.pop_front().map_or(0, |kept| kept.text_len());
            self.bytes = self.bytes.saturating_sub(bytes);
            parts += 1;
        }
        self.complete_after = self.complete_after.max(number);
        parts
    }

    pub(super) fn trim(&mut self, before: DateTime<Utc>) -> u64 {
        let mut parts: u64 = 0;
        while self
            .entries
            .front()
            .is_some_and(|kept| kept.entry.at < before)
        {
            parts = parts.saturating_add(self.remove_first());
        }
        parts
    }

    /// Returns the resources that were permanently deleted before the time `before`.
    pub(super) fn deleted(&self, before: DateTime<Utc>) -> impl Iterator<Item = &ResourceId> {
        let entries = self.entries.iter().map(|kept| &kept.entry);
        let deleted = entries
            .filter(move |entry| entry.action == JournalAction::Deleted && entry.at < before);
        deleted.filter_map(|entry| match &entry.subject {
            JournalSubject::Resource { id, .. } => Some(id),
            _ => None,
        })
    }

    /// Blanks the details of all entries about these resources.
    pub(super) fn blank(&mut self, purged: &BTreeSet<ResourceId>) {
        for kept in &mut self.entries {
            if matches!(&kept.entry.subject, JournalSubject::Resource { id, .. } if purged.contains(id))
            {
                self.bytes = self.bytes.saturating_sub(kept.text_len());
                kept.body = None;
            }
        }
    }

    pub(super) fn read(&self, query: &JournalQuery, last: u64) -> JournalRead {
        let head = ChainHead {
            digest: self.last_digest,
            number: last,
        };
        let first = |is_before: &dyn Fn(&JournalEntry) -> bool| {
            self.entries.partition_point(|kept| is_before(&kept.entry))
        };
        let entries: Box<dyn Iterator<Item = &Kept>> = match query.start {
            JournalStart::After(position) => {
                if position.number < self.complete_after {
                    return JournalRead::Resync { to: last };
                }
                let first = first(&|entry| entry.position() <= position);
                Box::new(self.entries.range(first..))
            }
            JournalStart::Before(position) => {
                let end = first(&|entry| entry.position() < position);
                Box::new(self.entries.range(..end).rev())
            }
            JournalStart::Oldest => Box::new(self.entries.iter()),
        };
        let mut page = JournalPage::new(head, self.complete_after);
        let mut bytes: usize = 0;
        for kept in entries.filter(|kept| query.filter.matches(&kept.entry)) {
            bytes = bytes.saturating_add(kept.text_len());
            let is_full = page.entries.len() >= query.page_size()
                || (bytes > JournalQuery::MAX_BYTES && !page.entries.is_empty());
            if is_full {
                page.has_more = true;
                break;
            }
            page.entries.push(kept.entry());
        }
        JournalRead::Page(page)
    }

    pub(super) fn lease(&mut self, request: &LeaseRequest, last: u64) -> LeaseAnswer {
        let known = self.consumers.get(&request.consumer);
        let known = known.cloned().unwrap_or_default();
        let LeaseDecision { answer, row } = known.decide_lease(request, self.complete_after, last);
        if let Some(row) = row {
            self.consumers.insert(request.consumer.clone(), row);
        }
        answer
    }

    pub(super) fn advance(
        &mut self,
        lease: &Lease,
        (to, last): (u64, u64),
    ) -> Result<(), StoreError> {
        let consumer = self.consumers.get_mut(&lease.consumer);
        let consumer = consumer.ok_or(StoreError::LeaseLost)?;
        consumer.cursor = consumer.decide_advance(lease.fence, to, last)?;
        Ok(())
    }

    /// Adds a dead letter, and removes the first one of the first consumer beyond the limit.
    pub(super) fn put_dead_letter(&mut self, letter: DeadLetter) {
        let key = (letter.consumer.clone(), letter.position);
        self.dead_letters.insert(key, letter);
        if self.dead_letters.len() > PARTS {
            self.dead_letters.pop_first();
        }
    }

    pub(super) fn remove_dead_letter(&mut self, consumer: &str, position: JournalPosition) {
        self.dead_letters.remove(&(consumer.to_owned(), position));
    }

    pub(super) fn has_dead_letters(&self) -> bool {
        !self.dead_letters.is_empty()
    }

    pub(super) fn dead_letters(
        &self,
        consumer: &str,
        after: JournalPosition,
    ) -> impl Iterator<Item = &DeadLetter> {
        let start = (consumer.to_owned(), after);
        let range = (Bound::Excluded(start), Bound::Unbounded);
        let letters = self.dead_letters.range(range).map(|(_, letter)| letter);
        letters.take_while(move |letter| letter.consumer == consumer)
    }

    pub(super) fn is_behind(&self, consumer: &str, last: u64) -> bool {
        let consumer = self.consumers.get(consumer);
        consumer.map_or(0, |consumer| consumer.cursor) < last
    }
}

/// Returns unpredictable bytes: hashes with random keys of the standard library.
fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    for piece in bytes.chunks_mut(8) {
        let hash = RandomState::new().hash_one(0_u8);
        piece.copy_from_slice(&hash.to_ne_bytes());
    }
    bytes
}
