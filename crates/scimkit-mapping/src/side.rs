//! One SCIM side of a rule, bound to its schema: where a value is read and written.

use scimkit_filter::{Filter, Literal, Operator, Path};
use serde_json::{Map, Number, Value};

use super::FieldType;
use scimkit_registry::{
    Attr, AttrId, Change, EdgeEdit, Error, Meter, Predicate, Resource, ResourceType, Role, Target,
    Tolerance,
};

/// What a SCIM path of a rule names.
#[derive(Debug, Clone)]
pub(super) struct Side {
    /// The attribute, or the sub-attribute of a single-valued one.
    pub(super) attr: AttrId,
    pub(super) path: String,
    pub(super) which: Option<Which>,
}

/// Which element of a multi-valued attribute, and what of it.
#[derive(Debug, Clone)]
pub(super) struct Which {
    /// What an element is made with, so that the predicate holds.
    // INVARIANT: an element of these members satisfies `predicate`; none is `sub`.
    pub(super) making: Vec<(AttrId, Value)>,
    pub(super) predicate: Predicate,
    pub(super) sub: Option<AttrId>,
}

impl Side {
    /// Binds a path, or says why a rule can't have it.
    pub(super) fn bind(kind: &ResourceType, text: &str) -> Result<Side, String> {
        let path = Path::parse(text).map_err(|e| format!("the path can't be read: {e}"))?;
        let target = kind.bind_path(&path, &Tolerance::STRICT);
        let target = target.map_err(|e| match path.filter {
            None => format!("`{path}` is not an attribute of {}", kind.name()),
            Some(_) => e.detail().to_owned(),
        })?;
        let side = match target {
            Target::Attribute(id) => Side::of_attribute(kind, id)?,
            Target::Elements { attr, which, sub } => {
                let filter = path.filter.as_deref().ok_or("the path can't be read")?;
                let making = making(kind, attr, filter)?;
                let which = Which {
                    making,
                    predicate: which,
                    sub,
                };
                Side::of_elements(kind, attr, which, path.to_string())?
            }
            Target::Extension(_) => return Err("an extension is no attribute".to_owned()),
        };
        Ok(side)
    }

    fn of_attribute(kind: &ResourceType, id: AttrId) -> Result<Side, String> {
        let attr = kind.attr(id);
        let path = attr.path().to_owned();
        let parent = attr.parent().map(|parent| kind.attr(parent));
        // Memberships are mapped by the ids of their members, in either spelling.
        let members = parent.filter(|p| p.role() == Role::Membership && attr.name() == "value");
        let side = |attr| Side {
            attr,
            path: path.clone(),
            which: None,
        };
        if let Some(members) = members {
            return Ok(side(members.id()));
        }
        if parent.is_some_and(|parent| parent.definition().multi_valued) {
            return Err(format!(
                "`{path}` is a part of every value: say of which one, such as `{}[type eq \"work\"].{}`",
                parent.map_or("", |p| p.path()),
                attr.name()
            ));
        }
        if attr.role() == Role::Schemas || (kind.is_computed(id) && attr.role() != Role::Membership)
        {
            return Err(format!("`{path}` is made by the service provider"));
        }
        Ok(side(id))
    }

    fn of_elements(
        kind: &ResourceType,
        attr: AttrId,
        which: Which,
        path: String,
    ) -> Result<Side, String> {
        let holder = kind.attr(attr);
        if !holder.definition().multi_valued {
            return Err(format!(
                "`{}` has one value: a filter can't choose among them",
                holder.path()
            ));
        }
        if kind.is_computed(attr) {
            return Err(format!(
                "`{}` can't be mapped in parts: its values are memberships",
                holder.path()
            ));
        }
        let own = |(made, _): &(AttrId, Value)| Some(*made) == which.sub;
        if let Some((made, _)) = which.making.iter().find(|pair| own(pair)) {
            return Err(format!(
                "the filter says already what `{}` is",
                kind.attr(*made).path()
            ));
        }
        let made = Value::Object(which.made(kind));
        if !which.holds(kind, &made) {
            return Err("no value satisfies the filter".to_owned());
        }
        Ok(Side {
            attr,
            path,
            which: Some(which),
        })
    }

    /// The attribute whose type its values have.
    pub(super) fn valued<'k>(&self, kind: &'k ResourceType) -> &'k Attr {
        let sub = self.which.as_ref().and_then(|which| which.sub);
        kind.attr(sub.unwrap_or(self.attr))
    }

    /// The type of its values, as a host sees them.
    pub(super) fn data_type(&self, kind: &ResourceType) -> FieldType {
        use scimkit_core::DataType;
        let attr = self.valued(kind);
        let one = self.which.as_ref().is_some_and(|which| which.sub.is_none());
        if attr.is_complex() || (attr.definition().multi_valued && !one) {
            return FieldType::Json;
        }
        match attr.definition().data_type {
            DataType::Boolean => FieldType::Boolean,
            DataType::Complex => FieldType::Json,
            DataType::DateTime => FieldType::Instant,
            DataType::Decimal => FieldType::Decimal,
            DataType::Integer => FieldType::Integer,
            DataType::Binary | DataType::Reference | DataType::String => FieldType::Text,
        }
    }

    /// Its value in a document; of a membership the ids of the members.
    pub(super) fn value(&self, kind: &ResourceType, document: &Resource) -> Option<Value> {
        let value = document.get(kind, self.attr)?;
        if let Some(which) = &self.which {
            // Of several that satisfy the filter, the first that has what is asked for.
            let mut elements = value.as_array()?.iter();
            return match which.sub.map(|sub| kind.attr(sub).name()) {
                Some(sub) => elements
                    .filter(|e| which.holds(kind, e))
                    .find_map(|e| e.get(sub))
                    .cloned(),
                None => elements.find(|e| which.holds(kind, e)).cloned(),
            };
        }
        if kind.attr(self.attr).role() != Role::Membership {
            return Some(value.clone());
        }
        let ids = value
            .as_array()?
            .iter()
            .filter_map(|e| e.get("value").cloned());
        Some(Value::Array(ids.collect()))
    }

    /// Admits a value for it: what a host says must fit the schema, too.
    pub(super) fn admit(&self, kind: &ResourceType, value: Value) -> Result<Option<Value>, Error> {
        let attr = self.valued(kind);
        let members = attr.role() == Role::Membership;
        let one = self.which.as_ref().is_some_and(|which| which.sub.is_none());
        let value = match value {
            Value::Array(ids) if members => ids
                .into_iter()
                .map(|id| Value::Object(Map::from_iter([("value".to_owned(), id)])))
                .collect(),
            value if one => Value::Array(vec![value]),
            value => value,
        };
        let admitted = kind.admit_value(attr.id(), value, &Tolerance::STRICT)?;
        let admitted = admitted.filter(|value| !value.as_object().is_some_and(Map::is_empty));
        Ok(match admitted {
            Some(Value::Array(mut elements)) if one => elements.pop(),
            other => other,
        })
    }

    /// Writes an admitted value into a document, and nothing beside it.
    pub(super) fn write(&self, kind: &ResourceType, document: &mut Resource, value: Option<Value>) {
        let Some(which) = &self.which else {
            match value {
                Some(value) => document.set(kind, self.attr, value),
                None => document.unset(kind, self.attr),
            }
            return;
        };
        let known = document.get(kind, self.attr).and_then(Value::as_array);
        let mut elements = known.cloned().unwrap_or_default();
        which.write(kind, &mut elements, value);
        if elements.is_empty() {
            document.unset(kind, self.attr);
        } else {
            document.set(kind, self.attr, Value::Array(elements));
        }
    }
}

impl Which {
    pub(super) fn holds(&self, kind: &ResourceType, element: &Value) -> bool {
        let meter = Meter::unlimited();
        kind.element_matches(&self.predicate, element, &meter) == Ok(true)
    }

    /// The members that an element is made with.
    fn made(&self, kind: &ResourceType) -> Map<String, Value> {
        let making = self.making.iter();
        making
            .map(|(id, value)| (kind.attr(*id).name().to_owned(), value.clone()))
            .collect()
    }

    /// Gives the value to the element that has it, or to a new one; without a value, takes it from
    /// every element that the filter selects.
    fn write(&self, kind: &ResourceType, elements: &mut Vec<Value>, value: Option<Value>) {
        let made = self.made(kind);
        let sub = self.sub.map(|sub| kind.attr(sub).name());
        let Some(value) = value else {
            elements.retain_mut(|element| {
                let (true, Some(members)) = (self.holds(kind, element), element.as_object_mut())
                else {
                    return true;
                };
                let had = sub.map(|sub| members.remove(sub).is_some());
                // What is left may say only which value it was.
                had == Some(false)
                    || (had == Some(true) && members.keys().any(|name| !made.contains_key(name)))
            });
            return;
        };
        let holds = |e: &Value| self.holds(kind, e);
        let has = |e: &Value| holds(e) && sub.is_none_or(|sub| e.get(sub).is_some());
        let place = elements.iter().position(has);
        let place = place.or_else(|| elements.iter().position(holds));
        let known = place.and_then(|place| elements.get_mut(place));
        let mut members = match (sub, value) {
            (Some(sub), value) => {
                let known = known.as_ref().and_then(|known| known.as_object());
                let mut members = known.cloned().unwrap_or_else(|| made.clone());
                members.insert(sub.to_owned(), value);
                members
            }
            (None, Value::Object(members)) => members,
            (None, _) => return,
        };
        if !self.holds(kind, &Value::Object(members.clone())) {
            members.extend(made);
        }
        match known {
            Some(known) => *known = Value::Object(members),
            None => {
                if members.get("primary") == Some(&Value::Bool(true)) {
                    elements.iter_mut().for_each(demote);
                }
                elements.push(Value::Object(members));
            }
        }
    }
}

/// Takes its place as the primary value from an element.
pub(super) fn demote(element: &mut Value) {
    if let Some(members) = element.as_object_mut() {
        members.remove("primary");
    }
}

/// What an element must have for a filter to hold.
fn making(
    kind: &ResourceType,
    attr: AttrId,
    filter: &Filter<'_>,
) -> Result<Vec<(AttrId, Value)>, String> {
    let terms = match filter {
        Filter::And(terms) => terms.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut making: Vec<(AttrId, Value)> = Vec::with_capacity(terms.len());
    for term in terms {
        let value = match term {
            Filter::Compare(c) if c.operator == Operator::Equal => {
                let sub = kind.child_named(attr, &c.attribute.name);
                sub.zip(literal(&c.value))
            }
            _ => None,
        };
        let (sub, value) = value.ok_or("a filter in a rule compares by `eq`, joined by `and`: anything else does not say what a new value is made of")?;
        if making.iter().all(|(known, _)| *known != sub) {
            making.push((sub, value));
        }
    }
    Ok(making)
}

fn literal(literal: &Literal<'_>) -> Option<Value> {
    match literal {
        Literal::Bool(truth) => Some(Value::Bool(*truth)),
        Literal::Null => None,
        Literal::Number(text) => text.parse::<Number>().ok().map(Value::Number),
        Literal::String(text) | Literal::Word(text) => Some(Value::from(text.as_ref())),
    }
}

/// A document with a change carried out on it, also in what no document keeps: what is never
/// returned, and memberships where they are replaced.
pub(super) fn applied(before: Option<&Resource>, change: &Change, with: Members) -> Resource {
    let kind = change.kind();
    let mut after = before.cloned().unwrap_or_default();
    for (id, value) in change.set() {
        after.set(kind, *id, value.clone());
    }
    for id in change.unset() {
        after.unset(kind, *id);
    }
    if with == Members::Shown {
        for edges in change.edges() {
            if let EdgeEdit::Replace(edge) = &edges.edit {
                let ids = edge.iter().map(|edge| Value::from(edge.id.as_str()));
                let members =
                    ids.map(|id| Value::Object(Map::from_iter([("value".to_owned(), id)])));
                let members: Vec<_> = members.collect();
                if !members.is_empty() {
                    after.set(kind, edges.attr, Value::Array(members));
                }
            }
        }
    }
    after
}

/// Whether somebody looks at memberships: there can be many.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Members {
    Passed,
    Shown,
}
