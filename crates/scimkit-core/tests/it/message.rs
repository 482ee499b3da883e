//! Lists, searches and patches.

use scimkit_core::{
    ScimType::{self, InvalidPath, InvalidSyntax, InvalidValue},
    message::{
        BULK_RESPONSE, ERROR, LIST_RESPONSE, ListResponse, PATCH_OP, PatchOperation,
        PatchOperationKind, PatchRequest, SEARCH_REQUEST, SearchRequest, SortOrder,
    },
};
use serde_json::{Value, from_value, json, to_value};

#[test]
fn list_responses_round_trip() {
    let page = ListResponse {
        total_results: Some(3),
        items_per_page: Some(2),
        start_index: Some(1),
        next_cursor: Some("n".into()),
        previous_cursor: Some("p".into()),
        resources: vec![json!({ "id": "1" }), json!({ "id": "2" })],
    };
    let printed = to_value(&page).unwrap();
    assert_eq!(
        printed,
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": 3,
            "itemsPerPage": 2,
            "startIndex": 1,
            "nextCursor": "n",
            "previousCursor": "p",
            "Resources": [{ "id": "1" }, { "id": "2" }],
        })
    );
    assert_eq!(from_value::<ListResponse<Value>>(printed).unwrap(), page);
    let none: ListResponse<Value> = from_value(json!({ "totalResults": 0 })).unwrap();
    assert_eq!(
        none,
        ListResponse {
            total_results: Some(0),
            ..ListResponse::default()
        }
    );
}

#[test]
fn search_requests_are_read() {
    let body = json!({
        "SCHEMAS": [SEARCH_REQUEST.to_uppercase()],
        "Attributes": ["userName", "emails.value"],
        "excludedattributes": " a, ,b ,",
        "FILTER": "userName pr",
        "sortby": "userName",
        "sortOrder": "DESCENDING",
        "startIndex": -5,
        "count": 0,
        "cursor": "",
        "unknown": {},
    });
    let search = SearchRequest {
        attributes: vec!["userName".into(), "emails.value".into()],
        excluded_attributes: vec!["a".into(), "b".into()],
        filter: Some("userName pr".into()),
        sort_by: Some("userName".into()),
        sort_order: Some(SortOrder::Descending),
        start_index: Some(-5),
        count: Some(0),
        cursor: Some(String::new()),
        schemas_mismatch: false,
    };
    assert_eq!(SearchRequest::from_value(body).unwrap(), search);
    assert_eq!(
        SearchRequest::from_value(to_value(&search).unwrap()).unwrap(),
        search
    );

    let empty = SearchRequest {
        schemas_mismatch: true,
        ..SearchRequest::default()
    };
    assert_eq!(SearchRequest::from_value(json!({})).unwrap(), empty);
    let nulls = json!({
        "schemas": null, "attributes": null, "excludedAttributes": null, "filter": null, "sortBy": null,
        "sortOrder": null, "startIndex": null, "count": null, "cursor": null,
    });
    assert_eq!(SearchRequest::from_value(nulls).unwrap(), empty);
    assert_eq!(
        to_value(&empty).unwrap(),
        json!({ "schemas": [SEARCH_REQUEST] })
    );
}

#[test]
fn schemas_mismatch_is_reported() {
    let misfits = [
        json!(null),
        json!([]),
        json!("x"),
        json!(["x", 1]),
        json!({}),
    ];
    for schemas in misfits {
        let search = SearchRequest::from_value(json!({ "schemas": schemas })).unwrap();
        assert!(search.schemas_mismatch, "{schemas}");
        let body = json!({ "schemas": schemas, "Operations": [] });
        let patch = PatchRequest::from_value(body, 100).unwrap();
        assert!(patch.schemas_mismatch, "{schemas}");
    }
    let search = SearchRequest::from_value(json!({ "schemas": SEARCH_REQUEST })).unwrap();
    assert!(search.schemas_mismatch, "a string is no list");
    let schemas = json!(["x", 1, PATCH_OP.to_uppercase(), SEARCH_REQUEST]);
    let search = SearchRequest::from_value(json!({ "schemas": schemas })).unwrap();
    let body = json!({ "schemas": schemas, "Operations": [] });
    let patch = PatchRequest::from_value(body, 100).unwrap();
    assert!(!search.schemas_mismatch && !patch.schemas_mismatch);
}

#[test]
fn bodies_that_claim_to_be_another_message_are_rejected() {
    let others = [
        LIST_RESPONSE,
        BULK_RESPONSE,
        ERROR,
        "URN:ietf:params:scim:api:messages:2.0:X",
    ];
    for other in others {
        for schemas in [json!([other]), json!(["urn:x", other]), json!(other)] {
            let search = SearchRequest::from_value(json!({ "schemas": schemas })).unwrap_err();
            let patch = json!({ "schemas": schemas, "Operations": [] });
            let patch = PatchRequest::from_value(patch, 100).unwrap_err();
            for error in [search, patch] {
                assert_eq!(error.scim_type, Some(InvalidSyntax), "{schemas}");
                assert!(
                    error.detail.contains("names the message"),
                    "{}",
                    error.detail
                );
            }
        }
    }
}

#[test]
fn invalid_search_requests_are_rejected() {
    let cases: [(Value, ScimType); 16] = [
        (json!([]), InvalidSyntax),
        (json!(null), InvalidSyntax),
        (json!("filter"), InvalidSyntax),
        (json!({ "attributes": 1 }), InvalidSyntax),
        (json!({ "attributes": [1] }), InvalidSyntax),
        (json!({ "attributes": [null] }), InvalidSyntax),
        (json!({ "excludedAttributes": {} }), InvalidSyntax),
        (json!({ "filter": 1 }), InvalidSyntax),
        (json!({ "filter": "a pr", "Filter": "b pr" }), InvalidSyntax),
        (json!({ "cursor": [] }), InvalidSyntax),
        (json!({ "count": "10" }), InvalidSyntax),
        (json!({ "startIndex": true }), InvalidSyntax),
        (json!({ "count": 1.5 }), InvalidValue),
        (json!({ "count": 1e300 }), InvalidValue),
        (json!({ "startIndex": u64::MAX }), InvalidValue),
        (json!({ "sortOrder": "sideways" }), InvalidValue),
    ];
    for (body, scim_type) in cases {
        let error = SearchRequest::from_value(body.clone()).unwrap_err();
        assert_eq!(
            (error.status, error.scim_type),
            (400, Some(scim_type)),
            "{body}"
        );
    }
}

#[test]
fn patch_requests_are_read() {
    let body = json!({
        "Schemas": ["urn:other", PATCH_OP.to_lowercase()],
        "operations": [
            { "OP": "Add", "Path": "emails", "VALUE": [{ "value": "a@b" }] },
            { "op": "REMOVE", "path": "title" },
            { "op": "replace", "path": null, "value": null, "comment": 1 },
        ],
    });
    let operation = |op, path: Option<&str>, value| PatchOperation {
        op,
        path: path.map(Into::into),
        value,
    };
    let patch = PatchRequest {
        operations: vec![
            operation(
                PatchOperationKind::Add,
                Some("emails"),
                Some(json!([{ "value": "a@b" }])),
            ),
            operation(PatchOperationKind::Remove, Some("title"), None),
            operation(PatchOperationKind::Replace, None, Some(Value::Null)),
        ],
        schemas_mismatch: false,
    };
    assert_eq!(PatchRequest::from_value(body, 3).unwrap(), patch);
    assert_eq!(
        PatchRequest::from_value(to_value(&patch).unwrap(), 3).unwrap(),
        patch
    );

    let empty = PatchRequest {
        operations: Vec::new(),
        schemas_mismatch: true,
    };
    assert_eq!(
        PatchRequest::from_value(json!({ "Operations": [] }), 0).unwrap(),
        empty
    );
}

#[test]
fn invalid_patch_requests_are_rejected() {
    let one = |operation: Value| json!({ "Operations": [{ "op": "add" }, operation] });
    let long = "x".repeat(1_000_000);
    let cases: [(Value, ScimType, &str); 18] = [
        (
            json!([]),
            InvalidSyntax,
            "the patch is an array, not an object",
        ),
        (
            json!(null),
            InvalidSyntax,
            "the patch is null, not an object",
        ),
        (json!({}), InvalidSyntax, "`Operations` is missing"),
        (
            json!({ "Operations": null }),
            InvalidSyntax,
            "`Operations` is null, not an array",
        ),
        (
            json!({ "Operations": {} }),
            InvalidSyntax,
            "`Operations` is an object, not an array",
        ),
        (
            json!({ "Operations": [], "operations": [] }),
            InvalidSyntax,
            "`Operations` occurs twice",
        ),
        (
            one(json!("add")),
            InvalidSyntax,
            "`Operations[1]` is a string, not an object",
        ),
        (
            one(json!(null)),
            InvalidSyntax,
            "`Operations[1]` is null, not an object",
        ),
        (
            one(json!({})),
            InvalidSyntax,
            "`Operations[1].op` is missing",
        ),
        (
            one(json!({ "op": null })),
            InvalidSyntax,
            "`Operations[1].op` is null, not a string",
        ),
        (
            one(json!({ "op": 1 })),
            InvalidSyntax,
            "`Operations[1].op` is a number, not a string",
        ),
        (
            one(json!({ "op": "" })),
            InvalidSyntax,
            "`Operations[1].op`: `` is not",
        ),
        (
            one(json!({ "op": "add " })),
            InvalidSyntax,
            "`Operations[1].op`: `add ` is not",
        ),
        (
            one(json!({ "op": long })),
            InvalidSyntax,
            "`Operations[1].op`: `xxx",
        ),
        (
            one(json!({ "op": "add", "OP": "add" })),
            InvalidSyntax,
            "`Operations[1]`: `op` occurs twice",
        ),
        (
            one(json!({ "op": "add", "path": 1 })),
            InvalidPath,
            "`Operations[1].path` is a number",
        ),
        (
            one(json!({ "op": "add", "path": ["a"] })),
            InvalidPath,
            "`Operations[1].path` is an array",
        ),
        (
            one(json!({ "op": "add", "path": {} })),
            InvalidPath,
            "`Operations[1].path` is an object",
        ),
    ];
    for (body, scim_type, detail) in cases {
        let error = PatchRequest::from_value(body, 100).unwrap_err();
        assert_eq!(
            (error.status, error.scim_type),
            (400, Some(scim_type)),
            "{detail}"
        );
        assert!(
            error.detail.starts_with(detail),
            "{} / {detail}",
            error.detail
        );
        assert!(error.detail.len() < 200, "{detail}");
    }
}

#[test]
fn too_many_patch_operations_are_a_413() {
    let body = json!({ "Operations": [{ "op": "add" }, { "op": "nonsense" }] });
    let error = PatchRequest::from_value(body, 1).unwrap_err();
    assert_eq!((error.status, error.scim_type), (413, None));
}
