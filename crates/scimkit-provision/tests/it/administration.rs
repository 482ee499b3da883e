//! What an administrator may do, and is told.

use std::time::Duration;

use scimkit_provision::{AdminError, ConnectionSettings, EntryKind, NewToken};
use scimkit_store::{ConnectionId, TenantId, TenantLimits, TokenScopes};

use crate::world::{Mood, World};

#[tokio::test]
async fn changes_name_what_was_seen() {
    let world = World::in_memory();
    let admin = &world.administration;
    let acme = admin.create_tenant("acme", "Acme").await.unwrap();
    assert_eq!(admin.tenant(&acme.id).await.unwrap(), acme);
    let renamed = admin.rename_tenant(&acme, "Acme Inc.").await.unwrap();
    assert_eq!(admin.tenants().await.unwrap(), [renamed]);
    let error = admin.rename_tenant(&acme, "Acme Ltd.").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "tenant `acme` was changed in the meantime: load it and try again"
    );

    let mut rules = ConnectionSettings::default();
    let seen = admin
        .create_connection(&acme.id, "entra", "Entra", &rules)
        .await;
    let seen = seen.unwrap();
    assert_eq!(
        admin.connections(&acme.id).await.unwrap(),
        std::slice::from_ref(&seen)
    );
    rules.groups = scimkit_store::GroupsSetting::Off;
    let changed = admin
        .change_connection(&seen, "Entra ID", &rules)
        .await
        .unwrap();
    assert_eq!(admin.connection(&acme.id, &seen.id).await.unwrap(), changed);
    let error = admin.change_connection(&seen, "", &rules).await;
    let kind = EntryKind::Connection;
    assert!(matches!(error, Err(AdminError::VersionMismatch { kind: k, .. }) if k == kind));

    // Disabling does not lose what else was changed.
    let off = admin.disable_connection(&acme.id, &seen.id).await.unwrap();
    rules.active = false;
    assert_eq!(ConnectionSettings::from_json(&off.settings).unwrap(), rules);
    assert_eq!(off.name, "Entra ID");
}

#[tokio::test]
async fn limits_reject_new_entries_and_let_tokens_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    for world in [
        World::in_memory(),
        World::in_file(&folder.path().join("scim.sqlite")),
    ] {
        let issued = world.customer("acme").await;
        let (acme, entra) = (issued.record.tenant, issued.record.connection);
        let mut limits = TenantLimits::default();
        (limits.tenants, limits.connections, limits.tokens) = (1, 1, 1);
        let admin = world.administration.clone().with_limits(limits);
        let rules = ConnectionSettings::default();
        let too_many = |error: AdminError, expected: EntryKind| {
            let is_expected =
                matches!(&error, AdminError::TooMany { kind, limit: 1, .. } if *kind == expected);
            assert!(is_expected, "{error:?}");
            assert!(error.to_string().ends_with("or raise the limit"));
        };
        let error = admin.create_tenant("other", "").await.unwrap_err();
        too_many(error, EntryKind::Tenant);
        let okta = admin.create_connection(&acme, "okta", "", &rules).await;
        too_many(okta.unwrap_err(), EntryKind::Connection);
        let new = NewToken::new("b");
        let error = admin.create_token(&acme, &entra, &new).await.unwrap_err();
        too_many(error, EntryKind::Token);

        let seen = admin.tenant(&acme).await.unwrap();
        admin.rename_tenant(&seen, "Acme Inc.").await.unwrap();
        admin.disable_connection(&acme, &entra).await.unwrap();
        // While both are valid, and at once.
        let day = Duration::from_secs(86_400);
        let second = admin
            .rotate_token(&acme, &issued.record.id, day)
            .await
            .unwrap();
        let second = second.record.id;
        let third = admin
            .rotate_token(&acme, &second, Duration::ZERO)
            .await
            .unwrap();
        let error = admin.create_token(&acme, &entra, &new).await.unwrap_err();
        too_many(error, EntryKind::Token);
        admin.revoke_token(&acme, &third.record.id).await.unwrap();
        admin.create_token(&acme, &entra, &new).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_there_is_not_made_again_and_what_is_not_there_is_named() {
    let world = World::in_memory();
    let admin = &world.administration;
    let issued = world.customer("acme").await;
    let (acme, entra) = (issued.record.tenant, issued.record.connection);
    let nobody = TenantId::from("nobody");
    let none = ConnectionId::from("none");
    let rules = ConnectionSettings::default();
    let told = [
        admin.create_tenant("acme", "").await.unwrap_err(),
        admin
            .create_connection(&acme, "entra", "", &rules)
            .await
            .unwrap_err(),
        admin
            .create_connection(&nobody, "entra", "", &rules)
            .await
            .unwrap_err(),
        admin.connections(&nobody).await.unwrap_err(),
        admin.connection(&nobody, &entra).await.unwrap_err(),
        admin.connection(&acme, &none).await.unwrap_err(),
        admin.remove_connection(&acme, &none).await.unwrap_err(),
        admin.disable_connection(&acme, &none).await.unwrap_err(),
        admin.tokens(&nobody).await.unwrap_err(),
        admin.revoke_token(&acme, "zzz").await.unwrap_err(),
        admin
            .create_token(&acme, &none, &NewToken::new(""))
            .await
            .unwrap_err(),
    ];
    let told = told.map(|error| error.to_string());
    assert_eq!(
        told.each_ref().map(String::as_str),
        [
            "tenant `acme` already exists",
            "connection `entra` already exists",
            "there is no tenant `nobody`",
            "there is no tenant `nobody`",
            "there is no tenant `nobody`",
            "there is no connection `none`",
            "there is no connection `none`",
            "there is no connection `none`",
            "there is no tenant `nobody`",
            "there is no token `zzz`",
            "there is no connection `none`",
        ]
    );
    // Another tenant's token has no id here.
    let other = world.customer("other").await;
    let error = admin.revoke_token(&acme, &other.record.id).await;
    assert!(matches!(
        error,
        Err(AdminError::NotFound {
            kind: EntryKind::Token,
            ..
        })
    ));
}

#[tokio::test]
async fn texts_have_limits() {
    let world = World::in_memory();
    let admin = &world.administration;
    let issued = world.customer("acme").await;
    let (acme, entra) = (issued.record.tenant, issued.record.connection);
    let long = "x".repeat(1 << 20);
    let mut rules = ConnectionSettings::default();
    rules.mapping = Some(long.clone());
    let mut nothing = NewToken::new("");
    nothing.scopes = TokenScopes::NONE;
    for error in [
        admin.create_tenant(&long, "").await.unwrap_err(),
        admin.create_tenant("..", "").await.unwrap_err(),
        admin.create_tenant("a", &long).await.unwrap_err(),
        admin
            .create_connection(&acme, "a b", "", &ConnectionSettings::default())
            .await
            .unwrap_err(),
        admin
            .create_connection(&acme, "a", "\0", &ConnectionSettings::default())
            .await
            .unwrap_err(),
        admin
            .create_connection(&acme, "a", "", &rules)
            .await
            .unwrap_err(),
        admin
            .create_token(&acme, &entra, &NewToken::new(long))
            .await
            .unwrap_err(),
        admin
            .create_token(&acme, &entra, &nothing)
            .await
            .unwrap_err(),
    ] {
        assert!(
            matches!(error, AdminError::Invalid { .. } | AdminError::Settings(_)),
            "{error}"
        );
        assert!(error.to_string().len() < 300);
    }
    assert_eq!(admin.tenants().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_store_that_is_busy_is_told_as_such() {
    let world = World::in_memory();
    world.tenancy.be(Mood::Busy);
    let error = world.administration.create_tenant("acme", "").await;
    assert!(matches!(error, Err(AdminError::Store(_))));
}

#[tokio::test]
async fn nothing_shows_a_secret() {
    let world = World::in_memory();
    let issued = world.customer("acme").await;
    let shown = format!(
        "{issued:?} {issued:#?} {:?} {:?}",
        issued.token, issued.record
    );
    let secret = issued.token.reveal();
    assert!(
        !shown.contains(secret.trim_start_matches("scim_")),
        "{shown}"
    );
    let digest: Vec<_> = issued.record.digest.iter().map(u8::to_string).collect();
    assert!(!shown.contains(&digest.join(", ")));
}
