//! Reads records from bytes that arrive in chunks.

use std::{
    io::{self, ErrorKind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;

use super::{
    ArchiveError, ArchiveLimits, ArchiveOptions, ArchiveRecord, NumberedRecord, RecordCounts,
    TokenExport,
    parse::{self, Line},
};
use crate::TenantId;

/// The number of chunks and of lines without a record after which other tasks run.
const TOGETHER: u32 = 64;

/// The records of lines that arrive in chunks of any size. It buffers at most one line and one chunk.
pub(super) struct LineReader<S> {
    /// The rest of the last chunk.
    chunk: Bytes,
    /// The number of records in all lines, to compare with the `end` line.
    counts: RecordCounts,
    input: Pin<Box<S>>,
    is_at_end: bool,
    limits: ArchiveLimits,
    /// The number of complete lines that were read.
    lines: u64,
    /// The beginning of a line that did not end with its chunk.
    part: Vec<u8>,
    /// The number of records that were returned.
    handed: RecordCounts,
    stage: Stage,
    tenant: Option<TenantId>,
    tokens: TokenExport,
}

/// The kind of the last line. Lines are in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Start,
    Connections,
    Tokens,
    Resources,
    Deleted,
    /// The last line was read.
    End,
    /// The input ended, or there was an error.
    Over,
}

impl Stage {
    fn of(record: &ArchiveRecord) -> Self {
        match record {
            ArchiveRecord::Connection(_) => Stage::Connections,
            ArchiveRecord::Edges(_) | ArchiveRecord::Resource(_) => Stage::Resources,
            ArchiveRecord::Deleted(_) => Stage::Deleted,
            ArchiveRecord::Start(_) => Stage::Start,
            ArchiveRecord::Token(_) => Stage::Tokens,
        }
    }
}

/// The result of reading one line or chunk.
enum Step {
    Ended,
    Handed(NumberedRecord),
    More,
}

impl<S: Stream<Item = io::Result<Bytes>>> LineReader<S> {
    pub(super) fn new(input: S, options: &ArchiveOptions) -> Self {
        LineReader {
            chunk: Bytes::new(),
            counts: RecordCounts::default(),
            handed: RecordCounts::default(),
            input: Box::pin(input),
            is_at_end: false,
            limits: options.limits,
            lines: 0,
            part: Vec::new(),
            stage: Stage::Start,
            tenant: None,
            tokens: options.tokens,
        }
    }

    /// Returns the number of records that were returned.
    pub(super) fn handed(&self) -> RecordCounts {
        self.handed
    }

    /// Returns an error of the current line.
    fn wrong(&self, problem: impl Into<String>) -> ArchiveError {
        ArchiveError::line(self.lines + 1, problem)
    }

    /// Reads the next line if it is complete, otherwise the next chunk.
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Result<Step, ArchiveError>> {
        if self.stage == Stage::End {
            if !self.chunk.is_empty() {
                return Poll::Ready(Err(self.wrong("unexpected text after the `end` line")));
            }
            if self.is_at_end {
                return Poll::Ready(Ok(Step::Ended));
            }
        } else if let Some(text) = self.text()? {
            let step = self.step(&text)?;
            self.lines += 1;
            return Poll::Ready(Ok(step));
        } else if self.is_at_end {
            return Poll::Ready(Err(self.wrong("the `end` line is missing")));
        }
        match ready!(self.input.as_mut().poll_next(cx)) {
            None => self.is_at_end = true,
            Some(Ok(chunk)) => self.chunk = chunk,
            Some(Err(problem)) if problem.kind() == ErrorKind::InvalidData => {
                return Poll::Ready(Err(self.wrong(problem.to_string())));
            }
            Some(Err(problem)) => return Poll::Ready(Err(problem.into())),
        }
        Poll::Ready(Ok(Step::More))
    }

    /// Returns the next line with its line break, if it is complete.
    fn text(&mut self) -> Result<Option<Bytes>, ArchiveError> {
        let end = self.chunk.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(self.chunk.len(), |end| end + 1);
        let most = self.limits.line;
        if length > most.saturating_sub(self.part.len()) {
            return Err(self.wrong(format!("the line has more than {most} bytes")));
        }
        let bytes = self.chunk.split_to(length);
        if end.is_some() && self.part.is_empty() {
            return Ok(Some(bytes));
        }
        self.part.extend_from_slice(&bytes);
        let is_line = end.is_some() || self.is_at_end && !self.part.is_empty();
        Ok(is_line.then(|| std::mem::take(&mut self.part).into()))
    }

    /// Parses a line, and checks its place.
    fn step(&mut self, text: &[u8]) -> Result<Step, ArchiveError> {
        let line = parse::line(text, self.tenant.as_ref(), &self.limits);
        let record = match line.map_err(|problem| self.wrong(problem))? {
            Line::End(told) => {
                self.check_end(told)?;
                self.stage = Stage::End;
                return Ok(Step::More);
            }
            Line::Record(record) => record,
        };
        let stage = Stage::of(&record);
        if stage < self.stage {
            return Err(self.wrong("the line is out of order"));
        }
        self.stage = stage;
        self.counts.add(&record);
        if let ArchiveRecord::Start(start) = &record {
            self.tenant = Some(start.tenant.clone());
        }
        if self.tokens == TokenExport::Leave && stage == Stage::Tokens {
            return Ok(Step::More);
        }
        self.handed.add(&record);
        let line = self.lines + 1;
        Ok(Step::Handed(NumberedRecord { line, record }))
    }

    fn check_end(&self, told: RecordCounts) -> Result<(), ArchiveError> {
        for ((name, told), (_, found)) in told.named().into_iter().zip(self.counts.named()) {
            if told != found {
                let problem = format!("found {found} {name}, but the `end` line has {told}");
                return Err(self.wrong(problem));
            }
        }
        Ok(())
    }
}

impl<S: Stream<Item = io::Result<Bytes>>> Stream for LineReader<S> {
    type Item = Result<NumberedRecord, ArchiveError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.stage == Stage::Over {
            return Poll::Ready(None);
        }
        for _ in 0..TOGETHER {
            let item = match ready!(this.poll_step(cx)) {
                Ok(Step::More) => continue,
                Ok(Step::Handed(record)) => return Poll::Ready(Some(Ok(record))),
                Ok(Step::Ended) => None,
                Err(problem) => Some(Err(problem)),
            };
            this.stage = Stage::Over;
            return Poll::Ready(item);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
