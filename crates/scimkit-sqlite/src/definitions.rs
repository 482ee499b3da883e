//! The definitions of lookup keys and texts.
//!
//! Processes with different schemas may share a file. Each row names the definition of its keys, so that a process
//! knows which rows it can look up by keys and which it must evaluate.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use rusqlite::Connection;
use scimkit_registry::{AttrId, Resource, ResourceType};
use scimkit_sql::reference::{self, State};

use crate::{
    error::Outcome,
    statement::{DIALECT, all, execute, exists, first},
};

/// The definition of a row without keys, because its document does not match the schema.
pub(crate) const UNKEYED: &str = "-";
/// The number of seconds after which another use of a definition is recorded.
const NOTED: u64 = 30;

/// Returns the fingerprint of a type's key definition.
pub(crate) fn current(kind: &ResourceType) -> String {
    kind.key_fingerprint().to_string()
}

/// Returns the seconds since 1970 by the clock of this machine.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// Records the definitions of a type, and their use, before rows are written under them.
pub(crate) fn register(connection: &Connection, kind: &ResourceType) -> Outcome<()> {
    let keys = current(kind);
    let texts = kind.fingerprint().to_string();
    let statement = reference::key_definition_use(DIALECT, kind.name(), (&keys, &texts));
    let known: Option<(i64, bool)> =
        first(connection, &statement, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let now = now();
    match known {
        Some((used, _)) if now.abs_diff(used) < NOTED => {}
        Some(_) => {
            let definition = (kind.name(), keys.as_str());
            let statement = reference::record_key_definition_use(DIALECT, definition, now);
            execute(connection, &statement)?;
        }
        None => add_key_definition(connection, kind, now)?,
    }
    match known {
        Some((_, true)) => Ok(()),
        _ => add_text_definition(connection, kind),
    }
}

fn add_key_definition(connection: &Connection, kind: &ResourceType, now: i64) -> Outcome<()> {
    let attributes = kind.key_definitions().join("\n");
    let current = current(kind);
    let definition = (kind.name(), current.as_str());
    let statement = reference::insert_key_definition(DIALECT, definition, &attributes, now);
    execute(connection, &statement)?;
    // An older release identified the definition by the fingerprint of the whole schema.
    let schema = kind.fingerprint().to_string();
    let older = (kind.name(), schema.as_str());
    let statement = reference::insert_older_key_definition(DIALECT, older, &attributes);
    execute(connection, &statement)
}

fn add_text_definition(connection: &Connection, kind: &ResourceType) -> Outcome<()> {
    let shape = kind.fingerprint().to_string();
    if text_definition(connection, kind, &shape)?.is_none() {
        let definition = (kind.name(), shape.as_str());
        let shown = kind.shown_attributes();
        let statement = reference::insert_text_definition(DIALECT, definition, &shown);
        execute(connection, &statement)?;
    }
    Ok(())
}

fn text_definition(
    connection: &Connection,
    kind: &ResourceType,
    shape: &str,
) -> Outcome<Option<String>> {
    let statement = reference::text_definition(DIALECT, kind.name(), shape);
    first(connection, &statement, |row| Ok(row.get(0)?))
}

/// Returns the key definitions in use by rows whose keys do not cover these attributes, or define them in another way.
pub(crate) fn stale(
    connection: &Connection,
    (tenant, state): (&str, State),
    kind: &ResourceType,
    attrs: impl IntoIterator<Item = AttrId>,
) -> Outcome<Vec<String>> {
    let mut wanted = BTreeSet::new();
    let mut attrs = attrs
        .into_iter()
        .filter(|attr| kind.has_keys(*attr))
        .peekable();
    if attrs.peek().is_none() {
        return Ok(Vec::new());
    }
    let mut present = present(connection, (tenant, state), kind)?;
    if !present.is_empty() {
        wanted.extend(attrs.filter_map(|attr| kind.key_definition(attr)));
    }
    present.retain(|definition| {
        let attributes = definition.attributes.as_deref().unwrap_or_default();
        let known: BTreeSet<_> = attributes.lines().collect();
        !wanted.iter().all(|line| known.contains(line.as_str()))
    });
    Ok(present
        .into_iter()
        .map(|definition| definition.name)
        .collect())
}

/// A key definition that some rows use.
#[derive(Debug)]
pub(crate) struct Definition {
    /// The attributes, or `None` if the definition is not recorded.
    attributes: Option<String>,
    /// The name by which rows refer to the definition.
    pub(crate) name: String,
}

/// Returns the key definitions of the rows of a type, except the current one.
pub(crate) fn present(
    connection: &Connection,
    (tenant, state): (&str, State),
    kind: &ResourceType,
) -> Outcome<Vec<Definition>> {
    let rows = (tenant, kind.name());
    let current = current(kind);
    let statement = reference::has_other_key_definitions(DIALECT, rows, state, &current);
    if !exists(connection, &statement)? {
        return Ok(Vec::new());
    }
    let statement = reference::used_key_definitions(DIALECT, rows, state);
    let names: Vec<String> = all(connection, &statement, |row| Ok(row.get(0)?))?;
    let mut found = Vec::new();
    for name in names {
        let fingerprint = match name.as_str() {
            "" => before(connection, tenant, kind)?,
            name => Some(name.to_owned()),
        };
        if name == current
            || (name.is_empty() && fingerprint == Some(kind.fingerprint().to_string()))
        {
            continue;
        }
        let attributes = match fingerprint {
            Some(fingerprint) => key_definition(connection, kind, &fingerprint)?,
            None => None,
        };
        found.push(Definition { attributes, name });
    }
    Ok(found)
}

/// Returns the definition of rows that an older release wrote.
fn before(connection: &Connection, tenant: &str, kind: &ResourceType) -> Outcome<Option<String>> {
    let statement = reference::older_key_definition(DIALECT, tenant, kind.name());
    first(connection, &statement, |row| Ok(row.get(0)?))
}

fn key_definition(
    connection: &Connection,
    kind: &ResourceType,
    fingerprint: &str,
) -> Outcome<Option<String>> {
    let statement = reference::key_definition(DIALECT, kind.name(), fingerprint);
    first(connection, &statement, |row| Ok(row.get(0)?))
}

/// Returns whether another definition of a type was used within a number of seconds.
pub(crate) fn is_another_used(
    connection: &Connection,
    kind: &ResourceType,
    within: u64,
) -> Outcome<bool> {
    let current = current(kind);
    let statement = reference::other_key_definition_uses(DIALECT, kind.name(), &current);
    let uses: Vec<i64> = all(connection, &statement, |row| Ok(row.get(0)?))?;
    // A use slightly in the future, after a clock was set back, counts too, so that no running process is disturbed.
    let now = now();
    Ok(uses.into_iter().any(|used| now.abs_diff(used) < within))
}

/// Decides which stored texts can be sent unchanged under the schema of a type.
#[derive(Debug)]
pub(crate) struct Texts<'a> {
    connection: &'a Connection,
    pub(crate) kind: &'a Arc<ResourceType>,
    known: RefCell<HashMap<String, bool>>,
    own: String,
}

impl<'a> Texts<'a> {
    pub(crate) fn new(connection: &'a Connection, kind: &'a Arc<ResourceType>) -> Self {
        Texts {
            connection,
            kind,
            known: RefCell::default(),
            own: kind.fingerprint().to_string(),
        }
    }

    /// Returns whether a text with that definition can be sent unchanged.
    pub(crate) fn can_send(&self, shape: &str) -> Outcome<bool> {
        if shape == self.own {
            return Ok(true);
        }
        if let Some(known) = self.known.borrow().get(shape) {
            return Ok(*known);
        }
        let attributes = text_definition(self.connection, self.kind, shape)?;
        let can_send = attributes.is_some_and(|shown| self.kind.shows_all(&shown));
        self.known.borrow_mut().insert(shape.to_owned(), can_send);
        Ok(can_send)
    }

    /// Returns the text definition of a document that replaces a text with another definition.
    pub(crate) fn shape_after(&self, shape: &str, document: &Resource) -> Outcome<String> {
        if self.can_send(shape)? || is_open(self.kind, document) {
            return Ok(self.own.clone());
        }
        // The document may contain attributes that the other schema shows and this one hides.
        let other = text_definition(self.connection, self.kind, shape)?.unwrap_or_default();
        let other: BTreeSet<_> = other.lines().collect();
        let own = self.kind.shown_attributes();
        Ok(if own.lines().all(|line| other.contains(line)) {
            shape.to_owned()
        } else {
            String::new()
        })
    }
}

/// Returns whether the schema shows everything in the document.
pub(crate) fn is_open(kind: &ResourceType, resource: &Resource) -> bool {
    let mut shown = resource.as_map().clone();
    kind.project(&mut shown, &kind.projection::<&str>(&[], &[]));
    shown == *resource.as_map()
}
