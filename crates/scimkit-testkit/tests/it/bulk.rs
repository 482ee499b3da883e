//! Bulk requests compared with the same requests one by one, over every store.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, LazyLock},
};

use bytes::Bytes;
use http::Request;
use proptest::prelude::*;
use regex::Regex;
use scimkit_registry::Tolerance;
use scimkit_server::{BearerTokens, Server, Token};
use scimkit_store::{CyclePolicy, Settings, Store, UnknownMemberPolicy};
use scimkit_testkit::{contract::block_on, replay::HttpTarget};
use serde_json::{Value, json};

use crate::servers::{STORES, TOKEN, server};

/// One operation. Resources are numbers, modulo those so far.
#[derive(Debug, Clone)]
enum Doing {
    AddMember(usize, usize),
    CreateGroup(usize),
    CreateUser(u8),
    Delete(usize),
    Manage(usize, usize),
    RemoveByName(usize, u8),
    RemoveMember(usize, usize),
    Rename(usize, u8),
    Replace(usize, u8),
    /// With a version that may be outdated.
    Retitle(usize, u8),
}

fn doing() -> impl Strategy<Value = Doing> {
    let one = 0..40_usize;
    let two = 0..40_usize;
    let name = 0..12_u8;
    prop_oneof![
        2 => (one.clone(), two.clone()).prop_map(|(a, b)| Doing::AddMember(a, b)),
        1 => one.clone().prop_map(Doing::CreateGroup),
        3 => name.clone().prop_map(Doing::CreateUser),
        1 => one.clone().prop_map(Doing::Delete),
        1 => (one.clone(), two.clone()).prop_map(|(a, b)| Doing::Manage(a, b)),
        1 => (one.clone(), name.clone()).prop_map(|(a, n)| Doing::RemoveByName(a, n)),
        1 => (one.clone(), two).prop_map(|(a, b)| Doing::RemoveMember(a, b)),
        1 => (one.clone(), name.clone()).prop_map(|(a, n)| Doing::Rename(a, n)),
        1 => (one.clone(), name.clone()).prop_map(|(a, n)| Doing::Replace(a, n)),
        1 => (one, name).prop_map(|(a, n)| Doing::Retitle(a, n)),
    ]
}

/// A method, a path and a body, in which `@N` is the id of the resource `N`.
type Sent = (&'static str, String, Value);

impl Doing {
    /// Returns the request, and whether it creates a group or a user. `kinds` are those that may exist so far.
    fn request(&self, kinds: &[&'static str]) -> Sent {
        let of = |kind: &str, n: usize| {
            let all: Vec<_> = (0..kinds.len()).filter(|at| kinds[*at] == kind).collect();
            all.get(n % all.len().max(1)).copied()
        };
        let place = |kind: &str, n| match of(kind, n) {
            Some(at) => format!("{kind}/@{at}"),
            None => format!("{kind}/nobody"),
        };
        let id = |kind: &str, n| of(kind, n).map_or("nobody".to_owned(), |at| format!("@{at}"));
        let patch = |operation: Value| json!({"Operations": [operation]});
        match self {
            Doing::AddMember(group, user) => {
                let member = json!([{"value": id("/Users", *user)}]);
                let add = patch(json!({"op": "add", "path": "members", "value": member}));
                ("PATCH", place("/Groups", *group), add)
            }
            Doing::CreateGroup(user) => {
                let members = json!([{"value": id("/Users", *user)}]);
                let body = json!({"displayName": format!("g{}", kinds.len()), "members": members});
                ("POST", "/Groups".to_owned(), body)
            }
            Doing::CreateUser(name) => {
                let body =
                    json!({"userName": format!("n{name}"), "displayName": format!("d{name}")});
                ("POST", "/Users".to_owned(), body)
            }
            Doing::Delete(user) => ("DELETE", place("/Users", *user), Value::Null),
            Doing::Manage(user, manager) => {
                let path = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";
                let value = json!({"value": id("/Users", *manager)});
                let add = patch(json!({"op": "add", "path": path, "value": value}));
                ("PATCH", place("/Users", *user), add)
            }
            Doing::RemoveByName(group, name) => {
                let path = format!("members[display eq \"d{name}\"]");
                let remove = patch(json!({"op": "remove", "path": path}));
                ("PATCH", place("/Groups", *group), remove)
            }
            Doing::RemoveMember(group, user) => {
                let path = format!("members[value eq \"{}\"]", id("/Users", *user));
                let remove = patch(json!({"op": "remove", "path": path}));
                ("PATCH", place("/Groups", *group), remove)
            }
            Doing::Rename(user, name) => {
                let replace =
                    json!({"op": "replace", "path": "userName", "value": format!("n{name}")});
                ("PATCH", place("/Users", *user), patch(replace))
            }
            Doing::Replace(user, name) => {
                let body = json!({"userName": format!("n{name}"), "title": "replaced"});
                ("PUT", place("/Users", *user), body)
            }
            Doing::Retitle(user, name) => {
                let add = json!({"op": "add", "path": "title", "value": format!("t{name}")});
                ("PATCH", place("/Users", *user), patch(add))
            }
        }
    }
}

fn send(server: &Server, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = match body {
        Value::Null => Bytes::new(),
        body => body.to_string().into(),
    };
    let request = Request::builder().method(method).uri(path);
    let request = request.header("authorization", format!("Bearer {TOKEN}"));
    let request = request.body(body).unwrap();
    let mut answer = None;
    let slot = &mut answer;
    block_on(Box::pin(async move {
        *slot = Some(server.send(request).await.unwrap());
    }));
    let answer = answer.unwrap();
    let body = serde_json::from_slice(answer.body()).unwrap_or_default();
    (answer.status().as_u16(), body)
}

/// Returns a text with its ids inserted; `None` if one of them was not created.
fn filled(text: &str, ids: &HashMap<usize, String>) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('@') {
        let end = after
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(after.len());
        let (number, behind) = after.split_at(end);
        out.push_str(before);
        out.push_str(ids.get(&number.parse().unwrap())?);
        rest = behind;
    }
    out.push_str(rest);
    Some(out)
}

/// Returns the statuses of the requests one by one, until this many have failed.
fn one_by_one(server: &Server, requests: &[Sent], limit: usize) -> Vec<u16> {
    let (mut ids, mut made, mut statuses) = (HashMap::new(), 0, Vec::new());
    for (method, path, body) in requests {
        if statuses.iter().filter(|status| **status >= 400).count() >= limit {
            break;
        }
        let text = json!([path, body]).to_string();
        let number = made;
        made += usize::from(*method == "POST");
        let Some(text) = filled(&text, &ids) else {
            // It refers to a resource that was not created.
            statuses.push(409);
            continue;
        };
        let filled: Value = serde_json::from_str(&text).unwrap();
        let (status, answer) = send(server, method, filled[0].as_str().unwrap(), &filled[1]);
        if status == 201 {
            ids.insert(number, answer["id"].as_str().unwrap().to_owned());
        }
        // A bulk request responds without bodies here, so there is none to leave out.
        statuses.push(if *method == "PATCH" && status == 204 {
            200
        } else {
            status
        });
    }
    statuses
}

fn together(server: &Server, requests: &[Sent], limit: usize) -> Vec<u16> {
    let all = (0..requests.len()).map(|n| (n, format!("bulkId:b{n}")));
    let ids: HashMap<usize, String> = all.collect();
    let mut made = 0;
    let operation = |(method, path, body): &Sent| {
        let text = json!([path, body]).to_string();
        let filled: Value = serde_json::from_str(&filled(&text, &ids).unwrap()).unwrap();
        let mut operation = json!({"method": method, "path": filled[0], "data": filled[1]});
        if *method == "POST" {
            operation["bulkId"] = json!(format!("b{made}"));
            made += 1;
        }
        operation
    };
    let operations: Vec<_> = requests.iter().map(operation).collect();
    let body = json!({"Operations": operations, "failOnErrors": limit});
    let (status, answer) = send(server, "POST", "/Bulk", &body);
    assert_eq!(status, 200, "{answer}");
    let results = answer["Operations"].as_array().unwrap().iter();
    let status = |result: &Value| result["status"].as_str().unwrap().parse().unwrap();
    results.map(status).collect()
}

/// The id of a deleted resource that is still mentioned.
static GONE: LazyLock<Regex> = LazyLock::new(|| Regex::new("[0-9a-f]{8}-[0-9a-f-]{27}").unwrap());

/// Returns all resources, by names instead of ids.
fn state(server: &Server) -> BTreeMap<String, Value> {
    let (_, users) = send(server, "GET", "/Users?count=1000", &Value::Null);
    let (_, groups) = send(server, "GET", "/Groups?count=1000", &Value::Null);
    let all = [users, groups];
    let all = all
        .iter()
        .flat_map(|list| list["Resources"].as_array().unwrap());
    let mut names = HashMap::new();
    for resource in all.clone() {
        let name = resource.get("userName").unwrap_or(&resource["displayName"]);
        names.insert(resource["id"].as_str().unwrap(), name.as_str().unwrap());
    }
    let mut found = BTreeMap::new();
    for resource in all {
        let mut text = resource.clone();
        text["meta"] = Value::Null;
        for list in ["members", "groups"] {
            if let Some(elements) = text[list].as_array_mut() {
                elements.sort_by_key(|one| names.get(one["value"].as_str().unwrap()).copied());
            }
        }
        let mut text = text.to_string();
        for (id, name) in &names {
            text = text.replace(id, name);
        }
        // A manager may have been deleted.
        let text = GONE.replace_all(&text, "gone");
        let name = names[resource["id"].as_str().unwrap()];
        found.insert(name.to_owned(), serde_json::from_str(&text).unwrap());
    }
    found
}

/// Creates a server with these policies.
fn lenient(
    store: Arc<dyn Store>,
    cycles: CyclePolicy,
    unknown_members: UnknownMemberPolicy,
) -> Server {
    let mut settings = Settings::new("https://scim.test/v2");
    settings.policy.cycles = cycles;
    settings.policy.unknown_members = unknown_members;
    let token = Token::from_secret(TOKEN).unwrap();
    Server::new(store, settings).with_authentication(BearerTokens::new([token.digest()]))
}

/// The references of each group and user, and whether it is rejected for another reason.
type Web = Vec<(Vec<usize>, bool)>;

/// Returns those from which `seeds` can be reached, including them.
fn reaching(web: &Web, seeds: Vec<usize>) -> BTreeSet<usize> {
    let mut found: BTreeSet<_> = seeds.into_iter().collect();
    loop {
        let before = found.len();
        let leads = |n: &usize| web[*n].0.iter().any(|to| found.contains(to));
        let more: Vec<_> = (0..web.len()).filter(leads).collect();
        found.extend(more);
        if found.len() == before {
            return found;
        }
    }
}

/// Returns those that are their own members through others.
fn circular(web: &Web) -> Vec<usize> {
    let goes_round = |n: &usize| {
        web[*n]
            .0
            .iter()
            .any(|to| reaching(web, vec![*n]).contains(to))
    };
    (0..web.len()).filter(goes_round).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn bulk_request_equals_its_single_operations(
        doings in prop::collection::vec(doing(), 1..40),
        limit in prop_oneof![3 => Just(1_000_usize), 1 => 1..6_usize],
    ) {
        let mut kinds = Vec::new();
        let mut requests = Vec::new();
        for doing in &doings {
            let (method, path, body) = doing.request(&kinds);
            match (method, path.as_str()) {
                ("POST", "/Groups") => kinds.push("/Groups"),
                ("POST", _) => kinds.push("/Users"),
                _ => {}
            }
            requests.push((method, path, body));
        }
        for (store, make) in STORES {
            let alone = server(make(), Tolerance::DEFAULT);
            let bulk = server(make(), Tolerance::DEFAULT);
            let expected = one_by_one(&alone, &requests, limit);
            prop_assert_eq!(together(&bulk, &requests, limit), expected, "{}", store);
            prop_assert_eq!(state(&bulk), state(&alone), "{}", store);
        }
    }

    /// Groups that refer to each other in every direction: a created group has the requested members, and a group that
    /// can't have them is not created.
    #[test]
    fn web_of_references_is_created_as_requested_or_not_at_all(
        web in prop::collection::vec(
            (prop::collection::vec(0..9_usize, 0..3), prop::bool::weighted(0.1)),
            1..9,
        ),
        cycles in prop_oneof![Just(CyclePolicy::Accept), Just(CyclePolicy::Reject)],
        unknown in prop_oneof![Just(UnknownMemberPolicy::Accept), Just(UnknownMemberPolicy::Reject)],
    ) {
        let count = web.len();
        let web: Web = web
            .into_iter()
            .map(|(to, refused)| (to.into_iter().map(|n| n % count).collect(), refused))
            .collect();
        let mut bad: Vec<_> = (0..count).filter(|n| web[*n].1).collect();
        if cycles == CyclePolicy::Reject {
            bad.extend(circular(&web));
        }
        let bad = reaching(&web, bad);
        let operation = |(n, (to, refused)): (usize, &(Vec<usize>, bool))| {
            let members = to.iter().map(|n| json!({"value": format!("bulkId:{n}")}));
            let name = if *refused { json!(7) } else { json!(format!("g{n}")) };
            json!({"method": "POST", "path": "/Groups", "bulkId": n.to_string(),
                "data": {"displayName": name, "members": members.collect::<Vec<_>>()}})
        };
        let operations: Vec<_> = web.iter().enumerate().map(operation).collect();
        for (store, make) in STORES {
            let server = lenient(make(), cycles, unknown);
            let (_, answer) = send(&server, "POST", "/Bulk", &json!({"Operations": operations}));
            let results = answer["Operations"].as_array().unwrap();
            prop_assert_eq!(results.len(), count, "{}", store);
            let made = |n: &usize| results[*n]["status"] == "201";
            let expected: Vec<_> = (0..count).filter(|n| !bad.contains(n)).collect();
            let found: Vec<_> = (0..count).filter(made).collect();
            prop_assert_eq!(&found, &expected, "{}: {}", store, answer);
            let (_, list) = send(&server, "GET", "/Groups?count=100", &Value::Null);
            let groups = list["Resources"].as_array().unwrap();
            prop_assert_eq!(groups.len(), expected.len(), "{}", store);
            for group in groups {
                let place = |result: &Value| result["location"] == group["meta"]["location"];
                let n = results.iter().position(place).unwrap();
                prop_assert_eq!(&results[n]["version"], &group["meta"]["version"]);
                prop_assert_eq!(&group["displayName"], &json!(format!("g{n}")));
                let wanted: BTreeSet<_> = web[n].0.iter().map(|to| format!("g{to}")).collect();
                let members = group["members"].as_array().into_iter().flatten();
                let members: BTreeSet<_> = members
                    .map(|member| member["display"].as_str().unwrap().to_owned())
                    .collect();
                prop_assert_eq!(members, wanted, "{}", store);
            }
        }
    }
}
