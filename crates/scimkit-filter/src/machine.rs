//! The grammar of filters above the tokens. Nesting is stored as data: no function here is recursive.
//!
//! The parsers for every term are inlined into one loop, because returning a `Result` through memory takes as many
//! instructions as a short token. Rare cases (errors, lenient readings, escapes, numbers) are handled elsewhere.

use std::mem;

use crate::{
    bytes::{self, BLANK, NAME},
    fault::{Expected, Parsed, fault},
    level::{Level, Levels, Open},
    options::{MAX_DEPTH, ParseOptions},
    term::{Start, Terms},
    token::{self, Attribute},
    tree::{Filter, ValuePath},
};

/// The end of the outermost level of a filter.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum End {
    /// The bracket of a path.
    Bracket,
    /// Any text that does not continue the filter.
    Prefix,
    /// The end of the text.
    Text,
}

/// Parses a filter up to its `end`.
pub(crate) fn filter<'a>(
    input: &'a str,
    options: &ParseOptions,
    end: End,
) -> Parsed<'a, Filter<'a>> {
    Machine::new(Terms::new(options), options, end).run(input)
}

/// Parses the filter of a path, from its bracket to the closing one.
pub(crate) fn brackets<'a>(input: &'a str, options: &ParseOptions) -> Parsed<'a, Filter<'a>> {
    let mut terms = Terms::new(options);
    terms.in_brackets = true;
    terms.in_path = true;
    if options.limits.depth == 0 {
        return fault(input, Expected::Depth);
    }
    terms.count(input)?;
    let (rest, ()) = token::no_blank(
        input.get(1..).unwrap_or_default(),
        options.leniency.extra_whitespace,
    )?;
    Machine::new(terms, options, End::Bracket).run(rest)
}

/// The rules of one filter, and its state besides the operands.
struct Machine<'a> {
    /// The attribute of the open brackets, if there are any; brackets do not nest.
    attribute: Option<Attribute<'a>>,
    depth: usize,
    end: End,
    terms: Terms,
}

/// The token after an operand.
enum Joint {
    /// A parenthesis or a bracket that closes the innermost level; it is still the first byte of the rest.
    Close,
    Next(Next),
}

/// The token after an operand that closes no level.
enum Next {
    And,
    /// The end of the outermost level.
    End,
    Or,
}

impl<'a> Machine<'a> {
    #[inline]
    fn new(terms: Terms, options: &ParseOptions, end: End) -> Self {
        let depth = usize::from(options.limits.depth.min(MAX_DEPTH));
        Self {
            attribute: None,
            // The bracket of a path is a level, too.
            depth: depth.saturating_sub(usize::from(end == End::Bracket)),
            end,
            terms,
        }
    }

    /// Parses from the first operand to the end.
    fn run(mut self, mut rest: &'a str) -> Parsed<'a, Filter<'a>> {
        let mut level = Level::default();
        let mut outer = Levels::default();
        loop {
            let start;
            (rest, start) = self.terms.start(rest)?;
            let attribute = match start {
                Start::Term(attribute) => attribute,
                Start::Open(open) => {
                    (rest, ()) = self.open(rest, &mut outer, &mut level, open)?;
                    continue;
                }
                Start::Brackets(attribute) => {
                    self.attribute = Some(attribute);
                    self.terms.in_brackets = true;
                    (rest, ()) = self.open(rest, &mut outer, &mut level, Open::Brackets)?;
                    continue;
                }
            };
            let (mut operand, joint);
            (rest, operand) = self.terms.term(attribute, rest)?;
            (rest, joint) = self.joint(rest, level.open)?;
            let next = match joint {
                Joint::Next(next) => next,
                Joint::Close => {
                    let closed = self.closed(rest, &mut outer, &mut level, operand)?;
                    let next;
                    (rest, (operand, next)) = closed;
                    next
                }
            };
            match next {
                Next::And => level.and(operand),
                Next::Or => level.or(operand),
                Next::End => {
                    if outer.is_done() {
                        // Dropping every field takes longer than reading a level.
                        mem::forget(outer);
                    }
                    return Ok((rest, level.finish(operand)));
                }
            }
        }
    }

    /// Leaves all levels that end after `operand`; `rest` starts with the token that closes the innermost one.
    #[inline(never)]
    fn closed(
        &mut self,
        mut rest: &'a str,
        outer: &mut Levels<'a>,
        level: &mut Level<'a>,
        mut operand: Filter<'a>,
    ) -> Parsed<'a, (Filter<'a>, Next)> {
        loop {
            let joint;
            (rest, operand) = self.close(rest, outer, level, operand)?;
            (rest, joint) = self.joint(rest, level.open)?;
            if let Joint::Next(next) = joint {
                return Ok((rest, (operand, next)));
            }
        }
    }

    /// Enters a level; `input` starts with its parenthesis or bracket.
    #[inline(always)]
    fn open(
        &self,
        input: &'a str,
        outer: &mut Levels<'a>,
        level: &mut Level<'a>,
        open: Open,
    ) -> Parsed<'a, ()> {
        if outer.len() >= self.depth {
            return fault(input, Expected::Depth);
        }
        outer.push(mem::replace(level, Level::new(open)));
        token::no_blank(
            input.get(1..).unwrap_or_default(),
            self.terms.leniency.extra_whitespace,
        )
    }

    /// Leaves a level, which ends with `operand`, and returns it as an operand of the enclosing level; `input` starts
    /// with the closing token.
    #[inline(always)]
    fn close(
        &mut self,
        input: &'a str,
        outer: &mut Levels<'a>,
        level: &mut Level<'a>,
        operand: Filter<'a>,
    ) -> Parsed<'a, Filter<'a>> {
        let rest = input.get(1..).unwrap_or_default();
        let level = mem::replace(level, outer.pop());
        match (level.open, self.attribute) {
            (Some(Open::Brackets), Some(attribute)) => {
                self.terms.in_brackets = false;
                self.value_path(rest, attribute, Box::new(level.finish(operand)))
            }
            (Some(Open::Not), _) => Ok((rest, Filter::Not(Box::new(level.finish(operand))))),
            _ => Ok((rest, level.finish(operand))),
        }
    }

    /// Parses a value path, in a lenient reading with the sub-attribute after its brackets.
    #[inline(always)]
    fn value_path(
        &mut self,
        mut rest: &'a str,
        attribute: Attribute<'a>,
        mut filter: Box<Filter<'a>>,
    ) -> Parsed<'a, Filter<'a>> {
        if rest.starts_with('.') {
            (rest, ()) = self.sub_after_brackets(rest, &mut filter)?;
        }
        let attribute = attribute.into();
        Ok((rest, Filter::ValuePath(ValuePath { attribute, filter })))
    }

    /// Parses `.value eq "x"` after brackets and adds it to their filter.
    #[cold]
    fn sub_after_brackets(&mut self, input: &'a str, filter: &mut Filter<'a>) -> Parsed<'a, ()> {
        if !self.terms.leniency.sub_after_brackets {
            return fault(input, Expected::NoSubAfterBrackets);
        }
        let dotted = input.get(1..).unwrap_or_default();
        self.terms.count(dotted)?;
        let (rest, name) = token::name(dotted, Expected::Sub)?;
        let sub = Attribute {
            urn: None,
            name,
            sub: None,
        };
        let (rest, condition) = self.terms.term(sub, rest)?;
        let inner = mem::replace(filter, Filter::And(Vec::new()));
        *filter = match inner {
            Filter::And(mut members) => {
                members.push(condition);
                Filter::And(members)
            }
            other => Filter::And(vec![other, condition]),
        };
        Ok((rest, ()))
    }

    /// Parses the text after an operand: `and` or `or` with the blanks around it, or the end of a level.
    #[inline(always)]
    fn joint(&self, mut rest: &'a str, open: Option<Open>) -> Parsed<'a, Joint> {
        if self.terms.leniency.extra_whitespace && bytes::starts(rest, BLANK) {
            rest = bytes::trim_last_blanks(rest);
        }
        match (rest.as_bytes().first(), open) {
            (Some(b' ' | b'\t'), _) => self.logical(rest, open),
            (Some(b')'), Some(Open::Group | Open::Not)) | (Some(b']'), Some(Open::Brackets)) => {
                Ok((rest, Joint::Close))
            }
            (None, None) if self.end == End::Text => Ok((rest, Joint::Next(Next::End))),
            (Some(b']'), None) if self.end == End::Bracket => {
                Ok((rest.get(1..).unwrap_or_default(), Joint::Next(Next::End)))
            }
            _ => self.no_joint(rest, open),
        }
    }

    /// Parses `and` or `or`, with the blanks around it.
    #[inline(always)]
    fn logical(&self, input: &'a str, open: Option<Open>) -> Parsed<'a, Joint> {
        let (rest, joint) = match self.keyword(input, open) {
            Ok(read) => read,
            Err(_) if self.may_end(open) => return Ok((input, Joint::Next(Next::End))),
            Err(fault) => return Err(fault),
        };
        let (rest, ()) = token::blank(rest, self.terms.leniency.extra_whitespace, || {
            if rest.is_empty() {
                Expected::Operand
            } else {
                Expected::Blank
            }
        })?;
        Ok((rest, joint))
    }

    /// Parses `and` or `or`, with the blanks before it.
    #[inline(always)]
    fn keyword(&self, input: &'a str, open: Option<Open>) -> Parsed<'a, Joint> {
        let (word, ()) = token::blank(input, self.terms.leniency.extra_whitespace, || {
            Expected::Blank
        })?;
        // Setting this bit makes a letter lower case, and turns no other byte into a letter.
        let read = match word.as_bytes() {
            &[a, n, d, ..] if a | 0x20 == b'a' && n | 0x20 == b'n' && d | 0x20 == b'd' => {
                (word.get(3..), Joint::Next(Next::And))
            }
            &[o, r, ..] if o | 0x20 == b'o' && r | 0x20 == b'r' => {
                (word.get(2..), Joint::Next(Next::Or))
            }
            [] | [b')' | b']', ..] => return fault(input, Expected::NoBlank),
            _ => return fault(word, self.joint_expected(open)),
        };
        match read {
            (Some(rest), joint) if !bytes::starts(rest, NAME) => Ok((rest, joint)),
            _ => fault(word, self.joint_expected(open)),
        }
    }

    /// Returns the end before a text that does not continue the filter, or an error if the filter may not end there.
    #[cold]
    fn no_joint(&self, rest: &'a str, open: Option<Open>) -> Parsed<'a, Joint> {
        if self.may_end(open) {
            return Ok((rest, Joint::Next(Next::End)));
        }
        let expected = match (rest.as_bytes().first(), open) {
            (Some(b')'), Some(Open::Brackets)) => Expected::CloseBracket,
            (Some(b']'), Some(Open::Group | Open::Not)) => Expected::CloseParenthesis,
            _ => self.joint_expected(open),
        };
        fault(rest, expected)
    }

    /// Returns whether the filter may end here, whatever follows.
    #[cold]
    fn may_end(&self, open: Option<Open>) -> bool {
        self.end == End::Prefix && open.is_none()
    }

    #[cold]
    fn joint_expected(&self, open: Option<Open>) -> Expected {
        match (open, self.end) {
            (Some(Open::Brackets), _) | (None, End::Bracket) => Expected::AndOrBracket,
            (Some(Open::Group | Open::Not), _) => Expected::AndOrParenthesis,
            (None, End::Prefix | End::Text) => Expected::AndOrEnd,
        }
    }
}
