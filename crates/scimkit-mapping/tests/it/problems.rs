//! All problems of a mapping are reported at once, each with its position.

use scimkit_mapping::{
    CustomTransform, Field, FieldType, Mapping, MappingBuilder, MappingRule, Transform,
};
use scimkit_registry::Registry;

/// Returns the problems of a builder as text.
fn problems(builder: MappingBuilder) -> Vec<String> {
    match builder.build(&Registry::standard()) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems().iter().map(ToString::to_string).collect(),
    }
}

fn file(text: &str) -> Vec<String> {
    problems(Mapping::builder().text(text))
}

/// Returns the problems of one rule of User, without their positions.
fn rule(options: &str) -> Vec<String> {
    let text = format!("[[User.map]]\n{options}\n");
    match Mapping::builder().text(&text).build(&Registry::standard()) {
        Ok(_) => Vec::new(),
        Err(error) => error
            .problems()
            .iter()
            .map(|p| p.detail().to_owned())
            .collect(),
    }
}

#[test]
fn all_problems_of_a_file_are_reported_with_positions() {
    let text = r#"
[User]
unmapped = "forget"

[User.fields]
email = { type = "text", unique = true, filterable = true }
age = "integer"

[[User.map]]
scim = "userNam"
field = "email"

[[User.map]]
scim = "title"
field = "age"

[[User.map]]
scim = "nickName"
field = "shoe_size"
transform = ["trim", "shout"]

[[User.map]]
scim = "displayName"
field = "email"
matching = true

[[User.map]]
scim = ["name.givenName", "name.familyNam"]
field = "email"
join = " "

[Robot]
"#;
    assert_eq!(
        file(text),
        [
            "3:12: invalid value `forget` for `unmapped`, expected one of `drop`, `keep`, `reject`",
            "10:8: rule 1 of User: unknown attribute `userNam`, did you mean `userName`?",
            "15:9: rule 2 of User (title): the value of `title` is text, but `age` is declared as integer: add a transform or change the type",
            "20:22: rule 3 of User: unknown transform `shout`, expected one of `fold`, `lower`, `phone`, `text`, `time_zone`, `trim`, `upper`",
            "28:27: rule 5 of User (name.givenName): unknown attribute `name.familyNam`, did you mean `name.familyName`?",
            "32:2: unknown resource type `Robot`",
        ]
    );
}

#[test]
fn problems_of_json_have_positions() {
    let text = "{\n  \"User\": {\n    \"map\": [\n      {\"scim\": \"userNam\", \"field\": \"email\"},\n      {\"scim\": \"title\", \"filed\": 5}\n    ]\n  }\n}";
    assert_eq!(
        problems(Mapping::builder().text(text)),
        [
            "4:16: rule 1 of User: unknown attribute `userNam`, did you mean `userName`?",
            "5:25: rule 2 of User: unknown option `filed` of a rule, did you mean `field`?",
        ]
    );
    let twice = problems(Mapping::builder().text("{\"User\": {},\n \"User\": {}}"));
    assert_eq!(
        twice,
        ["2:2: duplicate name `User`: remove one of the members"]
    );
    let broken = problems(Mapping::builder().text("{\"User\":\n  {,}}"));
    assert_eq!(broken, ["2:4: key must be a string"]);
}

#[test]
fn invalid_toml_is_reported_with_positions() {
    let twice = file("[User]\nunmapped = 'keep'\nunmapped = 'drop'\n");
    assert_eq!(twice.len(), 1);
    assert!(twice[0].starts_with("3:1: "), "{twice:?}");
    let several = file("[User]\na = \nb = \n");
    assert!(
        several.len() >= 2 && several[0].starts_with("2:"),
        "{several:?}"
    );
}

#[test]
fn two_rules_for_one_field_or_attribute_are_rejected() {
    let text = |second: &str| {
        format!("[[User.map]]\nscim = 'title'\nfield = 'job'\n[[User.map]]\n{second}\n")
    };
    assert_eq!(
        file(&text("scim = 'nickName'\nfield = 'job'")),
        [
            "6:9: rule 2 of User (nickName): rule 1 of User (title) already writes `job`: remove one of the rules"
        ]
    );
    assert_eq!(
        file(&text("scim = 'TITLE'\nfield = 'other'")),
        [
            "5:8: rule 2 of User (title): rule 1 of User (title) already sets `title`, or a value that can be the same: make one of the rules `write_only`"
        ]
    );
    assert!(file(&text("scim = 'title'\nfield = 'other'\nwrite_only = true")).is_empty());

    let overlap = |one: &str, other: &str| {
        let rules = [
            MappingRule::new(one).with_field("a"),
            MappingRule::new(other).with_field("b"),
        ];
        let [one, other] = rules;
        !problems(Mapping::builder().rule("User", one).rule("User", other)).is_empty()
    };
    let work = r#"emails[type eq "work"].value"#;
    let home = r#"emails[type eq "home"].value"#;
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
fn invalid_rules_are_rejected() {
    let cases = [
        (
            "scim = 'title'\nfield = 'a'\nread_only = true\nrequired = true",
            "`required` contradicts `read_only`",
        ),
        (
            "scim = 'title'\nfield = 'a'\nread_only = true\ndefault = 'x'",
            "`default` contradicts `read_only`",
        ),
        (
            "scim = 'title'\nfield = 'a'\nread_only = true\nwrite_only = true",
            "`write_only` contradicts `read_only`",
        ),
        (
            "scim = 'title'\nfield = 'a'\nconstant = 'x'",
            "`constant` and `template` set a path or a field",
        ),
        (
            "scim = 'title'\nconstant = 'x'\ntemplate = '{a}'",
            "`constant` contradicts `template`",
        ),
        ("scim = 'title'\nconstant = 5", "`title` must be a string"),
        (
            "scim = 'title'\nconstant = 'x'\nrequired = true",
            "`required` contradicts `constant`",
        ),
        ("field = 'a'", "the rule has no path"),
        ("", "the rule has no path and no field"),
        (
            "scim = ['title', 'nickName']\nfield = 'a'",
            "several paths need `join`",
        ),
        (
            "scim = ['title', 'nickName']\nfield = 'a'\njoin = ''",
            "can't be split again",
        ),
        (
            "scim = 'title'\nfield = 'a'\njoin = ' '",
            "`join` needs several paths",
        ),
        (
            "scim = ['title', 'active']\nfield = 'a'\njoin = ' '",
            "`active` is not text",
        ),
        ("field = 'a'\ntemplate = 'plain'", "has no slots"),
        ("field = 'a'\ntemplate = '{title'", "is empty or not closed"),
        (
            "field = 'a'\ntemplate = '{tilte}'",
            "unknown attribute `tilte`, did you mean `title`?",
        ),
        ("field = 'a'\ntemplate = '{emails}'", "no single value"),
        (
            "scim = 'emails.value'\nfield = 'a'",
            "belongs to every value",
        ),
        (
            "scim = 'emails[type sw \"w\"].value'\nfield = 'a'",
            "use `eq` comparisons",
        ),
        (
            "scim = 'emails[type eq \"a\" and type eq \"b\"].value'\nfield = 'a'",
            "no value can satisfy the filter",
        ),
        (
            "scim = 'emails[value eq \"a\"].value'\nfield = 'a'",
            "the filter already fixes the value",
        ),
        (
            "scim = 'name[givenName eq \"a\"].familyName'\nfield = 'a'",
            "has a single value",
        ),
        ("scim = 'emails['\nfield = 'a'", "invalid path `emails[`"),
        ("scim = 'password'\nfield = 'a'", "is never returned"),
        (
            "scim = 'meta.created'\nfield = 'a'",
            "is computed by the server",
        ),
        ("scim = 'id'\nfield = 'a'", "is computed by the server"),
        ("scim = 'groups'\nfield = 'a'", "is computed by the server"),
        (
            "scim = 'department'\nfield = 'a'",
            "unknown attribute `department`",
        ),
        (
            "scim = 'active'\nfield = 'a'\ntransform = ['trim']",
            "`trim` needs text, but its input is boolean",
        ),
        (
            "scim = 'title'\nfield = 'a'\ntransform = [{ custom = 'slug' }]",
            "unknown custom transform `slug`",
        ),
        (
            "scim = 'title'\nfield = 'a'\ntransform = [{ country = 'iso' }]",
            "invalid value `iso` for `country`",
        ),
        (
            "scim = 'title'\nfield = 'a'\ntransform = [{ date = '%d.%m' }]",
            "needs day, month and year",
        ),
        (
            "scim = 'title'\nfield = 'a'\ntransform = [{ phone = { code = '+90' } }]",
            "a calling code has",
        ),
        (
            "scim = 'title'\nfield = 'a'\ntransform = [{ time_zone = { XX = 'UTC' } }]",
            "unknown country code `XX`",
        ),
        (
            "scim = 'title'\nfield = 'a'\ntransform = [{ time_zone = { TR = 'x' } }]",
            "invalid time zone `x`",
        ),
        (
            "scim = 'title'\nfield = 'a'\ntransform = [{ values = { x = 1, y = 1 } }]",
            "is ambiguous",
        ),
        (
            "scim = 'title'\nfield = 'a'\ntransform = [{ values = { x = 1, X = 2 } }]",
            "is ambiguous",
        ),
        (
            "scim = 'title'\nfield = 'a'\ntransform = [{ values = { x = 1, y = 'z' } }]",
            "has values of several types",
        ),
        (
            "scim = 'active'\nfield = 'a'\ntransform = [{ values = { yes = 1 } }]",
            "\"yes\" is not boolean",
        ),
        (
            "scim = 'title'\nfield = 'a'\ntransform = [{ values = {} }]",
            "`values` is empty",
        ),
        (
            "scim = 'title'\nfield = 'a'\nmatching = true",
            "or add an index",
        ),
        (
            "scim = 'displayName'\nfield = 'a'\nmatching = true",
            "several resources can have the same value",
        ),
        (
            "scim = 'title'\nfield = 'a'\ndefault = 5",
            "`title` must be a string",
        ),
        (
            "scim = 'active'\nfield = 'a'\nkey = 'a_key'",
            "`key` needs text",
        ),
        (
            "scim = 'title'\nfield = ''",
            "invalid field name: use 1 to 128 bytes",
        ),
    ];
    for (options, detail) in cases {
        let found = rule(options);
        assert!(
            found.iter().any(|found| found.contains(detail)),
            "{options}\n-> {found:?}"
        );
    }
    assert!(rule("scim = 'userName'\nfield = 'a'\nmatching = true").is_empty());
    assert!(rule("scim = 'title'\nfield = 'a'\nwrite_only = true\ntransform = [{ values = { x = 1, y = 1 } }]").is_empty());
    assert!(rule("scim = 'password'\nfield = 'a'\nwrite_only = true").is_empty());
}

#[test]
fn undeclared_fields_are_rejected() {
    let builder = |rule: MappingRule| {
        Mapping::builder()
            .field("User", Field::new("email", FieldType::Text).filterable())
            .field("User", Field::new("born", FieldType::Integer))
            .rule("User", rule)
    };
    let first = |rule: MappingRule| {
        problems(builder(rule))
            .into_iter()
            .next()
            .unwrap_or_default()
    };
    assert_eq!(
        first(MappingRule::new("title").with_field("mail")),
        "rule 1 of User (title): field `mail` is not declared, did you mean `email`?"
    );
    assert!(
        first(MappingRule::new("title").with_template("{first}"))
            .ends_with("field `first` is not declared")
    );
    assert!(
        first(
            MappingRule::new("userName")
                .with_field("email")
                .with_key("email_key")
        )
        .ends_with("field `email_key` is not declared")
    );
    let matching = first(
        MappingRule::new("displayName")
            .with_field("email")
            .matching(),
    );
    assert!(
        matching.ends_with("declare its field `unique = true`"),
        "{matching}"
    );
    assert!(
        first(MappingRule::for_field("born").with_constant("x"))
            .contains("the constant is text, but `born` is declared as integer")
    );
    let born = Transform::Date(scimkit_mapping::DateForm::Seconds);
    assert!(
        first(
            MappingRule::new("title")
                .with_field("born")
                .with_transform(born)
        )
        .is_empty()
    );
}

#[test]
fn custom_transforms_are_checked() {
    let rule = MappingRule::new("title")
        .with_field("slug")
        .with_transform(Transform::Custom("slug".into()));
    let one_way = CustomTransform::one_way(|value| Ok(value.clone()));
    let builder = |rule: MappingRule| {
        Mapping::builder()
            .rule("User", rule)
            .custom_transform("slug", one_way.clone())
    };
    assert_eq!(
        problems(builder(rule.clone())),
        ["rule 1 of User (title): `slug` can't be reversed: add `write_only = true`"]
    );
    assert!(problems(builder(rule.clone().write_only())).is_empty());
    let number = one_way
        .clone()
        .with_types(FieldType::Integer, FieldType::Text);
    let found = problems(
        Mapping::builder()
            .rule("User", rule)
            .custom_transform("slug", number),
    );
    assert_eq!(
        found,
        ["rule 1 of User (title): `slug` needs integer, but its input is text"]
    );
}

#[test]
fn cycles_of_templates_are_rejected() {
    let round = [
        MappingRule::new("displayName").with_template("{a} {x}"),
        MappingRule::for_field("b").with_template("{displayName}"),
        MappingRule::new("nickName").with_template("{b}"),
        MappingRule::new("title").with_template("{a}"),
        MappingRule::for_field("a").with_template("{nickName}"),
    ];
    let found = |rules: &[MappingRule]| {
        let rules = rules.iter().cloned();
        problems(rules.fold(Mapping::builder(), |builder, rule| {
            builder.rule("User", rule)
        }))
    };
    let detail = "the template uses a field that is made from the same attribute: break the cycle";
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
field = "email"

[[User.map]]
scim = ["name.givenName", "name.familyName"]
field = "full_name"
join = " "
single = "name.middleName"

[[User.map]]
scim = "emails"
field = "age"
empty_is_unset = true
single = "emails"
"#;
    assert_eq!(
        file(text),
        [
            "7:1: rule 1 of User (userName): `email` is declared `folded`, but this rule does not fold: end `transform` with \"fold\"",
            "15:10: rule 2 of User (name.givenName): `single` names `name.middleName`, which is not a path of this rule",
            "21:10: rule 3 of User (emails): `single` needs several paths",
        ]
    );
    let whole = "[[User.map]]\nscim = 'emails'\nfield = 'mails'\nempty_is_unset = true\n";
    assert_eq!(
        file(whole),
        [
            "4:18: rule 1 of User (emails): `empty_is_unset` needs a text field, but this one is json"
        ]
    );
}

#[test]
fn warnings_name_rules_that_are_probably_unintended() {
    let text = r#"
[[User.map]]
scim = "userName"
field = "email"
transform = ["trim", "fold"]

[[User.map]]
scim = ["name.givenName", "name.familyName"]
field = "full_name"
join = " "
"#;
    let mapping = Mapping::builder().text(text).build(&Registry::standard());
    let warnings: Vec<_> = mapping
        .unwrap()
        .warnings()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        warnings,
        [
            "5:14: rule 1 of User (userName): filters read every row of `email`, since existing rows may not be folded: declare the field `folded = true` once all rows are, or name a `key` column",
            "10:8: rule 2 of User (name.givenName): a value without the separator, such as a single family name, is read as `name.givenName`: name its path with `single`",
        ]
    );
}

#[test]
fn former_names_in_files_are_accepted() {
    let text = |field: &str, custom: &str, policy: &str| {
        format!(
            "[User]\nunmapped = '{policy}'\n[[User.map]]\nscim = 'nickName'\n{field} = 'slug'\n\
             transform = [{{ {custom} = 'dashes' }}]\n"
        )
    };
    let build = |text: &str| {
        let same = |value: &serde_json::Value| Ok(value.clone());
        let dashes = CustomTransform::new(same, same);
        let builder = Mapping::builder().custom_transform("dashes", dashes);
        builder.text(text).build(&Registry::standard()).unwrap()
    };
    let shown = |mapping: &Mapping| {
        let user = mapping.for_type("User").unwrap();
        (
            format!("{:?}", user.fields()),
            user.unmapped(),
            user.rules().count(),
        )
    };
    let current = build(&text("field", "custom", "reject"));
    assert_eq!(current.for_type("User").unwrap().fields()[0].name, "slug");
    let former = build(&text("host", "host", "refuse"));
    assert_eq!(shown(&former), shown(&current));
    assert_eq!(
        rule("scim = 'title'\nfield = 'a'\nhost = 'b'"),
        ["`host` is the former name of `field`: remove one of them"]
    );
}

#[test]
fn tables_that_can_not_work_are_rejected() {
    const RULE: &str =
        "[[User.map]]\nscim = 'userName'\nfield = 'login'\n[User.table]\nname = 'users'\n";
    let options = [
        (
            "id = { type = 'integer', generated = false }",
            "integers are made by the database: remove `generated`",
        ),
        (
            "id = { generated = true }",
            "the database makes integers or UUIDs, not text: remove `generated`",
        ),
        (
            "id = { prefix = 'u-' }",
            "only identifiers that the database makes have a prefix",
        ),
        (
            "id = ''",
            "a table and its columns have a name that is not empty",
        ),
        (
            "tenant = { type = 'uuid' }",
            "a table and its columns have a name that is not empty",
        ),
        (
            "times = { created = 'made' }",
            "`times` has the columns `created` and `modified`",
        ),
        (
            "times = { created = 'made', modified = 'login' }",
            "a rule or a field has a column of `times`: remove one of them",
        ),
        (
            "members = { table = 't', group = 'g', user = 'u' }",
            "resources of this type have no members: remove `members`",
        ),
    ];
    for (option, expected) in options {
        let text = format!("{RULE}{option}");
        assert_eq!(
            file(&text),
            [format!("4:7: table of User: {expected}")],
            "{option}"
        );
    }
    let options = [
        (
            "name = 5",
            "5:8: table of User: expected text for `name`, but found a number",
        ),
        (
            "nam = 'x'",
            "5:1: table of User: unknown option `nam` of a table, did you mean `name`?",
        ),
        (
            "name = 'x'\nid = { typ = 'text' }",
            "6:8: table of User: unknown option `typ` of `id`, did you mean `type`?",
        ),
        (
            "name = 'x'\nid = { type = 'int' }",
            "6:15: table of User: invalid value `int` for `type`, expected one of `integer`, `text`, `uuid`",
        ),
        (
            "name = 'x'\ntenant = { name = 't' }",
            "6:12: table of User: unknown option `name` of `tenant`, expected one of `column`, `type`",
        ),
        (
            "name = 'x'\ntimes = { form = 'unix' }",
            "6:18: table of User: invalid value `unix` for `form`, expected one of `instant`, `seconds`, `timestamp`",
        ),
        (
            "name = 'x'\nmembers = { user = 5 }",
            "6:20: table of User: expected text for `user`, but found a number",
        ),
        (
            "id = 'id'",
            "4:7: table of User: the table has no name: add `name`",
        ),
    ];
    for (option, expected) in options {
        let text = RULE.replace("name = 'users'", option);
        assert_eq!(file(&text), [expected], "{option}");
    }
}

#[test]
fn tables_are_checked_against_each_other() {
    const GROUPS: &str =
        "[[Group.map]]\nscim = 'displayName'\nfield = 'name'\n[Group.table]\nname = 'teams'\n";
    const USERS: &str =
        "[[User.map]]\nscim = 'userName'\nfield = 'login'\n[User.table]\nname = 'users'\n";
    let of = |first: &str, second: &str| problems(Mapping::builder().text(first).text(second));
    let members = format!("{GROUPS}members = {{ table = 't', group = 'g', user = 'u' }}");
    assert_eq!(of(USERS, &members), [""; 0]);
    assert_eq!(
        file(&members),
        ["4:8: table of Group: the members have no table: add `[User.table]`"]
    );
    let incomplete = format!("{GROUPS}members = {{ table = 't', group = 'g' }}");
    assert_eq!(
        of(USERS, &incomplete),
        ["4:8: table of Group: `members` has a `table`, and its columns `group` and `user`"]
    );
    let users = format!("{USERS}id = {{ type = 'integer' }}");
    let groups = format!("{GROUPS}id = {{ type = 'integer' }}");
    assert_eq!(of(&users, &groups), [""; 0]);
    let groups = format!("{GROUPS}id = {{ type = 'integer', prefix = '' }}");
    assert_eq!(
        of(&users, &groups),
        [
            "4:8: table of Group: its identifiers can be those of User: set another `prefix` of the `id`"
        ]
    );
    let column = "[[Group.map]]\nscim = 'members'\nfield = 'member_ids'\n[Group]\ntable = 'teams'";
    assert_eq!(
        of(USERS, column),
        ["5:1: table of Group: memberships are no column: name their table in `members`"]
    );
    assert_eq!(
        of(USERS, "[User]\ntable = 'people'"),
        ["2:1: table of User: another text names the table, too: remove one of them"]
    );
    assert_eq!(
        file("[User]\ntable = 'people'"),
        ["2:1: table of User: no rule maps its columns: add `map`"]
    );
}
