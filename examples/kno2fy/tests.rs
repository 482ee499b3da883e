//! The guide of Kno2fy from the first step to the last.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use scimkit::provision::sync::RunState;
use serde_json::{Value, json};

use crate::{
    PRODUCT,
    product::testing::{World, counts},
};

/// A user with everything that the guide requires.
fn entra(email: &str) -> Value {
    json!({
        "userName": email,
        "active": true,
        "displayName": "Joan Clarke",
        "name": {"givenName": "Joan", "familyName": "Clarke"},
        "emails": [{"type": "work", "value": email, "primary": true}],
    })
}

#[tokio::test]
async fn one_organization_is_provisioned_and_the_other_is_not_touched() {
    let world = World::new(&PRODUCT, &[]).await;
    let others = async || {
        let people = world.people().await;
        let others = people
            .into_iter()
            .filter(|person| person["organization"] == "clinic");
        others.collect::<Vec<_>>()
    };
    let before = others().await;
    assert_eq!(before.len(), 10);
    let joan = world.create(entra("joan.clarke@example.com")).await;
    let members = json!([{"value": joan}]);
    world
        .scim(
            "POST /Groups",
            json!({"displayName": "Nurses", "members": members}),
        )
        .await;
    let run = world.sync().await;
    assert_eq!((run.state, counts(&run)), (RunState::Test, [1, 0, 0, 0, 0]));
    world
        .set(|settings| {
            settings.test_mode = false;
            settings.authoritative = true;
            settings.quiet = Some(std::time::Duration::ZERO);
        })
        .await;
    // The twenty people of this organization were never sent; its two administrators are protected.
    assert_eq!(world.completed().await, [1, 0, 18, 0, 0]);
    assert_eq!((others().await, world.archived().await), (before, 18));
    let person = world.person("joan.clarke@example.com").await;
    assert_eq!(
        (&person["organization"], &person["work_email"]),
        (&json!("default"), &json!("joan.clarke@example.com"))
    );
    assert_eq!(world.teams().await[0].1, json!(["joan.clarke@example.com"]));

    // Whoever leaves can no longer sign in, and never could in another organization.
    let sign_in = async |organization: &str| {
        let page = format!("/product/sign-in/{organization}/joan.clarke@example.com");
        world
            .call(Request::get(page).body(Body::empty()).unwrap())
            .await
            .0
    };
    assert_eq!(sign_in("default").await, StatusCode::OK);
    assert_eq!(sign_in("clinic").await, StatusCode::FORBIDDEN);
    world.replace(&joan, "active", json!(false)).await;
    world.completed().await;
    assert_eq!(sign_in("default").await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn user_without_a_required_attribute_is_rejected_with_its_name() {
    let world = World::new(&PRODUCT, &[]).await;
    let mut joan = entra("joan.clarke@example.com");
    joan.as_object_mut().unwrap().remove("displayName");
    world.create(joan).await;
    world.set(|settings| settings.test_mode = false).await;
    let run = world.sync().await;
    assert_eq!(counts(&run), [0, 0, 0, 0, 1]);
    let steps = world.runs.steps(run.id, 0).await.unwrap();
    assert_eq!(
        steps[0].reason.as_ref().unwrap().to_string(),
        "`displayName` is required"
    );
}
