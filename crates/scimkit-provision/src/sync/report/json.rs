//! Reports as JSON.

use std::io;

use serde::Serialize;

use super::summary::ReportSummary;
use crate::sync::step::Step;

pub(super) struct JsonReport<W: io::Write> {
    has_steps: bool,
    output: W,
}

impl<W: io::Write> JsonReport<W> {
    pub(super) fn new(mut output: W, summary: &ReportSummary) -> io::Result<Self> {
        output.write_all(b"{\"summary\":")?;
        print(&mut output, summary)?;
        output.write_all(b",\"steps\":[")?;
        Ok(JsonReport {
            has_steps: false,
            output,
        })
    }

    pub(super) fn add(&mut self, step: &Step) -> io::Result<()> {
        if self.has_steps {
            self.output.write_all(b",")?;
        }
        self.has_steps = true;
        self.output.write_all(b"\n")?;
        print(&mut self.output, step)
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.output.write_all(b"]}\n")?;
        self.output.flush()
    }
}

fn print(output: impl io::Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(output, value).map_err(io::Error::from)
}
