//! A rule that was checked: what it reads and writes on either side.

use serde_json::{Map, Value};

use super::{FieldType, Rule, side::Side, template::Template, transform::Step};
use scimkit_core::excerpt;
use scimkit_registry::{AttrId, Error, ErrorKind, Resource, ResourceType};

/// What a host keeps of one resource: a value for each field.
///
/// A field that is not in it is not spoken of; `null` says that it has no value.
pub type Record = Map<String, Value>;

/// A rule that was checked.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    /// Whether every row has the field folded.
    pub(super) folded: bool,
    pub(super) form: Form,
    /// How it is called in messages: `rule 3 of User (userName)`.
    pub(super) label: String,
    pub(super) rule: Rule,
    /// The index of the side that a joined text without a separator belongs to.
    pub(super) single: usize,
    /// What it reads in SCIM and, unless it is a template for the host, writes there.
    pub(super) sides: Vec<Side>,
    pub(super) steps: Vec<Step>,
}

/// How the sides of a rule become one value.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// A value that is always the same.
    Constant(Value),
    /// Several paths, one text with a separator.
    Joined(String),
    /// One path, one field.
    Plain,
    /// Text of paths, for a field.
    ToHost(Template),
    /// Text of fields, for a path.
    ToScim(Template),
}

impl Bound {
    pub(super) fn host(&self) -> Option<&str> {
        self.rule.host.as_deref()
    }

    /// Whether a field gets its value from it.
    pub(super) fn writes_host(&self) -> bool {
        self.rule.host.is_some() && !self.rule.read_only
    }

    /// Whether its SCIM side gets its value from the host.
    pub(super) fn writes_scim(&self) -> bool {
        let to_host = matches!(self.form, Form::ToHost(_));
        !self.sides.is_empty() && !self.rule.write_only && !to_host
    }

    /// Whether what a client writes there counts.
    pub(super) fn is_writable(&self) -> bool {
        !self.rule.read_only && !matches!(self.form, Form::ToScim(_) | Form::Constant(_))
    }

    /// Whether a value of its field stands for none.
    pub(super) fn is_unset(&self, value: &Value) -> bool {
        value.is_null() || (self.rule.empty_is_unset && value.as_str() == Some(""))
    }

    /// The value that the document gives to its field.
    pub(super) fn host_value(
        &self,
        kind: &ResourceType,
        document: &Resource,
    ) -> Result<Option<Value>, Error> {
        let text = |side: &Side| {
            side.value(kind, document)
                .map(plain)
                .filter(|t| !t.is_empty())
        };
        let value = match &self.form {
            Form::Constant(value) => return Ok(Some(value.clone())),
            Form::Joined(separator) => {
                let parts: Vec<_> = self.sides.iter().filter_map(text).collect();
                (!parts.is_empty()).then(|| Value::from(parts.join(separator)))
            }
            Form::Plain => self
                .sides
                .first()
                .and_then(|side| side.value(kind, document)),
            Form::ToHost(template) => {
                let values: Vec<_> = self.sides.iter().map(text).collect();
                template.fill(&values).map(Value::from)
            }
            Form::ToScim(_) => None,
        };
        let Some(value) = value else { return Ok(None) };
        let mut host = value.clone();
        for step in &self.steps {
            host = step
                .to_host(host)
                .map_err(|why| self.misfit(kind, &value, self.host(), &why))?;
        }
        Ok(Some(host))
    }

    /// What the record says of each of its sides; `None` when it does not speak of them.
    pub(super) fn scim_values(
        &self,
        kind: &ResourceType,
        record: &Record,
    ) -> Result<Option<Vec<Option<Value>>>, Error> {
        let value = match &self.form {
            Form::Constant(value) => return Ok(Some(vec![Some(value.clone())])),
            Form::ToHost(_) => return Ok(None),
            Form::ToScim(template) => {
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
            Form::Joined(_) | Form::Plain => match self.host().and_then(|host| record.get(host)) {
                None => return Ok(None),
                Some(value) => (!self.is_unset(value)).then(|| value.clone()),
            },
        };
        let Some(value) = value else {
            return Ok(Some(vec![None; self.sides.len()]));
        };
        let mut scim = value.clone();
        for step in self.steps.iter().rev() {
            let path = self.sides.first().map(|side| side.path.as_str());
            scim = step
                .to_scim(scim)
                .map_err(|why| self.misfit(kind, &value, path, &why))?;
        }
        Ok(Some(match &self.form {
            Form::Joined(separator) => {
                let parts = split(&plain(scim), separator, self.sides.len(), self.single);
                parts
                    .into_iter()
                    .map(|part| part.map(Value::from))
                    .collect()
            }
            _ => vec![Some(scim)],
        }))
    }

    /// The attribute and the column that SQL can compare: see
    /// [`MappedRule::comparable`](super::MappedRule::comparable).
    pub(super) fn comparable(&self, kind: &ResourceType) -> Option<(AttrId, &str)> {
        let [side] = self.sides.as_slice() else {
            return None;
        };
        if side.which.is_some() || !matches!(self.form, Form::Plain) || !self.writes_scim() {
            return None;
        }
        let host = self.host()?;
        let definition = kind.attr(side.attr).definition();
        match side.data_type(kind) {
            FieldType::Boolean | FieldType::Integer if self.steps.is_empty() => {
                Some((side.attr, host))
            }
            FieldType::Text if self.steps.iter().all(Step::stays) => {
                let column = match (&self.rule.key, definition.is_case_exact() || self.folded) {
                    (_, true) => host,
                    (Some(key), false) => key,
                    (None, false) => return None,
                };
                Some((side.attr, column))
            }
            _ => None,
        }
    }

    fn misfit(&self, kind: &ResourceType, value: &Value, to: Option<&str>, why: &str) -> Error {
        let secret = self.sides.iter().any(|side| {
            let attr = kind.attr(side.attr);
            attr.is_never_returned() || side.valued(kind).is_never_returned()
        });
        let value = match value {
            _ if secret => "the value".to_owned(),
            Value::String(text) => format!("`{}`", excerpt(text)),
            other => format!("`{}`", excerpt(&other.to_string())),
        };
        let (to, label) = (to.unwrap_or(""), &self.label);
        Error::new(
            ErrorKind::Value,
            format!("{value} can't become `{to}` by {label}: {why}"),
        )
    }
}

/// A value as text.
pub(super) fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// Splits a joined text at its last separators: the first part takes what is left over, and the one
/// at `single` a text without a separator.
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
