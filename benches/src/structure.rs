//! A recursive descent parser that checks only structure: it returns the same trees for valid texts, but has no limits
//! and does not check the contents of URNs, strings and numbers.

#![expect(
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "every index was found by looking at the byte before it"
)]

use std::borrow::Cow;

use scimkit_filter::{AttributePath, Comparison, Filter, Literal, Operator, ValuePath};

use crate::bytes::{self, ALPHA, NAME, URN};

/// Parses a filter without decoding the escapes in strings.
#[must_use]
pub fn parse(text: &str) -> Option<Filter<'_>> {
    let mut parser = Parser {
        at: 0,
        bytes: text.as_bytes(),
        text,
    };
    let filter = parser.any()?;
    (parser.at == text.len()).then_some(filter)
}

struct Parser<'a> {
    at: usize,
    bytes: &'a [u8],
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

    fn any(&mut self) -> Option<Filter<'a>> {
        let first = self.all()?;
        if !self.joint("or") {
            return Some(first);
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
                return Some(Filter::Or(members));
            }
        }
    }

    #[inline]
    fn all(&mut self) -> Option<Filter<'a>> {
        let first = self.operand()?;
        if !self.joint("and") {
            return Some(first);
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
                return Some(Filter::And(members));
            }
        }
    }

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

    fn operand(&mut self) -> Option<Filter<'a>> {
        if self.peek()? == b'(' {
            return self.group();
        }
        let attribute = self.attribute()?;
        match self.peek()? {
            b' ' => {}
            b'(' if attribute.name.eq_ignore_ascii_case("not") => return self.negation(),
            b'[' => {
                self.at += 1;
                let filter = Box::new(self.any()?);
                self.byte(b']')?;
                return Some(Filter::ValuePath(ValuePath { attribute, filter }));
            }
            _ => return None,
        }
        self.at += 1;
        if self.peek()? == b'(' && attribute.name.eq_ignore_ascii_case("not") {
            return self.negation();
        }
        let Some(operator) = self.operator()? else {
            return Some(Filter::Present(attribute));
        };
        self.byte(b' ')?;
        let value = self.literal()?;
        Some(Filter::Compare(Comparison {
            attribute,
            operator,
            value,
        }))
    }

    fn group(&mut self) -> Option<Filter<'a>> {
        self.byte(b'(')?;
        let filter = self.any()?;
        self.byte(b')')?;
        Some(filter)
    }

    fn negation(&mut self) -> Option<Filter<'a>> {
        self.group().map(|filter| Filter::Not(Box::new(filter)))
    }

    #[inline]
    fn byte(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    #[inline]
    fn attribute(&mut self) -> Option<AttributePath<'a>> {
        let start = self.at;
        let mut urn = None;
        let mut name = self.name()?;
        if self.peek() == Some(b':') {
            let end = self.run(start, URN);
            let colon = start + memchr::memrchr(b':', &self.bytes[start..end])?;
            urn = Some(Cow::Borrowed(&self.text[start..colon]));
            self.at = colon + 1;
            name = self.name()?;
        }
        let mut sub = None;
        if self.peek() == Some(b'.') {
            self.at += 1;
            sub = Some(self.name()?);
        }
        Some(AttributePath {
            urn,
            name,
            sub_attribute: sub,
        })
    }

    #[inline]
    fn name(&mut self) -> Option<Cow<'a, str>> {
        let start = self.at;
        let first = self.peek()?;
        if !bytes::is(first, ALPHA) && first != b'$' {
            return None;
        }
        self.at = self.run(start + 1, NAME);
        Some(Cow::Borrowed(&self.text[start..self.at]))
    }

    #[inline]
    fn operator(&mut self) -> Option<Option<Operator>> {
        let &[first, second] = self.bytes.get(self.at..self.at + 2)? else {
            return None;
        };
        self.at += 2;
        Some(match &[first | 0x20, second | 0x20] {
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
            _ => return None,
        })
    }

    #[inline]
    fn literal(&mut self) -> Option<Literal<'a>> {
        let start = self.at;
        if self.peek()? == b'"' {
            let mut end = start + 1;
            loop {
                end += bytes::plain(self.bytes.get(end..)?);
                if *self.bytes.get(end)? == b'"' {
                    break;
                }
                end += 2;
            }
            self.at = end + 1;
            return Some(Literal::String(Cow::Borrowed(&self.text[start + 1..end])));
        }
        let rest = &self.bytes[start..];
        let count = rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
        self.at += count.count();
        Some(match &self.bytes[start..self.at] {
            b"false" => Literal::Bool(false),
            b"null" => Literal::Null,
            b"true" => Literal::Bool(true),
            b"" => return None,
            _ => Literal::Number(Cow::Borrowed(&self.text[start..self.at])),
        })
    }
}

/// Returns a list that starts with `first` and has room for more; with a capacity of one, it would have to grow at
/// once.
#[inline]
fn listed(first: Filter<'_>) -> Vec<Filter<'_>> {
    let mut members = Vec::with_capacity(4);
    members.push(first);
    members
}
