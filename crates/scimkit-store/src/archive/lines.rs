//! A tenant as lines of JSON.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;

use super::{Archive, ArchiveError, ArchiveRecord, RecordStream, print, reader::LineReader};
use crate::{RequestContext, TenantId};

/// The format of the lines, which the first one tells.
pub const FORMAT: u64 = 1;

/// What goes into the lines, and what is taken out of them.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ArchiveOptions {
    /// The bounds of what is read.
    pub limits: ArchiveLimits,
    /// What becomes of tokens.
    pub tokens: TokenExport,
}

/// What becomes of a tenant's tokens, of which only digests are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenExport {
    /// They go along, so that they open the copy as well.
    #[default]
    Keep,
    /// They stay behind.
    Leave,
}

/// The bounds of lines that are read.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ArchiveLimits {
    /// Bytes of a line: 16 MiB.
    pub line: usize,
    /// Levels of arrays and objects in a line: 24.
    pub nesting: usize,
    /// JSON values of a line: 400,000.
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

/// How many records of each kind there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordCounts {
    /// Connections.
    pub connections: u64,
    /// Members, each as often as it is one.
    pub members: u64,
    /// Resources.
    pub resources: u64,
    /// Resources that were deleted and can be brought back.
    pub deleted: u64,
    /// Tokens.
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

/// Exports a tenant as lines of JSON: a stream of lines, each with its end.
///
/// - Each line is an object with one member that says what it is: `tenant` is the first, then come
///   `connection`, `token`, `resource`, `edges` (up to [`TARGETS`](super::TARGETS) members of the
///   resource before) and `deleted`. The last is `end`, with [`RecordCounts`].
/// - Documents are the text that the store keeps. Instants are in milliseconds, as clients see them.
/// - It holds personal data, and the digests of tokens unless those are left out.
/// - Lines are made as they are taken, and nothing is done before the first one is. A stream that is dropped ends the export.
///
/// # Errors
/// An item is an error as for [`Archive::export_records`]; it is the last item, and the line `end` is missing then.
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
    /// Returns the number of records so far: of all, once the stream has ended.
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

/// Imports a tenant from the lines of an [`export`], which may arrive in chunks of any size: all of it, or nothing.
///
/// The tenant is that of the scope, whatever it was called. The input is read no faster than the store takes the records;
/// a future that is dropped leaves what [`Archive::import_records`] says.
///
/// # Errors
/// As for [`Archive::import_records`]; [`ArchiveError::Io`] for an error of the input; [`ArchiveError::Line`] also for a
/// line that is too long, nested too deeply or no record, for lines in another order than [`export`] gives them, and for
/// ones that are missing at the end.
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
/// assert_eq!(problem, "line 1: the format is 2, and not 1");
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
