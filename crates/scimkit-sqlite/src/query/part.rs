//! Selects whose rows, one after the other, are the answer in its order.

use rusqlite::types::Value;
use scimkit_core::message::SortOrder;
use scimkit_registry::AttrId;
use scimkit_store::{Position, Sort};

use super::Asking;
use crate::{
    layout::{column, has_keys, is_single, stored},
    row::COLUMNS,
};

/// A select whose rows come before those of the next one: `FROM`, `WHERE` and `ORDER BY`.
#[derive(Debug)]
pub(super) struct Part {
    order: String,
    pub(super) rows: String,
    /// Its parameters beside those of the condition.
    pub(super) values: Vec<Value>,
}

/// What resources with a value are sorted by: the expressions of the value and of the id.
struct Keyed {
    id: &'static str,
    part: Part,
    value: &'static str,
}

impl Asking<'_> {
    /// All rows, in the order of ids.
    pub(super) fn all(&self) -> Part {
        let rows = format!("FROM resource r WHERE {}", self.condition);
        Part::new(rows, "r.id", Vec::new())
    }

    /// The rows after a position, or all, in the order that was asked for; `None` when SQL can't
    /// sort them.
    pub(super) fn parts(&self, after: Option<&Position>) -> Option<Vec<Part>> {
        let Some(sort) = self.query.sort else {
            let parts = vec![self.all()];
            return Some(match after {
                None => parts,
                Some(place) => vec![self.beyond(&self.all(), "r.id >", place)],
            });
        };
        let attr = self.query.kind.attr(sort.attr);
        let way = match sort.order {
            SortOrder::Ascending => "",
            SortOrder::Descending => " DESC",
        };
        if attr.id() == AttrId::ID {
            let by_id = Part {
                order: format!("r.id{way}"),
                ..self.all()
            };
            return Some(vec![match after {
                None => by_id,
                Some(place) => self.beyond(&by_id, &format!("r.id {}", beyond(sort)), place),
            }]);
        }
        if let Some(column) = column(&self.query.kind, attr) {
            let part = Part {
                order: format!("{column}{way}, r.id"),
                ..self.all()
            };
            let with = Keyed {
                id: "r.id",
                part,
                value: column,
            };
            return Some(self.from(after, sort, with, None));
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
            "{} AND NOT EXISTS (
                 SELECT 1 FROM lookup_key s INDEXED BY lookup_key_by_id WHERE {own} AND s.id = r.id)",
            self.all().rows
        );
        let with = Keyed {
            id: "s.id",
            part: Part::new(with, &format!("s.value{way}, s.id"), path.clone()),
            value: "s.value",
        };
        let without = Part::new(without, "r.id", path);
        Some(self.from(after, sort, with, Some(without)))
    }

    /// Those with a value and those without in their order, from after a position on.
    fn from(
        &self,
        after: Option<&Position>,
        sort: Sort,
        with: Keyed,
        without: Option<Part>,
    ) -> Vec<Part> {
        let missing_first = sort.order == SortOrder::Descending;
        let Some(place) = after else {
            let with = [with.part];
            return match missing_first {
                true => without.into_iter().chain(with).collect(),
                false => with.into_iter().chain(without).collect(),
            };
        };
        let Some(key) = &place.key else {
            let without = without.map(|part| self.beyond(&part, "r.id >", place));
            let with = missing_first.then_some(with.part);
            return without.into_iter().chain(with).collect();
        };
        // Equal values apart from those beyond, so that the index leads to the start of both.
        let Keyed { id, part, value } = with;
        let number = self.values.len() + part.values.len() + 1;
        let key = stored(key);
        let equal = part.only(&format!("{value} = ?{number}"), key.clone());
        let equal = self.beyond(&equal, &format!("{id} >"), place);
        let others = part.only(&format!("{value} {} ?{number}", beyond(sort)), key);
        let rest = without.filter(|_| !missing_first);
        [equal, others].into_iter().chain(rest).collect()
    }

    /// Only the rows whose id compares so with that of the position.
    fn beyond(&self, part: &Part, comparison: &str, place: &Position) -> Part {
        let number = self.values.len() + part.values.len() + 1;
        let id = Value::Text(place.id.as_str().to_owned());
        part.only(&format!("{comparison} ?{number}"), id)
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

    /// With one more condition, whose parameter is the last.
    fn only(&self, condition: &str, value: Value) -> Self {
        let mut values = self.values.clone();
        values.push(value);
        Part::new(
            format!("{} AND {condition}", self.rows),
            &self.order,
            values,
        )
    }

    pub(super) fn select(&self, limit: &str) -> String {
        format!(
            "SELECT {COLUMNS} {} ORDER BY {} {limit}",
            self.rows, self.order
        )
    }
}

/// How what comes later compares.
fn beyond(sort: Sort) -> &'static str {
    match sort.order {
        SortOrder::Ascending => ">",
        SortOrder::Descending => "<",
    }
}
