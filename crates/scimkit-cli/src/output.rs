//! What the command writes: lines in which a value can't do more than be read.

use std::{
    fmt,
    io::{self, ErrorKind, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use scimkit_testkit::{escape_invisible, is_invisible};
use serde_json::Value;

/// Writes one line to standard output; where nobody reads any more, as behind `head`, nothing is left to say.
macro_rules! sayln {
    ($($text:tt)*) => { $crate::output::say(&format!($($text)*)) };
}

/// Writes one line to standard error, as far as that can be.
macro_rules! hintln {
    ($($text:tt)*) => { $crate::output::hint(&format!($($text)*)) };
}

/// Whether something that was to be written is lost.
static IS_LOST: AtomicBool = AtomicBool::new(false);

/// Whether something that was to be written is lost.
pub(crate) fn is_lost() -> bool {
    IS_LOST.load(Ordering::Relaxed)
}

/// One line on standard output. What is in it can't end the line.
pub(crate) fn say(line: &str) {
    note_loss(put([line]));
}

/// One line on standard error.
pub(crate) fn hint(line: &str) {
    drop(write(io::stderr(), [line]));
}

/// The lines of a text whose values are escaped already, or have no meaning line by line.
pub(crate) fn say_lines(text: &str) {
    note_loss(put(text.lines()));
}

/// The same on standard error.
pub(crate) fn hint_lines(text: &str) {
    drop(write(io::stderr(), text.lines()));
}

/// A document for machines, on standard output.
pub(crate) fn say_json(document: &Value) {
    note_loss(put_json(document));
}

/// Writes lines to standard output, at once.
///
/// # Errors
/// When they can't be written.
pub(crate) fn put<'l>(lines: impl IntoIterator<Item = &'l str>) -> io::Result<()> {
    write(io::stdout(), lines)
}

/// Writes a document to standard output, at once.
///
/// # Errors
/// When it can't be written.
pub(crate) fn put_json(document: &Value) -> io::Result<()> {
    put(json_text(document).lines())
}

/// All that the command writes for people and machines comes by here.
fn write<'l>(mut output: impl Write, lines: impl IntoIterator<Item = &'l str>) -> io::Result<()> {
    for line in lines {
        output.write_all(format!("{}\n", escape_invisible(line)).as_bytes())?;
    }
    output.flush()
}

fn note_loss(written: io::Result<()>) {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            IS_LOST.store(true, Ordering::Relaxed);
        }
        _ => {}
    }
}

/// The document with the escapes of JSON for all that [`escape_invisible`] would write in another way.
pub(crate) fn json_text(document: &Value) -> String {
    let text = format!("{document:#}");
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        // JSON itself escapes C0 in strings; an end of a line is one between values.
        if letter != '\n' && is_invisible(letter) {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(letter);
        }
    }
    escaped
}

/// Text without what could steer a terminal, for those who write it themselves.
pub(crate) fn visible(text: impl fmt::Display) -> String {
    escape_invisible(&text.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{json_text, write};

    #[test]
    fn value_can_not_end_its_line() {
        let mut output = Vec::new();
        write(&mut output, ["a\nerror: b\r\u{1b}[2J", "c\u{2028}d"]).unwrap();
        let text = String::from_utf8(output).unwrap();
        assert_eq!(text, "a\\nerror: b\\r\\u{1b}[2J\nc\\u{2028}d\n");
    }

    #[test]
    fn json_stays_the_same_document() {
        let hidden = "\u{0}\u{1b}\n\t\u{7f}\u{85}\u{9b}\u{61c}\u{200b}\u{200e}\u{202e}\u{2066}\u{2028}\u{feff}\u{e0041} é";
        let document = json!({ "name": hidden, hidden: [hidden] });
        let text = json_text(&document);
        assert!(
            text.chars()
                .all(|letter| letter == '\n' || !super::is_invisible(letter)),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), document);
    }
}
