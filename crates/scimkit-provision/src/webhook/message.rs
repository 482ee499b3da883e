//! The messages of an event.

use chrono::SecondsFormat;
use scimkit_registry::ResourceId;
use scimkit_store::{JournalEntry, JournalSubject};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::events::{Event, EventGap, MEMBER_ADDED, MEMBER_REMOVED};

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
        let id = |id: &ResourceId| json!(id.as_str());
        let message = |kind| {
            let list = match kind {
                MEMBER_ADDED => ("members", event.member_added().map(id).collect()),
                MEMBER_REMOVED => ("members", event.member_removed().map(id).collect()),
                _ => ("changes", event.changes()),
            };
            Message::about(event, entry, kind, list)
        };
        event.types().into_iter().map(message).collect()
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
