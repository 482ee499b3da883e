//! Every data type with every kind of JSON value.

use scimkit_registry::{RequestErrorKind, Tolerance};
use serde_json::{Value, json};

use crate::world::{gadget, id};

#[test]
fn values_fit_their_types() {
    let gadget = gadget();
    let cases: [(&str, Vec<Value>); 9] = [
        ("label", vec![json!(""), json!("a"), json!("𝒂\u{0}")]),
        ("exact", vec![json!("A")]),
        ("flag", vec![json!(true), json!(false)]),
        (
            "count",
            vec![json!(0), json!(-7), json!(i64::MAX), json!(i64::MIN)],
        ),
        (
            "ratio",
            vec![
                json!(1),
                json!(1.5),
                json!(-0.0),
                json!(u64::MAX),
                json!(1e300),
            ],
        ),
        (
            "at",
            vec![
                json!("2011-05-13T04:42:34Z"),
                json!("2011-05-13T04:42:34.123456+02:00"),
                json!("2011-05-13T04:42:34"),
            ],
        ),
        (
            "blob",
            vec![
                json!(""),
                json!("QQ=="),
                json!("QQ"),
                json!("QUI="),
                json!("-_-_"),
                json!("+/+/"),
            ],
        ),
        (
            "link",
            vec![json!("https://x.org/a"), json!("Users/7"), json!("")],
        ),
        ("labels", vec![json!(["a"]), json!(["a", "a"])]),
    ];
    for (path, values) in cases {
        for value in values {
            let admitted = gadget.admit_value(id(&gadget, path), value.clone(), &Tolerance::STRICT);
            assert_eq!(admitted.unwrap(), Some(value), "{path}");
        }
    }
}

#[test]
fn values_of_other_types_are_rejected() {
    let gadget = gadget();
    let number = json!(1);
    let text = json!("a");
    let truth = json!(true);
    let array = json!(["a"]);
    let object = json!({"value": "a"});
    let all = [&number, &text, &truth, &array, &object];
    let fits: [(&str, &[&Value]); 10] = [
        ("label", &[&text]),
        ("flag", &[&truth]),
        ("count", &[&number]),
        ("ratio", &[&number]),
        ("at", &[]),
        ("blob", &[]),
        ("link", &[&text]),
        ("labels", &[&array]),
        ("lock", &[&object]),
        ("parts", &[]),
    ];
    for (path, fitting) in fits {
        for value in all {
            let admitted = gadget.admit_value(id(&gadget, path), value.clone(), &Tolerance::STRICT);
            match admitted {
                Ok(_) => assert!(fitting.contains(&value), "{path}: {value}"),
                Err(error) => {
                    assert!(!fitting.contains(&value), "{path}: {error}");
                    assert_eq!(error.kind(), RequestErrorKind::Value);
                    let says = format!("`{path}` must be ");
                    assert!(error.detail().starts_with(&says), "{error}");
                }
            }
        }
        let null = gadget.admit_value(id(&gadget, path), Value::Null, &Tolerance::STRICT);
        assert_eq!(null.unwrap(), None, "{path}");
    }
}

#[test]
fn nearly_valid_values_are_rejected() {
    let gadget = gadget();
    let cases = [
        (
            "count",
            vec![
                json!(1.0),
                json!(1.5),
                json!(1e3),
                json!(u64::MAX),
                json!("1"),
            ],
        ),
        ("ratio", vec![json!("1.5")]),
        ("flag", vec![json!(0), json!("on"), json!("")]),
        (
            "at",
            vec![
                json!("2011-05-13"),
                json!("2011-13-01T00:00:00Z"),
                json!("2011-05-13 04:42:34Z"),
                json!(""),
                json!(1_300_000_000),
            ],
        ),
        (
            "blob",
            vec![
                json!("Q"),
                json!("Q==="),
                json!("QQ="),
                json!("="),
                json!("QQ==QQ=="),
                json!("Q Q="),
                json!("+_AA"),
                json!("ää"),
                json!("QUJD\n"),
            ],
        ),
    ];
    for (path, values) in cases {
        for value in values {
            let admitted =
                gadget.admit_value(id(&gadget, path), value.clone(), &Tolerance::DEFAULT);
            assert!(admitted.is_err(), "{path}: {value}");
        }
    }
}

#[test]
fn empty_objects_are_admitted_as_values_of_a_patch() {
    let gadget = gadget();
    let admit = |path, value| gadget.admit_value(id(&gadget, path), value, &Tolerance::DEFAULT);
    assert_eq!(admit("place", json!({})).unwrap(), Some(json!({})));
    assert_eq!(
        admit("place", json!({"zip": null})).unwrap(),
        Some(json!({}))
    );
    assert_eq!(admit("parts", json!([{}])).unwrap(), None);
}
