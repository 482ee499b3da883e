//! Reports about plans, for people and other programs.

mod cells;
mod csv_report;
mod html;
mod json;
mod summary;
mod table;

use std::{fmt, io, str::FromStr};

pub use self::summary::ReportSummary;
use self::{csv_report::CsvReport, html::HtmlReport, json::JsonReport, table::TableReport};
use super::step::Step;

/// The format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReportFormat {
    /// Comma-separated values: one row for each changed field, changed member, and step without either. No cell becomes
    /// a formula in a spreadsheet. The counts are not in it.
    Csv,
    /// A page that needs no other file, and can be printed.
    Html,
    /// A JSON object with the counts and all steps.
    Json,
    /// Text for a terminal.
    Table,
}

/// The error for an unknown word for a format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown format `{0}`, expected csv, html, json or table")]
pub struct UnknownFormat(String);

impl FromStr for ReportFormat {
    type Err = UnknownFormat;

    fn from_str(word: &str) -> Result<Self, UnknownFormat> {
        Ok(match word {
            "csv" => ReportFormat::Csv,
            "html" => ReportFormat::Html,
            "json" => ReportFormat::Json,
            "table" => ReportFormat::Table,
            _ => return Err(UnknownFormat(word.to_owned())),
        })
    }
}

/// Writes a report step by step, so that it is never held in memory.
///
/// # Example
/// ```
/// use scimkit_provision::{chrono::DateTime, sync::{Plan, PlanSettings, ReportFormat, ReportSummary, ReportWriter}};
///
/// let plan = Plan::default();
/// let summary = ReportSummary::new("Acme <Inc.>", &plan, &PlanSettings::new(), DateTime::UNIX_EPOCH);
/// let mut page = Vec::new();
/// let mut report = ReportWriter::new(ReportFormat::Html, &mut page, &summary)?;
/// for step in &plan.steps {
///     report.add(step)?;
/// }
/// report.finish()?;
/// assert!(String::from_utf8_lossy(&page).contains("<h1>Acme &lt;Inc.&gt;</h1>"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct ReportWriter<W: io::Write> {
    form: Form<W>,
}

enum Form<W: io::Write> {
    Csv(Box<CsvReport<W>>),
    Html(HtmlReport<W>),
    Json(JsonReport<W>),
    Table(TableReport<W>),
}

impl<W: io::Write> fmt::Debug for ReportWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReportWriter").finish_non_exhaustive()
    }
}

impl<W: io::Write> ReportWriter<W> {
    /// Writes the beginning.
    ///
    /// # Errors
    /// Writing failed.
    pub fn new(format: ReportFormat, output: W, summary: &ReportSummary) -> io::Result<Self> {
        let form = match format {
            ReportFormat::Csv => Form::Csv(Box::new(CsvReport::new(output)?)),
            ReportFormat::Html => Form::Html(HtmlReport::new(output, summary)?),
            ReportFormat::Json => Form::Json(JsonReport::new(output, summary)?),
            ReportFormat::Table => Form::Table(TableReport::new(output, summary)?),
        };
        Ok(ReportWriter { form })
    }

    /// Writes the next step of the plan.
    ///
    /// # Errors
    /// Writing failed.
    pub fn add(&mut self, step: &Step) -> io::Result<()> {
        match &mut self.form {
            Form::Csv(report) => report.add(step),
            Form::Html(report) => report.add(step),
            Form::Json(report) => report.add(step),
            Form::Table(report) => report.add(step),
        }
    }

    /// Writes the end.
    ///
    /// # Errors
    /// Writing failed.
    pub fn finish(self) -> io::Result<()> {
        match self.form {
            Form::Csv(report) => report.finish(),
            Form::Html(report) => report.finish(),
            Form::Json(report) => report.finish(),
            Form::Table(report) => report.finish(),
        }
    }
}
