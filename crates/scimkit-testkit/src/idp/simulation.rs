//! A simulation: rounds of changes, cycles and comparisons.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use scimkit_store::BoxFuture;
use serde_json::{Value, json};

use super::{
    IdentityProvider,
    attributes::text_member,
    compare::Expected,
    connection::{activate, test_connection},
    courier::{Counts, Courier, GivenUp, Sleep},
    cycle::{Cycle, Failure},
    directory::Directory,
    known::Known,
    report::{Divergence, DivergenceKind, Round, SimulationReport},
    requests::early_account,
    tasks::{delete, list},
};
use crate::replay::HttpTarget;

/// Every round with a number that this divides starts anew.
const RESTART: u32 = 3;

/// Acts as an identity provider against a server, and compares the server with what was sent.
///
/// - The company of a seed is always the same, and so is what happens in it. With the same version of this crate, the
///   requests are the same, apart from ids that the server assigns and the order of parallel requests.
/// - The first round provisions everybody. Before each further one, people join, leave, come back, change their names and
///   move to other departments, and groups change. Every third round starts anew: the identity provider forgets what it
///   has provisioned, and has to match it.
/// - Some answers are lost, so that requests are sent again. A status of 429 and 503 is repeated after `Retry-After`.
/// - In the end, everything that was created is deleted.
///
/// # Example
/// ```
/// # use std::sync::Arc;
/// use scimkit_server::{BearerTokens, Server, Token};
/// use scimkit_store::{MemoryStore, Settings};
/// use scimkit_testkit::{contract::block_on, idp::{IdentityProvider, Simulation}};
///
/// let token = Token::generate()?;
/// let server = Server::new(Arc::new(MemoryStore::new()), Settings::new("https://app.example/scim/v2"))
///     .with_authentication(BearerTokens::new([token.digest()]));
/// // A test does not have to wait.
/// let simulation = Simulation::new(IdentityProvider::Entra, &server, |_| Box::pin(async {}))
///     .with_token(token.reveal())
///     .with_users(20)
///     .with_groups(3)
///     .with_rounds(3);
/// block_on(Box::pin(async {
///     let report = simulation.run().await.unwrap();
///     assert!(report.holds(), "{report}");
/// }));
/// # Ok::<(), scimkit_server::RandomnessError>(())
/// ```
pub struct Simulation<'t> {
    groups: u32,
    keeps: bool,
    lost_percent: u8,
    parallel: u16,
    provider: IdentityProvider,
    rounds: u32,
    seed: u64,
    sleep: Sleep,
    stop: Arc<AtomicBool>,
    target: &'t dyn HttpTarget,
    token: Option<String>,
    users: u32,
}

impl std::fmt::Debug for Simulation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulation")
            .field("groups", &self.groups)
            .field("parallel", &self.parallel)
            .field("provider", &self.provider)
            .field("rounds", &self.rounds)
            .field("seed", &self.seed)
            .field("users", &self.users)
            .finish_non_exhaustive()
    }
}

impl<'t> Simulation<'t> {
    /// The maximum number of users, also of those who join later.
    pub const MOST_USERS: u32 = 100_000;
    /// The maximum number of groups.
    pub const MOST_GROUPS: u32 = 10_000;
    /// The maximum number of rounds.
    pub const MOST_ROUNDS: u32 = 1_000;
    /// The maximum number of requests at a time.
    pub const MOST_PARALLEL: u16 = 64;

    /// Creates a simulation with 200 users, 20 groups, 5 rounds, 8 requests at a time, the seed 7 and 2 % of lost answers.
    ///
    /// `sleep` waits for that time, for example with the timer of the runtime.
    #[must_use]
    pub fn new(
        provider: IdentityProvider,
        target: &'t dyn HttpTarget,
        sleep: impl Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        Simulation {
            groups: 20,
            keeps: false,
            lost_percent: 2,
            parallel: 8,
            provider,
            rounds: 5,
            seed: 7,
            sleep: Arc::new(sleep),
            stop: Arc::default(),
            target,
            token: None,
            users: 200,
        }
    }

    /// Keeps what was created, instead of deleting it in the end.
    #[must_use]
    pub fn keep(mut self) -> Self {
        self.keeps = true;
        self
    }

    /// Sets the number of groups, at most [`Simulation::MOST_GROUPS`].
    #[must_use]
    pub fn with_groups(mut self, groups: u32) -> Self {
        self.groups = groups.min(Self::MOST_GROUPS);
        self
    }

    /// Sets the share of requests that get no answer, at most 50 %.
    #[must_use]
    pub fn with_lost_percent(mut self, percent: u8) -> Self {
        self.lost_percent = percent.min(50);
        self
    }

    /// Sets the number of requests at a time, 1 to [`Simulation::MOST_PARALLEL`].
    #[must_use]
    pub fn with_parallel(mut self, parallel: u16) -> Self {
        self.parallel = parallel.clamp(1, Self::MOST_PARALLEL);
        self
    }

    /// Sets the number of rounds, 1 to [`Simulation::MOST_ROUNDS`].
    #[must_use]
    pub fn with_rounds(mut self, rounds: u32) -> Self {
        self.rounds = rounds.clamp(1, Self::MOST_ROUNDS);
        self
    }

    /// Sets the seed of the company.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Stops after the current requests when that flag is set, and deletes what was created.
    #[must_use]
    pub fn with_stop(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = stop;
        self
    }

    /// Sends that bearer token.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Sets the number of users in the first round, 1 to [`Simulation::MOST_USERS`].
    #[must_use]
    pub fn with_users(mut self, users: u32) -> Self {
        self.users = users.clamp(1, Self::MOST_USERS);
        self
    }

    /// Runs all rounds.
    ///
    /// # Errors
    /// - [`SimulationError::Connection`]: the test of the connection fails
    /// - [`SimulationError::Leftovers`]: users of an earlier simulation with this seed are still there
    pub async fn run(&self) -> Result<SimulationReport, SimulationError> {
        self.run_watched(|_| {}).await
    }

    /// Runs all rounds, and passes each round to `watch` as soon as it is known.
    ///
    /// # Errors
    /// As for [`Simulation::run`].
    pub async fn run_watched(
        &self,
        mut watch: impl FnMut(&Round),
    ) -> Result<SimulationReport, SimulationError> {
        let mut directory = Directory::new(self.seed, self.users, self.groups);
        let mut known = Known::default();
        let mut courier = self.courier();
        test_connection(&courier, 0)
            .await
            .map_err(SimulationError::Connection)?;
        let baseline = self.baseline(&courier, &directory).await?;
        if courier.dialect.test_creates {
            activate(&courier, &directory)
                .await
                .map_err(SimulationError::Connection)?;
        }
        for person in directory.early_adopters() {
            // An application may require more of an account; then this person has none.
            let _ = courier.reader().send(early_account(person), &[]).await;
        }
        let (mut report, mut groups) = (SimulationReport::default(), BTreeSet::new());
        for number in 1..=self.rounds {
            let mut round = Round {
                cycle: "incremental",
                number,
                ..Round::default()
            };
            let mut starts_anew = number == 1;
            if number == 1 {
                round.cycle = "initial";
            } else if number.is_multiple_of(RESTART) {
                round.cycle = "restart";
                starts_anew = true;
                directory.change_little(number);
                known.forget(&directory);
            } else {
                directory.change(number);
            }
            self.run_round(
                &courier,
                &directory,
                &mut known,
                &baseline,
                &mut round,
                starts_anew,
            )
            .await;
            courier.counts.move_to(&mut round);
            groups.extend(known.groups.values().map(|link| link.id.clone()));
            report.stopped = courier.is_stopped();
            if report.stopped {
                break;
            }
            watch(&round);
            report.rounds.push(round);
        }
        if !self.keeps {
            courier.stop = Arc::default();
            clean_up(&courier, &directory, &groups, &baseline).await;
        }
        Ok(report)
    }

    async fn run_round(
        &self,
        courier: &Courier<'_>,
        directory: &Directory,
        known: &mut Known,
        baseline: &BTreeSet<String>,
        round: &mut Round,
        starts_anew: bool,
    ) {
        let failures = match test_connection(courier, round.number).await {
            Err(reason) => {
                round.quarantined = true;
                vec![Failure {
                    reason,
                    resource: "the test of the connection".to_owned(),
                }]
            }
            Ok(()) => {
                let mut cycle = Cycle {
                    courier,
                    directory,
                    failures: Vec::new(),
                    known,
                    parallel: self.parallel.into(),
                    round: round.number,
                };
                cycle.run(starts_anew).await;
                round.quarantined = courier.is_quarantined();
                cycle.failures
            }
        };
        if courier.is_stopped() {
            return;
        }
        for Failure { reason, resource } in failures {
            round.push(Divergence {
                attribute: None,
                expected: json!("success"),
                found: reason.into(),
                id: None,
                kind: DivergenceKind::Rejected,
                resource,
            });
        }
        (round.users, round.groups) = (known.users.len(), known.groups.len());
        Expected::new(courier.reader(), directory, known, baseline)
            .compare(round)
            .await;
    }

    fn courier(&self) -> Courier<'_> {
        Courier {
            counts: Counts::default(),
            dialect: self.provider.dialect(),
            lost_percent: self.lost_percent,
            seed: self.seed,
            sleep: Arc::clone(&self.sleep),
            stop: Arc::clone(&self.stop),
            target: self.target,
            token: self.token.clone(),
        }
    }

    /// Returns the ids of everything that is there already.
    async fn baseline(
        &self,
        courier: &Courier<'_>,
        directory: &Directory,
    ) -> Result<BTreeSet<String>, SimulationError> {
        let (mut ids, mut leftovers) = (BTreeSet::new(), 0_usize);
        let mut task = courier.reader();
        for endpoint in ["/Users", "/Groups"] {
            let mut see = |resource: &Value| {
                ids.extend(text_member(resource, "id").map(str::to_owned));
                let name = text_member(resource, "userName").unwrap_or_default();
                leftovers += usize::from(directory.is_own(name));
            };
            if let Err(GivenUp::Rejected(reason)) = list(&mut task, endpoint, &mut see).await {
                return Err(SimulationError::Connection(reason));
            }
        }
        match leftovers {
            0 => Ok(ids),
            count => Err(SimulationError::Leftovers(count)),
        }
    }
}

/// The reason why a simulation can't begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulationError {
    /// The server does not answer as an identity provider expects, for example because the token is not valid.
    #[error("the test of the connection fails: {0}")]
    Connection(String),
    /// The server has users of an earlier simulation with the same seed.
    #[error(
        "the server has {0} users of an earlier simulation with this seed: delete them, or choose another seed"
    )]
    Leftovers(usize),
}

/// Deletes the users of the company, the groups that were linked, and new groups with the names of its groups.
async fn clean_up(
    courier: &Courier<'_>,
    directory: &Directory,
    linked: &BTreeSet<String>,
    baseline: &BTreeSet<String>,
) {
    let names: BTreeSet<&str> = directory
        .groups
        .values()
        .map(|team| team.name.as_str())
        .collect();
    for endpoint in ["/Groups", "/Users"] {
        let mut ids = BTreeSet::new();
        let mut see = |resource: &Value| {
            let id = text_member(resource, "id").unwrap_or_default();
            let name = |attribute| text_member(resource, attribute).unwrap_or_default();
            let is_ours = if endpoint == "/Users" {
                directory.is_own(name("userName"))
            } else {
                linked.contains(id) || names.contains(name("displayName"))
            };
            if is_ours && !baseline.contains(id) {
                ids.insert(id.to_owned());
            }
        };
        // What can't be read or deleted remains.
        let _ = list(&mut courier.reader(), endpoint, &mut see).await;
        for id in ids {
            let _ = delete(courier.reader(), endpoint, &id).await;
        }
    }
}

impl Counts {
    /// Moves the counts of a round to its report.
    fn move_to(&self, round: &mut Round) {
        round.lost = self.lost.swap(0, Relaxed);
        round.repeated = self.repeated.swap(0, Relaxed);
        round.requests = self.requests.swap(0, Relaxed);
        round.throttled = self.throttled.swap(0, Relaxed);
        self.tasks.store(0, Relaxed);
        self.failed_tasks.store(0, Relaxed);
    }
}
