//! The consistency of a file: no partial writes, whatever happened to the process.

use std::{collections::BTreeSet, path::Path};

use rusqlite::{Connection, types::Value};
use scimkit_registry::{AttrKeys, Change, Resource, Scalar};
use scimkit_store::RequestContext;

/// Tenant, type, attribute, value and id, as text.
type Key = (String, String, String, String, String);

/// Fails unless every document has its keys, every key and edge its resource, and the file is intact. Members must
/// exist, because the writes rejected unknown ones.
pub(crate) fn check_file(path: &Path, context: &RequestContext) {
    check_lenient_file(path, context);
    let connection = Connection::open(path).unwrap();
    let sql = "SELECT count(*) FROM edge e WHERE NOT EXISTS (SELECT 1 FROM resource r
               WHERE r.tenant = e.tenant AND r.id = e.target)";
    let count: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(count, 0, "edges without a target");
}

/// Checks a file with possibly unknown members.
pub(crate) fn check_lenient_file(path: &Path, context: &RequestContext) {
    let connection = Connection::open(path).unwrap();
    let sound: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sound, "ok");
    assert_eq!(
        stored_keys(&connection, context),
        expected_keys(&connection, context)
    );
    for (what, sql) in RULES {
        let count: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(count, 0, "{what}");
    }
}

const RULES: [(&str, &str); 5] = [
    (
        "edges without an owner",
        "SELECT count(*) FROM edge e WHERE NOT EXISTS (SELECT 1 FROM resource r
         WHERE r.tenant = e.tenant AND r.kind = e.kind AND r.id = e.owner)",
    ),
    (
        "keys of nothing that is retired",
        "SELECT count(*) FROM retired_key k WHERE NOT EXISTS (SELECT 1 FROM retired r
         WHERE r.tenant = k.tenant AND r.kind = k.kind AND r.id = k.id)",
    ),
    (
        "wrong totals",
        "SELECT count(*) FROM resource_count k
         JOIN counter c ON c.tenant = k.tenant AND c.counted = c.version
         WHERE k.predicate = '' AND k.count <> (SELECT count(*) FROM resource r
         WHERE r.tenant = k.tenant AND r.kind = k.kind)",
    ),
    (
        "versions beyond the counter",
        "SELECT count(*) FROM resource r WHERE r.version > coalesce(
         (SELECT c.version FROM counter c WHERE c.tenant = r.tenant), 0)",
    ),
    (
        "keys under an unknown definition",
        "SELECT count(*) FROM resource r WHERE r.keys NOT IN ('', '-') AND NOT EXISTS (
         SELECT 1 FROM key_definition k WHERE k.kind = r.kind AND k.fingerprint = r.keys)",
    ),
];

/// Returns the keys of the resources with keys of the current definition.
fn stored_keys(connection: &Connection, context: &RequestContext) -> BTreeSet<Key> {
    let sql = "SELECT k.tenant, k.kind, k.attr, k.value, k.id, r.keys
               FROM lookup_key k LEFT JOIN resource r
                   ON r.tenant = k.tenant AND r.kind = k.kind AND r.id = k.id";
    let mut statement = connection.prepare(sql).unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut keys = BTreeSet::new();
    while let Some(row) = rows.next().unwrap() {
        let text = |at: usize| row.get::<_, String>(at).unwrap();
        let value = match row.get(3).unwrap() {
            Value::Integer(value) => value.to_string(),
            Value::Real(value) => format!("{value:?}"),
            Value::Text(value) => value,
            other => panic!("a key {other:?}"),
        };
        let definition: Option<String> = row.get(5).unwrap();
        let definition = definition.unwrap();
        if definition == definition_of(context, &text(1)) {
            keys.insert((text(0), text(1), text(2), value, text(4)));
        }
    }
    keys
}

fn definition_of(context: &RequestContext, kind: &str) -> String {
    let kind = context.settings.registry.resource_type(kind).unwrap();
    kind.key_fingerprint().to_string()
}

/// Returns the keys that follow from the documents, and checks `display`.
fn expected_keys(connection: &Connection, context: &RequestContext) -> BTreeSet<Key> {
    let sql = "SELECT tenant, kind, id, display, document, keys FROM resource";
    let mut statement = connection.prepare(sql).unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut keys = BTreeSet::new();
    while let Some(row) = rows.next().unwrap() {
        let text = |at: usize| row.get::<_, String>(at).unwrap();
        let tenant = text(0);
        let name = text(1);
        let id = text(2);
        let document = Resource::restore(text(4).as_bytes()).unwrap();
        let display = document
            .as_map()
            .get("displayName")
            .and_then(|name| name.as_str());
        assert_eq!(row.get::<_, Option<String>>(3).unwrap().as_deref(), display);
        if text(5) != definition_of(context, &name) {
            continue;
        }
        let kind = context.settings.registry.resource_type(&name).unwrap();
        for AttrKeys { attr, keys: values } in Change::create(kind.clone(), document).keys() {
            let attr = kind.attr(attr);
            for value in values {
                let path = attr.path().to_owned();
                keys.insert((
                    tenant.clone(),
                    name.clone(),
                    path,
                    shown(&value),
                    id.clone(),
                ));
            }
        }
    }
    keys
}

fn shown(value: &Scalar) -> String {
    match value {
        Scalar::Bool(value) => i64::from(*value).to_string(),
        Scalar::Decimal(value) => format!("{value:?}"),
        Scalar::Instant(value) | Scalar::Integer(value) => value.to_string(),
        Scalar::Text(value) => value.clone(),
    }
}
