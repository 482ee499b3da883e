//! `scimkit mapping explain`: what goes where, both ways.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use clap::{ArgGroup, Args};
use scimkit::{
    Tolerance,
    mapping::{MappedRule, Occasion, Record, TypeMapping, Unmapped},
    registry::{Change, Resource},
};
use serde_json::{Value, json};

use super::{REFUSED, Source, read, tell};

/// Which resource to explain, and how.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("resource").required(true))]
pub(super) struct Explain {
    #[command(flatten)]
    source: Source,

    /// JSON file of a group, as a provider sends it.
    #[arg(long, value_name = "FILE", group = "resource")]
    group: Option<PathBuf>,

    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,

    /// JSON file of what the host keeps of it, instead of what the mapping makes of the resource.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,

    /// JSON file of a user, as a provider sends it.
    #[arg(long, value_name = "FILE", group = "resource")]
    user: Option<PathBuf>,
}

/// What a mapping does with one resource.
struct Explained<'a> {
    /// Towards the host, rule by rule.
    forth: Vec<Line<'a>>,
    /// Back to SCIM, rule by rule.
    back: Vec<Line<'a>>,
    record: Record,
    /// Why it would not be created.
    refusal: Option<String>,
    rules: &'a TypeMapping,
    unreached: Vec<String>,
}

/// One rule at work.
struct Line<'a> {
    error: Option<String>,
    field: Option<Value>,
    rule: MappedRule<'a>,
    values: Vec<Option<Value>>,
}

pub(super) fn run(options: &Explain) -> Result<ExitCode, String> {
    let mapping = match options.source.load()? {
        Ok(mapping) => mapping,
        Err(error) => {
            tell(&options.source.file, &error, options.json);
            return Ok(ExitCode::from(REFUSED));
        }
    };
    let (name, file) = match (&options.user, &options.group) {
        (Some(file), _) => ("User", file),
        (None, Some(file)) => ("Group", file),
        (None, None) => return Err("name a file by --user or --group".to_owned()),
    };
    let rules = mapping
        .of(name)
        .ok_or_else(|| format!("the mapping has no rules of {name}"))?;
    let problem = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
    let body: Value = serde_json::from_str(&read(file)?).map_err(|e| problem(&e))?;
    let resource = rules
        .kind()
        .admit(body, &Tolerance::DEFAULT)
        .map_err(|e| problem(&e))?;
    let record = match &options.record {
        None => None,
        Some(file) => {
            let record = serde_json::from_str(&read(file)?);
            Some(record.map_err(|e| format!("{}: {e}", file.display()))?)
        }
    };
    let explained = Explained::of(rules, &resource, record);
    match options.json {
        true => crate::output::say_json(&explained.json()),
        false => explained
            .lines()
            .iter()
            .for_each(|line| crate::output::say(line)),
    }
    Ok(match explained.refusal {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::from(REFUSED),
    })
}

impl<'a> Explained<'a> {
    fn of(rules: &'a TypeMapping, resource: &Resource, record: Option<Record>) -> Self {
        let change = Change::create(Arc::clone(rules.kind()), resource.clone());
        let shaped = rules.shape(change.clone(), Occasion::Create);
        let mut refusal = shaped.err().map(|e| e.detail().to_owned());
        let mut own = Record::new();
        let mut forth = Vec::new();
        for rule in rules.rules() {
            let (field, error) = match rule.field_value(resource) {
                Ok(field) => (field, None),
                Err(problem) => (None, Some(problem.detail().to_owned())),
            };
            if let (Some(name), Some(value)) = (rule.host(), &field) {
                own.insert(name.to_owned(), value.clone());
            }
            refusal = refusal.or_else(|| error.clone());
            let values = rule.values(resource);
            forth.push(Line {
                error,
                field,
                rule,
                values,
            });
        }
        let record = record.unwrap_or(own);
        let made = rules.to_scim(&record, Resource::default());
        let mut back = Vec::new();
        for rule in rules.rules().filter(|rule| !rule.is_write_only()) {
            let field = rule.host().and_then(|host| record.get(host)).cloned();
            let (values, error) = match &made {
                Ok(made) => (rule.values(made), None),
                Err(problem) => (Vec::new(), Some(problem.detail().to_owned())),
            };
            back.push(Line {
                error,
                field,
                rule,
                values,
            });
        }
        let unreached = rules.unreached(&change);
        Explained {
            forth,
            back,
            record,
            refusal,
            rules,
            unreached,
        }
    }

    fn fate(&self) -> &'static str {
        match self.rules.unmapped() {
            Unmapped::Drop => "dropped",
            Unmapped::Refuse => "refused",
            _ => "kept",
        }
    }

    fn json(&self) -> Value {
        let line = |line: &Line<'_>| {
            json!({
                "rule": line.rule.label(),
                "scim": line.rule.paths().zip(&line.values).map(|(path, value)| json!({"path": path, "value": value})).collect::<Vec<_>>(),
                "host": line.rule.host(),
                "value": line.field,
                "notes": notes(line.rule),
                "error": line.error,
            })
        };
        json!({
            "resourceType": self.rules.kind().name(),
            "toHost": self.forth.iter().map(line).collect::<Vec<_>>(),
            "toScim": self.back.iter().map(line).collect::<Vec<_>>(),
            "record": self.record,
            "unmapped": {"fate": self.fate(), "paths": self.unreached},
            "refused": self.refusal,
        })
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec!["SCIM -> host".to_owned()];
        lines.extend(table(&self.forth_rows()));
        lines.extend(["".to_owned(), "host -> SCIM".to_owned()]);
        lines.extend(table(&self.back_rows()));
        lines.extend(["".to_owned(), format!("not mapped, and {}", self.fate())]);
        if self.unreached.is_empty() {
            lines.push("  nothing".to_owned());
        }
        lines.extend(self.unreached.iter().map(|path| format!("  {path}")));
        if let Some(refusal) = &self.refusal {
            lines.extend(["".to_owned(), format!("it would not be created: {refusal}")]);
        }
        lines
    }

    /// Path, value, field, value, notes: a row for each path, the field beside the first.
    fn forth_rows(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for line in &self.forth {
            let paths = line.rule.paths().zip(&line.values);
            let shown = paths.map(|(path, value)| vec![path.to_owned(), shown(value.as_ref())]);
            let mut own: Vec<_> = shown.collect();
            if own.is_empty() {
                own.push(vec!["-".to_owned(), "-".to_owned()]);
            }
            if let Some(first) = own.first_mut() {
                first.push(line.rule.host().unwrap_or("-").to_owned());
                first.push(line.told(line.field.as_ref()));
                first.push(notes(line.rule).join(", "));
            }
            rows.extend(own);
        }
        rows
    }

    /// Field, value, path, value: a row for each path, the field beside the first.
    fn back_rows(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for line in &self.back {
            for (index, path) in line.rule.paths().enumerate() {
                let (field, value) = match index {
                    0 => (line.rule.host().unwrap_or("-"), shown(line.field.as_ref())),
                    _ => ("", String::new()),
                };
                let made = line.values.get(index).and_then(Option::as_ref);
                rows.push(vec![
                    field.to_owned(),
                    value,
                    path.to_owned(),
                    line.told(made),
                ]);
            }
        }
        rows
    }
}

impl Line<'_> {
    /// What came of the rule: a value, or why there is none.
    fn told(&self, value: Option<&Value>) -> String {
        match &self.error {
            Some(error) => format!("error: {error}"),
            None => shown(value),
        }
    }
}

fn notes(rule: MappedRule<'_>) -> Vec<String> {
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

/// Columns below each other, but for the last.
fn table(rows: &[Vec<String>]) -> Vec<String> {
    let visible =
        |row: &Vec<String>| -> Vec<String> { row.iter().map(crate::output::visible).collect() };
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
