//! The messages of an event.

use chrono::SecondsFormat;
use scimkit_registry::ResourceId;
use scimkit_store::{AttributeChange, JournalEntry, JournalSubject, RecordedValue};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::events::{Event, EventGap};

/// A message.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) body: String,
    /// The same for each attempt.
    pub(super) id: String,
}

impl Message {
    /// Returns the messages of an event, in the order in which they are sent.
    pub(super) fn all(event: &Event) -> Vec<Message> {
        if let Some(gap) = event.gap() {
            return vec![Message::gap(event, gap)];
        }
        let Some(entry) = event.entry() else {
            return Vec::new();
        };
        let mut messages = Vec::new();
        for kind in kinds(event) {
            messages.push(Message::change(event, entry, kind));
        }
        let added: Vec<_> = event.member_added().collect();
        let removed: Vec<_> = event.member_removed().collect();
        for (kind, members) in [
            ("group.member_added", added),
            ("group.member_removed", removed),
        ] {
            if !members.is_empty() {
                messages.push(Message::members(event, entry, (kind, &members)));
            }
        }
        messages
    }

    fn change(event: &Event, entry: &JournalEntry, kind: &str) -> Self {
        let attributes = event
            .details()
            .map_or(&[][..], |details| &details.attributes);
        let changes = attributes.iter().map(change).collect();
        Message::about(event, entry, kind, ("changes", changes))
    }

    fn members(event: &Event, entry: &JournalEntry, (kind, ids): (&str, &[&ResourceId])) -> Self {
        let ids = ids.iter().map(|id| json!(id.as_str())).collect();
        Message::about(event, entry, kind, ("members", ids))
    }

    fn about(
        event: &Event,
        entry: &JournalEntry,
        kind: &str,
        (name, list): (&str, Vec<Value>),
    ) -> Self {
        let mut data = Map::new();
        data.insert("tenant".to_owned(), event.tenant().as_str().into());
        if let Some(connection) = &entry.cause.connection {
            data.insert("connection".to_owned(), connection.as_str().into());
        }
        data.insert("number".to_owned(), entry.number.into());
        if let JournalSubject::Resource { id, kind } = &entry.subject {
            let resource = json!({"type": **kind, "id": id.as_str()});
            data.insert("resource".to_owned(), resource);
        }
        data.insert(name.to_owned(), list.into());
        let at = entry.at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let body = json!({"type": kind, "timestamp": at, "data": data});
        Message::new(event, kind, &body)
    }

    fn gap(event: &Event, gap: &EventGap) -> Self {
        let mut data = Map::new();
        data.insert("tenant".to_owned(), event.tenant().as_str().into());
        data.insert("after".to_owned(), gap.after.into());
        data.insert("number".to_owned(), gap.up_to.into());
        if let Some(resource) = &gap.resource {
            let resource = json!({"type": resource.kind, "id": resource.id.as_str()});
            data.insert("resource".to_owned(), resource);
        }
        let kind = "journal.gap";
        Message::new(event, kind, &json!({"type": kind, "data": data}))
    }

    fn new(event: &Event, kind: &str, body: &Value) -> Self {
        let position = event.position();
        let mut digest = Sha256::new();
        digest.update(event.tenant().as_str());
        digest.update([0]);
        digest.update(position.number.to_be_bytes());
        digest.update(position.part.to_be_bytes());
        digest.update(kind);
        let digest = digest.finalize();
        let hex = digest.iter().take(16).map(|byte| format!("{byte:02x}"));
        Message {
            body: body.to_string(),
            id: format!("evt_{}", hex.collect::<String>()),
        }
    }
}

/// Returns the types of the messages about attributes.
fn kinds(event: &Event) -> Vec<&'static str> {
    let is_active = |change: &AttributeChange| change.path.eq_ignore_ascii_case("active");
    let attributes = event
        .details()
        .map_or(&[][..], |details| &details.attributes);
    let others = attributes.iter().any(|change| !is_active(change));
    let activity = event.user_deactivated().or(event.user_reactivated());
    let user_updated = event
        .user_updated()
        .filter(|_| others || activity.is_none());
    let answers = [
        ("user.created", event.user_created()),
        ("user.updated", user_updated),
        ("user.deactivated", event.user_deactivated()),
        ("user.reactivated", event.user_reactivated()),
        ("user.deleted", event.user_deleted()),
        ("group.created", event.group_created()),
        ("group.updated", event.group_updated()),
        ("group.deleted", event.group_deleted()),
    ];
    let positive = answers.into_iter().filter(|(_, id)| id.is_some());
    positive.map(|(kind, _)| kind).collect()
}

fn change(change: &AttributeChange) -> Value {
    let mut object = Map::new();
    object.insert("path".to_owned(), change.path.as_str().into());
    for (name, value) in [("before", &change.before), ("after", &change.after)] {
        if let RecordedValue::Value(value) = value {
            object.insert(name.to_owned(), value.clone());
        }
    }
    object.into()
}
