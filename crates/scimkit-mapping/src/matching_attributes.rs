//! The attributes that find an existing resource.

use std::sync::Arc;

use scimkit_core::excerpt;
use scimkit_filter::Path;
use scimkit_registry::{
    AttrId, AttributeRole, Change, Meter, Operator, PathTarget, Predicate, RequestError,
    RequestErrorKind, ResourceType, Scalar, Tolerance,
};
use serde_json::Value;

/// The matching attributes of a resource type: they find the existing resource when an identity provider
/// creates one.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use scimkit_mapping::MatchingAttributes;
/// use scimkit_registry::{Change, Meter, Registry, Tolerance, ResourceView};
/// use serde_json::json;
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let matching = MatchingAttributes::new(user, &["userName", r#"emails[type eq "work"].value"#])?;
/// let body = |name| json!({"userName": name, "emails": [{"type": "work", "value": "b@x.org"}]});
/// let admit = |name| user.admit(body(name), &Tolerance::DEFAULT);
/// let predicate = matching.predicate(&Change::create(Arc::clone(user), admit("babs")?)).unwrap();
/// let (same, meter) = (admit("bjensen")?, Meter::unlimited());
/// assert_eq!(user.matches(&predicate, ResourceView::new(&same), &meter), Ok(true)); // by the email
///
/// let nothing = user.admit(json!({"title": "Dr"}), &Tolerance::DEFAULT)?;
/// assert_eq!(matching.predicate(&Change::create(Arc::clone(user), nothing)), None);
/// assert!(MatchingAttributes::new(user, &["password"]).is_err());
/// # Ok::<(), scimkit_registry::RequestError>(())
/// ```
#[derive(Debug, Clone)]
pub struct MatchingAttributes {
    kind: Arc<ResourceType>,
    paths: Vec<String>,
    // INVARIANT: each is a simple attribute or a simple sub-attribute.
    targets: Vec<PathTarget>,
}

impl MatchingAttributes {
    /// Returns the matching attributes at these paths: a resource matches if any of them is equal.
    ///
    /// # Errors
    /// `invalidPath` for an invalid path, an unknown attribute, and an attribute that can't be filtered
    /// on: one that is never returned, computed, or complex without a `value`.
    pub fn new<P: AsRef<str>>(kind: &Arc<ResourceType>, paths: &[P]) -> Result<Self, RequestError> {
        let mut targets = Vec::with_capacity(paths.len());
        for text in paths {
            let text = text.as_ref();
            let path = Path::parse(text).map_err(|e| {
                RequestError::new(
                    RequestErrorKind::Path,
                    format!("invalid path `{}`: {e}", excerpt(text)),
                )
            })?;
            targets.push(comparable(
                kind,
                kind.bind_path(&path, &Tolerance::STRICT)?,
                text,
            )?);
        }
        Ok(MatchingAttributes {
            kind: Arc::clone(kind),
            paths: paths.iter().map(|path| path.as_ref().to_owned()).collect(),
            targets,
        })
    }

    /// Returns `userName` if the type has it, otherwise no attributes.
    #[must_use]
    pub fn default_for(kind: &Arc<ResourceType>) -> Self {
        MatchingAttributes::new(kind, &["userName"]).unwrap_or_else(|_| MatchingAttributes {
            kind: Arc::clone(kind),
            paths: Vec::new(),
            targets: Vec::new(),
        })
    }

    /// Returns the paths as they were given.
    #[must_use]
    pub fn paths(&self) -> &[String] {
        &self.paths
    }

    /// Returns the predicate "any matching attribute is equal to the value that the change sets"; `None`
    /// if the change sets none of them.
    #[must_use]
    pub fn predicate(&self, change: &Change) -> Option<Predicate> {
        let mut any = Vec::new();
        for target in &self.targets {
            match target {
                PathTarget::Attribute(id) => self.attribute(change, *id, &mut any),
                PathTarget::Elements {
                    attr,
                    which,
                    sub: Some(sub),
                } => {
                    let meter = Meter::unlimited();
                    let holds =
                        |e: &&Value| self.kind.element_matches(which, e, &meter) == Ok(true);
                    let elements = elements(value(change, *attr)).iter();
                    for element in elements.filter(holds) {
                        for equal in self.equal(*sub, element.get(self.kind.attr(*sub).name())) {
                            let inner = Box::new(Predicate::All(vec![which.clone(), equal]));
                            any.push(Predicate::ElementMatches { attr: *attr, inner });
                        }
                    }
                }
                PathTarget::Elements { .. } | PathTarget::Extension(_) => {}
            }
        }
        (!any.is_empty()).then_some(Predicate::Any(any))
    }

    fn attribute(&self, change: &Change, id: AttrId, any: &mut Vec<Predicate>) {
        let attr = self.kind.attr(id);
        let many = |id: &AttrId| self.kind.attr(*id).definition().multi_valued;
        match attr.parent().filter(many) {
            None => any.extend(self.equal(id, value(change, id))),
            Some(parent) => {
                for element in elements(value(change, parent)) {
                    any.extend(self.equal(id, element.get(attr.name())));
                }
            }
        }
    }

    /// Returns a comparison with each simple value.
    fn equal(&self, id: AttrId, value: Option<&Value>) -> Vec<Predicate> {
        let attr = self.kind.attr(id);
        let blank = |value: &Value| value.as_str().is_some_and(|text| text.trim().is_empty());
        let scalars = elements(value)
            .iter()
            .filter(|v| !blank(v))
            .filter_map(|v| Scalar::of(attr, v));
        let compare = |value| Predicate::Compare {
            attr: id,
            op: Operator::Equal,
            value,
        };
        scalars.map(compare).collect()
    }
}

/// Returns the target of a path, or of its `value`, if a filter can compare it.
fn comparable(
    kind: &ResourceType,
    target: PathTarget,
    text: &str,
) -> Result<PathTarget, RequestError> {
    let down = |id: AttrId| {
        if kind.attr(id).is_complex() {
            kind.child_named(id, "value")
        } else {
            Some(id)
        }
    };
    let complex = || {
        RequestError::new(
            RequestErrorKind::Path,
            format!("`{text}` is complex: use one of its sub-attributes"),
        )
    };
    let (target, id) = match target {
        PathTarget::Attribute(id) => {
            let id = down(id).ok_or_else(complex)?;
            (PathTarget::Attribute(id), id)
        }
        PathTarget::Elements { attr, which, sub } => {
            let sub = sub.or_else(|| down(attr)).ok_or_else(complex)?;
            (
                PathTarget::Elements {
                    attr,
                    which,
                    sub: Some(sub),
                },
                sub,
            )
        }
        PathTarget::Extension(_) => return Err(complex()),
    };
    let attr = kind.attr(id);
    if attr.is_never_returned() || kind.is_computed(id) || attr.role() == AttributeRole::Schemas {
        return Err(RequestError::new(
            RequestErrorKind::Path,
            format!(
                "`{text}` can't be a matching attribute: it is never returned, or computed by the server"
            ),
        ));
    }
    Ok(target)
}

fn value(change: &Change, id: AttrId) -> Option<&Value> {
    change
        .assignments()
        .iter()
        .find(|(known, _)| *known == id)
        .map(|(_, value)| value)
}

/// The elements of an array, or the one value.
fn elements(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::Array(elements)) => elements,
        Some(one) => std::slice::from_ref(one),
        None => &[],
    }
}
