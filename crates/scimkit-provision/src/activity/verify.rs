//! Verifies the journal of a tenant from its first entry to its last one.

use scimkit_store::{
    BrokenChain, ChainVerifier, Journal, JournalDigest, JournalEntry, JournalPosition,
    JournalQuery, JournalStart, StoreError, TenantId,
};

/// The number of parts of entries that are read at once.
const PARTS: u32 = 1_000;

/// The result of verifying a journal without a fault.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedJournal {
    /// The number of parts whose details were blanked.
    pub blanked: u64,
    /// The number of parts of entries.
    pub entries: u64,
    /// The number of the first entry that is still in the journal; none without entries.
    pub first: Option<u64>,
    /// The number of the tenant's last change.
    pub last: u64,
    /// The digest of the last entry; zeros before the first one.
    pub last_digest: JournalDigest,
}

/// The reason why a journal can't be verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// An entry was altered, moved or removed.
    #[error(transparent)]
    Broken(#[from] BrokenChain),
    /// Entries are missing at the start or the end of the journal.
    #[error("the journal has no entry after number {after}, and should have")]
    Missing {
        /// The number of the change after which entries are missing.
        after: u64,
    },
    /// The store failed.
    #[error("the journal can't be read")]
    Store(#[from] StoreError),
    /// No entry has the expected digest: it was trimmed, or the journal was rewritten as a whole.
    #[error("no entry of the journal has the expected digest")]
    UnknownDigest,
}

/// Verifies that no entry of a journal was altered, moved or removed, except by trimming. Blanked entries are valid.
///
/// `known` is the digest of the last entry at an earlier time. It must be that of an entry, so that a journal that was
/// rewritten as a whole is found as well. Changes during the call are not part of the result.
///
/// # Errors
/// [`VerifyError`]: the first fault.
pub async fn verify_journal(
    store: &dyn Journal,
    tenant: &TenantId,
    known: Option<JournalDigest>,
) -> Result<VerifiedJournal, VerifyError> {
    let mut verified = VerifiedJournal::default();
    let mut is_known = known.is_none();
    // The first entry of the page before, which follows those of this one.
    let mut next: Option<JournalEntry> = None;
    let mut start = JournalPosition::end_of(u64::MAX);
    loop {
        let query = JournalQuery::from(JournalStart::Before(start)).with_limit(PARTS);
        let page = store.entries(tenant, &query).await?.page();
        let page = page.unwrap_or_default();
        let mut verifier = ChainVerifier::new();
        for entry in page.entries.iter().rev() {
            verifier.check(entry)?;
            is_known |= known == Some(entry.digest());
        }
        let chain = verifier.clone().finish();
        verified.blanked = verified.blanked.saturating_add(chain.blanked);
        verified.entries = verified.entries.saturating_add(chain.entries);
        match &next {
            Some(next) => verifier.check(next)?,
            None => {
                let head = page.head;
                (verified.last, verified.last_digest) = (head.number, head.digest);
                // All entries may be trimmed, and the digest of the last one is still known.
                is_known |= known == Some(head.digest);
                if chain.entries > 0 && chain.last_digest != head.digest {
                    let after = page.entries.first().map_or(0, |last| last.number);
                    return Err(VerifyError::Missing { after });
                }
            }
        }
        if let Some(end) = page.end() {
            start = end;
        }
        let has_more = page.has_more;
        let complete_after = page.complete_after;
        next = page.entries.into_iter().next_back().or(next);
        if has_more {
            continue;
        }
        let first = next
            .as_ref()
            .map_or(verified.last.saturating_add(1), |first| first.number);
        let has_start = next.as_ref().is_none_or(|first| first.part == 0);
        if first > complete_after && (first > complete_after.saturating_add(1) || !has_start) {
            let after = complete_after;
            return Err(VerifyError::Missing { after });
        }
        if !is_known {
            return Err(VerifyError::UnknownDigest);
        }
        verified.first = next.map(|first| first.number);
        return Ok(verified);
    }
}
