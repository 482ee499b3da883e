//! Invalid lines: the import fails with the number of the line, and stores none of the lines.

use std::sync::Arc;

use scimkit_store::archive::{ArchiveError, ArchiveOptions};
use serde_json::{Value, json};

use super::{
    ArchiveCheck,
    store_pair::{Pair, resource, told, with_line},
};
use crate::contract::fixture::{ensure, ensure_eq, second};

pub(super) const CHECKS: &[ArchiveCheck] = &[
    ArchiveCheck {
        name: "invalid_line_imports_nothing",
        run: bad_lines,
    },
    ArchiveCheck {
        name: "documents_beyond_the_limit_are_rejected",
        run: large,
    },
    ArchiveCheck {
        name: "no_imported_resource_changed_before_it_was_created",
        run: backwards,
    },
    ArchiveCheck {
        name: "existing_data_is_not_overwritten",
        run: occupied,
    },
    ArchiveCheck {
        name: "attributes_hidden_by_the_schema_stay_hidden",
        run: hidden,
    },
    ArchiveCheck {
        name: "never_returned_attributes_are_left_out",
        run: never_returned,
    },
];

/// A tenant of eight lines.
const SMALL: &str = r#"{"tenant":{"format":1,"id":"acme","versions":9,"name":"Acme","created":"2026-01-01T00:00:00.000Z","revision":1}}
{"connection":{"id":"crm","name":"","created":"2026-01-01T00:00:00.000Z","revision":1,"rules":"{}"}}
{"token":{"id":"1","connection":"crm","digest":"0101010101010101010101010101010101010101010101010101010101010101","name":"","scopes":["read"],"created":"2026-01-01T00:00:00.000Z","revision":1}}
{"resource":{"type":"Group","id":"g1","version":"3","created":"2026-01-01T00:00:00.000Z","lastModified":"2026-01-01T00:00:00.000Z","document":{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"g"}}}
{"edges":{"type":"Group","id":"g1","attribute":"members","targets":[{"value":"u1"},{"value":"u2","type":"User"}]}}
{"resource":{"type":"User","id":"u1","version":"7","created":"2026-01-01T00:00:00.000Z","lastModified":"2026-01-01T00:00:00.000Z","document":{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a"}}}
{"retired":{"type":"User","id":"u3","created":"2026-01-01T00:00:00.000Z","retired":"2026-01-01T00:00:00.000Z","connection":"crm","document":{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"c"}}}
{"end":{"connections":1,"tokens":1,"resources":2,"members":2,"retired":1}}
"#;

fn bad_lines(pair: &Pair<'_>) -> Result<(), String> {
    let name = |name: &str| json!({"userName": name});
    let twice = resource("u2", "8", &name("A"));
    let bad: [(usize, &str, &str); 28] = [
        (1, r#""versions":9"#, r#""versions":-9"#),
        (1, r#""versions":9"#, r#""versions":9223372036854775807"#),
        (4, r#""version":"3""#, r#""version":"9223372036854775807""#),
        (2, r#""id":"crm""#, r#""id":5"#),
        (3, r#""connection":"crm""#, r#""connection":"erp""#),
        (3, r#""connection":"crm""#, r#""connection":"CRM""#),
        (4, r#""type":"Group""#, r#""type":"Team""#),
        (4, r#""version":"3""#, r#""version":"three""#),
        (4, r#""version":"3""#, r#""version":"0""#),
        (4, r#""version":"3""#, r#""version":"03""#),
        (4, r#""version":"3""#, r#""version":"9223372036854775808""#),
        (4, r#""id":"g1""#, r#""id":"""#),
        (4, r#""id":"g1""#, r#""id":"bulkId:g1""#),
        (4, r#""id":"g1""#, r#""id":"g\n1""#),
        (4, r#""displayName":"g""#, r#""displayName":["g"]"#),
        (4, r#""displayName":"g""#, r#""displayName":null"#),
        (5, r#""id":"g1""#, r#""id":"g2""#),
        (5, r#""type":"Group""#, r#""type":"User""#),
        (5, r#""type":"Group""#, r#""type":"Team""#),
        (
            5,
            r#""attribute":"members""#,
            r#""attribute":"displayName""#,
        ),
        (5, r#""attribute":"members""#, r#""attribute":"MEMBERS""#),
        (5, r#""value":"u2""#, r#""value":"u1""#),
        (5, r#""value":"u2""#, r#""value":"u0""#),
        (6, r#""id":"u1""#, r#""id":"g1""#),
        (7, r#""id":"u3""#, r#""id":"u1""#),
        (7, r#""id":"u3""#, r#""id":"bulkId:""#),
        (7, r#""id":"u3""#, r#""id":"\u007f""#),
        (7, r#""userName":"c""#, r#""userName":5"#),
    ];
    let mut broken = Vec::new();
    for (number, old, new) in bad {
        let line = SMALL.lines().nth(number - 1).unwrap_or_default();
        ensure!(line.contains(old), "line {number} has no {old}");
        let changed = line.replacen(old, new, 1);
        broken.push((number, with_line(SMALL, number, Some(&changed))));
    }
    broken.extend(rejected_by_administration()?);
    // A repeated line, and another user with a name that is in use.
    for number in [2, 3, 4, 5, 6, 7] {
        let line = SMALL.lines().nth(number - 1).unwrap_or_default();
        let doubled = format!("{line}\n{line}");
        broken.push((number + 1, with_line(SMALL, number, Some(&doubled))));
    }
    let line = SMALL.lines().nth(5).unwrap_or_default();
    let taken = with_line(SMALL, 6, Some(&format!("{line}\n{twice}")));
    broken.push((7, taken));
    for (number, lines) in broken {
        match pair
            .to
            .import(&recounted(&lines), &ArchiveOptions::default())?
        {
            Err(ArchiveError::Line { line, .. }) if line == number as u64 => {}
            Err(other) => return Err(format!("{}, for line {number} of {lines}", told(&other))),
            Ok(_) => return Err(format!("line {number} is kept: {lines}")),
        }
        pair.to.has_nothing()?;
    }
    pair.to.restored(SMALL)?;
    ensure_eq!(pair.to.lines()?, SMALL, "the lines that were right");
    Ok(())
}

/// Returns lines with values that administration or the protocol rejects, each with its line number.
fn rejected_by_administration() -> Result<Vec<(usize, String)>, String> {
    let long = "a".repeat(64);
    let longer = "a".repeat(201);
    let rules = |rules: &str| format!(r#""rules":{}"#, Value::from(rules));
    let unknown = rules(r#"{"of a later release":1}"#);
    let word = rules(r#"{"create_policy":"adoptt"}"#);
    let tolerance = rules(r#"{"tolerance":"nobody"}"#);
    let big = rules(&format!(r#"{{"mapping":"{}"}}"#, "#".repeat(256 << 10)));
    let one = r#""revision":1"#;
    let bad = [
        (1, r#""id":"acme""#, r#""id":"Acme Inc.""#.to_owned()),
        (1, r#""id":"acme""#, format!(r#""id":"{long}""#)),
        (1, r#""name":"Acme""#, r#""name":"A\nB""#.to_owned()),
        (1, r#""name":"Acme""#, format!(r#""name":"{longer}""#)),
        (1, one, r#""revision":0"#.to_owned()),
        (1, one, r#""revision":4611686018427387905"#.to_owned()),
        (2, r#""id":"crm""#, r#""id":"""#.to_owned()),
        (2, r#""id":"crm""#, r#""id":"CRM""#.to_owned()),
        (2, r#""id":"crm""#, r#""id":"crm-""#.to_owned()),
        (2, r#""id":"crm""#, format!(r#""id":"{long}""#)),
        (2, r#""name":"""#, r#""name":"\u0000""#.to_owned()),
        (2, r#""name":"""#, format!(r#""name":"{longer}""#)),
        (2, r#""rules":"{}""#, rules("")),
        (2, r#""rules":"{}""#, rules("[]")),
        (2, r#""rules":"{}""#, rules("{")),
        (2, r#""rules":"{}""#, unknown),
        (2, r#""rules":"{}""#, word),
        (2, r#""rules":"{}""#, tolerance),
        (2, r#""rules":"{}""#, big),
        (2, one, r#""revision":0"#.to_owned()),
        (3, r#""id":"1""#, r#""id":"one two""#.to_owned()),
        (3, r#""id":"1""#, r#""id":"""#.to_owned()),
        (3, r#""digest":"01"#, r#""digest":"+1"#.to_owned()),
        (3, r#""digest":"01"#, r#""digest":""#.to_owned()),
        (3, r#""name":"""#, format!(r#""name":"{longer}""#)),
        (3, r#"["read"]"#, "[]".to_owned()),
        (3, one, format!(r#"{one},"expires":"2025-12-31T00:00:00Z""#)),
        (3, one, format!(r#"{one},"expires":"tomorrow""#)),
        (3, one, r#""revision":0"#.to_owned()),
        (4, r#","displayName":"g""#, String::new()),
        (4, r#":"g"}"#, format!(r#":"{}"}}"#, "g".repeat(70_000))),
        (5, r#""value":"u1""#, r#""value":"""#.to_owned()),
        (5, r#""value":"u1""#, r#""value":"bulkId:u1""#.to_owned()),
        (5, r#""type":"User""#, r#""type":7"#.to_owned()),
        (5, r#":"User"}"#, format!(r#":"{}"}}"#, "U".repeat(70_000))),
        (6, r#""userName":"a""#, r#""title":"a""#.to_owned()),
        (7, r#""connection":"crm""#, r#""connection":"""#.to_owned()),
        (7, r#""userName":"c""#, r#""nickName":"c""#.to_owned()),
    ];
    let mut broken = Vec::new();
    for (number, old, new) in bad {
        let line = SMALL.lines().nth(number - 1).unwrap_or_default();
        ensure!(line.contains(old), "line {number} has no {old}");
        let changed = line.replacen(old, &new, 1);
        broken.push((number, with_line(SMALL, number, Some(&changed))));
    }
    Ok(broken)
}

/// Checks the limit for live and soft-deleted resources.
fn large(pair: &Pair<'_>) -> Result<(), String> {
    let mut to = pair.to.tenant("acme");
    let document = |text: &str| {
        let start = text
            .find(r#""document":"#)
            .map(|at| at + r#""document":"#.len());
        let document = start.and_then(|at| text.get(at..text.len() - 2));
        document.map_or(0, |document| document.len() as u64)
    };
    for number in [4, 6, 7] {
        let line = SMALL.lines().nth(number - 1).unwrap_or_default();
        let long = line.replacen(r#""}}}"#, &format!(r#"{}"}}}}}}"#, "x".repeat(100)), 1);
        let lines = with_line(SMALL, number, Some(&long));
        let settings = Arc::make_mut(&mut to.fixture.context.settings);
        settings.limits.document = document(&long) - 1;
        match to.import(&lines, &ArchiveOptions::default())? {
            Err(ArchiveError::Line { line, problem }) if line == number as u64 => {
                ensure!(problem.contains("more than"), "{problem}");
            }
            other => return Err(format!("{other:?} for a document beyond the limit")),
        }
        to.has_nothing()?;
        let settings = Arc::make_mut(&mut to.fixture.context.settings);
        settings.limits.document = document(&long);
        to.restored(&lines)?;
        to.erase()?;
    }
    Ok(())
}

/// Imports lines as a store would have written them after its clock was set back.
fn backwards(pair: &Pair<'_>) -> Result<(), String> {
    let mut lines = SMALL.to_owned();
    for (number, name) in [(6, "lastModified"), (7, "retired")] {
        let line = SMALL.lines().nth(number - 1).unwrap_or_default();
        let old = format!(r#""{name}":"2026-01-01"#);
        ensure!(line.contains(&old), "line {number} has no {old}");
        let line = line.replacen(&old, &format!(r#""{name}":"2025-01-01"#), 1);
        lines = with_line(&lines, number, Some(&line));
    }
    pair.to.restored(&lines)?;
    ensure_eq!(pair.to.lines()?, SMALL, "the lines with the later instants");
    Ok(())
}

fn occupied(pair: &Pair<'_>) -> Result<(), String> {
    pair.to.restored(SMALL)?;
    let again = pair.to.import(SMALL, &ArchiveOptions::default())?;
    ensure!(
        matches!(again, Err(ArchiveError::Occupied)),
        "{again:?} the second time"
    );
    // The digest of the token belongs to another tenant.
    let other = pair.to.tenant("other");
    match other.import(SMALL, &ArchiveOptions::default())? {
        Err(ArchiveError::Line { line: 3, .. }) => other.has_nothing()?,
        answer => return Err(format!("{answer:?} for a digest that is there")),
    }
    // A soft-deleted resource counts as a resource, too.
    let retired = pair.from.tenant("retired");
    retired.restored(&recounted(&with_line(SMALL, 6, None)))?;
    let fixture = retired.fixture.retiring();
    fixture.delete(second(3), &fixture.group, "g1")?;
    let again = retired.import(SMALL, &ArchiveOptions::default())?;
    ensure!(
        matches!(again, Err(ArchiveError::Occupied)),
        "{again:?} over soft-deleted resources"
    );
    Ok(())
}

/// Returns the lines with an end line that contains the right counts.
fn recounted(lines: &str) -> String {
    let count = |kind: &str| {
        let start = format!("{{\"{kind}\":");
        lines
            .lines()
            .filter(|line| line.starts_with(&start))
            .count()
    };
    let members = lines.matches(r#"{"value":"#).count();
    let end = json!({"end": {
        "connections": count("connection"), "tokens": count("token"),
        "resources": count("resource"), "members": members, "retired": count("retired"),
    }});
    with_line(lines, lines.lines().count(), Some(&end.to_string()))
}

fn hidden(pair: &Pair<'_>) -> Result<(), String> {
    let document = json!({"shoeSize": 43, "userName": "b", "password": "t0p"});
    let lines = with_line(SMALL, 6, Some(&resource("u1", "7", &document)));
    pair.to.restored(&lines)?;
    let fixture = &pair.to.fixture;
    let stored = fixture.read(&fixture.user, "u1")?;
    let shown = stored.document;
    ensure!(
        !shown.is_exact(),
        "what the schema hides goes out as it is: {shown:?}"
    );
    Ok(())
}

/// Secrets in the lines of another product are not imported.
fn never_returned(pair: &Pair<'_>) -> Result<(), String> {
    let secret = r#","PASSWORD":"t0p","password":"t0p"}}}"#;
    let mut lines = SMALL.to_owned();
    for number in [6, 7] {
        let line = SMALL.lines().nth(number - 1).unwrap_or_default();
        let whole = line.strip_suffix("}}}").ok_or("a line has no document")?;
        lines = with_line(&lines, number, Some(&format!("{whole}{secret}")));
    }
    pair.to.restored(&lines)?;
    ensure_eq!(pair.to.lines()?, SMALL, "the lines without secrets");
    let stored = pair.to.fixture.read(&pair.to.fixture.user, "u1")?;
    let text = stored.document.text();
    ensure!(
        !String::from_utf8_lossy(text).contains("t0p"),
        "a password is stored"
    );
    Ok(())
}
