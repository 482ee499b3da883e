//! A host's own table, as far as a mapping says what is in it.

use std::sync::Arc;

use scimkit_mapping::{ComparableColumn, TypeMapping};
use scimkit_registry::{Attr, AttrId, ResourceType};

use crate::{
    ColumnSource, Dialect, Layout,
    mapped_rows::{Statements, quoted},
};

/// A host's own table: the columns of a mapping whose values SQL compares as the evaluator would.
///
/// - Such are the columns of rules with one path and one column
///   ([`CheckedRule::comparable_column`](scimkit_mapping::CheckedRule::comparable_column)): booleans and
///   integers as they are kept; text of attributes that are case exact; and of others where the field
///   is declared `folded` or the rule names a `key` column with folded text. SQL never folds case, and
///   a rule that folds what it writes says nothing of the rows that were there before.
/// - A column whose empty text stands for no value is compared as `NULLIF(column, '')`: an index must
///   be on that expression.
/// - All else is left to the residual, to be evaluated over what
///   [`to_resource`](TypeMapping::to_resource) makes of a row: value paths, joined names, dates, tables of
///   values.
/// - A column may be NULL. Text must be compared by code point: SQLite's `BINARY`, PostgreSQL's
///   `COLLATE "C"`.
/// - Names of tables and columns are quoted.
///
/// # Example
/// ```
/// use scimkit_filter::Filter;
/// use scimkit_mapping::Mapping;
/// use scimkit_registry::{Registry, Tolerance};
/// use scimkit_mapping::{Field, FieldType, MappingRule, Transform};
/// use scimkit_sql::{Dialect, MappedTable, plan};
///
/// let registry = Registry::standard();
/// let mapping = Mapping::builder()
///     .field("User", Field::new("email", FieldType::Text).folded())
///     .field("User", Field::new("job title", FieldType::Text))
///     .rule("User", MappingRule::new("userName").with_field("email").with_transform(Transform::Fold))
///     .rule("User", MappingRule::new("title").with_field("job title"))
///     .build(&registry)
///     .unwrap();
/// let user = registry.resource_type("User").unwrap();
/// let filter = Filter::parse(r#"userName eq "Babs@X.org" and title eq "Dr""#).unwrap();
/// let predicate = user.bind_filter(&filter, &Tolerance::DEFAULT)?;
/// let table = MappedTable::new(mapping.for_type("User").unwrap(), Dialect::Sqlite, "u", "id");
/// let plan = plan(user, &predicate, &table, 1);
/// let text = plan.condition.unwrap().text;
/// assert_eq!(text, r#"("u"."email" IS NOT NULL AND "u"."email" = ?1)"#);
/// assert!(plan.residual.is_some()); // `title` ignores case, and its column is not folded
/// # Ok::<(), scimkit_registry::RequestError>(())
/// ```
#[derive(Debug, Clone)]
pub struct MappedTable {
    columns: Vec<(AttrId, String)>,
    dialect: Dialect,
    id: String,
    // Attribute ids mean something in the table of its type only.
    rules: TypeMapping,
    pub(crate) statements: Statements,
}

impl MappedTable {
    /// The table of a mapping's resource type, by its alias in the statement around the condition
    /// and the column of the resource's identifier.
    #[must_use]
    pub fn new(rules: &TypeMapping, dialect: Dialect, alias: &str, id: &str) -> Self {
        let column = |name: &str| format!("{}.{}", quoted(alias), quoted(name));
        let comparable = rules.rules().filter_map(|rule| {
            let ComparableColumn {
                attr, column: name, ..
            } = rule.comparable_column()?;
            let column = column(name);
            if !rule.is_empty_unset() {
                Some((attr, column))
            } else {
                Some((attr, format!("NULLIF({column}, '')")))
            }
        });
        MappedTable {
            columns: comparable.collect(),
            dialect,
            id: column(id),
            rules: rules.clone(),
            statements: Statements::new(rules, dialect, (alias, id)),
        }
    }

    /// Returns the rules that map its columns to attributes.
    #[must_use]
    pub fn rules(&self) -> &TypeMapping {
        &self.rules
    }

    /// Returns the resource type.
    #[must_use]
    pub fn kind(&self) -> &Arc<ResourceType> {
        self.rules.kind()
    }
}

impl Layout for MappedTable {
    fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn source(&self, kind: &ResourceType, attr: &Attr) -> Option<ColumnSource> {
        if kind.fingerprint() != self.rules.kind().fingerprint() {
            return None;
        }
        let column = self.columns.iter().find(|(known, _)| *known == attr.id());
        column.map(|(_, column)| ColumnSource::Nullable(column.clone()))
    }
}
