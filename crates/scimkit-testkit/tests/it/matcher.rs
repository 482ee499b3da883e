//! The values that each comparison rule matches, and those that it does not.

use scimkit_testkit::replay::matches;
use serde_json::{Value, json};

/// Checks that every `good` value matches; for the bad one, that the error contains these words.
#[expect(
    clippy::needless_pass_by_value,
    reason = "each expectation is written at its call"
)]
fn check(expected: Value, good: &[Value], (bad, words): (Value, &str)) {
    for actual in good {
        assert_eq!(
            matches(&expected, actual),
            Ok(()),
            "{expected} and {actual}"
        );
    }
    let problem = matches(&expected, &bad).unwrap_err();
    assert!(problem.contains(words), "{problem}");
}

#[test]
fn scalars_are_equal_with_their_type() {
    check(
        json!("a"),
        &[json!("a")],
        (json!("A"), "$: expected \"a\", got \"A\""),
    );
    check(
        json!(true),
        &[json!(true)],
        (json!("True"), "expected boolean true, got string"),
    );
    check(
        json!(1),
        &[json!(1), json!(1.0)],
        (json!(true), "expected integer 1, got boolean"),
    );
    check(
        json!(1.5),
        &[json!(1.5)],
        (json!(2), "expected number 1.5, got integer 2"),
    );
}

#[test]
fn an_object_has_at_least_these_members_in_any_case() {
    let good = [
        json!({"USERNAME": "a", "more": 1}),
        json!({"userName": "a"}),
    ];
    check(
        json!({"userName": "a"}),
        &good,
        (json!({"name": "a"}), "$.userName: missing"),
    );
    check(
        json!({}),
        &[json!({}), json!({"a": 1})],
        (json!("a"), "expected an object"),
    );
    let deep = (
        json!({"name": {"familyName": "x"}}),
        "$.name.familyName: expected \"y\"",
    );
    check(
        json!({"name": {"familyName": "y"}}),
        &[json!({"Name": {"familyName": "y"}})],
        deep,
    );
}

#[test]
fn the_reference_member_is_no_operator() {
    let bad = (json!({"$ref": "b"}), "$.$ref: expected \"a\"");
    check(
        json!({"$ref": "a"}),
        &[json!({"$ref": "a", "value": "1"})],
        bad,
    );
}

#[test]
fn an_array_has_these_elements_in_any_order() {
    let expected = json!(["a", "b"]);
    check(
        expected.clone(),
        &[json!(["b", "a"])],
        (json!(["a"]), "expected 2 elements, got 1"),
    );
    check(
        expected.clone(),
        &[],
        (json!(["a", "a"]), "no element matches \"b\""),
    );
    check(expected, &[], (json!("a"), "expected an array"));
}

#[test]
fn each_expected_element_has_one_of_its_own() {
    // The first element would take the only match of the second.
    let expected = json!([{"type": "work"}, {"type": "work", "primary": true}]);
    let good = json!([{"type": "work", "primary": true}, {"type": "work"}]);
    let bad = json!([{"type": "work", "primary": true}, {"type": "home", "primary": true}]);
    check(expected, &[good], (bad, "no element matches"));
}

#[test]
fn null_and_the_empty_array_are_unassigned() {
    for expected in [json!({"roles": null}), json!({"roles": []})] {
        let good = [json!({}), json!({"roles": null}), json!({"roles": []})];
        check(
            expected,
            &good,
            (json!({"Roles": ["a"]}), "$.roles: expected unassigned"),
        );
    }
    check(
        json!(null),
        &[json!([])],
        (json!(""), "expected unassigned, got \"\""),
    );
}

#[test]
fn any() {
    let good = [json!("a"), json!(["x"])];
    check(
        json!({"$any": ["a", ["x"]]}),
        &good,
        (json!("b"), "none of the alternatives"),
    );
    let absent = json!({"active": {"$any": [null, false]}});
    let good = [json!({}), json!({"active": false}), json!({"active": null})];
    check(
        absent,
        &good,
        (
            json!({"active": true}),
            "$.active: none of the alternatives",
        ),
    );
    check(
        json!({"a": {"$any": [1]}}),
        &[json!({"a": 1})],
        (json!({}), "$.a: missing"),
    );
}

#[test]
fn ci() {
    check(
        json!({"$ci": "Ünit"}),
        &[json!("üNIT")],
        (json!("unit"), "ignoring case"),
    );
    check(json!({"$ci": "1"}), &[], (json!(1), "ignoring case"));
}

#[test]
fn contains() {
    let expected = json!({"$contains": ["a", {"$re": "^b"}]});
    let good = [json!(["bee", "c", "a"])];
    check(
        expected.clone(),
        &good,
        (json!(["a", "c"]), "no element matches"),
    );
    check(expected, &[], (json!({}), "expected an array"));
    check(
        json!({"$contains": []}),
        &[json!([]), json!(["a"])],
        (json!(null), "expected an array"),
    );
}

#[test]
fn each() {
    let expected = json!({"$each": {"name": {"$type": "string"}}});
    let good = [json!([{"name": "a"}, {"name": "b", "c": 1}]), json!([])];
    check(
        expected.clone(),
        &good,
        (json!([{"name": "a"}, {}]), "$[1].name: missing"),
    );
    check(expected, &[], (json!({}), "expected an array"));
}

#[test]
fn datetime() {
    let good = [
        json!("2024-01-01T00:00:00.000Z"),
        json!("2024-01-01T01:00:00+01:00"),
        json!("2024-01-01T00:00:00"),
        json!("2024-01-01"),
    ];
    let bad = (json!("2024-01-01T00:00:01Z"), "is not the instant");
    check(json!({"$datetime": "2024-01-01T00:00:00Z"}), &good, bad);
    check(
        json!({"$datetime": "2024-01-01"}),
        &[],
        (json!("soon"), "is not the instant"),
    );
    check(
        json!({"$datetime": "2024-01-01"}),
        &[],
        (json!(2024), "is not the instant"),
    );
}

#[test]
fn ge() {
    let good = [json!(2), json!(3), json!(2.5)];
    check(json!({"$ge": 2}), &good, (json!(1), "1 < 2"));
    check(json!({"$ge": 0}), &[json!(0)], (json!("1"), "\"1\" < 0"));
}

#[test]
fn re() {
    check(
        json!({"$re": "/Users/.+$"}),
        &[json!("https://x/Users/1")],
        (json!("/Users/"), "!~"),
    );
    check(json!({"$re": "1"}), &[json!("21")], (json!(1), "!~"));
}

#[test]
fn types() {
    let types = [
        ("array", json!([1]), json!({})),
        ("boolean", json!(true), json!("true")),
        ("integer", json!(1), json!(1.5)),
        ("object", json!({}), json!([1])),
        ("string", json!(""), json!(1)),
    ];
    for (name, good, bad) in types {
        check(
            json!({"$type": name}),
            &[good],
            (bad, &format!("expected {name}, got")),
        );
    }
}

#[test]
fn invalid_expectation_never_matches() {
    for operator in [
        json!({"$near": 1}),
        json!({"$ge": "1"}),
        json!({"$re": "("}),
        json!({"$datetime": "soon"}),
        json!({"$any": "a"}),
    ] {
        check(operator.clone(), &[], (json!("a"), "there is no matcher"));
        check(
            json!({"$any": [operator, "a"]}),
            &[],
            (json!("a"), "there is no matcher"),
        );
        check(
            json!({"$contains": [operator]}),
            &[],
            (json!(["a"]), "there is no matcher"),
        );
    }
}

#[test]
fn long_values_are_cut_short() {
    let problem = matches(&json!("a"), &json!("ä".repeat(1_000))).unwrap_err();
    assert!(problem.ends_with("..."), "{problem}");
    assert!(problem.len() < 600, "{problem}");
}

#[test]
fn not() {
    let good = [json!("b"), json!(1), json!(null)];
    check(json!({"$not": "a"}), &good, (json!("a"), "must not match"));
    let malformed = json!({"$not": {"$re": "("}});
    check(malformed, &[], (json!("a"), "there is no matcher `$re`"));
}

#[test]
fn only() {
    let expected = json!({"$only": {"a": 1, "b": null}});
    let good = [json!({"A": 1}), json!({"a": 1, "b": []})];
    check(
        expected.clone(),
        &good,
        (json!({"a": 1, "c": 2}), "unexpected member `c`"),
    );
    check(expected, &[], (json!({"b": null}), "$.a: missing"));
}

#[test]
fn ordered() {
    let expected = json!({"$ordered": ["a", {"$type": "integer"}]});
    check(
        expected.clone(),
        &[json!(["a", 1])],
        (json!([1, "a"]), "$[0]: expected string"),
    );
    check(expected, &[], (json!(["a"]), "expected 2 elements, got 1"));
}
