//! The output of the command: lines whose values can't steer the terminal.

use std::{
    fmt,
    io::{self, ErrorKind, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use anstyle::{AnsiColor, Effects};
use scimkit_testkit::{escape_invisible, is_invisible};
use serde_json::{Value, json};

/// Writes one line to standard output. If the reader has closed it, as `head` does, the line is dropped.
macro_rules! sayln {
    ($($text:tt)*) => { $crate::output::say(&format!($($text)*)) };
}

/// Writes one line to standard error, and ignores failures.
macro_rules! hintln {
    ($($text:tt)*) => { $crate::output::hint(&format!($($text)*)) };
}

/// Whether output was lost.
static IS_LOST: AtomicBool = AtomicBool::new(false);

/// Whether output was lost.
pub(crate) fn is_lost() -> bool {
    IS_LOST.load(Ordering::Relaxed)
}

/// Writes one line to standard output. Its content can't end the line.
pub(crate) fn say(line: &str) {
    note_loss(put([line]));
}

/// Writes one line to standard error.
pub(crate) fn hint(line: &str) {
    drop(write(anstream::stderr(), [line]));
}

/// Writes an error to standard error.
pub(crate) fn error(problem: &str) {
    hintln!("error: {problem}");
}

/// Writes an error to standard error and, for machines, as a JSON document to standard output.
pub(crate) fn fail(wants_json: bool, problem: &str) {
    if wants_json {
        say_json(&json!({ "error": problem }));
    }
    error(problem);
}

/// Writes the lines of a text whose values are escaped already to standard output.
pub(crate) fn say_lines(text: &str) {
    note_loss(put(text.lines()));
}

/// Writes the lines of such a text to standard error.
pub(crate) fn hint_lines(text: &str) {
    drop(write(anstream::stderr(), text.lines()));
}

/// Writes a JSON document to standard output.
pub(crate) fn say_json(document: &Value) {
    note_loss(put_json(document));
}

/// Writes bytes that contain no values of others to standard output.
pub(crate) fn say_bytes(bytes: &[u8]) {
    let mut output = io::stdout();
    note_loss(output.write_all(bytes).and_then(|()| output.flush()));
}

/// Writes lines to standard output and flushes them.
///
/// # Errors
/// The lines can't be written.
pub(crate) fn put<'l>(lines: impl IntoIterator<Item = &'l str>) -> io::Result<()> {
    write(anstream::stdout(), lines)
}

/// Writes a document to standard output and flushes it.
///
/// # Errors
/// The document can't be written.
pub(crate) fn put_json(document: &Value) -> io::Result<()> {
    put(json_text(document).lines())
}

/// Writes everything that the command outputs, for people and machines. The streams of `anstream` drop the colours
/// unless they are terminals, or as `NO_COLOR` and `CLICOLOR` say.
fn write<'l>(mut output: impl Write, lines: impl IntoIterator<Item = &'l str>) -> io::Result<()> {
    for line in lines {
        output.write_all((paint(&escape_invisible(line)) + "\n").as_bytes())?;
    }
    output.flush()
}

/// A line whose first word is coloured if it is a verdict.
fn paint(line: &str) -> String {
    let word = line.split(' ').next().unwrap_or_default();
    let colour = match word {
        "error:" | "FAIL" | "failed" => AnsiColor::Red,
        "ok" | "passed" => AnsiColor::Green,
        "not" | "skip" | "skipped" | "warning," => AnsiColor::Yellow,
        _ => return line.to_owned(),
    };
    let style = colour.on_default().effects(Effects::BOLD);
    let rest = line.strip_prefix(word).unwrap_or_default();
    format!("{style}{word}{style:#}{rest}")
}

fn note_loss(written: io::Result<()>) {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            IS_LOST.store(true, Ordering::Relaxed);
        }
        _ => {}
    }
}

/// The document with JSON escapes for all characters that [`escape_invisible`] escapes.
pub(crate) fn json_text(document: &Value) -> String {
    escape_json(&format!("{document:#}"))
}

/// The text of a document with such escapes.
pub(crate) fn escape_json(text: &str) -> String {
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

/// Text without characters that could steer a terminal, for callers that write it themselves.
pub(crate) fn visible(text: impl fmt::Display) -> String {
    escape_invisible(&text.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{json_text, paint, write};

    #[test]
    fn values_are_written_with_escapes() {
        let mut output = Vec::new();
        write(&mut output, ["a\nerror: b\r\u{1b}[2J", "c\u{2028}d"]).unwrap();
        let text = String::from_utf8(output).unwrap();
        assert_eq!(text, "a\\nerror: b\\r\\u{1b}[2J\nc\\u{2028}d\n");
    }

    #[test]
    fn only_the_verdict_of_a_line_is_coloured() {
        assert_eq!(paint("error: a"), "\u{1b}[1m\u{1b}[31merror:\u{1b}[0m a");
        for plain in ["an error: a", "  ok", "okay", "{", ""] {
            assert_eq!(paint(plain), plain);
        }
    }

    #[test]
    fn escaped_json_is_the_same_document() {
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
