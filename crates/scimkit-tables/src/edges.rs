//! Memberships.

use std::{collections::BTreeSet, sync::Arc};

use scimkit_registry::ResourceId;
use scimkit_sql::tables::{
    self, JoinTable, JoinTenants, SideList, SqlStatement, SqlValue, TableTenant,
};
use scimkit_store::{
    StoreError,
    engine::{MemberList, Members, NewMember, NewMembers, RowsError},
    rows::{EdgeRow, EdgesBy},
};

use crate::{
    SqlRow, Transaction,
    documents::{damaged, text},
    table::BoundTable,
    transaction::{LIST, TableTransaction, TenantTable},
};

impl<T: Transaction> TableTransaction<'_, T> {
    pub(crate) async fn find_edges(&mut self, by: &EdgesBy) -> Result<Vec<EdgeRow>, RowsError> {
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
        let results = self.run(statements).await?;
        let rows = results.into_iter().flatten().map(edge_row);
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) async fn add_edges(&mut self, edges: &NewMembers) -> Result<(), RowsError> {
        let NewMembers { list, members } = edges;
        let mut statements = Vec::new();
        let mut has_rows = BTreeSet::new();
        if let Some((joined, owner)) = self.joined_owner(list) {
            let ids: Vec<_> = members.iter().map(|member| member.id.as_str()).collect();
            has_rows = self.existing(&joined, &ids).await?;
            let ids: Vec<_> = has_rows.iter().map(ResourceId::as_str).collect();
            let pieces = ids.chunks(LIST).filter_map(|ids| joined.member_keys(ids));
            statements.extend(pieces.map(|keys| joined.join.insert(owner.clone(), keys)));
        }
        let from = (side(list), list.owner.as_str());
        let (dialect, tenant) = (self.dialect, self.tenant());
        let others = members
            .iter()
            .filter(|member| !has_rows.contains(&member.id));
        statements.extend(others.map(|member| {
            let to = (member.id.as_str(), member.kind.as_deref());
            tables::insert_side_edge(dialect, tenant, from, to)
        }));
        self.run(statements).await?;
        Ok(())
    }

    /// The resources among some that have a row in the table of members.
    async fn existing(
        &mut self,
        joined: &Joined<'_>,
        ids: &[&str],
    ) -> Result<BTreeSet<ResourceId>, RowsError> {
        let pieces = ids.chunks(LIST).filter_map(|ids| joined.member_keys(ids));
        let table = joined.join.member();
        let statements = pieces.map(|keys| table.existing(&joined.member_tenant, keys));
        let results = self.run(statements.collect()).await?;
        let ids = results.into_iter().flatten().flatten().filter_map(text);
        Ok(ids.map(ResourceId::from).collect())
    }

    pub(crate) async fn remove_edges(&mut self, edges: &Members) -> Result<(), RowsError> {
        let Members { list, targets } = edges;
        let from = (side(list), list.owner.as_str());
        let targets: Vec<_> = targets.iter().map(ResourceId::as_str).collect();
        let mut statements = Vec::new();
        for targets in targets.chunks(LIST) {
            statements.push(tables::remove_side_edges(
                self.dialect,
                self.tenant(),
                from,
                targets,
            ));
            if let Some((joined, owner)) = self.joined_owner(list) {
                let keys = joined.member_keys(targets);
                statements.extend(keys.map(|keys| joined.join.delete(owner, keys)));
            }
        }
        self.run(statements).await?;
        Ok(())
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
fn edge_row(row: SqlRow) -> Result<EdgeRow, StoreError> {
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
