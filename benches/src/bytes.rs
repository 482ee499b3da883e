//! What each byte may be part of: one table for everything that is written by hand here.

pub(crate) const ALPHA: u8 = 1;
pub(crate) const NAME: u8 = 1 << 1;
pub(crate) const URN: u8 = 1 << 2;
/// What a string holds as it is: anything but quotes, backslashes and control characters.
pub(crate) const PLAIN: u8 = 1 << 3;
/// What cannot follow a number.
pub(crate) const WORD: u8 = 1 << 4;

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
        if byte >= b' ' && !matches!(byte, b'"' | b'\\') {
            class |= PLAIN;
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

/// How many bytes of `class` stand at the front of `bytes`.
#[inline]
pub(crate) fn run(bytes: &[u8], class: u8) -> usize {
    bytes
        .iter()
        .position(|&byte| !is(byte, class))
        .unwrap_or(bytes.len())
}
