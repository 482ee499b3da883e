//! Connections to a database file, and the format of the file.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, config::DbConfig};
use scimkit_sql::reference::{SQLITE_MIGRATIONS, SQLITE_OBJECT_COUNT, SQLITE_OBJECTS};

use crate::{OpenError, SqliteOptions, Synchronous, error::Outcome};

/// The mark of a store in the header of its file: `SCIM`.
const APPLICATION_ID: i64 = 0x5343_494d;
/// The size in bytes to which SQLite truncates a larger write-ahead log when it restarts.
const LOG_BYTES: i64 = 16 << 20;
/// The maximum number of prepared statements that a connection caches.
const STATEMENTS: usize = 256;

/// The location of a database.
#[derive(Debug, Clone)]
pub(crate) enum DatabaseLocation {
    File(PathBuf),
    Memory,
}

/// Opens the connection that writes, and migrates the file to the current format.
pub(crate) fn open_writer(
    place: &DatabaseLocation,
    options: &SqliteOptions,
) -> Outcome<Connection> {
    let mut connection = match place {
        DatabaseLocation::File(path) => {
            keep_private(path);
            Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_CREATE))?
        }
        DatabaseLocation::Memory => Connection::open_in_memory()?,
    };
    prepare(&connection, options)?;
    // Check first, so that a file of another application is not changed. The transaction is needed because another
    // process may be creating the file.
    let moment = connection.transaction()?;
    check_owner(&moment)?;
    drop(moment);
    // Overwrites all freed space; `FAST` would leave whole pages unchanged.
    connection.pragma_update(None, "secure_delete", "ON")?;
    use_wal(&connection, options.busy_timeout)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    let mode = match options.synchronous {
        Synchronous::Full => "FULL",
        Synchronous::Normal => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", mode)?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// Opens a read-only connection.
pub(crate) fn open_reader(path: &Path, options: &SqliteOptions) -> Outcome<Connection> {
    let connection = Connection::open_with_flags(path, flags(OpenFlags::empty()))?;
    prepare(&connection, options)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Opens an existing file exclusively, and migrates it to the current format.
pub(crate) fn open_alone(path: &Path) -> Outcome<Connection> {
    let mut connection = Connection::open_with_flags(path, flags(OpenFlags::empty()))?;
    connection.busy_timeout(Duration::ZERO)?;
    // Every other connection to a file with a write-ahead log has a lock that conflicts with this one.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    check_owner(&connection)?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// Creates a new file that only its owner may read, because it will contain personal data. An error is ignored here,
/// because SQLite reports it when it opens the file.
fn keep_private(path: &Path) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    drop(options.open(path));
}

fn flags(more: OpenFlags) -> OpenFlags {
    // Each connection stays on its own thread.
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more
}

fn prepare(connection: &Connection, options: &SqliteOptions) -> Outcome<()> {
    connection.busy_timeout(options.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // One plan per statement: otherwise SQLite plans again whenever a parameter changes, which costs more than any
    // query here.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

fn check_owner(connection: &Connection) -> Outcome<()> {
    let application = number(connection, "PRAGMA application_id")?;
    let tables = number(connection, SQLITE_OBJECT_COUNT)?;
    let found = number(connection, "PRAGMA user_version")?;
    let known = SQLITE_MIGRATIONS.len() as i64;
    match application {
        APPLICATION_ID if found > known => Err(OpenError::Newer { found, known }.into()),
        APPLICATION_ID => check_complete(connection, found),
        0 if tables == 0 && found == 0 => Ok(()),
        _ => Err(OpenError::Foreign.into()),
    }
}

/// Checks that a store's file contains everything that the migrations to its format create.
fn check_complete(connection: &Connection, found: i64) -> Outcome<()> {
    let damaged = |detail| OpenError::Damaged { detail };
    let done = match usize::try_from(found) {
        Ok(done) if done > 0 => done,
        _ => return Err(damaged(format!("no release writes format {found}")).into()),
    };
    let model = Connection::open_in_memory()?;
    for migration in SQLITE_MIGRATIONS.iter().take(done) {
        model.execute_batch(migration)?;
    }
    let present = schema(connection)?;
    let missing = schema(&model)?.into_iter().find(|it| !present.contains(it));
    match missing {
        Some(missing) => Err(damaged(format!("it has no {missing}")).into()),
        None => Ok(()),
    }
}

/// Returns the type and name of everything in a database.
fn schema(connection: &Connection) -> Outcome<BTreeSet<String>> {
    let mut statement = connection.prepare(SQLITE_OBJECTS)?;
    let names = statement.query_map([], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

/// Enables the write-ahead log. SQLite itself does not wait while another process does the same.
fn use_wal(connection: &Connection, patience: Duration) -> Outcome<()> {
    let since = Instant::now();
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(rusqlite::Error::SqliteFailure(error, _))
                if error.code == ErrorCode::DatabaseBusy && since.elapsed() < patience =>
            {
                std::thread::sleep(Duration::from_millis(10));
            }
            done => return Ok(done?),
        }
    }
}

fn migrate(connection: &mut Connection) -> Outcome<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have just migrated the file.
    check_owner(&transaction)?;
    let found = number(&transaction, "PRAGMA user_version")?;
    let done = usize::try_from(found).unwrap_or(SQLITE_MIGRATIONS.len());
    for migration in SQLITE_MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(migration)?;
    }
    if done < SQLITE_MIGRATIONS.len() {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", SQLITE_MIGRATIONS.len() as i64)?;
    }
    Ok(transaction.commit()?)
}

/// Copies the write-ahead log into the file and empties it, so that neither contains removed data. Returns whether that
/// succeeded; a reader of an older state or a writer can prevent it.
pub(crate) fn empty_log(connection: &Connection, patience: Duration) -> bool {
    let waits = connection.query_row("PRAGMA busy_timeout", [], |row| row.get::<_, u32>(0));
    drop(connection.busy_timeout(patience));
    let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
    let is_busy = connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    if let Ok(millis) = waits {
        drop(connection.busy_timeout(Duration::from_millis(millis.into())));
    }
    matches!(is_busy, Ok(0))
}

fn number(connection: &Connection, sql: &str) -> Result<i64, rusqlite::Error> {
    connection.query_row(sql, [], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::{DatabaseLocation, number, open_writer};
    use crate::{SqliteOptions, Synchronous};

    #[test]
    fn commits_are_flushed_by_default() {
        let mut options = SqliteOptions::default();
        let synchronous = |options: &SqliteOptions| {
            let connection = open_writer(&DatabaseLocation::Memory, options).unwrap();
            number(&connection, "PRAGMA synchronous").unwrap()
        };
        assert_eq!(synchronous(&options), 2);
        options.synchronous = Synchronous::Normal;
        assert_eq!(synchronous(&options), 1);
    }
}
