//! Exports and imports a tenant as lines of JSON.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;

use super::{Archive, ArchiveError, ArchiveRecord, RecordStream, print, reader::LineReader};
use crate::{RequestContext, TenantId};

/// The version of the format, which the first line contains.
pub const FORMAT: u64 = 1;

/// The options of an export or import as lines.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ArchiveOptions {
    /// The limits of an import.
    pub limits: ArchiveLimits,
    /// Whether tokens are included.
    pub tokens: TokenExport,
}

/// The choice between including and omitting a tenant's tokens, of which only digests are stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenExport {
    /// Tokens are included, so that they are valid for the imported tenant, too.
    #[default]
    Keep,
    /// Tokens are omitted.
    Leave,
}

/// The limits on the lines of an import.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ArchiveLimits {
    /// The maximum number of bytes in a line, by default 16 MiB.
    pub line: usize,
    /// The maximum depth of arrays and objects in a line, by default 24.
    pub nesting: usize,
    /// The maximum number of JSON values in a line, by default 400,000.
    pub values: usize,
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        ArchiveLimits {
            line: 16 << 20,
            nesting: 24,
            values: 400_000,
        }
    }
}

/// The number of records of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordCounts {
    /// The number of connections.
    pub connections: u64,
    /// The number of memberships.
    pub members: u64,
    /// The number of resources.
    pub resources: u64,
    /// The number of soft-deleted resources.
    pub deleted: u64,
    /// The number of tokens.
    pub tokens: u64,
}

impl RecordCounts {
    pub(super) fn named(&self) -> [(&'static str, u64); 5] {
        [
            ("connections", self.connections),
            ("tokens", self.tokens),
            ("resources", self.resources),
            ("members", self.members),
            ("retired", self.deleted),
        ]
    }

    pub(super) fn named_mut(&mut self) -> [(&'static str, &mut u64); 5] {
        [
            ("connections", &mut self.connections),
            ("tokens", &mut self.tokens),
            ("resources", &mut self.resources),
            ("members", &mut self.members),
            ("retired", &mut self.deleted),
        ]
    }

    pub(super) fn add(&mut self, record: &ArchiveRecord) {
        match record {
            ArchiveRecord::Connection(_) => self.connections += 1,
            ArchiveRecord::Edges(edges) => self.members += edges.targets.len() as u64,
            ArchiveRecord::Resource(_) => self.resources += 1,
            ArchiveRecord::Deleted(_) => self.deleted += 1,
            ArchiveRecord::Start(_) => {}
            ArchiveRecord::Token(_) => self.tokens += 1,
        }
    }
}

/// Exports a tenant as a stream of JSON lines, each with its line break.
///
/// - Each line is an object with one member, whose name is the kind of the record: first `tenant`, then `connection`,
///   `token`, `resource`, `edges` (up to [`TARGETS`](super::TARGETS) members of the resource before) and `deleted`. The
///   last is `end`, with [`RecordCounts`].
/// - Documents are the text that the store has, on one line. Times are in milliseconds, as in responses.
/// - The lines contain personal data, and the digests of tokens unless the options omit tokens.
/// - The export starts with the first poll, and prints each line when it is polled. Dropping the stream ends it.
///
/// # Errors
/// The last item may be an error as for [`Archive::export_records`]. The line `end` is missing then.
///
/// # Example
/// ```
/// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
/// # fn now<T>(future: impl Future<Output = T>) -> T {
/// #     let mut future = pin!(future);
/// #     loop {
/// #         if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
/// #             return value;
/// #         }
/// #     }
/// # }
/// use scimkit_store::{MemoryStore, TenantId, archive, next_item};
///
/// let (store, nobody) = (MemoryStore::new(), TenantId::from("nobody"));
/// let mut lines = archive::export(&store, &nobody, &archive::ArchiveOptions::default());
/// assert!(matches!(now(next_item(&mut lines)), Some(Err(_))));
/// assert!(now(next_item(&mut lines)).is_none());
/// ```
pub fn export<'a>(
    archive: &'a dyn Archive,
    tenant: &'a TenantId,
    options: &ArchiveOptions,
) -> ExportLines<'a> {
    ExportLines {
        counts: RecordCounts::default(),
        is_over: false,
        records: archive.export_records(tenant),
        tokens: options.tokens,
    }
}

/// The lines of an [`export`].
pub struct ExportLines<'a> {
    counts: RecordCounts,
    is_over: bool,
    records: RecordStream<'a>,
    tokens: TokenExport,
}

impl ExportLines<'_> {
    /// Returns the number of records so far; after the end of the stream, of all records.
    #[must_use]
    pub fn counts(&self) -> RecordCounts {
        self.counts
    }
}

impl fmt::Debug for ExportLines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ExportLines").field(&self.counts).finish()
    }
}

impl Stream for ExportLines<'_> {
    type Item = Result<Bytes, ArchiveError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        while !this.is_over {
            let line = match ready!(this.records.as_mut().poll_next(cx)) {
                Some(Ok(ArchiveRecord::Token(_))) if this.tokens == TokenExport::Leave => continue,
                Some(Ok(record)) => {
                    this.counts.add(&record);
                    print::line(&record).map_err(ArchiveError::Store)
                }
                Some(Err(problem)) => Err(problem),
                None => {
                    this.is_over = true;
                    Ok(print::end(&this.counts))
                }
            };
            this.is_over |= line.is_err();
            return Poll::Ready(Some(line.map(Bytes::from)));
        }
        Poll::Ready(None)
    }
}

/// Imports all records of a tenant, or none, from the lines of an [`export`].
///
/// The lines may arrive in chunks of any size. The records become those of the scope's tenant, which may have another
/// id. The input is read no faster than the store takes the records. [`Archive::import_records`] describes the
/// effect of a dropped future.
///
/// # Errors
/// - the errors of [`Archive::import_records`]
/// - [`ArchiveError::Io`]: the input failed
/// - [`ArchiveError::Line`], also for a line that exceeds a limit, is not a record or is out of order, and if the `end`
///   line is missing
///
/// # Example
/// ```
/// # use std::{future::Future, pin::pin, sync::Arc, task::{Context, Poll, Waker}};
/// # fn now<T>(future: impl Future<Output = T>) -> T {
/// #     let mut future = pin!(future);
/// #     loop {
/// #         if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
/// #             return value;
/// #         }
/// #     }
/// # }
/// use scimkit_store::{MemoryStore, RequestContext, Settings, TenantId, archive, stream_from};
///
/// let context = RequestContext::new(TenantId::from("acme"), Arc::new(Settings::new("https://example.com/scim/v2")));
/// let chunks = stream_from([Ok("{\"tenant\":{\"form".into()), Ok("at\":2}}\n".into())]);
/// let (store, options) = (MemoryStore::new(), archive::ArchiveOptions::default());
/// let imported = now(archive::import(&store, &context, &options, chunks));
/// let problem = imported.unwrap_err().to_string();
/// assert_eq!(problem, "line 1: unsupported format 2: expected 1");
/// ```
pub async fn import<S: Stream<Item = io::Result<Bytes>> + Send>(
    archive: &dyn Archive,
    context: &RequestContext,
    options: &ArchiveOptions,
    input: S,
) -> Result<RecordCounts, ArchiveError> {
    let mut reader = LineReader::new(input, options);
    archive
        .import_records(context, Box::pin(&mut reader))
        .await?;
    Ok(reader.handed())
}
