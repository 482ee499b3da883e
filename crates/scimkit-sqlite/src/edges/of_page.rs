//! The groups of the resources on a page.

use std::collections::HashMap;

use scimkit_registry::{Edge, ResourceId};
use scimkit_sql::reference::{self, EdgeRange};
use scimkit_store::{StoreError, Stored};

use super::{EdgeReader, EdgeSource, Target, Visit, place};
use crate::{
    error::Outcome,
    statement::{DIALECT, each},
};

/// The resources that have those on a page as members, each once, in the order in which they occur.
#[derive(Debug, Default)]
struct Groups {
    all: Vec<(ResourceId, Label)>,
    numbers: HashMap<ResourceId, usize>,
}

#[derive(Debug)]
enum Label {
    /// It exists, with this display name.
    Known(Option<String>),
    /// It does not exist.
    Missing,
    /// The page has no room for it.
    Unread,
}

/// The place of a member on the page, and the number of its group.
type Membership = (usize, usize);

impl EdgeReader<'_> {
    /// Visits the resources of one type that have those of a page as members by one attribute.
    ///
    /// The members of a page are often in the same few groups: each edge is a step along an index, and each
    /// group's display name is read once.
    pub(super) fn owners_of_page(
        &self,
        (to, path): (&Target<'_>, &str),
        source: EdgeSource<'_>,
        limit: Option<u32>,
        visit: &mut Visit<'_>,
    ) -> Outcome<()> {
        let mut groups = Groups::default();
        let (memberships, large) =
            self.memberships_of_page((to, path), source, limit, &mut groups)?;
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

    /// Reads the memberships of a page, as far as they can fit on it. Stops at the first member that is in more
    /// groups than the limit, and returns its place.
    fn memberships_of_page(
        &self,
        (to, path): (&Target<'_>, &str),
        source: EdgeSource<'_>,
        limit: Option<u32>,
        groups: &mut Groups,
    ) -> Outcome<(Vec<Membership>, Option<usize>)> {
        let limit = limit.map_or(usize::MAX, |limit| limit as usize);
        let list = (self.tenant, to.name, path);
        let statement = reference::owners_of_page(DIALECT, list, source.owners);
        let (mut found, mut large, mut bytes) = (Vec::new(), None, 0_u64);
        let (mut last, mut of_last) = (0, 0_usize);
        each(self.connection, &statement, |row| {
            let member = place(row)?;
            if member != last {
                (last, of_last) = (member, 0);
            }
            if of_last >= limit {
                large = Some(member);
                return Ok(false);
            }
            of_last += 1;
            let group = row.get_ref(1)?.as_str().map_err(StoreError::backend)?;
            found.push((member, groups.number(group)));
            // At least: the texts of the edge are counted by the visitor.
            bytes = bytes.saturating_add(Stored::EDGE_SIZE);
            Ok(member == 0 || bytes <= source.max_bytes)
        })?;
        Ok((found, large))
    }

    /// Reads the display names of groups, those of the first member and of the others as far as they can fit.
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
        let (mut labels, mut bytes, mut end) = (Vec::with_capacity(ids.len()), 0, ids.len());
        each(self.connection, &statement, |row| {
            let at = place(row)?;
            if at >= of_first && bytes > max_bytes {
                end = at;
                return Ok(false);
            }
            let display: Option<String> = row.get(2)?;
            bytes += display.as_ref().map_or(0, String::len) as u64;
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

impl Groups {
    /// The number of a group, a new one if it did not occur before.
    fn number(&mut self, id: &str) -> usize {
        if let Some(number) = self.numbers.get(id) {
            return *number;
        }
        let (id, number) = (ResourceId::from(id), self.all.len());
        self.all.push((id.clone(), Label::Unread));
        self.numbers.insert(id, number);
        number
    }
}
