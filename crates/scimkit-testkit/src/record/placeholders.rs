//! The replacements in a recording: equal for equal originals, and without any part of them.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    hash::{BuildHasher, Hash, RandomState},
    ops::Range,
    sync::Arc,
};

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime};
use scimkit_registry::fold_case;
use serde_json::Number;

use super::{retained_names::RetainedNames, tokens::Tokens};

/// A part of an anonymised text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// These bytes of the original.
    Keep(Range<usize>),
    /// A replacement: letters, digits, `-`, `.` and placeholders.
    Put(String),
}

/// Joins the pieces of a text.
pub(super) fn joined(text: &str, pieces: Vec<Piece>) -> String {
    let mut out = String::with_capacity(text.len());
    for piece in pieces {
        match piece {
            Piece::Keep(range) => out.push_str(text.get(range).unwrap_or_default()),
            Piece::Put(text) => out.push_str(&text),
        }
    }
    out
}

/// The placeholders so far.
///
/// Originals are not stored, only their hashes under a random key.
#[derive(Debug, Default)]
pub(super) struct Placeholders {
    cased: HashMap<u64, Cased>,
    counts: HashMap<Kind, u32>,
    ids: HashMap<u64, String>,
    known: Arc<RetainedNames>,
    plain: HashMap<u64, String>,
    secret: RandomState,
    seen: HashSet<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Certificate,
    Date,
    Domain,
    /// A number of digits, with or without a leading zero.
    Number(usize, bool),
    Uuid,
    Word,
}

/// A placeholder and its spellings, one per spelling of the original.
#[derive(Debug)]
struct Cased {
    base: String,
    spellings: HashMap<u64, String>,
    /// The spellings in use; there are few, however many originals there are.
    taken: BTreeSet<String>,
}

impl Placeholders {
    /// Returns the names and URNs that are preserved.
    pub(super) fn known(&self) -> Arc<RetainedNames> {
        Arc::clone(&self.known)
    }

    pub(super) fn set_known(&mut self, known: RetainedNames) {
        self.known = Arc::new(known);
    }

    /// Replaces `id` from now on by what a step captured as `name`.
    pub(super) fn capture(&mut self, id: &str, name: &str) {
        let key = self.secret.hash_one(id);
        self.ids.insert(key, format!("{{{{{name}}}}}"));
    }

    /// Returns the placeholder of a captured id.
    pub(super) fn captured(&self, id: &str) -> Option<&str> {
        self.ids.get(&self.secret.hash_one(id)).map(String::as_str)
    }

    /// Replaces `cursor` from now on by what a step captured as `name`, but only where a cursor is sent.
    pub(super) fn capture_cursor(&mut self, cursor: &str, name: &str) {
        let key = self.secret.hash_one(("cursor", cursor));
        self.ids.insert(key, format!("{{{{{name}}}}}"));
    }

    /// Replaces a cursor: by the captured one if the server returned it.
    pub(super) fn cursor(&mut self, cursor: &str) -> Vec<Piece> {
        match self.ids.get(&self.secret.hash_one(("cursor", cursor))) {
            Some(captured) => vec![Piece::Put(captured.clone())],
            None => self.text(cursor),
        }
    }

    /// Returns a hash that is meaningless outside this recording.
    pub(super) fn fingerprint(&self, what: impl Hash) -> u64 {
        self.secret.hash_one(what)
    }

    /// Remembers that a client sent that text.
    pub(super) fn saw(&mut self, text: &str) {
        let key = self.secret.hash_one(fold_case(text));
        self.seen.insert(key);
    }

    /// Returns whether a client sent that text, ignoring case.
    pub(super) fn has_seen(&self, text: &str) -> bool {
        self.seen.contains(&self.secret.hash_one(fold_case(text)))
    }

    /// Replaces the content of a certificate, by other base64 text.
    pub(super) fn certificate(&mut self, text: &str) -> String {
        self.plain(Kind::Certificate, text, |n| format!("anon{n:08}"))
    }

    /// Replaces a date, or date and time, by one in the same format.
    pub(super) fn date(&mut self, text: &str) -> Option<String> {
        let is_date = DateTime::parse_from_rfc3339(text).is_ok()
            || NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").is_ok()
            || NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok();
        let clock = text.get(10..).filter(|_| is_date)?;
        let clock = clock.replace(|c: char| c.is_ascii_digit(), "0");
        Some(self.plain(Kind::Date, text, |n| {
            let first = NaiveDate::from_ymd_opt(2001, 1, 1).unwrap_or_default();
            let day = first.checked_add_days(Days::new(u64::from(n) % 1_000_000));
            format!("{}{clock}", day.unwrap_or(first))
        }))
    }

    /// Replaces a text as a whole, so that not even its length is known.
    pub(super) fn whole(&mut self, text: &str) -> Vec<Piece> {
        vec![Piece::Put(format!("{}-{{{{run}}}}", self.word(text)))]
    }

    /// Anonymises a text word by word, and preserves what is between the words.
    ///
    /// The first word contains `{{run}}`, so that no two replays send the same text.
    pub(super) fn text(&mut self, text: &str) -> Vec<Piece> {
        if let Some(captured) = self.captured(text) {
            return vec![Piece::Put(captured.to_owned())];
        }
        if let Some(date) = self.date(text) {
            return vec![Piece::Put(date)];
        }
        Tokens::new(self, text).pieces()
    }

    /// Replaces a host, with its port, by another host.
    pub(super) fn domain(&mut self, text: &str) -> String {
        self.cased(Kind::Domain, text, |n| format!("anon{n}.example"))
    }

    /// Replaces digits by as many digits, up to 64.
    pub(super) fn number(&mut self, digits: &str) -> String {
        let length = digits.len().min(64);
        let zero = digits.starts_with('0') && length > 1;
        let lead = if zero || length == 1 { "" } else { "1" };
        self.plain(Kind::Number(length, zero), digits, |n| {
            let n = n.to_string();
            let wide = length - lead.len();
            // With too few digits for all originals, the last digits start again.
            let last = n.get(n.len().saturating_sub(wide)..).unwrap_or_default();
            format!("{lead}{}{last}", "0".repeat(wide - last.len()))
        })
    }

    /// Replaces a JSON number by one with as many digits, if there is such a number.
    pub(super) fn count(&mut self, number: &Number) -> Number {
        let (mut out, mut digits) = (String::new(), String::new());
        for sign in number.to_string().chars().chain(std::iter::once(' ')) {
            if sign.is_ascii_digit() {
                digits.push(sign);
                continue;
            }
            if !digits.is_empty() {
                out.push_str(&self.number(&std::mem::take(&mut digits)));
            }
            out.push(sign);
        }
        let made = out.trim_end().parse();
        made.unwrap_or_else(|_| Number::from(0))
    }

    /// Returns the number of different originals.
    pub(super) fn len(&self) -> usize {
        self.cased.len() + self.ids.len() + self.plain.len() + self.seen.len()
    }

    /// Replaces a UUID by one that differs in every replay.
    pub(super) fn uuid(&mut self, text: &str) -> String {
        if let Some(captured) = self.captured(text) {
            return captured.to_owned();
        }
        let uuid = self.cased(Kind::Uuid, text, |n| {
            format!(
                "abcdef{:02x}-{:04x}-4000-8000-0000",
                n >> 16 & 0xff,
                n & 0xffff
            )
        });
        format!("{uuid}{{{{run}}}}")
    }

    pub(super) fn word(&mut self, text: &str) -> String {
        let ascii = text.is_ascii();
        self.cased(Kind::Word, text, |n| {
            if ascii {
                format!("anon{n}")
            } else {
                format!("\u{e5}non{n}")
            }
        })
    }

    fn next(&mut self, kind: Kind) -> u32 {
        let count = self.counts.entry(kind).or_default();
        *count = count.saturating_add(1);
        *count
    }

    fn plain(&mut self, kind: Kind, text: &str, make: impl Fn(u32) -> String) -> String {
        let key = self.secret.hash_one((kind, text));
        if let Some(known) = self.plain.get(&key) {
            return known.clone();
        }
        let mut made = make(self.next(kind));
        if made == text {
            made = make(self.next(kind));
        }
        self.plain.insert(key, made.clone());
        made
    }

    /// Returns a placeholder in the letter case of the original. Originals that differ only in case have the same
    /// placeholder in different cases.
    fn cased(&mut self, kind: Kind, text: &str, make: impl Fn(u32) -> String) -> String {
        let key = self.secret.hash_one((kind, fold_case(text)));
        let spelling = self.secret.hash_one(text);
        if !self.cased.contains_key(&key) {
            let cased = Cased {
                base: make(self.next(kind)),
                spellings: HashMap::new(),
                taken: BTreeSet::new(),
            };
            self.cased.insert(key, cased);
        }
        let Some(cased) = self.cased.get_mut(&key) else {
            return String::new();
        };
        if let Some(known) = cased.spellings.get(&spelling) {
            return known.clone();
        }
        let like = like(&cased.base, text);
        let others = (0..16).map(|capitals| capitalised(&cased.base, capitals));
        let made = std::iter::once(like.clone())
            .chain(others)
            .find(|candidate| !cased.taken.contains(candidate))
            .unwrap_or(like);
        cased.taken.insert(made.clone());
        cased.spellings.insert(spelling, made.clone());
        made
    }
}

/// Returns the placeholder in the letter case of the original.
fn like(base: &str, original: &str) -> String {
    let cased = |c: &char| c.is_lowercase() || c.is_uppercase();
    let letters: Vec<_> = original.chars().filter(cased).collect();
    let capitals = letters.iter().filter(|c| c.is_uppercase()).count();
    let first = letters.first().is_some_and(|c| c.is_uppercase());
    match capitals {
        0 => base.to_owned(),
        1 if first => capitalised(base, 0b0001),
        _ if capitals == letters.len() => base.to_uppercase(),
        _ => capitalised(base, 0b0010 | u32::from(first)),
    }
}

/// Returns the text with capitals for those of its first letters that have a bit.
fn capitalised(text: &str, capitals: u32) -> String {
    let capital = |(at, c): (usize, char)| {
        if at < 32 && capitals >> at & 1 == 1 {
            c.to_uppercase().next().unwrap_or(c)
        } else {
            c
        }
    };
    text.chars().enumerate().map(capital).collect()
}
