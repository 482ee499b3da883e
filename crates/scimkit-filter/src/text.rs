//! Parsing and printing by the standard traits and serde.

use std::str::FromStr;

use crate::{attribute::AttributePath, error::ParseError, path::Path, tree::Filter};

impl<'a> TryFrom<&'a str> for AttributePath<'a> {
    type Error = ParseError;

    fn try_from(text: &'a str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

impl<'a> TryFrom<&'a str> for Filter<'a> {
    type Error = ParseError;

    fn try_from(text: &'a str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

impl<'a> TryFrom<&'a str> for Path<'a> {
    type Error = ParseError;

    fn try_from(text: &'a str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

impl FromStr for AttributePath<'static> {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        AttributePath::parse(text).map(AttributePath::into_owned)
    }
}

impl FromStr for Filter<'static> {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Filter::parse(text).map(Filter::into_owned)
    }
}

impl FromStr for Path<'static> {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Path::parse(text).map(Path::into_owned)
    }
}

#[cfg(feature = "serde")]
mod with_serde {
    use std::{
        fmt::{self, Formatter},
        marker::PhantomData,
    };

    use serde::{
        de::{Deserialize, Deserializer, Error, Visitor},
        ser::{Serialize, Serializer},
    };

    use super::{AttributePath, Filter, FromStr, ParseError, Path};

    impl Serialize for AttributePath<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }

    impl Serialize for Filter<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }

    impl Serialize for Path<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }

    impl<'de> Deserialize<'de> for AttributePath<'static> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_str(Text("an attribute of SCIM", PhantomData))
        }
    }

    impl<'de> Deserialize<'de> for Filter<'static> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_str(Text("a filter of SCIM", PhantomData))
        }
    }

    impl<'de> Deserialize<'de> for Path<'static> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_str(Text("a path of SCIM", PhantomData))
        }
    }

    /// Parses a text strictly under the default options; the string describes the expected text.
    struct Text<T>(&'static str, PhantomData<T>);

    impl<T: FromStr<Err = ParseError>> Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }
}
