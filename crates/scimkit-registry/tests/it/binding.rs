//! Binding of filters and paths: rejected ones, and the predicates of the others.

use scimkit_filter::ParseLimits;
use scimkit_registry::{
    Operator, PathTarget, Predicate, Quirk, RequestErrorKind, ResourceType, Scalar, Tolerance,
    parse_filter,
};

use crate::world::{bind, gadget, id, tolerance};

const OPERATORS: [&str; 9] = ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"];

/// The operators that an attribute accepts with a literal; every other one is rejected.
#[test]
fn operators_and_literals_fit_the_type() {
    let gadget = gadget();
    let all = "eq ne co sw ew gt ge lt le";
    let equal = "eq ne";
    let ordered = "eq ne gt ge lt le";
    let part = "eq ne co sw ew";
    let cases = [
        ("label", r#""a""#, all),
        ("exact", r#""""#, all),
        ("labels", r#""a""#, all),
        ("link", r#""https://x.org""#, all),
        ("blob", r#""QQ==""#, part),
        ("flag", "true", equal),
        ("flag", r#""False""#, equal),
        ("flag", r#""no""#, ""),
        ("count", "1", ordered),
        ("count", "-1.5e3", ordered),
        ("count", "1e999", ""),
        ("counts", "1", ordered),
        ("ratio", "1.5", ordered),
        ("ratio", "1e999", ""),
        ("at", r#""2011-05-13T04:42:34Z""#, ordered),
        ("at", r#""2011-05-13""#, ""),
        ("label", "1", ""),
        ("label", "true", ""),
        ("blob", "1", ""),
        ("link", "false", ""),
        ("flag", "1", ""),
        ("count", r#""1""#, ""),
        ("count", "true", ""),
        ("ratio", r#""1""#, ""),
        ("at", "1", ""),
        ("place", r#""a""#, ""),
        ("meta", "1", ""),
        ("parts", r#""a""#, all),
        ("parts", "1", ""),
        ("parts.primary", "true", equal),
        ("parts.primary", r#""a""#, ""),
        ("meta.created", r#""2011-05-13T04:42:34Z""#, ordered),
        ("schemas", r#""urn:x:y""#, all),
    ];
    for (attribute, literal, operators) in cases {
        for operator in OPERATORS {
            let filter = format!("{attribute} {operator} {literal}");
            let bound = bind(&gadget, &filter, &Tolerance::DEFAULT);
            let fits = operators.split(' ').any(|known| known == operator);
            assert_eq!(bound.is_ok(), fits, "{filter}: {bound:?}");
            if let Err(error) = bound {
                assert_eq!(error.kind(), RequestErrorKind::Filter);
                assert!(error.detail().contains(attribute), "{error}");
            }
        }
    }
}

#[test]
fn null_means_unassigned() {
    let gadget = gadget();
    let present = |path: &str| Predicate::Present(id(&gadget, path));
    for attribute in [
        "label", "flag", "count", "ratio", "at", "blob", "link", "labels",
    ] {
        for operator in OPERATORS {
            let filter = format!("{attribute} {operator} null");
            let expected = match operator {
                "eq" => Some(Predicate::Not(Box::new(present(attribute)))),
                "ne" => Some(present(attribute)),
                _ => None,
            };
            assert_eq!(
                bind(&gadget, &filter, &Tolerance::DEFAULT).ok(),
                expected,
                "{filter}"
            );
        }
    }
    assert_eq!(
        bind(&gadget, "parts ne null", &Tolerance::DEFAULT),
        Ok(present("parts.value"))
    );
    assert!(bind(&gadget, "place eq null", &Tolerance::DEFAULT).is_err());
}

#[test]
fn unfilterable_attributes_are_rejected() {
    let gadget = gadget();
    let cases = [
        ("nothing pr", "`nothing` is not an attribute of Gadget"),
        (
            "place.nothing pr",
            "`place.nothing` is not an attribute of Gadget",
        ),
        ("nothing[a pr]", "`nothing` is not an attribute of Gadget"),
        (
            "urn:x:y:label pr",
            "`urn:x:y:label` is not an attribute of Gadget",
        ),
        ("note pr", "`note` is not an attribute of Gadget"),
        (
            r#"place eq "a""#,
            "`place` is complex: compare one of its sub-attributes",
        ),
        (
            "label[value pr]",
            "`label` has no sub-attributes to filter on",
        ),
        (
            "place.zip[value pr]",
            "`place.zip` has no sub-attributes to filter on",
        ),
        ("labels[type pr]", "`type` is not a sub-attribute of labels"),
        (
            "labels[labels pr]",
            "`labels` is not a sub-attribute of labels",
        ),
        (
            "labels[value.x pr]",
            "`value.x` is not a sub-attribute of labels",
        ),
        (
            "parts.tags[value pr]",
            "`parts.tags` has no sub-attributes to filter on",
        ),
        (
            r#"labels[value eq 5]"#,
            "`labels` of type string can't be compared by `eq` with 5",
        ),
        ("parts[label pr]", "`label` is not a sub-attribute of parts"),
        (
            "parts[parts.value pr]",
            "`parts.value` is not a sub-attribute of parts",
        ),
        ("token pr", "`token` can't be filtered on"),
        (r#"token eq "a""#, "`token` can't be filtered on"),
        ("place.whisper pr", "`place.whisper` can't be filtered on"),
        ("place[whisper pr]", "`place.whisper` can't be filtered on"),
        (
            "parts[value pr and not (pin pr)]",
            "`parts.pin` can't be filtered on",
        ),
        ("vault pr", "`vault` can't be filtered on"),
        (
            r#"vault.value sw "a""#,
            "`vault.value` can't be filtered on",
        ),
        (r#"vault[value sw "a"]"#, "`vault` can't be filtered on"),
        // The implicit `value` of a complex attribute does not bypass the check.
        (r#"lock eq "a""#, "`lock.value` can't be filtered on"),
        (
            r#"crew.$ref eq "a""#,
            "`crew.$ref` is made from `value`: filter on that instead",
        ),
        (
            r#"crew[$ref eq "a"]"#,
            "`crew.$ref` is made from `value`: filter on that instead",
        ),
        (
            "owner.$ref pr",
            "`owner.$ref` is made from `value`: filter on that instead",
        ),
        (
            r#"not (label pr or place eq "a")"#,
            "`place` is complex: compare one of its sub-attributes",
        ),
        (
            "count gt \"x\"",
            "`count` of type integer can't be compared by `gt` with `x`",
        ),
        (
            "flag co true",
            "`flag` of type boolean can't be compared by `co` with true",
        ),
    ];
    for (filter, detail) in cases {
        let error = bind(&gadget, filter, &Tolerance::DEFAULT).unwrap_err();
        assert_eq!(error.kind(), RequestErrorKind::Filter, "{filter}");
        let unknown = detail.contains("is not a");
        let quirk = unknown.then_some(Quirk::UnknownFilterAttributes);
        assert_eq!(error.quirk(), quirk, "{filter}");
        assert!(error.detail().starts_with(detail), "{filter}: {error}");
    }
}

/// Words without quotes, and the attributes with which they can be compared.
#[test]
fn bare_words_are_bound_to_string_attributes_only() {
    let gadget = gadget();
    let bound = |text: &str| {
        let filter = parse_filter(text, ParseLimits::default(), &Tolerance::DEFAULT)?;
        gadget.bind_filter(&filter, &Tolerance::DEFAULT)
    };
    for attribute in [
        "label",
        "exact",
        "code",
        "labels",
        "parts",
        "parts.value",
        "owner.value",
        "id",
    ] {
        let quoted = bind(
            &gadget,
            &format!("{attribute} eq \"word\""),
            &Tolerance::DEFAULT,
        );
        assert_eq!(
            bound(&format!("{attribute} eq word")),
            quoted,
            "{attribute}"
        );
    }
    for attribute in [
        "flag",
        "count",
        "ratio",
        "at",
        "blob",
        "link",
        "meta.created",
    ] {
        let error = bound(&format!("{attribute} eq word")).unwrap_err();
        assert!(
            error.detail().ends_with("with `word` without quotes"),
            "{error}"
        );
    }
    assert!(bound("nothing eq word").is_err());
    let error =
        parse_filter("label eq word", ParseLimits::default(), &Tolerance::STRICT).unwrap_err();
    assert_eq!(error.quirk(), Some(Quirk::BareWords));
    let error = gadget.parse_path(
        "parts[type eq word]",
        ParseLimits::default(),
        &Tolerance::DEFAULT,
    );
    assert_eq!(error.unwrap_err().quirk(), None);
}

#[test]
fn value_filters_on_simple_values_are_accepted_or_named_as_a_quirk() {
    let gadget = gadget();
    let path = r#"labels[value eq "red"]"#;
    let target = gadget
        .parse_path(path, ParseLimits::default(), &Tolerance::DEFAULT)
        .unwrap();
    assert!(
        matches!(target, PathTarget::Elements { sub: None, .. }),
        "{target:?}"
    );
    let rejected = gadget
        .parse_path(path, ParseLimits::default(), &Tolerance::STRICT)
        .unwrap_err();
    assert_eq!(
        (rejected.kind(), rejected.quirk()),
        (RequestErrorKind::Path, Some(Quirk::SimpleValuePaths))
    );
    let rejected = bind(&gadget, path, &Tolerance::STRICT).unwrap_err();
    assert_eq!(
        (rejected.kind(), rejected.quirk()),
        (RequestErrorKind::Filter, Some(Quirk::SimpleValuePaths))
    );
    for path in [
        r#"labels[value eq "red"].value"#,
        r#"label[value eq "red"]"#,
    ] {
        let rejected = gadget
            .parse_path(path, ParseLimits::default(), &Tolerance::DEFAULT)
            .unwrap_err();
        assert_eq!(
            (rejected.kind(), rejected.quirk()),
            (RequestErrorKind::Path, None),
            "{path}"
        );
    }
}

#[test]
fn errors_do_not_repeat_whole_texts() {
    let gadget = gadget();
    let long = "a".repeat(10_000);
    for filter in [
        format!("{long} pr"),
        format!("count eq \"{long}\""),
        format!("parts[{long} pr]"),
    ] {
        let error = bind(&gadget, &filter, &Tolerance::DEFAULT).unwrap_err();
        assert!(error.detail().len() < 300, "{error}");
    }
}

#[test]
fn filter_quirks_are_accepted_by_tolerance() {
    let gadget = gadget();
    let always = Predicate::All(Vec::new());
    let cases = [
        (
            "default unknown_filter_attributes",
            "nothing pr",
            Some(Predicate::Never),
        ),
        (
            "default unknown_filter_attributes",
            "nothing eq 1",
            Some(Predicate::Never),
        ),
        (
            "default unknown_filter_attributes",
            "nothing ne 1",
            Some(always.clone()),
        ),
        (
            "default unknown_filter_attributes",
            "nothing[a pr]",
            Some(Predicate::Never),
        ),
        (
            "default unknown_filter_attributes",
            "parts[nothing ne 1]",
            Some(Predicate::ElementMatches {
                attr: id(&gadget, "parts"),
                inner: Box::new(always),
            }),
        ),
        ("default unknown_filter_attributes", "token pr", None),
        ("strict", "solo pr", None),
        (
            "strict unqualified_extensions",
            "solo pr",
            Some(Predicate::Present(id(&gadget, "urn:example:2.0:More:solo"))),
        ),
        ("strict", r#"flag eq "true""#, None),
        (
            "strict boolean_strings",
            r#"flag eq "true""#,
            Some(Predicate::Compare {
                attr: id(&gadget, "flag"),
                op: Operator::Equal,
                value: Scalar::Bool(true),
            }),
        ),
    ];
    for (t, filter, expected) in cases {
        assert_eq!(
            bind(&gadget, filter, &tolerance(t)).ok(),
            expected,
            "{t}: {filter}"
        );
    }
}

fn compared(kind: &ResourceType, filter: &str) -> (Operator, Scalar) {
    match bind(kind, filter, &Tolerance::DEFAULT) {
        Ok(Predicate::Compare { op, value, .. }) => (op, value),
        other => panic!("{filter}: {other:?}"),
    }
}

#[test]
fn bound_values_are_folded() {
    let gadget = gadget();
    let text = |text: &str| Scalar::Text(text.into());
    let cases = [
        (r#"label eq "STRASSE""#, text("strasse")),
        (r#"label sw "Straße""#, text("strasse")),
        (r#"exact eq "ABC""#, text("ABC")),
        (r#"link eq "HTTPS://X""#, text("HTTPS://X")),
        (r#"externalId eq "A""#, text("A")),
        (r#"at eq "1970-01-01T01:00:00+01:00""#, Scalar::Instant(0)),
        ("ratio eq 10", Scalar::Decimal(10.0)),
        ("ratio eq -0", Scalar::Decimal(0.0)),
        ("count eq 10", Scalar::Integer(10)),
        ("count eq 1e1", Scalar::Integer(10)),
        ("count eq 10.0", Scalar::Integer(10)),
        ("count eq -9223372036854775808", Scalar::Integer(i64::MIN)),
    ];
    for (filter, value) in cases {
        assert_eq!(compared(&gadget, filter).1, value, "{filter}");
    }
}

#[test]
fn integers_compare_with_any_number() {
    use Operator::{GreaterOrEqual, LessOrEqual};
    let gadget = gadget();
    let at_least = |n| Some((GreaterOrEqual, n));
    let at_most = |n| Some((LessOrEqual, n));
    let cases = [
        ("count gt 1.5", at_least(2)),
        ("count ge 1.5", at_least(2)),
        ("count lt 1.5", at_most(1)),
        ("count le -1.5", at_most(-2)),
        ("count gt -1.5", at_least(-1)),
        ("count lt 1e30", at_most(i64::MAX)),
        ("count gt -1e30", at_least(i64::MIN)),
        ("count gt 1e30", None),
        ("count ge 9223372036854775808", None),
        ("count lt -1e30", None),
        ("count eq 1.5", None),
        ("count eq 9223372036854775808", None),
    ];
    for (filter, expected) in cases {
        let bound = bind(&gadget, filter, &Tolerance::DEFAULT).unwrap();
        let expected = expected.map_or(Predicate::Never, |(op, value)| Predicate::Compare {
            attr: id(&gadget, "count"),
            op,
            value: Scalar::Integer(value),
        });
        assert_eq!(bound, expected, "{filter}");
    }
    let differs = bind(&gadget, "count ne 1.5", &Tolerance::DEFAULT);
    assert_eq!(differs, Ok(Predicate::All(Vec::new())));
}

#[test]
fn predicate_attributes_are_listed() {
    let gadget = gadget();
    let filter = r#"label pr and (not (count eq 1) or parts[type eq "a" and value pr])"#;
    let bound = bind(&gadget, filter, &Tolerance::DEFAULT).unwrap();
    let mut paths: Vec<_> = bound
        .attributes()
        .iter()
        .map(|id| gadget.attr(*id).path())
        .collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        ["count", "label", "parts", "parts.type", "parts.value"]
    );
    let owner = bind(&gadget, r#"owner eq "7""#, &Tolerance::DEFAULT).unwrap();
    assert_eq!(owner.attributes(), [id(&gadget, "owner.value")]);
}

#[test]
fn paths() {
    let gadget = gadget();
    let parse = |text: &str, t| gadget.parse_path(text, ParseLimits::default(), &tolerance(t));
    let attribute = |path| PathTarget::Attribute(id(&gadget, path));
    let plain = [
        ("LABEL", "label"),
        ("place.ZIP", "place.zip"),
        ("urn:example:2.0:gadget:place.zip", "place.zip"),
        ("URN:example:2.0:Extra:BOX.a", "urn:example:2.0:Extra:box.a"),
        ("owner.$ref", "owner.$ref"),
        ("token", "token"),
        ("id", "id"),
    ];
    for (text, path) in plain {
        assert_eq!(parse(text, "strict"), Ok(attribute(path)), "{text}");
    }
    assert_eq!(
        parse("URN:example:2.0:EXTRA", "strict"),
        Ok(PathTarget::Extension(0))
    );
    assert_eq!(
        parse("solo", "default"),
        Ok(attribute("urn:example:2.0:More:solo"))
    );
    let rejected = [
        ("solo", "strict"),
        ("note", "default"),
        ("nothing", "default unknown_filter_attributes"),
        ("place.nothing", "default"),
        ("parts[value pr].nothing", "default"),
        ("label[value pr]", "default"),
        ("nothing[value pr]", "default"),
        ("urn:example:2.0:Gadget", "default"),
        ("", "default"),
        ("/label", "default"),
        ("parts[", "default"),
    ];
    for (text, t) in rejected {
        let error = parse(text, t).unwrap_err();
        assert_eq!(error.kind(), RequestErrorKind::Path, "{text}: {error}");
    }
    // RFC 7644 section 3.12 treats filters in brackets like any other filter.
    let rejected = [
        ("parts[nothing pr]", "default unknown_filter_attributes"),
        ("parts[pin pr]", "default"),
        ("parts[value eq 5].type", "default"),
    ];
    for (text, t) in rejected {
        let error = parse(text, t).unwrap_err();
        assert_eq!(error.kind(), RequestErrorKind::Filter, "{text}: {error}");
    }
}

#[test]
fn paths_with_a_filter() {
    let gadget = gadget();
    let parse = |text: &str| gadget.parse_path(text, ParseLimits::default(), &Tolerance::DEFAULT);
    let which = Predicate::Compare {
        attr: id(&gadget, "parts.type"),
        op: Operator::Equal,
        value: Scalar::Text("a".into()),
    };
    let elements = |sub: Option<&str>| PathTarget::Elements {
        attr: id(&gadget, "parts"),
        which: which.clone(),
        sub: sub.map(|path| id(&gadget, path)),
    };
    assert_eq!(parse(r#"PARTS[Type eq "A"]"#), Ok(elements(None)));
    assert_eq!(
        parse(r#"parts[type eq "a"].VALUE"#),
        Ok(elements(Some("parts.value")))
    );
}

#[test]
fn depth_at_the_limit_binds() {
    let gadget = gadget();
    let depth = 32;
    let filter = format!("{}label pr{}", "not (".repeat(depth), ")".repeat(depth));
    let bound = bind(&gadget, &filter, &Tolerance::DEFAULT).unwrap();
    assert_eq!(bound.attributes(), [id(&gadget, "label")]);
}
