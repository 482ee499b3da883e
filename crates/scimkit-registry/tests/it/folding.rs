//! Case folding and the comparison of scalars.

use proptest::prelude::*;
use scimkit_registry::{Scalar, fold_case};
use serde_json::json;

use crate::world::{gadget, id};

#[test]
fn texts_that_fold_to_the_same_text() {
    let cases = [
        ("BJENSEN", "bjensen"),
        ("Straße", "STRASSE"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"), // both small sigmas
        ("ﬁ", "FI"),
        ("\u{212a}", "k"), // the Kelvin sign
        ("ſ", "S"),
        ("É", "e\u{301}"), // composed and not
        ("\u{1e9e}", "ss"),
        ("ＢＪｅｎｓｅｎ", "bjensen"), // full width
        ("ｶﾞ", "ガ"),                   // half width, with its mark
        ("a\u{3000}b", "a b"),
        ("\u{130}", "i\u{307}"),
        ("Ά", "ά"),
        ("한", "\u{1112}\u{1161}\u{11ab}"), // composed and not
    ];
    for (one, other) in cases {
        assert_eq!(fold_case(one), fold_case(other), "{one} {other}");
    }
}

#[test]
fn texts_that_fold_to_different_texts() {
    let cases = [
        ("e", "é"),
        ("ı", "i"),
        ("a", "а"),
        ("x²", "x2"),
        ("a b", "ab"),
        ("", " "),
    ];
    for (one, other) in cases {
        assert_ne!(fold_case(one), fold_case(other), "{one} {other}");
    }
}

#[test]
fn folding_every_letter_is_idempotent() {
    for letter in '\0'..=char::MAX {
        let once = fold_case(letter.encode_utf8(&mut [0; 4])).into_owned();
        assert_eq!(fold_case(&once), once, "{letter:?}");
    }
}

proptest! {
    #[test]
    fn folding_is_idempotent(text in "\\PC*") {
        let once = fold_case(&text).into_owned();
        prop_assert_eq!(fold_case(&once), once.clone());
    }

    #[test]
    fn ascii_folds_to_lower_case(text in "[ -~]*") {
        prop_assert_eq!(fold_case(&text), text.to_ascii_lowercase());
    }
}

#[test]
fn scalars_of_values() {
    let gadget = gadget();
    let of = |path, value| Scalar::of(gadget.attr(id(&gadget, path)), &value);
    let text = |text: &str| Some(Scalar::Text(text.into()));
    assert_eq!(of("label", json!("AB")), text("ab"));
    assert_eq!(of("exact", json!("AB")), text("AB"));
    assert_eq!(of("link", json!("AB")), text("AB"));
    assert_eq!(of("blob", json!("QQ==")), text("QQ=="));
    assert_eq!(of("flag", json!(true)), Some(Scalar::Bool(true)));
    assert_eq!(of("count", json!(7)), Some(Scalar::Integer(7)));
    assert_eq!(of("ratio", json!(7)), Some(Scalar::Decimal(7.0)));
    assert_eq!(
        of("at", json!("1970-01-01T00:00:00.000001Z")),
        Some(Scalar::Instant(1))
    );
    let misfits = [
        ("label", json!(1)),
        ("flag", json!("true")),
        ("count", json!(1.5)),
        ("count", json!(u64::MAX)),
        ("ratio", json!("1")),
        ("at", json!("x")),
        ("labels", json!(["a"])),
        ("place", json!({})),
        ("label", json!(null)),
    ];
    for (path, value) in misfits {
        assert_eq!(of(path, value), None, "{path}");
    }
}

#[test]
fn scalars_are_ordered_within_and_between_types() {
    let ordered = [
        Scalar::Bool(false),
        Scalar::Bool(true),
        Scalar::Decimal(-1.5),
        Scalar::Decimal(0.0),
        Scalar::Decimal(2.0),
        Scalar::Instant(-1),
        Scalar::Instant(1),
        Scalar::Integer(-1),
        Scalar::Integer(0),
        Scalar::Text(String::new()),
        Scalar::Text("a".into()),
        Scalar::Text("ab".into()),
        Scalar::Text("ä".into()),
        Scalar::Text("\u{ffff}".into()),
        Scalar::Text("\u{10000}".into()),
    ];
    for (i, a) in ordered.iter().enumerate() {
        for (j, b) in ordered.iter().enumerate() {
            assert_eq!(a.cmp(b), i.cmp(&j), "{a:?} {b:?}");
            assert_eq!(a == b, i == j);
        }
    }
    assert_eq!(Scalar::Decimal(-0.0), Scalar::Decimal(0.0));
}
