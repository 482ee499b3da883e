//! Monitoring of the path of the database file.

use std::{
    fs::Metadata,
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// Detects that the open file is renamed, deleted or replaced, and logs each change once.
///
/// The store continues with the file that it has open. Its data are intact, but other processes that open the path find
/// a different file or none. A replacement is detected only on Unix.
#[derive(Debug)]
pub(crate) struct Watch {
    opened: Option<Identity>,
    path: PathBuf,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    InPlace,
    Missing,
    Replaced,
}

/// The device and inode number, which do not depend on the name of a file.
type Identity = (u64, u64);

impl Watch {
    /// Starts to watch a file that was just opened.
    pub(crate) fn new(path: &Path) -> Self {
        let metadata = std::fs::metadata(path).ok();
        Watch {
            opened: metadata.and_then(|metadata| identity(&metadata)),
            path: path.to_owned(),
            state: State::InPlace,
        }
    }

    /// Logs a message if the state of the path changed since the last call.
    pub(crate) fn look(&mut self) {
        let change = self.change();
        let file = self.path.display();
        match change {
            None => {}
            Some(State::InPlace) => tracing::info!(%file, "database file is back at its path"),
            Some(State::Missing) => tracing::error!(
                %file,
                "database file renamed or deleted while in use; writes go to the old file"
            ),
            Some(State::Replaced) => tracing::error!(
                %file,
                "database file replaced while in use; writes go to the old file"
            ),
        }
    }

    fn change(&mut self) -> Option<State> {
        let state = match std::fs::metadata(&self.path) {
            Ok(metadata) if identity(&metadata) == self.opened => State::InPlace,
            Ok(_) => State::Replaced,
            Err(error) if error.kind() == ErrorKind::NotFound => State::Missing,
            // The state is unknown.
            Err(_) => return None,
        };
        let before = std::mem::replace(&mut self.state, state);
        (state != before).then_some(state)
    }
}

#[cfg(unix)]
#[expect(
    clippy::unnecessary_wraps,
    reason = "other systems do not report the identity of a file"
)]
fn identity(metadata: &Metadata) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Option<Identity> {
    None
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{State, Watch};

    #[test]
    fn each_change_of_the_file_is_detected_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        let elsewhere = directory.path().join("b");
        fs::write(&path, "1").unwrap();
        let mut watch = Watch::new(&path);
        assert_eq!(watch.change(), None);
        fs::write(&path, "other content of the same file").unwrap();
        assert_eq!(watch.change(), None);
        fs::rename(&path, &elsewhere).unwrap();
        assert_eq!(watch.change(), Some(State::Missing));
        assert_eq!(watch.change(), None);
        fs::write(&path, "2").unwrap();
        let replaced = cfg!(unix).then_some(State::Replaced);
        assert_eq!(watch.change(), replaced.or(Some(State::InPlace)));
        assert_eq!(watch.change(), None);
        fs::rename(&elsewhere, &path).unwrap();
        assert_eq!(watch.change(), replaced.and(Some(State::InPlace)));
        assert_eq!(watch.change(), None);
    }
}
