//! A handwritten recursive descent parser, optimised for speed, with the same trees as ours, the same strict rules and
//! the same limits. Its errors contain a position and a few words.

#![expect(
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "every index was found by looking at the byte before it"
)]

use std::borrow::Cow;

use scimkit_filter::{
    AttributePath, Comparison, Filter, Literal, Operator, ParseLimits, ValuePath,
};

use crate::bytes::{self, ALPHA, NAME, URN, WORD};

/// The position of an error, and the expectation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bad {
    /// The index of the byte.
    pub at: usize,
    /// The expected token.
    pub expected: &'static str,
}

type Result<T> = std::result::Result<T, Bad>;

/// Parses a filter strictly, with the default limits.
///
/// # Errors
///
/// The text is not a filter, or exceeds a limit.
pub fn parse(text: &str) -> Result<Filter<'_>> {
    let limits = ParseLimits::default();
    if text.len() > limits.length {
        return bad(limits.length, "less");
    }
    let mut parser = Parser {
        at: 0,
        bytes: text.as_bytes(),
        in_brackets: false,
        levels: limits.depth,
        terms: limits.terms,
        text,
    };
    let filter = parser.any()?;
    if parser.at < text.len() {
        return bad(parser.at, "`and`, `or` or the end");
    }
    Ok(filter)
}

#[cold]
fn bad<T>(at: usize, expected: &'static str) -> Result<T> {
    Err(Bad { at, expected })
}

struct Parser<'a> {
    at: usize,
    bytes: &'a [u8],
    in_brackets: bool,
    levels: u16,
    terms: u32,
    text: &'a str,
}

impl<'a> Parser<'a> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn run(&self, from: usize, class: u8) -> usize {
        from + bytes::run(&self.bytes[from..], class)
    }

    fn any(&mut self) -> Result<Filter<'a>> {
        let first = self.all()?;
        if !self.joint("or") {
            return Ok(first);
        }
        let mut members = match first {
            Filter::Or(members) => members,
            first => listed(first),
        };
        loop {
            match self.all()? {
                Filter::Or(more) => members.extend(more),
                other => members.push(other),
            }
            if !self.joint("or") {
                return Ok(Filter::Or(members));
            }
        }
    }

    #[inline]
    fn all(&mut self) -> Result<Filter<'a>> {
        let first = self.operand()?;
        if !self.joint("and") {
            return Ok(first);
        }
        let mut members = match first {
            Filter::And(members) => members,
            first => listed(first),
        };
        loop {
            match self.operand()? {
                Filter::And(more) => members.extend(more),
                other => members.push(other),
            }
            if !self.joint("and") {
                return Ok(Filter::And(members));
            }
        }
    }

    /// Skips ` word `, if it is next.
    #[inline]
    fn joint(&mut self, word: &str) -> bool {
        let end = self.at + word.len() + 1;
        let found = self.peek() == Some(b' ')
            && self.bytes.get(end) == Some(&b' ')
            && self.bytes[self.at + 1..end].eq_ignore_ascii_case(word.as_bytes());
        if found {
            self.at = end + 1;
        }
        found
    }

    fn operand(&mut self) -> Result<Filter<'a>> {
        if self.peek() == Some(b'(') {
            return self.group();
        }
        let start = self.at;
        let attribute = self.attribute()?;
        if self.in_brackets && attribute.urn.is_some() {
            return bad(start, "no URN");
        }
        match self.peek() {
            Some(b' ') => {}
            Some(b'(') if is_not(&attribute) => return self.negation(),
            Some(b'[') => return self.value_path(attribute),
            _ => return bad(self.at, "a blank"),
        }
        self.at += 1;
        if self.peek() == Some(b'(') && is_not(&attribute) {
            return self.negation();
        }
        self.term()?;
        let Some(operator) = self.operator()? else {
            return Ok(Filter::Present(attribute));
        };
        if self.peek() != Some(b' ') {
            return bad(self.at, "a blank");
        }
        self.at += 1;
        let value = self.literal()?;
        Ok(Filter::Compare(Comparison {
            attribute,
            operator,
            value,
        }))
    }

    fn group(&mut self) -> Result<Filter<'a>> {
        self.enter()?;
        let filter = self.any()?;
        self.leave(b')')?;
        Ok(filter)
    }

    fn negation(&mut self) -> Result<Filter<'a>> {
        self.group().map(|filter| Filter::Not(Box::new(filter)))
    }

    fn value_path(&mut self, attribute: AttributePath<'a>) -> Result<Filter<'a>> {
        if self.in_brackets {
            return bad(self.at, "no brackets");
        }
        self.term()?;
        self.enter()?;
        self.in_brackets = true;
        let filter = Box::new(self.any()?);
        self.in_brackets = false;
        self.leave(b']')?;
        Ok(Filter::ValuePath(ValuePath { attribute, filter }))
    }

    fn enter(&mut self) -> Result<()> {
        if self.levels == 0 {
            return bad(self.at, "fewer levels");
        }
        self.levels -= 1;
        self.at += 1;
        Ok(())
    }

    fn leave(&mut self, close: u8) -> Result<()> {
        if self.peek() != Some(close) {
            return bad(self.at, "a closing bracket");
        }
        self.levels += 1;
        self.at += 1;
        Ok(())
    }

    #[inline]
    fn term(&mut self) -> Result<()> {
        if self.terms == 0 {
            return bad(self.at, "fewer terms");
        }
        self.terms -= 1;
        Ok(())
    }

    #[inline]
    fn attribute(&mut self) -> Result<AttributePath<'a>> {
        let start = self.at;
        let name = self.name()?;
        if self.peek() == Some(b':') {
            self.at = start;
            return self.qualified();
        }
        let sub = self.sub()?;
        Ok(AttributePath {
            urn: None,
            name,
            sub_attribute: sub,
        })
    }

    #[inline]
    fn sub(&mut self) -> Result<Option<Cow<'a, str>>> {
        if self.peek() != Some(b'.') {
            return Ok(None);
        }
        self.at += 1;
        self.name().map(Some)
    }

    #[inline]
    fn name(&mut self) -> Result<Cow<'a, str>> {
        let start = self.at;
        match self.peek() {
            Some(first) if bytes::is(first, ALPHA) => {
                self.at = self.run(start + 1, NAME);
            }
            Some(b'$') => {
                self.at = self.run(start + 1, NAME);
                if !self.text[start..self.at].eq_ignore_ascii_case("$ref") {
                    return bad(start, "a name");
                }
            }
            _ => return bad(start, "a name"),
        }
        Ok(Cow::Borrowed(&self.text[start..self.at]))
    }

    fn qualified(&mut self) -> Result<AttributePath<'a>> {
        let start = self.at;
        let end = self.run(start, URN);
        let word = &self.bytes[start..end];
        let Some(colon) = memchr::memrchr(b':', word) else {
            return bad(start, "a URN");
        };
        let urn = &word[..colon];
        if urn.len() < 5 || urn.ends_with(b":") || !urn[..4].eq_ignore_ascii_case(b"urn:") {
            return bad(start, "a URN");
        }
        let mut percents = memchr::memchr_iter(b'%', urn);
        let digits = |at: usize| urn.get(at + 1..at + 3);
        if percents.any(|at| !digits(at).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))) {
            return bad(start, "two digits after `%`");
        }
        self.at = start + colon + 1;
        let name = self.name()?;
        let sub = self.sub()?;
        let urn = Some(Cow::Borrowed(&self.text[start..start + colon]));
        Ok(AttributePath {
            urn,
            name,
            sub_attribute: sub,
        })
    }

    /// Returns the operator, or `None` for `pr`.
    #[inline]
    fn operator(&mut self) -> Result<Option<Operator>> {
        let Some(&[first, second]) = self.bytes.get(self.at..self.at + 2) else {
            return bad(self.at, "an operator");
        };
        let operator = match &[first | 0x20, second | 0x20] {
            b"co" => Some(Operator::Contains),
            b"eq" => Some(Operator::Equal),
            b"ew" => Some(Operator::EndsWith),
            b"ge" => Some(Operator::GreaterOrEqual),
            b"gt" => Some(Operator::GreaterThan),
            b"le" => Some(Operator::LessOrEqual),
            b"lt" => Some(Operator::LessThan),
            b"ne" => Some(Operator::NotEqual),
            b"pr" => None,
            b"sw" => Some(Operator::StartsWith),
            _ => return bad(self.at, "an operator"),
        };
        self.at += 2;
        if self.peek().is_some_and(|next| bytes::is(next, NAME)) {
            return bad(self.at, "the end of the operator");
        }
        Ok(operator)
    }

    #[inline]
    fn literal(&mut self) -> Result<Literal<'a>> {
        match self.peek() {
            Some(b'"') => self.string().map(Literal::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Result<Literal<'a>> {
        let end = self.run(self.at, NAME);
        let literal = match &self.bytes[self.at..end] {
            b"false" => Literal::Bool(false),
            b"null" => Literal::Null,
            b"true" => Literal::Bool(true),
            _ => return bad(self.at, "a value"),
        };
        self.at = end;
        Ok(literal)
    }

    fn number(&mut self) -> Result<Literal<'a>> {
        let start = self.at;
        let digits = |from: usize| {
            let rest = &self.bytes[from..];
            let count = rest.iter().take_while(|byte| byte.is_ascii_digit());
            from + count.count()
        };
        let integer = start + usize::from(self.bytes[start] == b'-');
        let mut end = digits(integer);
        let mut fine = end > integer && (self.bytes[integer] != b'0' || end == integer + 1);
        if self.bytes.get(end) == Some(&b'.') {
            let fraction = end + 1;
            end = digits(fraction);
            fine &= end > fraction;
        }
        if matches!(self.bytes.get(end), Some(b'e' | b'E')) {
            let sign = matches!(self.bytes.get(end + 1), Some(b'+' | b'-'));
            let exponent = end + 1 + usize::from(sign);
            end = digits(exponent.min(self.bytes.len()));
            fine &= end > exponent;
        }
        let cut = self
            .bytes
            .get(end)
            .is_some_and(|&next| bytes::is(next, WORD));
        if !fine || cut {
            return bad(start, "a number");
        }
        self.at = end;
        Ok(Literal::Number(Cow::Borrowed(&self.text[start..end])))
    }

    #[inline]
    fn string(&mut self) -> Result<Cow<'a, str>> {
        let start = self.at + 1;
        let end = start + bytes::plain(&self.bytes[start..]);
        match self.bytes.get(end) {
            Some(b'"') => {
                self.at = end + 1;
                Ok(Cow::Borrowed(&self.text[start..end]))
            }
            Some(b'\\') => self.escaped(start),
            _ => bad(end, "a closing quote"),
        }
    }

    #[cold]
    fn escaped(&mut self, start: usize) -> Result<Cow<'a, str>> {
        let mut text = String::new();
        let mut from = start;
        loop {
            let end = from + bytes::plain(&self.bytes[from..]);
            text.push_str(&self.text[from..end]);
            self.at = end;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => text.push(self.escape()?),
                _ => return bad(end, "a closing quote"),
            }
            from = self.at;
        }
    }

    fn escape(&mut self) -> Result<char> {
        let character = match self.bytes.get(self.at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\x08',
            Some(b'f') => '\x0c',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return bad(self.at, "an escape"),
        };
        self.at += 2;
        Ok(character)
    }

    fn unicode(&mut self) -> Result<char> {
        let start = self.at;
        let first = self.code_unit()?;
        if let Some(character) = char::from_u32(u32::from(first)) {
            return Ok(character);
        }
        let second = self.code_unit()?;
        match char::decode_utf16([first, second]).next() {
            Some(Ok(character)) => Ok(character),
            _ => bad(start, "a surrogate pair"),
        }
    }

    fn code_unit(&mut self) -> Result<u16> {
        let digits = self.bytes.get(self.at..self.at + 6);
        let Some([b'\\', b'u', digits @ ..]) = digits else {
            return bad(self.at, "`\\u` and four digits");
        };
        let mut unit: u16 = 0;
        for &digit in digits {
            let Some(value) = char::from(digit).to_digit(16) else {
                return bad(self.at, "`\\u` and four digits");
            };
            #[expect(clippy::cast_possible_truncation, reason = "a digit is below 16")]
            let value = value as u16;
            unit = unit << 4 | value;
        }
        self.at += 6;
        Ok(unit)
    }
}

#[inline]
fn is_not(attribute: &AttributePath<'_>) -> bool {
    attribute.name.eq_ignore_ascii_case("not")
        && attribute.urn.is_none()
        && attribute.sub_attribute.is_none()
}

/// Returns a list that starts with `first` and has room for more; with a capacity of one, it would have to grow at
/// once.
#[inline]
fn listed(first: Filter<'_>) -> Vec<Filter<'_>> {
    let mut members = Vec::with_capacity(4);
    members.push(first);
    members
}
