//! A lexer: words, strings and punctuation, without a grammar.

use crate::bytes::{self, NAME, URN};

/// Returns the number of tokens, or `None` if a byte starts no token.
#[must_use]
pub fn tokens(text: &str) -> Option<usize> {
    let mut rest = text.as_bytes();
    let mut count: usize = 0;
    while let Some(&first) = rest.first() {
        let length = match first {
            b' ' | b'(' | b')' | b'[' | b']' => 1,
            b'"' => string(rest)?,
            b'.' => 1,
            b'$' => bytes::run(rest.get(1..)?, NAME).checked_add(1)?,
            _ => match bytes::run(rest, NAME) {
                0 => return None,
                length if rest.get(length) == Some(&b':') => urn(rest)?,
                length => length,
            },
        };
        rest = rest.get(length..)?;
        count = count.checked_add(1)?;
    }
    Some(count)
}

/// Returns the length of a URN up to and including its last colon.
fn urn(input: &[u8]) -> Option<usize> {
    let word = input.get(..bytes::run(input, URN))?;
    let colon = word.iter().rposition(|&byte| byte == b':')?;
    colon.checked_add(1)
}

fn string(input: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += bytes::plain(input.get(at..)?);
        match input.get(at)? {
            b'"' => return at.checked_add(1),
            b'\\' => at += 2,
            _ => return None,
        }
    }
}
