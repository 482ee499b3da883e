//! Why the file of a database can't be used.

use std::{
    fs::{self, OpenOptions},
    path::Path,
};

use super::files::{explain, folder};

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

#[cfg(test)]
mod tests {
    use super::explain_database;

    #[test]
    fn probe_of_a_database_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.sqlite");
        assert_eq!(explain_database(&file), None);
        assert!(!file.exists());
        let text = explain_database(folder.path()).unwrap();
        assert!(text.ends_with("is a folder, expected a file"), "{text}");
    }
}
