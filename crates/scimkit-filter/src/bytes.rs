//! The classes of each byte, in one lookup table.

/// A letter, which alone can start a name.
pub(crate) const ALPHA: u8 = 1;
/// The bytes of a name: letters, digits, `-` and `_`.
pub(crate) const NAME: u8 = 1 << 1;
/// The bytes of a URN, besides percent encodings: RFC 8141's `pchar`, and `/`.
pub(crate) const URN: u8 = 1 << 2;
/// Space and tab.
pub(crate) const BLANK: u8 = 1 << 3;
/// The bytes that an error quotes as one word: all but blanks, quotes, brackets, commas and control characters.
pub(crate) const WORD: u8 = 1 << 4;

static CLASSES: [u8; 256] = classes();

#[expect(
    clippy::indexing_slicing,
    reason = "runs at compile time, over every value of a byte"
)]
const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < table.len() {
        #[expect(clippy::cast_possible_truncation, reason = "the table has 256 entries")]
        let byte = at as u8;
        let mut class = 0;
        if byte.is_ascii_alphabetic() {
            class |= ALPHA;
        }
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            class |= NAME | URN;
        }
        if matches!(
            byte,
            b'.' | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'@'
                | b'/'
        ) {
            class |= URN;
        }
        if matches!(byte, b' ' | b'\t') {
            class |= BLANK;
        }
        if byte > b' '
            && byte != 0x7f
            && !matches!(byte, b'"' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b',')
        {
            class |= WORD;
        }
        table[at] = class;
        at += 1;
    }
    table
}

/// Returns whether `byte` belongs to `class`.
#[inline]
pub(crate) fn is(byte: u8, class: u8) -> bool {
    CLASSES
        .get(usize::from(byte))
        .is_some_and(|found| found & class != 0)
}

/// Returns whether `text` starts with a byte of `class`.
#[inline]
pub(crate) fn starts(text: &str, class: u8) -> bool {
    text.as_bytes().first().is_some_and(|&byte| is(byte, class))
}

/// Returns the number of bytes of `class` at the start of `text`. It checks four at a time.
#[inline]
pub(crate) fn run(text: &str, class: u8) -> usize {
    let (fours, last) = text.as_bytes().as_chunks::<4>();
    let mut at = 0_usize;
    for &[first, second, third, fourth] in fours {
        if !is(first, class) {
            return at;
        }
        if !is(second, class) {
            return at.wrapping_add(1);
        }
        if !is(third, class) {
            return at.wrapping_add(2);
        }
        if !is(fourth, class) {
            return at.wrapping_add(3);
        }
        at = at.wrapping_add(4);
    }
    let last = last.iter().take_while(|&&byte| is(byte, class));
    at.wrapping_add(last.count())
}

/// Returns the number of bytes at the start of `text` that a JSON string contains unescaped: all but double quotes,
/// backslashes and the control characters below the space.
///
/// It checks eight bytes at a time: values are the longest tokens of a filter.
#[inline]
pub(crate) fn plain(text: &str) -> usize {
    let (words, last) = text.as_bytes().as_chunks::<8>();
    let mut at = 0_usize;
    for &word in words {
        let special = specials(word);
        if special != 0 {
            return at.wrapping_add(special.trailing_zeros() as usize / 8);
        }
        at = at.wrapping_add(8);
    }
    if last.is_empty() {
        return at;
    }
    match text.as_bytes().last_chunk::<8>() {
        // The last eight bytes include all that remain, and some that were checked before.
        Some(&word) => {
            let seen = 8_usize.wrapping_sub(last.len());
            let special = specials(word) >> seen.wrapping_mul(8);
            match special {
                0 => text.len(),
                _ => at.wrapping_add(special.trailing_zeros() as usize / 8),
            }
        }
        None => {
            let is_plain = |byte: &&u8| !matches!(byte, 0..=0x1f | b'"' | b'\\');
            last.iter().take_while(is_plain).count()
        }
    }
}

/// Returns a word whose lowest set bit is in the first byte that a JSON string must escape.
///
/// The subtraction sets a byte's highest bit exactly if the byte was smaller, up to the first such byte.
#[inline]
fn specials(bytes: [u8; 8]) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let word = u64::from_le_bytes(bytes);
    let below =
        |word: u64, bound: u8| word.wrapping_sub(ONES.wrapping_mul(u64::from(bound))) & !word;
    let equal = |byte: u8| below(word ^ ONES.wrapping_mul(u64::from(byte)), 1);
    (below(word, b' ') | equal(b'"') | equal(b'\\')) & HIGH
}

/// Returns `text` without leading blanks.
#[inline]
pub(crate) fn trim_blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

/// Returns `text` without leading blanks if no token follows them: at the end of the text, and before a closing
/// parenthesis or bracket.
#[inline]
pub(crate) fn trim_last_blanks(text: &str) -> &str {
    let trimmed = trim_blanks(text);
    match trimmed.as_bytes().first() {
        None | Some(b')' | b']') => trimmed,
        Some(_) => text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn word_wise_search_agrees_with_bytewise_search(text in "[\u{0}-\u{24}\\\\\u{5b}-\u{5d}\u{7e}-\u{81}aü😀]{0,40}", lead in 0_usize..9) {
            let text = format!("{}{text}", "x".repeat(lead));
            let special = |byte: u8| byte < b' ' || matches!(byte, b'"' | b'\\');
            let wanted = text.bytes().position(special).unwrap_or(text.len());
            prop_assert_eq!(plain(&text), wanted);
        }
    }
}
