//! Errors: the position, the text there, the expected text, and the message.

use scimkit_filter::{
    AttributePath, Filter, ParseError, ParseErrorKind, ParseLimits, ParseOptions, Path,
};

fn error(text: &str) -> ParseError {
    Filter::parse(text).expect_err(text)
}

#[test]
fn errors_name_the_place_and_what_was_found() {
    let table = [
        (
            "",
            0..0,
            "",
            "expected an attribute, `(` or `not (` at character 1, found the end of the text",
        ),
        ("userName", 8..8, "", "expected one of the operators"),
        (
            "userName eq",
            11..11,
            "",
            "expected a value: a string in double quotes",
        ),
        ("userName eq bo", 12..14, "bo", "found `bo`"),
        (
            "userName regex \"j\"",
            9..14,
            "regex",
            "expected one of the operators `eq`",
        ),
        (
            "userName eq \"bo\" xor title pr",
            17..20,
            "xor",
            "expected `and`, `or` or the end",
        ),
        (
            "title pr ox title pr",
            9..11,
            "ox",
            "expected `and`, `or` or the end",
        ),
        (
            "title pr ir title pr",
            9..11,
            "ir",
            "expected `and`, `or` or the end",
        ),
        (
            "title pr bnd title pr",
            9..12,
            "bnd",
            "expected `and`, `or` or the end",
        ),
        (
            "title pr amd title pr",
            9..12,
            "amd",
            "expected `and`, `or` or the end",
        ),
        (
            "title pr anx title pr",
            9..12,
            "anx",
            "expected `and`, `or` or the end",
        ),
        ("(userName pr", 12..12, "", "expected `and`, `or` or `)`"),
        ("emails[type pr", 14..14, "", "expected `and`, `or` or `]`"),
        (
            "(a pr]",
            5..6,
            "]",
            "expected `)` to close the parenthesis first",
        ),
        (
            "a[b pr)",
            6..7,
            ")",
            "expected `]` to close the value path first",
        ),
        ("a pr)", 4..5, ")", "expected `and`, `or` or the end"),
        (
            "not userName pr",
            4..12,
            "userName",
            "expected `(` after `not`",
        ),
        ("a.b.c pr", 3..5, ".c", "expected no second sub-attribute"),
        ("a. pr", 2..3, " ", "expected a sub-attribute name"),
        (
            "e[f[g pr]]",
            3..4,
            "[",
            "expected an operator, since brackets do not nest",
        ),
        (
            "e[urn:x:y:z pr]",
            2..11,
            "urn:x:y:z",
            "expected a sub-attribute without a URN",
        ),
        ("foo:bar pr", 0..7, "foo:bar", "expected a schema URN"),
        (
            "urn:x%zz:y pr",
            5..6,
            "%",
            "expected two hexadecimal digits",
        ),
        (
            "urn:x:y: pr",
            8..9,
            " ",
            "expected an attribute name after the last colon",
        ),
        ("age eq 01", 7..9, "01", "expected a number of JSON"),
        ("a eq \"bo", 5..8, "\"bo", "expected a closing double quote"),
        ("a eq \"b\\qo\"", 7..9, "\\q", "expected one of the escapes"),
        (
            "a eq \"\\ud800x\"",
            6..12,
            "\\ud800",
            "expected a surrogate pair",
        ),
        ("a eq \"b\no\"", 7..8, "␊", "expected control characters"),
        ("a  pr", 2..3, " ", "expected one single space"),
        ("a pr ", 4..5, " ", "expected no blank here"),
        ("a pr and(b pr)", 8..9, "(", "expected a blank"),
        (
            "a eq True",
            5..9,
            "True",
            "expected `true`, `false` or `null` in lower case",
        ),
        ("ü pr", 0..2, "ü", "expected an attribute"),
    ];
    for (text, span, found, message) in table {
        let error = error(text);
        assert_eq!(error.kind(), ParseErrorKind::Syntax, "{text:?}");
        assert_eq!(
            (error.span(), error.found()),
            (span, found),
            "{text:?}: {error}"
        );
        assert!(error.to_string().contains(message), "{text:?}: {error}");
        assert!(!error.to_string().contains('\n'), "{text:?}: {error}");
    }
}

#[test]
fn places_count_characters_and_spans_count_bytes() {
    let error = error("a eq \"üü\" nor");
    assert_eq!(error.span(), 12..15);
    assert_eq!(
        error.to_string(),
        "expected `and`, `or` or the end at character 11, found `nor`"
    );
}

#[test]
fn errors_of_paths_and_attributes_name_the_place() {
    let error = Path::parse("a b").unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected `.`, `[` or the end of the path at character 2, found ` `"
    );
    let error = Path::parse("a[b pr]x").unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected the end of the path at character 8, found `x`"
    );
    let error = AttributePath::parse("a,b").unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected the end of the attribute at character 2, found `,`"
    );
}

#[test]
fn the_picture_points_at_the_place() {
    let shown = format!("{:#}", error("title pr and age eq 01 or a pr"));
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(
        lines[0],
        "expected a number of JSON at character 21, found `01`"
    );
    assert_eq!(lines[1], "  title pr and age eq 01 or a pr");
    assert_eq!(lines[2], "                      ^^");
    assert_eq!(lines.len(), 3);
    let shown = format!("{:#}", error("title"));
    assert!(shown.ends_with("\n  title\n       ^"), "{shown}");
}

#[test]
fn the_picture_is_a_window_and_shows_no_control_characters() {
    let text = format!(
        "a eq \"{}\" \u{7}\u{202e}{}",
        "ü".repeat(500),
        "x".repeat(500)
    );
    let shown = format!("{:#}", error(&text));
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[1].matches('ü').count(), 28);
    assert!(
        lines[1].starts_with("  …ü") && lines[1].ends_with("x…"),
        "{shown}"
    );
    assert!(
        lines[1].contains("␇\u{fffd}") && !shown.contains(['\u{7}', '\u{202e}']),
        "{shown}"
    );
    assert!(lines[1].chars().count() < 70, "{shown}");
    assert_eq!(
        lines[1].chars().position(|c| c == '␇'),
        lines[2].chars().position(|c| c == '^'),
        "{shown}"
    );
}

#[test]
fn limits_have_their_kinds() {
    let small = ParseLimits::default()
        .with_depth(1)
        .with_length(20)
        .with_terms(2);
    let options = ParseOptions::default().with_limits(small);
    let table = [
        (
            "((a pr))",
            ParseErrorKind::TooDeep,
            "expected nesting no deeper than 1 at character 2, found `(`",
        ),
        (
            "a pr or b pr or c pr",
            ParseErrorKind::TooManyTerms,
            "expected no more than 2 terms at character 17, found `c`",
        ),
        (
            "a eq \"12345678901234\"",
            ParseErrorKind::TooLong,
            "expected no more than 20 bytes at character 21, found `\"`",
        ),
        (
            "a eq \"1234567890123ü\"",
            ParseErrorKind::TooLong,
            "expected no more than 20 bytes at character 20, found `ü\"`",
        ),
    ];
    for (text, kind, message) in table {
        let error = Filter::parse_with(text, &options).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, message));
    }
    let none = ParseOptions::default().with_limits(ParseLimits::default().with_depth(0));
    assert_eq!(
        Path::parse_with("a[b pr]", &none).unwrap_err().kind(),
        ParseErrorKind::TooDeep
    );
}

#[test]
fn errors_are_small_send_and_sync() {
    fn travels<T: std::error::Error + Send + Sync + 'static>() -> usize {
        size_of::<T>()
    }
    assert_eq!(travels::<ParseError>(), size_of::<usize>());
}
