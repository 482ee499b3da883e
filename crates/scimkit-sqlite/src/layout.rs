//! What SQL can compare, and where it is.

use rusqlite::types::Value;
use scimkit_registry::{Attr, AttrId, ResourceType, Role, Scalar};
use scimkit_sql::{Dialect, Layout, Rows, Source};
use scimkit_store::{Settings, targets};

/// Which resources a query is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Among {
    Live,
    /// They have an id and lookup keys, and nothing else that SQL can compare.
    Retired,
}

impl Among {
    /// The table of these resources.
    pub(crate) fn table(self) -> &'static str {
        match self {
            Among::Live => "resource",
            Among::Retired => "retired",
        }
    }
}

/// The tables as one tenant's queries see them.
#[derive(Debug)]
pub(crate) struct Tables<'a> {
    pub(crate) among: Among,
    /// Whether the rows have the keys of the current definition.
    pub(crate) keyed: bool,
    pub(crate) settings: &'a Settings,
    pub(crate) tenant: &'a str,
}

impl Layout for Tables<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn id(&self) -> &str {
        "r.id"
    }

    fn source(&self, kind: &ResourceType, attr: &Attr) -> Option<Source> {
        let is_live = self.among == Among::Live;
        if let Some(column) = column(kind, attr).filter(|_| is_live) {
            return Some(Source::Column(column));
        }
        if has_keys(kind, attr) {
            if !self.keyed {
                return None;
            }
            let keys = if is_live {
                "lookup_key k"
            } else {
                "retired_key k"
            };
            let rows = Rows::new(keys, "k.id", "k.value");
            let rows = rows.only("k.tenant", vec![text(self.tenant)]);
            let rows = rows.only("k.kind", vec![text(kind.name())]);
            return Some(Source::Rows(rows.only("k.attr", vec![text(attr.path())])));
        }
        let top = attr.parent().map_or(attr, |parent| kind.attr(parent));
        let identifies = attr.parent().is_none()
            || (attr.name() == "value" && attr.definition().is_case_exact());
        if !identifies || !is_live {
            return None;
        }
        match top.role() {
            Role::Membership => {
                let rows = Rows::new("edge e", "e.owner", "e.target");
                let rows = rows.only("e.tenant", vec![text(self.tenant)]);
                let rows = rows.only("e.kind", vec![text(kind.name())]);
                Some(Source::Rows(rows.only("e.attr", vec![text(top.path())])))
            }
            Role::Inverse => {
                let owners = targets(&self.settings.registry, kind, top.id());
                let owners = owners.iter().map(|kind| text(kind.name())).collect();
                let rows = Rows::new("edge e", "e.target", "e.owner");
                let rows = rows.only("e.tenant", vec![text(self.tenant)]);
                Some(Source::Rows(rows.only("e.kind", owners)))
            }
            _ => None,
        }
    }
}

/// The column of `resource` that has the attribute's value.
pub(crate) fn column(kind: &ResourceType, attr: &Attr) -> Option<&'static str> {
    if attr.id() == AttrId::ID {
        return Some("r.id");
    }
    let meta = attr.role() == Role::Meta && attr.parent().is_some();
    match attr.name() {
        "created" if meta && is_instant(kind, attr) => Some("r.created_us"),
        "lastModified" if meta && is_instant(kind, attr) => Some("r.modified_us"),
        _ => None,
    }
}

/// Whether the attribute has lookup keys.
pub(crate) fn has_keys(kind: &ResourceType, attr: &Attr) -> bool {
    kind.has_keys(attr.id())
}

/// Whether no resource has more than one value of the attribute.
pub(crate) fn is_single(kind: &ResourceType, attr: &Attr) -> bool {
    let many = |attr: &Attr| attr.definition().multi_valued;
    !many(attr) && !attr.parent().is_some_and(|parent| many(kind.attr(parent)))
}

/// A value as the tables hold it; all values of one attribute are of one type.
pub(crate) fn stored(scalar: &Scalar) -> Value {
    match scalar {
        Scalar::Bool(value) => Value::Integer(i64::from(*value)),
        Scalar::Decimal(value) => Value::Real(*value),
        Scalar::Instant(value) | Scalar::Integer(value) => Value::Integer(*value),
        Scalar::Text(value) => Value::Text(value.clone()),
    }
}

fn is_instant(kind: &ResourceType, attr: &Attr) -> bool {
    let single = is_single(kind, attr);
    single && attr.definition().data_type == scimkit_core::DataType::DateTime
}

fn text(text: &str) -> Scalar {
    Scalar::Text(text.to_owned())
}
