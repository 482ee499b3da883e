//! Rules as text, and what follows from them.

use http::Method;
use scimkit_mapping::{CustomTransform, Mapping};
use scimkit_provision::{CapacitySetting, ConnectionSettings};
use scimkit_registry::Tolerance;
use scimkit_server::{Access, AccessLevel};
use scimkit_store::{
    AliasPolicy, CreatePolicy, CyclePolicy, DeletePolicy, JournalLevel, PatchResponse, Settings,
    TokenScopes, UnknownMemberPolicy,
};

/// Every rule, as text.
const ALL: &str = r#"{
    "active": false,
    "aliases": "drop",
    "capacities": [
        {"name": "seats", "resource_type": "User", "filter": "active eq true", "limit": 50}],
    "create_policy": "adopt_or_restore",
    "cycles": "accept",
    "delete_policy": "soft",
    "groups": false,
    "journal": "full",
    "mapping": "{}",
    "patch_response": "never",
    "require_if_match": true,
    "tolerance": {"profile": "entra", "extra_whitespace": true},
    "unknown_members": "accept",
    "users": false
}"#;

fn settings(rules: &ConnectionSettings, base: &Settings) -> Settings {
    rules.apply_to(base, &Mapping::builder()).unwrap()
}

#[test]
fn a_mapping_is_checked_against_the_schemas() {
    let base = Settings::new("https://app.example");
    let mut rules = ConnectionSettings::default();
    let toml = "[User]\nunmapped = 'drop'\n[[User.map]]\nscim = 'userName'\nfield = 'email'\n";
    let json = r#"{"User": {"unmapped": "drop", "map": [{"scim": "userName", "field": "email"}]}}"#;
    for text in [toml, json] {
        rules.mapping = Some(text.to_owned());
        let settings = settings(&rules, &base);
        let fields: Vec<_> = settings
            .mapping()
            .unwrap()
            .for_type("User")
            .unwrap()
            .rules()
            .collect();
        assert_eq!(fields.len(), 1);
        let user = settings.described().resource_type("User").unwrap();
        assert_eq!(user.attribute_id("title"), None);
    }
    rules.mapping = Some(toml.replace("userName", "shoeSize"));
    let refused = rules.apply_to(&base, &Mapping::builder()).unwrap_err();
    let text = refused.to_string();
    assert!(
        text.contains("the mapping: 4:8: ") && text.contains("shoeSize"),
        "{text}"
    );
    // A transform of the host's own is one when the host has given it.
    let slug = toml.to_owned() + "transform = [{ custom = 'slug' }]\n";
    rules.mapping = Some(slug);
    assert!(rules.apply_to(&base, &Mapping::builder()).is_err());
    let closures = CustomTransform::new(|value| Ok(value.clone()), |value| Ok(value.clone()));
    let own = Mapping::builder().custom_transform("slug", closures);
    rules.apply_to(&base, &own).unwrap();
}

#[test]
fn every_rule_is_read_and_printed() {
    let rules = ConnectionSettings::from_json(ALL).unwrap();
    assert_eq!(
        ConnectionSettings::from_json(&rules.to_json().unwrap()).unwrap(),
        rules
    );
    assert!(!rules.active && !rules.groups.is_accepted() && !rules.users);
    let settings = settings(&rules, &Settings::new("https://app.example"));
    assert_eq!(settings.aliases, AliasPolicy::Drop);
    assert_eq!(settings.policy.capacities[0].name, "seats");
    assert_eq!(settings.create_policy, CreatePolicy::AdoptOrRestore);
    assert_eq!(settings.policy.cycles, CyclePolicy::Accept);
    assert_eq!(settings.policy.delete_policy, DeletePolicy::Soft);
    assert_eq!(settings.policy.journal.level, JournalLevel::Full);
    assert_eq!(settings.patch_response, PatchResponse::Never);
    assert!(settings.require_if_match && settings.tolerance.extra_whitespace);
    assert_eq!(settings.tolerance.profile(), "entra");
    assert_eq!(settings.policy.unknown_members, UnknownMemberPolicy::Accept);
}

#[test]
fn former_keys_and_values_are_accepted() {
    for (former, current) in [
        (
            r#"{"create":"adopt_or_relink"}"#,
            r#"{"create_policy":"adopt_or_restore"}"#,
        ),
        (r#"{"create":"relink"}"#, r#"{"create_policy":"restore"}"#),
        (r#"{"cycles":"refuse"}"#, r#"{"cycles":"reject"}"#),
        (r#"{"deletes":"erase"}"#, r#"{"delete_policy":"permanent"}"#),
        (r#"{"deletes":"retire"}"#, r#"{"delete_policy":"soft"}"#),
        (
            r#"{"patch_answer":"never"}"#,
            r#"{"patch_response":"never"}"#,
        ),
        (
            r#"{"unknown_members":"refuse"}"#,
            r#"{"unknown_members":"reject"}"#,
        ),
    ] {
        let [former, current] =
            [former, current].map(|text| ConnectionSettings::from_json(text).unwrap());
        assert_eq!(former, current);
    }
    let both = r#"{"create":"adopt","create_policy":"adopt"}"#;
    assert!(ConnectionSettings::from_json(both).is_err());
}

#[test]
fn what_is_not_chosen_is_as_the_host_has_it() {
    let mut base = Settings::new("https://app.example");
    base.tolerance = Tolerance::STRICT;
    base.policy.delete_policy = DeletePolicy::Soft;
    let rules = ConnectionSettings::from_json("{}").unwrap();
    assert_eq!(rules, ConnectionSettings::default());
    let settings = settings(&rules, &base);
    assert_eq!(
        (settings.tolerance, settings.policy.delete_policy),
        (base.tolerance, base.policy.delete_policy)
    );
    assert_eq!(
        rules.to_json().unwrap(),
        r#"{"active":true,"groups":"on","users":true}"#
    );
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, told) in [
        ("", "expected a JSON object"),
        ("[true]", "expected a JSON object"),
        ("{", "EOF while parsing an object at line 1 column 1"),
        (
            r#"{"user": true}"#,
            "unknown field `user`, expected one of `active`",
        ),
        (
            r#"{"users": "no"}"#,
            "invalid type: string \"no\", expected a boolean at line 1 column 14",
        ),
        (
            r#"{"users": true, "users": false}"#,
            "duplicate field `users` at line 1 column 23",
        ),
        (
            "{\n  \"delete_policy\": \"keep\"\n}",
            "invalid value `keep`, expected one of permanent, soft at line 2 column 25",
        ),
        (
            r#"{"tolerance": "entr"}"#,
            "there is no profile `entr`; there are default, entra",
        ),
        (
            r#"{"tolerance": {"blank": true}}"#,
            "`blank` is not a tolerance; there are",
        ),
        (r#"{"mapping": {}}"#, "invalid type: map, expected a string"),
    ] {
        let error = ConnectionSettings::from_json(text).unwrap_err().to_string();
        let told = format!("invalid connection settings: {told}");
        assert!(error.starts_with(&told), "{error}\n{told}");
    }
    let long = format!("{{}}{}", " ".repeat(ConnectionSettings::LONGEST));
    assert_eq!(
        ConnectionSettings::from_json(&long)
            .unwrap_err()
            .to_string(),
        "invalid connection settings: longer than 256 KiB"
    );
}

/// What a level lets through.
fn lets_through(level: AccessLevel, method: &Method) -> bool {
    match *method {
        Method::GET => level >= AccessLevel::Read,
        _ => level >= AccessLevel::Write,
    }
}

#[test]
fn scopes_and_switches_say_what_may_be_done() {
    let scopes = |text: &str| {
        let mut scopes = TokenScopes::NONE;
        scopes.read = text.contains('r');
        scopes.users = text.contains('u');
        scopes.groups = text.contains('g');
        scopes
    };
    // By scopes: what may be done with User, Group and another type.
    let table = [
        ("", ["", "", ""]),
        ("r", ["r", "r", "r"]),
        ("u", ["rw", "", ""]),
        ("g", ["", "rw", "rw"]),
        ("ru", ["rw", "r", "r"]),
        ("rg", ["r", "rw", "rw"]),
        ("ug", ["rw", "rw", "rw"]),
        ("rug", ["rw", "rw", "rw"]),
    ];
    for (given, allowed) in table {
        let access = Access::for_token(&ConnectionSettings::default(), scopes(given));
        for (kind, allowed) in ["User", "group", "Device"].into_iter().zip(allowed) {
            let level = access.level(kind);
            assert_ne!(level, AccessLevel::Disabled);
            assert_eq!(lets_through(level, &Method::GET), allowed.contains('r'));
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                let may = lets_through(level, &method);
                assert_eq!(may, allowed.contains('w'), "{given}: {method} {kind}");
            }
        }
        // What is switched off is off, and nothing else is.
        let mut rules = ConnectionSettings::default();
        rules.users = false;
        let off = Access::for_token(&rules, scopes(given));
        assert_eq!(off.level("User"), AccessLevel::Disabled);
        assert_eq!(off.level("Group"), access.level("Group"));
        assert_eq!(off.level("Device"), access.level("Device"));
        (rules.users, rules.groups) = (true, scimkit_store::GroupsSetting::Off);
        let off = Access::for_token(&rules, scopes(given));
        assert_eq!(off.level("Group"), AccessLevel::Disabled);
        assert_eq!(off.level("User"), access.level("User"));
    }
}

#[test]
fn invalid_capacity_is_rejected_with_the_reason() {
    let base = Settings::new("https://app.example");
    let capacity = |kind: &str, filter: &str| {
        let mut rules = ConnectionSettings::default();
        let capacity = CapacitySetting::new("seats", kind, 5).with_filter(filter);
        rules.capacities.push(capacity);
        rules
    };
    for (rules, told) in [
        (
            capacity("Person", "active eq true"),
            "unknown resource type `Person`",
        ),
        (
            capacity("User", "acitve eq true"),
            "`acitve` is not an attribute of User, did you mean `active`?",
        ),
        (capacity("User", "active eq"), "expected"),
        (capacity("User", "groups pr"), "`groups` is computed"),
        (capacity("Group", "members[value eq \"1\"]"), "is computed"),
        (
            capacity("User", "meta.created pr"),
            "`meta.created` is computed",
        ),
    ] {
        let refused = rules.apply_to(&base, &Mapping::builder()).unwrap_err();
        let text = refused.to_string();
        assert!(
            text.contains("capacity `seats`: ") && text.contains(told),
            "{text}"
        );
    }
    for (least, limit, told) in [
        (None, None, "expected a `limit` or a `least`"),
        (Some(6), Some(5), "`least` is greater than `limit`"),
    ] {
        let mut rules = capacity("User", "active eq true");
        (rules.capacities[0].least, rules.capacities[0].limit) = (least, limit);
        let refused = rules.apply_to(&base, &Mapping::builder()).unwrap_err();
        assert!(refused.to_string().ends_with(told), "{refused}");
    }
    let mut many = capacity("User", "active eq true");
    many.capacities = vec![many.capacities[0].clone(); CapacitySetting::MOST + 1];
    assert!(many.apply_to(&base, &Mapping::builder()).is_err());
}
