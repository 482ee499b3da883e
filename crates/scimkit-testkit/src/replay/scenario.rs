//! The format of scenario files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// The requests of an identity provider and the responses that it needs, in order.
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
    /// The user attributes that other attributes of the same kind can replace, by their names in RFC 7643: `title`,
    /// `name.givenName`, `emails.type`. In the steps they are in braces: `{{title}}` or `{{name}}`.
    ///
    /// If the server declares the attribute like RFC 7643, the attribute is used. Otherwise it is replaced by another
    /// declared attribute with the same type, mutability and further characteristics. If there is none, the scenario
    /// does not run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<String>,
    /// The strength of the source: `vendor-doc`, `trace`, `inferred`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub basis: String,
    /// The identity provider that sends the requests; `protocol` for requirements of the RFCs on every server.
    pub idp: String,
    /// The ids of the [requirements](crate::conformance::Requirement::id) that the scenario proves.
    #[serde(alias = "ledger", default, skip_serializing_if = "Vec::is_empty")]
    pub proves: Vec<String>,
    /// The servers for which the scenario is valid.
    #[serde(default)]
    pub mode: Mode,
    /// The special feature of the scenario.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub quirk: String,
    /// The features that the server needs, besides schemas.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<Feature>,
    /// The attributes that the server must declare: of a user, or after the URN of a schema and a colon.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires_attributes: Vec<String>,
    /// The schemas that `/Schemas` must list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires_schema: Vec<String>,
    /// The name of the scenario, unique per identity provider.
    pub scenario: String,
    /// The settings of the server that differ from its defaults, such as `{"unknown_members": "accept"}`. A replay runs
    /// the scenario only if its caller declares that the server has them:
    /// [`Replay::with_settings_met`](super::Replay::with_settings_met).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, Value>,
    /// The source of the knowledge.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The requests and their expected responses.
    pub steps: Vec<Step>,
}

impl Scenario {
    /// Loads the scenarios that ship with this crate, sorted by file name.
    ///
    /// It reads them from the crate's source folder, which exists wherever tests are built.
    ///
    /// # Errors
    /// If the folder can't be read.
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

    /// Loads every scenario in a file, or in a folder and its subfolders, sorted by file name.
    ///
    /// A document is a scenario or an array of scenarios. Documents without `steps` are ignored.
    ///
    /// # Errors
    /// - [`Error::File`]: a file or folder can't be read
    /// - [`Error::Scenario`]: a document has `steps` but is not a scenario
    pub fn load(place: &Path) -> Result<Vec<Scenario>, Error> {
        Scenario::load_all([place])
    }

    /// Loads every scenario in these files and folders, sorted by file name. A file that is found twice is read once.
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

    /// Returns the scenario as the text of a file, without members that have their default values.
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

    /// Returns the identity provider and the scenario: `entra/disable-string-boolean-default`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.idp, self.scenario)
    }
}

/// The servers for which a scenario is valid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Mode {
    /// Every server.
    #[default]
    Both,
    /// Servers for an identity provider that needs more leniency than RFC 7644 demands.
    Compat,
    /// No server in particular: only the response is of interest.
    Info,
    /// Strict servers: the RFC's response, from which a lenient server may differ.
    Rfc,
}

impl Mode {
    /// Returns the mode in the spelling of scenarios.
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

/// A feature that a scenario needs from the server.
///
/// A feature is missing if `/ServiceProviderConfig` declares that it is not supported; [`Cursor`](Feature::Cursor) is
/// missing unless it declares support.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Feature {
    /// Rejection of requests without a valid token.
    Auth,
    /// The feature `bulk`.
    Bulk,
    /// Pages with cursors. RFC 9865 requires a server that supports them to declare it.
    Cursor,
    /// An initial state without users and groups.
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
    /// Returns the name of the feature in `/ServiceProviderConfig`.
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

    /// Returns whether a `/ServiceProviderConfig` declares that the feature is missing.
    pub(super) fn is_denied(self, configuration: &Value) -> bool {
        if self == Feature::Cursor {
            return configuration.pointer("/pagination/cursor") != Some(&Value::Bool(true));
        }
        let said = |feature: &str| configuration.get(feature)?.get("supported")?.as_bool();
        self.feature().and_then(said) == Some(false)
    }
}

/// One request and its expected response.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Step {
    /// The token to send.
    #[serde(default, skip_serializing_if = "is_default")]
    pub auth: Authorization,
    /// The values to capture from the response: a name, and `$.json.path` or `header:name`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub capture: BTreeMap<String, String>,
    /// The expected response.
    pub expect: Expectation,
    /// A note for the reader.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// The number of repetitions, with `{{i}}` counting from 1.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub repeat: u32,
    /// The request.
    pub request: Request,
}

/// The token of a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Authorization {
    /// An unknown token.
    Bad,
    /// No token.
    None,
    /// The token of the replay, if any.
    #[default]
    Token,
}

/// The request of a step.
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
    /// Headers in addition to `Accept`, `Authorization` and `Content-Type`, or instead of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The method.
    pub method: String,
    /// The path and query below the base path; empty for the base URL itself, without a slash.
    pub path: String,
    /// A body as text, JSON or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_body: Option<String>,
    /// The encoding of `raw_body`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub raw_charset: Charset,
}

/// The encoding of a body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub enum Charset {
    /// One byte per character, up to U+00FF, for bodies that are not UTF-8.
    #[serde(rename = "iso-8859-1")]
    Latin1,
    /// UTF-8.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
}

/// The expected response. A response with status 204 has no body to check.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Expectation {
    /// Paths of the body that must be unassigned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<String>,
    /// Headers that must be missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent_headers: Vec<String>,
    /// The minimum contents of the body: see [`matches()`](super::matches).
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub body_subset: Option<Value>,
    /// The numbers of elements at paths of the body.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub count: BTreeMap<String, usize>,
    /// Whether the body must be completely empty.
    #[serde(default, skip_serializing_if = "is_default")]
    pub empty: bool,
    /// Regular expressions that must match a part of each header.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The allowed statuses.
    #[serde(deserialize_with = "one_or_many", serialize_with = "one_if_one")]
    pub status: Vec<u16>,
}

/// The reason why a scenario can't be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder can't be read.
    #[error("`{}` can't be read", file.display())]
    File {
        /// The file or folder.
        file: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A document is not a scenario.
    #[error("{} is not a scenario", shown(file.as_deref()))]
    Scenario {
        /// The file with the document.
        file: Option<PathBuf>,
        /// The first difference from the format.
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

/// Distinguishes a `null` from a missing member.
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

/// Returns the file itself, whatever its name, or the JSON files below a folder.
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
