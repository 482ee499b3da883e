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
    /// The attributes of all rules.
    mapped: Vec<AttrId>,
    mapped_reader: AttrReader,
    /// The rules that print a value, each with the number of its field.
    printed: Vec<(usize, usize)>,
    reader: AttrReader,
    /// Writes no value in place of those of rules, and of the given one.
    remover: Remover,
    writer: DocumentWriter,
}

/// Removes what a record has from a document.
#[derive(Debug, Clone)]
struct Remover {
    /// The number of attributes without those that become a tree.
    count: usize,
    /// The text without any attribute.
    empty: Option<Vec<u8>>,
    /// Whether a time in a field is part of a tree. Then the absence of a time is a value, too.
    is_since_built: bool,
    writer: DocumentWriter,
}

impl RecordPrinter {
    /// Creates a printer for records with these fields. The value of the attribute `given`, which no rule has, comes with
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
        added.extend(given);
        let writer = DocumentWriter::new(kind, &built, &added);
        let none: [Option<Value>; 0] = [];
        let all: Vec<_> = built.iter().chain(&added).copied().collect();
        let since = built_rules.iter().filter_map(|at| mapping.rules.get(*at));
        let remover = Remover {
            count: added.len(),
            empty: DocumentWriter::new(kind, &[], &[]).write(b"{}", &none),
            is_since_built: since.into_iter().any(|rule| rule.since().is_some()),
            writer: DocumentWriter::new(kind, &all, &[]),
        };
        let mapped = mapping.rules.iter().flat_map(|rule| rule.top_level(kind));
        let mut mapped: Vec<_> = mapped.collect();
        mapped.sort_unstable();
        mapped.dedup();
        RecordPrinter {
            built_rules,
            fields: fields.collect(),
            has_given: given.is_some(),
            printed,
            reader: kind.reader(built.iter().copied()),
            remover,
            writer,
            built,
            mapped_reader: kind.reader(mapped.iter().copied()),
            mapped,
            mapping: mapping.clone(),
        }
    }

    /// Returns the text of the document of a record, from the text of the document that it is written into.
    ///
    /// `None` if that has a value of an attribute that a rule prints, or if a value is rejected: then only
    /// [`to_resource`](TypeMapping::to_resource) can tell.
    #[must_use]
    pub fn print(&self, record: &[Value], given: Option<&Value>, onto: &[u8]) -> Option<Vec<u8>> {
        if given.is_some() && !self.has_given {
            return None;
        }
        let count = self.built.len() + self.printed.len() + 1;
        let mut values = Vec::with_capacity(count);
        if !self.built.is_empty() {
            values.extend(self.build(Some(record), onto)?);
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

    /// Returns the attributes of a document that rules have, without parsing the others.
    #[must_use]
    pub fn mapped(&self, document: &[u8]) -> Resource {
        self.read((&self.mapped, &self.mapped_reader), document)
    }

    /// Returns some attributes of a document.
    fn read(&self, (attrs, reader): (&[AttrId], &AttrReader), document: &[u8]) -> Resource {
        let found = reader.read(document);
        let mut resource = Resource::default();
        for attr in attrs {
            if let Some(value) = found.value(*attr) {
                resource.set(&self.mapping.kind, *attr, value);
            }
        }
        resource
    }

    /// Returns the text of a document without what a record and the given value have: that of a record without values,
    /// written into the document. It is empty if nothing is left.
    ///
    /// `None` if only [`to_resource`](TypeMapping::to_resource) can tell.
    ///
    /// # Example
    /// ```
    /// use scimkit_mapping::{Mapping, MappingRule, RecordPrinter};
    /// use scimkit_registry::Registry;
    ///
    /// let rule = MappingRule::new("title").with_field("job_title");
    /// let mapping = Mapping::builder().rule("User", rule).build(&Registry::standard()).unwrap();
    /// let printer = RecordPrinter::new(mapping.for_type("User").unwrap(), &["job_title".to_owned()], None);
    ///
    /// let rest = printer.rest(br#"{"schemas":[],"locale":"de","title":"Dr"}"#).unwrap();
    /// assert!(rest.ends_with(br#"],"locale":"de"}"#));
    /// assert_eq!(printer.rest(br#"{"schemas":[],"title":"Dr"}"#).unwrap(), b"");
    /// ```
    #[must_use]
    pub fn rest(&self, document: &[u8]) -> Option<Vec<u8>> {
        if self.remover.is_since_built {
            return None;
        }
        let mut values: Vec<Option<Cow<'_, Value>>> = Vec::new();
        if !self.built.is_empty() {
            values.extend(self.build(None, document)?);
        }
        values.resize(values.len() + self.remover.count, None);
        let rest = self.remover.writer.write(document, &values)?;
        if Some(&rest) == self.remover.empty.as_ref() {
            Some(Vec::new())
        } else {
            Some(rest)
        }
    }

    /// Returns the values of the attributes that become a tree: those of a record, or of one without values.
    fn build<'v>(
        &self,
        record: Option<&[Value]>,
        onto: &[u8],
    ) -> Option<impl Iterator<Item = Option<Cow<'v, Value>>> + use<'v, '_>> {
        let kind = &*self.mapping.kind;
        let mut resource = self.read((&self.built, &self.reader), onto);
        let fields = self.fields.iter();
        let value = |at: usize| match record {
            Some(record) => record.get(at).cloned(),
            None => Some(Value::Null),
        };
        let fields = fields.filter_map(|(at, name)| Some((name.clone(), value(*at)?)));
        let record: Record = fields.collect();
        let rules = self.built_rules.iter();
        let rules = rules.filter_map(|at| self.mapping.rules.get(*at));
        self.mapping.write(rules, &record, &mut resource).ok()?;
        let value = move |attr: &AttrId| resource.get(kind, *attr).cloned().map(Cow::Owned);
        Some(self.built.iter().map(value))
    }
}
