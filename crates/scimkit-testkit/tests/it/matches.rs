//! The resources of the directory that a filter selects: one row per filter.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use scimkit_core::parse_instant;
use scimkit_filter::{Filter, ParseOptions};
use scimkit_registry::{Change, ResourceId, ResourceType, Tolerance};
use scimkit_store::{
    Batch, ExpectedVersion, MemoryStore, Query, ReadOptions, RequestContext, Settings, Store,
    StoreExt, TenantId, UnknownMemberPolicy, WriteOp, WriteOutcome,
};
use scimkit_testkit::{DIRECTORY, contract};
use serde_json::{Map, Value, json};

/// Rows on which the RFC is silent or practice differs, and the reasons for the expected results.
const CHOICES: [(&str, &str); 11] = [
    (
        "F0115",
        "a value filter on a single-valued complex attribute asks about its one value",
    ),
    (
        "F0183",
        "`emails[…].value eq` is what clients send for a term within the brackets",
    ),
    ("F0184", "as F0183"),
    ("F0185", "as F0183"),
    ("F0186", "blanks are harmless"),
    ("F0190", "blanks are harmless"),
    ("F0191", "blanks are harmless"),
    ("F0193", "blanks are harmless"),
    (
        "F0199",
        "null stands for an unassigned attribute, as in RFC 7643 section 2.5",
    ),
    (
        "F0201",
        "`ne` is the negation of `eq`, also where there is no value",
    ),
    ("F0202", "as F0201"),
];

struct Row {
    class: String,
    filter: String,
    id: String,
    matches: Vec<(String, bool)>,
}

fn rows() -> Vec<Row> {
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        let one = |m: &Value| {
            (
                m["resource"].as_str().unwrap().to_owned(),
                m["matches"].as_bool().unwrap(),
            )
        };
        let matches = row["match"].as_array().unwrap().iter().map(one).collect();
        Row {
            class: text("class"),
            filter: text("filter"),
            id: text("id"),
            matches,
        }
    };
    include_str!("cases/matches.jsonl")
        .lines()
        .map(row)
        .collect()
}

#[test]
fn filters_select_what_the_rows_say() {
    let (store, context) = directory();
    let mut wrong = Vec::new();
    for row in rows() {
        let kinds =
            ["User", "Group"].map(|name| context.settings.registry.resource_type(name).unwrap());
        for kind in kinds {
            let expected: Vec<_> = row
                .matches
                .iter()
                .filter(|(id, _)| is_of(id, kind))
                .collect();
            if expected.is_empty() {
                continue;
            }
            match select(&store, &context, kind, &row.filter) {
                Err(e) => wrong.push(format!("{}: {}: {e}", row.id, row.filter)),
                Ok(found) => wrong.extend(
                    expected
                        .into_iter()
                        .filter(|(id, matches)| found.contains(id) != *matches)
                        .map(|(id, matches)| format!("{}: {}: {id} {matches}", row.id, row.filter)),
                ),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_choice_has_its_reason() {
    let choices: Vec<_> = rows()
        .into_iter()
        .filter(|row| row.class == "choice")
        .collect();
    let named: Vec<_> = CHOICES.iter().map(|(id, _)| *id).collect();
    assert_eq!(
        choices
            .iter()
            .map(|row| row.id.as_str())
            .collect::<Vec<_>>(),
        named
    );
    assert!(CHOICES.iter().all(|(_, reason)| !reason.is_empty()));
}

/// In the directory, the ids of users start with `u` and those of groups with `g`.
fn is_of(id: &str, kind: &ResourceType) -> bool {
    id.starts_with('u') == (kind.name() == "User")
}

fn select(
    store: &MemoryStore,
    context: &RequestContext,
    kind: &Arc<ResourceType>,
    filter: &str,
) -> Result<Vec<String>, String> {
    let tolerance = Tolerance::DEFAULT;
    let options = ParseOptions::default().with_leniency(tolerance.leniency());
    let filter = Filter::parse_with(filter, &options).map_err(|e| e.to_string())?;
    let predicate = kind
        .bind_filter(&filter, &tolerance)
        .map_err(|e| e.to_string())?;
    let query = Query::new(Arc::clone(kind)).with_predicate(predicate);
    let page = now(store.query(context, &query)).map_err(|e| e.to_string())?;
    Ok(page
        .items
        .iter()
        .map(|stored| stored.id.to_string())
        .collect())
}

/// Returns the directory in a store, with its ids and instants.
fn directory() -> (MemoryStore, RequestContext) {
    let store = MemoryStore::new();
    let mut settings = Settings::new("https://scim.test/v2");
    // Some resources come before their members.
    settings.policy.unknown_members = UnknownMemberPolicy::Accept;
    let context = RequestContext::new(TenantId::default(), Arc::new(settings));
    let resources: Map<String, Value> = serde_json::from_str(DIRECTORY).unwrap();
    for (id, body) in resources {
        let meta = body["meta"].clone();
        let kind = context
            .settings
            .registry
            .resource_type(meta["resourceType"].as_str().unwrap())
            .unwrap();
        let admitted = kind.admit(body, &Tolerance::DEFAULT).unwrap();
        let change = Change::create(Arc::clone(kind), admitted);
        let created = instant(&meta["created"]);
        let modified = instant(&meta["lastModified"]);
        let id = ResourceId::from(id);
        now(store.create(&context, created, id.clone(), change)).unwrap();
        if modified != created {
            touch(&store, &context, kind, &id, modified);
        }
    }
    (store, context)
}

/// Gives a resource another time of modification, by a change and its reversal.
fn touch(
    store: &MemoryStore,
    context: &RequestContext,
    kind: &Arc<ResourceType>,
    id: &ResourceId,
    at: DateTime<Utc>,
) {
    let attr = kind.attribute_id("externalId").unwrap();
    let before = now(store.read(context, kind, id, &ReadOptions::document()))
        .unwrap()
        .document
        .tree()
        .unwrap()
        .into_owned();
    let value = before.get(kind, attr).cloned();
    let update = |value: Option<Value>| {
        let mut change = Change::empty(Arc::clone(kind));
        change.difference(attr, Some(&Value::Null), value);
        WriteOp::Update {
            change,
            expect: ExpectedVersion::Any,
            id: id.clone(),
        }
    };
    let writes = vec![update(Some(json!("other"))), update(value)];
    for answer in now(store.write(context, Batch::new(at, writes))).unwrap() {
        assert_eq!(answer.unwrap().outcome, WriteOutcome::Updated);
    }
}

fn instant(value: &Value) -> DateTime<Utc> {
    parse_instant(value.as_str().unwrap()).unwrap()
}

fn now<T: Send>(future: scimkit_store::BoxFuture<'_, T>) -> T {
    let mut answer = None;
    contract::block_on(Box::pin(async { answer = Some(future.await) }));
    answer.unwrap()
}
