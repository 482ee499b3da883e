//! The operands of `and` and `or`: a term, or a token that opens a level.

use std::borrow::Cow;

use crate::{
    bytes,
    fault::{Expected, Fault, Parsed, fault},
    level::Open,
    literal,
    options::{Leniency, ParseOptions},
    token::{self, Attribute},
    tree::{Comparison, Filter, Literal, Operator},
};

/// The start of an operand.
pub(crate) enum Start<'a> {
    /// An attribute, and a bracket after it.
    Brackets(Attribute<'a>),
    /// A parenthesis, or `not` and a parenthesis.
    Open(Open),
    /// The attribute of a term.
    Term(Attribute<'a>),
}

/// Reads operands and counts their terms.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    /// Whether brackets are open: inside them there are no others and no URNs.
    pub(crate) in_brackets: bool,
    /// Whether this is the filter of a path, in which bare words are always rejected.
    pub(crate) in_path: bool,
    left: u32,
    pub(crate) leniency: Leniency,
}

impl Terms {
    #[inline]
    pub(crate) fn new(options: &ParseOptions) -> Self {
        Self {
            in_brackets: false,
            in_path: false,
            left: options.limits.terms,
            leniency: options.leniency,
        }
    }

    /// Counts one term, which starts at `input`.
    #[inline(always)]
    pub(crate) fn count<'a>(&mut self, input: &'a str) -> Result<(), nom::Err<Fault<'a>>> {
        let Some(left) = self.left.checked_sub(1) else {
            return fault(input, Expected::Terms).map(|(_, never)| never);
        };
        self.left = left;
        Ok(())
    }

    /// Parses up to the operator of a term, or up to the parenthesis or bracket that opens a level.
    #[inline(always)]
    pub(crate) fn start<'a>(&mut self, input: &'a str) -> Parsed<'a, Start<'a>> {
        if input.as_bytes().first() == Some(&b'(') {
            return Ok((input, Start::Open(Open::Group)));
        }
        let (rest, attribute) = token::attribute(input, Expected::Operand)?;
        if self.in_brackets && attribute.urn.is_some() {
            return fault(input, Expected::NoUrn);
        }
        if let Some(parenthesis) = self.negation(attribute, rest) {
            return Ok((parenthesis, Start::Open(Open::Not)));
        }
        let brackets = rest.as_bytes().first() == Some(&b'[');
        if brackets && self.in_brackets {
            return fault(rest, Expected::NoBrackets);
        }
        self.count(input)?;
        if brackets {
            return Ok((rest, Start::Brackets(attribute)));
        }
        Ok((rest, Start::Term(attribute)))
    }

    /// Returns the text from the parenthesis on, if `attribute` is `not` and a parenthesis follows.
    #[inline(always)]
    fn negation<'a>(&self, attribute: Attribute<'a>, rest: &'a str) -> Option<&'a str> {
        if attribute.name.len() != 3 || !attribute.name.eq_ignore_ascii_case("not") {
            return None;
        }
        if attribute.urn.is_some() || attribute.sub.is_some() {
            return None;
        }
        let parenthesis = if self.leniency.extra_whitespace {
            bytes::trim_blanks(rest)
        } else {
            rest.strip_prefix(' ').unwrap_or(rest)
        };
        parenthesis.starts_with('(').then_some(parenthesis)
    }

    /// Parses the operator and the value after an attribute.
    #[inline(always)]
    pub(crate) fn term<'a>(
        &self,
        attribute: Attribute<'a>,
        input: &'a str,
    ) -> Parsed<'a, Filter<'a>> {
        let wanted = || operator_expected(attribute, input);
        let (rest, ()) = token::blank(input, self.leniency.extra_whitespace, wanted)?;
        let (rest, operator) = token::operator(rest, wanted)?;
        let Some(operator) = operator else {
            return Ok((rest, Filter::Present(attribute.into())));
        };
        let (rest, ()) = token::blank(rest, self.leniency.extra_whitespace, || {
            if rest.is_empty() {
                Expected::Value
            } else {
                Expected::Blank
            }
        })?;
        match literal::plain_string(rest) {
            Some((rest, text)) => {
                let value = Literal::String(Cow::Borrowed(text));
                Ok((rest, compare(attribute, operator, value)))
            }
            None => self.other_value(attribute, operator, rest),
        }
    }
}

impl Terms {
    /// Parses a comparison with any value except a string without escapes.
    #[inline(never)]
    fn other_value<'a>(
        &self,
        attribute: Attribute<'a>,
        operator: Operator,
        input: &'a str,
    ) -> Parsed<'a, Filter<'a>> {
        let (rest, value) = match literal::literal(input, self.leniency.literal_case) {
            Ok(read) => read,
            Err(fault) => self.word(operator, input, fault)?,
        };
        Ok((rest, compare(attribute, operator, value)))
    }

    /// Parses a bare word in place of a JSON value, or returns the original fault.
    #[cold]
    fn word<'a>(
        &self,
        operator: Operator,
        input: &'a str,
        found: nom::Err<Fault<'a>>,
    ) -> Parsed<'a, Literal<'a>> {
        let allowed = operator == Operator::Equal && !self.in_path;
        let Some((rest, word)) = literal::bare_word(input).filter(|_| allowed) else {
            return Err(found);
        };
        if self.leniency.bare_words {
            Ok((rest, Literal::Word(Cow::Borrowed(word))))
        } else {
            fault(input, Expected::QuotedValue)
        }
    }
}

#[inline(always)]
fn compare<'a>(attribute: Attribute<'a>, operator: Operator, value: Literal<'a>) -> Filter<'a> {
    Filter::Compare(Comparison {
        attribute: attribute.into(),
        operator,
        value,
    })
}

/// Returns the expectation if no operator follows `attribute`.
#[cold]
fn operator_expected(attribute: Attribute<'_>, rest: &str) -> Expected {
    if rest.starts_with('.') {
        return Expected::OneSub;
    }
    if attribute.sub.is_none() && attribute.name.eq_ignore_ascii_case("not") {
        return Expected::OperatorOrGroup;
    }
    Expected::Operator
}
