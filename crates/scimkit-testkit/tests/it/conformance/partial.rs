//! Servers that declare less than RFC 7643 describes, or other attributes.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response};
use scimkit_core::{Schema, builtin};
use scimkit_mapping::{Mapping, MappingRule, UnmappedPolicy};
use scimkit_registry::{Registry, RegistryBuilder, Tolerance};
use scimkit_server::{BearerTokens, Server, Token};
use scimkit_store::{BoxFuture, Settings, Store};
use scimkit_testkit::{
    conformance::{
        ConformanceCheck, ConformanceReport, RequirementLevel, RequirementResult,
        RequirementVerdict,
    },
    replay::{HttpTarget, TransportError},
};
use serde_json::{Value, json};

use crate::servers::{STORES, TOKEN};

type Make = fn() -> Arc<dyn Store>;

fn server(make: Make, settings: Settings) -> Server {
    let token = Token::from_secret(TOKEN).unwrap();
    Server::new(make(), settings).with_authentication(BearerTokens::new([token.digest()]))
}

/// Creates a server that stores these user attributes; an exclamation mark makes one required.
fn mapped(make: Make, unmapped: UnmappedPolicy, paths: &[&str]) -> Server {
    let settings = Settings::new("https://scim.test/v2");
    let mut mapping = Mapping::builder().unmapped("User", unmapped);
    for (at, path) in paths.iter().enumerate() {
        let rule = MappingRule::new(path.trim_end_matches('!')).with_field(format!("field{at}"));
        let rule = if path.ends_with('!') {
            rule.required()
        } else {
            rule
        };
        mapping = mapping.rule("User", rule);
    }
    let mapping = mapping.build(&settings.registry).unwrap();
    server(make, settings.with_mapping(Arc::new(mapping)).unwrap())
}

/// Returns the user schema of the RFC with `userName` and these other attributes.
fn schema(attributes: &Value) -> Schema {
    let mut schema = serde_json::to_value(builtin::user()).unwrap();
    let all = schema["attributes"].as_array_mut().unwrap();
    all.retain(|attribute| attribute["name"] == "userName");
    all.extend(attributes.as_array().unwrap().iter().cloned());
    serde_json::from_value(schema).unwrap()
}

fn with_registry(make: Make, registry: Registry) -> Server {
    let mut settings = Settings::new("https://scim.test/v2");
    settings.registry = Arc::new(registry);
    server(make, settings)
}

/// Creates a server with users only.
fn users_only(make: Make, schema: Schema) -> Server {
    let mut users = builtin::user_resource_type();
    users.schema_extensions.clear();
    let registry = RegistryBuilder::default()
        .schema(schema)
        .resource_type(users);
    with_registry(make, registry.build().unwrap())
}

/// Creates a server with users and groups.
fn users_and_groups(make: Make, users: Schema, groups: Schema) -> Server {
    let mut kind = builtin::user_resource_type();
    kind.schema_extensions.clear();
    let registry = RegistryBuilder::default()
        .schema(users)
        .schema(groups)
        .resource_type(kind)
        .resource_type(builtin::group_resource_type());
    with_registry(make, registry.build().unwrap())
}

async fn report(server: &Server) -> ConformanceReport {
    ConformanceCheck::new(server)
        .with_token(TOKEN)
        .run()
        .await
        .unwrap()
}

/// The server, and the minimum number of requirements of level MUST that must hold.
type Partial = (&'static str, fn(Make) -> Server, usize);

const PARTIAL: &[Partial] = &[
    (
        "a family name, `active` and `externalId` are mapped",
        |make| {
            let paths = ["userName", "name.familyName", "active", "externalId"];
            mapped(make, UnmappedPolicy::Drop, &paths)
        },
        140,
    ),
    (
        "the name of a user is all that is mapped",
        |make| mapped(make, UnmappedPolicy::Drop, &["userName"]),
        100,
    ),
    (
        "what is not mapped is refused",
        |make| {
            mapped(
                make,
                UnmappedPolicy::Reject,
                &["userName", "displayName", "emails"],
            )
        },
        150,
    ),
    (
        "one e-mail address is mapped",
        |make| {
            let paths = ["userName", "displayName", r#"emails[type eq "work"].value"#];
            mapped(make, UnmappedPolicy::Drop, &paths)
        },
        140,
    ),
    (
        "two e-mail addresses and a department are mapped",
        |make| {
            let paths = [
                "userName",
                "title",
                "name.givenName",
                "name.familyName",
                r#"emails[type eq "work"].value"#,
                r#"emails[type eq "home"].value"#,
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
            ];
            mapped(make, UnmappedPolicy::Drop, &paths)
        },
        150,
    ),
    (
        "a family name and a title are required",
        |make| {
            let paths = [
                "userName",
                "name.familyName!",
                "title!",
                "displayName",
                "nickName",
            ];
            mapped(make, UnmappedPolicy::Drop, &paths)
        },
        150,
    ),
    (
        "there are attributes of other names alone",
        |make| {
            users_only(
                make,
                schema(&json!([
                    {"name": "badge", "type": "string", "required": true, "uniqueness": "server"},
                    {"name": "desk", "type": "string"},
                    {"name": "floor", "type": "string"},
                    {"name": "room", "type": "string"},
                    {"name": "remote", "type": "boolean"},
                    {"name": "car", "type": "complex", "subAttributes": [
                        {"name": "maker", "type": "string"}, {"name": "plate", "type": "string"}
                    ]},
                    {"name": "links", "type": "complex", "multiValued": true, "subAttributes": [
                        {"name": "value", "type": "string"}, {"name": "type", "type": "string"},
                        {"name": "display", "type": "string"}, {"name": "primary", "type": "boolean"}
                    ]}
                ])),
            )
        },
        170,
    ),
    (
        "attributes have their usual names but are of other kinds",
        |make| {
            users_only(
                make,
                schema(&json!([
                    {"name": "title", "type": "string", "caseExact": true},
                    {"name": "displayName", "type": "string", "mutability": "readOnly"},
                    {"name": "nickName", "type": "string", "canonicalValues": ["A", "B"]},
                    {"name": "emails", "type": "string", "multiValued": true},
                    {"name": "name", "type": "string", "mutability": "writeOnly", "returned": "never"}
                ])),
            )
        },
        90,
    ),
    (
        "there are no groups",
        |make| users_only(make, builtin::user()),
        150,
    ),
    (
        "groups have no members",
        |make| {
            let mut groups = builtin::group();
            groups
                .attributes
                .retain(|attribute| attribute.name == "displayName");
            users_and_groups(
                make,
                schema(&json!([{"name": "title", "type": "string"}])),
                groups,
            )
        },
        120,
    ),
    (
        "a value path that is required",
        |make| {
            let work = r#"emails[type eq "work"].value!"#;
            mapped(make, UnmappedPolicy::Keep, &["userName", work])
        },
        120,
    ),
];

#[tokio::test]
async fn server_with_fewer_or_other_attributes_has_no_failures() {
    for (store, make) in STORES {
        for (what, partial, least) in PARTIAL {
            let report = report(&partial(make)).await;
            assert_eq!(report.failures().count(), 0, "{store}, {what}: {report}");
            assert!(report.warnings.is_empty(), "{store}, {what}: {report}");
            let counts = report.counts(RequirementLevel::Must);
            assert!(counts.passed >= *least, "{store}, {what}: {report}");
        }
    }
}

#[tokio::test]
async fn requirement_without_an_attribute_is_skipped_with_its_reason() {
    let server = mapped(STORES[0].1, UnmappedPolicy::Drop, &["userName"]);
    let report = report(&server).await;
    let reason = |id: &str| {
        let of = |outcome: &&RequirementResult| outcome.requirement.id == id;
        match &report.outcomes.iter().find(of).unwrap().verdict {
            RequirementVerdict::Skipped(reason) => reason.clone(),
            other => panic!("{id}: {other:?}"),
        }
    };
    assert_eq!(
        reason("7643-4.1.1-08"),
        "the server declares no attribute `locale`"
    );
    assert_eq!(
        reason("7644-3.5.2.2-02"),
        "the server declares no attribute for `title`: a writable single-valued string that the case does not use otherwise"
    );
    let whole = super::server(STORES[0].1(), Tolerance::DEFAULT);
    let whole = ConformanceCheck::new(&whole)
        .with_token(TOKEN)
        .run()
        .await
        .unwrap();
    for level in [RequirementLevel::Must, RequirementLevel::Should] {
        let partial = report.counts(level);
        let whole = whole.counts(level);
        assert_eq!(partial.passed + partial.skipped, whole.passed);
        assert_eq!(partial.untested, whole.untested);
        assert!(partial.skipped > 0 && whole.skipped == 0);
    }
}

/// A partial server that ignores filters and removes nothing.
struct Broken(Server);

impl HttpTarget for Broken {
    fn send(
        &self,
        mut request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let text = request.uri().to_string().replace("filter=", "unknown=");
        *request.uri_mut() = text.parse().unwrap();
        let body = String::from_utf8_lossy(request.body());
        if request.method() == Method::PATCH && body.contains("\"remove\"") {
            *request.method_mut() = Method::GET;
            *request.body_mut() = Bytes::new();
        }
        self.0.send(request)
    }
}

#[tokio::test]
async fn fault_of_a_server_with_other_attributes_is_found() {
    for (what, partial, _) in PARTIAL {
        let broken = Broken(partial(STORES[0].1));
        let report = ConformanceCheck::new(&broken)
            .with_token(TOKEN)
            .run()
            .await
            .unwrap();
        let failed: Vec<_> = report
            .failures()
            .map(|(requirement, _)| &*requirement.id)
            .collect();
        for section in ["7644-3.4.2.2-", "7644-3.5.2.2-"] {
            assert!(
                failed.iter().any(|id| id.starts_with(section)),
                "{what}: {failed:?}"
            );
        }
    }
}

/// A server with an invalid or hostile list of schemas.
struct Lying {
    schemas: &'static str,
    sent: Mutex<String>,
    server: Server,
}

impl Lying {
    fn new(schemas: &'static str) -> Self {
        Lying {
            schemas,
            sent: Mutex::default(),
            server: super::server(STORES[0].1(), Tolerance::DEFAULT),
        }
    }
}

impl HttpTarget for Lying {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let body = String::from_utf8_lossy(request.body());
        *self.sent.lock().unwrap() += &format!("{} {body}\n", request.uri());
        if request.uri().path() == "/Schemas" {
            let answer = Ok(Response::new(Bytes::from(self.schemas)));
            return Box::pin(std::future::ready(answer));
        }
        self.server.send(request)
    }
}

#[tokio::test]
async fn unreadable_schemas_lead_to_the_usual_attributes() {
    let lists = [
        "",
        "[]",
        "null",
        r#"{"Resources": 7}"#,
        r#"{"Resources": [null, {"id": 7}, {"attributes": []}]}"#,
    ];
    for list in lists {
        let server = Lying::new(list);
        let report = ConformanceCheck::new(&server)
            .with_token(TOKEN)
            .run()
            .await
            .unwrap();
        let of_schemas = [
            "7643-7-01",
            "7643-7-02",
            "7644-3.1-01",
            "7644-4-02",
            "7644-4-04",
            "7644-4-05",
            "7644-4-07",
        ];
        for (requirement, _) in report.failures() {
            assert!(of_schemas.contains(&&*requirement.id), "{list}: {report}");
        }
        assert!(
            report.counts(RequirementLevel::Must).passed > 150,
            "{list}: {report}"
        );
    }
}

#[tokio::test]
async fn invalid_attribute_names_are_never_sent() {
    let list = r#"{"Resources": [{"id": "urn:ietf:params:scim:schemas:core:2.0:User", "attributes": [
        {"name": "userName"}, {"name": "a b"}, {"name": "{{run}}"}, {"name": "x\u001b[2J"}, {"name": "x/../../y"},
        {"name": ""}, {"name": 7}, null, 7, {"name": "x.y"}
    ]}]}"#;
    let server = Lying::new(list);
    let report = ConformanceCheck::new(&server)
        .with_token(TOKEN)
        .run()
        .await
        .unwrap();
    let sent = server.sent.lock().unwrap();
    for name in ["a b", "a%20b", "x/..", "\\u001b", "x.y", "{{run}}"] {
        assert!(!sent.contains(name), "{name}: {sent}");
    }
    let text = report.to_string();
    assert!(text.contains("no attribute for `title`"), "{text}");
}
