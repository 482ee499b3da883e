//! Separate threads for jobs that would block a thread of the runtime for too long.

use std::{
    fmt,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
    thread,
};

use scimkit_registry::Budget;

use crate::{FairQueue, Share, StoreError, TenantId, report_queue_length};

/// A few threads that run the jobs of all tenants in turn.
///
/// - They start with the first job, and end when the lane is dropped.
/// - One tenant uses at most half of them, rounded up, so that its long jobs don't block the others.
/// - A job is rejected with [`StoreError::Busy`] while 256 jobs wait, or 64 of the same tenant.
///
/// # Example
/// ```
/// use scimkit_registry::Budget;
/// use scimkit_store::{Lane, TenantId};
///
/// let lane = Lane::new();
/// let (tenant, budget) = (TenantId::default(), Budget::unlimited());
/// let sum = lane.run(&tenant, &budget, || (1..=100).sum::<u32>());
/// # use std::{pin::pin, task::{Context, Poll, Waker}};
/// # let mut sum = pin!(sum);
/// # let sum = loop {
/// #     if let Poll::Ready(sum) = sum.as_mut().poll(&mut Context::from_waker(Waker::noop())) { break sum; }
/// #     std::thread::yield_now();
/// # };
/// assert_eq!(sum.unwrap(), 5_050);
/// ```
pub struct Lane {
    shared: Arc<Shared>,
}

/// The maximum number of waiting jobs.
const MOST: usize = 256;
/// The maximum number of waiting jobs of one tenant.
const MOST_OF_ONE: usize = 64;

/// The name of the lane in metrics.
const LANE: &str = "work";

type Job = Box<dyn FnOnce() + Send>;

struct Shared {
    state: Mutex<State>,
    waiting: Condvar,
    workers: usize,
}

struct State {
    is_closed: bool,
    jobs: FairQueue<TenantId, Job>,
    started: usize,
}

impl Lane {
    /// Creates a lane of one thread per processor, but at least 2 and at most 8, which are not started yet.
    #[must_use]
    pub fn new() -> Self {
        let processors = thread::available_parallelism().map_or(2, usize::from);
        let workers = processors.clamp(2, 8);
        let share = Share {
            running: workers.div_ceil(2),
            waiting: MOST_OF_ONE,
        };
        Lane {
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    is_closed: false,
                    jobs: FairQueue::new(MOST, share),
                    started: 0,
                }),
                waiting: Condvar::new(),
                workers,
            }),
        }
    }

    /// Runs a job on one of the threads, unless its budget is exhausted before its turn.
    ///
    /// The job runs even if the future is dropped.
    ///
    /// # Errors
    /// - [`StoreError::Busy`]: too many jobs wait
    /// - [`StoreError::Exhausted`]: the budget was exhausted before the job's turn
    /// - [`StoreError::Backend`]: the job panicked, or no thread could be started
    pub async fn run<T: Send + 'static>(
        &self,
        tenant: &TenantId,
        budget: &Budget,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, place) = slot();
        let budget = budget.clone();
        let job = Box::new(move || match budget.check() {
            Ok(()) => sender.send(Ok(work())),
            Err(reason) => sender.send(Err(reason.into())),
        });
        self.shared.push(tenant, job)?;
        let received = poll_fn(|context| {
            let mut place = locked(&place);
            match place.value.take() {
                Some(value) => Poll::Ready(value),
                None => {
                    place.waker = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        });
        received.await
    }
}

impl Default for Lane {
    fn default() -> Self {
        Lane::new()
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        locked(&self.shared.state).is_closed = true;
        self.shared.waiting.notify_all();
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field("workers", &self.shared.workers)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn push(self: &Arc<Self>, tenant: &TenantId, job: Job) -> Result<(), StoreError> {
        let mut state = locked(&self.state);
        let pushed = state.jobs.push(tenant.clone(), job, |_| true);
        pushed.map_err(|_| StoreError::Busy)?;
        report_queue_length(LANE, state.jobs.len());
        while state.started < self.workers {
            let shared = Arc::clone(self);
            let worker = thread::Builder::new().name("scimkit-work".to_owned());
            if let Err(error) = worker.spawn(move || shared.work()) {
                if state.started > 0 {
                    break;
                }
                state.jobs.clear();
                return Err(StoreError::backend(error));
            }
            state.started += 1;
        }
        self.waiting.notify_one();
        Ok(())
    }

    /// Runs one job after another until the lane is closed.
    fn work(&self) {
        loop {
            let mut state = locked(&self.state);
            let (tenant, job) = loop {
                if state.is_closed {
                    return;
                }
                match state.jobs.take() {
                    Some(found) => break found,
                    None => {
                        state = self
                            .waiting
                            .wait(state)
                            .unwrap_or_else(PoisonError::into_inner);
                    }
                }
            };
            report_queue_length(LANE, state.jobs.len());
            drop(state);
            // A job that panics drops its sender, so the caller that waits for it gets an error.
            drop(catch_unwind(AssertUnwindSafe(job)));
            locked(&self.state).jobs.release(&tenant);
            self.waiting.notify_all();
        }
    }
}

/// A place for a value that one thread sets and another awaits.
struct Place<T> {
    value: Option<Result<T, StoreError>>,
    waker: Option<Waker>,
}

struct Sender<T>(Arc<Mutex<Place<T>>>);

fn slot<T>() -> (Sender<T>, Arc<Mutex<Place<T>>>) {
    let place = Arc::new(Mutex::new(Place {
        value: None,
        waker: None,
    }));
    (Sender(Arc::clone(&place)), place)
}

impl<T> Sender<T> {
    fn send(self, value: Result<T, StoreError>) {
        locked(&self.0).value = Some(value);
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut place = locked(&self.0);
        let lost = || Err(StoreError::backend("the job ended without a result"));
        place.value.get_or_insert_with(lost);
        let waker = place.waker.take();
        drop(place);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Locks a mutex. A poisoned lock is usable, since its value is consistent: no code panics while it is locked.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
