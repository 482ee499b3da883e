//! What each byte may be part of, looked up in one table.

/// A letter: the only way to start a name.
pub(crate) const ALPHA: u8 = 1;
/// What a name is made of: letters, digits, `-` and `_`.
pub(crate) const NAME: u8 = 1 << 1;
/// What a URN is made of: RFC 8141's `pchar`, and `/`.
pub(crate) const URN: u8 = 1 << 2;
/// Space and tab.
pub(crate) const BLANK: u8 = 1 << 3;
/// What an error quotes as one word: anything but blanks, quotes, brackets, commas and control characters.
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
                | b'%'
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

/// Whether `byte` belongs to `class`.
#[inline]
pub(crate) fn is(byte: u8, class: u8) -> bool {
    CLASSES
        .get(usize::from(byte))
        .is_some_and(|found| found & class != 0)
}

/// Whether `text` starts with a byte of `class`.
#[inline]
pub(crate) fn starts(text: &str, class: u8) -> bool {
    text.as_bytes().first().is_some_and(|&byte| is(byte, class))
}

/// How many bytes of `class` stand at the front of `text`.
#[inline]
pub(crate) fn run(text: &str, class: u8) -> usize {
    text.bytes()
        .position(|byte| !is(byte, class))
        .unwrap_or(text.len())
}

/// How many bytes at the front of `text` a string of JSON holds as they are: anything but a double quote, a backslash
/// and the control characters below the space.
///
/// Eight bytes at a time: values are the longest tokens of a filter.
#[inline]
pub(crate) fn plain(text: &str) -> usize {
    let mut at = 0_usize;
    let mut chunks = text.as_bytes().chunks_exact(8);
    for chunk in chunks.by_ref() {
        let special = <[u8; 8]>::try_from(chunk).map_or(0, specials);
        if special != 0 {
            let within = usize::try_from(special.trailing_zeros() / 8).unwrap_or_default();
            return at.saturating_add(within);
        }
        at = at.saturating_add(8);
    }
    let last = chunks
        .remainder()
        .iter()
        .take_while(|byte| !matches!(byte, 0..=0x1f | b'"' | b'\\'));
    at.saturating_add(last.count())
}

/// A word whose lowest bit that is set is in the first byte that a string of JSON does not hold as it is.
///
/// Subtracting borrows into a byte's highest bit exactly when the byte was smaller, up to the first such byte.
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

/// `text` without the blanks at its front.
#[inline]
pub(crate) fn trim_blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn eight_at_a_time_finds_what_one_at_a_time_finds(text in "[\u{0}-\u{24}\\\\\u{5b}-\u{5d}\u{7e}-\u{81}aü😀]{0,40}", lead in 0_usize..9) {
            let text = format!("{}{text}", "x".repeat(lead));
            let special = |byte: u8| byte < b' ' || matches!(byte, b'"' | b'\\');
            let wanted = text.bytes().position(special).unwrap_or(text.len());
            prop_assert_eq!(plain(&text), wanted);
        }
    }
}
