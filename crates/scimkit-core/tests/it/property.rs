//! Properties of any text and any JSON.

use chrono::{DateTime, SecondsFormat};
use proptest::prelude::*;
use scimkit_core::{
    Attribute, ETagList, Schema, Urn, Version, format_instant, is_attribute_name,
    message::{PatchRequest, SearchRequest},
    parse_instant, push_json_string,
};
use serde_json::{Value, from_value, json, to_value};

/// Returns arbitrary JSON whose member names are often those of a message or a definition.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "add|remove|string|complex|readOnly|urn:a1:b|urn:ietf:params:scim:api:messages:2\\.0:PatchOp|.{0,8}"
            .prop_map(Value::from),
    ];
    let name = "id|name|type|op|OP|path|value|schemas|Operations|count|filter|attributes|subAttributes|.{0,4}";
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn instants_are_printed_like_chrono_prints_them(seconds in any::<i64>(), days in -800_000_i64..8_000_000, nanos in 0..1_999_999_999_u32) {
        for seconds in [seconds, days * 86_400 + seconds % 86_400] {
            if let Some(instant) = DateTime::from_timestamp(seconds, nanos) {
                let printed = instant.to_rfc3339_opts(SecondsFormat::Millis, true);
                prop_assert_eq!(format_instant(instant), printed);
            }
        }
    }

    #[test]
    fn json_strings_are_printed_like_serde_json_prints_them(text in r#"[a-z"\\\x00-\x1f\x7fé日]{0,40}|.{0,40}"#) {
        let mut printed = Vec::new();
        push_json_string(&mut printed, &text);
        prop_assert_eq!(printed, serde_json::to_vec(&text).unwrap());
    }

    #[test]
    fn etag_lists_round_trip(header in r#"([W/",* ab\\]|.){0,24}"#) {
        if let Ok(ETagList::List(versions)) = ETagList::parse(&header) {
            prop_assert!(!versions.is_empty());
            let printed: Vec<_> = versions.iter().map(Version::etag).collect();
            prop_assert_eq!(ETagList::parse(&printed.join(", ")), Ok(ETagList::List(versions)));
        }
    }

    #[test]
    fn versions_round_trip_as_etags(text in "[!#-~]{0,128}") {
        let version = Version::new(text.as_str()).unwrap();
        prop_assert!(ETagList::parse(&version.etag()).unwrap().matches(&version));
        prop_assert_eq!(version.etag().parse(), Ok(version));
    }

    #[test]
    fn urns_contain_no_character_that_ends_a_name_in_a_filter(text in r#"(urn:[a-z]{1,3}:)?([a-z%/:0-9"' ()\[\]]|.){0,16}"#) {
        if let Ok(urn) = Urn::new(text.as_str()) {
            prop_assert!(!urn.as_str().contains([' ', '"', '\'', '(', ')', '[', ']']));
            prop_assert_eq!(&Urn::new(text.to_ascii_uppercase()).unwrap(), &urn);
            let read: Urn = from_value(to_value(&urn).unwrap()).unwrap();
            prop_assert_eq!(read.as_str(), urn.as_str());
        }
    }

    #[test]
    fn instants_round_trip_to_the_millisecond(text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,12})?(Z|[+-][01][0-9]:[0-6][0-9])?|.{0,32}") {
        if let Some(instant) = parse_instant(&text) {
            let read = parse_instant(&format_instant(instant)).unwrap();
            prop_assert_eq!(read.timestamp_millis(), instant.timestamp_millis());
        }
    }

    #[test]
    fn attribute_names_contain_no_path_separator(name in ".{0,12}") {
        prop_assert!(!is_attribute_name(&name) || !name.contains(['.', ':', '[', ' ', ',', '"']));
    }

    #[test]
    fn attributes_round_trip(mut body in any_json(), name in "[a-z]{1,4}") {
        if let Some(object) = body.as_object_mut() {
            object.insert("name".into(), json!(name));
        }
        if let Ok(attribute) = from_value::<Attribute>(body) {
            prop_assert_eq!(from_value::<Attribute>(to_value(&attribute).unwrap()).unwrap(), attribute);
        }
    }

    #[test]
    fn invalid_requests_are_client_errors(body in any_json()) {
        let _ = from_value::<Schema>(body.clone());
        for error in [SearchRequest::from_value(body.clone()).err(), PatchRequest::from_value(body, 2).err()]
            .into_iter()
            .flatten()
        {
            prop_assert!(error.status == 413 || (error.status == 400 && error.scim_type.is_some()));
            prop_assert!(error.detail.len() < 500);
        }
    }
}
