//! What is accepted from providers beyond the RFC, as data.

use scimkit_filter::{Leniency, Limits, Options};

/// What to do with a name that no schema of the resource type knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unknown {
    /// Leave it out; in a filter it behaves as an attribute without a value.
    Ignore,
    /// Answer with an error that names it.
    Refuse,
}

/// What is accepted from providers beyond the letter of the RFC.
///
/// Each field is one quirk and names the provider scenarios that need it. One without a scenario
/// says who is known to send it, or that nobody is: then it exists for the strict reading, which
/// refuses what does no harm. [`Tolerance::DEFAULT`] accepts whatever does none,
/// [`Tolerance::STRICT`] nothing of it.
///
/// # Example
/// ```
/// use scimkit_registry::{Tolerance, Unknown};
///
/// let mut tolerance = Tolerance::STRICT;
/// tolerance.boolean_strings = true;
/// assert_eq!(tolerance.unknown_attributes, Unknown::Refuse);
///
/// let registry = scimkit_registry::Registry::standard();
/// let user = registry.by_name("User").unwrap();
/// let active = user.named("active").unwrap();
/// assert!(user.admit_value(active, "True".into(), &tolerance).is_ok());
/// assert!(user.admit_value(active, "True".into(), &Tolerance::STRICT).is_err());
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Tolerance {
    /// `schemas` may be missing, incomplete or name URIs that nobody registered.
    /// Scenarios: `entra/30`, `entra/42`, `entra/45`.
    pub any_schemas: bool,
    /// An array of one for a single-valued attribute. Scenario: `entra/19`.
    pub array_of_one: bool,
    /// A bare string for a complex attribute that has a `value`. Scenarios: `entra/18`, `entra/21`,
    /// `entra/57`.
    pub bare_values: bool,
    /// `"True"` and `"False"`, in any case, for a boolean. Scenarios: `entra/03`, `entra/31`.
    pub boolean_strings: bool,
    /// `add` or `replace` on a value path that selects nothing creates the element from the `eq`
    /// terms of its filter. Scenarios: `entra/13`, `entra/15`.
    pub create_elements: bool,
    /// `name.familyName` as a key of an object. Scenarios: `entra/09`, `entra/10`.
    pub dotted_keys: bool,
    /// A PATCH request without operations, which changes nothing. No provider is known to send one:
    /// the field exists for the strict reading, as the RFC asks for "one or more".
    pub empty_operations: bool,
    /// What filters and paths may hold outside the grammar. Scenario: `entra/24`.
    pub leniency: Leniency,
    /// Read-only attributes in a path-less PATCH value are ignored, as they are in PUT.
    /// The resource's own `id` (`okta/18`) is taken and any other refused, whatever this says. No
    /// provider is known to send the others: the field exists for the strict reading.
    pub read_only_in_patch: bool,
    /// `remove` with a value path that selects nothing succeeds, so that a retry does not fail.
    /// Of a membership it always does (`entra/52`). No provider is known to do it elsewhere: the
    /// field exists for the strict reading, which answers `noTarget`.
    pub remove_absent: bool,
    /// `remove` of a multi-valued attribute with a `value` array removes only what it lists.
    /// Scenarios: `entra/48`, `jumpcloud/03`.
    pub remove_values: bool,
    /// One value where the schema has an array of them; as the value of a PATCH it always stands for
    /// one. No provider is known to send it elsewhere: the field exists for the strict reading.
    pub single_for_many: bool,
    /// Attributes in a body that no schema knows. Scenario: `entra/30`, where
    /// [`unqualified_extensions`](Self::unqualified_extensions) is off.
    pub unknown_attributes: Unknown,
    /// Attributes in a filter that no schema knows. In the filter of a PATCH path they are refused
    /// all the same. Both profiles refuse them, and no provider is known to send them: the field
    /// exists for queries of several types, where one type has to know the name
    /// ([RFC 7644 section 3.4.2.1](https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.1)).
    pub unknown_in_filter: Unknown,
    /// The name of an extension's attribute without its URN. Scenarios: `entra/19`, `entra/22`.
    pub unqualified_extensions: bool,
}

impl Tolerance {
    /// Everything that does no harm: the profile for a public endpoint.
    pub const DEFAULT: Tolerance = Tolerance {
        any_schemas: true,
        array_of_one: true,
        bare_values: true,
        boolean_strings: true,
        create_elements: true,
        dotted_keys: true,
        empty_operations: true,
        leniency: Leniency::LENIENT,
        read_only_in_patch: true,
        remove_absent: true,
        remove_values: true,
        single_for_many: true,
        unknown_attributes: Unknown::Ignore,
        unknown_in_filter: Unknown::Refuse,
        unqualified_extensions: true,
    };

    /// The letter of RFC 7643 and RFC 7644.
    pub const STRICT: Tolerance = Tolerance {
        any_schemas: false,
        array_of_one: false,
        bare_values: false,
        boolean_strings: false,
        create_elements: false,
        dotted_keys: false,
        empty_operations: false,
        leniency: Leniency::STRICT,
        read_only_in_patch: false,
        remove_absent: false,
        remove_values: false,
        single_for_many: false,
        unknown_attributes: Unknown::Refuse,
        unknown_in_filter: Unknown::Refuse,
        unqualified_extensions: false,
    };

    /// How to read filter and path text under this tolerance.
    #[must_use]
    pub fn parse_options(&self, limits: Limits) -> Options {
        Options::default()
            .with_leniency(self.leniency)
            .with_limits(limits)
    }
}

impl Default for Tolerance {
    fn default() -> Self {
        Tolerance::DEFAULT
    }
}
