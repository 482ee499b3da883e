//! Users that are exempt from provisioning.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
};

use scimkit_registry::{ResourceId, fold_case};

use super::formula::without_formula;

/// The users of a tenant that no run changes.
///
/// - An exemption names an e-mail address. It is bound to the id of the user in the directory as soon as that is known,
///   so that it stays when the address changes. Until then it is pending, and no user is created with the address.
/// - E-mail addresses are compared without regard to case.
///
/// # Example
/// ```
/// use scimkit_provision::sync::{ExemptionFile, Exemptions};
///
/// let file = "Name,Email,Provisioning Managed\nBabs,Babs@example.com,false\nJim,jim@example.com,maybe\n";
/// let file = ExemptionFile::from_csv(file.as_bytes())?;
/// assert_eq!(file.problems.len(), 1);
/// assert_eq!(file.problems[0].to_string(), "line 3: expected `true` or `false`, not `maybe`");
///
/// let mut exemptions = Exemptions::default();
/// let changes = exemptions.import(&file.rows, |email| (email == "babs@example.com").then(|| "7".into()));
/// assert_eq!(changes.started, ["babs@example.com"]);
/// assert!(exemptions.covers(Some(&"7".into()), [Some("new@example.com")]));
/// assert!(!exemptions.covers(Some(&"8".into()), [Some("jim@example.com")]));
/// # Ok::<(), scimkit_provision::sync::ExemptionFileError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exemptions {
    /// The e-mail address with which each user became exempt.
    bound: BTreeMap<ResourceId, String>,
    pending: BTreeSet<String>,
}

/// The changes by an import, as folded e-mail addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExemptionChanges {
    /// The users that are no longer exempt: the next run changes them.
    pub ended: Vec<String>,
    /// The users that became exempt.
    pub started: Vec<String>,
    /// The number of rows that change nothing.
    pub unchanged: u64,
}

impl Exemptions {
    /// Whether the user with this id in the directory or one of these e-mail addresses is exempt.
    #[must_use]
    pub fn covers<'e>(
        &self,
        id: Option<&ResourceId>,
        emails: impl IntoIterator<Item = Option<&'e str>>,
    ) -> bool {
        id.is_some_and(|id| self.bound.contains_key(id))
            || emails
                .into_iter()
                .flatten()
                .any(|email| self.is_pending(email))
    }

    /// Whether an exemption with this address is not bound yet.
    pub(super) fn is_pending(&self, email: &str) -> bool {
        !self.pending.is_empty() && self.pending.contains(&*key(email))
    }

    /// Binds a pending exemption to a user of the directory.
    pub fn bind(&mut self, email: &str, id: ResourceId) {
        let email = key(email);
        if self.pending.remove(&email) {
            self.bound.insert(id, email);
        }
    }

    pub(super) fn add_bound(&mut self, id: ResourceId, email: String) {
        self.bound.insert(id, email);
    }

    pub(super) fn add_pending(&mut self, email: String) {
        self.pending.insert(email);
    }

    /// Returns the ids and e-mail addresses of bound exemptions.
    pub fn bound(&self) -> impl Iterator<Item = (&ResourceId, &str)> {
        self.bound.iter().map(|(id, email)| (id, email.as_str()))
    }

    /// Returns the e-mail addresses of pending exemptions.
    pub fn pending(&self) -> impl Iterator<Item = &str> {
        self.pending.iter().map(String::as_str)
    }

    /// Carries out the rows of a file. `find` returns the id of the user of the directory with an e-mail address, which
    /// is folded.
    pub fn import(
        &mut self,
        rows: &[ExemptionRow],
        mut find: impl FnMut(&str) -> Option<ResourceId>,
    ) -> ExemptionChanges {
        let mut changes = ExemptionChanges::default();
        for row in rows {
            let email = key(&row.email);
            let id = find(&email);
            let changed = if row.is_managed {
                let by_email =
                    |(id, bound): (&ResourceId, &String)| (*bound == email).then(|| id.clone());
                // The address may be another person's by now: an exemption is that of the id.
                let id = id.or_else(|| self.bound.iter().find_map(by_email));
                let was_bound = id.is_some_and(|id| self.bound.remove(&id).is_some());
                self.pending.remove(&email) || was_bound
            } else {
                match id {
                    Some(id) => {
                        let was_pending = self.pending.remove(&email);
                        let was_bound = self.bound.insert(id, email.clone()).is_some();
                        !was_pending && !was_bound
                    }
                    None => self.pending.insert(email.clone()),
                }
            };
            match (changed, row.is_managed) {
                (false, _) => changes.unchanged += 1,
                (true, true) => changes.ended.push(email),
                (true, false) => changes.started.push(email),
            }
        }
        changes
    }

    /// Writes all exemptions as CSV, which [`ExemptionFile::from_csv`] reads. `email` returns the current e-mail address
    /// of a user of the directory.
    ///
    /// An address that a spreadsheet would take for a formula has an apostrophe before it, which the import ignores.
    ///
    /// # Errors
    /// Writing failed.
    ///
    /// # Example
    /// ```
    /// use scimkit_provision::sync::{ExemptionFile, Exemptions};
    ///
    /// let text = "Email,Provisioning Managed\n+ops@example.com,false\n";
    /// let mut exemptions = Exemptions::default();
    /// exemptions.import(&ExemptionFile::from_csv(text.as_bytes()).unwrap().rows, |_| None);
    /// let mut exported = Vec::new();
    /// exemptions.to_csv(&mut exported, |_| None).unwrap();
    /// assert_eq!(exported, b"Email,Provisioning Managed\n'+ops@example.com,false\n");
    ///
    /// let rows = ExemptionFile::from_csv(&*exported).unwrap().rows;
    /// assert_eq!(rows[0].email, "+ops@example.com");
    /// ```
    pub fn to_csv(
        &self,
        output: impl Write,
        mut email: impl FnMut(&ResourceId) -> Option<String>,
    ) -> std::io::Result<()> {
        let mut writer = csv::Writer::from_writer(output);
        writer.write_record([EMAIL, MANAGED])?;
        for (id, bound) in &self.bound {
            let email = email(id).unwrap_or_else(|| bound.clone());
            writer.write_record([&*without_formula(&email), "false"])?;
        }
        for email in &self.pending {
            writer.write_record([&*without_formula(email), "false"])?;
        }
        writer.flush()
    }
}

fn key(email: &str) -> String {
    fold_case(email.trim()).into_owned()
}

const EMAIL: &str = "Email";
const MANAGED: &str = "Provisioning Managed";

/// The rows of a CSV file of exemptions.
///
/// The file has the columns `Email` and `Provisioning Managed`, in any order; others are ignored. `false` exempts the
/// user, `true` ends the exemption.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExemptionFile {
    /// The problems of the other rows.
    pub problems: Vec<LineProblem>,
    /// The valid rows.
    pub rows: Vec<ExemptionRow>,
}

/// A row of a CSV file of exemptions.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the columns of the file")]
pub struct ExemptionRow {
    /// The e-mail address.
    pub email: String,
    /// Whether the user is managed by provisioning, and so not exempt.
    pub is_managed: bool,
    /// The line, from 1.
    pub line: u64,
}

/// A row that is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
#[non_exhaustive]
pub struct LineProblem {
    /// The line, from 1.
    pub line: u64,
    /// The problem.
    pub problem: String,
}

/// The reason why a file of exemptions can't be read at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExemptionFileError {
    /// The header lacks a column, or has it twice.
    #[error("expected one column `{0}` in the first line")]
    Column(&'static str),
    /// Reading failed.
    #[error("reading the file failed")]
    Read(#[source] std::io::Error),
    /// The file has more than [`ExemptionFile::MOST`] rows, or is longer than [`ExemptionFile::LONGEST`].
    #[error("more than {} rows or {} MiB", ExemptionFile::MOST, ExemptionFile::LONGEST >> 20)]
    TooLong,
}

impl ExemptionFile {
    /// The maximum length in bytes.
    pub const LONGEST: u64 = 64 << 20;
    /// The maximum number of rows.
    pub const MOST: usize = 200_000;

    /// Reads a file.
    ///
    /// # Errors
    /// A column is missing, the file is too long, or reading fails.
    pub fn from_csv(input: impl Read) -> Result<Self, ExemptionFileError> {
        let mut text = Vec::new();
        let most = ExemptionFile::LONGEST + 1;
        let read_all = input.take(most).read_to_end(&mut text);
        read_all.map_err(ExemptionFileError::Read)?;
        if text.len() as u64 == most {
            return Err(ExemptionFileError::TooLong);
        }
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&text);
        let mut lines = LineCounter::new(text);
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .trim(csv::Trim::All)
            .has_headers(false)
            .from_reader(text);
        let mut records = reader.byte_records();
        let header = match records.next() {
            Some(header) => header.map_err(read)?,
            None => csv::ByteRecord::new(),
        };
        let column = |name: &'static str| {
            let is_named = |cell: &[u8]| cell.eq_ignore_ascii_case(name.as_bytes());
            let mut found = header.iter().enumerate().filter(|(_, cell)| is_named(cell));
            match (found.next(), found.next()) {
                (Some((index, _)), None) => Ok(index),
                _ => Err(ExemptionFileError::Column(name)),
            }
        };
        let email = column(EMAIL)?;
        let managed = column(MANAGED)?;
        let mut file = ExemptionFile::default();
        let mut seen = BTreeMap::new();
        for record in records {
            let record = record.map_err(read)?;
            let line = lines.line(&record);
            if file.rows.len() + file.problems.len() >= ExemptionFile::MOST {
                return Err(ExemptionFileError::TooLong);
            }
            match row(&record, email, managed, line) {
                Ok(row) => match seen.insert(key(&row.email), (row.is_managed, line)) {
                    Some((was_managed, first)) if was_managed != row.is_managed => {
                        let problem = format!("`{}` has another value in line {first}", row.email);
                        seen.insert(key(&row.email), (was_managed, first));
                        file.problems.push(LineProblem { line, problem });
                    }
                    _ => file.rows.push(row),
                },
                Err(problem) => file.problems.push(LineProblem { line, problem }),
            }
        }
        Ok(file)
    }
}

/// Counts the lines before each record. Those of the reader itself begin before the line feed of the line above.
struct LineCounter<'t> {
    line: u64,
    rest: &'t [u8],
    start: u64,
}

impl<'t> LineCounter<'t> {
    fn new(text: &'t [u8]) -> Self {
        LineCounter {
            line: 1,
            rest: text,
            start: 0,
        }
    }

    /// Returns the line in which the next record begins.
    fn line(&mut self, record: &csv::ByteRecord) -> u64 {
        let start = record.position().map_or(0, csv::Position::byte);
        while let Some((byte, rest)) = self.rest.split_first() {
            if self.start >= start && !matches!(byte, b'\r' | b'\n') {
                break;
            }
            self.line += u64::from(*byte == b'\n');
            self.rest = rest;
            self.start += 1;
        }
        self.line
    }
}

fn read(error: csv::Error) -> ExemptionFileError {
    ExemptionFileError::Read(error.into())
}

fn row(
    record: &csv::ByteRecord,
    email: usize,
    managed: usize,
    line: u64,
) -> Result<ExemptionRow, String> {
    let cell = |index: usize| {
        let bytes = record.get(index).unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|_| "expected UTF-8".to_owned())
    };
    let email = cell(email)?;
    let email = match email.strip_prefix('\'') {
        Some(rest) if *without_formula(rest) == *email => rest,
        _ => email,
    };
    let is_address = email
        .split_once('@')
        .is_some_and(|(name, domain)| !name.is_empty() && !domain.is_empty());
    if !is_address || email.contains(char::is_whitespace) {
        return Err(format!("expected an e-mail address, not `{email}`"));
    }
    let managed = cell(managed)?;
    let is_managed = match managed {
        _ if managed.eq_ignore_ascii_case("false") => false,
        _ if managed.eq_ignore_ascii_case("true") => true,
        _ => return Err(format!("expected `true` or `false`, not `{managed}`")),
    };
    Ok(ExemptionRow {
        email: email.to_owned(),
        is_managed,
        line,
    })
}
