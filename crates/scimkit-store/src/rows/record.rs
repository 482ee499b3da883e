//! Rows and edges as records, for databases that store values instead of columns.

use std::borrow::Cow;

use scimkit_core::{Version, format_instant, parse_instant};
use scimkit_registry::ResourceId;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use super::EdgeRow;
use crate::{
    ConnectionId, Document,
    engine::{FoundRow, MemberList, NewMember, RowHead, RowState},
};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RowRecord<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<Cow<'r, str>>,
    created: String,
    #[serde(default)]
    deleted: bool,
    document: Cow<'r, str>,
    id: Cow<'r, str>,
    last_modified: String,
    #[serde(rename = "type")]
    kind: Cow<'r, str>,
    version: Cow<'r, str>,
}

/// As an object with the text of the document, the times to the millisecond, and strings.
impl Serialize for FoundRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = std::str::from_utf8(self.document.text()).map_err(ser::Error::custom)?;
        let connection = self.connection.as_ref().map(ConnectionId::as_str);
        let record = RowRecord {
            connection: connection.map(Cow::from),
            created: format_instant(self.head.created),
            deleted: self.head.state == RowState::Deleted,
            document: text.into(),
            id: self.head.id.as_str().into(),
            last_modified: format_instant(self.head.last_modified),
            kind: (&*self.head.kind).into(),
            version: self.head.version.as_str().into(),
        };
        record.serialize(serializer)
    }
}

/// The document counts as one that is not [exact](Document::is_exact), so that it is right for any schema.
impl<'de> Deserialize<'de> for FoundRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let record = RowRecord::deserialize(deserializer)?;
        let instant = |text: &str| {
            let instant = parse_instant(text);
            instant.ok_or_else(|| de::Error::custom(format!("invalid time `{text}`")))
        };
        let text = record.document.into_owned();
        Ok(FoundRow {
            connection: record.connection.as_deref().map(ConnectionId::from),
            document: Document::from_text(text).with_exactness(false),
            head: RowHead {
                created: instant(&record.created)?,
                id: ResourceId::from(&*record.id),
                kind: record.kind.into(),
                last_modified: instant(&record.last_modified)?,
                state: if record.deleted {
                    RowState::Deleted
                } else {
                    RowState::Live
                },
                version: Version::new(record.version).map_err(de::Error::custom)?,
            },
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EdgeRecord<'r> {
    attribute: Cow<'r, str>,
    member: Cow<'r, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    member_type: Option<Cow<'r, str>>,
    owner: Cow<'r, str>,
    #[serde(rename = "type")]
    kind: Cow<'r, str>,
}

impl Serialize for EdgeRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let EdgeRow { list, member } = self;
        let record = EdgeRecord {
            attribute: (&*list.attr).into(),
            member: member.id.as_str().into(),
            member_type: member.kind.as_deref().map(Cow::from),
            owner: list.owner.as_str().into(),
            kind: (&*list.kind).into(),
        };
        record.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for EdgeRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let record = EdgeRecord::deserialize(deserializer)?;
        Ok(EdgeRow {
            list: MemberList {
                attr: record.attribute.into(),
                kind: record.kind.into(),
                owner: ResourceId::from(&*record.owner),
            },
            member: NewMember {
                id: ResourceId::from(&*record.member),
                kind: record.member_type.map(Cow::into_owned),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn row_is_the_same_after_reading() {
        let record = json!({
            "connection": "okta", "created": "2026-01-01T00:00:00.000Z", "deleted": true,
            "document": r#"{"userName":"ada"}"#, "id": "7",
            "lastModified": "2026-01-02T03:04:05.678Z", "type": "User", "version": "3",
        });
        let row: FoundRow = serde_json::from_value(record.clone()).unwrap();
        assert_eq!(
            (row.head.state, row.document.is_exact()),
            (RowState::Deleted, false)
        );
        assert_eq!(serde_json::to_value(&row).unwrap(), record);
        for (name, value) in [("version", "\""), ("created", "yesterday")] {
            let mut broken = record.clone();
            broken[name] = json!(value);
            assert!(
                serde_json::from_value::<FoundRow>(broken).is_err(),
                "{name}"
            );
        }
    }

    #[test]
    fn edge_is_the_same_after_reading() {
        for kind in [json!({}), json!({"memberType": "User"})] {
            let mut record =
                json!({"attribute": "members", "member": "7", "owner": "1", "type": "Group"});
            record
                .as_object_mut()
                .unwrap()
                .extend(kind.as_object().unwrap().clone());
            let edge: EdgeRow = serde_json::from_value(record.clone()).unwrap();
            assert_eq!(serde_json::to_value(&edge).unwrap(), record);
        }
    }
}
