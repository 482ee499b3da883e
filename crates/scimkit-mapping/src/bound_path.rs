//! One SCIM path of a rule, bound to its schema: reads and writes a value.

use scimkit_core::{did_you_mean, excerpt};
use scimkit_filter::{Filter, Literal, Operator, Path};
use scimkit_registry::{
    Attr, AttrId, AttributeRole, Change, EdgeEdit, Meter, PathTarget, Predicate, RequestError,
    Resource, ResourceType, Tolerance,
};
use serde_json::{Map, Number, Value};

use super::FieldType;

/// A SCIM path of a rule, bound to its schema.
#[derive(Debug, Clone)]
pub(super) struct BoundPath {
    /// The attribute, or the sub-attribute of a single-valued one.
    pub(super) attr: AttrId,
    pub(super) selector: Option<ElementSelector>,
    /// The path in canonical spelling.
    pub(super) text: String,
}

/// The selection of one element of a multi-valued attribute, or of one of its sub-attributes.
#[derive(Debug, Clone)]
pub(super) struct ElementSelector {
    pub(super) predicate: Predicate,
    pub(super) sub: Option<AttrId>,
    /// The members of a new element.
    // INVARIANT: an element with these members satisfies `predicate`; none of them is `sub`.
    pub(super) template: Vec<(AttrId, Value)>,
}

impl BoundPath {
    /// Binds a path, or returns the reason why a rule can't have it.
    pub(super) fn bind(kind: &ResourceType, text: &str) -> Result<BoundPath, String> {
        let path =
            Path::parse(text).map_err(|e| format!("invalid path `{}`: {e}", excerpt(text)))?;
        let target = kind.bind_path(&path, &Tolerance::STRICT);
        let target = target.map_err(|e| match path.filter {
            None => unknown_attribute(kind, &path.to_string()),
            Some(_) => e.detail().to_owned(),
        })?;
        match target {
            PathTarget::Attribute(id) => BoundPath::of_attribute(kind, id),
            PathTarget::Elements { attr, which, sub } => {
                let filter = path.filter.as_deref().ok_or("the path has no filter")?;
                let selector = ElementSelector {
                    predicate: which,
                    sub,
                    template: template(kind, attr, filter)?,
                };
                BoundPath::of_elements(kind, attr, selector, path.to_string())
            }
            PathTarget::Extension(_) => {
                Err("the path names a whole extension: map its attributes".to_owned())
            }
        }
    }

    fn of_attribute(kind: &ResourceType, id: AttrId) -> Result<BoundPath, String> {
        let attr = kind.attr(id);
        let text = attr.path();
        let parent = attr.parent().map(|parent| kind.attr(parent));
        // Memberships are mapped by the ids of their members, in either spelling.
        let members =
            parent.filter(|p| p.role() == AttributeRole::Membership && attr.name() == "value");
        let bound = |attr| BoundPath {
            attr,
            selector: None,
            text: text.to_owned(),
        };
        if let Some(members) = members {
            return Ok(bound(members.id()));
        }
        if let Some(parent) = parent.filter(|parent| parent.definition().multi_valued) {
            return Err(format!(
                "`{text}` belongs to every value of `{parent}`: select one, such as `{parent}[type eq \"work\"].{}`",
                attr.name(),
                parent = parent.path(),
            ));
        }
        if attr.role() == AttributeRole::Schemas
            || (kind.is_computed(id) && attr.role() != AttributeRole::Membership)
        {
            return Err(format!(
                "`{text}` is computed by the server: remove the rule"
            ));
        }
        Ok(bound(id))
    }

    fn of_elements(
        kind: &ResourceType,
        attr: AttrId,
        selector: ElementSelector,
        text: String,
    ) -> Result<BoundPath, String> {
        let holder = kind.attr(attr);
        if !holder.definition().multi_valued {
            return Err(format!(
                "`{}` has a single value: remove the filter",
                holder.path()
            ));
        }
        if kind.is_computed(attr) {
            return Err(format!(
                "the values of `{holder}` are memberships: map `{holder}` without a filter",
                holder = holder.path()
            ));
        }
        let fixed = |(sub, _): &&(AttrId, Value)| Some(*sub) == selector.sub;
        if let Some((sub, _)) = selector.template.iter().find(fixed) {
            return Err(format!(
                "the filter already fixes the value of `{}`: map another sub-attribute",
                kind.attr(*sub).path()
            ));
        }
        let element = Value::Object(selector.new_element(kind));
        if !selector.holds(kind, &element) {
            return Err(
                "no value can satisfy the filter: compare each sub-attribute once".to_owned(),
            );
        }
        Ok(BoundPath {
            attr,
            selector: Some(selector),
            text,
        })
    }

    /// Returns the attribute that the values belong to.
    pub(super) fn valued<'k>(&self, kind: &'k ResourceType) -> &'k Attr {
        let sub = self.selector.as_ref().and_then(|selector| selector.sub);
        kind.attr(sub.unwrap_or(self.attr))
    }

    /// Returns the type of the values, as a field holds them.
    pub(super) fn data_type(&self, kind: &ResourceType) -> FieldType {
        use scimkit_core::DataType;
        let attr = self.valued(kind);
        let one = self
            .selector
            .as_ref()
            .is_some_and(|selector| selector.sub.is_none());
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

    /// Returns the value in a document: of a membership, the ids of the members.
    pub(super) fn value(&self, kind: &ResourceType, document: &Resource) -> Option<Value> {
        let value = document.get(kind, self.attr)?;
        if let Some(selector) = &self.selector {
            // If several elements satisfy the filter, the first one with the sub-attribute counts.
            let mut elements = value.as_array()?.iter();
            return match selector.sub.map(|sub| kind.attr(sub).name()) {
                Some(sub) => elements
                    .filter(|e| selector.holds(kind, e))
                    .find_map(|e| e.get(sub))
                    .cloned(),
                None => elements.find(|e| selector.holds(kind, e)).cloned(),
            };
        }
        if kind.attr(self.attr).role() != AttributeRole::Membership {
            return Some(value.clone());
        }
        let ids = value
            .as_array()?
            .iter()
            .filter_map(|e| e.get("value").cloned());
        Some(Value::Array(ids.collect()))
    }

    /// Admits a value of the application: it must be valid in the schema, too.
    pub(super) fn admit(
        &self,
        kind: &ResourceType,
        value: Value,
    ) -> Result<Option<Value>, RequestError> {
        let attr = self.valued(kind);
        let members = attr.role() == AttributeRole::Membership;
        let one = self
            .selector
            .as_ref()
            .is_some_and(|selector| selector.sub.is_none());
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

    /// Writes an admitted value into a document, and changes nothing else.
    pub(super) fn write(&self, kind: &ResourceType, document: &mut Resource, value: Option<Value>) {
        let Some(selector) = &self.selector else {
            match value {
                Some(value) => document.set(kind, self.attr, value),
                None => document.unset(kind, self.attr),
            }
            return;
        };
        let known = document.get(kind, self.attr).and_then(Value::as_array);
        let mut elements = known.cloned().unwrap_or_default();
        selector.write(kind, &mut elements, value);
        if elements.is_empty() {
            document.unset(kind, self.attr);
        } else {
            document.set(kind, self.attr, Value::Array(elements));
        }
    }
}

impl ElementSelector {
    pub(super) fn holds(&self, kind: &ResourceType, element: &Value) -> bool {
        let meter = Meter::unlimited();
        kind.element_matches(&self.predicate, element, &meter) == Ok(true)
    }

    /// Returns the members of a new element.
    fn new_element(&self, kind: &ResourceType) -> Map<String, Value> {
        let members = self.template.iter();
        members
            .map(|(id, value)| (kind.attr(*id).name().to_owned(), value.clone()))
            .collect()
    }

    /// Sets the value in the selected element, or in a new one; without a value, removes it from every
    /// element that the filter selects.
    fn write(&self, kind: &ResourceType, elements: &mut Vec<Value>, value: Option<Value>) {
        let new_element = self.new_element(kind);
        let sub = self.sub.map(|sub| kind.attr(sub).name());
        let Some(value) = value else {
            elements.retain_mut(|element| {
                let (true, Some(members)) = (self.holds(kind, element), element.as_object_mut())
                else {
                    return true;
                };
                let had = sub.map(|sub| members.remove(sub).is_some());
                // The rest may be nothing but the members that the filter compares.
                had == Some(false)
                    || (had == Some(true)
                        && members.keys().any(|name| !new_element.contains_key(name)))
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
                let mut members = known.cloned().unwrap_or_else(|| new_element.clone());
                members.insert(sub.to_owned(), value);
                members
            }
            (None, Value::Object(members)) => members,
            (None, _) => return,
        };
        if !self.holds(kind, &Value::Object(members.clone())) {
            members.extend(new_element);
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

/// Removes the mark of the primary value from an element.
pub(super) fn demote(element: &mut Value) {
    if let Some(members) = element.as_object_mut() {
        members.remove("primary");
    }
}

/// Returns the error for a path that names no attribute.
fn unknown_attribute(kind: &ResourceType, path: &str) -> String {
    let known = kind.attributes().iter().map(Attr::path);
    format!(
        "unknown attribute `{}`{}",
        excerpt(path),
        did_you_mean(path, known)
    )
}

/// Returns the members that an element needs to satisfy a filter.
fn template(
    kind: &ResourceType,
    attr: AttrId,
    filter: &Filter<'_>,
) -> Result<Vec<(AttrId, Value)>, String> {
    let terms = match filter {
        Filter::And(terms) => terms.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut template: Vec<(AttrId, Value)> = Vec::with_capacity(terms.len());
    for term in terms {
        let value = match term {
            Filter::Compare(c) if c.operator == Operator::Equal => {
                let sub = kind.child_named(attr, &c.attribute.name);
                sub.zip(literal(&c.value))
            }
            _ => None,
        };
        let (sub, value) = value.ok_or("unsupported filter in a path: use `eq` comparisons, joined by `and`, since a new value is created from them")?;
        if template.iter().all(|(known, _)| *known != sub) {
            template.push((sub, value));
        }
    }
    Ok(template)
}

fn literal(literal: &Literal<'_>) -> Option<Value> {
    match literal {
        Literal::Bool(truth) => Some(Value::Bool(*truth)),
        Literal::Null => None,
        Literal::Number(text) => text.parse::<Number>().ok().map(Value::Number),
        Literal::String(text) | Literal::Word(text) => Some(Value::from(text.as_ref())),
    }
}

/// Returns a document after a change, including what stored documents lack: attributes that are never
/// returned, and replaced memberships.
pub(super) fn applied(before: Option<&Resource>, change: &Change, with: Members) -> Resource {
    let kind = change.kind();
    let mut after = before.cloned().unwrap_or_default();
    for (id, value) in change.assignments() {
        after.set(kind, *id, value.clone());
    }
    for id in change.removals() {
        after.unset(kind, *id);
    }
    if with == Members::Shown {
        for edges in change.edge_changes() {
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

/// Whether a document after a change has its memberships: there can be many.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Members {
    Left,
    Shown,
}
