//! The server's service and body types fit a second framework: a mount in actix-web.

use std::sync::Arc;

use actix_web::{App, HttpRequest, HttpResponse, body::BodyStream, test, web};
use bytes::Bytes;
use http_body_util::{BodyDataStream, Full};
use scimkit_server::{BearerTokens, Server, Token};
use scimkit_store::{MemoryStore, Settings};
use serde_json::Value;

/// The mount: actix speaks another version of the `http` crate, so that names and values are carried over.
async fn scim(server: web::Data<Server>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let mut copy = http::Request::new(Full::new(body));
    *copy.method_mut() = request.method().as_str().parse().unwrap();
    *copy.uri_mut() = request.uri().to_string().parse().unwrap();
    for (name, value) in request.headers() {
        let name: http::HeaderName = name.as_str().parse().unwrap();
        let value = http::HeaderValue::from_bytes(value.as_bytes()).unwrap();
        copy.headers_mut().append(name, value);
    }
    let (head, body) = server.handle(copy).await.into_parts();
    let status = actix_web::http::StatusCode::from_u16(head.status.as_u16()).unwrap();
    let mut response = HttpResponse::build(status);
    for (name, value) in &head.headers {
        response.append_header((name.as_str(), value.as_bytes()));
    }
    response.body(BodyStream::new(BodyDataStream::new(body)))
}

#[actix_web::test]
async fn a_user_is_created_and_found_through_actix() {
    let token = Token::generate().unwrap();
    let server = Server::new(
        Arc::new(MemoryStore::new()),
        Settings::new("https://app.example/scim/v2"),
    )
    .with_authentication(BearerTokens::new([token.digest()]))
    .with_prefix("/scim/v2");
    let mount = web::resource("/scim/v2/{rest:.*}").to(scim);
    let app = test::init_service(App::new().app_data(web::Data::new(server)).service(mount)).await;
    let bearer = ("Authorization", format!("Bearer {}", token.reveal()));

    let create = test::TestRequest::post()
        .uri("/scim/v2/Users")
        .insert_header(bearer.clone());
    let create = create.insert_header(("Content-Type", "application/scim+json"));
    let create = create.set_payload(r#"{"userName":"bjensen"}"#).to_request();
    assert_eq!(test::call_service(&app, create).await.status(), 201);

    let find = test::TestRequest::get().uri("/scim/v2/Users?filter=userName+eq+%22BJensen%22");
    let found: Value =
        test::call_and_read_body_json(&app, find.insert_header(bearer).to_request()).await;
    assert_eq!(found["totalResults"], 1);
    assert_eq!(found["Resources"][0]["userName"], "bjensen");

    let nobody = test::TestRequest::get().uri("/scim/v2/Users").to_request();
    assert_eq!(test::call_service(&app, nobody).await.status(), 401);
}
