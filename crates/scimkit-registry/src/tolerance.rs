//! What is accepted from providers beyond the RFC, as data.

use scimkit_filter::Leniency;

/// Makes the fields of [`Tolerance`] and the variants of [`Quirk`] from one list.
macro_rules! quirks {
    ($($(#[doc = $doc:literal])+ $field:ident $variant:ident,)+) => {
        /// What is accepted from providers beyond the letter of the RFC: one field for each [`Quirk`].
        ///
        /// - The documentation of a field says what the RFC asks for, who departs from it, the
        ///   scenario of this workspace's corpus that shows it, and what accepting it can cost.
        /// - A field without a scenario is there so that the strict reading can refuse what does
        ///   no harm.
        /// - A profile is a value of this type: [`Tolerance::DEFAULT`] accepts whatever is harmless,
        ///   [`Tolerance::STRICT`] only [`nested_schemas`](Self::nested_schemas), and those of the
        ///   providers what their scenarios show as well. Any of them can be changed field by field,
        ///   and read from JSON.
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
        /// let refused = user.admit_value(active, "True".into(), &Tolerance::STRICT).unwrap_err();
        /// assert!(refused.detail().ends_with("(the tolerance `boolean_strings` would accept it)"));
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Tolerance {
            pub(crate) profile: &'static str,
            $($(#[doc = $doc])+ pub $field: bool,)+
        }

        /// One way in which providers depart from the RFC; [`Tolerance`] has a field for each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Quirk {
            $(#[doc = concat!("[`Tolerance::", stringify!($field), "`]")] $variant,)+
        }

        impl Quirk {
            /// All of them, in the order of their names.
            pub const ALL: &'static [Quirk] = &[$(Quirk::$variant),+];

            /// The name of the field of [`Tolerance`].
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Quirk::$variant => stringify!($field),)+
                }
            }
        }

        impl Tolerance {
            pub(crate) const NONE: Tolerance = Tolerance { profile: "strict", $($field: false,)+ };

            /// Whether that quirk is accepted.
            #[must_use]
            pub const fn accepts(&self, quirk: Quirk) -> bool {
                match quirk {
                    $(Quirk::$variant => self.$field,)+
                }
            }

            /// Accepts or refuses a quirk that is named at run time.
            pub(crate) const fn set(&mut self, quirk: Quirk, accepted: bool) {
                match quirk {
                    $(Quirk::$variant => self.$field = accepted,)+
                }
            }
        }
    };
}

quirks! {
    /// `schemas` may be missing, incomplete or name URIs that nobody registered.
    ///
    /// The RFC wants each schema of a body named, and each message to say what it is (RFC 7643
    /// section 3). Entra ID leaves out URIs of extensions, misspells them and adds its own:
    /// `entra/30`, `entra/42`, `entra/45`; others name a resource's schema in a message: `field/31`. A
    /// body that names another SCIM message is rejected all the same. Cost: a body sent to the wrong
    /// endpoint is noticed only by its attributes.
    any_schemas AnySchemas,
    /// An array of one for a single-valued attribute.
    ///
    /// The RFC gives such an attribute one value (RFC 7643 section 2.4). Entra ID sends the
    /// manager so: `entra/19`. Cost: none; an array of two is refused all the same.
    array_of_one ArrayOfOne,
    /// A bare string for a complex attribute that has a `value`.
    ///
    /// The RFC wants an object (RFC 7643 section 2.3.8). Entra ID sends managers and members so:
    /// `entra/18`, `entra/21`, `entra/57`. Cost: a string sent by mistake becomes a `value`.
    bare_values BareValues,
    /// A word without quotes as the value of `eq` on a string attribute, in filters.
    ///
    /// The grammar has quotes around a string (RFC 7644 section 3.4.2.2). authentik 2025.8 looks for a
    /// user with `userName eq akadmin`: `field/filter-value-without-quotes`. Which words count is
    /// documented at [`Leniency::bare_words`]: no number, no keyword, nothing like `undefined`. In the
    /// path of a PATCH such a word is always an error. Cost: a client that forgets the quotes gets no error.
    bare_words BareWords,
    /// Several blanks or tabs where a filter or path has one space, and blanks at its ends and
    /// inside its brackets.
    ///
    /// The grammar has one space (RFC 7644 section 3.4.2.2). People who type filters depart from
    /// it; no provider is known to. Cost: none.
    blanks Blanks,
    /// `"True"` and `"False"`, in any case, for a boolean.
    ///
    /// A boolean is `true` or `false` in JSON (RFC 7643 section 2.3.2). Entra ID sends strings
    /// unless its `aadOptscim062020` flag is set: `entra/03`, `entra/31`. Cost: none; any other
    /// string is refused.
    boolean_strings BooleanStrings,
    /// A UTF-8 byte order mark before the JSON of a body.
    ///
    /// JSON has none, and a reader may ignore it (RFC 8259 section 8.1). Scripts in PowerShell send it:
    /// `field/byte-order-mark`. Cost: none.
    byte_order_mark ByteOrderMark,
    /// The URI of the core schema as a container of its attributes, like the container of an extension.
    ///
    /// Only extensions have one (RFC 7643 section 3.3). Clients that put the attributes of every schema
    /// under its URI send it: `field/22`. Cost: none; an attribute that is given outside of the container
    /// as well is rejected.
    core_container CoreContainer,
    /// `add` or `replace` on a value path that selects nothing creates the element from the `eq`
    /// terms of its filter, beside the others; several such operations build one element.
    ///
    /// The RFC answers `noTarget` (RFC 7644 section 3.5.2.3). Entra ID fills in addresses, e-mails
    /// and telephone numbers so: `entra/13`, `entra/15`. Cost: a filter that is wrong makes an
    /// element instead of failing.
    create_elements CreateElements,
    /// A path as a key of an object: `name.familyName`, or a value path.
    ///
    /// The name of an attribute has no dot (RFC 7643 section 2.1). Entra ID sends path-less
    /// operations so: `entra/09`, `entra/10`. Cost: none; no attribute can be called so.
    dotted_keys DottedKeys,
    /// A PATCH request without operations, which changes nothing.
    ///
    /// The RFC asks for one or more (RFC 7644 section 3.5.2). No provider is known to send it.
    /// Cost: a client whose operations got lost is told that all is well.
    empty_operations EmptyOperations,
    /// `""` for a reference, or for its `value`, unassigns it.
    ///
    /// Unassigned is `null` or leaving it out (RFC 7643 section 2.5), and no resource has an empty
    /// `id` (section 3.1). Feeds that write empty text for what they do not know send it so:
    /// `field/empty-text-for-a-manager`. Cost: a client whose value got lost removes the reference.
    empty_references EmptyReferences,
    /// JSON text in a string where a complex value, or an array of them, belongs.
    ///
    /// The RFC wants the object itself (RFC 7643 section 2.3.8). Expressions in the attribute
    /// mappings of Entra ID give text, and some build JSON with it; where that text is the `value`
    /// of an element it stays text (`entra/39`). Cost: text that is an object in JSON is never a bare
    /// value.
    json_strings JsonStrings,
    /// `True`, `FALSE`, `Null` in filters: the literals of JSON in any case.
    ///
    /// Literals are those of JSON (RFC 7644 section 3.4.2.2). People who type filters depart from
    /// it; no provider is known to. Cost: none.
    literal_case LiteralCase,
    /// `schemas` inside the object of an extension is ignored; [`Tolerance::STRICT`] accepts it as well.
    ///
    /// `schemas` is an attribute of the resource (RFC 7643 section 3). Client libraries repeat it in the
    /// object, strict as they are otherwise: `field/schemas-inside-an-extension`. Cost: none; an
    /// extension that has such an attribute keeps it.
    nested_schemas NestedSchemas,
    /// The names of query parameters in any case: `?Filter=`, `?startindex=`.
    ///
    /// RFC 7644 section 3.4.2 spells them, and the names of parameters have case. A parameter that is
    /// overlooked would answer with everybody, so without this it is an error. The same parameter in
    /// two cases is given twice. Clients of other servers send it: `field/query-parameter-in-another-case`.
    /// Cost: none.
    parameter_case ParameterCase,
    /// A raw `+` in a filter whose spaces are `%20` is a plus.
    ///
    /// In the query of a URL `+` is a plus (RFC 3986 section 3.4), in a form it stands for a space.
    /// Where a filter has both, a plus is meant, unless the filter can be read only with spaces. Clients
    /// that leave `+` in addresses as it is: `field/raw-plus-between-percent-twenties`. Cost: a client
    /// that mixes both spellings of a space inside one string finds nobody.
    raw_plus RawPlus,
    /// Read-only attributes in a path-less PATCH value are ignored, as they are in PUT.
    ///
    /// The RFC refuses to change them (RFC 7644 section 3.5.2). No provider is known to send them
    /// beside the resource's own `id` (`okta/18`), which is always taken, as any other `id` is
    /// always refused. Cost: a client that means to change one is told that all is well.
    read_only_in_patch ReadOnlyInPatch,
    /// `remove` with a value path that selects nothing succeeds, so that a retry does not fail.
    ///
    /// The RFC answers `noTarget` (RFC 7644 section 3.12). Of a membership it always succeeds
    /// (`entra/52`); elsewhere no provider is known to depend on it. Cost: a filter that is wrong
    /// removes nothing and says nothing.
    remove_absent RemoveAbsent,
    /// `remove` of a multi-valued attribute with a `value` array removes only what it lists.
    ///
    /// The RFC knows no `value` in a `remove` (RFC 7644 section 3.5.2.2). Entra ID, JumpCloud and
    /// authentik remove members so: `entra/48`, `jumpcloud/03`, `authentik/05`. What a workflow or a
    /// proxy sends in the name of Okta or OneLogin is read the same way: `okta/34`, `onelogin/07`.
    /// Cost: none. Without it such a request is an error, since it is no plausible way to remove everything; `null`
    /// counts as no value.
    remove_values RemoveValues,
    /// `attr[value eq "x"]` on a multi-valued attribute of simple values, in filters and paths.
    ///
    /// A value filter speaks of sub-attributes (RFC 7644 section 3.4.2.2), and simple values have none;
    /// but no other path removes one of them. Clients do so: `field/remove-one-of-simple-values`.
    /// `replace` puts another value in the place of what is selected. Cost: none; an attribute of
    /// complex values is not concerned.
    simple_value_paths SimpleValuePaths,
    /// One value where the schema has an array of them; as the value of a PATCH operation it always
    /// stands for one.
    ///
    /// A multi-valued attribute is an array (RFC 7643 section 2.4). No provider is known to send it
    /// in a resource. Cost: none.
    single_for_many SingleForMany,
    /// A value filter on a single-valued complex attribute in a PATCH path: `manager[value eq "26"]`.
    ///
    /// Value filters select among many values (RFC 7644 section 3.5.2). Entra ID was seen to remove a
    /// manager so: `entra/70`. The one value is edited where it matches; where it
    /// does not, the path selects nothing, and no second value is created. Cost: none.
    single_value_paths SingleValuePaths,
    /// `emails[type eq "work"].value eq "x"` in a filter, read as
    /// `emails[type eq "work" and value eq "x"]`.
    ///
    /// The grammar ends at the bracket (RFC 7644 section 3.4.2.2). Entra ID matches users so:
    /// `entra/24`. Cost: none; it can mean nothing else.
    sub_after_brackets SubAfterBrackets,
    /// Attributes in a body that no schema knows are left out.
    ///
    /// A body is made of schema attributes (RFC 7644 section 3.3). Entra ID sends attributes under
    /// no schema: `entra/30`, where [`unqualified_extensions`](Self::unqualified_extensions) is
    /// off, and `entra/72`. Cost: a misspelt attribute gets lost, which only its count tells.
    unknown_attributes UnknownAttributes,
    /// Attributes in a filter that no schema knows have no value.
    ///
    /// The RFC answers `invalidFilter` (RFC 7644 section 3.4.2.2); in the filter of a PATCH path
    /// they are refused whatever this says. No provider is known to send them, and no profile
    /// accepts them. Cost: a misspelt filter finds nobody, and a provider creates everybody twice.
    unknown_in_filter UnknownInFilter,
    /// The name of an extension's attribute without the extension's URN.
    ///
    /// The RFC asks for the URN (RFC 7644 section 3.10). Entra ID calls the manager so: `entra/19`,
    /// `entra/22`. Cost: none; a name that two extensions have is not found.
    unqualified_extensions UnqualifiedExtensions,
}

/// A [`Tolerance`], or a [`QuirkRecorder`](crate::QuirkRecorder) of one: what decides about quirks, and learns of each that is
/// let through.
///
/// # Example
/// See [`QuirkRecorder`](crate::QuirkRecorder).
pub trait QuirkPolicy {
    /// The base URL of the service provider, which absolute references to its resources begin with.
    ///
    /// Without one only relative references can be resolved.
    fn base_url(&self) -> Option<&str> {
        None
    }

    /// What is accepted.
    fn tolerance(&self) -> &Tolerance;

    /// Learns that a quirk was needed, and accepted.
    fn record(&self, quirk: Quirk);

    /// Whether a quirk that was just met is accepted, which is then noted.
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
    /// What filters and paths may hold outside the grammar.
    #[must_use]
    pub fn leniency(&self) -> Leniency {
        let mut leniency = Leniency::STRICT;
        leniency.bare_words = self.bare_words;
        leniency.blanks = self.blanks;
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
