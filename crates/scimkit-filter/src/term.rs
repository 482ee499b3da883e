//! What stands between `and` and `or`: a term, or something that opens a level.

use crate::bytes;
use crate::fault::{Expected, Fault, Parsed, fault};
use crate::literal::{bare_word, literal};
use crate::options::{Leniency, Options};
use crate::token::{self, Attribute};
use crate::tree::{Comparison, Filter, Literal, Operator};
use std::borrow::Cow;

/// What an operand starts with.
pub(crate) enum Operand<'a> {
    /// The brackets of this attribute.
    Brackets(Attribute<'a>),
    /// A parenthesis.
    Group,
    /// `not` and a parenthesis.
    Not,
    /// A comparison or a `pr`, which is the whole operand.
    Term(Filter<'a>),
}

/// Reads operands, and counts their terms.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    /// Whether brackets are open, inside which there are no others and no URNs.
    pub(crate) in_brackets: bool,
    /// Whether this is the filter of a path, where a bare word is never read.
    pub(crate) in_path: bool,
    left: u32,
    pub(crate) leniency: Leniency,
}

impl Terms {
    #[inline]
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            in_brackets: false,
            in_path: false,
            left: options.limits.terms,
            leniency: options.leniency,
        }
    }

    /// Counts one term, which starts at `input`.
    #[inline]
    pub(crate) fn count<'a>(&mut self, input: &'a str) -> Result<(), nom::Err<Fault<'a>>> {
        let Some(left) = self.left.checked_sub(1) else {
            return fault(input, Expected::Terms).map(|(_, never)| never);
        };
        self.left = left;
        Ok(())
    }

    /// Reads a term, or up to the parenthesis or bracket that opens a level.
    #[inline]
    pub(crate) fn operand<'a>(&mut self, input: &'a str) -> Parsed<'a, Operand<'a>> {
        if input.as_bytes().first() == Some(&b'(') {
            return Ok((input, Operand::Group));
        }
        let (rest, attribute) = token::attribute(input, Expected::Operand)?;
        if self.in_brackets && attribute.urn.is_some() {
            return fault(input, Expected::NoUrn);
        }
        if let Some(parenthesis) = self.negation(attribute, rest) {
            return Ok((parenthesis, Operand::Not));
        }
        let brackets = rest.as_bytes().first() == Some(&b'[');
        if brackets && self.in_brackets {
            return fault(rest, Expected::NoBrackets);
        }
        self.count(input)?;
        if brackets {
            return Ok((rest, Operand::Brackets(attribute)));
        }
        let (rest, term) = self.term(attribute, rest)?;
        Ok((rest, Operand::Term(term)))
    }

    /// The text from the parenthesis on, if `attribute` turns out to be `not` and one follows.
    #[inline]
    fn negation<'a>(&self, attribute: Attribute<'a>, rest: &'a str) -> Option<&'a str> {
        if attribute.name.len() != 3 || !attribute.name.eq_ignore_ascii_case("not") {
            return None;
        }
        if attribute.urn.is_some() || attribute.sub.is_some() {
            return None;
        }
        let parenthesis = if self.leniency.blanks {
            bytes::trim_blanks(rest)
        } else {
            rest.strip_prefix(' ').unwrap_or(rest)
        };
        parenthesis.starts_with('(').then_some(parenthesis)
    }

    /// The operator and the value behind an attribute.
    #[inline]
    pub(crate) fn term<'a>(
        &self,
        attribute: Attribute<'a>,
        input: &'a str,
    ) -> Parsed<'a, Filter<'a>> {
        let wanted = || operator_expected(attribute, input);
        let (rest, ()) = token::blank(input, self.leniency.blanks, wanted)?;
        let (rest, operator) = token::operator(rest, wanted)?;
        let Some(operator) = operator else {
            return Ok((rest, Filter::Present(attribute.into())));
        };
        let (rest, ()) = token::blank(rest, self.leniency.blanks, || {
            if rest.is_empty() {
                Expected::Value
            } else {
                Expected::Blank
            }
        })?;
        let (rest, value) = match literal(rest, self.leniency.literal_case) {
            Ok(read) => read,
            Err(fault) => self.word(operator, rest, fault)?,
        };
        let comparison = Comparison {
            attribute: attribute.into(),
            operator,
            value,
        };
        Ok((rest, Filter::Compare(comparison)))
    }
}

impl Terms {
    /// A bare word where there is no value of JSON; else the fault that was found.
    #[cold]
    fn word<'a>(
        &self,
        operator: Operator,
        input: &'a str,
        found: nom::Err<Fault<'a>>,
    ) -> Parsed<'a, Literal<'a>> {
        let allowed = operator == Operator::Equal && !self.in_path;
        let Some((rest, word)) = bare_word(input).filter(|_| allowed) else {
            return Err(found);
        };
        if self.leniency.bare_words {
            Ok((rest, Literal::Word(Cow::Borrowed(word))))
        } else {
            fault(input, Expected::QuotedValue)
        }
    }
}

/// What is missing when no operator follows `attribute`.
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
