//! Documents as text, and their values.

use proptest::prelude::*;
use scimkit_registry::{RequestErrorKind, Resource, to_json_text};
use serde_json::{Value, json};

use crate::world::{EXTRA, admit, gadget, id};

#[test]
fn values_by_attribute() {
    let gadget = gadget();
    let document = admit(
        &gadget,
        json!({
            "label": "l",
            "place": {"zip": "1"},
            "parts": [{"value": "x"}],
            EXTRA: {"label": "other", "box": {"a": "1"}},
        }),
    );
    let get = |path: &str| document.get(&gadget, id(&gadget, path)).cloned();
    assert_eq!(get("label"), Some(json!("l")));
    assert_eq!(get("place.zip"), Some(json!("1")));
    assert_eq!(get("place"), Some(json!({"zip": "1"})));
    assert_eq!(get("urn:example:2.0:Extra:label"), Some(json!("other")));
    assert_eq!(get("urn:example:2.0:Extra:box.a"), Some(json!("1")));
    assert_eq!(get("urn:example:2.0:More:solo"), None);
    assert_eq!(get("place.street"), None);
    // A sub-attribute of several values does not have a single value.
    assert_eq!(get("parts.value"), None);
    assert_eq!(document.clone().into_map(), *document.as_map());
}

#[test]
fn text_begins_with_schemas() {
    let document = admit(
        &gadget(),
        json!({"code": "\"\\\u{1}ä", "at": "2011-05-13T04:42:34Z"}),
    );
    assert_eq!(
        document.to_text(),
        concat!(
            r#"{"schemas":["urn:example:2.0:Gadget"],"at":"2011-05-13T04:42:34Z","#,
            r#""code":"\"\\\u0001ä"}"#
        )
    );
    assert_eq!(Resource::default().to_text(), "{}");
}

#[test]
fn invalid_document_texts_are_rejected() {
    for text in ["", "[]", "null", "{", "{}x", r#"{"a":1"#, "\u{feff}{}"] {
        let error = Resource::restore(text.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), RequestErrorKind::Syntax);
    }
    assert!(Resource::restore(&[b'{', 0xff, b'}']).is_err());
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(Resource::restore(deep.as_bytes()).is_err());
}

proptest! {
    #[test]
    fn document_texts_round_trip(
        members in prop::collection::btree_map(any::<String>(), any::<String>(), 0..6),
        number in any::<f64>().prop_filter("JSON has no others", |n| n.is_finite()),
    ) {
        let mut value = json!(members);
        value["schemas"] = json!([number]);
        let text = to_json_text(value.as_object().unwrap());
        let restored = Resource::restore(text.as_bytes()).unwrap();
        prop_assert_eq!(&restored.to_text(), &text);
        let first = "{\"schemas\":";
        prop_assert_eq!(text.get(..first.len()), Some(first));
        prop_assert_eq!(Value::Object(restored.into_map()).to_string(), value.to_string());
    }
}
