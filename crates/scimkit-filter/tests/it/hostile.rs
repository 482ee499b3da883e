//! Hostile texts.

use std::thread;

use scimkit_filter::{
    AttributePath, Filter, Leniency, MAX_DEPTH, ParseError, ParseErrorKind, ParseLimits,
    ParseOptions, Path,
};

const MEGABYTE: usize = 1 << 20;

/// Returns options with the greatest possible limits.
fn wide_open() -> ParseOptions {
    let limits = ParseLimits::default()
        .with_depth(u16::MAX)
        .with_length(usize::MAX)
        .with_terms(u32::MAX);
    ParseOptions::default()
        .with_limits(limits)
        .with_leniency(Leniency::LENIENT)
}

fn fill(part: &str) -> String {
    part.repeat(MEGABYTE / part.len())
}

/// Runs the test on a stack of 128 KiB. Benchmarks measure the growth of the time.
fn on_a_small_stack(test: fn()) {
    let small = thread::Builder::new().stack_size(128 * 1024);
    small.spawn(test).unwrap().join().unwrap();
}

const PARTS: [&str; 16] = [
    "(",
    "not (",
    "not(",
    "NOT  (",
    "a pr and ",
    "a pr or ",
    "emails[",
    "a",
    " ",
    "\"",
    "a.",
    "urn:x:",
    "%",
    "\\",
    "a eq \"",
    "(a pr and ",
];

#[test]
fn overlong_texts_are_rejected_unread() {
    for part in PARTS {
        let text = fill(part);
        let error = Filter::parse(&text).unwrap_err();
        assert_eq!(error.kind(), ParseErrorKind::TooLong);
        assert_eq!(
            Path::parse(&text).unwrap_err().kind(),
            ParseErrorKind::TooLong
        );
        assert_eq!(
            AttributePath::parse(&text).unwrap_err().kind(),
            ParseErrorKind::TooLong
        );
        assert!(format!("{error:#}").len() < 300);
    }
}

#[test]
fn depth_and_terms_are_limited_without_a_length_limit() {
    on_a_small_stack(|| {
        let limits = ParseLimits::default().with_length(usize::MAX);
        let options = ParseOptions::default().with_limits(limits);
        let kind = |text: &str| Filter::parse_with(text, &options).unwrap_err().kind();
        assert_eq!(kind(&fill("(")), ParseErrorKind::TooDeep);
        assert_eq!(kind(&fill("not (")), ParseErrorKind::TooDeep);
        assert_eq!(kind(&fill("(a pr and ")), ParseErrorKind::TooDeep);
        assert_eq!(kind(&fill("a pr and ")), ParseErrorKind::TooManyTerms);
        assert_eq!(kind(&fill("a pr or ")), ParseErrorKind::TooManyTerms);
        assert_eq!(kind(&fill("a[b pr] and ")), ParseErrorKind::TooManyTerms);
        assert_eq!(kind(&fill("emails[")), ParseErrorKind::Syntax);
    });
}

#[test]
fn without_limits_nothing_hangs_or_panics() {
    on_a_small_stack(|| {
        for part in PARTS {
            let text = fill(part);
            for text in [
                &text,
                &format!("a eq \"{text}"),
                &format!("urn:x:{text}"),
                &format!("e[{text}"),
            ] {
                let error = Filter::parse_with(text, &wide_open());
                assert!(
                    error.is_err_and(|error| format!("{error:#}").len() < 1000),
                    "{part}"
                );
                let _ = Path::parse_with(text, &wide_open());
            }
        }
    });
}

#[test]
fn large_valid_texts_are_parsed() {
    let text = format!("{}a pr", fill("a pr and b pr or "));
    let filter = Filter::parse_with(&text, &wide_open()).unwrap();
    assert_eq!(filter.to_string(), text);
    let text = format!("a eq \"{}\"", fill("\\u0041"));
    assert!(Filter::parse_with(&text, &wide_open()).is_ok());
}

#[test]
fn depth_is_clamped() {
    let at = |depth: usize| format!("{}a pr{}", "(".repeat(depth), ")".repeat(depth));
    let max = usize::from(MAX_DEPTH);
    assert!(Filter::parse_with(&at(max), &wide_open()).is_ok());
    let error: ParseError = Filter::parse_with(&at(max + 1), &wide_open()).unwrap_err();
    assert_eq!(error.kind(), ParseErrorKind::TooDeep);
    assert!(error.expected().contains("64"), "{error}");
    assert!(Filter::parse(&at(32)).is_ok());
    assert_eq!(
        Filter::parse(&at(33)).unwrap_err().kind(),
        ParseErrorKind::TooDeep
    );
}

/// Returns the texts that give the deepest trees for their length.
fn deepest() -> Vec<String> {
    let depth = usize::from(MAX_DEPTH);
    let wrap = |open: &str, inner: &str, close: &str, depth: usize| {
        format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
    };
    let bracketed = wrap("not (a pr or b pr and ", "c pr", ")", depth - 1);
    vec![
        wrap("(", "a pr", ")", depth),
        wrap("not (", "a pr", ")", depth),
        wrap("(a pr or b pr and ", "c pr", ")", depth),
        wrap("not (a pr or b eq \"\\n\" and ", "c pr", ")", depth),
        format!("e[{bracketed}]"),
    ]
}

#[test]
fn the_greatest_depth_fits_a_small_stack() {
    let small = thread::Builder::new().stack_size(128 * 1024);
    let work = || {
        for text in deepest() {
            let filter = Filter::parse_with(&text, &wide_open()).unwrap();
            let again = filter.to_string();
            assert_eq!(Filter::parse_with(&again, &wide_open()).unwrap(), filter);
            let copy = filter.clone();
            assert!(copy == filter);
            drop(copy);
            assert!(filter.walk().count() >= 1);
            drop(filter.into_owned());
        }
    };
    small.spawn(work).unwrap().join().unwrap();
}
