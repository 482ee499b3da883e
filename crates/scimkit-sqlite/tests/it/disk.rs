//! A full disk, and a file that is moved away.

use std::{
    io::{self, Write},
    process::{Command, Stdio},
    sync::{Arc, Mutex, OnceLock},
};

use scimkit_sqlite::SqliteStore;
use scimkit_store::StoreError;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::{
    consistent::check_file,
    support::{create, delete, file, select, standard, wait},
};

const FILE: &str = "SCIMKIT_DISK_FILE";

/// The operating system limits the files of the child to one megabyte: every further write fails as on a failing disk.
#[cfg(unix)]
#[test]
fn failing_disk_makes_writes_unavailable_and_loses_none() {
    let (_directory, path) = file();
    let program = std::env::current_exe().unwrap();
    let limited = r#"ulimit -f 2048 && trap "" XFSZ && exec "$0" "$@""#;
    let child = Command::new("sh")
        .args(["-c", limited, program.to_str().unwrap()])
        .args([
            "--exact",
            "disk::child",
            "--nocapture",
            "--test-threads",
            "1",
        ])
        .env(FILE, &path)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(child.status.success());
    let text = String::from_utf8(child.stdout).unwrap();
    let done: Vec<_> = text
        .lines()
        .filter_map(|l| l.strip_prefix("ack "))
        .collect();
    let failed = text.lines().filter(|line| *line == "failed").count();
    assert!(
        done.len() > 10 && failed == 20,
        "{} and {failed}",
        done.len()
    );

    let store = SqliteStore::open(&path).unwrap();
    let context = standard();
    let mut kept = Vec::new();
    for name in &done {
        let filter = format!(r#"userName eq "{name}""#);
        kept.extend(select(&store, &context, "User", &filter).unwrap());
    }
    assert_eq!(kept, done);
    // The failed write was not stored.
    create(
        &store,
        &context,
        ("User", "last"),
        json!({"userName": "failed0"}),
    )
    .unwrap();
    drop(store);
    check_file(&path, &context);
}

#[test]
fn child() {
    let Ok(path) = std::env::var(FILE) else {
        return;
    };
    println!();
    let store = SqliteStore::open(path).unwrap();
    let context = standard();
    let body = |name: &str| json!({"userName": name, "title": "x".repeat(500)});
    for n in 0.. {
        let id = format!("u{n}");
        match create(&store, &context, ("User", &id), body(&id)) {
            Ok(_) => println!("ack {id}"),
            Err(StoreError::StorageFull(_) | StoreError::Unavailable(_)) => break,
            Err(other) => panic!("{other:?}"),
        }
    }
    for n in 0..20 {
        let id = format!("failed{n}");
        let failed = create(&store, &context, ("User", &id), body(&id)).unwrap_err();
        let is_temporary = matches!(
            failed,
            StoreError::StorageFull(_) | StoreError::Unavailable(_)
        );
        assert!(is_temporary, "{failed:?}");
        println!("failed");
        // Reads still work.
        let found = select(&store, &context, "User", r#"userName eq "u7""#).unwrap();
        assert_eq!(found, ["u7"]);
    }
}

/// All log messages of this process.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn shared() -> &'static Log {
        static LOG: OnceLock<Log> = OnceLock::new();
        LOG.get_or_init(|| {
            let log = Log::default();
            let subscriber = tracing_subscriber::fmt();
            subscriber.with_writer(log.clone()).init();
            log
        })
    }

    /// Returns the lines about a file.
    fn about(&self, path: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().filter(|line| line.contains(path));
        lines.map(str::to_owned).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Log;

    fn make_writer(&'w self) -> Log {
        self.clone()
    }
}

#[cfg(unix)]
#[test]
fn renamed_and_replaced_file_is_logged_once_at_the_next_write() {
    let log = Log::shared();
    let (_directory, path) = file();
    let context = standard();
    let store = SqliteStore::open(&path).unwrap();
    let write = |name: &str| {
        create(&store, &context, ("User", name), json!({"userName": name})).unwrap();
        delete(&store, &context, ("User", name)).unwrap();
    };
    let lines = || log.about(path.to_str().unwrap());
    write("a");
    assert!(lines().is_empty());
    let elsewhere = path.with_extension("moved");
    std::fs::rename(&path, &elsewhere).unwrap();
    write("b");
    write("c");
    let found = lines();
    assert!(found.len() == 1 && found[0].contains("ERROR"), "{found:?}");
    assert!(found[0].contains("renamed or deleted"), "{found:?}");
    std::fs::write(&path, "another file").unwrap();
    write("d");
    write("e");
    let found = lines();
    assert!(found.len() == 2 && found[1].contains("ERROR"), "{found:?}");
    assert!(found[1].contains("replaced"), "{found:?}");
    std::fs::rename(&elsewhere, &path).unwrap();
    write("f");
    let found = lines();
    assert!(found.len() == 3 && found[2].contains("INFO"), "{found:?}");
    drop(wait(scimkit_store::TenantStore::tenants(&store)).unwrap());
}
