//! A text, split into words, UUIDs, numbers, hosts, and what is between them.

use super::placeholders::{Piece, Placeholders};

/// A text that is being anonymised.
pub(super) struct Tokens<'p, 't> {
    /// The start of the next token.
    at: usize,
    placeholders: &'p mut Placeholders,
    pieces: Vec<Piece>,
    /// Whether a word already contains `{{run}}`.
    run: bool,
    text: &'t str,
}

impl<'p, 't> Tokens<'p, 't> {
    pub(super) fn new(placeholders: &'p mut Placeholders, text: &'t str) -> Self {
        Tokens {
            at: 0,
            placeholders,
            pieces: Vec::new(),
            run: false,
            text,
        }
    }

    pub(super) fn pieces(mut self) -> Vec<Piece> {
        while self.at < self.text.len() {
            self.token();
        }
        self.pieces
    }

    fn token(&mut self) {
        match self.rest().chars().next() {
            Some(next) if is_word(next) => self.word(),
            Some(next) => self.between(next),
            None => self.at = self.text.len(),
        }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Returns the longest prefix of the rest that consists of such characters.
    fn run_of(&self, belongs: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    }

    fn word(&mut self) {
        if let Some(uuid) = self.rest().get(..36).filter(|head| is_uuid(head))
            && !self.rest().chars().nth(36).is_some_and(is_word)
        {
            let uuid = self.placeholders.uuid(uuid);
            return self.put(uuid, 36);
        }
        let word = self.run_of(is_word);
        if self
            .rest()
            .get(word.len()..)
            .is_some_and(|rest| rest.starts_with("://"))
        {
            return self.address(word);
        }
        let mut made = if word.bytes().all(|b| b.is_ascii_digit()) {
            return self.digits(word);
        } else {
            self.placeholders.word(word)
        };
        if !std::mem::replace(&mut self.run, true) {
            made.push_str("-{{run}}");
        }
        self.put(made, word.len());
    }

    fn digits(&mut self, digits: &str) {
        let made = self.placeholders.number(digits);
        self.put(made, digits.len());
    }

    /// Anonymises a URL. A well-known scheme and the path segments of every service provider are preserved, but not the
    /// host.
    fn address(&mut self, scheme: &str) {
        if ["http", "https"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
        {
            self.keep(scheme.len());
        } else {
            let made = self.placeholders.word(scheme);
            self.put(made, scheme.len());
        }
        self.keep("://".len());
        self.host(|c| !"/?#\"'<>\\".contains(c) && !c.is_whitespace());
        while self.rest().starts_with('/') {
            self.keep(1);
            let segment = self.run_of(|c| is_word(c) || "-._~:%".contains(c));
            let end = self.at + segment.len();
            if let Some(captured) = self.placeholders.captured(segment) {
                let captured = captured.to_owned();
                self.put(captured, segment.len());
            } else if is_endpoint(segment) {
                self.keep(segment.len());
            }
            while self.at < end {
                self.token();
            }
        }
    }

    fn between(&mut self, next: char) {
        let doubled = matches!(next, '{' | '}')
            && self
                .text
                .get(..self.at)
                .is_some_and(|before| before.ends_with(next));
        match next {
            // Two braces would open or close a placeholder.
            '{' if doubled => self.put("(".to_owned(), 1),
            '}' if doubled => self.put(")".to_owned(), 1),
            '@' => {
                self.keep(1);
                self.host(|c| is_word(c) || c == '-' || c == '.');
            }
            _ => self.keep(1),
        }
    }

    fn host(&mut self, belongs: impl Fn(char) -> bool) {
        let host = self.run_of(belongs).trim_end_matches('.');
        if !host.is_empty() {
            let made = self.placeholders.domain(host);
            self.put(made, host.len());
        }
    }

    fn keep(&mut self, length: usize) {
        let end = self.at + length;
        match self.pieces.last_mut() {
            Some(Piece::Keep(range)) if range.end == self.at => range.end = end,
            _ if length > 0 => self.pieces.push(Piece::Keep(self.at..end)),
            _ => {}
        }
        self.at = end;
    }

    fn put(&mut self, text: String, instead_of: usize) {
        self.at += instead_of;
        self.pieces.push(Piece::Put(text));
    }
}

/// Returns whether a segment of a URL is one that every service provider has.
pub(super) fn is_endpoint(segment: &str) -> bool {
    const KNOWN: [&str; 13] = [
        ".search",
        "api",
        "bulk",
        "groups",
        "me",
        "resourcetypes",
        "schemas",
        "scim",
        "serviceproviderconfig",
        "services",
        "users",
        "v1",
        "v2",
    ];
    KNOWN
        .iter()
        .any(|known| segment.eq_ignore_ascii_case(known))
}

pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Returns whether a character may carry information: anything but ASCII punctuation, space and control characters.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || !c.is_ascii()
}
