//! `scimkit sync report`: the plan of a run, for people and other programs.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
};

use scimkit::{
    provision::sync::{ReportFormat, ReportSummary, ReportWriter, Run, RunStore},
    store::StoreError,
};
use serde_json::{Value, json};

use super::{Backup, Report, failed};
use crate::{
    output,
    store_args::{CommandOutput, Failure},
    transfer::{create, file_failure},
};

/// The summary of a run that was planned.
pub(super) fn summary(run: &Run) -> Result<&ReportSummary, Failure> {
    let missing = || {
        let reason = run.reason.iter().map(|reason| format!(": {reason}"));
        let reason: String = reason.collect();
        let problem = format!("run {} has no report: it is {}{reason}", run.id, run.state);
        Failure::Rejected(problem)
    };
    run.summary.as_ref().ok_or_else(missing)
}

pub(super) async fn write(runs: &RunStore, options: &Report) -> Result<CommandOutput, Failure> {
    let id = options.run;
    let unread = |error: StoreError| failed(id, &error);
    let run = runs.run(id).await.map_err(unread)?;
    let run = run.ok_or_else(|| unread(StoreError::NotFound))?;
    let summary = summary(&run)?;
    let default = if options.tenant.store.wants_json() && options.output.is_none() {
        ReportFormat::Json
    } else {
        ReportFormat::Table
    };
    let format = options.format.unwrap_or(default);
    let target = match &options.output {
        Some(path) => Target::File(BufWriter::new(create(path)?)),
        None => Target::StandardOutput(Lines {
            is_json: format == ReportFormat::Json,
            rest: Vec::new(),
        }),
    };
    let unwritten = |error: io::Error| match &options.output {
        Some(path) => file_failure(path, &error),
        None => Failure::Unusable(error.to_string()),
    };
    let mut report = ReportWriter::new(format, target, summary).map_err(unwritten)?;
    let mut count = 0_u64;
    loop {
        let page = runs.steps(id, count).await.map_err(unread)?;
        if page.is_empty() {
            break;
        }
        for step in &page {
            report.add(step).map_err(unwritten)?;
            count = count.saturating_add(1);
        }
    }
    report.finish().map_err(unwritten)?;
    Ok(match &options.output {
        Some(_) => {
            let json = json!({ "run": id.number(), "steps": count });
            CommandOutput::line(json, format!("wrote {count} steps of run {id}"))
        }
        None => CommandOutput::new(Value::Null, []),
    })
}

/// Writes the backup of a directory.
pub(super) async fn backup(runs: &RunStore, options: &Backup) -> Result<CommandOutput, Failure> {
    let text = runs.backup().await;
    let text = text.map_err(|error| Failure::Unusable(crate::chain(&error)))?;
    let text = text.ok_or_else(|| {
        let problem = "there is no backup: it is made before the first live run";
        Failure::Rejected(problem.to_owned())
    })?;
    let Some(path) = &options.output else {
        text.lines().for_each(output::say);
        return Ok(CommandOutput::new(Value::Null, []));
    };
    let written = create(path)?.write_all(text.as_bytes());
    written.map_err(|error| file_failure(path, &error))?;
    let bytes = text.len();
    let json = json!({ "bytes": bytes });
    Ok(CommandOutput::line(json, format!("wrote {bytes} bytes")))
}

/// The place of a report.
enum Target {
    File(BufWriter<File>),
    StandardOutput(Lines),
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Target::File(file) => file.write(bytes),
            Target::StandardOutput(lines) => lines.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Target::File(file) => file.flush(),
            Target::StandardOutput(lines) => lines.flush(),
        }
    }
}

/// Writes lines to standard output, whose values can't steer the terminal.
struct Lines {
    is_json: bool,
    rest: Vec<u8>,
}

impl Lines {
    fn say(&self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        if self.is_json {
            output::say(&output::escape_json(&line));
        } else {
            output::say(line.trim_end_matches('\r'));
        }
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = bytes.split(|byte| *byte == b'\n');
        self.rest
            .extend_from_slice(lines.next().unwrap_or_default());
        for next in lines {
            let line = std::mem::replace(&mut self.rest, next.to_vec());
            self.say(&line);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.rest.is_empty() {
            let line = std::mem::take(&mut self.rest);
            self.say(&line);
        }
        Ok(())
    }
}
