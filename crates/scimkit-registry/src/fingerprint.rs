//! Digests of attribute tables, and the definitions on which stored keys and texts depend.

use std::{collections::BTreeSet, fmt};

use crate::{Attr, AttrId, AttributeRole, ResourceType};

/// Increased when folding changes, so that stored keys are computed again.
const FOLDING: &str = "2";

/// A digest of a resource type's attribute table.
///
/// Stores save it next to their data: if it changes, documents may have another shape. It depends on every
/// characteristic that affects documents and lookup keys and on nothing else: not on descriptions, canonical values
/// or the order of attributes and extensions. It is the same on every machine.
///
/// [`ResourceType::key_fingerprint`] covers lookup keys only.
///
/// # Example
/// ```
/// use scimkit_registry::Registry;
///
/// let standard = Registry::standard();
/// let indexed = Registry::builder().index("User", "title").build()?;
/// let fingerprint = |registry: &Registry| registry.resource_type("User").unwrap().fingerprint();
/// assert_eq!(fingerprint(&standard), fingerprint(&Registry::standard()));
/// assert_ne!(fingerprint(&standard), fingerprint(&indexed));
/// # Ok::<(), scimkit_registry::RegistrationError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    pub(crate) fn of(kind: &ResourceType) -> Self {
        let mut lines: Vec<String> = kind.attributes().iter().map(line).collect();
        lines.extend(kind.extensions().iter().map(|e| e.urn().to_string()));
        lines.sort_unstable();
        lines.extend([kind.schema().to_string(), FOLDING.to_owned()]);
        Fingerprint::of_lines(&lines)
    }

    pub(crate) fn of_keys(kind: &ResourceType) -> Self {
        Fingerprint::of_lines(&kind.key_definitions())
    }

    fn of_lines(lines: &[String]) -> Self {
        // FNV-1a is stable across builds and machines, unlike the standard library's hasher.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in lines.iter().flat_map(|line| line.bytes().chain([0])) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Fingerprint(hash)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

fn line(attr: &Attr) -> String {
    let d = attr.definition();
    format!(
        "{} {} {:?} {} many={} exact={} hidden={} indexed={}",
        attr.path(),
        d.data_type,
        attr.role(),
        d.uniqueness,
        d.multi_valued,
        d.is_case_exact(),
        attr.is_never_returned(),
        attr.is_indexed()
    )
}

impl ResourceType {
    /// Returns a digest of the [definitions of all lookup keys](Self::key_definition); a store saves it with each
    /// resource to know whether the resource's keys can be used for a filter.
    ///
    /// It does not depend on attributes without lookup keys, nor on uniqueness: unique attributes are looked up by
    /// the same keys.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::Registry;
    ///
    /// let standard = Registry::standard();
    /// let indexed = Registry::builder().index("User", "title").build()?;
    /// let keys = |registry: &Registry| registry.resource_type("User").unwrap().key_fingerprint();
    /// assert_eq!(keys(&standard), keys(&Registry::standard()));
    /// assert_ne!(keys(&standard), keys(&indexed));
    /// # Ok::<(), scimkit_registry::RegistrationError>(())
    /// ```
    #[must_use]
    pub fn key_fingerprint(&self) -> Fingerprint {
        self.key_fingerprint
    }

    /// Returns the definition of an attribute's lookup keys: everything on which they depend besides the document, as
    /// one line of text; `None` for an attribute without lookup keys.
    ///
    /// - Keys with equal definitions can be compared, whatever else differs between the schemas.
    /// - An attribute has lookup keys if it is [indexed](Attr::is_indexed) and documents contain its values.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::Registry;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let definition = |path| user.key_definition(user.attribute_id(path).unwrap());
    /// assert!(definition("userName").unwrap().starts_with("userName string"));
    /// assert_eq!(definition("title"), None);
    /// ```
    #[must_use]
    pub fn key_definition(&self, attr: AttrId) -> Option<String> {
        let attr = self.attr(attr);
        if !self.has_keys(attr.id()) {
            return None;
        }
        let d = attr.definition();
        let many = |attr: &Attr| attr.definition().multi_valued;
        let many = many(attr) || attr.parent().is_some_and(|parent| many(self.attr(parent)));
        Some(format!(
            "{} {} many={many} exact={} folding={FOLDING}",
            attr.path(),
            d.data_type,
            d.is_case_exact()
        ))
    }

    /// Returns the [definitions](Self::key_definition) of all lookup keys, in alphabetical order.
    #[must_use]
    pub fn key_definitions(&self) -> Vec<String> {
        let ids = self.attributes().iter().map(Attr::id);
        let mut lines: Vec<_> = ids.filter_map(|id| self.key_definition(id)).collect();
        lines.sort_unstable();
        lines
    }

    /// Returns whether stores have lookup keys for an attribute: it is [indexed](Attr::is_indexed), and documents
    /// contain its values.
    #[must_use]
    pub fn has_keys(&self, attr: AttrId) -> bool {
        let attr = self.attr(attr);
        attr.is_indexed()
            && matches!(attr.role(), AttributeRole::Plain | AttributeRole::Reference)
            && !self.is_computed(attr.id())
            && !attr.is_complex()
            && !attr.is_never_returned()
    }

    /// Returns the attributes that a stored document may contain and show, one per line of text.
    ///
    /// A store saves this text to find out later, under another schema, whether the document can still be sent as it
    /// is stored: see [`shows_all`](Self::shows_all).
    #[must_use]
    pub fn shown_attributes(&self) -> String {
        let lines: Vec<_> = self.shown_lines().into_iter().collect();
        lines.join("\n")
    }

    /// Returns whether this type shows everything in documents that were stored under a type with these [shown
    /// attributes](Self::shown_attributes): then their text can be sent unchanged.
    ///
    /// Added attributes do not matter. Attributes that were removed, hidden, or given another type do: the text may
    /// contain them.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::Registry;
    ///
    /// let standard = Registry::standard();
    /// let (user, group) = (standard.resource_type("User").unwrap(), standard.resource_type("Group").unwrap());
    /// assert!(user.shows_all(&user.shown_attributes()));
    /// assert!(!group.shows_all(&user.shown_attributes()));
    /// ```
    #[must_use]
    pub fn shows_all(&self, shown: &str) -> bool {
        let own: BTreeSet<String> = self.shown_lines();
        shown.lines().all(|line| own.contains(line))
    }

    fn shown_lines(&self) -> BTreeSet<String> {
        let attrs = self.attributes().iter();
        // Documents do not contain memberships and other computed attributes.
        let shown = attrs.filter(|a| !a.is_never_returned() && !self.is_computed(a.id()));
        let line = |attr: &Attr| {
            let d = attr.definition();
            let many = d.multi_valued;
            format!(
                "{} {} {:?} many={many}",
                attr.path(),
                d.data_type,
                attr.role()
            )
        };
        shown.map(line).collect()
    }
}
