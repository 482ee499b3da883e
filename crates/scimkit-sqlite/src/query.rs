//! Pages: what SQL can decide is decided there, the rest by the one evaluation walk.

#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use rusqlite::{Connection, params_from_iter, types::Value};
use scimkit_core::message::SortOrder;
use scimkit_registry::{AttrId, Edge, Predicate, Resource, Scalar, View};
use scimkit_sql::plan;
use scimkit_store::{Count, Facts, Page, Query, Settings, Sort, Stored, computed};

use crate::{
    edges::{EdgeReader, First},
    error::Outcome,
    layout::{Tables, column, has_keys, is_single, stored},
    row::{COLUMNS, Row},
};

/// Answers a query inside a transaction that only reads.
pub(crate) fn page(
    connection: &Connection,
    settings: &Settings,
    tenant: &str,
    query: &Query,
) -> Outcome<Page> {
    let asking = Asking::new(
        EdgeReader {
            connection,
            settings,
            tenant,
        },
        query,
    );
    let Some(parts) = asking.parts() else {
        return asking.sorted_here();
    };
    match asking.residual {
        None => asking.page_of_parts(&parts),
        Some(_) => asking.evaluated(&parts),
    }
}

/// A select whose rows come before those of the next one: `FROM`, `WHERE` and `ORDER BY`.
#[derive(Debug)]
struct Part {
    order: String,
    rows: String,
    /// Its parameters beside those of the condition.
    values: Vec<Value>,
}

#[derive(Debug)]
struct Asking<'a> {
    condition: String,
    query: &'a Query,
    reader: EdgeReader<'a>,
    residual: Option<Predicate>,
    values: Vec<Value>,
}

impl<'a> Asking<'a> {
    fn new(reader: EdgeReader<'a>, query: &'a Query) -> Self {
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
                &Tables { settings, tenant },
                values.len() + 1,
            );
            if let Some(sql) = plan.condition {
                condition = format!("{condition} AND {}", sql.text);
                values.extend(sql.parameters.iter().map(stored));
            }
            residual = plan.residual;
        }
        Asking {
            condition,
            query,
            reader,
            residual,
            values,
        }
    }

    /// All rows in the order that was asked for, as far as SQL can sort them.
    fn parts(&self) -> Option<Vec<Part>> {
        let all = format!("FROM resource r WHERE {}", self.condition);
        let Some(Sort { attr, order, .. }) = self.query.sort else {
            return Some(vec![Part::new(all, "r.id", Vec::new())]);
        };
        let attr = self.query.kind.attr(attr);
        let descending = order == SortOrder::Descending;
        let way = if descending { " DESC" } else { "" };
        if attr.id() == AttrId::ID {
            return Some(vec![Part::new(all, &format!("r.id{way}"), Vec::new())]);
        }
        if let Some(column) = column(&self.query.kind, attr) {
            return Some(vec![Part::new(
                all,
                &format!("{column}{way}, r.id"),
                Vec::new(),
            )]);
        }
        if !has_keys(&self.query.kind, attr) || !is_single(&self.query.kind, attr) {
            return None;
        }
        // Two selects, so that the index of the keys gives the order: those with a value and those
        // without.
        let path = self.values.len() + 1;
        let own = format!("s.tenant = ?1 AND s.kind = ?2 AND s.attr = ?{path}");
        let path = vec![Value::Text(attr.path().into())];
        let with = format!(
            "FROM lookup_key s JOIN resource r ON r.tenant = s.tenant AND r.id = s.id
             WHERE {own} AND {}",
            self.condition
        );
        let without = format!(
            "{all} AND NOT EXISTS (
                 SELECT 1 FROM lookup_key s INDEXED BY lookup_key_by_id WHERE {own} AND s.id = r.id)"
        );
        let with = Part::new(with, &format!("s.value{way}, s.id"), path.clone());
        let without = Part::new(without, "r.id", path);
        Some(if descending {
            vec![without, with]
        } else {
            vec![with, without]
        })
    }

    /// The page when SQL decides everything.
    fn page_of_parts(&self, parts: &[Part]) -> Outcome<Page> {
        let mut items = Vec::new();
        let mut skip = i64::try_from(self.query.start).unwrap_or(i64::MAX);
        let mut wanted = i64::from(self.query.count);
        for (at, part) in parts.iter().enumerate() {
            if wanted == 0 {
                break;
            }
            let before = items.len();
            let limit = format!("LIMIT {wanted} OFFSET {skip}");
            self.each(part, &limit, |row| {
                items.push(row.stored(&self.query.kind)?);
                Ok(true)
            })?;
            wanted -= i64::try_from(items.len() - before).unwrap_or(wanted);
            if items.len() > before {
                skip = 0;
            } else if skip > 0 && at + 1 < parts.len() {
                skip = skip.saturating_sub(self.count(&part.rows, &part.values)?);
            }
        }
        let total = match self.query.total {
            Count::Skip => None,
            _ => Some(self.count(&format!("FROM resource r WHERE {}", self.condition), &[])?),
        };
        Ok(Page::new(items, total.map(i64::unsigned_abs)))
    }

    /// The page when the rows come in order and each is still to be evaluated.
    fn evaluated(&self, parts: &[Part]) -> Outcome<Page> {
        let exact = self.query.total != Count::Skip;
        let count = usize::try_from(self.query.count).unwrap_or(usize::MAX);
        let mut items = Vec::new();
        let mut total = 0_u64;
        for part in parts {
            self.each(part, "", |row| {
                if !exact && items.len() >= count {
                    return Ok(false);
                }
                if let Some((stored, _)) = self.matching(row, None)? {
                    if total >= self.query.start && items.len() < count {
                        items.push(stored);
                    }
                    total += 1;
                }
                Ok(true)
            })?;
        }
        Ok(Page::new(items, exact.then_some(total)))
    }

    /// The page when SQL can't sort: the keys of all rows are sorted here, and only the documents of
    /// the page are kept.
    fn sorted_here(&self) -> Outcome<Page> {
        let part = Part::new(
            format!("FROM resource r WHERE {}", self.condition),
            "r.id",
            Vec::new(),
        );
        let mut keyed: Vec<(Option<Scalar>, String)> = Vec::new();
        self.each(&part, "", |row| {
            let id = row.id.clone();
            if let Some((_, key)) = self.matching(row, self.query.sort)? {
                keyed.push((key, id));
            }
            Ok(true)
        })?;
        let descending = self
            .query
            .sort
            .is_some_and(|sort| sort.order == SortOrder::Descending);
        // Stable: equal ones stay in the order of their ids.
        keyed.sort_by(|(a, _), (b, _)| {
            let (a, b) = if descending { (b, a) } else { (a, b) };
            missing_last(a.as_ref(), b.as_ref())
        });
        let start = usize::try_from(self.query.start).unwrap_or(usize::MAX);
        let count = usize::try_from(self.query.count).unwrap_or(usize::MAX);
        let mut items = Vec::new();
        for (_, id) in keyed.iter().skip(start).take(count) {
            let EdgeReader {
                connection, tenant, ..
            } = self.reader;
            if let Some(row) = Row::find(connection, tenant, &self.query.kind, id)? {
                items.push(row.stored(&self.query.kind)?);
            }
        }
        let exact = self.query.total != Count::Skip;
        Ok(Page::new(items, exact.then_some(keyed.len() as u64)))
    }

    /// The resource and its sort key, when it satisfies what SQL left over.
    fn matching(&self, row: Row, sort: Option<Sort>) -> Outcome<Option<(Stored, Option<Scalar>)>> {
        let kind = &self.query.kind;
        let document = row.tree()?;
        let stored = row.stored(kind)?;
        if let Some(predicate) = &self.residual {
            let made = self.computed(&predicate.attributes(), &stored, &document)?;
            if !kind.matches(predicate, View::with(&document, &made)) {
                return Ok(None);
            }
        }
        let Some(sort) = sort else {
            return Ok(Some((stored, None)));
        };
        let made = self.computed(&[sort.attr], &stored, &document)?;
        let key = kind.sort_key(sort.attr, View::with(&document, &made));
        Ok(Some((stored, key)))
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
                        .edges(kind, top, stored.id.as_str(), First::ALL)?,
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
        mut visit: impl FnMut(Row) -> Outcome<bool>,
    ) -> Outcome<()> {
        let mut statement = self.reader.connection.prepare_cached(&part.select(limit))?;
        let mut rows = statement.query(params_from_iter(self.values.iter().chain(&part.values)))?;
        while let Some(row) = rows.next()? {
            if !visit(Row::read(row)?)? {
                break;
            }
        }
        Ok(())
    }

    fn count(&self, rows: &str, values: &[Value]) -> Outcome<i64> {
        let sql = format!("SELECT count(*) {rows}");
        let mut statement = self.reader.connection.prepare_cached(&sql)?;
        let values = params_from_iter(self.values.iter().chain(values));
        Ok(statement.query_row(values, |row| row.get(0))?)
    }
}

impl Part {
    fn new(rows: String, order: &str, values: Vec<Value>) -> Self {
        Part {
            order: order.to_owned(),
            rows,
            values,
        }
    }

    fn select(&self, limit: &str) -> String {
        format!(
            "SELECT {COLUMNS} {} ORDER BY {} {limit}",
            self.rows, self.order
        )
    }
}

fn missing_last(a: Option<&Scalar>, b: Option<&Scalar>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.cmp(b),
        _ => a.is_none().cmp(&b.is_none()),
    }
}
