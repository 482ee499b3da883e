//! An HTTP client with negligible cost, and the users that it creates.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
};

use serde_json::{Value, json};

pub(crate) use self::user::user;

#[path = "user.rs"]
mod user;

pub(crate) const TOKEN: &str = "benchmark-token";

/// One connection to a server.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn connect(address: &str) -> Self {
        let connection = TcpStream::connect(address).unwrap();
        connection.set_nodelay(true).unwrap();
        Client(BufReader::new(connection))
    }

    /// Sends a request and returns the status and the body of its response.
    pub(crate) fn send(&mut self, request: &[u8]) -> (u16, String) {
        self.0.get_mut().write_all(request).unwrap();
        let (mut status, mut length, mut is_chunked) = (0, 0, false);
        loop {
            let line = self.line().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest.get(..3).unwrap().parse().unwrap();
            }
            if let Some(rest) = line.strip_prefix("content-length: ") {
                length = rest.parse().unwrap();
            }
            is_chunked |= line == "transfer-encoding: chunked";
        }
        let mut body = self.bytes(length);
        while is_chunked {
            let size = usize::from_str_radix(&self.line(), 16).unwrap();
            body.extend(self.bytes(size));
            self.line();
            is_chunked = size > 0;
        }
        (status, String::from_utf8(body).unwrap())
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }
}

/// Returns a request of one case, as bytes.
pub(crate) fn request(case: &str, method: &str, path: &str, body: Option<&Value>) -> Vec<u8> {
    let body = body.map(Value::to_string).unwrap_or_default();
    format!(
        "{method} /scim/v2{path} HTTP/1.1\r\nHost: bench.example\r\nX-Case: {case}\r\n\
         Authorization: Bearer {TOKEN}\r\nContent-Type: application/scim+json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Returns the body of a PATCH.
pub(crate) fn patch(operations: &Value) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations })
}

/// Returns the id in the response to a create.
pub(crate) fn id((status, body): &(u16, String)) -> String {
    assert_eq!(*status, 201, "{body}");
    let body: Value = serde_json::from_str(body).unwrap();
    body["id"].as_str().expect("an id").to_owned()
}
