//! The runner of consumers.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    future::Future,
    hash::{BuildHasher as _, RandomState},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_timer::Delay;
use futures_util::{
    StreamExt as _,
    future::{Either, select},
    stream::FuturesUnordered,
};
use scimkit_server::Clock;
use scimkit_store::{BoxFuture, Journal, JournalPosition, StoreError, TenantId};

use super::{
    ChangeSignal, EventConsumer,
    delivery::{Delivered, Delivery, Resume, Shared},
};

/// The maximum number of tenants to whose events a consumer attends at once.
const TENANTS_AT_ONCE: usize = 8;

/// Delivers events to consumers: see the [module](super).
#[derive(Debug)]
pub struct Events {
    clock: Clock,
    consumers: Vec<EventConsumer>,
    poll_interval: Duration,
    signal: ChangeSignal,
    store: Arc<dyn Journal>,
}

impl Events {
    /// Creates a runner without consumers for the journals of that store.
    #[must_use]
    pub fn new(store: Arc<dyn Journal>) -> Self {
        Events {
            clock: Clock::default(),
            consumers: Vec::new(),
            poll_interval: Duration::from_secs(1),
            signal: ChangeSignal::default(),
            store,
        }
    }

    /// Adds a consumer. Each needs a name of its own.
    #[must_use]
    pub fn with_consumer(mut self, consumer: EventConsumer) -> Self {
        self.consumers.push(consumer);
        self
    }

    /// Sets the clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the interval at which the store is asked for changes of other processes; by default it is a second.
    #[must_use]
    pub fn with_poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval;
        self
    }

    /// Returns the signal that wakes the runner after a change in this process.
    #[must_use]
    pub fn signal(&self) -> ChangeSignal {
        self.signal.clone()
    }

    /// Runs the consumers until `stop` is ready. Then the handlers that are at work end, and what they have handled is
    /// confirmed.
    ///
    /// If the future is dropped instead, events that were handled in the last second may be delivered again, and
    /// another node continues only when the leases lapse: 10 seconds after the [timeout](EventConsumer::with_timeout)
    /// of the handler.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let shared = Shared {
            clock: self.clock.clone(),
            holder: holder(),
            is_stopping: AtomicBool::new(false),
            store: Arc::clone(&self.store),
        };
        let mut run = Run {
            events: &self,
            next_poll: Duration::ZERO,
            queues: self.consumers.iter().map(|_| Queue::default()).collect(),
            shared: &shared,
            tasks: FuturesUnordered::new(),
        };
        let stop = pin!(stop);
        {
            let forever = pin!(run.forever());
            select(stop, forever).await;
        }
        shared.is_stopping.store(true, Ordering::Relaxed);
        run.finish().await;
    }
}

/// Returns a name for the runner that no other one has.
fn holder() -> String {
    let [first, second] = [0_u8, 1].map(|part| RandomState::new().hash_one(part));
    format!("{}/{first:016x}{second:016x}", std::process::id())
}

/// The tenants of a consumer that have changed.
#[derive(Debug, Default)]
struct Queue {
    failures: BTreeMap<TenantId, Failure>,
    is_polling: bool,
    /// The tenants whose lease goes on between two deliveries.
    leased: BTreeSet<TenantId>,
    // INVARIANT: `waiting` has the tenants of `order`; a tenant is in at most one of `waiting` and `running`.
    order: VecDeque<TenantId>,
    /// The tenants at work, and whether they have changed since.
    running: BTreeMap<TenantId, bool>,
    waiting: BTreeSet<TenantId>,
    /// The positions from which to continue.
    resumes: BTreeMap<TenantId, Resume>,
}

/// The delay of a tenant after a failure.
#[derive(Debug, Default)]
struct Failure {
    /// The number of failures in a row.
    attempts: u32,
    /// The event that was not delivered, with the number of attempts.
    event: Option<(JournalPosition, u32)>,
    /// The time of the next attempt; none during one.
    until: Option<Duration>,
}

impl Queue {
    /// Adds a tenant that has changed.
    fn add(&mut self, tenant: TenantId) {
        if let Some(has_changed) = self.running.get_mut(&tenant) {
            *has_changed = true;
            return;
        }
        let failure = self.failures.get(&tenant);
        if failure.is_some_and(|failure| failure.until.is_some()) {
            return;
        }
        if self.waiting.insert(tenant.clone()) {
            self.order.push_back(tenant);
        }
    }

    /// Adds the tenants whose delay is over, and returns the time at which the next one is.
    fn add_delayed(&mut self, now: Duration) -> Option<Duration> {
        let mut due = Vec::new();
        let mut next: Option<Duration> = None;
        for (tenant, failure) in &mut self.failures {
            match failure.until {
                Some(until) if until <= now => {
                    failure.until = None;
                    due.push(tenant.clone());
                }
                Some(until) => next = Some(next.map_or(until, |next| next.min(until))),
                None => {}
            }
        }
        for tenant in due {
            self.add(tenant);
        }
        next
    }

    /// Takes the next tenant.
    fn start(&mut self) -> Option<TenantId> {
        if self.running.len() >= TENANTS_AT_ONCE {
            return None;
        }
        let tenant = self.order.pop_front()?;
        self.waiting.remove(&tenant);
        self.running.insert(tenant.clone(), false);
        Some(tenant)
    }

    /// Notes the result of a delivery.
    fn end(
        &mut self,
        (tenant, delivered): (TenantId, Delivered),
        consumer: &EventConsumer,
        now: Duration,
    ) {
        let has_changed = self.running.remove(&tenant).unwrap_or(false);
        match delivered {
            Delivered::All => {
                self.leased.remove(&tenant);
                self.failures.remove(&tenant);
                if has_changed {
                    self.add(tenant);
                }
            }
            Delivered::Some(resume) => {
                self.leased.insert(tenant.clone());
                self.failures.remove(&tenant);
                self.resumes
                    .extend(resume.map(|resume| (tenant.clone(), resume)));
                self.add(tenant);
            }
            // The next poll finds it again.
            Delivered::Held => {
                self.leased.remove(&tenant);
            }
            Delivered::Failed {
                error,
                position,
                resume,
            } => {
                self.leased.insert(tenant.clone());
                self.resumes
                    .extend(resume.map(|resume| (tenant.clone(), resume)));
                let failure = self.failures.entry(tenant.clone()).or_default();
                failure.attempts = failure.attempts.saturating_add(1);
                if let Some(position) = position {
                    let same = failure.event.filter(|(failed, _)| *failed == position);
                    let attempts = same.map_or(1, |(_, attempts)| attempts.saturating_add(1));
                    failure.event = Some((position, attempts));
                    failure.attempts = attempts;
                }
                let jitter = RandomState::new().hash_one(&tenant);
                let delay = consumer.retries.after(failure.attempts, jitter);
                failure.until = Some(now.saturating_add(delay));
                let number = position.map(|position| position.number);
                let (consumer, attempts) = (consumer.name(), failure.attempts);
                tracing::warn!(consumer, %tenant, number, attempts, %error, "delivering an event failed");
            }
        }
    }
}

/// The end of a task.
enum Done {
    Delivered(usize, TenantId, Delivered),
    Pending(usize, Result<Vec<TenantId>, StoreError>),
}

struct Run<'a> {
    events: &'a Events,
    /// The time of the next poll.
    next_poll: Duration,
    /// One queue for each consumer.
    queues: Vec<Queue>,
    shared: &'a Shared,
    tasks: FuturesUnordered<BoxFuture<'a, Done>>,
}

impl Run<'_> {
    async fn forever(&mut self) {
        loop {
            let next = self.start();
            let now = self.events.clock.elapsed();
            let sleep = Delay::new(next.saturating_sub(now));
            let signal = pin!(self.events.signal.next());
            let wake = select(signal, sleep);
            let end = if self.tasks.is_empty() {
                Either::Right(wake.await)
            } else {
                match select(self.tasks.next(), wake).await {
                    Either::Left((done, _)) => Either::Left(done),
                    Either::Right((woken, _)) => Either::Right(woken),
                }
            };
            match end {
                Either::Left(Some(done)) => self.end(done),
                Either::Right(Either::Left((changed, _))) => {
                    if changed.has_more {
                        self.next_poll = Duration::ZERO;
                    }
                    for queue in &mut self.queues {
                        changed
                            .tenants
                            .iter()
                            .cloned()
                            .for_each(|tenant| queue.add(tenant));
                    }
                }
                Either::Left(None) | Either::Right(Either::Right(_)) => {}
            }
        }
    }

    /// Waits for the tasks, and ends the leases.
    async fn finish(&mut self) {
        while let Some(done) = self.tasks.next().await {
            self.end(done);
        }
        for (consumer, queue) in self.events.consumers.iter().zip(&self.queues) {
            for tenant in &queue.leased {
                let delivery = Delivery {
                    consumer,
                    failed: None,
                    shared: self.shared,
                    tenant,
                };
                delivery.end_lease().await;
            }
        }
    }

    /// Starts the tasks that are due, and returns the time at which to look again.
    fn start(&mut self) -> Duration {
        let now = self.events.clock.elapsed();
        let is_poll_due = self.next_poll <= now;
        if is_poll_due {
            self.next_poll = now.saturating_add(self.events.poll_interval);
        }
        let mut next = self.next_poll;
        let consumers = self.events.consumers.iter();
        for (index, (consumer, queue)) in consumers.zip(&mut self.queues).enumerate() {
            let shared = self.shared;
            if is_poll_due && !queue.is_polling {
                queue.is_polling = true;
                self.tasks.push(Box::pin(async move {
                    Done::Pending(index, shared.store.pending(&consumer.name).await)
                }));
            }
            next = next.min(queue.add_delayed(now).unwrap_or(next));
            while let Some(tenant) = queue.start() {
                let resume = queue.resumes.remove(&tenant);
                let failed = queue
                    .failures
                    .get(&tenant)
                    .and_then(|failure| failure.event);
                self.tasks.push(Box::pin(async move {
                    let delivery = Delivery {
                        consumer,
                        failed,
                        shared,
                        tenant: &tenant,
                    };
                    let delivered = delivery.run(resume).await;
                    Done::Delivered(index, tenant, delivered)
                }));
            }
        }
        next
    }

    fn end(&mut self, done: Done) {
        match done {
            Done::Pending(index, pending) => {
                let Some(queue) = self.queues.get_mut(index) else {
                    return;
                };
                queue.is_polling = false;
                match pending {
                    Ok(tenants) => tenants.into_iter().for_each(|tenant| queue.add(tenant)),
                    Err(error) => tracing::warn!(%error, "asking for changed tenants failed"),
                }
            }
            Done::Delivered(index, tenant, delivered) => {
                let consumer = self.events.consumers.get(index);
                if let Some((queue, consumer)) = self.queues.get_mut(index).zip(consumer) {
                    let now = self.events.clock.elapsed();
                    queue.end((tenant, delivered), consumer, now);
                }
            }
        }
    }
}
