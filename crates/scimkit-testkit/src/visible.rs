//! Escapes for text that could control a terminal.

/// Escapes every character that could control a terminal, or hide or reorder text: `\n`, `\t`, `\u{1b}`.
///
/// These are the control characters (C0, DEL and C1, including line ends), the line and paragraph separators, the
/// controls of bidirectional text, and the invisible formatting characters (zero width, byte order mark, tags). The
/// result is one line. A backslash is not escaped, so a second pass changes nothing.
///
/// # Example
/// ```
/// use scimkit_testkit::escape_invisible;
///
/// assert_eq!(escape_invisible("Zoë\u{1b}[2J\nok"), r"Zoë\u{1b}[2J\nok");
/// assert_eq!(escape_invisible("user\u{202e}nimda"), r"user\u{202e}nimda");
/// ```
#[must_use]
pub fn escape_invisible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' => visible.push_str("\\n"),
            '\r' => visible.push_str("\\r"),
            '\t' => visible.push_str("\\t"),
            hidden if is_invisible(hidden) => {
                visible.push_str(&format!("\\u{{{:x}}}", u32::from(hidden)));
            }
            shown => visible.push(shown),
        }
    }
    visible
}

/// Returns whether [`escape_invisible`] escapes the character.
///
/// # Example
/// ```
/// use scimkit_testkit::is_invisible;
///
/// assert!(is_invisible('\u{9b}') && is_invisible('\u{feff}'));
/// assert!(!is_invisible('é') && !is_invisible(' '));
/// ```
#[must_use]
pub fn is_invisible(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::{escape_invisible, is_invisible};

    #[test]
    fn hidden_characters_are_escaped_and_others_stay() {
        let ranges = [
            (0x00, 0x1f),
            (0x7f, 0x9f),
            (0x200b, 0x200f),
            (0x2028, 0x202e),
            (0x2060, 0x206f),
            (0xfeff, 0xfeff),
            (0x61c, 0x61c),
        ];
        for (first, last) in ranges {
            for letter in (first..=last).filter_map(char::from_u32) {
                let shown = escape_invisible(&format!("a{letter}b"));
                assert!(
                    shown.starts_with("a\\") && shown.ends_with('b'),
                    "{shown:?}"
                );
                assert!(!shown.chars().any(is_invisible), "{shown:?}");
            }
        }
        for text in ["plain", "Zoë 日本 😀 مرحبا", "a\\n", "\u{a0}"] {
            assert_eq!(escape_invisible(text), text);
        }
    }

    #[test]
    fn second_pass_changes_nothing() {
        let once = escape_invisible("\u{1b}]0;x\u{7}\r\n\u{9b}\u{2028}");
        assert_eq!(escape_invisible(&once), once);
    }
}
