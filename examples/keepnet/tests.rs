//! The guide of Keepnet from the first step to the last.

use scimkit::{
    mapping::{FieldType, MappingFile},
    provision::sync::RunState,
};
use serde_json::{Value, json};

use crate::{
    PRODUCT,
    product::testing::{World, counts},
};

/// A user as Entra ID sends it by the mapping of the guide.
fn entra(email: &str, country: &str) -> Value {
    json!({
        "userName": email,
        "active": true,
        "name": {"givenName": "Joan", "familyName": "Clarke"},
        "emails": [{"type": "work", "value": email}],
        "timezone": "Europe/London",
        "title": "Analyst",
        "addresses": [{"type": "work", "country": country}],
    })
}

fn only(email: &str) -> Value {
    json!([email])
}

#[tokio::test]
async fn people_are_grouped_by_their_country_as_it_is_sent() {
    let world = World::new(&PRODUCT, &[]).await;
    let joan = world.create(entra("joan@example.com", "UK")).await;
    world.create(entra("jean@example.com", "FR")).await;
    // Groups in scope are accepted, and not delivered.
    world
        .scim(
            "POST /Groups",
            json!({"displayName": "Cloud", "members": [{"value": joan}]}),
        )
        .await;
    let run = world.sync().await;
    assert_eq!(run.state, RunState::Test);
    assert_eq!(counts(&run), [2, 0, 0, 0, 0]);
    assert_eq!(world.teams().await, []);

    world.set(|settings| settings.test_mode = false).await;
    world.completed().await;
    let person = world.person("joan@example.com").await;
    assert_eq!(
        (&person["time_zone"], &person["country"]),
        (&json!("Europe/London"), &json!("UK"))
    );
    let teams = [
        ("FR".to_owned(), only("jean@example.com")),
        ("UK".to_owned(), only("joan@example.com")),
    ];
    assert_eq!(world.teams().await, teams);

    // A move, after which the emptied group stays.
    world
        .replace(&joan, r#"addresses[type eq "work"].country"#, json!("FR"))
        .await;
    world.completed().await;
    let both = json!(["jean@example.com", "joan@example.com"]);
    assert_eq!(
        world.teams().await,
        [("FR".to_owned(), both), ("UK".to_owned(), json!([]))]
    );
    assert_eq!(
        world.archived().await,
        0,
        "the connection is not authoritative"
    );
}

#[tokio::test]
async fn column_of_a_tenant_is_mapped_and_delivered() {
    let world = World::new(&PRODUCT, &[]).await;
    world.create(entra("joan@example.com", "UK")).await;
    world.set(|settings| settings.test_mode = false).await;
    world.completed().await;
    assert_eq!(
        world.person("joan@example.com").await["custom_1"],
        Value::Null
    );
    world
        .set(|settings| {
            let mut file = MappingFile::parse(settings.mapping.as_deref().unwrap()).unwrap();
            file.add_field("User", "custom_1", FieldType::Text).unwrap();
            file.set_line("User", "custom_1", "title").unwrap();
            settings.mapping = Some(file.to_string());
        })
        .await;
    assert_eq!(world.completed().await, [0, 1, 0, 0, 0]);
    assert_eq!(
        world.person("joan@example.com").await["custom_1"],
        "Analyst"
    );
}

#[tokio::test]
async fn all_people_can_be_in_one_fixed_group() {
    let world = World::new(&PRODUCT, &[]).await;
    world.create(entra("joan@example.com", "UK")).await;
    world
        .set(|settings| {
            settings.test_mode = false;
            let source = settings.group_source.as_mut().unwrap();
            source.attribute = None;
            source.name = Some("Everyone".to_owned());
        })
        .await;
    world.completed().await;
    assert_eq!(
        world.teams().await,
        [("Everyone".to_owned(), only("joan@example.com"))]
    );
}

#[tokio::test]
async fn person_who_exists_is_found_by_the_mandatory_address() {
    let world = World::new(&PRODUCT, &[]).await;
    world.create(entra("ADA.lovelace@example.com", "UK")).await;
    world.set(|settings| settings.test_mode = false).await;
    assert_eq!(world.completed().await, [0, 1, 0, 0, 0]);
    assert_eq!(world.person("ADA.lovelace@example.com").await["id"], "p01");
}
