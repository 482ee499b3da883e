//! Request bodies: how much of them is read, and when none of it.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Version};
use http_body::{Frame, SizeHint};
use scimkit_server::Server;
use scimkit_store::Settings;

use crate::web::{Answer, get, request, send, server, with_settings};

/// A body that comes in chunks, without saying how many; polling it beyond the last one is an error
/// of the test.
#[derive(Debug, Default)]
struct Chunks {
    announced: Option<u64>,
    chunks: VecDeque<Option<&'static [u8]>>,
    stalls: bool,
}

impl Chunks {
    /// These chunks and no end: a server that wants more than these reads too much.
    fn endless(chunks: &[&'static [u8]]) -> Self {
        Chunks {
            chunks: chunks.iter().copied().map(Some).collect(),
            ..Chunks::default()
        }
    }

    /// These chunks, and a client that sends nothing more.
    fn stalled(chunks: &[&'static [u8]]) -> Self {
        Chunks {
            stalls: true,
            ..Chunks::endless(chunks)
        }
    }

    /// With a length that the head announces.
    fn announcing(self, length: u64) -> Self {
        Chunks {
            announced: Some(length),
            ..self
        }
    }

    /// These chunks, and that was all.
    fn whole(chunks: &[&'static [u8]]) -> Self {
        let mut body = Chunks::endless(chunks);
        body.chunks.push_back(None);
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
        if self.stalls && self.chunks.is_empty() {
            return Poll::Pending;
        }
        // Nothing beyond the last one may be asked for.
        let next = self.chunks.pop_front().unwrap();
        let frame = next.map(|chunk| match chunk {
            b"broken" => Err(std::io::Error::other("the connection broke")),
            data => Ok(Frame::data(Bytes::from_static(data))),
        });
        Poll::Ready(frame)
    }

    fn size_hint(&self) -> SizeHint {
        self.announced
            .map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

async fn post(server: &Server, path: &str, headers: &[(&str, &str)], body: Chunks) -> Answer {
    let mut builder = Request::post(path);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    send(server, builder.body(body).unwrap()).await
}

/// A path, headers, and the status of the answer.
type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], u16);

/// With the token of [`crate::web::TOKEN`].
const AUTHORIZED: (&str, &str) = ("authorization", "Bearer a-token-for-tests");

/// A server whose bodies may have 20 bytes.
fn narrow() -> Server {
    let mut settings = Settings::new("https://app.example");
    settings.limits.body = 20;
    with_settings(settings)
}

#[tokio::test]
async fn long_body_is_not_read_after_a_rejected_head() {
    let server = narrow();
    let nothing = || Chunks::default().announcing(65_537);
    let text = [AUTHORIZED, ("content-type", "text/plain")];
    let long = [AUTHORIZED, ("content-length", "21")];
    let rows: [Row<'_>; 6] = [
        ("/Users", &[], 401),
        ("/nowhere", &[AUTHORIZED], 404),
        ("/Schemas", &[AUTHORIZED], 405),
        ("/Me", &[AUTHORIZED], 501),
        ("/Users", &text, 415),
        ("/Users", &long, 413),
    ];
    for (path, headers, status) in rows {
        let answer = post(&server, path, headers, nothing()).await;
        answer.is_error(status);
        assert_eq!(answer.header("connection"), "close", "{path}");
    }
}

#[tokio::test]
async fn short_body_is_drained_after_a_rejected_head() {
    let server = narrow();
    let text = [AUTHORIZED, ("content-type", "text/plain")];
    let rows: [Row<'_>; 5] = [
        ("/Users", &[], 401),
        ("/nowhere", &[AUTHORIZED], 404),
        ("/Schemas", &[AUTHORIZED], 405),
        ("/Me", &[AUTHORIZED], 501),
        ("/Users", &text, 415),
    ];
    for (path, headers, status) in rows {
        let answer = post(&server, path, headers, Chunks::whole(&[b"{", b"}"])).await;
        answer.is_error(status);
        assert_eq!(answer.header("connection"), "", "{path}");
    }
    // The body of a request that needs none, and of one that is answered with success.
    let mut search = request("GET", "/Users", &[], "").map(|_| Chunks::whole(&[b"{}"]));
    assert_eq!(send(&server, search).await.header("connection"), "");
    search = request("GET", "/Users", &[], "").map(|_| Chunks::default().announcing(65_537));
    let answer = send(&server, search).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("connection")),
        (200, "close")
    );
}

#[tokio::test]
async fn rejected_body_that_does_not_end_closes_the_connection() {
    const PART: &[u8] = &[b' '; 1 << 10];
    let server = server();
    let endless = Chunks::endless(&[PART; 65]);
    let answer = post(&server, "/Users", &[], endless).await;
    answer.is_error(401);
    assert_eq!(answer.header("connection"), "close");
    // Empty frames are counted, too.
    let empty = Chunks::endless(&[b"".as_slice(); 1_025]);
    let answer = post(&server, "/Users", &[], empty).await;
    assert_eq!(answer.header("connection"), "close");
    // A client that sends nothing is not waited for.
    let answer = post(&server, "/Users", &[], Chunks::stalled(&[b"{"])).await;
    assert_eq!(answer.header("connection"), "close");
    let answer = post(&server, "/Users", &[], Chunks::whole(&[b"{", b"broken"])).await;
    assert_eq!(answer.header("connection"), "close");
}

#[tokio::test]
async fn client_that_waits_for_100_is_not_asked_for_a_rejected_body() {
    let expects = [("expect", "100-continue")];
    let answer = post(&server(), "/Users", &expects, Chunks::default()).await;
    answer.is_error(401);
    assert_eq!(answer.header("connection"), "close");
}

#[tokio::test]
async fn connection_header_is_not_sent_in_http_2() {
    let server = server();
    for version in [Version::HTTP_2, Version::HTTP_3] {
        let mut request = Request::post("/Users")
            .body(Chunks::default().announcing(65_537))
            .unwrap();
        *request.version_mut() = version;
        let answer = send(&server, request).await;
        answer.is_error(401);
        assert_eq!(answer.header("connection"), "");
    }
}

#[tokio::test]
async fn reading_ends_as_soon_as_a_body_is_too_long() {
    let server = narrow();
    let ten: &[u8] = b"          ";
    let short = [AUTHORIZED, ("content-length", "1")];
    let absurd = [AUTHORIZED, ("content-length", "99999999999999999999999")];
    // A length that is a lie does not help.
    for headers in [&[AUTHORIZED][..], &short, &absurd] {
        for chunks in [&[ten, ten, b" "][..], &[&[b' '; 21]]] {
            let answer = post(&server, "/Users", headers, Chunks::stalled(chunks)).await;
            answer.is_error(413);
            assert_eq!(answer.header("connection"), "close");
            // Where that was all, the connection can be used again.
            let answer = post(&server, "/Users", headers, Chunks::whole(chunks)).await;
            answer.is_error(413);
            assert_eq!(answer.header("connection"), "");
        }
    }
    let fits: &[&[u8]] = &[b"{\"userName\":", b"", b"\"bjens\"}"];
    assert_eq!(fits.concat().len(), 20);
    let answer = post(&server, "/Users", &[AUTHORIZED], Chunks::whole(fits)).await;
    assert_eq!(answer.status, 201);
}

#[tokio::test]
async fn a_search_has_a_limit_of_its_own() {
    let long = [AUTHORIZED, ("content-length", "65537")];
    for path in ["/.search", "/Users/.search"] {
        post(&server(), path, &long, Chunks::default().announcing(65_537))
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
    let nothing = || Chunks::default().announcing(65_537);
    post(&server, "/Bulk", &long, nothing()).await.is_error(413);
    let ten: &[u8] = b"          ";
    let chunks = Chunks::whole(&[ten, ten, ten, b" "]);
    post(&server, "/Bulk", &[AUTHORIZED], chunks)
        .await
        .is_error(413);
    let fits: &[&[u8]] = &[b"{\"Operations\":[]}"];
    let answer = post(&server, "/Bulk", &[AUTHORIZED], Chunks::whole(fits)).await;
    assert_eq!(answer.status, 200);

    let mut settings = Settings::new("https://app.example");
    settings.limits.bulk_operations = 0;
    post(&with_settings(settings), "/Bulk", &[AUTHORIZED], nothing())
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
