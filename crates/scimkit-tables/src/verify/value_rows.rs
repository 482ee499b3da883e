//! The rows of a table with the values of an attribute.

use scimkit_mapping::RowColumn;
use scimkit_registry::fold_case;
use scimkit_sql::tables::{SqlValue, ValueTable};

use super::{FindingKind, TableFinding, Verifier};
use crate::{SqlRow, TableError, Transaction, documents::text, table::BoundTable};

/// The number of rows that are read at once.
const PAGE: usize = 5_000;

impl<T: Transaction> Verifier<T> {
    /// Looks for rows whose folded texts are not folded: neither filters nor writes find them.
    pub(super) async fn check_value_rows(
        &mut self,
        table: &BoundTable,
        values: &ValueTable,
    ) -> Result<(), TableError> {
        let columns = values.rows().columns.iter();
        for column in columns.filter(|column| column.folded || column.key.is_some()) {
            let mut start = 0;
            loop {
                let rows = self.rows(values.every_row(column, start, PAGE)).await?;
                start += rows.len();
                let is_last = rows.len() < PAGE;
                for row in rows {
                    self.check_value_row(table, (values, column), row);
                }
                if is_last {
                    break;
                }
            }
        }
        Ok(())
    }

    fn check_value_row(
        &mut self,
        table: &BoundTable,
        (values, column): (&ValueTable, &RowColumn),
        row: SqlRow,
    ) {
        let Ok([key, SqlValue::Text(value), folded]) = <[SqlValue; 3]>::try_from(row) else {
            return;
        };
        let expected = fold_case(&value);
        if folded == SqlValue::Text(expected.clone().into_owned()) {
            return;
        }
        let problem = match &column.key {
            None => "the text is not folded: filters and writes do not find the row".to_owned(),
            Some(_) => format!(
                "the text is not that of `{}`, folded: filters do not find the row",
                column.name
            ),
        };
        let sql = values.set_folded_sql(&key, column, (&value, &expected));
        let id = format!("{}{}", table.sql.id_prefix(), text(key).unwrap_or_default());
        let name = column.key.as_ref().unwrap_or(&column.name);
        let finding = TableFinding::new(FindingKind::NotFolded, &values.rows().table, problem);
        let finding = finding.with_row(&id).with_column(name);
        self.report.push(finding.with_fix(Some(sql)));
    }
}
