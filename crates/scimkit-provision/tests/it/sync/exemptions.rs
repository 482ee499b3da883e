//! Users that are exempt.

use scimkit_provision::sync::{Category, ExemptionFile, ExemptionFileError, Exemptions};
use serde_json::json;

use super::site::{ENTRA, Site, effects, lines, of};

#[test]
fn exempt_users_are_neither_changed_nor_archived() {
    let mut site = Site::new();
    site.authoritative();
    site.existing("7", json!({"email": "a@x.org"}))
        .existing("8", json!({"email": "b@x.org"}));
    site.existing("9", json!({"email": "c@x.org"}));
    site.user("1", json!({"userName": "a@x.org", "title": "Dr"}));
    site.link_of(ENTRA, "gone", "8");
    site.exempt("A@x.org").exempt("b@x.org").exempt("c@x.org");
    let plan = site.sync();
    assert_eq!(
        lines(&plan),
        ["exempt a@x.org", "exempt b@x.org", "exempt c@x.org"]
    );
    assert_eq!(effects(&plan).len(), 0);
}

#[test]
fn exempt_user_that_the_directory_does_not_know_is_not_created() {
    let mut site = Site::new();
    site.user("1", json!({"userName": "new@x.org"}))
        .exempt("New@x.org");
    assert_eq!(lines(&site.sync()), ["exempt new@x.org"]);
    assert!(site.input.directory_users.is_empty());
    // Later somebody creates the user by hand, and renames it.
    site.existing("7", json!({"email": "new@x.org"}));
    let plan = site.sync();
    assert_eq!(plan.bindings.len(), 1);
    assert_eq!(site.exemptions.pending().count(), 0);
    site.user_mut("7")
        .fields
        .insert("email".into(), json!("renamed@x.org"));
    site.user("1", json!({"userName": "renamed@x.org", "active": false}));
    assert_eq!(of(&site.sync(), Category::Exempt), ["renamed@x.org"]);
    assert_eq!(site.archived(), [""; 0]);
}

#[test]
fn end_of_an_exemption_is_previewed() {
    let mut site = Site::new();
    site.existing("7", json!({"email": "a@x.org"}));
    site.user("1", json!({"userName": "a@x.org", "active": false}))
        .exempt("a@x.org");
    site.sync();
    let mut preview = site.clone();
    let file = ExemptionFile::from_csv(&b"Email,Provisioning Managed\na@x.org,TRUE\n"[..]).unwrap();
    let changes = preview.exemptions.import(&file.rows, |_| Some("7".into()));
    assert_eq!(changes.ended, ["a@x.org"]);
    assert_eq!(of(&preview.plan(), Category::Archived), ["a@x.org"]);
    assert_eq!(of(&site.plan(), Category::Archived), [""; 0]);
}

#[test]
fn import_takes_the_good_rows_and_names_the_lines_of_the_others() {
    let text = "\u{feff}Provisioning Managed, EMAIL ,Name\r\nfalse,a@x.org,\"A,\nB\"\r\nno,b@x.org,\r\n\
                false,nobody,\r\n,c@x.org\r\ntrue,A@x.org,\r\nFALSE,d@x.org,\r\n";
    let file = ExemptionFile::from_csv(text.as_bytes()).unwrap();
    let rows: Vec<_> = file
        .rows
        .iter()
        .map(|row| (row.line, row.email.as_str()))
        .collect();
    assert_eq!(rows, [(2, "a@x.org"), (8, "d@x.org")]);
    let problems: Vec<_> = file.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "line 4: expected `true` or `false`, not `no`",
            "line 5: expected an e-mail address, not `nobody`",
            "line 6: expected `true` or `false`, not ``",
            "line 7: `A@x.org` has another value in line 2",
        ]
    );
}

#[test]
fn file_without_a_column_is_rejected() {
    for text in ["", "Email\n", "Email,Email,Provisioning Managed\n"] {
        let error = ExemptionFile::from_csv(text.as_bytes()).unwrap_err();
        assert!(matches!(error, ExemptionFileError::Column(_)), "{text}");
    }
}

#[test]
fn export_has_the_current_addresses_and_can_be_imported() {
    let mut site = Site::new();
    site.existing("7", json!({"email": "a@x.org"}));
    site.exempt("a@x.org").exempt("later@x.org");
    let mut text = Vec::new();
    site.exemptions
        .to_csv(&mut text, |_| Some("new@x.org".to_owned()))
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&text),
        "Email,Provisioning Managed\nnew@x.org,false\nlater@x.org,false\n"
    );
    let mut imported = Exemptions::default();
    let rows = ExemptionFile::from_csv(&*text).unwrap().rows;
    imported.import(&rows, |email| (email == "new@x.org").then(|| "7".into()));
    assert_eq!(
        imported
            .bound()
            .map(|(id, _)| id.as_str())
            .collect::<Vec<_>>(),
        ["7"]
    );
    assert_eq!(imported.pending().collect::<Vec<_>>(), ["later@x.org"]);
}
