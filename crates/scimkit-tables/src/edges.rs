//! Memberships.

use std::{collections::BTreeSet, sync::Arc};

use scimkit_registry::ResourceId;
use scimkit_sql::tables::{
    self, JoinTable, JoinTenants, SideList, SqlStatement, SqlValue, TableTenant,
};
use scimkit_store::{
    StoreError,
    engine::{MemberList, Members, NewMember, NewMembers, RowRef},
    rows::{EdgeRow, EdgesBy},
};

use crate::{
    SqlRow, Transaction,
    documents::{damaged, text},
    table::BoundTable,
    transaction::{LIST, TableTransaction, TenantTable},
};

impl<T: Transaction> TableTransaction<'_, T> {
    /// The statements that find edges, with the columns of [`edge_row`].
    pub(crate) fn edge_statements(&self, by: &EdgesBy) -> Vec<SqlStatement> {
        let (dialect, tenant) = (self.dialect, self.tenant());
        let mut statements: Vec<SqlStatement> = Vec::new();
        match by {
            EdgesBy::Lists(lists) => {
                let lists: Vec<_> = lists.iter().collect();
                // Sorted, so that the lists of one type and attribute stand together.
                let groups = lists.chunk_by(|a, b| (&a.attr, &a.kind) == (&b.attr, &b.kind));
                for group in groups {
                    let owners: Vec<_> = group.iter().map(|list| list.owner.as_str()).collect();
                    let Some(first) = group.first() else { continue };
                    for owners in owners.chunks(LIST) {
                        statements.push(tables::side_edges_of(
                            dialect,
                            tenant,
                            side(first),
                            owners,
                        ));
                        statements.extend(self.joined(first).and_then(|joined| {
                            let owners = joined.owner_keys(owners)?;
                            Some(joined.join.members_of(joined.tenants(), owners))
                        }));
                    }
                }
            }
            EdgesBy::Members(list, members) => {
                let targets = ids(members);
                for targets in targets.chunks(LIST) {
                    let from = (side(list), list.owner.as_str());
                    statements.push(tables::side_edges_among(dialect, tenant, from, targets));
                    statements.extend(self.joined(list).and_then(|joined| {
                        let owner = joined.owner.sql.key(list.owner.as_str())?;
                        let members = joined.member_keys(targets)?;
                        Some(joined.join.members_among(joined.tenants(), owner, members))
                    }));
                }
            }
            EdgesBy::Targets(targets) => {
                for targets in ids(targets).chunks(LIST) {
                    statements.push(tables::side_edges_to(dialect, tenant, targets));
                    let all = self.tables.iter().filter_map(|table| self.joined_of(table));
                    statements.extend(all.filter_map(|joined| {
                        let members = joined.member_keys(targets)?;
                        Some(joined.join.owners_of(joined.tenants(), members))
                    }));
                }
            }
        }
        statements
    }

    /// The statements that add edges.
    pub(crate) fn added_edges(&self, edges: &NewMembers) -> Vec<SqlStatement> {
        let NewMembers { list, members } = edges;
        let (dialect, tenant) = (self.dialect, self.tenant());
        let joined = self.joined_owner(list);
        let mut statements = Vec::new();
        if let Some((joined, owner)) = &joined {
            let ids: Vec<_> = members.iter().map(|member| member.id.as_str()).collect();
            let pieces = ids.chunks(LIST).filter_map(|ids| joined.member_keys(ids));
            let insert = |keys| joined.join.insert(joined.tenants(), owner.clone(), keys);
            statements.extend(pieces.map(insert));
        }
        let from = (side(list), list.owner.as_str());
        statements.extend(members.iter().map(|member| {
            let unless = joined.as_ref().and_then(|(joined, _)| {
                let table = joined.join.member();
                let key = table.key(member.id.as_str())?;
                Some((table, &*joined.member_tenant, key))
            });
            let to = (member.id.as_str(), member.kind.as_deref());
            tables::insert_side_edge(dialect, tenant, from, to, unless)
        }));
        statements
    }

    /// The statements that remove edges.
    pub(crate) fn removed_edges(&self, edges: &Members) -> Vec<SqlStatement> {
        let Members { list, targets } = edges;
        let (dialect, tenant) = (self.dialect, self.tenant());
        let from = (side(list), list.owner.as_str());
        let targets: Vec<_> = targets.iter().map(ResourceId::as_str).collect();
        let mut statements = Vec::new();
        for targets in targets.chunks(LIST) {
            statements.push(tables::remove_side_edges(dialect, tenant, from, targets));
            if let Some((joined, owner)) = self.joined_owner(list) {
                let keys = joined.member_keys(targets);
                statements.extend(keys.map(|keys| joined.join.delete(owner, keys)));
            }
        }
        statements
    }

    /// The statements that remove all edges in which a resource is the owner or the member.
    pub(crate) fn removed_ends(&self, end: &RowRef) -> Vec<SqlStatement> {
        let id = end.id.as_str();
        let side = tables::remove_side_ends(self.dialect, self.tenant(), (&end.kind, id));
        let mut statements = side.to_vec();
        for joined in self.tables.iter().filter_map(|table| self.joined_of(table)) {
            if *joined.owner.sql.kind().name() == *end.kind {
                let key = joined.owner.sql.key(id);
                statements.extend(key.map(|key| joined.join.remove_owner(joined.tenants(), key)));
            }
            if *joined.join.member().kind().name() == *end.kind {
                let key = joined.join.member().key(id);
                statements.extend(key.map(|key| joined.join.remove_member(joined.tenants(), key)));
            }
        }
        statements
    }
}

/// A table of memberships with the tenants of its ends.
struct Joined<'a> {
    join: &'a JoinTable,
    member_tenant: Arc<TableTenant>,
    owner: &'a BoundTable,
    owner_tenant: Arc<TableTenant>,
}

impl Joined<'_> {
    fn tenants(&self) -> JoinTenants<'_> {
        (&self.owner_tenant, &self.member_tenant)
    }

    /// The keys of those ids that rows can have; none without any.
    fn owner_keys(&self, ids: &[&str]) -> Option<Vec<SqlValue>> {
        let keys: Vec<_> = ids.iter().filter_map(|id| self.owner.sql.key(id)).collect();
        (!keys.is_empty()).then_some(keys)
    }

    fn member_keys(&self, ids: &[&str]) -> Option<Vec<SqlValue>> {
        let keys = ids.iter().filter_map(|id| self.join.member().key(id));
        let keys: Vec<_> = keys.collect();
        (!keys.is_empty()).then_some(keys)
    }
}

impl<'a, T: Transaction> TableTransaction<'a, T> {
    /// The table of the memberships of a list.
    fn joined(&self, list: &MemberList) -> Option<Joined<'a>> {
        let mut tables = self.tables.iter();
        let table = tables.find(|one| *one.table.sql.kind().name() == *list.kind)?;
        self.joined_of(table)
            .filter(|joined| *joined.join.attr() == *list.attr)
    }

    fn joined_owner(&self, list: &MemberList) -> Option<(Joined<'a>, SqlValue)> {
        let joined = self.joined(list)?;
        let owner = joined.owner.sql.key(list.owner.as_str())?;
        Some((joined, owner))
    }

    fn joined_of(&self, table: &TenantTable<'a>) -> Option<Joined<'a>> {
        let join = table.table.members.as_ref()?;
        let member = join.member().kind().name();
        let mut tables = self.tables.iter();
        let member = tables.find(|one| one.table.sql.kind().name() == member)?;
        Some(Joined {
            join,
            member_tenant: member.tenant.clone()?,
            owner: table.table,
            owner_tenant: table.tenant.clone()?,
        })
    }
}

fn side(list: &MemberList) -> SideList<'_> {
    SideList {
        attr: &list.attr,
        kind: &list.kind,
    }
}

fn ids(ids: &BTreeSet<ResourceId>) -> Vec<&str> {
    ids.iter().map(ResourceId::as_str).collect()
}

/// A row with kind, attribute, owner, target and type of the target.
pub(crate) fn edge_row(row: SqlRow) -> Result<EdgeRow, StoreError> {
    let mut values = row.into_iter().map(text);
    let mut next = || values.next().flatten();
    let (Some(kind), Some(attr), Some(owner), Some(target)) = (next(), next(), next(), next())
    else {
        return Err(damaged("membership"));
    };
    Ok(EdgeRow {
        list: MemberList {
            attr: attr.into(),
            kind: kind.into(),
            owner: owner.into(),
        },
        member: NewMember {
            id: target.into(),
            kind: next(),
        },
    })
}
