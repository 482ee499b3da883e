//! The meaning of changes, as a table.

use std::sync::Arc;

use scimkit_provision::events::Event;
use serde_json::json;

use super::site::{Seen, Site};

/// A case has a name (`#`), requests (policy, method, path, body), and the events that follow (`=`).
const CASES: &str = include_str!("cases.txt");

#[derive(Debug, Default)]
struct Case {
    expected: Vec<String>,
    name: String,
    requests: Vec<String>,
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in CASES.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix("# ") {
            let name = name.to_owned();
            cases.push(Case {
                name,
                ..Case::default()
            });
            continue;
        }
        let case = cases.last_mut().unwrap();
        match line.strip_prefix("= ") {
            Some(expected) => case.expected.push(expected.to_owned()),
            None => case.requests.push(line.to_owned()),
        }
    }
    cases
}

/// Replaces the ids of created resources by their numbers, or the reverse.
fn with_ids(text: &str, ids: &[String]) -> String {
    let numbered = (1..).zip(ids);
    numbered.fold(text.to_owned(), |text, (number, id)| {
        text.replace(&format!("{{{number}}}"), id)
    })
}

/// Returns the positive answers of an event.
fn described(event: &Event) -> String {
    if let Some(gap) = event.gap() {
        let resource = gap.resource.as_ref();
        let id = resource.map_or_else(|| "all".to_owned(), |resource| resource.id.to_string());
        return format!("{:?} {id}", gap.reason);
    }
    let answers = [
        ("user_created", event.user_created()),
        ("user_updated", event.user_updated()),
        ("user_deactivated", event.user_deactivated()),
        ("user_reactivated", event.user_reactivated()),
        ("user_deleted", event.user_deleted()),
        ("user_lost_access", event.user_lost_access()),
        ("email_changed", event.email_changed()),
        ("group_created", event.group_created()),
        ("group_updated", event.group_updated()),
        ("group_deleted", event.group_deleted()),
    ];
    let mut words: Vec<String> = Vec::new();
    for (word, id) in answers {
        if let Some(id) = id {
            assert_eq!(
                Some(id),
                event.user().or_else(|| event.group()),
                "{event:?}"
            );
            words.push(word.to_owned());
        }
    }
    let mut added: Vec<_> = event.member_added().map(ToString::to_string).collect();
    let mut removed: Vec<_> = event.member_removed().map(ToString::to_string).collect();
    added.sort();
    removed.sort();
    words.extend(added.iter().map(|id| format!("+{id}")));
    words.extend(removed.iter().map(|id| format!("-{id}")));
    let subject = event.user().or_else(|| event.group());
    let subject = subject.map_or("none", |id| id.as_str());
    format!("{subject} {}", words.join(" "))
}

async fn run(case: &Case, site: &Site) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for request in &case.requests {
        let request = with_ids(request, &ids);
        let mut words = request.splitn(4, ' ');
        let mut next = || words.next().unwrap_or_default();
        let (policy, method, path, body) = (next(), next(), next(), next());
        if policy == "own" {
            ids.push(path.to_owned());
            site.own_users(&ids[ids.len() - 1..]).await;
            continue;
        }
        let (status, answer) = site.call(("acme", policy), method, path, body).await;
        assert!((200..300).contains(&status), "{}: {answer}", case.name);
        if method == "POST" && path != "/Bulk" {
            ids.push(answer["id"].as_str().unwrap().to_owned());
        }
        for operation in answer["Operations"].as_array().into_iter().flatten() {
            if operation["method"] == "POST" {
                let location = operation["location"].as_str().unwrap();
                ids.push(location.rsplit('/').next().unwrap().to_owned());
            }
        }
    }
    let seen = Seen::default();
    site.drain(seen.consumer("events")).await;
    let described = |event: &Arc<Event>| {
        let text = described(event);
        let numbered = (1..).zip(&ids);
        let text = numbered.fold(text, |text, (number, id)| {
            text.replace(id.as_str(), &format!("{{{number}}}"))
        });
        text.trim().to_owned()
    };
    seen.all().iter().map(described).collect()
}

#[tokio::test]
async fn an_event_says_what_a_change_means() {
    let cases = cases();
    assert!(cases.len() > 15, "{}", cases.len());
    for case in cases {
        for site in Site::all() {
            let found = run(&case, &site).await;
            assert_eq!(found, case.expected, "{} in {:?}", case.name, site.store);
        }
    }
}

#[tokio::test]
async fn an_event_has_the_values_before_and_after() {
    for site in Site::all() {
        let id = site.user("bjensen").await;
        let body = json!({"Operations": [
            {"op": "replace", "path": "name.familyName", "value": "Jensen"},
            {"op": "replace", "path": "active", "value": false},
        ]});
        let path = format!("/Users/{id}");
        let (status, _) = site
            .call(("acme", ""), "PATCH", &path, &body.to_string())
            .await;
        assert_eq!(status, 200);
        site.call(("acme", ""), "DELETE", &path, "").await;
        let seen = Seen::default();
        site.drain(seen.consumer("events")).await;
        let [created, changed, deleted] = seen.all().try_into().unwrap();
        assert_eq!(created.after("username"), Some(&json!("bjensen")));
        assert_eq!(created.before("userName"), None);
        assert_eq!(changed.after("name.familyName"), Some(&json!("Jensen")));
        assert_eq!(changed.before("active"), None);
        assert_eq!(changed.after("active"), Some(&json!(false)));
        assert!(
            changed.changed("name")
                && !changed.changed("name.family")
                && !changed.changed("userName")
        );
        assert_eq!(deleted.before("userName"), Some(&json!("bjensen")));
        assert_eq!(deleted.after("userName"), None);
    }
}

#[tokio::test]
async fn a_change_of_many_members_is_one_change_of_the_group() {
    let users: Vec<_> = (0..2_500).map(|number| format!("u{number}")).collect();
    let group = |name: &str, users: &[String]| {
        let members: Vec<_> = users.iter().map(|id| json!({"value": id})).collect();
        json!({"displayName": name, "members": members}).to_string()
    };
    for site in Site::all() {
        site.own_users(&users).await;
        let body = group("Guides", &users);
        let (status, created) = site.call(("acme", ""), "POST", "/Groups", &body).await;
        assert_eq!(status, 201);
        let path = format!("/Groups/{}", created["id"].as_str().unwrap());
        let body = group("Tour guides", &users[..10]);
        let renamed = site.call(("acme", ""), "PUT", &path, &body).await;
        assert_eq!(renamed.0, 200);
        assert_eq!(
            site.call(("acme", "soft"), "DELETE", &path, "").await.0,
            204
        );
        let body = group("Tour guides", &users[..1_001]);
        let restored = site.call(("acme", "adopt"), "POST", "/Groups", &body).await;
        assert_eq!(restored.0, 201);

        let seen = Seen::default();
        site.drain(seen.consumer("events")).await;
        let events = seen.all();
        let events = events.iter().filter(|event| event.group().is_some());
        let found: Vec<_> = events
            .map(|event| {
                let answers = [
                    event.group_created(),
                    event.group_updated(),
                    event.group_deleted(),
                ];
                let answers = answers.map(|answer| answer.is_some());
                let members = (event.member_added().count(), event.member_removed().count());
                (answers, members)
            })
            .collect();
        let expected = [
            ([true, false, false], (1_000, 0)),
            ([false; 3], (1_000, 0)),
            ([false; 3], (500, 0)),
            ([false, true, false], (0, 1_000)),
            ([false; 3], (0, 1_000)),
            ([false; 3], (0, 490)),
            ([false, false, true], (0, 0)),
            ([true, false, false], (1_000, 0)),
            ([false; 3], (1, 0)),
        ];
        assert_eq!(found, expected);
    }
}
