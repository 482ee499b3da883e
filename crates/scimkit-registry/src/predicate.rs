//! Bound filters: without text, case rules and unknown names.

use crate::{AttrId, Operator, Scalar};

/// A bound filter over one [`ResourceType`](crate::ResourceType).
///
/// - A comparison of a multi-valued attribute holds if it holds for any of its values.
/// - `NotEqual` also holds if there is no value.
/// - [`bind_filter`](crate::ResourceType::bind_filter) compares values of the attribute's own type only; a comparison
///   with another type, built in code, is never equal.
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
    /// All of them hold; without any it always holds.
    All(Vec<Predicate>),
    /// One of them holds; without any it never holds.
    Any(Vec<Predicate>),
    /// The comparison holds for an attribute's value.
    Compare {
        /// A simple attribute or sub-attribute.
        attr: AttrId,
        /// The operator.
        op: Operator,
        /// The value, folded by the attribute's case rule.
        value: Scalar,
    },
    /// One element (or the single value) of an attribute satisfies `inner`.
    ElementMatches {
        /// A complex attribute, or a multi-valued one of simple values.
        attr: AttrId,
        /// A predicate over its sub-attributes; over the attribute itself if it has none.
        inner: Box<Predicate>,
    },
    /// No resource satisfies it.
    Never,
    /// The predicate does not hold.
    Not(Box<Predicate>),
    /// The attribute has a value that is not empty.
    Present(AttrId),
}

impl Predicate {
    /// Returns the attributes in the predicate.
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

/// The target of a PATCH path: see [`ResourceType::parse_path`](crate::ResourceType::parse_path).
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
        /// A complex attribute, which may be single-valued, or a multi-valued one of simple values.
        attr: AttrId,
        /// The predicate that selects elements.
        which: Predicate,
        /// The sub-attribute.
        sub: Option<AttrId>,
    },
    /// All attributes of an extension, by its index in
    /// [`extensions`](crate::ResourceType::extensions).
    Extension(usize),
}
