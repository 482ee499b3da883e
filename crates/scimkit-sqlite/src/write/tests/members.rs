//! Tests of the rows that a membership change modifies, and the indexes that find them.

use std::sync::Arc;

use chrono::DateTime;
use rusqlite::Connection;
use scimkit_registry::{Budget, Change, Edge, EdgeEdit, Resource, ResourceId};
use scimkit_sql::{
    Dialect,
    reference::{
        self, EntryFilter, EntryRange, Holder, KeyDefinitions, Parameter, State, Statement,
    },
};
use scimkit_store::{
    Batch, ExpectedVersion, Settings, StoreError, TenantId, WriteOp, WriteOutcome, Written,
};
use tokio::sync::oneshot;

use crate::{
    SqliteOptions,
    file::{DatabaseLocation, open_writer},
    write::{Work, write_together},
};

const DIALECT: Dialect = Dialect::Sqlite;
const MANY: usize = 10_000;

pub(super) fn database() -> Connection {
    open_writer(&DatabaseLocation::Memory, &SqliteOptions::default()).unwrap()
}

pub(super) fn settings() -> Arc<Settings> {
    let mut settings = Settings::new("https://sqlite.test/v2");
    settings.policy.unknown_members = scimkit_store::UnknownMemberPolicy::Accept;
    Arc::new(settings)
}

pub(super) fn write(connection: &Connection, write: WriteOp) -> Result<Written, StoreError> {
    let (answer, mut answered) = oneshot::channel();
    let work = Work {
        answer,
        batch: Batch::new(DateTime::UNIX_EPOCH, vec![write]),
        budget: Budget::unlimited(),
        settings: settings(),
        tenant: TenantId::default(),
    };
    write_together(connection, vec![work]);
    answered.try_recv().unwrap()?.pop().unwrap()
}

fn change(edit: EdgeEdit) -> Change {
    let settings = settings();
    let group = settings.registry.resource_type("Group").unwrap();
    let mut change = Change::create(Arc::clone(group), Resource::default());
    change.edit_edges(group.attribute_id("members").unwrap(), edit);
    change
}

fn replace(ids: impl Iterator<Item = usize>) -> EdgeEdit {
    EdgeEdit::Replace(ids.map(|n| Edge::to(format!("u{n:05}"))).collect())
}

/// Creates a group with many members.
fn group(connection: &Connection) {
    let create = WriteOp::Create {
        existing_match: None,
        change: change(replace(0..MANY)),
        id: ResourceId::from("g"),
    };
    assert_eq!(
        write(connection, create).unwrap().outcome,
        WriteOutcome::Created
    );
}

/// Edits the group, and returns the outcome and the number of modified rows in all tables.
fn edit(connection: &Connection, edit: EdgeEdit) -> (WriteOutcome, i64) {
    let total = || -> i64 {
        let total = connection.query_row("SELECT total_changes()", [], |row| row.get(0));
        total.unwrap()
    };
    let before = total();
    let update = WriteOp::Update {
        change: change(edit),
        expect: ExpectedVersion::Any,
        id: ResourceId::from("g"),
    };
    let how = write(connection, update).unwrap().outcome;
    (how, total() - before)
}

#[test]
fn a_replacement_writes_only_the_difference() {
    // The group's version, the tenant's counter, and the entry of the journal.
    const VERSION: i64 = 3;
    let connection = database();
    group(&connection);
    assert_eq!(
        edit(&connection, replace(0..MANY)),
        (WriteOutcome::Unchanged, 0)
    );
    let shifted = replace(1..=MANY);
    assert_eq!(
        edit(&connection, shifted),
        (WriteOutcome::Updated, 2 + VERSION)
    );
    let reversed = replace((1..=MANY).rev());
    assert_eq!(edit(&connection, reversed), (WriteOutcome::Unchanged, 0));
    let add = EdgeEdit::Delta {
        add: vec![Edge::to("one more")],
        remove: Vec::new(),
    };
    assert_eq!(
        edit(&connection, add.clone()),
        (WriteOutcome::Updated, 1 + VERSION)
    );
    assert_eq!(edit(&connection, add), (WriteOutcome::Unchanged, 0));
}

#[test]
fn ancestors_are_found_by_indexes() {
    let connection = database();
    let statements = reference::ancestors(Dialect::Sqlite, ("t", "members"), &["a", "b"]);
    let lines = plan(&connection, &statements[0]);
    let searches = lines.iter().filter(|line| line.starts_with("SEARCH"));
    let by_target = "SEARCH e USING COVERING INDEX edge_by_target (tenant=? AND target=?)";
    assert_eq!(searches.collect::<Vec<_>>(), [by_target; 2], "{lines:?}");
    let scans = lines.iter().filter(|line| line.starts_with("SCAN"));
    assert_eq!(scans.collect::<Vec<_>>(), ["SCAN up"; 2], "{lines:?}");
}

#[test]
fn facts_and_row_operations_use_indexes() {
    let connection = database();
    let ids = ["a", "b"];
    let list = ("Group", "a", "members");
    let except = ["x".to_owned()];
    let keys = [Holder {
        attr: "userName",
        kind: "User",
        number: 0,
        value: Parameter::from("a"),
    }];
    let mut statements = vec![
        reference::version(DIALECT, "t"),
        reference::journal_end(DIALECT, "t"),
        reference::consumer(DIALECT, "t", "events"),
        reference::dead_letters(DIALECT, ("t", "events"), (1, 0), 9),
        reference::remove_dead_letter(DIALECT, ("t", "events"), (1, 0)),
        reference::first_entry_since(DIALECT, "t", 0),
        reference::entry_at(DIALECT, "t", (0, 9), 4),
        reference::blank_entries(DIALECT, "t", (0, 9)),
        reference::blank_entries_of(DIALECT, "t", ("User", "a")),
        reference::remove_entries(DIALECT, "t", 9),
        reference::members(DIALECT, "t", list),
        reference::documents(DIALECT, ("t", "User"), KeyDefinitions::Only(&except)),
    ];
    statements.extend(reference::heads(DIALECT, "t", &ids));
    statements.extend(reference::rows(DIALECT, "t", &ids));
    for definitions in [KeyDefinitions::Except(&[]), KeyDefinitions::Except(&except)] {
        statements.extend(reference::holders(DIALECT, "t", &keys, definitions));
    }
    statements.extend(reference::members_among(DIALECT, "t", list, &ids));
    statements.extend(reference::owners(DIALECT, "t", &ids));
    statements.extend(reference::remove_ends(DIALECT, ("t", "Group"), &ids));
    statements.extend(reference::remove_members(DIALECT, "t", list, &ids));
    statements.extend(reference::bump_rows(DIALECT, "t", (1, 1), &ids));
    for state in [State::Live, State::Deleted] {
        let keys = reference::remove_all_keys(DIALECT, ("t", "User"), state, &ids);
        statements.extend(keys);
        statements.extend(reference::remove_rows(DIALECT, "t", state, &ids));
    }
    for statement in statements {
        let lines = plan(&connection, &statement);
        let is_scan = |line: &&String| line.starts_with("SCAN") && *line != "SCAN w";
        let scans: Vec<_> = lines.iter().filter(is_scan).collect();
        let scans = scans.into_iter().filter(|line| !line.contains("CONSTANT"));
        assert_eq!(scans.count(), 0, "{}: {lines:?}", statement.text);
    }
}

fn plan(connection: &Connection, statement: &Statement<'_>) -> Vec<String> {
    let sql = format!("EXPLAIN QUERY PLAN {}", statement.text);
    let mut explained = connection.prepare(&sql).unwrap();
    let nulls = vec![rusqlite::types::Null; statement.parameters.len()];
    let lines = explained.query_map(rusqlite::params_from_iter(nulls), |row| row.get("detail"));
    lines.unwrap().map(Result::unwrap).collect()
}

#[test]
fn journal_entries_are_read_by_primary_key_or_subject_index() {
    let connection = database();
    let plan_of = |filter, range| {
        let statement = reference::entries(DIALECT, "t", filter, range, 9);
        plan(&connection, &statement)
    };
    let by_key = "SEARCH journal USING PRIMARY KEY (tenant=? AND (number,part)>(?,?))";
    assert_eq!(plan_of(EntryFilter::All, EntryRange::After(0, 0)), [by_key]);
    let about = EntryFilter::Resource("User", "a");
    for range in [EntryRange::After(0, 0), EntryRange::Before(9, 0)] {
        let lines = plan_of(about, range);
        let by_subject =
            "SEARCH journal USING INDEX journal_by_subject (tenant=? AND kind=? AND id=?";
        assert!(
            lines.len() == 1 && lines[0].starts_with(by_subject),
            "{lines:?}"
        );
    }
}
