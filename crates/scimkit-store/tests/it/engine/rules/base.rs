//! Updates that contain the document from which they were computed.

use std::sync::Arc;

use scimkit_store::{
    Base, Batch, ExpectedVersion, WriteOp,
    engine::{Decision, Policy},
};
use serde_json::json;

use super::{
    super::{World, database::Database, second},
    said,
};

#[test]
fn update_with_base_does_not_parse_the_stored_text() {
    let world = World::new();
    let mut database = Database::default();
    let run = |database: &mut Database, write| {
        let policy = Policy::default();
        let batch = Batch::new(second(0), vec![write]);
        let answer = database.run(Decision::new(world.request(policy, batch)));
        answer.into_iter().next().unwrap()
    };
    let created = run(&mut database, world.user("u1", "a")).unwrap();
    let stored = created.into_iter().next().unwrap().unwrap().stored.unwrap();
    let tree = Arc::new(stored.document.tree().unwrap().into_owned());
    database.rows.get_mut("u1").unwrap().document = "unreadable".to_owned();
    let update = |expect: ExpectedVersion, title: Option<&str>| {
        let mut write = world.set("u1", "title", title.map(|title| json!(title)));
        if let WriteOp::Update { expect: known, .. } = &mut write {
            *known = expect;
        }
        write
    };
    let base = || ExpectedVersion::Base(Base::new(stored.version.clone(), Arc::clone(&tree)));
    // Without a base, the stored text is read.
    let plain = run(&mut database, update(ExpectedVersion::Any, Some("x")));
    assert!(said(&plain).starts_with("failure"), "{}", said(&plain));
    // The base is also enough to detect an unchanged update.
    let unchanged = run(&mut database, update(base(), None));
    assert_eq!(said(&unchanged), "unchanged u1 1");
    let updated = run(&mut database, update(base(), Some("x"))).unwrap();
    let updated = updated.into_iter().next().unwrap().unwrap().stored.unwrap();
    let expected = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "title": "x", "userName": "a",
    });
    let found = updated.document.tree().unwrap();
    assert_eq!(json!(found.as_map()), expected);
    assert_eq!(Arc::strong_count(&tree), 1, "the base is not held");
    let stale = run(&mut database, update(base(), Some("y")));
    assert_eq!(said(&stale), "stale 2");
}
