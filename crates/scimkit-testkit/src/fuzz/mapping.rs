//! Mapping files.

use std::sync::Arc;

use scimkit_mapping::{ChangeKind, Mapping, MappingError, TypeMapping};
use scimkit_registry::{Change, Resource, ResourceType, Tolerance};
use serde_json::{Value, json};

use super::{assert_admitted, registry};

/// Checks a mapping file in TOML or JSON: every problem has a position in the file, and a valid mapping works correctly
/// with a few resources.
///
/// # Panics
/// If a property does not hold.
pub fn mapping(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Mapping::builder().text(text).build(registry()) {
        Ok(mapping) => assert_mapping(&mapping),
        Err(error) => assert_placed(&error, text),
    }
}

fn assert_placed(error: &MappingError, text: &str) {
    assert!(!error.problems().is_empty());
    for problem in error.problems() {
        let position = problem.position().map_or((0, 0), |p| (p.line, p.column));
        let line = text.split('\n').nth(position.0.wrapping_sub(1));
        let width = line.map(|line| line.chars().count());
        assert!(
            width.is_some_and(|width| (1..=width + 1).contains(&position.1)),
            "{problem}"
        );
    }
}

fn assert_mapping(mapping: &Mapping) {
    let described = mapping.supported_registry(registry());
    assert!(described.is_ok(), "{described:?}");
    for rules in mapping.types() {
        let kind = rules.kind();
        for body in bodies() {
            let Ok(resource) = kind.admit(body, &Tolerance::DEFAULT) else {
                continue;
            };
            assert_round_trip(rules, kind, &resource);
            let change = Change::create(Arc::clone(kind), resource);
            let _ = rules.field_edits(&change, None);
            let _ = rules.matching().predicate(&change);
            let Ok(shaped) = rules.filter_change(change, ChangeKind::Create) else {
                continue;
            };
            let again = rules.filter_change(shaped.change.clone(), ChangeKind::Create);
            let again = again.map(|again| (again.change.assignments().to_vec(), again.dropped));
            let once = (shaped.change.assignments().to_vec(), Vec::new());
            assert_eq!(again, Ok(once), "shaped twice");
        }
    }
}

/// Checks that a resource's own record changes nothing in it, and that a resource from the record is valid.
fn assert_round_trip(rules: &TypeMapping, kind: &ResourceType, resource: &Resource) {
    let Ok(record) = rules.to_record(resource) else {
        return;
    };
    if let Ok(made) = rules.to_resource(&record, Resource::default()) {
        let members = made.as_map().contains_key("members");
        if !members {
            assert_admitted(kind, &made);
        }
    }
    let made_here = rules.rules().any(|rule| rule.field().is_none());
    if !made_here {
        let back = rules.to_resource(&record, resource.clone());
        assert_eq!(back.as_ref(), Ok(resource), "its own record changes it");
    }
}

fn bodies() -> [Value; 3] {
    let address = |kind: &str| json!({"type": kind, "country": "TR", "locality": "Izmir"});
    [
        json!({
            "userName": "Babs@X.org ", "active": true, "title": "2022-04-04", "timezone": "GB",
            "displayName": "Babs Jensen", "name": {"givenName": "Babs", "familyName": "Jensen"},
            "password": "t1meMa$heen", "externalId": "x",
            "emails": [{"type": "work", "value": "w@x.org", "primary": true}, {"type": "home", "value": "h@x.org"}],
            "addresses": [address("work"), address("work"), address("home")],
            "phoneNumbers": [{"type": "work", "value": "tel:+1-201-555-0123"}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":
                {"manager": {"value": "42"}, "department": "d"},
        }),
        json!({"displayName": "Crew", "members": [{"value": "1"}, {"value": "2"}]}),
        json!({}),
    ]
}
