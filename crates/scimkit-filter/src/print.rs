//! Prints trees canonically: fewest parentheses, operators in lower case, single spaces.

use std::fmt::{self, Display, Formatter};

use crate::{
    attribute::AttributePath,
    path::Path,
    tree::{Comparison, Filter, Literal, Operator, ValuePath},
};

impl Display for Filter<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        filter(self, f)
    }
}

impl Display for Comparison<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.attribute.fmt(f)?;
        f.write_str(" ")?;
        f.write_str(self.operator.as_str())?;
        f.write_str(" ")?;
        self.value.fmt(f)
    }
}

impl Display for ValuePath<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.attribute.fmt(f)?;
        enclosed("[", &self.filter, "]", f)
    }
}

impl Display for AttributePath<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        name(self.urn.as_deref(), &self.name, f)?;
        sub(self.sub_attribute.as_deref(), f)
    }
}

impl Display for Path<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        name(self.urn.as_deref(), &self.name, f)?;
        if let Some(filter) = &self.filter {
            enclosed("[", filter, "]", f)?;
        }
        sub(self.sub_attribute.as_deref(), f)
    }
}

impl Display for Operator {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Display for Literal<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(true) => f.write_str("true"),
            Self::Bool(false) => f.write_str("false"),
            Self::Null => f.write_str("null"),
            Self::Number(lexeme) => f.write_str(lexeme),
            Self::String(text) | Self::Word(text) => string(text, f),
        }
    }
}

// The walk is directly recursive and has small frames: the deepest tree must fit a small stack.
fn filter(tree: &Filter<'_>, f: &mut Formatter<'_>) -> fmt::Result {
    match tree {
        Filter::And(members) => joined(members, " and ", f),
        Filter::Compare(comparison) => comparison.fmt(f),
        Filter::Not(inner) => enclosed("not (", inner, ")", f),
        Filter::Or(members) => joined(members, " or ", f),
        Filter::Present(attribute) => {
            attribute.fmt(f)?;
            f.write_str(" pr")
        }
        Filter::ValuePath(path) => path.fmt(f),
    }
}

fn joined(members: &[Filter<'_>], by: &str, f: &mut Formatter<'_>) -> fmt::Result {
    let mut between = "";
    for member in members {
        f.write_str(between)?;
        between = by;
        // `or` binds loosest, so only an `or` inside an `and` needs parentheses.
        if by == " and " && matches!(member, Filter::Or(_)) {
            enclosed("(", member, ")", f)?;
        } else {
            filter(member, f)?;
        }
    }
    Ok(())
}

fn enclosed(open: &str, inner: &Filter<'_>, close: &str, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str(open)?;
    filter(inner, f)?;
    f.write_str(close)
}

fn name(urn: Option<&str>, name: &str, f: &mut Formatter<'_>) -> fmt::Result {
    if let Some(urn) = urn {
        f.write_str(urn)?;
        f.write_str(":")?;
    }
    f.write_str(name)
}

fn sub(sub: Option<&str>, f: &mut Formatter<'_>) -> fmt::Result {
    let Some(sub) = sub else { return Ok(()) };
    f.write_str(".")?;
    f.write_str(sub)
}

fn string(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str("\"")?;
    let mut rest = text;
    while let Some(at) = rest
        .bytes()
        .position(|byte| byte < b' ' || matches!(byte, b'"' | b'\\'))
    {
        let Some((plain, special)) = rest.split_at_checked(at) else {
            break;
        };
        let mut characters = special.chars();
        f.write_str(plain)?;
        escape(characters.next().unwrap_or_default(), f)?;
        rest = characters.as_str();
    }
    f.write_str(rest)?;
    f.write_str("\"")
}

fn escape(character: char, f: &mut Formatter<'_>) -> fmt::Result {
    match character {
        '"' => f.write_str("\\\""),
        '\\' => f.write_str("\\\\"),
        '\x08' => f.write_str("\\b"),
        '\x0c' => f.write_str("\\f"),
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        other => write!(f, "\\u{:04x}", u32::from(other)),
    }
}
