//! Bulk requests and responses.

#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "helpers of tests"
)]

use scimkit_core::{
    ErrorResponse,
    ScimType::{self, InvalidSyntax, InvalidValue},
    Version,
    message::{
        BULK_REQUEST, BulkBounds, BulkMethod, BulkOperation, BulkRequest, BulkResponse, BulkResult,
    },
};
use serde_json::{Value, json, to_value};

const BOUNDS: BulkBounds = BulkBounds {
    depth: 4,
    operations: 3,
    values: 60,
};

fn parse(body: &Value) -> Result<BulkRequest, ErrorResponse> {
    BulkRequest::parse(body.to_string().as_bytes(), BOUNDS)
}

/// Returns the only operation of a request.
fn operation(operation: Value) -> BulkOperation {
    let bulk = parse(&json!({ "Operations": [operation] })).unwrap();
    bulk.operations.into_iter().next().unwrap()
}

fn rejected(operation_sent: Value) -> (Option<ScimType>, String) {
    let error = operation(operation_sent).call.unwrap_err();
    assert_eq!(error.status, 400);
    (error.scim_type, error.detail)
}

#[test]
fn bulk_requests_are_read_with_names_in_any_case() {
    let bulk = parse(&json!({
        "SCHEMAS": [BULK_REQUEST],
        "failonerrors": 2,
        "unknown": [1],
        "operations": [
            {"METHOD": "post", "PATH": "/Users", "bulkid": "q", "Data": {"a": 1}, "version": "x", "n": 1},
            {"method": "DELETE", "path": "/Users/1", "version": "W/\"1\"", "data": {"dropped": true}},
            {"method": "Patch", "path": "Users/1", "data": []},
        ],
    }))
    .unwrap();
    assert_eq!(
        (bulk.fail_on_errors, bulk.schemas_mismatch),
        (Some(2), false)
    );
    let [post, delete, patch] = bulk.operations.as_slice() else {
        panic!("{bulk:?}");
    };
    assert!(post.creates() && !delete.creates());
    assert_eq!(post.bulk_id.as_deref(), Some("q"));
    assert_eq!(post.method.as_deref(), Some("post"));
    let call = post.call.as_ref().unwrap();
    assert_eq!((call.method, &call.version), (BulkMethod::Post, &None));
    assert_eq!(call.data, json!({"a": 1}));
    let call = delete.call.as_ref().unwrap();
    assert_eq!(call.version.as_deref(), Some("W/\"1\""));
    assert_eq!(call.data, Value::Null);
    assert_eq!(patch.path.as_deref(), Some("Users/1"));
    assert!(parse(&json!({"Operations": []})).unwrap().schemas_mismatch);
}

#[test]
fn invalid_bulk_operations_have_their_own_errors() {
    let syntax = |detail: &str| (Some(InvalidSyntax), detail.to_owned());
    assert_eq!(
        rejected(json!(5)),
        syntax("the operation is a number, not an object")
    );
    assert_eq!(rejected(json!({})), syntax("`method` is missing"));
    assert_eq!(
        rejected(json!({"method": 1})),
        syntax("`method` is a number, not a string")
    );
    assert_eq!(
        rejected(json!({"method": "GET\n", "path": "/Users"})),
        syntax("`method`: `GET\u{fffd}` is not `POST`, `PUT`, `PATCH` or `DELETE`")
    );
    let post = json!({"method": "POST", "path": "/Users", "data": {}});
    assert_eq!(
        rejected(post),
        syntax("`bulkId` is missing: `POST` needs one")
    );
    let post = json!({"method": "POST", "path": "/Users", "data": {}, "bulkId": 7});
    assert_eq!(rejected(post), syntax("`bulkId` is a number, not a string"));
    assert_eq!(
        rejected(json!({"method": "DELETE"})),
        syntax("`path` is missing")
    );
    let patch = json!({"method": "PATCH", "path": "/Users/1", "data": null});
    assert_eq!(rejected(patch), syntax("`data` is missing"));
    let put = json!({"method": "PUT", "path": "/Users/1", "data": {}, "version": 3});
    assert_eq!(rejected(put), syntax("`version` is a number, not a string"));
    let twice = json!({"method": "PUT", "Method": "PUT", "path": "/Users/1"});
    assert_eq!(rejected(twice), syntax("`method` occurs twice"));
    let kept = operation(json!({"method": "POST", "bulkId": "q", "path": "/Users"}));
    assert_eq!((kept.bulk_id.as_deref(), kept.creates()), (Some("q"), true));
}

#[test]
fn invalid_bulk_requests_are_rejected() {
    let rejected = |body: Value| {
        let error = parse(&body).unwrap_err();
        (error.status, error.scim_type)
    };
    for body in [
        json!([]),
        json!({}),
        json!({"Operations": {}}),
        json!({"Operations": null}),
        json!({"Operations": [], "operations": []}),
        json!({"Operations": [], "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}),
        json!({"Operations": [{"method": [[[[[[1]]]]]]}]}),
        json!({"Operations": [], "more": vec![0; 60]}),
    ] {
        assert_eq!(rejected(body.clone()), (400, Some(InvalidSyntax)), "{body}");
    }
    for count in [json!(0), json!(-1), json!(1.5), json!("1"), json!([1])] {
        let body = json!({"Operations": [], "failOnErrors": count});
        assert_eq!(rejected(body), (400, Some(InvalidValue)), "{count}");
    }
    let post = json!({"method": "POST", "bulkId": "q", "path": "/Users", "data": {}});
    let twice = json!({"Operations": [post, {"method": "POST", "bulkId": "q"}]});
    assert_eq!(rejected(twice), (400, Some(InvalidValue)));
    let told_apart = json!({"Operations": [post, {"method": "DELETE", "bulkId": "q"}]});
    assert!(parse(&told_apart).is_ok());
    assert!(BulkRequest::parse(b"{\"Operations\":[]} x", BOUNDS).is_err());
    assert_eq!(
        parse(&json!({"Operations": [], "failOnErrors": u64::MAX}))
            .unwrap()
            .fail_on_errors,
        Some(u32::MAX)
    );
}

#[test]
fn bulk_operations_are_counted_while_they_are_read() {
    assert_eq!(
        parse(&json!({"Operations": [1, 2, 3]}))
            .unwrap()
            .operations
            .len(),
        3
    );
    // Nothing after the surplus operation is read.
    let error = BulkRequest::parse(b"{\"Operations\":[1,2,3,4,?", BOUNDS).unwrap_err();
    assert_eq!((error.status, error.scim_type), (413, None));
    assert_eq!(
        error.detail,
        "the bulk request has more operations than maxOperations (3)"
    );
    let text = format!("{{\"Operations\":[{}]}}", "{},".repeat(100_000));
    assert_eq!(
        BulkRequest::parse(text.as_bytes(), BOUNDS)
            .unwrap_err()
            .status,
        413
    );
}

#[test]
fn bulk_responses_are_written() {
    let mut made = BulkResult::new(201);
    made.bulk_id = Some("q".into());
    made.location = Some("https://x/Users/1".into());
    made.method = Some("POST".into());
    made.version = Some(Version::new("7").unwrap());
    let operations = vec![made, BulkResult::new(204)];
    assert_eq!(
        to_value(BulkResponse { operations }).unwrap(),
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkResponse"],
            "Operations": [
                {"location": "https://x/Users/1", "method": "POST", "bulkId": "q",
                 "version": "W/\"7\"", "status": "201"},
                {"status": "204"},
            ],
        })
    );
}
