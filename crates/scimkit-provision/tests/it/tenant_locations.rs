//! The tenant by the place that a request is sent to.

use std::sync::Arc;

use http::Request;
use http_body_util::Full;
use scimkit_provision::ConnectionAuthenticator;
use scimkit_store::MemoryStore;

use crate::world::World;

const IN_PATH: &str = "https://app.example/tenants/{tenant}/scim/v2";
const IN_HOST: &str = "https://{tenant}.app.example:8443/scim/v2";

#[tokio::test]
async fn a_token_opens_the_path_of_its_tenant_alone() {
    let world = World::at(IN_PATH);
    let acme = world.customer("acme").await;
    world.customer("other").await;
    let status = async |path: &str| world.get(path, acme.token.reveal()).await.status();
    assert_eq!(status("/tenants/acme/scim/v2/Users").await, 200);
    // Another way to write the same.
    assert_eq!(status("/tenants/%61cme/scim/v2/Users").await, 200);
    for elsewhere in [
        "/tenants/other/scim/v2/Users",
        "/tenants/nobody/scim/v2/Users",
        "/tenants/ACME/scim/v2/Users",
        "/tenants/acme%00/scim/v2/Users",
        "/tenants/acme%2F..%2Fother/scim/v2/Users",
        "/tenants/../scim/v2/Users",
        "/tenants/%2e%2e/scim/v2/Users",
        "/tenants/other/../acme/scim/v2/Users",
        "/tenants//scim/v2/Users",
        "/tenants/%ff/scim/v2/Users",
        "/tenants/acme%20/scim/v2/Users",
        "/scim/v2/Users",
        "/",
    ] {
        assert_eq!(status(elsewhere).await, 401, "{elsewhere}");
        assert_eq!(world.tenancy.asked().last(), Some(&"open"));
    }
    let long = format!("/tenants/{}/scim/v2/Users", "a".repeat(60_000));
    assert_eq!(status(&long).await, 401);
}

#[tokio::test]
async fn references_name_resources_of_their_own_tenant() {
    let world = World::at(IN_PATH);
    let acme = world.customer("acme").await;
    world.customer("other").await;
    let manager = async |url: &str, name: &str| {
        let enterprise = scimkit_core::builtin::ENTERPRISE_USER;
        let body = serde_json::json!({
            "schemas": [scimkit_core::builtin::USER, enterprise],
            "userName": name,
            enterprise: {"manager": {"$ref": url}},
        });
        let request = Request::post("/tenants/acme/scim/v2/Users")
            .header("authorization", format!("Bearer {}", acme.token.reveal()))
            .header("content-type", "application/scim+json")
            .body(Full::from(body.to_string()));
        let answer = world.send(request.unwrap()).await;
        let value = answer.json()[enterprise]["manager"]["value"].clone();
        (answer.status(), value)
    };
    let own = "https://app.example/tenants/acme/scim/v2/Users/7";
    assert_eq!(manager(own, "u1").await, (201, "7".into()));
    let spelled = "HTTPS://APP.example:443/tenants/%61cme/scim/v2/Users/%37/";
    assert_eq!(manager(spelled, "u2").await, (201, "7".into()));
    assert_eq!(manager("../Users/7", "u3").await, (201, "7".into()));
    for foreign in [
        "https://app.example/tenants/other/scim/v2/Users/7",
        "https://app.example/tenants/ACME/scim/v2/Users/7",
        "https://app.example/scim/v2/Users/7",
        "https://app.example/tenants/{tenant}/scim/v2/Users/7",
        "https://app.example/tenants/acme/../other/scim/v2/Users/7",
        "/tenants/other/scim/v2/Users/7",
        "https://other.example/tenants/acme/scim/v2/Users/7",
    ] {
        let refused = manager(foreign, "u4").await;
        assert_eq!(refused, (400, serde_json::Value::Null), "{foreign}");
    }
}

#[tokio::test]
async fn links_lead_to_the_tenants_own_place() {
    let world = World::at(IN_PATH);
    for tenant in ["acme", "other"] {
        let issued = world.customer(tenant).await;
        let path = format!("/tenants/{tenant}/scim/v2/ResourceTypes/User");
        let answer = world.get(&path, issued.token.reveal()).await;
        assert_eq!(
            answer.json()["meta"]["location"],
            format!("https://app.example{path}")
        );
    }
}

#[tokio::test]
async fn a_token_opens_the_host_of_its_tenant_alone() {
    let world = World::at(IN_HOST);
    let acme = world.customer("acme").await;
    let authorization = format!("Bearer {}", acme.token.reveal());
    let asked = async |host: &str| {
        let headers = [("authorization", &*authorization), ("host", host)];
        world.ask("/scim/v2/Users", &headers).await.status()
    };
    for own in [
        "acme.app.example",
        "acme.app.example:8443",
        "acme.app.example:1",
        "ACME.App.Example",
    ] {
        assert_eq!(asked(own).await, 200, "{own}");
    }
    for other in [
        "other.app.example",
        "app.example",
        ".app.example",
        "acme.app.example.evil.example",
        "x.acme.app.example",
        "acme.app.exampl",
        "acme.app.example/",
        "acme@acme.app.example",
        "acme.app.example:x",
        "acme.app.example, acme.app.example",
        "[::1]",
        "[acme.app.example]",
        "[::1].app.example",
        "127.0.0.1:8080",
        "%61cme.app.example",
        "..app.example",
        "",
    ] {
        assert_eq!(asked(other).await, 401, "{other}");
    }
    let none = world.get("/scim/v2/Users", acme.token.reveal()).await;
    assert_eq!(none.status(), 401);
    let own = ("host", "acme.app.example");
    let two = ("host", "acme.app.example");
    let headers = [("authorization", &*authorization), own, two];
    assert_eq!(world.ask("/scim/v2/Users", &headers).await.status(), 401);
}

#[tokio::test]
async fn the_authority_of_the_request_goes_before_its_host_header() {
    let world = World::at(IN_HOST);
    let acme = world.customer("acme").await;
    for (authority, host, status) in [
        ("acme.app.example:8443", "other.app.example", 200),
        ("other.app.example:8443", "acme.app.example", 401),
    ] {
        let request = Request::get(format!("https://{authority}/scim/v2/Users"))
            .header("host", host)
            .header("authorization", format!("Bearer {}", acme.token.reveal()))
            .body(Full::default())
            .unwrap();
        assert_eq!(world.send(request).await.status(), status, "{authority}");
    }
}

#[tokio::test]
async fn a_forwarded_host_is_believed_only_where_the_host_says_so() {
    let store = || Arc::new(MemoryStore::new());
    let believing = World::over(
        store(),
        IN_HOST,
        ConnectionAuthenticator::with_trusted_forwarded_host,
    );
    for (world, own, forwarded) in [(World::at(IN_HOST), 200, 401), (believing, 401, 200)] {
        let acme = world.customer("acme").await;
        let authorization = format!("Bearer {}", acme.token.reveal());
        let asked = async |host: &str, forwarded: &str| {
            let headers = [
                ("authorization", &*authorization),
                ("host", host),
                ("x-forwarded-host", forwarded),
            ];
            world.ask("/scim/v2/Users", &headers).await.status()
        };
        assert_eq!(asked("acme.app.example", "other.app.example").await, own);
        assert_eq!(asked("internal:80", "acme.app.example").await, forwarded);
        for (first, status) in [
            ("acme.app.example, proxy.internal", forwarded),
            ("acme.app.example:8443 ,proxy.internal, x", forwarded),
            ("acme.app.example,", forwarded),
            ("proxy.internal, acme.app.example", 401),
            (", acme.app.example", 401),
            ("", 401),
        ] {
            assert_eq!(asked("internal:80", first).await, status, "{first}");
        }
        for (first, second, status) in [
            ("acme.app.example", "proxy.internal", forwarded),
            ("proxy.internal", "acme.app.example", 401),
        ] {
            let headers = [
                ("authorization", &*authorization),
                ("host", "internal:80"),
                ("x-forwarded-host", first),
                ("x-forwarded-host", second),
            ];
            let answer = world.ask("/scim/v2/Users", &headers).await;
            assert_eq!(answer.status(), status, "{first}, then {second}");
        }
    }
}

#[tokio::test]
async fn without_a_place_of_its_own_the_token_alone_says_whose() {
    let world = World::in_memory();
    let acme = world.customer("acme").await;
    let other = world.customer("other").await;
    let create = Request::post("/scim/v2/Users")
        .header("authorization", format!("Bearer {}", acme.token.reveal()))
        .header("host", "other.app.example")
        .body(Full::from(r#"{"userName": "bjensen"}"#))
        .unwrap();
    assert_eq!(world.send(create).await.status(), 201);
    for (token, users) in [(&acme.token, 1), (&other.token, 0)] {
        let list = world.get("/scim/v2/Users", token.reveal()).await.json();
        assert_eq!(list["totalResults"], users);
    }
}
