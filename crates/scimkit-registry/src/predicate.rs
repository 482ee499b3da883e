//! Filters after binding: no text, no case questions, no unknown names.

use crate::{AttrId, Operator, Scalar};

/// A bound filter over one [`ResourceType`](crate::ResourceType).
///
/// - A comparison of a multi-valued attribute holds when any of its values compares so.
/// - `NotEqual` also holds when there is no value.
/// - [`bind_filter`](crate::ResourceType::bind_filter) compares values of the attribute's own type
///   only; a comparison with another type made by hand is never equal.
///
/// # Example
/// ```
/// use scimkit_registry::{Meter, Operator, Predicate, Registry, Scalar, Tolerance, ResourceView};
/// use serde_json::json;
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let title = user.attribute_id("title").unwrap();
/// let is = |text: &str| Predicate::Compare {
///     attr: title,
///     op: Operator::Equal,
///     value: Scalar::text(user.attr(title), text),
/// };
/// let doctor = user.admit(json!({"title": "Dr"}), &Tolerance::DEFAULT)?;
/// let matches = |text| user.matches(&is(text), ResourceView::new(&doctor), &Meter::unlimited());
/// assert_eq!(matches("DR"), Ok(true));
/// assert_eq!(matches("Prof"), Ok(false));
/// # Ok::<(), scimkit_registry::RequestError>(())
/// ```
///
/// [RFC 7644 section 3.4.2.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.2)
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must answer every kind of predicate"
)]
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
    /// One element (or the one value) of an attribute satisfies `inner`.
    ElementMatches {
        /// A complex attribute, or a multi-valued one of simple values.
        attr: AttrId,
        /// A predicate over its sub-attributes; where it has none, over the attribute itself.
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

/// What a PATCH path selects: see [`ResourceType::parse_path`](crate::ResourceType::parse_path).
///
/// [RFC 7644 section 3.5.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.5.2)
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "closed by the PATH grammar of RFC 7644 section 3.5.2"
)]
pub enum PathTarget {
    /// An attribute or sub-attribute.
    Attribute(AttrId),
    /// The elements of an attribute that satisfy a predicate, or one sub-attribute of each.
    Elements {
        /// A complex attribute, which may have one value only, or a multi-valued one of simple values.
        attr: AttrId,
        /// Which of its elements.
        which: Predicate,
        /// The sub-attribute.
        sub: Option<AttrId>,
    },
    /// All attributes of an extension, by its index in
    /// [`extensions`](crate::ResourceType::extensions).
    Extension(usize),
}
