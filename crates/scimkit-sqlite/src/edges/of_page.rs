//! The groups of the resources on a page.

use std::{collections::HashMap, sync::Arc};

use scimkit_registry::{Edge, ResourceId};
use scimkit_sql::reference::{self, EdgeRange};
use scimkit_store::{StoreError, StoredResource};

use super::{EdgeReader, EdgeSource, Target, Visit, place};
use crate::{
    error::Outcome,
    statement::{DIALECT, each},
};

/// The resources that have those on a page as members, each once, in the order of their first occurrence.
#[derive(Debug, Default)]
struct Groups {
    all: Vec<(ResourceId, Label)>,
    /// The number after that of the last membership: the next member is often in the same groups.
    next: usize,
    numbers: HashMap<ResourceId, usize>,
}

#[derive(Debug)]
enum Label {
    /// The resource exists, with this display name.
    Known(Option<Arc<str>>),
    /// The resource does not exist.
    Missing,
    /// The resource was not read, since the page has no room for it.
    Unread,
}

/// The index of a member on the page, and the number of its group.
type Membership = (usize, usize);

impl EdgeReader<'_> {
    /// Visits the resources of one type that have those of a page as members through one attribute.
    ///
    /// The members of a page are often in the same few groups: each edge costs one step along an index, and the
    /// display name of each group is read once.
    pub(super) fn owners_of_page(
        &self,
        (to, path): (&Target<'_>, &str),
        source: EdgeSource<'_>,
        limit: Option<u32>,
        visit: &mut Visit<'_>,
    ) -> Outcome<()> {
        let list = (self.tenant, &**to.name, path);
        let found = match self.found_in_range(list, source, limit)? {
            Some(found) => found,
            None => self.found_one_by_one(list, source, limit)?,
        };
        let Memberships {
            all: memberships,
            mut groups,
            large,
            ..
        } = found;
        self.read_labels(&mut groups, &memberships, source.max_bytes)?;
        for (member, group) in memberships {
            let Some((id, label)) = groups.all.get(group) else {
                continue;
            };
            let display = match label {
                Label::Known(display) => display.clone(),
                Label::Missing => continue,
                Label::Unread => return Ok(()),
            };
            if !visit(member, to.show(Edge::to(id.clone()), display))? {
                return Ok(());
            }
        }
        let Some(large) = large else {
            return Ok(());
        };
        let next = large.saturating_add(1);
        let source = EdgeSource {
            owners: source.owners.get(next..).unwrap_or_default(),
            ..source
        };
        let range = EdgeRange { after: "", limit };
        self.owners_by((to, path), source, range, &mut |member, edge| {
            visit(next.saturating_add(member), edge)
        })
    }

    /// Finds the memberships with a scan of all edges between the first and the last id of the page. Returns `None`
    /// if the ids are in another order, or if too many edges lead to resources that are not on the page.
    fn found_in_range(
        &self,
        list: (&str, &str, &str),
        source: EdgeSource<'_>,
        limit: Option<u32>,
    ) -> Outcome<Option<Memberships>> {
        let owners = source.owners;
        let (Some(&first), Some(&last)) = (owners.first(), owners.last()) else {
            return Ok(None);
        };
        if !owners.is_sorted_by(|a, b| a < b) {
            return Ok(None);
        }
        let mut found = Memberships::new(limit, source.max_bytes);
        let mut rest = owners.iter().enumerate().peekable();
        let mut others = 0;
        let statement = reference::owners_in_range(DIALECT, list, (first, last));
        each(self.connection, &statement, |row| {
            let target = row.get_ref(0)?.as_str().map_err(StoreError::backend)?;
            while rest.next_if(|(_, owner)| **owner < target).is_some() {}
            match rest.peek() {
                Some((member, owner)) if **owner == target => {
                    let group = row.get_ref(1)?.as_str().map_err(StoreError::backend)?;
                    Ok(found.add(*member, group))
                }
                _ => {
                    others += 1;
                    Ok(others <= owners.len())
                }
            }
        })?;
        Ok((others <= owners.len()).then_some(found))
    }

    /// Finds the memberships with a search for each member.
    fn found_one_by_one(
        &self,
        list: (&str, &str, &str),
        source: EdgeSource<'_>,
        limit: Option<u32>,
    ) -> Outcome<Memberships> {
        let mut found = Memberships::new(limit, source.max_bytes);
        let statement = reference::owners_of_page(DIALECT, list, source.owners);
        each(self.connection, &statement, |row| {
            let group = row.get_ref(1)?.as_str().map_err(StoreError::backend)?;
            Ok(found.add(place(row)?, group))
        })?;
        Ok(found)
    }

    /// Reads the display names of the groups: all of the first member, and those of the others as far as they can
    /// fit.
    fn read_labels(
        &self,
        groups: &mut Groups,
        memberships: &[Membership],
        max_bytes: u64,
    ) -> Outcome<()> {
        if groups.all.is_empty() {
            return Ok(());
        }
        let of_first = memberships.iter().take_while(|(member, _)| *member == 0);
        let of_first = of_first.count();
        let ids: Vec<_> = groups.all.iter().map(|(id, _)| id.as_str()).collect();
        let statement = reference::labels_of(DIALECT, self.tenant, &ids);
        let mut labels = Vec::with_capacity(ids.len());
        let mut bytes = 0;
        let mut end = ids.len();
        each(self.connection, &statement, |row| {
            let at = place(row)?;
            if at >= of_first && bytes > max_bytes {
                end = at;
                return Ok(false);
            }
            let display: Option<Arc<str>> = row.get(2)?;
            bytes += display.as_ref().map_or(0, |name| name.len()) as u64;
            labels.push((at, display));
            Ok(true)
        })?;
        for (_, label) in groups.all.iter_mut().take(end) {
            *label = Label::Missing;
        }
        for (at, display) in labels {
            if let Some((_, label)) = groups.all.get_mut(at) {
                *label = Label::Known(display);
            }
        }
        Ok(())
    }
}

/// The memberships of a page, member by member, as far as they can fit on it.
#[derive(Debug)]
struct Memberships {
    all: Vec<Membership>,
    /// The minimum number of bytes that they need: the visitor counts their texts.
    bytes: u64,
    groups: Groups,
    /// The first member that is in more groups than the limit. The memberships of later members are not included.
    large: Option<usize>,
    /// The last member, and the number of its groups.
    last: (usize, usize),
    limit: usize,
    max_bytes: u64,
}

impl Memberships {
    fn new(limit: Option<u32>, max_bytes: u64) -> Self {
        Memberships {
            all: Vec::new(),
            bytes: 0,
            groups: Groups::default(),
            large: None,
            last: (0, 0),
            limit: limit.map_or(usize::MAX, |limit| limit as usize),
            max_bytes,
        }
    }

    /// Adds a membership, and returns whether more are needed.
    fn add(&mut self, member: usize, group: &str) -> bool {
        if self.last.0 != member {
            self.last = (member, 0);
        }
        if self.last.1 >= self.limit {
            self.large = Some(member);
            return false;
        }
        self.last.1 += 1;
        self.all.push((member, self.groups.number(group)));
        self.bytes = self.bytes.saturating_add(StoredResource::EDGE_SIZE);
        member == 0 || self.bytes <= self.max_bytes
    }
}

impl Groups {
    /// Returns the number of a group, and assigns one on its first occurrence.
    fn number(&mut self, id: &str) -> usize {
        let is_at = |number: &usize| {
            self.all
                .get(*number)
                .is_some_and(|(at, _)| at.as_str() == id)
        };
        let number = [self.next, 0].into_iter().find(is_at);
        let number = number.or_else(|| self.numbers.get(id).copied());
        let number = number.unwrap_or_else(|| {
            let id = ResourceId::from(id);
            let number = self.all.len();
            self.all.push((id.clone(), Label::Unread));
            self.numbers.insert(id, number);
            number
        });
        self.next = number.saturating_add(1);
        number
    }
}
