//! Searches by POST.

use serde::{Serialize, Serializer, ser::SerializeStruct};
use serde_json::Value;

use super::{SEARCH_REQUEST, is_mismatch, kind_of, members};
use crate::{ErrorResponse, error::excerpt, keyword::keywords};

/// A query in the body of `POST …/.search`.
///
/// Filter, sort and attribute names are texts; binding them to a schema gives them their meaning.
///
/// # Example
///
/// ```
/// use scimkit_core::message::SearchRequest;
/// use serde_json::json;
///
/// let search = SearchRequest::from_value(json!({
///     "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
///     "attributes": ["displayName", "userName"],
///     "filter": "userName sw \"b\"",
///     "count": 10,
/// }))?;
/// assert_eq!((search.attributes.len(), search.count), (2, Some(10)));
///
/// let error = SearchRequest::from_value(json!({ "count": "ten" })).unwrap_err();
/// assert_eq!(error.status, 400);
/// # Ok::<(), scimkit_core::ErrorResponse>(())
/// ```
///
/// [RFC 7644, section 3.4.3](https://www.rfc-editor.org/rfc/rfc7644#section-3.4.3)
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SearchRequest {
    /// The attributes to return.
    pub attributes: Vec<String>,
    /// The attributes not to return.
    pub excluded_attributes: Vec<String>,
    /// The filter's text.
    pub filter: Option<String>,
    /// The attribute to sort by.
    pub sort_by: Option<String>,
    /// The order of the results.
    pub sort_order: Option<SortOrder>,
    /// The index of the first resource, from 1.
    pub start_index: Option<i64>,
    /// The maximum number of resources.
    pub count: Option<i64>,
    /// The cursor of the page to return (RFC 9865); empty for the first page.
    pub cursor: Option<String>,
    /// Whether `schemas` is missing or does not name [`SEARCH_REQUEST`]; a strict service rejects this.
    pub schemas_mismatch: bool,
}

impl SearchRequest {
    /// Reads a search from the body of a request.
    ///
    /// - Member names ignore case; null counts as absent; unknown members are dropped.
    /// - `attributes` and `excludedAttributes` are lists of strings; one string with commas is accepted too.
    /// - Numbers may be negative or out of range: the query decides what they mean.
    ///
    /// # Errors
    ///
    /// - the body is not an object, a member has the wrong JSON type or is a duplicate, or `schemas` names another
    ///   message: 400 `invalidSyntax`
    /// - `sortOrder` is an unknown word, or a number is not a 64-bit integer: 400 `invalidValue`
    pub fn from_value(body: Value) -> Result<Self, ErrorResponse> {
        let Value::Object(object) = body else {
            let kind = kind_of(&body);
            return Err(ErrorResponse::invalid_syntax(format!(
                "the search is {kind}, not an object"
            )));
        };
        let [
            schemas,
            attributes,
            excluded,
            filter,
            sort_by,
            sort_order,
            start_index,
            count,
            cursor,
        ] = members(
            object,
            [
                "schemas",
                "attributes",
                "excludedAttributes",
                "filter",
                "sortBy",
                "sortOrder",
                "startIndex",
                "count",
                "cursor",
            ],
        )?;
        let schemas_mismatch = is_mismatch(schemas.as_ref(), SEARCH_REQUEST)?;
        Ok(Self {
            attributes: names(attributes, "attributes")?,
            excluded_attributes: names(excluded, "excludedAttributes")?,
            filter: text(filter, "filter")?,
            sort_by: text(sort_by, "sortBy")?,
            sort_order: text(sort_order, "sortOrder")?
                .map(|word| order(&word))
                .transpose()?,
            start_index: number(start_index, "startIndex")?,
            count: number(count, "count")?,
            cursor: text(cursor, "cursor")?,
            schemas_mismatch,
        })
    }
}

/// The direction in which results are sorted.
///
/// [RFC 7644, section 3.4.2.3](https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.3)
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(
    clippy::exhaustive_enums,
    reason = "closed by RFC 7644, section 3.4.2.3"
)]
pub enum SortOrder {
    /// Smallest first; the default.
    #[default]
    Ascending,
    /// Largest first.
    Descending,
}

keywords!(SortOrder, "sort order" {
    Ascending => "ascending",
    Descending => "descending",
});

impl Serialize for SearchRequest {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let lists = [
            ("attributes", &self.attributes),
            ("excludedAttributes", &self.excluded_attributes),
        ];
        let texts = [
            ("filter", &self.filter),
            ("sortBy", &self.sort_by),
            ("cursor", &self.cursor),
        ];
        let numbers = [("startIndex", self.start_index), ("count", self.count)];
        let mut object = out.serialize_struct("SearchRequest", 9)?;
        object.serialize_field("schemas", &[SEARCH_REQUEST])?;
        for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            object.serialize_field(name, list)?;
        }
        for (name, text) in texts.into_iter().filter(|(_, text)| text.is_some()) {
            object.serialize_field(name, text)?;
        }
        if let Some(order) = self.sort_order {
            object.serialize_field("sortOrder", &order)?;
        }
        for (name, number) in numbers.into_iter().filter(|(_, number)| number.is_some()) {
            object.serialize_field(name, &number)?;
        }
        object.end()
    }
}

fn names(value: Option<Value>, member: &str) -> Result<Vec<String>, ErrorResponse> {
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(values)) => {
            let name =
                |value| text(Some(value), member)?.ok_or_else(|| wrong(&Value::Null, member));
            values.into_iter().map(name).collect()
        }
        Some(Value::String(list)) => {
            let names = list
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty());
            Ok(names.map(str::to_owned).collect())
        }
        Some(other) => Err(wrong(&other, member)),
    }
}

fn text(value: Option<Value>, member: &str) -> Result<Option<String>, ErrorResponse> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(wrong(&other, member)),
    }
}

fn number(value: Option<Value>, member: &str) -> Result<Option<i64>, ErrorResponse> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => match number.as_i64() {
            Some(number) => Ok(Some(number)),
            None => Err(ErrorResponse::invalid_value(format!(
                "`{member}` is not an integer"
            ))),
        },
        Some(other) => Err(wrong(&other, member)),
    }
}

fn order(word: &str) -> Result<SortOrder, ErrorResponse> {
    let rejected =
        || ErrorResponse::invalid_value(format!("`{}` is not a sort order", excerpt(word)));
    SortOrder::from_keyword(word).ok_or_else(rejected)
}

fn wrong(value: &Value, member: &str) -> ErrorResponse {
    ErrorResponse::invalid_syntax(format!("`{member}` can't be {}", kind_of(value)))
}
