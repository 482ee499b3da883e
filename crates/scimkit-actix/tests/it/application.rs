//! The server inside an application: its path, and what its authenticator receives.

use std::sync::{Arc, Mutex};

use actix_web::{
    App, HttpMessage,
    dev::{PeerAddr, Service},
    test::{TestRequest, call_service, init_service, read_body_json},
    web,
};
use http::request::Parts;
use scimkit_core::AuthenticationScheme;
use scimkit_server::{AuthError, Authenticate, Identity, Server, TenantInPath};
use scimkit_store::{BoxFuture, MemoryStore, Settings, TenantId};
use serde_json::Value;

/// What an authenticator found.
#[derive(Debug, Clone, Default, PartialEq)]
struct Seen {
    host: Option<String>,
    path: String,
    peer: Option<PeerAddr>,
    role: Option<&'static str>,
}

/// Lets everybody in, by the tenant in the path if there is one.
#[derive(Debug, Clone, Default)]
struct ByPath(Arc<Mutex<Seen>>);

impl Authenticate for ByPath {
    fn authenticate<'a>(&'a self, head: &'a Parts) -> BoxFuture<'a, Result<Identity, AuthError>> {
        *self.0.lock().unwrap() = Seen {
            host: head.uri.host().map(str::to_owned),
            path: head.uri.path().to_owned(),
            peer: head.extensions.get().copied(),
            role: head.extensions.get().copied(),
        };
        let tenant = head.extensions.get::<TenantInPath>();
        let tenant = tenant.map_or("none", |tenant| tenant.0.as_str());
        let identity = Identity::new(TenantId::from(tenant));
        Box::pin(async { Ok(identity) })
    }

    fn schemes(&self) -> Vec<AuthenticationScheme> {
        Vec::new()
    }
}

fn server(base_url: &str, seen: &ByPath) -> Server {
    Server::new(Arc::new(MemoryStore::new()), Settings::new(base_url))
        .with_authentication(seen.clone())
}

#[actix_web::test]
async fn path_is_that_of_the_base_url_and_locations_have_it() {
    let seen = ByPath::default();
    for path in ["/scim/v2", "scim/v2/"] {
        let server = server("https://app.example/scim/v2", &seen);
        let app = init_service(App::new().service(scimkit_actix::scope(path, server))).await;
        let create = TestRequest::post()
            .uri("/scim/v2/Users")
            .insert_header(("content-type", "application/scim+json"))
            .set_payload(r#"{"userName":"bjensen"}"#);
        let response = call_service(&app, create.to_request()).await;
        assert_eq!(response.status(), 201);
        let user: Value = read_body_json(response).await;
        let location = user["meta"]["location"].as_str().unwrap();
        let read = TestRequest::with_uri(location.strip_prefix("https://app.example").unwrap());
        let same: Value = read_body_json(call_service(&app, read.to_request()).await).await;
        assert_eq!(same, user);
    }
}

#[actix_web::test]
async fn segment_of_the_path_is_the_tenant() {
    let seen = ByPath::default();
    let path = "/t/{tenant}/scim/v2";
    let server = server(&format!("https://app.example{path}"), &seen);
    let app = App::new()
        .route("/t/{tenant}", web::get().to(async || "the tenant's page"))
        .service(scimkit_actix::scope(path, server));
    let app = init_service(app).await;
    let create = TestRequest::post()
        .uri("/t/acme/scim/v2/Users")
        .insert_header(("content-type", "application/scim+json"))
        .set_payload(r#"{"userName":"bjensen"}"#);
    assert_eq!(call_service(&app, create.to_request()).await.status(), 201);
    for (path, users) in [
        ("/t/acme/scim/v2/Users", 1),
        ("/t/%61cme/scim/v2/Users?count=1", 1),
        ("/t/acme/scim/v2", 1),
        ("/t/acme/scim/v2/", 1),
        ("/t/other/scim/v2/Users", 0),
        ("/t/a%2Fb/scim/v2/Users", 0),
    ] {
        let response = call_service(&app, TestRequest::with_uri(path).to_request()).await;
        assert_eq!(response.status(), 200, "{path}");
        let list: Value = read_body_json(response).await;
        assert_eq!(list["totalResults"], users, "{path}");
    }
    for (path, status) in [
        ("/t/acme/scim/v2/Nowhere", 404),
        ("/t/acme/scim/v2x", 404),
        ("/t/acme", 200),
        ("/t//scim/v2", 404),
    ] {
        let response = call_service(&app, TestRequest::with_uri(path).to_request()).await;
        assert_eq!(response.status(), status, "{path}");
    }
}

#[actix_web::test]
async fn scope_inside_of_other_scopes_does_not_see_their_paths() {
    let seen = ByPath::default();
    let server = server("https://app.example/api/x/scim/v2", &seen);
    let scim = scimkit_actix::scope("/scim/v2", server);
    let app = web::scope("/api").service(web::scope("/{name}").service(scim));
    let app = init_service(App::new().service(app)).await;
    for (uri, path, status) in [
        ("/api/x/scim/v2", "/scim/v2", 200),
        ("/api/x/scim/v2/", "/scim/v2/", 200),
        ("/api/x/scim/v2/Users?count=1", "/scim/v2/Users", 200),
        ("/api/%2F/scim/v2/Users/a%2Fb", "/scim/v2/Users/a%2Fb", 404),
        (
            "/api/%41%25/scim/v2/Users/%3F%25",
            "/scim/v2/Users/%3F%25",
            404,
        ),
        (
            "http://app.example/api/x/scim/v2/Users",
            "/scim/v2/Users",
            200,
        ),
    ] {
        let response = call_service(&app, TestRequest::with_uri(uri).to_request()).await;
        assert_eq!(response.status(), status, "{uri}");
        let seen = seen.0.lock().unwrap().clone();
        assert_eq!(seen.path, path, "{uri}");
        assert_eq!(seen.host.is_some(), uri.starts_with("http"), "{uri}");
    }
}

#[actix_web::test]
async fn scope_without_a_path_serves_the_root() {
    let seen = ByPath::default();
    let server = server("https://scim.example", &seen);
    let app = App::new().service(scimkit_actix::scope("/", server.clone()));
    let app = init_service(app).await;
    let inner = web::scope("/api").service(scimkit_actix::scope("", server));
    let nested = init_service(App::new().service(inner)).await;
    for (uri, is_nested) in [
        ("/", false),
        ("/Users", false),
        ("/api", true),
        ("/api/Users", true),
    ] {
        let request = TestRequest::with_uri(uri).to_request();
        let response = if is_nested {
            call_service(&nested, request).await
        } else {
            call_service(&app, request).await
        };
        assert_eq!(response.status(), 200, "{uri}");
    }
}

#[actix_web::test]
async fn authenticator_sees_the_peer_and_what_a_middleware_inserted() {
    let seen = ByPath::default();
    let server = server("https://app.example/scim/v2", &seen);
    let scim = scimkit_actix::scope("/scim/v2", server).wrap_fn(|request, next| {
        let mut extensions = http::Extensions::new();
        extensions.insert("admin");
        request.extensions_mut().insert(extensions);
        next.call(request)
    });
    let app = init_service(App::new().service(scim)).await;
    let peer = "192.0.2.1:443".parse().unwrap();
    let request = TestRequest::with_uri("/scim/v2/Users").peer_addr(peer);
    assert_eq!(call_service(&app, request.to_request()).await.status(), 200);
    let expected = Seen {
        host: None,
        path: "/scim/v2/Users".to_owned(),
        peer: Some(PeerAddr(peer)),
        role: Some("admin"),
    };
    assert_eq!(*seen.0.lock().unwrap(), expected);
}
