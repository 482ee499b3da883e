//! What a parser lets through.

/// The deepest nesting that [`ParseLimits::depth`] can ask for; more is clamped to this.
///
/// A tree this deep still fits a stack of 128 KiB when it is printed, cloned and dropped by a debug build.
pub const MAX_DEPTH: u16 = 64;

/// How to read a text: strictly or leniently, and how much of it.
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
    /// Which departures from the grammar are let through.
    pub leniency: Leniency,
    /// How much is read before the text is refused.
    pub limits: ParseLimits,
}

impl ParseOptions {
    /// These options with another leniency.
    #[must_use]
    pub const fn with_leniency(mut self, leniency: Leniency) -> Self {
        self.leniency = leniency;
        self
    }

    /// These options with other limits.
    #[must_use]
    pub const fn with_limits(mut self, limits: ParseLimits) -> Self {
        self.limits = limits;
        self
    }
}

/// How much of a text is read before it is refused.
///
/// Length is checked first, depth and terms while reading: a text that breaks a limit costs no more than the part of
/// it that was within the limit.
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
    /// How deep parentheses, `not (` and brackets may nest. 32 unless set; never more than [`MAX_DEPTH`].
    pub depth: u16,
    /// How many bytes long the text may be. 32 KiB unless set.
    pub length: usize,
    /// How many comparisons, `pr` tests and value paths there may be in all. 512 unless set.
    pub terms: u32,
}

impl ParseLimits {
    /// These limits with another depth; it is clamped to [`MAX_DEPTH`] when it is used.
    #[must_use]
    pub const fn with_depth(mut self, depth: u16) -> Self {
        self.depth = depth;
        self
    }

    /// These limits with another length, in bytes.
    #[must_use]
    pub const fn with_length(mut self, length: usize) -> Self {
        self.length = length;
        self
    }

    /// These limits with another number of terms.
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

/// Departures from the grammar that real clients make, each let through or not.
///
/// Leniency widens what is read, never what it means, and printing is always canonical.
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
    /// A word without quotes as the value of `eq`, in filters only: `userName eq bjensen` is read as
    /// `userName eq "bjensen"`.
    ///
    /// * The word is made of letters and digits of any script and of `.`, `_`, `-`, `+` and `@`. It begins with a letter
    ///   or a digit, holds a letter, and ends at a blank, a closing parenthesis or bracket, or the end of the text.
    /// * It is not a number or the beginning of one (`1e5`, `0x10`, `1e`, `inf`), not a keyword (`and`, `or`, `not`), and
    ///   not a word that programs print for a boolean or a missing value: `true`, `false`, `null`, `undefined`, `none`,
    ///   `nil`, `nan`, in any case. Nor does it begin with a JSON literal, as `true.x` does.
    /// * It becomes a [`Literal::Word`](crate::Literal::Word), so that a schema can still tell it from a string.
    /// * A PATCH path changes data, so a word without quotes is always an error there.
    pub bare_words: bool,
    /// Several blanks or tabs where the grammar has one space, and blanks inside parentheses and brackets and at both
    /// ends of the text.
    pub blanks: bool,
    /// `True`, `FALSE`, `Null`: the literals of JSON in any case.
    pub literal_case: bool,
    /// `emails[type eq "work"].value eq "x"` in a filter, which is read as
    /// `emails[type eq "work" and value eq "x"]`.
    pub sub_after_brackets: bool,
}

impl Leniency {
    /// Everything that can be let through.
    pub const LENIENT: Self = Self {
        bare_words: true,
        blanks: true,
        literal_case: true,
        sub_after_brackets: true,
    };
    /// The grammar and nothing else.
    pub const STRICT: Self = Self {
        bare_words: false,
        blanks: false,
        literal_case: false,
        sub_after_brackets: false,
    };
}
