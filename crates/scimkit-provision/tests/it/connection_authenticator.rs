//! Who gets in, and that all who don't are told the same.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use http::Request;
use http_body_util::Full;
use scimkit_provision::{
    CapacitySetting, ConnectionAuthenticator, ConnectionSettings, CreatedToken, NewToken,
};
use scimkit_server::{AccessLevel, AuthError, Authenticate, TenantInPath, Token};
use scimkit_store::{
    ConnectionId, MemoryStore, Settings, TenantEntry, TenantId, TenantStore, TokenScopes,
};

use crate::world::{Mood, World};

#[tokio::test]
async fn every_refusal_is_the_same_and_takes_the_same_work() {
    let world = World::at("https://app.example/t/{tenant}/scim/v2");
    let acme = world.customer("acme").await;
    let tenant = acme.record.tenant.clone();
    let entra = acme.record.connection.clone();
    let theirs = world.customer("other").await;
    let admin = &world.administration;
    let issue = async |new: NewToken| admin.create_token(&tenant, &entra, &new).await.unwrap();
    let revoked = issue(NewToken::new("")).await;
    admin
        .revoke_token(&tenant, &revoked.record.id)
        .await
        .unwrap();
    let end = *world.hands.at() + TimeDelta::seconds(1);
    let expired = issue(NewToken::new("").with_expiry(end)).await;
    let replaced = issue(NewToken::new("")).await;
    let rotated = admin.rotate_token(&tenant, &replaced.record.id, Duration::ZERO);
    rotated.await.unwrap();
    world.hands.forward(TimeDelta::seconds(1));
    world.tenancy.asked();

    let users = "/t/acme/scim/v2/Users";
    let unknown = Token::generate().unwrap();
    let expected = world.get(users, unknown.reveal()).await.anonymous();
    assert_eq!(expected.status(), 401);
    let work = world.tenancy.asked();
    assert_eq!(work, ["open"]);
    let long = "x".repeat(100_000);
    for (secret, path) in [
        (revoked.token.reveal(), users),
        (expired.token.reveal(), users),
        (replaced.token.reveal(), users),
        (theirs.token.reveal(), users),
        (acme.token.reveal(), "/t/other/scim/v2/Users"),
        (acme.token.reveal(), "/t/nobody/scim/v2/Users"),
        (unknown.reveal(), "/t/nobody/scim/v2/Users"),
        (
            unknown.reveal().trim_end_matches(char::is_alphanumeric),
            users,
        ),
        (&acme.token.reveal().to_uppercase(), users),
        (&long, users),
        ("../../etc/passwd", users),
        ("%00", users),
        ("' OR 1=1 --", users),
        ("", users),
    ] {
        let answer = world.get(path, secret).await.anonymous();
        assert_eq!(answer, expected, "{secret:.40} {path}");
        assert_eq!(world.tenancy.asked(), work, "{secret:.40} {path}");
    }
    // What is no bearer token at all is not looked up, and told the same.
    let own = format!("Bearer {}", acme.token.reveal());
    for headers in [
        &[][..],
        &[("authorization", acme.token.reveal())],
        &[("authorization", "Basic YTpi")],
        &[("authorization", "Bearer\tx")],
        &[("authorization", &own), ("authorization", &own)],
        &[("authorization", &own), ("authorization", "Bearer x")],
        &[("x-authorization", &own)],
    ] {
        assert_eq!(world.ask(users, headers).await.anonymous(), expected);
        assert!(world.tenancy.asked().is_empty());
    }
    assert_eq!(world.get(users, acme.token.reveal()).await.status(), 200);
}

#[tokio::test]
async fn a_connection_that_is_switched_off_says_so_to_its_own_tokens_alone() {
    let world = World::in_memory();
    let issued = world.customer("acme").await;
    let (acme, entra) = (issued.record.tenant, issued.record.connection);
    let off = world.administration.disable_connection(&acme, &entra).await;
    off.unwrap();
    assert_eq!(world.status(&issued.token).await, 403);
    assert_eq!(world.status(&Token::generate().unwrap()).await, 401);
    // Nobody used it.
    let kept = world.administration.tokens(&acme).await.unwrap();
    assert_eq!(kept[0].last_used, None);
}

#[tokio::test]
async fn connections_of_one_tenant_keep_to_rules_of_their_own() {
    let world = World::in_memory();
    let entra = world.customer("acme").await;
    let acme = entra.record.tenant.clone();
    let okta = world.connection(&acme, "okta").await;
    let seen = world
        .administration
        .connection(&acme, &okta.record.connection)
        .await;
    let seen = seen.unwrap();
    let rules = ConnectionSettings::from_json(r#"{"groups": false}"#).unwrap();
    let changed = world.administration.change_connection(&seen, "", &rules);
    changed.await.unwrap();
    for (token, groups) in [(&entra.token, 200), (&okta.token, 403)] {
        assert_eq!(world.status(token).await, 200);
        let answer = world.get("/scim/v2/Groups", token.reveal()).await;
        assert_eq!(answer.status(), groups);
    }
    // What one connection makes, the other sees: the tenant is the same.
    let create = Request::post("/scim/v2/Users")
        .header("authorization", format!("Bearer {}", entra.token.reveal()))
        .body(Full::from(r#"{"userName": "bjensen"}"#))
        .unwrap();
    assert_eq!(world.send(create).await.status(), 201);
    let list = world.get("/scim/v2/Users", okta.token.reveal()).await;
    assert_eq!(list.json()["totalResults"], 1);
}

#[tokio::test]
async fn user_beyond_a_capacity_of_the_connection_is_rejected_with_403() {
    let world = World::in_memory();
    let entra = world.customer("acme").await;
    let acme = entra.record.tenant.clone();
    let administration = &world.administration;
    let okta = world.connection(&acme, "okta").await;
    let seen = administration.connection(&acme, &okta.record.connection);
    let seen = seen.await.unwrap();
    let mut rules = ConnectionSettings::default();
    let seats = CapacitySetting::new("seats", "User", 2).with_filter("active eq true");
    rules.capacities.push(seats);
    let changed = administration.change_connection(&seen, "", &rules);
    changed.await.unwrap();
    let create = async |token: &Token, name: &str, active: bool| {
        let body = format!(r#"{{"userName": "{name}", "active": {active}}}"#);
        let create = Request::post("/scim/v2/Users")
            .header("authorization", format!("Bearer {}", token.reveal()))
            .body(Full::from(body))
            .unwrap();
        world.send(create).await
    };
    // What the other connection creates counts, but is not limited.
    assert_eq!(create(&entra.token, "a", true).await.status(), 201);
    assert_eq!(create(&okta.token, "b", true).await.status(), 201);
    let refused = create(&okta.token, "c", true).await;
    assert_eq!(refused.status(), 403);
    let detail = "`seats`: there are 2 already, which is the limit";
    assert_eq!(refused.json()["detail"], detail);
    assert_eq!(create(&okta.token, "c", false).await.status(), 201);
    assert_eq!(create(&entra.token, "d", true).await.status(), 201);
}

#[tokio::test]
async fn what_can_not_be_looked_up_is_unavailable() {
    let world = World::in_memory();
    let issued = world.customer("acme").await;
    world.tenancy.be(Mood::Busy);
    for token in [&issued.token, &Token::generate().unwrap()] {
        assert_eq!(world.status(token).await, 503);
    }
    world.tenancy.be(Mood::Importing);
    let answer = world.get("/scim/v2/Users", issued.token.reveal()).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers["retry-after"], "1");
    let detail = "an import of this tenant is not complete: try again later";
    assert_eq!(answer.json()["detail"], detail);
    world.tenancy.be(Mood::Good);
    // Rules that somebody else wrote.
    let (acme, entra) = (issued.record.tenant, issued.record.connection);
    let mut connection = world
        .administration
        .connection(&acme, &entra)
        .await
        .unwrap();
    connection.settings = r#"{"of a later release": 1}"#.to_owned();
    let put = world
        .tenancy
        .put(
            vec![TenantEntry::Connection(connection)],
            chrono::DateTime::UNIX_EPOCH.into(),
        )
        .await;
    put.unwrap();
    assert_eq!(world.status(&issued.token).await, 503);
    assert_eq!(world.status(&Token::generate().unwrap()).await, 401);
}

#[tokio::test]
async fn an_identity_has_what_the_rules_and_the_scopes_say() {
    let store = Arc::new(MemoryStore::new());
    let world = World::over(store.clone(), "https://{tenant}.app.example", |gate| gate);
    let issued = world.customer("acme").await;
    let (acme, entra) = (issued.record.tenant, issued.record.connection);
    let seen = world
        .administration
        .connection(&acme, &entra)
        .await
        .unwrap();
    let rules =
        ConnectionSettings::from_json(r#"{"groups": false, "require_if_match": true}"#).unwrap();
    let changed = world.administration.change_connection(&seen, "", &rules);
    changed.await.unwrap();
    let mut scopes = TokenScopes::NONE;
    scopes.users = true;
    let new = NewToken::new("").with_scopes(scopes);
    let issued = world.administration.create_token(&acme, &entra, &new);
    let CreatedToken { record, token, .. } = issued.await.unwrap();

    let gate =
        ConnectionAuthenticator::new(store, Settings::new("https://{tenant}.app.example/scim/v2"));
    let head = |host: &str| {
        let request = Request::get("/Users")
            .header("host", host)
            .header("authorization", format!("Bearer {}", token.reveal()));
        request.body(()).unwrap().into_parts().0
    };
    let identity = gate.authenticate(&head("acme.app.example")).await.unwrap();
    assert_eq!((&identity.tenant, &identity.connection), (&acme, &entra));
    assert_eq!(identity.actor.as_deref(), Some(record.id.as_str()));
    assert_eq!(identity.access.level("User"), AccessLevel::Write);
    assert_eq!(identity.access.level("Group"), AccessLevel::Disabled);
    assert_eq!(identity.access.level("Device"), AccessLevel::Denied);
    let settings = identity.settings.unwrap();
    assert!(settings.require_if_match);
    assert_eq!(settings.base_url, "https://acme.app.example/scim/v2");

    // The same by other means, at the same place.
    let own = head("acme.app.example");
    let other = head("other.app.example");
    let again = gate
        .identity_for(&own, &acme, &entra, scopes)
        .await
        .unwrap();
    assert_eq!(again.access, identity.access);
    assert!(Arc::ptr_eq(&settings, &again.settings.unwrap()));
    let elsewhere = gate.identity_for(&other, &acme, &entra, scopes).await;
    assert_eq!(
        elsewhere.unwrap_err(),
        AuthError::Unauthorized("token of another tenant")
    );
    let none = ConnectionId::from("none");
    let unknown = gate.identity_for(&own, &acme, &none, scopes).await;
    assert_eq!(
        unknown.unwrap_err(),
        AuthError::Unauthorized("unknown connection")
    );
}

#[tokio::test]
async fn a_tenant_in_the_path_counts_even_where_the_base_url_has_none() {
    let store = Arc::new(MemoryStore::new());
    let world = World::over(store.clone(), "https://app.example", |gate| gate);
    let issued = world.customer("acme").await;
    let gate = ConnectionAuthenticator::new(store, Settings::new("https://app.example"));
    for (tenant, lets_in) in [("acme", true), ("other", false)] {
        let request = Request::get("/Users")
            .header("authorization", format!("Bearer {}", issued.token.reveal()))
            .extension(TenantInPath(tenant.to_owned()));
        let (head, ()) = request.body(()).unwrap().into_parts();
        assert_eq!(gate.authenticate(&head).await.is_ok(), lets_in, "{tenant}");
    }
    assert_eq!(issued.record.tenant, TenantId::from("acme"));
}

#[tokio::test]
async fn invalid_settings_are_answered_503_and_name_who_can_fix_them() {
    let world = World::at("https://app.example/scim/v2");
    let acme = world.customer("acme").await;
    let (tenant, entra) = (&acme.record.tenant, &acme.record.connection);
    let found = world.tenancy.connection(tenant, entra).await.unwrap();
    let (_, mut connection) = found.unwrap();
    connection.settings = "rubbish".to_owned();
    let put = vec![TenantEntry::Connection(connection)];
    world
        .tenancy
        .put(put, chrono::DateTime::UNIX_EPOCH.into())
        .await
        .unwrap();
    let answer = world.get("/scim/v2/Users", acme.token.reveal()).await;
    assert_eq!(answer.status(), 503);
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("operator can fix them"), "{detail}");
}
