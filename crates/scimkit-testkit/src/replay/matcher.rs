//! Comparison of a body with its expectation.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime};
use regex::Regex;
use serde_json::{Map, Value};

use super::json::{member, short, type_name, unassigned};

/// Compares a JSON value with its expectation.
///
/// - an object: contains every expected member, ignoring the case of names; further members are allowed
/// - an array: has the same number of elements, in any order, and each expected element matches a different one
/// - `null` and `[]`: unassigned, which means missing, `null` or `[]` (RFC 7643 section 2.5)
/// - anything else: equal, including the JSON type: `true` is not `"True"`
///
/// An object with one of these names as its only member is an operator:
///
/// | operator | matches |
/// |---|---|
/// | `{"$any": [..]}` | a value that matches one of these |
/// | `{"$ci": "text"}` | that string, ignoring case |
/// | `{"$contains": [..]}` | an array with at least these elements |
/// | `{"$datetime": "2024-01-01T00:00:00Z"}` | that instant, in any notation |
/// | `{"$each": ..}` | an array in which every element matches this |
/// | `{"$ge": 1}` | a number at least as large |
/// | `{"$not": ..}` | a value that does not match this |
/// | `{"$only": {..}}` | an object with exactly these members |
/// | `{"$ordered": [..]}` | an array with these elements in this order |
/// | `{"$re": "^a"}` | a string that contains a match of the regular expression |
/// | `{"$type": "string"}` | that JSON type, or `integer` |
///
/// # Errors
/// The first difference, as a sentence that starts with its place; also for an unknown operator or an invalid regular
/// expression.
///
/// # Example
/// ```
/// use scimkit_testkit::replay::matches;
/// use serde_json::json;
///
/// let actual = json!({"id": "1", "emails": [{"value": "b"}, {"value": "a"}]});
/// matches(&json!({"emails": [{"value": "a"}, {"value": {"$ci": "B"}}]}), &actual)?;
/// let difference = matches(&json!({"emails": [{"value": "a"}]}), &actual).unwrap_err();
/// assert!(difference.starts_with("$.emails: expected 1 elements, got 2"));
/// # Ok::<(), String>(())
/// ```
pub fn matches(expected: &Value, actual: &Value) -> Result<(), String> {
    compare(expected, actual, "$").map_err(|fault| match fault {
        Fault::Differs(text) | Fault::Malformed(text) => text,
    })
}

/// The reason why a value does not match.
enum Fault {
    /// The value differs, but another alternative or element may match.
    Differs(String),
    /// The expectation is invalid, so no alternative helps.
    Malformed(String),
}

fn differs<T>(place: &str, what: impl std::fmt::Display) -> Result<T, Fault> {
    Err(Fault::Differs(format!("{place}: {what}")))
}

fn compare(expected: &Value, actual: &Value, place: &str) -> Result<(), Fault> {
    if unassigned(Some(expected)) {
        return if unassigned(Some(actual)) {
            Ok(())
        } else {
            differs(
                place,
                format!("expected unassigned, got {}", short(Some(actual))),
            )
        };
    }
    match expected {
        Value::Array(elements) => {
            let found = array(actual, place)?;
            if elements.len() != found.len() {
                let wanted = elements.len();
                let got = found.len();
                let actual = short(Some(actual));
                return differs(
                    place,
                    format!("expected {wanted} elements, got {got}: {actual}"),
                );
            }
            pair(elements, found, place)
        }
        Value::Object(members) => match operator(members) {
            Some((name, argument)) => operate(name, argument, actual, place),
            None => object(members, actual, place),
        },
        scalar => equal(scalar, actual, place),
    }
}

/// Returns the only member of an object, if its name is that of an operator.
fn operator(members: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, argument) = members.iter().next().filter(|_| members.len() == 1)?;
    (name.starts_with('$') && name != "$ref").then_some((name.as_str(), argument))
}

fn operate(name: &str, argument: &Value, actual: &Value, place: &str) -> Result<(), Fault> {
    let shown = short(Some(actual));
    let (holds, problem) = match (name, argument) {
        ("$any", Value::Array(alternatives)) => return any(alternatives, actual, place),
        ("$ci", Value::String(text)) => {
            let folded = actual.as_str().map(str::to_lowercase);
            let same = folded.is_some_and(|actual| actual == text.to_lowercase());
            (same, format!("{shown} != `{text}` (ignoring case)"))
        }
        ("$contains", Value::Array(elements)) => {
            return pair(elements, array(actual, place)?, place);
        }
        ("$datetime", Value::String(text)) => {
            let wanted = instant(text).ok_or_else(|| malformed(name, argument))?;
            let same = actual.as_str().and_then(instant) == Some(wanted);
            (same, format!("{shown} is not the instant {text}"))
        }
        ("$each", wanted) => return each(wanted, actual, place),
        ("$ge", Value::Number(least)) => {
            let actual = actual.as_f64();
            let least = least.as_f64();
            (
                actual >= least && actual.is_some(),
                format!("{shown} < {argument}"),
            )
        }
        ("$not", unwanted) => match compare(unwanted, actual, place) {
            Err(Fault::Differs(_)) => (true, String::new()),
            Err(malformed) => return Err(malformed),
            Ok(()) => (false, format!("{shown} must not match")),
        },
        ("$only", Value::Object(members)) => return only(members, actual, place),
        ("$ordered", Value::Array(elements)) => return ordered(elements, actual, place),
        ("$re", Value::String(pattern)) => {
            let pattern = Regex::new(pattern).map_err(|_| malformed(name, argument))?;
            let found = actual.as_str().is_some_and(|text| pattern.is_match(text));
            (found, format!("{shown} !~ /{pattern}/"))
        }
        ("$type", Value::String(wanted)) => {
            let got = type_name(actual);
            (
                got == wanted,
                format!("expected {wanted}, got {got} {shown}"),
            )
        }
        _ => return Err(malformed(name, argument)),
    };
    if holds {
        Ok(())
    } else {
        differs(place, problem)
    }
}

fn malformed(name: &str, argument: &Value) -> Fault {
    Fault::Malformed(format!("there is no matcher `{name}` for {argument}"))
}

fn each(wanted: &Value, actual: &Value, place: &str) -> Result<(), Fault> {
    for (at, element) in array(actual, place)?.iter().enumerate() {
        compare(wanted, element, &format!("{place}[{at}]"))?;
    }
    Ok(())
}

fn any(alternatives: &[Value], actual: &Value, place: &str) -> Result<(), Fault> {
    let mut first = None;
    for alternative in alternatives {
        match compare(alternative, actual, place) {
            Err(Fault::Differs(problem)) => first = first.or(Some(problem)),
            other => return other,
        }
    }
    let problem = first.unwrap_or_else(|| "there are no alternatives".to_owned());
    differs(place, format!("none of the alternatives: {problem}"))
}

fn object(members: &Map<String, Value>, actual: &Value, place: &str) -> Result<(), Fault> {
    if !actual.is_object() {
        return differs(
            place,
            format!("expected an object, got {}", short(Some(actual))),
        );
    }
    for (name, expected) in members {
        let place = format!("{place}.{name}");
        match member(actual, name) {
            Some(value) => compare(expected, value, &place)?,
            None if may_be_absent(expected) => {}
            None => return differs(&place, "missing"),
        }
    }
    Ok(())
}

/// Compares the expected members, and allows no others.
fn only(members: &Map<String, Value>, actual: &Value, place: &str) -> Result<(), Fault> {
    object(members, actual, place)?;
    let folded: BTreeSet<String> = members.keys().map(|name| name.to_lowercase()).collect();
    let found = actual.as_object().into_iter().flatten();
    match found
        .map(|(name, _)| name)
        .find(|name| !folded.contains(&name.to_lowercase()))
    {
        Some(name) => differs(place, format!("unexpected member `{name}`")),
        None => Ok(()),
    }
}

fn ordered(elements: &[Value], actual: &Value, place: &str) -> Result<(), Fault> {
    let found = array(actual, place)?;
    if elements.len() != found.len() {
        let wanted = elements.len();
        let got = found.len();
        let actual = short(Some(actual));
        return differs(
            place,
            format!("expected {wanted} elements, got {got}: {actual}"),
        );
    }
    for (at, (wanted, element)) in elements.iter().zip(found).enumerate() {
        compare(wanted, element, &format!("{place}[{at}]"))?;
    }
    Ok(())
}

fn may_be_absent(expected: &Value) -> bool {
    let alternatives = expected.get("$any").and_then(Value::as_array);
    unassigned(Some(expected))
        || alternatives.is_some_and(|all| all.iter().any(|one| unassigned(Some(one))))
}

fn equal(expected: &Value, actual: &Value, place: &str) -> Result<(), Fault> {
    let numbers = || Some((expected.as_f64()?, actual.as_f64()?));
    let same = expected == actual || numbers().is_some_and(|(a, b)| a == b);
    if same {
        return Ok(());
    }
    let wanted = short(Some(expected));
    let got = short(Some(actual));
    match (type_name(expected), type_name(actual)) {
        (one, other) if one != other => {
            differs(place, format!("expected {one} {wanted}, got {other} {got}"))
        }
        _ => differs(place, format!("expected {wanted}, got {got}")),
    }
}

fn array<'v>(actual: &'v Value, place: &str) -> Result<&'v [Value], Fault> {
    match actual {
        Value::Array(elements) => Ok(elements),
        _ => differs(
            place,
            format!("expected an array, got {}", short(Some(actual))),
        ),
    }
}

/// Assigns a different actual element to each expected one, by augmenting paths.
fn pair(expected: &[Value], actual: &[Value], place: &str) -> Result<(), Fault> {
    let mut candidates = Vec::with_capacity(expected.len());
    for wanted in expected {
        let mut fits = Vec::new();
        for (at, element) in actual.iter().enumerate() {
            match compare(wanted, element, place) {
                Ok(()) => fits.push(at),
                Err(Fault::Differs(_)) => {}
                Err(malformed) => return Err(malformed),
            }
        }
        candidates.push(fits);
    }
    let mut taken = BTreeMap::new();
    for (at, wanted) in expected.iter().enumerate() {
        if !grow(at, &candidates, &mut taken, &mut BTreeSet::new()) {
            let elements = actual
                .iter()
                .map(Value::to_string)
                .collect::<Vec<_>>()
                .join(",");
            let elements = super::json::clipped(&elements, 220);
            let problem = format!("no element matches {} in [{elements}]", short(Some(wanted)));
            return differs(place, problem);
        }
    }
    Ok(())
}

/// Assigns an actual element to the expected one, if necessary by reassigning others.
fn grow(
    expected: usize,
    candidates: &[Vec<usize>],
    taken: &mut BTreeMap<usize, usize>,
    seen: &mut BTreeSet<usize>,
) -> bool {
    candidates.get(expected).into_iter().flatten().any(|at| {
        if !seen.insert(*at) {
            return false;
        }
        let free = match taken.get(at).copied() {
            None => true,
            Some(other) => grow(other, candidates, taken, seen),
        };
        if free {
            taken.insert(*at, expected);
        }
        free
    })
}

/// Parses a date, or date and time; without an offset, it is UTC.
fn instant(text: &str) -> Option<DateTime<FixedOffset>> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Some(instant);
    }
    let date = || NaiveDate::parse_from_str(text, "%Y-%m-%d").map(|d| d.and_time(NaiveTime::MIN));
    let plain = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").or_else(|_| date());
    plain.ok().map(|plain| plain.and_utc().fixed_offset())
}
