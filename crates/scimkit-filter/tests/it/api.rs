//! Building, comparing, walking and renaming, and their combinations.

use std::{
    collections::HashSet,
    fmt::Debug,
    hash::{DefaultHasher, Hash, Hasher},
};

use proptest::prelude::*;
use scimkit_filter::{AttributePath, Event, Filter, Group, Literal, Path};

use crate::properties::{attribute, filter, literal, operator};

fn parse(text: &str) -> Filter<'_> {
    Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error:#}"))
}

#[test]
fn builders_build_the_same_trees_as_the_parser() {
    let made = [
        (Filter::co("a", "x"), r#"a co "x""#),
        (Filter::eq("a.b", true), "a eq true"),
        (Filter::ew("a", "\"\n"), r#"a ew "\"\n""#),
        (Filter::ge("urn:x:y:a", 5), "urn:x:y:a ge 5"),
        (Filter::gt("a", -5_i64), "a gt -5"),
        (
            Filter::le("a", 18_446_744_073_709_551_615_u64),
            "a le 18446744073709551615",
        ),
        (
            Filter::lt("a", Literal::number("1.5e3").unwrap()),
            "a lt 1.5e3",
        ),
        (Filter::ne("a", Literal::Null), "a ne null"),
        (Filter::sw("$ref", String::from("/")), r#"$ref sw "/""#),
        (Filter::present("a"), "a pr"),
    ];
    for (made, text) in made {
        let made = made.unwrap();
        let text = text.replace("a eq true", "a.b eq true");
        assert_eq!(made.to_string(), text);
        assert_eq!(made, parse(&text));
    }
}

#[test]
fn builders_flatten_like_the_parser() {
    let present = |name| Filter::present(name).unwrap();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(present);
    let and = a.clone().and(b.clone()).and(c.clone().and(d.clone()));
    assert_eq!(and, parse("a pr and b pr and c pr and d pr"));
    let or = a.clone().or(b.clone().or(c.clone())).or(d.clone());
    assert_eq!(or, parse("a pr or b pr or c pr or d pr"));
    let mixed = a.and(b.or(c)).negate().or(d);
    assert_eq!(mixed, parse("not (a pr and (b pr or c pr)) or d pr"));
}

#[test]
fn builders_reject_names_that_would_print_as_something_else() {
    for name in [
        "",
        "a b",
        "a pr or b",
        "a.b.c",
        "a[b pr]",
        "1a",
        "x:y",
        "a\n",
        "ü",
    ] {
        assert!(Filter::eq(name, "x").is_err(), "{name:?}");
        assert!(Filter::present(name).is_err(), "{name:?}");
        assert!(Filter::value_path(name, parse("a pr")).is_err(), "{name:?}");
    }
    for number in [
        "",
        "01",
        "1.",
        "NaN",
        "1 ",
        " 1",
        "1 or a pr",
        "\"1\"",
        "true",
        "0x1",
    ] {
        assert!(Literal::number(number).is_err(), "{number:?}");
    }
    for inner in [
        "a[b pr]",
        "not (a[b pr])",
        "a pr and urn:x:y:b pr",
        "urn:x:y:b eq 1",
    ] {
        let error = Filter::value_path("e", parse(inner)).unwrap_err();
        assert!(error.to_string().contains("brackets"), "{inner}: {error}");
    }
    let inner = parse("a pr or not (b eq 1)");
    assert_eq!(
        Filter::value_path("urn:x:y:e", inner),
        Ok(parse("urn:x:y:e[a pr or not (b eq 1)]"))
    );
}

#[test]
fn builders_accept_parsed_attributes() {
    let attribute = AttributePath::parse("name.familyName").unwrap();
    assert_eq!(Filter::present(attribute), Ok(parse("name.familyName pr")));
}

#[test]
fn equality_ignores_case_in_names_but_not_in_values() {
    let same = [
        ("userName pr", "USERNAME PR"),
        ("urn:x:y:a.b eq 1", "URN:X:Y:A.B eq 1"),
        ("e[type eq \"w\"]", "E[TYPE eq \"w\"]"),
        ("a eq \"\\u0041\"", "a eq \"A\""),
        ("a.$ref pr", "A.$REF pr"),
    ];
    for (one, other) in same {
        let one = parse(one);
        let other = parse(other);
        assert_eq!(one, other);
        assert_eq!(hash(&one), hash(&other), "{one}");
    }
    let different = [
        ("a eq \"x\"", "a eq \"X\""),
        ("a eq 1", "a eq 1.0"),
        ("a eq 1e2", "a eq 1E2"),
        ("a eq 1", "a eq \"1\""),
        ("a pr", "x:a pr"),
        ("a.b pr", "a pr"),
        ("a pr and b pr", "b pr and a pr"),
        ("a pr and b pr", "a pr or b pr"),
        ("not (not (a pr))", "a pr"),
    ];
    for (one, other) in different {
        assert_ne!(
            Filter::parse(one).ok(),
            Filter::parse(other).ok(),
            "{one} | {other}"
        );
    }
    let paths = [
        "Emails[Type pr].Value",
        "emails[type pr].value",
        "emails[type pr].display",
    ];
    let paths: HashSet<Path<'_>> = paths
        .iter()
        .map(|path| Path::parse(path).unwrap())
        .collect();
    assert_eq!(paths.len(), 2);
}

#[test]
fn different_paths_and_values_are_unequal_and_have_different_hashes() {
    let attributes = [
        "a",
        "b",
        "a.b",
        "a.c",
        "b.a",
        "urn:x:y:a",
        "urn:x:z:a",
        "urn:x:y:a.b",
    ];
    let attributes = attributes.map(|text| AttributePath::parse(text).unwrap());
    all_differ(&attributes);
    let paths = [
        "a",
        "b",
        "a.b",
        "a.c",
        "b.a",
        "urn:x:y:a",
        "urn:x:z:a",
        "a[b pr]",
        "a[c pr]",
        "a[b pr].c",
        "a[b pr].d",
    ];
    let paths = paths.map(|text| Path::parse(text).unwrap());
    all_differ(&paths);
    let filters = [
        "a pr",
        "a eq 1",
        "a eq 2",
        "a eq \"1\"",
        "a eq \"2\"",
        "a eq true",
        "a eq false",
        "a eq null",
        "a ne null",
    ];
    let filters = filters.map(parse);
    all_differ(&filters);
    let values = filters.iter().filter_map(|filter| match filter {
        Filter::Compare(comparison) => Some(comparison.value.clone()),
        _ => None,
    });
    // All but the second `null`.
    let values: Vec<_> = values.take(7).collect();
    all_differ(&values);
}

fn all_differ<T: Debug + Eq + Hash>(values: &[T]) {
    for (at, one) in values.iter().enumerate() {
        for other in values.iter().skip(at + 1) {
            assert_ne!(one, other);
            assert_ne!(hash(one), hash(other), "{one:?} | {other:?}");
        }
    }
}

#[test]
fn only_characters_that_json_must_escape_are_escaped() {
    let text = r##"a eq "\u001f !\"#$~\\\b\f\n\r\t""##;
    assert_eq!(parse(text).to_string(), text);
}

fn hash<T: Hash>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn walks_enter_and_leave_groups() {
    let filter = parse("a pr and not (b[c eq 1 or d pr])");
    let seen: Vec<String> = filter
        .walk()
        .map(|event| match event {
            Event::Between(group) => format!("{} ", name(group)),
            Event::Compare(comparison) => comparison.to_string(),
            Event::Enter(group) => format!("<{}", name(group)),
            Event::Leave(group) => format!("{}>", name(group)),
            Event::Present(attribute) => format!("{attribute} pr"),
        })
        .collect();
    let wanted = "<and|a pr|and |<not|<b|<or|c eq 1|or |d pr|or>|b>|not>|and>";
    assert_eq!(seen.join("|"), wanted);
}

fn name(group: Group<'_, '_>) -> String {
    match group {
        Group::And => "and".into(),
        Group::Not => "not".into(),
        Group::Or => "or".into(),
        Group::ValuePath(attribute) => attribute.to_string(),
    }
}

#[test]
fn trees_of_any_depth_can_be_walked() {
    let mut filter = Filter::present("a").unwrap();
    for _ in 0..1_000 {
        filter = filter.negate();
    }
    assert_eq!(filter.walk().count(), 2_001);
    assert_eq!(filter.attributes().count(), 1);
}

#[test]
fn from_str_and_display_round_trip_owned_trees() {
    let filter: Filter<'static> = "a pr".parse().unwrap();
    assert_eq!(Filter::try_from("A PR"), Ok(filter));
    assert!("a".parse::<Path<'static>>().is_ok() && Path::try_from("a b").is_err());
    assert!("a,b".parse::<AttributePath<'static>>().is_err());
}

#[cfg(feature = "serde")]
#[test]
fn trees_are_serialized_as_strings() {
    use serde_json::{from_str, json, to_string};

    let text = r#""emails[type eq \"work\"]""#;
    let filter: Filter<'static> = from_str(text).unwrap();
    assert_eq!(to_string(&filter).unwrap(), text);
    let path: Path<'static> = serde_json::from_value(json!("emails[type pr].value")).unwrap();
    assert_eq!(json!(path), json!("emails[type pr].value"));
    let attribute: AttributePath<'static> = from_str(r#""name.familyName""#).unwrap();
    assert_eq!(json!(attribute), json!("name.familyName"));

    let error = from_str::<Filter<'static>>(r#""a eq""#)
        .unwrap_err()
        .to_string();
    assert!(error.contains("expected a value"), "{error}");
    let error = from_str::<Path<'static>>("1").unwrap_err().to_string();
    assert!(error.contains("a path of SCIM"), "{error}");
}

/// Returns the text that a walk gives: the canonical one, except for its parentheses.
fn spelled(filter: &Filter<'_>) -> String {
    let step = |event| match event {
        Event::Between(Group::Or) => " or ".into(),
        Event::Between(_) => " and ".into(),
        Event::Compare(comparison) => comparison.to_string(),
        Event::Enter(Group::Not) => "not (".into(),
        Event::Enter(Group::ValuePath(attribute)) => format!("{attribute}["),
        Event::Enter(_) => "(".into(),
        Event::Leave(Group::ValuePath(_)) => "]".into(),
        Event::Leave(_) => ")".into(),
        Event::Present(attribute) => format!("{attribute} pr"),
    };
    filter.walk().map(step).collect::<Vec<_>>().concat()
}

proptest! {
    #[test]
    fn walks_visit_every_node(filter in filter()) {
        let spelled = spelled(&filter);
        prop_assert_eq!(&parse(&spelled), &filter, "{}", spelled);
    }

    #[test]
    fn built_filters_round_trip(attribute in attribute(), operator in operator(), value in literal()) {
        let made = Filter::compare(attribute.to_string().as_str(), operator, value.clone()).unwrap().into_owned();
        prop_assert_eq!(format!("{made:?}"), format!("{:?}", parse(&made.to_string()).into_owned()));
        prop_assert_eq!(Filter::compare(attribute, operator, value), Ok(made));
    }

    #[test]
    fn filters_are_equal_in_any_case_of_names(filter in filter()) {
        let mut other = filter.clone();
        other.rename(|_, attribute| {
            attribute.name.to_mut().make_ascii_uppercase();
            for part in [&mut attribute.urn, &mut attribute.sub_attribute].into_iter().flatten() {
                part.to_mut().make_ascii_uppercase();
            }
        });
        prop_assert_eq!(&other, &filter);
        prop_assert_eq!(hash(&other), hash(&filter));
    }

    #[test]
    fn rename_visits_every_listed_attribute(filter in filter()) {
        let listed: Vec<_> = filter.attributes().map(|one| (one.enclosing.cloned(), one.attribute.clone())).collect();
        let mut renamed = filter.clone();
        let mut seen = Vec::new();
        renamed.rename(|around, attribute| {
            seen.push((around.cloned(), attribute.clone()));
            attribute.name = "z".into();
        });
        prop_assert_eq!(seen.len(), listed.len());
        prop_assert!(seen.iter().all(|one| listed.contains(one)));
        prop_assert!(renamed.attributes().all(|one| one.attribute.name == "z"));
    }
}
