//! Documents that are printed without trees.

use proptest::prelude::*;
use scimkit_mapping::{CustomTransform, Mapping, RecordPrinter, TypeMapping};
use scimkit_registry::{AttrId, Registry, Resource, Tolerance};
use serde_json::{Value, json};

/// Rules of which a mapping has at most one per line, each with good values of its field.
const RULES: [&[(&str, &str)]; 16] = [
    &[
        (
            r#"scim="userName", field="login", transform=["fold"]"#,
            r#"["ada", "Ada@X.org"]"#,
        ),
        (
            r#"scim="userName", field="login", transform=["trim", "lower"], required=true"#,
            r#"["ada"]"#,
        ),
    ],
    &[
        (
            r#"scim="active", field="state", transform=[{values={true="on", false="off"}}]"#,
            r#"["on", "OFF"]"#,
        ),
        (
            r#"scim="active", field="gone_at", transform=[{since=false}]"#,
            r#"[null, "2026-01-01T00:00:00Z"]"#,
        ),
        (
            r#"scim="active", field="state", transform=["text"]"#,
            r#"["true", "False"]"#,
        ),
        (r#"scim="active", field="state""#, "[true, false]"),
    ],
    &[
        (
            r#"scim="name.givenName", field="given", transform=["trim"]"#,
            r#"["Ada"]"#,
        ),
        (
            r#"scim=["name.givenName", "name.familyName"], field="name", join=" ""#,
            r#"["Ada Byron", "Ada"]"#,
        ),
    ],
    &[
        (
            r#"scim="name.middleName", field="middle", transform=["upper"]"#,
            r#"["King", null]"#,
        ),
        (r#"scim="name.middleName", constant="K""#, "[]"),
    ],
    &[(
        r#"scim="title", field="title", empty_is_unset=true"#,
        r#"["Dr", "", "\"\u0001\\"]"#,
    )],
    &[
        (r#"scim="displayName", template="{login} {title}""#, "[]"),
        (
            r#"scim="displayName", field="shown", transform=[{custom="dashes"}]"#,
            r#"["a-b"]"#,
        ),
        (
            r#"scim="displayName", field="kept", write_only=true"#,
            r#"["a"]"#,
        ),
    ],
    &[
        (
            r#"scim='emails[type eq "work"].value', field="mail" }, { scim='emails[type eq "home"].value', field="home""#,
            r#"["w@x.org", null]"#,
        ),
        (
            r#"scim="emails", field="mails""#,
            r#"[[{"type": "work", "value": "w@x.org"}], null]"#,
        ),
    ],
    &[
        (
            r#"scim='phoneNumbers[type eq "work"].value', field="phone", transform=["phone"]"#,
            r#"["+4930901820"]"#,
        ),
        (
            r#"scim="phoneNumbers", field="phones""#,
            r#"[[{"value": "1"}], [], [{"value": "1", "primary": true}]]"#,
        ),
    ],
    &[(
        r#"scim='addresses[type eq "work"].country', field="land", transform=[{country="alpha-3"}]"#,
        r#"["DEU", null]"#,
    )],
    &[(
        r#"scim='ims[type eq "xmpp"]', field="chat""#,
        r#"[{"type": "xmpp", "value": "a"}, {"value": "b"}, null]"#,
    )],
    &[(
        r#"scim="timezone", field="zone", transform=["time_zone"]"#,
        r#"["Europe/Berlin"]"#,
    )],
    &[
        (
            r#"scim="userType", field="since", transform=[{date="%d.%m.%Y"}]"#,
            r#"["04.04.2022"]"#,
        ),
        (r#"scim="userType", constant="Employee""#, "[]"),
    ],
    &[(
        r#"scim="urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value", field="boss""#,
        r#"["26", null]"#,
    )],
    &[(
        r#"scim="urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter", field="cost""#,
        r#"["4130", null]"#,
    )],
    &[(r#"scim="externalId", field="external""#, r#"["7", null]"#)],
    &[(
        r#"scim="profileUrl", field="url""#,
        r#"["https://x.org/é", ""]"#,
    )],
];

/// Values that few rules accept.
const OTHERS: &str =
    r#"[null, "", " ", "x", 7, 2.5, true, [], {}, [{"value": "a"}], {"value": "b"}, ["a", "b"]]"#;

fn values(json: &str) -> Vec<Value> {
    serde_json::from_str(json).unwrap()
}

fn mapping(rules: &[(&str, &str)]) -> TypeMapping {
    let text = |value: &Value| {
        value
            .as_str()
            .map(str::to_owned)
            .ok_or("no text".to_owned())
    };
    let dashes = CustomTransform::new(
        move |value| Ok(text(value)?.replace(' ', "-").into()),
        move |value| Ok(text(value)?.replace('-', " ").into()),
    );
    let rules: String = rules
        .iter()
        .map(|(rule, _)| format!("{{ {rule} }},\n"))
        .collect();
    let builder = Mapping::builder().custom_transform("dashes", dashes);
    let mapping = builder.text(&format!("User.map = [\n{rules}]"));
    let mapping = mapping.build(&Registry::standard());
    mapping.unwrap().for_type("User").unwrap().clone()
}

/// A document, with values for some of the attributes of the rules.
fn document(has_values: &[bool]) -> Resource {
    let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let body = json!({
        "active": true, "displayName": "D", "externalId": "e", "locale": "de", "nickName": "N", "title": "T",
        "userName": "Ada", "userType": "U", "timezone": "Asia/Tokyo",
        "name": {"familyName": "F", "givenName": "Ada", "honorificPrefix": "P", "middleName": "K"},
        "emails": [{"type": "home", "value": "h@x.org"}, {"type": "work", "value": "w@x.org", "display": "W"}],
        "phoneNumbers": [{"type": "work", "value": "tel:+4930901820"}],
        "addresses": [{"type": "work", "country": "TR", "locality": "L"}],
        "ims": [{"type": "xmpp", "value": "c"}, {"type": "other", "value": "o"}],
        urn: {"costCenter": "1", "division": "V", "manager": {"value": "9"}},
    });
    let Value::Object(mut members) = body else {
        return Resource::default();
    };
    let mut has = has_values.iter();
    members.retain(|_, value| {
        let inner = value.as_object_mut().into_iter();
        inner.for_each(|inner| inner.retain(|_, _| has.next() == Some(&true)));
        value
            .as_object()
            .map_or_else(|| has.next() == Some(&true), |inner| !inner.is_empty())
    });
    let registry = Registry::standard();
    let kind = registry.resource_type("User").unwrap();
    kind.admit(Value::Object(members), &Tolerance::DEFAULT)
        .unwrap()
}

#[derive(Debug, Clone)]
struct Case {
    given: Option<Value>,
    /// Whether the document has each of its attributes.
    has_values: Vec<bool>,
    /// The number of a value of each field; beyond the good ones, another value.
    picked: Vec<usize>,
    /// The number of a rule of each line; beyond the last one, no rule.
    rules: Vec<usize>,
}

fn case() -> impl Strategy<Value = Case> {
    let picked = prop_oneof![9 => 0..3_usize, 1 => 3..15_usize];
    (
        prop::option::of(Just(json!("given"))),
        prop::collection::vec(prop::bool::weighted(0.3), 22),
        prop::collection::vec(picked, RULES.len()),
        prop::collection::vec(0..5_usize, RULES.len()),
    )
        .prop_map(|(given, has_values, picked, rules)| Case {
            given,
            has_values,
            picked,
            rules,
        })
}

/// The outcome of a case.
#[derive(Debug, PartialEq)]
enum Printed {
    Nothing,
    Rejected,
    Text,
}

fn check(case: &Case) -> Printed {
    let lines = RULES.iter().zip(&case.rules);
    let rules: Vec<_> = lines
        .filter_map(|(line, at)| line.get(*at).copied())
        .collect();
    let mapping = mapping(&rules);
    let fields: Vec<_> = mapping
        .fields()
        .iter()
        .map(|field| field.name.clone())
        .collect();
    let picked = case.picked.iter().cycle();
    let value = |(field, at): (&String, &usize)| {
        let name = format!("field=\"{field}\"");
        let rule = rules.iter().find(|(rule, _)| rule.contains(&name));
        let good = values(rule.map_or("[]", |(_, good)| good));
        let other = || values(OTHERS).into_iter().cycle().nth(*at).unwrap();
        let is_good = *at < 3 && !good.is_empty();
        if is_good {
            good[*at % good.len()].clone()
        } else {
            other()
        }
    };
    let record: Vec<_> = fields.iter().zip(picked).map(value).collect();
    let kind = mapping.kind();
    let external_id = kind.attribute_id("externalId").unwrap();
    let is_mapped = rules.iter().any(|(rule, _)| rule.contains("externalId"));
    let given = Some(external_id).filter(|_| !is_mapped);
    let printer = RecordPrinter::new(&mapping, &fields, given);
    let document = document(&case.has_values);
    check_rest(&mapping, &printer, &document, given);
    let printed = printer.print(&record, case.given.as_ref(), document.to_text().as_bytes());

    let mut onto = document;
    if let Some(given) = &case.given {
        onto.set(kind, external_id, given.clone());
    }
    let named = fields.into_iter().zip(record).collect();
    match (printed, mapping.to_resource(&named, onto)) {
        (Some(text), Ok(tree)) => {
            assert_eq!(String::from_utf8(text).unwrap(), tree.to_text());
            Printed::Text
        }
        (Some(text), Err(error)) => panic!("{error}: {}", String::from_utf8_lossy(&text)),
        (None, Ok(_)) => Printed::Nothing,
        (None, Err(_)) => Printed::Rejected,
    }
}

/// What a record and the given attribute do not have.
fn check_rest(
    mapping: &TypeMapping,
    printer: &RecordPrinter,
    document: &Resource,
    given: Option<AttrId>,
) {
    let text = document.to_text();
    let mapped = printer.mapped(text.as_bytes());
    let records = [mapping.to_record(&mapped), mapping.to_record(document)];
    let [mapped, whole] = records.map(Result::ok);
    assert_eq!(mapped, whole);

    let Some(rest) = printer.rest(text.as_bytes()) else {
        return;
    };
    let kind = mapping.kind();
    let fields = mapping.fields().iter();
    let unset = fields
        .map(|field| (field.name.clone(), Value::Null))
        .collect();
    let mut left = mapping.to_resource(&unset, document.clone()).unwrap();
    let since = mapping
        .rules()
        .filter(|rule| rule.time_value("2026-01-01T00:00:00Z").is_some());
    let since = since
        .flat_map(|rule| rule.paths())
        .filter_map(|path| kind.attribute_id(path));
    for attr in since.chain(given) {
        left.unset(kind, attr);
    }
    left.refresh_schemas(kind);
    let is_empty = left.as_map().len() == 1;
    let expected = if is_empty {
        String::new()
    } else {
        left.to_text()
    };
    assert_eq!(String::from_utf8(rest).unwrap(), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn printed_text_is_that_of_the_tree(case in case()) {
        let printed = check(&case);
        // Nothing of the rules is in the document, and no value is given for what a rule writes.
        let is_new = case.has_values.iter().all(|has| !has) && case.given.is_none();
        prop_assert!(!is_new || printed != Printed::Nothing);
    }

    #[test]
    fn rows_without_values_of_rules_are_printed(mut case in case()) {
        case.given = None;
        case.has_values.fill(false);
        prop_assert_ne!(check(&case), Printed::Nothing);
    }
}

#[test]
fn usual_rows_are_printed() {
    for shift in 0..4 {
        let case = Case {
            given: None,
            has_values: vec![false; 22],
            picked: vec![0; RULES.len()],
            rules: (0..RULES.len())
                .map(|line| (line + shift) % RULES[line].len())
                .collect(),
        };
        assert_eq!(check(&case), Printed::Text);
    }
}
