//! A resource's row.

#[cfg(test)]
mod tests;

use bytes::Bytes;
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

/// A resource's row, as SQLite holds it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'r> {
    pub(crate) created_us: i64,
    pub(crate) document: &'r str,
    pub(crate) id: &'r str,
    pub(crate) modified_us: i64,
    /// The connection that owns the resource.
    pub(crate) owner: Option<&'r str>,
    pub(crate) shape: &'r str,
    pub(crate) version: i64,
}

impl<'r> Row<'r> {
    /// The columns of [`reference::resource`].
    pub(crate) fn read(row: &'r rusqlite::Row<'_>) -> Outcome<Self> {
        let text = |column| row.get_ref(column).and_then(|value| Ok(value.as_str()?));
        Ok(Row {
            id: text(0)?,
            version: row.get(1)?,
            created_us: row.get(2)?,
            modified_us: row.get(3)?,
            document: text(4)?,
            shape: text(5)?,
            owner: row
                .get_ref(6)?
                .as_str_or_null()
                .map_err(StoreError::backend)?,
        })
    }

    /// The id alone, without reading through the document.
    pub(crate) fn id(row: &rusqlite::Row<'_>) -> Outcome<ResourceId> {
        let id = row.get_ref(0)?.as_str().map_err(StoreError::backend)?;
        Ok(ResourceId::from(id))
    }

    /// A resource of that type.
    pub(crate) fn find(
        connection: &Connection,
        tenant: &str,
        texts: &Texts<'_>,
        id: &str,
    ) -> Outcome<Option<Stored>> {
        let statement = reference::resource(DIALECT, (tenant, texts.kind.name()), id);
        first(connection, &statement, |row| Row::read(row)?.stored(texts))
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
        complete: impl FnOnce(Row<'_>) -> Outcome<T>,
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
        let version = version(self.version)?;
        // Under another schema, it may hold what this one hides.
        let is_exact = texts.can_send(self.shape)?;
        let text = Bytes::copy_from_slice(self.document.as_bytes());
        let document = Document::from_text(text).with_exactness(is_exact);
        let id = ResourceId::from(self.id);
        let owner = self.owner.map(ConnectionId::from);
        Ok(Stored::new(id, version, at, document).with_owner(owner))
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
