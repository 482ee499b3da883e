//! Binding: names become attributes, values get the attribute's type and case.

use scimkit_core::{DataType, did_you_mean, excerpt};
use scimkit_filter::{AttributePath, Comparison, Filter, Literal, ParseLimits, Path, ValuePath};

use crate::{
    Attr, AttrId, AttributeRole, Operator, PathTarget, Predicate, Quirk, QuirkPolicy, RequestError,
    RequestErrorKind, ResourceType, Scalar,
    literal::{integer, misfit, scalar},
    read::read_path,
};

impl ResourceType {
    /// Binds a filter to this type: names become attributes, values get the attribute's type and case.
    ///
    /// - A complex attribute without a sub-attribute means its `value`.
    /// - `eq null` means "has no value", `ne null` means "has a value".
    /// - The default of `primary` is `false`, as in the RFC.
    /// - An integer can be compared with any number; no integer is equal to `1.5`.
    ///
    /// # Errors
    /// All are `invalidFilter`:
    /// - an unknown attribute, unless the tolerance ignores it
    /// - a complex attribute that has no `value`
    /// - a value or an operator that does not fit the attribute's type
    /// - an attribute that is never returned, since filters must not reveal it
    /// - the `$ref` of a membership or reference, which is computed from its `value`
    ///
    /// # Example
    /// ```
    /// use scimkit_filter::Filter;
    /// use scimkit_registry::{Registry, Tolerance};
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let bind = |text| user.bind_filter(&Filter::parse(text).unwrap(), &Tolerance::DEFAULT);
    /// assert!(bind(r#"emails[type eq "work" and value co "@example.com"]"#).is_ok());
    /// assert!(bind(r#"password sw "a""#).is_err());
    /// ```
    ///
    /// [RFC 7644 section 3.4.2.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.2)
    pub fn bind_filter(
        &self,
        filter: &Filter<'_>,
        t: &dyn QuirkPolicy,
    ) -> Result<Predicate, RequestError> {
        Binder {
            inside: None,
            kind: self,
            leeway: t,
            unknown: Unknown::ByTolerance,
        }
        .filter(filter)
    }

    /// Returns the attribute at a path, also in an extension if the tolerance accepts names without a URN; `None` if
    /// there is none, or if two extensions have it.
    #[must_use]
    pub fn find(&self, path: &AttributePath<'_>, t: &dyn QuirkPolicy) -> Option<AttrId> {
        self.name_or_extension(
            path.urn.as_deref(),
            &path.name,
            path.sub_attribute.as_deref(),
            t,
        )
    }

    /// Binds a parsed PATCH path to this type.
    ///
    /// A path selects what to change, so unknown names in its filter are rejected whatever the tolerance for filters.
    ///
    /// # Errors
    /// - the schemas do not have a name, or the filter is on a simple attribute, unless that is multi-valued and this
    ///   is tolerated: `invalidPath`
    /// - [`bind_filter`](Self::bind_filter) rejects the filter: `invalidFilter`
    ///
    /// # Example
    /// See [`parse_path`](Self::parse_path).
    ///
    /// [RFC 7644 section 3.5.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.5.2)
    pub fn bind_path(
        &self,
        path: &Path<'_>,
        t: &dyn QuirkPolicy,
    ) -> Result<PathTarget, RequestError> {
        let urn = path.urn.as_deref();
        let unknown = || {
            let urn = path.urn.as_deref().map(Into::into);
            let name = path.name.as_ref().into();
            let sub = path.sub_attribute.as_deref().map(Into::into);
            self.unknown(&AttributePath {
                urn,
                name,
                sub_attribute: sub,
            })
            .of_kind(RequestErrorKind::Path)
        };
        let Some(filter) = &path.filter else {
            let found = self.name_or_extension(urn, &path.name, path.sub_attribute.as_deref(), t);
            return found.map(PathTarget::Attribute).ok_or_else(unknown);
        };
        let attr = self
            .name_or_extension(urn, &path.name, None, t)
            .ok_or_else(unknown)?;
        self.check_brackets(attr, t)
            .map_err(|problem| problem.of_kind(RequestErrorKind::Path))?;
        let binder = Binder {
            inside: Some(attr),
            kind: self,
            leeway: t,
            unknown: Unknown::Rejected,
        };
        let which = binder.filter(filter)?;
        let sub = match path.sub_attribute.as_deref() {
            None => None,
            Some(sub) => Some(self.child_named(attr, sub).ok_or_else(unknown)?),
        };
        Ok(PathTarget::Elements { attr, which, sub })
    }

    /// Parses and binds a PATCH path; the URI of a schema extension alone selects the whole extension.
    ///
    /// # Errors
    /// `invalidPath` if the text does not follow the grammar; otherwise see [`ResourceType::bind_path`].
    ///
    /// # Example
    /// ```
    /// use scimkit_filter::ParseLimits;
    /// use scimkit_registry::{Registry, PathTarget, Tolerance};
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let parse = |text| user.parse_path(text, ParseLimits::default(), &Tolerance::DEFAULT);
    /// let family_name = user.attribute_id("name.familyName").unwrap();
    /// assert_eq!(parse("NAME.familyname")?, PathTarget::Attribute(family_name));
    /// assert!(parse(r#"userName[type eq "work"]"#).is_err());
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    ///
    /// [RFC 7644 section 3.5.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.5.2)
    pub fn parse_path(
        &self,
        text: &str,
        limits: ParseLimits,
        t: &dyn QuirkPolicy,
    ) -> Result<PathTarget, RequestError> {
        if let Some(index) = self.extension_named(text) {
            return Ok(PathTarget::Extension(index));
        }
        self.bind_path(&read_path(text, limits, t)?, t)
    }

    /// Checks that an attribute can have a value filter: a complex one, or if tolerated a multi-valued one of simple
    /// values.
    fn check_brackets(&self, id: AttrId, t: &dyn QuirkPolicy) -> Result<(), RequestError> {
        let attr = self.attr(id);
        if attr.is_complex() {
            return Ok(());
        }
        let problem = RequestError::filter(no_parts(attr));
        if !attr.definition().multi_valued || attr.parent().is_some() {
            return Err(problem);
        }
        if t.allow(Quirk::SimpleValuePaths) {
            return Ok(());
        }
        Err(problem.with_quirk(Quirk::SimpleValuePaths))
    }

    fn name_or_extension(
        &self,
        urn: Option<&str>,
        name: &str,
        sub: Option<&str>,
        t: &dyn QuirkPolicy,
    ) -> Option<AttrId> {
        self.lookup_parts(urn, name, sub).or_else(|| {
            let found = self.lookup_in_extensions(name, sub);
            found.filter(|_| urn.is_none() && t.allow(Quirk::UnqualifiedExtensions))
        })
    }

    fn unknown(&self, path: &AttributePath<'_>) -> RequestError {
        let path_text = path.to_string();
        let kind = self.name();
        let suggestion = did_you_mean(&path_text, self.attributes().iter().map(Attr::path));
        let name = excerpt(&path_text);
        let problem = RequestError::filter(format!(
            "`{name}` is not an attribute of {kind}{suggestion}"
        ));
        let unqualified = path.urn.is_none()
            && self
                .lookup_in_extensions(&path.name, path.sub_attribute.as_deref())
                .is_some();
        if unqualified {
            problem.with_quirk(Quirk::UnqualifiedExtensions)
        } else {
            problem
        }
    }

    fn unknown_sub(&self, attr: AttrId, path: &AttributePath<'_>) -> RequestError {
        let name = path.to_string();
        let children = self.attributes().iter();
        let children = children.filter(|child| child.parent() == Some(attr));
        let suggestion = did_you_mean(&name, children.map(Attr::name));
        let name = excerpt(&name);
        let attr = self.attr(attr).path();
        RequestError::filter(format!(
            "`{name}` is not a sub-attribute of {attr}{suggestion}"
        ))
    }
}

struct Binder<'k> {
    /// The complex attribute whose brackets enclose this filter.
    inside: Option<AttrId>,
    kind: &'k ResourceType,
    leeway: &'k dyn QuirkPolicy,
    unknown: Unknown,
}

/// The handling of a name that the type does not have.
#[derive(Clone, Copy, PartialEq)]
enum Unknown {
    ByTolerance,
    Rejected,
}

impl Binder<'_> {
    // The parser's depth limit bounds the recursion here and in every walk over a predicate.
    fn filter(&self, filter: &Filter<'_>) -> Result<Predicate, RequestError> {
        match filter {
            Filter::And(terms) => self.all(terms).map(Predicate::All),
            Filter::Compare(comparison) => self.compare(comparison),
            Filter::Not(inner) => Ok(Predicate::Not(Box::new(self.filter(inner)?))),
            Filter::Or(terms) => self.all(terms).map(Predicate::Any),
            Filter::Present(path) => Ok(self
                .find(path)?
                .map_or(Predicate::Never, Predicate::Present)),
            Filter::ValuePath(path) => self.value_path(path),
        }
    }

    fn all(&self, terms: &[Filter<'_>]) -> Result<Vec<Predicate>, RequestError> {
        terms.iter().map(|term| self.filter(term)).collect()
    }

    fn value_path(&self, path: &ValuePath<'_>) -> Result<Predicate, RequestError> {
        let Some(attr) = self.find(&path.attribute)? else {
            return Ok(Predicate::Never);
        };
        self.kind.check_brackets(attr, self.leeway)?;
        let inner = Binder {
            inside: Some(attr),
            ..*self
        }
        .filter(&path.filter)?;
        Ok(Predicate::ElementMatches {
            attr,
            inner: Box::new(inner),
        })
    }

    fn compare(&self, comparison: &Comparison<'_>) -> Result<Predicate, RequestError> {
        let op = comparison.operator;
        let Some(found) = self.find(&comparison.attribute)? else {
            let differs = op == Operator::NotEqual;
            return Ok(if differs {
                Predicate::All(Vec::new())
            } else {
                Predicate::Never
            });
        };
        let attr = self.simple(found)?;
        let id = attr.id();
        if matches!(comparison.value, Literal::Null) {
            return match op {
                Operator::Equal => Ok(Predicate::Not(Box::new(Predicate::Present(id)))),
                Operator::NotEqual => Ok(Predicate::Present(id)),
                _ => Err(misfit(attr, op, "null")),
            };
        }
        if let Some(parent) = self.primary_of(attr)
            && let Scalar::Bool(truth) = scalar(attr, op, &comparison.value, self.leeway)?
        {
            return Ok(self.primary(id, parent, op, truth));
        }
        if let (DataType::Integer, Literal::Number(text)) =
            (attr.definition().data_type, &comparison.value)
            && text.parse::<i64>().is_err()
        {
            return integer(attr, op, text);
        }
        let value = scalar(attr, op, &comparison.value, self.leeway)?;
        if let Some(decided) = self.decided(attr, op, &value) {
            return Ok(decided);
        }
        Ok(Predicate::Compare {
            attr: id,
            op,
            value,
        })
    }

    /// Evaluates a comparison of `meta.resourceType`, which is the same for all resources of the type.
    fn decided(&self, attr: &Attr, op: Operator, value: &Scalar) -> Option<Predicate> {
        if attr.role() != AttributeRole::Meta
            || attr.name() != "resourceType"
            || attr.parent().is_none()
        {
            return None;
        }
        let is_equal = Scalar::of(attr, &self.kind.name().into())? == *value;
        match (op, is_equal) {
            (Operator::Equal, true) | (Operator::NotEqual, false) => {
                Some(Predicate::All(Vec::new()))
            }
            (Operator::Equal, false) | (Operator::NotEqual, true) => Some(Predicate::Never),
            _ => None,
        }
    }

    /// Returns the attribute of a comparison: for a complex one its `value`.
    fn simple(&self, id: AttrId) -> Result<&Attr, RequestError> {
        let attr = self.kind.attr(id);
        if !attr.is_complex() {
            return Ok(attr);
        }
        let Some(value) = self.kind.child_named(id, "value") else {
            let name = attr.path();
            let detail = format!("`{name}` is complex: compare one of its sub-attributes");
            return Err(RequestError::filter(detail));
        };
        self.allowed(value).map(|id| self.kind.attr(id))
    }

    fn find(&self, path: &AttributePath<'_>) -> Result<Option<AttrId>, RequestError> {
        let found = match (
            self.inside,
            path.urn.as_deref(),
            path.sub_attribute.as_deref(),
        ) {
            // The name of a simple value is `value`.
            (Some(attr), None, None) if !self.kind.attr(attr).is_complex() => {
                path.name.eq_ignore_ascii_case("value").then_some(attr)
            }
            (Some(attr), None, None) => self.kind.child_named(attr, &path.name),
            (Some(_), ..) => None,
            (None, ..) => self.kind.find(path, self.leeway),
        };
        if let Some(id) = found {
            return self.allowed(id).map(Some);
        }
        let by_tolerance = matches!(self.unknown, Unknown::ByTolerance);
        if by_tolerance && self.leeway.allow(Quirk::UnknownFilterAttributes) {
            return Ok(None);
        }
        let problem = match self.inside {
            None => self.kind.unknown(path),
            Some(attr) => self.kind.unknown_sub(attr, path),
        };
        match self.unknown {
            Unknown::ByTolerance if problem.quirk().is_none() => {
                Err(problem.with_quirk(Quirk::UnknownFilterAttributes))
            }
            _ => Err(problem),
        }
    }

    fn allowed(&self, id: AttrId) -> Result<AttrId, RequestError> {
        let attr = self.kind.attr(id);
        let path = attr.path();
        if attr.is_never_returned() {
            return Err(RequestError::filter(format!(
                "`{path}` can't be filtered on"
            )));
        }
        let computed = matches!(
            attr.role(),
            AttributeRole::Inverse | AttributeRole::Membership | AttributeRole::Reference
        );
        if computed && attr.name() == "$ref" {
            let detail = format!("`{path}` is made from `value`: filter on that instead");
            return Err(RequestError::filter(detail));
        }
        Ok(id)
    }

    /// Returns the multi-valued attribute whose elements this attribute marks as primary, if there is one.
    fn primary_of(&self, attr: &Attr) -> Option<AttrId> {
        let parent = self.kind.attr(attr.parent()?);
        let many = parent.definition().multi_valued && !attr.definition().multi_valued;
        let marks = many && attr.definition().data_type == DataType::Boolean;
        (marks && attr.name().eq_ignore_ascii_case("primary")).then_some(parent.id())
    }

    /// Returns a predicate for whether an element is primary, `false` by default (RFC 7643 section 2.4).
    fn primary(&self, attr: AttrId, parent: AttrId, op: Operator, truth: bool) -> Predicate {
        let value = Scalar::Bool(true);
        let is_primary = Predicate::Compare {
            attr,
            op: Operator::Equal,
            value,
        };
        if op == Operator::Equal && truth {
            return is_primary;
        }
        let one = if truth == (op == Operator::Equal) {
            is_primary
        } else {
            Predicate::Not(Box::new(is_primary))
        };
        if self.inside.is_some() {
            return one;
        }
        let some = |inner| Predicate::ElementMatches {
            attr: parent,
            inner: Box::new(inner),
        };
        if op == Operator::Equal {
            return some(one);
        }
        // An element without a non-empty value is not primary either.
        let any = some(Predicate::All(Vec::new()));
        Predicate::Any(vec![Predicate::Not(Box::new(any)), some(one)])
    }
}

fn no_parts(attr: &Attr) -> String {
    format!("`{}` has no sub-attributes to filter on", attr.path())
}
