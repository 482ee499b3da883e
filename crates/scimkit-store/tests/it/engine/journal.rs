//! The journal entries of writes.

use std::collections::BTreeMap;

use scimkit_registry::{Change, Edge, EdgeEdit, Resource, ResourceId};
use scimkit_store::{
    Batch, ConnectionId, DeletePolicy, JournalAction, JournalEntry, JournalLevel, OnFailure,
    RecordedValue, StoreError, WriteOp,
    engine::{BatchAnswer, Decision, DecisionStep, Facts, Policy, RowState},
    verify,
};
use serde_json::{Value, json};

use super::{World, database::Database, second};

/// The live resources and their members, as a consumer of the journal knows them.
#[derive(Debug, PartialEq)]
pub(super) struct Replica {
    documents: BTreeMap<ResourceId, String>,
    edges: BTreeMap<(ResourceId, String, ResourceId), Option<String>>,
}

impl Replica {
    pub(super) fn of(database: &Database) -> Self {
        let rows = database.rows.iter();
        let live = rows.filter(|(_, row)| row.state == RowState::Live);
        let edges = database.edges.iter().map(|((list, target), kind)| {
            let edge = (list.owner.clone(), list.attr.to_string(), target.clone());
            (edge, kind.clone())
        });
        Replica {
            documents: live
                .map(|(id, row)| (id.clone(), row.document.clone()))
                .collect(),
            edges: edges.collect(),
        }
    }

    /// Applies an entry.
    pub(super) fn apply(&mut self, world: &World, entry: &JournalEntry) {
        let id = entry.subject.columns().id;
        let id = &ResourceId::from(id);
        let details = entry.details().unwrap().unwrap();
        if let JournalAction::Deleted | JournalAction::SoftDeleted = entry.action {
            self.documents.remove(id).unwrap();
            self.edges
                .retain(|(owner, _, target), _| owner != id && target != id);
            return;
        }
        let kind = world.kind(id.as_str());
        let known = self.documents.get(id);
        let mut document = known.map_or_else(Resource::default, |text| {
            Resource::restore(text.as_bytes()).unwrap()
        });
        let mut change = Change::empty(kind.clone());
        for attribute in details.attributes {
            let value = |value: RecordedValue| match value {
                RecordedValue::Absent => None,
                RecordedValue::Value(value) => Some(value),
                other => unreachable!("{other:?}"),
            };
            let attr = kind.attribute_id(&attribute.path).unwrap();
            let before = value(attribute.before);
            if entry.action != JournalAction::Restored {
                assert_eq!(document.get(kind, attr), before.as_ref(), "{entry:?}");
            }
            change.difference(attr, before.as_ref(), value(attribute.after));
        }
        change.apply(&mut document);
        self.documents.insert(id.clone(), document.to_text());
        for members in details.members {
            let edge = |target| (id.clone(), members.attr.clone(), target);
            for member in members.added {
                let before = self.edges.insert(edge(member.id), member.kind);
                assert_eq!(before, None, "{entry:?}");
            }
            for member in members.removed {
                self.edges.remove(&edge(member));
            }
        }
    }
}

/// Returns a database with users `u1` and `u2` in group `g1`, and a policy with that level.
fn prepared(level: JournalLevel) -> (World, Policy, Database) {
    let world = World::new();
    let mut policy = Policy::default();
    policy.journal.level = level;
    let mut database = Database::default();
    let writes = vec![
        world.user("u1", "a"),
        world.user("u2", "b"),
        world.group("g1", &["u1", "u2"]),
    ];
    run(&mut database, &policy, Batch::new(second(0), writes)).unwrap();
    (world, policy, database)
}

fn run(database: &mut Database, policy: &Policy, batch: Batch) -> BatchAnswer {
    let mut request = World::new().request(policy.clone(), batch);
    request.batch.cause.connection = Some(ConnectionId::from("idp"));
    let mut answers = database.run(Decision::new(request));
    answers.pop().unwrap()
}

/// Carries out one write, and returns its entries.
fn entries(database: &mut Database, policy: &Policy, write: WriteOp) -> Vec<JournalEntry> {
    let before = database.journal.len();
    run(database, policy, Batch::new(second(1), vec![write])).unwrap();
    database.journal.split_off(before)
}

fn text(entry: &JournalEntry) -> Value {
    serde_json::from_str(&entry.body.as_ref().unwrap().text).unwrap()
}

#[test]
fn notice_names_attributes_and_members_without_values() {
    let (world, policy, mut database) = prepared(JournalLevel::Notice);
    let texts: Vec<_> = database.journal.iter().map(text).collect();
    assert_eq!(
        texts,
        [
            json!({"attributes": ["userName"]}),
            json!({"attributes": ["userName"]}),
            json!({"attributes": ["displayName"],
                   "members": [{"attr": "members", "added": ["u1", "u2"]}]}),
        ]
    );
    let title = world.set("u1", "title", Some(json!("Dr")));
    let [entry] = &entries(&mut database, &policy, title)[..] else {
        panic!()
    };
    assert_eq!(entry.number, 4);
    assert_eq!(entry.action, JournalAction::Updated);
    assert_eq!(entry.at, second(1));
    assert_eq!(entry.cause.connection, Some(ConnectionId::from("idp")));
    let details = entry.details().unwrap().unwrap();
    assert_eq!(details.attributes[0].before, RecordedValue::NotRecorded);
    assert_eq!(details.attributes[0].after, RecordedValue::NotRecorded);
}

#[test]
fn full_entry_has_values_before_and_after() {
    let (world, mut policy, mut database) = prepared(JournalLevel::Full);
    let write = world.set("u1", "userName", Some(json!("c")));
    let renamed = entries(&mut database, &policy, write);
    let attribute = json!({"path": "userName", "before": "a", "after": "c"});
    assert_eq!(
        text(&renamed[0]),
        json!({"values": true, "attributes": [attribute]})
    );

    policy.journal.masked = vec!["userName".to_owned()];
    let write = world.set("u1", "userName", Some(json!("d")));
    let renamed = entries(&mut database, &policy, write);
    let attribute = json!({"path": "userName", "masked": true});
    assert_eq!(
        text(&renamed[0]),
        json!({"values": true, "attributes": [attribute]})
    );
}

#[test]
fn passwords_are_named_but_never_recorded() {
    for level in [JournalLevel::Notice, JournalLevel::Full] {
        let (world, policy, mut database) = prepared(level);
        let body = json!({"userName": "c", "password": "s3cret-1"});
        entries(&mut database, &policy, world.create("u3", body));
        let set = world.set("u3", "password", Some(json!("s3cret-2")));
        let changed = entries(&mut database, &policy, set);
        assert_eq!(changed[0].action, JournalAction::Updated);
        let details = changed[0].details().unwrap().unwrap();
        assert_eq!(details.attributes[0].path, "password");
        assert!(!format!("{:?} {changed:?}", database.journal).contains("s3cret"));
    }
}

#[test]
fn delete_is_one_entry_with_a_part_for_each_owner() {
    let (world, mut policy, mut database) = prepared(JournalLevel::Full);
    run(
        &mut database,
        &policy,
        Batch::new(second(0), vec![world.group("g2", &["u1", "g1"])]),
    )
    .unwrap();
    policy.delete_policy = DeletePolicy::Soft;
    let parts = entries(&mut database, &policy, world.delete("u1"));
    let said: Vec<_> = parts
        .iter()
        .map(|part| {
            let id = part.subject.columns().id;
            (part.number, part.part, part.action, id.to_owned())
        })
        .collect();
    let changed = JournalAction::MembersChanged;
    assert_eq!(
        said,
        [
            (5, 0, JournalAction::SoftDeleted, "u1".to_owned()),
            (5, 1, changed, "g1".to_owned()),
            (5, 2, changed, "g2".to_owned()),
        ]
    );
    let attribute = json!({"path": "userName", "before": "a"});
    assert_eq!(
        text(&parts[0]),
        json!({"values": true, "attributes": [attribute]})
    );
    let members = json!([{"attr": "members", "removed": ["u1"]}]);
    assert_eq!(text(&parts[1])["members"], members);

    let restored = entries(&mut database, &policy, world.delete("g1"));
    assert_eq!(restored[1].subject.columns().id, "g2");
}

#[test]
fn parts_have_at_most_a_thousand_members() {
    let (world, mut policy, mut database) = prepared(JournalLevel::Notice);
    policy.unknown_members = scimkit_store::UnknownMemberPolicy::Accept;
    let add = (0..2_500).map(|n| Edge::to(format!("n{n}"))).collect();
    let remove = Vec::new();
    let add = world.members("g1", EdgeEdit::Delta { add, remove });
    let parts = entries(&mut database, &policy, add);
    let counts: Vec<_> = parts
        .iter()
        .map(|part| {
            let details = part.details().unwrap().unwrap();
            (part.number, part.part, details.members[0].added.len())
        })
        .collect();
    assert_eq!(counts, [(4, 0, 1_000), (4, 1, 1_000), (4, 2, 500)]);
    assert!(
        parts
            .iter()
            .all(|part| part.action == JournalAction::MembersChanged)
    );
}

#[test]
fn unchanged_update_has_no_entry() {
    let (world, policy, mut database) = prepared(JournalLevel::Full);
    let before = database.journal.clone();
    let same = world.set("u1", "userName", Some(json!("a")));
    let taken = world.user("u3", "a");
    let batch = Batch::new(second(1), vec![same, taken, world.add("g1", &["u1"])]);
    run(&mut database, &policy, batch).unwrap();
    let batch = Batch::new(second(1), vec![world.user("u3", "c")]).check_only();
    run(&mut database, &policy, batch).unwrap();
    let writes = vec![world.user("u3", "c"), world.user("u4", "a")];
    let batch = Batch::new(second(1), writes).with_on_failure(OnFailure::RollBack);
    run(&mut database, &policy, batch).unwrap();
    assert_eq!((database.version, &database.journal), (3, &before));
}

#[test]
fn level_off_leaves_a_gap_that_is_reported() {
    let (world, mut policy, mut database) = prepared(JournalLevel::Notice);
    policy.journal.level = JournalLevel::Off;
    assert_eq!(entries(&mut database, &policy, world.delete("u1")), []);
    assert_eq!((database.version, database.journal_after), (4, 4));
    policy.journal.level = JournalLevel::Notice;
    run(
        &mut database,
        &policy,
        Batch::new(second(1), vec![world.delete("u2")]),
    )
    .unwrap();
    assert_eq!(verify(&database.journal).unwrap().entries, 5);
    assert_eq!((database.version, database.journal_after), (5, 4));
}

#[test]
fn full_level_is_rejected_by_a_store_without_a_journal() {
    let world = World::new();
    let mut policy = Policy::default();
    for (level, is_rejected) in [(JournalLevel::Notice, false), (JournalLevel::Full, true)] {
        policy.journal.level = level;
        let batch = Batch::new(second(0), vec![world.user("u1", "a")]);
        let mut decision = Decision::new(world.request(policy.clone(), batch));
        let DecisionStep::Load(needs) = decision.step() else {
            panic!()
        };
        decision.supply(needs, Facts::default());
        let DecisionStep::Done(outcome) = decision.step() else {
            panic!()
        };
        let rejected = matches!(&outcome.answers[0], Err(StoreError::Unsupported { .. }));
        assert_eq!(rejected, is_rejected);
        assert_eq!(outcome.operations.is_empty(), is_rejected);
        assert_eq!(outcome.operations.journal.entries, []);
    }
}

#[test]
fn altered_removed_and_moved_entries_break_the_chain() {
    let (world, policy, mut database) = prepared(JournalLevel::Full);
    let parts = entries(&mut database, &policy, world.delete("u1"));
    database.journal.extend(parts);
    let journal = &database.journal;
    let head = verify(journal).unwrap();
    assert_eq!((head.entries, head.blanked), (5, 0));
    type Alteration = fn(&mut Vec<JournalEntry>);
    let alterations: [Alteration; 7] = [
        |entries| drop(entries.remove(1)),
        |entries| entries.swap(0, 1),
        |entries| entries[1].action = JournalAction::Deleted,
        |entries| entries[1].cause.actor = Some("somebody".into()),
        |entries| entries[1].body.as_mut().unwrap().text.push(' '),
        |entries| entries[1].at = second(9),
        |entries| entries[4].part = 2,
    ];
    for alter in alterations {
        let mut altered = journal.clone();
        alter(&mut altered);
        assert!(verify(&altered).is_err(), "{altered:#?}");
    }
    let mut blanked = journal.clone();
    blanked.iter_mut().for_each(|entry| entry.body = None);
    let verified = verify(&blanked).unwrap();
    assert_eq!(verified.last_digest, head.last_digest);
    assert_eq!(verified.blanked, 5);
    // Equal texts have different digests.
    assert_ne!(journal[0].body_digest, journal[1].body_digest);
}
