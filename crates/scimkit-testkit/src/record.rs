//! What a provider sends and is answered, recorded as a [`Scenario`] that tells of nobody.
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
//! [`Recorder`] is a tower [`Layer`](tower_layer::Layer) around anything that answers HTTP requests.
//! What passes is given on as it comes, frame by frame, and copied beside it. When an answer has
//! ended, its exchange becomes a step, and only that is kept; see [`Scenario`] for the format, and
//! `scimkit replay` for what plays it.
//!
//! # What a recording holds
//!
//! Nothing but what is known to reveal nothing: the methods of HTTP, statuses, the attribute names and URNs of
//! the RFCs and of the [registered schemas](Recorder::with_registry), the grammar of filters and paths as it was
//! spelled, `null`, booleans (as strings, too), page sizes, and words that everybody uses, such as `work` or `en-US`.
//! Everything else is replaced:
//!
//! | what | becomes |
//! |---|---|
//! | a word | `anon1`, and the first of a text `anon1-{{run}}`, so that replays do not collide |
//! | an e-mail address, a URL | the same at another host: `anon1-{{run}}@anon1.example` |
//! | digits, as in a telephone number, and numbers | as many digits |
//! | a password | a word, whatever it was made of |
//! | a date | a date that is written the same way |
//! | a UUID | a UUID that no other replay has |
//! | an id that the server gave in this recording | `{{user1.id}}`, captured where it was given |
//! | a version that the server told | `{{version3}}`, captured where it was told |
//!
//! The same becomes the same, wherever it stands, and what differs only in case still does.
//! Punctuation and blanks between words stay, lengths don't. Of the headers, `Accept`,
//! `Content-Encoding`, `Content-Type`, `If-Match` and `If-None-Match` are recorded; of a token, only
//! whether it was refused. A version that no answer told becomes one that no server has.
//!
//! A byte order mark stays, and a body that is not UTF-8 is recorded as text of ISO 8859-1 that is not UTF-8 either.
//!
//! Of answers there is the status and what a provider relies on: values that it sent itself, whether
//! there is what it asked for, and the type of an error. What a server words or computes is left out.
//!
//! A recording replays where it started with what it speaks of: record from the first request on.
//!
//! # What it costs
//!
//! An exchange is redacted as the last frame of its answer passes. That took 50 µs for a user of 600
//! bytes and 20 ms for a group of 250 KB, each sent and answered; hence the limit on bodies.

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

/// Recordings of one name that a folder holds at most.
const MOST_FILES: u32 = 1_000;

/// Records the exchanges of the services that it is a layer of.
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

/// How much is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordingLimits {
    /// The longest body, in bytes: 256 KiB. Of a longer answer only the status is recorded; an exchange
    /// with a longer request is left out.
    pub body: usize,
    /// How long all bodies may be together, in bytes: 32 MiB. Exchanges beyond that are left out, and
    /// so are those beyond 200,000 different originals.
    pub bytes: usize,
    /// How many exchanges: 1000. Those that follow are left out.
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
    /// A recording under these names, which stand in it as they are: of the provider and of what it
    /// does.
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

    /// Keeps the names and URNs of these schemas, too. Without this, only those of the RFCs stay, and what a custom
    /// schema has is replaced as everything else is.
    #[must_use]
    pub fn with_registry(self, registry: &Registry) -> Self {
        self.recording().set_known(RetainedNames::of(registry));
        self
    }

    /// Records no more than that.
    #[must_use]
    pub fn with_limits(mut self, limits: RecordingLimits) -> Self {
        Arc::make_mut(&mut self.settings).limits = limits;
        self
    }

    /// Records only what is below `prefix`, the path of the base URL, such as `/scim/v2`.
    #[must_use]
    pub fn with_prefix(mut self, prefix: &str) -> Self {
        Arc::make_mut(&mut self.settings).prefix = prefix.trim_end_matches('/').to_owned();
        self
    }

    /// How many exchanges were left out of the recording, by what was the matter with them.
    #[must_use]
    pub fn left_out(&self) -> BTreeMap<&'static str, u64> {
        self.recording().left_out().clone()
    }

    /// Writes what is recorded so far into a new file of that folder, which is made where there is
    /// none, and says which; nothing where nothing is recorded.
    ///
    /// An earlier recording stays as it is: the next one has a number in its name.
    ///
    /// # Errors
    /// What the system says.
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

    /// What is recorded so far: the exchanges that have ended, in the order in which they began.
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

    /// The number of another step, as long as there may be one.
    fn next_step(&self) -> Option<u32> {
        let most = self.settings.limits.steps;
        let more = |count: u32| (count < most).then(|| count.saturating_add(1));
        let taken = self
            .next
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        if taken.is_err() {
            self.recording()
                .leave_out("beyond the number that is recorded");
        }
        taken.ok().map(|before| before.saturating_add(1))
    }

    fn recording(&self) -> MutexGuard<'_, Recording> {
        self.recording
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
