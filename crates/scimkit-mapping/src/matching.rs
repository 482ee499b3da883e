//! By what a host's record is recognised.

use std::sync::Arc;

use scimkit_filter::Path;
use serde_json::Value;

use scimkit_registry::{
    AttrId, Change, Error, ErrorKind, Meter, Operator, Predicate, ResourceType, Role, Scalar,
    Target, Tolerance,
};

/// The matching attributes of a resource type: what a created resource and one that is there
/// already have in common when they are the same.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use scimkit_mapping::Matching;
/// use scimkit_registry::{Change, Meter, Registry, Tolerance, View};
/// use serde_json::json;
///
/// let registry = Registry::standard();
/// let user = registry.by_name("User").unwrap();
/// let matching = Matching::of(user, &["userName", r#"emails[type eq "work"].value"#])?;
/// let body = |name| json!({"userName": name, "emails": [{"type": "work", "value": "b@x.org"}]});
/// let admit = |name| user.admit(body(name), &Tolerance::DEFAULT);
/// let predicate = matching.predicate(&Change::create(Arc::clone(user), admit("babs")?)).unwrap();
/// let (same, meter) = (admit("bjensen")?, Meter::unlimited());
/// assert_eq!(user.matches(&predicate, View::of(&same), &meter), Ok(true)); // by the e-mail
///
/// let nothing = user.admit(json!({"title": "Dr"}), &Tolerance::DEFAULT)?;
/// assert_eq!(matching.predicate(&Change::create(Arc::clone(user), nothing)), None);
/// assert!(Matching::of(user, &["password"]).is_err());
/// # Ok::<(), scimkit_registry::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Matching {
    kind: Arc<ResourceType>,
    paths: Vec<String>,
    // INVARIANT: each names a simple attribute, or a simple part of a value.
    targets: Vec<Target>,
}

impl Matching {
    /// Matching by any of these paths.
    ///
    /// # Errors
    /// `invalidPath` for a path that can't be read, names no attribute, or names what can't be
    /// filtered on: what is never returned, computed, or complex without a `value`.
    pub fn of<P: AsRef<str>>(kind: &Arc<ResourceType>, paths: &[P]) -> Result<Self, Error> {
        let mut targets = Vec::with_capacity(paths.len());
        for text in paths {
            let text = text.as_ref();
            let path = Path::parse(text)
                .map_err(|e| Error::new(ErrorKind::Path, format!("`{text}` can't be read: {e}")))?;
            targets.push(comparable(
                kind,
                kind.bind_path(&path, &Tolerance::STRICT)?,
                text,
            )?);
        }
        Ok(Matching {
            kind: Arc::clone(kind),
            paths: paths.iter().map(|path| path.as_ref().to_owned()).collect(),
            targets,
        })
    }

    /// Matching by `userName`, where the type has one, else by nothing.
    #[must_use]
    pub fn usual(kind: &Arc<ResourceType>) -> Self {
        Matching::of(kind, &["userName"]).unwrap_or_else(|_| Matching {
            kind: Arc::clone(kind),
            paths: Vec::new(),
            targets: Vec::new(),
        })
    }

    /// The paths, as given.
    #[must_use]
    pub fn paths(&self) -> &[String] {
        &self.paths
    }

    /// "Any matching attribute is equal to the value that the change sets"; `None` when it sets
    /// none of them.
    #[must_use]
    pub fn predicate(&self, change: &Change) -> Option<Predicate> {
        let mut any = Vec::new();
        for target in &self.targets {
            match target {
                Target::Attribute(id) => self.attribute(change, *id, &mut any),
                Target::Elements {
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
                Target::Elements { .. } | Target::Extension(_) => {}
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

    /// A comparison with each value that is one.
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

/// What a path names, down to a simple attribute that a filter may ask for.
fn comparable(kind: &ResourceType, target: Target, text: &str) -> Result<Target, Error> {
    let down = |id: AttrId| match kind.attr(id).is_complex() {
        true => kind.child_named(id, "value"),
        false => Some(id),
    };
    let complex = || {
        Error::new(
            ErrorKind::Path,
            format!("`{text}` is complex: name one of its sub-attributes"),
        )
    };
    let (target, id) = match target {
        Target::Attribute(id) => {
            let id = down(id).ok_or_else(complex)?;
            (Target::Attribute(id), id)
        }
        Target::Elements { attr, which, sub } => {
            let sub = sub.or_else(|| down(attr)).ok_or_else(complex)?;
            (
                Target::Elements {
                    attr,
                    which,
                    sub: Some(sub),
                },
                sub,
            )
        }
        Target::Extension(_) => return Err(complex()),
    };
    let attr = kind.attr(id);
    if attr.is_never_returned() || kind.is_computed(id) || attr.role() == Role::Schemas {
        return Err(Error::new(
            ErrorKind::Path,
            format!("`{text}` can't be matched by: no filter may ask for it, or no client sets it"),
        ));
    }
    Ok(target)
}

fn value(change: &Change, id: AttrId) -> Option<&Value> {
    change
        .set()
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
