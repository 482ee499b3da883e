//! Creates that take a resource which is there, and resources that wait to be taken.

use rusqlite::{params, params_from_iter, types::Value};
use scimkit_registry::{Change, Predicate, Resource, ResourceId, ResourceType, View};
use scimkit_sql::plan;
use scimkit_store::{self as store, Claim, ConnectionId, Expect, How, StoreError, Written};

use super::Writer;
use crate::{
    definitions::{self, Keyed, Texts},
    error::Outcome,
    keys,
    layout::{Among, Tables, stored},
};

/// A resource that a create takes.
pub(super) enum Claimed {
    Live(ResourceId, How),
    Retired {
        created_us: i64,
        id: ResourceId,
        retired_us: i64,
    },
}

/// A resource that may be taken.
struct Found {
    created_us: i64,
    how: How,
    id: ResourceId,
    /// 0 for a live one.
    retired_us: i64,
}

/// A selection of rows, as `FROM` and `WHERE`.
struct Rows {
    residual: Option<Predicate>,
    sql: String,
    values: Vec<Value>,
}

impl Writer<'_> {
    /// Which resource a create takes, if any.
    ///
    /// # Errors
    /// [`StoreError::Ambiguous`] for several live ones.
    pub(super) fn claimed(&self, kind: &ResourceType, claim: &Claim) -> Outcome<Option<Claimed>> {
        let found = self.matching(kind, (claim, &claim.by), Among::Live)?;
        match found.as_slice() {
            [] => {}
            [one] => return Ok(Some(Claimed::Live(one.id.clone(), one.how))),
            _ => return Err(StoreError::Ambiguous.into()),
        }
        if claim.among == store::Among::Live {
            return Ok(None);
        }
        for term in claim.terms() {
            let found = self.matching(kind, (claim, term), Among::Retired)?;
            if let Some(found) = found.into_iter().next() {
                return Ok(Some(Claimed::Retired {
                    created_us: found.created_us,
                    id: found.id,
                    retired_us: found.retired_us,
                }));
            }
        }
        Ok(None)
    }

    /// The first two resources that may be taken; of retired ones the last one first.
    fn matching(
        &self,
        kind: &ResourceType,
        (claim, by): (&Claim, &Predicate),
        among: Among,
    ) -> Outcome<Vec<Found>> {
        let table = (self.tenant, among.table());
        let stale = definitions::stale(self.connection, table, kind, by.attributes())?;
        let rows = self.select(kind, by, among, &Keyed::Except(&stale));
        let mut found = self.taken(kind, claim, among, &rows)?;
        if !stale.is_empty() {
            let rows = self.select(kind, by, among, &Keyed::Only(&stale));
            found.extend(self.taken(kind, claim, among, &rows)?);
            if among == Among::Retired {
                found.sort_by(|a, b| (b.retired_us, &b.id).cmp(&(a.retired_us, &a.id)));
            }
        }
        found.truncate(2);
        Ok(found)
    }

    /// The rows that a predicate may hold for, in the order in which they are taken.
    fn select(&self, kind: &ResourceType, by: &Predicate, among: Among, keyed: &Keyed<'_>) -> Rows {
        let tables = Tables {
            among,
            keyed: keyed.is_keyed(),
            settings: self.settings,
            tenant: self.tenant,
        };
        let plan = plan(kind, by, &tables, 3);
        let mut values = vec![
            Value::Text(self.tenant.into()),
            Value::Text(kind.name().into()),
        ];
        let table = among.table();
        let mut sql = format!("FROM {table} r WHERE r.tenant = ?1 AND r.kind = ?2");
        if let Some(condition) = plan.condition {
            sql.push_str(" AND ");
            sql.push_str(&condition.text);
            values.extend(condition.parameters.iter().map(stored));
        }
        keyed.restrict(&mut sql, &mut values);
        Rows {
            residual: plan.residual,
            sql,
            values,
        }
    }

    /// The first two of these rows that the claim takes.
    fn taken(
        &self,
        kind: &ResourceType,
        claim: &Claim,
        among: Among,
        rows: &Rows,
    ) -> Outcome<Vec<Found>> {
        let (retired_us, order) = match among {
            Among::Live => ("0", "r.id"),
            Among::Retired => ("r.retired_us", "r.retired_us DESC, r.id DESC"),
        };
        let owned = match among == Among::Live && claim.dormant.is_none() {
            true => " AND r.connection IS NULL",
            false => "",
        };
        let sql = format!(
            "SELECT r.id, r.created_us, r.connection, r.document, {retired_us} {}{owned}
             ORDER BY {order}",
            rows.sql
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let (mut found, meter) = (Vec::new(), self.budget.meter());
        let residual = rows.residual.as_ref();
        let mut rows = statement.query(params_from_iter(&rows.values))?;
        while let Some(row) = rows.next()?.filter(|_| found.len() < 2) {
            let text = row.get_ref(3)?.as_str().map_err(StoreError::backend)?;
            meter.charge(text.len() as u64)?;
            let document = Resource::restore(text.as_bytes()).map_err(StoreError::backend)?;
            let document = View::of(&document);
            let connection: Option<String> = row.get(2)?;
            let connection = connection.as_deref().map(ConnectionId::from);
            let how = match among {
                Among::Live => claim.takes(kind, connection.as_ref(), document, &meter)?,
                Among::Retired => Some(How::Relinked),
            };
            let holds = match residual {
                Some(residual) => kind.matches(residual, document, &meter)?,
                None => true,
            };
            if let Some(how) = how.filter(|_| holds) {
                found.push(Found {
                    created_us: row.get(1)?,
                    how,
                    id: ResourceId::from(row.get::<_, String>(0)?),
                    retired_us: row.get(4)?,
                });
            }
        }
        Ok(found)
    }

    /// Makes a live resource that of a connection, with what was sent.
    pub(super) fn adopt(
        &self,
        (id, how): (&ResourceId, How),
        change: &Change,
        claim: &Claim,
    ) -> Outcome<Written> {
        let before = self.row(change.kind(), id, &Expect::Any)?.tree()?;
        let change = &self.settings.adopting(change, claim, &before)?;
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
            let texts = Texts::new(self.connection, kind);
            written = Written::stored(how, row.stored(&texts)?);
        }
        written.how = how;
        Ok(written)
    }

    /// Keeps a resource apart that is taken away, until a create takes it.
    pub(super) fn retire(&self, kind: &ResourceType, id: &ResourceId) -> Outcome<()> {
        let sql = "INSERT INTO retired
                   (tenant, kind, id, created_us, retired_us, connection, document, keys)
                   SELECT tenant, kind, id, created_us, max(modified_us, ?3), connection, document, keys
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
