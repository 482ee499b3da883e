//! Nodes with queues in front of one database, with delays, losses, restarts and jumping clocks that depend on a seed.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
};

use scimkit_registry::ResourceId;
use scimkit_store::{
    Batch, DeletePolicy, OnFailure, WriteOp, WriteOutcome,
    engine::{
        BatchAnswer, Capacity, Decision, DecisionStep, Operations, Policy, RowState, WriteRequest,
    },
};
use serde_json::json;

use super::{World, database::Database, rules::said, second};

/// The maximum number of active users.
const SEATS: u64 = 3;
const NODES: usize = 3;
const REQUESTS: usize = 12;

/// A xorshift64* generator, which is small and reproducible.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(drawn).unwrap() % limit
    }

    fn of<'i>(&mut self, items: &[&'i str]) -> &'i str {
        items[self.below(items.len())]
    }
}

/// A batch in a queue.
#[derive(Clone)]
struct Waiting {
    /// Whether its transaction was lost before. It is retried once, alone.
    is_second: bool,
    number: usize,
    request: WriteRequest,
}

enum Work {
    /// Waits for the tenant's lock.
    Begun(Decision),
    Decided(Vec<BatchAnswer>, Operations),
    Loading(Decision),
}

#[derive(Default)]
struct Node {
    queue: VecDeque<Waiting>,
    work: Option<(Vec<Waiting>, Work)>,
}

struct Schedule {
    /// The committed batches, in order, with their results.
    committed: Vec<(WriteRequest, String)>,
    database: Database,
    holder: Option<usize>,
    is_locking: bool,
    nodes: Vec<Node>,
    random: Random,
    /// The results that clients received, by the number of the batch.
    told: BTreeMap<usize, String>,
    world: World,
}

impl Schedule {
    fn new(world: &World, seed: u64, is_locking: bool) -> Self {
        Schedule {
            committed: Vec::new(),
            database: Database::default(),
            holder: None,
            is_locking,
            nodes: (0..NODES).map(|_| Node::default()).collect(),
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            told: BTreeMap::new(),
            world: world.clone(),
        }
    }

    fn run(&mut self) {
        for number in 0..REQUESTS {
            let request = self.request(number);
            let node = self.random.below(NODES);
            self.nodes[node].queue.push_back(Waiting {
                is_second: false,
                number,
                request,
            });
            for _ in 0..self.random.below(12) {
                self.step();
            }
        }
        while self
            .nodes
            .iter()
            .any(|n| !n.queue.is_empty() || n.work.is_some())
        {
            self.step();
        }
        self.replay();
    }

    fn request(&mut self, number: usize) -> WriteRequest {
        let world = self.world.clone();
        let mut policy = Policy::default();
        let active = world.predicate("u1", "active eq true");
        let seats = Capacity::new("seats", world.user.clone(), active, SEATS);
        policy.capacities.push(seats);
        // Other batches have limits that this one does not have, and soft-delete.
        if self.random.below(3) == 0 {
            let named = world.predicate("u1", r#"userName ne "c""#);
            let named = Capacity::new("named", world.user.clone(), named, 2);
            policy.capacities.push(named);
        }
        if self.random.below(2) == 0 {
            policy.delete_policy = DeletePolicy::Soft;
        }
        let writes = (0..=self.random.below(3)).map(|_| self.write()).collect();
        // The clocks of nodes differ, and jump.
        let at = i64::try_from(number + self.random.below(20)).unwrap();
        let mut batch = Batch::new(second(at), writes);
        if self.random.below(3) == 0 {
            batch = batch.with_on_failure(OnFailure::RollBack);
        }
        world.request(policy, batch)
    }

    fn write(&mut self) -> WriteOp {
        const USERS: [&str; 4] = ["u1", "u2", "u3", "u4"];
        const GROUPS: [&str; 3] = ["g1", "g2", "g3"];
        let world = self.world.clone();
        let user = self.random.of(&USERS);
        let group = self.random.of(&GROUPS);
        let name = self.random.of(&["a", "b", "c"]);
        match self.random.below(9) {
            0..=2 => world.create(user, json!({"userName": name, "active": true})),
            3 => world.group(group, &[]),
            4 => world.add(group, &[self.random.of(&GROUPS)]),
            5 => world.add(group, &[user]),
            6 => world.set(user, "userName", Some(json!(name))),
            7 => world.set(user, "active", Some(json!(self.random.below(2) == 0))),
            _ => world.delete(if self.random.below(2) == 0 {
                user
            } else {
                group
            }),
        }
    }

    /// Lets one node take one step, restart or lose its transaction.
    fn step(&mut self) {
        let at = self.random.below(NODES);
        let Some((waiting, work)) = self.nodes[at].work.take() else {
            return self.begin(at);
        };
        if self.random.below(40) == 0 {
            // The node restarts and loses its work, for which no client has received a result.
            self.nodes[at].queue.clear();
            return self.release(at);
        }
        let work = match work {
            Work::Begun(decision) if self.holder.is_some() && self.is_locking => {
                Work::Begun(decision)
            }
            Work::Begun(decision) => {
                self.holder = Some(at);
                Work::Loading(decision)
            }
            Work::Loading(mut decision) => match decision.step() {
                DecisionStep::Load(needs) => {
                    let facts = self.database.facts(&needs).unwrap();
                    decision.supply(needs, facts);
                    Work::Loading(decision)
                }
                DecisionStep::Done(outcome) => Work::Decided(outcome.answers, outcome.operations),
            },
            Work::Decided(answers, operations) => {
                match self.random.below(8) {
                    0 => self.lose(at, waiting),
                    _ => self.commit(waiting, (answers, operations)),
                }
                return self.release(at);
            }
        };
        self.nodes[at].work = Some((waiting, work));
    }

    /// Begins a transaction for waiting batches, or for one that was lost before, alone.
    fn begin(&mut self, at: usize) {
        let limit = 1 + self.random.below(3);
        let queue = &mut self.nodes[at].queue;
        let mut taken: Vec<Waiting> = Vec::new();
        while let Some(next) = queue.front() {
            let is_alone = next.is_second || taken.iter().any(|one| one.is_second);
            if taken.len() >= limit || (is_alone && !taken.is_empty()) {
                break;
            }
            taken.extend(queue.pop_front());
        }
        let mut requests = taken.iter().map(|waiting| waiting.request.clone());
        if let Some(first) = requests.next() {
            let mut decision = Decision::new(first);
            requests.for_each(|request| decision.join(request));
            self.nodes[at].work = Some((taken, Work::Begun(decision)));
        }
    }

    fn release(&mut self, at: usize) {
        self.holder = self.holder.filter(|holder| *holder != at);
    }

    /// Loses the transaction without an effect on the database.
    fn lose(&mut self, at: usize, waiting: Vec<Waiting>) {
        for mut one in waiting.into_iter().rev() {
            if one.is_second {
                drop(self.told.insert(one.number, "busy".to_owned()))
            } else {
                one.is_second = true;
                self.nodes[at].queue.push_front(one);
            }
        }
    }

    fn commit(&mut self, waiting: Vec<Waiting>, outcome: (Vec<BatchAnswer>, Operations)) {
        let (answers, operations) = outcome;
        let before = self.database.version;
        self.database.apply_all(operations).unwrap();
        let changed = answers.iter().flat_map(|answer| answer.as_ref().unwrap());
        let changed = changed.filter(|a| {
            a.as_ref()
                .is_ok_and(|w| w.outcome != WriteOutcome::Unchanged)
        });
        let changed = changed.count() as u64;
        assert_eq!(
            self.database.version,
            before + changed,
            "a gap in the versions"
        );
        for (one, answer) in waiting.into_iter().zip(&answers) {
            self.committed.push((one.request, said(answer)));
            self.told.insert(one.number, said(answer));
        }
        self.check();
    }

    /// Checks the laws that hold after each commit.
    fn check(&self) {
        self.database.check();
        let active = |row: &&super::database::Row| {
            row.state == RowState::Live && row.document.contains(r#""active":true"#)
        };
        let active = self.database.rows.values().filter(active).count() as u64;
        assert!(active <= SEATS, "{active} active users");
        for (list, _) in self.database.edges.keys() {
            let mut open = vec![list.owner.clone()];
            let mut seen = BTreeSet::new();
            while let Some(id) = open.pop() {
                let members = self.members(&id);
                assert!(
                    !members.contains(&list.owner),
                    "{} is in itself",
                    list.owner
                );
                open.extend(members.into_iter().filter(|id| seen.insert(id.clone())));
            }
        }
        for (_, target) in self.database.edges.keys() {
            let row = self.database.rows.get(target);
            let is_there = row.is_some_and(|row| row.state == RowState::Live);
            assert!(is_there, "{target} is missing");
        }
    }

    fn members(&self, owner: &ResourceId) -> Vec<ResourceId> {
        let edges = self.database.edges.keys();
        let own = edges.filter(|(list, _)| list.owner == *owner);
        own.map(|(_, target)| target.clone()).collect()
    }

    /// Checks that running the committed batches one by one gives the same results and rows.
    fn replay(&self) {
        let mut alone = Database::default();
        for (request, expected) in &self.committed {
            let answers = alone.run(Decision::new(request.clone()));
            assert_eq!(said(&answers[0]), *expected);
        }
        assert!(alone == self.database);
        let committed: BTreeSet<_> = self.committed.iter().map(|(_, answer)| answer).collect();
        let is_kept = |told: &&String| *told == "busy" || committed.contains(told);
        assert!(self.told.values().all(|told| is_kept(&told)));
    }
}

#[test]
fn laws_hold_under_delays_losses_and_restarts() {
    let world = World::new();
    for seed in 1..=1_000 {
        let mut schedule = Schedule::new(&world, seed, true);
        let run = catch_unwind(AssertUnwindSafe(|| schedule.run()));
        assert!(run.is_ok(), "seed {seed}");
    }
}

#[test]
fn laws_are_violated_without_the_lock() {
    let world = World::new();
    let fails = |seed: &u64| {
        let mut schedule = Schedule::new(&world, *seed, false);
        catch_unwind(AssertUnwindSafe(|| schedule.run())).is_err()
    };
    let found = (1..=1_000).find(fails);
    assert!(found.is_some(), "no seed finds it");
}
