//! Tolerated deviations, and their records.

use proptest::{collection::vec, prelude::*, sample::select};
use scimkit_filter::{Filter, Leniency, ParseLimits, ParseOptions};
use scimkit_registry::{Quirk, QuirkRecorder, Tolerance, parse_filter};
use serde_json::{Value, json};

use crate::world::{EXTRA, GADGET, MORE, gadget, tolerance};

#[test]
fn profiles_round_trip_as_json() {
    for profile in Tolerance::PROFILES {
        let text = serde_json::to_string(&profile).unwrap();
        assert_eq!(text, format!(r#"{{"profile":"{}"}}"#, profile.profile()));
        assert_eq!(serde_json::from_str::<Tolerance>(&text).unwrap(), profile);
        assert_eq!(Tolerance::from_profile(profile.profile()), Some(profile));
    }
}

#[test]
fn invalid_tolerances_are_rejected() {
    let rejected = [
        (r#""acme""#, "there is no profile `acme`"),
        (r#"{"profile": "acme"}"#, "there is no profile `acme`"),
        (
            r#"{"profile": "okta", "profile": "entra"}"#,
            "`profile` is given twice",
        ),
        (
            r#"{"extra_whitespace": true, "extra_whitespace": true}"#,
            "`extra_whitespace` is given twice",
        ),
        (r#"{"extra_whitespace": "yes"}"#, "expected a boolean"),
        (
            r#"{"Blanks": true}"#,
            "`Blanks` is not a tolerance; there are any_schemas, ",
        ),
        ("[]", "expected the name of a profile"),
    ];
    for (text, problem) in rejected {
        let error = serde_json::from_str::<Tolerance>(text)
            .unwrap_err()
            .to_string();
        assert!(error.contains(problem), "{text}: {error}");
    }
}

#[test]
fn former_names_of_quirks_are_accepted_in_settings() {
    let former = [
        ("blanks", Quirk::ExtraWhitespace),
        ("remove_absent", Quirk::RemoveWithoutMatch),
        ("unknown_in_filter", Quirk::UnknownFilterAttributes),
    ];
    for (name, quirk) in former {
        let text = format!(r#"{{"profile": "okta", "{name}": true}}"#);
        let tolerance: Tolerance = serde_json::from_str(&text).unwrap();
        assert!(tolerance.accepts(quirk), "{name}");
        let text = serde_json::to_string(&tolerance).unwrap();
        assert_eq!(
            text,
            format!(r#"{{"profile":"okta","{}":true}}"#, quirk.name())
        );
    }
    let both = r#"{"blanks": true, "extra_whitespace": true}"#;
    let error = serde_json::from_str::<Tolerance>(both).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`extra_whitespace` is given twice")
    );
}

/// The table in `docs/tolerances.md` has a row for each quirk and a column for each profile.
#[test]
fn documented_profiles_match_the_code() {
    let text = include_str!("../../../../docs/tolerances.md");
    let cells = |line: &str| -> Vec<String> {
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    let mut table = text.lines().filter(|line| line.starts_with('|')).map(cells);
    let profiles = Tolerance::PROFILES.map(|profile| profile.profile());
    assert_eq!(table.next().unwrap()[2..], profiles);
    let rows: Vec<_> = table.skip(1).collect();
    assert_eq!(rows.len(), Quirk::ALL.len());
    for (row, quirk) in rows.iter().zip(Quirk::ALL) {
        assert_eq!(row[0], format!("`{}`", quirk.name()));
        for (cell, profile) in row[2..].iter().zip(Tolerance::PROFILES) {
            let accepted = if profile.accepts(*quirk) { "yes" } else { "" };
            assert_eq!(cell, accepted, "{} of {}", quirk.name(), profile.profile());
        }
    }
}

#[test]
fn quirks_are_ordered_by_name() {
    assert!(Quirk::ALL.is_sorted_by_key(|quirk| quirk.name()));
}

/// A body, and a quirk that it needs.
#[test]
fn needed_quirks_are_recorded() {
    let gadget = gadget();
    let schemas = json!([GADGET]);
    let cases = [
        (json!({"label": "a"}), "any_schemas"),
        (json!({"schemas": schemas, "label": ["a"]}), "array_of_one"),
        (json!({"schemas": schemas, "parts": ["a"]}), "bare_values"),
        (
            json!({"schemas": schemas, "flag": "TRUE"}),
            "boolean_strings",
        ),
        (json!({"schemas": schemas, "place.zip": "a"}), "dotted_keys"),
        (json!({"schemas": schemas, "owner": ""}), "empty_references"),
        (
            json!({"schemas": schemas, "owner": {"value": ""}}),
            "empty_references",
        ),
        (
            json!({"schemas": schemas, "place": r#"{"zip": "a"}"#}),
            "json_strings",
        ),
        (
            json!({"schemas": schemas, "parts": r#"[{"value": "a"}]"#}),
            "json_strings",
        ),
        (
            json!({"schemas": [GADGET, EXTRA], EXTRA: r#"{"note": "a"}"#}),
            "json_strings",
        ),
        (
            json!({"schemas": schemas, "labels": "a"}),
            "single_for_many",
        ),
        (
            json!({"schemas": schemas, "nothing": 1}),
            "unknown_attributes",
        ),
        (
            json!({"schemas": [GADGET, MORE], "solo": "a"}),
            "unqualified_extensions",
        ),
    ];
    for (body, quirk) in cases {
        let witness = QuirkRecorder::new(Tolerance::DEFAULT);
        gadget.admit(body.clone(), &witness).unwrap();
        assert_eq!(witness.quirks().to_string(), quirk, "{body}");
        let rejected = gadget.admit(body.clone(), &Tolerance::STRICT).unwrap_err();
        assert_eq!(rejected.quirk().unwrap().name(), quirk, "{body}");
        let only = tolerance(&format!("strict {quirk}"));
        gadget
            .admit(body.clone(), &only)
            .unwrap_or_else(|error| panic!("{body}: {error}"));
    }
}

#[test]
fn schemas_inside_an_extension_are_ignored_unless_it_has_them() {
    let gadget = gadget();
    let body = json!({"schemas": [GADGET, EXTRA], EXTRA: {"Schemas": [EXTRA], "note": "a"}});
    for profile in Tolerance::PROFILES {
        let witness = QuirkRecorder::new(profile);
        let admitted = gadget.admit(body.clone(), &witness).unwrap();
        assert_eq!(admitted.as_map()[EXTRA], json!({"note": "a"}));
        assert_eq!(witness.quirks().to_string(), "nested_schemas");
    }
    let without = tolerance("strict nested_schemas");
    let rejected = gadget.admit(body, &without).unwrap_err();
    assert_eq!(rejected.quirk(), Some(Quirk::NestedSchemas));
}

#[test]
fn errors_name_no_quirk_that_would_not_help() {
    let gadget = gadget();
    let cases = [
        json!({"flag": "maybe"}),
        json!({"labels": 5}),
        json!({"label": ["a", "b"]}),
        json!({"label": [5]}),
        json!({"place": "{no json"}),
        json!({"place": 5}),
    ];
    for mut body in cases {
        body["schemas"] = json!([GADGET]);
        let rejected = gadget.admit(body.clone(), &Tolerance::STRICT).unwrap_err();
        assert_eq!(rejected.quirk(), None, "{body}: {rejected}");
    }
}

#[test]
fn json_text_has_limits() {
    let gadget = gadget();
    let deep = format!(r#"{{"zip": {}1{}}}"#, "[".repeat(16), "]".repeat(16));
    let twins = r#"{"zip": "a", "zip": "b"}"#;
    let long = format!(r#"{{"zip": "{}"}}"#, "x".repeat(1 << 16));
    for text in [deep.as_str(), twins, &long] {
        let rejected = gadget.admit(json!({"place": text}), &Tolerance::DEFAULT);
        assert!(rejected.is_err(), "{}", text.len());
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = select(vec![
        json!(null),
        json!(true),
        json!("TRUE"),
        json!("a"),
        json!(5),
        json!("{}"),
        json!(r#"{"value": "a"}"#),
        json!(r#"["a"]"#),
    ]);
    leaf.prop_recursive(2, 8, 3, |inner| {
        let name = select(vec!["value", "type", "zip", "solo", "nothing", "primary"]);
        let object =
            proptest::collection::btree_map(name.prop_map(str::to_owned), inner.clone(), 0..3);
        prop_oneof![
            vec(inner, 0..3).prop_map(Value::from),
            object.prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn body() -> impl Strategy<Value = Value> {
    let names = vec![
        "schemas",
        "label",
        "labels",
        "flag",
        "place",
        "place.zip",
        "parts",
        "solo",
        "nothing",
        EXTRA,
        "owner",
        "crew",
    ];
    let name = select(names).prop_map(str::to_owned);
    let members = proptest::collection::btree_map(name, value(), 0..4);
    (members, any::<bool>()).prop_map(|(members, named)| {
        let mut body = Value::Object(members.into_iter().collect());
        if named {
            let extra = body.get(EXTRA).is_some();
            body["schemas"] = if extra {
                json!([GADGET, EXTRA])
            } else {
                json!([GADGET])
            };
        }
        body
    })
}

/// Returns a filter as people might type it.
fn filter_text() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "parts",
        "[",
        "]",
        "(",
        ")",
        " ",
        "  ",
        "\t",
        "value",
        ".value",
        "eq",
        "pr",
        "and",
        "not",
        "true",
        "True",
        "NULL",
        "\"a\"",
        "parts[value pr]",
        "parts[type eq \"a\"].value eq True",
    ]);
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn quirks_are_recorded_exactly_if_strict_parsing_fails(body in body()) {
        let gadget = gadget();
        let witness = QuirkRecorder::new(Tolerance::DEFAULT);
        let tolerant = gadget.admit(body.clone(), &witness);
        match gadget.admit(body.clone(), &Tolerance::STRICT) {
            Ok(strict) => {
                prop_assert_eq!(Ok(strict), tolerant);
                prop_assert!(witness.quirks().is_empty());
            }
            Err(rejected) => prop_assert!(
                tolerant.is_err() || witness.quirks().iter().any(|q| rejected.quirk() == Some(q)),
                "{} needs {} but is rejected so: {}", body, witness.quirks(), rejected
            ),
        }
        // The recorded quirks are sufficient.
        if let Ok(tolerant) = gadget.admit(body.clone(), &Tolerance::DEFAULT) {
            let needed = tolerance(&format!("strict {}", witness.quirks().to_string().replace(',', " ")));
            prop_assert_eq!(gadget.admit(body, &needed), Ok(tolerant));
        }
    }

    #[test]
    fn errors_name_no_quirk_that_is_already_accepted(body in body(), accepted in any::<u32>()) {
        let quirks = Quirk::ALL.iter().enumerate().filter(|(at, _)| accepted & (1 << at) != 0);
        let names: Vec<_> = quirks.map(|(_, quirk)| quirk.name()).collect();
        let t = tolerance(&format!("strict {}", names.join(" ")));
        if let Err(rejected) = gadget().admit(body.clone(), &t) {
            for (at, quirk) in Quirk::ALL.iter().enumerate() {
                let named = rejected.detail().contains(&format!("`{}` would accept", quirk.name()));
                prop_assert!(!named || accepted & (1 << at) == 0, "{}: {}", body, rejected);
            }
        }
    }

    #[test]
    fn filters_are_parsed_with_only_the_leniency_they_need(text in filter_text()) {
        let witness = QuirkRecorder::new(Tolerance::DEFAULT);
        let lenient = ParseOptions::default().with_leniency(Leniency::LENIENT);
        let read = parse_filter(&text, ParseLimits::default(), &witness);
        prop_assert_eq!(read.clone().ok(), Filter::parse_with(&text, &lenient).ok(), "{:?}", text);
        if read.is_ok() {
            prop_assert_eq!(witness.quirks().is_empty(), Filter::parse(&text).is_ok(), "{:?}", text);
        }
    }
}
