//! The meaning of texts: their trees, and how trees are printed.

use std::borrow::Cow;

use scimkit_filter::{AttributePath, Filter, Literal, Operator, Path};

fn parse(text: &str) -> Filter<'_> {
    Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error:#}"))
}

fn present(name: &str) -> Filter<'_> {
    Filter::Present(AttributePath {
        urn: None,
        name: name.into(),
        sub_attribute: None,
    })
}

#[test]
fn not_binds_tighter_than_and_and_and_tighter_than_or() {
    let not_a = Filter::Not(Box::new(present("a")));
    let tree = Filter::Or(vec![Filter::And(vec![not_a, present("b")]), present("c")]);
    assert_eq!(parse("not (a pr) and b pr or c pr"), tree);
    let tree = Filter::Or(vec![
        present("a"),
        Filter::And(vec![present("b"), present("c")]),
    ]);
    assert_eq!(parse("a pr or b pr and c pr"), tree);
    let tree = Filter::And(vec![
        Filter::Or(vec![present("a"), present("b")]),
        present("c"),
    ]);
    assert_eq!(parse("(a pr or b pr) and c pr"), tree);
}

#[test]
fn chains_are_flattened_wherever_their_parentheses_are() {
    let and = Filter::And(vec![present("a"), present("b"), present("c")]);
    for text in [
        "a pr and b pr and c pr",
        "a pr and (b pr and c pr)",
        "((a pr and b pr) and c pr)",
    ] {
        assert_eq!(parse(text), and, "{text}");
    }
    let or = Filter::Or(vec![present("a"), present("b"), present("c")]);
    for text in [
        "a pr or b pr or c pr",
        "a pr or (b pr or c pr)",
        "((a pr or b pr) or c pr)",
    ] {
        assert_eq!(parse(text), or, "{text}");
    }
}

#[test]
fn printing_is_canonical() {
    let table = [
        ("((a PR))", "a pr"),
        ("(a pr and b pr) or c pr", "a pr and b pr or c pr"),
        ("a pr AND (b pr OR c pr)", "a pr and (b pr or c pr)"),
        ("NOT(NOT(a pr))", "not (not (a pr))"),
        ("not((a pr or b pr))", "not (a pr or b pr)"),
        (
            "x[(y pr) and (z pr or (w pr))]",
            "x[y pr and (z pr or w pr)]",
        ),
        (
            r#"a EQ "\u0041\/\u001f\u007f\ud83d\ude00""#,
            "a eq \"A/\\u001f\u{7f}😀\"",
        ),
        (r#"a eq "\b\f\n\r\t\"\\""#, r#"a eq "\b\f\n\r\t\"\\""#),
        ("a eq -0.50E+07", "a eq -0.50E+07"),
        ("URN:x:2.0:User:Name.Sub pr", "URN:x:2.0:User:Name.Sub pr"),
    ];
    for (text, printed) in table {
        assert_eq!(parse(text).to_string(), printed);
        assert_eq!(parse(printed), parse(text));
    }
}

#[test]
fn trees_built_in_code_print_their_meaning() {
    let nested = Filter::And(vec![
        present("a"),
        Filter::And(vec![present("b"), present("c")]),
    ]);
    assert_eq!(nested.to_string(), "a pr and b pr and c pr");
    let single = Filter::And(vec![Filter::Or(vec![present("a"), present("b")])]);
    assert_eq!(
        parse(&single.to_string()),
        Filter::Or(vec![present("a"), present("b")])
    );
}

#[test]
fn operators_ignore_case() {
    let table = [
        ("co", Operator::Contains),
        ("EW", Operator::EndsWith),
        ("Eq", Operator::Equal),
        ("gE", Operator::GreaterOrEqual),
        ("GT", Operator::GreaterThan),
        ("le", Operator::LessOrEqual),
        ("lT", Operator::LessThan),
        ("NE", Operator::NotEqual),
        ("sw", Operator::StartsWith),
    ];
    for (word, operator) in table {
        let text = format!("a {word} 1");
        let Filter::Compare(comparison) = parse(&text) else {
            panic!("{text}")
        };
        assert_eq!(comparison.operator, operator);
        assert_eq!(operator.as_str(), word.to_ascii_lowercase());
        assert_eq!(operator.to_string(), operator.as_str());
    }
}

#[test]
fn strings_are_borrowed_unless_they_have_an_escape() {
    let literal = |text: &'static str| match parse(text) {
        Filter::Compare(comparison) => comparison.value,
        other => panic!("{other:?}"),
    };
    assert!(matches!(
        literal(r#"a eq "plain ü 😀""#),
        Literal::String(Cow::Borrowed("plain ü 😀"))
    ));
    assert!(matches!(literal(r#"a eq "\"""#), Literal::String(Cow::Owned(text)) if text == "\""));
    assert!(matches!(
        literal("a eq 1.50e1"),
        Literal::Number(Cow::Borrowed("1.50e1"))
    ));
    assert_eq!(literal("a eq false"), Literal::Bool(false));
    assert_eq!(literal("a eq null"), Literal::Null);
}

#[test]
fn strings_follow_the_json_grammar() {
    for text in [
        r#""\ud83d\ude00""#,
        r#""\u0000""#,
        "\"\u{7f}\u{2028}\"",
        r#""""#,
        r#""\uD83D\uDE00""#,
    ] {
        let filter = format!("a eq {text}");
        let Filter::Compare(comparison) = parse(&filter) else {
            panic!("{filter}")
        };
        let json: String = serde_json::from_str(text).unwrap();
        assert_eq!(comparison.value, Literal::String(json.into()));
    }
    let rejected = [
        r#""\ud83d""#,
        r#""\ud83dx""#,
        r#""\ud83d\u0041""#,
        r#""\ude00""#,
        r#""\ude00\ud83d""#,
        r#""\u+123""#,
        r#""\u00é""#,
        r#""\U0041""#,
        "\"\n\"",
        "\"\\n\0\"",
        "\"a\\\"",
        "'a'",
    ];
    for text in rejected {
        assert!(serde_json::from_str::<String>(text).is_err(), "{text:?}");
        assert!(Filter::parse(&format!("a eq {text}")).is_err(), "{text:?}");
    }
}

#[test]
fn keywords_are_names_where_a_name_is_expected() {
    let texts = [
        "and pr and or pr or not pr and not (not pr)",
        "not eq null",
        "pr pr",
        "not.and eq \"x\"",
        "not[not pr and not (and pr)]",
        "urn:x:not pr",
        "nota pr",
    ];
    for text in texts {
        assert_eq!(parse(text).to_string(), text);
    }
}

#[test]
fn the_urn_ends_at_the_last_colon() {
    let path =
        AttributePath::parse("urn:example:a.b:2.0:x%2fy~(z)';q=1:User:name.familyName").unwrap();
    assert_eq!(
        path.urn.as_deref(),
        Some("urn:example:a.b:2.0:x%2fy~(z)';q=1:User")
    );
    assert_eq!(
        (&*path.name, path.sub_attribute.as_deref()),
        ("name", Some("familyName"))
    );
    assert_eq!(
        path.to_string(),
        "urn:example:a.b:2.0:x%2fy~(z)';q=1:User:name.familyName"
    );
    let rejected = [
        "urn:",
        "urn:x",
        "urn::x",
        "urn:a::x",
        "urn:a:x:",
        "foo:bar",
        "urn:a%2:x",
        "urn:a\"b:x",
        "urn:é:x",
        "urn:a:1x",
    ];
    // `urn:x` has nothing between the scheme and the name.
    for text in rejected {
        assert!(AttributePath::parse(text).is_err(), "{text}");
    }
    assert!(Filter::parse("emails[urn:x:y:type pr]").is_err());
    assert!(Path::parse("emails[urn:x:y:type pr]").is_err());
}

#[test]
fn only_ref_may_start_with_a_dollar_sign() {
    for text in ["$ref", "members.$ref", "$REF.$ref", "urn:x:y:$ref"] {
        assert_eq!(AttributePath::parse(text).unwrap().to_string(), text);
    }
    for text in [
        "$",
        "$refs",
        "$re",
        "a$ref",
        "$value",
        "members.$",
        "$ref-x",
    ] {
        assert!(AttributePath::parse(text).is_err(), "{text}");
    }
}

#[test]
fn attribute_parser_rejects_anything_after_the_attribute() {
    for text in [
        "", " a", "a ", "a b", "a.b.c", "a.", ".a", "a[b pr]", "a,b", "a pr", "é", "aé", "a\0",
    ] {
        assert!(AttributePath::parse(text).is_err(), "{text:?}");
    }
    let owned = AttributePath::parse(&String::from("name.givenName"))
        .unwrap()
        .into_owned();
    assert_eq!(owned.to_string(), "name.givenName");
}

#[test]
fn a_value_path_may_belong_to_a_sub_attribute_in_a_filter() {
    let Filter::ValuePath(path) = parse("a.b[c eq 1 or d pr]") else {
        panic!()
    };
    assert_eq!(path.attribute.sub_attribute.as_deref(), Some("b"));
    assert_eq!(path.to_string(), "a.b[c eq 1 or d pr]");
    assert_eq!(
        parse("x pr and a[b pr] and c[d pr]").to_string(),
        "x pr and a[b pr] and c[d pr]"
    );
}
