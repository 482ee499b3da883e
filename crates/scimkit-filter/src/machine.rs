//! The grammar of filters above the tokens. Nesting is kept as data: nothing here calls itself.

use crate::bytes::{self, BLANK, NAME};
use crate::fault::{Expected, Parsed, fault};
use crate::level::{Level, Levels, Open};
use crate::options::{MAX_DEPTH, Options};
use crate::term::{Operand, Terms};
use crate::token::{self, Attribute};
use crate::tree::{Filter, ValuePath};
use std::mem;

/// Reads a filter that ends with the text.
#[inline]
pub(crate) fn filter<'a>(input: &'a str, options: &Options) -> Parsed<'a, Filter<'a>> {
    let mut terms = Terms::new(options);
    let (rest, operand) = terms.operand(input)?;
    match operand {
        // Most filters are one term and nothing more: they need no machine.
        Operand::Term(term) if rest.is_empty() => Ok((rest, term)),
        operand => Machine::new(terms, options, Base::Text).run(rest, operand),
    }
}

/// Reads the filter of a path, from its bracket to the one that closes it.
pub(crate) fn brackets<'a>(input: &'a str, options: &Options) -> Parsed<'a, Filter<'a>> {
    let mut terms = Terms::new(options);
    terms.in_brackets = true;
    terms.in_path = true;
    let mut machine = Machine::new(terms, options, Base::Brackets);
    let Some(depth) = machine.depth.checked_sub(1) else {
        return fault(input, Expected::Depth);
    };
    machine.depth = depth;
    machine.terms.count(input)?;
    let (rest, ()) = token::no_blank(input.get(1..).unwrap_or_default(), options.leniency.blanks)?;
    let (rest, operand) = machine.terms.operand(rest)?;
    machine.run(rest, operand)
}

/// Where the outermost filter ends.
#[derive(Clone, Copy, PartialEq)]
enum Base {
    /// At the bracket of a path.
    Brackets,
    /// With the text.
    Text,
}

/// A filter in the making: the innermost level's finished operands, and the levels around it.
struct Machine<'a> {
    /// Operands that `and` has joined so far.
    all: Vec<Filter<'a>>,
    /// Operands that `or` has joined so far, each complete.
    any: Vec<Filter<'a>>,
    /// Whose brackets the innermost level is in, if it or one around it has some; brackets do not nest.
    attribute: Option<Attribute<'a>>,
    base: Base,
    depth: usize,
    levels: Levels<'a>,
    terms: Terms,
}

/// What comes after an operand.
enum Next<'a> {
    Done(Filter<'a>),
    Operand,
}

impl<'a> Machine<'a> {
    fn new(terms: Terms, options: &Options, base: Base) -> Self {
        Self {
            all: Vec::new(),
            any: Vec::new(),
            attribute: None,
            base,
            depth: usize::from(options.limits.depth.min(MAX_DEPTH)),
            levels: Levels::default(),
            terms,
        }
    }

    /// Reads on from an operand, behind which `rest` starts; an opening one is still the first byte of `rest`.
    fn run(&mut self, mut rest: &'a str, mut operand: Operand<'a>) -> Parsed<'a, Filter<'a>> {
        loop {
            rest = match operand {
                Operand::Term(term) => match self.joint(rest, term)? {
                    (rest, Next::Done(filter)) => return Ok((rest, filter)),
                    (rest, Next::Operand) => rest,
                },
                Operand::Group => self.open(rest, Open::Group)?.0,
                Operand::Not => self.open(rest, Open::Not)?.0,
                Operand::Brackets(attribute) => {
                    self.attribute = Some(attribute);
                    self.terms.in_brackets = true;
                    self.open(rest, Open::Brackets)?.0
                }
            };
            (rest, operand) = self.terms.operand(rest)?;
        }
    }

    /// Enters a level; `input` starts with its parenthesis or bracket.
    fn open(&mut self, input: &'a str, open: Open) -> Parsed<'a, ()> {
        if self.levels.len() >= self.depth {
            return fault(input, Expected::Depth);
        }
        self.levels.push(Level {
            open,
            all: mem::take(&mut self.all),
            any: mem::take(&mut self.any),
        });
        token::no_blank(
            input.get(1..).unwrap_or_default(),
            self.terms.leniency.blanks,
        )
    }

    /// Closes levels until there is an `and` or an `or`, or nothing more.
    #[inline]
    fn joint(&mut self, mut rest: &'a str, mut operand: Filter<'a>) -> Parsed<'a, Next<'a>> {
        loop {
            if self.terms.leniency.blanks && bytes::starts(rest, BLANK) {
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
        let expected = match self.levels.last() {
            None => Some(self.joint_expected()),
            Some(Open::Brackets) if round => Some(Expected::CloseBracket),
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
            Open::Brackets => {
                self.terms.in_brackets = false;
                match self.attribute.take() {
                    Some(attribute) => self.value_path(rest, attribute, inner),
                    None => fault(input, self.joint_expected()),
                }
            }
            Open::Group => Ok((rest, inner)),
            Open::Not => Ok((rest, Filter::Not(Box::new(inner)))),
        }
    }

    /// A value path, with what a lenient reading takes from behind its brackets.
    fn value_path(
        &mut self,
        mut rest: &'a str,
        attribute: Attribute<'a>,
        mut filter: Filter<'a>,
    ) -> Parsed<'a, Filter<'a>> {
        if let Some(dotted) = rest.strip_prefix('.') {
            if !self.terms.leniency.sub_after_brackets {
                return fault(rest, Expected::NoSubAfterBrackets);
            }
            self.terms.count(dotted)?;
            let (after, sub) = token::name(dotted, Expected::Sub)?;
            let sub = Attribute {
                urn: None,
                name: sub,
                sub: None,
            };
            let (after, condition) = self.terms.term(sub, after)?;
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
                attribute: attribute.into(),
                filter: Box::new(filter),
            }),
        ))
    }

    /// `and` or `or`, with the blanks around it.
    fn logical(&mut self, input: &'a str, operand: Filter<'a>) -> Parsed<'a, Next<'a>> {
        let (word_on, ()) = token::blank(input, self.terms.leniency.blanks, || Expected::Blank)?;
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
        let (rest, ()) = token::blank(rest, self.terms.leniency.blanks, || {
            if rest.is_empty() {
                Expected::Operand
            } else {
                Expected::Blank
            }
        })?;
        Ok((rest, Next::Operand))
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
        match (self.levels.last(), self.base) {
            (Some(Open::Brackets), _) | (None, Base::Brackets) => Expected::AndOrBracket,
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
#[inline]
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
