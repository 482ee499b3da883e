//! Filters after binding: no text, no case questions, no unknown names.

use scimkit_filter::{
    AttributePath, Comparison, Filter, Literal, Operator, Path, ValuePath,
};
use scimkit_core::DataType;

use crate::{AttrId, Error, ResourceType, Role, Scalar, Tolerance, Unknown};

/// A bound filter over one [`ResourceType`].
///
/// A comparison of a multi-valued attribute holds when any of its values compares so. `NotEqual`
/// also holds when there is no value.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "every store must answer every kind of predicate")]
pub enum Predicate {
    /// All of them hold; of none: always.
    All(Vec<Predicate>),
    /// One of them holds; of none: never.
    Any(Vec<Predicate>),
    /// An attribute's value compares so.
    Compare {
        /// A simple attribute or sub-attribute.
        attr: AttrId,
        /// How.
        op: Operator,
        /// With what, folded by the attribute's case rule.
        value: Scalar,
    },
    /// One element (or the one value) of a complex attribute satisfies `inner`.
    ElementMatches {
        /// The complex attribute.
        attr: AttrId,
        /// A predicate over its sub-attributes.
        inner: Box<Predicate>,
    },
    /// Nothing satisfies it.
    Never,
    /// The other does not hold.
    Not(Box<Predicate>),
    /// The attribute has a value that is not empty.
    Present(AttrId),
}

impl Predicate {
    /// The attributes it asks about.
    #[must_use]
    pub fn attributes(&self) -> Vec<AttrId> {
        let mut found = Vec::new();
        let mut open = vec![self];
        while let Some(next) = open.pop() {
            match next {
                Predicate::All(inner) | Predicate::Any(inner) => open.extend(inner),
                Predicate::Compare { attr, .. } | Predicate::Present(attr) => found.push(*attr),
                Predicate::ElementMatches { attr, inner } => {
                    found.push(*attr);
                    open.push(inner);
                }
                Predicate::Never => {}
                Predicate::Not(inner) => open.push(inner),
            }
        }
        found
    }
}

/// What a PATCH path selects.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "closed by the PATH grammar of RFC 7644 section 3.5.2")]
pub enum Target {
    /// An attribute or sub-attribute.
    Attribute(AttrId),
    /// The elements of a complex attribute that satisfy a predicate, or one sub-attribute of each.
    Elements {
        /// The complex attribute.
        attr: AttrId,
        /// Which of its elements.
        which: Predicate,
        /// The sub-attribute.
        sub: Option<AttrId>,
    },
    /// All attributes of an extension, by its index in [`ResourceType::extensions`].
    Extension(usize),
}

impl ResourceType {
    /// Binds a filter to this type: names to attributes, values to their types, case by the schema.
    ///
    /// # Errors
    /// All are `invalidFilter`: an unknown attribute (unless the tolerance ignores it), a complex
    /// attribute without a sub-attribute, a value or operator that does not fit the type, and an
    /// attribute that is never returned, since a filter must not become an oracle for it.
    ///
    /// # Example
    /// ```
    /// use scimkit_filter::Filter;
    /// use scimkit_registry::{Registry, Tolerance};
    ///
    /// let registry = Registry::standard();
    /// let user = registry.by_name("User").unwrap();
    /// let bind = |text| user.bind_filter(&Filter::parse(text).unwrap(), &Tolerance::DEFAULT);
    /// assert!(bind(r#"emails[type eq "work" and value co "@example.com"]"#).is_ok());
    /// assert!(bind(r#"password sw "a""#).is_err());
    /// ```
    ///
    /// [RFC 7644 section 3.4.2.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.2)
    pub fn bind_filter(&self, filter: &Filter<'_>, t: &Tolerance) -> Result<Predicate, Error> {
        Binder { kind: self, tolerance: t, inside: None }.filter(filter)
    }

    /// The attribute that a path names, also in an extension when the tolerance lets the URN be
    /// left out; `None` when there is none.
    #[must_use]
    pub fn find(&self, path: &AttributePath<'_>, t: &Tolerance) -> Option<AttrId> {
        self.name_or_extension(path.urn.as_deref(), &path.name, path.sub.as_deref(), t)
    }

    /// Binds a parsed PATCH path to this type.
    ///
    /// # Errors
    /// `invalidPath` for a name that the schemas do not have, for a filter on an attribute without
    /// sub-attributes and for whatever makes the filter unbindable.
    pub fn bind_path(&self, path: &Path<'_>, t: &Tolerance) -> Result<Target, Error> {
        let urn = path.urn.as_deref();
        let Some(filter) = &path.filter else {
            return self.bind_plain(urn, &path.name, path.sub.as_deref(), t);
        };
        let attr = self.name_or_extension(urn, &path.name, None, t).ok_or_else(|| self.no_path(path))?;
        if !self.attr(attr).is_complex() {
            let name = self.attr(attr).path();
            return Err(Error::path(format!("`{name}` has no sub-attributes to filter on")));
        }
        let binder = Binder { kind: self, tolerance: t, inside: Some(attr) };
        let which = binder.filter(filter).map_err(|e| Error::path(e.detail()))?;
        let sub = match path.sub.as_deref() {
            None => None,
            Some(sub) => Some(self.child_named(attr, sub).ok_or_else(|| self.no_path(path))?),
        };
        Ok(Target::Elements { attr, which, sub })
    }

    /// Reads and binds a PATCH path; the bare URI of a schema extension selects all of it.
    ///
    /// # Errors
    /// `invalidPath` for text outside the grammar and for what [`ResourceType::bind_path`] refuses.
    pub fn parse_path(
        &self,
        text: &str,
        limits: scimkit_filter::Limits,
        t: &Tolerance,
    ) -> Result<Target, Error> {
        if let Some(index) = self.extension_named(text) {
            return Ok(Target::Extension(index));
        }
        let path = Path::parse_with(text, &t.parse_options(limits))
            .map_err(|e| Error::path(format!("path can't be read: {e}")))?;
        self.bind_path(&path, t)
    }

    fn bind_plain(
        &self,
        urn: Option<&str>,
        name: &str,
        sub: Option<&str>,
        t: &Tolerance,
    ) -> Result<Target, Error> {
        if let Some(id) = self.name_or_extension(urn, name, sub, t) {
            return Ok(Target::Attribute(id));
        }
        let shown = AttributePath {
            urn: urn.map(Into::into),
            name: name.into(),
            sub: sub.map(Into::into),
        };
        Err(Error::path(self.unknown(&shown)))
    }

    pub(crate) fn name_or_extension(
        &self,
        urn: Option<&str>,
        name: &str,
        sub: Option<&str>,
        t: &Tolerance,
    ) -> Option<AttrId> {
        self.lookup_parts(urn, name, sub).or_else(|| {
            let allowed = urn.is_none() && t.unqualified_extensions;
            allowed.then(|| self.lookup_in_extensions(name, sub)).flatten()
        })
    }

    fn no_path(&self, path: &Path<'_>) -> Error {
        let shown = AttributePath {
            urn: path.urn.as_deref().map(Into::into),
            name: path.name.as_ref().into(),
            sub: path.sub.as_deref().map(Into::into),
        };
        Error::path(self.unknown(&shown))
    }

    fn unknown(&self, path: &AttributePath<'_>) -> String {
        format!("`{path}` is not an attribute of {}", self.name())
    }
}

struct Binder<'k> {
    /// The complex attribute whose brackets we are in.
    inside: Option<AttrId>,
    kind: &'k ResourceType,
    tolerance: &'k Tolerance,
}

impl Binder<'_> {
    // Recursion here and in every walk of a predicate is bounded by the parser's depth limit.
    fn filter(&self, filter: &Filter<'_>) -> Result<Predicate, Error> {
        match filter {
            Filter::And(terms) => self.all(terms).map(Predicate::All),
            Filter::Compare(comparison) => self.compare(comparison),
            Filter::Not(inner) => Ok(Predicate::Not(Box::new(self.filter(inner)?))),
            Filter::Or(terms) => self.all(terms).map(Predicate::Any),
            Filter::Present(path) => {
                Ok(self.find(path)?.map_or(Predicate::Never, Predicate::Present))
            }
            Filter::ValuePath(path) => self.value_path(path),
        }
    }

    fn all(&self, terms: &[Filter<'_>]) -> Result<Vec<Predicate>, Error> {
        terms.iter().map(|term| self.filter(term)).collect()
    }

    fn value_path(&self, path: &ValuePath<'_>) -> Result<Predicate, Error> {
        let Some(attr) = self.find(&path.attribute)? else { return Ok(Predicate::Never) };
        if !self.kind.attr(attr).is_complex() {
            let name = self.kind.attr(attr).path();
            return Err(Error::filter(format!("`{name}` has no sub-attributes to filter on")));
        }
        let inner = Binder { inside: Some(attr), ..*self }.filter(&path.filter)?;
        Ok(Predicate::ElementMatches { attr, inner: Box::new(inner) })
    }

    fn compare(&self, comparison: &Comparison<'_>) -> Result<Predicate, Error> {
        let Some(attr) = self.find(&comparison.attribute)? else {
            let differs = comparison.operator == Operator::NotEqual;
            return Ok(if differs { Predicate::All(Vec::new()) } else { Predicate::Never });
        };
        let attr = self.simple(attr)?;
        let op = comparison.operator;
        if matches!(comparison.value, Literal::Null) {
            return match op {
                Operator::Equal => Ok(Predicate::Not(Box::new(Predicate::Present(attr)))),
                Operator::NotEqual => Ok(Predicate::Present(attr)),
                _ => Err(self.misfit(attr, op, "null")),
            };
        }
        let value = self.scalar(attr, op, &comparison.value)?;
        Ok(Predicate::Compare { attr, op, value })
    }

    /// The attribute that a comparison of a complex one means: its `value`.
    fn simple(&self, attr: AttrId) -> Result<AttrId, Error> {
        if !self.kind.attr(attr).is_complex() {
            return Ok(attr);
        }
        self.kind.child_named(attr, "value").ok_or_else(|| {
            let name = self.kind.attr(attr).path();
            Error::filter(format!("`{name}` is complex: compare one of its sub-attributes"))
        })
    }

    fn find(&self, path: &AttributePath<'_>) -> Result<Option<AttrId>, Error> {
        let found = match (self.inside, path.urn.as_deref(), path.sub.as_deref()) {
            (Some(attr), None, None) => self.kind.child_named(attr, &path.name),
            (Some(_), ..) => None,
            (None, urn, sub) => {
                self.kind.name_or_extension(urn, &path.name, sub, self.tolerance)
            }
        };
        match found {
            Some(id) => self.allowed(id).map(Some),
            None if self.tolerance.unknown_in_filter == Unknown::Ignore => Ok(None),
            None => Err(Error::filter(match self.inside {
                None => self.kind.unknown(path),
                Some(attr) => {
                    format!("`{path}` is not a sub-attribute of {}", self.kind.attr(attr).path())
                }
            })),
        }
    }

    fn allowed(&self, id: AttrId) -> Result<AttrId, Error> {
        let attr = self.kind.attr(id);
        let parent = attr.parent().map(|p| self.kind.attr(p));
        if attr.is_never_returned() || parent.is_some_and(|p| p.is_never_returned()) {
            return Err(Error::filter(format!("`{}` can't be filtered on", attr.path())));
        }
        let computed = matches!(attr.role(), Role::Inverse | Role::Membership | Role::Reference);
        if computed && attr.name() == "$ref" {
            let path = attr.path();
            return Err(Error::filter(format!(
                "`{path}` is made from `value`: filter on that instead"
            )));
        }
        Ok(id)
    }

    fn scalar(&self, id: AttrId, op: Operator, literal: &Literal<'_>) -> Result<Scalar, Error> {
        let attr = self.kind.attr(id);
        let kind = attr.definition().data_type;
        let ordered = !matches!(op, Operator::Equal | Operator::NotEqual);
        let substring =
            matches!(op, Operator::Contains | Operator::EndsWith | Operator::StartsWith);
        let value = match (kind, literal) {
            (DataType::Boolean, Literal::Bool(b)) if !ordered => Scalar::Bool(*b),
            (DataType::Boolean, Literal::String(s))
                if !ordered && self.tolerance.boolean_strings =>
            {
                Scalar::Bool(boolean(s).ok_or_else(|| self.misfit(id, op, &format!("`{s}`")))?)
            }
            (DataType::DateTime, Literal::String(s)) if !substring => {
                let instant = scimkit_core::parse_instant(s)
                    .ok_or_else(|| self.misfit(id, op, &format!("`{s}`")))?;
                Scalar::Instant(instant.timestamp_micros())
            }
            (DataType::Decimal, Literal::Number(n)) if !substring => {
                Scalar::Decimal(number(n).ok_or_else(|| self.misfit(id, op, n))?)
            }
            (DataType::Integer, Literal::Number(n)) if !substring => match n.parse::<i64>() {
                Ok(n) => Scalar::Integer(n),
                Err(_) => Scalar::Decimal(number(n).ok_or_else(|| self.misfit(id, op, n))?),
            },
            (DataType::Binary, Literal::String(s)) if !ordered || substring => {
                Scalar::text(attr, s)
            }
            (DataType::String | DataType::Reference, Literal::String(s)) => Scalar::text(attr, s),
            (_, Literal::String(s)) => return Err(self.misfit(id, op, &format!("`{s}`"))),
            (_, Literal::Number(n)) => return Err(self.misfit(id, op, n)),
            (_, Literal::Bool(b)) => return Err(self.misfit(id, op, if *b { "true" } else { "false" })),
            (_, Literal::Null) => return Err(self.misfit(id, op, "null")),
        };
        Ok(value)
    }

    fn misfit(&self, id: AttrId, op: Operator, literal: &str) -> Error {
        let attr = self.kind.attr(id);
        let kind = type_name(attr.definition().data_type);
        let (path, op) = (attr.path(), op.as_str());
        Error::filter(format!("`{path}` is a {kind} and can't be compared by `{op}` with {literal}"))
    }
}

/// `true` or `false` in any case.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        return Some(true);
    }
    text.eq_ignore_ascii_case("false").then_some(false)
}

fn number(lexeme: &str) -> Option<f64> {
    lexeme.parse::<f64>().ok().filter(|n| n.is_finite())
}

/// The type's name as the schema spells it.
pub(crate) fn type_name(data_type: DataType) -> &'static str {
    match data_type {
        DataType::Binary => "binary",
        DataType::Boolean => "boolean",
        DataType::Complex => "complex",
        DataType::DateTime => "dateTime",
        DataType::Decimal => "decimal",
        DataType::Integer => "integer",
        DataType::Reference => "reference",
        DataType::String => "string",
    }
}
