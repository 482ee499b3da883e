//! Headers: what is asked for with them, and what is answered in them.

use std::collections::BTreeSet;

use http::{HeaderValue, header};

use crate::web::{create, get, request, send, server};

#[tokio::test]
async fn a_created_resource_says_in_its_headers_what_it_says_in_meta() {
    let created = create(&server(), "bjensen").await;
    let meta = &created.json()["meta"];
    assert_eq!(created.header("location"), meta["location"]);
    assert_eq!(created.header("etag"), meta["version"]);
    assert_eq!(created.header("cache-control"), "no-store");
}

#[tokio::test]
async fn every_answer_has_a_request_id_of_its_own() {
    let server = server();
    let id = create(&server, "bjensen").await.json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let user = format!("/Users/{id}");
    let requests = [
        request("GET", &user, &[], ""),
        request("GET", &user, &[("if-none-match", "*")], ""),
        request("HEAD", &user, &[], ""),
        request("GET", "/nowhere", &[], ""),
        request("PUT", "/Users", &[], ""),
        request("GET", "/Me", &[], ""),
        request("GET", "/Users", &[("authorization", "Basic x")], ""),
        request("POST", "/Users", &[("content-type", "text/plain")], ""),
        request("POST", "/Users", &[], "{"),
        request("DELETE", &user, &[], ""),
    ];
    let (mut seen, mut statuses) = (BTreeSet::new(), BTreeSet::new());
    for request in requests {
        let answer = send(&server, request).await;
        assert!(seen.insert(answer.header("x-request-id").to_owned()));
        statuses.insert(answer.status.as_u16());
    }
    assert!(!seen.contains(""));
    assert_eq!(
        Vec::from_iter(statuses),
        [200, 204, 304, 400, 401, 404, 405, 415, 501]
    );
}

#[tokio::test]
async fn the_answer_has_the_media_type_that_is_preferred() {
    const SCIM: &str = "application/scim+json";
    const JSON: &str = "application/json";
    let rows = [
        ("application/scim+json", SCIM),
        ("application/json", JSON),
        ("Application/JSON; charset=utf-8", JSON),
        ("application/json, application/scim+json", SCIM),
        ("application/json;q=0.5, application/scim+json;q=0.4", JSON),
        ("application/json;Q=0.1, application/scim+json;q=0.5", SCIM),
        ("application/json, */*;q=0.1", JSON),
        ("application/json;q=0.2, */*", SCIM),
        (
            "application/json;q=0.5, application/scim+json;q=0.1, */*",
            JSON,
        ),
        ("application/json;q=0", SCIM),
        ("application/json, application/scim+json;q=0", JSON),
        ("*/*", SCIM),
        ("application/*", SCIM),
        ("text/html", SCIM),
        ("", SCIM),
        (";;,,q=", SCIM),
        ("application/json;q=NaN, application/scim+json;q=0.1", SCIM),
    ];
    let server = server();
    for (accept, wanted) in rows {
        for path in ["/Users", "/Schemas", "/nowhere"] {
            let answer = get(&server, path, &[("accept", accept)]).await;
            assert_eq!(answer.header("content-type"), wanted, "{accept}");
        }
    }
    assert_eq!(
        get(&server, "/Users", &[]).await.header("content-type"),
        SCIM
    );
    let several = [("accept", "text/html"), ("accept", JSON)];
    assert_eq!(
        get(&server, "/Users", &several)
            .await
            .header("content-type"),
        JSON
    );
    // A refusal before the route is known speaks the client's language too.
    let refused = [("accept", JSON), ("authorization", "x")];
    assert_eq!(
        get(&server, "/Users", &refused)
            .await
            .header("content-type"),
        JSON
    );
}

#[tokio::test]
async fn entity_tags_may_come_in_several_header_lines() {
    let server = server();
    let created = create(&server, "bjensen").await;
    let path = format!("/Users/{}", created.json()["id"].as_str().unwrap());
    let tag = created.header("etag");
    let strong = tag.strip_prefix("W/").unwrap();
    for known in [tag, strong] {
        let lines = [("if-none-match", "\"a\""), ("if-none-match", known)];
        assert_eq!(get(&server, &path, &lines).await.status, 304);
        let lines = [("if-match", "\"a\", W/\"b,c\""), ("if-match", known)];
        let body = r#"{"userName":"bjensen"}"#;
        assert_eq!(
            send(&server, request("PUT", &path, &lines, body))
                .await
                .status,
            200
        );
    }
    let lines = [("if-match", "\"a\""), ("if-match", "*")];
    send(&server, request("DELETE", &path, &lines, ""))
        .await
        .is_error(400);

    let mut unreadable = request("GET", &path, &[], "");
    let value = HeaderValue::from_bytes(b"\"\xff\"").unwrap();
    unreadable
        .headers_mut()
        .insert(header::IF_NONE_MATCH, value);
    send(&server, unreadable).await.is_error(400);
}

#[tokio::test]
async fn head_tells_the_length_of_what_get_sends() {
    let server = server();
    create(&server, "bjensen").await;
    for path in ["/Users", "/Schemas", "/nowhere", "/Users?filter=x"] {
        let whole = get(&server, path, &[]).await;
        let head = send(&server, request("HEAD", path, &[], "")).await;
        assert_eq!(head.status, whole.status);
        assert_eq!(head.header("content-length"), whole.body.len().to_string());
        assert_eq!(head.header("content-type"), whole.header("content-type"));
        assert!(head.body.is_empty());
    }
}

#[tokio::test]
async fn a_prefix_is_taken_off_whole_segments_only() {
    let server = server().with_prefix("/scim/v2/");
    for path in [
        "/scim/v2/Users",
        "/scim/v2/Users?count=1",
        "/scim/v2",
        "/scim/v2/",
    ] {
        assert_eq!(get(&server, path, &[]).await.status, 200, "{path}");
    }
    for path in [
        "/scim/v2Users",
        "/Users",
        "/",
        "/scim/v22/Users",
        "/x/scim/v2/Users",
    ] {
        get(&server, path, &[]).await.is_error(404);
    }
}
