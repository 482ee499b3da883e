//! One exchange, from HTTP messages to a step of a scenario.

use std::collections::{BTreeMap, HashMap, HashSet};

use http::{HeaderMap, Method, StatusCode, header};
use serde_json::Value;

use super::{
    expected_response,
    placeholders::{Piece, Placeholders, joined},
    recorded_body::Copied,
    redacted_tree::{self, Message, Tree},
    retained_names::RetainedNames,
    syntax::{self, Endpoint},
};
use crate::replay::{
    Authorization, Charset, Expectation, Feature, Mode, Request, SCIM, Scenario, Step,
};

/// The maximum number of different originals. Each takes a few hundred bytes, whatever its length.
const MOST_ORIGINALS: usize = 200_000;

/// The head of a request.
#[derive(Debug)]
pub(super) struct RecordedRequest {
    /// The number, in the order of arrival.
    pub(super) at: u32,
    pub(super) headers: HeaderMap,
    pub(super) method: Method,
    /// The path and query below the base path.
    pub(super) target: String,
}

/// The head of a response.
#[derive(Debug)]
pub(super) struct RecordedResponse {
    pub(super) headers: HeaderMap,
    pub(super) status: StatusCode,
}

/// The recording so far, which contains no originals.
#[derive(Debug, Default)]
pub(super) struct Recording {
    /// The length of all bodies together.
    bytes: usize,
    counts: BTreeMap<&'static str, u32>,
    /// The step that returned each cursor, by fingerprint, and the place in its response.
    cursors: HashMap<u64, (u32, &'static str)>,
    /// The first path segments of successful requests, as fingerprints.
    endpoints: HashSet<u64>,
    left_out: BTreeMap<&'static str, u64>,
    placeholders: Placeholders,
    schemas: Vec<String>,
    steps: BTreeMap<u32, Step>,
    /// The step that returned each version of each resource, by fingerprints, and the place in its response.
    versions: HashMap<(u64, u64), (u32, &'static str)>,
}

impl Recording {
    pub(super) fn set_known(&mut self, known: RetainedNames) {
        self.placeholders.set_known(known);
    }

    /// Counts an exchange that is not recorded.
    pub(super) fn leave_out(&mut self, why: &'static str) {
        *self.left_out.entry(why).or_default() += 1;
    }

    pub(super) fn left_out(&self) -> &BTreeMap<&'static str, u64> {
        &self.left_out
    }

    pub(super) fn scenario(&self, idp: &str, name: &str) -> Scenario {
        let steps: Vec<_> = self.steps.values().cloned().collect();
        let anonymous = steps.iter().any(|step| step.auth != Authorization::Token);
        let left_out = self
            .left_out
            .iter()
            .map(|(why, times)| format!("; left out: {times} {why}"));
        Scenario {
            attributes: Vec::new(),
            basis: "trace".to_owned(),
            idp: idp.to_owned(),
            proves: Vec::new(),
            mode: Mode::Compat,
            quirk: format!("recorded traffic{}", left_out.collect::<String>()),
            requires: if anonymous {
                vec![Feature::Auth]
            } else {
                Vec::new()
            },
            requires_attributes: Vec::new(),
            requires_schema: self.schemas.clone(),
            scenario: name.to_owned(),
            settings: BTreeMap::new(),
            source: "a recording, redacted".to_owned(),
            steps,
        }
    }

    /// Adds an exchange that has ended.
    pub(super) fn add(
        &mut self,
        recorded: &RecordedRequest,
        sent: Copied,
        response: &RecordedResponse,
        got: &Copied,
        most: usize,
    ) {
        if response.status == StatusCode::PAYLOAD_TOO_LARGE {
            // An anonymised body is shorter, so the server would accept it.
            return self.leave_out("with a body that is too large for the server");
        }
        let sent = match sent {
            Copied::Whole(sent) => sent,
            Copied::Unread => Vec::new(),
            other => return self.leave_out(other.why_not()),
        };
        self.bytes = self
            .bytes
            .saturating_add(sent.len())
            .saturating_add(got.len());
        if self.bytes > most {
            return self.leave_out("beyond the limit on bytes");
        }
        if self.placeholders.len() > MOST_ORIGINALS {
            return self.leave_out("beyond the limit on originals");
        }
        let body = match got {
            Copied::Whole(bytes) => Tree::parse(bytes).and_then(Tree::into_value),
            _ => None,
        };
        let request = self.request(recorded, &sent, response);
        self.continued(recorded, &sent);
        let filter = parameter(recorded, &sent, "filter");
        let body_subset = body.as_ref().and_then(|body| {
            expected_response::expected(&mut self.placeholders, body, filter.as_deref())
        });
        // After the expectation, which can't use what is only captured afterwards.
        let mut capture = BTreeMap::new();
        if let Some(name) = self.created(recorded, response, body.as_ref()) {
            capture.insert(name, "$.id".to_owned());
        }
        self.cursors(recorded, body.as_ref());
        if response.status.is_success() {
            let own = body
                .as_ref()
                .map(|body| expected_response::own_schemas(&self.placeholders, body));
            let own = own.unwrap_or_default();
            self.schemas.extend(own);
            self.schemas.sort_unstable();
            self.schemas.dedup();
        }
        self.versions(recorded, response, body.as_ref());
        let step = Step {
            auth: authorization(recorded, response),
            capture,
            expect: Expectation {
                body_subset,
                status: statuses(recorded, response),
                ..Expectation::default()
            },
            note: String::new(),
            repeat: 1,
            request,
        };
        self.steps.insert(recorded.at, step);
    }

    fn request(
        &mut self,
        recorded: &RecordedRequest,
        sent: &[u8],
        response: &RecordedResponse,
    ) -> Request {
        let Body {
            body,
            raw_body,
            raw_charset,
        } = self.body(recorded, sent);
        let given = recorded.headers.iter().filter_map(|(name, value)| {
            let text = String::from_utf8_lossy(value.as_bytes());
            let text = match *name {
                header::ACCEPT | header::CONTENT_ENCODING | header::CONTENT_TYPE => {
                    media_types(&mut self.placeholders, &text)
                }
                header::IF_MATCH | header::IF_NONE_MATCH => self.condition(recorded, &text),
                _ => return None,
            };
            // A replay sends this type anyway.
            (text != SCIM).then(|| (titled(name.as_str()), text))
        });
        let headers = given.collect();
        let endpoint = self.endpoint(recorded, response);
        Request {
            body,
            headers,
            method: self.method(&recorded.method),
            path: syntax::target(&mut self.placeholders, &recorded.target, endpoint),
            raw_body,
            raw_charset,
        }
    }

    /// Returns whether the first path segment is an endpoint of the server, and so a schema's word and not personal
    /// data.
    fn endpoint(&mut self, recorded: &RecordedRequest, response: &RecordedResponse) -> Endpoint {
        let segment = segment(recorded, 1);
        let known = self.placeholders.fingerprint(segment);
        if response.status.is_success() {
            self.endpoints.insert(known);
        }
        if self.endpoints.contains(&known) {
            Endpoint::Own
        } else {
            Endpoint::Unknown
        }
    }

    /// Returns an HTTP method, or a replacement for an unknown one.
    fn method(&mut self, method: &Method) -> String {
        const KNOWN: [Method; 8] = [
            Method::DELETE,
            Method::GET,
            Method::HEAD,
            Method::OPTIONS,
            Method::PATCH,
            Method::POST,
            Method::PUT,
            Method::TRACE,
        ];
        if KNOWN.contains(method) {
            method.to_string()
        } else {
            self.placeholders.word(method.as_str())
        }
    }

    /// Returns a body as a value if possible, and as text otherwise.
    fn body(&mut self, recorded: &RecordedRequest, sent: &[u8]) -> Body {
        if sent.is_empty() {
            return Body::default();
        }
        let text = match std::str::from_utf8(sent) {
            Ok(text) => text,
            Err(_) => return self.body_of_bytes(recorded, sent),
        };
        match text.strip_prefix(BYTE_ORDER_MARK) {
            None => match self.json(recorded, text) {
                Some((Some(value), _)) => Body {
                    body: Some(value),
                    ..Body::default()
                },
                Some((None, text)) => Body::of_text(text),
                None => Body::of_text(joined(text, self.placeholders.text(text))),
            },
            Some(rest) => {
                let redacted = self.json(recorded, rest).map(|(_, text)| text);
                let redacted =
                    redacted.unwrap_or_else(|| joined(rest, self.placeholders.text(rest)));
                Body::of_text(format!("{BYTE_ORDER_MARK}{redacted}"))
            }
        }
    }

    /// Returns a body that is not UTF-8, as ISO 8859-1 text that is not UTF-8 either.
    fn body_of_bytes(&mut self, recorded: &RecordedRequest, sent: &[u8]) -> Body {
        let text: String = sent.iter().copied().map(char::from).collect();
        let redacted = self.json(recorded, &text).map(|(_, text)| text);
        let mut redacted = redacted.unwrap_or_else(|| joined(&text, self.placeholders.text(&text)));
        // Escapes represent the characters that are not in this character set.
        redacted.retain(|c| u8::try_from(c).is_ok());
        let bytes: Vec<u8> = redacted
            .chars()
            .filter_map(|c| u8::try_from(c).ok())
            .collect();
        if std::str::from_utf8(&bytes).is_ok() {
            redacted.push('\u{ff}');
        }
        Body {
            raw_charset: Charset::Latin1,
            ..Body::of_text(redacted)
        }
    }

    /// Returns the anonymised JSON as a value, if possible, and as text.
    fn json(&mut self, recorded: &RecordedRequest, text: &str) -> Option<(Option<Value>, String)> {
        let tree = Tree::parse(text.as_bytes())?;
        let redacted = redacted_tree::message(&mut self.placeholders, kind(recorded), tree);
        let text = redacted.to_string();
        Some((redacted.into_value(), text))
    }

    /// Returns the name under which later steps find the id of a created resource.
    fn created(
        &mut self,
        recorded: &RecordedRequest,
        response: &RecordedResponse,
        body: Option<&Value>,
    ) -> Option<String> {
        if recorded.method != Method::POST || response.status != StatusCode::CREATED {
            return None;
        }
        let id = body?.get("id")?.as_str()?;
        if self.placeholders.captured(id).is_some() {
            return None;
        }
        let kind = match segment(recorded, 1).to_lowercase().as_str() {
            "users" => "user",
            "groups" => "group",
            _ => "resource",
        };
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        let name = format!("{kind}{count}.id");
        self.placeholders.capture(id, &name);
        Some(name)
    }

    /// Remembers the cursors in the response.
    fn cursors(&mut self, recorded: &RecordedRequest, body: Option<&Value>) {
        for place in ["nextCursor", "previousCursor"] {
            let cursor = body.and_then(|body| body.get(place)?.as_str());
            if let Some(cursor) = cursor {
                let name = format!("{place}{}", recorded.at);
                self.placeholders.capture_cursor(cursor, &name);
                let cursor = self.placeholders.fingerprint(cursor);
                self.cursors.insert(cursor, (recorded.at, place));
            }
        }
    }

    /// Captures the cursor that the request sends from the step that returned it.
    fn continued(&mut self, recorded: &RecordedRequest, sent: &[u8]) {
        let Some(cursor) = parameter(recorded, sent, "cursor") else {
            return;
        };
        let cursor = self.placeholders.fingerprint(cursor.as_str());
        let response = self.cursors.get(&cursor).copied();
        if let Some((at, place, step)) =
            response.and_then(|(at, p)| Some((at, p, self.steps.get_mut(&at)?)))
        {
            step.capture
                .insert(format!("{place}{at}"), format!("$.{place}"));
        }
    }

    /// Remembers the version of the resource in the response.
    fn versions(
        &mut self,
        recorded: &RecordedRequest,
        response: &RecordedResponse,
        body: Option<&Value>,
    ) {
        let tag = response
            .headers
            .get(header::ETAG)
            .and_then(|value| value.to_str().ok());
        let meta = || body?.get("meta")?.get("version")?.as_str();
        let (version, place) = match tag {
            Some(tag) => (tag, "header:ETag"),
            None => match meta() {
                Some(version) => (version, "$.meta.version"),
                None => return,
            },
        };
        let id = body.and_then(|body| body.get("id")?.as_str());
        let resource = id.unwrap_or_else(|| segment(recorded, 2));
        let resource = self.placeholders.fingerprint(resource);
        let version = self.placeholders.fingerprint(version);
        self.versions
            .insert((resource, version), (recorded.at, place));
    }

    /// Anonymises a condition on versions. Versions that an earlier step returned are captured from it.
    fn condition(&mut self, recorded: &RecordedRequest, text: &str) -> String {
        let resource = self.placeholders.fingerprint(segment(recorded, 2));
        let (mut out, mut rest) = (String::new(), text);
        while let Some((before, quoted)) = rest.split_once('"') {
            let Some((inner, after)) = quoted.split_once('"') else {
                break;
            };
            let (before, weak) = match before.strip_suffix("W/") {
                Some(before) => (before, "W/"),
                None => (before, ""),
            };
            out.push_str(&self.between_tags(before));
            let version = format!("{weak}\"{inner}\"");
            let version = (resource, self.placeholders.fingerprint(version.as_str()));
            let response = self.versions.get(&version).copied();
            match response.and_then(|(at, place)| Some((at, place, self.steps.get_mut(&at)?))) {
                Some((at, place, step)) => {
                    step.capture
                        .insert(format!("version{at}"), place.to_owned());
                    out.push_str(&format!("{{{{version{at}}}}}"));
                }
                None => {
                    // Never a version that a server may really have, such as a number.
                    let inner = joined(inner, self.placeholders.whole(inner));
                    out.push_str(&format!("{weak}\"{inner}\""));
                }
            }
            rest = after;
        }
        out + &self.between_tags(rest)
    }

    /// Anonymises the text around the versions of a condition: separators and `*` are preserved.
    fn between_tags(&mut self, text: &str) -> String {
        if text.chars().all(|c| " \t,*".contains(c)) {
            text.to_owned()
        } else {
            joined(text, self.placeholders.whole(text))
        }
    }
}

/// The character with which UTF-8 text may begin.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The body of a request in a scenario.
#[derive(Default)]
struct Body {
    body: Option<Value>,
    raw_body: Option<String>,
    raw_charset: Charset,
}

impl Body {
    fn of_text(text: String) -> Self {
        Body {
            raw_body: Some(text),
            ..Body::default()
        }
    }
}

fn authorization(recorded: &RecordedRequest, response: &RecordedResponse) -> Authorization {
    let given = recorded.headers.contains_key(header::AUTHORIZATION);
    match response.status == StatusCode::UNAUTHORIZED {
        true if given => Authorization::Bad,
        true => Authorization::None,
        false => Authorization::Token,
    }
}

/// A server may respond to PATCH with or without the resource.
fn statuses(recorded: &RecordedRequest, response: &RecordedResponse) -> Vec<u16> {
    match (&recorded.method, response.status) {
        (&Method::PATCH, StatusCode::OK | StatusCode::NO_CONTENT) => vec![200, 204],
        (_, status) => vec![status.as_u16()],
    }
}

fn kind(recorded: &RecordedRequest) -> Message {
    let path = path(recorded).to_lowercase();
    if recorded.method == Method::PATCH || path == "/bulk" {
        Message::Operations
    } else if path.ends_with("/.search") {
        Message::Search
    } else {
        Message::Resource
    }
}

/// Returns a parameter of a query or of a search.
fn parameter(recorded: &RecordedRequest, sent: &[u8], name: &str) -> Option<String> {
    if kind(recorded) == Message::Search {
        let body: Value = serde_json::from_slice(sent).ok()?;
        return body.get(name)?.as_str().map(str::to_owned);
    }
    syntax::query_value(&recorded.target, name)
}

/// Returns a segment of the path of a request: the first is the endpoint, the second an id.
fn segment(recorded: &RecordedRequest, number: usize) -> &str {
    path(recorded).split('/').nth(number).unwrap_or_default()
}

fn path(recorded: &RecordedRequest) -> &str {
    recorded.target.split('?').next().unwrap_or_default()
}

/// Returns the name of a header in its usual capitalisation.
fn titled(name: &str) -> String {
    let parts = name.split('-').map(|part| {
        let mut letters = part.chars();
        let first = letters.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    parts.collect::<Vec<_>>().join("-")
}

/// Anonymises media types and their parameters, except for the well-known ones.
fn media_types(placeholders: &mut Placeholders, text: &str) -> String {
    const KNOWN: [&str; 18] = [
        "application",
        "boundary",
        "charset",
        "deflate",
        "form",
        "gzip",
        "html",
        "identity",
        "json",
        "multipart",
        "octet",
        "plain",
        "scim",
        "stream",
        "text",
        "urlencoded",
        "utf",
        "xml",
    ];
    let (mut pieces, mut at) = (Vec::new(), 0);
    for token in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let word = token.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let folded = word.to_ascii_lowercase();
        let short = word.len() == 1 || KNOWN.contains(&folded.as_str());
        if short || word.is_empty() && token.is_ascii() {
            pieces.push(Piece::Keep(at..at + token.len()))
        } else {
            pieces.push(Piece::Put(joined(token, placeholders.text(token))))
        }
        at += token.len();
    }
    joined(text, pieces)
}
