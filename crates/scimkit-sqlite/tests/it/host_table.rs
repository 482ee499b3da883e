//! Filters on an application's own table: condition and residual together equal the evaluator.

use proptest::prelude::*;
use rusqlite::{Connection, params_from_iter, types::Value};
use scimkit_filter::Filter;
use scimkit_mapping::{Mapping, TypeMapping};
use scimkit_registry::{Meter, Registry, Resource, ResourceView, Scalar, Tolerance, fold_case};
use scimkit_sql::{Dialect, MappedTable, plan};
use serde_json::{Map, json};

/// Returns the fields, with `login` declared folded or not.
fn fields(login_is_folded: bool) -> String {
    format!(
        r#"
[User.fields]
login = {{ type = "text", folded = {login_is_folded} }}
"job title" = "text"
title_key = "text"
nick = "text"
directory_id = "text"
enabled = "boolean"
mail = "text"
"#
    )
}

const MAPPING: &str = r#"
[[User.map]]
scim = "userName"
field = "login"
transform = ["trim", "fold"]
[[User.map]]
scim = "title"
field = "job title"
key = "title_key"
[[User.map]]
scim = "nickName"
field = "nick"
[[User.map]]
scim = "externalId"
field = "directory_id"
empty_is_unset = true
[[User.map]]
scim = "active"
field = "enabled"
[[User.map]]
scim = 'emails[type eq "work"].value'
field = "mail"
"#;

const COLUMNS: [&str; 6] = [
    "login",
    "job title",
    "nick",
    "directory_id",
    "enabled",
    "mail",
];

fn rules(login_is_folded: bool) -> TypeMapping {
    let mapping = Mapping::builder()
        .text(&fields(login_is_folded))
        .text(MAPPING)
        .build(&Registry::standard());
    mapping.unwrap().for_type("User").unwrap().clone()
}

type Row = (
    Option<&'static str>,
    Option<&'static str>,
    Option<&'static str>,
    Option<&'static str>,
    Option<bool>,
);

fn texts() -> impl Strategy<Value = Option<&'static str>> {
    prop::option::of(prop::sample::select(vec![
        "",
        "a",
        "A",
        "straße",
        "STRASSE",
        "ab",
        "é\u{301}x",
        "%_",
    ]))
}

fn row() -> impl Strategy<Value = Row> {
    (
        texts(),
        texts(),
        texts(),
        texts(),
        prop::option::of(any::<bool>()),
    )
}

fn filter() -> impl Strategy<Value = String> {
    let attribute = prop::sample::select(vec![
        "userName",
        "title",
        "nickName",
        "externalId",
        "emails.value",
    ]);
    let operator = prop::sample::select(vec!["eq", "ne", "co", "sw", "ew", "gt", "le"]);
    let value = prop::sample::select(vec!["", "a", "A", "strasse", "b", "x", "%", "Straße"]);
    let text =
        (attribute.clone(), operator, value).prop_map(|(a, op, v)| format!("{a} {op} \"{v}\""));
    let present = attribute.prop_map(|a| format!("{a} pr"));
    let active = prop::sample::select(vec!["active eq true", "active ne true", "active pr"]);
    let element = Just("emails[type eq \"work\" and value sw \"a\"]".to_owned());
    let term =
        prop_oneof![4 => text, 1 => present, 1 => active.prop_map(str::to_owned), 1 => element];
    term.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) and ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) or ({b})")),
            inner.prop_map(|a| format!("not ({a})")),
        ]
    })
}

/// Creates the application's table with its rows, and returns each row as a resource.
fn table(rules: &TypeMapping, rows: &[Row], login_is_folded: bool) -> (Connection, Vec<Resource>) {
    let connection = Connection::open_in_memory().unwrap();
    let make = "CREATE TABLE people (id INTEGER PRIMARY KEY, login TEXT, \"job title\" TEXT, title_key TEXT, \
                nick TEXT, directory_id TEXT, enabled INTEGER, mail TEXT)";
    connection.execute(make, []).unwrap();
    let mut resources = Vec::new();
    for (id, (login, title, nick, external, active)) in rows.iter().enumerate() {
        // Without the declaration, older rows contain text as it was typed.
        let login = login.map(|text| {
            if login_is_folded {
                fold_case(text.trim()).into_owned()
            } else {
                text.to_owned()
            }
        });
        let key = title.map(|text| fold_case(text).into_owned());
        let insert = "INSERT INTO people VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let id = i64::try_from(id).unwrap();
        let values = rusqlite::params![id, login, title, key, nick, external, active, nick];
        connection.execute(insert, values).unwrap();
        let values = [
            json!(login),
            json!(title),
            json!(nick),
            json!(external),
            json!(active),
            json!(nick),
        ];
        let record: Map<_, _> = COLUMNS
            .iter()
            .map(|c| (*c).to_owned())
            .zip(values)
            .collect();
        // A required value is not blank: such a row is not a resource.
        let resource = rules.to_resource(&record, Resource::default());
        resources.push(resource.unwrap_or_default());
    }
    (connection, resources)
}

proptest! {
    #[test]
    fn condition_and_residual_equal_the_filter(rows in prop::collection::vec(row(), 1..8), text in filter(), folded in any::<bool>()) {
        let rules = rules(folded);
        let kind = rules.kind();
        let rows: Vec<_> = rows.into_iter().filter(|row| row.0 != Some("")).collect();
        let (connection, resources) = table(&rules, &rows, folded);
        let predicate = kind.bind_filter(&Filter::parse(&text).unwrap(), &Tolerance::DEFAULT).unwrap();
        let plan = plan(kind, &predicate, &MappedTable::new(&rules, Dialect::Sqlite, "p", "id"), 1);
        let (condition, parameters) = match plan.condition {
            Some(condition) => (condition.text, condition.parameters),
            None => ("1 = 1".to_owned(), Vec::new()),
        };
        let parameters = parameters.into_iter().map(|parameter| match parameter {
            Scalar::Bool(truth) => Value::Integer(i64::from(truth)),
            Scalar::Decimal(number) => Value::Real(number),
            Scalar::Instant(number) | Scalar::Integer(number) => Value::Integer(number),
            Scalar::Text(text) => Value::Text(text),
        });
        let mut statement = connection.prepare(&format!("SELECT p.id FROM people p WHERE {condition} ORDER BY p.id")).unwrap();
        let found = statement.query_map(params_from_iter(parameters), |row| row.get::<_, i64>(0)).unwrap();
        let found: Vec<_> = found.map(|id| usize::try_from(id.unwrap()).unwrap()).collect();
        let left = |id: &usize| plan.residual.as_ref().is_none_or(|rest| kind.matches(rest, ResourceView::new(&resources[*id]), &Meter::unlimited()).unwrap());
        let found: Vec<_> = found.into_iter().filter(left).collect();
        let wanted = (0..resources.len()).filter(|id| kind.matches(&predicate, ResourceView::new(&resources[*id]), &Meter::unlimited()).unwrap());
        prop_assert_eq!(found, wanted.collect::<Vec<_>>(), "{}", condition);
    }
}

#[test]
fn only_exact_comparisons_become_sql() {
    for login_is_folded in [true, false] {
        let rules = rules(login_is_folded);
        let comparable: Vec<_> = rules
            .rules()
            .filter_map(|rule| rule.comparable_column())
            .collect();
        let columns: Vec<_> = comparable
            .into_iter()
            .map(|found| (rules.kind().attr(found.attr).path(), found.column))
            .collect();
        let wanted = [
            ("userName", "login"),
            ("title", "title_key"),
            ("externalId", "directory_id"),
            ("active", "enabled"),
        ];
        let skipped = usize::from(!login_is_folded);
        assert_eq!(columns, wanted[skipped..]);
    }
}
