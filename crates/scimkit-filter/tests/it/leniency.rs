//! The texts that each leniency accepts, and no others.

use scimkit_filter::{Filter, Leniency, Literal, ParseLimits, ParseOptions, Path};

const BARE_WORDS: fn(&mut Leniency) = |leniency| leniency.bare_words = true;
const BLANKS: fn(&mut Leniency) = |leniency| leniency.extra_whitespace = true;
const LITERAL_CASE: fn(&mut Leniency) = |leniency| leniency.literal_case = true;
const SUB_AFTER_BRACKETS: fn(&mut Leniency) = |leniency| leniency.sub_after_brackets = true;

fn options(choose: fn(&mut Leniency)) -> ParseOptions {
    let mut leniency = Leniency::STRICT;
    choose(&mut leniency);
    ParseOptions::default().with_leniency(leniency)
}

/// Checks that `text` is rejected strictly, naming `leniency`, and parsed as `meaning` with it.
fn lets_through(leniency: &str, choose: fn(&mut Leniency), text: &str, meaning: &str) {
    let error = Filter::parse(text).unwrap_err();
    assert_eq!(error.leniency(), Some(leniency), "{text:?}: {error}");
    let filter = Filter::parse_with(text, &options(choose))
        .unwrap_or_else(|error| panic!("{text:?}: {error:#}"));
    assert_eq!(filter.to_string(), meaning);
    assert_eq!(Filter::parse(meaning), Ok(filter));
}

#[test]
fn bare_words_are_strings_after_eq() {
    let table = [
        ("a eq bjensen", r#"a eq "bjensen""#),
        (
            "a EQ u.x-1_y+z@field.example",
            r#"a eq "u.x-1_y+z@field.example""#,
        ),
        (
            "a eq 2819c223-7f76-453a-919d-413861904646",
            r#"a eq "2819c223-7f76-453a-919d-413861904646""#,
        ),
        ("a eq 4you", r#"a eq "4you""#),
        ("a eq Zoë", r#"a eq "Zoë""#),
        ("a eq truex", r#"a eq "truex""#),
        ("a eq eq", r#"a eq "eq""#),
        ("(a eq x)", r#"a eq "x""#),
        ("not (a eq x) and b pr", r#"not (a eq "x") and b pr"#),
        ("e[t eq work and v eq x]", r#"e[t eq "work" and v eq "x"]"#),
    ];
    for (text, meaning) in table {
        lets_through("bare_words", BARE_WORDS, text, meaning);
    }
    let read = Filter::parse_with("a eq x", &options(BARE_WORDS)).unwrap();
    let Filter::Compare(comparison) = read else {
        panic!("{read} is no comparison");
    };
    assert!(matches!(comparison.value, Literal::Word(_)));
}

#[test]
fn ambiguous_bare_words_are_rejected() {
    let words = [
        "undefined",
        "Undefined",
        "NULL",
        "True",
        "FALSE",
        "none",
        "None",
        "nil",
        "NaN",
        "inf",
        "Infinity",
        "and",
        "or",
        "not",
        "1e",
        "true.x",
        "True.value",
        "null@x",
        "01",
        "0x1F",
        "0b1",
        "1_000",
        "1.5.2",
        "2011-05-13",
        "4711x\"",
        "x\"",
        "x\"y",
        "'x'",
        "x'y",
        "x/y",
        "x\\y",
        "x:y",
        "x,y",
        "x*",
        "x=y",
        "x%20y",
        "_x",
        ".x",
        "@x",
        "-x",
        "{x}",
        "[x]",
        "(x)",
        "x[",
        "x(",
        "x\ny",
        "x\u{a0}y",
        "two words",
        "",
    ];
    for word in words {
        let text = format!("a eq {word}");
        for lenient in [options(BARE_WORDS), ParseOptions::default()] {
            let error = Filter::parse_with(&text, &lenient).unwrap_err();
            let other = word == "two words" || error.leniency() != Some("bare_words");
            assert!(other, "{text:?}: {error}");
        }
    }
    for operator in ["ne", "co", "sw", "ew", "gt", "ge", "lt", "le"] {
        let text = format!("a {operator} word");
        let error = Filter::parse_with(&text, &options(BARE_WORDS)).unwrap_err();
        assert_eq!(error.leniency(), None, "{text}");
    }
}

#[test]
fn bare_words_are_rejected_in_paths() {
    for lenient in [options(BARE_WORDS), ParseOptions::default()] {
        let error = Path::parse_with("e[t eq work].v", &lenient).unwrap_err();
        assert_eq!(error.leniency(), None, "{error}");
    }
}

#[test]
fn blanks() {
    let table = [
        ("a  pr", "a pr"),
        (" a pr", "a pr"),
        ("a pr \t", "a pr"),
        ("a\tpr", "a pr"),
        ("( a pr )", "a pr"),
        ("(a pr  )  and  b pr", "a pr and b pr"),
        ("a pr and  (b pr )", "a pr and b pr"),
        ("not \t(\ta pr\t)", "not (a pr)"),
        ("e[ a pr and b  eq \t1 ]", "e[a pr and b eq 1]"),
        ("a pr\tor\tb pr", "a pr or b pr"),
    ];
    for (text, meaning) in table {
        lets_through("extra_whitespace", BLANKS, text, meaning);
    }
    for text in [
        "  ",
        "a\npr",
        "a pr\u{a0}",
        "a .b pr",
        "a [b pr]",
        "apr",
        "(a pr)and b pr",
        "a eq\"x\"",
        "a pr and(b pr)",
    ] {
        assert!(
            Filter::parse_with(text, &options(BLANKS)).is_err(),
            "{text:?}"
        );
    }
    let path = Path::parse_with("\te[ a pr ].b ", &options(BLANKS)).unwrap();
    assert_eq!(path.to_string(), "e[a pr].b");
    assert!(Path::parse_with("e[a pr] .b", &options(BLANKS)).is_err());
    assert!(Path::parse_with("a b", &options(BLANKS)).is_err());
}

#[test]
fn literal_case() {
    let table = [
        ("a eq True", "a eq true"),
        ("a ne FALSE", "a ne false"),
        ("e[a eq NULL]", "e[a eq null]"),
    ];
    for (text, meaning) in table {
        lets_through("literal_case", LITERAL_CASE, text, meaning);
    }
    for text in ["a eq Truex", "a eq yes", "a eq NaN", "a eq Nil"] {
        assert!(
            Filter::parse_with(text, &options(LITERAL_CASE)).is_err(),
            "{text}"
        );
    }
}

#[test]
fn sub_after_brackets() {
    let table = [
        (r#"e[t eq "w"].v eq "x""#, r#"e[t eq "w" and v eq "x"]"#),
        (r#"e[t eq "w"].v pr"#, r#"e[t eq "w" and v pr]"#),
        (r#"e[a pr and b pr].v eq 1"#, "e[a pr and b pr and v eq 1]"),
        (r#"e[a pr or b pr].v eq 1"#, "e[(a pr or b pr) and v eq 1]"),
        (r#"e[not (a pr)].$ref eq 1"#, "e[not (a pr) and $ref eq 1]"),
        (
            r#"x pr and not (e[a pr].v pr) or y pr"#,
            "x pr and not (e[a pr and v pr]) or y pr",
        ),
    ];
    for (text, meaning) in table {
        lets_through("sub_after_brackets", SUB_AFTER_BRACKETS, text, meaning);
    }
    for text in [
        "e[a pr].",
        "e[a pr].v",
        "e[a pr].v.w pr",
        "e[a pr].v[b pr]",
        "e[a pr].urn:x:y:v pr",
        "e[a pr]. pr",
    ] {
        assert!(
            Filter::parse_with(text, &options(SUB_AFTER_BRACKETS)).is_err(),
            "{text}"
        );
    }
}

#[test]
fn rewritten_brackets_count_as_the_terms_they_become() {
    let limits = ParseLimits::default().with_terms(2);
    let options = ParseOptions::default()
        .with_leniency(Leniency::LENIENT)
        .with_limits(limits);
    assert!(Filter::parse_with("e[a pr]", &options).is_ok());
    assert!(Filter::parse_with("e[a pr].v pr", &options).is_err());
}

#[test]
fn leniency_does_not_change_strict_texts() {
    let lenient = ParseOptions::default().with_leniency(Leniency::LENIENT);
    for row in crate::cases::rows(include_str!("cases/filters.jsonl")) {
        let text = row["filter"].as_str().unwrap();
        if let Ok(filter) = Filter::parse(text) {
            assert_eq!(Filter::parse_with(text, &lenient), Ok(filter), "{text}");
        }
    }
}
