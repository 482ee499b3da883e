//! The columns and keys of the reference layout that SQL can compare.

use scimkit_core::DataType;
use scimkit_registry::{Attr, AttrId, AttributeRole, Registry, ResourceType, Scalar};

use super::facts::State;
use crate::{ColumnSource, Dialect, KeyTable, Layout};

/// The tables of the reference layout for the queries of one tenant. The table of the resources has the alias `r`.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "a query decides each of them")]
pub struct ReferenceLayout<'a> {
    /// The dialect of the database.
    pub dialect: Dialect,
    /// Whether the rows have the keys of the current definition; without them, keys are not compared.
    pub has_keys: bool,
    /// The resource types.
    pub registry: &'a Registry,
    /// The table of the rows: live or soft-deleted. For soft-deleted resources, only their keys can be compared.
    pub state: State,
    /// The tenant.
    pub tenant: &'a str,
}

impl Layout for ReferenceLayout<'_> {
    fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn id(&self) -> &str {
        "r.id"
    }

    fn source(&self, kind: &ResourceType, attr: &Attr) -> Option<ColumnSource> {
        let is_live = self.state == State::Live;
        if let Some(column) = column(kind, attr).filter(|_| is_live) {
            return Some(ColumnSource::Column(column));
        }
        if kind.has_keys(attr.id()) {
            if !self.has_keys {
                return None;
            }
            let keys = match self.state {
                State::Live => "lookup_key k",
                State::Deleted => "retired_key k",
            };
            // Distinct, because these columns, value and id are the primary key.
            let rows = KeyTable::new(keys, "k.id", "k.value").distinct();
            let rows = rows.only("k.tenant", vec![text(self.tenant)]);
            let rows = rows.only("k.kind", vec![text(kind.name())]);
            return Some(ColumnSource::Rows(
                rows.only("k.attr", vec![text(attr.path())]),
            ));
        }
        let top = attr.parent().map_or(attr, |parent| kind.attr(parent));
        let identifies = attr.parent().is_none()
            || (attr.name() == "value" && attr.definition().is_case_exact());
        if !identifies || !is_live {
            return None;
        }
        match top.role() {
            AttributeRole::Membership => {
                let rows = KeyTable::new("edge e", "e.owner", "e.target");
                let rows = rows.only("e.tenant", vec![text(self.tenant)]);
                let rows = rows.only("e.kind", vec![text(kind.name())]);
                Some(ColumnSource::Rows(
                    rows.only("e.attr", vec![text(top.path())]),
                ))
            }
            AttributeRole::Inverse => {
                let owners = self.registry.target_types(kind, top.id());
                let owners = owners.iter().map(|kind| text(kind.name())).collect();
                let rows = KeyTable::new("edge e", "e.target", "e.owner");
                let rows = rows.only("e.tenant", vec![text(self.tenant)]);
                Some(ColumnSource::Rows(rows.only("e.kind", owners)))
            }
            _ => None,
        }
    }
}

/// Returns the column of live resources that contains the attribute's value.
pub(super) fn column(kind: &ResourceType, attr: &Attr) -> Option<&'static str> {
    if attr.id() == AttrId::ID {
        return Some("r.id");
    }
    let meta = attr.role() == AttributeRole::Meta && attr.parent().is_some();
    match attr.name() {
        "created" if meta && is_instant(kind, attr) => Some("r.created_us"),
        "lastModified" if meta && is_instant(kind, attr) => Some("r.modified_us"),
        _ => None,
    }
}

/// Returns whether a resource has at most one value of the attribute.
pub(super) fn is_single(kind: &ResourceType, attr: &Attr) -> bool {
    let many = |attr: &Attr| attr.definition().multi_valued;
    !many(attr) && !attr.parent().is_some_and(|parent| many(kind.attr(parent)))
}

fn is_instant(kind: &ResourceType, attr: &Attr) -> bool {
    is_single(kind, attr) && attr.definition().data_type == DataType::DateTime
}

fn text(text: &str) -> Scalar {
    Scalar::Text(text.to_owned())
}
