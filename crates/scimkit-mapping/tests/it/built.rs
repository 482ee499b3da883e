//! What a built mapping tells about itself, and what SQL can compare.

use std::sync::Arc;

use scimkit_mapping::{ColumnForm, RowText, TypeMapping, check_folded};
use scimkit_registry::{Change, Registry, Tolerance};
use serde_json::json;

use super::{mapping, user};

#[test]
fn types_and_paths_are_those_of_the_file() {
    let text = "[[Group.map]]\nscim = 'displayname'\nfield = 'name'\n\
        [[User.map]]\nscim = ['name.givenName', 'NAME.FAMILYNAME']\nfield = 'full_name'\njoin = ' '\n";
    let mapping = mapping(text);
    let types: Vec<_> = mapping.types().iter().map(|t| t.kind().name()).collect();
    assert_eq!(types, ["Group", "User"]);
    let paths = |rules: &TypeMapping| -> Vec<Vec<String>> {
        let rules = rules.rules();
        rules
            .map(|rule| rule.paths().map(str::to_owned).collect())
            .collect()
    };
    assert_eq!(paths(&mapping.types()[0]), [["displayName"]]);
    let names = ["name.givenName", "name.familyName"];
    assert_eq!(paths(&mapping.types()[1]), [names]);
}

/// Returns whether SQL can compare the column `status` of a user's `active`, which stands for these values.
fn compares(pairs: &str, field: &str) -> bool {
    let text = format!(
        "[User.fields]\nstatus = {{ {field} }}\n[[User.map]]\nscim = 'active'\nfield = 'status'\ntransform = [{{ values = {{ {pairs} }} }}]\n"
    );
    let rules = user(&text);
    let rule = rules.rules().next().unwrap();
    let column = rule.comparable_column();
    assert!(column.is_none_or(|c| matches!(c.form, ColumnForm::Values(_))));
    column.is_some()
}

#[test]
fn values_are_compared_in_sql_only_if_all_of_them_are_exact() {
    let plain = "type = 'text'";
    let folded = "type = 'text', folded = true";
    let lower = "true = 'on', false = 'off'";
    assert!(compares(lower, folded));
    // The column may hold `ON`, which the transform reads as true.
    assert!(!compares(lower, plain));
    assert!(compares("true = 1, false = 0", "type = 'integer'"));
}

#[test]
fn a_folded_field_has_only_folded_values() {
    let problem = |values: &str| {
        let text = format!(
            "[User.fields]\nstatus = {{ type = 'text', folded = true }}\n[[User.map]]\nscim = 'active'\nfield = 'status'\ntransform = [{{ values = {{ {values} }} }}]\n"
        );
        let built = scimkit_mapping::Mapping::builder().text(&text);
        built.build(&Registry::standard()).is_err()
    };
    assert!(!problem("true = 'on', false = 'off'"));
    assert!(problem("true = 'On', false = 'off'"));
    assert!(problem("true = 'on', false = 'OFF'"));
}

#[test]
fn unmapped_paths_of_a_change_are_named_once_per_value() {
    let rules = user("[[User.map]]\nscim = 'emails[type eq \"work\"].value'\nfield = 'mail'\n");
    let kind = rules.kind();
    let body = json!({
        "title": "Tour Guide",
        "emails": [
            {"type": "home", "value": "babs@example.com"},
            {"type": "work", "value": "bjensen@example.com"},
            {"type": "other", "value": "b@example.com"},
        ],
    });
    let resource = kind.admit(body, &Tolerance::DEFAULT).unwrap();
    let mut change = Change::empty(Arc::clone(kind));
    for path in ["title", "emails"] {
        let id = kind.attribute_id(path).unwrap();
        change.difference(id, None, resource.get(kind, id).cloned());
    }
    let mut paths = rules.unmapped_paths(&change);
    paths.sort();
    assert_eq!(paths, ["emails", "emails", "title"]);
}

#[test]
fn a_column_with_unfolded_or_equal_rows_is_not_clean() {
    let check = |rows: &[(u8, &'static str)]| {
        check_folded(rows.iter().map(|&(row, text)| RowText { row, text }))
    };
    assert!(check(&[(1, "babs"), (2, "kim")]).is_clean());
    assert!(!check(&[(1, "babs"), (2, "Kim")]).is_clean());
    assert!(!check(&[(1, "babs"), (2, "babs")]).is_clean());
}
