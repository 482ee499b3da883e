//! A change as a line of a table, or as JSON.

use chrono::SecondsFormat;
use scimkit_store::{JournalEntry, JournalSubject};
use serde_json::{Map, Value, json};

use crate::events::Event;

/// The names of the columns of [`csv_row`], without the end of the line.
pub const CSV_HEADER: &str =
    "time,number,part,tenant,connection,caller,request,subject,id,outcomes,changed,added,removed";

/// Returns a change as a line of CSV (RFC 4180), without the end of the line. Values are not part of it.
///
/// The cell of a list is separated by spaces. A cell that a spreadsheet would take for a formula begins with an
/// apostrophe. A gap has the number of its last change alone.
#[must_use]
pub fn csv_row(event: &Event) -> String {
    let position = event.position();
    let entry = event.entry();
    let cause = entry.map(|entry| entry.cause.clone()).unwrap_or_default();
    let (subject, id) = entry.map(subject).unwrap_or_default();
    let paths = event.details().map(|details| {
        let paths = details.attributes.iter().map(|change| &*change.path);
        paths.collect::<Vec<_>>().join(" ")
    });
    let members = |events: &mut dyn Iterator<Item = &scimkit_registry::ResourceId>| {
        let ids: Vec<_> = events.map(|id| id.as_str()).collect();
        ids.join(" ")
    };
    let cells = [
        entry.map(time).unwrap_or_default(),
        position.number.to_string(),
        entry
            .map(|entry| entry.part.to_string())
            .unwrap_or_default(),
        event.tenant().to_string(),
        cause
            .connection
            .map(|id| id.to_string())
            .unwrap_or_default(),
        cause.actor.unwrap_or_default().to_string(),
        cause.request.unwrap_or_default().to_string(),
        subject,
        id,
        event.outcomes().join(" "),
        paths.unwrap_or_default(),
        members(&mut event.member_added()),
        members(&mut event.member_removed()),
    ];
    cells.map(cell).join(",")
}

/// Returns a change as a JSON object, with the values that the journal has.
///
/// | member | content |
/// |---|---|
/// | `time`, `number`, `part`, `tenant` | as in the journal |
/// | `connection`, `caller`, `request` | the cause, as far as it is known |
/// | `subject`, `id` | the kind of what was changed, such as `User` or `token`, and its id |
/// | `outcomes` | the [words](Event::outcomes) for it |
/// | `changes` | the changed attributes: `path`, and `before` and `after` if they are recorded |
/// | `members` | the ids that were `added` and `removed` |
/// | `blanked` | `true` if the details were blanked |
#[must_use]
pub fn json_row(event: &Event) -> Value {
    let position = event.position();
    let mut row = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            row.insert(name.to_owned(), value);
        }
    };
    let entry = event.entry();
    put("time", entry.map(time).into());
    put("number", position.number.into());
    put("part", entry.map(|entry| entry.part).into());
    put("tenant", event.tenant().as_str().into());
    if let Some(entry) = entry {
        let cause = &entry.cause;
        let connection = cause.connection.as_ref().map(|id| id.as_str());
        put("connection", connection.into());
        put("caller", cause.actor.as_deref().into());
        put("request", cause.request.as_deref().into());
        let (subject, id) = subject(entry);
        put("subject", subject.into());
        put("id", Some(id).filter(|id| !id.is_empty()).into());
    }
    put("outcomes", event.outcomes().into());
    let changes = event.changes();
    if !changes.is_empty() {
        put("changes", changes.into());
    }
    let ids = |ids: &mut dyn Iterator<Item = &scimkit_registry::ResourceId>| {
        ids.map(|id| id.as_str().into()).collect::<Vec<Value>>()
    };
    let (added, removed) = (
        ids(&mut event.member_added()),
        ids(&mut event.member_removed()),
    );
    if !added.is_empty() || !removed.is_empty() {
        put("members", json!({"added": added, "removed": removed}));
    }
    if entry.is_some_and(|entry| entry.body.is_none()) {
        put("blanked", true.into());
    }
    row.into()
}

fn time(entry: &JournalEntry) -> String {
    entry.at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Returns the kind of what was changed, and its id, which is empty for the tenant.
fn subject(entry: &JournalEntry) -> (String, String) {
    let columns = entry.subject.columns();
    let kind = match &entry.subject {
        JournalSubject::Resource { .. } => columns.kind,
        _ => columns.word,
    };
    (kind.to_owned(), columns.id.to_owned())
}

/// Returns the text of a cell.
fn cell(text: String) -> String {
    // Spreadsheets evaluate cells that begin like this.
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if is_formula { format!("'{text}") } else { text };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{CSV_HEADER, cell};

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        for (text, expected) in [
            ("", ""),
            ("a b", "a b"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("a\nb", "\"a\nb\""),
            ("=1+1", "'=1+1"),
            ("-1", "'-1"),
            ("@a,b", "\"'@a,b\""),
        ] {
            assert_eq!(cell(text.to_owned()), expected);
        }
        assert_eq!(CSV_HEADER.split(',').count(), 13);
    }
}
