//! Tests of replaced keys.

use std::sync::Arc;

use scimkit_registry::{Change, ResourceId, Tolerance};
use scimkit_store::{ExpectedVersion, WriteOp};
use serde_json::json;

use super::members::{database, settings, write};

#[test]
fn boolean_keys_are_replaced_in_place_and_inserted_if_missing() {
    let db = database();
    let settings = settings();
    let user = settings.registry.resource_type("User").unwrap();
    let change = |name: &str, active: bool| {
        let body = json!({"userName": name, "active": active});
        let body = user.admit(body, &Tolerance::DEFAULT).unwrap();
        Change::create(Arc::clone(user), body)
    };
    let id = ResourceId::from("u");
    let create = WriteOp::Create {
        existing_match: None,
        change: change("a", true),
        id: id.clone(),
    };
    write(&db, create).unwrap();
    let keys = |attr: &str| -> Vec<String> {
        let sql = "SELECT value || '' FROM lookup_key WHERE id = 'u' AND attr = ?1 ORDER BY value";
        let mut statement = db.prepare(sql).unwrap();
        let values = statement.query_map([attr], |row| row.get(0)).unwrap();
        values.map(Result::unwrap).collect()
    };
    assert_eq!(keys("active"), ["1"]);
    let updates = [
        ("a", false, "0", false),
        ("b", true, "1", false),
        ("b", false, "0", true),
        ("c", true, "1", true),
    ];
    for (name, active, key, is_missing) in updates {
        if is_missing {
            let missing = "DELETE FROM lookup_key WHERE attr = 'active'";
            db.execute(missing, []).unwrap();
        }
        let update = WriteOp::Update {
            change: change(name, active),
            expect: ExpectedVersion::Any,
            id: id.clone(),
        };
        write(&db, update).unwrap();
        assert_eq!(keys("active"), [key]);
        assert_eq!(keys("userName"), [name]);
    }
}
