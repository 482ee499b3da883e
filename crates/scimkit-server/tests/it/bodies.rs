//! Request bodies: how much of them is read, and when none of it.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use scimkit_server::Server;
use scimkit_store::Settings;

use crate::web::{Answer, get, send, server, with_settings};

/// A body that comes in chunks, without saying how many; polling it beyond the last one is an error
/// of the test.
#[derive(Debug, Default)]
struct Chunks(VecDeque<Option<&'static [u8]>>);

impl Chunks {
    /// These chunks and no end: a server that wants more than these reads too much.
    fn endless(chunks: &[&'static [u8]]) -> Self {
        Chunks(chunks.iter().copied().map(Some).collect())
    }

    /// These chunks, and that was all.
    fn whole(chunks: &[&'static [u8]]) -> Self {
        let mut body = Chunks::endless(chunks);
        body.0.push_back(None);
        body
    }
}

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        // Nothing beyond the last one may be asked for.
        let next = self.0.pop_front().unwrap();
        let frame = next.map(|chunk| match chunk {
            b"broken" => Err(std::io::Error::other("the connection broke")),
            data => Ok(Frame::data(Bytes::from_static(data))),
        });
        Poll::Ready(frame)
    }
}

async fn post(server: &Server, path: &str, headers: &[(&str, &str)], body: Chunks) -> Answer {
    let mut builder = Request::post(path);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    send(server, builder.body(body).unwrap()).await
}

/// With the token of [`crate::web::TOKEN`].
const AUTHORIZED: (&str, &str) = ("authorization", "Bearer a-token-for-tests");

/// A server whose bodies may have 20 bytes.
fn narrow() -> Server {
    let mut settings = Settings::new("https://app.example");
    settings.limits.body = 20;
    with_settings(settings)
}

#[tokio::test]
async fn nothing_is_read_of_a_body_whose_head_is_refused() {
    let server = narrow();
    let nothing = Chunks::default;
    post(&server, "/Users", &[], nothing()).await.is_error(401);
    post(&server, "/nowhere", &[AUTHORIZED], nothing())
        .await
        .is_error(404);
    post(&server, "/Schemas", &[AUTHORIZED], nothing())
        .await
        .is_error(405);
    post(&server, "/Me", &[AUTHORIZED], nothing())
        .await
        .is_error(501);
    let text = [AUTHORIZED, ("content-type", "text/plain")];
    post(&server, "/Users", &text, nothing())
        .await
        .is_error(415);
    let long = [AUTHORIZED, ("content-length", "21")];
    post(&server, "/Users", &long, nothing())
        .await
        .is_error(413);
}

#[tokio::test]
async fn reading_ends_as_soon_as_a_body_is_too_long() {
    let server = narrow();
    let ten: &[u8] = b"          ";
    post(
        &server,
        "/Users",
        &[AUTHORIZED],
        Chunks::endless(&[ten, ten, b" "]),
    )
    .await
    .is_error(413);
    post(
        &server,
        "/Users",
        &[AUTHORIZED],
        Chunks::endless(&[&[b' '; 21]]),
    )
    .await
    .is_error(413);
    // A length that is a lie does not help.
    let short = [AUTHORIZED, ("content-length", "1")];
    post(&server, "/Users", &short, Chunks::endless(&[ten, ten, ten]))
        .await
        .is_error(413);
    let absurd = [AUTHORIZED, ("content-length", "99999999999999999999999")];
    post(
        &server,
        "/Users",
        &absurd,
        Chunks::endless(&[ten, ten, ten]),
    )
    .await
    .is_error(413);

    let fits: &[&[u8]] = &[b"{\"userName\":", b"", b"\"bjens\"}"];
    assert_eq!(fits.concat().len(), 20);
    let answer = post(&server, "/Users", &[AUTHORIZED], Chunks::whole(fits)).await;
    assert_eq!(answer.status, 201);
}

#[tokio::test]
async fn a_search_has_a_limit_of_its_own() {
    let long = [AUTHORIZED, ("content-length", "65537")];
    for path in ["/.search", "/Users/.search"] {
        post(&server(), path, &long, Chunks::default())
            .await
            .is_error(413);
    }
    let blank: &[u8] = &[b' '; 65_537];
    let answer = post(&server(), "/Users", &[AUTHORIZED], Chunks::whole(&[blank])).await;
    answer.is_error(400);
}

#[tokio::test]
async fn a_bulk_request_has_a_limit_of_its_own() {
    let mut settings = Settings::new("https://app.example");
    settings.limits.bulk_body = 30;
    let server = with_settings(settings);
    let long = [AUTHORIZED, ("content-length", "31")];
    post(&server, "/Bulk", &long, Chunks::default())
        .await
        .is_error(413);
    let ten: &[u8] = b"          ";
    let chunks = Chunks::endless(&[ten, ten, ten, b" "]);
    post(&server, "/Bulk", &[AUTHORIZED], chunks)
        .await
        .is_error(413);
    let fits: &[&[u8]] = &[b"{\"Operations\":[]}"];
    let answer = post(&server, "/Bulk", &[AUTHORIZED], Chunks::whole(fits)).await;
    assert_eq!(answer.status, 200);

    let mut settings = Settings::new("https://app.example");
    settings.limits.bulk_operations = 0;
    post(
        &with_settings(settings),
        "/Bulk",
        &[AUTHORIZED],
        Chunks::default(),
    )
    .await
    .is_error(501);
}

#[tokio::test]
async fn a_body_that_breaks_off_changes_nothing() {
    let server = server();
    let parts: &[&[u8]] = &[b"{\"userName\":\"bjensen\"}", b"broken"];
    post(&server, "/Users", &[AUTHORIZED], Chunks::endless(parts))
        .await
        .is_error(400);
    let list = get(&server, "/Users", &[]).await;
    assert_eq!(list.json()["totalResults"], 0);
}

#[tokio::test]
async fn a_body_that_is_not_utf_8_is_not_json() {
    let parts: &[&[u8]] = &[b"{\"userName\":\"\xff\"}"];
    let answer = post(&server(), "/Users", &[AUTHORIZED], Chunks::whole(parts)).await;
    answer.is_error(400);
    assert_eq!(answer.json()["scimType"], "invalidSyntax");
}
