//! An application's own table, described by a mapping.

use std::sync::Arc;

use scimkit_mapping::{ColumnForm, ComparableColumn, TypeMapping, ValuePair};
use scimkit_registry::{Attr, AttrId, ResourceType};
use serde_json::Value;

use crate::{
    ColumnSource, Dialect, Layout,
    mapped_rows::{Statements, literal, quoted},
};

/// An application's own table: the columns of a mapping that SQL can compare with the same results as the evaluator.
///
/// - These are the columns of rules with one path and one column
///   ([`CheckedRule::comparable_column`](scimkit_mapping::CheckedRule::comparable_column)): booleans, integers, text of
///   case-exact attributes, and text of other attributes if the field is declared `folded` or the rule names a `key`
///   column with folded text. SQL never folds case, and a rule that folds what it writes does not change the rows that
///   existed before.
/// - A column whose empty text means no value is compared as `NULLIF(column, '')`, so an index must be on that
///   expression.
/// - The residual contains everything else, such as value paths, joined names, dates and tables of text. Evaluate it
///   on the resource that [`to_resource`](TypeMapping::to_resource) returns for a row.
/// - A column may be NULL. Text must be compared by code point: with the collation `BINARY` in SQLite and `"C"` in
///   PostgreSQL.
/// - The names of tables and columns are quoted.
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
/// assert!(plan.residual.is_some()); // `title` ignores case, but its column is not folded
/// # Ok::<(), scimkit_registry::RequestError>(())
/// ```
#[derive(Debug, Clone)]
pub struct MappedTable {
    columns: Vec<(AttrId, String)>,
    dialect: Dialect,
    id: String,
    // INVARIANT: an attribute id is used only with the resource type of these rules.
    rules: TypeMapping,
    pub(crate) statements: Statements,
}

impl MappedTable {
    /// Creates the layout of the table of one resource type, from the table's alias in the statement and the name of
    /// its identifier column.
    #[must_use]
    pub fn new(rules: &TypeMapping, dialect: Dialect, alias: &str, id: &str) -> Self {
        let column = |name: &str| format!("{}.{}", quoted(alias), quoted(name));
        let comparable = rules.rules().filter_map(|rule| {
            let ComparableColumn {
                attr,
                column: name,
                form,
                ..
            } = rule.comparable_column()?;
            let column = match form {
                ColumnForm::Plain => column(name),
                ColumnForm::Since(true) => format!("({} IS NOT NULL)", column(name)),
                ColumnForm::Since(false) => format!("({} IS NULL)", column(name)),
                ColumnForm::Values(pairs) => boolean_of(&column(name), pairs),
            };
            if rule.is_empty_unset() {
                Some((attr, format!("NULLIF({column}, '')")))
            } else {
                Some((attr, column))
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

    /// Returns the rules that map the columns to attributes.
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

/// The boolean for which a column has one of some values.
fn boolean_of(column: &str, pairs: &[ValuePair]) -> String {
    let cases = pairs.iter().filter_map(|pair| {
        let value = match &pair.field {
            Value::Bool(true) => "TRUE".to_owned(),
            Value::Bool(false) => "FALSE".to_owned(),
            Value::Number(number) => number.to_string(),
            Value::String(text) => literal(text),
            _ => return None,
        };
        let boolean = if pair.scim.as_bool()? {
            "TRUE"
        } else {
            "FALSE"
        };
        Some(format!(" WHEN {value} THEN {boolean}"))
    });
    format!("(CASE {column}{} END)", cases.collect::<String>())
}
