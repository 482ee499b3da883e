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

/// `text` without the blanks at its front.
#[inline]
pub(crate) fn trim_blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}
