//! Files that nobody means well with.

use std::time::{Duration, Instant};

use scimkit_mapping::{Mapping, MappingBuilder};
use scimkit_registry::Registry;

/// Builds, and says how many problems there are; it must not take long.
fn problems(builder: impl FnOnce() -> MappingBuilder) -> usize {
    let start = Instant::now();
    let found = match builder().build(&Registry::standard()) {
        Ok(_) => 0,
        Err(error) => {
            assert!(error.problems().len() <= 100);
            error.problems().len()
        }
    };
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
    found
}

fn file(text: &str) -> usize {
    problems(|| Mapping::builder().text(text))
}

#[test]
fn size_and_depth_are_bounded() {
    let big = "#".repeat(10 << 20);
    assert_eq!((file(&big), file(&format!("{{{big}"))), (1, 1));
    for deep in [100_000, 13] {
        assert!(file(&format!("a = {}{}", "[".repeat(deep), "]".repeat(deep))) > 0);
        assert!(file(&format!("a = {}1{}", "{a=".repeat(deep), "}".repeat(deep))) > 0);
        assert!(
            file(&format!(
                "{{\"a\":{}{}}}",
                "[".repeat(deep),
                "]".repeat(deep)
            )) > 0
        );
        assert!(file(&format!("{}1{}", "{\"a\":".repeat(deep), "}".repeat(deep))) > 0);
    }
    assert!(file(&format!("[{}]", "a.".repeat(50_000) + "a")) > 0);
    assert!(file(&"[".repeat(200_000)) > 0);
    assert!(file("{") > 0);
    assert_eq!(file(""), 0);
}

#[test]
fn counts_are_bounded() {
    let rule = "[[User.map]]\nscim='title'\nhost='a'\n";
    assert_eq!(file(&rule.repeat(1001)), 1);
    assert_eq!(file(&rule.repeat(1000)), 100);
    assert!(file(&"x = 1\n".repeat(20_000)) > 0);
    let keys: String = (0..20_000).map(|n| format!("x{n}=1\n")).collect();
    assert_eq!(file(&keys), 1);
    assert_eq!(
        file(&format!("[User.fields]\n{}", keys.replace("=1", "='text'"))),
        1
    );
    let pairs: String = (0..2000).map(|n| format!("x{n}={n},")).collect();
    assert!(
        file(&format!(
            "[[User.map]]\nscim='title'\nhost='a'\ntransform=[{{values={{{pairs}}}}}]"
        )) > 0
    );
    let template = "{title}".repeat(10_000);
    assert!(file(&format!("[[User.map]]\nhost='a'\ntemplate='{template}'")) > 0);
    let path = format!("emails[{}]", "not ".repeat(10_000));
    assert!(file(&format!("[[User.map]]\nhost='a'\nscim='{path}'")) > 0);
    let path = format!(
        "emails[{}type eq \\\"a\\\"{}]",
        "(".repeat(100),
        ")".repeat(100)
    );
    assert!(file(&format!("[[User.map]]\nhost='a'\nscim=\"{path}\"")) > 0);
    let name = "n".repeat(200_000);
    assert!(file(&format!("[{name}]\n")) > 0);
}

#[test]
fn unexpected_values_are_reported() {
    for value in [
        "1979-05-27T07:32:00Z",
        "inf",
        "nan",
        "99999999999999999999",
        "0x7f",
        "[]",
        "{}",
        "''",
        "true",
        "-0",
    ] {
        for option in [
            "scim",
            "host",
            "join",
            "transform",
            "template",
            "constant",
            "default",
            "required",
            "key",
        ] {
            file(&format!(
                "[[User.map]]\nscim='title'\nhost='a'\n{option}={value}\n"
            ));
            file(&format!("[[User.map]]\n{option}={value}\n"));
            file(&format!(
                "[User]\n{option}={value}\nmap={value}\nfields={value}\nunmapped={value}"
            ));
            file(&format!("User={value}"));
        }
    }
    for text in [
        "null",
        "[]",
        "5",
        "{\"User\":null}",
        "{\"User\":{\"map\":[null]}}",
        "{\"\\u0055ser\":{\"map\":[{\"sc\\\"im\":1}]}}",
        "\u{feff}{}",
        "{\"User\":{\"map\":[{\"scim\":\"é\",\"ü\":1}]}}",
    ] {
        file(text);
    }
}

#[test]
fn long_input_is_shortened_in_messages() {
    let long = "x".repeat(100_000);
    for text in [
        format!("[{long}]"),
        format!("[[User.map]]\nscim='{long}'\nhost='a'"),
        format!("[User]\n{long}=1"),
        format!("[[User.map]]\ntransform='{long}'"),
    ] {
        let error = Mapping::builder()
            .text(&text)
            .build(&Registry::standard())
            .unwrap_err();
        assert!(
            error.to_string().len() < 2000,
            "{}",
            error.to_string().len()
        );
    }
}
