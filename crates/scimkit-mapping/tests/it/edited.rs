//! Mapping files edited line by line.

use scimkit_mapping::{FieldType, Mapping, MappingFile, mappable_paths};
use scimkit_registry::Registry;

const FILE: &str = r#"# The people of the product.
[User]
unmapped = "drop"   # nothing else

[User.fields]
email = { type = "text", unique = true, filterable = true }
office = "text"

# The login.
[[User.map]]
scim = "userName"   # matched
field = "email"
transform = ["trim"]

[[User.map]]
field = "office"
scim = 'addresses[type eq "work"].locality'

[[User.map]]
field = "origin"
constant = "scim"

[[User.map]]
field = "full_name"
scim = ["name.givenName", "name.familyName"]
separator = " "
"#;

fn edited(edit: impl FnOnce(&mut MappingFile)) -> String {
    let mut file = MappingFile::parse(FILE).unwrap();
    edit(&mut file);
    file.to_string()
}

#[test]
fn set_line_changes_only_its_path() {
    let text = edited(|file| {
        file.set_line("User", "email", "emails[primary eq true].value")
            .unwrap()
    });
    let expected = FILE.replace(r#""userName""#, "\"emails[primary eq true].value\"");
    assert_eq!(text, expected);
}

#[test]
fn set_line_of_a_field_without_one_adds_it() {
    let text = edited(|file| file.set_line("User", "desk", "title").unwrap());
    assert_eq!(
        text,
        format!("{FILE}\n[[User.map]]\nscim = \"title\"\nfield = \"desk\"\n")
    );
}

#[test]
fn removed_line_leaves_its_declaration() {
    let text = edited(|file| assert!(file.remove_line("User", "office")));
    let line =
        "[[User.map]]\nfield = \"office\"\nscim = 'addresses[type eq \"work\"].locality'\n\n";
    assert_eq!(text, FILE.replace(line, ""));
}

#[test]
fn line_that_has_more_than_a_path_is_not_set() {
    let mut file = MappingFile::parse(FILE).unwrap();
    for (field, expected) in [
        (
            "origin",
            "the line of `origin` has a constant: edit the file",
        ),
        (
            "full_name",
            "the line of `full_name` joins several paths: edit the file",
        ),
    ] {
        let error = file.set_line("User", field, "title").unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let twice = format!("{FILE}\n[[User.map]]\nfield = \"office\"\nscim = \"title\"\n");
    let error = MappingFile::parse(&twice)
        .unwrap()
        .set_line("User", "office", "title");
    let expected = "the field `office` has several lines: edit the file";
    assert_eq!(error.unwrap_err().to_string(), expected);
    assert_eq!(file.to_string(), FILE);
}

#[test]
fn field_is_declared_once() {
    let text = edited(|file| {
        file.add_field("User", "office", FieldType::Text).unwrap();
        file.add_field("User", "email", FieldType::Text).unwrap();
        let error = file
            .add_field("User", "email", FieldType::Json)
            .unwrap_err();
        assert_eq!(error.to_string(), "the field `email` is declared as text");
    });
    assert_eq!(text, FILE);
    let text = edited(|file| file.add_field("User", "floor", FieldType::Integer).unwrap());
    let expected = FILE.replace(
        "office = \"text\"\n",
        "office = \"text\"\nfloor = \"integer\"\n",
    );
    assert_eq!(text, expected);
}

#[test]
fn files_of_other_forms_are_edited() {
    for (file, expected) in [
        ("", "\n[[User.map]]\nscim = \"title\"\nfield = \"job\"\n"),
        (
            "User.map = [{ scim = \"userName\", field = \"email\" }]\n",
            "User.map = [{ scim = \"userName\", field = \"email\" }, { scim = \"title\", field = \"job\" }]\n",
        ),
        (
            r#"{"User": {"map": [{"scim": "active", "field": "job"}]}}"#,
            "{\n  \"User\": {\n    \"map\": [\n      {\n        \"field\": \"job\",\n        \"scim\": \"title\"\n      }\n    ]\n  }\n}\n",
        ),
    ] {
        let mut parsed = MappingFile::parse(file).unwrap();
        parsed.set_line("User", "job", "title").unwrap();
        let text = parsed.to_string();
        let printed = if file.starts_with('{') {
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(
                value,
                serde_json::from_str::<serde_json::Value>(expected).unwrap()
            );
            text.clone()
        } else {
            assert_eq!(text, expected);
            text.clone()
        };
        assert!(
            Mapping::builder()
                .text(&printed)
                .build(&Registry::standard())
                .is_ok(),
            "{printed}"
        );
    }
}

#[test]
fn text_that_is_no_mapping_file_is_rejected() {
    for text in ["{", "[User", "User = 1\nUser = 2"] {
        assert!(MappingFile::parse(text).is_err(), "{text}");
    }
    for text in [
        "User = 1",
        "{\"User\": []}",
        "[User]\nmap = 1",
        "[User]\nmap = {}",
    ] {
        let mut file = MappingFile::parse(text).unwrap();
        assert!(file.set_line("User", "job", "title").is_err(), "{text}");
        assert!(!file.remove_line("User", "job"), "{text}");
    }
}

#[test]
fn each_mappable_path_is_valid_with_a_field_of_its_type() {
    let registry = Registry::standard();
    for kind in ["User", "Group"] {
        let paths = mappable_paths(registry.resource_type(kind).unwrap());
        assert!(paths.len() > 2, "{paths:?}");
        for path in paths {
            let mut file = MappingFile::parse("").unwrap();
            file.add_field(kind, "value", path.data_type).unwrap();
            file.set_line(kind, "value", &path.path).unwrap();
            let text = file.to_string();
            let mapping = Mapping::builder().text(&text).build(&registry);
            assert!(mapping.is_ok(), "{text}: {}", mapping.unwrap_err());
        }
    }
}
