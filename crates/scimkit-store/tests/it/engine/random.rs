//! Random batches: one after another, all at once, and with facts in pieces.

use std::{cell::RefCell, sync::Arc};

use proptest::{collection::vec, prelude::*};
use scimkit_registry::{Edge, EdgeEdit, ResourceId};
use scimkit_store::{
    Batch, ConnectionId, CyclePolicy, DeletePolicy, ExistingMatch, ExpectedVersion, JournalLevel,
    MatchScope, OnFailure, UnknownMemberPolicy, WriteOp,
    engine::{BatchAnswer, Capacity, Decision, Policy, RolePolicy, RowState, WriteRequest},
};
use serde_json::{Value, json};

use super::{World, answers, database::Database, journal::Replica, rules::said, second};

/// Choices from random bytes, which are followed by zeros.
struct Choices<'b>(RefCell<std::slice::Iter<'b, u8>>);

impl Choices<'_> {
    fn below(&self, limit: usize) -> usize {
        let byte = self.0.borrow_mut().next().copied().unwrap_or_default();
        usize::from(byte) % limit
    }

    fn of<'i>(&self, items: &[&'i str]) -> &'i str {
        items[self.below(items.len())]
    }

    fn once_in(&self, times: usize) -> bool {
        self.below(times) == times - 1
    }
}

const USERS: [&str; 4] = ["u1", "u2", "u3", "u4"];
const GROUPS: [&str; 4] = ["g1", "g2", "g3", "g4"];
const NAMES: [&str; 3] = ["a", "b", "c"];
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const MANAGER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";

fn policy(world: &World, choices: &Choices<'_>) -> Policy {
    let mut policy = Policy::default();
    if choices.once_in(3) {
        policy.cycles = CyclePolicy::Accept;
    }
    if choices.once_in(2) {
        policy.unknown_members = UnknownMemberPolicy::Accept;
    }
    if choices.below(3) > 0 {
        policy.delete_policy = DeletePolicy::Soft;
    }
    for (filter, limit) in [("active eq true", 2), ("title pr", 3)] {
        if choices.once_in(3) {
            let predicate = world.predicate("u1", filter);
            let capacity = Capacity::new(filter, world.user.clone(), predicate, limit);
            policy.capacities.push(capacity);
        }
    }
    if choices.once_in(2) {
        policy.roles = Some(roles(world, choices.once_in(2)));
        if choices.once_in(2) {
            let admins = world.predicate("u1", r#"roles.value eq "one""#);
            let least = Capacity::at_least("one", world.user.clone(), admins, 1);
            policy.capacities.push(least);
        }
    }
    policy.journal.level = match choices.below(5) {
        0 | 1 => JournalLevel::Notice,
        2 | 3 => JournalLevel::Full,
        _ => JournalLevel::Off,
    };
    policy
}

/// The roles of the members of `g1`, and of `g2` and `g3`.
fn roles(world: &World, several: bool) -> Arc<RolePolicy> {
    let rules = [
        (r#"displayName eq "g1""#, "one"),
        (r#"displayName eq "g2" or displayName eq "g3""#, "two"),
    ];
    let mut roles = RolePolicy::new(&world.registry).unwrap();
    for (filter, role) in rules {
        roles = roles.with_rule(world.predicate("g1", filter), role);
    }
    if several {
        roles = roles.with_several_roles();
    }
    Arc::new(roles.with_default("none"))
}

/// Checks that each live user has the roles of its groups.
fn check_roles(database: &Database) -> Result<(), TestCaseError> {
    let document = |id: &ResourceId| -> Value {
        let row = &database.rows[id];
        serde_json::from_str(&row.document).unwrap()
    };
    let live = database.rows.iter();
    let live = live.filter(|(_, row)| row.state == RowState::Live && *row.kind == *"User");
    for (user, _) in live {
        let edges = database.edges.keys().filter(|(_, target)| target == user);
        let groups = edges.map(|(list, _)| document(&list.owner)["displayName"].clone());
        let expected = groups.map(|name| match name.as_str() {
            Some("g1") => "one",
            Some("g2" | "g3") => "two",
            _ => "none",
        });
        let expected =
            expected.min_by_key(|role| ["one", "two", "none"].iter().position(|r| r == role));
        let found = document(user)["roles"][0]["value"].clone();
        prop_assert_eq!(found, expected.unwrap_or("none"), "{}", user);
    }
    Ok(())
}

fn edges(choices: &Choices<'_>) -> Vec<&'static str> {
    let mut ids: Vec<_> = (0..choices.below(4))
        .map(|_| {
            if choices.once_in(2) {
                choices.of(&GROUPS)
            } else {
                choices.of(&USERS)
            }
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn expect(choices: &Choices<'_>) -> ExpectedVersion {
    let versions = (1..20).filter(|_| choices.once_in(2));
    if choices.once_in(8) {
        ExpectedVersion::OneOf(
            versions
                .map(|n: u8| scimkit_core::Version::new(n.to_string()).unwrap())
                .collect(),
        )
    } else {
        ExpectedVersion::Any
    }
}

fn existing_match(world: &World, choices: &Choices<'_>, id: &str) -> Option<Box<ExistingMatch>> {
    let scope = match choices.below(6) {
        0 => MatchScope::Both,
        1 => MatchScope::Adoptable,
        2 | 3 => MatchScope::Restorable,
        _ => return None,
    };
    let by = match (id.starts_with('g'), choices.below(3)) {
        (true, _) => format!(r#"displayName eq "{}""#, choices.of(&GROUPS)),
        (_, 0) => format!(r#"userName eq "{}""#, choices.of(&NAMES)),
        (_, 1) => format!(r#"title co "{}""#, choices.of(&NAMES)),
        _ => format!(
            r#"externalId eq "{}" or userName eq "{}""#,
            choices.of(&NAMES),
            choices.of(&NAMES)
        ),
    };
    let by = world.predicate(id, &by);
    let is_deactivated = choices.once_in(2) && !id.starts_with('g');
    let deactivated = is_deactivated.then(|| world.predicate(id, "active eq false"));
    Some(Box::new(
        ExistingMatch::new(scope, by).with_deactivated(deactivated),
    ))
}

fn write(world: &World, choices: &Choices<'_>) -> WriteOp {
    let id = if choices.once_in(2) {
        choices.of(&GROUPS)
    } else {
        choices.of(&USERS)
    };
    let mut write = match choices.below(10) {
        0..=2 if id.starts_with('g') => world.group(id, &edges(choices)),
        0..=2 => {
            let mut body = json!({"userName": choices.of(&NAMES)});
            for attr in ["displayName", "externalId", "title"] {
                if choices.once_in(2) {
                    body[attr] = json!(choices.of(&NAMES));
                }
            }
            if choices.once_in(3) {
                body[ENTERPRISE] = json!({"manager": {"value": choices.of(&USERS)}});
            }
            world.create(id, body)
        }
        3 => world.delete(id),
        4 if id.starts_with('g') => world.replace(id, &edges(choices)),
        5..=7 if id.starts_with('g') => {
            let add = edges(choices);
            let remove = edges(choices);
            let remove = remove.into_iter().filter(|id| !add.contains(id));
            let remove = remove.map(ResourceId::from).collect();
            let edge = |id: &&str| match choices.below(8) {
                0 => Edge::to(*id).with_required_kind("User"),
                1 => Edge::to(*id).with_kind(Some("Printer".to_owned())),
                _ => Edge::to(*id),
            };
            let add = add.iter().map(edge).collect();
            world.members(id, EdgeEdit::Delta { add, remove })
        }
        n if id.starts_with('g') => world.set(
            id,
            "displayName",
            (n > 8).then(|| json!(choices.of(&GROUPS))),
        ),
        4 | 5 => world.set(id, "userName", Some(json!(choices.of(&NAMES)))),
        6 => world.set(id, "active", Some(json!(choices.once_in(2)))),
        7 => world.set(id, "externalId", Some(json!(choices.of(&NAMES)))),
        8 => match choices.below(4) {
            0 => world.set(id, "title", None),
            1 => world.set(id, "displayName", None),
            2 => world.set(id, "displayName", Some(json!(choices.of(&NAMES)))),
            _ => {
                let manager = json!({"value": choices.of(&USERS)});
                world.set(id, MANAGER, choices.once_in(2).then_some(manager))
            }
        },
        _ => world.set(id, "title", Some(json!(choices.of(&NAMES)))),
    };
    match &mut write {
        WriteOp::Create {
            existing_match: place,
            ..
        } => *place = existing_match(world, choices, id),
        WriteOp::Delete { expect: place, .. } | WriteOp::Update { expect: place, .. } => {
            *place = expect(choices);
        }
    }
    write
}

fn request(
    world: &World,
    choices: &Choices<'_>,
    at: i64,
    (writes, rule): (usize, OnFailure),
) -> WriteRequest {
    let policy = policy(world, choices);
    let writes = (0..writes).map(|_| write(world, choices)).collect();
    let batch = Batch::new(second(at), writes).with_on_failure(rule);
    let mut request = world.request(policy, batch);
    let connection = choices.below(3);
    let names = ["a", "b"].map(ConnectionId::from);
    request.batch.cause.connection = names.get(connection).cloned();
    request
}

/// Returns a request whose results have edges, with the policy for unknown members of the case.
fn showing(
    world: &World,
    choices: &Choices<'_>,
    (at, writes): (i64, usize),
    unknown_members: UnknownMemberPolicy,
) -> WriteRequest {
    let mut request = request(world, choices, at, (writes, OnFailure::Continue));
    request.policy.unknown_members = unknown_members;
    request.batch.read_options = answers::want(world, &request.batch);
    request.batch.read_options.limit = [None, Some(0), Some(1), Some(2)][choices.below(4)];
    request
}

fn unknown_members(choices: &Choices<'_>) -> UnknownMemberPolicy {
    if choices.once_in(2) {
        UnknownMemberPolicy::Accept
    } else {
        UnknownMemberPolicy::Reject
    }
}

/// Returns one request for each write.
fn singles(request: &WriteRequest) -> impl Iterator<Item = WriteRequest> {
    let writes = request.batch.writes.iter().cloned();
    writes.map(|write| {
        let mut single = request.clone();
        single.batch =
            Batch::new(request.batch.at, vec![write]).with_cause(request.batch.cause.clone());
        single
    })
}

fn shown(answers: &[BatchAnswer]) -> Vec<String> {
    let one = |answer: &BatchAnswer| said(answer);
    answers.iter().map(one).collect()
}

/// Returns a database after some single writes.
fn filled(world: &World, choices: &Choices<'_>) -> Database {
    filled_under(world, choices, None)
}

fn filled_under(
    world: &World,
    choices: &Choices<'_>,
    unknown_members: Option<UnknownMemberPolicy>,
) -> Database {
    let mut database = Database::default();
    for at in 0..12 {
        let mut request = request(world, choices, at, (1, OnFailure::Continue));
        request.policy.unknown_members = unknown_members.unwrap_or(request.policy.unknown_members);
        database.run(Decision::new(request));
        database.check();
    }
    database
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn batch_equals_its_single_writes(bytes in vec(any::<u8>(), 900)) {
        let world = World::new();
        let choices = Choices(RefCell::new(bytes.iter()));
        let mut database = filled(&world, &choices);
        let mut alone = database.clone();
        let mut pieces = database.clone();
        // The clock may be set back.
        let at = 12 - i64::try_from(choices.below(6)).unwrap();
        let request = request(&world, &choices, at, (10, OnFailure::Continue));
        let expected: Vec<_> = singles(&request)
            .flat_map(|single| shown(&alone.run(Decision::new(single))))
            .collect();
        let answers = shown(&database.run(Decision::new(request.clone())));
        prop_assert_eq!(&answers, &[expected.join("; ")], "{:#?}", request);
        prop_assert_eq!(&database, &alone);
        database.check();

        let pick = || choices.once_in(2);
        let in_pieces = pieces.run_in_pieces(Decision::new(request), pick);
        prop_assert_eq!(shown(&in_pieces), answers);
        prop_assert_eq!(&pieces, &database);
    }

    #[test]
    fn users_always_have_the_roles_of_their_groups(bytes in vec(any::<u8>(), 900)) {
        let world = World::new();
        let choices = Choices(RefCell::new(bytes.iter()));
        let mut database = Database::default();
        let policy = Some(roles(&world, false));
        for at in 0..12 {
            let several = |at| {
                let mut request = request(&world, &choices, at, (3, OnFailure::Continue));
                request.policy.roles.clone_from(&policy);
                request
            };
            let mut decision = Decision::new(several(at));
            if choices.once_in(2) {
                decision.join(several(at));
            }
            database.run(decision);
            check_roles(&database)?;
            database.check();
        }
    }

    #[test]
    fn joined_batches_equal_single_batches(bytes in vec(any::<u8>(), 900)) {
        let world = World::new();
        let choices = Choices(RefCell::new(bytes.iter()));
        let mut database = filled(&world, &choices);
        let mut apart = database.clone();
        let requests: Vec<_> = (0..4)
            .map(|at| {
                let rule = match choices.below(3) {
                    0 => OnFailure::Continue,
                    1 => OnFailure::RollBack,
                    _ => OnFailure::StopAfter(1),
                };
                request(&world, &choices, 12 + at, (3, rule))
            })
            .collect();
        let expected: Vec<_> = requests
            .iter()
            .flat_map(|request| shown(&apart.run(Decision::new(request.clone()))))
            .collect();
        let mut requests = requests.into_iter();
        let mut decision = Decision::new(requests.next().unwrap());
        requests.for_each(|request| decision.join(request));
        prop_assert_eq!(shown(&database.run(decision)), expected);
        prop_assert_eq!(&database, &apart);
        database.check();
    }

    #[test]
    fn full_journal_reproduces_the_later_state(
        bytes in vec(any::<u8>(), 900),
    ) {
        let world = World::new();
        let choices = Choices(RefCell::new(bytes.iter()));
        let mut database = filled(&world, &choices);
        let before = database.journal.len();
        let mut replica = Replica::of(&database);
        let mut requests = (0..3).map(|at| {
            let rule = match choices.below(2) {
                0 => OnFailure::Continue,
                _ => OnFailure::RollBack,
            };
            let mut request = request(&world, &choices, 12 + at, (4, rule));
            request.policy.journal.level = JournalLevel::Full;
            request
        });
        let mut decision = Decision::new(requests.next().unwrap());
        requests.for_each(|request| decision.join(request));
        database.run(decision);
        let entries = database.journal.iter().skip(before);
        entries.for_each(|entry| replica.apply(&world, entry));
        prop_assert_eq!(replica, Replica::of(&database));
    }

    #[test]
    fn rolled_back_batch_has_no_effect(bytes in vec(any::<u8>(), 500)) {
        let world = World::new();
        let choices = Choices(RefCell::new(bytes.iter()));
        let mut database = filled(&world, &choices);
        let before = database.clone();
        let mut continued = database.clone();
        let mut request = request(&world, &choices, 12, (4, OnFailure::RollBack));
        let answers = database.run(Decision::new(request.clone()));
        let failed = answers[0].as_ref().unwrap().iter().any(Result::is_err);
        request.batch.on_failure = OnFailure::Continue;
        continued.run(Decision::new(request));
        prop_assert_eq!(&database, if failed { &before } else { &continued });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn results_have_the_edges_of_a_read(bytes in vec(any::<u8>(), 900)) {
        let world = World::new();
        let choices = Choices(RefCell::new(bytes.iter()));
        let rule = unknown_members(&choices);
        let mut database = filled_under(&world, &choices, Some(rule));
        let mut checked = database.clone();
        let mut pieces = database.clone();
        let writes = 1 + choices.below(6);
        let request = showing(&world, &choices, (12, writes), rule);
        let answers = database.run(Decision::new(request.clone()));
        answers::check(&world, &database, &request, answers[0].as_ref().unwrap());

        let mut dry_run = request.clone();
        dry_run.batch = dry_run.batch.check_only();
        let before = checked.clone();
        let only_checked = checked.run(Decision::new(dry_run));
        prop_assert_eq!(shown(&only_checked), shown(&answers), "{:#?}", request);
        prop_assert!(checked == before);

        let pick = || choices.once_in(2);
        let in_pieces = pieces.run_in_pieces(Decision::new(request), pick);
        prop_assert_eq!(shown(&in_pieces), shown(&answers));
    }

    #[test]
    fn results_of_joined_batches_have_the_edges_of_single_batches(
        bytes in vec(any::<u8>(), 900),
    ) {
        let world = World::new();
        let choices = Choices(RefCell::new(bytes.iter()));
        let rule = unknown_members(&choices);
        let mut database = filled_under(&world, &choices, Some(rule));
        let mut apart = database.clone();
        let requests = (0..4).map(|at| {
            let mut request = showing(&world, &choices, (12 + at, 3), rule);
            if choices.once_in(3) {
                request.batch = request.batch.check_only();
            }
            request
        });
        let requests: Vec<_> = requests.collect();
        let expected: Vec<_> = requests
            .iter()
            .flat_map(|request| shown(&apart.run(Decision::new(request.clone()))))
            .collect();
        let mut requests = requests.into_iter();
        let mut decision = Decision::new(requests.next().unwrap());
        requests.for_each(|request| decision.join(request));
        prop_assert_eq!(shown(&database.run(decision)), expected);
    }
}
