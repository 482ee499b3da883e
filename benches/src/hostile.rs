//! Hostile texts of any size.

use scimkit_filter::{Filter, Leniency, ParseLimits, ParseOptions};

use crate::nanoseconds;

/// The parts that hostile texts repeat: opening brackets, chains, and single endless tokens.
pub const PARTS: [&str; 12] = [
    "(",
    "not (",
    "a pr and ",
    "(a pr and ",
    "a pr or b pr and ",
    "emails[",
    "a",
    " ",
    "urn:x:",
    "a eq \"",
    "a eq \"\\u0041",
    "a eq 1",
];

/// Returns up to `length` bytes of repeated `part`. A string at the end remains open.
#[must_use]
pub fn text(part: &str, length: usize) -> String {
    match part.split_once('"') {
        Some((start, "")) => format!("{start}\"{}", "x".repeat(length)),
        Some((start, body)) => format!(
            "{start}\"{}",
            body.repeat(length.checked_div(body.len()).unwrap_or_default())
        ),
        None if part == "a eq 1" => format!("{part}{}", "1".repeat(length)),
        None => part.repeat(length.checked_div(part.len()).unwrap_or_default()),
    }
}

/// Returns the most lenient options with the largest limits, which leave only the parser itself.
#[must_use]
pub fn wide_open() -> ParseOptions {
    let limits = ParseLimits::default()
        .with_depth(u16::MAX)
        .with_length(usize::MAX)
        .with_terms(u32::MAX);
    ParseOptions::default()
        .with_limits(limits)
        .with_leniency(Leniency::LENIENT)
}

/// Parses `text` without limits, and returns whether it is valid.
#[must_use]
pub fn read(text: &str) -> bool {
    Filter::parse_with(text, &wide_open()).is_ok()
}

/// Prints the time per byte for hostile texts of 10 kB, 100 kB and 1 MB without limits. The three are similar if the
/// time is linear.
#[expect(clippy::print_stdout, reason = "the result of a benchmark")]
#[expect(clippy::cast_precision_loss, reason = "lengths are far below 2^52")]
pub fn table() {
    println!("nanoseconds per byte, no limits            10 kB   100 kB     1 MB");
    for part in PARTS {
        print!("{:<40}", format!("{part:?} repeated"));
        for length in [10_000, 100_000, 1_000_000] {
            let text = text(part, length);
            print!(" {:>8.3}", nanoseconds(|| read(&text)) / text.len() as f64);
        }
        println!();
    }
    let text = text("(", 1_000_000);
    let default = nanoseconds(|| Filter::parse(&text).is_ok());
    println!("1 MB under the default limits: {default:.0} ns in total");
}
