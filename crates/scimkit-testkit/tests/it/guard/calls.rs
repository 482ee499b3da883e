//! Which requests call a guard, how often, and with what.

use scimkit_server::{Secret, SecretHandler};
use scimkit_store::{CreatePolicy, CyclePolicy, DeletePolicy};

use super::*;

/// A request, the settings that it needs, and the calls that it causes.
struct Case {
    call: &'static str,
    body: Value,
    calls: &'static [&'static str],
    name: &'static str,
    set: fn(&mut Settings),
    status: u16,
}

fn case(
    name: &'static str,
    call: &'static str,
    body: Value,
    (status, calls): (u16, &'static [&'static str]),
) -> Case {
    Case {
        call,
        body,
        calls,
        name,
        set: |_| (),
        status,
    }
}

fn adopts(settings: &mut Settings) {
    settings.create_policy = CreatePolicy::AdoptOrRestore;
    settings.policy.delete_policy = DeletePolicy::Soft;
}

/// The resources at the start of each case are:
/// - the users `u1` (`anna`) and `u2` (`ben`, inactive), which the application has created;
/// - the group `g1` (`guides`) with the member `u1`;
/// - the user `carl`, whom the connection `okta` has created and deleted.
fn cases() -> Vec<Case> {
    let user = |name: &str| json!({"userName": name});
    let member = |id: &str| json!([{"value": id}]);
    let add = |id: &str| {
        let operation = json!({"op": "add", "path": "members", "value": member(id)});
        json!({"Operations": [operation]})
    };
    let adopting = |case: Case| Case {
        set: adopts,
        ..case
    };
    vec![
        case(
            "a create",
            "POST /Users",
            user("dora"),
            (201, &["Create User none -> dora"]),
        ),
        case(
            "a create with members",
            "POST /Groups",
            json!({"displayName": "team", "members": member("u1")}),
            (201, &["Create Group none -> team =1"]),
        ),
        case(
            "a duplicate, which only the store finds",
            "POST /Users",
            user("ANNA"),
            (409, &["Create User none -> ANNA"]),
        ),
        case(
            "an invalid create",
            "POST /Users",
            json!({"title": "Dr."}),
            (400, &[]),
        ),
        case(
            "a replacement",
            "PUT /Users/u1",
            user("anne"),
            (200, &["Update User anna -> anne"]),
        ),
        case(
            "a replacement by the same",
            "PUT /Users/u1",
            user("anna"),
            (200, &[]),
        ),
        case(
            "a patch",
            "PATCH /Users/u1",
            replace("userName", json!("anne")),
            (200, &["Update User anna -> anne"]),
        ),
        case(
            "a patch of another attribute",
            "PATCH /Users/u1",
            replace("title", json!("Dr.")),
            (200, &["Update User anna -> anna"]),
        ),
        case(
            "a patch that changes nothing",
            "PATCH /Users/u1",
            replace("userName", json!("anna")),
            (200, &[]),
        ),
        case(
            "a reactivation",
            "PATCH /Users/u2",
            replace("active", json!(true)),
            (200, &["Update User ben -> ben"]),
        ),
        case(
            "a password that is dropped",
            "PATCH /Users/u1",
            replace("password", json!("secret-1")),
            (200, &[]),
        ),
        case(
            "a patch of nobody",
            "PATCH /Users/u9",
            replace("title", json!("Dr.")),
            (404, &[]),
        ),
        case(
            "a new member",
            "PATCH /Groups/g1",
            add("u2"),
            (200, &["Update Group guides -> guides +1 -0"]),
        ),
        case(
            "a member that is there",
            "PATCH /Groups/g1",
            add("u1"),
            (200, &[]),
        ),
        case(
            "the same members",
            "PATCH /Groups/g1",
            replace("members", member("u1")),
            (200, &[]),
        ),
        case(
            "other members",
            "PATCH /Groups/g1",
            replace("members", member("u2")),
            (200, &["Update Group guides -> guides =1"]),
        ),
        case(
            "a delete, whose group loses a member",
            "DELETE /Users/u1",
            Value::Null,
            (204, &["Delete User anna -> none"]),
        ),
        case(
            "a delete of nobody",
            "DELETE /Users/u9",
            Value::Null,
            (404, &[]),
        ),
        adopting(case(
            "a soft delete",
            "DELETE /Users/u1",
            Value::Null,
            (204, &["Delete User anna -> none"]),
        )),
        case(
            "a patch of /Me",
            "PATCH /Me",
            replace("title", json!("Dr.")),
            (200, &["Update User anna -> anna"]),
        ),
        case(
            "a replacement of /Me",
            "PUT /Me",
            user("anne"),
            (200, &["Update User anna -> anne"]),
        ),
        case(
            "a delete of /Me",
            "DELETE /Me",
            Value::Null,
            (204, &["Delete User anna -> none"]),
        ),
        adopting(case(
            "a create that finds nobody",
            "POST /Users",
            user("dora"),
            (201, &["Create User none -> dora"]),
        )),
        adopting(case(
            "an adoption",
            "POST /Users",
            user("ANNA"),
            (201, &["Adopt User anna -> ANNA"]),
        )),
        adopting(case(
            "a restoration",
            "POST /Users",
            user("Carl"),
            (201, &["Restore User carl -> Carl of okta"]),
        )),
        Case {
            set: |settings| settings.create_policy = CreatePolicy::Restore,
            ..case(
                "a take-over of a deactivated user",
                "POST /Users",
                user("ben"),
                (201, &["Restore User ben -> ben"]),
            )
        },
        case("a read", "GET /Users/u1", Value::Null, (200, &[])),
        case(
            "a search",
            "POST /Users/.search",
            json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]}),
            (200, &[]),
        ),
        case(
            "a bulk request",
            "POST /Bulk",
            bulk(json!([
                {"method": "POST", "path": "/Users", "bulkId": "d", "data": user("dora")},
                {"method": "PATCH", "path": "/Users/bulkId:d", "data": replace("userName", json!("dori"))},
                {"method": "POST", "path": "/Groups", "bulkId": "t",
                    "data": {"displayName": "team", "members": member("bulkId:d")}},
                {"method": "PATCH", "path": "/Groups/g1", "data": add("bulkId:d")},
                {"method": "PATCH", "path": "/Groups/g1", "data": add("u1")},
                {"method": "PUT", "path": "/Users/u1", "data": user("anne")},
                {"method": "DELETE", "path": "/Users/u1"},
                {"method": "DELETE", "path": "/Users/u9"},
                {"method": "DELETE", "path": "/Users/bulkId:d"},
            ])),
            (
                200,
                &[
                    "Create User none -> dora",
                    "Update User dora -> dori of okta",
                    "Create Group none -> team =1",
                    "Update Group guides -> guides +1 -0",
                    "Update User anna -> anne",
                    "Delete User anne -> none",
                    "Delete User dori -> none of okta",
                ],
            ),
        ),
        adopting(case(
            "a bulk request that adopts and restores",
            "POST /Bulk",
            bulk(json!([
                {"method": "POST", "path": "/Users", "bulkId": "a", "data": user("anna")},
                {"method": "POST", "path": "/Users", "bulkId": "c", "data": user("carl")},
                {"method": "PATCH", "path": "/Users/bulkId:a", "data": replace("title", json!("Dr."))},
                {"method": "POST", "path": "/Users", "bulkId": "d", "data": user("dora")},
            ])),
            (
                200,
                &[
                    "Adopt User anna -> anna",
                    "Restore User carl -> carl of okta",
                    "Update User anna -> anna of okta",
                    "Create User none -> dora",
                ],
            ),
        )),
        Case {
            set: |settings| settings.policy.cycles = CyclePolicy::Accept,
            ..case(
                "a reference cycle",
                "POST /Bulk",
                bulk(json!([
                    {"method": "POST", "path": "/Groups", "bulkId": "x",
                        "data": {"displayName": "x", "members": member("bulkId:y")}},
                    {"method": "POST", "path": "/Groups", "bulkId": "y",
                        "data": {"displayName": "y", "members": member("bulkId:x")}},
                ])),
                (
                    200,
                    &["Create Group none -> x =1", "Create Group none -> y =1"],
                ),
            )
        },
    ]
}

async fn filled(store: &Arc<dyn Store>, settings: &Settings) {
    make(store, "User", "u1", json!({"userName": "anna"})).await;
    make(
        store,
        "User",
        "u2",
        json!({"userName": "ben", "active": false}),
    )
    .await;
    let members = json!([{"value": "u1"}]);
    make(
        store,
        "Group",
        "g1",
        json!({"displayName": "guides", "members": members}),
    )
    .await;
    let unguarded = server(store, settings);
    let (_, carl) = send(&unguarded, "POST /Users", json!({"userName": "carl"})).await;
    let path = format!("DELETE /Users/{}", carl["id"].as_str().unwrap());
    assert_eq!(send(&unguarded, &path, Value::Null).await.0, 204);
}

#[tokio::test]
async fn every_change_of_a_request_calls_the_guard_once() {
    for (store_name, new) in stores() {
        for case in cases() {
            let name = format!("{store_name}: {}", case.name);
            let store = new();
            let settings = settings(case.set);
            filled(&store, &settings).await;
            let guard = Recorder::default();
            let guarded = server(&store, &settings).with_guard(guard.clone());
            let (status, body) = send(&guarded, case.call, case.body.clone()).await;
            assert_eq!(status, case.status, "{name}: {body}");
            assert_eq!(guard.take(), case.calls, "{name}: {body}");
        }
    }
}

/// A rejected request leaves everything as it is, and its response is the error of the guard.
#[tokio::test]
async fn a_rejected_change_is_not_written() {
    for (store_name, new) in stores() {
        let cases = cases().into_iter();
        for case in cases.filter(|case| case.call != "POST /Bulk" && !case.calls.is_empty()) {
            let name = format!("{store_name}: {}", case.name);
            let store = new();
            let settings = settings(case.set);
            filled(&store, &settings).await;
            let unguarded = server(&store, &settings);
            let all = async || {
                let users = send(&unguarded, "GET /Users", Value::Null).await;
                (users, send(&unguarded, "GET /Groups", Value::Null).await)
            };
            let before = all().await;
            let guarded = server(&store, &settings).with_guard(Recorder::rejecting("->"));
            let (status, body) = send(&guarded, case.call, case.body).await;
            let error = (status, &body["scimType"], &body["detail"]);
            let expected = (409, &json!("uniqueness"), &json!("rejected by the guard"));
            assert_eq!(error, expected, "{name}: {body}");
            assert_eq!(all().await, before, "{name}");
        }
    }
}

#[tokio::test]
async fn a_rejected_operation_of_a_bulk_request_fails_alone_and_a_cycle_as_a_whole() {
    for (name, new) in stores() {
        let store = new();
        let settings = settings(|settings| settings.policy.cycles = CyclePolicy::Accept);
        filled(&store, &settings).await;
        let guard = Recorder::rejecting("bad");
        let guarded = server(&store, &settings).with_guard(guard.clone());
        let group = |id: &str, other: &str| {
            json!({"method": "POST", "path": "/Groups", "bulkId": id,
                "data": {"displayName": id, "members": [{"value": format!("bulkId:{other}")}]}})
        };
        let user = |name: &str| json!({"method": "POST", "path": "/Users", "bulkId": name, "data": {"userName": name}});
        let request = bulk(json!([
            user("bad"),
            user("dora"),
            group("of bad", "bad"),
            group("x", "bad y"),
            group("bad y", "x"),
            {"method": "PUT", "path": "/Users/u1", "data": {"userName": "bad anna"}},
            {"method": "DELETE", "path": "/Users/u2"},
        ]));
        let (_, response) = send(&guarded, "POST /Bulk", request).await;
        let expected = ["409", "201", "409", "409", "409", "409", "204"];
        assert_eq!(statuses(&response), expected, "{name}: {response}");
        let calls = [
            "Create User none -> bad",
            "Create User none -> dora",
            "Create Group none -> x =1",
            "Create Group none -> bad y =1",
            "Update User anna -> bad anna",
            "Delete User ben -> none",
        ];
        assert_eq!(guard.take(), calls, "{name}");
        let (_, groups) = send(&guarded, "GET /Groups", Value::Null).await;
        assert_eq!(groups["totalResults"], 1, "{name}: {groups}");
    }
}

/// A handler that accepts every password.
#[derive(Debug)]
struct Passwords;

impl SecretHandler for Passwords {
    fn take<'a>(
        &'a self,
        _: &'a RequestContext,
        _: Secret<'a>,
    ) -> BoxFuture<'a, Result<Option<Value>, ErrorResponse>> {
        Box::pin(async { Ok(None) })
    }
}

#[tokio::test]
async fn a_guard_sees_that_a_password_is_set_but_not_the_password() {
    for (name, new) in stores() {
        let store = new();
        let settings = settings(|_| ());
        filled(&store, &settings).await;
        let guard = Recorder::default();
        let guarded = server(&store, &settings)
            .with_guard(guard.clone())
            .with_secret_handler(Passwords);
        let password = replace("password", json!("secret-1"));
        send(&guarded, "PATCH /Users/u1", password).await;
        let user = json!({"userName": "dora", "password": "secret-2"});
        send(&guarded, "POST /Users", user).await;
        let calls = [
            "Update User anna -> anna sets password",
            "Create User none -> dora sets password",
        ];
        assert_eq!(guard.take(), calls, "{name}");
    }
}

#[tokio::test]
async fn guards_are_called_in_order_until_one_rejects() {
    for (name, new) in stores() {
        let first = Recorder::rejecting("dora");
        let second = Recorder::rejecting("emil");
        let server = server(&new(), &settings(|_| ()))
            .with_guard(first.clone())
            .with_guard(second.clone());
        for (user, expected) in [("dora", 409), ("emil", 409), ("fred", 201)] {
            let (status, _) = send(&server, "POST /Users", json!({"userName": user})).await;
            assert_eq!(status, expected, "{name}: {user}");
        }
        assert_eq!(first.take().len(), 3, "{name}");
        assert_eq!(second.take().len(), 2, "{name}");
    }
}
