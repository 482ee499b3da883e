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
    /// `SELECT .. FROM "team_members" j JOIN .. WHERE `
    selection: String,
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
        let mut table = JoinTable {
            attr: attr.to_owned(),
            dialect,
            member: member.clone(),
            names,
            owner: owner.clone(),
            selection: String::new(),
        };
        table.selection = table.selection();
        table
    }

    fn selection(&self) -> String {
        let end = |table: &RowTable, alias: &str, column: &str| {
            let (name, id) = (quoted(&table.table().name), quoted(&table.table().id.name));
            format!(
                " JOIN {name} {alias} ON {alias}.{id} = j.{}",
                quoted(column)
            )
        };
        format!(
            "SELECT {}, {}, {}, {}, {} FROM {} j{}{} WHERE ",
            literal(self.owner.kind().name()),
            literal(&self.attr),
            self.owner.id_of("o"),
            self.member.id_of("t"),
            literal(self.member.kind().name()),
            quoted(&self.names.table),
            end(&self.owner, "o", &self.names.owner),
            end(&self.member, "t", &self.names.member),
        )
    }

    /// Returns the names of the table.
    #[must_use]
    pub fn names(&self) -> &JoinNames {
        &self.names
    }

    /// Returns the table of the members.
    #[must_use]
    pub fn member(&self) -> &RowTable {
        &self.member
    }

    /// Returns the table of the owners.
    #[must_use]
    pub fn owner(&self) -> &RowTable {
        &self.owner
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
        let text = [&*self.selection, &conditions.join(" AND ")].concat();
        let text = text.into();
        SqlStatement { parameters, text }
    }

    /// Adds members to an owner, unless they are members already. Members that have no row are left out.
    #[must_use]
    pub fn insert(
        &self,
        (owners, members): JoinTenants<'_>,
        owner: SqlValue,
        keys: Vec<SqlValue>,
    ) -> SqlStatement {
        let mut parameters = Vec::with_capacity(keys.len().saturating_add(3));
        parameters.extend(owners.key.clone());
        let is_owned = self.owner.is_of_tenant("o", parameters.len());
        parameters.push(owner);
        let number = self.dialect.placeholder(parameters.len());
        let is_member = self.member.is_one_of(members, keys, &mut parameters);
        let names = &self.names;
        let (own, other) = (self.owner.table(), self.member.table());
        let own_id = quoted(&own.id.name);
        let text = format!(
            "INSERT INTO {} ({}, {}) SELECT o.{own_id}, t.{} FROM {} o, {} t
             WHERE {is_owned} AND o.{own_id} = {number} AND {is_member} ON CONFLICT DO NOTHING",
            quoted(&names.table),
            quoted(&names.owner),
            quoted(&names.member),
            quoted(&other.id.name),
            quoted(&own.name),
            quoted(&other.name),
        );
        let text = text.into();
        SqlStatement { parameters, text }
    }

    /// Removes all members from an owner.
    #[must_use]
    pub fn remove_owner(&self, (_, members): JoinTenants<'_>, owner: SqlValue) -> SqlStatement {
        let other = (&self.member, members, self.names.member.as_str());
        self.remove_end((&self.names.owner, owner), other)
    }

    /// Removes a member from all owners.
    #[must_use]
    pub fn remove_member(&self, (owners, _): JoinTenants<'_>, member: SqlValue) -> SqlStatement {
        let other = (&self.owner, owners, self.names.owner.as_str());
        self.remove_end((&self.names.member, member), other)
    }

    /// Removes memberships by one end. The other end is one of the tenant's.
    fn remove_end(
        &self,
        (column, key): (&str, SqlValue),
        (table, tenant, other): (&RowTable, &TableTenant, &str),
    ) -> SqlStatement {
        let mut parameters = vec![key];
        let mut text = format!(
            "DELETE FROM {} WHERE {} = {}",
            quoted(&self.names.table),
            quoted(column),
            self.dialect.placeholder(1)
        );
        if let Some(tenant) = &tenant.key {
            parameters.push(tenant.clone());
            let names = table.table();
            text.push_str(&format!(
                " AND {} IN (SELECT o.{} FROM {} o WHERE {})",
                quoted(other),
                quoted(&names.id.name),
                quoted(&names.name),
                table.is_of_tenant("o", 2)
            ));
        }
        let text = text.into();
        SqlStatement { parameters, text }
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
