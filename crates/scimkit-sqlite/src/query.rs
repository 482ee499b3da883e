//! Pages: what SQL can decide is decided there, the rest by the one evaluation walk.

mod part;
mod sorted;
#[cfg(test)]
mod tests;

use rusqlite::{CachedStatement, Connection, params_from_iter, types::Value};
use scimkit_registry::{AttrId, Budget, Edge, Meter, Predicate, Resource, Scalar, View};
use scimkit_sql::{
    plan,
    reference::{self, EdgeRange},
};
use scimkit_store::{
    Count, Facts, Page, PageBuilder, Position, Query, Room, Settings, Sort, Start, Stored, computed,
};

use self::{part::Part, sorted::Sorted};
use crate::{
    definitions::{self, Keyed, Texts},
    edges::EdgeReader,
    error::Outcome,
    layout::{Among, Tables, stored},
    row::Row,
    statement::{DIALECT, each},
};

/// Bytes of the text of a statement that is kept for the next time.
const LONGEST_KEPT: usize = 8_192;

/// Answers a query inside a transaction that only reads; tells as well whether every row could be
/// looked up by its keys.
pub(crate) fn page(
    connection: &Connection,
    settings: &Settings,
    tenant: &str,
    query: &Query,
    budget: &Budget,
) -> Outcome<(Page, bool)> {
    let reader = EdgeReader {
        connection,
        settings,
        tenant,
    };
    let attrs = query.predicate.iter().flat_map(Predicate::attributes);
    let attrs = attrs.chain(query.sort.map(|sort| sort.attr));
    let stale = definitions::stale(connection, (tenant, "resource"), &query.kind, attrs)?;
    let asking = Asking::new((reader, budget), query, Keyed::Except(&stale));
    if !stale.is_empty() {
        let others = Asking::new((reader, budget), query, Keyed::Only(&stale));
        return Ok((asking.sorted_here(Some(&others))?, false));
    }
    let after = match &query.start {
        Start::After(place) => Some(place),
        Start::Index(_) => None,
    };
    let Some(parts) = asking.parts(after) else {
        return Ok((asking.sorted_here(None)?, true));
    };
    let (page, total) = match asking.residual {
        None => asking.decided(&parts)?,
        Some(_) => asking.evaluated(&parts)?,
    };
    let next = page.ended_at().map(|last| asking.position(last));
    let next = next.transpose()?;
    Ok((page.finish(total, next), true))
}

#[derive(Debug)]
struct Asking<'a> {
    condition: String,
    meter: Meter<'a>,
    query: &'a Query,
    reader: EdgeReader<'a>,
    residual: Option<Predicate>,
    texts: Texts<'a>,
    values: Vec<Value>,
}

impl<'a> Asking<'a> {
    fn new(
        (reader, budget): (EdgeReader<'a>, &'a Budget),
        query: &'a Query,
        keyed: Keyed<'_>,
    ) -> Self {
        let EdgeReader {
            settings, tenant, ..
        } = reader;
        let kind = &query.kind;
        let mut values = vec![Value::Text(tenant.into()), Value::Text(kind.name().into())];
        let mut condition = String::from("r.tenant = ?1 AND r.kind = ?2");
        let mut residual = None;
        if let Some(predicate) = &query.predicate {
            let plan = plan(
                kind,
                predicate,
                &Tables {
                    among: Among::Live,
                    keyed: keyed.is_keyed(),
                    settings,
                    tenant,
                },
                values.len() + 1,
            );
            if let Some(sql) = plan.condition {
                condition = format!("{condition} AND {}", sql.text);
                values.extend(sql.parameters.iter().map(stored));
            }
            residual = plan.residual;
        }
        keyed.restrict(&mut condition, &mut values);
        Asking {
            condition,
            meter: budget.meter(),
            query,
            reader,
            residual,
            texts: Texts::new(reader.connection, kind),
            values,
        }
    }

    /// Adds a row to the page, as far as it fits; tells whether more are wanted.
    fn add(&self, page: &mut PageBuilder, row: Row) -> Outcome<bool> {
        let mut stored = row.stored(&self.texts)?;
        self.reader.add_edges(&mut stored, &self.query.want())?;
        page.push(stored);
        Ok(!page.is_over())
    }

    /// How many resources to look for: one more than the page holds.
    fn wanted(&self) -> u32 {
        match self.query.count {
            0 => 0,
            count => count.saturating_add(1),
        }
    }

    fn position(&self, stored: &Stored) -> Outcome<Position> {
        let key = match self.query.sort {
            None => None,
            Some(sort) => {
                let document = stored.document.tree()?;
                self.key(sort, stored, &document)?
            }
        };
        Ok(Position::new(key, stored.id.clone()))
    }

    /// The page and the total, when SQL decides everything.
    fn decided(&self, parts: &[Part]) -> Outcome<(PageBuilder, Option<u64>)> {
        let mut page = PageBuilder::new(self.query);
        let mut skip = match self.query.start {
            Start::After(_) => 0,
            Start::Index(start) => i64::try_from(start).unwrap_or(i64::MAX),
        };
        let mut wanted = i64::from(self.wanted());
        for (at, part) in parts.iter().enumerate() {
            if wanted == 0 || page.is_over() {
                break;
            }
            let before = wanted;
            let limit = format!("LIMIT {wanted} OFFSET {skip}");
            self.each(part, &limit, |row| {
                wanted -= 1;
                match page.room() {
                    Room::Document => self.add(&mut page, Row::read(row)?),
                    Room::Id => {
                        page.name(Row::id(row)?);
                        Ok(true)
                    }
                    Room::Full => {
                        page.end();
                        Ok(false)
                    }
                }
            })?;
            if wanted < before {
                skip = 0;
            } else if skip > 0 && at + 1 < parts.len() {
                skip = skip.saturating_sub(self.count(&part.rows, &part.values)?);
            }
        }
        let total = match self.query.total {
            Count::Skip => None,
            _ => Some(self.total()?),
        };
        Ok((page, total.map(i64::unsigned_abs)))
    }

    /// How many resources there are on all pages, when SQL decides everything.
    fn total(&self) -> Outcome<i64> {
        let EdgeReader {
            connection, tenant, ..
        } = self.reader;
        let mut total = None;
        if self.query.is_unfiltered() {
            let statement = reference::total(DIALECT, tenant, self.query.kind.name());
            each(connection, &statement, |row| {
                total = Some(row.get(0)?);
                Ok(true)
            })?;
        }
        match total {
            Some(total) => Ok(total),
            None => self.count(&format!("FROM resource r WHERE {}", self.condition), &[]),
        }
    }

    /// The page and the total, when the rows come in order and each is still to be evaluated.
    fn evaluated(&self, parts: &[Part]) -> Outcome<(PageBuilder, Option<u64>)> {
        let exact = self.query.total != Count::Skip;
        // After a position the parts hold only what follows it; the total is counted apart.
        let (start, counting) = match self.query.start {
            Start::After(_) => (0, false),
            Start::Index(start) => (start, exact),
        };
        let mut page = PageBuilder::new(self.query);
        let mut passed = 0_u64;
        for part in parts {
            self.each(part, "", |row| {
                if !counting && (page.is_over() || self.query.count == 0) {
                    return Ok(false);
                }
                if let Some((mut stored, _)) = self.matching(Row::read(row)?, None)? {
                    match page.room() {
                        _ if passed < start => {}
                        Room::Document => {
                            self.reader.add_edges(&mut stored, &self.query.want())?;
                            page.push(stored);
                        }
                        Room::Id => page.name(stored.id),
                        Room::Full => page.end(),
                    }
                    passed += 1;
                }
                Ok(true)
            })?;
        }
        if exact && !counting {
            passed = 0;
            self.each(&self.all(), "", |row| {
                passed += u64::from(self.matching(Row::read(row)?, None)?.is_some());
                Ok(true)
            })?;
        }
        Ok((page, exact.then_some(passed)))
    }

    /// The page when SQL can't sort, or not all rows can be looked up: the keys of all rows are sorted
    /// here, and only the documents of the page are read again.
    fn sorted_here(&self, others: Option<&Asking<'_>>) -> Outcome<Page> {
        let mut sorted = Sorted::new(self.query);
        for asking in [self].into_iter().chain(others) {
            asking.each(&asking.all(), "", |row| {
                if let Some((stored, key)) = asking.matching(Row::read(row)?, self.query.sort)? {
                    sorted.add(key, stored.id, &self.meter)?;
                }
                Ok(true)
            })?;
        }
        let mut page = PageBuilder::new(self.query);
        for id in sorted.page() {
            let EdgeReader {
                connection, tenant, ..
            } = self.reader;
            match page.room() {
                Room::Document => {
                    let row = Row::find(connection, tenant, &self.query.kind, id.as_str())?;
                    row.map_or(Ok(true), |row| self.add(&mut page, row))?;
                }
                Room::Id => page.name(id.clone()),
                Room::Full => page.end(),
            }
            if page.is_over() {
                break;
            }
        }
        let exact = self.query.total != Count::Skip;
        if sorted.goes_on() {
            page.end();
        }
        let next = page.ended_at().map(|last| self.position(last));
        Ok(page.finish(exact.then_some(sorted.total()), next.transpose()?))
    }

    /// The resource and its sort key, when it satisfies what SQL left over.
    fn matching(&self, row: Row, sort: Option<Sort>) -> Outcome<Option<(Stored, Option<Scalar>)>> {
        let kind = &self.query.kind;
        self.meter.charge(row.document.len() as u64)?;
        let document = row.tree()?;
        let stored = row.stored(&self.texts)?;
        if let Some(predicate) = &self.residual {
            let made = self.computed(&predicate.attributes(), &stored, &document)?;
            if !kind.matches(predicate, View::with(&document, &made), &self.meter)? {
                return Ok(None);
            }
        }
        let Some(sort) = sort else {
            return Ok(Some((stored, None)));
        };
        let key = self.key(sort, &stored, &document)?;
        Ok(Some((stored, key)))
    }

    /// What a resource is sorted by.
    fn key(&self, sort: Sort, stored: &Stored, document: &Resource) -> Outcome<Option<Scalar>> {
        let made = self.computed(&[sort.attr], stored, document)?;
        let view = View::with(document, &made);
        Ok(self.query.kind.sort_key(sort.attr, view, &self.meter)?)
    }

    /// The computed ones among these attributes.
    fn computed(
        &self,
        attrs: &[AttrId],
        stored: &Stored,
        document: &Resource,
    ) -> Outcome<serde_json::Map<String, serde_json::Value>> {
        let kind = &self.query.kind;
        let wanted: Vec<_> = attrs
            .iter()
            .copied()
            .filter(|id| kind.is_computed(*id))
            .collect();
        let mut edges: Vec<(AttrId, Vec<Edge>)> = Vec::new();
        for id in &wanted {
            let top = kind.attr(*id).parent().unwrap_or(*id);
            if !edges.iter().any(|(known, _)| *known == top) {
                edges.push((
                    top,
                    self.reader
                        .edges(kind, top, stored.id.as_str(), EdgeRange::ALL)?,
                ));
            }
        }
        let facts = Facts::of(stored, document, &edges);
        Ok(computed(self.reader.settings, &facts, &wanted))
    }

    /// Walks over rows, as long as the visitor wants more.
    fn each(
        &self,
        part: &Part,
        limit: &str,
        mut visit: impl FnMut(&rusqlite::Row<'_>) -> Outcome<bool>,
    ) -> Outcome<()> {
        let sql = part.select(limit);
        let mut statement = self.reader.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(self.values.iter().chain(&part.values)))?;
        while let Some(row) = rows.next()? {
            if !visit(row)? {
                break;
            }
        }
        drop(rows);
        leave(statement, &sql);
        Ok(())
    }

    fn count(&self, rows: &str, values: &[Value]) -> Outcome<i64> {
        let sql = format!("SELECT count(*) {rows}");
        let mut statement = self.reader.connection.prepare_cached(&sql)?;
        let values = params_from_iter(self.values.iter().chain(values));
        let count = statement.query_row(values, |row| row.get(0))?;
        leave(statement, &sql);
        Ok(count)
    }
}

/// Keeps a statement for the next time, unless it is so long that it would hold much memory.
fn leave(statement: CachedStatement<'_>, sql: &str) {
    if sql.len() > LONGEST_KEPT {
        statement.discard();
    }
}
