//! `scimkit filter`: one filter, explained.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::Args;
use scimkit::{
    Registry, Tolerance,
    core::{ResourceTypeDefinition, Schema},
    filter::{self, Filter, ParseError},
    registry::RegistryBuilder,
};
use serde_json::{Value, json};

use crate::{output, tree::Node};

/// How to read the filter, and what to show.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Fail with 3 when the filter does not bind.
    #[arg(long)]
    bind: bool,

    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,

    /// Accept what providers send outside the grammar.
    #[arg(long, conflicts_with = "strict")]
    lenient: bool,

    /// JSON file of a schema (RFC 7643 section 7) to bind to, instead of User.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,

    /// Accept the grammar of RFC 7644 and nothing else; this is the default.
    #[arg(long)]
    strict: bool,

    /// The filter, such as: userName eq "bjensen"
    #[arg(value_name = "FILTER", allow_hyphen_values = true)]
    text: String,
}

/// The filter is not one.
const UNREADABLE: u8 = 2;
/// It can't be bound to the schema, and that was asked for.
const UNBOUND: u8 = 3;
/// The schema can't be used.
const NO_SCHEMA: u8 = 4;

pub(crate) fn run(options: &Options) -> ExitCode {
    let tolerance = if options.lenient {
        Tolerance::DEFAULT
    } else {
        Tolerance::STRICT
    };
    let registry = match registry(options) {
        Ok(registry) => registry,
        Err(problem) => {
            hintln!("{problem}");
            return ExitCode::from(NO_SCHEMA);
        }
    };
    let Some(kind) = registry.types().first() else {
        return ExitCode::from(NO_SCHEMA);
    };
    let reading = filter::ParseOptions::default().with_leniency(tolerance.leniency());
    let filter = match Filter::parse_with(&options.text, &reading) {
        Ok(filter) => filter,
        Err(error) => {
            match options.json {
                true => output::say_json(&error_json(&error)),
                false => output::hint_lines(&format!("{error:#}")),
            }
            return ExitCode::from(UNREADABLE);
        }
    };
    let bound = kind.bind_filter(&filter, &tolerance);
    if options.json {
        let (predicate, problem) = match &bound {
            Ok(predicate) => (Node::of_predicate(kind, predicate).json(), Value::Null),
            Err(error) => (Value::Null, Value::from(error.detail())),
        };
        let answer = json!({
            "canonical": filter.to_string(),
            "tree": Node::of_filter(&filter).json(),
            "resourceType": kind.name(),
            "bound": predicate,
            "problem": problem,
        });
        output::say_json(&answer);
    } else {
        sayln!("canonical  {filter}");
        output::say("");
        output::say("tree");
        Node::of_filter(&filter)
            .lines()
            .iter()
            .for_each(|line| output::say(line));
        match &bound {
            Ok(predicate) => {
                output::say("");
                sayln!("bound to {}", kind.name());
                let tree = Node::of_predicate(kind, predicate);
                tree.lines().iter().for_each(|line| output::say(line));
            }
            Err(error) => {
                output::say("");
                sayln!("does not bind to {}: {error}", kind.name());
            }
        }
    }
    if bound.is_err() && options.bind {
        ExitCode::from(UNBOUND)
    } else {
        ExitCode::SUCCESS
    }
}

fn error_json(error: &ParseError) -> Value {
    json!({
        "error": {
            "message": error.to_string(),
            "start": error.span().start,
            "end": error.span().end,
            "leniency": error.leniency(),
        }
    })
}

/// A registry whose first type is the one to bind to.
fn registry(options: &Options) -> Result<Registry, String> {
    let Some(file) = &options.schema else {
        return Ok(Registry::standard());
    };
    let problem = |e: String| format!("{}: {e}", file.display());
    let text = fs::read_to_string(file).map_err(|e| problem(e.to_string()))?;
    let schema = Schema::from_json(&text).map_err(|e| problem(e.to_string()))?;
    let name = if schema.name.is_empty() {
        "Resource".to_owned()
    } else {
        schema.name.clone()
    };
    let definition = ResourceTypeDefinition::new(name, "/Resources", schema.id.clone())
        .map_err(|e| problem(e.to_string()))?;
    let registry = RegistryBuilder::default()
        .schema(schema)
        .resource_type(definition)
        .build();
    registry.map_err(|e| problem(e.to_string()))
}
