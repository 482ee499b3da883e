//! Evaluation: a table of filters over one document, sorting, and a naive oracle.

use proptest::prelude::*;
use scimkit_filter::Filter;
use scimkit_registry::{Meter, Predicate, Resource, ResourceView, Scalar, Tolerance};
use serde_json::{Value, json};

use crate::{
    oracle,
    world::{EXTRA, MORE, admit, bind, gadget, id, kind},
};

fn document() -> Resource {
    let body = json!({
        "code": "Co-1",
        "label": "Straße",
        "exact": "ABC",
        "flag": false,
        "count": 5,
        "ratio": 1.5,
        "at": "2011-05-13T04:42:34Z",
        "blob": "QQ==",
        "link": "https://X.org/a",
        "labels": ["Red", "Green"],
        "place": {"door": "", "zip": "1010"},
        "parts": [
            {"value": "x@Example.com", "type": "work", "weight": 1, "primary": true, "tags": ["T"]},
            {"value": "y@example.org", "type": "home"},
        ],
        EXTRA: {"note": "N", "label": "other"},
        "owner": {"value": "Ab7"},
    });
    admit(&gadget(), body)
}

const TRUE: &[&str] = &[
    r#"label eq "STRASSE""#,
    r#"label eq "straße""#,
    r#"label co "ASS""#,
    r#"label sw "strass""#,
    r#"label sw "Straße""#,
    r#"label ew "ße""#,
    r#"label co """#,
    r#"label gt "str""#,
    r#"label le "strasse""#,
    r#"label ne "other""#,
    r#"exact eq "ABC""#,
    r#"exact ne "abc""#,
    r#"exact lt "a""#,
    r#"code sw "Co""#,
    "flag eq false",
    "flag ne true",
    r#"flag eq "FALSE""#,
    "flag pr",
    "count ge 5 and count le 5.0 and count lt 5.5 and count gt 4.5",
    "count ne 4",
    "count ne 5.5",
    "ratio eq 15e-1",
    "ratio gt 1 and ratio lt 2",
    r#"at eq "2011-05-13T06:42:34+02:00""#,
    r#"at gt "2011-05-12T23:59:59Z""#,
    r#"at lt "2011-05-13T04:42:34.001Z""#,
    r#"blob eq "QQ==""#,
    r#"blob sw "QQ""#,
    r#"link co "X.org""#,
    r#"labels eq "red""#,
    r#"labels ne "red""#, // another value differs
    r#"labels eq "RED" and labels eq "GREEN""#,
    r#"labels[value eq "red"]"#,
    r#"labels[VALUE sw "G" and value ew "N"]"#,
    r#"labels[value ne "red"]"#,
    r#"labels[not (value eq "red")]"#,
    r#"labels[value eq "blue" or value co "ree"]"#,
    "labels[value pr]",
    r#"not (labels[value eq "blue"])"#,
    r#"schemas[value co "Gadget"]"#,
    r#"parts co "EXAMPLE.COM""#,
    r#"parts.type eq "work" and parts.value ew ".org""#, // of different elements
    r#"parts[type eq "work" and value ew ".com"]"#,
    r#"parts[type eq "home" and not (primary eq true)]"#,
    r#"parts[type eq "home" and primary eq false]"#, // saying nothing means false
    r#"parts[type eq "home" and primary ne true]"#,
    "parts[weight lt 1.5]",
    "parts[weight eq null]",
    "parts.primary eq false",
    "parts.primary ne true",
    "parts.primary ne false",
    r#"parts.tags eq "t""#,
    r#"parts[tags eq "T"]"#,
    "parts pr",
    "place pr",
    r#"place[zip eq "1010"]"#,
    r#"place.door eq """#,
    "not (place.door pr)",
    "place.door eq null",
    "title0 eq null",
    "not (title0 pr)",
    r#"title0 ne "x""#,
    "urn:example:2.0:Extra:note eq \"n\"",
    "urn:example:2.0:Extra:label eq \"OTHER\"",
    "URN:example:2.0:gadget:COUNT eq 5",
    r#"schemas eq "urn:example:2.0:Extra""#,
    r#"owner eq "Ab7""#,
    r#"label pr or exact pr and flag eq true"#, // and binds tighter
];

const FALSE: &[&str] = &[
    r#"label eq "Strase""#,
    r#"label ne "STRASSE""#,
    r#"label lt "strasse""#,
    r#"exact eq "abc""#,
    r#"exact co "b""#,
    r#"code sw "co""#,
    "flag eq true",
    "flag ne false",
    "count gt 5",
    "count eq 5.5",
    "count ne 5",
    "count gt 1e30",
    r#"at ne "2011-05-13T06:42:34+02:00""#,
    r#"blob eq "qq==""#,
    r#"link co "x.org""#,
    r#"labels eq "blue""#,
    r#"not (labels eq "red")"#,
    r#"labels[value eq "red" and value eq "green"]"#, // no one value is both
    r#"labels[value eq "blue"]"#,
    "labels[value eq null]",
    "counts[value ge 0]",
    r#"parts[type eq "work" and value ew ".org"]"#,
    r#"parts[type eq "work" and primary eq false]"#,
    r#"parts[type eq "work" and primary ne true]"#,
    r#"parts[type eq "home" and primary ne false]"#,
    "parts[weight gt 1]",
    "place.door pr",
    r#"place.zip eq null"#,
    "place.floor pr",
    "title0 pr",
    r#"title0 eq "x""#,
    r#"title0 co """#,
    r#"title0 gt """#,
    r#"urn:example:2.0:Extra:note eq "x""#,
    r#"schemas eq "urn:example:2.0:More""#,
    r#"owner eq "AB7""#,
    "crew pr", // edges are not in the document
    "id pr",
];

#[test]
fn cases() {
    let gadget = gadget();
    let document = document();
    for (filters, expected) in [(TRUE, true), (FALSE, false)] {
        for filter in filters {
            // An attribute that the type has but the document does not.
            let text = filter.replace("title0", "hint");
            let bound = bind(&gadget, &text, &Tolerance::DEFAULT).unwrap();
            assert_eq!(
                gadget
                    .matches(&bound, ResourceView::new(&document), &Meter::unlimited())
                    .unwrap(),
                expected,
                "{text}"
            );
        }
    }
}

#[test]
fn primary_matches_nothing_without_elements() {
    let gadget = gadget();
    let empty = admit(&gadget, json!({}));
    let cases = [
        ("parts.primary eq true", false),
        ("parts.primary eq false", false),
        ("parts.primary ne true", true),
        ("parts.primary ne false", true),
        ("parts[primary eq false]", false),
    ];
    for (filter, expected) in cases {
        let bound = bind(&gadget, filter, &Tolerance::DEFAULT).unwrap();
        assert_eq!(
            gadget
                .matches(&bound, ResourceView::new(&empty), &Meter::unlimited())
                .unwrap(),
            expected,
            "{filter}"
        );
    }
}

#[test]
fn blank_elements_count_as_not_primary() {
    let gadget = gadget();
    let blank = admit(&gadget, json!({"parts": [{"value": ""}]}));
    let holds = |text| {
        let predicate = bind(&gadget, text, &Tolerance::DEFAULT).unwrap();
        gadget
            .matches(&predicate, ResourceView::new(&blank), &Meter::unlimited())
            .unwrap()
    };
    assert!(holds("parts.primary eq false"));
    assert!(!holds("parts.primary ne false"));
}

#[test]
fn empty_predicates_are_evaluated() {
    let gadget = gadget();
    let document = document();
    let cases = [
        (Predicate::All(vec![]), true),
        (Predicate::Any(vec![]), false),
        (Predicate::Never, false),
        (Predicate::Not(Box::new(Predicate::Never)), true),
    ];
    for (predicate, expected) in cases {
        assert_eq!(
            gadget
                .matches(
                    &predicate,
                    ResourceView::new(&document),
                    &Meter::unlimited()
                )
                .unwrap(),
            expected
        );
    }
}

#[test]
fn computed_attributes_are_evaluated_next_to_the_document() {
    let gadget = gadget();
    let document = document();
    let computed = json!({
        "id": "Seven",
        "meta": {"created": "2011-05-13T04:42:34Z", "resourceType": "Gadget"},
        "crew": [{"value": "U1", "type": "User"}, {"value": "G1", "type": "Gadget"}],
        "owner": {"value": "Ab7", "displayName": "Anna"},
        "label": "computed",
        "urn:example:2.0:Extra:note": "computed",
    });
    let view = ResourceView::with(&document, computed.as_object().unwrap());
    let cases = [
        (r#"id eq "Seven""#, true),
        (r#"id eq "seven""#, false),
        (r#"meta.created le "2011-05-13T04:42:34Z""#, true),
        (r#"meta.resourceType eq "gadget""#, false),
        (r#"crew eq "U1""#, true),
        (r#"crew[value eq "U1" and type eq "user"]"#, true),
        (r#"crew[value eq "U1" and type eq "gadget"]"#, false),
        (r#"owner.displayName sw "an""#, true),
        (r#"label eq "computed""#, true),
        (r#"urn:example:2.0:Extra:note eq "computed""#, true),
        (r#"exact eq "ABC""#, true),
    ];
    for (filter, expected) in cases {
        let bound = bind(&gadget, filter, &Tolerance::DEFAULT).unwrap();
        assert_eq!(
            gadget.matches(&bound, view, &Meter::unlimited()).unwrap(),
            expected,
            "{filter}"
        );
    }
}

#[test]
fn elements_are_objects() {
    let gadget = gadget();
    let bound = bind(&gadget, r#"parts[type eq "work"]"#, &Tolerance::DEFAULT).unwrap();
    let Predicate::ElementMatches { inner, .. } = bound else {
        panic!("{bound:?}")
    };
    let matches = |element| {
        gadget
            .element_matches(&inner, &element, &Meter::unlimited())
            .unwrap()
    };
    assert!(matches(json!({"type": "WORK"})));
    assert!(!matches(json!({"type": ["home"]})));
    assert!(!matches(json!("work")));
    assert!(!matches(json!([{"type": "work"}])));
}

#[test]
fn predicates_of_another_type_do_not_panic() {
    let user = kind("User");
    let group = kind("Group");
    let document = document();
    let filter = r#"emails[type eq "work"] or name.familyName co "x" or x509Certificates pr"#;
    let bound = bind(&user, filter, &Tolerance::DEFAULT).unwrap();
    let _ = group.matches(&bound, ResourceView::new(&document), &Meter::unlimited());
}

#[test]
fn sort_keys() {
    let gadget = gadget();
    let document = document();
    let key = |path: &str| {
        gadget
            .sort_key(
                id(&gadget, path),
                ResourceView::new(&document),
                &Meter::unlimited(),
            )
            .unwrap()
    };
    let text = |text: &str| Some(Scalar::Text(text.into()));
    assert_eq!(key("label"), text("strasse"));
    assert_eq!(key("exact"), text("ABC"));
    assert_eq!(key("count"), Some(Scalar::Integer(5)));
    assert_eq!(key("labels"), text("red"));
    assert_eq!(key("parts.value"), text("x@example.com"));
    assert_eq!(key("place.zip"), text("1010"));
    assert_eq!(key("urn:example:2.0:Extra:label"), text("other"));
    for nothing in ["hint", "place", "parts", "parts.tags", "place.floor", "id"] {
        assert_eq!(key(nothing), None, "{nothing}");
    }
    let parts = |parts: Value| {
        let document = admit(&gadget, json!({"parts": parts}));
        gadget
            .sort_key(
                id(&gadget, "parts.value"),
                ResourceView::new(&document),
                &Meter::unlimited(),
            )
            .unwrap()
    };
    assert_eq!(
        parts(json!([{"value": "b"}, {"value": "a", "primary": true}])),
        text("a")
    );
    assert_eq!(parts(json!([{"value": "b"}, {"value": "a"}])), text("b"));
    assert_eq!(parts(json!([{"type": "b"}, {"value": "a"}])), None);
}

fn body() -> impl Strategy<Value = Value> {
    let text = || {
        prop::option::of(prop::sample::select(vec![
            "", "a", "A", "Ab", "ß", "É", "é",
        ]))
    };
    let number = || prop::option::of(-2..3_i64);
    let decimal = || prop::option::of(prop::sample::select(vec![-1.5, 0.0, 1.0, 1.5]));
    let truth = || prop::option::of(any::<bool>());
    let at = prop::option::of(prop::sample::select(oracle::INSTANTS.to_vec()));
    let part = (text(), text(), decimal(), truth(), prop::collection::vec(text(), 0..3)).prop_map(
        |(value, kind, weight, primary, tags)| {
            json!({"value": value, "type": kind, "weight": weight, "primary": primary, "tags": tags})
        },
    );
    let texts = (text(), text(), text(), prop::collection::vec(text(), 0..3));
    let numbers = (
        number(),
        decimal(),
        truth(),
        at,
        prop::collection::vec(number(), 0..3),
    );
    (texts, numbers, prop::collection::vec(part, 0..3), number()).prop_map(
        |((label, exact, note, labels), (count, ratio, flag, at, counts), mut parts, floor)| {
            // At most one is primary.
            let mut primary = false;
            for part in &mut parts {
                if primary {
                    part["primary"] = Value::Null;
                }
                primary |= part["primary"] == true;
            }
            json!({
                "label": label, "exact": exact, "labels": labels, "count": count, "ratio": ratio,
                "flag": flag, "at": at, "counts": counts, "parts": parts,
                "place": {"floor": floor}, EXTRA: {"note": note}, MORE: {"solo": exact},
            })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn evaluation_agrees_with_the_oracle(body in body(), filter in oracle::filter()) {
        let gadget = gadget();
        let document = admit(&gadget, body);
        let parsed = Filter::parse(&filter).unwrap();
        let bound = gadget.bind_filter(&parsed, &Tolerance::DEFAULT).unwrap();
        let found = gadget.matches(&bound, ResourceView::new(&document), &Meter::unlimited()).unwrap();
        prop_assert_eq!(found, oracle::holds(&parsed, document.as_map()), "{}", filter);
    }
}
