//! The options of a store.

use std::{num::NonZero, time::Duration};

/// The options of a store.
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
    /// The time to wait for another process that writes to the file. Default: 5 seconds.
    pub busy_timeout: Duration,
    /// The maximum number of waiting reads in each lane, and of waiting batches. Beyond it, requests are rejected
    /// as busy. Default: 1,024 each. The reads of one tenant fill at most half of a lane.
    pub queue: usize,
    /// The number of threads, each with its own connection, in each of two lanes: one for authentication and reads
    /// by id, one for queries. Default: one more than the number of processors, at least 3 and at most 8.
    ///
    /// A tenant uses at most all but one of a lane's threads at the same time (with a single thread, that one), and
    /// tenants take turns.
    pub readers: usize,
    /// The time without another process that uses a different schema, after which queries rebuild outdated lookup
    /// keys. Default: 5 minutes.
    ///
    /// With [`Duration::MAX`], only [`SqliteStore::reindex`](crate::SqliteStore::reindex) rebuilds them.
    pub reindex_after: Duration,
    /// The moment when a write counts as durable. Default: [`Synchronous::Full`].
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

/// The moment when a write counts as durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Synchronous {
    /// A write is durable once it is on the disk: an acknowledged write survives a power loss.
    #[default]
    Full,
    /// A write is durable once the operating system has received it: it survives a crash of the process, but a
    /// power loss may undo the last writes. No write is ever applied partially.
    Normal,
}
