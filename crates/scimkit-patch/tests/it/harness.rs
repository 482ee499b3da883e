//! A minimal resource in memory to which changes can be applied.

use std::sync::{Arc, LazyLock};

use scimkit_core::{ErrorResponse as CoreError, message::PatchRequest};
use scimkit_patch::{CurrentState, Patch, RequestError};
use scimkit_registry::{
    AttrEdges, Budget, Change, Edge, EdgeEdit, Registry, RequestErrorKind, Resource, ResourceType,
    Tolerance,
};
use serde_json::{Map, Value};

pub(crate) static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::standard);

pub(crate) fn kind(name: &str) -> &'static Arc<ResourceType> {
    REGISTRY.resource_type(name).unwrap()
}

/// A document and its edges, apart from each other as in a store.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct World {
    pub(crate) document: Resource,
    pub(crate) edges: Vec<AttrEdges>,
}

impl World {
    pub(crate) fn of(kind: &Arc<ResourceType>, body: Value) -> World {
        let admitted = kind.admit(body, &Tolerance::DEFAULT).unwrap();
        let mut world = World {
            document: Resource::default(),
            edges: Vec::new(),
        };
        world.apply(kind, &Change::create(Arc::clone(kind), admitted));
        world
    }

    pub(crate) fn apply(&mut self, kind: &Arc<ResourceType>, change: &Change) {
        assert!(Arc::ptr_eq(kind, change.kind()));
        change.apply(&mut self.document);
        for edit in change.edge_changes() {
            let at = self.edges.iter().position(|list| list.attr == edit.attr);
            let at = at.unwrap_or_else(|| {
                self.edges.push(AttrEdges {
                    attr: edit.attr,
                    edges: Vec::new(),
                });
                self.edges.len() - 1
            });
            let edges = &mut self.edges[at].edges;
            match &edit.edit {
                EdgeEdit::Delta { add, remove } => {
                    edges.retain(|edge| !remove.contains(&edge.id));
                    for edge in add {
                        if !edges.iter().any(|known| known.id == edge.id) {
                            edges.push(edge.clone());
                        }
                    }
                }
                EdgeEdit::Replace(new) => *edges = new.clone(),
            }
        }
        self.edges.retain(|list| !list.edges.is_empty());
    }

    /// Returns the representation for a client.
    pub(crate) fn shown(&self, kind: &ResourceType) -> Value {
        let mut shown = self.document.as_map().clone();
        for AttrEdges { attr, edges } in &self.edges {
            let member = |edge: &Edge| {
                let mut member = Map::new();
                member.insert("value".to_owned(), edge.id.as_str().into());
                if let Some(kind) = &edge.kind {
                    member.insert("type".to_owned(), (**kind).into());
                }
                Value::Object(member)
            };
            let edges = edges.iter().map(member).collect();
            shown.insert(kind.attr(*attr).name().to_owned(), Value::Array(edges));
        }
        Value::Object(shown)
    }
}

/// Decodes and applies a PATCH body, with only the parts of the resource that the patch requires.
pub(crate) fn patch(
    kind: &Arc<ResourceType>,
    id: &str,
    before: &World,
    body: Value,
    t: &Tolerance,
) -> Result<Change, Rejected> {
    let request = PatchRequest::from_value(body, 1_000)?;
    let patch = Patch::decode(kind, request, Default::default(), t)?;
    let needs = patch.needs();
    let empty = Resource::default();
    let document = if needs.document {
        &before.document
    } else {
        &empty
    };
    let wanted = |attr: &scimkit_registry::AttrId| needs.edges.contains(attr);
    let edges: Vec<_> = before
        .edges
        .iter()
        .filter(|list| wanted(&list.attr))
        .cloned()
        .collect();
    let given = CurrentState {
        document,
        edges: &edges,
    };
    let change = patch.apply(&id.into(), &given, t, &Budget::unlimited())?;
    let again = patch.apply(&id.into(), &given, t, &Budget::unlimited())?;
    assert_eq!(
        change.entries().collect::<Vec<_>>(),
        again.entries().collect::<Vec<_>>()
    );
    assert_eq!(
        change.edge_changes(),
        again.edge_changes(),
        "a patch can be applied again"
    );
    Ok(change)
}

/// The reason why a PATCH was rejected: its `scimType` and detail.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rejected {
    pub(crate) scim_type: String,
    pub(crate) detail: String,
}

impl From<CoreError> for Rejected {
    fn from(error: CoreError) -> Self {
        let scim_type = error.scim_type.map_or("", |t| t.as_str()).to_owned();
        Rejected {
            scim_type,
            detail: error.detail,
        }
    }
}

impl From<RequestError> for Rejected {
    fn from(error: RequestError) -> Self {
        let scim_type = match error.kind() {
            RequestErrorKind::Filter => "invalidFilter",
            RequestErrorKind::Mutability => "mutability",
            RequestErrorKind::NoTarget => "noTarget",
            RequestErrorKind::Path => "invalidPath",
            RequestErrorKind::Syntax => "invalidSyntax",
            RequestErrorKind::Value => "invalidValue",
            other => panic!("{other:?} has no scimType here"),
        };
        Rejected {
            scim_type: scim_type.to_owned(),
            detail: error.detail().to_owned(),
        }
    }
}

/// Returns the value in a form that is equal for two representations of one state: without the order of elements,
/// `id`, `meta` and the parts computed from edges.
pub(crate) fn state(value: &Value) -> Value {
    let mut value = value.clone();
    for member in value
        .get_mut("members")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        let member = member.as_object_mut().unwrap();
        member.remove("display");
        member.remove("type");
    }
    let mut value = clean(&value);
    if let Some(schemas) = value.get_mut("schemas").and_then(Value::as_array_mut) {
        for urn in schemas.iter_mut() {
            *urn = urn.as_str().unwrap_or_default().to_lowercase().into();
        }
        schemas.sort_by_key(Value::to_string);
    }
    value
}

fn clean(value: &Value) -> Value {
    match value {
        Value::Array(elements) => {
            let mut elements: Vec<Value> = elements.iter().map(clean).collect();
            elements.sort_by_key(Value::to_string);
            Value::Array(elements)
        }
        Value::Object(members) => {
            let assigned = members.iter().filter(|(name, value)| {
                let made = matches!(name.as_str(), "id" | "meta" | "$ref");
                let empty = value.is_null()
                    || value.as_array().is_some_and(Vec::is_empty)
                    || value.as_object().is_some_and(Map::is_empty);
                !made && !empty
            });
            Value::Object(
                assigned
                    .map(|(name, value)| (name.clone(), clean(value)))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}
