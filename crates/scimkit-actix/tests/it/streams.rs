//! Bodies of requests and responses as streams, and clients that go away.

use std::{
    convert::Infallible,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::{Body, Frame};
use scimkit_actix::{LocalServer, RequestBody};
use scimkit_core::AuthenticationScheme;
use scimkit_server::{AuthError, Authenticate, BearerTokens, Identity, Server, Token};
use scimkit_store::{BoxFuture, MemoryStore, Settings};
use tower::{layer::layer_fn, service_fn};

use crate::{connections::head, server, start, start_app};

const PIECE: usize = 64 << 10;

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    let timeout = Some(Duration::from_secs(20));
    stream.set_read_timeout(timeout).unwrap();
    stream
}

/// The start of a response.
fn status(stream: &mut TcpStream) -> String {
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    String::from_utf8(status.to_vec()).unwrap()
}

#[test]
fn body_over_the_limits_of_actix_is_accepted() {
    let token = Token::generate().unwrap();
    let settings = Settings::new("https://app.example/scim/v2");
    let server = Server::new(Arc::new(MemoryStore::new()), settings)
        .with_authentication(BearerTokens::new([token.digest()]));
    let address = start_app(move |app| {
        app.service(scimkit_actix::scope("/scim/v2", server.clone()));
    });
    let body = format!("{{\"userName\":\"bjensen\"{}}}", " ".repeat(4 << 20));
    let more = format!(
        "authorization: Bearer {}\r\ncontent-type: application/scim+json\r\n",
        token.reveal()
    );
    let mut stream = connect(address);
    let head = head("/scim/v2/Users", &more, body.len());
    stream.write_all(&head).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    assert_eq!(status(&mut stream), "HTTP/1.1 201");
}

#[test]
fn body_over_the_limit_is_rejected_before_it_ends() {
    let token = Token::generate().unwrap();
    let address = start(&token);
    let head = format!(
        "POST /scim/v2/Users HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\n\
         content-type: application/scim+json\r\ntransfer-encoding: chunked\r\n\r\n",
        token.reveal()
    );
    let mut stream = connect(address);
    stream.write_all(head.as_bytes()).unwrap();
    // One byte more than the limit, and no end.
    let chunk = format!("10001\r\n{}\r\n", " ".repeat(0x10001));
    stream.write_all(chunk.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 413"), "{response}");
    assert!(response.contains("connection: close\r\n"), "{response}");
    assert!(response.contains("application/scim+json"), "{response}");
}

#[test]
fn body_that_is_not_read_is_not_received() {
    let token = Token::generate().unwrap();
    let server = server(&token);
    let deaf = layer_fn(|_: LocalServer| {
        service_fn(async |_: Request<RequestBody>| {
            std::future::pending::<Result<Response<scimkit_server::Body>, Infallible>>().await
        })
    });
    let address = start_app(move |app| {
        let scope = scimkit_actix::scope_with_layer("/scim/v2", server.clone(), deaf);
        app.service(scope);
    });
    let mut stream = connect(address);
    let timeout = Some(Duration::from_secs(1));
    stream.set_write_timeout(timeout).unwrap();
    let length = 1 << 30;
    stream
        .write_all(&head("/scim/v2/Users", "", length))
        .unwrap();
    let mut sent = 0;
    while sent < length {
        match stream.write(&[b' '; PIECE]) {
            Ok(written) => sent += written,
            Err(error) => {
                let timed_out = [ErrorKind::TimedOut, ErrorKind::WouldBlock];
                assert!(timed_out.contains(&error.kind()), "{error}");
                break;
            }
        }
    }
    // What the operating system buffers.
    assert!(sent < 64 << 20, "{sent}");
}

/// A body without end that counts its pieces.
struct Endless(Arc<AtomicUsize>);

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b' '; PIECE])))))
    }
}

#[test]
fn body_of_a_response_is_produced_as_fast_as_the_client_reads() {
    let token = Token::generate().unwrap();
    let server = server(&token);
    let pieces = Arc::new(AtomicUsize::new(0));
    let produced = Arc::clone(&pieces);
    let endless = layer_fn(move |_: LocalServer| {
        let produced = Arc::clone(&produced);
        service_fn(move |_: Request<RequestBody>| {
            let response = Response::new(Endless(Arc::clone(&produced)));
            std::future::ready(Ok::<_, Infallible>(response))
        })
    });
    let address = start_app(move |app| {
        let scope = scimkit_actix::scope_with_layer("/scim/v2", server.clone(), endless.clone());
        app.service(scope);
    });
    let mut stream = connect(address);
    stream.write_all(&head("/scim/v2/Users", "", 0)).unwrap();
    assert_eq!(status(&mut stream), "HTTP/1.1 200");
    let settled = || {
        let mut before = 0;
        let started = Instant::now();
        loop {
            let now = pieces.load(Ordering::Relaxed);
            if now == before && now > 0 {
                return now;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "{now}");
            before = now;
            thread::sleep(Duration::from_millis(500));
        }
    };
    let unread = settled();
    assert!(unread * PIECE < 64 << 20, "{unread}");
    stream.read_exact(&mut vec![0; 32 << 20]).unwrap();
    assert!(settled() > unread);
}

/// An authenticator that never finishes, and counts the requests that wait for it.
#[derive(Debug, Clone, Default)]
struct Stuck(Arc<AtomicUsize>);

struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Authenticate for Stuck {
    fn authenticate<'a>(&'a self, _: &'a Parts) -> BoxFuture<'a, Result<Identity, AuthError>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        let waiting = Waiting(Arc::clone(&self.0));
        Box::pin(async move {
            let _waiting = waiting;
            std::future::pending().await
        })
    }

    fn schemes(&self) -> Vec<AuthenticationScheme> {
        Vec::new()
    }
}

#[test]
fn request_of_a_client_that_disconnects_is_dropped() {
    let stuck = Stuck::default();
    let server = server(&Token::generate().unwrap()).with_authentication(stuck.clone());
    let address = start_app(move |app| {
        app.service(scimkit_actix::scope("/scim/v2", server.clone()));
    });
    let wait_for = |expected| {
        let started = Instant::now();
        while stuck.0.load(Ordering::SeqCst) != expected {
            assert!(started.elapsed() < Duration::from_secs(20));
            thread::sleep(Duration::from_millis(10));
        }
    };
    let mut gone = connect(address);
    gone.write_all(&head("/scim/v2/Users", "", 0)).unwrap();
    let mut unfinished = connect(address);
    unfinished
        .write_all(&head("/scim/v2/Users", "", 1_000))
        .unwrap();
    wait_for(2);
    drop(gone);
    wait_for(1);
    drop(unfinished);
    wait_for(0);
}
