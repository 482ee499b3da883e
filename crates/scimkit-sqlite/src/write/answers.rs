//! Loads the facts for the edges in responses.

use std::{collections::BTreeMap, sync::Arc};

use scimkit_registry::ResourceId;
use scimkit_sql::reference::{self, EdgeRange};
use scimkit_store::{
    StoreError,
    engine::{Label, MemberList, Needs, NewMember, OwnerList, ShownMembers, ShownOwners},
};

use super::{facts::ends, rows::TenantRows};
use crate::{
    edges::place,
    error::Outcome,
    row::id_at,
    statement::{DIALECT, each, each_of_all},
};

impl TenantRows<'_> {
    /// Loads the labels that the heads did not provide.
    pub(super) fn labels(&self, needs: &Needs, labels: &mut Vec<Label>) -> Outcome<()> {
        let ids: Vec<_> = needs.labels.difference(&needs.heads).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let named: Vec<_> = ids.iter().map(|id| id.as_str()).collect();
        let statement = reference::labels_of(DIALECT, self.tenant, &named);
        each(self.connection, &statement, |row| {
            if let Some(id) = ids.get(place(row)?) {
                let kind = row.get_ref(1)?.as_str().map_err(StoreError::backend)?;
                labels.push(Label {
                    display: row.get(2)?,
                    id: ResourceId::clone(id),
                    kind: self.name(kind),
                });
            }
            Ok(true)
        })
    }

    /// Loads the types that clients gave to some members.
    pub(super) fn member_kinds(&self, needs: &Needs) -> Outcome<Vec<ShownMembers>> {
        let mut found = Vec::with_capacity(needs.member_kinds.len());
        for (list, targets) in &needs.member_kinds {
            let ids: Vec<_> = targets.iter().map(ResourceId::as_str).collect();
            let mut members = Vec::new();
            let statements = reference::members_among(DIALECT, self.tenant, ends(list), &ids);
            each_of_all(self.connection, statements, |row| {
                members.push(NewMember {
                    id: id_at(row, 0)?,
                    kind: row.get(1)?,
                });
                Ok(())
            })?;
            let list = list.clone();
            found.push(ShownMembers { list, members });
        }
        Ok(found)
    }

    /// Loads the first members of owners, with one statement per type, attribute and limit.
    pub(super) fn shown_members(
        &self,
        needs: &Needs,
        labels: &mut Vec<Label>,
    ) -> Outcome<Vec<ShownMembers>> {
        let mut groups: BTreeMap<_, Vec<&MemberList>> = BTreeMap::new();
        for (list, limit) in &needs.shown_members {
            let group = groups.entry((&list.kind, &list.attr, limit));
            group.or_default().push(list);
        }
        let mut found = Vec::with_capacity(needs.shown_members.len());
        for ((kind, attr, limit), lists) in groups {
            let owners: Vec<_> = lists.iter().map(|list| list.owner.as_str()).collect();
            let range = EdgeRange {
                after: "",
                // A larger limit is no limit either.
                limit: limit.and_then(|limit| u32::try_from(limit).ok()),
            };
            let list = (self.tenant, &**kind, &**attr);
            let statement = reference::members_of(DIALECT, list, &owners, range);
            let mut members: Vec<Vec<NewMember>> = vec![Vec::new(); lists.len()];
            each(self.connection, &statement, |row| {
                let id = id_at(row, 1)?;
                let to = row.get_ref(3)?.as_str_or_null();
                if let Some(to) = to.map_err(StoreError::backend)? {
                    labels.push(Label {
                        display: row.get(4)?,
                        id: id.clone(),
                        kind: self.name(to),
                    });
                }
                if let Some(members) = members.get_mut(place(row)?) {
                    let kind = row.get(2)?;
                    members.push(NewMember { id, kind });
                }
                Ok(true)
            })?;
            let lists = lists.into_iter().cloned().zip(members);
            found.extend(lists.map(|(list, members)| ShownMembers { list, members }));
        }
        Ok(found)
    }

    /// Loads the first owners of resources, with one statement per type, attribute and limit.
    pub(super) fn shown_owners(
        &self,
        needs: &Needs,
        labels: &mut Vec<Label>,
    ) -> Outcome<Vec<ShownOwners>> {
        let mut groups: BTreeMap<_, Vec<&OwnerList>> = BTreeMap::new();
        for (list, limit) in &needs.shown_owners {
            let group = groups.entry((&list.kind, &list.attr, limit));
            group.or_default().push(list);
        }
        let mut found = Vec::with_capacity(needs.shown_owners.len());
        for ((kind, attr, limit), lists) in groups {
            let ids: Vec<_> = lists.iter().map(|list| list.target.as_str()).collect();
            let limit = limit.and_then(|limit| i64::try_from(limit).ok());
            let list = (self.tenant, &**kind, &**attr);
            let statement = reference::owners_of_ids(DIALECT, list, &ids, limit);
            let mut owners: Vec<Vec<ResourceId>> = vec![Vec::new(); lists.len()];
            each(self.connection, &statement, |row| {
                let id = id_at(row, 1)?;
                labels.push(Label {
                    display: row.get(2)?,
                    id: id.clone(),
                    kind: Arc::clone(kind),
                });
                if let Some(owners) = owners.get_mut(place(row)?) {
                    owners.push(id);
                }
                Ok(true)
            })?;
            let lists = lists.into_iter().cloned().zip(owners);
            found.extend(lists.map(|(list, owners)| ShownOwners { list, owners }));
        }
        Ok(found)
    }
}
