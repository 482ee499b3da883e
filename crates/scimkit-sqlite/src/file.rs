//! Connections to one file, and the format that it has.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, config::DbConfig};
use scimkit_sql::reference::{SQLITE_MIGRATIONS, SQLITE_OBJECT_COUNT, SQLITE_OBJECTS};

use crate::{OpenError, SqliteOptions, Synchronous, error::Outcome};

/// `SCIM` in the file's header tells whose file it is.
const APPLICATION_ID: i64 = 0x5343_494d;
/// Bytes to which the write-ahead log is cut when it begins anew, after a write that was larger.
const LOG_BYTES: i64 = 16 << 20;
/// Prepared statements that a connection keeps.
const STATEMENTS: usize = 256;

/// Where the data are.
#[derive(Debug, Clone)]
pub(crate) enum DatabaseLocation {
    File(PathBuf),
    Memory,
}

/// Opens the connection that writes, and brings the file to the last format.
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
    // Before anything is changed: a file of somebody else stays as it is. In one transaction, since
    // another process may just be making it.
    let moment = connection.transaction()?;
    check_owner(&moment)?;
    drop(moment);
    // Freed space is overwritten, whole pages included: `FAST` would leave those as they are.
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

/// Opens a connection that only reads.
pub(crate) fn open_reader(path: &Path, options: &SqliteOptions) -> Outcome<Connection> {
    let connection = Connection::open_with_flags(path, flags(OpenFlags::empty()))?;
    prepare(&connection, options)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Opens the only connection to a file that is there, and brings the file to the last format.
pub(crate) fn open_alone(path: &Path) -> Outcome<Connection> {
    let mut connection = Connection::open_with_flags(path, flags(OpenFlags::empty()))?;
    connection.busy_timeout(Duration::ZERO)?;
    // Every other connection to a file with a write-ahead log holds a lock that excludes this.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    check_owner(&connection)?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// Makes a new file that only its owner may read: it will hold personal data. What goes wrong here
/// goes wrong again, and is reported, when SQLite opens the file.
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
    // One plan for each statement: otherwise it is made anew whenever a parameter changes, which
    // costs more than any of our queries.
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

/// Checks that a file of ours has what its format has: what the migrations up to it make.
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

/// Type and name of everything in a database.
fn schema(connection: &Connection) -> Outcome<BTreeSet<String>> {
    let mut statement = connection.prepare(SQLITE_OBJECTS)?;
    let names = statement.query_map([], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

/// Turns the write-ahead log on. SQLite does not wait by itself while another process does the same.
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
    // Another process may just have done it.
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

/// Copies the write-ahead log into the file and empties it, so that what was deleted is in neither;
/// tells whether that was possible. Whoever reads an older state, or writes, may be in the way.
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
    fn a_commit_is_flushed_unless_told_otherwise() {
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
