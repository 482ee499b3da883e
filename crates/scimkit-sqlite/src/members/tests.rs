//! How many rows a change of membership touches, and by which indexes it finds them.

use std::sync::Arc;

use chrono::DateTime;
use rusqlite::Connection;
use scimkit_registry::{Budget, Change, Edge, EdgeEdit, Resource, ResourceId};
use scimkit_store::{Batch, Expect, How, Settings, StoreError, TenantId, Write, Written};
use tokio::sync::oneshot;

use super::{ABOVE, HAS_MEMBERS};
use crate::{
    Options,
    file::{Place, open_writer},
    write::{Work, write_together},
};

const MANY: usize = 10_000;

fn database() -> Connection {
    open_writer(&Place::Memory, &Options::default()).unwrap()
}

fn settings() -> Arc<Settings> {
    let mut settings = Settings::new("https://sqlite.test/v2");
    settings.unknown_members = scimkit_store::UnknownMembers::Accept;
    Arc::new(settings)
}

fn write(connection: &Connection, write: Write) -> Result<Written, StoreError> {
    let (answer, mut answered) = oneshot::channel();
    let work = Work {
        answer,
        batch: Batch::new(DateTime::UNIX_EPOCH, vec![write]),
        budget: Budget::unlimited(),
        by: None,
        settings: settings(),
        tenant: TenantId::default(),
    };
    write_together(connection, vec![work]);
    answered.try_recv().unwrap().pop().unwrap()
}

fn change(edit: EdgeEdit) -> Change {
    let settings = settings();
    let group = settings.registry.by_name("Group").unwrap();
    let mut change = Change::create(Arc::clone(group), Resource::default());
    change.edit_edges(group.named("members").unwrap(), edit);
    change
}

fn replace(ids: impl Iterator<Item = usize>) -> EdgeEdit {
    EdgeEdit::Replace(ids.map(|n| Edge::to(format!("u{n:05}"))).collect())
}

/// A group of many members.
fn group(connection: &Connection) {
    let create = Write::Create {
        claim: None,
        change: change(replace(0..MANY)),
        id: ResourceId::from("g"),
    };
    assert_eq!(write(connection, create).unwrap().how, How::Created);
}

/// What an edit of the group did, and how many rows of all tables it touched.
fn edit(connection: &Connection, edit: EdgeEdit) -> (How, i64) {
    let total = || -> i64 {
        let total = connection.query_row("SELECT total_changes()", [], |row| row.get(0));
        total.unwrap()
    };
    let before = total();
    let update = Write::Update {
        change: change(edit),
        expect: Expect::Any,
        id: ResourceId::from("g"),
    };
    let how = write(connection, update).unwrap().how;
    (how, total() - before)
}

#[test]
fn a_replacement_writes_only_the_difference() {
    // The group's version and the tenant's counter.
    const VERSION: i64 = 2;
    let connection = database();
    group(&connection);
    assert_eq!(edit(&connection, replace(0..MANY)), (How::Unchanged, 0));
    let shifted = replace(1..=MANY);
    assert_eq!(edit(&connection, shifted), (How::Updated, 2 + VERSION));
    let reversed = replace((1..=MANY).rev());
    assert_eq!(edit(&connection, reversed), (How::Unchanged, 0));
    let add = EdgeEdit::Delta {
        add: vec![Edge::to("one more")],
        remove: Vec::new(),
    };
    assert_eq!(edit(&connection, add.clone()), (How::Updated, 1 + VERSION));
    assert_eq!(edit(&connection, add), (How::Unchanged, 0));
}

#[test]
fn cycles_are_looked_for_by_indexes() {
    let connection = database();
    let above = "SEARCH edge USING COVERING INDEX edge_by_target (tenant=? AND target=?)";
    assert_eq!(plan(&connection, ABOVE), [above]);
    let members = [
        "SEARCH t USING INDEX sqlite_autoindex_resource_1 (tenant=? AND id=?)",
        "SEARCH e USING PRIMARY KEY (tenant=? AND kind=? AND owner=? AND attr=?)",
    ];
    assert_eq!(plan(&connection, HAS_MEMBERS), members);
}

fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
        .unwrap();
    let lines = statement.query_map(["", "", ""], |row| row.get("detail"));
    lines.unwrap().map(Result::unwrap).collect()
}
