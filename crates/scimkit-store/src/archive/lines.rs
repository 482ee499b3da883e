//! A tenant as lines of JSON.

use std::{
    io::{BufRead, ErrorKind, Read, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Archive, ArchiveError, Record, Sink, Source, parse, print};
use crate::{Scope, TenantId};

/// The format of the lines, which the first one tells.
pub const FORMAT: u64 = 1;

/// What goes into the lines, and what is taken out of them.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Options {
    /// The bounds of what is read.
    pub limits: Limits,
    /// What becomes of tokens.
    pub tokens: Tokens,
}

/// What becomes of a tenant's tokens, of which only digests are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tokens {
    /// They go along, so that they open the copy as well.
    #[default]
    Keep,
    /// They stay behind.
    Leave,
}

/// The bounds of lines that are read.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a line: 16 MiB.
    pub line: usize,
    /// Levels of arrays and objects in a line: 24.
    pub nesting: usize,
    /// JSON values of a line: 400,000.
    pub values: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            line: 16 << 20,
            nesting: 24,
            values: 400_000,
        }
    }
}

/// How many records of each kind there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Connections.
    pub connections: u64,
    /// Members, each as often as it is one.
    pub members: u64,
    /// Resources.
    pub resources: u64,
    /// Resources that were deleted and can be brought back.
    pub retired: u64,
    /// Tokens.
    pub tokens: u64,
}

impl Counts {
    pub(super) fn named(&self) -> [(&'static str, u64); 5] {
        [
            ("connections", self.connections),
            ("tokens", self.tokens),
            ("resources", self.resources),
            ("members", self.members),
            ("retired", self.retired),
        ]
    }

    pub(super) fn named_mut(&mut self) -> [(&'static str, &mut u64); 5] {
        [
            ("connections", &mut self.connections),
            ("tokens", &mut self.tokens),
            ("resources", &mut self.resources),
            ("members", &mut self.members),
            ("retired", &mut self.retired),
        ]
    }

    fn add(&mut self, record: &Record) {
        match record {
            Record::Connection(_) => self.connections += 1,
            Record::Edges(edges) => self.members += edges.targets.len() as u64,
            Record::Resource(_) => self.resources += 1,
            Record::Retired(_) => self.retired += 1,
            Record::Start(_) => {}
            Record::Token(_) => self.tokens += 1,
        }
    }
}

/// Writes everything that is kept of a tenant as lines of JSON, and tells how much that was.
///
/// - Each line is an object with one member that says what it is: `tenant` is the first, then come
///   `connection`, `token`, `resource`, `edges` (up to [`TARGETS`](super::TARGETS) members of the
///   resource before) and `retired`. The last is `end`, with [`Counts`].
/// - Documents are the text that the store keeps. Instants are in milliseconds, as clients see them.
/// - It holds personal data, and the digests of tokens unless those are left out.
///
/// The output is given back as it is after the last line; of one that failed the rest is nowhere.
///
/// # Errors
/// As for [`Archive::dump`].
///
/// # Example
/// See the [module](crate::archive).
pub async fn export<W: Write + Send + 'static>(
    archive: &dyn Archive,
    tenant: &TenantId,
    options: &Options,
    output: W,
) -> Result<(W, Counts), ArchiveError> {
    let shared = Arc::new(Mutex::new(Some((output, Counts::default()))));
    let (taking, tokens) = (Arc::clone(&shared), options.tokens);
    let sink: Sink = Box::new(move |record| {
        if tokens == Tokens::Leave && matches!(record, Record::Token(_)) {
            return Ok(());
        }
        let mut held = lock(&taking);
        let (output, counts) = held.as_mut().ok_or_else(ended)?;
        counts.add(&record);
        Ok(output.write_all(print::line(&record)?.as_bytes())?)
    });
    archive.dump(tenant, sink).await?;
    let (mut output, counts) = lock(&shared).take().ok_or_else(ended)?;
    output.write_all(print::end(&counts).as_bytes())?;
    output.flush()?;
    Ok((output, counts))
}

/// Restores a tenant from the lines of an [`export`]: all of it, or nothing.
///
/// The tenant is that of the scope, whatever it was called.
///
/// # Errors
/// As for [`Archive::restore`]; [`ArchiveError::Line`] also for a line that is too long, nested too
/// deeply or no record, for lines in another order than [`export`] gives them, and for ones that are
/// missing at the end.
///
/// # Example
/// See the [module](crate::archive).
pub async fn import<R: BufRead + Send + 'static>(
    archive: &dyn Archive,
    scope: &Scope,
    options: &Options,
    input: R,
) -> Result<Counts, ArchiveError> {
    let counts = Arc::new(Mutex::new(Counts::default()));
    let source: Source = Box::new(Lines {
        counts: Counts::default(),
        input,
        limits: options.limits,
        line: 0,
        seen: Arc::clone(&counts),
        stage: Stage::Start,
        tenant: None,
        tokens: options.tokens,
    });
    archive.restore(scope, source).await?;
    let counts = *lock(&counts);
    Ok(counts)
}

/// The records of lines.
struct Lines<R> {
    /// Of every line.
    counts: Counts,
    input: R,
    limits: Limits,
    line: u64,
    /// Of the records that are handed on, for when all are.
    seen: Arc<Mutex<Counts>>,
    stage: Stage,
    tenant: Option<TenantId>,
    tokens: Tokens,
}

/// How far the lines are; they never go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Start,
    Connections,
    Tokens,
    Resources,
    Retired,
    End,
}

impl Stage {
    fn of(record: &Record) -> Self {
        match record {
            Record::Connection(_) => Stage::Connections,
            Record::Edges(_) | Record::Resource(_) => Stage::Resources,
            Record::Retired(_) => Stage::Retired,
            Record::Start(_) => Stage::Start,
            Record::Token(_) => Stage::Tokens,
        }
    }
}

impl<R: BufRead> Lines<R> {
    /// The next record that is wanted; none once the end was there.
    fn record(&mut self) -> Result<Option<(u64, Record)>, ArchiveError> {
        loop {
            self.line += 1;
            let text = self.text()?;
            let wrong = |problem: String| ArchiveError::line(self.line, problem);
            let Some(text) = text else {
                return Err(wrong("the end is missing".to_owned()));
            };
            let record = match parse::line(&text, self.tenant.as_ref(), &self.limits) {
                Err(problem) => return Err(wrong(problem)),
                Ok(parse::Line::End(counts)) => return self.end(counts).map(|()| None),
                Ok(parse::Line::Record(record)) => record,
            };
            let stage = Stage::of(&record);
            if stage < self.stage {
                return Err(wrong("the line is not in its place".to_owned()));
            }
            self.stage = stage;
            self.counts.add(&record);
            if let Record::Start(start) = &record {
                self.tenant = Some(start.tenant.clone());
            }
            if self.tokens == Tokens::Keep || stage != Stage::Tokens {
                lock(&self.seen).add(&record);
                return Ok(Some((self.line, record)));
            }
        }
    }

    /// The bytes of the next line; none when there is none.
    fn text(&mut self) -> Result<Option<Vec<u8>>, ArchiveError> {
        let mut text = Vec::new();
        let most = u64::try_from(self.limits.line).unwrap_or(u64::MAX);
        let mut bounded = self.input.by_ref().take(most.saturating_add(1));
        match bounded.read_until(b'\n', &mut text) {
            Err(problem) if problem.kind() == ErrorKind::InvalidData => {
                Err(ArchiveError::line(self.line, problem.to_string()))
            }
            Err(problem) => Err(problem.into()),
            Ok(0) => Ok(None),
            Ok(_) if text.len() > self.limits.line => {
                let most = self.limits.line;
                let problem = format!("the line has more than {most} bytes");
                Err(ArchiveError::line(self.line, problem))
            }
            Ok(_) => Ok(Some(text)),
        }
    }

    fn end(&mut self, told: Counts) -> Result<(), ArchiveError> {
        self.stage = Stage::End;
        for ((name, told), (_, found)) in told.named().into_iter().zip(self.counts.named()) {
            if told != found {
                let problem = format!("{found} {name} were there, and {told} are told");
                return Err(ArchiveError::line(self.line, problem));
            }
        }
        if self.input.fill_buf()?.is_empty() {
            return Ok(());
        }
        let problem = "there is something behind the end";
        Err(ArchiveError::line(self.line + 1, problem))
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<(u64, Record), ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.stage == Stage::End {
            return None;
        }
        let record = self.record();
        if record.is_err() {
            self.stage = Stage::End;
        }
        record.transpose()
    }
}

fn ended() -> ArchiveError {
    ArchiveError::Io(ErrorKind::BrokenPipe.into())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
