//! `scimkit filter`: a filter, explained.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use scimkit::{
    Registry, Tolerance,
    core::{ResourceTypeDefinition, Schema},
    filter::{self, Filter, ParseError},
    registry::RegistryBuilder,
};
use serde_json::{Value, json};

use crate::{exit, files, output, tree::Node};

/// How to read the filter, and what to print.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,

    /// Accept what identity providers send beyond the grammar
    #[arg(long, conflicts_with = "strict")]
    lenient: bool,

    /// Check the grammar alone, without binding the filter to attributes
    #[arg(long, conflicts_with = "schema")]
    no_bind: bool,

    /// JSON file of a schema (RFC 7643 section 7) to bind to, instead of User
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,

    /// Accept only the grammar of RFC 7644 (default)
    #[arg(long)]
    strict: bool,

    /// Filter, such as: userName eq "bjensen"
    #[arg(value_name = "FILTER", allow_hyphen_values = true)]
    text: String,
}

/// A filter that is bound to the attributes of a type.
struct Bound {
    kind: String,
    tree: Result<Node, String>,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let tolerance = if options.lenient {
        Tolerance::DEFAULT
    } else {
        Tolerance::STRICT
    };
    let reading = filter::ParseOptions::default().with_leniency(tolerance.leniency());
    let filter = match Filter::parse_with(&options.text, &reading) {
        Ok(filter) => filter,
        Err(error) => {
            if options.json {
                output::say_json(&error_json(&error));
            }
            output::hint_lines(&format!("error: {error:#}"));
            return ExitCode::from(exit::UNUSABLE);
        }
    };
    let bound = if options.no_bind {
        None
    } else {
        match bind(options, &filter, &tolerance) {
            Ok(bound) => Some(bound),
            Err(problem) => {
                output::fail(options.json, &problem);
                return ExitCode::from(exit::NO_SCHEMA);
            }
        }
    };
    if options.json {
        output::say_json(&as_json(&filter, bound.as_ref()));
    } else {
        print(&filter, bound.as_ref());
    }
    let problem = bound.and_then(|bound| bound.tree.err());
    if let Some(problem) = &problem {
        output::error(problem);
    }
    exit::code(problem.is_none(), exit::INCOMPLETE)
}

/// Binds a filter to the type of the options.
///
/// # Errors
/// The schema can't be used.
fn bind(options: &Options, filter: &Filter<'_>, tolerance: &Tolerance) -> Result<Bound, String> {
    let registry = registry(options)?;
    let kind = registry
        .resource_types()
        .first()
        .ok_or_else(|| "the schema defines no resource type".to_owned())?;
    let tree = match kind.bind_filter(filter, tolerance) {
        Ok(predicate) => Ok(Node::of_predicate(kind, &predicate)),
        Err(error) => Err(format!(
            "the filter does not bind to {}: {}",
            kind.name(),
            error.detail()
        )),
    };
    Ok(Bound {
        kind: kind.name().to_owned(),
        tree,
    })
}

fn print(filter: &Filter<'_>, bound: Option<&Bound>) {
    sayln!("canonical  {filter}");
    section("tree", &Node::of_filter(filter));
    if let Some(Bound {
        kind,
        tree: Ok(tree),
    }) = bound
    {
        section(&format!("bound to {kind}"), tree);
    }
}

fn section(heading: &str, tree: &Node) {
    output::say("");
    output::say(heading);
    tree.lines().iter().for_each(|line| output::say(line));
}

fn as_json(filter: &Filter<'_>, bound: Option<&Bound>) -> Value {
    let canonical = filter.to_string();
    let tree = Node::of_filter(filter).json();
    let Some(bound) = bound else {
        return json!({ "canonical": canonical, "tree": tree });
    };
    json!({
        "canonical": canonical,
        "tree": tree,
        "resourceType": bound.kind,
        "bound": bound.tree.as_ref().ok().map(Node::json),
        "error": bound.tree.as_ref().err(),
    })
}

fn error_json(error: &ParseError) -> Value {
    json!({
        "error": error.to_string(),
        "start": error.span().start,
        "end": error.span().end,
        "leniency": error.leniency(),
    })
}

/// A registry whose first type is the one to bind to.
fn registry(options: &Options) -> Result<Registry, String> {
    let Some(file) = &options.schema else {
        return Ok(Registry::standard());
    };
    let problem = |error: String| format!("`{}`: {error}", file.display());
    let text = files::read(file)?;
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
