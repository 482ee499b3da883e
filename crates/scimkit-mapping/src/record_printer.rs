//! Documents of records, printed without trees.

use std::borrow::Cow;

use scimkit_registry::{AttrId, AttrReader, DocumentWriter, Resource};
use serde_json::Value;

use super::{Record, TypeMapping, bound_rule::BoundRule};

/// Prints the documents of records that have the same fields, as text.
///
/// - The text is that of the resource which [`to_resource`](TypeMapping::to_resource) returns for the record.
/// - A rule that reads its field as the value of one attribute prints it into the text. For other rules, such as those of
///   elements or joined texts, only their own attributes become a tree.
///
/// # Example
/// ```
/// use scimkit_mapping::{Mapping, MappingRule, RecordPrinter};
/// use scimkit_registry::Registry;
/// use serde_json::json;
///
/// let registry = Registry::standard();
/// let title = MappingRule::new("title").with_field("job_title");
/// let email = MappingRule::new(r#"emails[type eq "work"].value"#).with_field("email");
/// let builder = Mapping::builder().rule("User", title).rule("User", email);
/// let mapping = builder.build(&registry).unwrap();
/// let fields = ["email", "job_title"].map(str::to_owned);
/// let printer = RecordPrinter::new(mapping.for_type("User").unwrap(), &fields, None);
///
/// let record = [json!("b@x.org"), json!("Dr")];
/// let text = printer.print(&record, None, br#"{"schemas":[],"locale":"de"}"#).unwrap();
/// let others = br#","emails":[{"type":"work","value":"b@x.org"}],"locale":"de","title":"Dr"}"#;
/// assert!(text.ends_with(others));
/// // Only `to_resource` says what is wrong.
/// assert_eq!(printer.print(&[json!(7), json!("Dr")], None, b"{}"), None);
/// ```
#[derive(Debug, Clone)]
pub struct RecordPrinter {
    /// The attributes that become a tree.
    built: Vec<AttrId>,
    /// The rules that write those, and nothing else.
    built_rules: Vec<usize>,
    /// Their fields, each with its number in a record.
    fields: Vec<(usize, String)>,
    has_given: bool,
    // INVARIANT: numbers of rules are those of its rules.
    mapping: TypeMapping,
    /// The rules that print a value, each with the number of its field.
    printed: Vec<(usize, usize)>,
    /// Whether a rule writes the given attribute.
    maps_given: bool,
    reader: AttrReader,
    writer: DocumentWriter,
}

impl RecordPrinter {
    /// Creates a printer for records with these fields. The value of the attribute `given`, which has no field, comes with
    /// each record.
    #[must_use]
    pub fn new(mapping: &TypeMapping, fields: &[String], given: Option<AttrId>) -> Self {
        let kind = &*mapping.kind;
        let number = |name: &str| fields.iter().position(|field| field == name);
        let rules = mapping.rules.iter().enumerate();
        let rules = rules.filter(|(_, rule)| rule.writes_attribute());
        let (plain, others): (Vec<_>, Vec<_>) =
            rules.partition(|(_, rule)| rule.is_value_of_attribute(kind));
        let mut built: Vec<_> = others
            .iter()
            .flat_map(|(_, rule)| rule.top_level(kind))
            .collect();
        built.sort_unstable();
        built.dedup();
        let is_built = |rule: &BoundRule| rule.top_level(kind).any(|attr| built.contains(&attr));
        let maps = |attr: AttrId| {
            mapping
                .rules
                .iter()
                .any(|rule| rule.top_level(kind).any(|top| top == attr))
        };
        let mut built_rules: Vec<_> = others.iter().map(|(at, _)| *at).collect();
        let (mut printed, mut added) = (Vec::new(), Vec::new());
        for (at, rule) in plain {
            // Without the field, the rule writes nothing.
            let Some(field) = rule.field().and_then(number) else {
                continue;
            };
            if is_built(rule) {
                built_rules.push(at);
            } else {
                printed.push((at, field));
                added.extend(rule.paths.iter().map(|path| path.attr));
            }
        }
        built_rules.sort_unstable();
        let names = built_rules.iter().filter_map(|at| mapping.rules.get(*at));
        let mut names: Vec<_> = names.flat_map(BoundRule::read_fields).collect();
        names.sort_unstable();
        names.dedup();
        let names = names.into_iter();
        let fields = names.filter_map(|name| Some((number(name)?, name.to_owned())));
        let maps_given = given.is_some_and(maps);
        let has_given = given.is_some() && !maps_given;
        added.extend(given.filter(|_| has_given));
        RecordPrinter {
            built_rules,
            fields: fields.collect(),
            has_given,
            maps_given,
            printed,
            reader: kind.reader(built.iter().copied()),
            writer: DocumentWriter::new(kind, &built, &added),
            built,
            mapping: mapping.clone(),
        }
    }

    /// Returns the text of the document of a record, from the text of the document that it is written into.
    ///
    /// `None` if that has a value of an attribute that a rule prints, or if a value is rejected: then only
    /// [`to_resource`](TypeMapping::to_resource) can tell.
    #[must_use]
    pub fn print(&self, record: &[Value], given: Option<&Value>, onto: &[u8]) -> Option<Vec<u8>> {
        if given.is_some() && self.maps_given {
            return None;
        }
        let count = self.built.len() + self.printed.len() + 1;
        let mut values = Vec::with_capacity(count);
        if !self.built.is_empty() {
            values.extend(self.build(record, onto)?);
        }
        for (rule, field) in &self.printed {
            let rule = self.mapping.rules.get(*rule)?;
            let value = rule.attribute_of_value(&self.mapping.kind, record.get(*field)?);
            values.push(value.ok()?);
        }
        if self.has_given {
            values.push(given.map(Cow::Borrowed));
        }
        self.writer.write(onto, &values)
    }

    /// Returns the values of the attributes that become a tree.
    fn build<'v>(
        &self,
        record: &[Value],
        onto: &[u8],
    ) -> Option<impl Iterator<Item = Option<Cow<'v, Value>>> + use<'v, '_>> {
        let kind = &*self.mapping.kind;
        let held = self.reader.read(onto);
        let mut resource = Resource::default();
        for attr in &self.built {
            if let Some(value) = held.value(*attr) {
                resource.set(kind, *attr, value);
            }
        }
        let fields = self.fields.iter();
        let fields = fields.filter_map(|(at, name)| Some((name.clone(), record.get(*at)?.clone())));
        let record: Record = fields.collect();
        let rules = self.built_rules.iter();
        let rules = rules.filter_map(|at| self.mapping.rules.get(*at));
        self.mapping.write(rules, &record, &mut resource).ok()?;
        let value = move |attr: &AttrId| resource.get(kind, *attr).cloned().map(Cow::Owned);
        Some(self.built.iter().map(value))
    }
}
