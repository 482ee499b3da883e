//! `scimkit mapping explain`: the effect of a mapping on one resource, in both directions.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    slice,
    sync::Arc,
};

use clap::{ArgGroup, Args};
use scimkit::{
    Tolerance,
    mapping::{ChangeKind, CheckedRule, Record, TypeMapping, UnmappedPolicy},
    registry::{Change, Resource},
};
use serde_json::{Value, json};

use super::{Source, print_problems};
use crate::{exit, files, output};

/// The resource to explain, and the format of the output.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("resource").required(true))]
pub(super) struct Explain {
    #[command(flatten)]
    source: Source,

    /// JSON file of a group, as an identity provider sends it
    #[arg(long, value_name = "FILE", group = "resource")]
    group: Option<PathBuf>,

    /// Print JSON instead of tables
    #[arg(long)]
    pub(super) json: bool,

    /// JSON file of the application's record to map back, instead of what the mapping makes of the resource
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,

    /// JSON file of a user, as an identity provider sends it
    #[arg(long, value_name = "FILE", group = "resource")]
    user: Option<PathBuf>,
}

/// What a mapping does with one resource.
struct Explained<'a> {
    record: Record,
    /// Why the resource would not be created.
    rejection: Option<String>,
    rules: &'a TypeMapping,
    /// From the resource to the record, rule by rule.
    to_record: Vec<Line<'a>>,
    /// From the record to the resource, rule by rule.
    to_resource: Vec<Line<'a>>,
    unmapped: Vec<String>,
}

/// One rule and its values.
struct Line<'a> {
    error: Option<String>,
    field: Option<Value>,
    rule: CheckedRule<'a>,
    values: Vec<Option<Value>>,
}

pub(super) fn run(options: &Explain) -> Result<ExitCode, String> {
    let mapping = match options.source.load()? {
        Ok(mapping) => mapping,
        Err(error) => {
            print_problems(slice::from_ref(&options.source.file), &error, options.json);
            return Ok(ExitCode::from(exit::FAILED));
        }
    };
    let (name, file) = match (&options.user, &options.group) {
        (Some(file), _) => ("User", file),
        (None, Some(file)) => ("Group", file),
        (None, None) => return Err("give a file with --user or --group".to_owned()),
    };
    let rules = mapping
        .for_type(name)
        .ok_or_else(|| format!("the mapping has no rules for {name}"))?;
    let body: Value =
        serde_json::from_str(&files::read(file)?).map_err(|error| invalid(file, &error))?;
    let resource = rules
        .kind()
        .admit(body, &Tolerance::DEFAULT)
        .map_err(|error| invalid(file, &error))?;
    let record = match &options.record {
        None => None,
        Some(file) => {
            let record = serde_json::from_str(&files::read(file)?);
            Some(record.map_err(|error| invalid(file, &error))?)
        }
    };
    let explained = Explained::of(rules, &resource, record);
    if options.json {
        output::say_json(&explained.json());
    } else {
        let lines = explained.lines();
        lines.iter().for_each(|line| output::say(line));
    }
    Ok(exit::code(explained.rejection.is_none(), exit::FAILED))
}

fn invalid(file: &Path, error: &dyn std::fmt::Display) -> String {
    format!("`{}`: {error}", file.display())
}

impl<'a> Explained<'a> {
    fn of(rules: &'a TypeMapping, resource: &Resource, record: Option<Record>) -> Self {
        let change = Change::create(Arc::clone(rules.kind()), resource.clone());
        let shaped = rules.filter_change(change.clone(), ChangeKind::Create);
        let mut rejection = shaped.err().map(|e| e.detail().to_owned());
        let mut own = Record::new();
        let mut to_record = Vec::new();
        for rule in rules.rules() {
            let (field, error) = match rule.field_value(resource) {
                Ok(field) => (field, None),
                Err(problem) => (None, Some(problem.detail().to_owned())),
            };
            if let (Some(name), Some(value)) = (rule.field(), &field) {
                own.insert(name.to_owned(), value.clone());
            }
            rejection = rejection.or_else(|| error.clone());
            let values = rule.values(resource);
            to_record.push(Line {
                error,
                field,
                rule,
                values,
            });
        }
        let record = record.unwrap_or(own);
        let made = rules.to_resource(&record, Resource::default());
        let mut to_resource = Vec::new();
        for rule in rules.rules().filter(|rule| !rule.is_write_only()) {
            let field = rule.field().and_then(|host| record.get(host)).cloned();
            let (values, error) = match &made {
                Ok(made) => (rule.values(made), None),
                Err(problem) => (Vec::new(), Some(problem.detail().to_owned())),
            };
            to_resource.push(Line {
                error,
                field,
                rule,
                values,
            });
        }
        let unmapped = rules.unmapped_paths(&change);
        Explained {
            record,
            rejection,
            rules,
            to_record,
            to_resource,
            unmapped,
        }
    }

    /// What becomes of unmapped attributes.
    fn fate(&self) -> &'static str {
        match self.rules.unmapped() {
            UnmappedPolicy::Drop => "dropped",
            UnmappedPolicy::Reject => "rejected",
            _ => "stored",
        }
    }

    fn json(&self) -> Value {
        let line = |line: &Line<'_>| {
            json!({
                "rule": line.rule.label(),
                "scim": line.rule.paths().zip(&line.values).map(|(path, value)| json!({"path": path, "value": value})).collect::<Vec<_>>(),
                "field": line.rule.field(),
                "value": line.field,
                "notes": notes(line.rule),
                "error": line.error,
            })
        };
        json!({
            "resourceType": self.rules.kind().name(),
            "toRecord": self.to_record.iter().map(line).collect::<Vec<_>>(),
            "toResource": self.to_resource.iter().map(line).collect::<Vec<_>>(),
            "record": self.record,
            "unmapped": {"fate": self.fate(), "paths": self.unmapped},
            "rejected": self.rejection,
        })
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec!["SCIM -> record".to_owned()];
        lines.extend(table(&self.record_rows()));
        lines.extend(["".to_owned(), "record -> SCIM".to_owned()]);
        lines.extend(table(&self.resource_rows()));
        lines.extend([
            "".to_owned(),
            format!("unmapped attributes, {}", self.fate()),
        ]);
        if self.unmapped.is_empty() {
            lines.push("  none".to_owned());
        }
        lines.extend(self.unmapped.iter().map(|path| format!("  {path}")));
        if let Some(rejection) = &self.rejection {
            lines.extend([
                "".to_owned(),
                format!("the resource would be rejected: {rejection}"),
            ]);
        }
        lines
    }

    /// Path, value, field, value, notes: a row per path, the field in the first.
    fn record_rows(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for line in &self.to_record {
            let paths = line.rule.paths().zip(&line.values);
            let shown = paths.map(|(path, value)| vec![path.to_owned(), shown(value.as_ref())]);
            let mut own: Vec<_> = shown.collect();
            if own.is_empty() {
                own.push(vec!["-".to_owned(), "-".to_owned()]);
            }
            if let Some(first) = own.first_mut() {
                first.push(line.rule.field().unwrap_or("-").to_owned());
                first.push(line.outcome(line.field.as_ref()));
                first.push(notes(line.rule).join(", "));
            }
            rows.extend(own);
        }
        rows
    }

    /// Field, value, path, value: a row per path, the field in the first.
    fn resource_rows(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for line in &self.to_resource {
            for (index, path) in line.rule.paths().enumerate() {
                let (field, value) = match index {
                    0 => (line.rule.field().unwrap_or("-"), shown(line.field.as_ref())),
                    _ => ("", String::new()),
                };
                let made = line.values.get(index).and_then(Option::as_ref);
                rows.push(vec![
                    field.to_owned(),
                    value,
                    path.to_owned(),
                    line.outcome(made),
                ]);
            }
        }
        rows
    }
}

impl Line<'_> {
    /// The value, or why there is none.
    fn outcome(&self, value: Option<&Value>) -> String {
        match &self.error {
            Some(error) => format!("error: {error}"),
            None => shown(value),
        }
    }
}

/// What applies to a rule besides its path and field.
pub(crate) fn notes(rule: CheckedRule<'_>) -> Vec<String> {
    let mut notes: Vec<String> = [
        ("required", rule.is_required()),
        ("matching", rule.is_matching()),
        (
            "read-only",
            rule.is_read_only() && rule.paths().next().is_some(),
        ),
        (
            "write-only",
            rule.is_write_only() && rule.paths().next().is_some(),
        ),
    ]
    .into_iter()
    .filter(|(_, holds)| *holds)
    .map(|(note, _)| note.to_owned())
    .collect();
    notes.extend(rule.default().map(|default| format!("default {default}")));
    notes
}

fn shown(value: Option<&Value>) -> String {
    value.map_or("-".to_owned(), Value::to_string)
}

/// Rows with aligned columns; the last column is not padded.
fn table(rows: &[Vec<String>]) -> Vec<String> {
    let visible = |row: &Vec<String>| -> Vec<String> { row.iter().map(output::visible).collect() };
    let rows: Vec<_> = rows.iter().map(visible).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut lines = Vec::new();
    for row in &rows {
        let mut line = String::from(" ");
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!(" {cell:width$} "));
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}
