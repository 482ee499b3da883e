//! Tables of applications in SQLite, through rusqlite.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use rusqlite::Connection;
use scimkit_tables::{RusqliteDriver, TableStore};

use crate::layouts::Layout;

impl Layout {
    /// A migrated store over a new database in memory.
    pub(crate) fn in_memory(&self) -> TableStore<RusqliteDriver> {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(self.sql).unwrap();
        self.store(RusqliteDriver::with_connection(connection).unwrap())
    }

    /// A migrated store over a new file, and a connection of the application.
    pub(crate) fn in_file(&self, path: &Path) -> (TableStore<RusqliteDriver>, Connection) {
        let own = Connection::open(path).unwrap();
        own.pragma_update(None, "journal_mode", "WAL").unwrap();
        own.execute_batch(self.sql).unwrap();
        (self.store(RusqliteDriver::open(path).unwrap()), own)
    }

    /// A migrated store over a new file, which is removed with the folder.
    pub(crate) fn in_folder(&self, folder: &Path) -> TableStore<RusqliteDriver> {
        static FILES: AtomicU32 = AtomicU32::new(0);
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        self.in_file(&folder.join(format!("{number}.sqlite"))).0
    }

    pub(crate) fn shared(&self) -> Arc<dyn scimkit_store::Store> {
        Arc::new(self.in_memory())
    }
}
