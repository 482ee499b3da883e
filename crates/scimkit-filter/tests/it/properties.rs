//! Properties of all trees and all texts.

use std::borrow::Cow;

use proptest::prelude::*;
use scimkit_filter::{
    AttributePath, Comparison, Filter, Leniency, Literal, Operator, ParseLimits, ParseOptions,
    Path, ValuePath,
};

fn name() -> impl Strategy<Value = Cow<'static, str>> {
    prop_oneof![
        8 => "[A-Za-z][A-Za-z0-9_-]{0,8}",
        1 => prop::sample::select(vec!["and", "or", "not", "pr", "eq", "true", "null", "urn", "$ref", "$REF"])
            .prop_map(String::from),
    ]
    .prop_map(Cow::Owned)
}

fn urn() -> impl Strategy<Value = Cow<'static, str>> {
    "(urn|URN|Urn)(:([A-Za-z0-9._~!$&'()*+,;=@/-]|%[0-9a-fA-F]{2}){1,6}){1,4}".prop_map(Cow::Owned)
}

pub(crate) fn attribute() -> impl Strategy<Value = AttributePath<'static>> {
    (prop::option::weighted(0.2, urn()), bare())
        .prop_map(|(urn, path)| AttributePath { urn, ..path })
}

fn bare() -> impl Strategy<Value = AttributePath<'static>> {
    (name(), prop::option::of(name())).prop_map(|(name, sub)| AttributePath {
        urn: None,
        name,
        sub_attribute: sub,
    })
}

pub(crate) fn operator() -> impl Strategy<Value = Operator> {
    use Operator::*;
    let all = [
        Contains,
        EndsWith,
        Equal,
        GreaterOrEqual,
        GreaterThan,
        LessOrEqual,
        LessThan,
        NotEqual,
        StartsWith,
    ];
    prop::sample::select(all.to_vec())
}

pub(crate) fn literal() -> impl Strategy<Value = Literal<'static>> {
    prop_oneof![
        any::<bool>().prop_map(Literal::Bool),
        Just(Literal::Null),
        r"-?(0|[1-9][0-9]{0,5})(\.[0-9]{1,4})?([eE][+-]?[0-9]{1,3})?"
            .prop_map(|lexeme| Literal::Number(lexeme.into())),
        any::<String>().prop_map(|text| Literal::String(text.into())),
        "[\"\\\\a\u{0}-\u{1f}]{0,6}".prop_map(|text| Literal::String(text.into())),
    ]
}

fn term(attribute: BoxedStrategy<AttributePath<'static>>) -> BoxedStrategy<Filter<'static>> {
    let compare =
        (attribute.clone(), operator(), literal()).prop_map(|(attribute, operator, value)| {
            Filter::Compare(Comparison {
                attribute,
                operator,
                value,
            })
        });
    prop_oneof![compare, attribute.prop_map(Filter::Present)].boxed()
}

/// Returns logic around `leaf` with the invariants of a parsed tree.
fn logic(leaf: BoxedStrategy<Filter<'static>>, depth: u32) -> BoxedStrategy<Filter<'static>> {
    leaf.prop_recursive(depth, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..5).prop_map(and),
            inner
                .clone()
                .prop_map(|filter| Filter::Not(Box::new(filter))),
            prop::collection::vec(inner, 2..5).prop_map(or),
        ]
    })
    .boxed()
}

fn and(members: Vec<Filter<'static>>) -> Filter<'static> {
    let flat = members.into_iter().flat_map(|member| match member {
        Filter::And(members) => members,
        other => vec![other],
    });
    Filter::And(flat.collect())
}

fn or(members: Vec<Filter<'static>>) -> Filter<'static> {
    let flat = members.into_iter().flat_map(|member| match member {
        Filter::Or(members) => members,
        other => vec![other],
    });
    Filter::Or(flat.collect())
}

fn inner_filter() -> BoxedStrategy<Filter<'static>> {
    logic(term(bare().boxed()), 3)
}

pub(crate) fn filter() -> impl Strategy<Value = Filter<'static>> {
    let value_path = (attribute(), inner_filter()).prop_map(|(attribute, filter)| {
        Filter::ValuePath(ValuePath {
            attribute,
            filter: Box::new(filter),
        })
    });
    logic(
        prop_oneof![3 => term(attribute().boxed()), 1 => value_path].boxed(),
        4,
    )
}

pub(crate) fn path() -> impl Strategy<Value = Path<'static>> {
    (attribute(), prop::option::of(inner_filter())).prop_map(
        |(
            AttributePath {
                urn,
                name,
                sub_attribute,
            },
            filter,
        )| Path {
            urn,
            name,
            filter: filter.map(Box::new),
            sub_attribute,
        },
    )
}

/// Returns texts that are nearly filters.
pub(crate) fn nearly() -> impl Strategy<Value = String> {
    let pieces = vec![
        " ", "  ", "\t", "(", ")", "[", "]", ".", ":", "\"", "\\", "\\u", "d83d", "\\ude00", "and",
        "or", "not", "pr", "eq", "a", "emails", "urn:x:y:", "$ref", "true", "True", "null",
        "-1.5e3", "01", "\"x\"", "a pr", "ü", "\0", "%",
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..24).prop_map(|pieces| pieces.concat())
}

fn every_reading(text: &str) {
    let lenient = ParseOptions::default().with_leniency(Leniency::LENIENT);
    let tight = lenient.with_limits(
        ParseLimits::default()
            .with_depth(1)
            .with_length(16)
            .with_terms(2),
    );
    for options in [ParseOptions::default(), lenient, tight] {
        match Filter::parse_with(text, &options) {
            Ok(filter) => assert_eq!(Filter::parse(&filter.to_string()), Ok(filter), "{text:?}"),
            Err(error) => assert!(
                text.get(error.span()).is_some() && !format!("{error:#}").is_empty(),
                "{text:?}"
            ),
        }
        match Path::parse_with(text, &options) {
            Ok(path) => assert_eq!(Path::parse(&path.to_string()), Ok(path), "{text:?}"),
            Err(error) => assert!(
                text.get(error.span()).is_some() && !format!("{error:#}").is_empty(),
                "{text:?}"
            ),
        }
    }
    if let Ok(attribute) = AttributePath::parse(text) {
        assert_eq!(attribute.to_string(), text);
        assert!(Path::parse(text).is_ok());
    }
}

proptest! {
    #[test]
    fn filters_round_trip(filter in filter()) {
        let printed = filter.to_string();
        let parsed = Filter::parse(&printed).unwrap();
        prop_assert_eq!(&parsed, &filter, "{}", printed);
        // Equality ignores the case of names.
        prop_assert_eq!(format!("{parsed:?}"), format!("{filter:?}"));
        prop_assert_eq!(filter.clone().into_owned(), filter);
    }

    #[test]
    fn paths_round_trip(path in path()) {
        let printed = path.to_string();
        let parsed = Path::parse(&printed).unwrap();
        prop_assert_eq!(format!("{parsed:?}"), format!("{path:?}"));
        prop_assert_eq!(parsed, path, "{}", printed);
    }

    #[test]
    fn leniency_never_changes_the_meaning_of_a_strict_text(filter in filter()) {
        let printed = filter.to_string();
        let lenient = ParseOptions::default().with_leniency(Leniency::LENIENT);
        prop_assert_eq!(Filter::parse_with(&printed, &lenient).unwrap(), filter);
    }

    #[test]
    fn parsing_any_text_does_not_panic(text in any::<String>()) {
        every_reading(&text);
    }

    #[test]
    fn parsing_any_bytes_does_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        every_reading(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn parsing_nearly_valid_texts_does_not_panic(text in nearly()) {
        every_reading(&text);
    }

    #[test]
    fn numbers_agree_with_serde_json(text in "[-+.0-9eE]{1,8}") {
        let json = serde_json::from_str::<serde_json::Value>(&text);
        // The grammar has no range for numbers, but serde_json has one.
        prop_assume!(!json.as_ref().is_err_and(|error| error.to_string().contains("out of range")));
        prop_assert_eq!(Filter::parse(&format!("a eq {text}")).is_ok(), json.is_ok(), "{}", text);
    }

    #[test]
    fn strings_agree_with_serde_json(text in "\"([a\"ü\u{0}\n]|\\\\|\\\\u|d83d|de00|0041|n){0,6}\"") {
        let json = serde_json::from_str::<String>(&text);
        let filter = format!("a eq {text}");
        let parsed = Filter::parse(&filter);
        prop_assert_eq!(parsed.is_ok(), json.is_ok(), "{}", text);
        if let (Ok(Filter::Compare(comparison)), Ok(json)) = (parsed, json) {
            prop_assert_eq!(comparison.value, Literal::String(json.into()));
        }
    }
}
