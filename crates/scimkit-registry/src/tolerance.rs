//! Accepted deviations of identity providers from the RFC, as data.

use scimkit_filter::Leniency;

/// Defines the fields of [`Tolerance`] and the variants of [`Quirk`] from one list.
macro_rules! quirks {
    ($($(#[doc = $doc:literal])+ $field:ident $variant:ident,)+) => {
        /// The accepted deviations of identity providers from the letter of the RFC: one field per [`Quirk`].
        ///
        /// - The documentation of a field states the rule of the RFC, who deviates from it, the scenario of this
        ///   workspace's corpus that shows the deviation, and the cost of accepting it.
        /// - A field without a scenario exists so that the strict profile can reject a harmless deviation.
        /// - A profile is a value of this type: [`Tolerance::DEFAULT`] accepts every harmless deviation,
        ///   [`Tolerance::STRICT`] only [`nested_schemas`](Self::nested_schemas), and the profiles of identity
        ///   providers also those in their scenarios. Every field of a profile can be changed, and profiles can be
        ///   read from JSON.
        ///
        /// # Example
        /// ```
        /// use scimkit_registry::{Registry, Tolerance};
        ///
        /// let mut tolerance = Tolerance::STRICT;
        /// tolerance.boolean_strings = true;
        ///
        /// let registry = Registry::standard();
        /// let user = registry.resource_type("User").unwrap();
        /// let active = user.attribute_id("active").unwrap();
        /// assert!(user.admit_value(active, "True".into(), &tolerance).is_ok());
        ///
        /// let rejected = user.admit_value(active, "True".into(), &Tolerance::STRICT).unwrap_err();
        /// assert!(rejected.detail().ends_with("(the tolerance `boolean_strings` would accept it)"));
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Tolerance {
            pub(crate) profile: &'static str,
            $($(#[doc = $doc])+ pub $field: bool,)+
        }

        /// A deviation of identity providers from the RFC; [`Tolerance`] has a field for each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Quirk {
            $(#[doc = concat!("[`Tolerance::", stringify!($field), "`]")] $variant,)+
        }

        impl Quirk {
            /// All quirks, ordered by name.
            pub const ALL: &'static [Quirk] = &[$(Quirk::$variant),+];

            /// Returns the name of the field of [`Tolerance`].
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Quirk::$variant => stringify!($field),)+
                }
            }
        }

        impl Tolerance {
            pub(crate) const NONE: Tolerance = Tolerance { profile: "strict", $($field: false,)+ };

            /// Returns whether that quirk is accepted.
            #[must_use]
            pub const fn accepts(&self, quirk: Quirk) -> bool {
                match quirk {
                    $(Quirk::$variant => self.$field,)+
                }
            }

            /// Accepts or rejects a quirk that is named at run time.
            pub(crate) const fn set(&mut self, quirk: Quirk, accepted: bool) {
                match quirk {
                    $(Quirk::$variant => self.$field = accepted,)+
                }
            }
        }
    };
}

quirks! {
    /// `schemas` may be missing, incomplete or name unknown URIs.
    ///
    /// The RFC requires that a body names its schemas, and that a message names itself (RFC 7643 section 3). Entra ID
    /// omits URIs of extensions, misspells them and adds its own: `entra/30`, `entra/42`, `entra/45`; other clients
    /// name a resource's schema in a message: `field/31`. A body that names another SCIM message is always rejected.
    /// Cost: only the attributes of a body show that it was sent to the wrong endpoint.
    any_schemas AnySchemas,
    /// An array of one for a single-valued attribute.
    ///
    /// The RFC gives such an attribute one value (RFC 7643 section 2.4). Entra ID sends the manager this way:
    /// `entra/19`. Cost: none; an array of two is always rejected.
    array_of_one ArrayOfOne,
    /// A bare string for a complex attribute that has a `value`.
    ///
    /// The RFC requires an object (RFC 7643 section 2.3.8). Entra ID sends managers and members this way: `entra/18`,
    /// `entra/21`, `entra/57`. Cost: a string sent by mistake becomes a `value`.
    bare_values BareValues,
    /// A word without quotes as the value of `eq` on a string attribute, in filters.
    ///
    /// The grammar has quotes around a string (RFC 7644 section 3.4.2.2). authentik 2025.8 finds a user with
    /// `userName eq akadmin`: `field/filter-value-without-quotes`. [`Leniency::bare_words`] documents the accepted
    /// words: no number, no keyword, no word such as `undefined`. In the path of a PATCH such a word is always an
    /// error. Cost: a client that forgets the quotes gets no error.
    bare_words BareWords,
    /// `"True"` and `"False"`, in any case, for a boolean.
    ///
    /// A boolean is `true` or `false` in JSON (RFC 7643 section 2.3.2). Entra ID sends strings unless its
    /// `aadOptscim062020` flag is set: `entra/03`, `entra/31`. Cost: none; any other string is rejected.
    boolean_strings BooleanStrings,
    /// A UTF-8 byte order mark before the JSON of a body.
    ///
    /// JSON has none, but a parser may ignore it (RFC 8259 section 8.1). PowerShell scripts send it:
    /// `field/byte-order-mark`. Cost: none.
    byte_order_mark ByteOrderMark,
    /// The URI of the core schema as a container of its attributes, like the container of an extension.
    ///
    /// Only extensions have a container (RFC 7643 section 3.3). Clients that put the attributes of every schema under
    /// its URI send it: `field/22`. Cost: none; an attribute that is also outside the container is rejected.
    core_container CoreContainer,
    /// `add` or `replace` on a value path that selects nothing creates an element from the `eq` terms of its filter,
    /// in addition to existing ones; several such operations build one element.
    ///
    /// The RFC requires `noTarget` (RFC 7644 section 3.5.2.3). Entra ID sets addresses, e-mails and telephone numbers
    /// this way: `entra/13`, `entra/15`. Cost: a wrong filter creates an element instead of failing.
    create_elements CreateElements,
    /// A path as a key of an object: `name.familyName`, or a value path.
    ///
    /// The name of an attribute has no dot (RFC 7643 section 2.1). Entra ID sends operations without a path this way:
    /// `entra/09`, `entra/10`. Cost: none; no attribute can have such a name.
    dotted_keys DottedKeys,
    /// A PATCH request without operations, which changes nothing.
    ///
    /// The RFC requires one or more operations (RFC 7644 section 3.5.2). No identity provider is known to send none.
    /// Cost: a client that lost its operations gets a success.
    empty_operations EmptyOperations,
    /// `""` for a reference, or for its `value`, unassigns it.
    ///
    /// Unassigned is `null` or an absent member (RFC 7643 section 2.5), and no resource has an empty `id` (section
    /// 3.1). Feeds that write empty text for unknown values send this: `field/empty-text-for-a-manager`. Cost: a
    /// client that lost its value removes the reference.
    empty_references EmptyReferences,
    /// Several blanks or tabs in place of one space in a filter or path, and blanks at its ends and inside its
    /// brackets.
    ///
    /// The grammar has one space (RFC 7644 section 3.4.2.2). People who type filters deviate from it; no identity
    /// provider is known to. Cost: none.
    extra_whitespace ExtraWhitespace,
    /// JSON text in a string, in place of a complex value or an array of them.
    ///
    /// The RFC requires the object itself (RFC 7643 section 2.3.8). Expressions in the attribute mappings of Entra ID
    /// return text, and some build JSON with it; as the `value` of an element such text stays text (`entra/39`).
    /// Cost: text that is an object in JSON is never a bare value.
    json_strings JsonStrings,
    /// `True`, `FALSE`, `Null` in filters: JSON's literals in any case.
    ///
    /// Literals are those of JSON (RFC 7644 section 3.4.2.2). People who type filters deviate from this; no identity
    /// provider is known to. Cost: none.
    literal_case LiteralCase,
    /// `schemas` inside the object of an extension is ignored; [`Tolerance::STRICT`] accepts it as well.
    ///
    /// `schemas` is an attribute of the resource (RFC 7643 section 3). Otherwise strict client libraries repeat it in
    /// the object: `field/schemas-inside-an-extension`. Cost: none; an extension that has an attribute of this name
    /// is not affected.
    nested_schemas NestedSchemas,
    /// The names of query parameters in any case: `?Filter=`, `?startindex=`.
    ///
    /// RFC 7644 section 3.4.2 spells them, and the names of parameters are case-sensitive. An ignored filter would
    /// return every resource, so without this quirk such a parameter is an error. The same parameter in two spellings
    /// counts as repeated. Clients of other servers send it: `field/query-parameter-in-another-case`. Cost: none.
    parameter_case ParameterCase,
    /// A raw `+` is a plus in a filter whose spaces are `%20`.
    ///
    /// In the query of a URL `+` is a plus (RFC 3986 section 3.4), in a form it is a space. If a filter has both, `+`
    /// means a plus, unless the filter is valid only with spaces. Clients that do not escape the `+` in addresses
    /// send it: `field/raw-plus-between-percent-twenties`. Cost: a client that mixes both spellings of a space inside
    /// one string finds no user.
    raw_plus RawPlus,
    /// Read-only attributes in a path-less PATCH value are ignored, as they are in PUT.
    ///
    /// The RFC forbids changing them (RFC 7644 section 3.5.2). No identity provider is known to send them, except the
    /// resource's own `id` (`okta/18`), which is always accepted, while any other `id` is always rejected. Cost: a
    /// client that tries to change one gets a success.
    read_only_in_patch ReadOnlyInPatch,
    /// `remove` of a multi-valued attribute with a `value` array removes only the listed elements.
    ///
    /// The RFC has no `value` in a `remove` (RFC 7644 section 3.5.2.2). Entra ID, JumpCloud and authentik remove
    /// members this way: `entra/48`, `jumpcloud/03`, `authentik/05`. Requests that a workflow or a proxy sends on
    /// behalf of Okta or OneLogin are treated alike: `okta/34`, `onelogin/07`. Cost: none. Without this quirk such a
    /// request is an error, since no client plausibly means to remove all elements with it; `null` counts as no
    /// value.
    remove_values RemoveValues,
    /// `remove` with a value path that selects nothing succeeds, so that a retry does not fail.
    ///
    /// The RFC requires `noTarget` (RFC 7644 section 3.12). On a membership it always succeeds (`entra/52`); no
    /// identity provider is known to depend on it elsewhere. Cost: a wrong filter silently removes nothing.
    remove_without_match RemoveWithoutMatch,
    /// `attr[value eq "x"]` on a multi-valued attribute of simple values, in filters and paths.
    ///
    /// A value filter compares sub-attributes (RFC 7644 section 3.4.2.2), and simple values have none; but no other
    /// path removes one of them. Clients do so: `field/remove-one-of-simple-values`. `replace` puts another value in
    /// the place of the selected ones. Cost: none; attributes of complex values are not affected.
    simple_value_paths SimpleValuePaths,
    /// One value in place of an array of them in a resource; as the value of a PATCH operation it is always accepted.
    ///
    /// A multi-valued attribute is an array (RFC 7643 section 2.4). No identity provider is known to send one value
    /// in a resource. Cost: none.
    single_for_many SingleForMany,
    /// A value filter on a single-valued complex attribute in a PATCH path: `manager[value eq "26"]`.
    ///
    /// Value filters select among many values (RFC 7644 section 3.5.2). Entra ID removes a manager this way:
    /// `entra/70`. The single value is edited if it matches; otherwise the path selects nothing, and no second value
    /// is created. Cost: none.
    single_value_paths SingleValuePaths,
    /// `emails[type eq "work"].value eq "x"` in a filter, parsed as `emails[type eq "work" and value eq "x"]`.
    ///
    /// The grammar ends at the bracket (RFC 7644 section 3.4.2.2). Entra ID matches users this way: `entra/24`. Cost:
    /// none; it has no other meaning.
    sub_after_brackets SubAfterBrackets,
    /// Attributes in a body that no schema has are dropped.
    ///
    /// A body consists of schema attributes (RFC 7644 section 3.3). Entra ID sends attributes without a schema:
    /// `entra/30`, if [`unqualified_extensions`](Self::unqualified_extensions) is off, and `entra/72`. Cost: a
    /// misspelt attribute is lost, and only the count of dropped attributes shows it.
    unknown_attributes UnknownAttributes,
    /// Attributes in a filter that no schema has count as unassigned.
    ///
    /// The RFC requires `invalidFilter` (RFC 7644 section 3.4.2.2); in the filter of a PATCH path they are always
    /// rejected. No identity provider is known to send them, and no profile accepts them. Cost: a misspelt filter
    /// finds no user, and an identity provider creates every user twice.
    unknown_filter_attributes UnknownFilterAttributes,
    /// The name of an extension's attribute without the extension's URN.
    ///
    /// The RFC requires the URN (RFC 7644 section 3.10). Entra ID sends the manager this way: `entra/19`, `entra/22`.
    /// Cost: none; a name that two extensions have is not found.
    unqualified_extensions UnqualifiedExtensions,
}

/// A [`Tolerance`], or a [`QuirkRecorder`](crate::QuirkRecorder) of one: decides which quirks are accepted, and
/// records each one.
///
/// # Example
/// See [`QuirkRecorder`](crate::QuirkRecorder).
pub trait QuirkPolicy {
    /// Returns the base URL of the service provider, with which absolute references to its resources begin.
    ///
    /// Without it, only relative references can be resolved.
    fn base_url(&self) -> Option<&str> {
        None
    }

    /// Returns the accepted quirks.
    fn tolerance(&self) -> &Tolerance;

    /// Records that a quirk was needed and accepted.
    fn record(&self, quirk: Quirk);

    /// Returns whether a quirk is accepted, and records it if so.
    fn allow(&self, quirk: Quirk) -> bool {
        let accepted = self.tolerance().accepts(quirk);
        if accepted {
            self.record(quirk);
        }
        accepted
    }
}

impl QuirkPolicy for Tolerance {
    fn tolerance(&self) -> &Tolerance {
        self
    }

    fn record(&self, _: Quirk) {}
}

impl Tolerance {
    /// Returns the accepted deviations from the grammar of filters and paths.
    #[must_use]
    pub fn leniency(&self) -> Leniency {
        let mut leniency = Leniency::STRICT;
        leniency.bare_words = self.bare_words;
        leniency.extra_whitespace = self.extra_whitespace;
        leniency.literal_case = self.literal_case;
        leniency.sub_after_brackets = self.sub_after_brackets;
        leniency
    }
}

impl Default for Tolerance {
    fn default() -> Self {
        Tolerance::DEFAULT
    }
}
