//! Schema URIs.

use std::collections::{BTreeSet, HashSet};

use scimkit_core::{Urn, builtin};
use serde_json::{from_value, json, to_value};

#[test]
fn valid_urns_are_accepted() {
    for text in [
        builtin::ENTERPRISE_USER,
        builtin::GROUP,
        builtin::RESOURCE_TYPE,
        builtin::SCHEMA,
        builtin::SERVICE_PROVIDER_CONFIG,
        builtin::USER,
        "URN:Example:a",
        "urn:a1:b",
        "urn:example:a/b@c%2Fd;e=f",
        "urn:mace:example.com:scim:1.0:Thing",
    ] {
        let urn = Urn::new(text).unwrap();
        assert_eq!((urn.as_str(), urn.to_string().as_str()), (text, text));
        assert_eq!(from_value::<Urn>(to_value(&urn).unwrap()).unwrap(), urn);
        assert_eq!(text.parse::<Urn>().unwrap(), urn);
    }
}

#[test]
fn invalid_urns_are_rejected() {
    let long = format!("urn:example:{}", "a".repeat(501));
    let namespace = format!("urn:{}:a", "a".repeat(33));
    for text in [
        "",
        "urn",
        "urn:",
        "urn::",
        "urn:a1",
        "urn:a1:",
        "urn:a:b",
        "urn:-a:b",
        "urn:a-:b",
        "urn:a_b:c",
        "uri:example:a",
        " urn:example:a",
        "urn:example:a b",
        "urn:example:a\"b",
        "urn:example:a'b",
        "urn:example:a[b]",
        "urn:example:a(b)",
        "urn:example:<a>",
        "urn:example:a?=b",
        "urn:example:a#b",
        "urn:example:/a",
        "urn:example:%",
        "urn:example:%2",
        "urn:example:%zz",
        "urn:example:é",
        "urn:example:a\0",
        "https://example.com/User",
        &long,
        &namespace,
    ] {
        assert!(Urn::new(text).is_err(), "{text}");
        assert!(from_value::<Urn>(json!(text)).is_err(), "{text}");
    }
    assert!(Urn::new(long.get(..512).unwrap()).is_ok());
    assert_eq!(Urn::new(long).unwrap_err().text.chars().count(), 65);
    assert_eq!(
        Urn::new("User\n").unwrap_err().to_string(),
        "`User\u{fffd}` is not a URN"
    );
}

#[test]
fn urns_ignore_case() {
    let spelled = [
        "urn:example:b",
        "URN:EXAMPLE:B",
        "urn:example:a",
        "urn:Example:A",
    ]
    .map(|text| Urn::new(text).unwrap());
    assert_eq!(spelled.iter().collect::<HashSet<_>>().len(), 2);
    let ordered: Vec<_> = spelled
        .iter()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    assert_eq!(ordered, [&spelled[2], &spelled[0]]);
    assert_eq!(spelled[0], "urn:EXAMPLE:b");
}
