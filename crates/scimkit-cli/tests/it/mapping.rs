//! `scimkit mapping`: problems with their places, and what goes where.

use std::{env, fs, path::PathBuf};

use serde_json::{Value, json};

use crate::scimkit;

/// A file of this name and text.
fn file(name: &str, text: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("mapping");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

const MAPPING: &str = r#"[User]
unmapped = "drop"

[[User.map]]
scim = "userName"
field = "email"
transform = ["fold"]
required = true
matching = true

[[User.map]]
scim = ["name.givenName", "name.familyName"]
field = "full_name"
join = " "
"#;

#[test]
fn check_reports_a_valid_mapping_with_its_warnings() {
    let good = file("good.toml", MAPPING);
    let (status, out, err) = scimkit(&["mapping", "check", &good]);
    assert_eq!(status, 0);
    let expected = [
        format!("{good}:7:14: rule 1 of User (userName): "),
        format!("{good}:14:8: rule 2 of User (name.givenName): "),
    ];
    assert_eq!(err.lines().count(), expected.len(), "{err}");
    for (line, start) in err.lines().zip(&expected) {
        assert!(
            line.starts_with(start) && line.ends_with("(warning)"),
            "{err}"
        );
    }
    assert_eq!(out, format!("{good}: User: 2 rules, no problems\n"));
    let (status, out, _) = scimkit(&["mapping", "check", "--json", &good]);
    let mut told: Value = serde_json::from_str(&out).unwrap();
    let warnings = told["warnings"].take();
    assert_eq!(
        (status, told),
        (
            0,
            json!({"problems": [], "rules": {"User": 2}, "warnings": null})
        )
    );
    let lines: Vec<_> = warnings
        .as_array()
        .unwrap()
        .iter()
        .map(|w| &w["line"])
        .collect();
    assert_eq!(lines, [7, 14]);
}

#[test]
fn check_reports_every_problem_with_its_position() {
    let bad = file(
        "bad.toml",
        "[[User.map]]\nscim = 'nick'\nfield = 'a'\n[[User.map]]\nscim = 'title'\n",
    );
    let (status, out, err) = scimkit(&["mapping", "check", &bad]);
    assert_eq!((status, out.as_str()), (1, ""));
    let expected = format!(
        "{bad}:2:8: rule 1 of User: unknown attribute `nick`\n\
         {bad}:4:1: rule 2 of User (title): the rule has no field: add `field`, `constant` or `template`\n"
    );
    assert_eq!(err, expected);

    let json_file = file(
        "bad.json",
        "{\"User\": {\"map\": [{\"scim\": \"nick\", \"field\": \"a\"}]}}",
    );
    let (status, out, _) = scimkit(&["mapping", "check", "--json", &json_file]);
    let told: Value = serde_json::from_str(&out).unwrap();
    let problem = json!({"file": json_file, "line": 1, "column": 28, "rule": "rule 1 of User",
        "message": "unknown attribute `nick`"});
    assert_eq!((status, told), (1, json!({"problems": [problem]})));
}

#[test]
fn unreadable_files_exit_with_2() {
    let good = file("readable.toml", MAPPING);
    let user = file("no-user.json", "{");
    for arguments in [
        vec!["mapping", "check", "no such file"],
        vec!["mapping", "check", &good, "--schemas", &user],
        vec!["mapping", "explain", &good, "--user", &user],
        vec!["mapping", "explain", &good, "--group", &user],
        vec!["mapping", "explain", &good],
    ] {
        assert_eq!(scimkit(&arguments).0, 2, "{arguments:?}");
    }
}

#[test]
fn check_accepts_schemas_and_transforms_of_the_application() {
    let schemas = json!([{"id": "urn:example:2.0:Badge", "name": "Badge", "attributes": [{"name": "colour"}]}]);
    let types = json!([{"name": "User", "endpoint": "/Users",
        "schema": "urn:ietf:params:scim:schemas:core:2.0:User",
        "schemaExtensions": [{"schema": "urn:example:2.0:Badge", "required": false}]}]);
    let schemas = file("schemas.json", &schemas.to_string());
    let types = file("types.json", &types.to_string());
    let text = "[[User.map]]\nscim = 'urn:example:2.0:Badge:colour'\nfield = 'colour'\ntransform = [{ custom = 'hex' }]\n";
    let own = file("own.toml", text);
    let all = [
        "mapping",
        "check",
        &own,
        "--schemas",
        &schemas,
        "--resource-types",
        &types,
        "--custom-transform",
        "hex",
    ];
    assert_eq!(scimkit(&all).0, 0);
    assert_eq!(scimkit(all.get(..7).unwrap()).0, 1);
    assert_eq!(
        scimkit(&["mapping", "check", &own, "--host-transform", "hex"]).0,
        1
    );
}

#[test]
fn explain_shows_both_directions() {
    let mapping = file("explained.toml", MAPPING);
    let body = json!({"userName": "Babs@X.org", "title": "Dr", "name": {"givenName": "Babs", "familyName": "Jensen"}});
    let user = file("user.json", &body.to_string());
    let (status, out, err) = scimkit(&["mapping", "explain", &mapping, "--user", &user]);
    assert_eq!((status, err.as_str()), (0, ""));
    let expected = r#"SCIM -> record
  userName         "Babs@X.org"  email      "babs@x.org"   required, matching
  name.givenName   "Babs"        full_name  "Babs Jensen"
  name.familyName  "Jensen"

record -> SCIM
  email      "babs@x.org"   userName         "babs@x.org"
  full_name  "Babs Jensen"  name.givenName   "Babs"
                            name.familyName  "Jensen"

unmapped attributes, dropped
  title
"#;
    assert_eq!(out, expected);

    let record = file(
        "record.json",
        r#"{"email": "other@x.org", "full_name": null}"#,
    );
    let arguments = [
        "mapping", "explain", &mapping, "--user", &user, "--record", &record, "--json",
    ];
    let (status, out, _) = scimkit(&arguments);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(status, 0);
    assert_eq!(told["toRecord"][0]["value"], "babs@x.org");
    assert_eq!(
        told["toResource"][0]["scim"],
        json!([{"path": "userName", "value": "other@x.org"}])
    );
    assert_eq!(
        told["unmapped"],
        json!({"fate": "dropped", "paths": ["title"]})
    );
}

#[test]
fn explain_reports_a_rejected_resource() {
    let mapping = file("refuses.toml", MAPPING);
    let user = file("nobody.json", r#"{"title": "Dr"}"#);
    let (status, out, _) = scimkit(&["mapping", "explain", &mapping, "--user", &user]);
    assert_eq!(status, 1);
    let last = "the resource would be rejected: `userName` is missing, but the attribute mapping requires it: send a value
";
    assert!(out.ends_with(last), "{out}");
}
