//! The definitions of lookup keys and texts: processes with different schemas may share a file.
//!
//! Each row names the definition of its keys, so that a process knows which rows it can look up by
//! keys and which it has to evaluate.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, OptionalExtension, params, types::Value};
use scimkit_registry::{AttrId, Resource, ResourceType};

use crate::error::Outcome;

/// The definition of a row without keys, whose document does not fit its schema.
pub(crate) const UNKEYED: &str = "-";
/// Seconds after which the use of a definition is noted again.
const NOTED: u64 = 30;

/// The fingerprint of a type's key definition.
pub(crate) fn current(kind: &ResourceType) -> String {
    kind.key_fingerprint().to_string()
}

/// Seconds since 1970 by the clock of this machine.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// Records the definitions of a type before rows are written under them, and their use.
pub(crate) fn register(connection: &Connection, kind: &ResourceType) -> Outcome<()> {
    let (key, now) = (current(kind), now());
    let used = "SELECT used_s FROM key_definition WHERE kind = ?1 AND fingerprint = ?2";
    let mut used = connection.prepare_cached(used)?;
    let used: Option<i64> = used
        .query_row(params![kind.name(), key], |row| row.get(0))
        .optional()?;
    match used {
        Some(used) if now.abs_diff(used) < NOTED => {}
        Some(_) => {
            let sql = "UPDATE key_definition SET used_s = ?3 WHERE kind = ?1 AND fingerprint = ?2";
            let mut statement = connection.prepare_cached(sql)?;
            statement.execute(params![kind.name(), key, now])?;
        }
        None => add_key_definition(connection, kind, now)?,
    }
    add_text_definition(connection, kind)
}

fn add_key_definition(connection: &Connection, kind: &ResourceType, now: i64) -> Outcome<()> {
    let attributes = kind.key_definitions().join("\n");
    connection.execute(
        "INSERT INTO key_definition (kind, fingerprint, attributes, used_s)
         VALUES (?1, ?2, ?3, ?4)",
        params![kind.name(), current(kind), attributes, now],
    )?;
    // An older file named the definition by the fingerprint of the whole schema.
    connection.execute(
        "INSERT OR IGNORE INTO key_definition (kind, fingerprint, attributes, used_s)
         SELECT DISTINCT kind, fingerprint, ?3, 0 FROM keys_before
         WHERE kind = ?1 AND fingerprint = ?2",
        params![kind.name(), kind.fingerprint().to_string(), attributes],
    )?;
    Ok(())
}

fn add_text_definition(connection: &Connection, kind: &ResourceType) -> Outcome<()> {
    let shape = kind.fingerprint().to_string();
    if text_definition(connection, kind, &shape)?.is_none() {
        connection.execute(
            "INSERT INTO text_definition (kind, fingerprint, attributes) VALUES (?1, ?2, ?3)",
            params![kind.name(), shape, kind.shown_attributes()],
        )?;
    }
    Ok(())
}

fn text_definition(
    connection: &Connection,
    kind: &ResourceType,
    shape: &str,
) -> Outcome<Option<String>> {
    let sql = "SELECT attributes FROM text_definition WHERE kind = ?1 AND fingerprint = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row(params![kind.name(), shape], |row| row.get(0));
    Ok(found.optional()?)
}

/// Which rows a statement is about, by the definition of their keys.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Keyed<'a> {
    /// Those whose keys can be looked up: all but these definitions.
    Except(&'a [String]),
    /// Those that have to be evaluated: only these definitions.
    Only(&'a [String]),
}

impl Keyed<'_> {
    /// Whether the rows have keys of the current definition.
    pub(crate) fn is_keyed(self) -> bool {
        matches!(self, Keyed::Except(_))
    }

    /// Adds the restriction to a condition about `r` and to its parameters.
    pub(crate) fn restrict(self, condition: &mut String, values: &mut Vec<Value>) {
        let (names, operator) = match self {
            Keyed::Except([]) => return,
            Keyed::Except(names) => (names, "NOT IN"),
            Keyed::Only(names) => (names, "IN"),
        };
        let places: Vec<_> = (1..=names.len())
            .map(|n| format!("?{}", values.len() + n))
            .collect();
        condition.push_str(&format!(" AND r.keys {operator} ({})", places.join(", ")));
        values.extend(names.iter().cloned().map(Value::Text));
    }
}

/// The definitions that some rows of a table have although their keys say nothing, or something
/// else, about these attributes.
pub(crate) fn stale(
    connection: &Connection,
    (tenant, table): (&str, &str),
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
    let mut present = present(connection, (tenant, table), kind)?;
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

/// A definition of keys that some rows have.
#[derive(Debug)]
pub(crate) struct Definition {
    /// None where nobody knows it any more.
    attributes: Option<String>,
    /// What the rows say.
    pub(crate) name: String,
}

/// The definitions of the rows of a type, without the current one.
pub(crate) fn present(
    connection: &Connection,
    (tenant, table): (&str, &str),
    kind: &ResourceType,
) -> Outcome<Vec<Definition>> {
    // One step along the index for each definition, however many rows have it.
    let sql = format!(
        "WITH RECURSIVE present (name) AS (
             SELECT min(keys) FROM {table} WHERE tenant = ?1 AND kind = ?2
             UNION ALL
             SELECT (SELECT min(t.keys) FROM {table} t
                     WHERE t.tenant = ?1 AND t.kind = ?2 AND t.keys > present.name)
             FROM present WHERE present.name IS NOT NULL)
         SELECT name FROM present WHERE name IS NOT NULL"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![tenant, kind.name()])?;
    let current = current(kind);
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
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

/// The definition of rows that an older release wrote.
fn before(connection: &Connection, tenant: &str, kind: &ResourceType) -> Outcome<Option<String>> {
    let sql = "SELECT fingerprint FROM keys_before WHERE tenant = ?1 AND kind = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row(params![tenant, kind.name()], |row| row.get(0));
    Ok(found.optional()?)
}

fn key_definition(
    connection: &Connection,
    kind: &ResourceType,
    fingerprint: &str,
) -> Outcome<Option<String>> {
    let sql = "SELECT attributes FROM key_definition WHERE kind = ?1 AND fingerprint = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row(params![kind.name(), fingerprint], |row| row.get(0));
    Ok(found.optional()?)
}

/// Whether another definition of a type was used within so many seconds.
pub(crate) fn is_another_used(
    connection: &Connection,
    kind: &ResourceType,
    within: u64,
) -> Outcome<bool> {
    let sql = "SELECT used_s FROM key_definition WHERE kind = ?1 AND fingerprint <> ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![kind.name(), current(kind)])?;
    let now = now();
    while let Some(row) = rows.next()? {
        // A clock that jumped back counts as use, so that nobody is disturbed.
        if now.abs_diff(row.get(0)?) < within {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Which stored texts can be sent as they are under the schema of a type.
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

    /// Whether a text of that shape can be sent as it is.
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

    /// The shape of a document that is written over one of another shape.
    pub(crate) fn shape_after(&self, shape: &str, document: &Resource) -> Outcome<String> {
        if self.can_send(shape)? || is_open(self.kind, document) {
            return Ok(self.own.clone());
        }
        // What the other schema shows and this one hides is still there.
        let other = text_definition(self.connection, self.kind, shape)?.unwrap_or_default();
        let other: BTreeSet<_> = other.lines().collect();
        let own = self.kind.shown_attributes();
        Ok(match own.lines().all(|line| other.contains(line)) {
            true => shape.to_owned(),
            false => String::new(),
        })
    }
}

/// Whether the schema shows everything that the document holds.
pub(crate) fn is_open(kind: &ResourceType, resource: &Resource) -> bool {
    let mut shown = resource.as_map().clone();
    kind.project(&mut shown, &kind.projection::<&str>(&[], &[]));
    shown == *resource.as_map()
}
