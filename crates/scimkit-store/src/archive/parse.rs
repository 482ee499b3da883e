//! Parses lines of JSON as records.

use chrono::{DateTime, Utc};
use scimkit_core::{Version, excerpt, parse_instant, parse_json};
use scimkit_registry::{ResourceId, to_json_text};
use serde_json::{Map, Value};

use super::{
    ArchiveLimits, ArchiveRecord, DeletedRecord, FORMAT, MemberRecord, MembershipRecord,
    RecordCounts, ResourceRecord, TARGETS, TenantHeader,
};
use crate::{
    Connection, ConnectionId, Document, ResourceRef, Tenant, TenantId, TenantSource, Timestamps,
    TokenRecord, TokenScopes,
};

/// A result whose error is the reason why a line is invalid.
type Outcome<T> = Result<T, String>;

/// A parsed line.
#[derive(Debug)]
pub(super) enum Line {
    End(RecordCounts),
    Record(ArchiveRecord),
}

/// Parses one line of the records of `tenant`, which is none for the first line.
pub(super) fn line(
    text: &[u8],
    tenant: Option<&TenantId>,
    limits: &ArchiveLimits,
) -> Outcome<Line> {
    let value = parse_json(text, limits.nesting, limits.values);
    let value = value.map_err(|problem| format!("not readable as JSON: {problem}"))?;
    let members = Members::of(value, "the line")?;
    let (name, value) = members.single()?;
    let mut members = Members::of(value, &name)?;
    let record = match (name.as_str(), tenant) {
        ("tenant", None) => ArchiveRecord::Start(start(&mut members)?),
        (_, None) => return Err("the first line must be a `tenant` line".to_owned()),
        ("tenant", Some(_)) => return Err("unexpected second `tenant` line".to_owned()),
        ("connection", Some(tenant)) => {
            ArchiveRecord::Connection(connection(&mut members, tenant)?)
        }
        ("edges", _) => ArchiveRecord::Edges(edges(&mut members)?),
        ("end", _) => {
            let mut counts = RecordCounts::default();
            for (name, count) in counts.named_mut() {
                *count = members.number(name)?;
            }
            return members.end().map(|()| Line::End(counts));
        }
        ("resource", _) => ArchiveRecord::Resource(resource(&mut members)?),
        ("retired", _) => ArchiveRecord::Deleted(deleted(&mut members)?),
        ("token", Some(tenant)) => ArchiveRecord::Token(token(&mut members, tenant)?),
        (other, _) => return Err(format!("unknown kind of line `{}`", excerpt(other))),
    };
    members.end().map(|()| Line::Record(record))
}

fn start(members: &mut Members) -> Outcome<TenantHeader> {
    let format = members.number("format")?;
    if format != FORMAT {
        return Err(format!("unsupported format {format}: expected {FORMAT}"));
    }
    let id = TenantId::from(members.text("id")?.as_str());
    let versions = members.number("versions")?;
    let entry = match members.optional_text("name")? {
        None => None,
        Some(name) => {
            let mut entry = Tenant::new(id.clone(), name, members.instant("created")?);
            entry.revision = members.number("revision")?;
            let source = members.optional_text("source")?;
            entry.source = TenantSource::from_word(source.as_deref().unwrap_or_default());
            Some(entry)
        }
    };
    Ok(TenantHeader::new(id, entry, versions))
}

fn connection(members: &mut Members, tenant: &TenantId) -> Outcome<Connection> {
    let id = ConnectionId::from(members.text("id")?.as_str());
    let name = members.text("name")?;
    let created = members.instant("created")?;
    let mut connection = Connection::new(tenant.clone(), id, name, created);
    connection.revision = members.number("revision")?;
    connection.settings = members.text("rules")?;
    Ok(connection)
}

fn token(members: &mut Members, tenant: &TenantId) -> Outcome<TokenRecord> {
    let created = members.instant("created")?;
    let of = ConnectionId::from(members.text("connection")?.as_str());
    let of = Connection::new(tenant.clone(), of, "", created);
    let digest = digest(&members.text("digest")?).ok_or("`digest` is not 64 hexadecimal digits")?;
    let mut token = TokenRecord::new(&of, members.text("id")?, digest, created);
    token.name = members.text("name")?;
    token.scopes = TokenScopes::NONE;
    for scope in members.array("scopes")? {
        match scope.as_str() {
            Some("groups") => token.scopes.groups = true,
            Some("read") => token.scopes.read = true,
            Some("users") => token.scopes.users = true,
            _ => {
                return Err("`scopes` must contain only `groups`, `read` and `users`".to_owned());
            }
        }
    }
    token.revision = members.number("revision")?;
    token.expires_at = members.optional_instant("expires")?;
    token.replaced_at = members.optional_instant("replaced")?;
    token.revoked_at = members.optional_instant("revoked")?;
    token.last_used = members.optional_instant("lastUsed")?;
    Ok(token)
}

fn digest(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, at) in digest.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    // `from_str_radix` accepts a sign.
    text.bytes()
        .all(|b| b.is_ascii_hexdigit())
        .then_some(digest)
}

fn resource(members: &mut Members) -> Outcome<ResourceRecord> {
    let (kind, id) = members.identity()?;
    let version = Version::new(members.text("version")?);
    let version = version.map_err(|problem| format!("`version`: {problem}"))?;
    let at = Timestamps {
        created: members.instant("created")?,
        last_modified: members.instant("lastModified")?,
    };
    let by = members.optional_text("connection")?;
    let resource = ResourceRecord::new(kind, id, version, at, members.document()?);
    Ok(resource.with_connection(by.as_deref().map(ConnectionId::from)))
}

fn deleted(members: &mut Members) -> Outcome<DeletedRecord> {
    let (kind, id) = members.identity()?;
    let created = members.instant("created")?;
    let deleted = members.instant("retired")?;
    let by = members.optional_text("connection")?;
    let deleted = DeletedRecord::new(kind, id, created, deleted, members.document()?);
    Ok(deleted.with_connection(by.as_deref().map(ConnectionId::from)))
}

fn edges(members: &mut Members) -> Outcome<MembershipRecord> {
    let (kind, id) = members.identity()?;
    let owner = ResourceRef { kind, id };
    let attr = members.text("attribute")?;
    let elements = members.array("targets")?;
    if elements.is_empty() || elements.len() > TARGETS {
        return Err(format!("`targets` must have 1 to {TARGETS} elements"));
    }
    let mut targets = Vec::with_capacity(elements.len());
    for element in elements {
        let mut target = Members::of(element, "targets")?;
        let id = ResourceId::from(target.text("value")?);
        let kind = target.optional_text("type")?;
        targets.push(MemberRecord { id, kind });
        target.end()?;
    }
    Ok(MembershipRecord::new(owner, attr, targets))
}

/// The members of an object that were not read yet.
struct Members {
    left: Map<String, Value>,
    of: String,
}

impl Members {
    fn of(value: Value, of: &str) -> Outcome<Self> {
        let of = of.to_owned();
        match value {
            Value::Object(left) => Ok(Members { left, of }),
            _ => Err(format!("`{}` is not an object", excerpt(&of))),
        }
    }

    fn single(self) -> Outcome<(String, Value)> {
        let mut members = self.left.into_iter();
        match (members.next(), members.next()) {
            (Some(member), None) => Ok(member),
            _ => Err("expected an object with one member".to_owned()),
        }
    }

    fn end(self) -> Outcome<()> {
        match self.left.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => Err(format!(
                "unknown member `{}` in `{}`",
                excerpt(&name),
                self.of
            )),
        }
    }

    fn take(&mut self, name: &str) -> Outcome<Value> {
        let value = self.left.remove(name);
        value.ok_or_else(|| format!("`{name}` is missing"))
    }

    fn text(&mut self, name: &str) -> Outcome<String> {
        match self.take(name)? {
            Value::String(text) => Ok(text),
            _ => Err(format!("`{name}` is not a string")),
        }
    }

    fn optional_text(&mut self, name: &str) -> Outcome<Option<String>> {
        if self.left.contains_key(name) {
            self.text(name).map(Some)
        } else {
            Ok(None)
        }
    }

    fn number(&mut self, name: &str) -> Outcome<u64> {
        // The maximum is that of a database column.
        let number = self.take(name)?.as_i64();
        let number = number.and_then(|number| u64::try_from(number).ok());
        number.ok_or_else(|| format!("`{name}` is not a number from 0 to 2⁶³ - 1"))
    }

    fn instant(&mut self, name: &str) -> Outcome<DateTime<Utc>> {
        let instant = parse_instant(&self.text(name)?);
        instant.ok_or_else(|| format!("`{name}` is not a date and time"))
    }

    fn optional_instant(&mut self, name: &str) -> Outcome<Option<DateTime<Utc>>> {
        if self.left.contains_key(name) {
            self.instant(name).map(Some)
        } else {
            Ok(None)
        }
    }

    fn array(&mut self, name: &str) -> Outcome<Vec<Value>> {
        match self.take(name)? {
            Value::Array(elements) => Ok(elements),
            _ => Err(format!("`{name}` is not an array")),
        }
    }

    fn identity(&mut self) -> Outcome<(String, ResourceId)> {
        Ok((self.text("type")?, ResourceId::from(self.text("id")?)))
    }

    fn document(&mut self) -> Outcome<Document> {
        let Value::Object(members) = self.take("document")? else {
            return Err("`document` is not an object".to_owned());
        };
        Ok(Document::from_text(to_json_text(&members)))
    }
}
