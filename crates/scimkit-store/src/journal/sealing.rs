//! Adds numbers, salts and digests to entries.

use blake2::{Blake2b256, Digest as _};
use chrono::{DateTime, SubsecRound as _, Utc};

use super::{
    JournalAction, JournalBody, JournalDigest, JournalEntry, JournalSubject, PartPrinter, Values,
};
use crate::{Cause, ResourceRef, Stamp};

/// The data that a store supplies for new entries of a journal.
#[derive(Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a store must supply both, so a new field must not compile unnoticed"
)]
pub struct JournalSeed {
    /// The digest of the tenant's last entry; zeros before the first.
    pub previous: JournalDigest,
    /// Random bytes from which the salts are derived. They must be new for each transaction, and must not be stored.
    pub random: [u8; 32],
}

impl std::fmt::Debug for JournalSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JournalSeed").finish_non_exhaustive()
    }
}

impl JournalSeed {
    fn salt(&self, number: u64, part: u32) -> [u8; 16] {
        let mut bytes = [0; 44];
        let (random, place) = bytes.split_at_mut(32);
        random.copy_from_slice(&self.random);
        let (first, second) = place.split_at_mut(8);
        first.copy_from_slice(&number.to_be_bytes());
        second.copy_from_slice(&part.to_be_bytes());
        let digest: JournalDigest = Blake2b256::digest(bytes).into();
        let mut salt = [0; 16];
        let (start, _) = digest.split_at(16);
        salt.copy_from_slice(start);
        salt
    }
}

/// The end of a tenant's journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the columns of a tenant's journal"
)]
pub struct ChainHead {
    /// The digest of the last entry; zeros before the first.
    pub digest: JournalDigest,
    /// The number of the tenant's last change, recorded or not.
    pub number: u64,
}

/// The rows and numbers that a store adds to a tenant's journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a store must store all fields, so a new one must not compile unnoticed"
)]
pub struct JournalRows {
    /// The number of the last change that was not recorded, after which the journal is complete; none if all changes
    /// were recorded.
    pub complete_after: Option<u64>,
    /// The new entries, in order.
    pub entries: Vec<JournalEntry>,
    /// The digest of the last new entry; none without entries.
    pub last_digest: Option<JournalDigest>,
}

/// An entry with all its parts, without salts and digests.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) action: JournalAction,
    pub(crate) at: DateTime<Utc>,
    pub(crate) cause: Cause,
    pub(crate) number: u64,
    pub(crate) subject: JournalSubject,
    /// The text of each part.
    pub(crate) texts: Vec<String>,
}

/// Turns drafts into entries. Drafts with the same number become parts of one entry. All changes after `complete_after`
/// are recorded.
pub(crate) fn seal(
    seed: JournalSeed,
    drafts: Vec<Draft>,
    complete_after: Option<u64>,
) -> JournalRows {
    let mut entries: Vec<JournalEntry> = Vec::with_capacity(drafts.len());
    let mut previous = seed.previous;
    let mut next = (0, 0);
    for draft in drafts {
        for text in draft.texts {
            let part: u32 = match next {
                (number, part) if number == draft.number => part,
                _ => 0,
            };
            next = (draft.number, part.saturating_add(1));
            let salt = seed.salt(draft.number, part);
            let body = JournalBody { salt, text };
            let entry = JournalEntry {
                action: draft.action,
                at: draft.at,
                body_digest: body.digest(),
                body: Some(body),
                cause: draft.cause.clone(),
                number: draft.number,
                part,
                previous,
                subject: draft.subject.clone(),
            };
            previous = entry.digest();
            entries.push(entry);
        }
    }
    JournalRows {
        complete_after,
        last_digest: (!entries.is_empty()).then_some(previous),
        entries,
    }
}

/// A change of a tenant, a connection or a token.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectoryChange {
    /// The kind of change.
    pub action: JournalAction,
    /// The names of the changed fields.
    pub fields: Vec<&'static str>,
    /// The resources that lost their owner, as pairs of type name and id.
    pub released: Vec<ResourceRef>,
    /// The tenant, connection or token that was changed.
    pub subject: JournalSubject,
    /// The ids of the tokens that were removed with the connection.
    pub tokens: Vec<String>,
}

impl DirectoryChange {
    /// Creates a change that releases no resources and removes no tokens.
    #[must_use]
    pub fn new(subject: JournalSubject, action: JournalAction) -> Self {
        DirectoryChange {
            action,
            fields: Vec::new(),
            released: Vec::new(),
            subject,
            tokens: Vec::new(),
        }
    }

    /// Sets the names of the changed fields.
    #[must_use]
    pub fn with_fields(mut self, fields: Vec<&'static str>) -> Self {
        self.fields = fields;
        self
    }

    /// Sets the resources that lose their owner.
    #[must_use]
    pub fn with_released(mut self, released: Vec<ResourceRef>) -> Self {
        self.released = released;
        self
    }

    /// Sets the ids of the tokens that are removed with the connection.
    #[must_use]
    pub fn with_tokens(mut self, tokens: Vec<String>) -> Self {
        self.tokens = tokens;
        self
    }

    fn drafts(self, number: u64, at: DateTime<Utc>, cause: &Cause) -> Vec<Draft> {
        let draft = |action, subject, printer: PartPrinter| Draft {
            action,
            at,
            cause: cause.clone(),
            number,
            subject,
            texts: printer.finish(),
        };
        let subject = self.subject.clone();
        let mut fields = PartPrinter::new(Values::Omit);
        for name in self.fields {
            fields.attribute((name, name), false, (None, None));
        }
        let mut drafts = vec![draft(self.action, self.subject, fields)];
        for id in self.tokens {
            let subject = JournalSubject::Token(id);
            let action = JournalAction::Deleted;
            drafts.push(draft(action, subject, PartPrinter::new(Values::Omit)));
        }
        if !self.released.is_empty() {
            let mut printer = PartPrinter::new(Values::Omit);
            for ResourceRef { kind, id } in &self.released {
                printer.released(kind, id);
            }
            drafts.push(draft(JournalAction::Released, subject, printer));
        }
        drafts
    }
}

/// Returns the entries for changes of one tenant, its connections and their tokens, with the numbers from `last` + 1
/// on.
///
/// These changes are recorded at every [level](super::JournalLevel), without values.
#[must_use]
pub fn seal_directory_changes(
    seed: JournalSeed,
    last: u64,
    stamp: &Stamp,
    changes: Vec<DirectoryChange>,
) -> JournalRows {
    let at = stamp.at.trunc_subsecs(3);
    let numbered = (last.saturating_add(1)..).zip(changes);
    let drafts = numbered.flat_map(|(number, change)| change.drafts(number, at, &stamp.cause));
    seal(seed, drafts.collect(), None)
}
