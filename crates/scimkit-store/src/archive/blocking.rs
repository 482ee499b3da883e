//! Exports to a writer and imports from a reader, for an application that may block.

use std::{
    io::{self, ErrorKind, Read, Write},
    iter,
};

use bytes::Bytes;

use super::{Archive, ArchiveError, ArchiveOptions, RecordCounts, export, import};
use crate::{RequestContext, TenantId, next_item, stream_from};

/// The number of bytes of one read.
const CHUNK: usize = 64 << 10;

/// Writes the lines of an [`export`] to a writer, and returns it with the number of records.
///
/// The future blocks its thread while the writer blocks: use it if no other task needs the thread, such as in a
/// command.
///
/// # Errors
/// As for [`export`], and [`ArchiveError::Io`]. The lines that were written before an error lack the last one, `end`.
///
/// # Example
/// See the [module](crate::archive).
pub async fn export_to<W: Write>(
    archive: &dyn Archive,
    tenant: &TenantId,
    options: &ArchiveOptions,
    mut output: W,
) -> Result<(W, RecordCounts), ArchiveError> {
    let mut lines = export(archive, tenant, options);
    while let Some(line) = next_item(&mut lines).await {
        output.write_all(&line?)?;
    }
    output.flush()?;
    Ok((output, lines.counts()))
}

/// Imports a tenant from the lines of a reader, as [`import`] does from a stream.
///
/// The future blocks its thread while the reader blocks, as that of [`export_to`].
///
/// # Errors
/// As for [`import`].
///
/// # Example
/// See the [module](crate::archive).
pub async fn import_from<R: Read + Send>(
    archive: &dyn Archive,
    context: &RequestContext,
    options: &ArchiveOptions,
    mut input: R,
) -> Result<RecordCounts, ArchiveError> {
    let chunks = stream_from(iter::from_fn(move || chunk(&mut input).transpose()));
    import(archive, context, options, chunks).await
}

/// Returns the next bytes, or none at the end.
fn chunk(input: &mut impl Read) -> io::Result<Option<Bytes>> {
    let mut chunk = vec![0; CHUNK];
    loop {
        match input.read(&mut chunk) {
            Ok(length) => {
                chunk.truncate(length);
                return Ok((length > 0).then(|| chunk.into()));
            }
            Err(problem) if problem.kind() == ErrorKind::Interrupted => {}
            Err(problem) => return Err(problem),
        }
    }
}
