//! Decoding: from an operation's text and JSON to actions.

use std::sync::Arc;

use scimkit_core::{
    Mutability, excerpt,
    message::{PatchOperation, PatchOperationKind},
};
use scimkit_filter::ParseLimits;
use scimkit_registry::{
    Attr, AttributeRole, BoundMember, PathTarget, Predicate, Quirk, QuirkPolicy, RequestError,
    RequestErrorKind, ResourceType, but_for_text, parse_json_string,
};
use serde_json::{Map, Value};

use crate::{
    refusal::{invalid, no_value, read_only},
    step::{Action, Edit, OnNoMatch, Step},
};

/// Decodes one operation after the other.
pub(crate) struct Decoder<'a> {
    pub(crate) kind: &'a Arc<ResourceType>,
    pub(crate) leeway: &'a dyn QuirkPolicy,
    pub(crate) limits: ParseLimits,
    /// The number of the operation in the request, from 1.
    number: usize,
    steps: Vec<Step>,
}

/// The elements that a path with a filter selects, or with an empty filter one sub-attribute of every element.
pub(crate) struct Selection<'a> {
    pub(crate) attr: &'a Attr,
    /// The sub-attributes that a new element needs for the filter to select it.
    pub(crate) seed: Option<Map<String, Value>>,
    pub(crate) sub: Option<&'a Attr>,
    pub(crate) which: Predicate,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(
        kind: &'a Arc<ResourceType>,
        limits: ParseLimits,
        leeway: &'a dyn QuirkPolicy,
    ) -> Self {
        Decoder {
            kind,
            leeway,
            limits,
            number: 0,
            steps: Vec::new(),
        }
    }

    pub(crate) fn into_steps(self) -> Vec<Step> {
        self.steps
    }

    pub(crate) fn operation(&mut self, operation: PatchOperation) -> Result<(), RequestError> {
        self.number += 1;
        let PatchOperation { op, path, value } = operation;
        match (path, op) {
            (Some(path), _) if *self.kind.schema() == *path.as_str() => {
                self.core_container(op, path, value)?;
            }
            (Some(path), _) => {
                let target = self.kind.parse_path(&path, self.limits, self.leeway)?;
                self.target(op, target, &path, value)?;
            }
            (None, PatchOperationKind::Remove) => {
                return Err(RequestError::new(
                    RequestErrorKind::NoTarget,
                    "`remove` needs a `path`",
                ));
            }
            (None, _) => match parse_json_string(value.unwrap_or_default(), self.leeway) {
                Value::Object(members) => self.resource(op, members)?,
                other => {
                    let problem = invalid("without a `path` the `value` must be an object");
                    return Err(but_for_text(problem, &other, self.leeway));
                }
            },
        }
        Ok(())
    }

    /// Decodes an operation whose path is only the URI of the core schema.
    fn core_container(
        &mut self,
        op: PatchOperationKind,
        urn: String,
        value: Option<Value>,
    ) -> Result<(), RequestError> {
        if op == PatchOperationKind::Remove {
            let detail = format!("`{urn}` is the core schema: name the attribute to remove");
            return Err(RequestError::new(RequestErrorKind::Path, detail));
        }
        let value = value.ok_or_else(|| no_value(op))?;
        self.resource(op, Map::from_iter([(urn, value)]))
    }

    /// Decodes a value without a path: each member is an operation on the attribute that it names.
    fn resource(
        &mut self,
        op: PatchOperationKind,
        members: Map<String, Value>,
    ) -> Result<(), RequestError> {
        for BoundMember {
            name,
            target,
            value,
            ..
        } in self.kind.entries(members, self.leeway)?
        {
            let named = match &target {
                PathTarget::Attribute(id) => Some(self.kind.attr(*id)),
                PathTarget::Elements { attr, sub, .. } => {
                    Some(self.kind.attr(sub.unwrap_or(*attr)))
                }
                PathTarget::Extension(_) => None,
            };
            match (named, value) {
                (Some(attr), value) if attr.role() == AttributeRole::Schemas => {
                    self.schemas(op, Some(value).filter(|value| !value.is_null()))?;
                }
                // Some identity providers repeat the resource's own id.
                (Some(attr), value) if attr.role() == AttributeRole::Id && !value.is_null() => {
                    self.push(Action::Id(match value {
                        Value::String(id) => id,
                        other => other.to_string(),
                    }));
                }
                (Some(attr), _) if is_read_only(attr) => {
                    if !self.leeway.allow(Quirk::ReadOnlyInPatch) {
                        return Err(read_only(attr).with_quirk(Quirk::ReadOnlyInPatch));
                    }
                }
                (_, value) => self.target(op, target, &name, Some(value))?,
            }
        }
        Ok(())
    }

    fn target(
        &mut self,
        op: PatchOperationKind,
        target: PathTarget,
        text: &str,
        value: Option<Value>,
    ) -> Result<(), RequestError> {
        match target {
            PathTarget::Attribute(id) => self.attribute(op, self.kind.attr(id), value),
            PathTarget::Elements { attr, which, sub } => {
                let attr = self.kind.attr(attr);
                if attr.role() == AttributeRole::Schemas {
                    let detail =
                        "`schemas` follows from the attributes: none of it can be selected";
                    return Err(RequestError::new(RequestErrorKind::Mutability, detail));
                }
                if !attr.definition().multi_valued && !self.leeway.allow(Quirk::SingleValuePaths) {
                    let path = attr.path();
                    let detail = format!("`{path}` has one value: there is nothing to select");
                    let problem = RequestError::new(RequestErrorKind::Path, detail);
                    return Err(problem.with_quirk(Quirk::SingleValuePaths));
                }
                let sub = sub.map(|sub| self.kind.attr(sub));
                let seed = match op {
                    PatchOperationKind::Remove => None,
                    PatchOperationKind::Add | PatchOperationKind::Replace => self.seed(attr, text),
                };
                let selection = Selection {
                    attr,
                    seed,
                    sub,
                    which,
                };
                match attr.role() {
                    AttributeRole::Membership => self.some_members(op, selection, value),
                    _ => self.elements(op, selection, value),
                }
            }
            PathTarget::Extension(index) => self.extension(op, index, value),
        }
    }

    fn attribute(
        &mut self,
        op: PatchOperationKind,
        attr: &'a Attr,
        value: Option<Value>,
    ) -> Result<(), RequestError> {
        let parent = attr.parent().map(|parent| self.kind.attr(parent));
        match (attr.role(), parent) {
            (AttributeRole::Schemas, _) => return self.schemas(op, value),
            (AttributeRole::Membership, None) => return self.members(op, attr, value),
            (AttributeRole::Membership, Some(members)) => {
                return self.some_members(op, Selection::all(members, attr), value);
            }
            // The server computes the `$ref` of a reference from its `value`, so a `$ref` changes the `value`.
            (AttributeRole::Reference, Some(reference)) if attr.name() == "$ref" => {
                let (target, value) = self.reference(op, reference, attr, value)?;
                return self.attribute(op, target, value);
            }
            (_, Some(parent)) if parent.definition().multi_valued => {
                return self.elements(op, Selection::all(parent, attr), value);
            }
            _ => {}
        }
        self.check_writable(attr)?;
        let edit = self.edit(op, attr, value)?;
        self.push(Action::Attribute {
            attr: attr.id(),
            edit,
        });
        Ok(())
    }

    fn elements(
        &mut self,
        op: PatchOperationKind,
        selection: Selection<'a>,
        value: Option<Value>,
    ) -> Result<(), RequestError> {
        let Selection {
            attr,
            seed,
            sub,
            which,
        } = selection;
        let (sub, value) = match sub {
            Some(sub)
                if attr.is_reference()
                    && sub.name() == "$ref"
                    && op != PatchOperationKind::Remove =>
            {
                let (target, value) = self.reference(op, attr, sub, value)?;
                (Some(target), value)
            }
            sub => (sub, value),
        };
        self.check_writable(sub.unwrap_or(attr))?;
        let edit = match (op, sub) {
            (PatchOperationKind::Remove, None) => Edit::Unset,
            (_, Some(sub)) => self.edit(op, sub, value)?,
            (_, None) if !attr.is_complex() => self.simple(op, attr, value)?,
            (_, None) => self.merge(attr, value.ok_or_else(|| no_value(op))?)?,
        };
        // Selecting a sub-attribute of all elements can't fail.
        let all = which == Predicate::All(Vec::new());
        let needs = |quirk| if all { None } else { Some(quirk) };
        let absent = match (&edit, seed) {
            (Edit::Take(_) | Edit::Unset, _) => OnNoMatch::Pass(needs(Quirk::RemoveWithoutMatch)),
            (Edit::Merge(merged), _) if merged.is_empty() => {
                OnNoMatch::Pass(needs(Quirk::CreateElements))
            }
            (Edit::Append(_) | Edit::Assign(_) | Edit::Merge(_), Some(seed)) => {
                OnNoMatch::Create(seed, needs(Quirk::CreateElements))
            }
            _ => OnNoMatch::Reject,
        };
        let attr = attr.id();
        let sub = sub.map(Attr::id);
        self.push(Action::Elements {
            absent,
            attr,
            edit,
            sub,
            which,
        });
        Ok(())
    }

    fn extension(
        &mut self,
        op: PatchOperationKind,
        index: usize,
        value: Option<Value>,
    ) -> Result<(), RequestError> {
        if op != PatchOperationKind::Remove {
            let value = value.ok_or_else(|| no_value(op))?;
            let urn = self
                .kind
                .extensions()
                .get(index)
                .map_or("", |e| e.urn().as_str());
            return self.resource(op, Map::from_iter([(urn.to_owned(), value)]));
        }
        let kind: &'a ResourceType = self.kind;
        for attr in kind.attributes() {
            if attr.extension() == Some(index) && attr.parent().is_none() {
                self.attribute(op, attr, None)?;
            }
        }
        Ok(())
    }

    /// Returns the sub-attribute that a `$ref` sets, and its new value.
    fn reference(
        &self,
        op: PatchOperationKind,
        attr: &'a Attr,
        reference: &'a Attr,
        value: Option<Value>,
    ) -> Result<(&'a Attr, Option<Value>), RequestError> {
        let mut parts = self.kind.children(attr.id());
        let target = parts.find(|a| a.name() == "value").unwrap_or(reference);
        let value = match value {
            Some(value) if op != PatchOperationKind::Remove => {
                match self.kind.admit_value(reference.id(), value, self.leeway)? {
                    Some(Value::String(url)) => {
                        let found = self.kind.resolve_reference(attr.id(), &url, self.leeway)?;
                        Some(Value::from(found.id.as_str()))
                    }
                    _ => Some(Value::Null),
                }
            }
            value => value,
        };
        Ok((target, value))
    }

    /// Decodes `schemas`, which follows from the attributes present: naming known schemas changes nothing.
    fn schemas(&self, op: PatchOperationKind, value: Option<Value>) -> Result<(), RequestError> {
        if op == PatchOperationKind::Remove {
            let detail = "`schemas` follows from the attributes and can't be removed";
            return Err(RequestError::new(RequestErrorKind::Mutability, detail));
        }
        let listed = match value {
            Some(Value::Array(listed)) => listed,
            Some(one) => vec![one],
            None => Vec::new(),
        };
        for urn in &listed {
            let urn = urn
                .as_str()
                .ok_or_else(|| invalid("`schemas` is not an array of strings"))?;
            let core = self.kind.schema().as_str().eq_ignore_ascii_case(urn);
            let mut extensions = self.kind.extensions().iter();
            let known = core || extensions.any(|e| e.urn().as_str().eq_ignore_ascii_case(urn));
            if !known && !self.leeway.allow(Quirk::AnySchemas) {
                let urn = excerpt(urn);
                let kind = self.kind.name();
                let problem = invalid(format!("`{urn}` is not a schema of {kind}"));
                return Err(problem.with_quirk(Quirk::AnySchemas));
            }
        }
        Ok(())
    }

    pub(crate) fn push(&mut self, action: Action) {
        let number = self.number;
        self.steps.push(Step { action, number });
    }

    pub(crate) fn check_writable(&self, attr: &Attr) -> Result<(), RequestError> {
        if is_read_only(attr) {
            Err(read_only(attr))
        } else {
            Ok(())
        }
    }
}

pub(crate) fn is_read_only(attr: &Attr) -> bool {
    attr.definition().mutability == Mutability::ReadOnly
}

impl<'a> Selection<'a> {
    /// Selects one sub-attribute of every element.
    fn all(attr: &'a Attr, sub: &'a Attr) -> Self {
        let which = Predicate::All(Vec::new());
        Selection {
            attr,
            seed: Some(Map::new()),
            sub: Some(sub),
            which,
        }
    }
}
