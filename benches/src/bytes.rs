//! The character classes of each byte, in one table for all handwritten parsers.

pub(crate) const ALPHA: u8 = 1;
pub(crate) const NAME: u8 = 1 << 1;
pub(crate) const URN: u8 = 1 << 2;
/// A character that can't follow a number.
pub(crate) const WORD: u8 = 1 << 3;

pub(crate) static CLASSES: [u8; 256] = classes();

#[expect(
    clippy::indexing_slicing,
    reason = "runs at compile time, over every value of a byte"
)]
const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "the table has 256 entries")]
        let byte = at as u8;
        let mut class = 0;
        if byte.is_ascii_alphabetic() {
            class |= ALPHA;
        }
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            class |= NAME | URN;
        }
        if matches!(byte, b'!' | b'$'..=b'/' | b':'..=b';' | b'=' | b'@' | b'~') {
            class |= URN;
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

#[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
#[inline]
pub(crate) fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// Returns the number of bytes of `class` at the start of `bytes`.
#[inline]
pub(crate) fn run(bytes: &[u8], class: u8) -> usize {
    bytes
        .iter()
        .position(|&byte| !is(byte, class))
        .unwrap_or(bytes.len())
}

/// Returns the number of bytes at the start of `bytes` that need no escape in a JSON string, eight at a time.
#[inline]
pub(crate) fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, &word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(word);
        let quote = word ^ (ONES * 0x22);
        let backslash = word ^ (ONES * 0x5c);
        let special = HIGH
            & (word.wrapping_sub(ONES * 0x20) & !word
                | quote.wrapping_sub(ONES) & !quote
                | backslash.wrapping_sub(ONES) & !backslash);
        if special != 0 {
            return at * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let special = |&byte: &u8| byte < b' ' || matches!(byte, b'"' | b'\\');
    words.len() * 8 + rest.iter().position(special).unwrap_or(rest.len())
}
