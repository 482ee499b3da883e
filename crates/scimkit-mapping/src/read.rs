//! From the tree of a file to rules, with every problem noted.

use std::collections::BTreeMap;

use scimkit_core::excerpt;
use serde_json::Value;

use super::{
    CountryForm, DateForm, Field, FieldType, PhoneForm, Position, Problem, Rule, Transform,
    Unmapped,
    builder::{RuleDraft, TypeDraft},
    node::{Item, Member, Node},
    problem::Lines,
    reader::Reader,
};

/// How many resource types a file may have.
const MAX_TYPES: usize = 64;
/// How many fields a resource type may have.
const MAX_FIELDS: usize = 2000;
/// How many pairs a table of values may have.
const MAX_PAIRS: usize = 1000;

/// What a file says of each resource type.
pub(super) fn types(root: &Node, lines: &Lines<'_>, problems: &mut Vec<Problem>) -> Vec<TypeDraft> {
    let mut reader = Reader {
        label: None,
        lines,
        problems,
    };
    let members = reader.table("the file", root);
    let members = reader.at_most(MAX_TYPES, "resource types", members);
    let mut drafts: Vec<TypeDraft> = Vec::new();
    for member in members {
        let draft = reader.resource_type(member);
        let known = drafts
            .iter()
            .find(|known| known.name.eq_ignore_ascii_case(&draft.name));
        if known.is_some() {
            let detail = format!("`{}` is there twice", excerpt(&draft.name));
            reader.problem(member.at, detail);
        } else {
            drafts.push(draft);
        }
    }
    drafts
}

impl Reader<'_> {
    fn resource_type(&mut self, member: &Member) -> TypeDraft {
        let mut draft = TypeDraft {
            name: member.name.clone(),
            place: Some(self.place(member.at)),
            ..TypeDraft::default()
        };
        for option in self.table(&member.name, &member.node) {
            match option.name.as_str() {
                "fields" => {
                    draft.declares = true;
                    draft.fields = self.fields(&option.node);
                }
                "map" => {
                    for (index, node) in self.list("map", &option.node).iter().enumerate() {
                        self.label =
                            Some(format!("rule {} of {}", index + 1, excerpt(&member.name)));
                        let rule = self.rule(node);
                        draft.rules.extend(rule.map(|rule| RuleDraft {
                            number: index + 1,
                            ..rule
                        }));
                    }
                    self.label = None;
                }
                "unmapped" => {
                    let known = [
                        ("drop", Unmapped::Drop),
                        ("keep", Unmapped::Keep),
                        ("refuse", Unmapped::Refuse),
                    ];
                    draft.unmapped = self.one_of("unmapped", &option.node, &known);
                }
                other => self.unknown(
                    option.at,
                    other,
                    "a resource type",
                    &["fields", "map", "unmapped"],
                ),
            }
        }
        draft
    }

    fn fields(&mut self, node: &Node) -> Vec<(String, Field, Option<Position>)> {
        let mut fields = Vec::new();
        let members = self.table("fields", node);
        for member in self.at_most(MAX_FIELDS, "fields", members) {
            let mut field = Field::new(FieldType::Text);
            if matches!(member.node.item, Item::Text(_)) {
                field.data_type = self.field_type(&member.node);
            } else {
                for option in self.table(&member.name, &member.node) {
                    match option.name.as_str() {
                        "filterable" => field.filterable = self.flag("filterable", &option.node),
                        "folded" => field.folded = self.flag("folded", &option.node),
                        "type" => field.data_type = self.field_type(&option.node),
                        "unique" => field.unique = self.flag("unique", &option.node),
                        other => self.unknown(
                            option.at,
                            other,
                            "a field",
                            &["filterable", "folded", "type", "unique"],
                        ),
                    }
                }
            }
            fields.push((member.name.clone(), field, Some(self.place(member.at))));
        }
        fields
    }

    fn field_type(&mut self, node: &Node) -> FieldType {
        self.one_of("type", node, &FieldType::NAMES)
            .unwrap_or(FieldType::Text)
    }

    fn rule(&mut self, node: &Node) -> Option<RuleDraft> {
        let before = self.problems.len();
        let mut draft = RuleDraft {
            place: Some(self.place(node.at)),
            ..RuleDraft::default()
        };
        for option in self.table("a rule", node) {
            let (name, value) = (option.name.as_str(), &option.node);
            let Some(name) = OPTIONS.iter().find(|known| **known == name) else {
                self.unknown(option.at, name, "a rule", &OPTIONS);
                continue;
            };
            draft.spots.push((name, 0, self.place(value.at)));
            if let Item::List(elements) = &value.item {
                let spots = elements
                    .iter()
                    .enumerate()
                    .map(|(i, e)| (*name, i, self.lines.position(e.at)));
                draft.spots.retain(|(known, ..)| known != name);
                draft.spots.extend(spots);
            }
            self.option(&mut draft.rule, name, value);
        }
        // A rule that can't be read would only be told of twice.
        (self.problems.len() == before).then_some(draft)
    }

    fn option(&mut self, rule: &mut Rule, name: &'static str, value: &Node) {
        match name {
            "constant" => rule.constant = self.some(name, value),
            "default" => rule.default = self.some(name, value),
            "empty_is_unset" => rule.empty_is_unset = self.flag(name, value),
            "host" => rule.host = self.text(name, value),
            "join" => rule.join = self.text(name, value),
            "key" => rule.key = self.text(name, value),
            "matching" => rule.matching = self.flag(name, value),
            "read_only" => rule.read_only = self.flag(name, value),
            "required" => rule.required = self.flag(name, value),
            "scim" => {
                let paths = match &value.item {
                    Item::List(elements) => elements.as_slice(),
                    _ => std::slice::from_ref(value),
                };
                rule.scim = paths
                    .iter()
                    .filter_map(|path| self.text(name, path))
                    .collect();
            }
            "single" => rule.single = self.text(name, value),
            "template" => rule.template = self.text(name, value),
            "transform" => {
                let steps = match &value.item {
                    Item::List(elements) => elements.as_slice(),
                    _ => std::slice::from_ref(value),
                };
                rule.transforms = steps
                    .iter()
                    .filter_map(|step| self.transform(step))
                    .collect();
            }
            _ => rule.write_only = self.flag(name, value),
        }
    }

    fn transform(&mut self, node: &Node) -> Option<Transform> {
        if let Item::Text(name) = &node.item {
            return self.plain_transform(name, node.at);
        }
        let members = self.table("a transform", node);
        let [
            Member {
                at,
                name,
                node: value,
            },
        ] = members
        else {
            if matches!(node.item, Item::Table(_)) {
                self.problem(
                    node.at,
                    "a transform is one name with its options, such as `{ country = \"alpha-3\" }`",
                );
            }
            return None;
        };
        match name.as_str() {
            "country" => self
                .one_of("country", value, &CountryForm::NAMES)
                .map(Transform::Country),
            "date" => self
                .text("date", value)
                .map(|form| Transform::Date(date_form(&form))),
            "host" => self.text("host", value).map(Transform::Host),
            "phone" => self.phone(value),
            "time_zone" => {
                let own = self.table("time_zone", value).iter();
                let zone = |m: &Member| {
                    self.text(&m.name, &m.node)
                        .map(|zone| (m.name.clone(), zone))
                };
                let own: BTreeMap<_, _> = own.filter_map(zone).collect();
                Some(Transform::TimeZone(own))
            }
            "values" => {
                let pairs = self.table("values", value);
                let pairs = self.at_most(MAX_PAIRS, "values", pairs);
                let pair = |m: &Member| (Value::from(m.name.as_str()), m.node.json());
                Some(Transform::Values(pairs.iter().map(pair).collect()))
            }
            other => {
                self.unknown(
                    *at,
                    other,
                    "a transform with options",
                    &["country", "date", "host", "phone", "time_zone", "values"],
                );
                None
            }
        }
    }

    fn plain_transform(&mut self, name: &str, at: usize) -> Option<Transform> {
        let plain = PLAIN.iter().find(|(known, _)| *known == name);
        if plain.is_none() {
            let known: Vec<_> = PLAIN.iter().map(|(name, _)| *name).collect();
            let (name, known) = (excerpt(name), known.join("`, `"));
            let detail = format!("there is no transform `{name}` without options: `{known}`");
            self.problem(at, detail);
        }
        plain.map(|(_, make)| make())
    }

    fn phone(&mut self, node: &Node) -> Option<Transform> {
        let (mut code, mut form) = (None, PhoneForm::default());
        for option in self.table("phone", node) {
            match option.name.as_str() {
                "code" => code = self.text("code", &option.node),
                "form" => {
                    let known = [("e164", PhoneForm::E164), ("tel", PhoneForm::Tel)];
                    form = self.one_of("form", &option.node, &known)?;
                }
                other => self.unknown(option.at, other, "`phone`", &["code", "form"]),
            }
        }
        Some(Transform::Phone { code, form })
    }
}

fn date_form(text: &str) -> DateForm {
    match text {
        "date" => DateForm::Date,
        "instant" => DateForm::Instant,
        "milliseconds" => DateForm::Milliseconds,
        "seconds" => DateForm::Seconds,
        pattern => DateForm::Pattern(pattern.to_owned()),
    }
}

const OPTIONS: [&str; 14] = [
    "constant",
    "default",
    "empty_is_unset",
    "host",
    "join",
    "key",
    "matching",
    "read_only",
    "required",
    "scim",
    "single",
    "template",
    "transform",
    "write_only",
];

type Plain = (&'static str, fn() -> Transform);

/// The transforms that need no options.
const PLAIN: [Plain; 7] = [
    ("fold", || Transform::Fold),
    ("lower", || Transform::Lower),
    ("phone", || Transform::Phone {
        code: None,
        form: PhoneForm::Tel,
    }),
    ("text", || Transform::Text),
    ("time_zone", || Transform::TimeZone(BTreeMap::new())),
    ("trim", || Transform::Trim),
    ("upper", || Transform::Upper),
];
