//! The ready-made guards, seats, and failures that were published of other products.

use std::{sync::Barrier, thread};

use scimkit_filter::Filter;
use scimkit_mapping::{Field, FieldType, Mapping, MappingRule};
use scimkit_server::guards::{ProtectedAccounts, SafeAdoption, VerifiedDomains};
use scimkit_store::{ConnectionSettings, CreatePolicy, DeletePolicy, engine::Capacity};

use super::*;

/// Sends requests one after another, and expects these statuses.
async fn expect(name: &str, server: &Server, steps: &[(&str, Value, u16)]) -> Vec<Value> {
    let mut bodies = Vec::new();
    for (call, body, expected) in steps {
        let (status, answer) = send(server, call, body.clone()).await;
        assert_eq!(status, *expected, "{name}: {call} {body} {answer}");
        bodies.push(answer);
    }
    bodies
}

fn with_email(name: &str, email: &str) -> Value {
    json!({"userName": name, "emails": [{"value": email, "type": "work"}]})
}

#[tokio::test]
async fn mail_domains_are_verified_on_every_way_to_a_user() {
    for (name, new) in stores() {
        let store = new();
        make(
            &store,
            "User",
            "old",
            with_email("old", "old@foreign.example"),
        )
        .await;
        make(
            &store,
            "User",
            "local",
            with_email("local", "local@foreign.example"),
        )
        .await;
        let settings = settings(|settings| settings.create_policy = CreatePolicy::Adopt);
        let domains = VerifiedDomains::new(|context: &RequestContext, domain: &str| {
            let connection = context.cause.connection.as_ref().map(ConnectionId::as_str);
            connection == Some("okta") && domain == "acme.example"
        });
        let server = server(&store, &settings).with_guard(domains);
        let path = r#"emails[type eq "work"].value"#;
        let bodies = expect(
            name,
            &server,
            &[
                ("POST /Users", with_email("a", "a@foreign.example"), 400),
                (
                    "POST /Users",
                    json!({"userName": "a@sub.acme.example"}),
                    400,
                ),
                ("POST /Users", with_email("a", "a@ACME.example."), 201),
                (
                    "POST /Users",
                    with_email("c@acme.example", "c@acme.example"),
                    201,
                ),
                (
                    "PATCH /Users/old",
                    replace(path, json!("new@foreign.example")),
                    400,
                ),
                (
                    "PATCH /Users/old",
                    replace("userName", json!("x@foreign.example")),
                    400,
                ),
                (
                    "PUT /Users/old",
                    with_email("old", "a@evil.example,b@acme.example"),
                    400,
                ),
                // An address that was there does not prevent other changes.
                ("PATCH /Users/old", replace("active", json!(false)), 200),
                (
                    "PATCH /Users/old",
                    replace(path, json!("old@acme.example")),
                    200,
                ),
                // An adoption hands the user over, with all addresses.
                ("POST /Users", json!({"userName": "local"}), 400),
                (
                    "POST /Users",
                    with_email("local", "local@acme.example"),
                    201,
                ),
                ("DELETE /Users/local", Value::Null, 204),
            ],
        )
        .await;
        let detail = "the mail domain `foreign.example` is not verified for this tenant: verify it, or change `emails`";
        assert_eq!(
            (&bodies[0]["detail"], &bodies[0]["scimType"]),
            (&json!(detail), &json!("invalidValue")),
            "{name}"
        );
        let user = with_email("d", "d@acme.example");
        let (status, _) = send_through("entra", &server, "POST /Users", user).await;
        assert_eq!(
            status, 400,
            "{name}: the domain is verified for another connection"
        );
        let operation = json!({"method": "PATCH", "path": "/Users/old",
            "data": replace("userName", json!("x@foreign.example"))});
        let (_, response) = send(&server, "POST /Bulk", bulk(json!([operation]))).await;
        assert_eq!(statuses(&response), ["400"], "{name}");
    }
}

#[tokio::test]
async fn protected_accounts_stay_as_they_are() {
    for (name, new) in stores() {
        let store = new();
        make(&store, "User", "root", json!({"userName": "root"})).await;
        make(
            &store,
            "User",
            "e1",
            json!({"userName": "e1", "userType": "emergency"}),
        )
        .await;
        make(&store, "User", "u1", json!({"userName": "u1"})).await;
        let guard = ProtectedAccounts::new("User").with_id("root");
        let guard = guard.with_filter(r#"userType eq "Emergency""#).unwrap();
        let server = server(&store, &settings(|_| ())).with_guard(guard);
        let bodies = expect(
            name,
            &server,
            &[
                ("DELETE /Users/root", Value::Null, 403),
                ("PATCH /Users/root", replace("active", json!(false)), 403),
                ("PATCH /Users/root", replace("active", json!("False")), 403),
                ("PATCH /Users/root", replace("userName", json!("boot")), 403),
                (
                    "PUT /Users/root",
                    json!({"userName": "ROOT", "title": "Root"}),
                    200,
                ),
                ("DELETE /Users/e1", Value::Null, 403),
                ("PUT /Users/e1", json!({"userName": "e1"}), 403),
                ("PATCH /Users/e1", replace("userType", json!("other")), 403),
                ("PATCH /Users/e1", replace("title", json!("Dr.")), 200),
                ("DELETE /Users/u1", Value::Null, 204),
            ],
        )
        .await;
        let detail = "this account is protected and can't be deleted: exclude it from provisioning, or change it in \
                      the application";
        assert_eq!(bodies[0]["detail"], detail, "{name}");
        let operations = json!([
            {"method": "DELETE", "path": "/Users/root"},
            {"method": "PATCH", "path": "/Users/e1", "data": replace("active", json!(false))},
        ]);
        let (_, response) = send(&server, "POST /Bulk", bulk(operations)).await;
        assert_eq!(statuses(&response), ["403", "403"], "{name}");
    }
}

#[tokio::test]
async fn a_guard_whose_filter_can_not_be_evaluated_lets_nothing_through() {
    for filter in [r#"groups.value eq "1""#, r#"nothing eq "1""#] {
        let store = (STORES[0].1)();
        make(&store, "User", "u1", json!({"userName": "u1"})).await;
        let guard = ProtectedAccounts::new("User").with_filter(filter).unwrap();
        let server = server(&store, &settings(|_| ())).with_guard(guard);
        let (status, body) = send(&server, "DELETE /Users/u1", Value::Null).await;
        assert_eq!(status, 500, "{filter}: {body}");
        let group = json!({"displayName": "g"});
        assert_eq!(
            send(&server, "POST /Groups", group).await.0,
            201,
            "{filter}"
        );
    }
}

/// Settings under which one active administrator has to be left.
fn keeping_one_administrator() -> Settings {
    settings(|settings| {
        let user = Arc::clone(settings.registry.resource_type("User").unwrap());
        let admins = r#"roles.value eq "admin" and not (active eq false)"#;
        let admins = Filter::parse(admins).unwrap();
        let admins = user.bind_filter(&admins, &Tolerance::DEFAULT).unwrap();
        let least = Capacity::at_least("administrators", user, admins, 1);
        settings.policy.capacities.push(least);
    })
}

#[tokio::test]
async fn the_last_administrator_stays() {
    for (name, new) in stores() {
        let admin = |name: &str| json!({"userName": name, "roles": [{"value": "Admin"}]});
        let store = new();
        for id in ["a1", "a2", "a3"] {
            make(&store, "User", id, admin(id)).await;
        }
        let server = server(&store, &keeping_one_administrator());
        let operations = json!([
            {"method": "DELETE", "path": "/Users/a1"},
            {"method": "PATCH", "path": "/Users/a2", "data": replace("active", json!(false))},
            {"method": "PUT", "path": "/Users/a3", "data": {"userName": "a3"}},
        ]);
        let (_, response) = send(&server, "POST /Bulk", bulk(operations)).await;
        assert_eq!(
            statuses(&response),
            ["204", "200", "403"],
            "{name}: {response}"
        );
        let bodies = expect(
            name,
            &server,
            &[
                ("PATCH /Users/a3", replace("active", json!(false)), 403),
                ("DELETE /Users/a3", Value::Null, 403),
                ("PATCH /Users/a2", replace("active", json!(true)), 200),
                ("DELETE /Users/a3", Value::Null, 204),
            ],
        )
        .await;
        let told = "`administrators`: at least 1 must remain: add another one first";
        assert_eq!(bodies[0]["detail"], told, "{name}");
    }
}

#[tokio::test]
async fn last_administrator_stays_in_the_group_of_administrators() {
    for (name, new) in stores() {
        let store = new();
        let rules = json!({
            "capacities": [{"name": "administrators", "resource_type": "User", "least": 1,
                "filter": r#"roles.value eq "admin" and active eq true"#}],
            "roles": {"default": "member",
                "groups": [{"filter": r#"displayName eq "Admins""#, "role": "admin"}]},
        });
        let rules = ConnectionSettings::from_json(&rules.to_string()).unwrap();
        let rules = rules
            .apply_to(&settings(|_| ()), &Mapping::builder())
            .unwrap();
        let server = server(&store, &rules);
        let user = json!({"userName": "ada", "active": true, "roles": [{"value": "admin"}]});
        let (_, ada) = send(&server, "POST /Users", user).await;
        assert_eq!(ada["roles"][0]["value"], "member", "{name}: {ada}");
        let member = json!([{"value": ada["id"]}]);
        let group = json!({"displayName": "Admins", "members": member});
        let (status, group) = send(&server, "POST /Groups", group).await;
        assert_eq!(status, 201, "{name}: {group}");
        let group = format!("/Groups/{}", group["id"].as_str().unwrap());
        let user = format!("/Users/{}", ada["id"].as_str().unwrap());
        let remove = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "remove", "path": "members", "value": member}]});
        let bodies = expect(
            name,
            &server,
            &[
                (&format!("GET {user}"), Value::Null, 200),
                (&format!("PATCH {group}"), remove, 403),
                (
                    &format!("PATCH {group}"),
                    replace("displayName", json!("Others")),
                    403,
                ),
                (&format!("DELETE {group}"), Value::Null, 403),
                (&format!("GET {user}"), Value::Null, 200),
                ("GET /Schemas", Value::Null, 200),
            ],
        )
        .await;
        for body in [&bodies[0], &bodies[4]] {
            assert_eq!(body["roles"][0]["value"], "admin", "{name}: {body}");
        }
        let schemas = bodies[5]["Resources"].as_array().unwrap();
        let users = schemas.iter().find(|schema| schema["name"] == "User");
        let attributes = users.unwrap()["attributes"].as_array().unwrap();
        let roles = attributes
            .iter()
            .find(|one| one["name"] == "roles")
            .unwrap();
        assert_eq!(roles["mutability"], "readOnly", "{name}");
        let parts = roles["subAttributes"].as_array().unwrap();
        let value = parts.iter().find(|one| one["name"] == "value").unwrap();
        assert_eq!(
            value["canonicalValues"],
            json!(["admin", "member"]),
            "{name}"
        );
    }
}

#[test]
fn one_of_two_administrators_stays_if_both_are_removed_at_once() {
    for (name, new) in stores() {
        for _ in 0..20 {
            let store = new();
            let admin = |name: &str| json!({"userName": name, "roles": [{"value": "admin"}]});
            for id in ["a1", "a2"] {
                runtime().block_on(make(&store, "User", id, admin(id)));
            }
            let server = server(&store, &keeping_one_administrator());
            let start = Barrier::new(2);
            let remove = |call: &'static str, body: Value| {
                start.wait();
                runtime().block_on(send(&server, call, body)).0
            };
            let statuses = thread::scope(|scope| {
                let delete = scope.spawn(|| remove("DELETE /Users/a1", Value::Null));
                let off = replace("active", json!(false));
                let off = scope.spawn(|| remove("PATCH /Users/a2", off));
                [delete.join().unwrap(), off.join().unwrap()]
            });
            assert!(
                [[204, 403], [403, 200]].contains(&statuses),
                "{name}: {statuses:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_adoption_hands_nobody_elses_account_over() {
    for (name, new) in stores() {
        let plain = settings(|settings| {
            settings.create_policy = CreatePolicy::AdoptOrRestore;
            settings.policy.delete_policy = DeletePolicy::Soft;
        });
        let mapping = Mapping::builder()
            .field(
                "User",
                Field::new("login", FieldType::Text).unique().filterable(),
            )
            .field(
                "User",
                Field::new("external", FieldType::Text)
                    .unique()
                    .filterable(),
            )
            .rule(
                "User",
                MappingRule::new("userName").with_field("login").matching(),
            )
            .rule(
                "User",
                MappingRule::new("externalId")
                    .with_field("external")
                    .matching(),
            )
            .build(&plain.registry);
        let settings = plain.with_mapping(Arc::new(mapping.unwrap())).unwrap();
        let store = new();
        make(&store, "User", "u1", with_email("anna", "anna@x.example")).await;
        make(
            &store,
            "User",
            "u2",
            json!({"userName": "ben", "externalId": "2"}),
        )
        .await;
        let server = server(&store, &settings).with_guard(SafeAdoption::new());
        let carl = json!({"userName": "carl", "externalId": "3", "active": false});
        let (_, carl) = send_through("entra", &server, "POST /Users", carl).await;
        let dora = json!({"userName": "dora", "externalId": "4"});
        let (_, dora) = send_through("entra", &server, "POST /Users", dora).await;
        let path = format!("DELETE /Users/{}", dora["id"].as_str().unwrap());
        assert_eq!(
            send_through("entra", &server, &path, Value::Null).await.0,
            204,
            "{name}"
        );
        let external = |name: &str, id: &str| json!({"userName": name, "externalId": id});
        let bodies = expect(
            name,
            &server,
            &[
                ("POST /Users", with_email("anna", "mallory@x.example"), 409),
                ("POST /Users", external("mallory", "2"), 409),
                ("POST /Users", external("mallory", "3"), 409),
                ("POST /Users", external("mallory", "4"), 409),
                ("POST /Users", with_email("ANNA", "Anna@x.example"), 201),
                ("POST /Users", external("ben", "20"), 201),
                ("POST /Users", external("carl", "30"), 201),
                ("POST /Users", external("dora", "40"), 201),
            ],
        )
        .await;
        for (body, part) in bodies.iter().zip([
            "another `emails`",
            "another `userName`",
            "another connection",
            "another connection",
        ]) {
            let detail = body["detail"].as_str().unwrap();
            assert!(detail.contains(part), "{name}: {detail}");
            assert_eq!(body["scimType"], "uniqueness", "{name}");
        }
        let ids: Vec<_> = bodies.iter().skip(4).map(|body| &body["id"]).collect();
        assert_eq!(
            ids,
            [&json!("u1"), &json!("u2"), &carl["id"], &dora["id"]],
            "{name}"
        );
    }
}

/// Seats need no guard: the capacity of the engine holds whatever way a user becomes active.
#[tokio::test]
async fn seats_hold_for_creates_reactivations_and_restorations() {
    for (name, new) in stores() {
        let settings = settings(|settings| {
            settings.create_policy = CreatePolicy::AdoptOrRestore;
            settings.policy.delete_policy = DeletePolicy::Soft;
            let user = Arc::clone(settings.registry.resource_type("User").unwrap());
            let active = Filter::parse("active eq true").unwrap();
            let active = user.bind_filter(&active, &Tolerance::DEFAULT).unwrap();
            settings
                .policy
                .capacities
                .push(Capacity::new("seats", user, active, 1));
        });
        let store = new();
        make(
            &store,
            "User",
            "u1",
            json!({"userName": "u1", "active": false}),
        )
        .await;
        make(
            &store,
            "User",
            "u2",
            json!({"userName": "u2", "active": true}),
        )
        .await;
        let server = server(&store, &settings);
        let user = |name: &str, active: bool| json!({"userName": name, "active": active});
        let on = || replace("active", json!(true));
        expect(
            name,
            &server,
            &[
                ("POST /Users", user("u3", true), 403),
                ("PATCH /Users/u1", on(), 403),
                ("PUT /Users/u1", user("u1", true), 403),
                // An adoption that activates.
                ("POST /Users", user("u1", true), 403),
                ("DELETE /Users/u2", Value::Null, 204),
                ("PATCH /Users/u1", on(), 200),
                // A restoration.
                ("POST /Users", user("u2", true), 403),
            ],
        )
        .await;
        let operation =
            json!({"method": "POST", "path": "/Users", "bulkId": "x", "data": user("u3", true)});
        let (_, response) = send(&server, "POST /Bulk", bulk(json!([operation]))).await;
        assert_eq!(statuses(&response), ["403"], "{name}");
    }
}

/// CVE-2025-41115: a numeric `externalId` was taken for the id of an existing account.
#[tokio::test]
async fn a_numeric_external_id_is_never_an_id() {
    for (name, new) in stores() {
        let store = new();
        make(&store, "User", "1", json!({"userName": "admin"})).await;
        let settings = settings(|settings| settings.create_policy = CreatePolicy::AdoptOrRestore);
        let server = server(&store, &settings);
        let (_, admin) = send(&server, "GET /Users/1", Value::Null).await;
        let body = json!({"userName": "mallory", "externalId": "1"});
        let (status, mallory) = send(&server, "POST /Users", body).await;
        assert_eq!(
            (status, &mallory["externalId"]),
            (201, &json!("1")),
            "{name}"
        );
        assert_ne!(mallory["id"], "1", "{name}");
        let (_, same) = send(&server, "GET /Users/1", Value::Null).await;
        assert_eq!(same, admin, "{name}");
        let members = json!({"displayName": "g", "members": [{"value": "1"}]});
        let (_, group) = send(&server, "POST /Groups", members).await;
        assert_eq!(group["members"][0]["value"], "1", "{name}");
        let path = format!("DELETE /Users/{}", mallory["id"].as_str().unwrap());
        assert_eq!(send(&server, &path, Value::Null).await.0, 204, "{name}");
        assert_eq!(
            send(&server, "GET /Users/1", Value::Null).await.0,
            200,
            "{name}"
        );
    }
}

/// Accepts the change if its values by path are as expected.
#[derive(Debug)]
struct ByPath;

impl ChangeGuard for ByPath {
    fn check<'a>(
        &'a self,
        _: &'a RequestContext,
        proposed: &'a ProposedChange,
    ) -> BoxFuture<'a, Result<(), ErrorResponse>> {
        let path = r#"emails[type eq "work"].value"#;
        Box::pin(async move {
            let read = (
                proposed.text_before(path)?,
                proposed.text(path)?,
                proposed.changes(path)?,
                proposed.boolean_before("active")?,
                proposed.boolean("active")?,
            );
            Err(ErrorResponse::forbidden(format!("{read:?}")))
        })
    }
}

#[tokio::test]
async fn guards_read_values_by_path() {
    for (name, new) in stores() {
        let store = new();
        let mut body = with_email("babs", "b@x.example");
        body["active"] = json!(true);
        make(&store, "User", "u1", body.clone()).await;
        make(&store, "Group", "g1", json!({"displayName": "Staff"})).await;
        let server = server(&store, &settings(|_| ())).with_guard(ByPath);
        let patch = |path: &str, value: Value| json!({"Operations": [{"op": "replace", "path": path, "value": value}]});
        for (call, body, expected) in [
            (
                "POST /Users",
                with_email("new", "n@x.example"),
                r#"(None, Some("n@x.example"), true, None, None)"#,
            ),
            (
                "PATCH /Users/u1",
                patch("active", json!(false)),
                r#"(Some("b@x.example"), Some("b@x.example"), false, Some(true), Some(false))"#,
            ),
            (
                "PATCH /Users/u1",
                patch("emails", json!([{"value": "c@x.example", "type": "Work"}])),
                r#"(Some("b@x.example"), Some("c@x.example"), true, Some(true), Some(true))"#,
            ),
            (
                "DELETE /Users/u1",
                Value::Null,
                r#"(Some("b@x.example"), None, true, Some(true), None)"#,
            ),
        ] {
            let (status, answer) = send(&server, call, body).await;
            assert_eq!(
                (status, &answer["detail"]),
                (403, &json!(expected)),
                "{name}: {call}"
            );
        }
        // Groups have no such path: that is an error of the guard, also where there is no document to read.
        let (status, _) = send(&server, "POST /Groups", json!({"displayName": "New"})).await;
        assert_eq!(status, 500, "{name}");
    }
}
