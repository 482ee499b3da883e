//! Compares a response with the expectation of a step, and captures values.

use bytes::Bytes;
use http::Response;
use regex::Regex;
use serde_json::Value;

use super::{
    Expectation, Step,
    json::{clipped, find, short, unassigned},
    matches,
    run::SCIM,
    vars::Vars,
};

/// Compares a response with the expectation of the step.
///
/// # Errors
/// The first difference, as a sentence.
pub(super) fn check(
    step: &Step,
    answer: &Response<Bytes>,
    document: Option<&Value>,
    vars: &mut Vars,
) -> Result<(), String> {
    let expect = &step.expect;
    let status = answer.status().as_u16();
    if !expect.status.contains(&status) {
        let wanted: Vec<_> = expect.status.iter().map(u16::to_string).collect();
        let wanted = wanted.join("/");
        let body = document.map_or_else(
            || clipped(&String::from_utf8_lossy(answer.body()), 120),
            |document| short(Some(document)),
        );
        return Err(format!("status {status}, expected {wanted}; body {body}"));
    }
    for (name, pattern) in &expect.headers {
        let found =
            header(answer, name).ok_or_else(|| format!("response header {name} is missing"))?;
        let pattern = Regex::new(&vars.text(pattern)?).map_err(|problem| problem.to_string())?;
        if !pattern.is_match(found) {
            return Err(format!("response header {name}: `{found}` !~ /{pattern}/"));
        }
    }
    for name in &expect.absent_headers {
        if let Some(found) = header(answer, name) {
            return Err(format!(
                "response header {name}: expected none, got `{found}`"
            ));
        }
    }
    if expect.empty && !answer.body().is_empty() {
        let body = clipped(&String::from_utf8_lossy(answer.body()), 120);
        return Err(format!("expected no body, got {body}"));
    }
    if step.request.method == "PATCH" && status == 200 && !document.is_some_and(Value::is_object) {
        // RFC 7644 section 3.5.2: 200 with the resource, or 204.
        return Err("PATCH 200 without the resource in the body".to_owned());
    }
    let asks =
        expect.body_subset.is_some() || !expect.absent.is_empty() || !expect.count.is_empty();
    match document {
        _ if status == 204 || !asks => Ok(()),
        Some(document) => check_body(expect, document, vars),
        None => Err("expected a JSON body".to_owned()),
    }
}

/// Captures the values of a step.
///
/// # Errors
/// The place of a missing value.
pub(super) fn capture(
    step: &Step,
    answer: &Response<Bytes>,
    document: Option<&Value>,
    vars: &mut Vars,
) -> Result<(), String> {
    for (name, place) in &step.capture {
        let found = match place.strip_prefix("header:") {
            Some(name) => header(answer, name).map(|text| Value::String(text.to_owned())),
            None => document.and_then(|document| find(document, place)).cloned(),
        };
        if unassigned(found.as_ref()) {
            return Err(format!("nothing to capture at {place}"));
        }
        let name = vars.text(name)?;
        vars.set(name, found.unwrap_or_default());
    }
    Ok(())
}

/// Returns whether the response has the SCIM media type.
pub(super) fn is_scim(answer: &Response<Bytes>) -> bool {
    header(answer, "content-type").is_some_and(|h| h.to_lowercase().starts_with(SCIM))
}

fn check_body(expect: &Expectation, document: &Value, vars: &mut Vars) -> Result<(), String> {
    if let Some(subset) = &expect.body_subset {
        matches(&vars.tree(subset)?, document)?;
    }
    for path in &expect.absent {
        let found = find(document, &vars.text(path)?);
        if !unassigned(found) {
            return Err(format!("{path}: expected absent, got {}", short(found)));
        }
    }
    for (path, wanted) in &expect.count {
        let found = find(document, &vars.text(path)?);
        let count = match found {
            None | Some(Value::Null) => 0,
            Some(Value::Array(elements)) => elements.len(),
            Some(_) => 1,
        };
        if count != *wanted {
            let found = short(found);
            return Err(format!(
                "{path}: expected {wanted} elements, got {count}: {found}"
            ));
        }
    }
    Ok(())
}

fn header<'a>(answer: &'a Response<Bytes>, name: &str) -> Option<&'a str> {
    answer
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
}
