//! Prints records as lines of JSON.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use scimkit_core::format_instant;
use scimkit_registry::{Resource, ResourceId};
use serde_json::Value;

use super::{
    ArchiveRecord, DeletedRecord, FORMAT, MemberRecord, MembershipRecord, RecordCounts,
    ResourceRecord, TenantHeader,
};
use crate::{Connection, ConnectionId, Document, StoreError, TenantSource, TokenRecord};

/// Returns the line of a record, with its line break.
pub(super) fn line(record: &ArchiveRecord) -> Result<String, StoreError> {
    Ok(match record {
        ArchiveRecord::Connection(connection) => of_connection(connection),
        ArchiveRecord::Edges(edges) => of_edges(edges),
        ArchiveRecord::Resource(resource) => of_resource(resource)?,
        ArchiveRecord::Deleted(deleted) => of_deleted(deleted)?,
        ArchiveRecord::Start(start) => of_start(start),
        ArchiveRecord::Token(token) => of_token(token),
    })
}

/// Returns the last line.
pub(super) fn end(counts: &RecordCounts) -> String {
    let counted = counts.named().into_iter();
    let line = counted.fold(Line::of("end"), |line, (name, count)| {
        line.with(name, &Value::from(count))
    });
    line.end()
}

fn of_start(start: &TenantHeader) -> String {
    let line = Line::of("tenant")
        .with("format", &Value::from(FORMAT))
        .text("id", start.tenant.as_str())
        .with("versions", &Value::from(start.versions));
    let Some(entry) = &start.entry else {
        return line.end();
    };
    let line = line.text("name", &entry.name);
    let line = line.instant("created", entry.created);
    let line = line.with("revision", &Value::from(entry.revision));
    if entry.source == TenantSource::Scim {
        line.end()
    } else {
        line.text("source", entry.source.as_str()).end()
    }
}

fn of_connection(connection: &Connection) -> String {
    Line::of("connection")
        .text("id", connection.id.as_str())
        .text("name", &connection.name)
        .instant("created", connection.created)
        .with("revision", &Value::from(connection.revision))
        .text("rules", &connection.settings)
        .end()
}

fn of_token(token: &TokenRecord) -> String {
    let digest = token.digest.iter().fold(String::new(), |mut text, byte| {
        // Writing into a `String` does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    let scopes = token.scopes;
    let named = [
        ("groups", scopes.groups),
        ("read", scopes.read),
        ("users", scopes.users),
    ];
    let named = named.into_iter().filter(|(_, may)| *may);
    let scopes = named.map(|(name, _)| Value::from(name)).collect();
    Line::of("token")
        .text("id", &token.id)
        .text("connection", token.connection.as_str())
        .text("digest", &digest)
        .text("name", &token.name)
        .with("scopes", &Value::Array(scopes))
        .instant("created", token.created)
        .with("revision", &Value::from(token.revision))
        .instant("expires", token.expires_at)
        .instant("replaced", token.replaced_at)
        .instant("revoked", token.revoked_at)
        .instant("lastUsed", token.last_used)
        .end()
}

fn of_resource(resource: &ResourceRecord) -> Result<String, StoreError> {
    let line = Line::of("resource")
        .identity(&resource.kind, &resource.id)
        .text("version", resource.version.as_str())
        .instant("created", resource.created)
        .instant("lastModified", resource.last_modified)
        .connection(resource.connection.as_ref());
    Ok(line.document(&resource.document)?.end())
}

fn of_deleted(deleted: &DeletedRecord) -> Result<String, StoreError> {
    let line = Line::of("retired")
        .identity(&deleted.kind, &deleted.id)
        .instant("created", deleted.created)
        .instant("retired", deleted.deleted)
        .connection(deleted.connection.as_ref());
    Ok(line.document(&deleted.document)?.end())
}

fn of_edges(edges: &MembershipRecord) -> String {
    let line = Line::of("edges");
    let mut line = line.identity(&edges.kind, &edges.owner);
    line = line.text("attribute", &edges.attr);
    line.name("targets");
    line.text.push('[');
    for (n, MemberRecord { id, kind }) in edges.targets.iter().enumerate() {
        line.text.push_str(if n == 0 { "" } else { "," });
        let _ = write!(line.text, r#"{{"value":{}"#, Value::from(id.as_str()));
        if let Some(kind) = kind {
            let _ = write!(line.text, r#","type":{}"#, Value::from(kind.as_str()));
        }
        line.text.push('}');
    }
    line.text.push(']');
    line.end()
}

/// An incomplete line: an object with one member, which is an object.
struct Line {
    text: String,
}

impl Line {
    fn of(what: &str) -> Self {
        let text = format!(r#"{{"{what}":{{"#);
        Line { text }
    }

    fn name(&mut self, name: &str) {
        if !self.text.ends_with('{') {
            self.text.push(',');
        }
        let _ = write!(self.text, r#""{name}":"#);
    }

    fn with(mut self, name: &str, value: &Value) -> Self {
        self.name(name);
        // `Value` prints compact JSON.
        let _ = write!(self.text, "{value}");
        self
    }

    fn text(self, name: &str, text: &str) -> Self {
        self.with(name, &Value::from(text))
    }

    /// Adds a time in milliseconds, as responses have it.
    fn instant(self, name: &str, at: impl Into<Option<DateTime<Utc>>>) -> Self {
        match at.into() {
            Some(at) => self.text(name, &format_instant(at)),
            None => self,
        }
    }

    fn identity(self, kind: &str, id: &ResourceId) -> Self {
        self.text("type", kind).text("id", id.as_str())
    }

    fn connection(self, connection: Option<&ConnectionId>) -> Self {
        match connection {
            Some(connection) => self.text("connection", connection.as_str()),
            None => self,
        }
    }

    /// Adds the stored text of a document, on one line.
    fn document(mut self, document: &Document) -> Result<Self, StoreError> {
        self.name("document");
        let text = document.text();
        let text = std::str::from_utf8(text).map_err(StoreError::backend)?;
        if text.contains(['\n', '\r']) {
            let document = Resource::restore(text.as_bytes()).map_err(StoreError::backend)?;
            self.text.push_str(&document.to_text());
        } else {
            self.text.push_str(text);
        }
        Ok(self)
    }

    fn end(mut self) -> String {
        self.text.push_str("}}\n");
        self.text
    }
}
