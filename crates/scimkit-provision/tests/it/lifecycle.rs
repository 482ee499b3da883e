//! The life of a token, in each of our stores.

use std::{path::Path, time::Duration};

use chrono::TimeDelta;
use scimkit_provision::{AdminError, ConnectionSettings, NewToken};
use scimkit_store::{ConnectionId, TenantId};

use crate::world::{Mood, World};

/// Each store of ours, with a file where it needs one.
fn worlds(folder: &Path) -> [World; 2] {
    [
        World::in_memory(),
        World::in_file(&folder.join("scim.sqlite")),
    ]
}

#[tokio::test]
async fn a_token_lives_from_its_issue_until_it_is_revoked() {
    let folder = tempfile::tempdir().unwrap();
    for world in worlds(folder.path()) {
        let issued = world.customer("acme").await;
        let acme = TenantId::from("acme");
        assert_eq!(world.status(&issued.token).await, 200);
        assert_eq!(world.tenancy.asked(), ["open", "used"]);

        let kept = world.administration.tokens(&acme).await.unwrap();
        let mut expected = issued.record.clone();
        expected.last_used = Some(*world.hands.at());
        assert_eq!(kept, [expected]);
        assert_eq!(kept[0].id.len(), 8);

        let revoked = world.administration.revoke_token(&acme, &kept[0].id).await;
        assert_eq!(revoked.unwrap().revoked_at, Some(*world.hands.at()));
        assert_eq!(world.status(&issued.token).await, 401);

        // Revoked again later, it stays revoked since then.
        let since = *world.hands.at();
        world.hands.forward(TimeDelta::days(1));
        let again = world.administration.revoke_token(&acme, &kept[0].id).await;
        assert_eq!(again.unwrap().revoked_at, Some(since));
    }
}

#[tokio::test]
async fn what_is_replaced_is_refused_once_the_overlap_is_over() {
    let folder = tempfile::tempdir().unwrap();
    for world in worlds(folder.path()) {
        let first = world.customer("acme").await;
        let acme = TenantId::from("acme");
        let rotate = |id: String, overlap| {
            let (administration, acme) = (&world.administration, &acme);
            async move { administration.rotate_token(acme, &id, overlap).await }
        };
        let second = rotate(first.record.id.clone(), Duration::ZERO)
            .await
            .unwrap();
        assert_eq!(world.status(&first.token).await, 401);
        assert_eq!(world.status(&second.token).await, 200);
        assert_eq!(second.record.name, first.record.name);
        assert_ne!(second.record.id, first.record.id);

        let day = Duration::from_secs(24 * 60 * 60);
        let third = rotate(second.record.id.clone(), day).await.unwrap();
        world
            .hands
            .forward(TimeDelta::days(1) - TimeDelta::milliseconds(1));
        assert_eq!(world.status(&second.token).await, 200);
        // It is replaced already.
        let error = rotate(second.record.id.clone(), day).await.unwrap_err();
        assert!(matches!(error, AdminError::TokenInactive { .. }), "{error}");
        world.hands.forward(TimeDelta::milliseconds(1));
        assert_eq!(world.status(&second.token).await, 401);
        assert_eq!(world.status(&third.token).await, 200);

        // An overlap can be ended before its time.
        let fourth = rotate(third.record.id.clone(), day).await.unwrap();
        let ended = world
            .administration
            .revoke_token(&acme, &third.record.id)
            .await;
        assert_eq!(ended.unwrap().revoked_at, Some(*world.hands.at()));
        assert_eq!(world.status(&third.token).await, 401);
        assert_eq!(world.status(&fourth.token).await, 200);

        for overlap in [Duration::MAX, Duration::from_secs(u64::MAX / 1_000_000)] {
            let error = rotate(fourth.record.id.clone(), overlap).await.unwrap_err();
            assert!(matches!(error, AdminError::Invalid { .. }), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_replacements_at_once_one_is_made_and_a_revocation_is_never_lost() {
    let folder = tempfile::tempdir().unwrap();
    for world in worlds(folder.path()) {
        let acme = world.customer("acme").await.record.tenant;
        let administration = &world.administration;
        let entra = ConnectionId::from("entra");
        for round in 0..12 {
            let new = NewToken::new("a");
            let old = administration
                .create_token(&acme, &entra, &new)
                .await
                .unwrap();
            let before = administration.tokens(&acme).await.unwrap().len();
            let overlap = Duration::from_secs(round % 2 * 60);
            let rotate = || {
                let administration = administration.clone();
                let acme = acme.clone();
                let id = old.record.id.clone();
                tokio::spawn(async move { administration.rotate_token(&acme, &id, overlap).await })
            };
            let rotations = [rotate(), rotate(), rotate()];
            let revoked = if round % 4 < 2 {
                Some(
                    administration
                        .revoke_token(&acme, &old.record.id)
                        .await
                        .unwrap(),
                )
            } else {
                None
            };
            let mut made = 0;
            for rotation in rotations {
                match rotation.await.unwrap() {
                    Ok(_) => made += 1,
                    Err(error) => assert!(
                        matches!(error, AdminError::TokenInactive { .. }),
                        "{error:?}"
                    ),
                }
            }
            let kept = administration.tokens(&acme).await.unwrap();
            assert_eq!(kept.len(), before + made);
            let status = world.status(&old.token).await;
            match revoked {
                // Who revoked it was told of the successor.
                Some(revoked) => assert_eq!(made, usize::from(revoked.replaced_at.is_some())),
                None => assert_eq!(made, 1),
            }
            let is_good = round % 4 == 3;
            assert_eq!(status, if is_good { 200 } else { 401 });
        }
    }
}

#[tokio::test]
async fn a_rename_in_between_loses_neither_a_replacement_nor_a_revocation() {
    let world = World::in_memory();
    let first = world.customer("acme").await;
    let acme = first.record.tenant.clone();
    let id = &first.record.id;
    world.tenancy.be(Mood::RenamesBeforePuts(2));
    let second = world
        .administration
        .rotate_token(&acme, id, Duration::from_secs(1));
    let second = second.await.unwrap();
    assert_eq!(second.record.name, "renamed");
    world.tenancy.be(Mood::RenamesBeforePuts(100));
    let revoked = world.administration.revoke_token(&acme, id).await.unwrap();
    assert_eq!(world.status(&first.token).await, 401);
    assert_eq!(
        world.administration.token(&acme, id).await.unwrap(),
        revoked
    );

    world.tenancy.be(Mood::RenamesBeforePuts(100));
    let third = world
        .administration
        .rotate_token(&acme, &second.record.id, Duration::ZERO);
    assert!(matches!(
        third.await,
        Err(AdminError::VersionMismatch { .. })
    ));
}

#[tokio::test]
async fn a_revocation_counts_whatever_the_clocks_say() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scim.sqlite");
    let here = World::in_file(&file);
    let ahead = World::in_file(&file);
    let first = here.customer("acme").await;
    let acme = first.record.tenant.clone();
    ahead.hands.forward(TimeDelta::hours(1));
    let rotated = ahead
        .administration
        .rotate_token(&acme, &first.record.id, Duration::ZERO);
    let second = rotated.await.unwrap();
    assert_eq!(here.status(&first.token).await, 401);
    assert_eq!(here.status(&second.token).await, 200);
    let revoked = ahead
        .administration
        .revoke_token(&acme, &second.record.id)
        .await;
    revoked.unwrap();
    assert_eq!(here.status(&second.token).await, 401);
}

#[tokio::test]
async fn a_token_expires_at_its_moment_and_is_replaced_by_one_that_lives_as_long() {
    let folder = tempfile::tempdir().unwrap();
    for world in worlds(folder.path()) {
        let first = world.customer("acme").await;
        let (acme, entra) = (first.record.tenant, first.record.connection);
        let start = *world.hands.at();
        let new = NewToken::new("short").with_expiry(start + TimeDelta::hours(8));
        let short = world
            .administration
            .create_token(&acme, &entra, &new)
            .await
            .unwrap();

        *world.hands.at() = start + TimeDelta::hours(8) - TimeDelta::milliseconds(1);
        assert_eq!(world.status(&short.token).await, 200);
        let next = world
            .administration
            .rotate_token(&acme, &short.record.id, Duration::ZERO);
        let next = next.await.unwrap();
        let expected = *world.hands.at() + TimeDelta::hours(8);
        assert_eq!(next.record.expires_at, Some(expected));

        *world.hands.at() = expected - TimeDelta::milliseconds(1);
        assert_eq!(world.status(&next.token).await, 200);
        *world.hands.at() = expected;
        assert_eq!(world.status(&next.token).await, 401);
        let error = world
            .administration
            .rotate_token(&acme, &next.record.id, Duration::ZERO);
        assert!(matches!(error.await, Err(AdminError::TokenInactive { .. })));

        let error = world.administration.create_token(&acme, &entra, &new).await;
        assert!(matches!(
            error,
            Err(AdminError::Invalid { what: "expiry", .. })
        ));
    }
}

#[tokio::test]
async fn what_another_process_does_holds_for_the_next_request() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scim.sqlite");
    let here = World::in_file(&file);
    let there = World::in_file(&file);
    let issued = here.customer("acme").await;
    let (acme, entra) = (issued.record.tenant, issued.record.connection);
    assert_eq!(here.status(&issued.token).await, 200);

    let off = there.administration.disable_connection(&acme, &entra).await;
    off.unwrap();
    assert_eq!(here.status(&issued.token).await, 403);
    let on = there.administration.enable_connection(&acme, &entra).await;
    on.unwrap();
    assert_eq!(here.status(&issued.token).await, 200);

    let revoked = there
        .administration
        .revoke_token(&acme, &issued.record.id)
        .await;
    revoked.unwrap();
    assert_eq!(here.status(&issued.token).await, 401);

    // Another connection under the same id, with other rules at the same revision.
    let other = there.connection(&acme, "okta").await;
    assert_eq!(here.status(&other.token).await, 200);
    let okta = ConnectionId::from("okta");
    there
        .administration
        .remove_connection(&acme, &okta)
        .await
        .unwrap();
    assert_eq!(here.status(&other.token).await, 401);
    let mut rules = ConnectionSettings::default();
    rules.active = false;
    let made = there
        .administration
        .create_connection(&acme, "okta", "", &rules);
    made.await.unwrap();
    let issued = there
        .administration
        .create_token(&acme, &okta, &NewToken::new(""))
        .await;
    assert_eq!(here.status(&issued.unwrap().token).await, 403);
}

#[tokio::test]
async fn a_use_is_noted_at_most_once_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    for world in worlds(folder.path()) {
        let issued = world.customer("acme").await;
        let mut noted = 0;
        for second in 0..=150 {
            assert_eq!(world.status(&issued.token).await, 200);
            let asked = world.tenancy.asked();
            noted += asked.iter().filter(|what| **what == "used").count();
            assert_eq!(noted, 1 + second / 60, "after {second} seconds");
            world.hands.forward(TimeDelta::seconds(1));
        }
    }
}

#[tokio::test]
async fn requests_at_the_same_time_note_one_use() {
    let world = World::in_memory();
    let issued = world.customer("acme").await;
    world.tenancy.be(Mood::UsesHang);
    let requests = (0..20).map(|_| world.status(&issued.token));
    let statuses = futures_util::future::join_all(requests).await;
    assert_eq!(statuses, [200; 20]);
    let asked = world.tenancy.asked();
    assert_eq!(asked.iter().filter(|what| **what == "used").count(), 1);
}

#[tokio::test]
async fn a_use_that_can_not_be_noted_is_in_nobodys_way() {
    let world = World::in_memory();
    let issued = world.customer("acme").await;
    for mood in [Mood::UsesFail, Mood::UsesHang] {
        world.tenancy.be(mood);
        world.hands.forward(TimeDelta::minutes(1));
        let long = Duration::from_secs(5);
        let status = tokio::time::timeout(long, world.status(&issued.token)).await;
        assert_eq!(status, Ok(200), "{mood:?}");
        assert_eq!(world.tenancy.asked(), ["open", "used"]);
        // And it is not tried all the time.
        assert_eq!(world.status(&issued.token).await, 200);
        assert_eq!(world.tenancy.asked(), ["open"]);
    }
}
