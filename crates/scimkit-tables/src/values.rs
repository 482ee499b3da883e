//! Values of multi-valued attributes in tables of their own.

use std::collections::BTreeSet;

use scimkit_core::DataType;
use scimkit_mapping::RowColumn;
use scimkit_registry::{Attr, Resource, ResourceType, fold_case};
use scimkit_sql::tables::{SqlStatement, SqlValue, ValueRow, ValueTable};
use serde_json::{Map, Value};

use crate::documents::parameter;

/// The sub-attribute by which a value is recognised.
const VALUE: &str = "value";
/// The sub-attribute by which it is recognised without that.
const TYPE: &str = "type";

/// The values of a field, from the JSON text that SQL returns: in an order of their own, without those that are empty.
pub(crate) fn value_list(kind: &ResourceType, table: &ValueTable, list: Value) -> Value {
    let Value::Array(rows) = list else {
        return Value::Null;
    };
    let element = |row: Value| {
        let Value::Object(row) = row else { return None };
        let members = row.into_iter().filter_map(|(name, value)| {
            let attr = sub_attribute(kind, table, &name)?;
            Some((name, scalar(attr, value)?))
        });
        let members: Map<_, _> = members.collect();
        (!members.is_empty()).then_some(Value::Object(members))
    };
    let mut elements: Vec<_> = rows.into_iter().filter_map(element).collect();
    elements.sort_by_cached_key(Value::to_string);
    if elements.is_empty() {
        Value::Null
    } else {
        Value::Array(elements)
    }
}

fn sub_attribute<'k>(kind: &'k ResourceType, table: &ValueTable, name: &str) -> Option<&'k Attr> {
    let mut attrs = kind.attributes().iter();
    attrs.find(|attr| attr.parent() == Some(table.attr()) && attr.name() == name)
}

/// The value of a column as its sub-attribute has it.
fn scalar(attr: &Attr, value: Value) -> Option<Value> {
    match (attr.definition().data_type, value) {
        (_, Value::Null) => None,
        (DataType::Boolean, Value::Number(number)) => Some(Value::Bool(number.as_i64() != Some(0))),
        (DataType::Reference | DataType::String, Value::Number(number)) => {
            Some(Value::String(number.to_string()))
        }
        (_, value) => Some(value),
    }
}

/// The statements that make the rows of a resource from those of a former document. Rows that have the same value are
/// changed and keep their other columns; all others are added or removed.
pub(crate) fn changes(
    kind: &ResourceType,
    table: &ValueTable,
    key: &SqlValue,
    (was, is): (Option<&Resource>, &Resource),
) -> Vec<SqlStatement> {
    let mut was = was.map(|was| rows(kind, table, was)).unwrap_or_default();
    let mut is = rows(kind, table, is);
    let kept: Vec<_> = was.iter().filter(|row| is.contains(row)).cloned().collect();
    was.retain(|row| !kept.contains(row));
    is.retain(|row| !kept.contains(row));
    let columns = &table.rows().columns;
    let position = |name| {
        columns
            .iter()
            .position(|column| column.sub_attribute == name)
    };
    let identity = position(VALUE).or_else(|| position(TYPE));
    let (mut removed, mut changed) = (Vec::new(), Vec::new());
    for old in was {
        let same = |new: &ValueRow| {
            let values = identity.map(|at| (old.get(at), new.get(at)));
            values.is_some_and(|(old, new)| old == new && old != Some(&SqlValue::Null))
        };
        match is.iter().position(same) {
            Some(at) => {
                let new = is.remove(at);
                let gains = new.contains(&SqlValue::Bool(true));
                changed.push((gains, table.update(key.clone(), old, new)));
            }
            None => removed.push(table.delete(key.clone(), old)),
        }
    }
    // The application may allow only one primary value.
    changed.sort_by_key(|(gains, _)| *gains);
    let changed = changed.into_iter().map(|(_, statement)| statement);
    let insert = |row| table.insert(key.clone(), row);
    let added = is.into_iter().map(insert);
    removed.into_iter().chain(changed).chain(added).collect()
}

/// The different rows of a document.
fn rows(kind: &ResourceType, table: &ValueTable, document: &Resource) -> Vec<ValueRow> {
    let list = document.get(kind, table.attr()).and_then(Value::as_array);
    let columns = &table.rows().columns;
    let row = |element: &Value| -> ValueRow {
        let value = |column: &RowColumn| match element.get(&column.sub_attribute) {
            Some(Value::String(text)) if column.folded => {
                SqlValue::Text(fold_case(text).into_owned())
            }
            None => parameter(column.default.clone().unwrap_or_default()),
            Some(value) => parameter(value.clone()),
        };
        let values = columns.iter().map(value);
        values.collect()
    };
    let mut rows: Vec<ValueRow> = Vec::new();
    let mut known = BTreeSet::new();
    for row in list.into_iter().flatten().map(row) {
        let is_empty = row.iter().all(|value| *value == SqlValue::Null);
        if !is_empty && known.insert(format!("{row:?}")) {
            rows.push(row);
        }
    }
    rows
}
