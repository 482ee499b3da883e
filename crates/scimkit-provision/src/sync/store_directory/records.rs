//! Between records and resources.

use std::sync::Arc;

use scimkit_mapping::{ChangeKind, Record, TypeMapping};
use scimkit_registry::{Change, RequestError, Resource, ResourceId};
use serde_json::Value;

use crate::sync::directory::StepId;

/// The record of a resource: the fields that can be read.
pub(super) fn fields(rules: &TypeMapping, resource: &Resource) -> Record {
    let read = rules.rules().filter_map(|rule| {
        let value = rule.field_value(resource).ok()??;
        let value = Some(value).filter(|value| !value.is_null())?;
        Some((rule.field()?.to_owned(), value))
    });
    read.collect()
}

pub(super) fn is_active(resource: &Resource) -> bool {
    resource.as_map().get("active").and_then(Value::as_bool) != Some(false)
}

pub(super) fn set_active(
    rules: &TypeMapping,
    change: &mut Change,
    before: Option<&Resource>,
    to: bool,
) {
    if let Some(active) = rules.kind().attribute_id("active") {
        let before = before.and_then(|before| before.get(rules.kind(), active));
        change.difference(active, before, Some(Value::Bool(to)));
    }
}

/// The change that writes a record into a resource, and whether it is active.
pub(super) fn edited(
    rules: &TypeMapping,
    before: &Resource,
    record: &Record,
    becomes_active: Option<bool>,
) -> Result<Change, RequestError> {
    let after = rules.to_resource(record, before.clone())?;
    let change = Change::between(Arc::clone(rules.kind()), Some(before), &after);
    let purpose = ChangeKind::Update(Some(before));
    let mut change = rules.filter_change(change, purpose)?.change;
    if let Some(is_active) = becomes_active {
        set_active(rules, &mut change, Some(before), is_active);
    }
    if !record.is_empty() {
        let mut after = before.clone();
        change.apply(&mut after);
        rules.kind().check_required(&after)?;
    }
    Ok(change)
}

/// Returns the id of what a step creates: a UUID of its identity.
pub(super) fn step_uuid(step: &StepId) -> ResourceId {
    let digits: Vec<char> = step.text.chars().filter(char::is_ascii_hexdigit).collect();
    let digit = |at: usize| digits.get(at).copied().unwrap_or('0');
    let part = |from: usize, to: usize| (from..to).map(digit).collect::<String>();
    let text = format!(
        "{}-{}-8{}-8{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 15),
        part(15, 18),
        part(18, 30)
    );
    ResourceId::from(text.to_ascii_lowercase().as_str())
}
