//! Reads rows in the order of a sort from an index.

use std::{collections::HashSet, iter, ops::Bound, sync::Arc};

use scimkit_core::message::SortOrder;
use scimkit_registry::{AttrId, ResourceId, ResourceType, Scalar};

use super::table::{Record, Table};
use crate::{CountMode, PagePosition, PageStart, Query, Sort};

/// A resource and its record.
pub(super) type Row<'a> = (&'a ResourceId, &'a Arc<Record>);
/// A row with its sort key.
pub(super) type Keyed<'a> = (Option<Scalar>, Row<'a>);

type Rows<'a> = Box<dyn Iterator<Item = Keyed<'a>> + 'a>;

/// Returns the position before which rows can be skipped; none if they have to be counted.
pub(super) fn beginning(query: &Query) -> Option<&PagePosition> {
    match &query.start {
        PageStart::After(place) if query.total == CountMode::Skip => Some(place),
        _ => None,
    }
}

impl Table {
    /// Returns the rows in the order of a query's sort, after its position if rows before it can be skipped; none if no
    /// index has that order.
    pub(super) fn in_order<'a>(&'a self, query: &'a Query, sort: Sort) -> Option<Rows<'a>> {
        let after = beginning(query);
        if sort.attr == AttrId::ID {
            return Some(self.by_id(sort, after));
        }
        if !self.has_keys_of(&query.kind, sort.attr) || !is_single(&query.kind, sort.attr) {
            return None;
        }
        let with = |from| {
            let found = self.index.ordered(sort, from);
            let row = |(key, id): (&Scalar, &ResourceId)| {
                let row = self.records.get_key_value(id)?;
                Some((Some(key.clone()), row))
            };
            found.filter_map(row)
        };
        let without = |from: Option<&'a PagePosition>| self.without_key(sort.attr, from);
        let keyed = after.and_then(|place| Some((place.key.as_ref()?, &place.id)));
        Some(match (sort.order, after, keyed) {
            (SortOrder::Ascending, Some(place), None) => Box::new(without(Some(place))),
            (SortOrder::Ascending, _, from) => Box::new(with(from).chain(without(None))),
            (SortOrder::Descending, _, Some(from)) => Box::new(with(Some(from))),
            (SortOrder::Descending, place, None) => Box::new(without(place).chain(with(None))),
        })
    }

    /// Returns the rows after an id, or all, in the order of ids.
    pub(super) fn after<'a>(&'a self, id: Option<&'a ResourceId>) -> impl Iterator<Item = Row<'a>> {
        let from = id.map_or(Bound::Unbounded, |id| Bound::Excluded(id.as_str()));
        self.records.range::<str, _>((from, Bound::Unbounded))
    }

    /// Returns the rows without a key of a single-valued attribute, after a position.
    fn without_key<'a>(&'a self, attr: AttrId, from: Option<&'a PagePosition>) -> Rows<'a> {
        let begin = move || {
            // A resource has at most one key.
            let with: HashSet<_> = self.index.holders(attr).collect();
            let is_missing = with.len() < self.records.len();
            let from = from.map(|place| &place.id);
            let rows = is_missing.then(|| self.after(from)).into_iter().flatten();
            rows.filter(move |(id, _)| !with.contains(id))
        };
        // Computed on demand, since most pages end before these rows.
        let rows = iter::once_with(begin).flatten();
        Box::new(rows.map(|row| (None, row)))
    }

    fn by_id<'a>(&'a self, sort: Sort, after: Option<&'a PagePosition>) -> Rows<'a> {
        let id = after.map(|place| &place.id);
        let keyed = |row: (&'_ ResourceId, _)| Some(Scalar::Text(row.0.as_str().to_owned()));
        match sort.order {
            SortOrder::Ascending => Box::new(self.after(id).map(move |row| (keyed(row), row))),
            SortOrder::Descending => {
                let to = id.map_or(Bound::Unbounded, |id| Bound::Excluded(id.as_str()));
                let rows = self.records.range::<str, _>((Bound::Unbounded, to)).rev();
                Box::new(rows.map(move |row| (keyed(row), row)))
            }
        }
    }
}

/// Returns whether a resource has at most one value of the attribute.
fn is_single(kind: &ResourceType, attr: AttrId) -> bool {
    let attr = kind.attr(attr);
    let parent = attr.parent().map(|parent| kind.attr(parent));
    [Some(attr), parent]
        .into_iter()
        .flatten()
        .all(|attr| !attr.definition().multi_valued)
}
