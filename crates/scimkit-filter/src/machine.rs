//! The grammar of filters above the tokens. Nesting is kept as data: nothing here calls itself.

use crate::attribute::AttributePath;
use crate::bytes::{self, BLANK, NAME};
use crate::fault::{Expected, Fault, Parsed, fault};
use crate::literal::literal;
use crate::options::{Leniency, MAX_DEPTH, Options};
use crate::token;
use crate::tree::{Comparison, Filter, ValuePath};
use std::mem;

/// Where the outermost filter ends.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Base {
    /// At the bracket of a path.
    Brackets,
    /// With the text.
    Text,
}

/// What opened a level.
enum Open<'a> {
    Brackets(AttributePath<'a>),
    Group,
    Not,
}

/// A level that waits for the one inside it to close.
struct Level<'a> {
    open: Open<'a>,
    all: Vec<Filter<'a>>,
    any: Vec<Filter<'a>>,
}

/// A filter in the making: the innermost level's finished operands, and the levels around it.
pub(crate) struct Machine<'a> {
    /// Operands that `and` has joined so far.
    all: Vec<Filter<'a>>,
    /// Operands that `or` has joined so far, each complete.
    any: Vec<Filter<'a>>,
    base: Base,
    depth: usize,
    /// Whether some level, or the base, is a value path.
    in_brackets: bool,
    leniency: Leniency,
    levels: Vec<Level<'a>>,
    terms: u32,
}

/// What comes after an operand.
enum Next<'a> {
    Done(Filter<'a>),
    Operand,
}

impl<'a> Machine<'a> {
    pub(crate) fn new(options: &Options, base: Base) -> Self {
        Self {
            all: Vec::new(),
            any: Vec::new(),
            base,
            depth: usize::from(options.limits.depth.min(MAX_DEPTH)),
            in_brackets: base == Base::Brackets,
            leniency: options.leniency,
            levels: Vec::new(),
            terms: options.limits.terms,
        }
    }

    /// Reads the brackets of a path, which are a level themselves.
    pub(crate) fn open_path(mut self, input: &'a str) -> Parsed<'a, Filter<'a>> {
        let Some(depth) = self.depth.checked_sub(1) else {
            return fault(input, Expected::Depth);
        };
        self.depth = depth;
        self.term(input)?;
        let (rest, ()) = token::no_blank(input.get(1..).unwrap_or_default(), self.leniency.blanks)?;
        self.run(rest)
    }

    pub(crate) fn run(mut self, mut rest: &'a str) -> Parsed<'a, Filter<'a>> {
        loop {
            let (after, operand) = self.operand(rest)?;
            // Most filters are one comparison and nothing more.
            if after.is_empty() && self.levels.is_empty() && self.base == Base::Text {
                return Ok((after, self.collect(operand)));
            }
            match self.joint(after, operand)? {
                (after, Next::Done(filter)) => return Ok((after, filter)),
                (after, Next::Operand) => rest = after,
            }
        }
    }

    /// Opens levels until there is a comparison or a `pr`.
    #[inline]
    fn operand(&mut self, mut rest: &'a str) -> Parsed<'a, Filter<'a>> {
        loop {
            if rest.as_bytes().first() == Some(&b'(') {
                rest = self.open(rest, Open::Group)?.0;
                continue;
            }
            let (after, attribute) = token::attribute(rest, Expected::Operand)?;
            if self.in_brackets && attribute.urn.is_some() {
                return fault(rest, Expected::NoUrn);
            }
            if let Some(parenthesis) = self.negation(&attribute, after) {
                rest = self.open(parenthesis, Open::Not)?.0;
                continue;
            }
            if after.as_bytes().first() != Some(&b'[') {
                self.term(rest)?;
                return self.comparison(attribute, after);
            }
            if self.in_brackets {
                return fault(after, Expected::NoBrackets);
            }
            self.term(rest)?;
            rest = self.open(after, Open::Brackets(attribute))?.0;
            self.in_brackets = true;
        }
    }

    /// The text from the parenthesis on, if `attribute` turns out to be `not` and one follows.
    #[inline]
    fn negation(&self, attribute: &AttributePath<'a>, after: &'a str) -> Option<&'a str> {
        if attribute.name.len() != 3 || !attribute.name.eq_ignore_ascii_case("not") {
            return None;
        }
        if attribute.urn.is_some() || attribute.sub.is_some() {
            return None;
        }
        let parenthesis = if self.leniency.blanks {
            bytes::trim_blanks(after)
        } else {
            after.strip_prefix(' ').unwrap_or(after)
        };
        parenthesis.starts_with('(').then_some(parenthesis)
    }

    /// Enters a level; `input` starts with its parenthesis or bracket.
    fn open(&mut self, input: &'a str, open: Open<'a>) -> Parsed<'a, ()> {
        if self.levels.len() >= self.depth {
            return fault(input, Expected::Depth);
        }
        self.levels.push(Level {
            open,
            all: mem::take(&mut self.all),
            any: mem::take(&mut self.any),
        });
        token::no_blank(input.get(1..).unwrap_or_default(), self.leniency.blanks)
    }

    /// Counts one term, which starts at `input`.
    #[inline]
    fn term(&mut self, input: &'a str) -> Result<(), nom::Err<Fault<'a>>> {
        let Some(terms) = self.terms.checked_sub(1) else {
            return fault(input, Expected::Terms).map(|(_, never)| never);
        };
        self.terms = terms;
        Ok(())
    }

    /// The operator and the value behind an attribute.
    #[inline]
    fn comparison(&self, attribute: AttributePath<'a>, rest: &'a str) -> Parsed<'a, Filter<'a>> {
        let expected = match rest.as_bytes().first() {
            Some(b'.') => Expected::OneSub,
            _ if attribute.sub.is_none() && attribute.name.eq_ignore_ascii_case("not") => {
                Expected::OperatorOrGroup
            }
            _ => Expected::Operator,
        };
        let (rest, ()) = token::blank(rest, self.leniency.blanks, expected)?;
        let (rest, operator) = token::operator(rest, expected)?;
        let Some(operator) = operator else {
            return Ok((rest, Filter::Present(attribute)));
        };
        let expected = if rest.is_empty() {
            Expected::Value
        } else {
            Expected::Blank
        };
        let (rest, ()) = token::blank(rest, self.leniency.blanks, expected)?;
        let (rest, value) = literal(rest, self.leniency.literal_case)?;
        Ok((
            rest,
            Filter::Compare(Comparison {
                attribute,
                operator,
                value,
            }),
        ))
    }

    /// Closes levels until there is an `and` or an `or`, or nothing more.
    #[inline]
    fn joint(&mut self, mut rest: &'a str, mut operand: Filter<'a>) -> Parsed<'a, Next<'a>> {
        loop {
            if self.leniency.blanks && bytes::starts(rest, BLANK) {
                let trimmed = bytes::trim_blanks(rest);
                if matches!(trimmed.as_bytes().first(), None | Some(b')' | b']')) {
                    rest = trimmed;
                }
            }
            match rest.as_bytes().first() {
                None if self.levels.is_empty() && self.base == Base::Text => {
                    return Ok((rest, Next::Done(self.collect(operand))));
                }
                Some(b']') if self.levels.is_empty() && self.base == Base::Brackets => {
                    let filter = self.collect(operand);
                    return Ok((rest.get(1..).unwrap_or_default(), Next::Done(filter)));
                }
                Some(b')' | b']') => (rest, operand) = self.close(rest, operand)?,
                Some(b' ' | b'\t') => return self.logical(rest, operand),
                _ => return fault(rest, self.joint_expected()),
            }
        }
    }

    /// Leaves a level, and gives it as an operand of the level around it.
    fn close(&mut self, input: &'a str, operand: Filter<'a>) -> Parsed<'a, Filter<'a>> {
        let round = input.starts_with(')');
        let expected = match self.levels.last().map(|level| &level.open) {
            None => Some(self.joint_expected()),
            Some(Open::Brackets(_)) if round => Some(Expected::CloseBracket),
            Some(Open::Group | Open::Not) if !round => Some(Expected::CloseParenthesis),
            Some(_) => None,
        };
        if let Some(expected) = expected {
            return fault(input, expected);
        }
        let rest = input.get(1..).unwrap_or_default();
        let inner = self.collect(operand);
        let Some(level) = self.levels.pop() else {
            return fault(input, self.joint_expected());
        };
        self.all = level.all;
        self.any = level.any;
        match level.open {
            Open::Brackets(attribute) => {
                self.in_brackets = false;
                self.value_path(rest, attribute, inner)
            }
            Open::Group => Ok((rest, inner)),
            Open::Not => Ok((rest, Filter::Not(Box::new(inner)))),
        }
    }

    /// A value path, with what a lenient reading takes from behind its brackets.
    fn value_path(
        &mut self,
        mut rest: &'a str,
        attribute: AttributePath<'a>,
        mut filter: Filter<'a>,
    ) -> Parsed<'a, Filter<'a>> {
        if let Some(dotted) = rest.strip_prefix('.') {
            if !self.leniency.sub_after_brackets {
                return fault(rest, Expected::NoSubAfterBrackets);
            }
            self.term(dotted)?;
            let (after, sub) = token::name(dotted, Expected::Sub)?;
            let sub = AttributePath {
                urn: None,
                name: sub.into(),
                sub: None,
            };
            let (after, condition) = self.comparison(sub, after)?;
            rest = after;
            filter = match filter {
                Filter::And(mut members) => {
                    members.push(condition);
                    Filter::And(members)
                }
                other => Filter::And(vec![other, condition]),
            };
        }
        Ok((
            rest,
            Filter::ValuePath(ValuePath {
                attribute,
                filter: Box::new(filter),
            }),
        ))
    }

    /// `and` or `or`, with the blanks around it.
    fn logical(&mut self, input: &'a str, operand: Filter<'a>) -> Parsed<'a, Next<'a>> {
        let (word_on, ()) = token::blank(input, self.leniency.blanks, Expected::Blank)?;
        if matches!(word_on.as_bytes().first(), None | Some(b')' | b']')) {
            return fault(input, Expected::NoBlank);
        }
        let Some((word, rest)) = word_on.split_at_checked(bytes::run(word_on, NAME)) else {
            return fault(word_on, self.joint_expected());
        };
        if word.eq_ignore_ascii_case("and") {
            push_all(&mut self.all, operand);
        } else if word.eq_ignore_ascii_case("or") {
            let done = conjunction(mem::take(&mut self.all), operand);
            push_any(&mut self.any, done);
        } else {
            return fault(word_on, self.joint_expected());
        }
        let expected = if rest.is_empty() {
            Expected::Operand
        } else {
            Expected::Blank
        };
        token::blank(rest, self.leniency.blanks, expected).map(|(rest, ())| (rest, Next::Operand))
    }

    /// Everything that this level holds, as one filter.
    #[inline]
    fn collect(&mut self, operand: Filter<'a>) -> Filter<'a> {
        if self.all.is_empty() && self.any.is_empty() {
            return operand;
        }
        let last = conjunction(mem::take(&mut self.all), operand);
        if self.any.is_empty() {
            return last;
        }
        let mut any = mem::take(&mut self.any);
        push_any(&mut any, last);
        Filter::Or(any)
    }

    #[cold]
    fn joint_expected(&self) -> Expected {
        match (self.levels.last().map(|level| &level.open), self.base) {
            (Some(Open::Brackets(_)), _) | (None, Base::Brackets) => Expected::AndOrBracket,
            (Some(Open::Group | Open::Not), _) => Expected::AndOrParenthesis,
            (None, Base::Text) => Expected::AndOrEnd,
        }
    }
}

#[inline]
fn conjunction<'a>(mut all: Vec<Filter<'a>>, operand: Filter<'a>) -> Filter<'a> {
    if all.is_empty() {
        return operand;
    }
    push_all(&mut all, operand);
    Filter::And(all)
}

/// Adds to an `and`, flattening one that stood in parentheses.
fn push_all<'a>(all: &mut Vec<Filter<'a>>, operand: Filter<'a>) {
    match operand {
        Filter::And(members) if all.is_empty() => *all = members,
        Filter::And(members) => all.extend(members),
        other => all.push(other),
    }
}

/// Adds to an `or`, flattening one that stood in parentheses.
fn push_any<'a>(any: &mut Vec<Filter<'a>>, operand: Filter<'a>) {
    match operand {
        Filter::Or(members) if any.is_empty() => *any = members,
        Filter::Or(members) => any.extend(members),
        other => any.push(other),
    }
}
