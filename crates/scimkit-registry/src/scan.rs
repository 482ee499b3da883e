//! A scanner for JSON text that this library wrote: it finds values without parsing them.
//!
//! Text that is not JSON ends a scan early, as soon as this is noticed; the scanner never reads beyond its end.

/// The raw text of a member's name, without its quotes, and of its value.
pub(crate) type Member<'t> = (&'t [u8], &'t [u8]);

/// The members of a JSON object's text: the raw text of each name, without its quotes, and of each value.
#[derive(Debug, Clone)]
pub(crate) struct Members<'t>(Items<'t>);

/// The elements of a JSON array's text.
#[derive(Debug, Clone)]
pub(crate) struct Elements<'t>(Items<'t>);

impl<'t> Members<'t> {
    /// Returns the members of an object; none for any other text.
    pub(crate) fn of(text: &'t [u8]) -> Self {
        Members(Items::of(text, b'{'))
    }

    /// Returns whether the scan, after its last member, has reached the end of the object and of the text.
    pub(crate) fn is_complete(&self) -> bool {
        self.0.text.get(self.0.at..) == Some(b"}")
    }
}

impl<'t> Elements<'t> {
    /// Returns the elements of an array; none for any other text.
    pub(crate) fn of(text: &'t [u8]) -> Self {
        Elements(Items::of(text, b'['))
    }
}

impl<'t> Iterator for Members<'t> {
    type Item = Member<'t>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.skip_separators();
        let Items { at, text } = &mut self.0;
        if *text.get(*at)? != b'"' {
            return None;
        }
        let end = string_end(text, *at)?;
        let name = text.get(*at + 1..end - 1)?;
        *at = end;
        self.0.skip_separators();
        Some((name, self.0.value()?))
    }
}

impl<'t> Iterator for Elements<'t> {
    type Item = &'t [u8];

    fn next(&mut self) -> Option<Self::Item> {
        self.0.skip_separators();
        self.0.value()
    }
}

/// The rest of an object or array.
#[derive(Debug, Clone)]
struct Items<'t> {
    at: usize,
    text: &'t [u8],
}

impl<'t> Items<'t> {
    fn of(text: &'t [u8], open: u8) -> Self {
        match text.first() {
            Some(first) if *first == open => Items { at: 1, text },
            _ => Items { at: 0, text: &[] },
        }
    }

    /// Skips blanks, commas and colons.
    fn skip_separators(&mut self) {
        while let Some(b',' | b':' | b' ' | b'\n' | b'\r' | b'\t') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Option<&'t [u8]> {
        let end = value_end(self.text, self.at)?;
        let value = self.text.get(self.at..end).filter(|v| !v.is_empty())?;
        self.at = end;
        Some(value)
    }
}

/// Returns the end of the value that starts at `at`.
pub(crate) fn value_end(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at)? {
        b'"' => string_end(text, at),
        b'[' | b'{' => container_end(text, at),
        _ => {
            let rest = text.get(at..)?;
            let len = rest
                .iter()
                .position(|byte| matches!(byte, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t'));
            Some(at + len.unwrap_or(rest.len()))
        }
    }
}

/// Returns the end of the object or array that starts at `at`.
fn container_end(text: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match text.get(at)? {
            b'"' => {
                at = string_end(text, at)?;
                continue;
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// Returns the end of the string whose opening quote is at `at`, after its closing quote.
fn string_end(text: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        let rest = text.get(at..)?;
        let special = position_of_special(rest)?;
        match rest.get(special)? {
            b'"' => return Some(at + special + 1),
            // The backslash and the escaped byte.
            _ => at += special + 2,
        }
    }
}

/// Returns the position of the first quote or backslash.
fn position_of_special(text: &[u8]) -> Option<usize> {
    let (words, rest) = text.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = zeros(word ^ QUOTES) | zeros(word ^ BACKSLASHES);
        if found != 0 {
            return Some(at * 8 + (found.trailing_zeros() / 8) as usize);
        }
    }
    let found = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    Some(words.len() * 8 + found)
}

/// Returns the lines of a text, without their line feeds.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = position_of_line_feed(text) else {
            return rest.take();
        };
        rest = text.get(end + 1..);
        text.get(..end)
    })
}

fn position_of_line_feed(text: &[u8]) -> Option<usize> {
    let (words, rest) = text.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let found = zeros(u64::from_le_bytes(*word) ^ LINE_FEEDS);
        if found != 0 {
            return Some(at * 8 + (found.trailing_zeros() / 8) as usize);
        }
    }
    let found = rest.iter().position(|byte| *byte == b'\n')?;
    Some(words.len() * 8 + found)
}

const ONES: u64 = u64::from_le_bytes([1; 8]);
const QUOTES: u64 = ONES * b'"' as u64;
const LINE_FEEDS: u64 = ONES * b'\n' as u64;
const BACKSLASHES: u64 = ONES * b'\\' as u64;

/// Sets the highest bit of the first byte that is zero, and none before it.
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn spaced(value: &Value) -> Vec<u8> {
        serde_json::to_vec_pretty(value).unwrap()
    }

    fn check(text: &[u8], value: &Value) {
        match value {
            Value::Array(elements) => {
                let found: Vec<_> = Elements::of(text).collect();
                assert_eq!(found.len(), elements.len());
                found.iter().zip(elements).for_each(|(t, v)| check(t, v));
            }
            Value::Object(members) => {
                let found: Vec<_> = Members::of(text).collect();
                assert_eq!(found.len(), members.len());
                for ((name, text), (key, value)) in found.into_iter().zip(members) {
                    let name = [b"\"", name, b"\""].concat();
                    assert_eq!(serde_json::from_slice::<String>(&name).unwrap(), *key);
                    check(text, value);
                }
            }
            _ => assert_eq!(serde_json::from_slice::<Value>(text).unwrap(), *value),
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let text = prop_oneof![any::<String>(), r#"[a-z"\\\[{,:\]} ]{0,20}"#];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e9..1e9).prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            let members = prop::collection::vec((text.clone(), inner.clone()), 0..6);
            prop_oneof![
                prop::collection::vec(inner, 0..6).prop_map(Value::from),
                members.prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn scan_agrees_with_a_parser(value in values()) {
            check(value.to_string().as_bytes(), &value);
            check(&spaced(&value), &value);
        }

        #[test]
        fn lines_are_those_of_the_text(text in "[a-z\n]{0,60}") {
            let found: Vec<_> = lines(text.as_bytes()).collect();
            let expected: Vec<_> = text.split('\n').map(str::as_bytes).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn scan_of_any_bytes_ends(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            for open in [b"{", b"["] {
                let text = [&open[..], &bytes].concat();
                prop_assert!(Members::of(&text).count() <= text.len());
                prop_assert!(Elements::of(&text).count() <= text.len());
            }
        }
    }

    #[test]
    fn malformed_text_ends_a_scan() {
        for text in [
            "",
            "{",
            r#"{"a"#,
            r#"{"a\"#,
            r#"{"a":"#,
            r#"{"a":"b"#,
            r#"{"a":[{"b":1}"#,
            "7",
        ] {
            assert_eq!(Members::of(text.as_bytes()).count(), 0, "{text}");
        }
        assert_eq!(Elements::of(br#"["a","b"#).count(), 1);
        assert_eq!(Members::of(json!(["a"]).to_string().as_bytes()).count(), 0);
    }
}
