//! What stands in a recording in place of what was sent: the same for the same, and nothing of it.

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

/// A part of a redacted text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// These bytes of the original.
    Keep(Range<usize>),
    /// This instead: letters, digits, `-`, `.` and placeholders.
    Put(String),
}

/// Puts the pieces of a text together.
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

/// The placeholders given out so far.
///
/// Originals are not kept, only hashes of them under a key that nobody knows.
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
    /// Digits, of which there are so many, with or without a zero in front.
    Number(usize, bool),
    Uuid,
    Word,
}

/// A placeholder and the ways to write it that stand for ways to write the original.
#[derive(Debug)]
struct Cased {
    base: String,
    spellings: HashMap<u64, String>,
    /// What the spellings are, of which there are few however many originals there are.
    taken: BTreeSet<String>,
}

impl Placeholders {
    /// The names and URNs that stay.
    pub(super) fn known(&self) -> Arc<RetainedNames> {
        Arc::clone(&self.known)
    }

    pub(super) fn set_known(&mut self, known: RetainedNames) {
        self.known = Arc::new(known);
    }

    /// From here on, `id` is what a step captured as `name`.
    pub(super) fn capture(&mut self, id: &str, name: &str) {
        let key = self.secret.hash_one(id);
        self.ids.insert(key, format!("{{{{{name}}}}}"));
    }

    /// The placeholder of what a step captured.
    pub(super) fn captured(&self, id: &str) -> Option<&str> {
        self.ids.get(&self.secret.hash_one(id)).map(String::as_str)
    }

    /// From here on, `cursor` is what a step captured as `name`; as any other text it is none.
    pub(super) fn capture_cursor(&mut self, cursor: &str, name: &str) {
        let key = self.secret.hash_one(("cursor", cursor));
        self.ids.insert(key, format!("{{{{{name}}}}}"));
    }

    /// What stands for a cursor: the one that a step captured, where the server gave it out.
    pub(super) fn cursor(&mut self, cursor: &str) -> Vec<Piece> {
        match self.ids.get(&self.secret.hash_one(("cursor", cursor))) {
            Some(captured) => vec![Piece::Put(captured.clone())],
            None => self.text(cursor),
        }
    }

    /// A hash that means nothing outside of this recording.
    pub(super) fn fingerprint(&self, what: impl Hash) -> u64 {
        self.secret.hash_one(what)
    }

    /// Remembers that a client sent that text.
    pub(super) fn saw(&mut self, text: &str) {
        let key = self.secret.hash_one(fold_case(text));
        self.seen.insert(key);
    }

    /// Whether a client sent that text, in whatever case.
    pub(super) fn has_seen(&self, text: &str) -> bool {
        self.seen.contains(&self.secret.hash_one(fold_case(text)))
    }

    /// What stands for the content of a certificate: base64, as that is.
    pub(super) fn certificate(&mut self, text: &str) -> String {
        self.plain(Kind::Certificate, text, |n| format!("anon{n:08}"))
    }

    /// What stands for a date, or date and time, written the same way.
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

    /// What stands for a text that nothing may be told of, not even how long it is.
    pub(super) fn whole(&mut self, text: &str) -> Vec<Piece> {
        vec![Piece::Put(format!("{}-{{{{run}}}}", self.word(text)))]
    }

    /// Redacts a text word by word; what stands between the words stays.
    ///
    /// The first word carries `{{run}}`, so that no two replays send the same.
    pub(super) fn text(&mut self, text: &str) -> Vec<Piece> {
        if let Some(captured) = self.captured(text) {
            return vec![Piece::Put(captured.to_owned())];
        }
        if let Some(date) = self.date(text) {
            return vec![Piece::Put(date)];
        }
        Tokens::new(self, text).pieces()
    }

    /// What stands for a host, with its port: another host.
    pub(super) fn domain(&mut self, text: &str) -> String {
        self.cased(Kind::Domain, text, |n| format!("anon{n}.example"))
    }

    /// What stands for digits: as many digits, of many the first sixty-four.
    pub(super) fn number(&mut self, digits: &str) -> String {
        let length = digits.len().min(64);
        let zero = digits.starts_with('0') && length > 1;
        let lead = if zero || length == 1 { "" } else { "1" };
        self.plain(Kind::Number(length, zero), digits, |n| {
            let n = n.to_string();
            let wide = length - lead.len();
            // Where there are so few digits that they run out, the last ones count on.
            let last = n.get(n.len().saturating_sub(wide)..).unwrap_or_default();
            format!("{lead}{}{last}", "0".repeat(wide - last.len()))
        })
    }

    /// What stands for a JSON number: one with as many digits, where there is such a number.
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

    /// How many originals are told apart.
    pub(super) fn len(&self) -> usize {
        self.cased.len() + self.ids.len() + self.plain.len() + self.seen.len()
    }

    /// What stands for a UUID: a UUID that no other replay has.
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

    /// A placeholder that is written in lower case, capitals or a mixture where the original is;
    /// what differs in case alone has the same, in another case.
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

/// The placeholder in the case of the original.
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

/// The text with those of its first letters as capitals that have a bit.
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
