//! A JSON value for the evaluation: part of a tree, or of a text that is read only as far as needed.

use std::{borrow::Cow, slice};

use scimkit_core::DataType;
use serde_json::{Number, Value};

use crate::{Attr, Scalar, scan};

/// A JSON value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Node<'a> {
    /// An object whose members were already found.
    Members(&'a [scan::Member<'a>]),
    Text(&'a [u8]),
    Tree(&'a Value),
}

impl<'a> Node<'a> {
    /// Returns the elements of an array, or the single value.
    pub(crate) fn elements(self) -> Elements<'a> {
        match self {
            Node::Text(text) if text.first() == Some(&b'[') => {
                Elements::Text(scan::Elements::of(text))
            }
            Node::Tree(Value::Array(elements)) => Elements::Tree(elements.iter()),
            one => Elements::One(Some(one)),
        }
    }

    /// Returns a member of an object.
    pub(crate) fn get(self, name: &str) -> Option<Node<'a>> {
        match self {
            Node::Members(members) => {
                let found = members.iter().find(|(key, _)| *key == name.as_bytes());
                found.map(|(_, value)| Node::Text(value))
            }
            Node::Text(text) => {
                let mut members = scan::Members::of(text);
                let found = members.find(|(key, _)| *key == name.as_bytes());
                found.map(|(_, value)| Node::Text(value))
            }
            Node::Tree(value) => value.get(name).map(Node::Tree),
        }
    }

    /// Returns the units for searching the value.
    pub(crate) fn units(self) -> usize {
        /// The number of bytes of text that are searched for one unit.
        const SEARCHED: usize = 4;
        match self {
            Node::Text(text) => text.len() / SEARCHED,
            Node::Members(_) | Node::Tree(_) => 0,
        }
    }

    pub(crate) fn is_array(self) -> bool {
        match self {
            Node::Members(_) => false,
            Node::Text(text) => text.first() == Some(&b'['),
            Node::Tree(value) => value.is_array(),
        }
    }

    pub(crate) fn is_object(self) -> bool {
        match self {
            Node::Members(_) => true,
            Node::Text(text) => text.first() == Some(&b'{'),
            Node::Tree(value) => value.is_object(),
        }
    }

    /// Returns whether there is a value: text that is not empty, or a value inside an array or object.
    pub(crate) fn is_present(self) -> bool {
        match self {
            Node::Members(members) => {
                let mut members = members.iter();
                members.any(|(_, value)| Node::Text(value).is_present())
            }
            Node::Text(text) => match text.first() {
                None | Some(b'n') => false,
                Some(b'"') => text.len() > 2,
                Some(b'[') => {
                    scan::Elements::of(text).any(|element| Node::Text(element).is_present())
                }
                Some(b'{') => {
                    scan::Members::of(text).any(|(_, value)| Node::Text(value).is_present())
                }
                Some(_) => true,
            },
            Node::Tree(value) => match value {
                Value::Null => false,
                Value::String(text) => !text.is_empty(),
                Value::Array(elements) => elements.iter().any(|e| Node::Tree(e).is_present()),
                Value::Object(members) => members.values().any(|v| Node::Tree(v).is_present()),
                Value::Bool(_) | Value::Number(_) => true,
            },
        }
    }

    pub(crate) fn is_true(self) -> bool {
        match self {
            Node::Members(_) => false,
            Node::Text(text) => text == b"true",
            Node::Tree(value) => value.as_bool() == Some(true),
        }
    }

    /// Returns the text of a string, unescaped.
    pub(crate) fn string(self) -> Option<Cow<'a, str>> {
        match self {
            Node::Members(_) => None,
            Node::Text(text) => {
                let inner = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
                if inner.contains(&b'\\') {
                    serde_json::from_slice(text).ok().map(Cow::Owned)
                } else {
                    std::str::from_utf8(inner).ok().map(Cow::Borrowed)
                }
            }
            Node::Tree(value) => value.as_str().map(Cow::Borrowed),
        }
    }

    /// Returns the value under an attribute's type and case rule; `None` if it is not of that type.
    pub(crate) fn scalar(self, attr: &Attr) -> Option<Scalar> {
        match attr.definition().data_type {
            DataType::Boolean => match self {
                Node::Text(b"true") | Node::Tree(Value::Bool(true)) => Some(Scalar::Bool(true)),
                Node::Text(b"false") | Node::Tree(Value::Bool(false)) => Some(Scalar::Bool(false)),
                _ => None,
            },
            DataType::DateTime => {
                let at = scimkit_core::parse_instant(&self.string()?)?;
                Some(Scalar::Instant(at.timestamp_micros()))
            }
            DataType::Decimal => self.number()?.as_f64().map(Scalar::Decimal),
            DataType::Integer => self.number()?.as_i64().map(Scalar::Integer),
            DataType::String | DataType::Binary | DataType::Reference => {
                Some(Scalar::text(attr, &self.string()?))
            }
            DataType::Complex => None,
        }
    }

    fn number(self) -> Option<Number> {
        match self {
            Node::Members(_) => None,
            Node::Text(text) => serde_json::from_slice(text).ok(),
            Node::Tree(value) => value.as_number().cloned(),
        }
    }
}

/// The elements of an array, or a single value.
#[derive(Debug)]
pub(crate) enum Elements<'a> {
    One(Option<Node<'a>>),
    Text(scan::Elements<'a>),
    Tree(slice::Iter<'a, Value>),
}

impl<'a> Iterator for Elements<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        match self {
            Elements::One(one) => one.take(),
            Elements::Text(elements) => elements.next().map(Node::Text),
            Elements::Tree(elements) => elements.next().map(Node::Tree),
        }
    }
}
