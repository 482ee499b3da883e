//! Connections that carry several requests, with a plain client.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use scimkit_server::Token;

use crate::start;

/// Serves on a port of the loopback interface, for as long as the process lives.
pub(crate) fn serve<F>(server: impl FnOnce(TcpListener) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = std::io::Result<()>>,
{
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    thread::spawn(move || runtime.block_on(server(listener)).unwrap());
    address
}

/// A client that keeps its connection as long as the server does not say that it is closed.
pub(crate) struct Client {
    address: SocketAddr,
    pub(crate) connection: Option<BufReader<TcpStream>>,
    opened: usize,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Client {
            address,
            connection: None,
            opened: 0,
        }
    }

    /// Sends the parts of a request one after the other, and returns the status.
    pub(crate) fn send(&mut self, parts: &[&[u8]]) -> std::io::Result<u16> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                self.opened += 1;
                let stream = TcpStream::connect(self.address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(Duration::from_secs(20)))?;
                BufReader::new(stream)
            }
        };
        for part in parts {
            connection.get_mut().write_all(part)?;
        }
        let (mut status, mut length, mut closes) = (None, 0, false);
        loop {
            let mut line = String::new();
            if connection.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest.split(' ').next().and_then(|code| code.parse().ok());
            } else if let Some(rest) = line.strip_prefix("content-length: ") {
                length = rest.parse().unwrap();
            } else if line == "connection: close" {
                closes = true;
            } else if line.is_empty() {
                break;
            }
        }
        connection.read_exact(&mut vec![0; length])?;
        if !closes {
            self.connection = Some(connection);
        }
        Ok(status.unwrap())
    }
}

/// The head of a POST with a body of that length.
pub(crate) fn head(path: &str, more: &str, length: usize) -> Vec<u8> {
    let start = format!("POST {path} HTTP/1.1\r\nhost: scim.test\r\n");
    format!("{start}content-length: {length}\r\n{more}\r\n").into_bytes()
}

#[test]
fn connection_survives_answers_before_a_small_body() {
    let token = Token::generate().unwrap();
    let mut client = Client::new(start(&token));
    let bearer = format!("authorization: Bearer {}\r\n", token.reveal());
    let text = bearer.clone() + "content-type: text/plain\r\n";
    let body = vec![b' '; 20_000];
    let (first, second) = body.split_at(10_000);
    for _ in 0..25 {
        for (path, more, status) in [
            ("/scim/v2/Users", "", 401),
            ("/scim/v2/Nowhere", bearer.as_str(), 404),
            ("/scim/v2/Users/1", &bearer, 405),
            ("/scim/v2/Users", &text, 415),
        ] {
            let head = head(path, more, body.len());
            let sent = client.send(&[&head, first, second]);
            assert_eq!(sent.unwrap(), status, "{path}");
        }
    }
    assert_eq!(client.opened, 1);
}

#[test]
fn chunked_body_is_drained() {
    let token = Token::generate().unwrap();
    let mut client = Client::new(start(&token));
    let head = b"POST /scim/v2/Users HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    for _ in 0..100 {
        let sent = client.send(&[head, b"2\r\n{}\r\n", b"0\r\n\r\n"]);
        assert_eq!(sent.unwrap(), 401);
    }
    assert_eq!(client.opened, 1);
}

#[test]
fn unread_large_body_closes_the_connection() {
    let token = Token::generate().unwrap();
    let mut client = Client::new(start(&token));
    for round in 1..=10 {
        let head = head("/scim/v2/Users", "", 1 << 20);
        assert_eq!(client.send(&[&head]).unwrap(), 401);
        assert_eq!(client.opened, round, "the connection was kept");
    }
}

#[test]
fn body_that_stops_coming_closes_the_connection() {
    let token = Token::generate().unwrap();
    let mut client = Client::new(start(&token));
    let head = head("/scim/v2/Users", "", 1_000);
    assert_eq!(client.send(&[&head, b"{"]).unwrap(), 401);
    assert!(client.connection.is_none());
}
