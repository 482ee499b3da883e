//! Reading bulk requests, one operation after the other.

use std::{cell::Cell, fmt};

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::{BulkBounds, BulkCall, BulkMethod, BulkOperation};
use crate::{
    ErrorResponse,
    error::excerpt,
    json::Strict,
    message::{kind_of, members},
};

/// Reads the members of the body.
///
/// # Errors
/// 413 for too many operations, `invalidSyntax` for everything else.
pub(super) fn read(bytes: &[u8], bounds: BulkBounds) -> Result<Read, ErrorResponse> {
    let over = Cell::new(false);
    let values = Cell::new(bounds.values);
    let body = Body {
        bounds,
        over: &over,
        values: &values,
    };
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = reader.deserialize_map(body).and_then(|read| {
        reader.end()?;
        Ok(read)
    });
    read.map_err(|problem| {
        if over.get() {
            ErrorResponse::too_large(format!(
                "the bulk request has more operations than maxOperations ({})",
                bounds.operations
            ))
        } else {
            ErrorResponse::invalid_syntax(format!("the body can't be read: {problem}"))
        }
    })
}

/// The members of the body.
#[derive(Default)]
pub(super) struct Read {
    pub(super) fail_on_errors: Option<Value>,
    pub(super) operations: Option<Vec<BulkOperation>>,
    pub(super) schemas: Option<Value>,
}

/// Reads the object, one operation after the other.
struct Body<'c> {
    bounds: BulkBounds,
    /// Set if there are too many operations.
    over: &'c Cell<bool>,
    values: &'c Cell<usize>,
}

impl<'c> Body<'c> {
    fn strict(&self, depth: usize) -> Strict<'c> {
        Strict {
            depth,
            values: self.values,
        }
    }
}

impl<'de> Visitor<'de> for Body<'_> {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a bulk request, which is an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut input: A) -> Result<Read, A::Error> {
        let mut read = Read::default();
        while let Some(name) = input.next_key::<String>()? {
            let twice = if name.eq_ignore_ascii_case("Operations") {
                read.operations
                    .replace(input.next_value_seed(Operations(&self))?)
                    .is_some()
            } else {
                let value = input.next_value_seed(self.strict(self.bounds.depth))?;
                let slot = if name.eq_ignore_ascii_case("failOnErrors") {
                    &mut read.fail_on_errors
                } else if name.eq_ignore_ascii_case("schemas") {
                    &mut read.schemas
                } else {
                    continue;
                };
                slot.replace(value).is_some()
            };
            if twice {
                let name = excerpt(&name);
                return Err(de::Error::custom(format!("`{name}` occurs twice")));
            }
        }
        Ok(read)
    }
}

struct Operations<'a, 'c>(&'a Body<'c>);

impl<'de> DeserializeSeed<'de> for Operations<'_, '_> {
    type Value = Vec<BulkOperation>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Operations<'_, '_> {
    type Value = Vec<BulkOperation>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of operations")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut input: A) -> Result<Self::Value, A::Error> {
        let Body { bounds, over, .. } = self.0;
        let mut operations = Vec::new();
        // An operation is one level around its data.
        let strict = self.0.strict(bounds.depth.saturating_add(1));
        loop {
            if operations.len() >= bounds.operations {
                return match input.next_element::<de::IgnoredAny>()? {
                    None => Ok(operations),
                    Some(_) => {
                        over.set(true);
                        Err(de::Error::custom("there are too many operations"))
                    }
                };
            }
            match input.next_element_seed(strict)? {
                Some(value) => operations.push(BulkOperation::from_value(value)),
                None => return Ok(operations),
            }
        }
    }
}

impl BulkOperation {
    fn from_value(value: Value) -> Self {
        let rejected = |error| BulkOperation {
            bulk_id: None,
            call: Err(error),
            method: None,
            path: None,
        };
        let Value::Object(object) = value else {
            let kind = kind_of(&value);
            return rejected(ErrorResponse::invalid_syntax(format!(
                "the operation is {kind}, not an object"
            )));
        };
        let names = ["bulkId", "data", "method", "path", "version"];
        let [bulk_id, data, method, path, version] = match members(object, names) {
            Ok(found) => found,
            Err(error) => return rejected(error),
        };
        let bulk_id = text("bulkId", bulk_id);
        let path = text("path", path);
        let echoed = method.as_ref().and_then(Value::as_str).map(excerpt);
        let call = text("method", method).and_then(|method| {
            let method = named(
                method.as_deref(),
                bulk_id.as_ref().map_err(ErrorResponse::clone)?,
            )?;
            if path.as_ref().map_err(ErrorResponse::clone)?.is_none() {
                return Err(missing("path"));
            }
            call(method, data, version)
        });
        BulkOperation {
            bulk_id: bulk_id.ok().flatten(),
            call,
            method: echoed,
            path: path.ok().flatten(),
        }
    }
}

/// Returns the method, with the `bulkId` that it needs.
fn named(method: Option<&str>, bulk_id: &Option<String>) -> Result<BulkMethod, ErrorResponse> {
    let word = method.ok_or_else(|| missing("method"))?;
    let method = BulkMethod::from_keyword(word).ok_or_else(|| {
        let word = excerpt(word);
        ErrorResponse::invalid_syntax(format!(
            "`method`: `{word}` is not `POST`, `PUT`, `PATCH` or `DELETE`"
        ))
    })?;
    match bulk_id.as_deref() {
        None | Some("") if method == BulkMethod::Post => Err(ErrorResponse::invalid_syntax(
            "`bulkId` is missing: `POST` needs one",
        )),
        _ => Ok(method),
    }
}

fn call(
    method: BulkMethod,
    data: Option<Value>,
    version: Option<Value>,
) -> Result<BulkCall, ErrorResponse> {
    let data = match (method, data) {
        (BulkMethod::Delete, _) => Value::Null,
        (_, None | Some(Value::Null)) => return Err(missing("data")),
        (_, Some(data)) => data,
    };
    let version = match method {
        BulkMethod::Post => None,
        _ => text("version", version)?,
    };
    Ok(BulkCall {
        data,
        method,
        version,
    })
}

fn missing(name: &str) -> ErrorResponse {
    ErrorResponse::invalid_syntax(format!("`{name}` is missing"))
}

fn text(name: &str, value: Option<Value>) -> Result<Option<String>, ErrorResponse> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => {
            let kind = kind_of(&other);
            Err(ErrorResponse::invalid_syntax(format!(
                "`{name}` is {kind}, not a string"
            )))
        }
    }
}

/// Reads `failOnErrors`.
pub(super) fn limit(value: Option<&Value>) -> Result<Option<u32>, ErrorResponse> {
    let count = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value.as_u64().filter(|count| *count > 0),
    };
    let count = count.ok_or_else(|| {
        ErrorResponse::invalid_value("`failOnErrors` is not a whole number of at least 1")
    })?;
    Ok(Some(u32::try_from(count).unwrap_or(u32::MAX)))
}
