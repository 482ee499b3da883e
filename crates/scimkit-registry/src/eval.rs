//! The one evaluation walk over a [`Predicate`].

use std::{borrow::Cow, cmp::Ordering};

use serde_json::{Map, Value};

use crate::{Attr, AttrId, Operator, Predicate, Resource, ResourceType, Scalar, fold};

/// A resource as a predicate sees it: its document, and beside it what the document does not hold.
///
/// # Example
/// ```
/// use scimkit_filter::Filter;
/// use scimkit_registry::{Registry, Tolerance, View};
/// use serde_json::json;
///
/// let registry = Registry::standard();
/// let group = registry.by_name("Group").unwrap();
/// let staff = group.admit(json!({"displayName": "Staff"}), &Tolerance::DEFAULT)?;
/// let filter = Filter::parse(r#"members.value eq "42""#).unwrap();
/// let predicate = group.bind_filter(&filter, &Tolerance::DEFAULT)?;
///
/// let members = json!({"members": [{"value": "42", "type": "User"}]});
/// assert!(group.matches(&predicate, View::with(&staff, members.as_object().unwrap())));
/// assert!(!group.matches(&predicate, View::of(&staff)));
/// # Ok::<(), scimkit_registry::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    computed: Option<&'a Map<String, Value>>,
    document: &'a Resource,
}

impl<'a> View<'a> {
    /// A document alone: `id`, `meta` and edges count as unassigned.
    #[must_use]
    pub fn of(document: &'a Resource) -> Self {
        View {
            computed: None,
            document,
        }
    }

    /// A document with top-level attributes that take precedence over its own: `id`, `meta`,
    /// memberships, and references filled in.
    #[must_use]
    pub fn with(document: &'a Resource, computed: &'a Map<String, Value>) -> Self {
        View {
            computed: Some(computed),
            document,
        }
    }

    fn top(self, kind: &ResourceType, attr: &Attr) -> Option<&'a Value> {
        let computed = self.computed.and_then(|computed| match attr.extension() {
            None => computed.get(attr.name()),
            // Extension attributes are computed under their full path.
            Some(_) => computed.get(attr.path()),
        });
        computed.or_else(|| {
            self.document
                .holder(kind, attr.extension())?
                .get(attr.name())
        })
    }
}

impl ResourceType {
    /// Whether the resource satisfies the predicate.
    ///
    /// A predicate bound by another type asks nonsense, but harms nothing.
    ///
    /// # Example
    /// See [`View`].
    ///
    /// [RFC 7644 section 3.4.2.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.2)
    #[must_use]
    pub fn matches(&self, predicate: &Predicate, view: View<'_>) -> bool {
        Eval {
            kind: self,
            place: Place::Resource(view),
        }
        .holds(predicate)
    }

    /// Whether one element of a complex attribute satisfies a predicate over its sub-attributes.
    #[must_use]
    pub fn element_matches(&self, predicate: &Predicate, element: &Value) -> bool {
        let Some(element) = element.as_object() else {
            return false;
        };
        Eval {
            kind: self,
            place: Place::Element(element),
        }
        .holds(predicate)
    }

    /// What the resource is sorted by: of several values the primary or else the first one.
    ///
    /// `None` sorts last in ascending order; a complex attribute has no sort key.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::{Registry, Scalar, Tolerance, View};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.by_name("User").unwrap();
    /// let emails = json!([{"value": "a@x.org"}, {"value": "B@x.org", "primary": true}]);
    /// let bjensen = user.admit(json!({"emails": emails}), &Tolerance::DEFAULT)?;
    /// let key = |path| user.sort_key(user.named(path).unwrap(), View::of(&bjensen));
    /// assert_eq!(key("emails.value"), Some(Scalar::Text("b@x.org".into())));
    /// assert_eq!(key("title"), None);
    /// # Ok::<(), scimkit_registry::Error>(())
    /// ```
    ///
    /// [RFC 7644 section 3.4.2.3](https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.3)
    #[must_use]
    pub fn sort_key(&self, id: AttrId, view: View<'_>) -> Option<Scalar> {
        let attr = self.attr(id);
        let top = attr.parent().map_or(attr, |p| self.attr(p));
        let value = view.top(self, top)?;
        let element = match value {
            Value::Array(elements) => {
                let primary = |e: &&Value| e.get("primary").and_then(Value::as_bool) == Some(true);
                elements.iter().find(primary).or_else(|| elements.first())?
            }
            other => other,
        };
        match attr.parent() {
            None => Scalar::of(attr, element),
            Some(_) => Scalar::of(attr, element.get(attr.name())?),
        }
    }
}

#[derive(Clone, Copy)]
enum Place<'a> {
    Element(&'a Map<String, Value>),
    Resource(View<'a>),
}

struct Eval<'a> {
    kind: &'a ResourceType,
    place: Place<'a>,
}

impl<'a> Eval<'a> {
    fn holds(&self, predicate: &Predicate) -> bool {
        match predicate {
            Predicate::All(inner) => inner.iter().all(|p| self.holds(p)),
            Predicate::Any(inner) => inner.iter().any(|p| self.holds(p)),
            Predicate::Compare { attr, op, value } => self.compare(*attr, *op, value),
            Predicate::ElementMatches { attr, inner } => {
                elements(self.value(self.kind.attr(*attr)))
                    .any(|element| self.kind.element_matches(inner, element))
            }
            Predicate::Never => false,
            Predicate::Not(inner) => !self.holds(inner),
            Predicate::Present(attr) => self.any(*attr, is_present),
        }
    }

    fn compare(&self, id: AttrId, op: Operator, scalar: &Scalar) -> bool {
        let attr = self.kind.attr(id);
        if op == Operator::NotEqual {
            let equal = |v: &Value| compares(attr, Operator::Equal, scalar, v);
            return !self.any(id, |_| true) || self.any(id, |v| !equal(v));
        }
        self.any(id, |v| compares(attr, op, scalar, v))
    }

    /// Whether a value of the attribute, in whatever element, passes the test.
    fn any(&self, id: AttrId, test: impl Fn(&Value) -> bool) -> bool {
        let attr = self.kind.attr(id);
        match (attr.parent(), self.place) {
            (Some(parent), Place::Resource(view)) => {
                elements(view.top(self.kind, self.kind.attr(parent)))
                    .filter_map(|element| element.get(attr.name()))
                    .any(|value| elements(Some(value)).any(&test))
            }
            _ => elements(self.value(attr)).any(test),
        }
    }

    fn value(&self, attr: &Attr) -> Option<&'a Value> {
        match self.place {
            Place::Element(element) => element.get(attr.name()),
            Place::Resource(view) => view.top(self.kind, attr),
        }
    }
}

/// The elements of an array, or the one value.
fn elements(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let (one, many) = match value {
        Some(Value::Array(elements)) => (None, elements.as_slice()),
        other => (other, [].as_slice()),
    };
    one.into_iter().chain(many)
}

fn is_present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => elements.iter().any(is_present),
        Value::Object(members) => members.values().any(is_present),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

fn compares(attr: &Attr, op: Operator, scalar: &Scalar, value: &Value) -> bool {
    match (scalar, value) {
        (Scalar::Text(wanted), Value::String(text)) => {
            compare_text(attr.definition().is_case_exact(), op, wanted, text)
        }
        _ => Scalar::of(attr, value).is_some_and(|value| ordered(op, value.cmp(scalar))),
    }
}

fn compare_text(case_exact: bool, op: Operator, wanted: &str, text: &str) -> bool {
    if op == Operator::Equal && !case_exact && wanted.is_ascii() && text.is_ascii() {
        return text.eq_ignore_ascii_case(wanted);
    }
    let text = if case_exact {
        Cow::Borrowed(text)
    } else {
        fold(text)
    };
    match op {
        Operator::Contains => text.contains(wanted),
        Operator::EndsWith => text.ends_with(wanted),
        Operator::StartsWith => text.starts_with(wanted),
        _ => ordered(op, text.as_ref().cmp(wanted)),
    }
}

fn ordered(op: Operator, ordering: Ordering) -> bool {
    match op {
        Operator::Equal => ordering.is_eq(),
        Operator::GreaterOrEqual => ordering.is_ge(),
        Operator::GreaterThan => ordering.is_gt(),
        Operator::LessOrEqual => ordering.is_le(),
        Operator::LessThan => ordering.is_lt(),
        Operator::NotEqual => ordering.is_ne(),
        // Of parts of text, for which see above.
        Operator::Contains | Operator::EndsWith | Operator::StartsWith => false,
    }
}
