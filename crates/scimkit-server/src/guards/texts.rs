//! The texts that the guards compare.

use scimkit_registry::{Resource, ResourceType};
use serde_json::Value;

/// Returns the texts of an attribute: its value, or the `value` of each of its elements.
pub(super) fn texts<'r>(
    kind: &ResourceType,
    resource: Option<&'r Resource>,
    name: &str,
) -> Vec<&'r str> {
    let id = kind.attribute_id(name);
    match resource.zip(id).and_then(|(r, id)| r.get(kind, id)) {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(elements)) => {
            let values = elements.iter().filter_map(|element| element.get("value"));
            values.filter_map(Value::as_str).collect()
        }
        _ => Vec::new(),
    }
}
