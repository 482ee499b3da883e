//! The same requests to the server in actix-web, in axum and on plain hyper.

use std::{
    convert::Infallible,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use axum::routing::get;
use http::{Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use scimkit_server::Token;

use crate::{connections::serve, server, start};

fn start_axum(token: &Token) -> SocketAddr {
    let server = server(token);
    let app = axum::Router::new()
        .route("/", get(async || "app"))
        .merge(scimkit_axum::health(server.clone()))
        .merge(scimkit_axum::router("/scim/v2", server));
    serve(async |listener| {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        axum::serve(listener, app).await
    })
}

fn start_hyper(token: &Token) -> SocketAddr {
    let server = server(token).with_prefix("/scim/v2");
    serve(async move |listener| {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            let server = server.clone();
            let service = service_fn(move |request: hyper::Request<Incoming>| {
                let server = server.clone();
                async move {
                    let rest = request.uri().path().strip_prefix("/scim/v2");
                    if rest.is_none_or(|rest| !rest.is_empty() && !rest.starts_with('/')) {
                        let mut response =
                            Response::new(Either::Right(Full::<bytes::Bytes>::default()));
                        *response.status_mut() = StatusCode::NOT_FOUND;
                        return Ok::<_, Infallible>(response);
                    }
                    Ok(server.handle(request).await.map(Either::Left))
                }
            });
            let stream = TokioIo::new(stream);
            tokio::spawn(http1::Builder::new().serve_connection(stream, service));
        }
    })
}

/// Sends a request, which asks to close the connection, and returns the status line, the sorted headers and the body.
fn send(address: SocketAddr, request: &[u8]) -> (String, Vec<String>, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().to_owned();
    let varies = |line: &&str| !line.starts_with("date: ") && !line.starts_with("x-request-id: ");
    let mut headers: Vec<_> = lines.filter(varies).map(str::to_owned).collect();
    headers.sort();
    (status, headers, body.to_owned())
}

#[test]
fn actix_axum_and_hyper_send_the_same_responses() {
    let token = Token::generate().unwrap();
    let actix = start(&token);
    let others = [("axum", start_axum(&token)), ("hyper", start_hyper(&token))];
    let bearer = format!("authorization: Bearer {}\r\n", token.reveal());
    let json = format!("{bearer}content-type: application/scim+json\r\n");
    let large = format!("{json}content-length: 10000000\r\n");
    let chunked = format!("{json}transfer-encoding: chunked\r\n");
    let whole = |body: &str| format!("{json}content-length: {}\r\n\r\n{body}", body.len());
    let too_many = format!("{chunked}\r\n11000\r\n{}\r\n0\r\n\r\n", " ".repeat(0x11000));
    let text = format!("{bearer}content-type: text/plain\r\ncontent-length: 2\r\n\r\n{{}}");
    let end = |headers: &str| format!("{headers}\r\n");
    let cases = [
        ("GET /scim/v2", end(&bearer), 200),
        ("GET /scim/v2/", end(&bearer), 200),
        ("GET /scim/v2?count=1", end(&bearer), 200),
        ("GET /scim/v2/Users", end(""), 401),
        (
            "GET /scim/v2/Users",
            end("authorization: Basic YTpi\r\n"),
            401,
        ),
        ("GET /scim/v2/Users/", end(&bearer), 200),
        ("GET /scim/v2//Users", end(&bearer), 200),
        ("GET //scim/v2/Users", end(&bearer), 404),
        ("GET /scim/v2x", end(&bearer), 404),
        ("GET /scim", end(&bearer), 404),
        ("GET /scim/v2/%55sers", end(&bearer), 200),
        ("GET /scim/v2/Users/a%2Fb", end(&bearer), 404),
        ("GET /scim/v2/Users/a%0Ab", end(&bearer), 404),
        ("GET /scim/v2/Users/%3Fa=1", end(&bearer), 404),
        ("GET /scim/v2/Users/%zz", end(&bearer), 404),
        ("GET /scim/v2/Users/%C3%A9", end(&bearer), 404),
        ("GET /scim/v2/Users/../Users", end(&bearer), 404),
        ("GET http://app.example/scim/v2/Users", end(&bearer), 200),
        (
            "GET /scim/v2/Users?filter=userName%20eq%20%22a%26b%22&count=0",
            end(&bearer),
            200,
        ),
        ("GET /scim/v2/Users?filter=userName%20xx", end(&bearer), 400),
        (
            "GET /scim/v2/Users",
            end(&format!("{bearer}accept: text/html\r\n")),
            406,
        ),
        ("GET /scim/v2/ServiceProviderConfig", end(&bearer), 200),
        (
            "GET /scim/v2/Users",
            format!("{bearer}content-length: 2\r\n\r\n{{}}"),
            200,
        ),
        ("HEAD /scim/v2/Users", end(&bearer), 200),
        ("HEAD /scim/v2/Users/1", end(&bearer), 404),
        ("HEAD /scim/v2/Schemas", end(&bearer), 200),
        ("OPTIONS /scim/v2/Users", end(&bearer), 204),
        ("OPTIONS /scim/v2/Nowhere", end(&bearer), 404),
        ("OPTIONS /scim/v2/Users", end(""), 401),
        ("BREW /scim/v2/Users", end(&bearer), 405),
        ("TRACE /scim/v2/Users", end(&bearer), 405),
        ("PUT /scim/v2/Users", whole("{}"), 405),
        ("DELETE /scim/v2/Users/1", end(&bearer), 404),
        ("POST /scim/v2/Users", end(&bearer), 400),
        ("POST /scim/v2/Users", text, 415),
        ("POST /scim/v2/Users", whole("{"), 400),
        ("POST /scim/v2/Users", whole(""), 400),
        ("POST /scim/v2/Users", whole("{\"userName\":1}"), 400),
        (
            "POST /scim/v2/Users",
            format!("{chunked}\r\n1\r\n{{\r\n0\r\n\r\n"),
            400,
        ),
        ("POST /scim/v2/Users", end(&large), 413),
        ("POST /scim/v2/Users", too_many, 413),
        ("GET /", end(""), 200),
        ("GET /healthz", end(""), 200),
        ("HEAD /healthz", end(""), 200),
        ("GET /readyz", end(""), 200),
    ];
    let mut problems = Vec::new();
    for (target, rest, status) in cases {
        let request =
            format!("{target} HTTP/1.1\r\nhost: app.example\r\nconnection: close\r\n{rest}");
        let expected = send(actix, request.as_bytes());
        let start: String = request.chars().take(200).collect();
        if !expected.0.contains(&status.to_string()) {
            problems.push(format!("actix: {start}\n{expected:?}"));
        }
        let is_scim = target.contains("/scim/v2");
        for (other, address) in others {
            if !is_scim && other == "hyper" {
                continue;
            }
            let response = send(address, request.as_bytes());
            if response != expected {
                problems.push(format!("{other}: {start}\n{response:?}\n{expected:?}"));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}
