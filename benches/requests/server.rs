//! A server as a child process, with or without valgrind.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

use crate::client::{Client, TOKEN, id, request, user};

/// The number of users in every server, of which a page of 100 is listed.
pub(crate) const USERS: usize = 120;
/// The number of users in a full server that have a manager and are in five groups.
pub(crate) const FULL: usize = 100;

/// One of the servers in the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bare,
    Memory,
    Sqlite,
    /// The tables of an application, in SQLite.
    Tables,
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) client: Client,
    counts: PathBuf,
    // Held open, because the server writes to it as long as it runs.
    _output: BufReader<ChildStdout>,
}

impl Server {
    /// Starts a server with its files in that folder, under callgrind if its instructions are counted.
    pub(crate) fn start(kind: Kind, quickstart: &Path, folder: &Path, is_counted: bool) -> Self {
        let counts = folder.join("counts");
        let itself = env::current_exe().unwrap();
        let program = match kind {
            Kind::Bare | Kind::Tables => &itself,
            Kind::Memory | Kind::Sqlite => quickstart,
        };
        let mut command = if is_counted {
            let mut valgrind = Command::new("valgrind");
            valgrind.args(["--quiet", "--tool=callgrind"]);
            valgrind.arg(format!("--callgrind-out-file={}", counts.display()));
            valgrind.arg(program);
            valgrind
        } else {
            Command::new(program)
        };
        let file = format!("sqlite:{}", folder.join("users.sqlite").display());
        match kind {
            Kind::Bare => command.arg("bare"),
            Kind::Memory => command.args(["--store", "memory"]),
            Kind::Sqlite => command.args(["--store", &file]),
            Kind::Tables => command.args(["tables", file.trim_start_matches("sqlite:")]),
        };
        if matches!(kind, Kind::Memory | Kind::Sqlite) {
            command.args(["--listen", "127.0.0.1:0", "--token", TOKEN]);
        }
        let log = fs::File::create(folder.join("log")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let client = Client::connect(&address(&mut output));
        Server {
            child,
            client,
            counts,
            _output: output,
        }
    }

    /// Creates the users; in a full server with managers and groups, if the kind of server supports them.
    pub(crate) fn fill(&mut self, kind: Kind, is_full: bool) -> Vec<String> {
        let mut ids: Vec<String> = Vec::new();
        let groups: Vec<Value> = (0..5).map(membership).collect();
        for number in 0..USERS {
            let mut body = user(number);
            if is_full && number < FULL {
                let enterprise = &mut body[ENTERPRISE];
                let manager = ids.first().cloned().unwrap_or_else(|| "0".repeat(36));
                match kind {
                    Kind::Bare => {
                        enterprise["manager"] = json!({ "value": manager, "displayName": "Given Family 0",
                            "$ref": format!("http://127.0.0.1:8080/scim/v2/Users/{manager}") });
                        body["groups"] = groups.clone().into();
                    }
                    // The first user has no manager.
                    _ if number == 0 => {}
                    _ => enterprise["manager"] = json!({ "value": manager }),
                }
            }
            let created = request("fill", "POST", "/Users", Some(&body));
            ids.push(id(&self.client.send(&created)));
        }
        if is_full && kind != Kind::Bare {
            let members: Vec<_> = ids[..FULL]
                .iter()
                .map(|id| json!({ "value": id }))
                .collect();
            for number in 0..5 {
                let body = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
                    "displayName": format!("Group {number}"), "members": members });
                id(&self
                    .client
                    .send(&request("fill", "POST", "/Groups", Some(&body))));
            }
        }
        ids
    }

    /// Returns the resident memory in kilobytes.
    pub(crate) fn resident(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Stops the server and returns its total instructions.
    pub(crate) fn instructions(mut self) -> f64 {
        self.stop();
        let counts = fs::read_to_string(&self.counts).unwrap();
        let total = counts
            .lines()
            .find_map(|line| line.strip_prefix("totals: "));
        total.unwrap().trim().parse().unwrap()
    }

    fn stop(&mut self) {
        let process = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn membership(number: usize) -> Value {
    let id = format!("{number:036}");
    json!({ "value": id, "display": format!("Group {number}"), "type": "direct",
        "$ref": format!("http://127.0.0.1:8080/scim/v2/Groups/{id}") })
}

/// Returns the address in the first line that contains one.
fn address(output: &mut impl BufRead) -> String {
    loop {
        let mut line = String::new();
        assert!(output.read_line(&mut line).unwrap() > 0, "the server ended");
        if let Some((_, rest)) = line.split_once("http://") {
            return rest.split('/').next().unwrap().to_owned();
        }
    }
}
