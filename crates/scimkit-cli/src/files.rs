//! Files of the command, and why one can't be opened.

use std::{
    fs,
    io::{self, ErrorKind},
    path::Path,
};

/// Reads a text file.
///
/// # Errors
/// The path and the reason.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| explain(path, &error))
}

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

/// The folder of a file, if it does not exist.
fn missing_folder(path: &Path) -> Option<&Path> {
    Some(folder(path)).filter(|folder| !folder.is_dir())
}

/// The folder of a file.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::{io::ErrorKind, path::Path};

    use super::explain;

    #[test]
    fn reason_names_what_is_wrong_with_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let inside = |name: &str| folder.path().join(name);
        for (path, kind, expected) in [
            (inside("a"), ErrorKind::NotFound, "there is no file `"),
            (inside("no/a"), ErrorKind::NotFound, "/no` does not exist"),
            (inside("a"), ErrorKind::AlreadyExists, "already exists"),
            (
                inside("a"),
                ErrorKind::PermissionDenied,
                "permission denied",
            ),
            (inside("a"), ErrorKind::StorageFull, "no space is left"),
            (inside(""), ErrorKind::IsADirectory, "is a folder"),
            (inside(""), ErrorKind::PermissionDenied, "is not writable"),
        ] {
            let text = explain(&path, &kind.into());
            assert!(text.contains(expected), "{text}");
        }
        let bare = explain(Path::new("no such file"), &ErrorKind::NotFound.into());
        assert_eq!(bare, "there is no file `no such file`");
    }
}
