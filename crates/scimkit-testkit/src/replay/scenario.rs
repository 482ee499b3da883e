//! Scenarios as they stand in files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// What a provider sends and needs back, in order.
///
/// # Example
/// ```
/// use scimkit_testkit::replay::{Mode, Scenario};
///
/// let scenario = Scenario::from_json(r#"{
///     "idp": "okta", "scenario": "probe", "mode": "both",
///     "steps": [{"request": {"method": "GET", "path": "/Users?count=1"},
///                "expect": {"status": 200, "body_subset": {"totalResults": {"$ge": 0}}}}]
/// }"#)?;
/// assert_eq!(scenario.name(), "okta/probe");
/// assert_eq!(scenario.mode, Mode::Both);
/// assert!(Scenario::from_json(r#"{"idp": "okta", "scenario": "empty"}"#).is_err());
/// # Ok::<(), scimkit_testkit::replay::Error>(())
/// ```
#[derive(Debug, Clone, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Scenario {
    /// The attributes of a user that another one of the same kind may stand for, as RFC 7643 names them: `title`,
    /// `name.givenName`, `emails.type`. In the steps they stand in braces, as `{{title}}` or `{{name}}`.
    ///
    /// A server that declares the attribute as RFC 7643 does is sent it. One that does not is sent another that it
    /// declares with the same type, mutability and further characteristics. One without any does not run the scenario.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<String>,
    /// How strong the source is: `vendor-doc`, `trace`, `inferred`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub basis: String,
    /// The provider that sends it; `protocol` for what the RFCs ask of every server.
    pub idp: String,
    /// What it proves: the ids of [requirements](crate::conformance::Requirement::id).
    #[serde(alias = "ledger", default, skip_serializing_if = "Vec::is_empty")]
    pub proves: Vec<String>,
    /// Which kind of server it holds for.
    #[serde(default)]
    pub mode: Mode,
    /// What is special about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub quirk: String,
    /// What it needs from the server beside its schemas.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<Feature>,
    /// The attributes that the server must declare themselves: of a user, or after the URN of a schema and a colon.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires_attributes: Vec<String>,
    /// The schemas that `/Schemas` must list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires_schema: Vec<String>,
    /// Its name, unique for the provider.
    pub scenario: String,
    /// How the server must be set up where that differs from its defaults, such as
    /// `{"unknown_members": "accept"}`. A replay runs it only where it is told that the server is set up
    /// so: [`Replay::with_settings_met`](super::Replay::with_settings_met).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, Value>,
    /// Where the knowledge comes from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The requests and what they must be answered with.
    pub steps: Vec<Step>,
}

impl Scenario {
    /// The scenarios that ship with this crate, sorted by file name.
    ///
    /// They are read from the crate's source folder, which is there wherever tests are built.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn corpus() -> Result<Vec<Scenario>, Error> {
        Scenario::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus")))
    }

    /// Reads a scenario from its text.
    ///
    /// # Errors
    /// [`Error::Scenario`] for text that is not a scenario.
    pub fn from_json(text: &str) -> Result<Scenario, Error> {
        serde_json::from_str(text).map_err(|source| Error::Scenario { file: None, source })
    }

    /// Reads several scenarios from the text of one array.
    ///
    /// # Errors
    /// As for [`Scenario::from_json`].
    pub fn list_from_json(text: &str) -> Result<Vec<Scenario>, Error> {
        serde_json::from_str(text).map_err(|source| Error::Scenario { file: None, source })
    }

    /// Every scenario in a file, or in a folder and the folders in it, sorted by file name.
    ///
    /// A document is a scenario or an array of them. Others may lie among them: what has no `steps`
    /// is passed over.
    ///
    /// # Errors
    /// - [`Error::File`]: a file or folder can't be read
    /// - [`Error::Scenario`]: a document has `steps` but is no scenario
    pub fn load(place: &Path) -> Result<Vec<Scenario>, Error> {
        Scenario::load_all([place])
    }

    /// Every scenario in these files and folders, sorted by file name; a file that is met twice is
    /// read once.
    ///
    /// # Errors
    /// As for [`Scenario::load`].
    pub fn load_all<P: AsRef<Path>>(
        places: impl IntoIterator<Item = P>,
    ) -> Result<Vec<Scenario>, Error> {
        let mut files = BTreeSet::new();
        for place in places {
            files.extend(json_files(place.as_ref())?);
        }
        let (mut scenarios, mut seen) = (Vec::new(), BTreeSet::new());
        for file in files {
            if !seen.insert(fs::canonicalize(&file).map_err(|e| unreadable(&file, e))?) {
                continue;
            }
            let malformed = |source| Error::Scenario {
                file: Some(file.clone()),
                source,
            };
            let text = fs::read_to_string(&file).map_err(|e| unreadable(&file, e))?;
            let documents = match serde_json::from_str(&text).map_err(malformed)? {
                Value::Array(documents) => documents,
                document => vec![document],
            };
            for document in documents {
                if document.get("steps").is_some() {
                    scenarios.push(serde_json::from_value(document).map_err(malformed)?);
                }
            }
        }
        Ok(scenarios)
    }

    /// The scenario as the text of a file, without what is as it would be anyway.
    ///
    /// # Example
    /// ```
    /// use scimkit_testkit::replay::Scenario;
    ///
    /// let text = r#"{"idp": "okta", "scenario": "probe", "steps": [
    ///     {"request": {"method": "GET", "path": "/Users"}, "expect": {"status": [200]}}]}"#;
    /// let written = Scenario::from_json(text)?.to_json();
    /// assert!(written.contains(r#""status": 200"#));
    /// assert_eq!(Scenario::from_json(&written)?.to_json(), written);
    /// # Ok::<(), scimkit_testkit::replay::Error>(())
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        let tree = serde_json::to_value(self).unwrap_or_default();
        format!("{tree:#}\n")
    }

    /// The provider and the scenario: `entra/disable-string-boolean-default`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.idp, self.scenario)
    }
}

/// Which kind of server a scenario holds for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Mode {
    /// Every server.
    #[default]
    Both,
    /// The provider needs more leniency than RFC 7644 demands.
    Compat,
    /// It is worth knowing what comes back; no server has to pass.
    Info,
    /// The strict answer of the RFC, where a lenient server may differ.
    Rfc,
}

impl Mode {
    /// The mode as scenarios write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Both => "both",
            Mode::Compat => "compat",
            Mode::Info => "info",
            Mode::Rfc => "rfc",
        }
    }
}

/// What a scenario needs from the server.
///
/// A feature is missing where `/ServiceProviderConfig` says that it is not supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Feature {
    /// That requests without a known token are refused.
    Auth,
    /// The feature `bulk`.
    Bulk,
    /// Pages by cursor: RFC 9865 asks a server that has them to say so.
    Cursor,
    /// That there are no users and groups yet.
    Empty,
    /// The feature `etag`.
    Etag,
    /// The feature `filter`.
    Filter,
    /// The feature `patch`.
    Patch,
    /// The feature `sort`.
    Sort,
}

impl Feature {
    /// Its name, where `/ServiceProviderConfig` tells of it.
    pub(super) fn feature(self) -> Option<&'static str> {
        match self {
            Feature::Auth | Feature::Empty => None,
            Feature::Bulk => Some("bulk"),
            Feature::Cursor => Some("cursor"),
            Feature::Etag => Some("etag"),
            Feature::Filter => Some("filter"),
            Feature::Patch => Some("patch"),
            Feature::Sort => Some("sort"),
        }
    }

    /// Whether a `/ServiceProviderConfig` says that it is not there.
    pub(super) fn is_denied(self, configuration: &Value) -> bool {
        if self == Feature::Cursor {
            return configuration.pointer("/pagination/cursor") != Some(&Value::Bool(true));
        }
        let said = |feature: &str| configuration.get(feature)?.get("supported")?.as_bool();
        self.feature().and_then(said) == Some(false)
    }
}

/// One request and its answer.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Step {
    /// Which token is sent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub auth: Authorization,
    /// The values of the answer to keep: a name, and `$.json.path` or `header:name`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub capture: BTreeMap<String, String>,
    /// What the answer must be like.
    pub expect: Expectation,
    /// A word for the reader.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// How often the step is taken, with `{{i}}` counting from 1.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub repeat: u32,
    /// What is sent.
    pub request: Request,
}

/// Which token a step sends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Authorization {
    /// One that nobody knows.
    Bad,
    /// None.
    None,
    /// The one that the replay was given, if any.
    #[default]
    Token,
}

/// What a step sends.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Request {
    /// A JSON body.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub body: Option<Value>,
    /// Headers beside `Accept`, `Authorization` and `Content-Type`, or in place of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The method.
    pub method: String,
    /// Path and query, below the base path; empty for the base URL itself, without a slash.
    pub path: String,
    /// A body as text, JSON or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_body: Option<String>,
    /// How `raw_body` becomes bytes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub raw_charset: Charset,
}

/// How the text of a body becomes bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub enum Charset {
    /// One byte per character, up to U+00FF: for bodies that are not UTF-8.
    #[serde(rename = "iso-8859-1")]
    Latin1,
    /// UTF-8.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
}

/// What an answer must be like. An answer with status 204 has no body to look at.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Expectation {
    /// Paths of the body that must be unassigned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<String>,
    /// Headers that must not be there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent_headers: Vec<String>,
    /// What the body must hold at least: see [`matches()`](super::matches).
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub body_subset: Option<Value>,
    /// How many elements there are at a path of the body.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub count: BTreeMap<String, usize>,
    /// Whether there must be no body, not one byte of it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub empty: bool,
    /// Regular expressions that headers must match somewhere.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The status: one of these.
    #[serde(deserialize_with = "one_or_many", serialize_with = "one_if_one")]
    pub status: Vec<u16>,
}

/// Why there is no scenario to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder can't be read.
    #[error("`{}` can't be read", file.display())]
    File {
        /// Which one.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A document is not a scenario.
    #[error("{} is not a scenario", shown(file.as_deref()))]
    Scenario {
        /// The file it is in.
        file: Option<PathBuf>,
        /// Where it departs from one.
        source: serde_json::Error,
    },
}

fn shown(file: Option<&Path>) -> String {
    file.map_or_else(
        || "the text".to_owned(),
        |file| format!("`{}`", file.display()),
    )
}

fn once() -> u32 {
    1
}

/// Keeps a `null` apart from a member that is not there.
fn present<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(source).map(Some)
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn is_once(times: &u32) -> bool {
    *times == once()
}

fn one_if_one<S: Serializer>(statuses: &[u16], output: S) -> Result<S::Ok, S::Error> {
    match statuses {
        [one] => one.serialize(output),
        many => many.serialize(output),
    }
}

fn one_or_many<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<u16>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Status {
        Many(Vec<u16>),
        One(u16),
    }
    Ok(match Status::deserialize(source)? {
        Status::Many(statuses) => statuses,
        Status::One(status) => vec![status],
    })
}

fn unreadable(file: &Path, source: io::Error) -> Error {
    let file = file.to_owned();
    Error::File { file, source }
}

/// The file itself, whatever its name, or the JSON files below a folder.
fn json_files(place: &Path) -> Result<Vec<PathBuf>, Error> {
    if !place.is_dir() {
        return Ok(vec![place.to_owned()]);
    }
    let mut files = Vec::new();
    let mut open = vec![place.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).map_err(|e| unreadable(&folder, e))? {
            let path = entry.map_err(|e| unreadable(&folder, e))?.path();
            if path.is_dir() {
                open.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                files.push(path);
            }
        }
    }
    Ok(files)
}
