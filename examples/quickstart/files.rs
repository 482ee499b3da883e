//! Why a file can't be opened.

use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind},
    path::Path,
};

/// The path and why the file can't be used, so that the reader knows what to change.
pub(crate) fn explain(path: &Path, error: &io::Error) -> String {
    let shown = path.display();
    match error.kind() {
        _ if path.is_dir() && error.kind() != ErrorKind::StorageFull => match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                format!("the folder `{shown}` is not writable")
            }
            _ => format!("`{shown}` is a folder, expected a file"),
        },
        ErrorKind::NotFound => match missing_folder(path) {
            Some(folder) => format!(
                "`{shown}`: the folder `{}` does not exist",
                folder.display()
            ),
            None => format!("there is no file `{shown}`"),
        },
        ErrorKind::AlreadyExists => format!("`{shown}` already exists: choose another file name"),
        ErrorKind::PermissionDenied => {
            format!(
                "`{shown}`: permission denied: check the permissions of the file and its folder"
            )
        }
        ErrorKind::ReadOnlyFilesystem => format!("`{shown}` is on a read-only file system"),
        ErrorKind::StorageFull => format!("`{shown}`: no space is left on the device"),
        _ => format!("`{shown}`: {error}"),
    }
}

/// Why a database can't be opened, if the file or its folder is the reason. SQLite does not say.
pub(crate) fn explain_database(path: &Path) -> Option<String> {
    let existed = path.exists();
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    match opened {
        Err(error) => Some(explain(path, &error)),
        Ok(_) if !existed => {
            // The probe created it.
            drop(fs::remove_file(path));
            None
        }
        Ok(_) => {
            let folder = folder(path);
            let is_read_only = fs::metadata(folder).is_ok_and(|of| of.permissions().readonly());
            is_read_only.then(|| {
                format!(
                    "the folder `{}` is not writable: SQLite writes files next to `{}`",
                    folder.display(),
                    path.display()
                )
            })
        }
    }
}

/// The folder of a file, if it does not exist.
fn missing_folder(path: &Path) -> Option<&Path> {
    Some(folder(path)).filter(|folder| !folder.is_dir())
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}
