//! The guides of KnowBe4 from the first step to the last.

use std::time::Duration;

use scimkit::provision::sync::{ExemptionFile, RunState};
use serde_json::{Value, json};

use crate::{
    PRODUCT,
    product::testing::{World, counts},
};

const KSAT: &str = "urn:ietf:params:scim:schemas:extension:knowbe4:kmsat:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A user as Entra ID sends it by the mapping of its guide.
fn entra(email: &str, first: &str, last: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE, KSAT],
        "externalId": format!("{first}{last}"),
        "userName": email,
        "active": true,
        "title": "Engineer",
        "displayName": format!("{first} {last}"),
        "name": {"givenName": first, "familyName": last},
        ENTERPRISE: {"employeeNumber": "4711", "department": "R&D", "division": "North", "organization": "Example"},
        KSAT: {"customField1": "blue", "customDate1": "2022-04-04T04:23:30Z"},
    })
}

#[tokio::test]
async fn guide_for_entra_is_followed_to_its_end() {
    let world = World::new(&PRODUCT, &[]).await;
    // Test connection.
    let none = world
        .scim(
            "GET /Users?filter=userName%20eq%20%22none%40example.com%22",
            Value::Null,
        )
        .await;
    assert_eq!(none["totalResults"], 0);

    // Start small, in test mode: nothing changes.
    let before = world.people().await;
    world
        .create(entra("Ada.Lovelace@Example.com", "Ada", "King"))
        .await;
    let new = world
        .create(entra("joan.clarke@example.com", "Joan", "Clarke"))
        .await;
    let run = world.sync().await;
    assert_eq!(run.state, RunState::Test);
    assert_eq!(counts(&run), [1, 1, 0, 0, 0]);
    assert_eq!(world.people().await, before);

    // An accident: only two people are in scope, and everybody else would be archived.
    world
        .set(|settings| {
            settings.test_mode = false;
            settings.quiet = Some(Duration::ZERO);
            settings.guards.archived_base = Some(10);
        })
        .await;
    let run = world.sync().await;
    assert_eq!(run.state, RunState::Blocked);
    assert_eq!(
        run.reason.as_deref(),
        Some("default: 28 of 28 users would be archived")
    );
    assert_eq!(world.people().await, before);

    // The rest of the company, without two leavers and one person who is exempt.
    let csv = "Email,Provisioning Managed\nken.thompson@example.com,false\n";
    let rows = ExemptionFile::from_csv(csv.as_bytes()).unwrap().rows;
    let exempt = world.runs.exemptions().await.unwrap();
    let mut with_ken = exempt.clone();
    with_ken.import(&rows, |_| None);
    world.runs.put_exemptions(&exempt, &with_ken).await.unwrap();
    let gone = [
        "tony.hoare@example.com",
        "peter.naur@example.com",
        "ken.thompson@example.com",
    ];
    for person in &before {
        let email = person["email"].as_str().unwrap();
        if person["first_name"] != "Ada" && !gone.contains(&email) {
            let first = person["first_name"].as_str().unwrap();
            world
                .create(entra(email, first, person["last_name"].as_str().unwrap()))
                .await;
        }
    }
    assert_eq!(world.completed().await, [1, 27, 2, 0, 0]);
    assert_eq!(world.archived().await, 2);
    let joan = world.person("joan.clarke@example.com").await;
    assert_eq!(joan["custom_date_1"], "2022-04-04");
    assert_eq!(
        (&joan["custom_field_1"], &joan["department"]),
        (&json!("blue"), &json!("R&D"))
    );
    // Alias addresses end with the first live run, for those whom it delivers.
    let barbara = world
        .person("Barbara.Liskov@example.com".to_lowercase().as_str())
        .await;
    assert_eq!(barbara["alias_emails"], Value::Null, "{barbara}");
    let ken = world.person("ken.thompson@example.com").await;
    assert_eq!(
        (&ken["archived"], &ken["department"]),
        (&json!(false), &Value::Null)
    );

    // A rename, a leaver and a rehire: the same person.
    world
        .replace(&new, "userName", json!("joan.murray@example.com"))
        .await;
    assert_eq!(world.completed().await, [0, 1, 0, 0, 0]);
    let renamed = world.person("joan.murray@example.com").await;
    assert_eq!(renamed["id"], joan["id"]);
    world.replace(&new, "active", json!(false)).await;
    assert_eq!(world.completed().await, [0, 0, 1, 0, 0]);
    world.replace(&new, "active", json!(true)).await;
    assert_eq!(world.completed().await, [0, 0, 0, 1, 0]);
    assert_eq!(
        world.person("joan.murray@example.com").await["id"],
        joan["id"]
    );

    // An administrator is protected, even if the identity provider deletes her.
    let filter = "GET /Users?filter=userName%20eq%20%22grace.hopper%40example.com%22";
    let grace = world.scim(filter, Value::Null).await["Resources"][0]["id"].clone();
    world
        .scim(
            &format!("DELETE /Users/{}", grace.as_str().unwrap()),
            Value::Null,
        )
        .await;
    world.completed().await;
    assert_eq!(
        world.person("grace.hopper@example.com").await["archived"],
        false
    );
}

#[tokio::test]
async fn groups_and_their_members_are_mirrored() {
    let world = World::new(&PRODUCT, &[]).await;
    world
        .set(|settings| {
            settings.test_mode = false;
            settings.authoritative = false;
        })
        .await;
    let joan = world
        .create(entra("joan.clarke@example.com", "Joan", "Clarke"))
        .await;
    let ada = world
        .create(entra("ada.lovelace@example.com", "Ada", "Lovelace"))
        .await;
    let members = json!([{"value": joan}, {"value": ada}]);
    world
        .scim(
            "POST /Groups",
            json!({"displayName": "Phishing", "members": members}),
        )
        .await;
    world.completed().await;
    let both = json!(["ada.lovelace@example.com", "joan.clarke@example.com"]);
    assert_eq!(world.teams().await, [("Phishing".to_owned(), both)]);
}

#[tokio::test]
async fn okta_delivers_the_fields_of_its_guide() {
    let world = World::new(&PRODUCT, &[]).await;
    world
        .set(|settings| {
            settings.test_mode = false;
            settings.authoritative = false;
            settings.mapping = Some(include_str!("okta.toml").to_owned());
        })
        .await;
    world.create(json!({
        "userName": "joan.clarke@example.com",
        "active": true,
        "title": "Cryptanalyst",
        "name": {"givenName": "Joan", "familyName": "Clarke"},
        "phoneNumbers": [{"type": "work", "value": "+44 1"}, {"type": "mobile", "value": "+44 2"}],
        "addresses": [{"type": "work", "formatted": "Hut 8"}],
        ENTERPRISE: {"manager": {"value": "alan@example.com", "displayName": "Alan Turing"}},
    })).await;
    world.completed().await;
    let joan = world.person("joan.clarke@example.com").await;
    for (column, value) in [
        ("job_title", "Cryptanalyst"),
        ("phone_number", "+44 1"),
        ("mobile_phone_number", "+44 2"),
        ("location", "Hut 8"),
        ("manager_email", "alan@example.com"),
        ("manager_name", "Alan Turing"),
    ] {
        assert_eq!(joan[column], value, "{column}");
    }
}

#[tokio::test]
async fn seats_are_forecast_and_the_rest_is_rejected_in_a_stable_order() {
    let world = World::new(&PRODUCT, &["--seats", "31"]).await;
    world
        .set(|settings| {
            settings.test_mode = false;
            settings.authoritative = false;
        })
        .await;
    for n in 0..3 {
        world
            .create(entra(&format!("new{n}@example.com"), "New", "One"))
            .await;
    }
    assert_eq!(world.completed().await, [1, 0, 0, 0, 2]);
    assert_eq!(world.people().await.len(), 31);
    assert_eq!(world.completed().await, [0, 0, 0, 0, 2]);
}
