//! The mapping tables of four vendors' guides, attribute by attribute, with what providers send.

use std::{collections::BTreeSet, sync::Arc};

use scimkit_core::Mutability;
use scimkit_mapping::{ChangeKind, FieldEdit, Mapping};
use scimkit_registry::{Change, Edge, EdgeEdit, Registry, Resource, Tolerance};
use serde_json::{Value, json};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const KNOWBE4: &str = "urn:ietf:params:scim:schemas:extension:knowbe4:kmsat:2.0:User";

/// The attributes that a guide lists for a type.
fn listed(guide: &str, kind: &str) -> BTreeSet<String> {
    let seeds: Value = serde_json::from_str(include_str!("../mappings/seeds.json")).unwrap();
    let (_, guide) = seeds
        .as_object()
        .unwrap()
        .iter()
        .find(|(name, _)| name.ends_with(guide))
        .unwrap();
    guide[kind].as_object().unwrap().keys().cloned().collect()
}

fn knowbe4() -> Registry {
    Registry::builder()
        .schemas_json(include_str!("../mappings/knowbe4-schemas.json"))
        .unwrap()
        .resource_types_json(include_str!("../mappings/knowbe4-resource-types.json"))
        .unwrap()
        .characteristics(&format!("{ENTERPRISE}:manager.displayName"), |attribute| {
            attribute.mutability = Mutability::ReadWrite;
        })
        .unwrap()
        .build()
        .unwrap()
}

fn load(registry: &Registry, toml: &str) -> Mapping {
    match Mapping::builder().text(toml).build(registry) {
        Ok(mapping) => mapping,
        Err(error) => panic!("{error}"),
    }
}

/// One attribute: where it is in a body, what is sent, and what the host gets.
struct Case {
    body: Value,
    field: &'static str,
    host: Value,
    listed: String,
    /// Whether what comes back from the host alone is what was sent.
    undone: bool,
}

fn case(
    listed: impl Into<String>,
    body: Value,
    field: &'static str,
    host: impl Into<Value>,
) -> Case {
    Case {
        body,
        field,
        host: host.into(),
        listed: listed.into(),
        undone: true,
    }
}

fn enterprise(name: &str, value: impl Into<Value>) -> Value {
    json!({ENTERPRISE: {name: value.into()}})
}

fn own(name: &str, value: impl Into<Value>) -> Value {
    json!({KNOWBE4: {name: value.into()}})
}

/// Sends every attribute alone, both ways, and holds that the guide's list is exactly this.
fn walk(
    registry: &Registry,
    mapping: &Mapping,
    kind: &str,
    listed: &BTreeSet<String>,
    cases: &[Case],
) {
    let covered: BTreeSet<_> = cases.iter().map(|case| case.listed.clone()).collect();
    assert_eq!(&covered, listed);
    let (kind, rules) = (
        registry.resource_type(kind).unwrap(),
        mapping.for_type(kind).unwrap(),
    );
    for Case {
        body,
        field,
        host,
        listed,
        undone,
    } in cases
    {
        let sent = kind.admit(body.clone(), &Tolerance::DEFAULT).unwrap();
        let mut record = rules.to_record(&sent).unwrap();
        assert_eq!(record.get(*field), Some(host), "{listed}");
        let changes = rules
            .field_edits(&Change::create(Arc::clone(kind), sent.clone()), None)
            .unwrap();
        assert_eq!(
            changes.get(*field),
            Some(&FieldEdit::Set(host.clone())),
            "{listed}"
        );
        assert_eq!(
            rules.to_resource(&record, sent.clone()).unwrap(),
            sent,
            "{listed}: it changes by itself"
        );
        if *undone {
            assert_eq!(
                rules.to_resource(&record, Resource::default()).unwrap(),
                sent,
                "{listed}"
            );
        }
        record
            .iter_mut()
            .for_each(|(_, value)| *value = Value::Null);
        let emptied = rules.to_resource(&record, sent).unwrap();
        assert_eq!(emptied.as_map().len(), 1, "{listed} is left: {emptied:?}"); // `schemas`
        assert!(
            rules.rules().any(|rule| rule.field() == Some(*field)),
            "{listed}"
        );
    }
}

#[test]
fn knowbe4_with_entra() {
    let registry = knowbe4();
    let mapping = load(&registry, include_str!("../mappings/knowbe4-entra.toml"));
    let extension = |name: &str| format!("{ENTERPRISE}:{name}");
    let custom = |name: &str| format!("{KNOWBE4}:{name}");
    let moment = "2022-04-04T04:23:30Z";
    let mut cases = vec![
        case(
            "userName",
            json!({"userName": "kb@contoso.example"}),
            "email",
            "kb@contoso.example",
        ),
        case("active", json!({"active": false}), "archived", true),
        case("title", json!({"title": "T"}), "job_title", "T"),
        case(
            "name.givenName",
            json!({"name": {"givenName": "Given"}}),
            "first_name",
            "Given",
        ),
        case(
            "name.familyName",
            json!({"name": {"familyName": "Family"}}),
            "last_name",
            "Family",
        ),
        case(
            "externalId",
            json!({"externalId": "x-1"}),
            "directory_id",
            "x-1",
        ),
        case(
            "displayName",
            json!({"displayName": "Entra kb"}),
            "display_name",
            "Entra kb",
        ),
        case(
            extension("manager.value"),
            enterprise("manager", json!({"value": "42"})),
            "manager_id",
            "42",
        ),
        case(
            extension("employeeNumber"),
            enterprise("employeeNumber", "1"),
            "employee_number",
            "1",
        ),
        case(
            extension("department"),
            enterprise("department", "d"),
            "department",
            "d",
        ),
        case(
            extension("division"),
            enterprise("division", "v"),
            "division",
            "v",
        ),
        case(
            extension("organization"),
            enterprise("organization", "o"),
            "organization",
            "o",
        ),
        case(
            custom("customDate1"),
            own("customDate1", moment),
            "custom_date_1",
            "2022-04-04",
        ),
        case(
            custom("customDate2"),
            own("customDate2", "2024-01-01T00:00:00Z"),
            "custom_date_2",
            "2024-01-01",
        ),
        case(
            custom("customField1"),
            own("customField1", "a"),
            "custom_field_1",
            "a",
        ),
        case(
            custom("customField2"),
            own("customField2", "b"),
            "custom_field_2",
            "b",
        ),
        case(
            custom("customField3"),
            own("customField3", "c"),
            "custom_field_3",
            "c",
        ),
        case(
            custom("customField4"),
            own("customField4", "q"),
            "custom_field_4",
            "q",
        ),
    ];
    // The host keeps the date alone.
    cases
        .iter_mut()
        .filter(|case| case.field == "custom_date_1")
        .for_each(|case| case.undone = false);
    walk(
        &registry,
        &mapping,
        "User",
        &listed("KSAT with Entra", "user"),
        &cases,
    );

    let members = json!({"members": [{"value": "1"}, {"value": "2"}]});
    let groups = [
        case(
            "displayName",
            json!({"displayName": "KSAT"}),
            "name",
            "KSAT",
        ),
        case("members", members, "member_ids", json!(["1", "2"])),
        case(
            "externalId",
            json!({"externalId": "gx-1"}),
            "directory_id",
            "gx-1",
        ),
    ];
    walk(
        &registry,
        &mapping,
        "Group",
        &listed("KSAT with Entra", "group"),
        &groups,
    );

    // A member more is told as such: nobody knows the others.
    let group = registry.resource_type("Group").unwrap();
    let mut change = Change::empty(Arc::clone(group));
    let edit = EdgeEdit::Delta {
        add: vec![Edge::to("3")],
        remove: vec!["1".into()],
    };
    change.edit_edges(group.attribute_id("members").unwrap(), edit);
    let edits = mapping
        .for_type("Group")
        .unwrap()
        .field_edits(&change, Some(&Resource::default()))
        .unwrap();
    let members = FieldEdit::Members {
        add: vec!["3".into()],
        remove: vec!["1".into()],
    };
    assert_eq!(
        edits.into_iter().collect::<Vec<_>>(),
        [("member_ids".to_owned(), members)]
    );
}

#[test]
fn knowbe4_with_okta() {
    let registry = knowbe4();
    let mapping = load(&registry, include_str!("../mappings/knowbe4-okta.toml"));
    let number =
        |kind: &str, value: &str| json!({"phoneNumbers": [{"type": kind, "value": value}]});
    let manager = |name: &str, value: &str| enterprise("manager", json!({name: value}));
    let mut cases = vec![
        case(
            "Email",
            json!({"userName": "kb@okta.example"}),
            "Email",
            "kb@okta.example",
        ),
        case(
            "First Name",
            json!({"name": {"givenName": "Test"}}),
            "First Name",
            "Test",
        ),
        case(
            "Last Name",
            json!({"name": {"familyName": "User"}}),
            "Last Name",
            "User",
        ),
        case(
            "Phone Number",
            number("work", "tel:+12015550123"),
            "Phone Number",
            "+12015550123",
        ),
        case(
            "Location",
            json!({"addresses": [{"type": "work", "formatted": "1 Main St"}]}),
            "Location",
            "1 Main St",
        ),
        case("Division", enterprise("division", "v"), "Division", "v"),
        case(
            "Employee Number",
            enterprise("employeeNumber", "7"),
            "Employee Number",
            "7",
        ),
        case(
            "Job Title",
            json!({"title": "Engineer"}),
            "Job Title",
            "Engineer",
        ),
        case(
            "Organization",
            enterprise("organization", "o"),
            "Organization",
            "o",
        ),
        case(
            "Department",
            enterprise("department", "d"),
            "Department",
            "d",
        ),
        case(
            "Mobile Phone Number",
            number("mobile", "(201) 555-0124"),
            "Mobile Phone Number",
            "+12015550124",
        ),
        case(
            "Manager Display Name",
            manager("displayName", "Ann Boss"),
            "Manager Display Name",
            "Ann Boss",
        ),
        case(
            "Manager Email",
            manager("value", "ann@okta.example"),
            "Manager Email",
            "ann@okta.example",
        ),
        case(
            "custom fields and Custom Date",
            own("customField1", "a"),
            "Custom Field 1",
            "a",
        ),
        case(
            "custom fields and Custom Date",
            own("customField4", "q"),
            "Custom Field 4",
            "q",
        ),
        case(
            "custom fields and Custom Date",
            own("customDate1", "2022-04-04T04:23:30Z"),
            "Custom Date 1",
            "2022-04-04T04:23:30Z",
        ),
    ];
    // What comes back is RFC 3966, whatever was sent.
    cases
        .iter_mut()
        .filter(|case| case.field == "Mobile Phone Number")
        .for_each(|case| case.undone = false);
    walk(
        &registry,
        &mapping,
        "User",
        &listed("KnowBe4 with Okta", "user"),
        &cases,
    );

    // What the guide says is not mapped is dropped, and so is the password that Okta sends.
    let user = registry.resource_type("User").unwrap();
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "kb@okta.example", "locale": "en-US", "timezone": "Europe/Berlin", "externalId": "00u",
        "preferredLanguage": "en", "password": "1mz050nq", "active": true,
        "emails": [{"primary": true, "value": "kb@okta.example", "type": "work"}],
    });
    let change = Change::create(
        Arc::clone(user),
        user.admit(body, &Tolerance::OKTA).unwrap(),
    );
    let shaped = mapping
        .for_type("User")
        .unwrap()
        .filter_change(change, ChangeKind::Create)
        .unwrap();
    // Whoever takes passwords decides about them: the server drops them where nobody does.
    let mut dropped = shaped.dropped;
    dropped.sort();
    assert_eq!(
        dropped,
        ["emails", "locale", "preferredLanguage", "timezone"]
    );
    let left: Vec<_> = shaped.change.entries().map(|(path, _)| path).collect();
    assert_eq!(left, ["externalId", "userName", "active", "password"]);
}

#[test]
fn kno2fy() {
    let registry = Registry::standard();
    let mapping = load(&registry, include_str!("../mappings/kno2fy.toml"));
    let mail = "emails[type eq \"work\"].value";
    let cases = [
        case(
            "userName",
            json!({"userName": "kno2@contoso.example"}),
            "login",
            "kno2@contoso.example",
        ),
        case("active", json!({"active": true}), "status", "enabled"),
        case(
            "displayName",
            json!({"displayName": "Kno Two"}),
            "display_name",
            "Kno Two",
        ),
        case(
            mail,
            json!({"emails": [{"type": "work", "value": "k@x.example"}]}),
            "mail",
            "k@x.example",
        ),
        case(
            "name.givenName",
            json!({"name": {"givenName": "Kno"}}),
            "given_name",
            "Kno",
        ),
        case(
            "name.familyName",
            json!({"name": {"familyName": "Two"}}),
            "family_name",
            "Two",
        ),
    ];
    walk(
        &registry,
        &mapping,
        "User",
        &listed("Kno2fy with Entra", "user"),
        &cases,
    );
    let groups = [
        case("displayName", json!({"displayName": "Kno"}), "name", "Kno"),
        case(
            "members",
            json!({"members": [{"value": "1"}]}),
            "member_ids",
            json!(["1"]),
        ),
    ];
    walk(
        &registry,
        &mapping,
        "Group",
        &listed("Kno2fy with Entra", "group"),
        &groups,
    );

    // Every attribute of the guide's list is required, as it says.
    let user = registry.resource_type("User").unwrap();
    let rules = mapping.for_type("User").unwrap();
    let whole = json!({
        "userName": "kno2@contoso.example", "active": true, "displayName": "Kno Two",
        "emails": [{"type": "work", "value": "k@x.example", "primary": true}],
        "name": {"givenName": "Kno", "familyName": "Two"},
    });
    let create = |body: &Value| {
        let resource = user.admit(body.clone(), &Tolerance::ENTRA).unwrap();
        rules.filter_change(
            Change::create(Arc::clone(user), resource),
            ChangeKind::Create,
        )
    };
    assert!(create(&whole).unwrap().dropped.is_empty());
    for (name, detail) in [
        ("displayName", "`displayName` is"),
        ("emails", "`emails[type eq \"work\"].value` is"),
        ("name", "`name.givenName` is"),
    ] {
        let mut body = whole.clone();
        body.as_object_mut().unwrap().remove(name);
        assert!(
            create(&body).unwrap_err().detail().starts_with(detail),
            "{name}"
        );
    }
    let mut body = whole;
    body.as_object_mut().unwrap().remove("active"); // the mapping has a default
    let active = user.attribute_id("active").unwrap();
    assert!(
        create(&body)
            .unwrap()
            .change
            .assignments()
            .contains(&(active, json!(true)))
    );
}

#[test]
fn keepnet() {
    let registry = Registry::standard();
    let mapping = load(&registry, include_str!("../mappings/keepnet.toml"));
    let names: Vec<_> = listed("Keepnet with Entra", "user").into_iter().collect();
    let [country, mail, zone] = names.as_slice() else {
        panic!("{names:?}");
    };
    let address = |country: &str| json!({"addresses": [{"type": "work", "country": country}]});
    let mut cases = vec![
        case(
            mail,
            json!({"emails": [{"type": "work", "value": "kn@mail.example"}]}),
            "email",
            "kn@mail.example",
        ),
        case(
            zone,
            json!({"timezone": "Europe/London"}),
            "time_zone",
            "Europe/London",
        ),
        case(country, address("TR"), "country", "TR"),
        // "A group named UK will be created": the value is the group's name.
        case(country, address("UK"), "country", "UK"),
    ];
    for (sent, kept) in [
        ("GB", "Europe/London"),
        ("DE", "Europe/Berlin"),
        ("US", "America/New_York"),
    ] {
        cases.push(Case {
            undone: false,
            ..case(zone, json!({"timezone": sent}), "time_zone", kept)
        });
    }
    let listed = names.iter().cloned().collect();
    walk(&registry, &mapping, "User", &listed, &cases);

    // It matches by the e-mail, which is what the product knows people by.
    let user = registry.resource_type("User").unwrap();
    let rules = mapping.for_type("User").unwrap();
    assert_eq!(rules.matching().paths(), ["emails[type eq \"work\"].value"]);
    let body = json!({"userName": "kn", "timezone": "GB", "emails": [{"type": "home", "value": "h@x.example"}]});
    let change = Change::create(
        Arc::clone(user),
        user.admit(body, &Tolerance::ENTRA).unwrap(),
    );
    assert_eq!(rules.matching().predicate(&change), None);
    assert!(rules.filter_change(change, ChangeKind::Create).is_err());
}
