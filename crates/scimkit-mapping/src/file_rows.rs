//! Reads the columns of tables of values.

use super::{
    RowColumn,
    file_reader::FileReader,
    file_tree::{Item, Node},
};

impl FileReader<'_> {
    /// Reads the columns of a table of values.
    pub(super) fn row_columns(&mut self, node: &Node) -> Vec<RowColumn> {
        let members = self.table("columns", node);
        let mut columns = Vec::with_capacity(members.len());
        for member in members {
            let mut column = RowColumn::new(member.name.as_str(), "");
            if matches!(member.node.item, Item::Text(_)) {
                column.name = self.text("column", &member.node).unwrap_or_default();
            } else {
                for option in self.table(&member.name, &member.node) {
                    match option.name.as_str() {
                        "column" => {
                            column.name = self.text("column", &option.node).unwrap_or_default();
                        }
                        "default" => column.default = self.some("default", &option.node),
                        "folded" => column.folded = self.flag("folded", &option.node),
                        "key" => column.key = self.text("key", &option.node),
                        other => {
                            let known = ["column", "default", "folded", "key"];
                            self.unknown_option(option.at, other, "a column", &known);
                        }
                    }
                }
            }
            columns.push(column);
        }
        columns
    }
}
