//! Whether the open file is still the one at its path.

use std::{
    fs::Metadata,
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// Notices when a file that is open is renamed, deleted or replaced, and logs each change once.
///
/// The store goes on with the file that it has open: its data are intact, but whoever opens the path
/// sees another file or none.
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

/// Device and number, which a file keeps under every name.
type Identity = (u64, u64);

impl Watch {
    /// Watches the file that was just opened.
    pub(crate) fn new(path: &Path) -> Self {
        let metadata = std::fs::metadata(path).ok();
        Watch {
            opened: metadata.and_then(|metadata| identity(&metadata)),
            path: path.to_owned(),
            state: State::InPlace,
        }
    }

    /// Logs when the path leads elsewhere than the last time.
    pub(crate) fn look(&mut self) {
        let change = self.change();
        let file = self.path.display();
        match change {
            None => {}
            Some(State::InPlace) => tracing::info!(%file, "database file is back in its place"),
            Some(State::Missing) => tracing::error!(
                %file,
                "database file renamed or deleted while in use; what is written goes to the old file"
            ),
            Some(State::Replaced) => tracing::error!(
                %file,
                "database file replaced while in use; what is written goes to the old file"
            ),
        }
    }

    fn change(&mut self) -> Option<State> {
        let state = match std::fs::metadata(&self.path) {
            Ok(metadata) if identity(&metadata) == self.opened => State::InPlace,
            Ok(_) => State::Replaced,
            Err(error) if error.kind() == ErrorKind::NotFound => State::Missing,
            // Nothing is known of it now.
            Err(_) => return None,
        };
        let before = std::mem::replace(&mut self.state, state);
        (state != before).then_some(state)
    }
}

#[cfg(unix)]
#[expect(
    clippy::unnecessary_wraps,
    reason = "other systems do not tell the identity of a file"
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
    fn each_change_of_the_file_is_noticed_once() {
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
