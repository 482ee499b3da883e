//! A checked rule: reads and writes its SCIM paths and its field.

use std::borrow::Cow;

use scimkit_core::excerpt;
use scimkit_registry::{
    AttrId, AttributeRole, RequestError, RequestErrorKind, Resource, ResourceType, fold_case,
};
use serde_json::{Map, Value};

use super::{
    ColumnForm, ComparableColumn, DateForm, FieldType, MappingRule, Transform, ValuePair,
    bound_path::BoundPath,
    template::Template,
    transform::{Step, plain},
};

/// The data of the application for one resource: a value for each field.
///
/// `null` means that a field has no value; a missing field means that its value is unknown.
pub type Record = Map<String, Value>;

/// A checked rule.
#[derive(Debug, Clone)]
pub(super) struct BoundRule {
    /// Whether the field is folded in every row.
    pub(super) folded: bool,
    pub(super) form: Form,
    /// The name of the rule in messages: `rule 3 of User (userName)`.
    pub(super) label: String,
    pub(super) rule: MappingRule,
    /// The index of the joined path that a text without the separator belongs to.
    pub(super) single: usize,
    /// The SCIM paths that the rule reads and, unless a template makes the field from them, writes.
    pub(super) paths: Vec<BoundPath>,
    pub(super) steps: Vec<Step>,
}

/// How the values of the paths become one value.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// A constant.
    Constant(Value),
    /// The values of several paths, joined with a separator.
    Joined(String),
    /// The value of one path.
    Plain,
    /// A text made from paths, for a field.
    FieldTemplate(Template),
    /// A text made from fields, for a path.
    PathTemplate(Template),
}

impl BoundRule {
    pub(super) fn field(&self) -> Option<&str> {
        self.rule.field.as_deref()
    }

    /// Whether the rule writes its field.
    pub(super) fn writes_field(&self) -> bool {
        self.rule.field.is_some() && !self.rule.read_only
    }

    /// Whether the rule writes its SCIM paths.
    pub(super) fn writes_attribute(&self) -> bool {
        let is_field_template = matches!(self.form, Form::FieldTemplate(_));
        !self.paths.is_empty() && !self.rule.write_only && !is_field_template
    }

    /// Whether identity providers can write the attribute.
    pub(super) fn is_writable(&self) -> bool {
        !self.rule.read_only && !matches!(self.form, Form::PathTemplate(_) | Form::Constant(_))
    }

    /// Whether a value of the field stands for no value.
    pub(super) fn is_unset(&self, value: &Value) -> bool {
        (value.is_null() && self.since().is_none())
            || (self.rule.empty_is_unset && value.as_str() == Some(""))
    }

    /// Returns the transform of a boolean that is a time in its field.
    pub(super) fn since(&self) -> Option<(&DateForm, bool)> {
        match &self.steps.first()?.transform {
            Transform::Since { form, value } => Some((form, *value)),
            _ => None,
        }
    }

    /// Returns the value of the field for a document.
    pub(super) fn field_value(
        &self,
        kind: &ResourceType,
        document: &Resource,
    ) -> Result<Option<Value>, RequestError> {
        let text = |path: &BoundPath| {
            path.value(kind, document)
                .map(plain)
                .filter(|t| !t.is_empty())
        };
        let value = match &self.form {
            Form::Constant(value) => return Ok(Some(value.clone())),
            Form::Joined(separator) => {
                let parts: Vec<_> = self.paths.iter().filter_map(text).collect();
                (!parts.is_empty()).then(|| Value::from(parts.join(separator)))
            }
            Form::Plain => self
                .paths
                .first()
                .and_then(|path| path.value(kind, document)),
            Form::FieldTemplate(template) => {
                let values: Vec<_> = self.paths.iter().map(text).collect();
                template.fill(&values).map(Value::from)
            }
            Form::PathTemplate(_) => None,
        };
        let Some(value) = value else { return Ok(None) };
        let mut converted = value.clone();
        for step in &self.steps {
            converted = step
                .to_field(converted)
                .map_err(|why| self.conversion_error(kind, &value, self.field(), &why))?;
        }
        Ok(Some(converted))
    }

    /// Returns the value of each path for a record; `None` if the record does not have the fields.
    pub(super) fn attribute_values(
        &self,
        kind: &ResourceType,
        record: &Record,
    ) -> Result<Option<Vec<Option<Value>>>, RequestError> {
        let value = match &self.form {
            Form::Constant(value) => return Ok(Some(vec![Some(value.clone())])),
            Form::FieldTemplate(_) => return Ok(None),
            Form::PathTemplate(template) => {
                if !template
                    .slots
                    .iter()
                    .any(|field| record.contains_key(field))
                {
                    return Ok(None);
                }
                let text = |field: &String| {
                    record
                        .get(field)
                        .filter(|v| !v.is_null())
                        .cloned()
                        .map(plain)
                };
                let values: Vec<_> = template.slots.iter().map(text).collect();
                template.fill(&values).map(Value::from)
            }
            Form::Joined(_) | Form::Plain => match self.field().and_then(|field| record.get(field))
            {
                None => return Ok(None),
                Some(value) => (!self.is_unset(value)).then(|| value.clone()),
            },
        };
        let Some(value) = value else {
            return Ok(Some(vec![None; self.paths.len()]));
        };
        let converted = self.converted(kind, &value)?.into_owned();
        Ok(Some(match &self.form {
            Form::Joined(separator) => {
                let parts = split(&plain(converted), separator, self.paths.len(), self.single);
                parts
                    .into_iter()
                    .map(|part| part.map(Value::from))
                    .collect()
            }
            _ => vec![Some(converted)],
        }))
    }

    /// Whether the rule reads its field as the value of one attribute.
    pub(super) fn is_value_of_attribute(&self, kind: &ResourceType) -> bool {
        let [path] = self.paths.as_slice() else {
            return false;
        };
        let is_membership = kind.attr(path.attr).role() == AttributeRole::Membership;
        matches!(self.form, Form::Plain) && path.selector.is_none() && !is_membership
    }

    /// Returns the value of the attribute for a value of the field, if the rule
    /// [reads it as such](Self::is_value_of_attribute).
    pub(super) fn attribute_of_value<'v>(
        &self,
        kind: &ResourceType,
        value: &'v Value,
    ) -> Result<Option<Cow<'v, Value>>, RequestError> {
        let path = self.paths.first().filter(|_| !self.is_unset(value));
        let Some(path) = path else { return Ok(None) };
        let converted = self.converted(kind, value)?;
        if kind.is_admitted(path.attr, &converted) {
            return Ok(Some(converted));
        }
        Ok(path.admit(kind, converted.into_owned())?.map(Cow::Owned))
    }

    /// Returns a value of the field as SCIM has it.
    fn converted<'v>(
        &self,
        kind: &ResourceType,
        value: &'v Value,
    ) -> Result<Cow<'v, Value>, RequestError> {
        let mut converted = Cow::Borrowed(value);
        for step in self.steps.iter().rev() {
            if step.stays() && converted.is_string() {
                continue;
            }
            let path = self.paths.first().map(|path| path.text.as_str());
            let next = step.to_attribute(converted.into_owned());
            let next = next.map_err(|why| self.conversion_error(kind, value, path, &why))?;
            converted = Cow::Owned(next);
        }
        Ok(converted)
    }

    /// Returns the top-level attribute of each path.
    pub(super) fn top_level(&self, kind: &ResourceType) -> impl Iterator<Item = AttrId> {
        let attrs = self.paths.iter().map(|path| path.attr);
        attrs.map(|attr| kind.attr(attr).parent().unwrap_or(attr))
    }

    /// Returns the names of the fields that the rule reads.
    pub(super) fn read_fields(&self) -> impl Iterator<Item = &str> {
        let slots = match &self.form {
            Form::PathTemplate(template) => template.slots.as_slice(),
            _ => &[],
        };
        self.field()
            .into_iter()
            .chain(slots.iter().map(String::as_str))
    }

    /// Returns the column that SQL can compare: see
    /// [`CheckedRule::comparable_column`](super::CheckedRule::comparable_column).
    pub(super) fn comparable_column(&self, kind: &ResourceType) -> Option<ComparableColumn<'_>> {
        let [path] = self.paths.as_slice() else {
            return None;
        };
        if path.selector.is_some() || !matches!(self.form, Form::Plain) || !self.writes_attribute()
        {
            return None;
        }
        let field = self.field()?;
        let definition = kind.attr(path.attr).definition();
        let column = match path.data_type(kind) {
            FieldType::Boolean | FieldType::Integer if self.steps.is_empty() => field,
            FieldType::Boolean if self.column_form().is_some() => field,
            FieldType::Text if self.steps.iter().all(Step::stays) => {
                match (&self.rule.key, definition.is_case_exact() || self.folded) {
                    (_, true) => field,
                    (Some(key), false) => key,
                    (None, false) => return None,
                }
            }
            _ => return None,
        };
        Some(ComparableColumn {
            attr: path.attr,
            column,
            form: self.column_form().unwrap_or(ColumnForm::Plain),
        })
    }

    /// Returns the form of a boolean with one transform, if SQL can tell it as exactly as the transform does: a table
    /// compares text without regard to case, so all text in the column must be folded.
    fn column_form(&self) -> Option<ColumnForm<'_>> {
        if let Some((_, value)) = self.since() {
            return Some(ColumnForm::Since(value));
        }
        let [step] = self.steps.as_slice() else {
            return None;
        };
        let Transform::Values(pairs) = &step.transform else {
            return None;
        };
        let is_exact = |pair: &ValuePair| match &pair.field {
            Value::String(text) => self.folded && fold_case(text) == *text,
            _ => true,
        };
        let is_boolean = step.takes == FieldType::Boolean;
        (is_boolean && pairs.iter().all(is_exact)).then_some(ColumnForm::Values(pairs))
    }

    fn conversion_error(
        &self,
        kind: &ResourceType,
        value: &Value,
        to: Option<&str>,
        why: &str,
    ) -> RequestError {
        let secret = self.paths.iter().any(|path| {
            let attr = kind.attr(path.attr);
            attr.is_never_returned() || path.valued(kind).is_never_returned()
        });
        let value = match value {
            _ if secret => "the value".to_owned(),
            Value::String(text) => format!("`{}`", excerpt(text)),
            other => format!("`{}`", excerpt(&other.to_string())),
        };
        let to = to.unwrap_or("");
        let label = &self.label;
        RequestError::new(
            RequestErrorKind::Value,
            format!("{label} can't convert {value} to `{to}`: {why}"),
        )
    }
}

/// Splits a joined text at its last separators. The first part gets the rest, and the one at `single` a
/// text without a separator.
fn split(text: &str, separator: &str, parts: usize, single: usize) -> Vec<Option<String>> {
    let mut found: Vec<_> = match separator {
        "" => vec![text],
        _ => text.rsplitn(parts, separator).collect(),
    };
    found.reverse();
    let mut split: Vec<_> = found
        .into_iter()
        .map(str::trim)
        .map(str::to_owned)
        .map(Some)
        .collect();
    if split.len() == 1 {
        split.splice(0..0, std::iter::repeat_n(None, single));
    }
    split.resize(parts, None);
    split
        .into_iter()
        .map(|part| part.filter(|part| !part.is_empty()))
        .collect()
}
