//! Round trips: a record returns the attributes that were sent, and changes nothing else.

use std::sync::Arc;

use proptest::prelude::*;
use scimkit_mapping::{FieldEdit, TypeMapping};
use scimkit_registry::{Change, Registry, Resource, Tolerance};
use serde_json::{Map, Value, json};

use super::user;

/// Rules of every kind that can be undone.
const REVERSIBLE: &str = r#"
[[User.map]]
scim = "userName"
field = "login"
[[User.map]]
scim = "active"
field = "state"
transform = [{ values = { true = "enabled", false = "disabled" } }]
[[User.map]]
scim = ["name.givenName", "name.familyName"]
field = "full_name"
join = "|"
single = "name.familyName"
[[User.map]]
scim = 'emails[type eq "work"].value'
field = "work_mail"
[[User.map]]
scim = 'emails[type eq "home"].value'
field = "home_mail"
[[User.map]]
scim = "phoneNumbers"
field = "phones"
[[User.map]]
scim = 'addresses[type eq "work"].country'
field = "country"
transform = [{ country = "alpha-3" }]
[[User.map]]
scim = 'ims[type eq "xmpp"]'
field = "chat"
[[User.map]]
scim = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value"
field = "manager"
[[User.map]]
scim = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter"
field = "cost"
"#;

fn text() -> impl Strategy<Value = Option<String>> {
    prop::option::of("[a-zA-Z0-9äß@.]{1,6}")
}

fn elements() -> impl Strategy<Value = Value> {
    let kind = prop::sample::select(vec!["work", "home", "other", "WORK"]);
    let element = (
        kind,
        text(),
        text(),
        prop::sample::select(vec!["TR", "GB", "DE"]),
    );
    prop::collection::vec(element, 0..4).prop_map(|elements| {
        let element = |(kind, value, display, _): (&str, Option<String>, Option<String>, &str)| {
            json!({"type": kind, "value": value, "display": display})
        };
        elements.into_iter().map(element).collect()
    })
}

fn body() -> impl Strategy<Value = Value> {
    let simple = (
        text(),
        prop::option::of(any::<bool>()),
        text(),
        text(),
        text(),
        text(),
    );
    let many = (
        elements(),
        elements(),
        elements(),
        prop::sample::select(vec!["TR", "GB", "DE"]),
    );
    let primary = any::<prop::sample::Index>();
    (simple, many, primary, text(), text()).prop_map(|(simple, many, primary, manager, cost)| {
        let (name, active, given, family, title, nick) = simple;
        let (mut emails, phones, ims, country) = many;
        if let Some(elements) = emails.as_array_mut().filter(|e| !e.is_empty()) {
            let index = primary.index(elements.len());
            elements[index]["primary"] = json!(true);
        }
        json!({
            "userName": name, "active": active, "title": title, "nickName": nick,
            "name": {"givenName": given, "familyName": family, "middleName": nick},
            "emails": emails, "phoneNumbers": phones, "ims": ims,
            "addresses": [{"type": "work", "country": country, "locality": title}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":
                {"manager": {"value": manager}, "costCenter": cost, "division": title},
        })
    })
}

fn resource(body: Value) -> Resource {
    let registry = Registry::standard();
    let kind = registry.resource_type("User").unwrap();
    kind.admit(body, &Tolerance::DEFAULT).unwrap()
}

/// What is not mapped by `REVERSIBLE`, to compare.
fn others(resource: &Resource) -> Value {
    let mut map: Map<_, _> = resource.as_map().clone();
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    for name in ["userName", "active", "phoneNumbers", "schemas"] {
        map.remove(name);
    }
    let mut take = |top: &str, names: &[&str]| {
        let left = map
            .get_mut(top)
            .and_then(Value::as_object_mut)
            .map(|inner| {
                names.iter().for_each(|name| drop(inner.remove(*name)));
                inner.is_empty()
            });
        if left == Some(true) {
            map.remove(top);
        }
    };
    take("name", &["givenName", "familyName"]);
    take(enterprise, &["manager", "costCenter"]);
    for name in ["emails", "ims", "addresses"] {
        let Some(elements) = map.get_mut(name).and_then(Value::as_array_mut) else {
            continue;
        };
        let mapped = |e: &Value| {
            e["type"]
                .as_str()
                .is_some_and(|t| ["work", "home", "xmpp"].contains(&t.to_lowercase().as_str()))
        };
        elements.retain(|e| !mapped(e));
        if elements.is_empty() {
            map.remove(name);
        }
    }
    Value::Object(map)
}

/// The record with `null` for every field that has no value.
fn whole(rules: &TypeMapping, resource: &Resource) -> Map<String, Value> {
    let mut record = rules.to_record(resource).unwrap();
    for field in rules.fields() {
        record.entry(&field.name).or_insert(Value::Null);
    }
    record
}

proptest! {
    #[test]
    fn the_record_of_a_resource_does_not_change_it(body in body()) {
        let rules = user(REVERSIBLE);
        let resource = resource(body);
        let back = rules.to_resource(&whole(&rules, &resource), resource.clone()).unwrap();
        prop_assert_eq!(back, resource);
    }

    #[test]
    fn a_record_restores_the_mapped_attributes(body in body()) {
        let rules = user(REVERSIBLE);
        let resource = resource(body);
        let record = rules.to_record(&resource).unwrap();
        let made = rules.to_resource(&record, Resource::default()).unwrap();
        prop_assert_eq!(rules.to_record(&made).unwrap(), record);
    }

    #[test]
    fn the_record_of_another_resource_changes_mapped_attributes_only(one in body(), other in body()) {
        let rules = user(REVERSIBLE);
        let one = resource(one);
        let other = resource(other);
        let record = whole(&rules, &one);
        let after = rules.to_resource(&record, other.clone()).unwrap();
        prop_assert_eq!(whole(&rules, &after), record);
        prop_assert_eq!(others(&after), others(&other));
    }

    #[test]
    fn field_edits_are_the_difference_of_the_records(one in body(), other in body()) {
        let rules = user(REVERSIBLE);
        let before = resource(one);
        let after = resource(other);
        let kind = rules.kind();
        let mut change = Change::empty(Arc::clone(kind));
        for attr in kind.attributes().iter().filter(|a| a.parent().is_none()) {
            change.difference(attr.id(), before.get(kind, attr.id()), after.get(kind, attr.id()).cloned());
        }
        let was = rules.to_record(&before).unwrap();
        let is = rules.to_record(&after).unwrap();
        let mut replayed = was.clone();
        for (field, edit) in rules.field_edits(&change, Some(&before)).unwrap() {
            prop_assert_ne!(was.get(&field), is.get(&field), "{} did not change", field);
            match edit {
                FieldEdit::Set(value) => drop(replayed.insert(field, value)),
                FieldEdit::Unset => drop(replayed.remove(&field)),
                FieldEdit::Members { .. } => prop_assert!(false, "a user has no members"),
            }
        }
        prop_assert_eq!(replayed, is);
    }
}

#[test]
fn a_new_primary_value_is_the_only_primary_value() {
    let rules = user(
        "[[User.map]]\nscim = 'emails[type eq \"work\" and primary eq true].value'\nfield = 'mail'\n",
    );
    let home = resource(json!({"emails": [{"type": "home", "value": "h", "primary": true}]}));
    let record = Map::from_iter([("mail".to_owned(), json!("w"))]);
    let both = rules.to_resource(&record, home).unwrap();
    assert_eq!(
        both.as_map()["emails"],
        json!([
        {"type": "home", "value": "h"}, {"type": "work", "primary": true, "value": "w"}])
    );
}

#[test]
fn templates_and_constants_are_not_reversed() {
    let rules = user(
        r#"
        [[User.map]]
        scim = "displayName"
        template = "{first} {last}"
        [[User.map]]
        field = "label"
        template = "{name.familyName}, {name.givenName} <{emails[type eq \"work\"].value}>"
        [[User.map]]
        field = "source"
        constant = "scim"
        [[User.map]]
        scim = "userType"
        constant = "Employee"
        "#,
    );
    let babs = resource(json!({
        "name": {"familyName": "Jensen", "givenName": "Babs"}, "emails": [{"type": "work", "value": "b@x.org"}],
    }));
    let record = rules.to_record(&babs).unwrap();
    assert_eq!(
        json!(record),
        json!({"label": "Jensen, Babs <b@x.org>", "source": "scim"})
    );
    let record = Map::from_iter([
        ("first".to_owned(), json!("Babs")),
        ("last".to_owned(), json!("J")),
    ]);
    let made = rules.to_resource(&record, Resource::default()).unwrap();
    assert_eq!(made.as_map()["displayName"], "Babs J");
    assert_eq!(made.as_map()["userType"], "Employee");
    // A record that does not speak of them leaves it as it is.
    assert_eq!(rules.to_resource(&Map::new(), made.clone()).unwrap(), made);
}

#[test]
fn joined_names_are_split_at_the_last_separator() {
    let rules = user(
        "[[User.map]]\nscim = ['name.givenName', 'name.familyName']\nfield = 'full'\njoin = ' '\n",
    );
    let name = |full: &str, base: Value| {
        let record = Map::from_iter([("full".to_owned(), json!(full))]);
        rules
            .to_resource(&record, resource(base))
            .unwrap()
            .into_map()
            .remove("name")
    };
    let split = |given: &str, family: &str| Some(json!({"givenName": given, "familyName": family}));
    assert_eq!(
        name("Barbara Jane Jensen", json!({})),
        split("Barbara Jane", "Jensen")
    );
    assert_eq!(
        name("Madonna", json!({})),
        Some(json!({"givenName": "Madonna"}))
    );
    // What is there already is not split anew.
    let base = json!({"name": {"givenName": "Ludwig", "familyName": "van Beethoven"}});
    assert_eq!(
        name("Ludwig van Beethoven", base.clone()),
        split("Ludwig", "van Beethoven")
    );
    assert_eq!(
        name("Ludwig v. Beethoven", base),
        split("Ludwig v.", "Beethoven")
    );
}

#[test]
fn records_that_are_invalid_in_the_schema_are_rejected() {
    let rules = user(
        "[[User.map]]\nscim = 'title'\nfield = 'job'\n[[User.map]]\nscim = 'active'\nfield = 'on'\n",
    );
    for record in [
        json!({"job": 5}),
        json!({"on": "yes"}),
        json!({"job": "x".repeat(70_000)}),
    ] {
        let record = record.as_object().unwrap();
        assert!(
            rules.to_resource(record, Resource::default()).is_err(),
            "{record:?}"
        );
    }
}

#[test]
fn key_columns_hold_folded_text() {
    let rules = user("[[User.map]]\nscim = 'title'\nfield = 'job'\nkey = 'job_key'\n");
    let boss = resource(json!({"title": "Straßenbau"}));
    let record = rules.to_record(&boss).unwrap();
    assert_eq!(
        json!(record),
        json!({"job": "Straßenbau", "job_key": "strassenbau"})
    );
    assert_eq!(
        rules.to_resource(&record, Resource::default()).unwrap(),
        boss
    );
    let mut change = Change::empty(Arc::clone(rules.kind()));
    let title = rules.kind().attribute_id("title").unwrap();
    change.difference(title, Some(&json!("Straßenbau")), None);
    let edits: Vec<_> = rules
        .field_edits(&change, Some(&boss))
        .unwrap()
        .into_iter()
        .collect();
    assert_eq!(
        edits,
        [
            ("job".to_owned(), FieldEdit::Unset),
            ("job_key".to_owned(), FieldEdit::Unset)
        ]
    );
}

#[test]
fn empty_text_is_no_value_with_empty_is_unset() {
    let text = r#"
[[User.map]]
scim = "title"
field = "job"
empty_is_unset = true
"#;
    let mapping = scimkit_mapping::Mapping::builder().text(text);
    let mapping = mapping.build(&Registry::standard()).unwrap();
    let rules = mapping.for_type("User").unwrap();
    let record = |job: Value| Map::from_iter([("job".to_owned(), job)]);
    for none in [json!(""), json!(null)] {
        let read = rules.to_resource(&record(none), resource(json!({"title": "Dr"})));
        assert_eq!(read.unwrap().as_map().get("title"), None);
    }
    let before = resource(json!({"userName": "b", "title": "Dr"}));
    let mut change = Change::empty(Arc::clone(rules.kind()));
    let title = rules.kind().attribute_id("title").unwrap();
    change.difference(title, before.get(rules.kind(), title), None);
    let edits = rules.field_edits(&change, Some(&before)).unwrap();
    let edit = edits.get("job");
    assert_eq!(edit, Some(&FieldEdit::Set(json!(""))));
}
