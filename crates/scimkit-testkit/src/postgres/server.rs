//! A throwaway server from installed binaries.

use std::{
    env, fs,
    os::unix::fs::{MetadataExt as _, chown},
    path::{Path, PathBuf},
};

use super::{PostgresError, supervisor::Supervisor};

/// The programs that a server needs.
const PROGRAMS: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// The folders of versions that are not on the `PATH`; each version has a folder, in which there is `bin`.
const VERSIONS: [&str; 4] = [
    "/usr/lib/postgresql",
    "/usr/local/lib/postgresql",
    "/opt/homebrew/opt",
    "/usr",
];

/// A throwaway PostgreSQL server. It loses its data if the machine fails, so it is fast, and no other machine can reach it.
///
/// - The programs are those on the `PATH`, or else of the highest version in the usual folders.
/// - It listens on a socket in its own folder, so it needs no port.
/// - Started by root, it runs as the user `postgres` or, without one, `nobody`.
/// - A supervisor stops it and removes its folder when this value is dropped, and also when the process ends or is killed:
///   it waits for the end of a pipe that the process holds.
///
/// # Example
/// ```
/// use scimkit_testkit::postgres::{TestServer, execute};
///
/// if let Ok(server) = TestServer::start() {
///     let rows = execute(server.url(), "SELECT 1 + 1")?;
///     assert_eq!(rows, [[Some("2".to_owned())]]);
/// }
/// # Ok::<(), scimkit_testkit::postgres::PostgresError>(())
/// ```
#[derive(Debug)]
pub struct TestServer {
    folder: PathBuf,
    _supervisor: Supervisor,
    url: String,
}

impl TestServer {
    /// Starts a server.
    ///
    /// # Errors
    /// PostgreSQL is not installed, or does not start.
    pub fn start() -> Result<Self, PostgresError> {
        let programs = programs().ok_or_else(|| {
            let names = PROGRAMS.join("`, `");
            PostgresError(format!("`{names}` are not installed"))
        })?;
        let failed = |error: std::io::Error| PostgresError(error.to_string());
        let folder = tempfile::Builder::new()
            .prefix("scimkit-postgres-")
            .tempdir();
        let folder = folder.map_err(failed)?;
        let user = match fs::metadata(folder.path()).map_err(failed)?.uid() {
            0 => Some(other_user()?),
            _ => None,
        };
        if let Some((user, group)) = user {
            chown(folder.path(), Some(user), Some(group)).map_err(failed)?;
        }
        // From here on the supervisor removes it.
        let folder = folder.keep();
        let supervisor = Supervisor::start(&programs, &folder, user)?;
        let socket = folder.display();
        Ok(TestServer {
            url: format!("postgresql:///postgres?host={socket}&user=scimkit"),
            folder,
            _supervisor: supervisor,
        })
    }

    /// Returns the URL of the database `postgres`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the folder of the server's data, log and socket.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// The folder with all programs.
fn programs() -> Option<PathBuf> {
    let has_all = |folder: &PathBuf| PROGRAMS.iter().all(|name| folder.join(name).is_file());
    let path = env::var_os("PATH").unwrap_or_default();
    // A name on the `PATH` may be a link into the folder of a version.
    let initdb =
        env::split_paths(&path).filter_map(|folder| folder.join("initdb").canonicalize().ok());
    let mut on_path = initdb.filter_map(|program| Some(program.parent()?.to_owned()));
    let version = |folder: &PathBuf| {
        let name = folder.file_name()?.to_str()?;
        name.rsplit(['@', '-']).next()?.parse::<u32>().ok()
    };
    let versions = VERSIONS
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok());
    let folders = versions
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()));
    let mut numbered: Vec<_> = folders
        .filter_map(|folder| Some((version(&folder)?, folder)))
        .collect();
    numbered.sort_unstable();
    let mut installed = numbered
        .into_iter()
        .rev()
        .map(|(_, folder)| folder.join("bin"));
    on_path.find(has_all).or_else(|| installed.find(has_all))
}

/// The user and group as which root runs the server, which PostgreSQL refuses to run as root.
fn other_user() -> Result<(u32, u32), PostgresError> {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let ids = |name: &str| {
        let mut users = users
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>());
        let user = users.find(|user| user.first() == Some(&name))?;
        Some((user.get(2)?.parse().ok()?, user.get(3)?.parse().ok()?))
    };
    let missing = || PostgresError("there is no user `postgres` or `nobody`".to_owned());
    ids("postgres")
        .or_else(|| ids("nobody"))
        .ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader},
        process::{Command, Stdio},
        thread,
        time::Duration,
    };

    use super::*;
    use crate::postgres::{database, execute};

    /// Whether this process is the one that is killed by the test below.
    const HELD: &str = "SCIMKIT_TESTKIT_HOLDS_SERVER";

    fn is_gone(folder: &Path) -> bool {
        (0..300).any(|_| {
            thread::sleep(Duration::from_millis(50));
            !folder.exists()
        })
    }

    #[test]
    fn dropped_server_is_gone() {
        if database().is_none() {
            return;
        }
        let server = TestServer::start().unwrap();
        let version = execute(server.url(), "SHOW listen_addresses").unwrap();
        assert_eq!(version, [[Some(String::new())]]);
        let folder = server.folder().to_owned();
        assert!(folder.exists());
        drop(server);
        assert!(!folder.exists());
    }

    #[test]
    fn server_of_a_killed_process_is_gone() {
        if env::var_os(HELD).is_some() {
            let server = TestServer::start().unwrap();
            println!("folder {}", server.folder().display());
            loop {
                thread::park();
            }
        }
        if database().is_none() {
            return;
        }
        let name = "postgres::server::tests::server_of_a_killed_process_is_gone";
        let mut process = Command::new(env::current_exe().unwrap());
        process
            .args([name, "--exact", "--nocapture"])
            .env(HELD, "1");
        let mut process = process.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let folder = lines.map(Result::unwrap).find_map(|line| {
            let (_, folder) = line.split_once("folder ")?;
            Some(PathBuf::from(folder))
        });
        let folder = folder.unwrap();
        assert!(folder.join("data").exists());
        process.kill().unwrap();
        process.wait().unwrap();
        assert!(is_gone(&folder), "{}", folder.display());
    }
}
