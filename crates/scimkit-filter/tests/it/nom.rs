//! The nom parsers: they agree with the other parsers, stop at the right byte, and compose.

use allocation_counter::measure;
use nom::{
    Err, Finish, Parser,
    branch::alt,
    bytes::complete::tag,
    character::complete::char,
    combinator::{all_consuming, eof, opt},
    multi::separated_list1,
    sequence::{delimited, preceded, terminated},
};
use proptest::prelude::*;
use scimkit_filter::{
    AttributePath, Filter, Leniency, Literal, ParseErrorKind, ParseLimits, ParseOptions, Path,
    nom::{SyntaxError, attribute, filter, literal, path},
};

use crate::properties::{self, nearly};

fn strict() -> ParseOptions {
    ParseOptions::default()
}

fn lenient() -> ParseOptions {
    strict().with_leniency(Leniency::LENIENT)
}

fn limited(limits: ParseLimits) -> ParseOptions {
    lenient().with_limits(limits)
}

/// Returns the parser followed by the end of the input.
fn whole<'a, T>(
    parser: impl Parser<&'a str, Output = T, Error = SyntaxError<'a>>,
    text: &'a str,
) -> Option<T> {
    let read = terminated(parser, eof).parse(text);
    read.ok().map(|(_, parsed)| parsed)
}

/// Returns the text that the parser does not consume.
fn rest<'a, T>(
    parser: impl Fn(&'a str) -> nom::IResult<&'a str, T, SyntaxError<'a>>,
    text: &'a str,
) -> Option<&'a str> {
    parser(text).ok().map(|(rest, _)| rest)
}

fn assert_same(text: &str, options: ParseOptions) {
    let filters = Filter::parse_with(text, &options).ok();
    assert_eq!(whole(filter(options), text), filters, "filter {text:?}");
    let paths = Path::parse_with(text, &options).ok();
    assert_eq!(whole(path(options), text), paths, "path {text:?}");
}

proptest! {
    #[test]
    fn filters_and_the_end_of_input_agree_with_parse(filter in properties::filter()) {
        let text = filter.to_string();
        assert_same(&text, strict());
        assert_same(&format!(" {text}\t "), lenient());
    }

    #[test]
    fn paths_and_the_end_of_input_agree_with_parse(path in properties::path()) {
        let text = path.to_string();
        assert_same(&text, strict());
        assert_same(&format!(" {text}\t "), lenient());
    }

    #[test]
    fn texts_that_are_nearly_filters_agree_with_parse(text in nearly(), length in 0_usize..60) {
        let limits = ParseLimits::default().with_length(length).with_terms(3).with_depth(2);
        for options in [strict(), lenient(), limited(limits)] {
            assert_same(&text, options);
        }
        let attributes = AttributePath::parse(&text).ok();
        prop_assert_eq!(whole(attribute(strict()), &text), attributes);
        let comparison = format!("a eq {text}");
        let values = Filter::parse(&comparison).ok();
        let compared = whole(literal(strict()), &text).map(|value| Filter::eq("a", value).unwrap());
        if let Some(compared) = compared {
            prop_assert_eq!(Some(compared), values);
        } else if let Some(Filter::Compare(comparison)) = values {
            prop_assert!(false, "{:?} is a value: {:?}", text, comparison.value);
        }
    }

    #[test]
    fn the_consumed_part_parses_to_the_same_filter(text in nearly()) {
        for options in [strict(), lenient()] {
            if let Ok((rest, filter)) = filter::<SyntaxError<'_>>(options)(&text) {
                let read = text.strip_suffix(rest).unwrap();
                prop_assert_eq!(Filter::parse_with(read, &options), Ok(filter));
            }
            if let Ok((rest, path)) = path::<SyntaxError<'_>>(options)(&text) {
                let read = text.strip_suffix(rest).unwrap();
                prop_assert_eq!(Path::parse_with(read, &options), Ok(path));
            }
        }
    }
}

#[test]
fn filter_parser_stops_before_text_that_does_not_continue_it() {
    let rests = [
        (r#"userName eq "x""#, ""),
        (r#"userName eq "x" order by name"#, " order by name"),
        ("a pr android eq 1", " android eq 1"),
        ("a pr  and b pr", "  and b pr"),
        ("a pr\tand b pr", "\tand b pr"),
        ("a pr)", ")"),
        ("a pr]", "]"),
        ("a pr)) and b pr", ")) and b pr"),
        ("(a pr) and not (b pr), c", ", c"),
        ("e[a pr];", ";"),
        ("a eq 1, b", ", b"),
        ("a pr ", " "),
        ("a prü", "ü"),
    ];
    for (text, wanted) in rests {
        assert_eq!(rest(filter(strict()), text), Some(wanted), "{text}");
    }
    let lenient_rests = [
        ("  a pr  ", ""),
        ("( a pr )  )", ")"),
        ("a pr  ]", "]"),
        ("a pr  order", "  order"),
        (r#"e[a pr].b eq "x" x"#, " x"),
    ];
    for (text, wanted) in lenient_rests {
        assert_eq!(rest(filter(lenient()), text), Some(wanted), "{text}");
    }
}

#[test]
fn filter_parser_fails_after_and_without_an_operand() {
    for text in [
        "a pr and",
        "a pr and ",
        "a pr or)",
        "a pr AND (b pr",
        "(a pr and b pr",
    ] {
        assert_eq!(rest(filter(strict()), text), None, "{text}");
    }
    let error: SyntaxError<'_> = filter(strict())("a pr and 1").finish().unwrap_err();
    assert_eq!(error.rest(), "1");
    assert_eq!(
        error.to_string(),
        "expected an attribute, `(` or `not (`, found `1`"
    );
}

#[test]
fn paths_attributes_and_values_stop_where_they_end() {
    assert_eq!(rest(path(strict()), "members set"), Some(" set"));
    assert_eq!(rest(path(strict()), "name.givenName.x"), Some(".x"));
    assert_eq!(rest(path(strict()), r#"e[a pr].b.c"#), Some(".c"));
    assert_eq!(rest(path(lenient()), "e[ a pr ]  )"), Some(")"));
    assert_eq!(rest(path(strict()), "e[a pr and]"), None);
    assert_eq!(rest(path(lenient()), "e[a eq word]"), None);
    assert_eq!(rest(attribute(strict()), "urn:x:y:z.a,b"), Some(",b"));
    assert_eq!(rest(attribute(lenient()), " a"), None);
    assert_eq!(rest(literal(strict()), r#""a" b"#), Some(" b"));
    assert_eq!(rest(literal(strict()), "12)"), Some(")"));
    assert_eq!(rest(literal(strict()), "12a"), None);
    assert_eq!(rest(literal(strict()), "True"), None);
    assert_eq!(rest(literal(lenient()), "True]"), Some("]"));
    assert_eq!(rest(literal(lenient()), "word"), None);
}

#[test]
fn limit_errors_are_failures_that_alternatives_do_not_hide() {
    let default = ParseLimits::default();
    let cases = [
        (
            default.with_terms(2),
            "a pr and b pr and c pr",
            ParseErrorKind::TooManyTerms,
        ),
        (
            default.with_depth(1),
            "not (not (a pr))",
            ParseErrorKind::TooDeep,
        ),
        (
            default.with_length(4),
            "a pr and b pr",
            ParseErrorKind::TooLong,
        ),
        (
            default.with_length(8),
            r#"a eq "long text""#,
            ParseErrorKind::TooLong,
        ),
        (
            default.with_length(8),
            r#"a eq "ünfinishe"#,
            ParseErrorKind::TooLong,
        ),
    ];
    for (limits, text, kind) in cases {
        let options = limited(limits);
        let any = alt((filter::<SyntaxError<'_>>(options), |rest| {
            Ok((rest, Filter::eq("a", 1).unwrap()))
        }));
        match opt(any).parse(text) {
            Err(Err::Failure(error)) => assert_eq!(error.kind(), kind, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
        let error = Filter::parse_with(text, &options).unwrap_err();
        assert_eq!(error.kind(), kind, "{text}");
    }
}

#[test]
fn length_limits_the_consumed_part_and_not_the_input() {
    let options = limited(ParseLimits::default().with_length(4));
    let long = format!("a pr)ü{}", "x".repeat(1000));
    assert_eq!(rest(filter(options), &long), long.get(4..));
    assert_eq!(rest(path(options), &long), long.get(1..));
    assert_eq!(rest(literal(options), "true)"), Some(")"));
    assert_eq!(rest(literal(options), "false)"), None);
    assert_eq!(rest(attribute(options), "abcd,"), Some(","));
    assert_eq!(rest(attribute(options), "abcde,"), None);
    // A syntax error within the limit remains one.
    let long = format!("a 1 {}", "x".repeat(1000));
    let error: SyntaxError<'_> = filter(options)(&long).finish().unwrap_err();
    assert_eq!(
        (error.kind(), Some(error.rest())),
        (ParseErrorKind::Syntax, long.get(2..))
    );
}

#[test]
fn hostile_texts_end_within_the_limits() {
    for part in [
        "(",
        "not (",
        "a pr and ",
        "e[",
        "\"",
        "a eq \"",
        "a eq \"\\u0041",
        " ",
        "urn:x:",
        "ü",
    ] {
        let text = part.repeat((1 << 20) / part.len());
        for options in [strict(), lenient()] {
            if let Ok((rest, _)) = filter::<SyntaxError<'_>>(options)(&text) {
                assert!(text.len() - rest.len() <= options.limits.length, "{part}");
            }
            let _ = path::<SyntaxError<'_>>(options)(&text);
            let _ = literal::<SyntaxError<'_>>(options)(&text);
            let _ = attribute::<SyntaxError<'_>>(options)(&text);
        }
    }
}

#[test]
fn parsers_compose_with_those_of_nom_and_report_positions_in_the_whole_text() {
    let names = || separated_list1(char::<_, SyntaxError<'_>>(','), attribute(strict()));
    let select = |text| {
        all_consuming((
            preceded(tag("select "), names()),
            opt(preceded(tag(" where "), filter(strict()))),
        ))
        .parse(text)
        .finish()
        .map(|(_, read)| read)
        .map_err(|error: SyntaxError<'_>| error.to_parse_error(text))
    };
    let (names, condition) =
        select(r#"select userName,name.givenName where active eq true"#).unwrap();
    assert_eq!(names.len(), 2);
    assert_eq!(condition, Some(Filter::eq("active", true).unwrap()));

    let error = select("select userName where active eq yes").unwrap_err();
    assert_eq!(error.span(), 15..16);
    assert_eq!(
        error.to_string(),
        "expected the end of the text at character 16, found ` `"
    );
    let error = select("from userName").unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected a match of `Tag` at character 1, found `from`"
    );
    let in_parentheses = delimited(char('('), filter(strict()), char(')'));
    let error: SyntaxError<'_> = { in_parentheses }.parse("(a pr;").finish().unwrap_err();
    assert_eq!(error.to_string(), "expected `)`, found `;`");
}

#[test]
fn alternatives_keep_the_error_furthest_into_the_input() {
    let text = "emails[type eq work] and x";
    let first = filter(strict()).map(drop);
    let second = literal::<SyntaxError<'_>>(strict()).map(drop);
    let error = alt((first, second)).parse(text).finish().unwrap_err();
    assert_eq!(error.rest(), "work] and x");
}

#[test]
fn errors_may_be_those_of_nom() {
    let error: nom::error::Error<&str> = filter(strict())("a eq x").finish().unwrap_err();
    assert_eq!(error.input, "x");
    assert_eq!(filter::<()>(strict())("a eq x"), Err(Err::Error(())));
    assert_eq!(literal::<()>(strict())("null"), Ok(("", Literal::Null)));
}

#[test]
fn single_comparison_and_its_errors_allocate_nothing() {
    let read = measure(|| {
        let parser = filter::<SyntaxError<'_>>(strict());
        assert!(parser(r#"userName eq "bjensen" order"#).is_ok());
        assert!(parser("userName eq bjensen").is_err());
        assert!(attribute::<SyntaxError<'_>>(strict())("name.givenName ").is_ok());
        assert!(literal::<SyntaxError<'_>>(strict())(r#""text""#).is_ok());
    });
    assert_eq!(read.count_total, 0);
}
