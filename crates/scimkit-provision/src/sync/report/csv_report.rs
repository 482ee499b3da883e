//! Reports as CSV.

use std::io;

use super::cells::{Line, lines, source, subject};
use crate::sync::{formula::without_formula, step::Step};

pub(super) struct CsvReport<W: io::Write> {
    writer: csv::Writer<W>,
}

impl<W: io::Write> CsvReport<W> {
    pub(super) fn new(output: W) -> io::Result<Self> {
        let mut writer = csv::Writer::from_writer(output);
        writer.write_record([
            "Subject",
            "Category",
            "Connection",
            "Source",
            "Name",
            "Directory Id",
            "Field",
            "Before",
            "After",
            "Reason",
        ])?;
        Ok(CsvReport { writer })
    }

    pub(super) fn add(&mut self, step: &Step) -> io::Result<()> {
        let mut lines = lines(step).peekable();
        if lines.peek().is_none() {
            return self.row(step, &Line::default());
        }
        lines.try_for_each(|line| self.row(step, &line))
    }

    fn row(&mut self, step: &Step, line: &Line) -> io::Result<()> {
        let target = step.target.as_ref().map_or("", |id| id.as_str());
        let reason = step.reason.as_ref().map(ToString::to_string);
        let cells = [
            subject(step),
            step.category.as_str(),
            step.connection.as_str(),
            source(step),
            &step.name,
            target,
            &line.field,
            &line.before,
            &line.after,
            reason.as_deref().unwrap_or_default(),
        ];
        self.writer.write_record(
            cells
                .map(without_formula)
                .each_ref()
                .map(|cell| cell.as_bytes()),
        )?;
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
