//! The runner of staged delivery.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::Future,
    hash::{BuildHasher as _, RandomState},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use futures_timer::Delay;
use futures_util::{
    StreamExt as _,
    future::{Either, select},
    stream::FuturesUnordered,
};
use scimkit_mapping::{Mapping, MappingBuilder};
use scimkit_server::Clock;
use scimkit_store::{
    Connection, ConnectionId, ConnectionSettings, JournalPosition, JournalQuery, JournalRead,
    JournalSubject, KeyValues, Lease, LeaseRequest, RequestContext, Settings, Store, StoreError,
    TenantId, TenantSource, TenantStore, TokenRecord,
};

use super::{
    applying::{Application, Interruption, Keeper},
    backup,
    delivery_rules::{INTERVAL, QUIET, SILENCE},
    directory::Directory,
    guards::{GuardBase, TrippedGuard},
    plan::{Plan, PlanInput, plan},
    reading,
    report::ReportSummary,
    restricting::{Changed, restrict},
    rules::{Absence, ConnectionRules, PlanScope, PlanSettings, WithheldReason},
    run::{Run, RunId, RunState},
    run_store::RunStore,
    schedule::{Dirty, Due, Known, due},
};

/// The name of the journal's consumer, whose lease makes one runner work for a tenant at a time.
const CONSUMER: &str = "sync";
/// The duration of a lease: after a crash, another runner goes on when it is over.
const LEASE: Duration = Duration::from_secs(60);
/// The time after which a lease is extended.
const EXTENSION: Duration = Duration::from_secs(15);
/// The maximum number of tenants at the same time.
const TENANTS: usize = 8;
/// The number of runs that are read to decide what is due.
const RUNS: u32 = 200;

/// A store with a provisioned state, its tenants, and the rows of its runs.
pub trait SyncStore: KeyValues + Store + TenantStore {}

impl<T: KeyValues + Store + TenantStore> SyncStore for T {}

type Directories = dyn Fn(&TenantId) -> Option<Arc<dyn Directory>> + Send + Sync;

/// Carries out the runs of staged delivery: see the [module](super).
///
/// - Several runners, also on several nodes, share the tenants by leases. After a crash, another runner goes on when the
///   lease is over, within a minute.
/// - A request for a run is noticed within the poll interval.
/// - It needs no runtime. To run it with tokio: `tokio::spawn(runner.run(stop))`.
///
/// # Example
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use std::sync::Arc;
/// use scimkit_provision::sync::SyncRunner;
/// use scimkit_store::{MemoryStore, Settings};
///
/// let store = Arc::new(MemoryStore::new());
/// let settings = Settings::new("https://app.example/scim/v2");
/// let runner = SyncRunner::new(store, settings, |_tenant| None);
/// runner.look().await; // once, for all tenants
/// # });
/// ```
pub struct SyncRunner {
    clock: Clock,
    directories: Box<Directories>,
    email_field: String,
    group_name_field: String,
    holder: String,
    is_stopping: AtomicBool,
    mapping: Option<Arc<Mapping>>,
    mappings: MappingBuilder,
    poll_interval: Duration,
    settings: Arc<Settings>,
    store: Arc<dyn SyncStore>,
}

impl fmt::Debug for SyncRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncRunner").finish_non_exhaustive()
    }
}

impl SyncRunner {
    /// Creates a runner for the tenants of a store that have connections with staged delivery. `settings` are those of
    /// the server, and the function returns the directory of a tenant; none if it has no directory.
    #[must_use]
    pub fn new(
        store: Arc<dyn SyncStore>,
        settings: Settings,
        directories: impl Fn(&TenantId) -> Option<Arc<dyn Directory>> + Send + Sync + 'static,
    ) -> Self {
        let [first, second] = [0_u8, 1].map(|part| RandomState::new().hash_one(part));
        SyncRunner {
            clock: Clock::default(),
            directories: Box::new(directories),
            email_field: "email".to_owned(),
            group_name_field: "name".to_owned(),
            holder: format!("{}/{first:016x}{second:016x}", std::process::id()),
            is_stopping: AtomicBool::new(false),
            mapping: None,
            mappings: Mapping::builder(),
            poll_interval: Duration::from_secs(5),
            settings: Arc::new(settings),
            store,
        }
    }

    /// Sets the clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the fields of the directory that have the e-mail address of a user and the name of a group; by default
    /// `email` and `name`.
    #[must_use]
    pub fn with_fields(mut self, email: &str, group_name: &str) -> Self {
        self.email_field = email.to_owned();
        self.group_name_field = group_name.to_owned();
        self
    }

    /// Sets the mapping of connections that have none of their own.
    #[must_use]
    pub fn with_mapping(mut self, mapping: Arc<Mapping>) -> Self {
        self.mapping = Some(mapping);
        self
    }

    /// Sets the builder with the application's own transforms, which mappings may name.
    #[must_use]
    pub fn with_mappings(mut self, mappings: MappingBuilder) -> Self {
        self.mappings = mappings;
        self
    }

    /// Sets the interval at which the store is asked for changes and requests; by default five seconds.
    #[must_use]
    pub fn with_poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval;
        self
    }

    /// Carries out runs until `stop` is ready. Then a run at work stops after its current step, and the next runner goes
    /// on with it.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let stop = pin!(stop);
        let mut busy = BTreeSet::new();
        let mut tasks = FuturesUnordered::new();
        {
            let forever = pin!(async {
                loop {
                    for tenant in self.tenants().await {
                        if tasks.len() < TENANTS && busy.insert(tenant.clone()) {
                            tasks.push(self.look_after(tenant));
                        }
                    }
                    let mut wait = Delay::new(self.poll_interval);
                    loop {
                        if tasks.is_empty() {
                            wait.await;
                            break;
                        }
                        match select(tasks.next(), wait).await {
                            Either::Left((done, rest)) => {
                                if let Some(tenant) = done {
                                    busy.remove(&tenant);
                                }
                                wait = rest;
                            }
                            Either::Right(_) => break,
                        }
                    }
                }
            });
            select(stop, forever).await;
        }
        self.is_stopping.store(true, Ordering::Relaxed);
        while tasks.next().await.is_some() {}
    }

    /// Looks after all tenants once, and returns when the runs that were due have ended.
    pub async fn look(&self) {
        let tenants = self.tenants().await;
        let tasks = tenants.into_iter().map(|tenant| self.look_after(tenant));
        let mut tasks = futures_util::stream::iter(tasks).buffer_unordered(TENANTS);
        while tasks.next().await.is_some() {}
    }

    async fn tenants(&self) -> Vec<TenantId> {
        match self.store.tenants().await {
            Ok(tenants) => tenants.into_iter().map(|tenant| tenant.id).collect(),
            Err(error) => {
                tracing::warn!(%error, "asking for tenants failed");
                Vec::new()
            }
        }
    }

    async fn look_after(&self, tenant: TenantId) -> TenantId {
        match self.tenant(&tenant).await {
            Ok(()) | Err(Interruption::Stopped | Interruption::Store(StoreError::LeaseLost)) => {}
            Err(error) => tracing::warn!(%tenant, %error, "a run stopped"),
        }
        tenant
    }

    async fn tenant(&self, tenant: &TenantId) -> Result<(), Interruption> {
        let staged = self.staged(tenant).await?;
        if staged.own.is_empty() && staged.others.is_empty() {
            return Ok(());
        }
        let site = Site {
            others: staged.others,
            runner: self,
            runs: RunStore::new(
                Arc::clone(&self.store) as Arc<dyn KeyValues>,
                tenant.clone(),
            ),
            source: staged.source,
            staged: staged.own,
            tenant,
        };
        if site.due().await? == Due::Nothing {
            return Ok(());
        }
        let Some(mut hold) = Hold::take(self, tenant).await? else {
            return Ok(());
        };
        let done = site.work(&mut hold).await;
        hold.end().await;
        done
    }

    /// The connections of a tenant with staged delivery: those of its source with their settings, and the ids of the others.
    async fn staged(&self, tenant: &TenantId) -> Result<Staged, StoreError> {
        let source = self.store.tenant(tenant).await?.map(|tenant| tenant.source);
        let source = source.unwrap_or_default();
        let mut staged = Staged::default();
        for connection in self.store.connections(tenant).await? {
            match ConnectionSettings::from_json(&connection.settings) {
                Ok(settings) if !settings.is_staged() => {}
                Ok(settings) if settings.source.unwrap_or_default() == source => {
                    staged.own.push((connection, settings));
                }
                Ok(_) => {
                    staged.others.insert(connection.id);
                }
                Err(_) => {}
            }
        }
        staged.source = source;
        Ok(staged)
    }
}

/// The connections of a tenant with staged delivery.
#[derive(Default)]
struct Staged {
    /// Those that are not of the tenant's source.
    others: BTreeSet<ConnectionId>,
    own: Vec<(Connection, ConnectionSettings)>,
    source: TenantSource,
}

/// The lease of a runner for a tenant.
struct Hold<'a> {
    extend_at: Duration,
    lease: Lease,
    runner: &'a SyncRunner,
    tenant: &'a TenantId,
}

impl<'a> Hold<'a> {
    async fn take(
        runner: &'a SyncRunner,
        tenant: &'a TenantId,
    ) -> Result<Option<Self>, StoreError> {
        let lease = Hold::lease(runner, tenant, LEASE).await?;
        Ok(lease.map(|lease| Hold {
            extend_at: runner.clock.elapsed().saturating_add(EXTENSION),
            lease,
            runner,
            tenant,
        }))
    }

    async fn lease(
        runner: &SyncRunner,
        tenant: &TenantId,
        duration: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        let now = runner.clock.now();
        let request = LeaseRequest::new(CONSUMER, runner.holder.as_str(), now, duration);
        let answer = runner.store.lease(tenant, &request).await?;
        Ok(answer.lease().cloned())
    }

    async fn end(self) {
        if let Err(error) = Hold::lease(self.runner, self.tenant, Duration::ZERO).await {
            tracing::debug!(%error, "ending a lease failed");
        }
    }
}

impl Keeper for Hold<'_> {
    async fn keep(&mut self) -> Result<(), Interruption> {
        if self.runner.is_stopping.load(Ordering::Relaxed) {
            return Err(Interruption::Stopped);
        }
        let now = self.runner.clock.elapsed();
        if now < self.extend_at {
            return Ok(());
        }
        match Hold::lease(self.runner, self.tenant, LEASE).await? {
            Some(lease) if lease.fence == self.lease.fence => {
                self.lease = lease;
                self.extend_at = now.saturating_add(EXTENSION);
                Ok(())
            }
            _ => Err(StoreError::LeaseLost.into()),
        }
    }
}

/// The changes of the provisioned state since a run.
enum Since {
    /// The journal no longer has all of them, or the settings of a connection have changed.
    Everything,
    Some(Changed),
}

/// One tenant with staged delivery.
struct Site<'a> {
    /// The connections that are not of the tenant's source.
    others: BTreeSet<ConnectionId>,
    runner: &'a SyncRunner,
    runs: RunStore,
    source: TenantSource,
    /// Those that are.
    staged: Vec<(Connection, ConnectionSettings)>,
    tenant: &'a TenantId,
}

/// The plan of a run, and what decides about it.
struct Planned {
    /// The directory before the first live run, as CSV.
    backup: Option<String>,
    blocked: BTreeMap<ConnectionId, Vec<TrippedGuard>>,
    plan: Plan,
    summary: ReportSummary,
}

impl Site<'_> {
    async fn due(&self) -> Result<Due, StoreError> {
        let runs = self.runs.runs(RUNS).await?;
        let mut real = runs.iter().filter(|run| run.state != RunState::Skipped);
        let has_run = real.next().is_some();
        let seen = runs.iter().map(|run| run.journal_to).max().unwrap_or(0);
        let interval = self.staged.iter().map(|(_, settings)| settings.interval);
        let interval = interval.map(|interval| interval.unwrap_or(INTERVAL)).max();
        Ok(due(Known {
            dirty: self.dirty(seen, has_run).await?,
            interval: interval.unwrap_or(INTERVAL),
            now: self.runner.clock.now(),
            runs: &runs,
        }))
    }

    /// Returns whether users or groups have changed since a run, or the settings of a connection. Before the first run,
    /// settings alone are no reason for one.
    async fn dirty(&self, seen: u64, has_run: bool) -> Result<Dirty, StoreError> {
        let to = self.last_change().await?;
        let mut position = JournalPosition::end_of(seen);
        let mut dirty = Dirty::No;
        while position.number < to {
            let query = JournalQuery::after(position).with_limit(JournalQuery::MAX_LIMIT);
            let JournalRead::Page(page) = self.runner.store.entries(self.tenant, &query).await?
            else {
                return Ok(Dirty::Yes);
            };
            for entry in &page.entries {
                let cause = entry.cause.connection.as_ref();
                let is_other = cause.is_some_and(|cause| self.others.contains(cause));
                match &entry.subject {
                    JournalSubject::Resource { .. } if is_other => dirty = Dirty::Other,
                    JournalSubject::Resource { .. } => return Ok(Dirty::Yes),
                    JournalSubject::Connection(id) if has_run && !self.others.contains(id) => {
                        return Ok(Dirty::Yes);
                    }
                    _ => {}
                }
            }
            match page.end() {
                Some(end) if page.has_more => position = end,
                _ => break,
            }
        }
        Ok(dirty)
    }

    /// The number of the tenant's last change.
    async fn last_change(&self) -> Result<u64, StoreError> {
        let query = JournalQuery::latest().with_limit(1);
        match self.runner.store.entries(self.tenant, &query).await? {
            JournalRead::Page(page) => Ok(page.head.number),
            JournalRead::Resync { to } => Ok(to),
        }
    }

    async fn work(&self, hold: &mut Hold<'_>) -> Result<(), Interruption> {
        // Another runner may have done it since.
        let scope = match self.due().await? {
            Due::Nothing => return Ok(()),
            Due::OtherSource => return Ok(self.skip_other().await?),
            Due::Skip { until } => return Ok(self.skip(until).await?),
            Due::Resume => {
                if let Some(run) = self.runs.runs(1).await?.pop() {
                    self.carry(run, hold).await?;
                }
                return Ok(());
            }
            Due::Start(scope) => scope,
        };
        let run = Run::new(self.next_id().await?, RunState::Planning, scope, self.now());
        if self.runs.add(&run).await? {
            self.carry(run, hold).await?;
        }
        Ok(())
    }

    fn now(&self) -> DateTime<Utc> {
        self.runner.clock.now()
    }

    async fn next_id(&self) -> Result<RunId, StoreError> {
        let last = self.runs.runs(1).await?.pop();
        Ok(RunId::new(last.map_or(0, |last| last.id.number()) + 1))
    }

    async fn skip(&self, until: DateTime<Utc>) -> Result<(), StoreError> {
        let id = self.next_id().await?;
        let mut run = Run::new(id, RunState::Skipped, PlanScope::Incremental, self.now());
        run.ended = Some(run.started);
        let until = until.to_rfc3339_opts(SecondsFormat::Secs, true);
        run.reason = Some(format!(
            "the interval since the last run is not over: the next one starts at {until}"
        ));
        self.runs.add(&run).await?;
        Ok(())
    }

    /// Records that what connections of another source have sent is not delivered.
    async fn skip_other(&self) -> Result<(), StoreError> {
        let id = self.next_id().await?;
        let mut run = Run::new(id, RunState::Skipped, PlanScope::Incremental, self.now());
        run.ended = Some(run.started);
        run.journal_to = self.last_change().await?;
        run.reason = Some(self.other_source());
        self.runs.add(&run).await?;
        Ok(())
    }

    fn other_source(&self) -> String {
        format!("the source of the tenant is {}", self.source)
    }

    /// Carries out a run, or goes on with it. If some connections are in test mode and others are not, the run covers the
    /// others, and a second one follows.
    async fn carry(&self, mut run: Run, hold: &mut Hold<'_>) -> Result<(), Interruption> {
        let ids = |is_test: bool| {
            let of_mode = self
                .staged
                .iter()
                .filter(|(_, settings)| settings.test_mode == is_test);
            let ids: BTreeSet<_> = of_mode
                .map(|(connection, _)| connection.id.to_string())
                .collect();
            ids
        };
        let (live, test) = (ids(false), ids(true));
        let is_new = run.state != RunState::Applying;
        if is_new && run.connections.is_empty() {
            run.is_test = live.is_empty();
            run.connections = if run.is_test { test.clone() } else { live };
        }
        let follows = is_new && !run.is_test && !test.is_empty() && run.approved_hash.is_none();
        let asked_by = run.asked_by.clone();
        self.carry_one(run, hold).await?;
        if follows {
            let id = self.next_id().await?;
            let mut second = Run::new(id, RunState::Planning, PlanScope::Full, self.now());
            second.asked_by = asked_by;
            second.connections = test;
            second.is_test = true;
            if self.runs.add(&second).await? {
                self.carry_one(second, hold).await?;
            }
        }
        Ok(())
    }

    async fn carry_one(&self, mut run: Run, hold: &mut Hold<'_>) -> Result<(), Interruption> {
        let fence = hold.lease.fence;
        let progress = self.runs.take(run.id, fence).await?;
        if self.staged.is_empty() {
            let (now, reason) = (self.now(), self.other_source());
            let skip = |run: &mut Run| {
                run.state = RunState::Skipped;
                run.ended = Some(now);
                run.reason = Some(reason.clone());
            };
            return Ok(self.runs.update(&mut run, fence, skip).await?);
        }
        let directory = (self.runner.directories)(self.tenant);
        let result = match &directory {
            Some(directory) => {
                let carried = self.carry_with(&**directory, &mut run, progress, hold);
                carried.await
            }
            None => Err(Interruption::Directory(
                "the tenant has no directory".to_owned(),
            )),
        };
        if let Err(Interruption::Directory(problem)) = result {
            let now = self.now();
            let fail = |run: &mut Run| {
                run.state = RunState::Failed;
                run.ended = Some(now);
                run.reason = Some(problem.clone());
            };
            self.runs.update(&mut run, fence, fail).await?;
            return Ok(());
        }
        result
    }

    async fn carry_with(
        &self,
        directory: &dyn Directory,
        run: &mut Run,
        progress: super::run_store::Progress,
        hold: &mut Hold<'_>,
    ) -> Result<(), Interruption> {
        let fence = hold.lease.fence;
        if run.state != RunState::Applying {
            self.plan_run(directory, run, fence).await?;
        }
        if run.state != RunState::Applying {
            self.runs.forget_old().await?;
            return Ok(());
        }
        let mut steps = Vec::new();
        loop {
            let page = self.runs.steps(run.id, steps.len() as u64).await?;
            if page.is_empty() {
                break;
            }
            steps.extend(page);
        }
        let application = Application {
            directory,
            run: run.id,
            runs: &self.runs,
            tenant: self.tenant.as_str(),
        };
        application.apply(&mut steps, progress, hold).await?;
        let now = self.now();
        self.runs
            .update(run, fence, |run| {
                run.state = RunState::Completed;
                run.ended = Some(now);
                if let Some(summary) = &mut run.summary {
                    summary.recount(&steps);
                }
            })
            .await?;
        let to = run.journal_to;
        self.runner
            .store
            .advance(self.tenant, &hold.lease, to)
            .await?;
        self.runs.forget_old().await?;
        Ok(())
    }

    /// Plans a run, and decides what becomes of it.
    async fn plan_run(
        &self,
        directory: &dyn Directory,
        run: &mut Run,
        fence: u64,
    ) -> Result<(), Interruption> {
        let now = self.now();
        let journal_to = self.last_change().await?;
        let (connections, is_test) = (run.connections.clone(), run.is_test);
        self.runs
            .update(run, fence, |run| {
                if run.state == RunState::Pending {
                    run.started = now;
                }
                run.state = RunState::Planning;
                run.connections.clone_from(&connections);
                run.is_test = is_test;
                run.journal_to = journal_to;
            })
            .await?;
        let history = self.runs.runs(RUNS).await?;
        let (scope, changed) = self.scope(run, &history).await?;
        let planned = self
            .plan(directory, run, &history, (scope, changed))
            .await?;
        if let Some(backup) = &planned.backup {
            self.runs.put_backup(backup).await?;
        }
        self.runs.put_steps(run.id, &planned.plan.steps).await?;
        let count = planned.plan.steps.len() as u64;
        let hash = planned.plan.hash.to_string();
        self.runs
            .update(run, fence, |run| {
                run.scope = scope;
                run.steps = count;
                run.summary = Some(planned.summary.clone());
                let is_approved = run.approved_hash.as_ref() == Some(&hash);
                let is_stale = run.approved_hash.is_some() && !is_approved;
                run.state = if is_stale || (!planned.blocked.is_empty() && !is_approved) {
                    run.reason = Some(reason(&planned.blocked, is_stale));
                    RunState::Blocked
                } else if run.is_test {
                    RunState::Test
                } else {
                    RunState::Applying
                };
                if run.state != RunState::Applying {
                    run.ended = Some(now);
                }
            })
            .await?;
        Ok(())
    }

    /// Returns what a run compares: everything, or what has changed since the last one that has changed the directory.
    async fn scope(
        &self,
        run: &Run,
        history: &[Run],
    ) -> Result<(PlanScope, Option<Changed>), StoreError> {
        if run.scope == PlanScope::Full || run.is_test {
            return Ok((PlanScope::Full, None));
        }
        let base = history.iter().find(|past| {
            past.state == RunState::Completed && past.connections.is_superset(&run.connections)
        });
        let Some(base) = base else {
            return Ok((PlanScope::Full, None));
        };
        Ok(match self.changes(base.journal_to).await? {
            Since::Everything => (PlanScope::Full, None),
            Since::Some(changed) => (PlanScope::Incremental, Some(changed)),
        })
    }

    async fn changes(&self, after: u64) -> Result<Since, StoreError> {
        let mut changed = Changed::default();
        let mut position = JournalPosition::end_of(after);
        loop {
            let query = JournalQuery::after(position).with_limit(JournalQuery::MAX_LIMIT);
            let JournalRead::Page(page) = self.runner.store.entries(self.tenant, &query).await?
            else {
                return Ok(Since::Everything);
            };
            for entry in &page.entries {
                match &entry.subject {
                    JournalSubject::Resource { id, kind } if &**kind == "User" => {
                        changed.users.insert(id.clone());
                    }
                    JournalSubject::Resource { id, kind } if &**kind == "Group" => {
                        changed.groups.insert(id.clone());
                    }
                    JournalSubject::Connection(_) => return Ok(Since::Everything),
                    _ => {}
                }
            }
            match page.end() {
                Some(last) if page.has_more => position = last,
                _ => return Ok(Since::Some(changed)),
            }
        }
    }

    async fn plan(
        &self,
        directory: &dyn Directory,
        run: &Run,
        history: &[Run],
        (scope, changed): (PlanScope, Option<Changed>),
    ) -> Result<Planned, Interruption> {
        let rules = self.rules(run, history).await?;
        let context = RequestContext::new(self.tenant.clone(), Arc::clone(&self.runner.settings));
        let store: &dyn Store = &*self.runner.store;
        let mut settings = PlanSettings::new();
        settings.capacity = directory.capacity().await?;
        settings.email_field.clone_from(&self.runner.email_field);
        settings
            .group_name_field
            .clone_from(&self.runner.group_name_field);
        settings.scope = scope;
        settings.connections = rules;
        let input = PlanInput {
            directory_groups: reading::directory_groups(directory).await?,
            directory_users: reading::directory_users(directory).await?,
            groups: reading::state_groups(store, &context, &settings.connections).await?,
            links: self.runs.links().await?,
            users: reading::state_users(store, &context, &settings.connections).await?,
        };
        let is_first = !history.iter().any(|past| past.state == RunState::Completed);
        let backup = (is_first && !run.is_test).then(|| backup::csv(&input.directory_users));
        let backup = backup.transpose().map_err(StoreError::backend)?;
        let exemptions = self.runs.exemptions().await?;
        let mut plan = plan(&input, &settings, &exemptions);
        if !plan.bindings.is_empty() {
            let mut bound = exemptions.clone();
            for binding in &plan.bindings {
                bound.bind(&binding.email, binding.id.clone());
            }
            self.runs.put_exemptions(&exemptions, &bound).await?;
        }
        if let Some(changed) = &changed {
            restrict(&mut plan, changed, &input.links);
        }
        let blocked = guards(&plan, &settings, history);
        let mut summary = ReportSummary::new(self.tenant.as_str(), &plan, &settings, self.now());
        for (connection, guards) in &blocked {
            summary = summary.with_blocked(connection, guards.clone());
        }
        Ok(Planned {
            backup,
            blocked,
            plan,
            summary,
        })
    }

    /// Returns the rules of the connections that a run covers.
    async fn rules(
        &self,
        run: &Run,
        history: &[Run],
    ) -> Result<BTreeMap<ConnectionId, ConnectionRules>, Interruption> {
        let mut rules = BTreeMap::new();
        let tokens = self.runner.store.tokens(self.tenant).await?;
        for (connection, settings) in &self.staged {
            let id = &connection.id;
            if !run.connections.contains(id.as_str()) {
                continue;
            }
            let runner = self.runner;
            let own = ConnectionRules::of(
                settings,
                &runner.settings,
                &runner.mappings,
                runner.mapping.as_deref(),
            );
            let mut own = own.map_err(|problem| {
                Interruption::Directory(format!("connection `{id}`: {problem}"))
            })?;
            if settings.authoritative {
                own.absence = self.absence(id, settings, &tokens).await?;
            }
            let was_live = history.iter().any(|past| {
                past.state == RunState::Completed && past.connections.contains(id.as_str())
            });
            if !was_live {
                own.cleared_fields.clone_from(&settings.cleared_fields);
            }
            rules.insert(id.clone(), own);
        }
        Ok(rules)
    }

    /// Returns whether users that were never sent are archived now.
    async fn absence(
        &self,
        connection: &ConnectionId,
        settings: &ConnectionSettings,
        tokens: &[TokenRecord],
    ) -> Result<Absence, StoreError> {
        if !settings.active {
            return Ok(Absence::Withhold(WithheldReason::ConnectionRemoved));
        }
        let now = self.now();
        let mut own = tokens
            .iter()
            .filter(|token| token.connection == *connection);
        // A connection without any token is authenticated by the application itself.
        let has_tokens = own.clone().next().is_some();
        if has_tokens && !own.clone().any(|token| token.is_valid_at(now)) {
            return Ok(Absence::Withhold(WithheldReason::TokenRevoked));
        }
        let used = own.by_ref().filter_map(|token| token.last_used).max();
        let query = JournalQuery::latest()
            .with_connection(connection.clone())
            .with_limit(20);
        let read = self.runner.store.entries(self.tenant, &query).await?;
        let entries = read.page().map(|page| page.entries).unwrap_or_default();
        let is_request =
            |subject: &JournalSubject| matches!(subject, JournalSubject::Resource { .. });
        let mut written = entries.iter().filter(|entry| is_request(&entry.subject));
        let last = used.max(written.next().map(|entry| entry.at));
        let since = |last: DateTime<Utc>| now.signed_duration_since(last);
        let is_over =
            |since: TimeDelta, limit: Duration| since.to_std().is_ok_and(|since| since >= limit);
        Ok(match last.map(since) {
            Some(since) if !is_over(since, settings.quiet.unwrap_or(QUIET)) => {
                Absence::Withhold(WithheldReason::NotQuiet)
            }
            Some(since) if !is_over(since, settings.silence.unwrap_or(SILENCE)) => Absence::Archive,
            _ => Absence::Withhold(WithheldReason::Silent),
        })
    }
}

/// Returns the guards that block a plan, by connection.
fn guards(
    plan: &Plan,
    settings: &PlanSettings,
    history: &[Run],
) -> BTreeMap<ConnectionId, Vec<TrippedGuard>> {
    let mut blocked = BTreeMap::new();
    for (connection, rules) in &settings.connections {
        let Some(counts) = plan.counts.get(connection) else {
            continue;
        };
        let of_connection = |run: &&Run| run.connections.contains(connection.as_str());
        let mut ended = history
            .iter()
            .filter(|run| matches!(run.state, RunState::Completed | RunState::Test))
            .filter(of_connection);
        let base = GuardBase {
            archivable: counts.archivable,
            last_state_users: ended.next().and_then(|run| run.state_users(connection)),
            state_users: counts.state_users,
        };
        let tripped = rules.limits.check(counts, base);
        if !tripped.is_empty() {
            blocked.insert(connection.clone(), tripped);
        }
    }
    blocked
}

/// Returns why a run is blocked.
fn reason(blocked: &BTreeMap<ConnectionId, Vec<TrippedGuard>>, is_stale: bool) -> String {
    let mut reasons = Vec::new();
    if is_stale {
        reasons.push("the plan is no longer the one that was approved".to_owned());
    }
    for (connection, guards) in blocked {
        reasons.extend(guards.iter().map(|guard| format!("{connection}: {guard}")));
    }
    reasons.join("; ")
}
