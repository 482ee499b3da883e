//! The only evaluation of a [`Predicate`].

use std::{borrow::Cow, cmp::Ordering};

use serde_json::{Map, Value};

use crate::{
    Attr, AttrId, AttrValues, Exhausted, Meter, Operator, Predicate, Resource, ResourceType,
    Scalar, fold_case, node::Node, scan,
};

/// The input of an evaluation: a document, and the computed attributes next to it.
///
/// # Example
/// ```
/// use scimkit_filter::Filter;
/// use scimkit_registry::{Budget, Registry, Tolerance, ResourceView};
/// use serde_json::json;
///
/// let registry = Registry::standard();
/// let group = registry.resource_type("Group").unwrap();
/// let staff = group.admit(json!({"displayName": "Staff"}), &Tolerance::DEFAULT)?;
/// let filter = Filter::parse(r#"members.value eq "42""#).unwrap();
/// let predicate = group.bind_filter(&filter, &Tolerance::DEFAULT)?;
///
/// let members = json!({"members": [{"value": "42", "type": "User"}]});
/// let members = ResourceView::with(&staff, members.as_object().unwrap());
/// let budget = Budget::new(1_000);
/// assert_eq!(group.matches(&predicate, members, &budget.meter()), Ok(true));
/// assert_eq!(group.matches(&predicate, ResourceView::new(&staff), &budget.meter()), Ok(false));
/// # Ok::<(), scimkit_registry::RequestError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ResourceView<'a> {
    computed: Option<&'a Map<String, Value>>,
    source: Source<'a>,
}

/// The source of the values of a document.
#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    Tree(&'a Resource),
    Values(&'a AttrValues<'a>),
}

impl<'a> ResourceView<'a> {
    /// Creates a view of a tree alone: `id`, `meta` and edges count as unassigned.
    #[must_use]
    pub fn new(document: &'a Resource) -> Self {
        ResourceView {
            computed: None,
            source: Source::Tree(document),
        }
    }

    /// Creates a view of the attributes that were read from a document. All others count as unassigned.
    #[must_use]
    pub fn of_values(values: &'a AttrValues<'_>) -> Self {
        ResourceView {
            computed: None,
            source: Source::Values(values),
        }
    }

    /// Creates a view of a tree with top-level attributes that take precedence over its own: `id`, `meta`,
    /// memberships, and completed references.
    #[must_use]
    pub fn with(document: &'a Resource, computed: &'a Map<String, Value>) -> Self {
        ResourceView::new(document).with_computed(Some(computed))
    }

    /// Sets the computed attributes, which take precedence over the document's own.
    #[must_use]
    pub fn with_computed(mut self, computed: Option<&'a Map<String, Value>>) -> Self {
        self.computed = computed;
        self
    }

    fn top(self, kind: &ResourceType, attr: &Attr) -> Option<Node<'a>> {
        let computed = self.computed.and_then(|computed| match attr.extension() {
            None => computed.get(attr.name()),
            // Computed attributes of an extension have their full path as name.
            Some(_) => computed.get(attr.path()),
        });
        if let Some(computed) = computed {
            return Some(Node::Tree(computed));
        }
        match self.source {
            Source::Tree(tree) => tree
                .holder(kind, attr.extension())?
                .get(attr.name())
                .map(Node::Tree),
            Source::Values(values) => values.node(attr.id()),
        }
    }
}

impl ResourceType {
    /// Returns whether the resource satisfies the predicate.
    ///
    /// Each term costs a comparison, each examined element another one, and each text its bytes. The result for a
    /// predicate of another type is meaningless, but harmless.
    ///
    /// # Errors
    /// The budget ran out: the result is unknown.
    ///
    /// # Example
    /// See [`ResourceView`].
    ///
    /// [RFC 7644 section 3.4.2.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.2)
    pub fn matches(
        &self,
        predicate: &Predicate,
        view: ResourceView<'_>,
        meter: &Meter<'_>,
    ) -> Result<bool, Exhausted> {
        Eval {
            kind: self,
            meter,
            place: Place::Resource(view),
        }
        .holds(predicate)
    }

    /// Returns whether one element of an attribute satisfies a predicate over its sub-attributes, or over the element
    /// itself if it is a simple value.
    ///
    /// # Errors
    /// The budget ran out: the result is unknown.
    pub fn element_matches(
        &self,
        predicate: &Predicate,
        element: &Value,
        meter: &Meter<'_>,
    ) -> Result<bool, Exhausted> {
        Eval {
            kind: self,
            meter,
            place: Place::Element(Node::Tree(element)),
        }
        .holds(predicate)
    }

    /// Returns the sort key of the resource: of several values the primary one, otherwise the first.
    ///
    /// `None` sorts last in ascending order; a complex attribute has no sort key. A key costs a comparison per
    /// examined element, and its bytes.
    ///
    /// # Errors
    /// The budget ran out.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::{Meter, Registry, Scalar, Tolerance, ResourceView};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let emails = json!([{"value": "a@x.org"}, {"value": "B@x.org", "primary": true}]);
    /// let bjensen = user.admit(json!({"emails": emails}), &Tolerance::DEFAULT)?;
    /// let meter = Meter::unlimited();
    /// let key = |path| user.sort_key(user.attribute_id(path).unwrap(), ResourceView::new(&bjensen), &meter);
    /// assert_eq!(key("emails.value"), Ok(Some(Scalar::Text("b@x.org".into()))));
    /// assert_eq!(key("title"), Ok(None));
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    ///
    /// [RFC 7644 section 3.4.2.3](https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.3)
    pub fn sort_key(
        &self,
        id: AttrId,
        view: ResourceView<'_>,
        meter: &Meter<'_>,
    ) -> Result<Option<Scalar>, Exhausted> {
        let attr = self.attr(id);
        let top = attr.parent().map_or(attr, |p| self.attr(p));
        meter.compare(0)?;
        let Some(mut value) = view.top(self, top) else {
            return Ok(None);
        };
        if value.is_array() {
            let mut first = None;
            for element in value.elements() {
                meter.compare(0)?;
                if element.get("primary").is_some_and(Node::is_true) {
                    first = Some(element);
                    break;
                }
                first = first.or(Some(element));
            }
            match first {
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
        meter.charge(value.string().map_or(0, |text| reading(attr, &text)))?;
        Ok(value.scalar(attr))
    }
}

#[derive(Clone, Copy)]
enum Place<'a> {
    Element(Node<'a>),
    Resource(ResourceView<'a>),
}

#[derive(Clone, Copy)]
struct Eval<'a> {
    kind: &'a ResourceType,
    meter: &'a Meter<'a>,
    place: Place<'a>,
}

/// The test of a term for one value.
#[derive(Clone, Copy)]
enum Test<'a> {
    Always,
    Compare(Operator, &'a Scalar),
    /// The value differs from this one.
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
                let value = self.value(self.kind.attr(*attr));
                for element in value.into_iter().flat_map(Node::elements) {
                    self.meter.compare(element.units())?;
                    if self.holds_in(element, inner)? {
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

    /// Returns whether an element satisfies a predicate, whose terms find the members of the element together.
    fn holds_in(&self, element: Node<'_>, inner: &Predicate) -> Result<bool, Exhausted> {
        let has_terms = matches!(inner, Predicate::All(_) | Predicate::Any(_));
        let members: Vec<_> = match element {
            Node::Text(text) if has_terms && element.is_object() => {
                scan::Members::of(text).collect()
            }
            _ => Vec::new(),
        };
        let element = if members.is_empty() {
            element
        } else {
            Node::Members(&members)
        };
        let place = Place::Element(element);
        (Eval { place, ..*self }).holds(inner)
    }

    fn compare(&self, id: AttrId, op: Operator, scalar: &Scalar) -> Result<bool, Exhausted> {
        match op {
            Operator::NotEqual => {
                Ok(!self.any(id, Test::Always)? || self.any(id, Test::Differs(scalar))?)
            }
            _ => self.any(id, Test::Compare(op, scalar)),
        }
    }

    /// Returns whether a value of the attribute, in any element, passes the test.
    fn any(&self, id: AttrId, test: Test<'_>) -> Result<bool, Exhausted> {
        self.meter.compare(0)?;
        let attr = self.kind.attr(id);
        let (Some(parent), Place::Resource(view)) = (attr.parent(), self.place) else {
            return self.any_of(attr, self.value(attr), test);
        };
        let whole = view.top(self.kind, self.kind.attr(parent));
        for element in whole.into_iter().flat_map(Node::elements) {
            self.meter.compare(element.units())?;
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
        value: Option<Node<'_>>,
        test: Test<'_>,
    ) -> Result<bool, Exhausted> {
        for value in value.into_iter().flat_map(Node::elements) {
            let passes = match test {
                Test::Always => true,
                Test::Compare(op, scalar) => self.compares((attr, op, scalar), value)?,
                Test::Differs(scalar) => !self.compares((attr, Operator::Equal, scalar), value)?,
                Test::Present => value.is_present(),
            };
            if passes {
                return Ok(true);
            }
            // The next one is another comparison.
            self.meter.compare(0)?;
        }
        Ok(false)
    }

    fn compares(
        &self,
        (attr, op, scalar): (&Attr, Operator, &Scalar),
        value: Node<'_>,
    ) -> Result<bool, Exhausted> {
        let text = value.string();
        let units = text.as_deref().map_or(0, |text| reading(attr, text));
        match (scalar, text) {
            (Scalar::Text(wanted), text) => {
                self.meter
                    .charge(units.saturating_add(wanted.len() as u64))?;
                let is_exact = attr.definition().is_case_exact();
                Ok(text.is_some_and(|text| compare_text(is_exact, op, wanted, &text)))
            }
            _ => {
                self.meter.charge(units)?;
                let value = value.scalar(attr);
                Ok(value.is_some_and(|value| ordered(op, value.cmp(scalar))))
            }
        }
    }

    fn value(&self, attr: &Attr) -> Option<Node<'a>> {
        match self.place {
            Place::Element(element) => match element.get(attr.name()) {
                None if attr.parent().is_none() && !element.is_object() => Some(element),
                found => found,
            },
            Place::Resource(view) => view.top(self.kind, attr),
        }
    }
}

/// Returns the units for reading a text for a comparison.
fn reading(attr: &Attr, text: &str) -> u64 {
    // Folding of text that is not ASCII includes two normalizations.
    const FOLDING: u64 = 16;
    let bytes = text.len() as u64;
    if attr.definition().is_case_exact() || text.is_ascii() {
        bytes
    } else {
        bytes.saturating_mul(FOLDING)
    }
}

fn compare_text(case_exact: bool, op: Operator, wanted: &str, text: &str) -> bool {
    if op == Operator::Equal && !case_exact && wanted.is_ascii() && text.is_ascii() {
        return text.eq_ignore_ascii_case(wanted);
    }
    let text = if case_exact {
        Cow::Borrowed(text)
    } else {
        fold_case(text)
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
        // Parts of text are compared above.
        Operator::Contains | Operator::EndsWith | Operator::StartsWith => false,
    }
}
