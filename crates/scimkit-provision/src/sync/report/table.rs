//! Reports as text.

use std::io;

use super::{
    cells::{lines, subject, visible},
    summary::ReportSummary,
};
use crate::sync::step::{Category, Step};

pub(super) struct TableReport<W: io::Write> {
    output: W,
}

impl<W: io::Write> TableReport<W> {
    pub(super) fn new(mut output: W, summary: &ReportSummary) -> io::Result<Self> {
        writeln!(output, "{}", visible(&summary.title))?;
        writeln!(
            output,
            "planned {}, plan {}",
            summary.planned.format("%Y-%m-%d %H:%M:%S UTC"),
            summary.hash
        )?;
        for sentence in summary.sentences() {
            writeln!(output, "{}", visible(&sentence))?;
        }
        for (connection, counts) in &summary.connections {
            writeln!(
                output,
                "\n{:<12} {:>9} {:>9}",
                visible(connection),
                "users",
                "groups"
            )?;
            for category in Category::ALL {
                let users = counts.users.of(category);
                let groups = counts.groups.of(category);
                writeln!(output, "{:<12} {users:>9} {groups:>9}", category.as_str())?;
            }
            let members = counts.memberships;
            writeln!(
                output,
                "memberships: {} added, {} removed, {} unchanged",
                members.added, members.removed, members.unchanged
            )?;
        }
        writeln!(output)?;
        Ok(TableReport { output })
    }

    pub(super) fn add(&mut self, step: &Step) -> io::Result<()> {
        let (category, name) = (step.category.as_str(), visible(&step.name));
        write!(self.output, "{category:<9} {:<10} {name}", subject(step))?;
        if let Some(reason) = &step.reason {
            write!(self.output, ": {}", visible(&reason.to_string()))?;
        }
        writeln!(self.output)?;
        for line in lines(step) {
            let (before, after) = (visible(&line.before), visible(&line.after));
            let field = visible(&line.field);
            writeln!(self.output, "          {field}: `{before}` -> `{after}`")?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.output.flush()
    }
}
