//! What an identity provider knows of the server.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;

use super::{
    attributes::{Attribute, Place, Wanted, WantedValues},
    dialect::Members,
    directory::{Directory, Presence},
    requests::Member,
    tasks::MemberChange,
};

/// What the identity provider knows of the server.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) groups: BTreeMap<u32, GroupLink>,
    pub(super) users: BTreeMap<u32, UserLink>,
}

#[derive(Debug)]
pub(super) struct UserLink {
    pub(super) id: String,
    /// The values that the server has confirmed; none after a match.
    pub(super) sent: WantedValues,
}

#[derive(Debug)]
pub(super) struct GroupLink {
    pub(super) id: String,
    /// The members that the server has confirmed; none if they are unknown.
    members: Option<BTreeSet<u32>>,
    pub(super) name: String,
}

impl Known {
    /// Forgets what is not about leavers, so that everything is matched again.
    pub(super) fn forget(&mut self, directory: &Directory) {
        self.users.retain(|key, _| {
            directory
                .people
                .get(key)
                .is_some_and(|person| person.state != Presence::Active)
        });
        self.groups.clear();
    }

    /// Returns the ids of accounts that others can refer to.
    pub(super) fn ids(&self) -> BTreeMap<u32, String> {
        self.users
            .iter()
            .map(|(key, link)| (*key, link.id.clone()))
            .collect()
    }

    pub(super) fn link(&mut self, key: u32, id: String, sent: WantedValues) {
        // A person who comes back as another object takes over the account, with its memberships.
        let is_former = |(other, link): &(&u32, &UserLink)| **other != key && link.id == id;
        if let Some(former) = self.users.iter().find(is_former).map(|(former, _)| *former) {
            self.users.remove(&former);
            let known = self
                .groups
                .values_mut()
                .filter_map(|group| group.members.as_mut());
            for members in known {
                if members.remove(&former) {
                    members.insert(key);
                }
            }
        }
        self.users.insert(key, UserLink { id, sent });
    }

    /// Links a group. The members of a new one are known, and so are those of a group that was linked before.
    pub(super) fn link_group(&mut self, key: u32, id: String, is_new: bool, name: &str) {
        let before = self.groups.remove(&key).and_then(|link| link.members);
        let members = if is_new {
            Some(BTreeSet::new())
        } else {
            before
        };
        self.groups.insert(
            key,
            GroupLink {
                id,
                members,
                name: name.to_owned(),
            },
        );
    }

    pub(super) fn unlink(&mut self, key: u32) {
        self.users.remove(&key);
        for group in self.groups.values_mut() {
            if let Some(members) = &mut group.members {
                members.remove(&key);
            }
        }
    }
}

/// The values of a leaver: those that were sent, and `active` false.
pub(super) fn deactivated(mapping: &[Attribute], sent: &WantedValues) -> WantedValues {
    let values = mapping.iter().zip(sent).map(|(attribute, sent)| {
        if attribute.place == Place::Simple("active") {
            Wanted::Value(false.into())
        } else {
            sent.clone()
        }
    });
    values.collect()
}

impl GroupLink {
    /// Notes that the server has confirmed a change.
    pub(super) fn confirm(&mut self, change: &MemberChange) {
        let members = self.members.get_or_insert_default();
        match change {
            MemberChange::Replace(all) => *members = all.iter().map(|member| member.key).collect(),
            MemberChange::Some { add, remove } => {
                members.extend(add.iter().map(|member| member.key));
                for member in remove {
                    members.remove(&member.key);
                }
            }
        }
    }
}

/// Returns the requests that change the members of a group into `wanted`. `accounts` has everybody who has an account.
pub(super) fn member_changes(
    style: &Members,
    link: &GroupLink,
    wanted: &BTreeMap<u32, Member>,
    accounts: impl Fn(u32) -> Option<Member>,
    mut rng: Rng,
) -> Vec<MemberChange> {
    let unknown = BTreeSet::new();
    let current = match &link.members {
        None if style.replaces => {
            return vec![MemberChange::Replace(wanted.values().cloned().collect())];
        }
        None => &unknown,
        Some(members) => members,
    };
    let added = wanted
        .values()
        .filter(|member| !current.contains(&member.key));
    let mut add: Vec<Member> = added.cloned().collect();
    // The account of a member that is gone took its memberships along.
    let removed = current.iter().filter(|key| !wanted.contains_key(key));
    let mut remove: Vec<Member> = removed.filter_map(|key| accounts(*key)).collect();
    let mut changes = Vec::new();
    if style.one_request
        && add.len() + remove.len() <= style.batch
        && !(add.is_empty() && remove.is_empty())
    {
        return vec![MemberChange::Some { add, remove }];
    }
    while !remove.is_empty() {
        let size = rng.usize(1..=style.batch).min(remove.len());
        let rest = remove.split_off(size);
        changes.push(MemberChange::Some {
            add: Vec::new(),
            remove: std::mem::replace(&mut remove, rest),
        });
    }
    while !add.is_empty() {
        let size = rng.usize(1..=style.batch).min(add.len());
        let rest = add.split_off(size);
        changes.push(MemberChange::Some {
            add: std::mem::replace(&mut add, rest),
            remove: Vec::new(),
        });
    }
    changes
}
