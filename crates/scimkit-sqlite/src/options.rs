//! How a file is opened.

use std::{num::NonZero, time::Duration};

/// How a file is opened.
///
/// # Example
/// ```
/// use scimkit_sqlite::{SqliteOptions, Synchronous};
///
/// let mut options = SqliteOptions::default();
/// assert_eq!(options.synchronous, Synchronous::Full);
/// options.readers = 2;
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// How long to wait for another process that writes to the file: 5 seconds.
    pub busy_timeout: Duration,
    /// Reads that may wait in each lane, and batches that may wait; one more is rejected as busy: 1,024
    /// each. The reads of one tenant fill at most half of a lane.
    pub queue: usize,
    /// Threads, each with its own connection, in each of two lanes: one for sign-in and reads by id, one
    /// for queries. One more than there are processors, 3 to 8. A tenant uses all but one of them at the
    /// same time; those of several tenants take turns.
    pub readers: usize,
    /// For how long no other process may have served another schema before queries make outdated
    /// lookup keys anew: 5 minutes. [`Duration::MAX`] leaves it to
    /// [`SqliteStore::reindex`](crate::SqliteStore::reindex).
    pub reindex_after: Duration,
    /// When a write counts as durable: [`Synchronous::Full`].
    pub synchronous: Synchronous,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(2, NonZero::get);
        SqliteOptions {
            busy_timeout: Duration::from_secs(5),
            queue: 1_024,
            readers: processors.saturating_add(1).clamp(3, 8),
            reindex_after: Duration::from_secs(300),
            synchronous: Synchronous::Full,
        }
    }
}

/// When a write counts as durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Synchronous {
    /// Once it is on the disk: an acknowledged write outlives a loss of power.
    #[default]
    Full,
    /// Once the operating system has it: it outlives a crash of the process, but a loss of power may
    /// undo the last writes. Nothing is ever half done.
    Normal,
}
