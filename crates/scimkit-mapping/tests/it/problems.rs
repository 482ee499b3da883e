//! What is wrong with a mapping is told at once, each with its place.

use scimkit_mapping::{Closures, Field, FieldType, Mapping, MappingBuilder, Rule, Transform};
use scimkit_registry::Registry;

/// The problems of a builder, as shown.
fn problems(builder: MappingBuilder) -> Vec<String> {
    match builder.build(&Registry::standard()) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems().iter().map(ToString::to_string).collect(),
    }
}

fn toml(text: &str) -> Vec<String> {
    problems(Mapping::builder().with_file(text))
}

/// The problems of one rule of User, without their places.
fn rule(options: &str) -> Vec<String> {
    let text = format!("[[User.map]]\n{options}\n");
    match Mapping::builder()
        .with_file(&text)
        .build(&Registry::standard())
    {
        Ok(_) => Vec::new(),
        Err(error) => error
            .problems()
            .iter()
            .map(|p| p.detail().to_owned())
            .collect(),
    }
}

#[test]
fn all_problems_of_a_file_are_told_with_their_places() {
    let text = r#"
[User]
unmapped = "forget"

[User.fields]
email = { type = "text", unique = true, filterable = true }
age = "integer"

[[User.map]]
scim = "userNam"
host = "email"

[[User.map]]
scim = "title"
host = "age"

[[User.map]]
scim = "nickName"
host = "shoe_size"
transform = ["trim", "shout"]

[[User.map]]
scim = "displayName"
host = "email"
matching = true

[[User.map]]
scim = ["name.givenName", "name.familyNam"]
host = "email"
join = " "

[Robot]
"#;
    assert_eq!(
        toml(text),
        [
            "3:12: `unmapped` is one of `drop`, `keep`, `refuse`, not `forget`",
            "10:8: rule 1 of User: `userNam` is not an attribute of User",
            "15:8: rule 2 of User (title): `age` is of type integer, but what is made of `title` is text",
            "20:22: rule 3 of User: there is no transform `shout` without options: `fold`, `lower`, `phone`, `text`, `time_zone`, `trim`, `upper`",
            "28:27: rule 5 of User (name.givenName): `name.familyNam` is not an attribute of User",
            "32:2: there is no resource type `Robot`",
        ]
    );
}

#[test]
fn json_has_places_too() {
    let text = "{\n  \"User\": {\n    \"map\": [\n      {\"scim\": \"userNam\", \"host\": \"email\"},\n      {\"scim\": \"title\", \"hots\": 5}\n    ]\n  }\n}";
    assert_eq!(
        problems(Mapping::builder().with_file(text)),
        [
            "4:16: rule 1 of User: `userNam` is not an attribute of User",
            "5:25: rule 2 of User: `hots` is not an option of a rule, which has `constant`, `default`, `empty_is_unset`, `host`, `join`, `key`, `matching`, `read_only`, `required`, `scim`, `single`, `template`, `transform`, `write_only`",
        ]
    );
    let twice = problems(Mapping::builder().with_file("{\"User\": {},\n \"User\": {}}"));
    assert_eq!(twice, ["2:2: `User` is there twice in one object"]);
    let broken = problems(Mapping::builder().with_file("{\"User\":\n  {,}}"));
    assert_eq!(broken, ["2:4: key must be a string"]);
}

#[test]
fn toml_that_can_not_be_read_is_told_with_its_place() {
    let twice = toml("[User]\nunmapped = 'keep'\nunmapped = 'drop'\n");
    assert_eq!(twice.len(), 1);
    assert!(twice[0].starts_with("3:1: "), "{twice:?}");
    let several = toml("[User]\na = \nb = \n");
    assert!(
        several.len() >= 2 && several[0].starts_with("2:"),
        "{several:?}"
    );
}

#[test]
fn two_writers_are_told() {
    let text = |second: &str| {
        format!("[[User.map]]\nscim = 'title'\nhost = 'job'\n[[User.map]]\n{second}\n")
    };
    assert_eq!(
        toml(&text("scim = 'nickName'\nhost = 'job'")),
        ["6:8: rule 2 of User (nickName): `job` is written by rule 1 of User (title) already"]
    );
    assert_eq!(
        toml(&text("scim = 'TITLE'\nhost = 'other'")),
        [
            "5:8: rule 2 of User (title): `title` gets its value by rule 1 of User (title) already, or can be the same value: make one of them `write_only`"
        ]
    );
    assert!(toml(&text("scim = 'title'\nhost = 'other'\nwrite_only = true")).is_empty());

    let overlap = |one: &str, other: &str| {
        let rules = [Rule::of(one).to("a"), Rule::of(other).to("b")];
        let [one, other] = rules;
        !problems(Mapping::builder().rule("User", one).rule("User", other)).is_empty()
    };
    let (work, home) = (
        r#"emails[type eq "work"].value"#,
        r#"emails[type eq "home"].value"#,
    );
    assert!(!overlap(work, home));
    assert!(!overlap(work, r#"emails[type eq "work"].display"#));
    assert!(overlap(work, r#"emails[type eq "WORK"].value"#));
    assert!(overlap(work, "emails[primary eq true].value"));
    assert!(overlap(work, "emails[primary eq true].type"));
    assert!(overlap(work, "emails"));
    assert!(overlap(work, r#"emails[type eq "work"]"#));
    assert!(overlap("name", "name.givenName"));
    assert!(!overlap("name.givenName", "name.familyName"));
}

#[test]
fn what_a_rule_can_not_be_is_told() {
    let cases = [
        (
            "scim = 'title'\nhost = 'a'\nread_only = true\nrequired = true",
            "`required` contradicts `read_only`",
        ),
        (
            "scim = 'title'\nhost = 'a'\nread_only = true\ndefault = 'x'",
            "`default` contradicts `read_only`",
        ),
        (
            "scim = 'title'\nhost = 'a'\nread_only = true\nwrite_only = true",
            "`write_only` contradicts `read_only`",
        ),
        (
            "scim = 'title'\nhost = 'a'\nconstant = 'x'",
            "a `constant` or `template` is for one side",
        ),
        (
            "scim = 'title'\nconstant = 'x'\ntemplate = '{a}'",
            "contradict each other",
        ),
        ("scim = 'title'\nconstant = 5", "`title` must be a string"),
        (
            "scim = 'title'\nconstant = 'x'\nrequired = true",
            "`required` contradicts the `constant`",
        ),
        ("host = 'a'", "it has a host side only"),
        ("", "it has no side"),
        (
            "scim = ['title', 'nickName']\nhost = 'a'",
            "several paths need a `join`",
        ),
        (
            "scim = ['title', 'nickName']\nhost = 'a'\njoin = ''",
            "can't be split again",
        ),
        (
            "scim = 'title'\nhost = 'a'\njoin = ' '",
            "`join` is for several paths",
        ),
        (
            "scim = ['title', 'active']\nhost = 'a'\njoin = ' '",
            "`active` is not text",
        ),
        ("host = 'a'\ntemplate = 'plain'", "has no slot"),
        ("host = 'a'\ntemplate = '{title'", "is not closed"),
        (
            "host = 'a'\ntemplate = '{tilte}'",
            "`tilte` is not an attribute of User",
        ),
        ("host = 'a'\ntemplate = '{emails}'", "no single value"),
        (
            "scim = 'emails.value'\nhost = 'a'",
            "is a part of every value",
        ),
        (
            "scim = 'emails[type sw \"w\"].value'\nhost = 'a'",
            "compares by `eq`",
        ),
        (
            "scim = 'emails[type eq \"a\" and type eq \"b\"].value'\nhost = 'a'",
            "no value satisfies the filter",
        ),
        (
            "scim = 'emails[value eq \"a\"].value'\nhost = 'a'",
            "the filter says already",
        ),
        (
            "scim = 'name[givenName eq \"a\"].familyName'\nhost = 'a'",
            "has one value",
        ),
        ("scim = 'emails['\nhost = 'a'", "the path can't be read"),
        ("scim = 'password'\nhost = 'a'", "is never returned"),
        (
            "scim = 'meta.created'\nhost = 'a'",
            "is made by the service provider",
        ),
        ("scim = 'id'\nhost = 'a'", "is made by the service provider"),
        (
            "scim = 'groups'\nhost = 'a'",
            "is made by the service provider",
        ),
        (
            "scim = 'department'\nhost = 'a'",
            "`department` is not an attribute of User",
        ),
        (
            "scim = 'active'\nhost = 'a'\ntransform = ['trim']",
            "`trim` takes text, but gets boolean",
        ),
        (
            "scim = 'title'\nhost = 'a'\ntransform = [{ host = 'slug' }]",
            "the host gave no transform `slug`",
        ),
        (
            "scim = 'title'\nhost = 'a'\ntransform = [{ country = 'iso' }]",
            "`country` is one of",
        ),
        (
            "scim = 'title'\nhost = 'a'\ntransform = [{ date = '%d.%m' }]",
            "can't be undone",
        ),
        (
            "scim = 'title'\nhost = 'a'\ntransform = [{ phone = { code = '+90' } }]",
            "a calling code is",
        ),
        (
            "scim = 'title'\nhost = 'a'\ntransform = [{ time_zone = { XX = 'UTC' } }]",
            "`XX` is no alpha-2 code",
        ),
        (
            "scim = 'title'\nhost = 'a'\ntransform = [{ time_zone = { TR = 'x' } }]",
            "`x` is no IANA time zone",
        ),
        (
            "scim = 'title'\nhost = 'a'\ntransform = [{ values = { x = 1, y = 1 } }]",
            "not one to one",
        ),
        (
            "scim = 'title'\nhost = 'a'\ntransform = [{ values = { x = 1, X = 2 } }]",
            "not one to one",
        ),
        (
            "scim = 'title'\nhost = 'a'\ntransform = [{ values = { x = 1, y = 'z' } }]",
            "of another than the first",
        ),
        (
            "scim = 'active'\nhost = 'a'\ntransform = [{ values = { yes = 1 } }]",
            "\"yes\" is no boolean",
        ),
        (
            "scim = 'title'\nhost = 'a'\ntransform = [{ values = {} }]",
            "has no values",
        ),
        (
            "scim = 'title'\nhost = 'a'\nmatching = true",
            "the store has no index of it",
        ),
        (
            "scim = 'displayName'\nhost = 'a'\nmatching = true",
            "it is unique neither",
        ),
        (
            "scim = 'title'\nhost = 'a'\ndefault = 5",
            "`title` must be a string",
        ),
        (
            "scim = 'active'\nhost = 'a'\nkey = 'a_key'",
            "a `key` is for text",
        ),
        (
            "scim = 'title'\nhost = ''",
            "a field's name has 1 to 128 bytes",
        ),
    ];
    for (options, detail) in cases {
        let found = rule(options);
        assert!(
            found.iter().any(|found| found.contains(detail)),
            "{options}\n-> {found:?}"
        );
    }
    assert!(rule("scim = 'userName'\nhost = 'a'\nmatching = true").is_empty());
    assert!(rule("scim = 'title'\nhost = 'a'\nwrite_only = true\ntransform = [{ values = { x = 1, y = 1 } }]").is_empty());
    assert!(rule("scim = 'password'\nhost = 'a'\nwrite_only = true").is_empty());
}

#[test]
fn declared_fields_are_all_there_are() {
    let builder = |rule: Rule| {
        Mapping::builder()
            .field("User", "email", Field::new(FieldType::Text).filterable())
            .field("User", "born", Field::new(FieldType::Integer))
            .rule("User", rule)
    };
    let first = |rule: Rule| {
        problems(builder(rule))
            .into_iter()
            .next()
            .unwrap_or_default()
    };
    assert_eq!(
        first(Rule::of("title").to("mail")),
        "rule 1 of User (title): the host has no field `mail`"
    );
    assert!(
        first(Rule::of("title").template("{first}")).ends_with("the host has no field `first`")
    );
    assert!(
        first(Rule::of("userName").to("email").key("email_key")).ends_with("no field `email_key`")
    );
    let matching = first(Rule::of("displayName").to("email").matching());
    assert!(
        matching.ends_with("declare the field `unique = true`"),
        "{matching}"
    );
    assert!(first(Rule::for_host("born").constant("x")).ends_with("but the constant is text"));
    let born = Transform::Date(scimkit_mapping::DateForm::Seconds);
    assert!(first(Rule::of("title").to("born").through(born)).is_empty());
}

#[test]
fn a_host_s_functions_are_checked_like_the_rest() {
    let rule = Rule::of("title")
        .to("slug")
        .through(Transform::Host("slug".into()));
    let one_way = Closures::one_way(|value| Ok(value.clone()));
    let builder = |rule: Rule| {
        Mapping::builder()
            .rule("User", rule)
            .closures("slug", one_way.clone())
    };
    assert_eq!(
        problems(builder(rule.clone())),
        ["rule 1 of User (title): `slug` can't be undone: say `write_only = true`"]
    );
    assert!(problems(builder(rule.clone().write_only())).is_empty());
    let number = one_way
        .clone()
        .of_types(FieldType::Integer, FieldType::Text);
    let found = problems(
        Mapping::builder()
            .rule("User", rule)
            .closures("slug", number),
    );
    assert_eq!(
        found,
        ["rule 1 of User (title): `slug` takes integer, but gets text"]
    );
}

#[test]
fn templates_do_not_go_round() {
    let round = [
        Rule::of("displayName").template("{a} {x}"),
        Rule::for_host("b").template("{displayName}"),
        Rule::of("nickName").template("{b}"),
        Rule::of("title").template("{a}"),
        Rule::for_host("a").template("{nickName}"),
    ];
    let found = |rules: &[Rule]| {
        let rules = rules.iter().cloned();
        problems(rules.fold(Mapping::builder(), |builder, rule| {
            builder.rule("User", rule)
        }))
    };
    let detail = "the template is made of fields that are made of the attribute itself";
    let wanted = [
        "rule 1 of User (displayName)",
        "rule 3 of User (nickName)",
        "rule 4 of User (title)",
    ];
    assert_eq!(
        found(&round),
        wanted.map(|rule| format!("{rule}: {detail}"))
    );
    assert_eq!(found(&round[..4]), Vec::<String>::new());
}

#[test]
fn contradictions_of_folded_single_and_empty_are_reported() {
    let text = r#"
[User.fields]
email = { type = "text", folded = true }
full_name = "text"
age = "json"

[[User.map]]
scim = "userName"
host = "email"

[[User.map]]
scim = ["name.givenName", "name.familyName"]
host = "full_name"
join = " "
single = "name.middleName"

[[User.map]]
scim = "emails"
host = "age"
empty_is_unset = true
single = "emails"
"#;
    assert_eq!(
        toml(text),
        [
            "7:1: rule 1 of User (userName): `email` is declared `folded`, but this rule writes it as it is: end `transform` with \"fold\"",
            "15:10: rule 2 of User (name.givenName): `name.middleName` is not a path of this rule",
            "21:10: rule 3 of User (emails): `single` is for several paths",
        ]
    );
    let whole = "[[User.map]]\nscim = 'emails'\nhost = 'mails'\nempty_is_unset = true\n";
    assert_eq!(
        toml(whole),
        ["4:18: rule 1 of User (emails): `empty_is_unset` is for text, not for json"]
    );
}

#[test]
fn warnings_name_rules_that_rarely_mean_what_they_say() {
    let text = r#"
[[User.map]]
scim = "userName"
host = "email"
transform = ["trim", "fold"]

[[User.map]]
scim = ["name.givenName", "name.familyName"]
host = "full_name"
join = " "
"#;
    let mapping = Mapping::builder()
        .with_file(text)
        .build(&Registry::standard());
    let warnings: Vec<_> = mapping
        .unwrap()
        .warnings()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        warnings,
        [
            "5:14: rule 1 of User (userName): filters compare every row of `email`, since rows from before may not be folded: declare the field `folded = true` once all of them are, or name a `key` column",
            "10:8: rule 2 of User (name.givenName): a value without the separator, such as a lone family name, is read as `name.givenName`: name the path that it belongs to with `single`",
        ]
    );
}
