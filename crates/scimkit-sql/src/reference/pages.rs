//! The statements that read pages of resources.

use scimkit_core::message::SortOrder;
use scimkit_registry::{AttrId, ResourceType, Scalar};

use super::{
    facts::{KeyDefinitions, restrict},
    layout::{column, is_single},
    statement::{Builder, Parameter, Statement},
};
use crate::{Condition, Dialect};

/// The columns of a whole resource: id, version, `created_us`, `modified_us`, document, text definition, and owning
/// connection.
const COLUMNS: &str =
    "r.id, r.version, r.created_us, r.modified_us, r.document, r.shape, r.connection";

/// Selects a live resource of one type, with the columns of [`Section::select`].
#[must_use]
pub fn resource<'a>(
    dialect: Dialect,
    (tenant, kind): (&'a str, &'a str),
    id: &'a str,
) -> Statement<'a> {
    let text = "SELECT r.id, r.version, r.created_us, r.modified_us, r.document, r.shape,
             r.connection
         FROM resource r WHERE r.tenant = ?1 AND r.id = ?2 AND r.kind = ?3";
    Statement::fixed(dialect, text, [tenant, id, kind].map(Parameter::from))
}

/// Selects a live resource of one type with the columns of [`resource`], whether an import of the tenant is incomplete,
/// and whether the resource is a member of any other.
#[must_use]
pub fn resource_and_import<'a>(
    dialect: Dialect,
    (tenant, kind): (&'a str, &'a str),
    id: &'a str,
) -> Statement<'a> {
    let text = "SELECT r.id, r.version, r.created_us, r.modified_us, r.document, r.shape,
             r.connection, EXISTS (SELECT 1 FROM import i WHERE i.tenant = ?1),
             EXISTS (SELECT 1 FROM edge e INDEXED BY edge_by_target
                 WHERE e.tenant = ?1 AND e.target = ?2)
         FROM resource r WHERE r.tenant = ?1 AND r.id = ?2 AND r.kind = ?3";
    Statement::fixed(dialect, text, [tenant, id, kind].map(Parameter::from))
}

/// A condition on the owner of the resources on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the parameter of one query")]
pub enum OwnerCondition<'a> {
    /// Any owner, and resources without one.
    Any,
    /// The resources of one connection.
    Connection(&'a str),
    /// The resources without an owner.
    Unowned,
}

/// The live resources of a page.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the parameters of one query")]
pub struct PageSelection<'a> {
    /// The condition that the database evaluates; its first placeholder is number 3.
    pub condition: Option<&'a Condition>,
    /// The definitions of the resources' keys.
    pub definitions: KeyDefinitions<'a>,
    /// The type.
    pub kind: &'a ResourceType,
    /// The owners of the resources.
    pub owner: OwnerCondition<'a>,
    /// The tenant.
    pub tenant: &'a str,
}

/// The order of a page. Resources without a value come last, or first in descending order. Resources with equal values
/// are in the order of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the parameters of one query")]
pub struct PageOrder {
    /// The attribute.
    pub attr: AttrId,
    /// The direction.
    pub direction: SortOrder,
}

impl PageOrder {
    fn is_descending(self) -> bool {
        self.direction == SortOrder::Descending
    }

    /// Returns the operator that compares with later values.
    fn later(self) -> &'static str {
        if self.is_descending() { " < " } else { " > " }
    }

    fn suffix(self) -> &'static str {
        if self.is_descending() { " DESC" } else { "" }
    }
}

/// The position in the order after which a page starts.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a place in an order")]
pub struct RowPosition<'a> {
    /// The id, which orders resources with equal values.
    pub id: &'a str,
    /// The value of the sort attribute, or `None` for a resource without a value.
    pub key: Option<&'a Scalar>,
}

/// A part of the rows of a page, which precedes the next section.
#[derive(Debug, Clone)]
pub struct Section<'a> {
    dialect: Dialect,
    order: String,
    parameters: Vec<Parameter<'a>>,
    /// The `FROM` and `WHERE` clauses.
    rows: String,
}

impl<'a> Section<'a> {
    /// Selects the resources of the section after an offset, in order: id, version, `created_us`, `modified_us`,
    /// document, text definition, and owning connection.
    ///
    /// The limit is rounded up to a power of two, so that there are only a few different statements.
    #[must_use]
    pub fn select(&self, limit: Option<u64>, offset: u64) -> Statement<'a> {
        let mut builder = self.builder("SELECT ");
        builder.sql(COLUMNS).sql(" ").sql(&self.rows);
        builder.sql(" ORDER BY ").sql(&self.order);
        if let Some(limit) = limit {
            // The limit is text, because the planner reads few rows in another way than many.
            let limit = limit.checked_next_power_of_two().unwrap_or(limit);
            builder.sql(" LIMIT ").sql(&limit.to_string());
            builder.sql(" OFFSET ");
            builder.bind(i64::try_from(offset).unwrap_or(i64::MAX));
        }
        builder.build()
    }

    /// Counts the resources of the section.
    #[must_use]
    pub fn count(&self) -> Statement<'a> {
        let mut builder = self.builder("SELECT count(*) ");
        builder.sql(&self.rows);
        builder.build()
    }

    fn builder(&self, text: &str) -> Builder<'a> {
        let mut builder = Builder::with(self.dialect, self.parameters.clone());
        builder.sql(text);
        builder
    }

    /// Restricts the section to rows for which the expression compares with the value.
    fn only(&self, expression: &str, comparison: &str, value: Parameter<'a>) -> Self {
        let mut section = self.clone();
        section.parameters.push(value);
        section.rows.push_str(" AND ");
        section.rows.push_str(expression);
        section.rows.push_str(comparison);
        let number = section.parameters.len();
        self.dialect.push_placeholder(&mut section.rows, number);
        section
    }
}

/// Returns the section with all resources of a selection, in the order of their ids.
#[must_use]
pub fn page_rows<'a>(dialect: Dialect, selection: PageSelection<'a>) -> Section<'a> {
    let mut builder = Builder::new(dialect, selection.tenant);
    let Some(lookup) = selection.condition.and_then(|one| one.lookup.as_ref()) else {
        builder.sql("FROM resource r WHERE ");
        select(&mut builder, selection);
        return section(dialect, builder, "r.id".to_owned());
    };
    builder.sql("FROM ").sql(&lookup.table);
    builder.sql(match dialect {
        Dialect::Postgres => " JOIN ",
        // A fixed join order, because the statistics of the values cover all attributes together.
        Dialect::Sqlite => " CROSS JOIN ",
    });
    builder.sql("resource r ON r.id = ").sql(&lookup.id);
    builder.sql(" WHERE ");
    select_by(&mut builder, selection, Some(&lookup.condition));
    section(dialect, builder, lookup.id.clone().into_owned())
}

fn select<'a>(builder: &mut Builder<'a>, selection: PageSelection<'a>) {
    let condition = selection.condition.map(|condition| &*condition.text);
    select_by(builder, selection, condition);
}

fn select_by<'a>(builder: &mut Builder<'a>, selection: PageSelection<'a>, text: Option<&str>) {
    builder.sql("r.tenant = ").tenant();
    builder.sql(" AND r.kind = ").bind(selection.kind.name());
    if let Some((condition, text)) = selection.condition.zip(text) {
        builder.sql(" AND ").sql(text);
        builder.bind_silently(condition.parameters.iter().map(Parameter::from));
    }
    match selection.owner {
        OwnerCondition::Any => {}
        OwnerCondition::Connection(owner) => {
            builder.sql(" AND r.connection = ").bind(owner);
        }
        OwnerCondition::Unowned => {
            builder.sql(" AND r.connection IS NULL");
        }
    }
    restrict(builder, selection.definitions);
}

fn section<'a>(dialect: Dialect, builder: Builder<'a>, order: String) -> Section<'a> {
    let Statement {
        parameters, text, ..
    } = builder.build();
    Section {
        dialect,
        order,
        parameters,
        rows: text.into_owned(),
    }
}

/// Returns the sections of a selection from a position on, in an order or by default in the order of the ids; `None` if
/// SQL can't sort by the attribute.
#[must_use]
pub fn page_sections<'a>(
    dialect: Dialect,
    selection: PageSelection<'a>,
    order: Option<PageOrder>,
    start: Option<RowPosition<'a>>,
) -> Option<Vec<Section<'a>>> {
    let all = page_rows(dialect, selection);
    let Some(order) = order else {
        return Some(vec![match start {
            None => all,
            Some(start) => all.only("r.id", " > ", start.id.into()),
        }]);
    };
    let attr = selection.kind.attr(order.attr);
    let way = order.suffix();
    if attr.id() == AttrId::ID {
        let by_id = Section {
            order: format!("r.id{way}"),
            ..all
        };
        return Some(vec![match start {
            None => by_id,
            Some(start) => by_id.only("r.id", order.later(), start.id.into()),
        }]);
    }
    if let Some(value) = column(selection.kind, attr) {
        let section = Section {
            order: format!("{value}{way}, r.id"),
            ..all
        };
        let id = "r.id";
        let with = Sorted { id, section, value };
        return Some(from(start, order, with, None));
    }
    if !selection.kind.has_keys(attr.id()) || !is_single(selection.kind, attr) {
        return None;
    }
    let with = Sorted {
        id: "s.id",
        section: with_value(dialect, selection, (attr.path(), way)),
        value: "s.value",
    };
    let without = without_value(dialect, selection, attr.path());
    Some(from(start, order, with, Some(without)))
}

/// Returns the resources with a value, through the index of the keys.
fn with_value<'a>(
    dialect: Dialect,
    selection: PageSelection<'a>,
    (path, way): (&'a str, &str),
) -> Section<'a> {
    let mut builder = Builder::new(dialect, selection.tenant);
    builder.sql("FROM lookup_key s JOIN resource r ON r.tenant = s.tenant AND r.id = s.id WHERE ");
    select(&mut builder, selection);
    own_keys(&mut builder, path);
    section(dialect, builder, format!("s.value{way}, s.id"))
}

/// Returns the resources without a value.
fn without_value<'a>(dialect: Dialect, selection: PageSelection<'a>, path: &'a str) -> Section<'a> {
    let mut builder = Builder::new(dialect, selection.tenant);
    builder.sql("FROM resource r WHERE ");
    select(&mut builder, selection);
    builder.sql(" AND NOT EXISTS (SELECT 1 FROM lookup_key s");
    builder.indexed_by("lookup_key_by_id").sql(" WHERE true");
    own_keys(&mut builder, path);
    builder.sql(" AND s.id = r.id)");
    section(dialect, builder, "r.id".to_owned())
}

fn own_keys<'a>(builder: &mut Builder<'a>, path: &'a str) {
    builder.sql(" AND s.tenant = ").tenant();
    builder.sql(" AND s.kind = ").placeholder(2);
    builder.sql(" AND s.attr = ").bind(path);
}

/// The sorted resources with a value, and the expressions of the value and the id.
struct Sorted<'a> {
    id: &'static str,
    section: Section<'a>,
    value: &'static str,
}

/// Returns the sections with and without a value, in order, after a position.
fn from<'a>(
    start: Option<RowPosition<'a>>,
    order: PageOrder,
    with: Sorted<'a>,
    without: Option<Section<'a>>,
) -> Vec<Section<'a>> {
    let missing_first = order.is_descending();
    let Some(start) = start else {
        let with = [with.section];
        return if missing_first {
            without.into_iter().chain(with).collect()
        } else {
            with.into_iter().chain(without).collect()
        };
    };
    let Some(key) = start.key else {
        let without = without.map(|section| section.only("r.id", " > ", start.id.into()));
        let with = missing_first.then_some(with.section);
        return without.into_iter().chain(with).collect();
    };
    // Equal and later values are separate sections, so that the index leads to the start of each.
    let Sorted { id, section, value } = with;
    let equal = section.only(value, " = ", key.into());
    let equal = equal.only(id, " > ", start.id.into());
    let later = section.only(value, order.later(), key.into());
    let rest = without.filter(|_| !missing_first);
    [equal, later].into_iter().chain(rest).collect()
}
