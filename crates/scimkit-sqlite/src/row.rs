//! A resource's row.

#[cfg(test)]
mod tests;

use std::cell::RefCell;

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use rusqlite::Connection;
use scimkit_core::Version;
use scimkit_registry::{ResourceId, ResourceType};
use scimkit_sql::reference;
use scimkit_store::{ConnectionId, Document, StoreError, StoredResource, Timestamps};

use crate::{
    definitions::Texts,
    error::Outcome,
    imports,
    statement::{DIALECT, Moment, first},
};

/// A resource's row, as SQLite holds it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'r> {
    pub(crate) created_us: i64,
    /// The text, which is not checked here: see [`Document::from_text`].
    pub(crate) document: &'r [u8],
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
            document: row.get_ref(4)?.as_bytes().map_err(StoreError::backend)?,
            shape: text(5)?,
            owner: row
                .get_ref(6)?
                .as_str_or_null()
                .map_err(StoreError::backend)?,
        })
    }

    /// The id alone, without reading through the document.
    pub(crate) fn id(row: &rusqlite::Row<'_>) -> Outcome<ResourceId> {
        id_at(row, 0)
    }

    /// A resource of that type.
    pub(crate) fn find(
        connection: &Connection,
        tenant: &str,
        texts: &Texts<'_>,
        id: &str,
    ) -> Outcome<Option<StoredResource>> {
        let statement = reference::resource(DIALECT, (tenant, texts.kind.name()), id);
        first(connection, &statement, |row| Row::read(row)?.stored(texts))
    }

    /// Reads a resource of that type with what `complete` adds to it, all of one moment at which no import of
    /// the tenant was incomplete.
    ///
    /// It takes no transaction if there is the resource: a statement that has not ended keeps its moment, and
    /// statements that `complete` executes see the same one. `complete` is told whether any edge leads to the resource.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Importing`].
    pub(crate) fn read_complete<T>(
        connection: &Connection,
        (tenant, kind): (&str, &ResourceType),
        id: &str,
        complete: impl FnOnce(Row<'_>, bool) -> Outcome<T>,
    ) -> Outcome<T> {
        let mut complete = Some(complete);
        let statement = reference::resource_and_import(DIALECT, (tenant, kind.name()), id);
        let mut read = || -> Outcome<Option<T>> {
            let found = first(connection, &statement, |row| {
                if row.get(7)? {
                    return Err(StoreError::Importing.into());
                }
                let complete = complete.take();
                complete
                    .map(|complete| complete(Row::read(row)?, row.get(8)?))
                    .transpose()
            })?;
            Ok(found.flatten())
        };
        if let Some(found) = read()? {
            return Ok(found);
        }
        // Without a row nothing tells whether an import has just brought it.
        let _moment = Moment::begin(connection)?;
        imports::check_complete(connection, tenant)?;
        Ok(read()?.ok_or(StoreError::NotFound)?)
    }

    pub(crate) fn stored(self, texts: &Texts<'_>) -> Outcome<StoredResource> {
        let owner = self.owner.map(ConnectionId::from);
        let text = Bytes::copy_from_slice(self.document);
        self.stored_as(texts, text, owner)
    }

    fn stored_as(
        self,
        texts: &Texts<'_>,
        text: Bytes,
        owner: Option<ConnectionId>,
    ) -> Outcome<StoredResource> {
        let at = Timestamps {
            created: instant(self.created_us)?,
            last_modified: instant(self.modified_us)?,
        };
        let version = version(self.version)?;
        // Under another schema, it may hold what this one hides.
        let is_exact = texts.can_send(self.shape)?;
        let document = Document::from_text(text).with_exactness(is_exact);
        let id = ResourceId::from(self.id);
        Ok(StoredResource::new(id, version, at, document).with_owner(owner))
    }
}

/// Builds the resources of one page: many documents share a buffer, and equal owners a text.
#[derive(Debug, Default)]
pub(crate) struct PageTexts {
    /// The rest of the last buffer, and the size of the next one.
    buffer: RefCell<(BytesMut, usize)>,
    owner: RefCell<Option<ConnectionId>>,
}

impl PageTexts {
    /// The largest buffer, unless a document is larger: what one resource of a page keeps in memory at most.
    const MAX_BUFFER: usize = 64 << 10;

    pub(crate) fn stored(&self, row: Row<'_>, texts: &Texts<'_>) -> Outcome<StoredResource> {
        let (text, owner) = (self.text(row.document), row.owner.map(|id| self.owner(id)));
        row.stored_as(texts, text, owner)
    }

    fn text(&self, document: &[u8]) -> Bytes {
        let mut rest = self.buffer.borrow_mut();
        let (buffer, next) = &mut *rest;
        if buffer.capacity() < document.len() {
            // The first one has no room for others, since it may be the only one; each other one has twice as much.
            let size = document.len().max(*next);
            *buffer = BytesMut::with_capacity(size);
            *next = size.saturating_mul(2).min(Self::MAX_BUFFER);
        }
        buffer.extend_from_slice(document);
        buffer.split().freeze()
    }

    fn owner(&self, id: &str) -> ConnectionId {
        let mut last = self.owner.borrow_mut();
        match &*last {
            Some(known) if known.as_str() == id => known.clone(),
            _ => last.insert(ConnectionId::from(id)).clone(),
        }
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

/// A resource's identifier out of its column.
pub(crate) fn id_at(row: &rusqlite::Row<'_>, column: usize) -> Outcome<ResourceId> {
    let id = row.get_ref(column)?.as_str().map_err(StoreError::backend)?;
    Ok(ResourceId::from(id))
}

/// A version out of its column.
pub(crate) fn version(number: i64) -> Outcome<Version> {
    Ok(Version::new(number.to_string()).map_err(StoreError::backend)?)
}
