//! What of a change a mapping lets through.

use std::sync::Arc;

use scimkit_mapping::{ChangeKind, FilteredChange, Mapping, MappingRule, UnmappedPolicy};
use scimkit_registry::{Change, Edge, EdgeEdit, Registry, RequestError, Resource, Tolerance};
use serde_json::{Value, json};

use super::{mapping, user};

fn resource(body: Value) -> Resource {
    let registry = Registry::standard();
    registry
        .resource_type("User")
        .unwrap()
        .admit(body, &Tolerance::DEFAULT)
        .unwrap()
}

/// The change from one body to another, as a PUT makes it.
fn update(before: &Resource, after: Value) -> Change {
    let registry = Registry::standard();
    let kind = registry.resource_type("User").unwrap();
    let after = resource(after);
    let mut change = Change::empty(Arc::clone(kind));
    for attr in kind.attributes().iter().filter(|a| a.parent().is_none()) {
        change.difference(
            attr.id(),
            before.get(kind, attr.id()),
            after.get(kind, attr.id()).cloned(),
        );
    }
    change
}

/// What is left of an update, as entries and the document after.
fn shaped(toml: &str, before: Value, after: Value) -> Result<(Value, Vec<String>), RequestError> {
    let before = resource(before);
    let FilteredChange {
        change, dropped, ..
    } = user(toml).filter_change(update(&before, after), ChangeKind::Update(Some(&before)))?;
    let mut document = before;
    change.apply(&mut document);
    let mut map = document.into_map();
    map.remove("schemas");
    Ok((Value::Object(map), dropped))
}

const WORK: &str = "[[User.map]]\nscim = 'emails[type eq \"work\"].value'\nfield = 'mail'\n[[User.map]]\nscim = 'userName'\nfield = 'login'\n";

fn with(unmapped: &str) -> String {
    format!("{WORK}[User]\nunmapped = '{unmapped}'\n")
}

#[test]
fn unmapped_values_follow_the_policy_next_to_mapped_values() {
    let work = |value: &str| json!({"type": "work", "value": value});
    let home = |value: &str| json!({"type": "home", "value": value});
    let emails = |elements: Value| json!({"emails": elements});
    let run = |unmapped: &str, before: Value, after: Value| {
        shaped(&with(unmapped), emails(before), emails(after))
    };

    // Kept: as it is sent.
    let both = json!([work("w2"), home("h2")]);
    assert_eq!(
        run("keep", json!([work("w1"), home("h1")]), both.clone())
            .unwrap()
            .0,
        emails(both.clone())
    );
    assert_eq!(
        run("keep", json!([work("w1"), home("h1")]), json!([work("w2")]))
            .unwrap()
            .0,
        emails(json!([work("w2")]))
    );

    // Dropped: what is new is left out, what is there stays.
    let (after, dropped) = run("drop", json!([work("w1")]), both.clone()).unwrap();
    assert_eq!(
        (after, dropped),
        (emails(json!([work("w2")])), vec!["emails".to_owned()])
    );
    let (after, dropped) = run(
        "drop",
        json!([work("w1"), home("h1")]),
        json!([work("w2"), home("h1")]),
    )
    .unwrap();
    assert_eq!(
        (after, dropped),
        (emails(json!([work("w2"), home("h1")])), vec![])
    );
    let (after, _) = run("drop", json!([work("w1"), home("h1")]), json!([work("w2")])).unwrap();
    assert_eq!(after, emails(json!([work("w2"), home("h1")])));
    let (after, _) = run("drop", json!([work("w1"), home("h1")]), json!([])).unwrap();
    assert_eq!(after, emails(json!([home("h1")])));

    // Refused: only what is new.
    let error = run("reject", json!([work("w1")]), both).unwrap_err();
    assert_eq!(
        error.detail(),
        "`emails` is not in the attribute mapping of this connection: remove it from the request, or map it"
    );
    assert!(
        run(
            "reject",
            json!([work("w1"), home("h1")]),
            json!([work("w2"), home("h1")])
        )
        .is_ok()
    );
}

#[test]
fn a_new_primary_value_replaces_the_stored_primary_value() {
    let before = json!({"emails": [{"type": "home", "value": "h", "primary": true}]});
    let after = json!({"emails": [{"type": "work", "value": "w", "primary": true}]});
    let (after, _) = shaped(&with("drop"), before, after).unwrap();
    assert_eq!(
        after["emails"],
        json!([{"type": "work", "value": "w", "primary": true}, {"type": "home", "value": "h"}])
    );
}

#[test]
fn unmapped_attributes_follow_the_policy() {
    let before = json!({"title": "Dr", "nickName": "B"});
    let after = json!({"title": "Prof", "locale": "en"});
    assert_eq!(
        shaped(&with("keep"), before.clone(), after.clone())
            .unwrap()
            .0,
        after
    );
    let (left, mut dropped) = shaped(&with("drop"), before.clone(), after.clone()).unwrap();
    dropped.sort();
    assert_eq!(
        (&left, dropped),
        (&before, vec!["locale".to_owned(), "title".to_owned()])
    );
    assert!(shaped(&with("reject"), before.clone(), after).is_err());
    assert_eq!(
        shaped(&with("reject"), before.clone(), json!({}))
            .unwrap()
            .0,
        before
    );
}

#[test]
fn attributes_of_the_protocol_are_accepted_without_a_rule() {
    let after = json!({"externalId": "x", "active": false, "userName": "b"});
    for unmapped in ["drop", "reject"] {
        assert_eq!(
            shaped(&with(unmapped), json!({}), after.clone()).unwrap(),
            (after.clone(), vec![])
        );
    }
    let mapping = mapping(
        "[Group]\nunmapped = 'refuse'\n[[Group.map]]\nscim = 'displayName'\nfield = 'name'",
    );
    let rules = mapping.for_type("Group").unwrap();
    let mut change = Change::empty(Arc::clone(rules.kind()));
    let members = rules.kind().attribute_id("members").unwrap();
    change.edit_edges(members, EdgeEdit::Replace(vec![Edge::to("1")]));
    assert_eq!(
        rules
            .filter_change(change, ChangeKind::Update(None))
            .unwrap()
            .change
            .edge_changes()
            .len(),
        1
    );
}

#[test]
fn read_only_attributes_are_ignored() {
    let toml = "[[User.map]]\nscim = 'title'\nfield = 'job'\nread_only = true\n\
        [[User.map]]\nscim = 'active'\nfield = 'state'\nread_only = true\n\
        [[User.map]]\nscim = 'displayName'\ntemplate = '{first} {last}'\n\
        [[User.map]]\nscim = 'emails[type eq \"work\"].value'\nfield = 'mail'\nread_only = true\n";
    let before =
        json!({"title": "Dr", "displayName": "B J", "emails": [{"type": "work", "value": "w"}]});
    let after = json!({"title": "Prof", "active": false, "displayName": "X", "nickName": "N", "emails": [
        {"type": "home", "value": "h"}, {"type": "work", "value": "forged"}]});
    let (left, dropped) = shaped(toml, before, after).unwrap();
    let emails = json!([{"type": "home", "value": "h"}, {"type": "work", "value": "w"}]);
    let wanted = json!({"title": "Dr", "displayName": "B J", "nickName": "N", "emails": emails});
    assert_eq!((left, dropped), (wanted, vec![]));
}

#[test]
fn missing_required_attributes_are_rejected() {
    let toml = "[[User.map]]\nscim = ['name.givenName', 'name.familyName']\nfield = 'full'\njoin = ' '\nrequired = true\n\
        [[User.map]]\nscim = 'emails[type eq \"work\"].value'\nfield = 'mail'\nrequired = true\n";
    let whole = json!({"name": {"familyName": "J"}, "emails": [{"type": "work", "value": "w"}]});
    assert!(shaped(toml, whole.clone(), whole.clone()).is_ok());
    let without = |name: &str| {
        let mut body = whole.clone();
        body.as_object_mut().unwrap().remove(name);
        body
    };
    let error = shaped(toml, whole.clone(), without("emails")).unwrap_err();
    assert_eq!(
        error.detail(),
        "`emails[type eq \"work\"].value` is unset, but the attribute mapping requires it: send a value"
    );
    assert!(shaped(toml, whole.clone(), without("name")).is_err());
    // What was never there is not asked for by an update that does not speak of it.
    assert!(
        shaped(
            toml,
            without("emails"),
            json!({"name": {"familyName": "K"}})
        )
        .is_ok()
    );

    // Without the document before, what is unset tells enough.
    let rules = user(toml);
    let kind = rules.kind();
    let mut change = Change::empty(Arc::clone(kind));
    let family = kind.attribute_id("name.familyName").unwrap();
    change.difference(family, Some(&json!("J")), None);
    assert!(
        rules
            .filter_change(change, ChangeKind::Update(None))
            .is_err()
    );
}

#[test]
fn a_required_password_is_checked_on_create_and_written_to_its_field() {
    let rules = user(
        "[[User.map]]\nscim = 'password'\nfield = 'secret'\nwrite_only = true\nrequired = true\n",
    );
    let kind = rules.kind();
    let create = |body| {
        let change = Change::create(Arc::clone(kind), resource(body));
        rules.filter_change(change, ChangeKind::Create)
    };
    assert!(create(json!({"userName": "b"})).is_err());
    let shaped = create(json!({"userName": "b", "password": "t1meMa$heen"})).unwrap();
    let edits = rules
        .field_edits(&shaped.change, Some(&Resource::default()))
        .unwrap();
    assert_eq!(edits.len(), 1);
    // An update that does not speak of it is fine: no document holds it.
    let before = resource(json!({"userName": "b"}));
    let change = update(&before, json!({"userName": "c"}));
    assert!(
        rules
            .filter_change(change.clone(), ChangeKind::Update(Some(&before)))
            .is_ok()
    );
    assert!(
        rules
            .field_edits(&change, Some(&before))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn defaults_create_values_of_multi_valued_attributes() {
    let toml = "[[User.map]]\nscim = 'addresses[type eq \"work\"].country'\nfield = 'country'\ndefault = 'TR'\n\
        [[User.map]]\nscim = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:organization'\nfield = 'org'\ndefault = 'o'\n";
    let rules = user(toml);
    let create = |body: Value| {
        let change = Change::create(Arc::clone(rules.kind()), resource(body));
        let mut document = Resource::default();
        rules
            .filter_change(change, ChangeKind::Create)
            .unwrap()
            .change
            .apply(&mut document);
        document
    };
    let home = json!({"type": "home", "country": "DE"});
    let made = create(json!({"addresses": [home]}));
    assert_eq!(
        made.as_map()["addresses"],
        json!([home, {"type": "work", "country": "TR"}])
    );
    let record = json!({"country": "TR", "org": "o"});
    assert_eq!(json!(rules.to_record(&made).unwrap()), record);
    let given = json!([{"type": "work", "country": "GB"}]);
    assert_eq!(
        create(json!({"addresses": given})).as_map()["addresses"],
        given
    );
}

#[test]
fn changes_of_other_types_are_rejected() {
    let rules = user(WORK);
    let registry = Registry::standard();
    let change = Change::empty(Arc::clone(registry.resource_type("Group").unwrap()));
    assert!(
        rules
            .filter_change(change.clone(), ChangeKind::Create)
            .is_err()
    );
    assert!(rules.field_edits(&change, None).is_err());
}

#[test]
fn attributes_that_the_schema_requires_are_accepted() {
    let toml = "[User]\nunmapped = 'drop'\n[[User.map]]\nscim = 'title'\nfield = 'job'\n";
    let after = json!({"userName": "b", "title": "Dr"});
    assert_eq!(
        shaped(toml, json!({}), after.clone()).unwrap(),
        (after, vec![])
    );
}

#[test]
fn blank_required_attributes_are_rejected_and_all_errors_reported() {
    let registry = Registry::standard();
    let mapping = Mapping::builder()
        .unmapped("User", UnmappedPolicy::Reject)
        .rule("User", MappingRule::new("userName").with_field("login"))
        .rule(
            "User",
            MappingRule::new(r#"emails[type eq "work"].value"#)
                .with_field("mail")
                .required(),
        )
        .rule(
            "User",
            MappingRule::new("name.givenName")
                .with_field("first")
                .required(),
        )
        .build(&registry)
        .unwrap();
    let user = registry.resource_type("User").unwrap();
    let rules = mapping.for_type("User").unwrap();
    let create = |body| {
        let admitted = user.admit(body, &Tolerance::DEFAULT).unwrap();
        rules.filter_change(Change::create(user.clone(), admitted), ChangeKind::Create)
    };
    let blank = json!({"userName": "a", "title": "t", "nickName": "n", "name": {"givenName": " "},
        "emails": [{"type": "work", "value": ""}]});
    let refused = create(blank).unwrap_err();
    assert_eq!(
        refused.detail(),
        "`nickName` is not in the attribute mapping of this connection: remove it from the request, or map it; \
         `title` is not in the attribute mapping of this connection: remove it from the request, or map it; \
         `emails[type eq \"work\"].value` is blank, but the attribute mapping requires it: send a value; \
         `name.givenName` is blank, but the attribute mapping requires it: send a value"
    );
    let whole = json!({"userName": "a", "name": {"givenName": "A"},
        "emails": [{"type": "work", "value": "a@x"}]});
    let before = user.admit(whole, &Tolerance::DEFAULT).unwrap();
    let update = |path: &str, after| {
        let id = user.attribute_id(path).unwrap();
        let mut change = Change::empty(user.clone());
        change.difference(id, before.get(user, id), Some(after));
        rules.filter_change(change, ChangeKind::Update(Some(&before)))
    };
    for (path, value) in [
        ("name.givenName", json!("")),
        ("emails", json!([{"type": "work", "value": " "}])),
    ] {
        let refused = update(path, value).unwrap_err();
        assert!(refused.detail().contains("is blank"), "{refused}");
    }
    assert!(update("name.givenName", json!("B")).is_ok());
}

#[test]
fn attributes_with_a_default_can_not_be_unset() {
    let registry = Registry::standard();
    let rule = MappingRule::new("active")
        .with_field("enabled")
        .with_default(true);
    let mapping = Mapping::builder()
        .rule("User", rule)
        .build(&registry)
        .unwrap();
    let user = registry.resource_type("User").unwrap();
    let active = user.attribute_id("active").unwrap();
    let before = user
        .admit(json!({"active": false}), &Tolerance::DEFAULT)
        .unwrap();
    let mut change = Change::empty(user.clone());
    change.difference(active, before.get(user, active), None);
    assert_eq!(change.removals(), [active]);
    let rules = mapping.for_type("User").unwrap();
    let shaped = rules
        .filter_change(change, ChangeKind::Update(Some(&before)))
        .unwrap();
    assert!(shaped.change.is_empty());
}

#[test]
fn selected_values_with_a_default_stay() {
    let registry = Registry::standard();
    let path = r#"addresses[type eq "work"].country"#;
    let rule = MappingRule::new(path)
        .with_field("country")
        .with_default("TR");
    let mapping = Mapping::builder()
        .unmapped("User", UnmappedPolicy::Drop)
        .rule("User", rule)
        .build(&registry)
        .unwrap();
    let user = registry.resource_type("User").unwrap();
    let addresses = user.attribute_id("addresses").unwrap();
    let before = json!({"addresses": [{"type": "work", "country": "DE"}]});
    let before = user.admit(before, &Tolerance::DEFAULT).unwrap();
    let shaped = |after| {
        let mut change = Change::empty(user.clone());
        change.difference(addresses, before.get(user, addresses), after);
        let occasion = ChangeKind::Update(Some(&before));
        let mut document = before.clone();
        let shaped = mapping
            .for_type("User")
            .unwrap()
            .filter_change(change, occasion);
        shaped.unwrap().change.apply(&mut document);
        document.get(user, addresses).cloned().unwrap_or_default()
    };
    assert_eq!(shaped(None)[0]["country"], "DE");
    let other = json!([{"type": "work", "country": "FR"}]);
    assert_eq!(shaped(Some(other))[0]["country"], "FR");
}
