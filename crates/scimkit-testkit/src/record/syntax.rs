//! Filters, attribute paths, and the paths and queries of requests. Their grammar is preserved as spelled, and values
//! are replaced.

use std::ops::Range;

use scimkit_filter::{Leniency, ParseOptions, Path};

use super::{
    placeholders::{Piece, Placeholders, joined},
    tokens::is_endpoint,
    values,
};

/// Anonymises a filter. The grammar and known names are preserved, whether or not the filter can be parsed.
pub(super) fn filter(placeholders: &mut Placeholders, text: &str) -> Vec<Piece> {
    around_literals(placeholders, text, known_words)
}

/// Anonymises a PATCH path, or the attribute name of an object member, like [`filter`].
pub(super) fn path(placeholders: &mut Placeholders, text: &str) -> Vec<Piece> {
    filter(placeholders, text)
}

/// Anonymises a list of attribute names, separated by commas.
pub(super) fn names(placeholders: &mut Placeholders, text: &str) -> Vec<Piece> {
    let (mut pieces, mut start) = (Vec::new(), 0);
    for name in text.split_inclusive(',') {
        let bare = name.trim_end_matches(',');
        let padded = bare.len() - bare.trim_start().len();
        pieces.push(Piece::Keep(start..start + padded));
        let inner = path(placeholders, bare.trim());
        pieces.extend(shifted(inner, start + padded));
        let end = start + name.len();
        pieces.push(Piece::Keep(start + padded + bare.trim().len()..end));
        start = end;
    }
    pieces
}

/// Returns the attribute at the end of a PATCH path, in lower case.
pub(super) fn attribute(path: &str) -> String {
    let Ok(path) = Path::parse_with(path, &lenient()) else {
        return path.to_lowercase();
    };
    match path.sub_attribute {
        Some(sub) => format!("{}.{sub}", path.name).to_lowercase(),
        None => path.name.to_lowercase(),
    }
}

/// Anonymises the path and query of a request in their encoded form.
pub(super) fn target(placeholders: &mut Placeholders, raw: &str, endpoint: Endpoint) -> String {
    let (path, query) = match raw.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (raw, None),
    };
    let mut segments = path.split('/');
    let mut out = segments.next().unwrap_or_default().to_owned();
    for (at, segment) in segments.enumerate() {
        let own = endpoint == Endpoint::Own
            && at == 0
            && segment.bytes().all(|b| b.is_ascii_alphabetic());
        let redacted = encoded(segment, Plus::Plus, |decoded| {
            if let Some(captured) = placeholders.captured(decoded) {
                vec![Piece::Put(captured.to_owned())]
            } else if own
                || is_endpoint(decoded)
                || values::is_word_of_the_rfc(placeholders, decoded)
            {
                whole(decoded)
            } else {
                values::text(placeholders, "", decoded)
            }
        });
        out.push('/');
        out.push_str(&redacted);
    }
    let parameters = query.into_iter().flat_map(|query| query.split('&'));
    for (at, parameter) in parameters.enumerate() {
        out.push(if at == 0 { '?' } else { '&' });
        out.push_str(&self::parameter(placeholders, parameter));
    }
    out
}

/// Whether the first segment of a path is known to be an endpoint of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Own,
    Unknown,
}

/// Returns the decoded value of a query parameter.
pub(super) fn query_value(target: &str, name: &str) -> Option<String> {
    let (_, query) = target.split_once('?')?;
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs
        .into_iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some(Decoded::new(value, Plus::in_query(value))?.text)
}

fn parameter(placeholders: &mut Placeholders, raw: &str) -> String {
    const KNOWN: [&str; 9] = [
        "aadoptscim062020",
        "attributes",
        "count",
        "cursor",
        "excludedattributes",
        "filter",
        "sortby",
        "sortorder",
        "startindex",
    ];
    let (name, value) = match raw.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (raw, None),
    };
    let folded = Decoded::new(name, Plus::Blank).map_or_else(String::new, |name| name.text);
    let folded = folded.to_ascii_lowercase();
    let mut out = if KNOWN.contains(&folded.as_str()) {
        name.to_owned()
    } else {
        encoded(name, Plus::Blank, |text| placeholders.text(text))
    };
    if let Some(value) = value {
        out.push('=');
        out.push_str(&encoded(
            value,
            Plus::in_query(value),
            |text| match folded.as_str() {
                "attributes" | "excludedattributes" | "sortby" => names(placeholders, text),
                "cursor" => placeholders.cursor(text),
                "filter" => filter(placeholders, text),
                "count" | "startindex" if text.parse::<i64>().is_ok() => whole(text),
                "sortorder" if values::is_sort_order(text) => whole(text),
                _ => placeholders.text(text),
            },
        ));
    }
    out
}

fn whole(text: &str) -> Vec<Piece> {
    vec![Piece::Keep(0..text.len())]
}

fn lenient() -> ParseOptions {
    let mut leniency = Leniency::LENIENT;
    // Nothing marks a word without quotes as a value, so such a filter is anonymised word by word.
    leniency.bare_words = false;
    ParseOptions::default().with_leniency(leniency)
}

/// Anonymises string literals, and calls `around` for the text between them.
fn around_literals(
    placeholders: &mut Placeholders,
    text: &str,
    mut around: impl FnMut(&mut Placeholders, &str) -> Vec<Piece>,
) -> Vec<Piece> {
    let (mut pieces, mut kept) = (Vec::new(), 0);
    while let Some(literal) = next_literal(text, kept) {
        let between = text.get(kept..literal.start).unwrap_or_default();
        pieces.extend(shifted(around(placeholders, between), kept));
        let attribute = compared(between);
        let inner = text.get(literal.clone()).unwrap_or_default();
        kept = literal.end;
        match serde_json::from_str::<String>(&format!("\"{inner}\"")) {
            Ok(plain) if plain == inner => {
                let redacted = values::text(placeholders, &attribute, inner);
                pieces.extend(shifted(redacted, literal.start));
            }
            Ok(plain) => {
                let redacted = values::text(placeholders, &attribute, &plain);
                let quoted = serde_json::Value::from(joined(&plain, redacted)).to_string();
                let inner = quoted.get(1..quoted.len() - 1).unwrap_or_default();
                pieces.push(Piece::Put(inner.to_owned()));
            }
            Err(_) => pieces.extend(shifted(placeholders.text(inner), literal.start)),
        }
    }
    let after = text.get(kept..).unwrap_or_default();
    pieces.extend(shifted(around(placeholders, after), kept));
    pieces
}

/// Returns the range of the next string literal, without its quotation marks.
fn next_literal(text: &str, from: usize) -> Option<Range<usize>> {
    // After a literal, its closing mark comes first, and then the text between two literals.
    let skipped = usize::from(from > 0);
    let rest = text.get(from + skipped..)?;
    let start = from + skipped + rest.find('"')? + 1;
    let (mut end, mut escaped) = (start, false);
    for byte in text.get(start..)?.bytes() {
        match byte {
            b'"' if !escaped => return Some(start..end),
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
        end += 1;
    }
    Some(start..end)
}

/// Returns the attribute that the literal after this text is compared with.
fn compared(before: &str) -> String {
    let before = before.trim_end_matches('"').trim_end();
    let mut words = before
        .rsplit([' ', '(', '['])
        .filter(|word| !word.is_empty());
    words.nth(1).unwrap_or_default().to_lowercase()
}

/// Anonymises text outside quotation marks, except for punctuation, known names and known URNs.
fn known_words(placeholders: &mut Placeholders, text: &str) -> Vec<Piece> {
    let known = placeholders.known();
    let (mut pieces, mut at) = (Vec::new(), 0);
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '$' || !c.is_ascii();
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some(length) = known.urn_prefix(rest) {
            pieces.push(Piece::Keep(at..at + length));
            at += length;
            continue;
        }
        let length = number(rest);
        if let Some(number) = rest.get(..length).and_then(|digits| digits.parse().ok()) {
            pieces.push(Piece::Put(placeholders.count(&number).to_string()));
            at += length;
            continue;
        }
        let name = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let other = rest.find(is_name).unwrap_or(rest.len());
        let between = rest
            .get(..other)
            .and_then(|other| other.find('-'))
            .filter(|at| *at > 0);
        let token = rest
            .get(..name.max(between.unwrap_or(other)))
            .unwrap_or(rest);
        if token == "$ref" || known.has_name(token) {
            pieces.push(Piece::Keep(at..at + token.len()))
        } else {
            pieces.extend(shifted(placeholders.text(token), at))
        }
        at += token.len();
    }
    pieces
}

/// Returns the length of the number at the start of a text, if a separator or nothing follows it.
fn number(text: &str) -> usize {
    let end = text
        .find([' ', '\t', '(', ')', '[', ']', '"'])
        .unwrap_or(text.len());
    let digits = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    if digits { end } else { 0 }
}

fn shifted(pieces: Vec<Piece>, by: usize) -> impl Iterator<Item = Piece> {
    pieces.into_iter().map(move |piece| match piece {
        Piece::Keep(range) => Piece::Keep(range.start + by..range.end + by),
        put => put,
    })
}

/// The meaning of a plus sign: a space or itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plus {
    Blank,
    Plus,
}

impl Plus {
    /// A plus next to a `%20` is a plus, like with the tolerance `raw_plus`.
    fn in_query(value: &str) -> Self {
        if value.contains("%20") {
            Plus::Plus
        } else {
            Plus::Blank
        }
    }
}

/// Anonymises the text in a percent-encoded string, and preserves the encoding of the rest.
fn encoded(raw: &str, plus: Plus, redact: impl FnOnce(&str) -> Vec<Piece>) -> String {
    let Some(decoded) = Decoded::new(raw, plus) else {
        // The original is not UTF-8, and neither is the replacement.
        return "%FF".to_owned();
    };
    let mut out = String::new();
    for piece in redact(&decoded.text) {
        match piece {
            Piece::Keep(range) => out.push_str(decoded.raw(&range)),
            Piece::Put(text) => out.push_str(&put(&text)),
        }
    }
    out
}

/// Encodes a placeholder for a path. Braces are preserved, because the replay encodes the value.
fn put(text: &str) -> String {
    let mut out = String::new();
    for part in text.split_inclusive(['{', '}']) {
        let bare = part.trim_end_matches(['{', '}']);
        out.push_str(&crate::replay::encoded(bare));
        out.push_str(part.get(bare.len()..).unwrap_or_default());
    }
    out
}

/// A decoded text with its percent-encoded original.
struct Decoded<'r> {
    raw: &'r str,
    /// The start of each byte in the encoded text, and its end.
    starts: Vec<usize>,
    text: String,
}

impl<'r> Decoded<'r> {
    /// Decodes a text; `None` if the result is not UTF-8.
    fn new(raw: &'r str, plus: Plus) -> Option<Self> {
        let (mut bytes, mut starts, mut at) = (Vec::new(), Vec::new(), 0);
        while let Some(&byte) = raw.as_bytes().get(at) {
            starts.push(at);
            let hex = raw.get(at + 1..at + 3).filter(|_| byte == b'%');
            let hex = hex.filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
            match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                Some(byte) => {
                    bytes.push(byte);
                    at += 3;
                }
                None => {
                    bytes.push(if byte == b'+' && plus == Plus::Blank {
                        b' '
                    } else {
                        byte
                    });
                    at += 1;
                }
            }
        }
        starts.push(raw.len());
        let text = String::from_utf8(bytes).ok()?;
        Some(Decoded { raw, starts, text })
    }

    fn raw(&self, range: &Range<usize>) -> &'r str {
        let start = self.starts.get(range.start).copied().unwrap_or_default();
        let end = self.starts.get(range.end).copied().unwrap_or(start);
        self.raw.get(start..end).unwrap_or_default()
    }
}
