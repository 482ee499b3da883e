//! Reads rules from a file's tree and collects the problems.

use std::collections::BTreeMap;

use scimkit_core::excerpt;
use serde_json::Value;

use super::{
    CountryForm, DateForm, Field, FieldRows, FieldType, MappingProblem, MappingRule, PhoneForm,
    Transform, UnmappedPolicy, ValuePair,
    file_reader::FileReader,
    file_tree::{Item, Member, Node},
    mapping_builder::{FieldDraft, OptionPosition, RuleDraft, TypeDraft},
    mapping_error::Lines,
};

/// The maximal number of resource types in a file.
const MAX_TYPES: usize = 64;
/// The maximal number of fields of a resource type.
const MAX_FIELDS: usize = 2000;
/// The maximal number of pairs in a table of values.
const MAX_PAIRS: usize = 1000;

/// Reads the rules of each resource type.
pub(super) fn types(
    root: &Node,
    lines: &Lines<'_>,
    problems: &mut Vec<MappingProblem>,
) -> Vec<TypeDraft> {
    let mut reader = FileReader {
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
            let detail = format!(
                "duplicate resource type `{}`: merge the tables",
                excerpt(&draft.name)
            );
            reader.problem(member.at, detail);
        } else {
            drafts.push(draft);
        }
    }
    drafts
}

impl FileReader<'_> {
    fn resource_type(&mut self, member: &Member) -> TypeDraft {
        let mut draft = TypeDraft {
            name: member.name.clone(),
            position: Some(self.position(member.at)),
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
                "table" => draft.table = self.own_table(&member.name, option),
                "unmapped" => {
                    let known = [
                        ("drop", UnmappedPolicy::Drop),
                        ("keep", UnmappedPolicy::Keep),
                        ("reject", UnmappedPolicy::Reject),
                    ];
                    draft.unmapped = match &option.node.item {
                        // The former name.
                        Item::Text(text) if text == "refuse" => Some(UnmappedPolicy::Reject),
                        _ => self.one_of("unmapped", &option.node, &known),
                    };
                }
                other => self.unknown_option(
                    option.at,
                    other,
                    "a resource type",
                    &["fields", "map", "table", "unmapped"],
                ),
            }
        }
        draft
    }

    fn fields(&mut self, node: &Node) -> Vec<FieldDraft> {
        let mut fields = Vec::new();
        let members = self.table("fields", node);
        for member in self.at_most(MAX_FIELDS, "fields", members) {
            let mut field = Field::new(member.name.clone(), FieldType::Text);
            if matches!(member.node.item, Item::Text(_)) {
                field.data_type = self.field_type(&member.node);
            } else {
                for option in self.table(&member.name, &member.node) {
                    let mut rows = || field.rows.take().unwrap_or_default();
                    match option.name.as_str() {
                        "columns" => {
                            let columns = self.row_columns(&option.node);
                            field.rows = Some(FieldRows { columns, ..rows() });
                        }
                        "filterable" => field.filterable = self.flag("filterable", &option.node),
                        "folded" => field.folded = self.flag("folded", &option.node),
                        "key" => {
                            let key = self.text("key", &option.node).unwrap_or_default();
                            field.rows = Some(FieldRows { key, ..rows() });
                        }
                        "table" => {
                            let table = self.text("table", &option.node).unwrap_or_default();
                            field.data_type = FieldType::Json;
                            field.rows = Some(FieldRows { table, ..rows() });
                        }
                        "type" => field.data_type = self.field_type(&option.node),
                        "unique" => field.unique = self.flag("unique", &option.node),
                        other => self.unknown_option(
                            option.at,
                            other,
                            "a field",
                            &[
                                "columns",
                                "filterable",
                                "folded",
                                "key",
                                "table",
                                "type",
                                "unique",
                            ],
                        ),
                    }
                }
            }
            fields.push(FieldDraft {
                field,
                position: Some(self.position(member.at)),
            });
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
            position: Some(self.position(node.at)),
            ..RuleDraft::default()
        };
        for option in self.table("a rule", node) {
            let name = option.name.as_str();
            let value = &option.node;
            let name = match name {
                FORMER_FIELD => "field",
                name => name,
            };
            let Some(name) = OPTIONS.iter().find(|known| **known == name) else {
                self.unknown_option(option.at, name, "a rule", &OPTIONS);
                continue;
            };
            if draft.options.iter().any(|known| known.option == *name) {
                let detail = "`host` is the former name of `field`: remove one of them";
                self.problem(option.at, detail);
                continue;
            }
            let elements = match &value.item {
                Item::List(elements) if !elements.is_empty() => elements.as_slice(),
                _ => std::slice::from_ref(value),
            };
            let positions = elements
                .iter()
                .enumerate()
                .map(|(index, element)| OptionPosition {
                    index,
                    option: name,
                    position: self.position(element.at),
                });
            draft.options.extend(positions);
            self.option(&mut draft.rule, name, value);
        }
        // The check would report a rule with problems twice.
        (self.problems.len() == before).then_some(draft)
    }

    fn option(&mut self, rule: &mut MappingRule, name: &'static str, value: &Node) {
        match name {
            "constant" => rule.constant = self.some(name, value),
            "default" => rule.default = self.some(name, value),
            "empty_is_unset" => rule.empty_is_unset = self.flag(name, value),
            "field" => rule.field = self.text(name, value),
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
                    "expected one name with its options, such as `{ country = \"alpha-3\" }`",
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
            // `host` is the former name.
            "custom" | "host" => self.text(name, value).map(Transform::Custom),
            "phone" => self.phone(value),
            "since" => self.since(value),
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
                let pair = |m: &Member| ValuePair {
                    scim: Value::from(m.name.as_str()),
                    field: m.node.to_json(),
                };
                Some(Transform::Values(pairs.iter().map(pair).collect()))
            }
            other => {
                let known = [
                    "country",
                    "custom",
                    "date",
                    "phone",
                    "since",
                    "time_zone",
                    "values",
                ];
                self.unknown(*at, "transform", other, &known);
                None
            }
        }
    }

    fn plain_transform(&mut self, name: &str, at: usize) -> Option<Transform> {
        let plain = PLAIN.iter().find(|(known, _)| *known == name);
        if plain.is_none() {
            let known: Vec<_> = PLAIN.iter().map(|(name, _)| *name).collect();
            self.unknown(at, "transform", name, &known);
        }
        plain.map(|(_, make)| make())
    }

    /// `since = false`, or a table with the form of the time.
    fn since(&mut self, node: &Node) -> Option<Transform> {
        let mut form = DateForm::Instant;
        if !matches!(node.item, Item::Table(_)) {
            let value = self.flag("since", node);
            return Some(Transform::Since { form, value });
        }
        let mut value = None;
        for option in self.table("since", node) {
            match option.name.as_str() {
                "form" => form = date_form(&self.text("form", &option.node)?),
                "value" => value = Some(self.flag("value", &option.node)),
                other => self.unknown_option(option.at, other, "`since`", &["form", "value"]),
            }
        }
        let Some(value) = value else {
            self.problem(node.at, "`since` needs a `value`: `true` or `false`");
            return None;
        };
        Some(Transform::Since { form, value })
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
                other => self.unknown_option(option.at, other, "`phone`", &["code", "form"]),
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

/// The former name of the option `field`.
const FORMER_FIELD: &str = "host";

const OPTIONS: [&str; 14] = [
    "constant",
    "default",
    "empty_is_unset",
    "field",
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

/// The transforms without options.
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
