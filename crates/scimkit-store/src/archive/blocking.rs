//! Lines into a writer and out of a reader, for an application that may block.

use std::{
    io::{self, ErrorKind, Read, Write},
    iter,
};

use bytes::Bytes;

use super::{Archive, ArchiveError, ArchiveOptions, RecordCounts, export, import};
use crate::{RequestContext, TenantId, next_item, stream_from};

/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// Writes the lines of an [`export`] to a writer, and returns it with the number of records.
///
/// The future blocks its thread while the writer does: use it where no other task waits for that thread, such as in a
/// command.
///
/// # Errors
/// As for [`export`], and [`ArchiveError::Io`]. What was written before an error is incomplete: it lacks the last line.
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

/// Imports a tenant from the lines that a reader gives, as [`import`] does.
///
/// The future blocks its thread while the reader does, as that of [`export_to`].
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

/// The next bytes; none at the end.
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
