//! Compaction of files.

use std::{fs, path::Path, time::Duration};

use rusqlite::ErrorCode;

use crate::{OpenError, SqliteStore, error::Failure, file};

/// The outcome of [`SqliteStore::compact`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compacted {
    /// The size of the file after compaction, in bytes.
    pub after: u64,
    /// The size of the file and its write-ahead log before compaction, in bytes.
    pub before: u64,
}

impl SqliteStore {
    /// Rewrites a file without free space and without traces of removed data.
    ///
    /// - Removal itself does not need it, because freed space is overwritten immediately. But when SQLite reorganises a
    ///   page of the file, it may leave a copy of a row in the unused part of the page, and a file from an older
    ///   release contains what that release removed. Compaction removes both.
    /// - A store never compacts its file by itself. It takes as long as copying the file, and needs free space for two
    ///   copies, one of them in the system's temporary folder.
    /// - It blocks the thread.
    ///
    /// # Errors
    /// [`OpenError::InUse`] if the file is open elsewhere, and otherwise as for [`SqliteStore::open`]. After an error,
    /// the data are unchanged, but a file of an older release may already have the current format.
    ///
    /// # Example
    /// ```
    /// use scimkit_sqlite::{OpenError, SqliteStore};
    ///
    /// let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("scim.db");
    /// let store = SqliteStore::open(&path)?;
    /// assert!(matches!(SqliteStore::compact(&path), Err(OpenError::InUse)));
    /// drop(store);
    /// let compacted = SqliteStore::compact(&path)?;
    /// assert!(compacted.after <= compacted.before);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn compact(path: impl AsRef<Path>) -> Result<Compacted, OpenError> {
        let path = path.as_ref();
        let before = size(path, "") + size(path, "-wal");
        write_anew(path).map_err(in_use)?;
        let after = size(path, "");
        Ok(Compacted { after, before })
    }
}

fn write_anew(path: &Path) -> Result<(), Failure> {
    let connection = file::open_alone(path)?;
    connection.execute_batch("VACUUM")?;
    file::empty_log(&connection, Duration::ZERO);
    connection.close().map_err(|(_, error)| error)?;
    Ok(())
}

fn in_use(failure: Failure) -> OpenError {
    let code = match &failure {
        Failure::Sqlite(error) => error.sqlite_error_code(),
        _ => None,
    };
    match code {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::InUse,
        _ => failure.into(),
    }
}

fn size(path: &Path, suffix: &str) -> u64 {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    fs::metadata(name).map_or(0, |file| file.len())
}
