//! The row of a resource.

#[cfg(test)]
mod tests;

use std::cell::RefCell;

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use rusqlite::Connection;
use scimkit_core::Version;
use scimkit_registry::{ResourceId, ResourceType};
use scimkit_sql::reference;
pub(crate) use scimkit_sql::reference::micros;
use scimkit_store::{ConnectionId, Document, StoreError, StoredResource, Timestamps};

use crate::{
    definitions::Texts,
    error::Outcome,
    imports,
    statement::{DIALECT, Moment, first},
};

/// The row of a resource, borrowed from SQLite.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'r> {
    pub(crate) created_us: i64,
    /// The text of the document, which is not checked here: see [`Document::from_text`].
    pub(crate) document: &'r [u8],
    pub(crate) id: &'r str,
    pub(crate) modified_us: i64,
    /// The connection that owns the resource.
    pub(crate) owner: Option<&'r str>,
    pub(crate) shape: &'r str,
    pub(crate) version: i64,
}

impl<'r> Row<'r> {
    /// Reads the columns of [`reference::resource`].
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

    /// Reads only the id, without loading the document.
    pub(crate) fn id(row: &rusqlite::Row<'_>) -> Outcome<ResourceId> {
        id_at(row, 0)
    }

    /// Finds a resource of this type by its id.
    pub(crate) fn find(
        connection: &Connection,
        tenant: &str,
        texts: &Texts<'_>,
        id: &str,
    ) -> Outcome<Option<StoredResource>> {
        let statement = reference::resource(DIALECT, (tenant, texts.kind.name()), id);
        first(connection, &statement, |row| Row::read(row)?.stored(texts))
    }

    /// Reads a resource of this type, together with the result of `complete`, at a single moment without an
    /// incomplete import of the tenant.
    ///
    /// If the resource exists, no transaction is needed: a statement that has not ended retains its snapshot, and
    /// the statements that `complete` executes see the same one. `complete` receives whether any edge leads to the
    /// resource.
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
        // Without a row, an import may have just added the resource.
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
        // A document written under another schema may contain attributes that this one hides.
        let is_exact = texts.can_send(self.shape)?;
        let document = Document::from_text(text).with_exactness(is_exact);
        let id = ResourceId::from(self.id);
        Ok(StoredResource::new(id, version, at, document).with_owner(owner))
    }
}

/// A builder of the resources on one page: many documents share a buffer, and equal owners share a text.
#[derive(Debug, Default)]
pub(crate) struct PageTexts {
    /// The rest of the last buffer, and the size of the next one.
    buffer: RefCell<(BytesMut, usize)>,
    owner: RefCell<Option<ConnectionId>>,
}

impl PageTexts {
    /// The size of the largest buffer, unless a document is larger: the maximum that one resource of a page retains
    /// in memory.
    const MAX_BUFFER: usize = 64 << 10;

    pub(crate) fn stored(&self, row: Row<'_>, texts: &Texts<'_>) -> Outcome<StoredResource> {
        let text = self.text(row.document);
        let owner = row.owner.map(|id| self.owner(id));
        row.stored_as(texts, text, owner)
    }

    fn text(&self, document: &[u8]) -> Bytes {
        let mut rest = self.buffer.borrow_mut();
        let (buffer, next) = &mut *rest;
        if buffer.capacity() < document.len() {
            // The first buffer has no room for others, since its document may be the only one; each further buffer
            // doubles in size.
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

/// Converts an instant from its column.
pub(crate) fn instant(micros: i64) -> Outcome<DateTime<Utc>> {
    let instant = DateTime::from_timestamp_micros(micros);
    Ok(instant.ok_or_else(|| StoreError::backend("a stored instant is out of range"))?)
}

/// Reads the id of a resource from its column.
pub(crate) fn id_at(row: &rusqlite::Row<'_>, column: usize) -> Outcome<ResourceId> {
    let id = row.get_ref(column)?.as_str().map_err(StoreError::backend)?;
    Ok(ResourceId::from(id))
}

/// Converts a version from its column.
pub(crate) fn version(number: i64) -> Outcome<Version> {
    Ok(Version::new(number.to_string()).map_err(StoreError::backend)?)
}
