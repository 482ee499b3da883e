//! The activity log, over each store.

#![expect(
    clippy::indexing_slicing,
    reason = "the lints exempt tests, but not the functions next to them"
)]

use std::sync::Arc;

use chrono::TimeDelta;
use scimkit_provision::{
    ConnectionSettings, TenantAdmin,
    activity::{
        ActivityPages, ActivityQuery, CSV_HEADER, VerifyError, csv_row, find_person, json_row,
        subject_names, verify_journal,
    },
    events::Event,
};
use scimkit_registry::ResourceId;
use scimkit_sqlite::SqliteStore;
use scimkit_store::{ConnectionId, MemoryStore, RequestContext, StoreError, TenantId, TenantStore};
use serde_json::json;

use crate::events::site::{Site, now, settings};

fn acme() -> TenantId {
    TenantId::from("acme")
}

async fn all(site: &Site, query: ActivityQuery) -> Vec<Event> {
    let mut pages = ActivityPages::new(&*site.store, &acme(), query);
    let mut events = Vec::new();
    while let Some(page) = pages.next().await.unwrap() {
        assert!(!page.is_empty());
        events.extend(page);
    }
    events
}

/// The outcomes, the last one first.
async fn outcomes(site: &Site, query: ActivityQuery) -> Vec<String> {
    let events = all(site, query).await;
    let words =
        |event: &Event| format!("{} {}", event.position().number, event.outcomes().join(" "));
    events.iter().map(words).collect()
}

async fn send(site: &Site, policy: &str, method: &str, path: &str, body: serde_json::Value) {
    let (status, answer) = site
        .call(("acme", policy), method, path, &body.to_string())
        .await;
    assert!((200..300).contains(&status), "{answer}");
}

/// A user joins a group, is deactivated and deleted; another one stays.
async fn history(site: &Site) -> [String; 3] {
    let jane = site.user("jane").await;
    let john = site.user("john").await;
    let body = json!({"displayName": "Guides", "members": [{"value": jane}]});
    let (status, group) = site
        .call(("acme", ""), "POST", "/Groups", &body.to_string())
        .await;
    assert_eq!(status, 201);
    let group = group["id"].as_str().unwrap().to_owned();
    let off = json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
    send(site, "", "PATCH", &format!("/Users/{jane}"), off).await;
    send(
        site,
        "soft",
        "DELETE",
        &format!("/Users/{jane}"),
        json!(null),
    )
    .await;
    [jane, john, group]
}

#[tokio::test]
async fn changes_are_selected_by_person_outcome_and_time() {
    for site in Site::all() {
        let [jane, john, group] = history(&site).await;
        let expected = [
            "5 user.deleted",
            "5 group.member_removed",
            "4 user.deactivated",
            "3 group.created group.member_added",
            "2 user.created",
            "1 user.created",
        ];
        let mut found = outcomes(&site, ActivityQuery::default()).await;
        // The parts of one change come in descending order as well.
        found[..2].sort_by_key(|text| !text.contains("user"));
        assert_eq!(found, expected);

        let of = |id: &str| ActivityQuery::default().with_person(ResourceId::from(id));
        assert_eq!(outcomes(&site, of(&jane)).await.len(), 5);
        assert_eq!(outcomes(&site, of(&john)).await, ["2 user.created"]);
        assert_eq!(outcomes(&site, of(&group)).await.len(), 2);
        assert_eq!(outcomes(&site, of("nobody")).await.len(), 0);

        let with = |outcome: &str| ActivityQuery::default().with_outcome(outcome);
        assert_eq!(outcomes(&site, with("user.created")).await.len(), 2);
        assert_eq!(outcomes(&site, with("created")).await.len(), 3);
        assert_eq!(outcomes(&site, with("member_added")).await.len(), 1);
        assert_eq!(outcomes(&site, with("creat")).await.len(), 0);
        let both = of(&jane).with_outcome("deactivated");
        assert_eq!(outcomes(&site, both).await, ["4 user.deactivated"]);

        let since = |at| ActivityQuery::default().with_since(at);
        let earlier = since(now() - TimeDelta::minutes(5));
        assert_eq!(outcomes(&site, earlier).await.len(), 6);
        let later = since(now() + TimeDelta::minutes(5));
        assert_eq!(outcomes(&site, later).await.len(), 0);
    }
}

#[tokio::test]
async fn all_pages_are_read_also_across_changes_that_were_not_recorded() {
    for site in Site::all() {
        let ids: Vec<_> = (0..1_300).map(|number| format!("u{number}")).collect();
        site.own_users(&ids).await;
        send(&site, "off", "POST", "/Users", json!({"userName": "x"})).await;
        site.user("y").await;
        let events = all(&site, ActivityQuery::default()).await;
        let numbers: Vec<_> = events.iter().map(|event| event.position().number).collect();
        let expected: Vec<_> = (1..=1_300).chain([1_302]).rev().collect();
        assert_eq!(numbers, expected);
        let verified = verify_journal(&*site.store, &acme(), None).await.unwrap();
        assert_eq!((verified.entries, verified.first), (1_301, Some(1)));
        assert_eq!(verified.last, 1_302);
    }
}

#[tokio::test]
async fn administration_is_part_of_the_log() {
    async fn check(store: Arc<impl TenantStore + scimkit_store::Journal>) {
        let admin = TenantAdmin::new(store.clone());
        admin.create_tenant("acme", "Acme").await.unwrap();
        let settings = ConnectionSettings::default();
        let tenant = acme();
        let created = admin.create_connection(&tenant, "entra", "Entra ID", &settings);
        created.await.unwrap();
        let words = async |query| {
            let mut pages = ActivityPages::new(&*store, &tenant, query);
            let page = pages.next().await.unwrap().unwrap_or_default();
            page.iter().flat_map(Event::outcomes).collect::<Vec<_>>()
        };
        let all = words(ActivityQuery::default()).await;
        assert_eq!(all, ["connection.created", "tenant.created"]);
        let entra = ActivityQuery::default().with_connection(ConnectionId::from("entra"));
        assert_eq!(words(entra).await, ["connection.created"]);
    }

    check(Arc::new(MemoryStore::new())).await;
    let folder = tempfile::tempdir().unwrap();
    let file = SqliteStore::open(folder.path().join("scim.sqlite"));
    check(Arc::new(file.unwrap())).await;
}

#[tokio::test]
async fn blanked_and_trimmed_journals_are_intact() {
    for site in Site::all() {
        history(&site).await;
        let before = verify_journal(&*site.store, &acme(), None).await.unwrap();
        assert_eq!((before.blanked, before.entries), (0, 6));
        let later = now() + TimeDelta::hours(1);
        assert_eq!(site.store.purge_deleted(&acme(), later).await.unwrap(), 1);
        let known = Some(before.last_digest);
        let purged = verify_journal(&*site.store, &acme(), known).await.unwrap();
        assert!(purged.blanked >= 3, "{purged:?}");
        let blanked = all(&site, ActivityQuery::default()).await;
        let blanked = blanked
            .iter()
            .map(json_row)
            .filter(|row| row["blanked"] == true);
        assert_eq!(blanked.count() as u64, purged.blanked);

        site.user("new").await;
        let grown = verify_journal(&*site.store, &acme(), known).await.unwrap();
        assert_eq!(grown.entries, 7);
        let unknown = verify_journal(&*site.store, &acme(), Some([7; 32])).await;
        assert!(
            matches!(unknown, Err(VerifyError::UnknownDigest)),
            "{unknown:?}"
        );

        site.store.trim(&acme(), later).await.unwrap();
        let trimmed = verify_journal(&*site.store, &acme(), None).await.unwrap();
        assert_eq!((trimmed.entries, trimmed.first, trimmed.last), (0, None, 6));
        let known = Some(grown.last_digest);
        verify_journal(&*site.store, &acme(), known).await.unwrap();
        site.user("newer").await;
        let trimmed = verify_journal(&*site.store, &acme(), None).await.unwrap();
        assert_eq!(
            (trimmed.entries, trimmed.first, trimmed.last),
            (1, Some(7), 7)
        );
        let nobody = TenantId::from("nobody");
        let nobody = verify_journal(&*site.store, &nobody, None).await.unwrap();
        assert_eq!(nobody.entries, 0);
    }
}

#[tokio::test]
async fn rows_have_the_cause_the_outcome_and_the_changes() {
    for site in Site::all() {
        let [jane, _, group] = history(&site).await;
        let events = all(&site, ActivityQuery::default()).await;
        let event = |outcome: &str| {
            let mut events = events.iter();
            let has = |event: &&Event| event.outcomes().iter().any(|one| one == outcome);
            events.find(has).unwrap()
        };
        let deactivated = json_row(event("user.deactivated"));
        assert_eq!(deactivated["id"], jane);
        assert_eq!(deactivated["subject"], "User");
        assert_eq!(deactivated["tenant"], "acme");
        let changes = json!([{"path": "active", "after": false}]);
        assert_eq!(deactivated["changes"], changes);
        assert!(deactivated["request"].is_string(), "{deactivated}");
        let created = json_row(event("group.created"));
        assert_eq!(created["members"], json!({"added": [jane], "removed": []}));

        let columns = CSV_HEADER.split(',').count();
        for event in &events {
            assert_eq!(
                csv_row(event).split(',').count(),
                columns,
                "{}",
                csv_row(event)
            );
        }
        let row = csv_row(event("group.created"));
        let end = format!(",Group,{group},group.created group.member_added,displayName,{jane},");
        assert!(row.ends_with(&end), "{row}");
    }
}

#[tokio::test]
async fn people_are_found_by_id_name_and_address() {
    for site in Site::all() {
        let body =
            json!({"userName": "Jane", "externalId": "e-1", "emails": [{"value": "j@x.example"}]});
        let (_, jane) = site
            .call(("acme", ""), "POST", "/Users", &body.to_string())
            .await;
        let jane = jane["id"].as_str().unwrap();
        let context = RequestContext::new(acme(), Arc::new(settings("")));
        for text in [jane, "jane", "e-1", "J@x.example"] {
            let found = find_person(&*site.store, &context, text).await.unwrap();
            assert_eq!(found.unwrap().id.as_str(), jane, "{text}");
        }
        for text in ["", "nobody", "\"", "e-2"] {
            let found = find_person(&*site.store, &context, text).await.unwrap();
            assert!(found.is_none(), "{text}");
        }
        let body = json!({"userName": "other", "emails": [{"value": "j@x.example"}]});
        send(&site, "", "POST", "/Users", body).await;
        let several = find_person(&*site.store, &context, "j@x.example").await;
        assert!(
            matches!(several, Err(StoreError::Invalid { .. })),
            "{several:?}"
        );

        let events = all(&site, ActivityQuery::default()).await;
        let names = subject_names(&*site.store, &context, &events)
            .await
            .unwrap();
        assert_eq!(names.len(), 2);
        assert_eq!(names[&ResourceId::from(jane)], "Jane");
    }
}
