//! The options of a parser.

/// The greatest nesting that [`ParseLimits::depth`] can allow; larger values are reduced to it.
///
/// A debug build can print, clone and drop a tree of this depth on a stack of 128 KiB.
pub const MAX_DEPTH: u16 = 64;

/// The options of a parser: its leniency and its limits.
///
/// The default is strict, under the default limits.
///
/// # Example
///
/// ```
/// use scimkit_filter::{Filter, Leniency, ParseLimits, ParseOptions};
///
/// let options = ParseOptions::default()
///     .with_leniency(Leniency::LENIENT)
///     .with_limits(ParseLimits::default().with_terms(2));
/// assert!(Filter::parse_with("active  eq  True", &options).is_ok());
/// assert!(Filter::parse_with("a pr and b pr and c pr", &options).is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct ParseOptions {
    /// The accepted deviations from the grammar.
    pub leniency: Leniency,
    /// The limits beyond which a text is rejected.
    pub limits: ParseLimits,
}

impl ParseOptions {
    /// Sets the leniency.
    #[must_use]
    pub const fn with_leniency(mut self, leniency: Leniency) -> Self {
        self.leniency = leniency;
        self
    }

    /// Sets the limits.
    #[must_use]
    pub const fn with_limits(mut self, limits: ParseLimits) -> Self {
        self.limits = limits;
        self
    }
}

/// The limits beyond which a text is rejected.
///
/// Length is checked first, depth and terms while parsing: a text beyond a limit costs no more than its part within
/// the limit.
///
/// # Example
///
/// ```
/// use scimkit_filter::{ParseErrorKind, Filter, ParseLimits, ParseOptions};
///
/// let options = ParseOptions::default().with_limits(ParseLimits::default().with_depth(1));
/// assert!(Filter::parse_with("not (a pr)", &options).is_ok());
/// let error = Filter::parse_with("not (not (a pr))", &options).unwrap_err();
/// assert_eq!(error.kind(), ParseErrorKind::TooDeep);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct ParseLimits {
    /// The maximum nesting of parentheses, `not (` and brackets. 32 by default; never more than [`MAX_DEPTH`].
    pub depth: u16,
    /// The maximum length of the text in bytes. 32 KiB by default.
    pub length: usize,
    /// The maximum number of comparisons, `pr` tests and value paths in total. 512 by default.
    pub terms: u32,
}

impl ParseLimits {
    /// Sets the depth, which is reduced to [`MAX_DEPTH`] when it is used.
    #[must_use]
    pub const fn with_depth(mut self, depth: u16) -> Self {
        self.depth = depth;
        self
    }

    /// Sets the length, in bytes.
    #[must_use]
    pub const fn with_length(mut self, length: usize) -> Self {
        self.length = length;
        self
    }

    /// Sets the number of terms.
    #[must_use]
    pub const fn with_terms(mut self, terms: u32) -> Self {
        self.terms = terms;
        self
    }
}

impl Default for ParseLimits {
    fn default() -> Self {
        Self {
            depth: 32,
            length: 32 * 1024,
            terms: 512,
        }
    }
}

/// The deviations of real clients from the grammar, each accepted or not.
///
/// Leniency accepts more texts, but never changes the meaning of a text, and printing is always canonical.
///
/// # Example
///
/// ```
/// use scimkit_filter::{Filter, Leniency, ParseOptions};
///
/// let mut leniency = Leniency::STRICT;
/// leniency.sub_after_brackets = true;
/// let options = ParseOptions::default().with_leniency(leniency);
/// let filter = Filter::parse_with(r#"emails[type eq "work"].value ew ".org""#, &options).unwrap();
/// assert_eq!(filter.to_string(), r#"emails[type eq "work" and value ew ".org"]"#);
///
/// let error = Filter::parse(r#"emails[type eq "work"].value ew ".org""#).unwrap_err();
/// assert_eq!(error.leniency(), Some("sub_after_brackets"));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Leniency {
    /// A word without quotes as the value of `eq`, in filters only: `userName eq bjensen` is parsed as `userName eq
    /// "bjensen"`.
    ///
    /// * The word consists of letters and digits of any script and of `.`, `_`, `-`, `+` and `@`. It begins with a
    ///   letter or a digit, contains a letter, and ends at a blank, a closing parenthesis or bracket, or the end of
    ///   the text.
    /// * It is not a number or the beginning of one (`1e5`, `0x10`, `1e`, `inf`), not a keyword (`and`, `or`, `not`),
    ///   and not a word that programs print for a boolean or a missing value: `true`, `false`, `null`, `undefined`,
    ///   `none`, `nil`, `nan`, in any case. It does not begin with a JSON literal either, as `true.x` does.
    /// * It becomes a [`Literal::Word`](crate::Literal::Word), so that a schema can still distinguish it from a
    ///   string.
    /// * A PATCH path changes data, so a word without quotes is always an error there.
    pub bare_words: bool,
    /// Several blanks or tabs in place of one space, and blanks inside parentheses and brackets and at both ends of
    /// the text.
    pub extra_whitespace: bool,
    /// `True`, `FALSE`, `Null`: JSON's literals in any case.
    pub literal_case: bool,
    /// `emails[type eq "work"].value eq "x"` in a filter, which is parsed as `emails[type eq "work" and value eq
    /// "x"]`.
    pub sub_after_brackets: bool,
}

impl Leniency {
    /// Accepts every deviation.
    pub const LENIENT: Self = Self {
        bare_words: true,
        extra_whitespace: true,
        literal_case: true,
        sub_after_brackets: true,
    };
    /// Accepts the grammar only.
    pub const STRICT: Self = Self {
        bare_words: false,
        extra_whitespace: false,
        literal_case: false,
        sub_after_brackets: false,
    };
}
