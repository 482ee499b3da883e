//! Reads the application's table of a resource type.

use scimkit_core::excerpt;

use super::{
    KeyColumn, KeyType, MemberTable, Table, TimeColumns, TimeForm,
    file_reader::FileReader,
    file_tree::{Item, Member, Node},
    table::TableDraft,
};

impl FileReader<'_> {
    /// Reads `table = "users"`, or a table with its columns; none if it has problems.
    pub(super) fn own_table(&mut self, resource_type: &str, member: &Member) -> Option<TableDraft> {
        let before = self.problems.len();
        self.label = Some(format!("table of {}", excerpt(resource_type)));
        let mut table = Table::new("");
        if matches!(member.node.item, Item::Text(_)) {
            table.name = self.text("table", &member.node).unwrap_or_default();
        } else {
            for option in self.table("table", &member.node) {
                self.own_table_option(&mut table, option);
            }
            if table.name.is_empty() && self.problems.len() == before {
                self.problem(member.at, "the table has no name: add `name`");
            }
        }
        self.label = None;
        let is_read = self.problems.len() == before;
        is_read.then(|| TableDraft {
            position: Some(self.position(member.at)),
            table,
        })
    }

    fn own_table_option(&mut self, table: &mut Table, option: &Member) {
        let node = &option.node;
        match option.name.as_str() {
            "id" => self.id_column(table, node),
            "members" => {
                let names = self.texts("members", node, ["group", "table", "user"]);
                table.members =
                    names.map(|[group, table, user]| MemberTable { group, table, user });
            }
            "name" => table.name = self.text("name", node).unwrap_or_default(),
            "tenant" => table.tenant = Some(self.key_column("tenant", node)),
            "times" => table.times = self.times(node),
            other => {
                let known = ["id", "members", "name", "tenant", "times"];
                self.unknown_option(option.at, other, "a table", &known);
            }
        }
    }

    /// Reads `id = "id"`, or a table with the type, the origin and the prefix of the identifiers.
    fn id_column(&mut self, table: &mut Table, node: &Node) {
        if matches!(node.item, Item::Text(_)) {
            table.id = self.key_column("id", node);
            return;
        }
        let mut generated = None;
        for option in self.table("id", node) {
            let value = &option.node;
            match option.name.as_str() {
                "column" => table.id.name = self.text("column", value).unwrap_or_default(),
                "generated" => generated = Some(self.flag("generated", value)),
                "prefix" => table.id_prefix = self.text("prefix", value),
                "type" => table.id.key_type = self.key_type(value),
                other => {
                    let known = ["column", "generated", "prefix", "type"];
                    self.unknown_option(option.at, other, "`id`", &known);
                }
            }
        }
        let is_integer = table.id.key_type == KeyType::Integer;
        table.generated_ids = generated.unwrap_or(is_integer);
    }

    /// Reads `tenant = "company"`, or a table with the type of the column.
    fn key_column(&mut self, what: &str, node: &Node) -> KeyColumn {
        let mut column = KeyColumn {
            key_type: KeyType::Text,
            name: String::new(),
        };
        if matches!(node.item, Item::Text(_)) {
            column.name = self.text(what, node).unwrap_or_default();
        } else {
            for option in self.table(what, node) {
                let value = &option.node;
                match option.name.as_str() {
                    "column" => column.name = self.text("column", value).unwrap_or_default(),
                    "type" => column.key_type = self.key_type(value),
                    other => {
                        let of = format!("`{what}`");
                        self.unknown_option(option.at, other, &of, &["column", "type"]);
                    }
                }
            }
        }
        column
    }

    fn key_type(&mut self, node: &Node) -> KeyType {
        self.one_of("type", node, &KeyType::NAMES)
            .unwrap_or(KeyType::Text)
    }

    fn times(&mut self, node: &Node) -> Option<TimeColumns> {
        let mut times = TimeColumns {
            created: String::new(),
            form: TimeForm::default(),
            modified: String::new(),
        };
        for option in self.table("times", node) {
            let value = &option.node;
            match option.name.as_str() {
                "created" => times.created = self.text("created", value)?,
                "form" => times.form = self.one_of("form", value, &TimeForm::NAMES)?,
                "modified" => times.modified = self.text("modified", value)?,
                other => {
                    let known = ["created", "form", "modified"];
                    self.unknown_option(option.at, other, "`times`", &known);
                }
            }
        }
        Some(times)
    }

    /// Reads a table of texts that are all required.
    fn texts<const N: usize>(
        &mut self,
        what: &str,
        node: &Node,
        names: [&str; N],
    ) -> Option<[String; N]> {
        let mut texts = names.map(|_| String::new());
        for option in self.table(what, node) {
            let named = names.iter().zip(&mut texts);
            let mut named = named.filter(|(name, _)| **name == option.name);
            match named.next() {
                Some((name, text)) => *text = self.text(name, &option.node)?,
                None => self.unknown_option(option.at, &option.name, &format!("`{what}`"), &names),
            }
        }
        Some(texts)
    }
}
