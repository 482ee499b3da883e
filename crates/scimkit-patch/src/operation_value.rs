//! From the value of an operation to an edit of a value.

use scimkit_core::{DataType, message::PatchOperationKind};
use scimkit_filter::{Filter, Literal, Operator, ParseOptions, Path};
use scimkit_registry::{Attr, AttrId, AttributeRole, Quirk, RequestError, parse_json_string};
use serde_json::{Map, Value};

use crate::{
    decode::{Decoder, is_read_only},
    refusal::{invalid, no_value, required, unassigned},
    step::Edit,
};

impl Decoder<'_> {
    /// Returns the edit that an operation makes to the value of one attribute.
    pub(crate) fn edit(
        &self,
        op: PatchOperationKind,
        attr: &Attr,
        value: Option<Value>,
    ) -> Result<Edit, RequestError> {
        let many = attr.definition().multi_valued;
        if op == PatchOperationKind::Remove {
            if many && let Some(listed) = self.listed(attr, value)? {
                return Ok(Edit::Take(listed));
            }
            if attr.definition().required {
                return Err(required(attr));
            }
            return Ok(Edit::Unset);
        }
        let value = value.ok_or_else(|| no_value(op))?;
        if !many && attr.definition().data_type == DataType::Complex {
            return self.merge(attr, value);
        }
        let value = if many { self.array(attr, value) } else { value };
        match (op, self.kind.admit_value(attr.id(), value, self.leeway)?) {
            (_, None) if attr.definition().required => Err(unassigned(attr)),
            // Adding no elements does not remove existing ones.
            (PatchOperationKind::Add, None) if many => Ok(Edit::Append(Vec::new())),
            (PatchOperationKind::Add, Some(Value::Array(elements))) if many => {
                Ok(Edit::Append(elements))
            }
            (_, None) => Ok(Edit::Unset),
            (_, Some(value)) => Ok(Edit::Assign(value)),
        }
    }

    /// Returns the edit of `add` or `replace` for the simple values that a path selects: another value.
    pub(crate) fn simple(
        &self,
        op: PatchOperationKind,
        attr: &Attr,
        value: Option<Value>,
    ) -> Result<Edit, RequestError> {
        let value = match value.ok_or_else(|| no_value(op))? {
            Value::Array(mut elements)
                if elements.len() <= 1 && self.leeway.allow(Quirk::ArrayOfOne) =>
            {
                elements.pop().unwrap_or_default()
            }
            Value::Array(elements) => {
                let path = attr.path();
                let problem = invalid(format!("one value of `{path}` can't become an array"));
                return Err(match elements.len() {
                    0 | 1 => problem.with_quirk(Quirk::ArrayOfOne),
                    _ => problem,
                });
            }
            one => one,
        };
        let one = Value::Array(vec![value]);
        match self.kind.admit_value(attr.id(), one, self.leeway)? {
            Some(Value::Array(mut elements)) => {
                Ok(elements.pop().map_or(Edit::Unset, Edit::Assign))
            }
            _ => Ok(Edit::Unset),
        }
    }

    /// Returns the elements that a `remove` lists in its value, if this is tolerated; `null` counts as no value.
    ///
    /// # Errors
    /// A value that is not tolerated, since no client means to remove everything with it: `invalidValue`.
    pub(crate) fn listed(
        &self,
        attr: &Attr,
        value: Option<Value>,
    ) -> Result<Option<Vec<Value>>, RequestError> {
        let Some(value) = value.filter(|value| !value.is_null()) else {
            return Ok(None);
        };
        if !self.leeway.allow(Quirk::RemoveValues) {
            let path = attr.path();
            let problem = invalid(format!(
                "`remove` of `{path}` takes no `value`: select what to remove in the `path`"
            ));
            return Err(problem.with_quirk(Quirk::RemoveValues));
        }
        let value = self.array(attr, value);
        match self.kind.admit_value(attr.id(), value, self.leeway)? {
            Some(Value::Array(listed)) => Ok(Some(listed)),
            _ => Ok(Some(Vec::new())),
        }
    }

    /// Returns the sub-attributes that a value for a complex attribute, or for elements of one, sets, or unsets by
    /// `null`.
    pub(crate) fn merge(&self, attr: &Attr, value: Value) -> Result<Edit, RequestError> {
        let value = match parse_json_string(value, self.leeway) {
            Value::Array(mut elements)
                if elements.len() <= 1 && self.leeway.allow(Quirk::ArrayOfOne) =>
            {
                elements.pop().unwrap_or_default()
            }
            other => other,
        };
        let value = self
            .kind
            .without_empty_reference(attr.id(), value, self.leeway)?;
        if value.is_null() {
            return if attr.definition().required {
                Err(unassigned(attr))
            } else {
                Ok(Edit::Unset)
            };
        }
        let mut merged = self.nulls(attr, &value)?;
        let given = if attr.definition().multi_valued {
            let value = self.members_of(attr, value)?;
            self.element(attr, value)?
        } else {
            match self.kind.admit_value(attr.id(), value, self.leeway)? {
                Some(Value::Object(members)) => Some(members),
                _ => None,
            }
        };
        let mut given = given.unwrap_or_default();
        for sub in self.kind.children(attr.id()) {
            if let Some(value) = given.remove(sub.name()) {
                merged.push((sub.id(), Some(value)));
            }
        }
        Ok(Edit::Merge(merged))
    }

    /// Returns the sub-attributes that an object sets to `null` or to no elements.
    fn nulls(
        &self,
        attr: &Attr,
        value: &Value,
    ) -> Result<Vec<(AttrId, Option<Value>)>, RequestError> {
        let mut nulls = Vec::new();
        for (name, value) in value.as_object().into_iter().flatten() {
            let named = |sub: &&Attr| sub.name().eq_ignore_ascii_case(name);
            let Some(sub) = self.kind.children(attr.id()).find(named) else {
                continue;
            };
            let made = attr.role() == AttributeRole::Reference && sub.name() == "$ref";
            let is_none = is_unassigned(value) || self.kind.is_empty_reference(sub.id(), value);
            if !is_none || made || is_read_only(sub) {
                continue;
            }
            if sub.definition().required {
                return Err(unassigned(sub));
            }
            nulls.push((sub.id(), None));
        }
        Ok(nulls)
    }

    /// Returns the members of one element as sent: an object, or another value that is tolerated in its place.
    pub(crate) fn members_of(
        &self,
        attr: &Attr,
        value: Value,
    ) -> Result<Map<String, Value>, RequestError> {
        // If arrays of one are accepted, the outer one was removed already: this is a nested one.
        let rejected = !self.leeway.tolerance().accepts(Quirk::ArrayOfOne);
        let one = matches!(&value, Value::Array(elements)
            if rejected && elements.len() == 1 && elements.iter().all(|e| e.is_object() || e.is_string()));
        let members = self.kind.members_of(attr.id(), value, self.leeway);
        members.map_err(|problem| {
            if one {
                problem.with_quirk(Quirk::ArrayOfOne)
            } else {
                problem
            }
        })
    }

    /// Returns the value as an array, since a PATCH accepts one element in its place.
    pub(crate) fn array(&self, attr: &Attr, value: Value) -> Value {
        let value = if attr.is_complex() {
            parse_json_string(value, self.leeway)
        } else {
            value
        };
        match value {
            Value::Array(_) | Value::Null => value,
            one => Value::Array(vec![one]),
        }
    }

    /// Admits one element of a multi-valued complex attribute; `None` if it is empty.
    pub(crate) fn element(
        &self,
        attr: &Attr,
        element: Map<String, Value>,
    ) -> Result<Option<Map<String, Value>>, RequestError> {
        let one = Value::Array(vec![Value::Object(element)]);
        let admitted = self.kind.admit_value(attr.id(), one, self.leeway)?;
        Ok(match admitted {
            Some(Value::Array(mut elements)) => match elements.pop() {
                Some(Value::Object(members)) => Some(members),
                _ => None,
            },
            _ => None,
        })
    }

    /// Returns the sub-attributes that an element needs for the path to select it: the admitted `eq` terms of its
    /// filter. `None` if the filter has any other term. For a simple value there are none.
    pub(crate) fn seed(&self, attr: &Attr, text: &str) -> Option<Map<String, Value>> {
        // Parsed again, since a bound predicate no longer has the spelling of its values. The quirks that the text
        // needs are already recorded.
        let options = ParseOptions::default()
            .with_leniency(self.leeway.tolerance().leniency())
            .with_limits(self.limits);
        let path = Path::parse_with(text, &options).ok()?;
        let mut members = Map::new();
        let filter = path.filter.as_deref()?;
        match filter {
            Filter::Compare(c) if !attr.is_complex() => {
                return (c.operator == Operator::Equal).then_some(members);
            }
            _ => self.eq_terms(attr, filter, &mut members)?,
        }
        Some(members)
    }

    fn eq_terms(
        &self,
        attr: &Attr,
        filter: &Filter<'_>,
        members: &mut Map<String, Value>,
    ) -> Option<()> {
        match filter {
            Filter::And(terms) => terms
                .iter()
                .try_for_each(|term| self.eq_terms(attr, term, members).ok_or(()))
                .ok(),
            Filter::Compare(c)
                if c.operator == Operator::Equal && c.attribute.sub_attribute.is_none() =>
            {
                let mut parts = self.kind.children(attr.id());
                let sub = parts.find(|sub| sub.name().eq_ignore_ascii_case(&c.attribute.name))?;
                if attr.is_reference() && sub.name() == "$ref" {
                    return None;
                }
                let value = match &c.value {
                    Literal::Bool(b) => Value::Bool(*b),
                    Literal::Null => return None,
                    Literal::Number(n) => Value::Number(n.parse().ok()?),
                    Literal::String(s) | Literal::Word(s) => Value::from(s.as_ref()),
                };
                let value = self.kind.admit_value(sub.id(), value, self.leeway).ok()??;
                let twice = members.insert(sub.name().to_owned(), value).is_some();
                (!twice && !is_read_only(sub)).then_some(())
            }
            _ => None,
        }
    }
}

fn is_unassigned(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}
