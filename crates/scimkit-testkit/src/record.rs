//! Anonymised recordings of an identity provider's requests and their responses, as [`Scenario`]s.
//!
//! ```
//! # use std::sync::Arc;
//! # use bytes::Bytes;
//! # use http::Request;
//! # use http_body_util::{BodyExt, Full};
//! # use scimkit_server::Server;
//! # use scimkit_store::{MemoryStore, Settings};
//! use scimkit_testkit::record::Recorder;
//! use tower_layer::Layer;
//! use tower_service::Service;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = Server::new(Arc::new(MemoryStore::new()), Settings::new("https://scim.test/v2"));
//! let recorder = Recorder::new("entra", "first-sync");
//! let mut service = recorder.layer(server); // or `router.layer(recorder.clone())`
//! let request = Request::get("/Users?filter=userName%20eq%20%22BJensen%22");
//! let answer = service.call(request.body(Full::<Bytes>::default())?).await?;
//! let _ = answer.into_body().collect().await?;
//!
//! let path = "/Users?filter=userName%20eq%20%22ANon1-{{run}}%22";
//! assert_eq!(recorder.scenario().steps[0].request.path, path);
//! # Ok(())
//! # }
//! ```
//!
//! [`Recorder`] is a tower [`Layer`](tower_layer::Layer) around any service that answers HTTP requests. It passes on
//! bodies frame by frame, and copies them. When a response has ended, its exchange becomes a step, and only the step is
//! stored. See [`Scenario`] for the format, and `scimkit replay` for replaying a file.
//!
//! # Contents of a recording
//!
//! A recording contains only what is known to be anonymous: the HTTP methods, statuses, the attribute names and URNs of
//! the RFCs and of the [registered schemas](Recorder::with_registry), the grammar of filters and paths as it was
//! spelled, `null`, booleans (as strings, too), page sizes, and common words such as `work` or `en-US`. Everything else
//! is replaced:
//!
//! | original | replacement |
//! |---|---|
//! | a word | `anon1`, and the first of a text `anon1-{{run}}`, so that replays do not collide |
//! | an e-mail address, a URL | the same at another host: `anon1-{{run}}@anon1.example` |
//! | digits, as in a telephone number, and numbers | as many digits |
//! | a password | a word |
//! | a date | a date in the same format |
//! | a UUID | a UUID that differs in every replay |
//! | an id that the server assigned in this recording | `{{user1.id}}`, captured from the response that assigned it |
//! | a version that the server returned | `{{version3}}`, captured from the response that returned it |
//!
//! Equal originals have equal replacements, and originals that differ only in case have replacements that differ only
//! in case. Punctuation and spaces between words are preserved, lengths are not. Of the headers, `Accept`,
//! `Content-Encoding`, `Content-Type`, `If-Match` and `If-None-Match` are recorded; of a token, only whether the server
//! rejected it. A version that no response contained becomes one that no server has.
//!
//! A byte order mark is preserved. A body that is not UTF-8 is recorded as ISO 8859-1 text that is not UTF-8 either.
//!
//! Of responses, the recording contains the status and what an identity provider relies on: values that it sent itself,
//! whether what it requested exists, and the type of an error. Texts and values that the server creates are left out.
//!
//! A recording can be replayed from an initial state without the resources that it contains, so record from the first
//! request on.
//!
//! # Cost
//!
//! An exchange is anonymised when the last frame of its response passes. That took 50 µs for a user of 600 bytes and 20
//! ms for a group of 250 KB, each in a request and its response; hence the limit on bodies.

mod exchange;
mod expected_response;
mod placeholders;
mod recorded_body;
mod redacted_tree;
mod retained_names;
mod service;
mod syntax;
mod tokens;
mod values;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use exchange::Recording;
pub use recorded_body::RecordedBody;
use retained_names::RetainedNames;
use scimkit_registry::Registry;
pub use service::{Answering, Recorded};

use crate::replay::Scenario;

/// The maximum number of recordings with the same name in a folder.
const MOST_FILES: u32 = 1_000;

/// Records the exchanges of the services that it wraps.
///
/// Clones record into the same recording.
#[derive(Debug, Clone)]
pub struct Recorder {
    next: Arc<AtomicU32>,
    recording: Arc<Mutex<Recording>>,
    settings: Arc<Settings>,
}

#[derive(Debug, Clone)]
struct Settings {
    idp: String,
    limits: RecordingLimits,
    prefix: String,
    scenario: String,
}

/// The limits of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordingLimits {
    /// The maximum length of a body in bytes: 256 KiB. Of a longer response, only the status is recorded; an exchange
    /// with a longer request is left out.
    pub body: usize,
    /// The maximum length of all bodies together in bytes: 32 MiB. Exchanges beyond it are left out, and so are
    /// exchanges beyond 200,000 different originals.
    pub bytes: usize,
    /// The maximum number of exchanges: 1,000. Later ones are left out.
    pub steps: u32,
}

impl Default for RecordingLimits {
    fn default() -> Self {
        RecordingLimits {
            body: 256 << 10,
            bytes: 32 << 20,
            steps: 1000,
        }
    }
}

impl Recorder {
    /// Creates a recorder for a recording with these names, of the identity provider and of the scenario, which the
    /// recording contains unchanged.
    #[must_use]
    pub fn new(idp: impl Into<String>, scenario: impl Into<String>) -> Self {
        Recorder {
            next: Arc::default(),
            recording: Arc::default(),
            settings: Arc::new(Settings {
                idp: idp.into(),
                limits: RecordingLimits::default(),
                prefix: String::new(),
                scenario: scenario.into(),
            }),
        }
    }

    /// Preserves the names and URNs of these schemas. Without this, only those of the RFCs are preserved, and names of
    /// custom schemas are replaced like any other text.
    #[must_use]
    pub fn with_registry(self, registry: &Registry) -> Self {
        self.recording().set_known(RetainedNames::of(registry));
        self
    }

    /// Sets the limits of the recording.
    #[must_use]
    pub fn with_limits(mut self, limits: RecordingLimits) -> Self {
        Arc::make_mut(&mut self.settings).limits = limits;
        self
    }

    /// Records only requests below `prefix`, the path of the base URL, such as `/scim/v2`.
    #[must_use]
    pub fn with_prefix(mut self, prefix: &str) -> Self {
        Arc::make_mut(&mut self.settings).prefix = prefix.trim_end_matches('/').to_owned();
        self
    }

    /// Returns the number of exchanges that were left out of the recording, by reason.
    #[must_use]
    pub fn left_out(&self) -> BTreeMap<&'static str, u64> {
        self.recording().left_out().clone()
    }

    /// Writes the recording so far into a new file in a folder, and returns the path of the file; `None` if the
    /// recording is empty. It creates the folder if needed.
    ///
    /// It never overwrites an earlier recording: the next file has a number in its name.
    ///
    /// # Errors
    /// An error of the operating system.
    pub fn save(&self, folder: &Path) -> io::Result<Option<PathBuf>> {
        let scenario = self.scenario();
        if scenario.steps.is_empty() {
            return Ok(None);
        }
        let name = format!("{}-{}", self.settings.idp, self.settings.scenario);
        let plain = |c: char| if c.is_alphanumeric() { c } else { '-' };
        let name: String = name.chars().map(plain).collect();
        fs::create_dir_all(folder)?;
        let names = (2..=MOST_FILES).map(|number| format!("{name}-{number}.json"));
        for file in [format!("{name}.json")].into_iter().chain(names) {
            let file = folder.join(file);
            match File::create_new(&file) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(mut new) => {
                    new.write_all(scenario.to_json().as_bytes())?;
                    return Ok(Some(file));
                }
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Returns the recording so far: the exchanges that have ended, in the order in which they began.
    #[must_use]
    pub fn scenario(&self) -> Scenario {
        let Settings { idp, scenario, .. } = &*self.settings;
        self.recording().scenario(idp, scenario)
    }

    fn below_prefix<'u>(&self, uri: &'u str) -> Option<&'u str> {
        let below = uri.strip_prefix(self.settings.prefix.as_str())?;
        (below.is_empty() || below.starts_with(['/', '?'])).then_some(below)
    }

    fn limits(&self) -> RecordingLimits {
        self.settings.limits
    }

    /// Returns the number of the next step, up to the limit.
    fn next_step(&self) -> Option<u32> {
        let most = self.settings.limits.steps;
        let more = |count: u32| (count < most).then(|| count.saturating_add(1));
        let taken = self
            .next
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        if taken.is_err() {
            self.recording().leave_out("beyond the limit on exchanges");
        }
        taken.ok().map(|before| before.saturating_add(1))
    }

    fn recording(&self) -> MutexGuard<'_, Recording> {
        self.recording
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
