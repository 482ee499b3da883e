//! The process that starts a server, and stops it when its own standard input ends.

use std::{
    io::{self, Read as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use super::PostgresError;

/// Prints `ready`, or else the log. Standard input ends when the process that started this one closes it or dies, however it
/// dies. Then the server has nothing that is worth a checkpoint.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
cd "$1"
options="-c listen_addresses='' -c unix_socket_directories='$1' -c max_connections=300"
options="$options -c fsync=off -c full_page_writes=off -c synchronous_commit=off"
{
    "$2/initdb" --pgdata=data --username=scimkit --auth=trust --encoding=UTF8 --locale=C --no-sync &&
    "$2/pg_ctl" --pgdata=data --log=log --silent --wait --timeout=60 --options="$options" start
} </dev/null >>log 2>&1 && echo ready || cat log
exec >/dev/null 2>&1
cat
"$2/pg_ctl" --pgdata=data --mode=immediate --wait --timeout=60 stop
cd / && rm -rf "$1"
"#;

/// The supervisor of a server.
#[derive(Debug)]
pub(super) struct Supervisor {
    process: Child,
}

impl Supervisor {
    /// Starts a server in an empty folder, as a user with this number and group.
    pub(super) fn start(
        programs: &Path,
        folder: &Path,
        user: Option<(u32, u32)>,
    ) -> Result<Self, PostgresError> {
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(SCRIPT)
            .arg("postgres")
            .args([folder, programs]);
        command
            .env("HOME", folder)
            .env_remove("PGDATA")
            .env_remove("PGPORT");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        // Not interrupted together with the tests by Ctrl-C.
        command.process_group(0);
        if let Some((user, group)) = user {
            command.uid(user).gid(group);
        }
        let process = command.spawn().map_err(|error| failed(&error))?;
        let mut supervisor = Supervisor { process };
        let mut said = String::new();
        if let Some(mut output) = supervisor.process.stdout.take() {
            output
                .read_to_string(&mut said)
                .map_err(|error| failed(&error))?;
        }
        if said == "ready\n" {
            Ok(supervisor)
        } else {
            Err(PostgresError(format!("PostgreSQL does not start:\n{said}")))
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // It ends by itself.
        drop(self.process.wait());
    }
}

fn failed(error: &io::Error) -> PostgresError {
    PostgresError(format!("PostgreSQL does not start: {error}"))
}
