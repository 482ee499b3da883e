//! The one evaluation walk over a [`Predicate`].

use std::{borrow::Cow, cmp::Ordering};

use serde_json::{Map, Value};

use crate::{
    Attr, AttrId, Budget, Exhausted, Meter, Operator, Predicate, Resource, ResourceType, Scalar,
    fold,
};

/// A resource as a predicate sees it: its document, and beside it what the document does not hold.
///
/// # Example
/// ```
/// use scimkit_filter::Filter;
/// use scimkit_registry::{Budget, Registry, Tolerance, View};
/// use serde_json::json;
///
/// let registry = Registry::standard();
/// let group = registry.by_name("Group").unwrap();
/// let staff = group.admit(json!({"displayName": "Staff"}), &Tolerance::DEFAULT)?;
/// let filter = Filter::parse(r#"members.value eq "42""#).unwrap();
/// let predicate = group.bind_filter(&filter, &Tolerance::DEFAULT)?;
///
/// let members = json!({"members": [{"value": "42", "type": "User"}]});
/// let members = View::with(&staff, members.as_object().unwrap());
/// let budget = Budget::new(1_000);
/// assert_eq!(group.matches(&predicate, members, &budget.meter()), Ok(true));
/// assert_eq!(group.matches(&predicate, View::of(&staff), &budget.meter()), Ok(false));
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
    /// Each term costs a comparison, each element that it looks at another one, and each text its
    /// bytes. A predicate bound by another type asks nonsense, but harms nothing.
    ///
    /// # Errors
    /// The budget ran out: nothing is known of the resource.
    ///
    /// # Example
    /// See [`View`].
    ///
    /// [RFC 7644 section 3.4.2.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.2)
    pub fn matches(
        &self,
        predicate: &Predicate,
        view: View<'_>,
        meter: &Meter<'_>,
    ) -> Result<bool, Exhausted> {
        Eval {
            kind: self,
            meter,
            place: Place::Resource(view),
        }
        .holds(predicate)
    }

    /// Whether one element of an attribute satisfies a predicate over its sub-attributes, or over the
    /// element itself where it is a simple value.
    ///
    /// # Errors
    /// The budget ran out: nothing is known of the element.
    pub fn element_matches(
        &self,
        predicate: &Predicate,
        element: &Value,
        meter: &Meter<'_>,
    ) -> Result<bool, Exhausted> {
        Eval {
            kind: self,
            meter,
            place: Place::Element(element),
        }
        .holds(predicate)
    }

    /// What the resource is sorted by: of several values the primary or else the first one.
    ///
    /// `None` sorts last in ascending order; a complex attribute has no sort key. A key costs a
    /// comparison for each element that is looked at, and its bytes.
    ///
    /// # Errors
    /// The budget ran out.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::{Meter, Registry, Scalar, Tolerance, View};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.by_name("User").unwrap();
    /// let emails = json!([{"value": "a@x.org"}, {"value": "B@x.org", "primary": true}]);
    /// let bjensen = user.admit(json!({"emails": emails}), &Tolerance::DEFAULT)?;
    /// let meter = Meter::unlimited();
    /// let key = |path| user.sort_key(user.named(path).unwrap(), View::of(&bjensen), &meter);
    /// assert_eq!(key("emails.value"), Ok(Some(Scalar::Text("b@x.org".into()))));
    /// assert_eq!(key("title"), Ok(None));
    /// # Ok::<(), scimkit_registry::Error>(())
    /// ```
    ///
    /// [RFC 7644 section 3.4.2.3](https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.3)
    pub fn sort_key(
        &self,
        id: AttrId,
        view: View<'_>,
        meter: &Meter<'_>,
    ) -> Result<Option<Scalar>, Exhausted> {
        let attr = self.attr(id);
        let top = attr.parent().map_or(attr, |p| self.attr(p));
        meter.compare(0)?;
        let Some(mut value) = view.top(self, top) else {
            return Ok(None);
        };
        if let Value::Array(elements) = value {
            meter.charge(Budget::COMPARISON.saturating_mul(elements.len() as u64))?;
            let primary = |e: &&Value| e.get("primary").and_then(Value::as_bool) == Some(true);
            match elements.iter().find(primary).or_else(|| elements.first()) {
                Some(element) => value = element,
                None => return Ok(None),
            }
        }
        if attr.parent().is_some() {
            match value.get(attr.name()) {
                Some(part) => value = part,
                None => return Ok(None),
            }
        }
        meter.charge(reading(attr, value))?;
        Ok(Scalar::of(attr, value))
    }
}

#[derive(Clone, Copy)]
enum Place<'a> {
    Element(&'a Value),
    Resource(View<'a>),
}

struct Eval<'a> {
    kind: &'a ResourceType,
    meter: &'a Meter<'a>,
    place: Place<'a>,
}

/// What a term asks of one value.
#[derive(Clone, Copy)]
enum Test<'a> {
    Always,
    Compare(Operator, &'a Scalar),
    /// A value other than this one.
    Differs(&'a Scalar),
    Present,
}

impl<'a> Eval<'a> {
    fn holds(&self, predicate: &Predicate) -> Result<bool, Exhausted> {
        match predicate {
            Predicate::All(inner) => {
                for predicate in inner {
                    if !self.holds(predicate)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Predicate::Any(inner) => {
                for predicate in inner {
                    if self.holds(predicate)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Predicate::Compare { attr, op, value } => self.compare(*attr, *op, value),
            Predicate::ElementMatches { attr, inner } => {
                self.meter.compare(0)?;
                for element in elements(self.value(self.kind.attr(*attr))) {
                    self.meter.compare(0)?;
                    if self.kind.element_matches(inner, element, self.meter)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Predicate::Never => Ok(false),
            Predicate::Not(inner) => Ok(!self.holds(inner)?),
            Predicate::Present(attr) => self.any(*attr, Test::Present),
        }
    }

    fn compare(&self, id: AttrId, op: Operator, scalar: &Scalar) -> Result<bool, Exhausted> {
        match op {
            Operator::NotEqual => {
                Ok(!self.any(id, Test::Always)? || self.any(id, Test::Differs(scalar))?)
            }
            _ => self.any(id, Test::Compare(op, scalar)),
        }
    }

    /// Whether a value of the attribute, in whatever element, passes the test.
    fn any(&self, id: AttrId, test: Test<'_>) -> Result<bool, Exhausted> {
        self.meter.compare(0)?;
        let attr = self.kind.attr(id);
        let (Some(parent), Place::Resource(view)) = (attr.parent(), self.place) else {
            return self.any_of(attr, self.value(attr), test);
        };
        for element in elements(view.top(self.kind, self.kind.attr(parent))) {
            self.meter.compare(0)?;
            if let Some(value) = element.get(attr.name())
                && self.any_of(attr, Some(value), test)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn any_of(
        &self,
        attr: &Attr,
        value: Option<&Value>,
        test: Test<'_>,
    ) -> Result<bool, Exhausted> {
        for value in elements(value) {
            if let Test::Compare(_, scalar) | Test::Differs(scalar) = test {
                let wanted = match scalar {
                    Scalar::Text(wanted) => wanted.len() as u64,
                    _ => 0,
                };
                self.meter
                    .charge(reading(attr, value).saturating_add(wanted))?;
            }
            let passes = match test {
                Test::Always => true,
                Test::Compare(op, scalar) => compares(attr, op, scalar, value),
                Test::Differs(scalar) => !compares(attr, Operator::Equal, scalar, value),
                Test::Present => is_present(value),
            };
            if passes {
                return Ok(true);
            }
            // The next one is another comparison.
            self.meter.compare(0)?;
        }
        Ok(false)
    }

    fn value(&self, attr: &Attr) -> Option<&'a Value> {
        match self.place {
            Place::Element(Value::Object(members)) => members.get(attr.name()),
            Place::Element(simple) => attr.parent().is_none().then_some(simple),
            Place::Resource(view) => view.top(self.kind, attr),
        }
    }
}

/// What it costs to read a value as it is compared.
fn reading(attr: &Attr, value: &Value) -> u64 {
    // Folding what is not ASCII goes through two normalizations.
    const FOLDING: u64 = 16;
    let Some(text) = value.as_str() else { return 0 };
    let bytes = text.len() as u64;
    match attr.definition().is_case_exact() || text.is_ascii() {
        true => bytes,
        false => bytes.saturating_mul(FOLDING),
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
