//! The runner of consumers.

use std::{
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
use scimkit_store::{BoxFuture, Journal, StoreError, TenantId};

use super::{
    ChangeSignal, EventConsumer,
    delivery::{Delivered, Delivery, Shared},
    queue::{Moment, Queue, Started},
    telemetry::set_lag,
};

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

    /// Adds a consumer. Those with the same name share the events, as those on several nodes do: each event is
    /// handled by one of them.
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

/// Returns a name for a runner that no other one has.
fn holder() -> String {
    let [first, second] = [0_u8, 1].map(|part| RandomState::new().hash_one(part));
    format!("{}/{first:016x}{second:016x}", std::process::id())
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
                    let at = self.events.clock.now();
                    for queue in &mut self.queues {
                        let tenants = changed.tenants.iter().cloned();
                        tenants.for_each(|tenant| queue.add(tenant, at));
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
        let consumers = self.events.consumers.iter();
        for (index, (consumer, queue)) in consumers.zip(&self.queues).enumerate() {
            for tenant in &queue.leased {
                let delivery = Delivery {
                    consumer,
                    failed: None,
                    index,
                    shared: self.shared,
                    tenant,
                };
                delivery.end_lease().await;
            }
        }
    }

    /// Starts the tasks that are due, and returns the time at which to look again.
    fn start(&mut self) -> Duration {
        let now = self.now();
        let is_poll_due = self.next_poll <= now.elapsed;
        if is_poll_due {
            self.next_poll = now.elapsed.saturating_add(self.events.poll_interval);
        }
        let mut next = self.next_poll;
        let consumers = self.events.consumers.iter();
        for (index, (consumer, queue)) in consumers.zip(&mut self.queues).enumerate() {
            let shared = self.shared;
            if is_poll_due {
                set_lag(consumer.name(), || queue.lag(now.at));
            }
            if is_poll_due && !queue.is_polling {
                queue.is_polling = true;
                self.tasks.push(Box::pin(async move {
                    Done::Pending(index, shared.store.pending(&consumer.name).await)
                }));
            }
            next = next.min(queue.add_delayed(now).unwrap_or(next));
            while let Some(started) = queue.start() {
                let Started {
                    failed,
                    resume,
                    tenant,
                } = started;
                self.tasks.push(Box::pin(async move {
                    let delivery = Delivery {
                        consumer,
                        failed,
                        index,
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

    fn now(&self) -> Moment {
        let clock = &self.events.clock;
        Moment {
            at: clock.now(),
            elapsed: clock.elapsed(),
        }
    }

    fn end(&mut self, done: Done) {
        let now = self.now();
        match done {
            Done::Pending(index, pending) => {
                let Some(queue) = self.queues.get_mut(index) else {
                    return;
                };
                queue.is_polling = false;
                match pending {
                    Ok(tenants) => tenants
                        .into_iter()
                        .for_each(|tenant| queue.add(tenant, now.at)),
                    Err(error) => tracing::warn!(%error, "asking for changed tenants failed"),
                }
            }
            Done::Delivered(index, tenant, delivered) => {
                let consumer = self.events.consumers.get(index);
                if let Some((queue, consumer)) = self.queues.get_mut(index).zip(consumer) {
                    queue.end((tenant, delivered), consumer, now);
                }
            }
        }
    }
}
