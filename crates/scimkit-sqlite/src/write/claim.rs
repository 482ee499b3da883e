//! Creates that take a resource which is there, and resources that wait to be taken.

use rusqlite::{params, params_from_iter, types::Value};
use scimkit_registry::{Change, Predicate, Resource, ResourceId, ResourceType, View};
use scimkit_sql::plan;
use scimkit_store::{self as store, Claim, Expect, How, StoreError, Written};

use super::Writer;
use crate::{
    error::Outcome,
    keys,
    layout::{Among, Tables, stored},
};

/// A resource that a create takes.
pub(super) enum Claimed {
    Live(ResourceId),
    Retired { id: ResourceId, created_us: i64 },
}

impl Writer<'_> {
    /// Which resource a create takes, if any.
    ///
    /// # Errors
    /// [`StoreError::Ambiguous`] for several live ones.
    pub(super) fn claimed(&self, kind: &ResourceType, claim: &Claim) -> Outcome<Option<Claimed>> {
        if claim.among != store::Among::Retired {
            let found = self.matching(kind, &claim.by, Among::Live)?;
            match found.as_slice() {
                [] => {}
                [(id, _)] => return Ok(Some(Claimed::Live(id.clone()))),
                _ => return Err(StoreError::Ambiguous.into()),
            }
        }
        if claim.among == store::Among::Live {
            return Ok(None);
        }
        let found = self.matching(kind, &claim.by, Among::Retired)?;
        let last = found.into_iter().next();
        Ok(last.map(|(id, created_us)| Claimed::Retired { id, created_us }))
    }

    /// The first two resources that may be taken and satisfy a predicate, with when they were made;
    /// of retired ones the last one first.
    fn matching(
        &self,
        kind: &ResourceType,
        by: &Predicate,
        among: Among,
    ) -> Outcome<Vec<(ResourceId, i64)>> {
        let tables = Tables {
            among,
            settings: self.settings,
            tenant: self.tenant,
        };
        let plan = plan(kind, by, &tables, 3);
        let mut values = vec![
            Value::Text(self.tenant.into()),
            Value::Text(kind.name().into()),
        ];
        let mut sql = match among {
            Among::Live => "FROM resource r WHERE r.connection IS NULL",
            Among::Retired => "FROM retired r WHERE 1 = 1",
        }
        .to_owned();
        sql.push_str(" AND r.tenant = ?1 AND r.kind = ?2");
        if let Some(condition) = plan.condition {
            sql.push_str(" AND ");
            sql.push_str(&condition.text);
            values.extend(condition.parameters.iter().map(stored));
        }
        sql.push_str(match among {
            Among::Live => " ORDER BY r.id",
            Among::Retired => " ORDER BY r.retired_us DESC, r.id DESC",
        });
        let sql = format!("SELECT r.id, r.created_us, r.document {sql}");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(&values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()?.filter(|_| found.len() < 2) {
            let holds = match &plan.residual {
                None => true,
                Some(residual) => {
                    let text = row.get_ref(2)?.as_str().map_err(StoreError::backend)?;
                    let document = Resource::restore(text.as_bytes());
                    let document = document.map_err(StoreError::backend)?;
                    kind.matches(residual, View::of(&document))
                }
            };
            if holds {
                found.push((ResourceId::from(row.get::<_, String>(0)?), row.get(1)?));
            }
        }
        Ok(found)
    }

    /// Makes a resource of the host that of a connection, with what the change sets.
    pub(super) fn adopt(&self, id: &ResourceId, change: &Change) -> Outcome<Written> {
        let sql = "UPDATE resource SET connection = ?3 WHERE tenant = ?1 AND id = ?2";
        self.connection
            .prepare_cached(sql)?
            .execute(params![self.tenant, id.as_str(), self.by])?;
        let mut written = self.update(id, change, &Expect::Any)?;
        if written.how == How::Unchanged {
            // Whose it is, is a change, too.
            let kind = change.kind();
            let mut row = self.row(kind, id, &Expect::Any)?;
            self.renew(&mut row)?;
            written = Written::stored(How::Adopted, row.stored(kind)?);
        }
        written.how = How::Adopted;
        Ok(written)
    }

    /// Keeps a resource apart that is taken away, until a create takes it.
    pub(super) fn retire(&self, kind: &ResourceType, id: &ResourceId) -> Outcome<()> {
        let sql = "INSERT INTO retired
                   (tenant, kind, id, created_us, retired_us, connection, document)
                   SELECT tenant, kind, id, created_us, ?3, connection, document
                   FROM resource WHERE tenant = ?1 AND id = ?2";
        self.connection.prepare_cached(sql)?.execute(params![
            self.tenant,
            id.as_str(),
            self.at_us
        ])?;
        keys::retire(self.connection, self.tenant, kind, id)
    }

    /// Takes a resource out of those that may come back.
    pub(super) fn unretire(&self, kind: &ResourceType, id: &ResourceId) -> Outcome<()> {
        keys::forget(self.connection, self.tenant, kind, id)?;
        self.connection
            .prepare_cached("DELETE FROM retired WHERE tenant = ?1 AND id = ?2")?
            .execute(params![self.tenant, id.as_str()])?;
        Ok(())
    }
}
