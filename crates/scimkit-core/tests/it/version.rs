//! Versions and entity tags.

use scimkit_core::{ETagList, InvalidVersion, Version};
use serde_json::{from_value, json, to_value};

fn list(tags: &[&str]) -> Result<ETagList, InvalidVersion> {
    let versions: Result<_, _> = tags.iter().map(|tag| Version::new(*tag)).collect();
    versions.map(ETagList::List)
}

#[test]
fn etag_headers_are_parsed() {
    for (header, read) in [
        ("*", Ok(ETagList::Any)),
        (" \t* ", Ok(ETagList::Any)),
        (r#"W/"e180ee84f0671b1""#, list(&["e180ee84f0671b1"])),
        (r#""a""#, list(&["a"])),
        (r#"W/"a","b" ,	W/"c""#, list(&["a", "b", "c"])),
        (r#""a,b","c""#, list(&["a,b", "c"])),
        (r#""a\","b""#, list(&["a\\", "b"])),
        (r#"  , ,"a",,"b", "#, list(&["a", "b"])),
        (r#""""#, list(&[""])),
        (r#""W/""#, list(&["W/"])),
        (r#""*""#, list(&["*"])),
    ] {
        assert_eq!(ETagList::parse(header), read, "{header}");
    }
}

#[test]
fn malformed_etag_headers_are_rejected() {
    use InvalidVersion::{Character, Length, Syntax};
    for (header, error) in [
        ("", Syntax),
        (" ", Syntax),
        (",", Syntax),
        ("a", Syntax),
        ("W/a", Syntax),
        ("W/", Syntax),
        ("W", Syntax),
        (r#"w/"a""#, Syntax),
        (r#"W /"a""#, Syntax),
        (r#"W/W/"a""#, Syntax),
        ("\"", Syntax),
        (r#""a"#, Syntax),
        (r#"a""#, Syntax),
        (r#""a" "b""#, Syntax),
        (r#""a""b""#, Syntax),
        (r#""a"W/"b""#, Syntax),
        (r#""a", *"#, Syntax),
        ("*, *", Syntax),
        ("**", Syntax),
        (r#"'a'"#, Syntax),
        (r#""a";"b""#, Syntax),
        (r#""a b""#, Character),
        ("\"a\tb\"", Character),
        ("\"a\r\nSet-Cookie: b\"", Character),
        ("\"a\0\"", Character),
        ("\"\u{7f}\"", Character),
        ("\"é\"", Character),
        ("\u{a0}\"a\"", Syntax),
        (&format!("\"{}\"", "a".repeat(129)), Length),
    ] {
        assert_eq!(ETagList::parse(header), Err(error), "{header}");
    }
}

#[test]
fn etag_headers_are_limited() {
    let tags = |count: usize| vec![r#"W/"a""#; count].join(",");
    assert!(ETagList::parse(&tags(64)).is_ok());
    assert_eq!(ETagList::parse(&tags(65)), Err(InvalidVersion::Count));
    assert_eq!(ETagList::parse(&tags(100_000)), Err(InvalidVersion::Count));
    assert_eq!(
        ETagList::parse(&",".repeat(1_000_000)),
        Err(InvalidVersion::Syntax)
    );
    assert_eq!(
        ETagList::parse(&"\"".repeat(1_000_000)),
        Err(InvalidVersion::Syntax)
    );
}

#[test]
fn etag_comparison_is_weak() {
    let version = Version::new("7").unwrap();
    for (header, matches) in [
        ("*", true),
        (r#""7""#, true),
        (r#"W/"7""#, true),
        (r#""6", W/"7""#, true),
        (r#""77""#, false),
    ] {
        assert_eq!(
            ETagList::parse(header).unwrap().matches(&version),
            matches,
            "{header}"
        );
    }
    assert!(!ETagList::List(Vec::new()).matches(&version));
    assert!(
        !ETagList::parse(r#""A""#)
            .unwrap()
            .matches(&Version::new("a").unwrap())
    );
}

#[test]
fn versions_round_trip() {
    let every: String = ('!'..='~').filter(|symbol| *symbol != '"').collect();
    for text in ["", "7", "a,b", "W/", "*", &"a".repeat(128), &every] {
        let version = Version::new(text).unwrap();
        assert_eq!(version.as_str(), text);
        assert_eq!(version.etag(), format!("W/\"{text}\""));
        assert_eq!(version.etag().parse(), Ok(version.clone()));
        assert_eq!(ETagList::parse(&version.etag()), list(&[text]));
        assert_eq!(
            from_value::<Version>(to_value(&version).unwrap()).unwrap(),
            version
        );
    }
    for text in ["a b", "a\"", "\n", "é", &"a".repeat(129)] {
        assert!(Version::new(text).is_err(), "{text}");
    }
    for tag in ["7", "", "*", "W/\"7\" ", "\"7\",\"8\""] {
        assert!(tag.parse::<Version>().is_err(), "{tag}");
        assert!(from_value::<Version>(json!(tag)).is_err(), "{tag}");
    }
}
