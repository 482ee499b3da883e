//! The rows of one tenant for the engine.

use std::{
    collections::HashMap,
    future::{Future, ready},
    sync::Arc,
};

use rusqlite::Connection;
use scimkit_registry::{Budget, ResourceId, ResourceType};
use scimkit_sql::reference;
use scimkit_store::{
    ConnectionId, Document, Settings, StoreError,
    engine::{Applied, Facts, FoundRow, Needs, Operations, RowHead, RowState, Rows, RowsError},
};

use crate::{
    definitions::{self, Texts},
    error::{Failure, Outcome},
    row::{id_at, instant, version},
};

/// The rows of one tenant in a transaction of the writing thread.
pub(super) struct TenantRows<'a> {
    pub(super) budget: &'a Budget,
    pub(super) connection: &'a Connection,
    kinds: Vec<Kind<'a>>,
    /// The number of the tenant's last change, and whether its counters are valid; `None` until loaded.
    pub(super) last_change: Option<(i64, bool)>,
    /// The loaded rows that have other definitions.
    pub(super) outdated: HashMap<ResourceId, Outdated>,
    pub(super) settings: &'a Settings,
    pub(super) tenant: &'a str,
}

/// A type that the batch writes.
pub(super) struct Kind<'a> {
    /// The current key definition.
    pub(super) keys: String,
    name: Arc<str>,
    pub(super) texts: Texts<'a>,
}

/// The definitions of a row that differ from the current ones.
#[derive(Debug)]
pub(super) struct Outdated {
    /// Whether the row has keys of another definition.
    pub(super) has_other_keys: bool,
    /// The text definition of the row.
    pub(super) shape: String,
}

impl Rows for TenantRows<'_> {
    fn load(&mut self, needs: &Needs) -> impl Future<Output = Result<Facts, RowsError>> + Send {
        ready(self.facts(needs).map_err(failed))
    }

    fn apply(
        &mut self,
        operations: Operations,
    ) -> impl Future<Output = Result<Applied, RowsError>> + Send {
        let applied = self.apply_all(operations);
        ready(applied.map(|()| Applied::default()).map_err(failed))
    }
}

impl<'a> TenantRows<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        (tenant, kinds): (&'a str, &'a [Arc<ResourceType>]),
        (settings, budget): (&'a Settings, &'a Budget),
    ) -> Self {
        let kind = |kind: &'a Arc<ResourceType>| Kind {
            keys: definitions::current(kind),
            name: kind.name().into(),
            texts: Texts::new(connection, kind),
        };
        TenantRows {
            budget,
            connection,
            kinds: kinds.iter().map(kind).collect(),
            last_change: None,
            outdated: HashMap::new(),
            settings,
            tenant,
        }
    }

    pub(super) fn kinds(&self) -> &[Kind<'a>] {
        &self.kinds
    }

    /// Returns a type that the batch writes, by name.
    pub(super) fn kind(&self, name: &str) -> Option<&Kind<'a>> {
        self.kinds.iter().find(|kind| *kind.name == *name)
    }

    /// The name of a type, shared if the batch writes the type.
    pub(super) fn name(&self, name: &str) -> Arc<str> {
        let known = self.kind(name).map(|kind| Arc::clone(&kind.name));
        known.unwrap_or_else(|| name.into())
    }

    /// Reads columns 0 to 5 of [`reference::heads`].
    pub(super) fn head(&self, row: &rusqlite::Row<'_>) -> Outcome<RowHead> {
        let kind = row.get_ref(1)?.as_str().map_err(StoreError::backend)?;
        Ok(RowHead {
            created: instant(row.get(3)?)?,
            id: id_at(row, 0)?,
            kind: self.name(kind),
            last_modified: instant(row.get(4)?)?,
            state: match row.get::<_, i64>(5)? {
                0 => RowState::Live,
                _ => RowState::Deleted,
            },
            version: version(row.get(2)?)?,
        })
    }

    /// Reads the columns of [`reference::rows`].
    pub(super) fn found(&mut self, row: &rusqlite::Row<'_>) -> Outcome<FoundRow> {
        let head = self.head(row)?;
        let connection: Option<String> = row.get(6)?;
        let text: String = row.get(9)?;
        let mut is_exact = true;
        let kind = self.kind(&head.kind);
        if let Some(kind) = kind.filter(|_| head.state == RowState::Live) {
            let keys = row.get_ref(7)?.as_str().map_err(StoreError::backend)?;
            let shape = row.get_ref(8)?.as_str().map_err(StoreError::backend)?;
            let has_other_keys = keys != kind.keys;
            let can_send = kind.texts.can_send(shape)?;
            // A document with another definition may contain attributes that this schema hides.
            is_exact = can_send;
            if has_other_keys || !can_send {
                let outdated = Outdated {
                    has_other_keys,
                    shape: shape.to_owned(),
                };
                self.outdated.insert(head.id.clone(), outdated);
            }
        }
        Ok(FoundRow {
            connection: connection.as_deref().map(ConnectionId::from),
            document: Document::from_text(text).with_exactness(is_exact),
            head,
        })
    }
}

fn failed(failure: Failure) -> RowsError {
    StoreError::from(failure).into()
}

/// Converts a state to that of the statements.
pub(super) fn tables(state: RowState) -> reference::State {
    match state {
        RowState::Deleted => reference::State::Deleted,
        RowState::Live => reference::State::Live,
    }
}
