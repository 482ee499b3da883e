//! The error message.

use scimkit_core::{ErrorResponse, ScimType};
use serde_json::{from_value, json, to_value};

#[test]
fn error_constructors_set_status_and_keyword() {
    let cases = [
        (ErrorResponse::forbidden("x"), 403, None),
        (ErrorResponse::internal("x"), 500, None),
        (
            ErrorResponse::invalid_filter("x"),
            400,
            Some("invalidFilter"),
        ),
        (ErrorResponse::invalid_path("x"), 400, Some("invalidPath")),
        (
            ErrorResponse::invalid_syntax("x"),
            400,
            Some("invalidSyntax"),
        ),
        (ErrorResponse::invalid_value("x"), 400, Some("invalidValue")),
        (ErrorResponse::mutability("x"), 400, Some("mutability")),
        (ErrorResponse::no_target("x"), 400, Some("noTarget")),
        (ErrorResponse::not_found("x"), 404, None),
        (ErrorResponse::not_implemented("x"), 501, None),
        (ErrorResponse::precondition_failed("x"), 412, None),
        (ErrorResponse::sensitive("x"), 400, Some("sensitive")),
        (ErrorResponse::too_large("x"), 413, None),
        (ErrorResponse::too_many("x"), 400, Some("tooMany")),
        (ErrorResponse::unauthorized("x"), 401, None),
        (ErrorResponse::uniqueness("x"), 409, Some("uniqueness")),
        (
            ErrorResponse::new(400, "x").with_type(ScimType::InvalidVers),
            400,
            Some("invalidVers"),
        ),
    ];
    for (error, status, keyword) in cases {
        assert_eq!(error.to_string(), "x");
        let mut printed = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": status.to_string(),
            "detail": "x",
        });
        if let Some(keyword) = keyword {
            printed["scimType"] = json!(keyword);
        }
        assert_eq!(to_value(&error).unwrap(), printed);
        assert_eq!(from_value::<ErrorResponse>(printed).unwrap(), error);
    }
}

#[test]
fn errors_of_other_servers_are_read() {
    let not_found = ErrorResponse::new(404, "");
    for body in [
        json!({ "status": "404" }),
        json!({ "status": 404, "detail": null }),
        json!({ "status": "404", "scimType": "vendorSpecific", "extra": true }),
    ] {
        assert_eq!(from_value::<ErrorResponse>(body).unwrap(), not_found);
    }
    for body in [
        json!({}),
        json!({ "status": null }),
        json!({ "status": -1 }),
        json!({ "status": "70000" }),
        json!([1]),
    ] {
        assert!(from_value::<ErrorResponse>(body.clone()).is_err(), "{body}");
    }
}

#[test]
fn keywords_are_read_in_any_case() {
    for scim_type in ScimType::ALL.iter().copied() {
        assert_eq!(
            ScimType::from_keyword(&scim_type.as_str().to_uppercase()),
            Some(scim_type)
        );
    }
    assert!(from_value::<ScimType>(json!("\u{0}")).is_err());
}
