//! Lists of resources.

use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};

use super::LIST_RESPONSE;

/// A list of resources: the response to a query.
///
/// - `Resources` is printed even if it is empty, because many clients index it without a check; if it is absent, it
///   is read as empty.
/// - Numbers are omitted if they are `None`: RFC 9865 allows a service that pages by cursor not to count.
///
/// # Example
///
/// ```
/// use scimkit_core::message::ListResponse;
///
/// let nothing = ListResponse::<()> { total_results: Some(0), ..ListResponse::default() };
/// assert_eq!(
///     serde_json::to_string(&nothing)?,
///     r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"Resources":[]}"#,
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// [RFC 7644, section 3.4.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2)
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ListResponse<T> {
    /// The number of matching resources on all pages.
    pub total_results: Option<u64>,
    /// The number of resources on this page.
    pub items_per_page: Option<u64>,
    /// The index of the page's first resource, from 1.
    pub start_index: Option<u64>,
    /// The cursor of the next page (RFC 9865).
    pub next_cursor: Option<String>,
    /// The cursor of the previous page (RFC 9865).
    pub previous_cursor: Option<String>,
    /// The resources on this page.
    #[serde(rename = "Resources", alias = "resources", default = "Vec::new")]
    pub resources: Vec<T>,
}

impl<T> Default for ListResponse<T> {
    fn default() -> Self {
        Self {
            total_results: None,
            items_per_page: None,
            start_index: None,
            next_cursor: None,
            previous_cursor: None,
            resources: Vec::new(),
        }
    }
}

impl<T: Serialize> Serialize for ListResponse<T> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let numbers = [
            ("totalResults", self.total_results),
            ("itemsPerPage", self.items_per_page),
            ("startIndex", self.start_index),
        ];
        let cursors = [
            ("nextCursor", &self.next_cursor),
            ("previousCursor", &self.previous_cursor),
        ];
        let mut object = out.serialize_struct("ListResponse", 7)?;
        object.serialize_field("schemas", &[LIST_RESPONSE])?;
        for (name, number) in numbers {
            if let Some(number) = number {
                object.serialize_field(name, &number)?;
            }
        }
        for (name, cursor) in cursors {
            if let Some(cursor) = cursor {
                object.serialize_field(name, cursor)?;
            }
        }
        object.serialize_field("Resources", &self.resources)?;
        object.end()
    }
}
