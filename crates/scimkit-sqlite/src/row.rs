//! A resource's row.

#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, types::ValueRef};
use scimkit_core::Version;
use scimkit_registry::{ResourceId, ResourceType};
use scimkit_sql::reference;
use scimkit_store::{ConnectionId, Document, StoreError, Stored, Timestamps};

use crate::{
    definitions::Texts,
    error::Outcome,
    statement::{DIALECT, first},
};

/// A resource's row.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) created_us: i64,
    pub(crate) document: String,
    pub(crate) id: String,
    pub(crate) modified_us: i64,
    /// The connection that owns the resource.
    pub(crate) owner: Option<String>,
    pub(crate) shape: String,
    pub(crate) version: i64,
}

impl Row {
    /// The columns of [`reference::resource`].
    pub(crate) fn read(row: &rusqlite::Row<'_>) -> Outcome<Self> {
        Ok(Row {
            id: row.get(0)?,
            version: row.get(1)?,
            created_us: row.get(2)?,
            modified_us: row.get(3)?,
            document: row.get(4)?,
            shape: row.get(5)?,
            owner: row.get(6)?,
        })
    }

    /// The id alone, without reading through the document.
    pub(crate) fn id(row: &rusqlite::Row<'_>) -> Outcome<ResourceId> {
        Ok(ResourceId::from(row.get::<_, String>(0)?))
    }

    /// The row of a resource of that type.
    pub(crate) fn find(
        connection: &Connection,
        tenant: &str,
        kind: &ResourceType,
        id: &str,
    ) -> Outcome<Option<Self>> {
        let statement = reference::resource(DIALECT, (tenant, kind.name()), id);
        first(connection, &statement, Row::read)
    }

    /// Reads a resource of that type with what `complete` adds to it, all of one moment at which no import of
    /// the tenant was incomplete.
    ///
    /// It takes no transaction: a statement that has not ended keeps its moment, and statements that
    /// `complete` executes see the same one.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Importing`].
    pub(crate) fn read_complete<T>(
        connection: &Connection,
        (tenant, kind): (&str, &ResourceType),
        id: &str,
        complete: impl FnOnce(Self) -> Outcome<T>,
    ) -> Outcome<T> {
        let statement = reference::resource_or_import(DIALECT, (tenant, kind.name()), id);
        let found = first(connection, &statement, |row| {
            if row.get(7)? {
                return Err(StoreError::Importing.into());
            }
            match row.get_ref(0)? {
                ValueRef::Null => Err(StoreError::NotFound.into()),
                _ => complete(Row::read(row)?),
            }
        })?;
        Ok(found.ok_or(StoreError::NotFound)?)
    }

    pub(crate) fn stored(self, texts: &Texts<'_>) -> Outcome<Stored> {
        let at = Timestamps {
            created: instant(self.created_us)?,
            last_modified: instant(self.modified_us)?,
        };
        let version = self.version()?;
        // Under another schema, it may hold what this one hides.
        let is_exact = texts.can_send(&self.shape)?;
        let document = Document::from_text(self.document).with_exactness(is_exact);
        let id = ResourceId::from(self.id);
        let owner = self.owner.as_deref().map(ConnectionId::from);
        Ok(Stored::new(id, version, at, document).with_owner(owner))
    }

    pub(crate) fn version(&self) -> Outcome<Version> {
        version(self.version)
    }
}

/// An instant out of its column.
pub(crate) fn instant(micros: i64) -> Outcome<DateTime<Utc>> {
    let instant = DateTime::from_timestamp_micros(micros);
    Ok(instant.ok_or_else(|| StoreError::backend("a stored instant is out of range"))?)
}

/// An instant for its column: in milliseconds, as clients see it, so that filters and answers agree.
pub(crate) fn micros(at: DateTime<Utc>) -> i64 {
    at.timestamp_millis().saturating_mul(1_000)
}

/// A version out of its column.
pub(crate) fn version(number: i64) -> Outcome<Version> {
    Ok(Version::new(number.to_string()).map_err(StoreError::backend)?)
}
