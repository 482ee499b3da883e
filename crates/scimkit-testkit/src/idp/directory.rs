//! The directory of a company at its identity provider, and what happens in it.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use uuid::Uuid;

use super::names;

/// The people and groups of a company.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    domain: String,
    pub(super) groups: BTreeMap<u32, Team>,
    next: u32,
    pub(super) people: BTreeMap<u32, Person>,
    seed: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) department: Option<String>,
    pub(super) display: String,
    pub(super) email: String,
    pub(super) employee_number: String,
    pub(super) family: String,
    pub(super) given: String,
    pub(super) manager: Option<u32>,
    pub(super) mobile: Option<String>,
    /// The id of the person's object in the directory, which a person who comes back after the removal does not keep.
    pub(super) object: String,
    pub(super) state: Presence,
    pub(super) title: Option<String>,
    pub(super) user_name: String,
}

/// Whether a person belongs to the company.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Active,
    /// Left in that round, and can come back.
    Left(u32),
    /// Removed from the directory for good.
    Purged,
}

#[derive(Debug, Clone)]
pub(super) struct Team {
    pub(super) members: BTreeSet<u32>,
    pub(super) name: String,
    pub(super) object: String,
}

/// Rounds between leaving and the removal from the directory.
const RETENTION: u32 = 2;

/// Mixes numbers into a seed, the same on every machine.
pub(super) fn mix(seed: u64, parts: &[u64]) -> u64 {
    // FNV-1a over words, and the finaliser of SplitMix64.
    let folded = parts
        .iter()
        .fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, part| {
            (hash ^ part).wrapping_mul(0x0000_0100_0000_01b3)
        });
    let hash = (folded ^ (folded >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

impl Directory {
    /// Creates the company of a seed.
    pub(super) fn new(seed: u64, users: u32, groups: u32) -> Self {
        let mut rng = Rng::with_seed(mix(seed, &[0]));
        let mut directory = Directory {
            domain: format!("s{seed}.idp.example"),
            groups: BTreeMap::new(),
            next: 1,
            people: BTreeMap::new(),
            seed,
        };
        for _ in 0..users {
            directory.join(&mut rng);
        }
        for _ in 0..groups {
            directory.found(&mut rng);
        }
        directory
    }

    /// A person who is not in the directory, for a test of the connection.
    pub(super) fn tester(&self) -> Person {
        Person {
            department: None,
            display: "Test User".to_owned(),
            email: format!("test@{}", self.domain),
            employee_number: "000000".to_owned(),
            family: "User".to_owned(),
            given: "Test".to_owned(),
            manager: None,
            mobile: None,
            object: self.object(0),
            state: Presence::Active,
            title: None,
            user_name: format!("test@{}", self.domain),
        }
    }

    /// People who have an account in the application before the first cycle: one in twenty.
    pub(super) fn early_adopters(&self) -> impl Iterator<Item = &Person> {
        self.people.values().skip(1).step_by(20)
    }

    /// Whether a user name belongs to the company.
    pub(super) fn is_own(&self, user_name: &str) -> bool {
        let domain = user_name.rsplit_once('@').map(|(_, domain)| domain);
        domain.is_some_and(|domain| domain.eq_ignore_ascii_case(&self.domain))
    }

    pub(super) fn active(&self) -> Vec<u32> {
        let active = |(_, person): &(&u32, &Person)| person.state == Presence::Active;
        self.people
            .iter()
            .filter(active)
            .map(|(key, _)| *key)
            .collect()
    }

    /// What happens between two cycles. Each person takes part in one event at most.
    pub(super) fn change(&mut self, round: u32) {
        let mut rng = Rng::with_seed(mix(self.seed, &[1, round.into()]));
        let mut present = self.active();
        rng.shuffle(&mut present);
        let mut present = present.into_iter();
        let size = present.len();
        let mut some = |percent: usize| -> Vec<u32> {
            present
                .by_ref()
                .take((size * percent / 100).max(1))
                .collect()
        };
        let leavers = [some(2), some(2)].concat();
        let (renamed, cased) = (some(4), some(1));
        let (edited, cleared, moved) = (some(5), some(4), some(5));
        self.return_and_purge(round, &mut rng);
        leavers
            .iter()
            .for_each(|key| self.leave(*key, round, &mut rng));
        renamed.iter().for_each(|key| self.marry(*key, &mut rng));
        cased.iter().for_each(|key| self.change_case(*key));
        edited.iter().for_each(|key| self.edit(*key, &mut rng));
        cleared.iter().for_each(|key| self.clear(*key, &mut rng));
        moved
            .iter()
            .for_each(|key| self.move_department(*key, &mut rng));
        for _ in 0..(size * 2 / 100).max(1) {
            self.join(&mut rng);
        }
        self.change_groups(&mut rng);
    }

    /// What happens before the identity provider starts anew: user names change their case, and people join.
    pub(super) fn change_little(&mut self, round: u32) {
        let mut rng = Rng::with_seed(mix(self.seed, &[2, round.into()]));
        let mut present = self.active();
        rng.shuffle(&mut present);
        let cased = (present.len() / 10).max(1);
        present
            .into_iter()
            .take(cased)
            .for_each(|key| self.change_case(key));
        self.join(&mut rng);
    }

    fn key(&mut self) -> u32 {
        let key = self.next;
        self.next += 1;
        key
    }

    fn object(&self, key: u32) -> String {
        let (high, low) = (
            mix(self.seed, &[3, key.into()]),
            mix(self.seed, &[4, key.into()]),
        );
        Uuid::from_u64_pair(high, low).to_string()
    }

    fn join(&mut self, rng: &mut Rng) {
        let key = self.key();
        let (given, family) = (names::given(rng), names::family(rng));
        let user_name = names::user(rng, &given, &family, key, &self.domain);
        let managers = self.active();
        let person = Person {
            department: rng
                .choice(names::DEPARTMENTS)
                .map(|name| (*name).to_owned()),
            display: format!("{given} {family}"),
            email: format!("mail{key}@{}", self.domain),
            employee_number: format!("{key:06}"),
            family,
            given,
            manager: rng.choice(managers),
            mobile: rng.bool().then(|| phone(rng)),
            object: self.object(key),
            state: Presence::Active,
            title: rng.choice(names::TITLES).map(|title| (*title).to_owned()),
            user_name,
        };
        self.people.insert(key, person);
        let teams: Vec<u32> = self.groups.keys().copied().collect();
        if let Some(team) = rng.choice(teams) {
            self.enter(key, team);
        }
    }

    fn found(&mut self, rng: &mut Rng) {
        let key = self.key();
        let mut people = self.active();
        rng.shuffle(&mut people);
        let size = rng.usize(..=people.len().min(30));
        let team = Team {
            members: people.into_iter().take(size).collect(),
            name: names::group(rng, key),
            object: self.object(key),
        };
        self.groups.insert(key, team);
    }

    fn enter(&mut self, person: u32, team: u32) {
        if let Some(team) = self.groups.get_mut(&team) {
            team.members.insert(person);
        }
    }

    fn quit_groups(&mut self, person: u32) {
        for team in self.groups.values_mut() {
            team.members.remove(&person);
        }
    }

    fn edit_person(&mut self, key: u32, edit: impl FnOnce(&mut Person)) {
        if let Some(person) = self.people.get_mut(&key) {
            edit(person);
        }
    }

    /// Half of the leavers lose their groups at once, the others with their removal. Their reports get another manager.
    fn leave(&mut self, key: u32, round: u32, rng: &mut Rng) {
        self.edit_person(key, |person| person.state = Presence::Left(round));
        if rng.bool() {
            self.quit_groups(key);
        }
        let successor = rng.choice(self.active());
        for (report, person) in &mut self.people {
            if person.manager == Some(key) && person.state == Presence::Active {
                person.manager = successor.filter(|successor| successor != report);
            }
        }
    }

    fn return_and_purge(&mut self, round: u32, rng: &mut Rng) {
        let mut returns = true;
        for key in self.people.keys().copied().collect::<Vec<_>>() {
            let Some(Person {
                state: Presence::Left(left),
                ..
            }) = self.people.get(&key)
            else {
                continue;
            };
            if returns {
                // The manager may have left as well.
                let manager = rng.choice(self.active());
                self.edit_person(key, |person| {
                    person.state = Presence::Active;
                    person.manager = manager;
                });
                returns = false;
            } else if left + RETENTION <= round {
                self.purge(key);
            }
        }
        self.hire_again(round);
    }

    fn purge(&mut self, key: u32) {
        self.edit_person(key, |person| person.state = Presence::Purged);
        self.quit_groups(key);
    }

    /// A person who was removed comes back under the same user name, but as another object of the directory.
    fn hire_again(&mut self, round: u32) {
        if round % 2 == 1 {
            return;
        }
        let taken: BTreeSet<String> = self
            .people
            .values()
            .filter(|person| person.state != Presence::Purged)
            .map(|person| person.user_name.to_lowercase())
            .collect();
        let gone = self.people.values().find(|person| {
            person.state == Presence::Purged && !taken.contains(&person.user_name.to_lowercase())
        });
        if let Some(mut person) = gone.cloned() {
            let key = self.key();
            person.manager = self.active().first().copied();
            person.object = self.object(key);
            person.state = Presence::Active;
            self.people.insert(key, person);
        }
    }

    /// A new family name, and for half of them a new user name and address.
    fn marry(&mut self, key: u32, rng: &mut Rng) {
        let family = names::family(rng);
        let domain = self.domain.clone();
        let renames = rng.bool();
        let Some(person) = self.people.get_mut(&key) else {
            return;
        };
        person.display = format!("{} {family}", person.given);
        person.family = family;
        if renames {
            person.user_name = names::user(rng, &person.given, &person.family, self.next, &domain);
            person.email = format!("mail{}@{domain}", self.next);
            self.next += 1;
        }
    }

    fn change_case(&mut self, key: u32) {
        self.edit_person(key, |person| {
            person.user_name = names::other_case(&person.user_name)
        });
    }

    fn edit(&mut self, key: u32, rng: &mut Rng) {
        self.edit_person(key, |person| {
            person.title = Some(format!("Title {}", rng.u16(..)));
            person.mobile = Some(phone(rng));
        });
    }

    fn clear(&mut self, key: u32, rng: &mut Rng) {
        let mobile = rng.bool();
        self.edit_person(key, |person| {
            if mobile {
                person.mobile = None;
            } else {
                person.department = None;
            }
            person.title = None;
        });
    }

    fn move_department(&mut self, key: u32, rng: &mut Rng) {
        let manager = rng.choice(self.active()).filter(|manager| *manager != key);
        let department = rng
            .choice(names::DEPARTMENTS)
            .map(|name| (*name).to_owned());
        self.edit_person(key, |person| {
            person.department = department;
            person.manager = manager;
        });
        let teams: Vec<u32> = self.groups.keys().copied().collect();
        self.quit_groups(key);
        if let Some(team) = rng.choice(teams) {
            self.enter(key, team);
        }
    }

    /// One group in ten is renamed, one in twenty replaced by another of its name; all change members, one of them many.
    fn change_groups(&mut self, rng: &mut Rng) {
        let mut keys: Vec<u32> = self.groups.keys().copied().collect();
        rng.shuffle(&mut keys);
        let people = self.active();
        for (at, key) in keys.iter().enumerate() {
            let changes = if at == 0 { 24 } else { rng.usize(..4) };
            let name = names::group(rng, *key);
            let Some(team) = self.groups.get_mut(key) else {
                continue;
            };
            for _ in 0..changes {
                let Some(person) = rng.choice(&people) else {
                    break;
                };
                if !team.members.remove(person) {
                    team.members.insert(*person);
                }
            }
            if at % 10 == 1 {
                team.name = format!("{name} ({})", rng.u16(..));
            }
            if at % 20 == 2 {
                let again = self.key();
                let object = self.object(again);
                if let Some(mut team) = self.groups.remove(key) {
                    team.object = object;
                    self.groups.insert(again, team);
                }
            }
        }
    }
}

fn phone(rng: &mut Rng) -> String {
    format!("+1 555 {:04}", rng.u16(..10_000))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Directory, Presence};

    #[test]
    fn same_seed_gives_the_same_company() {
        let grown = |seed| {
            let mut directory = Directory::new(seed, 50, 5);
            for round in 2..8 {
                directory.change(round);
                directory.change_little(round);
            }
            format!("{directory:?}")
        };
        assert_eq!(grown(7), grown(7));
        assert_ne!(grown(7), grown(8));
    }

    #[test]
    fn present_people_have_distinct_names_and_present_managers() {
        for seed in 0..20 {
            let mut directory = Directory::new(seed, 40, 4);
            for round in 2..12 {
                directory.change(round);
                let active = directory.active();
                let names: BTreeSet<_> = active
                    .iter()
                    .map(|key| directory.people[key].user_name.to_lowercase())
                    .collect();
                assert_eq!(names.len(), active.len());
                for key in &active {
                    let manager = directory.people[key].manager;
                    assert!(
                        manager.is_none_or(|manager| manager != *key && active.contains(&manager))
                    );
                }
                for team in directory.groups.values() {
                    let gone = |key: &u32| directory.people[key].state == Presence::Purged;
                    assert!(!team.members.iter().any(gone));
                }
            }
            let state = |wanted: fn(&Presence) -> bool| {
                directory
                    .people
                    .values()
                    .filter(|person| wanted(&person.state))
                    .count()
            };
            assert!(state(|state| *state == Presence::Purged) > 0);
            assert!(state(|state| matches!(state, Presence::Left(_))) > 0);
        }
    }
}
