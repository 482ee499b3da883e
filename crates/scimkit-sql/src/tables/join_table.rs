//! Memberships in a table of the application.

use super::{SqlStatement, SqlValue, names::TableTenant, row_table::RowTable, side::placeholders};
use crate::{
    Dialect,
    mapped_rows::{literal, quoted},
};

/// The names of a table with one row per membership.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a membership has two ends")]
pub struct JoinNames {
    /// The column with the identifier of the member.
    pub member: String,
    /// The column with the identifier of the owner.
    pub owner: String,
    /// The table.
    pub table: String,
}

/// The statements of a table with one row per membership. A row whose owner or member does not exist is none.
#[derive(Debug, Clone)]
pub struct JoinTable {
    attr: String,
    dialect: Dialect,
    member: RowTable,
    names: JoinNames,
    owner: RowTable,
}

/// The tenants of the owners and of the members.
pub type JoinTenants<'a> = (&'a TableTenant, &'a TableTenant);

impl JoinTable {
    /// Creates the statements of the memberships under an attribute of the owners, by its canonical path.
    #[must_use]
    pub fn new(
        dialect: Dialect,
        names: JoinNames,
        (owner, attr): (&RowTable, &str),
        member: &RowTable,
    ) -> Self {
        JoinTable {
            attr: attr.to_owned(),
            dialect,
            member: member.clone(),
            names,
            owner: owner.clone(),
        }
    }

    /// Returns the table of the members.
    #[must_use]
    pub fn member(&self) -> &RowTable {
        &self.member
    }

    /// Returns the path of the attribute.
    #[must_use]
    pub fn attr(&self) -> &str {
        &self.attr
    }

    /// Selects the memberships of some owners: type, attribute and id of the owner, id and type of the member.
    #[must_use]
    pub fn members_of(&self, tenants: JoinTenants<'_>, owners: Vec<SqlValue>) -> SqlStatement {
        self.select(tenants, None, (&self.names.owner, owners))
    }

    /// Selects the memberships of one owner with some members, with the columns of [`members_of`](Self::members_of).
    #[must_use]
    pub fn members_among(
        &self,
        tenants: JoinTenants<'_>,
        owner: SqlValue,
        members: Vec<SqlValue>,
    ) -> SqlStatement {
        self.select(tenants, Some(owner), (&self.names.member, members))
    }

    /// Selects the memberships of some members, with the columns of [`members_of`](Self::members_of).
    #[must_use]
    pub fn owners_of(&self, tenants: JoinTenants<'_>, members: Vec<SqlValue>) -> SqlStatement {
        self.select(tenants, None, (&self.names.member, members))
    }

    fn select(
        &self,
        (owners, members): JoinTenants<'_>,
        owner: Option<SqlValue>,
        (column, keys): (&str, Vec<SqlValue>),
    ) -> SqlStatement {
        let mut parameters = Vec::with_capacity(keys.len().saturating_add(3));
        let mut conditions = Vec::new();
        for (table, tenant, alias) in [(&self.owner, owners, "o"), (&self.member, members, "t")] {
            parameters.extend(tenant.key().cloned());
            conditions.push(table.is_of_tenant(alias, parameters.len()));
        }
        if let Some(owner) = owner {
            parameters.push(owner);
            let number = self.dialect.placeholder(parameters.len());
            conditions.push(format!("j.{} = {number}", quoted(&self.names.owner)));
        }
        let list = placeholders(self.dialect, parameters.len().saturating_add(1), keys.len());
        parameters.extend(keys);
        conditions.push(format!("j.{} IN ({list})", quoted(column)));
        let end = |table: &RowTable, alias: &str, column: &str| {
            let (name, id) = (quoted(&table.names().table), quoted(&table.names().id.name));
            format!(
                " JOIN {name} {alias} ON {alias}.{id} = j.{}",
                quoted(column)
            )
        };
        let text = format!(
            "SELECT {}, {}, {}, {}, {} FROM {} j{}{} WHERE {}",
            literal(self.owner.kind().name()),
            literal(&self.attr),
            self.owner.id_of("o"),
            self.member.id_of("t"),
            literal(self.member.kind().name()),
            quoted(&self.names.table),
            end(&self.owner, "o", &self.names.owner),
            end(&self.member, "t", &self.names.member),
            conditions.join(" AND ")
        );
        let text = text.into();
        SqlStatement { parameters, text }
    }

    /// Adds members to an owner, unless they are members already.
    #[must_use]
    pub fn insert(&self, owner: SqlValue, members: Vec<SqlValue>) -> SqlStatement {
        let owner_number = self.dialect.placeholder(1);
        let rows = (2..)
            .zip(&members)
            .map(|(number, _)| format!("({owner_number}, {})", self.dialect.placeholder(number)));
        let rows = rows.collect::<Vec<_>>().join(", ");
        let names = &self.names;
        let (owner_name, member) = (quoted(&names.owner), quoted(&names.member));
        let table = quoted(&names.table);
        let text = format!(
            "INSERT INTO {table} ({owner_name}, {member}) VALUES {rows} ON CONFLICT DO NOTHING"
        );
        SqlStatement {
            parameters: [owner].into_iter().chain(members).collect(),
            text: text.into(),
        }
    }

    /// Removes members from an owner.
    #[must_use]
    pub fn delete(&self, owner: SqlValue, members: Vec<SqlValue>) -> SqlStatement {
        let list = placeholders(self.dialect, 2, members.len());
        let names = &self.names;
        let (table, owner_name) = (quoted(&names.table), quoted(&names.owner));
        let (first, member) = (self.dialect.placeholder(1), quoted(&names.member));
        let text =
            format!("DELETE FROM {table} WHERE {owner_name} = {first} AND {member} IN ({list})");
        SqlStatement {
            parameters: [owner].into_iter().chain(members).collect(),
            text: text.into(),
        }
    }
}
