//! The server CPU of each kind of request over HTTP, compared with a bare axum handler that reads the same request and
//! responds with the same bytes.
//!
//! ```text
//! cargo bench -p scimkit-benches --bench http [-- memory | sqlite] [USERS]
//! ```
//!
//! The measured server is a child process. Its user and system time is read before and after a run of requests over one
//! connection.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops at the first surprise"
)]

#[path = "shared/client.rs"]
mod client;

use std::{
    collections::HashMap,
    env, fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, response::IntoResponse};
use scimkit::{BearerTokens, MemoryStore, Server, Settings, SqliteStore, Store, Token};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use self::client::{Client, TOKEN, id, patch, request, user};

const ROUNDS: usize = 4_000;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|a| a != "--bench").collect();
    match arguments.first().map(String::as_str) {
        Some("serve") => serve(&arguments[1], &arguments[2]),
        Some("echo") => serve_bytes(&arguments[1]),
        other => {
            let users = arguments
                .get(1)
                .and_then(|n| n.parse().ok())
                .unwrap_or(10_000);
            compare(other.unwrap_or("sqlite"), users);
        }
    }
}

/// Runs the child process that is measured: scimkit with a store.
#[tokio::main(flavor = "current_thread")]
async fn serve(store: &str, folder: &str) {
    let store: Arc<dyn Store> = match store {
        "memory" => Arc::new(MemoryStore::new()),
        _ => Arc::new(SqliteStore::open(format!("{folder}/bench.sqlite")).unwrap()),
    };
    let token = Token::from_secret(TOKEN).unwrap();
    let server = Server::new(store, Settings::new("http://bench.example/scim/v2"))
        .with_authentication(BearerTokens::new([token.digest()]));
    let app = scimkit::axum::router("/scim/v2", server);
    listen(app).await;
}

/// Runs the baseline, which reads the request to its end and responds with given bytes.
#[tokio::main(flavor = "current_thread")]
async fn serve_bytes(file: &str) {
    let text = fs::read_to_string(file).unwrap();
    let answers: HashMap<String, (u16, String)> = serde_json::from_str(&text).unwrap();
    let app = Router::new().fallback(canned).with_state(Arc::new(answers));
    listen(app).await;
}

async fn canned(
    State(answers): State<Arc<HashMap<String, (u16, String)>>>,
    request: axum::extract::Request,
) -> impl IntoResponse {
    let name = request.headers()["x-case"].to_str().unwrap().to_owned();
    let body = axum::body::to_bytes(request.into_body(), usize::MAX)
        .await
        .unwrap();
    drop(body);
    let (status, answer) = &answers[&name];
    let media_type = [("content-type", "application/scim+json")];
    (
        StatusCode::from_u16(*status).unwrap(),
        media_type,
        Bytes::from(answer.clone()),
    )
}

async fn listen(app: Router) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    axum::serve(listener, app).await.unwrap();
}

fn compare(store: &str, users: usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let mut server = Peer::start(&["serve", store, path]);
    let ids = server.fill(users);
    let group = server.group(&ids[..users.min(10_000)]);
    let cases = cases(&ids, &group);

    let answers: HashMap<&str, (u16, String)> = cases
        .iter()
        .map(|case| (case.name, server.send(&case.request(0))))
        .collect();
    let canned = folder.path().join("answers.json");
    fs::write(&canned, serde_json::to_string(&answers).unwrap()).unwrap();
    let mut bare = Peer::start(&["echo", canned.to_str().unwrap()]);

    println!(
        "{store}, {users} users, a group of {}: server CPU per request",
        users.min(10_000)
    );
    println!(
        "{:<28} {:>7} {:>10} {:>10} {:>7}",
        "", "status", "scimkit", "bare axum", "ratio"
    );
    for case in &cases {
        let ours = server.cost(case);
        let floor = bare.cost(case);
        let status = answers[case.name].0;
        let ratio = ours / floor;
        println!(
            "{:<28} {status:>7} {ours:>7.0} µs {floor:>7.0} µs {ratio:>6.1}x",
            case.name
        );
    }
}

/// The method, path and body of a request.
type Sent = (&'static str, String, Option<Value>);

/// One kind of request, with as many variants as there are rounds.
struct Case {
    make: Box<dyn Fn(usize) -> Sent>,
    name: &'static str,
    /// The number by which the cost of a request is divided.
    operations: usize,
    rounds: usize,
}

impl Case {
    fn new(name: &'static str, make: impl Fn(usize) -> Sent + 'static) -> Self {
        Case {
            make: Box::new(make),
            name,
            operations: 1,
            rounds: ROUNDS,
        }
    }

    fn request(&self, round: usize) -> Vec<u8> {
        let (method, path, body) = (self.make)(round);
        request(self.name, method, &path, body.as_ref())
    }
}

fn cases(ids: &[String], group: &str) -> Vec<Case> {
    let every = {
        let ids = ids.to_vec();
        move |round: usize| ids[round * 7 % ids.len()].clone()
    };
    let one = every.clone();
    let two = every.clone();
    let three = every;
    let members = ids.to_vec();
    let users = ids.len();
    let group = group.to_owned();
    let mut list = Case::new("list of 100", |_| {
        ("GET", "/Users?startIndex=201&count=100".into(), None)
    });
    list.rounds = 1_000;
    let mut bulk = Case::new("one of 1,000 POST in bulk", |round| {
        let user = |n| user(2_000_000 + round * 1_000 + n);
        let create = |n: usize| json!({ "method": "POST", "path": "/Users", "bulkId": n.to_string(), "data": user(n) });
        let operations: Vec<_> = (0..1_000).map(create).collect();
        let body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": operations });
        ("POST", "/Bulk".into(), Some(body))
    });
    (bulk.operations, bulk.rounds) = (1_000, ROUNDS / 200);
    vec![
        Case::new("POST user", |round| {
            ("POST", "/Users".into(), Some(user(1_000_000 + round)))
        }),
        bulk,
        Case::new("GET by id", move |round| {
            ("GET", format!("/Users/{}", one(round)), None)
        }),
        Case::new("filter userName eq", move |round| {
            let at = round * 13 % users;
            (
                "GET",
                format!("/Users?filter=userName%20eq%20%22USER{at}@example.com%22"),
                None,
            )
        }),
        list,
        Case::new("PATCH active", move |round| {
            let operations = json!([{ "op": "replace", "path": "active", "value": false }]);
            (
                "PATCH",
                format!("/Users/{}", two(round)),
                Some(patch(&operations)),
            )
        }),
        Case::new("add one member, remove one", move |round| {
            // The first one was deleted when the responses were recorded.
            let id = &members[1 + round / 2 % (members.len() - 1)];
            let operation = match round % 2 {
                0 => json!({ "op": "remove", "path": format!("members[value eq \"{id}\"]") }),
                _ => json!({ "op": "add", "path": "members", "value": [{ "value": id }] }),
            };
            (
                "PATCH",
                format!("/Groups/{group}"),
                Some(patch(&json!([operation]))),
            )
        }),
        Case::new("DELETE user (a member)", move |round| {
            ("DELETE", format!("/Users/{}", three(round)), None)
        }),
    ]
}

/// A child process with a server, and a connection to it.
struct Peer {
    child: Child,
    client: Client,
}

impl Peer {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut address)
            .unwrap();
        let client = Client::connect(address.trim());
        Peer { child, client }
    }

    fn send(&mut self, request: &[u8]) -> (u16, String) {
        self.client.send(request)
    }

    fn fill(&mut self, users: usize) -> Vec<String> {
        let create = |number| request("fill", "POST", "/Users", Some(&user(number)));
        (0..users)
            .map(|number| id(&self.send(&create(number))))
            .collect()
    }

    fn group(&mut self, ids: &[String]) -> String {
        let members: Vec<_> = ids.iter().map(|id| json!({ "value": id })).collect();
        let body = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "displayName": "Everybody", "members": members });
        id(&self.send(&request(
            "fill",
            "POST",
            "/Groups?excludedAttributes=members",
            Some(&body),
        )))
    }

    /// Returns the child's CPU time for one request of the case, in microseconds.
    fn cost(&mut self, case: &Case) -> f64 {
        // The first variant was already sent to record its response.
        let requests: Vec<_> = (1..=case.rounds).map(|round| case.request(round)).collect();
        let before = self.cpu();
        for request in &requests {
            let (status, body) = self.send(request);
            assert!(status < 400, "{}: {status} {body}", case.name);
        }
        (self.cpu() - before) / (requests.len() * case.operations) as f64
    }

    /// Returns the user and system time of all threads so far, in microseconds.
    fn cpu(&self) -> f64 {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = text
            .rsplit_once(')')
            .unwrap()
            .1
            .split_whitespace()
            .collect();
        let ticks: f64 = fields[11..13]
            .iter()
            .map(|t| t.parse::<f64>().unwrap())
            .sum();
        // A tick is 10 ms on all common Linux systems.
        ticks * 10_000.0
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
